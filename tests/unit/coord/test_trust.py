"""What of ZooKeeper may be believed; how the rules use it is in rules/."""

from math import inf

import pytest

from siblings import OWN, Pod, me, member, record
from vipd.coord.member import Service, View
from vipd.coord.trust import Sibling, Trust, confirmed, counted, ends, observe, siblings


def view(**facts) -> View:
    return View(**{"own": OWN, "members": {OWN: member(OWN)}, "read_at": 5.0, "trusted_until": 10.0, **facts})


def sibling(name, czxid, **facts) -> Sibling:
    return Sibling(name=name, pod=name.partition("~")[0], czxid=czxid, version=1, record=record(**facts))


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ({}, 10.0),
        ({"unanswered_since": 6.0}, 7.5),
        ({"unanswered_since": 6.0, "session_timeout": 4.0}, 8.0),
        ({"unanswered_since": 9.0}, 10.0),
    ],
)
def test_a_view_is_believed_until_its_lease_ends_or_a_read_hangs_for_half_of_t(facts, end):
    assert ends(view(**facts)) == end


def test_nothing_is_known_before_the_first_view():
    assert siblings(Trust()) == ()
    assert observe(Trust(), me(), None, 1.0) == Trust()
    assert Trust().recheck_at(0.0) == inf
    assert confirmed(Trust(), me())
    assert not confirmed(Trust(), me(stalled_at=0.0))


def test_a_view_that_is_taken_away_is_a_loss():
    trust = observe(Trust(), me(), view(), 6.0)
    assert trust.trusted
    lost = observe(trust, me(), None, 7.0)
    assert not lost.trusted
    assert lost.view is trust.view


def test_one_record_counts_for_each_pod_id():
    eldest, elder, younger = sibling("p~1", 1), sibling("p~2", 2), sibling("p~3", 3, eligible=())
    assert counted([younger, eldest, elder]) == {"p": elder}
    idle = [sibling("p~1", 1, eligible=()), sibling("p~3", 3, eligible=())]
    assert counted(idle)["p"].name == "p~1"


def test_all_who_see_the_same_count_the_same_whatever_the_order():
    found = [sibling("p~1", 1), sibling("p~2", 2), sibling("q~9", 9)]
    assert counted(found) == counted(reversed(found))


def test_the_names_of_our_own_sessions_are_known():
    pod = Pod(Service(name="apex", vips=()))
    pod.decide()
    assert pod.memory.trust.names == {OWN}
