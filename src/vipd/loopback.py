"""The VIPs as addresses of this machine: put on `lo` and kept there, or only watched.

The one part of vipd that needs NET_ADMIN, and only where it is told to manage them. An address that was
there already serves as well, and stays when we go. Ours are known by their marks, even after a crash: an
IPv4 address by its label, an IPv6 one by its origin (IFA_PROTO, Linux 5.18), or on an older kernel by
being a deprecated VIP on `lo`.

pyroute2 is imported when there is something to hold, in small steps.
"""

import asyncio
import errno
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Never, Protocol

import structlog

from vipd import words
from vipd.coord.member import Vip
from vipd.imports import staged
from vipd.latest import Latest

log = structlog.get_logger()

Seconds = float
Report = Callable[[frozenset[Vip]], None]

EVERY: Final[Seconds] = 5.0  # between comparisons that nothing gave rise to
REST: Final = 4  # after one that took t, there is none for 4 t
SHARE: Final = 100  # and none without a reason for 100 t
PATIENCE: Final[Seconds] = 30.0  # with the kernel, which answers at once
RETRY: Final[Seconds] = 1.0  # until what was refused is tried again; doubles up to:
RETRY_MAX: Final[Seconds] = 60.0
LEAVE: Final[Seconds] = 10.0  # to take our addresses away at the end
TURN: Final = 100  # addresses read before the loop has another turn
NAMED: Final = 10  # VIPs in a log line; of the others only the number

ORIGIN: Final = 118  # ours, as the origin of an address; those of the kernel are below 4
ORIGINS: Final = [*map(int, re.findall(r"\d+", os.uname().release)[:2])] >= [5, 18]  # are kept by the kernel

