"""One session through everything that can happen to its connections.

Where time matters, it is virtual, and the servers are reached through the loop (`Reach`). Where the network
does, they are reached by TCP.
"""

import asyncio
import itertools
import random
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trustme
from structlog.testing import capture_logs

from directory_contract import BOUND
from sim.loop import simulated
from vipd.coord import zookeeper
from vipd.coord.directory import DirectoryLost, Link, LinkState
from vipd.coord.ensemble import Ensemble
from vipd.coord.ensemble import Server as Address
from vipd.coord.zk_session import DIAL, PAUSE, REFUSED
from vipd.coord.zookeeper import ZooKeeper
from zookeeper_server import Reach, Realm, Server, serving

T = 3.0
DELAY = 0.001  # of octets, one way

CONNECTED, SUSPENDED, EXPIRED = LinkState.CONNECTED, LinkState.SUSPENDED, LinkState.EXPIRED


def now() -> float:
    return asyncio.get_running_loop().time()


class World:
    """Three servers that share a realm, and one pod."""

    def __init__(self) -> None:
        self.realm = Realm()
        self.servers = {name: Server(self.realm) for name in ("a", "b", "c")}
        self.reach = Reach(self.servers, DELAY)
        self.links: list[Link] = []
        self.directory: ZooKeeper

    @property
    def link(self) -> Link:
        return self.directory.link.value

    def server(self) -> Server:
        """The one that has us."""
        return self.servers[self.link.server.partition(":")[0]]

    def others(self) -> list[Server]:
        return [server for server in self.servers.values() if server is not self.server()]

    def greetings(self) -> int:
        return sum(len(server.greetings) for server in self.servers.values())

    async def generation(self, number: int) -> Link:
        return await self.until(lambda link: link.generation >= number)

    async def until(self, accept: Callable[[Link], bool]) -> Link:
        async with asyncio.timeout(3600):
            return await self.directory.link.until(accept)


@asynccontextmanager
async def world(seed: int = 1, *, wait: bool = True, **changes: object) -> AsyncIterator[World]:
    here = World()
    ensemble = Ensemble(servers=tuple(Address(host=name) for name in here.servers), **changes)
    async with zookeeper.connect(
        ensemble, resolve=itself, jitter=random.Random(seed).random, open_wire=here.reach.open_wire
    ) as here.directory:
        if wait:
            await here.generation(1)
        yield here


async def itself(name: str) -> tuple[str, ...]:
    return (name,)


# How it begins.


@simulated
async def test_a_session_begins_with_any_of_the_servers():
    found = set()
    for seed in range(20):
        async with world(seed) as here:
            found.add(here.link.server)
            assert here.link.state is CONNECTED
            assert (here.link.generation, here.link.new_session) == (1, True)
            assert here.link.timeout == T
    assert len(found) == 3


@simulated
async def test_the_handshake_asks_for_a_new_session_and_pings_follow():
    async with world() as here:
        (greeting,) = here.server().greetings
        assert (greeting.session_id, greeting.last_seen_zxid, greeting.timeout) == (0, 0, 3000)
        assert greeting.password == bytes(16)
        await asyncio.sleep(10 * T)
        assert here.server().asked == ["Ping"] * 60
        assert here.link.generation == 1


@simulated
async def test_a_session_survives_the_loss_of_its_connection_on_another_server():
    async with world() as here:
        await here.directory.create("/a", ephemeral=True)
        await asyncio.sleep(1)
        before, first = here.link, here.server()
        with capture_logs() as logs:
            first.reset_all()
            after = await here.generation(2)
        assert after.server != before.server
        assert (after.session_id, after.new_session) == (before.session_id, False)
        (greeting,) = here.server().greetings
        assert greeting.session_id == before.session_id
        assert greeting.password == here.realm.passwords[before.session_id]
        assert greeting.last_seen_zxid == here.realm.tree.zxid
        assert (await here.directory.read(nodes=["/a"])).nodes["/a"].ephemeral_owner == after.session_id
        assert [entry["event"] for entry in logs] == ["zookeeper_lost", "zookeeper_connected"]
        assert logs[0]["reason"] == "connection reset by peer"
        assert logs[1]["away"] < 0.01


