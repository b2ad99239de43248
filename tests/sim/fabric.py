"""A simulated fabric: racks of ToRs, spines, an edge. What counts is what the edge believes.

Every router keeps what each neighbour has told it, takes the shortest paths (all of them: multipath), and
tells its neighbours the oldest of these, each change in its own time. All spines share one AS (RFC 7938
section 5.2), so that no path leads down and up again: a path that holds the neighbour's AS is not told to it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from sim.process import Process
from sim.ways import Network, Seconds, Way
from vipd.bgp.attributes import PathAttributes
from vipd.bgp.messages import Update
from vipd.bgp.wire import Prefix

HOLD: Seconds = 9.0
GRACEFUL_SHUTDOWN = (0xFFFF, 0)  # RFC 8326
NOBODY: frozenset[str] = frozenset()
ANCHOR = Prefix.parse("0.0.0.0/0")  # what the edge tells everybody, and a ToR tells its pods while it has it


@dataclass(frozen=True, slots=True)
class Path:
    """How a router reaches a prefix."""

    length: int  # of the AS_PATH
    through: tuple[str, ...]  # the ASes of routers, the nearest first; of several paths, one's
    pods: frozenset[str]  # where traffic ends, over all the shortest
    shutdown: bool = False  # carries GRACEFUL_SHUTDOWN (RFC 8326)


@dataclass
class Router:
    """One router, and what it has been told."""

    fabric: "Fabric"
    name: str
    autonomous_system: str
    pace: Seconds  # from hearing to telling
    told: dict[Prefix, dict[str, Path]] = field(default_factory=dict)  # by neighbour
    best: dict[Prefix, Path] = field(default_factory=dict)
    neighbours: dict[str, Way[tuple[Prefix, Path | None]]] = field(default_factory=dict)
    said: dict[str, dict[Prefix, Path]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  # neighbours to which the link is down
    hidden: set[Prefix] = field(default_factory=set)  # filtered towards pods

    def hear(self, neighbour: str, prefix: Prefix, path: Path | None) -> None:
        told = self.told.setdefault(prefix, {})
        told.pop(neighbour, None)
        if path is not None:
            told[neighbour] = path  # the youngest of all
        self._choose(prefix)

    def lose(self, neighbour: str) -> None:
        """The session with a neighbour is down."""
        for prefix, told in list(self.told.items()):
            if told.pop(neighbour, None) is not None:
                self._choose(prefix)

    def tell_all(self, neighbour: str) -> None:
        """A session with a neighbour is new."""
        self.said[neighbour] = {}
        for prefix in list(self.best):
            self._tell(neighbour, prefix)

    def _choose(self, prefix: Prefix) -> None:
        told = self.told[prefix]
        chosen: Path | None = None
        if told:
            worth = min(map(self._worth, told.values()))
            best = [path for path in told.values() if self._worth(path) == worth]
            pods = NOBODY.union(*(path.pods for path in best))
            chosen = Path(best[0].length, best[0].through, pods, best[0].shutdown)
        if chosen == self.best.get(prefix):
            return
        if chosen is None:
            del self.best[prefix]
        else:
            self.best[prefix] = chosen
        self.fabric.changed(self, prefix)
        for neighbour in self.neighbours:
            self._tell(neighbour, prefix)
        for line in [line for line in self.fabric.lines if line.tor == self.name]:
            line.show(prefix)

    def shows(self, pod: str, prefix: Prefix) -> bool:
        """Whether it tells a pod of a prefix: it tells its oldest best route, and not to its source."""
        told = self.told.get(prefix)
        if not told or prefix in self.hidden:
            return False
        worth = min(map(self._worth, told.values()))
        return next(name for name, path in told.items() if self._worth(path) == worth) != pod

    def _worth(self, path: Path) -> tuple[bool, int]:
        return path.shutdown and self.fabric.honours_shutdown, path.length

    def _tell(self, neighbour: str, prefix: Prefix) -> None:
        if neighbour in self.lost:
            return
        best = self.best.get(prefix)
        said = self.said.setdefault(neighbour, {})
        path = None
        if best is not None and self.fabric.routers[neighbour].autonomous_system not in best.through:
            path = Path(best.length + 1, (self.autonomous_system, *best.through), best.pods, best.shutdown)
        if path == said.get(prefix):
            return
        if path is None:
            del said[prefix]
        else:
            said[prefix] = path
        self.neighbours[neighbour].send((prefix, path))


class Line:
    """One BGP session between a pod and its ToR, as light as it can be: values instead of octets."""

    def __init__(
        self, fabric: "Fabric", pod: str, process: Process, tor: str, closed: Callable[[str], None]
    ) -> None:
        self.fabric = fabric
        self.pod, self.tor = pod, tor
        self.process = process
        self.up = True  # as the ToR sees it
        self.unacknowledged = 0
        self._closed = closed
        self._acknowledged: Callable[[], None] = lambda: None
        self._there: Way[list[Update] | None] = Way(fabric.network, pod, tor, self._arrive)
        self._back: Way[int] = Way(fabric.network, tor, pod, self._confirm)
        pace = fabric.routers[tor].pace
        self._down: Way[tuple[Prefix, bool] | None] = Way(fabric.network, tor, pod, self._carry, steady=pace)
        self._shown: set[Prefix] = set()
        self._see: Callable[[Prefix | None, bool], None] = lambda *_: None
        self._kept: list[list[Update] | None] = []  # by a ToR that is deaf
        self._silence: asyncio.TimerHandle | None = None

    def on_acknowledgement(self, then: Callable[[], None]) -> None:
        self._acknowledged = then

    def on_sight(self, see: Callable[[Prefix | None, bool], None]) -> None:
        """Have the pod told what its ToR has: a prefix that is there or not, or None at the end of all."""
        self._see = see
        for prefix in self.fabric.routers[self.tor].best:
            self.show(prefix)
        self._down.send(None)

    def show(self, prefix: Prefix) -> None:
        shows = self.fabric.routers[self.tor].shows(self.pod, prefix)
        if shows is (prefix in self._shown):
            return
        self._shown ^= {prefix}
        self._down.send((prefix, shows))

    def _carry(self, what: tuple[Prefix, bool] | None) -> None:
        if self.up:
            self.process.deliver(self._see, *(what or (None, False)))

    def send(self, updates: list[Update]) -> None:
        self.unacknowledged += 1
        self.fabric.updates += len(updates)
        self._there.send(updates)

    def farewell(self) -> None:
        """Cease, and hang up."""
        self._there.send(None)

    def hear_again(self) -> None:
        kept, self._kept = self._kept, []
        for each in kept:
            self._arrive(each)

    def reconsider(self) -> None:
        """Start or stop the hold timers, as the two hear of each other or not."""
        network = self.fabric.network
        silent = (
            self.process.stopped
            or self.tor in self.fabric.frozen
            or not (network.reaches(self.pod, self.tor) and network.reaches(self.tor, self.pod))
        )
        if silent and self._silence is None and self.up:
            after = HOLD * self.fabric.random.uniform(0.67, 1)
            self._silence = asyncio.get_running_loop().call_later(after, self._expired)
        elif not silent and self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def break_off(self, reason: str, *, tell_pod: bool = True) -> None:
        """The session ends; the ToR forgets at once, the pod learns of it."""
        if self._silence is not None:
            self._silence.cancel()
        if not self.up:
            return
        self.up = False
        self.fabric.lines.pop(self, None)
        router = self.fabric.routers[self.tor]
        router.lose(self.pod)
        if tell_pod:
            self.process.deliver(self._closed, reason)

    def _expired(self) -> None:
        self.break_off("hold timer expired")

    def _arrive(self, updates: list[Update] | None) -> None:
        if not self.up:
            return
        if self.tor in self.fabric.deaf or self.tor in self.fabric.frozen:
            self._kept.append(updates)
            return
        if updates is None:
            self.break_off("cease", tell_pod=False)
            return
        router = self.fabric.routers[self.tor]
        for update in updates:
            for prefix in update.withdrawn:
                assert self.pod in router.told.get(prefix, {}), (
                    f"{self.pod} withdraws {prefix} from {self.tor}, which was never told of it"
                )
                router.hear(self.pod, prefix, None)
            for prefix in update.announced:
                assert update.attributes is not None
                length = path_length(update.attributes)
                shutdown = GRACEFUL_SHUTDOWN in update.attributes.communities
                router.hear(self.pod, prefix, Path(length, (), frozenset({self.pod}), shutdown))
        self._back.send(1)

    def _confirm(self, count: int) -> None:
        if self.up:
            self.process.deliver(self._take, count)

    def _take(self, count: int) -> None:
        self.unacknowledged -= count
        self._acknowledged()


def path_length(attributes: PathAttributes) -> int:
    return sum(len(segment.asns) for segment in attributes.as_path)


class Fabric:
    """All routers, and every pod's sessions with its ToRs."""

    def __init__(
        self,
        network: Network,
        random: Random,
        *,
        racks: Mapping[str, tuple[str, ...]],
        spines: tuple[str, ...] = ("spine1", "spine2"),
    ) -> None:
        """`racks`: the ToRs of each."""
        self.network = network
        self.random = random
        self.racks = racks
        self.routers: dict[str, Router] = {}
        self.lines: dict[Line, None] = {}
        self.attached: set[tuple[str, str]] = set()  # pods and ToRs with a session of octets
        self.deaf: set[str] = set()  # ToRs that neither take nor acknowledge, and keep their sessions
        self.frozen: set[str] = set()  # ToRs that do nothing at all
        self.down: set[str] = set()
        self.honours_shutdown = False  # routers give GRACEFUL_SHUTDOWN the lowest LOCAL_PREF
        self.updates = 0  # sent by pods
        self.moved: Callable[[Prefix], None] = lambda _: None  # told of each change at the edge
        tors = [tor for rack in racks.values() for tor in rack]
        for name in (*tors, *spines, "edge"):
            autonomous_system = "spines" if name in spines else name
            self.routers[name] = Router(self, name, autonomous_system, random.uniform(0.0005, 0.01))
        for spine in spines:
            for other in (*tors, "edge"):
                self._join(spine, other)

    def _join(self, one: str, other: str) -> None:
        for here, there in ((one, other), (other, one)):
            near, far = self.routers[here], self.routers[there]

            def arrive(what: tuple[Prefix, Path | None], far: Router = far, here: str = here) -> None:
                if here not in far.lost:
                    far.hear(here, *what)

            near.neighbours[there] = Way(self.network, here, there, arrive, steady=near.pace)

    # ---- what the edge believes ----

    def changed(self, router: Router, prefix: Prefix) -> None:
        if router.name == "edge":
            self.moved(prefix)

    def believed(self, prefix: Prefix) -> frozenset[str]:
        """The pods that the edge sends a prefix's traffic to."""
        best = self.routers["edge"].best.get(prefix)
        return NOBODY if best is None else best.pods

    def announced(self, prefix: Prefix) -> dict[str, int]:
        """The pods whose ToRs have a route of theirs, and the least length of it."""
        found: dict[str, int] = {}
        for tors in self.racks.values():
            for tor in tors:
                for pod, path in self.routers[tor].told.get(prefix, {}).items():
                    if pod in path.pods and not path.through:
                        found[pod] = min(path.length, found.get(pod, path.length))
        return found

    # ---- what befalls it ----

    def hide(self, tor: str, *prefixes: Prefix) -> None:
        """Have a ToR tell its pods nothing of these, or again of all but these."""
        router = self.routers[tor]
        changed = router.hidden ^ set(prefixes)
        router.hidden = set(prefixes)
        for line in [line for line in self.lines if line.tor == tor]:
            for prefix in sorted(changed):
                line.show(prefix)

    def set_pace(self, router: str, pace: Seconds) -> None:
        """Make a router slow to tell what it hears."""
        for way in self.routers[router].neighbours.values():
            way.steady = pace

    def dial(self, pod: str, process: Process, tor: str, closed: Callable[[str], None]) -> Line:
        """Raises OSError."""
        reachable = self.network.reaches(pod, tor) and self.network.reaches(tor, pod)
        if tor in self.down or tor in self.frozen or not reachable:
            raise ConnectionError(f"{tor} does not answer")
        for line in [line for line in self.lines if (line.pod, line.tor) == (pod, tor)]:
            line.break_off("a newer connection", tell_pod=line.process is process)
        if ANCHOR not in self.routers["edge"].best:
            self.routers["edge"].hear("the world", ANCHOR, Path(0, (), frozenset({"the world"})))
        line = Line(self, pod, process, tor, closed)
        self.lines[line] = None
        return line

    def reconsider(self, place: str) -> None:
        for line in [line for line in self.lines if place in (line.pod, line.tor)]:
            line.reconsider()

    def lose_pod(self, pod: str, process: Process, *, silently: bool) -> None:
        """A pod is no more; its kernel says so, or nothing does."""
        for line in [line for line in self.lines if line.process is process]:
            if silently:
                after = HOLD * self.random.uniform(0.67, 1)
                asyncio.get_running_loop().call_later(after, self._buried, line)
            else:
                delay = self.network.takes(pod, line.tor)
                asyncio.get_running_loop().call_later(delay, self._buried, line)

    @staticmethod
    def _buried(line: Line) -> None:
        line.break_off("gone", tell_pod=False)

    def stop_tor(self, tor: str) -> None:
        """Down, at once: its sessions with pods and spines end."""
        self.down.add(tor)
        for line in [line for line in self.lines if line.tor == tor]:
            line.break_off("connection reset")
        self.lose_uplinks(tor)

    def start_tor(self, tor: str) -> None:
        self.down.discard(tor)
        self.mend_uplinks(tor)

    def lose_uplinks(self, tor: str) -> None:
        """A ToR is cut off from its spines, and its pods do not notice."""
        for spine in self.routers[tor].neighbours:
            self.part(tor, spine)

    def mend_uplinks(self, tor: str) -> None:
        for spine in self.routers[tor].neighbours:
            self.rejoin(tor, spine)

    def part(self, one: str, other: str) -> None:
        """Two routers lose each other."""
        for here, there in ((one, other), (other, one)):
            self.routers[here].lost.add(there)
            self.routers[here].lose(there)

    def rejoin(self, one: str, other: str) -> None:
        for here, there in ((one, other), (other, one)):
            self.routers[here].lost.discard(there)
        for here, there in ((one, other), (other, one)):
            self.routers[here].tell_all(there)

    def hear_again(self, tor: str) -> None:
        self.deaf.discard(tor)
        self.frozen.discard(tor)
        for line in [line for line in self.lines if line.tor == tor]:
            line.hear_again()
        self.reconsider(tor)

    def freeze(self, tor: str) -> None:
        self.frozen.add(tor)
        self.reconsider(tor)

    def whole(self, tor: str) -> bool:
        """Whether it carries what it hears to the spines."""
        return not (tor in self.down or tor in self.deaf or tor in self.frozen or self.routers[tor].lost)
