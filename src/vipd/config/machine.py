"""What the reader asks of the machine it runs on. Nothing is sent and nothing is changed."""

import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path


def gateways() -> tuple[str, ...]:
    """Return the addresses of the default gateways. Raises OSError."""
    from vipd.gateways import default_gateways  # noqa: PLC0415 - most files name their neighbours

    return default_gateways()


def source_address(towards: str) -> IPv4Address | None:
    """Return the IPv4 address that the kernel would connect from; None where it knows no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, 179))  # of a datagram socket: looks up the route, sends nothing
        except OSError:
            return None
        return IPv4Address(probe.getsockname()[0])


def own_addresses() -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses of this machine, the highest first, without those of 127.0.0.0/8."""
    try:
        trie = Path("/proc/net/fib_trie").read_text("ascii")
    except OSError:
        return ()
    found = {IPv4Address(each) for each in re.findall(r"\|-- ([0-9.]+)\n +/32 host LOCAL", trie)}
    return tuple(sorted((each for each in found if not each.is_loopback), reverse=True))


def read_file(path: str) -> tuple[bytes, bool]:
    """Return what a file holds, at most 4 KiB of it, and whether everybody may read it. Raises OSError."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold us up
    try:
        return os.read(opened, 4096), bool(os.fstat(opened).st_mode & 0o004)
    finally:
        os.close(opened)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """These questions, so that a test can answer them."""

    gateways: Callable[[], tuple[str, ...]] = gateways
    source_address: Callable[[str], IPv4Address | None] = source_address
    own_addresses: Callable[[], tuple[IPv4Address, ...]] = own_addresses
    hostname: Callable[[], str] = socket.gethostname
    read_file: Callable[[str], tuple[bytes, bool]] = read_file
