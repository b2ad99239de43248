"""ExaBGP's neighbours, with what groups and templates give them; and the processes that they listen to."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from vipd.convert.exabgp_routes import Offer, lost, read_announce, read_static
from vipd.convert.exabgp_syntax import Statement
from vipd.convert.exabgp_words import OFF, Address, address, asn, bare, boolean, number

SETTINGS_LOST = {  # of a neighbour, or of its block `capability`
    "host-name": "vipd does not send its host's name",
    "domain-name": "vipd does not send its host's name",
    "source-interface": "vipd binds to an address: local-address",
    "md5-ip": "vipd signs with the key of the neighbour, whatever our own address",
    "rate-limit": "vipd sends no more than what changed",
    "manual-eor": "vipd sends End-of-RIB after its first full set by itself",
    "add-path": "vipd does not speak ADD-PATH: it has one route to each VIP",
    "graceful-restart": "a ToR must not go on forwarding to a dead pod",
    "multi-session": "vipd has one session for all families",
    "operational": "vipd does not speak this draft",
    "nexthop": "vipd tells each family a next hop of its own",
    "aigp": "vipd does not speak AIGP",
    "software-version": "vipd does not send its version",
}
SETTINGS_ALIKE = {  # vipd does so anyway, or the difference cannot be seen from outside
    "group-updates",
    "auto-flush",
    "adj-rib-in",
    "adj-rib-out",
    "route-refresh",
    "extended-message",
}
BLOCKS_LOST = {
    "flow": "vipd announces addresses, no flow rules",
    "l2vpn": "vipd announces addresses, no VPNs",
    "operational": "vipd does not speak this draft",
    "add-path": SETTINGS_LOST["add-path"],
    "nexthop": SETTINGS_LOST["nexthop"],
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Process:
    """A program that ExaBGP runs and listens to."""

    name: str
    run: tuple[str, ...]
    statement: Statement


@dataclass(slots=True, kw_only=True)
class Neighbor:
    """One neighbour as ExaBGP has it, everything inherited included."""

    statement: Statement
    name: str
    address: Address
    description: str = ""
    router_id: IPv4Address | None = None
    local_address: Address | None = None  # None: auto
    local_as: int | None = None  # None: auto
    peer_as: int | None = None  # None: auto
    hold_time: int | None = None
    passive: bool = False
    listen: int | None = None
    connect: int | None = None
    minimum_ttl: int | None = None
    outgoing_ttl: int | None = None
    password: Statement | None = None  # where it stands: what it is, nobody needs to know
    secret: tuple[str, ...] = field(default=(), repr=False)  # compared with others', never written
    base64: bool = False
    asn4: bool = True
    families: tuple[str, ...] = ("ipv4", "ipv6")
    offers: list[Offer] = field(default_factory=list)
    lost_offers: list[str] = field(default_factory=list)  # notes
    processes: list[Process] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def own_as(self) -> int | None:
        """ExaBGP's `local-as auto` is whatever the peer says it is."""
        return self.local_as if self.local_as is not None else self.peer_as

    @property
    def ebgp(self) -> bool:
        return self.peer_as is None or self.peer_as != self.own_as


