"""From facts to routes: whatever becomes known is decided upon, and the decision becomes the Loc-RIB."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Never

import structlog

from vipd.bgp.route import LocRib, Route
from vipd.bgp.wire import Prefix
from vipd.config import Config, ServiceConfig
from vipd.coord.decision import decide_alone
from vipd.coord.member import Announcements, Me, Phase, Service, Vip
from vipd.health import CheckStatus
from vipd.hooks import State
from vipd.latest import Latest

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What this pod knows at this moment. Each field has one writer."""

    config: Config
    phase: Phase = Phase.RUNNING
    checks: Mapping[str, CheckStatus] = field(default_factory=dict)  # by the keys of ServiceConfig.checks
    held: frozenset[Vip] = frozenset()  # VIPs whose address is on this machine


class Steering:
    """Follows the facts; publishes a decision whenever it differs from the one that stands."""

    def __init__(self, facts: Latest[Facts]) -> None:
        self._facts = facts
        self._asked: dict[str, tuple[ServiceConfig, Me]] = {}  # what each standing decision was taken on
        self.prefixes: dict[Vip, Prefix] = {}  # of every configured VIP
        self.announcements: Latest[Mapping[str, Announcements]] = Latest({})
        self.rib = Latest(LocRib())
        self.states: Latest[Mapping[str, State]] = Latest({})  # health by service, for the hooks

    async def follow(self) -> Never:
        async for facts in self._facts:
            self._decide(facts, asyncio.get_running_loop().time())
        raise AssertionError("a Latest never ends")  # the loop above leaves only by an exception

    def _decide(self, facts: Facts, now: float) -> None:
        before = self.announcements.value
        after: dict[str, Announcements] = {}
        asked: dict[str, tuple[ServiceConfig, Me]] = {}
        for config in facts.config.services:
            name = config.service.name
            asked[name] = question = config, me(config, facts)
            standing = before.get(name, Announcements())
            if self._asked.get(name) == question:
                after[name] = standing
            else:
                after[name] = decide_alone(config.service, question[1], standing, now)
        moved = {name for name in after.keys() | before.keys() if after.get(name) is not before.get(name)}
        self._asked = asked
        self.states.set({name: _state(config.service, known) for name, (config, known) in asked.items()})
        if moved:
            _tell(before, after, moved)
            self.announcements.set(after)
        routes = self._routes(facts.config, after) if moved else self.rib.value.routes
        self.rib.set(LocRib(routes=routes, policies=facts.config.policies))

    def _routes(self, config: Config, decided: Mapping[str, Announcements]) -> Mapping[Prefix, Route]:
        known, self.prefixes = self.prefixes, {}
        routes = {}
        for service in config.services:
            verdicts = decided[service.service.name].verdicts
            for vip, route in service.routes.items():
                prefix = self.prefixes[vip] = known.get(vip) or Prefix.host(vip)
                if verdicts[vip].rank is not None:
                    routes[prefix] = route
        return routes


def me(service: ServiceConfig, facts: Facts) -> Me:
    """Read off the facts what one service's decision rests on."""
    failing: str | None = None
    failing_vips: dict[Vip, str] = {}
    for key, check in service.checks.items():
        status = facts.checks.get(key)
        if status is not None and status.passing:
            continue
        reason = f"check {check.name}: " + (
            status.last.message if status is not None and status.last is not None else "has not run yet"
        )
        if check.vip is None:
            failing = failing or reason
        else:
            failing_vips.setdefault(Vip(check.vip), reason)
    return Me(
        phase=facts.phase,
        failing=failing,
        failing_vips=failing_vips,
        held=facts.held if service.require_address else None,
    )


def _state(service: Service, known: Me) -> State:
    return State(up=known.failing is None, reason=known.failing or "its checks pass", vips=service.vips)


def _tell(before: Mapping[str, Announcements], after: Mapping[str, Announcements], moved: set[str]) -> None:
    """Log each verdict that changed: one event for all the VIPs of a service that share the change."""
    for name in sorted(moved):
        old = before.get(name, Announcements()).verdicts
        new = after.get(name, Announcements()).verdicts
        changes: dict[tuple[str | None, str | None, str], list[Vip]] = {}
        for vip in old.keys() | new.keys():
            was, now = old.get(vip), new.get(vip)
            if was is now or (was is not None and now is not None and was.word is now.word):
                continue
            change = (
                was.word.value if was else None,
                now.word.value if now else None,
                now.reason if now else "not configured any more",
            )
            changes.setdefault(change, []).append(vip)
        for (was_word, now_word, reason), vips in changes.items():
            log.info(
                "verdict_changed",
                service=name,
                vips=sorted(vips)[:10],
                count=len(vips),
                old=was_word,
                new=now_word,
                reason=reason,
            )
