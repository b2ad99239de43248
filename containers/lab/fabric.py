"""The laboratory: a spine-leaf fabric with a client behind its edge, and pods that run the image of vipd.

    client ── edge ── spine1, spine2 ── a1, a2 (BIRD)       one
                                     ── b1, b2 (FRR)        two
                                     ── c1 (BIRD), c2 (FRR) three, four; four is a guest

    hall: every pod and every ZooKeeper server has a port there, and so have operators and Prometheus.

It is the fleet of tests/interop with a layer more, and with traffic: every link forwards, and whoever has two
ways out uses both.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from containers.podman import NOTHING, USER, VIPD, Container
from interop.bird import Bird
from interop.fleet import EDGE_AS, PODS_AS, TORS_AS, Fleet, Member
from interop.frr import Frr
from interop.ledger import Ledger
from interop.netns import Lab, Node, Process, wait_for
from interop.pod import VIPD as VERB
from interop.tor import Neighbor, Tor
from interop.wiring import client_behind, neighbor

VIPS = tuple(f"192.0.2.{number}" for number in range(1, 7))
PREFIXES = frozenset(f"{vip}/32" for vip in VIPS)
SPINES_AS = 65001  # one for both: else a ToR carries what one spine says to the other
TORS = (("a1", Bird), ("a2", Bird), ("b1", Frr), ("b2", Frr), ("c1", Bird), ("c2", Frr))
ZONES = {1: "a", 2: "b", 3: "c", 4: "c"}
CLIENTS = "10.60.0.0/30"
MODES: Mapping[str, Mapping[str, object]] = {  # each with the policy of its service
    "cold": {},
    "witness": {"witness": True},
    "hot": {"standby": "hot", "standbys": 2},
    "bfd": {"standby": "hot", "standbys": 2},
}
PACE = 100  # ms, three times, in the mode that has BFD
HERE = Path(__file__).parent
SYSCTL = (  # flows are spread by port, and a link that is down carries none
    "net.ipv4.fib_multipath_hash_policy=1",
    "net.ipv4.conf.all.ignore_routes_with_linkdown=1",
    "net.ipv4.conf.default.ignore_routes_with_linkdown=1",
)


class Contained(Member):
    """A pod of the fleet whose vipd is that of the image. Its service answers HTTP, and echoes UDP."""

    def __init__(self, node: Node, pod_id: str, zone: str, number: int, *, mode: str) -> None:
        for vip in VIPS:
            node.ip("addr", "add", f"{vip}/32", "dev", "lo")
        super().__init__(node, pod_id, zone, number)
        os.chown(self.auth, USER, USER)
        here = ("--volume", f"{self.auth}:{self.auth}:ro", "--volume", f"{self.file}:/etc/vipd/vipd.toml:ro")
        self.container = Container(node, VIPD, *NOTHING, *here)
        self._policy = MODES.get(mode, {})
        self._watched = {"bfd": True, "bfd_interval": PACE / 1000} if mode == "bfd" else {}
        self._pid = 0

    def _sections(self, **policy: object) -> dict[str, object]:
        sections = super()._sections(**self._policy, **policy)
        sections["service"][0] |= {"vips": list(VIPS), "handback-max": 10.0}  # it fails again and again
        sections["neighbor"] = [
            neighbor(tor, "external", connect_retry=1, **self._watched) for tor in self.tors.values()
        ]
        return sections | {"api": {"listen": "0.0.0.0:9179"}}

    def _launch(self, *prefix: str) -> Process:
        self.container.remove()  # of one that was killed, podman may not have heard yet
        process = self.container.start(*prefix)
        self._pid = 0
        return process

    @property
    def pid(self) -> int:
        self._pid = self._pid or self.container.pid
        return self._pid

    def signal(self, number: signal.Signals) -> None:
        """To vipd alone."""
        os.kill(self.pid, number)

    def stop(self, timeout: float = 20.0) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """The whole pod dies at once: vipd, and the service."""
        pid = self.pid
        self.service.process.signal(signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def ask(self, *words: str) -> str:
        return self.container.run("vipd", *words)

    def serve(self, port: int = 8080) -> "Service":
        return Service(self.node)


class Service:
    """The service of a pod; it can be broken, healed, and killed."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._broken = node.directory / "broken"
        self.start()

    def start(self) -> None:
        self._broken.unlink(missing_ok=True)
        script = HERE / "service.py"
        self.process = self._node.spawn(
            sys.executable, "-u", script, self._node.name, self._broken, *VIPS, log="service.log"
        )
        wait_for(lambda: "ready" in self.process.output(), "the service answers")

    @property
    def runs(self) -> bool:
        return self.process.popen.poll() is None

    def fail(self) -> None:
        self._broken.touch()

    def heal(self) -> None:
        self._broken.unlink(missing_ok=True)


