"""The rules of docs/coordination.md, as one pod follows them: each story says which."""

from dataclasses import replace

import pytest

from algorithms import BOTH, NEW, OLD, second
from siblings import ALL, ME, OWN, A, B, C, Pod, me, member, record
from vipd.coord.case import Memory
from vipd.coord.decision import decide
from vipd.coord.member import (
    ColdStart,
    CoordinationLoss,
    LastResort,
    Order,
    Phase,
    Release,
    Service,
    Sight,
    Standby,
    Takeover,
    Times,
    Unreadable,
    View,
    Vip,
    Word,
)
from vipd.coord.placement import score

NONE = frozenset()
INF = float("inf")
ORDER = Order(who="ann", why="disks")


def service(*vips: Vip, **policy) -> Service:
    return Service(name="apex", vips=vips or (A,), **policy)


def only(pod: Pod) -> Word:
    (verdict,) = pod.verdicts.values()
    return verdict.word


def reason(pod: Pod, vip: Vip = A) -> str:
    return pod.verdicts[vip].reason


def announcing(vip: Vip = A, *others, **policy) -> Pod:
    """A pod that announces and claims its VIP."""
    pod = Pod(service(vip, **policy), *others)
    pod.decide()
    pod.acknowledge()
    return pod


# --- rule 1 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"failing": "refused"}, Word.UNHEALTHY),
        ({"failing_vips": {A: "refused"}}, Word.UNHEALTHY),
        ({"held": NONE}, Word.NOT_HELD),
        ({"maintenance": "disks"}, Word.MAINTENANCE),
        ({"phase": Phase.LEFT}, Word.LEFT),
    ],
)
def test_1_what_is_wrong_here_takes_the_route_off_in_the_same_turn_and_the_claim_follows(facts, word):
    pod = announcing()
    assert pod.decided.record.announcing == {A: 0}
    decided = pod.decide(**facts)
    assert only(pod) is word
    assert pod.ranks() == {}
    assert decided.record.announcing == {}
    assert decided.record.eligible == NONE


def test_1_maintenance_of_the_service_is_immediate_trusted_or_not():
    pod = announcing().sees(maintenance=ORDER)
    pod.decide()
    assert (only(pod), reason(pod)) == (Word.MAINTENANCE, "maintenance by ann: disks")
    pod.sees(trusted_until=0.0).decide()
    assert only(pod) is Word.MAINTENANCE
    pod.sees(trusted_until=INF, maintenance=None).decide()
    assert only(pod) is Word.ASSIGNED


# --- rule 2: the rest of it is in test_placement.py ---------------------------------------------------------


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


# --- claims -------------------------------------------------------------------------------------------------


def test_a_claim_is_made_when_the_route_is_acknowledged_and_not_before():
    pod = Pod(service())
    assert pod.decide().record.announcing == {}
    assert pod.decide(carried=frozenset({A})).record.announcing == {}
    assert pod.decide(acknowledged={A: 0}).record.announcing == {A: 0}


def test_it_lasts_while_one_session_carries_it_and_is_made_anew_only_when_acknowledged():
    pod = announcing()
    assert pod.decide(acknowledged={}).record.announcing == {A: 0}
    assert pod.decide(carried=NONE).record.announcing == {}
    assert pod.decide(carried=frozenset({A})).record.announcing == {}


def test_becoming_rank_0_is_a_new_claim():
    pod = Pod(service(cold_start=ColdStart.ALL))
    pod.decide(view=None)
    pod.decide(view=None, after=10)
    assert pod.ranks() == {A: 1}
    pod.decide(view=None, acknowledged={A: 1}, carried=frozenset({A}))
    decided = pod.decide()
    assert pod.ranks() == {A: 0}
    assert decided.record.announcing == {A: 1}
    assert pod.decide(acknowledged={A: 0}).record.announcing == {A: 0}


# --- rule 3 -------------------------------------------------------------------------------------------------


def pinned_away(**policy) -> Pod:
    """A pod that announces what is pinned to another, which has just come to be eligible."""
    pod = announcing(A, pins={A: "pod-x"}, **policy)
    pod.sees(member("pod-x~2", version=1)).decide(after=1)
    return pod


