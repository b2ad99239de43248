"""RFC 4271 sections 4.1 and 6.1: the message header, and how a stream becomes messages."""

import time

import pytest

from conformance import octets as bgp
from conformance.octets import KEEPALIVE, MARKER, NOTIFICATION, OPEN, REFRESH, UPDATE

STATES = ["OpenSent", "OpenConfirm", "Established"]
NAMES = {
    OPEN: "OPEN",
    UPDATE: "UPDATE",
    NOTIFICATION: "NOTIFICATION",
    KEEPALIVE: "KEEPALIVE",
    REFRESH: "REFRESH",
}


def meet_in(state, pod, kind="ebgp"):
    conversation = pod.tor(kind).meet()
    if state == "OpenConfirm":
        conversation.confirm()
    elif state == "Established":
        conversation.establish()
    return conversation


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "marker",
    [bytes(16), b"\xff" * 15 + b"\xfe", b"\x7f" + b"\xff" * 15, b"GET / HTTP/1.1\r\n"],
    ids=["zeros", "last-bit", "first-bit", "http"],
)
def test_4271_6_1_connection_not_synchronized(pod, state, marker):
    peer = meet_in(state, pod)
    peer.say(bgp.message(KEEPALIVE, marker=marker))
    assert peer.refused() == (1, 1, b"")


LENGTHS = [
    *((OPEN, length) for length in (0, 18, 19, 28, 4097, 65535)),
    *((UPDATE, length) for length in (0, 18, 19, 22, 4097, 65535)),
    *((NOTIFICATION, length) for length in (0, 18, 19, 20, 4097, 65535)),
    *((KEEPALIVE, length) for length in (0, 18, 20, 23, 4096, 4097, 65535)),
    *((REFRESH, length) for length in (0, 18, 19, 22, 24, 4096, 4097, 65535)),
    *((6, length) for length in (0, 18, 4097, 65535)),
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("kind", "length"), LENGTHS, ids=[f"{NAMES.get(k, k)}-{n}" for k, n in LENGTHS])
def test_4271_6_1_bad_message_length(pod, state, kind, length):
    peer = meet_in(state, pod)
    peer.say(bgp.message(kind, bytes(max(0, min(length, 4096) - 19)), length=length))
    assert peer.refused() == (1, 2, length.to_bytes(2))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", [0, 6, 7, 128, 255])
def test_4271_6_1_bad_message_type(pod, state, kind):
    peer = meet_in(state, pod)
    peer.say(bgp.message(kind, b"body"))
    assert peer.refused() == (1, 3, bytes((kind,)))


LONG = {
    "UPDATE-4097": (UPDATE, 4097, None),
    "UPDATE-65535": (UPDATE, 65535, None),
    "OPEN-4097": (OPEN, 4097, (1, 2, b"\x10\x01")),
    "KEEPALIVE-4097": (KEEPALIVE, 4097, (1, 2, b"\x10\x01")),
    "REFRESH-4097": (REFRESH, 4097, (1, 2, b"\x10\x01")),
    "unknown-type-65535": (9, 65535, (1, 3, b"\x09")),
}


@pytest.mark.parametrize(("kind", "length", "error"), LONG.values(), ids=LONG)
def test_8654_4_extended_messages(pod, kind, length, error):
    peer = pod.tor("ebgp").meet()
    peer.establish(more=(bgp.EXTENDED_MESSAGE,))
    withdrawn = length - 19 - 4
    body = withdrawn.to_bytes(2) + bytes(withdrawn + 2)  # of 0.0.0.0/0, again and again
    peer.say(bgp.message(kind, body, length=length))
    if error is None:
        peer.stands()
    else:
        assert peer.refused() == error


def test_8654_4_a_long_notification_is_read(pod):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish(more=(bgp.EXTENDED_MESSAGE,))
    peer.say(bgp.notification(6, 4, bytes(60000)))
    peer.last_words()
    assert (pod.status(tor)["last_error"]["code"], pod.status(tor)["last_error"]["subcode"]) == (6, 4)


def test_8654_5_a_long_attribute_comes_back_whole(pod):
    peer = pod.tor("ebgp").meet()
    peer.establish(more=(bgp.EXTENDED_MESSAGE,))
    peer.longest = 65535
    strange = bgp.attribute(bgp.WELL_KNOWN, 200, bytes(50000))
    peer.say(bgp.update(strange))
    assert peer.refused() == (3, 2, strange)


@pytest.mark.parametrize("state", STATES[:2])
def test_8654_4_not_before_both_opens(pod, state):
    peer = meet_in(state, pod)
    peer.say(bgp.message(NOTIFICATION, bytes(5000)))
    assert peer.refused() == (1, 2, (5019).to_bytes(2))


