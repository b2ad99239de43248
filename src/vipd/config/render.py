"""A Config as the file that says all of it: every default filled in, every secret by the name of its file."""

from collections.abc import Iterable, Mapping
from typing import Any

from vipd.bfd.peer import BfdPeer
from vipd.bgp.peer import PeerConfig
from vipd.bgp.route import Community, Policy, Route
from vipd.config.environment import escape
from vipd.config.neighbors import is_ebgp
from vipd.config.policy import policy_values
from vipd.config.sections import Config, CoordinationConfig, Endpoint, FabricConfig, ServiceConfig, TlsConfig
from vipd.coord.member import Layout
from vipd.health import Check, ExecProbe, FileProbe, NerveProbe, Probe, TcpProbe

_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\"} | {c: f"\\u{c:04X}" for c in (*range(32), 127)}
Values = Mapping[str, object]  # of one table; None is left out, for TOML has no word for it


def render(config: Config) -> str:
    """Return the configuration as TOML that reads as this configuration."""
    return "\n\n".join(_tables(config)) + "\n"


def _tables(config: Config) -> Iterable[str]:
    speaker, listen = config.speaker, config.api.listen
    yield _table(
        "[speaker]",
        {
            "local-as": speaker.local_as,
            "router-id": str(speaker.router_id),
            "listen": [_endpoint(each) for each in speaker.listen],
        },
    )
    for name, peer in config.neighbors.items():
        policy = config.policies[name]
        steps = _steps(policy, ebgp=is_ebgp(peer)) if config.coordination else {}
        told = _neighbor(peer, policy, config.secrets.get(name))
        yield _table("[[neighbor]]", {**told, **steps, **_bfd(config.bfd.get(name))})
    for service in config.services:
        yield from _service(service, shared=config.coordination is not None)
    if config.fabric:
        yield _table("[fabric]", _fabric(config.fabric))
    if config.coordination:
        yield _table("[coordination]", _coordination(config.coordination))
    yield _table("[loopback]", {"manage": config.loopback.manage, "label": config.loopback.label})
    yield _table("[drain]", _drain(config))
    yield _table("[api]", {"listen": _endpoint(listen) if listen else "", "socket": config.api.socket})
    yield _table("[log]", {"format": config.log.format, "level": config.log.level})


def _neighbor(peer: PeerConfig, policy: Policy, secret: str | None) -> Values:
    return {
        "address": peer.address,
        "name": peer.name,
        "description": peer.description,
        "peer-as": "external" if peer.peer_as is None else peer.peer_as,
        "local-as": peer.local_as,
        "port": peer.port,
        "local-address": peer.local_address or "auto",
        "interface": peer.interface,
        "passive": peer.passive,
        "families": [str(family) for family in peer.families],
        "hold-time": peer.hold_time,
        "role": None if peer.role is None else str(peer.role),
        "role-strict": peer.role_strict if peer.role is not None else None,
        "send-hold-time": peer.send_hold_time,
        "graceful-restart": peer.graceful_restart or 0,
        "connect-retry": peer.connect_retry,
        "idle-hold": peer.idle_hold,
        "idle-hold-max": peer.idle_hold_max,
        "md5-password-file": secret,
        "ttl-security": peer.ttl_security or False,
        "ebgp-multihop": peer.multihop,
        "next-hop": {str(family): str(hop) for family, hop in policy.next_hop.items()} or "self",
        **_levers(policy),
    }


def _bfd(watched: BfdPeer | None) -> Values:
    if watched is None:
        return {"bfd": False}
    return {"bfd": True, "bfd-interval": watched.pace.interval, "bfd-multiplier": watched.pace.multiplier}


def _levers(said: Route | Policy) -> Values:
    return {
        "med": said.med,
        "local-preference": said.local_preference,
        "prepend": said.prepend,
        "communities": [":".join(map(str, each)) for each in said.communities],
        "large-communities": [":".join(map(str, each)) for each in said.large_communities],
    }


def _steps(policy: Policy, *, ebgp: bool) -> Values:
    def by(told: Mapping[Any, tuple[Community, ...]]) -> Values:
        return {str(key): [":".join(map(str, each)) for each in said] for key, said in told.items()}

    return {
        "prepend-step": policy.prepend_step,
        "med-step": policy.med_step,
        "local-preference-step": None if ebgp else policy.local_preference_step,
        "rank-communities": by(policy.rank_communities),
        "communities-when": by(policy.communities_when),
    }


def _fabric(config: FabricConfig) -> Values:
    return {
        "tiers": config.tiers,
        "pod-as": config.pod_as,
        "always-compare-med": config.always_compare_med,
    }


