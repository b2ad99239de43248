"""ExaZK's layout, in which vipd pods and ExaZK pods share one service: its znodes as a View.

    <path>/<VIP>       ephemeral and empty: the pod that is authoritative for this VIP is here
    <maintenance>      persistent: whoever is configured with it announces nothing

A node says of a pod one thing, that it announces its own VIP. So each VIP counts as pinned to a pod of that
name; and as all pods announce the VIPs that have no node, one more member stands here for all the others:
it announces these, as long as any other pod is there at all. What a pod announces in place of another is
written nowhere, and so nobody can check that it is announced before letting go: hand-over is best effort.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vipd.coord.layout import member_name
from vipd.coord.member import Member, Phase, Rank, Record, Vip

ALGORITHM: Final = 1  # what ExaZK does, all substitute for who is away, is what the first one places
UNBORN: Final = 1 << 63  # creation of our own node while there is none: younger than any
OTHERS: Final = "others"  # the pod-id of all the other pods, as far as they substitute


@dataclass(frozen=True, slots=True, kw_only=True)
class Exazk:
    """Where one service lies, and what of it is ours."""

    path: str
    maintenance: str | None = None
    vips: tuple[Vip, ...] = ()
    own: Vip | None = None  # that this pod is authoritative for; None: it only substitutes

    def pod(self, pod: str) -> str:
        """What this pod is called here: by its VIP, as every other."""
        return self.own or pod

    @property
    def pins(self) -> Mapping[Vip, str]:
        return {vip: vip for vip in self.vips}


def owner(vip: Vip, session: int, *, czxid: int, version: int) -> Member:
    """The pod that is authoritative for a VIP, by its node."""
    return Member(
        name=member_name(vip, session),
        pod=vip,
        czxid=czxid,
        version=version,
        record=record(serves=frozenset({vip}), claims={vip: 0}),
    )


def others(exazk: Exazk, vips: frozenset[Vip], *, version: int) -> Member:
    """All the other pods, which announce these VIPs, for they have no node."""
    told = record(serves=frozenset(exazk.vips), claims=dict.fromkeys(vips, 0))
    return Member(name=member_name(OTHERS, 0), pod=OTHERS, czxid=0, version=version, record=told)


def ourselves(exazk: Exazk, pod: str, session: int, *, czxid: int | None) -> Member:
    """This pod; its node was created at `czxid`, or is not there."""
    claims: Mapping[Vip, Rank] = {} if czxid is None or exazk.own is None else {exazk.own: 0}
    return Member(
        name=member_name(exazk.pod(pod), session),
        pod=exazk.pod(pod),
        czxid=UNBORN if czxid is None else czxid,
        version=0,
        record=record(serves=frozenset(exazk.vips), claims=claims),
    )


def record(*, serves: frozenset[Vip], claims: Mapping[Vip, Rank]) -> Record:
    """What a node says, as a record would. A pod is eligible for what it claims: no more is known."""
    return Record(
        algorithm=ALGORITHM,
        zone="",
        weight=1,
        phase=Phase.RUNNING,
        sessions_up=1,
        sessions_configured=1,
        serves=serves,
        eligible=frozenset(claims),
        announcing=claims,
    )
