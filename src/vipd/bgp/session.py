"""One peer: an actor around the pure `Fsm`.

Small tasks (dial, read, follow the routes) only put events into the inbox; one loop takes an event, or a
`Tick` when it is due, and performs the actions that the machine answers with. No rule of BGP stands here.

    session <peer>            the loop: every decision about this peer
    ├─ follow                 newer routes, while there is room on the wire
    ├─ look out               another watch
    ├─ attend                 one per connection: dials, unless the peer did, then reads
    ├─ make_room              one per family, after a ROUTE-REFRESH
    └─ close                  one per connection that is hung up, for a bounded time
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Never, Protocol, assert_never

import structlog

from vipd.bgp.attributes import Outcome
from vipd.bgp.collision import Side, survivor
from vipd.bgp.exchange import Exchange
from vipd.bgp.fsm import (
    Action,
    Advertise,
    Ask,
    Closed,
    Dial,
    Event,
    Fsm,
    HangUp,
    Heard,
    History,
    Opened,
    PathDown,
    Received,
    Refresh,
    Start,
    Stop,
    Tick,
    Transmit,
    Up,
)
from vipd.bgp.iana import CeaseError, ErrorCode, Family
from vipd.bgp.messages import RouteRefresh, Update, longest
from vipd.bgp.peer import Cause, Down, Negotiated, PeerConfig, PeerStatus, Seconds, State
from vipd.bgp.route import LocRib, Route, next_hop_self
from vipd.bgp.sightings import Sight, Watch
from vipd.bgp.wire import Prefix
from vipd.latest import Latest

AT_ONCE = 1 << 19  # octets, at the most, that are encoded and written in one turn of the loop
LEAVING: Seconds = 1.5  # for connections to close, each of which is bounded already
ACKNOWLEDGED: Seconds = 0.002  # between two looks at what the peer has; doubles up to:
ACKNOWLEDGED_MAX: Seconds = 0.064
SAID = 16  # failures that are remembered as said: a peer may give any text it likes
HAIR: Seconds = 1e-6  # by which a loop may wake before its time; an early Tick does nothing
TURNS_TO_READ = 3  # of the loop: the selector, the read, its event


class Connection(Protocol):
    """What a session needs of a TCP connection."""

    local_address: str
    remote_address: str

    async def read(self) -> bytes:
        """Return the next octets; none at the end. Raises OSError, its text a sentence for people."""
        ...

    def write(self, octets: bytes) -> None:
        """Send without waiting. A failure is told to the reader."""
        ...

    async def drained(self, below: int = ...) -> None:
        """Return when there is room to write more, or the connection is gone."""
        ...

    @property
    def stuck_since(self) -> Seconds | None:
        """When our kernel last took something of what waits to be written; None: nothing waits."""
        ...

    def unsent(self) -> int:
        """Octets that the peer's kernel has not acknowledged."""
        ...

    def sign(self, key: bytes) -> None:
        """Sign with another key from now on. Raises OSError where a new connection is needed for that."""
        ...

    async def close(self) -> None:
        """Close in such a way that the peer can read what was written. Bounded."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


Dialer = Callable[[PeerConfig], Awaitable[Connection]]


@dataclass(slots=True, eq=False)
class Wire:
    """One TCP connection, from the dial to the hang-up."""

    side: Side
    connection: Connection | None = None  # None: being dialled
    task: asyncio.Task[None] | None = None  # attends to it


@dataclass(slots=True, eq=False)
class Line:
    """One machine, and the wire that it has at present."""

    fsm: Fsm
    wire: Wire | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Established:
    """All that begins with a session and ends with it."""

    line: Line
    exchange: Exchange
    since: Seconds
    refreshing: set[Family] = field(default_factory=set)  # asked for, and waiting for room
    faults: set[str] = field(default_factory=set)  # of UPDATEs, said aloud


# ---- what the small tasks put into the inbox ----


@dataclass(frozen=True, slots=True)
class Happened:
    """A dial came to something, or octets came, or the end did."""

    wire: Wire
    event: Opened | Received | Closed


@dataclass(frozen=True, slots=True)
class Called:
    """The peer has dialled us."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Lost:
    """The path to the peer is lost."""

    reason: str


