"""Laws of placement, for any members with any claims."""

from dataclasses import replace
from math import ceil
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from vipd.coord.member import Service, Standby, Takeover, Vip
from vipd.coord.placement import Candidate, place

VIPS = tuple(Vip(f"192.0.2.{n}") for n in range(1, 13))
PODS = tuple(f"pod-{n}" for n in range(1, 7))
some_vips = st.frozensets(st.sampled_from(VIPS))

services = st.builds(
    Service,
    name=st.just("apex"),
    vips=st.just(VIPS),
    pins=st.dictionaries(st.sampled_from(VIPS), st.sampled_from(PODS), max_size=3),
    takeover=st.sampled_from(Takeover),
    copies=st.integers(1, 3),
    standby=st.sampled_from(Standby),
    standbys=st.integers(1, 2),
)
plain_services = st.builds(Service, name=st.just("apex"), vips=st.just(VIPS))


def candidates(eligible=some_vips):
    """Any members, each pod-id once."""
    return st.lists(
        st.builds(
            Candidate,
            pod=st.sampled_from(PODS),
            zone=st.sampled_from(["r1", "r2"]),
            weight=st.sampled_from([1, 1, 2, 5]),
            whole=st.booleans(),
            eligible=eligible,
            claims=some_vips,
        ),
        unique_by=lambda each: each.pod,
    )


passed = st.frozensets(st.tuples(st.sampled_from(VIPS), st.sampled_from(PODS)), max_size=6)


def assigned(lines) -> dict[str, set[Vip]]:
    held: dict[str, set[Vip]] = {}
    for vip, line in lines.items():
        for pod in line.assigned:
            held.setdefault(pod, set()).add(vip)
    return held


def settled(service, members):
    """The members as they are once everybody has claimed what it was assigned."""
    for _ in range(3):
        held = assigned(place(service, members))
        members = [
            Candidate(
                pod=each.pod,
                zone=each.zone,
                weight=each.weight,
                whole=each.whole,
                eligible=each.eligible,
                claims=frozenset(held.get(each.pod, ())),
            )
            for each in members
        ]
    return members


@given(services, candidates(), passed, st.randoms(use_true_random=False))
def test_all_agree_whatever_the_order_in_which_they_learned(service, members, passed_over, chance: Random):
    first = place(service, members, passed_over)
    shuffled = list(members)
    chance.shuffle(shuffled)
    assert place(service, shuffled, passed_over) == first


@given(services, candidates(), passed)
def test_every_vip_that_has_a_candidate_has_as_many_pods_as_it_can(service, members, passed_over):
    claimed = {(vip, each.pod) for each in members for vip in each.claims}
    passed_over -= claimed  # who claims it is not silent
    lines = place(service, members, passed_over)
    assert lines.keys() == frozenset().union(*(each.eligible for each in members))
    for vip, line in lines.items():
        able = {each.pod for each in members if vip in each.eligible}
        willing = {pod for pod in able if (vip, pod) not in passed_over} or able
        everybody = [*line.assigned, *line.standbys]
        assert set(everybody) <= able
        assert len(set(everybody)) == len(everybody)
        away = service.pins.get(vip) not in (None, *willing)
        if away and service.takeover is Takeover.ALL:
            assert set(line.assigned) == willing
        else:
            assert len(line.assigned) == min(service.copies, len(willing))
        if service.pins.get(vip) in willing:
            assert line.assigned[0] == service.pins[vip]


@given(plain_services, candidates(st.just(frozenset(VIPS))).filter(bool))
def test_load_stays_within_its_bound_where_all_can_serve_all(service, members):
    weight = sum(each.weight for each in members)
    held = assigned(place(service, members))
    for each in members:
        assert len(held.get(each.pod, ())) <= ceil(each.weight * len(VIPS) / weight)


@given(services, candidates())
def test_what_was_placed_and_claimed_stays_placed(service, members):
    calm = settled(service, members)
    before = place(service, calm)
    assert assigned(place(service, settled(service, calm))) == assigned(before)


@given(services, candidates(st.just(frozenset(VIPS))).filter(bool), st.data())
def test_a_death_moves_only_the_dead_pods_vips(service, members, data):
    """Of one copy, and where all can serve all: docs/coordination.md says why not otherwise."""
    service = replace(service, copies=1)
    calm = settled(service, members)
    before = assigned(place(service, calm))
    dead = data.draw(st.sampled_from(calm)).pod
    after = assigned(place(service, [each for each in calm if each.pod != dead]))
    for pod in before.keys() - {dead}:
        assert before[pod] - before.get(dead, set()) <= after[pod]


@given(plain_services, candidates(st.just(frozenset(VIPS))).filter(bool))
def test_a_join_moves_at_most_what_others_hold_above_their_new_bounds(service, members):
    calm = settled(service, members)
    before = place(service, calm)
    newcomer = Candidate(pod="pod-new", zone="r1", eligible=frozenset(VIPS))
    after = place(service, [*calm, newcomer])
    weight = sum(each.weight for each in calm) + 1
    held = assigned(before)
    surplus = sum(
        max(0, len(held.get(each.pod, ())) - ceil(each.weight * len(VIPS) / weight)) for each in calm
    )
    moved = [vip for vip in VIPS if before[vip].assigned != after[vip].assigned]
    assert len(moved) <= surplus


@given(services, candidates(st.just(frozenset(VIPS))))
def test_ranks_prefer_distinct_zones(service, members):
    calm = [Candidate(pod=each.pod, zone=each.zone, eligible=each.eligible) for each in members]
    zones = {each.pod: each.zone for each in calm}
    for line in place(service, calm).values():
        if len(line.assigned) == 1 and line.standbys and len(set(zones.values())) == 2:
            assert zones[line.standbys[0]] != zones[line.assigned[0]]
