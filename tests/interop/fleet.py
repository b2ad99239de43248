"""A fleet: three pods in two racks that share their VIPs through three ZooKeeper servers, and an edge behind.

    edge (BIRD) ── a1, a2 (BIRD) ── one, two      rack a
               └── b1, b2 (FRR)  ── three, four   rack b; four is a guest: off, unless a test starts it

    hall: every pod and every ZooKeeper server has a port there, and so have the operators.

Each pod has an AS of its own, so that the paths at the edge name it. What anybody said is in ledgers: at the
edge that of the ToRs, at each pod its own.
"""

import json
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Protocol, TypeVar

import trustme

from interop import zookeeper
from interop.bird import Bird
from interop.frr import Frr
from interop.ledger import Absence, Entry, Ledger, Table, absences, tellers
from interop.netns import Lab, Node, wait_for
from interop.pod import VIPD, Pod, Service
from interop.tor import Neighbor, Tor
from interop.wiring import neighbor, service
from interop.zookeeper import TLS_PORT
from vipd.coord.layout import definition_path, maintenance_path, member_path, write_order
from vipd.coord.member import Order


class Living(Protocol):
    """What is built of many machines, started once, and closed."""

    def start(self) -> None: ...

    def close(self) -> None: ...


F = TypeVar("F", bound=Living)

EDGE_AS, TORS_AS, PODS_AS = 65000, 65100, 65010
VIPS = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "2001:db8::3")
PREFIXES = frozenset(str(ip_network(vip)) for vip in VIPS)
SHARE = 2  # of them is with each of three pods
ROOT = "/vipd"
OPERATOR = "10.64.0.9"
SERVICE = "apex"
RACKS = "ab"
CREDENTIALS = "vipd:secret"
PORT = 2181
T = 3.0  # as asked for, and granted
GRACE = 2.0
DRAIN_TIMEOUT = 6.0
HAND_BACK = 1.0


class Server(zookeeper.Server):
    """A ZooKeeper server in a namespace of its own."""

    def __init__(self, node: Node, number: int, address: str) -> None:
        super().__init__(node.directory, number, address, enter=("ip", "netns", "exec", node.namespace))
        self.node = node

    def mode(self) -> str:
        ask = f"exec 3<>/dev/tcp/{self.address}/2181 && echo srvr >&3 && timeout 1 cat <&3"
        return self.node.run("bash", "-c", ask, check=False).partition("Mode: ")[2].partition("\n")[0]


class Member(Pod):
    """A pod of the fleet."""

    def __init__(self, node: Node, pod_id: str, zone: str, number: int) -> None:
        super().__init__(node)
        self.pod_id = pod_id
        self.zone = zone
        self.asn = PODS_AS + number
        self.address = f"10.64.0.{10 + number}"  # in the hall
        self.tors: dict[str, str] = {}  # the ToR's address by our own towards it
        self.next_hops: dict[str, str] = {}  # for IPv6: our address towards each ToR, by the ToR's for IPv4
        self.auth = node.directory / "auth"
        self.auth.write_text(CREDENTIALS + "\n")
        self.auth.chmod(0o600)
        self.ledger = Ledger(node)
        self.service: Service = self.serve()

    def boot(self, servers: Collection[str], **coordination: object) -> None:
        self._coordination = {
            "servers": list(servers),
            "pod_id": self.pod_id,
            "zone": self.zone,
            "session_timeout": T,
            "grace": GRACE,
            "auth_file": self.auth,
            **coordination,
        }
        self.start(**self._sections())

    def share_by(self, **policy: object) -> None:
        """Take on another policy by which the VIPs are shared."""
        self.reload(**self._sections(**policy))

    def _sections(self, **policy: object) -> dict[str, object]:
        return {
            "speaker": {"local-as": self.asn, "router-id": self.address},
            "neighbor": [
                neighbor(tor, "external", connect_retry=1, next_hop={"ipv6": self.next_hops[tor]})
                for tor in self.tors.values()
            ],
            "service": [
                service(
                    *VIPS,
                    name=SERVICE,
                    check=[{"http": "http://127.0.0.1:8080/"}],
                    handback_delay=HAND_BACK,
                    handback_max=4 * HAND_BACK,
                    vips_from="zookeeper",
                    allow=["192.0.2.0/24"],
                    **policy,
                )
            ],
            "coordination": self._coordination,
            "drain": {"timeout": DRAIN_TIMEOUT, "linger": 0.2},
        }

    def is_ready(self) -> bool:
        """Whether an orchestrator would go on to the next pod."""
        asked = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}")
        return self.node.run(*asked, "http://127.0.0.1:9179/readyz", check=False) == "200"

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.popen.poll() is None

    def words(self) -> set[str]:
        """The verdicts that `vipd status` shows."""
        return {vip["verdict"] for found in self.status()["services"] for vip in found["vips"]}

    def is_witness(self) -> bool:
        """Whether it sees what others announce, and is told that they see what it announces itself."""
        (service,) = self.status()["services"]
        mine = [vip for vip in service["vips"] if vip["verdict"] == "ASSIGNED"]
        seen = [vip["sharing"]["verified"] for vip in mine]
        return service["coordination"]["blind"] == 0 and bool(seen) and all(seen)

    def announces(self) -> frozenset[str]:
        """What it has told every ToR, and not taken back."""
        return frozenset(prefix for prefix, told in self._told().items() if told == self.tors.keys())

    def mentions(self) -> frozenset[str]:
        """What it has told any ToR, and not taken back."""
        return frozenset(self._told())

    def _told(self) -> Mapping[str, frozenset[str]]:
        """Over which of its addresses it has told of a prefix."""
        return tellers(self.ledger.entries(), self.tors)

    def said(self, since: float) -> list[Entry]:
        return self.ledger.updates(self.tors.keys(), since)


