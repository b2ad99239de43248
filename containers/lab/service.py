"""The service of a pod in the laboratory: `service.py NAME BROKEN VIP...`.

It says NAME over HTTP on port 8080, and 503 while the file BROKEN is there. On port 9000 it echoes, by UDP.
"""

import asyncio
import socket
import sys
from pathlib import Path

NAME, BROKEN, VIPS = sys.argv[1].encode(), Path(sys.argv[2]), sys.argv[3:]

SO_RCVBUFFORCE = 33  # of Linux; the socket module has no name for it


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


def broken():
    return BROKEN.exists()


async def page(reader, writer):
    """One connection, which lasts until the client ends it."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            status = b"503 broken" if broken() else b"200 OK"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(NAME), NAME))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    loop = asyncio.get_running_loop()
    for vip in VIPS:
        transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=(vip, 9000))
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    async with await asyncio.start_server(page, "0.0.0.0", 8080, backlog=512) as server:
        print("ready", flush=True)
        await server.serve_forever()


asyncio.run(main())
