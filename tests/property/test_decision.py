"""Fleets of pods in plain Python: nothing planned leaves a VIP dark, and after any faults they come to rest.

A failing seed is in the name of its test, and prints who thought what.
"""

from dataclasses import replace
from random import Random

import pytest

from fleet import Fleet, Pod
from vipd.coord.member import LastResort, Order, Phase, Service, Standby, Takeover, Times, Vip, Word

VIPS = tuple(Vip(f"192.0.2.{n}") for n in range(1, 8))
DRAIN = Order(who="ann", why="disks")
FLAWED = {Word.LAST_RESORT, Word.KEEPING, Word.HELD}  # what may stand of a failing check, with `keep`


def draw_service(chance: Random, **policy) -> Service:
    return Service(
        name="apex",
        vips=VIPS,
        pins={VIPS[0]: "pod-1", VIPS[1]: "pod-2"} if chance.random() < 0.5 else {},
        takeover=chance.choice([Takeover.ONE, Takeover.ONE, Takeover.ALL]),
        copies=chance.choice([1, 1, 2]),
        standby=chance.choice(list(Standby)),
        **policy,
    )


def assert_lit(fleet: Fleet) -> None:
    dark = set(VIPS) - fleet.served()
    assert not dark, f"dark: {dark}; {fleet.tale()}"


def assert_no_zombie(fleet: Fleet) -> None:
    """No pod stands for what its check, as it last saw it, fails for: but by rule 12."""
    keep = fleet.service.last_resort is LastResort.KEEP
    for pod in fleet.pods:
        wrong = pod.told.keys() & pod.known_failing
        assert not wrong or (keep and {pod.words[vip] for vip in wrong} <= FLAWED), fleet.tale()


def assert_quiet(fleet: Fleet) -> None:
    """Each VIP has its copies at rank 0, all agree, and nobody wants to say anything more."""
    names = {pod.name for pod in fleet.pods}
    for vip in VIPS:
        pin = fleet.service.pins.get(vip)
        everybody = fleet.service.takeover is Takeover.ALL and pin is not None and pin not in names
        wanted = len(names) if everybody else min(fleet.service.copies, len(names))
        assert len(fleet.first(vip)) == wanted, f"{vip}: {fleet.first(vip)}; {fleet.tale()}"
    placements = [dict(pod.memory.placed[1]) for pod in fleet.pods]
    assert all(each == placements[0] for each in placements), fleet.tale()
    before = fleet.zookeeper.zxid
    fleet.run(5)
    assert fleet.zookeeper.zxid == before, fleet.tale()


def undrain(fleet: Fleet, chance: Random) -> None:
    drains = dict(fleet.zookeeper.now.drains)
    if drains:
        del drains[chance.choice(sorted(drains))]
        fleet.zookeeper.commit(drains=drains)


def leave(fleet: Fleet, chance: Random, *, and_return: bool) -> None:
    """By SIGTERM; another pod is left to take over."""
    drains = fleet.zookeeper.now.drains
    free = [pod for pod in fleet.pods if pod.phase is Phase.RUNNING and pod.name not in drains]
    if len(free) > 1:
        pod = chance.choice(free)
        pod.phase = Phase.LEAVING
        if and_return:
            fleet.join(pod.name)


def move_pins(fleet: Fleet, chance: Random) -> None:
    """Configuration X becomes X + 1, one pod after another."""
    pins = {chance.choice(VIPS): chance.choice(fleet.pods).name for _ in range(2)}
    fleet.service = replace(fleet.service, pins=pins)
    for pod in list(fleet.pods):
        pod.service = fleet.service
        fleet.run(chance.uniform(0, 0.5), lambda: assert_lit(fleet))


MOVES = {
    "drain": lambda fleet, chance: drain(fleet, DRAIN, chance.choice(fleet.pods)),
    "undrain": undrain,
    "leave": lambda fleet, chance: leave(fleet, chance, and_return=False),
    "restart": lambda fleet, chance: leave(fleet, chance, and_return=True),
    "join": lambda fleet, _: len(fleet.pods) < 6 and fleet.join(),
    "move pins": move_pins,
}


@pytest.mark.parametrize("seed", range(1, 16))
def test_no_planned_move_leaves_a_vip_dark_for_an_instant(seed):
    chance = Random(seed)
    fleet = Fleet(seed, draw_service(chance), chance.randint(2, 5))
    fleet.run(25)
    assert_lit(fleet)
    for _ in range(10):
        MOVES[chance.choice(list(MOVES))](fleet, chance)
        fleet.run(chance.choice([0, 0.5, 2, 6]), lambda: assert_lit(fleet))
    for pod in fleet.pods:
        pod.service = fleet.service
    fleet.zookeeper.commit(drains={})
    fleet.run(45, lambda: assert_lit(fleet))
    assert_quiet(fleet)


