from vipd.steps import STEP, batched


def test_many_things_are_cut_into_steps():
    things = range(2 * STEP + 1)
    assert [len(some) for some in batched(things)] == [STEP, STEP, 1]
    assert [thing for some in batched(things) for thing in some] == list(things)
    assert list(batched(())) == []
