"""Everything there is to see, at one instant: what `/status`, `/readyz`, `/metrics` and the CLI are made of.

Values and their rendering as JSON. Counts and differences of time are made here; nothing is decided here.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import dumps
from shlex import join
from typing import Any, assert_never

from vipd import sharing
from vipd.bfd.packet import State as Bfd
from vipd.bfd.packet import meaning
from vipd.bfd.peer import BfdStatus
from vipd.bgp.iana import describe_error
from vipd.bgp.peer import Down, Negotiated, PeerStatus, State
from vipd.bgp.wire import Prefix
from vipd.config.sections import Config, CoordinationConfig, Defined, ServiceConfig
from vipd.coord.account import Account, Insight, account, awaits_grace, lost, trusted, unsettled
from vipd.coord.link import Link
from vipd.coord.member import Announcements, Phase, Verdict, Vip, Word
from vipd.health import (
    Check,
    CheckStatus,
    ExecProbe,
    FileProbe,
    Health,
    HttpProbe,
    NerveProbe,
    Result,
    TcpProbe,
)
from vipd.steps import Steps, batched

SCHEMA = 1  # of the JSON; grows when a field changes its meaning or goes, not when one is added

Seconds = float
Epoch = float  # seconds since 1970, for people and for Prometheus; nothing is decided by it
Json = dict[str, Any]

DIRECTIONS = ("sent", "received")
MESSAGES = ("open", "update", "notification", "keepalive", "route_refresh")
RESULTS = ("good", "bad", "timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the last reading of the configuration went, the one at the start included."""

    ok: bool
    at: Epoch
    error: str | None = None  # what was wrong, in one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The facts of one instant. Nothing is copied: it is as cheap as its fields."""

    version: str
    pod: str  # the host's name
    pid: int
    config: Config  # the one in force
    loaded: Epoch  # when that was read
    reading: Reading
    phase: Phase
    started: Seconds  # loop time
    now: Seconds  # loop time
    wall: Epoch  # the same instant
    peers: Mapping[str, PeerStatus] = field(default_factory=dict)  # by name
    bfd: Mapping[str, BfdStatus] = field(default_factory=dict)  # by name; of those that are watched
    bfd_strangers: Mapping[str, int] = field(default_factory=dict)  # packets of nobody we know, by reason
    announcements: Mapping[str, Announcements] = field(default_factory=dict)  # by service
    checks: Mapping[str, CheckStatus] = field(default_factory=dict)  # by the keys of ServiceConfig.checks
    held: frozenset[Vip] | None = None  # addresses on this machine; None: nobody looks
    told: Mapping[str, Collection[Prefix]] = field(default_factory=dict)  # by peer: its Adj-RIB-Out
    prefixes: Mapping[Vip, Prefix] = field(default_factory=dict)  # each VIP, as `told` names it
    lag: Seconds = 0.0  # of the event loop, latest
    lag_max: Seconds = 0.0  # since the start
    log_lines_dropped: int = 0
    maintenance: Mapping[str, str] = field(default_factory=dict)  # by service: why off the air here alone
    # What follows is of pods that coordinate.
    link: Link | None = None  # None: ZooKeeper has not been asked yet
    insights: Mapping[str, Insight] = field(default_factory=dict)  # by service
    expirations: int = 0  # of our session, since the start
    takeovers: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by service and verdict
    definitions: Mapping[str, Defined] = field(default_factory=dict)  # by service that ZooKeeper may define

    def peer(self, name: str) -> PeerStatus:
        """How a configured peer fares; Idle before its session has first been heard of."""
        known = self.peers.get(name)
        if known is not None:
            return known
        return PeerStatus(config=self.config.neighbors[name], state=State.IDLE, since=self.started)

    def watch(self, name: str) -> BfdStatus | None:
        """How the path to a configured neighbour fares; None: it is not watched."""
        watched = self.config.bfd.get(name)
        if watched is None:
            return None
        return self.bfd.get(name) or BfdStatus(peer=watched, state=Bfd.DOWN, since=self.started)

    def check(self, key: str, check: Check) -> CheckStatus:
        """How a configured check fares; rising before its first result."""
        return self.checks.get(key) or CheckStatus(check=check, since=self.started)

    def hearing(self) -> Mapping[str, Collection[Prefix]]:
        """What each Established session has been told, by peer name, in the order of the configuration."""
        return {
            name: self.told.get(name, ())
            for name in self.config.neighbors
            if self.peer(name).state is State.ESTABLISHED
        }

    def account(self, service: ServiceConfig) -> Account | None:
        """How a service is shared; None: it is not, or nothing has been decided yet."""
        coordination, insight = self.config.coordination, self.insights.get(service.service.name)
        if coordination is None or insight is None:
            return None
        return account(service.service, service.pod(coordination.pod_id), insight, self.now)

    def verdicts(self, service: ServiceConfig) -> Iterator[tuple[Vip, Verdict | None]]:
        """Each VIP of a service with what was decided; None: nothing yet."""
        announcements = self.announcements.get(service.service.name)
        verdicts = announcements.verdicts if announcements is not None else {}
        for vip in service.service.vips:
            yield vip, verdicts.get(vip)

    def aside(self, service: ServiceConfig) -> Collection[Vip]:
        """The VIPs of a service that are announced aside, whatever was decided."""
        announcements = self.announcements.get(service.service.name)
        return announcements.aside.keys() if announcements is not None else ()


