"""Rule 10, part by part; as one pod follows it, it is told in rules/."""

from math import inf

import pytest

from siblings import A, B, C, record
from vipd.coord.member import Service, Sight, Times
from vipd.coord.witness import (
    ASKED,
    HEARD,
    STEADY,
    UNSEEN,
    Conviction,
    Shown,
    Witness,
    convict,
    instead_of,
    look_out,
    put_together,
    rechecks,
    told,
    verified,
)

SERVICE = Service(name="apex", vips=(A, B, C), witness=True)
TIMES = Times()
NONE = frozenset()
STAMPS = {"pod-x": ("pod-x~2", 10, 1), "pod-y": ("pod-y~2", 10, 1)}


def sight(*seen, gone=None, clear_at=0.0, vips=(A, B, C)):
    return Sight(vips=frozenset(vips), seen=frozenset(seen), gone=gone or {}, clear_at=clear_at)


def all_show(*sights, standing=NONE, now=10.0, service=SERVICE):
    return put_together(service, sights, standing, now)


# --- what all sessions show ---------------------------------------------------------------------------------


def test_a_service_that_has_no_witness_hears_none():
    assert all_show(sight(A), service=Service(name="apex", vips=(A,))) == Shown()


def test_a_vip_is_gone_that_is_to_be_seen_nowhere():
    found = all_show(sight(B, C, gone={A: 5.0}), sight(B, C, gone={A: 6.0}))
    assert found.gone == {A: 6.0}
    assert found.missing == {A}
    assert found.blind == NONE


def test_not_while_another_session_shows_it_clear_or_not():
    assert all_show(sight(B, C, gone={A: 5.0}), sight(A, B, C)).gone == {}
    assert all_show(sight(B, C, gone={A: 5.0}), sight(A, clear_at=inf)).gone == {}


def test_a_session_that_never_showed_it_does_not_speak_for_it():
    assert all_show(sight(B, C, gone={A: 5.0}), sight(B, C)).gone == {A: 5.0}


def test_a_session_that_is_not_clear_is_waited_for():
    early = all_show(sight(B, C, gone={A: 5.0}, clear_at=11.0))
    assert early == Shown(seen=frozenset({B, C}), recheck_at=11.0)
    found = all_show(sight(B, C, gone={A: 5.0}, clear_at=10.0), sight(clear_at=12.0))
    assert (found.gone, found.recheck_at) == ({A: 5.0}, 12.0)


def test_what_we_announce_is_neither_gone_nor_missing():
    found = all_show(sight(B, gone={A: 5.0}), standing={A, C})
    assert (found.gone, found.missing) == ({}, NONE)


def test_what_was_never_seen_is_blind():
    assert all_show(sight(B), standing={C}).blind == {A}
    assert all_show(sight(B, vips=(B,))).missing == NONE


@pytest.mark.parametrize(
    ("gone", "believed"),
    [
        ({A: 5.0}, {A}),
        ({A: 5.0, B: 5.5}, NONE),  # two of three at once
        ({A: 5.0, B: 7.0}, {A, B}),
        ({A: 5.0, B: 5.0, C: 8.0}, {C}),
    ],
)
def test_of_more_than_half_that_go_at_once_nothing_is_believed(gone, believed):
    seen = {A, B, C} - gone.keys()
    assert all_show(sight(*seen, gone=gone)).gone.keys() == believed


def test_half_of_what_is_there_is_no_crowd_and_our_own_is_there():
    four = Service(name="apex", vips=(A, B, C, "192.0.2.4"), witness=True)
    gone = {A: 5.0, B: 5.0}
    assert all_show(sight(gone=gone), standing={C, "192.0.2.4"}, service=four).gone == gone
    assert all_show(sight(gone=gone), standing={C}, service=four).gone == {}


def test_one_alone_is_no_crowd_though_it_be_the_only_one():
    assert all_show(sight(gone={A: 5.0}, vips=(A,))).gone == {A: 5.0}


# --- who is passed over -------------------------------------------------------------------------------------


def convicted(now, *, gone=None, witness=None, since=None, read_at=None, pods=("pod-x",)):
    gone = {A: 10.0} if gone is None else gone

    def suspects(_vip, gone_at):
        return [(pod, gone_at if since is None else since) for pod in pods]

    return convict(witness or Witness(), gone, suspects, STAMPS, read_at=read_at, times=TIMES, now=now)


def test_who_should_announce_it_is_passed_over_once_it_has_been_gone_for_long_enough():
    early = convicted(10.05)
    assert (early.passed_over, early.recheck_at) == ({}, 10.0 + STEADY)
    late = convicted(10.0 + STEADY)
    assert late.passed_over == {(A, "pod-x"): STAMPS["pod-x"]}
    assert late.convictions == {A: Conviction(at=10.0 + STEADY)}


