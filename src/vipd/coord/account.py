"""How a service is shared, told for people: who should announce each VIP, who does, and what is awaited.

From what a pod decided by, or from what a bystander reads. Nothing is decided here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from vipd.coord import trust, witness
from vipd.coord.case import NOBODY, Memory
from vipd.coord.handover import first
from vipd.coord.member import (
    Announcements,
    Member,
    Order,
    Phase,
    Rank,
    Record,
    Seconds,
    Service,
    Unreadable,
    View,
    Vip,
    Word,
)
from vipd.coord.placement import ALGORITHMS, Candidate, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A pod that says it announces a VIP."""

    pod: str
    rank: Rank
    age: Seconds | None = None  # since the claim was first read here; None: not known, or of a standby


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """One VIP among the pods."""

    pin: str | None = None
    assigned: tuple[str, ...] = ()
    standbys: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    awaited: tuple[str, ...] = ()  # sentences: what has to happen before it is as it should be
    verified: bool | None = None  # whether a sibling's routers show what we announce; None: none can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One member, counted up."""

    name: str  # of its znode
    pod: str
    own: bool = False
    registered: bool = True  # False: it counts as there since an outage, until it is back
    unreadable: str | None = None  # why its record counts for nothing
    zone: str = ""
    weight: int = 0
    phase: Phase | None = None
    drain: Order | None = None  # by an operator
    sessions_up: int = 0
    sessions_configured: int = 0
    serves: int = 0
    eligible: int = 0
    claims: int = 0  # at rank 0
    standbys: int = 0  # at others
    policy: str = ""
    algorithm: int | None = None  # the newest that it can place by


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One service among the pods."""

    trusted: bool  # whether what is told here is decided by
    view_age: Seconds | None  # since it was read; None: it never was
    members: tuple[Row, ...] = ()
    algorithm: int | None = None  # what is placed by; None: nothing is yet, or one that is not known here
    maintenance: Order | None = None  # in force
    kept: bool = False  # that order stood in a tree that has vanished
    unpinned: Mapping[Vip, str] = field(default_factory=dict)  # pins to pods that are not there
    vips: Mapping[Vip, Sharing] = field(default_factory=dict)
    blind: int = 0  # VIPs that were never seen, so that rule 10 says nothing of them
    outage: Seconds | None = None  # for how long the view has not been trusted; None: it is, or never was


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """What a pod has decided by, of one service."""

    view: View | None = None  # the newest
    memory: Memory = field(default_factory=Memory)


def trusted(insight: Insight) -> bool:
    """Whether ZooKeeper's word was believed at the last decision."""
    return insight.memory.trust.trusted


def lost(insight: Insight) -> bool:
    """Whether it was believed once, and is not now: what the pod has, it keeps (rule 6)."""
    return insight.memory.outage is not None


def verified(insight: Insight, now: Seconds) -> Mapping[Vip, bool]:
    """Whether siblings see what this pod announces at rank 0; what nobody could see is left out."""
    memory = insight.memory
    records = _records(trust.siblings(memory.trust))
    found = {vip: _verified(memory, vip, records, now) for vip in memory.announcements.verdicts}
    return {vip: each for vip, each in found.items() if each is not None}


def _records(siblings: Iterable[trust.Sibling]) -> tuple[Record, ...]:
    return tuple(sibling.record for sibling in siblings if sibling.registered)


def _verified(memory: Memory, vip: Vip, records: Sequence[Record], now: Seconds) -> bool | None:
    verdict = memory.announcements.verdicts.get(vip)
    if verdict is None or verdict.rank != 0 or not memory.trust.trusted:
        return None
    return witness.verified(vip, records, now - verdict.since)


def awaits_grace(service: Service, insight: Insight, now: Seconds) -> bool:
    """Whether a pod that has never met ZooKeeper still waits for it (rule 8)."""
    started = insight.memory.started
    return started is None or now < started + service.times.coordination_grace


def unsettled(service: Service, insight: Insight, vip: Vip, now: Seconds) -> str | None:
    """Why a pod that trusts its view does not yet serve its part of a VIP; None: it does."""
    memory = insight.memory
    view = memory.trust.view
    own = None if view is None else view.members.get(view.own)
    verdict = memory.announcements.verdicts[vip]
    if own is None or not isinstance(own.record, Record) or vip not in own.record.eligible:
        return f"not yet for this pod to take, by its record: {verdict.reason}"
    if verdict.rank is None or verdict.word is Word.KEEPING:
        return None
    if memory.claims.get(vip) != verdict.rank:
        return "announced, but not yet acknowledged by every neighbour"
    if verdict.rank == 0 and now < verdict.since + service.times.settle:
        return "announced, and not yet for as long as settle"
    return None


