"""The Directory in memory: a tree that several pods share, for the demo and for simulations.

A `Tree` is what servers know: nodes and sessions. A `MemoryDirectory` is one pod's session with it; whoever
wants faults cuts it off, ends its session, or wraps it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from enum import Enum, auto
from typing import Final, assert_never

from vipd.coord.directory import (
    ANY_VERSION,
    Check,
    Create,
    Delete,
    DirectoryLost,
    DirectoryRefused,
    Link,
    LinkState,
    Node,
    NodeExists,
    NoNode,
    Operation,
    Reading,
    RecordChanged,
    Set,
)
from vipd.latest import Latest

Seconds = float

FOREVER: Final[Seconds] = float("inf")


class Change(Enum):
    """What has become of a node, as its watchers are told."""

    CREATED = auto()
    DELETED = auto()
    SET = auto()
    CHILDREN = auto()  # one came, or one went


Tell = Callable[[str, Change], None]


class Tree:
    """Nodes, and the sessions that some of them go with."""

    def __init__(self) -> None:
        self.zxid = 0
        self._nodes: dict[str, Node] = {}
        self._names: dict[str, set[str]] = {}
        self._sessions = 0
        self._watchers: set[Tell] = set()
        self._put("/", Node(path="/", data=b"", czxid=0, mzxid=0, version=0, ephemeral_owner=0))

    def node(self, path: str) -> Node | None:
        return self._nodes.get(path)

    def names(self, path: str) -> list[str] | None:
        """Return the names of the children, in order; None where there is no such node."""
        return sorted(self._names[path]) if path in self._names else None

    def open_session(self) -> int:
        self._sessions += 1
        return self._sessions

    def close_session(self, session: int) -> None:
        """End a session: its nodes go."""
        owned = [node.path for node in self._nodes.values() if node.ephemeral_owner == session]
        self.apply([Delete(path=path) for path in owned])

    def apply(self, operations: Sequence[Operation], *, session: int = 0) -> None:
        """Carry out all operations as one change, or none; then raises why: a DirectoryRefused."""
        before: list[tuple[str, Node | None]] = []
        changes: list[tuple[str, Change]] = []
        self.zxid += 1
        try:
            for operation in operations:
                path, after, change = self._outcome(operation, session)
                if change is not None:
                    before.append((path, self._nodes.get(path)))
                    self._put(path, after)
                    changes.append((path, change))
                    if change is not Change.SET:
                        changes.append((_split(path)[0], Change.CHILDREN))
        except DirectoryRefused:
            for path, node in reversed(before):
                self._put(path, node)
            raise
        for tell in tuple(self._watchers):
            for path, change in changes:
                tell(path, change)

    @contextmanager
    def watching(self, tell: Tell) -> Iterator[None]:
        """Have every change told, in order."""
        self._watchers.add(tell)
        try:
            yield
        finally:
            self._watchers.discard(tell)

    def _outcome(self, operation: Operation, session: int) -> tuple[str, Node | None, Change | None]:
        """What becomes of which node. Raises DirectoryRefused."""
        path = operation.path
        node = self._nodes.get(path)
        if isinstance(operation, Create):
            return path, self._created(operation, node, session), Change.CREATED
        if node is None:
            raise NoNode(path, "it is not there")
        if operation.version not in {ANY_VERSION, node.version}:
            raise RecordChanged(path, "it has changed")
        match operation:
            case Check():
                return path, node, None
            case Set(data=content):
                after = replace(node, data=content, mzxid=self.zxid, version=node.version + 1)
                return path, after, Change.SET
            case Delete():
                if self._names[path]:
                    raise DirectoryRefused(path, "it has children")
                return path, None, Change.DELETED
            case _:
                assert_never(operation)

    def _created(self, operation: Create, there: Node | None, session: int) -> Node:
        path = operation.path
        parent = self._nodes.get(_split(path)[0])
        if parent is None:
            raise NoNode(path, "what it is to stand in is not there")
        if there is not None:
            raise NodeExists(path, "it is there already")
        if parent.ephemeral_owner:
            raise DirectoryRefused(path, "what it is to stand in goes with a session")
        return Node(
            path=path,
            data=operation.data,
            czxid=self.zxid,
            mzxid=self.zxid,
            version=0,
            ephemeral_owner=session if operation.ephemeral else 0,
        )

    def _put(self, path: str, node: Node | None) -> None:
        folder, name = _split(path)
        if node is None:
            del self._nodes[path], self._names[path]
            self._names[folder].discard(name)
        else:
            self._nodes[path] = node
            self._names.setdefault(path, set())
            if name:
                self._names[folder].add(name)


class MemoryDirectory:
    """A Directory. Made by `join`."""

    def __init__(self, tree: Tree, timeout: Seconds) -> None:
        self._tree = tree
        self._link = Latest(Link(timeout=timeout))
        self._hints = Latest(0)
        self._watched_nodes: set[str] = set()
        self._watched_folders: set[str] = set()

    @property
    def link(self) -> Latest[Link]:
        return self._link

    @property
    def hints(self) -> Latest[int]:
        return self._hints

    def connect(self) -> None:
        """Reach the tree: in the session that there was, or else in a new one."""
        link = self._link.value
        session = link.session_id or self._tree.open_session()
        self._link.set(
            replace(
                link,
                state=LinkState.CONNECTED,
                generation=link.generation + 1,
                session_id=session,
                new_session=session != link.session_id,
                lease_until=FOREVER,
                server="memory",
                zxid=self._tree.zxid,
            )
        )
        self._watched_nodes.clear()
        self._watched_folders.clear()
        self._hint()

    def cut(self, reason: str = "cut off") -> None:
        """Lose the connection; the session lives on."""
        lease = asyncio.get_running_loop().time() + self._link.value.timeout * 3 / 4
        self._link.set(
            replace(self._link.value, state=LinkState.SUSPENDED, lease_until=lease, last_error=reason)
        )

    def expire(self, reason: str = "the session has expired") -> None:
        """Lose the session, and what went with it."""
        self._tree.close_session(self._link.value.session_id)
        self._link.set(
            replace(
                self._link.value,
                state=LinkState.EXPIRED,
                session_id=0,
                lease_until=0.0,
                last_error=reason,
            )
        )

    def heard(self, path: str, change: Change) -> None:
        """Take note of a change in the tree."""
        if self._link.value.state is not LinkState.CONNECTED:
            return
        fired = False
        if change is not Change.CHILDREN and path in self._watched_nodes:
            self._watched_nodes.discard(path)
            fired = True
        if change is not Change.SET and path in self._watched_folders:
            self._watched_folders.discard(path)
            fired = True
        if fired:
            self._hint()

    async def read(
        self,
        *,
        nodes: Collection[str] = (),
        folders: Collection[str] = (),
        sync: bool = False,  # noqa: ARG002 - there is nothing that could lag
        afresh: bool = False,  # noqa: ARG002 - and nothing that is kept
    ) -> Reading:
        self._require()
        self._watched_folders.update(folders)
        return Reading(
            generation=self._link.value.generation,
            began=asyncio.get_running_loop().time(),
            nodes={path: self._read(path) for path in nodes},
            folders={path: self._list(path) for path in folders},
        )

    async def create(self, path: str, data: bytes = b"", *, ephemeral: bool = False) -> Node:
        return self._written(Create(path=path, data=data, ephemeral=ephemeral))

    async def set(self, path: str, data: bytes, version: int = ANY_VERSION) -> Node:
        return self._written(Set(path=path, data=data, version=version))

    async def delete(self, path: str, version: int = ANY_VERSION) -> None:
        self._apply(Delete(path=path, version=version))

    async def transact(self, operations: Sequence[Operation]) -> None:
        try:
            self._apply(*operations)
        except NoNode as missing:
            if any(isinstance(one, Create) and one.path == missing.path for one in operations):
                raise
            raise RecordChanged(missing.path, missing.reason) from missing

    async def ensure(self, path: str) -> None:
        self._require()
        if self._tree.node(path) is None:
            await self.ensure(_split(path)[0])
            self._apply(Create(path=path))

    def _require(self) -> None:
        link = self._link.value
        if link.state is not LinkState.CONNECTED:
            raise DirectoryLost(f"not connected: {link.last_error}", sent=False)

    def _apply(self, *operations: Operation) -> None:
        self._require()
        self._tree.apply(operations, session=self._link.value.session_id)

    def _written(self, operation: Create | Set) -> Node:
        self._apply(operation)
        node = self._tree.node(operation.path)
        if node is None:
            raise AssertionError("what was written is there")
        return node

    def _read(self, path: str) -> Node | None:
        self._watched_nodes.add(path)
        return self._tree.node(path)

    def _list(self, folder: str) -> dict[str, Node] | None:
        names = self._tree.names(folder)
        if names is None:
            return None
        paths = ((name, f"{folder.rstrip('/')}/{name}") for name in names)
        return {name: node for name, path in paths if (node := self._read(path)) is not None}

    def _hint(self) -> None:
        self._hints.set(self._hints.value + 1)


@asynccontextmanager
async def join(tree: Tree, *, session_timeout: Seconds = 3.0) -> AsyncIterator[MemoryDirectory]:
    """Have a session with the tree until the context is left."""
    directory = MemoryDirectory(tree, session_timeout)
    with tree.watching(directory.heard):
        directory.connect()
        try:
            yield directory
        finally:
            directory.expire("we have left")


def _split(path: str) -> tuple[str, str]:
    """A path as the path of the node that it stands in, and its name."""
    folder, _, name = path.rpartition("/")
    return folder or "/", name
