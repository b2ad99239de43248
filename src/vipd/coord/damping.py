"""Rule 9: a pod whose eligibility for a VIP flaps takes it back later each time, and says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from vipd.coord.member import Seconds, Times, Vip


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaps:
    """What is remembered of one VIP that was lost at least once. Ten thousand VIPs may share one."""

    count: int = 1  # as of the last one
    fit_since: Seconds | None = None  # None: not fit for it now
    waived: bool = False  # until the next flap

    def delay(self, times: Times) -> Seconds:
        return min(times.handback_delay * 2.0 ** min(self.count - 1, 64), times.handback_max)

    def ready_at(self, times: Times) -> Seconds:
        """When it may be taken back; infinity while it is not fit."""
        if self.fit_since is None:
            return inf
        return self.fit_since if self.waived else self.fit_since + self.delay(times)

    def forgotten(self, now: Seconds, times: Times) -> int:
        """How many flaps count no more: one for each `handback-max` of being fit."""
        return 0 if self.fit_since is None else int((now - self.fit_since) / times.handback_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damping:
    """What rule 9 remembers: by VIP, and for which VIPs the pod was fit at the last look."""

    flaps: Mapping[Vip, Flaps] = field(default_factory=dict)
    fit: frozenset[Vip] = frozenset()

    def damped(self, now: Seconds, times: Times) -> frozenset[Vip]:
        """The VIPs that are fit, and not to be taken back yet."""
        return frozenset(
            vip for vip, each in self.flaps.items() if vip in self.fit and now < each.ready_at(times)
        )

    def recheck_at(self, now: Seconds, times: Times) -> Seconds:
        return min(
            (at for each in self.flaps.values() if now < (at := each.ready_at(times))),
            default=inf,
        )


def observe(
    damping: Damping,
    fit: frozenset[Vip],
    vips: frozenset[Vip],
    *,
    deliberate: bool,
    now: Seconds,
    times: Times,
) -> Damping:
    """Learn for which VIPs the pod is fit now.

    Args:
        damping: what was known.
        fit: the VIPs for which nothing is wrong here.
        vips: all that the service has: what is not configured any more is forgotten, and did not flap.
        deliberate: the pod is told to go or to drain, so that nothing that happens to it is a flap.
        now: loop time.
        times: of the service.
    """
    lost = frozenset[Vip]() if deliberate else (damping.fit - fit) & vips
    if not lost and not damping.flaps:
        return Damping(fit=fit)
    stepped: dict[tuple[int | None, bool, bool], Flaps | None] = {}  # VIPs that flap together stay together
    flaps: dict[Vip, Flaps] = {}
    for vip in lost | damping.flaps.keys() & vips:
        before = damping.flaps.get(vip)
        change = (id(before), vip in lost, vip in fit)
        if change not in stepped:
            stepped[change] = _step(before, lost=vip in lost, fit=vip in fit, now=now, times=times)
        after = stepped[change]
        if after is not None:
            flaps[vip] = after
    return Damping(flaps=flaps, fit=fit)


def waive(damping: Damping, vips: frozenset[Vip]) -> Damping:
    """Waive what damps these VIPs, until their next flap: nobody else serves them."""
    if not vips:
        return damping
    waived = {
        id(each): Flaps(count=each.count, fit_since=each.fit_since, waived=True)
        for each in damping.flaps.values()
    }
    flaps = {vip: waived[id(each)] if vip in vips else each for vip, each in damping.flaps.items()}
    return Damping(flaps=flaps, fit=damping.fit)


def _step(before: Flaps | None, *, lost: bool, fit: bool, now: Seconds, times: Times) -> Flaps | None:
    """Return what is remembered of a VIP next; None: nothing any more."""
    if before is None:
        return Flaps()
    left = before.count - before.forgotten(now, times)
    if lost:
        return Flaps(count=max(left, 0) + 1)
    if left <= 0:
        return None
    if fit is (before.fit_since is not None):
        return before
    return Flaps(count=left, fit_since=now if fit else None, waived=before.waived)
