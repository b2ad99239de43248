"""A simulated network: connections that take time, carry so much a second, break, and fall silent."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Never

from vipd.bgp.peer import PeerConfig
from vipd.latest import Latest

FIN, RESET = "fin", "reset"
LOW_WATER = 65536
SEGMENT = 8192  # octets that arrive together, at most
CLOSING = 1.0

Segment = bytes | str


class End:
    """One end of a connection, as a session sees it."""

    def __init__(self, network: "Network", local_address: str, remote_address: str) -> None:
        self.local_address = local_address
        self.remote_address = remote_address
        self.other: End
        self.written: list[tuple[float, bytes]] = []  # what was written, and when
        self._network = network
        self._waiting: deque[Segment] = deque()  # arrived, not read
        self._under_way: deque[Segment] = deque()
        self._news = asyncio.Event()
        self._unwritten = 0  # not on its way yet
        self._unsent = 0  # not acknowledged
        self._progressed = 0.0  # when something last left
        self._sent = asyncio.Event()
        self._free_at = 0.0  # when the last octet written has left
        self._closed = False

    async def read(self) -> bytes:
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        match self._waiting[0]:
            case bytes():
                return self._waiting.popleft()
            case "reset":
                raise ConnectionError("the peer reset the connection")
        return b""

    def write(self, octets: bytes) -> None:
        if not self._closed:
            now = asyncio.get_running_loop().time()
            self.written.append((now, octets))
            if not self._unwritten:
                self._progressed = now
            self._unwritten += len(octets)
            self._unsent += len(octets)
            for start in range(0, len(octets), SEGMENT):
                self._send(octets[start : start + SEGMENT])

    async def drained(self, below: int = LOW_WATER) -> None:
        while self._unwritten > below and not self._closed:
            self._sent.clear()
            await self._sent.wait()

    @property
    def stuck_since(self) -> float | None:
        return self._progressed if self._unwritten else None

    def unsent(self) -> int:
        return self._unsent

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSING):
                await self.drained(below=0)
                self._send(FIN)
                while await self.read():
                    pass
        except (OSError, TimeoutError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            self._sent.set()
            self._waiting.append(RESET)  # for whoever reads here still
            self._news.set()
            self._send(RESET)

    def _send(self, segment: Segment) -> None:
        loop = asyncio.get_running_loop()
        took = len(segment) / self._network.rate if isinstance(segment, bytes) else 0.0
        self._free_at = max(self._free_at, loop.time()) + took
        loop.call_at(self._free_at, self._left, segment)
        self._under_way.append(segment)
        loop.call_at(self._free_at + self._network.delay, self._first_comes)

    def _first_comes(self) -> None:
        # Timers of the same moment keep no order of their own.
        self._network.carry(self, self._under_way.popleft())

    def _left(self, segment: Segment) -> None:
        if isinstance(segment, bytes):
            self._unwritten -= len(segment)
            self._progressed = asyncio.get_running_loop().time()
            self._sent.set()

    def arrived(self, segment: Segment) -> None:
        """A segment of ours has reached the other end, and its acknowledgement us."""
        if isinstance(segment, bytes):
            self._unsent -= len(segment)
        self.other._waiting.append(segment)
        self.other._news.set()


class Network:
    """Where addresses listen, and which of them nothing reaches at the moment."""

    def __init__(self, *, delay: float = 0.001, rate: float = 1e9) -> None:
        self.delay = delay  # one way, seconds
        self.rate = rate  # octets a second
        self.dialled: list[tuple[float, str, str]] = []  # when, from, to
        self.ends: list[End] = []  # the dialling ends of all connections ever made
        self._listening: dict[tuple[str, int], Callable[[End], None]] = {}
        self._cut: set[str] = set()
        self._held: deque[tuple[End, Segment]] = deque()
        self._mended = asyncio.Event()

    def cut(self, address: str) -> None:
        """Lose whatever goes to or comes from an address, without a word to anybody."""
        self._cut.add(address)
        self._mended.clear()

    def mend(self, address: str) -> None:
        """Carry again, the retransmissions of what was lost first."""
        self._cut.discard(address)
        held, self._held = self._held, deque()
        for end, segment in held:
            self.carry(end, segment)
        self._mended.set()

    def carry(self, end: End, segment: Segment) -> None:
        if self._lost(end.local_address, end.remote_address):
            self._held.append((end, segment))
        else:
            end.arrived(segment)

    def listens(self, address: str, port: int, answer: Callable[[End], None]) -> None:
        self._listening[address, port] = answer

    def listens_no_more(self, address: str, port: int) -> None:
        del self._listening[address, port]

    async def connect(self, source: str, address: str, port: int) -> End:
        """The three-way handshake; raises ConnectionError."""
        self.dialled.append((asyncio.get_running_loop().time(), source, address))
        await asyncio.sleep(self.delay)
        while self._lost(source, address):
            await self._mended.wait()
        answer = self._listening.get((address, port))
        await asyncio.sleep(self.delay)
        if answer is None:
            raise ConnectionError(f"{address} port {port}: connection refused")
        near, far = End(self, source, address), End(self, address, source)
        near.other, far.other = far, near
        self.ends.append(near)
        answer(far)
        return near

    async def dial(self, config: PeerConfig) -> End:
        """What a session dials with."""
        default = "10.0.0.1" if ip_address(config.address).version == 4 else "fd00::1"
        return await self.connect(config.local_address or default, config.address, config.port)

    async def listen(
        self,
        host: str,
        port: int,
        peers: Latest[Mapping[str, PeerConfig]],
        answer: Callable[[str, End], None],
    ) -> Never:
        """What a speaker listens with."""

        def called(end: End) -> None:
            for name, config in peers.value.items():
                if config.address == end.remote_address:
                    answer(name, end)
                    return
            end.abort()

        self.listens(host, port, called)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.listens_no_more(host, port)
        raise AssertionError

    def _lost(self, source: str, address: str) -> bool:
        return bool({source, address} & self._cut)
