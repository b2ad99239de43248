import json

import pytest
from structlog.testing import capture_logs

from vipd.config import load
from vipd.config.machine import Machine
from vipd.config.sections import Defined
from vipd.coord.member import Definition, Member, Phase, Record, Unreadable, View
from vipd.definitions import Definitions

ONE, TWO, THREE, FOUR = (f"192.0.2.{n}" for n in range(1, 5))
FILE = """
[speaker]
local-as = 64147
router-id = "10.0.0.5"
[[neighbor]]
address = "10.0.0.1"
peer-as = 64001
[coordination]
servers = ["zk1"]
pod-id = "pod-a"
[[service]]
name = "apex"
vips = ["192.0.2.1"]
vips-from = "zookeeper"
allow = ["{allow}"]
[[service]]
name = "pages"
vips = ["198.51.100.1"]
vips-from = "zookeeper"
allow = ["{allow}"]
[[service]]
name = "fixed"
vips = ["203.0.113.1"]
"""


@pytest.fixture
def read(tmp_path):
    def config(allow="192.0.2.0/24"):
        path = tmp_path / "vipd.toml"
        path.write_text(FILE.format(allow=allow))
        return load(str(path), {}, machine=Machine(hostname=lambda: "pod-a"))

    return config


@pytest.fixture
def definitions(read) -> Definitions:
    return Definitions(read())


def record(*vips) -> Record:
    return Record(
        algorithm=1,
        zone="",
        weight=1,
        phase=Phase.RUNNING,
        sessions_up=1,
        sessions_configured=1,
        serves=frozenset(vips),
        eligible=frozenset(vips),
    )


def view(octets: bytes | None = None, *, siblings=(), there=True) -> View:
    members = {
        f"pod-{n}~b": Member(name=f"pod-{n}~b", pod=f"pod-{n}", czxid=n, version=0, record=each)
        for n, each in enumerate(siblings)
    }
    members["pod-a~a"] = Member(name="pod-a~a", pod="pod-a", czxid=9, version=0, record=record(ONE))
    definition = Definition(octets=octets) if there else None
    return View(own="pod-a~a", members=members, definition=definition, read_at=0.0, trusted_until=9.0)


NOTHING = view(there=False)


def defines(*vips, **others) -> View:
    return view(json.dumps({"schema": 1, "vips": list(vips), **others}).encode())


def vips(definitions: Definitions, index: int = 0) -> tuple[str, ...]:
    return definitions.config.services[index].service.vips


def test_the_file_until_zookeeper_tells(definitions):
    before = definitions.config
    assert vips(definitions) == (ONE,)
    assert not definitions.see("apex", NOTHING)
    assert definitions.config is before
    assert definitions.told() == {"apex": Defined(), "pages": Defined()}


def test_a_definition_is_taken_once_and_each_change_of_it(definitions):
    with capture_logs() as logs:
        assert definitions.see("apex", defines(ONE, TWO))
        assert not definitions.see("apex", defines(ONE, TWO))
        assert vips(definitions) == (ONE, TWO)
        assert definitions.see("apex", defines(ONE, TWO, pins={TWO: "pod-b"}))
    assert definitions.config.services[0].service.pins == {TWO: "pod-b"}
    assert definitions.told()["apex"] == Defined(source="zookeeper")
    assert [line["event"] for line in logs] == ["definition_taken"] * 2
    assert vips(definitions, 1) == ("198.51.100.1",)


def test_services_of_the_file_alone_and_strangers_are_not_asked_for(definitions):
    assert not definitions.see("fixed", defines(ONE))
    assert not definitions.see("nobody", defines(ONE))


@pytest.mark.parametrize(
    "octets", [b"", b"{", b'{"schema": 9}', b'{"schema": 1, "vips": ["8.8.8.8"], "force": true}']
)
def test_what_cannot_be_taken_leaves_what_there_was_and_is_told(definitions, octets):
    with capture_logs() as logs:
        assert not definitions.see("apex", view(octets))
        assert vips(definitions) == (ONE,)
        told = definitions.told()["apex"]
        assert told.source == "file"
        assert told.refused.startswith("/vipd/services/apex/definition")
        assert definitions.see("apex", defines(ONE, TWO))
        assert not definitions.see("apex", view(octets))
        assert not definitions.see("apex", view(octets))
    assert vips(definitions) == (ONE, TWO)
    assert definitions.told()["apex"] == Defined(source="zookeeper", refused=told.refused)
    assert [line["event"] for line in logs] == [
        "definition_refused",
        "definition_taken",
        "definition_refused",
    ]
    assert not definitions.see("apex", defines(ONE, TWO)), "it is what is in force"
    assert definitions.told()["apex"] == Defined(source="zookeeper")


def test_one_that_may_not_be_read_is_told(definitions):
    assert definitions.see("apex", defines(ONE, TWO))
    assert not definitions.see("apex", view(None))
    assert definitions.told()["apex"] == Defined(
        source="zookeeper", refused="its ACL does not let us read it"
    )


def test_one_that_is_deleted_is_kept_loudly(definitions):
    assert definitions.see("apex", defines(ONE, TWO))
    with capture_logs() as logs:
        assert not definitions.see("apex", NOTHING)
        assert not definitions.see("apex", NOTHING)
    assert vips(definitions) == (ONE, TWO)
    assert definitions.told()["apex"] == Defined(source="zookeeper", deleted=True)
    assert [line["event"] for line in logs] == ["definition_deleted"]
    assert definitions.see("apex", defines(ONE, TWO, THREE))


def test_over_half_goes_by_force_alone(definitions):
    assert definitions.see("apex", defines(ONE, TWO, THREE, FOUR))
    assert not definitions.see("apex", defines(ONE))
    assert "over half" in definitions.told()["apex"].refused
    assert definitions.see("apex", defines(ONE, force=True))
    assert vips(definitions) == (ONE,)


def test_at_the_first_reading_what_siblings_serve_must_not_be_halved(read):
    octets = defines(ONE).definition.octets
    for siblings, taken in (
        ((record(ONE, TWO, THREE),), False),
        ((record(ONE), Unreadable(reason="no JSON")), True),
        ((), True),
    ):
        definitions = Definitions(read())
        definitions.see("apex", view(octets, siblings=siblings))
        assert (definitions.told()["apex"].source == "zookeeper") is taken


def test_the_first_definition_may_not_halve_the_file_either(definitions):
    definitions.see("apex", NOTHING)
    assert not definitions.see("apex", defines(TWO))
    assert "over half" in definitions.told()["apex"].refused


def test_a_vip_that_moves_is_taken_once_the_other_service_has_let_go(definitions):
    assert definitions.see("apex", defines(ONE, TWO))
    assert not definitions.see("pages", defines("198.51.100.1", TWO))
    assert "taken by service apex" in definitions.told()["pages"].refused
    assert definitions.see("apex", defines(ONE))
    assert (vips(definitions), vips(definitions, 1)) == ((ONE,), ("198.51.100.1", TWO))
    assert definitions.told()["pages"] == Defined(source="zookeeper")


def test_another_file_keeps_what_is_defined_as_far_as_it_allows(definitions, read):
    assert definitions.see("apex", defines(ONE, TWO))
    assert vips(definitions) == (ONE, TWO)
    config = definitions.configure(read())
    assert config is definitions.config
    assert vips(definitions) == (ONE, TWO)
    definitions.configure(read("10.0.0.0/8"))
    assert vips(definitions) == (ONE,)
    told = definitions.told()["apex"]
    assert told.source == "file"
    assert "allow" in told.refused
