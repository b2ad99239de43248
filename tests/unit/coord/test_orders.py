"""Orders, written and read over a directory in memory."""

import asyncio

import pytest

from vipd.coord import orders
from vipd.coord.directory import Create, NoNode
from vipd.coord.layout import ORDER_OCTETS, drain_path, maintenance_path, read_order
from vipd.coord.member import Order
from vipd.coord.memory import Tree, join


@pytest.fixture
async def tree():
    return Tree()


@pytest.fixture
async def directory(tree):
    async with asyncio.timeout(20), join(tree) as joined:
        yield joined


def stands(tree, path):
    return read_order(tree.node(path).data)


ORDER = Order(who="ada@desk", why="disks", when="2026-11-21T07:00:00Z", until="2026-11-21T09:00:00Z")


async def test_an_order_is_written_where_pods_read_it(tree, directory):
    await orders.maintain(directory, "/vipd", "apex", ORDER)
    await orders.drain(directory, "/vipd", "web-7", ORDER)
    assert stands(tree, maintenance_path("/vipd", "apex")) == ORDER
    assert stands(tree, drain_path("/vipd", "web-7")) == ORDER


async def test_a_newer_order_takes_the_place_of_an_older(tree, directory):
    await orders.drain(directory, "/vipd", "web-7", ORDER)
    lifted = Order(who="bob@desk", lifted=True)
    await orders.drain(directory, "/vipd", "web-7", lifted)
    assert stands(tree, drain_path("/vipd", "web-7")) == lifted


async def test_an_order_that_no_pod_would_read_is_refused(tree, directory):
    with pytest.raises(ValueError, match=f"at most {ORDER_OCTETS} are read"):
        await orders.drain(directory, "/vipd", "web-7", Order(why="x" * ORDER_OCTETS))
    assert tree.node("/vipd") is None


async def test_what_stands_and_who_is_there_is_read(tree, directory):
    with pytest.raises(NoNode):
        await orders.look(directory, "/vipd")
    assert tree.node("/vipd") is None  # to look makes nothing
    await orders.maintain(directory, "/vipd", "apex", ORDER)
    sight = await orders.look(directory, "/vipd")
    assert (sight.views, sight.maintenance, sight.drains) == ({}, {"apex": ORDER}, {})
    await directory.ensure("/vipd/services/dns/members")
    tree.apply([Create(path="/vipd/services/dns/members/web-7~1", data=b"junk")])
    await orders.drain(directory, "/vipd", "web-7", ORDER)
    sight = await orders.look(directory, "/vipd")
    assert (sight.pods, sight.drains, list(sight.views)) == ({"web-7"}, {"web-7": ORDER}, ["dns"])
