"""Stories: what befalls a world, drawn from its seed.

Three kinds. *Gentle*: planned moves, and whatever of ZooKeeper fails; nothing is ever dark. *Calm*: one fault
after another, each judged by itself. *Storm*: everything at once; then the world is mended and must be quiet.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from algorithms import RESTLESS
from sim.cluster import ROOT, SERVICE, Pod, World, vips
from sim.heavy import Links
from sim.invariants import Monitor, Violation
from sim.ways import Seconds
from vipd.coord.directory import ANY_VERSION, Create, Delete, DirectoryRefused
from vipd.coord.layout import member_path
from vipd.coord.member import LastResort, Service, Standby, Takeover, Times, Vip
from vipd.coord.placement import ALGORITHMS

TIMES = Times(settle=1.0, drain_timeout=30.0)
OCTETS = 0.1  # of gentle stories: sessions speak real octets
NETS = {SERVICE: "192.0.2", "dns": "198.51.100", "ntp": "203.0.113"}  # of services
HOURS = 0.05  # of storms, and of outages in calm stories: ZooKeeper is away for hours
LONG: Seconds = 60.0  # of an outage
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
        names = list(NETS)[: random.choice((1, 1, 1, 2, 3))]
        self.services = {name: self._draw_service(name) for name in names}
        self._want()
        racks = list(world.racks)
        for n in range(random.randint(2, 5)):
            world.add(
                f"p{n}",
                *self._some(everybody=n < 2),
                rack=racks[n % 2] if random.random() < 0.8 else random.choice(racks),
                weight=random.choice((1, 1, 1, 2)),
            )
        self.spare = world.add("spare", *self._some(everybody=True), rack=random.choice(racks))
        self.tell = world.tell

    def _draw_service(self, name: str) -> Service:
        random = self.random
        all_vips = vips(random.choice((1, 2, 4, 6, 9) if name == SERVICE else (1, 2, 3)), NETS[name])
        pins: dict[Vip, str] = {}
        if random.random() < 0.4:
            pins = {vip: f"p{random.randint(0, 2)}" for vip in all_vips if random.random() < 0.6}
        hot = random.random() < 0.25
        return Service(
            name=name,
            vips=all_vips,
            pins=pins,
            takeover=Takeover.ALL if pins and random.random() < 0.2 else Takeover.ONE,
            copies=random.choice((1, 1, 1, 2)),
            standby=Standby.HOT if hot else Standby.NONE,
            standbys=random.choice((1, 1, 2)),
            last_resort=LastResort.KEEP if random.random() < 0.1 else LastResort.WITHDRAW,
            min_sessions=random.choice((1, 1, 1, 1, 2)),
            witness=not self.octets and random.random() < 0.4,
            times=TIMES,
        )

    def _some(self, *, everybody: bool) -> list[Service]:
        """Draw the services of one pod; there is always one."""
        first, *others = self.services.values()
        chosen = [each for each in others if everybody or self.random.random() < 0.6]
        return chosen if chosen and not everybody and self.random.random() < 0.2 else [first, *chosen]

    def _want(self) -> None:
        self.monitor.wanted = frozenset(vip for each in self.services.values() for vip in each.vips)

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
            self.tell(f"{self.kind}: {len(world.pods) - 1} pods, {sessions}, {list(self.services.values())}")
            for pod in world.pods.values():
                self.tell(f"{pod.name} in {pod.zone}, weight {pod.weight}, serves {list(pod.services)}")
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
            self._upgrade, self._lonely_server, self._clock_jump,
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
            self._tor_down, self._outage_without_data, self._cable,
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
            self._twin, self._upgrade, self._lonely_server, self._clock_jump, self._cable, self._fibre,
        ]  # fmt: skip
        self.monitor.excuse_all("storm", 10_000)
        async with asyncio.TaskGroup() as group:
            for fault in self.random.sample(faults, self.random.randint(3, 8)):
                group.create_task(self._after_a_while(fault, 20.0))
            if self.random.random() < HOURS:
                group.create_task(self._hours())
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
            self._lost_answer, self._stall, self._outage, self._lonely_server,
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

    async def _without_zookeeper(self, lasts: Seconds) -> None:
        """Take it away for so long. A minute and more is told faster where nobody can refuse anything."""
        if lasts < LONG:
            self.tell("ZooKeeper is down")
            self._ensemble_down()
        else:
            self.tell("ZooKeeper is without power")
            for name in self.world.ensemble.servers:
                self.world.ensemble.unplug(name)
        await asyncio.sleep(lasts)

    async def _until_left(self, pod: Pod) -> None:
        if pod.life is not None:
            await asyncio.wait((pod.life.task,))

    # ---- planned moves ----

    async def _restart(self) -> None:
        """One pod after another, each by SIGTERM."""
        for pod in self.random.sample(list(self.world.pods.values()), self.random.randint(1, 2)):
            await self._restart_one(pod)

    async def _upgrade(self) -> None:
        """A fleet from algorithm N to N+1, pod by pod, and mostly back."""
        for algorithms in (RESTLESS, ALGORITHMS)[: self.random.choice((1, 2, 2))]:
            for pod in [each for each in self.world.pods.values() if each.name == each.id]:
                pod.algorithms = algorithms
                self.tell(f"{pod.name}: a version that can place by {sorted(algorithms)} is installed")
                await self._restart_one(pod)

    async def _restart_one(self, pod: Pod) -> None:
        if pod is self.spare or not pod.running or pod.leaving or self._last(pod):
            return
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
        served = {name for each in steady for name in each.services}
        return not pod.services.keys() <= served or not self.world.ensemble.ready

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
        # Nobody could know that another has to take its VIPs.
        while not self.world.ensemble.ready:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(1)
        self.tell("spare is told to leave")
        self.spare.terminate()
        await self._until_left(self.spare)

    async def _reconfigure(self) -> None:
        """From configuration X to X+1, pod by pod: a VIP more or less, another policy, weights."""
        name = self.random.choice(list(self.services))
        before = self.services[name]
        chosen = self.random.choice(("add", "remove", "pins", "copies", "standby", "weights"))
        all_vips, pins, changes = before.vips, dict(before.pins), {}
        if chosen == "add":
            all_vips = (*all_vips, Vip(f"{NETS[name]}.{100 + self.random.randint(0, 100)}"))
        elif chosen == "remove" and len(all_vips) > 1:
            all_vips = all_vips[1:]
        elif chosen == "pins" and pins:
            names = [f"p{n}" for n in range(3)]
            pins = {vip: self.random.choice(names) for vip in pins}
        elif chosen == "copies":
            changes = {"copies": 3 - before.copies}
        elif chosen == "standby":
            changes = {"standby": Standby.HOT if before.standby is Standby.NONE else Standby.NONE}
        pins = {vip: pod for vip, pod in pins.items() if vip in all_vips}
        self.services[name] = replace(before, vips=tuple(dict.fromkeys(all_vips)), pins=pins, **changes)
        self.tell(f"new configuration ({chosen}): {self.services[name]}")
        self._want()
        for pod in list(self.world.pods.values()):
            if chosen == "weights":
                pod.weight = self.random.choice((1, 1, 2, 3))
            if name in pod.services:
                pod.configure(self.services[name])
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

    async def _lonely_server(self) -> None:
        """One server and the others do not hear each other, which it notices late."""
        name = self.random.choice(list(self.world.ensemble.servers))
        if not self.world.ensemble.ready:
            return
        self.tell(f"{name} is cut off from the other servers")
        self.world.ensemble.isolate(name, self.random.uniform(1, 10))
        await self._pause(2, 20)
        self.world.ensemble.rejoin(name)
        self.tell(f"{name} is back among the servers")
        await self._pause(1, 3)

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
        lasts = self.random.choice((1.0, 4.0, 15.0, 60.0)) * self.random.uniform(0.5, 1.5)
        await self._without_zookeeper(lasts)
        self._ensemble_up()
        self.tell("ZooKeeper is back")
        await self._pause(8, 12)

    async def _outage_without_data(self) -> None:
        if not self.world.ensemble.ready or self.world.drains or self.world.maintenance:
            return
        self.tell("ZooKeeper is down")
        self._ensemble_down()
        await self._pause(2, 30)
        self._forget()
        await self._pause(12, 25)

    def _forget(self) -> None:
        self._ensemble_down()  # whoever started one meanwhile
        self.world.ensemble.lose_everything()
        self._ensemble_up()
        self.tell("ZooKeeper is back, and has forgotten everything")

    async def _hours(self) -> None:
        """ZooKeeper is away for hours; whatever else befalls the pods is over long before its end."""
        await self._without_zookeeper(LONG)
        for _ in range(self.random.randint(1, 3)):
            await self._pause(30, 1200)
            await self.random.choice(
                (self._crash, self._flap, self._stall, self._tor_trouble, self._restart)
            )()
        await self._pause(1800, 7200)
        if self.random.random() < 0.5 and not (self.world.drains or self.world.maintenance):
            self._forget()
        else:
            self._ensemble_up()
            self.tell("ZooKeeper is back")
        await self._pause(12, 25)

    async def _junk(self) -> None:
        """A record that nobody can read."""
        path = member_path(ROOT, self.random.choice(list(self.services)), "stranger~1f")
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

    async def _clock_jump(self) -> None:
        """A machine slept, by its clock alone."""
        pod = self._pod()
        if pod is not None and pod.life is not None:
            self.tell(f"the clock of {pod.name} jumps")
            pod.life.suspended += self.random.choice((5, 60, 86400))

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
            names = list(pod.services)
            pod.failing = frozenset(self.random.sample(names, self.random.randint(1, len(names))))
            self.tell(f"{pod.name} is unhealthy: {sorted(pod.failing)}")
        else:
            count = self.random.randint(1, len(pod.vips))
            pod.broken = frozenset(self.random.sample(pod.vips, count))
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

    async def _cable(self) -> None:
        """A pod and one of its ToRs do not hear each other."""
        pod = self._pod()
        if pod is None:
            return
        tor, network = self.random.choice(pod.tors), self.world.network
        self.tell(f"{pod.name} and {tor} do not hear each other")
        async with self._ill():  # what is announced meanwhile is not acknowledged there
            network.cut(pod.name, tor)
            self.world.fabric.reconsider(pod.name)
            await self._pause(1, 25)
            network.mend(pod.name, tor)
            self.world.fabric.reconsider(pod.name)
            self.tell(f"{pod.name} and {tor} hear each other again")

    async def _fibre(self) -> None:
        """Two routers do not hear each other."""
        fabric = self.world.fabric
        spine = self.random.choice([name for name in fabric.routers if name.startswith("spine")])
        other = self.random.choice(sorted(fabric.routers[spine].neighbours.keys() - fabric.down))
        if other in fabric.routers[spine].lost:
            return
        self.tell(f"{spine} and {other} do not hear each other")
        fabric.part(spine, other)
        await self._pause(1, 25)
        if other not in fabric.down:
            fabric.rejoin(spine, other)
        self.tell(f"{spine} and {other} hear each other again")

    async def _maintain(self) -> None:
        if not self.world.ensemble.ready:
            return
        self.world.maintenance_takes = 120.0  # in a storm ZooKeeper may be away just now
        service = self.random.choice(list(self.services))
        self.tell(f"maintenance of {service}")
        await self.world.maintain(service)
        await self._pause(2, 10)
        await self.world.maintain(service, on=False)
        self.tell("maintenance is over")

    async def _twin(self) -> None:
        """Two pods with one id."""
        elder = self._pod()
        if elder is None:
            return
        name = f"{elder.name}-twin"
        if name in self.world.pods:
            return
        twin = self.world.add(name, *elder.services.values(), rack=elder.zone, pod_id=elder.id)
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
        # Who has one of several copies is no candidate for another: a bound may be exceeded, and then mended.
        for service in [each for each in self.services.values() if each.copies == 1]:
            lost = suffering.intersection(service.vips)
            # Witnesses see several VIPs go one by one, each in its own order, and so may one who takes two.
            moves = max(0, len(lost) - 1) if service.witness else 0
            moved = {
                vip
                for name in before.keys() - {gone.name}
                for vip in set(service.vips) - lost
                if before[name].get(vip) != after[name].get(vip)
            }
            if len(moved) > moves:
                raise Violation(self.world, f"MOVED: {sorted(moved)}, when {gone.name} was gone")

    async def _hold(self) -> None:
        """ZooKeeper alone is away, for long, and back with its data or without: not one UPDATE."""
        before, updates = self.monitor.snapshot(), self.world.fabric.updates
        hours = self.random.random() < HOURS
        lasts = (
            self.random.uniform(1800, 4 * 3600) if hours else self.random.choice((5.0, 30.0, 120.0, 300.0))
        )
        await self._without_zookeeper(lasts)
        if self.random.random() < 0.3:
            self._forget()
        else:
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
        for service in self.services.values():
            if not service.pins and service.copies == 1:
                self._few_moved(service, before, after)
        self.tell("spare is told to leave")
        self.spare.terminate()
        await self._until_left(self.spare)

    def _few_moved(
        self,
        service: Service,
        before: Mapping[str, Mapping[Vip, int]],
        after: Mapping[str, Mapping[Vip, int]],
    ) -> None:
        there = {
            name: pod for name, pod in self.world.pods.items() if pod.alive and service.name in pod.services
        }
        whole, count = sum(pod.weight for pod in there.values()), len(service.vips)
        bounds = {name: -(-pod.weight * count // whole) for name, pod in there.items()}
        held = {name: [vip for vip in service.vips if before[name].get(vip) == 0] for name in before}
        above = sum(max(0, len(held[name]) - bounds.get(name, 0)) for name in held)
        moved = sum(1 for name in held for vip in held[name] if after[name].get(vip) != 0)
        if moved > above:
            raise Violation(self.world, f"MOVED {moved} at a join, at most {above}: {before} {after}")

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
