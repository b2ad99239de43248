"""Services, VIPs, and why one is announced or not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vipd.text.layout import duration, line, paragraph, short, table
from vipd.text.neighbors import error
from vipd.text.sharing import order_lines, sharing

Json = Mapping[str, Any]


def vips(rows: Sequence[Json]) -> str:
    """List all VIPs, a line each; a row is a VIP with the name of its service."""
    heads = ("VIP", "Service", "Announced", "Verdict", "Since", "Told", "Reason")
    cells = [
        (
            row["vip"],
            row["service"],
            "yes" if row["announced"] else "no",
            row["verdict"] or "-",
            duration(row["for"]),
            str(len(row["announced_to"])),
            line(row["reason"]),
        )
        for row in rows
    ]
    return table(heads, cells, right=("Since", "Told")) if cells else "No VIP is configured."


def service_table(services: Sequence[Json]) -> str:
    heads = ("Service", "Health", "VIPs", "Announced", "Checks")
    rows = [
        (
            service["name"],
            service["health"],
            str(len(service["vips"])),
            str(sum(vip["announced"] for vip in service["vips"])),
            _all_checks(service["checks"]),
        )
        for service in services
    ]
    return table(heads, rows, right=("VIPs", "Announced")) if rows else "No service is configured."


def explain(everything: Json, address: str) -> Json | None:
    """Gather what there is to know of one VIP; None: no service has it."""
    for service in everything["services"]:
        for vip in service["vips"]:
            if vip["vip"] == address:
                return {
                    "service": service["name"],
                    **vip,
                    "coordination": service["coordination"],
                    "checks": [check for check in service["checks"] if check["vip"] in (None, address)],
                    "neighbors": [
                        {
                            "name": peer["name"],
                            "address": peer["address"],
                            "told": peer["name"] in vip["announced_to"],
                            "why": _why_told(peer, vip),
                        }
                        for peer in everything["neighbors"]
                    ],
                }
    return None


def why(vip: Json) -> str:
    """Say what `explain` has gathered: the verdict, what it rests on, and who has been told."""
    return "\n".join(
        (
            f"{vip['vip']} of service {vip['service']} is {_announced(vip)}",
            *_verdict(vip),
            *_sharing(vip),
            "  Checks:",
            *_checks(vip["checks"]),
            "  Neighbours:",
            *_neighbors(vip["neighbors"]),
        )
    )


def _announced(vip: Json) -> str:
    told = sum(peer["told"] for peer in vip["neighbors"])
    if not vip["announced"]:
        return "not announced"
    return (
        f"announced to {told} of {len(vip['neighbors'])} neighbours"
        if told
        else "to be announced, and nobody is told"
    )


def _verdict(vip: Json) -> Iterator[str]:
    since = f" for {duration(vip['for'])}" if vip["for"] is not None else ""
    yield f"  Verdict: {vip['verdict'] or 'none'}{since}"
    yield from paragraph(f"Reason: {vip['reason']}", "  ")
    if vip["held"] is not None:
        yield f"  Address: {_not(vip['held'])}on this machine"


def _sharing(vip: Json) -> Iterator[str]:
    """Say who should announce it, and who does, where pods coordinate."""
    shared = vip["coordination"]
    if shared is None or vip["sharing"] is None:
        return
    yield from sharing(vip["sharing"], resting=shared["maintenance"] is not None)
    yield from order_lines(shared)
    if shared["view_age"] is not None:
        lost = "" if shared["outage"] is None else f", and not trusted for {short(shared['outage'])}"
        yield f"  Read from ZooKeeper: {short(shared['view_age'])} ago{lost}"


def _checks(checks: Sequence[Json]) -> Iterator[str]:
    for check in checks:
        yield f"    {check['name']}: {check['health']} for {duration(check['for'])}"
        yield f"      {check['type']} {line(check['target'])}"
        last, runs = check["last"], check["runs"]
        if last is None:
            yield "      no result yet"
        else:
            yield f"      {line(last['message'])} in {short(last['duration'])}, {short(last['ago'])} ago"
            yield from (f"      | {line(piece)}" for piece in last["output"].splitlines()[-5:])
        pace = f"every {check['interval']:g} s, rise {check['rise']}, fall {check['fall']}"
        if check["type"] == "file":  # whoever puts it there, or takes it away, has decided
            pace = "one look decides"
        yield f"      {runs['good']} good, {runs['bad']} bad, {runs['timeout']} timed out; {pace}"
    if not checks:
        yield "    none: it counts as healthy"


def _neighbors(peers: Sequence[Json]) -> Iterator[str]:
    for peer in peers:
        name = "" if peer["name"] == peer["address"] else f" ({peer['name']})"
        yield from paragraph(f"{peer['address']}{name}: {peer['why']}", "    ")
    if not peers:
        yield "    none is configured"


def _why_told(peer: Json, vip: Json) -> str:
    if peer["name"] in vip["announced_to"]:
        return "told"
    if peer["state"] != "Established":
        last = peer["last_error"]
        return f"not told, the session is {peer['state']}" + (f"; {error(last)}" if last is not None else "")
    if not vip["announced"]:
        return "not told, as it is not announced"
    if vip["neighbors"] is not None and peer["name"] not in vip["neighbors"]:
        return "not told, as the service is not for this neighbour"
    family = "ipv6" if ":" in vip["vip"] else "ipv4"
    if family in peer["untold"]:
        return f"not told, {peer['untold'][family]}"
    if family not in peer["negotiated"]["families"]:
        return f"not told, as {family} was not agreed on"
    return "not told yet"


def _all_checks(checks: Sequence[Json]) -> str:
    """Say on one line how the checks of a service are; those of single VIPs are only counted."""
    words = [
        f"{check['name']} {check['health']}"
        + (f" ({line(check['last']['message'])})" if check["last"] else "")
        for check in checks
        if check["vip"] is None
    ]
    single = [check["health"] in ("up", "falling") for check in checks if check["vip"] is not None]
    if single:
        words.append(f"{sum(single)} of {len(single)} checks of single VIPs pass")
    return ", ".join(words) or "none"


def _not(true: bool) -> str:  # noqa: FBT001 - one word of a sentence
    return "" if true else "not "
