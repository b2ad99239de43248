"""What a speaker says in its OPEN that it can do (RFC 5492), on the wire and in words.

A new capability is one class here, and one line in `_KINDS`.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import CapabilityCode, ErrorCode, Family, OpenError, Role
from vipd.bgp.wire import Cursor, Overrun

_AFI: Final = {1: "ipv4", 2: "ipv6", 25: "l2vpn", 16388: "link-state"}
_SAFI: Final = {1: "unicast", 2: "multicast", 4: "labeled-unicast", 70: "evpn", 128: "vpn", 133: "flowspec"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiprotocol:
    """Routes of this address family may be sent to the speaker (RFC 4760 section 8)."""

    afi: int
    safi: int

    @classmethod
    def of(cls, family: Family) -> Self:
        return cls(afi=family.afi, safi=family.safi)

    @property
    def family(self) -> Family | None:
        """The family meant; None when vipd does not speak it."""
        return Family.of(self.afi, self.safi)

    def encode(self) -> bytes:
        return struct.pack("!BBHBB", CapabilityCode.MULTIPROTOCOL, 4, self.afi, 0, self.safi)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        afi, _reserved, safi = struct.unpack("!HBB", value)
        return cls(afi=afi, safi=safi)

    def __str__(self) -> str:
        return f"multiprotocol {_words(self.afi, self.safi)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRefresh:
    """The speaker answers ROUTE-REFRESH (RFC 2918 section 2)."""

    def encode(self) -> bytes:
        return bytes((CapabilityCode.ROUTE_REFRESH, 0))

    @classmethod
    def decode(cls, value: bytes) -> Self:
        struct.unpack("!", value)
        return cls()

    def __str__(self) -> str:
        return "route-refresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancedRouteRefresh:
    """The speaker marks where its answer to a ROUTE-REFRESH begins and ends (RFC 7313 section 3.1)."""

    def encode(self) -> bytes:
        return bytes((CapabilityCode.ENHANCED_ROUTE_REFRESH, 0))

    @classmethod
    def decode(cls, value: bytes) -> Self:
        struct.unpack("!", value)
        return cls()

    def __str__(self) -> str:
        return "enhanced-route-refresh"


class NextHopEncoding(NamedTuple):
    """Routes of this family may have next hops of that address family."""

    afi: int
    safi: int
    next_hop_afi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedNextHop:
    """The speaker takes next hops of another family than that of their routes (RFC 8950 section 4)."""

    encodings: tuple[NextHopEncoding, ...]

    def encode(self) -> bytes:
        octets = b"".join(struct.pack("!HHH", *encoding) for encoding in self.encodings)
        return bytes((CapabilityCode.EXTENDED_NEXT_HOP, len(octets))) + octets

    @classmethod
    def decode(cls, value: bytes) -> Self:
        return cls(encodings=tuple(NextHopEncoding(*each) for each in struct.iter_unpack("!HHH", value)))

    def __str__(self) -> str:
        pairs = (f"{_words(afi, safi)} over {_AFI.get(hop, hop)}" for afi, safi, hop in self.encodings)
        return " ".join(["extended-next-hop", *pairs])


IPV4_OVER_IPV6: Final = NextHopEncoding(Family.IPV4.afi, Family.IPV4.safi, Family.IPV6.afi)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedMessage:
    """The speaker takes messages of up to 65,535 octets (RFC 8654 section 3)."""

    def encode(self) -> bytes:
        return bytes((CapabilityCode.EXTENDED_MESSAGE, 0))

    @classmethod
    def decode(cls, value: bytes) -> Self:
        struct.unpack("!", value)
        return cls()

    def __str__(self) -> str:
        return "extended-message"


@dataclass(frozen=True, slots=True, kw_only=True)
class HasRole:
    """What the speaker is to its peer (RFC 9234 section 4.1)."""

    role: int

    def encode(self) -> bytes:
        return bytes((CapabilityCode.ROLE, 1, self.role))

    @classmethod
    def decode(cls, value: bytes) -> Self:
        (role,) = struct.unpack("!B", value)
        return cls(role=role)

    def __str__(self) -> str:
        return f"role {next((known for known in Role if known == self.role), self.role)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FourOctetAs:
    """AS numbers take four octets on this session, and this is the speaker's own (RFC 6793 section 3)."""

    asn: int

    def encode(self) -> bytes:
        return struct.pack("!BBI", CapabilityCode.FOUR_OCTET_AS, 4, self.asn)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        (asn,) = struct.unpack("!I", value)
        return cls(asn=asn)

    def __str__(self) -> str:
        return f"4-octet-as {self.asn}"


