"""What operators write for pods to read: drains and maintenance. From any host that reaches the directory.

An order that is lifted stays, as one that says so: pods that keep an order since the tree vanished hear of it
too, and who lifted it, when, can be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vipd.coord.directory import Directory, Node, NodeExists, NoNode
from vipd.coord.exazk import Exazk
from vipd.coord.exazk_roster import ExazkRoster
from vipd.coord.layout import (
    ORDER_OCTETS,
    definition_path,
    drain_path,
    drains_path,
    maintenance_path,
    members_path,
    read_order,
    services_path,
    write_order,
)
from vipd.coord.member import Order, View
from vipd.coord.roster import Roster

BYSTANDER: Final = ""  # the pod-id of who only looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Every service below one root, as it is read now."""

    views: Mapping[str, View]  # by service that a pod has registered for
    maintenance: Mapping[str, Order]  # by service: what stands, lifted ones included
    drains: Mapping[str, Order]  # by pod-id, likewise
    definitions: Mapping[str, Node] = field(default_factory=dict)  # by service that ZooKeeper defines

    @property
    def pods(self) -> frozenset[str]:
        """The pod-ids that are registered anywhere."""
        return frozenset(member.pod for view in self.views.values() for member in view.members.values())


async def give(directory: Directory, path: str, order: Order) -> None:
    """Have an order stand at a path. Raises ValueError for what is too long, and what a Directory raises."""
    octets = write_order(order)
    if len(octets) > ORDER_OCTETS:
        raise ValueError(f"the text of the order takes {len(octets)} octets, at most {ORDER_OCTETS} are read")
    await directory.ensure(path.rpartition("/")[0])
    try:
        await directory.create(path, octets)
    except NodeExists:
        await directory.set(path, octets)


async def maintain(directory: Directory, root: str, service: str, order: Order) -> None:
    """Take a service off the air, or back: everywhere."""
    await give(directory, maintenance_path(root, service), order)


async def drain(directory: Directory, root: str, pod: str, order: Order) -> None:
    """Have a pod hand over all it announces, of every service; or take part again."""
    await give(directory, drain_path(root, pod), order)


async def define(directory: Directory, root: str, service: str, octets: bytes, before: Node | None) -> None:
    """Have a definition stand in place of the one that was read. Raises what a Directory raises."""
    path = definition_path(root, service)
    if before is None:
        await directory.ensure(path.rpartition("/")[0])
        await directory.create(path, octets)
    elif before.data != octets:
        await directory.set(path, octets, before.version)


async def look(directory: Directory, root: str, places: Mapping[str, Exazk] | None = None) -> Sight:
    """Read every service below a root, and those that are known to lie elsewhere, as ExaZK has them.

    Raises NoNode where there is none, and what a Directory raises.
    """
    places = places or {}
    services, drains = services_path(root), drains_path(root)
    reading = await directory.read(folders=[services, drains], sync=True)
    listed, drained = reading.folders[services], reading.folders[drains]
    if listed is None and not places:
        raise NoNode(services, "it is not there: no pod has ever been here")
    if drained is None:
        await directory.ensure(drains)
    views: dict[str, View] = {}
    maintenance: dict[str, Order] = {}
    definitions: dict[str, Node] = {}
    for service in sorted((listed or {}).keys() - places.keys()):
        roster = Roster(root, service, BYSTANDER)
        reading = await directory.read(nodes=roster.nodes, folders=roster.folders)
        order = reading.nodes[maintenance_path(root, service)]
        if order is not None:
            maintenance[service] = read_order(order.data or b"")
        definition = reading.nodes[definition_path(root, service)]
        if definition is not None:
            definitions[service] = definition
        if reading.folders[members_path(root, service)] is not None:
            views[service] = roster.view(reading, directory.link.value)
    for service, place in places.items():
        view = await _look_as_exazk(directory, root, service, place)
        if view is not None:
            views[service] = view
    return Sight(
        views=views,
        maintenance=maintenance,
        drains={name: read_order(node.data or b"") for name, node in (drained or {}).items()},
        definitions=definitions,
    )


async def _look_as_exazk(directory: Directory, root: str, service: str, place: Exazk) -> View | None:
    """Read a service in ExaZK's layout; None where no pod has been there."""
    roster = ExazkRoster(root, service, BYSTANDER, replace(place, own=None))
    reading = await directory.read(nodes=roster.nodes, folders=roster.folders)
    if reading.nodes[place.path] is None:
        return None
    view = roster.view(reading, directory.link.value)
    return replace(view, members={name: each for name, each in view.members.items() if name != view.own})
