"""RFC 4271 section 8.2.2, events 16 to 18, and section 6.4: connections that break, at every point."""

import socket

import pytest

from conformance import octets as bgp
from conformance.octets import IPV4, IPV6, OPEN

STATES = ["Opening", "OpenSent", "OpenConfirm", "Established"]


def meet_in(pod, state):
    tor = pod.tor("ebgp")
    if state == "Opening":  # the connection is there, and nothing of it was read
        tor.meet().reset()
        return tor, tor.greet()
    peer = tor.meet()
    if state == "OpenConfirm":
        peer.confirm()
    elif state == "Established":
        peer.establish()
    return tor, peer


def comes_back(pod, tor):
    """Vipd calls again, and all is as before."""
    peer = tor.meet()
    peer.establish()
    peer.stands()


@pytest.mark.parametrize("state", STATES)
def test_4271_8_event_18_a_reset(pod, state):
    tor, peer = meet_in(pod, state)
    peer.reset()
    comes_back(pod, tor)
    if state not in ("Opening", "OpenSent"):
        assert pod.status(tor)["last_error"]["cause"] == "closed"


@pytest.mark.parametrize("state", STATES)
def test_4271_8_event_18_the_end_of_the_stream(pod, state):
    tor, peer = meet_in(pod, state)
    peer.close()
    comes_back(pod, tor)


@pytest.mark.parametrize("state", ["OpenSent", "OpenConfirm", "Established"])
def test_4271_8_event_18_one_half_of_the_connection(pod, state):
    tor, peer = meet_in(pod, state)
    peer.sock.shutdown(socket.SHUT_WR)
    assert all(message.kind in (bgp.UPDATE, bgp.KEEPALIVE) for message in peer.last_words())
    comes_back(pod, tor)


@pytest.mark.parametrize("state", ["OpenSent", "OpenConfirm", "Established"])
@pytest.mark.parametrize("count", [1, 16, 18, 19, 22])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_4271_8_event_18_within_a_message(pod, state, count, how):
    tor, peer = meet_in(pod, state)
    peer.say(bgp.message(OPEN if state == "OpenSent" else bgp.UPDATE, bytes(40))[:count])
    getattr(peer, how)()
    comes_back(pod, tor)


@pytest.mark.parametrize("state", ["OpenSent", "OpenConfirm", "Established"])
def test_4271_6_4_our_last_word_reaches_a_peer_that_goes_on_talking(pod, state):
    """A reset for octets that were not read would overtake the NOTIFICATION."""
    _, peer = meet_in(pod, state)
    peer.say(bgp.message(9), *[bgp.message(bgp.UPDATE, bytes(4000))] * 100)
    assert peer.refused() == (1, 3, b"\x09")


@pytest.mark.parametrize("count", [1, 20])
def test_4271_8_many_sessions_after_one_another(pod, count):
    tor = pod.tor("brisk")
    before = pod.status(tor)["established"]
    for _ in range(count):
        peer = tor.meet()
        peer.establish()
        peer.reset()
    assert pod.status(tor)["established"] == before + count


def test_4271_8_a_session_hears_all_again_after_it_was_away(pod):
    tor = pod.tor("ebgp")
    first = tor.meet().establish()
    tor.rest()
    assert tor.meet().establish() == first


def test_2545_a_session_over_ipv6(own_pod):
    pod = own_pod()
    pod.neighbor("six", address="::1", next_hop="self")
    pod.start()
    said = pod.tor("six").meet().establish()
    (six,) = [each for each in said if each.announced]
    assert six.family == IPV6
    assert six.next_hop == bytes(15) + b"\1"
    assert {each.end_of_rib for each in said} == {None, IPV4, IPV6}


