"""What was read from ZooKeeper, and is believed for as long as the watch stands that was set with it.

ZooKeeper tells that a watch has fired before it tells anything newer, and a wire keeps that order: what
stands here is what a read would find.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from aiozk import exc, protocol

from vipd.coord.directory import AccessDenied, DirectoryRefused, NodeExists, NoNode, RecordChanged
from vipd.coord.zk_wire import Answer, Request, Response, Wire

T = TypeVar("T")

WINDOW: Final = 64  # reads under way at once: what one turn of the loop can take in
ROUNDS: Final = 5  # for what comes and goes while it is read


class Watched(Generic[T]):
    """One kind of what can be read and watched at paths.

    Args:
        request: makes a request of `path` and `watch`.
        believe: a path and the response.
        denied: a path and its stat: it is there, and we may not read it. May raise.
        full: a path as the servers know it.
        stamp: what no two states of a path share, of a response; None: responses do not tell. Where it is
            known, what was read before is asked for that alone, and is read again if that has changed.
    """

    def __init__(
        self,
        *,
        request: Callable[..., Request],
        believe: Callable[[str, Response], T],
        denied: Callable[[str, Response], T],
        full: Callable[[str], str],
        stamp: Callable[[Response], object] | None = None,
    ) -> None:
        self._request = request
        self._believe = believe
        self._denied = denied
        self._full = full
        self._stamp = stamp
        self._standing: dict[str, T | None] = {}  # None: nothing is there, and its coming is watched for
        self._read: dict[str, tuple[object, T]] = {}  # with its stamp; it may have changed since

    def fired(self, path: str | None) -> None:
        """Stop believing a path; None: any."""
        if path is not None:
            self._standing.pop(path, None)
            self._read.pop(path, None)
        elif self._standing:  # else nothing was read over the last connection, and nothing is newer
            self._read = {path: self._read[path] for path in self._standing if path in self._read}
            self._standing.clear()

    def forget(self) -> None:
        """Take nothing that was read for what may still be so: its stamps may be given again."""
        self._read.clear()

    async def read(
        self, wire: Wire, paths: Collection[str], *, afresh: bool, listed: bool = False
    ) -> dict[str, T | None]:
        """What is at each path, believed or asked for; None: nothing.

        The coming of what was `listed` is not watched for: the list is. `afresh`: no watch is believed.
        Raises DirectoryLost, DirectoryRefused.
        """
        look: _Look[T] = _Look(
            found={} if afresh else {path: self._standing[path] for path in paths if path in self._standing},
            refused={},
        )
        if self._stamp is not None:
            read = [path for path in paths if path not in look.found and path in self._read]
            await self._each(wire, protocol.ExistsRequest, read, partial(self._compare, look, self._stamp))
        for _ in range(ROUNDS):
            missing = [path for path in paths if path not in look.found]
            if not missing:
                return look.found
            look.refused.clear()
            await self._each(wire, self._request, missing, partial(self._note, look))
            if listed:
                look.found.update(dict.fromkeys(look.refused_as(exc.NoNode)))
            absent = [path for path in look.refused if path not in look.found]
            await self._each(wire, protocol.ExistsRequest, absent, partial(self._note_existence, look))
            look.check()
        raise DirectoryRefused(missing[0], "it comes and goes too fast to be read")

    def _note(self, look: "_Look[T]", path: str, answer: Answer) -> None:
        if answer.error:
            look.refused[path] = answer.error
        else:
            value = look.found[path] = self._standing[path] = self._believe(path, answer.response)
            if self._stamp is not None:
                self._read[path] = self._stamp(answer.response), value

    def _compare(
        self, look: "_Look[T]", stamp: Callable[[Response], object], path: str, answer: Answer
    ) -> None:
        """Believe what was read before if its stamp is the same still; else it will be read."""
        before = self._read.pop(path, None)
        if before is not None and not answer.error and before[0] == stamp(answer.response):
            self._read[path] = before
            look.found[path] = self._standing[path] = before[1]

    def _note_existence(self, look: "_Look[T]", path: str, answer: Answer) -> None:
        if answer.error == exc.NoNode.error_code:
            look.found[path] = self._standing[path] = None
        elif answer.error:
            look.refused[path] = answer.error
        elif look.refused[path] == exc.NoAuth.error_code:
            look.found[path] = self._standing[path] = self._denied(path, answer.response)

    async def _each(
        self,
        wire: Wire,
        request: Callable[..., Request],
        paths: Iterable[str],
        note: Callable[[str, Answer], None],
    ) -> None:
        """Ask of every path, setting a watch."""
        under_way: deque[asyncio.Future[Answer]] = deque()
        for path in paths:
            if len(under_way) == WINDOW:
                await under_way.popleft()
            under_way.append(wire.ask(request(path=self._full(path), watch=True), note=partial(note, path)))
        for answer in under_way:
            await answer


@dataclass(frozen=True, slots=True)
class _Look(Generic[T]):
    """One reading under way: what it has found, and the errors of the rest."""

    found: dict[str, T | None]
    refused: dict[str, int]

    def refused_as(self, error: type[exc.ResponseError]) -> list[str]:
        return [path for path, code in self.refused.items() if code == error.error_code]

    def check(self) -> None:
        """Raise what is refused for another reason than that it is not there, or not for us."""
        for path, code in self.refused.items():
            if code not in {exc.NoNode.error_code, exc.NoAuth.error_code}:
                raise refusal(code, path)


def refusal(error: int, path: str) -> DirectoryRefused:
    """Return an error code in the directory's terms."""
    match error:
        case exc.NoNode.error_code:
            return NoNode(path, "it, or what it is to stand in, is not there")
        case exc.NodeExists.error_code:
            return NodeExists(path, "it is there already")
        case exc.BadVersion.error_code:
            return RecordChanged(path, "it has changed")
        case exc.NoAuth.error_code:
            return AccessDenied(path, "its ACL does not allow us that")
    known = exc.response_error_xref.get(error)
    return DirectoryRefused(path, f"ZooKeeper says {known.__name__ if known else 'error'} ({error})")
