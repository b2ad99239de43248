"""Rule 12: the last resort."""

from siblings import ME, A, Pod, announcing, member, only, reason, service
from vipd.coord.member import LastResort, Word

NONE = frozenset()


def desperate(**facts) -> Pod:
    pod = announcing(A, member("pod-x~2", eligible=NONE, **facts), last_resort=LastResort.KEEP)
    pod.decide(failing="refused")
    return pod


def test_12_when_the_check_fails_everywhere_it_is_the_suspect():
    pod = desperate()
    assert (only(pod), reason(pod)) == (Word.LAST_RESORT, "its check fails on every pod: refused")
    assert pod.decided.record.suspect == {A}
    assert pod.decided.record.eligible == NONE
    pod.decide(failing=None, failing_vips={A: "timed out"})
    assert reason(pod) == "its check fails on every pod: timed out"


def test_12_those_that_withdrew_are_candidates_again():
    pod = desperate(suspect={A}, claims={A})
    assert only(pod) in (Word.KEEPING, Word.LAST_RESORT)
    pod = Pod(
        service(last_resort=LastResort.KEEP, pins={A: ME}), member("pod-x~2", eligible=NONE, suspect={A})
    )
    pod.decide()
    pod.sees(member("pod-x~2", version=2, claims={A})).decide(failing="refused")
    assert only(pod) is Word.UNHEALTHY
    pod.sees(member("pod-x~2", version=3, eligible=NONE, suspect={A})).decide()
    assert only(pod) is Word.LAST_RESORT


def test_12_nothing_is_kept_while_one_pod_is_eligible():
    pod = announcing(A, member("pod-x~2"), last_resort=LastResort.KEEP)
    pod.decide(failing="refused")
    assert only(pod) is Word.UNHEALTHY


def test_12_when_a_check_passes_somewhere_the_last_resort_keeps_until_that_pod_has_it():
    pod = desperate()
    pod.sees(member("pod-x~2", version=2)).decide()
    assert only(pod) is Word.KEEPING
    pod.sees(member("pod-x~2", version=3, claims={A})).decide()
    pod.decide(after=1)
    pod.write(without={A})
    assert pod.ranks() == {}
    pod.decide()
    assert only(pod) is Word.UNHEALTHY


def test_12_the_last_resort_is_held_when_zookeeper_is_lost():
    pod = desperate()
    pod.lose()
    assert only(pod) is Word.HELD


def test_12_it_may_only_be_announced_again_what_worked_once():
    pod = Pod(service(last_resort=LastResort.KEEP))
    pod.decide(failing="has not run yet")
    assert only(pod) is Word.UNHEALTHY


def test_12_by_default_nothing_is_kept():
    pod = announcing()
    pod.decide(failing="refused")
    assert only(pod) is Word.UNHEALTHY
