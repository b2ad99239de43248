"""ExaBGP's health check: its command line, or the file of options that `--config` names."""

import argparse
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import PurePath
from typing import NoReturn

from vipd.convert.errors import ConvertError
from vipd.convert.exabgp_routes import Attributes, as_path, hosts, lost
from vipd.convert.exabgp_words import (
    Address,
    Network,
    address,
    community,
    large_community,
    network,
    number,
)

SHORTEST = 0.01  # seconds: vipd bounds intervals by this
DAY = 86400.0  # and that
HOUR = 3600  # and timeouts
MOST_IN_A_ROW = 1000  # and rise and fall


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """One process that checks a service and has its addresses announced."""

    name: str | None
    vips: tuple[tuple[Address, Attributes], ...]  # in their order; each with its own MED
    neighbors: frozenset[Address] | None  # None: every neighbour that the process may talk to
    command: str | None  # None: always healthy
    disable: str | None  # the operator's file
    interval: float
    fast_interval: float
    timeout: float
    rise: int
    fall: int
    execute: tuple[tuple[str, str], ...]  # ("" | "up" | "down", shell line), in their order
    adds_addresses: bool  # it puts the VIPs on lo
    label: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A piece of a command line, and where it stands."""

    words: tuple[str, ...]
    file: str
    line: int


class _Refused(Exception):  # noqa: N818 - becomes a ConvertError as soon as its place is known
    pass


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Refused(message)


def _seconds(word: str) -> float:
    if not math.isfinite(seconds := float(word)) or seconds < 0:
        raise ValueError
    return seconds


def _options() -> _Parser:
    """The options of ExaBGP 3.4 to 5, with their defaults."""
    parser = _Parser(add_help=False)
    for switch in (
        ("--silent", "-s"),
        ("--no-syslog",),
        ("--debug", "-d"),
        ("--no-ack", "-a"),
        ("--sudo",),
        ("--deaggregate-networks",),
        ("--no-ip-setup",),
        ("--dynamic-ip-setup",),
        ("--label-exact-match",),
        ("--withdraw-on-down",),
        ("--debounce",),
    ):
        parser.add_argument(*switch, action="store_true")
    for text in (
        ("--name", "-n"),
        ("--config", "-F"),
        ("--pid", "-p"),
        ("--user",),
        ("--group",),
        ("--disable",),
        ("--command", "--cmd", "-c"),
        ("--label",),
        ("--community",),
        ("--extended-community",),
        ("--large-community",),
        ("--disabled-community",),
        ("--as-path",),
        ("--up-as-path",),
        ("--down-as-path",),
        ("--disabled-as-path",),
        ("--path-id",),
    ):
        parser.add_argument(*text)
    parser.add_argument("--syslog-facility", "-sF", nargs="?")
    parser.add_argument("--interval", "-i", type=_seconds, default=5.0)
    parser.add_argument("--fast-interval", "-f", type=_seconds, default=1.0)
    parser.add_argument("--timeout", "-t", type=int, default=5)
    for integer, default in (
        ("--rise", 3),
        ("--fall", 3),
        ("--local-preference", -1),
        ("--start-ip", 0),
        ("--up-metric", 100),
        ("--down-metric", 1000),
        ("--disabled-metric", 500),
        ("--increase", 1),
    ):
        parser.add_argument(integer, type=int, default=default)
    parser.add_argument("--next-hop", "-N", type=address)
    parser.add_argument("--ip", type=network, action="append", default=[])
    for several in ("--ip-ifname", "--neighbor", "--execute", "--up-execute", "--down-execute"):
        parser.add_argument(several, action="append", default=[])
    parser.add_argument("--disabled-execute", action="append", default=[])
    return parser


OPTIONS = frozenset(
    option.removeprefix("--")
    for action in _options()._actions  # noqa: SLF001 - argparse tells its options nowhere else
    for option in action.option_strings
    if option.startswith("--")
)


def arguments(run: Sequence[str]) -> tuple[str, ...] | None:
    """Return the arguments of the health check that a process runs; None: it runs something else."""
    for at, word in enumerate(run):
        program = PurePath(word).name
        if program.startswith("exabgp") and "healthcheck" in run[at + 1 : at + 4]:
            return tuple(run[run.index("healthcheck", at) + 1 :])
        if program in ("healthcheck.py", "exabgp-healthcheck") or word == "exabgp.application.healthcheck":
            return tuple(run[at + 1 :])
        if " " in word and "healthcheck" in word:  # sh -c "exec exabgp healthcheck ..."
            try:
                inner = arguments(shlex.split(word))
            except ValueError:
                inner = None
            if inner is not None:
                return inner
    return None


def is_options(text: str) -> bool:
    """Whether a file reads as health check options, one a line, rather than as ExaBGP's own configuration."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return bool(lines) and all(line.partition("=")[0].strip() in OPTIONS for line in lines)


def option_lines(text: str, file: str) -> list[Line]:
    """The options of a file, in the form that they have on a command line."""
    found = []
    for number_, line in enumerate(text.splitlines(), start=1):
        if (line := line.strip()) and not line.startswith("#"):
            words = tuple(word.strip() for word in f"--{line}".split("=", 1))
            found.append(Line(words=words, file=file, line=number_))
    return found


def config_file(line: Line) -> str | None:
    """The file of options that a command line names."""
    name: str | None = _read([line])[0].config
    return name