@contextmanager
def living(kind: Callable[[Lab], F]) -> Iterator[F]:
    """Build a fleet, start it, and remove it, whatever happens."""
    lab = Lab()
    try:
        fleet = kind(lab)
        try:
            fleet.start()
            yield fleet
        finally:
            fleet.close()
    finally:
        lab.close()


class Fleet:
    def __init__(self, lab: Lab, *, witnesses: bool = False) -> None:
        """`witnesses`: ToRs tell their pods of the others', and of a default route from the edge."""
        self.lab = lab
        self._witnesses = witnesses
        self._hall = lab.node("hall")
        self._hall.ip("link", "add", "br0", "type", "bridge")
        self._hall.ip("link", "set", "br0", "up")
        self.ensemble = zookeeper.Ensemble([self._server(number) for number in (1, 2, 3)])
        authority = trustme.CA()
        self.ensemble.servers[-1].speak_tls(authority)
        self._authority = lab.directory / "authority.pem"
        authority.cert_pem.write_to_path(str(self._authority))
        self.operator = self._housed("operator", OPERATOR)
        self._auth = self.operator.directory / "auth"
        self._auth.write_text(CREDENTIALS)
        self._auth.chmod(0o600)
        self.pods = [self._pod(number) for number in (1, 2, 3)]
        self.guest = self._pod(4)
        self.tors, self.edge, self.edge_ledger = self._fabric()
        self.uplinks = self._uplinks()

    # --- building -----------------------------------------------------------------------------------------

    def _housed(self, name: str, address: str) -> Node:
        """A machine with a port in the hall."""
        node = self.lab.node(name)
        self.lab.wire(self._hall, name, node, "hall0")
        self._hall.ip("link", "set", name, "master", "br0")
        node.ip("addr", "add", f"{address}/24", "dev", "hall0")
        return node

    def _server(self, number: int) -> Server:
        address = f"10.64.0.{number}"
        return Server(self._housed(f"zoo{number}", address), number, address)

    def _pod(self, number: int) -> Member:
        name = ("one", "two", "three", "four")[number - 1]
        node = self._housed(name, f"10.64.0.{10 + number}")
        return Member(node, name, RACKS[number > 2], number)

    def _fabric(self) -> tuple[list[Tor], Tor, Ledger]:
        """ToR i has 10.61.i.1 towards the edge, and 10.62.i.2k towards pod k, which has the next.

        Likewise fd61:i::1 and fd62:i::2k: the sessions are all IPv4, and what they tell is both.
        """
        edge_node, witnesses = self.lab.node("edge"), self._witnesses
        tors: list[Tor] = []
        for number, (name, kind) in enumerate((("a1", Bird), ("a2", Bird), ("b1", Frr), ("b2", Frr)), 1):
            node = self.lab.node(name)
            self.lab.wire(edge_node, name, node, "edge")
            edge_node.ip("addr", "add", f"10.61.{number}.0/31", "dev", name)
            node.ip("addr", "add", f"10.61.{number}.1/31", "dev", "edge")
            edge_node.ip("addr", "add", f"fd61:{number}::/127", "dev", name, "nodad")
            node.ip("addr", "add", f"fd61:{number}::1/127", "dev", "edge", "nodad")
            neighbors = [Neighbor(address=f"10.61.{number}.0", peer_as=EDGE_AS, hears=True)]
            for pod in (*self.pods, self.guest):
                if pod.zone == name[0]:
                    place = 2 * (pod.asn - PODS_AS)
                    ours, theirs = f"10.62.{number}.{place}", f"10.62.{number}.{place + 1}"
                    self.lab.wire(node, pod.pod_id, pod.node, name)
                    node.ip("addr", "add", f"{ours}/31", "dev", pod.pod_id)
                    pod.node.ip("addr", "add", f"{theirs}/31", "dev", name)
                    pod.tors[theirs] = ours
                    pod.next_hops[ours] = f"fd62:{number}::{place + 1:x}"
                    node.ip("addr", "add", f"fd62:{number}::{place:x}/127", "dev", pod.pod_id, "nodad")
                    pod.node.ip("addr", "add", f"{pod.next_hops[ours]}/127", "dev", name, "nodad")
                    neighbors.append(Neighbor(address=theirs, peer_as=pod.asn, hears=witnesses))
            tors.append(kind(node, asn=TORS_AS + number, router_id=f"10.61.{number}.1", neighbors=neighbors))
        edge = Bird(
            edge_node,
            asn=EDGE_AS,
            router_id="10.61.0.1",
            originates=["0.0.0.0/0", "::/0"] if witnesses else [],
            neighbors=[
                Neighbor(address=tor.router_id, peer_as=tor.asn, passive=False, hears=witnesses)
                for tor in tors
            ],
        )
        return tors, edge, Ledger(edge_node)

    def _uplinks(self) -> dict[str, Tor]:
        """Who tells the edge, by address towards it."""
        return {tor.router_id: tor for tor in self.tors}

    def routers(self) -> tuple[Tor, ...]:
        return (*self.tors, self.edge)

    # --- living -------------------------------------------------------------------------------------------

    def start(self) -> None:
        for server in self.ensemble.servers:
            server.start()
        for router in self.routers():
            router.start()
        self.ensemble.mend()
        self.mend()

    def close(self) -> None:
        self.ensemble.close()

    def mend(self) -> None:
        """Everything runs that ought to, and nothing else; every VIP is with one pod, two with each."""
        self.ensemble.mend()
        if self.guest.runs:
            self.guest.stop()
        for pod in self.pods:
            if pod.runs:
                pod.process.signal(signal.SIGCONT)
            else:
                pod.boot(self.servers)
        self.settled()

    def boot(self, pod: Member, **coordination: object) -> None:
        pod.boot(self.servers, **coordination)

    def boot_over_tls(self, pod: Member) -> None:
        server = f"{self.ensemble.servers[-1].address}:{TLS_PORT}"
        pod.boot([server], tls=True, tls_ca=self._authority)

    @property
    def servers(self) -> list[str]:
        return [server.address for server in self.ensemble.servers]

    def settled(self, timeout: float = 40.0) -> None:
        """Wait until each pod announces its share, and each of its ToRs tells the edge."""
        try:
            wait_for(self._is_settled, "each VIP announced by one pod, and each pod with its share", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.picture()}") from None

    def _is_settled(self) -> bool:
        shares = [pod.announces() for pod in self.pods]
        return (
            shares == [pod.mentions() for pod in self.pods]
            and {len(share) for share in shares} == {SHARE}
            and frozenset().union(*shares) == PREFIXES
            and not self.guest.mentions()
            and self.told().keys() == PREFIXES
            and {len(tors) for tors in self.told().values()} == {len(self.tors) // len(RACKS)}
        )

    def picture(self) -> str:
        shares = {pod.pod_id: sorted(pod.mentions()) for pod in (*self.pods, self.guest)}
        return f"pods: {shares}; edge: { {prefix: sorted(t) for prefix, t in self.told().items()} }"

    # --- what was seen ------------------------------------------------------------------------------------

    def told(self) -> Mapping[str, frozenset[str]]:
        """Which ToRs tell the edge of which prefix."""
        return tellers(self.edge_ledger.entries(), self.uplinks)

    def tors_of(self, pod: Member) -> set[int]:
        """The AS numbers of its ToRs."""
        return {tor.asn for tor in self.tors if tor.node.name.startswith(pod.zone)}

    def at_the_edge(self, since: float) -> list[Entry]:
        """Every UPDATE that ToRs told the edge."""
        return self.edge_ledger.updates(self.uplinks.keys(), since)

    def gaps(self, since: float, prefixes: Collection[str] = PREFIXES) -> list[Absence]:
        """When the edge was without a route."""
        return absences(self.edge_ledger.entries(), prefixes, self.uplinks.keys(), since)

    def said(self, since: float) -> list[Entry]:
        """Every UPDATE of a pod."""
        return [entry for pod in (*self.pods, self.guest) for entry in pod.said(since)]

    def fewest(self, since: float) -> int:
        """Of how many pods, at least, a ToR was told for each prefix, at every moment since then."""
        tables = {pod.pod_id: Table(pod.tors.keys()) for pod in self.pods}
        said = [(entry.at, pod.pod_id, entry) for pod in self.pods for entry in pod.ledger.entries()]
        fewest = len(tables)
        for at, pod_id, entry in sorted(said, key=lambda each: each[0]):
            tables[pod_id].take(entry)
            if at >= since:
                told = [table.tellers().keys() for table in tables.values()]
                fewest = min(fewest, *(sum(prefix in one for one in told) for prefix in PREFIXES))
        return fewest

    def holders(self) -> dict[str, Member]:
        """Which pod announces a prefix to all of its ToRs: in a settled fleet, one."""
        return {prefix: pod for pod in self.pods for prefix in sorted(pod.announces())}

    # --- operators ----------------------------------------------------------------------------------------

    def vipd(self, *words: str) -> str:
        """A verb of the command line, on a machine without a pod."""
        where = ("--zookeeper", ",".join(self.servers), "--auth-file", str(self._auth))
        return self.operator.run(*VIPD, *words, *where)

    def define(self, *vips: str, **others: object) -> float:
        """Define the service; the wall clock before."""
        file, at = self.operator.directory / "apex.json", time.time()
        file.write_text(json.dumps({"schema": 1, "vips": vips, **others}))
        self.vipd("service", "set", SERVICE, str(file))
        return at

    def write_definition(self, text: str) -> None:
        """Have a text be the definition, whatever it is."""
        self.operator.run(*self._znode(definition_path(ROOT, SERVICE), text))

    @contextmanager
    def maintenance(self) -> Iterator[float]:
        """Have the service off the air for a while; the wall clock when that was asked of ZooKeeper."""
        order = write_order(Order(who="a test", why="to see", when="now")).decode()
        try:
            said = self.operator.run(*self._znode(maintenance_path(ROOT, SERVICE), order))
            yield float(said.splitlines()[-1])  # before it, what the library logs
        finally:
            self.vipd("maintenance", "off", SERVICE, "--reason", "seen")

    @contextmanager
    def cut_off(self, pod: Member) -> Iterator[None]:
        """Have a pod without its port in the hall."""
        pod.node.ip("link", "set", "hall0", "down")
        try:
            yield
        finally:
            pod.node.ip("link", "set", "hall0", "up")

    @contextmanager
    def connections(self, fault: str) -> Iterator[None]:
        """Have a fault between all pods and all servers; operators are spared the resets of answers."""
        with ExitStack() as stack:
            for node, rule in self._faults(fault):
                stack.enter_context(node.sending(rule))
            yield

    def _faults(self, fault: str) -> list[tuple[Node, str]]:
        """On which machines, and what is done to packets there. Those of data bear PSH."""
        ours = f'oifname "hall0" tcp sport {PORT} tcp flags & psh == psh'
        match fault:
            case "accepted, and no word said":  # in the handshake, and on connections that are there
                return [(server.node, f"{ours} drop") for server in self.ensemble.servers]
            case "reset at the first word":
                rule = f"tcp dport {PORT} tcp flags & psh == psh reject with tcp reset"
                return [(pod.node, rule) for pod in self.pods]
            case "reset once it is carried out":  # the answers to pings and to the handshake are shorter
                rule = f"{ours} ip daddr != {OPERATOR} ip length > 120 reject with tcp reset"
                return [(server.node, rule) for server in self.ensemble.servers]
        raise ValueError(fault)

    @contextmanager
    def sharing_by(self, **policy: object) -> Iterator[None]:
        """Have all pods share by another policy."""
        for pod in self.pods:
            pod.share_by(**policy)
        try:
            yield
        finally:
            for pod in self.pods:
                if pod.runs:
                    pod.share_by()

    @contextmanager
    def drained(self, pod: Member) -> Iterator[None]:
        self.vipd("drain", pod.pod_id, "--reason", "to see")
        try:
            yield
        finally:
            self.vipd("undrain", pod.pod_id, "--reason", "seen")

    @contextmanager
    def ghosts(self, **texts: str) -> Iterator[None]:
        """Have members, by name, whose records are these texts."""
        processes = [
            self.operator.spawn(*self._znode(member_path(ROOT, SERVICE, f"{name}~"), text), log="ghost.log")
            for name, text in texts.items()
        ]
        try:
            yield
        finally:
            for process in processes:
                process.kill()

    def _znode(self, path: str, text: str) -> tuple[str | Path, ...]:
        return VIPD[0], Path(__file__).with_name("znode.py"), self.servers[0], CREDENTIALS, path, text

    def zookeeper_down(self) -> float:
        """Every ZooKeeper server dies; the wall clock before."""
        at = time.time()
        for server in self.ensemble.servers:
            server.kill()
        return at
