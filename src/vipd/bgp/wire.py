"""Octets: bounds-checked reading, and the NLRI form of a prefix."""

import ipaddress
from typing import NamedTuple, Self

from vipd.bgp.iana import Family


class Overrun(Exception):  # noqa: N818 - a field that runs over its end; the message that held it names the error
    """There are fewer octets than a field claims."""


class Cursor:
    """Reads octets from front to back and never past their end: raises Overrun instead."""

    __slots__ = ("_at", "_octets")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    @property
    def left(self) -> int:
        """How many octets have not been read yet."""
        return len(self._octets) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise Overrun(f"{count} octets wanted where {self.left} are left")
        start = self._at
        self._at += count
        return self._octets[start : self._at]

    def number(self, count: int) -> int:
        """Read an unsigned integer of so many octets, in network order."""
        return int.from_bytes(self.take(count))

    def rest(self) -> bytes:
        return self.take(self.left)


class Prefix(NamedTuple):
    """An address prefix as NLRI carries it (RFC 4271 section 4.3): length in bits, then its octets."""

    family: Family
    nlri: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "192.0.2.1", "192.0.2.0/24" or their IPv6 likes; a bare address is a host prefix.

        Raises ValueError, as `ipaddress.ip_network` does.
        """
        network = ipaddress.ip_network(text)
        family = Family.IPV4 if network.version == 4 else Family.IPV6
        bits = network.prefixlen
        return cls(family, bytes((bits,)) + network.network_address.packed[: (bits + 7) // 8])

    def __str__(self) -> str:
        octets = self.nlri[1:].ljust(self.family.octets, b"\0")
        return f"{ipaddress.ip_address(octets)}/{self.nlri[0]}"