class Restartable(NamedTuple):
    """An address family whose routes are to outlive a restart of the speaker."""

    afi: int
    safi: int
    forwarding: bool  # the speaker has kept on forwarding through the restart that it comes from


@dataclass(frozen=True, slots=True, kw_only=True)
class GracefulRestart:
    """The speaker sends End-of-RIB, and may restart without losing its routes (RFC 4724 section 3)."""

    time: int  # seconds, up to 4095, for which its routes are to be kept while it is away
    families: tuple[Restartable, ...] = ()  # none: it only knows what a peer means by it
    restarted: bool = False  # its peer shall not wait for its End-of-RIB
    notification: bool = False  # routes outlive a NOTIFICATION too, but a Hard Reset (RFC 8538 section 2)

    def encode(self) -> bytes:
        head = self.restarted << 15 | self.notification << 14 | self.time
        kept = (struct.pack("!HBB", afi, safi, forwarding << 7) for afi, safi, forwarding in self.families)
        octets = struct.pack("!H", head) + b"".join(kept)
        return bytes((CapabilityCode.GRACEFUL_RESTART, len(octets))) + octets

    @classmethod
    def decode(cls, value: bytes) -> Self:
        (head,) = struct.unpack("!H", value[:2])
        kept = struct.iter_unpack("!HBB", value[2:])
        return cls(
            time=head & 0x0FFF,
            families=tuple(Restartable(afi, safi, bool(flags >> 7)) for afi, safi, flags in kept),
            restarted=bool(head >> 15),
            notification=bool(head >> 14 & 1),
        )

    def __str__(self) -> str:
        kept = [_words(afi, safi) for afi, safi, _ in self.families]
        return f"graceful-restart {' '.join([f'{self.time} s', *kept])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A capability that vipd does not speak. The RFC asks to leave it be (RFC 5492 section 3)."""

    code: int
    octets: bytes = b""

    def encode(self) -> bytes:
        return bytes((self.code, len(self.octets))) + self.octets

    def __str__(self) -> str:
        return f"capability {self.code}"


Spoken = (
    Multiprotocol
    | RouteRefresh
    | EnhancedRouteRefresh
    | ExtendedNextHop
    | ExtendedMessage
    | HasRole
    | GracefulRestart
    | FourOctetAs
)
Capability = Spoken | Unknown

_KINDS: Final[dict[int, type[Spoken]]] = {
    CapabilityCode.MULTIPROTOCOL: Multiprotocol,
    CapabilityCode.ROUTE_REFRESH: RouteRefresh,
    CapabilityCode.EXTENDED_NEXT_HOP: ExtendedNextHop,
    CapabilityCode.EXTENDED_MESSAGE: ExtendedMessage,
    CapabilityCode.ROLE: HasRole,
    CapabilityCode.GRACEFUL_RESTART: GracefulRestart,
    CapabilityCode.FOUR_OCTET_AS: FourOctetAs,
    CapabilityCode.ENHANCED_ROUTE_REFRESH: EnhancedRouteRefresh,
}


def decode_capabilities(octets: bytes) -> tuple[Capability, ...]:
    """Read the value of one Capabilities optional parameter, in the order sent, duplicates included.

    Raises NotificationError 2/0 where a capability has not the length that it must have.
    """
    cursor = Cursor(octets)
    found: list[Capability] = []
    while cursor.left:
        code = 0
        try:
            code = cursor.number(1)
            value = cursor.take(cursor.number(1))
            kind = _KINDS.get(code)
            found.append(kind.decode(value) if kind else Unknown(code=code, octets=value))
        except (Overrun, struct.error) as error:
            raise NotificationError(
                ErrorCode.OPEN, OpenError.UNSPECIFIC, text=f"capability {code} is malformed: {error}"
            ) from error
    return tuple(found)


def _words(afi: int, safi: int) -> str:
    return f"{_AFI.get(afi, afi)}/{_SAFI.get(safi, safi)}"
