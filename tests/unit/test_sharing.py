"""How a pod tells of its siblings: /status, /readyz and `vipd why` where pods coordinate."""

import json
from dataclasses import replace

import pytest

from scene import NOW, V4, V6, snapshot, unready
from shared_scene import APEX, LINK, ME, MEMBERS, ORDER, insight, member, record, shared, view
from vipd import sharing as as_json
from vipd.bgp.wire import Prefix
from vipd.coord.account import Insight, survey
from vipd.coord.case import Memory
from vipd.coord.decision import decide
from vipd.coord.directory import LinkState
from vipd.coord.member import CoordinationLoss, Phase, Service, Standby
from vipd.text import explain, members, shared_why, status, why

SETTLED = {"seen": view(read_at=NOW - 3, trusted_until=NOW + 3), "at": NOW - 1}
GIVE_WAY = "places by algorithm 1, and all give way to it"
ALL_TOLD = {"tor-a": {Prefix.parse(V4), Prefix.parse(V6)}}


def told(known: Insight, **changes: object):
    return json.loads(json.dumps(snapshot(shared(known, **changes))))


def sharing(known: Insight, vip: str, **changes: object):
    (apex,) = told(known, **changes)["services"]
    return next(each["sharing"] for each in apex["vips"] if each["vip"] == vip)


# --- what is told -----------------------------------------------------------------------------------------


def test_the_connection_and_the_lease():
    everything = told(insight(**SETTLED), expirations=2, takeovers={("apex", "SUBSTITUTE"): 3})
    assert everything["coordination"] == {
        "pod_id": "web-7",
        "zone": "r1",
        "weight": 1,
        "root": "/vipd",
        "servers": ["zk1:2181"],
        "connection": {
            "state": "CONNECTED",
            "server": "zk1:2181",
            "session": "0xa7",
            "generation": 2,
            "timeout": {"asked": 3.0, "negotiated": 4.0},
            "lease": 2.5,
            "expirations": 2,
            "last_error": "",
        },
        "takeovers": [{"service": "apex", "verdict": "SUBSTITUTE", "count": 3}],
    }


def test_before_zookeeper_was_met():
    never = replace(LINK, state=LinkState.NEVER, generation=0, session_id=0, last_error="connection refused")
    link = told(insight(), link=never)["coordination"]["connection"]
    assert (link["session"], link["timeout"]["negotiated"], link["lease"]) == (None, None, 0.0)
    everything = told(Insight(), link=None, insights={}, announcements={})
    assert everything["coordination"]["connection"] is None
    (apex,) = everything["services"]
    assert (apex["coordination"], apex["vips"][0]["sharing"]) == (None, None)
    assert "ZooKeeper: not asked yet, as web-7 in zone r1" in status(everything)


def test_members_and_their_remarks():
    (apex,) = told(insight(**SETTLED))["services"]
    found = apex["coordination"]
    assert (found["trusted"], found["view_age"], found["outage"]) == (True, 3.0, None)
    assert found["unpinned"] == {V6: "web-9"}
    assert [(row["pod"], row["own"], row["claims"], row["unreadable"]) for row in found["members"]] == [
        ("web-6", False, 0, "is not JSON"),
        ("web-7", True, 1, None),
        ("web-8", False, 1, None),
    ]


def test_who_should_and_who_does():
    known = insight(**SETTLED)
    assert sharing(known, V4) == {
        "pin": None,
        "assigned": ["web-7"],
        "standbys": [],
        "claims": [{"pod": "web-7", "rank": 0, "age": None}],
        "awaited": [],
        "verified": None,
    }
    assert sharing(known, V6)["claims"] == [{"pod": "web-8", "rank": 0, "age": 3.0}]
    page = why(explain(told(known), V6))
    assert "  Pinned to: web-9\n  Should: web-8\n  Does: web-8 (for 3 s)\n" in page
    assert "  Read from ZooKeeper: 3 s ago\n" in page


def test_every_vip_of_the_service_is_in_the_account():
    scene = shared(insight(**SETTLED))
    (apex,) = scene.config.services
    account = scene.account(apex)
    assert len(account.vips) == len(apex.service.vips)
    assert {vip: one.pin for vip, one in account.vips.items()} == {V4: None, V6: "web-9"}


