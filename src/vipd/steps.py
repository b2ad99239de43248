"""Work that is done in steps, so that nobody has to wait for the whole of it.

Fifty thousand VIPs take a second to be told of. A step is a few hundred of them.
"""

from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]  # each yield: something else may be done now

STEP: Final = 500  # things at a time


def batched(things: Iterable[T]) -> Iterator[list[T]]:
    """Cut into lists of at most STEP."""
    left = iter(things)
    while some := list(islice(left, STEP)):
        yield some
