"""The image of vipd beside those of both ToRs: it is served, healthy, and leaves in order."""

import signal
from collections.abc import Iterator

import pytest

from containers.podman import ContainedBird, ContainedFrr, ContainedPod
from interop.netns import Lab, wait_for
from interop.tor import Neighbor
from interop.wiring import POD_AS, TOR_AS, link, neighbor, service

VIP = "192.0.2.1"


@pytest.fixture
def pod(housed: Lab) -> Iterator[ContainedPod]:
    """A pod with a link to each of two ToRs, both of which have learnt its VIP."""
    pod = ContainedPod(housed.node("pod"), "--cap-add", "NET_ADMIN")
    tors = []
    for number, kind in ((1, ContainedBird), (2, ContainedFrr)):
        node = housed.node(f"tor{number}")
        link(housed, node, pod.node, number)
        neighbors = [Neighbor(address=f"10.62.{number}.1", peer_as=POD_AS)]
        tors.append(kind(node, asn=TOR_AS + number, router_id=f"10.62.{number}.0", neighbors=neighbors))
    pod.node.ip("route", "add", "default", *("nexthop", "via", "10.62.1.0"), *("nexthop", "via", "10.62.2.0"))
    for tor in tors:
        tor.start()
    pod.tors = tors
    pod.start(
        speaker={"local-as": POD_AS},
        loopback={"manage": True},
        neighbor=[neighbor("gateway", "external")],
        service=[service(VIP)],
    )
    for number, tor in enumerate(tors, 1):
        assert tor.learns(f"{VIP}/32").next_hop == f"10.62.{number}.1"
    yield pod
    assert "Traceback" not in pod.log()


def test_it_peers_with_both_tors_and_is_healthy(pod):
    wait_for(pod.alive, "the image's health check passes")
    assert {n["peer_as"] for n in pod.status()["neighbors"]} == {TOR_AS + 1, TOR_AS + 2}
    assert VIP in pod.node.ip("addr", "show", "dev", "lo"), "it holds what it announces"


def test_sigterm_withdraws_and_it_exits_0(pod):
    pod.container.signal(signal.SIGTERM)
    assert pod.process.wait() == 0
    for tor in pod.tors:
        tor.forgets(f"{VIP}/32")
    assert VIP not in pod.node.ip("addr", "show", "dev", "lo")


def test_kill_9_is_a_withdrawal(pod):
    pod.container.signal(signal.SIGKILL)
    for tor in pod.tors:
        tor.forgets(f"{VIP}/32", timeout=5)  # well before the hold time of 9 s


def test_one_whose_loop_stands_still_is_unhealthy(pod):
    wait_for(pod.alive, "the image's health check passes")
    pod.container.signal(signal.SIGSTOP)
    assert not pod.alive()
