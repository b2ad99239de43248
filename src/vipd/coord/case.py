"""The case that is decided upon: all that a rule looks at, and what is remembered of it.

`look` takes in the facts of this pod, the view and the time; `remember` keeps what the next look needs. What
follows from the case is in decision.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vipd.coord import damping, handover, trust, witness
from vipd.coord.damping import Damping
from vipd.coord.handover import Heard, Receipt, Silence, Stamp
from vipd.coord.layout import policy_digest
from vipd.coord.member import (
    Announcements,
    LastResort,
    Me,
    Phase,
    Rank,
    Record,
    Seconds,
    Service,
    View,
    Vip,
    one,
    united,
)
from vipd.coord.placement import Algorithms, Candidate, Line, lowest
from vipd.coord.trust import Sibling, Trust
from vipd.coord.witness import Shown, Witness

NOBODY = Line()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What is ours while ZooKeeper is lost (rule 6), settled at the moment of the loss."""

    ours: Mapping[Vip, Rank]
    elsewhere: frozenset[Vip]  # somebody else was eligible for it, or claimed it


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What `decide` must know of earlier calls. It begins empty, and only this package reads it."""

    started: Seconds | None = None
    decided_at: Seconds = 0.0
    announcements: Announcements = field(default_factory=Announcements)
    claims: Mapping[Vip, Rank] = field(default_factory=dict)  # ours, as of now; the record follows them
    trust: Trust = field(default_factory=Trust)
    outage: Outage | None = None  # None: the view is trusted, or none ever was
    assigned: frozenset[Vip] = frozenset()  # to us, by the last trusted view
    dropped: Mapping[Vip, Seconds] = field(default_factory=dict)  # announced within T, and when that ended
    heard: Mapping[str, Heard] = field(default_factory=dict)
    silence: Silence = field(default_factory=Silence)
    damping: Damping = field(default_factory=Damping)
    passed_once: frozenset[Vip] = frozenset()  # their checks did: what rule 12 may announce again
    last_resort: frozenset[Vip] = frozenset()  # announced though their check fails
    drained: Mapping[Vip, Seconds] = field(default_factory=dict)  # for how long another could have had it
    leaving_since: Seconds | None = None
    placed: tuple[object, Mapping[Vip, Line]] = (None, {})  # the last placement, and what it rests on
    siblings: tuple[Candidate, ...] = ()  # who stood for it beside us, by the last trusted view
    witness: Witness = field(default_factory=Witness)
    blind: int = 0  # VIPs that our routers could show, and never have
    algorithm: int | None = None  # that it was made by
    policy: tuple[Service | None, str] = (None, "")  # a service, and the digest of its policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that a rule looks at."""

    service: Service
    me: Me
    now: Seconds
    algorithms: Algorithms = field(default_factory=dict)  # that this pod can place by: none, alone
    memory: Memory = field(default_factory=Memory)  # of now, but for what this decision will add
    standing: Mapping[Vip, Rank] = field(default_factory=dict)  # by the last decision
    phase: Phase = Phase.RUNNING  # an operator's drain and a younger pod of our id are in it
    serves: frozenset[Vip] = frozenset()  # the service's VIPs
    eligible: frozenset[Vip] = frozenset()
    suspect: frozenset[Vip] = frozenset()  # only the check fails, and it did pass once
    damped: frozenset[Vip] = frozenset()
    excused: frozenset[Vip] = frozenset()  # suspect, and to be announced all the same (rule 12)
    seats: Mapping[str, Sibling] = field(default_factory=dict)  # the others that count, by pod-id
    lines: Mapping[Vip, Line] = field(default_factory=dict)
    mine: frozenset[Vip] = frozenset()  # assigned to us
    silent: Mapping[Vip, str] = field(default_factory=dict)  # who of the others is passed over (rule 4)
    lost: Mapping[Vip, str] = field(default_factory=dict)  # whom the routers have lost (rule 10)
    shown: Shown = field(default_factory=Shown)
    claimed: frozenset[Vip] = frozenset()  # by other pods, at rank 0, and not as their last resort
    receipts: Mapping[Vip, Receipt] = field(default_factory=dict)  # of what stands and is not assigned to us
    own: Mapping[Vip, Rank] | None = None  # our claims as read back; None: we cannot tell

    @property
    def draining(self) -> bool:
        return self.phase is not Phase.RUNNING

    def line(self, vip: Vip) -> Line:
        return self.lines.get(vip, NOBODY)

    def grace_ends(self) -> Seconds:
        """When a pod that never met ZooKeeper does without (rule 8)."""
        return (self.memory.started or 0.0) + self.service.times.coordination_grace


