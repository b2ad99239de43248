"""Stories of a speaker and its ToRs, in virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, ItemsView, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from sim.link import Network
from sim.loop import simulated
from sim.tor import Tor
from vipd.bgp.iana import Family, MessageType
from vipd.bgp.messages import Keepalive, Notification, shutdown_data, shutdown_text
from vipd.bgp.peer import PeerConfig, State
from vipd.bgp.route import LocRib, Policy, Route
from vipd.bgp.speaker import Speaker, speak
from vipd.bgp.wire import Prefix
from vipd.latest import Latest

VIP, OTHER = "192.0.2.1/32", "192.0.2.2/32"


def now() -> float:
    return asyncio.get_running_loop().time()


def peer(name: str = "tor-a", address: str = "10.0.0.2", **changes: object) -> PeerConfig:
    parameters = {
        "name": name,
        "address": address,
        "local_as": 64512,
        "router_id": IPv4Address("10.0.0.1"),
        "peer_as": 65001,
    }
    return PeerConfig(**(parameters | changes))


def rib(*prefixes: str, policies: Mapping[str, Policy] | None = None, **route: object) -> LocRib:
    return LocRib(routes=dict.fromkeys(map(Prefix.parse, prefixes), Route(**route)), policies=policies or {})


class Pod:
    """A speaker and what it is given."""

    def __init__(self, network: Network, *peers: PeerConfig, routes: LocRib | None = None) -> None:
        self.network = network
        self.peers = Latest({config.name: config for config in peers})
        self.rib = Latest(rib(VIP) if routes is None else routes)
        self.listen: Latest[tuple[tuple[str, int], ...]] = Latest(())
        self.speaker: Speaker

    @asynccontextmanager
    async def up(self, jitter: Callable[[], float] | None = None) -> AsyncIterator[Speaker]:
        async with speak(
            self.peers,
            self.rib,
            listen=self.listen,
            goodbye=lambda: "maintenance",
            jitter=jitter or random.Random(1).random,
            dial=self.network.dial,
            listener=self.network.listen,
        ) as self.speaker:
            yield self.speaker


def late() -> float:
    """No jitter: every timer takes its whole time."""
    return 1.0


@simulated
async def test_a_session_comes_up_and_the_vip_is_told():
    network = Network()
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up() as speaker:
        assert speaker.status()["tor-a"].state is State.IDLE
        await tor.until_told(VIP)
        assert now() < 0.02
        attributes = tor.adj_rib_in[VIP]
        assert attributes.next_hop == IPv4Address("10.0.0.1")
        status = speaker.status()["tor-a"]
        assert status.state is State.ESTABLISHED
        assert (status.established, status.dropped) == (1, 0)
        assert status.local_address == "10.0.0.1"
        assert status.advertised == {Family.IPV4: 1, Family.IPV6: 0}
        assert tor.talk.end_of_rib == {Family.IPV4, Family.IPV6}
        pod.rib.set(rib(OTHER))
        await tor.until_told(OTHER)
        pod.rib.set(rib())
        await tor.until_told()


@simulated
async def test_a_peer_that_falls_silent_is_given_up_when_the_hold_time_is_over():
    network = Network()
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up(late) as speaker:
        await tor.until_told(VIP)
        came_up = now()
        await asyncio.sleep(20 - now())
        network.cut(tor.address)
        last_heard = came_up + 18  # the KEEPALIVE at 21 s is lost
        await speaker.changed.until(lambda states: states["tor-a"] is not State.ESTABLISHED)
        assert now() == pytest.approx(last_heard + 9, abs=0.05)
        down = speaker.status()["tor-a"].last_error
        assert (down.code, down.subcode) == (4, 0)
        network.mend(tor.address)
        await speaker.changed.until(lambda states: states["tor-a"] is State.ESTABLISHED)
        await tor.until_told(VIP)
        assert speaker.status()["tor-a"].dropped == 1


@simulated
async def test_a_session_over_a_lost_path_ends_at_once_and_comes_back():
    network = Network()
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up() as speaker:
        await tor.until_told(VIP)
        await asyncio.sleep(1)
        began, talk = now(), tor.talk
        with capture_logs() as logs:
            speaker.lose("tor-a", "control detection time expired")
            speaker.lose("nobody", "control detection time expired")
            await speaker.changed.until(lambda states: states["tor-a"] is not State.ESTABLISHED)
        assert now() == began
        down = speaker.status()["tor-a"].last_error
        assert (down.code, down.subcode) == (6, 10)
        assert down.text == "Cease / BFD Down: control detection time expired"
        assert [each["log_level"] for each in logs if each["event"] == "session_dropped"] == ["warning"]
        await speaker.changed.until(lambda states: states["tor-a"] is State.ESTABLISHED)
        assert (talk.notification.code, talk.notification.subcode) == (6, 10)
        assert now() - began < 1.1
        await tor.until_told(VIP)


@simulated
async def test_keepalives_go_out_in_every_third_of_the_hold_time():
    network = Network()
    async with Tor(network).up() as tor, Pod(network, peer()).up():
        await asyncio.sleep(60)
        times = tor.talk.times(MessageType.KEEPALIVE)
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert len(gaps) >= 20
        assert max(gaps) <= 3.001
        assert tor.talk.established


@simulated
async def test_a_tor_that_boots_is_met_one_connect_retry_after_it_listens():
    """Refused dials do not back off: how long a ToR needs to boot says nothing against it."""
    network = Network()
    tor = Tor(network)
    async with Pod(network, peer(connect_retry=5.0)).up(late):
        await asyncio.sleep(299)
        times = [when for when, _, _ in network.dialled]
        assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([5.0] * 59, abs=0.01)
        async with tor.up():
            await tor.until_told(VIP)
            assert now() < 305


@simulated
async def test_a_dial_without_answer_is_given_up_and_begun_anew():
    network = Network()
    async with Tor(network).up() as tor, Pod(network, peer(connect_retry=5.0)).up(late) as speaker:
        network.cut(tor.address)
        await asyncio.sleep(12)
        assert [when for when, _, _ in network.dialled] == pytest.approx([0, 5, 10])
        assert speaker.status()["tor-a"].last_error.text == "no answer within 5 s"
        network.mend(tor.address)
        await tor.until_told(VIP)
        assert now() < 12.1
        assert len(tor.talks) == 1, "the dials that were given up lead nowhere"


@simulated
async def test_a_peer_that_is_not_the_one_we_mean_is_tried_ever_more_seldom():
    network = Network()
    async with Tor(network, asn=65009).up() as tor, Pod(network, peer(idle_hold_max=8.0)).up(late):
        await asyncio.sleep(40)
        times = [when for when, _, _ in network.dialled]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert gaps == pytest.approx([1, 2, 4, 8, 8, 8, 8], abs=0.05)
        assert {(talk.notification.code, talk.notification.subcode) for talk in tor.talks} == {(2, 2)}


@simulated
async def test_the_same_failure_is_logged_once():
    network = Network()
    with capture_logs() as logs:
        async with Pod(network, peer()).up():
            await asyncio.sleep(60)
    assert len(network.dialled) > 10
    (entry,) = logs
    assert entry["event"] == "session_failed"
    assert entry["reason"] == "10.0.0.2 port 179: connection refused"
    assert entry["peer"] == "tor-a"


@simulated
async def test_a_session_is_told_of_in_the_log_from_birth_to_death():
    network = Network()
    with capture_logs() as logs:
        async with Tor(network).up() as tor, Pod(network, peer()).up(late) as speaker:
            await tor.until_told(VIP)
            await asyncio.sleep(10)
            tor.talk.end.write(Notification(code=6, subcode=2, data=shutdown_data("upgrade")).encode())
            await speaker.changed.until(lambda states: states["tor-a"] is not State.ESTABLISHED)
    spoken = [entry for entry in logs if entry["log_level"] != "debug"]
    assert [entry["event"] for entry in spoken] == [
        "session_established",
        "notification_received",
        "session_dropped",
    ]
    assert spoken[0]["hold_time"] == 9
    assert (spoken[1]["code"], spoken[1]["subcode"]) == (6, 2)
    assert "upgrade" in spoken[2]["reason"]
    assert spoken[2]["duration"] == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize(
    ("called_at", "router_id", "survivor"),
    [
        (0.0, "9.9.9.9", "ours"),
        (0.02, "9.9.9.9", "ours"),
        (0.04, "9.9.9.9", "ours"),
        (0.08, "9.9.9.9", "ours"),
        (0.0, "10.9.9.9", "theirs"),
        (0.02, "10.9.9.9", "theirs"),
        (0.04, "10.9.9.9", "theirs"),
        (0.08, "10.9.9.9", "ours"),  # as it is Established by then
    ],
)
@simulated
async def test_of_two_connections_made_at_once_the_higher_identifier_keeps_its_own(
    called_at, router_id, survivor
):
    """Ours, from 10.0.0.1, is there at 0.1 s and Established at 0.2 s; the ToR's OPEN comes 0.15 s after
    its call."""
    network = Network(delay=0.05)
    pod = Pod(network, peer())
    pod.listen.set((("10.0.0.1", 179),))
    async with Tor(network, router_id=router_id).up() as tor, pod.up() as speaker:
        await asyncio.sleep(called_at)
        await tor.dial()
        await asyncio.sleep(1)
        ours, theirs = sorted(tor.talks, key=lambda talk: talk.dialled)
        winner, loser = (ours, theirs) if survivor == "ours" else (theirs, ours)
        assert winner.established
        assert (loser.notification.code, loser.notification.subcode) == (6, 7)
        assert winner.adj_rib_in.keys() == {Prefix.parse(VIP)}
        status = speaker.status()["tor-a"]
        assert (status.state, status.established) == (State.ESTABLISHED, 1)
        await asyncio.sleep(60)
        assert len(tor.talks) == 2
        assert winner.established
        winner.end.abort()  # whoever dialled it, we dial the next
        await speaker.changed.until(lambda states: states["tor-a"] is not State.ESTABLISHED)
        await tor.until_told(VIP)
        assert not tor.talk.dialled


@pytest.mark.parametrize("passive", [False, True], ids=["dialled-by-us", "dialled-by-the-peer"])
@simulated
async def test_a_second_call_does_not_disturb_a_session_that_stands(passive):
    network = Network()
    pod = Pod(network, peer(passive=passive))
    pod.listen.set((("10.0.0.1", 179),))
    async with Tor(network, router_id="10.9.9.9").up() as tor, pod.up():
        if passive:
            await asyncio.sleep(1)
            await tor.dial()
        await tor.until_told(VIP)
        standing = tor.talk
        intruder = await tor.dial()
        await tor.news.until(lambda _: intruder.closed_at is not None)
        assert (intruder.notification.code, intruder.notification.subcode) == (6, 7)
        await asyncio.sleep(30)
        assert standing.established


@simulated
async def test_a_passive_peer_is_waited_for():
    network = Network()
    pod = Pod(network, peer(passive=True))
    pod.listen.set((("10.0.0.1", 179),))
    async with Tor(network).up() as tor, pod.up() as speaker:
        await asyncio.sleep(100)
        assert speaker.status()["tor-a"].state is State.ACTIVE
        talk = await tor.dial()
        await tor.until_told(VIP)
        talk.end.abort()
        await speaker.changed.until(lambda states: states["tor-a"] is State.IDLE)
        await speaker.changed.until(lambda states: states["tor-a"] is State.ACTIVE)
        await tor.dial()
        await tor.until_told(VIP)
        assert {source for _, source, _ in network.dialled} == {tor.address}


@simulated
async def test_who_answers_nothing_may_still_call():
    """The ToR's port is shut to us, and yet it dials."""
    network = Network()
    tor = Tor(network)
    pod = Pod(network, peer())
    pod.listen.set((("10.0.0.1", 179),))
    async with tor.up(port=1179), pod.up() as speaker:
        await asyncio.sleep(7)
        await tor.dial()
        await tor.until_told(VIP)
        await asyncio.sleep(30)
        assert speaker.status()["tor-a"].state is State.ESTABLISHED
        assert [when for when, source, _ in network.dialled if source != tor.address and when > 8] == []


