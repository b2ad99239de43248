"""The scene again, with siblings: three pods share the two VIPs of apex through ZooKeeper."""

from dataclasses import replace

from scene import CONFIG, NOW, V4, V6, observed
from vipd.config.sections import CoordinationConfig
from vipd.coord.account import Insight
from vipd.coord.case import Memory
from vipd.coord.decision import decide
from vipd.coord.directory import Link, LinkState
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.member import Me, Member, Order, Phase, Record, Service, Unreadable, View
from vipd.status import Observed

BOTH = frozenset({V4, V6})
APEX = Service(name="apex", vips=(V4, V6), pins={V6: "web-9"})
ME = Me(
    pod="web-7",
    zone="r1",
    sessions_up=2,
    sessions_configured=2,
    acknowledged={V4: 0},
    carried=frozenset({V4}),
)
COORDINATION = CoordinationConfig(ensemble=Ensemble(servers=(Server(host="zk1"),)), pod_id="web-7", zone="r1")
LINK = Link(
    state=LinkState.CONNECTED,
    generation=2,
    session_id=0xA7,
    timeout=4.0,
    lease_until=NOW + 2.5,
    server="zk1:2181",
)
ORDER = Order(who="ada@desk", why="new certificates", when="2026-11-21T07:00:00Z")


def record(**changes: object) -> Record:
    fields = {
        "algorithm": 1,
        "zone": "r2",
        "weight": 1,
        "phase": Phase.RUNNING,
        "sessions_up": 2,
        "sessions_configured": 2,
        "serves": BOTH,
        "eligible": BOTH,
        "policy": "p",
    }
    return Record(**{**fields, **changes})


def member(pod: str, czxid: int, told: Record | Unreadable) -> Member:
    return Member(name=f"{pod}~{czxid:x}", pod=pod, czxid=czxid, version=1, record=told)


MEMBERS = (
    member("web-7", 1, record(zone="r1", announcing={V4: 0})),
    member("web-8", 2, record(announcing={V6: 0})),
    member("web-6", 3, Unreadable(reason="is not JSON")),
)


def view(*members: Member, **changes: object) -> View:
    fields = {
        "own": "web-7~1",
        "members": {each.name: each for each in members or MEMBERS},
        "root": 1,
        "read_at": NOW,
        "trusted_until": NOW + 3,
        "session_timeout": 4.0,
    }
    return View(**{**fields, **changes})


def insight(seen: View | None = None, *, me: Me = ME, service: Service = APEX, at: float = NOW) -> Insight:
    """What a pod decides by that sees this: looked at when it was read, and now."""
    memory = Memory()
    if seen is not None:
        memory = decide(service, me, seen, memory, seen.read_at).memory
    return Insight(view=seen, memory=decide(service, me, seen, memory, at).memory)


def shared(known: Insight, **changes: object) -> Observed:
    """The scene with one service, coordinated, in the eyes of a pod that knows this."""
    apex = replace(CONFIG.services[0], service=APEX)
    config = replace(CONFIG, services=(apex,), coordination=COORDINATION)
    fields = {
        "config": config,
        "pod": "web-7",
        "link": LINK,
        "insights": {"apex": known},
        "announcements": {"apex": known.memory.announcements},
    }
    return observed(**{**fields, **changes})
