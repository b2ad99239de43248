"""Paths, records and orders, and whatever else somebody may have written there."""

import json
from dataclasses import replace

import pytest

from siblings import A, B, C, record
from vipd.coord import layout
from vipd.coord.layout import (
    ORDER_OCTETS,
    RECORD_OCTETS,
    member_name,
    pod_of,
    policy_digest,
    read_order,
    read_record,
    record_bound,
    write_order,
    write_record,
)
from vipd.coord.member import Order, Phase, Service, Standby, Times, Unreadable, Vip

ORDER = Order(who="ann", why="disks", when="2024-05-01T12:00:00Z", until="tomorrow")
RECORD = replace(
    record(eligible={A}, suspect={B}, claims={A: 0, C: 2}, zone="r1", weight=3),
    policy="4c1b",
    drain=ORDER,
    maintenance=Order(why="move"),
    unseen=frozenset({C}),
    instead_of={A: "p-9"},
)
GOOD = json.loads(write_record(RECORD))


def broken(**changes) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_paths():
    assert layout.services_path("/vipd") == "/vipd/services"
    assert layout.members_path("/vipd", "apex") == "/vipd/services/apex/members"
    assert layout.member_path("/vipd", "apex", "p~1") == "/vipd/services/apex/members/p~1"
    assert layout.maintenance_path("/vipd", "apex") == "/vipd/services/apex/maintenance"
    assert layout.drains_path("/vipd") == "/vipd/drains"
    assert layout.drain_path("/vipd", "p") == "/vipd/drains/p"


@pytest.mark.parametrize(
    ("pod", "session", "name"), [("p-1", 255, "p-1~ff"), ("a~b", 1, "a~b~1"), ("p", -1, "p~ffffffffffffffff")]
)
def test_a_name_is_the_pod_and_its_session(pod, session, name):
    assert member_name(pod, session) == name
    assert pod_of(name) == pod


@pytest.mark.parametrize("name", ["p", "~1", "p~", "p~xyz", "p~11111111111111111", "", "p/q~1"])
def test_other_names_are_no_members(name):
    assert pod_of(name) is None


def test_a_record_reads_as_it_was_written():
    assert read_record(write_record(RECORD)) == RECORD
    assert GOOD["vips"] == {A: "e0", B: "c", C: "-2"}


def test_equal_records_give_equal_octets():
    other = replace(RECORD, announcing={C: 2, A: 0})
    assert write_record(other) == write_record(RECORD)


def test_members_that_list_the_same_share_one_set():
    first, second = (read_record(write_record(record(zone=zone))) for zone in ("r1", "r2"))
    assert first.eligible is second.eligible
    assert first.serves is first.eligible


def test_unknown_keys_are_passed_over():
    assert read_record(broken(later="value", drain=RECORD.drain and {**GOOD["drain"], "x": 1})) == RECORD


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b" " * (RECORD_OCTETS + 1), "exceed"),
        (b"{}", "schema: not a number"),
        (broken(schema=2), "schema 2 is newer than 1"),
        (broken(schema=True), "schema: not a number"),
        (broken(algorithm=0), "algorithm: not a number"),
        (broken(weight=0), "weight: not a number from 1"),
        (broken(weight=1.5), "weight: not a number"),
        (broken(weight=10**9), "weight: not a number"),
        (broken(zone=None), "zone: not a text"),
        (broken(zone="z" * 256), "zone: not a text"),
        (broken(policy=[]), "policy: not a text"),
        (broken(phase="asleep"), "phase: unknown"),
        (broken(phase=[]), "phase: unknown"),
        (broken(sessions=[1]), "sessions: not a pair"),
        (broken(sessions="22"), "sessions: not a pair"),
        (broken(sessions=[-1, 2]), "up: not a number"),
        (broken(sessions=[1, "2"]), "configured: not a number"),
        (broken(vips=None), "vips: not an object"),
        (broken(vips={A: "x"}), "is not understood"),
        (broken(vips={A: 0}), "is not understood"),
        (broken(vips={A: "e1000"}), "is not understood"),
        (broken(vips={"VIP": "e"}), "is not understood"),
        (broken(vips={A + "\n": "e"}), "is not understood"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "is not JSON"),
    ],
)
def test_what_is_not_a_record_is_unreadable_with_a_reason(octets, reason):
    found = read_record(octets)
    assert isinstance(found, Unreadable)
    assert reason in found.reason


@pytest.mark.parametrize(("unseen", "read"), [(None, None), ("x", None), ([], []), ([C, 5, "x"], [C])])
def test_what_cannot_be_read_of_what_is_unseen_is_as_good_as_not_said(unseen, read):
    found = read_record(broken(unseen=unseen)).unseen
    assert found == (None if read is None else set(read))


@pytest.mark.parametrize("instead", [None, "x", {"p": None}, {"p": [C, 5, "x"]}, {"p": [B]}])
def test_nor_does_a_record_relieve_anybody_of_what_it_does_not_announce(instead):
    assert read_record(broken(instead=instead)).instead_of == {}


def test_the_kept_orders_of_a_record_may_be_nonsense():
    found = read_record(broken(drain="x", maintenance={"who": 5}))
    assert found.drain is None
    assert found.maintenance == Order()


def test_an_order_reads_as_it_was_written():
    assert read_order(write_order(ORDER)) == ORDER
    assert read_order(write_order(Order(lifted=True))).lifted


@pytest.mark.parametrize("octets", [b"", b"null", b"\xff", b" " * (ORDER_OCTETS + 1)])
def test_an_order_that_cannot_be_read_is_an_order_all_the_same(octets):
    found = read_order(octets)
    assert found.why.startswith("its text is unreadable")
    assert not found.lifted


@pytest.mark.parametrize("lifted", ["true", 1, [True], None])
def test_only_a_plain_true_lifts(lifted):
    assert not read_order(json.dumps({"lifted": lifted}).encode()).lifted


def test_the_digest_tells_policies_apart_and_nothing_else():
    service = Service(name="apex", vips=(A, B))
    assert policy_digest(service) == policy_digest(Service(name="other", vips=(C,)))
    assert policy_digest(service) != policy_digest(replace(service, copies=2))
    assert policy_digest(service) != policy_digest(replace(service, pins={A: "p"}))
    assert policy_digest(service) != policy_digest(replace(service, times=Times(settle=2.0)))


@pytest.mark.parametrize("vip", ["192.0.2.{}", "2001:db8:1111:2222:3333:4444:5555:{:x}"])
def test_no_record_of_a_service_exceeds_its_bound(vip):
    vips = tuple(Vip(vip.format(n)) for n in range(100, 200))
    service = Service(name="apex", vips=vips, standby=Standby.HOT, standbys=20)
    long = Order(who="\x01" * 1000, why="\x01" * 3000)
    worst = replace(
        RECORD,
        zone="\x01" * 255,
        serves=frozenset(vips),
        eligible=frozenset(vips),
        announcing=dict.fromkeys(vips, 21),
        phase=Phase.DRAINING,
        drain=long,
        maintenance=long,
        policy="0" * 16,
    )
    assert len(write_record(worst)) <= record_bound(service)


def test_ten_thousand_vips_fit():
    vips = tuple(Vip(f"10.100.1{n // 100:02}.1{n % 100:02}") for n in range(10_000))
    assert record_bound(Service(name="wide", vips=vips)) < RECORD_OCTETS
