"""What ExaBGP announces, gathered: for each VIP whence it comes, and what each neighbour is told of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from vipd.convert.exabgp_healthcheck import Healthcheck
from vipd.convert.exabgp_neighbors import Neighbor
from vipd.convert.exabgp_routes import Attributes, lost
from vipd.convert.exabgp_words import Address


@dataclass(slots=True, kw_only=True)
class Source:
    """Static routes, or one health check: what will be one service, or several."""

    name: str
    healthcheck: Healthcheck | None = None
    told: dict[Address, dict[str, Attributes]] = field(default_factory=dict)  # VIP -> neighbour's name
    notes: list[str] = field(default_factory=list)

    def tell(self, vip: Address, neighbor: str, attributes: Attributes) -> None:
        self.told.setdefault(vip, {})[neighbor] = attributes


def static_routes(neighbors: Iterable[Neighbor]) -> Source:
    static = Source(name="static")
    for neighbor in neighbors:
        static.notes += neighbor.lost_offers
        for offer in neighbor.offers:
            static.tell(offer.vip, neighbor.name, offer.attributes)
    return static


def checked(name: str, healthcheck: Healthcheck, neighbors: Iterable[Neighbor]) -> Source:
    source = Source(name=name, healthcheck=healthcheck, notes=list(healthcheck.notes))
    for neighbor in neighbors:
        if healthcheck.neighbors is None or neighbor.address in healthcheck.neighbors:
            for vip, attributes in healthcheck.vips:
                source.tell(vip, neighbor.name, attributes)
    if healthcheck.vips and not source.told:
        source.notes.append(lost(f"service {name}", "ExaBGP tells it to no neighbour that there is"))
    return source


def settle(sources: Sequence[Source]) -> list[Source]:
    """Give every VIP to one source: in vipd it is in one service. Health checks come before static routes."""
    settled: list[Source] = []
    for source in sorted(sources, key=lambda source: source.healthcheck is None):
        for earlier in settled:
            shared = [vip for vip in source.told if vip in earlier.told]
            if shared and _alike(source.healthcheck, earlier.healthcheck):
                _join(source, earlier)
            for vip in shared:
                _yield(vip, source, earlier)
        if source.told or source.notes or (source.healthcheck and not source.healthcheck.vips):
            settled.append(source)
    return settled


def _join(source: Source, earlier: Source) -> None:
    """Two processes that check the same, for one VIP at different neighbours, are one service."""
    for vip, told in list(source.told.items()):
        for name, attributes in list(told.items()):
            if earlier.told.setdefault(vip, {}).setdefault(name, attributes) == attributes:
                del told[name]
        if not told:
            del source.told[vip]
    earlier.notes += source.notes
    source.notes.clear()


def _yield(vip: Address, source: Source, earlier: Source) -> None:
    for name in source.told.pop(vip, {}):
        why = f"the VIP is in service {earlier.name}, and in vipd in no other"
        earlier.notes.append(lost(f"{vip} of {source.name} to {name}", why))


def _alike(one: Healthcheck | None, other: Healthcheck | None) -> bool:
    """Whether both would be up and down together."""
    return one is other or bool(
        one
        and other
        and replace(other, name=one.name, vips=one.vips, neighbors=one.neighbors, notes=one.notes) == one
    )
