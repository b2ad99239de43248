"""Single values as ExaBGP writes them. Each raises ValueError with what was allowed."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

ON = ("true", "enable", "enabled")
OFF = ("false", "disable", "disabled")
WELL_KNOWN = {  # RFC 1997, RFC 3765, RFC 7999
    "no-export": "65535:65281",
    "no_export": "65535:65281",
    "no-advertise": "65535:65282",
    "no_advertise": "65535:65282",
    "no-export-subconfed": "65535:65283",
    "no-peer": "65535:65284",
    "nopeer": "65535:65284",
    "blackhole": "65535:666",
}
NAMES = {value: name for name, value in WELL_KNOWN.items() if "_" not in name and name != "nopeer"}


def number(word: str, most: int, least: int = 0) -> int:
    if not word.isascii() or not word.isdigit() or len(word) > 20 or not least <= int(word) <= most:
        raise ValueError(f'"{word}" is no number from {least} to {most}')
    return int(word)


def asn(word: str) -> int:
    """65001, or 1.1 for 65537 (RFC 5396)."""
    high, dot, low = word.partition(".")
    try:
        return (number(high, 0xFFFF) << 16) + number(low, 0xFFFF) if dot else number(word, 0xFFFFFFFF)
    except ValueError:
        raise ValueError(f'"{word}" is no AS number') from None


def address(word: str) -> Address:
    try:
        return ip_address(word)
    except ValueError:
        raise ValueError(f'"{word}" is no IP address') from None


def network(word: str) -> Network:
    try:
        return ip_network(word)
    except ValueError:
        raise ValueError(f'"{word}" is no prefix: its host bits must be zero') from None


def boolean(values: Sequence[str]) -> bool:
    """A keyword by itself means yes."""
    word = values[0].lower() if values else ON[0]
    if word not in (*ON, *OFF):
        raise ValueError(f'"{word}" is none of {", ".join((*ON, *OFF))}')
    return word in ON


def bare(values: Sequence[str]) -> list[str]:
    """The members of a list, its brackets and commas left out; a single value is a list of one."""
    return [word for word in values if word not in ("[", "]", ",")]


def community(word: str) -> str:
    """RFC 1997: 64500:1, as a number, or by name."""
    if (name := word.lower()) in WELL_KNOWN:
        return WELL_KNOWN[name]
    high, colon, low = word.partition(":")
    try:
        if colon:
            return f"{number(high, 0xFFFF)}:{number(low, 0xFFFF)}"
        value = int(word, 16) if name.startswith("0x") else number(word, 0xFFFFFFFF)
        return f"{number(str(value >> 16), 0xFFFF)}:{value & 0xFFFF}"
    except ValueError:
        raise ValueError(f'"{word}" is no community: 64500:1, no-export ...') from None


def large_community(word: str) -> str:
    """RFC 8092: 64500:1:2."""
    try:
        first, second, third = (number(part, 0xFFFFFFFF) for part in word.split(":"))
    except ValueError:
        raise ValueError(f'"{word}" is no large community: 64500:1:2') from None
    return f"{first}:{second}:{third}"
