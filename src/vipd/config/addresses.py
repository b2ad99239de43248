"""Readers of addresses: VIPs, neighbours, next hops and what is listened on. No name is ever resolved."""

import re
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from vipd.bgp.iana import Family
from vipd.bgp.sightings import DEFAULT_ROUTES
from vipd.bgp.wire import Prefix
from vipd.config.problems import Refused
from vipd.config.sections import Endpoint
from vipd.config.values import Reader, listing
from vipd.coord.ensemble import Server, check_path
from vipd.coord.member import Vip

Address = IPv4Address | IPv6Address

_V4_IN_V6 = (bytes(12), bytes(10) + b"\xff\xff")  # RFC 4291 section 2.5.5
_LOOPBACK = bytes(15) + b"\1"  # RFC 4291 section 2.5.3
_SERVERS = 'must be ["host:port", …], or one line, "host:port,host:port/chroot"'
_VIP = 'must be one address, "192.0.2.1" or "2001:db8::1"'


def vip(value: object) -> Vip:
    """A VIP in canonical text.

    By inet_pton, since there may be a hundred thousand of them and `ipaddress` takes ten times as long.
    """
    if not isinstance(value, str):
        raise Refused(f"{_VIP}, in quotes")
    family, host_bits = (socket.AF_INET6, "/128") if ":" in value else (socket.AF_INET, "/32")
    try:
        octets = socket.inet_pton(family, value.removesuffix(host_bits))
    except (OSError, ValueError):
        if re.fullmatch(r"[0-9A-Fa-f:.]+/[0-9]+", value):
            raise Refused(f"{_VIP}: a VIP is a host address and no wider prefix") from None
        raise Refused(_VIP) from None
    if len(octets) == 4:
        if octets[0] == 0 or octets[0] >= 224:
            raise Refused(f"{_VIP}: not an unspecified, multicast or reserved one")
    elif octets[0] == 0xFF or (octets[:12] in _V4_IN_V6 and octets != _LOOPBACK):
        raise Refused(f"{_VIP}: not an unspecified, multicast or IPv4-mapped one")
    return Vip(socket.inet_ntop(family, octets))


def network(value: object) -> IPv4Network | IPv6Network:
    """A prefix, "192.0.2.0/24"."""
    if not isinstance(value, str):
        raise Refused('must be a prefix, "192.0.2.0/24"')
    try:
        return ip_network(value)
    except ValueError as error:
        raise Refused(f'must be a prefix, "192.0.2.0/24": {error}') from None


def pins(pod: Reader[str]) -> Reader[dict[Vip, str]]:
    """Return the reader of pod-ids by VIP."""

    def read(value: object) -> dict[Vip, str]:
        if not isinstance(value, dict):
            raise Refused('must be pod-ids by VIP, {"192.0.2.1": "lb-1"}')
        found: dict[Vip, str] = {}
        wrong: list[tuple[str, object, str]] = []
        for key, name in value.items():
            try:
                found[vip(key)] = pod(name)
            except Refused as refused:
                wrong.append((f".{key}", name, refused.reason))
        if wrong:
            raise Refused.several(wrong)
        return found

    return read


def anchors(value: object) -> Mapping[Family, Prefix]:
    """What a router has while it reaches the fabric: of each family a prefix, or else the default route."""
    found: dict[Family, Prefix] = {}
    for prefix in listing(_prefix, "prefixes")(value):
        if prefix.family in found:
            both = f"{found[prefix.family]} and {prefix}"
            raise Refused(f"must have one {prefix.family} prefix at most, not {both}")
        found[prefix.family] = prefix
    return {**DEFAULT_ROUTES, **found}


def _prefix(value: object) -> Prefix:
    try:
        return Prefix.parse(str(value))
    except ValueError as error:
        raise Refused(f'must be a prefix, "10.0.0.0/8": {error}') from None


def address(value: object) -> Address:
    """A unicast address."""
    if not isinstance(value, str):
        raise Refused("must be an IP address, in quotes")
    try:
        parsed = ip_address(str(value))
    except ValueError:
        raise Refused('must be an IP address, "192.0.2.1" or "2001:db8::1"; names are not resolved') from None
    if parsed.is_unspecified or parsed.is_multicast or parsed == IPv4Address("255.255.255.255"):
        raise Refused("must be a unicast address")
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            raise Refused(f'must be plain IPv4 where IPv4 is meant: "{parsed.ipv4_mapped}"')
        if parsed.scope_id is not None and not re.fullmatch(r"[\w.-]{1,15}", parsed.scope_id, re.ASCII):
            raise Refused("must have the name of an interface as its scope")
    return parsed


