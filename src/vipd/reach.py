"""The way to ZooKeeper, as a configuration tells it: servers, names, credentials, TLS."""

import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from vipd.config.sections import CoordinationConfig, TlsConfig
from vipd.coord.directory import Directory
from vipd.names import Names

Seconds = float

LOOK_UP: Final[Seconds] = 10.0  # for the addresses of a server's name


@asynccontextmanager
async def reach(config: CoordinationConfig) -> AsyncIterator[Directory]:
    """Have a session with ZooKeeper while inside. Raises OSError for files that TLS cannot use."""
    from vipd.coord import zookeeper  # noqa: PLC0415 - only whoever coordinates pays for aiozk

    tls = None if config.tls is None else context(config.tls)
    async with zookeeper.connect(
        config.ensemble,
        resolve=partial(Names().addresses, within=LOOK_UP),
        jitter=random.random,
        tls=tls,
    ) as directory:
        yield directory


def context(config: TlsConfig) -> ssl.SSLContext:
    """Return how TLS is spoken as a client. Raises OSError, of which ssl.SSLError is one."""
    made = ssl.create_default_context(cafile=config.ca)
    if not config.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if config.certificate is not None:
        made.load_cert_chain(config.certificate, config.key)
    return made
