"""What one peer shows of what is watched."""

from ipaddress import IPv4Address
from math import inf

import pytest

from vipd.bgp.attributes import PathAttributes
from vipd.bgp.iana import Family
from vipd.bgp.messages import Content, Update
from vipd.bgp.sightings import DEFAULT_ROUTES, OFTEN, QUIET, Sightings, Watch
from vipd.bgp.wire import Prefix

IPV4, IPV6 = Family.IPV4, Family.IPV6
A, B = Prefix.parse("192.0.2.1"), Prefix.parse("192.0.2.2")
X = Prefix.parse("2001:db8::1")
OTHER = Prefix.parse("198.51.100.0/24")
DEFAULT = DEFAULT_ROUTES[IPV4]


class Peer:
    """A peer, and what is seen of it."""

    def __init__(self, *watched: Prefix, anchors=DEFAULT_ROUTES, families=(IPV4,)) -> None:
        self.told: set[Prefix] = set()
        self.now = 0.0
        watch = Watch(prefixes=frozenset(watched), anchors=anchors)
        self.sightings = Sightings(watch, families, self.told.__contains__, self.now)

    def says(self, *prefixes, ends=None, at=None):
        self.now = self.now if at is None else at
        fields = tuple((prefix.family, prefix.nlri) for prefix in prefixes)
        return self.sightings.hear(Content(announced=fields), ends, self.now)

    def withdraws(self, *prefixes, at=None):
        self.now = self.now if at is None else at
        return self.sightings.hear(
            Content(withdrawn=tuple((prefix.family, prefix.nlri) for prefix in prefixes)), None, self.now
        )

    def hears(self, *prefixes):
        self.told.update(prefixes)
        attributes = PathAttributes(next_hop=IPv4Address("10.0.0.1"))
        self.sightings.speak([Update(family=IPV4, attributes=attributes, announced=prefixes)])

    @property
    def sight(self):
        return self.sightings.sights()[0]


def complete(*watched, **words) -> Peer:
    """A peer that has told everything at time 1: the default route, and every one of these."""
    peer = Peer(*watched, **words)
    peer.says(DEFAULT, *watched, OTHER, at=1.0)
    peer.says(ends=IPV4)
    return peer


def test_what_is_watched_is_seen_and_nothing_else_is_kept():
    peer = complete(A)
    assert (peer.sight.seen, peer.sight.gone, peer.sight.clear_at) == ({A}, {}, 1.0)


def test_of_an_anchor_of_no_interest_nothing_is_seen():
    peer = complete(A)
    peer.says(DEFAULT, A, B, at=2.0)
    assert (peer.sight.seen, peer.sight.clear_at) == ({A}, 1.0)


def test_what_is_withdrawn_is_gone_since_then_until_it_is_seen_again():
    peer = complete(A, B)
    peer.withdraws(A, OTHER, at=2.0)
    assert (peer.sight.seen, peer.sight.gone) == ({B}, {A: 2.0})
    peer.says(A, at=3.0)
    assert (peer.sight.seen, peer.sight.gone) == ({A, B}, {})


def test_what_was_never_seen_is_not_gone():
    peer = complete(A)
    peer.withdraws(B)
    assert peer.sight.gone == {}


def test_what_we_announce_says_nothing_when_it_is_withdrawn():
    peer = complete(A)
    peer.hears(A)
    peer.withdraws(A, at=2.0)
    assert (peer.sight.seen, peer.sight.gone) == (set(), {})


def test_what_is_gone_is_not_any_more_once_we_announce_it():
    peer = complete(A, B)
    peer.withdraws(A, B, at=2.0)
    peer.hears(A)
    assert peer.sight.gone == {B: 2.0}


def test_without_its_anchor_a_peer_is_never_clear():
    peer = Peer(A)
    peer.says(A, ends=IPV4)
    assert peer.sight.clear_at == inf


def test_a_peer_that_has_lost_its_anchor_is_clear_again_when_it_has_told_everything_again():
    peer = complete(A)
    peer.withdraws(DEFAULT, A, at=10.0)
    assert (peer.sight.clear_at, peer.sight.gone) == (inf, {A: 10.0})
    peer.says(DEFAULT, at=20.0)
    assert peer.sight.clear_at == 20.0 + QUIET
    peer.withdraws(DEFAULT)
    peer.withdraws(DEFAULT)
    assert peer.sight.clear_at == inf


def test_a_peer_without_end_of_rib_is_clear_once_it_has_been_quiet():
    peer = Peer(A)
    peer.says(DEFAULT, A, at=1.0)
    assert peer.sight.clear_at == QUIET
    peer.says(OTHER, at=2.0)
    assert peer.sight.clear_at == 2.0 + QUIET
    peer.says(OTHER, at=2.0 + OFTEN / 2)
    assert peer.sight.clear_at == 2.0 + QUIET  # often enough
    peer.says(OTHER, at=2.0 + QUIET)
    assert peer.sight.clear_at == 2.0 + QUIET  # for good


def test_an_end_of_rib_that_comes_late_changes_nothing():
    peer = Peer(A)
    peer.says(DEFAULT, at=1.0)
    peer.says(ends=IPV4, at=1.0 + QUIET)
    assert peer.sight.clear_at == QUIET
    peer.says(ends=IPV6)
    assert len(peer.sightings.sights()) == 1


def test_each_family_speaks_for_itself():
    peer = Peer(A, X, families=(IPV4, IPV6))
    peer.says(A, DEFAULT, X, ends=IPV4, at=1.0)
    four, six = peer.sightings.sights()
    assert (four.family, four.seen, four.clear_at) == (IPV4, {A}, 1.0)
    assert (six.family, six.seen, six.clear_at) == (IPV6, {X}, inf)


def test_a_watched_prefix_may_be_the_anchor():
    peer = Peer(A, anchors={IPV4: A})
    peer.says(A, ends=IPV4, at=1.0)
    assert (peer.sight.seen, peer.sight.clear_at) == ({A}, 1.0)
    peer.withdraws(A, at=2.0)
    assert (peer.sight.gone, peer.sight.clear_at) == ({A: 2.0}, inf)


@pytest.mark.parametrize("say", [lambda peer: peer.says(OTHER), lambda peer: peer.says(A)])
def test_news_is_told_once_and_what_is_no_news_is_none(say):
    peer = complete(A)
    assert peer.sight is peer.sight
    assert not say(peer)
    assert peer.withdraws(A)
    assert peer.sight.gone
    assert not peer.withdraws(A)


def test_what_is_newly_watched_is_asked_for_again():
    peer = complete(A, B)
    peer.withdraws(A)
    assert peer.sightings.watch(Watch(prefixes=frozenset({B, X})), 5.0) == ()  # a family that is not spoken
    assert (peer.sight.seen, peer.sight.gone, peer.sight.clear_at) == ({B}, {}, 1.0)
    assert peer.sightings.watch(Watch(prefixes=frozenset({A, B})), 5.0) == (IPV4,)
    assert peer.sight.clear_at == 1.0


def test_another_anchor_is_waited_for():
    peer = complete(A)
    watch = Watch(prefixes=frozenset({A}), anchors={IPV4: OTHER})
    assert peer.sightings.watch(watch, 5.0) == (IPV4,)
    assert peer.sight.clear_at == inf
    peer.says(OTHER, at=6.0)
    assert peer.sight.clear_at == 5.0 + QUIET
