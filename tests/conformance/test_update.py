"""RFC 4271 section 6.3, RFC 4760 and RFC 7606: what becomes of an UPDATE that is not right.

A session that is to stand is asked for a refresh afterwards, and the counters of `vipd neighbors` tell what
was done: nothing, attribute discard, or treat-as-withdraw.
"""

import pytest

from conformance import octets as bgp
from conformance.octets import (
    AGGREGATOR,
    AS4_AGGREGATOR,
    AS4_PATH,
    AS_PATH,
    ATOMIC_AGGREGATE,
    CLUSTER_LIST,
    COMMUNITIES,
    EXTENDED,
    EXTENDED_COMMUNITIES,
    IPV4,
    IPV6,
    IPV6_EXTENDED_COMMUNITIES,
    LARGE_COMMUNITY,
    LOCAL_PREF,
    MED,
    MP_REACH,
    MP_UNREACH,
    NEXT_HOP,
    NON_TRANSITIVE,
    ORIGIN,
    ORIGINATOR_ID,
    SEQUENCE,
    SET,
    TRANSITIVE,
    WELL_KNOWN,
    attribute,
    mp_reach,
    mp_unreach,
    prefix,
    segment,
)
from conformance.pod import LOCAL_AS, PEER_AS

ACCEPTED, DISCARD, WITHDRAW = "accepted", "attribute-discard", "treat-as-withdraw"
EBGP, IBGP, OLD = "ebgp", "ibgp", "ebgp-of-two-octets"  # the last does not know AS numbers of four

NLRI = prefix("198.51.100.0/24")
NLRI6 = prefix("2001:db8:aa::/48")
GLOBAL = bytes.fromhex("20010db8000000000000000000000002")
LINK_LOCAL = bytes.fromhex("fe800000000000000000000000000002")

# Each attribute as it should be, by type code; AS numbers take four octets.
GOOD = {
    ORIGIN: (WELL_KNOWN, b"\0"),
    AS_PATH: (WELL_KNOWN, segment(SEQUENCE, PEER_AS)),
    NEXT_HOP: (WELL_KNOWN, bytes((10, 0, 0, 2))),
    MED: (NON_TRANSITIVE, bytes(4)),
    LOCAL_PREF: (WELL_KNOWN, b"\0\0\0\x64"),
    ATOMIC_AGGREGATE: (WELL_KNOWN, b""),
    AGGREGATOR: (TRANSITIVE, PEER_AS.to_bytes(4) + bytes((10, 0, 0, 9))),
    COMMUNITIES: (TRANSITIVE, bytes.fromhex("fde90001ffffff01")),
    ORIGINATOR_ID: (NON_TRANSITIVE, bytes((10, 0, 0, 7))),
    CLUSTER_LIST: (NON_TRANSITIVE, bytes((10, 0, 0, 8))),
    MP_REACH: (NON_TRANSITIVE, mp_reach(IPV6, GLOBAL, NLRI6)),
    MP_UNREACH: (NON_TRANSITIVE, mp_unreach(IPV6, NLRI6)),
    EXTENDED_COMMUNITIES: (TRANSITIVE, bytes.fromhex("0002fde800000064")),
    AS4_PATH: (TRANSITIVE, segment(SEQUENCE, 4200000001)),
    AS4_AGGREGATOR: (TRANSITIVE, bytes.fromhex("fa56ea010a000009")),
    IPV6_EXTENDED_COMMUNITIES: (TRANSITIVE, bytes(20)),
    LARGE_COMMUNITY: (TRANSITIVE, bytes.fromhex("0000fde90000000100000002")),
}
NAMES = {
    code: name.lower().replace("_", "-")
    for name, code in vars(bgp).items()
    if isinstance(code, int)
    and code in GOOD
    and name not in ("SET", "SEQUENCE", "OPEN", "UPDATE", "NOTIFICATION")
    and name not in ("KEEPALIVE", "REFRESH", "CONFED_SEQUENCE", "CONFED_SET", "EXTENDED")
}
OLD_PATH = (WELL_KNOWN, segment(SEQUENCE, PEER_AS, width=2))


def told(session, changes, nlri=NLRI):
    """An UPDATE with what a route needs and these changes: None leaves an attribute out."""
    attributes = {code: GOOD[code] for code in (ORIGIN, AS_PATH, NEXT_HOP)}
    if session == IBGP:
        attributes[LOCAL_PREF] = GOOD[LOCAL_PREF]
    if session == OLD:
        attributes[AS_PATH] = OLD_PATH
    attributes |= changes
    return bgp.update(
        b"".join(
            attribute(flags, code, value) for code, (flags, value) in attributes.items() if flags is not None
        ),
        nlri,
    )


