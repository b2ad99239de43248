"""What lies between the places of a simulated world: time, and sometimes nothing at all."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

Seconds = float
T = TypeVar("T")


def now() -> Seconds:
    return asyncio.get_running_loop().time()


@dataclass
class Network:
    """How long it takes from one place to another, and which of them nothing reaches."""

    random: Random
    delay: tuple[Seconds, Seconds] = (0.0002, 0.003)
    slow: dict[str, Seconds] = field(default_factory=dict)  # a place: what every way from or to it takes more
    _cut: set[tuple[str, str]] = field(default_factory=set)  # one way each
    _mended: asyncio.Event = field(default_factory=asyncio.Event)
    _held: list[Callable[[], None]] = field(default_factory=list)

    def takes(self, source: str, to: str) -> Seconds:
        return self.random.uniform(*self.delay) + self.slow.get(source, 0.0) + self.slow.get(to, 0.0)

    def reaches(self, source: str, to: str) -> bool:
        return (source, to) not in self._cut

    def cut(self, one: str, other: str, *, both: bool = True) -> None:
        """Lose whatever goes from one to the other; unless told otherwise, and back."""
        self._cut |= {(one, other), (other, one)} if both else {(one, other)}

    def mend(self, one: str, other: str) -> None:
        """Carry again, what was lost before first."""
        self._cut -= {(one, other), (other, one)}
        held, self._held = self._held, []
        for carry in held:
            carry()
        self._mended.set()
        self._mended.clear()  # for whoever is still cut off the next one counts

    def hold(self, carry: Callable[[], None]) -> None:
        self._held.append(carry)

    async def until_mended(self) -> None:
        await self._mended.wait()


class Way(Generic[T]):
    """One direction of a TCP connection: in order, late, and while it is cut, later."""

    def __init__(
        self, network: Network, source: str, to: str, arrive: Callable[[T], None], *, steady: Seconds = 0.0
    ) -> None:
        self._network = network
        self._source, self._to = source, to
        self._arrive = arrive
        self.steady = steady  # what this way takes more
        self._under_way: deque[T] = deque()
        self._free_at = 0.0
        self._stuck = False

    def send(self, what: T) -> None:
        self._under_way.append(what)
        # Timers of the same moment keep no order of their own, so each takes whatever is the first.
        self._free_at = max(self._free_at, now() + self.steady + self._network.takes(self._source, self._to))
        asyncio.get_running_loop().call_at(self._free_at, self._first)

    def _first(self) -> None:
        if self._stuck:
            return
        if not self._network.reaches(self._source, self._to):
            self._stuck = True
            self._network.hold(self._retransmit)
            return
        if self._under_way:
            self._arrive(self._under_way.popleft())

    def _retransmit(self) -> None:
        self._stuck = False
        if not self._network.reaches(self._source, self._to):
            self._stuck = True
            self._network.hold(self._retransmit)
            return
        while self._under_way:
            self._arrive(self._under_way.popleft())