def test_3_a_pod_keeps_its_vip_until_the_other_claims_it():
    pod = pinned_away()
    assert only(pod) is Word.KEEPING
    assert reason(pod) == "assigned to pod-x: it has not been claimed by enough others yet"
    assert pod.ranks() == {A: 0}
    assert pod.decided.releases == ()


def test_3_what_stands_elsewhere_is_none_of_its_business():
    pod = pinned_away()
    pod.service = service(A, B, pins={A: "pod-x", B: "pod-x"})
    pod.decide()
    assert pod.words() == {A: Word.KEEPING, B: Word.NOT_ASSIGNED}


def test_3b_the_claim_must_have_stood_for_settle_since_it_was_first_read():
    pod = pinned_away()
    decided = pod.sees(member("pod-x~2", version=2, claims={A})).decide(after=1)
    assert reason(pod) == "assigned to pod-x: it has just been claimed there: routers are given settle"
    assert decided.announcements.recheck_at == pod.now + 1
    pod.sees(member("pod-x~2", version=3, claims={A, B})).decide(after=0.5)  # another write is no new claim
    assert pod.decide(after=0.4).releases == ()
    assert pod.decide(after=0.1).releases == (Release(vips=frozenset({A}), receivers={"pod-x~2": 3}),)


def test_3b_a_claim_that_went_and_came_is_a_new_one():
    pod = pinned_away()
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    pod.sees(member("pod-x~2", version=3)).decide(after=1)
    assert pod.sees(member("pod-x~2", version=4, claims={A})).decide(after=1).releases == ()


def test_3c_the_vip_goes_once_our_record_as_read_back_no_longer_claims_it():
    pod = pinned_away()
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    decided = pod.decide(after=1)
    assert (only(pod), reason(pod)) == (
        Word.KEEPING,
        "assigned to pod-x: our record is to let go of it first",
    )
    assert decided.record.announcing == {A: 0}  # the release takes it out, and nothing else may
    pod.write(without={A})
    assert only(pod) is Word.NOT_ASSIGNED


def test_3c_after_a_release_whose_receiver_is_gone_we_claim_again():
    pod = pinned_away()
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    pod.decide(after=1)
    pod.misses("pod-x~2")
    decided = pod.write(without={A})
    assert only(pod) is Word.SUBSTITUTE
    assert decided.record.announcing == {A: 0}


def test_3c_while_a_write_of_ours_may_be_unread_nothing_is_let_go_nor_wished():
    pod = pinned_away()
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    pod.own = replace(pod.own, record=record())  # read before our claim was written
    pod.sees(unread_write=True)
    assert pod.decide(after=5).releases == ()
    assert only(pod) is Word.KEEPING
    pod.sees(unread_write=False).decide()
    assert only(pod) is Word.NOT_ASSIGNED


def test_3c_where_our_own_record_is_unreadable_nothing_is_let_go():
    pod = pinned_away()
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    pod.own = replace(pod.own, record=Unreadable(reason="torn"))
    assert pod.decide(after=5).releases == ()
    assert only(pod) is Word.KEEPING


@pytest.mark.parametrize(
    "receiver",
    [
        {"claims": {A: 1}},  # a standby
        {"claims": {A: 0}, "phase": Phase.DRAINING},
        {"claims": {B: 0}},
    ],
)
def test_3a_nothing_is_released_to_a_standby_or_to_who_drains(receiver):
    pod = pinned_away()
    pod.sees(member("pod-x~2", version=2, **receiver)).decide()
    assert pod.decide(after=1.9).releases == ()
    assert A in pod.ranks()


def test_3a_nor_to_who_is_itself_being_released_from():
    pod = announcing(A, pins={A: "pod-x"})
    pod.sees(member("pod-x~2"), member("pod-y~3", claims={A})).decide()
    assert pod.decide(after=1.5).releases == ()


def test_3a_two_copies_need_two_that_claim():
    pod = announcing(A, copies=2)
    pod.sees(drains={ME: ORDER})
    one, two = member("pod-x~2", claims={A}), member("pod-y~3")
    pod.sees(one, two).decide()
    assert pod.decide(after=1.5).releases == ()
    pod.sees(member("pod-y~3", version=2, claims={A})).decide()
    (release,) = pod.decide(after=1).releases
    assert release.receivers == {"pod-x~2": 1, "pod-y~3": 2}


