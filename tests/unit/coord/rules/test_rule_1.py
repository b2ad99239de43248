"""Rule 1 of docs/coordination.md: health and maintenance are immediate."""

import pytest

from siblings import ORDER, A, announcing, only, reason
from vipd.coord.member import Phase, Word

NONE = frozenset()
INF = float("inf")


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"failing": "refused"}, Word.UNHEALTHY),
        ({"failing_vips": {A: "refused"}}, Word.UNHEALTHY),
        ({"held": NONE}, Word.NOT_HELD),
        ({"maintenance": "disks"}, Word.MAINTENANCE),
        ({"phase": Phase.LEFT}, Word.LEFT),
    ],
)
def test_1_what_is_wrong_here_takes_the_route_off_in_the_same_turn_and_the_claim_follows(facts, word):
    pod = announcing()
    assert pod.decided.record.announcing == {A: 0}
    decided = pod.decide(**facts)
    assert only(pod) is word
    assert pod.ranks() == {}
    assert decided.record.announcing == {}
    assert decided.record.eligible == NONE


def test_1_maintenance_of_the_service_is_immediate_trusted_or_not():
    pod = announcing().sees(maintenance=ORDER)
    pod.decide()
    assert (only(pod), reason(pod)) == (Word.MAINTENANCE, "maintenance by ann: disks")
    pod.sees(trusted_until=0.0).decide()
    assert only(pod) is Word.MAINTENANCE
    pod.sees(trusted_until=INF, maintenance=None).decide()
    assert only(pod) is Word.ASSIGNED
