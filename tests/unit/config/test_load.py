import os
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from vipd.config import (
    ApiConfig,
    ConfigError,
    DrainConfig,
    LogConfig,
    LogFormat,
    LoopbackConfig,
    SpeakerConfig,
    load,
)

SERVICE = """
[[service]]
name = "apex"
vips = ["192.0.2.1", "10.0.0.5"]
[[service.check]]
tcp = "127.0.0.1:80"
"""


def test_what_is_not_said_is_as_the_sections_have_it(read, head):
    config = read(head)
    assert config.speaker == SpeakerConfig(local_as=64147, router_id=IPv4Address("10.0.0.5"))
    assert config.loopback == LoopbackConfig()
    assert config.drain == DrainConfig()
    assert config.api == ApiConfig()
    assert config.log == LogConfig()
    assert config.path.endswith("/vipd.toml")


def test_everything_that_can_be_said(read):
    config = read(
        """
        [speaker]
        local-as = 64147
        router-id = "10.9.9.9"
        listen = ["127.0.0.1:1790", "[::1]:1790"]
        [[neighbor]]
        address = "10.0.0.1"
        peer-as = 64001
        [loopback]
        manage = true
        label = "mine"
        [drain]
        graceful-shutdown = 20
        linger = 0
        [api]
        listen = ""
        socket = "/tmp/x"
        [log]
        format = "json"
        level = "debug"
        """
    )
    assert config.speaker == SpeakerConfig(
        local_as=64147,
        router_id=IPv4Address("10.9.9.9"),
        listen=(("127.0.0.1", 1790), ("::1", 1790)),
    )
    assert config.loopback == LoopbackConfig(manage=True, label="mine")
    assert config.drain == DrainConfig(linger=0.0, graceful_shutdown=20.0)
    assert config.api == ApiConfig(listen=None, socket="/tmp/x")
    assert config.log == LogConfig(format=LogFormat.JSON, level="debug")


def test_equal_files_are_equal_configurations(read, head):
    assert read(head + SERVICE) == read("# the same\n" + head + SERVICE)
    assert read(head + SERVICE) != read(head + SERVICE.replace("80", "81"))


def test_the_environment_stands_for_numbers_and_booleans(read, wrong):
    text = """
        [speaker]
        local-as = "${AS}"
        [[neighbor]]
        address = "10.0.0.${LAST:-1}"
        peer-as = "6400${RACK}"
        [loopback]
        manage = "${MANAGE:-true}"
        """
    config = read(text, {"AS": "64147", "RACK": "7"})
    assert config.speaker.local_as == 64147
    assert config.neighbors["10.0.0.1"].peer_as == 64007
    assert config.loopback.manage
    assert wrong(text, {"RACK": "7"}) == {
        "speaker.local-as": ('"${AS}"', "AS is not in the environment; ${AS:-…} gives a default")
    }


def test_the_socket_may_come_from_the_environment(read, wrong, head):
    environ = {"VIPD_SOCKET": "/tmp/from-environment"}
    assert read(head, environ).api.socket == "/tmp/from-environment"
    assert read(head + '[api]\nsocket = "/tmp/from-file"', environ).api.socket == "/tmp/from-file"
    assert set(wrong(head, {"VIPD_SOCKET": "x"})) == {"api.socket"}


def test_all_problems_are_told_together(wrong, head):
    text = (
        head
        + '[drain]\nlinger = -1\n[api]\nlisten = "a"\n[log]\nlevel = "loud"\n[loopback]\nmanage = 1\n[dran]\n'
    )
    assert set(wrong(text)) == {"drain.linger", "api.listen", "log.level", "loopback.manage", "dran"}


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("speaker = 1", "speaker", "must be a table, [speaker]"),
        ("[[speaker]]", "speaker", "must be a table, [speaker]"),
        ('neighbor-defaults = "a"', "neighbor-defaults", "must be a table, [neighbor-defaults]"),
        ("[neighbor]", "neighbor", "double brackets"),
        ("service = [1]", "service", "double brackets"),
        ("api = []", "api", "must be a table, [api]"),
        ("coordination = 1", "coordination", "must be a table, [coordination]"),
        ("[coordination]", "coordination.servers", "is missing"),
        ("drain = {timeout = 5}", "drain.timeout", "needs [coordination]"),
        ("[zookeeper]", "zookeeper", "is not a key of the file"),
        ("[neighbour]", "neighbour", 'did you mean "neighbor"?'),
        ('"\\u001b[31m" = 1', r"'\x1b[31m'", "is not a key of the file"),
    ],
)
def test_sections_of_the_wrong_shape(wrong, text, key, reason):
    assert reason in wrong(text, {"VIPD_SOCKET": "/x"})[key][1]


