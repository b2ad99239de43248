import asyncio

from vipd.latest import Latest


async def test_a_reader_gets_the_present_value_and_then_each_newer_one():
    cell = Latest(1)
    reader = aiter(cell)
    assert await anext(reader) == 1
    cell.set(2)
    assert await anext(reader) == 2


async def test_a_slow_reader_sees_only_the_newest():
    cell = Latest(1)
    reader = aiter(cell)
    await anext(reader)
    for value in (2, 3, 4):
        cell.set(value)
    assert await anext(reader) == 4


async def test_equal_values_are_not_news():
    cell = Latest((1, 2))
    reader = aiter(cell)
    await anext(reader)
    waiting = asyncio.ensure_future(anext(reader))
    cell.set((1, 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    cell.set((1, 3))
    assert await waiting == (1, 3)


async def test_every_reader_is_woken_and_one_cancelled_reader_harms_no_other():
    cell = Latest(0)
    async with asyncio.TaskGroup() as group:
        gone, stays = (group.create_task(cell.until(lambda value: value == 7)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        cell.set(7)
        assert await stays == 7
    assert gone.cancelled()


async def test_until_accepts_the_present_value_without_waiting():
    assert await Latest("here").until(lambda value: value == "here") == "here"
    assert Latest(5).value == 5
