"""RFC 4271 sections 6.8 and 8.2.1: who may call, and which of two connections lives."""

import contextlib
import socket
import time

import pytest

from conformance import octets as bgp
from conformance.octets import IPV4, IPV6, KEEPALIVE, OPEN
from conformance.pod import ROUTER_ID, loopback_address
from conformance.tor import PATIENCE, Conversation, Over

COLLISION = (6, 7, b"")
LOWER, HIGHER = "10.0.0.2", "10.0.0.9"  # than our 10.0.0.5
WINNER = {
    LOWER: "dialed",
    HIGHER: "called",
    ROUTER_ID: "called",
}  # 6286 2.3: the higher AS, which is the peer's


def call(pod, tor, ttl=64):
    """Call vipd, and hear its OPEN: at once, or when it has got over the session of an earlier test."""
    until = time.monotonic() + PATIENCE
    while (peer := called(pod, tor, ttl)) is None:
        assert time.monotonic() < until, "vipd takes no call"
        time.sleep(0.02)  # of its idle hold time of 0.1 s
    return peer


def at_rest(pod, kind):
    """A neighbour that vipd waits for, and is over the session of an earlier test."""
    tor = pod.tor(kind)
    until = time.monotonic() + PATIENCE
    while pod.status(tor)["state"] != "Active":
        assert time.monotonic() < until, pod.status(tor)
        time.sleep(0.02)  # of its idle hold time of 0.1 s
    return tor


def called(pod, tor, ttl=64):
    """Call vipd, which may refuse."""
    peer = tor.call(pod.address, pod.listen, ttl)
    with contextlib.suppress(Over):
        assert peer.hear().kind == OPEN
        return peer
    peer.close()
    return None


def both(pod):
    """Two connections with one neighbour, both in OpenSent."""
    tor = pod.tor("ebgp")
    return tor, {"dialed": tor.meet(), "called": call(pod, tor)}


def lives(peer):
    peer.say(bgp.keepalive())
    peer.table((IPV4, IPV6))
    peer.stands()


@pytest.mark.parametrize(
    "router_id", WINNER, ids=["ours-is-higher", "theirs-is-higher", "6286-both-are-the-same"]
)
@pytest.mark.parametrize("first", ["dialed", "called"])
def test_4271_6_8_the_higher_identifier_keeps_the_one_it_opened(pod, router_id, first):
    _, peers = both(pod)
    second = "called" if first == "dialed" else "dialed"
    peers[first].confirm(router_id=router_id)
    peers[second].open(router_id=router_id)
    winner = WINNER[router_id]
    loser = "called" if winner == "dialed" else "dialed"
    assert peers[loser].refused() == COLLISION
    if winner == second:
        assert peers[second].hear().kind == KEEPALIVE
    lives(peers[winner])


@pytest.mark.parametrize("router_id", [LOWER, HIGHER], ids=["ours-is-higher", "theirs-is-higher"])
@pytest.mark.parametrize("standing", ["dialed", "called"])
def test_4271_6_8_one_that_stands_is_not_given_up(pod, router_id, standing):
    _, peers = both(pod)
    late = "called" if standing == "dialed" else "dialed"
    peers[standing].confirm(router_id=router_id)
    lives(peers[standing])
    assert peers[late].refused() == COLLISION
    peers[standing].stands()


@pytest.mark.parametrize("router_id", [LOWER, HIGHER], ids=["ours-is-higher", "theirs-is-higher"])
def test_4271_6_8_a_second_connection_beside_one_that_was_dialed(pod, router_id):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish(router_id=router_id)
    second = tor.call(pod.address, pod.listen)
    assert second.hear().kind == OPEN
    assert second.refused() == COLLISION
    peer.stands()


@pytest.mark.parametrize("router_id", [LOWER, HIGHER], ids=["ours-is-higher", "theirs-is-higher"])
def test_4271_6_8_a_second_connection_beside_one_that_was_accepted(pod, router_id):
    tor = at_rest(pod, "waiting")
    peer = call(pod, tor)
    peer.establish(router_id=router_id)
    second = tor.call(pod.address, pod.listen)
    assert second.hear().kind == OPEN
    assert second.refused() == COLLISION
    peer.stands()


@pytest.mark.parametrize("ended", ["dialed", "called"])
def test_4271_6_8_the_other_goes_on_where_one_ends(pod, ended):
    _, peers = both(pod)
    other = peers["called" if ended == "dialed" else "dialed"]
    peers[ended].reset()
    other.confirm()
    lives(other)