def neighbor(value: object) -> str:
    """The address of a neighbour in canonical text; a link-local one names its interface."""
    parsed = address(value)
    if isinstance(parsed, IPv6Address) and parsed.is_link_local and parsed.scope_id is None:
        raise Refused(f'must name its interface, as every link-local address: "{parsed}%eth0"')
    if isinstance(parsed, IPv6Address) and not parsed.is_link_local and parsed.scope_id is not None:
        raise Refused("must have no scope: it is not a link-local address")
    return str(parsed)


def interface(value: object) -> str:
    """The name of a network interface, as the kernel takes it."""
    if not isinstance(value, str) or not re.fullmatch(r"(?!\.{1,2}$)[!-.0-9;-~]{1,15}", value):
        raise Refused('must be the name of a network interface, 1 to 15 characters: "eth1"')
    return value


def router_id(value: object) -> IPv4Address:
    """Any four octets but zeros (RFC 6286 section 2.1)."""
    try:
        parsed = IPv4Address(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or not int(parsed):
        raise Refused('must look like an IPv4 address, "192.0.2.1", and not be 0.0.0.0 (RFC 6286)')
    return parsed


def endpoint(value: object) -> Endpoint:
    """An address of this machine and a port, to listen on."""
    wrong = 'must be "address:port", like "127.0.0.1:1790", "0.0.0.0:1790" or "[::]:1790"'
    parts = re.fullmatch(r"(?:\[([^]%]+)\]|([^:]+)):([0-9]{1,5})", value) if isinstance(value, str) else None
    if parts is None or not 1 <= int(parts[3]) <= 65535:
        raise Refused(wrong)
    try:
        host = ip_address(parts[1] or parts[2])
    except ValueError:
        raise Refused(f"{wrong}; names are not resolved") from None
    if (host.version == 6) is not (parts[1] is not None) or host.is_multicast:
        raise Refused(wrong)
    return str(host), int(parts[3])


def servers(value: object) -> tuple[tuple[Server, ...], str]:
    """ZooKeeper's servers, and the chroot: a list, or one line as any client of ZooKeeper takes it."""
    chroot = ""
    if not all(isinstance(each, str) and each.isprintable() for each in _listed(value)):
        raise Refused(_SERVERS)
    if isinstance(value, str):
        line, slash, below = value.partition("/")
        chroot = slash + below
        value = line.split(",")
    if not isinstance(value, list) or not value:
        raise Refused(_SERVERS)
    try:
        found = tuple(Server.parse(each.strip()) for each in value)
        if chroot:
            check_path(chroot)
    except ValueError as error:
        raise Refused(str(error)) from None
    if len(set(found)) < len(found):
        raise Refused("names a server twice")
    return found, chroot


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def znode(value: object) -> str:
    """The path of a node in ZooKeeper."""
    if not isinstance(value, str) or not value.isprintable():
        raise Refused('must be a path, "/…"')
    try:
        check_path(value)
    except ValueError as error:
        raise Refused(str(error)) from None
    return str(value)


def next_hop(value: object) -> dict[Family, Address]:
    """What stands in for our own address, per family: "self", one address, or a table."""
    if isinstance(value, str) and value == "self":
        return {}
    if isinstance(value, dict):
        found: dict[Family, Address] = {}
        wrong: list[tuple[str, object, str]] = []
        for name, content in value.items():
            family = {"ipv4": Family.IPV4, "ipv6": Family.IPV6}.get(name)
            try:
                if family is None:
                    raise Refused("only ipv4 and ipv6 are known here")
                if isinstance(content, str) and content == "self":
                    continue
                hop = _hop(content)
                if family_of(hop) is not family:
                    raise Refused(f"must be an {_SPELT[family]} address (RFC 8950 is not spoken)")
                found[family] = hop
            except Refused as refused:
                wrong.append((f".{name}", content, refused.reason))
        if wrong:
            raise Refused.several(wrong)
        return found
    hop = _hop(value)
    return {family_of(hop): hop}


def _hop(value: object) -> Address:
    hop = address(value)
    if isinstance(hop, IPv6Address) and (hop.is_link_local or hop.scope_id is not None):
        raise Refused("must be a global address (RFC 2545 section 3)")
    return hop


_SPELT = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}


def family_of(address: Address | str) -> Family:
    """Return the family of an address, or of its text."""
    text = str(address)
    return Family.IPV6 if ":" in text else Family.IPV4