def test_4271_6_1_the_marker_is_looked_at_first_then_the_length_then_the_type(pod):
    for octets, error in (
        (bgp.message(9, marker=bytes(16), length=5), (1, 1, b"")),
        (bgp.message(9, length=5), (1, 2, b"\0\5")),
        (bgp.message(9), (1, 3, b"\x09")),
    ):
        peer = pod.tor("ebgp").meet()
        peer.say(octets)
        assert peer.refused() == error


def test_4271_6_1_a_bad_header_is_answered_before_its_body_has_come(pod):
    peer = pod.tor("ebgp").meet()
    peer.establish()
    peer.say(MARKER + b"\xff\xff\x02")
    assert peer.refused() == (1, 2, b"\xff\xff")


def test_4271_6_1_what_follows_a_bad_message_is_not_read(pod):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish()
    before = pod.status(tor)["messages"]["received"]["keepalive"]
    peer.say(bgp.keepalive(), bgp.message(9), *[bgp.keepalive()] * 50)
    assert peer.refused() == (1, 3, b"\x09")
    assert pod.status(tor)["messages"]["received"]["keepalive"] == before + 1


def test_4271_4_a_stream_octet_by_octet(pod):
    peer = pod.tor("ebgp").meet()
    for octets in (bgp.open_message(peer.asn), bgp.keepalive()):
        for octet in octets:
            peer.say(bytes((octet,)))
    assert peer.hear().kind == KEEPALIVE
    peer.table((bgp.IPV4, bgp.IPV6))
    for octet in bgp.refresh(bgp.IPV4):
        peer.say(bytes((octet,)))
    assert peer.said().announced


PLAIN = bgp.update(
    bgp.attribute(bgp.WELL_KNOWN, bgp.ORIGIN, b"\0")
    + bgp.attribute(bgp.WELL_KNOWN, bgp.AS_PATH, bgp.segment(bgp.SEQUENCE, 65001))
    + bgp.attribute(bgp.WELL_KNOWN, bgp.NEXT_HOP, bytes((10, 0, 0, 2))),
    bgp.prefix("198.51.100.0/24"),
)


@pytest.mark.parametrize(
    ("name", "octets"), [("update", PLAIN), ("keepalive", bgp.keepalive())], ids=["UPDATE", "KEEPALIVE"]
)
def test_4271_4_a_message_split_at_every_point(pod, name, octets):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish()
    before = pod.status(tor)["messages"]["received"][name]
    for point in range(1, len(octets)):
        peer.say(octets[:point])
        time.sleep(0.002)  # so that the two parts arrive apart; the outcome is the same where they do not
        peer.say(octets[point:])
    peer.stands()
    assert pod.status(tor)["messages"]["received"][name] == before + len(octets) - 1


@pytest.mark.parametrize("point", [1, 15, 16, 17, 18, 19, 20, 28, 29, 30, 31, 45])
def test_4271_4_an_open_split(pod, point):
    peer = pod.tor("ebgp").meet()
    octets = bgp.open_message(peer.asn) + bgp.keepalive()
    peer.say(octets[:point])
    time.sleep(0.002)
    peer.say(octets[point:])
    assert peer.hear().kind == KEEPALIVE
    assert peer.table((bgp.IPV4, bgp.IPV6))


def test_4271_4_many_messages_in_one_segment(pod):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish()
    before = pod.status(tor)
    peer.say(*[PLAIN, bgp.keepalive()] * 500)
    peer.stands()
    after = pod.status(tor)
    for name in ("update", "keepalive"):
        assert after["messages"]["received"][name] == before["messages"]["received"][name] + 500
    assert after["received_updates"]["prefixes"] == before["received_updates"]["prefixes"] + 500


def test_4271_4_a_whole_conversation_in_one_segment(pod):
    peer = pod.tor("ebgp").meet()
    peer.say(
        bgp.open_message(peer.asn), bgp.keepalive(), PLAIN, bgp.refresh(bgp.IPV4), bgp.notification(6, 2)
    )
    kinds = [message.kind for message in peer.last_words()]
    assert kinds[0] == KEEPALIVE
    assert set(kinds) <= {KEEPALIVE, UPDATE}  # a NOTIFICATION is not answered


def test_4271_4_1_the_longest_message(pod):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish()
    before = pod.status(tor)["received_updates"]["prefixes"]
    room = 4096 - len(PLAIN)
    octets = PLAIN[19:] + bgp.prefix("203.0.113.7") * (room // 5) + b"\0" * (room % 5)
    peer.say(bgp.message(UPDATE, octets))
    assert len(octets) + 19 == 4096
    peer.stands()
    assert pod.status(tor)["received_updates"]["prefixes"] == before + 1 + room // 5 + room % 5
