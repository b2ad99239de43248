"""One session with real servers, through what happens to servers, to the network, and to a pod."""

import asyncio
import ssl
import time
from contextlib import asynccontextmanager
from signal import SIGCONT, SIGSTOP

import pytest
import trustme
from aiozk import protocol

from interop.zookeeper import TLS_PORT, T, gates, joined, next_generation
from vipd.coord import zk_session
from vipd.coord.directory import AccessDenied, DirectoryLost, DirectoryRefused, LinkState, NoNode

BOUND = 30.0  # seconds in which what should happen does, on a busy machine


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def sessions_kept(directory):
    """What is done meanwhile costs the connection, and neither the session nor what goes with it."""
    path = f"/kept-{directory.link.value.session_id:x}"
    made = await directory.create(path, ephemeral=True)
    before = directory.link.value
    async with asyncio.timeout(BOUND):
        yield
        after = await next_generation(directory, before)
    assert (after.session_id, after.new_session) == (before.session_id, False)
    assert (await directory.read(nodes=[path], sync=True)).nodes[path] == made


def first(ensemble, server):
    """All servers, this one first."""
    return sorted(ensemble.places(), key=lambda place: place[0] != server.address)


def through(doors, host="127.0.0.1"):
    return [(host, door.port) for door in doors]


@pytest.mark.parametrize("role", ["leader", "follower"])
async def test_a_server_is_killed(ensemble, role):
    server = next(server for server in ensemble.servers if server.mode() == role)
    async with joined(first(ensemble, server)) as directory, sessions_kept(directory):
        assert directory.link.value.server.startswith(server.address)
        server.kill()


async def test_a_server_stands_still(ensemble):
    server = next(server for server in ensemble.servers if server.mode() == "follower")
    async with joined(first(ensemble, server)) as directory:
        async with sessions_kept(directory):
            server.signal(SIGSTOP)
        assert directory.link.value.server.partition(":")[0] != server.address
        server.signal(SIGCONT)
        await directory.read(nodes=["/"], sync=True)


async def test_servers_are_restarted_one_by_one(ensemble):
    async with joined(ensemble.places()) as directory:
        made = await directory.create("/rolling", ephemeral=True)
        for server in ensemble.servers:
            server.kill()
            server.start()
            await asyncio.to_thread(ensemble.mend)
        async with asyncio.timeout(BOUND):
            link = await directory.link.until(lambda link: link.state is LinkState.CONNECTED)
        assert link.session_id == made.ephemeral_owner
        assert link.generation > 1
        assert (await directory.read(nodes=["/rolling"], sync=True)).nodes["/rolling"] == made


async def test_all_servers_are_down_for_longer_than_a_session_lives(ensemble):
    async with joined(ensemble.places()) as directory, sessions_kept(directory):
        for server in ensemble.servers:
            server.kill()
        until = now() + 2.5 * T
        await directory.link.until(lambda link: link.state is LinkState.SUSPENDED)
        while now() < until:
            began = now()
            with pytest.raises(DirectoryLost) as lost:
                await directory.read(nodes=["/"])
            assert not lost.value.sent
            assert now() - began < T / 2
            await asyncio.sleep(0.1)
        assert not directory.link.value.alive(now())
        for server in ensemble.servers:
            server.start()


async def test_the_leader_is_killed_together_with_a_pod(ensemble):
    async with (
        gates(ensemble) as doors,
        joined(ensemble.places()) as sibling,
        joined(through(doors)) as pod,
    ):
        await pod.create("/pod", ephemeral=True)
        before = sibling.link.value
        assert (await sibling.read(nodes=["/pod"], sync=True)).nodes["/pod"]
        for door in doors:
            door.silent = True
        ensemble.leader().kill()
        async with asyncio.timeout(BOUND):
            while await gone(sibling, "/pod") is False:
                pass
        assert sibling.link.value.session_id == before.session_id
        assert not pod.link.value.alive(now())


async def gone(directory, path) -> bool:
    """Whether a node is gone, when it has gone or the connection has."""
    hints = directory.hints.value
    try:
        if (await directory.read(nodes=[path], sync=True)).nodes[path] is None:
            return True
    except DirectoryLost:
        pass
    await directory.hints.until(lambda newer: newer > hints)
    return False


