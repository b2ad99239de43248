"""Two ToRs, BIRD and FRR: a link to each, and one subnet with both whose gateway is neither."""

from collections.abc import Iterator

import pytest

from interop.bird import Bird
from interop.frr import Frr
from interop.netns import Lab, wait_for
from interop.pod import Pod
from interop.tor import Neighbor
from interop.wiring import POD_AS, TOR_AS, client_behind, fetch, link, neighbor, service

VIP = "192.0.2.1"
SPEAKER = {"local-as": POD_AS}


@pytest.fixture
def pod(lab: Lab) -> Iterator[Pod]:
    pod = Pod(lab.node("pod"))
    yield pod
    assert "Traceback" not in pod.log()


@pytest.fixture
def linked(lab, pod):
    """Return two ToRs, each with a link to the pod, whose default route is over both."""
    tors = []
    for number, kind in ((1, Bird), (2, Frr)):
        node = lab.node(f"tor{number}")
        link(lab, node, pod.node, number)
        neighbors = [Neighbor(address=f"10.62.{number}.1", peer_as=POD_AS)]
        tors.append(kind(node, asn=TOR_AS + number, router_id=f"10.62.{number}.0", neighbors=neighbors))
    pod.node.ip("route", "add", "default", *("nexthop", "via", "10.62.1.0"), *("nexthop", "via", "10.62.2.0"))
    for tor in tors:
        tor.start()
    return tors


def test_gateways_are_found_and_any_as_is_taken(linked, pod):
    pod.start(speaker=SPEAKER, neighbor=[neighbor("gateway", "external")], service=[service(VIP)])
    for number, tor in enumerate(linked, start=1):
        assert tor.learns(f"{VIP}/32").next_hop == f"10.62.{number}.1"
    assert {n["peer_as"] for n in pod.status()["neighbors"]} == {TOR_AS + 1, TOR_AS + 2}


def test_a_client_reaches_the_vip_by_either_tor_and_one_may_die(lab, linked, pod):
    pod.serve()
    clients = [client_behind(lab, tor.node, number) for number, tor in enumerate(linked)]
    pod.start(
        speaker=SPEAKER,
        loopback={"manage": True},
        neighbor=[neighbor("10.62.1.0", "external"), neighbor("10.62.2.0", "external")],
        service=[service(VIP)],
    )
    bird, frr = linked
    for tor in linked:
        tor.learns(f"{VIP}/32")
    since = frr.since("10.62.2.1")
    pod.node.ip("route", "replace", "10.60.0.0/30", "via", "10.62.1.0")  # answers go back as they came
    pod.node.ip("route", "replace", "10.60.1.0/30", "via", "10.62.2.0")
    for client in clients:
        wait_for(lambda client=client: fetch(client, VIP) == "pod", "the page")
    bird.stop()
    assert fetch(clients[1], VIP) == "pod"
    assert frr.since("10.62.2.1") == since


def test_med_orders_the_vips_per_tor(linked, pod):
    """The two-load-balancer set-up: each pod orders the VIPs, and a neighbour may hear only some."""
    pod.start(
        speaker=SPEAKER,
        neighbor=[
            neighbor("10.62.1.0", "external", name="tor-a"),
            neighbor("10.62.2.0", "external", name="tor-b", med=300),
        ],
        service=[
            {"name": "apex", "vip": [{"address": VIP, "med": 100}, {"address": "192.0.2.2"}]},
            service("192.0.2.3", name="only-a", neighbors=["tor-a"]),
        ],
    )
    bird, frr = linked
    assert bird.learns(f"{VIP}/32").med == frr.learns(f"{VIP}/32").med == 100
    assert (bird.learns("192.0.2.2/32").med, frr.learns("192.0.2.2/32").med) == (None, 300)
    bird.learns("192.0.2.3/32")
    assert frr.prefixes() == {f"{VIP}/32", "192.0.2.2/32"}


def test_one_subnet_with_both_tors_whose_gateway_is_neither(lab, pod):
    pod.serve()
    switch = lab.node("switch")
    switch.ip("link", "add", "br0", "type", "bridge")
    switch.ip("link", "set", "br0", "up")
    gateway, *nodes = lab.node("gateway"), lab.node("tor1"), lab.node("tor2")
    for host, node in ((1, gateway), (2, nodes[0]), (3, nodes[1]), (10, pod.node)):
        lab.wire(switch, f"port{host}", node, "eth0")
        switch.ip("link", "set", f"port{host}", "master", "br0")
        node.ip("addr", "add", f"10.63.0.{host}/24", "dev", "eth0")
    pod.node.ip("route", "add", "default", "via", "10.63.0.1")
    client = client_behind(lab, nodes[0])
    gateway.ip("route", "add", "10.60.0.0/30", "via", "10.63.0.2")
    tors = [
        kind(
            node,
            asn=TOR_AS,
            router_id=f"10.63.0.{host}",
            neighbors=[Neighbor(address="10.63.0.10", peer_as=POD_AS)],
        )
        for host, node, kind in ((2, nodes[0], Bird), (3, nodes[1], Frr))
    ]
    for tor in tors:
        tor.start()
    pod.start(
        speaker=SPEAKER,
        loopback={"manage": True},
        neighbor=[neighbor("10.63.0.2"), neighbor("10.63.0.3")],
        service=[service(VIP)],
    )
    for tor in tors:
        assert tor.learns(f"{VIP}/32").next_hop == "10.63.0.10"
    wait_for(lambda: fetch(client, VIP) == "pod", "the page")
