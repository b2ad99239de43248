"""Two pods with one pod-id."""

from siblings import A, Pod, announcing, member, only, reason, service
from vipd.coord.member import Phase, Word

NONE = frozenset()


def test_the_younger_counts_once_it_is_eligible_and_the_elder_drains_until_it_is_gone():
    pod = announcing()
    younger = member("pod-m~7", czxid=70, eligible=NONE)
    pod.sees(younger).decide()
    assert only(pod) is Word.ASSIGNED
    pod.sees(member("pod-m~7", czxid=70, version=2)).decide()
    assert only(pod) is Word.KEEPING
    assert reason(pod).startswith("a younger pod has registered with this pod's id")
    assert pod.decided.record.phase is Phase.DRAINING
    pod.sees(member("pod-m~7", czxid=70, version=3, eligible=NONE)).decide()
    assert only(pod) is Word.KEEPING  # not merely until it is ineligible
    pod.misses("pod-m~7").decide()
    assert only(pod) is Word.ASSIGNED


def test_the_elder_hands_over_to_the_younger_by_rule_3():
    pod = announcing()
    pod.sees(member("pod-m~7", czxid=70, claims={A})).decide()
    (release,) = pod.decide(after=1).releases
    assert release.receivers == {"pod-m~7": 1}


def test_until_the_younger_is_eligible_its_elder_counts():
    """Seen from the younger, and from a third."""
    pod = Pod(service(), member("pod-m~0", czxid=0, claims={A}))
    pod.decide(failing="refused")
    pod.decide(failing=None)
    assert only(pod) is Word.ASSIGNED
    pod = Pod(service(), member("pod-m~0", czxid=0, claims={A}))
    pod.decide(sessions_up=0)
    assert reason(pod).startswith("assigned to pod-m")
    third = Pod(service(), member("pod-x~2", czxid=2, claims={A}), member("pod-x~9", czxid=9, eligible=NONE))
    third.decide()
    assert only(third) is Word.NOT_ASSIGNED


def test_a_record_of_an_earlier_session_of_ours_is_no_rival_and_claims_nothing():
    pod = announcing()
    earlier = pod.own
    pod.own = member("pod-m~8", czxid=80, eligible=NONE)
    pod.sees(earlier).decide()
    assert only(pod) is Word.ASSIGNED
    assert pod.decided.record.announcing == {A: 0}


def test_a_rival_is_not_remembered_over_an_outage():
    pod = announcing()
    pod.sees(member("pod-m~7", czxid=70)).decide()
    pod.lose()
    pod.misses("pod-m~7")
    pod.regain()
    assert only(pod) is Word.ASSIGNED
