"""The heart: what this pod announces, and why. One pure function over whole values.

`decide` gives every VIP of a service exactly one verdict: that of the first rule, in the order of their
authority, that speaks. What it must know the next time goes out as `Memory` and comes in again. The rules are
numbered and argued in docs/coordination.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Final

from vipd.coord import trust, witness
from vipd.coord.case import NOBODY, Case, Memory, look, remember
from vipd.coord.member import (
    Announcements,
    ColdStart,
    CoordinationLoss,
    Me,
    Phase,
    Rank,
    Record,
    Release,
    Seconds,
    Service,
    Standby,
    Verdict,
    View,
    Vip,
    Word,
)
from vipd.coord.placement import ALGORITHMS, Algorithms

Ruling = tuple[Word, str, Rank | None]
Rule = Callable[[Case, Vip], Ruling | None]

ALONE: Final = "this pod announces its VIPs by itself: no coordination is configured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be announced, told and asked for."""

    announcements: Announcements
    record: Record  # as ours ought to read: written when it differs from what was read back
    releases: tuple[Release, ...]  # to be tried one by one, each on a fresh view
    memory: Memory


def decide_alone(service: Service, me: Me, standing: Announcements, now: Seconds) -> Announcements:
    """Decide where no coordination is configured: by local truth alone."""
    ranks = {}
    if me.phase is Phase.LEAVING:  # nobody else asks, and there may be very many
        ranks = {vip: each.rank for vip, each in standing.verdicts.items() if each.rank is not None}
    case = Case(service=service, me=me, now=now, memory=Memory(announcements=standing), standing=ranks)
    return Announcements(verdicts=_verdicts(case, _LOCAL, _alone))


def decide(
    service: Service,
    me: Me,
    view: View | None,
    memory: Memory,
    now: Seconds,
    *,
    algorithms: Algorithms = ALGORITHMS,
) -> Decision:
    """Decide what this pod announces of one service, tells of itself, and wishes to let go.

    Args:
        service: what we are told to serve.
        me: how this pod is.
        view: the newest complete one, however old; None: there has been none since start.
        memory: that of the last decision; empty at first.
        now: loop time.
        algorithms: what this pod can place by.
    """
    case = look(service, me, view, memory, now, algorithms=algorithms)
    if case.memory.trust.trusted:
        verdicts = _verdicts(case, _CONNECTED, _not_assigned)
    else:
        verdicts = _verdicts(case, _LOST, _without_view)
    aside = dict(_aside(case, verdicts))
    announcements = Announcements(
        verdicts=verdicts, aside=aside, recheck_at=min(_rechecks(case, aside), default=None)
    )
    after = remember(case, announcements)
    return Decision(
        announcements=announcements,
        record=_record(case, after),
        releases=tuple(_releases(case, verdicts)),
        memory=after,
    )


def _verdicts(
    case: Case, rules: Sequence[Rule], otherwise: Callable[[Case, Vip], Ruling]
) -> Mapping[Vip, Verdict]:
    """Let the first rule that speaks decide each VIP. What stays as it was keeps its `since`."""
    before = case.memory.announcements.verdicts
    verdicts: dict[Vip, Verdict] = {}
    known: dict[tuple[Ruling, Seconds], Verdict] = {}  # ten thousand VIPs share a few verdicts
    asked = [rule for rule in rules if rule not in _SILENT or not _SILENT[rule](case)]
    for vip in case.service.vips:
        for rule in asked:
            ruling = rule(case, vip)
            if ruling is not None:
                break
        else:
            ruling = otherwise(case, vip)
        word, reason, rank = ruling
        old = before.get(vip)
        same = old is not None and old.word is word and old.rank == rank
        if old is not None and same and old.reason == reason:
            verdicts[vip] = old
            continue
        since = old.since if old is not None and same else case.now
        verdict = known.get((ruling, since))
        if verdict is None:
            verdict = known[ruling, since] = Verdict(word=word, reason=reason, rank=rank, since=since)
        verdicts[vip] = verdict
    return verdicts


# --- the rules, each a clause: None is "I have nothing to say" ---------------------------------------------


def _left(case: Case, vip: Vip) -> Ruling | None:
    """Rule 5, SIGTERM: nothing new is taken; what stands goes at `drain-timeout` at the latest."""
    if case.me.phase is Phase.LEFT:
        return Word.LEFT, "this pod is leaving", None
    if case.me.phase is not Phase.LEAVING:
        return None
    if vip not in case.standing:
        return Word.LEFT, "this pod is leaving", None
    since = case.memory.leaving_since
    if since is not None and case.now >= since + case.service.times.drain_timeout:
        return Word.LEFT, "this pod is leaving, and drain-timeout is over", None
    return None


