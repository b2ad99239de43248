"""The ToR that measures: it accepts one session, answers, and stamps every message. It knows no vipd.

Every VIP of these jobs is an IPv4 /32, which takes five octets of NLRI: so counting is a division.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
AS = 64001


def message(kind: int, body: bytes = b"") -> bytes:
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def open_message(hold: int, router_id: str) -> bytes:
    capabilities = b"".join(
        (
            bytes.fromhex("0104 0001 0001"),  # multiprotocol: IPv4 unicast
            bytes.fromhex("0200"),  # route refresh
            b"\x41\x04" + struct.pack("!I", AS),  # four-octet AS
        )
    )
    optional = b"\x02" + bytes((len(capabilities),)) + capabilities
    head = struct.pack("!BHH4sB", 4, AS, hold, socket.inet_aton(router_id), len(optional))
    return message(OPEN, head + optional)


@dataclass
class Seen:
    """What has come so far. Stamps are CLOCK_MONOTONIC seconds."""

    established: float | None = None
    first: float | None = None  # UPDATE with NLRI
    last: float | None = None  # UPDATE of any content
    announced: int = 0  # prefixes
    withdrawn: int = 0
    updates: int = 0
    closed: float | None = None
    heard: float | None = None  # the last message of any kind
    silence: float = 0.0  # the longest time without any, in seconds, since Established
    keepalives: list[float] = field(default_factory=list)


class Collector:
    """Listens on one loopback address; a thread of its own reads and stamps."""

    def __init__(self, address: str, *, hold: int = 9) -> None:
        self.seen = Seen()
        self._hold = hold
        self.address = address
        self._changed = threading.Condition()
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self._socket: socket.socket | None = None
        self._leaving = False
        threading.Thread(target=self._serve, daemon=True).start()

    def wait(self, accept, timeout: float = 60.0) -> Seen:
        """Return once `accept(seen)` is true; raises TimeoutError, with what had come."""
        with self._changed:
            if not self._changed.wait_for(lambda: accept(self.seen), timeout):
                raise TimeoutError(f"{timeout} s: {self.seen}")
            return self.seen

    def forget(self) -> None:
        """Count from here on."""
        with self._changed:
            self.seen.announced = self.seen.withdrawn = self.seen.updates = 0
            self.seen.first = self.seen.last = None

    def send(self, octets: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(octets)

    def close(self) -> None:
        self._leaving = True
        for sock in (self._listener, self._socket):
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()

    def _serve(self) -> None:
        while not self._leaving:
            try:
                self._socket, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.seen = Seen()
            with suppress(OSError):
                self._session(self._socket)
            with self._changed:
                self.seen.closed = time.monotonic()
                self._changed.notify_all()

    def _session(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(max(1.0, self._hold / 3))
        sock.sendall(open_message(self._hold, self.address))
        waiting = bytearray()
        said = time.monotonic()
        while True:
            try:
                octets = sock.recv(1 << 20)
                if not octets:
                    return
                waiting += octets
            except TimeoutError:
                pass
            now = time.monotonic()
            if self.seen.established and now - said > self._hold / 3:
                sock.sendall(message(KEEPALIVE))
                said = now
            self._read(sock, waiting, now)

    def _read(self, sock: socket.socket, waiting: bytearray, now: float) -> None:
        at = 0
        while len(waiting) - at >= 19:
            length, kind = struct.unpack_from("!HB", waiting, at + 16)
            if len(waiting) - at < length:
                break
            body = memoryview(waiting)[at + 19 : at + length]
            at += length
            with self._changed:
                self._note(sock, kind, body, now)
                self._changed.notify_all()
            body.release()
        del waiting[:at]

    def _note(self, sock: socket.socket, kind: int, body: memoryview, now: float) -> None:
        if self.seen.established is not None and self.seen.heard is not None:
            self.seen.silence = max(self.seen.silence, now - self.seen.heard)
        self.seen.heard = now
        if kind == OPEN:
            sock.sendall(message(KEEPALIVE))
        elif kind == KEEPALIVE:
            self.seen.keepalives.append(now)
            if self.seen.established is None:
                self.seen.established = now
        elif kind == UPDATE:
            (withdrawn,) = struct.unpack_from("!H", body)
            (attributes,) = struct.unpack_from("!H", body, 2 + withdrawn)
            announced = (len(body) - 4 - withdrawn - attributes) // 5
            self.seen.updates += 1
            self.seen.withdrawn += withdrawn // 5
            self.seen.announced += announced
            if announced or withdrawn:
                self.seen.last = now
            if announced and self.seen.first is None:
                self.seen.first = now
