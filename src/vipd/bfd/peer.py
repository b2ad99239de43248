"""Who is watched, at which pace, and how that fares: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vipd.bfd.packet import Diagnostic, Seconds, State

SLOW: Final[Seconds] = 1.0  # the least interval that may be asked for while not Up (RFC 5880 section 6.8.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often packets are to go and come, and how many may be missed. May change under a session."""

    interval: Seconds = 0.3  # the least, either way: DesiredMinTxInterval and RequiredMinRxInterval
    multiplier: int = 3  # DetectMult, 1 to 255


@dataclass(frozen=True, slots=True, kw_only=True)
class BfdPeer:
    """The next hop that one session watches."""

    name: str
    address: str  # an IP address; a link-local one carries its scope, fe80::1%eth0
    local_address: str | None = None  # None: as the kernel chooses
    interface: str | None = None  # that alone; None: whichever the route is over
    pace: Pace = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class BfdStatus:
    """A snapshot of one session. Times are loop seconds; counters are since it was made."""

    peer: BfdPeer
    state: State
    since: Seconds  # of the present state
    diagnostic: int = Diagnostic.NONE  # ours: why the state last changed
    remote_state: State = State.DOWN
    remote_diagnostic: int = Diagnostic.NONE
    discriminator: int = 0
    remote_discriminator: int = 0  # 0: nothing is heard
    transmit_interval: Seconds | None = None  # as agreed, before jitter; None: the peer wants nothing
    detection_time: Seconds | None = None  # None: nothing is heard
    ups: int = 0  # times
    downs: int = 0  # times Up was left
    sent: int = 0  # packets
    received: int = 0  # and taken
    dropped: Mapping[str, int] = field(default_factory=dict)  # by reason
