"""Tables of a vipd.toml about the sessions: [speaker], [neighbor-defaults], [[neighbor]]."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from vipd.convert.exabgp_neighbors import Neighbor
from vipd.convert.exabgp_routes import lost
from vipd.convert.exabgp_syntax import Statement
from vipd.convert.telling import Told
from vipd.convert.toml import Reference, Table

T = TypeVar("T")

EXABGP_HOLD_TIME = 180
EXABGP_TTL = 64  # what the kernel gives, for ExaBGP sets none
PORT = 179
OWN = ("address", "description")  # what neighbours never share


def speaking(neighbors: Sequence[Neighbor], told: Mapping[str, Told]) -> list[Table]:
    speaker = Table(header="[speaker]")
    own_as = _most_common(neighbor.own_as for neighbor in neighbors)
    router_id = _most_common(_router_id(neighbor) for neighbor in neighbors)
    speaker.entries["local-as"] = own_as if own_as is not None else Reference("${VIPD_LOCAL_AS}")
    if own_as is None:
        speaker.notes.append(lost("local-as auto", "vipd asks no peer for it: set VIPD_LOCAL_AS"))
    if router_id is not None:
        speaker.entries["router-id"] = str(router_id)
    listen = list(dict.fromkeys(endpoint for neighbor in neighbors for endpoint in _listen(neighbor)))
    if listen:
        speaker.entries["listen"] = listen
    if any(neighbor.passive and neighbor.listen is None for neighbor in neighbors):
        speaker.remarks["listen"] = "ExaBGP has this in exabgp.env: tcp.bind, tcp.port"
    secrets = _secrets(neighbors)
    tables = [
        _table(neighbor, told[neighbor.name], own_as, router_id, secrets.get(neighbor.secret, ""))
        for neighbor in neighbors
    ]
    shared = _share(tables)
    return [speaker, *([shared] if shared.entries or shared.notes else []), *tables]


def _table(
    neighbor: Neighbor, told: Told, own_as: int | None, router_id: IPv4Address | None, secret: str
) -> Table:
    table = Table(header="[[neighbor]]", notes=[*neighbor.notes])
    table.entries["address"] = str(neighbor.address)
    if description := "".join(letter for letter in neighbor.description if letter.isprintable()):
        table.entries["description"] = description
    _numbers(neighbor, table, own_as, router_id)
    _session(neighbor, table)
    if neighbor.password is not None:
        _password(neighbor, neighbor.password, table, secret)
    _hops(neighbor, table)
    if len(told.next_hops) == 1:
        table.entries["next-hop"] = str(*told.next_hops.values())
    elif told.next_hops:
        table.entries["next-hop"] = {family: str(hop) for family, hop in sorted(told.next_hops.items())}
    table.entries |= told.said.entries()
    table.notes += told.notes
    return table


def _numbers(neighbor: Neighbor, table: Table, own_as: int | None, router_id: IPv4Address | None) -> None:
    """AS numbers and router id, as far as they are not the speaker's."""
    table.entries["peer-as"] = "external" if neighbor.peer_as is None else neighbor.peer_as
    if neighbor.peer_as is None:
        why = "external is any AS but our own: an iBGP peer needs a number"
        table.notes.append(lost("peer-as auto", why))
    elif neighbor.local_as is None:
        table.notes.append(lost("local-as auto", "vipd asks no peer for it: here it is peer-as"))
    if neighbor.own_as is not None and neighbor.own_as != own_as:
        table.entries["local-as"] = neighbor.own_as
    if (own_id := _router_id(neighbor)) not in (None, router_id):
        table.notes.append(lost(f"router-id {own_id}", "vipd has one for all neighbours"))


