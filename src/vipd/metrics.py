"""The page that Prometheus reads: every metric of vipd, its name, labels and meaning, in this one file.

Nothing is counted here. Whoever owns a fact keeps a plain number; here it is named, when asked for.
`docs/metrics.md` is this file for people.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from vipd.bfd.packet import Reason
from vipd.bfd.packet import State as Bfd
from vipd.bgp.peer import PeerStatus, State
from vipd.config.sections import ServiceConfig
from vipd.coord.account import lost, verified
from vipd.coord.member import Verdict, Vip, Word
from vipd.status import DIRECTIONS, MESSAGES, RESULTS, Observed
from vipd.steps import Steps, batched

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Rows = Iterable[tuple[Sequence[str], float]]  # label values, value

# The verdicts on which a pod begins to announce at rank 0.
TAKEOVERS = (
    Word.ASSIGNED,
    Word.SUBSTITUTE,
    Word.STEPPED_IN,
    Word.WITNESSED,
    Word.LAST_RESORT,
    Word.HELD,
    Word.COLD,
)

# What alerts are written on exists before it first happens, or increase() would not see the first one.
# Anything else comes into being with its first occurrence.
EXPECTED_NOTIFICATIONS = ((4, 0), (6, 2))  # Hold Timer Expired; Cease / Administrative Shutdown


def of_the_process() -> CollectorRegistry:
    """Return the collectors of what any Python process shows: process_*, python_*."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def page(observed: Observed, process: CollectorRegistry) -> Steps[bytes]:
    """Render the text exposition format, version 0.0.4."""
    pieces = [generate_latest(process) + generate_latest(Families(observed))]
    for some in batched(_of_vips(observed)):
        pieces.append("".join(some).encode())
        yield
    return b"".join(pieces)


