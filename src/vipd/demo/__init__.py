"""`vipd demo`: a whole rack on loopback addresses. Three pods share three VIPs, and things befall them.

The pods are the real daemon, in processes of their own; the sessions are real TCP; the service is really
asked. The ToRs are ours, and they only listen. ZooKeeper's protocol is real; its server is ours, in memory,
or a real one on demand.
"""

import asyncio
import signal
import sys

from vipd.demo.play import Play

__all__ = ["run"]


def run(*, forever: bool, zookeeper: bool) -> int:
    """Play the story, and return an exit status: 0 when it went as told, or was interrupted.

    Args:
        forever: begin again at its end.
        zookeeper: have a real ZooKeeper.
    """
    try:
        return asyncio.run(_play(forever=forever, zookeeper=zookeeper))
    except asyncio.CancelledError:
        return 0


async def _play(*, forever: bool, zookeeper: bool) -> int:
    """Play until interrupted: once is to leave in order, twice is to kill what has not left."""
    playing = asyncio.current_task()
    assert playing is not None  # noqa: S101 - it is a coroutine
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    return await Play(terminal=sys.stdout.isatty(), real=zookeeper).play(forever=forever)
