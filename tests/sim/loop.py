"""An event loop that is its own clock: waiting takes no time, and hours pass in milliseconds."""

import asyncio
import functools
import itertools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

TURNS = 100_000  # of the loop, without any time: more than all that a whole cluster does at once


class Livelock(AssertionError):  # noqa: N818 - the word for it
    """Something goes round and round, and time does not pass."""


class _NeverBlocking(selectors.SelectSelector):
    """Asked to wait, it puts the clock forward and returns."""

    now = 0.0
    _turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self._turns = self._turns + 1 if timeout == 0 else 0
        if self._turns == TURNS:
            raise Livelock(f"at {self.now:.3f} s the same things happen for ever, and no time passes")
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: everybody waits, and no timer is set")
            self.now += max(timeout, 0)
        return ready


class _Numbered(asyncio.Task[Any]):
    """A task that lies in sets where its number puts it, not its address: groups cancel in that order."""

    _numbers = itertools.count()

    def __init__(self, coroutine: Coroutine[Any, Any, Any], **how: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(coroutine, **how)

    def __hash__(self) -> int:
        return self._number


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Runs production code unchanged, in virtual time that begins at 0."""

    def __init__(self) -> None:
        self._clock = _NeverBlocking()
        super().__init__(self._clock)
        _Numbered._numbers = itertools.count()
        self.set_task_factory(lambda loop, coroutine, **how: _Numbered(coroutine, loop=loop, **how))

    def time(self) -> float:
        return self._clock.now

    def stall(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as when the process is stopped or something computes."""
        self._clock.now += seconds


def simulated(story: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a test of an asynchronous story, run in virtual time."""

    @functools.wraps(story)
    def test(*args: P.args, **kwargs: P.kwargs) -> T:
        with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
            return runner.run(story(*args, **kwargs))

    return test
