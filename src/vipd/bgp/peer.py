"""Who a peer is, what was agreed with it, and how it fares: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address

from vipd.bgp.iana import Family, Role

Seconds = float


class State(StrEnum):
    """RFC 4271 section 8.2.2."""

    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """One neighbour's session parameters. What becomes of a session when they change, `goes_on_as` says.

    What merely colours the routes told to it is its `Policy` (route.py), which may change under a
    standing session.
    """

    name: str
    address: str  # an IP address; a link-local one carries its scope, fe80::1%eth0
    local_as: int
    router_id: IPv4Address
    peer_as: int | None = None  # None: "external", any AS but our own
    port: int = 179
    local_address: str | None = None  # None: as the kernel chooses
    interface: str | None = None  # that alone; None: whichever the route is over
    passive: bool = False
    description: str = ""
    families: tuple[Family, ...] = (Family.IPV4, Family.IPV6)
    role: Role | None = None  # ours (RFC 9234); None: not said
    role_strict: bool = False  # whether the peer must say its own
    hold_time: int = 9  # seconds; 0 or at least 3
    send_hold_time: int | None = None  # seconds, 0: none; None: as RFC 9687 has it
    connect_retry: Seconds = 5.0
    idle_hold: Seconds = 1.0  # doubles with each failure of a session, up to:
    idle_hold_max: Seconds = 60.0
    # How long the peer keeps our routes while we restart, in seconds (RFC 4724). 0: not at all, but the
    # capability is offered, for peers that else send no End-of-RIB; None: it is not.
    graceful_restart: int | None = None
    md5_key: bytes | None = field(default=None, repr=False)
    ttl_security: int | None = None  # hops away the peer may be (RFC 5082); 1 for a direct one
    witness: bool = False  # what it tells of some prefixes is kept (sightings.py)
    multihop: int | None = None  # TTL of what we send; None: 1 on eBGP, 64 on iBGP

    def goes_on_as(self, other: "PeerConfig") -> bool:
        """Whether a session with this one can go on as one with the other: they differ in no more than the
        description, or which MD5 key it is.
        """
        signed = (self.md5_key is None) is (other.md5_key is None)
        return signed and replace(self, md5_key=other.md5_key, description=other.description) == other


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiated:
    """What two OPENs agree on (RFC 4271 section 4.2, RFC 5492)."""

    peer_as: int
    peer_router_id: IPv4Address
    ebgp: bool
    hold_time: int  # seconds, 0: no keepalives
    keepalive: Seconds
    families: tuple[Family, ...]
    four_octet_as: bool
    route_refresh: bool
    enhanced_refresh: bool = False  # RFC 7313
    extended_next_hop: bool = False  # RFC 8950: IPv4 routes may have IPv6 next hops
    graceful_restart: bool = False  # the peer keeps our routes through a restart, until our End-of-RIB
    hard_reset: bool = False  # and else through any NOTIFICATION but a Hard Reset (RFC 8538)
    restarts: bool = False  # it may restart itself so
    extended_message: bool = False  # RFC 8654: both take up to 65,535 octets


class Cause(StrEnum):
    """Who ended a session, or kept it from starting."""

    SENT = "sent"  # we sent a NOTIFICATION
    RECEIVED = "received"  # the peer sent one
    CLOSED = "closed"  # the transport failed, or lets nothing through, or the peer closed it without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """Why a session left Established, or never got there."""

    cause: Cause
    text: str  # one sentence for people, both sides' values in it where they disagree
    code: int = 0
    subcode: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """A snapshot of one session. Times are loop seconds; counters are since the daemon's start."""

    config: PeerConfig
    state: State
    since: Seconds  # of the present state
    established_at: Seconds | None = None
    established: int = 0  # times
    dropped: int = 0  # times Established was left
    local_address: str | None = None
    negotiated: Negotiated | None = None
    offered: tuple[str, ...] = ()  # capabilities, in words
    received: tuple[str, ...] = ()
    messages: Mapping[tuple[str, str], int] = field(default_factory=dict)  # ("sent", "update") -> n
    notifications: Mapping[tuple[str, int, int], int] = field(default_factory=dict)  # (direction, code, sub)
    treat_as_withdraw: int = 0  # UPDATEs received (RFC 7606)
    attribute_discard: int = 0
    ineligible: int = 0  # UPDATEs whose routes were leaked (RFC 9234)
    prefixes_received: int = 0  # counted, never stored
    desired: Mapping[Family, int] = field(default_factory=dict)  # routes we want this peer to hear
    advertised: Mapping[Family, int] = field(default_factory=dict)  # routes it has been told
    untold: Mapping[Family, str] = field(default_factory=dict)  # why a family is not told at all
    last_error: Down | None = None
    last_error_at: Seconds | None = None
    back_off: Seconds = 0.0  # the pause after the last failure; 0: none since the last stable session
    retry_at: Seconds | None = None  # when Idle or Active ends by itself
