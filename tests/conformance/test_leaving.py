"""RFC 4486, RFC 9003: how vipd takes its leave, of one neighbour or of all."""

import signal
import time

import pytest

from conformance import octets as bgp
from conformance.octets import IPV4, IPV6, KEEPALIVE, NOTIFICATION, OPEN, UPDATE
from conformance.pod import LOCAL_AS, PEER_AS
from conformance.tor import PATIENCE


def text(octets):
    """What a Cease says in words (RFC 9003 section 2)."""
    assert octets[0] == len(octets) - 1
    return octets[1:].decode()


@pytest.fixture
def three(own_pod):
    """A vipd with three neighbours."""
    pod = own_pod()
    for name in ("a", "b", "c"):
        pod.neighbor(name)
    pod.start()
    return pod


def test_4486_administrative_shutdown_after_the_withdrawals(three):
    peers = [three.tor(name).meet() for name in ("a", "b", "c")]
    for peer in peers:
        peer.establish()
    three.signal(signal.SIGTERM)
    for peer in peers:
        heard = [message for message in peer.last_words() if message.kind != KEEPALIVE]
        gone = [bgp.take_apart(message.body) for message in heard if message.kind == UPDATE]
        assert sorted(prefix for said in gone for prefix in said.withdrawn) == [
            "192.0.2.1/32",
            "192.0.2.2/32",
            "2001:db8::1/128",
        ]
        assert not [said for said in gone if said.announced]
        assert [message.kind for message in heard[-1:]] == [NOTIFICATION]
        code, subcode, octets = heard[-1].error
        assert (code, subcode) == (6, 2)
        assert text(octets) == "vipd was told to stop"
    assert three.process.wait(PATIENCE) == 0


def test_4486_the_linger_lies_between_withdrawal_and_cease(own_pod):
    pod = own_pod(linger=1.0)
    pod.neighbor("a")
    pod.start()
    peer = pod.tor("a").meet()
    peer.establish()
    pod.signal(signal.SIGTERM)
    assert peer.said().withdrawn
    began = time.monotonic()
    assert peer.refused()[:2] == (6, 2)
    assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize(
    ("asn", "local_preference"), [(PEER_AS, None), (LOCAL_AS, bytes(4))], ids=["ebgp", "ibgp"]
)
def test_8326_4_routes_say_that_they_are_about_to_go(own_pod, asn, local_preference):
    pod = own_pod(linger=0, graceful_shutdown=1.0)
    pod.neighbor("a", asn=asn)
    pod.start()
    peer = pod.tor("a").meet()
    peer.establish()
    pod.signal(signal.SIGTERM)
    said = peer.table_again(3)
    began = time.monotonic()
    for each in said:
        assert each.value(8) == bytes.fromhex("ffff0000")
        assert each.attributes.get(5, (0, None))[1] == local_preference
    assert peer.said().withdrawn
    assert time.monotonic() - began >= 0.9
    assert peer.last_words()[-1].error[:2] == (6, 2)


def test_4486_a_second_signal_cuts_it_short(own_pod):
    pod = own_pod(linger=60.0)
    pod.neighbor("a")
    pod.start()
    peer = pod.tor("a").meet()
    peer.establish()
    pod.signal(signal.SIGTERM)
    assert peer.said().withdrawn
    pod.signal(signal.SIGTERM)
    assert peer.refused()[:2] == (6, 2)
    assert pod.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("state", ["OpenSent", "OpenConfirm"])
def test_4271_8_event_2_before_established(three, state):
    peer = three.tor("a").meet()
    if state == "OpenConfirm":
        peer.confirm()
    three.signal(signal.SIGTERM)
    assert peer.refused()[:2] == (6, 2)
    assert three.process.wait(PATIENCE) == 0


def test_4271_8_a_peer_that_is_never_there_does_not_hold_up_the_exit(three):
    three.tor("a").shut()
    three.signal(signal.SIGTERM)
    assert three.process.wait(PATIENCE) == 0


def test_4271_8_a_peer_that_reads_nothing_does_not_hold_up_the_exit(own_pod):
    pod = own_pod(vips=[f"10.{each >> 16}.{each >> 8 & 255}.{each & 255}" for each in range(20_000)])
    pod.neighbor("deaf")
    tor = pod.tor("deaf")
    tor.shrink()
    pod.start()
    tor.meet().say(bgp.open_message(65001), bgp.keepalive())
    pod.logged("session_established")
    pod.signal(signal.SIGTERM)
    assert pod.process.wait(15) == 0  # it waits 5 s for the wire to be empty, and no longer


def test_4486_a_neighbor_that_goes_and_one_that_changes_and_one_that_stays(three):
    peers = {name: three.tor(name).meet() for name in ("a", "b", "c")}
    for peer in peers.values():
        peer.establish()
    three.forget("a-0")
    three.change("b-0", hold_time=30)
    three.change("c-0", med=5)  # merely colours the routes
    three.reload()
    assert peers["a"].refused() == (6, 3, b"")
    assert peers["b"].refused() == (6, 6, b"")
    said = [peers["c"].said() for _ in range(2)]
    assert all(each.value(bgp.MED) == (5).to_bytes(4) for each in said)
    peers["c"].stands()
    # The one that changed is called again, with what has changed.
    peer, opening = three.tor("b").answer()
    assert opening.kind == OPEN
    assert opening.body[3:5] == (30).to_bytes(2)
    peer.establish()
    assert not three.tor("a").called_within(0.5)


def test_4486_a_reload_that_changes_nothing_says_nothing(three):
    peer = three.tor("a").meet()
    peer.establish()
    three.reload()
    three.logged("config_reloaded")
    peer.say(bgp.refresh(IPV4), bgp.refresh(IPV6))
    assert [peer.said().family for _ in range(2)] == [IPV4, IPV6]


def test_a_kill_is_the_end_of_the_stream(three):
    peer = three.tor("a").meet()
    peer.establish()
    three.process.kill()
    assert [message.kind for message in peer.last_words()] in ([], [KEEPALIVE])


HELPER = bgp.capability(64, bytes.fromhex("4078"))  # keeps the routes of others, also through NOTIFICATIONs


def test_4724_4_to_be_started_again_it_ends_without_a_word(own_pod):
    pod = own_pod()
    pod.neighbor("a", graceful_restart=60)
    for _ in range(2):
        pod.start()
        peer, opening = pod.tor("a").answer()
        assert bytes.fromhex("400a c03c 00010180 00020180") in opening.body, "restarted, and still forwarding"
        peer.establish(more=(HELPER,))
        pod.signal(signal.SIGUSR1)
        assert NOTIFICATION not in [message.kind for message in peer.last_words()]
        assert pod.process.wait(PATIENCE) == 0


def test_8538_3_to_stay_away_it_says_so_to_who_would_wait(own_pod):
    pod = own_pod()
    pod.neighbor("a", graceful_restart=60)
    pod.start()
    peer = pod.tor("a").meet()
    peer.establish(more=(HELPER,))
    pod.signal(signal.SIGTERM)
    code, subcode, octets = peer.last_words()[-1].error
    assert (code, subcode, octets[:2]) == (6, 9, b"\6\2")
    assert text(octets[2:]) == "vipd was told to stop"
