import asyncio
import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from vipd.log import BACKLOG, Outlet

SOURCE = Path(__file__).parent.parent.parent / "src"


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    for fd in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(fd)


def read_all(fd: int) -> bytes:
    octets = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(fd, 1 << 20):
            octets += piece
    return octets


def test_a_line_is_written_at_once(pipe):
    reader, writer = pipe
    Outlet(writer).line("grüße")
    assert read_all(reader) == "grüße\n".encode()


def test_what_cannot_be_utf_8_is_written_all_the_same(pipe):
    reader, writer = pipe
    Outlet(writer).line("\udcff")
    assert read_all(reader) == b"\\udcff\n"


def test_a_reader_that_pauses_gets_everything_in_order(pipe):
    reader, writer = pipe
    outlet = Outlet(writer)
    lines = [f"{n:06} {'x' * 200}" for n in range(2000)]  # several times what a pipe holds
    for line in lines:
        outlet.line(line)
    received = read_all(reader)
    assert len(received) < 2000 * 208
    while (more := received + (outlet.flush() or read_all(reader))) != received:
        received = more
    assert received.decode().splitlines() == lines
    assert outlet.dropped == 0


def test_a_line_longer_than_a_pipe_holds(pipe):
    reader, writer = pipe
    outlet = Outlet(writer)
    outlet.line("x" * 200_000)
    received = read_all(reader)
    while (more := received + (outlet.flush() or read_all(reader))) != received:
        received = more
    assert received == b"x" * 200_000 + b"\n"


def test_a_reader_that_never_reads_costs_lines_and_they_are_counted(pipe):
    _, writer = pipe
    outlet = Outlet(writer)
    for _ in range(BACKLOG // 1000 + 200):
        outlet.line("x" * 999)
    assert outlet.dropped > 0


def test_the_reader_is_told_what_it_missed(pipe):
    reader, writer = pipe
    outlet = Outlet(writer)
    while outlet.dropped < 3:
        outlet.line("x" * 999)
    while read_all(reader):
        outlet.flush()
    with structlog.testing.capture_logs() as events:
        outlet.line("and now")
        outlet.line("and then")
    assert events == [{"event": "log_lines_dropped", "count": 3, "log_level": "warning"}]
    assert read_all(reader) == b"and now\nand then\n"


def test_a_reader_that_is_gone_is_no_matter(pipe):
    reader, writer = pipe
    outlet = Outlet(writer)
    os.close(reader)
    outlet.line("to nobody")
    outlet.line("to nobody")
    assert outlet.dropped == 2


async def test_the_loop_goes_on_when_the_reader_does(pipe):
    reader, writer = pipe
    outlet = Outlet(writer)
    lines = [f"{n:06} {'x' * 200}" for n in range(2000)]
    for line in lines:
        outlet.line(line)
    received = b""
    async with asyncio.timeout(20):
        while received.count(b"\n") < len(lines):
            received += read_all(reader)
            await asyncio.sleep(0)
    assert received.decode().splitlines() == lines


def test_a_loop_that_is_gone_is_not_asked_again(pipe):
    reader, writer = pipe
    outlet = Outlet(writer)

    async def fill() -> None:
        for _ in range(200):
            outlet.line("x" * 999)

    asyncio.run(fill())
    for _ in range(10):
        read_all(reader)
        outlet.flush()
    outlet.line("the end")
    assert read_all(reader).endswith(b"the end\n")


def test_the_end_of_the_process_waits_for_the_reader_a_little(pipe):
    reader, writer = pipe
    outlet = Outlet(writer)
    for _ in range(100):
        outlet.line("x" * 999)
    outlet.settle(0.0)
    assert len(read_all(reader)) < 100_000


# --- the set-up of the process, each in a process of its own ------------------------------------------


def logged(code: str, **environ: str) -> list[str]:
    """Lines on standard error of a process that runs `code`."""
    begin = "from vipd import log\nfrom vipd.config import LogConfig, LogFormat\n"
    ran = subprocess.run(
        [sys.executable, "-c", begin + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(SOURCE), **environ},
    )
    assert ran.stdout == "", "standard output is not ours"
    return ran.stderr.splitlines()


def test_json():
    (line,) = logged('log.configure(LogConfig()); log.log.info("started", peer="10.0.0.2", n=1)')
    event = json.loads(line)
    assert list(event) == ["timestamp", "level", "event", "peer", "n"]
    assert datetime.fromisoformat(event.pop("timestamp")).tzinfo is UTC
    assert event == {"event": "started", "level": "info", "peer": "10.0.0.2", "n": 1}


def test_context_of_a_task_is_in_every_event():
    (line,) = logged(
        'log.configure(LogConfig()); import structlog; structlog.contextvars.bind_contextvars(peer="a")\n'
        'log.log.info("started")'
    )
    assert json.loads(line)["peer"] == "a"


def test_human():
    (line,) = logged('log.configure(LogConfig(format=LogFormat.HUMAN)); log.log.warning("failed", why="x y")')
    assert "\x1b" not in line, "colours are for terminals"
    assert re.fullmatch(r"\S+Z \[warning *\] failed +why='x y'", line)


def test_colours_on_a_terminal():
    ours, theirs = pty.openpty()
    code = (
        "from vipd import log; from vipd.config import LogConfig\n"
        'log.configure(LogConfig()); log.log.info("up")'
    )
    for environ, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        subprocess.run(
            [sys.executable, "-c", code],
            stderr=theirs,
            check=True,
            timeout=60,
            env={"PYTHONPATH": str(SOURCE), **environ},
        )
        assert (b"\x1b[" in os.read(ours, 4096)) is coloured
    os.close(ours)
    os.close(theirs)


def test_level():
    lines = logged(
        """
for level in ("debug", "info", "warning", "error"):
    log.configure(LogConfig(level=level))
    for method in ("debug", "info", "warning", "error"):
        getattr(log.log, method)(f"{method} at {level}")
"""
    )
    assert [json.loads(line)["event"] for line in lines] == [
        "debug at debug", "info at debug", "warning at debug", "error at debug",
        "info at info", "warning at info", "error at info",
        "warning at warning", "error at warning",
        "error at error",
    ]  # fmt: skip


def test_what_libraries_log_comes_along_once():
    lines = logged(
        """
import asyncio, logging, warnings
log.configure(LogConfig()); log.configure(LogConfig())
logging.getLogger("aiohttp.server").debug("chatter")
logging.getLogger("aiohttp.server").warning("strange %s", "request")
warnings.warn("old")
async def main():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
asyncio.run(main())
"""
    )
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["library_logged"] * 3
    assert [event["logger"] for event in events] == ["aiohttp.server", "py.warnings", "asyncio"]
    assert events[0]["message"] == "strange request"
    assert events[2]["level"] == "error"
    assert "ZeroDivisionError" in events[2]["exception"]


def test_a_traceback_is_one_line_of_json():
    (line,) = logged(
        """
log.configure(LogConfig())
try:
    raise ExceptionGroup("tasks", [ValueError("root")])
except ExceptionGroup as error:
    log.log.critical("crashed", exc_info=error)
"""
    )
    assert "ValueError: root" in json.loads(line)["exception"]


def test_a_full_pipe_never_stops_the_process():
    code = """
import os
from vipd import log
from vipd.config import LogConfig
log.configure(LogConfig())
for n in range(20_000):
    log.log.info("told", n=n)
print(log.STDERR.dropped)
log.STDERR.settle(0.01)
"""
    reader, writer = os.pipe()  # which nobody reads
    ran = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=writer,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(SOURCE)},
    )
    assert int(ran.stdout) > 0
    os.close(reader)
    os.close(writer)