@simulated
async def test_a_call_without_a_word_keeps_a_passive_peer_out_for_no_time():
    network = Network()
    pod = Pod(network, peer(passive=True))
    pod.listen.set((("10.0.0.1", 179),))
    async with Tor(network).up() as tor, pod.up() as speaker:
        await asyncio.sleep(1)
        for _ in range(3):
            await network.connect(tor.address, "10.0.0.1", 179)  # and nothing more
            await asyncio.sleep(1)
        assert speaker.status()["tor-a"].state is State.OPEN_SENT
        began = now()
        await tor.dial()
        await tor.until_told(VIP)
        assert now() - began < 0.1
        await network.connect(tor.address, "10.0.0.1", 179)
        await asyncio.sleep(300)
        assert speaker.status()["tor-a"].established == 1


@simulated
async def test_nor_does_it_keep_us_from_dialling():
    """A ToR that refuses our calls while it boots, and a call meanwhile from who has its address."""
    network = Network()
    tor = Tor(network)
    pod = Pod(network, peer(connect_retry=5.0))
    pod.listen.set((("10.0.0.1", 179),))
    async with pod.up(jitter=late) as speaker:
        await asyncio.sleep(1)
        mute = await network.connect(tor.address, "10.0.0.1", 179)
        await asyncio.sleep(11)  # and our dials are refused beside it
        dialled = [round(when) for when, source, _ in network.dialled if source != tor.address]
        assert dialled == [0, 6, 11]
        async with tor.up():
            await tor.until_told(VIP)
            assert now() < 16.1
            assert mute.other._closed or await mute.read()
            await asyncio.sleep(300)
            status = speaker.status()["tor-a"]
            assert (status.state, status.established) == (State.ESTABLISHED, 1)
            assert len([source for _, source, _ in network.dialled if source != tor.address]) == 4


