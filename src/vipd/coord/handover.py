"""How a VIP goes from pod to pod: rules 3 and 4. Who claims it, since when, and who keeps silent.

Rule 3: we let go of a VIP when others have claimed it at rank 0 for `settle`, and when our own record, taken
back in one transaction that checks theirs, no longer claims it. Rule 4: who does not claim within
`claim-timeout` what is assigned to it is passed over, and the next in line takes it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from vipd.coord.member import Me, Phase, Rank, Seconds, Vip
from vipd.coord.placement import Line
from vipd.coord.trust import Sibling

Stamp = tuple[str, int, int]  # of a record: the member's name, czxid, version


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The claims at rank 0 of one member, with the time at which we first read each."""

    stamp: Stamp
    since: Mapping[Vip, Seconds]
    claims: frozenset[Vip]  # the keys of `since`


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What rule 4 remembers, by VIP and pod-id."""

    since: Mapping[tuple[Vip, str], Seconds] = field(default_factory=dict)  # first seen assigned, unclaimed
    passed_over: Mapping[tuple[Vip, str], Stamp] = field(default_factory=dict)  # until that record changes

    def recheck_at(self, claim_timeout: Seconds) -> Seconds:
        return min(self.since.values(), default=inf) + claim_timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Who stands ready to be released to, for one VIP."""

    at: Seconds = inf  # when enough claims will have settled; infinity: they are too few
    receivers: tuple[str, ...] = ()  # member names


def stamp(sibling: Sibling) -> Stamp:
    return sibling.name, sibling.czxid, sibling.version


def first(claims: Mapping[Vip, Rank]) -> frozenset[Vip]:
    """Those at rank 0: the only ones that count for placement and for release."""
    return frozenset(vip for vip, rank in claims.items() if rank == 0)


def own_claims(before: Mapping[Vip, Rank], me: Me, standing: Mapping[Vip, Rank]) -> Mapping[Vip, Rank]:
    """What we claim: made when a route is acknowledged on every session, held while one carries it.

    A claim never says more than what stands: of a rank that got worse, it follows at once.
    """
    claims: dict[Vip, Rank] = {}
    for vip, rank in standing.items():
        if me.acknowledged.get(vip) == rank:
            claims[vip] = rank
        elif vip in before and vip in me.carried:
            claims[vip] = max(before[vip], rank)
    return claims


def hear(before: Mapping[str, Heard], siblings: Iterable[Sibling], now: Seconds) -> Mapping[str, Heard]:
    """Note when each claim at rank 0 was first read. Becoming rank 0 is a new claim."""
    heard: dict[str, Heard] = {}
    for sibling in siblings:
        known = before.get(sibling.name)
        if known is None or known.stamp != stamp(sibling):
            since = known.since if known is not None else {}
            claims = first(sibling.record.announcing)
            known = Heard(
                stamp=stamp(sibling), since={vip: since.get(vip, now) for vip in claims}, claims=claims
            )
        heard[sibling.name] = known
    return heard


def pass_over(
    silence: Silence,
    stamps: Mapping[str, Stamp],
    claimed: Callable[[Vip, str], bool],
    *,
    claim_timeout: Seconds,
    now: Seconds,
) -> Silence:
    """Pass over who has been silent for too long, and give another chance to whoever's record has changed.

    Args:
        silence: what was known.
        stamps: of the records as they are, by pod-id.
        claimed: whether a pod claims a VIP at rank 0.
        claim_timeout: of the service.
        now: loop time.
    """
    passed = {
        (vip, pod): then
        for (vip, pod), then in silence.passed_over.items()
        if stamps.get(pod) == then and not claimed(vip, pod)
    }
    for (vip, pod), since in silence.since.items():
        if now >= since + claim_timeout and pod in stamps and not claimed(vip, pod):
            passed[vip, pod] = stamps[pod]
    return Silence(since=silence.since, passed_over=passed)


def listen(
    silence: Silence,
    lines: Mapping[Vip, Line],
    stamps: Mapping[str, Stamp],
    claimed: Callable[[Vip, str], bool],
    now: Seconds,
) -> Silence:
    """Start, keep and end the clocks of those others who are assigned a VIP and do not claim it."""
    since = {
        (vip, pod): silence.since.get((vip, pod), now)
        for vip, line in lines.items()
        for pod in line.assigned
        if pod in stamps and not claimed(vip, pod) and (vip, pod) not in silence.passed_over
    }
    return Silence(since=since, passed_over=silence.passed_over)


def receipt(
    vip: Vip,
    line: Line,
    *,
    copies: int,
    seats: Mapping[str, Sibling],
    heard: Mapping[str, Heard],
    drains: Collection[str],
    settle: Seconds,
    proven_at: Seconds = 0.0,
) -> Receipt:
    """Rule 3 (a) and (b): whether, and when, others can have it.

    Only who is assigned it can receive it: who claims it without is itself waiting to let go.

    Args:
        vip: what we would let go.
        line: who should announce it.
        copies: how many do at a time.
        seats: the others that count, by pod-id.
        heard: their claims.
        drains: pod-ids that an operator drains, whatever their records say yet.
        settle: how long a claim must have stood.
        proven_at: from when on the record of a member proves that it lives.
    """
    ready: list[tuple[Seconds, str]] = []
    for pod in line.assigned:
        seat = seats.get(pod)
        if seat is None or not seat.registered or seat.record.phase is not Phase.RUNNING or pod in drains:
            continue
        since = heard[seat.name].since.get(vip)
        if since is not None:
            ready.append((since + settle, seat.name))
    ready.sort()
    needed = max(1, min(copies, len(line.assigned)))
    if len(ready) < needed:
        return Receipt()
    chosen = ready[:needed]
    return Receipt(at=max(chosen[-1][0], proven_at), receivers=tuple(sorted(name for _, name in chosen)))
