"""Rule 2, clause by clause."""

import pytest

from siblings import ALL, A, B, C
from vipd.coord import placement
from vipd.coord.member import Service, Standby, Takeover, Vip
from vipd.coord.placement import SPARE, Candidate, Line, Ranking, place, rank, score

SERVICE = Service(name="apex", vips=(A, B, C))
MANY = tuple(Vip(f"10.0.{n >> 8}.{n & 255}") for n in range(600))


def candidate(pod, *, claims=(), eligible=ALL, **facts) -> Candidate:
    return Candidate(pod=pod, eligible=frozenset(eligible), claims=frozenset(claims), **facts)


def service(**policy) -> Service:
    return Service(name="apex", vips=(A, B, C), **policy)


def assigned(lines) -> dict[Vip, tuple[str, ...]]:
    return {vip: line.assigned for vip, line in sorted(lines.items())}


def loads(lines) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line in lines.values():
        for pod in line.assigned:
            counts[pod] = counts.get(pod, 0) + 1
    return counts


def test_a_pinned_vip_goes_to_its_pod_while_that_is_eligible_whoever_claims_it():
    pinned = service(pins={A: "p2"})
    found = place(pinned, [candidate("p1", claims=[A, B, C]), candidate("p2")])
    assert found[A].assigned == ("p2",)


@pytest.mark.parametrize("pod", ["p9", "p2"])
def test_it_is_unpinned_while_its_pod_is_away_or_not_eligible_for_it(pod):
    found = place(service(pins={A: pod}), [candidate("p1", claims=[A]), candidate("p2", eligible=[B])])
    assert found[A].assigned == ("p1",)


def test_a_pin_of_a_vip_that_nobody_is_eligible_for_seats_nobody():
    assert A not in place(service(pins={A: "p1"}), [candidate("p1", eligible=[B])])


def test_what_eligible_members_claim_stays_there():
    found = place(SERVICE, [candidate("p1", claims=[A, B]), candidate("p2", claims=[C])])
    assert assigned(found) == {A: ("p1",), B: ("p1",), C: ("p2",)}


def test_a_claim_of_who_is_not_eligible_holds_nothing():
    found = place(SERVICE, [candidate("p1", claims=ALL, eligible=[]), candidate("p2")])
    assert loads(found) == {"p2": 3}


def test_of_several_claimants_it_stays_with_the_highest_score():
    best = max(("p1", "p2", "p3"), key=lambda pod: score(A, pod, 1))
    found = place(SERVICE, [candidate(pod, claims=[A], eligible=[A]) for pod in ("p1", "p2", "p3")])
    assert found[A].assigned == (best,)


def test_a_member_above_its_bound_gives_up_what_it_scores_lowest_for():
    first = candidate("p1", claims=ALL)
    found = place(SERVICE, [first, candidate("p2")])  # ceil(3 / 2) = 2 stay
    lowest = min(ALL, key=lambda vip: score(vip, "p1", 1))
    assert found[lowest].assigned == ("p2",)
    assert loads(found) == {"p1": 2, "p2": 1}


def test_it_gives_only_to_who_is_below_its_own_bound_and_keeps_where_there_is_none():
    low, _, high = sorted(ALL, key=lambda vip: score(vip, "p1", 1))
    found = place(SERVICE, [candidate("p1", claims=ALL), candidate("p2", eligible=[high])])
    assert found[high].assigned == ("p2",)  # though it scores highest: nothing else can go
    assert found[low].assigned == ("p1",)
    alone = place(SERVICE, [candidate("p1", claims=ALL), candidate("p2", eligible=[Vip("192.0.2.9")])])
    assert [alone[vip].assigned for vip in ALL] == [("p1",)] * 3


def test_what_is_to_move_goes_first_to_who_claims_it_already():
    """However it scores there, as long as that is worse: else it would not have to move."""
    worse = (vip for vip in MANY if score(vip, "p3", 1) < score(vip, "p1", 1))
    claimed = min(worse, key=lambda vip: score(vip, "p1", 1))
    others = [f"p{n}" for n in (2, *range(4, 60))]
    pods = [candidate("p1", claims=MANY, eligible=MANY), *(candidate(pod, eligible=MANY) for pod in others)]
    idle = place(SERVICE, [*pods, candidate("p3", eligible=MANY)])
    assert idle[claimed].assigned != ("p3",)
    assert place(SERVICE, [*pods, candidate("p3", claims=[claimed], eligible=MANY)])[claimed].assigned == (
        "p3",
    )


