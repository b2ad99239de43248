"""The contract is in tests/directory_contract.py; here is what only memory can do."""

from contextlib import asynccontextmanager

import pytest

from directory_contract import DirectoryContract
from vipd.coord.directory import Create, DirectoryLost, LinkState
from vipd.coord.memory import Tree, join


class TestContract(DirectoryContract):
    @asynccontextmanager
    async def join(self):
        tree = Tree()
        yield lambda: join(tree)


async def test_who_is_cut_off_learns_and_changes_nothing_and_comes_back_in_his_session():
    tree = Tree()
    async with join(tree) as ours, join(tree) as theirs:
        made = await ours.create("/a", ephemeral=True)
        before = ours.link.value
        await ours.read(nodes=["/a"])
        hints = ours.hints.value
        ours.cut("pulled")
        assert ours.link.value.state is LinkState.SUSPENDED
        for call in (
            ours.read(nodes=["/a"]),
            ours.create("/b"),
            ours.set("/a", b""),
            ours.delete("/a"),
            ours.transact([]),
            ours.ensure("/a"),
        ):
            with pytest.raises(DirectoryLost, match="not connected: pulled") as lost:
                await call
            assert not lost.value.sent
        await theirs.set("/a", b"1")
        assert ours.hints.value == hints
        assert (await theirs.read(nodes=["/a"])).nodes["/a"].czxid == made.czxid
        ours.connect()
        after = ours.link.value
        assert (after.state, after.generation) == (LinkState.CONNECTED, before.generation + 1)
        assert (after.session_id, after.new_session) == (before.session_id, False)
        assert ours.hints.value > hints
        hints = ours.hints.value
        await theirs.set("/a", b"2")
        assert ours.hints.value == hints, "watches went with the connection"


async def test_a_session_that_expires_takes_its_nodes_and_the_next_is_a_new_one():
    tree = Tree()
    async with join(tree) as ours, join(tree) as theirs:
        await ours.create("/a", ephemeral=True)
        gone = ours.link.value.session_id
        ours.expire()
        assert ours.link.value.state is LinkState.EXPIRED
        assert (await theirs.read(nodes=["/a"])).nodes["/a"] is None
        ours.connect()
        assert ours.link.value.new_session
        assert ours.link.value.session_id not in {0, gone}


def test_a_tree_says_what_is_where():
    tree = Tree()
    tree.apply([Create(path="/a"), Create(path="/a/z"), Create(path="/a/b")])
    assert tree.names("/") == ["a"]
    assert tree.names("/a") == ["b", "z"]
    assert tree.names("/b") is None
    assert tree.node("/a").czxid == tree.zxid == 1
