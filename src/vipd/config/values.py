"""Readers of single values: what the file holds in, what vipd means by it out, or Refused with what was
allowed. No reader knows where its value stands.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from vipd.bgp.iana import Family, Role
from vipd.bgp.route import GRACEFUL_SHUTDOWN, Community, LargeCommunity, When
from vipd.config.environment import FromEnvironment
from vipd.config.problems import Refused, suggestion

T = TypeVar("T")
Reader = Callable[[object], T]

DAY: Final = 86400.0  # longest duration that makes sense anywhere here, in seconds

RESERVED_AS: Final = {
    0: "RFC 7607",
    23456: "AS_TRANS, RFC 6793",
    65535: "RFC 7300",
    4294967295: "RFC 7300",
}

WELL_KNOWN: Final[Mapping[str, Community]] = {
    "graceful-shutdown": GRACEFUL_SHUTDOWN,
    "accept-own": (65535, 1),  # RFC 7611
    "llgr-stale": (65535, 6),  # RFC 9494
    "no-llgr": (65535, 7),  # RFC 9494
    "blackhole": (65535, 666),  # RFC 7999
    "no-export": (65535, 65281),  # RFC 1997
    "no-advertise": (65535, 65282),  # RFC 1997
    "no-export-subconfed": (65535, 65283),  # RFC 1997
    "no-peer": (65535, 65284),  # RFC 3765
}


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, FromEnvironment) and value in ("true", "false"):
        return value == "true"
    raise Refused("must be true or false")


def integer(low: int, high: int, *, also: Iterable[int] = (), why: str = "") -> Reader[int]:
    """Return the reader of an integer from `low` to `high`, or one of `also`."""
    others = "".join(f"{each} or " for each in also)
    reason = f"must be an integer: {others}{low} to {high}{f' ({why})' if why else ''}"

    def read(value: object) -> int:
        if isinstance(value, FromEnvironment) and re.fullmatch(r"-?[0-9]{1,20}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused(reason)
        if not low <= value <= high and value not in also:
            raise Refused(reason)
        return value

    return read


def seconds(low: float, high: float = DAY) -> Reader[float]:
    """Return the reader of a duration, in seconds."""
    reason = f"must be a number of seconds: {low:g} to {high:g}"

    def read(value: object) -> float:
        if isinstance(value, FromEnvironment) and re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", value):
            value = float(value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Refused(reason)
        if not low <= value <= high:  # false of nan as well
            raise Refused(reason)
        return float(value)

    return read


def line(value: object) -> str:
    """One line of text, empty or not."""
    if not isinstance(value, str):
        raise Refused("must be text, in quotes")
    if not value.isprintable():
        raise Refused("must be one line of printable text")
    return str(value)


def text(pattern: str, allowed: str) -> Reader[str]:
    """Return the reader of text that matches the pattern whole; `allowed` says the same in words."""
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise Refused(f"must be {allowed}")
        return str(value)

    return read


def choice(words: Iterable[str]) -> Reader[str]:
    """Return the reader of one word of a closed set."""
    known = tuple(words)

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in known:
            hint = suggestion(value, known) if isinstance(value, str) else ""
            raise Refused(f"must be one of {', '.join(known)}{hint}")
        return str(value)

    return read


def role(value: object) -> Role:
    """Read what we are to a neighbour (RFC 9234)."""
    word = choice(map(str, Role))(value)
    return next(role for role in Role if str(role) == word)


def either(word: str, meaning: Any, otherwise: Reader[T]) -> Reader[Any]:
    """Return a reader that takes the word for `meaning`, and leaves every other value to `otherwise`."""

    def read(value: object) -> Any:
        if isinstance(value, str) and value == word:
            return meaning
        try:
            return otherwise(value)
        except Refused as refused:
            raise Refused(f'{refused.reason}, or "{word}"', within=refused.within) from None

    return read


def listing(one: Reader[T], what: str) -> Reader[tuple[T, ...]]:
    """Return the reader of a list, each item read by `one`; `what` names the items, in the plural."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Refused(f"must be a list of {what}, in brackets")
        items = []
        wrong = []
        for index, item in enumerate(value):
            try:
                items.append(one(item))
            except Refused as refused:
                wrong.append((f"[{index}]", item, refused.reason))
        if wrong:
            raise Refused.several(wrong)
        return tuple(items)

    return read


