"""The processes of the demo: started with a log, ended in order, and waited for without a thread."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

Seconds = float

PATIENCE: Seconds = 8.0  # with a process that was told to end


class Process:
    """One process of ours. What it says is in its log, behind what its predecessors said. Raises OSError."""

    def __init__(self, argv: Sequence[str | Path], log: Path) -> None:
        with log.open("ab") as said:
            self._popen = subprocess.Popen(  # noqa: S603 - argv is ours
                argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    @property
    def runs(self) -> bool:
        return self._popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.runs:
            self._popen.send_signal(number)

    async def exit(self) -> int:
        """Return its exit status, as subprocess has it, once it has one."""
        if not self.runs:
            return self._popen.wait()
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        process_fd = os.pidfd_open(self._popen.pid)  # asyncio's own way would start a thread on Python 3.11
        loop.add_reader(process_fd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(process_fd)
            os.close(process_fd)
        return self._popen.wait()

    async def end(self) -> None:
        """End it as an orchestrator would: with SIGTERM, and with SIGKILL where that does not help."""
        if not self.runs:
            return
        self.send(signal.SIGTERM)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.exit()
        finally:
            if self.runs:
                self._popen.kill()
                self._popen.wait()
