"""What the demo shows: who announces what at which ToR, and how long a change took. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Seconds = float


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of the story."""

    at: Seconds  # since the demo's start
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """One pod as the demo sees it: its service from outside, its reasons as it tells them."""

    name: str
    vip: str
    service: str  # "200 OK", "503 Service Unavailable"
    verdict: str  # the pod's own word, or why it cannot be asked
    reason: str
    told: Mapping[str, bool]  # by ToR: whether that ToR has the VIP from this pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How long one change of the service took to reach every ToR."""

    what: str  # "withdrawal", "return"
    since_change: Seconds  # from the service's change to the last ToR's knowing
    since_result: Seconds  # from the answer that decided it to the last ToR's knowing
    answers: int  # answers of the new kind that it took


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything there is to draw at one instant."""

    now: Seconds
    tors: Sequence[str]
    pods: Sequence[PodView]
    happenings: Sequence[Happening] = ()
    measured: Sequence[Measured] = field(default_factory=tuple)