def _maintenance(case: Case, _: Vip) -> Ruling | None:
    """Rule 1: an operator took the service off the air, here or everywhere."""
    if case.me.maintenance is not None:
        return Word.MAINTENANCE, f"maintenance of this pod alone: {case.me.maintenance}", None
    standing = case.memory.trust.maintenance
    if standing.order is None:
        return None
    kept = ", kept since ZooKeeper lost its data" if standing.kept else ""
    return Word.MAINTENANCE, f"maintenance by {standing.order.who}: {standing.order.why}{kept}", None


def _unhealthy(case: Case, vip: Vip) -> Ruling | None:
    """Rules 1 and 13: a failing check takes its VIPs off the air at once; rule 12 may excuse it."""
    reason = case.me.failing or case.me.failing_vips.get(vip)
    if reason is None or vip in case.excused:
        return None
    return Word.UNHEALTHY, reason, None


def _not_held(case: Case, vip: Vip) -> Ruling | None:
    """Rule 1: nothing is announced whose address is not here."""
    if case.me.held is None or vip in case.me.held:
        return None
    return Word.NOT_HELD, "its address is not on this machine", None


def _alone(_: Case, __: Vip) -> Ruling:
    return Word.ASSIGNED, ALONE, 0


def _waiting(case: Case, vip: Vip) -> Ruling | None:
    """Rule 14: after a stall nothing new is taken before ZooKeeper has been asked."""
    if vip in case.standing or trust.confirmed(case.memory.trust, case.me):
        return None
    if vip not in case.mine and case.me.pod not in case.line(vip).standbys:
        return None
    return Word.WAITING, "this pod had stalled: ZooKeeper is asked before anything is taken", None


def _witnessed(case: Case, vip: Vip) -> Ruling | None:
    """Rule 10: the routers have lost who says that it announces it, and we are the next in line.

    Without ZooKeeper nobody could take it from us, make before break: what has been taken is kept.
    """
    lost = case.lost.get(vip)
    taken = not case.memory.trust.trusted and case.standing.get(vip) == 0
    if lost is None or vip not in case.eligible or not (taken or case.me.pod in case.line(vip).assigned):
        return None
    if _by_loss(case, vip) is not None:
        return None
    return Word.WITNESSED, f"its route has gone from the routers, and with it: {lost}", 0


def _assigned(case: Case, vip: Vip) -> Ruling | None:
    """Rule 2: what placement gives us."""
    if vip not in case.mine:
        return None
    if vip in case.excused:
        return Word.LAST_RESORT, f"its check fails on every pod: {_failing(case, vip)}", 0
    if (silent := case.silent.get(vip)) is not None:
        return Word.STEPPED_IN, f"silent about it for claim-timeout: {silent}", 0
    pin = case.service.pins.get(vip)
    if pin is not None and pin != case.me.pod:
        return Word.SUBSTITUTE, f"pinned to {pin}, which cannot announce it now", 0
    return Word.ASSIGNED, "pinned to this pod" if pin else "assigned to this pod", 0


def _drained(case: Case, vip: Vip) -> Ruling | None:
    """Rule 5, operator: at `drain-timeout` a VIP goes, if another pod could have had it all that time."""
    if case.phase is not Phase.DRAINING or vip not in case.standing:
        return None
    if case.memory.drained.get(vip, 0.0) < case.service.times.drain_timeout:
        return None
    return Word.NOT_ASSIGNED, f"{_why_draining(case)}, and drain-timeout is over", None


def _keeping(case: Case, vip: Vip) -> Ruling | None:
    """Rule 3: make before break, settled and checked.

    Until then the rank stays as it is, in a drain, too: of a route that gets worse on two ToRs at once, each
    prefers for a moment what the spines still tell of the other, and withdraws its own.
    """
    receipt = case.receipts.get(vip)
    if receipt is None:
        return None
    rank = case.standing[vip]
    line = case.line(vip)
    if not case.draining and rank > 0 and case.me.pod in line.standbys:
        return None
    why = _why_draining(case) if case.draining else _whose(case, vip)
    if receipt.at == inf:
        what = "it has not been claimed by enough others yet" if line.assigned else "no other pod can"
    elif case.now < receipt.at:
        what = "it has just been claimed there: routers are given settle"
    elif case.own is None or vip in case.own:
        what = "our record is to let go of it first"
    else:
        return None
    return Word.KEEPING, f"{why}: {what}", rank


def _standby(case: Case, vip: Vip) -> Ruling | None:
    """Rule 11: the next in line announce too, worse by rank."""
    standbys = case.line(vip).standbys
    if case.me.pod not in standbys or vip not in case.eligible:
        return None
    rank = standbys.index(case.me.pod) + 1
    return Word.STANDBY, f"{_whose(case, vip)}; this pod is number {rank} in line", rank