def test_3_there_is_one_transaction_for_each_set_of_receivers():
    pod = Pod(service(A, B, C, pins={A: "pod-x", B: "pod-x", C: "pod-y"}))
    pod.decide()
    pod.acknowledge()
    pod.sees(member("pod-x~2", claims={A, B}), member("pod-y~3", claims={C})).decide()
    assert pod.decide(after=1).releases == (
        Release(vips=frozenset({A, B}), receivers={"pod-x~2": 1}),
        Release(vips=frozenset({C}), receivers={"pod-y~3": 1}),
    )


def taking(**policy) -> Pod:
    """A pod that begins to announce what is pinned to it, and another claims."""
    pod = Pod(service(pins={A: ME}, **policy), member("pod-x~2", claims={A}))
    pod.decide()
    return pod


def letting_go(**policy) -> Pod:
    """A pod that has just let go of what is pinned to another."""
    pod = pinned_away(**policy)
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    pod.decide(after=1)
    pod.write(without={A})
    return pod


def test_3_what_another_claims_is_taken_aside_until_the_claim_has_stood_for_half_of_settle():
    pod = taking()
    assert (only(pod), pod.ranks(), pod.aside) == (Word.ASSIGNED, {A: 0}, {A: INF})
    pod.decide(after=10)
    assert pod.aside == {A: INF}
    pod.acknowledge()
    assert pod.decided.record.announcing == {A: 0}
    assert (pod.aside, pod.decided.announcements.recheck_at) == ({A: 0.5}, pod.now + 0.5)
    pod.decide(after=0.4, acknowledged={})
    assert pod.aside == {A: pytest.approx(0.1)}
    pod.decide(after=0.1)
    assert (pod.aside, pod.ranks()) == ({}, {A: 0})
    pod.decide(after=0.1)
    assert pod.aside == {}


def test_3_a_standby_that_is_assigned_what_another_claims_is_aside_too():
    pod = Pod(service(standby=Standby.HOT, pins={A: "pod-x"}), member("pod-x~2", claims={A}))
    pod.decide()
    pod.acknowledge()
    assert (pod.ranks(), pod.aside) == ({A: 1}, {})
    pod.sees(member("pod-x~2", version=2, eligible=NONE, claims={A}))
    pod.decide()
    assert (pod.ranks(), pod.aside) == ({A: 0}, {A: INF})
    pod.acknowledge()
    assert pod.aside == {A: 0.5}


@pytest.mark.parametrize(
    "others",
    [[], [member("pod-x~2")], [member("pod-x~2", claims={A: 1})], [member(f"{ME}~0", czxid=0, claims={A})]],
)
def test_3_what_no_other_pod_claims_is_taken_at_once(others):
    pod = Pod(service(pins={A: ME}), *others)
    pod.decide()
    assert (pod.ranks(), pod.aside) == ({A: 0}, {})


def test_3_when_the_other_is_gone_nothing_is_aside_any_more():
    pod = taking()
    pod.misses("pod-x~2").decide()
    assert (pod.ranks(), pod.aside) == ({A: 0}, {})
    pod = taking()
    pod.lose()
    assert (pod.ranks(), pod.aside) == ({A: 0}, {})


def test_3_what_was_let_go_stays_aside_for_settle():
    pod = letting_go()
    assert (only(pod), pod.ranks(), pod.aside) == (Word.NOT_ASSIGNED, {}, {A: 1})
    assert pod.decided.record.announcing == {}
    assert pod.decided.announcements.recheck_at == pod.now + 1
    pod.decide(after=0.5, phase=Phase.LEAVING)
    assert (only(pod), pod.aside) == (Word.LEFT, {A: 0.5})
    pod.lose()
    assert pod.aside == {A: 0.5}
    pod.decide(after=0.5)
    assert pod.aside == {}


def test_3_who_becomes_a_standby_is_aside_before():
    pod = letting_go(standby=Standby.HOT)
    assert (only(pod), pod.ranks(), pod.aside) == (Word.STANDBY, {A: 1}, {A: 1})
    pod.decide(after=1)
    assert (pod.ranks(), pod.aside) == ({A: 1}, {})


@pytest.mark.parametrize(
    "facts", [{"failing": "refused"}, {"held": NONE}, {"maintenance": "disks"}, {"phase": Phase.LEFT}]
)
@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.LEAVING])
def test_3_what_is_wrong_here_is_aside_no_longer(facts, phase):
    pod = letting_go()
    pod.decide(phase=phase)
    assert pod.aside == {A: 1}
    pod.decide(**{"phase": phase, **facts})
    assert pod.aside == {}


