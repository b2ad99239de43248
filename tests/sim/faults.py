"""Stories: what befalls a world, drawn from its seed.

Three kinds. *Gentle*: planned moves, and whatever of ZooKeeper fails; nothing is ever dark. *Calm*: one fault
after another, each judged by itself. *Storm*: everything at once; then the world is mended and must be quiet.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from sim.cluster import ROOT, SERVICE, Pod, World, vips
from sim.heavy import Links
from sim.invariants import Monitor, Violation
from sim.ways import Seconds
from vipd.coord.directory import ANY_VERSION, Create, Delete, DirectoryRefused
from vipd.coord.layout import member_path
from vipd.coord.member import Service, Standby, Takeover, Times, Vip

TIMES = Times(settle=1.0, drain_timeout=30.0)
OCTETS = 0.1  # of gentle stories: sessions speak real octets
LATER: Seconds = 12.0  # what may pass after a fault until all is known: T, 2T, claim-timeout, settle


class Story:
    """One world, what befalls it, and what is asked of it."""

    def __init__(self, seed: int, *, kind: str = "") -> None:
        self.world = World(seed, session_timeout=3.0)
        world = self.world
        self.random = random = world.random
        self.kind = kind or random.choice(("gentle", "gentle", "calm", "storm"))
        if random.random() < 0.3:
            slow = random.choice(sorted(name for name in world.fabric.routers if name.startswith("tor")))
            world.fabric.set_pace(slow, random.uniform(0.05, 0.25))
        self.octets = self.kind == "gentle" and random.random() < OCTETS
        world.fabric.honours_shutdown = random.random() < 0.3
        self.monitor = Monitor(world)
        self.service = self._draw_service()
        self.monitor.wanted = frozenset(self.service.vips)
        racks = list(world.racks)
        for n in range(random.randint(2, 5)):
            world.add(
                f"p{n}",
                self.service,
                rack=racks[n % 2] if random.random() < 0.8 else random.choice(racks),
                weight=random.choice((1, 1, 1, 2)),
            )
        self.spare = world.add("spare", self.service, rack=random.choice(racks))
        self.tell = world.tell

    def _draw_service(self) -> Service:
        random = self.random
        all_vips = vips(random.choice((1, 2, 4, 6, 9)))
        pins: dict[Vip, str] = {}
        if random.random() < 0.4:
            pins = {vip: f"p{random.randint(0, 2)}" for vip in all_vips if random.random() < 0.6}
        hot = random.random() < 0.25
        return Service(
            name=SERVICE,
            vips=all_vips,
            pins=pins,
            takeover=Takeover.ALL if pins and random.random() < 0.2 else Takeover.ONE,
            copies=random.choice((1, 1, 1, 2)),
            standby=Standby.HOT if hot else Standby.NONE,
            times=TIMES,
        )

    # ---- the course of it ----

    async def run(self) -> Monitor:
        if self.octets:
            self.world.links = Links(self.world.fabric)
            async with self.world.links.up():
                await self._live()
        else:
            await self._live()
        return self.monitor

    async def _live(self) -> None:
        world = self.world
        sessions = "sessions of octets" if self.octets else "light sessions"
        try:
            self.tell(f"{self.kind}: {len(world.pods) - 1} pods, {sessions}, {self.service}")
            await self._begin()
            match self.kind:
                case "gentle":
                    await self._gently()
                case "calm":
                    await self._calmly()
                case _:
                    await self._storm()
            self.monitor.check()
        finally:
            await world.end()

    async def _begin(self) -> None:
        everybody = [pod for pod in self.world.pods.values() if pod is not self.spare]
        zookeeper_late = self.kind == "storm" and self.random.random() < 0.2
        if zookeeper_late:
            self.tell("the hall's power returns before ZooKeeper")
            self._ensemble_down()
        for pod in everybody:
            pod.start()
            await self._pause(0.0, 1.0)
        if zookeeper_late:
            self.monitor.ill += 1  # the pinned pod of a VIP is preferred to all copies (rule 8)
            await self._pause(5, 40)
            self.monitor.excuse_all("ZooKeeper came late", LATER)
            self._ensemble_up()
        await self.monitor.settle(45)
        self.monitor.ill = 0
        self.tell("quiet")

    async def _gently(self) -> None:
        """Several planned moves at a time, while ZooKeeper is ill."""
        moves = [
            self._restart, self._restart, self._drain_and_return, self._drain_and_return, self._scale,
            self._reconfigure, self._reconfigure, self._slow_zookeeper, self._lag, self._server_restart,
            self._expire, self._partition, self._lost_answer, self._outage, self._stall, self._junk,
        ]  # fmt: skip
        for _ in range(self.random.randint(2, 4)):
            together = self.random.sample(moves, self.random.randint(1, 3))
            async with asyncio.TaskGroup() as group:
                for move in together:
                    group.create_task(self._after_a_while(move))
            self.monitor.check()
            if self.random.random() < 0.5:
                await self._mended()
                await self.monitor.settle(60)
                self.tell("quiet")
        await self._mended()
        await self.monitor.settle(60)

    async def _calmly(self) -> None:
        """One fault, then quiet, then the next."""
        faults = [
            self._crash_alone, self._crash_alone, self._fail_alone, self._hold, self._join,
            self._tor_down, self._outage_without_data,
        ]  # fmt: skip
        for fault in self.random.sample(faults, self.random.randint(2, 3)):
            await fault()
            await self._mended()
            await self.monitor.settle(60)
            self.tell("quiet")

    async def _storm(self) -> None:
        """Anything, at any time; nothing but zombies is forbidden until it is over."""
        faults = [
            self._crash, self._crash, self._flap, self._flap, self._stall, self._long_stall,
            self._partition, self._expire, self._outage, self._restart, self._drain_and_return,
            self._reconfigure, self._tor_trouble, self._tor_trouble, self._lag, self._slow_zookeeper,
            self._lost_answer, self._junk, self._maintain, self._server_restart, self._outage_without_data,
            self._twin,
        ]  # fmt: skip
        self.monitor.excuse_all("storm", 10_000)
        async with asyncio.TaskGroup() as group:
            for fault in self.random.sample(faults, self.random.randint(3, 8)):
                group.create_task(self._after_a_while(fault, 20.0))
        await self._mended()
        self.tell("the storm is over")
        self.monitor.pardon()
        self.monitor.excuse_all("the storm was just over", LATER + 10)
        # Damping of some flaps may have to run out: 5, 10, 20 s.
        await self.monitor.settle(90)

    async def _after_a_while(self, move: Callable[[], Awaitable[None]], most: Seconds = 5.0) -> None:
        await self._pause(0, most)
        if move in (
            self._slow_zookeeper, self._lag, self._server_restart, self._expire, self._partition,
            self._lost_answer, self._stall, self._outage,
        ):  # fmt: skip
            async with self._ill():
                await move()
        else:
            await move()

    async def _mended(self) -> None:
        """Everything works again, and everybody is there."""
        for pod in self.world.pods.values():
            pod.healthy, pod.broken = True, frozenset()
            if pod.life is not None and pod.life.process.stopped:
                pod.resume()
            if not pod.alive and pod is not self.spare and pod.name == pod.id:
                self.tell(f"{pod.name} starts")
                pod.start()
            pod.tell_health()
        await asyncio.sleep(0)

    # ---- parts ----

    async def _pause(self, least: Seconds, most: Seconds) -> None:
        await asyncio.sleep(self.random.uniform(least, most))

    def _pod(self, accept: Callable[[Pod], bool] = lambda _: True) -> Pod | None:
        """Draw a pod that runs; None: there is none but needed ones."""
        able = [
            pod
            for pod in self.world.pods.values()
            if pod.running and not pod.leaving and pod is not self.spare and accept(pod)
        ]
        return self.random.choice(able) if able else None

    def _ensemble_down(self) -> None:
        for name in self.world.ensemble.servers:
            if self.world.ensemble.servers[name].up:
                self.world.ensemble.kill(name)

    def _ensemble_up(self) -> None:
        for name in self.world.ensemble.servers:
            if not self.world.ensemble.servers[name].up:
                self.world.ensemble.start(name)

    async def _until_left(self, pod: Pod) -> None:
        if pod.life is not None:
            await asyncio.wait((pod.life.task,))

    # ---- planned moves ----

    async def _restart(self) -> None:
        """One pod after another, each by SIGTERM."""
        for pod in self.random.sample(list(self.world.pods.values()), self.random.randint(1, 2)):
            if pod is self.spare or not pod.running or pod.leaving or self._last(pod):
                continue
            self.tell(f"{pod.name} is told to leave")
            pod.terminate()
            await self._until_left(pod)
            self.tell(f"{pod.name} has left")
            await self._pause(0.1, 4)
            if not pod.alive:
                pod.start()
                self.tell(f"{pod.name} starts")
            await self._pause(4, 8)

    def _last(self, pod: Pod) -> bool:
        """Whether nobody else could serve what it serves, for certain and for a while."""
        if self.kind == "storm":
            return False
        steady = [each for each in self.world.pods.values() if each is not pod and each.name in self.steady()]
        return not steady or not self.world.ensemble.ready

    def steady(self) -> set[str]:
        return {
            pod.name
            for pod in self.world.pods.values()
            if pod.running
            and not pod.leaving
            and pod.id not in self.world.drains
            and pod.healthy
            and not pod.broken
            and pod.life is not None
            and pod.life.probed
        }

    async def _drain_and_return(self) -> None:
        pod = self._pod(lambda pod: not self._last(pod))
        if pod is None or not self.world.ensemble.ready:
            return
        self.tell(f"{pod.name} is drained")
        await self.world.drain(pod.id)
        await self._pause(2, 12)
        self.tell(f"{pod.name} is undrained")
        await self.world.drain(pod.id, on=False)
        await self._pause(2, 5)

    async def _scale(self) -> None:
        if self.spare.alive:
            return
        self.tell("spare joins")
        self.spare.start()
        await self._pause(3, 15)
        self.tell("spare is told to leave")
        self.spare.terminate()
        await self._until_left(self.spare)

    async def _reconfigure(self) -> None:
        """From configuration X to X+1, pod by pod: a VIP more or less, pins moved, other weights."""
        before = self.service
        chosen = self.random.choice(("add", "remove", "pins"))
        all_vips, pins = before.vips, dict(before.pins)
        if chosen == "add":
            all_vips = (*all_vips, Vip(f"192.0.2.{100 + self.random.randint(0, 100)}"))
        elif chosen == "remove" and len(all_vips) > 1:
            all_vips = all_vips[1:]
        elif pins:
            names = [f"p{n}" for n in range(3)]
            pins = {vip: self.random.choice(names) for vip in pins}
        pins = {vip: pod for vip, pod in pins.items() if vip in all_vips}
        self.service = replace(before, vips=tuple(dict.fromkeys(all_vips)), pins=pins)
        self.tell(f"new configuration ({chosen}): {len(self.service.vips)} VIPs, pins {dict(pins)}")
        self.monitor.wanted = frozenset(self.service.vips)
        for pod in list(self.world.pods.values()):
            pod.configure(self.service)
            await self._pause(0, 2)

    # ---- ZooKeeper ----

    @asynccontextmanager
    async def _ill(self) -> AsyncIterator[None]:
        """While inside, and a while longer, a pod may be silent for more than claim-timeout."""
        self.monitor.ill += 1
        try:
            yield
            await asyncio.sleep(3)
        finally:
            self.monitor.ill -= 1

    async def _slow_zookeeper(self) -> None:
        name = self.random.choice([*self.world.ensemble.servers, *self.world.pods])
        slow = self.random.uniform(0.05, 0.4)
        self.tell(f"the way to {name} takes {slow:.2f} s more")
        self.world.network.slow[name] = slow
        await self._pause(3, 15)
        self.world.network.slow.pop(name, None)

    async def _lag(self) -> None:
        name = self.random.choice(list(self.world.ensemble.servers))
        server = self.world.ensemble.servers[name]
        server.lag = self.random.uniform(0.1, 5.0)
        self.tell(f"{name} lags {server.lag:.2f} s behind")
        await self._pause(4, 20)
        server.lag = 0.0

    async def _server_restart(self) -> None:
        name = self.random.choice(list(self.world.ensemble.servers))
        if not self.world.ensemble.ready:
            return
        silent = self.random.random() < 0.3
        self.tell(f"{name} is {'stopped' if silent else 'killed'}")
        (self.world.ensemble.stop if silent else self.world.ensemble.kill)(name)
        await self._pause(1, 10)
        self.tell(f"{name} is back")
        (self.world.ensemble.resume if silent else self.world.ensemble.start)(name)
        await self._pause(1, 3)

    async def _expire(self) -> None:
        sessions = self.world.ensemble.sessions
        if sessions and self.world.ensemble.ready:
            session = self.random.choice(sorted(sessions))
            self.tell(f"session {session:#x} is expired")
            self.world.ensemble.expire(session)

    async def _partition(self) -> None:
        """A pod and one, some or all servers do not hear each other, or one does not hear the other."""
        pod = self._pod()
        if pod is None:
            return
        servers = self.random.sample(list(self.world.ensemble.servers), self.random.choice((1, 2, 3, 3)))
        both = self.random.random() < 0.7
        self.tell(f"{pod.name} is cut off from {servers}{'' if both else ', one way'}")
        for server in servers:
            self.world.network.cut(pod.name, server, both=both)
        await self._pause(0.5, 20)
        for server in servers:
            self.world.network.mend(pod.name, server)
        self.tell(f"{pod.name} reaches {servers} again")

    async def _lost_answer(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            which = self.random.choice(("Transaction", "Transaction", "SetData", "Create2"))
            self.tell(f"the answer to the next {which} is lost")
            self.world.ensemble.deaf_to.add(which)
            await self._pause(0.5, 5)
        self.world.ensemble.deaf_to.clear()

    async def _outage(self) -> None:
        """ZooKeeper alone is away; a pod that stops meanwhile is not our matter."""
        if not self.world.ensemble.ready:
            return
        self.tell("ZooKeeper is down")
        self._ensemble_down()
        await asyncio.sleep(self.random.choice((1.0, 4.0, 15.0, 60.0)) * self.random.uniform(0.5, 1.5))
        self._ensemble_up()
        self.tell("ZooKeeper is back")
        await self._pause(8, 12)

    async def _outage_without_data(self) -> None:
        if not self.world.ensemble.ready or self.world.drains or self.world.maintenance:
            return
        self.tell("ZooKeeper is down")
        self._ensemble_down()
        await self._pause(2, 30)
        self._ensemble_down()  # whoever started one meanwhile
        self.world.ensemble.lose_everything()
        self._ensemble_up()
        self.tell("ZooKeeper is back, and has forgotten everything")
        await self._pause(12, 25)

    async def _junk(self) -> None:
        """A record that nobody can read."""
        path = member_path(ROOT, SERVICE, "stranger~1f")
        octets = self.random.choice((b"", b"{", b'{"schema":9}', b"x" * 600_000))
        self.tell(f"somebody writes {octets[:20]!r} into {path}")
        try:
            self.world.ensemble.by_hand(Create(path=path, data=octets))
        except DirectoryRefused:
            return
        await self._pause(2, 8)
        try:
            self.world.ensemble.by_hand(Delete(path=path, version=ANY_VERSION))
        except DirectoryRefused:
            return

    # ---- pods ----

    async def _stall(self) -> None:
        """SIGSTOP, for a while that its ToRs may or may not bear."""
        pod = self._pod(lambda pod: not self._last(pod))
        if pod is None:
            return
        lasts = self.random.choice((0.5, 2.0, 5.0)) * self.random.uniform(0.5, 1.2)
        await self._stall_for(pod, lasts)

    async def _long_stall(self) -> None:
        pod = self._pod()
        if pod is not None:
            await self._stall_for(pod, self.random.uniform(8, 25))

    async def _stall_for(self, pod: Pod, lasts: Seconds) -> None:
        self.tell(f"{pod.name} is stopped")
        life = pod.life
        pod.stop()
        await asyncio.sleep(lasts)
        if pod.life is life and pod.life is not None and pod.life.process.stopped:
            pod.resume()
            self.tell(f"{pod.name} continues")

    async def _crash(self) -> None:
        pod = self._pod()
        if pod is None:
            return
        silently = self.random.random() < 0.4
        self.monitor.excuse(self.monitor.of(pod), f"{pod.name} crashed", self.world.session_timeout + 1)
        self.tell(f"{pod.name} {'loses its power' if silently else 'crashes'}")
        pod.crash(silently=silently)
        await self._pause(0.5, 20)
        if not pod.alive:
            pod.start()
            self.tell(f"{pod.name} starts")

    async def _flap(self) -> None:
        pod = self._pod()
        if pod is None:
            return
        for _ in range(self.random.randint(1, 3)):
            self._fail(pod)
            await self._pause(0.2, 4)
            pod.healthy, pod.broken = True, frozenset()
            self.tell(f"{pod.name} is healthy")
            pod.tell_health()
            await self._pause(0.2, 6)

    def _fail(self, pod: Pod) -> None:
        suffering = self.monitor.of(pod)
        self.monitor.excuse(suffering, f"{pod.name} failed", 1.5 + self.world.session_timeout)
        if self.random.random() < 0.5:
            pod.healthy = False
            self.tell(f"{pod.name} is unhealthy")
        else:
            count = self.random.randint(1, len(pod.service.vips))
            pod.broken = frozenset(self.random.sample(pod.service.vips, count))
            self.tell(f"{pod.name} is unhealthy for {sorted(pod.broken)}")
        pod.tell_health()

    async def _tor_trouble(self) -> None:
        fabric = self.world.fabric
        tor = self.random.choice([tor for rack in self.world.racks.values() for tor in rack])
        what = self.random.choice(("down", "deaf", "frozen", "uplinks"))
        if not fabric.whole(tor):
            return
        self.tell(f"{tor}: {what}")
        {
            "down": fabric.stop_tor,
            "deaf": fabric.deaf.add,
            "frozen": fabric.freeze,
            "uplinks": fabric.lose_uplinks,
        }[what](tor)
        await self._pause(1, 25)
        match what:
            case "down":
                fabric.start_tor(tor)
            case "uplinks":
                fabric.mend_uplinks(tor)
            case _:
                fabric.hear_again(tor)
        self.tell(f"{tor} is well")

    async def _maintain(self) -> None:
        if not self.world.ensemble.ready:
            return
        self.world.maintenance_takes = 120.0  # in a storm ZooKeeper may be away just now
        self.tell("maintenance")
        await self.world.maintain()
        await self._pause(2, 10)
        await self.world.maintain(on=False)
        self.tell("maintenance is over")

    async def _twin(self) -> None:
        """Two pods with one id."""
        elder = self._pod()
        if elder is None:
            return
        name = f"{elder.name}-twin"
        if name in self.world.pods:
            return
        twin = self.world.add(name, self.service, rack=elder.zone, pod_id=elder.id)
        self.tell(f"{name} starts with the id of {elder.name}")
        twin.start()
        await self._pause(3, 15)
        if twin.alive:
            twin.crash()
            self.tell(f"{name} crashes")

    # ---- one fault at a time, with what it may cost ----

    async def _crash_alone(self) -> None:
        """A death moves only the dead pod's VIPs."""
        pod = self._pod(lambda pod: not self._last(pod))
        if pod is None:
            return
        suffering, before = self.monitor.of(pod), self.monitor.snapshot()
        silently = self.random.random() < 0.4
        self.tell(f"{pod.name} {'loses its power' if silently else 'crashes'}")
        self.monitor.excuse(suffering, f"{pod.name} crashed", self.world.session_timeout + 1)
        pod.crash(silently=silently)
        await asyncio.sleep(self.world.session_timeout + 1)
        await self.monitor.settle(40)
        self._same(before, pod, suffering)
        pod.start()
        self.tell(f"{pod.name} starts")

    async def _fail_alone(self) -> None:
        pod = self._pod(lambda pod: not self._last(pod))
        if pod is None:
            return
        suffering, before = self.monitor.of(pod), self.monitor.snapshot()
        self.tell(f"{pod.name} is unhealthy")
        self.monitor.excuse(suffering, f"{pod.name} failed", 1.0)
        pod.healthy = False
        pod.tell_health()
        await asyncio.sleep(1)
        await self.monitor.settle(40)
        self._same(before, pod, suffering)

    def _same(self, before: Mapping[str, Mapping[Vip, int]], gone: Pod, suffering: frozenset[Vip]) -> None:
        after = self.monitor.snapshot()
        if self.service.copies > 1:
            return  # who has one copy is no candidate for another: a bound may be exceeded, and then mended
        for name in before.keys() - {gone.name}:
            for vip in set(self.world.all_vips()) - suffering:
                if before[name].get(vip) != after[name].get(vip):
                    raise Violation(self.world, f"MOVED: {vip} at {name}, when {gone.name} was gone")

    async def _hold(self) -> None:
        """ZooKeeper alone is away, for long: nothing changes, not one UPDATE."""
        before, updates = self.monitor.snapshot(), self.world.fabric.updates
        self.tell("ZooKeeper is down")
        self._ensemble_down()
        await asyncio.sleep(self.random.choice((5.0, 30.0, 120.0, 300.0)))
        self._ensemble_up()
        self.tell("ZooKeeper is back")
        await asyncio.sleep(20)
        if self.world.fabric.updates != updates or self.monitor.snapshot() != before:
            raise Violation(
                self.world, f"NOT HELD: {self.world.fabric.updates - updates} UPDATEs; before: {before}"
            )

    async def _join(self) -> None:
        """A join moves at most what is above the new bounds."""
        if self.spare.alive:
            return
        before = self.monitor.snapshot()
        self.tell("spare joins")
        self.spare.start()
        await asyncio.sleep(3)
        await self.monitor.settle(40)
        after = self.monitor.snapshot()
        if not self.service.pins and self.service.copies == 1:
            weights = {name: pod.weight for name, pod in self.world.pods.items() if pod.alive}
            whole, count = sum(weights.values()), len(self.service.vips)
            bounds = {name: -(-weight * count // whole) for name, weight in weights.items()}
            held = {name: [vip for vip, rank in before[name].items() if rank == 0] for name in before}
            above = sum(max(0, len(held[name]) - bounds.get(name, 0)) for name in held)
            moved = sum(1 for name in held for vip in held[name] if after[name].get(vip) != 0)
            if moved > above:
                raise Violation(self.world, f"MOVED {moved} at a join, at most {above}: {before} {after}")
        self.tell("spare is told to leave")
        self.spare.terminate()
        await self._until_left(self.spare)

    async def _tor_down(self) -> None:
        tor = self.random.choice([tor for rack in self.world.racks.values() for tor in rack])
        self.tell(f"{tor}: down")
        self.world.fabric.stop_tor(tor)
        await self._pause(2, 20)
        self.world.fabric.start_tor(tor)
        self.tell(f"{tor} is well")


async def live(seed: int, *, kind: str = "") -> Monitor:
    """Live through the story of a seed. Raises Violation."""
    return await Story(seed, kind=kind).run()
