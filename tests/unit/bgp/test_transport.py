import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from ipaddress import IPv4Address

import pytest
from structlog.testing import capture_logs

from vipd.bgp import transport
from vipd.bgp.peer import PeerConfig
from vipd.latest import Latest

BOUND = 60.0  # seconds in which what should happen on loopback does
KEY = b"correct horse"

both_families = pytest.mark.parametrize(("here", "there"), [("127.0.0.1", "127.0.0.2"), ("::1", "::1")])


def peer(address: str, **changes: object) -> PeerConfig:
    parameters = {
        "name": "tor-a",
        "address": address,
        "local_as": 64512,
        "router_id": IPv4Address("10.0.0.1"),
        "peer_as": 64513,
    }
    return PeerConfig(**(parameters | changes))


@contextlib.contextmanager
def listener(host: str, *peers: PeerConfig) -> Iterator[transport.Listener]:
    door = transport.Listener(host, 0, {peer.name: peer for peer in peers})
    try:
        yield door
    finally:
        door.close()


@contextlib.asynccontextmanager
async def pair(
    here: str, there: str, *, ours: Mapping[str, object] = {}, theirs: Mapping[str, object] = {}
) -> AsyncIterator[tuple[transport.TcpConnection, transport.TcpConnection]]:
    """Two ends of one connection: dialled from `here`, accepted at `there`."""
    with listener(there, peer(here, **theirs)) as door, contextlib.ExitStack() as stack:
        async with asyncio.timeout(BOUND):
            near = await transport.dial(peer(there, port=door.port, local_address=here, **ours))
            stack.callback(near.abort)
            _, far = await door.accept()
            stack.callback(far.abort)
            yield near, far


async def all_of(connection: transport.TcpConnection) -> bytes:
    octets = b""
    while chunk := await connection.read():
        octets += chunk
    return octets


@both_families
async def test_both_ends_know_both_addresses_and_talk(here, there):
    async with pair(here, there) as (near, far):
        assert (near.local_address, near.remote_address) == (here, there)
        assert (far.local_address, far.remote_address) == (there, here)
        near.write(b"ping")
        assert await far.read() == b"ping"
        far.write(b"pong")
        assert await near.read() == b"pong"