def test_3_what_is_not_served_any_more_is_aside_no_longer():
    pod = letting_go()
    pod.service = service(B, pins={B: "pod-x"})
    pod.decide()
    assert pod.aside == {}


def test_3_without_settle_nothing_is_aside_for_longer_than_a_claim_takes():
    pod = taking(times=Times(settle=0))
    assert pod.aside == {A: INF}
    pod.acknowledge()
    assert pod.aside == {}


def test_3_what_was_never_claimed_goes_when_others_have_settled():
    pod = Pod(service(pins={A: "pod-x"}))
    pod.decide()
    pod.write()
    pod.sees(member("pod-x~2", claims={A})).decide()
    assert only(pod) is Word.KEEPING
    pod.decide(after=1)
    assert only(pod) is Word.NOT_ASSIGNED


# --- rule 4 -------------------------------------------------------------------------------------------------


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


# --- rule 5 -------------------------------------------------------------------------------------------------


def drained(*others, **policy) -> Pod:
    pod = announcing(A, **policy)
    pod.sees(*others, drains={ME: ORDER}).decide()
    return pod


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


# --- rule 6 -------------------------------------------------------------------------------------------------


def test_6_hold_what_it_announces_stays():
    pod = announcing(A, member("pod-x~2", eligible={B}, claims={B}))
    since = pod.verdicts[A].since
    decided = pod.lose()
    assert (only(pod), pod.ranks()) == (Word.HELD, {A: 0})
    assert since < 1
    assert decided.announcements.recheck_at == 10  # of coordination-grace
    pod.decide(after=86_400)
    assert only(pod) is Word.HELD
    pod.regain()
    assert only(pod) is Word.ASSIGNED


def test_6_a_check_that_blips_withdraws_and_announces_again_and_is_not_damped():
    pod = announcing()
    pod.lose()
    pod.decide(after=1, failing="refused")
    assert only(pod) is Word.UNHEALTHY
    pod.decide(after=1, failing=None)
    assert only(pod) is Word.HELD


def test_6_nothing_foreign_is_taken():
    pod = Pod(service(A, B), member("pod-x~2", claims={A}), member("pod-y~3", eligible={B}))
    pod.decide()
    pod.sees(member("pod-y~3", version=2, eligible={B}, claims={B})).decide()
    pod.decide(after=5)
    pod.write()
    pod.lose()
    pod.decide(after=100)
    assert pod.words() == {A: Word.WAITING, B: Word.WAITING}


def test_6_what_was_assigned_and_waited_is_ours():
    pod = Pod(service())
    pod.decide(stalled_at=0.0)
    assert only(pod) is Word.WAITING
    pod.lose()
    assert (only(pod), pod.ranks()) == (Word.HELD, {A: 0})


def test_6_what_our_record_claims_is_ours():
    pod = Pod(service(), member("pod-x~2", claims={A}))
    pod.own = member(OWN, czxid=1, claims={A})
    pod.decide(failing="refused")
    pod.lose(failing=None)
    assert only(pod) is Word.HELD
    pod = Pod(service(), member("pod-x~2", claims={A}))
    pod.decide(failing="refused")
    pod.own = member(OWN, Unreadable(reason="torn"))
    pod.decide()
    pod.lose(failing=None)
    assert only(pod) is Word.WAITING


def test_6_what_was_announced_within_t_is_ours_unless_another_eligible_member_claims_it():
    def blipped(*others, before: float) -> Word:
        pod = (
            announcing(A, member("pod-x~2", claims={C}), service_grace=None)
            if False
            else announcing(A, member("pod-x~2", eligible={A}), pins={A: ME})
        )
        pod.decide(failing="refused")
        pod.write()
        pod.sees(*others).decide(after=before)
        pod.lose(failing=None)
        return only(pod)

    assert blipped(before=2.9) is Word.HELD
    assert blipped(before=3.5) is Word.WAITING
    assert blipped(member("pod-x~2", version=2, claims={A}), before=1) is Word.WAITING
    assert blipped(member("pod-x~2", version=2, claims={A}, eligible=NONE), before=1) is Word.HELD


