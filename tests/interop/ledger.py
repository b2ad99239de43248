"""The log of what routers were told: every UPDATE that passed a node, and every session's end, with its time.

It is read off tcpdump's file as it grows, so that nothing that was said for a moment only is missed.
"""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from math import inf

from interop.netns import Node, wait_for

OPEN, UPDATE, NOTIFICATION = 1, 2, 3
MP_REACH, MP_UNREACH, EXTENDED_LENGTH = 14, 15, 0x10
FIN, RST = 1, 4
SLL = 16  # octets before the packet, whichever port it came by

Prefix = str
Session = tuple[str, int, str, int]  # sender, its port, receiver, its port


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One UPDATE, or the end of a session and of all that was told in it."""

    at: float  # wall clock
    session: Session
    announced: frozenset[Prefix] = frozenset()
    withdrawn: frozenset[Prefix] = frozenset()
    ended: bool = False

    @property
    def sender(self) -> str:
        return self.session[0]

    @property
    def receiver(self) -> str:
        return self.session[2]


@dataclass(frozen=True, kw_only=True)
class Absence:
    """A time in which nobody told of a prefix."""

    prefix: Prefix
    began: float
    seconds: float  # infinity: it has not come back


class Ledger:
    """IPv4 and IPv6 prefixes over IPv4, on all ports of a node, from now on."""

    def __init__(self, node: Node) -> None:
        self._file = node.directory / "ledger.pcap"
        self._position = 24  # after the header of the file
        self._streams: dict[Session, _Stream] = defaultdict(_Stream)
        self._entries: list[Entry] = []
        process = node.spawn(
            *("tcpdump", "-i", "any", "-y", "LINUX_SLL", "-U", "--immediate-mode"),
            *("-s", "5000", "-B", "8192"),  # else it has room for eight packets at a time
            *("-w", self._file, "tcp port 179"),
            log="ledger.log",
        )
        wait_for(lambda: "listening on" in process.output(), "tcpdump listens")

    def entries(self, since: float = 0.0) -> list[Entry]:
        self._read()
        return [entry for entry in self._entries if entry.at >= since]

    def updates(self, senders: Collection[str], since: float = 0.0) -> list[Entry]:
        """What these said since then."""
        return [entry for entry in self.entries(since) if entry.sender in senders and not entry.ended]

    @property
    def complete(self) -> bool:
        """Whether no packet has escaped it."""
        self._read()
        return not any(stream.early for stream in self._streams.values())

    def _read(self) -> None:
        with self._file.open("rb") as file:
            file.seek(self._position)
            written = file.read()
        while len(written) >= 16:
            seconds, micros, length, _ = struct.unpack("=IIII", written[:16])
            if len(written) < 16 + length:
                break  # it is being written
            self._take(seconds + micros / 1e6, written[16 + SLL : 16 + length])
            self._position += 16 + length
            written = written[16 + length :]

    def _take(self, at: float, packet: bytes) -> None:
        header = (packet[0] & 0xF) * 4
        total = int.from_bytes(packet[2:4])
        sender, receiver = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
        port, peer_port, seq = struct.unpack("!HHI", packet[header : header + 8])
        payload = packet[header + (packet[header + 12] >> 4) * 4 : total]
        session = sender, port, receiver, peer_port
        closing = bool(packet[header + 13] & (FIN | RST))
        for kind, body in self._streams[session].feed(seq, payload):
            if kind == UPDATE:
                withdrawn, announced = _prefixes(body)
                if withdrawn or announced:  # and no End-of-RIB
                    self._entries.append(
                        Entry(at=at, session=session, announced=announced, withdrawn=withdrawn)
                    )
            closing |= kind == NOTIFICATION
        if closing:
            for ended in (session, (receiver, peer_port, sender, port)):
                self._entries.append(Entry(at=at, session=ended, ended=True))


@dataclass
class _Stream:
    """One direction of one connection."""

    expected: int | None = None
    early: dict[int, bytes] = field(default_factory=dict)
    octets: bytearray = field(default_factory=bytearray)

    def feed(self, seq: int, payload: bytes) -> list[tuple[int, bytes]]:
        if payload:
            if self.expected is None:
                self.expected = seq
            self.early[seq] = payload
        while self.early:
            first = min(self.early, key=lambda seq: (seq - self.expected + 2**31) % 2**32)
            skip = (self.expected - first + 2**31) % 2**32 - 2**31  # said before: a retransmission
            if skip < 0:
                break  # something before it is missing
            fresh = self.early.pop(first)[skip:]
            self.octets += fresh
            self.expected = (self.expected + len(fresh)) % 2**32
        return list(self._messages())

    def _messages(self) -> Iterable[tuple[int, bytes]]:
        while len(self.octets) >= 19 and len(self.octets) >= (length := int.from_bytes(self.octets[16:18])):
            yield self.octets[18], bytes(self.octets[19:length])
            del self.octets[:length]


def _prefixes(body: bytes) -> tuple[frozenset[Prefix], frozenset[Prefix]]:
    """Withdrawn and announced: IPv4 in places of its own (RFC 4271), IPv6 in attributes (RFC 4760)."""
    end = 2 + int.from_bytes(body[:2])
    withdrawn = _nlri(body[2:end], IPv4Network)
    attributes, end = end + 2, end + 2 + int.from_bytes(body[end : end + 2])
    announced = _nlri(body[end:], IPv4Network)
    for code, value in _attributes(body[attributes:end]):
        if code == MP_REACH:  # AFI, SAFI, the next hop and its length, one octet that is not used
            announced |= _nlri(value[5 + value[3] :], IPv6Network)
        elif code == MP_UNREACH:  # AFI, SAFI
            withdrawn |= _nlri(value[3:], IPv6Network)
    return withdrawn, announced


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Codes and values."""
    while octets:
        long = bool(octets[0] & EXTENDED_LENGTH)
        head = 4 if long else 3
        end = head + int.from_bytes(octets[2:head])
        yield octets[1], octets[head:end]
        octets = octets[end:]


