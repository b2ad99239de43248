"""TCP as BGP wants it: from which address, with which key, over how many hops. No message is known here.

Whatever goes wrong leaves as a ConnectionError whose text is one sentence for people.
"""

import asyncio
import errno
import socket
import struct
import termios
from collections.abc import Callable, Mapping
from fcntl import ioctl
from typing import Never

import structlog

from vipd import sockaddr
from vipd.bgp.peer import PeerConfig, Seconds
from vipd.latest import Latest

log = structlog.get_logger()

CHUNK = 65536  # octets read at once: what a turn of the loop can check well within a keepalive interval
LOW_WATER = 65536  # octets waiting here, up to which there is room for more
CLOSING: Seconds = 1.0  # for the peer to take our last words and close its own end
BACKLOG = 128  # callers who wait for us to look, so that a crowd of strangers keeps no peer out
RETRY: Seconds = 1.0  # to listen again after a failure; doubles up to:
RETRY_MAX: Seconds = 30.0
SELDOM: Seconds = 60.0  # between two log lines about one stranger
STRANGERS = 256  # addresses remembered as logged

# From linux/tcp.h, linux/in.h and linux/in6.h; the socket module does not name them.
TCP_MD5SIG = 14
IP_MINTTL = 21
IPV6_MINHOPCOUNT = 73
CS6 = 0xC0  # network control, as routers mark BGP (RFC 4594 section 3.2)
IDLE = 10  # whole seconds without an octet, after which TCP asks whether the peer is there; and
ASKED = 3  # so many seconds apart, so often
FARTHEST = 255  # the TTL that nobody but a direct neighbour can make arrive whole (RFC 5082)