def test_6_what_nobody_else_serves_is_announced_as_in_a_cold_start():
    pod = Pod(service(A, B, pins={B: ME}), member("pod-x~2", claims={C}, eligible={C}))
    pod.decide(failing="refused")
    pod.lose()
    pod.decide(after=11, failing=None)
    assert pod.words() == {A: Word.COLD, B: Word.COLD}
    assert pod.ranks() == {A: 1, B: 0}


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (CoordinationLoss.HOLD, {A: Word.HELD, B: Word.HELD}),
        (CoordinationLoss.OWN, {A: Word.HELD, B: Word.WAITING}),
        (CoordinationLoss.WITHDRAW, {A: Word.WAITING, B: Word.WAITING}),
    ],
)
def test_6_coordination_loss_is_a_choice(loss, words):
    pod = Pod(service(A, B, pins={A: ME}, coordination_loss=loss))
    pod.decide()
    pod.lose()
    assert pod.words() == words
    pod.service = service(A, B, C, pins={A: ME}, coordination_loss=loss)
    pod.decide(after=20)
    assert pod.words() == {**words, C: Word.COLD if loss is CoordinationLoss.HOLD else Word.WAITING}


def test_6_a_drained_pod_takes_nothing_while_it_is_lost():
    pod = drained(member("pod-x~2", claims={A}))
    pod.decide(after=1)
    pod.write(without={A})
    pod.service = service(A, B)
    pod.decide(after=10)
    pod.lose()
    assert pod.words() == {A: Word.NOT_ASSIGNED, B: Word.NOT_ASSIGNED}


# --- rule 7 -------------------------------------------------------------------------------------------------


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


# --- rule 8 -------------------------------------------------------------------------------------------------


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


# --- rule 9: the rest of it is in test_damping.py -----------------------------------------------------------


def flapped(*others) -> Pod:
    pod = announcing(A, pins={A: ME})
    pod.sees(*others).decide(failing="refused")
    pod.decide(after=1, failing=None)
    return pod


def test_9_what_flapped_is_taken_back_after_handback_delay_and_the_record_says_so():
    pod = flapped(member("pod-x~2", eligible={A}, claims={A}))
    assert (only(pod), reason(pod)) == (
        Word.DAMPED,
        "lost of late (1 counted): taken back 5 s after it is fit again",
    )
    assert pod.decided.record.eligible == NONE
    assert pod.decided.announcements.recheck_at == 6
    pod.decide(after=5)
    assert only(pod) is Word.ASSIGNED
    assert pod.decided.record.eligible == {A}


@pytest.mark.parametrize(
    "other",
    [
        member("pod-x~2"),
        member("pod-x~2", claims={A}, eligible=NONE),
        member("pod-x~2", claims={A}, phase=Phase.DRAINING),
        member("pod-x~2", claims={A: 1}),
    ],
)
def test_9_it_is_waived_when_no_other_eligible_member_claims_it_and_stays_so(other):
    pod = flapped(other)
    assert pod.decided.record.eligible == {A}
    pod.sees(member("pod-x~2", version=2, claims={A})).decide()
    assert pod.decided.record.eligible == {A}


def test_9_a_drain_says_so_before_damping_does():
    pod = flapped(member("pod-x~2", claims={A}))
    pod.decide(phase=Phase.DRAINING)
    assert only(pod) is Word.NOT_ASSIGNED


# --- rule 10: the rest of it is in test_witness.py ----------------------------------------------------------


def sight(*seen: Vip, vips=ALL, **gone: float) -> Sight:
    """What a router shows; `a=5.0` is that A is gone since then."""
    names = {"a": A, "b": B, "c": C}
    return Sight(
        vips=vips, seen=frozenset(seen), gone={names[name]: at for name, at in gone.items()}, clear_at=0.0
    )


OF_B = member("pod-y~3", claims={B}, eligible={B})


def watching(*others, **policy) -> Pod:
    """A pod that is next in line for A, which pod-x claims, and sees it; C is its own."""
    pod = Pod(
        service(A, B, C, witness=True, pins={C: ME}, **policy),
        *(others or (member("pod-x~2", claims={A}, eligible={A, B}), OF_B)),
    )
    pod.decide(sights=(sight(A, B),))
    pod.acknowledge()
    assert pod.words() == {A: Word.NOT_ASSIGNED, B: Word.NOT_ASSIGNED, C: Word.ASSIGNED}
    return pod