def play(pod, session, octets, outcome):
    """Say it to a session, and look what comes of it: an outcome, or a NOTIFICATION."""
    tor = pod.tor("ibgp" if session == IBGP else "ebgp")
    peer = tor.meet()
    peer.establish(four_octets=session != OLD)
    before = pod.status(tor)["received_updates"]
    peer.say(octets)
    if isinstance(outcome, tuple):
        assert peer.refused() == outcome
        return
    peer.stands()
    after = pod.status(tor)["received_updates"]
    assert {
        WITHDRAW: after["treat_as_withdraw"] - before["treat_as_withdraw"],
        DISCARD: after["attribute_discard"] - before["attribute_discard"],
    } == {WITHDRAW: outcome == WITHDRAW, DISCARD: outcome == DISCARD}


LEFT_OUT = (None, b"")


# ---- section 7, attribute by attribute: length and value ----


def row(session, code, outcome, value, word):
    return session, code, value, outcome, f"{NAMES[code]}-{word}-{session}"


def both(code, outcome, value, word):
    return [row(session, code, outcome, value, word) for session in (EBGP, IBGP)]


SECTION_7 = [
    # 7.1
    *both(ORIGIN, WITHDRAW, b"", "of-0"),
    *both(ORIGIN, WITHDRAW, b"\0\0", "of-2"),
    *both(ORIGIN, WITHDRAW, b"\3", "3"),
    *both(ORIGIN, WITHDRAW, b"\xff", "255"),
    *both(ORIGIN, ACCEPTED, b"\1", "egp"),
    *both(ORIGIN, ACCEPTED, b"\2", "incomplete"),
    # 7.2
    *both(AS_PATH, ACCEPTED, b"", "empty"),
    *both(AS_PATH, ACCEPTED, segment(SEQUENCE, PEER_AS, 4200000001) + segment(SET, 1, 2), "with-a-set"),
    *both(AS_PATH, ACCEPTED, segment(SEQUENCE, *[PEER_AS] * 255), "of-255"),
    *both(AS_PATH, ACCEPTED, segment(SEQUENCE, PEER_AS, LOCAL_AS), "with-our-own"),
    *both(AS_PATH, WITHDRAW, segment(0, PEER_AS), "segment-0"),
    *both(AS_PATH, WITHDRAW, segment(5, PEER_AS), "segment-5"),
    *both(AS_PATH, WITHDRAW, segment(255, PEER_AS), "segment-255"),
    row(EBGP, AS_PATH, WITHDRAW, segment(bgp.CONFED_SEQUENCE, PEER_AS), "5065-confed-sequence"),
    row(EBGP, AS_PATH, WITHDRAW, segment(bgp.CONFED_SET, PEER_AS), "5065-confed-set"),
    row(
        EBGP, AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS) + segment(bgp.CONFED_SET, 1), "5065-confed-behind"
    ),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE), "empty-segment"),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS) + segment(SET), "empty-segment-behind"),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS, count=2), "overrun"),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS, count=255), "overrun-far"),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS)[:-1], "cut"),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS) + b"\2", "underrun"),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS, width=2), "of-two-octets"),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS, 0), "7607-zero"),
    *both(AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS) + segment(SET, 0), "7607-zero-in-a-set"),
    row(OLD, AS_PATH, ACCEPTED, segment(SEQUENCE, PEER_AS, 23456, width=2), "with-as-trans"),
    row(OLD, AS_PATH, WITHDRAW, segment(SEQUENCE, PEER_AS, width=4), "of-four-octets"),
    row(OLD, AS_PATH, WITHDRAW, segment(SEQUENCE, 0, width=2), "7607-zero"),
    # 7.3
    *both(NEXT_HOP, WITHDRAW, b"", "of-0"),
    *both(NEXT_HOP, WITHDRAW, bytes((10, 0, 0)), "of-3"),
    *both(NEXT_HOP, WITHDRAW, bytes((10, 0, 0, 2, 0)), "of-5"),
    *both(NEXT_HOP, WITHDRAW, GLOBAL, "of-16"),
    *both(NEXT_HOP, WITHDRAW, bytes(4), "zero"),
    *both(NEXT_HOP, WITHDRAW, bytes((224, 0, 0, 5)), "multicast"),
    *both(NEXT_HOP, WITHDRAW, b"\xff\xff\xff\xff", "broadcast"),
    # 7.4
    *both(MED, ACCEPTED, bytes(4), "zero"),
    *both(MED, WITHDRAW, b"", "of-0"),
    *both(MED, WITHDRAW, bytes(3), "of-3"),
    *both(MED, WITHDRAW, bytes(5), "of-5"),
    # 7.5
    row(EBGP, LOCAL_PREF, DISCARD, bytes(4), "unasked"),
    row(EBGP, LOCAL_PREF, DISCARD, bytes(3), "of-3"),
    row(EBGP, LOCAL_PREF, DISCARD, b"", "of-0"),
    row(IBGP, LOCAL_PREF, WITHDRAW, b"", "of-0"),
    row(IBGP, LOCAL_PREF, WITHDRAW, bytes(3), "of-3"),
    row(IBGP, LOCAL_PREF, WITHDRAW, bytes(5), "of-5"),
    # 7.6
    *both(ATOMIC_AGGREGATE, ACCEPTED, b"", "good"),
    *both(ATOMIC_AGGREGATE, DISCARD, b"\0", "of-1"),
    # 7.7
    *both(AGGREGATOR, ACCEPTED, GOOD[AGGREGATOR][1], "good"),
    *both(AGGREGATOR, DISCARD, bytes((0xFD, 0xE9, 10, 0, 0, 9)), "of-6"),
    *both(AGGREGATOR, DISCARD, bytes(7), "of-7"),
    *both(AGGREGATOR, DISCARD, b"\0\0\xfd\xe9\x0a\0\0\x09\0", "of-9"),
    *both(AGGREGATOR, DISCARD, bytes((0, 0, 0, 0, 10, 0, 0, 9)), "7607-zero"),
    row(OLD, AGGREGATOR, ACCEPTED, bytes((0xFD, 0xE9, 10, 0, 0, 9)), "of-6"),
    row(OLD, AGGREGATOR, DISCARD, GOOD[AGGREGATOR][1], "of-8"),
    # 7.8
    *both(COMMUNITIES, ACCEPTED, GOOD[COMMUNITIES][1], "good"),
    *both(COMMUNITIES, WITHDRAW, b"", "of-0"),
    *both(COMMUNITIES, WITHDRAW, bytes(3), "of-3"),
    *both(COMMUNITIES, WITHDRAW, bytes(6), "of-6"),
    # 7.9
    row(EBGP, ORIGINATOR_ID, DISCARD, GOOD[ORIGINATOR_ID][1], "unasked"),
    row(EBGP, ORIGINATOR_ID, DISCARD, bytes(3), "of-3"),
    row(IBGP, ORIGINATOR_ID, ACCEPTED, GOOD[ORIGINATOR_ID][1], "good"),
    row(IBGP, ORIGINATOR_ID, WITHDRAW, b"", "of-0"),
    row(IBGP, ORIGINATOR_ID, WITHDRAW, bytes(3), "of-3"),
    row(IBGP, ORIGINATOR_ID, WITHDRAW, bytes(8), "of-8"),
    # 7.10
    row(EBGP, CLUSTER_LIST, DISCARD, GOOD[CLUSTER_LIST][1], "unasked"),
    row(EBGP, CLUSTER_LIST, DISCARD, bytes(3), "of-3"),
    row(IBGP, CLUSTER_LIST, ACCEPTED, bytes(8), "good"),
    row(IBGP, CLUSTER_LIST, WITHDRAW, b"", "of-0"),
    row(IBGP, CLUSTER_LIST, WITHDRAW, bytes(3), "of-3"),
    row(IBGP, CLUSTER_LIST, WITHDRAW, bytes(6), "of-6"),
    # 7.14
    *both(EXTENDED_COMMUNITIES, ACCEPTED, bytes.fromhex("ffff000000000000"), "unknown-type"),
    *both(EXTENDED_COMMUNITIES, WITHDRAW, b"", "of-0"),
    *both(EXTENDED_COMMUNITIES, WITHDRAW, bytes(7), "of-7"),
    *both(EXTENDED_COMMUNITIES, WITHDRAW, bytes(12), "of-12"),
    # 7.15
    *both(IPV6_EXTENDED_COMMUNITIES, ACCEPTED, bytes(40), "good"),
    *both(IPV6_EXTENDED_COMMUNITIES, WITHDRAW, b"", "of-0"),
    *both(IPV6_EXTENDED_COMMUNITIES, WITHDRAW, bytes(19), "of-19"),
    # RFC 8092 section 6
    *both(LARGE_COMMUNITY, ACCEPTED, GOOD[LARGE_COMMUNITY][1] * 2, "good"),
    *both(LARGE_COMMUNITY, WITHDRAW, b"", "of-0"),
    *both(LARGE_COMMUNITY, WITHDRAW, bytes(11), "of-11"),
    *both(LARGE_COMMUNITY, WITHDRAW, bytes(16), "of-16"),
    # RFC 6793 sections 4.1 and 6
    *both(AS4_PATH, DISCARD, GOOD[AS4_PATH][1], "unasked"),
    *both(AS4_PATH, DISCARD, b"?", "unasked-and-broken"),
    row(OLD, AS4_PATH, ACCEPTED, GOOD[AS4_PATH][1], "good"),
    row(OLD, AS4_PATH, DISCARD, b"", "of-0"),
    row(OLD, AS4_PATH, DISCARD, b"\2", "underrun"),
    row(OLD, AS4_PATH, DISCARD, segment(SEQUENCE, 4200000001, count=2), "overrun"),
    row(OLD, AS4_PATH, DISCARD, segment(SEQUENCE), "empty-segment"),
    row(OLD, AS4_PATH, DISCARD, segment(9, 4200000001), "segment-9"),
    row(OLD, AS4_PATH, DISCARD, segment(SEQUENCE, 0), "7607-zero"),
    *both(AS4_AGGREGATOR, DISCARD, GOOD[AS4_AGGREGATOR][1], "unasked"),
    row(OLD, AS4_AGGREGATOR, ACCEPTED, GOOD[AS4_AGGREGATOR][1], "good"),
    row(OLD, AS4_AGGREGATOR, DISCARD, bytes(6), "of-6"),
    row(OLD, AS4_AGGREGATOR, DISCARD, bytes(4) + b"\x0a\0\0\x09", "7607-zero"),
]


