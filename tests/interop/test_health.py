"""A service is announced while it works, and a client reaches it through the kernel's forwarding."""

from interop.netns import wait_for
from interop.wiring import POD4, POD_AS, client_behind, neighbor, service

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


def test_a_client_behind_the_tor_fetches_a_page_from_the_vip(rack):
    web = rack.pod.serve()
    client = client_behind(rack.lab, rack.switch)
    tor = rack.tor()
    rack.pod.start(
        speaker=SPEAKER,
        loopback={"manage": True},
        neighbor=[neighbor()],
        service=[service(VIP, check=[CHECK])],
    )
    tor.learns(f"{VIP}/32")
    wait_for(lambda: fetch(client) == "pod", "the page of the pod")
    assert VIP in rack.pod.node.ip("addr", "show", "dev", "lo")
    web.fail()
    tor.forgets(f"{VIP}/32")
    wait_for(lambda: fetch(client) == "", "nothing: no route to the VIP")
    web.heal()
    wait_for(lambda: fetch(client) == "pod", "the page again")
    assert rack.pod.stop() == 0
    assert VIP not in rack.pod.node.ip("addr", "show", "dev", "lo")


def fetch(client) -> str:
    return client.run("curl", "-s", "--max-time", "1", f"http://{VIP}:8080/", check=False)


def test_an_address_taken_from_lo_is_not_announced(rack):
    tor = rack.tor()
    rack.pod.node.ip("addr", "add", f"{VIP}/32", "dev", "lo")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(VIP, require_address=True)])
    tor.learns(f"{VIP}/32")
    rack.pod.node.ip("addr", "del", f"{VIP}/32", "dev", "lo")
    tor.forgets(f"{VIP}/32")
    rack.pod.node.ip("addr", "add", f"{VIP}/32", "dev", "lo")
    tor.learns(f"{VIP}/32")
