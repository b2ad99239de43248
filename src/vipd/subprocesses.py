"""Commands of the operator: started, watched, cut short, and collected. No threads.

Every child of vipd is started here, and asyncio's own subprocesses are not used: on Python 3.11 they take
a thread for each child, and on every version they wait for whoever still holds the pipe, which may be
for ever.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

Seconds = float

TAIL: Final = 4096  # octets of output that are kept: the last ones
CHUNK: Final = 65536  # octets read at a time: as many as a pipe holds
CHUNKS: Final = 16  # read at the end: no pipe holds more
REST: Final[Seconds] = 0.01  # after each read, so that a flood costs next to nothing
GRACE: Final[Seconds] = 1.0  # for a killed command to be gone
NOT_THEIRS: Final = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")  # what systemd tells vipd alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a command."""

    status: int | None  # exit status; negative: ended by that signal; None: its time was up
    output: str  # the tail of what it printed, on stdout and stderr alike


async def run(argv: Sequence[str], *, timeout: Seconds, env: Mapping[str, str]) -> Finished:  # noqa: ASYNC109 - killing is part of it
    """Run a command to its end, or until its time is up, and leave nothing of its process group behind.

    `env` is added to our own environment. Raises OSError where the command cannot be started.
    """
    child = _Child(tuple(argv), env)
    status = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                status = await asyncio.shield(child.status)
    finally:
        await child.end()
    return Finished(status=status, output=child.output())


def spell(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:  # one of the real-time signals, which have no names
        return f"ended by signal {-status}"


async def reap_orphans() -> None:
    """As PID 1, collect the processes that are left to us. Anywhere else there are none: return at once."""
    if os.getpid() == 1:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, _collect)
        _collect()
        await loop.create_future()


class _Child:
    """A running command in a session of its own, and the pipe that it prints to."""

    def __init__(self, command: tuple[str, ...], env: Mapping[str, str]) -> None:
        if command in _undying:
            raise ChildProcessError("the last run was killed and is not gone yet")
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGCHLD, _collect)
        self._command = command
        self._tail = b""
        self._resting: asyncio.TimerHandle | None = None
        self._pipe, theirs = os.pipe()
        try:
            self._process = _start(command, env, theirs)
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(theirs)
        os.set_blocking(self._pipe, False)
        self._loop.add_reader(self._pipe, self._read)
        self.status: asyncio.Future[int] = self._loop.create_future()
        _children[self._process.pid] = self

    def output(self) -> str:
        return self._tail.decode(errors="replace")

    async def end(self) -> None:
        """Kill what still runs and see it off; one that the kernel does not let go of is left behind."""
        if self.status.done():
            return
        self._kill()
        try:
            async with asyncio.timeout(GRACE):
                await asyncio.shield(self.status)
        except TimeoutError:
            _undying.add(self._command)

    def look(self) -> None:
        """If the command has ended: take its last words and its status, and kill what it leaves behind."""
        if not os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        self._kill()  # the pid is not collected yet, so that no other group can have the number
        del _children[self._process.pid]
        _undying.discard(self._command)
        for _ in range(CHUNKS):
            if not self._take():
                break
        if self._resting:
            self._resting.cancel()
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        self.status.set_result(self._process.wait())

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        self._loop.remove_reader(self._pipe)
        if self._take():
            self._resting = self._loop.call_later(REST, self._loop.add_reader, self._pipe, self._read)

    def _take(self) -> bool:
        """Read one chunk and keep its tail; False where there is nothing to read."""
        try:
            octets = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return False
        self._tail = (self._tail + octets)[-TAIL:]
        return bool(octets)


_children: Final[dict[int, _Child]] = {}  # by pid
_undying: Final[set[tuple[str, ...]]] = set()  # killed, and still there: not to be started over and over


def _start(command: tuple[str, ...], env: Mapping[str, str], output: int) -> "subprocess.Popen[bytes]":
    ours = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
    return subprocess.Popen(  # noqa: S603 - to run the operator's command is what this is for
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        env={**ours, **env},
    )


def _collect() -> None:
    """Collect whatever has ended. A child starts and is noted in one turn: none is taken for an orphan."""
    for child in tuple(_children.values()):
        child.look()
    if os.getpid() == 1:
        with suppress(ChildProcessError):  # none at all
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in _children:
                    break  # it ended just now: its own signal is on the way
                os.waitpid(ended.si_pid, 0)
