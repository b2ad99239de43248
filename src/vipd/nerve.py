"""What go-nerve reports of this host in ZooKeeper, as a check reads it.

nerve writes `<path>/_c_<guid>-<name>_<host>_<number>`, which goes with its session: JSON that says
`available`, and of which `host`. Where the service is down there is none, or one that says so.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from vipd.coord.directory import Directory, DirectoryLost, DirectoryRefused, LinkState, Node
from vipd.health import NerveProbe, Result

Seconds = float

AFRESH: Final[Seconds] = 60.0  # between two readings that believe no watch
# After ZooKeeper was away a report may be gone with nerve's session, and nerve writes it anew only at its
# next refresh, five minutes by default. Taken for a failure, that would be an outage of every pod at once.
REWRITTEN: Final[Seconds] = 330.0

REACHED_NOT: Final = "ZooKeeper has not been reached yet"


@dataclass(slots=True)
class _Seen:
    """What was last read of one host's reports."""

    result: Result | None = None  # None: there has been none
    generation: int = 0  # of the connection over which it was read
    afresh_at: Seconds = -inf
    gone_since: Seconds | None = None  # it was not there any more after a reconnect


class Reports:
    """Answers for every check of the kind, over the session that the pod has anyway.

    Args:
        directory: the session; None where there is none yet.
    """

    def __init__(self, directory: Callable[[], Directory | None] = lambda: None) -> None:
        self._directory = directory
        self._seen: dict[NerveProbe, _Seen] = {}

    async def ask(self, probe: NerveProbe) -> Result:
        """Say whether this host's report is good. While ZooKeeper is away, its last word stands."""
        seen = self._seen.setdefault(probe, _Seen())
        directory = self._directory()
        if directory is None or directory.link.value.state is not LinkState.CONNECTED:
            return _kept(seen, "ZooKeeper is not reached")
        now = asyncio.get_running_loop().time()
        try:
            reading = await directory.read(folders=[probe.path], afresh=now >= seen.afresh_at)
        except DirectoryLost:
            return _kept(seen, "ZooKeeper is not reached")
        except DirectoryRefused as refused:
            return Result(good=False, message=str(refused))
        if now >= seen.afresh_at:
            seen.afresh_at = now + AFRESH
        found = judge(reading.folders[probe.path], probe)
        if found is None:
            return self._missing(seen, probe, reading.generation, now)
        seen.result, seen.generation, seen.gone_since = found, reading.generation, None
        return found

    def _missing(self, seen: _Seen, probe: NerveProbe, generation: int, now: Seconds) -> Result:
        """There is no report of this host: it never was, was taken back, or went with a session."""
        where = f"no report of {probe.host} below {probe.path}"
        if seen.result is None:
            return Result(good=False, message=f"{where}: there never was one")
        if seen.generation == generation:
            seen.result = Result(good=False, message=f"{where}: it has vanished")
            return seen.result
        if not seen.result.good:
            return seen.result
        seen.gone_since = now if seen.gone_since is None else seen.gone_since
        if now < seen.gone_since + REWRITTEN:
            return _kept(seen, f"{where} since ZooKeeper was away")
        seen.generation = generation
        return self._missing(seen, probe, generation, now)


def judge(nodes: Mapping[str, Node] | None, probe: NerveProbe) -> Result | None:
    """The verdict of a folder's nodes on one host, each of which has to be good; None: none speaks of it."""
    results = [
        result for _, node in sorted((nodes or {}).items()) if (result := _one(node, probe)) is not None
    ]
    return next((result for result in results if not result.good), results[0] if results else None)


def _one(node: Node, probe: NerveProbe) -> Result | None:
    """What one node says of the host; None where it speaks of another."""
    report = _load(node.data)
    if isinstance(report, str):
        return Result(good=False, message=f"{node.path} {report}") if _named(node.name, probe.host) else None
    host = report.get("host")
    if host != probe.host and not (host is None and _named(node.name, probe.host)):
        return None
    available = report.get("available")
    if not isinstance(available, bool):
        return Result(
            good=False, message=f"{node.path} is no report of nerve: available is not true or false"
        )
    if available:
        return Result(good=True, message="nerve says available")
    reason = report.get("unavailable_reason")
    return Result(good=False, message=f"nerve says unavailable: {reason or 'it does not say why'}")


def _load(octets: bytes | None) -> Mapping[str, Any] | str:
    if octets is None:
        return "may not be read: its ACL does not let us"
    try:
        report = json.loads(octets)
    except (ValueError, RecursionError):
        return "is no report of nerve: it is not JSON"
    return report if isinstance(report, dict) else "is no report of nerve: it is not a JSON object"


def _named(name: str, host: str) -> bool:
    """Whether a node's name, `…_<host>_<number>`, tells the host."""
    return f"_{host}_" in name


def _kept(seen: _Seen, why: str) -> Result:
    if seen.result is None:
        return Result(good=False, message=REACHED_NOT)
    return Result(good=seen.result.good, message=f"{why}; before: {seen.result.message}")
