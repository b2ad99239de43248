"""The finite state machine of one BGP connection (RFC 4271 section 8): (event, now) -> actions.

Events and actions are values; the shell performs the actions in their order. No I/O, no clock, no chance.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vipd.bgp.iana import Family
from vipd.bgp.peer import Down, Negotiated, PeerConfig, PeerStatus, Seconds, State

if TYPE_CHECKING:
    from vipd.bgp import messages

# ---- events: what the shell tells the machine ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Events 1 and 4: let the peer be reached. Nothing, where that is under way already."""

    passive: bool = False  # wait for the peer this time, whatever the configuration says


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
    """Events 9 to 13: `deadline` has come. A Tick that comes early does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertise:
    """What AdjRibOut found to say. Ignored unless Established."""

    updates: "Sequence[messages.Update]"


Event = Start | Stop | Opened | Closed | Received | Tick | Advertise

# ---- actions: what the machine asks of the shell ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Begin to connect; answer with `Opened` or `Closed`. Only ever asked for after a `HangUp` of the last."""


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
    """An UPDATE came and was checked."""

    heard: "messages.Heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The peer asks for a whole family again (RFC 2918)."""

    family: Family


# peer.Down is an action too: the session left Established, or did not get there.
Action = Dial | HangUp | Transmit | Up | Heard | Refresh | Down


@dataclass(slots=True, kw_only=True)
class History:
    """What outlives a connection: counters, the last error and the failures in a row.

    Two connections of one peer, and one peer's successive machines, may share it.
    """

    messages: Counter[tuple[str, str]] = field(default_factory=Counter)  # ("sent", "update") -> n
    notifications: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    treat_as_withdraw: int = 0
    attribute_discard: int = 0
    prefixes_received: int = 0
    established: int = 0
    dropped: int = 0
    failures: int = 0  # sessions lost in a row since the last stable one
    last_error: Down | None = None
    last_error_at: Seconds | None = None


class Fsm:
    """One connection's state. A peer that only dials has one for life."""

    state: State
    since: Seconds  # of the present state
    negotiated: Negotiated | None  # from OpenConfirm on
    history: History

    def __init__(self, config: PeerConfig, jitter: Callable[[], float], history: History | None = None) -> None:
        """`jitter` draws from [0, 1), as `random.random` does."""
        raise NotImplementedError

    @property
    def deadline(self) -> Seconds | None:
        """When the shell must send a `Tick`, in loop seconds; None: never."""
        raise NotImplementedError

    def handle(self, event: Event, now: Seconds) -> list[Action]:
        """Take one event; return what to do, in order. Raises nothing."""
        raise NotImplementedError

    def status(self) -> PeerStatus:
        """A snapshot of all but what AdjRibOut knows (`desired`, `advertised`, `untold`)."""
        raise NotImplementedError
