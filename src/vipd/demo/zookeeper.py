"""A ZooKeeper server for the demo: real octets over a `Tree` in memory, with sessions that expire.

It keeps nothing, knows one server only, and believes its clients; a real one is for everything but a demo.
A `Conversation` is one connection, octets in and octets out; `serving` puts it on a TCP port.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

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
    Operation,
    RecordChanged,
    Set,
)
from vipd.coord.memory import Change, Tree

Milliseconds = int
Request = Any  # aiozk has no types

REQUESTS: Final[dict[int, Any]] = {
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
ERRORS: Final[dict[type[DirectoryRefused], Any]] = {
    NoNode: exc.NoNode,
    NodeExists: exc.NodeExists,
    RecordChanged: exc.BadVersion,
    AccessDenied: exc.NoAuth,
    DirectoryRefused: exc.NotEmpty,
}
EVENTS: Final[dict[Change, int]] = {
    Change.CREATED: protocol.WatchEvent.CREATED,
    Change.DELETED: protocol.WatchEvent.DELETED,
    Change.SET: protocol.WatchEvent.DATA_CHANGED,
    Change.CHILDREN: protocol.WatchEvent.CHILDREN_CHANGED,
}


@dataclass
class Realm:
    """The nodes, and the sessions that live: what all servers of an ensemble share."""

    tree: Tree = field(default_factory=Tree)
    passwords: dict[int, bytes] = field(default_factory=dict)  # by session
    _ends: dict[int, asyncio.TimerHandle] = field(default_factory=dict)  # by session

    def admit(self) -> tuple[int, bytes]:
        """Begin a session; return it and its password."""
        session = self.tree.open_session()
        self.passwords[session] = b"%016d" % session
        return session, self.passwords[session]

    def touch(self, session: int, timeout: Milliseconds) -> None:
        """Have a session live for so long from now."""
        if session in self._ends:
            self._ends[session].cancel()
        loop = asyncio.get_running_loop()
        self._ends[session] = loop.call_later(timeout / 1000, self.expire, session)

    def expire(self, session: int) -> None:
        """End a session: its nodes go."""
        if (end := self._ends.pop(session, None)) is not None:
            end.cancel()
        del self.passwords[session]
        self.tree.close_session(session)

    def rest(self) -> None:
        """Expire nobody any more."""
        for end in self._ends.values():
            end.cancel()
        self._ends.clear()


@dataclass
class Server:
    """One server, and who is connected to it."""

    realm: Realm = field(default_factory=Realm)
    longest_timeout: Milliseconds = 60_000
    open: set[Any] = field(default_factory=set)  # conversations

    def meet(
        self, *, write: Callable[[bytes], None], close: Callable[[], None], reset: Callable[[], None]
    ) -> "Conversation":
        """Somebody has connected."""
        return Conversation(self, write=write, close=close, reset=reset)

    def reset_all(self) -> None:
        for conversation in list(self.open):
            conversation.reset()


class Conversation:
    """One connection, as the server sees it."""

    def __init__(
        self,
        server: Server,
        *,
        write: Callable[[bytes], None],
        close: Callable[[], None],
        reset: Callable[[], None],
    ) -> None:
        self.server = server
        self.session = 0
        self.write, self.close, self.reset = write, close, reset
        self._timeout: Milliseconds = 0
        self._octets = b""
        self._watched: set[tuple[str, bool]] = set()  # path, and whether for its children
        self._until_end = ExitStack()
        self._until_end.enter_context(server.realm.tree.watching(self._changed))
        server.open.add(self)

    def end(self) -> None:
        """The connection is no more; its session lives on."""
        self._until_end.close()
        self.server.open.discard(self)

    def feed(self, octets: bytes) -> None:
        self._octets += octets
        while (frame := self._frame()) is not None:
            if self.session:
                self._read(frame)
            else:
                self.greet(protocol.ConnectRequest.parse(frame, 0)[0])

    def _frame(self) -> bytes | None:
        end = 4 + int.from_bytes(self._octets[:4], "big")
        if len(self._octets) < end:
            return None
        frame, self._octets = self._octets[4:end], self._octets[end:]
        return frame

    def greet(self, greeting: Request) -> None:
        """Begin a session, or go on with one that lives."""
        realm = self.server.realm
        if greeting.last_seen_zxid > realm.tree.zxid:  # it knows of more than we do
            self.close()
            return
        session, password = greeting.session_id, greeting.password
        if session == 0:
            session, password = realm.admit()
        if realm.passwords.get(session) != password:
            self.refuse()
            return
        self.session, self._timeout = session, min(greeting.timeout, self.server.longest_timeout)
        realm.touch(session, self._timeout)
        self._welcome(session=session, timeout=self._timeout, password=password)

    def refuse(self) -> None:
        """There is no such session any more."""
        self._welcome(session=0, timeout=0, password=bytes(16))
        self.close()

    def _welcome(self, *, session: int, timeout: Milliseconds, password: bytes) -> None:
        taken = protocol.ConnectResponse(
            protocol_version=0, timeout=timeout, session_id=session, password=password
        )
        self.send(rendered(taken) + b"\0")

    def _read(self, frame: bytes) -> None:
        xid, opcode = struct.unpack_from("!ii", frame)
        if opcode == protocol.TransactionRequest.opcode:
            self.take(xid, "Transaction", transaction(frame[8:]))
        else:
            name = REQUESTS[opcode].__name__.removesuffix("Request")
            self.take(xid, name, REQUESTS[opcode].parse(frame, 8)[0])

    def take(self, xid: int, name: str, request: Request) -> None:
        """Carry a request out, and answer it."""
        realm = self.server.realm
        lives = self.session in realm.passwords
        if lives:
            realm.touch(self.session, self._timeout)
            body, error = self.outcome(name, request)
        else:
            body, error = b"", exc.SessionExpired.error_code
        self.send(struct.pack("!iqi", xid, realm.tree.zxid, error) + body)
        if name == "Close" or not lives:
            self.close()

    def outcome(self, name: str, request: Request) -> tuple[bytes, int]:
        """Carry a request out; return the answer and 0, or nothing and the code of an error."""
        try:
            return self.carry_out(name, request), 0
        except DirectoryRefused as refused:
            return b"", ERRORS[type(refused)].error_code

    def carry_out(self, name: str, request: Request) -> bytes:
        """Carry a request out and return the answer. Raises DirectoryRefused."""
        realm, tree = self.server.realm, self.server.realm.tree
        match name:
            case "Ping" | "Auth":
                return b""
            case "Close":
                realm.expire(self.session)
                return b""
            case "Sync":
                return rendered(protocol.SyncResponse(path=request.path))
            case "GetData":
                node = self._find(request.path)
                self._watch(request, children=False)
                return rendered(protocol.GetDataResponse(data=node.data, stat=stat(node)))
            case "Exists":
                self._watch(request, children=False)
                return rendered(protocol.ExistsResponse(stat=stat(self._find(request.path))))
            case "GetChildren":
                self._find(request.path)
                self._watch(request, children=True)
                return rendered(protocol.GetChildrenResponse(children=tree.names(request.path)))
            case "Transaction":
                return self._transact(request)
            case _:
                tree.apply([operation(request)], session=self.session)
                return self._written(request)

    def _transact(self, requests: Sequence[Request]) -> bytes:
        """All or nothing; where nothing, the answer says at which of them it failed."""
        tree = self.server.realm.tree
        try:
            tree.apply([operation(request) for request in requests], session=self.session)
        except DirectoryRefused as refused:
            failed = next(i for i, request in enumerate(requests) if request.path == refused.path)
            codes = [0] * failed + [ERRORS[type(refused)].error_code] + [-2] * (len(requests) - failed - 1)
            results = [_result(-1, code) + struct.pack("!i", code) for code in codes]
        else:
            results = [_result(request.opcode) + self._written(request) for request in requests]
        return b"".join(results) + rendered(MultiHeader(type=-1, done=True, error=-1))

    def _written(self, request: Request) -> bytes:
        match request:
            case protocol.Create2Request():
                made = stat(self._find(request.path))
                return rendered(protocol.Create2Response(path=request.path, stat=made))
            case protocol.CreateRequest():
                return rendered(protocol.CreateResponse(path=request.path))
            case protocol.SetDataRequest():
                return rendered(protocol.SetDataResponse(stat=stat(self._find(request.path))))
            case protocol.DeleteRequest():
                return rendered(protocol.DeleteResponse())
            case _:
                return rendered(protocol.CheckVersionResponse())

    def _find(self, path: str) -> Node:
        node = self.server.realm.tree.node(path)
        if node is None:
            raise NoNode(path, "")
        return node

    def _watch(self, request: Request, *, children: bool) -> None:
        if request.watch:
            self._watched.add((request.path, children))

    def _changed(self, path: str, change: Change) -> None:
        kinds = {Change.CHILDREN: (True,), Change.DELETED: (False, True)}.get(change, (False,))
        fired = {(path, children) for children in kinds} & self._watched
        if fired:
            self._watched -= fired
            event = protocol.WatchEvent(type=EVENTS[change], state=3, path=path)
            self.send(struct.pack("!iqi", protocol.WATCH_XID, -1, 0) + rendered(event))

    def send(self, frame: bytes) -> None:
        self.write(struct.pack("!i", len(frame)) + frame)


class _Stream(asyncio.Protocol):
    """A TCP connection for a conversation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream has no other
        self._transport = transport
        self._conversation = self._server.meet(
            write=transport.write, close=transport.close, reset=self._reset
        )

    def data_received(self, octets: bytes) -> None:
        self._conversation.feed(octets)

    def connection_lost(self, _: Exception | None) -> None:
        self._conversation.end()

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        if sock is not None:  # TLS lets go of it early
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    @classmethod
    def of(cls, server: Server) -> Callable[[], Self]:
        return lambda: cls(server)


