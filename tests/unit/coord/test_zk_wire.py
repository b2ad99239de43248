"""A wire between two ends of a socket pair: the test is the server, octet by octet."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiozk import protocol

from sim.loop import simulated
from vipd.coord.directory import DirectoryLost
from vipd.coord.zk_wire import Answer, Wire, words


class Ear:
    """A listener that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def heard(self, path: str) -> None:
        self.told.append(path)

    def answered(self, sent: float, zxid: int) -> None:
        self.told.append((sent, zxid))

    def ended(self, wire: Wire, reason: str) -> None:
        self.told.append(reason)


@asynccontextmanager
async def wired() -> AsyncIterator[tuple[Wire, socket.socket, Ear]]:
    ear = Ear()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        _, wire = await asyncio.get_running_loop().create_connection(lambda: Wire(ear), sock=ours)
        yield wire, theirs, ear
        wire.abort("over")


def frame(octets: bytes) -> bytes:
    return struct.pack("!i", len(octets)) + octets


def reply(xid: int, zxid: int = 7, error: int = 0, body: bytes = b"") -> bytes:
    return frame(struct.pack("!iqi", xid, zxid, error) + body)


EVENT = frame(struct.pack("!iqi", -1, -1, 0) + struct.pack("!iii2s", 3, 3, 2, b"/a"))


def get() -> protocol.GetDataRequest:
    return protocol.GetDataRequest(path="/a", watch=True)


def content(octets: bytes) -> bytes:
    return struct.pack("!i", len(octets)) + octets + struct.pack("!qqqqiiiqiiq", *[0] * 11)


@simulated
async def test_a_request_goes_out_whole_and_its_answer_comes_back():
    async with wired() as (wire, server, ear):
        answer = wire.ask(get())
        assert server.recv(100) == frame(struct.pack("!iii2s?", 1, 4, 2, b"/a", True))
        server.send(reply(1, zxid=9, body=content(b"octets")))
        assert (await answer).response.data == b"octets"
        assert ear.told == [(0.0, 9)]


@simulated
async def test_frames_may_come_in_any_pieces():
    async with wired() as (wire, server, ear):
        answers = [wire.ask(get()), wire.ask(get())]
        for octet in reply(1, body=content(b"one")) + EVENT + reply(2, body=content(b"two")):
            server.send(bytes([octet]))
            await asyncio.sleep(0.001)
        assert [(await answer).response.data for answer in answers] == [b"one", b"two"]
        assert ear.told[1] == "/a"


@simulated
async def test_everything_is_told_in_the_order_of_the_stream():
    """What is noted with an answer comes before an event behind it, though nobody has awaited it yet."""
    async with wired() as (wire, server, ear):
        answers = [wire.ask(get(), note=lambda _: ear.told.append("noted")) for _ in range(2)]
        server.send(EVENT + reply(1, body=content(b"")) + EVENT + reply(2, body=content(b"")))
        await answers[1]
        assert [told for told in ear.told if isinstance(told, str)] == ["/a", "noted", "/a", "noted"]


@simulated
async def test_what_a_note_raises_is_its_askers():
    async with wired() as (wire, server, _):

        def note(_: Answer) -> None:
            raise LookupError("a bug")

        answers = [wire.ask(get(), note=note), wire.ask(get())]
        server.send(reply(1, body=content(b"")) + reply(2, body=content(b"")))
        with pytest.raises(LookupError):
            await answers[0]
        assert (await answers[1]).error == 0


@simulated
async def test_an_answer_that_is_there_counts_though_its_time_is_over():
    """After a stall of the process, what came meanwhile is looked at before the timers."""
    async with wired() as (wire, server, _):
        answer = wire.ask(get(), within=1.0)
        server.send(reply(1, body=content(b"octets")))
        asyncio.get_running_loop().stall(5.0)
        assert (await answer).response.data == b"octets"


@simulated
async def test_no_answer_in_time_is_the_end_of_all():
    async with wired() as (wire, _, ear):
        answers = [wire.ask(get(), within=2.0), wire.ask(protocol.PingRequest(), within=1.0)]
        for answer in answers:
            with pytest.raises(DirectoryLost, match=r"^no answer to Ping within 1 s; it may") as lost:
                await answer
            assert lost.value.sent
        assert asyncio.get_running_loop().time() == 1.0
        assert await wire.lost == ear.told[-1] == "no answer to Ping within 1 s"
        with pytest.raises(DirectoryLost) as lost:
            await wire.ask(get())
        assert not lost.value.sent
        with pytest.raises(DirectoryLost):
            await wire.greet(protocol.ConnectRequest())


@simulated
async def test_nothing_that_comes_after_the_end_is_told():
    async with wired() as (wire, server, ear):
        answer = wire.ask(get())
        server.send(reply(1, error=-112) + EVENT)
        with pytest.raises(DirectoryLost, match="the session has expired"):
            await answer
        await asyncio.sleep(0.1)
        assert ear.told == ["the session has expired"]


@simulated
async def test_a_wire_that_was_given_up_before_it_is_connected_is_cut():
    ours, server = socket.socketpair()
    with ours, server:
        wire = Wire(Ear())
        wire.abort("too late")
        await asyncio.get_running_loop().create_connection(lambda: wire, sock=ours)
        await asyncio.sleep(0.1)
        assert server.recv(1) == b""
    with pytest.raises(RuntimeError, match="connected before it is used"):
        Wire(Ear()).ask(get())


@simulated
async def test_an_asker_that_has_gone_is_not_missed():
    async with wired() as (wire, server, _):
        gone, there = wire.ask(get()), wire.ask(get())
        gone.cancel()
        server.send(reply(1, error=-101) + reply(2, error=-101))
        assert (await there).error == -101
        wire.ask(get()).cancel()
        server.recv(1000)
        server.close()
        assert await wire.lost == "the server closed the connection"


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (reply(7), "an answer to nothing (xid 7)"),
        (reply(1, body=b"\0"), "unpack_from requires a buffer"),
        (reply(1, body=struct.pack("!i", 1 << 30)), "unpack_from requires a buffer"),
        (frame(b""), "unpack_from requires a buffer"),
        (struct.pack("!i", (64 << 20) + 1), "a frame of 67108865 octets"),
        (frame(struct.pack("!iqi", -1, -1, 0) + struct.pack("!iii1s", 3, 3, 1, b"\xff")), "'utf-8' codec"),
    ],
)
def test_nonsense_is_the_end_of_a_wire(octets, reason):
    @simulated
    async def story() -> None:
        async with wired() as (wire, server, _):
            answer = wire.ask(get())
            server.send(octets)
            with pytest.raises(DirectoryLost) as lost:
                await answer
            assert lost.value.reason.startswith(f"the server does not speak as ZooKeeper does: {reason}")

    story()


@simulated
async def test_xids_go_round_and_stay_positive():
    async with wired() as (wire, server, _):
        wire._xid = 0x7FFFFFFE
        for expected in (0x7FFFFFFF, 1, 2):
            wire.ask(get())
            assert struct.unpack("!ii", server.recv(100)[:8])[1] == expected


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionResetError(104, "whatever"), "connection reset by peer"),
        (OSError("said by somebody"), "said by somebody"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_errors_are_one_clause(error, text):
    assert words(error) == text