def test_an_unclaimed_vip_goes_below_a_bound_by_score():
    found = place(SERVICE, [candidate("p1", eligible=[A]), candidate("p2", eligible=[A]), candidate("p3")])
    best = max(("p1", "p2", "p3"), key=lambda pod: score(A, pod, 1))
    assert found[A].assigned == (best,)


def test_the_bound_never_leaves_a_vip_without_a_pod():
    found = place(SERVICE, [candidate("p1"), candidate("p2", eligible=[Vip("192.0.2.9")])])
    assert [found[vip].assigned for vip in sorted(ALL)] == [("p1",)] * 3  # its bound is 2


def test_where_all_are_full_it_goes_where_it_weighs_least():
    # two VIPs can go to p1 and p2 alone; p3 makes their bounds one each, and one of them is heavier
    others = [Vip(f"192.0.2.{n}") for n in range(10, 14)]
    found = place(
        SERVICE,
        [
            candidate("p1", claims=[A]),
            candidate("p2", claims=[B], weight=2),
            candidate("p3", eligible=others, claims=others, weight=20),
        ],
    )
    assert found[C].assigned == ("p2",)


def test_weights_share_in_proportion():
    found = place(SERVICE, [candidate("p1", eligible=MANY), candidate("p2", eligible=MANY, weight=2)])
    assert loads(found) == {"p1": 200, "p2": 400}


def test_what_stands_at_its_pin_is_no_part_of_the_balance():
    pinned = service(pins=dict.fromkeys(MANY[:300], "p1"))
    found = place(pinned, [candidate("p1", eligible=MANY), candidate("p2", eligible=MANY)])
    assert loads(found) == {"p1": 300 + 150, "p2": 150}


def test_a_pod_with_all_sessions_up_comes_before_a_better_score():
    worse, better = sorted(("p1", "p2"), key=lambda pod: score(A, pod, 1))
    found = place(SERVICE, [candidate(better, eligible=[A], whole=False), candidate(worse, eligible=[A])])
    assert found[A].assigned == (worse,)


def test_where_no_pod_has_all_sessions_up_that_tells_nothing():
    worse, better = sorted(("p1", "p2"), key=lambda pod: score(A, pod, 1))
    found = place(SERVICE, [candidate(pod, eligible=[A], whole=False) for pod in (worse, better)])
    assert found[A].assigned == (better,)


def test_copies_prefer_distinct_zones():
    racks = [candidate(f"p{n}", eligible=MANY, zone="r1" if n < 3 else "r2") for n in range(4)]
    found = place(service(copies=2), racks)
    assert all("p3" in line.assigned for line in list(found.values())[:100])


def test_staying_beats_zones():
    racks = [candidate("p1", claims=[A], zone="r1"), candidate("p2", claims=[A], zone="r1")]
    found = place(service(copies=2), [*racks, candidate("p3", zone="r2")])
    assert set(found[A].assigned) == {"p1", "p2"}


def test_of_two_copies_a_pin_is_one_and_the_other_stays_where_it_is_claimed():
    pods = [candidate("p1"), candidate("p2", claims=[A]), candidate("p3"), candidate("p4", claims=[B, C])]
    found = place(service(copies=2, pins={A: "p1"}), pods)
    assert found[A].assigned == ("p1", "p2")


def test_a_claim_at_the_pin_itself_is_one_seat_not_two():
    found = place(service(copies=2, pins={A: "p1"}), [candidate("p1", claims=[A]), candidate("p2")])
    assert found[A].assigned == ("p1", "p2")


def test_more_copies_than_pods_are_as_many_as_there_are_pods():
    found = place(service(copies=3), [candidate("p1"), candidate("p2", eligible=[A])])
    assert {vip: len(line.assigned) for vip, line in found.items()} == {A: 2, B: 1, C: 1}


def test_takeover_all_lets_every_eligible_pod_substitute_for_a_pin_that_is_away():
    found = place(
        service(takeover=Takeover.ALL, pins={A: "p9"}),
        [candidate("p1", claims=[A]), candidate("p2"), candidate("p3", eligible=[B])],
    )
    assert found[A].assigned == ("p1", "p2")
    assert all(len(found[vip].assigned) == 1 for vip in (B, C))


