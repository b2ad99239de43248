"""False positives of BFD: how often a session goes down though nothing happened, beside BIRD's and FRR's own.

One ToR, which is BIRD, and three machines on it, in network namespaces: vipd, BIRD and FRR. Each keeps three
BFD sessions with the ToR at the same time, at 3 x 300, 3 x 100 and 3 x 50 ms, each over its own link. What
goes over the links is recorded, and the packets tell who gave up whom: whoever goes from Up to Down with the
diagnostic "Control Detection Time Expired". Wants root, BIRD, FRR and tcpdump.

It sleeps for as long as is to be counted, and before that until nobody is busy with its own start any more.
"""

import contextlib
import itertools
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from interop.netns import Lab, Node, wait_for

SPEAKERS = ("vipd", "BIRD", "FRR")
PACES = (300, 100, 50)  # ms, three times each
TOR = "ToR"
FRR = "/usr/lib/frr"
UP, DOWN, EXPIRED = 3, 1, 1
AT_REST = 10.0  # seconds after the last session is up: what a start costs is no false positive
LINKS = {pair: number for number, pair in enumerate(itertools.product(SPEAKERS, PACES))}

Row = tuple[str, str, float, str]


def ours(speaker: str, pace: int) -> str:
    """The speaker's address on one link; the ToR has the one before."""
    return f"10.64.{LINKS[speaker, pace]}.1"


def theirs(speaker: str, pace: int) -> str:
    return f"10.64.{LINKS[speaker, pace]}.0"


def false_positives(seconds: float) -> Iterator[Row]:
    """Count for so long with an idle machine, and as long again with one core busy."""
    for condition, busy in (("idle", 0), ("one core busy", 1)):
        with rack() as record, spinning(busy):
            begin = record.stat().st_size
            time.sleep(seconds)  # what is counted is what happens in it
            counted = given_up(record, begin)
        for pace in PACES:
            job = f"BFD 3 x {pace} ms, {seconds:g} s, {condition}"
            for speaker in SPEAKERS:
                yield f"{job}: gives up the ToR", speaker, counted[speaker, pace, "gives up"], "x"
            for speaker in SPEAKERS:
                yield f"{job}: is given up by it", speaker, counted[speaker, pace, "is given up"], "x"


@contextmanager
def rack() -> Iterator[Path]:
    """All sessions up, and what they say being recorded."""
    lab = Lab(quiet=True)
    try:
        tor, *speakers = (lab.node(name) for name in (TOR, *SPEAKERS))
        for speaker in speakers:
            for pace in PACES:
                number = LINKS[speaker.name, pace]
                lab.wire(tor, f"{speaker.name}{pace}", speaker, f"eth{pace}")
                tor.ip("addr", "add", f"10.64.{number}.0/31", "dev", f"{speaker.name}{pace}")
                speaker.ip("addr", "add", f"10.64.{number}.1/31", "dev", f"eth{pace}")
        record = lab.directory / "pcap"
        # Both directions of all links, with a header of 16 octets before the IP packet.
        dump = ("tcpdump", "-n", "-U", "-q", "-i", "any", "-y", "LINUX_SLL", "-w", record)
        tor.spawn(*dump, "udp dst port 3784", log="tcpdump.log")
        start_bird(tor, [(theirs(*link), ours(*link), f"{link[0]}{link[1]}") for link in LINKS])
        vipd, bird, frr = speakers
        start_vipd(vipd)
        start_bird(bird, [(ours("BIRD", pace), theirs("BIRD", pace), f"eth{pace}") for pace in PACES])
        start_frr(frr)
        wait_until_up(tor.directory)
        yield record
    finally:
        lab.close()


# --- the speakers ---------------------------------------------------------------------------------------


def start_bird(node: Node, links: list[tuple[str, str, str]]) -> None:
    paces = "".join(
        f'interface "*{pace}" {{ min rx interval {pace} ms; min tx interval {pace} ms; multiplier 3; }};\n'
        for pace in PACES
    )
    neighbors = "".join(f'neighbor {remote} dev "{port}" local {local};\n' for local, remote, port in links)
    conf = node.directory / "bird.conf"
    conf.write_text(
        f"router id {links[0][0]};\nprotocol device {{ }}\nprotocol bfd {{\n{paces}{neighbors}}}\n"
    )
    node.spawn("bird", "-f", "-c", conf, "-s", node.directory / "ctl", log="bird.log")


