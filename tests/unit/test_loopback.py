"""Each story runs in a network namespace of its own: this file is also the program that tells it there."""

import asyncio
import json
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from vipd import loopback
from vipd.coord.member import Vip
from vipd.imports import staged
from vipd.latest import Latest
from vipd.loopback import Addresses, hold

FOUR, SIX = Vip("192.0.2.1"), Vip("2001:db8::1")
BOTH = frozenset({FOUR, SIX})
NOTHING = frozenset()

STORIES = {}
UNPRIVILEGED = {}


def story(tell):
    STORIES[tell.__name__] = tell
    return tell


def unprivileged(tell):
    UNPRIVILEGED[tell.__name__] = tell
    return tell


def ip(*words: str) -> str:
    return subprocess.run(("ip", *words), check=True, capture_output=True, text=True, timeout=10).stdout


async def add_marked(vip: str, prefixlen: int) -> None:
    """Add an address whose origin is ours: older versions of ip(8) cannot say that."""
    await staged("pyroute2")
    from pyroute2 import AsyncIPRoute  # noqa: PLC0415 - one of the stories is about when it is imported

    async with AsyncIPRoute() as kernel:
        await kernel.addr("add", index=1, address=vip, prefixlen=prefixlen, flags=2, proto=loopback.ORIGIN)


def shown(device: str = "lo") -> dict[str, dict]:
    """What ip(8) shows of the addresses of a device, without those it has by itself."""
    found = json.loads(ip("-json", "-details", "address", "show", "dev", device))
    entries = {entry["local"]: entry for entry in found[0]["addr_info"]}
    return {vip: entry for vip, entry in entries.items() if vip not in ("127.0.0.1", "::1")}