class Families(Collector):
    """Every metric but those with a series per VIP."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        yield from _of_the_daemon(self._observed)
        yield from _of_peers(self._observed)
        yield from _of_bfd(self._observed)
        yield from _of_checks(self._observed)
        yield from _of_coordination(self._observed)


def _of_the_daemon(observed: Observed) -> Iterator[Metric]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield _gauge(
        "vipd_build_info",
        "Version of vipd and of the Python it runs on; always 1.",
        ("version", "python"),
        [((observed.version, python), 1)],
    )
    yield _gauge(
        "vipd_config_last_reload_successful",
        "Whether the last reading of the configuration went well: 1, or 0 while an older one stays in force.",
        (),
        [((), observed.reading.ok)],
    )
    yield _gauge(
        "vipd_config_last_reload_timestamp_seconds",
        "When the configuration in force was read, in Unix time.",
        (),
        [((), observed.loaded)],
    )
    yield _gauge(
        "vipd_event_loop_lag_seconds",
        "How late the event loop last woke from a sleep of one second.",
        (),
        [((), observed.lag)],
    )
    yield _gauge(
        "vipd_event_loop_lag_max_seconds",
        "The same, at its worst since the start.",
        (),
        [((), observed.lag_max)],
    )
    yield _counter(
        "vipd_log_lines_dropped_total",
        "Log lines lost because nobody read them fast enough.",
        (),
        [((), observed.log_lines_dropped)],
    )


def _of_coordination(observed: Observed) -> Iterator[Metric]:
    yield _gauge(
        "vipd_maintenance",
        "Whether a service is off the air by an operator's word: everywhere (service), or here alone (pod).",
        ("service", "scope"),
        [
            ((service.service.name, scope), standing)
            for service in observed.config.services
            for scope, standing in (
                ("service", _rests(observed, service)),
                ("pod", service.service.name in observed.maintenance),
            )
        ],
    )
    if observed.config.coordination is None:
        return
    insights = [
        (service.service.name, insight)
        for service in observed.config.services
        if (insight := observed.insights.get(service.service.name)) is not None
    ]
    link = observed.link
    yield _gauge(
        "vipd_zk_connected",
        "Whether ZooKeeper is connected and our session is beyond doubt.",
        (),
        [((), link is not None and link.alive(observed.now))],
    )
    yield _gauge(
        "vipd_zk_session_timeout_seconds",
        "The session timeout as negotiated; 0 before the first connection.",
        (),
        [((), link.timeout if link is not None and link.generation else 0.0)],
    )
    yield _counter(
        "vipd_zk_session_expirations_total",
        "Sessions that ZooKeeper has given up, and our records with them.",
        (),
        [((), observed.expirations)],
    )
    yield _gauge(
        "vipd_zk_view_age_seconds",
        "Since the newest complete view of the members was read; absent before the first.",
        ("service",),
        [((name,), observed.now - each.view.read_at) for name, each in insights if each.view is not None],
    )
    yield _gauge(
        "vipd_definition_refused",
        "Whether what ZooKeeper defines a service to be is not what this pod has: refused, or deleted.",
        ("service",),
        [
            ((name,), told.refused is not None or told.deleted)
            for name, told in sorted(observed.definitions.items())
        ],
    )
    yield _gauge(
        "vipd_fail_static",
        "Whether ZooKeeper is lost, and the pod keeps what it had.",
        ("service",),
        [((name,), lost(each)) for name, each in insights],
    )
    yield _gauge(
        "vipd_witness_blind",
        "VIPs of a witnessed service that this pod's neighbours could show and never have.",
        ("service",),
        [((name,), each.memory.blind) for name, each in insights if name in _witnessed(observed)],
    )
    yield _counter(
        "vipd_takeovers_total",
        "VIPs that this pod has begun to announce at rank 0, by the verdict it did so on.",
        ("service", "reason"),
        [
            ((name, word.value), observed.takeovers.get((name, word.value), 0))
            for name, _ in insights
            for word in TAKEOVERS
        ],
    )


def _witnessed(observed: Observed) -> frozenset[str]:
    return frozenset(each.service.name for each in observed.config.services if each.service.witness)


def _rests(observed: Observed, service: ServiceConfig) -> bool:
    insight = observed.insights.get(service.service.name)
    return insight is not None and insight.memory.trust.maintenance.order is not None


def _of_peers(observed: Observed) -> Iterator[Metric]:
    peers = [observed.peer(name) for name in observed.config.neighbors]
    up = [(peer, peer.state is State.ESTABLISHED) for peer in peers]
    yield _gauge(
        "vipd_bgp_session_up",
        "Whether the session is Established.",
        ("peer",),
        [((peer.config.address,), established) for peer, established in up],
    )
    yield _gauge(
        "vipd_bgp_session_state",
        "State of the session (RFC 4271 section 8.2.2): 1 for the present one, 0 for the others.",
        ("peer", "state"),
        [((peer.config.address, state.value), peer.state is state) for peer in peers for state in State],
    )
    yield _gauge(
        "vipd_bgp_session_admin_up",
        "Whether the session is wanted: 0 tells one taken down on purpose from one that fails.",
        ("peer",),
        [((peer.config.address,), 1) for peer in peers],
    )
    yield _gauge(
        "vipd_bgp_peer_info",
        "Who the neighbour is; always 1. router_id is empty until its OPEN has been seen.",
        ("peer", "peer_as", "local_as", "router_id", "name"),
        [(_identity(peer), 1) for peer in peers],
    )
    yield _counter(
        "vipd_bgp_session_transitions_total",
        "Times the session became Established (up) and left it (down).",
        ("peer", "to"),
        [
            ((peer.config.address, to), count)
            for peer in peers
            for to, count in (("up", peer.established), ("down", peer.dropped))
        ],
    )
    yield _gauge(
        "vipd_bgp_session_back_off_seconds",
        "How long is waited after the last failure, doubling with each; 0 once a session has lasted.",
        ("peer",),
        [((peer.config.address,), peer.back_off) for peer in peers],
    )
    yield _gauge(
        "vipd_bgp_session_established_timestamp_seconds",
        "Since when the session is Established, in Unix time; 0 while it is not.",
        ("peer",),
        [((peer.config.address,), _established_at(observed, peer)) for peer in peers],
    )
    yield _counter(
        "vipd_bgp_messages_total",
        "BGP messages.",
        ("peer", "direction", "type"),
        [
            ((peer.config.address, direction, kind), peer.messages.get((direction, kind), 0))
            for peer in peers
            for direction in DIRECTIONS
            for kind in MESSAGES
        ],
    )
    yield _counter(
        "vipd_bgp_notifications_total",
        "NOTIFICATIONs by their code and subcode (RFC 4271 section 4.5).",
        ("peer", "direction", "code", "subcode"),
        [
            ((peer.config.address, direction, str(code), str(subcode)), count)
            for peer in peers
            for (direction, code, subcode), count in _notifications(peer)
        ],
    )
    yield _gauge(
        "vipd_bgp_prefixes_desired",
        "Prefixes this neighbour should hear.",
        ("peer", "afi", "safi"),
        [
            ((peer.config.address, str(family), "unicast"), peer.desired.get(family, 0))
            for peer in peers
            for family in peer.config.families
        ],
    )
    yield _gauge(
        "vipd_bgp_prefixes_advertised",
        "Prefixes this neighbour has been told.",
        ("peer", "afi", "safi"),
        [
            ((peer.config.address, str(family), "unicast"), peer.advertised.get(family, 0))
            for peer in peers
            for family in peer.config.families
        ],
    )
    yield _counter(
        "vipd_bgp_prefixes_received_total",
        "Prefixes announced by this neighbour; counted and dropped.",
        ("peer",),
        [((peer.config.address,), peer.prefixes_received) for peer in peers],
    )
    yield _counter(
        "vipd_bgp_update_errors_total",
        "UPDATEs received with an error that the session survives (RFC 7606), by what was done about it.",
        ("peer", "outcome"),
        [
            ((peer.config.address, outcome), count)
            for peer in peers
            for outcome, count in (
                ("treat_as_withdraw", peer.treat_as_withdraw),
                ("attribute_discard", peer.attribute_discard),
                ("ineligible", peer.ineligible),
            )
        ],
    )


def _of_bfd(observed: Observed) -> Iterator[Metric]:
    """Of the neighbours that are watched; nothing where none is."""
    watched = [each for name in observed.config.neighbors if (each := observed.watch(name)) is not None]
    if not watched:
        return
    yield _gauge(
        "vipd_bfd_session_up",
        "Whether the BFD session is Up.",
        ("peer",),
        [((each.peer.address,), each.state is Bfd.UP) for each in watched],
    )
    yield _gauge(
        "vipd_bfd_session_state",
        "State of the BFD session (RFC 5880 section 6.2): 1 for the present one, 0 for the others.",
        ("peer", "state"),
        [((each.peer.address, str(state)), each.state is state) for each in watched for state in Bfd],
    )
    yield _counter(
        "vipd_bfd_session_transitions_total",
        "Times the BFD session came Up (up) and left it (down).",
        ("peer", "to"),
        [
            ((each.peer.address, to), count)
            for each in watched
            for to, count in (("up", each.ups), ("down", each.downs))
        ],
    )
    yield _gauge(
        "vipd_bfd_detection_time_seconds",
        "For how long the neighbour may be silent; absent while it has not been heard.",
        ("peer",),
        [((each.peer.address,), each.detection_time) for each in watched if each.detection_time is not None],
    )
    yield _counter(
        "vipd_bfd_packets_total",
        "BFD packets sent, and received and taken.",
        ("peer", "direction"),
        [
            ((each.peer.address, direction), count)
            for each in watched
            for direction, count in (("sent", each.sent), ("received", each.received))
        ],
    )
    yield _counter(
        "vipd_bfd_packets_dropped_total",
        "BFD packets received and dropped, by reason; peer is empty where nobody known sent them.",
        ("peer", "reason"),
        [
            ((peer, reason.value), dropped.get(reason.value, 0))
            for peer, dropped in (
                *((each.peer.address, each.dropped) for each in watched),
                ("", observed.bfd_strangers),
            )
            for reason in Reason
        ],
    )


def _of_checks(observed: Observed) -> Iterator[Metric]:
    checks = [
        ((check.service, check.name, check.vip or ""), observed.check(key, check))
        for service in observed.config.services
        for key, check in service.checks.items()
    ]
    labels = ("service", "check", "vip")
    yield _gauge(
        "vipd_check_up",
        "Whether the check lets its VIPs stand. vip is empty where it speaks for the whole service.",
        labels,
        [(key, status.passing) for key, status in checks],
    )
    yield _gauge(
        "vipd_check_duration_seconds",
        "How long the last probe took; absent before the first.",
        labels,
        [(key, status.last.duration) for key, status in checks if status.last is not None],
    )
    yield _counter(
        "vipd_check_runs_total",
        "Probes by their result: good, bad, timeout.",
        (*labels, "result"),
        [((*key, result), status.runs.get(result, 0)) for key, status in checks for result in RESULTS],
    )


# --- what has a series per VIP: straight as text. Through the library, ten thousand VIPs would hold the event
# loop for a fifth of a second.


def _of_vips(observed: Observed) -> Iterator[str]:
    yield from _head("vipd_vip_announced", "Whether the VIP is announced, and this neighbour has been told.")
    yield from _announced(observed)
    yield from _head("vipd_vip_verdict", "Why the VIP is, or is not, announced, in one word; always 1.")
    yield from _verdicts(observed)
    if observed.config.coordination is not None:
        yield from _head("vipd_vip_role", "What this pod is to the VIP among those that share it; always 1.")
        yield from _roles(observed)
        yield from _head("vipd_vip_verified", "Whether a sibling sees what is announced here; else absent.")
        yield from _seen(observed)
    if observed.held is not None:
        yield from _head("vipd_vip_address_present", "Whether the VIP's address is on this machine.")
        yield from _present(observed, observed.held)


def _announced(observed: Observed) -> Iterator[str]:
    hearing = observed.hearing()
    peers = [
        (name, hearing.get(name, ()), f'",peer="{_quote(config.address)}"}} ')
        for name, config in observed.config.neighbors.items()
    ]
    for service in observed.config.services:
        head = f'vipd_vip_announced{{service="{_quote(service.service.name)}",vip="'
        aside = observed.aside(service)
        for vip, verdict in observed.verdicts(service):
            stands = vip in aside or (verdict is not None and verdict.rank is not None)
            prefix = observed.prefixes.get(vip)
            audience = service.routes[vip].neighbors
            for name, told, tail in peers:
                if audience is None or name in audience:
                    yield f"{head}{vip}{tail}{'1' if stands and prefix in told else '0'}\n"


def _verdicts(observed: Observed) -> Iterator[str]:
    for service in observed.config.services:
        head = f'vipd_vip_verdict{{service="{_quote(service.service.name)}",vip="'
        for vip, verdict in observed.verdicts(service):
            if verdict is not None:
                yield f'{head}{vip}",verdict="{verdict.word.value}"}} 1\n'


def _roles(observed: Observed) -> Iterator[str]:
    for service in observed.config.services:
        head = f'vipd_vip_role{{service="{_quote(service.service.name)}",vip="'
        aside = observed.aside(service)
        for vip, verdict in observed.verdicts(service):
            if verdict is not None:
                yield f'{head}{vip}",role="{_role(verdict, vip in aside)}"}} 1\n'


def _seen(observed: Observed) -> Iterator[str]:
    for name in sorted(_witnessed(observed) & observed.insights.keys()):
        head = f'vipd_vip_verified{{service="{_quote(name)}",vip="'
        for vip, seen in verified(observed.insights[name], observed.now).items():
            yield f'{head}{vip}"}} {int(seen)}\n'


def _role(verdict: Verdict, aside: bool) -> str:  # noqa: FBT001 - one more fact of the verdict
    if aside and verdict.rank != 0:
        return "keeping"
    if verdict.rank is None:
        return "none"
    if verdict.word in (Word.SUBSTITUTE, Word.STEPPED_IN, Word.WITNESSED):
        return "substitute"
    if verdict.word is Word.KEEPING:
        return "keeping"
    return "assigned" if verdict.rank == 0 else "standby"


def _present(observed: Observed, held: frozenset[Vip]) -> Iterator[str]:
    for service in observed.config.services:
        head = f'vipd_vip_address_present{{service="{_quote(service.service.name)}",vip="'
        for vip in service.service.vips:
            yield f'{head}{vip}"}} {int(vip in held)}\n'


# --- small things of the families above ---------------------------------------------------------------


def _identity(peer: PeerStatus) -> tuple[str, ...]:
    config, negotiated = peer.config, peer.negotiated
    peer_as = negotiated.peer_as if negotiated is not None else config.peer_as
    return (
        config.address,
        "external" if peer_as is None else str(peer_as),
        str(config.local_as),
        str(negotiated.peer_router_id) if negotiated is not None else "",
        config.name,
    )


def _established_at(observed: Observed, peer: PeerStatus) -> float:
    if peer.state is not State.ESTABLISHED or peer.established_at is None:
        return 0.0
    return observed.wall - (observed.now - peer.established_at)


def _notifications(peer: PeerStatus) -> list[tuple[tuple[str, int, int], int]]:
    expected = {(direction, *codes): 0 for direction in DIRECTIONS for codes in EXPECTED_NOTIFICATIONS}
    return sorted((expected | dict(peer.notifications)).items())


def _gauge(name: str, meaning: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _counter(name: str, meaning: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _head(name: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}\n"
    yield f"# TYPE {name} gauge\n"


def _quote(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
