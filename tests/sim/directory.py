"""Simulated ZooKeeper: servers that replicate one log, each at its own pace, and speak its real octets.

Pods reach it with the production adapter, from `Session` upwards; only the TCP connection is simulated. What
ZooKeeper promises holds here too: what one connection asks is answered in its order, a watch fires before
anything newer is told, a write is answered when the server that took it has carried it out itself, a session
lives while any server hears of it, and a new leader grants every session its whole timeout anew.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from aiozk import exc, protocol
from aiozk.protocol.transaction import MultiHeader

from sim.process import Process
from sim.ways import Network, Way, now
from vipd.coord.directory import DirectoryRefused, Node, NoNode, Operation
from vipd.coord.ensemble import Ensemble as Addresses
from vipd.coord.ensemble import Server as Address
from vipd.coord.memory import Change, Tree
from vipd.coord.zookeeper import ZooKeeper, connect
from zookeeper_server import ERRORS, EVENTS, REQUESTS, _octets, _operation, _stat, _transaction

Seconds = float


@dataclass(frozen=True)
class Opened:
    session: int
    timeout: Seconds


@dataclass(frozen=True)
class Ended:
    session: int


@dataclass(frozen=True)
class Written:
    operations: tuple[Operation, ...]
    session: int


Entry = Opened | Ended | Written


class Transport(asyncio.Transport):
    """The client's end: what production's `Wire` writes to."""

    def __init__(
        self, network: Network, process: Process, pod: str, server: "Server", wire: asyncio.Protocol
    ) -> None:
        super().__init__()
        self.process = process
        self._wire = wire
        self.dead = False
        self._there = Way(network, pod, server.name, self._reach)
        self._back = Way(network, server.name, pod, self._arrive)
        self.conversation = Conversation(server, self._back.send)
        self._all = server.ensemble.transports
        self._all[self] = None

    def write(self, octets: bytes) -> None:
        if not self.dead:
            self._there.send(bytes(octets))

    def abort(self) -> None:
        if not self.dead:
            self._dies()
            self._there.send(None)

    close = abort

    def bury(self, *, silently: bool) -> None:
        """Be heard no more."""
        self._dies()
        if not silently:
            self._there.send(None)

    def _dies(self) -> None:
        self.dead = True
        self._all.pop(self, None)

    def _reach(self, octets: bytes | None) -> None:
        if octets is None:
            self.conversation.end()
        else:
            self.conversation.feed(octets)

    def _arrive(self, octets: bytes | None) -> None:
        if not self.dead:
            self.process.deliver(self._take, octets)

    def _take(self, octets: bytes | None) -> None:
        if self.dead:
            return
        if octets is None:
            self._dies()
            self._wire.connection_lost(None)
        else:
            self._wire.data_received(octets)


class Server:
    """One server: its own tree, as far as it has come in the log."""

    def __init__(self, ensemble: "Ensemble", name: str) -> None:
        self.ensemble = ensemble
        self.name = name
        self.tree = Tree()
        self.applied = 0
        self.up = True
        self.stopped = False  # takes connections, as its kernel does, and says nothing
        self.dark = False  # its machine has no power: nothing is refused, and nothing answered
        self.alone = False  # no other server is heard, which it has not noticed yet
        self.cut_off = False  # it has: it serves nobody
        self.lag: Seconds = 0.0
        self.conversations: dict[Conversation, None] = {}  # in the order in which they began
        self._free_at = 0.0
        self._waiting: list[tuple[int, Callable[[], None]]] = []  # for the log to have been applied so far

    @property
    def serves(self) -> bool:
        at_work = not self.cut_off if self.alone else self.ensemble.ready
        return self.up and not self.stopped and at_work

    @property
    def able(self) -> bool:
        """To be one of a quorum."""
        return self.up and not self.stopped and not self.alone

    def follow(self) -> None:
        """Take on the newest entry of the log, when its time has come."""
        lag = self.lag + self.ensemble.random.uniform(0.0002, 0.002)
        self._free_at = max(self._free_at, now() + lag)
        asyncio.get_running_loop().call_at(self._free_at, self._catch_up, len(self.ensemble.log))

    def _catch_up(self, position: int) -> None:
        if self.able:
            self.apply(position)

    def apply(self, position: int) -> None:
        log = self.ensemble.log
        while self.applied < min(position, len(log)):
            with self.tree.watching(self._changed):
                carry_out(self.tree, log[self.applied])
            self.applied += 1
            due = [then for at, then in self._waiting if at <= self.applied]
            self._waiting = [each for each in self._waiting if each[0] > self.applied]
            for then in due:
                then()

    def _changed(self, path: str, change: Change) -> None:
        for conversation in list(self.conversations):
            conversation.changed(path, change)

    def when_applied(self, position: int, then: Callable[[], None]) -> None:
        if self.applied >= position:
            then()
        else:
            self._waiting.append((position, then))

    def drop_all(self) -> None:
        """Close every connection; what was being waited for is forgotten."""
        self._waiting.clear()
        for conversation in list(self.conversations):
            conversation.close()

    def fall_silent(self) -> None:
        self._waiting.clear()
        for conversation in list(self.conversations):
            conversation.end()

    def restart(self, log: list[Entry]) -> None:
        """Begin from what is on disk."""
        self.tree, self.applied = Tree(), 0
        for entry in log:
            carry_out(self.tree, entry)
            self.applied += 1


def carry_out(tree: Tree, entry: Entry) -> None:
    match entry:
        case Opened():
            tree.zxid += 1
        case Ended(session=session):
            tree.close_session(session)
        case Written(operations=operations, session=session):
            tree.apply(operations, session=session)


class Ensemble:
    """All servers, the log they agree on, and the sessions that the leader keeps."""

    def __init__(
        self, network: Network, random: Random, names: tuple[str, ...] = ("zk1", "zk2", "zk3")
    ) -> None:
        self.network = network
        self.random = random
        self.servers = {name: Server(self, name) for name in names}
        self.transports: dict[Transport, None] = {}  # the clients' ends of all connections
        self.leader = names[0]
        self.ready = True
        self.log: list[Entry] = []
        self.truth = Tree()  # where all of the log has been applied
        self.sessions: dict[int, Seconds] = {}  # their timeouts
        self.until: dict[int, Seconds] = {}  # when each expires unless it is heard of
        self.passwords: dict[int, bytes] = {}
        self.owners: dict[int, Conversation] = {}  # who else writes in a session is refused: SessionMoved
        self.longest = 40.0
        self.shortest = 1.0
        self.deaf_to: set[str] = set()  # requests that, once carried out, are answered by a hang-up
        self.mute: set[str] = set()  # requests that are not answered at all
        self.loses: set[str] = set()  # requests that are answered by a hang-up, and not carried out
        self._opened = 0
        self._seats: asyncio.TimerHandle | None = None
        self._election: asyncio.TimerHandle | None = None

    # ---- what servers ask of the leader ----

    def commit(self, entry: Entry) -> int:
        """Agree on one more entry; return how far the log then reaches. Raises DirectoryRefused."""
        carry_out(self.truth, entry)
        self.log.append(entry)
        for server in self.servers.values():
            server.follow()
        return len(self.log)

    def open_session(self, timeout: Seconds) -> int:
        self._opened += 1
        session = self._opened + (self.random.getrandbits(24) << 24)
        self.sessions[session] = timeout
        self.passwords[session] = self.random.randbytes(16)
        self.commit(Opened(session, timeout))
        self.touch(session)
        return session

    def touch(self, session: int) -> bool:
        if session not in self.sessions:
            return False
        self.until[session] = now() + self.sessions[session]
        self._watch_the_clock()
        return True

    def end_session(self, session: int) -> None:
        if session in self.sessions:
            del self.sessions[session], self.until[session]
            self.owners.pop(session, None)
            self.commit(Ended(session))
            for server in self._in_touch():
                for conversation in list(server.conversations):
                    if conversation.session == session:
                        conversation.expired()

    def moved(self, session: int, here: "Conversation") -> None:
        self.owners[session] = here
        for server in self._in_touch():
            for conversation in list(server.conversations):
                if conversation.session == session and conversation is not here:
                    conversation.close()

    def _in_touch(self) -> list[Server]:
        """The servers that hear what has become of a session."""
        return [server for server in self.servers.values() if not server.alone]

    def _watch_the_clock(self) -> None:
        if self._seats is not None:
            self._seats.cancel()
            self._seats = None
        if self.until and self.ready:
            self._seats = asyncio.get_running_loop().call_at(min(self.until.values()), self._expire)

    def _expire(self) -> None:
        self._seats = None
        for session in [each for each, at in self.until.items() if at <= now()]:
            self.end_session(session)
        self._watch_the_clock()

    # ---- what befalls it ----

    def by_hand(self, *operations: Operation) -> None:
        """Somebody writes. Raises DirectoryRefused."""
        try:
            self.commit(Written(operations, 0))
        except DirectoryRefused:
            self.truth.zxid -= 1
            raise

    def kill(self, name: str) -> None:
        server = self.servers[name]
        server.up = False
        server.drop_all()
        self._reconsider(name)

    def unplug(self, name: str) -> None:
        """Take the power from its machine: whoever talks to it is told nothing of that."""
        server = self.servers[name]
        server.up, server.dark = False, True
        server.fall_silent()
        self._reconsider(name)

    def isolate(self, name: str, notices: Seconds) -> None:
        """Cut a server off from the others; for a while it does not notice, and serves what it has."""
        self.servers[name].alone = True
        asyncio.get_running_loop().call_later(notices, self._notice, name)
        self._reconsider(name)

    def _notice(self, name: str) -> None:
        server = self.servers[name]
        if server.alone:
            server.cut_off = True
            server.drop_all()

    def rejoin(self, name: str) -> None:
        server = self.servers[name]
        server.alone = server.cut_off = False
        server.apply(len(self.log))
        server.drop_all()
        self._reconsider(name)

    def start(self, name: str) -> None:
        server = self.servers[name]
        server.up, server.dark, server.cut_off = True, False, server.alone
        server.restart(self.log)
        self._reconsider(name)

    def stop(self, name: str) -> None:
        """SIGSTOP."""
        self.servers[name].stopped = True
        self._reconsider(name)

    def resume(self, name: str) -> None:
        server = self.servers[name]
        server.stopped = False
        server.apply(len(self.log))
        server.drop_all()
        self._reconsider(name)

    def lose_everything(self) -> None:
        """What is on disk is gone; every server must be down."""
        assert not any(server.up for server in self.servers.values())
        self.log.clear()
        self.truth = Tree()
        self.sessions.clear()
        self.until.clear()
        self.passwords.clear()
        self.owners.clear()

    def bury(self, process: Process, *, silently: bool) -> None:
        """A client is no more; its kernel says so, or nothing does. Its session lives its time out."""
        for transport in [each for each in self.transports if each.process is process]:
            transport.bury(silently=silently)

    def expire(self, session: int) -> None:
        """End a session before its time."""
        self.end_session(session)

    def _reconsider(self, changed: str) -> None:
        able = [name for name, server in self.servers.items() if server.able]
        quorum = 2 * len(able) > len(self.servers)
        if quorum and self.ready and self.leader in able:
            return
        self.ready = False
        for name in able:
            self.servers[name].drop_all()
        if self._election is not None:
            self._election.cancel()
            self._election = None
        if quorum:
            self._election = asyncio.get_running_loop().call_later(
                self.random.uniform(0.1, 0.6), self._elect, self.random.choice(able)
            )

    def _elect(self, leader: str) -> None:
        self._election = None
        self.leader, self.ready = leader, True
        for session in self.sessions:
            self.touch(session)
        for server in self.servers.values():
            if server.able:
                server.apply(len(self.log))

    # ---- how pods reach it ----

    async def connect(
        self, process: Process, pod: str, wire: Callable[[], asyncio.Protocol], address: Address
    ) -> Transport:
        """Connect a protocol to a server. Raises OSError."""
        server = self.servers[address.host]
        await asyncio.sleep(self.network.takes(pod, server.name) + self.network.takes(server.name, pod))
        while not (self.network.reaches(pod, server.name) and self.network.reaches(server.name, pod)):
            await self.network.until_mended()
        if server.dark:
            await asyncio.Event().wait()  # nobody will ever answer: the client gives up
        if not server.up:
            raise ConnectionRefusedError(111, "Connection refused")
        client = wire()
        transport = Transport(self.network, process, pod, server, client)
        client.connection_made(transport)
        return transport


class Conversation:
    """One connection, as the server sees it: one request at a time."""

    def __init__(self, server: Server, send: Callable[[bytes | None], None]) -> None:
        self.server = server
        self.session = 0
        self._send_octets = send
        self._octets = b""
        self._frames: deque[bytes] = deque()
        self._busy = False
        self._closed = False
        self._watched: set[tuple[str, bool]] = set()
        server.conversations[self] = None

    @property
    def _ensemble(self) -> Ensemble:
        return self.server.ensemble

    def end(self) -> None:
        """The client has gone, or we have."""
        if not self._closed:
            self._closed = True
            self.server.conversations.pop(self, None)

    def close(self) -> None:
        if not self._closed:
            self.end()
            self._send_octets(None)

    def expired(self) -> None:
        if not self.server.stopped:
            self.close()

    def feed(self, octets: bytes) -> None:
        if self._closed:
            if not self.server.dark:
                self._send_octets(None)  # a reset
            return
        self._octets += octets
        while len(self._octets) >= 4 and len(self._octets) >= 4 + (
            size := int.from_bytes(self._octets[:4], "big")
        ):
            self._frames.append(self._octets[4 : 4 + size])
            self._octets = self._octets[4 + size :]
        self.advance()

    def advance(self) -> None:
        while self._frames and not self._busy and not self._closed and not self.server.stopped:
            if not self.server.serves:
                self.close()
                return
            self._busy = True
            frame = self._frames.popleft()
            if self.session:
                self._take(frame)
            else:
                self._greet(frame)

    def _done(self, frame: bytes) -> None:
        if self._closed:
            return
        self._busy = False
        self._send_octets(struct.pack("!i", len(frame)) + frame)

    def _greet(self, frame: bytes) -> None:
        greeting, _ = protocol.ConnectRequest.parse(frame, 0)
        ensemble = self._ensemble
        if self.server.alone:
            return  # it asks the leader, and waits
        if greeting.last_seen_zxid > self.server.tree.zxid:
            self.close()
            return
        session, password = greeting.session_id, greeting.password
        asked = greeting.timeout / 1000
        if session == 0:
            session = ensemble.open_session(min(max(asked, ensemble.shortest), ensemble.longest))
            password = ensemble.passwords[session]
        known = ensemble.passwords.get(session) == password and ensemble.touch(session)
        taken = protocol.ConnectResponse(
            protocol_version=0,
            timeout=round(ensemble.sessions[session] * 1000) if known else 0,
            session_id=session if known else 0,
            password=password if known else bytes(16),
        )

        def answer() -> None:
            self._done(_octets(taken) + b"\0")
            if known:
                self.session = session
                ensemble.moved(session, self)
                self.advance()
            else:
                self.close()

        self.server.when_applied(len(ensemble.log), answer)

    def _take(self, frame: bytes) -> None:
        xid, opcode = struct.unpack_from("!ii", frame)
        if opcode == protocol.TransactionRequest.opcode:
            name, request = "Transaction", _transaction(frame[8:])
        else:
            name = REQUESTS[opcode].__name__.removesuffix("Request")
            request, _ = REQUESTS[opcode].parse(frame, 8)
        ensemble = self._ensemble
        if self.server.alone:
            if name not in ("Ping", "GetData", "Exists", "GetChildren", "Auth"):
                return  # it asks the leader, and waits; whatever comes later waits as well
        elif not ensemble.touch(self.session):
            self.close()
            return
        if name in ensemble.mute:
            self._busy = False
            return
        match name:
            case "Close":
                ensemble.end_session(self.session)
                self.close()
            case "Sync":
                answer = _octets(protocol.SyncResponse(path=request.path))
                self.server.when_applied(len(ensemble.log), lambda: self._answer(xid, answer))
            case "Ping" | "Auth":
                self._answer(xid, b"")
            case "GetData" | "Exists" | "GetChildren":
                self._answer(xid, *self._read(name, request))
            case _:
                requests = request if name == "Transaction" else [request]
                took = ensemble.random.uniform(0.0005, 0.004)
                asyncio.get_running_loop().call_later(took, self._write, xid, name, requests)

    def _answer(self, xid: int, body: bytes, error: int = 0) -> None:
        self._done(struct.pack("!iqi", xid, self.server.tree.zxid, error) + body)
        self.advance()

    def _read(self, name: str, request: Any) -> tuple[bytes, int]:
        tree = self.server.tree
        node = tree.node(request.path)
        if request.watch and (node is not None or name == "Exists"):
            self._watched.add((request.path, name == "GetChildren"))
        if node is None:
            return b"", exc.NoNode.error_code
        match name:
            case "GetData":
                return _octets(protocol.GetDataResponse(data=node.data, stat=_stat(node))), 0
            case "Exists":
                return _octets(protocol.ExistsResponse(stat=_stat(node))), 0
        return _octets(protocol.GetChildrenResponse(children=tree.names(request.path))), 0

    def _write(self, xid: int, name: str, requests: list[Any]) -> None:
        """The leader's turn. The client may be gone: then it is done all the same, or not."""
        ensemble = self._ensemble
        moved = ensemble.owners.get(self.session) is not self
        if moved or not ensemble.ready or self.session not in ensemble.sessions or name in ensemble.loses:
            self.close()
            return
        operations = tuple(map(_operation, requests))
        many = name == "Transaction"
        try:
            position = ensemble.commit(Written(operations, self.session))
        except DirectoryRefused as refused:
            # A refused write advances nothing in the log, but the truth must not run ahead of the servers.
            ensemble.truth.zxid -= 1
            code = ERRORS[type(refused)].error_code
            failed = next(i for i, each in enumerate(requests) if each.path == refused.path)
            body, error = (_refusals(len(requests), failed, code), 0) if many else (b"", code)
            self.server.when_applied(len(ensemble.log), lambda: self._answer(xid, body, error))
            return
        results = [_result(each, ensemble.truth.node(each.path)) for each in requests]
        if name in ensemble.deaf_to:
            ensemble.deaf_to.discard(name)
            self.close()
            return
        done = _outcomes(requests, results) if many else results[0]
        self.server.when_applied(position, lambda: self._answer(xid, done))

    def changed(self, path: str, change: Change) -> None:
        kinds = {Change.CHILDREN: (True,), Change.DELETED: (False, True)}.get(change, (False,))
        fired = {(path, children) for children in kinds} & self._watched
        if fired and not self._closed:
            self._watched -= fired
            event = protocol.WatchEvent(type=EVENTS[change], state=3, path=path)
            frame = struct.pack("!iqi", protocol.WATCH_XID, -1, 0) + _octets(event)
            self._send_octets(struct.pack("!i", len(frame)) + frame)


