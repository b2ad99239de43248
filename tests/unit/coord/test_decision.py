import pytest

from vipd.coord import decision
from vipd.coord.case import Case
from vipd.coord.decision import decide_alone
from vipd.coord.member import Announcements, Me, Phase, Service, Vip, Word

ONE, TWO = Vip("192.0.2.1"), Vip("2001:db8::1")
NOTHING = Announcements()
SERVICE = Service(name="apex", vips=(ONE, TWO))


def words(me: Me, standing: Announcements = NOTHING) -> list[Word]:
    return [verdict.word for verdict in decide_alone(SERVICE, me, standing, 10.0).verdicts.values()]


@pytest.mark.parametrize(
    ("me", "expected"),
    [
        (Me(), [Word.ASSIGNED, Word.ASSIGNED]),
        (Me(held=frozenset({ONE})), [Word.ASSIGNED, Word.NOT_HELD]),
        (Me(failing="refused"), [Word.UNHEALTHY, Word.UNHEALTHY]),
        (Me(failing_vips={TWO: "refused"}), [Word.ASSIGNED, Word.UNHEALTHY]),
        (Me(phase=Phase.LEFT), [Word.LEFT, Word.LEFT]),
        # the rule of higher authority speaks
        (Me(phase=Phase.LEFT, failing="refused", held=frozenset()), [Word.LEFT, Word.LEFT]),
        (Me(failing="refused", held=frozenset()), [Word.UNHEALTHY, Word.UNHEALTHY]),
    ],
)
def test_each_vip_has_the_one_word_of_the_first_rule_that_speaks(me, expected):
    assert words(me) == expected


def test_only_assigned_is_announced_and_the_reason_is_the_facts_own():
    decided = decide_alone(SERVICE, Me(failing_vips={TWO: "http: refused"}), Announcements(), 10.0)
    assert decided.verdicts[ONE].rank == 0
    assert decided.verdicts[TWO].rank is None
    assert decided.verdicts[TWO].reason == "http: refused"
    assert decided.recheck_at is None


def test_since_is_when_the_word_changed_not_when_it_was_last_decided():
    first = decide_alone(SERVICE, Me(failing="refused"), Announcements(), 10.0)
    second = decide_alone(SERVICE, Me(failing="timed out"), first, 20.0)
    third = decide_alone(SERVICE, Me(), second, 30.0)
    again = decide_alone(SERVICE, Me(), third, 40.0)
    assert [d.verdicts[ONE].since for d in (first, second, third, again)] == [10.0, 10.0, 30.0, 30.0]
    assert second.verdicts[ONE].reason == "timed out"
    assert again == third


def test_a_vip_keeps_its_own_since_beside_another_of_the_same_word():
    first = decide_alone(SERVICE, Me(failing_vips={ONE: "refused"}), Announcements(), 10.0)
    both = decide_alone(SERVICE, Me(failing="refused"), first, 20.0)
    assert [verdict.since for verdict in both.verdicts.values()] == [10.0, 20.0]
    later = decide_alone(SERVICE, Me(failing="timed out"), both, 30.0)
    assert [verdict.since for verdict in later.verdicts.values()] == [10.0, 20.0]


def test_ten_thousand_vips_share_their_verdicts():
    many = Service(name="wide", vips=tuple(Vip(f"10.0.{n >> 8}.{n & 255}") for n in range(10_000)))
    decided = decide_alone(many, Me(), Announcements(), 10.0)
    assert len(decided.verdicts) == 10_000
    assert len({id(verdict) for verdict in decided.verdicts.values()}) == 1


@pytest.mark.parametrize("rule", decision._SILENT, ids=lambda rule: rule.__name__.strip("_"))
def test_a_rule_that_is_not_asked_has_nothing_to_say(rule):
    case = Case(service=SERVICE, me=Me(), now=10.0)
    if decision._SILENT[rule](case):
        assert rule(case, ONE) is None
