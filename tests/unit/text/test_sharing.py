import json

import pytest

from scene import NOW, V4, snapshot
from shared_scene import LINK, ORDER, insight, shared, view
from vipd.config.sections import Defined
from vipd.coord.member import Order
from vipd.sharing import order
from vipd.text import (
    definition,
    explain,
    judged,
    local_maintenance,
    maintenance,
    members,
    ordered,
    status,
    why,
)

AS = "as web-7 in zone r1"
BY = "ada@desk since 2026-11-21T07:00:00Z"
GIVEN = {"who": "ada@desk", "why": "disks", "when": "2026-11-21T07:00:00Z", "until": "", "lifted": False}


def everything(**changes):
    return json.loads(json.dumps(snapshot(shared(insight(view()), **changes))))


def test_an_order_is_confirmed():
    by = "(ada@desk since 2026-11-21T07:00:00Z: disks)"
    lifted = {**GIVEN, "lifted": True}
    on, off = (ordered({"service": "apex", "order": order}) for order in (GIVEN, lifted))
    assert on.endswith(f"off the air on all of its pods, once they have read it {by}")
    assert off.startswith("apex is back on the air, once they have read it")
    drained, back = (ordered({"pod": "a", "order": order}) for order in (GIVEN, lifted))
    assert drained == f"a drains: it hands over what it announces, and stays {by}"
    assert back == f"a takes part again {by}"


def test_the_maintenance_of_each_service():
    late = {**GIVEN, "until": "2026-11-21T09:00:00Z"}
    bare = {**GIVEN, "lifted": True, "who": "", "why": "", "when": ""}
    rows = [
        {"service": "a", "order": None, "overdue": False},
        {"service": "b", "order": late, "overdue": True},
        {"service": "c", "order": bare, "overdue": False},
    ]
    assert maintenance(rows).splitlines() == [
        "a: on the air",
        f"b: in maintenance by {BY}, until 2026-11-21T09:00:00Z: disks; it ought to be over",
        "c: on the air, lifted by somebody",
    ]
    assert maintenance([]) == "No service is known."


def test_the_maintenance_of_this_pod():
    assert local_maintenance({"maintenance": {}}) == "Nothing is in maintenance on this pod alone."
    assert local_maintenance({"maintenance": {"apex": "ada: disk"}}) == (
        "apex: in maintenance on this pod: ada: disk"
    )


def test_without_members():
    assert members([]) == "No pod has registered."
    empty = {"service": "apex", "maintenance": order(ORDER), "kept": True, "members": []}
    assert members([empty]).splitlines() == [
        "Service apex: 0 members",
        f"  Maintenance: {BY}: new certificates, kept since ZooKeeper lost its data",
    ]
    assert order(None) is None
    assert order(Order(lifted=True))["lifted"]


def test_nothing_that_a_member_wrote_can_move_the_cursor():
    evil = "a\x1b[2J"
    row = {
        **everything()["services"][0]["coordination"]["members"][0],
        "pod": evil,
        "name": evil,
        "zone": evil,
        "unreadable": evil,
    }
    page = members([{"service": "apex", "maintenance": None, "kept": False, "members": [row]}])
    assert "\x1b" not in page
    assert "a [2J" in page


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"state": "CONNECTED"}, f"ZooKeeper: connected to zk1:2181 {AS}, T 4 s (asked for 3 s)"),
        ({"state": "SUSPENDED", "last_error": "cut off"}, f"ZooKeeper: suspended, {AS}\n  - cut off"),
        ({"state": "NEVER", "last_error": ""}, f"ZooKeeper: never, {AS}\napex:"),
        ({"expirations": 2}, "\n  - the session has expired 2 times since the start"),
        (
            {"timeout": {"asked": 4.0, "negotiated": 4.0}},
            f"ZooKeeper: connected to zk1:2181 {AS}, T 4 s\n",
        ),
    ],
)
def test_the_connection(changes, line):
    page = everything(link=LINK)
    page["coordination"]["connection"] |= changes
    assert line in status(page)


def test_a_pod_without_a_zone():
    page = everything()
    page["coordination"]["zone"] = ""
    assert "connected to zk1:2181 as web-7, T" in status(page)


def test_a_vip_before_the_first_view():
    page = why(explain(json.loads(json.dumps(snapshot(shared(insight(at=NOW))))), V4))
    assert "  Should: nobody: no pod is eligible\n  Does: nobody says so\n" in page
    assert "Read from ZooKeeper" not in page


def test_a_service_that_is_alone_says_nothing_of_siblings():
    page = everything()
    page["services"][0]["coordination"] = None
    assert "members" not in status(page)
    assert "Should" not in why(explain(page, V4))


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        (Defined(), ["apex: has the VIPs of the file; there is no definition in ZooKeeper"]),
        (Defined(source="zookeeper"), ["apex: has the VIPs that ZooKeeper defines"]),
        (
            Defined(source="zookeeper", deleted=True),
            ["apex: has the VIPs that ZooKeeper defines; DELETED there, it is kept here"],
        ),
        (
            Defined(refused="/d: vips: no\n/d: pins: no"),
            [
                "apex: has the VIPs of the file; the definition that stands in ZooKeeper is REFUSED:",
                "  - /d: vips: no",
                "  - /d: pins: no",
            ],
        ),
    ],
)
def test_where_the_vips_come_from(told, lines):
    shown = status(everything(definitions={"apex": told})).splitlines()
    at = shown.index(lines[0])
    assert shown[at : at + len(lines)] == lines


def test_a_definition_and_who_follows():
    found = {
        "service": "apex",
        "definition": {"who": "ada@desk", "when": "now", "policy": {"copies": 2, "settle": 1.5}},
        "vips": [
            {"vip": "192.0.2.1", "pin": "a", "served_by": ["a", "b"]},
            {"vip": "192.0.2.2", "pin": None, "served_by": ["a"]},
        ],
        "pods": ["a", "b"],
        "undefined": ["192.0.2.3"],
    }
    assert definition(found).splitlines() == [
        "Service apex, as ZooKeeper defines it, set by ada@desk at now",
        "VIP        Pin  Served by",
        "192.0.2.1  a    2 of 2 pods",
        "192.0.2.2  -    1 of 2 pods",
        "Policy: copies = 2, settle = 1.5",
        "  - b does not serve 192.0.2.2: vipd status there says why",
        "  - 192.0.2.3 is served, and not defined",
    ]
    bare = {**found, "definition": {}, "undefined": []}
    assert "Service apex, as ZooKeeper defines it\n" in definition(bare)
    assert "Policy: that of the file of each pod" in definition(bare)


def test_what_became_of_a_definition():
    assert judged({"service": "apex", "vips": ["a", "b"], "set": False}) == (
        "apex with 2 VIPs could be set; nothing was"
    )
    assert judged({"service": "apex", "vips": ["a", "b"], "set": True}).startswith(
        "apex with 2 VIPs is set: "
    )
