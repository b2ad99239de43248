"""Named scenarios: for each danger the shortest story that shows it; `make sim-mutants` needs them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from algorithms import NEW, RESTLESS, restless
from sim.cluster import ROOT, SERVICE, Pod, World, prefix_of, vips
from sim.invariants import Monitor, Violation
from sim.ways import Seconds, now
from vipd.coord.directory import Create
from vipd.coord.layout import member_path
from vipd.coord.member import CoordinationLoss, LastResort, Service, Standby, Times, View, Vip, Word
from vipd.coord.placement import ALGORITHMS, Algorithms, place
from vipd.coord.zk_session import REFUSED

V = Vip("192.0.2.1")
W = Vip("192.0.2.2")  # of p1 and p2 the first has the higher score


@asynccontextmanager
async def stage(
    seed: int = 1, *, racks: str = "121", session_timeout: Seconds = 3.0, **policy: Any
) -> AsyncIterator[tuple[World, Monitor]]:
    """Pods p0, p1, … in the racks that the digits name, not started yet; no VIP is ever to be dark."""
    world = World(seed, session_timeout=session_timeout)
    service = Service(**({"name": SERVICE, "vips": (V,)} | policy))
    monitor = Monitor(world, wanted=frozenset(service.vips))
    for n, rack in enumerate(racks):
        world.add(f"p{n}", service, rack=f"r{rack}")
    try:
        yield world, monitor
        await asyncio.sleep(1)
        monitor.check()
    finally:
        await world.end()


async def start(world: World, monitor: Monitor, *names: str) -> None:
    for name in names or world.pods:
        world.pods[name].start()
    await monitor.settle(30)


async def until(accept: Callable[[], bool], within: Seconds = 20.0) -> None:
    ends = now() + within
    while not accept():
        assert now() < ends, "what the scenario waits for did not happen"
        await asyncio.sleep(0.001)


def claims(pod: Pod, vip: Vip = V) -> bool:
    return pod.life is not None and pod.life.claims.get(vip) == 0


def view(pod: Pod) -> View:
    assert pod.life is not None
    return pod.life.facts.value.views[SERVICE]


def keep_to(world: World, pod: str, *servers: str) -> None:
    """Have a pod reach these servers alone."""
    for server in world.ensemble.servers.keys() - set(servers):
        world.network.cut(pod, server)


async def late_views(offset: Seconds) -> None:
    """A pod takes a VIP back and is told to leave at once; its substitute lets go on an old word of it."""
    async with stage(pins={V: "p0"}, racks="12") as (world, monitor):
        keep_to(world, "p1", "zk3")
        keep_to(world, "p0", "zk1", "zk2")
        await start(world, monitor, "p1")
        p0 = world.pods["p0"]
        p0.start()
        await until(lambda: claims(p0))
        world.ensemble.servers["zk3"].lag = 1.5
        await asyncio.sleep(offset)
        p0.terminate()
        await asyncio.sleep(8)


async def late_views_at_copies(offset: Seconds) -> None:
    """Of two receivers the second leaves while the giver's view is old."""
    async with stage(vips=(W,), pins={W: "p0"}, racks="121", copies=2) as (world, monitor):
        keep_to(world, "p2", "zk3")
        keep_to(world, "p0", "zk1", "zk2")
        keep_to(world, "p1", "zk1", "zk2")
        await start(world, monitor, "p1", "p2")
        p0 = world.pods["p0"]
        p0.start()
        await until(lambda: claims(p0, W))
        assert p0.life is not None
        assert p0.life.lines[W].assigned == ("p0", "p1"), "p2 is the one to give"
        world.ensemble.servers["zk3"].lag = 1.5
        await asyncio.sleep(offset)
        world.pods["p1"].terminate()
        await asyncio.sleep(8)


