"""The values that are decided upon, and the value that a decision is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

Seconds = float
Vip = NewType("Vip", str)  # an address in canonical text, 192.0.2.1 or 2001:db8::1; always a host prefix


class Phase(StrEnum):
    """Where this pod stands in its life."""

    RUNNING = "running"
    LEFT = "left"  # told to go: nothing stands any more


class Word(StrEnum):
    """The one word that says why a VIP is, or is not, announced here."""

    NOT_HELD = "NOT_HELD"  # its address is not on this machine
    UNHEALTHY = "UNHEALTHY"  # a check fails, or has not yet passed
    LEFT = "LEFT"  # this pod is leaving
    ASSIGNED = "ASSIGNED"  # announced, as the assigned pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A name and its VIPs, in the order of the configuration."""

    name: str
    vips: tuple[Vip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """The facts of this pod that concern one service."""

    phase: Phase = Phase.RUNNING
    failing: str | None = None  # why no VIP of the service may stand; None: its checks are up
    failing_vips: Mapping[Vip, str] = field(default_factory=dict)  # why single ones may not
    held: frozenset[Vip] | None = None  # addresses present on this machine; None: that is not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided of one VIP."""

    word: Word
    reason: str  # one clause for people
    rank: int | None  # 0: announced as the assigned pod; None: not announced
    since: Seconds  # loop time at which word or rank last changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """The whole decision for one service."""

    verdicts: Mapping[Vip, Verdict] = field(default_factory=dict)
    recheck_at: Seconds | None = None  # when time alone may change it