def test_10_what_the_routers_have_lost_goes_to_the_next_in_line():
    pod = watching()
    decided = pod.decide(after=5, sights=(sight(B, a=5.0),))
    assert pod.words()[A] is Word.NOT_ASSIGNED
    assert decided.announcements.recheck_at == pytest.approx(5.15)
    pod.decide(after=0.15)
    assert (pod.words()[A], pod.ranks()[A]) == (Word.WITNESSED, 0)
    assert reason(pod) == "its route has gone from the routers, and with it: pod-x"
    pod.decide(after=1, sights=(sight(B),))  # we announce it: the routers need not show it
    assert pod.words()[A] is Word.WITNESSED


def test_10_zookeeper_may_know_why_it_went():
    pod = watching()
    pod.decide(after=5, sights=(sight(B, a=5.0),))
    pod.sees(maintenance=ORDER, read_at=5.02).decide(after=0.15)
    assert set(pod.words().values()) == {Word.MAINTENANCE}


def test_10_it_is_kept_until_that_record_changes():
    pod = watching()
    pod.decide(after=5, sights=(sight(B, a=5.0),))
    pod.decide(after=0.2)
    pod.acknowledge()
    changed = member("pod-x~2", claims={A}, eligible={A, B}, version=2)
    pod.sees(changed).decide(after=1, sights=(sight(B),))
    assert pod.words()[A] in (Word.ASSIGNED, Word.KEEPING)


def test_10_a_pod_that_was_lost_and_lives_lets_go_by_rule_3():
    pod = watching()
    pod.decide(after=5, sights=(sight(B, a=5.0),))
    pod.decide(after=0.2)
    assert pod.decided.record.instead_of == {}
    assert pod.acknowledge().record.instead_of == {A: "pod-x"}
    lost = announcing(A)
    lost.sees(member("pod-x~2", claims={A}, instead_of={A: ME})).decide()
    assert only(lost) is Word.KEEPING
    assert lost.decide(after=1).releases == (Release(vips=frozenset({A}), receivers={"pod-x~2": 1}),)
    lost.write(without={A})
    assert only(lost) is Word.NOT_ASSIGNED


def test_10_or_vanishes():
    pod = watching()
    pod.decide(after=5, sights=(sight(B, a=5.0),))
    pod.decide(after=0.2)
    pod.acknowledge()
    pod.misses("pod-x~2").decide(after=3)
    assert pod.words()[A] is Word.ASSIGNED


def test_10_who_is_not_next_in_line_leaves_it():
    pod = watching()
    pod.decide(after=5, sights=(sight(B, a=5.0),), failing_vips={A: "refused"})
    pod.decide(after=0.2)
    assert pod.words()[A] is Word.UNHEALTHY


def test_10_who_has_claimed_it_since_may_be_on_the_way():
    pod = watching()
    pod.decide(after=5, sights=(sight(B, a=5.0),))
    taken = member("pod-y~3", claims={A, B}, eligible={A, B}, version=2)
    pod.misses("pod-x~2").sees(taken, read_at=5.05).decide(after=0.1)
    pod.decide(after=1)
    assert pod.words()[A] is Word.NOT_ASSIGNED
    pod.decide(after=1.2)
    assert pod.words()[A] is Word.WITNESSED


def test_10_while_zookeeper_is_lost_too():
    pod = watching()
    pod.decide(after=5)
    pod.lose()
    assert pod.words()[A] is Word.WAITING
    pod.decide(after=5, sights=(sight(B, a=10.0),))
    decided = pod.decide()
    assert decided.announcements.recheck_at == pytest.approx(10.1)
    pod.decide(after=0.11)
    assert pod.words() == {A: Word.WITNESSED, B: Word.WAITING, C: Word.HELD}
    pod.regain()
    pod.decide(after=1)
    assert pod.words()[A] is Word.WITNESSED


def test_10_while_it_is_lost_those_next_in_line_have_their_time_one_after_another():
    others = (
        member("pod-x~2", claims={A}, eligible={A, B}),
        member("pod-y~3", claims={B}, eligible={A, B}, weight=1000),
        member("pod-z~4", eligible={A, B}, weight=1000),
    )
    pod = watching(*others)
    pod.decide(after=5)
    pod.lose()
    pod.decide(after=5, sights=(sight(B, a=10.0),))
    pod.decide(after=0.1)
    turns = [pod.words()[A]]
    for _ in range(3):
        pod.decide(after=2)
        turns.append(pod.words()[A])
    assert turns == [Word.WAITING, Word.WITNESSED, Word.WITNESSED, Word.WITNESSED]


