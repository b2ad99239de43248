"""The verbs on what ZooKeeper defines a service to be (rule 15): show it, try one, set one."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vipd.config import ConfigError
from vipd.config.definition import Definition, define, read_definition, removes_too_many
from vipd.config.problems import Problem
from vipd.coord import orders
from vipd.coord.directory import Directory, Node
from vipd.coord.layout import DEFINITION_OCTETS
from vipd.coord.member import Record, View, Vip
from vipd.coord.orders import Sight
from vipd.verbs import Fleet, NotDone, ask, fleet, known, spell
from vipd.who import who

Json = dict[str, Any]


def show(arguments: Namespace) -> Json:
    """Return what ZooKeeper defines, and which pods serve each VIP of it."""
    where, name = fleet(arguments), arguments.service
    sight = ask(where, lambda directory: orders.look(directory, where.root, where.places), arguments.timeout)
    node = sight.definitions.get(name)
    if node is None:
        defined = sorted(sight.definitions)
        known(name, defined, f"ZooKeeper does not define {name}: its VIPs are those of each pod's file")
        raise AssertionError("it is known, and was found above")
    found = _sound(node)
    serving = _serving(sight.views.get(name))
    return {
        "service": name,
        "definition": json.loads(node.data or b""),
        "vips": [
            {"vip": vip, "pin": found.pins.get(vip), "served_by": sorted(serving.get(vip, ()))}
            for vip in found.vips
        ],
        "pods": sorted({pod for pods in serving.values() for pod in pods}),
        "undefined": sorted(serving.keys() - set(found.vips)),
    }


def validate(arguments: Namespace) -> Json:
    """Say whether a file could be set."""
    where = fleet(arguments)
    octets = _octets(arguments)

    async def job(directory: Directory) -> Json:
        sight = await orders.look(directory, where.root, where.places)
        found = _judged(where, sight, arguments, octets)
        return {"service": arguments.service, "vips": list(found.vips), "set": False}

    return ask(where, job, arguments.timeout)


def put(arguments: Namespace) -> Json:
    """Have a file be the definition."""
    where, name = fleet(arguments), arguments.service
    octets = _octets(arguments)
    stamp = {"who": who(), "when": spell(datetime.now(UTC))}

    async def job(directory: Directory) -> Json:
        sight = await orders.look(directory, where.root, where.places)
        if not arguments.anyway:
            registered = sight.views.keys() | sight.definitions.keys()
            known(name, registered, f"no pod has registered for a service {name} below {where.root}")
        found = _judged(where, sight, arguments, octets)
        forced = {"force": True} if arguments.force else {}
        written = json.dumps({**json.loads(octets), **stamp, **forced}, indent=2).encode()
        if len(written) > DEFINITION_OCTETS:
            written = json.dumps(json.loads(written), separators=(",", ":")).encode()
        await orders.define(directory, where.root, name, written, sight.definitions.get(name))
        return {"service": name, "vips": list(found.vips), "set": True}

    return ask(where, job, arguments.timeout)


def _octets(arguments: Namespace) -> bytes:
    """What the file holds, "-" being what is piped in."""
    if arguments.file is None:
        raise NotDone(os.EX_USAGE, "which FILE? - is standard input")
    return sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()


def _judged(where: Fleet, sight: Sight, arguments: Namespace, octets: bytes) -> Definition:
    """Read a definition as every pod will, as far as can be told from here. Raises NotDone."""
    name, path = arguments.service, arguments.file
    try:
        found = read_definition(octets, path)
        taken = _elsewhere(sight, name)
        problems = [
            Problem(path=path, key=f"vips[{index}]", value=f'"{vip}"', reason=f"is taken by {taken[vip]}")
            for index, vip in enumerate(found.vips)
            if vip in taken
        ]
        if problems:
            raise ConfigError(tuple(problems))
        if not arguments.force:
            removes_too_many(_before(sight, name), found, path)
        config = where.config
        for service in () if config is None else config.services:
            if config is not None and service.service.name == name and service.definable is not None:
                define(service, found, config, path)
    except ConfigError as error:
        raise NotDone(os.EX_DATAERR, f"{error}\nvipd: nothing was set") from error
    return found


def _sound(node: Node) -> Definition:
    try:
        return read_definition(node.data or b"", node.path)
    except ConfigError as error:
        raise NotDone(os.EX_DATAERR, f"{error}\nvipd: every pod refuses it, and keeps what it had") from error


def _before(sight: Sight, name: str) -> frozenset[Vip]:
    """What there is now: what is defined, or else what pods serve."""
    node = sight.definitions.get(name)
    if node is not None:
        try:
            return frozenset(read_definition(node.data or b"", node.path).vips)
        except ConfigError:
            pass  # no pod has it
    return frozenset(_serving(sight.views.get(name)))


def _elsewhere(sight: Sight, name: str) -> Mapping[Vip, str]:
    """The VIPs of other services, by what pods serve and by what is defined."""
    taken: dict[Vip, str] = {}
    for other in sight.views.keys() | sight.definitions.keys():
        if other != name:
            vips = {*_before(sight, other), *_serving(sight.views.get(other))}
            taken.update(dict.fromkeys(vips, f"service {other}"))
    return taken


def _serving(view: View | None) -> Mapping[Vip, list[str]]:
    """Which pods serve a VIP."""
    pods: dict[Vip, list[str]] = {}
    for member in () if view is None else view.members.values():
        if isinstance(member.record, Record):
            for vip in member.record.serves:
                pods.setdefault(vip, []).append(member.pod)
    return pods
