"""Two ends on loopback addresses, over real UDP: they meet, change, go, and lose each other."""

import asyncio
import itertools
import os
import random
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import structlog

from vipd.bfd import sessions
from vipd.bfd.packet import ControlPacket, State
from vipd.bfd.peer import BfdPeer, Pace
from vipd.latest import Latest

_NUMBERS = itertools.count(1)
FAST = Pace(interval=0.05)


@pytest.fixture(autouse=True)
def slow(monkeypatch):
    """Slow is not as slow here."""
    monkeypatch.setattr("vipd.bfd.fsm.SLOW", 0.1)


def stall(seconds):
    """Hold up the loop."""
    time.sleep(seconds)


@pytest.fixture
def hosts():
    """Two addresses that no other test has, in no other process either."""
    net = f"127.{1 + os.getpid() % 250}.{next(_NUMBERS)}"
    return f"{net}.1", f"{net}.2"


class End:
    """One end: what it is configured to, and what it reports."""

    def __init__(self, ours, theirs, pace=FAST):
        self.peer = BfdPeer(name=theirs, address=theirs, local_address=ours, pace=pace)
        self.peers = Latest({theirs: self.peer})
        self.lost = []
        self.sessions = None

    @asynccontextmanager
    async def up(self):
        async with sessions.watch(
            self.peers, lost=lambda *said: self.lost.append(said), chance=random.random
        ) as self.sessions:
            yield self

    @property
    def status(self):
        return self.sessions.status().get(self.peer.name)

    async def until(self, look):
        async with asyncio.timeout(20):
            while not look(self.status):  # noqa: ASYNC110 - nothing tells of every packet
                await asyncio.sleep(0.01)
        return self.status

    async def is_up(self):
        return await self.until(lambda status: status and status.state is State.UP)


@pytest.fixture
def ends(hosts):
    ours, theirs = hosts
    return End(ours, theirs), End(theirs, ours)


@asynccontextmanager
async def both(a, b):
    async with a.up(), b.up():
        await a.is_up()
        await b.is_up()
        yield


async def test_both_come_up_and_agree_on_a_pace(ends):
    a, b = ends
    async with both(a, b):
        for end in ends:
            status = await end.until(lambda s: s.detection_time == pytest.approx(0.15))
            assert status.transmit_interval == 0.05
        assert a.status.remote_discriminator == b.status.discriminator
        assert (a.status.ups, a.status.downs) == (1, 0)
    assert a.lost == b.lost == []


async def test_a_changed_pace_is_agreed_under_the_session(ends):
    a, b = ends
    async with both(a, b):
        discriminator = a.status.discriminator
        a.peers.set({a.peer.name: replace(a.peer, pace=Pace(interval=0.2, multiplier=4))})
        await b.until(lambda s: s.detection_time == pytest.approx(0.8))
        await a.until(lambda s: s.transmit_interval == 0.2)
        assert (a.status.discriminator, a.status.downs, b.status.downs) == (discriminator, 0, 0)


async def test_a_session_that_is_not_wanted_any_more_is_lost_by_nobody(ends):
    a, b = ends
    with structlog.testing.capture_logs() as logs:
        async with both(a, b):
            a.peers.set({})
            status = await b.until(lambda s: s.state is State.DOWN)
            assert status.remote_state is State.ADMIN_DOWN
            assert a.status is None
            # It comes back while it still says goodbye.
            a.peers.set({a.peer.name: a.peer})
            await a.is_up()
            await b.is_up()
            assert b.status.downs == 1
        assert b.lost == []
    closed = [event for event in logs if event["event"] == "bfd_session_closed"]
    assert closed[1]["reason"] == "neighbor signaled session down (it says: administratively down)"


async def test_a_goodbye_has_an_end(ends):
    a, b = ends
    async with both(a, b):
        a.peers.set({})
        await a.until(lambda _: not a.sessions._leaving)
        await b.until(lambda s: s.detection_time is None)


async def test_who_leaves_is_lost_by_nobody(ends):
    a, b = ends
    async with b.up():
        async with a.up():
            await b.is_up()
        await b.until(lambda s: s.state is State.DOWN)
        assert b.lost == []


async def test_who_falls_silent_is_lost(ends, monkeypatch):
    a, b = ends
    async with both(a, b):
        monkeypatch.setattr("vipd.bfd.transport.Sender.send", lambda *_: None)
        await b.until(lambda s: s.state is State.DOWN)
        await a.until(lambda s: s.state is State.DOWN)
    assert a.lost == [(a.peer.name, "control detection time expired")]
    assert b.lost == [(b.peer.name, "control detection time expired")]


