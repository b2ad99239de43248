"""vipd with a closer look at its loop: how late it is, a line of milliseconds every hundredth of a second."""

import asyncio
import os
import sys
from pathlib import Path

from vipd import cli
from vipd.lag import Lag

OFTEN = 0.01


async def _note(file: Path) -> None:
    loop = asyncio.get_running_loop()
    with file.open("w", buffering=1) as lines:
        while True:
            due = loop.time() + OFTEN
            await asyncio.sleep(OFTEN)
            lines.write(f"{1000 * (loop.time() - due):.3f}\n")


async def _watch(self: Lag, watch=Lag.watch) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_note(Path(os.environ["VIPD_LATE"])))
        group.create_task(watch(self))


if __name__ == "__main__":
    Lag.watch = _watch
    sys.exit(cli.main())
