"""A whole daemon whose check is what go-nerve reports, in real ZooKeeper, written by another client."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from interop.test_siblings import PORT, SUBNETS, elsewhere
from interop.zookeeper import LoopbackEnsemble
from vipd.demo.tor import Tor

VIP = "192.0.2.1"
CONFIG = """
[speaker]
local-as = 64147
router-id = "{address}"
listen = []
[[neighbor]]
address = "{tor}"
peer-as = "external"
port = {port}
local-address = "{address}"
connect-retry = 0.2
[coordination]
servers = {servers}
root = "/nerve-{pid}/vipd"
[[service]]
name = "apex"
vips = ["192.0.2.1"]
  [[service.check]]
  nerve = "/nerve-{pid}/services/apex"
  nerve-host = "10.0.0.5"
  interval = 0.1
  rise = 1
  fall = 1
[drain]
linger = 0.1
timeout = 0
[api]
listen = ""
socket = "{folder}/vipd.sock"
[log]
format = "json"
level = "debug"
"""


class Pod:
    """The daemon, its ToR, and nerve beside it."""

    def __init__(self, folder: Path, zookeeper: KazooClient, tor: Tor) -> None:
        self.folder = folder
        self.tor = tor
        self.path = f"/nerve-{os.getpid()}/services/apex"
        self._zookeeper = zookeeper
        self._node: str | None = None

    def log(self) -> str:
        return (self.folder / "vipd.log").read_text()

    async def says(self, sentence: str) -> None:
        """Wait until it says so of its check, and announces nothing."""
        await elsewhere(lambda: sentence in self.log())
        await elsewhere(lambda: not self.tor.routes)

    async def announces(self) -> None:
        await elsewhere(lambda: bool(self.tor.routes))

    def report(self, octets: bytes) -> None:
        """As nerve does it: protected, with the host in its name, and gone with the session."""
        if self._node is not None:
            self._zookeeper.set(self._node, octets)
            return
        name = f"{self.path}/_c_7d1e5c-apex_10.0.0.5_"
        self._node = self._zookeeper.create(name, octets, ephemeral=True, sequence=True, makepath=True)

    def vanish(self) -> None:
        self._zookeeper.delete(self._node)
        self._node = None


@asynccontextmanager
async def _pod(folder: Path, ensemble: LoopbackEnsemble) -> AsyncIterator[Pod]:
    subnet = next(SUBNETS)
    base = f"127.{1 + (subnet >> 8) % 250}.{subnet & 0xFF}"
    places = [f"{address}:{port}" for address, port in ensemble.places()]
    nothing: Callable[..., None] = lambda *_: None  # noqa: E731 - it is an argument, twice
    tor = Tor(f"{base}.1", 64001, changed=nothing, parted=nothing)
    path = folder / "vipd.toml"
    path.write_text(
        CONFIG.format(
            address=f"{base}.11",
            tor=tor.address,
            port=PORT,
            servers=json.dumps(places),
            pid=os.getpid(),
            folder=folder,
        )
    )
    zookeeper = KazooClient(hosts=",".join(places))
    zookeeper.start(timeout=30)
    try:
        async with tor.serve(PORT):
            with (folder / "vipd.log").open("wb") as log:
                daemon = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "vipd", "run", "--config", str(path)), stdout=log, stderr=log
                )
            try:
                yield Pod(folder, zookeeper, tor)
            finally:
                daemon.kill()
                await daemon.wait()
    finally:
        zookeeper.stop()
        zookeeper.close()


@pytest.fixture
async def pod(tmp_path: Path, zookeeper_servers: LoopbackEnsemble) -> AsyncIterator[Pod]:
    zookeeper_servers.mend()
    async with _pod(tmp_path, zookeeper_servers) as made:
        yield made


async def test_what_nerve_reports_is_what_is_announced(pod):
    report = {"available": True, "host": "10.0.0.5", "port": 80, "name": "apex", "weight": 255}
    await pod.says(f"no report of 10.0.0.5 below {pod.path}: there never was one")
    pod.report(json.dumps(report).encode())
    await pod.announces()
    pod.report(json.dumps({**report, "available": False, "unavailable_reason": "503"}).encode())
    await pod.says("nerve says unavailable: 503")
    pod.report(json.dumps(report).encode())
    await pod.announces()
    pod.report(b"not JSON")
    await pod.says("is no report of nerve: it is not JSON")
    pod.report(json.dumps(report).encode())
    await pod.announces()
    pod.vanish()
    await pod.says(f"no report of 10.0.0.5 below {pod.path}: it has vanished")
    pod.report(json.dumps(report).encode())
    await pod.announces()
