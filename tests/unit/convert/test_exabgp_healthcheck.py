"""Options of the health check."""

from ipaddress import ip_address

import pytest

from vipd.convert.errors import ConvertError
from vipd.convert.exabgp_healthcheck import Line, arguments, config_file, is_options, option_lines, read
from vipd.convert.exabgp_routes import Attributes


def check(*words):
    return read([Line(words=words, file="f", line=7)])


def meds(found):
    return {str(vip): attributes.med for vip, attributes in found.vips}


def test_defaults_are_those_of_exabgp():
    found = check("--cmd", "true", "--ip", "192.0.2.1")
    assert (found.interval, found.fast_interval, found.timeout, found.rise, found.fall) == (5, 1, 5, 3, 3)
    assert found.vips == ((ip_address("192.0.2.1"), Attributes(med=100)),)
    assert (found.name, found.neighbors, found.disable, found.label) == (None, None, None, None)
    assert found.adds_addresses
    assert found.execute == ()


def test_each_ip_has_a_metric_of_its_own():
    found = check("--ip", "192.0.2.1/32", "--ip", "192.0.2.2/32", "--ip", "2001:db8::1/128")
    assert meds(found) == {"192.0.2.1": 100, "192.0.2.2": 101, "2001:db8::1": 102}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--start-ip", "1"], {"192.0.2.2": 100, "192.0.2.3": 101, "192.0.2.1": 102}),
        (["--start-ip", "5"], {"192.0.2.3": 100, "192.0.2.1": 101, "192.0.2.2": 102}),
        (["--start-ip=-1"], {"192.0.2.3": 100, "192.0.2.1": 101, "192.0.2.2": 102}),
        (["--up-metric", "10", "--increase", "5"], {"192.0.2.1": 10, "192.0.2.2": 15, "192.0.2.3": 20}),
        (["--increase", "0"], {"192.0.2.1": 100, "192.0.2.2": 100, "192.0.2.3": 100}),
        (["--ip", "192.0.2.1"], {"192.0.2.1": 103, "192.0.2.2": 101, "192.0.2.3": 102}),  # the last counts
    ],
)
def test_metrics_and_their_order(options, expected):
    found = check("--ip", "192.0.2.1", "--ip", "192.0.2.2", "--ip", "192.0.2.3", *options)
    assert meds(found) == expected


def test_a_network_counts_in_the_metrics_and_is_lost():
    found = check("--cmd", "x", "--withdraw-on-down", "--ip", "192.0.2.0/30", "--ip", "192.0.2.9")
    assert meds(found) == {"192.0.2.9": 101}
    assert found.notes == (
        "not carried over: ip 192.0.2.0/30, because a VIP is a single address, /32 or /128",
    )


def test_a_network_may_be_taken_apart():
    found = check("--deaggregate-networks", "--ip", "192.0.2.0/30", "--ip", "192.0.2.9")
    assert list(meds(found).values()) == [100, 101, 102, 103, 104]
    huge = check("--deaggregate-networks", "--ip", "10.0.0.0/8")
    assert not huge.vips
    assert "ip 10.0.0.0/8" in huge.notes[0]


def test_what_is_said_of_every_ip():
    found = check(
        *("--ip", "192.0.2.1", "--next-hop", "10.0.0.9", "--local-preference", "200"),
        *("--community", "64500:1 no-export", "--large-community", "1:2:3", "--as-path", "65001 65001"),
    )
    assert found.vips[0][1] == Attributes(
        next_hop=ip_address("10.0.0.9"),
        med=100,
        local_preference=200,
        as_path=(65001, 65001),
        communities=frozenset({"64500:1", "65535:65281"}),
        large_communities=frozenset({"1:2:3"}),
    )


def test_the_path_while_up_comes_before_the_general_one():
    assert check("--ip", "::1", "--as-path", "1", "--up-as-path", "2").vips[0][1].as_path == (2,)


def test_short_options_and_abbreviations():
    found = check(
        "-n", "web", "-c", "true", "-i", "2", "-f", "0.5", "-t", "3", "--comma", "id", "--label", "l"
    )
    assert (found.name, found.command, found.interval, found.timeout) == ("web", "id", 2.0, 3.0)
    assert (found.fast_interval, found.label) == (0.5, "l")


def test_neighbours():
    assert check("--neighbor", "10.0.0.1").neighbors == {ip_address("10.0.0.1")}
    assert check("--neighbor", "10.0.0.1", "--neighbor", "*").neighbors is None


def test_programs_to_run_in_exabgps_order():
    found = check("--execute", "all", "--down-execute", "d", "--up-execute", "u")
    assert found.execute == (("up", "u"), ("down", "d"), ("", "all"))