async def slow_rack() -> None:
    """A drain hands over to a pod whose ToRs are slow to tell their spines."""
    async with stage(racks="12") as (world, monitor):
        await start(world, monitor, "p0")
        for tor in world.racks["r2"]:
            world.fabric.set_pace(tor, 0.25)
        await start(world, monitor, "p1")
        await world.drain("p0")
        await monitor.settle(20)


async def routers_tell_before_they_forward(*, standby: Standby = Standby.NONE) -> None:
    """Traffic comes to a pod when its ToRs have long had its route, and has left one before they lose it."""
    async with stage(racks="12", vips=vips(4), standby=standby) as (world, monitor):
        await start(world, monitor)
        p0, p1 = world.pods["p0"], world.pods["p1"]
        moved, slack = [vip for vip, rank in p0.routes().items() if rank == 0], 0.1
        for giver, taker in ((p0, p1), (p1, p0)):
            times: dict[tuple[Vip, str], Seconds] = {}
            await world.drain("p0", on=giver is p0)
            for _ in range(2000):
                await asyncio.sleep(0.005)
                for vip in moved:
                    told, edge = world.fabric.announced(prefix_of(vip)), world.fabric.believed(prefix_of(vip))
                    facts = {
                        "told": told.get(taker.name, 9) <= 2,
                        "reached": taker.name in edge,
                        "left": giver.name not in edge,
                        "gone": told.get(giver.name, 9) > 2,
                    }
                    for fact, true in facts.items():
                        if true:
                            times.setdefault((vip, fact), now())
                        else:
                            times.pop((vip, fact), None)
            for vip in moved:
                for first, then in (("told", "reached"), ("left", "gone")):
                    apart = times[vip, then] - times[vip, first]
                    if apart < 0.5 - slack:
                        raise Violation(world, f"IN HASTE: {vip}, {apart:.3f} s from {first} to {then}")


async def deaf_heir() -> None:
    """Who is next in line for a dead pod's VIPs has ToRs that acknowledge nothing."""
    async with stage(racks="121", vips=vips(6)) as (world, monitor):
        await start(world, monitor)
        world.fabric.deaf |= set(world.racks["r2"])
        monitor.excuse_all("p0 has crashed, and p1 is mute", world.session_timeout + 1 + 2.5)
        world.pods["p0"].crash()
        for vip in world.all_vips():
            if world.fabric.believed(prefix_of(vip)) == {"p1"}:
                monitor.wanted -= {vip}  # p1's own: its ToRs go on telling of it
        await asyncio.sleep(20)


async def deaf_returner() -> None:
    """A pod whose ToRs acknowledge nothing takes back what is pinned to it, and nobody may rely on that."""
    async with stage(racks="12", pins={V: "p1"}) as (world, monitor):
        await start(world, monitor, "p0")
        world.fabric.deaf |= set(world.racks["r2"])
        world.pods["p1"].start()
        await asyncio.sleep(20)


async def everything_forgotten() -> None:
    """ZooKeeper comes back without its data, and one pod to it later: nobody takes what that has."""
    async with stage(racks="121", vips=vips(6)) as (world, monitor):
        await start(world, monitor)
        before = world.fabric.updates
        outage(world)
        await asyncio.sleep(60)
        world.ensemble.lose_everything()
        power(world)
        await asyncio.sleep(REFUSED - 2)
        keep_to(world, "p0")
        await until(lambda: len(view(world.pods["p1"]).members) == 2)
        await asyncio.sleep(world.session_timeout)
        for server in world.ensemble.servers:
            world.network.mend("p0", server)
        await asyncio.sleep(40)
        held(world, before)


def held(world: World, before: int) -> None:
    if world.fabric.updates != before:
        raise Violation(world, f"NOT HELD: {world.fabric.updates - before} UPDATEs")


