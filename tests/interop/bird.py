"""BIRD 2 as a ToR."""

import re
from dataclasses import replace
from pathlib import Path

from interop.netns import Process, run, wait_for
from interop.tor import Neighbor, Route, Tor, Watch

ROUTER = """
log "{log}" all;
router id {router_id};
timeformat protocol iso long ms;
protocol device {{ scan time 1; }}
protocol direct {{ ipv4; ipv6; }}
protocol kernel {{ merge paths on; ipv4 {{ import none; export where source = RTS_BGP; }}; }}
protocol kernel {{ merge paths on; ipv6 {{ import none; export where source = RTS_BGP; }}; }}
"""


ROLES = {"rs": "rs_server", "rs-client": "rs_client"}  # as BIRD has them, where it has others


class Bird(Tor):
    _process: Process

    def start(self) -> None:
        self._log = self.node.directory / "bird-events.log"
        self._socket = self.node.directory / "bird.ctl"
        self._process = self._launch(self._write())
        wait_for(lambda: "router" in self._ask("show status", check=False).lower(), "BIRD answers")

    def _write(self) -> Path:
        conf = self.node.directory / "bird.conf"
        conf.write_text(
            ROUTER.format(log=self._log, router_id=self.router_id)
            + self._watch()
            + self._static()
            + "".join(self._protocol(i, neighbor) for i, neighbor in enumerate(self.neighbors))
        )
        return conf

    def _launch(self, conf: Path) -> Process:
        return self.node.spawn("bird", "-f", "-c", conf, "-s", self._socket, log="bird.log")

    def stop(self) -> None:
        self._ask("down")
        self._process.wait()

    def kill(self) -> None:
        """End it without a chance to say a word."""
        self._process.kill()

    def state(self, address: str) -> str:
        found = re.search(r"BGP state:\s+(\S+)", self._ask(f"show protocols all {self._name(address)}"))
        return found[1] if found else "Idle"

    def since(self, address: str) -> str:
        return str(self.log().count(f"{self._name(address)}: State changed to up"))

    def prefixes(self) -> frozenset[str]:
        return frozenset(
            re.findall(r"^(\S+/\d+) ", self._ask("show route where source = RTS_BGP"), re.MULTILINE)
        )

    def route(self, prefix: str) -> Route | None:
        words = f"show route for {prefix} primary all where source = RTS_BGP && net = {prefix}"
        text = self._ask(words, check=False)  # "Network not found" is a failure to it, and an answer to us
        said = dict(re.findall(r"^\s+BGP\.(\w+): ?(.*)$", text, re.MULTILINE))
        if not said:
            return None
        return Route(
            next_hop=said["next_hop"].split()[0],  # an IPv6 link-local one may follow
            as_path=tuple(map(int, said["as_path"].split())),
            origin=said["origin"],
            med=int(said["med"]) if "med" in said else None,
            local_preference=int(said["local_pref"]) if "local_pref" in said else None,
            communities=_communities(said.get("community", "")),
            large_communities=_communities(said.get("large_community", "")),
            otc=int(said["otc"]) if "otc" in said else None,
        )

    def shown(self, prefix: str) -> str:
        return self._ask(f"show route for {prefix} all", check=False)

    def rekey(self, address: str, password: str) -> None:
        self.neighbors = tuple(
            replace(each, password=password) if each.address == address else each for each in self.neighbors
        )
        self._write()
        self._ask("configure")

    def refresh(self, address: str) -> None:
        self._ask(f"reload in {self._name(address)}")

    def shutdown(self, address: str, text: str) -> None:
        self._ask(f'disable {self._name(address)} "{text}"')

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def end_of_ribs(self, address: str) -> int:
        return self.log().count(f"{self._name(address)}: Got END-OF-RIB")

    def watch(self, address: str) -> Watch | None:
        for line in self._ask("show bfd sessions").splitlines():
            # IP address, interface, state, since (two words), interval, timeout
            words = line.split()
            if words and words[0] == address:
                interval, timeout = map(float, words[-2:])
                return Watch(state=words[2].lower(), interval=interval, detection_time=timeout)
        return None

    def _ask(self, words: str, *, check: bool = True) -> str:
        return run("birdc", "-s", self._socket, *words.split(" ", 1), check=check)

    def _name(self, address: str) -> str:
        return f"pod{[neighbor.address for neighbor in self.neighbors].index(address)}"

    def _watch(self) -> str:
        """One pace for all that are watched."""
        paces = {neighbor.bfd for neighbor in self.neighbors if neighbor.bfd}
        if not paces:
            return ""
        (ms,) = paces
        pace = f"min rx interval {ms} ms; min tx interval {ms} ms; multiplier 3;"
        return f'protocol bfd {{ interface "*" {{ {pace} }}; }}\n'

    def _static(self) -> str:
        return "".join(
            f"protocol static {{ {'ipv6' if ':' in prefix else 'ipv4'}; route {prefix} blackhole; }}\n"
            for prefix in self.originates
        )

    def _protocol(self, index: int, neighbor: Neighbor) -> str:
        who = "external" if neighbor.old else f"as {neighbor.peer_as}"  # which may be too large to be said
        options = [
            f"local as {self.asn}",
            f"neighbor {neighbor.address} {who}",
            "direct",
            "debug { states, events, packets }",
            f"hold time {neighbor.hold_time}",
            "connect delay time 1",
            "connect retry time 1",
            "error wait time 1, 2",
            "error forget time 1",
        ]
        if neighbor.passive:
            options.append("passive on")
        if neighbor.password:
            options.append(f'password "{neighbor.password}"')
        if neighbor.ttl_security:
            options.append("ttl security on")
        if neighbor.bfd:
            options.append("bfd on")
        if neighbor.restarts:
            options.append("graceful restart on")
        if neighbor.old:
            options.append("enable as4 off")
        if neighbor.role:
            options.append(f"local role {ROLES.get(neighbor.role, neighbor.role)}")
        if neighbor.extended_messages:
            options.append("enable extended messages on")
        # No table of what came in: `reload in` must ask the pod.
        export = "where source ~ [RTS_BGP, RTS_STATIC]" if neighbor.hears else "none"
        taken = "filter { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; }"  # RFC 8326
        for family in neighbor.families:
            more = "extended next hop on; " if neighbor.extended_next_hop and family == "ipv4" else ""
            options.append(f"{family} {{ import {taken}; export {export}; {more}}}")
        return f"protocol bgp pod{index} {{ {' '.join(f'{option};' for option in options)} }}\n"


def _communities(text: str) -> frozenset[str]:
    """ "(64500,1) (64500, 1, 2)" -> {"64500:1", "64500:1:2"}."""
    return frozenset(
        ":".join(re.findall(r"\d+", community)) for community in re.findall(r"\(([^)]*)\)", text)
    )
