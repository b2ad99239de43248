"""What a configuration comes to: frozen sections. Equal files give equal sections, and so a reload moves
only what differs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from vipd.bfd.peer import BfdPeer
from vipd.bgp.iana import Family
from vipd.bgp.peer import PeerConfig
from vipd.bgp.route import Policy, Route
from vipd.bgp.sightings import DEFAULT_ROUTES
from vipd.bgp.wire import Prefix
from vipd.coord.ensemble import Ensemble
from vipd.coord.exazk import Exazk
from vipd.coord.member import Service, Vip
from vipd.health import Check, Hook

Seconds = float
Network = IPv4Network | IPv6Network
Endpoint = tuple[str, int]  # address literal and TCP port to listen on


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerConfig:
    """This pod as a BGP speaker."""

    local_as: int
    router_id: IPv4Address
    listen: tuple[Endpoint, ...] = ()  # empty: we only dial


@dataclass(frozen=True, slots=True, kw_only=True)
class Definable:
    """What a definition in ZooKeeper may make of a service (rule 15)."""

    route: Route  # of a VIP that the file does not name
    allow: tuple[Network, ...] = ()  # what VIPs may be, beside those of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class ExazkConfig:
    """What the file says of ExaZK's layout, whether the service lies in it or not."""

    path: str
    maintenance: str | None = None
    place: Exazk | None = None  # None: the layout is vipd's own
    pins: Mapping[Vip, str] = field(
        default_factory=dict
    )  # as in the file: in that layout each VIP has its own


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """A service: its VIPs, how each is to be said, and what its health depends on."""

    service: Service
    routes: Mapping[Vip, Route]  # one for each VIP of the service; equal ones are the same object
    checks: Mapping[str, Check] = field(default_factory=dict)  # by "service/check" or "service/vip/check"
    hook: Hook | None = None
    require_address: bool = False  # a VIP stands only while its address is on this machine
    definable: Definable | None = None  # None: its VIPs are those of the file
    exazk: ExazkConfig | None = None  # None: the file says nothing of that layout

    @property
    def place(self) -> Exazk | None:
        """Where it lies in ExaZK's layout; None: it does not."""
        return None if self.exazk is None else self.exazk.place

    def pod(self, pod: str) -> str:
        """What a pod of this id is called among those that share the service."""
        return pod if self.place is None else self.place.pod(pod)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """How one service came by its VIPs."""

    source: str = "file"  # or "zookeeper"
    refused: str | None = None  # why the definition that stands in ZooKeeper is not taken
    deleted: bool = False  # the definition in force stands in ZooKeeper no more


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """How ZooKeeper's servers prove who they are, and this pod to them."""

    ca: str | None = None  # file of CA certificates; None: the system's
    certificate: str | None = None  # file of our own, with its chain
    key: str | None = None  # file of its private key; None: it is in that of the certificate
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationConfig:
    """Where pods find each other, and what this one is there. The policy is of each service."""

    ensemble: Ensemble  # servers, chroot, session timeout, credentials
    pod_id: str
    root: str = "/vipd"
    zone: str = ""  # rack; "": not told
    weight: int = 1
    grace: Seconds = 10.0  # from start, before the pod does without ZooKeeper
    anchors: Mapping[Family, Prefix] = field(default_factory=lambda: DEFAULT_ROUTES)  # of witnesses
    auth_file: str | None = None  # that of the credentials
    tls: TlsConfig | None = None  # None: in the clear


class PodAs(StrEnum):
    """Whose the AS number of a pod is."""

    SHARED = "shared"  # all pods have one
    OWN = "own"  # each has another


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricConfig:
    """What the routers around the pods are like."""

    tiers: int  # of routers, each in an AS of its own, from a ToR to where routes of all pods meet
    pod_as: PodAs = PodAs.SHARED
    always_compare_med: bool = False

    @property
    def aside(self) -> int:
        """AS numbers by which a route has to be longer, to be preferred by its own ToR and by nobody beyond.

        The router above that ToR has another pod's route over 2 * tiers - 2 AS numbers, and that ToR over one
        more; ours over 2 and 1.
        """
        return max(1, 2 * self.tiers - 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackConfig:
    """Whether the VIPs are added to `lo`, and under which label."""

    manage: bool = False
    label: str = "vipd"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainConfig:
    """How a pod leaves."""

    graceful_shutdown: Seconds = 0.0  # for which routes say that they are about to go; 0: they do not
    linger: Seconds = 5.0  # between the last withdrawal and the end of the sessions
    timeout: Seconds = 30.0  # for others to take over; then what is left goes
    min: Seconds = 0.0  # before which it does not end, however soon others have taken over
    done: tuple[str, ...] | None = None  # asked again and again: exits with 0 once nobody is served any more


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """Where the outside asks."""

    listen: Endpoint | None = ("127.0.0.1", 9179)  # None: no HTTP
    socket: str = "/run/vipd/vipd.sock"


class LogFormat(StrEnum):
    """How a log line looks."""

    AUTO = "auto"  # human on a terminal, JSON elsewhere
    JSON = "json"
    HUMAN = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is logged, and how."""

    format: LogFormat = LogFormat.AUTO
    level: str = "info"  # debug, info, warning, error


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration that passed every check."""

    path: str
    speaker: SpeakerConfig
    neighbors: Mapping[str, PeerConfig]  # by name
    policies: Mapping[str, Policy]  # by neighbour name
    bfd: Mapping[str, BfdPeer] = field(default_factory=dict)  # by neighbour name; those that are watched
    services: tuple[ServiceConfig, ...] = ()
    loopback: LoopbackConfig = LoopbackConfig()
    drain: DrainConfig = DrainConfig()
    api: ApiConfig = ApiConfig()
    log: LogConfig = LogConfig()
    fabric: FabricConfig | None = None  # None: not described
    coordination: CoordinationConfig | None = None  # None: this pod announces its VIPs by itself
    secrets: Mapping[str, str] = field(default_factory=dict)  # neighbour name -> file of its MD5 key
    warnings: tuple[str, ...] = ()  # what is allowed, and most likely not meant
