"""Rule 5: drain."""

from siblings import A, B, announcing, drained, member, only, reason, service
from vipd.coord.member import Phase, Word

NONE = frozenset()


def test_5_a_pod_that_an_operator_drains_is_eligible_for_nothing_and_keeps_until_others_claim():
    pod = drained(member("pod-x~2"))
    assert (only(pod), reason(pod)) == (
        Word.KEEPING,
        "drained by ann: disks: it has not been claimed by enough others yet",
    )
    assert pod.decided.record.eligible == NONE
    assert pod.decided.record.phase is Phase.DRAINING
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    pod.decide(after=1)
    pod.write(without={A})
    assert (only(pod), reason(pod)) == (Word.NOT_ASSIGNED, "drained by ann: disks")
    pod.sees(drains={}).decide()
    assert pod.decided.record.eligible == {A}


def test_5_at_drain_timeout_a_vip_goes_that_another_could_have_had():
    pod = drained(member("pod-x~2"))
    pod.sees(member("pod-x~2", version=2)).decide(after=29)
    decided = pod.decide(after=0.5)
    assert only(pod) is Word.KEEPING
    assert decided.announcements.recheck_at == pod.now + 0.5
    pod.decide(after=0.5)
    assert (only(pod), reason(pod)) == (
        Word.NOT_ASSIGNED,
        "drained by ann: disks, and drain-timeout is over",
    )


def test_5_an_operators_drain_never_drops_what_no_other_can_take():
    pod = drained()
    pod.decide(after=500)
    assert (only(pod), reason(pod)) == (Word.KEEPING, "drained by ann: disks: no other pod can")
    pod.sees(member("pod-x~2")).decide()  # one who can is given all of drain-timeout, too
    pod.decide(after=20)
    assert only(pod) is Word.KEEPING


def test_5_its_clock_stands_still_while_the_view_is_not_trusted():
    pod = drained(member("pod-x~2"))
    pod.decide(after=20)
    pod.lose()
    pod.decide(after=500)
    assert only(pod) is Word.HELD
    pod.regain()
    pod.decide(after=9)
    assert only(pod) is Word.KEEPING


def test_5_told_here_a_pod_drains_as_well():
    pod = announcing()
    decided = pod.decide(phase=Phase.DRAINING)
    assert decided.record.phase is Phase.DRAINING
    assert reason(pod) == "this pod drains: no other pod can"


def test_5_by_sigterm_a_pod_takes_nothing_new_and_lets_go_at_drain_timeout_at_the_latest():
    pod = announcing()
    pod.service = service(A, B)
    decided = pod.decide(phase=Phase.LEAVING)
    assert pod.words() == {A: Word.KEEPING, B: Word.LEFT}
    assert decided.record.phase is Phase.LEAVING
    assert decided.announcements.recheck_at == pod.now + 30
    pod.decide(after=29.9)
    assert reason(pod) == "this pod is leaving: no other pod can"
    pod.decide(after=0.1)
    assert pod.words() == {A: Word.LEFT, B: Word.LEFT}
    assert pod.decide().announcements.recheck_at is None


def test_5_without_zookeeper_sigterm_works_all_the_same():
    pod = announcing()
    pod.lose()
    pod.decide(phase=Phase.LEAVING)
    assert only(pod) is Word.HELD
    pod.decide(after=30)
    assert (only(pod), reason(pod)) == (Word.LEFT, "this pod is leaving, and drain-timeout is over")
