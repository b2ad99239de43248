"""Who announces what at each ToR, for how long nobody did, and whether a move was as promised."""

from dataclasses import replace

import pytest

from vipd.demo.story import Air, Move

VIP, OTHER = "192.0.2.1", "192.0.2.2"
MOVE = Move(vip=VIP, cause="it was drained", to="pod-2", took=1.0, silent=0.0, planned=True)


@pytest.fixture
def air() -> Air:
    """Two ToRs, which have heard of one VIP from one pod."""
    heard = Air(("a", "b"))
    for tor in ("a", "b"):
        heard.hear(1.0, tor, VIP, "pod-1", announced=True)
    heard.begin(2.0)
    return heard


def test_a_pod_is_the_sole_announcer_when_every_tor_has_it_and_no_other(air):
    assert air.sole(VIP) == "pod-1"
    air.hear(3.0, "a", VIP, "pod-2", announced=True)
    assert air.announcers("a", VIP) == ("pod-1", "pod-2")
    assert air.sole(VIP) is None
    air.hear(3.0, "b", VIP, "pod-2", announced=True)
    assert air.sole(VIP) is None
    air.hear(3.0, "a", VIP, "pod-1", announced=False)
    assert air.sole(VIP) is None
    air.hear(3.0, "b", VIP, "pod-1", announced=False)
    assert air.sole(VIP) == "pod-2"


def test_of_what_nobody_announces_there_is_no_announcer(air):
    assert air.sole(OTHER) is None
    assert air.announcers("a", OTHER) == ()
    assert not air.has("pod-1", OTHER)


def test_a_pod_has_what_it_announces_anywhere(air):
    air.hear(3.0, "a", VIP, "pod-1", announced=False)
    assert air.has("pod-1", VIP)
    air.hear(3.0, "b", VIP, "pod-1", announced=False)
    assert not air.has("pod-1", VIP)


def test_make_before_break_is_no_silence(air):
    for tor in ("a", "b"):
        air.hear(3.0, tor, VIP, "pod-2", announced=True)
        air.hear(4.0, tor, VIP, "pod-1", announced=False)
    assert air.silence(VIP, 5.0) == 0.0


def test_silence_is_that_of_the_tor_where_it_was_longest(air):
    air.hear(3.0, "a", VIP, "pod-1", announced=False)
    air.hear(3.0, "b", VIP, "pod-1", announced=False)
    assert air.silence(VIP, 3.25) == 0.25
    air.hear(3.5, "a", VIP, "pod-2", announced=True)
    air.hear(4.0, "b", VIP, "pod-2", announced=True)
    assert air.silence(VIP, 9.0) == 1.0


def test_silences_add_up(air):
    for at in (3.0, 5.0):
        air.hear(at, "a", VIP, "pod-1", announced=False)
        air.hear(at + 0.5, "a", VIP, "pod-1", announced=True)
    assert air.silence(VIP, 9.0) == 1.0


def test_silence_counts_from_the_beginning_that_was_set(air):
    air.hear(3.0, "a", VIP, "pod-1", announced=False)
    air.hear(4.0, "a", VIP, "pod-1", announced=True)
    air.begin(5.0)
    assert air.silence(VIP, 6.0) == 0.0
    air.hear(6.0, "a", VIP, "pod-1", announced=False)
    air.begin(8.0)
    assert air.silence(VIP, 8.5) == 0.5


def test_before_its_first_announcement_nothing_is_missed():
    air = Air(("a",))
    air.begin(0.0)
    air.hear(5.0, "a", VIP, "pod-1", announced=True)
    assert air.silence(VIP, 6.0) == 0.0


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        (MOVE, True),
        (replace(MOVE, silent=0.001), False),
        (replace(MOVE, silent=0.5, planned=False), True),
        (replace(MOVE, planned=False, within=1.0), True),
        (replace(MOVE, planned=False, within=0.9), False),
    ],
)
def test_what_is_planned_is_never_silent_and_what_has_a_limit_keeps_it(made, kept):
    assert made.kept is kept
