"""The routers as witnesses, on a whole fleet: what BIRD and FRR tell pods of each other, and what follows."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from interop.fleet import PREFIXES, SERVICE, Fleet, living
from interop.netns import wait_for

RUNS = 3


@pytest.fixture(scope="module")
def built(machine: None) -> Iterator[Fleet]:
    with living(partial(Fleet, witnesses=True)) as fleet:
        yield fleet


@pytest.fixture
def fleet(built: Fleet) -> Iterator[Fleet]:
    """The fleet, settled, with every pod a witness of what it does not announce."""
    built.mend()
    have_witnesses(built)
    yield built
    for pod in built.pods:
        assert "Traceback" not in pod.log()


def have_witnesses(fleet: Fleet) -> None:
    """By the new policy the sessions begin anew, so the VIPs go away and come back."""
    for pod in fleet.pods:
        pod.share_by(witness=True)
    seen = "every pod sees what the others announce"
    wait_for(lambda: all(pod.is_witness() for pod in fleet.pods), seen, 60.0)
    fleet.settled()


def test_while_zookeeper_is_away_what_a_dead_pod_had_is_announced_by_the_next_in_line(fleet):
    gaps = []
    for run in range(RUNS):
        victim = fleet.pods[run % len(fleet.pods)]
        lost = victim.announces()
        fleet.zookeeper_down()
        others = [pod for pod in fleet.pods if pod is not victim]
        for pod in others:
            wait_for(lambda pod=pod: pod.words() & {"HELD"}, "it knows that ZooKeeper is away", 30.0)
        since = time.time()
        victim.process.signal(signal.SIGKILL)
        wait_for(lambda lost=lost, others=others: lost <= took(others), "the next in line have them", 30.0)
        wait_for(lambda lost=lost, since=since: over(fleet, since, lost), "the edge has them all again", 30.0)
        gaps += [gap.seconds for gap in fleet.gaps(since, lost)]
        assert {pod.pod_id for prefix in lost for pod in others if prefix in pod.announces()}
        fleet.mend()
        have_witnesses(fleet)
    gaps.sort()
    print(f"the edge was without for {gaps[len(gaps) // 2]:.3f} s in the middle, {gaps[-1]:.3f} at worst")


def bare(prefix: str) -> str:
    return prefix.partition("/")[0]


def took(pods) -> frozenset[str]:
    return frozenset().union(*(pod.announces() for pod in pods))


def over(fleet, since, prefixes) -> bool:
    return all(gap.seconds < float("inf") for gap in fleet.gaps(since, prefixes))


def test_with_zookeeper_it_does_not_wait_for_the_session_of_the_dead(fleet):
    victim, *others = fleet.pods
    lost, before = victim.announces(), {pod: len(pod.log()) for pod in others}
    victim.process.signal(signal.SIGKILL)
    wait_for(lambda: lost <= took(others), "the next in line have them")
    events = [json.loads(line) for pod in others for line in pod.log()[before[pod] :].splitlines()]
    witnessed = {vip for event in events if event.get("new") == "WITNESSED" for vip in event["vips"]}
    assert witnessed == set(map(bare, lost))


def test_what_reaches_nobody_is_told(fleet):
    *others, three = fleet.pods
    for pod in others:
        pod.stop()
    wait_for(lambda: len(three.announces()) == len(PREFIXES), "it has everything")
    with ExitStack() as stack:
        for tor in fleet.tors:
            for address in three.tors.keys() & {neighbor.address for neighbor in tor.neighbors}:
                stack.enter_context(tor.refusing(address))
        wait_for(lambda: not fleet.edge.prefixes() & PREFIXES, "its ToRs filter it")
        for pod in others:
            fleet.boot(pod)
            pod.share_by(witness=True)
        wait_for(lambda: three.announces() and len(three.announces()) < len(PREFIXES), "it shares", 30.0)
        wait_for(lambda: unseen(three), "it is told what nobody sees", 30.0)
        vip = min(unseen(three))
        assert "Seen by siblings: no" in three.ask("why", vip)
        page = three.node.run("curl", "-s", "http://127.0.0.1:9179/metrics")
        assert f'vipd_vip_verified{{service="{SERVICE}",vip="{vip}"}} 0' in page


def unseen(pod) -> set[str]:
    return {
        vip["vip"]
        for service in pod.status()["services"]
        for vip in service["vips"]
        if vip["sharing"]["verified"] is False
    }
