"""ExaZK's options to a vipd.toml. The fixtures are as its users have them."""

import shlex
from pathlib import Path

import pytest

from vipd.config import Machine, load
from vipd.convert import exabgp
from vipd.convert.errors import ConvertError
from vipd.convert.exazk import convert
from vipd.convert.exazk_options import of_file, of_line, split

FIXTURES = Path(__file__).parents[2] / "fixtures" / "exazk"
CONF, YAML = str(FIXTURES / "exabgp.conf"), str(FIXTURES / "apex.yml")
ONE, TWO, THREE = (f"10.20.255.{n}" for n in (1, 2, 3))
LINE = (
    f'-sF daemon -c "/bin/check it" -n apex -A {ONE} -N {TWO} -N {THREE} -zH localhost'
    " -zPS /exabgp/service/apex -zPM /exabgp/maintenance/apex/node1"
)
FILE = Path(YAML).read_text()


def loaded(text: str, tmp_path):
    path = tmp_path / "vipd.toml"
    path.write_text(text)
    return load(str(path), {}, machine=Machine(hostname=lambda: "elsewhere"))


@pytest.mark.parametrize(
    ("file", "line", "servers"),
    [
        (YAML, None, ("localhost", "zk2")),
        (None, LINE, ("localhost",)),
        (None, f"/usr/bin/exazk.py {LINE}", ("localhost",)),
        (None, None, ("localhost",)),
        (None, f"-f {YAML} -A 192.0.2.99", ("localhost", "zk2")),
    ],
)
def test_file_command_line_and_process_come_to_the_same(tmp_path, file, line, servers):
    config = loaded(convert(file, line, [CONF]), tmp_path)
    (service,) = config.services
    assert (service.service.name, service.service.vips) == ("apex", (ONE, TWO, THREE))
    assert (service.place.path, service.place.maintenance, service.place.own) == (
        "/exabgp/service/apex",
        "/exabgp/maintenance/apex/node1",
        ONE,
    )
    assert {vip: route.med for vip, route in service.routes.items()} == {ONE: 100, TWO: 200, THREE: 200}
    assert service.service.times.settle == 3.0
    assert len(service.checks) == 1
    assert config.coordination.pod_id == f"apex-{ONE}"
    assert tuple(server.host for server in config.coordination.ensemble.servers) == servers
    assert list(config.neighbors) == ["172.16.1.6"]


def test_one_line_moves_it_to_the_layout_of_vipd_where_all_pods_agree_on_pins(tmp_path):
    def pins(line: str):
        text = convert(None, line, [CONF]).replace('layout = "exazk"', 'layout = "vipd"')
        return loaded(text, tmp_path).services[0].service.pins

    expected = {vip: f"apex-{vip}" for vip in (ONE, TWO, THREE)}
    assert pins(LINE) == expected
    assert pins(LINE.replace(f"-A {ONE} -N {TWO}", f"-A {TWO} -N {ONE}")) == expected


def test_debug_is_carried_over_and_the_rest_of_logging_is_not(tmp_path):
    text = convert(None, f"-d -s {LINE}", [CONF])
    assert loaded(text, tmp_path).log.level == "debug"
    assert "not carried over: silent, syslog" in text


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        (
            "srv_non_auth_ips: [ 10.20.255.2, 10.20.255.3 ]",
            "srv_non_auth_ips, because ExaZK crashes without it",
        ),
        ("zk_path_maintenance: /exabgp/maintenance/apex/node1", "zk_path_maintenance, because ExaZK crashes"),
    ],
)
def test_what_exazk_crashes_without_and_vipd_does_not_need(tmp_path, removed, said):
    path = tmp_path / "apex.yml"
    path.write_text(FILE.replace(removed, ""))
    text = convert(str(path), None, [CONF])
    assert said in " ".join(text.replace("#", "").split())
    loaded(text, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("srv_auth_ip: 10.20.255.1", "", "srv_auth_ip: is missing: ExaZK crashes at its start"),
        ('    - localhost\n    - "zk2:2181"  # second\n', "", "3: zk_hosts: is missing"),
        ("zk_path_service: /exabgp/service/apex", "", "zk_path_service: is missing"),
        ("local_check: /usr/local/bin/check_local_nginx.sh", "", "local_check: is missing"),
        ("[ 10.20.255.2, 10.20.255.3 ]", "10.20.255.2", "16: srv_non_auth_ips: must be a list"),
        ("srv_auth_ip: 10.20.255.1", "srv_auth_ip: [10.20.255.1]", "15: srv_auth_ip: must be one text"),
        ("srv_name: apex", "srv_name: yes", "srv_name: must be one text"),
        (
            "10.20.255.3 ]",
            "10.20.255.1 ]",
            "10.20.255.1 is srv_auth_ip, too: ExaZK announces it and withdraws",
        ),
        ("10.20.255.3 ]", "10.20.255 ]", 'srv_non_auth_ips: "10.20.255" is not an address'),
        ("10.20.255.3 ]", "2001:db8::1 ]", "ExaZK writes /32 behind every address"),
        ("10.20.255.3 ]", "10.20.255.3", "16: srv_non_auth_ips: the list has to end on its line"),
        ("srv_name: apex", "srv_nam: apex", "14: srv_nam: ExaZK has no such option"),
        ("srv_name: apex", "srv_name: {a: b}", "14: srv_name: must be a text, true or false"),
        ("srv_name: apex", "srv_name: apex\n- more", "15: one `key: value` is a line here"),
        ("srv_name: apex", "srv_name: apex\n  nested: x", "15: one `key: value` is a line here"),
        ("srv_name: apex", "srv_name: a\nsrv_name: b", "15: srv_name stands on line 14 already"),
        ("zk_path_service: /exabgp", "zk_path_service: exabgp", 'zk_path_service: "exabgp/service/apex"'),
        ("- localhost", "- a b:c", "zk_hosts:"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_at_its_place(old, new, sentence):
    assert old in FILE
    with pytest.raises(ConvertError) as caught:
        of_file(FILE.replace(old, new, 1), "apex.yml")
    assert str(caught.value).startswith("apex.yml")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "--args: zk_hosts: is missing"),
        ("-zH", "--args: ExaZK does not take this: argument --zk-hosts/-zH: expected one argument"),
        ("--what", "--args: ExaZK does not take this: unrecognized arguments: --what"),
        (LINE.replace("-zPS /exabgp/service/apex", ""), "zk_path_service: is missing"),
        (LINE.replace(f"-N {TWO}", f"-N {ONE}"), "is srv_auth_ip, too"),
    ],
)
def test_what_is_wrong_with_a_command_line(line, sentence):
    with pytest.raises(ConvertError) as caught:
        of_line(shlex.split(line))
    assert sentence in str(caught.value)


