"""Whether what orders pods reaches as far as it is meant to, in the fabric that [fabric] describes.

Nothing is refused here: routers can be told to do what they do not do by themselves. A pod that is to be
second choice, by rank or by levers of its own, has to look worse to its own ToR than the first does from
across the fabric; there every tier that a route goes up and down again adds an AS number.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from vipd.bgp.route import Policy
from vipd.config.neighbors import Neighborhood, is_ebgp
from vipd.config.reading import Reading
from vipd.config.sections import FabricConfig, PodAs, ServiceConfig

LONGEST: Final = 255  # AS numbers in a path that every router takes


def check_fabric(
    fabric: FabricConfig,
    services: Sequence[ServiceConfig],
    found: Neighborhood,
    reading: Reading,
    *,
    coordinated: bool,
) -> None:
    """Warn of each lever of each service that cannot do what it is for, with the neighbours concerned."""
    for index, service in enumerate(services):
        said: dict[str, list[str]] = {}
        last_rank = service.service.last_rank if coordinated else 0
        heard = {name for route in service.routes.values() for name in route.neighbors or found.peers}
        for name, peer in found.peers.items():
            if name in heard and is_ebgp(peer):
                for finding in _findings(fabric, service, found.policies[name], last_rank):
                    said.setdefault(finding, []).append(name)
        for finding, names in said.items():
            reading.warn(f"service[{index}]", f"{service.service.name}, to {', '.join(names)}: {finding}")


def _findings(fabric: FabricConfig, service: ServiceConfig, policy: Policy, last_rank: int) -> Iterator[str]:
    """Say what goes wrong with one neighbour in another AS."""
    routes = set(service.routes.values())
    across = 2 * fabric.tiers - 1  # AS numbers of another pod's route: as many up as down, and the pod's
    ranked = last_rank * policy.med_step
    if ranked or policy.med is not None or any(route.med is not None for route in routes):
        yield from _med(fabric)
    if any(route.local_preference is not None for route in routes):
        yield "local-preference is not told to a neighbour in another AS (RFC 4271 section 5.1.5)"
    prepends = {route.prepend + policy.prepend for route in routes}
    least = min(prepends - {0}, default=0)
    step = policy.prepend_step if last_rank else 0
    for key, count in (("prepend", least), ("prepend-step", step)):
        if 0 < count < across:
            yield (
                f"{key} {count} is too few: a ToR sees another pod's route over {across} AS numbers, "
                f"and its own pod's over {1 + count}; {across} make it the longer"
            )
    longest = 1 + max(prepends, default=0) + last_rank * step + across - 1
    if longest > LONGEST:
        yield f"its path may grow to {longest} AS numbers across the fabric, and many routers take {LONGEST}"


def _med(fabric: FabricConfig) -> Iterator[str]:
    if fabric.tiers > 1:
        yield (
            f"med is seen by the first of {fabric.tiers} tiers alone (RFC 4271 section 5.1.4): "
            "pods behind different ToRs are not ordered by it; prepend crosses tiers"
        )
    elif fabric.pod_as is PodAs.OWN and not fabric.always_compare_med:
        yield "med is compared between routes of one AS only, and each pod has its own: always-compare-med"