def test_a_check_has_bounds():
    found = check("--cmd", "x", "--rise", "0", "--fall", "-2", "--interval", "0", "--timeout", "0")
    assert (found.rise, found.fall, found.interval, found.timeout) == (1, 1, 5.0, 60.0)
    assert [note for note in found.notes if "interval 0" in note]
    assert [note for note in found.notes if "timeout 0" in note]
    found = check("--cmd", "x", "--rise", "5000", "--interval", "1e9", "--timeout", "90000")
    assert (found.rise, found.interval, found.timeout) == (1000, 86400.0, 3600.0)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--cmd", "x"], "metric 1000 while down"),
        (["--cmd", "x", "--down-metric", "7"], "metric 7 while down"),
        (["--disable", "/f"], "metric 500 while disabled"),
        (["--extended-community", "target:1:2"], "extended-community target:1:2"),
        (["--disabled-community", "1:2"], "disabled-community 1:2"),
        (["--down-as-path", "1"], "down-as-path 1"),
        (["--disabled-as-path", "1"], "disabled-as-path 1"),
        (["--path-id", "1"], "path-id 1"),
        (["--user", "nobody"], "user nobody"),
        (["--group", "nogroup"], "group nogroup"),
        (["--pid", "/run/pid"], "pid /run/pid"),
        (["--sudo"], "sudo"),
        (["--dynamic-ip-setup"], "dynamic-ip-setup"),
        (["--label-exact-match"], "label-exact-match"),
        (["--ip", "192.0.2.1", "--ip-ifname", "192.0.2.1%eth0"], "ip-ifname 192.0.2.1%eth0"),
        (["--disabled-execute", "x"], "disabled-execute x"),
        (["--colour", "red"], "--colour red"),
        (["stray"], "stray"),
    ],
)
def test_what_is_lost_is_said(options, what):
    assert [note.partition(", because ")[0] for note in check(*options).notes] == [
        f"not carried over: {what}"
    ]


def test_what_vipd_does_as_well_is_not_worth_a_word():
    found = check(
        *("--silent", "--no-ack", "--debounce", "--debug", "--no-syslog", "--syslog-facility", "daemon"),
        *("--withdraw-on-down", "--cmd", "x", "--disable", "/f"),
        *("--ip", "192.0.2.1", "--ip-ifname", "192.0.2.1%lo"),
    )
    assert found.notes == ()


def test_addresses_may_be_left_to_others():
    assert not check("--no-ip-setup").adds_addresses


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--ip", "192.0.2.256"], "argument --ip"),
        (["--interval", "x"], "argument --interval/-i"),
        (["--interval", "nan"], "argument --interval/-i"),
        (["--interval"], "expected one argument"),
        (["--up-"], "ambiguous option"),
        (["--next-hop", "x"], "argument --next-hop/-N"),
        (["--ip", "::1", "--up-metric", "4294967296"], '"4294967296" is no number'),
        (["--ip", "::1", "--up-metric", "-5"], '"-5" is no number'),
        (["--local-preference", "99999999999"], '"99999999999" is no number'),
        (["--community", "x"], '"x" is no community'),
        (["--neighbor", "tor"], '"tor" is no IP address'),
    ],
)
def test_what_the_health_check_itself_would_refuse(options, reason):
    with pytest.raises(ConvertError, match="f:7: health check: ") as caught:
        check(*options)
    assert reason in caught.value.reason


FILE = """\
# comment
debug
name = haproxy

command = curl -sf http://127.0.0.1/?a=b
ip = 192.0.2.1
"""


def test_a_file_of_options():
    assert is_options(FILE)
    found = read([*option_lines(FILE, "hc"), Line(words=("--name", "web"), file="f", line=1)])
    assert found.name == "web"  # of the command line
    assert found.command == "curl -sf http://127.0.0.1/?a=b"
    assert list(meds(found)) == ["192.0.2.1"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "neighbor 10.0.0.1 {\n}\n", "name = x\ncolour = red\n"])
def test_other_files(text):
    assert not is_options(text)


def test_a_wrong_line_of_a_file_is_named():
    with pytest.raises(ConvertError, match="hc:3: health check: argument --interval"):
        read(option_lines("name = x\n\ninterval = soon\n", "hc"))


def test_the_file_that_a_command_line_names():
    line = Line(words=("-F", "/etc/hc", "--name", "x"), file="f", line=1)
    assert config_file(line) == "/etc/hc"
    assert config_file(Line(words=(), file="f", line=1)) is None


@pytest.mark.parametrize(
    "run",
    [
        "exabgp healthcheck -s",
        "/usr/sbin/exabgp healthcheck -s",
        "python3 -m exabgp healthcheck -s",
        "/usr/bin/env python3 -m exabgp healthcheck -s",
        "sudo -u exabgp /opt/venv/bin/exabgp healthcheck -s",
        "exabgp --debug healthcheck -s",
        "python -m exabgp.application.healthcheck -s",
        "/usr/lib/exabgp/healthcheck.py -s",
        "exabgp-healthcheck -s",
    ],
)
def test_the_health_check_in_a_command(run):
    assert arguments(run.split()) == ("-s",)


def test_the_health_check_in_a_shell():
    assert arguments(["sh", "-c", "exec exabgp healthcheck --cmd 'a b'"]) == ("--cmd", "a b")


@pytest.mark.parametrize(
    "run",
    [
        ["/etc/exabgp/announce.py"],
        ["exabgp", "decode"],
        ["sh", "-c", "echo healthcheck"],
        ["sh", "-c", "exabgp healthcheck 'not closed"],
        [],
    ],
)
def test_other_programs(run):
    assert arguments(run) is None
