"""ExaZK's options, of its YAML file or of its command line, and what is wrong with them.

ExaZK checks nothing: what it would crash on, or do in a way that nobody means, is said here.
"""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import PurePath
from typing import Any, Final, Never

from vipd.config.addresses import servers, znode
from vipd.config.problems import Refused
from vipd.convert.errors import ConvertError
from vipd.convert.exabgp_routes import lost

LISTS: Final = ("zk_hosts", "srv_non_auth_ips")
TEXTS: Final = ("zk_path_service", "zk_path_maintenance", "local_check", "srv_name", "srv_auth_ip")
LOGGING: Final = ("debug", "silent", "syslog", "syslog_facility")
KNOWN: Final = (*LISTS, *TEXTS, *LOGGING)
REQUIRED: Final = {
    "zk_hosts": "ExaZK crashes at its start",
    "zk_path_service": "ExaZK crashes at its start",
    "srv_auth_ip": "ExaZK crashes at its start, or announces None/32",
    "local_check": "ExaZK crashes at its first check",
}
OPTIONAL: Final = {
    "srv_non_auth_ips": "ExaZK crashes without it; vipd has this pod announce its own VIP alone",
    "zk_path_maintenance": "ExaZK crashes without it at its first check; vipd needs none",
}

Refuse = Callable[[str, str], Never]
Place = Callable[[str], int]  # the line on which an option stands; 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Exazk:
    """One ExaZK, as vipd will be."""

    name: str
    hosts: str  # as any client of ZooKeeper takes it
    path: str
    check: str
    own: IPv4Address
    others: tuple[IPv4Address, ...] = ()
    maintenance: str | None = None
    debug: bool = False
    notes: list[str] = field(default_factory=list)


def arguments(run: Sequence[str]) -> tuple[str, ...] | None:
    """Return the arguments of the ExaZK that a process runs; None: it runs something else."""
    for at, word in enumerate(run):
        if PurePath(word).name in {"exazk", "exazk.py"}:
            return tuple(run[at + 1 :])
    return None


def config_file(words: Sequence[str]) -> str | None:
    """The file that a command line names. It makes ExaZK forget all other options."""
    return _parsed(words, "the command line").get("config")


def of_line(words: Sequence[str], where: str = "--args") -> Exazk:
    """Read a command line. Raises ConvertError."""
    return _exazk(_parsed(words, where), where, lambda _: 0)


def split(line: str) -> list[str]:
    """Cut a command line, with or without the program in front, into its arguments. Raises ConvertError."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ConvertError("--args", 0, f"{str(error).lower()}") from None
    found = arguments(words)
    return words if found is None else list(found)


def of_file(text: str, path: str) -> Exazk:
    """Read a YAML file. Raises ConvertError."""
    lines: dict[str, int] = {}
    return _exazk(_yaml(text, path, lines), path, lambda key: lines.get(key, 0))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        raise ValueError(message)


def _parsed(words: Sequence[str], where: str) -> dict[str, Any]:
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--config", "-f")
    parser.add_argument("--debug", "-d", action="store_true")
    parser.add_argument("--silent", "-s", action="store_true")
    parser.add_argument("--no-syslog", dest="syslog", action="store_false")
    parser.add_argument("--syslog-facility", "-sF", nargs="?", const="daemon")
    parser.add_argument("--zk-hosts", "-zH", action="append")
    parser.add_argument("--zk-path-service", "-zPS")
    parser.add_argument("--zk-path-maintenance", "-zPM")
    parser.add_argument("--local-check", "-c")
    parser.add_argument("--name", "-n", dest="srv_name")
    parser.add_argument("--auth-ip", "-A", dest="srv_auth_ip")
    parser.add_argument("--non-auth-ip", "-N", dest="srv_non_auth_ips", action="append")
    try:
        return vars(parser.parse_args(list(words)))
    except ValueError as error:
        raise ConvertError(where, 0, f"ExaZK does not take this: {error}") from None


# --- its file: of YAML, what such a file needs ------------------------------------------------------------


def _yaml(text: str, path: str, lines: dict[str, int]) -> dict[str, Any]:
    """Return what a file says: texts, truth values, and lists of texts, in brackets or line by line."""
    found: dict[str, Any] = {}
    key = ""
    for number, line in _lines(text):
        item = re.fullmatch(r"\s*-\s+(.*)", line)
        if item and key and not isinstance(found[key], str | bool):
            found[key] = [*(found[key] or ()), _scalar(item[1])]
            continue
        entry = re.fullmatch(r"(\w+):(?:\s+(.*))?", line)
        if entry is None:
            raise ConvertError(path, number, "one `key: value` is a line here, and items of a list `- item`")
        key = entry[1]
        if key in lines:
            raise ConvertError(path, number, f"{key} stands on line {lines[key]} already: the later one wins")
        lines[key] = number
        try:
            found[key] = _value((entry[2] or "").strip())
        except ValueError as error:
            raise ConvertError(path, number, f"{key}: {error}") from None
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is on the lines of a file, without comments and marks."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = _uncommented(raw).rstrip()
        if line and line not in {"---", "..."}:
            yield number, line


def _value(word: str) -> str | bool | list[str] | None:
    """What stands behind a key. Raises ValueError."""
    if word.startswith("["):
        if not word.endswith("]"):
            raise ValueError("the list has to end on its line")
        return [_scalar(each) for each in word[1:-1].split(",") if each.strip()]
    if word.startswith(("{", "|", ">", "&", "*", "!")):
        raise ValueError("must be a text, true or false, or a list of texts")
    return _plain(word) if word else None


def _uncommented(line: str) -> str:
    """A line without its comment: a # behind a space, outside of quotes."""
    quote = ""
    for at, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and (at == 0 or line[at - 1] in " [,"):
            quote = letter
        elif letter == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at]
    return line


