import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from sim.loop import simulated
from vipd.coord.directory import AccessDenied, Create, Delete, DirectoryLost, Node, Set
from vipd.coord.memory import Tree, join
from vipd.health import NerveProbe, Result
from vipd.nerve import REWRITTEN, Reports, judge

PATH = "/services/apex"
PROBE = NerveProbe(path=PATH, host="lb-1")
NAME = "_c_0f3a-apex_lb-1_0000000012"
AVAILABLE = Result(good=True, message="nerve says available")


def report(**changes) -> bytes:
    told = {"available": True, "host": "lb-1", "port": 80, "name": "apex", "weight": 255}
    return json.dumps(told | changes).encode()


def node(name: str, octets: bytes | None) -> Node:
    return Node(path=f"{PATH}/{name}", data=octets, czxid=1, mzxid=1, version=0, ephemeral_owner=7)


def verdict(**nodes: bytes | None) -> Result | None:
    return judge({name: node(name, octets) for name, octets in nodes.items()}, PROBE)


def test_a_report_of_this_host_that_says_available():
    assert verdict(**{NAME: report()}) == AVAILABLE
    assert verdict(anything=report()) == AVAILABLE, "it is the JSON that tells the host"


def test_what_others_report_is_passed_over():
    assert judge(None, PROBE) is None
    assert verdict() is None
    assert verdict(other=report(host="lb-2"), garbage=b"no JSON", denied=None) is None
    assert verdict(**{NAME: report(host="lb-2")}) is None
    assert verdict(other=b'{"available": false}') is None


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (report(available=False, unavailable_reason="no answer"), "nerve says unavailable: no answer"),
        (report(available=False), "nerve says unavailable: it does not say why"),
        (report(available="yes"), f"{PATH}/{NAME} is no report of nerve: available is not true or false"),
        (b'{"weight": 1}', f"{PATH}/{NAME} is no report of nerve: available is not true or false"),
        (b"", f"{PATH}/{NAME} is no report of nerve: it is not JSON"),
        (b"\xff{", f"{PATH}/{NAME} is no report of nerve: it is not JSON"),
        (b"[" * 100_000, f"{PATH}/{NAME} is no report of nerve: it is not JSON"),
        (b"[1]", f"{PATH}/{NAME} is no report of nerve: it is not a JSON object"),
        (None, f"{PATH}/{NAME} may not be read: its ACL does not let us"),
    ],
)
def test_a_report_of_this_host_that_is_not_good_says_why(octets, message):
    assert verdict(**{NAME: octets}) == Result(good=False, message=message)
    good = {"_c_1-apex_lb-1_0000000001": report()}
    assert verdict(**good, **{NAME: octets}) == Result(good=False, message=message), "every one counts"


class Nerve:
    """A tree with reports in it, and a pod that looks at them."""

    def __init__(self, tree, directory) -> None:
        self.tree = tree
        self.directory = directory
        self.reports = Reports(lambda: self.directory)

    def write(self, octets: bytes) -> None:
        path = f"{PATH}/{NAME}"
        known = self.tree.node(path) is not None
        self.tree.apply([Set(path=path, data=octets) if known else Create(path=path, data=octets)])

    def vanish(self) -> None:
        self.tree.apply([Delete(path=f"{PATH}/{NAME}")])

    async def says(self) -> tuple[bool, str]:
        result = await self.reports.ask(PROBE)
        return result.good, result.message


@asynccontextmanager
async def nerve():
    tree = Tree()
    async with join(tree) as directory:
        await directory.ensure(PATH)
        yield Nerve(tree, directory)


@simulated
async def test_a_report_that_comes_changes_and_vanishes():
    async with nerve() as story:
        missing = f"no report of lb-1 below {PATH}"
        assert await story.says() == (False, f"{missing}: there never was one")
        story.write(report())
        assert await story.says() == (True, "nerve says available")
        story.write(report(available=False, unavailable_reason="busy"))
        assert await story.says() == (False, "nerve says unavailable: busy")
        story.write(report())
        assert (await story.says())[0]
        story.vanish()
        for _ in range(2):
            assert await story.says() == (False, f"{missing}: it has vanished")


@simulated
async def test_while_zookeeper_is_away_the_last_word_stands():
    async with nerve() as story:
        story.directory.cut()
        assert await story.says() == (False, "ZooKeeper has not been reached yet")
        story.directory.connect()
        story.write(report())
        assert (await story.says())[0]
        story.directory.cut()
        assert await story.says() == (True, "ZooKeeper is not reached; before: nerve says available")
        directory, story.directory = story.directory, None
        assert (await story.says())[0]
        story.directory = directory
        directory.connect()
        story.write(report(available=False))
        assert not (await story.says())[0]
        directory.cut()
        assert not (await story.says())[0]


@simulated
async def test_a_report_that_went_in_an_outage_is_waited_for():
    async with nerve() as story:
        story.write(report())
        assert (await story.says())[0]
        story.directory.cut()
        story.vanish()
        story.directory.connect()
        good, message = await story.says()
        assert good
        assert (
            message
            == f"no report of lb-1 below {PATH} since ZooKeeper was away; before: nerve says available"
        )
        story.write(report())
        assert await story.says() == (True, "nerve says available")
        story.vanish()
        assert await story.says() == (False, f"no report of lb-1 below {PATH}: it has vanished")


@simulated
async def test_it_is_not_waited_for_without_end():
    async with nerve() as story:
        story.write(report())
        assert (await story.says())[0]
        story.directory.cut()
        story.vanish()
        story.directory.connect()
        assert (await story.says())[0]
        await asyncio.sleep(REWRITTEN - 1)
        assert (await story.says())[0]
        await asyncio.sleep(1)
        assert await story.says() == (False, f"no report of lb-1 below {PATH}: it has vanished")


@simulated
async def test_what_was_bad_before_an_outage_stays_so():
    async with nerve() as story:
        story.write(report(available=False))
        assert not (await story.says())[0]
        story.directory.cut()
        story.vanish()
        story.directory.connect()
        assert await story.says() == (False, "nerve says unavailable: it does not say why")


@simulated
async def test_a_connection_that_ends_in_the_middle_and_a_folder_that_is_not_for_us():
    async with nerve() as story:
        story.write(report())
        assert (await story.says())[0]
        read, story.directory.read = story.directory.read, Failing(DirectoryLost("gone", sent=True))
        assert await story.says() == (True, "ZooKeeper is not reached; before: nerve says available")
        story.directory.read = Failing(AccessDenied(PATH, "its ACL does not allow us that"))
        assert await story.says() == (False, f"{PATH}: its ACL does not allow us that")
        story.directory.read = read
        assert (await story.says())[0]


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def __call__(self, **_: object):
        raise self.error
