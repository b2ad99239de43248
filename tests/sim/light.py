"""A speaker with sessions as light as values: production's Adj-RIB-Out, and no octets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import Never

from sim.fabric import Fabric, Line
from sim.process import Process
from sim.ways import Seconds, now
from vipd.bgp.adj_rib_out import AdjRibOut
from vipd.bgp.iana import Family
from vipd.bgp.messages import Content
from vipd.bgp.peer import Negotiated, PeerConfig, State
from vipd.bgp.route import LocRib, Policy, hears, next_hop_self
from vipd.bgp.sightings import Sight, Sightings, Watch
from vipd.bgp.speaker import Standing
from vipd.bgp.wire import Prefix
from vipd.latest import Latest

RETRY: tuple[Seconds, Seconds] = (0.5, 3.0)
AGREED = Negotiated(
    peer_as=65001,
    peer_router_id=IPv4Address("10.255.0.1"),
    ebgp=True,
    hold_time=9,
    keepalive=3.0,
    families=(Family.IPV4,),
    four_octet_as=True,
    route_refresh=True,
)


def peer(tor: str) -> PeerConfig:
    return PeerConfig(
        name=tor,
        address="10.0.0.2",
        local_as=64512,
        router_id=IPv4Address("10.0.0.1"),
        families=(Family.IPV4,),
    )


class Session:
    """One, with one ToR, over one line after another."""

    def __init__(self, speaker: "LightSpeaker", tor: str) -> None:
        self.config = peer(tor)
        self._speaker = speaker
        self._tor = tor
        self._line: Line | None = None
        self._adj_rib_out: AdjRibOut | None = None
        self._sightings: Sightings | None = None
        self._told: LocRib | None = None
        self.acknowledged: LocRib | None = None
        self._lost = asyncio.Event()

    @property
    def up(self) -> bool:
        return self._line is not None

    @property
    def told(self) -> set[Prefix]:
        return set() if self._adj_rib_out is None else set(self._adj_rib_out.told)

    @property
    def sights(self) -> tuple[Sight, ...]:
        return () if self._sightings is None else self._sightings.sights()

    async def run(self) -> Never:
        random = self._speaker.fabric.random
        while True:
            await asyncio.sleep(random.uniform(0.01, 0.1))
            self._lost.clear()
            try:
                line = self._speaker.fabric.dial(
                    self._speaker.pod, self._speaker.process, self._tor, self._closed
                )
            except OSError:
                await asyncio.sleep(random.uniform(*RETRY))
                continue
            self._line = line
            line.on_acknowledgement(self._confirm)
            self._adj_rib_out = AdjRibOut(self.config, AGREED, next_hop_self("10.0.0.1"))
            watch, tells = self._speaker.watch(), self._adj_rib_out.tells
            if watch.prefixes:
                self._sightings = Sightings(watch, AGREED.families, tells, now())
                line.on_sight(self._see)
            self.converge()
            self._speaker.moved()
            await self._lost.wait()
            await asyncio.sleep(random.uniform(*RETRY))

    def converge(self) -> None:
        if self._line is None or self._adj_rib_out is None:
            return
        rib = self._speaker.rib.value
        updates = self._adj_rib_out.converge(rib.routes, rib.policies.get(self.config.name, Policy()))
        self._told = rib
        if updates:
            if self._sightings is not None:
                self._sightings.speak(updates)
            self._line.send(updates)
        self._confirm()

    def leave(self) -> None:
        if self._line is not None:
            self._line.farewell()

    def _confirm(self) -> None:
        if self._line is not None and not self._line.unacknowledged and self.acknowledged is not self._told:
            self.acknowledged = self._told
        self._speaker.moved()

    def _see(self, prefix: Prefix | None, shown: bool) -> None:
        if self._sightings is None:
            return
        fields = () if prefix is None else ((prefix.family, prefix.nlri),)
        content = Content(announced=fields) if shown else Content(withdrawn=fields)
        if self._sightings.hear(content, Family.IPV4 if prefix is None else None, now()):
            self._speaker.moved()

    def _closed(self, _: str) -> None:
        self._line = self._adj_rib_out = self._sightings = self._told = self.acknowledged = None
        self._lost.set()
        self._speaker.moved()


class LightSpeaker:
    """Every session of a pod. Has what production's `Speaker` has for those who ask it."""

    def __init__(
        self,
        fabric: Fabric,
        pod: str,
        process: Process,
        tors: Sequence[str],
        rib: Latest[LocRib],
        *,
        watch: Callable[[], Watch] = Watch,
    ) -> None:
        self.fabric = fabric
        self.watch = watch
        self.pod = pod
        self.process = process
        self.rib = rib
        self.progress = Latest(0)
        self._sessions = {tor: Session(self, tor) for tor in tors}

    @property
    def changed(self) -> Latest[int]:
        return self.progress

    @property
    def states(self) -> Mapping[str, State]:
        return {tor: State.ESTABLISHED if each.up else State.IDLE for tor, each in self._sessions.items()}

    def standing(self) -> Standing:
        up = [session for session in self._sessions.values() if session.up]
        found = {}
        for prefix, route in self.rib.value.routes.items():
            hearing = [
                each.acknowledged is not None and each.acknowledged.routes.get(prefix) is route
                for each in up
                if hears(route, each.config)
            ]
            if hearing and all(hearing):
                found[prefix] = route
        return Standing(
            sessions_up=len(up),
            sessions_configured=len(self._sessions),
            acknowledged=found,
            carried=frozenset().union(*(session.told for session in up)),
            sights={session.config.name: session.sights for session in up if session.sights},
        )

    async def flushed(self) -> None:
        """Return when every session that is up has acknowledged the newest."""
        rib = self.rib.value
        await self.progress.until(
            lambda _: all(not each.up or each.acknowledged is rib for each in self._sessions.values())
        )

    def moved(self) -> None:
        self.progress.set(self.progress.value + 1)

    async def follow(self) -> Never:
        async for _ in self.rib:
            for session in self._sessions.values():
                session.converge()
        raise AssertionError("a Latest never ends")

    @asynccontextmanager
    async def up(self) -> AsyncIterator["LightSpeaker"]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.run()) for each in self._sessions.values()]
            tasks.append(group.create_task(self.follow()))
            try:
                yield self
            finally:
                for session in self._sessions.values():
                    session.leave()
                for task in tasks:
                    task.cancel()
