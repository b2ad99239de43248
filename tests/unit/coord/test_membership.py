import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

from structlog.testing import capture_logs

from sim.loop import simulated
from vipd.coord import layout, membership, memory, placement
from vipd.coord.directory import AccessDenied, DirectoryLost
from vipd.coord.member import Order, Phase, Record, Release, Unreadable, View, Vip
from vipd.coord.membership import Wish, take_part
from vipd.coord.placement import ALGORITHMS
from vipd.latest import Latest

ONE, TWO = Vip("192.0.2.1"), Vip("192.0.2.2")
BOTH = frozenset({ONE, TWO})
ROOT = "/vipd"
MEMBERS = layout.members_path(ROOT, "apex")


def record(*claims: Vip, **changes) -> Record:
    return Record(
        **{
            "algorithm": max(ALGORITHMS),
            "zone": "r1",
            "weight": 1,
            "phase": Phase.RUNNING,
            "sessions_up": 2,
            "sessions_configured": 2,
            "serves": BOTH,
            "eligible": BOTH,
            "announcing": dict.fromkeys(claims, 0),
        }
        | changes
    )


class Faulty:
    """A Directory that fails when it is told to."""

    def __init__(self, inner) -> None:
        self.inner = inner
        self.link, self.hints = inner.link, inner.hints
        self.faults = {}  # by name of the call: a coroutine function, run before it or instead of it
        self.calls = []  # (when, name) of each

    def __getattr__(self, name):
        async def call(*args, **kwargs):
            self.calls.append((asyncio.get_running_loop().time(), name))
            fault = self.faults.get(name)
            if fault is not None:
                await fault(*args, **kwargs)
            return await getattr(self.inner, name)(*args, **kwargs)

        return call

    def count(self, name) -> int:
        return sum(each == name for _, each in self.calls)


class Pod:
    """Takes part, and wishes what the test says on every view that it is shown."""

    def __init__(self, name, tree, directory, wanted: Record | None) -> None:
        self.name, self.tree, self.directory = name, tree, directory
        self.record = wanted
        self.releases = ()
        self.newer_than = None
        self.decides = True  # anew, on every view
        self.views: list[View | None] = []
        self.wishes = Latest({"apex": Wish()})

    @property
    def view(self) -> View:
        return self.views[-1]

    def report(self, service: str, view: View | None) -> None:
        assert service == "apex"
        self.views.append(view)
        if self.decides and view is not None and self.wishes.value:
            self.wish()

    def wish(self) -> None:
        known = [view for view in self.views if view is not None]
        wish = Wish(
            view=known[-1] if known else None,
            record=self.record,
            releases=self.releases,
            newer_than=self.newer_than,
        )
        self.wishes.set({"apex": wish})

    def want(self, wanted: Record, *releases: Release) -> None:
        self.record, self.releases = wanted, releases
        self.wish()

    def read_back(self, name=None):
        """What stands in the tree."""
        node = self.tree.node(f"{MEMBERS}/{name or self.view.own}")
        return None if node is None else layout.read_record(node.data)


@asynccontextmanager
async def pod(tree, name="pod-a", wanted=None, **more):
    """A pod that takes part, over a directory that can be made to fail."""
    async with memory.join(tree) as inner, asyncio.TaskGroup() as group:
        one = Pod(name, tree, Faulty(inner), record() if wanted is None else wanted)
        for key, value in more.items():
            setattr(one, key, value)
        part = group.create_task(
            take_part(one.directory, one.wishes, one.report, root=ROOT, pod=name, jitter=lambda: 0.5)
        )
        try:
            yield one
        finally:
            part.cancel()


async def pass_by(seconds: float = 0.2) -> None:
    await asyncio.sleep(seconds)


@simulated
async def test_a_pod_reads_registers_and_reads_itself_back():
    async with pod(memory.Tree()) as one:
        await pass_by()
        assert one.view.own == layout.member_name("pod-a", one.directory.link.value.session_id)
        assert one.view.members[one.view.own].record == record()
        assert one.view.root == one.tree.node(ROOT).czxid
        assert one.tree.node(f"{MEMBERS}/{one.view.own}").ephemeral_owner


