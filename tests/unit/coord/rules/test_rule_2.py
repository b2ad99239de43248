"""Rule 2: placement is sticky; the rest of it is in test_placement.py."""

import pytest

from algorithms import BOTH, NEW, OLD, second
from siblings import ME, ORDER, OWN, A, B, C, Pod, member, only, reason, service
from vipd.coord.member import Order, Phase, Takeover, Unreadable, Vip, Word

NONE = frozenset()


def test_2_alone_a_pod_is_assigned_everything():
    pod = Pod(service(A, B))
    pod.decide()
    assert pod.words() == {A: Word.ASSIGNED, B: Word.ASSIGNED}
    assert pod.ranks() == {A: 0, B: 0}


def test_2_the_words_tell_of_pins():
    pod = Pod(service(A, B, C, pins={A: ME, B: "pod-x", C: "pod-y"}), member("pod-y~2", eligible={C}))
    pod.decide()
    assert pod.words() == {A: Word.ASSIGNED, B: Word.SUBSTITUTE, C: Word.NOT_ASSIGNED}
    assert reason(pod, A) == "pinned to this pod"
    assert reason(pod, B) == "pinned to pod-x, which cannot announce it now"
    assert reason(pod, C) == "assigned to pod-y"


def test_2_a_pod_takes_itself_as_it_is_and_others_as_their_records_say():
    pod = Pod(service(), member("pod-x~2", eligible=NONE))
    pod.own = member(OWN, czxid=1, eligible=NONE)
    pod.decide()
    assert only(pod) is Word.ASSIGNED


@pytest.mark.parametrize(
    "other",
    [
        member("pod-x~2", Unreadable(reason="too large")),
        member("pod-x~2", claims={A}, phase=Phase.DRAINING),
        member("pod-x~2", claims={A}, eligible=NONE),
    ],
)
def test_2_a_record_that_is_unreadable_or_not_eligible_holds_nothing(other):
    pod = Pod(service(), other)
    pod.decide()
    assert only(pod) is Word.ASSIGNED


def test_2_a_pod_that_an_operator_drains_is_no_candidate_whatever_its_record_says_yet():
    pod = Pod(service(), member("pod-x~2", claims={A})).sees(drains={"pod-x": ORDER})
    pod.decide()
    assert only(pod) is Word.ASSIGNED
    pod = Pod(service(), member("pod-x~2", claims={A})).sees(drains={"pod-x": Order(lifted=True)})
    pod.decide()
    assert only(pod) is Word.NOT_ASSIGNED


def test_2_too_few_sessions_make_a_pod_ineligible_and_say_so():
    pod = Pod(service(min_sessions=2))
    decided = pod.decide(sessions_up=1)
    assert decided.record.eligible == NONE
    assert reason(pod) == "no pod is eligible for it; this pod has 1 BGP sessions of 2 needed"


def places(pod: Pod, algorithms) -> None:
    """Whatever it places by is the newest of these."""
    (number, place), *_ = sorted(algorithms.items(), reverse=True)
    pod.decide()
    candidates, passed_over = pod.memory.placed[0][2:]
    assert pod.memory.algorithm == number
    assert pod.memory.placed[1] == place(pod.service, candidates, passed_over)


def test_2_members_of_different_algorithms_place_by_the_lowest_present():
    pod = Pod(service(A, B, C, copies=2), member("pod-x~2", algorithm=2), member("pod-y~3", algorithm=2))
    pod.algorithms = BOTH
    places(pod, NEW)
    assert pod.decided.record.algorithm == 2
    pod.sees(member("pod-y~4", algorithm=1, czxid=11)).misses("pod-y~3")
    places(pod, OLD)
    assert pod.decided.record.algorithm == 2, "a record tells what its pod can do, not what it does"
    pod.misses("pod-y~4").sees(member("pod-y~5", algorithm=2, czxid=12))
    places(pod, NEW)
    pod.sees(member("pod-z~6", algorithm=3))
    places(pod, NEW)


@pytest.mark.parametrize(
    "older",
    [
        member("pod-y~3", algorithm=1, eligible=NONE),  # it waits for others to take what it drains
        member("pod-y~3", algorithm=1, phase=Phase.LEAVING),
        member("pod-x~1", algorithm=1, czxid=1),  # the elder of two: it still hands over
    ],
)
def test_2_an_older_algorithm_counts_as_long_as_its_pod_is_there_at_all(older):
    pod = Pod(service(A, B, C), member("pod-x~2", algorithm=2), older)
    pod.algorithms = BOTH
    places(pod, OLD)


def test_2_it_counts_for_2t_after_an_outage_too():
    pod = Pod(service(A, B, C), member("pod-x~2", algorithm=1))
    pod.algorithms = BOTH
    pod.decide()
    pod.lose()
    pod.misses("pod-x~2").regain()
    places(pod, OLD)
    pod.decide(after=6.0)
    places(pod, NEW)


def test_2_one_that_is_newer_than_all_we_know_gives_way_to_us():
    pod = Pod(service(A, B), member("pod-x~2", algorithm=7))
    places(pod, OLD)


def test_2_the_second_algorithm_of_these_tests_is_another_one():
    pod = Pod(service(*(Vip(f"192.0.2.{n}") for n in range(1, 9))))
    vips = frozenset(pod.service.vips)
    pod.sees(member("pod-x~2", serves=vips, eligible=vips), member("pod-y~3", serves=vips, eligible=vips))
    pod.decide()
    candidates, passed_over = pod.memory.placed[0][2:]
    assert second(pod.service, candidates, passed_over) != pod.memory.placed[1]


def test_2_takeover_all_substitutes_everywhere():
    pod = Pod(service(takeover=Takeover.ALL, pins={A: "pod-x"}), member("pod-y~2", claims={A}))
    pod.decide()
    assert only(pod) is Word.SUBSTITUTE
