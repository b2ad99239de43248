"""UDP for real, on loopback addresses: ports, TTLs, times of arrival."""

import asyncio
import random
import socket
import time

import pytest

from vipd.bfd import transport
from vipd.bfd.peer import BfdPeer
from vipd.bfd.transport import CS6, SOURCE_PORTS, Receiver, Sender

HOSTS = ["127.0.0.1", "::1"]
PORT = 0  # of the kernel's choice, here; the receiver's own is asked of it


def stall(seconds):
    """Hold up the loop."""
    time.sleep(seconds)


@pytest.fixture
def receive():
    """Make a receiver; and the port it has."""
    made = []

    def make(host):
        made.append(Receiver(host, port=PORT))
        return made[-1], made[-1]._sock.getsockname()[1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def sender_to():
    made = []

    def make(address, port, local_address=None, chance=random.random, interface=None):
        peer = BfdPeer(name="tor", address=address, local_address=local_address, interface=interface)
        made.append(Sender(peer, chance, port))
        return made[-1]

    yield make
    for sender in made:
        sender.close()


async def next_of(receiver):
    async with asyncio.timeout(10):
        await receiver.readable()
    return receiver.read()


@pytest.mark.parametrize("host", HOSTS)
async def test_what_is_sent_arrives_with_the_ttl_of_a_neighbour(receive, sender_to, host):
    receiver, port = receive(host)
    sender_to(host, port, host).send(b"octets")
    datagram = await next_of(receiver)
    assert (datagram.octets, datagram.address, datagram.ttl) == (b"octets", host, 255)
    assert receiver.read() is None


@pytest.mark.parametrize("host", HOSTS)
async def test_a_lesser_ttl_is_seen(receive, host):
    receiver, port = receive(host)
    six = ":" in host
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as far:
        if six:
            far.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 254)
        else:
            far.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 254)
        far.sendto(b"octets", (host, port))
    assert (await next_of(receiver)).ttl == 254


@pytest.mark.parametrize("host", HOSTS)
async def test_what_we_send_is_marked_as_network_control(receive, sender_to, host):
    receiver, port = receive(host)
    sender_to(host, port).send(b"octets")
    six = ":" in host
    level, ask, told = (
        (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, socket.IPV6_TCLASS)
        if six
        else (socket.IPPROTO_IP, socket.IP_RECVTOS, socket.IP_TOS)
    )
    receiver._sock.setsockopt(level, ask, 1)
    sender_to(host, port).send(b"again")
    receiver.read()
    _, ancillary, *_ = receiver._sock.recvmsg(256, 256)
    marks = [content[0] for where, kind, content in ancillary if (where, kind) == (level, told)]
    assert marks == [CS6]


async def test_the_time_of_arrival_is_the_kernels(receive, sender_to):
    receiver, port = receive("127.0.0.1")
    sender = sender_to("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    # Linux stamps from a moment after the first socket of a machine that asks: until then, at reading.
    for _ in range(20):
        before = loop.time()
        sender.send(b"octets")
        sent = loop.time()
        stall(0.2)
        datagram = receiver.read()
        if datagram.at < sent + 0.1:
            break
    assert before <= datagram.at < sent + 0.1
    assert loop.time() >= sent + 0.2


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
async def test_a_step_of_the_wall_clock_changes_little(receive, sender_to, monkeypatch, step):
    receiver, port = receive("127.0.0.1")
    loop = asyncio.get_running_loop()
    assert receiver.read() is None
    emptied = loop.time()
    sender_to("127.0.0.1", port).send(b"octets")
    wall = time.time
    monkeypatch.setattr(transport.time, "time", lambda: wall() + step)
    datagram = receiver.read()
    assert emptied - 0.1 <= datagram.at <= loop.time()


async def test_every_session_has_a_source_port_of_its_own(receive, sender_to):
    _, port = receive("127.0.0.1")
    # Both draw the same port first.
    draws = iter([0.5, 0.5, 0.25])
    senders = [sender_to("127.0.0.1", port, chance=lambda: next(draws)) for _ in range(2)]
    for sender in senders:
        sender.send(b"octets")
    ports = [sender._sock.getsockname()[1] for sender in senders]
    low, high = SOURCE_PORTS
    assert len(set(ports)) == 2
    assert all(low <= each <= high for each in ports)


async def test_no_free_port_is_an_error_that_says_so(receive, sender_to):
    _, port = receive("127.0.0.1")
    sender_to("127.0.0.1", port, chance=lambda: 0.5).send(b"octets")
    with pytest.raises(ConnectionError, match="no port of 49152 to 65535 is free"):
        sender_to("127.0.0.1", port, chance=lambda: 0.5).send(b"octets")


async def test_after_a_failure_the_next_packet_goes_from_the_same_port(receive, sender_to):
    receiver, port = receive("127.0.0.1")
    sender = sender_to("127.0.0.1", port)
    sender.send(b"first")
    source = sender._sock.getsockname()
    with pytest.raises(OSError, match="Message too long"):
        sender.send(bytes(70_000))
    sender.send(b"second")
    assert sender._sock.getsockname() == source
    assert [(await next_of(receiver)).octets for _ in range(2)] == [b"first", b"second"]


async def test_an_address_that_is_not_ours_is_an_error(sender_to):
    with pytest.raises(OSError, match="Cannot assign requested address"):
        sender_to("127.0.0.1", 9, "192.0.2.1").send(b"octets")
    with pytest.raises(OSError, match="Cannot assign requested address"):
        Receiver("192.0.2.1", port=PORT)


async def test_either_end_keeps_to_an_interface(sender_to):
    receiver = Receiver("127.0.0.1", "lo", PORT)
    sender_to("127.0.0.1", receiver._sock.getsockname()[1], interface="lo").send(b"octets")
    assert (await next_of(receiver)).octets == b"octets"
    receiver.close()
    with pytest.raises(OSError, match="No such device"):
        sender_to("127.0.0.1", 9, interface="nowhere").send(b"octets")
    with pytest.raises(OSError, match="No such device"):
        Receiver("127.0.0.1", "nowhere", PORT)


async def test_one_port_has_one_receiver(receive):
    _, port = receive("127.0.0.1")
    with pytest.raises(OSError, match="Address already in use"):
        Receiver("127.0.0.1", port=port)


def test_whoever_sent_over_an_interface_that_has_gone_is_a_stranger():
    assert transport._text(("fe80::1", 3784, 0, 99999)) == "fe80::1"


async def test_a_second_word_of_readiness_is_none():
    come = asyncio.get_running_loop().create_future()
    transport._settle(come)
    transport._settle(come)
    assert come.done()
