"""The fleet with ExaBGP and ExaZK in its pods, or vipd with what their configuration is converted to."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interop.fleet import TORS_AS, Fleet, Member
from interop.netns import Lab, Node, Process, wait_for
from interop.pod import VIPD

VIPS = tuple(f"192.0.2.{number}" for number in (1, 2, 3))
PATH, MAINTENANCE = "/exabgp/service/apex", "/exabgp/maintenance/apex"
STAND_IN = Path(__file__).with_name("exazk.py")
EXABGP = Path(sys.executable).with_name("exabgp")
SETTINGS = {
    "exabgp_daemon_user": "root",
    "exabgp_daemon_drop": "false",
    "exabgp_api_cli": "false",
    "exabgp_api_ack": "false",
    "exabgp_log_destination": "stderr",
}
PROCESS = """
process exazk-apex {{
    run {python} {program} -c "{check}" -n apex -A {own} {others} {hosts} -zPS {path} -zPM {maintenance};
    encoder text;
}}
"""
NEIGHBOR = """
neighbor {tor} {{
    router-id {router_id};
    local-address {local};
    local-as {asn};
    peer-as {tor_as};
    hold-time 9;
    family {{ ipv4 unicast; }}
    api {{ processes [ exazk-apex ]; }}
}}
"""


class Place:
    """One pod's place in the fleet: its VIP, and who speaks there now."""

    def __init__(self, fleet: "ExazkFleet", pod: Member, vip: str) -> None:
        self.fleet = fleet
        self.pod = pod
        self.vip = vip
        self._exabgp: Process | None = None  # None: it does not run
        self.conf = pod.node.directory / "exabgp.conf"

    def configure(self) -> None:
        others = [vip for vip in VIPS if vip != self.vip]
        self.conf.write_text(
            PROCESS.format(
                python=sys.executable,
                program=STAND_IN,
                check="curl --silent --fail http://127.0.0.1:8080/",
                own=self.vip,
                others=" ".join(f"-N {vip}" for vip in others),
                hosts=" ".join(f"-zH {server}" for server in self.fleet.fleet.servers),
                path=PATH,
                maintenance=MAINTENANCE,
            )
            + "".join(
                NEIGHBOR.format(
                    tor=tor,
                    router_id=self.pod.address,
                    local=local,
                    asn=self.pod.asn,
                    tor_as=TORS_AS + int(tor.split(".")[2]),
                )
                for local, tor in self.pod.tors.items()
            )
        )

    @property
    def on_exazk(self) -> bool:
        return self._exabgp is not None

    @property
    def on_vipd(self) -> bool:
        return self.pod.runs

    def start_exabgp(self) -> None:
        self._exabgp = self.pod.node.spawn(EXABGP, "server", self.conf, log="exabgp.log", env=SETTINGS)

    def stop_exabgp(self) -> None:
        assert self._exabgp is not None
        self._exabgp.signal(signal.SIGTERM)
        self._exabgp.wait(20)
        self._exabgp = None

    def convert(self, settle: float) -> None:
        """Step 1 of the page."""
        text = self.pod.node.run(*VIPD, "convert", "exazk", "--exabgp", self.conf, timeout=30.0)
        assert "settle = 3.0" in text
        text = text.replace("settle = 3.0", f"settle = {settle}")
        self.pod.file.write_text(text + '\n[drain]\nlinger = 0.2\n\n[log]\nformat = "json"\n')
        self.pod.node.run(*VIPD, "check", self.pod.file, timeout=30.0)

    def start_vipd(self) -> None:
        self.pod.launch()

    def use_layout(self, layout: str) -> None:
        """Change the one line, and reload."""
        other = {"vipd": "exazk", "exazk": "vipd"}[layout]
        text = self.pod.file.read_text()
        assert f'\nlayout = "{other}"' in text
        before = len(self.pod.lines("config_reloaded"))
        self.pod.file.write_text(text.replace(f'\nlayout = "{other}"', f'\nlayout = "{layout}"'))
        self.pod.process.signal(signal.SIGHUP)
        wait_for(lambda: len(self.pod.lines("config_reloaded")) > before, "it is reloaded")


class Client:
    """Fetches the page of every VIP, again and again."""

    def __init__(self, node: Node) -> None:
        self._process = node.spawn(
            sys.executable, Path(__file__).with_name("exazk_client.py"), *VIPS, log="client.log"
        )
        wait_for(lambda: "ready" in self._process.output(), "the client fetches")

    def failures(self) -> list[str]:
        return [line for line in self._process.output().splitlines() if line != "ready"]

    def end(self) -> None:
        self._process.kill()


