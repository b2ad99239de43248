"""The rack of the demo: real vipd processes, real services, and what they say when asked."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from vipd.demo.process import Process

Seconds = float

PATIENCE: Seconds = 5.0  # with a pod that is asked something
API_PORT = 9179
SERVICE_PORT = 8080

# The delays are shorter than a fleet would have them: nobody watches a demo for minutes.
CONFIG = """\
[speaker]
local-as = {local_as}
router-id = "{address}"

[neighbor-defaults]
port = {port}
local-address = "{address}"

[[neighbor]]
name = "tor-a"
address = "{tors[0]}"
peer-as = 64001

[[neighbor]]
name = "tor-b"
address = "{tors[1]}"
peer-as = 64002

[coordination]
servers = ["{zookeeper}"]
pod-id = "{name}"
session-timeout = {session_timeout}

[[service]]
name = "apex"
vip = [
{vips}
]
handback-delay = 1.0
handback-max = 1.0

  [[service.check]]
  http = "{service}"
  interval = 1.0

[drain]
timeout = 3.0
linger = 0.5

[api]
listen = "{address}:{api_port}"
socket = "{socket}"
"""


@dataclass(slots=True, kw_only=True)
class Service:
    """What a pod is there for: an HTTP service that can be broken at will."""

    address: str
    good: bool = True
    changed_at: Seconds = 0.0  # loop time
    answers: list[Seconds] = field(default_factory=list)  # since then

    def turn(self, *, good: bool) -> None:
        self.good = good
        self.changed_at = asyncio.get_running_loop().time()
        self.answers.clear()

    @property
    def status(self) -> HTTPStatus:
        return HTTPStatus.OK if self.good else HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def url(self) -> str:
        return f"http://{self.address}:{SERVICE_PORT}/"

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer while inside."""
        server = await asyncio.start_server(self._answer, self.address, SERVICE_PORT)
        async with server:
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nContent-Length: 0\r\n"
            self.answers.append(asyncio.get_running_loop().time())
            writer.write(f"{head}Connection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What all pods of the rack are told alike."""

    local_as: int
    tors: tuple[str, ...]
    port: int  # of BGP
    zookeeper: str  # host:port
    session_timeout: Seconds
    pins: Mapping[str, str]  # VIP to pod


@dataclass(slots=True, kw_only=True)
class Pod:
    """One vipd process, told by a file, asked over its socket."""

    name: str
    address: str
    vip: str  # that is pinned to it
    service: Service
    folder: Path
    place: Place
    killed: bool = False
    _process: Process | None = None

    @property
    def metrics(self) -> str:
        return f"http://{self.address}:{API_PORT}/metrics"

    @property
    def socket(self) -> str:
        return str(self.folder / f"{self.name}.sock")

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        config = self.folder / f"{self.name}.toml"
        place = self.place
        pins = (f'  {{address = "{vip}", pin = "{pod}"}},' for vip, pod in place.pins.items())
        config.write_text(
            CONFIG.format(
                name=self.name,
                address=self.address,
                local_as=place.local_as,
                tors=place.tors,
                port=place.port,
                zookeeper=place.zookeeper,
                session_timeout=place.session_timeout,
                vips="\n".join(pins),
                service=self.service.url,
                api_port=API_PORT,
                socket=self.socket,
            )
        )
        self._process = Process(_vipd("run", "--config", str(config)), self.log)
        self.killed = False

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None  # noqa: S101 - it was started
        self.killed = True
        self._process.send(signal.SIGKILL)
        await self._process.exit()

    async def end(self) -> None:
        if self._process is not None:
            await self._process.end()

    async def order(self, verb: str) -> None:
        """Say `vipd drain` or `vipd undrain` of it, as an operator would anywhere. Raises OSError."""
        log = self.folder / "orders.log"
        words = ("--reason", "shown in the demo", "--zookeeper", self.place.zookeeper)
        said = Process(_vipd(verb, self.name, *words), log)
        try:
            status = await said.exit()
        finally:
            await said.end()
        if status != 0:
            raise OSError(f"vipd {verb}: {log.read_text()}")

    async def status(self) -> dict[str, Any]:
        """Everything the pod tells of itself. Raises OSError while it does not answer."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(self.socket)
            writer.write(b"GET /status HTTP/1.0\r\n\r\n")
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise ConnectionError(f"{self.name} answered {head!r}")
        answer: dict[str, Any] = json.loads(body)
        return answer


def _vipd(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "vipd", *words)
