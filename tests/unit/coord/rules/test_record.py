"""What a pod writes of itself."""

from siblings import A, B, Pod, service
from vipd.coord.member import Phase

NONE = frozenset()


def test_the_record_tells_what_the_others_need():
    pod = Pod(service(A, B))
    told = pod.decide(zone="r1", weight=3, sessions_up=1, failing_vips={B: "refused"}).record
    assert (told.algorithm, told.zone, told.weight, told.phase) == (1, "r1", 3, Phase.RUNNING)
    assert (told.sessions_up, told.sessions_configured) == (1, 2)
    assert (told.serves, told.eligible, told.suspect) == ({A, B}, {A}, NONE)
    assert len(told.policy) == 16
    assert (told.drain, told.maintenance) == (None, None)


def test_only_a_check_that_passed_once_makes_a_suspect():
    pod = Pod(service(A, B))
    pod.decide()
    assert pod.decide(failing_vips={B: "refused"}).record.suspect == {B}
    assert pod.decide(held=frozenset({A})).record.suspect == NONE
