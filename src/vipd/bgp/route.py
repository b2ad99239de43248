"""What we want said of a prefix, and how one peer hears it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from vipd.bgp.iana import Family
from vipd.bgp.wire import Prefix

Community = tuple[int, int]  # RFC 1997: AS, value
LargeCommunity = tuple[int, int, int]  # RFC 8092


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How much we want the traffic of one prefix. It knows no peer; many prefixes share one Route."""

    med: int | None = None
    local_preference: int | None = None  # told on iBGP only
    prepend: int = 0  # own AS, this many times more
    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()
    neighbors: frozenset[str] | None = None  # names of those who hear it; None: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How one neighbour is told, whatever the route. May change under a standing session.

    The route's own `med` and `local_preference` win; prepends add up; communities are united.
    """

    med: int | None = None
    local_preference: int | None = None
    prepend: int = 0
    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()
    next_hop: Mapping[Family, IPv4Address | IPv6Address] = field(default_factory=dict)  # absent: self


@dataclass(frozen=True, slots=True, kw_only=True)
class LocRib:
    """Everything the speaker is to say at this moment (RFC 4271 section 3.2)."""

    routes: Mapping[Prefix, Route] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)  # by neighbour name