@pytest.mark.parametrize(
    ("session", "code", "value", "outcome"),
    [each[:4] for each in SECTION_7],
    ids=[each[4] for each in SECTION_7],
)
def test_7606_7(pod, session, code, value, outcome):
    play(pod, session, told(session, {code: (GOOD[code][0], value)}), outcome)


# ---- section 3 ----

MULTIPROTOCOL = (MP_REACH, MP_UNREACH)
UNASKED_ON_EBGP = (LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST)
UNASKED = (AS4_PATH, AS4_AGGREGATOR)
CATEGORIES = {
    0x00: "well-known-non-transitive",
    0x40: "well-known",
    0x80: "non-transitive",
    0xC0: "transitive",
}
FLAGS = [
    (session, code, flags)
    for session in (EBGP, IBGP)
    for code in GOOD
    for flags in CATEGORIES
    if flags != GOOD[code][0] and code not in UNASKED and not (session == EBGP and code in UNASKED_ON_EBGP)
]


@pytest.mark.parametrize(
    ("session", "code", "flags"), FLAGS, ids=[f"{NAMES[c]}-{CATEGORIES[f]}-{s}" for s, c, f in FLAGS]
)
def test_7606_3_c_flags_in_conflict(pod, session, code, flags):
    value = GOOD[code][1]
    # Of attributes with prefixes, section 5.3.
    outcome = (3, 4, attribute(flags, code, value)) if code in MULTIPROTOCOL else WITHDRAW
    play(pod, session, told(session, {code: (flags, value)}), outcome)


