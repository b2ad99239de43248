"""When a pod that was told to go may go: once its siblings have its VIPs, and nobody is served any more."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from vipd import subprocesses, words
from vipd.config import DrainConfig
from vipd.coord.member import Announcements
from vipd.latest import Latest

log = structlog.get_logger()

Seconds = float

ASKING: Final[Seconds] = 1.0  # between two runs of `done`, each of which may take ten times as long


async def handed_over(announcements: Latest[Mapping[str, Announcements]], drain: DrainConfig) -> None:
    """Return when nothing stands any more, or when it has waited for long enough."""
    with suppress(TimeoutError):
        async with asyncio.timeout(drain.timeout):
            await announcements.until(lambda decided: not _standing(decided))
    log.info("pod_handed_over", left=_standing(announcements.value))


async def unused(drain: DrainConfig, told_at: Seconds, *, stood: bool) -> None:
    """Return when open connections have had their time, which begins now.

    That is `linger`; or until `done` says that there are none, for at most what is left of `timeout`. But
    never less than `min` since we were told to go.

    Args:
        drain: how long, and whom to ask.
        told_at: when we were told to go.
        stood: whether anything was announced that could have brought connections.
    """
    if not stood:
        return
    loop = asyncio.get_running_loop()
    ends = loop.time() + drain.linger
    if drain.done is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(max(ends, told_at + drain.timeout)):
                await _done(drain.done)
        ends = 0.0
    await asyncio.sleep(max(ends, told_at + drain.min) - loop.time())


async def _done(command: tuple[str, ...]) -> None:
    """Return when the command has exited with 0."""
    refused = ""
    while True:
        try:
            finished = await subprocesses.run(command, timeout=10 * ASKING, env={})
        except OSError as error:
            if words.of(error) != refused:
                refused = words.of(error)
                log.warning("drain_done_failed", reason=refused)
        else:
            if finished.status == 0:
                return
        await asyncio.sleep(ASKING)


def _standing(decided: Mapping[str, Announcements]) -> int:
    """How many VIPs are announced, those that others have already included."""
    return sum(each.rank(vip) is not None for each in decided.values() for vip in each.verdicts)
