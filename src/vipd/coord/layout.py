"""Where things lie in ZooKeeper, and what they look like there.

The native layout. ExaZK's (`layout = "exazk"`) is in exazk.py and exazk_roster.py.

A record is JSON. Each VIP that the pod serves stands in it once, with a letter and its claim:
`e` eligible, `c` only the check fails, `-` neither; then the rank at which it is announced, if it is.
A witness (rule 10) adds `unseen`: those that it could see, and does not; and `instead`: by pod, those that it
has taken as the routers had lost that pod.

    {"schema": 1, "algorithm": 1, "zone": "r1", "weight": 1, "phase": "running", "sessions": [2, 2],
     "policy": "4c1b…", "vips": {"192.0.2.1": "e0", "192.0.2.2": "e", "192.0.2.3": "-1"}}
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from hashlib import blake2b
from sys import intern
from typing import Any, Final

from vipd.coord.member import Order, Phase, Rank, Record, Service, Unreadable, Vip, one

SCHEMA: Final = 1
RECORD_OCTETS: Final = 512 * 1024  # half of what a ZooKeeper server takes by default
DEFINITION_OCTETS: Final = 512 * 1024  # likewise
ORDER_OCTETS: Final = 4096
TEXT: Final = 255  # characters of a zone, a digest or a pod-id
ADDRESS: Final = 39  # characters of an address, at most
STANDING: Final = 4  # likewise, of how a VIP stands
RANK_MAX: Final = 255
WEIGHT_MAX: Final = 1_000_000

_ADDRESS: Final = re.compile(r"[0-9a-f:.]{2,}")
_STANDING: Final = re.compile(r"([ec-])(\d{1,3})?", re.ASCII)
_NAME: Final = re.compile(r"(?P<pod>[^/\0]+)~(?P<session>[0-9a-f]{1,16})")


def services_path(root: str) -> str:
    return f"{root}/services"


def members_path(root: str, service: str) -> str:
    return f"{root}/services/{service}/members"


def member_path(root: str, service: str, name: str) -> str:
    return f"{root}/services/{service}/members/{name}"


def maintenance_path(root: str, service: str) -> str:
    return f"{root}/services/{service}/maintenance"


def definition_path(root: str, service: str) -> str:
    return f"{root}/services/{service}/definition"


def drains_path(root: str) -> str:
    return f"{root}/drains"


def drain_path(root: str, pod: str) -> str:
    return f"{root}/drains/{pod}"


def member_name(pod: str, session: int) -> str:
    """Name the record of a pod in one ZooKeeper session: a new session never meets an old node."""
    return f"{pod}~{session & 0xFFFF_FFFF_FFFF_FFFF:x}"


def pod_of(name: str) -> str | None:
    """The pod-id in a member's name; None: no pod made that node."""
    found = _NAME.fullmatch(name)
    return found and found["pod"]


def policy_digest(service: Service) -> str:
    """What tells members of one policy from those of another: for people, no rule rests on it."""
    named = {each.name: getattr(service, each.name) for each in fields(service)}
    policy = {key: value for key, value in named.items() if key not in ("name", "vips", "times")}
    text = json.dumps({**policy, "times": asdict(service.times)}, sort_keys=True)
    return blake2b(text.encode(), digest_size=8, person=b"vipd policy").hexdigest()


def write_record(record: Record) -> bytes:
    """Write a record; equal records give equal octets."""
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "algorithm": record.algorithm,
        "zone": record.zone,
        "weight": record.weight,
        "phase": record.phase.value,
        "sessions": [record.sessions_up, record.sessions_configured],
        "policy": record.policy,
    }
    if record.instead_of:
        found["instead"] = {
            pod: sorted(vip for vip, lost in record.instead_of.items() if lost == pod)
            for pod in sorted(set(record.instead_of.values()))
        }
    if record.unseen is not None:
        found["unseen"] = sorted(record.unseen)
    for key, order in (("drain", record.drain), ("maintenance", record.maintenance)):
        if order is not None:
            found[key] = _order(order)
    found["vips"] = {
        vip: f"{_letter(record, vip)}{record.announcing.get(vip, '')}" for vip in _in_order(record.serves)
    }
    return _dump(found)


def read_record(octets: bytes) -> Record | Unreadable:
    """Read a record whole, or say why not. Keys that a later minor version added are passed over."""
    if len(octets) > RECORD_OCTETS:
        return Unreadable(reason=f"{len(octets)} octets exceed {RECORD_OCTETS}")
    try:
        return _record(_load(octets))
    except _Refused as refused:
        return Unreadable(reason=str(refused))


def write_order(order: Order) -> bytes:
    return _dump(_order(order))


def read_order(octets: bytes) -> Order:
    """Read an order. Its being there is what counts: what cannot be read is an order all the same."""
    try:
        if len(octets) > ORDER_OCTETS:
            raise _Refused(f"{len(octets)} octets exceed {ORDER_OCTETS}")
        found = _load(octets)
    except _Refused as refused:
        return Order(why=f"its text is unreadable: {refused}")
    return _read_order(found)