@simulated
async def test_every_state_is_told():
    async with world() as here:
        told = []

        async def follow() -> None:
            async for link in here.directory.link:
                if not told or told[-1] != (link.state, link.generation):
                    told.append((link.state, link.generation))

        async with asyncio.TaskGroup() as group:
            task = group.create_task(follow())
            await asyncio.sleep(1)
            here.realm.expire(here.link.session_id)
            here.server().reset_all()
            await here.generation(2)
            await asyncio.sleep(1)
            task.cancel()
        assert told == [(CONNECTED, 1), (SUSPENDED, 1), (EXPIRED, 1), (CONNECTED, 2)]


# How a dead connection is known.


@simulated
async def test_a_server_that_says_nothing_any_more_is_left_within_half_of_the_timeout():
    async with world() as here:
        session = here.link.session_id
        await asyncio.sleep(10.1)
        began = now()
        here.server().mute = frozenset({"Ping"})
        await here.until(lambda link: link.state is SUSPENDED)
        assert now() - began <= T / 2 + 2 * DELAY
        assert here.link.last_error == "no answer to Ping within 1 s"
        after = await here.generation(2)
        assert now() - began <= T / 2 + 10 * DELAY
        assert after.session_id == session


@simulated
async def test_a_read_that_hangs_behind_a_healthy_ping_ends_the_connection():
    async with world() as here:
        here.server().mute = frozenset({"GetData"})
        began = now()
        with pytest.raises(DirectoryLost, match=r"no answer to GetData within 1\.5 s; it may") as lost:
            await here.directory.read(nodes=["/"])
        assert lost.value.sent
        assert now() - began == pytest.approx(T / 2)
        assert here.link.state is SUSPENDED
        await here.generation(2)
        assert (await here.directory.read(nodes=["/"])).nodes["/"]


@simulated
async def test_all_calls_end_with_the_connection():
    async with world() as here:
        for server in here.servers.values():
            server.mute = frozenset(
                {"SetData", "GetData", "Create2", "Transaction", "Sync", "Exists", "Delete"}
            )
        calls = [
            here.directory.read(nodes=["/"]),
            here.directory.read(sync=True),
            here.directory.create("/a"),
            here.directory.set("/a", b""),
            here.directory.delete("/a"),
            here.directory.transact([]),
            here.directory.ensure("/a"),
        ]

        async def call(it: Awaitable[object]) -> None:
            with pytest.raises(DirectoryLost) as lost:
                await it
            assert lost.value.sent
            assert here.link.state is SUSPENDED, "whoever learns it from a call finds it in the link"

        async with asyncio.TaskGroup() as group:
            for it in calls:
                group.create_task(call(it))
            await asyncio.sleep(0.1)
            here.server().reset_all()


@simulated
async def test_without_a_connection_calls_fail_at_once():
    async with world() as here:
        for server in here.servers.values():
            server.hang_up_at_once = True
        await here.directory.read(nodes=["/"])
        here.server().reset_all()
        await here.until(lambda link: link.state is SUSPENDED)
        began = now()
        for call in (
            here.directory.read(nodes=["/"]),
            here.directory.create("/a"),
            here.directory.ensure("/a"),
            here.directory.transact([]),
        ):
            with pytest.raises(DirectoryLost, match=r"^not connected to ZooKeeper: connection reset") as lost:
                await call
            assert not lost.value.sent
        assert now() == began


@simulated
async def test_a_late_answer_is_nobodys():
    async with world() as here:
        hold = here.server().hold = asyncio.Event()
        with pytest.raises(DirectoryLost) as lost:
            await here.directory.create("/a")
        assert lost.value.sent
        await here.generation(2)
        hold.set()
        answer = here.directory.read(nodes=["/a"])
        assert (await answer).nodes["/a"].version == 0, "it was carried out, and is read back"


# How long a session lives.


@simulated
async def test_only_a_server_can_say_that_a_session_is_no_more():
    async with world() as here:
        made = await here.directory.create("/a", ephemeral=True)
        with capture_logs() as logs:
            here.realm.expire(made.ephemeral_owner)
            here.server().reset_all()
            after = await here.generation(2)
        assert after.new_session
        assert after.session_id not in {0, made.ephemeral_owner}
        assert (await here.directory.read(nodes=["/a"])).nodes["/a"] is None
        assert [entry["event"] for entry in logs] == [
            "zookeeper_lost",
            "zookeeper_session_expired",
            "zookeeper_connected",
        ]
        assert logs[1]["session"] == f"{made.ephemeral_owner:#x}"


