"""RFC 4271 section 6.2, RFC 4760, 5492, 6286, 6793, 7607 and 9072: what an OPEN may say."""

import struct

import pytest

from conformance import octets as bgp
from conformance.octets import AS_TRANS, IPV4, IPV6, KEEPALIVE, capability, four_octet_as, multiprotocol
from conformance.pod import LOCAL_AS, PEER_AS, ROUTER_ID

WIDE = 4200000001
OURS = (multiprotocol(IPV4), multiprotocol(IPV6), bgp.ROUTE_REFRESH, four_octet_as(PEER_AS))


def answer(pod, opening, kind="ebgp"):
    """What vipd says to an OPEN."""
    peer = pod.tor(kind).meet()
    peer.say(opening)
    return peer


def options(tail):
    return bgp.open_with(tail, asn=PEER_AS)


def listed(*capabilities):
    return options(sized(bgp.capabilities(*capabilities)))


def sized(parameters):
    return bytes((len(parameters),)) + parameters


# ---- what vipd says itself ----


@pytest.mark.parametrize(("kind", "hold_time"), [("ebgp", 9), ("brisk", 3), ("eternal", 0)])
def test_4271_4_2_our_open(pod, kind, hold_time):
    _, opening = pod.tor(kind).answer()
    version, asn, said, router_id, length = struct.unpack("!BHH4sB", opening.body[:10])
    assert (version, asn, said, router_id) == (4, LOCAL_AS, hold_time, bytes((10, 0, 0, 5)))
    assert length == len(opening.body) - 10
    expected = (
        *(multiprotocol(IPV4), multiprotocol(IPV6), bgp.ROUTE_REFRESH),
        *(bgp.ENHANCED_REFRESH, bgp.EXTENDED_MESSAGE, four_octet_as(LOCAL_AS)),
    )
    assert opening.body[10:] == bgp.capabilities(*expected)


def test_4760_8_only_configured_families_are_offered(pod):
    _, opening = pod.tor("narrow").answer()
    assert multiprotocol(IPV4) in opening.body
    assert multiprotocol(IPV6) not in opening.body


# ---- version, AS, hold time, identifier ----


@pytest.mark.parametrize("version", [0, 1, 2, 3, 5, 255])
def test_4271_6_2_unsupported_version_number(pod, version):
    peer = answer(pod, bgp.open_message(PEER_AS, version=version))
    assert peer.refused() == (2, 1, b"\0\4")


BAD_AS = {
    "number": ("ebgp", bgp.open_message(65002)),
    "number-without-four-octets": ("ebgp", bgp.open_message(65002, four_octets=False)),
    "four-octets-disagree": (
        "ebgp",
        bgp.open_message(PEER_AS, parameters=bgp.capabilities(four_octet_as(65002))),
    ),
    "trans-without-four-octets": ("ebgp", bgp.open_message(AS_TRANS, four_octets=False)),
    "trans-with-another": (
        "ebgp",
        bgp.open_message(AS_TRANS, parameters=bgp.capabilities(four_octet_as(65002))),
    ),
    "wide-truncated": ("wide", bgp.open_message(WIDE & 0xFFFF, four_octets=False)),
    "wide-trans-only": ("wide", bgp.open_message(AS_TRANS, four_octets=False)),
    "wide-another": ("wide", bgp.open_message(WIDE + 1)),
    "ours-on-external": ("own", bgp.open_message(LOCAL_AS)),
    "ours-on-external-without-four-octets": ("own", bgp.open_message(LOCAL_AS, four_octets=False)),
    "trans-on-external": ("external", bgp.open_message(AS_TRANS, four_octets=False)),
    "another-on-internal": ("ibgp", bgp.open_message(PEER_AS)),
    "7607-zero": ("ebgp", bgp.open_message(0, four_octets=False)),
    "7607-zero-on-external": ("external", bgp.open_message(0, four_octets=False)),
    "7607-zero-in-four-octets": (
        "external",
        bgp.open_message(AS_TRANS, parameters=bgp.capabilities(four_octet_as(0))),
    ),
    "7607-zero-in-two-octets": (
        "ebgp",
        bgp.open_message(0, parameters=bgp.capabilities(four_octet_as(PEER_AS))),
    ),
}


@pytest.mark.parametrize(("kind", "opening"), BAD_AS.values(), ids=BAD_AS)
def test_4271_6_2_bad_peer_as(pod, kind, opening):
    assert answer(pod, opening, kind).refused() == (2, 2, b"")


GOOD_AS = {
    "number": ("ebgp", bgp.open_message(PEER_AS)),
    "number-without-four-octets": ("ebgp", bgp.open_message(PEER_AS, four_octets=False)),
    "trans-stands-for-a-small-one": ("ebgp", bgp.open_message(AS_TRANS, parameters=bgp.capabilities(*OURS))),
    "wide": ("wide", bgp.open_message(WIDE)),
    "internal": ("ibgp", bgp.open_message(LOCAL_AS)),
    "any-on-external": ("external", bgp.open_message(PEER_AS)),
    "any-wide-on-external": ("external", bgp.open_message(WIDE)),
}