class Held:
    """`hold` at work, and what it reports."""

    def __init__(self, **addresses) -> None:
        self.wanted = Latest(Addresses(**{"manage": True, **addresses}))
        self.reports = []
        self._newest = Latest(None)
        self._task = asyncio.ensure_future(hold(self.wanted, self._report))

    def _report(self, held):
        self.reports.append(held)
        self._newest.set(held)

    async def until(self, *vips: str) -> None:
        async with asyncio.timeout(20):
            await self._newest.until(lambda held: held == frozenset(vips))

    async def leave(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@asynccontextmanager
async def holding(*vips: str, **addresses):
    held = Held(vips=frozenset(map(Vip, vips)), **addresses)
    try:
        yield held
    finally:
        await held.leave()


async def eventually(look) -> None:
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - ip(8) does not tell of changes
            await asyncio.sleep(0.02)


# --- managed -------------------------------------------------------------------------------------------


@story
async def vips_are_added_and_at_the_end_removed():
    async with holding(FOUR, SIX) as held:
        await held.until(FOUR, SIX)
        four, six = shown()[FOUR], shown()[SIX]
        assert (four["prefixlen"], four["label"], four["scope"]) == (32, "lo:vipd", "global")
        assert (six["prefixlen"], six["preferred_life_time"], six["deprecated"]) == (128, 0, True)
        assert six["nodad"]
        assert six["valid_life_time"] == 2**32 - 1
        assert held.reports == [NOTHING, BOTH]
    assert shown() == {}


@story
async def only_what_differs_is_touched():
    async with holding(FOUR, "192.0.2.2") as held:
        await held.until(FOUR, "192.0.2.2")
        added_at = shown()[FOUR]
        told = []
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as monitor:
            monitor.bind((0, loopback.RTMGRP_IPV4_IFADDR | loopback.RTMGRP_IPV6_IFADDR))
            held.wanted.set(replace(held.wanted.value, vips=BOTH))
            await held.until(FOUR, SIX)
            assert set(shown()) == BOTH
            monitor.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    told.append(monitor.recv(1 << 16))
        assert len(told) == 2
        assert all(socket.inet_aton(FOUR) not in message for message in told)
        assert shown()[FOUR] == added_at


@story
async def leftovers_of_a_crash_are_adopted_and_those_not_wanted_are_removed():
    for vip in (FOUR, "192.0.2.2"):
        ip("address", "add", f"{vip}/32", "dev", "lo", "label", "lo:vipd")
    for vip in (SIX, "2001:db8::2"):
        await add_marked(vip, 128)
    with capture_logs() as logs:
        async with holding(FOUR, SIX) as held:
            await held.until(FOUR, SIX)
            await eventually(lambda: set(shown()) == {FOUR, SIX})
            assert held.reports[0] == BOTH
    assert shown() == {}
    told = {line["event"]: (line["vips"], line["count"]) for line in logs[:2]}
    assert told == {
        "addresses_adopted": ([FOUR, SIX], 2),
        "addresses_removed": (["192.0.2.2", "2001:db8::2"], 2),
    }


@story
async def what_a_killed_vipd_left_behind_is_what_the_next_one_adopts():
    killed = subprocess.Popen([sys.executable, __file__, "be_killed"])  # noqa: ASYNC220 - it is the story
    await eventually(lambda: set(shown()) == {FOUR, SIX})
    killed.kill()
    killed.wait()
    async with holding(FOUR) as held:
        await eventually(lambda: set(shown()) == {FOUR})
        assert held.reports[0] == {FOUR}
    assert shown() == {}


@story
async def on_a_kernel_without_origins_a_deprecated_vip_on_lo_is_ours():
    loopback.ORIGINS = False
    ip("address", "add", f"{SIX}/128", "dev", "lo", "preferred_lft", "0")
    ip("address", "add", "2001:db8::2/128", "dev", "lo", "preferred_lft", "0")
    ip("address", "add", "2001:db8::3/128", "dev", "lo")
    async with holding(SIX, "2001:db8::3", "2001:db8::4") as held:
        await held.until(SIX, "2001:db8::3", "2001:db8::4")
        held.wanted.set(replace(held.wanted.value, vips=frozenset({Vip("2001:db8::4")})))
        await eventually(lambda: SIX not in shown())
    assert set(shown()) == {"2001:db8::2", "2001:db8::3"}


@story
async def addresses_of_others_are_held_and_stay():
    ip("address", "add", f"{FOUR}/32", "dev", "lo")
    ip("address", "add", f"{SIX}/128", "dev", "lo")
    ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    ip("address", "add", "192.0.2.2/24", "dev", "eth0")
    async with holding(FOUR, SIX, "192.0.2.2", "192.0.2.3") as held:
        await held.until(FOUR, SIX, "192.0.2.2", "192.0.2.3")
        assert set(shown()) == {FOUR, SIX, "192.0.2.3"}
        held.wanted.set(replace(held.wanted.value, vips=NOTHING))
        await held.until()
        await eventually(lambda: set(shown()) == {FOUR, SIX})
    assert set(shown()) == {FOUR, SIX}
    assert "192.0.2.2" in shown("eth0")


@story
async def ours_are_not_mistaken_for_wider_or_otherwise_labelled_ones():
    ip("address", "add", f"{FOUR}/24", "dev", "lo", "label", "lo:vipd")
    ip("address", "add", "198.51.100.1/32", "dev", "lo", "label", "lo:other")
    await add_marked("2001:db8::2", 64)
    async with holding("192.0.2.7") as held:
        await held.until("192.0.2.7")
    assert set(shown()) == {FOUR, "198.51.100.1", "2001:db8::2"}


@story
async def what_is_removed_behind_our_back_is_reported_missing_and_added_again():
    with capture_logs() as logs:
        async with holding(FOUR, SIX) as held:
            await held.until(FOUR, SIX)
            held.reports.clear()
            ip("address", "delete", f"{FOUR}/32", "dev", "lo")
            await eventually(lambda: len(held.reports) == 2)
            assert held.reports == [{SIX}, BOTH]
            assert shown()[FOUR]["label"] == "lo:vipd"
    lost = [(line["vips"], line["log_level"]) for line in logs if line["event"] == "addresses_lost"]
    assert lost == [([FOUR], "warning")]


@story
async def without_being_told_it_looks_every_few_seconds():
    loopback.RTMGRP_IPV4_IFADDR = 0  # the kernel tells nothing
    loopback.EVERY = 0.1
    async with holding(FOUR) as held:
        await held.until(FOUR)
        ip("address", "delete", f"{FOUR}/32", "dev", "lo")
        await held.until()
        await held.until(FOUR)


@story
async def another_label_is_for_new_addresses_and_the_old_ones_are_ours_still():
    async with holding(FOUR) as held:
        await held.until(FOUR)
        held.wanted.set(Addresses(vips=frozenset({FOUR, Vip("192.0.2.2")}), manage=True, label="other"))
        await held.until(FOUR, "192.0.2.2")
        assert {vip: entry["label"] for vip, entry in shown().items()} == {
            FOUR: "lo:vipd",
            "192.0.2.2": "lo:other",
        }
    assert shown() == {}


@story
async def a_refused_address_does_not_keep_the_others_away():
    with capture_logs() as logs:
        async with holding(FOUR, "ff02::7", SIX) as held:
            await held.until(FOUR, SIX)
            held.wanted.set(replace(held.wanted.value, vips=held.wanted.value.vips | {Vip("192.0.2.2")}))
            await held.until(FOUR, SIX, "192.0.2.2")
    refused = [line for line in logs if line["event"] == "addresses_refused"]
    assert len(refused) == 1
    assert (refused[0]["vips"], refused[0]["log_level"]) == (["ff02::7"], "error")
    assert shown() == {}


@story
async def a_thousand():
    vips = {f"10.0.{n // 256}.{n % 256}" for n in range(1000)}
    with capture_logs() as logs:
        async with holding(*vips) as held:
            await held.until(*vips)
            assert set(shown()) == vips
    assert shown() == {}
    assert [(line["event"], line["count"], len(line["vips"])) for line in logs] == [
        ("addresses_added", 1000, 10),
        ("addresses_removed", 1000, 10),
    ]


# --- watched -------------------------------------------------------------------------------------------


@story
async def watched_addresses_are_reported_wherever_they_are_and_never_touched():
    ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    ip("address", "add", f"{FOUR}/24", "dev", "eth0")
    async with holding(FOUR, SIX, manage=False) as held:
        await held.until(FOUR)
        ip("address", "add", f"{SIX}/128", "dev", "lo")
        await held.until(FOUR, SIX)
        ip("address", "add", "192.0.2.2/32", "dev", "lo")
        ip("address", "delete", f"{FOUR}/24", "dev", "eth0")
        await held.until(SIX)
        assert held.reports == [{FOUR}, BOTH, {SIX}]
        held.wanted.set(replace(held.wanted.value, vips=frozenset({Vip("192.0.2.2")})))
        await held.until("192.0.2.2")
    assert set(shown()) == {SIX, "192.0.2.2"}


@story
async def an_address_that_may_be_a_duplicate_is_not_there_yet():
    ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    ip("link", "set", "eth0", "up")  # without its other end there is no carrier, and no detection can end
    ip("address", "add", f"{SIX}/64", "dev", "eth0")
    async with holding(SIX, FOUR, manage=False) as held:
        ip("address", "add", f"{FOUR}/32", "dev", "lo")
        await held.until(FOUR)
        assert "tentative" in ip("address", "show", "dev", "eth0")
        ip("link", "set", "eth1", "up")
        await held.until(FOUR, SIX)


@story
async def where_nothing_is_wanted_nothing_is_imported():
    async with holding(manage=False) as held:
        await asyncio.sleep(0.05)
        assert "pyroute2" not in sys.modules
        assert held.reports == []
        ip("address", "add", f"{FOUR}/32", "dev", "lo")
        held.wanted.set(Addresses(vips=frozenset({FOUR})))
        await held.until(FOUR)
    assert set(shown()) == {FOUR}


@unprivileged
async def without_net_admin_it_is_said_once_and_what_is_there_is_reported():
    loopback.EVERY, loopback.RETRY, loopback.RETRY_MAX = 0.05, 0.05, 0.1
    with capture_logs() as logs:
        async with holding("127.0.0.1", FOUR, SIX) as held:
            await held.until("127.0.0.1")
            await asyncio.sleep(0.5)
            assert held.reports == [{"127.0.0.1"}]
    assert [(line["event"], line["reason"], line["vips"], line["log_level"]) for line in logs] == [
        ("addresses_refused", "to change addresses, NET_ADMIN is needed", [FOUR, SIX], "error")
    ]


# --- the telling ---------------------------------------------------------------------------------------


async def be_killed():
    async with holding(FOUR, SIX):
        await asyncio.sleep(1000)


def told_in_a_namespace(name: str, *drop: str) -> None:
    there = ("unshare", "--map-root-user", "--net", "/bin/sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    told = subprocess.run(
        [*there, *drop, sys.executable, "-W", "error", __file__, name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("name", STORIES)
def test_story(name):
    told_in_a_namespace(name)


@pytest.mark.parametrize("name", UNPRIVILEGED)
def test_story_without_privileges(name):
    told_in_a_namespace(name, "setpriv", "--bounding-set", "-net_admin")


if __name__ == "__main__":
    asyncio.run({**STORIES, **UNPRIVILEGED, "be_killed": be_killed}[sys.argv[1]]())