def tables(value: object) -> list[dict[str, Any]]:
    """An array of tables, `[[…]]` in the file, still to be read."""
    if isinstance(value, dict):
        raise Refused("must be an array of tables: its name in double brackets, [[…]]")
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused("must be tables, each with its name in double brackets, [[…]]")
    return value


# --- BGP


def asn(value: object) -> int:
    """An AS number that a speaker may have."""
    allowed = "must be an AS number, 1 to 4294967294"
    try:
        number = integer(0, 4294967295)(value)
    except Refused:
        raise Refused(allowed) from None
    if number in RESERVED_AS:
        raise Refused(f"{allowed}; this one is reserved ({RESERVED_AS[number]})")
    return number


def hops(value: object) -> int | None:
    """How many hops away a peer may be under TTL security (RFC 5082); None: no such security."""
    if isinstance(value, bool) or value in ("true", "false"):
        return 1 if boolean(value) else None
    return integer(1, 254, why="or true, which is 1, or false")(value)


def families(value: object) -> tuple[Family, ...]:
    """Address families, each once, in the order of their numbers."""
    names = listing(choice(("ipv4", "ipv6")), "address families")(value)
    if not names:
        raise Refused('must name at least one of "ipv4", "ipv6"')
    return tuple(family for family in Family if str(family) in names)


def community(value: object) -> Community:
    if not isinstance(value, str):
        raise Refused('must be in quotes: "64500:1", or a well-known name')
    if (known := WELL_KNOWN.get(value)) is not None:
        return known
    if numbers := _numbers(value, 3, 32):
        raise Refused(f'has three parts: it belongs into large-communities = ["{value}"]')
    if numbers := _numbers(value, 2, 16):
        return numbers[0], numbers[1]
    if _numbers(value, 2, 32):
        raise Refused("has a part above 65535 (RFC 1997): use large-communities, which have three of 32 bits")
    raise Refused(f'must be like "64500:1", or one of {", ".join(WELL_KNOWN)}{suggestion(value, WELL_KNOWN)}')


def large_community(value: object) -> LargeCommunity:
    if not isinstance(value, str) or not (numbers := _numbers(value, 3, 32)):
        raise Refused('must be like "64500:1:2", three numbers of 32 bits (RFC 8092)')
    return numbers[0], numbers[1], numbers[2]


def _numbers(value: str, parts: int, bits: int) -> tuple[int, ...]:
    """Return the numbers of "1:2:3", or nothing where it is not that many of that size."""
    if not re.fullmatch(r"[0-9]{1,10}(:[0-9]{1,10})*", value, re.ASCII):
        return ()
    numbers = tuple(int(number) for number in value.split(":"))
    return numbers if len(numbers) == parts and max(numbers) < 1 << bits else ()


def communities(value: object) -> tuple[Community, ...]:
    """Sorted and each once, for the attribute knows no order (RFC 1997)."""
    return tuple(sorted(set(listing(community, "communities")(value))))


def large_communities(value: object) -> tuple[LargeCommunity, ...]:
    return tuple(sorted(set(listing(large_community, "large communities")(value))))


def rank_communities(value: object) -> dict[int, tuple[Community, ...]]:
    """Communities by rank, in the order of the ranks."""

    def rank(key: str) -> int:
        if not re.fullmatch(r"[1-9][0-9]?", key, re.ASCII):
            raise Refused("must be a rank, 1 to 99: 0 is told as the service itself is")
        return int(key)

    return dict(sorted(_by(rank, '{1 = ["64500:1"]}', value).items()))


def communities_when(value: object) -> dict[When, tuple[Community, ...]]:
    """Communities by what the route is at the moment."""
    word = choice(map(str, When))
    return _by(lambda key: When(word(key)), '{draining = ["64500:1"]}', value)


