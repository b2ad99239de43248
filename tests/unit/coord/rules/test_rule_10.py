"""Rule 10: the routers are witnesses; the rest of it is in test_witness.py."""

import pytest

from siblings import ALL, ME, ORDER, A, B, C, Pod, announcing, member, only, reason, service
from vipd.coord.member import ColdStart, CoordinationLoss, Release, Sight, Vip, Word
from vipd.coord.placement import score

NONE = frozenset()


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
    assert (pod.words()[A], pod.ranks()[A], pod.aside) == (Word.WITNESSED, 0, {})
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
