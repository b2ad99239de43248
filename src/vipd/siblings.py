"""The way to this pod's siblings: through ZooKeeper, which is met once the sessions have had their start."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Never

import structlog

from vipd import children, imports, words
from vipd.config import CoordinationConfig
from vipd.coord import membership
from vipd.coord.directory import Directory
from vipd.coord.link import Link
from vipd.coord.membership import Report, Wishes
from vipd.latest import Latest
from vipd.reach import reach

log = structlog.get_logger()

Seconds = float

AGAIN: Final[Seconds] = 5.0  # between two looks at files that cannot be used

Where = Mapping[str, CoordinationConfig]  # of one key; empty: this pod announces its VIPs by itself


class Siblings:
    """Takes part wherever the configuration says, until cancelled.

    Args:
        where: what to follow.
        wishes: what the siblings are to know, by service.
        report: is told each view.
        after: returns when the sessions have had their start.
        jitter: draws from [0, 1).
    """

    def __init__(
        self,
        where: Latest[Where],
        wishes: Latest[Wishes],
        report: Report,
        *,
        after: Callable[[], Awaitable[None]],
        jitter: Callable[[], float],
    ) -> None:
        self.directory: Directory | None = None  # None: ZooKeeper is not asked, or not yet
        self.expirations = 0  # sessions that ZooKeeper has given up
        self._where = where
        self._wishes = wishes
        self._report = report
        self._after = after
        self._jitter = jitter

    @property
    def link(self) -> Latest[Link] | None:
        return None if self.directory is None else self.directory.link

    async def meet(self) -> Never:
        await children.follow(self._where, self._take_part)
        raise AssertionError("it has no end of its own")

    async def _take_part(self, _: str, config: CoordinationConfig) -> None:
        await self._after()
        await imports.staged("aiozk", "vipd.coord.zookeeper")
        refused = ""
        while True:
            try:
                async with reach(config) as directory:
                    await self._sit(directory, config)
            except OSError as error:  # of files that TLS cannot use: they may be put there later
                reason = words.clause(str(error)) if isinstance(error, ssl.SSLError) else words.of(error)
                if reason != refused:
                    refused = reason
                    log.warning("zookeeper_tls_refused", reason=reason)
                await asyncio.sleep(AGAIN)

    async def _sit(self, directory: Directory, config: CoordinationConfig) -> None:
        self.directory = directory
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._count(directory.link), name="expirations")
                await membership.take_part(
                    directory,
                    self._wishes,
                    self._report,
                    root=config.root,
                    pod=config.pod_id,
                    jitter=self._jitter,
                )
        finally:
            self.directory = None

    async def _count(self, link: Latest[Link]) -> None:
        session = 0
        async for now in link:
            if now.session_id not in {0, session}:
                self.expirations += session != 0
                session = now.session_id
