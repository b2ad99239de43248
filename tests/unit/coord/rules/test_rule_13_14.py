"""Rules 13 and 14: nothing is announced before it works, or believed after a stall."""

from siblings import A, B, Pod, announcing, hot, member, only, service
from vipd.coord.member import Word

NONE = frozenset()


def test_13_record_and_route_wait_for_the_first_good_probes():
    pod = Pod(service())
    decided = pod.decide(failing="check http: has not run yet")
    assert only(pod) is Word.UNHEALTHY
    assert decided.record.eligible == NONE


def test_14_after_a_stall_nothing_new_is_taken_before_zookeeper_was_asked():
    pod = announcing(A, member("pod-x~2", claims={B}))
    pod.service = service(A, B)
    pod.misses("pod-x~2").decide(after=5, stalled_at=4.0)
    assert pod.words() == {A: Word.ASSIGNED, B: Word.WAITING}
    pod.sees(read_at=5.0).decide()
    assert pod.words() == {A: Word.ASSIGNED, B: Word.ASSIGNED}


def test_14_nor_does_a_standby_stand_in_and_what_is_not_ours_anyway_waits_for_nothing():
    pod = hot()
    pod.decide(stalled_at=0.0)
    assert only(pod) is Word.WAITING
    pod = Pod(service(), member("pod-x~2", claims={A}))
    pod.decide(stalled_at=0.0)
    assert only(pod) is Word.NOT_ASSIGNED
