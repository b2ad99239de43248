"""What lies in ZooKeeper or in files of other programs may be anything: it is read, or refused in words."""

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from vipd.config import ConfigError
from vipd.config.definition import policy_of, read_definition
from vipd.convert.errors import ConvertError
from vipd.convert.exazk_options import of_file, of_line
from vipd.coord.directory import Node
from vipd.health import NerveProbe
from vipd.nerve import judge

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
VIPS = st.lists(
    st.sampled_from(["192.0.2.1", "192.0.2.2/32", "2001:DB8::1", "10.0.0.0/8", "x", 7]), max_size=4
)
POLICY = st.dictionaries(
    st.sampled_from(["copies", "settle", "takeover", "handback-max", "x"]), VALUES, max_size=3
)
DEFINITIONS = st.fixed_dictionaries(
    {"schema": st.just(1) | VALUES, "vips": VIPS | VALUES},
    optional={
        "pins": st.dictionaries(st.sampled_from(["192.0.2.1", "2001:db8::1", "y"]), SCALARS, max_size=2)
        | VALUES,
        "policy": POLICY | VALUES,
        "force": VALUES,
        "who": VALUES,
        "strange": VALUES,
    },
)


@given(DEFINITIONS.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=40))
def test_a_definition_is_read_or_refused_with_its_place(octets):
    refusal = ""
    try:
        found = read_definition(octets, "/d")
    except ConfigError as error:
        refusal = str(error)
    else:
        assert found.vips
        assert set(found.pins) <= set(found.vips)
        assert len(set(found.vips)) == len(found.vips)
        with suppress(ConfigError):
            policy_of(found, "apex")
    assert all(line.startswith("/d") and line.isprintable() for line in refusal.splitlines())


@given(
    st.dictionaries(st.sampled_from(["available", "host", "unavailable_reason", "x"]), VALUES, max_size=4)
    | VALUES
)
def test_a_report_of_nerve_is_judged_whatever_it_says(report):
    name = "_c_1-apex_lb-1_0000000001"
    node = Node(
        path=f"/n/{name}", data=json.dumps(report).encode(), czxid=1, mzxid=1, version=0, ephemeral_owner=1
    )
    result = judge({name: node}, NerveProbe(path="/n", host="lb-1"))
    assert result is None or not result.good or report["available"] is True


WORDS = st.sampled_from(
    ["-A", "-N", "-zH", "-zPS", "-zPM", "-c", "-n", "-sF", "-d", "192.0.2.1", "192.0.2.2", "/a", "zk1", "--x"]
)
LINES = st.lists(
    st.sampled_from(
        [
            *(
                "zk_hosts:",
                "- zk1",
                "zk_hosts: [zk1, 'zk2']",
                "zk_path_service: /a",
                "zk_path_maintenance: /b",
            ),
            *("local_check: /c  # d", "srv_auth_ip: 192.0.2.1", "srv_non_auth_ips: [ 192.0.2.2 ]", "---", ""),
        ]
    )
    | st.text(max_size=12),
    max_size=10,
).map("\n".join)


@given(st.lists(WORDS, max_size=14))
def test_a_command_line_of_exazk_is_read_or_refused(words):
    with suppress(ConvertError):
        found = of_line(words)
        assert found.own not in found.others


@given(LINES)
def test_a_file_of_exazk_is_read_or_refused(text):
    with suppress(ConvertError):
        found = of_file(text, "apex.yml")
        assert found.own not in found.others
