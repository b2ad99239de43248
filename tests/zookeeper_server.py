"""A ZooKeeper server of our own, with every misdeed that a test may ask for: that of the demo, led astray.

`serving` puts it on a TCP port, `Reach` into the loop. Built on the same message classes as the client, it
can share their mistakes: tests/interop has real servers.
"""

import asyncio
import errno
from dataclasses import dataclass, field

from aiozk import protocol

from vipd.coord.directory import AccessDenied
from vipd.coord.memory import Tree
from vipd.demo import zookeeper
from vipd.demo.zookeeper import ERRORS, EVENTS, REQUESTS, serving
from vipd.demo.zookeeper import operation as _operation
from vipd.demo.zookeeper import rendered as _octets
from vipd.demo.zookeeper import stat as _stat
from vipd.demo.zookeeper import transaction as _transaction

__all__ = [  # for the simulated servers, too
    "ERRORS",
    "EVENTS",
    "REQUESTS",
    "Reach",
    "Realm",
    "Server",
    "_octets",
    "_operation",
    "_stat",
    "_transaction",
    "serving",
]


@dataclass
class Realm(zookeeper.Realm):
    """What all servers of an ensemble share. Sessions live until a test ends them."""

    def touch(self, session: int, timeout: int) -> None:
        pass

    def lose_everything(self) -> None:
        self.tree = Tree()
        self.passwords.clear()


@dataclass
class Server(zookeeper.Server):
    """One server. Its fields are switches; names of requests are those of aiozk without their ending."""

    realm: Realm = field(default_factory=Realm)
    mute_at_once: bool = False  # accept, and say nothing
    hang_up_at_once: bool = False  # as a server without a quorum does
    no_sessions: bool = False
    mute: frozenset[str] = frozenset()  # requests that are neither carried out nor answered
    reset_after: frozenset[str] = frozenset()  # requests that are carried out, and answered by a reset
    errors: dict[str, list[int]] = field(
        default_factory=dict
    )  # what the next of such requests are refused with
    denied: set[str] = field(default_factory=set)  # paths whose data nobody may read
    hold: asyncio.Event | None = None  # nothing is answered until it is set
    garbage: bytes = b""  # instead of the next answer
    asked: list[str] = field(default_factory=list)  # every request, in order
    greetings: list[protocol.ConnectRequest] = field(default_factory=list)
    credentials: list[bytes] = field(default_factory=list)

    def meet(self, **ways) -> "Conversation":
        return Conversation(self, **ways)

    def count(self, name: str) -> int:
        return self.asked.count(name)


class Conversation(zookeeper.Conversation):
    """One connection, as a server sees it that may misbehave."""

    def __init__(self, server: Server, **ways) -> None:
        super().__init__(server, **ways)
        self._backlog: list[bytes] = []

    def greet(self, greeting) -> None:
        self.server.greetings.append(greeting)
        if self.server.mute_at_once:
            return
        if self.server.hang_up_at_once:
            self.close()
        elif self.server.no_sessions and greeting.session_id == 0:
            self.refuse()
        else:
            super().greet(greeting)

    def take(self, xid: int, name: str, request) -> None:
        self.server.asked.append(name)
        if name in self.server.mute:
            return
        if name in self.server.reset_after:
            self.outcome(name, request)
            self.reset()
            return
        super().take(xid, name, request)

    def outcome(self, name: str, request) -> tuple[bytes, int]:
        if self.server.errors.get(name):
            return b"", self.server.errors[name].pop(0)
        return super().outcome(name, request)

    def carry_out(self, name: str, request) -> bytes:
        if name == "Auth":
            self.server.credentials.append(request.auth)
        reads = name in {"GetData", "GetChildren"}
        if reads and request.path in self.server.denied and self.server.realm.tree.node(request.path):
            raise AccessDenied(request.path, "")
        return super().carry_out(name, request)

    def send(self, frame: bytes) -> None:
        if self.server.garbage:
            self.write(self.server.garbage)
            return
        self._backlog.append(len(frame).to_bytes(4, "big") + frame)
        if self.server.hold is None or self.server.hold.is_set():
            self.write(b"".join(self._backlog))
            self._backlog.clear()


class Reach:
    """Servers that are reached without a network, by their configured names: octets take `delay` seconds.

    For the loop that is its own clock: `Reach(servers).open_wire` is what `zookeeper.connect` may be given.
    """

    def __init__(self, servers: dict[str, Server], delay: float = 0.001) -> None:
        self.servers = servers
        self.delay = delay
        self.down: set[str] = set()  # nobody listens there
        self.dials: list[tuple[float, str]] = []

    async def open_wire(self, protocol_factory, address: str, server) -> None:
        loop = asyncio.get_running_loop()
        self.dials.append((loop.time(), server.host))
        await asyncio.sleep(self.delay)
        if server.host in self.down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        _Line(self.servers[server.host], protocol_factory(), self.delay)


class _Line(asyncio.Transport):
    def __init__(self, server: Server, wire: asyncio.Protocol, delay: float) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._wire = wire
        self._over = False
        self._conversation = server.meet(
            write=lambda octets: self._later(wire.data_received, octets),
            close=lambda: self._later(self._end, None),
            reset=lambda: self._later(self._end, ConnectionResetError(errno.ECONNRESET, "reset")),
        )
        wire.connection_made(self)

    def write(self, data) -> None:
        self._later(self._conversation.feed, bytes(data))

    def abort(self) -> None:
        self._end(None)

    def _later(self, call, *args) -> None:
        self._loop.call_later(self._delay, self._unless_over, call, *args)

    def _unless_over(self, call, *args) -> None:
        if not self._over:
            call(*args)

    def _end(self, error: OSError | None) -> None:
        if not self._over:
            self._over = True
            self._conversation.end()
            self._wire.connection_lost(error)
