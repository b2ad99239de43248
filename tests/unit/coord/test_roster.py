import pytest

from algorithms import BOTH, NEW
from vipd.coord import layout
from vipd.coord.directory import Link, LinkState, Node, NoNode, Reading
from vipd.coord.member import Definition, Order, Phase, Record, Unreadable, Vip
from vipd.coord.roster import Roster

ROOT, ONE = "/vipd", Vip("192.0.2.1")
LINK = Link(state=LinkState.CONNECTED, generation=3, session_id=0xA1, timeout=4.0, lease_until=17.0)
RECORD = Record(
    algorithm=1,
    zone="r1",
    weight=1,
    phase=Phase.RUNNING,
    sessions_up=2,
    sessions_configured=2,
    serves=frozenset({ONE}),
    eligible=frozenset({ONE}),
    announcing={ONE: 0},
)


def node(path, octets=b"", *, version=0, owner=0, mzxid=9) -> Node:
    return Node(path=path, data=octets, czxid=7, mzxid=mzxid, version=version, ephemeral_owner=owner)


def member(name, octets=None, *, owner, **changes) -> Node:
    octets = layout.write_record(RECORD) if octets is None else octets
    return node(layout.member_path(ROOT, "apex", name), octets, owner=owner, **changes)


def reading(*members: Node, drains=(), root=True, maintenance=None, definition=None, folders=True) -> Reading:
    return Reading(
        generation=3,
        began=12.5,
        nodes={
            ROOT: node(ROOT) if root else None,
            layout.maintenance_path(ROOT, "apex"): maintenance,
            layout.definition_path(ROOT, "apex"): definition,
        },
        folders={
            layout.members_path(ROOT, "apex"): {each.name: each for each in members} if folders else None,
            layout.drains_path(ROOT): {each.name: each for each in drains},
        },
    )


@pytest.fixture
def roster() -> Roster:
    return Roster(ROOT, "apex", "pod-a")


def test_a_definition_goes_into_the_view_as_it_stands(roster):
    assert roster.view(reading(), LINK).definition is None
    assert roster.view(reading(definition=node("/d", b"{")), LINK).definition == Definition(octets=b"{")
    assert roster.view(reading(definition=node("/d", None)), LINK).definition == Definition(octets=None)


def test_a_view_is_all_of_one_reading_and_of_the_link_it_came_by(roster):
    view = roster.view(reading(member("pod-b~b2", owner=0xB2, version=5)), LINK)
    assert (view.own, view.root) == ("pod-a~a1", 7)
    assert (view.read_at, view.trusted_until, view.session_timeout) == (12.5, 17.0, 4.0)
    (sibling,) = view.members.values()
    assert (sibling.pod, sibling.czxid, sibling.version, sibling.record) == ("pod-b", 7, 5, RECORD)
    assert view.unanswered_since is None


def test_orders_count_whatever_their_text(roster):
    drains = [
        node(layout.drain_path(ROOT, "pod-a"), layout.write_order(Order(who="eve"))),
        node(layout.drain_path(ROOT, "pod-b"), b"{"),
        node(layout.drain_path(ROOT, "pod-c"), None),
    ]
    maintenance = node(layout.maintenance_path(ROOT, "apex"), b"")
    view = roster.view(reading(drains=drains, maintenance=maintenance), LINK)
    assert view.drains["pod-a"] == Order(who="eve")
    assert all("unreadable" in view.drains[pod].why for pod in ("pod-b", "pod-c"))
    assert view.maintenance is not None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (member("stray", owner=0), "name"),
        (member("pod-b~b2", owner=0), "session"),
        (member("pod-b~b2", owner=0xB3), "session"),
        (member("pod-b~b2", b"{", owner=0xB2), "JSON"),
        (node(layout.member_path(ROOT, "apex", "pod-b~b2"), None, owner=0xB2), "ACL"),
    ],
)
def test_what_cannot_be_understood_is_a_member_that_counts_as_absent(roster, found, why):
    (unreadable,) = roster.view(reading(found), LINK).members.values()
    assert isinstance(unreadable.record, Unreadable)
    assert why in unreadable.record.reason


def test_members_are_the_same_objects_until_they_change(roster):
    first, second = member("pod-b~b2", owner=0xB2), member("pod-c~c3", owner=0xC3)
    before = roster.view(reading(first, second), LINK)
    again = roster.view(reading(first, second), LINK)
    assert again.members is before.members
    changed = member("pod-c~c3", owner=0xC3, version=1, mzxid=20)
    after = roster.view(reading(first, changed), LINK)
    assert after.members["pod-b~b2"] is before.members["pod-b~b2"]
    assert after.members["pod-c~c3"].version == 1
    assert roster.view(reading(first), LINK).members.keys() == {"pod-b~b2"}


def test_what_is_new_is_read_one_record_at_a_time(roster):
    first, second = member("pod-b~b2", owner=0xB2), member("pod-c~c3", owner=0xC3)
    assert len(list(roster.learn(reading(first, second)))) == 2
    before = roster.view(reading(first, second), LINK)
    changed = member("pod-c~c3", b"{", owner=0xC3, version=1, mzxid=20)
    steps = roster.learn(reading(first, changed))
    next(steps)
    assert list(steps) == []
    after = roster.view(reading(first, changed), LINK)
    assert after.members["pod-b~b2"] is before.members["pod-b~b2"]
    assert isinstance(after.members["pod-c~c3"].record, Unreadable)
    assert list(roster.learn(reading(folders=False))) == []


def test_a_node_that_was_made_anew_is_read_anew(roster):
    roster.view(reading(member("pod-b~b2", owner=0xB2)), LINK)
    view = roster.view(reading(member("pod-b~b2", b"{", owner=0xB2, mzxid=30)), LINK)
    assert isinstance(view.members["pod-b~b2"].record, Unreadable)


@pytest.mark.parametrize("missing", [{"root": False}, {"folders": False}])
def test_there_is_no_view_of_a_tree_that_is_not_there(roster, missing):
    with pytest.raises(NoNode):
        roster.view(reading(**missing), LINK)


def test_a_record_of_an_algorithm_older_than_any_known_here_counts_as_unreadable():
    there = reading(member("pod-b~b2", owner=0xB2))
    (read,) = Roster(ROOT, "apex", "pod-a", BOTH).view(there, LINK).members.values()
    assert read.record == RECORD
    (refused,) = Roster(ROOT, "apex", "pod-a", NEW).view(there, LINK).members.values()
    assert refused.record == Unreadable(reason="it places by algorithm 1; the oldest known here is 2")