@simulated
async def test_a_session_that_expires_under_a_request_is_replaced():
    async with world() as here:
        session = here.link.session_id
        here.realm.expire(session)
        here.server().errors["SetData"] = [-112]
        with pytest.raises(DirectoryLost, match="the session has expired"):
            await here.directory.set("/", b"")
        assert (await here.generation(2)).session_id != session


@pytest.mark.parametrize("seed", range(8))
def test_servers_that_hang_up_in_the_handshake_do_not_cost_the_session(seed):
    @simulated
    async def story() -> None:
        async with world(seed) as here:
            session, zxid = here.link.session_id, (await here.directory.create("/a", ephemeral=True)).czxid
            last = here.others()[-1]
            first = here.server()
            for server in here.servers.values():
                server.hang_up_at_once = server is not last
            first.reset_all()
            after = await here.generation(2)
            assert here.server() is last
            assert (after.session_id, after.new_session) == (session, False)
            assert {greeting.last_seen_zxid for greeting in last.greetings} == {zxid}

    story()


@simulated
@pytest.mark.parametrize("away", [5.0, 60.0, 600.0])
async def test_an_outage_of_any_length_costs_nothing_but_its_time(away):
    async with world() as here:
        made = await here.directory.create("/a", ephemeral=True)
        for server in here.servers.values():
            server.hang_up_at_once = True
        with capture_logs() as logs:
            here.server().reset_all()
            here.reach.down = {"a", "b", "c"}  # gone, and then there without a quorum
            await asyncio.sleep(away / 2)
            here.reach.down = set()
            await asyncio.sleep(away / 2)
            for server in here.servers.values():
                server.hang_up_at_once = False
            began = now()
            after = await here.generation(2)
        assert now() - began <= PAUSE[1] + 0.1
        assert (after.session_id, after.new_session) == (made.ephemeral_owner, False)
        assert here.server().greetings[-1].last_seen_zxid == made.czxid
        assert (await here.directory.read(nodes=["/a"])).nodes["/a"] == made
        events = [entry["event"] for entry in logs]
        assert events == ["zookeeper_lost", *["zookeeper_unreachable"] * 6, "zookeeper_connected"]
        assert {entry["reason"] for entry in logs[1:-1]} == {
            "connection refused",
            "the server closed the connection, in the handshake",
        }


@simulated
async def test_while_nobody_has_us_the_link_says_why_of_each_and_is_no_news():
    async with world(wait=False) as here:
        here.reach.down = {"a"}
        here.servers["b"].hang_up_at_once = True
        here.servers["c"].mute_at_once = True
        link = await here.until(lambda link: link.last_error.count(";") == 2)
        assert link.state is LinkState.NEVER
        assert link.last_error == (
            "a:2181: connection refused; "
            "b:2181: the server closed the connection, in the handshake; "
            "c:2181: no answer within 0.5 s"
        )
        await asyncio.sleep(60)
        assert here.directory.link.value is link
        with pytest.raises(DirectoryLost, match=r"^not connected to ZooKeeper: a:2181: connection"):
            await here.directory.delete("/a")


@simulated
async def test_silence_in_the_handshake_holds_up_by_the_time_of_one_dial_a_server():
    async with world(wait=False) as here:
        for name in ("a", "b"):
            here.servers[name].mute_at_once = True
        began = now()
        await here.generation(1)
        assert here.link.server == "c:2181"
        assert now() - began <= 2 * DIAL + PAUSE[1] + 0.1


@simulated
async def test_a_server_without_sessions_to_give_is_said_so():
    async with world(wait=False) as here:
        for server in here.servers.values():
            server.no_sessions = True
        link = await here.until(lambda link: link.last_error)
        assert "a:2181: it gives out no session" in link.last_error
        here.servers["b"].no_sessions = False
        assert (await here.generation(1)).server == "b:2181"


