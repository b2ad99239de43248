"""No configuration, however nonsensical, ends in anything but a Config or a ConfigError; and a Config that is
written out reads as the same.
"""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from vipd.config import Config, ConfigError, Machine, load, render, schema

MACHINE = Machine(
    gateways=lambda: ("10.0.0.1", "fe80::1%eth0"),
    source_address=lambda _: IPv4Address("10.0.0.5"),
    own_addresses=lambda: (),
    hostname=lambda: "pod",
    read_file=lambda _: (b"hush", False),
)
ENVIRON = {"A": "1", "EMPTY": "", "BAD": "\udc80"}

# --- what somebody may have written: values of every type, more often those that mean something somewhere

WORDS = st.sampled_from(
    """
    auto external gateway self ipv4 ipv6 true json debug name /x ( [[a] $${ ${ ${A} ${EMPTY} ${BAD} ${NONE}
    ${NONE:-2} 10.0.0.1 10.0.0.2 192.0.2.1 192.0.2.1/32 192.0.2.0/24 0.0.0.0 2001:db8::1 fe80::1%eth0 fe80::1
    :: 127.0.0.1:1790 [::]:179 a:80 http://a/ https://[::1]/ http://[ 64500:1 1:2:3 no-export 200-299
    """.split()  # noqa: SIM905 - a list of forty strings is not easier to read
)
NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 9, 179, 254, 255, 23456, 64500, 65535, 65536, 2**32 - 1, 2**32, 10**5000]
)
ONE = st.one_of(WORDS, NUMBERS, st.booleans(), st.floats(), st.text(max_size=5), st.integers())
ANY = st.one_of(ONE, st.lists(ONE, max_size=4), st.dictionaries(WORDS, ONE, max_size=2))


def nonsense(part, **below):
    """Tables of one section: keys of it and others, with any value."""
    keys = st.sampled_from([*part.keys, "pin", "md5-password", "x"])
    tables = st.tuples(st.dictionaries(keys, ANY, max_size=5), st.fixed_dictionaries({}, optional=below))
    return tables.map(lambda both: both[0] | both[1])


def some(table):
    return st.one_of(st.lists(table, max_size=3), ANY, table)


CHECKS = some(nonsense(schema.CHECK))
NONSENSE = st.fixed_dictionaries(
    {},
    optional={
        "speaker": nonsense(schema.SPEAKER) | ANY,
        "neighbor-defaults": nonsense(schema.NEIGHBOR_DEFAULTS) | ANY,
        "neighbor": some(nonsense(schema.NEIGHBOR)),
        "service": some(nonsense(schema.SERVICE, vip=some(nonsense(schema.VIP, check=CHECKS)), check=CHECKS)),
        "loopback": nonsense(schema.LOOPBACK) | ANY,
        "drain": nonsense(schema.DRAIN) | ANY,
        "api": nonsense(schema.API) | ANY,
        "log": nonsense(schema.LOG) | ANY,
        "coordination": nonsense(schema.COORDINATION) | ANY,
        "fabric": nonsense(schema.FABRIC) | ANY,
    },
)

# --- what makes sense, nearly always: every key, with values that it takes

