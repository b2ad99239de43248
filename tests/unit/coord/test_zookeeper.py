"""The Directory over real octets and TCP, against a server of our own that can misbehave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiozk import exc

from directory_contract import BOUND, DirectoryContract, hinted, settled
from vipd.coord import ensemble, zookeeper
from vipd.coord.directory import (
    AccessDenied,
    Create,
    Delete,
    DirectoryLost,
    DirectoryRefused,
    LinkState,
    NoNode,
    Set,
)
from vipd.coord.zk_watched import ROUNDS
from vipd.coord.zk_wire import LARGEST_REQUEST
from vipd.coord.zookeeper import ZooKeeper
from zookeeper_server import Server, serving

NO_NODE, NO_AUTH, QUOTA, THROTTLED = exc.NoNode.error_code, exc.NoAuth.error_code, -125, -127


async def no_names(host: str) -> tuple[str, ...]:
    raise AssertionError(f"{host} is looked up")


@asynccontextmanager
async def joined(port: int, **changes: object) -> AsyncIterator[ZooKeeper]:
    servers = (ensemble.Server(host="127.0.0.1", port=port),)
    async with zookeeper.connect(
        ensemble.Ensemble(servers=servers, **changes), resolve=no_names, jitter=lambda: 0.0
    ) as directory:
        async with asyncio.timeout(BOUND):
            await directory.link.until(lambda link: link.generation > 0)
        yield directory


@asynccontextmanager
async def one(server: Server, **changes: object) -> AsyncIterator[ZooKeeper]:
    async with serving(server) as port, joined(port, **changes) as directory:
        yield directory


def asked(server: Server) -> list[str]:
    """What the server was asked for since it was last looked at."""
    found = sorted(name for name in server.asked if name != "Ping")
    server.asked.clear()
    return found


class TestContract(DirectoryContract):
    @asynccontextmanager
    async def join(self):
        async with serving(Server()) as port:
            yield lambda: joined(port)


class TestContractBelowAChroot(DirectoryContract):
    @asynccontextmanager
    async def join(self):
        server = Server()
        server.realm.tree.apply([Create(path="/sites"), Create(path="/sites/one")])
        async with serving(server) as port:
            yield lambda: joined(port, chroot="/sites/one")
        assert server.realm.tree.names("/") == ["sites"]


async def test_only_what_was_hinted_is_asked_for_again():
    server = Server()
    async with serving(server) as port, joined(port) as ours, joined(port) as theirs:
        watched = {"nodes": ["/m"], "folders": ["/f"]}
        for path in ("/f", "/f/a", "/f/b"):
            await ours.create(path)
        asked(server)
        await theirs.read(**watched)
        assert asked(server) == ["Exists", "GetChildren", "GetData", "GetData", "GetData"]
        await theirs.read(**watched)
        assert asked(server) == []
        for change, consequence in (
            (ours.set("/f/b", b"1"), ["GetData"]),
            (ours.create("/f/c"), ["GetChildren", "GetData"]),
            (ours.delete("/f/a"), ["GetChildren"]),
            (ours.create("/m"), ["GetData"]),
        ):
            await change
            await settled(theirs)
            asked(server)
            await theirs.read(**watched)
            assert asked(server) == consequence
        before = await theirs.read(**watched, afresh=True)
        assert asked(server) == ["Exists", "Exists", "Exists", "GetChildren"]
        server.realm.tree.apply([Set(path="/f/b", data=b"2")])
        server.errors["Exists"] = [QUOTA]
        after = await theirs.read(**watched, afresh=True)
        assert asked(server) == ["Exists", "Exists", "GetChildren", "GetData", "GetData"]
        assert (before.folders["/f"]["b"].data, after.folders["/f"]["b"].data) == (b"1", b"2")
        assert before.folders["/f"]["c"] == after.folders["/f"]["c"]


async def test_a_new_connection_asks_what_has_changed_since_the_last():
    server = Server()
    async with one(server) as directory:
        await directory.create("/f")
        for name in ("kept", "changed", "gone"):
            await directory.create(f"/f/{name}", b"old")
        before = await directory.read(nodes=["/"], folders=["/f"])
        for connection in (1, 2):
            hints = directory.hints.value
            server.reset_all()
            changes = [Set(path="/f/changed", data=b"new"), Delete(path="/f/gone")]
            server.realm.tree.apply(changes[:connection])
            await hinted(directory, hints)
            asked(server)
            after = await directory.read(nodes=["/"], folders=["/f"])
            assert after.generation == before.generation + connection == directory.link.value.generation
            assert after.folders["/f"]["changed"].data == b"new"
            assert after.folders["/f"]["kept"] == before.folders["/f"]["kept"]
            assert asked(server) == sorted(["GetChildren", *["Exists"] * (5 - connection), "GetData"])


async def test_a_new_session_believes_nothing_read_in_another():
    server = Server()
    async with one(server) as directory:
        await directory.read(nodes=["/"])
        hints = directory.hints.value
        server.realm.lose_everything()
        server.reset_all()
        await hinted(directory, hints)
        asked(server)
        await directory.read(nodes=["/"])
        assert asked(server) == ["GetData"]


async def test_what_may_not_be_read_costs_only_itself():
    server = Server(denied={"/f/secret", "/secret"})
    async with one(server) as directory:
        for path in ("/secret", "/f", "/f/secret", "/f/open"):
            await directory.create(path, b"octets")
        reading = await directory.read(nodes=["/secret"], folders=["/f"])
        assert reading.nodes["/secret"].data is None
        assert {name: node.data for name, node in reading.folders["/f"].items()} == {
            "secret": None,
            "open": b"octets",
        }
        hints = await settled(directory)
        server.denied.clear()
        await directory.set("/f/secret", b"news")
        await hinted(directory, hints)
        assert (await directory.read(folders=["/f"])).folders["/f"]["secret"].data == b"news"


async def test_a_folder_that_may_not_be_read_is_said_so():
    async with one(Server(denied={"/f"})) as directory:
        await directory.create("/f")
        with pytest.raises(AccessDenied, match=r"^/f: its ACL does not allow us that$"):
            await directory.read(folders=["/f"])


async def test_what_comes_while_it_is_looked_for_is_found():
    server = Server()
    async with one(server) as directory:
        made = await directory.create("/a")
        server.errors["GetData"] = [NO_NODE]
        assert (await directory.read(nodes=["/a"])).nodes == {"/a": made}


async def test_what_never_stands_still_is_given_up():
    server = Server()
    async with one(server) as directory:
        await directory.create("/a")
        server.errors["GetData"] = [NO_NODE] * ROUNDS
        with pytest.raises(DirectoryRefused, match=r"^/a: it comes and goes too fast to be read$"):
            await directory.read(nodes=["/a"])


async def test_what_goes_from_a_folder_while_it_is_read_is_not_in_it():
    server = Server()
    async with one(server) as directory:
        await directory.ensure("/f/a")
        server.errors["GetData"] = [NO_NODE]
        assert (await directory.read(folders=["/f"])).folders == {"/f": {}}


@pytest.mark.parametrize(
    ("request_", "error", "expected", "words"),
    [
        ("SetData", NO_AUTH, AccessDenied, "its ACL does not allow us that"),
        ("SetData", QUOTA, DirectoryRefused, r"ZooKeeper says error \(-125\)"),
        ("SetData", -114, DirectoryRefused, r"ZooKeeper says InvalidACL \(-114\)"),
        ("GetData", THROTTLED, DirectoryRefused, r"ZooKeeper says error \(-127\)"),
        ("Sync", THROTTLED, DirectoryRefused, r"ZooKeeper says error \(-127\)"),
    ],
)
async def test_refusals_are_told_in_the_terms_of_the_directory(request_, error, expected, words):
    server = Server()

    async def all_of_it() -> None:
        await directory.read(nodes=["/a"], sync=True)
        await directory.set("/a", b"")

    async with one(server) as directory:
        await directory.create("/a")
        server.errors[request_] = [error]
        with pytest.raises(DirectoryRefused, match=f"{words}$") as refused:
            await all_of_it()
        assert type(refused.value) is expected
        assert directory.link.value.state is LinkState.CONNECTED


async def test_existence_that_is_refused_is_an_error_and_no_absence():
    server = Server(errors={"Exists": [THROTTLED]})
    async with one(server) as directory:
        with pytest.raises(DirectoryRefused, match="-127"):
            await directory.read(nodes=["/a"])


async def test_what_no_server_takes_is_not_sent():
    server = Server()
    async with one(server) as directory:
        with pytest.raises(ValueError, match=r"a request of \d+ octets, at most 1000000 are taken"):
            await directory.create("/a", bytes(LARGEST_REQUEST))
        await directory.create("/a", bytes(LARGEST_REQUEST - 100))
        assert server.count("Create2") == 1
        assert directory.link.value.generation == 1


async def test_a_chroot_that_is_missing_is_said_so_and_not_created():
    server = Server()
    async with one(server, chroot="/sites/one") as directory:
        assert (await directory.read(nodes=["/"])).nodes == {"/": None}
        with pytest.raises(NoNode, match=r"^/sites/one: the chroot is not there, and is never created$"):
            await directory.ensure("/vipd/services")
        with pytest.raises(NoNode, match=r"^/a: "):
            await directory.create("/a")
        assert server.realm.tree.names("/") == []


async def test_leaving_ends_the_session_and_what_goes_with_it():
    server = Server()
    async with one(server) as directory:
        await directory.create("/lasting")
        await directory.create("/ours", ephemeral=True)
        asked(server)
    assert server.asked[-1] == "Close"
    assert server.realm.passwords == {}
    assert server.realm.tree.names("/") == ["lasting"]
    assert directory.link.value.state is LinkState.EXPIRED
    with pytest.raises(DirectoryLost, match="we have left") as lost:
        await directory.delete("/lasting")
    assert not lost.value.sent


async def test_leaving_a_silent_server_is_bounded():
    server = Server()
    async with asyncio.timeout(BOUND), one(server) as directory:
        server.mute = frozenset({"Close"})
    assert server.asked[-1] == "Close"
    assert directory.link.value.state is LinkState.EXPIRED


async def test_leaving_without_a_connection_waits_for_nobody():
    server = Server()
    async with one(server) as directory:
        server.hang_up_at_once = True
        server.reset_all()
        async with asyncio.timeout(BOUND):
            await directory.link.until(lambda link: link.state is LinkState.SUSPENDED)
        server.asked.clear()
    assert server.asked == []


async def test_who_is_cancelled_still_leaves():
    server = Server()
    async with serving(server) as port:

        async def pod() -> None:
            async with joined(port):
                ready.set_result(None)
                await asyncio.Event().wait()

        ready = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(pod())
            await ready
            task.cancel()
        assert server.asked[-1] == "Close"


async def test_a_bug_in_the_body_is_told_and_the_session_is_left():
    server = Server()
    with pytest.raises(ExceptionGroup) as group:
        async with one(server):
            raise KeyError("a bug")
    assert group.group_contains(KeyError)
    assert server.asked[-1] == "Close"