async def test_a_stall_of_ours_is_no_silence_of_theirs(hosts):
    """The peer is played from outside the loop: what it said during the stall lies in the socket."""
    ours, theirs = hosts
    end = End(ours, theirs)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        peer.bind((theirs, 0))

        def say(state):
            packet = ControlPacket(
                state=state,
                my_discriminator=7,
                your_discriminator=end.status.discriminator if end.status.remote_discriminator else 0,
                multiplier=3,
                desired_min_tx=0.05,
                required_min_rx=1.0,
            )
            peer.sendto(packet.encode(), (ours, 3784))

        async with end.up():
            await end.until(lambda s: s is not None)
            await end.until(lambda _: end.sessions._receivers)
            say(State.DOWN)
            await end.until(lambda s: s.state is State.INIT)
            say(State.UP)
            await end.is_up()
            loop = asyncio.get_running_loop()
            until = loop.time() + 1.0
            while loop.time() < until:  # six detection times
                say(State.UP)
                stall(0.03)
            await asyncio.sleep(0.001)
            assert end.status.state is State.UP
            await end.until(lambda s: s.state is State.DOWN)  # and now it is silent indeed
    assert end.lost


async def test_what_is_dropped_is_counted_with_its_reason(hosts):
    ours, theirs = hosts
    end = End(ours, theirs)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((theirs, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
            async with end.up():
                await end.until(lambda _: end.sessions._receivers)
                peer.sendto(b"far", (ours, 3784))
                await end.until(lambda s: s.dropped == {"ttl": 1})
                stranger.sendto(b"\0", (ours, 3784))
                await end.until(lambda _: end.sessions.strangers == {"version": 1})


async def test_a_flood_does_not_keep_the_loop(hosts):
    ours, theirs = hosts
    end = End(ours, theirs)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        async with end.up():
            await end.until(lambda _: end.sessions._receivers)
            receiver = end.sessions._receivers[0]
            reads = []
            read = receiver.read
            receiver.read = lambda: reads.append(1) or (peer.sendto(b"more", (ours, 3784)) and read())
            end.sessions._read(receiver)
            assert len(reads) == sessions.AT_ONCE
            receiver.read = read
            end.sessions._read(receiver)


async def test_a_port_that_is_taken_is_said_once_and_tried_again(hosts, monkeypatch):
    monkeypatch.setattr(sessions, "RETRY", 0.01)
    ours, theirs = hosts
    end = End(ours, theirs)
    with structlog.testing.capture_logs() as logs, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((ours, 3784))
        async with end.up():
            await asyncio.sleep(0.1)
            other.close()
            await end.until(lambda _: end.sessions._receivers)
    failed = [event for event in logs if event["event"] == "bfd_listen_failed"]
    assert [event["reason"] for event in failed] == ["address already in use"]


async def test_what_cannot_be_sent_is_said_once(hosts):
    ours, _ = hosts
    end = End("192.0.2.1", ours)  # not an address of this machine
    with structlog.testing.capture_logs() as logs:
        async with end.up():
            await end.until(lambda s: s is not None and s.sent >= 2)
    failed = [event for event in logs if event["event"] == "bfd_send_failed"]
    assert len(failed) == 1


async def test_a_bug_ends_everything(ends, monkeypatch):
    a, _ = ends

    async def live():
        async with a.up():
            await a.until(lambda _: a.sessions._receivers)
            monkeypatch.setattr("vipd.bfd.sessions.Sessions._read", lambda *_: 1 / 0)
            await asyncio.sleep(20)

    with pytest.raises(ExceptionGroup) as caught:
        await live()
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)


async def test_another_local_address_is_another_session(ends):
    a, b = ends
    async with both(a, b):
        first = a.status.discriminator
        a.peers.set({a.peer.name: replace(a.peer, local_address=None)})
        await a.until(lambda s: s is not None and s.discriminator != first)


def peer(address, local=None, interface=None):
    return BfdPeer(name=address, address=address, local_address=local, interface=interface)


ANY = "0.0.0.0"


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        ([], []),
        ([peer("10.0.0.1")], [(ANY, None)]),
        ([peer("10.0.0.1", "10.0.0.5"), peer("10.0.0.2", "10.0.0.5")], [("10.0.0.5", None)]),
        ([peer("10.0.0.1", "10.0.0.5"), peer("10.0.1.1", "10.0.1.5")], [(ANY, None)]),
        ([peer("10.0.0.1", "10.0.0.5"), peer("10.0.0.2")], [(ANY, None)]),
        ([peer("10.0.0.1", "10.0.0.5"), peer("fe80::1%lo")], [("10.0.0.5", None), ("::", None)]),
        (
            [peer("10.0.0.1", "10.0.0.5", "eth0"), peer("10.0.1.1", None, "eth1")],
            [("10.0.0.5", "eth0"), (ANY, "eth1")],
        ),
        ([peer("10.0.0.1", None, "eth0"), peer("10.0.1.1")], [(ANY, None)]),
    ],
)
def test_where_packets_may_come_to(peers, expected):
    assert sessions.where_to_listen({each.name: each for each in peers}) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [("2001:DB8::1", "2001:db8::1"), ("fe80::1%lo", "fe80::1%lo"), ("fe80::1%99999", "fe80::1%99999")],
)
def test_an_address_is_known_as_the_kernel_writes_it(address, expected):
    assert sessions.written(address) == expected
