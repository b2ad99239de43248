"""Hundreds of members on three real ZooKeeper servers: what they ask and are told, by change and at rest."""

import asyncio
import contextlib
import io
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiozk import protocol

from bench.fleet import LightPod, Teller, pod_id
from bench.jobs import Row, vips
from interop.zookeeper import LoopbackEnsemble
from vipd.coord import membership
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.member import Vip
from vipd.coord.zookeeper import ZooKeeper, connect

T = 10.0  # seconds: hundreds of members share one loop, which is busy for a while after each change
VIPS = 100
CALM = 3.0  # seconds without an octet, but for pings
REST = 120.0  # seconds, in which everybody reads afresh, twice
AT_ONCE = 25  # members that join together
ZONES = 8


class Meter:
    """Counts what passes between all members and the servers."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.lines: set[_Metered] = set()  # that are open
        self.octets = 0
        self.last = 0.0  # when anything but a ping was asked, or told; CLOCK_MONOTONIC

    def forget(self) -> None:
        self.requests.clear()
        self.octets = 0

    @property
    def reads(self) -> int:
        return sum(self.requests[name] for name in ("GetData", "GetChildren", "Exists"))

    @property
    def writes(self) -> int:
        return sum(self.requests[name] for name in ("Create2", "SetData", "Transaction", "Delete"))

    async def open_wire(self, wire: Callable[[], asyncio.Protocol], address: str, server: Server) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: _Metered(self, wire()), address, server.port)

    def cut(self) -> None:
        """End every connection."""
        for line in list(self.lines):
            line.abort()

    def told(self, octets: int) -> None:
        self.octets += octets
        if octets > 24:  # more than the answer to a ping
            self.last = time.monotonic()

    def asked(self, octets: bytes) -> None:
        self.octets += len(octets)
        name = _name(octets)
        self.requests[name] += 1
        if name != "Ping":
            self.last = time.monotonic()


NAMES = {
    kind.opcode: kind.__name__.removesuffix("Request")
    for kind in vars(protocol).values()
    if isinstance(kind, type) and kind.__name__.endswith("Request") and kind.opcode is not None
}


def _name(octets: bytes) -> str:
    return NAMES.get(int.from_bytes(octets[8:12], signed=True), "Connect")


class _Metered(asyncio.Protocol):
    """Stands between a wire and its transport, for both of them."""

    def __init__(self, meter: Meter, wire: asyncio.Protocol) -> None:
        self._meter = meter
        self._wire = wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._meter.lines.add(self)
        self._wire.connection_made(self)

    def data_received(self, data: bytes) -> None:
        self._meter.told(len(data))
        self._wire.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._meter.lines.discard(self)
        self._wire.connection_lost(exc)

    def write(self, octets: bytes) -> None:
        self._meter.asked(octets)
        self._transport.write(octets)

    def abort(self) -> None:
        self._transport.abort()


Kind = type[LightPod] | type[Teller]


class Member:
    """A light pod and its session."""

    def __init__(
        self, kind: Kind, number: int, servers: Ensemble, all_vips: tuple[Vip, ...], meter: Meter
    ) -> None:
        self.pod = kind(pod_id(number), f"r{number % ZONES}", all_vips)
        self.servers = servers
        self._meter = meter
        self._stack = AsyncExitStack()
        self.directory: ZooKeeper | None = None

    async def join(self) -> None:
        self.directory = await self._stack.enter_async_context(
            connect(self.servers, resolve=_no_names, jitter=random.random, open_wire=self._meter.open_wire)
        )
        await self._stack.enter_async_context(self.pod.up(self.directory))

    async def leave(self) -> None:
        await self._stack.aclose()


async def _no_names(name: str) -> tuple[str, ...]:
    raise OSError(f"{name} is no address")


@asynccontextmanager
async def _fleet(
    kind: Kind, number: int, servers: LoopbackEnsemble, meter: Meter
) -> AsyncIterator[list[Member]]:
    ensemble = Ensemble(
        servers=tuple(Server(host=host, port=port) for host, port in servers.places()), session_timeout=T
    )
    all_vips = tuple(map(Vip, vips(VIPS)))
    members = [Member(kind, each, ensemble, all_vips, meter) for each in range(number)]
    try:
        for first in range(0, number, AT_ONCE):
            for member in members[first : first + AT_ONCE]:
                await member.join()
            there = members[: first + AT_ONCE]
            while any(_sees(member) < len(there) for member in there):  # noqa: ASYNC110 - there are many
                await asyncio.sleep(0.5)
            await _calm(meter)
        yield members
    finally:
        for server in servers.servers:  # else each reads of all the others that they leave
            server.kill()
        for member in members:
            await member.leave()


def _sees(member: Member) -> int:
    return 0 if member.pod.view is None else len(member.pod.view.members)


async def _calm(meter: Meter) -> None:
    while (quiet := time.monotonic() - meter.last) < CALM:  # noqa: ASYNC110 - nothing tells of silence
        await asyncio.sleep(CALM - quiet + 0.05)


def members(number: int, kind: Kind = LightPod) -> Iterator[Row]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    servers = LoopbackEnsemble()
    try:
        for what, figure, unit in asyncio.run(_measure(kind, number, servers)):
            yield f"{number} members, {VIPS} VIPs: {what}", "vipd", figure, unit
    finally:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its logs
            servers.close()


async def _measure(kind: Kind, number: int, servers: LoopbackEnsemble) -> list[tuple[str, float, str]]:
    rows: list[tuple[str, float, str]] = []
    meter = Meter()

    async def look(what: str, change: Callable[[], object]) -> None:
        await _calm(meter)
        meter.forget()
        began = time.monotonic()
        done = change()
        if asyncio.iscoroutine(done):
            await done
        meter.last = time.monotonic()
        await _calm(meter)
        rows.extend(
            (
                (f"{what}, reads", meter.reads, ""),
                (f"{what}, writes", meter.writes, ""),
                (f"{what}, octets", meter.octets / 1e6, "MB"),
                (f"{what}, quiet after", meter.last - began, "s"),
            )
        )

    afresh, membership.AFRESH = membership.AFRESH, 1e6  # for now: it is no part of a change
    async with _fleet(kind, number, servers, meter) as fleet:
        one = fleet[number // 2].pod
        await look("one member's session count changes", lambda: one.stand(sessions_up=1))
        await look("and changes back", lambda: one.stand(sessions_up=2))
        await look("one member's VIPs fail", lambda: one.stand(sessions_up=0))
        await look("and are served again", lambda: one.stand(sessions_up=2))
        await look("one member leaves", fleet[-1].leave)
        fleet[-1] = Member(kind, number - 1, fleet[0].servers, one.vips, meter)
        await look("it joins", fleet[-1].join)
        await _calm(meter)
        membership.AFRESH = afresh
        await look("all connections are lost", meter.cut)
        meter.forget()
        await asyncio.sleep(REST)
        rows.extend(
            (
                ("at rest, reads a second", meter.reads / REST, ""),
                ("at rest, pings a second", meter.requests["Ping"] / REST, ""),
                ("at rest, octets a second", meter.octets / REST / 1e3, "kB"),
            )
        )
    return rows