def start_frr(node: Node) -> None:
    folder = node.directory
    lines = ["bfd"]
    for pace in PACES:
        lines += [f" profile ms{pace}", f"  transmit-interval {pace}", f"  receive-interval {pace}", " !"]
    for pace in PACES:
        peer = f"peer {theirs('FRR', pace)} local-address {ours('FRR', pace)} interface eth{pace}"
        lines += [f" {peer}", f"  profile ms{pace}", " !"]
    (folder / "bfdd.conf").write_text("\n".join(lines) + "\n")
    (folder / "zebra.conf").write_text("")
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, "frr", "frr")
    for daemon in ("zebra", "bfdd"):
        more = ("--bfdctl", folder / "bfdd.sock") if daemon == "bfdd" else ()
        node.spawn(
            *(f"{FRR}/{daemon}", "-u", "frr", "-g", "frr", "-P", "0", "--vty_socket", folder),
            *("-z", folder / "zserv.api", "-f", folder / f"{daemon}.conf"),
            *("-i", folder / f"{daemon}.pid", *more),
            log=f"{daemon}.log",
        )
        wait_for((folder / f"{daemon}.vty").exists, f"{daemon} answers", 30.0)


def start_vipd(node: Node) -> None:
    neighbors = "".join(
        f'[[neighbor]]\naddress = "{theirs("vipd", pace)}"\nlocal-address = "{ours("vipd", pace)}"\n'
        f"bfd-interval = {pace / 1000}\n"
        for pace in PACES
    )
    conf = node.directory / "vipd.toml"
    conf.write_text(f"""
[speaker]
local-as = 65010
[neighbor-defaults]
peer-as = 65101
bfd = true
{neighbors}
[[service]]
name = "apex"
vips = ["192.0.2.1"]
[[service.check]]
file = "{conf}"
[api]
socket = "{node.directory}/sock"
""")
    node.spawn(sys.executable, "-m", "vipd", "run", "--config", conf, log="vipd.log")


def wait_until_up(tor: Path) -> None:
    """Until the ToR has every session up, and every start is over."""
    ask = ["birdc", "-s", str(tor / "ctl"), "show", "bfd", "sessions"]

    def all_up() -> bool:
        said = subprocess.run(ask, capture_output=True, text=True, check=False)
        return said.stdout.count(" Up ") == len(LINKS)

    wait_for(all_up, "every session is up", 60.0)
    time.sleep(AT_REST)  # nobody tells when the work of a start is over


@contextmanager
def spinning(cores: int) -> Iterator[None]:
    """Keep so many cores busy, the first ones."""
    with ExitStack() as stack:
        for core in range(cores):
            busy = subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"])
            stack.callback(busy.wait)
            stack.callback(busy.kill)
        yield


# --- what was said --------------------------------------------------------------------------------------


def given_up(record: Path, begin: int) -> Mapping[tuple[str, int, str], int]:
    """Count by speaker, pace and direction, from an octet of the record on (a whole packet begins there)."""
    ends = {}
    for speaker, pace in LINKS:
        ends[ours(speaker, pace)] = (speaker, pace, "gives up")
        ends[theirs(speaker, pace)] = (speaker, pace, "is given up")
    counted: Counter[tuple[str, int, str]] = Counter()
    states: dict[str, int] = {}
    heard: Counter[str] = Counter()
    for source, octets in packets(record.read_bytes(), begin):
        state, diagnostic = octets[1] >> 6, octets[0] & 0x1F
        counted[ends[source]] += states.get(source) == UP and state == DOWN and diagnostic == EXPIRED
        states[source] = state
        heard[source] += 1
    if silent := ends.keys() - heard.keys():
        raise ValueError(f"nothing was recorded of {', '.join(sorted(silent))}")
    return counted


def packets(recorded: bytes, at: int) -> Iterator[tuple[str, bytes]]:
    """Sender and payload of each whole datagram."""
    with contextlib.suppress(struct.error):  # the last one may be half written
        while True:
            _, _, length, _ = struct.unpack_from("=IIII", recorded, at)
            packet = recorded[at + 32 : at + 16 + length]
            at += 16 + length
            if at > len(recorded):
                return
            header = 4 * (packet[0] & 0x0F)
            yield socket.inet_ntoa(packet[12:16]), packet[header + 8 :]
