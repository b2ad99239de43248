"""[coordination], and what of the file means something only with it."""

from dataclasses import replace

import pytest

from vipd.bgp.route import Policy, When
from vipd.config import CoordinationConfig, DrainConfig, Machine, TlsConfig, render
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.member import (
    ColdStart,
    CoordinationLoss,
    LastResort,
    Service,
    Standby,
    Takeover,
    Times,
)

SMALLEST = '[coordination]\nservers = ["zk1", "zk2:2182"]\n'
SERVICE = '[[service]]\nname = "apex"\nvips = ["192.0.2.1"]\n'
NEEDS = "needs [coordination]: without it, each pod announces its VIPs by itself"

WHOLE = """
[speaker]
local-as = 64147
[neighbor-defaults]
peer-as = 64147
med-step = 10
[[neighbor]]
address = "10.0.0.1"
prepend-step = 2
local-preference-step = 7
rank-communities = {2 = ["64500:102"], 1 = ["no-export", "64500:101"]}
communities-when = {draining = ["graceful-shutdown"], last-resort = []}
[coordination]
servers = "zk1,[2001:db8::1]:2182/sites/one"
root = "/here/vipd"
pod-id = "lb-a"
zone = "r1"
weight = 3
session-timeout = 5
grace = 2
auth-file = "/etc/vipd/zookeeper"
tls = true
tls-ca = "/ca"
tls-certificate = "/crt"
tls-key = "/key"
tls-verify = false
[drain]
linger = 1
timeout = 20
min = 3
done = ["/bin/idle"]
[[service]]
name = "apex"
vips = ["192.0.2.1"]
takeover = "all"
copies = 2
standby = "hot"
standbys = 3
last-resort = "keep"
coordination-loss = "own"
cold-start = "pinned"
min-sessions = 1
settle = 0.5
claim-timeout = 4
handback-delay = 6
handback-max = 60
[[service.vip]]
address = "192.0.2.2"
pin = "lb-b"
[[service.check]]
tcp = "127.0.0.1:80"
"""


def secret(known, octets=b"vipd:hush\n", *, exposed=False):
    return replace(known, read_file=lambda path: (octets if path == "/etc/vipd/zookeeper" else b"x", exposed))


def test_without_it_each_pod_is_alone(read, head):
    config = read(head + SERVICE)
    assert config.coordination is None
    assert config.services[0].service == Service(name="apex", vips=("192.0.2.1",))


def test_the_smallest_says_where_the_servers_are(read, head):
    config = read(head + SERVICE + SMALLEST)
    assert config.coordination == CoordinationConfig(
        ensemble=Ensemble(servers=(Server(host="zk1"), Server(host="zk2", port=2182))), pod_id="pod-1"
    )
    assert config.services[0].service == Service(name="apex", vips=("192.0.2.1",))
    assert config.policies["10.0.0.1"] == Policy()


def test_everything_that_can_be_said(read, known):
    config = read(WHOLE, machine=secret(known))
    assert config.coordination == CoordinationConfig(
        ensemble=Ensemble(
            servers=(Server(host="zk1"), Server(host="2001:db8::1", port=2182)),
            chroot="/sites/one",
            session_timeout=5.0,
            credentials="vipd:hush",
        ),
        pod_id="lb-a",
        root="/here/vipd",
        zone="r1",
        weight=3,
        grace=2.0,
        auth_file="/etc/vipd/zookeeper",
        tls=TlsConfig(ca="/ca", certificate="/crt", key="/key", verify=False),
    )
    assert config.drain == DrainConfig(linger=1.0, timeout=20.0, min=3.0, done=("/bin/idle",))
    assert config.services[0].service == Service(
        name="apex",
        vips=("192.0.2.1", "192.0.2.2"),
        pins={"192.0.2.2": "lb-b"},
        takeover=Takeover.ALL,
        copies=2,
        standby=Standby.HOT,
        standbys=3,
        last_resort=LastResort.KEEP,
        coordination_loss=CoordinationLoss.OWN,
        cold_start=ColdStart.PINNED,
        times=Times(
            settle=0.5,
            claim_timeout=4.0,
            handback_delay=6.0,
            handback_max=60.0,
            drain_timeout=20.0,
            coordination_grace=2.0,
        ),
    )
    assert config.policies["10.0.0.1"] == Policy(
        prepend_step=2,
        med_step=10,
        local_preference_step=7,
        rank_communities={1: ((64500, 101), (65535, 65281)), 2: ((64500, 102),)},
        communities_when={When.DRAINING: ((65535, 0),), When.LAST_RESORT: ()},
    )
    assert config.warnings == ()


