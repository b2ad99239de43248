"""Addresses of hosts that a check names. Looked up in a process of its own, so that the loop never waits."""

import asyncio
import re
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from vipd import subprocesses, words

Seconds = float

KEPT: Final[Seconds] = 30.0  # between two look-ups of one name: getaddrinfo(3) tells no TTL

# The interpreter that runs us is there wherever we are, as getent(1) is not; -S spares it site-packages.
_LOOK_UP: Final = (sys.executable, "-I", "-S", "-c")
_PROGRAM: Final = """
import socket, sys
try:
    found = socket.getaddrinfo(sys.argv[1], None, type=socket.SOCK_STREAM)
except OSError as error:
    sys.exit(error.strerror)
print(*dict.fromkeys(address[0] for *_, address in found), sep="\\n")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    addresses: tuple[str, ...]
    until: Seconds


class Names:
    """What names have been looked up, and for how long that is believed."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    async def addresses(self, host: str, *, within: Seconds) -> tuple[str, ...]:
        """The addresses of a host, in the order to try them. Raises OSError where it has none.

        A literal is its own address, and localhost is the loopback (RFC 6761 section 6.3): neither is
        looked up. An answer outlives its time while there is no newer one.
        """
        if _is_literal(host):
            return (host,)
        if re.fullmatch(r"(.+\.)?localhost\.?", host, re.IGNORECASE):
            return ("127.0.0.1", "::1")
        now = asyncio.get_running_loop().time()
        known = self._known.get(host)
        if known is None or known.until <= now:
            try:
                addresses = await _look_up(host, within)
            except OSError:
                if known is None:
                    raise
                addresses = known.addresses
            known = self._known[host] = _Known(addresses=addresses, until=now + KEPT)
        return known.addresses


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _look_up(host: str, within: Seconds) -> tuple[str, ...]:
    finished = await subprocesses.run((*_LOOK_UP, _PROGRAM, host), timeout=within, env={})
    if finished.status is None:
        raise OSError(f"no answer about the name {host} within {within:g} s")
    if finished.status:
        raise OSError(f"{host}: {words.clause(finished.output.strip())}")
    return tuple(finished.output.split())
