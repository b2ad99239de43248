"""What `/status` says, for people: tables and paragraphs as users of vtysh and birdc know them.

From the JSON (schema 1) to text, and nothing else.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from vipd.text.layout import bullets, duration, short
from vipd.text.neighbors import neighbor, neighbor_table, neighbors
from vipd.text.sharing import (
    connection,
    definition,
    judged,
    local_maintenance,
    maintenance,
    members,
    ordered,
    shared_why,
    summary,
)
from vipd.text.vips import explain, service_table, vips, why

__all__ = [
    "definition",
    "duration",
    "explain",
    "judged",
    "local_maintenance",
    "maintenance",
    "members",
    "neighbor",
    "neighbors",
    "ordered",
    "shared_why",
    "short",
    "status",
    "vips",
    "why",
]

Json = Mapping[str, Any]


def status(everything: Json) -> str:
    """Say on one screen how this pod fares."""
    return "\n".join(
        (
            *_life(everything),
            "",
            *_configuration(everything["config"]),
            *_speaker(everything["speaker"]),
            *_loop(everything["loop"]),
            *_coordination(everything),
            "",
            neighbor_table(everything["neighbors"]),
            "",
            service_table(everything["services"]),
        )
    )


def _life(everything: Json) -> Iterator[str]:
    ready = "ready" if everything["ready"] else "not ready"
    phase, uptime = everything["phase"], duration(everything["uptime"])
    yield f"vipd {everything['version']} on {everything['pod']}: {phase}, {ready}, up {uptime}"
    yield from bullets(everything["unready"])


def _configuration(config: Json) -> Iterator[str]:
    yield f"Configuration: {config['path']}, in force since {config['loaded']}"
    reload = config["reload"]
    if not reload["ok"]:
        yield from bullets([f"not reloaded at {reload['at']}: {reload['error']}"])
    yield from bullets(f"warning: {warning}" for warning in config["warnings"])


def _speaker(speaker: Json) -> Iterator[str]:
    listen = f", listening on {', '.join(speaker['listen'])}" if speaker["listen"] else ""
    yield f"Speaker: AS {speaker['local_as']}, router ID {speaker['router_id']}{listen}"


def _coordination(everything: Json) -> Iterator[str]:
    """Say how this pod stands with its siblings; nothing where it has none."""
    found = everything["coordination"]
    if found is not None:
        yield from connection(found)
        for service in everything["services"]:
            yield from summary(service)


def _loop(loop: Json) -> Iterator[str]:
    yield f"Event loop: {short(loop['lag'])} late, {short(loop['lag_max'])} at worst"
