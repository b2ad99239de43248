import json
from dataclasses import replace

import pytest

from scene import (
    ANNOUNCEMENTS,
    CHECKS,
    CONFIG,
    DOWN,
    GUARDED,
    HTTP,
    NOW,
    PREFIXES,
    SPARE,
    UP,
    V4,
    V6,
    WATCHED,
    observed,
    snapshot,
    unready,
)
from vipd import status
from vipd.bgp.peer import State
from vipd.bgp.route import Route
from vipd.bgp.wire import Prefix
from vipd.config.sections import ServiceConfig
from vipd.coord.member import Announcements, Phase, Service, Verdict, Vip, Word
from vipd.health import Check, CheckStatus, ExecProbe, FileProbe, Health, HttpProbe, NerveProbe, TcpProbe
from vipd.status import Reading, health, target, when
from vipd.steps import STEP
from vipd.text.vips import explain, why


def assigned(*vips: Vip) -> Announcements:
    return Announcements(
        verdicts={vip: Verdict(word=Word.ASSIGNED, reason="ours", rank=0, since=NOW) for vip in vips}
    )


ALL_ASSIGNED = {"apex": assigned(V4, V6), "spare": assigned(SPARE)}


def test_ready_is_running_with_every_vip_told_to_somebody():
    assert unready(observed(announcements=ALL_ASSIGNED, told={"tor-a": set(PREFIXES.values())})) == ()


def test_told_by_a_session_that_is_down_does_not_count():
    told = {"10.0.0.3": set(PREFIXES.values())}  # what it had been told dies with the session
    assert unready(observed(announcements=ALL_ASSIGNED, told=told)) == (
        "apex: 192.0.2.166, 2001:db8::1 are announced, but not yet told",
        "spare: 192.0.2.7 is announced, but not yet told",
    )


def test_without_any_session_says_so():
    why = unready(observed(announcements=ALL_ASSIGNED, peers={"10.0.0.3": DOWN}))
    assert why[1] == "spare: 192.0.2.7 is announced, but no session is Established"


def test_leaving_is_not_ready():
    assert unready(observed(phase=Phase.LEFT)) == ("this pod is leaving",)


def test_before_the_first_decision_nothing_is_ready():
    assert unready(observed(announcements={})) == (
        "apex: 192.0.2.166, 2001:db8::1 are not yet decided upon",
        "spare: 192.0.2.7 is not yet decided upon",
    )


def test_many_vips_with_one_cause_are_one_sentence():
    vips = tuple(Vip(f"10.0.{n >> 8}.{n & 255}") for n in range(10_000))
    service = ServiceConfig(service=Service(name="many", vips=vips), routes={})
    verdict = Verdict(word=Word.UNHEALTHY, reason="check x: timed out", rank=None, since=0.0)
    why = unready(
        observed(
            config=replace(CONFIG, services=(service,)),
            announcements={"many": Announcements(verdicts=dict.fromkeys(vips, verdict))},
        )
    )
    assert why == ("many: 10.0.0.0, 10.0.0.1, 10.0.0.2 and 9997 more are not announced: check x: timed out",)


def test_the_snapshot_is_json_and_has_the_fields_of_schema_1():
    everything = json.loads(json.dumps(snapshot(observed())))
    assert everything["schema"] == 1
    assert everything.keys() == {
        "schema", "version", "pod", "pid", "phase", "uptime", "time", "ready", "unready", "config", "speaker",
        "loop", "log", "maintenance", "coordination", "neighbors", "services",
    }  # fmt: skip
    assert everything["time"] == "2026-11-21T08:00:00Z"
    assert everything["uptime"] == 200.0
    assert everything["ready"] is False
    assert everything["config"]["reload"] == {"ok": True, "at": "2026-11-21T07:56:40Z", "error": None}
    assert everything["speaker"] == {"local_as": 64147, "router_id": "10.0.0.1", "listen": ["[::1]:1790"]}


