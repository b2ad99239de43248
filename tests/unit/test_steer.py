import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address

from structlog.testing import capture_logs

from sim.loop import simulated
from vipd.bgp.route import LocRib, Policy, Route, When
from vipd.bgp.speaker import Standing
from vipd.bgp.wire import Prefix
from vipd.config import Config, CoordinationConfig, DrainConfig, ServiceConfig, SpeakerConfig
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.member import LastResort, Member, Order, Phase, Record, Service, View, Vip, Word
from vipd.coord.membership import Wish
from vipd.facts import Facts
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


@simulated
async def test_the_start_is_over_when_every_check_has_come_to_something():
    whole = config(service(checks=[EVERY, SINGLE]))
    async with story(whole) as told:
        assert not told.steering.rib.value.complete
        up = {"apex/tcp": status(EVERY, Health.UP)}
        await told.learn(checks=up)
        assert not told.steering.rib.value.complete
        await told.learn(checks=up | {"apex/six": status(SINGLE, Health.DOWN)})
        assert told.steering.rib.value.complete
        await told.learn(checks=up | {"apex/six": status(SINGLE, Health.RISING)})
        assert told.steering.rib.value.complete, "for good"


@simulated
async def test_the_start_is_over_when_addresses_are_here_or_time_is_up():
    held = config(service(require_address=True))
    async with story(held) as told:
        assert not told.steering.rib.value.complete
        await told.learn(held=frozenset({ONE, TWO}))
        assert told.steering.rib.value.complete
    async with story(held) as told:
        await asyncio.sleep(29.9)
        assert not told.steering.rib.value.complete
        await asyncio.sleep(0.2)
        assert told.steering.rib.value.complete


async def test_hooks_hear_how_the_service_is():
    whole = config(service(checks=[EVERY]))
    facts = Latest(Facts(config=whole, checks={"apex/tcp": status(EVERY, Health.UP)}))
    steering = Steering(facts)
    await settle(steering, facts)
    assert steering.states.value["apex"].up
    await settle(steering, facts, Facts(config=whole, checks={"apex/tcp": status(EVERY, Health.DOWN)}))
    assert not steering.states.value["apex"].up
    assert steering.states.value["apex"].reason == "check tcp: refused"


# --- with siblings ---

COORDINATION = CoordinationConfig(
    ensemble=Ensemble(servers=(Server(host="127.0.0.1"),)), pod_id="pod-a", zone="r1", weight=2
)
OWN = "pod-a~1"


def shared(**policy) -> Config:
    one = ServiceConfig(
        service=Service(name="apex", vips=(ONE, TWO), **policy), routes={ONE: PLAIN, TWO: COSTLY}
    )
    return replace(config(one), coordination=COORDINATION)


def standing(rib: LocRib | None = None) -> Standing:
    routes = {} if rib is None else rib.routes
    return Standing(sessions_up=2, sessions_configured=2, acknowledged=routes, carried=frozenset(routes))


def view(*members: Member, **changes) -> View:
    known = {member.name: member for member in members}
    return View(**{"own": OWN, "members": known, "read_at": 0.0, "trusted_until": 1e9} | changes)


def member(name: str, record: Record, version: int = 0) -> Member:
    return Member(name=name, pod=name.partition("~")[0], czxid=1, version=version, record=record)


class Story:
    """A steering that follows facts; what is done between them is the test's."""

    def __init__(self, whole: Config, **more) -> None:
        self.facts = Latest(Facts(config=whole, standing=standing()))
        self.steering = Steering(self.facts, **more)

    async def learn(self, **known) -> None:
        self.facts.set(replace(self.facts.value, **known))
        for _ in range(5):
            await asyncio.sleep(0)

    @property
    def wish(self) -> Wish:
        return self.steering.wishes.value["apex"]

    @property
    def words(self) -> set[Word]:
        return {v.word for v in self.steering.announcements.value["apex"].verdicts.values()}


@asynccontextmanager
async def story(whole: Config, **more):
    told = Story(whole, **more)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(told.steering.follow())
        await told.learn()
        yield told
        following.cancel()


def own(told: Story, version: int = 0) -> Member:
    return member(OWN, told.wish.record, version)


@simulated
async def test_a_pod_of_many_waits_for_them_and_tells_what_it_could_do():
    async with story(shared()) as told:
        assert not told.steering.rib.value.routes
        assert told.words == {Word.WAITING}
        assert told.wish.view is None
        assert told.wish.record.eligible == {ONE, TWO}
        assert (told.wish.record.zone, told.wish.record.weight) == ("r1", 2)


