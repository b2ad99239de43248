"""Tables of a vipd.toml about the services: [[service]], its VIPs and its checks, and [loopback]."""

import re
from collections.abc import Mapping, Sequence

from vipd.convert.exabgp_healthcheck import Healthcheck
from vipd.convert.exabgp_routes import lost
from vipd.convert.exabgp_words import Address
from vipd.convert.sources import Source
from vipd.convert.telling import Said, Telling
from vipd.convert.toml import Table, Value

LABEL = re.compile(r"[A-Za-z0-9._-]{1,12}")
CURL = re.compile(r"(?:\S*/)?curl((?: +-[A-Za-z-]+)+) +[\"']?(http://[^\s\"'|&;<>$`\\]+)[\"']?")
CURL_FLAGS = {"--fail", "--silent", "--show-error"}  # and -f, -s, -S: what an http check does anyway


def serving(sources: Sequence[Source], telling: Telling) -> list[Table]:
    manage = any(_adds_addresses(source) for source in sources)
    taken: set[str] = set()
    tables: list[Table] = []
    for source in sources:
        for nth, (hearing, vips) in enumerate(_groups(source, telling)):
            service = Table(header="[[service]]", notes=[] if nth else source.notes)
            name = _name(source.name, taken)
            service.entries["name"] = name
            tables += _service(service, source.healthcheck, vips, telling.vips)
            if hearing is not None:
                service.entries["neighbors"] = [each for each in telling.neighbors if each in hearing]
            if manage and not _adds_addresses(source):
                service.entries["require-address"] = False
                service.remarks["require-address"] = "as ExaBGP: on no interface, and announced all the same"
        if not source.told and (source.healthcheck is None or source.healthcheck.vips):
            tables.append(Table(notes=source.notes))
    if manage:
        checks = [source.healthcheck for source in sources if source.healthcheck]
        tables.append(_loopback(checks))
    return tables


def _adds_addresses(source: Source) -> bool:
    return source.healthcheck is not None and source.healthcheck.adds_addresses


def _groups(source: Source, telling: Telling) -> list[tuple[frozenset[str] | None, list[Address]]]:
    """VIPs that the same neighbours hear of, for they can be in one service; None: all neighbours hear."""
    found: dict[frozenset[str] | None, list[Address]] = {}
    for vip, told in source.told.items():
        able = telling.reached[vip] or telling.neighbors.keys()
        everybody = able <= told.keys()  # the others would hear nothing anyway
        found.setdefault(None if everybody else frozenset(told), []).append(vip)
    if source.healthcheck and not source.healthcheck.vips:
        found[None] = []
    return list(found.items())


def _service(
    service: Table, check: Healthcheck | None, vips: Sequence[Address], said: Mapping[Address, Said]
) -> list[Table]:
    entries = {vip: said[vip].entries() for vip in vips}
    common = _common(list(entries.values()))
    if all(own == common for own in entries.values()):
        service.entries["vips"] = [str(vip) for vip in vips]
    service.entries |= common
    tables = [service]
    if "vips" not in service.entries:
        for vip, own in entries.items():
            differing = {key: value for key, value in own.items() if key not in common}
            table = Table(header="[[service.vip]]", entries={"address": str(vip), **differing}, depth=1)
            tables.append(table)
    if check is not None:
        if not vips:
            where = f"labelled lo:{check.label}..." if check.label else "on lo"
            what = f"the addresses {where}"
            why = "ExaBGP looks for them when it starts: write them into vips, in their order there"
            service.notes.append(lost(what, why))
        if check.execute:
            service.entries["on-change"] = _hook(check)
        tables += _checks(check)
    return tables


def _common(entries: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """What all VIPs say alike. Where one says nothing its service must not, either."""
    if not entries:
        return {}
    first, *others = entries
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}


def _checks(check: Healthcheck) -> list[Table]:
    tables = []
    if check.disable is not None:
        entries: dict[str, Value] = {"file": check.disable, "interval": check.interval}
        tables.append(Table(header="[[service.check]]", entries=entries, depth=1))
        if not check.disable.startswith("/"):
            tables[-1].notes.append(
                f"{check.disable} begins where ExaBGP was started: vipd needs the whole path"
            )
    if check.command is not None:
        table = Table(header="[[service.check]]", depth=1)
        table.entries |= {
            "exec": check.command,
            "interval": check.interval,
            "fast-interval": min(check.interval, check.fast_interval),
            "timeout": check.timeout,
            "rise": check.rise,
            "fall": check.fall,
        }
        if check.fast_interval > check.interval:
            what = f"fast-interval {check.fast_interval:g}"
            table.notes.append(lost(what, "it is longer than the interval"))
        if url := _plain_url(check.command):
            table.notes.append(f'instead of exec, and without a process each time: http = "{url}"')
        tables.append(table)
    return tables


def _plain_url(command: str) -> str | None:
    """What curl is asked for, where an http check would ask for the same."""
    curl = CURL.fullmatch(command.strip())
    if curl is None:
        return None
    flags = curl[1].split()
    fails = any(flag == "--fail" or re.fullmatch(r"-\w*f\w*", flag) for flag in flags)
    known = all(flag in CURL_FLAGS or re.fullmatch(r"-[fsS]+", flag) for flag in flags)
    return curl[2] if fails and known else None


def _hook(check: Healthcheck) -> str:
    """The programs of --execute, --up-execute and --down-execute as one script. ExaBGP gives them $STATE."""
    lines = ['case "$VIPD_STATE" in up) STATE=UP ;; *) STATE=DOWN ;; esac', "export STATE"]
    alone = len(check.execute) == 1
    for when, command in check.execute:
        body = [command] if alone else ["(", command, ")"]
        lines += [f"if [ $STATE = {when.upper()} ]; then", *body, "fi"] if when else body
    return "".join(f"{line}\n" for line in lines)


def _loopback(checks: Sequence[Healthcheck]) -> Table:
    table = Table(header="[loopback]", entries={"manage": True})
    table.remarks["manage"] = "as ExaBGP's health check does; it takes CAP_NET_ADMIN"
    labels = list(dict.fromkeys(check.label for check in checks if check.adds_addresses and check.label))
    if labels and LABEL.fullmatch(labels[0]):
        table.entries["label"] = labels.pop(0)
    why = "vipd has one label, of at most 12 characters"
    table.notes += [lost(f"label {label}", why) for label in labels]
    return table


def _name(wanted: str, taken: set[str]) -> str:
    """A name that vipd allows, and that is not taken yet."""
    stem = name_of(wanted)
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name


def name_of(wanted: str) -> str:
    """A name that vipd allows, as near as can be."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", wanted)[:56].strip("-") or "service"