@pytest.mark.parametrize("text", [WHOLE, WHOLE.replace("/sites/one", "").replace("tls", "#")])
def test_what_is_rendered_reads_as_the_same_and_hides_the_password(read, known, text):
    config = read(text, machine=secret(known))
    assert read(render(config), machine=secret(known)) == config
    assert "hush" not in render(config) + repr(config)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("", "servers", "is missing"),
        ("servers = []", "servers", 'must be ["host:port", …]'),
        ("servers = 2181", "servers", 'must be ["host:port", …]'),
        ('servers = ["a", 1]', "servers", 'must be ["host:port", …]'),
        ('servers = "a,b,a:2181"', "servers", "names a server twice"),
        ('servers = "a:b"', "servers", "the port must be between 1 and 65535"),
        ('servers = "a/b/"', "servers", "cannot be a part of a path"),
        ('servers = ["a/b"]', "servers", "the chroot is not part of a server"),
        ('root = "/"', "root", "names something"),
        ("root = 1", "root", "must be a path"),
        ('root = "/\\u001b"', "root", "must be a path"),
        ('servers = "\\u001b"', "servers", "must be ["),
        ('servers = ["\\u001b"]', "servers", "must be ["),
        ('pod-id = "a/b"', "pod-id", "must be 1 to 128 letters"),
        ('pod-id = ".."', "pod-id", "must be 1 to 128 letters"),
        ("weight = 0", "weight", "must be an integer"),
        ("session-timeout = 0.9", "session-timeout", "must be a number of seconds: 1 to 60"),
        ("session-timeout = 61", "session-timeout", "must be a number of seconds: 1 to 60"),
        ('auth = "a:b"', "auth", "auth-file"),
        ('chroot = "/a"', "chroot", "stands behind the servers"),
        ("witness-anchor = 1", "witness-anchor", "must be a list of prefixes"),
        ('witness-anchor = ["10.0.0.0/8", "11.0.0.0/8"]', "witness-anchor", "one ipv4 prefix at most"),
        ('tls-ca = "/ca"', "tls-ca", "needs tls = true"),
        ('tls = true\ntls-key = "/key"', "tls-key", "needs tls-certificate"),
    ],
)
def test_what_is_refused(wrong, head, text, key, reason):
    servers = "" if "servers" in text or not text else 'servers = ["a"]\n'
    machine = Machine(hostname=lambda: "pod-1", read_file=lambda _: (b"x", False))
    problems = wrong(f"{head}{SERVICE}[coordination]\n{servers}{text}", machine=machine)
    assert set(problems) == {f"coordination.{key}"}
    assert reason in problems[f"coordination.{key}"][1]


@pytest.mark.parametrize("octets", [b"", b"vipd", b"vipd:", b":hush", b"\xff:\xff", b"a:b\nc:d"])
def test_a_file_that_holds_no_credentials(wrong, head, known, octets):
    text = head + SERVICE + SMALLEST + 'auth-file = "/etc/vipd/zookeeper"'
    problems = wrong(text, machine=secret(known, octets))
    assert problems == {
        "coordination.auth-file": ('"/etc/vipd/zookeeper"', 'must hold one line, "user:password"')
    }


def test_a_file_for_everybody_is_remarked_on(read, head, known):
    text = head + SERVICE + SMALLEST + 'auth-file = "/etc/vipd/zookeeper"'
    warnings = read(text, machine=secret(known, exposed=True)).warnings
    assert any("can be read by everybody" in warning for warning in warnings)


def test_files_that_are_not_there(wrong, head, known):
    def absent(path):
        raise FileNotFoundError(2, "No such file or directory")

    text = head + SERVICE + SMALLEST + 'auth-file = "/a"\ntls = true\ntls-ca = "/b"\n'
    problems = wrong(text, machine=replace(known, read_file=absent))
    assert problems == {
        "coordination.auth-file": ('"/a"', "could not be read: No such file or directory"),
        "coordination.tls-ca": ('"/b"', "could not be read: No such file or directory"),
    }


def test_a_host_name_that_cannot_be_a_pod_id(wrong, read, head, known):
    machine = replace(known, hostname=lambda: "a b")
    (problem,) = wrong(head + SERVICE + SMALLEST, machine=machine).items()
    assert problem[0] == "coordination.pod-id"
    assert problem[1][1].startswith("is missing, and the host name cannot stand for it: must be 1 to 128")
    assert read(head + SERVICE + SMALLEST + 'pod-id = "a"', machine=machine).coordination.pod_id == "a"


@pytest.mark.parametrize(
    ("table", "line", "key"),
    [
        ("service", "copies = 1", "service[0].copies"),
        ("service", 'coordination-loss = "hold"', "service[0].coordination-loss"),
        ("neighbor", "prepend-step = 3", "neighbor[0].prepend-step"),
        ("defaults", "med-step = 0", "neighbor-defaults.med-step"),
        ("drain", "timeout = 30", "drain.timeout"),
        ("drain", "min = 0", "drain.min"),
        ("drain", 'done = "true"', "drain.done"),
        ("vip", 'pin = "pod-1"', "service[0].vip[0].pin"),
    ],
)
def test_without_it_policy_is_refused(wrong, head, table, line, key):
    text = {
        "service": head + SERVICE + line,
        "neighbor": head + line + "\n" + SERVICE,
        "defaults": f"{head}[neighbor-defaults]\n{line}\n{SERVICE}",
        "drain": f"{head}{SERVICE}[drain]\n{line}",
        "vip": f'{head}{SERVICE}[[service.vip]]\naddress = "192.0.2.2"\n{line}',
    }[table]
    (problem,) = wrong(text).items()
    assert problem[0] == key
    assert problem[1][1] == NEEDS