async def test_a_pod_that_is_cut_off_disbelieves_its_session_before_the_servers_do(ensemble):
    async with (
        gates(ensemble) as doors,
        joined(ensemble.places()) as sibling,
        joined(through(doors)) as pod,
    ):
        await pod.create("/cut", ephemeral=True)
        await sibling.read(nodes=["/cut"], sync=True)
        hints = sibling.hints.value
        for door in doors:
            door.silent = True
        async with asyncio.timeout(BOUND):
            await sibling.hints.until(lambda newer: newer > hints)
        assert pod.link.value.lease_until < now()
        assert (await sibling.read(nodes=["/cut"])).nodes["/cut"] is None
        assert pod.link.value.state is LinkState.SUSPENDED
        before = pod.link.value
        for door in doors:
            door.silent = False
        async with asyncio.timeout(BOUND):
            after = await next_generation(pod, before)
        assert after.new_session
        await pod.create("/cut", ephemeral=True)


async def test_a_pod_that_stood_still_believes_nothing_until_it_has_asked(ensemble):
    async with joined(ensemble.places()) as pod:
        await pod.create("/still", ephemeral=True)
        before = pod.link.value
        time.sleep(2 * T)  # noqa: ASYNC251 - this is the fault
        assert not pod.link.value.alive(now())
        async with asyncio.timeout(BOUND):
            after = await next_generation(pod, before)
        assert after.new_session
        assert (await pod.read(nodes=["/still"])).nodes["/still"] is None


async def test_an_answer_is_lost_by_a_reset(ensemble):
    async with gates(ensemble) as doors, joined(through(doors)) as directory:
        path = f"/reset-{directory.link.value.session_id:x}"
        async with sessions_kept(directory):
            for door in doors:
                door.eat_answer = True
            with pytest.raises(DirectoryLost) as lost:
                await directory.create(path, ephemeral=True)
            assert lost.value.sent
            for door in doors:
                door.eat_answer = False
        owner = directory.link.value.session_id
        assert (await directory.read(nodes=[path])).nodes[path].ephemeral_owner == owner


async def test_servers_hang_up_in_the_handshake(ensemble):
    async with gates(ensemble) as doors, joined(through(doors)) as directory, sessions_kept(directory):
        for door in doors:
            door.hang_up = True
            door.reset()
        await directory.link.until(lambda link: "in the handshake" in link.last_error)
        for door in doors:
            door.hang_up = False


async def test_a_server_is_silent_in_the_handshake_and_after_it(ensemble):
    async with gates(ensemble) as doors, joined(through(doors)) as directory:
        async with sessions_kept(directory):
            doors[0].silent = doors[1].silent = True
        assert directory.link.value.server == f"127.0.0.1:{doors[2].port}"
        assert doors[1].accepted == 1


async def test_all_data_is_lost(ensemble, monkeypatch):
    monkeypatch.setattr(zk_session, "REFUSED", 1.0)
    async with joined(ensemble.places()) as directory:
        made = await directory.create("/lost", ephemeral=True)
        before = directory.link.value
        for server in ensemble.servers:
            server.kill()
        for server in ensemble.servers:
            server.wipe()
            server.start()
        async with asyncio.timeout(BOUND):
            after = await next_generation(directory, before)
        assert after.new_session
        assert after.zxid < made.czxid
        assert (await directory.read(nodes=["/lost"], sync=True)).nodes["/lost"] is None


async def test_what_was_created_with_credentials_is_its_creators_to_change_and_anybodys_to_read(ensemble):
    async with (
        joined(ensemble.places(), credentials="vipd:secret") as ours,
        joined(ensemble.places()) as nobody,
        joined(ensemble.places(), credentials="vipd:wrong") as wrong,
    ):
        await ours.ensure("/guarded/by")
        made = await ours.create("/guarded/by/us", b"0", ephemeral=True)
        for other in (nobody, wrong):
            assert (await other.read(nodes=["/guarded/by/us"], sync=True)).nodes["/guarded/by/us"] == made
            for refused in (
                other.set("/guarded/by/us", b"1"),
                other.delete("/guarded/by/us"),
                other.create("/guarded/by/them"),
                other.ensure("/guarded/by/them"),
            ):
                with pytest.raises(AccessDenied):
                    await refused
        before = ours.link.value
        ensemble.at(before.server).kill()
        async with asyncio.timeout(BOUND):
            await next_generation(ours, before)
        await ours.set("/guarded/by/us", b"2")


