"""What one peer has been told (RFC 4271 section 3.2), and what to say so that it is what we want.

It begins empty with a session and dies with it: the first exchange and every change are one call. There is no
queue and no dirty flag, for pending work is the difference of two mappings.
"""

from collections import ChainMap, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from vipd.bgp.attributes import PathAttributes
from vipd.bgp.capabilities import Multiprotocol
from vipd.bgp.iana import Family, RefreshSubtype
from vipd.bgp.messages import RouteRefresh, Update, room
from vipd.bgp.peer import Negotiated, PeerConfig
from vipd.bgp.route import Policy, Route, export, hears
from vipd.bgp.wire import Prefix


class AdjRibOut:
    """What one peer is told over one session."""

    def __init__(
        self,
        config: PeerConfig,
        negotiated: Negotiated,
        next_hops: Mapping[Family, IPv4Address | IPv6Address],
    ) -> None:
        """`next_hops` is what `next_hop_self` makes of the session's local address."""
        self._config = config
        self._negotiated = negotiated
        self._next_hops = next_hops
        # Every prefix that the peer shall hear, as it was told; None where its family is silent.
        self._table: dict[Family, dict[Prefix, PathAttributes | None]] = {
            family: {} for family in config.families
        }
        self._unfinished = negotiated.families  # those whose End-of-RIB is still to come
        # What the last call was given, and what became of each Route of it.
        self._routes: Mapping[Prefix, Route]
        self._heard: dict[tuple[Route, Family], PathAttributes | None]
        self._adopt(Policy())

    @property
    def desired(self) -> Mapping[Family, int]:
        """How many routes the peer shall hear."""
        return {family: len(table) for family, table in self._table.items()}

    @property
    def advertised(self) -> Mapping[Family, int]:
        """How many routes it has been told."""
        return {f: 0 if f in self._silent else len(table) for f, table in self._table.items()}

    @property
    def told(self) -> Collection[Prefix]:
        """Every prefix that it has been told: a view, no copy."""
        return ChainMap(*(table for family, table in self._table.items() if family not in self._silent))

    def tells(self, prefix: Prefix) -> bool:
        """Whether the peer has been told of it, and not that it is gone."""
        family = prefix.family
        return family not in self._silent and prefix in self._table.get(family, ())

    def hears(self, prefix: Prefix, route: Route) -> bool:
        """Whether the peer is told of such a route."""
        family = prefix.family
        return family in self._table and family not in self._silent and hears(route, self._config)

    @property
    def untold(self) -> Mapping[Family, str]:
        """Why families with routes to tell are not told: one sentence, with what to write."""
        return {family: reason for family, reason in self._silent.items() if self._table[family]}

    def converge(
        self, routes: Mapping[Prefix, Route], policy: Policy, *, complete: bool = True
    ) -> list[Update]:
        """Return what makes the peer hear `routes` and nothing else; take it as said.

        Withdrawals come first: stop drawing traffic that cannot be served, then ask for more. The first call
        ends with the End-of-RIB of each family (RFC 4724 section 2); to a peer that then forgets what it kept
        of us through a restart, the first `complete` one. The mapping must not change afterwards.
        """
        if policy != self._policy:
            self._adopt(policy)
        before, self._routes = self._routes, routes
        fresh: dict[tuple[Family, int], list[Prefix]] = defaultdict(list)  # by Route; hashing these is slow
        for prefix, route in routes.items():
            if before.get(prefix) is not route:  # the same one, under the same policy, says the same
                fresh[prefix.family, id(route)].append(prefix)

        said: dict[tuple[Family, PathAttributes | None], list[Prefix]] = defaultdict(list)  # None: withdrawn
        for family, table in self._table.items():
            gone = [prefix for prefix in table if prefix not in routes]
            said[family, None] = [prefix for prefix in gone if table.pop(prefix) is not None]
        for (family, _), prefixes in fresh.items():
            if family not in self._table:
                continue
            table, route = self._table[family], routes[prefixes[0]]
            if hears(route, self._config):
                attributes = self._hear(route, family)
                said[family, attributes] += [p for p in prefixes if table.get(p) != attributes]
                table.update(dict.fromkeys(prefixes, attributes))
            else:
                said[family, None] += [prefix for prefix in prefixes if table.pop(prefix, None) is not None]

        updates = [update for key, prefixes in said.items() for update in self._pack(*key, prefixes)]
        if complete or not self._negotiated.graceful_restart:
            updates += [Update(family=family) for family in self._unfinished]
            self._unfinished = ()
        return updates

    def refresh(self, family: Family) -> list[Update | RouteRefresh]:
        """Return once more what was said of a family (RFC 2918 section 4), between two marks for a peer that
        knows them: what it was not told in between, it forgets (RFC 7313 section 4).
        """
        table = {} if family in self._silent else self._table[family]
        told: dict[int, list[Prefix]] = defaultdict(list)
        for prefix, attributes in table.items():
            told[id(attributes)].append(prefix)
        updates = [update for ps in told.values() for update in self._pack(family, table[ps[0]], ps)]
        if not self._negotiated.enhanced_refresh:
            return [*updates]
        begin, end = (
            RouteRefresh(afi=family.afi, safi=family.safi, subtype=subtype)
            for subtype in (RefreshSubtype.BEGIN, RefreshSubtype.END)
        )
        return [begin, *updates, end]

    def _pack(
        self, family: Family, attributes: PathAttributes | None, prefixes: Sequence[Prefix]
    ) -> Iterator[Update]:
        """Say it in as few UPDATEs as hold it; None: withdraw."""
        free = room(
            family,
            attributes,
            four_octet_as=self._negotiated.four_octet_as,
            extended=self._negotiated.extended_message,
        )
        for part in _parts(prefixes, free):
            if attributes is None:
                yield Update(family=family, withdrawn=part)
            else:
                yield Update(family=family, attributes=attributes, announced=part)

    def _adopt(self, policy: Policy) -> None:
        """Take everything for news, because a policy colours every route."""
        self._policy = policy
        self._silent = _silent(self._config, self._negotiated, self._next_hops, policy)
        self._routes = {}
        self._heard = {}

    def _hear(self, route: Route, family: Family) -> PathAttributes | None:
        """Export once for all Routes that are equal; None: the family is silent."""
        if (route, family) not in self._heard:
            self._heard[route, family] = (
                None
                if family in self._silent
                else export(
                    route,
                    self._policy,
                    config=self._config,
                    negotiated=self._negotiated,
                    next_hops=self._next_hops,
                    family=family,
                )
            )
        return self._heard[route, family]


