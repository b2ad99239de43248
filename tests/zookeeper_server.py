"""A ZooKeeper server of our own: real octets over a `Tree`, and every misdeed that a test may ask for.

A `Conversation` is one connection, octets in and octets out; `serving` puts it on a TCP port, `Reach` into
the loop. Built on the same message classes as the client, it can share their mistakes: tests/interop has
real servers.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiozk import exc, protocol
from aiozk.protocol.stat import Stat
from aiozk.protocol.transaction import MultiHeader

from vipd.coord.directory import (
    AccessDenied,
    Check,
    Create,
    Delete,
    DirectoryRefused,
    Node,
    NodeExists,
    NoNode,
    RecordChanged,
    Set,
)
from vipd.coord.memory import Change, Tree

REQUESTS = {
    request.opcode: request
    for request in (
        protocol.AuthRequest,
        protocol.CheckVersionRequest,
        protocol.CloseRequest,
        protocol.Create2Request,
        protocol.CreateRequest,
        protocol.DeleteRequest,
        protocol.ExistsRequest,
        protocol.GetChildrenRequest,
        protocol.GetDataRequest,
        protocol.PingRequest,
        protocol.SetDataRequest,
        protocol.SyncRequest,
    )
}
ERRORS = {
    NoNode: exc.NoNode,
    NodeExists: exc.NodeExists,
    RecordChanged: exc.BadVersion,
    AccessDenied: exc.NoAuth,
    DirectoryRefused: exc.NotEmpty,
}
EVENTS = {
    Change.CREATED: protocol.WatchEvent.CREATED,
    Change.DELETED: protocol.WatchEvent.DELETED,
    Change.SET: protocol.WatchEvent.DATA_CHANGED,
    Change.CHILDREN: protocol.WatchEvent.CHILDREN_CHANGED,
}


@dataclass
class Realm:
    """What all servers of an ensemble share."""

    tree: Tree = field(default_factory=Tree)
    passwords: dict[int, bytes] = field(default_factory=dict)  # of the sessions that live

    def expire(self, session: int) -> None:
        del self.passwords[session]
        self.tree.close_session(session)

    def lose_everything(self) -> None:
        self.tree = Tree()
        self.passwords.clear()


@dataclass
class Server:
    """One server. Its fields are switches; names of requests are those of aiozk without their ending."""

    realm: Realm = field(default_factory=Realm)
    longest_timeout: int = 60_000  # ms
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
    open: set["Conversation"] = field(default_factory=set)

    def reset_all(self) -> None:
        for conversation in list(self.open):
            conversation.reset()

    def count(self, name: str) -> int:
        return self.asked.count(name)


class Conversation:
    """One connection, as the server sees it."""

    def __init__(self, server: Server, *, write, close, reset) -> None:
        self.server = server
        self.session = 0
        self.write, self.close, self.reset = write, close, reset
        self._octets = b""
        self._watched: set[tuple[str, bool]] = set()  # path, and whether for its children
        self._watching = server.realm.tree.watching(self._changed)
        self._watching.__enter__()
        server.open.add(self)
        self._backlog: list[bytes] = []

    def end(self) -> None:
        self._watching.__exit__(None, None, None)
        self.server.open.discard(self)

    def feed(self, octets: bytes) -> None:
        self._octets += octets
        while (frame := self._frame()) is not None:
            if self.session:
                self._take(frame)
            else:
                self._greet(frame)

    def _frame(self) -> bytes | None:
        end = 4 + int.from_bytes(self._octets[:4], "big")
        if len(self._octets) < end:
            return None
        frame, self._octets = self._octets[4:end], self._octets[end:]
        return frame

    def _greet(self, frame: bytes) -> None:
        greeting, _ = protocol.ConnectRequest.parse(frame, 0)
        realm = self.server.realm
        self.server.greetings.append(greeting)
        if self.server.mute_at_once:
            return
        if self.server.hang_up_at_once or greeting.last_seen_zxid > realm.tree.zxid:
            self.close()
            return
        session, password = greeting.session_id, greeting.password
        if session == 0 and not self.server.no_sessions:
            session = realm.tree.open_session()
            password = realm.passwords[session] = b"%016d" % session
        known = realm.passwords.get(session) == password
        taken = protocol.ConnectResponse(
            protocol_version=0,
            timeout=min(greeting.timeout, self.server.longest_timeout) if known else 0,
            session_id=session if known else 0,
            password=password if known else bytes(16),
        )
        self._send(_octets(taken) + b"\0")
        if known:
            self.session = session
        else:
            self.close()

    def _take(self, frame: bytes) -> None:
        xid, opcode = struct.unpack_from("!ii", frame)
        if opcode == protocol.TransactionRequest.opcode:
            name, request = "Transaction", _transaction(frame[8:])
        else:
            name = REQUESTS[opcode].__name__.removesuffix("Request")
            request, _ = REQUESTS[opcode].parse(frame, 8)
        self.server.asked.append(name)
        if name in self.server.mute:
            return
        if self.server.errors.get(name):
            body, error = b"", self.server.errors[name].pop(0)
        else:
            try:
                body, error = self._carry_out(name, request), 0
            except DirectoryRefused as refused:
                body, error = b"", ERRORS[type(refused)].error_code
        if name in self.server.reset_after:
            self.reset()
            return
        self._send(struct.pack("!iqi", xid, self.server.realm.tree.zxid, error) + body)
        if name == "Close":
            self.close()

    def _carry_out(self, name: str, request) -> bytes:  # noqa: C901 - one arm for each request
        realm, tree = self.server.realm, self.server.realm.tree
        match name:
            case "Ping":
                return b""
            case "Auth":
                self.server.credentials.append(request.auth)
                return b""
            case "Close":
                realm.expire(self.session)
                return b""
            case "Sync":
                return _octets(protocol.SyncResponse(path=request.path))
            case "GetData":
                if request.path in self.server.denied and tree.node(request.path):
                    raise AccessDenied(request.path, "")
                node = self._find(request.path)
                self._watch(request, children=False)
                return _octets(protocol.GetDataResponse(data=node.data, stat=_stat(node)))
            case "Exists":
                self._watch(request, children=False)
                return _octets(protocol.ExistsResponse(stat=_stat(self._find(request.path))))
            case "GetChildren":
                if request.path in self.server.denied and tree.node(request.path):
                    raise AccessDenied(request.path, "")
                self._find(request.path)
                self._watch(request, children=True)
                return _octets(protocol.GetChildrenResponse(children=tree.names(request.path)))
            case "Transaction":
                return self._transact(request)
            case _:
                return _octets(self._write(request))

    def _write(self, request):
        self.server.realm.tree.apply([_operation(request)], session=self.session)
        return self._written(request)

    def _written(self, request):
        node = self.server.realm.tree.node(request.path)
        match request:
            case protocol.Create2Request():
                return protocol.Create2Response(path=request.path, stat=_stat(node))
            case protocol.CreateRequest():
                return protocol.CreateResponse(path=request.path)
            case protocol.SetDataRequest():
                return protocol.SetDataResponse(stat=_stat(node))
            case protocol.DeleteRequest():
                return protocol.DeleteResponse()
            case protocol.CheckVersionRequest():
                return protocol.CheckVersionResponse()

    def _transact(self, requests: list) -> bytes:
        try:
            self.server.realm.tree.apply([_operation(request) for request in requests], session=self.session)
        except DirectoryRefused as refused:
            failed = next(i for i, request in enumerate(requests) if request.path == refused.path)
            codes = [0] * failed + [ERRORS[type(refused)].error_code] + [-2] * (len(requests) - failed - 1)
            results = [_octets(_result(-1, code)) + struct.pack("!i", code) for code in codes]
        else:
            results = [
                _octets(_result(request.opcode)) + _octets(self._written(request)) for request in requests
            ]
        return b"".join(results) + _octets(MultiHeader(type=-1, done=True, error=-1))

    def _find(self, path: str) -> Node:
        node = self.server.realm.tree.node(path)
        if node is None:
            raise NoNode(path, "")
        return node

    def _watch(self, request, *, children: bool) -> None:
        if request.watch:
            self._watched.add((request.path, children))

    def _changed(self, path: str, change: Change) -> None:
        kinds = {Change.CHILDREN: (True,), Change.DELETED: (False, True)}.get(change, (False,))
        fired = {(path, children) for children in kinds} & self._watched
        if fired:
            self._watched -= fired
            event = protocol.WatchEvent(type=EVENTS[change], state=3, path=path)
            self._send(struct.pack("!iqi", protocol.WATCH_XID, -1, 0) + _octets(event))

    def _send(self, frame: bytes) -> None:
        if self.server.garbage:
            self.write(self.server.garbage)
            return
        octets = struct.pack("!i", len(frame)) + frame
        if self.server.hold is not None and not self.server.hold.is_set():
            self._backlog.append(octets)
            return
        self.write(b"".join(self._backlog) + octets)
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
        self._conversation = Conversation(
            server,
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


@asynccontextmanager
async def serving(server: Server, host: str = "127.0.0.1", port: int = 0, **options) -> AsyncIterator[int]:
    """Serve on a TCP port, and yield which."""

    class Stream(asyncio.Protocol):
        def connection_made(self, transport):
            def reset():
                linger = struct.pack("ii", 1, 0)
                if (sock := transport.get_extra_info("socket")) is not None:  # TLS lets go of it early
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()

            self.conversation = Conversation(
                server, write=transport.write, close=transport.close, reset=reset
            )

        def data_received(self, data):
            self.conversation.feed(data)

        def connection_lost(self, exc):
            self.conversation.end()

    listener = await asyncio.get_running_loop().create_server(Stream, host, port, **options)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        server.reset_all()
        await listener.wait_closed()


def _octets(part) -> bytes:
    layout, values = part.render()
    return struct.pack("!" + layout, *values)


def _result(kind: int, error: int = 0) -> MultiHeader:
    return MultiHeader(type=kind, done=False, error=error)


def _stat(node: Node) -> Stat:
    return Stat(
        created_zxid=node.czxid,
        last_modified_zxid=node.mzxid,
        created=0,
        modified=0,
        version=node.version,
        child_version=0,
        acl_version=0,
        ephemeral_owner=node.ephemeral_owner,
        data_length=len(node.data),
        num_children=0,
        last_modified_children=0,
    )


def _operation(request):
    match request:
        case protocol.CreateRequest():
            return Create(path=request.path, data=request.data, ephemeral=bool(request.flags & 1))
        case protocol.SetDataRequest():
            return Set(path=request.path, data=request.data, version=request.version)
        case protocol.DeleteRequest():
            return Delete(path=request.path, version=request.version)
        case protocol.CheckVersionRequest():
            return Check(path=request.path, version=request.version)


def _transaction(octets: bytes) -> list:
    requests, offset = [], 0
    while True:
        header, offset = MultiHeader.parse(octets, offset)
        if header.done:
            return requests
        request, offset = REQUESTS[header.type].parse(octets, offset)
        requests.append(request)
