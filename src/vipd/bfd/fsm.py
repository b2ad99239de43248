"""The state machine of one BFD session (RFC 5880 section 6.8): (event, now) -> actions.

Events and actions are values; the shell performs the actions in their order. No I/O, no clock, no chance.

We take the active role, in asynchronous mode. The peer may be in Demand mode; we never are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, assert_never

from vipd.bfd.packet import ControlPacket, Diagnostic, Seconds, State
from vipd.bfd.peer import SLOW, BfdPeer, BfdStatus, Pace

LATE: Final[Seconds] = 0.01  # a Tick that comes so much after its time tells of a process that was stalled
GRACE: Final[Seconds] = 0.02  # for what was sent to it meanwhile to arrive

# ---- events: what the shell tells the machine ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The session is not wanted any more (section 6.8.16); `Over` follows when the peer has been told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A packet for this session. It may have waited in the socket."""

    packet: ControlPacket
    at: Seconds  # when it arrived


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Another pace is wanted."""

    pace: Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """`deadline` has come, and what had arrived by now was told before. An early one does nothing."""


Event = Stop | Received | Change | Tick

# ---- actions: what the machine asks of the shell ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmit:
    """Send these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """The path works, both ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """Up was left."""

    diagnostic: Diagnostic
    remote_diagnostic: int
    deliberate: bool  # an operator, at either end: it says nothing about the path (section 6.8.16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """Nothing is to be sent any more, and nothing heard."""


Action = Transmit | Up | Down | Over


class Timer(Enum):
    """What a session waits for."""

    TRANSMIT = auto()  # the next periodic packet
    DETECTION = auto()  # the peer's next packet
    FAREWELL = auto()  # the peer to have heard that we are going


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What the peer said last; as it stands here, that it said nothing (section 6.8.1)."""

    discriminator: int = 0
    state: State = State.DOWN
    diagnostic: int = Diagnostic.NONE
    demand: bool = False
    min_rx: Seconds = 1e-6
    min_tx: Seconds = 0.0
    multiplier: int = 0


UNHEARD: Final = Remote()

# Section 6.8.6: our state and the peer's to our next one. What is not here changes nothing.
NEXT: Final = {
    (State.DOWN, State.DOWN): State.INIT,
    (State.DOWN, State.INIT): State.UP,
    (State.INIT, State.INIT): State.UP,
    (State.INIT, State.UP): State.UP,
    (State.INIT, State.ADMIN_DOWN): State.DOWN,
    (State.UP, State.DOWN): State.DOWN,
    (State.UP, State.ADMIN_DOWN): State.DOWN,
}