async def quick_restart() -> None:
    """A pod crashes and is back before its old record has gone: when that goes, nothing moves."""
    async with stage(racks="12", vips=vips(4)) as (world, monitor):
        await start(world, monitor)
        p0 = world.pods["p0"]
        monitor.excuse(monitor.of(p0), "p0 crashed", world.session_timeout + 1)
        p0.crash()
        await asyncio.sleep(0.05)
        p0.start()
        await until(lambda: sum(rank == 0 for rank in p0.routes().values()) == 2)
        await asyncio.sleep(0.5)
        before = world.fabric.updates
        await asyncio.sleep(15)
        held(world, before)


async def standby_is_no_heir() -> None:
    """The next in line announces already, but worse, and learns late that it is wanted."""
    async with stage(racks="12", standby=Standby.HOT) as (world, monitor):
        keep_to(world, "p0", "zk1", "zk2")
        keep_to(world, "p1", "zk3")
        for tor in world.racks["r2"]:
            world.fabric.set_pace(tor, 0.1)
        world.pods["p0"].start()
        await asyncio.sleep(3)
        await start(world, monitor, "p1")
        world.ensemble.servers["zk3"].lag = 1.5
        await world.drain("p0")
        await monitor.settle(20)


async def one_can_do_all() -> None:
    """A pod that is the only one for most VIPs has them, whatever its bound."""
    async with stage(racks="12", vips=vips(6)) as (world, monitor):
        world.pods["p1"].broken = frozenset(vips(6)[1:])
        await start(world, monitor)
        if monitor.unquiet():
            raise Violation(world, monitor.unquiet())


async def blip_in_an_outage() -> None:
    """Without ZooKeeper a check fails again and again for a moment: each time the VIP is back at once."""
    async with stage(racks="12", pins={V: "p0"}) as (world, monitor):
        await start(world, monitor)
        for name in world.ensemble.servers:
            world.ensemble.kill(name)
        await asyncio.sleep(10)
        p0 = world.pods["p0"]
        for _ in range(3):
            monitor.excuse([V], "its check fails", 0.5)
            p0.healthy = False
            p0.tell_health()
            await asyncio.sleep(0.2)
            p0.healthy = True
            p0.tell_health()
            await asyncio.sleep(2)


async def lost_write() -> None:
    """A record's newest change never reached ZooKeeper: it is written again."""
    async with stage(racks="12", pins={V: "p1"}) as (world, monitor):
        await start(world, monitor, "p0")
        p1 = world.pods["p1"]
        p1.start()
        await until(lambda: claims(p1))
        world.ensemble.loses.add("SetData")
        await asyncio.sleep(0.3)
        world.ensemble.loses.clear()
        await monitor.settle(30)


async def hung_reads() -> None:
    """Pings are answered, reads are not: who rests on what it read last would wait for the dead."""
    async with stage(racks="12", copies=2) as (world, monitor):
        await start(world, monitor)
        p0, p1 = world.pods["p0"], world.pods["p1"]
        world.ensemble.mute |= {"GetData", "GetChildren"}
        p1.healthy = False
        p1.tell_health()  # to be hinted, and read in vain
        await asyncio.sleep(1.2)
        monitor.excuse([V], "its check fails", 0.5)
        p0.healthy = False
        p0.tell_health()
        await asyncio.sleep(0.2)
        p0.healthy = True
        p0.tell_health()
        await asyncio.sleep(10)


async def slow_reads() -> None:
    """A reading takes longer than T/2, though no answer does: who rests on the last waits for the dead."""
    async with stage(racks="12", copies=2, session_timeout=12.0) as (world, monitor):
        await start(world, monitor)
        p0, p1 = world.pods["p0"], world.pods["p1"]
        lease = view(p0).trusted_until
        await until(lambda: view(p0).trusted_until > lease)
        world.network.slow["p0"] = 1.9  # so that the names take 3.8 s, and as long again the new one's record
        stranger = member_path(ROOT, SERVICE, "stranger~1f")
        world.ensemble.by_hand(Create(path=stranger, data=b""))
        await asyncio.sleep(7.8)  # the reading was begun at 1.9; the lease ends at 9
        monitor.excuse([V], "its checks fail", 2.5)
        p1.healthy = False
        p1.tell_health()
        p0.healthy = False
        p0.tell_health()
        await asyncio.sleep(0.2)
        p0.healthy = True
        p0.tell_health()
        await asyncio.sleep(20)