@simulated
async def test_time_alone_moves_a_decision():
    async with story(shared()) as told:
        await asyncio.sleep(9.9)
        assert told.words == {Word.WAITING}
        await asyncio.sleep(0.2)
        assert told.words == {Word.COLD}
        assert not told.steering.takeovers, "at the last rank"
        assert {route.rank for route in told.steering.rib.value.routes.values()} == {1}


@simulated
async def test_what_is_assigned_is_announced_and_claimed_once_it_is_acknowledged():
    async with story(shared()) as told:
        await told.learn(views={"apex": view(own(told))})
        assert told.words == {Word.ASSIGNED}
        assert told.steering.takeovers == {("apex", "ASSIGNED"): 2}
        rib = told.steering.rib.value
        assert set(rib.routes.values()) == {PLAIN, COSTLY}
        assert told.wish.record.announcing == {}
        await told.learn(standing=standing(rib))
        assert told.wish.record.announcing == {ONE: 0, TWO: 0}
        assert told.steering.rib.value is rib


@simulated
async def test_an_acknowledgement_of_another_route_is_none():
    async with story(shared()) as told:
        await told.learn(views={"apex": view(own(told))})
        routes = {prefix: replace(route, rank=1) for prefix, route in told.steering.rib.value.routes.items()}
        await told.learn(standing=standing(LocRib(routes=routes)))
        assert told.wish.record.announcing == {}


@simulated
async def test_routes_of_a_pod_that_leaves_stay_as_good_as_they_were_until_they_go():
    async with story(shared()) as told:
        await told.learn(views={"apex": view(own(told))})
        rib = told.steering.rib.value
        await told.learn(standing=standing(rib))
        other = replace(told.wish.record, announcing={ONE: 0, TWO: 0})
        await told.learn(phase=Phase.LEAVING)
        assert told.words == {Word.KEEPING}
        await told.learn(views={"apex": view(own(told), member("pod-b~2", other))})
        await asyncio.sleep(1.1)
        assert [release.vips for release in told.wish.releases] == [{ONE, TWO}]
        assert told.steering.rib.value is rib
        let_go = member(OWN, replace(told.wish.record, announcing={}), 1)
        await told.learn(views={"apex": view(let_go, member("pod-b~2", other))})
        assert told.words == {Word.NOT_ASSIGNED}
        assert set(told.steering.rib.value.routes.values()) == {
            Route(aside=True),
            Route(aside=True, med=100),
        }, "they are there until the routers have gone over to the other"
        await asyncio.sleep(1.1)
        assert not told.steering.rib.value.routes


@simulated
async def test_routes_of_a_pod_that_leaves_may_say_that_they_are_about_to_go():
    whole = replace(shared(), drain=DrainConfig(graceful_shutdown=1.0))
    async with story(whole) as told:
        await told.learn(views={"apex": view(own(told))})
        await told.learn(standing=standing(told.steering.rib.value))
        await told.learn(phase=Phase.LEAVING)
        assert told.words == {Word.KEEPING}
        assert set(told.steering.rib.value.routes.values()) == {
            Route(communities=((65535, 0),), local_preference=0, when=When.DRAINING),
            Route(communities=((65535, 0),), local_preference=0, when=When.DRAINING, med=100),
        }
        assert told.wish.record.announcing == {ONE: 0, TWO: 0}, "what is carried is claimed still"


@simulated
async def test_a_pod_alone_says_so_too_and_a_drain_by_an_operator_is_one():
    alone = replace(
        config(service()), policies={"tor-a": Policy(communities_when={When.DRAINING: ((1, 1),)})}
    )
    async with story(alone) as told:
        await told.learn(phase=Phase.LEAVING)
        assert told.words == {Word.ASSIGNED}
        assert {route.when for route in told.steering.rib.value.routes.values()} == {When.DRAINING}
    async with story(replace(shared(), policies=alone.policies)) as told:
        await told.learn(views={"apex": view(own(told))})
        await told.learn(standing=standing(told.steering.rib.value))
        order = Order(who="me", why="because")
        await told.learn(views={"apex": view(own(told), drains={"pod-a": order})})
        assert told.words == {Word.KEEPING}
        assert {route.when for route in told.steering.rib.value.routes.values()} == {When.DRAINING}


@simulated
async def test_a_last_resort_is_told_from_what_is_well():
    shaky = shared(last_resort=LastResort.KEEP)
    checked = replace(shaky.services[0], checks={"apex/tcp": EVERY})
    async with story(replace(shaky, services=(checked,))) as told:
        await told.learn(checks={"apex/tcp": status(EVERY, Health.UP)}, views={"apex": view()})
        await told.learn(views={"apex": view(own(told))}, checks={"apex/tcp": status(EVERY, Health.DOWN)})
        await told.learn(views={"apex": view(own(told))})
        assert told.words == {Word.LAST_RESORT}
        assert {route.when for route in told.steering.rib.value.routes.values()} == {When.LAST_RESORT}


