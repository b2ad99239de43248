import json

import pytest

from vipd.config import ConfigError, render
from vipd.config.definition import Definition, define, policy_of, read_definition, removes_too_many
from vipd.coord.layout import DEFINITION_OCTETS
from vipd.coord.member import Standby, Takeover

PATH = "/vipd/services/apex/definition"
ONE, TWO, SIX = "192.0.2.1", "192.0.2.2", "2001:db8::1"
FILE = """
[coordination]
servers = ["zk1"]
[[service]]
name = "apex"
vips = ["192.0.2.1"]
vips-from = "zookeeper"
allow = ["192.0.2.0/24", "2001:db8::/64"]
med = 7
takeover = "all"
  [[service.vip]]
  address = "198.51.100.9"
  med = 9
    [[service.vip.check]]
    tcp = "127.0.0.1:80"
[[service]]
name = "other"
vips = ["192.0.2.9"]
"""


def written(*vips, **others) -> bytes:
    return json.dumps({"schema": 1, "vips": list(vips), **others}).encode()


def problems(octets: bytes) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read_definition(octets, PATH)
    return {problem.key: problem.reason for problem in caught.value.problems}


def test_everything_that_can_be_said():
    found = read_definition(
        written(
            "192.0.2.2/32",
            "2001:DB8::1",
            pins={"2001:db8:0::1": "lb-1"},
            policy={"copies": 2, "settle": 0.5},
            force=True,
            who="ada@web",
            when="now",
            why="new",
        ),
        PATH,
    )
    assert found == Definition(
        vips=(TWO, SIX), pins={SIX: "lb-1"}, policy={"copies": 2, "settle": 0.5}, force=True
    )


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "is not JSON: Expecting property name"),
        (b"\xff", "is not JSON: "),
        (b"[" * 100_000, "is not JSON: "),
        (b"[]", 'is not a JSON object, {"schema": 1, "vips": […]}'),
        (written(ONE) + b" " * (1 << 20), "has 1,048,612 octets; at most 524,288 are read"),
    ],
)
def test_what_is_no_definition_at_all(octets, reason):
    (found,) = problems(octets).values()
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("octets", "key", "reason"),
    [
        (b'{"vips": ["192.0.2.1"]}', "schema", "is missing: 1"),
        (b'{"schema": 2, "something": 1}', "schema", "is newer than 1, the newest that this vipd reads"),
        (b'{"schema": true, "vips": ["192.0.2.1"]}', "schema", "must be an integer: 1 to 1"),
        (b'{"schema": 1}', "vips", "is missing: list of IP addresses"),
        (written(), "vips", "is empty: to take a service off the air, vipd maintenance is the way"),
        (written("192.0.2.0/24"), "vips[0]", "a VIP is a host address and no wider prefix"),
        (written(ONE, TWO, "192.0.2.1/32"), "vips[2]", "stands there twice"),
        (written(ONE, pins={TWO: "lb-1"}), f"pins.{TWO}", "is not one of vips"),
        (written(ONE, pins={"x": "lb-1"}), "pins.x", "must be one address"),
        (written(ONE, pins={ONE: "a/b"}), f"pins.{ONE}", "must be 1 to 128 letters"),
        (written(ONE, pins=[]), "pins", "must be pod-ids by VIP"),
        (written(ONE, policy={"copies": 0}), "policy.copies", "must be an integer: 1 to 64"),
        (written(ONE, policy={"copys": 2}), "policy.copys", 'did you mean "copies"?'),
        (written(ONE, policy=[]), "policy", "must be a table"),
        (written(ONE, policys={}), "policys", 'did you mean "policy"?'),
        (written(ONE, force="yes"), "force", "must be true or false"),
    ],
)
def test_each_mistake_is_told_at_its_place(octets, key, reason):
    found = problems(octets)
    assert found.keys() == {key}
    assert reason in found[key]


def test_a_definition_comes_before_the_file(read, head):
    config = read(head + FILE)
    service = config.services[0]
    found = Definition(vips=(TWO, ONE), pins={TWO: "lb-1"}, policy={"standby": "hot"})
    defined = define(service, found, config, PATH)
    assert defined.service.vips == (TWO, ONE)
    assert defined.service.pins == {TWO: "lb-1"}
    assert (defined.service.standby, defined.service.takeover) == (Standby.HOT, Takeover.ALL)
    assert {vip: route.med for vip, route in defined.routes.items()} == {TWO: 7, ONE: 7}
    assert not defined.checks, "that of a VIP goes with it"
    back = define(service, Definition(vips=("198.51.100.9",)), config, PATH)
    assert {vip: route.med for vip, route in back.routes.items()} == {"198.51.100.9": 9}
    assert len(back.checks) == 1


