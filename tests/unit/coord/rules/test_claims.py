"""Claims."""

from siblings import A, Pod, announcing, service
from vipd.coord.member import ColdStart

NONE = frozenset()


def test_a_claim_is_made_when_the_route_is_acknowledged_and_not_before():
    pod = Pod(service())
    assert pod.decide().record.announcing == {}
    assert pod.decide(carried=frozenset({A})).record.announcing == {}
    assert pod.decide(acknowledged={A: 0}).record.announcing == {A: 0}


def test_it_lasts_while_one_session_carries_it_and_is_made_anew_only_when_acknowledged():
    pod = announcing()
    assert pod.decide(acknowledged={}).record.announcing == {A: 0}
    assert pod.decide(carried=NONE).record.announcing == {}
    assert pod.decide(carried=frozenset({A})).record.announcing == {}


def test_becoming_rank_0_is_a_new_claim():
    pod = Pod(service(cold_start=ColdStart.ALL))
    pod.decide(view=None)
    pod.decide(view=None, after=10)
    assert pod.ranks() == {A: 1}
    pod.decide(view=None, acknowledged={A: 1}, carried=frozenset({A}))
    decided = pod.decide()
    assert pod.ranks() == {A: 0}
    assert decided.record.announcing == {A: 1}
    assert pod.decide(acknowledged={A: 0}).record.announcing == {A: 0}
