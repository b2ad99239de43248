"""The checks of a service or of one VIP: tables of the file to probes and their timing."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

from vipd.config.coordination import ALONE
from vipd.config.machine import Machine
from vipd.config.reading import Reading
from vipd.config.schema import CHECK
from vipd.coord.member import Vip
from vipd.health import Check, ExecProbe, FileProbe, HttpProbe, NerveProbe, Probe, TcpProbe

PROBES: Final = ("http", "tcp", "exec", "file", "nerve")
TLS_ONLY: Final = ("tls-name", "tls-ca", "tls-verify")
HTTP_ONLY: Final = ("status", "body", "headers", "host", *TLS_ONLY)
OFTEN: Final = 0.05  # seconds between checks, below which a pod does little else


def read_checks(
    tables: Sequence[Mapping[str, Any]],
    at: str,
    service: str,
    vip: Vip | None,
    reading: Reading,
    *,
    coordinated: bool,
) -> dict[str, Check]:
    """Return the checks of a service, or of one VIP of it, by "service/name" or "service/vip/name"."""
    checks: dict[str, Check] = {}
    prefix = f"{service}/" if vip is None else f"{service}/{vip}/"
    named = {name for table in tables if isinstance(name := table.get("name"), str)}
    numbers = {kind: count(1) for kind in PROBES}
    for index, table in enumerate(tables):
        where = f"{at}.check[{index}]"
        own = reading.values(CHECK, table, where)
        kinds = [kind for kind in PROBES if kind in table]
        if len(kinds) != 1:
            has = " and ".join(kinds) or "none of them"
            reading.refuse(where, f"must have one of {', '.join(PROBES)}, and has {has}")
            continue
        kind = kinds[0]
        values = _settle(kind, own, where, reading, coordinated=coordinated)
        if kind not in own:  # a problem already
            continue
        name = own.get("name")
        if name is None:
            free = (kind if n == 1 else f"{kind}-{n}" for n in numbers[kind])
            name = next(each for each in free if each not in named)
        if prefix + name in checks:
            reading.refuse(f"{where}.name", "is the name of an earlier check", name)
        checks[prefix + name] = Check(
            name=name,
            service=service,
            vip=vip,
            probe=_probe(kind, values, reading.machine),
            interval=values["interval"],
            fast_interval=values["fast-interval"],
            timeout=values["timeout"],
            rise=values["rise"],
            fall=values["fall"],
        )
    return checks


def _settle(
    kind: str, own: Mapping[str, Any], at: str, reading: Reading, *, coordinated: bool
) -> dict[str, Any]:
    """Return all values of one check, and check them together."""
    values = {**CHECK.defaults, **own}
    if kind == "nerve" and not coordinated:
        reading.refuse(f"{at}.nerve", ALONE)
    for key, whose in {**dict.fromkeys(HTTP_ONLY, "http"), "nerve-host": "nerve"}.items():
        if key in own and kind != whose:
            reading.refuse(f"{at}.{key}", f"is for {whose} checks, and this one is {kind}")
        elif key in own and key in TLS_ONLY and own.get("http", "https:").startswith("http:"):
            reading.refuse(f"{at}.{key}", "is for https, and the URL is not")
    if "fast-interval" not in own:
        values["fast-interval"] = min(values["fast-interval"], values["interval"])
    elif values["fast-interval"] > values["interval"]:
        reading.refuse(f"{at}.fast-interval", "must not be more than interval", values["fast-interval"])
    if values["fast-interval"] < OFTEN:
        rate = 1 / values["fast-interval"]
        reading.warn(f"{at}.fast-interval", f"is {rate:.0f} checks a second: they will be what the CPU does")
    if (path := values["tls-ca"]) is not None:
        try:
            reading.machine.read_file(path)
        except OSError as error:
            reading.refuse(f"{at}.tls-ca", f"could not be read: {error.strerror}", path)
    return values


def _probe(kind: str, values: Mapping[str, Any], machine: Machine) -> Probe:
    match kind:
        case "tcp":
            host, port = values["tcp"]
            return TcpProbe(host=host, port=port)
        case "exec":
            return ExecProbe(command=values["exec"])
        case "file":
            return FileProbe(path=values["file"])
        case "nerve":
            return NerveProbe(path=values["nerve"], host=values["nerve-host"] or machine.hostname())
        case _:
            return HttpProbe(
                url=values["http"],
                status=values["status"],
                body=values["body"],
                headers=values["headers"],
                host=values["host"],
                tls_name=values["tls-name"],
                tls_ca=values["tls-ca"],
                tls_verify=values["tls-verify"],
            )
