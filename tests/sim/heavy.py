"""Real sessions in a simulated fabric: production's FSMs and octets, to ToRs that speak as well."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address

from sim.fabric import GRACEFUL_SHUTDOWN, Fabric, Path, path_length
from sim.light import peer
from sim.link import Network
from sim.tor import Tor
from vipd.bgp.iana import MessageType
from vipd.bgp.route import LocRib
from vipd.bgp.speaker import Speaker, Standing, speak
from vipd.facts import SILENCE
from vipd.latest import Latest


class Links:
    """The ToRs of a fabric as routers that speak real BGP, and where every pod calls from."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.network = Network(delay=0.001)
        names = [tor for rack in fabric.racks.values() for tor in rack]
        self.tors = {
            name: Tor(self.network, f"10.1.0.{n}", asn=65000 + n, router_id=f"10.1.0.{n}")
            for n, name in enumerate(names, 1)
        }
        self._pods: dict[str, str] = {}  # by address
        self._heard: dict[str, int] = {}

    def address(self, pod: str) -> str:
        for address, name in self._pods.items():
            if name == pod:
                return address
        address = f"10.2.0.{len(self._pods) + 1}"
        self._pods[address] = pod
        return address

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for tor in self.tors.values():
                await stack.enter_async_context(tor.up())
            tasks = [group.create_task(self._follow(name, tor)) for name, tor in self.tors.items()]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _follow(self, name: str, tor: Tor) -> None:
        async for _ in tor.news:
            self._learn(name, tor)

    def _learn(self, name: str, tor: Tor) -> None:
        """Make the fabric's router believe what the ToR does."""
        router = self.fabric.routers[name]
        for address, pod in self._pods.items():
            talks = [talk for talk in tor.talks if talk.end.remote_address == address]
            up = [talk for talk in talks if talk.established]
            (self.fabric.attached.add if up else self.fabric.attached.discard)((pod, name))
            told = {prefix: each for talk in up for prefix, each in talk.adj_rib_in.items()}
            for prefix in {*told, *(p for p, paths in router.told.items() if pod in paths)}:
                path = None
                if prefix in told:
                    shutdown = GRACEFUL_SHUTDOWN in told[prefix].communities
                    path = Path(path_length(told[prefix]), (), frozenset({pod}), shutdown)
                if router.told.get(prefix, {}).get(pod) != path:
                    router.hear(pod, prefix, path)
        updates = sum(len(talk.times(MessageType.UPDATE)) for talk in tor.talks)
        self.fabric.updates += updates - self._heard.get(name, 0)
        self._heard[name] = updates


class HeavySpeaker:
    """What `LightSpeaker` is, with production's `Speaker` inside."""

    def __init__(self, links: Links, pod: str, tors: Sequence[str], rib: Latest[LocRib]) -> None:
        address = links.address(pod)
        self._links = links
        self._rib = rib
        self._peers = Latest(
            {
                tor: replace(
                    peer(tor),
                    address=links.tors[tor].address,
                    local_address=address,
                    router_id=IPv4Address(address),
                )
                for tor in tors
            }
        )
        self._speaker: Speaker | None = None
        self.progress = Latest(0)

    def standing(self) -> Standing:
        return SILENCE if self._speaker is None else self._speaker.standing()

    async def flushed(self) -> None:
        assert self._speaker is not None
        await self._speaker.flushed()

    @asynccontextmanager
    async def up(self) -> AsyncIterator["HeavySpeaker"]:
        async with (
            speak(
                self._peers,
                self._rib,
                listen=Latest(()),
                goodbye=lambda: "told to leave",
                jitter=self._links.fabric.random.random,
                dial=self._links.network.dial,
            ) as self._speaker,
            asyncio.TaskGroup() as group,
        ):
            following = group.create_task(self._follow(self._speaker))
            try:
                yield self
            finally:
                following.cancel()

    async def _follow(self, speaker: Speaker) -> None:
        async for progress in speaker.progress:
            self.progress.set(progress)
