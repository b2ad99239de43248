"""The numbers that IANA assigns to BGP-4, as enums. Nothing else lives here."""

from enum import IntEnum


class MessageType(IntEnum):
    """RFC 4271 section 4.1, RFC 2918."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


class Family(IntEnum):
    """An address family and subsequent family (RFC 4760), as `afi << 8 | safi`.

    An int, so that it hashes at the speed of one: it is part of every key of every table.
    """

    IPV4 = 1 << 8 | 1
    IPV6 = 2 << 8 | 1

    @property
    def afi(self) -> int:
        return self >> 8

    @property
    def safi(self) -> int:
        return self & 0xFF

    @property
    def octets(self) -> int:
        """Length of an address, in octets."""
        return 4 if self is Family.IPV4 else 16

    def __str__(self) -> str:
        return self.name.lower()
