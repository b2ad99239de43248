"""Racks: how pods, ToRs and clients hang together, and the addresses they have."""

from interop.netns import Lab, Node
from interop.pod import Pod
from interop.tor import Neighbor, Tor

TOR_AS, POD_AS = 65101, 65010
TOR4, POD4 = "10.62.1.0", "10.62.1.1"
TOR6, POD6 = "fd62:1::1", "fd62:1::2"


class Rack:
    """One pod on one ToR, by a link of its own."""

    def __init__(self, lab: Lab, kind: type[Tor]) -> None:
        self.lab = lab
        self.kind = kind
        self.switch = lab.node("tor")
        self.pod = Pod(lab.node("pod"))
        link(lab, self.switch, self.pod.node)
        self.pod.node.ip("route", "add", "default", "via", TOR4)
        self.pod.node.ip("-6", "route", "add", "default", "via", TOR6)

    def tor(self, address: str = POD4, *, asn: int = TOR_AS, peer_as: int = POD_AS, **more: object) -> Tor:
        """Start the ToR, with the pod for its neighbour."""
        neighbor = Neighbor(address=address, peer_as=peer_as, **more)
        tor = self.kind(self.switch, asn=asn, router_id=TOR4, neighbors=[neighbor])
        tor.start()
        return tor


def link(lab: Lab, tor: Node, pod: Node, number: int = 1) -> None:
    """The number-th ToR of a pod: 10.62.N.0/31 and fd62:N::/64, the ToR first."""
    lab.wire(tor, "pod", pod, f"eth{number - 1}")
    for node, port, last4, last6 in ((tor, "pod", 0, 1), (pod, f"eth{number - 1}", 1, 2)):
        node.ip("addr", "add", f"10.62.{number}.{last4}/31", "dev", port)
        node.ip("addr", "add", f"fd62:{number}::{last6}/64", "dev", port, "nodad")


def client_behind(lab: Lab, router: Node, number: int = 0) -> Node:
    """A machine whose only way out is that router."""
    client = lab.node(f"client{number}")
    lab.wire(router, "client", client, "eth0")
    router.ip("addr", "add", f"10.60.{number}.1/30", "dev", "client")
    router.ip("addr", "add", f"fd60:{number}::1/64", "dev", "client", "nodad")
    client.ip("addr", "add", f"10.60.{number}.2/30", "dev", "eth0")
    client.ip("addr", "add", f"fd60:{number}::2/64", "dev", "eth0", "nodad")
    client.ip("route", "add", "default", "via", f"10.60.{number}.1")
    client.ip("-6", "route", "add", "default", "via", f"fd60:{number}::1")
    return client


def fetch(client: Node, vip: str) -> str:
    """The page that a client gets from a VIP; nothing where it gets none."""
    host = f"[{vip}]" if ":" in vip else vip
    return client.run("curl", "-s", "--max-time", "1", f"http://{host}:8080/", check=False)


def neighbor(address: str = TOR4, peer_as: int | str = TOR_AS, **keys: object) -> dict[str, object]:
    """A [[neighbor]] of vipd's file."""
    return {"address": address, "peer-as": peer_as, **keys}


def service(*vips: str, name: str = "apex", **keys: object) -> dict[str, object]:
    """A [[service]] of vipd's file; without checks it is announced at once."""
    return {"name": name, "vips": list(vips), **keys}
