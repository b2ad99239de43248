"""Whole daemons that share a service: real processes, real sessions, and a ZooKeeper server of our own."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from vipd.bgp.wire import Prefix
from vipd.demo.tor import Tor
from vipd.latest import Latest
from zookeeper_server import Server, serving

VIPS = [f"192.0.2.{number}" for number in range(1, 7)]
SUBNETS = itertools.count(os.getpid())
PORT = 1790
CONFIG = """
[speaker]
local-as = 64147
router-id = "{address}"
listen = []
[neighbor-defaults]
peer-as = "external"
port = {port}
local-address = "{address}"
connect-retry = 0.2
[[neighbor]]
address = "{tor}"
[coordination]
servers = ["127.0.0.1:{zookeeper}"]
pod-id = "{name}"
[[service]]
name = "apex"
vips = {vips}
[drain]
linger = 0.1
timeout = 600
[api]
listen = ""
socket = "{folder}/{name}.sock"
"""


async def elsewhere(happened) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110 - it has no event of ours to set
            await asyncio.sleep(0.02)


class Rack:
    """One ToR, some pods, and what the ToR has seen of them, in order."""

    def __init__(self, folder: Path) -> None:
        subnet = next(SUBNETS)
        self._base = f"127.{1 + (subnet >> 8) % 250}.{subnet & 0xFF}"
        self.folder = folder
        self.tor = Tor(f"{self._base}.1", 64001, changed=self._note, parted=self._part)
        self.zookeeper = Server()
        self.seen: list[tuple[str, str, str]] = []  # VIP, what, pod
        self.words: dict[str, str] = {}  # by pod: its last
        self.news = Latest(0)
        self.pods: dict[str, subprocess.Popen[bytes]] = {}
        self.port = 0  # of ZooKeeper

    def _note(self, pod: str, prefix: Prefix, change) -> None:
        self.seen.append((str(prefix).partition("/")[0], change.value, self._name(pod)))
        self.news.set(self.news.value + 1)

    def _part(self, pod: str, words: str) -> None:
        self.words[self._name(pod)] = words
        self.news.set(self.news.value + 1)

    def _name(self, address: str) -> str:
        return f"pod-{int(address.rpartition('.')[2]) - 10}"

    def start(self, number: int) -> None:
        name = f"pod-{number}"
        path = self.folder / f"{name}.toml"
        path.write_text(
            CONFIG.format(
                address=f"{self._base}.{10 + number}",
                tor=self.tor.address,
                port=PORT,
                zookeeper=self.port,
                name=name,
                vips=json.dumps(VIPS),
                folder=self.folder,
            )
        )
        with (self.folder / f"{name}.log").open("ab") as log:
            self.pods[name] = subprocess.Popen(
                [sys.executable, "-m", "vipd", "run", "--config", str(path)], stdout=log, stderr=log
            )

    def holders(self) -> dict[str, list[str]]:
        held = {vip: [] for vip in VIPS}
        for pod, prefix in self.tor.routes:
            held[str(prefix).partition("/")[0]].append(self._name(pod))
        return held

    def share(self, *pods: str) -> bool:
        """Whether each VIP is announced by one of these, and each of these announces some."""
        held = list(self.holders().values())
        return all(len(each) == 1 for each in held) and {each[0] for each in held} == set(pods)

    async def until(self, seen) -> None:
        async with asyncio.timeout(30):
            await self.news.until(lambda _: seen())

    async def exit(self, name: str) -> int:
        await elsewhere(lambda: self.pods[name].poll() is not None)
        return self.pods[name].returncode


@pytest.fixture
async def rack(tmp_path) -> AsyncIterator[Rack]:
    made = Rack(tmp_path)
    try:
        async with _served(made):
            yield made
    finally:
        for process in made.pods.values():
            process.kill()
            process.wait()


@asynccontextmanager
async def _served(rack: Rack) -> AsyncIterator[None]:
    async with serving(rack.zookeeper) as rack.port, rack.tor.serve(PORT):
        yield


async def test_a_pod_that_is_told_to_go_is_relieved_before_it_withdraws(rack):
    rack.start(1)
    rack.start(2)
    await rack.until(lambda: rack.share("pod-1", "pod-2"))
    moving = [vip for vip, pods in rack.holders().items() if pods == ["pod-1"]]
    rack.seen.clear()
    rack.pods["pod-1"].send_signal(signal.SIGTERM)
    await rack.until(lambda: rack.share("pod-2"))
    assert await rack.exit("pod-1") == 0
    for vip in moving:
        taken, gone = (vip, "announced", "pod-2"), (vip, "withdrawn", "pod-1")
        assert rack.seen.index(taken) < rack.seen.index(gone)
    assert "Administrative Shutdown" in rack.words["pod-1"]
    members = rack.zookeeper.realm.tree.names("/vipd/services/apex/members")
    assert [name.partition("~")[0] for name in members] == ["pod-2"]


async def test_a_second_signal_waits_for_nobody(rack):
    rack.start(1)
    await rack.until(lambda: rack.share("pod-1"))
    rack.pods["pod-1"].send_signal(signal.SIGTERM)  # nobody relieves it, for 600 s
    await elsewhere(lambda: "pod_told_to_leave" in (rack.folder / "pod-1.log").read_text())
    assert rack.share("pod-1")
    rack.pods["pod-1"].send_signal(signal.SIGTERM)
    assert await rack.exit("pod-1") == 0


async def test_zookeeper_may_go_and_come_and_nothing_moves(rack):
    rack.start(1)
    rack.start(2)
    await rack.until(lambda: rack.share("pod-1", "pod-2"))
    rack.seen.clear()
    rack.zookeeper.hang_up_at_once = True
    rack.zookeeper.reset_all()
    await asyncio.sleep(4)  # longer than the lease
    rack.zookeeper.hang_up_at_once = False
    await elsewhere(lambda: len(rack.zookeeper.open) == 2)
    await asyncio.sleep(2)
    assert rack.seen == []
    assert rack.share("pod-1", "pod-2")
