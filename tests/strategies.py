"""Hypothesis strategies for what BGP speakers say."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from vipd.bgp import capabilities, messages
from vipd.bgp.attributes import PathAttributes, Segment, UnknownAttribute
from vipd.bgp.iana import AttributeCode, CapabilityCode, Family, Origin, SegmentType
from vipd.bgp.wire import Prefix

octet = st.integers(0, 0xFF)
two_octets = st.integers(0, 0xFFFF)
four_octets = st.integers(0, 0xFFFFFFFF)
asns = st.one_of(st.integers(1, 0xFFFF), st.integers(0x10000, 0xFFFFFFFF), st.just(23456))
hosts = st.integers(1, 0xDFFFFFFF).map(IPv4Address)  # neither 0.0.0.0, nor multicast, nor above
ipv6_addresses = st.integers(1, (1 << 128) - 1).map(IPv6Address)
families = st.sampled_from(Family)


@st.composite
def prefixes(draw, family):
    bits = draw(st.integers(0, family.octets * 8))
    address = draw(st.integers(0, (1 << bits) - 1)) << (family.octets * 8 - bits)
    return Prefix(family, bytes((bits,)) + address.to_bytes(family.octets)[: (bits + 7) // 8])


unknown_capabilities = st.builds(
    capabilities.Unknown,
    code=octet.filter(lambda code: code not in set(CapabilityCode)),
    octets=st.binary(max_size=20),
)
multiprotocol = st.one_of(
    families.map(capabilities.Multiprotocol.of),
    st.builds(capabilities.Multiprotocol, afi=two_octets, safi=octet),
)

restarts = st.builds(
    capabilities.GracefulRestart,
    time=st.integers(0, 4095),
    families=st.lists(
        st.builds(capabilities.Restartable, afi=two_octets, safi=octet, forwarding=st.booleans()), max_size=3
    ).map(tuple),
    restarted=st.booleans(),
    notification=st.booleans(),
)


@st.composite
def opens(draw):
    asn = draw(asns)
    others = st.one_of(multiprotocol, st.just(capabilities.RouteRefresh()), restarts, unknown_capabilities)
    chosen = draw(st.lists(others, max_size=8))
    if asn > 0xFFFF or draw(st.booleans()):
        chosen.insert(draw(st.integers(0, len(chosen))), capabilities.FourOctetAs(asn=asn))
    return messages.Open(
        asn=asn,
        hold_time=draw(two_octets.filter(lambda seconds: seconds not in {1, 2})),
        router_id=draw(four_octets.filter(bool).map(IPv4Address)),
        capabilities=tuple(chosen),
    )


notifications = st.builds(messages.Notification, code=octet, subcode=octet, data=st.binary(max_size=64))
route_refreshes = st.builds(messages.RouteRefresh, afi=two_octets, safi=octet, subtype=octet)

segments = st.builds(
    Segment,
    type=st.sampled_from([SegmentType.AS_SET, SegmentType.AS_SEQUENCE]),
    asns=st.lists(asns, min_size=1, max_size=6).map(tuple),
)
unknown_attributes = st.builds(
    UnknownAttribute,
    flags=st.sampled_from([0x80, 0xC0, 0xE0]),
    code=octet.filter(lambda code: code not in set(AttributeCode)),
    octets=st.binary(max_size=300),
)


def lists_of(elements):
    return st.lists(elements, max_size=5).map(tuple)


@st.composite
def path_attributes(draw, family):
    """What nobody objects to on an iBGP session."""
    ipv6 = family is Family.IPV6
    return PathAttributes(
        origin=draw(st.sampled_from(Origin)),
        as_path=draw(lists_of(segments)),
        next_hop=draw(ipv6_addresses if ipv6 else hosts),
        link_local=draw(st.none() | ipv6_addresses) if ipv6 else None,
        med=draw(st.none() | four_octets),
        local_preference=draw(st.none() | four_octets),
        atomic_aggregate=draw(st.booleans()),
        aggregator=draw(st.none() | st.tuples(asns, hosts)),
        communities=draw(lists_of(st.tuples(two_octets, two_octets))),
        large_communities=draw(lists_of(st.tuples(four_octets, four_octets, four_octets))),
        only_to_customer=draw(st.none() | four_octets),
        unknown=tuple(
            sorted(
                draw(st.lists(unknown_attributes, max_size=3, unique_by=lambda each: each.code)),
                key=lambda each: each.code,
            )
        ),
    )


@st.composite
def updates(draw):
    family = draw(families)
    told = draw(st.lists(prefixes(family), max_size=30, unique=True).map(tuple))
    if not told or draw(st.booleans()):
        return messages.Update(family=family, withdrawn=told)
    through = draw(families) if family is Family.IPV4 else family  # of the next hop (RFC 8950)
    return messages.Update(family=family, attributes=draw(path_attributes(through)), announced=told)


any_message = st.one_of(opens(), notifications, route_refreshes, updates(), st.just(messages.Keepalive()))
