"""A vipd of flesh and blood, with ToRs on loopback addresses around it."""

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from conformance.tor import PATIENCE, Tor

LOCAL_AS, PEER_AS = 64512, 65001
ROUTER_ID = "10.0.0.5"
VIPS = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
NEXT_HOP6 = "2001:db8::5"
START = 60.0  # seconds for a process to come up, of which many do at once, on two cores that others use too

_HOSTS = itertools.count(1)


def loopback_address() -> str:
    """An address of lo that no other test uses, in this process or another."""
    pid, host = os.getpid(), next(_HOSTS)
    return f"127.{1 + (pid >> 8) % 250}.{pid & 0xFF}.{host}"


class Pod:
    """One vipd. Its neighbours come in kinds, several of each, so that a test need not wait for one."""

    def __init__(
        self, directory: Path, *, vips: list[str] = VIPS, linger: float = 0.1, graceful_shutdown: float = 0.0
    ) -> None:
        self.address = loopback_address()
        self.port = 0  # of all ToRs
        with socket.create_server((self.address, 0)) as free:
            self.listen = int(free.getsockname()[1])
        self._directory = directory
        self._file = directory / "vipd.toml"
        self._log = directory / "vipd.log"
        self._socket = directory / "vipd.sock"
        self._vips = vips
        self._linger = linger
        self._graceful_shutdown = graceful_shutdown
        self._kinds: dict[str, list[Tor]] = defaultdict(list)
        self._turns: dict[str, Iterator[Tor]] = {}
        self._neighbors: dict[str, dict[str, object]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    # ---- the configuration ----

    def neighbor(self, kind: str, *, count: int = 1, asn: int = PEER_AS, **keys: object) -> None:
        """Add neighbours of a kind; `keys` with underscores for hyphens."""
        keys.setdefault("peer_as", asn)
        for number in range(count):
            address = str(keys.pop("address", None) or loopback_address())
            tor = Tor(f"{kind}-{number}", asn, address, self.port)
            self.port = tor.port
            self._kinds[kind].append(tor)
            own = {} if ":" in address else {"local_address": self.address}
            self._neighbors[tor.name] = {
                "name": tor.name,
                "address": address,
                "port": tor.port,
                **own,
                **keys,
            }

    def change(self, name: str, **keys: object) -> None:
        self._neighbors[name] |= keys

    def forget(self, name: str) -> None:
        del self._neighbors[name]

    def serve(self, *vips: str) -> None:
        self._vips = list(vips)

    def _write(self) -> None:
        neighbors = "".join(f"[[neighbor]]\n{_keys(keys)}\n" for keys in self._neighbors.values())
        self._file.write_text(f"""
[speaker]
local-as = {LOCAL_AS}
router-id = "{ROUTER_ID}"
listen = ["{self.address}:{self.listen}"]

[neighbor-defaults]
hold-time = 9
connect-retry = 0.1
idle-hold = 0.1
idle-hold-max = 0.1
next-hop = {{ipv6 = "{NEXT_HOP6}"}}

{neighbors}
[[service]]
name = "apex"
vips = {json.dumps(self._vips)}

[drain]
linger = {self._linger}
graceful-shutdown = {self._graceful_shutdown}

[api]
listen = ""
socket = "{self._socket}"

[log]
format = "json"
""")

    # ---- its life ----

    def start(self) -> None:
        self._write()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vipd", "run", "--config", self._file],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.logged("pod_started", patience=START)
        self.logged("listener_ready", patience=START)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def reload(self) -> None:
        self._write()
        self.signal(signal.SIGHUP)

    def close(self) -> None:
        """End it, and look that it had no accident."""
        for tor in itertools.chain.from_iterable(self._kinds.values()):
            tor.close()
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)
        log = self.log()
        assert "Traceback" not in log, log

    # ---- its neighbours, and what it says of them ----

    def tor(self, kind: str) -> Tor:
        """The next neighbour of that kind."""
        if kind not in self._turns:
            self._turns[kind] = itertools.cycle(self._kinds[kind])
        return next(self._turns[kind])

    def rest(self) -> None:
        for tor in itertools.chain.from_iterable(self._kinds.values()):
            tor.rest()

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def logged(self, *words: str, patience: float = PATIENCE) -> str:
        """Wait for a line of the log that holds all these words."""
        until = time.monotonic() + patience
        while True:
            for line in self.log().splitlines():
                if all(word in line for word in words):
                    return line
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, f"{words} not in:\n{self.log()}"
            time.sleep(0.01)

    def status(self, tor: Tor) -> dict:
        """What `vipd neighbors -o json` would tell of this one."""
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return next(n for n in self._ask()["neighbors"] if n["name"] == tor.name)
            assert time.monotonic() < until, "vipd does not answer at its socket"
            time.sleep(0.02)

    def _ask(self) -> dict:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(PATIENCE)
            connection.sock.connect(str(self._socket))
            connection.request("GET", "/status")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def _keys(keys: dict[str, object]) -> str:
    return "".join(f"{key.replace('_', '-')} = {json.dumps(value)}\n" for key, value in keys.items())
