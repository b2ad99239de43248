"""This pod among its siblings: reads what they tell, tells what it is, and lets go of what others have.

It believes reads, never watches: a hint says that a read would differ, no more. Whatever it does rests on a
whole reading of the present connection, and every write names the version that was read. What becomes of a
write whose answer is lost is told by the next reading. Nothing is decided here: a View goes out by `report`,
and what was decided on it comes back as a Wish.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, Never

import structlog

from vipd import children
from vipd.coord.directory import (
    Check,
    Directory,
    DirectoryLost,
    DirectoryRefused,
    LinkState,
    Node,
    NodeExists,
    NoNode,
    Operation,
    RecordChanged,
    Set,
)
from vipd.coord.exazk import Exazk
from vipd.coord.exazk_roster import ExazkRoster
from vipd.coord.layout import RECORD_OCTETS, write_record
from vipd.coord.member import Record, Release, Seconds, Unreadable, View, united
from vipd.coord.placement import ALGORITHMS, Algorithms, rank
from vipd.coord.roster import Roster
from vipd.latest import Latest

log = structlog.get_logger()

APART: Final[Seconds] = 0.05  # between two readings, and between two writings: what comes closer is one
AFRESH: Final[Seconds] = 60.0  # between two readings that believe no watch, give or take a quarter
MANY: Final = 300  # members: of more, that is longer, so that what all ask grows with them, not their square
AGAIN: Final[tuple[Seconds, Seconds]] = (0.1, 5.0)  # after a refusal; doubles from the one to the other
LEAVING: Final[Seconds] = 1.0  # for our record to be deleted
BREATH: Final[Seconds] = 0.01  # between two steps of what need not be done yet

Report = Callable[[str, View | None], None]  # of a service; None: we take no part in it any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was decided about one service that concerns the siblings.

    It is acted on only if it was decided with our record as it is now before the eyes.
    """

    view: View | None = None  # that it was decided on
    record: Record | None = None  # as ours ought to read; None: there is nothing to say yet
    releases: tuple[Release, ...] = ()
    newer_than: Seconds | None = None  # a view read then or before is not enough (rule 14)
    exazk: Exazk | None = None  # where the service lies, if it lies in ExaZK's layout


Wishes = Mapping[str, Wish]  # by service


async def take_part(
    directory: Directory,
    wishes: Latest[Wishes],
    report: Report,
    *,
    root: str,
    pod: str,
    jitter: Callable[[], float],
    algorithms: Algorithms = ALGORITHMS,
) -> Never:
    """Be a member of every service that there is a wish for, until cancelled. Our records then go.

    Args:
        directory: what the pods share.
        wishes: what to tell of ourselves, by service.
        report: is told each new view, and each doubt about the last one.
        root: the path below which everything lies.
        pod: the pod-id.
        jitter: draws from [0, 1).
        algorithms: what this pod can place by.
    """
    seats: dict[str, Seat] = {}
    services: Latest[Mapping[str, Exazk | None]] = Latest({})

    async def sit(service: str, exazk: Exazk | None) -> None:
        roster: Roster | ExazkRoster = Roster(root, service, pod, algorithms)
        if exazk is not None:
            roster = ExazkRoster(root, service, pod, exazk)
        seat = seats[service] = Seat(directory, service, wishes, report, roster=roster, jitter=jitter)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(seat.keep(), name="seat")
                group.create_task(seat.rank(), name="ranking")
        finally:
            del seats[service]
            await seat.leave()

    async def wake(news: AsyncIterable[Any]) -> Never:
        async for _ in news:
            services.set({name: wish.exazk for name, wish in wishes.value.items()})
            for seat in seats.values():
                seat.news.set()
        raise AssertionError("a Latest never ends")

    async with asyncio.TaskGroup() as group:
        for cell in (wishes, directory.link, directory.hints):
            group.create_task(wake(cell), name="news of the directory")
        await children.follow(services, sit)


