"""GoBGP as a ToR: a table and no kernel; a third opinion on what we send."""

import json
from ipaddress import ip_address, ip_network

from interop.netns import Process, wait_for
from interop.tor import Neighbor, Route, Tor

ORIGINS = ("IGP", "EGP", "incomplete")
STATES = ("Unknown", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established")


class GoBgp(Tor):
    _process: Process

    def start(self) -> None:
        conf = self.node.directory / "gobgpd.conf"
        conf.write_text(
            f'[global.config]\nas = {self.asn}\nrouter-id = "{self.router_id}"\n'
            + "".join(map(self._neighbor_tables, self.neighbors))
        )
        self._process = self.node.spawn(
            *("gobgpd", "-f", conf, "-l", "debug", "--pprof-disable", "--api-hosts", "127.0.0.1:50051"),
            log="gobgpd.log",
        )
        wait_for(lambda: self._ask("global", check=False), "gobgpd answers")

    def stop(self) -> None:
        self._process.popen.terminate()
        self._process.wait()

    def state(self, address: str) -> str:
        return STATES[self._neighbor(address)["state"].get("session_state", 0)]

    def since(self, address: str) -> str:
        return str(self._neighbor(address)["timers"]["state"]["uptime"])

    def prefixes(self) -> frozenset[str]:
        return frozenset(self._rib("ipv4")) | frozenset(self._rib("ipv6"))

    def route(self, prefix: str) -> Route | None:
        paths = self._rib(f"ipv{ip_network(prefix).version}").get(prefix)
        if not paths:
            return None
        said = {attribute["type"]: attribute for attribute in paths[0]["attrs"]}
        return Route(
            next_hop=(said.get(3) or said[14])["nexthop"],
            as_path=tuple(asn for segment in said[2]["as_paths"] for asn in segment["asns"]),
            origin=ORIGINS[said[1]["value"]],
            med=said[4]["metric"] if 4 in said else None,
            local_preference=said[5]["value"] if 5 in said else 100,
            communities=frozenset(f"{c >> 16}:{c & 0xFFFF}" for c in said.get(8, {}).get("communities", ())),
            large_communities=frozenset(
                f"{c['ASN']}:{c['LocalData1']}:{c['LocalData2']}" for c in said.get(32, {}).get("value", ())
            ),
        )

    def end_of_ribs(self, address: str) -> int:
        return self.log().count("EOR received")

    def shutdown(self, address: str, text: str) -> None:
        self._ask("neighbor", address, "shutdown", "--reason", text)

    def log(self) -> str:
        return self._process.output()

    def _neighbor(self, address: str) -> dict:
        return json.loads(self._ask("-j", "neighbor", address))

    def _rib(self, family: str) -> dict:
        return json.loads(self._ask("-j", "global", "rib", "-a", family) or "{}")

    def _ask(self, *words: str, check: bool = True) -> str:
        return self.node.run("gobgp", *words, check=check)

    @staticmethod
    def _neighbor_tables(neighbor: Neighbor) -> str:
        mine = "::" if ip_address(neighbor.address).version == 6 else "0.0.0.0"
        return (
            "[[neighbors]]\n"
            f'[neighbors.config]\nneighbor-address = "{neighbor.address}"\npeer-as = {neighbor.peer_as}\n'
            f'auth-password = "{neighbor.password or ""}"\n'
            f"[neighbors.ttl-security.config]\n"
            f"enabled = {str(neighbor.ttl_security).lower()}\nttl-min = 255\n"
            f"[neighbors.graceful-restart.config]\n"
            f"enabled = {str(neighbor.restarts).lower()}\nrestart-time = 60\n"
            f"[neighbors.transport.config]\n"
            f'passive-mode = {str(neighbor.passive).lower()}\nlocal-address = "{mine}"\n'
            f"[neighbors.timers.config]\nhold-time = {neighbor.hold_time}\nconnect-retry = 1\n"
            + "".join(
                f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{family}-unicast"\n'
                f"[neighbors.afi-safis.mp-graceful-restart.config]\n"
                f"enabled = {str(neighbor.restarts).lower()}\n"
                for family in neighbor.families
            )
        )
