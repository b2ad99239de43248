"""What `decide` is, whatever it decides."""

from siblings import ALL, A, B, Pod, announcing, me, member, reason, service
from vipd.coord.case import Memory
from vipd.coord.decision import decide
from vipd.coord.member import Times, Word


def test_nothing_that_goes_in_is_changed():
    pod = announcing(A, member("pod-x~2"))
    before, view = pod.memory, pod.view()
    copies = repr(before), repr(view)
    decide(pod.service, pod.facts, view, before, pod.now + 5)
    assert (repr(before), repr(view)) == copies


def test_the_same_question_has_the_same_answer_and_the_same_placement():
    pod = announcing(A, member("pod-x~2"))
    first = decide(pod.service, pod.facts, pod.view(), pod.memory, pod.now)
    second = decide(pod.service, pod.facts, pod.view(), first.memory, pod.now)
    assert second.announcements == first.announcements
    assert second.memory.placed is first.memory.placed


def test_since_is_when_word_or_rank_changed():
    pod = announcing()
    pod.decide(after=5, failing="refused")
    pod.decide(after=5, failing="timed out")
    assert (pod.verdicts[A].since, reason(pod)) == (5.0, "timed out")


def test_a_vip_that_is_not_configured_any_more_is_forgotten():
    pod = Pod(service(A, B))
    pod.decide()
    pod.acknowledge()
    pod.service = service(A)
    decided = pod.decide()
    assert decided.record.announcing == {A: 0}
    assert decided.record.serves == {A}


def test_without_memory_and_view_a_pod_waits():
    decided = decide(service(), me(), None, Memory(), 3.0)
    assert decided.announcements.verdicts[A].word is Word.WAITING
    assert decided.record.eligible == {A}


def test_times_are_the_services_own():
    pod = Pod(service(pins={A: "pod-x"}, times=Times(claim_timeout=7.0)), member("pod-x~2", eligible=ALL))
    assert pod.decide().announcements.recheck_at == 7.0