class Fabric(Fleet):
    """The whole laboratory, in one mode."""

    def __init__(self, lab: Lab, mode: str = "cold", pods: type[Contained] = Contained) -> None:
        self.mode = mode
        self._kind = pods
        self._pace = PACE if mode == "bfd" else None
        super().__init__(lab, witnesses=mode == "witness")
        self.client = client_behind(lab, self.edge.node)
        self._ways()

    def _pod(self, number: int) -> Contained:
        name = ("one", "two", "three", "four")[number - 1]
        node = self._housed(name, f"10.64.0.{10 + number}")
        return self._kind(node, name, ZONES[number], number, mode=self.mode)

    def _fabric(self) -> tuple[list[Tor], Tor, Ledger]:
        """ToR i has 10.61.i.1 and .3 towards the spines; spine s has 10.60.20s.1 towards the edge."""
        edge = self.lab.node("edge")
        spines = [self.lab.node(f"spine{s}") for s in (1, 2)]
        for s, spine in enumerate(spines, 1):
            self._join((edge, f"spine{s}", f"10.60.20{s}.0"), (spine, "edge", f"10.60.20{s}.1"))
        tors: list[Tor] = []
        for i, (name, kind) in enumerate(TORS, 1):
            node = self.lab.node(name)
            up = []
            for s, spine in enumerate(spines, 1):
                above, below = f"10.61.{i}.{2 * s - 2}", f"10.61.{i}.{2 * s - 1}"
                self._join((spine, name, above), (node, f"up{s}", below))
                up.append(Neighbor(address=above, peer_as=SPINES_AS, families=("ipv4",), hears=True))
            down = []
            for pod in (*self.pods, self.guest):
                if pod.zone == name[0]:
                    place = 2 * (pod.asn - PODS_AS)
                    ours, theirs = f"10.62.{i}.{place}", f"10.62.{i}.{place + 1}"
                    self._join((node, pod.pod_id, ours), (pod.node, name, theirs))
                    pod.tors[theirs] = ours
                    pod.next_hops[ours] = "fd62::1"  # the fleet tells IPv6, too; here there is none
                    down.append(
                        Neighbor(
                            address=theirs,
                            peer_as=pod.asn,
                            families=("ipv4",),
                            bfd=self._pace,
                            hears=self._witnesses,
                        )
                    )
            tors.append(kind(node, asn=TORS_AS + i, router_id=f"10.61.{i}.1", neighbors=[*up, *down]))
        self.spines = [
            Bird(
                spine,
                asn=SPINES_AS,
                router_id=f"10.60.20{s}.1",
                neighbors=[
                    Neighbor(address=f"10.60.20{s}.0", peer_as=EDGE_AS, families=("ipv4",), hears=True),
                    *(
                        Neighbor(
                            address=f"10.61.{i}.{2 * s - 1}",
                            peer_as=TORS_AS + i,
                            families=("ipv4",),
                            passive=False,
                            hears=True,
                        )
                        for i in range(1, len(TORS) + 1)
                    ),
                ],
            )
            for s, spine in enumerate(spines, 1)
        ]
        above = Bird(
            edge,
            asn=EDGE_AS,
            router_id="10.60.200.1",
            originates=["0.0.0.0/0"] if self._witnesses else [],
            neighbors=[
                Neighbor(
                    address=spine.router_id,
                    peer_as=SPINES_AS,
                    families=("ipv4",),
                    passive=False,
                    hears=self._witnesses,
                )
                for spine in self.spines
            ],
        )
        return tors, above, Ledger(edge)

    def _join(self, *ends: tuple[Node, str, str]) -> None:
        """A wire; each of its ends has a node, a port and an address."""
        (a, a_port, _), (b, b_port, _) = ends
        self.lab.wire(a, a_port, b, b_port)
        for node, port, address in ends:
            node.ip("addr", "add", f"{address}/31", "dev", port)

    def _ways(self) -> None:
        """The ways down to the client, which are no matter of BGP here."""
        for node in self.lab.nodes:
            node.run("sysctl", "-qw", *SYSCTL)
        for s, spine in enumerate(self.spines, 1):
            spine.node.ip("route", "add", CLIENTS, "via", f"10.60.20{s}.0")
        for tor in self.tors:
            self.raise_links(tor)
        for pod in (*self.pods, self.guest):
            self.ways_of(pod)

    def raise_links(self, tor: Tor) -> None:
        """Have a ToR linked, and know its ways to the client; a link that goes takes its routes with it."""
        pods = (pod.pod_id for pod in (*self.pods, self.guest) if pod.zone == tor.node.name[0])
        for port in ("up1", "up2", *pods):
            tor.node.ip("link", "set", port, "up")
        i = tor.asn - TORS_AS
        spread(tor.node, CLIENTS, [f"10.61.{i}.0", f"10.61.{i}.2"])

    def ways_of(self, pod: Contained) -> None:
        spread(pod.node, "default", pod.tors.values())

    def routers(self) -> tuple[Tor, ...]:
        return (*self.tors, *self.spines, self.edge)

    def _uplinks(self) -> dict[str, Tor]:
        return {spine.router_id: spine for spine in self.spines}

    def mend(self) -> None:
        for pod in (*self.pods, self.guest):
            if not pod.service.runs:
                pod.service.start()
            pod.service.heal()
            if pod.runs:
                pod.signal(signal.SIGCONT)
        super().mend()

    def _is_settled(self) -> bool:
        """Every VIP is best at the edge by one pod at rank 0, two with each, over both spines."""
        told = self.told()
        if told.keys() != PREFIXES or {len(spines) for spines in told.values()} != {len(self.spines)}:
            return False
        paths = [route.as_path for prefix in PREFIXES if (route := self.edge.route(prefix))]
        owners = [path[-1] for path in paths if len(path) == 3]
        if sorted(owners) != sorted(2 * [pod.asn for pod in self.pods]):
            return False
        return not self._witnesses or all(pod.is_witness() for pod in self.pods)

    def owner(self, vip: str) -> Contained:
        """The pod that the edge prefers."""
        asn = self.edge.route(f"{vip}/32").as_path[-1]
        return next(pod for pod in (*self.pods, self.guest) if pod.asn == asn)

    def picture(self) -> str:
        paths = {prefix: self.edge.route(prefix) for prefix in sorted(PREFIXES)}
        return f"edge: { {prefix: route and route.as_path for prefix, route in paths.items()} }"

    @contextlib.contextmanager
    def prometheus(self):
        """Prometheus, where the operator is; scrapes every pod."""
        targets = ", ".join(f"'{pod.address}:9179'" for pod in (*self.pods, self.guest))
        config = self.operator.directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: vipd, static_configs: [{{targets: [{targets}]}}]}}]\n"
        )
        process = self.operator.spawn(
            *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.operator.directory}/tsdb"),
            *("--web.listen-address=0.0.0.0:9090", "--log.level=warn"),
            log="prometheus.log",
        )
        try:
            yield
        finally:
            process.kill()