def look(
    service: Service,
    me: Me,
    view: View | None,
    before: Memory,
    now: Seconds,
    *,
    algorithms: Algorithms,
) -> Case:
    """Take everything in: what this pod is fit for, what the view shows, and what time has done."""
    known = trust.observe(before.trust, me, view, now)
    vips = one(frozenset(service.vips))
    standing = {vip: rank for vip, rank in _standing(before.announcements).items() if vip in vips}
    phase = _phase(me, known)
    passing = frozenset() if me.failing is not None else vips.difference(me.failing_vips)
    here = vips if me.held is None else vips & me.held
    connected = me.sessions_up >= service.min_sessions
    fit = one(passing & here) if connected else frozenset()
    passed_once = one((before.passed_once | passing) & vips)
    on_duty = phase is Phase.RUNNING and me.maintenance is None and known.maintenance.order is None
    flaps = damping.observe(
        before.damping, fit, vips, deliberate=phase is not Phase.RUNNING, now=now, times=service.times
    )
    said = standing.keys() | before.announcements.aside.keys()
    shown = witness.put_together(service, me.sights, said, now)
    case = Case(
        service=service,
        me=me,
        now=now,
        algorithms=algorithms,
        memory=replace(
            before,
            started=now if before.started is None else before.started,
            trust=known,
            claims=handover.own_claims(before.claims, me, standing),
            damping=flaps,
            passed_once=passed_once,
            leaving_since=_leaving_since(me, before, now),
            blind=len(shown.blind),
            policy=before.policy if before.policy[0] is service else (service, policy_digest(service)),
        ),
        standing=standing,
        phase=phase,
        serves=vips,
        eligible=fit if on_duty else frozenset(),
        suspect=one((here - passing) & passed_once) if connected and on_duty else frozenset(),
        shown=shown,
    )
    return _connected(case, known.view, before) if known.trusted and known.view is not None else _lost(case)


def remember(case: Case, announcements: Announcements) -> Memory:
    """What the next look needs to know of this decision."""
    memory, now = case.memory, case.now
    standing = _standing(announcements)
    return replace(
        memory,
        decided_at=now,
        announcements=announcements,
        claims={vip: max(rank, standing[vip]) for vip, rank in memory.claims.items() if vip in standing},
        last_resort=case.excused.intersection(standing),
        dropped={
            vip: since
            for vip, since in {**memory.dropped, **dict.fromkeys(case.standing, now)}.items()
            if vip not in standing and not _long_ago(memory, since, now)
        },
    )


def _standing(announcements: Announcements) -> Mapping[Vip, Rank]:
    return {vip: each.rank for vip, each in announcements.verdicts.items() if each.rank is not None}


def _long_ago(memory: Memory, since: Seconds, now: Seconds) -> bool:
    """More than T: no matter for rule 6. While ZooKeeper is lost nobody counts."""
    view = memory.trust.view
    return view is None or (memory.trust.trusted and now - since > view.session_timeout)


def _phase(me: Me, known: Trust) -> Phase:
    if me.phase is Phase.RUNNING and (known.drain.order is not None or known.rivals):
        return Phase.DRAINING
    return me.phase


def _leaving_since(me: Me, before: Memory, now: Seconds) -> Seconds | None:
    if me.phase is not Phase.LEAVING:
        return None
    return now if before.leaving_since is None else before.leaving_since


# --- with a trusted view ------------------------------------------------------------------------------------


