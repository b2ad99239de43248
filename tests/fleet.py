"""A fleet of pods around a toy ZooKeeper, in plain Python: enough to try the rules of coordination on.

Every pod runs the production `decide`. The tree has transactions with version checks; each pod sees some past
state of it, never older than what it saw before or wrote itself. A route takes a while to reach the edge, and
is gone from there at once. Everything is drawn from one seed.
"""

from dataclasses import dataclass, field, replace
from random import Random

from vipd.coord.case import Memory
from vipd.coord.decision import decide
from vipd.coord.layout import member_name
from vipd.coord.member import Me, Member, Order, Phase, Service, View, Vip, Word

Told = tuple[int, bool]  # a route: its rank, and whether it is aside

T = 3.0  # the session timeout
LEASE = 0.75 * T


@dataclass(frozen=True)
class Tree:
    """One state of ZooKeeper."""

    members: dict[str, Member] = field(default_factory=dict)
    drains: dict[str, Order] = field(default_factory=dict)
    maintenance: Order | None = None
    root: int = 1


class ZooKeeper:
    def __init__(self) -> None:
        self.history = [Tree()]
        self.up = True
        self.sessions = 0

    @property
    def now(self) -> Tree:
        return self.history[-1]

    @property
    def zxid(self) -> int:
        return len(self.history) - 1

    def commit(self, **changes) -> int:
        self.history.append(replace(self.now, **changes))
        return self.zxid

    def vanish(self) -> None:
        """All data is lost, in an outage."""
        if not self.up:
            self.history.append(Tree(root=self.zxid + 1))
            self.up = True

    def put(self, name, pod, record) -> int:
        before = self.now.members.get(name)
        member = Member(
            name=name,
            pod=pod,
            czxid=before.czxid if before else self.zxid + 1,
            version=before.version + 1 if before else 0,
            record=record,
        )
        return self.commit(members={**self.now.members, name: member})

    def remove(self, name) -> None:
        if name in self.now.members:
            self.commit(members={key: value for key, value in self.now.members.items() if key != name})


class Pod:
    """One process: its facts, its session, what it announces and what the edge has of that."""

    def __init__(self, fleet, name, zone="", weight=1) -> None:
        self.fleet, self.name, self.zone, self.weight = fleet, name, zone, weight
        self.service = fleet.service
        self.memory = Memory()
        self.phase = Phase.RUNNING
        self.failing: set[Vip] = set()
        self.known_failing: frozenset[Vip] = frozenset()  # by its last decision
        self.words: dict[Vip, Word] = {}
        self.sessions = 2
        self.connected = False
        self.cut_at = -1e9
        self.cut = False  # kept from ZooKeeper by a fault
        self.node: str | None = None
        self.seen = self.wrote = 0  # zxids of the view, and of our last write
        self.view: View | None = None
        self.told: dict[Vip, tuple[Told, float]] = {}  # and when it is acknowledged
        self.edge: dict[Vip, float] = {}  # since when the edge has some route
        self.decision = None
        self.stalled = False
        self.blind_until = 0.0

    def me(self) -> Me:
        now = self.fleet.clock
        return Me(
            phase=self.phase,
            failing_vips=dict.fromkeys(self.failing, "fails"),
            pod=self.name,
            zone=self.zone,
            weight=self.weight,
            sessions_up=self.sessions,
            sessions_configured=2,
            acknowledged={v: r for v, ((r, _), acked) in self.told.items() if acked <= now and self.sessions},
            carried=frozenset(self.told) if self.sessions else frozenset(),
        )

    def look(self) -> None:
        """Read the tree, as a server that may lag shows it; or learn that the connection is gone."""
        zookeeper, rng, now = self.fleet.zookeeper, self.fleet.rng, self.fleet.clock
        if self.cut or not zookeeper.up:
            if self.connected:
                self.connected, self.cut_at = False, now
                if self.view is not None:
                    self.view = replace(self.view, trusted_until=now)
            return
        if not self.connected:
            if rng.random() < 0.3:
                return  # still dialling
            self.connected = True
            self.seen = zookeeper.zxid  # sync
        if self.node not in zookeeper.now.members:
            zookeeper.sessions += 1
            self.node = member_name(self.name, zookeeper.sessions)
            record = decide(self.service, self.me(), None, Memory(), now).record
            if self.decision is not None:
                record = self.decision.record
            self.seen = self.wrote = zookeeper.put(self.node, self.name, record)
        if rng.random() < 0.01:
            self.blind_until = now + rng.uniform(0, 4)  # watches are slow
        if now >= self.blind_until and rng.random() < 0.6:
            lag = rng.choice([0, 0, 0, 1, 2, 5])
            self.seen = max(self.seen, zookeeper.zxid - lag)
        tree = zookeeper.history[self.seen]
        self.view = View(
            own=self.node,
            members=tree.members,
            drains=tree.drains,
            maintenance=tree.maintenance,
            root=tree.root,
            read_at=now,
            unread_write=self.seen < self.wrote,
            trusted_until=now + LEASE,
            session_timeout=T,
        )

    def step(self) -> None:
        now = self.fleet.clock
        self.look()
        self.known_failing = frozenset(self.failing)
        self.known_failing = frozenset(self.failing)
        self.decision = decide(self.service, self.me(), self.view, self.memory, now)
        self.memory = self.decision.memory
        self.announce()
        if self.connected:
            self.write()

    def announce(self) -> None:
        decided = self.decision.announcements
        self.words = {vip: each.word for vip, each in decided.verdicts.items()}
        standing = {
            vip: (rank, vip in decided.aside)
            for vip in decided.verdicts
            if (rank := decided.rank(vip)) is not None
        }
        for vip in self.told.keys() - standing.keys():
            del self.told[vip]
            self.edge.pop(vip, None)
        for vip, route in standing.items():
            if vip not in self.told or self.told[vip][0] != route:
                self.tell(vip, route)

    def write(self) -> None:
        zookeeper, rng = self.fleet.zookeeper, self.fleet.rng
        own = self.view.members.get(self.node)
        if own is None or self.view.unread_write or rng.random() < 0.2:
            return  # not read back yet, or slow
        if self.decision.releases:
            release = rng.choice(self.decision.releases)
            here = zookeeper.now.members
            receivers = release.receivers.items()
            unchanged = all(name in here and here[name].version == read for name, read in receivers)
            if self.node in here and unchanged:
                left = {v: r for v, r in self.decision.record.announcing.items() if v not in release.vips}
                self.wrote = zookeeper.put(
                    self.node, self.name, replace(self.decision.record, announcing=left)
                )
            else:
                self.seen = zookeeper.zxid
        elif self.node in zookeeper.now.members and self.decision.record != own.record:
            self.wrote = zookeeper.put(self.node, self.name, self.decision.record)

    def fail(self, *vips: Vip) -> None:
        """The checks of these fail, and of no others."""
        self.failing = set(vips)

    def bounce(self) -> None:
        """All BGP sessions go down: the routes are gone, and are told anew when they return."""
        self.sessions = 0
        self.edge.clear()

    def mend(self) -> None:
        self.stalled, self.cut, self.failing = False, False, set()
        self.back()

    def back(self) -> None:
        if self.sessions:
            return
        self.sessions = 2
        for vip, (route, _) in self.told.items():
            self.tell(vip, route)

    def routes(self) -> dict[Vip, Told]:
        return {vip: route for vip, (route, _) in self.told.items()}

    def tell(self, vip, route) -> None:
        """A ToR acknowledges soon, or late; the edge hears of it after that."""
        rng = self.fleet.rng
        acknowledged = self.fleet.clock + (rng.uniform(1, 5) if rng.random() < 0.03 else rng.uniform(0, 0.3))
        self.told[vip] = (route, acknowledged)
        self.edge.setdefault(vip, acknowledged + rng.uniform(0, 0.8))

    @property
    def serving(self) -> set[Vip]:
        return {vip for vip, since in self.edge.items() if since <= self.fleet.clock and self.sessions}