def _damped(case: Case, vip: Vip) -> Ruling | None:
    """Rule 9: what flaps is taken back later each time."""
    if vip not in case.damped or case.draining:
        return None
    flaps = case.memory.damping.flaps[vip]
    wait = f"{flaps.delay(case.service.times):g} s"
    return Word.DAMPED, f"lost of late ({flaps.count} counted): taken back {wait} after it is fit again", None


def _not_assigned(case: Case, vip: Vip) -> Ruling:
    if case.phase is not Phase.RUNNING:
        return Word.NOT_ASSIGNED, _why_draining(case), None
    reason = _whose(case, vip)
    if (silent := case.silent.get(vip)) is not None:
        reason += f"; silent about it for claim-timeout: {silent}"
    if case.me.sessions_up < case.service.min_sessions:
        reason += f"; this pod has {case.me.sessions_up} BGP sessions of {case.service.min_sessions} needed"
    return Word.NOT_ASSIGNED, reason, None


def _held(case: Case, vip: Vip) -> Ruling | None:
    """Rule 6: what was ours when trust ended stays so, also after a check has blipped."""
    outage = case.memory.outage
    if outage is None or vip not in outage.ours:
        return None
    return _by_loss(case, vip) or (
        Word.HELD,
        "ZooKeeper is lost: what this pod had, it keeps",
        outage.ours[vip],
    )


def _cold(case: Case, vip: Vip) -> Ruling | None:
    """Rule 8: what nobody else is known to serve, where ZooKeeper was never met or has forgotten it."""
    memory, service = case.memory, case.service
    if memory.outage is not None and (vip in memory.outage.elsewhere or _by_loss(case, vip) is not None):
        return None
    if vip not in case.standing and (case.draining or case.now < case.grace_ends()):
        return None
    pinned = service.pins.get(vip) == case.me.pod
    if service.cold_start is ColdStart.NONE or (service.cold_start is ColdStart.PINNED and not pinned):
        return None
    rank = 0 if pinned else service.last_rank
    return Word.COLD, "without ZooKeeper, and nobody else is known to announce it", rank


def _without_view(case: Case, vip: Vip) -> Ruling:
    if case.draining:
        return Word.NOT_ASSIGNED, _why_draining(case), None
    return _by_loss(case, vip) or (Word.WAITING, "for ZooKeeper", None)


_LOCAL: Final[tuple[Rule, ...]] = (_left, _maintenance, _unhealthy, _not_held)
_CONNECTED: Final = (*_LOCAL, _waiting, _witnessed, _assigned, _drained, _keeping, _standby, _damped)
_LOST: Final = (*_LOCAL, _held, _witnessed, _cold)

# When a rule has nothing to say of any VIP: then ten thousand of them need not ask it one by one.
_SILENT: Final[Mapping[Rule, Callable[[Case], bool]]] = {
    _unhealthy: lambda case: case.me.failing is None and not case.me.failing_vips,
    _not_held: lambda case: case.me.held is None or case.me.held.issuperset(case.service.vips),
    _waiting: lambda case: trust.confirmed(case.memory.trust, case.me),
    _witnessed: lambda case: not case.lost,
    _drained: lambda case: case.phase is not Phase.DRAINING,
    _standby: lambda case: case.service.standby is Standby.NONE,
    _damped: lambda case: not case.damped,
}


# --- clauses ------------------------------------------------------------------------------------------------


def _by_loss(case: Case, vip: Vip) -> Ruling | None:
    """What `coordination-loss` forbids while ZooKeeper is lost."""
    match case.service.coordination_loss:
        case CoordinationLoss.WITHDRAW if case.memory.outage is not None:
            return Word.WAITING, "ZooKeeper is lost, and coordination-loss is withdraw", None
        case CoordinationLoss.OWN if case.memory.outage is not None:
            if case.service.pins.get(vip) != case.me.pod:
                return (
                    Word.WAITING,
                    "ZooKeeper is lost, and coordination-loss keeps what is pinned here",
                    None,
                )
    return None


def _whose(case: Case, vip: Vip) -> str:
    return _assigned_to(case.lines.get(vip, NOBODY).assigned)


@lru_cache(maxsize=4096)
def _assigned_to(pods: tuple[str, ...]) -> str:
    return f"assigned to {', '.join(pods)}" if pods else "no pod is eligible for it"


def _why_draining(case: Case) -> str:
    standing = case.memory.trust.drain
    if case.me.phase is not Phase.RUNNING:
        return "this pod is leaving" if case.me.phase is Phase.LEAVING else "this pod drains"
    if standing.order is not None:
        kept = ", kept since ZooKeeper lost its data" if standing.kept else ""
        return f"drained by {standing.order.who}: {standing.order.why}{kept}"
    return "a younger pod has registered with this pod's id"


