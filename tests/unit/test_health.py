from dataclasses import replace

import pytest

from vipd.health import (
    Check,
    CheckStatus,
    ExecProbe,
    FileProbe,
    Health,
    HttpProbe,
    Result,
    next_delay,
    observe,
)

CHECK = Check(name="http", service="apex", probe=HttpProbe(url="http://127.0.0.1/"), rise=3, fall=3)
SWITCH = Check(name="file", service="apex", probe=FileProbe(path="/run/disable"))

RESULTS = {
    "+": Result(good=True, message="200 OK"),
    "-": Result(good=False, message="connection refused"),
    "t": Result(good=False, message="timed out after 1 s", timed_out=True),
    "x": Result(good=False, message="disabled by an operator", disabled=True),
}


def after(results: str, check: Check = CHECK, health: Health = Health.RISING) -> CheckStatus:
    status = CheckStatus(check=check, health=health)
    for now, letter in enumerate(results, start=1):
        status = observe(status, RESULTS[letter], float(now))
    return status


@pytest.mark.parametrize(
    ("health", "results", "then"),
    [
        # nothing is announced before `rise` successes in a row
        ("rising", "", "rising"),
        ("rising", "+", "rising"),
        ("rising", "++", "rising"),
        ("rising", "+++", "up"),
        ("rising", "++-", "rising"),
        ("rising", "++-++", "rising"),
        ("rising", "++-+++", "up"),
        # what never comes up is down after `fall` failures
        ("rising", "--", "rising"),
        ("rising", "---", "down"),
        ("rising", "+---", "down"),
        # `fall` failures in a row, and no fewer, take it down
        ("up", "+", "up"),
        ("up", "-", "falling"),
        ("up", "--", "falling"),
        ("up", "---", "down"),
        ("up", "-t-", "down"),
        ("up", "--+", "up"),
        ("up", "--+--", "falling"),
        ("up", "--+---", "down"),
        # one success is the start of the way back
        ("down", "-", "down"),
        ("down", "+", "rising"),
        ("down", "++", "rising"),
        ("down", "+++", "up"),
        ("down", "+-", "rising"),
        ("down", "+---", "down"),
        # an operator's word counts at once, and failures before it do not count after it
        ("up", "x", "disabled"),
        ("rising", "x", "disabled"),
        ("down", "x", "disabled"),
        ("up", "-x", "disabled"),
        ("up", "x+", "rising"),
        ("up", "x+++", "up"),
        ("up", "x-", "rising"),
        ("disabled", "---", "down"),
    ],
)
def test_rise_and_fall(health, results, then):
    assert after(results, health=Health(health)).health == then


@pytest.mark.parametrize(
    ("results", "then"),
    [("+", "up"), ("x", "disabled"), ("+x", "disabled"), ("x+", "up"), ("-+", "up"), ("+-", "falling")],
)
def test_an_operators_file_needs_one_look_both_ways(results, then):
    assert after(results, SWITCH).health == then


@pytest.mark.parametrize(("rise", "fall"), [(1, 1), (1, 3), (5, 1)])
def test_one_is_enough_where_one_is_asked_for(rise, fall):
    check = replace(CHECK, rise=rise, fall=fall)
    assert after("+" * rise, check).health is Health.UP
    assert after("-" * fall, check, Health.UP).health is Health.DOWN


def test_only_up_and_falling_pass():
    assert {health for health in Health if CheckStatus(check=CHECK, health=health).passing} == {
        Health.UP,
        Health.FALLING,
    }


def test_since_moves_with_the_health_alone():
    assert after("++").since == 0.0
    assert after("+++").since == 3.0
    assert after("++++++").since == 3.0
    assert after("++++++-").since == 7.0


def test_the_streak_counts_results_that_agree():
    assert [after(results).streak for results in ("", "+", "++", "++-", "++-t", "++-t+")] == [
        0,
        1,
        2,
        1,
        2,
        1,
    ]


def test_the_last_result_and_all_the_counts_are_kept():
    status = after("++-t+x")
    assert (status.last, status.last_at) == (RESULTS["x"], 6.0)
    assert status.runs == {"good": 3, "bad": 2, "timeout": 1}


@pytest.mark.parametrize(
    ("health", "delay"), [("rising", 0.1), ("up", 1.0), ("falling", 0.1), ("down", 1.0), ("disabled", 1.0)]
)
def test_it_looks_faster_while_health_is_changing(health, delay):
    assert next_delay(CheckStatus(check=CHECK, health=Health(health))) == delay


def test_a_file_is_always_looked_for_at_the_fast_pace():
    for health in Health:
        assert next_delay(CheckStatus(check=SWITCH, health=health)) == SWITCH.fast_interval


def test_a_check_tells_equal_from_changed():
    command = Check(name="x", service="apex", probe=ExecProbe(command=("true",)))
    assert command == replace(command)
    assert command != replace(command, probe=ExecProbe(command=("false",)))