def spread(node: Node, to: str, gateways: Collection[str]) -> None:
    hops = [word for gateway in gateways for word in ("nexthop", "via", gateway)]
    node.ip("route", "replace", to, *hops)


def hints(fabric: Fabric) -> str:
    """What to try in a laboratory that runs."""
    client, edge, operator = (node.namespace for node in (fabric.client, fabric.edge.node, fabric.operator))
    where = f"--zookeeper {','.join(fabric.servers)} --auth-file {fabric._auth}"
    return f"""\
It is up, in mode {fabric.mode}. In another terminal, as root:

  export CONTAINERS_CONF={os.environ["CONTAINERS_CONF"]}
  ip netns exec {client} curl http://{VIPS[0]}:8080/
  birdc -s {fabric.edge.node.directory}/bird.ctl show route all for {VIPS[0]}/32
  vtysh --vty_socket {fabric.tors[2].node.directory} -c 'show bgp summary'
  podman exec {fabric.pods[0].container.name} vipd status
  ip netns exec {operator} {" ".join(VERB)} drain one --reason 'to see' {where}
  podman kill --signal KILL {fabric.pods[1].container.name}
  ip netns exec {operator} curl 'http://10.64.0.9:9090/api/v1/query?query=vipd_vip_announced'
  ip netns exec {edge} tcpdump -ni any tcp port 179

`make lab-down`, or ^C here, ends it."""
