"""The way from the file to a Config: read, substitute, look at every section, and say all that is wrong."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from vipd.bgp.iana import Family
from vipd.bgp.peer import PeerConfig
from vipd.config.addresses import family_of
from vipd.config.coordination import ALONE, read_coordination
from vipd.config.environment import substitute
from vipd.config.fabric import check_fabric
from vipd.config.machine import Machine
from vipd.config.neighbors import read_neighbors
from vipd.config.problems import ConfigError, Problem
from vipd.config.reading import Reading
from vipd.config.schema import API, DRAIN, FABRIC, FILE, LOG, LOOPBACK, SPEAKER, Section
from vipd.config.sections import (
    ApiConfig,
    Config,
    CoordinationConfig,
    DrainConfig,
    FabricConfig,
    LogConfig,
    LogFormat,
    LoopbackConfig,
    PodAs,
    ServiceConfig,
    SpeakerConfig,
)
from vipd.config.services import read_services
from vipd.coord.member import Times

THIS_MACHINE: Final = Machine()


def load(
    path: str,
    environ: Mapping[str, str],
    *,
    machine: Machine = THIS_MACHINE,
    router_id: IPv4Address | None = None,
) -> Config:
    """Read a file. Raises ConfigError with everything that is wrong, and nothing else.

    `router_id` is the one in use, which "auto" keeps: a reload must not end every session because the
    neighbours changed places.
    """
    reading = Reading(path, machine)
    tables = _tables(path, environ, reading)
    parts = {**FILE.defaults, **reading.values(FILE, tables, "")}
    if "VIPD_SOCKET" in environ and isinstance(parts["api"], dict):
        parts["api"] = {"socket": environ["VIPD_SOCKET"], **parts["api"]}

    def settled(section: Section, name: str) -> dict[str, Any]:
        return {**section.defaults, **reading.values(section, parts[name], name)}

    speaker, loopback, drain = (
        settled(SPEAKER, "speaker"),
        settled(LOOPBACK, "loopback"),
        settled(DRAIN, "drain"),
    )
    api, log = settled(API, "api"), settled(LOG, "log")
    coordinated = parts["coordination"] is not None
    coordination = read_coordination(parts["coordination"], reading) if coordinated else None
    found = read_neighbors(
        parts["neighbor"], parts["neighbor-defaults"], speaker, reading, coordinated=coordinated
    )
    services = read_services(
        parts["service"],
        found,
        reading,
        manage=loopback["manage"],
        times=_times(parts["drain"], drain, coordination, reading, coordinated=coordinated),
        pod_id=_pod_id(coordination, coordinated=coordinated),
    )
    fabric = None
    if parts["fabric"] is not None:
        described = settled(FABRIC, "fabric")
        fabric = FabricConfig(
            tiers=described["tiers"],
            pod_as=PodAs(described["pod-as"]),
            always_compare_med=described["always-compare-med"],
        )
        check_fabric(fabric, services, found, reading, coordinated=coordinated)
    if reading.problems:
        raise ConfigError(tuple(reading.problems.values()))
    ours = speaker["router-id"] or router_id or _router_id(found.peers.values(), services, machine)
    return Config(
        path=path,
        speaker=SpeakerConfig(local_as=speaker["local-as"], router_id=ours, listen=speaker["listen"]),
        neighbors={name: _known(peer, ours, services) for name, peer in found.peers.items()},
        policies=found.policies
        if fabric is None
        else {name: replace(policy, aside=fabric.aside) for name, policy in found.policies.items()},
        bfd=found.bfd,
        services=services,
        loopback=LoopbackConfig(manage=loopback["manage"], label=loopback["label"]),
        drain=DrainConfig(
            graceful_shutdown=drain["graceful-shutdown"],
            linger=drain["linger"],
            timeout=drain["timeout"],
            min=drain["min"],
            done=drain["done"],
        ),
        api=ApiConfig(listen=api["listen"], socket=api["socket"]),
        log=LogConfig(format=LogFormat(log["format"]), level=log["level"]),
        fabric=fabric,
        coordination=coordination,
        secrets=found.secrets,
        warnings=tuple(reading.warnings),
    )


def _pod_id(coordination: CoordinationConfig | None, *, coordinated: bool) -> str | None:
    """Return what this pod is called; None where pods do not coordinate; "" where that is wrong."""
    if not coordinated:
        return None
    return "" if coordination is None else coordination.pod_id


def _known(peer: PeerConfig, router_id: IPv4Address, services: Iterable[ServiceConfig]) -> PeerConfig:
    """Return a neighbour with what other sections say of it.

    FRR sends no End-of-RIB unless graceful restart is offered, if for no family (RFC 4724 section 3).
    """
    if not any(service.service.witness for service in services):
        return replace(peer, router_id=router_id)
    return replace(peer, router_id=router_id, witness=True, graceful_restart=peer.graceful_restart or 0)


def _times(
    said: object,
    drain: Mapping[str, Any],
    coordination: CoordinationConfig | None,
    reading: Reading,
    *,
    coordinated: bool,
) -> Times | None:
    """Return the times that all services share; None where pods do not coordinate."""
    if not coordinated:
        for key in ("timeout", "min", "done"):
            if isinstance(said, dict) and key in said:
                reading.refuse(f"drain.{key}", ALONE)
        return None
    if drain["graceful-shutdown"]:
        reading.warn(
            "drain.graceful-shutdown",
            "pods hand over without it; where two ToRs of one honour it, a VIP may be gone for a moment",
        )
    if drain["min"] > drain["timeout"]:
        reading.refuse("drain.min", "must not be more than timeout", drain["min"])
    grace = {} if coordination is None else {"coordination_grace": coordination.grace}
    return Times(drain_timeout=drain["timeout"], **grace)


def _tables(path: str, environ: Mapping[str, str], reading: Reading) -> dict[str, Any]:
    """Return what the file holds, with the environment in its place."""
    try:
        octets = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL octet in the path
        reason = f"could not be read: {getattr(error, 'strerror', error)}"
        raise _unusable(path, reason, denied=isinstance(error, PermissionError)) from None
    try:
        text = octets.decode()
        tables = tomllib.loads(text)
        return substitute(tables, environ, "", reading.refuse) if "${" in text else tables
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise _unusable(f"{path}:{line}", "is not UTF-8") from None
    except ValueError as error:  # TOMLDecodeError, or an integer of more digits than Python reads
        where = re.search(r"at line ([0-9]+)", str(error))
        raise _unusable(f"{path}:{where[1]}" if where else path, f"is not TOML: {error}") from None
    except RecursionError:
        raise _unusable(path, "is nested too deeply") from None


def _unusable(path: str, reason: str, *, denied: bool = False) -> ConfigError:
    return ConfigError((Problem(path=path, reason=reason),), denied=denied)


def _router_id(
    peers: Iterable[PeerConfig], services: Iterable[ServiceConfig], machine: Machine
) -> IPv4Address:
    """Return what "auto" stands for: an address of this pod alone, which a VIP is not."""

    def candidates() -> Iterator[IPv4Address]:
        for peer in peers:
            if family_of(peer.address) is Family.IPV4:
                if peer.local_address is not None:
                    yield IPv4Address(peer.local_address)
                elif (source := machine.source_address(peer.address)) is not None:
                    yield source
        yield from machine.own_addresses()

    for candidate in candidates():
        if not any(str(candidate) in service.routes for service in services):
            return candidate
    # Any number but zero will do (RFC 6286 section 2.1), as long as the other pods of our AS have others.
    from hashlib import blake2b  # noqa: PLC0415 - few machines get here

    digest = blake2b(machine.hostname().encode(errors="surrogateescape"), digest_size=4).digest()
    return IPv4Address(int.from_bytes(digest) or 1)
