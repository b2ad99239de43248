"""How late the event loop runs: the one figure that tells whether KEEPALIVEs can be on time."""

import asyncio
from typing import Never

Seconds = float

PERIOD: Seconds = 1.0  # often enough for a hold time of 3 s, rare enough to cost nothing


class Lag:
    """Sleeps, and notes how much too late it was woken."""

    def __init__(self) -> None:
        self.latest: Seconds = 0.0
        self.worst: Seconds = 0.0  # since the daemon's start

    async def watch(self) -> Never:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PERIOD
            await asyncio.sleep(PERIOD)
            self.latest = max(0.0, loop.time() - due)
            self.worst = max(self.worst, self.latest)
