import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scene import CONFIG, GUARDED, LOST, NOW, UP, V4, V6, WALL, WATCHED, observed, whole
from shared_scene import APEX, LINK, MEMBERS, ORDER, insight, member, shared, view
from shared_scene import record as shared_record
from vipd.bfd.packet import State as Bfd
from vipd.bgp.peer import State
from vipd.config.sections import Defined
from vipd.coord.account import Insight
from vipd.coord.member import Announcements, Service, Verdict, Vip, Word
from vipd.metrics import of_the_process, page
from vipd.status import Reading

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def process():
    return of_the_process()


def samples(text: str) -> dict[tuple[str, frozenset], float]:
    """Every sample by its name and labels, as Prometheus' own parser reads them."""
    read = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in read}
    assert len(found) == len(read), "no series twice"
    return found


class Page:
    def __init__(self, process, scene=None, **changes):
        self.text = whole(page(scene or observed(**changes), process)).decode()
        self.samples = samples(self.text)

    def __call__(self, name: str, /, **labels: str) -> float | None:
        return self.samples.get((name, frozenset(labels.items())))

    def of(self, name: str) -> dict[frozenset, float]:
        return {labels: value for (known, labels), value in self.samples.items() if known == name}


@pytest.mark.parametrize("scene", [observed(peers={}), observed(), shared(insight(view()))])
def test_promtool_has_nothing_to_say(process, scene):
    text = Page(process, scene).text
    said = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_session_that_is_up(process):
    metric = Page(process)
    assert metric("vipd_bgp_session_up", peer="10.0.0.2") == 1
    assert metric("vipd_bgp_session_admin_up", peer="10.0.0.2") == 1
    states = {state: metric("vipd_bgp_session_state", peer="10.0.0.2", state=state) for state in State}
    assert states == {**dict.fromkeys(State, 0), State.ESTABLISHED: 1}
    assert metric("vipd_bgp_session_transitions_total", peer="10.0.0.2", to="up") == 2
    assert metric("vipd_bgp_session_transitions_total", peer="10.0.0.2", to="down") == 1
    assert metric("vipd_bgp_session_established_timestamp_seconds", peer="10.0.0.2") == WALL - 192
    identity = {
        "peer": "10.0.0.2",
        "peer_as": "64001",
        "local_as": "64147",
        "router_id": "10.255.0.2",
        "name": "tor-a",
    }
    assert metric("vipd_bgp_peer_info", **identity) == 1
    assert metric("vipd_bgp_messages_total", peer="10.0.0.2", direction="received", type="keepalive") == 66
    assert metric("vipd_bgp_prefixes_desired", peer="10.0.0.2", afi="ipv4", safi="unicast") == 1
    assert metric("vipd_bgp_prefixes_advertised", peer="10.0.0.2", afi="ipv6", safi="unicast") == 0
    assert metric("vipd_bgp_prefixes_received_total", peer="10.0.0.2") == 12


def test_notifications_are_told_apart(process):
    metric = Page(process)
    name = "vipd_bgp_notifications_total"
    assert metric(name, peer="10.0.0.2", direction="received", code="6", subcode="2") == 1
    assert metric(name, peer="10.0.0.2", direction="sent", code="4", subcode="0") == 0


def test_the_paths_that_are_watched(process):
    watched = {"tor-a": WATCHED, "10.0.0.3": LOST}
    metric = Page(process, config=GUARDED, bfd=watched, bfd_strangers={"ttl": 3})
    assert metric("vipd_bfd_session_up", peer="10.0.0.2") == 1
    assert metric("vipd_bfd_session_up", peer="10.0.0.3") == 0
    states = {state: metric("vipd_bfd_session_state", peer="10.0.0.3", state=str(state)) for state in Bfd}
    assert states == {**dict.fromkeys(Bfd, 0), Bfd.DOWN: 1}
    assert metric("vipd_bfd_session_transitions_total", peer="10.0.0.2", to="up") == 2
    assert metric("vipd_bfd_session_transitions_total", peer="10.0.0.2", to="down") == 1
    assert metric("vipd_bfd_detection_time_seconds", peer="10.0.0.2") == 0.9
    assert metric("vipd_bfd_detection_time_seconds", peer="10.0.0.3") is None
    assert metric("vipd_bfd_packets_total", peer="10.0.0.2", direction="received") == 690
    assert metric("vipd_bfd_packets_dropped_total", peer="10.0.0.2", reason="your_discriminator") == 2
    assert metric("vipd_bfd_packets_dropped_total", peer="10.0.0.2", reason="ttl") == 0
    assert metric("vipd_bfd_packets_dropped_total", peer="", reason="ttl") == 3


