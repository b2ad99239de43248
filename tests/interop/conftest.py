"""What every interop test stands on. A missing peer is an error here, never a skip."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.bird import Bird
from interop.frr import DAEMONS, Frr
from interop.netns import Lab, clear_leftovers, lacking
from interop.wiring import Rack
from interop.zookeeper import LoopbackEnsemble

PROGRAMS = (
    *("bird", "birdc", "vtysh", "gobgpd", "gobgp", "bgpd", "bgpctl"),
    *("curl", "ip", "nft", "ping", "promtool", "ss", "sysctl", "tcpdump", "unshare"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("interop")


@pytest.fixture(scope="session")
def machine() -> None:
    """A machine that these tests can run on, without what a killed run left on it."""
    reasons = unfit()
    assert not reasons, "; ".join(reasons)
    clear_leftovers()


def unfit() -> list[str]:
    """Why this machine cannot do it."""
    if os.geteuid() != 0:
        return ["network namespaces are made here: run it as root"]
    os.environ["PATH"] += os.pathsep + "/usr/sbin:/sbin"
    missing = [program for program in (*PROGRAMS, f"{DAEMONS}/bgpd") if not shutil.which(program)]
    return [f"not installed: {', '.join(missing)}; `make setup` installs them"] if missing else lacking()


@pytest.fixture
def lab(machine: None) -> Iterator[Lab]:
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture(params=[Bird, Frr], ids=["bird", "frr"])
def rack(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Rack]:
    rack = Rack(lab, request.param)
    yield rack
    assert "Traceback" not in rack.pod.log()


@pytest.fixture(scope="session")
def zookeeper_servers(machine: None) -> Iterator[LoopbackEnsemble]:
    ensemble = LoopbackEnsemble()
    try:
        yield ensemble
    finally:
        ensemble.close()


@pytest.fixture
def ensemble(zookeeper_servers: LoopbackEnsemble) -> Iterator[LoopbackEnsemble]:
    """Three ZooKeeper servers, whole again after each test; what was written stays."""
    try:
        yield zookeeper_servers
    finally:
        zookeeper_servers.mend()
