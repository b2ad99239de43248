"""Rule 8: a start without ZooKeeper."""

import pytest

from siblings import ME, A, B, Pod, member, only, reason, service
from vipd.coord.member import ColdStart, Phase, Standby, Word

NONE = frozenset()


@pytest.mark.parametrize(
    ("policy", "words", "ranks"),
    [
        (ColdStart.ALL, {A: Word.COLD, B: Word.COLD}, {A: 0, B: 1}),
        (ColdStart.PINNED, {A: Word.COLD, B: Word.WAITING}, {A: 0}),
        (ColdStart.NONE, {A: Word.WAITING, B: Word.WAITING}, {}),
    ],
)
def test_8_without_zookeeper_a_pod_starts_after_coordination_grace(policy, words, ranks):
    pod = Pod(service(A, B, pins={A: ME}, cold_start=policy), now=100.0)
    decided = pod.decide(view=None)
    assert pod.words() == {A: Word.WAITING, B: Word.WAITING}
    assert reason(pod) == "for ZooKeeper"
    assert decided.announcements.recheck_at == 110
    pod.decide(view=None, after=10)
    assert pod.words() == words
    assert pod.ranks() == ranks


def test_8_the_last_rank_is_behind_every_standby():
    pod = Pod(service(standby=Standby.HOT, standbys=2))
    pod.decide(view=None)
    pod.decide(view=None, after=10)
    assert pod.ranks() == {A: 3}


def test_8_when_zookeeper_comes_what_is_for_others_is_kept_until_they_have_it():
    pod = Pod(service(pins={A: "pod-x"}), member("pod-x~2"))
    pod.decide(view=None)
    pod.decide(view=None, after=10)
    pod.decide()
    assert (only(pod), pod.ranks()) == (Word.KEEPING, {A: 1})


def test_8_a_pod_that_is_leaving_starts_nothing():
    pod = Pod(service())
    pod.decide(view=None)
    pod.decide(view=None, after=10, phase=Phase.DRAINING)
    assert (only(pod), reason(pod)) == (Word.NOT_ASSIGNED, "this pod drains")
