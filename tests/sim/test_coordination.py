"""Stories of a few whole pods that share a directory: production's steering, decision and membership.

The neighbours are as simple as can be: they acknowledge whatever they are told, a little later.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from sim.loop import simulated
from vipd.bgp.route import LocRib, Route
from vipd.bgp.speaker import Standing
from vipd.config import Config, CoordinationConfig, ServiceConfig, SpeakerConfig
from vipd.coord import layout, memory
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.member import Order, Phase, Service, Takeover, Vip, Word
from vipd.coord.membership import take_part
from vipd.facts import Facts
from vipd.latest import Latest
from vipd.steer import Steering

ROOT = "/vipd"
T = 3.0
VIPS = tuple(Vip(f"192.0.2.{number}") for number in range(1, 7))


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Edge:
    """What the routers have of every pod, and what they ever had."""

    routes: dict[str, dict[Vip, Route]] = field(default_factory=dict)  # by pod
    updates: list[tuple[float, str]] = field(default_factory=list)  # when a pod said something, and which
    dark: dict[Vip, float] = field(default_factory=dict)  # since when nobody announces it
    longest: dict[Vip, float] = field(default_factory=dict)  # that it was dark

    def hear(self, pod: str, routes: dict[Vip, Route]) -> None:
        if routes == self.routes.get(pod, {}):
            return
        self.routes[pod] = routes
        self.updates.append((now(), pod))
        for vip in VIPS:
            if self.announcers(vip):
                since = self.dark.pop(vip, None)
                if since is not None:
                    self.longest[vip] = max(self.longest.get(vip, 0.0), now() - since)
            else:
                self.dark.setdefault(vip, now())

    def announcers(self, vip: Vip, rank: int | None = None) -> list[str]:
        return sorted(
            pod
            for pod, routes in self.routes.items()
            if vip in routes and (rank is None or routes[vip].rank == rank)
        )

    def watch(self) -> None:
        """From here on, nothing is to be dark."""
        assert not self.dark
        self.longest.clear()


class Pod:
    """One vipd, but for its sockets."""

    def __init__(self, name: str, directory: memory.MemoryDirectory, edge: Edge, service: Service) -> None:
        self.name = name
        self.directory = directory
        self.edge = edge
        config = Config(
            path="vipd.toml",
            speaker=SpeakerConfig(local_as=64147, router_id=IPv4Address("192.0.2.200")),
            neighbors={},
            policies={},
            services=(ServiceConfig(service=service, routes=dict.fromkeys(service.vips, Route())),),
            coordination=CoordinationConfig(
                ensemble=Ensemble(servers=(Server(host="127.0.0.1"),)), pod_id=name, root=ROOT
            ),
        )
        self.facts = Latest(Facts(config=config))
        self.steering = Steering(self.facts)

    def learn(self, **facts) -> None:
        self.facts.set(replace(self.facts.value, **facts))

    async def live(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.steering.follow())
            group.create_task(self._neighbors())
            group.create_task(
                take_part(
                    self.directory,
                    self.steering.wishes,
                    self._see,
                    root=ROOT,
                    pod=self.name,
                    jitter=lambda: 0.5,
                )
            )

    def _see(self, service, view) -> None:
        self.learn(views={} if view is None else {service: view})

    async def _neighbors(self) -> None:
        async for rib in self.steering.rib:
            self.edge.hear(self.name, {Vip(str(p).partition("/")[0]): r for p, r in rib.routes.items()})
            self._stand(rib, {})
            await asyncio.sleep(0.01)
            self._stand(rib, rib.routes)

    def _stand(self, rib: LocRib, acknowledged) -> None:
        before = self.facts.value.standing.acknowledged
        kept = {prefix: route for prefix, route in rib.routes.items() if before.get(prefix) is route}
        self.learn(
            standing=Standing(
                sessions_up=2,
                sessions_configured=2,
                acknowledged={**kept, **acknowledged},
                carried=frozenset(rib.routes),
            )
        )

    def words(self) -> set[Word]:
        verdicts = self.steering.announcements.value["apex"].verdicts
        return {verdict.word for verdict in verdicts.values()}

    def standing(self) -> set[Vip]:
        return set(self.edge.routes.get(self.name, {}))


class Fleet:
    def __init__(self, group: asyncio.TaskGroup, **policy) -> None:
        self.tree = memory.Tree()
        self.edge = Edge()
        self.pods: dict[str, Pod] = {}
        self._service = Service(name="apex", vips=VIPS, **policy)
        self._lives: dict[str, asyncio.Task] = {}
        self._contexts: dict[str, object] = {}
        self._group = group

    async def start(self, *names: str) -> None:
        for name in names:
            context = self._contexts[name] = memory.join(self.tree, session_timeout=T)
            pod = self.pods[name] = Pod(name, await context.__aenter__(), self.edge, self._service)
            self._lives[name] = self._group.create_task(pod.live())

    async def end(self, name: str) -> None:
        """The process has nothing to do any more: its record goes, and its sessions."""
        self._lives.pop(name).cancel()
        await asyncio.sleep(0)
        await self._contexts.pop(name).__aexit__(None, None, None)
        del self.pods[name]
        self.edge.hear(name, {})

    async def crash(self, name: str) -> None:
        """Routers notice at once, ZooKeeper after T."""
        pod = self.pods[name]
        pod.directory.cut()
        self._lives.pop(name).cancel()
        self.edge.hear(name, {})
        await asyncio.sleep(T)
        await self._contexts.pop(name).__aexit__(None, None, None)
        del self.pods[name]

    def assigned(self) -> dict[Vip, list[str]]:
        return {vip: self.edge.announcers(vip, rank=0) for vip in VIPS}


@asynccontextmanager
async def fleet(*names: str, **policy) -> AsyncIterator[Fleet]:
    """Pods that have settled."""
    async with asyncio.TaskGroup() as group:
        pods = Fleet(group, **policy)
        await pods.start(*names)
        await asyncio.sleep(30)
        for life in pods._lives.values():
            assert not life.done()
        yield pods
        for name in list(pods.pods):
            await pods.end(name)


@simulated
async def test_three_pods_share_the_vips_and_then_are_quiet():
    async with fleet("pod-1", "pod-2", "pod-3") as pods:
        assert all(len(announcers) == 1 for announcers in pods.assigned().values())
        assert [len(pod.standing()) for pod in pods.pods.values()] == [2, 2, 2]
        pods.edge.updates.clear()
        await asyncio.sleep(3600)
        assert pods.edge.updates == []


@simulated
async def test_the_vips_of_a_pod_that_dies_are_taken_over_and_no_others_move():
    async with fleet("pod-1", "pod-2", "pod-3") as pods:
        before, gone = pods.assigned(), pods.pods["pod-2"].standing()
        pods.edge.watch()
        await pods.crash("pod-2")
        await asyncio.sleep(30)
        after = pods.assigned()
        assert {vip for vip in VIPS if after[vip] != before[vip]} == gone
        assert pods.edge.longest.keys() == gone
        assert max(pods.edge.longest.values()) <= T + 1


@simulated
async def test_a_pinned_vip_goes_home_make_before_break():
    pins = {VIPS[0]: "pod-1"}
    async with fleet("pod-1", "pod-2", pins=pins) as pods:
        assert pods.assigned()[VIPS[0]] == ["pod-1"]
        await pods.crash("pod-1")
        await asyncio.sleep(10)
        assert pods.assigned()[VIPS[0]] == ["pod-2"]
        pods.edge.watch()
        await pods.start("pod-1")
        both = 0.0
        for _ in range(3000):
            await asyncio.sleep(0.01)
            both += 0.01 * (len(pods.edge.announcers(VIPS[0])) == 2)
        assert pods.assigned()[VIPS[0]] == ["pod-1"]
        assert pods.edge.longest == {}
        assert 2.0 <= both < 3.0  # settle, the time that a release takes, and settle again, aside


@simulated
async def test_a_pod_that_is_told_to_go_hands_over_everything_first():
    async with fleet("pod-1", "pod-2", "pod-3") as pods:
        leaving = pods.pods["pod-1"]
        pods.edge.watch()
        leaving.learn(phase=Phase.LEAVING)
        began = now()
        await leaving.steering.rib.until(lambda rib: not rib.routes)
        assert now() - began < 4.0
        await asyncio.sleep(0.1)
        assert not leaving.standing()
        await pods.end("pod-1")
        await asyncio.sleep(30)
        assert pods.edge.longest == {}
        assert pods.edge.dark == {}


@simulated
async def test_a_pod_that_nobody_relieves_leaves_when_its_time_is_up():
    async with fleet("pod-1") as pods:
        pods.pods["pod-1"].learn(phase=Phase.LEAVING)
        await asyncio.sleep(29)
        assert pods.pods["pod-1"].standing() == set(VIPS)
        await asyncio.sleep(2)
        assert pods.pods["pod-1"].words() == {Word.LEFT}
        assert not pods.pods["pod-1"].standing()


@simulated
async def test_an_operators_drain_moves_everything_and_its_end_brings_the_share_back():
    async with fleet("pod-1", "pod-2") as pods, memory.join(pods.tree) as operator:
        pods.edge.watch()
        path = layout.drain_path(ROOT, "pod-1")
        await operator.create(path, layout.write_order(Order(who="eve", why="kernel")))
        await asyncio.sleep(30)
        assert not pods.pods["pod-1"].standing()
        assert pods.pods["pod-2"].standing() == set(VIPS)
        await operator.delete(path)
        await asyncio.sleep(30)
        assert len(pods.pods["pod-1"].standing()) == 3
        assert pods.edge.longest == {}


@simulated
async def test_maintenance_takes_the_service_off_the_air_everywhere_at_once():
    async with fleet("pod-1", "pod-2", "pod-3") as pods, memory.join(pods.tree) as operator:
        path = layout.maintenance_path(ROOT, "apex")
        await operator.create(path, layout.write_order(Order(who="eve", why="release")))
        await asyncio.sleep(0.1)
        assert not any(pods.edge.announcers(vip) for vip in VIPS)
        await operator.delete(path)
        await asyncio.sleep(30)
        assert all(len(announcers) == 1 for announcers in pods.assigned().values())


@simulated
async def test_an_outage_of_the_directory_changes_nothing_however_long_nor_does_its_end():
    async with fleet("pod-1", "pod-2", "pod-3") as pods:
        pods.edge.updates.clear()
        for pod in pods.pods.values():
            pod.directory.cut()
        await asyncio.sleep(1)
        assert all(Word.HELD in pod.words() for pod in pods.pods.values())
        await asyncio.sleep(7200)
        for pod in pods.pods.values():
            pod.directory.expire()
        for pod in pods.pods.values():
            await asyncio.sleep(1.7)
            pod.directory.connect()
        await asyncio.sleep(60)
        assert pods.edge.updates == []


@simulated
async def test_a_pod_that_fails_in_an_outage_announces_again_on_recovery():
    async with fleet("pod-1", "pod-2") as pods:
        one = pods.pods["pod-1"]
        before = one.standing()
        for pod in pods.pods.values():
            pod.directory.cut()
        await asyncio.sleep(100)
        one.learn(maintenance={"apex": "a blip"})
        await asyncio.sleep(1)
        assert not one.standing()
        one.learn(maintenance={})
        await asyncio.sleep(1)
        assert one.standing() == before


@simulated
async def test_pods_that_never_met_the_directory_announce_everything_after_a_while():
    async with asyncio.TaskGroup() as group:
        pods = Fleet(group)
        await pods.start("pod-1")
        pods.pods["pod-1"].directory.expire()
        await asyncio.sleep(9)
        assert not pods.pods["pod-1"].standing()
        await asyncio.sleep(2)
        assert pods.pods["pod-1"].standing() == set(VIPS)
        assert pods.pods["pod-1"].words() == {Word.COLD}
        pods.pods["pod-1"].directory.connect()
        await asyncio.sleep(30)
        assert pods.pods["pod-1"].words() == {Word.ASSIGNED}
        assert all(len(announcers) == 1 for announcers in pods.assigned().values())
        await pods.end("pod-1")


@simulated
async def test_with_takeover_by_all_every_pod_substitutes():
    pins = dict.fromkeys(VIPS, "pod-9")
    async with fleet("pod-1", "pod-2", pins=pins, takeover=Takeover.ALL) as pods:
        assert all(pods.edge.announcers(vip) == ["pod-1", "pod-2"] for vip in VIPS)