def _result(request: Any, node: Node | None) -> bytes:
    match request:
        case protocol.Create2Request():
            return _octets(protocol.Create2Response(path=request.path, stat=_stat(_there(node, request))))
        case protocol.CreateRequest():
            return _octets(protocol.CreateResponse(path=request.path))
        case protocol.SetDataRequest():
            return _octets(protocol.SetDataResponse(stat=_stat(_there(node, request))))
    return b""


def _there(node: Node | None, request: Any) -> Node:
    if node is None:
        raise NoNode(request.path, "written, and gone")
    return node


def _outcomes(requests: list[Any], results: list[bytes]) -> bytes:
    parts = [
        _octets(MultiHeader(type=request.opcode, done=False, error=0)) + result
        for request, result in zip(requests, results, strict=True)
    ]
    return b"".join(parts) + _octets(MultiHeader(type=-1, done=True, error=-1))


def _refusals(count: int, failed: int, code: int) -> bytes:
    codes = [0] * failed + [code] + [exc.RuntimeInconsistency.error_code] * (count - failed - 1)
    parts = [
        _octets(MultiHeader(type=-1, done=False, error=each)) + struct.pack("!i", each) for each in codes
    ]
    return b"".join(parts) + _octets(MultiHeader(type=-1, done=True, error=-1))


@asynccontextmanager
async def join(
    ensemble: Ensemble, pod: str, *, process: Process | None = None, session_timeout: Seconds = 3.0
) -> AsyncIterator[ZooKeeper]:
    """Have the production adapter keep a session with the ensemble until the context is left."""
    home = Process() if process is None else process

    async def open_wire(wire: Callable[[], asyncio.Protocol], _: str, server: Address) -> Transport:
        return await ensemble.connect(home, pod, wire, server)

    async def resolve(name: str) -> tuple[str, ...]:
        return (name,)

    servers = tuple(Address(host=name) for name in ensemble.servers)
    async with connect(
        Addresses(servers=servers, session_timeout=session_timeout),
        resolve=resolve,
        jitter=ensemble.random.random,
        open_wire=open_wire,
    ) as directory:
        yield directory