def _silent(
    config: PeerConfig,
    negotiated: Negotiated,
    next_hops: Mapping[Family, IPv4Address | IPv6Address],
    policy: Policy,
) -> Mapping[Family, str]:
    """Say why a family of the configuration cannot be told at all."""
    reasons = {}
    for family in config.families:
        if family not in negotiated.families:
            reasons[family] = f"the peer does not offer {Multiprotocol.of(family)}"
        elif family not in next_hops and family not in policy.next_hop:
            over = " and ".join(map(str, next_hops))
            if family is Family.IPV4:
                over += " and the peer does not offer extended-next-hop (RFC 8950)"
            reasons[family] = (
                f"no {family} next hop, as the session runs over {over}: "
                f'write next-hop = {{ {family} = "ADDRESS" }} for neighbor {config.name}'
            )
    return reasons


def _parts(prefixes: Sequence[Prefix], room: int) -> Iterator[tuple[Prefix, ...]]:
    """Cut a list so that the NLRI of each part takes no more than so many octets."""
    start = taken = 0
    for index, prefix in enumerate(prefixes):
        octets = len(prefix.nlri)
        if taken + octets > room:
            yield tuple(prefixes[start:index])
            start, taken = index, 0
        taken += octets
    if start < len(prefixes):
        yield tuple(prefixes[start:])
