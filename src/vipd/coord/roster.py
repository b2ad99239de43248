"""From nodes to values: what lies in one service's directory, as a View. Nothing that lies there can hurt.

Whatever cannot be understood costs the member that wrote it, and nobody else.
"""

from collections.abc import Iterator, Mapping

from vipd.coord.directory import Link, Node, NoNode, Reading
from vipd.coord.layout import (
    definition_path,
    drains_path,
    maintenance_path,
    member_name,
    member_path,
    members_path,
    pod_of,
    read_order,
    read_record,
    write_record,
)
from vipd.coord.member import Definition, Member, Order, Record, Unreadable, View
from vipd.coord.placement import ALGORITHMS, Algorithms


class Roster:
    """Knows one service's members from reading to reading: what has not changed stays the same object."""

    blocked = False  # whether our node cannot be made for now: its name is new with every session

    def __init__(self, root: str, service: str, pod: str, algorithms: Algorithms = ALGORITHMS) -> None:
        self.nodes = (root, maintenance_path(root, service), definition_path(root, service))
        self.folders = (members_path(root, service), drains_path(root))
        self._pod = pod
        self._root = root
        self._service = service
        self._oldest = min(algorithms)
        self._known: dict[str, tuple[Node, Member]] = {}
        self._members: Mapping[str, Member] = {}

    def own(self, link: Link) -> str:
        """The name under which this pod registers over a connection."""
        return member_name(self._pod, link.session_id)

    def path(self, name: str) -> str:
        """Where the record of a member lies."""
        return member_path(self._root, self._service, name)

    def write(self, record: Record) -> bytes | None:
        """What our node has to hold; None: it must not be there."""
        return write_record(record)

    def ours(self, reading: Reading, link: Link) -> Node | None:
        """Our node, as it was read."""
        return (reading.folders[self.folders[0]] or {}).get(self.own(link))

    def learn(self, reading: Reading) -> Iterator[None]:
        """Read what a view will need, one record at a time: a hundred large ones take half a second."""
        for name, node in (reading.folders[self.folders[0]] or {}).items():
            known = self._known.get(name)
            if known is None or _stamp(known[0]) != _stamp(node):
                self._known[name] = node, self._member(node)
                yield

    def view(self, reading: Reading, link: Link) -> View:
        """Make a view of a complete reading. Raises NoNode where there is no tree to read."""
        root, maintenance, definition = (reading.nodes[path] for path in self.nodes)
        members, drains = (reading.folders[path] for path in self.folders)
        if root is None:
            raise NoNode(self.nodes[0], "it has vanished")
        if members is None or drains is None:
            raise NoNode(self.folders[members is not None], "it has vanished")
        return View(
            own=self.own(link),
            members=self._read(reading, members),
            drains={name: order_at(node) for name, node in drains.items()},
            maintenance=None if maintenance is None else order_at(maintenance),
            definition=None if definition is None else Definition(octets=definition.data),
            root=root.czxid,
            read_at=reading.began,
            trusted_until=link.lease_until,
            session_timeout=link.timeout,
        )

    def _read(self, reading: Reading, nodes: Mapping[str, Node]) -> Mapping[str, Member]:
        for _ in self.learn(reading):
            pass
        self._known = {name: self._known[name] for name in nodes}
        members = {name: member for name, (_, member) in self._known.items()}
        if members != self._members:
            self._members = members
        return self._members

    def _member(self, node: Node) -> Member:
        record = _record(node)
        if isinstance(record, Record) and record.algorithm < self._oldest:
            reason = f"it places by algorithm {record.algorithm}; the oldest known here is {self._oldest}"
            record = Unreadable(reason=reason)
        return Member(
            name=node.name,
            pod=pod_of(node.name) or node.name,
            czxid=node.czxid,
            version=node.version,
            record=record,
        )


def _stamp(node: Node) -> tuple[int, int, int, bool]:
    return node.czxid, node.mzxid, node.version, node.data is None


def _record(node: Node) -> Record | Unreadable:
    pod = pod_of(node.name)
    if pod is None:
        return Unreadable(reason="its name is not that of a pod and its session")
    if member_name(pod, node.ephemeral_owner) != node.name:
        return Unreadable(reason="it does not go with the session that its name tells")
    if node.data is None:
        return Unreadable(reason="its ACL does not let us read it")
    return read_record(node.data)


def order_at(node: Node) -> Order:
    """The order that stands at a node, whatever its text."""
    if node.data is None:
        return Order(why="its text is unreadable: its ACL does not let us read it")
    return read_order(node.data)
