"""What every Directory keeps to, whoever stands behind it. A test class inherits it and says who."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from vipd.coord.directory import (
    Check,
    Create,
    Delete,
    Directory,
    DirectoryRefused,
    LinkState,
    NodeExists,
    NoNode,
    RecordChanged,
    Set,
)

BOUND = 10.0  # seconds in which what should happen does


async def settled(directory: Directory) -> int:
    """Every hint that was under way has come; their number."""
    await directory.read(sync=True)
    return directory.hints.value


async def hinted(directory: Directory, since: int) -> None:
    async with asyncio.timeout(BOUND):
        await directory.hints.until(lambda hints: hints > since)


class DirectoryContract:
    """Each test begins with an empty folder /c, and is one pod or more."""

    @asynccontextmanager
    async def join(self) -> AsyncIterator[Callable[[], AbstractAsyncContextManager[Directory]]]:
        """Yield what makes one more session with the same, empty, tree."""
        raise NotImplementedError
        yield

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Directory]:
        async with self.join() as pod, pod() as directory:
            await directory.ensure("/c")
            yield directory

    @asynccontextmanager
    async def two(self) -> AsyncIterator[tuple[Directory, Directory]]:
        async with self.join() as pod, pod() as ours, pod() as theirs:
            await ours.ensure("/c")
            await settled(theirs)
            yield ours, theirs

    async def test_a_link_begins_with_a_session_of_its_own(self):
        async with self.two() as (ours, theirs):
            for link in (ours.link.value, theirs.link.value):
                assert link.state is LinkState.CONNECTED
                assert link.generation == 1
                assert link.new_session
                assert link.server
                assert link.alive(asyncio.get_running_loop().time())
            assert 0 not in {ours.link.value.session_id, theirs.link.value.session_id}
            assert ours.link.value.session_id != theirs.link.value.session_id

    async def test_what_is_created_is_read_by_the_other(self):
        async with self.two() as (ours, theirs):
            made = await ours.create("/c/a", b"octets")
            reading = await theirs.read(nodes=["/c/a"], sync=True)
            assert reading.nodes["/c/a"] == made
            assert (made.data, made.version, made.ephemeral_owner) == (b"octets", 0, 0)
            assert made.czxid == made.mzxid
            assert made.name == "a"
            assert reading.generation == theirs.link.value.generation

    async def test_a_node_without_content_has_none(self):
        async with self.one() as directory:
            await directory.create("/c/a")
            assert (await directory.read(nodes=["/c/a"])).nodes["/c/a"].data == b""

    async def test_creating_asks_for_a_place(self):
        async with self.one() as directory:
            await directory.create("/c/a")
            with pytest.raises(NodeExists) as refused:
                await directory.create("/c/a")
            assert refused.value.path == "/c/a"
            with pytest.raises(NoNode) as refused:
                await directory.create("/c/nowhere/a")
            assert refused.value.path == "/c/nowhere/a"

    async def test_a_write_names_the_version_that_it_follows(self):
        async with self.one() as directory:
            made = await directory.create("/c/a", b"0")
            one = await directory.set("/c/a", b"1", made.version)
            assert (one.version, one.data, one.czxid) == (1, b"1", made.czxid)
            assert one.mzxid > made.mzxid
            with pytest.raises(RecordChanged) as refused:
                await directory.set("/c/a", b"2", made.version)
            assert refused.value.path == "/c/a"
            assert (await directory.set("/c/a", b"3")).version == 2
            with pytest.raises(RecordChanged):
                await directory.delete("/c/a", 0)
            await directory.delete("/c/a", 2)
            with pytest.raises(NoNode):
                await directory.set("/c/a", b"4")
            with pytest.raises(NoNode):
                await directory.delete("/c/a")

    async def test_a_folder_is_not_deleted_from_above_what_it_holds(self):
        async with self.one() as directory:
            await directory.create("/c/a")
            with pytest.raises(DirectoryRefused, match="/c: "):
                await directory.delete("/c")

    async def test_nothing_stands_in_what_goes_with_a_session(self):
        async with self.one() as directory:
            await directory.create("/c/a", ephemeral=True)
            with pytest.raises(DirectoryRefused, match="/c/a/b: "):
                await directory.create("/c/a/b")

    async def test_paths_are_ensured_once_and_by_both(self):
        async with self.two() as (ours, theirs):
            await asyncio.gather(ours.ensure("/c/x/y/z"), theirs.ensure("/c/x/y/z"))
            made = (await ours.read(nodes=["/c/x/y/z"], sync=True)).nodes["/c/x/y/z"]
            await ours.ensure("/c/x/y/z")
            assert (await ours.read(nodes=["/c/x/y/z"], afresh=True)).nodes["/c/x/y/z"] == made
            assert made.data == b""

    async def test_the_younger_has_the_greater_czxid(self):
        async with self.two() as (ours, theirs):
            elder = await ours.create("/c/z")
            younger = await theirs.create("/c/a")
            assert elder.czxid < younger.czxid

    async def test_a_transaction_is_whole(self):
        async with self.one() as directory:
            await directory.create("/c/set", b"0")
            await directory.create("/c/gone")
            await directory.transact(
                [
                    Check(path="/c/set", version=0),
                    Set(path="/c/set", data=b"1", version=0),
                    Create(path="/c/new", data=b"n"),
                    Delete(path="/c/gone", version=0),
                ]
            )
            found = (await directory.read(folders=["/c"])).folders["/c"]
            assert {name: node.data for name, node in found.items()} == {"set": b"1", "new": b"n"}

    @pytest.mark.parametrize(
        ("failing", "error"),
        [
            (Check(path="/c/b", version=7), RecordChanged),
            (Check(path="/c/nowhere", version=0), RecordChanged),
            (Set(path="/c/b", data=b"", version=7), RecordChanged),
            (Set(path="/c/nowhere", data=b""), RecordChanged),
            (Delete(path="/c/b", version=7), RecordChanged),
            (Create(path="/c/b"), NodeExists),
            (Create(path="/c/nowhere/x"), NoNode),
        ],
    )
    @pytest.mark.parametrize("first", [True, False])
    async def test_a_transaction_that_fails_changes_nothing_and_says_what_stood_in_its_way(
        self, failing, error, first
    ):
        async with self.one() as directory:
            await directory.create("/c/a", b"0")
            await directory.create("/c/b", b"0")
            fine = [Set(path="/c/a", data=b"1"), Create(path="/c/new"), Check(path="/c/b", version=0)]
            with pytest.raises(error) as refused:
                await directory.transact([failing, *fine] if first else [*fine, failing])
            assert type(refused.value) is error
            assert refused.value.path == failing.path
            found = (await directory.read(folders=["/c"])).folders["/c"]
            assert {name: (node.data, node.version) for name, node in found.items()} == {
                "a": (b"0", 0),
                "b": (b"0", 0),
            }

    async def test_a_folder_is_read_with_what_it_holds(self):
        async with self.two() as (ours, theirs):
            for name in ("a", "b"):
                await ours.create(f"/c/{name}", name.encode(), ephemeral=True)
            reading = await theirs.read(folders=["/c", "/c/a", "/c/nowhere"], nodes=["/c", "/no"], sync=True)
            assert {name: node.data for name, node in reading.folders["/c"].items()} == {"a": b"a", "b": b"b"}
            owner = ours.link.value.session_id
            assert {node.ephemeral_owner for node in reading.folders["/c"].values()} == {owner}
            assert reading.folders["/c/a"] == {}
            assert reading.folders["/c/nowhere"] is None
            assert reading.nodes["/c"].path == "/c"
            assert reading.nodes["/no"] is None

    async def test_more_is_read_than_goes_at_once(self):
        async with self.one() as directory:
            names = {f"n{number}" for number in range(200)}
            for name in names:
                await directory.create(f"/c/{name}")
            assert (await directory.read(folders=["/c"])).folders["/c"].keys() == names

    @pytest.mark.parametrize(
        ("before", "change"),
        [
            ([], Create(path="/c/f")),
            ([], Create(path="/c/n")),
            ([Create(path="/c/n")], Set(path="/c/n", data=b"1")),
            ([Create(path="/c/n")], Delete(path="/c/n")),
            ([Create(path="/c/f")], Create(path="/c/f/child")),
            ([Create(path="/c/f")], Delete(path="/c/f")),
            ([Create(path="/c/f"), Create(path="/c/f/child")], Set(path="/c/f/child", data=b"1")),
            ([Create(path="/c/f"), Create(path="/c/f/child")], Delete(path="/c/f/child")),
        ],
        ids=str,
    )
    async def test_every_change_of_what_was_read_is_hinted_again_and_again(self, before, change):
        """And a reading after the hint shows it, though it asks only for what was hinted."""
        watched = {"nodes": ["/c/n"], "folders": ["/c/f"]}
        async with self.two() as (ours, theirs):
            for operation in before:
                await ours.transact([operation])
            for _ in range(3):
                seen = await theirs.read(**watched, sync=True)
                hints = await settled(theirs)
                await ours.transact([change])
                await hinted(theirs, hints)
                now = await theirs.read(**watched)
                assert (now.nodes, now.folders) != (seen.nodes, seen.folders)
                await settled(theirs)
                truth = await theirs.read(**watched, afresh=True)
                assert (now.nodes, now.folders) == (truth.nodes, truth.folders)
                match change:  # back to what was before
                    case Create():
                        await ours.delete(change.path)
                    case Delete():
                        await ours.create(change.path)

    async def test_other_changes_are_not_hinted(self):
        async with self.two() as (ours, theirs):
            await ours.create("/c/read")
            await theirs.read(nodes=["/c/read", "/c"], sync=True)
            hints = await settled(theirs)
            await ours.create("/c/unread")
            await ours.create("/c/read/child")
            assert await settled(theirs) == hints

    async def test_one_reads_what_one_wrote(self):
        async with self.one() as directory:
            await directory.read(nodes=["/c/a"], folders=["/c"])
            made = await directory.create("/c/a", b"0", ephemeral=True)
            reading = await directory.read(nodes=["/c/a"], folders=["/c"])
            assert reading.nodes["/c/a"] == reading.folders["/c"]["a"] == made
            written = await directory.set("/c/a", b"1", made.version)
            assert (await directory.read(folders=["/c"])).folders["/c"]["a"] == written

    async def test_whoever_leaves_takes_along_what_goes_with_him(self):
        async with self.join() as pod, pod() as ours:
            await ours.ensure("/c")
            async with pod() as theirs:
                await theirs.create("/c/ephemeral", ephemeral=True)
                await theirs.create("/c/lasting")
                assert len((await ours.read(folders=["/c"], sync=True)).folders["/c"]) == 2
            assert theirs.link.value.state is LinkState.EXPIRED
            assert (await ours.read(folders=["/c"], sync=True)).folders["/c"].keys() == {"lasting"}
