"""Rule 4: who is assigned a VIP and silent is passed over."""

from siblings import ALL, A, B, Pod, member, only, reason, service
from vipd.coord.member import Word


def test_4_who_does_not_claim_within_claim_timeout_is_passed_over_and_why_says_so():
    pod = Pod(service(pins={A: "pod-x"}), member("pod-x~2"))
    decided = pod.decide()
    assert only(pod) is Word.NOT_ASSIGNED
    assert decided.announcements.recheck_at == 2.0
    pod.sees(member("pod-y~3", eligible={B})).decide(after=1.9)
    assert only(pod) is Word.NOT_ASSIGNED
    pod.decide(after=0.1)
    assert (only(pod), reason(pod)) == (Word.STEPPED_IN, "silent about it for claim-timeout: pod-x")


def test_4_a_third_pod_says_so_too():
    pod = Pod(service(pins={A: "pod-x"}), member("pod-x~2"), member("pod-y~3"))
    pod.decide(sessions_up=0)
    pod.decide(after=2)
    assert reason(pod).startswith("assigned to pod-y; silent about it for claim-timeout: pod-x")


def test_4_until_its_record_changes():
    pod = Pod(service(pins={A: "pod-x"}), member("pod-x~2"))
    pod.decide()
    pod.decide(after=2)
    pod.decide(after=50)
    assert only(pod) is Word.STEPPED_IN
    pod.sees(member("pod-x~2", version=2)).decide()
    assert only(pod) is Word.KEEPING
    pod.decide(after=2)
    assert only(pod) is Word.STEPPED_IN


def test_4_unrelated_writes_do_not_restart_its_clock():
    pod = Pod(service(pins={A: "pod-x"}), member("pod-x~2"))
    pod.decide()
    pod.sees(member("pod-x~2", version=2, claims={B})).decide(after=1.5)
    pod.decide(after=0.5)
    assert only(pod) is Word.STEPPED_IN


def test_4_a_claim_in_time_ends_it():
    pod = Pod(service(pins={A: "pod-x"}), member("pod-x~2"))
    pod.decide()
    decided = pod.sees(member("pod-x~2", version=2, claims=ALL)).decide(after=1.5)
    assert decided.announcements.recheck_at is None
    pod.decide(after=5)
    assert only(pod) is Word.NOT_ASSIGNED


def test_4_nobody_passes_over_itself():
    """Or it would never claim, and so never be given another chance: two copies would stay one for ever."""
    pod = Pod(service())
    pod.decide()
    decided = pod.decide(after=60)
    assert only(pod) is Word.ASSIGNED
    assert decided.announcements.recheck_at is None