@pytest.mark.parametrize(("kind", "opening"), GOOD_AS.values(), ids=GOOD_AS)
def test_6793_4_1_good_peer_as(pod, kind, opening):
    tor = pod.tor(kind)
    peer = tor.meet()
    peer.establish(opening)
    assert pod.status(tor)["negotiated"]["ebgp"] is (kind != "ibgp")


def test_4271_6_2_the_log_names_both_sides_values(pod):
    answer(pod, bgp.open_message(65123)).refused()
    assert f"peer AS {PEER_AS} expected, OPEN says 65123" in pod.logged("notification_sent", "65123")


@pytest.mark.parametrize("hold_time", [1, 2])
def test_4271_6_2_unacceptable_hold_time(pod, hold_time):
    assert answer(pod, bgp.open_message(PEER_AS, hold_time=hold_time)).refused() == (2, 6, b"")


@pytest.mark.parametrize(("said", "agreed"), [(0, 0), (3, 3), (4, 4), (9, 9), (10, 9), (90, 9), (65535, 9)])
def test_4271_4_2_the_lower_hold_time_is_agreed_on(pod, said, agreed):
    tor = pod.tor("ebgp")
    tor.meet().establish(hold_time=said)
    assert pod.status(tor)["negotiated"]["hold_time"] == agreed


@pytest.mark.parametrize(
    ("kind", "router_id"),
    [("ebgp", "0.0.0.0"), ("ibgp", "0.0.0.0"), ("ibgp", ROUTER_ID)],
    ids=["zero-external", "zero-internal", "own-internal"],
)
def test_6286_2_2_bad_bgp_identifier(pod, kind, router_id):
    tor = pod.tor(kind)
    peer = tor.meet()
    peer.open(router_id=router_id)
    assert peer.refused() == (2, 3, b"")


@pytest.mark.parametrize(
    ("kind", "router_id"),
    [
        ("ebgp", ROUTER_ID),
        ("ebgp", "255.255.255.255"),
        ("ebgp", "224.0.0.5"),
        ("ibgp", "0.0.0.1"),
        ("ebgp", "127.0.0.1"),
    ],
)
def test_6286_2_1_an_identifier_is_any_number_but_zero(pod, kind, router_id):
    tor = pod.tor(kind)
    tor.meet().establish(router_id=router_id)
    assert pod.status(tor)["negotiated"] is not None


# ---- optional parameters ----

UNSPECIFIC = {
    "said-but-absent": options(b"\x01"),
    "said-too-long": options(b"\x09" + bgp.capabilities(four_octet_as(PEER_AS))),
    "said-too-short": options(b"\x07" + bgp.capabilities(four_octet_as(PEER_AS))),
    "said-none-but-there": options(b"\x00" + bgp.capabilities(*OURS)),
    "type-alone": options(b"\x01\x02"),
    "parameter-too-long": options(sized(b"\x02\x07\x41\x04" + bytes((0, 0, 0xFD, 0xE9)))),
    "parameter-too-short": options(sized(b"\x02\x05\x41\x04" + bytes((0, 0, 0xFD, 0xE9)))),
    "capability-code-alone": options(sized(b"\x02\x01\x41")),
    "capability-too-long": options(sized(b"\x02\x03\x41\x04\x00")),
    "four-octet-as-of-3": listed(capability(65, b"\0\xfd\xe9")),
    "four-octet-as-of-2": listed(capability(65, b"\xfd\xe9")),
    "four-octet-as-of-5": listed(capability(65, b"\0\0\xfd\xe9\0")),
    "multiprotocol-of-0": listed(capability(1)),
    "multiprotocol-of-3": listed(capability(1, b"\0\1\1")),
    "multiprotocol-of-5": listed(capability(1, b"\0\1\0\1\0")),
    "route-refresh-of-1": listed(capability(2, b"\0")),
    "7313-enhanced-refresh-of-1": listed(capability(70, b"\0")),
    "8654-extended-message-of-1": listed(capability(6, b"\0")),
    "9072-length-missing": options(b"\xff\xff"),
    "9072-length-cut": options(b"\xff\xff\0"),
    "9072-too-long": options(b"\xff\xff\0\x0a\x02\0\x06" + four_octet_as(PEER_AS)),
    "9072-too-short": options(b"\xff\xff\0\x08\x02\0\x06" + four_octet_as(PEER_AS)),
    "9072-parameter-too-long": options(b"\xff\xff\0\x09\x02\0\x07" + four_octet_as(PEER_AS)),
    "9072-parameter-length-cut": options(b"\xff\xff\0\x02\x02\0"),
}


@pytest.mark.parametrize("opening", UNSPECIFIC.values(), ids=UNSPECIFIC)
def test_4271_6_2_malformed_optional_parameters(pod, opening):
    assert answer(pod, opening).refused() == (2, 0, b"")