@simulated
async def test_nothing_is_registered_before_there_is_something_to_say():
    async with pod(memory.Tree()) as one:
        one.record = None
        await pass_by()
        assert one.view.members == {}
        one.want(record())
        await pass_by()
        assert one.read_back() == record()


@simulated
async def test_siblings_orders_and_maintenance_are_seen_at_once():
    tree = memory.Tree()
    async with pod(tree) as one, memory.join(tree) as operator:
        await pass_by()
        await operator.create(layout.maintenance_path(ROOT, "apex"), layout.write_order(Order(who="eve")))
        await operator.create(layout.drain_path(ROOT, "pod-b"), b"\xff not an order")
        async with pod(tree, "pod-b") as two:
            await pass_by(0.1)
            assert one.view.maintenance == Order(who="eve")
            assert one.view.drains["pod-b"].why.startswith("its text is unreadable")
            assert two.view.members.keys() == one.view.members.keys()
        await pass_by()
        assert one.view.members.keys() == {one.view.own}


@simulated
async def test_changes_that_come_together_are_read_together():
    tree = memory.Tree()
    async with pod(tree) as one, memory.join(tree) as operator:
        await pass_by()
        before = one.directory.count("read")
        for number in range(20):
            await operator.create(layout.drain_path(ROOT, f"pod-{number}"))
            await asyncio.sleep(0.005)
        await pass_by()
        assert len(one.view.drains) == 20
        assert one.directory.count("read") - before <= 4


@simulated
async def test_records_are_written_at_most_every_50_ms_and_the_newest_stands():
    async with pod(memory.Tree()) as one:
        await pass_by()
        before = one.directory.count("set")
        for number in range(21):
            one.want(record(weight=number + 1))
            await asyncio.sleep(0.005)
        await pass_by()
        assert one.read_back() == record(weight=21)
        assert one.directory.count("set") - before <= 4


@simulated
async def test_a_steady_pod_writes_nothing_and_reads_afresh_once_a_minute():
    async with pod(memory.Tree()) as one:
        await pass_by(10)
        one.directory.calls.clear()
        await pass_by(600)
        assert {name for _, name in one.directory.calls} == {"read"}
        assert one.directory.count("read") == 10


@simulated
async def test_where_members_are_many_each_reads_afresh_more_rarely(monkeypatch):
    monkeypatch.setattr(membership, "MANY", 2)
    tree = memory.Tree()
    async with pod(tree) as one, memory.join(tree) as foreign:
        await pass_by()
        for number in range(3):
            await foreign.create(f"{MEMBERS}/stray-{number}", ephemeral=True)
        await pass_by(130)
        one.directory.calls.clear()
        await pass_by(600)
        assert one.directory.count("read") == 5


@simulated
async def test_a_record_is_compared_with_what_was_read_back():
    tree = memory.Tree()
    async with pod(tree) as one, memory.join(tree) as foreign:
        await pass_by()
        await foreign.set(f"{MEMBERS}/{one.view.own}", b"scribbled over")
        await pass_by()
        assert one.read_back() == record()
        await foreign.delete(f"{MEMBERS}/{one.view.own}")
        await pass_by()
        assert one.read_back() == record()


@simulated
async def test_what_a_decision_may_have_to_know_is_computed_beforehand(monkeypatch):
    monkeypatch.setattr(placement, "SCORES", 1)
    placement._ranking.cache_clear()
    async with pod(memory.Tree()):
        await pass_by(1)
        assert {vip: placement._ranking("apex").missing(vip) for vip in BOTH} == dict.fromkeys(BOTH, 0)
        assert len(list(placement._ranking("apex").of(ONE))) == 1


@simulated
async def test_a_view_is_marked_while_a_write_of_ours_is_not_read_back():
    """Else a pod that claims, and begins to leave, lets go by a view that is older than its claim."""
    async with pod(memory.Tree()) as one:
        await pass_by()
        shown = len(one.views) - 1
        one.want(record(ONE))
        await pass_by()
        marks = [
            (view.unread_write, ONE in view.members[view.own].record.announcing) for view in one.views[shown:]
        ]
        assert marks == [(False, False), (True, False), (False, True)]


