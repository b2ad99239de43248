"""RFC 4271 section 8.2.2, RFC 2918, RFC 6608: each message in each state."""

import pytest

from conformance import octets as bgp
from conformance.octets import IPV4, IPV6, KEEPALIVE, NOTIFICATION, OPEN, REFRESH, UPDATE
from conformance.pod import PEER_AS

EMPTY = bgp.update()
WORDS = {
    "OPEN": bgp.open_message(PEER_AS),
    "OPEN-malformed": bgp.open_message(PEER_AS, hold_time=1),
    "UPDATE": EMPTY,
    "UPDATE-malformed": bgp.update(attributes_length=7),
    "KEEPALIVE": bgp.keepalive(),
    "REFRESH": bgp.refresh(IPV4),
    "REFRESH-unknown-family": bgp.refresh((25, 70)),
}


def meet(pod, state):
    """A session in this state, as vipd sees it."""
    tor = pod.tor("ebgp")
    peer = tor.meet()
    if state == "OpenConfirm":
        peer.confirm()
    elif state == "Established":
        peer.establish()
    return tor, peer


REFUSED = {
    ("OpenSent", "OPEN-malformed"): (2, 6, b""),
    ("OpenSent", "UPDATE"): (5, 1, bytes((UPDATE,))),
    ("OpenSent", "UPDATE-malformed"): (5, 1, bytes((UPDATE,))),
    ("OpenSent", "KEEPALIVE"): (5, 1, bytes((KEEPALIVE,))),
    ("OpenSent", "REFRESH"): (5, 1, bytes((REFRESH,))),
    ("OpenSent", "REFRESH-unknown-family"): (5, 1, bytes((REFRESH,))),
    ("OpenConfirm", "OPEN"): (5, 2, bytes((OPEN,))),
    ("OpenConfirm", "OPEN-malformed"): (2, 6, b""),
    ("OpenConfirm", "UPDATE"): (5, 2, bytes((UPDATE,))),
    ("OpenConfirm", "UPDATE-malformed"): (5, 2, bytes((UPDATE,))),
    ("OpenConfirm", "REFRESH"): (5, 2, bytes((REFRESH,))),
    ("OpenConfirm", "REFRESH-unknown-family"): (5, 2, bytes((REFRESH,))),
    ("Established", "OPEN"): (5, 3, bytes((OPEN,))),
    ("Established", "OPEN-malformed"): (5, 3, bytes((OPEN,))),
    ("Established", "UPDATE-malformed"): (3, 1, b""),
}


@pytest.mark.parametrize(
    ("state", "word", "error"),
    [(*at, error) for at, error in REFUSED.items()],
    ids=[f"{state}-{word}" for state, word in REFUSED],
)
def test_6608_refused(pod, state, word, error):
    _, peer = meet(pod, state)
    peer.say(WORDS[word])
    assert peer.refused() == error


def test_4271_8_open_sent_takes_an_open(pod):
    tor, peer = meet(pod, "OpenSent")
    assert pod.status(tor)["state"] == "OpenSent"
    peer.confirm()
    assert pod.status(tor)["state"] == "OpenConfirm"


def test_4271_8_open_confirm_takes_a_keepalive(pod):
    tor, peer = meet(pod, "OpenConfirm")
    peer.say(bgp.keepalive())
    peer.table((IPV4, IPV6))
    assert pod.status(tor)["state"] == "Established"


@pytest.mark.parametrize("word", ["KEEPALIVE", "UPDATE", "REFRESH", "REFRESH-unknown-family"])
def test_4271_8_established_takes(pod, word):
    _, peer = meet(pod, "Established")
    peer.say(WORDS[word])
    peer.stands()


def test_4271_8_nothing_is_announced_before_established(pod):
    _, peer = meet(pod, "OpenConfirm")
    with pytest.raises(TimeoutError):
        peer.hear(0.3)
    peer.say(bgp.keepalive())
    assert peer.said().announced


# ---- NOTIFICATION ----

