"""How pods share VIPs: members, orders, and why a VIP is where it is by what ZooKeeper has."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vipd.text.layout import bullets, line, short, table

Json = Mapping[str, Any]

NOT_SEEN = "no, by none that could see it: a ToR may filter it, or accept nothing (RFC 8212, max-prefix)"


def members(services: Sequence[Json]) -> str:
    """List the members of each service."""
    return "\n\n".join("\n".join(_service(service)) for service in services) or "No pod has registered."


def ordered(said: Json) -> str:
    """Confirm what was written."""
    order = said["order"]
    if "service" in said:
        done = "back on the air" if order["lifted"] else "in maintenance: off the air on all of its pods"
        return f"{said['service']} is {done}, once they have read it ({_by(order)})"
    done = "takes part again" if order["lifted"] else "drains: it hands over what it announces, and stays"
    return f"{said['pod']} {done} ({_by(order)})"


def maintenance(rows: Sequence[Json]) -> str:
    """Say what stands for each service."""
    return "\n".join(_maintenance(row) for row in rows) or "No service is known."


def local_maintenance(standing: Json) -> str:
    """Say what of this pod is off the air by its own operator's word."""
    found = standing["maintenance"]
    lines = [f"{service}: in maintenance on this pod: {line(why)}" for service, why in sorted(found.items())]
    return "\n".join(lines) or "Nothing is in maintenance on this pod alone."


def shared_why(vip: Json) -> str:
    """Say of one VIP what the records of all pods come to."""
    shared = vip["shared"]
    policy = "" if vip["policy"] else " (by the default policy: no configuration tells the pins)"
    unknown = shared["algorithm"] is None
    return "\n".join(
        (
            f"{vip['vip']} of service {vip['service']}, as the pods' records have it",
            *sharing(vip, resting=shared["maintenance"] is not None, policy=policy, unknown=unknown),
            *order_lines(shared),
            f"  Read: {short(shared['view_age'])} ago",
            "",
            *_service({"service": vip["service"], **shared}),
        )
    )


def definition(found: Json) -> str:
    """Say what ZooKeeper defines a service to be, and who follows."""
    told, pods = found["definition"], found["pods"]
    author = f", set by {line(told['who'])} at {line(told.get('when', ''))}" if told.get("who") else ""
    rows = [
        (vip["vip"], vip["pin"] or "-", f"{len(vip['served_by'])} of {len(pods)} pods")
        for vip in found["vips"]
    ]
    policy = ", ".join(f"{key} = {value}" for key, value in told.get("policy", {}).items())
    return "\n".join(
        (
            f"Service {found['service']}, as ZooKeeper defines it{author}",
            table(("VIP", "Pin", "Served by"), rows),
            f"Policy: {line(policy) or 'that of the file of each pod'}",
            *bullets(
                f"{pod} does not serve {vip['vip']}: vipd status there says why"
                for vip in found["vips"]
                for pod in pods
                if pod not in vip["served_by"]
            ),
            *bullets(f"{vip} is served, and not defined" for vip in found["undefined"]),
        )
    )


def judged(found: Json) -> str:
    """Say what became of a definition."""
    vips = f"{found['service']} with {len(found['vips'])} VIPs"
    if not found["set"]:
        return f"{vips} could be set; nothing was"
    return f"{vips} is set: each pod serves it once it has read it (vipd service show {found['service']})"


def sharing(vip: Json, *, resting: bool, policy: str = "", unknown: bool = False) -> Iterator[str]:
    """Say who should announce a VIP, who does, and what is awaited.

    Args:
        vip: and its sharing.
        resting: it is in maintenance.
        policy: a remark on what this rests on.
        unknown: the pods place by an algorithm of which this version knows nothing.
    """
    if vip["pin"] is not None:
        yield f"  Pinned to: {vip['pin']}"
    nobody = "nobody: it is in maintenance" if resting else "nobody: no pod is eligible"
    if unknown and not resting:
        yield "  Should: cannot be told: the pods place by an algorithm that this vipd does not know"
    else:
        yield f"  Should: {nobody if resting else _names(vip['assigned']) or nobody}{policy}"
    if vip["standbys"]:
        yield f"  Next in line: {_names(vip['standbys'])}"
    yield f"  Does: {', '.join(map(_claim, vip['claims'])) or 'nobody says so'}"
    if vip["verified"] is not None:
        yield f"  Seen by siblings: {'yes' if vip['verified'] else NOT_SEEN}"
    if vip["awaited"]:
        yield "  Awaited:"
        yield from bullets(vip["awaited"])


def order_lines(shared: Json) -> Iterator[str]:
    """Say what an operator has ordered for a service."""
    order = shared["maintenance"]
    if order is not None:
        kept = ", kept since ZooKeeper lost its data" if shared["kept"] else ""
        yield f"  Maintenance: {_by(order)}{kept}"


