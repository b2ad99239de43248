"""RFC 4271 section 6.8, RFC 6286 section 2.3."""

from ipaddress import IPv4Address

import pytest

from vipd.bgp.collision import Side, survivor
from vipd.bgp.iana import Family
from vipd.bgp.peer import Negotiated, PeerConfig, State

OPEN_SENT, OPEN_CONFIRM, ESTABLISHED = State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED


def config(router_id="10.0.0.5", local_as=65010):
    return PeerConfig(name="tor-a", address="10.0.0.1", local_as=local_as, router_id=IPv4Address(router_id))


def negotiated(router_id="10.0.0.1", peer_as=65001):
    return Negotiated(
        peer_as=peer_as,
        peer_router_id=IPv4Address(router_id),
        ebgp=True,
        hold_time=9,
        keepalive=3.0,
        families=(Family.IPV4,),
        four_octet_as=True,
        route_refresh=True,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "side"),
    [
        (("10.0.0.5", 65010), ("10.0.0.1", 65001), Side.DIALED),
        (("10.0.0.5", 65010), ("10.0.0.9", 65001), Side.ACCEPTED),
        (("10.0.0.10", 65010), ("10.0.0.9", 65001), Side.DIALED),  # numbers, not text
        (("200.0.0.1", 65010), ("10.0.0.9", 65001), Side.DIALED),  # unsigned
        (("10.0.0.5", 65010), ("10.0.0.5", 65001), Side.DIALED),
        (("10.0.0.5", 65010), ("10.0.0.5", 65011), Side.ACCEPTED),
        (("10.0.0.5", 65010), ("10.0.0.9", 1), Side.ACCEPTED),  # the AS only breaks a tie
    ],
)
def test_the_higher_identifier_keeps_the_connection_it_opened(ours, theirs, side):
    assert survivor(config(*ours), negotiated(*theirs), dialed=OPEN_CONFIRM, accepted=OPEN_CONFIRM) is side


@pytest.mark.parametrize("other", [State.ACTIVE, OPEN_SENT, OPEN_CONFIRM])
@pytest.mark.parametrize("peer", ["10.0.0.1", "10.0.0.9"])
def test_an_established_connection_stays(peer, other):
    assert survivor(config(), negotiated(peer), dialed=ESTABLISHED, accepted=other) is Side.DIALED
    assert survivor(config(), negotiated(peer), dialed=other, accepted=ESTABLISHED) is Side.ACCEPTED


@pytest.mark.parametrize(
    ("dialed", "accepted"),
    [(OPEN_SENT, OPEN_CONFIRM), (OPEN_CONFIRM, OPEN_SENT), (State.CONNECT, OPEN_CONFIRM)],
)
def test_nothing_is_chosen_while_one_has_not_been_answered(dialed, accepted):
    assert survivor(config(), negotiated(), dialed=dialed, accepted=accepted) is None


def test_nothing_is_chosen_before_any_open_has_come():
    assert survivor(config(), None, dialed=OPEN_SENT, accepted=OPEN_SENT) is None
