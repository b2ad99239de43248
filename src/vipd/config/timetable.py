"""What a configuration's times come to: every timer, what a VIP waits for at worst, and how a fleet starts.

As comments, for the end of what `vipd check` prints. Nothing is measured: it is arithmetic on the file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from vipd.config.neighbors import is_ebgp
from vipd.config.sections import Config, CoordinationConfig, ServiceConfig
from vipd.coord.member import ColdStart, CoordinationLoss, Service, Standby
from vipd.health import Check, FileProbe

Seconds = float

TICK: Final[Seconds] = 2.0  # ZooKeeper's default tickTime: it expires sessions at whole ticks,
LEAST, MOST = 2 * TICK, 20 * TICK  # and grants timeouts from 2 to 20 of them
LEASE: Final = 0.75  # of T: for so long after an answer a view is believed
WORD: Final[Seconds] = 0.3  # for a word to go round: twice 50 ms, in which news are gathered, and an UPDATE
WIDTH: Final = 105

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A session timeout that servers may grant, and how coarsely they watch it."""

    timeout: Seconds
    tick: Seconds

    @property
    def expiry(self) -> Seconds:
        """From a pod's last word to the end of its session, at worst."""
        return self.timeout + self.tick


def timetable(config: Config) -> str:
    """Return the comments; nothing where pods do not coordinate."""
    if config.coordination is None:
        return ""
    lines = "\n".join(_lines(config, config.coordination)).split("\n")
    return "\n" + "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _lines(config: Config, coordination: CoordinationConfig) -> Iterator[str]:
    asked, stock = _granted(coordination.ensemble.session_timeout)
    yield "Timers, in seconds. T is the session timeout, on which ZooKeeper's servers have the last word."
    yield 'Where a figure hangs on T, it is told twice: "as asked / by stock servers", which with their'
    yield f"tickTime of {TICK * 1000:g} grant {stock.timeout:g} where {asked.timeout:g} is asked for."
    yield ""
    yield from _table(("timer", "value", "default", "why"), list(_timers(config, asked, stock)))
    for service in config.services:
        yield ""
        yield f"Service {service.service.name}: what a VIP waits for at worst, in seconds"
        yield from _table(("event", "waits for", "because"), list(_waits(config, service)))
    yield ""
    yield from _leaving(config)
    yield ""
    yield "When power returns ten minutes before ZooKeeper's, every pod starts alone:"
    for service in config.services:
        yield from wrap(
            f"- {service.service.name}: {_cold(config, coordination, service)}", WIDTH, subsequent_indent="  "
        )


def _granted(asked: Seconds) -> tuple[Granted, Granted]:
    """As asked, by servers whose tick is as long as it may then be; and as stock servers have it."""
    return Granted(timeout=asked, tick=asked / 2), Granted(timeout=min(max(asked, LEAST), MOST), tick=TICK)


def _timers(config: Config, asked: Granted, stock: Granted) -> Iterator[Row]:
    coordination = config.coordination
    assert coordination is not None  # noqa: S101 - nobody asks otherwise
    services = [service.service for service in config.services]
    yield "session-timeout T", _both(asked.timeout, stock.timeout), "3", "when servers give up a silent pod"
    yield (
        "lease",
        _both(LEASE * asked.timeout, LEASE * stock.timeout),
        "T x 0.75",
        "trust in a view ends before the servers expire us",
    )
    yield (
        "settle",
        _each(services, [s.times.settle for s in services]),
        "1",
        "routers up the path: a fabric's MRAI, if it has one, and more",
    )
    yield (
        "claim-timeout",
        _each(services, [s.times.claim_timeout for s in services]),
        "2",
        "an assigned pod that is silent is passed over",
    )
    yield (
        "handback-delay",
        _each(services, [s.times.handback_delay for s in services]),
        "5",
        "what has failed is not taken back at once; doubles",
    )
    yield (
        "handback-max",
        _each(services, [s.times.handback_max for s in services]),
        "300",
        "what that grows to, and when one failure is forgotten",
    )
    yield "grace", f"{coordination.grace:g}", "10", "from start, before a pod does without ZooKeeper"
    yield "drain timeout", f"{config.drain.timeout:g}", "30", "for others to take over from a pod that leaves"
    yield "drain min", f"{config.drain.min:g}", "0", "which that takes at least"
    yield "linger", f"{config.drain.linger:g}", "5", "after the last withdrawal, for connections under way"
    yield "re-read of all", "60 +- 25 %", "60", "changed children are read at once, coalesced over 0.05"