@simulated
async def test_a_server_that_takes_us_and_drops_us_is_not_hurried():
    async with world() as here:
        for server in here.servers.values():
            server.errors["Ping"] = [-4] * 1000
        began, before = now(), here.greetings()
        await asyncio.sleep(60)
        assert here.greetings() - before <= (now() - began) / PAUSE[0]


# The zxid.


@simulated
async def test_a_server_that_lags_is_passed_over_and_cannot_show_the_past():
    async with world() as here:
        await here.directory.create("/a")
        past = Realm(passwords=here.realm.passwords)
        for server in here.others():
            server.realm = past
        await asyncio.sleep(0.1)
        server = here.server()
        server.hang_up_at_once = True
        server.reset_all()
        await asyncio.sleep(REFUSED / 2)
        assert here.link.state is SUSPENDED
        for other in here.servers.values():
            other.realm = here.realm
        assert not (await here.generation(2)).new_session


@simulated
async def test_data_that_is_lost_everywhere_is_believed_after_a_while():
    async with world() as here:
        seen = (await here.directory.create("/a")).czxid
        began = now()
        with capture_logs() as logs:
            here.realm.lose_everything()
            here.server().reset_all()
            after = await here.generation(2)
        assert REFUSED <= now() - began <= REFUSED + PAUSE[1] + 0.1
        assert after.new_session
        assert after.zxid < seen
        assert (await here.directory.read(nodes=["/a"])).nodes["/a"] is None
        lost = [entry for entry in logs if entry["event"] == "zookeeper_data_lost"]
        assert [(entry["seen"], entry["now"]) for entry in lost] == [("0x1", "0x0")]
        here.server().reset_all()
        assert (await here.generation(3)).session_id == after.session_id, "and is the truth from now on"


@simulated
async def test_servers_that_serve_nobody_for_long_have_not_lost_anything():
    async with world() as here:
        zxid = (await here.directory.create("/a")).czxid
        with capture_logs() as logs:
            for server in here.servers.values():
                server.hang_up_at_once = True
            here.server().reset_all()
            await asyncio.sleep(3 * REFUSED)
            for server in here.servers.values():
                server.hang_up_at_once = False
            await here.generation(2)
        assert "zookeeper_data_lost" not in {entry["event"] for entry in logs}
        assert here.link.zxid == zxid


# The lease.


@simulated
async def test_the_lease_runs_from_the_newest_request_that_was_answered():
    async with world() as here:
        assert here.link.lease_until == pytest.approx(now() - 2 * DELAY + T * 3 / 4)
        for _ in range(100):
            await asyncio.sleep(0.1)
            # Pings go every T/6, and the lease is told anew when it has grown by T/12.
            assert here.link.lease_until >= now() - T / 6 - T / 12 - 3 * DELAY + T * 3 / 4
            assert here.link.alive(now())
        here.server().mute = frozenset({"Ping"})
        for server in here.others():
            server.hang_up_at_once = True
        until = here.link.lease_until
        await here.until(lambda link: link.state is SUSPENDED)
        assert here.link.lease_until == until
        assert not here.link.alive(now()), "without a connection nothing is beyond doubt"


@simulated
async def test_the_lease_is_told_no_oftener_than_it_grows():
    async with world() as here:
        told: list[float] = []

        async def follow() -> None:
            nonlocal told
            async for link in here.directory.link:
                told += [link.lease_until]

        async with asyncio.TaskGroup() as group:
            task = group.create_task(follow())
            for _ in range(1000):
                await here.directory.read(nodes=["/"], afresh=True)
                await asyncio.sleep(0.01)
            task.cancel()
        assert all(later - earlier >= T / 12 for earlier, later in itertools.pairwise(told))


@simulated
async def test_after_a_stall_the_lease_is_over_until_the_first_answer():
    async with world() as here:
        await here.directory.read(nodes=["/"], afresh=True)
        asyncio.get_running_loop().stall(T)
        assert not here.link.alive(now())
        await here.directory.read(nodes=["/"], afresh=True)
        assert here.link.alive(now())


# Timeouts that a server decides on.


