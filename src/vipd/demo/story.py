"""What the demo shows: who announces what at which ToR, who decided it and why, and what each move cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Seconds = float


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of the story."""

    at: Seconds  # since the demo's start
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a pod says of one VIP."""

    word: str  # its verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """One pod as the demo sees it: its service from outside, its verdicts as it tells them."""

    name: str
    service: str  # "200 OK", "503 Service Unavailable"
    said: Mapping[str, Said] = field(default_factory=dict)  # by VIP
    silent: str = "it does not answer"  # why, where it says nothing of a VIP


@dataclass(frozen=True, slots=True, kw_only=True)
class VipView:
    """One VIP: whose it is, and who announces it at each ToR."""

    vip: str
    pin: str
    announcers: Mapping[str, Sequence[str]]  # by ToR


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """How a VIP went from one pod to another, and what that cost."""

    vip: str
    cause: str  # "the service of pod-2 failed": what the time is counted from
    to: str  # the pod that announces it now, and nobody else
    took: Seconds  # until the last ToR knew
    silent: Seconds  # of that, without any announcer, at the ToR where it was longest
    planned: bool  # whether somebody else could announce it first
    within: Seconds | None = None  # what it was to take at most

    @property
    def kept(self) -> bool:
        """Whether it went as promised."""
        return not (self.planned and self.silent) and (self.within is None or self.took <= self.within)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything there is to draw at one instant."""

    now: Seconds
    zookeeper: str  # which one it is
    vips: Sequence[VipView]
    pods: Sequence[PodView]
    happenings: Sequence[Happening] = ()


class Air:
    """Who announces what at each ToR, and for how long nobody did."""

    def __init__(self, tors: Sequence[str]) -> None:
        self._tors = tors
        self._announcers: dict[tuple[str, str], set[str]] = {}  # by ToR and VIP
        self._silent_since: dict[tuple[str, str], Seconds] = {}  # while it is
        self._silent: dict[tuple[str, str], Seconds] = {}  # what is over of it, since `begin`

    def hear(self, at: Seconds, tor: str, vip: str, pod: str, *, announced: bool) -> None:
        """Take note of what a pod told a ToR."""
        announcers = self._announcers.setdefault((tor, vip), set())
        if announced:
            announcers.add(pod)
            since = self._silent_since.pop((tor, vip), at)
            self._silent[tor, vip] = self._silent.get((tor, vip), 0.0) + at - since
        else:
            announcers.discard(pod)
            if not announcers:
                self._silent_since[tor, vip] = at

    def begin(self, at: Seconds) -> None:
        """Count silence from now on."""
        self._silent.clear()
        self._silent_since = dict.fromkeys(self._silent_since, at)

    def silence(self, vip: str, now: Seconds) -> Seconds:
        """How long a VIP had no announcer, at the ToR where that was longest."""
        return max(
            self._silent.get((tor, vip), 0.0) + now - self._silent_since.get((tor, vip), now)
            for tor in self._tors
        )

    def announcers(self, tor: str, vip: str) -> tuple[str, ...]:
        return tuple(sorted(self._announcers.get((tor, vip), ())))

    def sole(self, vip: str) -> str | None:
        """The pod that announces a VIP at every ToR while no other does anywhere; None: there is none."""
        found = {self.announcers(tor, vip) for tor in self._tors}
        announcers = found.pop()
        return announcers[0] if not found and len(announcers) == 1 else None

    def has(self, pod: str, vip: str) -> bool:
        """Whether a pod announces a VIP anywhere."""
        return any(pod in self.announcers(tor, vip) for tor in self._tors)
