"""What is said to one peer: the difference, packed, withdrawals first, End-of-RIB once."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from vipd.bgp.adj_rib_out import AdjRibOut
from vipd.bgp.iana import Family
from vipd.bgp.messages import RouteRefresh, Update
from vipd.bgp.peer import Negotiated, PeerConfig
from vipd.bgp.route import Policy, Route, export, next_hop_self
from vipd.bgp.wire import Prefix

IPV4, IPV6 = Family.IPV4, Family.IPV6
CONFIG = PeerConfig(name="tor-a", address="10.0.0.1", local_as=65010, router_id=IPv4Address("10.0.0.5"))
NEGOTIATED = Negotiated(
    peer_as=65001,
    peer_router_id=IPv4Address("10.0.0.1"),
    ebgp=True,
    hold_time=9,
    keepalive=3.0,
    families=(IPV4, IPV6),
    four_octet_as=True,
    route_refresh=True,
)
SELF = next_hop_self("10.0.0.5")
BOTH = {IPV6: IPv6Address("2001:db8::5")}  # a policy's, so that either family can be told
POLICY = Policy(next_hop=BOTH)
END_OF_RIB = [Update(family=IPV4), Update(family=IPV6)]

A, B, C = (Prefix.parse(f"192.0.2.{n}") for n in (1, 2, 3))
X = Prefix.parse("2001:db8::1")
ROUTE, DEAR = Route(), Route(med=200)


def rib(config=CONFIG, negotiated=NEGOTIATED, next_hops=SELF):
    return AdjRibOut(config, negotiated, next_hops)


def begun(routes, policy=POLICY, **session):
    """One that has said these routes."""
    out = rib(**session)
    out.converge(routes, policy)
    return out


def attributes(route=ROUTE, policy=POLICY, family=IPV4):
    return export(route, policy, config=CONFIG, negotiated=NEGOTIATED, next_hops=SELF, family=family)


def announcement(*prefixes, route=ROUTE, policy=POLICY):
    (family,) = {prefix.family for prefix in prefixes}
    return Update(family=family, attributes=attributes(route, policy, family), announced=prefixes)


def withdrawal(*prefixes):
    (family,) = {prefix.family for prefix in prefixes}
    return Update(family=family, withdrawn=prefixes)


def hosts(count):
    return [Prefix(IPV4, b"\x20" + (0xC6120000 + n).to_bytes(4)) for n in range(count)]


def test_the_first_set_ends_with_end_of_rib_for_each_family():
    assert rib().converge({A: ROUTE, X: ROUTE}, POLICY) == [announcement(A), announcement(X), *END_OF_RIB]


def test_an_empty_first_set_is_nothing_but_end_of_rib():
    assert rib().converge({}, POLICY) == END_OF_RIB


def test_end_of_rib_is_for_the_families_agreed_on():
    negotiated = replace(NEGOTIATED, families=(IPV6,))
    assert rib(negotiated=negotiated).converge({A: ROUTE}, POLICY) == [Update(family=IPV6)]


def test_who_keeps_what_was_before_is_told_where_it_ends_once_all_is_known():
    out = rib(negotiated=replace(NEGOTIATED, graceful_restart=True))
    assert out.converge({A: ROUTE}, POLICY, complete=False) == [announcement(A)]
    assert out.converge({A: ROUTE}, POLICY, complete=True) == END_OF_RIB
    assert out.converge({A: ROUTE}, POLICY, complete=True) == []
    assert rib().converge({A: ROUTE}, POLICY, complete=False) == [announcement(A), *END_OF_RIB]


def test_nothing_is_said_twice():
    out = begun({A: ROUTE})
    assert out.converge({A: ROUTE}, POLICY) == []
    assert out.converge({A: Route()}, POLICY) == []  # an equal one


def test_a_change_is_one_implicit_replacement():
    assert begun({A: ROUTE, B: ROUTE}).converge({A: DEAR, B: ROUTE}, POLICY) == [announcement(A, route=DEAR)]


def test_withdrawals_come_first_and_families_travel_alone():
    out = begun({A: ROUTE, B: ROUTE, X: ROUTE})
    assert out.converge({C: ROUTE}, POLICY) == [withdrawal(A, B), withdrawal(X), announcement(C)]


def test_what_is_withdrawn_is_withdrawn_once_and_can_come_back():
    out = begun({A: ROUTE})
    assert out.converge({}, POLICY) == [withdrawal(A)]
    assert out.converge({}, POLICY) == []
    assert out.converge({A: ROUTE}, POLICY) == [announcement(A)]


def test_equal_attributes_share_an_update_whatever_the_routes_they_come_from():
    routes = {A: Route(local_preference=1), B: Route(local_preference=2), C: Route()}
    assert rib().converge(routes, POLICY)[0] == announcement(A, B, C)


def test_a_change_that_the_peer_does_not_hear_of_is_none():
    assert begun({A: ROUTE}).converge({A: Route(local_preference=5)}, POLICY) == []


def test_routes_for_other_neighbours_are_not_said():
    mine, other = Route(neighbors=frozenset({"tor-a"})), Route(neighbors=frozenset({"tor-b"}))
    out = rib()
    assert out.converge({A: mine, B: other}, POLICY) == [announcement(A), *END_OF_RIB]
    assert out.converge({A: other, B: mine}, POLICY) == [withdrawal(A), announcement(B)]
    assert out.converge({B: other}, POLICY) == [withdrawal(B)]
    assert out.converge({}, POLICY) == []


def test_a_policy_colours_every_route():
    coloured = Policy(med=7, next_hop=BOTH)
    out = begun({A: ROUTE, B: DEAR})
    assert out.converge({A: ROUTE, B: DEAR}, coloured) == [announcement(A, policy=coloured)]
    assert out.converge({A: ROUTE, B: DEAR}, coloured) == []


def test_a_family_that_the_configuration_leaves_out_does_not_exist():
    config = replace(CONFIG, families=(IPV4,))
    out = rib(config, replace(NEGOTIATED, families=(IPV4,)))
    assert out.converge({A: ROUTE, X: ROUTE}, POLICY) == [announcement(A), Update(family=IPV4)]
    assert (out.desired, out.advertised, out.untold) == ({IPV4: 1}, {IPV4: 1}, {})


def test_what_was_told_can_be_asked():
    out = begun({A: ROUTE, B: Route(neighbors=frozenset()), X: ROUTE}, Policy())
    assert set(out.told) == {A}  # B is for others, X has no next hop
    assert [out.tells(prefix) for prefix in (A, B, X)] == [True, False, False]
    out.converge({B: ROUTE, X: ROUTE}, POLICY)
    assert set(out.told) == {B, X}


@pytest.mark.parametrize(
    ("neighbors", "heard"), [(None, True), ({"tor-a"}, True), ({"tor-b"}, False), ((), False)]
)
def test_a_route_is_heard_by_the_neighbors_that_it_is_for(neighbors, heard):
    route = Route(neighbors=None if neighbors is None else frozenset(neighbors))
    assert rib().hears(A, route) == heard


def test_a_family_that_is_not_told_hears_nothing():
    assert not rib().hears(X, ROUTE)  # no next hop
    assert not rib(replace(CONFIG, families=(IPV4,)), replace(NEGOTIATED, families=(IPV4,))).hears(X, ROUTE)


# ---- families that cannot be told ----


def test_without_a_next_hop_a_family_is_silent_and_says_what_to_write():
    out = rib()
    assert out.converge({A: ROUTE, X: ROUTE}, Policy()) == [announcement(A, policy=Policy()), *END_OF_RIB]
    assert out.desired == {IPV4: 1, IPV6: 1}
    assert out.advertised == {IPV4: 1, IPV6: 0}
    assert out.untold == {
        IPV6: "no ipv6 next hop, as the session runs over ipv4: "
        'write next-hop = { ipv6 = "ADDRESS" } for neighbor tor-a'
    }


def test_rfc8950_ipv4_over_ipv6_is_told_where_that_was_agreed_on():
    config, over_ipv6 = replace(CONFIG, address="2001:db8::1"), next_hop_self("2001:db8::5")
    out = rib(config, next_hops=over_ipv6)
    assert out.converge({A: ROUTE}, Policy()) == END_OF_RIB
    assert out.untold == {
        IPV4: "no ipv4 next hop, as the session runs over ipv6 and the peer does not offer extended-next-hop "
        '(RFC 8950): write next-hop = { ipv4 = "ADDRESS" } for neighbor tor-a'
    }
    agreed = replace(NEGOTIATED, extended_next_hop=True)
    out = rib(config, agreed, next_hop_self("2001:db8::5", extended=True))
    said, *ends = out.converge({A: ROUTE}, Policy())
    assert (said.announced, said.attributes.next_hop) == ((A,), IPv6Address("2001:db8::5"))
    assert ends == END_OF_RIB
    assert out.converge({}, Policy()) == [withdrawal(A)]


def test_a_family_without_routes_is_nothing_to_complain_of():
    assert begun({A: ROUTE}, Policy()).untold == {}


def test_a_family_that_the_peer_does_not_offer_is_silent_too():
    out = begun({X: ROUTE}, negotiated=replace(NEGOTIATED, families=(IPV4,)))
    assert out.untold == {IPV6: "the peer does not offer multiprotocol ipv6/unicast"}
    assert out.advertised == {IPV4: 0, IPV6: 0}


def test_a_silent_family_finds_its_voice_with_the_policy_and_loses_it():
    out = begun({X: ROUTE}, Policy())
    assert out.converge({X: ROUTE}, POLICY) == [announcement(X)]
    assert (out.advertised[IPV6], out.untold) == (1, {})
    assert out.converge({X: ROUTE}, Policy()) == [withdrawal(X)]
    assert (out.desired[IPV6], out.advertised[IPV6]) == (1, 0)


def test_a_silent_route_goes_without_a_word():
    out = begun({X: ROUTE}, Policy())
    assert out.converge({}, Policy()) == []
    assert (out.desired[IPV6], out.untold) == (0, {})


# ---- ROUTE-REFRESH ----


def test_a_refresh_says_a_family_again():
    out = begun({A: ROUTE, B: DEAR, C: ROUTE, X: ROUTE})
    assert out.refresh(IPV4) == [announcement(A, C), announcement(B, route=DEAR)]
    assert out.refresh(IPV6) == [announcement(X)]
    assert out.converge({A: ROUTE, B: DEAR, C: ROUTE, X: ROUTE}, POLICY) == []


def test_a_refresh_of_a_silent_family_says_nothing():
    assert begun({X: ROUTE}, Policy()).refresh(IPV6) == []


def marks(afi):
    return [RouteRefresh(afi=afi, safi=1, subtype=subtype) for subtype in (1, 2)]


def test_rfc7313_4_marks_stand_around_a_refresh_for_who_knows_them():
    enhanced = replace(NEGOTIATED, enhanced_refresh=True)
    out = begun({A: ROUTE, B: DEAR, X: ROUTE}, negotiated=enhanced)
    begin, end = marks(1)
    assert out.refresh(IPV4) == [begin, announcement(A), announcement(B, route=DEAR), end]
    begin, end = marks(2)
    assert out.refresh(IPV6) == [begin, announcement(X), end]


def test_rfc7313_4_that_there_is_nothing_is_said_too():
    enhanced = replace(NEGOTIATED, enhanced_refresh=True)
    assert begun({}, negotiated=enhanced).refresh(IPV4) == marks(1)
    assert begun({X: ROUTE}, Policy(), negotiated=enhanced).refresh(IPV6) == marks(2)


def test_what_was_refreshed_is_still_withdrawn():
    out = begun({A: ROUTE, B: ROUTE})
    out.refresh(IPV4)
    assert out.converge({B: ROUTE}, POLICY) == [withdrawal(A)]


# ---- packing ----


def sizes(updates):
    return [len(update.encode(four_octet_as=True)) for update in updates]


def test_a_thousand_addresses_take_two_updates():
    prefixes = hosts(1000)
    out = rib(replace(CONFIG, families=(IPV4,)), replace(NEGOTIATED, families=(IPV4,)))
    *updates, end = out.converge(dict.fromkeys(prefixes, ROUTE), POLICY)
    assert end == Update(family=IPV4)
    assert len(updates) == 2
    assert [prefix for update in updates for prefix in update.announced] == prefixes
    updates = out.converge({}, POLICY)
    assert len(updates) == 2
    assert [prefix for update in updates for prefix in update.withdrawn] == prefixes


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("bits", [32, 24, 7, 0])
def test_updates_are_full_and_no_fuller(family, bits):
    wide = bits * family.octets // 4
    octets = (wide + 7) // 8
    prefixes = [
        Prefix(family, bytes((wide,)) + n.to_bytes(max(octets, 1))[:octets])
        for n in range(256 if octets == 1 else 5000 if octets else 1)
    ]
    out = rib()
    *updates, last, _, _ = out.converge(dict.fromkeys(prefixes, ROUTE), POLICY)
    assert all(4096 - (1 + octets) < size <= 4096 for size in sizes(updates))
    assert sizes([last])[0] <= 4096
    *updates, last = out.converge({}, POLICY)
    assert all(4096 - (1 + octets) < size <= 4096 for size in sizes(updates))
    assert sizes([last])[0] <= 4096


def test_prefixes_of_many_lengths_share_an_update():
    lengths = [Prefix.parse(f"{n}.0.0.0/{8 + n % 25}") for n in range(200)]
    updates = rib().converge(dict.fromkeys(lengths, ROUTE), POLICY)
    assert updates[0].announced == tuple(lengths)
