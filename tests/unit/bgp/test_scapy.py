"""A second opinion on every octet: scapy reads what we write, and we read what scapy writes.

Where scapy knows less than there is to know, the examples keep to what it knows: it reads the first of
several capabilities in one parameter, the first of several communities, an AGGREGATOR of two-octet AS
numbers, and one segment of an AS4_PATH.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.contrib import bgp

from strategies import notifications, path_attributes, prefixes, route_refreshes
from vipd.bgp.attributes import PathAttributes, Segment
from vipd.bgp.capabilities import FourOctetAs, GracefulRestart, Multiprotocol
from vipd.bgp.capabilities import RouteRefresh as RouteRefreshCapability
from vipd.bgp.framing import Framer
from vipd.bgp.iana import Family, MessageType, Origin, SegmentType
from vipd.bgp.messages import Keepalive, Notification, Open, RouteRefresh, Update, UpdateReader
from vipd.bgp.wire import Prefix

IPV4, IPV6 = Family.IPV4, Family.IPV6
SEQUENCE, SET = SegmentType.AS_SEQUENCE, SegmentType.AS_SET


@pytest.fixture(autouse=True, params=[True, False], ids=["four_octet_as", "two_octet_as"])
def four_octet_as(request):
    """Scapy keeps the width of AS numbers in a global of its own."""
    before = bgp.bgp_module_conf.use_2_bytes_asn
    bgp.bgp_module_conf.use_2_bytes_asn = not request.param
    yield request.param
    bgp.bgp_module_conf.use_2_bytes_asn = before


def message_of(packet):
    """Read what scapy wrote."""
    framer = Framer()
    framer.feed(bytes(packet))
    ((kind, body),) = framer
    return kind, body


# Scapy reads


def test_a_keepalive():
    assert bgp.BGPHeader(Keepalive().encode()).type == MessageType.KEEPALIVE


@pytest.mark.parametrize(
    ("capability", "fields"),
    [
        (Multiprotocol.of(IPV4), {"code": 1, "length": 4, "afi": 1, "safi": 1}),
        (Multiprotocol.of(IPV6), {"code": 1, "length": 4, "afi": 2, "safi": 1}),
        (RouteRefreshCapability(), {"code": 2, "length": 0}),
        (FourOctetAs(asn=4200000001), {"code": 65, "length": 4, "asn": 4200000001}),
        (
            GracefulRestart(time=120, restarted=True, notification=True),
            {"code": 64, "length": 2, "restart_flags": 0b1100, "restart_time": 120},
        ),
    ],
)
def test_an_open(capability, fields):
    said = Open(asn=65010, hold_time=9, router_id=IPv4Address("10.0.0.5"), capabilities=(capability,))
    read = bgp.BGPHeader(said.encode())[bgp.BGPOpen]
    assert (read.version, read.my_as, read.hold_time, read.bgp_id) == (4, 65010, 9, "10.0.0.5")
    (parameter,) = read.opt_params
    assert parameter.param_type == 2
    assert {name: getattr(parameter.param_value, name) for name in fields} == fields


@given(notifications)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_notification(said):
    read = bgp.BGPHeader(said.encode())[bgp.BGPNotification]
    assert (read.error_code, read.error_subcode, read.data or b"") == (said.code, said.subcode, said.data)


@given(route_refreshes)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_route_refresh(said):
    read = bgp.BGPHeader(said.encode())[bgp.BGPRouteRefresh]
    assert (read.afi, read.subtype, read.safi) == (said.afi, said.subtype, said.safi)


CATEGORY = {
    "ORIGIN": 0x40,
    "AS_PATH": 0x40,
    "NEXT_HOP": 0x40,
    "MULTI_EXIT_DISC": 0x80,
    "LOCAL_PREF": 0x40,
    "ATOMIC_AGGREGATE": 0x40,
    "AGGREGATOR": 0xC0,
    "COMMUNITY": 0xC0,
    "MP_REACH_NLRI": 0x80,
    "MP_UNREACH_NLRI": 0x80,
    "AS4_PATH": 0xC0,
    "AS4_AGGREGATOR": 0xC0,
    "LARGE_COMMUNITY": 0xC0,
    "35": 0xC0,  # ONLY_TO_CUSTOMER: a number to it
}


def attributes_of(update):
    """The attributes that scapy finds, by the names that it gives them, in their order."""
    found = {}
    for attribute in update.path_attr or ():
        name = attribute.sprintf("%type_code%")
        assert attribute.type_flags & 0xC0 == CATEGORY[name]
        assert name not in found
        found[name] = attribute.attribute
    return found


def path_of(attribute):
    return tuple(
        Segment(SegmentType(segment.segment_type), tuple(segment.segment_value))
        for segment in attribute.segments
    )


def texts(nlri):
    return [each.prefix for each in nlri]


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_an_update_that_announces(four_octet_as, data):
    family = data.draw(st.sampled_from(Family))
    # Beside other prefixes, scapy takes a /0 for a sign of ADD-PATH.
    some = prefixes(family).filter(lambda prefix: prefix.nlri[0])
    told = data.draw(st.lists(some, min_size=1, max_size=8, unique=True).map(tuple))
    said = data.draw(path_attributes(family).filter(lambda each: not each.unknown))
    if not four_octet_as:
        said = replace(said, as_path=said.as_path[:1])
    octets = Update(family=family, attributes=said, announced=told).encode(four_octet_as=four_octet_as)
    read = bgp.BGPHeader(octets)[bgp.BGPUpdate]
    found = attributes_of(read)

    assert found["ORIGIN"].origin == said.origin
    if four_octet_as or all(asn <= 0xFFFF for segment in said.as_path for asn in segment.asns):
        assert path_of(found["AS_PATH"]) == said.as_path
        assert "AS4_PATH" not in found
    else:
        whole = found["AS4_PATH"]
        assert said.as_path == (Segment(SegmentType(whole.segment_type), tuple(whole.segment_value)),)
        assert path_of(found["AS_PATH"]) == tuple(
            Segment(kind, tuple(asn if asn <= 0xFFFF else 23456 for asn in asns))
            for kind, asns in said.as_path
        )
    assert ("MULTI_EXIT_DISC" in found) == (said.med is not None)
    assert said.med is None or found["MULTI_EXIT_DISC"].med == said.med
    assert ("LOCAL_PREF" in found) == (said.local_preference is not None)
    assert said.local_preference is None or found["LOCAL_PREF"].local_pref == said.local_preference
    assert ("ATOMIC_AGGREGATE" in found) == said.atomic_aggregate
    assert ("AGGREGATOR" in found) == (said.aggregator is not None)
    if said.aggregator and not four_octet_as:
        asn, router = said.aggregator
        assert found["AGGREGATOR"].aggregator_asn == (asn if asn <= 0xFFFF else 23456)
        assert found["AGGREGATOR"].speaker_address == str(router)
        assert ("AS4_AGGREGATOR" in found) == (asn > 0xFFFF)
    assert ("COMMUNITY" in found) == bool(said.communities)
    if said.communities:
        (asn, value), *_ = said.communities
        assert found["COMMUNITY"].community == asn << 16 | value
    assert ("LARGE_COMMUNITY" in found) == bool(said.large_communities)
    if said.large_communities:
        (first,) = found["LARGE_COMMUNITY"].segments
        assert said.large_communities[0] == (
            first.global_administrator,
            first.local_data_part1,
            first.local_data_part2,
        )
    assert ("35" in found) == (said.only_to_customer is not None)
    if said.only_to_customer is not None:
        assert bytes(found["35"]) == said.only_to_customer.to_bytes(4)
    if family is IPV4:
        assert found["NEXT_HOP"].next_hop == str(said.next_hop)
        assert texts(read.nlri) == [str(prefix) for prefix in told]
        return
    reach = found["MP_REACH_NLRI"]
    assert next(iter(found)) == "MP_REACH_NLRI"
    assert (reach.afi, reach.safi) == (2, 1)
    if said.link_local is None:
        assert IPv6Address(reach.nh_v6_addr) == said.next_hop
    else:
        assert IPv6Address(reach.nh_v6_global) == said.next_hop
        assert IPv6Address(reach.nh_v6_link_local) == said.link_local
    assert [Prefix.parse(each) for each in texts(reach.nlri)] == list(told)
    assert "NEXT_HOP" not in found
    assert read.nlri == []


@pytest.mark.parametrize("told", [("192.0.2.1", "198.51.100.0/25"), ()])
def test_an_update_that_withdraws_ipv4(told):
    octets = Update(family=IPV4, withdrawn=tuple(map(Prefix.parse, told))).encode(four_octet_as=True)
    read = bgp.BGPHeader(octets)[bgp.BGPUpdate]
    assert [Prefix.parse(each) for each in texts(read.withdrawn_routes)] == list(map(Prefix.parse, told))
    assert (read.path_attr, read.nlri) == ([], [])


@pytest.mark.parametrize("told", [("2001:db8::1", "2001:db8:1::/48"), ()])
def test_an_update_that_withdraws_ipv6(told):
    octets = Update(family=IPV6, withdrawn=tuple(map(Prefix.parse, told))).encode(four_octet_as=True)
    read = bgp.BGPHeader(octets)[bgp.BGPUpdate]
    ((name, unreach),) = attributes_of(read).items()
    assert (name, unreach.afi, unreach.safi) == ("MP_UNREACH_NLRI", 2, 1)
    read_back = texts(unreach.afi_safi_specific.withdrawn_routes)
    assert [Prefix.parse(each) for each in read_back] == list(map(Prefix.parse, told))
    assert (read.withdrawn_routes, read.nlri) == ([], [])


# Scapy writes


def test_a_keepalive_of_scapy():
    assert message_of(bgp.BGPKeepAlive()) == (MessageType.KEEPALIVE, b"")


def test_an_open_of_scapy():
    capabilities = [
        bgp.BGPCapMultiprotocol(afi=1, safi=1),
        bgp.BGPCapMultiprotocol(afi=2, safi=1),
        bgp.BGPCapGeneric(code=2, length=0),
        bgp.BGPCapFourBytesASN(asn=4200000001),
    ]
    parameters = [bgp.BGPOptParam(param_type=2, param_value=each) for each in capabilities]
    packet = bgp.BGPHeader(type=1) / bgp.BGPOpen(
        my_as=23456, hold_time=180, bgp_id="10.0.0.9", opt_params=parameters
    )
    kind, body = message_of(packet)
    assert kind is MessageType.OPEN
    assert Open.decode(body) == Open(
        asn=4200000001,
        hold_time=180,
        router_id=IPv4Address("10.0.0.9"),
        capabilities=(
            Multiprotocol.of(IPV4),
            Multiprotocol.of(IPV6),
            RouteRefreshCapability(),
            FourOctetAs(asn=4200000001),
        ),
    )


def test_a_notification_of_scapy():
    packet = bgp.BGPHeader(type=3) / bgp.BGPNotification(error_code=6, error_subcode=4, data=b"\x02hi")
    kind, body = message_of(packet)
    assert kind is MessageType.NOTIFICATION
    assert str(Notification.decode(body)) == "Cease / Administrative Reset: hi"


def test_a_route_refresh_of_scapy():
    kind, body = message_of(bgp.BGPHeader(type=5) / bgp.BGPRouteRefresh(afi=2, safi=1))
    assert kind is MessageType.ROUTE_REFRESH
    assert RouteRefresh.decode(body) == RouteRefresh(afi=2, safi=1)


def attribute(flags, code, value):
    return bgp.BGPPathAttr(type_flags=flags, type_code=code, attribute=value)


def path(*segments):
    kind = bgp.BGPPAASPath if bgp.bgp_module_conf.use_2_bytes_asn else bgp.BGPPAAS4BytesPath
    return kind(
        segments=[kind.ASPathSegment(segment_type=each, segment_value=list(asns)) for each, asns in segments]
    )


def test_an_update_of_scapy(four_octet_as):
    packet = bgp.BGPHeader(type=2) / bgp.BGPUpdate(
        withdrawn_routes=[bgp.BGPNLRI_IPv4(prefix="198.51.100.0/25")],
        path_attr=[
            attribute(0x40, "ORIGIN", bgp.BGPPAOrigin(origin=2)),
            attribute(0x40, "AS_PATH", path((SEQUENCE, (65010, 23456)), (SET, (7, 8)))),
            attribute(0x40, "NEXT_HOP", bgp.BGPPANextHop(next_hop="10.0.0.5")),
            attribute(0x80, "MULTI_EXIT_DISC", bgp.BGPPAMultiExitDisc(med=50)),
            attribute(0x40, "LOCAL_PREF", bgp.BGPPALocalPref(local_pref=200)),
            attribute(0x40, "ATOMIC_AGGREGATE", bgp.BGPPAAtomicAggregate()),
            attribute(0xC0, "COMMUNITY", bgp.BGPPACommunity(community=64500 << 16 | 1)),
        ],
        nlri=[bgp.BGPNLRI_IPv4(prefix="192.0.2.1/32"), bgp.BGPNLRI_IPv4(prefix="10.0.0.0/8")],
    )
    kind, body = message_of(packet)
    assert kind is MessageType.UPDATE
    reader = UpdateReader(four_octet_as=four_octet_as, ebgp=False, families=Family)
    assert (reader.read(body).announced, reader.read(body).withdrawn) == (2, 1)
    assert reader.updates(body) == (
        Update(family=IPV4, withdrawn=(Prefix.parse("198.51.100.0/25"),)),
        Update(
            family=IPV4,
            attributes=PathAttributes(
                origin=Origin.INCOMPLETE,
                as_path=(Segment(SEQUENCE, (65010, 23456)), Segment(SET, (7, 8))),
                next_hop=IPv4Address("10.0.0.5"),
                med=50,
                local_preference=200,
                atomic_aggregate=True,
                communities=((64500, 1),),
            ),
            announced=(Prefix.parse("192.0.2.1"), Prefix.parse("10.0.0.0/8")),
        ),
    )


def test_an_ipv6_update_of_scapy(four_octet_as):
    reach = bgp.BGPPAMPReachNLRI(
        afi=2,
        safi=1,
        nh_addr_len=32,
        nh_v6_global="2001:db8::5",
        nh_v6_link_local="fe80::5",
        nlri=[bgp.BGPNLRI_IPv6(prefix="2001:db8::1/128")],
    )
    unreach = bgp.BGPPAMPUnreachNLRI(
        afi=2,
        safi=1,
        afi_safi_specific=bgp.BGPPAMPUnreachNLRI_IPv6(
            withdrawn_routes=[bgp.BGPNLRI_IPv6(prefix="2001:db8:1::/48")]
        ),
    )
    packet = bgp.BGPHeader(type=2) / bgp.BGPUpdate(
        path_attr=[
            attribute(0x40, "ORIGIN", bgp.BGPPAOrigin(origin=0)),
            attribute(0x40, "AS_PATH", path((SEQUENCE, (65010,)))),
            attribute(0x80, "MP_REACH_NLRI", reach),
            attribute(0x80, "MP_UNREACH_NLRI", unreach),
        ],
    )
    reader = UpdateReader(four_octet_as=four_octet_as, ebgp=True, families=Family)
    assert reader.updates(message_of(packet)[1]) == (
        Update(family=IPV6, withdrawn=(Prefix.parse("2001:db8:1::/48"),)),
        Update(
            family=IPV6,
            attributes=PathAttributes(
                as_path=(Segment(SEQUENCE, (65010,)),),
                next_hop=IPv6Address("2001:db8::5"),
                link_local=IPv6Address("fe80::5"),
            ),
            announced=(Prefix.parse("2001:db8::1"),),
        ),
    )