def _connected(case: Case, view: View, before: Memory) -> Case:
    """Who counts, who is in line, and who can receive what we are to let go."""
    service, me, now, others = case.service, case.me, case.now, trust.siblings(case.memory.trust)
    drains = frozenset(pod for pod, order in view.drains.items() if not order.lifted)
    heard = handover.hear(before.heard, others, now)
    case = _damp(case, others, heard)
    seats = dict(trust.counted(others))
    seated = not case.memory.trust.rivals and (bool(case.eligible) or me.pod not in seats)
    if seated:
        seats.pop(me.pod, None)
    candidates = _candidates(case, seats, heard, drains, seated=seated)
    claims = {candidate.pod: candidate.claims for candidate in candidates}

    def claimed(vip: Vip, pod: str) -> bool:
        return vip in claims[pod]

    timeout = service.times.claim_timeout
    stamps = {pod: handover.stamp(seat) for pod, seat in seats.items()}
    own = view.members[view.own]
    silence = handover.pass_over(before.silence, stamps, claimed, claim_timeout=timeout, now=now)

    def suspects(vip: Vip, gone_at: Seconds) -> Iterator[tuple[str, Seconds]]:
        """Who claims it; who has begun to since it went may be on the way to the routers that we see."""
        for pod, seat in seats.items():
            since = heard[seat.name].since.get(vip)
            if since is not None:
                yield pod, gone_at if since <= gone_at else since + timeout

    watched = _convict(case, before, suspects, stamps, read_at=view.read_at)
    algorithm = lowest(case.algorithms, (sibling.record.algorithm for sibling in others))
    passed_over = frozenset((*silence.passed_over, *watched.passed_over, *witness.relieved(others)))
    placed = _placed(before, case, algorithm, candidates, passed_over)
    lines = placed[1]
    mine = frozenset(vip for vip in service.vips if seated and me.pod in lines.get(vip, NOBODY).assigned)
    receipts = {
        vip: handover.receipt(
            vip,
            lines.get(vip, NOBODY),
            copies=service.copies,
            seats=seats,
            heard=heard,
            drains=drains,
            settle=service.times.settle,
            proven_at=case.memory.trust.proven_at,
        )
        for vip in case.standing
        if vip not in mine
    }
    again = (before.last_resort & case.suspect).intersection(case.standing)
    return replace(
        case,
        memory=replace(
            case.memory,
            outage=None,
            assigned=mine,
            heard=heard,
            silence=handover.listen(silence, lines, stamps, claimed, now),
            drained=_drained(case, before, lines),
            placed=placed,
            algorithm=algorithm,
            siblings=tuple(candidate for candidate in candidates if candidate.pod != me.pod or not seated),
            witness=watched,
        ),
        excused=again | (case.suspect & mine),
        seats=seats,
        lines=lines,
        mine=mine,
        silent=_pods(silence.passed_over),
        lost=_pods(watched.passed_over),
        claimed=united(
            heard[sibling.name].claims - sibling.record.suspect for sibling in others if sibling.pod != me.pod
        ),
        receipts=receipts,
        own=own.record.announcing if isinstance(own.record, Record) and not view.unread_write else None,
    )


def _damp(case: Case, others: Iterable[Sibling], heard: Mapping[str, Heard]) -> Case:
    """Rule 9, waived for what nobody else serves."""
    memory, times = case.memory, case.service.times
    damped = memory.damping.damped(case.now, times)
    if not damped:
        return case
    served = united(
        heard[sibling.name].claims & damped & sibling.record.eligible
        for sibling in others
        if sibling.record.phase is Phase.RUNNING
    )
    flaps = damping.waive(memory.damping, damped - served)
    damped &= served
    return replace(
        case, memory=replace(memory, damping=flaps), damped=damped, eligible=case.eligible - damped
    )


def _candidates(
    case: Case,
    seats: Mapping[str, Sibling],
    heard: Mapping[str, Heard],
    drains: frozenset[str],
    *,
    seated: bool,
) -> tuple[Candidate, ...]:
    """All that count, as their records say; ourselves, as we are. Rule 12 may add those whose check fails."""
    able = {pod: _able(seat, drains) for pod, seat in seats.items()}
    desperate: frozenset[Vip] = frozenset()
    if case.service.last_resort is LastResort.KEEP:
        suspects = united(
            [case.suspect, *(each.record.suspect for each in seats.values() if each.registered)]
        )
        desperate = suspects - united([case.eligible, *able.values()])
    found = [
        Candidate(
            pod=pod,
            zone=seat.record.zone,
            weight=seat.record.weight,
            whole=seat.record.sessions_up >= seat.record.sessions_configured,
            eligible=_with(able[pod], desperate, seat.record.suspect if seat.registered else frozenset()),
            claims=heard[seat.name].claims,
        )
        for pod, seat in seats.items()
    ]
    if seated:
        found.append(_ourselves(case, _with(case.eligible, desperate, case.suspect)))
    return tuple(found)


def _ourselves(case: Case, eligible: frozenset[Vip]) -> Candidate:
    me = case.me
    return Candidate(
        pod=me.pod,
        zone=me.zone,
        weight=me.weight,
        whole=me.sessions_up >= me.sessions_configured,
        eligible=eligible,
        claims=handover.first(case.memory.claims),
    )


def _able(seat: Sibling, drains: frozenset[str]) -> frozenset[Vip]:
    draining = seat.record.phase is not Phase.RUNNING or seat.pod in drains
    return frozenset() if draining else seat.record.eligible


def _with(able: frozenset[Vip], desperate: frozenset[Vip], suspect: frozenset[Vip]) -> frozenset[Vip]:
    return able | (desperate & suspect) if desperate else able


def _placed(
    before: Memory,
    case: Case,
    algorithm: int,
    candidates: Sequence[Candidate],
    passed_over: frozenset[tuple[Vip, str]],
) -> tuple[object, Mapping[Vip, Line]]:
    """Place anew, or as before where nothing that counts has changed."""
    question = (case.service, algorithm, candidates, passed_over)
    if before.placed[0] == question:
        return before.placed
    return question, case.algorithms[algorithm](case.service, candidates, passed_over)


