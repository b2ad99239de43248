"""What this pod knows at one moment, and what of it concerns one service."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vipd.bgp.route import Route
from vipd.bgp.speaker import Standing
from vipd.bgp.wire import Prefix
from vipd.config import Config, ServiceConfig
from vipd.coord.member import Me, Phase, Rank, Seconds, Sight, View, Vip
from vipd.health import CheckStatus

SILENCE = Standing(sessions_up=0, sessions_configured=0, acknowledged={}, carried=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Each field has one writer. The last three matter to coordination alone."""

    config: Config
    phase: Phase = Phase.RUNNING
    checks: Mapping[str, CheckStatus] = field(default_factory=dict)  # by the keys of ServiceConfig.checks
    held: frozenset[Vip] = frozenset()  # VIPs whose address is on this machine
    standing: Standing = SILENCE  # what the neighbours have been told, and have acknowledged
    views: Mapping[str, View] = field(default_factory=dict)  # the newest of each service
    maintenance: Mapping[str, str] = field(default_factory=dict)  # by service: off the air here, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What of one service the neighbours have, in its own terms."""

    acknowledged: Mapping[Vip, Rank] = field(default_factory=dict)
    carried: frozenset[Vip] = frozenset()
    sights: tuple[Sight, ...] = ()


UNHEARD = Said()


def said(
    service: ServiceConfig, standing: Standing, routes: Mapping[Prefix, Route], prefixes: Mapping[Vip, Prefix]
) -> Said:
    """Read off a standing what concerns one service: of the routes as they are now, not as they were."""
    known = [(vip, prefix) for vip in service.service.vips if (prefix := prefixes.get(vip)) is not None]
    acknowledged = standing.acknowledged
    return Said(
        acknowledged={
            vip: route.rank
            for vip, prefix in known
            if (route := routes.get(prefix)) is not None and acknowledged.get(prefix) is route
        },
        carried=frozenset(vip for vip, prefix in known if prefix in standing.carried),
        sights=tuple(_sights(known, standing)) if service.service.witness else (),
    )


def _sights(known: Sequence[tuple[Vip, Prefix]], standing: Standing) -> Iterator[Sight]:
    """What each witness shows, in the service's own terms."""
    for sights in standing.sights.values():
        for sight in sights:
            mine = [(vip, prefix) for vip, prefix in known if prefix.family is sight.family]
            if mine:
                yield Sight(
                    vips=frozenset(vip for vip, _ in mine),
                    seen=frozenset(vip for vip, prefix in mine if prefix in sight.seen),
                    gone={vip: sight.gone[prefix] for vip, prefix in mine if prefix in sight.gone},
                    clear_at=sight.clear_at,
                )


def me(service: ServiceConfig, facts: Facts, heard: Said = UNHEARD, stalled_at: Seconds | None = None) -> Me:
    """Read off the facts what one service's decision rests on.

    Args:
        service: as configured.
        facts: the newest.
        heard: what the neighbours have of it.
        stalled_at: when the loop was last found late.
    """
    failing, failing_vips = _failing(service, facts)
    alone = Me(
        phase=facts.phase,
        failing=failing,
        failing_vips=failing_vips,
        held=facts.held if service.require_address else None,
        maintenance=facts.maintenance.get(service.service.name),
    )
    coordination = facts.config.coordination
    if coordination is None:
        return alone
    return replace(
        alone,
        pod=service.pod(coordination.pod_id),
        zone=coordination.zone,
        weight=coordination.weight,
        sessions_up=facts.standing.sessions_up,
        sessions_configured=facts.standing.sessions_configured,
        acknowledged=heard.acknowledged,
        carried=heard.carried,
        sights=heard.sights,
        stalled_at=stalled_at,
    )


def _failing(service: ServiceConfig, facts: Facts) -> tuple[str | None, Mapping[Vip, str]]:
    """Why no VIP of the service may stand, and why single ones may not."""
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
    return failing, failing_vips
