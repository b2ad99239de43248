"""From facts to routes: whatever becomes known is decided upon, and the decision becomes the Loc-RIB.

Where pods coordinate, a decision rests on the view of the siblings and on memory, too, and time alone may
change it; what the siblings are to know of it goes out as wishes.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from heapq import nsmallest
from math import inf
from operator import is_not
from typing import Final, Never

import structlog

from vipd.bgp.route import GRACEFUL_SHUTDOWN, LocRib, Route, When
from vipd.bgp.speaker import Standing
from vipd.bgp.wire import Prefix
from vipd.config import Config, ServiceConfig
from vipd.coord.case import Memory
from vipd.coord.decision import decide, decide_alone
from vipd.coord.member import Announcements, Me, Phase, Rank, Seconds, Service, View, Vip, Word
from vipd.coord.membership import Wish
from vipd.coord.placement import ALGORITHMS, Algorithms
from vipd.facts import UNHEARD, Facts, Said, me, said
from vipd.health import Health
from vipd.hooks import State
from vipd.latest import Latest

log = structlog.get_logger()

UNDECIDED: Final[Seconds] = 30.0  # after the start, what is not known by then is not waited for
_FOR_NOW: Final = (Word.WAITING, Word.NOT_HELD)
PATIENCE: Final[Seconds] = 0.001  # at least, before time alone is asked again: a timer may ring a hair early


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The decision on one service that stands, and what it was taken on."""

    config: ServiceConfig
    me: Me
    view: View | None = None
    announcements: Announcements = field(default_factory=Announcements)
    memory: Memory = field(default_factory=Memory)
    wish: Wish | None = None  # None: there are no siblings to tell

    @property
    def draining(self) -> bool:
        """Whether what stands is on its way to other pods, or off the air."""
        record = None if self.wish is None else self.wish.record
        return (self.me if record is None else record).phase is not Phase.RUNNING

    def stands(self, config: ServiceConfig, known: Me, view: View | None, now: Seconds) -> bool:
        """Whether these facts can change nothing about it."""
        due = self.announcements.recheck_at
        return (
            (due is None or now < due)
            and self.config == config
            and self.me == known
            and _shows_the_same(self.view, view, known, now)
        )


