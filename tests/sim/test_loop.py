"""The simulated loop: what would hang a real one is told."""

import asyncio

import pytest

from sim.loop import Livelock, simulated


def test_who_goes_round_without_time_is_told():
    @simulated
    async def story() -> None:
        while True:  # noqa: ASYNC110 - for ever is the point
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match=r"at 0\.000 s"):
        story()


def test_who_lets_time_pass_may_go_on_for_long():
    @simulated
    async def story() -> float:
        for _ in range(150_000):
            await asyncio.sleep(0.001)
        return asyncio.get_running_loop().time()

    assert story() == pytest.approx(150.0)
