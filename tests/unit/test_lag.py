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
