"""The BFD Control packet: a value, and its octets (RFC 5880 section 4.1).

Echo packets and authentication are not supported: we ask for no echo, and say so in every packet.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

Seconds = float

VERSION: Final = 1
LENGTH: Final = 24  # octets, without authentication
AUTHENTICATED_LENGTH: Final = 26  # at least
MULTIPLIER_MAX: Final = 255
MICROSECONDS: Final = 1_000_000  # in a second; intervals stand in microseconds on the wire
_FORMAT: Final = struct.Struct("!BBBBIIIII")
_POLL, _FINAL, _INDEPENDENT, _AUTHENTICATED, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


class State(IntEnum):
    """Of a session, as it stands in a packet (section 4.1)."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3

    def __str__(self) -> str:
        return _NAMES[self]


_NAMES: Final = {
    State.ADMIN_DOWN: "AdminDown",
    State.DOWN: "Down",
    State.INIT: "Init",
    State.UP: "Up",
}


class Diagnostic(IntEnum):
    """Why a session last changed its state (section 4.1)."""

    NONE = 0
    DETECTION_TIME_EXPIRED = 1
    ECHO_FAILED = 2
    NEIGHBOR_SIGNALED_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8


_MEANINGS: Final = {
    Diagnostic.NONE: "no diagnostic",
    Diagnostic.DETECTION_TIME_EXPIRED: "control detection time expired",
    Diagnostic.ECHO_FAILED: "echo function failed",
    Diagnostic.NEIGHBOR_SIGNALED_DOWN: "neighbor signaled session down",
    Diagnostic.FORWARDING_PLANE_RESET: "forwarding plane reset",
    Diagnostic.PATH_DOWN: "path down",
    Diagnostic.CONCATENATED_PATH_DOWN: "concatenated path down",
    Diagnostic.ADMINISTRATIVELY_DOWN: "administratively down",
    Diagnostic.REVERSE_CONCATENATED_PATH_DOWN: "reverse concatenated path down",
}


def meaning(diagnostic: int) -> str:
    """Say a diagnostic in the RFC's words; one of those it reserves, by its number."""
    try:
        return _MEANINGS[Diagnostic(diagnostic)]
    except ValueError:
        return f"diagnostic {diagnostic}"


class Reason(StrEnum):
    """Why a received packet was discarded, in the order of the checks."""

    TTL = "ttl"  # RFC 5881 section 5: it came from further than the next hop
    VERSION = "version"
    LENGTH = "length"
    MULTIPLIER = "multiplier"
    MULTIPOINT = "multipoint"
    MY_DISCRIMINATOR = "my_discriminator"  # is zero
    YOUR_DISCRIMINATOR = "your_discriminator"  # is of no session
    STATE = "state"  # does not go with an empty Your Discriminator
    STRANGER = "stranger"  # no session is with this address
    AUTHENTICATION = "authentication"  # none is in use


class Discarded(Exception):  # noqa: N818 - it is what happens to the packet
    """A received packet that is passed over, and counted."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPacket:
    """One BFD Control packet. Its intervals are seconds, exact to the microsecond."""

    state: State
    my_discriminator: int
    your_discriminator: int = 0
    diagnostic: int = Diagnostic.NONE
    poll: bool = False
    final: bool = False
    independent: bool = False  # of the control plane
    demand: bool = False
    multiplier: int
    desired_min_tx: Seconds
    required_min_rx: Seconds
    required_min_echo_rx: Seconds = 0.0
    authenticated: bool = False  # an Authentication Section follows, which is not read

    @classmethod
    def decode(cls, octets: bytes) -> "ControlPacket":
        """Read the payload of one datagram. Raises Discarded, by the first six rules of section 6.8.6."""
        if not octets or octets[0] >> 5 != VERSION:
            raise Discarded(Reason.VERSION)
        if len(octets) < LENGTH:
            raise Discarded(Reason.LENGTH)
        head, flags, multiplier, length, mine, yours, tx, rx, echo = _FORMAT.unpack_from(octets)
        shortest = AUTHENTICATED_LENGTH if flags & _AUTHENTICATED else LENGTH
        if not shortest <= length <= len(octets):
            raise Discarded(Reason.LENGTH)
        if not multiplier:
            raise Discarded(Reason.MULTIPLIER)
        if flags & _MULTIPOINT:
            raise Discarded(Reason.MULTIPOINT)
        if not mine:
            raise Discarded(Reason.MY_DISCRIMINATOR)
        return cls(
            state=State(flags >> 6),
            my_discriminator=mine,
            your_discriminator=yours,
            diagnostic=head & 0x1F,
            poll=bool(flags & _POLL),
            final=bool(flags & _FINAL),
            independent=bool(flags & _INDEPENDENT),
            demand=bool(flags & _DEMAND),
            multiplier=multiplier,
            desired_min_tx=tx / MICROSECONDS,
            required_min_rx=rx / MICROSECONDS,
            required_min_echo_rx=echo / MICROSECONDS,
            authenticated=bool(flags & _AUTHENTICATED),
        )

    def encode(self) -> bytes:
        """Return the 24 octets of it; nothing of ours is authenticated."""
        flags = (
            self.state << 6
            | (_POLL if self.poll else 0)
            | (_FINAL if self.final else 0)
            | (_INDEPENDENT if self.independent else 0)
            | (_DEMAND if self.demand else 0)
        )
        return _FORMAT.pack(
            VERSION << 5 | self.diagnostic,
            flags,
            self.multiplier,
            LENGTH,
            self.my_discriminator,
            self.your_discriminator,
            round(self.desired_min_tx * MICROSECONDS),
            round(self.required_min_rx * MICROSECONDS),
            round(self.required_min_echo_rx * MICROSECONDS),
        )
