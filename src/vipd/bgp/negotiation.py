"""What we offer in an OPEN, and what two OPENs agree on (RFC 4271 sections 4.2 and 6.2, RFC 5492).

Only the checks that need our configuration: what an OPEN may say at all is checked where it is decoded.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from vipd.bgp.capabilities import (
    IPV4_OVER_IPV6,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    HasRole,
    Multiprotocol,
    Restartable,
    RouteRefresh,
)
from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import AS_TRANS, ErrorCode, Family, OpenError, Role
from vipd.bgp.messages import Open
from vipd.bgp.peer import Negotiated, PeerConfig


def offer(config: PeerConfig, *, restarted: bool) -> Open:
    """The OPEN that we send; `restarted`: the peer has not met us since our start."""
    return Open(
        asn=config.local_as,
        hold_time=config.hold_time,
        router_id=config.router_id,
        capabilities=(
            *(Multiprotocol.of(family) for family in config.families),
            RouteRefresh(),
            EnhancedRouteRefresh(),
            *_next_hops(config),
            ExtendedMessage(),
            *(HasRole(role=role) for role in (config.role,) if role is not None),
            *_restart(config, restarted=restarted),
            FourOctetAs(asn=config.local_as),
        ),
    )


def _next_hops(config: PeerConfig) -> Iterator[ExtendedNextHop]:
    """Return the capability where there is use for it: IPv4 routes over a session without an IPv4 address."""
    if ":" in config.address and Family.IPV4 in config.families:
        yield ExtendedNextHop(encodings=(IPV4_OVER_IPV6,))


def _restart(config: PeerConfig, *, restarted: bool) -> Iterator[GracefulRestart]:
    """Return the capability, where it is offered. What we announce is served whether vipd runs or not: that
    is what who turns this on says, and so the forwarding state is always kept.
    """
    if config.graceful_restart is None:
        return
    if not config.graceful_restart:
        yield GracefulRestart(time=0)
        return
    yield GracefulRestart(
        time=config.graceful_restart,
        families=tuple(Restartable(family.afi, family.safi, forwarding=True) for family in config.families),
        restarted=restarted,
        notification=True,
    )


def agree(config: PeerConfig, theirs: Open) -> Negotiated:
    """Check the peer's OPEN against our configuration; return what both sides support.

    Raises NotificationError (OPEN Message Error) with both sides' values in its text.
    """

    def offers(kind: type[Capability]) -> bool:
        return any(isinstance(capability, kind) for capability in theirs.capabilities)

    four_octet_as = offers(FourOctetAs)
    _check_as(config, theirs.asn, four_octet_as=four_octet_as)
    _check_router_id(config, theirs)
    _check_role(config, theirs)
    # Said more than once, the last one counts (RFC 4724 section 3).
    restart = [each for each in theirs.capabilities if isinstance(each, GracefulRestart)][-1:]
    kept = bool(config.graceful_restart and restart)
    hold_time = min(config.hold_time, theirs.hold_time)  # zero on either side: none at all
    return Negotiated(
        peer_as=theirs.asn,
        peer_router_id=theirs.router_id,
        ebgp=theirs.asn != config.local_as,
        hold_time=hold_time,
        keepalive=hold_time / 3,  # RFC 4271 section 10
        families=_families(config, theirs.capabilities),
        four_octet_as=four_octet_as,
        route_refresh=offers(RouteRefresh),
        enhanced_refresh=offers(EnhancedRouteRefresh),
        extended_next_hop=any(_next_hops(config))
        and any(
            IPV4_OVER_IPV6 in capability.encodings
            for capability in theirs.capabilities
            if isinstance(capability, ExtendedNextHop)
        ),
        extended_message=offers(ExtendedMessage),
        graceful_restart=kept,
        hard_reset=kept and restart[0].notification,
        restarts=any(each.families for each in restart),
    )


def _check_as(config: PeerConfig, peer_as: int, *, four_octet_as: bool) -> None:
    expected = "external peer AS" if config.peer_as is None else f"peer AS {config.peer_as}"
    if peer_as == AS_TRANS and not four_octet_as:  # RFC 6793 section 9: reserved
        said = f"{peer_as}, which is nobody's, and no AS number of four octets"
    elif config.peer_as is None and peer_as == config.local_as:
        said = f"{peer_as}, which is our own"
    elif config.peer_as is not None and peer_as != config.peer_as:
        said = str(peer_as)
    else:
        return
    raise NotificationError(
        ErrorCode.OPEN, OpenError.BAD_PEER_AS, text=f"{expected} expected, OPEN says {said}"
    )


def _check_router_id(config: PeerConfig, theirs: Open) -> None:
    """RFC 6286 section 2.2: within an AS an identifier is one speaker's; between two it may be shared."""
    if theirs.router_id == config.router_id and theirs.asn == config.local_as:
        raise NotificationError(
            ErrorCode.OPEN,
            OpenError.BAD_BGP_IDENTIFIER,
            text=f"a router id other than our own {config.router_id} expected, OPEN says {theirs.router_id}",
        )


# Who may meet whom (RFC 9234 section 4.2).
_COUNTERPARTS: Final = {
    Role.PROVIDER: Role.CUSTOMER,
    Role.CUSTOMER: Role.PROVIDER,
    Role.RS: Role.RS_CLIENT,
    Role.RS_CLIENT: Role.RS,
    Role.PEER: Role.PEER,
}


def _check_role(config: PeerConfig, theirs: Open) -> None:
    """RFC 9234 section 4.2. One role, however often it is said; none will do, unless we insist."""
    if config.role is None:
        return
    expected = HasRole(role=_COUNTERPARTS[config.role])
    said = {capability for capability in theirs.capabilities if isinstance(capability, HasRole)}
    if said == {expected} or not (said or config.role_strict):
        return
    raise NotificationError(
        ErrorCode.OPEN,
        OpenError.ROLE_MISMATCH,
        text=f"{expected} expected of who has us for {config.role}, "
        f"OPEN says {' and '.join(sorted(map(str, said))) or 'none'}",
    )


def _families(config: PeerConfig, capabilities: Sequence[Capability]) -> tuple[Family, ...]:
    """RFC 4760 section 8: those that both offer; a peer that offers none speaks IPv4 unicast."""
    offered = [c for c in capabilities if isinstance(c, Multiprotocol)]
    theirs = {c.family for c in offered} if offered else {Family.IPV4}
    common = tuple(family for family in config.families if family in theirs)
    if not common:
        ours = tuple(Multiprotocol.of(family) for family in config.families)
        raise NotificationError(
            ErrorCode.OPEN,
            OpenError.UNSUPPORTED_CAPABILITY,
            data=b"".join(capability.encode() for capability in ours),  # RFC 5492 section 5: what is missing
            text=f"{_list(ours, 'or')} expected, OPEN says {_list(offered, 'and') or 'neither'}",
        )
    return common


def _list(capabilities: Sequence[Capability], conjunction: str) -> str:
    return f" {conjunction} ".join(map(str, capabilities))