RTMGRP_IPV4_IFADDR: Final = 0x10  # linux/rtnetlink.h
RTMGRP_IPV6_IFADDR: Final = 0x100
IFA_F_NODAD: Final = 0x02  # linux/if_addr.h
IFA_F_DADFAILED: Final = 0x08
IFA_F_DEPRECATED: Final = 0x20
IFA_F_TENTATIVE: Final = 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The VIPs that should be on this machine, and whether it is us who see to it."""

    vips: frozenset[Vip] = frozenset()
    manage: bool = False
    label: str = "vipd"  # of IPv4 addresses, after "lo:"


class Kernel(Protocol):
    """As much as we need of a netlink connection."""

    async def addr(self, command: str, **address: Any) -> Any: ...


async def hold(wanted: Latest[Addresses], report: Report) -> Never:
    """Keep the wanted VIPs on this machine, and report which of them are there whenever that changes.

    What is ours is taken away when it is no longer wanted, and all of it at the end.
    """
    await wanted.until(lambda addresses: addresses.manage or bool(addresses.vips))
    await staged("pyroute2")
    holding = _Holding(wanted, report)
    news = Latest(0)  # counts what may have changed something
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_follow(wanted, news), name="wanted addresses")
            while True:
                try:
                    async with _kernel(news) as kernel:
                        await holding.keep(kernel, news)
                except OSError as error:
                    log.error("netlink_failed", reason=words.of(error), retry=EVERY)  # noqa: TRY400 - no bug
                    await asyncio.sleep(EVERY)
    finally:
        try:
            async with asyncio.timeout(LEAVE), _kernel(news) as kernel:
                await holding.leave(kernel)
        except OSError as error:
            log.error("addresses_left_behind", reason=words.of(error))  # noqa: TRY400 - no bug


async def _follow(wanted: Latest[Addresses], news: Latest[int]) -> Never:
    async for _ in wanted:
        news.set(news.value + 1)
    raise AssertionError("a Latest never ends")  # the loop above leaves only by an exception


@asynccontextmanager
async def _kernel(news: Latest[int]) -> AsyncIterator[Kernel]:
    """A way to ask the kernel, beside one on which it tells of changes: what it tells is only a hint."""
    from pyroute2.iproute.linux import AsyncIPRoute  # noqa: PLC0415 - staged by `hold`

    def hear() -> None:
        with suppress(OSError):  # nothing more; or there was more than the buffer holds
            while hints.recv(1 << 16):
                pass
        news.set(news.value + 1)

    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK) as hints:
        hints.bind((0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        loop.add_reader(hints, hear)
        try:
            async with AsyncIPRoute() as kernel:  # type: ignore[no-untyped-call] # pyroute2 has no types
                yield kernel
        finally:
            loop.remove_reader(hints)


class _Holding:
    """What is known of the addresses here, and the comparison of it with what is wanted."""

    def __init__(self, wanted: Latest[Addresses], report: Report) -> None:
        self._wanted = wanted
        self._report = report
        self._lo = socket.if_nametoindex("lo")
        self._held: frozenset[Vip] | None = None  # as reported
        self._ours: set[Vip] = set()
        self._refused: frozenset[Vip] = frozenset()  # not tried again before:
        self._retry_at: Seconds = 0.0
        self._retry: Seconds = RETRY
        self._said = ""  # of refusals, so that each is said once

    async def keep(self, kernel: Kernel, news: Latest[int]) -> Never:
        """Compare on every hint, and every few seconds without one. Raises OSError."""
        loop = asyncio.get_running_loop()
        while True:
            seen, began = news.value, loop.time()
            addresses = self._wanted.value
            self._tell(found := await self._read(kernel, addresses), addresses)
            took = loop.time() - began
            if addresses.manage and await self._repair(kernel, found, addresses):
                self._tell(await self._read(kernel, addresses), addresses)
            await asyncio.sleep(REST * took)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(EVERY, SHARE * took)):
                    await news.until(lambda count, seen=seen: count != seen)  # type: ignore[misc] # of this turn

    async def leave(self, kernel: Kernel) -> None:
        """Take away what is ours. Raises OSError."""
        addresses = self._wanted.value
        if addresses.manage:
            await self._read(kernel, addresses)
            refused = await self._change(kernel, "del", self._ours, addresses.label)
            if refused:
                raise OSError(", ".join(sorted(set(refused.values()))))

    def _tell(self, found: Mapping[Vip, bool], addresses: Addresses) -> None:
        held = frozenset(vip for vip in addresses.vips if found.get(vip))
        if held == self._held:
            return
        if lost := (self._held or frozenset()) & addresses.vips - held:
            log.warning("addresses_lost", **_named(lost))
        self._held = held
        self._report(held)

    async def _read(self, kernel: Kernel, addresses: Addresses) -> dict[Vip, bool]:
        """Every address of this machine, with whether packets to it are taken. Notes which are ours."""
        from pyroute2.netlink.exceptions import NetlinkDumpInterrupted  # noqa: PLC0415 - staged by `hold`

        async with asyncio.timeout(PATIENCE):
            while True:
                found: dict[Vip, bool] = {}
                ours: set[Vip] = set()
                try:
                    async for entry in await kernel.addr("dump"):
                        vip = Vip(entry.get("local") or entry.get("address"))
                        flags = entry.get("flags") or 0
                        usable = not flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)
                        found[vip] = found.get(vip, False) or usable
                        if not len(found) % TURN:
                            await asyncio.sleep(0)
                        if entry["index"] == self._lo and (
                            vip in self._ours or self._marked(vip, entry, flags, addresses)
                        ):
                            ours.add(vip)
                except NetlinkDumpInterrupted:  # something changed meanwhile
                    await asyncio.sleep(0)
                else:
                    break
        if adopted := (ours - self._ours) & addresses.vips:
            log.info("addresses_adopted", **_named(adopted))
        self._ours = ours
        return found

    def _marked(self, vip: Vip, entry: Mapping[str, Any], flags: int, addresses: Addresses) -> bool:
        if entry["family"] == socket.AF_INET:
            return entry["prefixlen"] == 32 and entry.get("label") == f"lo:{addresses.label}"
        if ORIGINS:
            return entry["prefixlen"] == 128 and entry.get("proto") == ORIGIN
        return entry["prefixlen"] == 128 and bool(flags & IFA_F_DEPRECATED) and vip in addresses.vips

    async def _repair(self, kernel: Kernel, found: Mapping[Vip, bool], addresses: Addresses) -> bool:
        """Remove what is ours and no longer wanted, add what is missing; whether anything was tried."""
        now = asyncio.get_running_loop().time()
        waiting = self._refused if now < self._retry_at else frozenset()
        surplus = self._ours - addresses.vips - waiting
        missing = addresses.vips - found.keys() - waiting
        if not surplus and not missing:
            return False
        refused = {
            **await self._change(kernel, "del", surplus, addresses.label),
            **await self._change(kernel, "add", missing, addresses.label),
        }
        self._refused = waiting | refused.keys()
        if refused:
            self._retry_at = now + self._retry
            self._retry = min(2 * self._retry, RETRY_MAX)
        elif not waiting:
            self._retry = RETRY
        said = ", ".join(sorted(set(refused.values())))
        if said and said != self._said:
            log.error("addresses_refused", reason=said, **_named(refused))
        self._said = (said or self._said) if waiting else said
        return True

    async def _change(self, kernel: Kernel, verb: str, vips: Collection[Vip], label: str) -> dict[Vip, str]:
        """Add or delete addresses, and return those that were refused, with the reason."""
        done: list[Vip] = []
        refused: dict[Vip, str] = {}
        pending = sorted(vips)
        for at, vip in enumerate(pending):
            try:
                async with asyncio.timeout(PATIENCE):
                    made = await _ask(kernel, verb, index=self._lo, address=vip, **_marks(verb, vip, label))
            except PermissionError:
                refused |= dict.fromkeys(pending[at:], "to change addresses, NET_ADMIN is needed")
                break  # the others would fare no better
            except OSError as error:
                refused[vip] = words.of(error)
            else:
                done += [vip] if made else []
        self._ours = self._ours.union(done) if verb == "add" else self._ours.difference(done)
        if done:
            log.info("addresses_added" if verb == "add" else "addresses_removed", **_named(done))
        return refused


def _marks(verb: str, vip: Vip, label: str) -> dict[str, Any]:
    """What else belongs to an address of ours."""
    if ":" not in vip:
        return {"prefixlen": 32} | ({"label": f"lo:{label}"} if verb == "add" else {})
    # Deprecated: it is never chosen as the source of our own connections. On `lo` nobody has the same one.
    return {"prefixlen": 128} | (
        {"preferred": 0, "flags": IFA_F_NODAD, "proto": ORIGIN} if verb == "add" else {}
    )


async def _ask(kernel: Kernel, verb: str, **address: Any) -> bool:
    """Make one change, or find that it is made already: then it is not ours. Raises OSError."""
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415 - staged by `hold`

    try:
        await kernel.addr(verb, **address)
    except NetlinkError as error:
        if error.code != {"add": errno.EEXIST, "del": errno.EADDRNOTAVAIL}[verb]:
            raise OSError(error.code, os.strerror(error.code)) from error
        return False
    return True


def _named(vips: Collection[Vip]) -> dict[str, Any]:
    return {"vips": sorted(vips)[:NAMED], "count": len(vips)}