@simulated
async def test_a_wish_that_was_decided_on_an_older_record_of_ours_is_not_carried_out():
    async with pod(memory.Tree(), wanted=record(ONE)) as one:
        await pass_by()
        stale = one.view
        one.want(record())
        await pass_by()
        assert one.view.members[one.view.own].record == record()
        one.wishes.set({"apex": Wish(view=stale, record=record(ONE))})
        await pass_by(5)
        assert one.read_back() == record()


@simulated
async def test_a_release_takes_vips_out_of_our_record_and_no_others():
    tree = memory.Tree()
    async with pod(tree, wanted=record(ONE, TWO)) as one, pod(tree, "pod-b", record(ONE)) as two:
        await pass_by()
        receivers = {two.view.own: one.view.members[two.view.own].version}
        with capture_logs() as logs:
            one.want(record(ONE, TWO), Release(vips=frozenset({ONE}), receivers=receivers))
            one.decides = False
            await pass_by()
        assert one.read_back() == record(TWO)
        assert [(e["vips"], e["to"]) for e in logs if e["event"] == "vips_released"] == [
            ([ONE], [two.view.own])
        ]


@simulated
async def test_a_release_waits_for_a_receiver_whose_record_has_changed():
    tree = memory.Tree()
    async with pod(tree, wanted=record(ONE, TWO)) as one, pod(tree, "pod-b", record(ONE)) as two:
        await pass_by()
        version = one.view.members[two.view.own].version
        await one.directory.inner.set(f"{MEMBERS}/{two.view.own}", layout.write_record(record()))
        one.want(record(ONE, TWO), Release(vips=frozenset({ONE}), receivers={two.view.own: version}))
        await pass_by(1)
        assert one.read_back() == record(ONE, TWO)
        assert 2 <= one.directory.count("transact") <= 20


@simulated
async def test_several_sets_of_receivers_are_several_transactions_in_one_go():
    tree = memory.Tree()
    async with (
        pod(tree, wanted=record(ONE, TWO)) as one,
        pod(tree, "pod-b", record(ONE)) as two,
        pod(tree, "pod-c", record(TWO)) as three,
    ):
        await pass_by()
        versions = {name: member.version for name, member in one.view.members.items()}
        before = one.view.members[one.view.own].version
        one.want(
            record(ONE, TWO),
            Release(vips=frozenset({ONE}), receivers={two.view.own: versions[two.view.own]}),
            Release(vips=frozenset({TWO}), receivers={three.view.own: versions[three.view.own]}),
        )
        one.decides = False
        await pass_by()
        assert one.read_back() == record()
        assert one.view.members[one.view.own].version == before + 2


@simulated
async def test_after_a_refused_write_the_next_reading_is_as_new_as_can_be():
    """A server that lags would go on showing what has changed."""
    tree = memory.Tree()
    async with pod(tree) as one, memory.join(tree) as foreign:
        await pass_by()
        reads, writes = [], one.directory.count("set")

        async def be_faster(path, *_) -> None:
            del one.directory.faults["set"]
            await foreign.set(path, b"scribbled over")

        async def note(*, sync, **_) -> None:
            reads.append(sync)

        one.directory.faults = {"set": be_faster, "read": note}
        one.want(record(ONE))
        await pass_by()
        assert reads[0]
        assert one.directory.count("set") == writes + 2
        assert one.read_back() == record(ONE)


@simulated
async def test_what_has_not_changed_is_the_same_object():
    async with pod(memory.Tree()) as one:
        await pass_by()
        members = one.view.members
        await one.directory.inner.create(layout.drain_path(ROOT, "pod-z"))
        await pass_by()
        assert one.view.drains.keys() == {"pod-z"}
        assert one.view.members is members


