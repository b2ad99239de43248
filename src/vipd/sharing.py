"""How pods share VIPs, as JSON: of `/status`, and of the verbs that read ZooKeeper themselves."""

from typing import Any

from vipd.coord.account import Account, Row, Sharing
from vipd.coord.link import Link
from vipd.coord.member import Order

Seconds = float
Json = dict[str, Any]


def order(given: Order | None) -> Json | None:
    """What an operator wrote; None: nothing stands."""
    if given is None:
        return None
    return {
        "who": given.who,
        "why": given.why,
        "when": given.when,
        "until": given.until,
        "lifted": given.lifted,
    }


def member(row: Row) -> Json:
    return {
        "name": row.name,
        "pod": row.pod,
        "own": row.own,
        "registered": row.registered,
        "unreadable": row.unreadable,
        "zone": row.zone,
        "weight": row.weight,
        "phase": None if row.phase is None else row.phase.value,
        "drain": order(row.drain),
        "sessions": {"up": row.sessions_up, "configured": row.sessions_configured},
        "serves": row.serves,
        "eligible": row.eligible,
        "claims": row.claims,
        "standbys": row.standbys,
        "policy": row.policy,
        "algorithm": row.algorithm,
    }


def vip(one: Sharing) -> Json:
    return {
        "pin": one.pin,
        "assigned": list(one.assigned),
        "standbys": list(one.standbys),
        "claims": [{"pod": each.pod, "rank": each.rank, "age": _rounded(each.age)} for each in one.claims],
        "awaited": list(one.awaited),
        "verified": one.verified,
    }


def service(account: Account) -> Json:
    """All of a service but its VIPs."""
    return {
        "trusted": account.trusted,
        "view_age": _rounded(account.view_age),
        "outage": _rounded(account.outage),
        "algorithm": account.algorithm,
        "maintenance": order(account.maintenance),
        "kept": account.kept,
        "unpinned": dict(account.unpinned),
        "blind": account.blind,
        "members": [member(row) for row in account.members],
    }


def connection(link: Link, asked: Seconds, expirations: int, now: Seconds) -> Json:
    """How this pod stands with ZooKeeper; `asked` is the session timeout that it wants."""
    return {
        "state": link.state.value,
        "server": link.server,
        "session": f"{link.session_id & 0xFFFF_FFFF_FFFF_FFFF:#x}" if link.session_id else None,
        "generation": link.generation,
        "timeout": {"asked": asked, "negotiated": link.timeout if link.generation else None},
        "lease": round(max(0.0, min(link.lease_until - now, link.timeout)), 3) if link.alive(now) else 0.0,
        "expirations": expirations,
        "last_error": link.last_error,
    }


def _rounded(seconds: Seconds | None) -> Seconds | None:
    return None if seconds is None else round(seconds, 3)