@pytest.mark.parametrize("bit", [0x20, 0x08, 0x04, 0x02, 0x01, EXTENDED], ids=lambda bit: f"{bit:#04x}")
@pytest.mark.parametrize(
    "code", [code for code in GOOD if code not in (*UNASKED, *UNASKED_ON_EBGP)], ids=NAMES.get
)
def test_4271_4_3_other_flags_do_not_matter(pod, code, bit):
    flags, value = GOOD[code]
    play(pod, EBGP, told(EBGP, {code: (flags | bit, value)}), ACCEPTED)


@pytest.mark.parametrize("session", [EBGP, IBGP])
@pytest.mark.parametrize("code", [ORIGIN, AS_PATH, NEXT_HOP], ids=NAMES.get)
def test_7606_3_d_missing_well_known_attribute(pod, session, code):
    play(pod, session, told(session, {code: LEFT_OUT}), WITHDRAW)


@pytest.mark.parametrize("code", [ORIGIN, AS_PATH], ids=NAMES.get)
def test_7606_3_d_missing_beside_mp_reach(pod, code):
    changes = {NEXT_HOP: LEFT_OUT, code: LEFT_OUT, MP_REACH: GOOD[MP_REACH]}
    play(pod, EBGP, told(EBGP, changes, nlri=b""), WITHDRAW)


def test_7606_3_d_all_missing(pod):
    play(pod, EBGP, bgp.update(nlri=NLRI), WITHDRAW)


def test_4760_3_next_hop_is_not_needed_beside_mp_reach(pod):
    play(pod, EBGP, told(EBGP, {NEXT_HOP: LEFT_OUT, MP_REACH: GOOD[MP_REACH]}, nlri=b""), ACCEPTED)