@simulated
async def test_an_unknown_outcome_is_read_back():
    """The answer to a create is lost, then that to a set: each was carried out."""
    async with pod(memory.Tree()) as one:
        inner = one.directory.inner

        async def carried_out_unheard(*args, **kwargs):
            name = one.directory.calls[-1][1]
            del one.directory.faults[name]
            await getattr(inner, name)(*args, **kwargs)
            raise DirectoryLost("no answer", sent=True)

        one.directory.faults = {"create": carried_out_unheard, "set": carried_out_unheard}
        await pass_by(1)
        assert one.read_back() == record()
        assert one.directory.count("create") == 1
        one.want(record(ONE))
        await pass_by(1)
        assert one.directory.count("set") == 1
        assert one.view.members[one.view.own].record == record(ONE)
        assert one.view.members[one.view.own].version == 1


@simulated
async def test_a_lost_connection_ends_trust_at_once_and_a_return_begins_with_a_sync():
    loop = asyncio.get_running_loop()
    async with pod(memory.Tree()) as one:
        await pass_by()
        own, inner = one.view.own, one.directory.inner
        assert one.view.trusted_until > loop.time()
        inner.cut()
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert one.view.trusted_until <= loop.time()
        reads = []

        async def note(**kwargs) -> None:
            reads.append((kwargs["sync"], kwargs["afresh"]))

        one.directory.faults["read"] = note
        await pass_by(5)
        assert reads == []
        inner.connect()
        await pass_by()
        assert reads[0] == (True, True)
        assert one.view.own == own
        assert one.view.trusted_until > loop.time()


@simulated
async def test_a_new_session_is_a_new_name_and_the_old_record_is_left_to_zookeeper():
    tree = memory.Tree()
    async with pod(tree) as one:
        await pass_by()
        before = one.view.own
        one.directory.inner.expire()
        await pass_by()
        one.directory.inner.connect()
        await pass_by()
        assert one.view.own != before
        assert one.view.members.keys() == {one.view.own}


@simulated
async def test_what_was_read_in_an_earlier_generation_is_not_reported():
    async with pod(memory.Tree()) as one:
        await pass_by()
        inner, seen = one.directory.inner, len(one.views)

        async def reconnect(**kwargs) -> None:
            del one.directory.faults["read"]
            one.directory.link = Latest(replace(inner.link.value, generation=inner.link.value.generation + 1))

        one.directory.faults["read"] = reconnect
        one.newer_than = asyncio.get_running_loop().time()
        one.wish()
        await asyncio.sleep(0.01)
        assert [view.trusted_until for view in one.views[seen:]] == [one.view.trusted_until]
        assert one.view.trusted_until <= asyncio.get_running_loop().time()


@simulated
async def test_a_read_that_hangs_is_told_of_and_so_is_its_end():
    async with pod(memory.Tree()) as one:
        await pass_by()

        async def hang(**kwargs) -> None:
            await asyncio.sleep(1.2)

        one.directory.faults["read"] = hang
        began = asyncio.get_running_loop().time()
        await one.directory.inner.create(layout.drain_path(ROOT, "pod-z"))
        await pass_by(0.7)
        assert one.view.unanswered_since is None
        await pass_by(0.1)
        assert one.view.unanswered_since == began
        assert one.view.drains == {}
        await pass_by(0.5)
        assert one.view.unanswered_since is None
        assert one.view.drains.keys() == {"pod-z"}


@simulated
async def test_a_view_as_of_now_is_read_for_whoever_has_stalled():
    async with pod(memory.Tree()) as one:
        await pass_by(5)
        stalled = asyncio.get_running_loop().time()
        assert one.view.read_at < stalled
        one.newer_than = stalled
        one.wish()
        await pass_by()
        assert one.view.read_at > stalled


@simulated
async def test_the_lease_moves_on_with_the_link():
    async with pod(memory.Tree()) as one:
        await pass_by()
        link = one.directory.link
        link.set(replace(link.value, lease_until=100.0))
        await pass_by()
        assert one.view.trusted_until == 100.0
        assert one.view.members


