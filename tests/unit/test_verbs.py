"""The verbs over ZooKeeper, as commands, against a server that speaks its octets."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scene import observed
from shared_scene import BOTH, V4, V6, record
from vipd import api
from vipd.config import ApiConfig
from vipd.coord.directory import Create
from vipd.coord.layout import drain_path, maintenance_path, member_name, read_order, write_record
from vipd.coord.memory import Tree
from vipd.latest import Latest
from vipd.maintenance import wished
from zookeeper_server import Server, serving

ROOT = Path(__file__).parent.parent.parent
CONFIG = """
[speaker]
local-as = 64147
router-id = "10.0.0.5"
[[neighbor]]
address = "10.0.0.1"
peer-as = 64001
[[service]]
name = "apex"
[[service.vip]]
address = "{V4}"
pin = "web-8"
[[service.vip]]
address = "{V6}"
"""


class Fleet:
    """A server, two pods that have registered, and the commands that an operator types."""

    def __init__(self, tree: Tree, port: int) -> None:
        self.tree = tree
        self.zookeeper = f"127.0.0.1:{port}"

    async def vipd(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vipd", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                "PYTHONPATH": str(ROOT / "src"),
                "PATH": os.environ["PATH"],
                "VIPD_ZOOKEEPER": self.zookeeper,
                "SUDO_USER": "ada",
                **environ,
            },
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    def order(self, path: str):
        node = self.tree.node(path)
        assert node is not None
        assert node.data is not None
        return read_order(node.data)


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    server = Server()
    tree = server.realm.tree
    folder = "/vipd/services/apex/members"
    for depth in range(2, folder.count("/") + 2):
        tree.apply([Create(path="/".join(folder.split("/")[:depth]))])
    for pod, claim in (("web-7", V4), ("web-8", V6)):
        session = tree.open_session()
        octets = write_record(record(announcing={claim: 0}))
        path = f"{folder}/{member_name(pod, session)}"
        tree.apply([Create(path=path, data=octets, ephemeral=True)], session=session)
    async with serving(server) as port:
        yield Fleet(tree, port)


def there(path: str) -> bool:
    return Path(path).exists()


async def test_maintenance_on_status_off(fleet):
    path = maintenance_path("/vipd", "apex")
    status, out, err = await fleet.vipd("maintenance", "on", "apex", "--reason", "new disks", "--until", "2h")
    assert (status, err) == (0, "")
    assert out.startswith("apex is in maintenance: off the air on all of its pods, once they have read it (")
    order = fleet.order(path)
    assert (order.why, order.lifted, order.who.partition("@")[0]) == ("new disks", False, "ada")
    span = datetime.fromisoformat(order.until) - datetime.fromisoformat(order.when)
    assert span.total_seconds() == 7200
    assert (await fleet.vipd("maintenance", "status"))[1].startswith("apex: in maintenance by ada@")
    status, out, _ = await fleet.vipd("maintenance", "off", "apex", "-o", "json")
    assert (status, json.loads(out)["order"]["lifted"]) == (0, True)
    assert fleet.order(path).lifted
    assert "on the air, lifted by ada@" in (await fleet.vipd("maintenance", "status", "apex"))[1]


async def test_drain_and_undrain(fleet):
    path = drain_path("/vipd", "web-7")
    status, out, _ = await fleet.vipd("drain", "web-7", "--reason", "kernel")
    assert (status, out.partition(" (")[0]) == (
        0,
        "web-7 drains: it hands over what it announces, and stays",
    )
    assert (fleet.order(path).why, fleet.order(path).until) == ("kernel", "")
    _, out, _ = await fleet.vipd("why", V4)
    assert "Should: web-8" in out
    assert "  - web-8 claims it\n  - web-7 lets go of it\n" in out
    assert (await fleet.vipd("undrain", "web-7"))[0] == 0
    assert fleet.order(path).lifted
    assert (await fleet.vipd("drain", "web-9", "--reason", "x", "--anyway"))[0] == 0
    assert fleet.order(drain_path("/vipd", "web-9")).why == "x"


async def test_members_and_why(fleet):
    status, out, err = await fleet.vipd("members")
    assert (status, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["Service", "apex:"],
        ["Pod", "Zone"],
        ["web-7", "r2"],
        ["web-8", "r2"],
    ]
    (apex,) = json.loads((await fleet.vipd("members", "apex", "-o", "json"))[1])
    assert [row["eligible"] for row in apex["members"]] == [len(BOTH)] * 2
    assert "Does: web-8\n" in (await fleet.vipd("why", V6))[1]


async def test_the_configuration_tells_where_and_the_pins(fleet, tmp_path):
    path = tmp_path / "vipd.toml"
    coordination = f'[coordination]\nservers = "{fleet.zookeeper}"\npod-id = "web-8"\n'
    path.write_text(CONFIG.format(V4=V4, V6=V6) + coordination)
    said = {"VIPD_ZOOKEEPER": "", "VIPD_CONFIG": str(path)}
    assert (await fleet.vipd("drain", "--reason", "x", **said))[1].startswith("web-8 drains")
    status, out, _ = await fleet.vipd("members", "apex", **said)
    assert (status, "drained by ada@" in out) == (0, True)
    path.write_text(CONFIG.format(V4=V4, V6=V6).replace('pin = "web-8"', ""))
    status, _, err = await fleet.vipd("members", **said)
    assert (status, "has no [coordination]: say --zookeeper HOST:PORT" in err) == (78, True)
    status, _, err = await fleet.vipd("members", VIPD_ZOOKEEPER="", VIPD_CONFIG=str(tmp_path / "absent"))
    assert (status, "without a configuration, say --zookeeper" in err) == (78, True)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("drain", "web-7"), 64, "say why: --reason TEXT"),
        (("maintenance", "on", "--reason", "x"), 64, "which service? Or --local, for all of this pod"),
        (("drain", "web-9", "--reason", "x"), 65, "no pod web-9 has registered below /vipd; there are web-7"),
        (("maintenance", "on", "apxe", "--reason", "x"), 65, "there are apex"),
        (("maintenance", "status", "apxe"), 65, "there is no service apxe"),
        (("members", "apxe"), 65, "no pod has registered for a service apxe; there are apex"),
        (("why", "192.0.2.99"), 65, "no pod has registered with the VIP 192.0.2.99; there are"),
        (("members", "--root", "/other"), 65, "/other/services: it is not there: no pod has ever been here"),
        (("members", "--root", "/"), 64, "a path begins"),
        (("members", "--zookeeper", "a:b"), 64, "the port must be between 1 and 65535"),
        (("members", "--auth-file", "/nowhere"), 64, "could not be read: No such file or directory"),
        (("members", "--zookeeper", "127.0.0.1:1", "--timeout", "0.3"), 69, "was not reached within 0.3 s"),
        (("drain", "web-7", "--reason", "x" * 5000), 64, "at most 4096 are read"),
        (("drain", "web-7", "--reason", "x", "--until", "soon"), 64, "must be a span"),
        (("drain", "web-7", "--reason", "x", "--until", "2020-01-01"), 64, "which has passed"),
    ],
)
async def test_what_is_refused(fleet, arguments, status, sentence):
    found, out, err = await fleet.vipd(*arguments)
    assert (found, out) == (status, "")
    assert err.startswith("vipd: ")
    assert sentence in err


async def test_credentials_come_from_a_file(fleet, tmp_path):
    path = tmp_path / "login"
    path.write_text("vipd:hush\n")
    status, out, _ = await fleet.vipd("members", "--auth-file", str(path))
    assert (status, "hush" in out) == (0, False)


async def test_until_may_be_a_time_with_an_offset(fleet):
    year = datetime.now(UTC).year + 1
    await fleet.vipd("drain", "web-7", "--reason", "x", "--until", f"{year}-05-01T12:00+02:00")
    assert fleet.order(drain_path("/vipd", "web-7")).until == f"{year}-05-01T10:00:00Z"


async def test_local_maintenance_needs_no_zookeeper(fleet, tmp_path):
    path = str(tmp_path / "vipd.sock")
    standing: dict[str, str] = {}

    def order(wish: object) -> object:
        after = wished(standing, ("apex", "spare"), wish)
        standing.clear()
        standing.update(after)
        return {"maintenance": standing}

    def scene():
        return observed(maintenance=dict(standing))

    async with api.serve(Latest(ApiConfig(listen=None, socket=path)), scene, orders={"/maintenance": order}):
        async with asyncio.timeout(20):
            while not there(path):  # noqa: ASYNC110 - it is another task's file
                await asyncio.sleep(0.001)
        local = ("--local", "--socket", path)
        status, out, _ = await fleet.vipd("maintenance", "on", "apex", *local, "--reason", "disk")
        assert (status, out.startswith("apex: in maintenance on this pod: ada@")) == (0, True)
        assert list(standing) == ["apex"]
        assert standing["apex"].endswith(": disk")
        assert (await fleet.vipd("maintenance", "status", *local))[1] == out
        assert (await fleet.vipd("maintenance", "on", *local))[0] == 64
        status, _, err = await fleet.vipd("maintenance", "on", "x", *local, "--reason", "y")
        assert (status, "there is no service x; there are apex, spare" in err) == (69, True)
        status, out, _ = await fleet.vipd("maintenance", "off", *local)
        assert (status, out, standing) == (0, "Nothing is in maintenance on this pod alone.\n", {})


async def test_the_members_of_a_service_in_exazk_layout_are_its_nodes(fleet, tmp_path):
    path, place = tmp_path / "vipd.toml", "/exabgp"
    path.write_text(
        CONFIG.format(V4=V4, V6=V6).replace(
            'name = "apex"', 'name = "pages"\nlayout = "exazk"\nexazk-path = "/exabgp"\ntakeover = "all"'
        )
        + f'[coordination]\nservers = "{fleet.zookeeper}"\npod-id = "web-8"\n'
    )
    said = {"VIPD_ZOOKEEPER": "", "VIPD_CONFIG": str(path)}
    status, _, err = await fleet.vipd("members", "pages", **said)
    assert (status, "no pod has registered for a service pages; there are apex" in err) == (65, True)
    fleet.tree.apply([Create(path=place), Create(path=f"{place}/{V6}")])
    status, out, err = await fleet.vipd("members", "-o", "json", **said)
    assert (status, err) == (0, "")
    apex, pages = json.loads(out)
    assert [service["service"] for service in (apex, pages)] == ["apex", "pages"]
    assert {row["pod"]: row["claims"] for row in pages["members"]} == {V6: 1, "others": 1}
