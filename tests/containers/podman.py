"""Containers in the namespaces of a Lab: vipd as its image runs it, and ToRs as theirs do."""

import contextlib
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from interop.bird import Bird
from interop.frr import Frr
from interop.netns import Lab, Node, Process, abandoned, run, wait_for
from interop.pod import Pod

ROOT = Path(__file__).parents[2]
VIPD, TOR_BIRD, TOR_FRR, NGINX = IMAGES = tuple(
    f"localhost/{name}" for name in ("vipd", "tor-bird", "tor-frr", "nginx")
)
USER = 65532
NOTHING = (  # what a container of ours is started with: it may write to its socket's directory, and no more
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/run/vipd:rw,noexec,size=1m,mode=1777"),
    *("--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", "128m", "--pids-limit", "64"),
)
RUN = ("podman", "--log-level", "fatal", "run", "--pull", "never", "--rm")  # else it misses systemd, aloud
os.environ["CONTAINERS_CONF"] = str(ROOT / "containers" / "containers.conf")


class Container:
    """One container, in the network of a node; it is gone when it ends, or its lab is closed."""

    def __init__(self, node: Node, image: str, *options: str) -> None:
        what = image.rpartition("/")[2].partition(":")[0]
        self.name = f"{node.namespace}-{what}"
        self._lab: Lab = node.lab
        self._log = node.directory / f"{what}.log"
        network = ("--network", f"ns:/run/netns/{node.namespace}")
        self._start = (*RUN, "--name", self.name, *network, *options, image)
        self._lab.closing.callback(self.remove)

    def start(self, *words: str) -> Process:
        return self._lab.spawn(*self._start, *words, log=self._log, append=True)

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a command inside, to its end."""
        return run("podman", "exec", self.name, *argv, check=check)

    def inspect(self) -> dict:
        return json.loads(run("podman", "inspect", self.name))[0]

    @property
    def pid(self) -> int:
        """As the machine counts."""
        return self.inspect()["State"]["Pid"]

    def signal(self, number: signal.Signals) -> None:
        run("podman", "kill", "--signal", number.name, self.name)

    def remove(self) -> None:
        run("podman", "rm", "--force", "--ignore", "--time", "0", self.name, check=False, timeout=30)


class ContainedPod(Pod):
    """A pod whose vipd is that of the image."""

    def __init__(self, node: Node, *options: str) -> None:
        super().__init__(node)
        mount = ("--volume", f"{self.file}:/etc/vipd/vipd.toml:ro")
        self.container = Container(node, VIPD, *NOTHING, *mount, *options)

    def _launch(self, *prefix: str) -> Process:
        return self.container.start(*prefix)

    def ask(self, *words: str) -> str:
        wait_for(self.alive, "vipd can be asked, which it can a while after its sessions")
        return self.container.run("vipd", *words)

    def alive(self) -> bool:
        """What the image's own health check says."""
        try:
            run("podman", "healthcheck", "run", self.container.name, timeout=30)
        except AssertionError:
            return False
        return True


class ContainedBird(Bird):
    def _launch(self, conf: Path) -> Process:
        here = self.node.directory
        options = ("--cap-add", "NET_ADMIN", "--volume", f"{here}:{here}")
        self._container = Container(
            self.node, TOR_BIRD, *options, "--volume", f"{conf}:/etc/bird/bird.conf:ro"
        )
        return self._container.start()

    def _ask(self, words: str, *, check: bool = True) -> str:
        return self._container.run("birdc", *words.split(" ", 1), check=check)


class ContainedFrr(Frr):
    def _launch(self) -> None:
        capabilities = (f"--cap-add={name}" for name in ("NET_ADMIN", "NET_RAW", "SYS_ADMIN"))
        self._container = Container(
            self.node, TOR_FRR, *capabilities, "--volume", f"{self.node.directory}:/etc/frr"
        )
        self._processes = [self._container.start()]

    def _ask(self, *commands: str, check: bool = True) -> str:
        words = [word for command in commands for word in ("-c", command)]
        return self._container.run("vtysh", *words, check=check)

    def log(self) -> str:
        return self._processes[0].output()


def missing(images: Sequence[str] = IMAGES) -> list[str]:
    return [
        image
        for image in images
        if image not in run("podman", "images", "--format", "{{.Repository}}").split()
    ]


def clear_leftovers() -> None:
    """Remove the containers of a run that was itself killed."""
    for name in run("podman", "ps", "--all", "--format", "{{.Names}}").split():
        if abandoned(name):
            with contextlib.suppress(AssertionError):
                run("podman", "rm", "--force", "--time", "0", name, timeout=30)
