"""Whole pods: production's rules, membership, ZooKeeper adapter and Adj-RIB-Out, in one simulated world."""

import asyncio
from collections import ChainMap
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Address
from random import Random
from typing import Any

from sim import directory
from sim.directory import Ensemble
from sim.fabric import Fabric
from sim.heavy import HeavySpeaker, Links
from sim.light import LightSpeaker, peer
from sim.process import Process
from sim.ways import Network, Seconds, now
from vipd import departure
from vipd.bgp.route import Route
from vipd.bgp.sightings import Watch
from vipd.bgp.wire import Prefix
from vipd.config.sections import Config, CoordinationConfig, DrainConfig, ServiceConfig, SpeakerConfig
from vipd.coord.directory import ANY_VERSION, DirectoryLost, LinkState, NodeExists, NoNode
from vipd.coord.ensemble import Ensemble as Servers
from vipd.coord.ensemble import Server
from vipd.coord.layout import drain_path, maintenance_path, write_order
from vipd.coord.member import Order, Phase, Rank, Service, Verdict, View, Vip
from vipd.coord.membership import take_part
from vipd.coord.placement import ALGORITHMS, Line
from vipd.facts import Facts
from vipd.health import Check, CheckStatus, FileProbe, Health
from vipd.lag import Lag
from vipd.latest import Latest
from vipd.steer import Steering

ROOT = "/vipd"
SERVICE = "www"
HOLD: Seconds = 9.0


def vips(count: int, net: str = "192.0.2") -> tuple[Vip, ...]:
    return tuple(Vip(f"{net}.{n}") for n in range(1, count + 1))


class Life:
    """One process of a pod, from its start to its end: wired as `vipd.app` wires it."""

    def __init__(self, pod: "Pod") -> None:
        self.pod = pod
        self.world = pod.world
        self.process = Process()
        self.suspended = 0.0  # for how long the machine slept, by its own clock
        self.facts = Latest(Facts(config=config(pod)))
        self.lag = Lag(tolerable=lambda: HOLD / 3, suspended=lambda: self.suspended)
        self.algorithms = pod.algorithms
        self.steering = Steering(self.facts, self.lag.stalled_at, self.algorithms)
        rib, links = self.steering.rib, self.world.links
        self.speaker = (
            LightSpeaker(self.world.fabric, pod.name, self.process, pod.tors, rib, watch=pod.watch)
            if links is None
            else HeavySpeaker(links, pod.name, pod.tors, rib)
        )
        self._told_to_leave = asyncio.Event()
        self.task = self.process.start(self._live())

    @property
    def verdicts(self) -> Mapping[Vip, Verdict]:
        return ChainMap(*(dict(each.verdicts) for each in self.steering.announcements.value.values()))

    @property
    def claims(self) -> Mapping[Vip, Rank]:
        records = [wish.record for wish in self.steering.wishes.value.values() if wish.record is not None]
        return ChainMap(*(dict(record.announcing) for record in records))

    @property
    def lines(self) -> Mapping[Vip, Line]:
        """Where it would place each VIP."""
        return ChainMap(*(dict(course.memory.placed[1]) for course in self.steering.courses.values()))

    @property
    def places_by(self) -> set[int | None]:
        """The algorithms of its newest placements: one, where all services have the same members."""
        return {course.memory.algorithm for course in self.steering.courses.values()}

    @property
    def probed(self) -> bool:
        return bool(self.facts.value.checks)

    # ---- what happens to it ----

    def happens(self, **changes: object) -> None:
        """A fact changes: in the process, when it runs."""
        self.process.deliver(self._take, changes)

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.deliver(self._told_to_leave.set)

    def _take(self, changes: dict[str, object]) -> None:
        self.facts.set(replace(self.facts.value, **changes))

    def _see(self, service: str, view: View | None) -> None:
        views = {name: known for name, known in self.facts.value.views.items() if name != service}
        if view is not None:
            views[service] = view
        self._take({"views": views})

    # ---- how it lives ----

    async def _live(self) -> None:
        async with (
            directory.join(
                self.world.ensemble,
                self.pod.name,
                process=self.process,
                session_timeout=self.world.session_timeout,
            ) as zookeeper,
            running(
                take_part(
                    zookeeper,
                    self.steering.wishes,
                    self._see,
                    root=ROOT,
                    pod=self.pod.id,
                    jitter=self.world.random.random,
                    algorithms=self.algorithms,
                ),
                self.lag.watch(),
            ),
            self.speaker.up(),
            running(self.steering.follow(), self._listen_to_neighbors()),
        ):
            await self._told_to_leave.wait()
            await self._depart()

    async def _listen_to_neighbors(self) -> None:
        async for _ in self.speaker.progress:
            self._take({"standing": self.speaker.standing()})

    async def _depart(self) -> None:
        told_at, stood, drain = now(), bool(self.steering.rib.value.routes), self.facts.value.config.drain
        self._take({"phase": Phase.LEAVING})
        await departure.handed_over(self.steering.announcements, drain)
        self._take({"phase": Phase.LEFT})
        await self.steering.rib.until(lambda rib: not rib.routes)
        with suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await self.speaker.flushed()
        await departure.unused(drain, told_at, stood=stood)


