import asyncio

from sim.loop import SimulatedLoop, simulated
from vipd.lag import PERIOD, Lag


@simulated
async def test_it_notes_how_late_it_was_woken_and_remembers_the_worst():
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    lag = Lag()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(lag.watch())
        await asyncio.sleep(0)
        assert (lag.latest, lag.worst) == (0.0, 0.0)
        loop.stall(PERIOD + 2)
        await asyncio.sleep(0.1)
        assert lag.latest == lag.worst == 2
        await asyncio.sleep(2 * PERIOD)
        assert (lag.latest, lag.worst) == (0.0, 2)
        watching.cancel()


@simulated
async def test_whoever_runs_first_after_a_stall_learns_of_it_and_short_ones_are_none():
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    lag = Lag(tolerable=lambda: 3.0, suspended=lambda: 0.0)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(lag.watch())
        await asyncio.sleep(0)
        loop.stall(PERIOD + 2)
        assert lag.stalled_at() is None
        await asyncio.sleep(0.1)
        loop.stall(PERIOD + 4)
        noticed = lag.stalled_at()
        assert noticed == loop.time()
        await asyncio.sleep(10)
        assert lag.stalled_at() == noticed
        assert 3.5 < lag.worst < 4.5
        watching.cancel()


@simulated
async def test_a_machine_that_was_suspended_has_stalled_though_the_loop_saw_nothing_of_it():
    asleep = [100.0]
    lag = Lag(tolerable=lambda: 3.0, suspended=lambda: asleep[0])
    asleep[0] += 2.0
    assert lag.stalled_at() is None
    asleep[0] += 60.0
    await asyncio.sleep(7)
    assert lag.stalled_at() == 7
    await asyncio.sleep(7)
    assert lag.stalled_at() == 7