@pytest.mark.parametrize("parameter", [0, 1, 3, 254], ids=["reserved", "authentication", "3", "254"])
@pytest.mark.parametrize("place", ["alone", "behind", "before", "9072"])
def test_4271_6_2_unsupported_optional_parameter(pod, parameter, place):
    strange, good = bytes((parameter, 1, 0)), bgp.capabilities(*OURS)
    tail = {
        "alone": sized(strange),
        "behind": sized(good + strange),
        "before": sized(strange + good),
        "9072": b"\xff\xff\0\x04" + bytes((parameter, 0, 1, 0)),
    }[place]
    assert answer(pod, options(tail)).refused() == (2, 4, b"")


# ---- capabilities ----


def extended(*capabilities):
    """The form of RFC 9072: lengths of two octets."""
    octets = b"".join(capabilities)
    parameter = b"\x02" + len(octets).to_bytes(2) + octets
    return len(parameter).to_bytes(2) + parameter


BOTH = ["ipv4", "ipv6"]
# What is said after the hold time and the identifier: families agreed on, four octets, route refresh.
CAPABILITIES = {
    "none": (options(b"\0"), ["ipv4"], False, False),
    "none-in-a-parameter": (options(b"\x02\x02\0"), ["ipv4"], False, False),
    "usual": (listed(*OURS), BOTH, True, True),
    "a-parameter-each": (options(sized(b"".join(map(bgp.capabilities, OURS)))), BOTH, True, True),
    "in-reverse": (listed(*reversed(OURS)), BOTH, True, True),
    "twice": (listed(*OURS, *OURS), BOTH, True, True),
    "twice-in-two-parameters": (options(sized(bgp.capabilities(*OURS) * 2)), BOTH, True, True),
    "ipv4-only": (listed(multiprotocol(IPV4)), ["ipv4"], False, False),
    "ipv6-only": (listed(multiprotocol(IPV6)), ["ipv6"], False, False),
    "four-octets-only": (listed(four_octet_as(PEER_AS)), ["ipv4"], True, False),
    "refresh-only": (listed(bgp.ROUTE_REFRESH), ["ipv4"], False, True),
    "reserved-octet-of-multiprotocol": (listed(capability(1, b"\0\2\xff\1")), ["ipv6"], False, False),
    "unknown-empty": (listed(*OURS, capability(239)), BOTH, True, True),
    "unknown-long": (listed(*OURS, capability(239, bytes(200))), BOTH, True, True),
    "unknown-first": (listed(capability(0, b"?"), capability(255, b"?"), *OURS), BOTH, True, True),
    "cisco-refresh": (listed(capability(128), *OURS), BOTH, True, True),
    "graceful-restart": (listed(*OURS, capability(64, b"\x40\x78\0\1\1\x80")), BOTH, True, True),
    "extended-messages-enhanced-refresh": (listed(*OURS, capability(6), capability(70)), BOTH, True, True),
    "add-path": (listed(*OURS, capability(69, b"\0\1\1\3")), BOTH, True, True),
    "other-families-too": (listed(multiprotocol((25, 70)), multiprotocol((1, 128)), *OURS), BOTH, True, True),
    "255-octets": (options(sized(bgp.capabilities(*OURS, capability(200, bytes(229))))), BOTH, True, True),
    "9072": (options(b"\xff\xff" + extended(*OURS)), BOTH, True, True),
    "9072-the-first-length-does-not-count": (
        options(b"\x01\xff" + extended(*OURS)),
        BOTH,
        True,
        True,
    ),
    "9072-empty": (options(b"\xff\xff\0\0"), ["ipv4"], False, False),
    "9072-more-than-255-octets": (
        options(b"\xff\xff" + extended(*[capability(200, bytes(255))] * 9, *OURS)),
        BOTH,
        True,
        True,
    ),
}


@pytest.mark.parametrize(
    ("opening", "families", "four_octets", "refresh"), CAPABILITIES.values(), ids=CAPABILITIES
)
def test_5492_what_two_opens_agree_on(pod, opening, families, four_octets, refresh):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish(opening, told=tuple({"ipv4": IPV4, "ipv6": IPV6}[family] for family in families))
    negotiated = pod.status(tor)["negotiated"]
    assert negotiated["families"] == families
    assert negotiated["four_octet_as"] is four_octets
    assert negotiated["route_refresh"] is refresh
    peer.stands(IPV4 if "ipv4" in families else IPV6)


NO_FAMILY = {
    "ipv6-to-ipv4": ("narrow", (IPV6,)),
    "others-only": ("ebgp", ((1, 2), (25, 70))),
}


@pytest.mark.parametrize(("kind", "families"), NO_FAMILY.values(), ids=NO_FAMILY)
def test_5492_5_unsupported_capability_names_what_is_missing(pod, kind, families):
    peer = pod.tor(kind).meet()
    peer.open(families=families)
    missing = multiprotocol(IPV4) if kind == "narrow" else multiprotocol(IPV4) + multiprotocol(IPV6)
    assert peer.refused() == (2, 7, missing)


def test_4271_4_2_our_answer_is_one_keepalive(pod):
    peer = answer(pod, bgp.open_message(PEER_AS))
    assert peer.hear().kind == KEEPALIVE
    with pytest.raises(TimeoutError):
        peer.hear(0.2)