def test_takeover_all_leaves_a_pin_that_is_there_alone():
    found = place(service(takeover=Takeover.ALL, pins={A: "p1"}), [candidate("p1"), candidate("p2")])
    assert found[A].assigned == ("p1",)


def test_who_is_passed_over_is_not_assigned_and_may_stand_by():
    hot = service(standby=Standby.HOT, standbys=2)
    better, worse = sorted(("p1", "p2"), key=lambda pod: -score(A, pod, 1))
    found = place(hot, [candidate(better), candidate(worse)], {(A, better)})
    assert found[A] == Line((worse,), (better,))


def test_a_pin_that_is_passed_over_holds_nothing():
    found = place(service(pins={A: "p1"}), [candidate("p1"), candidate("p2")], {(A, "p1")})
    assert found[A].assigned == ("p2",)


def test_where_everybody_is_passed_over_nobody_is():
    found = place(service(pins={A: "p1"}), [candidate("p1"), candidate("p2")], {(A, "p1"), (A, "p2")})
    assert found[A].assigned == ("p1",)


def test_ranks_go_on_behind_the_assigned_and_prefer_other_zones():
    pods = [candidate("p1", claims=ALL, zone="r1")]
    pods += [candidate(pod, zone="r2" if pod == "p4" else "r1") for pod in ("p2", "p3", "p4")]
    found = place(service(standby=Standby.HOT, standbys=2), pods)
    for line in found.values():
        assert line.standbys[0] == "p4" or "p4" in line.assigned
        assert len({*line.assigned, *line.standbys}) == 3


def test_without_hot_standby_nobody_stands_by():
    assert place(SERVICE, [candidate("p1"), candidate("p2")])[A].standbys == ()


def test_nobody_at_all_gives_no_lines():
    assert place(SERVICE, []) == {}


def test_vips_of_another_configuration_count_for_the_balance():
    """Pods of configuration X and X+1 must come to one balance, or they hand VIPs to and fro."""
    pods = [candidate("p1", eligible=MANY, claims=MANY[:300]), candidate("p2", eligible=MANY)]
    assert place(Service(name="apex", vips=MANY[:1]), pods) == place(Service(name="apex", vips=MANY), pods)


def test_the_score_is_fixed_for_ever():
    """A pod of the next version must come to the same placement: these may never change."""
    assert [round(score(A, pod, 1), 6) for pod in ("pod-1", "pod-2")] == [2.955302, 286.291648]
    assert score(A, "pod-1", 3) == pytest.approx(3 * score(A, "pod-1", 1))


def test_pods_are_ranked_before_that_is_asked_for_step_by_step(monkeypatch):
    monkeypatch.setattr(placement, "SCORES", 4)
    pods = [("p1", 1), ("p2", 1), ("p3", 2)]
    assert len(list(rank("ranked", pods[:2], [A, B, C]))) == 1  # of six scores
    ranking = placement._ranking("ranked")
    assert [ranking.missing(vip) for vip in (A, B, C)] == [0, 0, 0]
    assert list(rank("ranked", pods[:2], [A, B, C])) == []
    ranking.meet(pods)
    assert ranking.missing(A) == 1
    list(rank("ranked", pods, [A, B, C]))
    fresh = Ranking()
    fresh.meet(pods)
    for vip in (A, B, C):
        assert list(ranking.of(vip)) == list(fresh.of(vip))


def test_a_ranking_forgets_when_most_of_its_pods_are_gone():
    ranking = Ranking()
    ranking.meet([(f"p{n}", 1) for n in range(SPARE + 10)])
    assert len(list(ranking.of(A))) == SPARE + 10
    ranking.meet([("p1", 1), ("p2", 1)])
    assert [pod for pod, _ in ranking.of(A)] == sorted(("p1", "p2"), key=lambda pod: -score(A, pod, 1))


def test_a_pod_whose_weight_changed_counts_by_the_new_one():
    light = [candidate("p1", eligible=MANY), candidate("p2", eligible=MANY)]
    heavy = [candidate("p1", eligible=MANY), candidate("p2", eligible=MANY, weight=5)]
    assert loads(place(SERVICE, light)) == {"p1": 300, "p2": 300}
    assert loads(place(SERVICE, heavy)) == {"p1": 100, "p2": 500}
