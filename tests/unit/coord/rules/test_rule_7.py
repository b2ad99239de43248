"""Rule 7: ZooKeeper is back."""

from dataclasses import replace

import pytest

from siblings import ME, ORDER, OWN, A, B, Pod, announcing, member, only, reason, service
from vipd.coord.member import Order, View, Word

NONE = frozenset()
INF = float("inf")


def test_7_members_of_before_count_as_present_for_2t_and_are_never_released_to():
    pod = Pod(service(A, B, pins={A: "pod-x"}), member("pod-x~2", eligible={A}, claims={A}))
    pod.decide()
    pod.acknowledge()
    pod.lose()
    pod.misses("pod-x~2")
    decided = pod.regain()
    assert pod.words()[A] is Word.NOT_ASSIGNED
    assert decided.announcements.recheck_at == pod.now + 6
    pod.decide(after=5.9)
    assert pod.words()[A] is Word.NOT_ASSIGNED
    pod.decide(after=0.1)
    assert pod.words()[A] is Word.SUBSTITUTE


def test_7_what_we_announce_is_not_let_go_to_who_is_remembered_alone():
    pod = announcing(A, member("pod-x~2", claims={A}, eligible=NONE))
    pod.service = service(pins={A: "pod-x"})
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    pod.lose()
    pod.misses("pod-x~2")
    pod.regain()
    assert pod.decide(after=2).releases == ()
    assert only(pod) is Word.KEEPING


def test_7_for_t_after_an_outage_a_record_does_not_prove_that_its_pod_lives():
    pod = announcing(A)
    pod.service = service(pins={A: "pod-x"})
    pod.sees(member("pod-x~2", claims={A})).decide(after=1)
    pod.lose()
    pod.decide(after=30)
    assert pod.regain().releases == ()
    assert pod.decide(after=2.9).releases == ()
    assert only(pod) is Word.KEEPING
    (release,) = pod.decide(after=0.1).releases
    assert release.vips == {A}


def test_7_nor_does_it_to_a_pod_that_has_announced_before_it_met_zookeeper():
    pod = Pod(service(pins={A: "pod-x"}), member("pod-x~2", claims={A}))
    pod.decide(view=None)
    pod.decide(view=None, after=20)
    assert only(pod) is Word.COLD
    pod.decide(acknowledged={A: 1}, carried=frozenset({A}))
    pod.own = replace(pod.own, record=replace(pod.decided.record, announcing={A: 1}))
    assert pod.decide(after=2.9).releases == ()
    assert only(pod) is Word.KEEPING
    assert pod.decide(after=0.1).releases


def test_7_until_they_register_again():
    pod = Pod(service(), member("pod-x~2", claims={A}))
    pod.decide()
    pod.lose()
    pod.misses("pod-x~2").sees(member("pod-x~9", czxid=90, eligible=NONE))
    pod.regain()
    assert only(pod) is Word.ASSIGNED


def test_7_across_further_reconnects_the_2t_start_anew():
    pod = Pod(service(), member("pod-x~2", claims={A}))
    pod.decide()
    pod.lose()
    pod.misses("pod-x~2")
    pod.regain()
    pod.decide(after=5)
    pod.lose()
    pod.decide(after=100)
    pod.regain()
    pod.decide(after=5.9)
    assert only(pod) is Word.NOT_ASSIGNED
    pod.decide(after=0.1)
    assert only(pod) is Word.ASSIGNED


@pytest.mark.parametrize("news", [{"own": "pod-m~8"}, {"root": 77}])
def test_7_a_new_session_or_a_new_tree_is_a_reconnect_though_no_loss_was_noticed(news):
    pod = Pod(service(), member("pod-x~2", claims={A}))
    pod.decide()
    pod.misses("pod-x~2").sees(**news)
    if "own" in news:
        pod.sees(replace(pod.own, name="pod-m~1"), replace(pod.own, name="pod-m~8", czxid=50))
    pod.decide()
    assert only(pod) is Word.NOT_ASSIGNED


def test_7_in_a_steady_connection_a_member_that_goes_is_gone():
    pod = Pod(service(), member("pod-x~2", claims={A}))
    pod.decide()
    pod.misses("pod-x~2").decide(after=1)
    assert only(pod) is Word.ASSIGNED


def test_7_a_view_is_trusted_only_if_it_holds_our_own_record():
    view = View(own=OWN, members={}, read_at=0.0, trusted_until=INF)
    pod = Pod(service())
    pod.decide(view=view)
    assert only(pod) is Word.WAITING


def test_7_a_view_behind_a_hung_read_is_not_trusted():
    pod = Pod(service(), member("pod-x~2", claims={A}))
    pod.decide()
    pod.misses("pod-x~2").sees(unanswered_since=0.0)
    assert pod.decide(after=1.4).announcements.recheck_at == 1.5
    assert only(pod) is Word.ASSIGNED
    pod.sees(member("pod-x~2", claims={A})).decide(after=0.1)
    assert only(pod) is Word.HELD


def test_7_trust_ends_with_the_lease():
    pod = announcing().sees(trusted_until=2.25)
    assert pod.decide().announcements.recheck_at == 2.25
    pod.decide(after=2.25)
    assert only(pod) is Word.HELD


def test_7_when_the_tree_vanished_the_own_drain_and_the_maintenance_are_kept_until_lifted():
    pod = announcing().sees(drains={ME: ORDER}, maintenance=ORDER)
    pod.decide()
    pod.sees(root=5, drains={}, maintenance=None)
    decided = pod.decide()
    assert (only(pod), reason(pod)) == (
        Word.MAINTENANCE,
        "maintenance by ann: disks, kept since ZooKeeper lost its data",
    )
    assert (decided.record.drain, decided.record.maintenance) == (ORDER, ORDER)
    pod.sees(maintenance=Order(lifted=True)).decide()
    assert reason(pod) == "drained by ann: disks, kept since ZooKeeper lost its data"
    decided = pod.sees(maintenance=None, drains={ME: ORDER}).decide()
    assert decided.record.drain is None  # it stands in the tree again, and will go with it
    pod.sees(drains={}).decide()
    assert only(pod) is Word.ASSIGNED


def test_7_an_order_that_is_lifted_in_the_tree_itself_is_simply_gone():
    pod = announcing().sees(drains={ME: ORDER})
    pod.decide()
    pod.sees(drains={}).decide()
    assert only(pod) is Word.ASSIGNED
