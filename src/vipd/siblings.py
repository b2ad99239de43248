"""The way to this pod's siblings: through ZooKeeper, which is met once the sessions have had their start."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Never

import structlog

from vipd import children, imports, words
from vipd.config import CoordinationConfig
from vipd.config.sections import TlsConfig
from vipd.coord import membership
from vipd.coord.directory import Link
from vipd.coord.membership import Report, Wishes
from vipd.latest import Latest
from vipd.names import Names

log = structlog.get_logger()

Seconds = float

LOOK_UP: Final[Seconds] = 10.0  # for the addresses of a server's name
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
        self.link: Latest[Link] | None = None  # None: ZooKeeper is not asked, or not yet
        self.expirations = 0  # sessions that ZooKeeper has given up
        self._where = where
        self._wishes = wishes
        self._report = report
        self._after = after
        self._jitter = jitter
        self._names = Names()

    async def meet(self) -> Never:
        await children.follow(self._where, self._take_part)
        raise AssertionError("it has no end of its own")

    async def _take_part(self, _: str, config: CoordinationConfig) -> None:
        await self._after()
        await imports.staged("aiozk", "vipd.coord.zookeeper")
        from vipd.coord import zookeeper  # noqa: PLC0415 - it brings aiozk

        tls = None if config.tls is None else await _trust(config.tls)
        async with zookeeper.connect(
            config.ensemble, resolve=self._resolve, jitter=self._jitter, tls=tls
        ) as directory:
            self.link = directory.link
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
                self.link = None

    async def _count(self, link: Latest[Link]) -> None:
        session = 0
        async for now in link:
            if now.session_id not in {0, session}:
                self.expirations += session != 0
                session = now.session_id

    async def _resolve(self, name: str) -> tuple[str, ...]:
        return await self._names.addresses(name, within=LOOK_UP)


async def _trust(tls: TlsConfig) -> ssl.SSLContext:
    """Read the certificates; again and again, where that fails: they may be put there later."""
    refused = ""
    while True:
        try:
            return _context(tls)
        except OSError as error:  # ssl.SSLError is one
            reason = words.clause(str(error)) if isinstance(error, ssl.SSLError) else words.of(error)
            if reason != refused:
                refused = reason
                log.warning("zookeeper_tls_refused", reason=reason, ca=tls.ca, certificate=tls.certificate)
            await asyncio.sleep(AGAIN)


def _context(tls: TlsConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
