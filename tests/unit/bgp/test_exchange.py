"""What is unsaid, under way and acknowledged, and what is seen: all of it for one session."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from vipd.bgp.exchange import Exchange
from vipd.bgp.iana import Family
from vipd.bgp.messages import Content, RouteRefresh, Update
from vipd.bgp.peer import Negotiated, PeerConfig, PeerStatus, State
from vipd.bgp.route import LocRib, Policy, Route, next_hop_self
from vipd.bgp.sightings import DEFAULT_ROUTES, Watch
from vipd.bgp.wire import Prefix

IPV4 = Family.IPV4
CONFIG = PeerConfig(name="tor-a", address="10.0.0.1", local_as=65010, router_id=IPv4Address("10.0.0.5"))
NEGOTIATED = Negotiated(
    peer_as=65001,
    peer_router_id=IPv4Address("10.0.0.1"),
    ebgp=True,
    hold_time=9,
    keepalive=3.0,
    families=(IPV4,),
    four_octet_as=True,
    route_refresh=True,
)
A, B = Prefix.parse("192.0.2.1"), Prefix.parse("192.0.2.2")
ROUTE, OTHER = Route(), Route(prepend=1)
END_OF_RIB = Update(family=IPV4)


def exchange(*, watched=(), witness=False) -> Exchange:
    config = replace(CONFIG, witness=witness)
    return Exchange(config, NEGOTIATED, next_hop_self("10.0.0.5"), Watch(prefixes=frozenset(watched)), 0.0)


def said(it: Exchange) -> list[Update | RouteRefresh]:
    return list(it.say(it.unsaid))


def told(it: Exchange, rib: LocRib) -> None:
    """Said, and acknowledged."""
    it.converge(rib)
    said(it)
    assert it.acknowledge(rib)


def fields(*prefixes):
    return tuple((prefix.family, prefix.nlri) for prefix in prefixes)


def test_nothing_is_told_at_first():
    it = exchange()
    assert it.newest is None
    assert not it.settled
    assert not it.unsaid
    assert not it.told()
    assert not it.has(A, ROUTE)
    assert not it.acknowledge(LocRib())


def test_what_is_told_is_said_in_its_order_and_as_much_at_a_time_as_asked():
    it = exchange()
    first = it.converge(LocRib(routes={A: ROUTE}))
    second = it.converge(LocRib(routes={A: ROUTE, B: OTHER}))
    everything = [*first, *second]
    assert first[-1] == END_OF_RIB
    assert it.unsaid == len(everything) == 3
    assert it.say(2) == everything[:2]
    assert it.say(2) == everything[2:]
    assert it.say(2) == []


def test_the_neighbours_own_policy_is_applied():
    policies = {"tor-a": Policy(prepend=2), "tor-b": Policy(prepend=9)}
    announced, _ = exchange().converge(LocRib(routes={A: ROUTE}, policies=policies))
    (segment,) = announced.attributes.as_path
    assert segment.asns == (CONFIG.local_as,) * 3


def test_what_is_acknowledged_is_the_peers():
    it, rib = exchange(), LocRib(routes={A: ROUTE})
    it.converge(rib)
    assert it.newest is rib
    assert set(it.told()) == {A}
    assert not it.acknowledge(rib), "it is not even said"
    said(it)
    assert not it.has(A, ROUTE)
    assert it.acknowledge(rib)
    assert it.settled
    assert it.has(A, ROUTE)
    assert not it.has(A, OTHER)
    assert not it.has(B, ROUTE)


def test_what_changes_is_acknowledged_anew_and_nothing_else():
    it = exchange()
    told(it, LocRib(routes={A: ROUTE, B: ROUTE}))
    it.converge(newer := LocRib(routes={A: ROUTE, B: OTHER}))
    assert not it.settled
    assert it.has(A, ROUTE)
    assert not it.has(B, ROUTE)
    assert not it.has(B, OTHER)
    said(it)
    assert it.acknowledge(newer)
    assert it.has(B, OTHER)


def test_an_older_one_that_is_acknowledged_says_nothing_of_the_newest():
    it = exchange()
    it.converge(older := LocRib(routes={A: ROUTE}))
    it.converge(LocRib(routes={}))
    said(it)
    assert not it.acknowledge(older)
    assert not it.settled


def test_a_family_is_told_once_more():
    it = exchange()
    told(it, LocRib(routes={A: ROUTE}))
    again = it.refresh(IPV4)
    assert again
    assert said(it) == list(again)
    assert it.settled, "the peer has it already"


def test_who_hears_a_route():
    it = exchange()
    assert it.to_hear(A, ROUTE)
    assert not it.to_hear(A, Route(neighbors=frozenset({"tor-b"})))
    assert not it.to_hear(Prefix.parse("2001:db8::1"), ROUTE)


def test_a_snapshot_is_completed():
    it = exchange()
    it.converge(LocRib(routes={A: ROUTE}))
    status = it.status(PeerStatus(config=CONFIG, state=State.ESTABLISHED, since=0.0))
    assert status.desired[IPV4] == status.advertised[IPV4] == 1
    assert status.untold == {}


@pytest.mark.parametrize("witness", [False, True])
def test_what_a_witness_shows_is_seen(witness):
    it = exchange(witness=witness, watched=[A])
    default = DEFAULT_ROUTES[IPV4]
    assert it.see(Content(announced=fields(default, A)), IPV4, 1.0) is witness
    assert [sight.seen for sight in it.sights()] == ([{A}] if witness else [])
    assert it.watch(Watch(prefixes=frozenset({A, B})), 2.0) == ((IPV4,) if witness else ())


def test_what_we_announce_ourselves_is_not_gone():
    it = exchange(witness=True, watched=[A])
    it.see(Content(announced=fields(DEFAULT_ROUTES[IPV4], A)), IPV4, 1.0)
    it.see(Content(withdrawn=fields(A)), None, 2.0)
    assert [dict(sight.gone) for sight in it.sights()] == [{A: 2.0}]
    it.converge(LocRib(routes={A: ROUTE}))
    assert [dict(sight.gone) for sight in it.sights()] == [{}]
