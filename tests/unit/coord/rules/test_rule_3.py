"""Rule 3: make before break, settled and checked."""

from dataclasses import replace

import pytest

from siblings import ME, ORDER, A, B, C, Pod, announcing, member, only, reason, record, service
from vipd.coord.member import Phase, Release, Standby, Times, Unreadable, Word

NONE = frozenset()
INF = float("inf")


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
    [
        [],
        [member("pod-x~2")],
        [member("pod-x~2", claims={A: 1})],
        [member("pod-x~2", claims={A}, eligible=NONE, suspect={A})],  # its last resort
        [member(f"{ME}~0", czxid=0, claims={A})],
    ],
)
def test_3_what_no_other_pod_claims_is_taken_at_once(others):
    pod = Pod(service(pins={A: ME}), *others)
    pod.decide()
    assert (pod.ranks(), pod.aside) == ({A: 0}, {})


def test_3_what_was_taken_aside_stays_so_until_then_whoever_goes():
    pod = taking()
    pod.misses("pod-x~2").decide()
    assert (pod.ranks(), pod.aside) == ({A: 0}, {A: INF})
    pod.acknowledge()
    assert pod.aside == {A: 0.5}
    pod.decide(after=0.5)
    assert (pod.ranks(), pod.aside) == ({A: 0}, {})


def test_3_nor_is_it_in_between_when_it_is_to_go_again():
    pod = taking()
    pod.acknowledge()
    pod.sees(drains={ME: ORDER}).decide(after=0.1)
    assert (only(pod), pod.aside) == (Word.KEEPING, {A: pytest.approx(0.4)})
    pod.decide(after=0.4)
    assert (only(pod), pod.aside) == (Word.KEEPING, {})


def test_3_while_zookeeper_is_lost_nothing_that_is_aside_changes():
    pod = taking()
    pod.lose()
    assert (only(pod), pod.aside) == (Word.HELD, {A: INF})
    pod.decide(after=100, acknowledged={A: 0}, carried=frozenset({A}))
    assert pod.aside == {A: INF}
    pod.regain()
    assert pod.aside == {A: 0.5}

    pod = letting_go()
    pod.lose()
    pod.decide(after=100)
    assert (pod.ranks(), pod.aside) == ({}, {A: -99})
    pod.regain()
    assert pod.aside == {A: pod.view().session_timeout}, "who has it may have gone meanwhile"


def test_3_but_who_leaves_meanwhile_waits_for_its_end_alone():
    pod = letting_go()
    pod.lose(phase=Phase.LEAVING)
    assert pod.aside == {A: 1}
    pod.decide(after=1)
    assert pod.aside == {}


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
    assert letting_go(times=Times(settle=0)).aside == {}


def test_3_what_was_never_claimed_goes_when_others_have_settled():
    pod = Pod(service(pins={A: "pod-x"}))
    pod.decide()
    pod.write()
    pod.sees(member("pod-x~2", claims={A})).decide()
    assert only(pod) is Word.KEEPING
    pod.decide(after=1)
    assert only(pod) is Word.NOT_ASSIGNED