# --- files


def test_a_file_that_is_no_toml(read, tmp_path):
    with pytest.raises(ConfigError) as caught:
        read("[speaker]\nlocal-as = \n")
    assert str(caught.value).startswith(f"{tmp_path}/vipd.toml:2: is not TOML: Invalid value")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "9" * 5000, "is not TOML: Exceeds the limit"),
        ("a = " + "[" * 5000, "is nested too deeply"),
        (".".join(["a"] * 5000) + ' = "${A}"', "is nested too deeply"),
    ],
)
def test_a_file_that_is_beyond_all_sense(read, text, reason):
    with pytest.raises(ConfigError) as caught:
        read(text)
    (problem,) = caught.value.problems
    assert problem.reason.startswith(reason)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "vipd.toml"
    path.write_bytes(b"[speaker]\n# \xff\n")
    with pytest.raises(ConfigError) as caught:
        load(str(path), {})
    assert str(caught.value) == f"{path}:2: is not UTF-8"


@pytest.mark.parametrize(
    ("name", "reason"), [("none", "No such file or directory"), (".", "Is a directory"), ("a\0", "null byte")]
)
def test_a_file_that_cannot_be_read(tmp_path, name, reason):
    with pytest.raises(ConfigError, match=f"could not be read: .*{reason}"):
        load(f"{tmp_path}/{name}", {})


# --- router id


TWO = """
[speaker]
local-as = 64147
router-id = "auto"
[neighbor-defaults]
peer-as = 64001
[[neighbor]]
address = "2001:db8::1"
[[neighbor]]
address = "10.0.0.1"
"""


def router_id(read, known, text=TWO, source="10.0.0.5", own=(), **others):
    machine = replace(
        known,
        source_address=lambda _: source and IPv4Address(source),
        own_addresses=lambda: tuple(map(IPv4Address, own)),
    )
    config = read(text, machine=machine, **others)
    assert {peer.router_id for peer in config.neighbors.values()} == {config.speaker.router_id}
    return str(config.speaker.router_id)


def test_the_router_id_is_the_address_towards_the_first_ipv4_neighbour(read, known):
    assert router_id(read, known) == "10.0.0.5"
    local = TWO + 'local-address = "10.0.0.6"'
    assert router_id(read, known, local) == "10.0.0.6"


def test_the_router_id_is_no_vip(read, known):
    assert router_id(read, known, TWO + SERVICE, own=("192.0.2.1", "10.0.0.7")) == "10.0.0.7"


def test_the_router_id_without_a_way_to_the_neighbour(read, known):
    assert router_id(read, known, source=None, own=("10.0.0.8", "10.0.0.7")) == "10.0.0.8"


def test_the_router_id_without_any_address(read, known):
    one = router_id(read, known, source=None)
    assert one == router_id(read, known, TWO + SERVICE, own=("192.0.2.1",))
    assert one != router_id(read, replace(known, hostname=lambda: "pod-2"), source=None)
    assert one != "0.0.0.0"


def test_auto_keeps_the_router_id_in_use_over_a_reload(read, known):
    kept = IPv4Address("10.7.7.7")
    assert router_id(read, known, router_id=kept) == "10.7.7.7"
    assert router_id(read, known, TWO.replace("auto", "10.8.8.8"), router_id=kept) == "10.8.8.8"


def test_a_file_that_is_not_for_us_is_said_to_be_so(tmp_path):
    path = tmp_path / "vipd.toml"
    path.write_text("")
    path.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:  # to whom no file is closed
            os.seteuid(65534)
        with pytest.raises(ConfigError, match=r"could not be read: Permission denied") as caught:
            load(str(path), {})
    finally:
        if root:
            os.seteuid(0)
    assert caught.value.denied
