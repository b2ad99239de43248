"""A pod: vipd and the service that it speaks for."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from interop.netns import Node, Process, wait_for

VIPD = (sys.executable, "-m", "vipd")


class Pod:
    """Runs vipd in a node. Sections of its file are given as keywords, with underscores for hyphens."""

    def __init__(self, node: Node, name: str = "vipd") -> None:
        self.node = node
        self.name = name
        self.file = node.directory / f"{name}.toml"
        self.socket = node.directory / f"{name}.sock"
        self.environment = {"VIPD_SOCKET": str(self.socket)}
        self._process: Process | None = None
        self._logged = 0  # of its log, by those that ran before

    @property
    def process(self) -> Process:
        assert self._process, "vipd was not started"
        return self._process

    def write(self, **sections: object) -> None:
        sections.setdefault("drain", {"linger": 0.2})
        sections.setdefault("log", {"format": "json"})
        self.file.write_text(
            "".join(f"{name} = {toml(value)}\n" for name, value in hyphened(sections).items())
        )

    def start(self, *prefix: str, **sections: object) -> None:
        """Write the file and start vipd, as an argument of `prefix` where there is one."""
        self.write(**sections)
        self.launch(*prefix)

    def launch(self, *prefix: str) -> None:
        """Start vipd with the file as it is."""
        self._logged = len(self.log())
        self._process = self._launch(*prefix)
        exited = self._process.popen.poll
        wait_for(lambda: exited() is not None or self.lines("pod_started"), "vipd starts")
        assert exited() is None, self.log()

    def _launch(self, *prefix: str) -> Process:
        return self.node.spawn(
            *prefix,
            *VIPD,
            "run",
            "--config",
            self.file,
            log=f"{self.name}.log",
            env=self.environment,
            append=True,
        )

    def reload(self, **sections: object) -> None:
        self.write(**sections)
        self.process.signal(signal.SIGHUP)

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM; the exit status."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def ask(self, *words: str) -> str:
        """What a verb of the command line prints."""
        wait_for(self.socket.exists, "vipd can be asked, which it can a while after its sessions")
        variables = (f"{name}={value}" for name, value in self.environment.items())
        return self.node.run("env", *variables, *VIPD, *words)

    def status(self) -> dict:
        return json.loads(self.ask("status", "-o", "json"))

    def neighbor(self, address: str) -> dict:
        return next(n for n in self.status()["neighbors"] if n["address"] == address)

    def log(self) -> str:
        """All that it has logged, whoever ran."""
        return self._process.output() if self._process else ""

    def logs(self, *words: str, timeout: float = 15.0) -> str:
        """Wait for one event that holds all these words, and return its line."""
        return wait_for(lambda: next(iter(self.lines(*words)), None), f"{words} in vipd's log", timeout)

    def lines(self, *words: str) -> list[str]:
        """The lines that hold all these words, of who runs now or ran last."""
        logged = self.log()[self._logged :]
        return [line for line in logged.splitlines() if all(word in line for word in words)]

    def serve(self, port: int = 8080) -> "Service":
        return Service(self.node, port)


class Service:
    """A web server in a pod that can be broken and healed."""

    def __init__(self, node: Node, port: int) -> None:
        self._broken = node.directory / "broken"
        script = Path(__file__).with_name("service.py")
        self.process = node.spawn(
            *(sys.executable, "-u", script, str(port), node.name, self._broken), log="service.log"
        )
        wait_for(lambda: "ready" in self.process.output(), "the service answers")

    def fail(self) -> None:
        self._broken.touch()

    def heal(self) -> None:
        self._broken.unlink()


def hyphened(value: object) -> object:
    match value:
        case Mapping():
            return {key.replace("_", "-"): hyphened(item) for key, item in value.items()}
        case list() | tuple():
            return [hyphened(item) for item in value]
        case os.PathLike():
            return os.fspath(value)
        case _:
            return value


def toml(value: object) -> str:
    """A value as TOML writes it on one line; an array of tables is as good inline."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case _:
            return json.dumps(value)