ASN = st.integers(1, 23455)
UINT32 = st.integers(0, 2**32 - 1)
NAME = st.text("abcXYZ019._-", min_size=1, max_size=12)
TEXT = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=6).map(lambda text: text + "$${")
ARGUMENTS = st.lists(st.text("a \n\"\\'\x7f", min_size=1, max_size=3), min_size=1, max_size=10)
TRUTH = st.booleans() | st.sampled_from(["${NONE:-true}", "${NONE:-false}"])
ENDPOINTS = ["0.0.0.0:179", "[::]:179", "10.0.0.9:1790", "[2001:db8::9]:1790"]
LEVERS = {
    "med": UINT32 | st.just("${A}"),
    "prepend": st.integers(0, 127),
    "local-preference": UINT32,
    "communities": st.lists(st.sampled_from(["no-export", "1:1", "1:2", "64500:65535"]), max_size=3),
    "large-communities": st.lists(st.sampled_from(["1:2:3", "4294967295:0:0"]), max_size=3),
}
STEPS = {
    "prepend-step": st.integers(0, 6),
    "med-step": UINT32,
    "local-preference-step": UINT32,
    "rank-communities": st.dictionaries(
        st.sampled_from(["1", "2", "17"]), st.lists(st.just("64500:1"), max_size=2), max_size=2
    ),
    "communities-when": st.dictionaries(
        st.sampled_from(["primary", "draining"]), st.lists(st.just("64500:1"), max_size=2), max_size=2
    ),
}
PEER = {
    **LEVERS,
    "port": st.integers(1, 65535),
    "passive": TRUTH,
    "graceful-restart": st.integers(0, 4095),
    "hold-time": st.just(0) | st.integers(3, 65535),
    "connect-retry": st.floats(0.1, 3600),
    "idle-hold": st.floats(0.1, 60),
    "idle-hold-max": st.integers(60, 3600),
    "bfd": TRUTH,
    "bfd-interval": st.floats(0.05, 60),
    "bfd-multiplier": st.integers(1, 255),
    "send-hold-time": st.just(0) | st.integers(3, 65535),
    "interface": st.sampled_from(["eth0", "eth1.7"]),
    "md5-password-file": st.just("/x"),
}
INNER = {  # a neighbour in our own AS, which local-preference needs
    **PEER,
    **STEPS,
    "description": TEXT,
    "local-address": st.sampled_from(["auto", "10.0.0.9"]),
    "ttl-security": TRUTH | st.integers(1, 254),
    "next-hop": st.sampled_from(["self", {"ipv4": "10.0.0.3", "ipv6": "2001:db8::3"}, {"ipv4": "self"}]),
}
OUTER = {key: values for key, values in (PEER | STEPS).items() if not key.startswith("local-preference")} | {
    "peer-as": st.just("external") | ASN,
    "local-as": st.integers(65536, 2**32 - 2),
    "families": st.sampled_from([["ipv4"], ["ipv6"], ["ipv6", "ipv4"]]),
    "ebgp-multihop": st.integers(1, 255),
    "role": st.sampled_from(["provider", "customer", "peer", "rs-client"]),
    "role-strict": TRUTH,
}
TIMING = {
    "name": NAME,
    "interval": st.floats(1, 9),
    "fast-interval": st.floats(0.01, 1),
    "timeout": st.floats(0.01, 9),
    "rise": st.integers(1, 9),
    "fall": st.integers(1, 9),
}
HTTP = {
    "status": st.lists(st.sampled_from([200, "204", "200-299"]), max_size=2),
    "body": st.sampled_from(["^OK$", "\\d\"'"]),
    "headers": st.dictionaries(NAME, st.text("a \"'~", max_size=4), max_size=2),
    "host": st.just("www.example.org:80"),
}
TLS_FILES = ("tls-ca", "tls-certificate", "tls-key", "tls-verify")  # of ZooKeeper: each needs tls = true
TLS = {"tls-name": st.just("www.example.org"), "tls-ca": st.just("/x"), "tls-verify": TRUTH}
CHECK = st.one_of(
    st.fixed_dictionaries({"http": st.just("http://a/?b=$${c}")}, optional=TIMING | HTTP),
    st.fixed_dictionaries({"http": st.just("https://[::1]:80/")}, optional=TIMING | HTTP | TLS),
    st.fixed_dictionaries({"tcp": st.sampled_from(["a:1", "[::1]:80"])}, optional=TIMING),
    st.fixed_dictionaries({"exec": ARGUMENTS | st.just("a $${B}")}, optional=TIMING),
    st.fixed_dictionaries({"file": st.just("/x y")}, optional=TIMING),
    st.fixed_dictionaries({"nerve": st.just("/nerve")}, optional={**TIMING, "nerve-host": st.just("h")}),
)
VIP = {"check": st.lists(CHECK, max_size=2), "pin": NAME.filter(lambda name: name.strip(".")), **LEVERS}
POLICY = {
    "takeover": st.sampled_from(["one", "all"]),
    "copies": st.integers(1, 9),
    "standby": st.sampled_from(["none", "hot"]),
    "standbys": st.integers(1, 16),
    "last-resort": st.sampled_from(["withdraw", "keep"]),
    "coordination-loss": st.sampled_from(["hold", "own", "withdraw"]),
    "cold-start": st.sampled_from(["all", "pinned", "none"]),
    "min-sessions": st.integers(1, 3),
    "settle": st.floats(0, 9),
    "claim-timeout": st.floats(0.1, 9),
    "handback-delay": st.floats(0, 9),
    "handback-max": st.floats(9, 99),
}
SERVICE = {
    **{key: values for key, values in VIP.items() if key != "pin"},
    **POLICY,
    "neighbors": st.sampled_from([["a"], ["b", "a"], ["2001:db8::9", "a"]]),
    "on-change": ARGUMENTS | st.just("date"),
    "on-change-timeout": st.floats(0.1, 60),
    "require-address": TRUTH,
    "witness": TRUTH,
}