def _scalar(word: str) -> str:
    word = word.strip()
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word


def _plain(word: str) -> str | bool | None:
    known = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if word.lower() in {"null", "~"}:
        return None
    return known.get(word.lower(), _scalar(word))


# --- what is wrong with them ------------------------------------------------------------------------------


def _exazk(found: Mapping[str, Any], where: str, place: Place) -> Exazk:
    """Check the options one by one, and together. Raises ConvertError."""

    def refuse(key: str, reason: str) -> Never:
        raise ConvertError(where, place(key), f"{key}: {reason}")

    _sound(found, refuse)
    hosts = ",".join(found["zk_hosts"])
    _read(servers, hosts, "zk_hosts", refuse)
    own = _address(found["srv_auth_ip"], "srv_auth_ip", refuse)
    others = [_address(each, "srv_non_auth_ips", refuse) for each in found.get("srv_non_auth_ips") or ()]
    if own in others:
        refuse("srv_non_auth_ips", f"{own} is srv_auth_ip, too: ExaZK announces it and withdraws it in turn")
    notes = [lost(key, why) for key, why in OPTIONAL.items() if not found.get(key)]
    if len(set(others)) < len(others):
        notes.append("srv_non_auth_ips names an address twice: once is enough.")
    if any(found.get(key) for key in ("silent", "syslog", "syslog_facility")):
        notes.append(lost("silent, syslog", "vipd logs to standard error, for whoever runs it to carry on"))
    maintenance = found.get("zk_path_maintenance")
    return Exazk(
        name=found.get("srv_name") or "exazk",
        hosts=hosts,
        path=_read(znode, found["zk_path_service"], "zk_path_service", refuse),
        check=found["local_check"],
        own=own,
        others=tuple(dict.fromkeys(others)),
        maintenance=maintenance and _read(znode, maintenance, "zk_path_maintenance", refuse),
        debug=found.get("debug") is True,
        notes=notes,
    )


def _sound(found: Mapping[str, Any], refuse: Refuse) -> None:
    """Whether all is there that has to be, and of its kind."""
    for key in found:
        if key not in (*KNOWN, "config"):
            refuse(key, f"ExaZK has no such option; there are {', '.join(KNOWN)}")
    for key, crash in REQUIRED.items():
        if not found.get(key):
            refuse(key, f"is missing: {crash}")
    for key in LISTS:
        if not isinstance(found.get(key), list | None):
            refuse(key, f"must be a list: ExaZK takes {found[key]!r} letter by letter")
    for key in TEXTS:
        if not isinstance(found.get(key), str | None):
            refuse(key, "must be one text")


def _read(reader: Callable[[object], Any], value: str, key: str, refuse: Refuse) -> Any:
    try:
        return reader(value)
    except Refused as refused:
        refuse(key, f'"{value}": {refused.reason}')


def _address(word: str, key: str, refuse: Refuse) -> IPv4Address:
    try:
        found = ip_address(word)
    except ValueError:
        refuse(key, f'"{word}" is not an address')
    if not isinstance(found, IPv4Address):
        refuse(key, f"{word}: ExaZK writes /32 behind every address, and so an IPv6 one is never announced")
    return found
