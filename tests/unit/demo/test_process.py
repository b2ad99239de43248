"""The demo's processes: real ones, which end in order, or are made to."""

import asyncio
import signal
import sys
from pathlib import Path

from vipd.demo import process
from vipd.demo.process import Process

DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
)


def python(program: str, log: Path) -> Process:
    return Process([sys.executable, "-c", program], log)


async def test_its_exit_status_is_told_and_what_it_said_is_kept(tmp_path):
    log = tmp_path / "log"
    for word in ("one", "two"):
        assert await python(f"import sys; print('{word}'); sys.exit(3)", log).exit() == 3
    assert log.read_text().split() == ["one", "two"]


async def test_it_is_ended_by_sigterm(tmp_path):
    started = python("import signal; signal.pause()", tmp_path / "log")
    await started.end()
    assert not started.runs
    assert await started.exit() == -signal.SIGTERM


async def test_what_does_not_heed_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "PATIENCE", 0.05)
    log = tmp_path / "log"
    started = python(DEAF, log)
    while "deaf" not in log.read_text():  # noqa: ASYNC110 - another process has no event of ours to set
        await asyncio.sleep(0.01)
    await started.end()
    assert await started.exit() == -signal.SIGKILL


async def test_what_has_ended_is_left_alone(tmp_path):
    started = python("", tmp_path / "log")
    assert await started.exit() == 0
    started.send(signal.SIGKILL)
    await started.end()
    assert await started.exit() == 0
