"""What real daemons said on a wire, as they said it: each is understood, and nothing of it is objected to."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from vipd.bgp.attributes import Outcome, PathAttributes, Segment
from vipd.bgp.capabilities import (
    IPV4_OVER_IPV6,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    Multiprotocol,
    Restartable,
    Unknown,
)
from vipd.bgp.capabilities import RouteRefresh as RouteRefreshCapability
from vipd.bgp.framing import Framer
from vipd.bgp.iana import Family, MessageType, Origin, SegmentType
from vipd.bgp.messages import Notification, Open, RouteRefresh, Update, UpdateReader, shutdown_text
from vipd.bgp.wire import Prefix

CAPTURES = Path(__file__).parent / "captures"
IPV4, IPV6 = Family.IPV4, Family.IPV6

PATH = (Segment(SegmentType.AS_SEQUENCE, (64998, 4200000002)),)
THROUGH_4 = PathAttributes(
    as_path=PATH,
    next_hop=IPv4Address("10.77.0.2"),
    med=50,
    communities=((64500, 1),),
    large_communities=((64500, 1, 2),),
)
THROUGH_6 = PathAttributes(
    as_path=PATH,
    next_hop=IPv6Address("fd77::2"),
    med=50,
    communities=((64500, 1),),
    large_communities=((64500, 1, 2),),
)


def prefixes(*texts):
    return tuple(Prefix.parse(text) for text in texts)


def told_4(*texts, origin=Origin.IGP):
    return Update(family=IPV4, attributes=replace(THROUGH_4, origin=origin), announced=prefixes(*texts))


def told_6(*texts, origin=Origin.IGP):
    return Update(family=IPV6, attributes=replace(THROUGH_6, origin=origin), announced=prefixes(*texts))


def opened(hold_time, *capabilities):
    return Open(asn=64998, hold_time=hold_time, router_id=IPv4Address("10.77.0.2"), capabilities=capabilities)


FAMILIES = Multiprotocol.of(IPV4), Multiprotocol.of(IPV6)
END_4, END_6 = Update(family=IPV4), Update(family=IPV6)
GONE_4 = Update(family=IPV4, withdrawn=prefixes("192.0.2.2"))
GONE_6 = Update(family=IPV6, withdrawn=prefixes("2001:db8:1::/48"))
ASKED_4, ASKED_6 = RouteRefresh(afi=1, safi=1), RouteRefresh(afi=2, safi=1)
SHUT_DOWN = Notification(code=6, subcode=2, data=b"\x16moving to another rack")

BIRD_OPEN = opened(
    240,
    *FAMILIES,
    RouteRefreshCapability(),
    GracefulRestart(time=120),  # as a helper
    FourOctetAs(asn=64998),
    EnhancedRouteRefresh(),
    Unknown(code=71, octets=b""),  # long-lived graceful restart
)
FRR_OPEN = opened(
    180,
    *FAMILIES,
    Unknown(code=128),  # route refresh, as Cisco once had it
    RouteRefreshCapability(),
    EnhancedRouteRefresh(),
    FourOctetAs(asn=64998),
    ExtendedMessage(),
    Unknown(code=69, octets=bytes.fromhex("0001010100020101")),  # ADD-PATH
    Unknown(code=73, octets=b"\x03frr\0"),  # its name
    GracefulRestart(time=120, restarted=True, notification=True),
    Unknown(code=71, octets=bytes.fromhex("0001018000000000020180000000")),
)
GOBGP_OPEN = opened(
    90,
    RouteRefreshCapability(),
    Unknown(code=73, octets=b"\x02vm\0"),
    *FAMILIES,
    FourOctetAs(asn=64998),
    GracefulRestart(
        time=20, families=(Restartable(1, 1, forwarding=False), Restartable(2, 1, forwarding=False))
    ),
    ExtendedNextHop(encodings=(IPV4_OVER_IPV6,)),
)

EXABGP_OPEN = opened(
    180,
    *FAMILIES,
    FourOctetAs(asn=64998),
    GracefulRestart(
        time=120,
        families=(Restartable(1, 1, forwarding=True), Restartable(2, 1, forwarding=True)),
        restarted=True,
    ),
    RouteRefreshCapability(),
    EnhancedRouteRefresh(),
    ExtendedMessage(),
)
OPENBGPD_OPEN = opened(
    90,
    *FAMILIES,
    RouteRefreshCapability(),
    GracefulRestart(time=0, restarted=True),  # for the End-of-RIB alone
    FourOctetAs(asn=64998),
)
# It prepends nothing that is not its own, and has no next hop but itself.
ITS_OWN = (Segment(SegmentType.AS_SEQUENCE, (64998,)),)
ITSELF_4 = replace(THROUGH_4, as_path=ITS_OWN, next_hop=IPv4Address("127.0.0.1"))
ITSELF_6 = replace(THROUGH_6, as_path=ITS_OWN, next_hop=IPv6Address("::1"))

SAID = {
    "bird": [
        BIRD_OPEN,
        told_4("192.0.2.2", "198.51.100.0/25", "192.0.2.1"),
        END_4,
        told_6("2001:db8:1::/48", "2001:db8::1"),
        END_6,
        Update(family=IPV6, withdrawn=prefixes("2001:db8:1::/48", "2001:db8::1")),
        GONE_4,
        told_6("2001:db8::1", "2001:db8:1::/48"),
        ASKED_4,
        ASKED_6,
        SHUT_DOWN,
    ],
    "bird-two-octet-as": [
        BIRD_OPEN,
        told_4("198.51.100.0/25", "192.0.2.1"),
        END_4,
        told_6("2001:db8:1::/48", "2001:db8::1"),
        END_6,
        Notification(code=6, subcode=2),
    ],
    "frr": [
        FRR_OPEN,
        END_4,
        END_6,
        told_4("192.0.2.1", "198.51.100.0/25", "192.0.2.2"),
        told_6("2001:db8::1", "2001:db8:1::/48"),
        GONE_6,
        GONE_4,
        ASKED_4,
        ASKED_6,
        SHUT_DOWN,
    ],
    "frr-two-octet-as": [
        FRR_OPEN,
        told_4("192.0.2.1", "198.51.100.0/25"),
        told_6("2001:db8::1"),
        END_4,
        END_6,
        Notification(code=6, subcode=2),
    ],
    "gobgp": [
        GOBGP_OPEN,
        told_4("192.0.2.1", "192.0.2.2", "198.51.100.0/25", origin=Origin.INCOMPLETE),
        END_4,
        told_6("2001:db8::1", origin=Origin.INCOMPLETE),
        told_6("2001:db8:1::/48", origin=Origin.INCOMPLETE),
        END_6,
        GONE_6,
        GONE_4,
        SHUT_DOWN,
    ],
    "exabgp": [
        EXABGP_OPEN,
        told_4("198.51.100.0/25", "192.0.2.1", "192.0.2.2"),
        told_6("2001:db8::1"),
        told_6("2001:db8:1::/48"),
        END_4,
        END_6,
        GONE_4,
        GONE_6,
    ],
    "openbgpd": [
        OPENBGPD_OPEN,
        Update(
            family=IPV4,
            attributes=ITSELF_4,
            announced=prefixes("192.0.2.1", "192.0.2.2", "198.51.100.0/25"),
        ),
        Update(family=IPV6, attributes=ITSELF_6, announced=prefixes("2001:db8::1", "2001:db8:1::/48")),
        GONE_4,
        GONE_6,
        ASKED_4,
        ASKED_6,
        SHUT_DOWN,
    ],
}


def test_every_capture_is_looked_at():
    assert {path.stem for path in CAPTURES.iterdir()} == set(SAID)


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("step", [1, 7, 1 << 16])
def test_what_a_daemon_said_is_understood(name, step):
    about, *lines = (CAPTURES / f"{name}.hex").read_text().splitlines()
    assert about.startswith("# ")
    octets = bytes.fromhex("".join(lines))
    reader = UpdateReader(four_octet_as="two-octet" not in name, ebgp=True, families=Family)
    framer = Framer()
    said = []
    messages = 0
    for at in range(0, len(octets), step):
        framer.feed(octets[at : at + step])
        for kind, body in framer:
            messages += 1
            match kind:
                case MessageType.OPEN:
                    said.append(Open.decode(body))
                case MessageType.UPDATE:
                    assert reader.read(body).outcome is Outcome.ACCEPTED
                    said += reader.updates(body)
                case MessageType.NOTIFICATION:
                    said.append(Notification.decode(body))
                case MessageType.ROUTE_REFRESH:
                    said.append(RouteRefresh.decode(body))
                case MessageType.KEEPALIVE:
                    assert len(said) == 1
    assert messages == len(lines)
    assert said == SAID[name]


def test_the_reason_of_a_shutdown_is_read():
    assert shutdown_text(SHUT_DOWN.data) == "moving to another rack"
