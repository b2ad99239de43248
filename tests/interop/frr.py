"""FRR as a ToR: zebra, bgpd and, where paths are watched, bfdd in the foreground, a file each."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

from interop.netns import Process, run, wait_for
from interop.tor import Neighbor, Route, Tor, Watch

DAEMONS = "/usr/lib/frr"


class Frr(Tor):
    _processes: list[Process]

    def start(self) -> None:
        directory = self.node.directory
        shutil.chown(directory, "frr", "frr")
        (directory / "zebra.conf").write_text("")
        (directory / "bfdd.conf").write_text("\n".join(self._profiles()) + "\n")
        (directory / "bgpd.conf").write_text("\n".join(self._configuration()) + "\n")
        for conf in directory.glob("*.conf"):
            shutil.chown(conf, "frr", "frr")
        self._launch()
        wait_for(lambda: self._ask("show bgp summary json", check=False).startswith("{"), "bgpd answers")

    def _launch(self) -> None:
        directory = self.node.directory
        common = (
            *("-u", "frr", "-g", "frr", "-P", "0", "--vty_socket", directory, "-z", directory / "zserv.api"),
            *("--log", f"file:{directory}/frr-events.log", "--log-level", "debugging"),
        )
        self._processes = []
        watching = any(neighbor.bfd for neighbor in self.neighbors)
        bfdd = (("bfdd", ("--bfdctl", directory / "bfdd.sock")),) if watching else ()
        for daemon, more in (("zebra", ("-s", "90000000")), *bfdd, ("bgpd", ("-p", "179"))):
            files = ("-f", directory / f"{daemon}.conf", "-i", directory / f"{daemon}.pid")
            self._processes.append(
                self.node.spawn(f"{DAEMONS}/{daemon}", *common, *files, *more, log=f"{daemon}.log")
            )
            wait_for((directory / f"{daemon}.vty").exists, f"{daemon} answers")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.popen.terminate()
            process.wait()

    def state(self, address: str) -> str:
        return self._neighbor(address)["bgpState"]

    def since(self, address: str) -> str:
        return str(self._neighbor(address)["connectionsEstablished"])

    def prefixes(self) -> frozenset[str]:
        return frozenset(
            prefix
            for family in ("ipv4", "ipv6")
            for prefix in json.loads(self._ask(f"show bgp {family} unicast json")).get("routes", {})
        )

    def route(self, prefix: str) -> Route | None:
        family = f"ipv{ip_network(prefix).version}"
        paths = json.loads(self._ask(f"show bgp {family} unicast {prefix} json")).get("paths", [])
        for path in paths:
            if not path.get("bestpath", {}).get("overall"):
                continue
            return Route(
                next_hop=next(hop["ip"] for hop in path["nexthops"] if hop.get("scope") != "link-local"),
                as_path=tuple(asn for segment in path["aspath"]["segments"] for asn in segment["list"]),
                origin=path["origin"],
                med=path.get("metric"),
                local_preference=path.get("locPrf", 100),
                communities=frozenset(path.get("community", {}).get("list", ())),
                large_communities=frozenset(path.get("largeCommunity", {}).get("list", ())),
                otc=path.get("otc"),
            )
        return None

    def shown(self, prefix: str) -> str:
        return self._ask(f"show bgp ipv{ip_network(prefix).version} unicast {prefix}")

    def rekey(self, address: str, password: str) -> None:
        self._ask("configure terminal", f"router bgp {self.asn}", f"neighbor {address} password {password}")

    def refresh(self, address: str) -> None:
        self._ask(f"clear bgp {address} in")

    def shutdown(self, address: str, text: str) -> None:
        self._ask(
            "configure terminal", f"router bgp {self.asn}", f"neighbor {address} shutdown message {text}"
        )

    def watch(self, address: str) -> Watch | None:
        for peer in json.loads(self._ask("show bfd peers json")):
            if peer["peer"] == address:
                theirs = max(peer["receive-interval"], peer["remote-transmit-interval"])
                return Watch(
                    state=peer["status"],
                    interval=max(peer["transmit-interval"], peer["remote-receive-interval"]) / 1000,
                    detection_time=peer["remote-detect-multiplier"] * theirs / 1000,
                )
        return None

    def unwatch(self, address: str) -> None:
        (pace,) = {neighbor.bfd for neighbor in self.neighbors if neighbor.address == address}
        self._ask("configure terminal", "bfd", f"profile ms{pace}", "shutdown")

    @contextmanager
    def refusing(self, address: str) -> Iterator[None]:
        """Take no routes of a neighbour, for a while."""
        self._take(address, "")
        try:
            yield
        finally:
            self._take(address, "no ")

    def _take(self, address: str, no: str) -> None:
        for family in ("ipv4", "ipv6"):
            self._ask(
                "configure terminal",
                f"router bgp {self.asn}",
                f"address-family {family} unicast",
                f"{no}neighbor {address} route-map NOTHING in",
            )
        self.refresh(address)

    def log(self) -> str:
        path = self.node.directory / "frr-events.log"
        return path.read_text() if path.exists() else ""

    def end_of_ribs(self, address: str) -> int:
        return len(re.findall(rf"rcvd End-of-RIB for \S+ \S+ from {re.escape(address)}", self.log()))

    def _neighbor(self, address: str) -> dict:
        return json.loads(self._ask(f"show bgp neighbors {address} json"))[address]

    def _ask(self, *commands: str, check: bool = True) -> str:
        words = [word for command in commands for word in ("-c", command)]
        return run("vtysh", "--vty_socket", self.node.directory, *words, check=check)

    def _configuration(self) -> list[str]:
        lines = [
            "debug bgp neighbor-events",
            "debug bgp updates in",
            "route-map NOTHING deny 10",
            *self._not_back(),
            f"router bgp {self.asn}",
            f" bgp router-id {self.router_id}",
            " no bgp ebgp-requires-policy",
            " no bgp default ipv4-unicast",
            " no bgp network import-check",
        ]
        for neighbor in self.neighbors:
            lines += self._lines(neighbor)
        for family in ("ipv4", "ipv6"):
            lines.append(f" address-family {family} unicast")
            for neighbor in self.neighbors:
                if family in neighbor.families:
                    lines.append(f"  neighbor {neighbor.address} activate")
                    told = f"filter-list NOT-{neighbor.peer_as}" if neighbor.hears else "route-map NOTHING"
                    lines.append(f"  neighbor {neighbor.address} {told} out")
            lines.append(" exit-address-family")
        return lines

    def _profiles(self) -> list[str]:
        """A profile per pace, by its name."""
        lines = ["bfd"]
        for pace in {neighbor.bfd for neighbor in self.neighbors if neighbor.bfd}:
            lines += [f" profile ms{pace}", f"  transmit-interval {pace}", f"  receive-interval {pace}", " !"]
        return lines

    def _not_back(self) -> list[str]:
        """As BIRD, it is to tell nobody what it has from him."""
        hearing = sorted({neighbor.peer_as for neighbor in self.neighbors if neighbor.hears})
        return [
            f"bgp as-path access-list NOT-{asn} {what}"
            for asn in hearing
            for what in (f"deny _{asn}_", "permit .*")
        ]

    @staticmethod
    def _lines(neighbor: Neighbor) -> list[str]:
        settings = [
            f"remote-as {neighbor.peer_as}",
            f"timers {max(neighbor.hold_time // 3, 1)} {neighbor.hold_time}",
            "timers connect 1",
            "advertisement-interval 0",
        ]
        if neighbor.passive:
            settings.append("passive")
        if neighbor.password:
            settings.append(f"password {neighbor.password}")
        if neighbor.ttl_security:
            settings.append("ttl-security hops 1")
        if neighbor.extended_next_hop:
            settings.append("capability extended-nexthop")
        if neighbor.role:
            settings.append(f"local-role {'rs-server' if neighbor.role == 'rs' else neighbor.role}")
        if neighbor.bfd:
            settings.append(f"bfd profile ms{neighbor.bfd}")
        if neighbor.old:
            settings.append("dont-capability-negotiate")
        return [f" neighbor {neighbor.address} {setting}" for setting in settings]