@simulated
async def test_a_call_that_ends_without_a_word_delays_no_dial_of_ours():
    network = Network()
    tor = Tor(network)
    pod = Pod(network, peer(connect_retry=5.0))
    pod.listen.set((("10.0.0.1", 179),))
    async with pod.up(jitter=late):
        for _ in range(20):
            await asyncio.sleep(1)
            (await network.connect(tor.address, "10.0.0.1", 179)).abort()
        async with tor.up():
            began = now()
            await tor.until_told(VIP)
            assert now() - began < 5.1


@simulated
async def test_a_mute_call_ends_and_the_dial_beside_it_goes_on():
    """Our dial, made beside it, is slow to be answered: it is the one that lives."""
    network = Network()
    tor = Tor(network)
    pod = Pod(network, peer(connect_retry=5.0))
    pod.listen.set((("10.0.0.1", 179),))
    async with pod.up(jitter=late) as speaker:
        await asyncio.sleep(1)
        mute = await network.connect(tor.address, "10.0.0.1", 179)
        tor.answers = False
        async with tor.up():
            await asyncio.sleep(6)
            assert not tor.talk.dialled
            mute.abort()
            await asyncio.sleep(1)
            tor.answers = True
            tor.talk.end.write(tor.open.encode() + Keepalive().encode())
            async with asyncio.timeout(60):
                await tor.until_told(VIP)
            assert speaker.status()["tor-a"].state is State.ESTABLISHED
            assert len(tor.talks) == 1