@pytest.mark.parametrize(
    ("found", "key", "reason"),
    [
        (
            Definition(vips=("198.51.100.1",)),
            "vips[0]",
            "is not in what `allow` of this pod's file lets it be",
        ),
        (Definition(vips=(ONE, "192.0.2.9")), "vips[1]", "is taken by service other"),
        (Definition(vips=(ONE, "10.0.0.1")), "vips[1]", "is taken by neighbour 10.0.0.1"),
        (Definition(vips=(ONE,), policy={"min-sessions": 2}), "policy.min-sessions", "more than there are"),
        (Definition(vips=(ONE,), policy={"handback-max": 1.0}), "policy.handback-max", "must not be less"),
    ],
)
def test_what_this_pod_cannot_take(read, head, found, key, reason):
    config = read(head + FILE)
    with pytest.raises(ConfigError) as caught:
        define(config.services[0], found, config, PATH)
    (problem,) = caught.value.problems
    assert (problem.path, problem.key) == (PATH, key)
    assert reason in problem.reason


def test_a_rank_that_the_as_path_has_no_room_for_is_refused(read, head):
    config = read(head.replace("[[service]]", "") + "prepend-step = 200\n" + FILE)
    with pytest.raises(ConfigError, match="prepend"):
        define(
            config.services[0],
            Definition(vips=(ONE,), policy={"standby": "hot", "standbys": 2}),
            config,
            PATH,
        )


def test_too_many_vips_for_a_record_are_refused(read, head):
    vips = tuple(f"192.0.{n >> 8}.{n & 255}" for n in range(1, 30_000))
    assert len(written(*vips)) < DEFINITION_OCTETS
    config = read(head + FILE.replace("192.0.2.0/24", "192.0.0.0/16").replace("192.0.2.9", "10.9.9.9"))
    with pytest.raises(ConfigError, match="are too many, 29,999"):
        define(config.services[0], Definition(vips=vips), config, PATH)


def test_over_half_goes_by_force_alone():
    before = frozenset(f"192.0.2.{n}" for n in range(1, 5))
    removes_too_many(frozenset(), Definition(vips=(ONE,)), PATH)
    removes_too_many(before, Definition(vips=(ONE, TWO)), PATH)
    removes_too_many(before, Definition(vips=(SIX,), force=True), PATH)
    with pytest.raises(ConfigError) as caught:
        removes_too_many(before, Definition(vips=(ONE, SIX)), PATH)
    assert str(caught.value) == (
        f'{PATH}: vips: would remove 3 of 4 VIPs, which is over half: that needs "force": true'
    )


def test_a_definition_by_itself_is_a_service():
    found = Definition(vips=(ONE,), pins={ONE: "lb-1"}, policy={"copies": 3})
    service = policy_of(found, "apex")
    assert (service.name, service.vips, service.pins, service.copies) == ("apex", (ONE,), {ONE: "lb-1"}, 3)


def test_vips_from_zookeeper_in_the_file(read, wrong, head, tmp_path):
    config = read(head + FILE)
    again = read(render(config))
    assert again.services == config.services
    bare = read(head + FILE.replace('vips = ["192.0.2.1"]\n', "").replace("198.51.100.9", "192.0.2.77"))
    assert bare.services[0].definable is not None
    none = '[[service]]\nname = "empty"\nvips-from = "zookeeper"\n'
    coordinated = head + '[coordination]\nservers = ["zk1"]\n'
    assert wrong(coordinated + none).keys() == {"service[0].vips"}
    empty = read(coordinated + none + 'allow = ["192.0.2.0/24"]\n')
    assert empty.services[0].service.vips == ()
    assert read(render(empty)).services == empty.services
    assert wrong(head + none + 'allow = ["192.0.2.0/24"]\n') == {
        "service[0].vips-from": (
            None,
            "needs [coordination]: without it, each pod announces its VIPs by itself",
        )
    }
    assert wrong(
        coordinated + '[[service]]\nname = "x"\nvips = ["192.0.2.1"]\nallow = ["192.0.2.0/24"]\n'
    ) == {"service[0].allow": (None, 'needs vips-from = "zookeeper": else nobody else can add a VIP')}
    assert wrong(coordinated + none + 'allow = ["192.0.2.1/24", 7]\n').keys() == {
        "service[0].allow[0]",
        "service[0].allow[1]",
    }
