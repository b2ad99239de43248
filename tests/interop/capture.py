"""What passed on the wire, by tcpdump: BGP messages counted and ordered by somebody else than ourselves."""

from dataclasses import dataclass
from pathlib import Path

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapReader

from interop.netns import Node, wait_for

UPDATE, NOTIFICATION, REFRESH = 2, 3, 5
END_OF_RIB = (bytes(4), bytes.fromhex("0000 0006 800f03 000201"), bytes.fromhex("0000 0007 900f0003 000201"))


@dataclass(frozen=True)
class Message:
    kind: int
    body: bytes  # what follows the 19 octets of header

    @property
    def withdraws(self) -> bool:
        """An UPDATE that withdraws IPv4 prefixes."""
        return self.kind == UPDATE and self.body[:2] != b"\0\0"


class Capture:
    """BGP on one port of a node, from now on."""

    def __init__(self, node: Node, port: str) -> None:
        self._file = node.directory / "capture.pcap"
        process = node.spawn(
            *("tcpdump", "-i", port, "-U", "-w", self._file, "--immediate-mode", "tcp port 179"),
            log="tcpdump.log",
        )
        wait_for(lambda: "listening on" in process.output(), "tcpdump listens")

    def ttls(self, sender: str) -> set[int]:
        return {packet[IP].ttl for packet in self._packets(sender)}

    def classes(self, sender: str) -> set[int]:
        """Every DS field that an address sent packets with."""
        return {packet[IP].tos for packet in self._packets(sender)}

    def messages(self, sender: str) -> list[Message]:
        """Every message that an address sent, connection by connection."""
        connections: dict[tuple[int, int], dict[int, bytes]] = {}
        for packet in self._packets(sender):
            if octets := bytes(packet[TCP].payload):
                segments = connections.setdefault((packet[TCP].sport, packet[TCP].dport), {})
                segments[packet[TCP].seq] = octets
        return [message for segments in connections.values() for message in split(joined(segments))]

    def updates(self, sender: str) -> list[Message]:
        """UPDATEs that say something: End-of-RIB markers left out."""
        return [m for m in self.messages(sender) if m.kind == UPDATE and m.body not in END_OF_RIB]

    def end_of_ribs(self, sender: str) -> int:
        return sum(m.kind == UPDATE and m.body in END_OF_RIB for m in self.messages(sender))

    def _packets(self, sender: str) -> list[Ether]:
        packets = [Ether(octets) for octets, _ in whole(self._file)]
        return [packet for packet in packets if IP in packet and packet[IP].src == sender]


def whole(file: Path) -> list[tuple[bytes, object]]:
    """Return the frames written so far; tcpdump may be in the middle of the next."""
    with RawPcapReader(str(file)) as reader:
        return list(reader)


def joined(segments: dict[int, bytes]) -> bytes:
    first = next(iter(segments))  # the capture is older than the connection
    stream = bytearray()
    for seq, octets in sorted(segments.items(), key=lambda item: (item[0] - first) % 2**32):
        offset = (seq - first) % 2**32
        stream[offset : offset + len(octets)] = octets
    return bytes(stream)


def split(stream: bytes) -> list[Message]:
    messages = []
    while stream:
        length = int.from_bytes(stream[16:18])
        messages.append(Message(stream[18], stream[19:length]))
        stream = stream[length:]
    return messages
