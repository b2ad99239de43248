from vipd.coord.exazk import OTHERS, UNBORN, Exazk, others, ourselves, owner
from vipd.coord.member import Phase, Vip

ONE, TWO = Vip("192.0.2.1"), Vip("192.0.2.2")
PLACE = Exazk(path="/exabgp/service/apex", vips=(ONE, TWO), own=ONE)


def test_a_pod_is_called_by_its_vip_where_it_has_one():
    assert PLACE.pod("lb-1") == ONE
    assert Exazk(path="/a", vips=(ONE,)).pod("lb-1") == "lb-1"
    assert PLACE.pins == {ONE: ONE, TWO: TWO}


def test_a_node_is_a_pod_that_announces_its_vip():
    member = owner(TWO, 0xB2, czxid=7, version=3)
    assert (member.name, member.pod, member.czxid, member.version) == (f"{TWO}~b2", TWO, 7, 3)
    assert (member.record.eligible, member.record.announcing) == ({TWO}, {TWO: 0})
    assert member.record.phase is Phase.RUNNING


def test_all_the_others_announce_what_has_no_node():
    member = others(PLACE, frozenset({TWO}), version=4)
    assert (member.pod, member.version) == (OTHERS, 4)
    assert (member.record.eligible, member.record.announcing) == ({TWO}, {TWO: 0})
    assert member.record.serves == {ONE, TWO}


def test_we_claim_what_our_node_says():
    there, not_there = (ourselves(PLACE, "lb-1", 0xA1, czxid=czxid) for czxid in (9, None))
    assert there.name == not_there.name == f"{ONE}~a1"
    assert (there.czxid, there.record.announcing) == (9, {ONE: 0})
    assert (not_there.czxid, not_there.record.announcing) == (UNBORN, {})
    substitute = ourselves(Exazk(path="/a", vips=(ONE,)), "lb-1", 0xA1, czxid=9)
    assert (substitute.pod, substitute.record.announcing) == ("lb-1", {})