async def unread_claim(offset: Seconds) -> None:
    """A pod is told to leave before it has read that its claim, on which its substitute goes, was written."""
    async with stage(pins={V: "p0"}, racks="12", times=Times(settle=0.1)) as (world, monitor):
        await start(world, monitor, "p1")
        p0 = world.pods["p0"]
        p0.start()
        await until(lambda: p0.life is not None and SERVICE in p0.life.facts.value.views)
        world.network.slow["p0"] = 0.3  # slower, its view would not be trusted, and nothing be released for T
        await until(lambda: claims(p0))
        await asyncio.sleep(offset)
        p0.terminate()
        await asyncio.sleep(8)


async def lonely_server() -> None:
    """A server that hears no other goes on answering one pod, whose session the others end: two announce."""
    async with stage(racks="121", vips=vips(6)) as (world, monitor):
        keep_to(world, "p0", "zk1")
        await start(world, monitor)
        p0 = world.pods["p0"]
        had = p0.routes().keys()
        world.ensemble.isolate("zk1", notices=10)
        await asyncio.sleep(9.5)
        if p0.routes().keys() != had:
            raise Violation(world, f"p0 announces {sorted(p0.routes())}, not {sorted(had)}")
        both = {vip for vip in had if len(world.fabric.believed(prefix_of(vip))) > 1}
        assert both == had, "nobody has taken p0 for gone"
        await asyncio.sleep(10)
        world.ensemble.rejoin("zk1")
        await monitor.settle(30)


async def hours_without_zookeeper(*, forgets: bool) -> None:
    """ZooKeeper is away for hours, and back with or without its data: not one UPDATE."""
    async with stage(racks="121", vips=vips(6), pins={V: "p1"}) as (world, monitor):
        await start(world, monitor)
        before = world.fabric.updates
        for name in world.ensemble.servers:
            world.ensemble.unplug(name)
        await asyncio.sleep(2 * 3600)
        held(world, before)
        if forgets:
            world.ensemble.lose_everything()
        power(world)
        await asyncio.sleep(60)
        held(world, before)


def outage(world: World) -> None:
    for name in world.ensemble.servers:
        world.ensemble.kill(name)


def power(world: World) -> None:
    for name in world.ensemble.servers:
        world.ensemble.start(name)


async def clock_jump() -> None:
    """A machine slept, by its clock alone: it takes nothing on what it read before, and all it may after."""
    async with stage(racks="12", pins={V: "p1"}) as (world, monitor):
        p1 = world.pods["p1"]
        p1.healthy = False
        await start(world, monitor)
        world.ensemble.mute |= {"GetData", "GetChildren"}
        assert p1.life is not None
        p1.life.suspended += 3600
        p1.healthy = True
        p1.tell_health()
        await asyncio.sleep(0.5)
        if p1.routes():
            raise Violation(world, "TAKEN after a jump of the clock, on an old view")
        world.ensemble.mute.clear()
        await monitor.settle(30)


async def checks_fail_everywhere() -> None:
    """With last-resort = "keep" a check that fails on every pod takes nothing off the air for long."""
    async with stage(racks="121", vips=vips(3), last_resort=LastResort.KEEP) as (world, monitor):
        await start(world, monitor)
        for pod in world.pods.values():
            pod.healthy = False
            pod.tell_health()
        await asyncio.sleep(10)
        for vip in world.all_vips():
            if not world.fabric.believed(prefix_of(vip)):
                raise Violation(world, f"BLACK HOLE {vip}: every check fails")
        words = {v.word for pod in world.pods.values() if pod.life for v in pod.life.verdicts.values()}
        if Word.LAST_RESORT not in words:
            raise Violation(world, f"nobody says LAST_RESORT, but {words}")
        monitor.excuse_all("the checks were all failing", 1)
        for pod in world.pods.values():
            pod.healthy = True
            pod.tell_health()
        await monitor.settle(40)


