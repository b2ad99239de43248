"""What the ToR's table holds: attributes, families, packing, and what a reload changes."""

import signal

from interop.capture import Capture
from interop.netns import wait_for
from interop.pod import Pod
from interop.tor import Neighbor, Route
from interop.wiring import POD4, POD6, POD_AS, TOR4, TOR6, TOR_AS, client_behind, fetch, neighbor, service

SPEAKER = {"local-as": POD_AS}


def test_attributes_of_service_vip_and_neighbor_come_together(rack):
    tor = rack.tor()
    rack.pod.start(
        speaker=SPEAKER,
        neighbor=[neighbor(med=50, prepend=1, communities=["64500:9"], large_communities=["64500:9:9"])],
        service=[
            service("192.0.2.1", name="plain"),
            {
                **service(name="rich", med=10, communities=["64500:1"], large_communities=["64500:1:2"]),
                "vip": [{"address": "192.0.2.2"}, {"address": "192.0.2.3", "med": 20, "prepend": 2}],
            },
        ],
    )
    assert tor.learns("192.0.2.1/32") == Route(
        next_hop=POD4,
        as_path=(POD_AS, POD_AS),
        med=50,
        local_preference=100,
        communities=frozenset({"64500:9"}),
        large_communities=frozenset({"64500:9:9"}),
    )
    rich = Route(
        next_hop=POD4,
        as_path=(POD_AS, POD_AS),
        med=10,
        local_preference=100,
        communities=frozenset({"64500:1", "64500:9"}),
        large_communities=frozenset({"64500:1:2", "64500:9:9"}),
    )
    assert tor.learns("192.0.2.2/32") == rich
    ordered = tor.learns("192.0.2.3/32")
    assert (ordered.med, ordered.as_path) == (20, (POD_AS,) * 4)
    assert ordered.communities == rich.communities


def test_ipv6_over_ipv4_needs_a_next_hop(rack):
    tor = rack.tor()
    sections = {"speaker": SPEAKER, "service": [service("192.0.2.1", "2001:db8::1")]}
    rack.pod.start(neighbor=[neighbor()], **sections)
    since = tor.established(POD4)
    tor.learns("192.0.2.1/32")
    assert tor.prefixes() == {"192.0.2.1/32"}
    assert "ipv6" in rack.pod.neighbor(TOR4)["untold"]
    rack.pod.reload(neighbor=[neighbor(next_hop={"ipv6": POD6})], **sections)
    assert tor.learns("2001:db8::1/128") == Route(next_hop=POD6, as_path=(POD_AS,), local_preference=100)
    assert tor.since(POD4) == since


def test_ipv4_over_ipv6_needs_none_where_both_know_how(rack):
    """RFC 8950, down to the packets: the ToR forwards IPv4 to an IPv6 next hop."""
    rack.pod.serve()
    tor = rack.tor(POD6, extended_next_hop=True)
    client = client_behind(rack.lab, rack.switch)
    sections = {
        "speaker": SPEAKER,
        "loopback": {"manage": True},
        "service": [service("192.0.2.1", "2001:db8::1")],
    }
    rack.pod.start(neighbor=[neighbor(TOR6)], **sections)
    since = tor.established(POD6)
    assert tor.learns("192.0.2.1/32") == Route(next_hop=POD6, as_path=(POD_AS,), local_preference=100)
    assert tor.learns("2001:db8::1/128").next_hop == POD6
    assert rack.pod.neighbor(TOR6)["untold"] == {}
    for vip in ("192.0.2.1", "2001:db8::1"):
        wait_for(lambda vip=vip: fetch(client, vip) == "pod", f"the page at {vip}")
    rack.pod.reload(neighbor=[neighbor(TOR6)], **{**sections, "service": [service("2001:db8::1")]})
    tor.forgets("192.0.2.1/32")
    assert tor.since(POD6) == since


def test_a_thousand_vips_take_two_updates(rack):
    tor = rack.tor()
    wire = Capture(rack.switch, "pod")
    vips = [f"192.0.{2 + i // 250}.{1 + i % 250}" for i in range(1000)]
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(*vips)])
    wait_for(lambda: len(tor.prefixes()) == 1000, "1,000 VIPs")
    wait_for(lambda: tor.end_of_ribs(POD4) == 2, "an End-of-RIB for either family")
    assert tor.prefixes() == {f"{vip}/32" for vip in vips}
    assert 1 <= len(wire.updates(POD4)) <= 2
    assert wire.end_of_ribs(POD4) == 2