class ExazkFleet:
    def __init__(self, lab: Lab) -> None:
        self.fleet = Fleet(lab)
        self.places = [Place(self, pod, vip) for pod, vip in zip(self.fleet.pods, VIPS, strict=True)]
        self._client = lab.node("client")
        edge = self.fleet.edge.node
        lab.wire(edge, "client", self._client, "eth0")
        edge.ip("addr", "add", "10.60.0.1/30", "dev", "client")
        self._client.ip("addr", "add", "10.60.0.2/30", "dev", "eth0")
        self._client.ip("route", "add", "default", "via", "10.60.0.1")
        for number, tor in enumerate(self.fleet.tors, 1):
            tor.node.ip("route", "add", "10.60.0.0/30", "via", f"10.61.{number}.0")
        for place in self.places:
            for vip in VIPS:
                place.pod.node.ip("addr", "add", f"{vip}/32", "dev", "lo")
            hops = (word for tor in place.pod.tors.values() for word in ("nexthop", "via", tor))
            place.pod.node.ip("route", "add", "10.60.0.0/30", *hops)

    def start(self) -> None:
        for server in self.fleet.ensemble.servers:
            server.start()
        for tor in (*self.fleet.tors, self.fleet.edge):
            tor.start()
        self.fleet.ensemble.mend()
        for place in self.places:
            place.configure()

    def close(self) -> None:
        self.fleet.close()

    def all_on_exazk(self) -> None:
        for place in self.places:
            if place.on_vipd:
                place.pod.stop()
        for place in self.places:
            if not place.on_exazk:
                place.start_exabgp()
        self.settled()

    def to_vipd(self, place: Place, settle: float = 3.0) -> None:
        """Steps 1 to 4 of the page."""
        place.convert(settle)
        self.zkcli("delete", f"{PATH}/{place.vip}")
        others = {other for other in self.places if other is not place}
        wait_for(lambda: others <= self.announcers(place.vip), "all others announce its VIP, too")
        wait_for(lambda: self.uplinks_of(others) <= self.told(place.vip), "the edge knows")
        place.stop_exabgp()
        place.start_vipd()
        self.settled()

    def to_exazk(self, place: Place) -> None:
        """The way back: it hands over, and leaves."""
        assert place.pod.stop() == 0
        place.start_exabgp()
        self.settled()

    def settled(self) -> None:
        """Each VIP is announced by its owner alone, and the edge has it from the owner's ToRs."""
        wait_for(self.told_by_owners, "each VIP is with its owner, and the edge knows", 60)

    def told_by_owners(self) -> bool:
        return all(
            self.announcers(place.vip) == {place} and self.told(place.vip) == self.uplinks_of({place})
            for place in self.places
        )

    def announcers(self, vip: str) -> set[Place]:
        """Who has told every ToR of its own of a VIP."""
        return {place for place in self.places if f"{vip}/32" in place.pod.announces()}

    def told(self, vip: str) -> frozenset[str]:
        """Which ToRs tell the edge of a VIP."""
        return self.fleet.told().get(f"{vip}/32", frozenset())

    def uplinks_of(self, places: set[Place]) -> set[str]:
        asns = {asn for place in places for asn in self.fleet.tors_of(place.pod)}
        return {uplink for uplink, tor in self.fleet.uplinks.items() if tor.asn in asns}

    def gaps(self, since: float) -> list:
        return self.fleet.gaps(since, [f"{vip}/32" for vip in VIPS])

    @contextmanager
    def client(self) -> Iterator[Client]:
        client = Client(self._client)
        try:
            yield client
        finally:
            client.end()

    @contextmanager
    def node(self, path: str) -> Iterator[None]:
        """Have a node there for a while, as operators of ExaZK do."""
        self.zkcli("create", path)
        try:
            yield
        finally:
            self.zkcli("delete", path)

    def zkcli(self, verb: str, path: str) -> None:
        """As `zkCli.sh create`, or `delete`."""
        script = (
            "import sys; from kazoo.client import KazooClient; k = KazooClient(hosts=sys.argv[1]); k.start();"
            "{'create': lambda p: k.create(p, makepath=True), 'delete': k.delete}[sys.argv[2]](sys.argv[3]);"
            "k.stop()"
        )
        self.fleet.operator.run(sys.executable, "-c", script, self.fleet.servers[0], verb, path, timeout=30.0)
