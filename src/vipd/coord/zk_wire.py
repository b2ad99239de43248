"""One connection to one ZooKeeper server: frames in both directions, answers to those who asked, its end.

The requests and responses are aiozk's. Its connection is not used: at the end of the stream within a frame
it spins for seconds, by a clock that can be set, and it tells of the end late, or not at all. Here frames are
read in the turn of the loop in which their octets come, so that after a stall an answer that is there
counts before the timer that missed it.
"""

import asyncio
import os
import ssl
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from aiozk import exc, protocol

from vipd.coord.directory import DirectoryLost

Seconds = float
Request = Any  # aiozk has no types
Response = Any

LARGEST_REQUEST: Final = 1_000_000  # octets; servers drop the connection at 1,048,575 (jute.maxbuffer)
LARGEST_FRAME: Final = 64 << 20  # octets; beyond, it is no ZooKeeper that speaks

_SIZE: Final = struct.Struct("!i")
_HEADER: Final = struct.Struct("!iqi")  # xid, zxid, error

# Errors after which a connection is of no use; what was asked may have been done.
_FATAL: Final = {
    exc.ZKSystemError.error_code: "an error in the server",
    exc.DataInconsistency.error_code: "an inconsistency in the server",
    exc.ConnectionLoss.error_code: "the server has lost its ensemble",
    exc.OperationTimeout.error_code: "a timeout in the server",
    exc.SessionExpired.error_code: "the session has expired",
    exc.AuthFailed.error_code: "the server refuses our credentials",
    exc.SessionMoved.error_code: "the session has moved to another server",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server made of a request: an error code and no response, or 0 and the response."""

    error: int
    response: Response
    zxid: int


class Listener(Protocol):
    """Who is told what happens on a wire, in the order in which it happens."""

    def heard(self, path: str) -> None:
        """Tell that a watch on a path has fired, and stands no more."""

    def answered(self, sent: Seconds, zxid: int) -> None:
        """Tell that the server has answered what was sent at a time."""

    def ended(self, wire: "Wire", reason: str) -> None:
        """Tell that the wire is lost; those who wait on it learn it next."""


@dataclass(slots=True)
class _Asked:
    request: Request
    sent: Seconds
    answer: asyncio.Future[Answer]
    note: Callable[[Answer], None]
    overdue: asyncio.TimerHandle


class Wire(asyncio.Protocol):
    """To be connected by a loop's `create_connection`, greeted once, and then asked."""

    def __init__(self, listener: Listener) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._octets = bytearray()
        self._greeting: asyncio.Future[Response] | None = None
        self._pending: dict[int, _Asked] = {}
        self._xid = 0
        self.patience: Seconds = 1.0
        self.lost: asyncio.Future[str] = self._loop.create_future()  # why, in one clause

    async def greet(self, request: Request) -> Response:
        """Open a session, or resume it. Raises DirectoryLost if the connection ends instead of an answer."""
        if self.lost.done():
            raise DirectoryLost(self.lost.result(), sent=False)
        self._greeting = self._loop.create_future()
        self._write(request.serialize())
        return await self._greeting

    def ask(
        self,
        request: Request,
        *,
        within: Seconds | None = None,
        note: Callable[[Answer], None] = lambda _: None,
    ) -> asyncio.Future[Answer]:
        """Send a request; no answer `within` a time (`patience`) is the end of the wire and all asked on it.

        `note` is called with the answer before anything that came after it is looked at; what it raises,
        the future raises.
        The future may be left alone. It raises DirectoryLost. Raises ValueError for what is too large.
        """
        answer: asyncio.Future[Answer] = self._loop.create_future()
        answer.add_done_callback(_looked_at)
        if self.lost.done():
            answer.set_exception(DirectoryLost(self.lost.result(), sent=False))
            return answer
        if request.special_xid is None:
            self._xid = xid = self._xid % 0x7FFFFFFF + 1
        else:
            xid = request.special_xid
        within = self.patience if within is None else within
        octets = request.serialize(xid)
        if len(octets) > LARGEST_REQUEST:
            raise ValueError(f"a request of {len(octets)} octets, at most {LARGEST_REQUEST} are taken")
        self._pending[xid] = _Asked(
            request=request,
            sent=self._loop.time(),
            answer=answer,
            note=note,
            overdue=self._loop.call_later(
                within, self.abort, f"no answer to {_name(request)} within {within:.3g} s"
            ),
        )
        self._write(octets)
        return answer

    def abort(self, reason: str) -> None:
        """Drop the connection at once. Only the first reason counts."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._transport is not None:
            self._transport.abort()
        self._listener.ended(self, reason)
        waiting: list[asyncio.Future[Any]] = [asked.answer for asked in self._pending.values()]
        for asked in self._pending.values():
            asked.overdue.cancel()
        self._pending.clear()
        if self._greeting is not None:
            waiting.append(self._greeting)
            self._greeting = None
        for future in waiting:
            if not future.done():
                future.set_exception(DirectoryLost(reason, sent=True))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # a stream, since we are a stream's protocol
        if self.lost.done():
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort("the server closed the connection" if exc is None else words(exc))

    def data_received(self, data: bytes) -> None:
        self._octets += data
        try:
            for frame in self._frames():
                if self._greeting is None:
                    self._take(frame)
                else:
                    self._meet(frame)
        except (struct.error, ValueError) as error:
            self.abort(f"the server does not speak as ZooKeeper does: {error}")

    def _frames(self) -> Iterator[bytes]:
        while len(self._octets) >= _SIZE.size and not self.lost.done():
            (size,) = _SIZE.unpack_from(self._octets)
            if not 0 <= size <= LARGEST_FRAME:
                raise ValueError(f"a frame of {size} octets")
            end = _SIZE.size + size
            if len(self._octets) < end:
                return
            frame = bytes(self._octets[_SIZE.size : end])
            del self._octets[:end]
            yield frame

    def _meet(self, frame: bytes) -> None:
        taken = protocol.ConnectResponse.deserialize(frame)
        greeting, self._greeting = self._greeting, None
        if greeting is not None and not greeting.done():
            greeting.set_result(taken)

    def _take(self, frame: bytes) -> None:
        xid, zxid, error = _HEADER.unpack_from(frame)
        body = frame[_HEADER.size :]
        if xid == protocol.WATCH_XID:
            self._listener.heard(protocol.WatchEvent.deserialize(body).path)
            return
        asked = self._pending.get(xid)
        if asked is None:
            raise ValueError(f"an answer to nothing (xid {xid})")
        response = None if error else protocol.response_xref[asked.request.opcode].deserialize(body)
        del self._pending[xid]
        asked.overdue.cancel()
        if error in _FATAL:
            if not asked.answer.done():
                asked.answer.set_exception(DirectoryLost(_FATAL[error], sent=True))
            self.abort(_FATAL[error])
            return
        answer = Answer(error, response, zxid)
        self._listener.answered(asked.sent, zxid)
        try:
            asked.note(answer)
        except Exception as error:  # noqa: BLE001 - it is the asker's own, and goes back to it
            if not asked.answer.done():
                asked.answer.set_exception(error)
        if not asked.answer.done():
            asked.answer.set_result(answer)

    def _write(self, octets: bytes) -> None:
        if self._transport is None:
            raise RuntimeError("a wire is connected before it is used")
        self._transport.write(_SIZE.pack(len(octets)) + octets)


def words(error: BaseException) -> str:
    """An error of the network as one clause for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if isinstance(error, OSError) and error.errno is not None:
        text = os.strerror(error.errno)
        return text[:1].lower() + text[1:]
    return str(error) or type(error).__name__


def _name(request: Request) -> str:
    return type(request).__name__.removesuffix("Request")


def _looked_at(answer: asyncio.Future[Answer]) -> None:
    """Nobody need await an answer: the loop shall not complain that its error was never retrieved."""
    if not answer.cancelled():
        answer.exception()
