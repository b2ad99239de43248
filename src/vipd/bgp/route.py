"""What we want said of a prefix, and how one peer hears it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from vipd.bgp.attributes import PathAttributes, Segment
from vipd.bgp.iana import Family, Role, SegmentType
from vipd.bgp.peer import Negotiated, PeerConfig
from vipd.bgp.wire import Prefix

LOCAL_PREFERENCE: Final = 100  # where nobody says otherwise, as routers have it
LONGEST_PATH: Final = 255  # times our own AS is told: what one segment holds
HIGHEST: Final = 0xFFFF_FFFF  # of a MED

Community = tuple[int, int]  # RFC 1997: AS, value
LargeCommunity = tuple[int, int, int]  # RFC 8092
GRACEFUL_SHUTDOWN: Final[Community] = (0xFFFF, 0)  # RFC 8326: prefer another way, this one is about to go


class When(StrEnum):
    """What a route is at the moment to who announces it."""

    PRIMARY = "primary"  # at rank 0
    STANDBY = "standby"  # behind that
    LAST_RESORT = "last-resort"  # though its check fails, as it fails everywhere
    DRAINING = "draining"  # on its way to another pod, or off the air


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How much we want the traffic of one prefix. It knows no peer; many prefixes share one Route."""

    med: int | None = None
    local_preference: int | None = None  # told on iBGP only
    prepend: int = 0  # own AS, this many times more
    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()
    neighbors: frozenset[str] | None = None  # names of those who hear it; None: all
    rank: int = 0  # 0: by the assigned pod; k: by the k-th in line, and worse by as much
    aside: bool = False  # behind who else announces it at this rank, and before the next
    when: When = When.PRIMARY


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
    # How a rank is told, each times the rank. Prepends are what survives the next AS.
    prepend_step: int = 3
    aside: int = 1  # AS numbers by which a route aside is longer, where a rank is worth as many
    med_step: int = 0
    local_preference_step: int = 10  # on iBGP, and there it is taken away
    rank_communities: Mapping[int, tuple[Community, ...]] = field(default_factory=dict)  # by rank
    communities_when: Mapping[When, tuple[Community, ...]] = field(default_factory=dict)
    next_hop: Mapping[Family, IPv4Address | IPv6Address] = field(default_factory=dict)  # absent: self


@dataclass(frozen=True, slots=True, kw_only=True)
class LocRib:
    """Everything the speaker is to say at this moment (RFC 4271 section 3.2)."""

    routes: Mapping[Prefix, Route] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)  # by neighbour name
    complete: bool = True  # nothing is still to be found out that a start begins without


def next_hop_self(
    local_address: str, *, extended: bool = False
) -> Mapping[Family, IPv4Address | IPv6Address]:
    """The next hops that a session's own end makes: of its own family, and of IPv4 too over IPv6 where
    that was agreed on (RFC 8950). The scope stays here.
    """
    address = ip_address(local_address)
    if isinstance(address, IPv4Address):
        return {Family.IPV4: address}
    if address.ipv4_mapped is not None:
        return {Family.IPV4: address.ipv4_mapped}
    six = IPv6Address(address.packed)
    return {Family.IPV6: six, Family.IPV4: six} if extended else {Family.IPV6: six}


def export(
    route: Route,
    policy: Policy,
    *,
    config: PeerConfig,
    negotiated: Negotiated,
    next_hops: Mapping[Family, IPv4Address | IPv6Address],
    family: Family,
) -> PathAttributes | None:
    """Put a route into one peer's attributes; None: the peer does not hear it, or there is no next hop.

    Args:
        route: what is wanted.
        policy: how this neighbour is told.
        config: who the peer is.
        negotiated: what its session agreed on.
        next_hops: what `next_hop_self` makes of the session's local address.
        family: of the prefix.
    """
    own = next_hops.get(family)
    next_hop = policy.next_hop.get(family, own)
    if next_hop is None or not hears(route, config):
        return None
    prepend = route.prepend + policy.prepend + _behind(route, policy.prepend_step, policy.aside)
    ranked = policy.rank_communities.get(route.rank, ())
    now = policy.communities_when.get(route.when, ())
    return PathAttributes(
        as_path=_own_path(config.local_as, prepend) if negotiated.ebgp else (),
        next_hop=next_hop,
        link_local=_link_local(own, next_hop),
        med=_med(route, policy),
        local_preference=None if negotiated.ebgp else _local_preference(route, policy),
        communities=tuple(sorted({*route.communities, *policy.communities, *ranked, *now})),
        large_communities=tuple(sorted({*route.large_communities, *policy.large_communities})),
        only_to_customer=config.local_as if config.role in _DOWNWARDS else None,
    )


# To a customer, a peer or a client goes what shall not come up again (RFC 9234 section 5).
_DOWNWARDS: Final = (Role.PROVIDER, Role.PEER, Role.RS)


def hears(route: Route, config: PeerConfig) -> bool:
    """Whether the peer is among those that the route is for."""
    return route.neighbors is None or config.name in route.neighbors


def _behind(route: Route, step: int, aside: int = 1) -> int:
    """How far behind the first a route is, where a rank is worth a step; aside, never more than one."""
    return route.rank * step + (route.aside and min(step, aside))


def _own_path(local_as: int, prepend: int) -> tuple[Segment, ...]:
    """RFC 4271 section 5.1.2. Nothing is prepended within our own AS: the peer would see a loop."""
    return (Segment(SegmentType.AS_SEQUENCE, (local_as,) * min(1 + prepend, LONGEST_PATH)),)


def _med(route: Route, policy: Policy) -> int | None:
    """RFC 4271 section 5.1.4: the least is preferred."""
    med = policy.med if route.med is None else route.med
    if route.rank and policy.med_step:
        return min((med or 0) + route.rank * policy.med_step, HIGHEST)
    return med


def _local_preference(route: Route, policy: Policy) -> int:
    """RFC 4271 section 5.1.5: always told within an AS, never to another; the highest is preferred."""
    wanted = policy.local_preference if route.local_preference is None else route.local_preference
    preference = LOCAL_PREFERENCE if wanted is None else wanted
    return max(0, preference - _behind(route, policy.local_preference_step))


def _link_local(
    own: IPv4Address | IPv6Address | None, next_hop: IPv4Address | IPv6Address
) -> IPv6Address | None:
    """RFC 2545 section 3: beside a global next hop goes our address on the link, where the session uses it.

    A link-local address that is all we have is told alone, as the next hop: BIRD and FRR understand that.
    """
    beside = isinstance(next_hop, IPv6Address) and not next_hop.is_link_local
    if beside and isinstance(own, IPv6Address) and own.is_link_local:
        return own
    return None
