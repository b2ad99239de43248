"""Whatever stands in an ExaBGP configuration is converted or refused; and what is converted says the same."""

import tempfile
import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vipd.bgp.iana import Family
from vipd.config import load
from vipd.convert import ConvertError, convert
from vipd.convert.exabgp_healthcheck import OPTIONS
from vipd.convert.exabgp_neighbors import BLOCKS_LOST, SETTINGS, SETTINGS_ALIKE, SETTINGS_LOST
from vipd.convert.exabgp_routes import KEYWORDS

WORDS = sorted(
    {
        *(
            "neighbor",
            "group",
            "template",
            "process",
            "run",
            "static",
            "route",
            "announce",
            "ipv4",
            "unicast",
        ),
        *("api", "processes", "processes-match", "family", "capability", "inherit", "attributes", "nlri"),
        *("exabgp", "healthcheck", "10.0.0.1", "2001:db8::1", "192.0.2.1/32", "192.0.2.0/30", "::1/128"),
        *(
            "self",
            "auto",
            "65001",
            "1.1",
            "64500:1",
            "1:2:3",
            "no-export",
            "/32",
            "255",
            "0",
            "-1",
            "x",
            "true",
        ),
        *SETTINGS,
        *SETTINGS_ALIKE,
        *SETTINGS_LOST,
        *BLOCKS_LOST,
        *KEYWORDS,
        *(f"--{option}" for option in OPTIONS),
    }
)
SIGNS = ["{", "}", ";", "[", "]", ",", "#", '"', "'", "\\", "\n", "(", ")", "=", "%", "${A}", "\0", "é"]

soup = st.lists(st.sampled_from(WORDS) | st.sampled_from(SIGNS), max_size=60).map(" ".join)
value = st.lists(st.sampled_from(WORDS) | st.sampled_from(["[", "]", '"a b"']), max_size=3).map(" ".join)
statement = st.tuples(st.sampled_from(WORDS), value).map(lambda each: f"{each[0]} {each[1]};")
statements = st.recursive(
    st.lists(statement, max_size=4),
    lambda inner: st.lists(
        statement
        | st.tuples(st.sampled_from(WORDS), value, inner).map(
            lambda each: f"{each[0]} {each[1]} {{ {' '.join(each[2])} }}"
        ),
        max_size=4,
    ),
    max_leaves=12,
).map("\n".join)
SESSION = "local-as 65001; peer-as 65000; local-address 10.0.0.9;"


def converted(text):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "exabgp.conf")
        path.write_text(text, encoding="utf-8")
        return convert([str(path)])


@given(soup)
def test_any_soup_of_words_is_converted_or_refused(text):
    try:
        toml = converted(text)
    except ConvertError:
        return
    tomllib.loads(toml)


@given(statements)
def test_any_statements_of_a_neighbour_are_converted_or_refused(text):
    try:
        toml = converted(f"neighbor 10.0.0.1 {{ {SESSION}\n{text}\n}}")
    except ConvertError:
        return
    tomllib.loads(toml)


@given(st.lists(st.tuples(st.sampled_from(sorted(OPTIONS)), value), max_size=8))
def test_any_options_of_a_health_check_are_converted_or_refused(options):
    words = " ".join(f"--{option} {words}" for option, words in options)
    text = f"neighbor 10.0.0.1 {{ {SESSION} process p {{ run exabgp healthcheck {words}; }} }}"
    try:
        toml = converted(text)
    except ConvertError:
        return
    tomllib.loads(toml)


said = st.fixed_dictionaries(
    {},
    optional={
        "med": st.integers(0, 2).map(str),
        "community": st.lists(st.sampled_from(["64500:1", "64500:2"])).map(
            lambda each: f"[ {' '.join(each)} ]"
        ),
        "large-community": st.just("[ 1:2:3 ]"),
        "as-path": st.integers(1, 3).map(lambda length: f"[ {'65001 ' * length}]"),
        "local-preference": st.integers(0, 2).map(str),
    },
)
vips = st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"])
hops = st.sampled_from(["self", "self", "self", "10.0.0.7"])
told = st.dictionaries(vips, st.tuples(hops, said), max_size=4)
PEERS = {"10.0.0.1": 65000, "10.0.0.2": 65000, "10.0.0.3": 65001}


@given(st.fixed_dictionaries(dict.fromkeys(PEERS, told)))
def test_each_neighbour_hears_of_each_vip_what_it_heard(neighbors):
    toml = converted(
        "\n".join(
            f"neighbor {name} {{ local-as 65001; peer-as {PEERS[name]}; local-address 10.0.0.9; static {{\n"
            + "".join(f"route {vip} {words(next_hop, keys)};\n" for vip, (next_hop, keys) in routes.items())
            + "}}"
            for name, routes in neighbors.items()
        )
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "vipd.toml")
        path.write_text(toml)
        config = load(str(path), {})
    unbroken = toml.replace("\n#   ", " ")
    for name, routes in neighbors.items():
        heard = hears(config, name)
        for vip, (next_hop, keys) in routes.items():
            if f"{vip} to {name} with next-hop" in unbroken:
                assert vip not in heard
                continue
            if (
                ":" in vip and next_hop == "self"
            ):  # no more than ExaBGP has vipd one to tell on such a session
                assert vip not in heard
                continue
            found = heard.pop(vip)
            for key, expected in expect(name, next_hop, keys).items():
                noted = (
                    f"{key} of {vip} as {name} hears it" in unbroken
                    or f"to {name}, because on iBGP" in unbroken
                )
                assert noted or found[key] == expected, (name, vip, key)
        assert not heard


def words(next_hop, keys):
    return " ".join([f"next-hop {next_hop}", *(f"{key} {words}" for key, words in keys.items())])


def expect(name, next_hop, keys):
    """What ExaBGP says to that neighbour."""
    ebgp = PEERS[name] != 65001
    return {
        "next-hop": "self" if next_hop == "self" else next_hop,
        "med": int(keys["med"]) if "med" in keys else None,
        "local-preference": int(keys["local-preference"])
        if "local-preference" in keys and not ebgp
        else None,
        "prepend": keys["as-path"].count("65001") - 1 if "as-path" in keys and ebgp else 0,
        "communities": set(keys.get("community", "").split()) - {"[", "]"},
        "large-communities": {"1:2:3"} if "large-community" in keys else set(),
    }


def hears(config, name):
    """What vipd says to that neighbour, by VIP."""
    policy, peer = config.policies[name], config.neighbors[name]
    found = {}
    for service in config.services:
        for vip, route in service.routes.items():
            if route.neighbors is not None and name not in route.neighbors:
                continue
            if ":" in vip and Family.IPV6 not in policy.next_hop:
                continue
            ebgp = peer.peer_as != peer.local_as
            preference = policy.local_preference if route.local_preference is None else route.local_preference
            found[str(vip)] = {
                "next-hop": str(policy.next_hop.get(Family.IPV6 if ":" in vip else Family.IPV4, "self")),
                "med": policy.med if route.med is None else route.med,
                "local-preference": None if ebgp else preference,
                "prepend": route.prepend + policy.prepend if ebgp else 0,
                "communities": {f"{high}:{low}" for high, low in {*route.communities, *policy.communities}},
                "large-communities": {
                    ":".join(map(str, each)) for each in {*route.large_communities, *policy.large_communities}
                },
            }
    return found
