import tomllib

import pytest

from vipd.config import render, timetable

HEAD = """
[speaker]
local-as = 64147
[[neighbor]]
address = "10.0.0.1"
peer-as = 64001
[[neighbor]]
address = "10.0.0.2"
peer-as = 64001
hold-time = 30
[coordination]
servers = ["zk1"]
"""
SERVICE = """
[[service]]
name = "apex"
vips = ["192.0.2.1"]
"""
CHECK = """
[[service.check]]
tcp = "127.0.0.1:80"
"""
PINNED = '[[service.vip]]\naddress = "192.0.2.2"\npin = "lb-b"\n'


def row(page, title, service="apex"):
    """The cells of a row, of the table of a service or else of the timers."""
    part = page.partition(f"Service {service}:")[2] if title not in TIMERS else page
    (line,) = (line for line in part.split("\n# Service")[0].splitlines() if line.startswith(f"# {title}  "))
    return [cell.strip() for cell in line[2:].split("  ") if cell.strip()]


TIMERS = ("session-timeout T", "lease", "settle", "grace", "drain timeout")


def test_without_coordination_there_is_nothing_to_say(read, head):
    assert timetable(read(head + SERVICE)) == ""


def test_it_is_comments_and_the_whole_reads_as_the_same(read):
    config = read(HEAD + SERVICE + CHECK)
    page = timetable(config)
    assert all(line.startswith("#") and len(line) <= 110 for line in page.strip().splitlines())
    assert tomllib.loads(render(config) + page) == tomllib.loads(render(config))


def test_a_timer_has_its_value_its_default_and_its_reason(read):
    page = timetable(read(HEAD.replace("servers", "grace = 4\nservers") + SERVICE))
    assert row(page, "grace") == ["grace", "4", "10", "from start, before a pod does without ZooKeeper"]
    assert row(page, "settle")[1:3] == ["1", "1"]


def test_what_hangs_on_the_session_timeout_is_told_as_asked_and_of_stock_servers(read):
    page = timetable(read(HEAD + SERVICE + CHECK))
    assert row(page, "session-timeout T")[1] == "3 / 4"
    assert row(page, "lease")[1] == "2.25 / 3"
    # T, and a tick: of half of it, as servers may have it that grant 3 s; of 2 s
    assert row(page, "its pod is killed")[1] == "4.8 / 6.3"
    six = timetable(read(HEAD.replace("servers", "session-timeout = 6\nservers") + SERVICE))
    assert row(six, "session-timeout T")[1] == "6"


def test_services_of_several_minds(read):
    another = SERVICE.replace("apex", "b").replace("2.1", "2.9")
    page = timetable(read(HEAD + SERVICE + "settle = 2\n" + another))
    assert row(page, "settle")[1] == "apex 2, b 1"


@pytest.mark.parametrize(
    ("policy", "check", "killed", "dark"),
    [
        ("", "4.3", "4.8 / 6.3", "30"),
        ('standby = "hot"', "4", "0: a standby has it", "30"),
        ("copies = 2", "4", "0: 1 more have it", "30"),
        ('neighbors = ["10.0.0.1"]\nclaim-timeout = 9', "4.3", "4.8 / 6.3", "9"),
    ],
)
def test_what_a_vip_waits_for(read, policy, check, killed, dark):
    page = timetable(read(HEAD + SERVICE + policy + CHECK))
    assert row(page, "its check fails")[1] == check  # 1 s of interval, and three probes that hang for 1 s
    assert row(page, "its pod is killed")[1] == killed
    assert row(page, "its host goes dark")[1] == dark
    assert row(page, "its pod drains, or takes it back")[1] == "0"


def test_a_service_without_a_check_and_a_hold_time_of_none(read):
    page = timetable(read(HEAD.replace("30", "0") + SERVICE))
    assert row(page, "its check fails")[1] == "for ever"
    assert row(page, "its host goes dark")[1] == "inf"


@pytest.mark.parametrize(
    ("policy", "waits"), [("hold", "0"), ("own", "the outage"), ("withdraw", "the outage")]
)
def test_what_an_outage_of_zookeeper_costs(read, policy, waits):
    page = timetable(read(HEAD + SERVICE + f'coordination-loss = "{policy}"'))
    assert row(page, "ZooKeeper is lost")[1] == waits
    assert row(page, "... and then its pod is killed")[1] == "the outage"


def test_the_grace_period(read):
    page = timetable(read(HEAD + SERVICE + "[drain]\ntimeout = 20\nlinger = 2.5"))
    assert "needs 22.5 s: drain timeout 20 and linger 2.5." in page
    assert "has to be longer: 32.5." in page


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("", "every VIP from every healthy pod at the last rank, 1 (3 AS numbers longer); routers share"),
        (PINNED, "1 of 2 VIPs, each from the pod that it is pinned to, at rank 0; and every VIP from every"),
        ('cold-start = "pinned"\n' + PINNED, "at rank 0; the others are dark for ten minutes"),
        ('cold-start = "pinned"', "nothing is on the air for ten minutes (cold-start), as none is pinned"),
        ('cold-start = "none"', "nothing is on the air for ten minutes (cold-start), VIPs: 1"),
        ('standby = "hot"', "at the last rank, 2 (6 AS numbers longer)"),
    ],
)
def test_what_is_on_the_air_when_power_returns_before_zookeeper(read, policy, said):
    page = timetable(read(HEAD + SERVICE + policy))
    assert said in " ".join(page.replace("\n#", "").split())


def test_where_nothing_is_prepended_nothing_is_said_of_it(read):
    page = timetable(read(HEAD.replace("peer-as = 64001", "peer-as = 64147") + SERVICE))
    assert "at the last rank, 1;" in page
