"""Octets: bounds-checked reading, and the NLRI form of a prefix."""

import ipaddress
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, Self

from vipd.bgp.iana import Family


class Overrun(Exception):  # noqa: N818 - a condition; the message that it happens in says what error it is
    """There are fewer octets than a field claims."""


SHOWN: Final = 48  # octets


def shown(octets: bytes) -> str:
    """Write octets for people: in hexadecimal, the first ones where there are many."""
    if len(octets) <= SHOWN:
        return octets.hex() or "none"
    return f"{octets[:SHOWN].hex()}… ({len(octets)} octets)"


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
        start = self._at
        stop = start + count
        if stop > len(self._octets):
            raise Overrun(f"{count} octets are wanted and {self.left} are left")
        self._at = stop
        return self._octets[start:stop]

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

    @classmethod
    def host(cls, address: str) -> Self:
        """Read a bare address in canonical text: `parse` for when there are very many of them."""
        if ":" in address:
            return cls.parse(address)
        return cls(Family.IPV4, bytes((32, *map(int, address.split(".")))))

    def __str__(self) -> str:
        octets = self.nlri[1:].ljust(self.family.octets, b"\0")
        return f"{ipaddress.ip_address(octets)}/{self.nlri[0]}"


# How far the next prefix is, by the length octet of this one: past every message where that is too great.
_STRIDES: Final = {
    family: tuple(1 + (bits + 7) // 8 if bits <= family.octets * 8 else 1 << 16 for bits in range(256))
    for family in Family
}


def count_prefixes(family: Family, nlri: bytes) -> int:
    """Count prefixes, as fast as they can be checked (RFC 7606 section 5.3).

    Raises Overrun where a prefix is longer than its address, or the last one longer than the field.
    """
    strides = _STRIDES[family]
    count = at = 0
    end = len(nlri)
    while at < end:
        at += strides[nlri[at]]
        count += 1
    if at != end:
        raise Overrun(f"prefix {count} of {end} octets of {family} NLRI has too many bits")
    return count


def pick_prefixes(
    family: Family, nlri: bytes, wanted: Collection[Prefix], lengths: Collection[int]
) -> Iterator[Prefix]:
    """Find those that are wanted in a field of NLRI that `count_prefixes` has checked.

    `lengths` are theirs, in bits: of a whole table only what has one of them is looked at closer.
    """
    strides = _STRIDES[family]
    at = 0
    while at < len(nlri):
        start, at = at, at + strides[nlri[at]]
        if nlri[start] in lengths:
            (prefix,) = split_prefixes(family, nlri[start:at])
            if prefix in wanted:
                yield prefix


def split_prefixes(family: Family, nlri: bytes) -> tuple[Prefix, ...]:
    """Take a field of NLRI apart. Bits after the length of a prefix say nothing and are cleared.

    Raises Overrun, as `count_prefixes` does.
    """
    cursor = Cursor(nlri)
    found = []
    for _ in range(count_prefixes(family, nlri)):
        bits = cursor.number(1)
        octets = bytearray(cursor.take((bits + 7) // 8))
        if bits % 8:
            octets[-1] &= 0xFF00 >> bits % 8
        found.append(Prefix(family, bytes((bits, *octets))))
    return tuple(found)