@simulated
async def test_a_hundred_thousand_routes_over_a_slow_link_cost_nobody_the_session():
    """Half a megabyte at 50 kB/s is longer than the hold time."""
    network = Network(rate=50_000)
    addresses = [str(IPv4Address("100.64.0.0") + n) for n in range(100_000)]
    pod = Pod(network, peer(), routes=rib(*addresses))
    async with Tor(network).up() as tor, pod.up() as speaker:
        talk = await tor.until_established()
        await tor.news.until(lambda _: len(talk.adj_rib_in) == 100_000)
        assert now() > 9
        await speaker.flushed()
        await asyncio.sleep(30)
        heard = [when for when, _ in talk.heard]
        assert max(later - earlier for earlier, later in pairwise(heard)) <= 3.2
        assert talk.established


@simulated
async def test_while_a_peer_reads_slowly_newer_routes_replace_one_another():
    network = Network(rate=20_000)
    many = [Prefix.parse(str(IPv4Address("100.64.0.0") + n)) for n in range(30_000)]
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up() as speaker:
        await tor.until_established()
        for med in range(200):
            pod.rib.set(LocRib(routes=dict.fromkeys(many, Route(med=med))))
            await asyncio.sleep(0.01)
        await speaker.flushed()
        assert {attributes.med for attributes in tor.adj_rib_in.values()} == {199}
        spoken = sum(len(octets) for _, octets in tor.talk.end.other.written)
        assert spoken < 5 * 30_000 * 5, "a few times the table, not two hundred times"


@simulated
async def test_a_stall_of_our_own_is_not_taken_for_the_peers_silence():
    """The KEEPALIVE lies in the socket when the hold timer is found to be due."""
    network = Network(delay=0.5)

    class Laborious(dict[Prefix, Route]):
        def items(self) -> ItemsView[Prefix, Route]:
            asyncio.get_running_loop().stall(10)
            return super().items()

    pod = Pod(network, peer())
    tor = Tor(network)
    tor.patient = True
    async with tor.up(), pod.up(late) as speaker:
        await tor.until_told(VIP)
        await asyncio.sleep(5)
        tor.talk.end.write(Keepalive().encode())
        pod.rib.set(LocRib(routes=Laborious(rib(VIP, OTHER).routes)))
        await tor.until_told(VIP, OTHER)
        await asyncio.sleep(30)
        assert speaker.status()["tor-a"].dropped == 0


