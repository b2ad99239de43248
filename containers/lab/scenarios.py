"""What may befall the fleet: each is done while the client asks, and undone by `Fabric.mend`."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from interop.bird import Bird
from interop.fleet import SERVICE
from interop.netns import wait_for
from lab.fabric import PREFIXES, Contained, Fabric

AWAY = 5.0  # seconds for which ZooKeeper stays away, when a pod is in need of it


@dataclass(frozen=True)
class Scenario:
    name: str
    planned: bool  # then nothing may be lost
    shared: bool = field(default=True, kw_only=True)  # whether pods without coordination know it, too
    happen: Callable[[Fabric, Contained], None]
    then: float = 2.0  # seconds for which it is watched afterwards
    before: Callable[[Fabric, Contained], None] | None = None  # what it presupposes, and is not measured

    def __str__(self) -> str:
        return self.name


def kill_pod(fabric: Fabric, pod: Contained) -> None:
    pod.kill()
    elsewhere(fabric, pod)


def kill_vipd(fabric: Fabric, pod: Contained) -> None:
    pod.signal(signal.SIGKILL)
    elsewhere(fabric, pod)


def sigterm(fabric: Fabric, pod: Contained) -> None:
    pod.stop()
    elsewhere(fabric, pod)


def come_back(fabric: Fabric, pod: Contained) -> None:
    fabric.boot(pod)
    fabric.settled()


def come_back_late(fabric: Fabric, pod: Contained) -> None:
    """Its ToRs take its sessions five seconds after it has met ZooKeeper."""
    pod.node.run(
        "nft", "table inet cut { chain o { type filter hook output priority 0; tcp dport 179 drop; }; }"
    )
    fabric.boot(pod)
    last(5.0)
    pod.node.mend()
    fabric.settled()


def rolling_restart(fabric: Fabric, pod: Contained) -> None:
    for each in fabric.pods:
        each.stop()
        fabric.boot(each)
        fabric.settled()


def check_fails(fabric: Fabric, pod: Contained) -> None:
    pod.service.fail()
    elsewhere(fabric, pod)


def check_fails_alone(fabric: Fabric, pod: Contained) -> None:
    """ZooKeeper stays away for a while."""
    pod.service.fail()
    last(AWAY)
    fabric.ensemble.mend()
    elsewhere(fabric, pod)


def kill_pod_alone(fabric: Fabric, pod: Contained) -> None:
    pod.kill()
    last(AWAY)
    fabric.ensemble.mend()
    elsewhere(fabric, pod)


def without_zookeeper(fabric: Fabric, pod: Contained) -> None:
    fabric.zookeeper_down()
    for each in fabric.pods:
        wait_for(lambda each=each: "HELD" in each.words(), f"{each.pod_id} knows that ZooKeeper is away")


def tor_dies(fabric: Fabric, pod: Contained) -> None:
    """Its daemons alone: its kernel forwards, and its links are up."""
    tor = next(tor for tor in fabric.tors if tor.node.name.startswith(pod.zone))
    kill_daemons(tor)


def tor_is_cut(fabric: Fabric, pod: Contained) -> None:
    tor = next(tor for tor in fabric.tors if tor.node.name.startswith(pod.zone))
    for port in ("up1", "up2", pod.pod_id):
        tor.node.ip("link", "set", port, "down")


def one_link_is_cut(fabric: Fabric, pod: Contained) -> None:
    links(pod, 1)


def both_links_are_cut(fabric: Fabric, pod: Contained) -> None:
    links(pod, 2)
    elsewhere(fabric, pod)


def blackhole(fabric: Fabric, pod: Contained) -> None:
    """Every packet is dropped, in and out, and every link is up: nobody is told."""
    pod.node.cut()
    elsewhere(fabric, pod, timeout=40.0)


def freeze(fabric: Fabric, pod: Contained) -> None:
    """vipd stands still until others have its VIPs; the service goes on."""
    pod.signal(signal.SIGSTOP)
    elsewhere(fabric, pod, 40.0)
    pod.signal(signal.SIGCONT)


def drain(fabric: Fabric, pod: Contained) -> None:
    fabric.vipd("drain", pod.pod_id, "--reason", "to see")
    elsewhere(fabric, pod)
    fabric.vipd("undrain", pod.pod_id, "--reason", "seen")
    fabric.settled()


def join(fabric: Fabric, pod: Contained) -> None:
    """A fourth pod comes. Nobody has more than its share of six VIPs, so none has to move to it."""
    fabric.boot(fabric.guest)
    wait_for(lambda: "4 members" in fabric.vipd("members", SERVICE), "there are four", 40.0)


def zookeeper_follower(fabric: Fabric, pod: Contained) -> None:
    leader = fabric.ensemble.leader()
    next(server for server in fabric.ensemble.servers if server is not leader).kill()
    last(5.0)


def zookeeper_leader(fabric: Fabric, pod: Contained) -> None:
    fabric.ensemble.leader().kill()
    last(5.0)


def zookeeper_all(fabric: Fabric, pod: Contained) -> None:
    fabric.zookeeper_down()
    last(15.0)
    fabric.ensemble.mend()
    fabric.settled()


ALL = (
    Scenario("pod killed", planned=False, happen=kill_pod),
    Scenario("vipd killed", planned=False, happen=kill_vipd),
    Scenario("pod told to leave", planned=True, happen=sigterm),
    Scenario("pod back", planned=True, before=sigterm, happen=come_back),
    Scenario("pod back, ToRs 5 s late", planned=True, before=sigterm, happen=come_back_late),
    Scenario("rolling restart", planned=True, happen=rolling_restart),
    Scenario("check fails", planned=False, happen=check_fails),
    Scenario(
        "ZooKeeper down, pod killed",
        planned=False,
        shared=False,
        before=without_zookeeper,
        happen=kill_pod_alone,
    ),
    Scenario(
        "ZooKeeper down, check fails",
        planned=False,
        shared=False,
        before=without_zookeeper,
        happen=check_fails_alone,
    ),
    Scenario("ToR's daemons killed", planned=False, happen=tor_dies, then=12.0),
    Scenario("ToR cut off", planned=False, happen=tor_is_cut, then=12.0),
    Scenario("one link cut", planned=False, happen=one_link_is_cut, then=4.0),
    Scenario("both links cut", planned=False, happen=both_links_are_cut),
    Scenario("blackhole", planned=False, happen=blackhole),
    Scenario("vipd frozen, thawed", planned=False, happen=freeze, then=4.0),
    Scenario("drained, undrained", planned=True, shared=False, happen=drain),
    Scenario("a fourth joins", planned=True, shared=False, happen=join),
    Scenario("ZooKeeper follower killed", planned=True, shared=False, happen=zookeeper_follower),
    Scenario("ZooKeeper leader killed", planned=True, shared=False, happen=zookeeper_leader),
    Scenario("ZooKeeper down for 15 s", planned=True, shared=False, happen=zookeeper_all),
)


def last(seconds: float) -> None:
    """Leave it as it is: how long it lasts is part of what is measured, and nothing is waited for."""
    time.sleep(seconds)


def elsewhere(fabric: Fabric, pod: Contained, timeout: float = 30.0) -> None:
    """Wait until the edge prefers other pods for all VIPs."""

    def moved() -> bool:
        routes = [fabric.edge.route(prefix) for prefix in PREFIXES]
        return all(route and route.as_path[-1] != pod.asn for route in routes)

    time.sleep(0.5)  # asking takes the machine time that others need just now
    wait_for(moved, f"all is with others than {pod.pod_id}", timeout)


def links(pod: Contained, number: int) -> None:
    for port in ports(pod)[:number]:
        pod.node.ip("link", "set", port, "down")


def ports(pod: Contained) -> list[str]:
    return [f"{pod.zone}{number}" for number in (1, 2)]


def kill_daemons(tor) -> None:
    processes = [tor._process] if isinstance(tor, Bird) else tor._processes
    for process in processes:
        process.kill()


def undo(fabric: Fabric) -> None:
    """Everything is again as it was, whatever happened."""
    for pod in (*fabric.pods, fabric.guest):
        pod.node.run("nft", "delete", "table", "inet", "cut", check=False)
        for port in ports(pod):
            pod.node.ip("link", "set", port, "up")
        fabric.ways_of(pod)
    for tor in fabric.tors:
        fabric.raise_links(tor)
        processes = [tor._process] if isinstance(tor, Bird) else tor._processes
        if any(process.popen.poll() is not None for process in processes):
            kill_daemons(tor)
            tor.start()
    fabric.mend()