def _by(key: Callable[[str], T], example: str, value: object) -> dict[T, tuple[Community, ...]]:
    """A table of communities. Every problem of it is told."""
    if not isinstance(value, dict):
        raise Refused(f"must be a table, {example}")
    found: dict[T, tuple[Community, ...]] = {}
    wrong: list[tuple[str, object, str]] = []
    for name, content in value.items():
        try:
            found[key(name)] = communities(content)
        except Refused as refused:
            wrong += [
                (f".{name}{at}", part, why)
                for at, part, why in refused.within or (("", content, refused.reason),)
            ]
    if wrong:
        raise Refused.several(wrong)
    return found


# --- checks and hooks


def path(value: object) -> str:
    """An absolute path: a daemon has no working directory to speak of."""
    if not isinstance(value, str) or not re.fullmatch(r"/[^\0]*", value):
        raise Refused('must be an absolute path, "/…"')
    return str(value)


def command(value: object) -> tuple[str, ...]:
    """A list of arguments as it is; a line of text is for the shell."""
    if isinstance(value, str) and value.strip() and "\0" not in value:
        return ("/bin/sh", "-c", str(value))
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
        words = tuple(str(word) for word in value)
        if words[0] and not any("\0" in word for word in words):
            return words
    raise Refused('must be a list of arguments, ["/bin/check", "-v"], or a line for the shell, in quotes')


def url(value: object) -> str:
    """An http or https URL, with a host."""
    wrong = 'must be a URL, "http://host/path" or "https://host:port/path"'
    if not isinstance(value, str) or not re.fullmatch(r"https?://[!-~]+", value):
        raise Refused(wrong)
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"{wrong}: {error}") from None
    if not host or port == 0 or not re.fullmatch(r"[0-9A-Za-z_.:%-]+", host):
        raise Refused(wrong)
    if "@" in parts.netloc:
        raise Refused('must hold no user name or password; headers = {Authorization = "…"} does that')
    return str(value)


def target(value: object) -> tuple[str, int]:
    """The host, a name or an address, and the port that a TCP check connects to."""
    if isinstance(value, str):
        parts = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([0-9A-Za-z_.-]+)):([0-9]{1,5})", value)
        if parts is not None and 1 <= int(parts[3]) <= 65535:
            return parts[1] or parts[2], int(parts[3])
    raise Refused('must be "host:port", or "[address]:port" for an IPv6 address')


def statuses(value: object) -> tuple[tuple[int, int], ...]:
    """Accepted HTTP status codes, as ranges with both ends included."""
    return listing(_status, 'status codes, 204 or "200-299"')(value if isinstance(value, list) else [value])


def _status(value: object) -> tuple[int, int]:
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value, value
    if isinstance(value, str) and re.fullmatch(r"[1-5][0-9]{2}(-[1-5][0-9]{2})?", value, re.ASCII):
        low, _, high = value.partition("-")
        if int(low) <= int(high or low):
            return int(low), int(high or low)
    raise Refused('must be a status code, 100 to 599, or a range, "200-299"')


def expression(value: object) -> str:
    """A regular expression of Python's `re`."""
    if not isinstance(value, str):
        raise Refused("must be a regular expression, in quotes")
    try:
        with warnings.catch_warnings(action="ignore"):  # of what a later Python may read differently
            re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise Refused(f"must be a regular expression: {error}") from None
    return str(value)


def headers(value: object) -> tuple[tuple[str, str], ...]:
    """HTTP header fields (RFC 9110 section 5), in the order of the file."""
    if not isinstance(value, dict):
        raise Refused('must be a table, {Accept = "text/plain"}')
    wrong = [
        (f".{name}", content, "must be a header name, and one line of text")
        for name, content in value.items()
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
        or not isinstance(content, str)
        or not re.fullmatch(r"[ -~]*", content)
    ]
    if wrong:
        raise Refused.several(wrong)
    return tuple((name, str(content)) for name, content in value.items())