def test_10_what_has_been_taken_is_kept_above_our_bound_too_while_zookeeper_is_lost():
    after_us = next(
        name for name in ("pod-s", "pod-t", "pod-u", "pod-v") if score(A, name, 1) < score(A, ME, 1)
    )
    pod = watching(
        member("pod-x~2", claims={A}, eligible={A}),
        member("pod-y~3", claims={B}, eligible={B}),
        member(f"{after_us}~4", eligible={A}),
    )
    pod.lose()
    pod.decide(after=5, sights=(sight(B, a=5.0),))
    pod.decide(after=0.2)
    pod.acknowledge()
    assert (pod.words()[A], pod.words()[B]) == (Word.WITNESSED, Word.WAITING)
    pod.decide(after=5, sights=(sight(b=pod.now + 5),))
    pod.decide(after=0.2)
    for _ in range(3):  # by the balance one of two should go, to who is not here to take it
        pod.acknowledge()
        assert (pod.words()[A], pod.words()[B]) == (Word.WITNESSED, Word.WITNESSED)


def test_10_nobody_is_next_in_line_while_none_was_ever_told_of():
    pod = Pod(service(A, witness=True, cold_start=ColdStart.NONE))
    pod.decide(view=None, sights=(sight(),))
    pod.decide(view=None, after=20, sights=(sight(a=5.0),))
    assert only(pod) is Word.WAITING


def test_10_what_was_assigned_and_never_claimed_counts_while_zookeeper_is_lost():
    pod = Pod(
        service(A, B, witness=True, pins={A: "pod-x"}),
        member("pod-x~2", eligible={A, B}),
        member("pod-y~3", claims={B}),
    )
    pod.decide(sights=(sight(A, B),))
    pod.lose()
    pod.decide(after=5, sights=(sight(B, a=5.0),))
    pod.decide(after=0.1)
    assert pod.words()[A] is Word.WITNESSED


@pytest.mark.parametrize("loss", [CoordinationLoss.OWN, CoordinationLoss.WITHDRAW])
def test_10_what_coordination_loss_forbids_stays_so(loss):
    pod = watching(coordination_loss=loss)
    pod.lose()
    pod.decide(after=5, sights=(sight(B, a=5.0),))
    pod.decide(after=0.1)
    assert pod.words()[A] is Word.WAITING


def test_10_a_witness_tells_what_it_cannot_see():
    pod = watching()
    assert pod.decided.record.unseen == NONE
    pod.decide(after=5, sights=(sight(A),))
    decided = pod.decide(after=3)
    assert decided.record.unseen == {B}
    assert pod.decide(sights=()).record.unseen is None


# --- rule 11 ------------------------------------------------------------------------------------------------


def hot(**facts) -> Pod:
    return Pod(
        service(A, standby=Standby.HOT, standbys=2, pins={A: "pod-x"}),
        member("pod-x~2", claims={A}),
        **facts,
    )


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


# --- rule 12 ------------------------------------------------------------------------------------------------


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


# --- rule 13 and 14 -----------------------------------------------------------------------------------------


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


# --- two with one pod-id ------------------------------------------------------------------------------------


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


# --- the record ---------------------------------------------------------------------------------------------


def test_the_record_tells_what_the_others_need():
    pod = Pod(service(A, B))
    told = pod.decide(zone="r1", weight=3, sessions_up=1, failing_vips={B: "refused"}).record
    assert (told.algorithm, told.zone, told.weight, told.phase) == (1, "r1", 3, Phase.RUNNING)
    assert (told.sessions_up, told.sessions_configured) == (1, 2)
    assert (told.serves, told.eligible, told.suspect) == ({A, B}, {A}, NONE)
    assert len(told.policy) == 16
    assert (told.drain, told.maintenance) == (None, None)


def test_only_a_check_that_passed_once_makes_a_suspect():
    pod = Pod(service(A, B))
    pod.decide()
    assert pod.decide(failing_vips={B: "refused"}).record.suspect == {B}
    assert pod.decide(held=frozenset({A})).record.suspect == NONE


# --- the function itself ------------------------------------------------------------------------------------


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
