"""Where events go: one line each on standard error, as JSON or for people.

Standard error, because standard output belongs to what a verb was asked for; journald, Docker and Kubernetes
read both. A reader that stops reading (a full pipe, a terminal on hold) costs lines, never a KEEPALIVE.
"""

import asyncio
import logging
import os
import select
from collections import deque
from typing import Final

import structlog

from vipd.config import LogConfig, LogFormat

log = structlog.get_logger()

Seconds = float

BACKLOG: Final = 1 << 20  # octets kept for a slow reader; lines beyond that are dropped, and counted
PIECE: Final = select.PIPE_BUF  # where poll(2) says so, this much can be written without blocking


class Outlet:
    """A file descriptor that is written to without ever waiting for it. structlog's innermost logger."""

    def __init__(self, fd: int) -> None:
        self.terminal = os.isatty(fd)
        self.dropped = 0  # lines
        self._untold = 0  # of them, those that the reader does not know of
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._backlog: deque[bytes] = deque()
        self._octets = 0  # in the backlog
        self._helper: asyncio.AbstractEventLoop | None = None  # the loop that waits for the reader

    def line(self, text: str) -> None:
        octets = text.encode(errors="backslashreplace") + b"\n"
        if self._octets + len(octets) > BACKLOG:
            self.flush()
        if self._octets + len(octets) > BACKLOG:
            self.dropped += 1
            self._untold += 1
            return
        if self._untold:
            count, self._untold = self._untold, 0
            log.warning("log_lines_dropped", count=count)  # comes back to this method, and goes first
        self._backlog.append(octets)
        self._octets += len(octets)
        self.flush()

    debug = info = warning = error = critical = line

    def flush(self) -> None:
        """Write what can be written now. What is left follows when the reader reads on."""
        while self._backlog and self._poll.poll(0):
            try:
                self._piece()
            except BlockingIOError:  # somebody made the descriptor non-blocking: as good
                break
            except OSError:  # the reader is gone for good
                self.dropped += len(self._backlog)
                self._backlog.clear()
                self._octets = 0
        self._wait_for_the_reader()

    def settle(self, patience: Seconds) -> None:
        """Write the rest, waiting at most this long for a reader that pauses. For the end of the process."""
        self.flush()
        while self._backlog and self._poll.poll(patience * 1000):
            self.flush()

    def _piece(self) -> None:
        octets = self._backlog[0]
        written = os.write(self._fd, octets[:PIECE])
        self._octets -= written
        if written < len(octets):
            self._backlog[0] = octets[written:]
        else:
            self._backlog.popleft()

    def _wait_for_the_reader(self) -> None:
        if self._helper is not None and self._helper.is_closed():
            self._helper = None
        if self._backlog and self._helper is None:
            try:
                self._helper = asyncio.get_running_loop()
            except RuntimeError:
                return  # no loop runs: the next line, or the end, takes it along
            self._helper.add_writer(self._fd, self.flush)
        elif not self._backlog and self._helper is not None:
            self._helper.remove_writer(self._fd)
            self._helper = None


STDERR: Final = Outlet(2)


def configure(config: LogConfig, outlet: Outlet = STDERR) -> None:
    """Set up structlog for the process, and have what libraries log come the same way. May be repeated."""
    human = config.format is LogFormat.HUMAN or (config.format is LogFormat.AUTO and outlet.terminal)
    renderer: list[structlog.typing.Processor]
    if human:
        colors = outlet.terminal and not os.environ.get("NO_COLOR")
        renderer = [
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        renderer = [structlog.processors.format_exc_info, _in_front, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(config.level),
        logger_factory=lambda *_: outlet,
        cache_logger_on_first_use=False,  # a reload may change level and format
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    if not any(isinstance(bridge, _Bridge) for bridge in root.handlers):
        root.addHandler(_Bridge(logging.WARNING))


def _in_front(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put what every event has where the eye begins to read."""
    return {key: event.pop(key) for key in ("timestamp", "level", "event")} | {**event}


class _Bridge(logging.Handler):
    """Takes the warnings and errors of libraries (asyncio, aiohttp) to where our own events go."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(
            record.levelno,
            "library_logged",
            logger=record.name,
            message=record.getMessage(),
            **({"exc_info": record.exc_info} if record.exc_info else {}),
        )
