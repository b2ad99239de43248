"""The only way a set of tasks follows a set of things."""

import asyncio
import operator
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Never, TypeVar

from vipd.latest import Latest

K = TypeVar("K")
V = TypeVar("V")


async def follow(
    wanted: Latest[Mapping[K, V]],
    child: Callable[[K, V], Coroutine[Any, Any, None]],
    *,
    goes_on: Callable[[V, V], bool] = operator.eq,
) -> Never:
    """Keep one task per key of `wanted`, running `child(key, value)`.

    A task starts when its key appears, is cancelled and awaited when it goes, and both when its value
    changes, unless `goes_on(present, next)`. A child that returns stays finished until its value changes; one
    that raises ends them all.
    """
    running: dict[K, tuple[V, asyncio.Task[None]]] = {}
    async with asyncio.TaskGroup() as group:
        async for things in wanted:
            gone = [
                running.pop(key)[1]
                for key, (value, _) in list(running.items())
                if key not in things or not goes_on(value, things[key])
            ]
            for task in gone:
                task.cancel()
            if gone:
                await asyncio.wait(gone)
            for key, value in things.items():
                if key not in running:
                    task = group.create_task(child(key, value), name=f"{child.__name__} {key}")
                else:
                    _, task = running[key]
                running[key] = value, task
    raise AssertionError("a Latest never ends")  # the loop above leaves only by an exception