@simulated
async def test_routes_of_a_rank_are_worse_and_equal_ones_are_one_object():
    async with story(shared()) as told:
        await asyncio.sleep(10.1)
        rib = told.steering.rib.value
        assert rib.routes[Prefix.parse(ONE)] == Route(rank=1, when=When.STANDBY)
        assert rib.routes[Prefix.parse(TWO)] == Route(med=100, rank=1, when=When.STANDBY)
        await told.learn(maintenance={"apex": "off"})
        await told.learn(maintenance={})
        again = told.steering.rib.value
        assert all(again.routes[prefix] is rib.routes[prefix] for prefix in again.routes)


@simulated
async def test_a_lease_that_grows_asks_for_no_decision_and_one_that_ends_does():
    async with story(shared()) as told:
        await told.learn(views={"apex": view(own(told), trusted_until=2.0)})
        before = told.wish
        for second in range(1, 10):
            await asyncio.sleep(0.1)
            known = told.facts.value.views["apex"]
            await told.learn(
                views={"apex": replace(known, trusted_until=2.0 + second / 10, read_at=second / 10)}
            )
            assert told.wish is before
        await asyncio.sleep(1.2)
        assert told.words == {Word.ASSIGNED}  # the newest lease counts when the first is over
        await asyncio.sleep(1.0)
        assert told.words == {Word.HELD}
        await told.learn(views={"apex": replace(known, trusted_until=100.0)})
        assert told.words == {Word.ASSIGNED}


@simulated
async def test_a_view_that_is_doubted_counts_no_more_at_once():
    async with story(shared()) as told:
        await told.learn(views={"apex": view(own(told))})
        await asyncio.sleep(1)
        await told.learn(views={"apex": view(own(told), trusted_until=1.0)})
        assert told.words == {Word.HELD}


@simulated
async def test_after_a_stall_a_newer_view_is_asked_for_before_anything_is_taken():
    stalls = [None]
    async with story(shared(), stalled_at=lambda: stalls[0]) as told:
        await asyncio.sleep(5)
        stalls[0] = 5.0
        await told.learn(views={"apex": view(own(told), read_at=4.0)})
        assert told.words == {Word.WAITING}
        assert told.wish.newer_than == 5.0
        known = told.facts.value.views["apex"]
        await told.learn(views={"apex": replace(known, read_at=5.1)})
        assert told.words == {Word.ASSIGNED}


@simulated
async def test_a_release_is_wished_for_when_another_has_claimed_for_long_enough():
    pins = {ONE: "pod-b", TWO: "pod-a"}
    async with story(shared(pins=pins)) as told:
        await told.learn(views={"apex": view(own(told))})
        await told.learn(standing=standing(told.steering.rib.value))
        theirs = replace(told.wish.record, announcing={ONE: 0})
        await told.learn(views={"apex": view(own(told, 1), member("pod-b~2", theirs, 7))})
        assert told.wish.releases == ()
        await asyncio.sleep(1.1)
        assert [(r.vips, r.receivers) for r in told.wish.releases] == [(frozenset({ONE}), {"pod-b~2": 7})]
        assert Prefix.parse(ONE) in told.steering.rib.value.routes
        mine = replace(told.wish.record, announcing={TWO: 0})
        await told.learn(views={"apex": view(member(OWN, mine, 2), member("pod-b~2", theirs, 7))})
        routes = told.steering.rib.value.routes
        assert {prefix for prefix, route in routes.items() if not route.aside} == {Prefix.parse(TWO)}
        assert told.wish.releases == ()
        await asyncio.sleep(1.1)
        assert set(told.steering.rib.value.routes) == {Prefix.parse(TWO)}


@simulated
async def test_what_the_siblings_knew_is_forgotten_with_the_service():
    async with story(shared()) as told:
        await told.learn(config=replace(shared(), services=()))
        assert told.steering.wishes.value == {}


@simulated
async def test_local_maintenance_needs_no_siblings():
    facts = Latest(Facts(config=config(service())))
    steering = Steering(facts)
    before, after = await settle(
        steering, facts, replace(facts.value, maintenance={"apex": "disks", "other": "no"})
    )
    assert before.routes
    assert not after.routes
    reasons = {v.reason for v in steering.announcements.value["apex"].verdicts.values()}
    assert reasons == {"maintenance of this pod alone: disks"}
    assert steering.wishes.value == {}
