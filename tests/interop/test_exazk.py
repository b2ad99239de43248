"""docs/migration-exazk.md, step by step: a fleet moves from ExaZK to vipd, pod by pod, and back.

ExaBGP is the real one, and ExaZK a stand-in of our own, on the library that ExaZK uses. A client behind the
edge fetches each VIP's page all the time.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.exazk_fleet import MAINTENANCE, ExazkFleet
from interop.fleet import living
from interop.netns import wait_for

PAGE = (Path(__file__).parents[2] / "docs" / "migration-exazk.md").read_text()


@pytest.fixture(scope="module")
def built(machine: None) -> Iterator[ExazkFleet]:
    with living(ExazkFleet) as fleet:
        yield fleet


@pytest.fixture
def fleet(built: ExazkFleet) -> Iterator[ExazkFleet]:
    """Everybody on ExaZK."""
    built.all_on_exazk()
    yield built
    for place in built.places:
        assert "Traceback" not in place.pod.log()
    assert built.fleet.edge_ledger.complete


def test_a_fleet_moves_pod_by_pod_and_back(fleet):
    since = time.time()
    with fleet.client() as client:
        for place in fleet.places:
            fleet.to_vipd(place)
        assert fleet.told_by_owners()
        for layout in ("vipd", "exazk"):
            for place in fleet.places:
                place.use_layout(layout)
            fleet.settled()
        *others, last = fleet.places
        for place in others:
            fleet.to_exazk(place)
        assert not fleet.gaps(since)
        assert not client.failures(), "every page was got, at the second try at the latest"
    # With the last vipd pod goes the last that gives ExaZK time to announce.
    fleet.to_exazk(last)


def test_either_takes_over_from_the_other_and_hands_back(fleet):
    first, second, third = fleet.places
    fleet.to_vipd(first, settle=1.0)
    # ExaZK's pod fails its check: vipd and the third take its VIP, and give it back.
    second.pod.service.fail()
    wait_for(lambda: fleet.announcers(second.vip) == {first, third}, "the others announce its VIP")
    second.pod.service.heal()
    fleet.settled()
    # vipd's does: ExaZK's pods take its VIP, and give it back.
    first.pod.service.fail()
    wait_for(lambda: fleet.announcers(first.vip) == {second, third}, "the others announce its VIP")
    first.pod.service.heal()
    fleet.settled()
    # A pod of vipd's is killed: its node goes with its session.
    first.pod.process.kill()
    wait_for(lambda: fleet.announcers(first.vip) == {second, third}, "the others announce its VIP", 30)
    first.start_vipd()
    fleet.settled()
    # ExaZK's maintenance node takes all off the air.
    with fleet.node(MAINTENANCE):
        wait_for(lambda: not fleet.fleet.edge.prefixes(), "nobody announces anything", 30)
        assert {vip["verdict"] for vip in first.pod.status()["services"][0]["vips"]} == {"MAINTENANCE"}
        assert MAINTENANCE in first.pod.ask("why", first.vip)
    fleet.settled()


def test_the_page_says_what_is_done_here():
    for command in (
        "vipd convert exazk",
        "vipd check vipd.toml",
        "zkCli.sh -server zk1:2181 delete /exabgp/service/apex/",
        'layout = "vipd"',
        "systemctl reload vipd",
    ):
        assert command in PAGE