def test_7606_3_d_next_hop_is_needed_beside_both(pod):
    play(pod, EBGP, told(EBGP, {NEXT_HOP: LEFT_OUT, MP_REACH: GOOD[MP_REACH]}), WITHDRAW)


@pytest.mark.parametrize("code", [*GOOD, 200], ids=lambda code: NAMES.get(code, "unknown"))
def test_7606_3_g_repetition(pod, code):
    flags, value = GOOD.get(code, (TRANSITIVE, b"?"))
    run = b"".join(
        attribute(*GOOD[each][:1], each, GOOD[each][1]) for each in (ORIGIN, AS_PATH, NEXT_HOP, MED)
    )
    twice = run + attribute(flags, code, value) * 2
    play(pod, EBGP, bgp.update(twice, NLRI), (3, 1, b"") if code in MULTIPROTOCOL else DISCARD)


def test_7606_3_g_the_first_one_counts(pod):
    run = told(EBGP, {})[23 : -len(NLRI)]
    play(pod, EBGP, bgp.update(run + attribute(WELL_KNOWN, ORIGIN, b"\x63"), NLRI), DISCARD)
    play(pod, EBGP, bgp.update(attribute(WELL_KNOWN, ORIGIN, b"\x63") + run, NLRI), WITHDRAW)


def test_7606_3_h_the_strongest_action_of_all(pod):
    changes = {ATOMIC_AGGREGATE: (WELL_KNOWN, b"\0"), COMMUNITIES: (TRANSITIVE, b"?")}
    play(pod, EBGP, told(EBGP, changes), WITHDRAW)
    bad = (NON_TRANSITIVE, mp_reach(IPV6, b"", b""))
    play(pod, EBGP, told(EBGP, changes | {MP_REACH: bad}), (3, 9, attribute(bad[0], MP_REACH, bad[1])))


@pytest.mark.parametrize("flags", [0x40, 0x00, 0x60, 0x50], ids=hex)
def test_4271_6_3_unrecognized_well_known_attribute(pod, flags):
    strange = attribute(flags, 200, b"??")
    play(pod, EBGP, told(EBGP, {200: (flags, b"??")}), (3, 2, strange))


@pytest.mark.parametrize("flags", [0x80, 0xC0, 0xE0, 0x90, 0xD0], ids=hex)
@pytest.mark.parametrize("code", [0, 11, 26, 36, 128, 200, 255])
@pytest.mark.parametrize("value", [b"", b"??", bytes(300)], ids=["empty", "short", "long"])
def test_4271_6_3_unrecognized_optional_attribute(pod, flags, code, value):
    play(pod, EBGP, told(EBGP, {code: (flags, value)}), ACCEPTED)


# ---- section 4: lengths within the attributes ----

ENOUGH = told(EBGP, {})[23 : -len(NLRI)]
FRAMING = {
    "one-octet-too-long": attribute(NON_TRANSITIVE, MED, bytes(4), length=5),
    "255-octets": attribute(NON_TRANSITIVE, MED, bytes(4), length=255),
    "extended-65535-octets": attribute(NON_TRANSITIVE | EXTENDED, MED, bytes(4), length=65535),
    "value-missing": attribute(NON_TRANSITIVE, MED, length=4),
    "unknown-too-long": attribute(TRANSITIVE, 200, b"?", length=2),
    "flags-alone": b"\x80",
    "length-missing": b"\x80\x04",
    "extended-length-missing": b"\x90\x04",
    "extended-length-cut": b"\x90\x04\x00",
    "zeros": bytes(2),
}


@pytest.mark.parametrize("rest", FRAMING.values(), ids=FRAMING)
def test_7606_4_lengths_in_conflict(pod, rest):
    play(pod, EBGP, bgp.update(ENOUGH + rest, NLRI), WITHDRAW)


@pytest.mark.parametrize("rest", FRAMING.values(), ids=FRAMING)
def test_7606_5_2_lengths_in_conflict_and_no_prefixes(pod, rest):
    play(pod, EBGP, bgp.update(ENOUGH + rest), (3, 1, b""))


@pytest.mark.parametrize("code", MULTIPROTOCOL, ids=NAMES.get)
def test_7606_3_j_prefixes_in_what_cannot_be_read(pod, code):
    flags, value = GOOD[code]
    rest = attribute(flags, code, value, length=len(value) + 1)
    play(pod, EBGP, bgp.update(ENOUGH + rest, NLRI), (3, 1, b""))


