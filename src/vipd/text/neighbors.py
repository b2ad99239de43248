"""Sessions, as `show bgp summary` and `show bgp neighbor` have them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vipd.text.layout import bullets, duration, indented, line, short, table

Json = Mapping[str, Any]


def neighbors(everything: Json) -> str:
    """List all sessions, a line each; below, what ails those that are down."""
    speaker, peers = everything["speaker"], everything["neighbors"]
    ailing = [peer for peer in peers if peer["state"] != "Established" and peer["last_error"] is not None]
    return "\n".join(
        (
            f"BGP router identifier {speaker['router_id']}, local AS number {speaker['local_as']}",
            "",
            neighbor_table(peers),
            *(("",) if ailing else ()),
            *bullets(f"{peer['address']}: {error(peer['last_error'])}" for peer in ailing),
            "",
            f"Total number of neighbors {len(peers)}",
        )
    )


def neighbor_table(peers: Sequence[Json]) -> str:
    heads = ("Neighbor", "AS", "MsgRcvd", "MsgSent", "Up/Down", "State/PfxSnt", "Description")
    rows = [
        (
            peer["address"],
            _remote_as(peer),
            str(sum(peer["messages"]["received"].values())),
            str(sum(peer["messages"]["sent"].values())),
            _up_down(peer),
            _state_or_prefixes(peer),
            _names(peer),
        )
        for peer in peers
    ]
    return table(heads, rows, right=heads[1:6]) if rows else "No neighbour is configured."


def neighbor(peer: Json) -> str:
    """Say everything about one session."""
    return "\n".join(
        (
            *_who(peer),
            *_how(peer),
            *_agreement(peer),
            *_bfd(peer["bfd"]),
            "",
            *_capabilities(peer),
            "",
            *indented(_messages(peer["messages"])),
            *_notifications(peer["notifications"]),
            "",
            *indented(_prefixes(peer)),
            *_received(peer["received_updates"]),
            "",
            f"  Last error: {error(peer['last_error']) if peer['last_error'] is not None else 'none'}",
        )
    )


def error(error: Json) -> str:
    """Say why a session went down, or does not come up."""
    codes = f" ({error['code']}/{error['subcode']})" if error["code"] else ""
    what = {"sent": f"we sent a NOTIFICATION{codes}: ", "received": f"it sent a NOTIFICATION{codes}: "}
    return f"{what.get(error['cause'], '')}{line(error['text'])} ({short(error['ago'])} ago)"


def _who(peer: Json) -> Iterator[str]:
    agreed = peer["negotiated"]
    link = "" if agreed is None else ", external link" if agreed["ebgp"] else ", internal link"
    remote, local = _remote_as(peer), peer["local_as"]
    yield f"BGP neighbor is {peer['address']}, remote AS {remote}, local AS {local}{link}"
    if names := _names(peer):
        yield f"  Description: {names}"


def _how(peer: Json) -> Iterator[str]:
    up = peer["uptime"] is not None
    lasting = f"up for {duration(peer['uptime'])}" if up else f"for {duration(peer['state_for'])}"
    retry = f", next attempt in {short(peer['retry_in'])}" if peer["retry_in"] is not None else ""
    yield f"  BGP state = {_state(peer)}, {lasting}{retry}"
    way = "passive: it dials us" if peer["passive"] else f"we dial port {peer['port']}"
    yield f"  Transport: {way}, local address {peer['local_address'] or 'not known yet'}"
    yield f"  Connections established {peer['established']}; dropped {peer['dropped']}"


def _agreement(peer: Json) -> Iterator[str]:
    agreed = peer["negotiated"]
    if agreed is None:
        return
    yield f"  Remote router ID {peer['peer_router_id']}"
    if agreed["hold_time"]:
        yield f"  Hold time is {agreed['hold_time']} s, keepalive interval is {agreed['keepalive']:g} s"
    else:
        yield "  Hold time is 0: neither side sends keepalives"
    yield f"  Address families: {', '.join(agreed['families']) or 'none in common'}"


def _bfd(bfd: Json | None) -> Iterator[str]:
    if bfd is None:
        return
    why = "" if bfd["state"] == "Up" else f", {bfd['diagnostic']}"
    yield f"  BFD state = {bfd['state']}, for {duration(bfd['state_for'])}{why}; its = {bfd['remote_state']}"
    if bfd["detection_time"] is not None:
        sends = (
            "nothing is sent" if bfd["transmit_interval"] is None else f"{_ms(bfd['transmit_interval'])} ms"
        )
        yield f"  BFD interval = {sends}, detection time {_ms(bfd['detection_time'])} ms"
    yield f"  BFD came up {bfd['ups']} x; went down {bfd['downs']} x"
    if bfd["dropped"]:
        dropped = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in bfd["dropped"].items())
        yield f"  BFD packets dropped: {dropped}"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:g}"


def _capabilities(peer: Json) -> Iterator[str]:
    offered, received = peer["capabilities"]["offered"], peer["capabilities"]["received"]
    yield "  Neighbor capabilities:"
    for name in dict.fromkeys((*offered, *received)):
        ways = (("advertised", offered), ("received", received))
        yield f"    {line(name)}: {' and '.join(word for word, names in ways if name in names)}"
    if not offered and not received:
        yield "    none exchanged yet"


def _messages(messages: Json) -> str:
    kinds = ("open", "update", "notification", "keepalive", "route_refresh")
    counts = [(kind, messages["sent"].get(kind, 0), messages["received"].get(kind, 0)) for kind in kinds]
    counts.append(("total", sum(sent for _, sent, _ in counts), sum(rcvd for _, _, rcvd in counts)))
    rows = [(kind.replace("_", " "), str(sent), str(rcvd)) for kind, sent, rcvd in counts]
    return table(("Messages", "Sent", "Rcvd"), rows, right=("Sent", "Rcvd"))


def _notifications(notifications: Sequence[Json]) -> Iterator[str]:
    for note in notifications:
        codes = f"{note['code']}/{note['subcode']}"
        yield f"  NOTIFICATION {note['direction']}: {note['name']} ({codes}), {note['count']} x"


def _prefixes(peer: Json) -> str:
    rows = [
        (family, str(count["desired"]), str(count["advertised"]), line(peer["untold"].get(family)))
        for family, count in peer["prefixes"].items()
    ]
    return table(("Prefixes", "Desired", "Advertised", ""), rows, right=("Desired", "Advertised"))


def _received(counts: Json) -> Iterator[str]:
    yield f"  Received and dropped: {counts['prefixes']} prefixes"
    if counts["treat_as_withdraw"] or counts["attribute_discard"]:
        yield (
            f"  Malformed UPDATEs: {counts['treat_as_withdraw']} taken as withdrawals, "
            f"{counts['attribute_discard']} with attributes discarded"
        )
    if counts["ineligible"]:
        yield f"  Leaked to us: {counts['ineligible']} UPDATEs, by their OTC attribute"


def _remote_as(peer: Json) -> str:
    return "external" if peer["peer_as"] is None else str(peer["peer_as"])


def _up_down(peer: Json) -> str:
    """Since when it is up; or down, if ever it was up."""
    if peer["uptime"] is not None:
        return duration(peer["uptime"])
    return duration(peer["state_for"] if peer["established"] else None)


def _state(peer: Json) -> str:
    return str(peer["state"]) if peer["admin_up"] else f"{peer['state']} (Admin)"


def _state_or_prefixes(peer: Json) -> str:
    if peer["state"] == "Established":
        return str(sum(family["advertised"] for family in peer["prefixes"].values()))
    return _state(peer)


def _names(peer: Json) -> str:
    name = "" if peer["name"] == peer["address"] else peer["name"]
    return ", ".join(word for word in (name, line(peer["description"])) if word)
