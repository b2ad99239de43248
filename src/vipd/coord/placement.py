"""Rule 2: which pod should announce which VIP. All who have the same view compute the same answer.

No leader is elected and nothing is remembered but what the records say: a VIP stays where it is claimed
unless a pin or the balance says otherwise. The order in which members and VIPs were learned plays no part.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import log
from typing import Final

from vipd.coord.member import Service, Standby, Takeover, Vip, united

SPARE: Final = 64  # pods that may be gone before a ranking starts anew
SCORES: Final = 1000  # computed in a millisecond or two

_WORD: Final = (1 << 64) - 1

Pod = tuple[str, int]  # pod-id and weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A member as far as placement cares. One pod-id stands once among the candidates."""

    pod: str
    zone: str = ""
    weight: int = 1
    whole: bool = True  # all of its sessions are up
    eligible: frozenset[Vip]
    claims: frozenset[Vip] = frozenset()  # at rank 0; others count neither here nor for a release


@dataclass(frozen=True, slots=True)
class Line:
    """The pods that stand in line for one VIP."""

    assigned: tuple[str, ...] = ()  # rank 0, as many as there are copies
    standbys: tuple[str, ...] = ()  # ranks 1, 2, …; empty unless standby is hot


def place(
    service: Service,
    candidates: Iterable[Candidate],
    passed_over: Collection[tuple[Vip, str]] = frozenset(),
) -> Mapping[Vip, Line]:
    """Put the pods in line for every VIP that somebody is eligible for, ours or not.

    Args:
        service: pins and policy. Its own list of VIPs plays no part: pods that were told of different ones
            must come to one balance.
        candidates: members in any order.
        passed_over: VIPs with the pods that were silent about them (rule 4), or that routers lost (rule 10).
    """
    board = _Board(service, candidates, passed_over)
    board.pin()
    board.stay()
    board.balance()
    board.fill()
    return board.lines()


Algorithm = Callable[[Service, Iterable[Candidate], Collection[tuple[Vip, str]]], Mapping[Vip, Line]]
Algorithms = Mapping[int, Algorithm]  # by number, the newest and those before it that are still spoken

# A record tells the newest that its pod speaks. Whatever makes `place` give another answer is a new one.
ALGORITHMS: Final[Algorithms] = {1: place}


def lowest(algorithms: Algorithms, others: Iterable[int]) -> int:
    """The one to place by: the lowest that anybody present works by, so that pods of two versions agree."""
    return min((max(algorithms), *others))


def rank(service: str, pods: Sequence[Pod], vips: Iterable[Vip]) -> Iterator[None]:
    """Rank the pods for every VIP, before a placement asks for it; each yield: some scores were computed.

    Where ten thousand VIPs meet a hundred pods, and nobody claims any, all of that would else be one step.
    """
    ranking = _ranking(service)
    ranking.meet(pods)
    done = 0
    for vip in vips:
        done += ranking.missing(vip)
        ranking.of(vip)
        if done >= SCORES:
            done = 0
            yield