def test_a_watched_path_has_its_series_before_it_is_heard_of(process):
    metric = Page(process, config=GUARDED, bfd={})
    assert metric("vipd_bfd_session_state", peer="10.0.0.2", state="Down") == 1


def test_where_nothing_is_watched_there_is_nothing_of_bfd(process):
    assert not [name for name, _ in Page(process).samples if name.startswith("vipd_bfd_")]


def test_every_configured_peer_has_every_metric_from_the_first_second(process):
    first = Page(process, peers={}, checks={}, announcements={}, told={})
    later = Page(process)
    for name in {name for name, _ in later.samples if name.startswith("vipd_bgp_")}:
        peers = {dict(labels)["peer"] for labels in first.of(name)}
        assert peers == {"10.0.0.2", "10.0.0.3"}, name
    assert first("vipd_bgp_session_up", peer="10.0.0.2") == 0
    assert first("vipd_bgp_session_state", peer="10.0.0.2", state="Idle") == 1
    assert first("vipd_bgp_session_established_timestamp_seconds", peer="10.0.0.2") == 0
    assert (
        first("vipd_bgp_notifications_total", peer="10.0.0.3", direction="received", code="6", subcode="2")
        == 0
    )
    stranger = {
        "peer": "10.0.0.3",
        "peer_as": "external",
        "local_as": "64147",
        "router_id": "",
        "name": "10.0.0.3",
    }
    assert first("vipd_bgp_peer_info", **stranger) == 1
    assert first("vipd_check_up", service="apex", check="http", vip="") == 0
    assert first("vipd_check_runs_total", service="apex", check="http", vip="", result="bad") == 0
    assert first("vipd_vip_announced", service="apex", vip=V4, peer="10.0.0.2") == 0
    assert not first.of("vipd_vip_verdict")
    assert not first.of("vipd_check_duration_seconds")


def test_a_peer_that_fails_again_and_again(process):
    metric = Page(process, peers={"tor-a": replace(UP, back_off=16.0)})
    assert metric("vipd_bgp_session_back_off_seconds", peer="10.0.0.2") == 16
    assert metric("vipd_bgp_session_back_off_seconds", peer="10.0.0.3") == 0


def test_established_without_a_time_is_no_time(process):
    metric = Page(process, peers={"tor-a": replace(UP, established_at=None)})
    assert metric("vipd_bgp_session_established_timestamp_seconds", peer="10.0.0.2") == 0


def test_vips(process):
    metric = Page(process)
    announced = {
        (dict(labels)["service"], dict(labels)["vip"], dict(labels)["peer"]): value
        for labels, value in metric.of("vipd_vip_announced").items()
    }
    assert announced == {
        ("apex", "192.0.2.166", "10.0.0.2"): 1,
        ("apex", "192.0.2.166", "10.0.0.3"): 0,
        ("apex", "2001:db8::1", "10.0.0.2"): 0,
        ("apex", "2001:db8::1", "10.0.0.3"): 0,
        ("spare", "192.0.2.7", "10.0.0.3"): 0,  # tor-a is not to hear it
    }
    assert metric("vipd_vip_verdict", service="apex", vip=V6, verdict="UNHEALTHY") == 1
    assert len(metric.of("vipd_vip_verdict")) == 3
    assert metric("vipd_vip_address_present", service="apex", vip=V4) == 1
    assert metric("vipd_vip_address_present", service="apex", vip=V6) == 0


def test_addresses_that_nobody_looks_at_are_neither_present_nor_absent(process):
    assert not Page(process, held=None).of("vipd_vip_address_present")