class Steering:
    """Follows the facts and the clock; publishes a decision whenever it differs from the one that stands.

    Args:
        facts: what is known.
        stalled_at: when the loop was last found late; asked with every decision.
        algorithms: what this pod can place by.
    """

    def __init__(
        self,
        facts: Latest[Facts],
        stalled_at: Callable[[], Seconds | None] = lambda: None,
        algorithms: Algorithms = ALGORITHMS,
    ) -> None:
        self._facts = facts
        self._algorithms = algorithms
        self._stalled_at = stalled_at
        self.courses: Mapping[str, Course] = {}  # by service, for whoever explains them
        self._said: dict[str, tuple[ServiceConfig, Standing, Mapping[Prefix, Route], Said]] = {}
        self.prefixes: dict[Vip, Prefix] = {}  # of every configured VIP
        self.announcements: Latest[Mapping[str, Announcements]] = Latest({})
        self.rib = Latest(LocRib())
        self.states: Latest[Mapping[str, State]] = Latest({})  # health by service, for the hooks
        self.wishes: Latest[Mapping[str, Wish]] = Latest({})  # by service, for the siblings
        self._complete = False  # for good, once it is
        self._start: Seconds | None = None
        self.takeovers: Counter[tuple[str, str]] = Counter()  # VIPs begun at rank 0, by service and verdict

    async def follow(self) -> Never:
        loop = asyncio.get_running_loop()
        while True:
            facts = self._facts.value
            self._decide(facts, loop.time())
            due = min((each.recheck_at or inf for each in self.announcements.value.values()), default=inf)
            if not self._complete and self._start is not None:
                due = min(due, self._start + UNDECIDED)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(None if due == inf else max(due, loop.time() + PATIENCE)):
                    await self._facts.until(partial(is_not, facts))

    def _decide(self, facts: Facts, now: Seconds) -> None:
        before = self.courses
        courses = {each.service.name: self._course(each, facts, now) for each in facts.config.services}
        self.courses = courses
        self.states.set({name: _state(course.config.service, course.me) for name, course in courses.items()})
        known = courses.keys() | before.keys()
        moved = {name for name in known if _moved(before.get(name), courses.get(name))}
        if moved:
            _tell(before, courses, moved)
            self.takeovers.update(_taken(before, courses, moved))
        self.announcements.set({name: course.announcements for name, course in courses.items()})
        routes = self._routes(facts.config) if moved else self.rib.value.routes
        self._complete = self._complete or self._is_complete(facts, now)
        self.rib.set(LocRib(routes=routes, policies=facts.config.policies, complete=self._complete))
        self.wishes.set({name: course.wish for name, course in courses.items() if course.wish is not None})

    def _is_complete(self, facts: Facts, now: Seconds) -> bool:
        """Whether a neighbour that has routes of before our start may forget what we do not tell it: every
        check has come to something, and every VIP has its word for good, or has had its time for it.
        """
        if self._start is None:
            self._start = now
        checks = (facts.checks.get(key) for service in facts.config.services for key in service.checks)
        words = (
            verdict.word
            for course in self.courses.values()
            for verdict in course.announcements.verdicts.values()
        )
        return now >= self._start + UNDECIDED or (
            all(check is not None and check.health is not Health.RISING for check in checks)
            and not any(word in _FOR_NOW for word in words)
        )

    def _course(self, config: ServiceConfig, facts: Facts, now: Seconds) -> Course:
        """The standing decision, if it can stand, or a new one."""
        name = config.service.name
        course = self.courses.get(name)
        coordinated = facts.config.coordination is not None
        heard = self._heard(config, facts) if coordinated else UNHEARD
        known = me(config, facts, heard, self._stalled_at() if coordinated else None)
        view = facts.views.get(name)
        if course is not None and course.stands(config, known, view, now):
            return course
        if course is None:
            course = Course(config=config, me=known)
        if not coordinated:
            announcements = decide_alone(config.service, known, course.announcements, now)
            return Course(config=config, me=known, announcements=announcements)
        decision = decide(config.service, known, view, course.memory, now, algorithms=self._algorithms)
        return Course(
            config=config,
            me=known,
            view=view,
            announcements=decision.announcements,
            memory=decision.memory,
            wish=Wish(
                view=view,
                record=decision.record,
                releases=decision.releases,
                newer_than=max(_questions(known), default=None),
                exazk=config.place,
            ),
        )

    def _heard(self, config: ServiceConfig, facts: Facts) -> Said:
        """What the neighbours have of a service: as before, where neither they nor the routes have moved."""
        name, standing, routes = config.service.name, facts.standing, self.rib.value.routes
        known = self._said.get(name)
        if known is not None and known[0] is config and known[1] is standing and known[2] is routes:
            return known[3]
        heard = said(config, standing, routes, self.prefixes)
        self._said[name] = config, standing, routes, heard
        return heard

    def _routes(self, config: Config) -> Mapping[Prefix, Route]:
        known, self.prefixes = self.prefixes, {}
        routes = {}
        for service in config.services:
            course = self.courses[service.service.name]
            decided = course.announcements
            draining = course.draining and _tells_of_drains(config)
            shut_down = draining and config.drain.graceful_shutdown > 0
            for vip, route in service.routes.items():
                prefix = self.prefixes[vip] = known.get(vip) or Prefix.host(vip)
                rank = decided.rank(vip)
                if rank is not None:
                    when = When.DRAINING if draining else _when(decided.verdicts[vip].word, rank)
                    aside = vip in decided.aside
                    routes[prefix] = _told(route, rank, when, aside=aside, shut_down=shut_down)
        return routes


def _tells_of_drains(config: Config) -> bool:
    """Whether routes of a pod that drains are told otherwise than before: only if somebody asked for it."""
    return config.drain.graceful_shutdown > 0 or any(
        When.DRAINING in policy.communities_when for policy in config.policies.values()
    )