class Fleet:
    def __init__(self, seed, service: Service, pods: int) -> None:
        self.rng = Random(seed)
        self.service = service
        self.clock = 100.0
        self.zookeeper = ZooKeeper()
        self.pods: list[Pod] = []
        self.dead: list[tuple[float, str]] = []  # when ZooKeeper will notice, and what
        self.born = 0
        for _ in range(pods):
            self.join()

    def join(self, name=None) -> Pod:
        self.born += 1
        name = name or f"pod-{self.born}"
        pod = Pod(self, name, zone=f"rack-{self.born % 2}", weight=self.rng.choice([1, 1, 2]))
        self.pods.append(pod)
        return pod

    def crash(self, pod) -> None:
        self.pods.remove(pod)
        if pod.node is not None:
            self.dead.append((self.clock + T, pod.node))

    def exit(self, pod) -> None:
        self.pods.remove(pod)
        if pod.node is not None:
            self.zookeeper.remove(pod.node)

    def step(self) -> None:
        self.clock += self.rng.uniform(0.01, 0.15)
        if self.zookeeper.up:
            for due, node in list(self.dead):
                if due <= self.clock:
                    self.zookeeper.remove(node)
                    self.dead.remove((due, node))
            for pod in self.pods:
                if not pod.connected and pod.node is not None and self.clock > pod.cut_at + T and pod.cut:
                    self.zookeeper.remove(pod.node)
        for pod in self.rng.sample(self.pods, len(self.pods)):
            if not pod.stalled and self.rng.random() < 0.8:
                pod.step()
            if pod.phase is Phase.LEAVING and not pod.told:
                self.exit(pod)

    def run(self, seconds, check=None) -> None:
        until = self.clock + seconds
        while self.clock < until:
            self.step()
            if check is not None:
                check()

    def served(self) -> set[Vip]:
        return set().union(*(pod.serving for pod in self.pods))

    def first(self, vip) -> list[str]:
        """Who announces a VIP at rank 0, or means to."""
        return sorted(pod.name for pod in self.pods if pod.routes().get(vip, (None,))[0] == 0)

    def tale(self) -> str:
        """Who thinks what, for people."""
        lines = [f"at {self.clock:.2f}, tree {self.zookeeper.zxid}, {self.service}"]
        for pod in self.pods:
            lines.append(f"{pod.name} ({pod.node}, sees {pod.seen}, {pod.phase}, claims {pod.memory.claims})")
            verdicts = pod.memory.announcements.verdicts.items()
            lines += [f"    {vip}: {each.word} {each.rank} {each.reason}" for vip, each in verdicts]
        return "\n".join(lines)