def _failing(case: Case, vip: Vip) -> str:
    return case.me.failing or case.me.failing_vips[vip]


# --- what follows beside the verdicts -----------------------------------------------------------------------


def _record(case: Case, memory: Memory) -> Record:
    """How our record ought to read."""
    me, drain, maintenance = case.me, memory.trust.drain, memory.trust.maintenance
    return Record(
        algorithm=max(case.algorithms),
        zone=me.zone,
        weight=me.weight,
        phase=case.phase,
        sessions_up=me.sessions_up,
        sessions_configured=me.sessions_configured,
        serves=case.serves,
        eligible=case.eligible,
        suspect=case.suspect,
        announcing=memory.claims,
        policy=memory.policy[1],
        instead_of=witness.instead_of(memory.witness, memory.claims),
        unseen=witness.told(memory.witness, case.shown, case.now),
        drain=drain.order if drain.kept else None,
        maintenance=maintenance.order if maintenance.kept else None,
    )


def _releases(case: Case, verdicts: Mapping[Vip, Verdict]) -> Iterator[Release]:
    """Rule 3 (c): one transaction for each set of receiving pods."""
    groups: dict[tuple[str, ...], set[Vip]] = {}
    for vip, receipt in case.receipts.items():
        if case.own is not None and receipt.at <= case.now and verdicts[vip].word is Word.KEEPING:
            groups.setdefault(receipt.receivers, set()).add(vip)
    versions = {seat.name: seat.version for seat in case.seats.values()}
    for names, vips in sorted(groups.items()):
        yield Release(vips=frozenset(vips), receivers={name: versions[name] for name in names})


def _aside(case: Case, verdicts: Mapping[Vip, Verdict]) -> Iterator[tuple[Vip, Seconds]]:
    """Rule 3: who takes a VIP from another, and who has let go of it, announce it aside for a while.

    A router may tell its neighbours of a route before it forwards by it, and forward by it no more before
    they know: aside, it is there, and traffic goes by the other.
    """
    before, now, settle = case.memory.announcements.aside, case.now, case.service.times.settle
    for vip in (case.mine & case.claimed) - case.lost.keys():
        if verdicts[vip].rank == 0 and case.standing.get(vip) != 0 and vip not in before:
            yield vip, inf
    held = not case.memory.trust.trusted and case.me.phase is Phase.RUNNING
    for vip, until in before.items():
        end = _end_of_aside(case, vip, until, verdicts)
        if end is not None and (held or end > now):
            yield vip, until if held else end
    for vip, receipt in case.receipts.items():
        if receipt.at <= now and settle > 0 and case.standing[vip] == 0 and _let_go(case, vip, verdicts):
            yield vip, now + settle


def _end_of_aside(case: Case, vip: Vip, until: Seconds, verdicts: Mapping[Vip, Verdict]) -> Seconds | None:
    """When a route that was aside is so no more; infinity: not known yet; None: it does not stand."""
    if vip in verdicts and verdicts[vip].rank == 0:
        claimed = case.memory.claims.get(vip) == 0
        # Those who let go count all of settle from the same claim.
        return case.now + case.service.times.settle / 2 if until == inf and claimed else until
    if vip in verdicts and case.standing.get(vip) != 0 and _let_go(case, vip, verdicts):
        return max(until, case.memory.trust.proven_at)
    return None


def _let_go(case: Case, vip: Vip, verdicts: Mapping[Vip, Verdict]) -> bool:
    """Whether a VIP is another's, and nothing is wrong with it here: rule 1 allows no last resort, either."""
    if verdicts[vip].rank == 0 or case.phase is Phase.LEFT:
        return False
    ill = case.me.failing is not None or vip in case.me.failing_vips
    return not (ill or _maintenance(case, vip) or _not_held(case, vip))


def _rechecks(case: Case, aside: Mapping[Vip, Seconds]) -> Iterator[Seconds]:
    """When time alone may change the decision."""
    memory, times, now = case.memory, case.service.times, case.now
    due = [memory.damping.recheck_at(now, times), witness.rechecks(memory.witness, now), *aside.values()]
    if memory.trust.trusted:
        due.append(memory.trust.recheck_at(now))
        due.append(memory.silence.recheck_at(times.claim_timeout))
        due.extend(receipt.at for receipt in case.receipts.values())
        due.extend(
            now + times.drain_timeout - memory.drained[vip]
            for vip in memory.drained
            if case.line(vip).assigned
        )
    else:
        due.append(case.grace_ends())
    if memory.leaving_since is not None and case.standing:
        due.append(memory.leaving_since + times.drain_timeout)
    yield from (at for at in due if now < at < inf)
