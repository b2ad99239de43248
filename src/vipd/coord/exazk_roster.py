"""From ExaZK's znodes to values: what lies at one service's path, as a View; and what we write there."""

from collections.abc import Iterator

from vipd.coord import exazk
from vipd.coord.directory import Link, Node, NoNode, Reading
from vipd.coord.exazk import Exazk
from vipd.coord.layout import drains_path, maintenance_path, member_name
from vipd.coord.member import Member, Order, Phase, Record, View, Vip
from vipd.coord.roster import order_at


class ExazkRoster:
    """Knows the pods of one service, as vipd's own Roster does."""

    def __init__(self, root: str, service: str, pod: str, place: Exazk) -> None:
        maintenance = (maintenance_path(root, service), *filter(None, [place.maintenance]))
        self.nodes = (place.path, *maintenance)
        self.folders = (place.path, drains_path(root))
        self._pod = pod
        self._exazk = place
        self.blocked = False  # a node of our name is there, and is not ours
        self._orphans: frozenset[Vip] = frozenset()  # the VIPs that have no node
        self._changes = 0  # of these

    def own(self, link: Link) -> str:
        """What our member is called."""
        return member_name(self._exazk.pod(self._pod), link.session_id)

    def path(self, name: str) -> str:
        """Where our node lies; members other than we are written by nobody here."""
        return f"{self._exazk.path}/{name.partition('~')[0]}"

    def write(self, record: Record) -> bytes | None:
        """What our node has to hold; None: it must not be there.

        Others let go of our VIP when it appears, and take it when it goes. So it is there while we claim it,
        and goes first when we leave.
        """
        claimed = record.announcing.get(self._exazk.own) == 0 if self._exazk.own else False
        return b"" if claimed and record.phase is Phase.RUNNING else None

    def ours(self, reading: Reading, link: Link) -> Node | None:
        """Our node, as it was read. One that is there from an earlier session is not ours."""
        node = (reading.folders[self._exazk.path] or {}).get(self._exazk.own or "")
        return node if node is not None and node.ephemeral_owner == link.session_id else None

    def learn(self, reading: Reading) -> Iterator[None]:
        """There is nothing to learn from empty nodes."""
        del reading
        return iter(())

    def view(self, reading: Reading, link: Link) -> View:
        """Make a view of a complete reading. Raises NoNode where there is nothing to read."""
        root = reading.nodes[self._exazk.path]
        nodes, drains = (reading.folders[path] for path in self.folders)
        if root is None or nodes is None:
            raise NoNode(self._exazk.path, "it has vanished")
        if drains is None:
            raise NoNode(self.folders[1], "it has vanished")
        node = self.ours(reading, link)
        self.blocked = node is None and self._exazk.own in nodes
        owners = {Vip(name): each for name, each in nodes.items() if name in self._exazk.vips}
        czxid = None if node is None else node.czxid
        members = [exazk.ourselves(self._exazk, self._pod, link.session_id, czxid=czxid)]
        members += [
            exazk.owner(vip, each.ephemeral_owner, czxid=each.czxid, version=each.version)
            for vip, each in owners.items()
            if each is not node
        ]
        if any(vip != self._exazk.own for vip in owners):
            members += self._others(frozenset(self._exazk.vips).difference(owners))
        drained = drains.get(self._pod)
        return View(
            own=self.own(link),
            members={member.name: member for member in members},
            drains={} if drained is None else {self._exazk.pod(self._pod): order_at(drained)},
            maintenance=self._maintenance(reading),
            root=root.czxid,
            read_at=reading.began,
            trusted_until=link.lease_until,
            session_timeout=link.timeout,
        )

    def _others(self, vips: frozenset[Vip]) -> list[Member]:
        if vips != self._orphans:
            self._orphans = vips
            self._changes += 1
        return [exazk.others(self._exazk, vips, version=self._changes)] if vips else []

    def _maintenance(self, reading: Reading) -> Order | None:
        native, *theirs = self.nodes[1:]
        for path in theirs:
            if reading.nodes[path] is not None:
                return Order(who="ExaZK's maintenance node", why=path)
        found = reading.nodes[native]
        return None if found is None else order_at(found)