class Fsm:
    """One session's state."""

    def __init__(self, peer: BfdPeer, discriminator: int, jitter: Callable[[], float], now: Seconds) -> None:
        """`discriminator` is no other session's and not zero; `jitter` draws from [0, 1)."""
        self.peer = peer
        self.discriminator = discriminator
        self.state = State.DOWN
        self._since = now
        self._jitter = jitter
        self._diagnostic = Diagnostic.NONE
        self._remote = UNHEARD
        # What we say, and what holds meanwhile: see `_propose`.
        self._desired_min_tx = self._tx_in_force = max(SLOW, peer.pace.interval)
        self._required_min_rx = self._rx_in_force = peer.pace.interval
        self._polling = False
        self._poll_again = False  # something changed while a Poll Sequence was under way
        self._timers = {Timer.TRANSMIT: now}  # running -> due
        self._paced = self.transmit_interval  # that by which the transmission timer is set
        self._sent_at = now
        self._given_grace = False
        self._ups = self._downs = self._sent = self._received = 0

    @property
    def deadline(self) -> Seconds | None:
        """When the shell must send a `Tick`, in loop seconds; None: never."""
        return min(self._timers.values(), default=None)

    @property
    def transmit_interval(self) -> Seconds | None:
        """Between periodic packets, before jitter (section 6.8.7); None: none may be sent."""
        remote = self._remote
        demanded = remote.demand and self.state is State.UP and remote.state is State.UP
        if not remote.min_rx or (demanded and not self._polling):
            return None
        return max(self._tx_in_force, remote.min_rx)

    @property
    def detection_time(self) -> Seconds | None:
        """Without a packet for so long, the peer is gone (section 6.8.4); None: it has not come."""
        if self._remote is UNHEARD:
            return None
        return self._remote.multiplier * max(self._rx_in_force, self._remote.min_tx)

    def handle(self, event: Event, now: Seconds) -> list[Action]:
        """Take one event; return what to do, in order. Raises nothing."""
        match event:
            case Stop():
                return self._stop(now)
            case Received(packet=packet, at=at):
                return self._receive(packet, at, now)
            case Change(pace=pace):
                return self._change(pace, now)
            case Tick():
                return self._tick(now)
            case _:
                assert_never(event)

    def status(self) -> BfdStatus:
        """A snapshot of all but what was dropped before it came here."""
        return BfdStatus(
            peer=self.peer,
            state=self.state,
            since=self._since,
            diagnostic=self._diagnostic,
            remote_state=self._remote.state,
            remote_diagnostic=self._remote.diagnostic,
            discriminator=self.discriminator,
            remote_discriminator=self._remote.discriminator,
            transmit_interval=self.transmit_interval,
            detection_time=self.detection_time,
            ups=self._ups,
            downs=self._downs,
            sent=self._sent,
            received=self._received,
        )

    # ---- events ----

    def _stop(self, now: Seconds) -> list[Action]:
        """To AdminDown, and say so for as long as the peer might miss it (section 6.8.16)."""
        if self.state is State.ADMIN_DOWN:
            return []
        self._timers.pop(Timer.DETECTION, None)
        actions = self._enter(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN, now)
        self._ask_nothing(now)
        self._timers[Timer.FAREWELL] = now + self.peer.pace.multiplier * self._desired_min_tx
        return [self._transmit(now), *actions]

    def _change(self, pace: Pace, now: Seconds) -> list[Action]:
        """A new multiplier needs no Poll Sequence (section 6.8.12): the next packet tells it."""
        self.peer = replace(self.peer, pace=pace)
        self._propose(now)
        return []

    def _receive(self, packet: ControlPacket, at: Seconds, now: Seconds) -> list[Action]:
        """Section 6.8.6, from where the session is known."""
        self._remote = Remote(
            discriminator=packet.my_discriminator,
            state=packet.state,
            diagnostic=packet.diagnostic,
            demand=packet.demand,
            min_rx=packet.required_min_rx,
            min_tx=packet.desired_min_tx,
            multiplier=packet.multiplier,
        )
        if packet.final and self._polling:
            self._end_poll()
        if self.state is State.ADMIN_DOWN:
            return []
        self._received += 1
        after = NEXT.get((self.state, packet.state), self.state)
        changed = after is not self.state
        actions: list[Action] = []
        if changed:
            signaled = after is State.DOWN
            why = Diagnostic.NEIGHBOR_SIGNALED_DOWN if signaled else Diagnostic.NONE
            actions = self._enter(after, why, now)
        self._await(at)
        self._pace(now)
        if packet.poll or changed:  # at once, so that the peer knows at once (section 6.8.7)
            actions.insert(0, self._transmit(now, final=packet.poll))
        return actions

    def _tick(self, now: Seconds) -> list[Action]:
        actions: list[Action] = []
        if self._due(Timer.DETECTION, now) and not self._overslept(now):
            actions += self._lose(now)
        if self._due(Timer.FAREWELL, now):
            self._timers.clear()
            return [Over()]
        if self._due(Timer.TRANSMIT, now):
            actions.insert(0, self._transmit(now))
        return actions

    # ---- transitions ----

    def _enter(self, state: State, diagnostic: Diagnostic, now: Seconds) -> list[Action]:
        before, self.state, self._since, self._diagnostic = self.state, state, now, diagnostic
        self._propose(now)
        if state is State.UP:
            self._ups += 1
            return [Up()]
        if before is not State.UP:
            return []
        self._downs += 1
        deliberate = State.ADMIN_DOWN in (state, self._remote.state)
        return [Down(diagnostic=diagnostic, remote_diagnostic=self._remote.diagnostic, deliberate=deliberate)]

    def _lose(self, now: Seconds) -> list[Action]:
        """Nothing came for a detection time: what the peer said holds no more, and nothing is asked of it."""
        del self._timers[Timer.DETECTION]
        self._remote = UNHEARD
        if self.state is State.DOWN:
            self._ask_nothing(now)
            return []
        actions = self._enter(State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED, now)
        self._ask_nothing(now)
        return [self._transmit(now), *actions]

    # ---- pace ----

    def _propose(self, now: Seconds) -> None:
        """Say what intervals this state asks for; a Poll Sequence begins where that is new (section 6.8.3).

        While Up, we neither slow down nor expect more before the peer has agreed to it.
        """
        interval = self.peer.pace.interval
        desired = interval if self.state is State.UP else max(SLOW, interval)
        if (desired, interval) != (self._desired_min_tx, self._required_min_rx):
            self._desired_min_tx, self._required_min_rx = desired, interval
            self._poll_again, self._polling = self._polling, True
        if self.state is State.UP:
            self._tx_in_force = min(self._tx_in_force, desired)
            self._rx_in_force = max(self._rx_in_force, interval)
        else:
            self._settle()
        self._pace(now)

    def _end_poll(self) -> None:
        self._polling, self._poll_again = self._poll_again, False
        if not self._polling:
            self._settle()

    def _ask_nothing(self, now: Seconds) -> None:
        self._polling = self._poll_again = False
        self._pace(now)

    def _settle(self) -> None:
        self._tx_in_force, self._rx_in_force = self._desired_min_tx, self._required_min_rx

    def _pace(self, now: Seconds) -> None:
        """Let the transmission timer follow the interval; a shorter one counts from the last packet on."""
        interval = self.transmit_interval
        if interval == self._paced:
            return
        self._paced = interval
        if interval is None:
            self._timers.pop(Timer.TRANSMIT, None)
        else:
            self._timers[Timer.TRANSMIT] = max(now, self._sent_at + self._jittered(interval))

    def _jittered(self, interval: Seconds) -> Seconds:
        """Section 6.8.7: 75 to 100 % of it; to 90 % where the peer allows for no loss."""
        span = 0.15 if self.peer.pace.multiplier == 1 else 0.25
        return interval * (0.75 + span * self._jitter())

    # ---- detection ----

    def _await(self, at: Seconds) -> None:
        detection_time = self.detection_time
        assert detection_time is not None, "a packet has just come"  # noqa: S101 - for the reader
        self._timers[Timer.DETECTION] = at + detection_time
        self._given_grace = False

    def _overslept(self, now: Seconds) -> bool:
        """Whether the detection timer is judged too late to be believed; once only.

        Who was stalled cannot tell a silent peer from a machine that was stalled with it: the network may
        still hold what was sent.
        """
        if self._given_grace or now - self._timers[Timer.DETECTION] < LATE:
            return False
        self._given_grace = True
        self._timers[Timer.DETECTION] = now + GRACE
        return True

    # ---- packets ----

    def _transmit(self, now: Seconds, *, final: bool = False) -> Action:
        """Section 6.8.7. An answer to a Poll is none of the periodic packets, and moves their timer not."""
        if not final:
            self._sent_at = now
            if self._paced is not None:
                self._timers[Timer.TRANSMIT] = now + self._jittered(self._paced)
        self._sent += 1
        packet = ControlPacket(
            state=self.state,
            my_discriminator=self.discriminator,
            your_discriminator=self._remote.discriminator,
            diagnostic=self._diagnostic,
            poll=self._polling and not final,
            final=final,
            multiplier=self.peer.pace.multiplier,
            desired_min_tx=self._desired_min_tx,
            required_min_rx=self._required_min_rx,
        )
        return Transmit(octets=packet.encode())

    def _due(self, timer: Timer, now: Seconds) -> bool:
        return timer in self._timers and self._timers[timer] <= now