@pytest.mark.parametrize("first", ["the pod", "the ToR"])
def test_2385_another_key_under_a_standing_session(own_pod, tmp_path, first):
    """Whoever changes first, the other follows within the hold time, and nothing was lost."""
    file = tmp_path / "md5"
    file.write_text("old")
    pod = own_pod()
    pod.neighbor("signed", md5_password_file=str(file))
    tor = pod.tor("signed")
    tor.sign(pod.address, b"old")
    pod.start()
    peer = tor.meet()
    peer.establish()
    peer.stands()

    def pod_changes():
        file.write_text("new")
        pod.reload()
        pod.logged("signing_key_changed")

    changes = [pod_changes, lambda: peer.sign(b"new")]
    for change in changes if first == "the pod" else reversed(changes):
        change()
        peer.say(bgp.keepalive())
    peer.stands()
    assert pod.status(tor)["established"] == 1


def test_2385_a_key_where_there_was_none_takes_a_new_session(own_pod, tmp_path):
    file = tmp_path / "md5"
    file.write_text("new")
    pod = own_pod()
    pod.neighbor("signed")
    tor = pod.tor("signed")
    pod.start()
    peer = tor.meet()
    peer.establish()
    tor.sign(pod.address, b"new")
    pod.change(tor.name, md5_password_file=str(file))
    pod.reload()
    assert peer.refused()[:2] == (6, 6)
    tor.meet().establish()


def over_ipv6(own_pod):
    pod = own_pod(vips=["192.0.2.1", "2001:db8::1"])
    pod.neighbor("six", address="::1", next_hop="self")
    pod.start()
    return pod, pod.tor("six")


def test_8950_4_ipv6_next_hops_are_offered_over_ipv6_only(own_pod, pod):
    _, six = over_ipv6(own_pod)
    _, opening = six.answer()
    assert bgp.IPV6_NEXT_HOPS in opening.body
    _, opening = pod.tor("ebgp").answer()
    assert bgp.IPV6_NEXT_HOPS not in opening.body


def test_8950_3_ipv4_over_ipv6(own_pod):
    pod, tor = over_ipv6(own_pod)
    peer = tor.meet()
    said = peer.establish(more=(bgp.IPV6_NEXT_HOPS,))
    (four,) = [each for each in said if each.announced and each.family == IPV4]
    assert four.announced == ["192.0.2.1/32"]
    assert four.next_hop == bytes(15) + b"\1"
    assert bgp.NEXT_HOP not in four.attributes
    assert next(iter(four.attributes)) == bgp.MP_REACH
    pod.serve("2001:db8::1")
    pod.reload()
    assert peer.said().withdrawn == ["192.0.2.1/32"]


def test_8950_4_without_their_word_there_is_no_next_hop(own_pod):
    pod, tor = over_ipv6(own_pod)
    said = tor.meet().establish()
    assert {each.family for each in said if each.announced} == {IPV6}
    assert "RFC 8950" in pod.status(tor)["untold"]["ipv4"]


SIX = bytes.fromhex("20010db8000000000000000000000002")
NEXT_HOPS = {
    "of-4": (bytes((10, 0, 0, 2)), True),
    "of-16": (SIX, True),
    "of-32": (SIX + bytes.fromhex("fe800000000000000000000000000002"), True),
    "of-0": (b"", False),
    "of-15": (SIX[:15], False),
    "of-24": (bytes(8) + SIX, False),
    "of-33": (SIX + SIX + b"\0", False),
}


def test_8950_3_what_comes_in(own_pod):
    pod, tor = over_ipv6(own_pod)
    run = bgp.attribute(bgp.WELL_KNOWN, bgp.ORIGIN, b"\0")
    run += bgp.attribute(bgp.WELL_KNOWN, bgp.AS_PATH, bgp.segment(bgp.SEQUENCE, tor.asn))
    for name, (next_hop, fine) in NEXT_HOPS.items():
        peer = tor.meet()
        peer.establish(more=(bgp.IPV6_NEXT_HOPS,))
        before = pod.status(tor)["received_updates"]["prefixes"]
        value = bgp.mp_reach(IPV4, next_hop, bgp.prefix("198.51.100.0/24"))
        reach = bgp.attribute(bgp.NON_TRANSITIVE, bgp.MP_REACH, value)
        peer.say(bgp.update(reach + run))
        if fine:
            peer.stands()
            assert pod.status(tor)["received_updates"]["prefixes"] == before + 1, name
            peer.close()
        else:
            assert peer.refused() == (3, 9, reach), name