async def loss(policy: CoordinationLoss, *, stand: frozenset[Vip]) -> None:
    """What the policy leaves on the air while ZooKeeper is away; all of it is back with ZooKeeper."""
    async with stage(racks="12", vips=(V, W), pins={V: "p0"}, coordination_loss=policy) as (world, monitor):
        await start(world, monitor)
        monitor.wanted = stand
        outage(world)
        await asyncio.sleep(60)
        said = {vip for pod in world.pods.values() for vip in pod.routes()}
        if said != stand:
            raise Violation(world, f"ZooKeeper is away, and {sorted(said)} stand, not {sorted(stand)}")
        power(world)
        await asyncio.sleep(20)
        monitor.wanted = frozenset((V, W))
        await monitor.settle(30)


async def gone_in_an_outage(*, forgets: bool) -> None:
    """Who goes while ZooKeeper is away counts as there for T after its return; 2T, where it has forgotten."""
    async with stage(racks="121", vips=vips(6)) as (world, monitor):
        await start(world, monitor)
        outage(world)
        await asyncio.sleep(20)
        p0 = world.pods["p0"]
        left_behind = monitor.of(p0)
        assert left_behind
        monitor.excuse(left_behind, "p0 is gone, and nobody can know", 100)
        p0.crash()
        await asyncio.sleep(60)
        if forgets:
            world.ensemble.lose_everything()
        power(world)
        await until(lambda: world.ensemble.ready)
        monitor.pardon()
        remembered = REFUSED + 2 * world.session_timeout if forgets else world.session_timeout
        monitor.excuse(left_behind, "ZooKeeper is back, and p0 may be, too", remembered + 1.5)
        await monitor.settle(30)


async def install(world: World, monitor: Monitor, algorithms: Algorithms) -> None:
    """Restart every pod in another version, one by one; each is relieved at once, and all place alike."""
    for pod in world.pods.values():
        pod.algorithms = algorithms
        pod.terminate()
        await relieved(world, pod)
        assert pod.life is not None
        await asyncio.wait((pod.life.task,))
        pod.start()
        await monitor.settle(30)
        lives = [each.life for each in world.pods.values() if each.life is not None]
        lowest = min(max(life.algorithms) for life in lives)
        for life in lives:
            if life.places_by != {lowest}:
                raise Violation(world, f"{life.pod.name} places by {life.places_by}, not by {lowest}")


async def relieved(world: World, pod: Pod) -> None:
    """Wait until nothing is announced by a pod that gives way: after `settle` twice. Raises Violation."""
    ends = now() + 2.8  # before it would have passed over who does not claim
    while pod.routes():
        if now() > ends:
            raise Violation(world, f"NOT RELIEVED: {pod.name} still announces {sorted(pod.routes())}")
        await asyncio.sleep(0.1)


async def upgrade() -> None:
    """A fleet is upgraded to an algorithm that moves nearly everything, pod by pod, and back."""
    async with stage(racks="121", vips=vips(9), standby=Standby.HOT) as (world, monitor):
        await start(world, monitor)
        before = world.fabric.updates
        await install(world, monitor, RESTLESS)
        moves = monitor.moves
        await install(world, monitor, ALGORITHMS)
        assert monitor.moves > moves, "neither algorithm moves anything"
        assert world.fabric.updates > before


