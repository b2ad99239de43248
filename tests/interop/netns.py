"""Network namespaces, the wires between them, and the processes in them. Knows no daemon.

Everything that a `Lab` makes is gone when it is closed: namespaces by name, processes by pid.
"""

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

SYSCTL = (  # a router that answers at once: no duplicate address detection, no reverse path filter
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.accept_ra=0",
)


def wait_for(look: Callable[[], Found | None], what: str, timeout: float = 15.0) -> Found:
    """Look again until something is there, and return it: a daemon has no other way to tell us."""
    until = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {found!r}")
        time.sleep(0.05)
    return found


class Process:
    """A process in a namespace. Its output is in `log`."""

    def __init__(self, popen: subprocess.Popen, log: Path) -> None:
        self.popen = popen
        self.pid = popen.pid
        self.log = log

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def wait(self, timeout: float = 10.0) -> int:
        """Exit status; negative is the signal that ended it."""
        return self.popen.wait(timeout)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()


class Node:
    """One machine, as far as its network goes."""

    def __init__(self, lab: "Lab", name: str, namespace: str) -> None:
        self.lab = lab
        self.name = name
        self.namespace = namespace
        self.directory = lab.directory / name
        self.directory.mkdir()

    def run(self, *argv: str | Path, check: bool = True, timeout: float = 10.0) -> str:
        """Run a command to its end in here; its output. A failure names the command and its words."""
        return run("ip", "netns", "exec", self.namespace, *argv, check=check, timeout=timeout)

    def ip(self, *words: str) -> str:
        return run("ip", "-n", self.namespace, *words)

    def spawn(
        self, *argv: str | Path, log: str, env: Mapping[str, str] | None = None, append: bool = False
    ) -> Process:
        """Start a process that stays; `ip netns exec` becomes it, so its pid is ours to signal."""
        path = self.directory / log
        return self.lab.spawn("ip", "netns", "exec", self.namespace, *argv, log=path, env=env, append=append)

    def cut(self) -> None:
        """Lose every packet in and out; the carrier stays."""
        drop = "priority 0; policy drop;"
        self.run(
            "nft",
            f"table inet cut {{ chain i {{ type filter hook input {drop} }}; "
            f"chain o {{ type filter hook output {drop} }}; }}",
        )

    def mend(self) -> None:
        self.run("nft", "delete table inet cut")

    @contextlib.contextmanager
    def sending(self, rule: str) -> Iterator[None]:
        """Have a rule of nftables for what is sent from here."""
        chain = f"chain o {{ type filter hook output priority 0; {rule}; }};"
        self.run("nft", f"table inet sending {{ {chain} }}")
        try:
            yield
        finally:
            self.run("nft", "delete table inet sending")


class Lab:
    """The machines of one test."""

    _numbers = itertools.count()
    _indexes = itertools.count(100)  # of ports: no two of them have the same

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        # A daemon that gave up root must be able to reach its files: pytest's own tmp_path is closed.
        self.directory = Path(tempfile.mkdtemp(prefix=f"vipd{os.getpid()}-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.nodes: list[Node] = []
        self.processes: list[Process] = []
        self.closing = contextlib.ExitStack()  # what else is to be undone, before the rest is

    def node(self, name: str) -> Node:
        namespace = f"vipd{os.getpid()}-{next(self._numbers)}-{name}"
        run("ip", "netns", "add", namespace)
        node = Node(self, name, namespace)
        self.nodes.append(node)
        node.run("sysctl", "-qw", *SYSCTL)
        node.ip("link", "set", "lo", "up")
        return node

    def spawn(
        self, *argv: str | Path, log: Path, env: Mapping[str, str] | None = None, append: bool = False
    ) -> Process:
        """Start a process that stays, outside of all namespaces; it writes into `log`."""
        with log.open("ab" if append else "wb") as output:
            popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | (env or {}),
            )
        process = Process(popen, log)
        self.processes.append(process)
        return process

    def wire(self, a: Node, a_port: str, b: Node, b_port: str) -> None:
        """Connect two machines; either end is up and carries the addresses given to it later.

        Where both ends have the same number, each in its namespace, Linux takes a wire for a device that can
        wait, and tells of lost carriers once a second; of two machines it would tell at once.
        """
        ours, theirs = (("index", str(next(self._indexes))) for _ in range(2))
        run(
            *("ip", "link", "add", a_port, *ours, "netns", a.namespace, "type", "veth"),
            *("peer", "name", b_port, *theirs, "netns", b.namespace),
        )
        a.ip("link", "set", a_port, "up")
        b.ip("link", "set", b_port, "up")

    def close(self) -> None:
        """Stop and remove everything; print the tail of every log, which pytest shows of a failed test."""
        self.closing.close()
        for process in reversed(self.processes):
            process.signal(signal.SIGKILL)
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait()
        for node in self.nodes:
            clear(node.namespace)
        for log in sorted(self.directory.glob("*/*")):
            if not self.quiet and log.suffix in {".log", ".conf", ".toml"}:
                lines = log.read_text(errors="replace").splitlines()[-50:]
                print(f"----- {log.parent.name}/{log.name}", *lines, sep="\n")
        shutil.rmtree(self.directory, ignore_errors=True)


def lacking() -> list[str]:
    """What this kernel cannot do of what is asked of it here, tried in a namespace that is then removed."""
    namespace = f"vipd{os.getpid()}-trial"
    inside = ("ip", "-n", namespace)
    wire = ("link", "add", "end0", "type", "veth", "peer", "name", "end1")
    ways = [word for i in "12" for word in ("nexthop", "via", f"192.0.2.{i}", "dev", "lo", "onlink")]
    chain = "table inet t { chain i { type filter hook input priority 0; policy drop; }; }"
    trials = {
        "network namespaces (CONFIG_NET_NS)": ("ip", "netns", "add", namespace),
        "pairs of ports (CONFIG_VETH)": (*inside, *wire),
        "bridges (CONFIG_BRIDGE)": (*inside, "link", "add", "br0", "type", "bridge"),
        "a loopback": (*inside, "link", "set", "lo", "up"),
        "several ways to one prefix (CONFIG_IP_ROUTE_MULTIPATH)": (*inside, "route", "add", "default", *ways),
        "nftables (CONFIG_NF_TABLES_INET)": ("ip", "netns", "exec", namespace, "nft", chain),
    }
    found = []
    try:
        for feature, trial in trials.items():
            try:
                run(*trial)
            except AssertionError as error:
                found.append(f"this kernel, or what confines us, does not allow {feature}: {error}")
    finally:
        clear(namespace)
    return found


def clear(namespace: str) -> None:
    """Remove a namespace and what still runs in it."""
    for pid in run("ip", "netns", "pids", namespace, check=False).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    run("ip", "netns", "delete", namespace, check=False)


def clear_leftovers() -> None:
    """Remove what a run left behind that was itself killed: its pid is in the names."""
    for namespace in run("ip", "netns", "list").split():
        if abandoned(namespace):
            clear(namespace)
    for directory in Path("/tmp").glob("vipd*"):
        if abandoned(directory.name):
            shutil.rmtree(directory, ignore_errors=True)


def abandoned(name: str) -> bool:
    owner = re.match(r"vipd(\d+)-", name)
    return bool(owner) and not Path("/proc", owner[1]).exists()


def run(*argv: str | Path, check: bool = True, timeout: float = 10.0) -> str:
    done = subprocess.run(
        argv, check=False, timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if check and done.returncode:
        words = " ".join(map(str, argv))
        raise AssertionError(f"exit status {done.returncode}: {words}\n{done.stdout}{done.stderr}")
    return done.stdout
