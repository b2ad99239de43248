"""From probe results to health: rise, fall, and when to look again. Values and rules, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

Seconds = float


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """GET a URL; good when the status is expected and the body matches."""

    url: str  # http:// or https://
    status: tuple[tuple[int, int], ...] = ((200, 299),)  # accepted ranges, both ends included
    body: str | None = None  # a regular expression searched in the first 64 KiB
    headers: tuple[tuple[str, str], ...] = ()
    host: str | None = None  # the Host header, where it is not the URL's
    tls_name: str | None = None  # name to send and to verify, where it is not the URL's
    tls_ca: str | None = None  # file of CA certificates; None: the system's
    tls_verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe:
    """Open a TCP connection; good when it is accepted."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecProbe:
    """Run a command; good when it exits with status 0."""

    command: tuple[str, ...]  # argv; a command line given as a string becomes ("/bin/sh", "-c", line)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProbe:
    """An operator's switch: while the file exists the VIPs are disabled."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NerveProbe:
    """Look for what go-nerve reports of a host in ZooKeeper; good while it says available."""

    path: str  # of the znode that the reports are below
    host: str


Probe = HttpProbe | TcpProbe | ExecProbe | FileProbe | NerveProbe


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of one service, or of one VIP of it."""

    name: str  # unique in its service
    service: str
    vip: str | None = None  # None: it speaks for every VIP of the service
    probe: Probe
    interval: Seconds = 1.0
    fast_interval: Seconds = 0.1  # while health is changing
    timeout: Seconds = 1.0
    rise: int = 3
    fall: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A command run when the health of a service changes."""

    service: str
    command: tuple[str, ...]
    timeout: Seconds = 10.0


class Health(StrEnum):
    """As ExaBGP's health check names them."""

    RISING = "rising"  # not announced; on the way up, or not known yet
    UP = "up"
    FALLING = "falling"  # still announced; on the way down
    DOWN = "down"
    DISABLED = "disabled"  # by an operator's file


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one probe came to."""

    good: bool
    message: str  # "200 OK", "connection refused", "exit status 1", "timed out after 1 s"
    output: str = ""  # tail of what a command printed, at most 4 KiB
    duration: Seconds = 0.0
    timed_out: bool = False
    disabled: bool = False  # the operator's file is there


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStatus:
    """A snapshot of one check. Times are loop seconds; counters are since the daemon's start."""

    check: Check
    health: Health = Health.RISING
    streak: int = 0  # results in a row that agree with the last one
    since: Seconds = 0.0  # of the present health
    last: Result | None = None
    last_at: Seconds | None = None
    runs: Mapping[str, int] = field(default_factory=dict)  # "good", "bad", "timeout"

    @property
    def passing(self) -> bool:
        """Whether the VIPs it speaks for may stand."""
        return self.health in (Health.UP, Health.FALLING)


def observe(status: CheckStatus, result: Result, now: Seconds) -> CheckStatus:
    """The status after one more result."""
    agrees = status.last is not None and status.last.good == result.good
    streak = status.streak + 1 if agrees else 1
    health = _health(status, result, streak)
    outcome = "good" if result.good else "timeout" if result.timed_out else "bad"
    return replace(
        status,
        health=health,
        streak=streak,
        since=status.since if health is status.health else now,
        last=result,
        last_at=now,
        runs={**status.runs, outcome: status.runs.get(outcome, 0) + 1},
    )


def _health(status: CheckStatus, result: Result, streak: int) -> Health:
    check = status.check
    if result.disabled:
        return Health.DISABLED
    if result.good:
        # An operator who takes the file away has decided: there is nothing to wait for.
        rise = 1 if isinstance(check.probe, FileProbe) else check.rise
        return Health.UP if status.passing or streak >= rise else Health.RISING
    if status.health is Health.DOWN or streak >= check.fall:
        return Health.DOWN
    return Health.FALLING if status.passing else Health.RISING


def next_delay(status: CheckStatus) -> Seconds:
    """From the start of the last probe to the start of the next."""
    check = status.check
    if isinstance(check.probe, FileProbe) or status.health in (Health.RISING, Health.FALLING):
        return check.fast_interval
    return check.interval