@pytest.mark.parametrize("wrong", ["dialed", "called"])
def test_4271_6_8_an_error_on_one_is_told_on_that_one(pod, wrong):
    _, peers = both(pod)
    other = peers["called" if wrong == "dialed" else "dialed"]
    peers[wrong].say(bgp.message(9))
    assert peers[wrong].refused() == (1, 3, b"\x09")
    other.confirm()
    lives(other)


def test_4271_6_8_a_flood_of_calls_beside_a_session(pod):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish()
    calls = [tor.call(pod.address, pod.listen) for _ in range(30)]
    for each in calls:
        each.last_words()
    peer.stands()


# ---- calls that come to nothing ----


def mute_call(pod, tor, ttl=None):
    """A call from the peer's address on which nothing will be said."""
    sock = socket.socket()
    sock.bind((tor.address, 0))
    sock.settimeout(PATIENCE)
    if ttl is not None:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    sock.connect((pod.address, pod.listen))
    return sock


@pytest.mark.parametrize("count", [1, 5])
def test_4271_8_a_call_without_an_open_keeps_no_passive_peer_out(pod, count):
    tor = at_rest(pod, "waiting")
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(mute_call(pod, tor))
        began = time.monotonic()
        peer = call(pod, tor)
        peer.establish()
        peer.stands()
        assert time.monotonic() - began < PATIENCE / 2


def test_4271_8_a_call_that_stays_an_open_keeps_no_passive_peer_out(pod):
    tor = at_rest(pod, "waiting")
    idler = call(pod, tor)
    idler.say(bgp.open_message(tor.asn))
    assert idler.hear().kind == KEEPALIVE
    peer = call(pod, tor)
    peer.establish()
    assert idler.last_words()
    peer.stands()


@pytest.mark.parametrize("ttl", [1, 64, 254])
def test_5082_a_connection_from_too_far_away_keeps_nobody_out(pod, ttl):
    tor = at_rest(pod, "near")
    with mute_call(pod, tor, ttl) as far:
        with contextlib.suppress(OSError):
            far.sendall(bgp.open_message(tor.asn))  # which does not arrive
        peer = call(pod, tor, 255)
        peer.establish()
        peer.stands()


def test_4271_8_a_call_without_an_open_keeps_us_from_no_call_of_ours(own_pod):
    pod = own_pod()
    pod.neighbor("booting", hold_time=60)
    tor = pod.tor("booting")
    tor.shut()
    pod.start()
    pod.logged("listener_ready")
    with mute_call(pod, tor):
        tor.listen()
        peer = tor.meet()
        peer.establish()
        peer.stands()


# ---- listening ----


def test_4271_8_a_passive_session_waits(pod):
    tor = at_rest(pod, "waiting")
    assert not tor.called_within(0.5)


@pytest.mark.parametrize("order", ["before-our-open", "after-our-open"])
def test_4271_8_a_passive_session(pod, order):
    tor = at_rest(pod, "waiting")
    peer = tor.call(pod.address, pod.listen)
    if order == "before-our-open":
        peer.say(bgp.open_message(peer.asn), bgp.keepalive())
        assert [peer.hear().kind for _ in range(2)] == [OPEN, KEEPALIVE]
        peer.table((IPV4, IPV6))
    else:
        assert peer.hear().kind == OPEN
        peer.establish()
    peer.stands()
    assert pod.status(tor)["state"] == "Established"


def test_4271_8_a_passive_session_comes_back(pod):
    tor = pod.tor("waiting")
    for _ in range(3):
        while pod.status(tor)["state"] != "Active":  # it takes no calls while it is Idle
            time.sleep(0.02)
        peer = call(pod, tor)
        peer.establish()
        peer.reset()


@pytest.mark.parametrize("octets", [b"", bgp.open_message(65001)], ids=["silent", "talkative"])
def test_4271_8_1_1_an_unknown_address_is_refused(pod, octets):
    with socket.socket() as sock:
        sock.bind((loopback_address(), 0))
        sock.settimeout(5)
        sock.connect((pod.address, pod.listen))
        stranger = Conversation(sock, 65001)
        stranger.say(octets)
        assert stranger.last_words() == []
        pod.logged("connection_refused_unknown", sock.getsockname()[0])


def test_4271_8_1_1_many_strangers_disturb_nobody(pod):
    address = loopback_address()
    for _ in range(200):
        with socket.socket() as sock:
            sock.bind((address, 0))
            sock.settimeout(5)
            sock.connect((pod.address, pod.listen))
    assert len([line for line in pod.log().splitlines() if address in line]) <= 1
    peer = call(pod, pod.tor("waiting"))
    peer.establish()
