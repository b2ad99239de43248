"""What one peer shows of the prefixes that are watched: the routers as witnesses.

Nothing else that a peer tells is kept. Of a watched prefix it is kept whether the peer has a route to it
now, and since when it has none any more. While we announce a prefix ourselves, the peer may like our route
best, and have none to tell: then its silence says nothing. Nor does it before the peer has told everything,
nor while it has lost its anchor, a prefix that it has for as long as it reaches the rest of the fabric.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from vipd.bgp.iana import Family
from vipd.bgp.messages import Content, Update
from vipd.bgp.peer import Seconds
from vipd.bgp.wire import Prefix, pick_prefixes

QUIET: Final[Seconds] = 5.0  # without an UPDATE: then a peer that sends no End-of-RIB has told everything
OFTEN: Final[Seconds] = 1.0  # by so much a peer that goes on telling moves that moment

DEFAULT_ROUTES: Final[Mapping[Family, Prefix]] = {
    Family.IPV4: Prefix.parse("0.0.0.0/0"),
    Family.IPV6: Prefix.parse("::/0"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is kept of what peers tell."""

    prefixes: frozenset[Prefix] = frozenset()
    anchors: Mapping[Family, Prefix] = field(default_factory=lambda: DEFAULT_ROUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a peer shows of one family, at one moment."""

    family: Family
    seen: frozenset[Prefix]
    gone: Mapping[Prefix, Seconds]  # was seen while we were silent about it, and when that ended
    clear_at: Seconds  # from when on its silence about a prefix means something; infinity: not now


class Sightings:
    """What one peer has shown since its session was established."""

    def __init__(
        self, watch: Watch, families: Iterable[Family], tells: Callable[[Prefix], bool], now: Seconds
    ) -> None:
        """`tells` says whether we announce a prefix to the peer at present."""
        self._tells = tells
        self._families = tuple(families)
        self._seen: set[Prefix] = set()
        self._gone: dict[Prefix, Seconds] = {}
        self._anchored: set[Family] = set()
        self._complete_at = dict.fromkeys(self._families, now + QUIET)
        self._sights: tuple[Sight, ...] | None = None
        self._set(watch)

    def sights(self) -> tuple[Sight, ...]:
        """Return one for each family; the same objects until something changes."""
        if self._sights is None:
            self._sights = tuple(self._sight(family) for family in self._families)
        return self._sights

    def watch(self, watch: Watch, now: Seconds) -> tuple[Family, ...]:
        """Watch something else; return the families that the peer must be asked for again."""
        known = self._wanted
        self._set(watch)
        self._seen &= watch.prefixes
        self._gone = {prefix: at for prefix, at in self._gone.items() if prefix in watch.prefixes}
        self._sights = None
        new = {prefix.family for prefix in self._wanted - known}
        families = tuple(family for family in self._families if family in new)
        for family in families:
            if self._anchors[family] not in known:
                self._anchored.discard(family)
                self._complete_at[family] = now + QUIET
        return families

    def hear(self, content: Content, end_of_rib: Family | None, now: Seconds) -> bool:
        """Take in an UPDATE, as it counts after RFC 7606; return whether there are new sights."""
        for prefix in self._picked(content.withdrawn):
            self._lose(prefix, now)
        for prefix in self._picked(content.announced):
            self._see(prefix, now)
        for family, complete_at in self._complete_at.items():
            if now < complete_at and family is end_of_rib:
                self._complete(family, now)
            elif now < complete_at < now + QUIET - OFTEN:
                self._complete(family, now + QUIET)
        return self._sights is None

    def speak(self, updates: Iterable[Update]) -> None:
        """Take in what we tell the peer."""
        if self._gone:
            for prefix in self._gone.keys() & {prefix for update in updates for prefix in update.announced}:
                del self._gone[prefix]
                self._sights = None

    def _set(self, watch: Watch) -> None:
        self._watched = watch.prefixes
        self._anchors = {family: watch.anchors[family] for family in self._families}
        self._wanted = self._watched.union(self._anchors.values())
        self._lengths = frozenset(prefix.nlri[0] for prefix in self._wanted)

    def _sight(self, family: Family) -> Sight:
        return Sight(
            family=family,
            seen=frozenset(prefix for prefix in self._seen if prefix.family is family),
            gone={prefix: at for prefix, at in self._gone.items() if prefix.family is family},
            clear_at=self._complete_at[family] if family in self._anchored else inf,
        )

    def _picked(self, fields: Iterable[tuple[Family, bytes]]) -> Iterator[Prefix]:
        for family, nlri in fields:
            yield from pick_prefixes(family, nlri, self._wanted, self._lengths)

    def _see(self, prefix: Prefix, now: Seconds) -> None:
        if prefix == self._anchors.get(prefix.family):
            self._anchor(prefix.family, now)
        if prefix in self._watched and prefix not in self._seen:
            self._seen.add(prefix)
            self._gone.pop(prefix, None)
            self._sights = None

    def _anchor(self, family: Family, now: Seconds) -> None:
        """A peer that lost its anchor, and has it again, has yet to tell what else it has again."""
        if family not in self._anchored:
            self._anchored.add(family)
            if self._complete_at[family] <= now:
                self._complete(family, now + QUIET)
            self._sights = None

    def _complete(self, family: Family, at: Seconds) -> None:
        self._complete_at[family] = at
        self._sights = None

    def _lose(self, prefix: Prefix, now: Seconds) -> None:
        if prefix == self._anchors.get(prefix.family) and prefix.family in self._anchored:
            self._anchored.discard(prefix.family)
            self._sights = None
        if prefix in self._seen:
            self._seen.discard(prefix)
            if not self._tells(prefix):
                self._gone[prefix] = now
            self._sights = None
