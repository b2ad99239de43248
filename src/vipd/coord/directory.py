"""The directory that pods share, as membership needs it: what it tells, what may be asked, how it fails.

A tree of nodes that are read whole, written by version, and gone with their session where they are
ephemeral. The words are ZooKeeper's; nothing here knows how it is reached. All of it is in loop time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vipd.coord.link import Link as Link  # noqa: PLC0414 - told with the port
from vipd.coord.link import LinkState as LinkState  # noqa: PLC0414 - likewise
from vipd.latest import Latest

Seconds = float

ANY_VERSION = -1


class DirectoryLost(Exception):  # noqa: N818 - it is what happened
    """No connection, or none any more.

    `sent`: the request had gone out, so that nobody knows whether it was carried out. Otherwise it was not.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(f"{reason}; it may have been carried out" if sent else reason)
        self.reason = reason
        self.sent = sent


class DirectoryRefused(Exception):  # noqa: N818 - likewise
    """The directory answered, and nothing was changed. `path` is the one that it was about."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class RecordChanged(DirectoryRefused):
    """It is not at the version that was named, or was to be in a transaction and is not there."""


class NodeExists(DirectoryRefused):
    """It is there already."""


class NoNode(DirectoryRefused):
    """It is not there; of a create: what it was to stand in is not."""


class AccessDenied(DirectoryRefused):
    """Its ACL does not allow us that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node as it was read. `data` is None where we may know that it is there, but may not read it."""

    path: str
    data: bytes | None
    czxid: int  # of its creation: the greater, the younger
    mzxid: int  # of its newest change
    version: int
    ephemeral_owner: int  # id of the session that it goes with; 0: it stays

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one read found, complete. Whoever acts on it compares `generation` with the link's."""

    generation: int
    began: Seconds  # when it was asked for
    nodes: Mapping[str, Node | None] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, Node] | None] = field(default_factory=dict)  # by the children's names


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """That a node is at a version."""

    path: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    path: str
    data: bytes = b""
    ephemeral: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    path: str
    data: bytes
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    path: str
    version: int = ANY_VERSION


Operation = Check | Create | Set | Delete


class Directory(Protocol):
    """Every call raises DirectoryLost at once where there is no connection, and is bounded by T/2 a request.

    What has been answered in time was carried out in the order in which it was asked. Calls are sent before
    they first wait: between looking at `link` and awaiting one, no other generation can begin.
    """

    @property
    def link(self) -> Latest[Link]: ...

    @property
    def hints(self) -> Latest[int]:
        """Grows whenever a read of what has been read before would differ, and with every connection."""

    async def read(
        self,
        *,
        nodes: Collection[str] = (),
        folders: Collection[str] = (),
        sync: bool = False,
        afresh: bool = False,
    ) -> Reading:
        """Return nodes, and all children of folders with their data; None for what is not there.

        From here on every change of these is hinted. What no hint has come for since it was last read in
        this generation is not asked for again.

        Args:
            nodes: single ones.
            folders: those whose children are wanted.
            sync: wait first until our server has seen all that any server had seen when we asked.
            afresh: ask of everything whether it has changed, hint or no hint.

        Raises:
            DirectoryLost, AccessDenied (of a folder).
        """

    async def create(self, path: str, data: bytes = b"", *, ephemeral: bool = False) -> Node:
        """Raise NodeExists, NoNode, AccessDenied, DirectoryLost."""

    async def set(self, path: str, data: bytes, version: int = ANY_VERSION) -> Node:
        """Raise RecordChanged, NoNode, AccessDenied, DirectoryLost."""

    async def delete(self, path: str, version: int = ANY_VERSION) -> None:
        """Raise RecordChanged, NoNode, AccessDenied, DirectoryLost; DirectoryRefused if it has children."""

    async def transact(self, operations: Sequence[Operation]) -> None:
        """Carry out all, or none and raise why: RecordChanged, NodeExists, NoNode, AccessDenied."""

    async def ensure(self, path: str) -> None:
        """Create what is missing of a path, empty and lasting. Raises NoNode where the chroot is missing."""