def test_a_neighbour_that_is_watched():
    watched, lost = snapshot(observed(config=GUARDED, bfd={"tor-a": WATCHED}))["neighbors"]
    assert watched["bfd"] == {
        "state": "Up",
        "state_for": 190.0,
        "diagnostic": "no diagnostic",
        "remote_state": "Up",
        "remote_diagnostic": "no diagnostic",
        "discriminator": 17,
        "remote_discriminator": 34,
        "interval": 0.3,
        "multiplier": 3,
        "transmit_interval": 0.3,
        "detection_time": 0.9,
        "ups": 2,
        "downs": 1,
        "packets": {"sent": 700, "received": 690},
        "dropped": {"your_discriminator": 2},
    }
    assert (lost["bfd"]["state"], lost["bfd"]["detection_time"]) == ("Down", None)  # not heard of yet
    assert snapshot(observed())["neighbors"][0]["bfd"] is None


def test_a_neighbour_that_is_up():
    up, down = snapshot(observed())["neighbors"]
    assert up["uptime"] == up["state_for"] == 192.0
    assert up["peer_router_id"] == "10.255.0.2"
    assert up["negotiated"] == {
        "hold_time": 9,
        "keepalive": 3.0,
        "families": ["ipv4"],
        "four_octet_as": True,
        "route_refresh": True,
        "enhanced_refresh": False,
        "extended_next_hop": False,
        "extended_message": False,
        "graceful_restart": False,
        "ebgp": True,
    }
    assert up["messages"]["sent"] == {
        "open": 2, "update": 5, "notification": 0, "keepalive": 64, "route_refresh": 0,
    }  # fmt: skip
    assert up["notifications"] == [
        {
            "direction": "received",
            "code": 6,
            "subcode": 2,
            "name": "Cease / Administrative Shutdown",
            "count": 1,
        }
    ]
    assert up["prefixes"] == {
        "ipv4": {"desired": 1, "advertised": 1},
        "ipv6": {"desired": 0, "advertised": 0},
    }
    assert up["untold"] == {"ipv6": "it was not agreed on"}
    assert up["retry_in"] is None
    assert down["uptime"] is None


def test_a_neighbour_that_is_down():
    down = snapshot(observed())["neighbors"][1]
    assert (down["state"], down["state_for"], down["retry_in"]) == ("Active", 30.0, 3.5)
    assert (down["peer_as"], down["peer_router_id"], down["negotiated"]) == (None, None, None)
    assert down["last_error"] == {
        "ago": 1.5,
        "cause": "closed",
        "code": 0,
        "subcode": 0,
        "text": "10.0.0.3 port 1790: connection refused",
    }


def test_a_neighbour_that_fails_again_and_again():
    failing = replace(DOWN, back_off=16.0)
    assert snapshot(observed(peers={"10.0.0.3": failing}))["neighbors"][1]["back_off"] == 16.0


def test_a_retry_that_is_due_is_not_in_the_past():
    late = replace(DOWN, retry_at=NOW - 1)
    assert snapshot(observed(peers={"10.0.0.3": late}))["neighbors"][1]["retry_in"] == 0.0


def test_a_neighbour_that_is_established_but_has_no_time_yet_is_told_without():
    fresh = replace(UP, established_at=None)
    assert snapshot(observed(peers={"tor-a": fresh}))["neighbors"][0]["uptime"] is None


def test_whoever_is_configured_is_there_from_the_first_second():
    everything = snapshot(observed(peers={}, announcements={}, checks={}, told={}, held=None))
    assert [peer["state"] for peer in everything["neighbors"]] == ["Idle", "Idle"]
    apex = everything["services"][0]
    assert apex["health"] == "rising"
    assert apex["vips"][0] == {
        "vip": "192.0.2.166",
        "verdict": None,
        "rank": None,
        "aside": False,
        "reason": "not yet decided upon",
        "for": None,
        "announced": False,
        "announced_to": [],
        "neighbors": None,
        "held": None,
        "sharing": None,
    }
    assert [check["last"] for check in apex["checks"]] == [None, None]
    assert apex["checks"][0]["for"] == 200.0


@pytest.mark.parametrize(("word", "rank"), [(Word.NOT_ASSIGNED, None), (Word.STANDBY, 1)])
def test_what_was_let_go_and_stands_aside_is_announced(word, rank):
    verdict = Verdict(word=word, reason="", rank=rank, since=NOW)
    announcements = {"apex": Announcements(verdicts={V4: verdict}, aside={V4: NOW + 1})}
    everything = snapshot(observed(announcements=announcements))
    told = everything["services"][0]["vips"][0]
    assert (told["announced"], told["rank"], told["aside"]) == (True, 0, True)
    assert "192.0.2.166 of service apex is announced to 1 of 2" in why(explain(everything, V4))


