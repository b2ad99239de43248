"""A ToR made of a socket: it says what a test wants said, and hears what vipd answers."""

import contextlib
import select
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from conformance import octets as bgp
from conformance.octets import Family, Message, Said

BOTH = (bgp.IPV4, bgp.IPV6)
PATIENCE = 8.0  # seconds for what is to come at once: a slow machine's, not the RFC's


class Over(Exception):  # noqa: N818 - what happened to a connection
    """The connection has ended; `reset` says how."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


class Conversation:
    """One TCP connection with vipd, seen from the peer."""

    def __init__(self, sock: socket.socket, asn: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.asn = asn
        self.longest = 4096  # octets of a message
        self._unread = bytearray()

    # ---- words ----

    def say(self, *messages: bytes) -> None:
        """Send in one piece. Whether it was wanted, the answer tells."""
        self.sock.settimeout(PATIENCE)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(b"".join(messages))

    def hear(self, patience: float = PATIENCE) -> Message:
        """The next message. Raises Over at the end, TimeoutError when nothing comes."""
        until = time.monotonic() + patience
        while True:
            length = int.from_bytes(self._unread[16:18])
            if len(self._unread) >= 19 and len(self._unread) >= length:
                assert self._unread.startswith(bgp.MARKER), "vipd lost its marker"
                assert 19 <= length <= self.longest, f"vipd sent a message of {length} octets"
                whole, self._unread = self._unread[:length], self._unread[length:]
                return Message(whole[18], bytes(whole[19:]))
            self.sock.settimeout(max(0.001, until - time.monotonic()))
            try:
                portion = self.sock.recv(65536)
            except ConnectionResetError:
                raise Over(reset=True) from None
            if not portion:
                assert not self._unread, f"vipd ended within a message: {self._unread.hex()}"
                raise Over(reset=False)
            self._unread += portion

    def hear_all(self, seconds: float) -> Iterator[tuple[float, Message]]:
        """All messages of that time, with the second in which each came."""
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                heard = self.hear(left)
                yield time.monotonic() - began, heard

    def last_words(self) -> list[Message]:
        """Everything until vipd closes."""
        heard = []
        with contextlib.suppress(Over):
            while True:
                heard.append(self.hear())
        return heard

    def hear_kind(self, kind: int, patience: float = PATIENCE) -> Message:
        """The next message of a kind; KEEPALIVEs, UPDATEs and marks may come before it, no more."""
        until = time.monotonic() + patience
        while True:
            heard = self.hear(until - time.monotonic())
            if heard.kind == kind:
                return heard
            mark = heard.kind == bgp.REFRESH and heard.body[2] in (1, 2)
            assert mark or heard.kind in (bgp.KEEPALIVE, bgp.UPDATE), f"{kind} was to come, not {heard}"

    # ---- sentences ----

    def open(self, **words: object) -> None:
        self.say(bgp.open_message(words.pop("asn", self.asn), **words))

    def confirm(self, **words: object) -> None:
        """To OpenConfirm, as vipd sees it."""
        self.open(**words)
        assert self.hear().kind == bgp.KEEPALIVE

    def establish(
        self, opening: bytes = b"", *, told: tuple[Family, ...] = BOTH, **words: object
    ) -> list[Said]:
        """To Established; what vipd then says, to the End-of-RIB of all families that are to be told."""
        self.say(opening or bgp.open_message(words.pop("asn", self.asn), **words), bgp.keepalive())
        assert self.hear().kind == bgp.KEEPALIVE
        return self.table(told)

    def table(self, families: tuple[Family, ...]) -> list[Said]:
        """What vipd says until it said End-of-RIB of each of these families."""
        heard: list[Said] = []
        left = set(families)
        while left:
            heard.append(bgp.take_apart(self.hear_kind(bgp.UPDATE).body))
            left.discard(heard[-1].end_of_rib)
        return heard

    def table_again(self, count: int) -> list[Said]:
        """What vipd says until it announced so many prefixes."""
        heard: list[Said] = []
        while count > 0:
            heard.append(self.said())
            count -= len(heard[-1].announced)
        return heard

    def said(self) -> Said:
        """The next UPDATE."""
        return bgp.take_apart(self.hear_kind(bgp.UPDATE).body)

    # ---- outcomes ----

    def refused(self) -> tuple[int, int, bytes]:
        """The NOTIFICATION that comes, after which vipd must close without another word."""
        error = self.hear_kind(bgp.NOTIFICATION).error
        self.ended(reset=False)
        return error

    def ended(self, *, reset: bool | None = None) -> None:
        """Vipd closes, and says no more."""
        with pytest.raises(Over) as over:
            raise AssertionError(f"the connection was to end, but there came {self.hear()}")
        assert reset is None or over.value.reset is reset

    def stands(self, family: tuple[int, int] = bgp.IPV4) -> None:
        """The session is Established, and all that was said before has been read: a refresh is answered."""
        self.say(bgp.refresh(family))
        while not (said := self.said()).announced:
            pass
        assert said.family == family

    # ---- the end ----

    def close(self) -> None:
        self.sock.close()

    def sign(self, key: bytes) -> None:
        """Sign with another key from now on (RFC 2385)."""
        sign(self.sock, self.sock.getpeername()[0], key)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def sign(sock: socket.socket, address: str, key: bytes) -> None:
    """Have what goes to and comes from an IPv4 address signed: struct tcp_md5sig of linux/tcp.h."""
    peer = struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton(address))
    sock.setsockopt(socket.IPPROTO_TCP, 14, peer + struct.pack("=BBHi80s", 0, 0, len(key), 0, key))


class Tor:
    """A neighbour of vipd: an address at which it listens, and from which it may call."""

    def __init__(self, name: str, asn: int, address: str, port: int) -> None:
        self.name = name
        self.asn = asn
        self.address = address
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._open: list[Conversation] = []
        self.port = port
        self.listen()

    def listen(self) -> None:
        self._listener = socket.create_server((self.address, self.port), family=self._family, backlog=16)
        self.port = self._listener.getsockname()[1]

    def sign(self, address: str, key: bytes) -> None:
        """Take calls from there that are signed with this key, and no others."""
        sign(self._listener, address, key)

    def shut(self) -> None:
        """Refuse calls, as a machine that boots does."""
        self._listener.close()

    def shrink(self) -> None:
        """Have no more room for what arrives than must be."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def answer(self, patience: float = PATIENCE) -> tuple[Conversation, Message]:
        """Vipd's call, and the OPEN that it begins with. Calls that it has given up since are passed over."""
        until = time.monotonic() + patience
        while True:
            self._listener.settimeout(max(0.001, until - time.monotonic()))
            conversation = self._met(self._listener.accept()[0])
            with contextlib.suppress(Over):
                opening = conversation.hear(until - time.monotonic())
                assert opening.kind == bgp.OPEN, opening
                if not select.select([conversation.sock], [], [], 0)[0]:
                    return conversation, opening
            conversation.close()

    def meet(self) -> Conversation:
        """Vipd's call, in OpenSent as it sees it."""
        return self.answer()[0]

    def greet(self) -> Conversation:
        """Vipd's call, of which nothing was read."""
        self._listener.settimeout(PATIENCE)
        return self._met(self._listener.accept()[0])

    def call(self, address: str, port: int, ttl: int = 64) -> Conversation:
        """Call vipd."""
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        if self._family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sock.bind((self.address, 0))
        sock.settimeout(PATIENCE)
        sock.connect((address, port))
        return self._met(sock)

    def called_within(self, seconds: float) -> bool:
        """Whether vipd calls in that time."""
        return bool(select.select([self._listener], [], [], seconds)[0])

    def rest(self) -> None:
        """Close what a test has left open."""
        for conversation in self._open:
            conversation.close()
        self._open.clear()

    def close(self) -> None:
        self.rest()
        self._listener.close()

    def _met(self, sock: socket.socket) -> Conversation:
        conversation = Conversation(sock, self.asn)
        self._open.append(conversation)
        return conversation
