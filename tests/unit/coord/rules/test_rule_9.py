"""Rule 9: damping is public; the rest of it is in test_damping.py."""

import pytest

from siblings import ME, A, Pod, announcing, member, only, reason
from vipd.coord.member import Phase, Word

NONE = frozenset()


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
