"""The values that are decided upon, and the value that a decision is.

`Service` is what we are told to serve, `Me` how this pod is, `View` what ZooKeeper shows of the others. They
are compared and kept, never changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NewType

Seconds = float
Vip = NewType("Vip", str)  # an address in canonical text, 192.0.2.1 or 2001:db8::1; always a host prefix
Rank = int  # 0: announced as the assigned pod; k: as the k-th in line


class Phase(StrEnum):
    """Where this pod stands in its life."""

    RUNNING = "running"
    DRAINING = "draining"  # by an operator: it stays, eligible for nothing
    LEAVING = "leaving"  # by SIGTERM: it hands over, and then exits
    LEFT = "left"  # told to go: nothing stands any more


class Word(StrEnum):
    """The one word that says why a VIP is, or is not, announced here."""

    # local truth, at once
    NOT_HELD = "NOT_HELD"  # its address is not on this machine
    UNHEALTHY = "UNHEALTHY"  # a check fails, or has not yet passed
    MAINTENANCE = "MAINTENANCE"  # an operator took the service off the air
    LEFT = "LEFT"  # this pod is leaving
    # no trusted view
    HELD = "HELD"  # announced: ours by the last trusted view
    COLD = "COLD"  # announced: nobody else is known to
    WAITING = "WAITING"  # for ZooKeeper to speak first
    # assignment
    ASSIGNED = "ASSIGNED"  # announced, as the assigned pod
    SUBSTITUTE = "SUBSTITUTE"  # announced in place of the pod that it is pinned to
    STEPPED_IN = "STEPPED_IN"  # announced, as the pod it was assigned to stays silent
    WITNESSED = "WITNESSED"  # announced, as the routers have lost the pod that says it announces it
    STANDBY = "STANDBY"  # announced worse, as one of the next in line
    LAST_RESORT = "LAST_RESORT"  # announced though its check fails, as it fails everywhere
    # hand-over
    KEEPING = "KEEPING"  # announced until others are known to
    DAMPED = "DAMPED"  # not taken back yet, after flaps
    NOT_ASSIGNED = "NOT_ASSIGNED"  # others announce it


class Takeover(StrEnum):
    """Who substitutes for a pinned pod that is away."""

    ONE = "one"
    ALL = "all"  # every eligible pod, as ExaZK has it


class Standby(StrEnum):
    """Whether the next in line announce too, worse by rank (rule 11)."""

    NONE = "none"
    HOT = "hot"


class Layout(StrEnum):
    """What the znodes of a service look like."""

    VIPD = "vipd"
    EXAZK = "exazk"  # ExaZK's, to share a service with its pods


class LastResort(StrEnum):
    """What becomes of a VIP whose check fails on every pod (rule 12)."""

    WITHDRAW = "withdraw"
    KEEP = "keep"


class CoordinationLoss(StrEnum):
    """What stands while ZooKeeper is lost (rule 6)."""

    HOLD = "hold"
    OWN = "own"  # VIPs pinned here alone
    WITHDRAW = "withdraw"  # as ExaZK; dangerous: an outage of ZooKeeper becomes one of the service


class ColdStart(StrEnum):
    """What a pod announces that has never met ZooKeeper (rule 8)."""

    ALL = "all"
    PINNED = "pinned"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long the rules wait."""

    settle: Seconds = 1.0  # claims of others stand this long before we let go
    claim_timeout: Seconds = 2.0  # an assigned pod is silent for so long: the next in line takes it
    handback_delay: Seconds = 5.0  # after the first flap; doubles with each
    handback_max: Seconds = 300.0
    drain_timeout: Seconds = 30.0
    coordination_grace: Seconds = 10.0  # from start, before a pod does without ZooKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A name, its VIPs in the order of the configuration, and the policy by which pods share them."""

    name: str
    vips: tuple[Vip, ...]
    pins: Mapping[Vip, str] = field(default_factory=dict)  # the pod-id that a VIP is preferably assigned to
    takeover: Takeover = Takeover.ONE
    copies: int = 1  # pods that a VIP is assigned to at a time
    standby: Standby = Standby.NONE
    standbys: int = 1  # how many of the next in line announce, where standby is hot
    last_resort: LastResort = LastResort.WITHDRAW
    coordination_loss: CoordinationLoss = CoordinationLoss.HOLD
    cold_start: ColdStart = ColdStart.ALL
    min_sessions: int = 1  # Established, for this pod to be eligible
    witness: bool = False  # what the routers show counts (rule 10)
    times: Times = field(default_factory=Times)

    @property
    def last_rank(self) -> Rank:
        """The worst of all: behind every standby."""
        return 1 + (self.standbys if self.standby is Standby.HOT else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one router shows of the VIPs of one family."""

    vips: frozenset[Vip]  # of that family
    seen: frozenset[Vip]
    gone: Mapping[Vip, Seconds]  # was seen while we did not announce it, and when that ended
    clear_at: Seconds  # from when on the router's silence about a VIP means something; infinity: not now


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """The facts of this pod that concern one service. The second half matters to coordination alone."""

    phase: Phase = Phase.RUNNING
    failing: str | None = None  # why no VIP of the service may stand; None: its checks are up
    failing_vips: Mapping[Vip, str] = field(default_factory=dict)  # why single ones may not
    held: frozenset[Vip] | None = None  # addresses present on this machine; None: that is not asked

    pod: str = ""  # the pod-id
    zone: str = ""  # rack
    weight: int = 1
    maintenance: str | None = None  # why an operator took the service off the air on this pod (`--local`)
    sessions_up: int = 0  # Established
    sessions_configured: int = 0
    # At which rank the newest route of a VIP is acknowledged by every Established session that is to hear it.
    acknowledged: Mapping[Vip, Rank] = field(default_factory=dict)
    carried: frozenset[Vip] = frozenset()  # some Established session has a route of it, whichever
    stalled_at: Seconds | None = None  # when the loop was last found late, or the clock ahead of it (rule 14)
    sights: tuple[Sight, ...] = ()  # what the routers show of others' announcements (rule 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an operator wrote into ZooKeeper: a drain of one pod, or the maintenance of one service."""

    who: str = ""
    why: str = ""
    when: str = ""  # wall-clock text: for people
    until: str = ""  # when it ought to end: an alert, not a timer
    lifted: bool = False  # it is over, also for those who keep it since the tree vanished


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How a pod tells its siblings of one service."""

    algorithm: int
    zone: str
    weight: int
    phase: Phase
    sessions_up: int
    sessions_configured: int
    serves: frozenset[Vip]
    eligible: frozenset[Vip]
    suspect: frozenset[Vip] = frozenset()  # only the check fails, and it did pass once (rule 12)
    announcing: Mapping[Vip, Rank] = field(default_factory=dict)  # the claims
    policy: str = ""  # a digest of the policy that the pod works by
    instead_of: Mapping[Vip, str] = field(default_factory=dict)  # a pod that the routers lost (rule 10)
    unseen: frozenset[Vip] | None = None  # its routers show none of these; None: they could not (rule 10)
    drain: Order | None = None  # kept since the tree vanished (rule 7)
    maintenance: Order | None = None  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that cannot be read completely: its member counts as absent."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A pod as its siblings see it: one znode."""

    name: str  # of the znode, <pod-id>~<session>: a new one for every ZooKeeper session
    pod: str
    czxid: int  # when it registered: of two with one pod-id, the greater is the younger
    version: int  # of the znode's data: what a release checks
    record: Record | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What ZooKeeper defines a service to be (rule 15), as it was read."""

    octets: bytes | None  # None: it is there, and its ACL does not let us read it


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One complete reading of a service's directory, and how long it may be believed."""

    own: str  # the name of our own record
    members: Mapping[str, Member]  # by name, our own included
    drains: Mapping[str, Order] = field(default_factory=dict)  # by pod-id
    maintenance: Order | None = None
    definition: Definition | None = None  # None: there is none
    root: int = 0  # czxid of the root: another one means that the tree vanished
    read_at: Seconds  # loop time at which the reading was begun
    unread_write: bool = False  # of our own record: one may have been carried out since this reading
    trusted_until: Seconds  # end of the lease; the moment of the loss when the connection is lost
    unanswered_since: Seconds | None = None  # a re-read begun then has not been answered yet
    session_timeout: Seconds = 3.0  # T, as negotiated


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided of one VIP."""

    word: Word
    reason: str  # one clause for people
    rank: Rank | None  # 0: announced as the assigned pod; k: worse; None: not announced
    since: Seconds  # loop time at which word or rank last changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """The whole decision for one service."""

    verdicts: Mapping[Vip, Verdict] = field(default_factory=dict)
    # Announced at rank 0 and aside, whatever the verdict, and until when (rule 3); infinity: until claimed.
    aside: Mapping[Vip, Seconds] = field(default_factory=dict)
    recheck_at: Seconds | None = None  # when time alone may change it

    def rank(self, vip: Vip) -> Rank | None:
        """At which rank a VIP is announced, aside or not; None: it is not. Raises KeyError."""
        return 0 if vip in self.aside else self.verdicts[vip].rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A wish (rule 3): write our record without these VIPs, if those members' records are as we read them."""

    vips: frozenset[Vip]
    receivers: Mapping[str, int]  # version of the record, by member name


@lru_cache(maxsize=512)
def one(vips: frozenset[Vip]) -> frozenset[Vip]:
    """Return the one set that equals this one: a hundred members mostly list the same ten thousand."""
    return vips


def united(sets: Iterable[frozenset[Vip]]) -> frozenset[Vip]:
    """The union; equal sets, which are mostly one object, are looked at once."""
    return frozenset().union(*{id(each): each for each in sets}.values())
