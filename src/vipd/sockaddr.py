"""Addresses as the kernel has them and as people write them; and its errors in words."""

import errno
import ipaddress
import os
import socket

SockAddr = tuple[str, int] | tuple[str, int, int, int]


def parse(host: str, port: int) -> tuple[socket.AddressFamily, SockAddr]:
    """Read a literal address, a link-local one with its scope. Raises ConnectionError."""
    address = ipaddress.ip_address(host)
    if address.version == 4:
        return socket.AF_INET, (host, port)
    bare, _, scope = host.partition("%")
    try:
        index = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope) if scope else 0
    except OSError as error:
        raise ConnectionError(f"there is no interface {scope} for {host}") from error
    return socket.AF_INET6, (bare, port, 0, index)


def text(sockaddr: SockAddr) -> str:
    """Write an address as the kernel gives it as people do: fe80::1%eth0."""
    bare = sockaddr[0]
    if len(sockaddr) == 4 and sockaddr[3]:
        return f"{bare}%{socket.if_indextoname(sockaddr[3])}"
    return bare


def normal(host: str) -> str:
    """Write a configured address as `text` would."""
    address = str(ipaddress.ip_address(host))
    bare, _, scope = address.partition("%")
    return f"{bare}%{socket.if_indextoname(int(scope))}" if scope.isdecimal() else address


def words(error: OSError) -> str:
    """Say in words what the kernel says in numbers."""
    number = error.errno or 0
    return _WORDS.get(number) or (os.strerror(number).lower() if number else str(error))


_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "the peer reset the connection",
    errno.EPIPE: "the peer reset the connection",
    errno.ETIMEDOUT: "no answer",
    errno.ENETUNREACH: "no route to this address",
    errno.EHOSTUNREACH: "host unreachable",
}
