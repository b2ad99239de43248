"""`vipd service`, as a command, against a server that speaks ZooKeeper's octets."""

import json

import pytest

from shared_scene import V4, V6, record
from unit.test_verbs import Fleet, fleet  # noqa: F401 - it is a fixture
from vipd.coord.directory import Create, Set
from vipd.coord.layout import definition_path, member_name, write_record

PATH = definition_path("/vipd", "apex")
NEW = "192.0.2.77"
OTHER = "203.0.113.9"


def text(*vips, **others) -> str:
    return json.dumps({"schema": 1, "vips": list(vips), **others})


@pytest.fixture
def apex(fleet, tmp_path):  # noqa: F811 - it is that fixture
    """The fleet, and another service beside it."""
    folder = "/vipd/services/pages"
    session = fleet.tree.open_session()
    octets = write_record(record(serves=frozenset({OTHER}), eligible=frozenset({OTHER})))
    fleet.tree.apply([Create(path=folder), Create(path=f"{folder}/members")])
    fleet.tree.apply(
        [Create(path=f"{folder}/members/{member_name('web-7', session)}", data=octets, ephemeral=True)],
        session=session,
    )
    return Apex(fleet, tmp_path / "apex.json")


class Apex:
    def __init__(self, fleet: Fleet, file) -> None:  # noqa: F811 - as above
        self.fleet = fleet
        self.file = file

    async def vipd(self, action: str, written: str, *options: str, **environ: str):
        self.file.write_text(written)
        return await self.fleet.vipd("service", action, "apex", str(self.file), *options, **environ)

    def stands(self):
        node = self.fleet.tree.node(PATH)
        return None if node is None else json.loads(node.data)


async def test_a_definition_is_set_shown_and_set_again(apex):
    status, out, err = await apex.vipd("validate", text(V4, V6, NEW))
    assert (status, out, err) == (0, "apex with 3 VIPs could be set; nothing was\n", "")
    assert apex.stands() is None
    written = text(V4, V6, NEW, pins={NEW: "web-8"}, policy={"copies": 2})
    status, out, err = await apex.vipd("set", written)
    assert (status, err) == (0, "")
    assert out.startswith("apex with 3 VIPs is set: each pod serves it once it has read it")
    stands = apex.stands()
    assert stands.pop("who").startswith("ada@")
    assert stands.pop("when")
    assert stands == json.loads(written)
    status, out, _ = await apex.fleet.vipd("service", "show", "apex")
    assert status == 0
    assert f"{NEW} web-8 0 of 2 pods" in " ".join(out.split())
    assert f"  - web-7 does not serve {NEW}: vipd status there says why" in out
    status, out, _ = await apex.fleet.vipd("service", "show", "apex", "-o", "json")
    shown = json.loads(out)
    assert shown["vips"] == [V4, V6, NEW]
    assert (await apex.vipd("set", json.dumps(shown)))[0] == 0
    assert "Pinned to: web-8" not in (await apex.fleet.vipd("why", V4))[1]
    assert "Should: web-7, web-8\n" in (await apex.fleet.vipd("why", V4))[1], "two copies, by the definition"


async def test_over_half_goes_by_force_alone(apex):
    status, _, err = await apex.vipd("set", text(NEW))
    assert (status, "would remove 2 of 2 VIPs" in err) == (65, True)
    assert apex.stands() is None
    assert (await apex.vipd("set", text(NEW), "--force"))[0] == 0
    assert apex.stands()["force"] is True
    assert (await apex.vipd("set", text(V4)))[0] == 65
    assert (await apex.vipd("set", text(V4, force=True)))[0] == 0


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ('{"schema": 2}', "schema = 2: is newer than 1"),
        ('{"schema": 1, "vips": []}', "vips: is empty"),
        (text(V4, V6, OTHER), f'vips[2] = "{OTHER}": is taken by service pages'),
        (text(V4, V6) + " " * (1 << 20), "octets; at most 524,288 are read"),
    ],
)
async def test_what_is_refused_is_not_written(apex, written, sentence):
    for action in ("validate", "set"):
        status, out, err = await apex.vipd(action, written)
        assert (status, out) == (65, "")
        assert sentence in err
        assert err.endswith("vipd: nothing was set\n")
    assert apex.stands() is None


async def test_a_service_that_nobody_serves(apex):
    apex.file.write_text(text(NEW))
    refused = await apex.fleet.vipd("service", "set", "apxe", str(apex.file))
    assert (refused[0], "no pod has registered for a service apxe" in refused[2]) == (65, True)
    assert (await apex.fleet.vipd("service", "set", "apxe", str(apex.file), "--anyway"))[0] == 0
    status, _, err = await apex.vipd("validate", text(V4, V6, NEW))
    assert (status, "is taken by service apxe" in err) == (65, True)


async def test_one_that_stands_and_is_wrong_is_told(apex):
    status, _, err = await apex.fleet.vipd("service", "show", "apex")
    assert (status, "ZooKeeper does not define apex: its VIPs are those of each pod" in err) == (65, True)
    apex.fleet.tree.apply([Create(path=PATH, data=b"{")])
    status, _, err = await apex.fleet.vipd("service", "show", "apex")
    assert (status, "every pod refuses it, and keeps what it had" in err) == (65, True)
    assert (await apex.vipd("set", text(V4, V6, NEW)))[0] == 0
    apex.fleet.tree.apply([Set(path=PATH, data=b"")])
    assert (await apex.vipd("set", text(V4)))[0] == 0, "half of what is served is not over half"


async def test_files_that_are_not_there(apex):
    status, _, err = await apex.fleet.vipd("service", "set", "apex")
    assert (status, "which FILE? - is standard input" in err) == (64, True)
    status, _, err = await apex.fleet.vipd("service", "set", "apex", "/nowhere/apex.json")
    assert (status, "No such file" in err) == (74, True)


async def test_the_configuration_of_this_host_tells_what_is_allowed(apex, tmp_path):
    path = tmp_path / "vipd.toml"
    path.write_text(
        f"""
        [speaker]
        local-as = 64147
        router-id = "10.0.0.5"
        [[neighbor]]
        address = "10.0.0.1"
        peer-as = 64001
        [[service]]
        name = "apex"
        vips = ["{V4}", "{V6}"]
        vips-from = "zookeeper"
        [coordination]
        servers = "{apex.fleet.zookeeper}"
        """
    )
    said = {"VIPD_ZOOKEEPER": "", "VIPD_CONFIG": str(path)}
    status, _, err = await apex.vipd("validate", text(V4, V6, NEW), **said)
    assert (status, "`allow` of this pod" in err) == (65, True)
    assert (await apex.vipd("validate", text(V6), **said))[0] == 0
