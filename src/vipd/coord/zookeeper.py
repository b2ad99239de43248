"""The Directory in ZooKeeper: its questions as requests, the answers as its values."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Never, assert_never

from aiozk import exc, protocol

from vipd.coord.directory import (
    ANY_VERSION,
    Check,
    Create,
    Delete,
    Link,
    Node,
    NodeExists,
    NoNode,
    Operation,
    Reading,
    RecordChanged,
    Set,
)
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.zk_session import Open, Resolve, Session
from vipd.coord.zk_watched import Watched, refusal
from vipd.coord.zk_wire import Answer, Request, Response
from vipd.latest import Latest

_AFTERMATH: Final = {exc.RolledBack.error_code, exc.RuntimeInconsistency.error_code}  # another one failed


class ZooKeeper:
    """A Directory. Made by `connect`."""

    def __init__(
        self, ensemble: Ensemble, *, open_wire: Open, resolve: Resolve, jitter: Callable[[], float]
    ) -> None:
        self._session = Session(
            ensemble, open_wire=open_wire, resolve=resolve, jitter=jitter, heard=self._heard
        )
        self._hints = Latest(0)
        self._loop = asyncio.get_running_loop()
        self._chroot = ensemble.chroot
        self._acl = (
            [protocol.AUTHED_UNRESTRICTED, protocol.WORLD_READABLE]
            if ensemble.credentials
            else [protocol.UNRESTRICTED_ACCESS]
        )
        self._nodes = Watched[Node](
            request=protocol.GetDataRequest,
            believe=lambda path, response: _node(path, response.data or b"", response.stat),
            denied=lambda path, response: _node(path, None, response.stat),
            full=self._full,
            stamp=_stamp,
        )
        self._names = Watched[tuple[str, ...]](
            request=protocol.GetChildrenRequest,
            believe=lambda _, response: tuple(response.children),
            denied=_deny,
            full=self._full,
        )

    @property
    def link(self) -> Latest[Link]:
        return self._session.link

    @property
    def hints(self) -> Latest[int]:
        return self._hints

    async def run(self) -> Never:
        """Keep connected until cancelled."""
        await self._session.run()

    async def leave(self) -> None:
        """End the session, and our ephemeral nodes with it; bounded. `run` must have ended."""
        await self._session.leave()

    async def read(
        self,
        *,
        nodes: Collection[str] = (),
        folders: Collection[str] = (),
        sync: bool = False,
        afresh: bool = False,
    ) -> Reading:
        wire = self._session.require()
        began, generation = self._loop.time(), self.link.value.generation
        if sync:
            await _answer(wire.ask(protocol.SyncRequest(path=self._full("/"))), "/")
        names = await self._names.read(wire, folders, afresh=afresh)
        children = {path: _below(path, names[path] or ()) for path in folders}
        inside = [path for paths in children.values() for path in paths]
        found = await self._nodes.read(wire, inside, afresh=afresh, listed=True)
        found |= await self._nodes.read(wire, nodes, afresh=afresh)
        return Reading(
            generation=generation,
            began=began,
            nodes={path: found[path] for path in nodes},
            folders={
                path: None
                if names[path] is None
                else {node.name: node for child in children[path] if (node := found[child]) is not None}
                for path in folders
            },
        )

    async def create(self, path: str, data: bytes = b"", *, ephemeral: bool = False) -> Node:
        wanted = Create(path=path, data=data, ephemeral=ephemeral)
        response = await self._call(self._creation(protocol.Create2Request, wanted), path)
        return _node(path, data, response.stat)

    async def set(self, path: str, data: bytes, version: int = ANY_VERSION) -> Node:
        request = protocol.SetDataRequest(path=self._full(path), data=data, version=version)
        return _node(path, data, (await self._call(request, path)).stat)

    async def delete(self, path: str, version: int = ANY_VERSION) -> None:
        await self._call(protocol.DeleteRequest(path=self._full(path), version=version), path)

    async def transact(self, operations: Sequence[Operation]) -> None:
        request = protocol.TransactionRequest()
        for operation in operations:
            request.add(self._request(operation))
        done = await self._call(request, "/")
        for operation, response in zip(operations, done.responses, strict=True):
            if not isinstance(response, exc.ResponseError) or response.error_code in _AFTERMATH:
                continue
            if response.error_code == exc.NoNode.error_code and not isinstance(operation, Create):
                raise RecordChanged(operation.path, "it is not there")
            raise refusal(response.error_code, operation.path)

    async def ensure(self, path: str) -> None:
        try:
            await self._call(protocol.ExistsRequest(path=self._full(path), watch=False), path)
        except NoNode:
            await self._make(path)

    async def _make(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent:
            await self.ensure(parent)
        try:
            await self.create(path)
        except NodeExists:
            pass  # a sibling was faster
        except NoNode:
            if parent or not self._chroot:
                raise
            raise NoNode(self._chroot, "the chroot is not there, and is never created") from None

    async def _call(self, request: Request, path: str) -> Response:
        return await _answer(self._session.require().ask(request), path)

    def _heard(self, path: str | None) -> None:
        own = None if path is None else path.removeprefix(self._chroot) or "/"
        if path is None and self.link.value.new_session:  # the old one may have gone with all data
            self._nodes.forget()
        self._nodes.fired(own)
        self._names.fired(own)
        self._hints.set(self._hints.value + 1)

    def _full(self, path: str) -> str:
        return self._chroot + path if path != "/" else self._chroot or "/"

    def _creation(self, request: Callable[..., Request], operation: Create) -> Request:
        made = request(path=self._full(operation.path), data=operation.data, acl=self._acl)
        made.set_flags(ephemeral=operation.ephemeral)
        return made

    def _request(self, operation: Operation) -> Request:
        path = self._full(operation.path)
        match operation:
            case Check(version=version):
                return protocol.CheckVersionRequest(path=path, version=version)
            case Create():
                return self._creation(protocol.CreateRequest, operation)
            case Set(data=data, version=version):
                return protocol.SetDataRequest(path=path, data=data, version=version)
            case Delete(version=version):
                return protocol.DeleteRequest(path=path, version=version)
            case _:
                assert_never(operation)


@asynccontextmanager
async def connect(
    ensemble: Ensemble,
    *,
    resolve: Resolve,
    jitter: Callable[[], float],
    tls: ssl.SSLContext | None = None,
    open_wire: Open | None = None,
) -> AsyncIterator[ZooKeeper]:
    """Keep a session with the ensemble until the context is left, and end it then.

    Args:
        ensemble: the servers.
        resolve: looks up the names of servers; raises OSError.
        jitter: draws from [0, 1).
        tls: how servers prove who they are, and we to them; None: in the clear.
        open_wire: connects to a server; by TCP unless said otherwise.
    """

    async def over_tcp(wire: Callable[[], asyncio.Protocol], address: str, server: Server) -> None:
        await asyncio.get_running_loop().create_connection(
            wire, address, server.port, ssl=tls, server_hostname=None if tls is None else server.host
        )

    directory = ZooKeeper(ensemble, open_wire=open_wire or over_tcp, resolve=resolve, jitter=jitter)
    async with asyncio.TaskGroup() as group:
        session = group.create_task(directory.run(), name="zookeeper")
        try:
            yield directory
        finally:
            session.cancel()
            await directory.leave()


async def _answer(answer: asyncio.Future[Answer], path: str) -> Response:
    answered = await answer
    if answered.error:
        raise refusal(answered.error, path)
    return answered.response


def _deny(path: str, _: Response) -> Never:
    raise refusal(exc.NoAuth.error_code, path)


def _stamp(response: Response) -> object:
    """All that tells two states of a node apart: of its data, and of who may read them."""
    stat = response.stat
    return (
        *(stat.created_zxid, stat.created, stat.ephemeral_owner),
        *(stat.last_modified_zxid, stat.modified, stat.version, stat.data_length, stat.acl_version),
    )


def _below(folder: str, names: Iterable[str]) -> list[str]:
    return [f"{folder.rstrip('/')}/{name}" for name in names]


def _node(path: str, content: bytes | None, stat: Any) -> Node:
    return Node(
        path=path,
        data=content,
        czxid=stat.created_zxid,
        mzxid=stat.last_modified_zxid,
        version=stat.version,
        ephemeral_owner=stat.ephemeral_owner,
    )