def service(name, *vips):
    first, *others = vips
    vip = [st.fixed_dictionaries({"address": st.just(each)}, optional=VIP) for each in others]
    return st.fixed_dictionaries(
        {
            "name": st.just(name),
            "vips": st.lists(st.just(first), max_size=1),
            "vip": st.tuples(*vip).map(list),
        },
        optional=SERVICE,
    )


def part(**keys):
    return st.fixed_dictionaries({}, optional={key.replace("_", "-"): values for key, values in keys.items()})


COORDINATION = {
    "root": st.sampled_from(["/vipd", "/a/b"]),
    "witness-anchor": st.sampled_from([["10.0.0.0/8"], ["2001:db8::/32", "0.0.0.0/0"]]),
    "pod-id": st.just("pod.1"),
    "zone": st.sampled_from(["", "r1"]),
    "weight": st.integers(1, 9),
    "session-timeout": st.floats(1, 60),
    "grace": st.floats(0, 60),
    "auth-file": st.just("/x"),
    "tls": st.just(value=True),
}
A, B, C = ({"address": st.just(address)} for address in ("10.0.0.7", "10.0.0.8", "2001:db8::9"))
A |= {"name": st.just("a"), "peer-as": st.just(64147)}
B |= {"name": st.just("b")}
ONE_SERVICE = service("one", "192.0.2.1/32", "2001:DB8::1", "192.0.2.2")
TWO_SERVICES = st.tuples(ONE_SERVICE, service("two", "2001:db8::2", "127.0.0.9"))
SENSE = st.fixed_dictionaries(
    {
        "speaker": st.fixed_dictionaries(
            {"local-as": st.just(64147), "listen": st.just(ENDPOINTS)},
            optional={"router-id": st.sampled_from(["auto", "10.0.0.1"])},
        ),
        "neighbor-defaults": st.fixed_dictionaries({"peer-as": ASN}, optional=PEER),
        "neighbor": st.tuples(
            st.fixed_dictionaries(A, optional=INNER),
            st.fixed_dictionaries(B, optional=OUTER),
            st.fixed_dictionaries(C),
        ).map(list),
    },
    optional={
        "service": TWO_SERVICES.map(list),
        "loopback": part(manage=TRUTH, label=NAME),
        "drain": part(linger=st.floats(0, 60), timeout=st.floats(9, 99), min=st.floats(0, 9), done=ARGUMENTS),
        "coordination": st.fixed_dictionaries(
            {"servers": st.sampled_from([["zk1", "10.0.0.7:2181"], "[::1]:2181,zk.example./a/b"])},
            optional=COORDINATION,
        ),
        "api": part(listen=st.sampled_from(["", *ENDPOINTS]), socket=st.just("/x")),
        "log": part(format=st.sampled_from(["auto", "json", "human"]), level=st.just("debug")),
    },
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("config") / "vipd.toml"


def inline(value):
    """A value as TOML, tables on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            escapes = {ord(c): f"\\u{ord(c):04x}" for c in ('"', "\\", *map(chr, (*range(32), 127)))}
            return f'"{value.translate(escapes)}"'
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case dict():
            return f"{{{', '.join(f'{inline(key)} = {inline(item)}' for key, item in value.items())}}}"
        case int():
            return hex(value) if value > 1 << 64 else str(value)
        case _:
            return str(value)


def read(path, file):
    """The Config of a file, or its problems."""
    path.write_text("".join(f"{key} = {inline(value)}\n" for key, value in file.items()))
    try:
        return load(str(path), ENVIRON, machine=MACHINE)
    except ConfigError as error:
        return error


def judge(outcome):
    event(type(outcome).__name__)
    if isinstance(outcome, Config):
        assert render(outcome)
    else:
        assert outcome.problems
        assert all(line.isprintable() for line in str(outcome).splitlines())
        assert not any("is not TOML" in problem.reason for problem in outcome.problems)


@given(NONSENSE)
@settings(max_examples=300, deadline=None)
def test_nonsense_is_a_list_of_problems(path, file):
    judge(read(path, file))


@given(SENSE, NONSENSE, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_a_mistake_or_two_is_a_list_of_problems_or_none(path, file, other, random):
    """Parts of a file that makes sense are replaced by parts of one that makes none."""
    for name in [name for name in other if random.random() < 0.3]:
        file[name] = other[name]
    for name, table in file.items():
        if isinstance(table, dict) and isinstance(other.get(name), dict):
            table.update([pair for pair in other[name].items() if random.random() < 0.3])
    judge(read(path, file))


def without(file):
    """The same for pods that do not coordinate, where the file has no [coordination]."""
    if "coordination" in file:
        return file
    drain = {key: value for key, value in file.get("drain", {}).items() if key == "linger"}
    rest = {key: value for key, value in file.items() if key != "drain"}
    return {**_without({*STEPS, *POLICY, "pin"}, rest), "drain": drain}


def _without(keys, value):
    match value:
        case dict():
            return {key: _without(keys, item) for key, item in value.items() if key not in keys}
        case list() | tuple():
            return [_without(keys, item) for item in value]
    return value


@given(SENSE.map(without))
@settings(max_examples=300, deadline=None)
def test_a_configuration_written_out_reads_as_the_same(path, file):
    config = read(path, file)
    event(type(config).__name__)
    assume(isinstance(config, Config))
    path.write_text(render(config))
    assert replace(load(str(path), {}, machine=MACHINE), warnings=config.warnings) == config


# Where else than in the file a service may be told of: tests/unit/config has these, for each forbids others.
ELSEWHERE = {"layout", "exazk-path", "exazk-maintenance", "vips-from", "allow"}


def test_what_makes_sense_has_every_key():
    assert {*INNER, *OUTER, "address", "name"} == set(schema.NEIGHBOR.keys)
    assert {*VIP, "address"} == set(schema.VIP.keys)
    assert {*SERVICE, *ELSEWHERE, "name", "vips", "vip"} == set(schema.SERVICE.keys)
    assert {*COORDINATION, "servers", *TLS_FILES} == set(schema.COORDINATION.keys)
    probes = {"http", "tcp", "exec", "file", "nerve", "nerve-host"}
    assert {*TIMING, *HTTP, *TLS, *probes} == set(schema.CHECK.keys)


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_any_octets_are_a_list_of_problems(path, octets):
    path.write_bytes(octets)
    with pytest.raises(ConfigError):
        load(str(path), ENVIRON, machine=MACHINE)
