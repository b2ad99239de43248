"""Rule 9: what flaps is taken back later each time."""

from math import inf

import pytest

from siblings import ALL, A, B
from vipd.coord.damping import Damping, Flaps, observe, waive
from vipd.coord.member import Times

TIMES = Times(handback_delay=5.0, handback_max=60.0)
BOTH, NONE = frozenset({A, B}), frozenset()


def course(*looks, start=Damping()):  # noqa: B008 - a value
    """Look at (time, fit) after (time, fit)."""
    damping = start
    for now, fit in looks:
        damping = observe(damping, frozenset(fit), ALL, deliberate=False, now=now, times=TIMES)
    return damping


def test_what_was_never_lost_is_not_damped():
    assert course((0, NONE), (1, BOTH)) == Damping(fit=BOTH)


def test_a_vip_is_taken_back_after_handback_delay():
    damping = course((0, BOTH), (10, {B}), (20, BOTH))
    assert damping.damped(24.9, TIMES) == {A}
    assert damping.recheck_at(24.9, TIMES) == 25
    assert damping.damped(25, TIMES) == NONE
    assert damping.recheck_at(25, TIMES) == inf


def test_while_it_is_not_fit_nothing_is_counted():
    damping = course((0, BOTH), (10, NONE))
    assert damping.damped(1000, TIMES) == NONE
    assert damping.recheck_at(10, TIMES) == inf


@pytest.mark.parametrize(("flaps", "delay"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (500, 60)])
def test_the_delay_doubles_per_flap_to_handback_max(flaps, delay):
    damping = course((0, {A}), *((n, {A} if n % 2 else NONE) for n in range(flaps * 2)))
    (at,) = {each.ready_at(TIMES) for each in damping.flaps.values()}
    assert at == (flaps * 2 - 1) + delay


def test_each_handback_max_of_being_fit_forgets_one():
    damping = course((0, {A}), (1, NONE), (2, {A}), (3, NONE), (4, {A}), (5, NONE), (6, {A}))
    assert damping.flaps[A].count == 3
    assert course((66, NONE), start=damping).flaps[A].count == 3  # two are left, and this one
    assert course((125, {A}), start=damping).flaps == damping.flaps
    assert course((6 + 180, {A}), start=damping) == Damping(fit=frozenset({A}))


def test_being_down_for_long_forgets_nothing():
    damping = course((0, {A}), (1, NONE), (5000, NONE), (5001, {A}))
    assert damping.damped(5002, TIMES) == {A}


def test_deliberate_restarts_and_drains_are_not_flaps():
    lost = observe(course((0, BOTH)), NONE, ALL, deliberate=True, now=1, times=TIMES)
    assert lost == Damping()
    before = course((0, {A}), (1, NONE), (2, {A}))
    after = observe(before, NONE, ALL, deliberate=True, now=3, times=TIMES)
    assert after.flaps[A] == Flaps(count=1)


def test_a_vip_that_is_not_configured_any_more_is_forgotten_and_did_not_flap():
    before = course((0, BOTH), (1, NONE), (2, BOTH))
    after = observe(before, frozenset({A}), frozenset({A}), deliberate=False, now=3, times=TIMES)
    assert after.flaps.keys() == {A}
    assert observe(course((0, BOTH)), NONE, NONE, deliberate=False, now=1, times=TIMES) == Damping()


def test_once_waived_it_stays_so_until_the_next_flap():
    damping = waive(course((0, BOTH), (1, NONE), (2, BOTH)), frozenset({A}))
    assert damping.damped(3, TIMES) == {B}
    assert damping.flaps[A].ready_at(TIMES) == 2
    again = course((3, {B}), (4, BOTH), start=damping)
    assert again.damped(5, TIMES) == BOTH
    assert again.flaps[A].count == 2


def test_a_deliberate_loss_does_not_end_a_waiver():
    damping = waive(course((0, {A}), (1, NONE), (2, {A})), frozenset({A}))
    gone = observe(damping, NONE, ALL, deliberate=True, now=3, times=TIMES)
    back = course((4, {A}), start=gone)
    assert back.damped(4, TIMES) == NONE


def test_nothing_to_waive_changes_nothing():
    damping = course((0, BOTH), (1, NONE))
    assert waive(damping, NONE) is damping


def test_vips_that_flap_together_share_what_is_remembered():
    damping = course((0, BOTH), (1, NONE), (2, BOTH))
    assert damping.flaps[A] is damping.flaps[B]
