"""The finite state machine of one BGP connection (RFC 4271 section 8): (event, now) -> actions.

Events and actions are values; the shell performs the actions in their order. No I/O, no clock, no chance.

Optional session attributes (section 8.1.1) that are here: AllowAutomaticStart, and DampPeerOscillations with
its IdleHoldTimer (a failed session is started again, later each time); PassiveTcpEstablishment. Those that
are not: AcceptConnectionsUnconfiguredPeers; CollisionDetectEstablishedState (collision.py looks at two of
these machines); DelayOpen; SendNOTIFICATIONwithoutOPEN (an OPEN is our first word); TrackTcpState.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from math import inf
from typing import ClassVar, Final, NamedTuple, assert_never

from vipd.bgp import messages
from vipd.bgp.attributes import Outcome
from vipd.bgp.capabilities import Capability
from vipd.bgp.errors import NotificationError
from vipd.bgp.framing import Framer
from vipd.bgp.iana import CeaseError, ErrorCode, Family, FsmError, MessageType, OpenError, RefreshSubtype
from vipd.bgp.messages import (
    Keepalive,
    Notification,
    Open,
    RouteRefresh,
    Update,
    UpdateReader,
    shutdown_data,
)
from vipd.bgp.negotiation import agree, offer
from vipd.bgp.peer import Cause, Down, Negotiated, PeerConfig, PeerStatus, Seconds, State

OPENING: Final[Seconds] = 240.0  # for the peer's OPEN to come: the RFC's "large value", section 8.2.2
SEND_HOLD: Final[Seconds] = 480.0  # or twice the hold time, if that is longer (RFC 9687 section 3.1)
STABLE: Final[Seconds] = 30.0  # Established for so long, or a hold time if longer, the back-off is forgotten
EXPLAINED: Final = (CeaseError.ADMINISTRATIVE_SHUTDOWN, CeaseError.ADMINISTRATIVE_RESET)  # RFC 9003
FINAL: Final = (CeaseError.ADMINISTRATIVE_SHUTDOWN, CeaseError.PEER_DE_CONFIGURED)  # we do not come back
SPARSEST: Final[Seconds] = 1.0  # KEEPALIVEs come no faster, jitter or not (section 4.4)

# ---- events: what the shell tells the machine ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Events 1 and 4: let the peer be reached. Nothing, where that is under way already."""

    passive: bool = False  # wait for the peer this time, whatever the configuration says
    later: bool = False  # go to the peer only when a connect-retry is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Event 2: Cease with this subcode, and stay Idle until the next `Start`."""

    subcode: int
    text: str  # why, for the people at the other end (RFC 9003)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Events 16 and 17: the TCP connection is there, dialled or accepted."""

    local_address: str
    remote_address: str
    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Event 18: the dial failed, or the connection is gone. Not sent in answer to a `HangUp`."""

    reason: str  # "connection refused", "closed by peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Octets from the connection, in any portions."""

    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Events 9 to 13 and 29: `deadline` has come. A Tick that comes early does nothing."""

    stuck_since: Seconds | None = None  # when the last octet that could be written was; None: none waits


@dataclass(frozen=True, slots=True, kw_only=True)
class PathDown:
    """What watches the path to the peer has lost it (RFC 9384). Nothing, where there is no connection."""

    text: str  # how it found that


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertise:
    """What AdjRibOut found to say. Ignored unless Established."""

    updates: Sequence[Update | RouteRefresh]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The peer is to tell whole families again (RFC 2918), if it can. Ignored unless Established."""

    families: Sequence[Family]


Event = Start | Stop | Opened | Closed | Received | Tick | PathDown | Advertise | Ask

# ---- actions: what the machine asks of the shell ----

NOTHING = messages.Content()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Begin to connect; answer with `Opened` or `Closed`. Of what was dialled before, nothing is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """Close the connection once what was transmitted is written, or give up the dial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmit:
    """Write these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """Established: an AdjRibOut begins, empty."""

    negotiated: Negotiated


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An UPDATE came and was checked. What it tells is passed on for a witness alone."""

    heard: messages.Heard
    content: messages.Content = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The peer asks for a whole family again (RFC 2918)."""

    family: Family