async def test_a_node_that_nobody_may_read_costs_only_itself(ensemble):
    async with (
        joined(ensemble.places(), credentials="vipd:secret") as ours,
        joined(ensemble.places()) as other,
    ):
        await ours.ensure("/open/secret")
        await ours.ensure("/open/known")
        acl = [protocol.AUTHED_UNRESTRICTED]
        await ours._session.require().ask(protocol.SetACLRequest(path="/open/secret", acl=acl, version=-1))
        found = (await other.read(folders=["/open"], sync=True)).folders["/open"]
        assert {name: node.data for name, node in found.items()} == {"secret": None, "known": b""}
        with pytest.raises(AccessDenied):
            await other.read(folders=["/open/secret"])


@pytest.mark.parametrize("path", ["/\N{GRINNING FACE}", "/a\0b", "/a/../b", "a", "/a/"])
async def test_paths_that_are_none_are_refused_and_cost_nothing(ensemble, path):
    async with joined(ensemble.places()) as directory:
        with pytest.raises(DirectoryRefused):
            await directory.create(path)
        assert directory.link.value.generation == 1


async def test_large_nodes_are_taken(ensemble):
    octets = bytes(999_900)
    async with joined(ensemble.places()) as directory:
        await directory.create("/large", octets, ephemeral=True)
        assert (await directory.read(nodes=["/large"])).nodes["/large"].data == octets
        assert directory.link.value.generation == 1


async def test_a_chroot_that_is_missing(ensemble):
    async with joined(ensemble.places(), chroot="/not/there") as directory:
        with pytest.raises(NoNode, match=r"^/not/there: the chroot is not there"):
            await directory.ensure("/vipd/services")


async def test_a_timeout_longer_than_the_servers_allow(ensemble):
    async with joined(ensemble.places(), session_timeout=30.0) as directory:
        assert directory.link.value.timeout == 10.0


async def test_over_tls(ensemble):
    ours = ssl.create_default_context()
    ensemble.authority.configure_trust(ours)
    async with joined([(ensemble.servers[-1].address, TLS_PORT)], tls=ours) as directory:
        made = await directory.create("/sealed", b"octets", ephemeral=True)
        assert (await directory.read(nodes=["/sealed"], sync=True)).nodes["/sealed"] == made
    async with joined(
        [(ensemble.servers[-1].address, TLS_PORT)], tls=ssl.create_default_context(), wait=False
    ) as directory:
        async with asyncio.timeout(BOUND):
            link = await directory.link.until(lambda link: link.last_error)
        assert "its certificate is refused: unable to get local issuer certificate" in link.last_error


async def test_we_prove_who_we_are_over_tls(ensemble):
    ours = ssl.create_default_context()
    ensemble.authority.configure_trust(ours)
    trustme.CA().issue_cert("pod.example").configure_cert(ours)
    place = (ensemble.servers[-1].address, TLS_PORT)
    async with joined([place], tls=ours, wait=False) as directory:
        async with asyncio.timeout(BOUND):
            await directory.link.until(lambda link: link.last_error)
    ensemble.authority.issue_cert("pod.example").configure_cert(ours)
    async with joined([place], tls=ours) as directory:
        await directory.ensure("/proven")


async def test_over_ipv6_and_by_name(ensemble):
    async with gates(ensemble, "::1") as doors:
        async with joined(through(doors, "::1")) as directory:
            await directory.ensure("/six")

        async def resolve(name: str) -> tuple[str, ...]:
            return ("192.0.2.1", "::1")

        async with joined(through(doors, "zookeeper.example"), resolve=resolve) as directory:
            await directory.ensure("/named")