async def test_octets_that_the_kernel_does_not_take_wait_in_order():
    flood = b"".join(n.to_bytes(4) for n in range(4_000_000))
    async with pair("127.0.0.1", "127.0.0.2") as (near, far):
        near.write(flood[: len(flood) // 2])
        near.write(flood[len(flood) // 2 :])
        assert near.unsent() > transport.LOW_WATER
        async with asyncio.TaskGroup() as group:
            whole = group.create_task(all_of(far))
            await near.drained()
            await near.drained(below=0)  # on a busy machine longer than a close may take
            await near.close()
        assert whole.result() == flood
        assert near.unsent() == 0


async def test_how_long_nothing_of_what_waits_has_been_taken():
    """What RFC 9687 wants to know."""
    async with pair("127.0.0.1", "127.0.0.2") as (near, far):
        loop = asyncio.get_running_loop()
        before = loop.time()
        near.write(b"what fits")
        assert near.stuck_since is None
        near.write(bytes(8_000_000))
        stuck = near.stuck_since
        assert stuck is not None
        assert before <= stuck <= loop.time()
        await asyncio.sleep(0)
        near.write(b"more behind it")
        assert near.stuck_since == stuck  # which is no progress
        async with asyncio.TaskGroup() as group:
            whole = group.create_task(all_of(far))
            await near.drained()
            assert near.stuck_since is None or near.stuck_since > stuck
            await near.drained(below=0)
            assert near.stuck_since is None
            near.abort()
        assert len(whole.result()) <= 8_000_023


async def test_a_chunk_is_read_only_when_it_is_asked_for():
    async with pair("127.0.0.1", "127.0.0.2") as (near, far):
        near.write(bytes(8_000_000))
        assert len(await far.read()) <= transport.CHUNK
        assert near.unsent() > 0  # the rest backs up to the sender


async def test_last_words_are_read_though_the_peer_was_talking():
    """Closed with octets unread in its socket, a connection would be reset and the words lost."""
    async with pair("127.0.0.1", "127.0.0.2") as (near, far):
        far.write(b"chatter that nobody reads")
        near.write(b"last words")
        async with asyncio.TaskGroup() as group:
            group.create_task(near.close())
            assert await all_of(far) == b"last words"
            far.abort()


async def test_a_peer_that_never_closes_is_waited_for_a_bounded_time():
    async with pair("127.0.0.1", "127.0.0.2") as (near, far):
        far.write(bytes(8_000_000))  # nor does it ever stop talking
        await near.close()
        assert near.unsent() == 0


async def test_a_reset_is_told_to_the_reader_in_words():
    async with pair("127.0.0.1", "127.0.0.2") as (near, far):
        near.write(b"unread")
        await asyncio.sleep(0)
        far.abort()
        with pytest.raises(ConnectionError, match=r"^the peer reset the connection$"):
            await near.read()


async def test_writing_to_what_is_gone_is_told_to_the_reader():
    async with pair("127.0.0.1", "127.0.0.2") as (near, far):
        far.abort()
        assert await near.read() == b""
        near.write(b"into the void")
        near.write(b"and again")
        near.write(b"and once more")
        with pytest.raises(ConnectionError, match=r"^the peer reset the connection$"):
            await near.read()
        assert near.unsent() == 1  # what broke acknowledges nothing
        await near.drained(below=0)


async def test_nobody_listens():
    with listener("127.0.0.2") as gone:
        port = gone.port
    with pytest.raises(ConnectionError, match=rf"^127\.0\.0\.2 port {port}: connection refused$"):
        await transport.dial(peer("127.0.0.2", port=port))


@pytest.mark.parametrize(
    ("address", "local", "reason"),
    [
        ("127.0.0.2", "192.0.2.1", "192.0.2.1 is not an address of this host"),
        ("127.0.0.2", "::1", "local address ::1 is not of the peer's family"),
        ("fe80::1%nowhere9", None, "there is no interface nowhere9 for fe80::1%nowhere9"),
    ],
)
async def test_why_a_dial_cannot_be(address, local, reason):
    with pytest.raises(ConnectionError, match=f"{reason}$"):
        await transport.dial(peer(address, local_address=local))


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENODEV, "there is no interface eth1"),
        (
            errno.EPERM,
            "to use interface eth1 alone, this kernel wants the capability CAP_NET_RAW",
        ),
        (errno.ENOMEM, "interface eth1: cannot allocate memory"),
    ],
)
async def test_why_an_interface_cannot_be_had(monkeypatch, number, reason):
    class Refusing(socket.socket):
        def setsockopt(self, level, option, value):
            if option == socket.SO_BINDTODEVICE:
                raise OSError(number, "")
            super().setsockopt(level, option, value)

    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(ConnectionError, match=f": {reason}$"):
        await transport.dial(peer("127.0.0.1", interface="eth1"))


async def test_a_dial_that_is_given_up_leaves_no_socket():
    """A full backlog leaves the next caller without an answer."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = full.getsockname()[1]
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await transport.dial(peer("127.0.0.1", port=port))


@both_families
async def test_equal_md5_keys_connect(here, there):
    async with pair(here, there, ours={"md5_key": KEY}, theirs={"md5_key": KEY}) as (near, far):
        near.write(b"signed")
        assert await far.read() == b"signed"


@both_families
@pytest.mark.parametrize(("ours", "theirs"), [(KEY, b"other"), (KEY, None), (None, KEY)])
async def test_different_md5_keys_get_no_answer(here, there, ours, theirs):
    with listener(there, peer(here, md5_key=theirs)) as door, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await transport.dial(peer(there, port=door.port, local_address=here, md5_key=ours))


@both_families
async def test_the_md5_key_of_a_standing_connection_may_change(here, there):
    """First at one end; what is said meanwhile arrives when the other has followed."""
    async with pair(here, there, ours={"md5_key": KEY}, theirs={"md5_key": KEY}) as (near, far):
        near.write(b"old")
        assert await far.read() == b"old"
        near.sign(b"new")
        near.write(b"new")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await far.read()
        far.sign(b"new")
        assert await far.read() == b"new"
        far.write(b"and back")
        assert await near.read() == b"and back"


async def test_md5_keys_follow_the_peers():
    with listener("127.0.0.1", peer("127.0.0.3", md5_key=KEY), peer("::1", name="six", md5_key=KEY)) as door:
        for key in (KEY, b"changed", None):
            door.admit({"a": peer("127.0.0.3", md5_key=key)})
            async with asyncio.timeout(BOUND):
                near = await transport.dial(
                    peer("127.0.0.1", port=door.port, local_address="127.0.0.3", md5_key=key)
                )
                _, far = await door.accept()
                far.write(b"hello")
                assert await near.read() == b"hello"
            near.abort()
            far.abort()


async def test_a_key_that_the_kernel_refuses_is_explained():
    with pytest.raises(ConnectionError, match=r"this kernel cannot sign with TCP MD5 \(RFC 2385\): "):
        await transport.dial(peer("127.0.0.1", md5_key=bytes(81)))


@both_families
async def test_what_every_connection_is_set_to(here, there):
    """Marked as routers mark BGP, sent without delay, asked after when silent."""
    six = ":" in here
    marks = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if six else (socket.IPPROTO_IP, socket.IP_TOS)
    with listener(there, peer(here)) as door:
        assert door._sock.getsockopt(*marks) == 0xC0  # of the first answer, too
    async with pair(here, there) as ends:
        for each in ends:
            assert each._sock.getsockopt(*marks) == 0xC0
            assert each._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert each._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 9000
            assert each._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert each._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10


@both_families
async def test_a_connection_keeps_to_its_interface(here, there):
    async with pair(here, there, ours={"interface": "lo"}, theirs={"interface": "lo"}) as ends:
        for each in ends:
            bound = each._sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
            assert bound.rstrip(b"\0") == b"lo"
        ends[0].write(b"here")
        assert await ends[1].read() == b"here"


async def test_a_call_for_an_interface_that_is_not_there_is_ended():
    with listener("127.0.0.1", peer("127.0.0.8", interface="nowhere9")) as door, capture_logs() as logs:
        async with accepting(door):
            await call_as_stranger(door, "127.0.0.8")
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("accept_failed", "there is no interface nowhere9")
    ]


@both_families
async def test_gtsm_lets_a_direct_neighbour_in(here, there):
    async with pair(here, there, ours={"ttl_security": 1}, theirs={"ttl_security": 1}) as (near, far):
        near.write(b"near")
        assert await far.read() == b"near"
        far.write(b"by")
        assert await near.read() == b"by"


@both_families
async def test_gtsm_hears_nobody_whose_ttl_tells_of_a_way(here, there):
    async with pair(here, there, ours={"multihop": 64}, theirs={"ttl_security": 1}) as (near, far):
        near.write(b"from afar")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await far.read()
        assert near.unsent() == len(b"from afar")


@contextlib.asynccontextmanager
async def accepting(door: transport.Listener) -> AsyncIterator[None]:
    """Accept, and expect nobody."""

    async def accept() -> None:
        name, connection = await door.accept()
        connection.abort()
        raise AssertionError(f"{name} called")

    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as group:
        task = group.create_task(accept())
        yield
        task.cancel()


async def call_as_stranger(door: transport.Listener, address: str) -> None:
    near = await transport.dial(peer("127.0.0.1", port=door.port, local_address=address))
    try:
        assert await near.read() == b"", "hung up on without a word"
    finally:
        near.abort()


async def test_an_unknown_address_is_closed_at_once_and_logged_once():
    with listener("127.0.0.1", peer("127.0.0.9")) as door, capture_logs() as logs:
        async with accepting(door):
            for _ in range(3):
                await call_as_stranger(door, "127.0.0.8")
    assert [entry["event"] for entry in logs] == ["connection_refused_unknown"]
    assert logs[0]["address"] == "127.0.0.8"


async def test_the_memory_of_strangers_is_bounded(monkeypatch):
    monkeypatch.setattr(transport, "STRANGERS", 1)
    with listener("127.0.0.1") as door, capture_logs() as logs:
        async with accepting(door):
            for stranger in ("127.0.0.8", "127.0.0.8", "127.0.0.9", "127.0.0.8"):
                await call_as_stranger(door, stranger)
    assert [entry["address"] for entry in logs] == ["127.0.0.8", "127.0.0.9", "127.0.0.8"]


async def test_a_peer_is_told_from_another_by_the_address_it_calls():
    a = peer("127.0.0.8", name="a", local_address="127.0.0.7")
    b = peer("127.0.0.8", name="b", local_address="127.0.0.1")
    with listener("127.0.0.1", a, b) as door:
        async with asyncio.timeout(BOUND):
            near = await transport.dial(peer("127.0.0.1", port=door.port, local_address="127.0.0.8"))
            name, far = await door.accept()
        near.abort()
        far.abort()
    assert name == "b"


async def test_a_busy_port_is_said_once_and_listened_on_when_it_is_free(monkeypatch):
    peers: Latest[Mapping[str, PeerConfig]] = Latest({})
    came: asyncio.Queue[tuple[str, transport.TcpConnection]] = asyncio.Queue()
    tries: asyncio.Queue[None] = asyncio.Queue()

    def counted(*args: object, real: Callable[..., transport.Listener] = transport.Listener) -> object:
        tries.put_nowait(None)
        return real(*args)

    with capture_logs() as logs, listener("127.0.0.1") as squatter:
        port = squatter.port
        monkeypatch.setattr(transport, "RETRY", 0.001)
        monkeypatch.setattr(transport, "Listener", counted)
        async with asyncio.timeout(BOUND), asyncio.TaskGroup() as group:
            task = group.create_task(
                transport.listen("127.0.0.1", port, peers, lambda *call: came.put_nowait(call))
            )
            for _ in range(3):
                await tries.get()
            peers.set({"tor-b": peer("127.0.0.8", name="tor-b")})
            squatter.close()
            await tries.get()
            near = await transport.dial(peer("127.0.0.1", port=port, local_address="127.0.0.8"))
            name, far = await came.get()
            near.abort()
            far.abort()
            task.cancel()
    assert name == "tor-b"
    assert [entry["event"] for entry in logs] == ["listen_failed", "listener_ready"]
    assert logs[0]["reason"] == f"127.0.0.1 port {port} is in use by another process"


async def test_an_address_of_another_host_cannot_be_listened_on():
    with pytest.raises(ConnectionError, match=r"^192\.0\.2\.1 is not an address of this host$"):
        transport.Listener("192.0.2.1", 0, {})


async def test_both_families_may_listen_on_one_port():
    with listener("0.0.0.0") as four:
        six = transport.Listener("::", four.port, {})
        six.close()
    assert six.port == four.port