def test_extended_messages_hold_ten_thousand_vips(rack):
    """RFC 8654."""
    tor = rack.tor(extended_messages=True)
    wire = Capture(rack.switch, "pod")
    vips = [f"192.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(10_000)]
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(*vips)])
    wait_for(lambda: len(tor.prefixes()) == len(vips), "10,000 VIPs")
    assert tor.prefixes() == {f"{vip}/32" for vip in vips}
    wait_for(lambda: wire.end_of_ribs(POD4) == 2, "an End-of-RIB for either family")
    assert len(wire.updates(POD4)) == 1
    assert rack.pod.neighbor(TOR4)["negotiated"]["extended_message"]


def test_reload_adds_changes_and_removes_without_touching_the_session(rack):
    tor = rack.tor()
    wire = Capture(rack.switch, "pod")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service("192.0.2.1", "192.0.2.2")])
    since = tor.established(POD4)
    tor.learns("192.0.2.1/32")
    tor.learns("192.0.2.2/32")
    rack.pod.reload(
        speaker=SPEAKER,
        neighbor=[neighbor()],
        service=[{**service("192.0.2.3"), "vip": [{"address": "192.0.2.2", "med": 7}]}],
    )
    tor.learns("192.0.2.3/32")
    tor.forgets("192.0.2.1/32")
    wait_for(lambda: tor.learns("192.0.2.2/32").med == 7, "the new MED")
    assert tor.since(POD4) == since
    assert sum(message.withdraws for message in wire.updates(POD4)) == 1  # a changed VIP is replaced


def test_an_invalid_file_changes_nothing_and_says_so(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service("192.0.2.1")])
    since = tor.established(POD4)
    before = tor.learns("192.0.2.1/32")
    rack.pod.reload(speaker=SPEAKER, neighbor=[neighbor(hold_time=2)], service=[service("192.0.2.9")])
    rack.pod.logs("hold-time")
    assert rack.pod.status()["config"]["reload"]["ok"] is False
    assert (tor.prefixes(), tor.learns("192.0.2.1/32"), tor.since(POD4)) == ({"192.0.2.1/32"}, before, since)


def test_reload_of_a_session_parameter_restarts_that_session(rack):
    tor = rack.tor()
    sections = {"speaker": SPEAKER, "service": [service("192.0.2.1")]}
    rack.pod.start(neighbor=[neighbor()], **sections)
    since = tor.established(POD4)
    rack.pod.reload(neighbor=[neighbor(hold_time=6)], **sections)
    wait_for(lambda: tor.state(POD4) == "Established" and tor.since(POD4) != since, "another session")
    tor.learns("192.0.2.1/32")
    assert rack.pod.neighbor(TOR4)["negotiated"]["hold_time"] == 6


def test_a_route_that_is_about_to_go_is_left_before_it_goes(rack):
    """RFC 8326: the longer path of another pod is taken while this one's is still there."""
    other = Pod(rack.lab.node("other"))
    rack.lab.wire(rack.switch, "other", other.node, "eth0")
    rack.switch.ip("addr", "add", "10.62.2.0/31", "dev", "other")
    other.node.ip("addr", "add", "10.62.2.1/31", "dev", "eth0")
    neighbors = [Neighbor(address=address, peer_as=POD_AS) for address in (POD4, "10.62.2.1")]
    tor = rack.kind(rack.switch, asn=TOR_AS, router_id=TOR4, neighbors=neighbors)
    tor.start()
    other.start(speaker=SPEAKER, neighbor=[neighbor("10.62.2.0", prepend=1)], service=[service("192.0.2.1")])
    tor.established("10.62.2.1")
    rack.pod.start(
        speaker=SPEAKER,
        neighbor=[neighbor()],
        service=[service("192.0.2.1")],
        drain={"graceful-shutdown": 60, "linger": 0},
    )
    wait_for(lambda: tor.learns("192.0.2.1/32").next_hop == POD4, "the shorter path is taken")
    rack.pod.process.signal(signal.SIGTERM)
    wait_for(lambda: tor.learns("192.0.2.1/32").next_hop == "10.62.2.1", "the longer path is taken")
    shown = tor.shown("192.0.2.1/32")
    assert POD4 in shown
    assert "(65535,0)" in shown or "graceful-shutdown" in shown
    rack.pod.process.signal(signal.SIGTERM)  # skips the waiting
    wait_for(lambda: POD4 not in tor.shown("192.0.2.1/32"), "the path is gone")
    assert rack.pod.process.wait() == 0
    assert tor.learns("192.0.2.1/32").next_hop == "10.62.2.1"