def test_a_silent_pod_is_awaited_until_claim_timeout():
    mute = view(MEMBERS[0], member("web-8", 2, record()), read_at=NOW - 1.5)
    awaited = sharing(insight(mute, at=NOW), V4)["awaited"]
    assert awaited == ["web-8 claims it, or is passed over in 0.5 s"]
    unheard = replace(ME, acknowledged={}, carried=frozenset())
    fresh = insight(view(MEMBERS[1], member("web-7", 1, record(zone="r1"))), me=unheard)
    (mine,) = (vip for vip in (V4, V6) if sharing(fresh, vip)["assigned"] == ["web-7"])
    (awaited,) = sharing(fresh, mine)["awaited"]
    assert awaited == "every neighbour has acknowledged it, for this pod to claim it"


def test_a_claim_that_has_to_settle_is_awaited():
    before = insight(view(member("web-7", 1, record(announcing={V4: 0})), read_at=NOW - 5), at=NOW - 5)
    pinned = replace(APEX, pins={V4: "web-8"})
    seen = view(*(member(pod, n, record(announcing={V4: 0})) for pod, n in (("web-7", 1), ("web-8", 2))))
    after = decide(pinned, ME, seen, before.memory, NOW)
    known = Insight(view=seen, memory=after.memory)
    assert after.announcements.verdicts[V4].word == "KEEPING"
    observed = shared(known, now=NOW + 0.25)
    (apex,) = snapshot(observed)["services"]
    assert apex["vips"][0]["sharing"]["awaited"] == ["the claim of web-8 has stood for settle, in 0.8 s"]


def test_what_is_announced_aside_says_what_for():
    def told_at(seen, memory, at):
        mine = replace(ME, acknowledged={V4: 0}, carried=frozenset({V4}))
        after = decide(replace(APEX, pins={V4: pinned}), mine, seen, memory, at)
        observed = shared(Insight(view=seen, memory=after.memory), now=at)
        (apex,) = snapshot(observed)["services"]
        return after.memory, apex["vips"][0]["sharing"]["awaited"]

    pinned, theirs = "web-7", member("web-8", 2, record(announcing={V4: 0}))
    memory, awaited = told_at(view(member("web-7", 1, record()), theirs), Memory(), NOW - 2)
    assert awaited == ["every neighbour has acknowledged it, for this pod to claim it"]
    memory, awaited = told_at(view(member("web-7", 1, record(announcing={V4: 0})), theirs), memory, NOW - 2)
    assert awaited == ["its routers forward by it: until then, for 0.5 s, it is aside"]
    pinned = "web-8"
    let_go = view(member("web-7", 1, record()), theirs, trusted_until=NOW + 9)
    memory, awaited = told_at(let_go, memory, NOW + 2)
    assert awaited == ["traffic has left: until then, for 1.0 s, it is aside"]
    memory, awaited = told_at(replace(let_go, trusted_until=NOW + 2), memory, NOW + 2.5)
    assert awaited[1:] == ["ZooKeeper is back, and then traffic has left: until then it is aside"]


def test_while_zookeeper_is_lost_it_is_said_for_how_long():
    known = insight(view(read_at=NOW - 60, trusted_until=NOW - 57), at=NOW)
    everything = told(known)
    (apex,) = everything["services"]
    assert (apex["coordination"]["trusted"], apex["coordination"]["outage"]) == (False, 57.0)
    assert "apex: not trusted for 57 s, 2 members were there" in status(everything)
    assert "Read from ZooKeeper: 00:01:00 ago, and not trusted for 57 s" in why(explain(everything, V4))


def test_at_the_start_zookeeper_or_the_grace_is_awaited():
    assert sharing(insight(at=NOW), V4)["awaited"] == ["ZooKeeper is met, or 10.0 s pass"]
    assert "apex: no view of its members yet" in status(told(insight(at=NOW)))
    waits = replace(APEX, coordination_loss=CoordinationLoss.WITHDRAW)
    known = insight(view(read_at=NOW - 60, trusted_until=NOW - 57), service=waits, at=NOW)
    assert sharing(known, V4)["awaited"] == ["ZooKeeper is asked"]


def test_an_order_is_told():
    known = insight(view(maintenance=ORDER, drains={"web-8": ORDER, "web-7": replace(ORDER, lifted=True)}))
    everything = told(known)
    (apex,) = everything["services"]
    assert apex["coordination"]["maintenance"]["who"] == "ada@desk"
    drained = {row["pod"]: row["drain"] and row["drain"]["why"] for row in apex["coordination"]["members"]}
    assert drained == {"web-6": None, "web-7": None, "web-8": "new certificates"}
    page = why(explain(everything, V4))
    assert "Should: nobody: it is in maintenance" in page
    assert "Maintenance: ada@desk since 2026-11-21T07:00:00Z: new certificates" in page
    assert "web-8: drained by ada@desk" in status(everything)


