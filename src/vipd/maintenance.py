"""What of this pod its operator takes off the air by the daemon's own socket, without ZooKeeper."""

from collections.abc import Collection, Mapping

REASON_MAX = 1024  # characters


def wished(standing: Mapping[str, str], services: Collection[str], wish: object) -> Mapping[str, str]:
    """Return which services are off the air here, and why, once a wish is fulfilled.

    Args:
        standing: those that are by now.
        services: the names of all.
        wish: what was asked for: `{"on": true, "service": "apex", "reason": "…"}`; without a service, all.

    Raises:
        ValueError: it cannot be.
    """
    if not isinstance(wish, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - of what was asked for, not of a bug
    on, service, reason = wish.get("on"), wish.get("service"), wish.get("reason", "")
    if not isinstance(on, bool):
        raise ValueError("on: must be true or false")  # noqa: TRY004 - likewise
    if service is not None and service not in services:
        raise ValueError(f"there is no service {service}; there are {', '.join(services)}")
    told = isinstance(reason, str) and reason.isprintable() and len(reason) <= REASON_MAX
    if not told or (on and not reason):
        raise ValueError(f"reason: must be a line of text of at most {REASON_MAX} characters")
    names = set(services) if service is None else {service}
    rest = {name: why for name, why in standing.items() if name in services and name not in names}
    return {**rest, **dict.fromkeys(sorted(names), reason)} if on else rest