def account(service: Service, pod: str, insight: Insight, now: Seconds) -> Account:
    """Tell what a pod has decided by.

    Args:
        service: as configured.
        pod: its pod-id.
        insight: of its last decision.
        now: loop time.
    """
    view, memory = insight.view, insight.memory
    known = memory.trust
    believed = known.view
    siblings = trust.siblings(known)
    seats = trust.counted(siblings)
    present = {*seats, pod}
    return Account(
        trusted=known.trusted,
        view_age=None if view is None else now - view.read_at,
        members=_rows(believed, own=known.names, absent=siblings),
        algorithm=memory.algorithm,
        maintenance=known.maintenance.order,
        kept=known.maintenance.kept,
        unpinned={vip: pin for vip, pin in service.pins.items() if believed and pin not in present},
        vips=_Vips(service, pod, memory, siblings, now),
        blind=memory.blind,
        outage=None if known.trusted or believed is None else max(0.0, now - trust.ends(believed)),
    )


def survey(service: Service, view: View, now: Seconds) -> Account:
    """Tell what a bystander reads. VIPs are those of the records; pins and policy, those of `service`."""
    rows = _rows(view, own=frozenset(), absent=())
    found = trust.siblings(trust.Trust(view=view))
    seats = trust.counted(found)
    drained = {pod for pod, order in view.drains.items() if not order.lifted}
    resting = view.maintenance is not None and not view.maintenance.lifted
    candidates = [
        Candidate(
            pod=pod,
            zone=seat.record.zone,
            weight=seat.record.weight,
            whole=seat.record.sessions_up >= seat.record.sessions_configured,
            eligible=frozenset()
            if pod in drained or seat.record.phase is not Phase.RUNNING
            else seat.record.eligible,
            claims=first(seat.record.announcing),
        )
        for pod, seat in seats.items()
    ]
    algorithm = min((each.record.algorithm for each in found), default=max(ALGORITHMS))
    place = ALGORITHMS.get(algorithm)  # pods that are all newer than we have one of their own
    lines = {} if place is None else place(service, candidates, frozenset(witness.relieved(found)))
    claims: dict[Vip, list[Claim]] = {}
    for sibling in found:
        for vip, rank in sibling.record.announcing.items():
            claims.setdefault(vip, []).append(Claim(pod=sibling.pod, rank=rank))
    served = {vip for sibling in found for vip in sibling.record.serves}
    vips = {}
    for vip in sorted(served):
        line, told = lines.get(vip, NOBODY), _in_order(claims.get(vip, ()))
        vips[vip] = Sharing(
            pin=service.pins.get(vip),
            assigned=line.assigned,
            standbys=line.standbys,
            claims=told,
            awaited=() if resting or place is None else _differences(line, told),
        )
    return Account(
        trusted=True,
        view_age=now - view.read_at,
        members=rows,
        algorithm=None if place is None else algorithm,
        maintenance=view.maintenance if resting else None,
        unpinned={vip: pin for vip, pin in service.pins.items() if pin not in seats},
        vips=vips,
    )


class _Vips(Mapping[Vip, Sharing]):
    """How the VIPs of a service are shared: each is looked at when it is asked for."""

    def __init__(
        self, service: Service, pod: str, memory: Memory, siblings: Sequence[trust.Sibling], now: Seconds
    ) -> None:
        self._service = service
        self._pod = pod
        self._memory = memory
        self._siblings = siblings
        self._records = _records(siblings)
        self._now = now
        self._waits = _Waits(service, memory, now)

    def __getitem__(self, vip: Vip) -> Sharing:
        line = self._memory.placed[1].get(vip, NOBODY)
        return Sharing(
            pin=self._service.pins.get(vip),
            assigned=line.assigned,
            standbys=line.standbys,
            claims=_in_order(self._claims(vip)),
            awaited=self._waits.of(vip, line),
            verified=_verified(self._memory, vip, self._records, self._now),
        )

    def __iter__(self) -> Iterator[Vip]:
        return iter(self._service.vips)

    def __len__(self) -> int:
        return len(self._service.vips)

    def _claims(self, vip: Vip) -> Iterator[Claim]:
        for sibling in self._siblings:
            rank = sibling.record.announcing.get(vip)
            if rank is not None:
                heard = self._memory.heard.get(sibling.name)
                since = None if heard is None else heard.since.get(vip)
                yield Claim(pod=sibling.pod, rank=rank, age=None if since is None else self._now - since)
        if vip in self._memory.claims:
            yield Claim(pod=self._pod, rank=self._memory.claims[vip])


