"""Several processes in one loop, each to be stopped and continued, as by SIGSTOP and SIGCONT."""

import asyncio
import functools
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, ParamSpec, TypeVar

from sim.loop import SimulatedLoop

P = ParamSpec("P")
T = TypeVar("T")


class Process:
    """Whatever is started in its context, and whatever comes of that."""

    def __init__(self) -> None:
        self.stopped = False
        self.context = copy_context()
        self.context.run(_PROCESS.set, self)
        self.arrived: list[asyncio.Handle] = []  # while stopped, from outside
        self.due: list[asyncio.Handle] = []  # while stopped, from within

    def start(self, main: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return asyncio.get_running_loop().create_task(main, context=self.context)

    def deliver(self, callback: Callable[..., object], *args: object) -> None:
        """Have something happen in it from outside."""
        loop = asyncio.get_running_loop()
        loop._ready.append(_FromOutside(callback, args, loop, self.context))

    def stop(self) -> None:
        self.stopped = True

    def resume(self) -> None:
        """Continue: what has arrived comes before any timer, as a selector has it."""
        self.stopped = False
        asyncio.get_running_loop()._ready.extend(self.arrived + self.due)
        self.arrived, self.due = [], []


_PROCESS: ContextVar[Process] = ContextVar("process")


class _Within(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context[_PROCESS]
        if process.stopped:
            process.due.append(self)
        else:
            super()._run()


class _FromOutside(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context[_PROCESS]
        if process.stopped:
            process.arrived.append(self)
        else:
            super()._run()


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context[_PROCESS]
        if process.stopped:
            process.due.append(self)
        else:
            super()._run()


class WorldLoop(SimulatedLoop):
    """A simulated loop that runs processes beside the world they live in."""

    def _call_soon(
        self, callback: Callable[..., object], args: Any, context: Context | None
    ) -> asyncio.Handle:
        context = copy_context() if context is None else context
        made = _Within if _PROCESS in context else asyncio.Handle
        handle = made(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        context = copy_context() if context is None else context
        made = _Timer if _PROCESS in context else asyncio.TimerHandle
        timer = made(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer


def world(story: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a test of an asynchronous story with processes, run in virtual time."""

    @functools.wraps(story)
    def test(*args: P.args, **kwargs: P.kwargs) -> T:
        with asyncio.Runner(loop_factory=WorldLoop) as runner:
            return runner.run(story(*args, **kwargs))

    return test