def record_bound(service: Service) -> int:
    """Octets that the largest record of this service can take: for `vipd check`, against RECORD_OCTETS."""
    vips = frozenset(service.vips)
    worst = Record(
        algorithm=RANK_MAX,
        zone="",
        weight=WEIGHT_MAX,
        phase=max(Phase, key=len),
        sessions_up=9999,
        sessions_configured=9999,
        serves=vips,
        eligible=vips,
        announcing=dict.fromkeys(vips, service.last_rank),
        policy="0" * 16,
        unseen=vips if service.witness else None,
        instead_of=dict.fromkeys(vips if service.witness else (), "p" * 128),
    )
    return len(write_record(worst)) + 6 * TEXT + 2 * 6 * ORDER_OCTETS  # JSON spends up to six for one


class _Refused(Exception):  # noqa: N818 - it ends within this file
    """What keeps a text from being read: the reason, in a clause."""


def _load(octets: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise _Refused(f"is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise _Refused("is not a JSON object")
    return found


def _dump(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found, separators=(",", ":"), ensure_ascii=True).encode()


def _record(found: Mapping[str, Any]) -> Record:
    schema = _number(found, "schema", 1, 1 << 31)
    if schema > SCHEMA:
        raise _Refused(f"schema {schema} is newer than {SCHEMA}")
    sessions = found.get("sessions")
    if not isinstance(sessions, list) or len(sessions) != 2:
        raise _Refused("sessions: not a pair of numbers")
    counts = {"up": sessions[0], "configured": sessions[1]}
    phase = found.get("phase")
    if not isinstance(phase, str) or phase not in set(Phase):
        raise _Refused("phase: unknown")
    eligible, suspect, announcing, serves = _vips(found.get("vips"))
    return Record(
        algorithm=_number(found, "algorithm", 1, RANK_MAX),
        zone=_text(found, "zone"),
        weight=_number(found, "weight", 1, WEIGHT_MAX),
        phase=Phase(phase),
        sessions_up=_number(counts, "up", 0, 1 << 31),
        sessions_configured=_number(counts, "configured", 0, 1 << 31),
        serves=serves,
        eligible=eligible,
        suspect=suspect,
        announcing=announcing,
        policy=_text(found, "policy"),
        instead_of=_instead_of(found.get("instead"), announcing),
        unseen=_unseen(found.get("unseen"), serves),
        drain=_kept(found.get("drain")),
        maintenance=_kept(found.get("maintenance")),
    )


def _vips(
    found: object,
) -> tuple[frozenset[Vip], frozenset[Vip], Mapping[Vip, Rank], frozenset[Vip]]:
    if not isinstance(found, dict):
        raise _Refused("vips: not an object")
    lists: dict[str, list[Vip]] = {"e": [], "c": [], "-": []}
    announcing: dict[Vip, Rank] = {}
    for key, value in found.items():
        vip = _vip(key) if len(key) <= ADDRESS else None
        standing = _standing(value) if isinstance(value, str) and len(value) <= STANDING else None
        if vip is None or standing is None:
            raise _Refused(f"vips: {key[:40]!r} is not understood")
        letter, rank = standing
        lists[letter].append(vip)
        if rank is not None:
            announcing[vip] = rank
    eligible, suspect = one(frozenset(lists["e"])), one(frozenset(lists["c"]))
    serves = eligible if len(eligible) == len(found) else one(eligible.union(suspect, lists["-"]))
    return eligible, suspect, announcing, serves


# A hundred records name the same ten thousand VIPs: each is looked at, and kept, once.
@lru_cache(maxsize=1 << 17)
def _vip(text: str) -> Vip | None:
    return Vip(intern(text)) if _ADDRESS.fullmatch(text) else None


@lru_cache(maxsize=4096)
def _standing(text: str) -> tuple[str, Rank | None] | None:
    """A letter and a claim."""
    found = _STANDING.fullmatch(text)
    return found and (found[1], None if found[2] is None else int(found[2]))


@lru_cache(maxsize=64)
def _in_order(vips: frozenset[Vip]) -> tuple[Vip, ...]:
    return tuple(sorted(vips))


def _instead_of(found: object, announcing: Mapping[Vip, Rank]) -> Mapping[Vip, str]:
    """Of what is not announced at rank 0 nobody is relieved; what cannot be read is as good as not said."""
    if not isinstance(found, dict):
        return {}
    return {
        Vip(vip): pod
        for pod, vips in found.items()
        if isinstance(vips, list)
        for vip in vips
        if isinstance(vip, str) and announcing.get(Vip(vip)) == 0
    }


def _unseen(found: object, serves: frozenset[Vip]) -> frozenset[Vip] | None:
    """It informs and decides nothing: what cannot be read of it is as good as not said."""
    if not isinstance(found, list):
        return None
    return serves.intersection(Vip(each) for each in found if isinstance(each, str))


def _letter(record: Record, vip: Vip) -> str:
    if vip in record.eligible:
        return "e"
    return "c" if vip in record.suspect else "-"


def _number(found: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = found.get(key)
    if type(value) is not int or not least <= value <= most:
        raise _Refused(f"{key}: not a number from {least} to {most}")
    return value


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or len(value) > TEXT:
        raise _Refused(f"{key}: not a text of at most {TEXT} characters")
    return value


def _kept(found: object) -> Order | None:
    return _read_order(found) if isinstance(found, dict) else None


def _read_order(found: Mapping[str, Any]) -> Order:
    texts = {key: found[key] for key in ("who", "why", "when", "until") if isinstance(found.get(key), str)}
    return Order(**texts, lifted=found.get("lifted") is True)


def _order(order: Order) -> dict[str, Any]:
    return {key: value for key, value in asdict(order).items() if value}
