"""The demo's ZooKeeper: sessions live for as long as they are heard of. Its answers: tests/unit/coord."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sim.loop import simulated
from vipd.coord.ensemble import Ensemble
from vipd.coord.ensemble import Server as Address
from vipd.coord.zookeeper import ZooKeeper, connect
from vipd.demo.zookeeper import Server
from zookeeper_server import Reach

T = 2.0


async def no_names(name: str) -> tuple[str, ...]:
    raise OSError(f"{name} is no address")


@asynccontextmanager
async def joined(reach: Reach) -> AsyncIterator[ZooKeeper]:
    servers = tuple(Address(host=host) for host in reach.servers)
    described = Ensemble(servers=servers, session_timeout=T)
    way = reach.open_wire
    async with connect(described, resolve=no_names, jitter=lambda: 0.0, open_wire=way) as directory:
        await directory.link.until(lambda link: link.generation > 0)
        yield directory


@simulated
async def test_a_session_that_is_heard_of_lives_on_however_little_is_asked():
    server = Server()
    async with joined(Reach({"192.0.2.1": server})) as directory:
        await directory.create("/here", ephemeral=True)
        await asyncio.sleep(3600)
        assert server.realm.tree.names("/") == ["here"]
        assert directory.link.value.generation == 1
    assert server.realm.tree.names("/") == []
    assert server.realm.passwords == {}


@simulated
async def test_the_nodes_of_a_session_go_when_it_has_been_silent_for_its_timeout():
    server = Server()
    reach = Reach({"192.0.2.1": server})
    async with joined(reach) as directory:
        session = directory.link.value.session_id
        await directory.create("/here", ephemeral=True)
        reach.down.add("192.0.2.1")
        server.reset_all()
        await asyncio.sleep(T - 0.1)
        assert server.realm.tree.names("/") == ["here"]
        await asyncio.sleep(0.2)
        assert server.realm.tree.names("/") == []
        reach.down.clear()
        link = await directory.link.until(lambda link: link.generation > 1)
        assert link.session_id != session


@simulated
async def test_a_session_that_comes_back_in_time_keeps_its_nodes():
    server = Server()
    async with joined(Reach({"192.0.2.1": server})) as directory:
        await directory.create("/here", ephemeral=True)
        await asyncio.sleep(T - 0.5)
        server.reset_all()
        await directory.link.until(lambda link: link.generation > 1)
        await asyncio.sleep(T)
        assert server.realm.tree.names("/") == ["here"]


@simulated
async def test_a_connection_is_told_when_its_session_is_over_and_closed():
    server = Server()
    async with joined(Reach({"192.0.2.1": server})) as directory:
        session = directory.link.value.session_id
        server.realm.expire(session)
        link = await directory.link.until(lambda link: link.generation > 1)
        assert link.session_id != session


@simulated
async def test_whoever_knows_of_more_than_the_server_is_not_taken():
    server = Server()
    reach = Reach({"192.0.2.1": server})
    async with joined(reach) as directory:
        await directory.create("/here")
        server.realm = type(server.realm)()
        for conversation in list(server.open):
            conversation.reset()
        await asyncio.sleep(T / 2)
        assert directory.link.value.generation == 1
        server.realm.tree.zxid = 1000
        await directory.link.until(lambda link: link.generation > 1)


@simulated
async def test_when_it_rests_nobody_expires():
    server = Server()
    reach = Reach({"192.0.2.1": server})
    async with joined(reach) as directory:
        await directory.create("/here", ephemeral=True)
        reach.down.add("192.0.2.1")
        server.reset_all()
        server.realm.rest()
        await asyncio.sleep(10 * T)
        assert server.realm.tree.names("/") == ["here"]
