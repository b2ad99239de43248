"""The only way components of vipd speak to one another: a cell that holds the newest value.

A reader that is slow sees the newest value, never a backlog. Equal values are not news.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Holds one value; `async for` yields the present one and then each newer one."""

    __slots__ = ("_news", "_value", "_version")

    def __init__(self, value: T) -> None:
        self._value = value
        self._version = 0
        self._news: asyncio.Future[None] | None = None

    @property
    def value(self) -> T:
        return self._value

    def set(self, value: T) -> None:
        """Replace the value and wake every reader, in the same turn of the loop."""
        if value is self._value or value == self._value:
            return
        self._value = value
        self._version += 1
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)

    async def __aiter__(self) -> AsyncIterator[T]:
        seen = -1
        while True:
            while seen == self._version:
                await self._next()
            seen = self._version
            yield self._value

    async def until(self, accept: Callable[[T], bool]) -> T:
        """Return the first value, the present one included, that `accept` is true of."""
        while not accept(self._value):
            await self._next()
        return self._value

    async def _next(self) -> None:
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._news)