def _nlri(octets: bytes, kind: type[IPv4Network | IPv6Network]) -> frozenset[Prefix]:
    found = set()
    size = 4 if kind is IPv4Network else 16
    while octets:
        end = 1 + (octets[0] + 7) // 8
        found.add(str(kind((octets[1:end].ljust(size, bytes(1)), octets[0]))))
        octets = octets[end:]
    return frozenset(found)


# --- what follows from a log ----------------------------------------------------------------------------


class Table:
    """Who tells of which prefix, entry by entry."""

    def __init__(self, senders: Collection[str]) -> None:
        self._senders = senders
        self._told: dict[Session, set[Prefix]] = defaultdict(set)

    def take(self, entry: Entry) -> None:
        if entry.sender not in self._senders:
            return
        if entry.ended:
            self._told.pop(entry.session, None)
        else:
            self._told[entry.session] -= entry.withdrawn
            self._told[entry.session] |= entry.announced

    def tellers(self) -> Mapping[Prefix, frozenset[str]]:
        found: dict[Prefix, set[str]] = defaultdict(set)
        for (sender, *_), prefixes in self._told.items():
            for prefix in prefixes:
                found[prefix].add(sender)
        return {prefix: frozenset(senders) for prefix, senders in found.items()}


def tellers(entries: Iterable[Entry], senders: Collection[str]) -> Mapping[Prefix, frozenset[str]]:
    """Which of these senders have told of a prefix, and have not taken it back."""
    table = Table(senders)
    for entry in entries:
        table.take(entry)
    return table.tellers()


def absences(
    entries: Iterable[Entry], prefixes: Collection[Prefix], senders: Collection[str], since: float
) -> list[Absence]:
    """When, since then, none of these senders told of one of these prefixes."""
    found, table, gone = [], Table(senders), dict.fromkeys(prefixes, since)
    for entry in entries:
        table.take(entry)
        told = table.tellers()
        for prefix in prefixes:
            if prefix not in told:
                gone.setdefault(prefix, max(entry.at, since))
            elif (began := gone.pop(prefix, inf)) < entry.at:
                found.append(Absence(prefix=prefix, began=began, seconds=entry.at - began))
    return found + [Absence(prefix=prefix, began=began, seconds=inf) for prefix, began in gone.items()]
