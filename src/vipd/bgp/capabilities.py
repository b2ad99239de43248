"""What a speaker says in its OPEN that it can do (RFC 5492), on the wire and in words.

A new capability is one class here, and one line in `_KINDS`.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import CapabilityCode, ErrorCode, Family, OpenError
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
        return f"multiprotocol {_AFI.get(self.afi, self.afi)}/{_SAFI.get(self.safi, self.safi)}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A capability that vipd does not speak. The RFC asks to leave it be (RFC 5492 section 3)."""

    code: int
    octets: bytes = b""

    def encode(self) -> bytes:
        return bytes((self.code, len(self.octets))) + self.octets

    def __str__(self) -> str:
        return f"capability {self.code}"


Spoken = Multiprotocol | RouteRefresh | ExtendedMessage | FourOctetAs
Capability = Spoken | Unknown

_KINDS: Final[dict[int, type[Spoken]]] = {
    CapabilityCode.MULTIPROTOCOL: Multiprotocol,
    CapabilityCode.ROUTE_REFRESH: RouteRefresh,
    CapabilityCode.EXTENDED_MESSAGE: ExtendedMessage,
    CapabilityCode.FOUR_OCTET_AS: FourOctetAs,
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
