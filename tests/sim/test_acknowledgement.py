"""When a pod may claim a route: once every ToR that is told of it has it, and not before."""

from dataclasses import replace

from sim.link import Network
from sim.loop import simulated
from sim.test_session import OTHER, VIP, Pod, peer, rib
from sim.tor import Tor
from vipd.bgp.peer import State
from vipd.bgp.route import LocRib, Route
from vipd.bgp.wire import Prefix

PREFIX = Prefix.parse(VIP)


@simulated
async def test_a_route_is_acknowledged_when_its_octets_are():
    network = Network(delay=1.0)
    async with Tor(network).up() as tor, Pod(network, peer()).up() as speaker:
        await tor.until_established()
        await speaker.progress.until(lambda _: bool(speaker.standing().carried))
        assert not speaker.standing().acknowledged, "said, and still under way"
        await speaker.flushed()
        standing = speaker.standing()
        assert set(standing.acknowledged) == {PREFIX}
        assert (standing.sessions_up, standing.sessions_configured) == (1, 1)


@simulated
async def test_a_changed_route_is_acknowledged_anew():
    network = Network(delay=1.0)
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up() as speaker:
        await tor.until_told(VIP)
        await speaker.flushed()
        dearer = LocRib(routes={PREFIX: Route(med=7)})
        pod.rib.set(dearer)
        assert not speaker.standing().acknowledged
        assert PREFIX in speaker.standing().carried
        await speaker.flushed()
        assert speaker.standing().acknowledged == dearer.routes


@simulated
async def test_every_tor_that_hears_a_route_must_have_it():
    network = Network(delay=0.5)
    slow = replace(peer(), name="tor-b", address="10.0.0.3")
    only_a = rib(VIP, OTHER).routes
    only_a = {**only_a, Prefix.parse(OTHER): Route(neighbors=frozenset({"tor-a"}))}
    pod = Pod(network, peer(), slow, routes=LocRib(routes=only_a))
    async with Tor(network).up() as near, pod.up() as speaker:
        await near.until_told(VIP, OTHER)
        await speaker.flushed()
        assert set(speaker.standing().acknowledged) == set(only_a), "who has no session is not waited for"
        async with Tor(network, address="10.0.0.3").up() as far:
            await far.until_established()
            await speaker.changed.until(lambda states: states["tor-b"] is State.ESTABLISHED)
            assert set(speaker.standing().acknowledged) == {Prefix.parse(OTHER)}, "one ToR more to wait for"
            await speaker.flushed()
            assert set(speaker.standing().acknowledged) == set(only_a)
            assert speaker.standing().sessions_up == 2


@simulated
async def test_with_the_session_goes_what_it_carried():
    network = Network(delay=0.1)
    async with Pod(network, peer()).up() as speaker:
        async with Tor(network).up() as tor:
            await tor.until_told(VIP)
            await speaker.flushed()
            assert PREFIX in speaker.standing().carried
            before = speaker.progress.value
        await speaker.progress.until(lambda count: count > before and not speaker.standing().carried)
        assert not speaker.standing().acknowledged
        assert speaker.standing().sessions_up == 0


@simulated
async def test_a_route_that_went_and_came_back_meanwhile_is_not_the_one_that_was_acknowledged():
    network = Network(delay=1.0)
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up() as speaker:
        await tor.until_told(VIP)
        await speaker.flushed()
        whole = pod.rib.value
        for rib_now in (LocRib(), whole):
            before = speaker.progress.value
            pod.rib.set(rib_now)
            await speaker.progress.until(lambda count, before=before: count > before)
        assert not speaker.standing().acknowledged, "its withdrawal is still under way"
        await speaker.flushed()
        assert set(speaker.standing().acknowledged) == {PREFIX}