def test_of_what_is_not_said_nothing_is_noted():
    assert of_line(shlex.split(LINE.removeprefix("-sF daemon "))).notes == []


def test_a_line_that_cannot_be_cut():
    with pytest.raises(ConvertError, match="no closing quotation"):
        split('-c "x')


def test_values_in_quotes_comments_and_none():
    text = FILE.replace("srv_name: apex", 'srv_name: "a # b"  # it').replace(
        "zk_path_maintenance: /exabgp/maintenance/apex/node1", "zk_path_maintenance: ~"
    )
    found = of_file(text, "apex.yml")
    assert (found.name, found.maintenance) == ("a # b", None)
    twice = of_file(FILE.replace("10.20.255.3 ]", "10.20.255.2 ]"), "apex.yml")
    assert [str(vip) for vip in twice.others] == [TWO]
    assert "srv_non_auth_ips names an address twice: once is enough." in twice.notes


def written(tmp_path, text: str) -> str:
    path = tmp_path / "exabgp.conf"
    path.write_text(text)
    return str(path)


def test_an_exabgp_that_runs_none_or_several(tmp_path):
    conf = Path(CONF).read_text()
    bare = conf.replace("/usr/bin/exazk.py", "/usr/bin/other.py")
    with pytest.raises(ConvertError, match=r"no process runs exazk.py in it: say FILE"):
        convert(None, None, [written(tmp_path, bare)])
    text = convert(YAML, None, [written(tmp_path, bare)])
    assert "No neighbor listens to a process that runs this ExaZK" in text
    process = conf[: conf.index("neighbor")]
    second = (
        process.replace("exazk-apex", "exazk-two").replace("-n apex", "-n two").replace(ONE, "10.20.255.9")
    )
    both = written(tmp_path, process + second + conf[conf.index("neighbor") :])
    with pytest.raises(ConvertError, match=r"2 processes run exazk.py in it"):
        convert(None, None, [both])
    line = " ".join(shlex.quote(word) for word in split(process.split("run ")[1].split(";")[0]))
    text = convert(None, line, [both])
    assert "No neighbor listens" not in text
    assert "process exazk-two, because another ExaZK: convert it, too" in " ".join(
        text.replace("#", "").split()
    )


def test_only_those_who_listen_hear_of_it(tmp_path):
    conf = Path(CONF).read_text()
    deaf = conf[conf.index("neighbor") :].replace("172.16.1.6", "172.16.1.7")
    deaf = deaf.replace("api { processes [ exazk-apex ]; }", "static { route 203.0.113.1/32 next-hop self; }")
    config = loaded(convert(None, None, [written(tmp_path, conf + deaf)]), tmp_path)
    apex, static = config.services
    assert set(apex.routes[ONE].neighbors) == {"172.16.1.6"}
    assert static.service.vips == ("203.0.113.1",)
    assert static.place is None


def test_a_vip_that_a_health_check_announces_too(tmp_path):
    conf = Path(CONF).read_text()
    process = f"process hc {{ run exabgp healthcheck --cmd true --ip {ONE}/32; }}\n"
    conf = process + conf.replace("[ exazk-apex ]", "[ exazk-apex hc ]")
    with pytest.raises(ConvertError, match=f"a health check announces {ONE}, too: drop one"):
        convert(None, None, [written(tmp_path, conf)])


def test_the_other_converter_knows_exazk_and_says_so():
    text = exabgp.convert([CONF])
    assert "it is ExaZK: vipd convert exazk" in " ".join(text.replace("#", "").split())
