"""Which of two connections with one peer lives: RFC 4271 section 6.8. Nothing else about collisions."""

from enum import StrEnum

from vipd.bgp.peer import Negotiated, PeerConfig, State


class Side(StrEnum):
    """Who opened a connection."""

    DIALED = "dialed"  # we did
    ACCEPTED = "accepted"  # the peer did


def survivor(
    config: PeerConfig, negotiated: Negotiated | None, *, dialed: State, accepted: State
) -> Side | None:
    """Choose between two open connections; None: too early to tell, both go on.

    Args:
        config: our identifier and AS.
        negotiated: the peer's, from an OPEN on either connection; None: none has come.
        dialed: the state of the connection that we opened.
        accepted: the state of the one that the peer opened.

    The loser is to be stopped with Cease / Connection Collision Resolution.
    """
    if negotiated is None:
        return None
    # One that stands is never given up for a newer one.
    if dialed is State.ESTABLISHED:
        return Side.DIALED
    if accepted is State.ESTABLISHED:
        return Side.ACCEPTED
    # Not while one is in OpenSent, though the RFC would allow that: nobody may ever answer there.
    if dialed is not State.OPEN_CONFIRM or accepted is not State.OPEN_CONFIRM:
        return None
    # The higher identifier keeps the connection that it opened; the higher AS, where identifiers
    # are the same (RFC 6286 section 2.3). Both being the same is refused as a bad OPEN.
    ours = config.router_id, config.local_as
    theirs = negotiated.peer_router_id, negotiated.peer_as
    return Side.DIALED if ours > theirs else Side.ACCEPTED
