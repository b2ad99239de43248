"""The client: `prober.py RATE VIP...` asks every VIP, RATE times a second by UDP and ten times by HTTP.

Ends at SIGTERM, and prints as JSON what was lost: by VIP, from when to when (wall clock) how many datagrams
were never answered; the HTTP exchanges that failed; the standing connections that broke; its own lateness.
"""

import asyncio
import contextlib
import json
import signal
import socket
import struct
import sys
import time
from selectors import EVENT_READ, DefaultSelector

RATE, VIPS = float(sys.argv[1]), sys.argv[2:]
PATIENCE = 2.0  # seconds until a datagram counts as lost, or an exchange as failed
ROOM = 1 << 22  # octets for answers that wait until we are scheduled
SO_RCVBUFFORCE = 33  # of Linux; the socket module has no name for it
stopping = False


class Flow:
    """Datagrams to one VIP, from one port: one leg of every fork on the way."""

    def __init__(self, vip):
        self.vip = vip
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        self.socket.connect((vip, 9000))
        self.sent = []
        self.answered = set()

    def send(self, number):
        self.sent.append(time.time())
        with contextlib.suppress(OSError):  # ICMP's answer to an earlier one
            self.socket.send(struct.pack("!I", number))

    def receive(self):
        with contextlib.suppress(OSError):
            while True:
                self.answered.add(struct.unpack("!I", self.socket.recv(64))[0])

    def silences(self):
        """Each run of datagrams without an answer: when it began, when it ended, how many."""
        found, first = [], None
        for number, at in enumerate([*self.sent, None]):
            answered = at is None or number in self.answered
            if not answered and first is None:
                first = number
            elif answered and first is not None:
                found.append((self.sent[first], at or self.sent[-1], number - first))
                first = None
        return found


def probe():
    """Send until told to stop; return the flows, and by how much we were late at worst."""
    flows = [Flow(vip) for vip in VIPS]
    selector = DefaultSelector()
    for flow in flows:
        selector.register(flow.socket, EVENT_READ, flow)
    number, late, begun = 0, 0.0, time.monotonic()
    until = float("inf")
    while (now := time.monotonic()) < until:
        if stopping and until == float("inf"):
            until = now + PATIENCE
        due = begun + number / RATE
        if not stopping and now >= due:
            late = max(late, now - due)
            for flow in flows:
                flow.send(number)
            number += 1
            due = begun + number / RATE
        wait = 0.05 if stopping else max(0.0, due - time.monotonic())
        for key, _ in selector.select(wait):
            key.data.receive()
    return flows, late


class Web:
    """HTTP to one VIP: a new connection for each of ten requests a second, and one that stands."""

    def __init__(self, vip):
        self.vip = vip
        self.asked = self.failed = self.broken = 0

    async def fresh(self):
        while not stopping:
            self.asked += 1
            try:
                async with asyncio.timeout(PATIENCE):
                    reader, writer = await asyncio.open_connection(self.vip, 8080)
                    await self.ask(reader, writer)
                    writer.close()
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self.failed += 1
            await asyncio.sleep(0.1)

    async def standing(self):
        while not stopping:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    reader, writer = await asyncio.open_connection(self.vip, 8080)
                try:
                    while not stopping:
                        async with asyncio.timeout(5 * PATIENCE):
                            await self.ask(reader, writer)
                        await asyncio.sleep(0.1)
                except (OSError, asyncio.IncompleteReadError, TimeoutError):
                    self.broken += 1
                writer.close()
            await asyncio.sleep(0.1)

    async def ask(self, reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: vip\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if b" 200 " not in head[:16]:
            raise OSError


async def browse():
    webs = [Web(vip) for vip in VIPS]
    async with asyncio.TaskGroup() as group:
        for web in webs:
            group.create_task(web.fresh())
            group.create_task(web.standing())
        flows, late = await asyncio.to_thread(probe)
    return flows, late, webs


def stop(*_):
    global stopping  # noqa: PLW0603 - a signal handler has no other way
    stopping = True


signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
flows, late, webs = asyncio.run(browse())
result = {
    "late": late,
    "sent": len(flows[0].sent),
    "lost": {flow.vip: flow.silences() for flow in flows},
    "asked": sum(web.asked for web in webs),
    "failed": sum(web.failed for web in webs),
    "broken": sum(web.broken for web in webs),
}
print(json.dumps(result), flush=True)