@dataclass(frozen=True, slots=True)
class Newer:
    """There is a newer LocRib, and room on the wire."""


@dataclass(frozen=True, slots=True)
class Again:
    """There is room on the wire for what the peer wants to hear again."""

    family: Family


@dataclass(frozen=True, slots=True)
class Configured:
    """The peer's section has changed to one that the session goes on under."""

    config: PeerConfig


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Something else is watched."""


Incoming = Happened | Called | Lost | Newer | Again | Configured | Otherwise


class Session:
    """Everything between this speaker and one peer."""

    def __init__(
        self,
        config: PeerConfig,
        rib: Latest[LocRib],
        *,
        dial: Dialer,
        jitter: Callable[[], float],
        report: Callable[[PeerStatus], None],
        farewell: Callable[[], Stop],
        progressed: Callable[[], None] = lambda: None,
        history: History | None = None,
        watch: Latest[Watch] | None = None,
    ) -> None:
        """Make a session at rest; `run` starts it.

        Args:
            config: the peer.
            rib: what to tell it.
            dial: opens a connection, or raises OSError.
            jitter: draws from [0, 1).
            report: told whenever the state changes.
            farewell: how to stop, asked when `run` is cancelled.
            progressed: told whenever more was said, acknowledged or seen, or the session went.
            history: counters and the last error of an earlier session with this peer, carried on.
            watch: what to keep of what it tells, if the peer is a witness.
        """
        self._config = config
        self._rib = rib
        self._dial = dial
        self._jitter = jitter
        self._report = report
        self._farewell = farewell
        self._progressed_too = progressed
        self._history = History() if history is None else history
        self._watch = Latest(Watch()) if watch is None else watch
        self._log = structlog.get_logger().bind(peer=config.name)
        self._inbox: asyncio.Queue[Incoming] = asyncio.Queue()
        self._group = asyncio.TaskGroup()
        self._closings = asyncio.TaskGroup()  # apart, so that a failure in the other lets them finish
        self._closing: set[asyncio.Task[None]] = set()
        self._gone = False
        self._line = Line(self._machine())
        self._rival: Line | None = None  # a second connection, until one of the two has won
        self._established: Established | None = None
        self._progress = Latest(0)  # goes up whenever more was told, said or acknowledged, or that ends
        self._logged: set[str] = set()  # failures said aloud since the last session

    # ---- what others ask ----

    def status(self) -> PeerStatus:
        """A snapshot, of the connection that has come farther."""
        lines = (self._line, *self._rivals())
        status = max((line.fsm.status() for line in lines), key=lambda status: _PROGRESS[status.state])
        return status if self._established is None else self._established.exchange.status(status)

    def told(self) -> Collection[Prefix]:
        """Every prefix that the peer has been told over the present session."""
        return () if self._established is None else self._established.exchange.told()

    def sights(self) -> tuple[Sight, ...]:
        """What the peer shows of what is watched; nothing, unless it is a witness and there is a session."""
        return () if self._established is None else self._established.exchange.sights()

    def to_hear(self, prefix: Prefix, route: Route) -> bool:
        """Whether the peer is there, and is one that is told this."""
        return self._established is not None and self._established.exchange.to_hear(prefix, route)

    def has(self, prefix: Prefix, route: Route) -> bool:
        """Whether the peer has acknowledged every octet of this, and nothing else of it is under way."""
        return self._established is not None and self._established.exchange.has(prefix, route)

    def call(self, connection: Connection) -> None:
        """Take a connection that the peer has opened."""
        if self._gone:
            connection.abort()
        else:
            self._inbox.put_nowait(Called(connection))

    def adopt(self, config: PeerConfig) -> None:
        """Take on a configuration, where this session goes on as one of it."""
        if config != self._config and self._config.goes_on_as(config):
            self._inbox.put_nowait(Configured(config))

    def lose(self, reason: str) -> None:
        """End what connections there are, as the path to the peer is lost (RFC 9384); then begin anew."""
        self._inbox.put_nowait(Lost(reason))

    async def flushed(self) -> None:
        """Return when the peer has acknowledged all that the newest LocRib says, or there is no session."""

        def all_of_it(_: int) -> bool:
            if self._established is None:
                return True
            exchange = self._established.exchange
            return exchange.newest is self._rib.value and exchange.settled

        await self._progress.until(all_of_it)

    # ---- the loop ----

    async def run(self) -> Never:
        """Keep a session with the peer until cancelled; then bid farewell, for a bounded time."""
        try:
            async with self._closings, self._group:
                self._group.create_task(self._follow(), name=f"follow {self._config.name}")
                self._group.create_task(self._confirm(), name=f"confirm {self._config.name}")
                if self._config.witness:
                    self._group.create_task(self._look_out(), name=f"look out {self._config.name}")
                try:
                    self._take(self._line, Start())
                    await self._work()
                except asyncio.CancelledError:
                    await self._leave()
                    raise
        finally:
            self._gone = True
            self._abandon()

    async def _work(self) -> Never:
        overdue = False
        while True:
            incoming = await self._next()
            if incoming is not None:
                self._receive(incoming)
                self._inbox.task_done()
            else:
                self._say()
            if incoming is None or overdue:
                self._tick()
            self._settle()
            deadline = self._deadline()
            overdue = deadline is not None and deadline <= self._now()

    async def _next(self) -> Incoming | None:
        """The next event; None: a deadline has come, or there is more to say.

        Octets that have arrived come before a timer that is due. Had this process been stalled for long, the
        hold timer would else overtake the KEEPALIVE that lies in the socket. They do so only once: the
        caller ticks after an event that came in overtime, or a flood could keep our own KEEPALIVE back.
        """
        if self._established is None or not self._established.exchange.unsaid:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._deadline()):
                    return await self._inbox.get()
        for _ in range(TURNS_TO_READ):
            if not self._inbox.empty():
                return self._inbox.get_nowait()
            await asyncio.sleep(0)
        return None

    def _receive(self, incoming: Incoming) -> None:  # noqa: C901 - as many kinds
        match incoming:
            case Happened(wire, event):
                for line in (self._line, *self._rivals()):
                    if line.wire is wire:  # else it is news of one that was hung up meanwhile
                        self._take(line, event)
            case Called(connection):
                self._answer(connection)
            case Lost(reason):
                for line in (self._line, *self._rivals()):
                    self._take(line, PathDown(text=reason))
            case Newer():
                self._converge()
            case Again(family):
                if self._established is not None:
                    self._established.refreshing.discard(family)
                    self._tell(self._established.exchange.refresh(family))
            case Configured(config):
                self._adopt(config)
            case Otherwise():
                self._watch_anew()
            case _:
                assert_never(incoming)

    def _tick(self) -> None:
        for line in (self._line, *self._rivals()):
            connection = self._connection(line)
            stuck_since = None if connection is None else connection.stuck_since
            self._take(line, Tick(stuck_since=stuck_since), early=HAIR)

    def _take(self, line: Line, event: Event, early: Seconds = 0.0) -> None:
        """Let a machine have an event, and perform what it answers."""
        before = line.fsm.state
        actions = line.fsm.handle(event, self._now() + early)
        octets = b"".join(action.octets for action in actions if isinstance(action, Transmit))
        connection = self._connection(line)
        if octets and connection is not None:
            connection.write(octets)  # at once, as nothing is ever transmitted after a HangUp
        for action in actions:
            self._perform(line, action, before)
        if line.fsm.state is not before:
            self._report(self.status())

    def _perform(self, line: Line, action: Action, before: State) -> None:
        match action:
            case Transmit():
                pass  # written already, all in one
            case Dial():
                self._attend(line, Wire(Side.DIALED))
            case HangUp():
                self._hang_up(line)
            case Up(negotiated=negotiated):
                self._up(line, negotiated)
            case Heard():
                self._hear(action)
            case Refresh(family=family):
                self._make_room(line, family)
            case Down():
                self._ended(line, action, before)
            case _:
                assert_never(action)

    # ---- wires ----

    def _attend(self, line: Line, wire: Wire) -> None:
        line.wire = wire
        wire.task = self._group.create_task(self._converse(wire), name=f"attend {self._config.name}")

    async def _converse(self, wire: Wire) -> None:
        """Dial, unless the peer did, then read. How long a dial may take, the machine's timer says."""
        try:
            if wire.connection is None:
                wire.connection = connection = await self._dial(self._config)
                opened = Opened(
                    local_address=connection.local_address, remote_address=connection.remote_address
                )
                self._inbox.put_nowait(Happened(wire, opened))
            while octets := await wire.connection.read():
                self._inbox.put_nowait(Happened(wire, Received(octets=octets)))
                await self._inbox.join()  # nothing more is read before this has been taken
            reason = "the peer closed the connection"
        except OSError as error:
            reason = str(error)
        self._inbox.put_nowait(Happened(wire, Closed(reason=reason)))

    def _hang_up(self, line: Line) -> None:
        wire, line.wire = line.wire, None
        if wire is None:
            return
        if wire.task is not None:
            wire.task.cancel()
        if wire.connection is not None:
            closing = self._closings.create_task(wire.connection.close(), name=f"close {self._config.name}")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _answer(self, connection: Connection) -> None:
        """Find a machine for a connection that the peer has opened (RFC 4271 sections 6.8 and 8.2.1).

        A call that has not become a session keeps nobody out, for whoever has the peer's address can make
        one, from too far away even (RFC 5082: what arrives before the kernel is told of the limit is heard).
        It gives way to the next, and we go on dialling beside it.
        """
        for call in filter(_is_call, (self._line, *self._rivals())):
            self._take(call, Stop(subcode=CeaseError.CONNECTION_COLLISION_RESOLUTION, text=_NEWER))
            if call is self._line:
                self._take(call, Start(passive=True))
            else:
                self._rival = None
        wire, state, agreed = self._line.wire, self._line.fsm.state, self._line.fsm.negotiated
        if state is State.ESTABLISHED and agreed is not None and agreed.restarts:
            # RFC 4724 section 5: it has restarted, and the connection of before is an empty shell.
            self._take(self._line, Closed(reason="the peer has restarted"))
            line = self._line
        elif state is State.ACTIVE:
            line = self._line
            if self._rival is None and not self._config.passive:
                self._rival = Line(self._machine())
                self._take(self._rival, Start(later=True))
        elif self._rival is None and (
            state is State.ESTABLISHED or (wire is not None and wire.side is Side.DIALED)
        ):
            line = self._rival = Line(self._machine())
        else:  # Idle takes no calls, and one call at a time is enough
            connection.abort()
            return
        self._attend(line, Wire(Side.ACCEPTED, connection))
        self._take(line, Start(passive=True))  # is nothing to a machine that waits already
        self._take(
            line,
            Opened(
                local_address=connection.local_address,
                remote_address=connection.remote_address,
                accepted=True,
            ),
        )

    def _settle(self) -> None:
        """Where there are two connections, see whether one has won."""
        rival = self._rival
        if rival is None:
            return
        if rival.fsm.state in (State.IDLE, State.ACTIVE):
            if not _is_call(self._line):
                self._rival = None
            return
        if _is_dialed(rival) and self._line.fsm.state in (State.IDLE, State.ACTIVE):
            self._line, self._rival = rival, None  # the call beside which it was made is over
            return
        dialed, accepted = (rival, self._line) if _is_dialed(rival) else (self._line, rival)
        negotiated = dialed.fsm.negotiated or accepted.fsm.negotiated
        side = survivor(self._config, negotiated, dialed=dialed.fsm.state, accepted=accepted.fsm.state)
        if side is None:
            return
        winner, loser = (dialed, accepted) if side is Side.DIALED else (accepted, dialed)
        self._line, self._rival = winner, None
        self._take(loser, Stop(subcode=CeaseError.CONNECTION_COLLISION_RESOLUTION, text=_ONE_IS_ENOUGH))

    def _adopt(self, config: PeerConfig) -> None:
        key = config.md5_key
        changed = key != self._config.md5_key
        self._config = config
        for line in (self._line, *self._rivals()):
            line.fsm.adopt(config)
            connection = self._connection(line)
            if not changed or key is None or connection is None:
                continue
            try:
                connection.sign(key)
                self._log.info("signing_key_changed")
            except OSError as error:
                stop = Stop(
                    subcode=CeaseError.OTHER_CONFIGURATION_CHANGE,
                    text=f"its MD5 key changed, which takes a new connection here: {error}",
                )
                self._take(line, stop)
                if line is self._line:
                    self._take(line, Start())

    # ---- routes ----

    async def _follow(self) -> None:
        """While the peer is slow to read, newer routes replace one another here and pile up nowhere."""
        async for _ in self._rib:
            session = self._established
            connection = None if session is None else self._connection(session.line)
            if connection is not None:
                await connection.drained()
            self._inbox.put_nowait(Newer())
            await self._inbox.join()

    async def _confirm(self) -> Never:
        """Notice when the peer has acknowledged all that was said."""
        while True:
            await self._progress.until(self._is_awaited)
            session = self._established
            assert session is not None, "only a session awaits anything"  # noqa: S101 - for the reader
            connection, told = self._connection(session.line), session.exchange.newest
            assert connection is not None, "what was told was told over one"  # noqa: S101 - for the reader
            assert told is not None, "an acknowledgement is of something"  # noqa: S101 - for the reader
            await connection.drained(below=0)
            patience = ACKNOWLEDGED
            while session is self._established and told is session.exchange.newest and connection.unsent():
                # The kernel tells nobody that the last octet was acknowledged: so we look again.
                await asyncio.sleep(patience)
                patience = min(2 * patience, ACKNOWLEDGED_MAX)
            if session is self._established and session.exchange.acknowledge(told):
                self._progressed()

    def _is_awaited(self, _: int) -> bool:
        """Whether all is said, and not all acknowledged."""
        if self._established is None:
            return False
        exchange = self._established.exchange
        return exchange.newest is not None and not exchange.settled and not exchange.unsaid

    def _converge(self) -> None:
        if self._established is not None:
            self._tell(self._established.exchange.converge(self._rib.value))

    def _make_room(self, line: Line, family: Family) -> None:
        """Answer a ROUTE-REFRESH when there is room; one who asks all the time is answered once a time."""
        connection, session = self._connection(line), self._established
        if connection is None or session is None or family in session.refreshing:
            return
        session.refreshing.add(family)

        async def again() -> None:
            await connection.drained()
            self._inbox.put_nowait(Again(family))

        self._group.create_task(again(), name=f"make_room {self._config.name}")

    def _tell(self, said: Sequence[Update | RouteRefresh]) -> None:
        """Begin to say what the exchange has taken up."""
        if updates := [message for message in said if isinstance(message, Update)]:
            self._log.debug(
                "updates_sent",
                updates=len(updates),
                announced=sum(len(update.announced) for update in updates),
                withdrawn=sum(len(update.withdrawn) for update in updates),
            )
        self._say()

    def _say(self) -> None:
        """Say a bounded part of what is unsaid; the loop, others and timers have their turn in between."""
        session = self._established
        if session is not None and session.exchange.unsaid:
            agreed = session.line.fsm.negotiated
            greatest = longest(extended=agreed is not None and agreed.extended_message)
            self._take(session.line, Advertise(updates=session.exchange.say(AT_ONCE // greatest)))
        self._progressed()

    def _progressed(self) -> None:
        self._progress.set(self._progress.value + 1)
        self._progressed_too()

    async def _look_out(self) -> None:
        async for _ in self._watch:
            self._inbox.put_nowait(Otherwise())

    def _watch_anew(self) -> None:
        if self._established is None:
            return
        families = self._established.exchange.watch(self._watch.value, self._now())
        if families:
            self._take(self._established.line, Ask(families=families))
        self._progressed_too()

    # ---- coming and going ----

    def _up(self, line: Line, negotiated: Negotiated) -> None:
        connection = self._connection(line)
        assert connection is not None, "a machine is Established on a connection"  # noqa: S101 - for the reader
        next_hops = next_hop_self(connection.local_address, extended=negotiated.extended_next_hop)
        now = self._now()
        exchange = Exchange(self._config, negotiated, next_hops, self._watch.value, now)
        self._established = Established(line=line, exchange=exchange, since=now)
        self._logged.clear()
        self._log.info(
            "session_established",
            address=connection.remote_address,
            local_address=connection.local_address,
            peer_as=negotiated.peer_as,
            hold_time=negotiated.hold_time,
            families=[str(family) for family in negotiated.families],
        )
        self._converge()

    def _hear(self, action: Heard) -> None:
        session, heard = self._established, action.heard
        assert session is not None, "an UPDATE comes in a session"  # noqa: S101 - for the reader
        if heard.text:
            self._refused(session, heard.outcome, heard.text)
        if session.exchange.see(action.content, heard.end_of_rib, self._now()):
            self._progressed_too()

    def _refused(self, session: Established, outcome: Outcome, text: str) -> None:
        """Say what was wrong with an UPDATE: aloud only so often a session, for there may be very many."""
        said = {"outcome": outcome.name.lower(), "reason": text}
        if text in session.faults or len(session.faults) >= SAID:
            self._log.debug("update_refused", **said)
            return
        session.faults.add(text)
        self._log.warning("update_refused", **said)

    def _ended(self, line: Line, down: Down, before: State) -> None:
        said = {"code": int(down.code), "subcode": int(down.subcode), "reason": down.text}
        session = self._established
        if session is not None and session.line is not line:
            session = None
        if session is None and line is not self._line:
            self._log.debug("second_connection_closed", state=before, **said)
            return
        if down.text not in self._logged:  # the same again, every few seconds, is no news
            if len(self._logged) == SAID:
                self._logged.clear()
            self._logged.add(down.text)
            match down.cause:
                case Cause.SENT:
                    self._log.info("notification_sent", **said)
                case Cause.RECEIVED:
                    self._log.warning("notification_received", **said)
                case Cause.CLOSED if session is None:
                    self._log.warning("session_failed", state=before, reason=down.text)
        if session is not None:
            self._established = None
            self._progressed()
            bound = self._log.bind(state=before, duration=round(self._now() - session.since, 3))
            ours = down.cause is Cause.SENT and down.code == ErrorCode.CEASE
            if ours and down.subcode != CeaseError.BFD_DOWN:
                bound.info("session_dropped", reason=down.text)
            else:
                bound.warning("session_dropped", reason=down.text)

    async def _leave(self) -> None:
        stop = self._farewell()
        for line in (self._line, *self._rivals()):
            self._take(line, stop)
        if self._closing:
            await asyncio.wait(self._closing, timeout=LEAVING)

    def _abandon(self) -> None:
        """Leave no socket open, whatever ended us."""
        for line in (self._line, *self._rivals()):
            connection = self._connection(line)
            if connection is not None:
                connection.abort()
        while not self._inbox.empty():
            incoming = self._inbox.get_nowait()
            if isinstance(incoming, Called):
                incoming.connection.abort()

    # ---- small words ----

    def _machine(self) -> Fsm:
        return Fsm(self._config, self._jitter, self._history)

    def _rivals(self) -> Iterator[Line]:
        if self._rival is not None:
            yield self._rival

    def _connection(self, line: Line | None) -> Connection | None:
        return line.wire.connection if line is not None and line.wire is not None else None

    def _deadline(self) -> Seconds | None:
        deadlines = [line.fsm.deadline for line in (self._line, *self._rivals())]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _now(self) -> Seconds:
        return asyncio.get_running_loop().time()


def _is_dialed(line: Line) -> bool:
    return line.wire is not None and line.wire.side is Side.DIALED


def _is_call(line: Line) -> bool:
    """Whether it has a call from the peer's address that has not become a session yet."""
    opening = line.fsm.state in (State.OPEN_SENT, State.OPEN_CONFIRM)
    return line.wire is not None and not _is_dialed(line) and opening


_ONE_IS_ENOUGH = "another connection to the same peer stays"
_NEWER = "a newer call from the same address has come before this one was a session"
_PROGRESS = {state: n for n, state in enumerate(State)}