class TcpConnection:
    """One open connection. Writing never waits; reading takes a bounded portion at a time."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected, non-blocking socket."""
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._unwritten = bytearray()
        self._room: asyncio.Future[None] | None = None
        self._failure: OSError | None = None
        self._progressed: Seconds = 0.0  # when the kernel last took something
        self.local_address = sockaddr.text(sock.getsockname())
        self.remote_address = sockaddr.text(sock.getpeername())

    async def read(self) -> bytes:
        """Return the next octets; none at the end of the stream. Raises ConnectionError."""
        try:
            if self._failure is not None:
                raise self._failure
            return await self._loop.sock_recv(self._sock, CHUNK)
        except OSError as error:
            raise ConnectionError(sockaddr.words(error)) from error

    def write(self, octets: bytes) -> None:
        """Send, now or when the kernel has room. That the connection is lost, the reader is told."""
        if self._failure is not None:
            return
        waiting = bool(self._unwritten)
        self._unwritten += octets
        if not waiting:
            self._progressed = self._loop.time()
            self._flush()
            if self._unwritten:
                self._loop.add_writer(self._sock, self._flush)

    async def drained(self, below: int = LOW_WATER) -> None:
        """Return when no more than so many octets wait here for the kernel to take them."""
        while len(self._unwritten) > below:
            if self._room is None:
                self._room = self._loop.create_future()
            await asyncio.shield(self._room)

    @property
    def stuck_since(self) -> Seconds | None:
        """When the kernel last took something of what waits here; None: nothing waits."""
        return self._progressed if self._unwritten else None

    def unsent(self) -> int:
        """Octets that the peer's kernel has not acknowledged. What broke acknowledges nothing."""
        if self._failure is not None:
            return max(1, len(self._unwritten))
        if self._sock.fileno() < 0:
            return 0
        (in_kernel,) = struct.unpack("i", ioctl(self._sock, termios.TIOCOUTQ, bytes(4)))
        return len(self._unwritten) + int(in_kernel)

    def sign(self, key: bytes) -> None:
        """Sign with another key from now on, and take only what is signed with it; TCP sends again what was
        lost to the change. Raises ConnectionError where a new connection is needed for that.
        """
        set_md5_key(self._sock, self.remote_address, key)

    async def close(self) -> None:
        """Close so that the peer can read what was written last; at most `CLOSING` is waited.

        Nobody may be reading. Closing with unread octets in the socket would make a reset of it, and a
        reset overtakes the NOTIFICATION. So: end our half, and discard until the peer ends its own.
        """
        try:
            async with asyncio.timeout(CLOSING):
                await self.drained(below=0)
                self._sock.shutdown(socket.SHUT_WR)
                # A turn for others after each portion, or a flood would keep the timeout from coming.
                while await self._loop.sock_recv(self._sock, CHUNK):  # noqa: ASYNC110 - it waits for octets
                    await asyncio.sleep(0)
        except (OSError, TimeoutError):
            pass  # gone already, or it had its time
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once. Nobody may be reading."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
        self._unwritten.clear()
        self._wake()

    def _flush(self) -> None:
        try:
            del self._unwritten[: self._sock.send(self._unwritten)]
            self._progressed = self._loop.time()
        except BlockingIOError:
            return
        except OSError as error:
            self._failure = error
            self._unwritten.clear()
        if not self._unwritten:
            self._loop.remove_writer(self._sock)
        self._wake()

    def _wake(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


async def dial(config: PeerConfig) -> TcpConnection:
    """Connect to a peer. How long that may take is the caller's to say. Raises ConnectionError."""
    family, remote = sockaddr.parse(config.address, config.port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
        _bind_to_interface(sock, config.interface)
        _tune(sock, config)
        if config.md5_key is not None:
            set_md5_key(sock, config.address, config.md5_key)
        if config.local_address is not None:
            _bind(sock, config.local_address, 0)
        await asyncio.get_running_loop().sock_connect(sock, remote)
        return TcpConnection(sock)
    except OSError as error:
        sock.close()
        raise ConnectionError(f"{config.address} port {config.port}: {sockaddr.words(error)}") from error
    except BaseException:
        sock.close()
        raise


class Listener:
    """A listening socket, and the peers that may call it."""

    def __init__(self, host: str, port: int, peers: Mapping[str, PeerConfig]) -> None:
        """Listen on an address; port 0 is one of the kernel's choice. Raises ConnectionError."""
        self._peers: Mapping[str, PeerConfig] = {}
        self._keys: dict[str, bytes] = {}
        self._strangers: dict[str, Seconds] = {}  # when each was last spoken of, the oldest first
        family, _ = sockaddr.parse(host, port)
        self._sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # "0.0.0.0" stays free
            # The first answer leaves before we know whose call it is, and the caller may insist on this.
            _set_ttl(self._sock, FARTHEST)
            _set_class(self._sock)
            _bind(self._sock, host, port)
            self.admit(peers)  # with their keys before anybody can call
            self._sock.listen(BACKLOG)
        except BaseException:
            self._sock.close()
            raise
        self.port = int(self._sock.getsockname()[1])

    def close(self) -> None:
        self._sock.close()

    def admit(self, peers: Mapping[str, PeerConfig]) -> None:
        """Let these peers call, and no others; each signs with its key, where it has one."""
        six = self._sock.family == socket.AF_INET6
        ours = {name: peer for name, peer in peers.items() if (":" in peer.address) == six}
        wanted = {peer.address: peer.md5_key for peer in ours.values() if peer.md5_key is not None}
        for address in self._keys.keys() | wanted.keys():
            if self._keys.get(address) != wanted.get(address):
                set_md5_key(self._sock, address, wanted.get(address, b""))
        self._peers, self._keys = ours, wanted

    async def accept(self) -> tuple[str, TcpConnection]:
        """Return the next peer that calls, and its connection; strangers are hung up on."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)  # where callers stand in line, accepting does not wait; others must run
            try:
                sock, remote = await loop.sock_accept(self._sock)
            except OSError as error:  # out of descriptors, most likely; it would come again at once
                log.warning("accept_failed", reason=sockaddr.words(error))
                await asyncio.sleep(RETRY)
                continue
            peer = self._caller(sockaddr.text(remote), sockaddr.text(sock.getsockname()))
            if peer is None:
                sock.close()
                self._refused(sockaddr.text(remote), loop.time())
                continue
            try:
                _tune(sock, peer)
                # From here on, what comes or goes by another interface is not of this connection.
                _bind_to_interface(sock, peer.interface)
                return peer.name, TcpConnection(sock)
            except OSError as error:  # gone before we could look, or an interface that cannot be had
                log.warning("accept_failed", address=peer.address, reason=sockaddr.words(error))
                sock.close()

    def _caller(self, remote: str, local: str) -> PeerConfig | None:
        """Find the peer that calls from there to here."""
        for peer in self._peers.values():
            if sockaddr.normal(peer.address) == remote and (
                peer.local_address is None or sockaddr.normal(peer.local_address) == local
            ):
                return peer
        return None

    def _refused(self, stranger: str, now: Seconds) -> None:
        if now - self._strangers.get(stranger, -SELDOM) < SELDOM:
            return
        log.warning("connection_refused_unknown", address=stranger)
        self._strangers.pop(stranger, None)
        self._strangers[stranger] = now
        if len(self._strangers) > STRANGERS:
            del self._strangers[next(iter(self._strangers))]


async def listen(
    host: str,
    port: int,
    peers: Latest[Mapping[str, PeerConfig]],
    accept: Callable[[str, TcpConnection], None],
) -> Never:
    """Give every connection that a peer opens to `accept`, under the peer's name.

    An address that cannot be listened on is said once, and tried again for as long as it takes.
    """
    delay, told = RETRY, ""
    while True:
        try:
            listener = Listener(host, port, peers.value)
            break
        except OSError as error:
            reason = sockaddr.words(error)
            if reason != told:
                log.warning("listen_failed", host=host, port=port, reason=reason)
                told = reason
            await asyncio.sleep(delay)
            delay = min(2 * delay, RETRY_MAX)
    log.info("listener_ready", host=host, port=listener.port)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_admit_newest(listener, peers))
            while True:
                accept(*await listener.accept())
    finally:
        listener.close()


async def _admit_newest(listener: Listener, peers: Latest[Mapping[str, PeerConfig]]) -> None:
    async for newest in peers:
        try:
            listener.admit(newest)
        except ConnectionError as error:  # those of before stay admitted
            log.warning("listen_failed", port=listener.port, reason=str(error))


def set_md5_key(sock: socket.socket, address: str, key: bytes) -> None:
    """Sign what goes to an address, and take only what comes signed from it (RFC 2385); b"" ends that.

    Raises ConnectionError.
    """
    _, remote = sockaddr.parse(address, 0)
    packed = socket.inet_pton(sock.family, remote[0])
    # struct sockaddr_storage; struct { u8 flags, prefixlen; u16 keylen; int ifindex; u8 key[80]; }
    if sock.family == socket.AF_INET6:
        storage = struct.pack("=HHI16s", sock.family, 0, 0, packed)
    else:
        storage = struct.pack("=HH4s", sock.family, 0, packed)
    signature = storage.ljust(128, b"\0") + struct.pack("=BBHi80s", 0, 0, len(key), 0, key)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature)
    except OSError as error:
        if not key and error.errno == errno.ENOENT:
            return  # none was set
        reason = f"this kernel cannot sign with TCP MD5 (RFC 2385): {sockaddr.words(error)}"
        raise ConnectionError(reason) from error


def _tune(sock: socket.socket, config: PeerConfig) -> None:
    """Set what both a dialled and an accepted connection need."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if config.hold_time:
        # Octets that stay unacknowledged for so long went to a peer whose hold timer has run out.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * config.hold_time)
    # With a hold time of 0, and so no KEEPALIVEs, a peer that has gone without a word is found so.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASKED)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASKED)
    _set_class(sock)
    six = sock.family == socket.AF_INET6
    if config.ttl_security is not None:  # RFC 5082
        _set_ttl(sock, FARTHEST)
        nearest = FARTHEST + 1 - config.ttl_security
        if six:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, nearest)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, nearest)
    elif config.multihop is not None:
        _set_ttl(sock, config.multihop)
    else:
        _set_ttl(sock, 64 if config.peer_as == config.local_as else 1)


def _set_ttl(sock: socket.socket, ttl: int) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)


def _set_class(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, CS6)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, CS6)


def _bind_to_interface(sock: socket.socket, interface: str | None) -> None:
    if interface is None:
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except OSError as error:
        reason = {
            errno.ENODEV: f"there is no interface {interface}",
            errno.EPERM: f"to use interface {interface} alone, this kernel wants the capability CAP_NET_RAW",
        }.get(error.errno or 0, f"interface {interface}: {sockaddr.words(error)}")
        raise ConnectionError(reason) from error


def _bind(sock: socket.socket, host: str, port: int) -> None:
    family, local = sockaddr.parse(host, port)
    if family != sock.family:
        raise ConnectionError(f"local address {host} is not of the peer's family")
    try:
        sock.bind(local)
    except OSError as error:
        reason = {
            errno.EADDRNOTAVAIL: f"{host} is not an address of this host",
            errno.EADDRINUSE: f"{host} port {port} is in use by another process",
            errno.EACCES: f"{host} port {port} needs the capability CAP_NET_BIND_SERVICE",
        }.get(error.errno or 0, f"{host} port {port}: {sockaddr.words(error)}")
        raise ConnectionError(reason) from error