def read(lines: Sequence[Line]) -> Healthcheck:
    """Return the health check that some options make; later ones win. Raises ConvertError."""
    options, unknown = _read(lines)
    try:
        return _healthcheck(options, [*unknown, *_lost(options)])
    except ValueError as error:
        at = lines[0]
        raise ConvertError(at.file, at.line, f"health check: {error}") from None


def _read(lines: Sequence[Line]) -> tuple[argparse.Namespace, list[str]]:
    parser = _options()
    options = parser.parse_args([])
    unknown = []
    for line in lines:
        try:
            _, extra = parser.parse_known_args(line.words, options)
        except (_Refused, ValueError) as error:
            raise ConvertError(line.file, line.line, f"health check: {error}") from None
        if extra:
            unknown.append(lost(" ".join(extra), "the health check has no such option"))
    return options, unknown


def _healthcheck(options: argparse.Namespace, notes: list[str]) -> Healthcheck:
    path = options.up_as_path if options.up_as_path is not None else options.as_path
    preference = options.local_preference
    shared = Attributes(
        next_hop=options.next_hop,
        local_preference=number(str(preference), 0xFFFFFFFF) if preference >= 0 else None,
        as_path=as_path(path.split()) if path else None,
        communities=frozenset(map(community, (options.community or "").split())),
        large_communities=frozenset(map(large_community, (options.large_community or "").split())),
    )
    vips: dict[Address, Attributes] = {}
    for place, prefix in enumerate(_in_order(options)):
        if prefix.num_addresses > 1:
            notes.append(lost(f"ip {prefix}", "a VIP is a single address, /32 or /128"))
            continue
        med = number(str(options.up_metric + place * options.increase), 0xFFFFFFFF)
        vips[prefix.network_address] = replace(shared, med=med)
    return Healthcheck(
        name=options.name,
        vips=tuple(vips.items()),
        neighbors=None
        if not options.neighbor or "*" in options.neighbor
        else frozenset(map(address, options.neighbor)),
        command=options.command,
        disable=options.disable,
        interval=min(max(SHORTEST, options.interval), DAY) if options.interval else 5.0,
        fast_interval=max(SHORTEST, options.fast_interval),
        timeout=float(min(options.timeout, HOUR)) if options.timeout > 0 else 60.0,
        rise=min(max(1, options.rise), MOST_IN_A_ROW),
        fall=min(max(1, options.fall), MOST_IN_A_ROW),
        execute=(
            *(("up", line) for line in options.up_execute),
            *(("down", line) for line in options.down_execute),
            *(("", line) for line in options.execute),
        ),
        adds_addresses=not options.no_ip_setup,
        label=options.label,
        notes=tuple(notes),
    )


def _in_order(options: argparse.Namespace) -> list[Network]:
    """The prefixes as they are counted for their metrics: taken apart, and turned to begin with start-ip."""
    prefixes: list[Network] = []
    for prefix in options.ip:
        members = hosts(prefix) if options.deaggregate_networks else None
        if members is not None:
            prefixes += map(ip_network, members)
        else:
            prefixes.append(prefix)
    first = options.start_ip % max(1, len(prefixes))
    return prefixes[first:] + prefixes[:first]


def _lost(options: argparse.Namespace) -> list[str]:
    """What these options say that a vipd.toml cannot."""
    notes = []
    if options.command is not None and not options.withdraw_on_down:
        notes.append(
            lost(
                f"metric {options.down_metric} while down",
                "vipd withdraws a VIP whose service is down instead of raising its MED",
            )
        )
    if options.disable is not None and not options.withdraw_on_down:
        what = f"metric {options.disabled_metric} while disabled"
        notes.append(lost(what, "vipd withdraws a VIP whose service is disabled"))
    if not options.interval:
        notes.append(lost("interval 0", "vipd goes on checking for as long as it announces"))
    if options.timeout <= 0:
        notes.append(lost("timeout 0", "vipd bounds every check"))
    for name, why in (
        ("extended_community", "vipd announces communities and large communities"),
        ("disabled_community", "vipd withdraws a VIP whose service is disabled"),
        ("down_as_path", "vipd withdraws a VIP whose service is down"),
        ("disabled_as_path", "vipd withdraws a VIP whose service is disabled"),
        ("path_id", "vipd does not speak ADD-PATH"),
        ("user", "vipd itself, and with it every check, runs as the user who starts it"),
        ("group", "vipd itself, and with it every check, runs as the group that starts it"),
        ("pid", "a health check is no process of its own any more"),
    ):
        if getattr(options, name) is not None:
            notes.append(lost(f"{name.replace('_', '-')} {getattr(options, name)}", why))
    if options.sudo:
        notes.append(lost("sudo", "vipd adds addresses by itself, which takes CAP_NET_ADMIN"))
    if options.dynamic_ip_setup:
        notes.append(lost("dynamic-ip-setup", "vipd keeps the addresses for as long as it runs"))
    if options.label_exact_match:
        notes.append(lost("label-exact-match", "vipd finds its addresses by their whole label anyway"))
    notes += [
        lost(f"ip-ifname {pair}", "vipd holds addresses on lo alone")
        for pair in options.ip_ifname
        if not pair.endswith("%lo")
    ]
    notes += [
        lost(f"disabled-execute {line}", "to vipd a disabled service is down: VIPD_REASON tells on-change")
        for line in options.disabled_execute
    ]
    return notes