def _convict(
    case: Case,
    before: Memory,
    suspects: Callable[[Vip, Seconds], Iterable[tuple[str, Seconds]]],
    stamps: Mapping[str, Stamp],
    *,
    read_at: Seconds | None,
) -> Witness:
    times, now = case.service.times, case.now
    known = witness.look_out(before.witness, case.shown, stamps, times, now)
    gone = case.shown.gone
    return witness.convict(known, gone, suspects, stamps, read_at=read_at, times=times, now=now)


def _pods(passed_over: Iterable[tuple[Vip, str]]) -> Mapping[Vip, str]:
    """Who is passed over, by VIP, as a clause."""
    pods: dict[Vip, list[str]] = {}
    for vip, pod in sorted(passed_over):
        pods.setdefault(vip, []).append(pod)
    return {vip: ", ".join(names) for vip, names in pods.items()}


def _drained(case: Case, before: Memory, lines: Mapping[Vip, Line]) -> Mapping[Vip, Seconds]:
    """Rule 5: an operator's drain counts, VIP by VIP, the time in which another could have had it.

    It stands still while the view is not trusted.
    """
    if case.phase is not Phase.DRAINING:
        return {}
    gone = case.now - before.decided_at if before.trust.trusted else 0.0
    return {
        vip: before.drained.get(vip, 0.0) + (gone if lines.get(vip, NOBODY).assigned else 0.0)
        for vip in case.standing
    }


# --- without one --------------------------------------------------------------------------------------------


def _lost(case: Case) -> Case:
    """ZooKeeper is lost, or was never met: what is ours was settled when trust ended."""
    memory = case.memory
    outage = memory.outage
    if outage is None and memory.trust.view is not None:
        outage = _outage(case, memory.trust.view)
    silence = Silence(passed_over=memory.silence.passed_over)
    case = replace(
        case,
        memory=replace(memory, outage=outage, silence=silence),
        excused=memory.last_resort & case.suspect,
    )
    algorithm = memory.algorithm
    return case if algorithm is None else _witnessing(case, algorithm)


def _witnessing(case: Case, algorithm: int) -> Case:
    """Rule 10: what the routers have lost goes to the next in line by the last trusted view."""
    memory = case.memory
    seats = trust.counted(trust.siblings(memory.trust))
    stamps = {pod: handover.stamp(seat) for pod, seat in seats.items() if pod != case.me.pod}
    timeout = case.service.times.claim_timeout
    lines = memory.placed[1]

    def suspects(vip: Vip, gone_at: Seconds) -> Iterator[tuple[str, Seconds]]:
        """Who claimed it, or else was assigned it; then, one after another, who might have taken it since."""
        claimed = [pod for pod in stamps if seats[pod].record.announcing.get(vip) == 0]
        assigned = lines.get(vip, NOBODY).assigned
        last = memory.witness.convictions.get(vip)
        yield from ((pod, gone_at) for pod in claimed or assigned)
        if last is not None and last.at >= gone_at:
            yield from ((pod, last.at + timeout) for pod in assigned)

    watched = _convict(case, memory, suspects, stamps, read_at=None)
    case = replace(case, memory=replace(memory, witness=watched), lost=_pods(watched.passed_over))
    if not watched.passed_over:
        return case
    passed_over = frozenset((*memory.silence.passed_over, *watched.passed_over))
    candidates = (*memory.siblings, _ourselves(case, case.eligible))
    placed = _placed(memory, case, algorithm, candidates, passed_over)
    return replace(case, memory=replace(case.memory, placed=placed), lines=placed[1])


def _outage(case: Case, view: View) -> Outage:
    """Rule 6: what we announce, were assigned, claim, or announced within T and nobody has taken since."""
    memory, others = case.memory, trust.siblings(case.memory.trust)
    own = view.members[view.own].record
    lost_at = min(case.now, trust.ends(view))
    taken = {
        vip
        for sibling in others
        for vip in memory.dropped.keys() & sibling.record.announcing.keys()
        if vip in sibling.record.eligible
    }
    lately = [
        vip
        for vip, since in memory.dropped.items()
        if since > lost_at - view.session_timeout and vip not in taken
    ]
    return Outage(
        ours={
            **dict.fromkeys(lately, 0),
            **dict.fromkeys(memory.assigned, 0),
            **(own.announcing if isinstance(own, Record) else {}),
            **memory.claims,
            **case.standing,
        },
        elsewhere=united(each.record.eligible for each in others).union(
            *(each.record.announcing for each in others)
        ),
    )