@pytest.mark.parametrize(
    ("line", "key", "reason"),
    [
        ("handback-max = 1", "handback-max", "must not be less than handback-delay"),
        ("min-sessions = 2", "min-sessions", "is more than there are neighbours, 1"),
        ('takeover = "some"', "takeover", "must be one of one, all"),
        ("copies = 0", "copies", "must be an integer"),
        ("standbys = 17", "standbys", "must be an integer"),
        ("prepend = 252", "prepend", "1 times its prepend-step included"),
        ('pin = "a"', "pin", "belongs into [[service.vip]]"),
        ('[[service.vip]]\naddress = "192.0.2.2"\npin = "a/b"', "vip[0].pin", "must be 1 to 128 letters"),
        ('[[service.vip]]\naddress = "192.0.2.2"\npin = ""', "vip[0].pin", "must be 1 to 128 letters"),
    ],
)
def test_a_policy_that_is_refused(wrong, head, line, key, reason):
    (problem,) = wrong(head + SMALLEST + SERVICE + line).items()
    assert problem[0] == f"service[0].{key}"
    assert reason in problem[1][1]


def test_a_record_that_could_grow_too_large_is_refused(wrong, read, head):
    vips = ", ".join(f'"2001:db8:1111:2222:3333:4444:5555:{n:x}"' for n in range(0x1000, 0x1000 + 11_000))
    service = f'[[service]]\nname = "many"\nvips = [{vips}]\n'
    problems = wrong(head + SMALLEST + service)
    assert set(problems) == {"service[0].vips"}
    assert "are too many, 11,000: its record could take" in problems["service[0].vips"][1]
    assert len(read(head + service).services[0].routes) == 11_000


def test_a_name_that_is_no_node(wrong, read, head):
    service = SERVICE.replace("apex", "..")
    assert set(wrong(head + SMALLEST + service)) == {"service[0].name"}
    assert read(head + service).services[0].service.name == ".."


def test_a_minimum_above_the_timeout(wrong, head):
    problems = wrong(head + SMALLEST + SERVICE + "[drain]\ntimeout = 1\nmin = 2")
    assert problems == {"drain.min": ("2.0", "must not be more than timeout")}


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ('coordination-loss = "withdraw"', "makes every outage of ZooKeeper one of this service"),
        ('coordination-loss = "own"', "keeps what is pinned alone, and nothing is"),
        ('cold-start = "pinned"', "announces what is pinned alone, and nothing is"),
    ],
)
def test_what_is_most_likely_not_meant(read, head, line, warning):
    warnings = read(head + SMALLEST + SERVICE + line).warnings
    assert any(each.endswith(warning) for each in warnings)


def test_a_neighbour_that_is_told_no_ranks(read, head):
    text = head + "prepend-step = 0\n" + SMALLEST + SERVICE
    assert "apex: neighbour 10.0.0.1 cannot tell a rank from another" in read(text).warnings[1]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("1", ""),
        ("{0 = []}", ".0"),
        ("{a = []}", ".a"),
        ("{1 = 5}", ".1"),
        ('{1 = ["1:2", "x"]}', ".1[1]"),
    ],
)
def test_ranks_that_are_none(wrong, head, value, key):
    problems = wrong(f"{head}rank-communities = {value}\n{SMALLEST}")
    assert set(problems) == {f"neighbor[0].rank-communities{key}"}


def test_a_graceful_shutdown_between_pods_is_remarked_on(read, head):
    warnings = read(head + SMALLEST + SERVICE + "[drain]\ngraceful-shutdown = 5").warnings
    assert any("drain.graceful-shutdown" in each for each in warnings)


def test_what_a_route_never_is(wrong, head):
    text = head + 'communities-when = {primary = ["x"], asleep = []}\n' + SMALLEST + SERVICE
    assert set(wrong(text)) == {
        "neighbor[0].communities-when.primary[0]",
        "neighbor[0].communities-when.asleep",
    }


def test_a_witness_is_known_to_all_neighbours(read, head):
    text = head + SERVICE + 'witness = true\n[coordination]\nservers = ["a"]\n'
    anchored = read(text + 'witness-anchor = ["10.0.0.0/8"]\n')
    assert anchored.services[0].service.witness
    assert {str(prefix) for prefix in anchored.coordination.anchors.values()} == {"10.0.0.0/8", "::/0"}
    for peer in anchored.neighbors.values():
        assert (peer.witness, peer.graceful_restart) == (True, 0)


def test_an_anchor_that_is_no_prefix_is_refused(wrong, head):
    problems = wrong(head + SERVICE + '[coordination]\nservers = ["a"]\nwitness-anchor = ["10.0.0.1/8", 5]\n')
    assert set(problems) == {"coordination.witness-anchor[0]", "coordination.witness-anchor[1]"}
