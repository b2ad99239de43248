"""Runs the checks, each at its own pace, and reports what it finds. A check may do what it likes: hang,
fork, flood, vanish, crash; nothing else in vipd notices.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple, Never

import structlog

from vipd import http_probe, subprocesses, words
from vipd.children import follow
from vipd.coord.directory import Directory
from vipd.health import (
    Check,
    CheckStatus,
    ExecProbe,
    FileProbe,
    HttpProbe,
    NerveProbe,
    Result,
    TcpProbe,
    next_delay,
    observe,
)
from vipd.latest import Latest
from vipd.names import Names
from vipd.nerve import Reports

log = structlog.get_logger()

Seconds = float
Checks = Latest[Mapping[str, Check]]  # by a key that tells one check of the pod from every other
Report = Callable[[str, CheckStatus | None], None]  # None: the check is no more
Reach = Callable[[], Directory | None]


class Means(NamedTuple):
    """What probes share: looked-up names, and what go-nerve reports."""

    names: Names
    reports: Reports


async def watch(
    checks: Checks, report: Report, splay: Callable[[], float], directory: Reach = lambda: None
) -> Never:
    """Keep every check running, and report its status after each run.

    A check that is changed starts anew, unless it still asks the same and only at another pace: then what
    is known of its health stands. `splay` gives a random number from 0 to 1; `directory` is what this pod
    has of ZooKeeper.
    """
    reports = Reports(directory)
    names = Names()
    known: dict[str, CheckStatus] = {}

    def note(key: str, status: CheckStatus) -> None:
        known[key] = status
        report(key, status)

    async def child(key: str, check: Check) -> None:
        before = known.get(key)
        if before is not None and before.check.probe == check.probe:
            status = replace(before, check=check)
        else:
            status = CheckStatus(check=check, since=asyncio.get_running_loop().time())
        try:
            await _run(status, Means(names, reports), lambda status: note(key, status), splay)
        finally:
            if key not in checks.value:
                del known[key]
                report(key, None)

    await follow(checks, child)


async def _run(
    status: CheckStatus, means: Means, note: Callable[[CheckStatus], None], splay: Callable[[], float]
) -> Never:
    """Run one check again and again, from start to start of a run as the status says.

    The checks of a pod, and of the pods that a rack brings up together, often ask the same thing. So the
    first run comes at random within one fast interval, which delays no announcement by more than that;
    and the first wait of a whole interval is a random part of it, which spreads the checks over it for good.
    """
    loop = asyncio.get_running_loop()
    check = status.check
    spread = False
    due = loop.time() + splay() * check.fast_interval
    note(status)
    while True:
        await asyncio.sleep(due - loop.time())
        began = loop.time()
        result = await attempt(check, means)
        now = loop.time()
        before, status = status, observe(status, replace(result, duration=now - began), now)
        _tell(before, status)
        note(status)
        delay = next_delay(status)
        if delay > check.fast_interval and not spread:
            spread, delay = True, splay() * delay
        due = max(due + delay, now)  # after a run that took longer than that, at once; none is made up for


def _tell(before: CheckStatus, after: CheckStatus) -> None:
    check, result = after.check, after.last
    assert result is not None  # noqa: S101 - there has been one just now
    bound = log.bind(service=check.service, check=check.name, **({"vip": check.vip} if check.vip else {}))
    if not result.good:
        bound.debug("check_failed", reason=result.message, output=result.output)
    if after.health is not before.health:
        bound.info(
            "health_changed",
            old=before.health.value,
            new=after.health.value,
            reason=result.message,
            after=round(after.since - before.since, 3),
        )


# --- one run ------------------------------------------------------------------------------------------


async def attempt(check: Check, means: Means) -> Result:
    """Run a check once. Whatever goes wrong is a result."""
    try:
        match check.probe:
            case FileProbe() as probe:
                return _look(probe)
            case ExecProbe() as probe:
                return await _execute(probe, check)
            case TcpProbe() as probe:
                async with asyncio.timeout(check.timeout):
                    return await _connect(probe, means.names, check.timeout / 2)
            case HttpProbe() as probe:
                async with asyncio.timeout(check.timeout):
                    return await http_probe.get(probe, means.names, check.timeout / 2)
            case NerveProbe() as probe:
                async with asyncio.timeout(check.timeout):
                    return await means.reports.ask(probe)
    except TimeoutError:
        return _late(check)
    except OSError as error:
        return Result(good=False, message=words.of(error))
    except Exception as error:  # a check must not take down a speaker
        log.exception("check_crashed", service=check.service, check=check.name)
        return Result(good=False, message=f"the check itself crashed: {error!r}")


def _look(probe: FileProbe) -> Result:
    try:
        os.stat(probe.path)  # noqa: PTH116 - one system call, ten times a second
    except (FileNotFoundError, NotADirectoryError):
        return Result(good=True, message=f"{probe.path} is not there")
    return Result(good=False, message=f"disabled by {probe.path}", disabled=True)


async def _execute(probe: ExecProbe, check: Check) -> Result:
    env = {"VIPD_SERVICE": check.service, **({"VIPD_VIP": check.vip} if check.vip else {})}
    finished = await subprocesses.run(probe.command, timeout=check.timeout, env=env)
    if finished.status is None:
        return replace(_late(check), output=finished.output)
    return Result(
        good=finished.status == 0, message=subprocesses.spell(finished.status), output=finished.output
    )


async def _connect(probe: TcpProbe, names: Names, within: Seconds) -> Result:
    loop = asyncio.get_running_loop()
    refusal: OSError | None = None
    for text in await names.addresses(probe.host, within=within):
        address = ip_address(text)
        scope = address.scope_id if isinstance(address, IPv6Address) else None
        target: tuple[str | int, ...] = (text, probe.port)
        if scope is not None:
            target = (text.partition("%")[0], probe.port, 0, socket.if_nametoindex(scope))
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as way:
            try:
                await loop.sock_connect(way, target)
            except OSError as error:
                refusal = error
            else:
                return Result(good=True, message="connected")
    raise refusal or OSError(f"{probe.host} has no address")


def _late(check: Check) -> Result:
    return Result(good=False, message=f"timed out after {check.timeout:g} s", timed_out=True)