NOTIFICATIONS = {
    "1-1": bgp.notification(1, 1),
    "2-1-version": bgp.notification(2, 1, b"\0\3"),
    "2-6": bgp.notification(2, 6),
    "3-5-data": bgp.notification(3, 5, b"\x40\x01\x00"),
    "4-0": bgp.notification(4, 0),
    "5-3": bgp.notification(5, 3, b"\x01"),
    "6-2": bgp.notification(6, 2),
    "6-2-text": bgp.notification(6, 2, b"\x04gone"),
    "6-2-broken-text": bgp.notification(6, 2, b"\xff\xfe\x1b[31m"),
    "6-2-broken-utf8": bgp.notification(6, 2, b"\x03a\xffb"),
    "6-7": bgp.notification(6, 7),
    "7-1": bgp.notification(7, 1, bytes(30)),
    "unknown": bgp.notification(99, 99, b"?"),
    "0-0": bgp.notification(0, 0),
    "longest": bgp.notification(3, 1, bytes(4096 - 21)),
}


@pytest.mark.parametrize("state", ["OpenSent", "OpenConfirm", "Established"])
@pytest.mark.parametrize("octets", NOTIFICATIONS.values(), ids=NOTIFICATIONS)
def test_4271_6_4_a_notification_is_not_answered(pod, state, octets):
    tor, peer = meet(pod, state)
    peer.say(octets)
    assert {message.kind for message in peer.last_words()} <= {KEEPALIVE, UPDATE}
    error = pod.status(tor)["last_error"]
    assert (error["cause"], error["code"], error["subcode"]) == ("received", octets[19], octets[20])


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("\N{SNOWMAN} bye".encode(), "\N{SNOWMAN} bye"),
        (b"a\xffb", r"a\xffb"),
        (b"\x1b[31mred", r"\x1b[31mred"),
        (b"two\nlines", r"two\nlines"),
    ],
    ids=["utf-8", "broken", "escape", "newline"],
)
def test_9003_the_text_of_a_cease_is_shown(pod, octets, text):
    tor, peer = meet(pod, "Established")
    peer.say(bgp.notification(6, 2, bytes((len(octets),)) + octets))
    peer.last_words()
    assert pod.status(tor)["last_error"]["text"].endswith(text)


# ---- ROUTE-REFRESH ----


def table(said):
    return sorted(prefix for each in said for prefix in each.announced)


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=["ipv4", "ipv6"])
def test_2918_4_everything_of_that_family_again_and_of_no_other(pod, family):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    told = [said for said in peer.establish() if said.family == family and said.announced]
    peer.say(bgp.refresh(family))
    assert peer.table_again(len(table(told))) == told
    peer.say(bgp.refresh(IPV6 if family == IPV4 else IPV4))
    assert peer.said().family != family


def test_2918_4_who_does_not_answer_may_still_ask(pod):
    peer = pod.tor("ebgp").meet()
    peer.establish(
        bgp.open_message(PEER_AS, parameters=bgp.capabilities(bgp.four_octet_as(PEER_AS))), told=(IPV4,)
    )
    peer.stands()


@pytest.mark.parametrize("reserved", [1, 2, 3, 255])
def test_2918_3_the_reserved_octet_is_ignored(pod, reserved):
    _, peer = meet(pod, "Established")
    peer.say(bgp.refresh(IPV4, reserved))
    assert peer.said().announced


@pytest.mark.parametrize(
    "family",
    [(1, 2), (2, 2), (1, 128), (25, 70), (0, 0), (65535, 255)],
    ids=lambda family: f"{family[0]}-{family[1]}",
)
def test_2918_4_a_family_that_was_not_offered_is_ignored(pod, family):
    _, peer = meet(pod, "Established")
    peer.say(bgp.refresh(family), bgp.refresh(IPV6))
    assert peer.said().family == IPV6


def test_2918_4_a_family_that_the_peer_did_not_offer_is_ignored(pod):
    peer = pod.tor("ebgp").meet()
    peer.establish(families=(IPV4,), told=(IPV4,))
    peer.say(bgp.refresh(IPV6), bgp.refresh(IPV4))
    assert peer.said().family == IPV4