def test_7606_4_mp_reach_before_the_conflict_is_withdrawn(pod):
    run = attribute(NON_TRANSITIVE, MP_REACH, GOOD[MP_REACH][1]) + ENOUGH
    play(pod, EBGP, bgp.update(run + b"\x80\x04\x05"), WITHDRAW)


# ---- section 5.2: faults without prefixes that they could be of ----

WITHOUT_PREFIXES = {
    "origin": ({ORIGIN: (WELL_KNOWN, b"\3")}, (3, 6, attribute(WELL_KNOWN, ORIGIN, b"\3"))),
    "origin-length": ({ORIGIN: (WELL_KNOWN, b"")}, (3, 5, attribute(WELL_KNOWN, ORIGIN))),
    "origin-flags": ({ORIGIN: (TRANSITIVE, b"\0")}, (3, 4, attribute(TRANSITIVE, ORIGIN, b"\0"))),
    "as-path": ({AS_PATH: (WELL_KNOWN, b"\2")}, (3, 11, b"")),
    "next-hop": ({NEXT_HOP: (WELL_KNOWN, bytes(4))}, (3, 8, attribute(WELL_KNOWN, NEXT_HOP, bytes(4)))),
    "next-hop-length": ({NEXT_HOP: (WELL_KNOWN, b"")}, (3, 5, attribute(WELL_KNOWN, NEXT_HOP))),
    "communities": ({COMMUNITIES: (TRANSITIVE, b"?")}, (3, 5, attribute(TRANSITIVE, COMMUNITIES, b"?"))),
    "discard-only": ({ATOMIC_AGGREGATE: (WELL_KNOWN, b"\0")}, DISCARD),
    "none": ({}, ACCEPTED),
}


@pytest.mark.parametrize(("changes", "outcome"), WITHOUT_PREFIXES.values(), ids=WITHOUT_PREFIXES)
@pytest.mark.parametrize("withdrawn", [b"", NLRI], ids=["nothing", "withdrawn"])
def test_7606_5_2_no_prefixes_announced(pod, changes, outcome, withdrawn):
    run = told(EBGP, changes)[23 : -len(NLRI)]
    play(pod, EBGP, bgp.update(run, withdrawn=withdrawn), outcome)


def test_7606_5_2_mp_unreach_does_not_count(pod):
    changes = {MP_UNREACH: GOOD[MP_UNREACH], COMMUNITIES: (TRANSITIVE, b"?")}
    error = (3, 5, attribute(TRANSITIVE, COMMUNITIES, b"?"))
    play(pod, EBGP, told(EBGP, changes, nlri=b""), error)


# ---- sections 5.1 and 5.3: prefixes ----

PREFIXES = {
    "33-bits": b"\x21" + bytes(5),
    "128-bits": b"\x80" + bytes(16),
    "255-bits": b"\xff" + bytes(32),
    "octet-missing": b"\x18\xc6\x33",
    "octets-missing": b"\x20",
    "behind-a-good-one": NLRI + b"\x21" + bytes(5),
    "cut-behind-a-good-one": NLRI + b"\x08",
}


@pytest.mark.parametrize("octets", PREFIXES.values(), ids=PREFIXES)
def test_7606_5_3_nlri(pod, octets):
    play(pod, EBGP, told(EBGP, {}, nlri=octets), (3, 10, b""))


@pytest.mark.parametrize("octets", PREFIXES.values(), ids=PREFIXES)
def test_7606_5_3_withdrawn_routes(pod, octets):
    play(pod, EBGP, bgp.update(withdrawn=octets), (3, 10, b""))


GOOD_PREFIXES = {
    "default": prefix("0.0.0.0/0"),
    "host": prefix("198.51.100.7"),
    "stray-bits": b"\x09\xff\xff",
    "twice": NLRI * 2,
    "class-e": prefix("240.0.0.0/4"),
    "multicast": prefix("224.0.0.0/4"),
    "many": prefix("198.51.100.7") * 700,
}


@pytest.mark.parametrize("octets", GOOD_PREFIXES.values(), ids=GOOD_PREFIXES)
@pytest.mark.parametrize("withdrawn", [False, True], ids=["announced", "withdrawn"])
def test_4271_4_3_prefixes(pod, octets, withdrawn):
    play(pod, EBGP, bgp.update(withdrawn=octets) if withdrawn else told(EBGP, {}, nlri=octets), ACCEPTED)


def test_7606_5_1_all_at_once_in_any_order(pod):
    run = ENOUGH + attribute(*GOOD[MP_UNREACH][:1], MP_UNREACH, GOOD[MP_UNREACH][1])
    run += attribute(*GOOD[MP_REACH][:1], MP_REACH, GOOD[MP_REACH][1])
    play(pod, EBGP, bgp.update(run, NLRI, prefix("203.0.113.0/24")), ACCEPTED)