def test_checks(process):
    metric = Page(process)
    assert metric("vipd_check_up", service="apex", check="http", vip="") == 1
    assert metric("vipd_check_up", service="apex", check="script", vip=V6) == 0
    assert metric("vipd_check_duration_seconds", service="apex", check="http", vip="") == 0.0021
    assert metric("vipd_check_runs_total", service="apex", check="script", vip=V6, result="timeout") == 1


def test_the_daemon(process):
    metric = Page(process, log_lines_dropped=7)
    assert metric("vipd_config_last_reload_successful") == 1
    assert metric("vipd_config_last_reload_timestamp_seconds") == WALL - 200
    assert metric("vipd_event_loop_lag_seconds") == 0.0001
    assert metric("vipd_event_loop_lag_max_seconds") == 0.012
    assert metric("vipd_log_lines_dropped_total") == 7
    assert [dict(labels)["version"] for labels in metric.of("vipd_build_info")] == ["0.1.0"]
    assert metric("process_start_time_seconds") is not None


def test_a_reload_that_failed(process):
    metric = Page(process, reading=Reading(ok=False, at=WALL, error="x"))
    assert metric("vipd_config_last_reload_successful") == 0
    assert metric("vipd_config_last_reload_timestamp_seconds") == WALL - 200


def test_names_from_a_configuration_cannot_break_the_page(process):
    name = 'quo"te\\back\nline'
    service = replace(CONFIG.services[0], service=Service(name=name, vips=(V4,)), checks={})
    verdict = Verdict(word=Word.ASSIGNED, reason="", rank=0, since=NOW)
    metric = Page(
        process,
        config=replace(CONFIG, services=(service,)),
        announcements={name: Announcements(verdicts={V4: verdict})},
    )
    assert metric("vipd_vip_announced", service=name, vip=V4, peer="10.0.0.2") == 1
    assert metric("vipd_vip_verdict", service=name, vip=V4, verdict="ASSIGNED") == 1
    assert metric("vipd_vip_address_present", service=name, vip=V4) == 1


def test_ten_thousand_vips_have_their_series(process):
    vips = tuple(Vip(f"10.0.{n >> 8}.{n & 255}") for n in range(10_000))
    route = CONFIG.services[0].routes[V4]
    service = replace(
        CONFIG.services[0], service=Service(name="many", vips=vips), routes=dict.fromkeys(vips, route)
    )
    metric = Page(process, config=replace(CONFIG, services=(service,)), prefixes={})
    assert len(metric.of("vipd_vip_announced")) == 20_000
    assert len(metric.of("vipd_vip_address_present")) == 10_000


def test_coordination(process):
    known = insight(view(read_at=NOW - 3), at=NOW)
    metric = Page(process, shared(known, expirations=2, takeovers={("apex", "COLD"): 5}))
    assert metric("vipd_zk_connected") == 1
    assert metric("vipd_zk_session_timeout_seconds") == 4
    assert metric("vipd_zk_session_expirations_total") == 2
    assert metric("vipd_zk_view_age_seconds", service="apex") == 3
    assert metric("vipd_fail_static", service="apex") == 0
    assert metric("vipd_takeovers_total", service="apex", reason="COLD") == 5
    assert metric("vipd_takeovers_total", service="apex", reason="SUBSTITUTE") == 0
    assert metric("vipd_vip_role", service="apex", vip=V4, role="assigned") == 1
    assert metric("vipd_vip_role", service="apex", vip=V6, role="none") == 1
    assert metric("vipd_maintenance", service="apex", scope="service") == 0


def test_zookeeper_lost(process):
    known = insight(view(read_at=NOW - 60, trusted_until=NOW - 57), at=NOW)
    metric = Page(process, shared(known, link=replace(LINK, lease_until=NOW - 1)))
    assert metric("vipd_zk_connected") == 0
    assert metric("vipd_fail_static", service="apex") == 1


def test_zookeeper_never_met(process):
    metric = Page(process, shared(Insight(), link=None, announcements={}))
    assert metric("vipd_zk_connected") == 0
    assert metric("vipd_zk_session_timeout_seconds") == 0
    assert not metric.of("vipd_zk_view_age_seconds")
    assert not metric.of("vipd_vip_role")


