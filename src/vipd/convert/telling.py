"""What is said of each VIP and by way of each neighbour, so that all hear what ExaBGP told them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from vipd.convert.exabgp_neighbors import Neighbor
from vipd.convert.exabgp_routes import Attributes, lost
from vipd.convert.exabgp_words import NAMES, Address
from vipd.convert.levels import OVERRIDE, SUM, UNION, Lever, levels
from vipd.convert.sources import Source
from vipd.convert.toml import Value

X = TypeVar("X", int, int | None, frozenset[str])

MOST_PREPENDS = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a VIP or a neighbour says of a route: its part of the whole, or all of it."""

    med: int | None = None
    local_preference: int | None = None
    prepend: int = 0
    communities: frozenset[str] = frozenset()
    large_communities: frozenset[str] = frozenset()

    def entries(self) -> dict[str, Value]:
        """As entries of a table."""
        entries: dict[str, Value] = {}
        if self.med is not None:
            entries["med"] = self.med
        if self.local_preference is not None:
            entries["local-preference"] = self.local_preference
        if self.prepend:
            entries["prepend"] = self.prepend
        if self.communities:
            entries["communities"] = [NAMES.get(each, each) for each in _in_order(self.communities)]
        if self.large_communities:
            entries["large-communities"] = _in_order(self.large_communities)
        return entries


@dataclass(slots=True, kw_only=True)
class Told:
    """What one neighbour hears of all its routes alike."""

    said: Said = Said()
    next_hops: dict[str, Address] = field(default_factory=dict)  # "ipv4", "ipv6"; absent: self
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Who says what."""

    vips: Mapping[Address, Said]
    neighbors: Mapping[str, Told]  # by name
    reached: Mapping[Address, frozenset[str]]  # names of those who have a next hop for the VIP


def tell(neighbors: Sequence[Neighbor], sources: Sequence[Source]) -> Telling:
    """Return who says what. What cannot be told is taken from `sources`."""
    told = {neighbor.name: Told(next_hops=_next_hops(neighbor, sources)) for neighbor in neighbors}
    known = {neighbor.name: neighbor for neighbor in neighbors}
    wholes: dict[Address, dict[str, Said]] = {}
    reached: dict[Address, frozenset[str]] = {}
    for source in sources:
        for vip, hearing in source.told.items():
            every = {name: _whole(attributes, known[name], source) for name, attributes in hearing.items()}
            reached[vip] = frozenset(
                name for name in known if _reaches(vip, known[name], told[name].next_hops)
            )
            # where nobody is reached, the file says it all the same
            wholes[vip] = {name: whole for name, whole in every.items() if name in reached[vip]} or every
    inside = {
        vip: {name: whole for name, whole in hearing.items() if not known[name].ebgp}
        for vip, hearing in wholes.items()
    }
    said = {vip: Said() for vip in wholes}
    _share(OVERRIDE, "med", wholes, said, told)
    _share(OVERRIDE, "local_preference", inside, said, told)  # no eBGP peer is ever sent one
    _share(SUM, "prepend", wholes, said, told)
    _share(UNION, "communities", wholes, said, told)
    _share(UNION, "large_communities", wholes, said, told)
    return Telling(vips=said, neighbors=told, reached=reached)


def _share(
    lever: Lever[X],
    key: str,
    wholes: Mapping[Address, Mapping[str, Said]],
    said: dict[Address, Said],
    told: Mapping[str, Told],
) -> None:
    """Set one attribute of everybody."""
    values = {vip: {name: getattr(whole, key) for name, whole in h.items()} for vip, h in wholes.items()}
    parts = levels(values, lever)
    for vip, part in parts.vip.items():
        said[vip] = replace(said[vip], **{key: part})
    for name, part in parts.neighbor.items():
        told[name].said = replace(told[name].said, **{key: part})
    for vip, name in parts.unmet:
        what = f"{key.replace('_', '-')} of {vip} as {name} hears it"
        told[name].notes.append(lost(what, "neither can say so without changing another route"))


def _next_hops(neighbor: Neighbor, sources: Sequence[Source]) -> dict[str, Address]:
    """The next hop of each family that is not "self". Routes with another one are taken away."""
    found: dict[str, Address] = {}
    for version in (4, 6):
        if (family := f"ipv{version}") not in neighbor.families:
            continue
        routes = list(_routes(neighbor, version, sources))
        votes = Counter(hop for _, _, hop in routes if hop is None or hop.version == version)
        chosen = votes.most_common(1)[0][0] if votes else None
        if chosen is not None:
            found[family] = chosen
        for source, vip, hop in routes:
            if hop == chosen:
                continue
            del source.told[vip][neighbor.name]
            if not source.told[vip]:
                del source.told[vip]
            what = f"{vip} to {neighbor.name} with next-hop {hop or 'self'}"
            why = f"vipd tells a neighbour one next hop of each family, here {chosen or 'self'}"
            if hop is not None and hop.version != version:
                why = "its next hop is of the other family (RFC 8950), which vipd has for its own end only"
            source.notes.append(lost(what, why))
    return found


def _routes(
    neighbor: Neighbor, version: int, sources: Sequence[Source]
) -> Iterator[tuple[Source, Address, Address | None]]:
    """What the neighbour is told, and the next hop in ExaBGP's sense of "self"."""
    over_other = neighbor.address.version != version
    for source in sources:
        for vip, hearing in list(source.told.items()):
            if vip.version != version or neighbor.name not in hearing:
                continue
            hop = hearing[neighbor.name].next_hop
            if hop is None and over_other:
                hop = neighbor.router_id if version == 4 else None
            elif hop == neighbor.local_address:
                hop = None
            yield source, vip, hop


def _reaches(vip: Address, neighbor: Neighbor, next_hops: Mapping[str, Address]) -> bool:
    """Whether there is a next hop to tell that neighbour."""
    family = f"ipv{vip.version}"
    return family in neighbor.families and (vip.version == neighbor.address.version or family in next_hops)


def _whole(attributes: Attributes, neighbor: Neighbor, source: Source) -> Said:
    return Said(
        med=attributes.med,
        local_preference=attributes.local_preference,
        prepend=_prepend(attributes.as_path, neighbor, source),
        communities=attributes.communities,
        large_communities=attributes.large_communities,
    )


def _prepend(path: tuple[int, ...] | None, neighbor: Neighbor, source: Source) -> int:
    """How often our own AS stands in the path beyond the once that BGP asks for."""
    own = (neighbor.own_as,) if neighbor.ebgp else ()
    if path is None or path == own:
        return 0
    more = min(max(0, len(path) - len(own)), MOST_PREPENDS) if neighbor.ebgp else 0
    if path != own * (1 + more):
        what = f"as-path [ {' '.join(map(str, path))} ] to {neighbor.name}"
        why = f"vipd writes no AS but {neighbor.own_as}" if own else "on iBGP the path is empty"
        source.notes.append(lost(what, f"{why}; prepend = {more} makes it as long" if more else why))
    return more


def _in_order(communities: frozenset[str]) -> list[str]:
    return sorted(communities, key=lambda each: [int(part) for part in each.split(":")])