def test_who_has_not_come_back_since_an_outage_is_told():
    known = insight(view(read_at=NOW - 60, trusted_until=NOW - 57), at=NOW - 30)
    seen = view(MEMBERS[0])
    known = Insight(view=seen, memory=decide(APEX, ME, seen, known.memory, NOW).memory)
    rows = {row["pod"]: row["registered"] for row in told(known)["services"][0]["coordination"]["members"]}
    assert rows == {"web-7": True, "web-8": False}
    assert "not back since an outage" in status(told(known))


# --- /readyz ----------------------------------------------------------------------------------------------


def test_ready_is_to_play_ones_part():
    assert unready(shared(insight(**SETTLED), told=ALL_TOLD)) == ()


def test_what_is_announced_has_to_settle():
    known = insight(view(read_at=NOW - 0.5), at=NOW)
    assert unready(shared(known, told=ALL_TOLD)) == (
        "apex: 192.0.2.166 is announced, and not yet for as long as settle",
    )


def test_what_is_announced_has_to_be_acknowledged():
    me = replace(ME, acknowledged={})
    known = insight(view(read_at=NOW - 3), me=me, at=NOW)
    assert unready(shared(known, told=ALL_TOLD)) == (
        "apex: 192.0.2.166 is announced, but not yet acknowledged by every neighbour",
    )
    assert unready(shared(known, told={})) == ("apex: 192.0.2.166 is announced, but not yet told",)


def test_who_is_not_eligible_by_its_record_is_not_ready():
    mine = member("web-7", 1, record(eligible=frozenset()))
    known = insight(view(mine, MEMBERS[1], read_at=NOW - 3), at=NOW)
    assert unready(shared(known, told=ALL_TOLD))[-1] == (
        "apex: 2001:db8::1 is not yet for this pod to take, by its record: assigned to web-8"
    )


def test_a_failing_check_is_not_ready_whoever_else_announces():
    known = insight(view(read_at=NOW - 3), me=replace(ME, failing="check http: timed out"), at=NOW)
    assert unready(shared(known)) == (
        "apex: 192.0.2.166, 2001:db8::1 are not announced: check http: timed out",
    )


def test_a_pod_that_holds_through_an_outage_stays_ready():
    known = insight(view(read_at=NOW - 60, trusted_until=NOW - 57), at=NOW)
    assert known.memory.announcements.verdicts[V4].word == "HELD"
    assert unready(shared(known, told=ALL_TOLD)) == ()
    waits = replace(APEX, coordination_loss=CoordinationLoss.WITHDRAW)
    known = insight(view(read_at=NOW - 60, trusted_until=NOW - 57), service=waits, at=NOW)
    assert unready(shared(known, told=ALL_TOLD)) == ()


def test_a_pod_that_has_not_met_zookeeper_is_not_ready_before_its_grace_is_over():
    assert unready(shared(insight(at=NOW))) == (
        "apex: 192.0.2.166, 2001:db8::1 are not announced: for ZooKeeper",
    )


def test_maintenance_of_the_service_is_ready_and_of_this_pod_alone_is_not():
    known = insight(view(read_at=NOW - 3, maintenance=ORDER), at=NOW)
    assert unready(shared(known)) == ()
    alone = insight(view(read_at=NOW - 3), me=replace(ME, maintenance="disk"), at=NOW)
    (why_not,) = unready(shared(alone, maintenance={"apex": "disk"}))
    assert why_not.endswith("are not announced: maintenance of this pod alone: disk")


@pytest.mark.parametrize("phase", [Phase.LEAVING, Phase.LEFT])
def test_a_pod_that_goes_is_not_ready(phase):
    assert unready(shared(insight(**SETTLED), phase=phase)) == ("this pod is leaving",)


# --- a bystander ------------------------------------------------------------------------------------------


def surveyed(service: Service, *members_: object, **changes: object):
    account = survey(service, view(*members_, **changes), NOW)
    return {
        vip: {
            "vip": vip,
            "service": "apex",
            **as_json.vip(each),
            "policy": None,
            "shared": as_json.service(account),
        }
        for vip, each in account.vips.items()
    }


def test_a_bystander_reads_who_should_and_who_does():
    found = surveyed(Service(name="apex", vips=()))
    assert (found[V4]["assigned"], found[V6]["assigned"]) == (["web-7"], ["web-8"])
    assert found[V4]["awaited"] == []
    page = shared_why(found[V4])
    assert "  Should: web-7 (by the default policy: no configuration tells the pins)\n  Does: web-7\n" in page
    assert "web-6  -     -       -             0/0" in page
    assert "counts as absent: is not JSON (web-6~3)" in page