async def crash_in_an_upgrade() -> None:
    """A pod dies in a fleet of two versions: who takes what it had is agreed on."""
    async with stage(racks="1212", vips=vips(9)) as (world, monitor):
        for name in ("p2", "p3"):
            world.pods[name].algorithms = RESTLESS
        await start(world, monitor)
        p0 = world.pods["p0"]
        monitor.excuse(monitor.of(p0), "p0 crashed", world.session_timeout + 1)
        p0.crash()
        await monitor.settle(30)


async def drain_in_an_upgrade() -> None:
    """The last pod of the old version is drained: it hands over to those to whom the old algorithm gives."""
    async with stage(racks="1212", vips=vips(10)) as (world, monitor):
        for pod in world.pods.values():
            pod.algorithms = {1: restless} if pod.name == "p0" else {1: restless, 2: place}
        await start(world, monitor)
        await world.drain("p0")
        await relieved(world, world.pods["p0"])
        await monitor.settle(30)


async def a_version_too_far() -> None:
    """Who does not know the old algorithm any more shares nothing with who does: two announce, never none."""
    async with stage(racks="12", vips=vips(4)) as (world, monitor):
        p1 = world.pods["p1"]
        p1.algorithms = NEW
        await start(world, monitor, "p0")
        p1.start()
        await asyncio.sleep(20)
        if p1.routes().keys() != set(vips(4)):
            raise Violation(world, f"p1 knows of nobody, and announces {sorted(p1.routes())} alone")
        p1.terminate()
        assert p1.life is not None
        await asyncio.wait((p1.life.task,))
        await monitor.settle(30)


async def at_offsets(story: Callable[[Seconds], Awaitable[None]]) -> None:
    """The same at several moments, of which each may be the one."""
    for tenth in range(0, 30, 2):
        await story(tenth / 10)


async def seen_to_die() -> None:
    """ZooKeeper is away, and a pod dies: the routers say so, and the next in line has its VIP at once."""
    async with stage(racks="121", vips=vips(4), pins={V: "p0"}, witness=True) as (world, monitor):
        await start(world, monitor)
        await without_zookeeper(world)
        p0 = world.pods["p0"]
        monitor.excuse(monitor.of(p0), "p0 crashed", 0.6)
        p0.crash()
        await asyncio.sleep(5)


async def cut_off_rack() -> None:
    """The ToRs of a rack lose their uplinks: its pods see nothing more, and take nothing."""
    pins = dict.fromkeys(vips(4), "p1") | {V: "p0"}
    async with stage(racks="12", vips=vips(4), pins=pins, witness=True) as (world, monitor):
        await start(world, monitor)
        p1 = world.pods["p1"]
        monitor.excuse(monitor.of(p1), "its rack is cut off", 20)
        for tor in world.racks["r2"]:
            world.fabric.lose_uplinks(tor)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if V in p1.routes():
                raise Violation(world, "TAKEN, though a ToR without its anchor proves nothing")
        for tor in world.racks["r2"]:
            world.fabric.mend_uplinks(tor)
        await monitor.settle(30)


async def seen_no_more(*hidden: Vip) -> None:
    """ToRs filter what they tell their pods. What lives is with one pod in the end, and never with none."""
    async with stage(racks="112", vips=vips(6), pins=dict.fromkeys(vips(4), "p0"), witness=True) as (
        world,
        monitor,
    ):
        await start(world, monitor)
        await filtered(world, *hidden)
        await monitor.settle(30)


async def seen_all_at_once() -> None:
    """More than half of all VIPs is gone in one moment: it is the sight that went."""
    async with stage(racks="12", vips=vips(4), pins=dict.fromkeys(vips(3), "p0"), witness=True) as (
        world,
        monitor,
    ):
        await start(world, monitor)
        await filtered(world, *vips(3))
        if witnessed(world.pods["p1"]):
            raise Violation(world, "p1 believes that everything has gone")


