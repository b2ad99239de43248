"""BIRD is told the same by ExaBGP and by vipd with the converted configuration."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interop.bird import Bird
from interop.netns import Lab, Process, wait_for
from interop.pod import VIPD, Pod
from interop.tor import Neighbor, Route
from vipd.convert import convert

EXABGP = Path(sys.executable).with_name("exabgp")
PAGE = Path(__file__).parents[2] / "docs" / "migration-exabgp.md"
FIXTURES = Path(__file__).parent.parent / "fixtures" / "exabgp"
POD4, POD6 = "10.20.151.133", "2001:db8:151::133"
TORS = {"tor-a": ("10.20.151.129", "2001:db8:151::129"), "tor-b": ("10.20.151.130", "2001:db8:151::130")}
TOR_AS = 64001
SECRET = "a very secret word"

Tables = dict[str, dict[str, Route]]  # ToR -> prefix -> what it was told


class Place:
    """One subnet with two ToRs and a pod, in which ExaBGP and vipd take turns."""

    def __init__(self, lab: Lab, *, asn: int = 64147, password: str | None = None) -> None:
        self.pod = Pod(lab.node("pod"))
        switch = lab.node("switch")
        switch.ip("link", "add", "rack", "type", "bridge")
        switch.ip("link", "set", "rack", "up")
        ports = [(self.pod.node, POD4, POD6)]
        self.tors: dict[str, Bird] = {}
        for name, (ipv4, ipv6) in TORS.items():
            node = lab.node(name)
            ports.append((node, ipv4, ipv6))
            neighbors = [
                Neighbor(address=POD4, peer_as=asn, password=password),
                Neighbor(address=POD6, peer_as=asn),
            ]
            self.tors[name] = Bird(node, asn=TOR_AS, router_id=ipv4, neighbors=neighbors)
        for number, (node, ipv4, ipv6) in enumerate(ports):
            lab.wire(switch, f"port{number}", node, "eth0")
            switch.ip("link", "set", f"port{number}", "master", "rack")
            node.ip("addr", "add", f"{ipv4}/25", "dev", "eth0")
            node.ip("addr", "add", f"{ipv6}/64", "dev", "eth0", "nodad")
        for tor in self.tors.values():
            tor.start()
        self.directory = self.pod.node.directory / "exabgp"
        self.directory.mkdir()
        self.healthy = self.directory / "apex.ok"
        self.healthy.touch()
        for file in FIXTURES.iterdir():
            text = file.read_text().replace("python3", sys.executable)
            for elsewhere in ("/run", "/etc/exabgp"):
                text = text.replace(f"{elsewhere}/apex", f"{self.directory}/apex")
            (self.directory / file.name).write_text(text)

    def exabgp(self, name: str, tables: dict[str, set[str]]) -> Tables:
        """Return what ExaBGP tells the ToRs; it is running when this returns, and then `leave` ends it."""
        settings = {
            "exabgp_daemon_user": "root",
            "exabgp_daemon_drop": "false",
            "exabgp_api_cli": "false",
            "exabgp_log_destination": "stderr",
        }
        self.process = self.pod.node.spawn(
            *(EXABGP, "server", self.directory / name), log="exabgp.log", env=settings
        )
        return self.settled(tables)

    def vipd(self, name: str, tables: dict[str, set[str]]) -> Tables:
        """Return what vipd tells them with the converted file, once an operator has done what it says."""
        text = convert([str(self.directory / name)])
        secret = self.directory / "md5-password"
        secret.write_text(SECRET)
        self.pod.file.write_text(text.replace("/etc/vipd/md5-password", str(secret)))
        self.process = self.run(self.pod.file)
        return self.settled(tables)

    def run(self, file: Path) -> Process:
        return self.pod.node.spawn(
            *(*VIPD, "run", "--config", file), log=f"{file.stem}.log", env=self.pod.environment
        )

    def settled(self, tables: dict[str, set[str]]) -> Tables:
        wait_for(lambda: self.prefixes() == tables, f"the ToRs hear of {tables}", 40)
        return {
            name: {prefix: tor.route(prefix) for prefix in tables[name]} for name, tor in self.tors.items()
        }

    def prefixes(self) -> dict[str, set[str]]:
        return {name: set(tor.prefixes()) for name, tor in self.tors.items()}

    def leave(self) -> None:
        self.process.kill()
        self.forgotten()

    def forgotten(self) -> None:
        wait_for(lambda: not any(self.prefixes().values()), "the ToRs hear of nothing", 40)


@pytest.fixture
def place(lab: Lab) -> Iterator[Place]:
    place = Place(lab)
    yield place
    for log in place.pod.node.directory.glob("vipd.log"):  # ExaBGP's own has many, for want of a syslog
        assert "Traceback" not in log.read_text()


def both(*prefixes: str) -> dict[str, set[str]]:
    return {name: set(prefixes) for name in TORS}


def only(name: str, *prefixes: str) -> dict[str, set[str]]:
    return {**both(), name: set(prefixes)}


def test_a_checked_service_on_two_tors(place):
    expected = both("192.0.2.166/32", "192.0.2.167/32")
    service = place.pod.serve(80)
    before = place.exabgp("healthcheck.conf", expected)
    service.fail()
    place.forgotten()
    place.leave()
    service.heal()
    after = place.vipd("healthcheck.conf", expected)
    assert after == before
    assert [after["tor-b"][f"192.0.2.{n}/32"].med for n in (166, 167)] == [100, 150]
    service.fail()
    place.forgotten()


def test_a_group_of_exabgp_3(place):
    expected = both("192.0.2.166/32", "192.0.2.167/32", "192.0.2.200/32")
    before = place.exabgp("group-today.conf", expected)
    place.leave()
    assert place.vipd("group.conf", expected) == before
    place.process.kill()
    place.forgotten()
    assert place.vipd("group-today.conf", expected) == before
    place.healthy.unlink()  # where ExaBGP would raise the MED, vipd withdraws: the file says so
    wait_for(lambda: place.prefixes() == both("192.0.2.200/32"), "the checked VIPs are withdrawn", 40)
    assert "not carried over: metric 1000 while down" in place.pod.file.read_text()


def test_static_routes_with_everything_they_say(lab):
    place = Place(lab, password=SECRET)
    expected = only("tor-a", *(f"192.0.2.{n}/32" for n in (1, 2, 3, 4, 8, 9, 10, 11)))
    with_a_network = {**expected, "tor-a": expected["tor-a"] | {"198.51.100.0/24"}}
    before = place.exabgp("static.conf", with_a_network)
    place.leave()
    after = place.vipd("static.conf", expected)
    # what the file says is lost, and nothing else
    del before["tor-a"]["198.51.100.0/24"]
    before["tor-a"]["192.0.2.4/32"] = replace(before["tor-a"]["192.0.2.4/32"], origin="IGP")
    assert after == before
    assert after["tor-a"]["192.0.2.3/32"].as_path == (64147, 64147, 64147)


def test_two_families(lab):
    place = Place(lab, asn=4200000147)
    expected = only("tor-a", "192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128", "2001:db8::2/128")
    before = place.exabgp("dual-stack.conf", expected)
    place.leave()
    after = place.vipd("dual-stack.conf", expected)
    assert after == before
    assert after["tor-a"]["2001:db8::2/128"].next_hop == POD6


def test_two_load_balancers_that_order_their_vips(place):
    expected = both("192.0.2.1/32", "192.0.2.2/32")
    before = place.exabgp("med-pair.conf", expected)
    place.leave()
    after = place.vipd("med-pair.conf", expected)
    assert after == before
    assert [after["tor-a"][f"192.0.2.{n}/32"].med for n in (1, 2)] == [20, 10]


def test_a_med_for_each_tor(place):
    expected = both("192.0.2.1/32", "192.0.2.2/32")
    before = place.exabgp("med-per-tor.conf", expected)
    place.leave()
    after = place.vipd("med-per-tor.conf", expected)
    assert after == before
    assert [after[name]["192.0.2.1/32"].med for name in TORS] == [10, 20]
    assert after["tor-a"]["192.0.2.1/32"].next_hop == "10.20.151.140"


def test_the_way_of_the_page(place):
    """Beside ExaBGP, the switch, and the way back."""
    expected = both("192.0.2.1/32", "192.0.2.2/32")
    before = place.exabgp("med-pair.conf", expected)
    since = {name: tor.since(POD4) for name, tor in place.tors.items()}

    place.pod.file.write_text(convert([str(place.directory / "med-pair.conf")]))
    (script,) = re.findall(r"^```sh\n(sed .*?)^vipd check", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    subprocess.run(["/bin/sh", "-ec", script], cwd=place.pod.node.directory, check=True)
    beside = place.run(place.pod.node.directory / "beside.toml")
    wait_for(lambda: "pod_started" in beside.output(), "vipd starts beside ExaBGP")
    wait_for(lambda: verdicts(place.pod) == {"ASSIGNED"}, "every VIP would be announced")
    assert place.prefixes() == expected
    assert {name: tor.since(POD4) for name, tor in place.tors.items()} == since
    beside.signal(signal.SIGINT)
    assert beside.wait() == 0

    place.process.signal(signal.SIGTERM)
    place.process.wait(20)
    place.forgotten()
    assert place.vipd("med-pair.conf", expected) == before

    place.process.signal(signal.SIGTERM)
    assert place.process.wait(20) == 0
    place.forgotten()
    assert place.exabgp("med-pair.conf", expected) == before


def verdicts(pod: Pod) -> set[str]:
    return {vip["verdict"] for vip in json.loads(pod.ask("vips", "-o", "json"))}
