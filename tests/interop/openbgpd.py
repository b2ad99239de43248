"""OpenBGPD as a ToR: a table and no kernel. Its own filters refuse what nobody allows (RFC 8212)."""

import json
from pathlib import Path

from interop.netns import Process, run, wait_for
from interop.tor import Neighbor, Route, Tor

ROUTER = """
AS {asn}
router-id {router_id}
socket "{socket}"
listen on 0.0.0.0
listen on ::
fib-update no
allow from any
"""


class OpenBgpd(Tor):
    _process: Process

    def start(self) -> None:
        self._socket = self.node.directory / "bgpd.sock"
        conf = self.node.directory / "bgpd.conf"
        conf.write_text(
            ROUTER.format(asn=self.asn, router_id=self.router_id, socket=self._socket)
            + "".join(map(self._neighbor_block, self.neighbors))
        )
        conf.chmod(0o600)  # it insists
        Path("/run/openbgpd").mkdir(exist_ok=True)  # where it locks itself in; empty for good
        self._process = self.node.spawn("bgpd", "-d", "-v", "-f", conf, log="bgpd.log")
        wait_for(lambda: "BGP neighbor" in self._ask("show", "neighbor", check=False), "bgpd answers")

    def stop(self) -> None:
        self._process.popen.terminate()
        self._process.wait()

    def state(self, address: str) -> str:
        return self._neighbor(address)["state"]

    def since(self, address: str) -> str:
        return str(self.log().count(f"neighbor {address}: state change OpenConfirm -> Established"))

    def prefixes(self) -> frozenset[str]:
        return frozenset(route["prefix"] for route in self._rib())

    def route(self, prefix: str) -> Route | None:
        found = self._rib("detail", prefix)
        if not found:
            return None
        said = found[0]
        return Route(
            next_hop=said["exit_nexthop"],
            as_path=tuple(map(int, said["aspath"].split())),
            origin=said["origin"],
            med=said["metric"] or None,  # it does not tell 0 from none
            local_preference=said["localpref"],
            communities=frozenset(said.get("communities", ())),
            large_communities=frozenset(said.get("large_communities", ())),
        )

    def refresh(self, address: str) -> None:
        self._ask("neighbor", address, "refresh")

    def end_of_ribs(self, address: str) -> int:
        return self.log().count(" EOR marker")

    def shutdown(self, address: str, text: str) -> None:
        self._ask("neighbor", address, "down", text)

    def log(self) -> str:
        return self._process.output()

    def _neighbor(self, address: str) -> dict:
        return json.loads(self._ask("-j", "show", "neighbor", address))["neighbors"][0]

    def _rib(self, *words: str) -> list[dict]:
        return json.loads(self._ask("-j", "show", "rib", *words)).get("rib", [])

    def _ask(self, *words: str, check: bool = True) -> str:
        return run("bgpctl", "-s", self._socket, *words, check=check)

    @staticmethod
    def _neighbor_block(neighbor: Neighbor) -> str:
        options = [f"remote-as {neighbor.peer_as}", f"holdtime {neighbor.hold_time}"]
        options += [f"announce {family.replace('ip', 'IP')} unicast" for family in neighbor.families]
        options.append("announce enhanced refresh yes")
        if neighbor.role:
            options.append(f"announce policy {neighbor.role} enforce")
        if neighbor.passive:
            options.append("passive")
        if neighbor.password:
            options.append(f'tcp md5sig password "{neighbor.password}"')
        if neighbor.ttl_security:
            options.append("ttl-security yes")
        return f"neighbor {neighbor.address} {{\n" + "".join(f"  {option}\n" for option in options) + "}\n"