@pytest.mark.parametrize("seed", range(1, 16))
def test_from_any_state_the_fleet_comes_to_rest(seed):
    chance = Random(seed)
    policy = {"last_resort": chance.choice(list(LastResort))}
    times = Times(handback_delay=2.0, handback_max=20.0)
    fleet = Fleet(seed, draw_service(chance, times=times, **policy), chance.randint(2, 5))
    fleet.run(25)
    for _ in range(20):
        FAULTS[chance.choice(list(FAULTS))](fleet, chance.choice(fleet.pods), chance)
        fleet.run(chance.choice([0, 0.3, 1, 4, 10]), lambda: assert_no_zombie(fleet))
        for pod in fleet.pods:
            pod.stalled = pod.stalled and chance.random() < 0.3
    for pod in fleet.pods:
        pod.mend()
    fleet.zookeeper.up = True
    drain(fleet, Order(lifted=True), *fleet.pods)
    fleet.run(70, lambda: assert_no_zombie(fleet))
    assert_lit(fleet)
    assert_quiet(fleet)


FAULTS = {
    "crash": lambda fleet, pod, _: len(fleet.pods) > 1 and fleet.crash(pod),
    "restart": lambda fleet, pod, _: (fleet.crash(pod), fleet.join(pod.name)),
    "join": lambda fleet, _, __: len(fleet.pods) < 6 and fleet.join(),
    "cut": lambda _, pod, __: setattr(pod, "cut", True),
    "heal": lambda _, pod, __: setattr(pod, "cut", False),
    "stall": lambda _, pod, __: setattr(pod, "stalled", True),
    "fail": lambda _, pod, chance: pod.fail(*chance.sample(VIPS, chance.randint(1, len(VIPS)))),
    "pass": lambda _, pod, __: pod.fail(),
    "bounce": lambda _, pod, __: pod.bounce(),
    "up": lambda _, pod, __: pod.back(),
    "drain": lambda fleet, pod, _: drain(fleet, DRAIN, pod),
    "lift": lambda fleet, _, __: drain(fleet, Order(lifted=True), *fleet.pods),
    "outage": lambda fleet, _, __: setattr(fleet.zookeeper, "up", False),
    "return": lambda fleet, _, __: setattr(fleet.zookeeper, "up", True),
    "vanish": lambda fleet, _, __: fleet.zookeeper.vanish(),
}


def drain(fleet: Fleet, order: Order, *pods: Pod) -> None:
    fleet.zookeeper.commit(drains={**fleet.zookeeper.now.drains, **{pod.name: order for pod in pods}})


@pytest.mark.parametrize("seed", range(1, 6))
def test_an_outage_of_zookeeper_alone_changes_no_announcement(seed):
    """Hold: of any length, and whether its sessions and its data come back or not."""
    chance = Random(seed)
    fleet = Fleet(seed, draw_service(chance), chance.randint(2, 5))
    fleet.run(40)
    assert_quiet(fleet)
    standing = {pod.name: pod.routes() for pod in fleet.pods}

    def held() -> None:
        for pod in fleet.pods:
            assert pod.routes() == standing[pod.name], fleet.tale()

    for data_is_lost in (False, True, False):
        fleet.zookeeper.up = False
        fleet.run(chance.choice([1, 10, 60]), held)
        if data_is_lost:
            fleet.zookeeper.vanish()
        fleet.zookeeper.up = True
        fleet.run(chance.choice([0.5, 3, 20]), held)
    fleet.run(20, held)


@pytest.mark.parametrize("seed", range(1, 17))
def test_a_move_that_an_outage_interrupts_stands_still(seed):
    """Whatever is under way when all pods have noticed: routes that are aside, too."""
    chance = Random(seed)
    fleet = Fleet(seed, draw_service(chance), chance.randint(2, 5))
    fleet.run(40)
    drain(fleet, DRAIN, chance.choice(fleet.pods))
    fleet.run(chance.uniform(0.3, 4))
    fleet.zookeeper.up = False
    while any(pod.connected for pod in fleet.pods):
        fleet.step()
    standing = {pod.name: pod.routes() for pod in fleet.pods}

    def held() -> None:
        for pod in fleet.pods:
            assert pod.routes() == standing[pod.name], fleet.tale()

    fleet.run(60, held)