@simulated
async def test_a_flood_does_not_keep_our_own_keepalives_back():
    network = Network(delay=0.001)
    async with Tor(network).up() as tor, Pod(network, peer()).up():
        await tor.until_told(VIP)
        talk = tor.talk
        while now() < 10:
            talk.end.write(Keepalive().encode() * 10)
            await asyncio.sleep(0.001)
        times = talk.times(MessageType.KEEPALIVE)
        assert max(later - earlier for earlier, later in pairwise(times)) <= 3.01


@simulated
async def test_a_refresh_tells_everything_again_and_changes_nothing():
    network = Network()
    async with Tor(network).up() as tor, Pod(network, peer(), routes=rib(VIP, OTHER)).up() as speaker:
        await tor.until_told(VIP, OTHER)
        await speaker.flushed()
        before = len(tor.talk.times(MessageType.UPDATE))
        tor.talk.adj_rib_in.clear()
        tor.refresh(Family.IPV4)
        await tor.until_told(VIP, OTHER)
        assert len(tor.talk.times(MessageType.UPDATE)) == before + 1
        tor.refresh(Family.IPV6)
        await asyncio.sleep(1)
        assert len(tor.talk.times(MessageType.UPDATE)) == before + 1, "there is nothing of that family"


@simulated
async def test_who_asks_for_a_refresh_a_thousand_times_is_not_told_so_often():
    network = Network(rate=50_000)
    many = [str(IPv4Address("100.64.0.0") + n) for n in range(30_000)]
    async with Tor(network).up() as tor, Pod(network, peer(), routes=rib(*many)).up() as speaker:
        await tor.until_established()
        await speaker.flushed()
        for _ in range(1000):
            tor.refresh(Family.IPV4)
        await asyncio.sleep(60)
        spoken = sum(len(octets) for _, octets in tor.talk.end.other.written)
        assert spoken < 5 * 30_000 * 5
        assert tor.talk.established


@simulated
async def test_a_policy_changes_what_one_peer_is_told_and_no_session():
    network = Network()
    pod = Pod(network, peer(), peer("tor-b", "10.0.0.3"), routes=rib(VIP, OTHER))
    async with Tor(network).up() as a, Tor(network, "10.0.0.3").up() as b, pod.up() as speaker:
        await a.until_told(VIP, OTHER)
        await b.until_told(VIP, OTHER)
        await speaker.flushed()
        told = len(a.talk.times(MessageType.UPDATE)), len(b.talk.times(MessageType.UPDATE))
        pod.rib.set(rib(VIP, OTHER, policies={"tor-b": Policy(med=7)}))
        await b.news.until(lambda _: b.adj_rib_in[VIP].med == 7)
        await speaker.flushed()
        await asyncio.sleep(1)
        assert b.adj_rib_in[OTHER].med == 7
        assert len(a.talk.times(MessageType.UPDATE)) == told[0]
        assert len(b.talk.times(MessageType.UPDATE)) == told[1] + 1
        assert len(a.talks) == len(b.talks) == 1


@simulated
async def test_a_changed_peer_restarts_its_own_session_only():
    network = Network()
    pod = Pod(network, peer(), peer("tor-b", "10.0.0.3"))
    async with Tor(network).up() as a, Tor(network, "10.0.0.3").up() as b, pod.up() as speaker:
        await a.until_told(VIP)
        await b.until_told(VIP)
        pod.peers.set({"tor-a": peer(hold_time=30), "tor-b": peer("tor-b", "10.0.0.3")})
        await a.news.until(lambda _: len(a.talks) == 2)
        first = a.talks[0]
        assert (first.notification.code, first.notification.subcode) == (6, 6)
        await a.until_told(VIP)
        assert speaker.status()["tor-a"].established == 2, "counters outlive the change"
        assert len(b.talks) == 1
        pod.peers.set({"tor-b": peer("tor-b", "10.0.0.3")})
        await a.news.until(lambda _: a.talk.closed_at is not None)
        assert (a.talk.notification.code, a.talk.notification.subcode) == (6, 3)
        assert speaker.status().keys() == {"tor-b"}
        await asyncio.sleep(60)
        assert len(a.talks) == 2
        assert len(b.talks) == 1
        assert speaker.changed.value == {"tor-b": State.ESTABLISHED}


