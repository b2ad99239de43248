from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vipd.bgp.iana import Family
from vipd.config import addresses
from vipd.config.environment import FromEnvironment
from vipd.config.problems import Refused


def refused(read, value):
    with pytest.raises(Refused) as caught:
        read(value)
    return caught.value.reason or caught.value.within


@pytest.mark.parametrize(
    ("text", "vip"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("223.255.255.255", "223.255.255.255"),
    ],
)
def test_a_vip_is_canonical(text, vip):
    assert addresses.vip(text) == vip


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("192.0.2.0/24", "no wider prefix"),
        ("2001:db8::/64", "no wider prefix"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("ff02::1", "multicast"),
        ("::ffff:192.0.2.1", "IPv4-mapped"),
        ("::192.0.2.1", "IPv4-mapped"),
        ("::ffff:0.0.0.1", "IPv4-mapped"),
        ("192.0.2.01", "must be one address"),
        ("192.0.2", "must be one address"),
        ("2001:db8::1%eth0", "must be one address"),
        ("2001:db8::g", "must be one address"),
        ("", "must be one address"),
        ("192.0.2.1\0", "must be one address"),
        ("192.0.2.\udc80", "must be one address"),
        (3221225985, "in quotes"),
    ],
)
def test_what_is_no_vip(value, reason):
    assert reason in refused(addresses.vip, value)


@given(st.ip_addresses())
@example(IPv6Address("::ffff:0:1"))
@example(IPv6Address("2001:db8:0:1:1:1:1:1"))
def test_a_vip_is_spelt_as_ipaddress_spells_it(address):
    try:
        vip = addresses.vip(str(address))
    except Refused:
        assert address.is_multicast or address.is_reserved or address.packed[0] == 0
    else:
        assert vip == str(ip_address(vip)) == str(address)


def test_a_neighbor():
    assert addresses.neighbor("10.0.0.1") == "10.0.0.1"
    assert addresses.neighbor("2001:DB8::1") == "2001:db8::1"
    assert addresses.neighbor("fe80::1%eth0") == "fe80::1%eth0"
    assert type(addresses.neighbor(FromEnvironment("10.0.0.1"))) is str


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (5, "in quotes"),
        ("tor-a.example.org", "names are not resolved"),
        ("10.0.0.0/8", "names are not resolved"),
        ("0.0.0.0", "unicast"),
        ("224.0.0.1", "unicast"),
        ("ff02::1", "unicast"),
        ("255.255.255.255", "unicast"),
        ("::ffff:10.0.0.1", 'plain IPv4 where IPv4 is meant: "10.0.0.1"'),
        ("fe80::1", '"fe80::1%eth0"'),
        ("2001:db8::1%eth0", "not a link-local address"),
        ("fe80::1%an interface", "name of an interface"),
        ("fe80::1%" + "x" * 16, "name of an interface"),
    ],
)
def test_what_is_no_neighbor(value, reason):
    assert reason in refused(addresses.neighbor, value)


def test_an_interface():
    assert addresses.interface("eth0.100") == "eth0.100"
    for value in ("", ".", "..", "a/b", "a:b", "with space", "x" * 16, 5, None):
        assert "name of a network interface" in refused(addresses.interface, value)


def test_a_router_id():
    assert addresses.router_id("0.0.0.1") == IPv4Address("0.0.0.1")
    for value in ("0.0.0.0", "::1", "a", "", 5, None):
        assert "RFC 6286" in refused(addresses.router_id, value)


def test_an_endpoint():
    assert addresses.endpoint("127.0.0.1:1790") == ("127.0.0.1", 1790)
    assert addresses.endpoint("0.0.0.0:1") == ("0.0.0.0", 1)
    assert addresses.endpoint("[::]:65535") == ("::", 65535)
    assert addresses.endpoint("[2001:DB8::1]:179") == ("2001:db8::1", 179)


@pytest.mark.parametrize(
    "value",
    [
        "127.0.0.1",
        ":179",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "::1:179",
        "[127.0.0.1]:179",
        "[fe80::1%eth0]:179",
        "224.0.0.1:179",
        "localhost:179",
        "127.0.0.1:١٧٩",
        179,
    ],
)
def test_what_is_no_endpoint(value):
    assert '"127.0.0.1:1790"' in refused(addresses.endpoint, value)


def test_a_next_hop():
    v4, v6 = IPv4Address("10.0.0.9"), IPv6Address("2001:db8::9")
    assert addresses.next_hop("self") == {}
    assert addresses.next_hop("10.0.0.9") == {Family.IPV4: v4}
    assert addresses.next_hop("2001:db8::9") == {Family.IPV6: v6}
    assert addresses.next_hop({"ipv4": "10.0.0.9", "ipv6": "2001:db8::9"}) == {
        Family.IPV4: v4,
        Family.IPV6: v6,
    }
    assert addresses.next_hop({"ipv4": "self", "ipv6": "2001:db8::9"}) == {Family.IPV6: v6}


def test_what_is_no_next_hop():
    assert "unicast" in refused(addresses.next_hop, "0.0.0.0")
    assert "RFC 2545" in refused(addresses.next_hop, "fe80::1%eth0")
    found = refused(addresses.next_hop, {"ipv4": "2001:db8::1", "ipv6": "10.0.0.1", "ipx": "1"})
    assert [(where, reason.split(" (")[0]) for where, _, reason in found] == [
        (".ipv4", "must be an IPv4 address"),
        (".ipv6", "must be an IPv6 address"),
        (".ipx", "only ipv4 and ipv6 are known here"),
    ]


def test_a_family_is_seen_from_text_and_address():
    assert addresses.family_of("10.0.0.1") is addresses.family_of(IPv4Address("10.0.0.1")) is Family.IPV4
    assert addresses.family_of("::1") is addresses.family_of(IPv6Address("::1")) is Family.IPV6
