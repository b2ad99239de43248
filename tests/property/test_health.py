"""Laws of a check's health, for any run of results."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vipd.health import Check, CheckStatus, FileProbe, Health, Result, TcpProbe, next_delay, observe

results = st.builds(
    Result,
    good=st.booleans(),
    message=st.just("said so"),
    timed_out=st.booleans(),
) | st.just(Result(good=False, message="disabled by an operator", disabled=True))

checks = st.builds(
    Check,
    name=st.just("check"),
    service=st.just("apex"),
    probe=st.sampled_from([TcpProbe(host="127.0.0.1", port=80), FileProbe(path="/run/disable")]),
    rise=st.integers(1, 5),
    fall=st.integers(1, 5),
)


def history(check: Check, run: list[Result]) -> list[CheckStatus]:
    statuses = [CheckStatus(check=check)]
    for now, result in enumerate(run, start=1):
        statuses.append(observe(statuses[-1], result, float(now)))
    return statuses


@given(checks, st.lists(results, max_size=40))
def test_it_passes_only_after_rise_successes_in_a_row(check, run):
    rise = 1 if isinstance(check.probe, FileProbe) else check.rise
    statuses = history(check, run)
    for at, (before, after) in enumerate(pairwise(statuses), start=1):
        if after.passing and not before.passing:
            assert at >= rise
            assert all(result.good for result in run[at - rise : at])


@given(checks, st.lists(results, max_size=40))
def test_it_stops_passing_after_fall_failures_in_a_row_or_by_an_operators_word(check, run):
    statuses = history(check, run)
    for at, (before, after) in enumerate(pairwise(statuses), start=1):
        last = run[max(0, at - check.fall) : at]
        spoken = run[at - 1].disabled or (len(last) == check.fall and not any(r.good for r in last))
        if before.passing:
            assert after.passing is not spoken


@given(checks, st.lists(results, max_size=40), st.data())
def test_from_anywhere_enough_of_the_same_decides(check, run, data):
    status = history(check, run)[-1]
    good = data.draw(st.booleans())
    for now in range(check.rise if good else check.fall):
        status = observe(status, Result(good=good, message="again"), 100.0 + now)
    assert status.health is (Health.UP if good else Health.DOWN)


@given(checks, st.lists(results, max_size=40))
def test_every_result_is_counted_once_and_since_is_when_health_changed(check, run):
    statuses = history(check, run)
    assert sum(statuses[-1].runs.values()) == len(run)
    for now, (before, after) in enumerate(pairwise(statuses), start=1):
        assert after.since == (before.since if after.health is before.health else float(now))
        assert next_delay(after) in (check.interval, check.fast_interval)
