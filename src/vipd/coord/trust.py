"""What of ZooKeeper's word may be believed, and who counts: rules 6, 7 and 14, and two pods with one id.

A view may be a picture of the past. So it is believed for the length of a lease, members that were there
before an outage count as there for a while after it, and an operator's order outlives the tree it stood in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

from vipd.coord.member import Me, Member, Order, Record, Seconds, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """A member that is not us, with a record that can be read."""

    name: str
    pod: str
    czxid: int
    version: int
    record: Record
    registered: bool = True  # False: counted present since an outage (rule 7), and never released to


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An order that is in force."""

    order: Order | None = None
    kept: bool = False  # the tree that it stood in has vanished: we keep it, until it is lifted


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A member of the last trusted view that has not registered again."""

    sibling: Sibling
    until: Seconds  # it counts as present


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is remembered from view to view."""

    trusted: bool = False  # as of the last look
    view: View | None = None  # the last that was trusted
    names: frozenset[str] = frozenset()  # under which this process has registered: none of them a rival
    absent: Mapping[str, Absent] = field(default_factory=dict)  # by member name
    rivals: frozenset[str] = frozenset()  # younger records of our pod-id, each eligible once
    root: int | None = None
    proven_at: Seconds = 0.0  # when ZooKeeper has forgotten whoever went in the last outage
    drain: Standing = field(default_factory=Standing)
    maintenance: Standing = field(default_factory=Standing)

    def recheck_at(self, now: Seconds) -> Seconds:
        until = min((absent.until for absent in self.absent.values() if absent.until > now), default=inf)
        return min(until, ends(self.view)) if self.trusted and self.view is not None else inf


def ends(view: View) -> Seconds:
    """When the view is to be believed no more: a hung read behind a healthy ping is a dead connection."""
    hung = inf if view.unanswered_since is None else view.unanswered_since + view.session_timeout / 2
    return min(view.trusted_until, hung)


def observe(trust: Trust, me: Me, view: View | None, now: Seconds) -> Trust:
    """Learn what the newest view says, and whether it is to be believed."""
    if view is None:
        return replace(trust, trusted=False)
    vanished = trust.root is not None and trust.root != view.root
    known = replace(
        trust,
        trusted=view.own in view.members and now < ends(view),
        names=trust.names | {view.own},
        root=view.root,
        drain=_in_force(trust.drain, view.drains.get(me.pod), vanished=vanished),
        maintenance=_in_force(trust.maintenance, view.maintenance, vanished=vanished),
    )
    if not known.trusted:
        return known
    return replace(
        known,
        view=view,
        proven_at=now + view.session_timeout if _back(trust, me, view) else trust.proven_at,
        absent=_absent(trust, known.names, me, view, now),
        rivals=_rivals(trust, known.names, me, view),
    )


def siblings(trust: Trust) -> tuple[Sibling, ...]:
    """All others of the last trusted view, and those that count as present beside it."""
    if trust.view is None:
        return ()
    here = _readable(member for name, member in trust.view.members.items() if name not in trust.names)
    return (*here, *(absent.sibling for absent in trust.absent.values()))


def counted(found: Iterable[Sibling]) -> Mapping[str, Sibling]:
    """The one record that counts for each pod-id: the youngest eligible for anything, or else the eldest."""
    counted: dict[str, Sibling] = {}
    for sibling in sorted(found, key=lambda each: each.czxid):
        if sibling.pod not in counted or sibling.record.eligible:
            counted[sibling.pod] = sibling
    return counted


def confirmed(trust: Trust, me: Me) -> bool:
    """Rule 14: after a stall, ZooKeeper is asked once before anything new is taken."""
    return me.stalled_at is None or (trust.view is not None and trust.view.read_at > me.stalled_at)


def _in_force(before: Standing, found: Order | None, *, vanished: bool) -> Standing:
    """What stands in the tree is the truth; where the tree itself has vanished, what stood there."""
    if found is not None:
        return Standing(order=None if found.lifted else found)
    if before.order is not None and (before.kept or vanished):
        return Standing(order=before.order, kept=True)
    return Standing()


def _absent(trust: Trust, names: frozenset[str], me: Me, view: View, now: Seconds) -> Mapping[str, Absent]:
    """Rule 7: after an outage the members of before count as present for 2T, or until they are back."""
    absent = trust.absent
    if _back(trust, me, view):
        until = now + 2 * view.session_timeout
        absent = {
            sibling.name: Absent(sibling=replace(sibling, registered=False), until=until)
            for sibling in siblings(trust)
            if sibling.name not in names and sibling.pod != me.pod
        }
    here = {member.pod for member in view.members.values()}
    return {name: each for name, each in absent.items() if each.sibling.pod not in here and now < each.until}


def _back(trust: Trust, me: Me, view: View) -> bool:
    """Whether this is the first view to be trusted since an outage, or since we announced without one."""
    before = trust.view
    if before is None:
        return bool(me.carried)
    return not trust.trusted or before.own != view.own or before.root != view.root


def _rivals(trust: Trust, names: frozenset[str], me: Me, view: View) -> frozenset[str]:
    """The younger of two with one pod-id counts once it is eligible; we yield until its record is gone."""
    since = view.members[view.own].czxid
    younger = (
        sibling.name
        for sibling in _readable(view.members.values())
        if sibling.pod == me.pod
        and sibling.name not in names
        and sibling.czxid > since
        and sibling.record.eligible
    )
    return frozenset(younger) | (trust.rivals.intersection(view.members))


def _readable(members: Iterable[Member]) -> tuple[Sibling, ...]:
    return tuple(
        Sibling(
            name=member.name,
            pod=member.pod,
            czxid=member.czxid,
            version=member.version,
            record=member.record,
        )
        for member in members
        if isinstance(member.record, Record)
    )