# ---- the two lengths of an UPDATE ----

LENGTHS = {
    "withdrawn-one-too-long": bgp.update(withdrawn=NLRI, withdrawn_length=len(NLRI) + 3),
    "withdrawn-into-the-attributes": bgp.update(ENOUGH, NLRI, withdrawn_length=60),
    "withdrawn-no-room-for-the-other": bgp.update(withdrawn_length=1),
    "withdrawn-all": bgp.update(withdrawn_length=2),
    "withdrawn-65535": bgp.update(ENOUGH, NLRI, withdrawn_length=65535),
    "attributes-one-too-long": bgp.update(ENOUGH, attributes_length=len(ENOUGH) + 1),
    "attributes-beyond-the-prefixes": bgp.update(ENOUGH, NLRI, attributes_length=len(ENOUGH) + len(NLRI) + 1),
    "attributes-65535": bgp.update(ENOUGH, NLRI, attributes_length=65535),
    "attributes-1-of-none": bgp.update(attributes_length=1),
}


@pytest.mark.parametrize("octets", LENGTHS.values(), ids=LENGTHS)
def test_4271_6_3_lengths_beyond_the_message(pod, octets):
    play(pod, EBGP, octets, (3, 1, b""))


def test_7606_4_what_the_attributes_leave_over_is_prefixes(pod):
    play(pod, EBGP, bgp.update(ENOUGH, attributes_length=len(ENOUGH) - 1), (3, 10, b""))
    run = ENOUGH[:-1] + b"\0"  # read as 0.0.0.0/0 then
    play(pod, EBGP, bgp.update(run, attributes_length=len(run) - 1), WITHDRAW)


# ---- RFC 4760: MP_REACH_NLRI and MP_UNREACH_NLRI ----

REACH_MALFORMED = {
    "of-0": b"",
    "of-1": b"\0",
    "of-2": b"\0\2",
    "of-3": b"\0\2\1",
    "of-4": b"\0\2\1\0",
    "next-hop-of-0": mp_reach(IPV6, b"", NLRI6),
    "next-hop-of-4": mp_reach(IPV6, bytes((10, 0, 0, 2)), NLRI6),
    "next-hop-of-15": mp_reach(IPV6, GLOBAL[:15], NLRI6),
    "next-hop-of-17": mp_reach(IPV6, GLOBAL + b"\0", NLRI6),
    "next-hop-of-24": mp_reach(IPV6, bytes(8) + GLOBAL, NLRI6),
    "next-hop-of-33": mp_reach(IPV6, GLOBAL + LINK_LOCAL + b"\0", NLRI6),
    "next-hop-overrun": mp_reach(IPV6, GLOBAL, b"", next_hop_length=32),
    "next-hop-overrun-far": mp_reach(IPV6, GLOBAL, NLRI6, next_hop_length=255),
    "reserved-octet-missing": mp_reach(IPV6, GLOBAL, b"")[:-1],
    "129-bits": mp_reach(IPV6, GLOBAL, b"\x81" + bytes(17)),
    "255-bits": mp_reach(IPV6, GLOBAL, b"\xff" + bytes(32)),
    "prefix-cut": mp_reach(IPV6, GLOBAL, NLRI6[:-1]),
    "prefix-cut-behind-a-good-one": mp_reach(IPV6, GLOBAL, NLRI6 + b"\x40"),
    "ipv4-next-hop-of-3": mp_reach(IPV4, bytes(3), NLRI),
    "ipv4-33-bits": mp_reach(IPV4, bytes((10, 0, 0, 2)), b"\x21" + bytes(5)),
    "longer-than-255": mp_reach(IPV6, GLOBAL, NLRI6 * 50 + b"\x81"),
    "unknown-family-next-hop-overrun": mp_reach((25, 70), b"", b"", next_hop_length=9),
}


@pytest.mark.parametrize("value", REACH_MALFORMED.values(), ids=REACH_MALFORMED)
@pytest.mark.parametrize("flags", [NON_TRANSITIVE, NON_TRANSITIVE | EXTENDED], ids=["", "extended-length"])
def test_4760_7_mp_reach(pod, value, flags):
    changes = {NEXT_HOP: LEFT_OUT, MP_REACH: (flags, value)}
    play(pod, EBGP, told(EBGP, changes, nlri=b""), (3, 9, attribute(flags, MP_REACH, value)))


