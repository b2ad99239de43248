"""Static and announced routes."""

from ipaddress import ip_address

import pytest

from vipd.convert.errors import ConvertError
from vipd.convert.exabgp_routes import Attributes, read_announce, read_static
from vipd.convert.exabgp_syntax import parse

VIP = "192.0.2.1"


def static(text):
    offers, notes = read_static(parse(f"static {{ {text} }}", "f")[0])
    return {str(offer.vip): offer.attributes for offer in offers}, notes


def said(text):
    offers, notes = static(f"route {VIP}/32 {text};")
    assert not notes
    return offers[VIP]


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("next-hop self", {}),
        ("next-hop SELF", {}),
        ("next-hop 10.0.0.1", {"next_hop": ip_address("10.0.0.1")}),
        ("med 5", {"med": 5}),
        ("med 5 med 6", {"med": 5}),  # the first counts, as in ExaBGP
        ("local-preference 200", {"local_preference": 200}),
        ("as-path 65001", {"as_path": (65001,)}),
        ("as-path [ ]", {"as_path": ()}),
        ("as-path [ 1.1, 65001 ]", {"as_path": (65537, 65001)}),
        ("as-path [ 65001 ( 65002 65003 ) ]", {"as_path": (65001, 65002, 65003)}),
        ("community 64500:1", {"communities": frozenset({"64500:1"})}),
        ("community [64500:1 no-export]", {"communities": frozenset({"64500:1", "65535:65281"})}),
        ("large-community [ 1:2:3 ]", {"large_communities": frozenset({"1:2:3"})}),
        ("name nobody-cares", {}),
        ("med 5 next-hop self community 1:1", {"med": 5, "communities": frozenset({"1:1"})}),
    ],
)
def test_attributes(text, attributes):
    assert said(text) == Attributes(**attributes)


def test_a_route_in_a_block_says_the_same():
    offers, _ = static(f"route {VIP}/32 {{ next-hop self; med 5; community [ 1:1 ]; }}")
    assert offers == {VIP: said("next-hop self med 5 community [ 1:1 ]")}


def test_attributes_shared_by_prefixes():
    offers, notes = static("attributes next-hop self med 5 nlri 192.0.2.1/32 192.0.2.2;")
    assert offers == {"192.0.2.1": Attributes(med=5), "192.0.2.2": Attributes(med=5)}
    assert not notes


def test_a_prefix_may_be_split_into_vips():
    offers, notes = static("route 192.0.2.8/30 next-hop self split /32;")
    assert list(offers) == ["192.0.2.8", "192.0.2.9", "192.0.2.10", "192.0.2.11"]
    assert not notes


@pytest.mark.parametrize(
    ("route", "note"),
    [
        ("route 192.0.2.0/24 next-hop self", "a VIP is a single address, /32 or /128"),
        ("route 192.0.2.0/24 next-hop self split /26", "a VIP is a single address, /32 or /128"),
        ("route 2001:db8::/64 next-hop self split /128", "that is more than 65,536 VIPs"),
        (f"route {VIP}/32 next-hop self rd 65000:1", "a route with rd is none of unicast addresses"),
        (f"route {VIP}/32 next-hop self label 5", "a route with label is none of unicast addresses"),
        (f"route {VIP}/32 next-hop self watchdog dog withdraw", "it is held back (withdraw)"),
        ("routes 1", "it is no route that vipd knows"),
        ("attributes next-hop self", "it is no route that vipd knows"),
    ],
)
def test_routes_that_are_lost(route, note):
    offers, notes = static(f"{route};")
    assert not offers
    assert len(notes) == 1
    assert notes[0].startswith(f"not carried over: {route}, because ")
    assert note in notes[0]


@pytest.mark.parametrize(
    "attribute",
    [
        "origin egp",
        "extended-community [ target:65000:1 ]",
        "atomic-aggregate",
        "aggregator ( 65000:10.0.0.1 )",
        "originator-id 10.0.0.1",
        "cluster-list [ 10.0.0.1 ]",
        "aigp 5",
        "attribute [ 0x19 0xc0 0x00 ]",
        "path-information 1.2.3.4",
        "bgp-prefix-sid [ 300 ]",
        "watchdog dog",
    ],
)
def test_attributes_that_are_lost(attribute):
    offers, notes = static(f"route {VIP}/32 next-hop self {attribute} med 5;")
    assert offers == {VIP: Attributes(med=5)}
    assert len(notes) == 1
    assert notes[0].startswith(f"not carried over: {attribute} of {VIP}/32, because ")


def test_an_unknown_line_of_a_block_is_a_comment():
    offers, notes = static(f"route {VIP}/32 {{ next-hop self; colour red; }}")
    assert offers == {VIP: Attributes()}
    assert notes == [f"not carried over: colour red of {VIP}/32, because it is not known"]


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("route", '"" is no prefix'),
        ("route 192.0.2.1/24 next-hop self", '"192.0.2.1/24" is no prefix'),
        (f"route {VIP}/32 med x", '"x" is no number'),
        (f"route {VIP}/32 med", "med takes one value, not 0"),
        (f"route {VIP}/32 next-hop a b", "next-hop takes one value, not 2"),
        (f"route {VIP}/32 next-hop nowhere", '"nowhere" is no IP address'),
        (f"route {VIP}/32 as-path [ x ]", '"x" is no AS number'),
        (f"route {VIP}/32 community [ x ]", '"x" is no community'),
        (f"route {VIP}/32 split", '"" is no number from 0 to 32'),
        (f"route {VIP}/32 split /33", '"33" is no number from 0 to 32'),
    ],
)
def test_what_no_route_could_say(route, reason):
    with pytest.raises(ConvertError, match="f:1: route: ") as caught:
        static(f"{route};")
    assert reason in caught.value.reason


def announce(text):
    offers, notes = read_announce(parse(f"announce {{ {text} }}", "f")[0])
    return {str(offer.vip): offer.attributes for offer in offers}, notes


def test_announced_unicast():
    offers, notes = announce(
        f"ipv4 {{ unicast {VIP}/32 next-hop self med 5; }} ipv6 {{ unicast 2001:db8::1/128 next-hop self; }}"
    )
    assert offers == {VIP: Attributes(med=5), "2001:db8::1": Attributes()}
    assert not notes


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"ipv4 {{ multicast {VIP}/32 next-hop self; }}", f"announce ipv4 multicast {VIP}/32 next-hop self"),
        ("l2vpn { vpls v; }", "announce l2vpn vpls v"),
        ("ipv4 unicast;", "ipv4 unicast"),
    ],
)
def test_other_announcements_are_lost(text, what):
    offers, notes = announce(text)
    assert not offers
    assert [note.partition(", because ")[0] for note in notes] == [f"not carried over: {what}"]


def test_a_long_statement_is_not_quoted_whole():
    _, notes = static(f"route 192.0.2.0/24 next-hop self community [ {'64500:1 ' * 50}];")
    assert len(notes[0]) < 250
    assert "..., because" in notes[0]
