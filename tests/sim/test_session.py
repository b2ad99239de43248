"""Stories of a speaker and its ToRs, in virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

import pytest
from structlog.testing import capture_logs

from sim.link import Network
from sim.loop import simulated
from sim.tor import Tor
from vipd.bgp.iana import Family, MessageType
from vipd.bgp.messages import shutdown_text
from vipd.bgp.peer import PeerConfig, State
from vipd.bgp.route import LocRib, Policy, Route
from vipd.bgp.speaker import Speaker, speak
from vipd.bgp.wire import Prefix
from vipd.latest import Latest

VIP, OTHER = "192.0.2.1/32", "192.0.2.2/32"


def now() -> float:
    return asyncio.get_running_loop().time()


def peer(name: str = "tor-a", address: str = "10.0.0.2", **changes: object) -> PeerConfig:
    parameters = {
        "name": name,
        "address": address,
        "local_as": 64512,
        "router_id": IPv4Address("10.0.0.1"),
        "peer_as": 65001,
    }
    return PeerConfig(**(parameters | changes))


def rib(*prefixes: str, policies: Mapping[str, Policy] | None = None, **route: object) -> LocRib:
    return LocRib(routes=dict.fromkeys(map(Prefix.parse, prefixes), Route(**route)), policies=policies or {})


class Pod:
    """A speaker and what it is given."""

    def __init__(self, network: Network, *peers: PeerConfig, routes: LocRib | None = None) -> None:
        self.network = network
        self.peers = Latest({config.name: config for config in peers})
        self.rib = Latest(rib(VIP) if routes is None else routes)
        self.listen: Latest[tuple[tuple[str, int], ...]] = Latest(())
        self.speaker: Speaker

    @asynccontextmanager
    async def up(self, jitter: Callable[[], float] = random.Random(1).random) -> AsyncIterator[Speaker]:
        async with speak(
            self.peers,
            self.rib,
            listen=self.listen,
            goodbye=lambda: "maintenance",
            jitter=jitter,
            dial=self.network.dial,
            listener=self.network.listen,
        ) as self.speaker:
            yield self.speaker


def late() -> float:
    """No jitter: every timer takes its whole time."""
    return 1.0


@simulated
async def test_a_session_comes_up_and_the_vip_is_told():
    network = Network()
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up() as speaker:
        assert speaker.status()["tor-a"].state is State.IDLE
        await tor.until_told(VIP)
        assert now() < 0.02
        attributes = tor.adj_rib_in[VIP]
        assert attributes.next_hop == IPv4Address("10.0.0.1")
        status = speaker.status()["tor-a"]
        assert status.state is State.ESTABLISHED
        assert (status.established, status.dropped) == (1, 0)
        assert status.local_address == "10.0.0.1"
        assert status.advertised == {Family.IPV4: 1, Family.IPV6: 0}
        assert tor.talk.end_of_rib == {Family.IPV4, Family.IPV6}
        pod.rib.set(rib(OTHER))
        await tor.until_told(OTHER)
        pod.rib.set(rib())
        await tor.until_told()


@simulated
async def test_a_peer_that_falls_silent_is_given_up_when_the_hold_time_is_over():
    network = Network()
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up(late) as speaker:
        await tor.until_told(VIP)
        came_up = now()
        await asyncio.sleep(20 - now())
        network.cut(tor.address)
        last_heard = came_up + 18  # the KEEPALIVE at 21 s is lost
        await speaker.changed.until(lambda states: states["tor-a"] is not State.ESTABLISHED)
        assert now() == pytest.approx(last_heard + 9, abs=0.05)
        down = speaker.status()["tor-a"].last_error
        assert (down.code, down.subcode) == (4, 0)
        network.mend(tor.address)
        await speaker.changed.until(lambda states: states["tor-a"] is State.ESTABLISHED)
        await tor.until_told(VIP)
        assert speaker.status()["tor-a"].dropped == 1
