"""What a running container of vipd may do, what it listens on, and what it keeps to itself."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from containers.podman import USER, ContainedPod
from interop.bird import Bird
from interop.netns import Lab, Node, wait_for
from interop.tor import Neighbor, Tor
from interop.wiring import POD4, POD_AS, TOR4, TOR_AS, link, neighbor, service

VIP = "192.0.2.1"
NET_BIND_SERVICE, NET_ADMIN = 1 << 10, 1 << 12
KEY, CREDENTIALS = "the-key-of-the-session", "vipd:the-password-of-zookeeper"


class Scene:
    """One pod and its ToR."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.switch = lab.node("tor")
        self.node = lab.node("pod")
        link(lab, self.switch, self.node)
        self.pods: list[ContainedPod] = []

    def tor(self, **more: object) -> Tor:
        tor = Bird(
            self.switch,
            asn=TOR_AS,
            router_id=TOR4,
            neighbors=[Neighbor(address=POD4, peer_as=POD_AS, **more)],
        )
        tor.start()
        return tor

    def pod(self, *options: str, **sections: object) -> ContainedPod:
        pod = ContainedPod(self.node, *options)
        self.pods.append(pod)
        sections = {
            "speaker": {"local-as": POD_AS},
            "neighbor": [neighbor()],
            "service": [service(VIP)],
        } | sections
        pod.start(**sections)
        wait_for(pod.alive, "vipd answers")
        return pod


@pytest.fixture
def scene(housed: Lab) -> Iterator[Scene]:
    scene = Scene(housed)
    yield scene
    for pod in scene.pods:
        assert "Traceback" not in pod.log()


def test_it_needs_no_capability_and_can_get_none(scene):
    tor = scene.tor()
    pod = scene.pod()
    tor.learns(f"{VIP}/32")
    said = status(pod)
    assert {said[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert said["NoNewPrivs"] == "1"
    assert said["Seccomp"] == "2", "a filter"
    assert said["Uid"].split() == said["Gid"].split() == [str(USER)] * 4


@pytest.mark.parametrize(
    ("capability", "bit", "sections"),
    [
        ("NET_ADMIN", NET_ADMIN, {"loopback": {"manage": True}}),
        (
            "NET_BIND_SERVICE",
            NET_BIND_SERVICE,
            {
                "speaker": {"local-as": POD_AS, "listen": [f"{POD4}:179"]},
                "neighbor": [neighbor(passive=True)],
            },
        ),
    ],
    ids=["to-manage-the-loopback", "to-listen-on-179"],
)
def test_one_capability_is_enough_for_what_wants_it(scene, capability, bit, sections):
    tor = scene.tor(passive=False)
    pod = scene.pod("--cap-add", capability, **sections)
    tor.learns(f"{VIP}/32")
    assert int(status(pod)["CapEff"], 16) == int(status(pod)["CapBnd"], 16) == bit


def test_nothing_of_it_can_be_written_but_the_directory_of_its_socket(scene):
    pod = scene.pod()
    mounts = [line.split() for line in Path(f"/proc/{pod.container.pid}/mountinfo").read_text().splitlines()]
    places = [place for _, _, _, _, place, *_ in mounts if not place.startswith(("/proc", "/dev"))]
    assert places
    look = "import os, sys; print(*(place for place in sys.argv[1:] if os.access(place, os.W_OK)))"
    assert pod.container.run("python3", "-c", look, *places).split() == ["/run/vipd"]
    attempt = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('')"
    for place in ("/run/vipd/mine", "/etc/hosts", "/etc/vipd/vipd.toml", "/tmp/mine", "/mine", "/usr/mine"):
        said = pod.container.run("python3", "-c", f"{attempt}; print('written')", place, check=False)
        assert ("written" in said) == (place == "/run/vipd/mine"), place


def test_it_listens_where_it_was_told_to_and_nowhere_else(scene):
    scene.tor(passive=False)
    pod = scene.pod(
        "--cap-add",
        "NET_BIND_SERVICE",
        speaker={"local-as": POD_AS, "listen": [f"{POD4}:179"]},
        neighbor=[neighbor(passive=True)],
        api={"listen": "127.0.0.1:9999", "socket": "/run/vipd/vipd.sock"},
    )
    assert listening(scene.node) == {f"{POD4}:179", "127.0.0.1:9999"}
    assert unix_sockets(pod) == {"/run/vipd/vipd.sock"}


def test_one_that_only_dials_listens_for_prometheus_alone(scene):
    pod = scene.pod()
    assert listening(scene.node) == {"127.0.0.1:9179"}
    assert unix_sockets(pod) == {"/run/vipd/vipd.sock"}


def test_it_tells_nobody_its_secrets(scene):
    tor = scene.tor(password=KEY)
    secrets = {"key": KEY, "auth": CREDENTIALS}
    options = []
    for name, secret in secrets.items():
        file = scene.node.directory / name
        file.write_text(secret + "\n")
        file.chmod(0o400)
        os.chown(file, USER, USER)
        options += ["--volume", f"{file}:/run/secrets/{name}:ro"]
    pod = scene.pod(
        *options,
        neighbor=[neighbor(md5_password_file="/run/secrets/key")],
        coordination={"servers": [f"{TOR4}:2181"], "auth_file": "/run/secrets/auth", "grace": 0.1},
        log={"format": "json", "level": "debug"},
    )
    tor.learns(f"{VIP}/32")
    pod.logs("zookeeper_unreachable")
    proc = Path(f"/proc/{pod.container.pid}")
    ask = "import urllib.request, sys; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
    told = {
        "its arguments": (proc / "cmdline").read_text(),
        "its environment": (proc / "environ").read_text(),
        "its log": pod.log(),
        "vipd status": pod.ask("status", "-o", "json"),
        "vipd check": pod.ask("check"),
        "/metrics": pod.container.run("python3", "-c", ask, "http://127.0.0.1:9179/metrics"),
        "/status": pod.container.run("python3", "-c", ask, "http://127.0.0.1:9179/status"),
        "podman inspect": str(pod.container.inspect()),
    }
    for what, text in told.items():
        assert len(text) > 5, what
        for secret in (KEY, CREDENTIALS.partition(":")[2]):
            assert secret not in text, what


def status(pod: ContainedPod) -> dict[str, str]:
    lines = Path(f"/proc/{pod.container.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def listening(node: Node) -> set[str]:
    """Every TCP and UDP socket that waits for strangers."""
    lines = node.run("ss", "-H", "-l", "-n", "-t", "-u").splitlines()
    return {line.split()[4] for line in lines}


def unix_sockets(pod: ContainedPod) -> set[str]:
    """Those with a name that it has open."""
    table = Path(f"/proc/{pod.container.pid}/net/unix").read_text()
    names = dict(re.findall(r"^\S+: .* (\d+) (\S+)$", table, re.MULTILINE))
    links = Path(f"/proc/{pod.container.pid}/fd").iterdir()
    inodes = {found[1] for link in links if (found := re.match(r"socket:\[(\d+)\]", str(link.readlink())))}
    return {names[inode] for inode in inodes & names.keys()}
