"""What a pod sees of its siblings, for the tests of coordination."""

from dataclasses import replace

from vipd.coord.case import Memory
from vipd.coord.decision import Decision, decide
from vipd.coord.member import Me, Member, Order, Phase, Record, Service, Standby, Unreadable, View, Vip, Word
from vipd.coord.placement import ALGORITHMS

A, B, C = Vip("192.0.2.1"), Vip("192.0.2.2"), Vip("192.0.2.3")
ALL = frozenset({A, B, C})
ME = "pod-m"
OWN = "pod-m~1"
ORDER = Order(who="ann", why="disks")


def record(*, eligible=ALL, suspect=(), claims=(), up=2, **facts):
    """A record; claims are VIPs at rank 0, or a mapping."""
    usual = {"algorithm": 1, "zone": "", "weight": 1, "phase": Phase.RUNNING, "serves": ALL}
    return Record(
        **{**usual, **facts},
        sessions_up=up,
        sessions_configured=2,
        eligible=frozenset(eligible),
        suspect=frozenset(suspect),
        announcing=dict(claims) if isinstance(claims, dict) else dict.fromkeys(claims, 0),
    )


def member(name: str, told=None, *, czxid=10, version=1, **facts) -> Member:
    return Member(
        name=name,
        pod=name.partition("~")[0],
        czxid=czxid,
        version=version,
        record=told if isinstance(told, Unreadable) else record(**facts),
    )


def me(**facts) -> Me:
    return Me(**{"pod": ME, "sessions_up": 2, "sessions_configured": 2, **facts})


def told(rank=0, *vips: Vip, **facts) -> Me:
    """A pod whose routes for these VIPs have been acknowledged."""
    return me(acknowledged=dict.fromkeys(vips, rank), carried=frozenset(vips), **facts)


class Pod:
    """The pod that decides, what it remembers, and what it sees; its own record is as last written."""

    def __init__(self, service: Service, *others: Member, now: float = 0.0) -> None:
        self.service, self.now = service, now
        self.others = {other.name: other for other in others}
        self.own = member(OWN, czxid=1, eligible=())
        self.facts = me()
        self.memory = Memory()
        self.algorithms = ALGORITHMS
        self.seen: dict = {"read_at": now, "trusted_until": float("inf")}
        self.decided: Decision | None = None

    def view(self) -> View:
        members = {self.own.name: self.own, **self.others}
        return View(**{"own": self.own.name, "members": members, **self.seen})

    def sees(self, *others: Member, **seen) -> "Pod":
        """Replace what is seen of those members; and of the view."""
        self.others |= {other.name: other for other in others}
        self.seen |= seen
        return self

    def misses(self, *names: str) -> "Pod":
        for name in names:
            del self.others[name]
        return self

    def decide(self, *, after: float = 0.0, view: object = ..., **facts) -> Decision:
        """Decide, some time later."""
        self.now += after
        self.facts = replace(self.facts, **facts)
        known = self.view() if view is ... else view
        self.decided = decide(
            self.service, self.facts, known, self.memory, self.now, algorithms=self.algorithms
        )
        self.memory = self.decided.memory
        return self.decided

    def acknowledge(self) -> Decision:
        """All that stands reaches every ToR, and our record says what it should."""
        standing = {v: e.rank for v, e in self.verdicts.items() if e.rank is not None}
        self.decide(acknowledged=standing, carried=frozenset(standing))
        return self.write()

    def write(self, *, without=frozenset()) -> Decision:
        """Our record is written as wished, and read back; `without` is what a release takes out."""
        wished = self.decided.record
        left = {vip: rank for vip, rank in wished.announcing.items() if vip not in without}
        self.own = replace(self.own, record=replace(wished, announcing=left), version=self.own.version + 1)
        return self.decide()

    def lose(self, **facts) -> Decision:
        """ZooKeeper is lost, now."""
        self.seen["trusted_until"] = self.now
        return self.decide(**facts)

    def regain(self, **facts) -> Decision:
        self.seen["trusted_until"] = float("inf")
        return self.decide(**facts)

    @property
    def verdicts(self):
        return self.decided.announcements.verdicts

    def words(self) -> dict[Vip, Word]:
        return {vip: verdict.word for vip, verdict in self.verdicts.items()}

    @property
    def aside(self):
        """Which VIPs are announced aside, and for how much longer."""
        return {vip: until - self.now for vip, until in self.decided.announcements.aside.items()}

    def ranks(self) -> dict[Vip, int]:
        return {vip: verdict.rank for vip, verdict in self.verdicts.items() if verdict.rank is not None}


def service(*vips: Vip, **policy) -> Service:
    return Service(name="apex", vips=vips or (A,), **policy)


def only(pod: Pod) -> Word:
    (verdict,) = pod.verdicts.values()
    return verdict.word


def reason(pod: Pod, vip: Vip = A) -> str:
    return pod.verdicts[vip].reason


def announcing(vip: Vip = A, *others, **policy) -> Pod:
    """A pod that announces and claims its VIP."""
    pod = Pod(service(vip, **policy), *others)
    pod.decide()
    pod.acknowledge()
    return pod


def drained(*others, **policy) -> Pod:
    pod = announcing(A, **policy)
    pod.sees(*others, drains={ME: ORDER}).decide()
    return pod


def hot(**facts) -> Pod:
    return Pod(
        service(A, standby=Standby.HOT, standbys=2, pins={A: "pod-x"}),
        member("pod-x~2", claims={A}),
        **facts,
    )