def _session(neighbor: Neighbor, table: Table) -> None:
    if neighbor.local_address is not None:
        table.entries["local-address"] = str(neighbor.local_address)
    if neighbor.connect is not None and neighbor.connect != PORT:
        table.entries["port"] = neighbor.connect
    if neighbor.passive:
        table.entries["passive"] = True
    if neighbor.families != ("ipv4", "ipv6"):
        table.entries["families"] = list(neighbor.families)
    if neighbor.hold_time is None:
        table.entries["hold-time"] = EXABGP_HOLD_TIME
        table.remarks["hold-time"] = "ExaBGP's default; vipd's is 9"
    else:
        table.entries["hold-time"] = neighbor.hold_time


def _password(neighbor: Neighbor, statement: Statement, table: Table, secret: str) -> None:
    """Where to put the password: what it is, this file does not tell."""
    table.entries["md5-password-file"] = secret
    where = f"line {statement.line} of {Path(statement.file).name}"
    decoded = ", decoded from base64," if neighbor.base64 else ""
    table.notes.append(f"create {secret} with the password of {where}{decoded} in it:")
    table.notes.append(f"install -D -m 600 /dev/stdin {secret}")


def _hops(neighbor: Neighbor, table: Table) -> None:
    """TTLs. ExaBGP leaves them to the kernel, vipd sends 1 to an eBGP peer."""
    minimum, outgoing = neighbor.minimum_ttl, neighbor.outgoing_ttl
    if minimum is not None and minimum > 1:
        table.entries["ttl-security"] = True if minimum == 255 else 256 - minimum
        if outgoing not in (None, 255):
            table.notes.append(lost(f"outgoing-ttl {outgoing}", "with ttl-security it is 255 (RFC 5082)"))
        return
    if minimum is not None:
        table.notes.append(lost(f"incoming-ttl {minimum}", "every packet has that"))
    ttl = EXABGP_TTL if outgoing is None else outgoing
    if ttl != (1 if neighbor.ebgp else EXABGP_TTL):
        table.entries["ebgp-multihop"] = ttl
        if outgoing is None:
            table.remarks["ebgp-multihop"] = "as ExaBGP sends; not needed on a direct link"


def _share(tables: Sequence[Table]) -> Table:
    """Move what all neighbours agree on to [neighbor-defaults]."""
    shared = Table(header="[neighbor-defaults]")
    if len(tables) < 2:
        return shared
    first, *others = tables
    for key in [key for key in first.entries if key not in OWN]:
        if all(table.entries.get(key) == first.entries[key] for table in others):
            shared.entries[key] = first.entries[key]
            if key in first.remarks:
                shared.remarks[key] = first.remarks[key]
            for table in tables:
                del table.entries[key]
                table.remarks.pop(key, None)
    shared.notes = [note for note in first.notes if all(note in table.notes for table in others)]
    for table in tables:
        table.notes = [note for note in table.notes if note not in shared.notes]
    return shared


def _router_id(neighbor: Neighbor) -> IPv4Address | None:
    if neighbor.router_id is None and isinstance(neighbor.local_address, IPv4Address):
        return neighbor.local_address
    return neighbor.router_id


def _listen(neighbor: Neighbor) -> list[str]:
    if not neighbor.passive and neighbor.listen is None:
        return []
    ours = neighbor.local_address
    if ours is None:
        host = "0.0.0.0" if neighbor.address.version == 4 else "[::]"  # noqa: S104 - as ExaBGP had it
    else:
        host = str(ours) if ours.version == 4 else f"[{ours}]"
    return [f"{host}:{neighbor.listen or PORT}"]


def _secrets(neighbors: Iterable[Neighbor]) -> dict[tuple[str, ...], str]:
    """A file for each password: those who share one share the file."""
    found: dict[tuple[str, ...], str] = {}
    for neighbor in neighbors:
        if neighbor.secret:
            found.setdefault(neighbor.secret, neighbor.name.replace(":", "-").replace("%", "-"))
    if len(found) == 1:
        return dict.fromkeys(found, "/etc/vipd/md5-password")
    return {secret: f"/etc/vipd/md5-password-{name}" for secret, name in found.items()}


def _most_common(values: Iterable[T | None]) -> T | None:
    counted = Counter(value for value in values if value is not None).most_common(1)
    return counted[0][0] if counted else None
