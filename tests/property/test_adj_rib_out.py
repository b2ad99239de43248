"""For any history: what a peer pieces together from our octets is what we want it to hear."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st

from vipd.bgp.adj_rib_out import AdjRibOut
from vipd.bgp.framing import Framer
from vipd.bgp.iana import Family, MessageType, RefreshSubtype
from vipd.bgp.messages import RouteRefresh, UpdateReader
from vipd.bgp.peer import Negotiated, PeerConfig
from vipd.bgp.route import Policy, Route, export, next_hop_self
from vipd.bgp.wire import Prefix

PREFIXES = [Prefix.parse(f"192.0.2.{n}") for n in range(6)] + [
    Prefix.parse(f"2001:db8::{n}") for n in range(6)
]

numbers = st.none() | st.integers(0, 2)
communities = st.lists(st.tuples(st.just(65010), st.integers(1, 3)), max_size=3).map(tuple)
routes = st.builds(
    Route,
    med=numbers,
    local_preference=numbers,
    prepend=st.integers(0, 2),
    communities=communities,
    neighbors=st.none() | st.sampled_from([frozenset({"tor-a"}), frozenset({"tor-b"})]),
)
policies = st.builds(
    Policy,
    med=numbers,
    prepend=st.integers(0, 1),
    next_hop=st.fixed_dictionaries(
        {},
        optional={
            Family.IPV4: st.just(IPv4Address("192.0.2.254")),
            Family.IPV6: st.just(IPv6Address("2001:db8::fe")),
        },
    ),
)
ribs = st.dictionaries(st.sampled_from(PREFIXES), routes)
few_policies = st.lists(policies, min_size=1, max_size=2)  # so that it often stays the same

configs = st.builds(
    PeerConfig,
    name=st.just("tor-a"),
    address=st.just("10.0.0.1"),
    local_as=st.sampled_from([65010, 4200000001]),
    router_id=st.just(IPv4Address("10.0.0.5")),
    families=st.sampled_from([(Family.IPV4,), (Family.IPV6,), (Family.IPV4, Family.IPV6)]),
)
local_addresses = st.sampled_from(["10.0.0.5", "2001:db8::5", "fe80::5%eth0"])


@st.composite
def sessions(draw):
    """Our configuration, what was agreed on, and the next hops of our own end."""
    config = draw(configs)
    families = draw(st.sets(st.sampled_from(config.families), min_size=1))
    ebgp = draw(st.booleans())
    negotiated = Negotiated(
        peer_as=65001 if ebgp else config.local_as,
        peer_router_id=IPv4Address("10.0.0.1"),
        ebgp=ebgp,
        hold_time=9,
        keepalive=3.0,
        families=tuple(sorted(families)),
        four_octet_as=draw(st.booleans()),
        route_refresh=True,
        enhanced_refresh=draw(st.booleans()),
        extended_message=draw(st.booleans()),
    )
    return config, negotiated, next_hop_self(draw(local_addresses))


class Peer:
    """An Adj-RIB-In, made of octets."""

    def __init__(self, negotiated):
        self._negotiated = negotiated
        self._framer = Framer()
        self._framer.extended = negotiated.extended_message
        self._reader = UpdateReader(
            four_octet_as=negotiated.four_octet_as, ebgp=negotiated.ebgp, families=negotiated.families
        )
        self._stale = set()  # while a refresh is under way (RFC 7313)
        self.table = {}
        self.ended = []

    def _encoded(self, said):
        if isinstance(said, RouteRefresh):
            return said.encode()
        agreed = self._negotiated
        return said.encode(four_octet_as=agreed.four_octet_as, extended=agreed.extended_message)

    def _mark(self, mark):
        if mark.subtype == RefreshSubtype.BEGIN:
            self._stale = {prefix for prefix in self.table if prefix.family is mark.family}
            return
        for prefix in self._stale:
            del self.table[prefix]

    def hear(self, said):
        """Take messages in; return the prefixes spoken of, in order."""
        spoken = []
        for each in said:
            self._framer.feed(self._encoded(each))
        for kind, body in self._framer:
            if kind is MessageType.ROUTE_REFRESH:
                self._mark(RouteRefresh.decode(body, enhanced=True))
                continue
            for update in self._reader.updates(body):
                if not update.withdrawn and not update.announced:
                    self.ended.append(update.family)
                for prefix in update.withdrawn:
                    del self.table[prefix]  # what was never said is never withdrawn
                for prefix in update.announced:
                    self.table[prefix] = update.attributes
                    self._stale.discard(prefix)
                spoken += [*update.withdrawn, *update.announced]
        return spoken


def wanted(session, routes, policy):
    config, negotiated, next_hops = session
    told = {
        prefix: export(
            route,
            policy,
            config=config,
            negotiated=negotiated,
            next_hops=next_hops,
            family=prefix.family,
        )
        for prefix, route in routes.items()
        if prefix.family in negotiated.families
    }
    return {prefix: attributes for prefix, attributes in told.items() if attributes is not None}


@settings(deadline=None)
@given(sessions(), st.lists(st.tuples(ribs, st.integers(0, 1)), min_size=1, max_size=6), few_policies)
def test_the_peer_knows_what_we_want_it_to_know_and_is_told_no_more(session, history, policies):
    rib, peer = AdjRibOut(*session), Peer(session[1])
    for routes, index in history:
        policy = policies[index % len(policies)]
        before = dict(peer.table)
        spoken = peer.hear(rib.converge(routes, policy))
        assert peer.table == wanted(session, routes, policy)
        changed = {p for p in before | peer.table if before.get(p) != peer.table.get(p)}
        assert sorted(spoken) == sorted(changed)
        for family in session[0].families:
            count = sum(prefix.family is family for prefix in peer.table)
            assert rib.advertised[family] == count
            assert rib.desired[family] == count or family in rib.untold
    assert peer.ended == list(session[1].families)


@settings(deadline=None)
@given(sessions(), ribs, ribs, policies)
def test_withdrawals_come_before_announcements(session, before, after, policy):
    rib = AdjRibOut(*session)
    rib.converge(before, policy)
    kinds = [bool(update.announced) for update in rib.converge(after, policy)]
    assert kinds == sorted(kinds)


@settings(deadline=None)
@given(sessions(), ribs, policies)
def test_nothing_is_said_when_nothing_changed(session, routes, policy):
    rib = AdjRibOut(*session)
    rib.converge(routes, policy)
    assert rib.converge(routes, policy) == []
    assert rib.converge({prefix: replace(route) for prefix, route in routes.items()}, policy) == []


@settings(deadline=None)
@given(sessions(), ribs, ribs, policies)
def test_a_refresh_tells_a_forgetful_peer_everything(session, before, after, policy):
    rib = AdjRibOut(*session)
    rib.converge(before, policy)
    peer = Peer(session[1])
    for family in session[1].families:
        peer.hear(rib.refresh(family))
    assert peer.table == wanted(session, before, policy)
    peer.hear(rib.converge(after, policy))
    assert peer.table == wanted(session, after, policy)


@settings(deadline=None)
@given(sessions(), ribs, ribs, policies)
def test_a_refresh_between_marks_heals_a_peer_that_has_what_it_should_not(session, rubbish, routes, policy):
    session = (session[0], replace(session[1], enhanced_refresh=True), session[2])
    rib, peer = AdjRibOut(*session), Peer(session[1])
    peer.table = wanted(session, rubbish, policy)
    rib.converge(routes, policy)
    for family in session[1].families:
        peer.hear(rib.refresh(family))
    assert peer.table == wanted(session, routes, policy)


@settings(deadline=None)
@given(sessions(), st.lists(ribs, max_size=4), policies)
def test_the_same_history_is_told_in_the_same_octets(session, history, policy):
    one, other = AdjRibOut(*session), AdjRibOut(*session)
    for routes in history:
        assert one.converge(routes, policy) == other.converge(dict(routes), policy)