def _coordination(config: CoordinationConfig) -> Values:
    servers = [str(server) for server in config.ensemble.servers]
    return {
        "servers": ",".join(servers) + config.ensemble.chroot if config.ensemble.chroot else servers,
        "root": config.root,
        "pod-id": config.pod_id,
        "zone": config.zone,
        "weight": config.weight,
        "session-timeout": config.ensemble.session_timeout,
        "grace": config.grace,
        "witness-anchor": [str(prefix) for prefix in config.anchors.values()],
        "auth-file": config.auth_file,
        "tls": config.tls is not None,
        **(_tls(config.tls) if config.tls else {}),
    }


def _tls(config: TlsConfig) -> Values:
    return {
        "tls-ca": config.ca,
        "tls-certificate": config.certificate,
        "tls-key": config.key,
        "tls-verify": config.verify,
    }


def _drain(config: Config) -> Values:
    drain = config.drain
    always = {"graceful-shutdown": drain.graceful_shutdown, "linger": drain.linger}
    if config.coordination is None:
        return always
    done = None if drain.done is None else list(drain.done)
    return {**always, "timeout": drain.timeout, "min": drain.min, "done": done}


def _service(config: ServiceConfig, *, shared: bool) -> Iterable[str]:
    """Yield the table of a service, and those of its VIPs from the first on that has something of its own."""
    vips, routes, exazk = config.service.vips, config.routes, config.exazk
    pins = config.service.pins if exazk is None else exazk.pins
    checks: dict[str | None, list[Check]] = {}
    for check in config.checks.values():
        checks.setdefault(check.vip, []).append(check)
    definable = config.definable
    first = definable.route if definable else routes[vips[0]]
    same = definable is not None or all(route == first for route in routes.values())
    common = first if same else Route(neighbors=first.neighbors)
    own = checks.keys() | pins.keys()
    plain = 0
    while plain < len(vips) and routes[vips[plain]] == common and vips[plain] not in own:
        plain += 1
    yield _table(
        "[[service]]",
        {
            "name": config.service.name,
            "vips": list(vips[:plain]),
            "vips-from": definable and "zookeeper",
            "layout": exazk and (Layout.EXAZK if exazk.place else Layout.VIPD),
            "exazk-path": exazk and exazk.path,
            "exazk-maintenance": exazk and exazk.maintenance,
            "allow": definable and [str(each) for each in definable.allow],
            "neighbors": None if common.neighbors is None else sorted(common.neighbors),
            **_levers(common),
            "on-change": config.hook and list(config.hook.command),
            "on-change-timeout": config.hook and config.hook.timeout,
            "require-address": config.require_address,
            **(policy_values(config.service) if shared else {}),
        },
    )
    for check in checks.get(None, ()):
        yield _table("[[service.check]]", _check(check))
    for vip in vips[plain:]:
        levers = {} if routes[vip] == common else _levers(routes[vip])
        yield _table("[[service.vip]]", {"address": vip, "pin": pins.get(vip), **levers})
        for check in checks.get(vip, ()):
            yield _table("[[service.vip.check]]", _check(check))


def _check(check: Check) -> Values:
    return {
        **_probe(check.probe),
        "name": check.name,
        "interval": check.interval,
        "fast-interval": check.fast_interval,
        "timeout": check.timeout,
        "rise": check.rise,
        "fall": check.fall,
    }


def _probe(probe: Probe) -> Values:
    match probe:
        case TcpProbe():
            return {"tcp": _endpoint((probe.host, probe.port))}
        case ExecProbe():
            return {"exec": list(probe.command)}
        case FileProbe():
            return {"file": probe.path}
        case NerveProbe():
            return {"nerve": probe.path, "nerve-host": probe.host}
    return {
        "http": probe.url,
        "status": [low if low == high else f"{low}-{high}" for low, high in probe.status],
        "body": probe.body,
        "headers": dict(probe.headers),
        "host": probe.host,
        "tls-name": probe.tls_name,
        "tls-ca": probe.tls_ca,
        "tls-verify": probe.tls_verify if probe.url.startswith("https:") else None,
    }


def _endpoint(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _table(title: str, values: Values) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    return "\n".join((title, *lines))


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{escape(value).translate(_ESCAPES)}"'
        case list() if len(value) > 8:
            return "".join(("[\n", *(f"  {_toml(item)},\n" for item in value), "]"))
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{_toml(key)} = {_toml(item)}' for key, item in value.items())}}}"
        case _:
            return str(value)
