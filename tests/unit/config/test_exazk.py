"""A service in ExaZK's layout, in the file."""

import pytest

from unit.config.conftest import HEAD
from vipd.config import render
from vipd.coord.exazk import Exazk
from vipd.coord.member import Takeover

ONE, TWO = "192.0.2.1", "192.0.2.2"
COORDINATION = """
[coordination]
servers = ["zk1"]
pod-id = "lb-1"
"""
SERVICE = """
[[service]]
name = "apex"
layout = "exazk"
exazk-path = "/exabgp/service/apex"
exazk-maintenance = "/exabgp/maintenance/apex"
takeover = "all"
  [[service.vip]]
  address = "192.0.2.1"
  pin = "lb-1"
  [[service.vip]]
  address = "192.0.2.2"
"""


def test_each_vip_is_pinned_to_its_own_node(read, head):
    config = read(head + COORDINATION + SERVICE)
    (service,) = config.services
    assert service.place == Exazk(
        path="/exabgp/service/apex", maintenance="/exabgp/maintenance/apex", vips=(ONE, TWO), own=ONE
    )
    assert service.service.pins == {ONE: ONE, TWO: TWO}
    assert service.pod("lb-1") == ONE
    assert read(render(config)).services == config.services


def test_one_line_moves_it_to_the_layout_of_vipd(read, head):
    config = read(head + COORDINATION + SERVICE.replace('layout = "exazk"', 'layout = "vipd"'))
    (service,) = config.services
    assert service.place is None
    assert service.service.pins == {ONE: "lb-1"}
    assert service.service.takeover is Takeover.ALL
    assert service.pod("lb-1") == "lb-1"
    assert read(render(config)).services == config.services
    without = SERVICE.replace('layout = "exazk"\n', "")
    assert read(head + COORDINATION + without).services == config.services


def test_a_pod_that_only_substitutes_has_no_vip_of_its_own(read, head):
    (service,) = read(head + COORDINATION + SERVICE.replace('pin = "lb-1"', 'pin = "lb-2"')).services
    assert service.place.own is None
    assert service.pod("lb-1") == "lb-1"


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ('exazk-path = "/exabgp/service/apex"', "", "exazk-path", "is missing"),
        ('"/exabgp/service/apex"', '"exabgp"', "exazk-path", ""),
        ('takeover = "all"', "", "takeover", 'must be "all" in ExaZK\'s layout'),
        ('takeover = "all"', 'takeover = "all"\ncopies = 2', "copies", "must be 1 in ExaZK's layout"),
        ('takeover = "all"', 'takeover = "all"\nstandby = "hot"', "standby", 'must be "none"'),
        ('takeover = "all"', 'takeover = "all"\nlast-resort = "keep"', "last-resort", 'must be "withdraw"'),
        ('takeover = "all"', 'takeover = "all"\nvips-from = "zookeeper"', "vips-from", 'must be "file"'),
        ('"192.0.2.2"', '"192.0.2.2"\n  pin = "lb-1"', "vip", "pins 2 VIPs to this pod, lb-1"),
        ('layout = "exazk"', 'layout = "zk"', "layout", ""),
    ],
)
def test_what_does_not_suit_that_layout(wrong, old, new, key, reason):
    found = wrong(HEAD + COORDINATION + SERVICE.replace(old, new, 1))
    assert reason in found[f"service[0].{key}"][1]


def test_a_maintenance_node_needs_a_path_beside_it(wrong, head):
    text = SERVICE.replace('layout = "exazk"\nexazk-path = "/exabgp/service/apex"\n', "")
    found = wrong(head + COORDINATION + text)
    assert found == {"service[0].exazk-maintenance": (None, "needs exazk-path")}


def test_without_zookeeper_there_is_no_layout(wrong, head):
    found = wrong(head + SERVICE)
    assert {f"service[0].{key}" for key in ("layout", "exazk-path", "exazk-maintenance")} <= found.keys()


def test_the_layout_is_of_a_service(wrong, head):
    found = wrong(head + COORDINATION + 'layout = "exazk"\n' + SERVICE)
    assert found == {
        "coordination.layout": (None, "is of one service, and so belongs into [[service]]"),
    }