async def seen_now_and_then() -> None:
    """A VIP that comes and goes is taken ever later: each time it has to be gone for long enough again."""
    async with stage(racks="12", vips=vips(4), pins=dict.fromkeys(vips(3), "p0"), witness=True) as (
        world,
        monitor,
    ):
        await start(world, monitor)
        for _ in range(15):
            await filtered(world, V)
            await filtered(world)
        times = witnessed(world.pods["p1"])
        assert times, "it was never taken"
        if times >= 5:
            raise Violation(world, f"TAKEN {times} times of 15: each time it is held down for longer")


async def never_seen() -> None:
    """ToRs send an aggregate instead: the pods are blind, and wait for ZooKeeper as ever."""
    async with stage(racks="12", vips=vips(4), pins=dict.fromkeys(vips(3), "p0"), witness=True) as (
        world,
        monitor,
    ):
        for tor in world.racks["r2"]:
            world.fabric.hide(tor, *map(prefix_of, vips(4)))
        await start(world, monitor)
        p0 = world.pods["p0"]
        monitor.excuse(monitor.of(p0), "p0 crashed", world.session_timeout + 1)
        p0.crash()
        await asyncio.sleep(1)
        assert not world.pods["p1"].routes().keys() & set(vips(3))
        await asyncio.sleep(5)


def witnessed(pod: Pod) -> int:
    """How many VIPs it has taken as the routers had lost them."""
    assert pod.life is not None
    return pod.life.steering.takeovers[SERVICE, Word.WITNESSED]


async def filtered(world: World, *hidden: Vip) -> None:
    for tor in world.racks["r2"]:
        world.fabric.hide(tor, *map(prefix_of, hidden))
    await asyncio.sleep(1)


async def without_zookeeper(world: World) -> None:
    for name in world.ensemble.servers:
        world.ensemble.kill(name)
    await asyncio.sleep(10)


SCENARIOS: dict[str, Callable[[], Awaitable[None]]] = {
    "late_views": lambda: at_offsets(late_views),
    "late_views_at_copies": lambda: at_offsets(late_views_at_copies),
    "slow_rack": slow_rack,
    "routers_tell_before_they_forward": routers_tell_before_they_forward,
    "routers_tell_before_they_forward_hot": lambda: routers_tell_before_they_forward(standby=Standby.HOT),
    "deaf_heir": deaf_heir,
    "deaf_returner": deaf_returner,
    "everything_forgotten": everything_forgotten,
    "quick_restart": quick_restart,
    "standby_is_no_heir": standby_is_no_heir,
    "one_can_do_all": one_can_do_all,
    "blip_in_an_outage": blip_in_an_outage,
    "lost_write": lost_write,
    "hung_reads": hung_reads,
    "slow_reads": slow_reads,
    "lonely_server": lonely_server,
    "unread_claim": lambda: at_offsets(unread_claim),
    "hours_without_zookeeper": lambda: hours_without_zookeeper(forgets=False),
    "hours_without_zookeeper_or_its_data": lambda: hours_without_zookeeper(forgets=True),
    "gone_in_an_outage": lambda: gone_in_an_outage(forgets=False),
    "gone_in_an_outage_that_forgets": lambda: gone_in_an_outage(forgets=True),
    "upgrade": upgrade,
    "crash_in_an_upgrade": crash_in_an_upgrade,
    "drain_in_an_upgrade": drain_in_an_upgrade,
    "a_version_too_far": a_version_too_far,
    "clock_jump": clock_jump,
    "checks_fail_everywhere": checks_fail_everywhere,
    "seen_to_die": seen_to_die,
    "cut_off_rack": cut_off_rack,
    "seen_no_more": lambda: seen_no_more(V),
    "seen_all_at_once": seen_all_at_once,
    "seen_now_and_then": seen_now_and_then,
    "never_seen": never_seen,
    "loss_own": lambda: loss(CoordinationLoss.OWN, stand=frozenset((V,))),
    "loss_withdraw": lambda: loss(CoordinationLoss.WITHDRAW, stand=frozenset()),
}
