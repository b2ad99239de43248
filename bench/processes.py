"""Starting a speaker, and what its processes have cost, as the kernel counts it."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


class Running:
    """A speaker and everything that it started."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
                cwd=folder,
            )
        self.pid = self._process.pid

    def cpu(self) -> float:
        """User and system seconds of the tree so far, children that ended included."""
        total = 0
        for pid in self._tree():
            fields = _stat(pid)
            total += sum(map(int, fields[11:15])) if fields else 0
        return total / TICK

    def rss(self) -> float:
        """Resident MiB of the tree."""
        pages = 0
        for pid in self._tree():
            try:
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                continue
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _tree(self) -> list[int]:
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                parents[int(entry.name)] = int(fields[1])
        tree = [self.pid]
        for pid in tree:
            tree += [child for child, parent in parents.items() if parent == pid]
        return tree


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from `state` on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
