"""The services: tables of the file to VIPs, routes and hooks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from vipd.bgp.iana import Family
from vipd.bgp.route import Route
from vipd.config.addresses import family_of
from vipd.config.checks import read_checks
from vipd.config.coordination import ALONE
from vipd.config.neighbors import NO_IBGP, Neighborhood, is_ebgp
from vipd.config.policy import check_policy, read_layout, read_pin, read_policy
from vipd.config.problems import suggestion
from vipd.config.reading import Reading
from vipd.config.schema import SERVICE, VIP
from vipd.config.sections import Definable, ServiceConfig
from vipd.coord.member import Times, Vip
from vipd.health import Hook

PREPEND_MAX: Final = 254  # with our own AS in front, what one AS_PATH segment holds (RFC 4271 section 4.3)
UPDATE_OCTETS: Final = 4096 - 23  # of a message, without its header and lengths (RFC 4271 section 4.3)
USUAL_OCTETS: Final = 160  # attributes of fixed size and one prefix, generously
LOCAL: Final = (
    "127.",
    "169.254.",
    "::1",
    "fe8",
    "fe9",
    "fea",
    "feb",
)  # beginnings of what no router forwards


def read_services(
    tables: Sequence[object],
    found: Neighborhood,
    reading: Reading,
    *,
    manage: bool,
    times: Times | None,
    pod_id: str | None = None,
) -> tuple[ServiceConfig, ...]:
    """Read every service.

    Args:
        tables: one each.
        found: the neighbours.
        reading: where problems go.
        manage: whether addresses are added to `lo`.
        times: what all services share of them; None: pods do not coordinate.
        pod_id: of this pod; None likewise.
    """
    services: dict[str, ServiceConfig] = {}
    taken: dict[str, str] = {peer.address: f"neighbour {name}" for name, peer in found.peers.items()}
    for index, table in enumerate(tables):
        at = f"service[{index}]"
        service = _service(table, at, taken, found, reading, manage=manage, times=times, pod_id=pod_id)
        name = service.service.name
        if name and name in services:
            reading.refuse(f"{at}.name", "is the name of an earlier service", name)
        services[name] = service
        _warn(service, at, found, reading)
        if times is not None:
            check_policy(service, at, found, reading)
    if not tables:
        reading.warn("service", "there is none, and so nothing will be announced")
    return tuple(services.values())


def _service(
    table: object,
    at: str,
    taken: dict[str, str],
    found: Neighborhood,
    reading: Reading,
    *,
    manage: bool,
    times: Times | None,
    pod_id: str | None,
) -> ServiceConfig:
    """Read one service; `taken` says who has an address, and is told of its VIPs."""
    before = len(reading.problems)
    said = reading.values(SERVICE, table, at)
    values = {**SERVICE.defaults, **said}
    policy = read_policy(said, values, times, at, reading)
    name = values["name"] or ""
    neighbors = _neighbors(values["neighbors"], found, at, reading)
    coordinated = times is not None
    checks = read_checks(values["check"], at, name, None, reading, coordinated=coordinated)
    routes: dict[Vip, Route] = {}
    known: dict[Route, Route] = {}  # ten thousand VIPs share a few
    pins: dict[Vip, str] = {}

    def add(vip: Vip, route: Route, key: str, where: str) -> None:
        if vip in taken:
            reading.refuse(key, f"is taken by {taken[vip]}", vip)
        taken[vip] = key
        if (shared := known.get(route)) is None:
            shared = known[route] = route
            check_route(route, where, found, reading, last_rank=policy.last_rank if times else 0)
        routes[vip] = shared

    common = _route(values, {}, neighbors)
    for index, vip in enumerate(values["vips"]):
        add(vip, common, f"{at}.vips[{index}]", at)
    for index, entry in enumerate(values["vip"]):
        where = f"{at}.vip[{index}]"
        own = reading.values(VIP, entry, where)
        if (vip := own.get("address")) is not None:
            add(vip, _route(values, own, neighbors), f"{where}.address", where)
            pins |= read_pin(own, vip, where, reading, coordinated=coordinated)
            if "check" in own:
                checks |= read_checks(own["check"], where, name, vip, reading, coordinated=coordinated)
    definable = _definable(said, values, common, at, reading, coordinated=coordinated)
    if not routes and not (definable and definable.allow) and len(reading.problems) == before:
        reading.refuse(f"{at}.vips", "is missing: at least one VIP, here or in [[service.vip]]")
    hook = values["on-change"]
    service = replace(policy, name=name, vips=tuple(routes), pins=pins)
    exazk = read_layout(values, service, pod_id, at, reading)
    if exazk is not None and exazk.place is not None:
        service = replace(service, pins=exazk.place.pins)
    return ServiceConfig(
        service=service,
        routes=routes,
        checks=checks,
        hook=hook and Hook(service=name, command=hook, timeout=values["on-change-timeout"]),
        require_address=manage if values["require-address"] is None else values["require-address"],
        definable=definable,
        exazk=exazk,
    )


def _definable(
    said: Mapping[str, Any],
    values: Mapping[str, Any],
    route: Route,
    at: str,
    reading: Reading,
    *,
    coordinated: bool,
) -> Definable | None:
    """Return what ZooKeeper may make of a service; None where its VIPs are those of the file."""
    if values["vips-from"] == "file":
        if "allow" in said:
            reading.refuse(f"{at}.allow", 'needs vips-from = "zookeeper": else nobody else can add a VIP')
        return None
    if not coordinated:
        reading.refuse(f"{at}.vips-from", ALONE)
    return Definable(route=route, allow=values["allow"])


def _neighbors(
    called: Sequence[str] | None, found: Neighborhood, at: str, reading: Reading
) -> frozenset[str] | None:
    if called is None:
        return None
    if not called:
        reading.refuse(f"{at}.neighbors", "must name a neighbour, or be left out: then all hear of it")
    for index, each in enumerate(called):
        if each not in found.called:
            hint = suggestion(each, found.called)
            reading.refuse(f"{at}.neighbors[{index}]", f"is not the name of a neighbour{hint}", each)
    return frozenset(name for each in called for name in found.called.get(each, ()))


def _route(service: Mapping[str, Any], vip: Mapping[str, Any], neighbors: frozenset[str] | None) -> Route:
    """Return what is said of one VIP: its own values over those of its service, communities of both."""
    return Route(
        med=vip.get("med", service["med"]),
        local_preference=vip.get("local-preference", service["local-preference"]),
        prepend=vip.get("prepend", service["prepend"]),
        communities=_united(service, vip, "communities"),
        large_communities=_united(service, vip, "large-communities"),
        neighbors=neighbors,
    )


def _united(service: Mapping[str, Any], vip: Mapping[str, Any], key: str) -> tuple[Any, ...]:
    common: tuple[Any, ...] = service[key]
    return tuple(sorted({*common, *vip[key]})) if key in vip else common


def check_route(route: Route, at: str, found: Neighborhood, reading: Reading, *, last_rank: int) -> None:
    """Check what only the neighbours that hear of a route can tell; `last_rank` is the worst it may get."""
    hearing = found.hearing(route.neighbors)
    if route.local_preference is not None and hearing and all(is_ebgp(peer) for peer in hearing):
        reading.refuse(f"{at}.local-preference", NO_IBGP, route.local_preference)
    for peer in hearing:
        policy = found.policies[peer.name]
        prepend = route.prepend + policy.prepend + last_rank * policy.prepend_step
        communities = {*route.communities, *policy.communities}
        ranked = 1 + max(map(len, policy.rank_communities.values()), default=0) if last_rank else 0
        ranked += 1 + max(map(len, policy.communities_when.values()), default=0)
        large = {*route.large_communities, *policy.large_communities}
        if prepend > PREPEND_MAX:
            ranks = f", {last_rank} times its prepend-step included," if last_rank else ""
            reason = f"and prepend of neighbour {peer.name}{ranks} must not exceed {PREPEND_MAX} together"
            reading.refuse(f"{at}.prepend", reason, route.prepend)
        # A peer without four-octet AS numbers is sent the path twice (RFC 6793 section 4.2.2).
        elif USUAL_OCTETS + 6 * prepend + 4 * (len(communities) + ranked) + 12 * len(large) > UPDATE_OCTETS:
            reason = f"and those of neighbour {peer.name} are too many for one UPDATE (RFC 4271 section 4)"
            reading.refuse(f"{at}.communities", reason)


def _warn(service: ServiceConfig, at: str, found: Neighborhood, reading: Reading) -> None:
    """Say what is allowed, and most likely not meant."""
    name = service.service.name
    if not any(check.vip is None for check in service.checks.values()):
        checked = {check.vip for check in service.checks.values()}
        bare = [vip for vip in service.routes if vip not in checked]
        if bare:
            reading.warn(at, f"{name}: {_some(bare)} announced whatever happens, for want of a check")
    if local := [vip for vip in service.routes if vip.startswith(LOCAL)]:
        reading.warn(at, f"{name}: {_some(local)} not forwarded by any router")
    for family in Family:
        vips = [vip for vip in service.routes if family_of(vip) is family]
        if not vips:
            continue
        neighbors = next(iter(service.routes.values())).neighbors
        hearing = found.hearing(neighbors)
        if hearing and not any(found.can_tell(peer, family) for peer in hearing):
            why = f"no neighbour has {family} in families"
            if family is Family.IPV6:  # an IPv4 route may have an IPv6 next hop, and not the other way round
                why += ", with a session over ipv6 or next-hop.ipv6"
            reading.warn(at, f"{name}: {_some(vips)} told to nobody: {why}")


def _some(vips: Sequence[Vip]) -> str:
    """Return the VIPs as the subject of a sentence."""
    return f"{vips[0]} is" if len(vips) == 1 else f"{vips[0]} and {len(vips) - 1:,} more are"
