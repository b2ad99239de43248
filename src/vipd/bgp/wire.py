"""Octets: bounds-checked reading, and the NLRI form of a prefix."""

import ipaddress
from typing import NamedTuple, Self

from vipd.bgp.iana import Family


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
