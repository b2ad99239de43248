"""UDP as BFD wants it (RFC 5881): from which port, at which TTL, and when what came had come."""

import asyncio
import errno
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vipd import sockaddr
from vipd.bfd.packet import Seconds
from vipd.bfd.peer import BfdPeer

PORT: Final = 3784
TTL: Final = 255  # of what we send (RFC 5881 section 5)
SOURCE_PORTS: Final = (49152, 65535)  # RFC 5881 section 4
ATTEMPTS: Final = 64  # at a source port that nobody has
CS6: Final = 0xC0  # network control, as routers mark BFD (RFC 4594 section 3.2)
OCTETS: Final = 256  # more than a packet can say that it has
NANOSECONDS: Final = 1e-9

# From linux/in.h and asm-generic/socket.h; the socket module does not name them.
IP_RECVTTL: Final = 12
SO_TIMESTAMPNS: Final = 35  # a struct timespec comes with every datagram
_TIMESPEC: Final = struct.Struct("@ll")
_INT: Final = struct.Struct("@i")
ANCILLARY: Final = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_INT.size)
TTLS: Final = {
    (socket.IPPROTO_IP, socket.IP_TTL),
    (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """What came, from whom, and when."""

    octets: bytes
    address: str
    ttl: int
    at: Seconds  # loop time


class Receiver:
    """A socket that packets come to.

    Whoever was stalled finds the packets of the meantime here, and when each of them came: the kernel
    noted it. A buffer of the usual size holds some two hundred, which at the fastest pace is longer than any
    peer would have waited for us.
    """

    def __init__(self, host: str, interface: str | None = None, port: int = PORT) -> None:
        """Listen on an address, at one interface or at all. Raises OSError."""
        family, local = sockaddr.parse(host, port)
        self._loop = asyncio.get_running_loop()
        self._emptied_at: Seconds = self._loop.time()
        self._sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
            self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            if family == socket.AF_INET6:
                self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # "0.0.0.0" stays free
                self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            else:
                self._sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
            _keep_to(self._sock, interface)
            self._sock.bind(local)
        except BaseException:  # nobody else will ever have it to close
            self._sock.close()
            raise

    async def readable(self) -> None:
        """Return when something has come."""
        come: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._sock, _settle, come)
        try:
            await come
        finally:
            self._loop.remove_reader(self._sock)

    def read(self) -> Datagram | None:
        """Return the next datagram, without waiting; None: all that had come is read."""
        now, stamped = self._loop.time(), time.time()
        try:
            octets, ancillary, _, source = self._sock.recvmsg(OCTETS, ANCILLARY)
        except BlockingIOError:
            self._emptied_at = now
            return None
        at, ttl = now, 0
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = _TIMESPEC.unpack(content)
                at = now - (stamped - (seconds + nanoseconds * NANOSECONDS))
            elif (level, kind) in TTLS:
                (ttl,) = _INT.unpack(content)
        # The stamp is of the wall clock, which may be set at any time. But what is read now came after we
        # last found nothing here.
        at = min(max(at, self._emptied_at), now)
        return Datagram(octets=octets, address=_text(source), ttl=ttl, at=at)

    def close(self) -> None:
        self._sock.close()


class Sender:
    """The socket that one session sends from; opened when there is something to send."""

    def __init__(self, peer: BfdPeer, chance: Callable[[], float], port: int = PORT) -> None:
        self._peer = peer
        self._chance = chance
        self._port = port
        self._source_port = self._draw()
        self._sock: socket.socket | None = None

    def send(self, octets: bytes) -> None:
        """Send one packet. Raises OSError; the next one is tried from a new socket, at the same port."""
        _, remote = sockaddr.parse(self._peer.address, self._port)
        if self._sock is None:
            self._sock = self._open()
        try:
            self._sock.sendto(octets, remote)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _open(self) -> socket.socket:
        family, _ = sockaddr.parse(self._peer.address, self._port)
        six = family == socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # nobody reads what comes to this port
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, TTL)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, CS6)
            else:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, CS6)
            _keep_to(sock, self._peer.interface)
            self._bind(sock, self._peer.local_address or ("::" if six else "0.0.0.0"))  # noqa: S104 - to send from
        except BaseException:  # nobody else will ever have it to close
            sock.close()
            raise
        return sock

    def _bind(self, sock: socket.socket, host: str) -> None:
        """Bind to the session's source port; to another one where that is taken. Raises OSError."""
        for _ in range(ATTEMPTS):
            _, local = sockaddr.parse(host, self._source_port)
            try:
                sock.bind(local)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                self._source_port = self._draw()
            else:
                return
        raise ConnectionError(f"no port of {SOURCE_PORTS[0]} to {SOURCE_PORTS[1]} is free")

    def _draw(self) -> int:
        low, high = SOURCE_PORTS
        return low + int(self._chance() * (high - low + 1))


def _keep_to(sock: socket.socket, interface: str | None) -> None:
    if interface is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())


def _text(source: sockaddr.SockAddr) -> str:
    try:
        return sockaddr.text(source)
    except OSError:  # its interface has gone since
        return source[0]


def _settle(come: asyncio.Future[None]) -> None:
    if not come.done():
        come.set_result(None)
