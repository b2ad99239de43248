"""A ToR for the demo: it listens, lets every pod in, and knows which of them announces what."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from ipaddress import IPv4Address

from vipd.bgp.capabilities import FourOctetAs, Multiprotocol, RouteRefresh
from vipd.bgp.errors import NotificationError
from vipd.bgp.framing import Framer
from vipd.bgp.iana import Family, MessageType
from vipd.bgp.messages import Keepalive, Notification, Open, UpdateReader
from vipd.bgp.wire import Prefix

Seconds = float

HOLD: Seconds = 9
KEEPALIVE: Seconds = HOLD / 3


class Change(StrEnum):
    """What became of a prefix."""

    ANNOUNCED = "announced"
    WITHDRAWN = "withdrawn"


Changed = Callable[[str, Prefix, Change], None]  # the pod's address, what it spoke of, what it said
Parted = Callable[[str, str], None]  # the pod's address, its last words


class Tor:
    """One switch: its Adj-RIBs-In, and no more of a router than the demo needs."""

    def __init__(self, address: str, local_as: int, *, changed: Changed, parted: Parted) -> None:
        self.address = address
        self.local_as = local_as
        self.routes: set[tuple[str, Prefix]] = set()  # pod's address, prefix
        self._changed = changed
        self._parted = parted

    @asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[None]:
        """Take sessions while inside."""
        server = await asyncio.start_server(self._welcome, self.address, port)
        async with server:
            yield

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pod = writer.get_extra_info("peername")[0]
        words = "it hung up without a word"
        try:
            async with asyncio.TaskGroup() as group:
                speaking = group.create_task(self._speak(writer))
                words = await self._listen(pod, reader)
                speaking.cancel()
        except* (OSError, NotificationError) as errors:
            words = str(errors.exceptions[0])
        finally:
            writer.close()
            for route in {route for route in self.routes if route[0] == pod}:
                self._forget(route)
            self._parted(pod, words)

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        capabilities = (Multiprotocol.of(Family.IPV4), RouteRefresh(), FourOctetAs(asn=self.local_as))
        hello = Open(
            asn=self.local_as,
            hold_time=int(HOLD),
            router_id=IPv4Address(self.address),
            capabilities=capabilities,
        )
        writer.write(hello.encode())
        while True:
            writer.write(Keepalive().encode())
            await writer.drain()
            await asyncio.sleep(KEEPALIVE)

    async def _listen(self, pod: str, reader: asyncio.StreamReader) -> str:
        """Learn what the pod announces; return its last words."""
        framer = Framer()
        updates = UpdateReader(four_octet_as=True, ebgp=True, families=(Family.IPV4,))
        while True:
            async with asyncio.timeout(HOLD):
                octets = await reader.read(65536)
            if not octets:
                return "it hung up without a word"
            framer.feed(octets)
            for kind, body in framer:
                if kind is MessageType.NOTIFICATION:
                    return str(Notification.decode(body))
                if kind is MessageType.UPDATE:
                    self._learn(pod, updates, body)

    def _learn(self, pod: str, reader: UpdateReader, body: bytes) -> None:
        for update in reader.updates(body):
            for prefix in update.withdrawn:
                self._forget((pod, prefix))
            for prefix in update.announced:
                if (pod, prefix) not in self.routes:
                    self.routes.add((pod, prefix))
                    self._changed(pod, prefix, Change.ANNOUNCED)

    def _forget(self, route: tuple[str, Prefix]) -> None:
        if route in self.routes:
            self.routes.discard(route)
            self._changed(*route, Change.WITHDRAWN)
