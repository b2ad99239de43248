"""A peer's own words: BGP octets, right and wrong, and what came back taken apart.

Nothing of vipd is used here: what both sides of a test had in common, it could not find wrong.
"""

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, REFRESH = range(1, 6)
AS_TRANS = 23456

ORIGIN, AS_PATH, NEXT_HOP, MED, LOCAL_PREF, ATOMIC_AGGREGATE, AGGREGATOR, COMMUNITIES = range(1, 9)
ORIGINATOR_ID, CLUSTER_LIST, MP_REACH, MP_UNREACH, EXTENDED_COMMUNITIES = 9, 10, 14, 15, 16
AS4_PATH, AS4_AGGREGATOR, IPV6_EXTENDED_COMMUNITIES, LARGE_COMMUNITY, OTC = 17, 18, 25, 32, 35
WELL_KNOWN, NON_TRANSITIVE, TRANSITIVE, EXTENDED = 0x40, 0x80, 0xC0, 0x10

Family = tuple[int, int]  # AFI, SAFI
IPV4, IPV6 = (1, 1), (2, 1)
SET, SEQUENCE, CONFED_SEQUENCE, CONFED_SET = 1, 2, 3, 4


# ---- what the peer says ----


def message(kind: int, body: bytes = b"", *, marker: bytes = MARKER, length: int | None = None) -> bytes:
    return marker + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def keepalive() -> bytes:
    return message(KEEPALIVE)


def notification(code: int, subcode: int, octets: bytes = b"") -> bytes:
    return message(NOTIFICATION, bytes((code, subcode)) + octets)


def refresh(family: Family, reserved: int = 0) -> bytes:
    return message(REFRESH, struct.pack("!HBB", family[0], reserved, family[1]))


def capability(code: int, value: bytes = b"") -> bytes:
    return bytes((code, len(value))) + value


def multiprotocol(family: Family) -> bytes:
    return capability(1, struct.pack("!HBB", family[0], 0, family[1]))


def four_octet_as(asn: int) -> bytes:
    return capability(65, struct.pack("!I", asn))


ROUTE_REFRESH = capability(2)
EXTENDED_MESSAGE = capability(6)
IPV6_NEXT_HOPS = capability(5, struct.pack("!HHH", 1, 1, 2))  # for IPv4 (RFC 8950)
ENHANCED_REFRESH = capability(70)
PROVIDER, RS, RS_CLIENT, CUSTOMER, PEER = range(5)  # RFC 9234 section 4.1


def role(number: int) -> bytes:
    return capability(9, bytes((number,)))


def capabilities(*each: bytes) -> bytes:
    """Optional parameters that are one list of capabilities."""
    octets = b"".join(each)
    return bytes((2, len(octets))) + octets if octets else b""


def open_message(
    asn: int,
    *,
    hold_time: int = 90,
    router_id: str = "10.0.0.2",
    families: tuple[Family, ...] = (IPV4, IPV6),
    four_octets: bool = True,
    version: int = 4,
    more: tuple[bytes, ...] = (),
    parameters: bytes | None = None,
) -> bytes:
    """An OPEN as routers send it, and `more` capabilities; or with these optional `parameters`."""
    if parameters is None:
        offered = [
            *map(multiprotocol, families),
            ROUTE_REFRESH,
            *([four_octet_as(asn)] if four_octets else []),
            *more,
        ]
        parameters = capabilities(*offered)
    return open_with(
        bytes((len(parameters),)) + parameters,
        asn=asn,
        hold_time=hold_time,
        router_id=router_id,
        version=version,
    )


def open_with(
    tail: bytes, *, asn: int, hold_time: int = 90, router_id: str = "10.0.0.2", version: int = 4
) -> bytes:
    """An OPEN with these octets from the length of its optional parameters on."""
    number = asn if asn <= 0xFFFF else AS_TRANS
    head = struct.pack("!BHH", version, number, hold_time) + IPv4Address(router_id).packed
    return message(OPEN, head + tail)


def attribute(flags: int, code: int, value: bytes = b"", *, length: int | None = None) -> bytes:
    """A path attribute; `length` may lie."""
    said = len(value) if length is None else length
    if flags & EXTENDED or said > 0xFF:
        return struct.pack("!BBH", flags | EXTENDED, code, said) + value
    return bytes((flags, code, said)) + value


