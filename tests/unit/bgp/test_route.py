"""How one peer hears a route: RFC 4271 section 5.1, RFC 1997, RFC 8092, RFC 2545 section 3."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from vipd.bgp.attributes import PathAttributes, Segment
from vipd.bgp.iana import Family, Origin, Role, SegmentType
from vipd.bgp.peer import Negotiated, PeerConfig
from vipd.bgp.route import Policy, Route, When, export, hears, next_hop_self

CONFIG = PeerConfig(name="tor-a", address="10.0.0.1", local_as=65010, router_id=IPv4Address("10.0.0.5"))
EBGP = Negotiated(
    peer_as=65001,
    peer_router_id=IPv4Address("10.0.0.1"),
    ebgp=True,
    hold_time=9,
    keepalive=3.0,
    families=(Family.IPV4, Family.IPV6),
    four_octet_as=True,
    route_refresh=True,
)
IBGP = replace(EBGP, peer_as=65010, ebgp=False)
SELF = {Family.IPV4: IPv4Address("10.0.0.5")}


def heard(route=None, policy=None, negotiated=EBGP, next_hops=SELF, family=Family.IPV4):
    return export(
        route or Route(),
        policy or Policy(),
        config=CONFIG,
        negotiated=negotiated,
        next_hops=next_hops,
        family=family,
    )


def path(*asns):
    return (Segment(SegmentType.AS_SEQUENCE, asns),)


def test_a_plain_route_to_another_as():
    assert heard() == PathAttributes(
        origin=Origin.IGP, as_path=path(65010), next_hop=IPv4Address("10.0.0.5"), med=None
    )


def test_a_plain_route_within_our_as():
    assert heard(negotiated=IBGP) == PathAttributes(
        origin=Origin.IGP, as_path=(), next_hop=IPv4Address("10.0.0.5"), local_preference=100
    )


@pytest.mark.parametrize(("route", "policy", "times"), [(0, 0, 1), (2, 0, 3), (0, 3, 4), (2, 3, 6)])
def test_prepends_add_up(route, policy, times):
    attributes = heard(Route(prepend=route), Policy(prepend=policy))
    assert attributes.as_path == path(*(65010,) * times)


@pytest.mark.parametrize(
    ("role", "told"),
    [
        (None, None),
        (Role.CUSTOMER, None),
        (Role.RS_CLIENT, None),
        (Role.PROVIDER, 65010),
        (Role.PEER, 65010),
        (Role.RS, 65010),
    ],
    ids=str,
)
def test_rfc9234_5_what_goes_down_or_sideways_says_so(role, told):
    config = replace(CONFIG, role=role)
    words = {"config": config, "negotiated": EBGP, "next_hops": SELF, "family": Family.IPV4}
    assert export(Route(), Policy(), **words).only_to_customer == told


def test_a_path_is_no_longer_than_one_segment():
    assert heard(Route(prepend=200), Policy(prepend=200)).as_path == path(*(65010,) * 255)


def test_nothing_is_prepended_within_our_as():
    assert heard(Route(prepend=2), Policy(prepend=3), negotiated=IBGP).as_path == ()


@pytest.mark.parametrize(
    ("route", "policy", "told"), [(None, None, None), (5, None, 5), (None, 7, 7), (5, 7, 5), (0, 7, 0)]
)
def test_the_med_of_the_route_wins(route, policy, told):
    assert heard(Route(med=route), Policy(med=policy)).med == told
    assert heard(Route(med=route), Policy(med=policy), negotiated=IBGP).med == told


@pytest.mark.parametrize(
    ("route", "policy", "told"), [(None, None, 100), (5, None, 5), (None, 7, 7), (5, 7, 5), (0, 7, 0)]
)
def test_local_preference_stays_within_our_as(route, policy, told):
    said = Route(local_preference=route), Policy(local_preference=policy)
    assert heard(*said, negotiated=IBGP).local_preference == told
    assert heard(*said).local_preference is None


def test_communities_are_united_sorted_and_said_once():
    attributes = heard(
        Route(communities=((65010, 9), (65010, 1)), large_communities=((65010, 2, 2),)),
        Policy(communities=((65010, 1), (64500, 7)), large_communities=((65010, 1, 3), (65010, 2, 2))),
    )
    assert attributes.communities == ((64500, 7), (65010, 1), (65010, 9))
    assert attributes.large_communities == ((65010, 1, 3), (65010, 2, 2))


@pytest.mark.parametrize(
    ("neighbors", "told"),
    [(None, True), (frozenset({"tor-a"}), True), (frozenset({"tor-b"}), False), (frozenset(), False)],
)
def test_a_route_may_be_for_some_only(neighbors, told):
    route = Route(neighbors=neighbors)
    assert hears(route, CONFIG) is told
    assert (heard(route) is not None) is told


def test_the_next_hop_of_the_policy_wins():
    policy = Policy(next_hop={Family.IPV4: IPv4Address("192.0.2.9")})
    assert heard(policy=policy).next_hop == IPv4Address("192.0.2.9")


def test_a_family_that_is_not_the_sessions_needs_a_next_hop_of_the_policy():
    assert heard(family=Family.IPV6) is None
    policy = Policy(next_hop={Family.IPV6: IPv6Address("2001:db8::5")})
    attributes = heard(policy=policy, family=Family.IPV6)
    assert (attributes.next_hop, attributes.link_local) == (IPv6Address("2001:db8::5"), None)


@pytest.mark.parametrize(
    ("local_address", "next_hops"),
    [
        ("10.0.0.5", {Family.IPV4: IPv4Address("10.0.0.5")}),
        ("2001:db8::5", {Family.IPV6: IPv6Address("2001:db8::5")}),
        ("fe80::5%eth0", {Family.IPV6: IPv6Address("fe80::5")}),
        ("::ffff:10.0.0.5", {Family.IPV4: IPv4Address("10.0.0.5")}),
    ],
)
def test_the_sessions_own_end_is_a_next_hop_of_its_family(local_address, next_hops):
    assert next_hop_self(local_address) == next_hops


def test_rfc8950_an_ipv6_end_is_a_next_hop_for_ipv4_where_that_was_agreed_on():
    six = IPv6Address("2001:db8::5")
    assert next_hop_self("2001:db8::5", extended=True) == {Family.IPV4: six, Family.IPV6: six}
    four = IPv4Address("10.0.0.5")
    assert next_hop_self("::ffff:10.0.0.5", extended=True) == {Family.IPV4: four}


def test_rfc8950_a_next_hop_of_ipv4_wins_and_stands_alone():
    hops = next_hop_self("fe80::5%eth0", extended=True)
    assert heard(next_hops=hops).next_hop == IPv6Address("fe80::5")
    told = heard(next_hops=hops, policy=Policy(next_hop={Family.IPV4: IPv4Address("10.0.0.9")}))
    assert (told.next_hop, told.link_local) == (IPv4Address("10.0.0.9"), None)


LINK = next_hop_self("fe80::5%eth0")


def test_on_a_link_local_session_the_link_local_address_may_be_all_there_is():
    attributes = heard(next_hops=LINK, family=Family.IPV6)
    assert (attributes.next_hop, attributes.link_local) == (IPv6Address("fe80::5"), None)


def test_on_a_link_local_session_it_stands_beside_a_global_next_hop():
    policy = Policy(next_hop={Family.IPV6: IPv6Address("2001:db8::5")})
    attributes = heard(policy=policy, next_hops=LINK, family=Family.IPV6)
    assert (attributes.next_hop, attributes.link_local) == (
        IPv6Address("2001:db8::5"),
        IPv6Address("fe80::5"),
    )


def test_another_link_local_next_hop_stands_alone():
    policy = Policy(next_hop={Family.IPV6: IPv6Address("fe80::9")})
    attributes = heard(policy=policy, next_hops=LINK, family=Family.IPV6)
    assert (attributes.next_hop, attributes.link_local) == (IPv6Address("fe80::9"), None)


def test_no_link_local_address_beside_an_ipv4_next_hop():
    policy = Policy(next_hop={Family.IPV4: IPv4Address("192.0.2.9")})
    assert heard(policy=policy, next_hops=LINK).link_local is None


@pytest.mark.parametrize(("rank", "times"), [(0, 1), (1, 4), (2, 7)])
def test_a_rank_is_told_by_prepends_that_survive_the_next_as(rank, times):
    assert heard(Route(rank=rank)).as_path == path(*[65010] * times)
    assert heard(Route(rank=rank, prepend=1), Policy(prepend_step=0)).as_path == path(65010, 65010)


@pytest.mark.parametrize(("step", "times"), [(3, 2), (1, 2), (0, 1)])
def test_aside_a_route_is_as_little_behind_as_can_be_told_where_ranks_are(step, times):
    assert heard(Route(aside=True), Policy(prepend_step=step)).as_path == path(*[65010] * times)
    within = heard(Route(aside=True), Policy(local_preference_step=step), IBGP)
    assert (within.as_path, within.local_preference) == ((), 101 - times)


def test_aside_it_is_as_far_behind_as_the_fabric_is_high_and_never_behind_the_next_rank():
    assert heard(Route(aside=True), Policy(aside=3, prepend_step=5)).as_path == path(*[65010] * 4)
    assert heard(Route(aside=True), Policy(aside=3, prepend_step=2)).as_path == path(*[65010] * 3)


@pytest.mark.parametrize(
    ("route", "policy", "told"),
    [
        (Route(rank=1), Policy(), None),
        (Route(rank=2), Policy(med_step=50), 100),
        (Route(rank=2, med=10), Policy(med_step=50), 110),
        (Route(rank=0, med=10), Policy(med_step=50), 10),
        (Route(rank=1, med=0xFFFF_FFFF), Policy(med_step=50), 0xFFFF_FFFF),
    ],
)
def test_a_rank_may_be_told_by_a_greater_med(route, policy, told):
    assert heard(route, policy).med == told


@pytest.mark.parametrize(
    ("route", "policy", "told"),
    [(Route(rank=1), Policy(), 90), (Route(rank=3), Policy(local_preference_step=50), 0)],
)
def test_within_our_as_a_rank_is_told_by_a_lesser_local_preference(route, policy, told):
    assert heard(route, policy, IBGP).local_preference == told


def test_a_rank_may_be_told_by_communities():
    ranked = Policy(rank_communities={1: ((64500, 1),), 2: ((64500, 2),)})
    assert heard(Route(rank=1, communities=((64500, 9),)), ranked).communities == ((64500, 1), (64500, 9))
    assert heard(Route(rank=0), ranked).communities == ()


def test_so_may_what_a_route_is_at_the_moment():
    policy = Policy(
        rank_communities={1: ((64500, 1),)},
        communities_when={When.STANDBY: ((64500, 2),), When.DRAINING: ((64500, 3),)},
    )
    assert heard(Route(), policy).communities == ()
    assert heard(Route(rank=1, when=When.STANDBY), policy).communities == ((64500, 1), (64500, 2))
    assert heard(Route(when=When.DRAINING), policy).communities == ((64500, 3),)