@simulated
async def test_znodes_that_cannot_be_understood_cost_their_member_alone():
    tree = memory.Tree()
    async with pod(tree) as one, memory.join(tree) as foreign:
        await pass_by()
        session = foreign.link.value.session_id
        with capture_logs() as logs:
            await foreign.create(f"{MEMBERS}/{layout.member_name('bad', session)}", b"{", ephemeral=True)
            await foreign.create(f"{MEMBERS}/stray", layout.write_record(record(ONE)))
            await foreign.create(f"{MEMBERS}/forged~{session:x}", layout.write_record(record(ONE)))
            await foreign.create(
                f"{MEMBERS}/{layout.member_name('huge', session)}", b"x" * 600_000, ephemeral=True
            )
            await pass_by()
        bad = {member.pod for member in one.view.members.values() if isinstance(member.record, Unreadable)}
        assert bad == {"bad", "stray", "forged", "huge"}
        assert sum(e["event"] == "record_unreadable" for e in logs) == 4
        assert one.view.members[one.view.own].record == record()


@simulated
async def test_what_may_not_be_read_is_said_once_and_retried():
    async with pod(memory.Tree()) as one:
        await pass_by()

        async def deny(**kwargs) -> None:
            raise AccessDenied(MEMBERS, "its ACL does not allow us that")

        with capture_logs() as logs:
            one.directory.faults["read"] = deny
            one.newer_than = asyncio.get_running_loop().time()
            one.wish()
            await pass_by(60)
            assert [(e["path"], e["log_level"]) for e in logs if e["event"] == "coordination_refused"] == [
                (MEMBERS, "warning")
            ]
            assert one.view.trusted_until < asyncio.get_running_loop().time()
            tries = one.directory.count("read")
            assert 10 < tries < 30
            del one.directory.faults["read"]
            await pass_by(10)
            assert logs[-1]["event"] == "coordination_accepted"
        assert one.view.trusted_until > asyncio.get_running_loop().time()


@simulated
async def test_a_write_that_is_never_allowed_does_not_become_a_storm():
    async def deny(*args, **kwargs) -> None:
        raise AccessDenied(MEMBERS, "its ACL does not allow us that")

    async with pod(memory.Tree()) as one:
        one.directory.faults["create"] = deny
        with capture_logs() as logs:
            await pass_by(60)
        assert one.directory.count("create") < 30
        assert sum(e["event"] == "coordination_refused" for e in logs) == 1


@simulated
async def test_a_record_that_is_too_large_is_never_sent():
    async with pod(memory.Tree()) as one:
        many = frozenset(Vip(f"2001:db8::{number:x}") for number in range(30_000))
        one.record = record(serves=many, eligible=many)
        with capture_logs() as logs:
            await pass_by(5)
        assert one.directory.count("create") == 0
        assert [e["event"] for e in logs] == ["coordination_refused"]


@simulated
async def test_a_tree_that_vanishes_is_made_again():
    tree = memory.Tree()
    async with pod(tree) as one:
        await pass_by()
        root = one.view.root
        for path in (
            f"{MEMBERS}/{one.view.own}",
            MEMBERS,
            f"{ROOT}/services/apex",
            f"{ROOT}/services",
            f"{ROOT}/drains",
            ROOT,
        ):
            await one.directory.inner.delete(path)
        await pass_by(2)
        assert one.view.root > root
        assert one.read_back() == record()


@simulated
async def test_leaving_deletes_our_record_at_once():
    tree = memory.Tree()
    async with pod(tree, "pod-b") as two:
        async with pod(tree) as one:
            await pass_by()
            assert len(two.view.members) == 2
        await pass_by(0.1)
        assert two.view.members.keys() == {two.view.own}
        assert one.views[-1] is None


@simulated
async def test_a_service_that_is_not_configured_any_more_loses_its_record():
    async with pod(memory.Tree()) as one:
        await pass_by()
        own = one.view.own
        one.wishes.set({})
        await pass_by()
        assert one.tree.node(f"{MEMBERS}/{own}") is None
        assert one.views[-1] is None


@simulated
async def test_leaving_never_waits_long_for_a_directory_that_is_silent():
    loop = asyncio.get_running_loop()

    async def silence(*args, **kwargs) -> None:
        await asyncio.sleep(100)

    async with pod(memory.Tree()) as one:
        await pass_by()
        one.directory.faults["delete"] = silence
        began = loop.time()
    assert loop.time() - began <= 1.0