def test_a_bystander_sees_what_is_awaited():
    found = surveyed(APEX, *MEMBERS[:2], drains={"web-8": ORDER})
    assert found[V6]["awaited"] == ["web-7 claims it", "web-8 lets go of it"]
    assert surveyed(APEX, member("web-7", 1, record(eligible=frozenset())))[V4]["awaited"] == [
        "a pod is eligible for it"
    ]
    assert surveyed(APEX, *MEMBERS[:2], maintenance=ORDER)[V6]["awaited"] == []


def test_a_bystander_with_the_configuration_knows_standbys_and_pins():
    hot = replace(APEX, pins={V4: "web-8"}, standby=Standby.HOT)
    found = surveyed(hot, MEMBERS[0], member("web-8", 2, record(announcing={V4: 0, V6: 1})))
    assert (found[V4]["pin"], found[V4]["assigned"], found[V4]["standbys"]) == ("web-8", ["web-8"], ["web-7"])
    assert "  Next in line: web-7" in shared_why(found[V4])
    assert "web-8 at rank 1" in shared_why(found[V6])


def test_a_member_that_works_by_another_policy_is_remarked_on():
    rows = surveyed(APEX, *MEMBERS[:2], member("web-5", 5, record(policy="q")))[V4]["shared"]
    page = members([{"service": "apex", **rows}])
    assert [line.split()[0] for line in page.splitlines() if "another policy" in line] == ["web-5"]


def test_a_member_to_whose_algorithm_all_give_way_is_remarked_on():
    told = [member(f"web-{n}", n, record(algorithm=algorithm)) for n, algorithm in ((7, 2), (8, 1), (9, 2))]
    found = surveyed(APEX, *told)[V4]
    assert found["shared"]["algorithm"] == 1
    assert [each["algorithm"] for each in found["shared"]["members"]] == [2, 1, 2]
    page = members([{"service": "apex", **found["shared"]}])
    assert [row for row in page.splitlines() if "algorithm" in row] == [
        row for row in page.splitlines() if row.startswith("web-8") and row.endswith(GIVE_WAY)
    ]


def test_a_bystander_that_does_not_know_their_algorithm_says_so():
    found = surveyed(APEX, member("web-7", 7, record(algorithm=2, announcing={V4: 0})))[V4]
    assert (found["shared"]["algorithm"], found["assigned"], found["awaited"]) == (None, [], [])
    assert "  Should: cannot be told: the pods place by an algorithm that this vipd does" in shared_why(found)
    resting = surveyed(APEX, member("web-7", 7, record(algorithm=2)), maintenance=ORDER)[V4]
    assert "  Should: nobody: it is in maintenance (" in shared_why(resting)


def test_a_pod_tells_what_it_places_by():
    (apex,) = told(insight(**SETTLED))["services"]
    assert apex["coordination"]["algorithm"] == 1
    (apex,) = told(insight())["services"]
    assert apex["coordination"]["algorithm"] is None


def test_what_is_damped_says_for_how_long():
    seen = view(read_at=NOW - 3)
    memory = insight(seen, at=NOW - 2).memory
    for failing, at in (("check http: timed out", NOW - 1.5), (None, NOW - 1), (None, NOW)):
        memory = decide(APEX, replace(ME, failing=failing), seen, memory, at).memory
    assert memory.announcements.verdicts[V6].word == "DAMPED"  # web-8 serves it
    awaited = sharing(Insight(view=seen, memory=memory), V6)["awaited"]
    assert awaited == ["this pod takes part in it again after 4.0 s without a failure"]


@pytest.mark.parametrize(
    ("unseen", "verified", "words"),
    [((), True, "  Seen by siblings: yes"), ((V4,), False, "  Seen by siblings: no, by none that could see")],
)
def test_whether_siblings_see_what_is_announced(unseen, verified, words):
    sibling = member("web-8", 2, record(announcing={V6: 0}, unseen=frozenset(unseen)))
    known = insight(view(MEMBERS[0], sibling, read_at=NOW - 9), at=NOW)
    assert sharing(known, V4)["verified"] is verified
    assert sharing(known, V6)["verified"] is None
    assert words in why(explain(told(known), V4))


def test_of_what_is_not_trusted_nothing_is_said():
    sibling = member("web-8", 2, record(unseen=frozenset()))
    known = insight(view(MEMBERS[0], sibling, read_at=NOW - 60, trusted_until=NOW - 50), at=NOW)
    assert sharing(known, V4)["verified"] is None
