"""A service is announced while it works, and a client reaches it through the kernel's forwarding."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from interop.netns import run, wait_for
from interop.wiring import POD4, POD6, POD_AS, client_behind, fetch, neighbor, service

VIP = "192.0.2.1"
SPEAKER = {"local-as": POD_AS}
CHECK = {
    "http": "http://127.0.0.1:8080/health",
    "interval": 0.2,
    "fast-interval": 0.05,
    "rise": 2,
    "fall": 2,
}


def test_a_failing_check_withdraws_and_a_good_one_brings_back(rack):
    web = rack.pod.serve()
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(VIP, check=[CHECK])])
    since = tor.established(POD4)
    tor.learns(f"{VIP}/32")
    web.fail()
    tor.forgets(f"{VIP}/32")
    web.heal()
    tor.learns(f"{VIP}/32")
    web.process.kill()
    tor.forgets(f"{VIP}/32")
    assert tor.since(POD4) == since


def test_nothing_is_announced_before_the_first_success(rack):
    tor = rack.tor()
    rack.pod.start(
        speaker=SPEAKER,
        neighbor=[neighbor()],
        service=[service(VIP, check=[CHECK]), service("192.0.2.2", name="unchecked")],
    )
    tor.learns("192.0.2.2/32")
    wait_for(lambda: rack.pod.status()["services"][0]["checks"][0]["runs"].get("bad", 0) > 3, "some failures")
    assert tor.prefixes() == {"192.0.2.2/32"}
    rack.pod.serve()
    tor.learns(f"{VIP}/32")


def test_a_check_of_one_vip_withdraws_that_vip(rack):
    tor = rack.tor()
    switch = rack.pod.node.directory / "disabled"
    switch.touch()
    rack.pod.start(
        speaker=SPEAKER,
        neighbor=[neighbor()],
        service=[
            {
                "name": "apex",
                "vip": [
                    {"address": VIP, "check": [{"file": switch, "interval": 0.2, "rise": 1, "fall": 1}]},
                    {"address": "192.0.2.2"},
                ],
            }
        ],
    )
    tor.learns("192.0.2.2/32")
    assert tor.prefixes() == {"192.0.2.2/32"}
    switch.unlink()
    tor.learns(f"{VIP}/32")
    switch.touch()
    tor.forgets(f"{VIP}/32")
    assert tor.prefixes() == {"192.0.2.2/32"}


@pytest.mark.parametrize("vip", [VIP, "2001:db8::1"], ids=["ipv4", "ipv6"])
def test_a_client_behind_the_tor_fetches_a_page_from_the_vip(rack, vip):
    web = rack.pod.serve()
    client = client_behind(rack.lab, rack.switch)
    tor = rack.tor()
    rack.pod.start(
        speaker=SPEAKER,
        loopback={"manage": True},
        neighbor=[neighbor(next_hop={"ipv6": POD6})],
        service=[service(vip, check=[CHECK])],
    )
    prefix = str(ip_network(vip))
    tor.learns(prefix)
    wait_for(lambda: fetch(client, vip) == "pod", "the page of the pod")
    assert vip in rack.pod.node.ip("addr", "show", "dev", "lo")
    web.fail()
    tor.forgets(prefix)
    wait_for(lambda: fetch(client, vip) == "", "nothing: no route to the VIP")
    web.heal()
    wait_for(lambda: fetch(client, vip) == "pod", "the page again")
    assert rack.pod.stop() == 0
    assert vip not in rack.pod.node.ip("addr", "show", "dev", "lo")


def test_an_address_taken_from_lo_is_not_announced(rack):
    tor = rack.tor()
    rack.pod.node.ip("addr", "add", f"{VIP}/32", "dev", "lo")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(VIP, require_address=True)])
    tor.learns(f"{VIP}/32")
    rack.pod.node.ip("addr", "del", f"{VIP}/32", "dev", "lo")
    tor.forgets(f"{VIP}/32")
    rack.pod.node.ip("addr", "add", f"{VIP}/32", "dev", "lo")
    tor.learns(f"{VIP}/32")


def test_a_check_that_floods_forks_and_hangs_disturbs_nobody(rack):
    tor = rack.tor(hold_time=3)
    wild = {"exec": "yes & yes", "interval": 0.1, "fast-interval": 0.1, "timeout": 0.3}
    rack.pod.start(
        speaker=SPEAKER,
        neighbor=[neighbor(hold_time=3)],
        service=[service(VIP), service("192.0.2.2", name="wild", check=[wild])],
    )
    since = tor.established(POD4)
    wait_for(lambda: timeouts(rack.pod) >= 12, "twelve runs, for longer than the hold time")
    assert (tor.state(POD4), tor.since(POD4)) == ("Established", since)
    assert tor.prefixes() == {f"{VIP}/32"}
    assert rack.pod.stop() == 0
    pids = run("ip", "netns", "pids", rack.pod.node.namespace).split()
    assert [Path("/proc", pid, "comm").read_text() for pid in pids] == []


def timeouts(pod) -> int:
    return pod.status()["services"][1]["checks"][0]["runs"].get("timeout", 0)
