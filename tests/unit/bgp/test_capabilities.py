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
    decode_capabilities,
)
from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import Family

VECTORS = [
    (Multiprotocol.of(Family.IPV4), "01 04 0001 00 01", "multiprotocol ipv4/unicast"),
    (Multiprotocol.of(Family.IPV6), "01 04 0002 00 01", "multiprotocol ipv6/unicast"),
    (Multiprotocol(afi=25, safi=70), "01 04 0019 00 46", "multiprotocol l2vpn/evpn"),
    (Multiprotocol(afi=9, safi=9), "01 04 0009 00 09", "multiprotocol 9/9"),
    (RouteRefresh(), "02 00", "route-refresh"),
    (
        ExtendedNextHop(encodings=(IPV4_OVER_IPV6,)),
        "05 06 0001 0001 0002",
        "extended-next-hop ipv4/unicast over ipv6",
    ),
    (
        ExtendedNextHop(encodings=(NextHopEncoding(1, 128, 2), NextHopEncoding(9, 9, 9))),
        "05 0c 0001 0080 0002 0009 0009 0009",
        "extended-next-hop ipv4/vpn over ipv6 9/9 over 9",
    ),
    (ExtendedNextHop(encodings=()), "05 00", "extended-next-hop"),
    (ExtendedMessage(), "06 00", "extended-message"),
    (HasRole(role=3), "09 01 03", "role customer"),
    (HasRole(role=2), "09 01 02", "role rs-client"),
    (HasRole(role=7), "09 01 07", "role 7"),
    (EnhancedRouteRefresh(), "46 00", "enhanced-route-refresh"),
    (FourOctetAs(asn=65001), "41 04 0000fde9", "4-octet-as 65001"),
    (FourOctetAs(asn=4200000001), "41 04 fa56ea01", "4-octet-as 4200000001"),
    (GracefulRestart(time=0), "40 02 0000", "graceful-restart 0 s"),
    (
        GracefulRestart(
            time=120, families=(Restartable(1, 1, forwarding=True),), restarted=True, notification=True
        ),
        "40 06 c078 0001 01 80",
        "graceful-restart 120 s ipv4/unicast",
    ),
    (
        GracefulRestart(
            time=4095, families=(Restartable(2, 1, forwarding=False), Restartable(9, 9, forwarding=True))
        ),
        "40 0a 0fff 0002 01 00 0009 09 80",
        "graceful-restart 4095 s ipv6/unicast 9/9",
    ),
    (Unknown(code=71), "47 00", "capability 71"),
    (Unknown(code=73, octets=b"\x03frr\0"), "49 05 0366727200", "capability 73"),
]


@pytest.mark.parametrize(("capability", "octets", "words"), VECTORS)
def test_a_capability_on_the_wire_and_in_words(capability, octets, words):
    assert capability.encode() == bytes.fromhex(octets)
    assert decode_capabilities(bytes.fromhex(octets)) == (capability,)
    assert str(capability) == words


def test_capabilities_keep_their_order_and_may_be_said_twice():
    said = tuple(capability for capability, _, _ in VECTORS) * 2
    assert decode_capabilities(b"".join(capability.encode() for capability in said)) == said
    assert decode_capabilities(b"") == ()


def test_reserved_flags_of_graceful_restart_say_nothing():
    said = decode_capabilities(bytes.fromhex("40 06 3078 0001 01 7f"))
    assert said == (GracefulRestart(time=120, families=(Restartable(1, 1, forwarding=False),)),)


def test_a_family_that_is_not_spoken_is_none():
    assert Multiprotocol(afi=2, safi=1).family is Family.IPV6
    assert Multiprotocol(afi=1, safi=128).family is None


@pytest.mark.parametrize(
    "octets",
    [
        "01",  # no length
        "01 04 0001 00",  # value cut short
        "01 03 000100",  # a length that multiprotocol cannot have
        "02 01 00",
        "05 05 0001000100",
        "05 07 00010001000200",
        "06 01 00",
        "46 01 00",
        "09 00",
        "09 02 0303",
        "41 02 fde9",
        "40 01 00",
        "40 05 0078 000101",
        "47 01",
        "02 00 41",  # a good one before
    ],
)
def test_a_capability_of_a_wrong_length_is_malformed(octets):
    with pytest.raises(NotificationError) as caught:
        decode_capabilities(bytes.fromhex(octets))
    assert (caught.value.code, caught.value.subcode, caught.value.data) == (2, 0, b"")
    assert "is malformed" in str(caught.value)
