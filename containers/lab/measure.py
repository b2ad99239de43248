"""One run of one scenario: what the client lost, and what the edge was told meanwhile."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from interop.netns import wait_for
from lab.fabric import VIPS, Fabric
from lab.scenarios import Scenario

RATE = 1000  # datagrams a second to each VIP
BEFORE = 1.0  # seconds of quiet before it happens
PROBER = Path(__file__).with_name("prober.py")


@dataclass(frozen=True, kw_only=True)
class Run:
    """Seconds are counted from when it happened."""

    lost: int  # datagrams of all VIPs
    sent: int
    gap: float  # the longest time in which a VIP gave no answer, seconds
    worst: str  # the VIP that lost most
    failed: int  # HTTP exchanges of `asked`
    asked: int
    broken: int  # standing connections
    late: float  # the prober's own lateness at worst
    load: float  # of the machine, over a minute
    outages: list[tuple[float, float]] = field(default_factory=list)  # of the worst VIP
    told: list[tuple[float, str]] = field(default_factory=list)  # what spines told the edge: "+192.0.2.1"

    @property
    def valid(self) -> bool:
        """Whether the prober was punctual enough for what it measured."""
        return self.late <= max(0.05, self.gap / 2)


def run(fabric: Fabric, scenario: Scenario) -> Run:
    """Have it happen to a pod. What has happened is still to be undone."""
    fabric.settled()
    pod = fabric.pods[-1]  # whose rack has a ToR of either kind
    if scenario.before:
        scenario.before(fabric, pod)
    prober = fabric.client.spawn(sys.executable, "-u", PROBER, str(RATE), *VIPS, log="prober.log")
    try:
        wait_for(lambda: "ready" in prober.output(), "the prober runs")
        time.sleep(BEFORE)  # what is measured begins with so much quiet
        at = time.time()
        scenario.happen(fabric, pod)
        time.sleep(scenario.then)  # and goes on for so long, whatever there is to see
        prober.signal(signal.SIGTERM)
        prober.wait(20)
    finally:
        prober.signal(signal.SIGKILL)
    return read(json.loads(prober.output().splitlines()[-1]), at, fabric)


def read(said: dict, at: float, fabric: Fabric) -> Run:
    lost = {vip: sum(count for _, _, count in silences) for vip, silences in said["lost"].items()}
    worst = max(VIPS, key=lost.__getitem__)
    outages = [(begin - at, end - at) for begin, end, _ in said["lost"][worst]]
    told = [
        (round(entry.at - at, 4), f"{sign}{prefix.removesuffix('/32')}")
        for entry in fabric.at_the_edge(at)
        for sign, prefixes in (("-", entry.withdrawn), ("+", entry.announced))
        for prefix in sorted(prefixes)
    ]
    return Run(
        lost=sum(lost.values()),
        sent=said["sent"] * len(VIPS),
        gap=max(
            (end - begin for silences in said["lost"].values() for begin, end, _ in silences), default=0.0
        ),
        worst=worst,
        failed=said["failed"],
        asked=said["asked"],
        broken=said["broken"],
        late=said["late"],
        load=os.getloadavg()[0],
        outages=outages,
        told=told,
    )
