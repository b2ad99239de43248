"""What systemd is told by a service of Type=notify, and its watchdog (sd_notify(3)). Nothing without it."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from typing import Self

Seconds = float


class Notify:
    """The way to the service manager. Every message is one datagram; one that cannot be sent is lost."""

    def __init__(self, address: str | None, watchdog: Seconds | None = None) -> None:
        # An address that starts with @ is in the abstract namespace, where the name starts with NUL.
        self._address = "\0" + address[1:] if address is not None and address[0] == "@" else address
        self._watchdog = watchdog  # longest silence that is taken for life; None: nobody watches

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them."""
        address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog = int(usec) / 1e6 if usec.isdecimal() and int(usec) and ours else None
        return cls(address if address[:1] in ("/", "@") else None, watchdog)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """To be followed by `ready`. systemd wants to know which reload is meant, by its own clock."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", f"STATUS={status}")

    async def watch(self) -> None:
        """Show twice in every period of the watchdog that the loop is alive; return where nobody watches."""
        while self._watchdog is not None and self._address is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog / 2)

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as way:
            try:
                way.sendto(text.encode(), self._address)
            except OSError:
                return  # a service manager that does not listen is none of our business