UNREACH_MALFORMED = {
    "of-0": b"",
    "of-1": b"\0",
    "of-2": b"\0\2",
    "129-bits": mp_unreach(IPV6, b"\x81" + bytes(17)),
    "prefix-cut": mp_unreach(IPV6, NLRI6[:-1]),
    "prefix-missing": mp_unreach(IPV6, b"\x80"),
    "ipv4-33-bits": mp_unreach(IPV4, b"\x21" + bytes(5)),
}


@pytest.mark.parametrize("value", UNREACH_MALFORMED.values(), ids=UNREACH_MALFORMED)
@pytest.mark.parametrize("flags", [NON_TRANSITIVE, NON_TRANSITIVE | EXTENDED], ids=["", "extended-length"])
def test_4760_7_mp_unreach(pod, value, flags):
    octets = attribute(flags, MP_UNREACH, value)
    play(pod, EBGP, bgp.update(octets), (3, 9, octets))


FOREIGN = DISCARD  # counted as such: prefixes of families that were not agreed on are passed over
MULTIPROTOCOL_GOOD = {
    "reach": (MP_REACH, mp_reach(IPV6, GLOBAL, NLRI6), ACCEPTED),
    "reach-with-link-local": (MP_REACH, mp_reach(IPV6, GLOBAL + LINK_LOCAL, NLRI6), ACCEPTED),
    "reach-by-link-local": (MP_REACH, mp_reach(IPV6, LINK_LOCAL, NLRI6), ACCEPTED),
    "reach-reserved-octet": (MP_REACH, mp_reach(IPV6, GLOBAL, NLRI6, reserved=7), ACCEPTED),
    "reach-default": (MP_REACH, mp_reach(IPV6, GLOBAL, prefix("::/0")), ACCEPTED),
    "reach-nothing": (MP_REACH, mp_reach(IPV6, GLOBAL, b""), ACCEPTED),
    "reach-ipv4": (MP_REACH, mp_reach(IPV4, bytes((10, 0, 0, 2)), NLRI), ACCEPTED),
    "reach-ipv4-multicast": (MP_REACH, mp_reach((1, 2), bytes((10, 0, 0, 2)), NLRI), FOREIGN),
    "reach-unknown": (MP_REACH, mp_reach((25, 70), bytes(4), b"\2\x21garbage"), FOREIGN),
    "reach-unknown-without-next-hop": (MP_REACH, mp_reach((1, 133), b"", b"\3\1\x18\x0a"), FOREIGN),
    "unreach": (MP_UNREACH, mp_unreach(IPV6, NLRI6), ACCEPTED),
    "unreach-ipv4": (MP_UNREACH, mp_unreach(IPV4, NLRI), ACCEPTED),
    "unreach-end-of-rib": (MP_UNREACH, mp_unreach(IPV6), ACCEPTED),
    "unreach-unknown": (MP_UNREACH, mp_unreach((25, 70), b"\2\x21garbage"), FOREIGN),
    "unreach-unknown-end-of-rib": (MP_UNREACH, mp_unreach((25, 70)), ACCEPTED),
}


@pytest.mark.parametrize(("code", "value", "outcome"), MULTIPROTOCOL_GOOD.values(), ids=MULTIPROTOCOL_GOOD)
def test_4760_3_what_is_right(pod, code, value, outcome):
    run = attribute(NON_TRANSITIVE, code, value)
    play(pod, EBGP, bgp.update(run if code == MP_UNREACH else run + ENOUGH), outcome)


@pytest.mark.parametrize("octets", [bgp.update(), bgp.update(attribute(0x80, MP_UNREACH, mp_unreach(IPV6)))])
def test_4724_2_end_of_rib(pod, octets):
    play(pod, EBGP, octets, ACCEPTED)


def test_7606_8_the_log_names_the_attribute_its_place_and_its_octets(pod):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish()
    peer.say(told(EBGP, {COMMUNITIES: (TRANSITIVE, b"\xde\xad\xbe")}))
    peer.stands()
    line = pod.logged("update_refused", tor.name, "c00803deadbe")
    assert "COMMUNITIES has 3 octets, at octet 20 of the attributes: c00803deadbe" in line
    peer.say(told(EBGP, {200: (WELL_KNOWN, b"\xca\xfe")}))
    peer.refused()
    assert "attribute 200 is said to be well-known" in pod.logged("notification_sent", tor.name, "40c802cafe")


def test_7606_many_wrong_ones_leave_the_session_and_the_others_alone(pod):
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish()
    before = pod.status(tor)["received_updates"]["treat_as_withdraw"]
    peer.say(*[told(EBGP, {ORIGIN: (WELL_KNOWN, bytes((3 + each % 200,)))}) for each in range(1000)])
    peer.stands()
    assert pod.status(tor)["received_updates"]["treat_as_withdraw"] == before + 1000