class _Board:
    """The seats at rank 0, filled step by step in the order of rule 2."""

    def __init__(
        self, service: Service, candidates: Iterable[Candidate], passed_over: Collection[tuple[Vip, str]]
    ) -> None:
        self._service = service
        members = sorted((each for each in candidates if each.eligible), key=lambda each: each.pod)
        self._members = {member.pod: member for member in members}
        self._vips = united(member.eligible for member in members)
        self._ranking = _ranking(service.name)
        self._ranking.meet([(member.pod, member.weight) for member in members])
        self._zones = {member.zone for member in members}
        self._some_whole = any(member.whole for member in members)
        self._passed = self._passed_over(passed_over)
        self._seats: dict[Vip, tuple[str, ...]] = {}
        self._pinned: set[Vip] = set()  # seated at their pin: no part of anybody's load
        self._shared: set[Vip] = set()  # their pin is away, and everybody substitutes
        self._rivals: dict[Vip, tuple[str, ...]] = {}  # claim it too, but have no seat
        self._load = dict.fromkeys(self._members, 0)
        self._bound: dict[str, int] = {}
        self._free: set[str] = set()  # below their bound

    def pin(self) -> None:
        """A pinned VIP goes to its pod while that is eligible; with `takeover = "all"`, else to everybody."""
        for vip, pod in self._service.pins.items():
            if vip not in self._vips:
                continue
            if self._can(pod, vip):
                self._seats[vip] = (pod,)
                self._pinned.add(vip)
            elif self._service.takeover is Takeover.ALL:
                self._seats[vip] = tuple(each for each in self._members if self._can(each, vip))
                self._shared.add(vip)

    def stay(self) -> None:
        """A VIP that eligible members claim at rank 0 stays; of too many, with those of the highest score."""
        claimants: dict[Vip, tuple[str, ...]] = {}
        lost: dict[str, set[Vip]] = {}  # claimed by who is passed over for it: held by nobody (rule 10)
        for vip, passed in self._passed.items():
            for pod in passed:
                lost.setdefault(pod, set()).add(vip)
        for pod, member in self._members.items():
            at_pin = {vip for vip in member.claims & self._pinned if self._service.pins[vip] == pod}
            here = (member.claims & member.eligible) - self._shared - at_pin - lost.get(pod, frozenset())
            again = {vip: (*claimants[vip], pod) for vip in here & claimants.keys()}
            claimants |= dict.fromkeys(here, (pod,)) | again
        contested = {vip: pods for vip, pods in claimants.items() if len(pods) > 1 or vip in self._seats}
        for vip in contested:
            del claimants[vip]
        self._seats |= claimants
        for (pod,), number in Counter(claimants.values()).items():
            self._load[pod] += number
        for vip, pods in contested.items():
            room = self._room(vip)
            if len(pods) > room:
                ranked = sorted((-score(vip, pod, self._members[pod].weight), pod) for pod in pods)
                pods = tuple(pod for _, pod in ranked)  # noqa: PLW2901 - the same ones, in order
                self._rivals[vip] = pods[room:]
            for pod in pods[:room]:
                self._seat(vip, pod)

    def balance(self) -> None:
        """A member above its bound gives up what it scores lowest for, to those below theirs alone."""
        self._bound = self._bounds()
        self._free = {pod for pod in self._members if self._load[pod] < self._bound[pod]}
        for pod, member in self._members.items():
            if self._load[pod] <= self._bound[pod]:
                continue
            theirs = [vip for vip in member.claims if self._gives(pod, vip)]
            for _, vip in sorted((score(vip, pod, member.weight), vip) for vip in theirs):
                if self._load[pod] <= self._bound[pod] or not self._free:
                    break
                others = tuple(each for each in self._seats[vip] if each != pod)
                taker = self._best(vip, others, self._willing(vip, self._free))
                if taker is not None:
                    self._seats[vip] = others
                    self._load[pod] -= 1
                    self._seat(vip, taker)

    def fill(self) -> None:
        """An unclaimed VIP goes below a bound; if all are full, where it weighs least: never nowhere."""
        short = self._vips - self._shared
        if self._service.copies == 1:
            short = short.difference(self._seats)
        for vip in sorted(short):
            while self._room(vip) > 0:
                seated = self._seats.get(vip, ())
                pod = self._best(vip, seated, self._willing(vip, self._free)) or self._least_laden(
                    vip, seated
                )
                if pod is None:
                    break
                self._seat(vip, pod)

    def lines(self) -> Mapping[Vip, Line]:
        if self._service.standby is Standby.NONE:
            return {vip: _line(seats) for vip, seats in self._seats.items()}
        return {vip: _line(seats, self._standbys(vip, seats)) for vip, seats in self._seats.items()}

    def _standbys(self, vip: Vip, seats: tuple[str, ...]) -> tuple[str, ...]:
        """The next in line. Who is passed over may stand by: nothing rests on it."""
        standing = list(seats)
        while len(standing) < len(seats) + self._service.standbys:
            pod = self._best(vip, standing, self._members)
            if pod is None:
                break
            standing.append(pod)
        return tuple(standing[len(seats) :])

    def _bounds(self) -> dict[str, int]:
        """ceil(weight / weight of all x seats to share): what pins fill is not shared."""
        copies = self._service.copies
        loose = len(self._vips) - len(self._pinned) - len(self._shared)
        seats = loose * copies + len(self._pinned) * (copies - 1)
        whole = sum(member.weight for member in self._members.values())
        return {pod: -(-member.weight * seats // whole) for pod, member in self._members.items()}

    def _room(self, vip: Vip) -> int:
        return self._service.copies - len(self._seats.get(vip, ()))

    def _seat(self, vip: Vip, pod: str) -> None:
        self._seats[vip] = (*self._seats.get(vip, ()), pod)
        self._load[pod] += 1
        if pod in self._free and self._load[pod] >= self._bound[pod]:
            self._free.remove(pod)

    def _gives(self, pod: str, vip: Vip) -> bool:
        at_pin = vip in self._pinned and self._service.pins[vip] == pod
        return not at_pin and vip not in self._shared and pod in self._seats.get(vip, ())

    def _least_laden(self, vip: Vip, seated: Sequence[str]) -> str | None:
        able = [pod for pod in self._members if pod not in seated and self._can(pod, vip)]
        laden = {pod: (self._load[pod] + 1) / self._members[pod].weight for pod in able}
        least = min(laden.values(), default=0)
        return self._best(vip, seated, {pod for pod in able if laden[pod] == least})

    def _best(self, vip: Vip, seated: Sequence[str], among: Collection[str]) -> str | None:
        """The first by: claims it already, all sessions up, a zone of its own, score, pod-id."""
        taken = {self._members[pod].zone for pod in seated}
        zones = taken if taken < self._zones else ()  # where each has one already, zones tell nothing
        rivals = self._rivals.get(vip, ())
        best, worth = None, (True, True, True)
        for pod, weight in self._ranking.of(vip) if among else ():
            member = self._members.get(pod)
            if member is None or member.weight != weight or vip not in member.eligible:
                continue
            if pod not in among or pod in seated:
                continue
            flaws = (
                bool(rivals) and pod not in rivals,
                self._some_whole and not member.whole,
                member.zone in zones,
            )
            if best is None or flaws < worth:
                best, worth = pod, flaws
            if not any(worth):
                break
        return best

    def _can(self, pod: str, vip: Vip) -> bool:
        member = self._members.get(pod)
        return member is not None and vip in member.eligible and pod not in self._passed.get(vip, ())

    def _willing(self, vip: Vip, pods: set[str]) -> set[str]:
        """Those of the pods that are not passed over for the VIP."""
        return pods - self._passed[vip] if vip in self._passed else pods

    def _passed_over(self, passed_over: Collection[tuple[Vip, str]]) -> Mapping[Vip, set[str]]:
        """Who is passed over for which VIP; where that would leave nobody, nobody is."""
        passed: dict[Vip, set[str]] = {}
        for vip, pod in passed_over:
            passed.setdefault(vip, set()).add(pod)
        return {
            vip: pods
            for vip, pods in passed.items()
            if any(vip in member.eligible and pod not in pods for pod, member in self._members.items())
        }


class Ranking:
    """The pods in the order of their scores for each VIP: a weighted rendezvous hash.

    Highest first; equal scores by pod-id. A cache and no more: a score is computed when first asked for. Pods
    that went stay for a while, so that neither a death nor a return makes ten thousand VIPs be sorted anew.
    Twelve octets for each pair of pod and VIP, in arrays: a million tuples would cost ten times that, and
    the collector of cycles a tenth of a second each time that it passes.
    """

    def __init__(self) -> None:
        self._pods: list[Pod] = []
        self._known: set[Pod] = set()
        self._orders: dict[Vip, tuple[array[float], array[int]]] = {}

    def meet(self, pods: Sequence[Pod]) -> None:
        """Learn of pods; forget all when most of those that were known are gone."""
        if len(self._pods) > 2 * len(pods) + SPARE:
            self._pods, self._known, self._orders = [], set(), {}
        fresh = [pod for pod in pods if pod not in self._known]
        self._pods += fresh
        self._known.update(fresh)

    def missing(self, vip: Vip) -> int:
        """How many scores have not been asked for yet."""
        known = self._orders.get(vip)
        return len(self._pods) - (0 if known is None else len(known[1]))

    def of(self, vip: Vip) -> Iterator[Pod]:
        """All pods that were met."""
        pods = self._pods
        scores, places = self._orders.get(vip, (array("d"), array("I")))
        if len(places) < len(pods):
            fresh = [(-score(vip, *pods[place]), place) for place in range(len(places), len(pods))]
            order = sorted(
                (*zip(scores, places, strict=True), *fresh), key=lambda each: (each[0], pods[each[1]])
            )
            scores, places = array("d", [each for each, _ in order]), array("I", [each for _, each in order])
            self._orders[vip] = scores, places
        return (pods[place] for place in places)


def score(vip: Vip, pod: str, weight: int) -> float:
    """-weight / ln(u), where u in (0, 1) is as good as drawn by lot for each pair of pod and VIP.

    The finalizer of SplitMix64 makes one number of two digests, far cheaper than a third digest.
    """
    word = _digest(pod) ^ _digest(vip)
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & _WORD
    return -weight / log((((word ^ (word >> 31)) >> 12) + 0.5) * 2.0**-52)


@lru_cache(maxsize=1 << 14)
def _line(assigned: tuple[str, ...], standbys: tuple[str, ...] = ()) -> Line:
    """Make a line, or find it: ten thousand VIPs share a few."""
    return Line(assigned, standbys)


@lru_cache(maxsize=64)
def _ranking(service: str) -> Ranking:
    """One for each service: its pods are mostly the same from one placement to the next."""
    del service
    return Ranking()


@lru_cache(maxsize=1 << 17)
def _digest(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8, key=b"vipd placement").digest())
