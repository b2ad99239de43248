"""Pods without BGP for the jobs of scale: what they announce, every neighbour has acknowledged at once."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from time import thread_time

from vipd.bgp.route import Route
from vipd.bgp.speaker import Standing
from vipd.bgp.wire import Prefix
from vipd.config.sections import Config, CoordinationConfig, ServiceConfig, SpeakerConfig
from vipd.coord.directory import Directory
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.member import Phase, Record, Service, View, Vip, one
from vipd.coord.membership import Wish, take_part
from vipd.facts import Facts
from vipd.latest import Latest
from vipd.steer import Steering

ROOT = "/vipd"
SERVICE = "apex"
SESSIONS = 2


def pod_id(number: int) -> str:
    return f"pod-{number:04}"


class LightPod:
    """Production's decision and membership, over a directory of any kind."""

    def __init__(self, name: str, zone: str, vips: tuple[Vip, ...]) -> None:
        service = ServiceConfig(service=Service(name=SERVICE, vips=vips), routes=dict.fromkeys(vips, Route()))
        coordination = CoordinationConfig(
            pod_id=name,
            zone=zone,
            root=ROOT,
            ensemble=Ensemble(servers=(Server(host="127.0.0.1", port=2181),)),
        )
        self.name = name
        self.vips = vips
        self.service = service.service
        self.facts = Latest(
            Facts(
                config=Config(
                    path=Path("vipd.toml"),
                    speaker=SpeakerConfig(local_as=64147, router_id=IPv4Address("10.9.9.9")),
                    neighbors={},
                    policies={},
                    services=(service,),
                    coordination=coordination,
                ),
                standing=Standing(
                    sessions_up=SESSIONS, sessions_configured=SESSIONS, acknowledged={}, carried=()
                ),
            )
        )
        self.steering = Steering(self.facts)

    @asynccontextmanager
    async def up(self, directory: Directory) -> AsyncIterator["LightPod"]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.steering.follow()),
                group.create_task(self._acknowledge()),
                group.create_task(
                    take_part(
                        directory,
                        self.steering.wishes,
                        self._see,
                        root=ROOT,
                        pod=self.name,
                        jitter=random.random,
                    )
                ),
            ]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()

    @property
    def view(self) -> View | None:
        return self.facts.value.views.get(SERVICE)

    def announces(self) -> frozenset[Vip]:
        verdicts = self.steering.announcements.value[SERVICE].verdicts
        return frozenset(vip for vip, verdict in verdicts.items() if verdict.rank == 0)

    def stand(self, *, sessions_up: int) -> None:
        """Have so many sessions: of none at all, nothing has been acknowledged, nor is carried."""
        routes = self.steering.rib.value.routes if sessions_up else {}
        self._stand(routes, sessions_up)

    def _see(self, service: str, view: View | None) -> None:
        views = {} if view is None else {service: view}
        self.facts.set(replace(self.facts.value, views=views))

    async def _acknowledge(self) -> None:
        async for rib in self.steering.rib:
            self._stand(rib.routes, self.facts.value.standing.sessions_up)

    def _stand(self, routes: Mapping[Prefix, Route], sessions_up: int) -> None:
        standing = Standing(
            sessions_up=sessions_up,
            sessions_configured=SESSIONS,
            acknowledged=routes,
            carried=frozenset(routes),
        )
        self.facts.set(replace(self.facts.value, standing=standing))


class Teller:
    """Production's membership alone: it tells what it is made to tell, and decides nothing."""

    def __init__(self, name: str, zone: str, vips: tuple[Vip, ...]) -> None:
        self.name = name
        self.vips = vips
        self._all = one(frozenset(vips))
        self.view: View | None = None
        self._wishes: Latest[Mapping[str, Wish]] = Latest({SERVICE: Wish()})
        self._record = Record(
            algorithm=1,
            zone=zone,
            weight=1,
            phase=Phase.RUNNING,
            sessions_up=SESSIONS,
            sessions_configured=SESSIONS,
            serves=self._all,
            eligible=self._all,
        )

    @asynccontextmanager
    async def up(self, directory: Directory) -> AsyncIterator["Teller"]:
        async with asyncio.TaskGroup() as group:
            part = group.create_task(
                take_part(directory, self._wishes, self._see, root=ROOT, pod=self.name, jitter=random.random)
            )
            try:
                yield self
            finally:
                part.cancel()

    def stand(self, *, sessions_up: int) -> None:
        able = self._all if sessions_up else frozenset()
        self._record = replace(self._record, sessions_up=sessions_up, eligible=able)
        self._wish()

    def _see(self, _: str, view: View | None) -> None:
        self.view = view
        self._wish()

    def _wish(self) -> None:
        self._wishes.set({SERVICE: Wish(view=self.view, record=self._record)})


class Turns:
    """How much work the turns of the loop are: it asks for every one of them.

    In CPU seconds: what else the machine does meanwhile is not this loop's.
    """

    def __init__(self) -> None:
        self.longest = 0.0  # seconds, since it was last set to nothing

    async def watch(self) -> None:
        before = thread_time()
        while True:
            await asyncio.sleep(0)
            now = thread_time()
            self.longest = max(self.longest, now - before)
            before = now