def test_a_service():
    apex, spare = snapshot(observed())["services"]
    assert apex["health"] == "up"
    assert [vip["announced"] for vip in apex["vips"]] == [True, False]
    assert [vip["announced_to"] for vip in apex["vips"]] == [["tor-a"], []]
    assert [vip["held"] for vip in apex["vips"]] == [True, False]
    assert spare["vips"][0]["neighbors"] == ["10.0.0.3"]
    assert apex["checks"][0] == {
        "name": "http",
        "type": "http",
        "target": "http://127.0.0.1/healthcheck",
        "vip": None,
        "health": "up",
        "streak": 3,
        "for": 190.0,
        "interval": 1.0,
        "rise": 3,
        "fall": 3,
        "last": {"good": True, "message": "200 OK", "output": "", "duration": 0.0021, "ago": 0.4},
        "runs": {"good": 190, "bad": 0, "timeout": 0},
    }
    assert apex["checks"][1]["vip"] == V6


def test_a_reload_that_failed():
    reading = Reading(ok=False, at=NOW, error="vipd.toml: speaker.local-as = 0: 1 to 4294967295")
    reload = snapshot(observed(reading=reading))["config"]["reload"]
    assert reload["ok"] is False
    assert reload["error"] == reading.error


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (HttpProbe(url="https://[::1]/x"), ("http", "https://[::1]/x")),
        (TcpProbe(host="127.0.0.1", port=80), ("tcp", "127.0.0.1:80")),
        (TcpProbe(host="::1", port=80), ("tcp", "[::1]:80")),
        (ExecProbe(command=("/bin/sh", "-c", "a | b")), ("exec", "a | b")),
        (ExecProbe(command=("/bin/a", "b c")), ("exec", "/bin/a 'b c'")),
        (FileProbe(path="/run/off"), ("file", "/run/off")),
        (NerveProbe(path="/services/apex", host="lb-1"), ("nerve", "/services/apex of lb-1")),
    ],
)
def test_what_a_check_looks_at(probe, expected):
    assert target(Check(name="x", service="y", probe=probe)) == expected


def test_the_health_of_a_service_is_its_worst_check():
    def status(word: Health, vip: str | None = None) -> CheckStatus:
        return CheckStatus(check=replace(HTTP, vip=vip), health=word)

    assert health([]) is Health.UP
    assert health([status(Health.UP), status(Health.DOWN, vip="192.0.2.1")]) is Health.UP
    assert health([status(Health.UP), status(Health.FALLING)]) is Health.FALLING
    assert health([status(Health.FALLING), status(Health.RISING)]) is Health.RISING
    assert health([status(Health.DOWN), status(Health.RISING)]) is Health.DOWN
    assert health([status(Health.DOWN), status(Health.DISABLED)]) is Health.DISABLED


def test_wall_clock():
    assert when(0.9) == "1970-01-01T00:00:00Z"


def test_the_scene_is_what_it_says():
    assert observed().hearing().keys() == {"tor-a"}
    assert UP.state is State.ESTABLISHED
    assert Prefix.parse(V4) in observed().told["tor-a"]
    assert observed().check("apex/http", HTTP) is CHECKS["apex/http"]
    assert [vip for vip, _ in observed().verdicts(CONFIG.services[0])] == [V4, V6]
    assert ANNOUNCEMENTS.keys() == {"apex", "spare"}


def test_many_vips_are_told_of_in_steps():
    many = tuple(Vip(f"10.0.{n >> 8}.{n & 255}") for n in range(3 * STEP))
    service = ServiceConfig(service=Service(name="wide", vips=many), routes=dict.fromkeys(many, Route()))
    scene = observed(config=replace(CONFIG, services=(service,)), announcements={})
    assert len(list(status.snapshot(scene))) == 2 * len(list(status.unready(scene))) == 6
    (told,) = snapshot(scene)["services"]
    assert [vip["vip"] for vip in told["vips"]] == list(many)
