import asyncio
from ipaddress import IPv4Address

from structlog.testing import capture_logs

from vipd.bgp.route import LocRib, Policy, Route
from vipd.bgp.wire import Prefix
from vipd.config import Config, ServiceConfig, SpeakerConfig
from vipd.coord.member import Me, Phase, Service, Vip, Word
from vipd.facts import Facts, me
from vipd.health import Check, CheckStatus, Health, Result, TcpProbe
from vipd.latest import Latest
from vipd.steer import Steering

ONE, TWO = Vip("192.0.2.1"), Vip("2001:db8::1")
PLAIN, COSTLY = Route(), Route(med=100)
EVERY = Check(name="tcp", service="apex", probe=TcpProbe(host="127.0.0.1", port=80))
SINGLE = Check(name="six", service="apex", vip=TWO, probe=TcpProbe(host="::1", port=80))


def service(*, checks=(), require_address=False, routes=None) -> ServiceConfig:
    routes = routes or {ONE: PLAIN, TWO: COSTLY}
    return ServiceConfig(
        service=Service(name="apex", vips=tuple(routes)),
        routes=routes,
        checks={f"apex/{check.name}": check for check in checks},
        require_address=require_address,
    )


def config(*services: ServiceConfig, policies=None) -> Config:
    return Config(
        path="vipd.toml",
        speaker=SpeakerConfig(local_as=64147, router_id=IPv4Address("192.0.2.200")),
        neighbors={},
        policies=policies or {},
        services=services,
    )


def status(check: Check, health: Health, message: str = "refused") -> CheckStatus:
    return CheckStatus(check=check, health=health, last=Result(good=health is Health.UP, message=message))


async def settle(steering: Steering, facts: Latest[Facts], *then: Facts) -> list[LocRib]:
    """Let the steering see each of the facts in turn; return the Loc-RIB after each."""
    ribs = []
    async with asyncio.TaskGroup() as group:
        following = group.create_task(steering.follow())
        for known in (facts.value, *then):
            facts.set(known)
            for _ in range(5):
                await asyncio.sleep(0)
            ribs.append(steering.rib.value)
        following.cancel()
    return ribs


def test_a_check_that_has_not_run_fails_its_service_and_says_so():
    assert me(service(checks=[EVERY]), Facts(config=config())) == Me(failing="check tcp: has not run yet")


def test_the_reason_is_the_first_failing_checks_last_word():
    checks = {"apex/tcp": status(EVERY, Health.DOWN), "apex/six": status(SINGLE, Health.RISING, "slow")}
    known = me(service(checks=[EVERY, SINGLE]), Facts(config=config(), checks=checks))
    assert known == Me(failing="check tcp: refused", failing_vips={TWO: "check six: slow"})


def test_a_check_of_one_vip_speaks_for_that_one_alone():
    checks = {"apex/tcp": status(EVERY, Health.FALLING), "apex/six": status(SINGLE, Health.DOWN)}
    known = me(service(checks=[EVERY, SINGLE]), Facts(config=config(), checks=checks))
    assert known == Me(failing_vips={TWO: "check six: refused"})


def test_held_addresses_matter_only_where_they_are_required():
    facts = Facts(config=config(), held=frozenset({ONE}))
    assert me(service(), facts).held is None
    assert me(service(require_address=True), facts).held == {ONE}


async def test_what_stands_becomes_routes_each_with_its_own_levers():
    facts = Latest(Facts(config=config(service(), policies={"tor-a": Policy(med=5)})))
    (rib,) = await settle(Steering(facts), facts)
    assert rib.routes == {Prefix.parse(ONE): PLAIN, Prefix.parse(TWO): COSTLY}
    assert rib.policies == {"tor-a": Policy(med=5)}


async def test_nothing_stands_once_the_pod_has_left():
    facts = Latest(Facts(config=config(service())))
    steering = Steering(facts)
    before, after = await settle(steering, facts, Facts(config=config(service()), phase=Phase.LEFT))
    assert before.routes
    assert not after.routes
    assert {v.word for v in steering.announcements.value["apex"].verdicts.values()} == {Word.LEFT}


async def test_a_result_that_changes_nothing_gives_no_new_routes():
    up = {"apex/tcp": status(EVERY, Health.UP, "200 OK")}
    again = {"apex/tcp": status(EVERY, Health.UP, "201 Created")}
    whole = config(service(checks=[EVERY]))
    facts = Latest(Facts(config=whole, checks=up))
    before, after = await settle(Steering(facts), facts, Facts(config=whole, checks=again))
    assert before.routes
    assert after is before


async def test_new_levers_reach_the_routes_though_no_verdict_changes():
    facts = Latest(Facts(config=config(service())))
    dearer = config(service(routes={ONE: COSTLY, TWO: COSTLY}))
    _, after = await settle(Steering(facts), facts, Facts(config=dearer))
    assert set(after.routes.values()) == {COSTLY}


async def test_a_service_that_goes_takes_its_routes_along():
    facts = Latest(Facts(config=config(service())))
    steering = Steering(facts)
    _, after = await settle(steering, facts, Facts(config=config()))
    assert not after.routes
    assert not steering.announcements.value


async def test_each_change_of_verdict_is_one_event_for_all_vips_that_share_it():
    whole = config(service(checks=[EVERY]))
    facts = Latest(Facts(config=whole, checks={"apex/tcp": status(EVERY, Health.UP)}))
    with capture_logs() as logs:
        await settle(
            Steering(facts), facts, Facts(config=whole, checks={"apex/tcp": status(EVERY, Health.DOWN)})
        )
    changes = [(e["old"], e["new"], e["count"]) for e in logs if e["event"] == "verdict_changed"]
    assert changes == [(None, "ASSIGNED", 2), ("ASSIGNED", "UNHEALTHY", 2)]
    assert logs[-1]["reason"] == "check tcp: refused"
    assert logs[-1]["vips"] == [ONE, TWO]


async def test_hooks_hear_how_the_service_is():
    whole = config(service(checks=[EVERY]))
    facts = Latest(Facts(config=whole, checks={"apex/tcp": status(EVERY, Health.UP)}))
    steering = Steering(facts)
    await settle(steering, facts)
    assert steering.states.value["apex"].up
    await settle(steering, facts, Facts(config=whole, checks={"apex/tcp": status(EVERY, Health.DOWN)}))
    assert not steering.states.value["apex"].up
    assert steering.states.value["apex"].reason == "check tcp: refused"
