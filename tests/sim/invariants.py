"""The invariants of docs/coordination.md, judged at the edge after every step.

An announcer of a VIP is a pod that serves it and to which the edge has a route of the best rank. Darkness is
a violation from its first instant, unless what has happened excuses it, for these VIPs, for so long.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sim.cluster import Pod, World, prefix_of
from sim.ways import Seconds, now
from vipd.coord.member import LastResort, Service, Standby, Takeover, Vip, Word

AT_ONCE: Seconds = 0.01  # a turn of the loop, and the moment in which the world tells the pod
CARRIED: Seconds = 2.0  # for the slowest fabric to pass a withdrawal on
FIRST: Seconds = 14.0  # for a VIP that nobody ever announced: sessions, checks, ZooKeeper, or grace


class Violation(AssertionError):  # noqa: N818 - it is what happened
    """An invariant does not hold: with the seed, the time and the story so far."""

    def __init__(self, world: World, what: str) -> None:
        story = "\n".join(world.story[-60:])
        super().__init__(f"seed {world.seed}, at {now():.3f} s: {what}\n{story}\n{picture(world)}")
        self.what = what


def picture(world: World) -> str:
    """Who says what, and why, in lines for people."""
    lines = []
    for vip in world.all_vips():
        prefix = prefix_of(vip)
        lines.append(
            f"  {vip}: edge {sorted(world.fabric.believed(prefix))}, ToRs {world.fabric.announced(prefix)}"
        )
        for pod in world.pods.values():
            if pod.life is not None and (verdict := pod.life.verdicts.get(vip)):
                claim = pod.life.claims.get(vip, "-")
                lines.append(
                    f"      {pod.name}: {verdict.word} rank {verdict.rank} claim {claim} "
                    f"since {verdict.since:.3f}: {verdict.reason}"
                )
    return "\n".join(lines)


@dataclass
class Watch:
    """What is remembered of one VIP."""

    lit: bool = False  # ever
    dark_since: Seconds | None = None
    reached: int = 0  # announcers, of those that are owed
    excused_until: Seconds = 0.0
    excuse: str = ""
    believed: frozenset[str] = frozenset()


@dataclass
class Monitor:
    """Looks after every change at the edge, and whenever an excuse has run out. Keeps the first violation."""

    world: World
    watches: dict[Vip, Watch] = field(default_factory=dict)
    violation: Violation | None = None
    wanted: frozenset[Vip] = frozenset()  # by the newest configuration
    ill: int = 0  # ways in which pods may be silent now: one copy is owed, not all
    _general: tuple[Seconds, str] = (0.0, "")  # what excuses every VIP, also those to come
    moves: int = 0  # changes at the edge
    _looking: bool = False
    _since: dict[tuple[str, Vip], Seconds] = field(default_factory=dict)  # a pod must not announce it

    def __post_init__(self) -> None:
        self.world.fabric.moved = lambda _: self.look_soon()

    # ---- what the story tells ----

    def excuse(self, vips: Iterable[Vip], why: str, lasts: Seconds) -> None:
        """Let VIPs be dark for a while, and judge them anew after that."""
        until = now() + lasts
        for vip in vips:
            watch = self.watches.setdefault(vip, Watch())
            watch.reached = 0
            if until > watch.excused_until:
                watch.excused_until, watch.excuse = until, why
        asyncio.get_running_loop().call_later(lasts + 0.001, self.look)

    def excuse_all(self, why: str, lasts: Seconds) -> None:
        self._general = now() + lasts, why
        self.excuse(list(self.world.all_vips()), why, lasts)

    def pardon(self) -> None:
        """Whatever was excused is so no more."""
        self._general = 0.0, ""
        for watch in self.watches.values():
            watch.excused_until = min(watch.excused_until, now())

    def of(self, pod: Pod) -> frozenset[Vip]:
        """The VIPs that would suffer with a pod."""
        edge = {
            vip for vip in self.world.all_vips() if pod.name in self.world.fabric.believed(prefix_of(vip))
        }
        return frozenset(edge | pod.routes().keys())

    # ---- the look ----

    def look_soon(self) -> None:
        """After this turn: what one UPDATE or one fault does is seen whole."""
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self.look)

    def look(self) -> None:
        self._looking = False
        if self.violation is not None:
            return
        try:
            error = self.world.failed()
            if error is not None:
                raise Violation(self.world, f"a pod died: {error!r}") from error
            for vip in self.world.all_vips():
                self._light(vip)
            for pod in self.world.pods.values():
                self._zombie(pod)
        except Violation as violation:
            self.violation = violation

    def fit(self, vip: Vip) -> list[Pod]:
        """The pods that ought to be able to take it."""
        return [
            pod
            for pod in self.world.pods.values()
            if pod.running
            and (service := pod.service_of(vip)) is not None
            and pod.serves(vip)
            and not pod.leaving
            and pod.id not in self.world.drains
            and pod.life is not None
            and pod.life.probed
            and self.connected(pod, service)
        ]

    def connected(self, pod: Pod, service: Service) -> bool:
        """A ToR of its carries what it says to the edge, and it has as many sessions as it needs."""
        fabric, network = self.world.fabric, self.world.network
        lines = {(line.pod, line.tor) for line in fabric.lines if line.up} | fabric.attached
        up = [tor for tor in pod.tors if (pod.name, tor) in lines and network.reaches(pod.name, tor)]
        return len(up) >= service.min_sessions and any(map(fabric.whole, up))

    def services(self, vip: Vip) -> list[Service]:
        """As every pod that serves a VIP is configured."""
        return [service for pod in self.world.pods.values() if (service := pod.service_of(vip)) is not None]

    def announcers(self, vip: Vip) -> frozenset[str]:
        pods = self.world.pods
        return frozenset(
            name for name in self.world.fabric.believed(prefix_of(vip)) if pods[name].serves(vip)
        )

    def _light(self, vip: Vip) -> None:
        watch = self.watches.setdefault(vip, Watch())
        announcers = self.announcers(vip)
        if announcers != watch.believed:
            self.moves += 1
            self.world.tell(f"    {vip}: edge {sorted(announcers)}")
            watch.believed = announcers
        fit = self.fit(vip)
        services = self.services(vip)
        # From one number of copies to another, pods are told one by one.
        copies = 1 if self.ill else min(service.copies for service in services)
        absent = services[0].name in self.world.maintenance or vip not in self.wanted
        owed = 0 if absent else min(copies, len({pod.id for pod in fit}))
        if announcers and not watch.lit:
            watch.lit = True
        if not owed:
            watch.reached, watch.dark_since = 0, None
            return
        if announcers:
            watch.dark_since = None
        elif watch.dark_since is None:
            watch.dark_since = now()
        excused = now() <= max(watch.excused_until, self._general[0])
        if not announcers and not excused:
            if watch.lit:
                raise Violation(
                    self.world,
                    f"BLACK HOLE {vip}, since {watch.dark_since:.3f}; fit: {[pod.name for pod in fit]}; "
                    f"last excuse: {watch.excuse or 'none'} until {watch.excused_until:.3f}",
                )
            self.excuse([vip], "nobody has ever announced it", FIRST)
            watch.lit = True  # from then on it counts
        if not excused and len(announcers) < min(owed, watch.reached):
            raise Violation(
                self.world,
                f"FEWER COPIES of {vip}: {sorted(announcers)} of {min(owed, watch.reached)}; "
                f"fit: {[pod.name for pod in fit]}",
            )
        watch.reached = min(owed, max(watch.reached, len(announcers)))

    def _zombie(self, pod: Pod) -> None:
        if not pod.running:
            return
        for service in pod.services.values():
            if service.last_resort is not LastResort.KEEP:
                self._dead(pod, service)

    def _dead(self, pod: Pod, service: Service) -> None:
        routes, maintenance = pod.routes(), service.name in self.world.maintenance
        for vip in service.vips:
            key = pod.name, vip
            if pod.serves(vip) and not maintenance:
                self._since.pop(key, None)
                continue
            since = self._since.setdefault(key, now())
            patience = CARRIED if maintenance else AT_ONCE
            if maintenance and pod.serves(vip):
                patience = max(patience, self.world.maintenance_takes)
            if vip in routes and now() > since + patience:
                raise Violation(self.world, f"ZOMBIE {pod.name} announces {vip}, which it must not")
            if now() <= since + patience:
                asyncio.get_running_loop().call_at(since + patience + 0.001, self.look)

    # ---- at rest ----

    def unquiet(self) -> str:
        """Why the world is not as it ought to be when all is well; nothing if it is."""
        fabric = self.world.fabric
        lines: dict[Vip, set[object]] = {}
        for vip in self.world.all_vips():
            fit = self.fit(vip)
            service = fit[0].service_of(vip) if fit else None
            told = fabric.announced(prefix_of(vip))
            ranks = {pod.name: pod.routes()[vip] for pod in self.world.pods.values() if vip in pod.routes()}
            if set(told) != set(ranks):
                return f"{vip}: the ToRs believe {told}, the pods say {ranks}"
            if service is None:
                continue
            if service.name in self.world.maintenance:
                if ranks:
                    return f"{vip}: announced by {ranks} in maintenance"
                continue
            if why := self._ranked(vip, service, fit, ranks):
                return why
            lines[vip] = {pod.life.lines.get(vip) for pod in fit if pod.life is not None}
            if len(lines[vip]) > 1:
                return f"{vip}: no AGREEMENT: {lines[vip]}"
        return ""

    def _ranked(self, vip: Vip, service: Service, fit: Sequence[Pod], ranks: Mapping[str, int]) -> str:
        """Why those who announce a VIP are not those who ought to, at the ranks they ought to."""
        first = sorted(name for name, rank in ranks.items() if rank == 0)
        others = sorted(rank for rank in ranks.values() if rank > 0)
        ids = {pod.id for pod in fit}
        count, pin = min(service.copies, len(ids)), service.pins.get(vip)
        if service.takeover is Takeover.ALL and pin and pin not in ids:
            count = len(ids)
        if len(first) != count:
            return f"{vip}: rank 0 at {first}, owed {count} of {[pod.name for pod in fit]}"
        if pin in ids and pin not in {self.world.pods[name].id for name in first}:
            return f"{vip}: pinned to {pin}, at {first}"
        standbys = min(service.standbys, len(ids) - count) if service.standby is Standby.HOT else 0
        if others != list(range(1, standbys + 1)):
            return f"{vip}: standbys at ranks {others}, owed {standbys}"
        return ""

    async def settle(self, within: Seconds, *, still: Seconds = 8.0) -> None:
        """Wait for quiet: as it ought to be, and no UPDATE for a while. Raises Violation."""
        deadline = now() + within
        while True:
            self.check()
            why = self.unquiet()
            if not why:
                before = self.world.fabric.updates
                await asyncio.sleep(still)
                self.check()
                why = self.unquiet() or (
                    "UPDATEs are being sent" if self.world.fabric.updates != before else ""
                )
                if not why:
                    return
            if any(self._damped(pod) for pod in self.world.pods.values()):
                deadline = now() + within  # what is damped has to run out first
            if now() > deadline:
                raise Violation(self.world, f"NOT QUIET within {within:g} s: {why}")
            await asyncio.sleep(0.5)

    @staticmethod
    def _damped(pod: Pod) -> bool:
        verdicts = {} if pod.life is None else pod.life.verdicts
        return any(verdict.word is Word.DAMPED for verdict in verdicts.values())

    def check(self) -> None:
        self.look()
        if self.violation is not None:
            raise self.violation

    def snapshot(self) -> Mapping[str, Mapping[Vip, int]]:
        """What every pod wants said."""
        return {name: dict(pod.routes()) for name, pod in self.world.pods.items()}