@simulated
async def test_leaving_in_order_withdraws_then_waits_for_the_wire_then_ceases():
    network = Network(delay=0.25)
    pod = Pod(network, peer())
    async with Tor(network).up() as tor:
        async with pod.up() as speaker:
            await tor.until_told(VIP)
            started = now()
            pod.rib.set(rib())
            await speaker.flushed()
            assert now() >= started + 0.25, "acknowledged, and not merely written"
            await asyncio.sleep(0.001)  # for the ToR to read
            assert tor.adj_rib_in == {}
            assert tor.talk.established
        assert now() < started + 2
        kinds = [kind for _, kind in tor.talk.heard]
        assert kinds[-2:] == [MessageType.UPDATE, MessageType.NOTIFICATION]
        assert (tor.talk.notification.code, tor.talk.notification.subcode) == (6, 2)
        assert shutdown_text(tor.talk.notification.data) == "maintenance"


@simulated
async def test_a_peer_that_does_not_read_our_farewell_is_left_within_bounds():
    network = Network()
    pod = Pod(network, peer())
    async with Tor(network).up() as tor:
        async with pod.up():
            await tor.until_told(VIP)
            network.cut(tor.address)
            started = now()
        assert now() - started <= 2
        network.mend(tor.address)


@simulated
async def test_waiting_for_the_wire_ends_with_the_session():
    network = Network()
    pod = Pod(network, peer())
    async with Tor(network).up() as tor, pod.up() as speaker:
        await speaker.flushed()  # nobody is there yet
        await tor.until_told(VIP)
        network.cut(tor.address)
        pod.rib.set(rib())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await speaker.flushed()
        await speaker.flushed()
        assert speaker.status()["tor-a"].state is not State.ESTABLISHED
        network.mend(tor.address)


@simulated
async def test_octets_that_come_one_by_one_make_the_same_session():
    network = Network()
    tor = Tor(network)
    tor.answers = False
    async with tor.up(), Pod(network, peer()).up() as speaker:
        await tor.news.until(lambda _: bool(tor.talks) and bool(tor.talk.heard))
        for octet in tor.open.encode() + Keepalive().encode():
            tor.talk.end.write(bytes((octet,)))
            await asyncio.sleep(0.01)
        await tor.until_told(VIP)
        assert speaker.status()["tor-a"].state is State.ESTABLISHED


@simulated
async def test_nonsense_ends_that_session_only():
    network = Network()
    pod = Pod(network, peer(), peer("tor-b", "10.0.0.3"))
    async with Tor(network).up() as a, Tor(network, "10.0.0.3").up() as b, pod.up() as speaker:
        await a.until_told(VIP)
        await b.until_told(VIP)
        first = a.talk
        first.end.write(bytes(100_000))
        await a.news.until(lambda _: first.closed_at is not None)
        assert (first.notification.code, first.notification.subcode) == (1, 1)
        await a.until_told(VIP)
        assert len(b.talks) == 1
        assert speaker.status()["tor-b"].dropped == 0


@simulated
async def test_status_is_there_from_the_first_moment_and_of_every_peer():
    network = Network()
    pod = Pod(network, peer(), peer("tor-b", "10.0.0.3"))
    async with pod.up() as speaker:
        assert {name: status.state for name, status in speaker.status().items()} == {
            "tor-a": State.IDLE,
            "tor-b": State.IDLE,
        }
        assert speaker.changed.value == {}
        await asyncio.sleep(0.0001)
        assert speaker.changed.value == {"tor-a": State.CONNECT, "tor-b": State.CONNECT}


@simulated
async def test_doors_follow_the_configuration():
    network = Network()
    pod = Pod(network, peer(passive=True))
    async with Tor(network).up() as tor, pod.up():
        await asyncio.sleep(1)
        with pytest.raises(ConnectionError):
            await tor.dial()
        pod.listen.set((("10.0.0.1", 1790), ("10.0.0.1", 179)))
        await asyncio.sleep(1)
        await tor.dial(port=1790)
        await tor.until_told(VIP)
        pod.listen.set((("10.0.0.1", 179),))
        await asyncio.sleep(1)
        with pytest.raises(ConnectionError):
            await tor.dial(port=1790)
        assert tor.talk.established, "a closed door does not end what came in through it"
