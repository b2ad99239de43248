"""A service as ZooKeeper defines it (rule 15): octets to VIPs, pins and policy, over those of the file.

    {"schema": 1, "vips": ["192.0.2.1", "192.0.2.2"], "pins": {"192.0.2.1": "lb-1"}, "policy": {"copies": 2}}

It says which VIPs there are, where they are pinned, and of the policy whatever it names. All else (checks,
routes, neighbours, hooks) is each pod's own, of its file. A definition is taken as a whole, or not at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, Final

from vipd.config.machine import Machine
from vipd.config.neighbors import Neighborhood
from vipd.config.policy import check_policy, policy_values, read_policy
from vipd.config.problems import ConfigError, Problem
from vipd.config.reading import Reading
from vipd.config.schema import DEFINED_POLICY, DEFINITION
from vipd.config.sections import Config, ServiceConfig
from vipd.config.services import check_route
from vipd.coord.layout import DEFINITION_OCTETS
from vipd.coord.member import Service, Vip

SCHEMA: Final = 1
THIS_MACHINE: Final = Machine()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What was read, by itself sound."""

    vips: tuple[Vip, ...]
    pins: Mapping[Vip, str] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)  # values by the keys of [[service]]
    force: bool = False  # it may remove over half of the VIPs


def read_definition(octets: bytes, path: str) -> Definition:
    """Read a definition whole; `path` is where it stands. Raises ConfigError with all that is wrong."""
    reading = Reading(path, THIS_MACHINE)
    values = {**DEFINITION.defaults, **reading.values(DEFINITION, _load(octets, path), "")}
    policy = reading.values(DEFINED_POLICY, values["policy"], "policy")
    vips: tuple[Vip, ...] = values["vips"]
    if not vips and not any(key.startswith("vips") for key in reading.problems):
        reading.refuse("vips", "is empty: to take a service off the air, vipd maintenance is the way")
    seen: set[Vip] = set()
    for index, vip in enumerate(vips):
        if vip in seen:
            reading.refuse(f"vips[{index}]", "stands there twice", vip)
        seen.add(vip)
    for vip in values["pins"]:
        if vip not in seen:
            reading.refuse(f"pins.{vip}", "is not one of vips")
    _raise(reading)
    return Definition(vips=vips, pins=values["pins"], policy=policy, force=values["force"])


def define(config: ServiceConfig, found: Definition, whole: Config, path: str) -> ServiceConfig:
    """Return a service of the file as a definition has it. Raises ConfigError where this pod cannot.

    Args:
        config: the service, as the file has it; it is definable.
        found: the definition.
        whole: the configuration in force, the other services as they are defined now.
        path: where the definition stands.
    """
    assert config.definable is not None  # noqa: S101 - nobody else is asked for
    reading = Reading(path, THIS_MACHINE)
    neighborhood = Neighborhood(peers=dict(whole.neighbors), policies=dict(whole.policies))
    taken = owners(whole, config.service.name)
    for index, vip in enumerate(found.vips):
        if (owner := taken.get(vip)) is not None:
            reading.refuse(f"vips[{index}]", f"is taken by {owner}", vip)
        elif vip not in config.routes and not any(ip_address(vip) in net for net in config.definable.allow):
            reading.refuse(f"vips[{index}]", "is not in what `allow` of this pod's file lets it be", vip)
    vips = frozenset(found.vips)
    values = {**policy_values(config.service), **found.policy}
    policy = read_policy(found.policy, values, config.service.times, "policy", reading)
    defined = replace(
        config,
        service=replace(policy, name=config.service.name, vips=found.vips, pins=found.pins),
        routes={vip: config.routes.get(vip, config.definable.route) for vip in found.vips},
        checks={key: check for key, check in config.checks.items() if check.vip is None or check.vip in vips},
    )
    check_policy(defined, "policy", neighborhood, reading)
    for route in set(defined.routes.values()):
        check_route(route, "policy", neighborhood, reading, last_rank=policy.last_rank)
    _raise(reading)
    return defined


def policy_of(found: Definition, name: str) -> Service:
    """A service as its definition alone has it: for whoever has no file."""
    values = {**policy_values(Service(name=name, vips=())), **found.policy}
    reading = Reading("", THIS_MACHINE)
    policy = read_policy(found.policy, values, Service(name=name, vips=()).times, "policy", reading)
    return replace(policy, name=name, vips=found.vips, pins=found.pins)


def owners(whole: Config, but: str = "") -> Mapping[str, str]:
    """Who has an address that a service cannot have: a neighbour, or another service."""
    taken = {peer.address: f"neighbour {name}" for name, peer in whole.neighbors.items()}
    for other in whole.services:
        if other.service.name != but:
            taken.update(dict.fromkeys(other.service.vips, f"service {other.service.name}"))
    return taken


def removes_too_many(before: frozenset[Vip], found: Definition, path: str) -> None:
    """Refuse what removes over half of the VIPs and does not say that it is meant. Raises ConfigError."""
    gone = before.difference(found.vips)
    if 2 * len(gone) > len(before) and not found.force:
        reason = (
            f'would remove {len(gone)} of {len(before)} VIPs, which is over half: that needs "force": true'
        )
        raise ConfigError((Problem(path=path, key="vips", reason=reason),))


def _load(octets: bytes, path: str) -> Mapping[str, Any]:
    """Return the JSON object, of a schema that is known. Raises ConfigError."""
    reason = ""
    found: object = None
    if not octets.strip():
        reason = "is empty"
    elif len(octets) > DEFINITION_OCTETS:
        reason = f"has {len(octets):,} octets; at most {DEFINITION_OCTETS:,} are read"
    else:
        try:
            found = json.loads(octets)
        except (ValueError, RecursionError) as error:
            reason = f"is not JSON: {error}"
    if not reason and not isinstance(found, dict):
        reason = 'is not a JSON object, {"schema": 1, "vips": […]}'
    if reason or not isinstance(found, dict):
        raise ConfigError((Problem(path=path, reason=reason),))
    schema = found.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        newer = f"is newer than {SCHEMA}, the newest that this vipd reads"
        raise ConfigError((Problem(path=path, key="schema", value=str(schema), reason=newer),))
    return found


def _raise(reading: Reading) -> None:
    if reading.problems:
        raise ConfigError(tuple(reading.problems.values()))