def segment(kind: int, *asns: int, width: int = 4, count: int | None = None) -> bytes:
    octets = b"".join(asn.to_bytes(width) for asn in asns)
    return bytes((kind, len(asns) if count is None else count)) + octets


def prefix(text: str) -> bytes:
    address, _, bits = text.partition("/")
    packed = ip_address(address).packed
    length = int(bits) if bits else len(packed) * 8
    return bytes((length,)) + packed[: (length + 7) // 8]


def mp_reach(
    family: Family, next_hop: bytes, nlri: bytes, *, reserved: int = 0, next_hop_length: int | None = None
) -> bytes:
    """The value of MP_REACH_NLRI."""
    length = len(next_hop) if next_hop_length is None else next_hop_length
    return struct.pack("!HBB", *family, length) + next_hop + bytes((reserved,)) + nlri


def mp_unreach(family: Family, nlri: bytes = b"") -> bytes:
    """The value of MP_UNREACH_NLRI."""
    return struct.pack("!HB", *family) + nlri


def update(
    attributes: bytes = b"",
    nlri: bytes = b"",
    withdrawn: bytes = b"",
    *,
    withdrawn_length: int | None = None,
    attributes_length: int | None = None,
) -> bytes:
    """An UPDATE; its two lengths may lie."""
    return message(
        UPDATE,
        struct.pack("!H", len(withdrawn) if withdrawn_length is None else withdrawn_length)
        + withdrawn
        + struct.pack("!H", len(attributes) if attributes_length is None else attributes_length)
        + attributes
        + nlri,
    )


# ---- what it hears ----


@dataclass(frozen=True)
class Message:
    kind: int
    body: bytes

    @property
    def error(self) -> tuple[int, int, bytes]:
        """Code, subcode and data of a NOTIFICATION."""
        assert self.kind == NOTIFICATION, f"not a NOTIFICATION: {self}"
        return self.body[0], self.body[1], self.body[2:]


@dataclass
class Said:
    """An UPDATE taken apart; attributes stand in the order in which they came."""

    withdrawn: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    attributes: dict[int, tuple[int, bytes]] = field(default_factory=dict)  # code: flags, value
    family: Family = IPV4
    next_hop: bytes = b""

    @property
    def end_of_rib(self) -> Family | None:
        """The family whose table ends here (RFC 4724 section 2)."""
        if self.withdrawn or self.announced or self.attributes.keys() - {MP_UNREACH}:
            return None
        return self.family

    def value(self, code: int) -> bytes:
        return self.attributes[code][1]


def take_apart(body: bytes) -> Said:
    """Read an UPDATE that has to be right, to the last octet."""
    said = Said()
    end = 2 + int.from_bytes(body[:2])
    said.withdrawn = prefixes(body[2:end], 4)
    start, end = end + 2, end + 2 + int.from_bytes(body[end : end + 2])
    assert end <= len(body)
    said.announced = prefixes(body[end:], 4)
    while start < end:
        flags, code = body[start], body[start + 1]
        width = 2 if flags & EXTENDED else 1
        length = int.from_bytes(body[start + 2 : start + 2 + width])
        start += 2 + width
        assert start + length <= end
        assert code not in said.attributes
        said.attributes[code] = flags, body[start : start + length]
        start += length
    if MP_REACH in said.attributes:
        value = said.value(MP_REACH)
        said.family = int.from_bytes(value[:2]), value[2]
        said.next_hop, rest = value[4 : 4 + value[3]], value[4 + value[3] :]
        assert rest[0] == 0
        said.announced += prefixes(rest[1:], 4 if said.family == IPV4 else 16)
    if MP_UNREACH in said.attributes:
        value = said.value(MP_UNREACH)
        said.family = int.from_bytes(value[:2]), value[2]
        said.withdrawn += prefixes(value[3:], 16)
    if NEXT_HOP in said.attributes:
        said.next_hop = said.value(NEXT_HOP)
    return said


def prefixes(octets: bytes, width: int) -> list[str]:
    found = []
    while octets:
        bits, count = octets[0], (octets[0] + 7) // 8
        assert bits <= width * 8
        packed = octets[1 : 1 + count]
        assert len(packed) == count
        address = IPv4Address(packed.ljust(4, b"\0")) if width == 4 else IPv6Address(packed.ljust(16, b"\0"))
        found.append(f"{address}/{bits}")
        octets = octets[1 + count :]
    return found