def test_zookeeper_is_given_time_to_say_why():
    assert convicted(10.0 + STEADY, read_at=9.0).recheck_at == 10.0 + STEADY + ASKED
    assert convicted(10.0 + STEADY, read_at=10.01).passed_over
    assert convicted(10.0 + STEADY + ASKED, read_at=9.0).passed_over


def test_a_suspect_may_have_time_of_its_own():
    assert convicted(10.5, since=12.0).recheck_at == 12.0
    assert convicted(12.0, since=12.0).passed_over


def test_who_is_not_there_or_is_passed_over_already_is_not_convicted():
    assert convicted(11.0, pods=("pod-z",)) == Witness()
    once = convicted(11.0)
    assert convicted(20.0, witness=once) == once


def test_one_disappearance_is_one_conviction():
    once = convicted(11.0)
    twice = convicted(13.0, witness=once, pods=("pod-x", "pod-y"))
    assert twice.passed_over.keys() == {(A, "pod-x"), (A, "pod-y")}
    assert twice.convictions == {A: Conviction(at=13.0, count=1)}


def test_each_further_one_is_held_back_twice_as_long():
    known = Witness(convictions={A: Conviction(at=5.0, count=2)})
    assert convicted(12.0, witness=known).recheck_at == 5.0 + 2 * TIMES.handback_delay
    again = convicted(15.0, witness=known)
    assert again.passed_over
    assert again.convictions == {A: Conviction(at=15.0, count=3)}
    assert Conviction(at=0.0, count=100).held_until(TIMES) == TIMES.handback_max


# --- what is kept -------------------------------------------------------------------------------------------


def test_a_pod_is_passed_over_until_its_record_changes_or_vanishes():
    known = convicted(11.0, pods=("pod-x", "pod-y"))
    changed = {"pod-x": ("pod-x~2", 10, 2)}
    assert look_out(known, Shown(), STAMPS, TIMES, 12.0).passed_over == known.passed_over
    assert look_out(known, Shown(), changed, TIMES, 12.0).passed_over == {}


def test_or_until_another_is_seen_to_have_it():
    known = convicted(11.0)
    assert look_out(known, Shown(seen=frozenset({B})), STAMPS, TIMES, 12.0).passed_over
    assert not look_out(known, Shown(seen=frozenset({A})), STAMPS, TIMES, 12.0).passed_over


def test_convictions_are_forgotten_in_time():
    known = Witness(convictions={A: Conviction(at=0.0)})
    assert look_out(known, Shown(), STAMPS, TIMES, 2 * TIMES.handback_max).convictions
    assert not look_out(known, Shown(), STAMPS, TIMES, 2 * TIMES.handback_max + 1).convictions


def test_without_news_nothing_is_made_anew():
    nothing = Witness()
    assert look_out(nothing, Shown(), STAMPS, TIMES, 5.0) is nothing


# --- what siblings are told, and tell -----------------------------------------------------------------------


def test_what_is_missing_for_long_is_told():
    found = all_show(sight(B, C, gone={A: 5.0}))
    known = look_out(Witness(), found, STAMPS, TIMES, 10.0)
    assert told(known, found, 10.0) == NONE
    assert rechecks(known, 10.0) == 10.0 + UNSEEN
    known = look_out(known, found, STAMPS, TIMES, 10.0 + UNSEEN)
    assert told(known, found, 10.0 + UNSEEN) == {A}
    assert rechecks(known, 10.0 + UNSEEN) == inf


def test_who_could_see_nothing_says_nothing():
    assert told(Witness(), Shown(), 10.0) is None


def test_of_several_that_were_passed_over_one_is_told_at_a_time_and_of_our_claims_alone():
    known = Witness(passed_over={(A, "pod-y"): STAMPS["pod-y"], (A, "pod-x"): STAMPS["pod-x"]})
    assert instead_of(known, {A: 0}) == {A: "pod-x"}
    assert instead_of(known, {A: 1}) == {}


@pytest.mark.parametrize(
    ("others", "seen"),
    [
        ([], None),
        ([record()], None),  # no witness
        ([record(unseen=NONE)], True),
        ([record(unseen=frozenset({A}))], False),
        ([record(unseen=frozenset({A})), record(unseen=NONE)], True),
        ([record(unseen=frozenset({A}), claims={A: 1})], None),  # it announces it, too
        ([record(unseen=frozenset({A}), serves=frozenset({B}))], None),
    ],
)
def test_what_is_announced_is_verified_by_whoever_could_see_it(others, seen):
    assert verified(A, others, HEARD) is seen


def test_it_takes_a_while_to_doubt_an_announcement():
    assert verified(A, [record(unseen=frozenset({A}))], HEARD - 0.1) is None