@simulated
async def test_a_timeout_that_is_clipped_is_told_and_lived_by():
    with capture_logs() as logs:
        async with world(wait=False, session_timeout=6.0) as here:
            for server in here.servers.values():
                server.longest_timeout = 2000
            link = await here.generation(1)
            assert link.timeout == 2.0
            assert link.lease_until == pytest.approx(now() - 2 * DELAY + 1.5)
            here.server().mute = frozenset({"GetData"})
            with pytest.raises(DirectoryLost, match="within 1 s"):
                await here.directory.read(nodes=["/"])
            await here.generation(2)
    clipped = [entry for entry in logs if entry["event"] == "session_timeout_clipped"]
    assert [(entry["asked"], entry["negotiated"]) for entry in clipped] == [(6.0, 2.0)]


# Credentials.


@simulated
async def test_credentials_come_first_on_every_connection():
    async with world(credentials="vipd:secret") as here:
        for server in here.servers.values():
            assert server.asked[:1] == (["Auth"] if server is here.server() else [])
        here.server().reset_all()
        await here.generation(2)
        assert here.server().asked[0] == "Auth"
        assert here.server().credentials[-1] == b"vipd:secret"


@simulated
async def test_credentials_that_are_refused_are_said_so_and_tried_again():
    async with world(wait=False, credentials="vipd:wrong") as here:
        for server in here.servers.values():
            server.errors["Auth"] = [-115] * 3
        link = await here.until(lambda link: link.last_error)
        assert "a:2181: the server refuses our credentials" in link.last_error
        assert link.state is LinkState.NEVER
        await here.generation(1)


def test_credentials_are_shown_to_nobody():
    assert "secret" not in repr(Ensemble(servers=(Address(host="a"),), credentials="vipd:secret"))


# Names.


@simulated
async def test_names_are_looked_up_again_when_nobody_has_us():
    found: dict[str, tuple[str, ...]] = {"zk": ("192.0.2.1", "fe80::1%eth0")}
    asked = []

    async def resolve(name: str) -> tuple[str, ...]:
        asked.append(name)
        await asyncio.sleep(0.01)
        if name not in found:
            raise OSError(f"{name}: no such name")
        return found[name]

    addresses = []
    server = Server()
    reach = Reach({"zk": server}, DELAY)

    async def open_wire(protocol, address: str, wanted) -> None:
        addresses.append(address)
        if address != "192.0.2.2":
            raise OSError(113, "No route to host")
        await reach.open_wire(protocol, address, wanted)

    ensemble = Ensemble(servers=(Address(host="zk"), Address(host="nowhere")))
    with capture_logs() as logs:
        async with zookeeper.connect(
            ensemble, resolve=resolve, jitter=lambda: 0.5, open_wire=open_wire
        ) as directory:
            link = await directory.link.until(lambda link: link.last_error.count(":") > 3)
            assert link.last_error == ("nowhere: no such name; zk:2181 (192.0.2.1:2181): no route to host")
            assert set(addresses) == {"192.0.2.1"}, "one with a scope is never tried"
            found["zk"] = ("192.0.2.1", "192.0.2.2")
            async with asyncio.timeout(3600):
                link = await directory.link.until(lambda link: link.generation)
            assert link.server == "zk:2181 (192.0.2.2:2181)"
            asked.clear()
            server.reset_all()
            async with asyncio.timeout(3600):
                await directory.link.until(lambda link: link.generation == 2)
            assert asked == [], "what is known is tried before anybody is asked"
    unreachable = [entry["server"] for entry in logs if entry["event"] == "zookeeper_unreachable"]
    assert unreachable == ["nowhere", *["zk:2181 (192.0.2.1:2181)"] * 2], "once each time"


@simulated
async def test_a_name_without_an_answer_holds_up_nobody():
    async def resolve(name: str) -> tuple[str, ...]:
        if name == "slow":
            await asyncio.Event().wait()
        return (name,)

    reach = Reach({"quick": Server()}, DELAY)
    ensemble = Ensemble(servers=(Address(host="slow"), Address(host="quick")))
    async with zookeeper.connect(
        ensemble, resolve=resolve, jitter=lambda: 0.5, open_wire=reach.open_wire
    ) as directory:
        await directory.link.until(lambda link: link.generation)
        assert now() < 1.0
        reach.down = {"quick"}
        reach.servers["quick"].reset_all()
        await asyncio.sleep(60)
        assert directory.link.value.last_error == (
            "quick:2181: connection refused; slow: no address within 15 s"
        )


