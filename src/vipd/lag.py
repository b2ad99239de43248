"""How late the event loop runs: the one figure that tells whether KEEPALIVEs can be on time.

And whether this pod may have slept through something: by how late the loop is, and by how far the clock that
also counts while the machine is suspended has run ahead of the loop's.
"""

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import Never

Seconds = float

PERIOD: Seconds = 1.0  # often enough for a hold time of 3 s, rare enough to cost nothing


def _suspended() -> Seconds:
    """How long the machine has been suspended since it was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Lag:
    """Sleeps, and notes how much too late it was woken.

    Args:
        tolerable: what is a stall and what is not, asked every time.
        suspended: for how long the machine has been suspended, by whatever it is counted from.
    """

    def __init__(
        self, tolerable: Callable[[], Seconds] = lambda: inf, suspended: Callable[[], Seconds] = _suspended
    ) -> None:
        self.latest: Seconds = 0.0
        self.worst: Seconds = 0.0  # since the daemon's start
        self._tolerable = tolerable
        self._suspended = suspended
        self._asleep = suspended()
        self._due: Seconds = inf
        self._stalled_at: Seconds | None = None

    async def watch(self) -> Never:
        loop = asyncio.get_running_loop()
        while True:
            due = self._due = loop.time() + PERIOD
            await asyncio.sleep(PERIOD)
            self.latest = max(0.0, loop.time() - due)
            self.worst = max(self.worst, self.latest)
            self.stalled_at()

    def stalled_at(self) -> Seconds | None:
        """When a stall was last noticed, or is at this moment: whoever runs first after one may ask."""
        now, asleep, tolerable = asyncio.get_running_loop().time(), self._suspended(), self._tolerable()
        if now - self._due > tolerable or asleep - self._asleep > tolerable:
            self._stalled_at, self._asleep, self._due = now, asleep, max(self._due, now)
        return self._stalled_at
