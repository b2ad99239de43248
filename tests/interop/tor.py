"""A ToR of the tests, whoever made it: what it is told of its pods, and what it is asked.

Whatever is asked is answered by the daemon itself: nothing here knows our own code.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass

from interop.netns import Node, wait_for


@dataclass(frozen=True, kw_only=True)
class Neighbor:
    """A pod, as the ToR's own configuration has it."""

    address: str
    peer_as: int
    families: tuple[str, ...] = ("ipv4", "ipv6")
    passive: bool = True  # waits for the pod to dial
    hold_time: int = 9
    password: str | None = None
    ttl_security: bool = False
    bfd: int | None = None  # milliseconds, three times; None: not watched
    old: bool = False  # knows two-octet AS numbers only
    role: str | None = None  # the ToR's own (RFC 9234)
    extended_next_hop: bool = False  # takes IPv6 next hops for IPv4 (RFC 8950)
    extended_messages: bool = False  # FRR always offers them
    restarts: bool = False  # asks for its own routes to be kept while it restarts
    hears: bool = False  # a router of the fabric: it is told what the others tell


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A BFD session, as the ToR has it."""

    state: str  # "up", "down", …
    interval: float  # seconds, at which it sends
    detection_time: float


@dataclass(frozen=True, kw_only=True)
class Route:
    """One path, in words that BIRD, FRR and GoBGP share."""

    next_hop: str
    as_path: tuple[int, ...]
    origin: str = "IGP"
    med: int | None = None
    local_preference: int | None = None  # 100 where the ToR itself gave it, on eBGP
    communities: frozenset[str] = frozenset()  # "64500:1"
    large_communities: frozenset[str] = frozenset()  # "64500:1:2"
    otc: int | None = None  # the AS in ONLY_TO_CUSTOMER


class Tor(abc.ABC):
    """A router with pods for neighbours."""

    def __init__(
        self,
        node: Node,
        *,
        asn: int,
        router_id: str,
        neighbors: Sequence[Neighbor],
        originates: Sequence[str] = (),
    ) -> None:
        """`originates`: prefixes that it tells of by itself (BIRD alone)."""
        self.node = node
        self.originates = tuple(originates)
        self.asn = asn
        self.router_id = router_id
        self.neighbors = tuple(neighbors)

    @abc.abstractmethod
    def start(self) -> None:
        """Start it; it answers on its command line when this returns."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End it as an operator would."""

    @abc.abstractmethod
    def state(self, address: str) -> str:
        """State of the session with that neighbour, as RFC 4271 calls it."""

    @abc.abstractmethod
    def since(self, address: str) -> str:
        """Which session this is, counted: the times that the daemons tell wander."""

    @abc.abstractmethod
    def prefixes(self) -> frozenset[str]:
        """Every prefix learnt by BGP."""

    @abc.abstractmethod
    def route(self, prefix: str) -> Route | None:
        """The path it chose."""

    def shown(self, prefix: str) -> str:
        """Everything that it knows of a prefix, in its own words: all paths."""
        raise NotImplementedError

    @abc.abstractmethod
    def shutdown(self, address: str, text: str) -> None:
        """End a session with words for the other side (RFC 9003)."""

    @abc.abstractmethod
    def log(self) -> str: ...

    def rekey(self, address: str, password: str) -> None:
        """Have another MD5 key for that neighbour."""
        raise NotImplementedError

    def refresh(self, address: str) -> None:
        """Ask the neighbour for its routes again."""
        raise NotImplementedError

    def watch(self, address: str) -> Watch | None:
        """The BFD session with that neighbour; None: there is none."""
        raise NotImplementedError

    def unwatch(self, address: str) -> None:
        """Take the BFD session with that neighbour down as an operator would."""
        raise NotImplementedError

    def end_of_ribs(self, address: str) -> int:
        """How many End-of-RIB markers it says it got from that neighbour."""
        raise NotImplementedError

    def established(self, address: str, timeout: float = 20.0) -> str:
        """Wait for the session; returns `since`."""
        wait_for(lambda: self.state(address) == "Established", f"Established with {address}", timeout)
        return self.since(address)

    def learns(self, prefix: str, timeout: float = 20.0) -> Route:
        return wait_for(lambda: self.route(prefix), f"{type(self).__name__} learns {prefix}", timeout)

    def forgets(self, prefix: str, timeout: float = 20.0) -> None:
        wait_for(lambda: prefix not in self.prefixes(), f"{type(self).__name__} forgets {prefix}", timeout)

    def logs(self, words: str, timeout: float = 15.0) -> None:
        """Wait until its log holds these words."""
        wait_for(lambda: words in self.log(), f"{words!r} in the log of {type(self).__name__}", timeout)
