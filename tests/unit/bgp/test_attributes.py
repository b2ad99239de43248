"""Path attributes on the wire, and what RFC 7606 makes of each that is wrong."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from vipd.bgp.attributes import (
    Finding,
    Judge,
    MpReach,
    MpUnreach,
    Outcome,
    PathAttributes,
    Segment,
    UnknownAttribute,
)
from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import Origin, Role, SegmentType

SET, SEQUENCE = SegmentType.AS_SET, SegmentType.AS_SEQUENCE
CONFED_SET, CONFED_SEQUENCE = SegmentType.AS_CONFED_SET, SegmentType.AS_CONFED_SEQUENCE
ACCEPTED, DISCARD, WITHDRAW = Outcome.ACCEPTED, Outcome.ATTRIBUTE_DISCARD, Outcome.TREAT_AS_WITHDRAW

EVERYTHING = PathAttributes(
    origin=Origin.INCOMPLETE,
    as_path=(Segment(SEQUENCE, (65010, 4200000001)), Segment(SET, (1, 2))),
    next_hop=IPv4Address("10.0.0.5"),
    med=7,
    local_preference=100,
    atomic_aggregate=True,
    aggregator=(4200000001, IPv4Address("10.0.0.9")),
    communities=((65010, 1), (65535, 0)),
    large_communities=((4200000001, 1, 2),),
    only_to_customer=4200000001,
    unknown=(
        UnknownAttribute(0xC0, 16, bytes.fromhex("0002fde800000064")),
        UnknownAttribute(0x80, 26, b"\1"),
    ),
)
WITH_FOUR_OCTETS = """
    40 01 01 02
    40 02 10 02 02 0000fdf2 fa56ea01  01 02 00000001 00000002
    40 03 04 0a000005
    80 04 04 00000007
    40 05 04 00000064
    40 06 00
    c0 07 08 fa56ea01 0a000009
    c0 08 08 fdf20001 ffff0000
    c0 10 08 0002fde800000064
    80 1a 01 01
    c0 20 0c fa56ea01 00000001 00000002
    c0 23 04 fa56ea01
""".replace("02 10 02 02", "02 14 02 02")
WITH_TWO_OCTETS = """
    40 01 01 02
    40 02 0c 02 02 fdf2 5ba0  01 02 0001 0002
    40 03 04 0a000005
    80 04 04 00000007
    40 05 04 00000064
    40 06 00
    c0 07 06 5ba0 0a000009
    c0 08 08 fdf20001 ffff0000
    c0 10 08 0002fde800000064
    c0 11 14 02 02 0000fdf2 fa56ea01  01 02 00000001 00000002
    c0 12 08 fa56ea01 0a000009
    80 1a 01 01
    c0 20 0c fa56ea01 00000001 00000002
    c0 23 04 fa56ea01