def _when(word: Word, rank: Rank) -> When:
    if word is Word.LAST_RESORT:
        return When.LAST_RESORT
    return When.STANDBY if rank else When.PRIMARY


@lru_cache(maxsize=4096)
def _told(route: Route, rank: Rank, when: When, *, aside: bool, shut_down: bool) -> Route:
    """A route as it was configured, but for how much we want its traffic now; equal ones are one object.

    Shut down gracefully (RFC 8326 section 4), it is marked for those who take the mark for a reason to
    prefer another, and has the lowest LOCAL_PREF within an AS.
    """
    if shut_down:
        route = replace(route, communities=(*route.communities, GRACEFUL_SHUTDOWN), local_preference=0)
    if not rank and not aside and when is When.PRIMARY:
        return route
    return replace(route, rank=rank, aside=aside, when=when)


def _shows_the_same(before: View | None, view: View | None, known: Me, now: Seconds) -> bool:
    """Whether two views differ in nothing but how fresh they are, while that makes no difference."""
    if before is None or view is None:
        return before is view
    trusted = now < before.trusted_until <= view.trusted_until
    confirmed = all((before.read_at > asked) == (view.read_at > asked) for asked in _questions(known))
    same = replace(view, trusted_until=before.trusted_until, read_at=before.read_at) == before
    return same and (view.trusted_until == before.trusted_until or trusted) and confirmed


def _questions(known: Me) -> Iterator[Seconds]:
    """When ZooKeeper came to be asked: after a stall (rule 14), and for what has gone (rule 10)."""
    if known.stalled_at is not None:
        yield known.stalled_at
    for sight in known.sights:
        yield from sight.gone.values()


def _moved(before: Course | None, after: Course | None) -> bool:
    """Whether what is announced may be another, or be said otherwise."""
    if before is None or after is None:
        return before is not after
    if before.config is not after.config and before.config != after.config:
        return True
    if before.draining is not after.draining:
        return True
    old, new = before.announcements, after.announcements
    return old is not new and (old.verdicts != new.verdicts or old.aside.keys() != new.aside.keys())


def _taken(
    before: Mapping[str, Course], after: Mapping[str, Course], moved: set[str]
) -> Iterator[tuple[str, str]]:
    """Every VIP that is announced at rank 0 from now on: its service, and why."""
    for name in moved & after.keys():
        old = before[name].announcements.verdicts if name in before else {}
        for vip, verdict in after[name].announcements.verdicts.items():
            if verdict.rank == 0 and (vip not in old or old[vip].rank != 0):
                yield name, verdict.word.value


def _state(service: Service, known: Me) -> State:
    return State(up=known.failing is None, reason=known.failing or "its checks pass", vips=service.vips)


def _tell(before: Mapping[str, Course], after: Mapping[str, Course], moved: set[str]) -> None:
    """Log each verdict that changed: one event for all the VIPs of a service that share the change."""
    for name in sorted(moved):
        old = before[name].announcements.verdicts if name in before else {}
        new = after[name].announcements.verdicts if name in after else {}
        moves: dict[tuple[int, int], list[Vip]] = {}  # by identity: ten thousand VIPs share a few verdicts
        for vip in old.keys() | new.keys():
            was, now = old.get(vip), new.get(vip)
            if was is not now:
                moves.setdefault((id(was), id(now)), []).append(vip)
        changes: dict[tuple[str | None, str | None, str], list[Vip]] = {}
        for vips in moves.values():
            was, now = old.get(vips[0]), new.get(vips[0])
            if was is not None and now is not None and was.word is now.word:
                continue
            change = (
                was.word.value if was else None,
                now.word.value if now else None,
                now.reason if now else "not configured any more",
            )
            changes.setdefault(change, []).extend(vips)
        for (was_word, now_word, reason), vips in changes.items():
            log.info(
                "verdict_changed",
                service=name,
                vips=nsmallest(10, vips),
                count=len(vips),
                old=was_word,
                new=now_word,
                reason=reason,
            )