class Seat:
    """This pod in one service: one task, which reads and writes in turn."""

    def __init__(
        self,
        directory: Directory,
        service: str,
        wishes: Latest[Wishes],
        report: Report,
        *,
        roster: Roster | ExazkRoster,
        jitter: Callable[[], float],
    ) -> None:
        self.news = asyncio.Event()  # set by whoever knows of something to look at
        self._directory = directory
        self._service = service
        self._wishes = wishes
        self._report = report
        self._jitter = jitter
        self._roster = roster
        self._loop = asyncio.get_running_loop()
        self._log = log.bind(service=service)
        self._refused = ""  # what was logged, and still stands
        self._refusals = 0  # in a row
        self._shown: Latest[View | None] = Latest(None)
        self._own: Node | None = None  # our record, as read back
        self._hint = 0  # that the newest reading knew of
        self._afresh_at: Seconds = -inf
        self._sync = False  # the next reading is to be as new as can be
        self._read_after: Seconds = -inf
        self._write_after: Seconds = -inf
        self._written: tuple[Record, bytes | None] | None = None  # the newest that was put into octets

    async def keep(self) -> Never:
        """Take part over one connection after another, and retry whatever is refused, until cancelled."""
        while True:
            await self._directory.link.until(lambda link: link.state is LinkState.CONNECTED)
            try:
                await self._take_part()
            except DirectoryLost:
                self._doubt()
                await asyncio.sleep(APART * self._jitter())
            except DirectoryRefused as refused:
                self._doubt()
                await self._bear(refused)

    async def rank(self) -> Never:
        """Compute beforehand, step by step, what a decision would else have to at once."""
        async for view in self._shown:
            if view is not None:
                told = {m.pod: m.record for m in view.members.values() if isinstance(m.record, Record)}
                pods = [(pod, record.weight) for pod, record in told.items()]
                vips = united(record.serves for record in told.values())
                for _ in rank(self._service, pods, vips):
                    await asyncio.sleep(BREATH)
        raise AssertionError("a Latest never ends")

    async def leave(self) -> None:
        """Delete our record, if that can be done in time. It would go with the session, too."""
        self._report(self._service, None)
        with suppress(DirectoryLost, DirectoryRefused, TimeoutError):
            async with asyncio.timeout(LEAVING):
                await self._take_away()

    async def _take_part(self) -> Never:
        """Follow everything over the present connection, however long it lasts. Raises when it has ended."""
        generation = self._directory.link.value.generation
        for folder in self._roster.folders:
            await self._directory.ensure(folder)
        self._sync, self._afresh_at = True, -inf
        while True:
            link = self._directory.link.value
            if link.generation != generation or link.state is not LinkState.CONNECTED:
                raise DirectoryLost("the connection has ended", sent=False)
            now = self._loop.time()
            read_at = self._next_reading()
            if read_at <= now:
                await self._read(now)
                continue
            self._renew(link.lease_until)
            write_at = self._write_after if self._wanted() is not None else inf
            if write_at <= now:
                await self._write()
            else:
                if write_at == inf:
                    self._content()
                await self._wait(min(read_at, write_at))

    async def _wait(self, until: Seconds) -> None:
        self.news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self.news.wait()

    # --- reading ---

    def _next_reading(self) -> Seconds:
        asked = self._wishes.value.get(self._service, Wish()).newer_than
        self._sync |= asked is not None and self._view is not None and self._view.read_at <= asked
        if self._sync or self._hint != self._directory.hints.value:
            return min(self._read_after, self._afresh_at)
        return self._afresh_at

    async def _read(self, now: Seconds) -> None:
        """Read everything, and report it. Raises DirectoryLost, DirectoryRefused."""
        sync, afresh = self._sync, now >= self._afresh_at
        self._sync = False
        self._read_after = now + APART
        self._hint = self._directory.hints.value
        overdue = self._loop.call_later(self._directory.link.value.timeout / 4, self._unanswered, now)
        try:
            reading = await self._directory.read(
                nodes=self._roster.nodes, folders=self._roster.folders, sync=sync, afresh=afresh
            )
            for _ in self._roster.learn(reading):
                await asyncio.sleep(0)  # one record in a turn of the loop
        finally:
            overdue.cancel()
        link = self._directory.link.value
        if reading.generation != link.generation:
            raise DirectoryLost("what was read belongs to an earlier connection", sent=False)
        view = self._roster.view(reading, link)
        if afresh:
            longer = max(1.0, len(view.members) / MANY)
            self._afresh_at = now + AFRESH * longer * (0.75 + self._jitter() / 2)
        self._own = self._roster.ours(reading, link)
        self._tell(view)
        self._show(view)

    @property
    def _view(self) -> View | None:
        """The newest reported."""
        return self._shown.value

    def _show(self, view: View) -> None:
        self._shown.set(view)
        self._report(self._service, view)

    def _renew(self, lease_until: Seconds) -> None:
        """Tell that the view may be believed for longer."""
        if self._view is not None and self._view.trusted_until != lease_until:
            self._show(replace(self._view, trusted_until=lease_until))

    def _doubt(self) -> None:
        """Tell that the view is to be believed no more."""
        now = self._loop.time()
        if self._view is not None and self._view.trusted_until > now:
            self._show(replace(self._view, trusted_until=now))

    def _unanswered(self, began: Seconds) -> None:
        if self._view is not None and self._view.unanswered_since is None:
            self._show(replace(self._view, unanswered_since=began))

    # --- writing ---

    def _wanted(self) -> Wish | None:
        """The wish, if it is in step with what was read, and asks for anything to be written."""
        wish, view = self._wishes.value.get(self._service), self._view
        if wish is None or wish.record is None or wish.view is None or view is None:
            return None
        if wish.view.own != view.own or wish.view.members.get(view.own) != view.members.get(view.own):
            return None  # it will be decided anew
        if self._roster.blocked:
            return None
        standing = None if self._own is None else self._own.data
        return wish if wish.releases or standing != self._octets(wish.record) else None

    async def _write(self) -> None:
        """Bring our record nearer to what it ought to be, in the state in which it was read or not at all."""
        wish, view, now = self._wanted(), self._view, self._loop.time()
        assert wish is not None  # noqa: S101 - it was asked for in this turn of the loop
        assert wish.record is not None  # noqa: S101
        assert view is not None  # noqa: S101
        self._write_after = now + APART
        path, octets = self._roster.path(view.own), self._octets(wish.record)
        if octets is not None and len(octets) > RECORD_OCTETS:
            raise DirectoryRefused(path, f"our record would have {len(octets)} octets of {RECORD_OCTETS}")
        self._show(replace(view, unread_write=True))  # until the next reading, whatever the answer is
        try:
            if self._own is None and octets is not None:
                await self._directory.create(path, octets, ephemeral=True)
                self._log.info("pod_registered", name=view.own)
            elif self._own is None or octets is None:
                await self._take_away()
            elif wish.releases:
                await self._release(path, wish.record, wish.releases, self._own.version)
            else:
                await self._directory.set(path, octets, self._own.version)
        except NodeExists:
            self._sync = True
        except NoNode:
            if self._own is None:
                raise
            self._sync = True
        except RecordChanged:
            self._sync = True
            self._write_after = now + APART * (1 + 2 * self._jitter())

    async def _release(self, path: str, record: Record, releases: tuple[Release, ...], version: int) -> None:
        """Rule 3 (c): take VIPs out of our record while checking that theirs are unchanged.

        Raises RecordChanged at the first that is to be decided anew; those before it are done.
        """
        for release in releases:
            claims = {vip: rank for vip, rank in record.announcing.items() if vip not in release.vips}
            record = replace(record, announcing=claims)
            checks: list[Operation] = [
                Check(path=self._roster.path(name), version=seen) for name, seen in release.receivers.items()
            ]
            taken_back = Set(path=path, data=write_record(record), version=version)
            await self._directory.transact([*checks, taken_back])
            version += 1
            self._log.info(
                "vips_released",
                vips=sorted(release.vips)[:10],
                count=len(release.vips),
                to=sorted(release.receivers),
            )

    async def _take_away(self) -> None:
        """Delete our node, if it is known to be there and to be ours."""
        if self._own is not None:
            await self._directory.delete(self._own.path)

    def _octets(self, record: Record) -> bytes | None:
        if self._written is None or self._written[0] != record:
            self._written = record, self._roster.write(record)
        return self._written[1]

    # --- for people ---

    async def _bear(self, refused: DirectoryRefused) -> None:
        """Say once what is refused, and let time pass."""
        if self._refused != str(refused):
            self._refused = str(refused)
            self._log.warning("coordination_refused", path=refused.path, reason=refused.reason)
        least, most = AGAIN
        pause = min(least * 2.0 ** min(self._refusals, 16), most)
        self._refusals += 1
        await asyncio.sleep(pause * (0.5 + self._jitter()))

    def _content(self) -> None:
        """Nothing that we ask for is refused any more."""
        self._refusals = 0
        if self._refused:
            self._refused = ""
            self._log.info("coordination_accepted")

    def _tell(self, view: View) -> None:
        """Log who came, who went, and whom we cannot understand."""
        before = {} if self._view is None else self._view.members
        if view.members is before:
            return
        came, went = view.members.keys() - before.keys(), before.keys() - view.members.keys()
        if came or went:
            self._log.info(
                "members_changed", came=sorted(came)[:10], went=sorted(went)[:10], count=len(view.members)
            )
        for name, member in view.members.items():
            known = before.get(name)
            if isinstance(member.record, Unreadable) and (known is None or known.record != member.record):
                self._log.warning("record_unreadable", name=name, reason=member.record.reason)
