"""Rule 10: what the routers show of the VIPs that other pods announce.

ZooKeeper tells of a death when the session has timed out, and in an outage not at all; the routers tell at
once. A VIP that was seen and is gone, wherever its absence means anything, convicts those who claim it: they
are passed over for it until their record changes or vanishes, and the next in line takes it. What is seen
gives nothing away: no release rests on it (rule 3).

The other way round, each pod tells its siblings what it cannot see, so that a pod whose announcement reaches
nobody can say so.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from vipd.coord.handover import Stamp
from vipd.coord.member import Rank, Record, Seconds, Service, Sight, Times, Vip
from vipd.coord.trust import Sibling

STEADY: Final[Seconds] = 0.1  # a VIP has to be gone for so long: what goes with it is known then
ASKED: Final[Seconds] = 0.05  # at most, for ZooKeeper to say why it went
AT_ONCE: Final[Seconds] = 1.0  # what goes within it goes together
UNSEEN: Final[Seconds] = 3.0  # before a VIP is told of as not to be seen
HEARD: Final[Seconds] = 5.0  # before an announcement that nobody sees is doubted


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What all sessions together show of a service."""

    seen: frozenset[Vip] = frozenset()
    gone: Mapping[Vip, Seconds] = field(default_factory=dict)  # since when: seen before, and nowhere now
    blind: frozenset[Vip] = frozenset()  # could be seen, and never was
    missing: frozenset[Vip] | None = None  # could be seen, and are not; None: nothing could
    recheck_at: Seconds = inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Conviction:
    """What is remembered of a VIP for which pods were passed over."""

    at: Seconds  # the last time
    count: int = 1  # lately

    def held_until(self, times: Times) -> Seconds:
        """When it may happen to it again: each time later, as in rule 9."""
        return self.at + min(times.handback_delay * 2.0 ** min(self.count - 1, 64), times.handback_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What rule 10 remembers."""

    passed_over: Mapping[tuple[Vip, str], Stamp] = field(default_factory=dict)  # until that record changes
    convictions: Mapping[Vip, Conviction] = field(default_factory=dict)
    missing: Mapping[Vip, Seconds] = field(default_factory=dict)  # since when they are not to be seen
    recheck_at: Seconds = inf


def put_together(
    service: Service, sights: Collection[Sight], standing: Collection[Vip], now: Seconds
) -> Shown:
    """Put together what the sessions show of the VIPs that we do not announce ourselves.

    A VIP is gone when it is, on every session whose silence means something and that has seen it, and is to
    be seen on none. When more than half of what is there goes at once, it is our sight that goes.
    """
    if not service.witness or not sights:
        return Shown()
    seen = frozenset[Vip]().union(*(sight.seen for sight in sights))
    clear = [sight for sight in sights if sight.clear_at <= now]
    recheck_at = min((sight.clear_at for sight in sights if sight.clear_at > now), default=inf)
    others = seen.difference(standing)
    if not clear:
        return Shown(seen=others, recheck_at=recheck_at)
    gone: dict[Vip, Seconds] = {}
    for sight in clear:
        for vip, at in sight.gone.items():
            if vip not in seen and vip not in standing:
                gone[vip] = max(at, gone.get(vip, at))
    missing = frozenset[Vip]().union(*(sight.vips for sight in clear)).difference(seen, standing)
    return Shown(
        seen=others,
        gone=_believable(gone, there=len(seen.union(standing, gone))),
        blind=missing.difference(gone),
        missing=missing,
        recheck_at=recheck_at,
    )


def _believable(gone: Mapping[Vip, Seconds], there: int) -> Mapping[Vip, Seconds]:
    if len(gone) < 2:  # one VIP alone is no crowd, though it be the only one
        return gone
    times = sorted(gone.values())

    def together(at: Seconds) -> int:
        return bisect_right(times, at + AT_ONCE) - bisect_left(times, at - AT_ONCE)

    return {vip: at for vip, at in gone.items() if not 1 < together(at) > there / 2}


def look_out(
    before: Witness, shown: Shown, stamps: Mapping[str, Stamp], times: Times, now: Seconds
) -> Witness:
    """Keep what still holds: convictions for what nobody has taken, by records that have not changed; and
    what is not to be seen.
    """
    if before == _NOTHING and shown == _SILENCE:
        return before
    missing = shown.missing or ()
    return Witness(
        passed_over={
            (vip, pod): then
            for (vip, pod), then in before.passed_over.items()
            if stamps.get(pod) == then and vip not in shown.seen
        },
        convictions={
            vip: each for vip, each in before.convictions.items() if now <= each.at + 2 * times.handback_max
        },
        missing={vip: before.missing.get(vip, now) for vip in missing},
        recheck_at=shown.recheck_at,
    )


def convict(
    witness: Witness,
    gone: Mapping[Vip, Seconds],
    suspects: Callable[[Vip, Seconds], Iterable[tuple[str, Seconds]]],
    stamps: Mapping[str, Stamp],
    *,
    read_at: Seconds | None,
    times: Times,
    now: Seconds,
) -> Witness:
    """Pass over those who should announce what is gone, once that is certain.

    Args:
        witness: what is known.
        gone: VIPs, and since when.
        suspects: who should announce one, and from when on that is held against them.
        stamps: of the records as they are, by pod-id.
        read_at: when ZooKeeper was last asked, which may know why; None: it cannot be.
        times: of the service.
        now: loop time.
    """
    passed, convictions, recheck_at = dict(witness.passed_over), dict(witness.convictions), witness.recheck_at
    for vip, at in gone.items():
        last = convictions.get(vip)
        due = at + STEADY
        if read_at is not None and read_at <= at:
            due += ASKED
        if last is not None and last.at < at:  # it was there in between
            due = max(due, last.held_until(times))
        for pod, since in suspects(vip, at):
            if pod not in stamps or (vip, pod) in passed:
                continue
            if now < max(due, since):
                recheck_at = min(recheck_at, max(due, since))
                continue
            passed[vip, pod] = stamps[pod]
            convictions[vip] = _convicted(last, at, now)
    return Witness(
        passed_over=passed, convictions=convictions, missing=witness.missing, recheck_at=recheck_at
    )


def _convicted(last: Conviction | None, gone_at: Seconds, now: Seconds) -> Conviction:
    """Several pods that are passed over for one disappearance are convicted once."""
    if last is None:
        return Conviction(at=now)
    return Conviction(at=now, count=last.count + (last.at < gone_at))


def told(witness: Witness, shown: Shown, now: Seconds) -> frozenset[Vip] | None:
    """What our record says that we cannot see; None: we could see nothing."""
    if shown.missing is None:
        return None
    return frozenset(vip for vip, since in witness.missing.items() if now >= since + UNSEEN)


def rechecks(witness: Witness, now: Seconds) -> Seconds:
    """When time alone changes what is known."""
    due = min((since + UNSEEN for since in witness.missing.values() if now < since + UNSEEN), default=inf)
    return min(witness.recheck_at, due)


def relieved(siblings: Iterable[Sibling]) -> Iterator[tuple[Vip, str]]:
    """What others announce in place of a pod that the routers had lost: if it lives, it lets go by rule 3."""
    for sibling in siblings:
        yield from sibling.record.instead_of.items()


def instead_of(witness: Witness, claims: Mapping[Vip, Rank]) -> Mapping[Vip, str]:
    """What our record says of whom we have passed over: of what we claim ourselves, and one after another."""
    found: dict[Vip, str] = {}
    for vip, pod in sorted(witness.passed_over):
        if claims.get(vip) == 0:
            found.setdefault(vip, pod)
    return found


def verified(vip: Vip, others: Iterable[Record], announced_for: Seconds) -> bool | None:
    """Whether anybody sees what we announce. None: nobody could, or it is too early to say.

    Args:
        vip: what we announce.
        others: the records of our siblings.
        announced_for: how long we have.
    """
    could = False
    for record in others:
        if record.unseen is None or vip not in record.serves or vip in record.announcing:
            continue
        if vip not in record.unseen:
            return True
        could = True
    return False if could and announced_for >= HEARD else None


_NOTHING: Final = Witness()
_SILENCE: Final = Shown()
