"""Who the ZooKeeper servers are, and how they are to be spoken to: values, checked before anybody dials."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Self

Seconds = float

PORT: Final = 2181
SHORTEST: Final[Seconds] = 1.0  # below, an election costs every session
LONGEST: Final[Seconds] = 60.0

_SERVER = re.compile(r"(?:\[(?P<literal>[^]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>.*))?", re.DOTALL)
_HOST_NAME = re.compile(
    r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.IGNORECASE | re.ASCII
)
_SEGMENT = re.compile(r"[^/\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff]+")  # what ZooKeeper takes in a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server as it was configured: a name or an address literal, and a port."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "zk1.example", "192.0.2.1:2181" or "[2001:db8::1]:2181". Raises ValueError with the reason."""
        if "," in text:
            raise ValueError(f'"{text}": one server each, not a list in one string')
        if "/" in text:
            raise ValueError(f'"{text}": the chroot is not part of a server; it has a setting of its own')
        if text.count(":") > 1 and not text.startswith("["):
            raise ValueError(f'"{text}": an IPv6 address stands in brackets, "[2001:db8::1]:{PORT}"')
        parts = _SERVER.fullmatch(text)
        if parts is None:
            raise ValueError(f'"{text}": must be "host:port" or "[IPv6 address]:port"')
        port = PORT if parts["port"] is None else _port(text, parts["port"])
        if parts["literal"] is not None:
            return cls(host=_literal(text, parts["literal"]), port=port)
        return cls(host=_name(text, parts["name"]), port=port)

    def __str__(self) -> str:
        return spell(self.host, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The servers, and what all of them are told alike. Raises ValueError for what cannot work.

    Attributes:
        servers: which of them comes first is left to chance.
        chroot: below which every path lies, like "/sites/one"; "" for none. It is never created.
        session_timeout: asked for; the servers have the last word.
        credentials: "user:password" of the digest scheme; "" for none. Our nodes are then ours to change
            and anybody's to read; without, they are anybody's.
    """

    servers: tuple[Server, ...]
    chroot: str = ""
    session_timeout: Seconds = 3.0
    credentials: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.servers:
            raise ValueError("there must be at least one server")
        if len(set(self.servers)) < len(self.servers):
            raise ValueError("a server is named twice")
        if not SHORTEST <= self.session_timeout <= LONGEST:
            raise ValueError(f"the session timeout must be between {SHORTEST:g} and {LONGEST:g} s")
        if self.chroot:
            check_path(self.chroot)
        if self.credentials and not all(self.credentials.partition(":")):
            raise ValueError('the credentials must be "user:password"')


def check_path(path: str) -> None:
    """Raise ValueError unless ZooKeeper takes this as the path of a node below its root."""
    if not path.startswith("/") or path == "/":
        raise ValueError(f'"{path}": a path begins with "/" and names something')
    for segment in path[1:].split("/"):
        if segment in {"", ".", ".."} or not _SEGMENT.fullmatch(segment):
            raise ValueError(f'"{path}": "{segment}" cannot be a part of a path')


def is_literal(host: str) -> bool:
    """Whether a server's host is its address."""
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None


def spell(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(text: str, port: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise ValueError(f'"{text}": the port must be between 1 and 65535')
    return int(port)


def _literal(text: str, literal: str) -> str:
    try:
        address = ip_address(literal)
    except ValueError:
        raise ValueError(f'"{text}": what stands in brackets must be an IPv6 address') from None
    if address.version != 6 or "%" in literal:
        raise ValueError(f'"{text}": only an IPv6 address without a scope stands in brackets')
    return str(address)


def _name(text: str, name: str) -> str:
    if is_literal(name):  # nobody's name: the last label of one is never all digits
        try:
            return str(ip_address(name))
        except ValueError:
            raise ValueError(f'"{text}": not an IPv4 address') from None
    if len(name) > 253 or not _HOST_NAME.fullmatch(name):
        raise ValueError(f'"{text}": not a host name or an address')
    return name
