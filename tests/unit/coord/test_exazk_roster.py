"""One service in ExaZK's layout: what a pod reads there, decides, and writes. ExaZK's pods are nodes here."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sim.loop import simulated
from vipd.coord import layout
from vipd.coord.case import Memory
from vipd.coord.decision import decide
from vipd.coord.directory import Create, Delete, Link, LinkState, Node, NoNode, Reading
from vipd.coord.exazk import OTHERS, Exazk
from vipd.coord.exazk_roster import ExazkRoster
from vipd.coord.member import Me, Order, Phase, Service, Takeover, Vip, Word
from vipd.coord.membership import Wish, take_part
from vipd.coord.memory import Tree, join
from vipd.latest import Latest

PATH, MAINTENANCE, ROOT = "/exabgp/service/apex", "/exabgp/maintenance/apex", "/vipd"
ONE, TWO, THREE = (Vip(f"192.0.2.{n}") for n in (1, 2, 3))
VIPS = (ONE, TWO, THREE)
PLACE = Exazk(path=PATH, maintenance=MAINTENANCE, vips=VIPS, own=ONE)
LINK = Link(state=LinkState.CONNECTED, generation=3, session_id=0xA1, timeout=4.0, lease_until=17.0)


def node(name, *, owner=0xB2, czxid=7, data=b"") -> Node:
    return Node(path=f"{PATH}/{name}", data=data, czxid=czxid, mzxid=czxid, version=0, ephemeral_owner=owner)


def reading(*nodes: Node, root=True, drains=(), folders=True, **orders: Node) -> Reading:
    return Reading(
        generation=3,
        began=12.5,
        nodes={
            PATH: node("") if root else None,
            MAINTENANCE: orders.get("theirs"),
            layout.maintenance_path(ROOT, "apex"): orders.get("ours"),
        },
        folders={
            PATH: {each.name: each for each in nodes} if root else None,
            layout.drains_path(ROOT): {each.name: each for each in drains} if folders else None,
        },
    )


@pytest.fixture
def roster() -> ExazkRoster:
    return ExazkRoster(ROOT, "apex", "lb-1", PLACE)


def claims(view) -> dict[str, set[Vip]]:
    return {member.pod: set(member.record.announcing) for member in view.members.values()}


def test_each_node_is_a_pod_and_what_has_none_is_with_the_others(roster):
    view = roster.view(reading(node(TWO), node("stranger")), LINK)
    assert (view.own, view.root, view.read_at) == (f"{ONE}~a1", 7, 12.5)
    assert claims(view) == {ONE: set(), TWO: {TWO}, OTHERS: {ONE, THREE}}
    assert claims(roster.view(reading(node(ONE, owner=0xA1), node(TWO)), LINK)) == {
        ONE: {ONE},
        TWO: {TWO},
        OTHERS: {THREE},
    }
    everybody = reading(node(ONE, owner=0xA1), node(TWO), node(THREE))
    assert OTHERS not in claims(roster.view(everybody, LINK))


def test_where_nobody_else_is_there_are_no_others(roster):
    assert claims(roster.view(reading(), LINK)) == {ONE: set()}
    assert claims(roster.view(reading(node(ONE, owner=0xA1)), LINK)) == {ONE: {ONE}}


def test_the_others_are_read_anew_when_what_they_announce_changes(roster):
    def version(*nodes):
        return roster.view(reading(*nodes), LINK).members["others~0"].version

    first = version(node(TWO))
    assert version(node(TWO)) == first
    assert version(node(THREE)) == first + 1


def test_a_node_of_our_name_that_is_not_ours_is_in_our_way(roster):
    view = roster.view(reading(node(ONE, owner=0xC3), node(TWO)), LINK)
    assert roster.blocked
    assert set(view.members) == {f"{ONE}~a1", f"{ONE}~c3", f"{TWO}~b2", "others~0"}
    assert roster.ours(reading(node(ONE, owner=0xC3)), LINK) is None
    roster.view(reading(node(TWO)), LINK)
    assert not roster.blocked


def test_orders(roster):
    order = Order(who="ada", why="disks", when="now")
    octets = layout.write_order(order)
    assert roster.view(reading(), LINK).maintenance is None
    assert roster.view(reading(ours=node("x", data=octets)), LINK).maintenance == order
    theirs = roster.view(reading(theirs=node("x"), ours=node("x", data=octets)), LINK).maintenance
    assert theirs == Order(who="ExaZK's maintenance node", why=MAINTENANCE)
    drain = Node(path="/d/lb-1", data=octets, czxid=1, mzxid=1, version=0, ephemeral_owner=0)
    assert roster.view(reading(drains=[drain]), LINK).drains == {ONE: order}
    assert roster.view(reading(drains=[replace(drain, path="/d/lb-2")]), LINK).drains == {}


def test_there_is_no_view_of_a_tree_that_is_not_there(roster):
    for missing in (reading(root=False), reading(folders=False)):
        with pytest.raises(NoNode):
            roster.view(missing, LINK)


class Pod:
    """A pod that decides, in a tree that it shares with others; its ToRs acknowledge at once."""

    def __init__(self, place: Exazk = PLACE) -> None:
        self.place = place
        self.service = Service(name="apex", vips=VIPS, pins=place.pins, takeover=Takeover.ALL)
        self.me = Me(pod=place.pod("lb-1"), sessions_up=1, sessions_configured=1)
        self.memory = Memory()
        self.view = None
        self.wishes = Latest({"apex": Wish(exazk=place)})
        self.words: Latest[dict[Vip, Word]] = Latest({})
        self.deaf = False  # no ToR acknowledges anything

    def see(self, _: str, view) -> None:
        self.view = view
        self.decide()

    def decide(self, **facts) -> None:
        self.me = replace(self.me, **facts)
        now = asyncio.get_running_loop().time()
        for _ in range(2):  # once more, for what has been acknowledged
            decision = decide(self.service, self.me, self.view, self.memory, now)
            self.memory = decision.memory
            ranks = {vip: each.rank for vip, each in decision.announcements.verdicts.items()}
            announced = {vip: rank for vip, rank in ranks.items() if rank is not None}
            acknowledged = {} if self.deaf else announced
            self.me = replace(self.me, acknowledged=acknowledged, carried=frozenset(acknowledged))
        wish = Wish(view=self.view, record=decision.record, releases=decision.releases, exazk=self.place)
        assert not wish.releases, "there is nobody whose record could be checked"
        self.wishes.set({"apex": wish})
        self.words.set({vip: each.word for vip, each in decision.announcements.verdicts.items()})
        self.announced = set(announced)
        due = decision.announcements.recheck_at
        if due is not None:
            asyncio.get_running_loop().call_at(due, self.decide)

    async def announces(self, *vips: Vip) -> None:
        async with asyncio.timeout(30):
            await self.words.until(lambda _: self.view is not None and self.announced == set(vips))


@asynccontextmanager
async def shared(place: Exazk = PLACE):
    """A pod in a tree, and a way to write there as ExaZK does."""
    tree = Tree()
    async with join(tree) as directory, asyncio.TaskGroup() as group:
        pod = Pod(place)
        task = group.create_task(
            take_part(directory, pod.wishes, pod.see, root=ROOT, pod="lb-1", jitter=lambda: 0.5)
        )
        yield pod, tree
        task.cancel()


def appears(tree: Tree, path: str) -> None:
    tree.apply([Create(path=path)])


def vanishes(tree: Tree, path: str) -> None:
    tree.apply([Delete(path=path)])


@simulated
async def test_a_pod_alone_announces_all_and_says_so_of_its_own():
    async with shared() as (pod, tree):
        await pod.announces(*VIPS)
        await asyncio.sleep(1)
        assert tree.names(PATH) == [ONE]
        assert tree.node(f"{PATH}/{ONE}").ephemeral_owner
        assert pod.words.value == {ONE: Word.ASSIGNED, TWO: Word.SUBSTITUTE, THREE: Word.SUBSTITUTE}


@simulated
async def test_a_pod_that_appears_gets_its_vip_after_settle_and_loses_it_again():
    async with shared() as (pod, tree):
        await pod.announces(*VIPS)
        appears(tree, f"{PATH}/{TWO}")
        await asyncio.sleep(0.9)
        assert pod.announced == set(VIPS), "the other's routers are given time"
        await asyncio.sleep(0.3)
        assert pod.announced == {ONE, THREE}
        vanishes(tree, f"{PATH}/{TWO}")
        await pod.announces(*VIPS)


@simulated
async def test_no_node_before_the_vip_is_announced():
    async with shared() as (pod, tree):
        pod.deaf = True
        await pod.announces(*VIPS)
        await asyncio.sleep(5)
        assert tree.names(PATH) == []
        pod.deaf = False
        pod.decide()
        await asyncio.sleep(1)
        assert tree.names(PATH) == [ONE]


@simulated
async def test_a_check_that_fails_takes_route_and_node_at_once():
    async with shared() as (pod, tree):
        await pod.announces(*VIPS)
        appears(tree, f"{PATH}/{TWO}")
        await pod.announces(ONE, THREE)
        await asyncio.sleep(1)
        pod.decide(failing="check http: 503")
        assert pod.announced == set()
        await asyncio.sleep(1)
        assert tree.names(PATH) == [TWO]


@simulated
async def test_a_pod_that_leaves_takes_its_node_away_first():
    async with shared() as (pod, tree):
        await pod.announces(*VIPS)
        appears(tree, f"{PATH}/{TWO}")
        await pod.announces(ONE, THREE)
        await asyncio.sleep(1)
        pod.decide(phase=Phase.LEAVING)
        assert ONE in pod.announced
        await asyncio.sleep(0.5)
        assert tree.names(PATH) == [TWO], "so that the others take it"
        assert ONE in pod.announced
        await pod.announces()


@simulated
async def test_a_pod_that_nobody_can_relieve_stays_until_drain_timeout():
    async with shared() as (pod, _):
        await pod.announces(*VIPS)
        pod.decide(phase=Phase.LEAVING)
        await asyncio.sleep(29)
        assert pod.announced == set(VIPS)
        await asyncio.sleep(2)
        assert pod.announced == set()


@simulated
async def test_exazk_maintenance_node_is_obeyed():
    async with shared() as (pod, tree):
        await pod.announces(*VIPS)
        for path in ("/exabgp/maintenance", MAINTENANCE):
            appears(tree, path)
        await pod.announces()
        await asyncio.sleep(1)
        assert tree.names(PATH) == []
        assert set(pod.words.value.values()) == {Word.MAINTENANCE}
        vanishes(tree, MAINTENANCE)
        await pod.announces(*VIPS)
        await asyncio.sleep(1)
        assert tree.names(PATH) == [ONE]


@simulated
async def test_a_node_that_is_left_of_an_earlier_life_is_waited_for_while_the_vip_is_announced():
    tree = Tree()
    session = tree.open_session()
    for path in ("/exabgp", "/exabgp/service", PATH):
        appears(tree, path)
    tree.apply([Create(path=f"{PATH}/{ONE}", ephemeral=True)], session=session)
    async with join(tree) as directory, asyncio.TaskGroup() as group:
        pod = Pod()
        task = group.create_task(
            take_part(directory, pod.wishes, pod.see, root=ROOT, pod="lb-1", jitter=lambda: 0.5)
        )
        await pod.announces(*VIPS)
        before = tree.zxid
        await asyncio.sleep(3)
        assert tree.zxid == before, "nothing is tried in vain"
        assert tree.node(f"{PATH}/{ONE}").ephemeral_owner == session
        tree.close_session(session)
        await asyncio.sleep(1)
        assert tree.node(f"{PATH}/{ONE}").ephemeral_owner not in {0, session}
        task.cancel()


@simulated
async def test_a_pod_without_a_vip_of_its_own_writes_nothing():
    async with shared(replace(PLACE, own=None)) as (pod, tree):
        await pod.announces(*VIPS)
        await asyncio.sleep(1)
        assert tree.names(PATH) == []
        assert pod.view.own == "lb-1~1"


@simulated
async def test_the_layout_is_changed_while_the_pod_lives():
    async with shared() as (pod, tree):
        await pod.announces(*VIPS)
        await asyncio.sleep(1)
        pod.place = None
        pod.service = replace(pod.service, pins={ONE: "lb-1"})
        pod.decide(pod="lb-1")
        await asyncio.sleep(3)
        assert tree.names(PATH) == []
        assert [name.partition("~")[0] for name in tree.names(f"{ROOT}/services/apex/members")] == ["lb-1"]
        assert pod.announced == set(VIPS)
        assert pod.words.value[ONE] is Word.ASSIGNED
