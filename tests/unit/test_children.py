import asyncio
from collections.abc import Mapping

import pytest

from vipd.children import follow
from vipd.latest import Latest


class Stage:
    """Children that note when they start and when they are cancelled."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def child(self, key: str, value: int) -> None:
        self.told.append(f"+{key}{value}")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)  # leaving takes a turn, and is waited for
            self.told.append(f"-{key}{value}")


async def turns() -> None:
    for _ in range(16):
        await asyncio.sleep(0)


async def test_a_task_may_go_on_under_another_value():
    stage = Stage()
    wanted: Latest[Mapping[str, int]] = Latest({"a": 1})
    async with asyncio.TaskGroup() as group:
        following = group.create_task(
            follow(wanted, stage.child, goes_on=lambda present, other: other - present <= 1)
        )
        for value in (1, 2, 3, 5):  # each is compared with the one before
            wanted.set({"a": value})
            await turns()
        assert stage.told == ["+a1", "-a1", "+a5"]
        following.cancel()


async def test_tasks_follow_the_mapping():
    stage = Stage()
    wanted: Latest[Mapping[str, int]] = Latest({"a": 1, "b": 1})
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follow(wanted, stage.child))
        await turns()
        assert stage.told == ["+a1", "+b1"]

        stage.told.clear()
        wanted.set({"b": 2, "c": 1})
        await turns()
        assert sorted(stage.told[:2]) == ["-a1", "-b1"]  # all that go have gone before any starts
        assert stage.told[2:] == ["+b2", "+c1"]

        stage.told.clear()
        following.cancel()
    assert sorted(stage.told) == ["-b2", "-c1"]


async def test_a_child_that_fails_ends_them_all():
    async def child(key: str, value: int) -> None:
        if value == 2:
            raise ZeroDivisionError
        await asyncio.get_running_loop().create_future()

    with pytest.raises(ExceptionGroup) as caught:
        await follow(Latest({"a": 1, "b": 2}), child)
    assert caught.group_contains(ZeroDivisionError)


async def test_a_child_that_returns_starts_anew_only_with_a_new_value():
    started = []

    async def child(key: str, value: int) -> None:
        started.append((key, value))

    wanted: Latest[Mapping[str, int]] = Latest({"a": 1})
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follow(wanted, child))
        await turns()
        wanted.set({"a": 1, "b": 1})
        await turns()
        wanted.set({"a": 2, "b": 1})
        await turns()
        following.cancel()
    assert started == [("a", 1), ("b", 1), ("a", 2)]
