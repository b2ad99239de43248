import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from vipd import hooks, subprocesses
from vipd.health import Hook
from vipd.hooks import State
from vipd.latest import Latest

UP = State(up=True, reason="every check passes", vips=("192.0.2.1", "2001:db8::1"))
DOWN = State(up=False, reason="check http: connection refused", vips=("192.0.2.1", "2001:db8::1"))


def shell(line: str, within: float = 30.0) -> Hook:
    return Hook(service="apex", command=("/bin/sh", "-c", line), timeout=within)


@asynccontextmanager
async def following(hook: Hook, state: State | None = None):
    wanted, states = Latest({"apex": hook}), Latest({"apex": state} if state else {})
    task = asyncio.ensure_future(hooks.follow(wanted, states))
    await turns()
    try:
        yield wanted, states
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def turns():
    for _ in range(8):
        await asyncio.sleep(0)


async def lines(path, count: int) -> list[str]:
    async with asyncio.timeout(20):
        while not path.exists() or path.read_text().count("\n") < count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    return path.read_text().splitlines()


async def quiet():
    """Wait until no hook runs."""
    await turns()
    async with asyncio.timeout(20):
        while subprocesses._children:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    await turns()


async def test_it_is_told_of_each_change_and_of_nothing_else(tmp_path):
    told = tmp_path / "told"
    hook = shell(f'echo "$VIPD_SERVICE $VIPD_STATE ($VIPD_REASON) $VIPD_VIPS" >> {told}')
    async with following(hook) as (_, states):
        states.set({"apex": DOWN})
        await quiet()
        assert not told.exists()
        states.set({"apex": UP})
        await lines(told, 1)
        states.set({"apex": replace(UP, reason="another reason"), "other": DOWN})
        await quiet()
        states.set({"apex": DOWN})
        await lines(told, 2)
        states.set({"apex": UP})
        await lines(told, 3)
        states.set({})
        assert await lines(told, 4) == [
            "apex up (every check passes) 192.0.2.1 2001:db8::1",
            "apex down (check http: connection refused) 192.0.2.1 2001:db8::1",
            "apex up (every check passes) 192.0.2.1 2001:db8::1",
            "apex down (not configured) ",
        ]


async def test_of_what_happens_while_it_runs_it_hears_the_newest(tmp_path):
    told, go = tmp_path / "told", tmp_path / "go"
    wait = f"until [ -e {go} ]; do sleep 0.01; done"
    async with following(shell(f"echo $VIPD_STATE $VIPD_REASON >> {told}; {wait}")) as (_, states):
        states.set({"apex": UP})
        await lines(told, 1)
        for number in range(5):
            states.set({"apex": replace(DOWN, reason=f"{number}")})
            await turns()
            states.set({"apex": UP})
            await turns()
        states.set({"apex": replace(DOWN, reason="the last")})
        go.touch()
        await lines(told, 2)
        await quiet()
        assert await lines(told, 2) == ["up every check passes", "down the last"]


async def test_what_came_and_went_while_it_ran_is_not_told(tmp_path):
    told, go = tmp_path / "told", tmp_path / "go"
    wait = f"until [ -e {go} ]; do sleep 0.01; done"
    async with following(shell(f"echo $VIPD_STATE >> {told}; {wait}")) as (_, states):
        states.set({"apex": UP})
        await lines(told, 1)
        states.set({"apex": DOWN})
        await turns()
        states.set({"apex": UP})
        go.touch()
        await quiet()
        assert await lines(told, 1) == ["up"]


async def test_a_hook_that_is_changed_is_not_told_what_stands(tmp_path):
    told = tmp_path / "told"
    async with following(shell("true"), UP) as (wanted, states):
        wanted.set({"apex": shell(f"echo $VIPD_STATE >> {told}")})
        await quiet()
        states.set({"apex": DOWN})
        assert await lines(told, 1) == ["down"]


@pytest.mark.parametrize(
    ("hook", "event", "reason", "output"),
    [
        (shell("echo all done"), "hook_finished", None, "all done\n"),
        (shell("echo oh no; exit 4"), "hook_failed", "exit status 4", "oh no\n"),
        (shell("sleep 1000", 0.2), "hook_failed", "killed after 0.2 s", ""),
        (
            Hook(service="apex", command=("/nowhere/hook",)),
            "hook_failed",
            "no such file or directory: /nowhere/hook",
            None,
        ),
    ],
)
async def test_how_it_went_is_logged(hook, event, reason, output):
    with capture_logs() as logs:
        async with following(hook) as (_, states):
            states.set({"apex": UP})
            await quiet()
    assert len(logs) == 1
    line = logs[0]
    assert (line["event"], line["service"], line["state"]) == (event, "apex", "up")
    assert (line.get("reason"), line.get("output")) == (reason, output)


async def test_a_bug_in_a_run_is_logged_and_the_next_one_runs(monkeypatch, tmp_path):
    run = subprocesses.run

    async def crash(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(subprocesses, "run", crash)
    with capture_logs() as logs:
        async with following(shell(f"echo $VIPD_STATE >> {tmp_path}/told")) as (_, states):
            states.set({"apex": UP})
            await turns()
            monkeypatch.setattr(subprocesses, "run", run)
            states.set({"apex": DOWN})
            assert await lines(tmp_path / "told", 1) == ["down"]
            await quiet()
    assert [line["event"] for line in logs] == ["hook_failed", "hook_finished"]
    assert logs[0]["exc_info"] is True


async def test_leaving_kills_what_runs(tmp_path):
    async with following(shell(f"echo $$ > {tmp_path}/told; sleep 1000")) as (_, states):
        states.set({"apex": UP})
        await lines(tmp_path / "told", 1)
    assert not subprocesses._children
