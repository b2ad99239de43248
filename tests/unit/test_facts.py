from dataclasses import replace
from ipaddress import IPv4Address

from vipd.bgp.iana import Family
from vipd.bgp.route import Route
from vipd.bgp.sightings import Sight
from vipd.bgp.speaker import Standing
from vipd.bgp.wire import Prefix
from vipd.config import Config, CoordinationConfig, ServiceConfig, SpeakerConfig
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.member import Me, Phase, Service, Vip
from vipd.facts import Facts, Said, me, said
from vipd.health import Check, CheckStatus, Health, Result, TcpProbe

ONE, TWO = Vip("192.0.2.1"), Vip("2001:db8::1")
PREFIXES = {vip: Prefix.parse(vip) for vip in (ONE, TWO)}
PLAIN, COSTLY = Route(), Route(med=100)
EVERY = Check(name="tcp", service="apex", probe=TcpProbe(host="127.0.0.1", port=80))
SINGLE = Check(name="six", service="apex", vip=TWO, probe=TcpProbe(host="::1", port=80))


def service(*, checks=(), require_address=False) -> ServiceConfig:
    return ServiceConfig(
        service=Service(name="apex", vips=(ONE, TWO)),
        routes={ONE: PLAIN, TWO: COSTLY},
        checks={f"apex/{check.name}": check for check in checks},
        require_address=require_address,
    )


def config() -> Config:
    return Config(
        path="vipd.toml",
        speaker=SpeakerConfig(local_as=64147, router_id=IPv4Address("192.0.2.200")),
        neighbors={},
        policies={},
    )


def status(check: Check, health: Health, message: str = "refused") -> CheckStatus:
    return CheckStatus(check=check, health=health, last=Result(good=health is Health.UP, message=message))


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


def test_what_concerns_siblings_is_told_only_where_there_are_any():
    standing = Standing(sessions_up=1, sessions_configured=2, acknowledged={}, carried=())
    heard = Said(acknowledged={ONE: 0}, carried=frozenset({ONE, TWO}))
    alone = Facts(config=config(), phase=Phase.LEAVING, standing=standing, maintenance={"apex": "disks"})
    assert me(service(), alone, heard, 7.0) == Me(phase=Phase.LEAVING, maintenance="disks")
    coordination = CoordinationConfig(
        ensemble=Ensemble(servers=(Server(host="127.0.0.1"),)), pod_id="pod-a", zone="r1", weight=3
    )
    shared = replace(alone, config=replace(config(), coordination=coordination))
    assert me(service(), shared, heard, 7.0) == Me(
        phase=Phase.LEAVING,
        maintenance="disks",
        pod="pod-a",
        zone="r1",
        weight=3,
        sessions_up=1,
        sessions_configured=2,
        acknowledged={ONE: 0},
        carried=frozenset({ONE, TWO}),
        stalled_at=7.0,
    )


def test_what_the_witnesses_show_is_told_in_the_words_of_the_service():
    seen = Sight(
        family=Family.IPV4,
        seen=frozenset({PREFIXES[ONE], Prefix.parse("192.0.2.99")}),
        gone={Prefix.parse("192.0.2.98"): 3.0},
        clear_at=1.0,
    )
    gone = Sight(family=Family.IPV6, seen=frozenset(), gone={PREFIXES[TWO]: 2.0}, clear_at=4.0)
    standing = Standing(
        sessions_up=1, sessions_configured=1, acknowledged={}, carried=(), sights={"tor-a": (seen, gone)}
    )
    witnessed = replace(service(), service=replace(service().service, witness=True))
    one, two = said(witnessed, standing, {}, PREFIXES).sights
    assert (one.vips, one.seen, one.gone, one.clear_at) == ({ONE}, {ONE}, {}, 1.0)
    assert (two.vips, two.seen, two.gone, two.clear_at) == ({TWO}, frozenset(), {TWO: 2.0}, 4.0)
    assert said(service(), standing, {}, PREFIXES).sights == ()
    assert said(witnessed, standing, {}, {ONE: PREFIXES[ONE]}).sights == (one,)


def test_of_what_the_neighbours_have_only_the_routes_of_now_are_acknowledged():
    worse = replace(PLAIN, rank=2)
    elsewhere = Prefix.parse("192.0.2.99")
    standing = Standing(
        sessions_up=2,
        sessions_configured=2,
        acknowledged={PREFIXES[ONE]: worse, PREFIXES[TWO]: COSTLY, elsewhere: PLAIN},
        carried=frozenset({PREFIXES[TWO], elsewhere}),
    )
    routes = {PREFIXES[ONE]: worse, PREFIXES[TWO]: replace(COSTLY)}
    assert said(service(), standing, routes, PREFIXES) == Said(
        acknowledged={ONE: 2}, carried=frozenset({TWO})
    )
    assert said(service(), standing, {}, PREFIXES).acknowledged == {}
    assert said(service(), standing, routes, {}) == Said()
