"""A second algorithm of placement, for whoever tries what pods of two versions do together."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from vipd.coord.member import Service, Vip
from vipd.coord.placement import ALGORITHMS, Algorithms, Candidate, Line, place


def second(
    service: Service, candidates: Iterable[Candidate], passed_over: Collection[tuple[Vip, str]]
) -> Mapping[Vip, Line]:
    """Place as production does, but with the scores of other pods, and as if all were in one zone."""
    there = replace(
        service, name=f"{service.name}/2", pins={vip: f"2/{pod}" for vip, pod in service.pins.items()}
    )
    renamed = [replace(each, pod=f"2/{each.pod}", zone="") for each in candidates]
    lines = place(there, renamed, frozenset((vip, f"2/{pod}") for vip, pod in passed_over))
    return {vip: Line(_back(line.assigned), _back(line.standbys)) for vip, line in lines.items()}


def _back(pods: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pod.removeprefix("2/") for pod in pods)


def restless(
    service: Service, candidates: Iterable[Candidate], passed_over: Collection[tuple[Vip, str]]
) -> Mapping[Vip, Line]:
    """Place as `second` does, wherever a VIP is now: changing to it moves most of them at once."""
    return second(service, [replace(each, claims=frozenset()) for each in candidates], passed_over)


OLD: Algorithms = ALGORITHMS
BOTH: Algorithms = {**ALGORITHMS, max(ALGORITHMS) + 1: second}
NEW: Algorithms = {number: place for number, place in BOTH.items() if number > max(ALGORITHMS)}
RESTLESS: Algorithms = {**ALGORITHMS, max(ALGORITHMS) + 1: restless}