@pytest.mark.parametrize(
    ("word", "rank", "role"),
    [
        (Word.ASSIGNED, 0, "assigned"),
        (Word.HELD, 0, "assigned"),
        (Word.COLD, 1, "standby"),
        (Word.STANDBY, 1, "standby"),
        (Word.STEPPED_IN, 0, "substitute"),
        (Word.WITNESSED, 0, "substitute"),
        (Word.KEEPING, 0, "keeping"),
        (Word.DAMPED, None, "none"),
    ],
)
def test_roles(process, word, rank, role):
    verdict = Verdict(word=word, reason="", rank=rank, since=NOW)
    announcements = {"apex": Announcements(verdicts={V4: verdict})}
    metric = Page(process, shared(Insight(), announcements=announcements))
    assert metric("vipd_vip_role", service="apex", vip=V4, role=role) == 1


@pytest.mark.parametrize(
    ("word", "rank", "role"),
    [
        (Word.ASSIGNED, 0, "assigned"),  # begun
        (Word.NOT_ASSIGNED, None, "keeping"),  # let go
        (Word.STANDBY, 1, "keeping"),
    ],
)
def test_what_stands_aside_is_announced(process, word, rank, role):
    verdict = Verdict(word=word, reason="", rank=rank, since=NOW)
    announcements = {"apex": Announcements(verdicts={V4: verdict}, aside={V4: NOW + 1})}
    metric = Page(process, shared(Insight(), announcements=announcements))
    assert metric("vipd_vip_role", service="apex", vip=V4, role=role) == 1
    assert metric("vipd_vip_announced", service="apex", vip=V4, peer="10.0.0.2") == 1


WITNESSED = replace(APEX, witness=True)


def test_what_the_witnesses_see(process):
    sibling = member("web-8", 2, shared_record(announcing={V6: 0}, unseen=frozenset({V4})))
    known = insight(view(MEMBERS[0], sibling, read_at=NOW - 9), service=WITNESSED, at=NOW)
    metric = Page(process, witnessed(known))
    assert metric("vipd_vip_verified", service="apex", vip=V4) == 0
    assert metric("vipd_witness_blind", service="apex") == 0
    assert not Page(process, shared(known)).of("vipd_vip_verified")


def witnessed(known, **changes):
    before = shared(known)
    services = tuple(replace(each, service=WITNESSED) for each in before.config.services)
    return replace(before, config=replace(before.config, services=services), **changes)


def test_maintenance(process):
    metric = Page(process, shared(insight(view(maintenance=ORDER)), maintenance={"apex": "disk"}))
    assert metric("vipd_maintenance", service="apex", scope="service") == 1
    assert metric("vipd_maintenance", service="apex", scope="pod") == 1
    assert Page(process, maintenance={"spare": "x"})("vipd_maintenance", service="spare", scope="pod") == 1


def test_a_definition_that_is_not_what_the_pod_has(process):
    for told, value in (
        (Defined(source="zookeeper"), 0),
        (Defined(refused="no"), 1),
        (Defined(source="zookeeper", deleted=True), 1),
    ):
        metric = Page(process, shared(insight(view()), definitions={"apex": told}))
        assert metric("vipd_definition_refused", service="apex") == value


def test_the_document_names_every_metric_with_its_type_and_labels(process):
    told = {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in re.findall(
            r"^\| `(vipd_\w+)` \| (\w+) \|([^|]*)\|", DOCUMENT.read_text(), re.MULTILINE
        )
    }
    sibling = member("web-8", 2, shared_record(unseen=frozenset()))
    known = insight(view(MEMBERS[0], sibling), service=WITNESSED)
    defined = {"apex": Defined()}
    scene = witnessed(known, held=frozenset(), definitions=defined, bfd={"tor-a": WATCHED})
    scene = replace(scene, config=replace(scene.config, bfd=GUARDED.bfd))
    text = whole(page(scene, process)).decode()
    types = dict(re.findall(r"^# TYPE (vipd_\w+) (\w+)$", text, re.MULTILINE))
    labels: dict[str, frozenset] = {}
    for name, found in samples(text):
        if name.startswith("vipd_"):
            labels[name] = frozenset(key for key, _ in found)
    assert told == {name: (types[name], labels[name]) for name in types}
    assert len(told) > 15