# peer.Down is an action too: the session left Established, or did not get there.
Action = Dial | HangUp | Transmit | Up | Heard | Refresh | Down


@dataclass(slots=True, kw_only=True)
class History:
    """What outlives a connection: counters, the last error and the back-off.

    Two connections of one peer, and one peer's successive machines, may share it.
    """

    messages: Counter[tuple[str, str]] = field(default_factory=Counter)  # ("sent", "update") -> n
    notifications: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    treat_as_withdraw: int = 0
    attribute_discard: int = 0
    ineligible: int = 0
    prefixes_received: int = 0
    established: int = 0
    dropped: int = 0
    idle_hold: Seconds = 0.0  # the last back-off; 0: none since the last stable session
    last_error: Down | None = None
    last_error_at: Seconds | None = None


# ---- steps: what an event comes to, one at a time ----


class Timer(Enum):
    """RFC 4271 section 8.1.3, RFC 9687."""

    CONNECT_RETRY = auto()
    HOLD = auto()
    KEEPALIVE = auto()
    IDLE_HOLD = auto()
    SEND_HOLD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Events 9, 10, 11, 13 and 29: a `Tick` found this timer due."""

    timer: Timer
    stuck_since: Seconds | None


class Unread(NamedTuple):
    """The body of an OPEN or an UPDATE, which only the state that expects it reads."""

    kind: MessageType
    body: bytes


Message = Unread | Notification | Keepalive | RouteRefresh
Step = Start | Stop | Opened | Closed | PathDown | Advertise | Ask | Expired | Message

_TYPES: Final[dict[type[Message], MessageType]] = {
    Notification: MessageType.NOTIFICATION,
    Keepalive: MessageType.KEEPALIVE,
    RouteRefresh: MessageType.ROUTE_REFRESH,
}
_DECODE: Final[dict[MessageType, Callable[[bytes], Message]]] = {
    MessageType.OPEN: partial(Unread, MessageType.OPEN),
    MessageType.UPDATE: partial(Unread, MessageType.UPDATE),
    MessageType.NOTIFICATION: Notification.decode,
    MessageType.KEEPALIVE: lambda _: Keepalive(),
}
_SENT: Final = {kind: ("sent", kind.name.lower()) for kind in MessageType}
_RECEIVED: Final = {kind: ("received", kind.name.lower()) for kind in MessageType}


class Fsm:
    """One connection's state. A peer that only dials has one for life."""

    def __init__(
        self, config: PeerConfig, jitter: Callable[[], float], history: History | None = None
    ) -> None:
        """`jitter` draws from [0, 1), as `random.random` does."""
        self.state = State.IDLE
        self.since: Seconds = 0.0  # of the present state
        self.history = History() if history is None else history
        self._config = config
        self._jitter = jitter
        self._offer = offer(config, restarted=not self.history.established)
        self._timers: dict[Timer, Seconds] = {}  # running -> due
        self._local_address: str | None = None
        self._accepted = False  # whether the peer, or who has its address, called us
        self._theirs: tuple[Capability, ...] = ()
        self._framer: Framer | None = None  # while there is a connection
        self._agreed: Negotiated  # from OpenConfirm on, as is the reader
        self._reader: UpdateReader

    @property
    def deadline(self) -> Seconds | None:
        """When the shell must send a `Tick`, in loop seconds; None: never."""
        return min(self._timers.values(), default=None)

    @property
    def negotiated(self) -> Negotiated | None:
        """What the two OPENs agreed on; None: the peer's has not come."""
        return self._agreed if self.state in (State.OPEN_CONFIRM, State.ESTABLISHED) else None

    def adopt(self, config: PeerConfig) -> None:
        """Go by another configuration, which the session goes on as."""
        self._config = config

    def handle(self, event: Event, now: Seconds) -> list[Action]:
        """Take one event; return what to do, in order. Raises nothing.

        The one place where an error becomes a NOTIFICATION (RFC 4271 section 6).
        """
        actions: list[Action] = []
        try:
            for step in self._steps(event, now):
                actions += self._STATES[self.state](self, step, now)
        except NotificationError as error:
            actions += self._error(error, now)
        return actions

    def status(self) -> PeerStatus:
        """A snapshot of all but what AdjRibOut knows (`desired`, `advertised`, `untold`)."""
        established = self.state is State.ESTABLISHED
        waiting = self.state in (State.IDLE, State.ACTIVE)
        history = self.history
        return PeerStatus(
            config=self._config,
            state=self.state,
            since=self.since,
            established_at=self.since if established else None,
            established=history.established,
            dropped=history.dropped,
            local_address=self._local_address,
            negotiated=self.negotiated,
            offered=tuple(map(str, self._offer.capabilities)),
            received=tuple(map(str, self._theirs)),
            messages=dict(history.messages),
            notifications=dict(history.notifications),
            treat_as_withdraw=history.treat_as_withdraw,
            attribute_discard=history.attribute_discard,
            ineligible=history.ineligible,
            prefixes_received=history.prefixes_received,
            last_error=history.last_error,
            last_error_at=history.last_error_at,
            back_off=history.idle_hold,
            retry_at=self.deadline if waiting else None,
        )

    # ---- from events to steps ----

    def _steps(self, event: Event, now: Seconds) -> Iterator[Step]:
        match event:
            case Tick(stuck_since=stuck_since):
                for timer in sorted(self._timers, key=self._timers.__getitem__):
                    if self._timers.get(timer, inf) <= now:  # an earlier one may have stopped or moved it
                        del self._timers[timer]
                        yield Expired(timer=timer, stuck_since=stuck_since)
            case Received(octets=octets):
                framer = self._framer
                if framer is None:
                    return  # said on a connection that is hung up already
                framer.feed(octets)
                for kind, body in framer:
                    self.history.messages[_RECEIVED[kind]] += 1
                    decode = self._decode_refresh if kind is MessageType.ROUTE_REFRESH else _DECODE[kind]
                    yield decode(body)
                    if self._framer is not framer:
                        return  # that message was the connection's last
            case _:
                yield event

    def _decode_refresh(self, body: bytes) -> RouteRefresh:
        enhanced = self.state is State.ESTABLISHED and self._agreed.enhanced_refresh
        return RouteRefresh.decode(body, enhanced=enhanced)

    # ---- the states, as RFC 4271 section 8.2.2 has them: numbers are those of its events ----

    def _idle(self, step: Step, now: Seconds) -> list[Action]:
        match step:
            case Start(later=True):
                self._listen(self._config.connect_retry, now)
                return []
            case Start(passive=passive):  # 1, 4
                return self._start(now, passive=passive or self._config.passive)
            case Expired(timer=Timer.IDLE_HOLD):  # 13
                return self._start(now, passive=self._config.passive)
            case Stop():  # 2: and no automatic start any more
                self._timers.clear()
                return []
            case Opened():  # "refuses all incoming BGP connections for this peer"
                return [HangUp()]
            case _:  # 9-12, 15-28
                return []

    def _connect(self, step: Step, now: Seconds) -> list[Action]:
        match step:
            case Start():  # 1, 3-7
                return []
            case Stop():  # 2
                self._release(State.IDLE, now)
                return [HangUp()]
            case Expired(timer=Timer.CONNECT_RETRY):  # 9
                key = ": it may be down, or have another MD5 key" if self._config.md5_key else ""
                text = f"no answer within {self._config.connect_retry:g} s{key}"
                down = self._note(Down(cause=Cause.CLOSED, text=text), now)
                return [HangUp(), down, *self._start(now, passive=False)]
            case Opened():  # 16, 17
                return self._open(step, now)
            case Closed(reason=reason):  # 18
                # To Active, as where the RFC's DelayOpenTimer runs: the peer may come to us meanwhile, and a
                # ToR that refuses while it boots is met within one connect-retry.
                self._listen(self._config.connect_retry, now)
                return [self._note(Down(cause=Cause.CLOSED, text=reason), now)]
            case _:  # 8, 10-15, 19-28: none comes without a connection
                return []

    def _active(self, step: Step, now: Seconds) -> list[Action]:
        match step:
            case Start():  # 1, 3-7
                return []
            case Stop():  # 2
                self._release(State.IDLE, now)
                return []
            case Expired(timer=Timer.CONNECT_RETRY):  # 9
                return self._start(now, passive=False)
            case Opened():  # 16, 17
                return self._open(step, now)
            case _:  # 8, 10-15, 18-28: none comes without a connection
                return []

    def _open_sent(self, step: Step, now: Seconds) -> list[Action]:
        match step:
            case Start():  # 1, 3-7
                return []
            case Stop():  # 2
                return self._cease(step, now)
            case Expired():  # 10
                raise NotificationError(
                    ErrorCode.HOLD_TIMER_EXPIRED, 0, text=f"no OPEN within {OPENING:g} s of connecting"
                )
            case Opened():  # 16, 17: a second connection is another Fsm's
                return []
            case Closed():  # 18
                # Damped, unlike the RFC's: a ToR that does not know us accepts and closes, again and again.
                # But who called us, and went without a word, need not even be the peer.
                back_off = 0.0 if self._accepted else self._back_off()
                self._listen(max(self._config.connect_retry, back_off), now)
                return [HangUp(), self._note(Down(cause=Cause.CLOSED, text=_REFUSED), now)]
            case Unread(kind=MessageType.OPEN, body=body):  # 19, 22
                return [self._confirm(Open.decode(body), now)]
            case Notification():  # 24, 25
                return self._notified(step, now)
            case PathDown():
                raise _path_down(step)
            case Unread() | Keepalive() | RouteRefresh():  # 26-28
                raise _unexpected(step, FsmError.UNEXPECTED_IN_OPEN_SENT)
            case _:  # local
                return []

    def _open_confirm(self, step: Step, now: Seconds) -> list[Action]:  # noqa: C901 - as many events
        match step:
            case Start():  # 1, 3-7
                return []
            case Stop():  # 2
                return self._cease(step, now)
            case Expired(timer=Timer.KEEPALIVE):  # 11
                return [self._keepalive(now)]
            case Expired():  # 10
                raise self._hold_expired()
            case Opened():  # 16, 17: a second connection is another Fsm's
                return []
            case Closed(reason=reason):  # 18
                return self._fail(Down(cause=Cause.CLOSED, text=reason), now)
            case Notification():  # 24, 25
                return self._notified(step, now)
            case PathDown():
                raise _path_down(step)
            case Keepalive():  # 26
                self._restart_hold(now)
                self._restart_send_hold(now)
                self._enter(State.ESTABLISHED, now)
                self.history.established += 1
                return [Up(negotiated=self._agreed)]
            case Unread(kind=MessageType.OPEN, body=body):  # 19, 22
                Open.decode(body)  # a wrong one has an error of its own, here but not in Established
                raise _unexpected(step, FsmError.UNEXPECTED_IN_OPEN_CONFIRM)
            case Unread() | RouteRefresh():  # 27, 28
                raise _unexpected(step, FsmError.UNEXPECTED_IN_OPEN_CONFIRM)
            case _:  # local
                return []

    def _established(self, step: Step, now: Seconds) -> list[Action]:  # noqa: C901, PLR0912 - as many events
        match step:
            case Start():  # 1, 3-7
                return []
            case Stop():  # 2
                return self._cease(step, now)
            case Expired(timer=Timer.KEEPALIVE):  # 11
                return [self._keepalive(now)]
            case Expired(timer=Timer.SEND_HOLD, stuck_since=stuck_since):  # 29
                return self._send_hold(stuck_since, now)
            case Expired():  # 10
                raise self._hold_expired()
            case Opened():  # 16, 17: a second connection is another Fsm's
                return []
            case Closed(reason=reason):  # 18
                return self._fail(Down(cause=Cause.CLOSED, text=reason), now)
            case Notification():  # 24, 25
                return self._notified(step, now)
            case PathDown():
                raise _path_down(step)
            case Keepalive():  # 26
                self._restart_hold(now)
                return []
            case Unread(kind=MessageType.OPEN):  # 19, 22
                raise _unexpected(step, FsmError.UNEXPECTED_IN_ESTABLISHED)
            case Unread(body=body):  # 27, 28
                self._restart_hold(now)
                return [self._read(body)]
            case RouteRefresh():  # RFC 2918 section 4: nothing of it moves a timer
                return self._refresh(step)
            case Advertise(updates=updates):
                return self._advertise(updates, now)
            case Ask(families=families):
                return self._ask(families)
            case _:
                assert_never(step)

    _STATES: ClassVar[dict[State, Callable[["Fsm", Step, Seconds], list[Action]]]] = {
        State.IDLE: _idle,
        State.CONNECT: _connect,
        State.ACTIVE: _active,
        State.OPEN_SENT: _open_sent,
        State.OPEN_CONFIRM: _open_confirm,
        State.ESTABLISHED: _established,
    }

    # ---- transitions that more than one state makes ----

    def _start(self, now: Seconds, *, passive: bool) -> list[Action]:
        """To Connect, or to Active to wait for the peer."""
        if passive:
            self._release(State.ACTIVE, now)
            return []
        self._release(State.CONNECT, now)
        self._timers[Timer.CONNECT_RETRY] = now + self._jittered(self._config.connect_retry)
        return [Dial()]

    def _listen(self, retry: Seconds, now: Seconds) -> None:
        """To Active: the peer may come to us, until we go to it."""
        self._release(State.ACTIVE, now)
        if not self._config.passive:
            self._timers[Timer.CONNECT_RETRY] = now + self._jittered(retry)

    def _open(self, opened: Opened, now: Seconds) -> list[Action]:
        """To OpenSent."""
        self._release(State.OPEN_SENT, now)
        self._local_address = opened.local_address
        self._accepted = opened.accepted
        self._framer = Framer()
        self._offer = offer(self._config, restarted=not self.history.established)
        self._timers[Timer.HOLD] = now + OPENING
        return [self._transmit(MessageType.OPEN, self._offer.encode())]

    def _confirm(self, theirs: Open, now: Seconds) -> Action:
        """To OpenConfirm. Raises NotificationError where the peer's OPEN will not do."""
        self._theirs = theirs.capabilities
        self._agreed = agree(self._config, theirs)
        self._reader = UpdateReader(
            four_octet_as=self._agreed.four_octet_as,
            ebgp=self._agreed.ebgp,
            families=self._agreed.families,
            extended_next_hop=self._agreed.extended_next_hop,
            role=self._config.role,
            peer_as=self._agreed.peer_as,
        )
        assert self._framer is not None, "the OPEN came out of it"  # noqa: S101 - for the reader
        self._framer.extended = self._agreed.extended_message
        self._enter(State.OPEN_CONFIRM, now)
        self._timers.clear()  # the opening time; the hold time may be none
        self._restart_hold(now)
        return self._keepalive(now)

    def _notified(self, notification: Notification, now: Seconds) -> list[Action]:
        """To Idle, as the peer wishes."""
        code, subcode, octets = notification.code, notification.subcode, notification.data
        self.history.notifications["received", code, subcode] += 1
        text = f"{notification}{self._hint(code, subcode)}"
        return self._fail(Down(cause=Cause.RECEIVED, text=text, code=code, subcode=subcode, data=octets), now)

    def _hint(self, code: int, subcode: int) -> str:
        """Say what a NOTIFICATION means here, where its name leaves that to be guessed."""
        match code, subcode:
            case ErrorCode.OPEN, OpenError.BAD_PEER_AS:
                return f": it expects another AS of us than {self._config.local_as}"
            case ErrorCode.OPEN, OpenError.BAD_BGP_IDENTIFIER:
                return f": it does not take our router ID {self._config.router_id}"
            case ErrorCode.CEASE, CeaseError.CONNECTION_COLLISION_RESOLUTION:
                return ": it has another connection from our address"
        return ""

    def _cease(self, stop: Stop, now: Seconds) -> list[Action]:
        """To Idle, and no automatic start follows."""
        octets = shutdown_data(stop.text) if stop.subcode in EXPLAINED else b""
        subcode = stop.subcode
        if subcode in FINAL and self.negotiated is not None and self._agreed.hard_reset:
            # RFC 8538 section 3: else the peer would wait for us to come back.
            subcode, octets = CeaseError.HARD_RESET, bytes((ErrorCode.CEASE, subcode)) + octets
        cease = NotificationError(ErrorCode.CEASE, subcode, data=octets, text=stop.text)
        self._release(State.IDLE, now)
        return [self._notify(cease), HangUp(), self._note(_down(cease), now)]

    def _error(self, error: NotificationError, now: Seconds) -> list[Action]:
        """To Idle, telling the peer what it did wrong."""
        return [self._notify(error), *self._fail(_down(error), now)]

    def _fail(self, down: Down, now: Seconds) -> list[Action]:
        """To Idle, and on again by itself when the idle hold time is over."""
        self._release(State.IDLE, now)
        self._timers[Timer.IDLE_HOLD] = now + self._jittered(self._back_off())
        return [HangUp(), self._note(down, now)]

    def _release(self, state: State, now: Seconds) -> None:
        """To a state in which no timer and nothing of the last connection is left."""
        if self.state is State.ESTABLISHED:
            self.history.dropped += 1
            if now - self.since >= max(STABLE, self._agreed.hold_time):
                self.history.idle_hold = 0.0
        self._timers.clear()
        self._framer = self._local_address = None
        self._theirs = ()
        self._enter(state, now)

    def _enter(self, state: State, now: Seconds) -> None:
        if state is not self.state:
            self.state, self.since = state, now

    # ---- what happens within a state ----

    def _read(self, body: bytes) -> Action:
        """Check an UPDATE and count it. Raises NotificationError where RFC 7606 resets the session."""
        heard = self._reader.read(body)
        history = self.history
        history.prefixes_received += heard.announced
        if heard.outcome is Outcome.TREAT_AS_WITHDRAW:
            history.treat_as_withdraw += 1
        elif heard.outcome is Outcome.ATTRIBUTE_DISCARD:
            history.attribute_discard += 1
        elif heard.outcome is Outcome.INELIGIBLE:
            history.ineligible += 1
        if self._config.witness:
            return Heard(heard=heard, content=self._reader.content(body, heard))
        return Heard(heard=heard)

    def _refresh(self, asked: RouteRefresh) -> list[Action]:
        """RFC 2918 section 4: who has our offer may ask, without one of its own. What we have not agreed to
        tell is not answered. The subtype is a reserved octet where RFC 7313 was not agreed on; else the marks
        of an answer ask for nothing, and we ask nobody.
        """
        if self._agreed.enhanced_refresh and asked.subtype != RefreshSubtype.REQUEST:
            return []
        family = asked.family
        return [Refresh(family=family)] if family in self._agreed.families else []

    def _ask(self, families: Sequence[Family]) -> list[Action]:
        if not self._agreed.route_refresh:
            return []
        requests = [RouteRefresh(afi=family.afi, safi=family.safi) for family in families]
        return [self._transmit(MessageType.ROUTE_REFRESH, request.encode()) for request in requests]

    def _advertise(self, updates: Sequence[Update | RouteRefresh], now: Seconds) -> list[Action]:
        if not updates:
            return []
        four_octet_as, extended = self._agreed.four_octet_as, self._agreed.extended_message
        encoded = []
        for update in updates:
            if isinstance(update, Update):
                encoded.append(update.encode(four_octet_as=four_octet_as, extended=extended))
                self.history.messages[_SENT[MessageType.UPDATE]] += 1
                self._restart_keepalive(now)  # which a ROUTE-REFRESH does not stand for
            else:
                encoded.append(update.encode())
                self.history.messages[_SENT[MessageType.ROUTE_REFRESH]] += 1
        return [Transmit(octets=b"".join(encoded))]

    def _send_hold(self, stuck_since: Seconds | None, now: Seconds) -> list[Action]:
        """RFC 9687 section 3.2. No NOTIFICATION: it would wait behind what the peer does not take."""
        if stuck_since is None or stuck_since + self._send_hold_time > now:
            self._restart_send_hold(now if stuck_since is None else stuck_since)
            return []
        text = f"Send Hold Timer Expired: the peer took nothing of what we say for {self._send_hold_time:g} s"
        return self._fail(Down(cause=Cause.CLOSED, text=text, code=ErrorCode.SEND_HOLD_TIMER_EXPIRED), now)

    def _keepalive(self, now: Seconds) -> Action:
        self._restart_keepalive(now)
        return self._transmit(MessageType.KEEPALIVE, Keepalive().encode())

    def _notify(self, error: NotificationError) -> Action:
        self.history.notifications["sent", error.code, error.subcode] += 1
        notification = Notification(code=error.code, subcode=error.subcode, data=error.data)
        agreed = self.negotiated
        extended = agreed is not None and agreed.extended_message
        return self._transmit(MessageType.NOTIFICATION, notification.encode(extended=extended))

    def _transmit(self, kind: MessageType, octets: bytes) -> Action:
        self.history.messages[_SENT[kind]] += 1
        return Transmit(octets=octets)

    def _note(self, down: Down, now: Seconds) -> Down:
        self.history.last_error, self.history.last_error_at = down, now
        return down

    # ---- timers ----

    def _restart_hold(self, now: Seconds) -> None:
        if self._agreed.hold_time:
            self._timers[Timer.HOLD] = now + self._agreed.hold_time

    @property
    def _send_hold_time(self) -> Seconds:
        """Zero: none, as where no hold time was agreed on (RFC 9687 section 3.1)."""
        hold_time, wanted = self._agreed.hold_time, self._config.send_hold_time
        if not hold_time:
            return 0.0
        return max(SEND_HOLD, 2 * hold_time) if wanted is None else wanted

    def _restart_send_hold(self, moment: Seconds) -> None:
        """Count from when something was last sent: looked up when the timer is due, not noted each time."""
        if self._send_hold_time:
            self._timers[Timer.SEND_HOLD] = moment + self._send_hold_time

    def _restart_keepalive(self, now: Seconds) -> None:
        if self._agreed.hold_time:
            self._timers[Timer.KEEPALIVE] = now + max(SPARSEST, self._jittered(self._agreed.keepalive))

    def _back_off(self) -> Seconds:
        """The idle hold time, twice as long with each failure (DampPeerOscillations)."""
        config, history = self._config, self.history
        history.idle_hold = min(max(config.idle_hold, 2 * history.idle_hold), config.idle_hold_max)
        return history.idle_hold

    def _jittered(self, period: Seconds) -> Seconds:
        """Section 10: three quarters to the whole of it, so that many speakers do not move as one."""
        return period * (0.75 + 0.25 * self._jitter())

    def _hold_expired(self) -> NotificationError:
        return NotificationError(
            ErrorCode.HOLD_TIMER_EXPIRED, 0, text=f"nothing heard for {self._agreed.hold_time} s"
        )


# Closed or reset, it is the same to us; and this is what operators find behind it.
_REFUSED = "the peer hung up before its OPEN: it may not expect us, or have a session with us already"


def _unexpected(message: Message, subcode: FsmError) -> NotificationError:
    """RFC 6608: the message's type is told with the error."""
    kind = message.kind if isinstance(message, Unread) else _TYPES[type(message)]
    return NotificationError(ErrorCode.FSM, subcode, data=bytes((kind,)), text=f"{kind.name} came")


def _path_down(lost: PathDown) -> NotificationError:
    return NotificationError(ErrorCode.CEASE, CeaseError.BFD_DOWN, text=lost.text)


def _down(error: NotificationError) -> Down:
    return Down(cause=Cause.SENT, text=str(error), code=error.code, subcode=error.subcode, data=error.data)