@asynccontextmanager
async def serving(
    server: Server, host: str = "127.0.0.1", port: int = 0, **options: Any
) -> AsyncIterator[int]:
    """Serve on a TCP port while inside, and yield which. Raises OSError."""
    listener = await asyncio.get_running_loop().create_server(_Stream.of(server), host, port, **options)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        server.reset_all()
        server.realm.rest()
        await listener.wait_closed()


def rendered(part: Any) -> bytes:
    """Return the octets of a message."""
    layout, values = part.render()
    return struct.pack("!" + layout, *values)


def stat(node: Node) -> Any:
    """Return what a server tells of a node, as far as anybody asks."""
    return Stat(
        created_zxid=node.czxid,
        last_modified_zxid=node.mzxid,
        created=0,
        modified=0,
        version=node.version,
        child_version=0,
        acl_version=0,
        ephemeral_owner=node.ephemeral_owner,
        data_length=len(node.data or b""),
        num_children=0,
        last_modified_children=0,
    )


def operation(request: Request) -> Operation:
    """Return what a request asks of the tree."""
    match request:
        case protocol.CreateRequest():
            return Create(path=request.path, data=request.data, ephemeral=bool(request.flags & 1))
        case protocol.SetDataRequest():
            return Set(path=request.path, data=request.data, version=request.version)
        case protocol.DeleteRequest():
            return Delete(path=request.path, version=request.version)
        case protocol.CheckVersionRequest():
            return Check(path=request.path, version=request.version)
        case _:
            raise TypeError(f"{request} is no operation")


def transaction(octets: bytes) -> list[Request]:
    """Return the requests that a transaction is made of."""
    requests: list[Request] = []
    offset = 0
    while True:
        header, offset = MultiHeader.parse(octets, offset)
        if header.done:
            return requests
        request, offset = REQUESTS[header.type].parse(octets, offset)
        requests.append(request)


def _result(kind: int, error: int = 0) -> bytes:
    return rendered(MultiHeader(type=kind, done=False, error=error))
