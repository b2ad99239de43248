"""RFC 4271 sections 4.2 and 6.2, RFC 4760 section 8, RFC 5492, RFC 6286, RFC 6793: what two OPENs come to."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from vipd.bgp.capabilities import (
    IPV4_OVER_IPV6,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    HasRole,
    Multiprotocol,
    NextHopEncoding,
    Restartable,
    RouteRefresh,
    Unknown,
)
from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import Family, Role
from vipd.bgp.messages import Open
from vipd.bgp.negotiation import agree, offer
from vipd.bgp.peer import PeerConfig

IPV4, IPV6 = Multiprotocol.of(Family.IPV4), Multiprotocol.of(Family.IPV6)
CONFIG = PeerConfig(
    name="tor-a",
    address="10.0.0.1",
    local_as=65010,
    router_id=IPv4Address("10.0.0.5"),
    peer_as=65001,
    hold_time=9,
)
THEIRS = Open(
    asn=65001,
    hold_time=90,
    router_id=IPv4Address("10.0.0.1"),
    capabilities=(IPV4, IPV6, RouteRefresh(), FourOctetAs(asn=65001)),
)


def config(**changes):
    return replace(CONFIG, **changes)


def theirs(**changes):
    return replace(THEIRS, **changes)


def refusal(config, theirs):
    with pytest.raises(NotificationError) as caught:
        agree(config, theirs)
    return caught.value


def test_what_is_offered():
    assert offer(config(local_as=4200000001), restarted=True) == Open(
        asn=4200000001,
        hold_time=9,
        router_id=IPv4Address("10.0.0.5"),
        capabilities=(
            *(IPV4, IPV6, RouteRefresh(), EnhancedRouteRefresh(), ExtendedMessage()),
            FourOctetAs(asn=4200000001),
        ),
    )
    assert offer(config(families=(Family.IPV6,)), restarted=True).capabilities[0] == IPV6


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize(
    ("seconds", "offered"),
    [
        (None, []),
        (0, [GracefulRestart(time=0)]),
        (
            120,
            [
                GracefulRestart(
                    time=120,
                    families=(Restartable(1, 1, forwarding=True), Restartable(2, 1, forwarding=True)),
                    notification=True,
                )
            ],
        ),
    ],
)
def test_graceful_restart_is_offered_as_asked_for(seconds, offered, restarted):
    said = offer(config(graceful_restart=seconds), restarted=restarted).capabilities
    if seconds:
        offered = [replace(each, restarted=restarted) for each in offered]
    assert [each for each in said if isinstance(each, GracefulRestart)] == offered


def test_what_is_agreed_on():
    agreed = agree(CONFIG, THEIRS)
    assert (agreed.peer_as, agreed.peer_router_id) == (65001, IPv4Address("10.0.0.1"))
    assert agreed.ebgp
    assert agreed.four_octet_as
    assert agreed.route_refresh


def test_rfc8654_extended_messages_are_agreed_on_by_both():
    assert not agree(CONFIG, THEIRS).extended_message
    both = theirs(capabilities=(*THEIRS.capabilities, ExtendedMessage()))
    assert agree(CONFIG, both).extended_message


PAIRS = {  # RFC 9234 section 4.2
    (Role.PROVIDER, Role.CUSTOMER),
    (Role.CUSTOMER, Role.PROVIDER),
    (Role.RS, Role.RS_CLIENT),
    (Role.RS_CLIENT, Role.RS),
    (Role.PEER, Role.PEER),
}


def with_roles(*roles):
    return theirs(capabilities=(*THEIRS.capabilities, *(HasRole(role=role) for role in roles)))


@pytest.mark.parametrize("strict", [False, True], ids=["", "strict"])
@pytest.mark.parametrize("said", [*Role, 5, 255], ids=str)
@pytest.mark.parametrize("ours", Role, ids=str)
def test_rfc9234_4_2_roles_that_go_together(ours, said, strict):
    config = replace(CONFIG, role=ours, role_strict=strict)
    if (ours, said) in PAIRS:
        assert agree(config, with_roles(said)).peer_as == 65001
        assert agree(config, with_roles(said, said)).peer_as == 65001  # twice is once
    else:
        error = refusal(config, with_roles(said))
        assert (error.code, error.subcode, error.data) == (2, 11, b"")


ROLES = {
    "none-said": ((), False, None),
    "none-said-strict": ((), True, "role provider expected of who has us for customer, OPEN says none"),
    "several": (
        (Role.PROVIDER, Role.PEER),
        False,
        "role provider expected of who has us for customer, OPEN says role peer and role provider",
    ),
    "another": ((7,), False, "role provider expected of who has us for customer, OPEN says role 7"),
}


@pytest.mark.parametrize(("said", "strict", "text"), ROLES.values(), ids=ROLES)
def test_rfc9234_4_2_what_is_said_of_roles(said, strict, text):
    config = replace(CONFIG, role=Role.CUSTOMER, role_strict=strict)
    if text is None:
        assert agree(config, with_roles(*said)).ebgp
    else:
        assert refusal(config, with_roles(*said)).text == text


def test_rfc9234_4_2_who_has_no_role_does_not_mind():
    assert agree(CONFIG, with_roles(Role.PEER, Role.CUSTOMER)).ebgp
    assert not any(isinstance(c, HasRole) for c in offer(CONFIG, restarted=True).capabilities)


def test_rfc9234_4_1_our_role_is_offered():
    said = offer(replace(CONFIG, role=Role.RS_CLIENT), restarted=True).capabilities
    assert said[4:] == (ExtendedMessage(), HasRole(role=2), FourOctetAs(asn=65010))


def test_rfc7313_the_marks_of_a_refresh_are_agreed_on_by_both():
    assert not agree(CONFIG, THEIRS).enhanced_refresh
    assert agree(CONFIG, theirs(capabilities=(*THEIRS.capabilities, EnhancedRouteRefresh()))).enhanced_refresh


OVER_IPV6 = replace(CONFIG, address="2001:db8::1")
SIX_FOR_FOUR = ExtendedNextHop(encodings=(IPV4_OVER_IPV6,))
NEXT_HOPS = {  # RFC 8950 section 4: our side, what the peer says, whether it was agreed on
    "both": (OVER_IPV6, (SIX_FOR_FOUR,), True),
    "among-others": (
        OVER_IPV6,
        (ExtendedNextHop(encodings=(NextHopEncoding(1, 128, 2), IPV4_OVER_IPV6)),),
        True,
    ),
    "twice": (OVER_IPV6, (ExtendedNextHop(encodings=()), SIX_FOR_FOUR), True),
    "not-the-peer": (OVER_IPV6, (), False),
    "others-only": (OVER_IPV6, (ExtendedNextHop(encodings=(NextHopEncoding(1, 128, 2),)),), False),
    "over-ipv4": (CONFIG, (SIX_FOR_FOUR,), False),
    "ipv6-alone": (replace(OVER_IPV6, families=(Family.IPV6,)), (SIX_FOR_FOUR,), False),
}


@pytest.mark.parametrize(("ours", "said", "agreed"), NEXT_HOPS.values(), ids=NEXT_HOPS)
def test_rfc8950_4_ipv6_next_hops_for_ipv4(ours, said, agreed):
    capabilities = (*THEIRS.capabilities, *said)
    assert agree(ours, theirs(capabilities=capabilities)).extended_next_hop is agreed
    offered = offer(ours, restarted=True).capabilities
    assert (SIX_FOR_FOUR in offered) is (ours.address == OVER_IPV6.address and Family.IPV4 in ours.families)


def test_graceful_restart_takes_both():
    helper = GracefulRestart(time=120)
    assert not agree(CONFIG, theirs(capabilities=(IPV4, helper))).graceful_restart
    assert not agree(config(graceful_restart=0), theirs(capabilities=(IPV4, helper))).graceful_restart
    assert not agree(config(graceful_restart=60), THEIRS).graceful_restart
    agreed = agree(config(graceful_restart=60), theirs(capabilities=(IPV4, helper)))
    assert (agreed.graceful_restart, agreed.hard_reset, agreed.restarts) == (True, False, False)
    newer = GracefulRestart(time=0, families=(Restartable(1, 1, forwarding=False),), notification=True)
    agreed = agree(config(graceful_restart=60), theirs(capabilities=(helper, IPV4, newer)))
    assert (agreed.graceful_restart, agreed.hard_reset, agreed.restarts) == (True, True, True)
    agreed = agree(CONFIG, theirs(capabilities=(newer, IPV4, helper)))
    assert (agreed.hard_reset, agreed.restarts) == (False, False), "the last one counts"


def test_a_peer_of_few_words():
    agreed = agree(CONFIG, theirs(capabilities=()))
    assert agreed.families == (Family.IPV4,)
    assert not agreed.four_octet_as
    assert not agreed.route_refresh


@pytest.mark.parametrize(
    ("ours", "their_time", "agreed"),
    [(9, 90, 9), (90, 9, 9), (9, 3, 3), (0, 90, 0), (90, 0, 0), (0, 0, 0), (10, 65535, 10)],
)
def test_the_lower_hold_time_wins_and_zero_is_none_at_all(ours, their_time, agreed):
    negotiated = agree(config(hold_time=ours), theirs(hold_time=their_time))
    assert (negotiated.hold_time, negotiated.keepalive) == (agreed, agreed / 3)


@pytest.mark.parametrize(
    ("ours", "offered", "agreed"),
    [
        ((Family.IPV4, Family.IPV6), (IPV6, IPV4), (Family.IPV4, Family.IPV6)),
        ((Family.IPV6, Family.IPV4), (IPV4, IPV6), (Family.IPV6, Family.IPV4)),
        ((Family.IPV4, Family.IPV6), (IPV6,), (Family.IPV6,)),
        ((Family.IPV4,), (IPV4, IPV6, Multiprotocol(afi=25, safi=70)), (Family.IPV4,)),
        ((Family.IPV4,), (Unknown(code=71),), (Family.IPV4,)),
    ],
)
def test_families_are_those_of_both_in_our_order(ours, offered, agreed):
    assert agree(config(families=ours), theirs(capabilities=offered)).families == agreed


@pytest.mark.parametrize(
    ("ours", "offered", "text"),
    [
        ((Family.IPV6,), (), "multiprotocol ipv6/unicast expected, OPEN says neither"),
        (
            (Family.IPV6,),
            (IPV4,),
            "multiprotocol ipv6/unicast expected, OPEN says multiprotocol ipv4/unicast",
        ),
        (
            (Family.IPV4, Family.IPV6),
            (Multiprotocol(afi=25, safi=70), Multiprotocol(afi=1, safi=128)),
            (
                "multiprotocol ipv4/unicast or multiprotocol ipv6/unicast expected, "
                "OPEN says multiprotocol l2vpn/evpn and multiprotocol ipv4/vpn"
            ),
        ),
    ],
)
def test_no_family_in_common(ours, offered, text):
    error = refusal(config(families=ours), theirs(capabilities=offered))
    assert (error.code, error.subcode, error.text) == (2, 7, text)
    assert error.data == b"".join(Multiprotocol.of(family).encode() for family in ours)


@pytest.mark.parametrize(
    ("expected", "asn", "text"),
    [
        (64001, 64009, "peer AS 64001 expected, OPEN says 64009"),
        (65010, 65001, "peer AS 65010 expected, OPEN says 65001"),
        (None, 65010, "external peer AS expected, OPEN says 65010, which is our own"),
        (4200000001, 4200000002, "peer AS 4200000001 expected, OPEN says 4200000002"),
    ],
)
def test_a_wrong_as(expected, asn, text):
    error = refusal(config(peer_as=expected), theirs(asn=asn))
    assert (error.code, error.subcode, error.data, error.text) == (2, 2, b"", text)
    assert str(error) == f"OPEN Message Error / Bad Peer AS: {text}"


def test_any_other_as_is_external():
    agreed = agree(config(peer_as=None), theirs(asn=4200000001))
    assert (agreed.peer_as, agreed.ebgp) == (4200000001, True)


def test_our_own_as_is_internal():
    agreed = agree(config(peer_as=65010), theirs(asn=65010))
    assert not agreed.ebgp


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (
            None,
            "external peer AS expected, OPEN says 23456, which is nobody's, and no AS number of four octets",
        ),
        (
            23456,
            "peer AS 23456 expected, OPEN says 23456, which is nobody's, and no AS number of four octets",
        ),
    ],
)
def test_as_trans_is_nobody(expected, text):
    error = refusal(config(peer_as=expected), theirs(asn=23456, capabilities=(IPV4,)))
    assert (error.code, error.subcode, error.text) == (2, 2, text)


def test_within_an_as_a_router_id_is_one_speakers():
    error = refusal(config(peer_as=65010), theirs(asn=65010, router_id=CONFIG.router_id))
    assert (error.code, error.subcode, error.data) == (2, 3, b"")
    assert error.text == "a router id other than our own 10.0.0.5 expected, OPEN says 10.0.0.5"


def test_between_two_it_may_be_shared():
    assert agree(CONFIG, theirs(router_id=CONFIG.router_id)).ebgp
