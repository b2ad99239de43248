"""A whole speaker over real sockets. Its stories are in tests/sim."""

import asyncio
from ipaddress import IPv4Address

from vipd.bgp.iana import Family
from vipd.bgp.peer import PeerConfig, State
from vipd.bgp.route import LocRib, Route
from vipd.bgp.speaker import speak
from vipd.bgp.transport import Listener
from vipd.bgp.wire import Prefix
from vipd.latest import Latest

BOUND = 10.0  # seconds in which what should happen on loopback does
HERE, THERE = "127.0.0.1", "127.0.0.2"


def free_port() -> int:
    listener = Listener(HERE, 0, {})
    listener.close()
    return listener.port


def peer(name: str, address: str, local_address: str, local_as: int, **changes: object) -> PeerConfig:
    parameters = {
        "name": name,
        "address": address,
        "local_address": local_address,
        "local_as": local_as,
        "router_id": IPv4Address(local_address),
    }
    return PeerConfig(**(parameters | changes))


async def test_two_speakers_meet_and_part_over_real_connections():
    """With a key, with TTL security, and both of them dialling."""
    port = free_port()
    common = {"port": port, "md5_key": b"secret", "ttl_security": 1, "connect_retry": 0.5, "idle_hold": 0.1}
    ours = Latest({"b": peer("b", THERE, HERE, 64512, **common)})
    theirs = Latest({"a": peer("a", HERE, THERE, 64513, **common)})
    rib = Latest(LocRib())
    async with asyncio.timeout(BOUND):
        async with speak(
            theirs,
            Latest(LocRib()),
            listen=Latest(((THERE, port),)),
            goodbye=lambda: "",
            jitter=lambda: 0.5,
        ) as b:
            async with speak(
                ours, rib, listen=Latest(((HERE, port),)), goodbye=lambda: "enough", jitter=lambda: 0.5
            ) as a:
                await a.changed.until(lambda states: states.get("b") is State.ESTABLISHED)
                await b.changed.until(lambda states: states.get("a") is State.ESTABLISHED)
                rib.set(LocRib(routes={Prefix.parse("192.0.2.1"): Route()}))
                await a.flushed()
                status = a.status()["b"]
                assert status.advertised[Family.IPV4] == 1
                assert status.negotiated.peer_as == 64513
            await b.changed.until(lambda states: states["a"] is not State.ESTABLISHED)
            status = b.status()["a"]
            assert status.prefixes_received == 1
            assert (status.last_error.code, status.last_error.subcode) == (6, 2)
            assert "enough" in status.last_error.text
            assert a.changed.value == {}
