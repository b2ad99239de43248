"""The default gateways of this machine, asked of the kernel once: what `address = "gateway"` stands for.

A dump of the routes by rtnetlink(7), with its few structures read here: the library for the rest of
netlink is too heavy to be imported before the first session is up.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

Seconds = float
Address = IPv4Address | IPv6Address

# linux/netlink.h, linux/rtnetlink.h
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
RTM_NEWROUTE: Final = 24
RTM_GETROUTE: Final = 26
NLM_F_REQUEST_DUMP: Final = 0x1 | 0x100 | 0x200
RT_TABLE_MAIN: Final = 254
RTN_UNICAST: Final = 1
RTA_GATEWAY: Final = 5
RTA_PRIORITY: Final = 6
RTA_MULTIPATH: Final = 9
RTA_TABLE: Final = 15

MESSAGE: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
ROUTE: Final = struct.Struct("=BBBBBBBBI")  # rtmsg: second the destination's length, fifth table, eighth type
ATTRIBUTE: Final = struct.Struct("=HH")  # rtattr: length, type
NEXT_HOP: Final = struct.Struct("=HBBi")  # rtnexthop: length, flags, hops, interface

PATIENCE: Final[Seconds] = 1.0  # with the kernel, which answers within microseconds


def default_gateways() -> tuple[str, ...]:
    """The gateways of every default route, IPv4 first, the preferred ones first; each once.

    Those that are link-local are left out: a neighbour needs an address that can be written down. Raises
    OSError where the kernel does not answer.
    """
    found = [hop for family in (socket.AF_INET, socket.AF_INET6) for hop in gateways(_dump(family))]
    return tuple(dict.fromkeys(str(hop) for hop in found if not hop.is_link_local))


def gateways(dump: bytes) -> list[Address]:
    """Read the next hops of the default routes of the main table off a dump, by metric."""
    routes: list[tuple[int, Address]] = []
    for kind, body in _messages(dump):
        if kind == RTM_NEWROUTE:
            _, length, _, _, table, _, _, type_, _ = ROUTE.unpack_from(body)
            attributes = dict(_attributes(body[ROUTE.size :]))
            table = _number(attributes.get(RTA_TABLE), table)
            if length == 0 and table == RT_TABLE_MAIN and type_ == RTN_UNICAST:
                metric = _number(attributes.get(RTA_PRIORITY), 0)
                routes += [(metric, hop) for hop in _hops(attributes)]
    return [hop for _, hop in sorted(routes, key=lambda route: route[0])]


def _hops(attributes: dict[int, bytes]) -> Iterator[Address]:
    if octets := attributes.get(RTA_GATEWAY):
        yield ip_address(octets)
    paths = attributes.get(RTA_MULTIPATH, b"")
    while len(paths) >= NEXT_HOP.size:
        length, *_ = NEXT_HOP.unpack_from(paths)
        if octets := dict(_attributes(paths[NEXT_HOP.size : length])).get(RTA_GATEWAY):
            yield ip_address(octets)
        paths = paths[_aligned(length) :]


def _number(octets: bytes | None, otherwise: int) -> int:
    return otherwise if octets is None else int.from_bytes(octets, sys.byteorder)


def _messages(dump: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while len(dump) - at >= MESSAGE.size:
        length, kind, *_ = MESSAGE.unpack_from(dump, at)
        yield kind, dump[at + MESSAGE.size : at + length]
        at += _aligned(length)


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    while len(octets) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(octets)
        yield kind, octets[ATTRIBUTE.size : length]
        octets = octets[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3  # NLMSG_ALIGN, RTA_ALIGN


def _dump(family: int) -> bytes:
    question = ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(PATIENCE)
        header = MESSAGE.pack(MESSAGE.size + len(question), RTM_GETROUTE, NLM_F_REQUEST_DUMP, 1, 0)
        kernel.sendto(header + question, (0, 0))
        dump = bytearray()
        while True:
            part = kernel.recv(1 << 16)
            for kind, body in _messages(part):
                if kind == NLMSG_DONE:
                    return bytes(dump)
                if kind == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    raise OSError(number, os.strerror(number))
            dump += part
