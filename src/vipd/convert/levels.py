"""Who is to say an attribute: the VIP, whoever hears of it, or the neighbour, whatever it hears of.

ExaBGP says each route to each neighbour by itself. In vipd a VIP and a neighbour each say their part, and
what a neighbour hears is both together.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)
X = TypeVar("X", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever(Generic[X]):
    """How the parts of VIP and neighbour make up a whole."""

    nothing: X
    common: Callable[[Iterable[X]], X]  # the part that several wholes have in common
    rest: Callable[[X, X], X]  # of a whole, without a part
    join: Callable[[X, X], X | None]  # the VIP's part, the neighbour's part; None: the former is not possible


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels(Generic[V, X]):
    """The parts, and the pairs of VIP and neighbour that no parts could satisfy: they get the VIP's."""

    vip: Mapping[V, X]
    neighbor: Mapping[str, X]
    unmet: tuple[tuple[V, str], ...] = ()


def _agreed(values: Iterable[int | None]) -> int | None:
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


def _intersection(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return reduce(frozenset.intersection, sets)


OVERRIDE: Lever[int | None] = Lever(  # MED and LOCAL_PREF: the VIP's wins
    nothing=None,
    common=_agreed,
    rest=lambda whole, _: whole,
    join=lambda vip, neighbor: neighbor if vip is None else vip,
)
SUM: Lever[int] = Lever(  # prepends add up
    nothing=0,
    common=min,
    rest=lambda whole, part: whole - part,
    join=lambda vip, neighbor: vip + neighbor if vip >= 0 else None,
)
UNION: Lever[frozenset[str]] = Lever(  # communities are united
    nothing=frozenset(),
    common=_intersection,
    rest=lambda whole, part: whole - part,
    join=lambda vip, neighbor: vip | neighbor,
)


def levels(told: Mapping[V, Mapping[str, X]], lever: Lever[X]) -> Levels[V, X]:
    """Return the parts that make up what each neighbour is to hear of each VIP.

    The neighbour says what differs between neighbours, if it can say so for all of its VIPs alike; else the
    VIP says what its first neighbour hears.
    """
    told = {vip: wholes for vip, wholes in told.items() if wholes}
    by_neighbor = {name: lever.nothing for wholes in told.values() for name in wholes}
    for wholes in told.values():
        if len(set(wholes.values())) > 1:
            part = lever.common(wholes.values())
            by_neighbor |= {name: lever.rest(whole, part) for name, whole in wholes.items()}
    by_vip = {
        vip: lever.common([lever.rest(whole, by_neighbor[name]) for name, whole in wholes.items()])
        for vip, wholes in told.items()
    }
    if not _unmet(told, by_vip, by_neighbor, lever):
        return Levels(vip=by_vip, neighbor=by_neighbor)
    by_vip = {vip: next(iter(wholes.values())) for vip, wholes in told.items()}
    by_neighbor = dict.fromkeys(by_neighbor, lever.nothing)
    return Levels(vip=by_vip, neighbor=by_neighbor, unmet=_unmet(told, by_vip, by_neighbor, lever))


def _unmet(
    told: Mapping[V, Mapping[str, X]],
    by_vip: Mapping[V, X],
    by_neighbor: Mapping[str, X],
    lever: Lever[X],
) -> tuple[tuple[V, str], ...]:
    return tuple(
        (vip, name)
        for vip, wholes in told.items()
        for name, whole in wholes.items()
        if lever.join(by_vip[vip], by_neighbor[name]) != whole
    )