@asynccontextmanager
async def running(*parts: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run parts that have no end of their own, side by side, while inside."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def config(pod: "Pod") -> Config:
    """What the pod's file would come to."""
    return Config(
        path="vipd.toml",
        speaker=SpeakerConfig(local_as=64512, router_id=IPv4Address("10.0.0.1")),
        neighbors={tor: peer(tor) for tor in pod.tors},
        policies={},
        services=tuple(map(configured, pod.services.values())),
        drain=DrainConfig(linger=pod.world.linger),
        coordination=CoordinationConfig(
            ensemble=Servers(servers=(Server(host="zk1"),)), pod_id=pod.id, zone=pod.zone, weight=pod.weight
        ),
    )


def configured(service: Service) -> ServiceConfig:
    """With a check of the whole service, and one of each VIP."""
    name = service.name
    checks = {f"{name}/all": Check(name="all", service=name, probe=PROBE)}
    for vip in service.vips:
        checks[f"{name}/{vip}/own"] = Check(name="own", service=name, vip=vip, probe=PROBE)
    return ServiceConfig(service=service, routes=dict.fromkeys(service.vips, ROUTE), checks=checks)


def checked(pod: "Pod") -> Mapping[str, CheckStatus]:
    """What its probes have found."""
    found = {}
    for service in config(pod).services:
        for key, check in service.checks.items():
            bad = check.service in pod.failing if check.vip is None else check.vip in pod.broken
            found[key] = CheckStatus(check=check, health=Health.DOWN if bad else Health.UP)
    return found


PROBE = FileProbe(path="/disabled")
ROUTE = Route()
_PREFIXES: dict[Vip, Prefix] = {}


def prefix_of(vip: Vip) -> Prefix:
    if vip not in _PREFIXES:
        _PREFIXES[vip] = Prefix.host(vip)
    return _PREFIXES[vip]


def vip_of(prefix: Prefix) -> Vip:
    return Vip(str(prefix).partition("/")[0])


class Pod:
    """A place for a pod: what is true there, and the process that runs at the moment."""

    def __init__(
        self,
        world: "World",
        name: str,
        *services: Service,
        tors: tuple[str, ...],
        zone: str = "",
        pod_id: str = "",
        weight: int = 1,
    ) -> None:
        self.world = world
        self.name = name
        self.id = pod_id or name
        self.zone = zone
        self.tors = tors
        self.weight = weight
        self.services = {service.name: service for service in services}
        self.algorithms = ALGORITHMS  # of the version that is installed: it runs from the next start on
        self.failing: frozenset[str] = frozenset()  # services whose check fails
        self.broken: frozenset[Vip] = frozenset()  # VIPs whose own check fails
        self.life: Life | None = None
        self.leaving = False

    @property
    def alive(self) -> bool:
        return self.life is not None and not self.life.task.done()

    @property
    def running(self) -> bool:
        return self.alive and self.life is not None and not self.life.process.stopped

    @property
    def vips(self) -> tuple[Vip, ...]:
        return tuple(vip for service in self.services.values() for vip in service.vips)

    @property
    def healthy(self) -> bool:
        return not self.failing

    @healthy.setter
    def healthy(self, well: bool) -> None:
        self.failing = frozenset() if well else frozenset(self.services)

    def watch(self) -> Watch:
        """What its sessions would look at, had it just started."""
        witnessed = [vip for each in self.services.values() if each.witness for vip in each.vips]
        return Watch(prefixes=frozenset(map(prefix_of, witnessed)))

    def service_of(self, vip: Vip) -> Service | None:
        return next((each for each in self.services.values() if vip in each.vips), None)

    def serves(self, vip: Vip) -> bool:
        """Whether traffic that comes here is answered."""
        service = self.service_of(vip)
        return self.alive and service is not None and self._passes(service, vip)

    def _passes(self, service: Service, vip: Vip) -> bool:
        return service.name not in self.failing and vip not in self.broken

    def start(self) -> None:
        assert not self.alive
        self.leaving = False
        self.life = Life(self)
        life = self.life
        delay = self.world.random.uniform(0.3, 1.0)
        asyncio.get_running_loop().call_later(delay, self._first_probes, life)

    def _first_probes(self, life: Life) -> None:
        if self.life is life and self.alive:
            self.tell_health()

    def tell_health(self) -> None:
        if self.alive and self.life is not None:
            self.life.happens(checks=checked(self))

    def crash(self, *, silently: bool = False) -> None:
        """kill -9; or silently, as when the machine loses its power."""
        life, self.life = self.life, None
        assert life is not None
        self.world.fabric.lose_pod(self.name, life.process, silently=silently)
        self.world.ensemble.bury(life.process, silently=silently)
        self.world.bury(life)

    def stop(self) -> None:
        assert self.life is not None
        self.life.process.stop()
        self.world.fabric.reconsider(self.name)

    def resume(self) -> None:
        assert self.life is not None
        self.life.process.resume()
        self.world.fabric.reconsider(self.name)

    def terminate(self) -> None:
        assert self.life is not None
        self.leaving = True
        self.life.terminate()

    def configure(self, *services: Service) -> None:
        """Reload, with these services in place of those of their names."""
        self.services |= {service.name: service for service in services}
        if self.life is not None:
            changes: dict[str, object] = {"config": config(self)}
            if self.life.probed:
                changes["checks"] = checked(self)  # a new probe's first word takes no time here
            self.life.happens(**changes)

    def routes(self) -> Mapping[Vip, int]:
        """What it wants said, and at which rank."""
        if self.life is None:
            return {}
        return {vip_of(prefix): route.rank for prefix, route in self.life.steering.rib.value.routes.items()}


class World:
    """Pods, ZooKeeper and fabric, out of one seed."""

    def __init__(
        self,
        seed: int,
        *,
        session_timeout: Seconds = 3.0,
        racks: Mapping[str, tuple[str, ...]] | None = None,
        linger: Seconds = 2.0,
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.session_timeout = session_timeout
        self.linger = linger
        self.network = Network(self.random)
        self.ensemble = Ensemble(self.network, self.random)
        self.racks = racks or {"r1": ("tor1a", "tor1b"), "r2": ("tor2a", "tor2b")}
        self.fabric = Fabric(self.network, self.random, racks=self.racks)
        self.links: Links | None = None  # None: sessions are values
        self.pods: dict[str, Pod] = {}
        self.story: list[str] = []
        self.drains: set[str] = set()
        self.maintenance: set[str] = set()  # services
        self.maintenance_takes: Seconds = 2.0  # to be read, and the routes to go
        self._graves: list[asyncio.Task[None]] = []
        self._operators: list[asyncio.Task[None]] = []

    def tell(self, what: str) -> None:
        self.story.append(f"{now():10.3f}  {what}")

    def add(self, name: str, *services: Service, rack: str = "r1", **changes: object) -> Pod:
        pod = self.pods[name] = Pod(self, name, *services, tors=self.racks[rack], zone=rack, **changes)
        return pod

    def bury(self, life: Life) -> None:
        """Let a process end, unheard by anybody."""
        if life.process.stopped:
            life.process.resume()
        life.task.cancel()
        self._graves.append(life.task)

    async def order(self, path: Callable[..., str], *names: str, on: bool) -> None:
        """An operator writes an order, or takes it back, from a machine of his own; until it is done."""
        async with directory.join(self.ensemble, f"operator{self.random.random()}") as zookeeper:
            folder, _, _ = path(ROOT, *names).rpartition("/")
            while True:
                await zookeeper.link.until(lambda link: link.state is LinkState.CONNECTED)
                try:
                    await zookeeper.ensure(folder)
                    if on:
                        await zookeeper.create(path(ROOT, *names), write_order(Order(who="op", why="so")))
                    else:
                        await zookeeper.delete(path(ROOT, *names), ANY_VERSION)
                except DirectoryLost as lost:
                    self.tell(f"an operator tries again: {lost}")
                    await asyncio.sleep(0.1)
                except (NodeExists, NoNode):
                    return  # by the try before, or with all that ZooKeeper has forgotten
                else:
                    return

    async def drain(self, pod: str, *, on: bool = True) -> None:
        await self.order(drain_path, pod, on=on)
        if on:
            self.drains.add(pod)
        else:
            self.drains.discard(pod)

    async def maintain(self, service: str = SERVICE, *, on: bool = True) -> None:
        await self.order(maintenance_path, service, on=on)
        if on:
            self.maintenance.add(service)
        else:
            self.maintenance.discard(service)

    async def end(self) -> None:
        """Let everybody go, unheard."""
        for pod in self.pods.values():
            if pod.life is not None:
                self.bury(pod.life)
        if self._graves:
            await asyncio.wait(self._graves)
        for task in self._graves:
            if not task.cancelled() and task.exception() is not None:
                raise task.exception()

    def failed(self) -> BaseException | None:
        """A pod that died of a bug."""
        for pod in self.pods.values():
            if pod.life is not None and pod.life.task.done() and not pod.life.task.cancelled():
                error = pod.life.task.exception()
                if error is not None:
                    return error
        return None

    def all_vips(self) -> Iterable[Vip]:
        return sorted({vip for pod in self.pods.values() for vip in pod.vips})