@dataclass(frozen=True, slots=True)
class _Waits:
    """What a pod knows itself to wait for."""

    service: Service
    memory: Memory
    now: Seconds

    def of(self, vip: Vip, line: Line) -> tuple[str, ...]:
        memory, times = self.memory, self.service.times
        verdict = memory.announcements.verdicts.get(vip)
        found = []
        if verdict is not None and verdict.word is Word.WAITING:
            found.append(self._zookeeper())
        if verdict is not None and verdict.word is Word.DAMPED and vip in memory.damping.flaps:
            left = memory.damping.flaps[vip].ready_at(times) - self.now
            found.append(f"this pod takes part in it again after {max(0.0, left):.1f} s without a failure")
        if vip in memory.announcements.aside:
            found.extend(self._aside(memory.announcements, vip))
        if not memory.trust.trusted:
            return tuple(found)
        for pod in line.assigned:
            since = memory.silence.since.get((vip, pod))
            if since is not None:
                left = since + times.claim_timeout - self.now
                found.append(f"{pod} claims it, or is passed over in {max(0.0, left):.1f} s")
        if verdict is not None and verdict.rank == 0 and memory.claims.get(vip) != 0:
            found.append("every neighbour has acknowledged it, for this pod to claim it")
        if verdict is not None and verdict.word is Word.KEEPING:
            found.extend(self._settling(vip, line))
        return tuple(found)

    def _aside(self, announcements: Announcements, vip: Vip) -> Iterator[str]:
        until = announcements.aside[vip]
        what = "its routers forward by it" if announcements.verdicts[vip].rank == 0 else "traffic has left"
        if not self.memory.trust.trusted:
            yield f"ZooKeeper is back, and then {what}: until then it is aside"
        elif self.now < until < inf:
            yield f"{what}: until then, for {until - self.now:.1f} s, it is aside"

    def _zookeeper(self) -> str:
        if self.memory.trust.view is not None or self.memory.started is None:
            return "ZooKeeper is asked"
        left = self.memory.started + self.service.times.coordination_grace - self.now
        return f"ZooKeeper is met, or {max(0.0, left):.1f} s pass" if left > 0 else "ZooKeeper is met"

    def _settling(self, vip: Vip, line: Line) -> Iterable[str]:
        for heard in self.memory.heard.values():
            since = heard.since.get(vip)
            left = 0.0 if since is None else since + self.service.times.settle - self.now
            if left > 0 and heard.stamp[0].rpartition("~")[0] in line.assigned:
                pod = heard.stamp[0].rpartition("~")[0]
                yield f"the claim of {pod} has stood for settle, in {left:.1f} s"


def _rows(view: View | None, *, own: frozenset[str], absent: Sequence[trust.Sibling]) -> tuple[Row, ...]:
    if view is None:
        return ()
    rows = [
        _row(member, own=member.name in own, drain=view.drains.get(member.pod))
        for member in view.members.values()
    ]
    for sibling in absent:
        if not sibling.registered:
            member = Member(
                name=sibling.name,
                pod=sibling.pod,
                czxid=sibling.czxid,
                version=sibling.version,
                record=sibling.record,
            )
            row = _row(member, own=False, drain=view.drains.get(sibling.pod))
            rows.append(replace(row, registered=False))
    return tuple(sorted(rows, key=lambda row: row.name))


def _row(member: Member, *, own: bool, drain: Order | None) -> Row:
    record = member.record
    drain = None if drain is None or drain.lifted else drain
    if isinstance(record, Unreadable):
        return Row(name=member.name, pod=member.pod, own=own, unreadable=record.reason, drain=drain)
    return _counted(member, record, own=own, drain=drain)


def _counted(member: Member, record: Record, *, own: bool, drain: Order | None) -> Row:
    first_rank = sum(rank == 0 for rank in record.announcing.values())
    return Row(
        name=member.name,
        pod=member.pod,
        own=own,
        zone=record.zone,
        weight=record.weight,
        phase=record.phase,
        drain=drain,
        sessions_up=record.sessions_up,
        sessions_configured=record.sessions_configured,
        serves=len(record.serves),
        eligible=len(record.eligible),
        claims=first_rank,
        standbys=len(record.announcing) - first_rank,
        policy=record.policy,
        algorithm=record.algorithm,
    )


def _in_order(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    return tuple(sorted(claims, key=lambda claim: (claim.rank, claim.pod)))


def _differences(line: Line, claims: Sequence[Claim]) -> tuple[str, ...]:
    """What has to happen before those announce it who should."""
    holders = [claim.pod for claim in claims if claim.rank == 0]
    if not line.assigned:
        return ("a pod is eligible for it",)
    return (
        *(f"{pod} claims it" for pod in line.assigned if pod not in holders),
        *(f"{pod} lets go of it" for pod in holders if pod not in line.assigned),
    )
