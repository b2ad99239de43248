"""What a session exchanges while Established: what the peer hears, how far that has come, what it shows.

It begins empty with a session and dies with it. The Adj-RIB-Out knows what the peer shall hear, the Sightings
what is kept of its answers; here stands what is unsaid, what is under way, and what has been acknowledged.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from vipd.bgp.adj_rib_out import AdjRibOut
from vipd.bgp.iana import Family
from vipd.bgp.messages import Content, RouteRefresh, Update
from vipd.bgp.peer import Negotiated, PeerConfig, PeerStatus, Seconds
from vipd.bgp.route import LocRib, Policy, Route
from vipd.bgp.sightings import Sight, Sightings, Watch
from vipd.bgp.wire import Prefix

_PLAIN = Policy()


class Exchange:
    """All that is told to one peer and seen of it, from the first UPDATE to the last."""

    def __init__(
        self,
        config: PeerConfig,
        negotiated: Negotiated,
        next_hops: Mapping[Family, IPv4Address | IPv6Address],
        watch: Watch,
        now: Seconds,
    ) -> None:
        """`next_hops` is what `next_hop_self` makes of the session's local address."""
        self._name = config.name
        self._adj_rib_out = AdjRibOut(config, negotiated, next_hops)
        self._unsaid: deque[Update | RouteRefresh] = deque()
        self._under_way: list[LocRib] = []  # in the order in which they were told
        self._acknowledged = False  # whether the peer has every octet of the first of them
        self._sightings: Sightings | None = None
        if config.witness:
            self._sightings = Sightings(watch, negotiated.families, self._adj_rib_out.tells, now)

    # ---- what others ask ----

    def status(self, status: PeerStatus) -> PeerStatus:
        """Complete a snapshot with what the peer shall hear, and has been told."""
        out = self._adj_rib_out
        return replace(status, desired=out.desired, advertised=out.advertised, untold=out.untold)

    def told(self) -> Collection[Prefix]:
        """Every prefix that the peer has been told."""
        return self._adj_rib_out.told

    def to_hear(self, prefix: Prefix, route: Route) -> bool:
        """Whether the peer is told of such a route."""
        return self._adj_rib_out.hears(prefix, route)

    def has(self, prefix: Prefix, route: Route) -> bool:
        """Whether the peer has acknowledged every octet of this, and nothing else of it is under way."""
        return self._acknowledged and all(rib.routes.get(prefix) is route for rib in self._under_way)

    @property
    def newest(self) -> LocRib | None:
        """What was told last; None: nothing yet."""
        return self._under_way[-1] if self._under_way else None

    @property
    def settled(self) -> bool:
        """Whether the peer has acknowledged all that was told."""
        return self._acknowledged and len(self._under_way) == 1

    @property
    def unsaid(self) -> int:
        """How many messages wait for their turn on the wire."""
        return len(self._unsaid)

    def sights(self) -> tuple[Sight, ...]:
        """What a witness shows of what is watched."""
        return () if self._sightings is None else self._sightings.sights()

    # ---- what happens ----

    def converge(self, rib: LocRib) -> Sequence[Update]:
        """Take up what makes the peer hear a LocRib and nothing else; return it, too."""
        policy = rib.policies.get(self._name, _PLAIN)
        updates = self._adj_rib_out.converge(rib.routes, policy, complete=rib.complete)
        if self._sightings is not None:
            self._sightings.speak(updates)
        self._under_way.append(rib)
        self._unsaid.extend(updates)
        return updates

    def refresh(self, family: Family) -> Sequence[Update | RouteRefresh]:
        """Take up all of a family once more, for a peer that has asked (RFC 2918); return it, too."""
        said = self._adj_rib_out.refresh(family)
        self._unsaid.extend(said)
        return said

    def say(self, count: int) -> Sequence[Update | RouteRefresh]:
        """Return the next messages, so many at the most; take them as said."""
        return [self._unsaid.popleft() for _ in range(min(count, len(self._unsaid)))]

    def acknowledge(self, rib: LocRib) -> bool:
        """Take the octets that were said as arrived; return whether they were all, and this the newest."""
        if rib is not self.newest or self._unsaid:
            return False
        self._acknowledged = True
        self._under_way = [rib]
        return True

    def watch(self, watch: Watch, now: Seconds) -> tuple[Family, ...]:
        """Watch something else; return the families that the peer must be asked for again."""
        return () if self._sightings is None else self._sightings.watch(watch, now)

    def see(self, content: Content, end_of_rib: Family | None, now: Seconds) -> bool:
        """Take in an UPDATE, as it counts after RFC 7606; return whether there are new sights."""
        return self._sightings is not None and self._sightings.hear(content, end_of_rib, now)