# What only a network can do.


@asynccontextmanager
async def over_tcp(
    *servers: Server, tls: ssl.SSLContext | None = None, wait: bool = True, **options: object
) -> AsyncIterator[ZooKeeper]:
    async with asyncio.timeout(BOUND), AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(server, **options)) for server in servers]
        addresses = tuple(Address(host=str(options.get("host", "127.0.0.1")), port=port) for port in ports)
        directory = await stack.enter_async_context(
            zookeeper.connect(
                Ensemble(servers=addresses, session_timeout=1.0), resolve=itself, jitter=lambda: 0.0, tls=tls
            )
        )
        if wait:
            await directory.link.until(lambda link: link.generation > 0)
        yield directory


async def test_a_reset_after_execution_leaves_the_outcome_unknown_and_reading_tells():
    server = Server(reset_after=frozenset({"Create2"}))
    async with over_tcp(server) as directory:
        with pytest.raises(DirectoryLost, match=r"^connection reset by peer; it may have been") as lost:
            await directory.create("/a", ephemeral=True)
        assert lost.value.sent
        link = await directory.link.until(lambda link: link.generation == 2)
        assert (await directory.read(nodes=["/a"])).nodes["/a"].ephemeral_owner == link.session_id
        assert server.count("Create2") == 1


async def test_silence_after_the_handshake_ends_the_connection_and_not_the_session():
    realm = Realm()
    servers = [Server(realm), Server(realm)]
    async with over_tcp(*servers) as directory:
        first = next(server for server in servers if server.open)
        first.mute = frozenset({"Ping", "SetData"})
        with pytest.raises(DirectoryLost) as lost:
            await directory.set("/", b"")
        assert lost.value.sent
        link = await directory.link.until(lambda link: link.generation == 2)
        assert not link.new_session
        assert not first.open
        await directory.set("/", b"")


async def test_a_port_where_nobody_listens_is_said_so():
    async with serving(Server()) as port:
        pass
    ensemble = Ensemble(servers=(Address(host="127.0.0.1", port=port),))
    async with zookeeper.connect(ensemble, resolve=itself, jitter=lambda: 0.0) as directory:
        async with asyncio.timeout(BOUND):
            await directory.link.until(
                lambda link: link.last_error == f"127.0.0.1:{port}: connection refused"
            )


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a frame of 1213486160 octets"),
        (b"\xff\xff\xff\xff", "a frame of -1 octets"),
        (struct.pack("!i", 3) + b"abc", "unpack_from requires a buffer"),
    ],
)
async def test_who_does_not_speak_as_zookeeper_does_is_no_server(octets, reason):
    server = Server(garbage=octets)
    async with over_tcp(server, wait=False) as directory:
        link = await directory.link.until(lambda link: link.last_error)
        assert f": the server does not speak as ZooKeeper does: {reason}" in link.last_error
        server.garbage = b""
        await directory.link.until(lambda link: link.generation == 1)


async def test_a_server_is_reached_over_ipv6():
    async with over_tcp(Server(), host="::1") as directory:
        assert directory.link.value.server.startswith("[::1]:")


async def test_a_server_proves_who_it_is():
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    async with over_tcp(Server(), tls=ours, ssl=theirs) as directory:
        await directory.ensure("/a")


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("192.0.2.1", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        (None, "unable to get local issuer certificate"),
    ],
)
async def test_a_server_that_cannot_prove_who_it_is_gets_nothing_of_us(who, reason):
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if who is not None:
        authority.configure_trust(ours)
    authority.issue_cert(who or "127.0.0.1").configure_cert(theirs)
    server = Server()
    async with over_tcp(server, tls=ours, ssl=theirs, wait=False) as directory:
        link = await directory.link.until(lambda link: link.last_error)
        assert f": its certificate is refused: {reason}" in link.last_error
    assert server.greetings == []


async def test_a_server_without_tls_is_said_so():
    server = Server()
    async with over_tcp(server, tls=ssl.create_default_context(), wait=False) as directory:
        link = await directory.link.until(lambda link: link.last_error)
        assert "no answer within 0.5 s" in link.last_error
    assert server.greetings == []
