"""What a fleet's size costs one pod: the turns of its loop, and what it asks of ZooKeeper."""

import asyncio
import logging
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from time import perf_counter

import structlog

from bench.fleet import ROOT, SERVICE, SESSIONS, LightPod, Turns, pod_id
from bench.jobs import Row, vips
from vipd.coord.directory import Create, Operation, Set
from vipd.coord.layout import member_name, member_path, write_record
from vipd.coord.member import Phase, Record, Vip, one
from vipd.coord.memory import Tree, join
from vipd.coord.placement import Candidate, place

ZONES = 8


def one_member(number: int, pods: int, runs: int = 5) -> Iterator[Row]:
    """One member of many changes; the figures are those of another, which decides anew."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = asyncio.run(_Story(number, pods).tell(runs))
    for what, (turns, took) in found.items():
        job = f"{number:,} VIPs, {pods:,} pods: {what}"
        yield f"{job}, longest turn", "vipd", 1000 * statistics.median(turns), "ms"
        yield f"{job}, decided after", "vipd", 1000 * statistics.median(took), "ms"


class _Story:
    """A pod, and others of which there are only records."""

    def __init__(self, number: int, pods: int) -> None:
        self._tree = Tree()
        self._turns = Turns()
        self._vips = tuple(map(Vip, vips(number)))
        self._all = one(frozenset(self._vips))
        self._pod = LightPod(pod_id(0), "r0", self._vips)
        self._names = [pod_id(each) for each in range(1, pods)]
        self._sessions = {name: self._tree.open_session() for name in self._names}
        self._shares: Mapping[str, frozenset[Vip]] = {}

    async def tell(self, runs: int) -> Mapping[str, tuple[list[float], list[float]]]:
        await self._found()
        found: dict[str, tuple[list[float], list[float]]] = {}
        async with join(self._tree) as directory, self._pod.up(directory), asyncio.TaskGroup() as group:
            watching = group.create_task(self._turns.watch())
            await self._calm()
            victim = self._names[len(self._names) // 2]
            for _ in range(runs):
                for what, change in self._changes(victim).items():
                    turn, took = await self._look(change)
                    turns, tooks = found.setdefault(what, ([], []))
                    turns.append(turn)
                    tooks.append(took)
            watching.cancel()
        return found

    def _changes(self, victim: str) -> Mapping[str, Callable[[], None]]:
        rest = [name for name in self._names if name != victim]
        heirs = self._placed([name for name in self._names if name != victim])
        ours = {name: self._shares[name] for name in self._names}
        return {
            "a member's checks fail": lambda: self._write(victim, eligible=frozenset()),
            "and pass": lambda: self._write(victim),
            "a member dies": lambda: self._tree.close_session(self._sessions[victim]),
            "all others claim what it had": lambda: self._write_all(rest, heirs),
            "it returns": lambda: self._register(victim),
            "all others let go": lambda: self._write_all(rest, ours),
        }

    async def _found(self) -> None:
        async with join(self._tree) as directory:
            for path in (f"{ROOT}/services/{SERVICE}/members", f"{ROOT}/drains"):
                await directory.ensure(path)
        self._shares = self._placed(self._names)
        for name in self._names:
            self._register(name)

    def _placed(self, names: list[str]) -> Mapping[str, frozenset[Vip]]:
        """What each pod, ours included, has of the VIPs: all that were there before keep what they had."""
        members = [
            Candidate(pod=name, eligible=self._all, claims=self._shares.get(name, frozenset()))
            for name in (*names, pod_id(0))
        ]
        shares: dict[str, set[Vip]] = {name: set() for name in (*names, pod_id(0))}
        for vip, line in place(self._pod.service, members).items():
            for pod in line.assigned:
                shares[pod].add(vip)
        return {name: frozenset(share) for name, share in shares.items()}

    def _record(self, name: str, **changes: object) -> bytes:
        share = self._shares[name]
        record = Record(
            algorithm=1,
            zone=f"r{int(name[4:]) % ZONES}",
            weight=1,
            phase=Phase.RUNNING,
            sessions_up=SESSIONS,
            sessions_configured=SESSIONS,
            serves=self._all,
            eligible=self._all,
            announcing=dict.fromkeys(share, 0),
        )
        return write_record(replace(record, **changes))

    def _path(self, name: str) -> str:
        return member_path(ROOT, SERVICE, member_name(name, self._sessions[name]))

    def _register(self, name: str) -> None:
        made = Create(path=self._path(name), data=self._record(name), ephemeral=True)
        self._tree.apply([made], session=self._sessions[name])

    def _write(self, name: str, **changes: object) -> None:
        self._tree.apply([Set(path=self._path(name), data=self._record(name, **changes))])

    def _write_all(self, names: list[str], shares: Mapping[str, frozenset[Vip]]) -> None:
        writes: list[Operation] = [
            Set(path=self._path(name), data=self._record(name, announcing=dict.fromkeys(shares[name], 0)))
            for name in names
        ]
        self._tree.apply(writes)

    async def _look(self, change: Callable[[], None]) -> tuple[float, float]:
        """Seconds of the longest turn, and until what was shown has been decided upon."""
        change()
        await asyncio.sleep(0)
        began, self._turns.longest = perf_counter(), 0.0
        before = self._pod.view
        await self._pod.steering.wishes.until(
            lambda wishes: wishes[SERVICE].view is not before and wishes[SERVICE].view is self._pod.view
        )
        took = perf_counter() - began
        await self._calm()
        return self._turns.longest, took

    async def _calm(self) -> None:
        """Return when the pod has said all that it has to say, and nobody's time is running."""
        quiet = 0
        zxid = -1
        while quiet < 20:
            await asyncio.sleep(0.1)
            quiet = quiet + 1 if zxid == self._tree.zxid else 0
            zxid = self._tree.zxid