def _waits(config: Config, service: ServiceConfig) -> Iterator[Row]:
    assert config.coordination is not None  # noqa: S101 - nobody asks otherwise
    asked, stock = _granted(config.coordination.ensemble.session_timeout)
    policy = service.service
    covered = _covered(policy)
    seen = _seen(service)
    if seen is None:
        yield "its check fails", "for ever", "it has none"
    else:
        yield "its check fails", _gap(seen, covered), f"{seen:g} until it counts as down; {WORD:g} to tell"
    expiry = _both(asked.expiry + WORD, stock.expiry + WORD)
    yield "its pod is killed", covered or expiry, "the kernel closes its sessions; then T and a tick"
    holds = [config.neighbors[name].hold_time for name in _audience(config, service)]
    hold = float("inf") if 0 in holds else max(holds, default=0)
    dark = (hold, hold) if covered else (max(hold, asked.expiry + WORD), max(hold, stock.expiry + WORD))
    yield "its host goes dark", _both(*dark), f"routers keep its routes for the hold time, {hold:g}"
    late = policy.times.claim_timeout
    yield (
        "... and the next in line is silent",
        covered or _both(asked.expiry + late + WORD, stock.expiry + late + WORD),
        f"claim-timeout, {late:g}, for each that is",
    )
    settle = policy.times.settle
    yield "its pod drains, or takes it back", "0", f"claimed elsewhere for {settle:g}, then a while aside"
    kept = {
        CoordinationLoss.HOLD: ("0", "coordination-loss: what a pod has, it keeps"),
        CoordinationLoss.OWN: ("the outage", "coordination-loss: but for what is pinned, which is kept"),
        CoordinationLoss.WITHDRAW: ("the outage", "coordination-loss: every pod withdraws everything"),
    }[policy.coordination_loss]
    yield "ZooKeeper is lost", *kept
    yield "... and then its pod is killed", covered or "the outage", "nobody is told"


def _covered(service: Service) -> str:
    """Why nobody waits when one pod goes: others announce it already."""
    if service.standby is Standby.HOT:
        return "0: a standby has it"
    return f"0: {service.copies - 1} more have it" if service.copies > 1 else ""


def _gap(seconds: Seconds, covered: str) -> str:
    """The time from a failure to the withdrawal is there, whoever else announces it."""
    return f"{seconds:g}" if covered else f"{seconds + WORD:g}"


def _seen(service: ServiceConfig) -> Seconds | None:
    """From the failure of what is checked to the withdrawal, with probes that hang until their timeout."""
    probes = [each for each in service.checks.values() if not isinstance(each.probe, FileProbe)]
    return max(map(_detection, probes), default=None)


def _detection(check: Check) -> Seconds:
    again = max(check.fast_interval, check.timeout)
    return check.interval + (check.fall - 1) * again + check.timeout


def _leaving(config: Config) -> Iterator[str]:
    timeout, linger = config.drain.timeout, config.drain.linger
    needed = timeout + linger
    yield f"A pod that is told to leave needs {needed:g} s: drain timeout {timeout:g} and linger {linger:g}."
    longer = f"{needed + 10:g}"
    yield f"Its grace period (terminationGracePeriodSeconds, TimeoutStopSec) has to be longer: {longer}."


def _cold(config: Config, coordination: CoordinationConfig, service: ServiceConfig) -> str:
    """What is on the air of one service before ZooKeeper has been met (rule 8)."""
    policy = service.service
    pinned, count = len(policy.pins), len(policy.vips)
    begin = f"{coordination.grace:g} s after start, once its checks pass"
    held = f"{pinned} of {count} VIPs, each from the pod that it is pinned to, at rank 0"
    match policy.cold_start:
        case ColdStart.NONE:
            return f"nothing is on the air for ten minutes (cold-start), VIPs: {count}"
        case ColdStart.PINNED if not pinned:
            return f"nothing is on the air for ten minutes (cold-start), as none is pinned, VIPs: {count}"
        case ColdStart.PINNED:
            return f"{begin}: {held}; the others are dark for ten minutes (cold-start)"
    rank = policy.last_rank
    steps = {
        config.policies[name].prepend_step * rank
        for name in _audience(config, service)
        if is_ebgp(config.neighbors[name])
    }
    longer = f" ({'/'.join(map(str, sorted(steps)))} AS numbers longer)" if steps - {0} else ""
    rest = f"every VIP from every healthy pod at the last rank, {rank}{longer}"
    if not pinned:
        return f"{begin}: {rest}; routers share the traffic among all of them"
    return f"{begin}: {held}; and {rest}"


def _audience(config: Config, service: ServiceConfig) -> Sequence[str]:
    """Name the neighbours that hear of a service."""
    named = service.routes[service.service.vips[0]].neighbors
    return [name for name in config.neighbors if named is None or name in named]


def _both(asked: Seconds, stock: Seconds) -> str:
    return f"{asked:.3g}" if asked == stock else f"{asked:.3g} / {stock:.3g}"


def _each(services: Sequence[Service], values: Sequence[Seconds]) -> str:
    """Spell a value that services may have each of their own."""
    if len(set(values)) <= 1:
        return f"{values[0]:g}" if values else "-"
    return ", ".join(f"{service.name} {value:g}" for service, value in zip(services, values, strict=True))


def _table(heads: Row, rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
