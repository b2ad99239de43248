"""How each speaker is told to do the same job: its configuration, its start, how a change is handed over."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.collector import AS, Collector
from bench.processes import Running

OWN_AS = 64147


class Service:
    """A health check's other end. It notes when each answer of the present kind was given."""

    def __init__(self) -> None:
        self.good = True
        self.changed_at = 0.0
        self.answers: list[float] = []  # since the last change, CLOCK_MONOTONIC
        service = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response_only(200 if service.good else 503)
                self.send_header("Content-Length", "0")
                service.answers.append(time.monotonic())
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def turn(self, *, good: bool) -> None:
        self.answers.clear()
        self.changed_at = time.monotonic()
        self.good = good

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Speaker(ABC):
    """One speaker beside the collectors that listen for it."""

    name: str
    can_change = True  # a single change can be handed over without starting a process

    def __init__(self, folder: Path, collectors: Sequence[Collector], vips: Sequence[str]) -> None:
        self.folder = folder
        self.collectors = collectors
        self.vips = vips
        self.running: Running | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> Running:
        self.running = Running(self.command(), self.folder, self.environment())
        self.after_start()
        return self.running

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop()

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration; return what starts the speaker."""

    def environment(self) -> dict[str, str]:
        return {}

    def after_start(self) -> None:
        """Give it what its configuration cannot hold: for most, nothing."""
        return

    def change(self, vips: Sequence[str], *, announce: bool) -> float:
        """Hand a change over; return when it was handed over, CLOCK_MONOTONIC."""
        raise ValueError(f"{self.name} is given no changes: its client takes one route a process")


class Vipd(Speaker):
    """A change reaches vipd as it does in life: the answer to its check turns."""

    name = "vipd"

    def __init__(
        self,
        folder: Path,
        collectors: Sequence[Collector],
        vips: Sequence[str],
        *,
        check: str | None = None,  # the keys of the check, without its URL
        loopback: bool = False,
        late: bool = False,  # have it note how late its loop is
        bfd: float | None = None,  # seconds, three times which every session is watched
    ) -> None:
        super().__init__(folder, collectors, vips)
        self._bfd = bfd
        self._late = late
        self.service = Service() if check is not None else None
        self._check = check
        self._loopback = loopback

    def command(self) -> list[str]:
        lines = [f'[speaker]\nlocal-as = {OWN_AS}\nrouter-id = "10.9.9.9"\n']
        lines += [
            f'[[neighbor]]\naddress = "{collector.address}"\nport = {collector.port}\npeer-as = {AS}\n'
            for collector in self.collectors
        ]
        if self._bfd is not None:
            lines.append(
                f'[neighbor-defaults]\nlocal-address = "127.0.0.1"\nbfd = true\nbfd-interval = {self._bfd}\n'
            )
        lines.append(f'[[service]]\nname = "apex"\nvips = {json.dumps(list(self.vips))}\n')
        if self.service is not None:
            lines.append(f'[[service.check]]\nhttp = "{self.service.url}"\n{self._check}\n')
        if self._loopback:
            lines.append("[loopback]\nmanage = true\n")
        lines.append(f'[api]\nlisten = "127.0.0.1:{_free_port()}"\nsocket = "{self.folder}/vipd.sock"\n')
        path = self.folder / "vipd.toml"
        path.write_text("\n".join(lines))
        program = [str(Path(__file__).with_name("late.py"))] if self._late else ["-m", "vipd"]
        return [sys.executable, *program, "run", "--config", str(path)]

    def environment(self) -> dict[str, str]:
        return {"VIPD_LATE": str(self.folder / "late")} if self._late else {}

    def late(self) -> list[float]:
        """Milliseconds by which its loop has been late so far, a hundredth of a second apart."""
        return [float(line) for line in (self.folder / "late").read_text().split("\n")[:-1]]

    def change(self, vips: Sequence[str], *, announce: bool) -> float:
        assert self.service is not None
        self.service.turn(good=announce)
        return self.service.changed_at

    def stop(self) -> None:
        super().stop()
        if self.service is not None:
            self.service.close()


class Exabgp(Speaker):
    """Its API: lines that a helper process relays from a pipe."""

    name = "exabgp 5"

    def __init__(
        self,
        folder: Path,
        collectors: Sequence[Collector],
        vips: Sequence[str],
        *,
        healthcheck: str | None = None,
    ) -> None:
        super().__init__(folder, collectors, vips)
        self._healthcheck = healthcheck
        self.service = Service() if healthcheck is not None else None
        self._pipe = folder / "pipe"

    def command(self) -> list[str]:
        os.mkfifo(self._pipe)
        bin_folder = Path(sys.executable).parent
        if self.service is not None:
            run = (
                f"{bin_folder}/python -m exabgp healthcheck --no-syslog {self._healthcheck} "
                f"--cmd 'curl -sf -o /dev/null {self.service.url}' --no-ip-setup "
                + " ".join(f"--ip {vip}/32" for vip in self.vips)
            )
            routes = ""
        else:
            run = f"/bin/sh -c 'exec cat <>{self._pipe}'"
            routes = "static {\n" + "".join(f"route {v}/32 next-hop self;\n" for v in self.vips) + "}\n"
        text = f"process feed {{ run {run}; encoder text; }}\n"
        for collector in self.collectors:
            text += (
                f"neighbor {collector.address} {{ router-id 10.9.9.9; local-address 127.0.0.1; "
                f"local-as {OWN_AS}; peer-as {AS}; connect {collector.port}; hold-time 9; "
                f"family {{ ipv4 unicast; }} api {{ processes [ feed ]; }} {routes} }}\n"
            )
        path = self.folder / "exabgp.conf"
        path.write_text(text)
        return [str(bin_folder / "exabgp"), "server", str(path)]

    def environment(self) -> dict[str, str]:
        return {
            "exabgp_daemon_user": "root",
            "exabgp_log_level": "ERROR",
            # The health check waits for each answer; whoever feeds the pipe reads none.
            "exabgp_api_ack": "false" if self.service is None else "true",
            "exabgp_tcp_port": "0",
        }

    def change(self, vips: Sequence[str], *, announce: bool) -> float:
        if self.service is not None:
            self.service.turn(good=announce)
            return self.service.changed_at
        verb = "announce" if announce else "withdraw"
        octets = "".join(f"{verb} route {vip}/32 next-hop self\n" for vip in vips).encode()
        with self._pipe.open("wb", buffering=0) as pipe:
            at = time.monotonic()
            pipe.write(octets)
        return at

    def stop(self) -> None:
        super().stop()
        if self.service is not None:
            self.service.close()


class Bird(Speaker):
    """A new configuration, and `configure` through its control socket."""

    name = "BIRD 2"

    def _write(self) -> Path:
        text = 'router id 10.9.9.9;\nprotocol device {}\nprotocol static vips { ipv4;\ninclude "vips";\n}\n'
        for number, collector in enumerate(self.collectors):
            text += (
                f"protocol bgp c{number} {{ local 127.0.0.1 port 17900 as {OWN_AS}; "
                f"neighbor {collector.address} port {collector.port} as {AS}; multihop; "
                "hold time 9; connect delay time 1; connect retry time 1; error wait time 1,2; "
                "ipv4 { import none; export all; next hop self; }; }\n"
            )
        (self.folder / "vips").write_text("".join(f"route {vip}/32 blackhole;\n" for vip in self.vips))
        path = self.folder / "bird.conf"
        path.write_text(text)
        return path

    def command(self) -> list[str]:
        control, pid = self.folder / "ctl", self.folder / "pid"
        return ["bird", "-f", "-c", str(self._write()), "-s", str(control), "-P", str(pid)]

    def change(self, vips: Sequence[str], *, announce: bool) -> float:
        changed = set(vips)
        kept = [vip for vip in self.vips if vip not in changed]
        self.vips = kept + list(vips) if announce else kept
        self._write()
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "ctl"))
            control.recv(4096)
            at = time.monotonic()
            control.sendall(b"configure\n")
            while b"\n" not in control.recv(65536):
                pass
        return at


class Gobgp(Speaker):
    """Its configuration knows no routes: its own client adds them, a process each time."""

    name = "GoBGP 3"
    can_change = False

    def command(self) -> list[str]:
        self._api = _free_port()
        text = f'[global.config]\nas = {OWN_AS}\nrouter-id = "10.9.9.9"\nport = -1\n'
        for collector in self.collectors:
            text += (
                f'[[neighbors]]\n[neighbors.config]\nneighbor-address = "{collector.address}"\n'
                f"peer-as = {AS}\n"
                "[neighbors.timers.config]\nconnect-retry = 1\nhold-time = 9\nkeepalive-interval = 3\n"
                f'[neighbors.transport.config]\nremote-port = {collector.port}\nlocal-address = "127.0.0.1"\n'
                "[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = 5\n"
            )
        path = self.folder / "gobgp.toml"
        path.write_text(text)
        return [
            "gobgpd", "-f", str(path), "--api-hosts", f"127.0.0.1:{self._api}",
            "--pprof-disable", "-l", "error",
        ]  # fmt: skip

    def after_start(self) -> None:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._api), 0.2):
                break
            time.sleep(0.02)  # its API opens some time after its start, and nothing tells when
        else:
            raise TimeoutError("gobgpd does not open its API")
        for vip in self.vips:
            subprocess.run(
                ["gobgp", "-p", str(self._api), "global", "rib", "add", f"{vip}/32", "nexthop", "127.0.0.1"],
                check=True,
                capture_output=True,
            )


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