"""


def decoded(octets, *, four_octet_as, ebgp=False):
    judge = Judge(four_octet_as=four_octet_as, ebgp=ebgp)
    return PathAttributes.decode(judge.well_formed(octets), four_octet_as=four_octet_as)


@pytest.mark.parametrize(("four_octet_as", "octets"), [(True, WITH_FOUR_OCTETS), (False, WITH_TWO_OCTETS)])
def test_everything_there_is_to_say_in_ascending_order(four_octet_as, octets):
    octets = bytes.fromhex(octets)
    assert EVERYTHING.encode(four_octet_as=four_octet_as) == octets
    assert decoded(octets, four_octet_as=four_octet_as) == EVERYTHING
    assert Judge(four_octet_as=four_octet_as, ebgp=False).judge(octets).outcome is ACCEPTED


def test_the_least_that_can_be_said():
    octets = bytes.fromhex("40 01 01 00  40 02 00")
    assert PathAttributes().encode(four_octet_as=True) == octets
    assert decoded(octets, four_octet_as=True) == PathAttributes()


def test_an_ipv6_next_hop_is_not_among_the_attributes():
    attributes = PathAttributes(next_hop=IPv6Address("2001:db8::1"))
    assert attributes.encode(four_octet_as=True) == PathAttributes().encode(four_octet_as=True)
    assert attributes.next_hops == IPv6Address("2001:db8::1").packed


@pytest.mark.parametrize(
    ("octets", "next_hop", "link_local"),
    [
        ("0a000005", "10.0.0.5", None),
        ("20010db8" + "00" * 11 + "01", "2001:db8::1", None),
        ("20010db8" + "00" * 11 + "01" + "fe80" + "00" * 13 + "02", "2001:db8::1", "fe80::2"),
    ],
)
def test_next_hops_of_mp_reach(octets, next_hop, link_local):
    attributes = PathAttributes(med=3).through(bytes.fromhex(octets))
    assert str(attributes.next_hop) == next_hop
    assert attributes.link_local == (link_local and IPv6Address(link_local))
    assert attributes.med == 3
    assert attributes.next_hops == bytes.fromhex(octets)


def test_a_value_of_more_than_255_octets_takes_an_extended_length():
    at_most = PathAttributes(large_communities=((1, 2, 3),) * 21).encode(four_octet_as=True)
    assert bytes.fromhex("c0 20 fc") in at_most
    more = PathAttributes(large_communities=((1, 2, 3),) * 22)
    assert bytes.fromhex("d0 20 0108") in more.encode(four_octet_as=True)
    assert decoded(more.encode(four_octet_as=True), four_octet_as=True) == more


def test_a_segment_holds_at_most_255_as_numbers():
    path = PathAttributes(as_path=(Segment(SEQUENCE, (65010,) * 256),))
    assert path.encode(four_octet_as=False)[4:] == (
        bytes.fromhex("50 02 0204  02 ff") + bytes.fromhex("fdf2") * 255 + bytes.fromhex("02 01 fdf2")
    )
    read = decoded(path.encode(four_octet_as=True), four_octet_as=True).as_path
    assert read == (Segment(SEQUENCE, (65010,) * 255), Segment(SEQUENCE, (65010,)))


def test_as_numbers_that_fit_two_octets_need_no_as4_path():
    small = PathAttributes(
        as_path=(Segment(SEQUENCE, (65010, 23456)),), aggregator=(1, IPv4Address("10.0.0.9"))
    )
    octets = small.encode(four_octet_as=False)
    assert octets == bytes.fromhex("40010100 4002060202fdf25ba0 c0070600010a000009")


def test_a_confederation_stays_out_of_as4_path():
    # RFC 6793 section 4.2.2.
    path = (Segment(CONFED_SEQUENCE, (64512,)), Segment(SEQUENCE, (4200000001,)))
    octets = PathAttributes(as_path=path).encode(four_octet_as=False)
    assert octets[4:] == bytes.fromhex("40 02 08 03 01 fc00 02 01 5ba0  c0 11 06 02 01 fa56ea01")
    assert decoded(octets, four_octet_as=False).as_path == path
    inside = PathAttributes(as_path=(Segment(CONFED_SEQUENCE, (4200000001,)),))
    assert inside.encode(four_octet_as=False)[4:] == bytes.fromhex("40 02 04 03 01 5ba0")


BIG = 4200000001


@pytest.mark.parametrize(
    ("as_path", "as4_path", "merged"),
    [
        # An old speaker, 10, prepended itself to what it could not read.
        ([(SEQUENCE, (10, 23456))], [(SEQUENCE, (BIG,))], [(SEQUENCE, (10,)), (SEQUENCE, (BIG,))]),
        ([(SEQUENCE, (23456,))], [(SEQUENCE, (BIG,))], [(SEQUENCE, (BIG,))]),
        # A set counts as one.
        (
            [(SEQUENCE, (10,)), (SET, (7, 8)), (SEQUENCE, (9, 23456))],
            [(SEQUENCE, (9, BIG))],
            [(SEQUENCE, (10,)), (SET, (7, 8)), (SEQUENCE, (9, BIG))],
        ),
        # Confederations count as none: in front, beside what is prepended, and never out of AS4_PATH.
        (
            [(CONFED_SEQUENCE, (64512,)), (SEQUENCE, (10,)), (CONFED_SET, (64513,)), (SEQUENCE, (23456,))],
            [(CONFED_SEQUENCE, (64999,)), (SEQUENCE, (BIG,))],
            [(CONFED_SEQUENCE, (64512,)), (SEQUENCE, (10,)), (CONFED_SET, (64513,)), (SEQUENCE, (BIG,))],
        ),
        # More in AS4_PATH than in AS_PATH: somebody aggregated, it is out of date.
        ([(SEQUENCE, (23456,))], [(SEQUENCE, (10, BIG))], [(SEQUENCE, (23456,))]),
        # Nothing in it but a confederation.
        ([(SEQUENCE, (10,))], [(CONFED_SEQUENCE, (64999,))], [(SEQUENCE, (10,))]),
        # All of AS_PATH is a confederation's.
        ([(CONFED_SET, (64512,))], [(SEQUENCE, (BIG,))], [(CONFED_SET, (64512,))]),
    ],
)
def test_the_true_path_of_two_octet_speakers(as_path, as4_path, merged):
    """RFC 6793 section 4.2.3."""
    read = PathAttributes.decode(
        {2: (0x40, path_octets(as_path, 2)), 17: (0xC0, path_octets(as4_path, 4))}, four_octet_as=False
    )
    assert read.as_path == tuple(merged)


def path_octets(path, width):
    return b"".join(
        bytes((kind, len(asns))) + b"".join(asn.to_bytes(width) for asn in asns) for kind, asns in path
    )


@pytest.mark.parametrize(
    ("aggregator", "aggregator4", "read", "path"),
    [
        ("5ba0 0a000009", "fa56ea01 0a000008", (BIG, "10.0.0.8"), BIG),
        ("5ba0 0a000009", None, (23456, "10.0.0.9"), BIG),
        ("000a 0a000009", None, (10, "10.0.0.9"), BIG),
        # An old speaker aggregated after AS4_* were written: they are out of date.
        ("000a 0a000009", "fa56ea01 0a000008", (10, "10.0.0.9"), 23456),
        (None, "fa56ea01 0a000008", None, BIG),
    ],
)
def test_the_true_aggregator_of_two_octet_speakers(aggregator, aggregator4, read, path):
    """RFC 6793 section 4.2.3."""
    said = {2: (0x40, bytes.fromhex("02 01 5ba0")), 17: (0xC0, bytes.fromhex("02 01 fa56ea01"))}
    if aggregator:
        said[7] = 0xC0, bytes.fromhex(aggregator)
    if aggregator4:
        said[18] = 0xC0, bytes.fromhex(aggregator4)
    attributes = PathAttributes.decode(said, four_octet_as=False)
    assert attributes.aggregator == (read and (read[0], IPv4Address(read[1])))
    assert attributes.as_path == (Segment(SEQUENCE, (path,)),)


# What is wrong, on an external session of four-octet AS numbers: outcome, and the subcode and data that a
# reset would carry.
FAULTS = [
    ("40 01 01 00", ACCEPTED, None, ""),
    ("40 01 01 02", ACCEPTED, None, ""),
    ("4f 01 01 00", ACCEPTED, None, ""),  # the four low bits of the flags say nothing
    ("50 01 0001 00", ACCEPTED, None, ""),  # an extended length need not be needed
    ("60 01 01 00", ACCEPTED, None, ""),  # nor is the partial bit looked at
    ("40 01 01 03", WITHDRAW, 6, "40 01 01 03"),  # 7.1
    ("40 01 02 0000", WITHDRAW, 5, "40 01 02 0000"),
    ("40 01 00", WITHDRAW, 5, "40 01 00"),
    ("c0 01 01 00", WITHDRAW, 4, "c0 01 01 00"),  # 3, c
    ("00 01 01 00", WITHDRAW, 4, "00 01 01 00"),
    ("d0 01 0001 00", WITHDRAW, 4, "d0 01 0001 00"),
    ("40 02 00", ACCEPTED, None, ""),
    ("40 02 06 02 01 0000fdf2", ACCEPTED, None, ""),
    ("40 02 0c 01 01 0000fdf2 02 01 00010000", ACCEPTED, None, ""),  # four zero octets, and no AS 0
    ("40 02 06 02 02 0000fdf2", WITHDRAW, 11, ""),  # 7.2
    ("40 02 06 02 01 0000fd", WITHDRAW, 1, ""),
    ("40 02 07 02 01 0000fdf2 02", WITHDRAW, 11, ""),
    ("40 02 02 02 00", WITHDRAW, 11, ""),
    ("40 02 06 00 01 0000fdf2", WITHDRAW, 11, ""),
    ("40 02 06 05 01 0000fdf2", WITHDRAW, 11, ""),
    ("40 02 06 03 01 0000fdf2", WITHDRAW, 11, ""),  # RFC 5065 section 5
    ("40 02 06 02 01 00000000", WITHDRAW, 11, ""),  # RFC 7607
    ("80 02 00", WITHDRAW, 4, "80 02 00"),
    ("40 03 04 0a000005", ACCEPTED, None, ""),
    ("40 03 04 7f000001", ACCEPTED, None, ""),
    ("40 03 03 0a0000", WITHDRAW, 5, "40 03 03 0a0000"),  # 7.3
    ("40 03 04 00000000", WITHDRAW, 8, "40 03 04 00000000"),
    ("40 03 04 e0000001", WITHDRAW, 8, "40 03 04 e0000001"),
    ("40 03 04 ffffffff", WITHDRAW, 8, "40 03 04 ffffffff"),
    ("80 04 04 00000001", ACCEPTED, None, ""),
    ("80 04 03 000001", WITHDRAW, 5, "80 04 03 000001"),  # 7.4
    ("c0 04 04 00000001", WITHDRAW, 4, "c0 04 04 00000001"),
    ("40 05 04 00000064", DISCARD, 9, "40 05 04 00000064"),  # 7.5: not from an external peer, right or wrong
    ("80 05 01 00", DISCARD, 9, "80 05 01 00"),
    ("40 06 00", ACCEPTED, None, ""),
    ("40 06 01 00", DISCARD, 5, "40 06 01 00"),  # 7.6
    ("c0 06 00", WITHDRAW, 4, "c0 06 00"),
    ("c0 07 08 0000fdf2 0a000009", ACCEPTED, None, ""),
    ("c0 07 06 fdf2 0a000009", DISCARD, 5, "c0 07 06 fdf2 0a000009"),  # 7.7
    ("c0 07 08 00000000 0a000009", DISCARD, 9, "c0 07 08 00000000 0a000009"),  # RFC 7607
    ("40 07 08 0000fdf2 0a000009", WITHDRAW, 4, "40 07 08 0000fdf2 0a000009"),
    ("c0 08 08 fdf20001 fdf20002", ACCEPTED, None, ""),
    ("c0 08 00", WITHDRAW, 5, "c0 08 00"),  # 7.8
    ("c0 08 05 fdf20001 00", WITHDRAW, 5, "c0 08 05 fdf20001 00"),
    ("80 09 04 0a000009", DISCARD, 9, "80 09 04 0a000009"),  # 7.9
    ("80 0a 04 0a000009", DISCARD, 9, "80 0a 04 0a000009"),  # 7.10
    ("c0 10 08 0002fde800000064", ACCEPTED, None, ""),
    ("c0 10 07 0002fde8000000", WITHDRAW, 5, "c0 10 07 0002fde8000000"),  # 7.14
    ("c0 10 00", WITHDRAW, 5, "c0 10 00"),
    ("c0 11 06 02 01 0000fdf2", DISCARD, 9, "c0 11 06 02 01 0000fdf2"),  # RFC 6793 section 4.1
    ("c0 12 08 0000fdf2 0a000009", DISCARD, 9, "c0 12 08 0000fdf2 0a000009"),
    ("c0 19 14" + "00" * 20, ACCEPTED, None, ""),
    ("c0 19 08" + "00" * 8, WITHDRAW, 5, "c0 19 08" + "00" * 8),  # 7.15
    ("c0 20 0c" + "00" * 12, ACCEPTED, None, ""),
    ("c0 20 0b" + "00" * 11, WITHDRAW, 5, "c0 20 0b" + "00" * 11),  # RFC 8092 section 6
    ("c0 20 00", WITHDRAW, 5, "c0 20 00"),
    ("80 c8 03 010203", ACCEPTED, None, ""),  # unrecognized and optional
    ("c0 c8 00", ACCEPTED, None, ""),
    # Lengths that disagree (section 4); the last is too short to be an attribute.
    ("40 01 02 00", WITHDRAW, 1, ""),
    ("40 01 01 00 c8", WITHDRAW, 1, ""),
    ("40 01 01 00 c0 c8", WITHDRAW, 1, ""),
    ("40 01 01 00 d0 c8 00", WITHDRAW, 1, ""),
    ("40 01 01 00 d0 c8 0001", WITHDRAW, 1, ""),
    # Said twice: the first one counts (3, g), whether it is recognized or not.
    ("40 01 01 00 40 01 01 03", DISCARD, 1, ""),
    ("c0 c8 00 c0 c8 00", DISCARD, 1, ""),
    # Several faults: the strongest action, and its first fault (3, h).
    ("40 06 01 00 40 01 01 03 c0 08 00", WITHDRAW, 6, "40 01 01 03"),
    ("40 01 01 03 40 06 01 00", WITHDRAW, 6, "40 01 01 03"),
]


def judged(octets, *, four_octet_as=True, ebgp=True):
    found = Judge(four_octet_as=four_octet_as, ebgp=ebgp).judge(bytes.fromhex(octets))
    error = found.error
    return found.outcome, error and (error.code, error.subcode, error.data)


INELIGIBLE = Outcome.INELIGIBLE
OTC, OTHER_OTC = "c0 23 04 0000fde9", "c0 23 04 0000fdea"  # 65001 is the peer's AS
LEAKS = [  # RFC 9234 section 5: our role, what came with OTC of the peer's AS, and of another
    (None, ACCEPTED, ACCEPTED),
    (Role.PROVIDER, INELIGIBLE, INELIGIBLE),
    (Role.RS, INELIGIBLE, INELIGIBLE),
    (Role.PEER, ACCEPTED, INELIGIBLE),
    (Role.CUSTOMER, ACCEPTED, ACCEPTED),
    (Role.RS_CLIENT, ACCEPTED, ACCEPTED),
]


@pytest.mark.parametrize(("role", "own", "other"), LEAKS, ids=[str(row[0]) for row in LEAKS])
def test_rfc9234_5_only_to_customer(role, own, other):
    judge = Judge(four_octet_as=True, ebgp=True, role=role, peer_as=65001)
    outcomes = {
        OTC: own,
        OTHER_OTC: other,
        "": ACCEPTED,
        "c0 23 00": WITHDRAW,
        "c0 23 03 00fde9": WITHDRAW,
        "c0 23 05 0000fde900": WITHDRAW,
        "80 23 04 0000fde9": WITHDRAW,
        OTC + "c0 08 00": WITHDRAW,
        "40 06 01 00" + OTHER_OTC: max(other, DISCARD),
    }
    assert {octets: judge.judge(bytes.fromhex(octets)).outcome for octets in outcomes} == outcomes


@pytest.mark.parametrize(("octets", "outcome", "subcode", "attribute"), FAULTS)
def test_attributes_are_judged(octets, outcome, subcode, attribute):
    """RFC 7606 section 7, by subsection."""
    assert judged(octets) == (outcome, subcode and (3, subcode, bytes.fromhex(attribute)))


@pytest.mark.parametrize(
    ("octets", "outcome"),
    [
        ("40 05 04 00000064", ACCEPTED),
        ("40 05 03 000064", WITHDRAW),
        ("80 05 04 00000064", WITHDRAW),
        ("80 09 04 0a000009", ACCEPTED),
        ("80 09 05 0a00000900", WITHDRAW),
        ("80 0a 08 0a000009 0a000008", ACCEPTED),
        ("80 0a 00", WITHDRAW),
        ("80 0a 05 0a00000900", WITHDRAW),
        ("40 02 06 03 01 0000fdf2", ACCEPTED),
        ("40 02 06 04 01 0000fdf2", ACCEPTED),
    ],
)
def test_what_is_an_internal_peers_to_say(octets, outcome):
    assert judged(octets, ebgp=False)[0] is outcome


@pytest.mark.parametrize(
    ("octets", "outcome"),
    [
        ("40 02 06 02 02 fdf2 5ba0", ACCEPTED),
        ("40 02 06 02 01 0000fdf2", WITHDRAW),
        ("40 02 04 02 01 0000", WITHDRAW),
        ("c0 07 06 fdf2 0a000009", ACCEPTED),
        ("c0 07 08 0000fdf2 0a000009", DISCARD),
        ("c0 07 06 0000 0a000009", DISCARD),
        # RFC 6793 section 6
        ("c0 11 06 02 01 fa56ea01", ACCEPTED),
        ("c0 11 06 03 01 fa56ea01", ACCEPTED),
        ("c0 11 04 02 01 fdf2", DISCARD),
        ("c0 11 06 02 02 fa56ea01", DISCARD),
        ("c0 11 07 02 01 fa56ea01 02", DISCARD),
        ("c0 11 08 02 01 fa56ea01 02 00", DISCARD),
        ("c0 11 06 07 01 fa56ea01", DISCARD),
        ("c0 11 06 02 01 00000000", DISCARD),
        ("c0 11 00", DISCARD),
        ("80 11 06 02 01 fa56ea01", WITHDRAW),
        ("c0 12 08 fa56ea01 0a000009", ACCEPTED),
        ("c0 12 06 fdf2 0a000009", DISCARD),
        ("c0 12 08 00000000 0a000009", DISCARD),
    ],
)
def test_what_a_two_octet_speaker_may_say(octets, outcome):
    assert judged(octets, four_octet_as=False)[0] is outcome


@pytest.mark.parametrize(
    ("octets", "subcode", "attribute"),
    [
        ("40 c8 01 00", 2, "40 c8 01 00"),  # RFC 4271 section 6.3
        ("00 c8 00", 2, "00 c8 00"),
        ("80 0f 03 000201 80 0f 03 000201", 1, ""),  # RFC 7606 section 3, g
        ("80 0e 05 0019460000 80 0e 05 0019460000", 1, ""),
        ("80 0f 09 000201", 1, ""),  # 3, j
        ("c0 0f 03 000201", 4, "c0 0f 03 000201"),  # 5.3
        ("40 0e 05 0019460000", 4, "40 0e 05 0019460000"),
        ("80 0f 02 0002", 9, "80 0f 02 0002"),
        ("80 0e 04 00194600", 9, "80 0e 04 00194600"),
        ("90 0e 0004 00194600", 9, "90 0e 0004 00194600"),  # as it came
        ("80 0f 05 000201 81 00", 9, "80 0f 05 000201 81 00"),
        ("80 0f 05 000201 20 20", 9, "80 0f 05 000201 20 20"),
        ("80 0e 0a 000101 04 0a000005 00 21", 9, "80 0e 0a 000101 04 0a000005 00 21"),
        ("80 0e 08 000201 04 0a000005", 9, "80 0e 08 000201 04 0a000005"),
        ("80 0e 09 000201 04 0a000005 00", 9, "80 0e 09 000201 04 0a000005 00"),  # 7.11
        ("80 0e 05 000201 ff 00", 9, "80 0e 05 000201 ff 00"),
        ("80 0e 15 000101 10" + "00" * 17, 9, "80 0e 15 000101 10" + "00" * 17),
        # The strongest of several
        ("40 01 01 03 40 c8 00", 2, "40 c8 00"),
    ],
)
def test_faults_that_reset_the_session(octets, subcode, attribute):
    with pytest.raises(NotificationError) as caught:
        judged(octets)
    error = caught.value
    assert (error.code, error.subcode, error.data) == (3, subcode, bytes.fromhex(attribute))
    assert error.text


def test_a_finding_tells_what_is_there():
    found = Judge(four_octet_as=True, ebgp=True).judge(
        bytes.fromhex("80 0f 05 000201 08 20  80 0e 09 000101 04 0a000005 00  40 01 01 00")
    )
    assert found == Finding(
        present=1 << 15 | 1 << 14 | 1 << 1,
        reach=MpReach(1, 1, b"\x0a\0\0\5", b""),
        unreach=MpUnreach(2, 1, b"\x08\x20"),
    )
    assert found.reach.encode() == bytes.fromhex("80 0e 09 000101 04 0a000005 00")
    assert found.unreach.encode() == bytes.fromhex("80 0f 05 000201 08 20")


def test_families_unknown_to_us_are_not_looked_into():
    found = Judge(four_octet_as=True, ebgp=True).judge(
        bytes.fromhex("80 0e 07 001946 01 aa 00 ff  80 0f 04 001946 ff")
    )
    assert found.outcome is ACCEPTED
    assert found.reach == MpReach(25, 70, b"\xaa", b"\xff")
    assert found.unreach == MpUnreach(25, 70, b"\xff")


def test_attributes_that_are_wrong_are_not_among_the_well_formed():
    octets = bytes.fromhex(
        "40 06 01 00  40 01 01 00  40 06 00  c0 07 06 fdf2 0a000009  e0 c8 01 07 40 01 01 02"
    )
    assert decoded(octets, four_octet_as=True, ebgp=True) == PathAttributes(
        origin=Origin.IGP, unknown=(UnknownAttribute(0xE0, 0xC8, b"\7"),)
    )
