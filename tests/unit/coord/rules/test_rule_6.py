"""Rule 6: ZooKeeper is lost."""

import pytest

from siblings import ME, OWN, A, B, C, Pod, announcing, drained, member, only, service
from vipd.coord.member import CoordinationLoss, Unreadable, Word

NONE = frozenset()


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
