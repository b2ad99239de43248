import asyncio
import os
import resource
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vipd import subprocesses
from vipd.subprocesses import TAIL, Finished, run


async def shell(line: str, *, within: float = 30.0, **env: str) -> Finished:
    return await run(("/bin/sh", "-c", line), timeout=within, env=env)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def gone(pid: int) -> None:
    """Wait until a killed process is out of the process table, or only its parent's to collect."""
    async with asyncio.timeout(10):
        while running(pid):  # noqa: ASYNC110 - nobody tells of the end of a process that is not a child
            await asyncio.sleep(0.01)


async def written(path: Path) -> list[str]:
    """Wait until a line is in the file; its words."""
    async with asyncio.timeout(10):
        while not words(path):  # noqa: ASYNC110 - nor of a file that is written
            await asyncio.sleep(0.01)
    return words(path)


def words(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    return text.split() if text.endswith("\n") else []


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = open_files()
    yield
    assert not subprocesses._children
    assert not subprocesses._undying
    assert open_files() <= before


async def test_a_command_ends_with_its_status_and_what_it_printed():
    assert await shell("echo out; echo err >&2; exit 3") == Finished(status=3, output="out\nerr\n")
    assert await shell("") == Finished(status=0, output="")


async def test_a_command_ended_by_a_signal():
    assert (await shell("kill -SEGV $$")).status == -11


async def test_the_environment_is_ours_and_what_is_added(monkeypatch):
    monkeypatch.setenv("OURS", "1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    finished = await shell("echo $OURS $VIPD_SERVICE ${NOTIFY_SOCKET-none}", VIPD_SERVICE="apex")
    assert finished.output == "1 apex none\n"


async def test_it_reads_nothing_and_inherits_no_file_of_ours():
    ours = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(ours, True)
    try:
        finished = await shell("cat; ls /proc/self/fd | wc -w")
    finally:
        os.close(ours)
    assert finished.output == "4\n"  # the three, and ls's own


async def test_it_leads_a_session_of_its_own():
    assert (await shell("ps -o sid= -p $$ | tr -d ' ' | grep -qx $$")).status == 0


@pytest.mark.parametrize(
    ("command", "error"),
    [("/nowhere/to/be/found", FileNotFoundError), ("/etc/passwd", PermissionError), ("/", PermissionError)],
)
async def test_what_cannot_be_started_is_an_os_error(command, error):
    with pytest.raises(error):
        await run((command,), timeout=1.0, env={})


async def test_at_its_time_the_whole_group_is_killed(tmp_path):
    line = f"sleep 1000 & echo $$ $! > {tmp_path}/pids; echo said this; wait"
    finished = await shell(line, within=1.0)
    assert finished == Finished(status=None, output="said this\n")
    pids = words(tmp_path / "pids")
    assert len(pids) == 2
    for pid in pids:
        await gone(int(pid))


async def test_one_that_ignores_every_polite_signal_is_killed_all_the_same():
    assert await shell("trap '' TERM INT HUP; while :; do sleep 1000; done", within=0.3) == Finished(
        status=None, output=""
    )


async def test_cancelled_it_takes_the_group_along(tmp_path):
    task = asyncio.ensure_future(shell(f"sleep 1000 & echo $$ $! > {tmp_path}/pids; wait"))
    pids = await written(tmp_path / "pids")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for pid in pids:
        await gone(int(pid))


async def test_a_grandchild_that_keeps_the_pipe_delays_nothing_and_is_killed():
    finished = await shell("sleep 1000 & echo $!")
    assert finished.status == 0
    await gone(int(finished.output))


async def test_an_orphan_by_double_fork_is_killed_while_it_is_in_the_group():
    finished = await shell("(sleep 1000 & echo $!)")
    await gone(int(finished.output))


async def test_one_that_left_the_group_keeps_the_pipe_and_delays_nothing(tmp_path):
    stray = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000'"
    finished = await shell(f"{stray} & until [ -s {tmp_path}/pid ]; do sleep 0.01; done")
    assert finished.status == 0
    stray = int(words(tmp_path / "pid")[0])
    assert running(stray)
    os.kill(stray, 9)
    await gone(stray)


async def test_of_a_long_output_the_tail_is_kept():
    finished = await shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    assert len(finished.output) == TAIL
    assert finished.output.endswith("line 19998\nline 19999\n")


async def test_output_that_is_no_text_is_kept_as_far_as_it_is():
    assert (await shell(r"printf 'a\377b'")).output == "a\ufffdb"


async def test_a_flood_costs_next_to_nothing_and_leaves_the_loop_free():
    turns = 0

    async def others():
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    before = resource.getrusage(resource.RUSAGE_SELF)
    other = asyncio.ensure_future(others())
    finished = await shell("yes flood; true", within=1.0)
    other.cancel()
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert finished.status is None
    assert finished.output.count("flood\n") >= TAIL // 6 - 1
    assert turns > 20
    assert after.ru_maxrss - before.ru_maxrss < 16 * 1024


async def test_many_at_once_all_end_and_no_thread_was_needed():
    finished = await asyncio.gather(*(shell(f"exit {n}") for n in range(40)))
    assert [one.status for one in finished] == list(range(40))
    assert threading.active_count() == 1


async def test_children_of_others_are_left_to_them():
    with subprocess.Popen(["/bin/sh", "-c", "exit 7"]) as theirs:  # noqa: ASYNC220 - not ours, and that is the point
        assert (await shell("sleep 0.1")).status == 0
        assert theirs.wait() == 7


async def test_one_that_cannot_be_killed_is_given_up_and_not_started_again(monkeypatch, tmp_path):
    # A process in uninterruptible sleep cannot be made to order; here the killing does not arrive.
    kill = os.killpg
    pids = []
    monkeypatch.setattr(os, "killpg", lambda pid, number: pids.append(pid))
    monkeypatch.setattr(subprocesses, "GRACE", 0.05)
    line = f"echo $$ >> {tmp_path}/started; exec sleep 1000"
    assert (await shell(line, within=0.3)).status is None
    with pytest.raises(ChildProcessError, match="not gone yet"):
        await shell(line)
    assert len(words(tmp_path / "started")) == 1

    monkeypatch.setattr(os, "killpg", kill)
    kill(pids[0], 9)
    while subprocesses._children:  # noqa: ASYNC110 - it is late, and nobody waits for it any more
        await asyncio.sleep(0.01)
    assert (await shell(line, within=0.1)).status is None


async def test_anywhere_but_as_pid_1_there_are_no_orphans_to_reap():
    await subprocesses.reap_orphans()


PID_1 = """
import asyncio, os, sys
from vipd.subprocesses import reap_orphans, run

async def main():
    assert os.getpid() == 1
    async with asyncio.TaskGroup() as group:
        reaper = group.create_task(reap_orphans())
        orphans = "for i in 1 2 3 4 5; do setsid sh -c 'exit 9' & setsid sleep 0.05 & done; exit "
        for round in range(10):
            statuses = await asyncio.gather(
                *(run(("/bin/sh", "-c", orphans + str(n)), timeout=10, env={}) for n in range(8))
            )
            assert [one.status for one in statuses] == list(range(8)), statuses
        async with asyncio.timeout(10):
            while os.path.getsize("/proc/1/task/1/children") or children():
                await asyncio.sleep(0.01)
        reaper.cancel()
    print("all reaped")

def children():
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != "1"]

asyncio.run(main())
"""


def test_as_pid_1_orphans_are_reaped_and_our_own_children_are_not_stolen():
    python = shlex.join((sys.executable, "-W", "error", "-c", PID_1))
    finished = subprocess.run(
        ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c", f"exec {python}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.stdout, finished.stderr) == ("all reaped\n", "")
