"""Rule 11: hot standby."""

from siblings import A, hot, member, only, reason
from vipd.coord.member import Word


def test_11_the_next_in_line_announces_worse_by_rank():
    pod = hot()
    pod.decide()
    assert (only(pod), pod.ranks()) == (Word.STANDBY, {A: 1})
    assert reason(pod) == "assigned to pod-x; this pod is number 1 in line"
    pod.sees(member("pod-a~4"), member("pod-b~5"), member("pod-c~6")).decide()
    assert only(pod) in (Word.STANDBY, Word.KEEPING)


def test_11_a_standby_is_raised_at_once_when_it_is_assigned():
    pod = hot()
    pod.decide()
    pod.misses("pod-x~2").decide()
    assert (only(pod), pod.ranks()) == (Word.SUBSTITUTE, {A: 0})


def test_11_rank_0_changes_hands_by_rule_3():
    pod = hot()
    pod.misses("pod-x~2").decide()
    pod.acknowledge()
    pod.sees(member("pod-x~2", czxid=20)).decide()
    assert (only(pod), pod.ranks()) == (Word.KEEPING, {A: 0})
    pod.sees(member("pod-x~2", version=2, czxid=20, claims={A})).decide()
    assert len(pod.decide(after=1).releases) == 1
    pod.write(without={A})
    assert (only(pod), pod.ranks()) == (Word.STANDBY, {A: 1})


def test_11_a_standby_that_is_out_of_line_goes_by_rule_3_too():
    pod = hot()
    pod.decide()
    pod.acknowledge()
    pod.decide(sessions_up=0)
    assert only(pod) is Word.KEEPING
    pod.decide(after=1)
    pod.write(without={A})
    assert only(pod) is Word.NOT_ASSIGNED
