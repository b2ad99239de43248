"""The rack of the demo: real vipd processes, real services, and what they say when asked."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

Seconds = float

PATIENCE: Seconds = 5.0  # with a pod that is asked or told something
API_PORT = 9179
SERVICE_PORT = 8080

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

[[service]]
name = "apex"
vips = ["{vip}"]

  [[service.check]]
  http = "{service}"
  interval = 1.0

[drain]
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


@dataclass(slots=True, kw_only=True)
class Pod:
    """One vipd process, told by a file, asked over its socket."""

    name: str
    address: str
    local_as: int
    vip: str
    service: Service
    folder: Path

    @property
    def metrics(self) -> str:
        return f"http://{self.address}:{API_PORT}/metrics"

    @property
    def socket(self) -> str:
        return str(self.folder / f"{self.name}.sock")

    @asynccontextmanager
    async def live(self, tors: list[str], port: int) -> AsyncIterator[None]:
        """Run the process while inside; end it as an orchestrator would, with SIGTERM."""
        config = self.folder / f"{self.name}.toml"
        config.write_text(
            CONFIG.format(
                local_as=self.local_as,
                address=self.address,
                port=port,
                tors=tors,
                vip=self.vip,
                service=self.service.url,
                api_port=API_PORT,
                socket=self.socket,
            )
        )
        with (self.folder / f"{self.name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - asyncio's own would start a thread on Python 3.11; argv is ours
                (sys.executable, "-m", "vipd", "run", "--config", str(config)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield
        finally:
            await _end(process)

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


async def _end(process: "subprocess.Popen[bytes]") -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    process_fd = os.pidfd_open(process.pid)
    loop.add_reader(process_fd, ended.set)
    process.terminate()
    try:
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    except TimeoutError:
        process.kill()
    finally:
        loop.remove_reader(process_fd)
        os.close(process_fd)
        process.wait()