def summary(service: Json) -> Iterator[str]:
    """Say in lines how a pod stands with the others of a service; nothing where it has none."""
    shared = service["coordination"]
    if shared is None:
        return
    yield from defined(service)
    there = [member for member in shared["members"] if member["unreadable"] is None]
    if shared["trusted"]:
        yield f"{service['name']}: {len(there)} members, read {short(shared['view_age'])} ago"
    elif shared["view_age"] is None:
        yield f"{service['name']}: no view of its members yet"
    else:
        yield f"{service['name']}: not trusted for {short(shared['outage'])}, {len(there)} members were there"
    newest = _newest(shared["members"])
    yield from bullets(remark for member in shared["members"] if (remark := _remark(member, set(), newest)))
    yield from bullets(
        f"{vip} is pinned to {pod}, which is not there" for vip, pod in sorted(shared["unpinned"].items())
    )


def connection(found: Json) -> Iterator[str]:
    """Say how this pod stands with ZooKeeper."""
    link = found["connection"]
    pod = found["pod_id"] + (f" in zone {found['zone']}" if found["zone"] else "")
    if link is None:
        yield f"ZooKeeper: not asked yet, as {pod}"
        return
    state = str(link["state"]).lower()
    if state == "connected":
        timeout = link["timeout"]
        clipped = "" if timeout["asked"] == timeout["negotiated"] else f" (asked for {timeout['asked']:g} s)"
        yield f"ZooKeeper: connected to {link['server']} as {pod}, T {timeout['negotiated']:g} s{clipped}"
    else:
        yield f"ZooKeeper: {state}, as {pod}"
    if state != "connected" and link["last_error"]:
        yield from bullets([link["last_error"]])
    if link["expirations"]:
        yield from bullets([f"the session has expired {link['expirations']} times since the start"])


def _service(service: Json) -> Iterator[str]:
    found = service["members"]
    yield f"Service {service['service']}: {len(found)} members"
    yield from order_lines(service)
    policies = Counter(member["policy"] for member in found if member["policy"])
    usual = {policy for policy, _ in policies.most_common(1)}
    newest = _newest(found)
    heads = ("Pod", "Zone", "Weight", "Phase", "Sessions", "Eligible", "Announces", "Standby", "")
    rows = [
        (
            line(member["pod"]),
            line(member["zone"]) or "-",
            str(member["weight"]) if member["phase"] else "-",
            member["phase"] or "-",
            f"{member['sessions']['up']}/{member['sessions']['configured']}",
            f"{member['eligible']}/{member['serves']}",
            str(member["claims"]),
            str(member["standbys"]),
            _remark(member, usual, newest),
        )
        for member in found
    ]
    if rows:
        yield table(heads, rows, right=heads[4:8])


def defined(service: Json) -> Iterator[str]:
    """Say where the VIPs come from, where ZooKeeper may tell, and what is wrong with what it tells."""
    found = service["definition"]
    if found is None:
        return
    zookeeper = found["source"] == "zookeeper"
    has = "has the VIPs that ZooKeeper defines" if zookeeper else "has the VIPs of the file"
    if found["refused"] is not None:
        yield f"{service['name']}: {has}; the definition that stands in ZooKeeper is REFUSED:"
        yield from bullets(found["refused"].splitlines())
    elif found["deleted"]:
        yield f"{service['name']}: {has}; DELETED there, it is kept here"
    else:
        yield f"{service['name']}: {has}" + ("" if zookeeper else "; there is no definition in ZooKeeper")


def _newest(members: Sequence[Json]) -> int:
    return max((member["algorithm"] or 0 for member in members), default=0)


def _remark(member: Json, usual: set[str], newest: int) -> str:
    """Say what is amiss with a member; "" where nothing is.

    Args:
        member: the one.
        usual: the policy of most.
        newest: the algorithm of those that are upgraded.
    """
    if member["unreadable"] is not None:
        return f"counts as absent: {line(member['unreadable'])} ({line(member['name'])})"
    said = []
    if member["drain"] is not None:
        said.append(f"drained by {_by(member['drain'])}")
    if not member["registered"]:
        said.append("not back since an outage, and counted as there")
    if usual and member["policy"] not in usual:
        said.append("works by another policy than most")
    if member["algorithm"] < newest:
        said.append(f"places by algorithm {member['algorithm']}, and all give way to it")
    return f"{line(member['pod'])}: {'; '.join(said)}" if said and not usual else "; ".join(said)


def _maintenance(row: Json) -> str:
    order = row["order"]
    if order is None:
        return f"{row['service']}: on the air"
    if order["lifted"]:
        return f"{row['service']}: on the air, lifted by {_by(order)}"
    overdue = "; it ought to be over" if row["overdue"] else ""
    return f"{row['service']}: in maintenance by {_by(order)}{overdue}"


def _by(order: Json) -> str:
    when = f" since {line(order['when'])}" if order["when"] else ""
    until = f", until {line(order['until'])}" if order["until"] else ""
    why = f": {line(order['why'])}" if order["why"] else ""
    return f"{line(order['who']) or 'somebody'}{when}{until}{why}"


def _claim(claim: Json) -> str:
    rank = "" if claim["rank"] == 0 else f" at rank {claim['rank']}"
    age = "" if claim["age"] is None else f" (for {short(claim['age'])})"
    return f"{line(claim['pod'])}{rank}{age}"


def _names(pods: Sequence[str]) -> str:
    return ", ".join(map(line, pods))
