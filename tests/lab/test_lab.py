"""The laboratory with hot standby: a few of the scenarios of `make failover`, as the client sees them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from containers.podman import ROOT
from interop.fleet import T, living
from interop.netns import Lab, run, wait_for
from interop.wiring import fetch
from lab import med, scenarios
from lab.fabric import PREFIXES, VIPS, Fabric
from lab.measure import Run
from lab.measure import run as measure
from lab.scenarios import AWAY

HOLD_TIME = 9.0
AWARE = os.environ | {"PYTHONPATH": f"{ROOT / 'containers'}:{ROOT / 'tests'}"}
CIRCLE = 10  # datagrams: what a VIP loses where an FRR sends up again what the spines send down


@pytest.fixture(scope="module")
def fabric(images: None) -> Iterator[Fabric]:
    with living(partial(Fabric, mode="hot")) as fabric:
        yield fabric


def test_every_vip_is_served_by_the_pod_that_the_edge_prefers(fabric):
    for vip in VIPS:
        assert fetch(fabric.client, vip) == fabric.owner(vip).node.name


def test_a_killed_pod_is_replaced_by_its_standbys(fabric):
    seen = befall(fabric, "pod killed")
    assert seen.gap < T, "nobody waits for ZooKeeper"
    assert seen.told


@pytest.mark.parametrize("name", ["drained, undrained", "pod told to leave"])
def test_a_planned_move_leaves_the_edge_a_route_throughout(fabric, name):
    at = time.time()
    seen = befall(fabric, name)
    assert not fabric.gaps(at, PREFIXES)
    assert seen.lost < CIRCLE


def test_zookeeper_away_costs_nothing(fabric):
    seen = befall(fabric, "ZooKeeper down for")
    assert not seen.told
    assert seen.lost < CIRCLE


def test_a_silent_blackhole_is_noticed_by_bfd(images):
    with living(partial(Fabric, mode="bfd")) as fabric:
        seen = befall(fabric, "blackhole")
    assert seen.told
    assert seen.gap < HOLD_TIME / 2, "nobody waits for the hold timer"


def test_witnesses_replace_a_killed_pod_while_zookeeper_is_away(images):
    with living(partial(Fabric, mode="witness")) as fabric:
        seen = befall(fabric, "ZooKeeper down, pod killed")
    assert seen.told
    assert seen.gap < AWAY, "nobody waits for ZooKeeper"


def befall(fabric: Fabric, name: str) -> Run:
    (scenario,) = (each for each in scenarios.ALL if each.name.startswith(name))
    try:
        seen = measure(fabric, scenario)
    finally:
        scenarios.undo(fabric)
    print(seen)
    return seen


def test_med_is_gone_at_the_edge_and_prepending_is_not(images):
    lab = Lab()
    try:
        fabric = Fabric(lab)
        try:
            story = "\n".join(med.tell(fabric))
        finally:
            fabric.close()
    finally:
        lab.close()
    print(story)
    problem, one, standby, spread = story.split("connections, ")[1:5]
    assert "MED 10\n" in story
    assert "MED 500\n" in story
    assert "edge: AS path 65001 65101 65011, MED none" in story
    assert " to pod one, " in problem, "MED decides nothing"
    assert " to pod two\n" in problem
    assert one.startswith("200 to pod one\n")
    assert standby.startswith("200 to pod one\n")
    assert spread.startswith("200 to pod two\n"), "the standby, once the first is killed"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_nothing_is_left_of_it(images, end, tmp_path):
    log = tmp_path / "log"
    with log.open("w") as output:
        lab = subprocess.Popen(
            [sys.executable, "-m", "lab", "up"], env=AWARE, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: "It is up" in log.read_text() or lab.poll() is not None, "it is up", 90)
        assert lab.poll() is None, log.read_text()
        assert left(lab.pid)
        lab.send_signal(end)
        lab.wait(60)
        if end is signal.SIGKILL:
            subprocess.run([sys.executable, "-m", "lab", "down"], env=AWARE, timeout=60, check=True)
        wait_for(lambda: not left(lab.pid), "nothing is left of it", 20)
    finally:
        lab.kill()


def left(pid: int) -> list[str]:
    """What bears its mark: namespaces, containers, directories, and the processes that were told of these."""
    mark = f"vipd{pid}-"
    found = [name for name in run("ip", "netns", "list").split() if name.startswith(mark)]
    found += [name for name in run("podman", "ps", "-a", "--format", "{{.Names}}").split() if mark in name]
    found += [path.name for path in Path("/tmp").glob(f"{mark}*")]
    found += [line for line in run("ps", "-eo", "args").splitlines() if mark in line]
    return found + [line for line in Path("/proc/mounts").read_text().splitlines() if mark in line]
