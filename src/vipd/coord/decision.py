"""The heart: what this pod announces, and why. One pure function over whole values."""

from vipd.coord.member import Announcements, Me, Phase, Seconds, Service, Verdict, Vip, Word


def decide(service: Service, me: Me, standing: Announcements, now: Seconds) -> Announcements:
    """Give every VIP of the service exactly one verdict, by the rules in order of their authority."""
    verdicts: dict[Vip, Verdict] = {}
    fresh: dict[tuple[Word, str, int | None], Verdict] = {}  # ten thousand VIPs share a few verdicts
    for vip in service.vips:
        word, reason = _rule(me, vip)
        rank = 0 if word is Word.ASSIGNED else None
        before = standing.verdicts.get(vip)
        if before is not None and before.word is word and before.rank == rank:
            if before.reason == reason:
                verdicts[vip] = before
                continue
            since = before.since
        else:
            since = now
        verdict = fresh.get((word, reason, rank))
        if verdict is None or verdict.since != since:
            verdict = fresh[word, reason, rank] = Verdict(word=word, reason=reason, rank=rank, since=since)
        verdicts[vip] = verdict
    return Announcements(verdicts=verdicts)


def _rule(me: Me, vip: Vip) -> tuple[Word, str]:
    if me.phase is Phase.LEFT:
        return Word.LEFT, "this pod is leaving"
    if me.failing is not None:
        return Word.UNHEALTHY, me.failing
    if (failing := me.failing_vips.get(vip)) is not None:
        return Word.UNHEALTHY, failing
    if me.held is not None and vip not in me.held:
        return Word.NOT_HELD, "its address is not on this machine"
    return Word.ASSIGNED, "this pod announces its VIPs by itself: no coordination is configured"