def unready(observed: Observed) -> Steps[tuple[str, ...]]:
    """Say why traffic should not be counted on yet, a sentence a cause; empty: ready.

    Ready is: running, and every VIP of every service announced and told to at least one Established peer.
    Where pods coordinate, a VIP that others announce will do: see `_excused`.
    """
    if observed.phase not in (Phase.RUNNING, Phase.DRAINING):
        return ("this pod is leaving",)
    hearing = observed.hearing()
    causes: list[str] = []
    for service in observed.config.services:
        vips_by_cause: dict[str, list[Vip]] = {}
        for some in batched(observed.verdicts(service)):
            for vip, verdict in some:
                told = any(observed.prefixes.get(vip) in prefixes for prefixes in hearing.values())
                cause = _unready(observed, service, vip, verdict, told=told)
                if cause is not None:
                    vips_by_cause.setdefault(cause, []).append(vip)
            yield
        for cause, vips in vips_by_cause.items():
            causes.append(f"{service.service.name}: {_some(vips)} {cause}")
    return tuple(causes)


def _unready(
    observed: Observed, service: ServiceConfig, vip: Vip, verdict: Verdict | None, *, told: bool
) -> str | None:
    """Say why one VIP keeps the pod from being ready; None: it does not."""
    if verdict is None:
        return "not yet decided upon"
    if verdict.rank is None and not _excused(observed, service, verdict):
        return f"not announced: {verdict.reason}"
    if verdict.rank is not None and not told:
        return "announced, but " + ("not yet told" if observed.hearing() else "no session is Established")
    insight = observed.insights.get(service.service.name)
    if insight is None or not trusted(insight) or verdict.word is Word.MAINTENANCE:
        return None
    return unsettled(service.service, insight, vip, observed.now)


def _excused(observed: Observed, service: ServiceConfig, verdict: Verdict) -> bool:
    """Whether a VIP need not be announced here for the pod to be ready.

    By this pod's own fault, never. While ZooKeeper is lost, whatever is as it should be then. In maintenance
    of the whole service, and where others announce it: yes, and whether this one could is asked next.
    """
    name = service.service.name
    insight = observed.insights.get(name)
    if insight is None or verdict.word in (Word.UNHEALTHY, Word.NOT_HELD, Word.LEFT, Word.DAMPED):
        return False
    if verdict.word is Word.MAINTENANCE:
        return name not in observed.maintenance
    if verdict.word is Word.WAITING:
        return lost(insight) or (
            not trusted(insight) and not awaits_grace(service.service, insight, observed.now)
        )
    return True


def snapshot(observed: Observed) -> Steps[bytes]:
    """Render everything as the JSON of `/status`. Durations are seconds up to now."""
    config = observed.config
    why = yield from unready(observed)
    services = []
    for service in config.services:
        told = yield from _service(observed, service)
        services.append(told)
    everything = {
        "schema": SCHEMA,
        "version": observed.version,
        "pod": observed.pod,
        "pid": observed.pid,
        "phase": observed.phase.value,
        "uptime": _ago(observed, observed.started),
        "time": when(observed.wall),
        "ready": not why,
        "unready": list(why),
        "config": {
            "path": str(config.path),
            "loaded": when(observed.loaded),
            "reload": {
                "ok": observed.reading.ok,
                "at": when(observed.reading.at),
                "error": observed.reading.error,
            },
            "warnings": list(config.warnings),
        },
        "speaker": {
            "local_as": config.speaker.local_as,
            "router_id": str(config.speaker.router_id),
            "listen": [_host_port(host, port) for host, port in config.speaker.listen],
        },
        "loop": {"lag": round(observed.lag, 6), "lag_max": round(observed.lag_max, 6)},
        "log": {"lines_dropped": observed.log_lines_dropped},
        "maintenance": dict(observed.maintenance),
        "coordination": _coordination(observed, config.coordination),
        "neighbors": [_neighbor(observed, observed.peer(name)) for name in config.neighbors],
    }
    return b'%b, "services": [%b]}' % (dumps(everything).encode()[:-1], b", ".join(services))