def test_2918_a_peer_that_asks_all_the_time(pod):
    _, peer = meet(pod, "Established")
    peer.say(*[bgp.refresh(IPV4)] * 2000)
    peer.stands(IPV4)
    other = pod.tor("ebgp").meet()
    other.establish()
    other.stands()


# ---- RFC 7313 ----


def enhanced(pod):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    return tor, peer, peer.establish(more=(bgp.ENHANCED_REFRESH,))


def subtype(message):
    """What a ROUTE-REFRESH is, and of which family."""
    assert message.kind == REFRESH
    return message.body[2], (int.from_bytes(message.body[:2]), message.body[3])


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=["ipv4", "ipv6"])
def test_7313_4_the_answer_stands_between_two_marks(pod, family):
    _, peer, told = enhanced(pod)
    peer.say(bgp.refresh(family))
    assert subtype(peer.hear_kind(REFRESH)) == (1, family)
    wanted = [said for said in told if said.family == family and said.announced]
    assert [bgp.take_apart(peer.hear().body) for _ in wanted] == wanted
    assert subtype(peer.hear()) == (2, family)


def test_7313_4_no_marks_for_who_does_not_know_them(pod):
    _, peer = meet(pod, "Established")
    peer.say(bgp.refresh(IPV4), bgp.refresh(IPV6))
    assert {message.kind for _, message in peer.hear_all(0.5)} <= {UPDATE, KEEPALIVE}


@pytest.mark.parametrize("strange", [1, 2, 3, 128, 255])
def test_7313_5_other_subtypes_ask_for_nothing(pod, strange):
    _, peer, _ = enhanced(pod)
    peer.say(bgp.refresh(IPV4, strange), bgp.refresh(IPV6))
    assert subtype(peer.hear_kind(REFRESH)) == (1, IPV6)


WRONG_LENGTHS = {
    "begin-of-3": (b"\0\1\1", True),
    "begin-of-5": (b"\0\1\1\1\0", True),
    "end-of-3": (b"\0\1\2", True),
    "end-of-4000": (b"\0\1\2\1" + bytes(3996), True),
    "request-of-3": (b"\0\1\0", False),
    "request-of-5": (b"\0\1\0\1\0", False),
    "of-2": (b"\0\1", False),
    "of-0": (b"", False),
}


@pytest.mark.parametrize(("octets", "marked"), WRONG_LENGTHS.values(), ids=WRONG_LENGTHS)
def test_7313_5_invalid_message_length(pod, octets, marked):
    _, peer, _ = enhanced(pod)
    whole = bgp.message(REFRESH, octets)
    peer.say(whole)
    assert peer.refused() == ((7, 1, whole) if marked else (1, 2, len(whole).to_bytes(2)))


def test_7313_5_the_message_is_told_as_far_as_there_is_room(pod):
    _, peer, _ = enhanced(pod)
    whole = bgp.message(REFRESH, b"\0\1\1\1" + bytes(4073))
    peer.say(whole)
    assert peer.refused() == (7, 1, whole[: 4096 - 21])


@pytest.mark.parametrize("octets", [b"\0\1\3", b"\0\1\xff\1\0"], ids=["of-3", "of-5"])
def test_7313_5_an_unknown_subtype_of_any_length_is_ignored(pod, octets):
    _, peer, _ = enhanced(pod)
    peer.say(bgp.message(REFRESH, octets), bgp.refresh(IPV4))
    assert subtype(peer.hear_kind(REFRESH)) == (1, IPV4)


def test_7313_5_without_the_capability_it_is_rfc_2918_that_counts(pod):
    _, peer = meet(pod, "Established")
    peer.say(bgp.message(REFRESH, b"\0\1\1"))
    assert peer.refused() == (1, 2, b"\0\x16")


def test_6608_a_notification_is_the_last_word(pod):
    _, peer = meet(pod, "Established")
    peer.say(WORDS["OPEN"], *[bgp.refresh(IPV4)] * 5)
    assert [message.kind for message in peer.last_words()] == [NOTIFICATION]
