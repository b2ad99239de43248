"""Who says an attribute: VIP or neighbour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.convert.levels import OVERRIDE, SUM, UNION, levels

A, B = "tor-a", "tor-b"


def test_what_all_neighbours_hear_is_said_by_the_vip():
    found = levels({"v": {A: 10, B: 10}, "w": {A: 20}}, OVERRIDE)
    assert found.vip == {"v": 10, "w": 20}
    assert found.neighbor == {A: None, B: None}
    assert not found.unmet


def test_what_differs_between_neighbours_is_said_by_them():
    found = levels({"v": {A: 10, B: 20}, "w": {A: 10, B: 20}, "x": {A: 7, B: 7}}, OVERRIDE)
    assert found.vip == {"v": None, "w": None, "x": 7}
    assert found.neighbor == {A: 10, B: 20}
    assert not found.unmet


@pytest.mark.parametrize(
    ("told", "unmet"),
    [
        ({"v": {A: 10, B: 20}, "w": {A: 20, B: 10}}, (("v", B), ("w", B))),
        ({"v": {A: 10, B: 20}, "w": {A: None, B: None}}, (("v", B),)),  # w would take on their MED
    ],
)
def test_what_cannot_be_said_is_told_as_the_first_neighbour_hears_it(told, unmet):
    found = levels(told, OVERRIDE)
    assert found.vip == {vip: wholes[A] for vip, wholes in told.items()}
    assert found.neighbor == {A: None, B: None}
    assert found.unmet == unmet


def test_prepends_add_up():
    found = levels({"v": {A: 1, B: 3}, "w": {A: 0, B: 2}, "x": {B: 2}}, SUM)
    assert found.vip == {"v": 1, "w": 0, "x": 0}
    assert found.neighbor == {A: 0, B: 2}
    assert not found.unmet


def test_nobody_prepends_less_than_nothing():
    found = levels({"v": {A: 1, B: 3}, "x": {B: 0}}, SUM)
    assert found.vip == {"v": 1, "x": 0}
    assert found.unmet == (("v", B),)


def test_communities_are_united():
    one, two = frozenset({"64500:1"}), frozenset({"64500:2"})
    found = levels({"v": {A: one, B: one | two}, "w": {A: frozenset(), B: two}}, UNION)
    assert found.vip == {"v": one, "w": frozenset()}
    assert found.neighbor == {A: frozenset(), B: two}
    assert not found.unmet


def test_nothing_is_told_to_nobody():
    assert levels({"v": {}}, SUM) == levels({}, SUM)


VIPS = st.sampled_from("vwxyz")
NEIGHBORS = st.sampled_from("abc")


def tables(values):
    return st.dictionaries(VIPS, st.dictionaries(NEIGHBORS, values, min_size=1))


@pytest.mark.parametrize(
    ("lever", "values"),
    [
        (OVERRIDE, st.none() | st.integers(0, 2)),
        (SUM, st.integers(0, 2)),
        (UNION, st.frozensets(st.sampled_from(["1:1", "1:2"]))),
    ],
)
@given(data=st.data())
def test_the_parts_make_up_the_whole_wherever_it_is_not_said_otherwise(lever, values, data):
    told = data.draw(tables(values))
    found = levels(told, lever)
    for vip, wholes in told.items():
        for name, whole in wholes.items():
            heard = lever.join(found.vip[vip], found.neighbor[name])
            assert (heard != whole) == ((vip, name) in found.unmet)