def when(epoch: Epoch) -> str:
    """Write a wall-clock time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def target(check: Check) -> tuple[str, str]:
    """Name the type of a check and what it looks at."""
    match check.probe:
        case HttpProbe(url=url):
            return "http", url
        case TcpProbe(host=host, port=port):
            return "tcp", _host_port(host, port)
        case ExecProbe(command=("/bin/sh", "-c", line)):
            return "exec", line
        case ExecProbe(command=command):
            return "exec", join(command)
        case FileProbe(path=path):
            return "file", path
        case NerveProbe(path=path, host=host):
            return "nerve", f"{path} of {host}"
        case never:
            assert_never(never)


def health(statuses: Collection[CheckStatus]) -> Health:
    """Say how a service is by its own checks: as its worst one; up without any."""
    worst = (Health.DISABLED, Health.DOWN, Health.RISING, Health.FALLING)
    present = {status.health for status in statuses if status.check.vip is None}
    return next((word for word in worst if word in present), Health.UP)


def _coordination(observed: Observed, config: CoordinationConfig | None) -> Json | None:
    if config is None:
        return None
    asked = config.ensemble.session_timeout
    link = observed.link
    return {
        "pod_id": config.pod_id,
        "zone": config.zone,
        "weight": config.weight,
        "root": config.root,
        "servers": [str(server) for server in config.ensemble.servers],
        "connection": link and sharing.connection(link, asked, observed.expirations, observed.now),
        "takeovers": [
            {"service": service, "verdict": word, "count": count}
            for (service, word), count in sorted(observed.takeovers.items())
        ],
    }


def _neighbor(observed: Observed, peer: PeerStatus) -> Json:
    config, negotiated = peer.config, peer.negotiated
    established = peer.state is State.ESTABLISHED and peer.established_at is not None
    return {
        "name": config.name,
        "address": config.address,
        "port": config.port,
        "description": config.description,
        "peer_as": negotiated.peer_as if negotiated is not None else config.peer_as,
        "peer_router_id": str(negotiated.peer_router_id) if negotiated is not None else None,
        "local_as": config.local_as,
        "local_address": peer.local_address or config.local_address,
        "passive": config.passive,
        "admin_up": True,  # a configured neighbour is wanted: no verb takes one down
        "state": peer.state.value,
        "state_for": _ago(observed, peer.since),
        "uptime": _ago(observed, peer.established_at) if established else None,
        "established": peer.established,
        "dropped": peer.dropped,
        "negotiated": _agreed(negotiated) if negotiated is not None else None,
        "capabilities": {"offered": list(peer.offered), "received": list(peer.received)},
        "messages": {
            direction: {kind: peer.messages.get((direction, kind), 0) for kind in MESSAGES}
            for direction in DIRECTIONS
        },
        "notifications": [
            {
                "direction": direction,
                "code": code,
                "subcode": subcode,
                "name": describe_error(code, subcode),
                "count": count,
            }
            for (direction, code, subcode), count in sorted(peer.notifications.items())
        ],
        "received_updates": {
            "prefixes": peer.prefixes_received,
            "treat_as_withdraw": peer.treat_as_withdraw,
            "attribute_discard": peer.attribute_discard,
            "ineligible": peer.ineligible,
        },
        "prefixes": {
            str(family): {
                "desired": peer.desired.get(family, 0),
                "advertised": peer.advertised.get(family, 0),
            }
            for family in config.families
        },
        "bfd": _bfd(observed, observed.watch(config.name)),
        "untold": {str(family): why for family, why in peer.untold.items()},
        "last_error": _error(observed, peer.last_error, peer.last_error_at),
        "back_off": peer.back_off,
        "retry_in": None if peer.retry_at is None else round(max(0.0, peer.retry_at - observed.now), 3),
    }


def _bfd(observed: Observed, watched: BfdStatus | None) -> Json | None:
    if watched is None:
        return None
    return {
        "state": str(watched.state),
        "state_for": _ago(observed, watched.since),
        "diagnostic": meaning(watched.diagnostic),
        "remote_state": str(watched.remote_state),
        "remote_diagnostic": meaning(watched.remote_diagnostic),
        "discriminator": watched.discriminator,
        "remote_discriminator": watched.remote_discriminator,
        "interval": watched.peer.pace.interval,
        "multiplier": watched.peer.pace.multiplier,
        "transmit_interval": watched.transmit_interval,
        "detection_time": _rounded(watched.detection_time),
        "ups": watched.ups,
        "downs": watched.downs,
        "packets": {"sent": watched.sent, "received": watched.received},
        "dropped": dict(watched.dropped),
    }


def _agreed(negotiated: Negotiated) -> Json:
    return {
        "hold_time": negotiated.hold_time,
        "keepalive": negotiated.keepalive,
        "families": [str(family) for family in negotiated.families],
        "four_octet_as": negotiated.four_octet_as,
        "route_refresh": negotiated.route_refresh,
        "enhanced_refresh": negotiated.enhanced_refresh,
        "extended_next_hop": negotiated.extended_next_hop,
        "extended_message": negotiated.extended_message,
        "graceful_restart": negotiated.graceful_restart,
        "ebgp": negotiated.ebgp,
    }


def _error(observed: Observed, error: Down | None, at: Seconds | None) -> Json | None:
    if error is None:
        return None
    return {
        "ago": _ago(observed, at),
        "cause": error.cause.value,
        "code": error.code,
        "subcode": error.subcode,
        "text": error.text,
    }


def _service(observed: Observed, service: ServiceConfig) -> Steps[bytes]:
    checks = [observed.check(key, check) for key, check in service.checks.items()]
    hearing = tuple(observed.hearing().items())
    held = observed.held
    shared = observed.account(service)
    aside = observed.aside(service)
    vips = []
    for some in batched(observed.verdicts(service)):
        told_of = [
            dumps(
                {
                    "vip": vip,
                    "verdict": verdict.word.value if verdict is not None else None,
                    "rank": 0 if vip in aside else verdict.rank if verdict is not None else None,
                    "aside": vip in aside,
                    "reason": verdict.reason if verdict is not None else "not yet decided upon",
                    "for": _ago(observed, verdict.since) if verdict is not None else None,
                    "announced": vip in aside or (verdict is not None and verdict.rank is not None),
                    "announced_to": [name for name, told in hearing if observed.prefixes.get(vip) in told],
                    "neighbors": _audience(service, vip),
                    "held": None if held is None else vip in held,
                    "sharing": shared and sharing.vip(shared.vips[vip]),
                }
            )
            for vip, verdict in some
        ]
        vips.append(", ".join(told_of).encode())
        yield
    before = {"name": service.service.name, "health": health(checks).value}
    after = {
        "coordination": shared and sharing.service(shared),
        "definition": _definition(observed.definitions.get(service.service.name)),
        "checks": [_check(observed, status) for status in checks],
    }
    head, tail = dumps(before).encode()[:-1], dumps(after).encode()[1:]
    return b'%b, "vips": [%b], %b' % (head, b", ".join(vips), tail)


def _definition(defined: Defined | None) -> Json | None:
    """How a service came by its VIPs; None: by the file, as it may."""
    if defined is None:
        return None
    return {"source": defined.source, "refused": defined.refused, "deleted": defined.deleted}


def _audience(service: ServiceConfig, vip: Vip) -> list[str] | None:
    """Name those who are to hear it; None: all."""
    names = service.routes[vip].neighbors
    return None if names is None else sorted(names)


def _check(observed: Observed, status: CheckStatus) -> Json:
    check = status.check
    kind, aim = target(check)
    return {
        "name": check.name,
        "type": kind,
        "target": aim,
        "vip": check.vip,
        "health": status.health.value,
        "streak": status.streak,
        "for": _ago(observed, status.since),
        "interval": check.interval,
        "rise": check.rise,
        "fall": check.fall,
        "last": _result(observed, status.last, status.last_at),
        "runs": {result: status.runs.get(result, 0) for result in RESULTS},
    }


def _result(observed: Observed, result: Result | None, at: Seconds | None) -> Json | None:
    if result is None:
        return None
    return {
        "good": result.good,
        "message": result.message,
        "output": result.output,
        "duration": round(result.duration, 6),
        "ago": _ago(observed, at),
    }


def _ago(observed: Observed, then: Seconds | None) -> Seconds | None:
    return None if then is None else round(observed.now - then, 3)


def _rounded(seconds: Seconds | None) -> Seconds | None:
    return None if seconds is None else round(seconds, 6)


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _some(vips: list[Vip]) -> str:
    """Name a few of many."""
    if len(vips) == 1:
        return f"{vips[0]} is"
    named = ", ".join(vips[:3])
    more = "" if len(vips) <= 3 else f" and {len(vips) - 3} more"
    return f"{named}{more} are"
