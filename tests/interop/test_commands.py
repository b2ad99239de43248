"""The verbs that ask a running daemon, and what Prometheus makes of its metrics."""

import json
import subprocess

from interop.netns import wait_for
from interop.wiring import POD4, POD_AS, TOR4, TOR_AS, neighbor, service

VIP = "192.0.2.1"


def test_reading_verbs_tell_what_the_tor_believes(rack):
    tor = rack.tor()
    rack.pod.start(speaker={"local-as": POD_AS}, neighbor=[neighbor(name="tor-a")], service=[service(VIP)])
    tor.established(POD4)
    tor.learns(f"{VIP}/32")
    for verb in ("status", "neighbors"):
        text = rack.pod.ask(verb)
        assert "tor-a" in text
        assert str(TOR_AS) in text
    assert VIP in rack.pod.ask("vips")
    why = rack.pod.ask("why", VIP)
    assert "ASSIGNED" in why
    assert "tor-a" in why
    assert json.loads(rack.pod.ask("neighbors", "-o", "json"))
    assert json.loads(rack.pod.ask("vips", "-o", "json"))
    assert json.loads(rack.pod.ask("why", VIP, "-o", "json"))
    (peer,) = rack.pod.status()["neighbors"]
    assert (peer["address"], peer["state"]) == (TOR4, "Established")
    assert peer["prefixes"]["ipv4"] == {"desired": 1, "advertised": 1}


def test_metrics_pass_promtool(rack):
    tor = rack.tor()
    rack.pod.start(speaker={"local-as": POD_AS}, neighbor=[neighbor()], service=[service(VIP)])
    tor.learns(f"{VIP}/32")
    page = wait_for(
        lambda: rack.pod.node.run("curl", "-s", "http://127.0.0.1:9179/metrics", check=False), "metrics"
    )
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    up = [line for line in page.splitlines() if line.startswith("vipd_bgp_session_up{")]
    assert [line.rsplit(" ", 1)[1] for line in up] == ["1.0"]


def test_health_pages_and_healthcheck(rack):
    tor = rack.tor()
    rack.pod.start(speaker={"local-as": POD_AS}, neighbor=[neighbor()], service=[service(VIP)])
    tor.learns(f"{VIP}/32")
    for page in ("healthz", "readyz"):
        wait_for(
            lambda page=page: (
                "200" in rack.pod.node.run("curl", "-si", f"http://127.0.0.1:9179/{page}", check=False)
            ),
            f"200 of /{page}",
        )
    rack.pod.ask("healthcheck")
