from dataclasses import replace

from scene import CHECKS, CONFIG, SPARE, UP, V4, V6, observed, snapshot
from vipd.bgp.iana import Family
from vipd.text import explain, vips, why
from vipd.text.vips import service_table

TABLE = """\
VIP          Service  Announced  Verdict       Since  Told  Reason
192.0.2.166  apex     yes        ASSIGNED   00:03:10     1  this pod announces its VIPs by itself: no \
coordination is configured
2001:db8::1  apex     no         UNHEALTHY  00:01:00     0  check script: exit status 1
192.0.2.7    spare    yes        ASSIGNED      2d06h     0  this pod announces its VIPs by itself: no \
coordination is configured"""

WHY_ANNOUNCED = """\
192.0.2.166 of service apex is announced to 1 of 2 neighbours
  Verdict: ASSIGNED for 00:03:10
  Reason: this pod announces its VIPs by itself: no coordination is configured
  Address: on this machine
  Checks:
    http: up for 00:03:10
      http http://127.0.0.1/healthcheck
      200 OK in 2.1 ms, 400 ms ago
      190 good, 0 bad, 0 timed out; every 1 s, rise 3, fall 3
  Neighbours:
    10.0.0.2 (tor-a): told
    10.0.0.3: not told, the session is Active; 10.0.0.3 port 1790: connection
      refused (1.5 s ago)"""

WHY_NOT = """\
2001:db8::1 of service apex is not announced
  Verdict: UNHEALTHY for 00:01:00
  Reason: check script: exit status 1
  Address: not on this machine
  Checks:
    http: up for 00:03:10
      http http://127.0.0.1/healthcheck
      200 OK in 2.1 ms, 400 ms ago
      190 good, 0 bad, 0 timed out; every 1 s, rise 3, fall 3
    script: down for 00:01:00
      exec probe --six
      exit status 1 in 12 ms, 700 ms ago
      | no route
      | to host
      100 good, 59 bad, 1 timed out; every 1 s, rise 3, fall 3
  Neighbours:
    10.0.0.2 (tor-a): not told, as it is not announced
    10.0.0.3: not told, the session is Active; 10.0.0.3 port 1790: connection
      refused (1.5 s ago)"""


def rows(everything):
    return [
        {"service": service["name"], **vip} for service in everything["services"] for vip in service["vips"]
    ]


def because(everything, vip, name="tor-a"):
    """Why a neighbour has, or has not, been told."""
    return {peer["name"]: peer["why"] for peer in explain(everything, vip)["neighbors"]}[name]


def test_the_table():
    assert vips(rows(snapshot(observed()))) == TABLE


def test_the_table_of_nothing():
    assert vips([]) == "No VIP is configured."


def test_what_is_undecided_has_no_word():
    table = vips(rows(snapshot(observed(announcements={}, told={}))))
    assert table.splitlines()[1].split() == [
        "192.0.2.166", "apex", "no", "-", "never", "0", "not", "yet", "decided", "upon",
    ]  # fmt: skip


def test_services():
    everything = snapshot(observed())
    assert service_table(everything["services"]).splitlines() == [
        "Service  Health  VIPs  Announced  Checks",
        "apex     up         2          1  http up (200 OK), 0 of 1 checks of single VIPs pass",
        "spare    up         1          1  none",
    ]
    assert service_table([]) == "No service is configured."


def test_services_before_the_first_result():
    table = service_table(snapshot(observed(checks={}))["services"])
    assert "http rising, 0 of 1 checks of single VIPs pass" in table


def test_why_announced():
    assert why(explain(snapshot(observed()), V4)) == WHY_ANNOUNCED


def test_why_not_announced():
    assert why(explain(snapshot(observed()), V6)) == WHY_NOT


def test_why_an_unknown_one():
    assert explain(snapshot(observed()), "192.0.2.1") is None


def test_why_before_anything_is_known():
    text = why(explain(snapshot(observed(announcements={}, checks={}, held=None)), V4))
    assert "  Verdict: none\n  Reason: not yet decided upon\n  Checks:\n" in text
    assert "      no result yet\n" in text


def test_why_without_checks_and_neighbours():
    everything = snapshot(observed(config=replace(CONFIG, neighbors={})))
    text = why(explain(everything, SPARE))
    assert text.startswith("192.0.2.7 of service spare is to be announced, and nobody is told\n")
    assert "    none: it counts as healthy\n" in text
    assert text.endswith("  Neighbours:\n    none is configured")


def test_why_of_a_switch():
    """Rise, fall and interval are not for it."""
    vip = explain(snapshot(observed()), V4)
    text = why({**vip, "checks": [{**vip["checks"][0], "type": "file"}]})
    assert "      190 good, 0 bad, 0 timed out; one look decides\n" in text


def test_why_a_neighbour_is_not_told():
    untold = {V4: replace(CONFIG.services[0].routes[V4], neighbors=frozenset({"10.0.0.3"}))}
    elsewhere = replace(
        CONFIG, services=(replace(CONFIG.services[0], routes={**CONFIG.services[0].routes, **untold}),)
    )
    nothing = {"told": {}}
    assert because(snapshot(observed()), V4) == "told"
    assert because(snapshot(observed(**nothing)), V4) == "not told yet"
    assert because(snapshot(observed(config=elsewhere, **nothing)), V4).endswith("not for this neighbour")
    assert because(snapshot(observed(peers={})), V4) == "not told, the session is Idle"


def test_why_a_neighbour_is_not_told_of_a_family():
    assigned = observed().announcements["apex"].verdicts[V4]
    standing = {"apex": replace(observed().announcements["apex"], verdicts={V4: assigned, V6: assigned})}
    everything = snapshot(observed(announcements=standing))
    assert because(everything, V6) == "not told, it was not agreed on"
    silent = snapshot(observed(announcements=standing, peers={"tor-a": replace(UP, untold={})}))
    assert because(silent, V6) == "not told, as ipv6 was not agreed on"
    both = replace(UP, untold={}, negotiated=replace(UP.negotiated, families=tuple(Family)))
    assert because(snapshot(observed(announcements=standing, peers={"tor-a": both})), V6) == "not told yet"


def test_only_the_tail_of_an_output_is_shown():
    key = f"apex/{V6}/script"
    status = CHECKS[key]
    flood = replace(status, last=replace(status.last, output="".join(f"line {n}\n" for n in range(100))))
    text = why(explain(snapshot(observed(checks={**CHECKS, key: flood})), V6))
    assert [line.strip() for line in text.splitlines() if line.startswith("      | ")] == [
        f"| line {n}" for n in range(95, 100)
    ]