@dataclass(slots=True, kw_only=True)
class Exabgp:
    """One configuration file."""

    neighbors: list[Neighbor] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)  # all that nobody has to name
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Scope:
    """The statements that make up one neighbour: where a setting is there twice, the later one counts."""

    settings: dict[str, Statement] = field(default_factory=dict)
    blocks: list[Statement] = field(default_factory=list)
    inherited: list[tuple[Statement, str]] = field(default_factory=list)

    def add(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            if statement.keyword == "inherit":
                self.inherited += [(statement, name) for name in bare(statement.values)]
            elif statement.block is None:
                self.settings[statement.keyword] = statement
            else:
                self.blocks.append(statement)


def read(statements: Sequence[Statement]) -> Exabgp:
    """Return what the statements of a file come to. Raises ConvertError."""
    found = Exabgp()
    templates: dict[str, Statement] = {}
    for statement in statements:
        if statement.keyword == "template":
            for template in statement.block or ():
                templates[template.words[-1]] = template
        elif statement.keyword == "process":
            found.processes.append(_process(statement))
    for statement in statements:
        if statement.keyword == "neighbor":
            _add(found, _Scope(), statement, templates)
        elif statement.keyword == "group":
            shared = _Scope()
            members = [inner for inner in statement.block or () if inner.keyword == "neighbor"]
            shared.add(inner for inner in statement.block or () if inner.keyword != "neighbor")
            for member in members:
                _add(found, shared, member, templates)
        elif statement.keyword not in ("template", "process"):
            found.notes.append(lost(statement, "ExaBGP has no such section"))
    return found


def _add(found: Exabgp, shared: _Scope, statement: Statement, templates: Mapping[str, Statement]) -> None:
    """Read one neighbour of a group, or of none."""
    if len(statement.values) != 1:
        raise statement.refuse("one address stands before its block")
    if "/" in statement.values[0]:
        found.notes.append(lost(statement, "a neighbour of vipd is one address"))
        return
    try:
        where = address(statement.values[0])
    except ValueError as error:
        raise statement.refuse(error) from None
    neighbor = Neighbor(statement=statement, name=str(where), address=where)
    scope = _inherit(shared, statement, templates, neighbor.notes)
    for key in ("local-as", "peer-as"):
        if key not in scope.settings:
            raise statement.refuse(f"{key} is missing")
    for setting in scope.settings.values():
        _set(neighbor, setting)
    for block in scope.blocks:
        _block(neighbor, block, found.processes)
    if any(block.keyword == "family" for block in scope.blocks):
        neighbor.families = _families(scope.blocks, neighbor.notes)
    local = neighbor.local_address
    if local is not None and local.version != where.version:
        raise statement.refuse(f"local-address {local} is of the other family")
    found.neighbors.append(neighbor)


def _inherit(
    shared: _Scope, statement: Statement, templates: Mapping[str, Statement], notes: list[str]
) -> _Scope:
    """What makes up a neighbour. Its own setting beats its group's; a template's beats both, as in ExaBGP."""
    scope = _Scope(
        settings=dict(shared.settings), blocks=list(shared.blocks), inherited=list(shared.inherited)
    )
    scope.add(statement.block or ())
    for where, name in scope.inherited:
        if name not in templates:
            raise where.refuse(f'there is no template "{name}"')
        template = _Scope()
        template.add(templates[name].block or ())
        for key, setting in template.settings.items():
            own = scope.settings.get(key)
            if own is not None and own.values != setting.values:
                notes.append(lost(own, f"in ExaBGP, too, template {name} overrides it"))
        scope.settings |= template.settings
        scope.blocks += template.blocks
    return scope


def _set(neighbor: Neighbor, setting: Statement) -> None:
    key, values = setting.keyword, setting.values
    if key in SETTINGS_LOST:
        if not (values and values[0].lower() in (*OFF, "0")):
            neighbor.notes.append(lost(setting, SETTINGS_LOST[key]))
        return
    if key in SETTINGS_ALIKE:
        return
    if key not in SETTINGS:
        neighbor.notes.append(lost(setting, "it is not known"))
        return
    field_name, read_values = SETTINGS[key]
    try:
        value = read_values(values)
    except ValueError as error:
        raise setting.refuse(error) from None
    setattr(neighbor, field_name, value)
    if field_name == "secret":
        neighbor.password = setting
    if key == "asn4" and not value:
        neighbor.notes.append(lost(setting, "vipd offers four-octet AS numbers to every peer"))


def _router_id(values: Sequence[str]) -> IPv4Address:
    try:
        return IPv4Address(" ".join(values))
    except ValueError:
        raise ValueError(f'"{" ".join(values)}" does not look like an IPv4 address') from None


def _local_address(values: Sequence[str]) -> Address | None:
    return None if values == ("auto",) else address(" ".join(values))


def _asn(values: Sequence[str]) -> int | None:
    return None if values == ("auto",) else asn(" ".join(values))


def _hold_time(values: Sequence[str]) -> int:
    seconds = number(" ".join(values), 0xFFFF)
    if seconds in (1, 2):
        raise ValueError("it is 0, or at least 3 seconds")
    return seconds


def _port(values: Sequence[str]) -> int | None:
    return number(" ".join(values), 0xFFFF) or None


def _ttl(values: Sequence[str]) -> int | None:
    return None if values and values[0] in OFF else number(" ".join(values) or "255", 255) or None


def _secret(values: Sequence[str]) -> tuple[str, ...]:
    if not any(values):
        raise ValueError("a password is missing")
    return tuple(values)


SETTINGS: Mapping[str, tuple[str, Callable[[tuple[str, ...]], object]]] = {  # keyword -> field, reader
    "description": ("description", " ".join),
    "router-id": ("router_id", _router_id),
    "local-address": ("local_address", _local_address),
    "local-as": ("local_as", _asn),
    "peer-as": ("peer_as", _asn),
    "hold-time": ("hold_time", _hold_time),
    "passive": ("passive", boolean),
    "listen": ("listen", _port),
    "connect": ("connect", _port),
    "incoming-ttl": ("minimum_ttl", _ttl),
    "ttl-security": ("minimum_ttl", _ttl),
    "outgoing-ttl": ("outgoing_ttl", _ttl),
    "md5-password": ("secret", _secret),
    "md5": ("secret", _secret),
    "md5-base64": ("base64", lambda values: values == ("auto",) or boolean(values)),
    "asn4": ("asn4", boolean),
}


def _block(neighbor: Neighbor, block: Statement, processes: Sequence[Process]) -> None:
    inner = block.block or ()
    match block.keyword:
        case "static" | "announce":
            offers, notes = (read_static if block.keyword == "static" else read_announce)(block)
            neighbor.offers += offers
            neighbor.lost_offers += notes
        case "capability":
            for setting in inner:
                _set(neighbor, setting)
        case "api":
            neighbor.processes += _listens_to(inner, processes)
        case "process":  # ExaBGP 3
            neighbor.processes.append(_process(block))
        case "family":
            pass
        case keyword:
            neighbor.notes.append(lost(block, BLOCKS_LOST.get(keyword, "it is not known")))


def _families(blocks: Sequence[Statement], notes: list[str]) -> tuple[str, ...]:
    found = set()
    for block in blocks:
        for family in block.block or () if block.keyword == "family" else ():
            if family.keyword == "all":
                found |= {"ipv4", "ipv6"}
            elif family.words in (("ipv4", "unicast"), ("ipv6", "unicast")):
                found.add(family.keyword)
            else:
                notes.append(lost(f"family {family}", "vipd announces unicast addresses only"))
    return tuple(sorted(found))


def _listens_to(api: Iterable[Statement], processes: Sequence[Process]) -> list[Process]:
    found: list[Process] = []
    for statement in api:
        names = bare(statement.values)
        if statement.keyword == "processes":
            for name in names:
                named = [process for process in processes if process.name == name]
                if not named:
                    raise statement.refuse(f'there is no process "{name}"')
                found += named
        elif statement.keyword == "processes-match":
            try:
                patterns = [re.compile(name) for name in names]
            except (re.error, OverflowError, RecursionError) as error:
                raise statement.refuse(f"no regular expression: {error}") from None
            found += [one for one in processes if any(pattern.match(one.name) for pattern in patterns)]
    return found


def _process(statement: Statement) -> Process:
    runs = [inner for inner in statement.block or () if inner.keyword == "run"]
    if not runs or not runs[-1].values:
        raise statement.refuse("a process needs what to run: run PROGRAM ARGUMENTS;")
    return Process(name=" ".join(statement.values) or "process", run=runs[-1].values, statement=runs[-1])
