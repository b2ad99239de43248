"""The five messages: what they are on the wire, and what a peer's are taken for."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from vipd.bgp.attributes import Outcome, PathAttributes, Segment
from vipd.bgp.capabilities import FourOctetAs, Multiprotocol, Unknown
from vipd.bgp.capabilities import RouteRefresh as RouteRefreshCapability
from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import Family, Role, SegmentType
from vipd.bgp.messages import (
    Heard,
    Keepalive,
    Notification,
    Open,
    RouteRefresh,
    Update,
    UpdateReader,
    room,
    shutdown_data,
    shutdown_text,
)
from vipd.bgp.wire import Prefix, count_prefixes

IPV4, IPV6 = Family.IPV4, Family.IPV6
ACCEPTED, DISCARD, WITHDRAW = Outcome.ACCEPTED, Outcome.ATTRIBUTE_DISCARD, Outcome.TREAT_AS_WITHDRAW
INELIGIBLE = Outcome.INELIGIBLE
MARKER = "ff" * 16

PATH = (Segment(SegmentType.AS_SEQUENCE, (65010,)),)
THROUGH_4 = PathAttributes(as_path=PATH, next_hop=IPv4Address("10.0.0.5"))
THROUGH_6 = PathAttributes(as_path=PATH, next_hop=IPv6Address("2001:db8::5"))
VIP4, VIP6 = Prefix.parse("192.0.2.1"), Prefix.parse("2001:db8::1")


REACH_4_BY_6 = "800e1a 0001 01 10 20010db8000000000000000000000005 00 20c0000201"
REACH_4_BY_BOTH = (
    "800e2a 0001 01 20 20010db8000000000000000000000005 fe800000000000000000000000000005 00 20c0000201"
)
REACH_6 = "800e26 0002 01 10 20010db8000000000000000000000005 00 8020010db8000000000000000000000001"


def body_of(octets):
    return bytes.fromhex(octets)[19:]


# OPEN


OPEN = Open(
    asn=65010,
    hold_time=9,
    router_id=IPv4Address("10.0.0.5"),
    capabilities=(Multiprotocol.of(IPV4), RouteRefreshCapability(), FourOctetAs(asn=65010)),
)
OPEN_OCTETS = MARKER + "002d 01  04 fdf2 0009 0a000005 10  02 0e  0104 0001 00 01  0200  4104 0000fdf2"


def test_an_open():
    assert OPEN.encode() == bytes.fromhex(OPEN_OCTETS)
    assert Open.decode(body_of(OPEN_OCTETS)) == OPEN


def test_an_open_without_capabilities():
    plain = Open(asn=65010, hold_time=0, router_id=IPv4Address("10.0.0.5"))
    octets = MARKER + "001d 01  04 fdf2 0000 0a000005 00"
    assert plain.encode() == bytes.fromhex(octets)
    assert Open.decode(body_of(octets)) == plain


def test_an_as_number_of_four_octets_is_told_by_its_capability():
    # RFC 6793 section 4.1
    big = Open(
        asn=4200000001, hold_time=9, router_id=IPv4Address(1), capabilities=(FourOctetAs(asn=4200000001),)
    )
    octets = MARKER + "0025 01  04 5ba0 0009 00000001 08  02 06  4104 fa56ea01"
    assert big.encode() == bytes.fromhex(octets)
    assert Open.decode(body_of(octets)) == big


@pytest.mark.parametrize(
    "parameters",
    [
        "10 02 0e 010400010001 0200 41040000fdf2",
        "14 02 06 010400010001 02 02 0200 02 06 41040000fdf2",  # one each
        "ff ff 0011 02 000e 010400010001 0200 41040000fdf2",  # RFC 9072
        "01 ff 0011 02 000e 010400010001 0200 41040000fdf2",  # whose first length says nothing
        "ff ff 0017 02 0006 010400010001 02 0002 0200 02 0006 41040000fdf2",
    ],
)
def test_capabilities_come_in_one_parameter_or_in_many(parameters):
    assert Open.decode(bytes.fromhex("04 fdf2 0009 0a000005" + parameters)) == OPEN


@pytest.mark.parametrize(
    ("octets", "head"),
    [
        (253, "ff 02 fd"),  # 255 with the head of the parameter: the most that fits without
        (254, "ff ff 0101 02 00fe"),
        (9 * 257, "ff ff 090c 02 0909"),
    ],
)
def test_rfc9072_only_more_than_255_octets_of_parameters_take_the_extended_form(octets, head):
    whole, rest = divmod(octets, 257)
    many = (Unknown(code=200, octets=bytes(255)),) * whole
    many += (Unknown(code=200, octets=bytes(rest - 2)),) if rest else ()
    opened = replace(OPEN, capabilities=many)
    said = opened.encode()
    assert said[28:].startswith(bytes.fromhex(head))
    assert int.from_bytes(said[16:18]) == len(said)
    assert Open.decode(said[19:]) == opened


def test_rfc8654_an_open_has_at_most_4096_octets():
    many = (Unknown(code=200, octets=bytes(255)),) * 16
    with pytest.raises(ValueError, match="4096 is the most"):
        replace(OPEN, capabilities=many).encode()


@pytest.mark.parametrize(
    ("body", "subcode", "octets", "text"),
    [
        ("03 fdf2 0009 0a000005 00", 1, "0004", "the peer speaks version 3, we speak 4"),
        ("05 fdf2 0009 0a000005 00", 1, "0004", "version 5"),
        ("04 0000 0009 0a000005 00", 2, "", "AS is 0"),  # RFC 7607
        ("04 0000 0009 0a000005 08 02 06 41 04 0000fde9", 2, "", "AS is 0"),
        ("04 fde9 0009 0a000005 08 02 06 41 04 00000000", 2, "", "AS is 0"),
        ("04 fdf2 0009 0a000005 08 0206 4104 00000000", 2, "", "AS is 0"),
        ("04 fdf2 0001 0a000005 00", 6, "", "offers 1 s"),
        ("04 fdf2 0002 0a000005 00", 6, "", "offers 2 s"),
        ("04 fdf2 0009 00000000 00", 3, "", r"0\.0\.0\.0"),
        ("04 fdf2 0009 0a000005 01", 0, "", "1 octets of optional parameters are said and 0 are there"),
        ("04 fdf2 0009 0a000005 00 00", 0, "", "0 octets of optional parameters are said and 1 are there"),
        ("04 fdf2 0009 0a000005 02 0201", 0, "", "cut short"),
        ("04 fdf2 0009 0a000005 01 02", 0, "", "cut short"),
        ("04 fdf2 0009 0a000005 03 02 01 41", 0, "", "capability 65 is malformed"),
        ("04 fdf2 0009 0a000005 03 02 01", 0, "", "3 octets of optional parameters are said and 2"),
        ("04 fdf2 0009 0a000005 ff ff 0004 02 0002 01", 0, "", "cut short"),
        ("04 fdf2 0009 0a000005 ff ff 00", 0, "", "cut short"),
        ("04 fdf2 0009 0a000005 03 01 01 00", 4, "", "no optional parameter 1"),
        ("04 fdf2 0009 0a00", 0, "", "cut short"),
        ("", 0, "", "cut short"),
    ],
)
def test_an_open_that_no_session_can_come_of(body, subcode, octets, text):
    """RFC 4271 section 6.2."""
    with pytest.raises(NotificationError, match=text) as caught:
        Open.decode(bytes.fromhex(body))
    assert (caught.value.code, caught.value.subcode, caught.value.data) == (2, subcode, bytes.fromhex(octets))


# KEEPALIVE, NOTIFICATION, ROUTE-REFRESH


def test_a_keepalive():
    assert Keepalive().encode() == bytes.fromhex(MARKER + "0013 04")


@pytest.mark.parametrize(
    ("body", "notification", "words"),
    [
        ("0400", Notification(code=4, subcode=0), "Hold Timer Expired"),
        (
            "0102 0012",
            Notification(code=1, subcode=2, data=b"\0\x12"),
            "Message Header Error / Bad Message Length (data 0012)",
        ),
        # One octet of data is what RFC 6608 sends, and is not lost.
        (
            "0501 02",
            Notification(code=5, subcode=1, data=b"\2"),
            "Finite State Machine Error / Receive Unexpected Message in OpenSent State (data 02)",
        ),
        (
            "0602 05 6c61746572",
            Notification(code=6, subcode=2, data=b"\5later"),
            "Cease / Administrative Shutdown: later",
        ),
        ("0604 02 6869", Notification(code=6, subcode=4, data=b"\2hi"), "Cease / Administrative Reset: hi"),
        ("0602", Notification(code=6, subcode=2), "Cease / Administrative Shutdown"),
        ("0602 00", Notification(code=6, subcode=2, data=b"\0"), "Cease / Administrative Shutdown"),
        (
            "0603 02 6869",
            Notification(code=6, subcode=3, data=b"\2hi"),
            "Cease / Peer De-configured (data 026869)",
        ),
        ("ffff", Notification(code=255, subcode=255), "Error 255 / subcode 255"),
    ],
)
def test_a_notification_on_the_wire_and_in_words(body, notification, words):
    octets = bytes.fromhex(body)
    assert notification.encode() == bytes.fromhex(MARKER) + (19 + len(octets)).to_bytes(2) + b"\3" + octets
    assert Notification.decode(octets) == notification
    assert str(notification) == words


@pytest.mark.parametrize(("body", "code"), [("", 0), ("06", 6)])
def test_a_malformed_notification_is_a_notification(body, code):
    """RFC 4271 section 6.4: none is sent in reply."""
    assert Notification.decode(bytes.fromhex(body)) == Notification(code=code, subcode=0)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("later", b"\5later"),
        ("", b"\0"),
        ("später", b"\7sp\xc3\xa4ter"),
        ("x" * 300, b"\xff" + b"x" * 255),
        ("ä" * 200, b"\xfe" + "ä".encode() * 127),  # 255 would cut one in two
    ],
)
def test_a_reason_of_a_shutdown(text, octets):
    """RFC 9003."""
    assert shutdown_data(text) == octets
    assert text.startswith(shutdown_text(octets))


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", ""),
        (b"\5", ""),
        (b"\x09later", "later"),  # longer than it is
        (b"\2later", "la"),  # or shorter
        (b"\4\xc3\xa4\xff\xc3", "ä\\xff\\xc3"),
        (b"\x06a\nb\x1b[m", "a\\nb\\x1b[m"),  # a peer shall not write to our terminal
        (b"\x06\xe2\x80\xaeabc", "\\u202eabc"),  # nor turn its direction
    ],
)
def test_a_reason_that_is_not_in_order_is_shown_all_the_same(octets, text):
    assert shutdown_text(octets) == text


@pytest.mark.parametrize(
    ("refresh", "body", "family"),
    [
        (RouteRefresh(afi=1, safi=1), "0001 00 01", IPV4),
        (RouteRefresh(afi=2, safi=1), "0002 00 01", IPV6),
        (RouteRefresh(afi=2, safi=1, subtype=1), "0002 01 01", IPV6),
        (RouteRefresh(afi=25, safi=70), "0019 00 46", None),
    ],
)
def test_a_route_refresh(refresh, body, family):
    octets = bytes.fromhex(body)
    assert refresh.encode() == bytes.fromhex(MARKER + "0017 05") + octets
    assert RouteRefresh.decode(octets) == refresh
    assert refresh.family is family


REFRESHES = {  # RFC 7313 section 5: what was agreed on, the body, and the error if it is one
    "not-agreed-on-begin-of-5": (False, "0001 01 01 00", (1, 2, "0018")),
    "request-of-3": (True, "0001 00", (1, 2, "0016")),
    "request-of-5": (True, "0001 00 01 00", (1, 2, "0018")),
    "too-short-for-a-subtype": (True, "0001", (1, 2, "0015")),
    "nothing": (True, "", (1, 2, "0013")),
    "begin-of-3": (True, "0001 01", (7, 1, MARKER + "0016 05 0001 01")),
    "begin-of-5": (True, "0001 01 01 ff", (7, 1, MARKER + "0018 05 0001 01 01 ff")),
    "end-of-3": (True, "0001 02", (7, 1, MARKER + "0016 05 0001 02")),
    "end-of-8": (True, "0001 02 01 00000000", (7, 1, MARKER + "001b 05 0001 02 01 00000000")),
    "unknown-of-3": (True, "0001 03", None),
    "unknown-of-5": (True, "0001 ff 01 00", None),
    "begin": (True, "0001 01 01", None),
    "end": (True, "0001 02 01", None),
}


@pytest.mark.parametrize(("enhanced", "octets", "error"), REFRESHES.values(), ids=REFRESHES)
def test_rfc7313_5_the_length_of_a_route_refresh(enhanced, octets, error):
    octets = bytes.fromhex(octets)
    if error is None:
        assert RouteRefresh.decode(octets, enhanced=enhanced).subtype == octets[2]
        return
    with pytest.raises(NotificationError, match="octets where it must have 4") as caught:
        RouteRefresh.decode(octets, enhanced=enhanced)
    code, subcode, said = error
    assert (caught.value.code, caught.value.subcode) == (code, subcode)
    assert caught.value.data == bytes.fromhex(said)


@pytest.mark.parametrize("length", [0, 3, 5, 4056, 4077])
def test_a_route_refresh_of_a_wrong_length(length):
    """RFC 4271 section 6.1: its length is the data."""
    with pytest.raises(NotificationError) as caught:
        RouteRefresh.decode(bytes(length))
    error = caught.value
    assert (error.code, error.subcode, error.data) == (1, 2, (19 + length).to_bytes(2))


# UPDATE, sent


def prefixes(count):
    return tuple(Prefix(IPV4, b"\x20" + (0x0A000000 + number).to_bytes(4)) for number in range(count))


UPDATES = [
    (  # house: a VIP goes up ...
        Update(family=IPV4, attributes=THROUGH_4, announced=(VIP4,)),
        "0030 02  0000  0014 40010100 4002060201 0000fdf2 4003040a000005  20c0000201",
    ),
    (  # ... and down
        Update(family=IPV4, withdrawn=(VIP4,)),
        "001c 02  0005 20c0000201  0000",
    ),
    (
        Update(family=IPV6, attributes=THROUGH_6, announced=(VIP6,)),
        f"004d 02  0000  0036  {REACH_6}  40010100 4002060201 0000fdf2",
    ),
    (
        Update(family=IPV6, withdrawn=(VIP6,)),
        "002e 02  0000  0017 800f14 0002 01 8020010db8000000000000000000000001",
    ),
    (  # RFC 8950: IPv4 through IPv6 is told in MP_REACH_NLRI, and withdrawn as ever
        Update(family=IPV4, attributes=THROUGH_6, announced=(VIP4,)),
        f"0041 02  0000  002a  {REACH_4_BY_6}  40010100 4002060201 0000fdf2",
    ),
    (
        Update(
            family=IPV4, attributes=replace(THROUGH_6, link_local=IPv6Address("fe80::5")), announced=(VIP4,)
        ),
        f"0051 02  0000  003a  {REACH_4_BY_BOTH}  40010100 4002060201 0000fdf2",
    ),
    (Update(family=IPV4), "0017 02  0000  0000"),  # End-of-RIB (RFC 4724 section 2)
    (Update(family=IPV6), "001d 02  0000  0006 800f03 0002 01"),
]


@pytest.mark.parametrize(("update", "octets"), UPDATES)
def test_an_update(update, octets):
    octets = bytes.fromhex(MARKER + octets)
    assert int.from_bytes(octets[16:18]) == len(octets)
    assert update.encode(four_octet_as=True) == octets
    assert reader(extended_next_hop=True).updates(octets[19:]) == (update,)


def test_an_update_towards_a_speaker_of_two_octets():
    octets = Update(family=IPV4, attributes=THROUGH_4, announced=(VIP4,)).encode(four_octet_as=False)
    assert octets[19:] == bytes.fromhex("0000 0012 40010100 4002040201 fdf2 4003040a000005 20c0000201")


@pytest.mark.parametrize(
    "wrong",
    [
        {"withdrawn": (VIP4,), "announced": (VIP4,), "attributes": THROUGH_4},  # RFC 7606 section 5.1
        {"announced": (VIP4,)},
        {"attributes": THROUGH_4},
        {"family": IPV6, "announced": (VIP6,), "attributes": THROUGH_4},
        {"announced": (VIP4,), "attributes": PathAttributes()},
    ],
)
def test_an_update_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=r"an UPDATE withdraws|are announced with|the next hop of ipv"):
        Update(**{"family": IPV4, **wrong})


def test_a_message_has_at_most_4096_octets():
    most = room(IPV4, None, four_octet_as=True) // 5
    assert len(Update(family=IPV4, withdrawn=prefixes(most)).encode(four_octet_as=True)) <= 4096
    with pytest.raises(ValueError, match="a message of 4098 octets"):
        Update(family=IPV4, withdrawn=prefixes(most + 1)).encode(four_octet_as=True)


@pytest.mark.parametrize("extended", [False, True])
def test_rfc8654_an_update_fills_what_was_agreed_on(extended):
    greatest = 65535 if extended else 4096
    free = room(IPV4, THROUGH_4, four_octet_as=True, extended=extended)
    update = Update(family=IPV4, attributes=THROUGH_4, announced=prefixes(free // 5))
    octets = update.encode(four_octet_as=True, extended=extended)
    assert greatest - 5 < len(octets) <= greatest
    assert reader().updates(octets[19:]) == (update,)
    more = Update(family=IPV4, attributes=THROUGH_4, announced=prefixes(free // 5 + 1))
    with pytest.raises(ValueError, match=f"{greatest} is the most"):
        more.encode(four_octet_as=True, extended=extended)


@pytest.mark.parametrize(("extended", "greatest"), [(False, 4096), (True, 65535)])
def test_rfc8654_a_notification_carries_as_much_of_its_data_as_it_holds(extended, greatest):
    octets = Notification(code=3, subcode=1, data=bytes(70000)).encode(extended=extended)
    assert len(octets) == int.from_bytes(octets[16:18]) == greatest


@pytest.mark.parametrize(
    ("family", "attributes", "octets"),
    [
        (IPV4, None, 4073),
        (IPV4, THROUGH_4, 4053),
        (IPV6, None, 4066),
        (IPV6, THROUGH_6, 4035),
        (IPV4, THROUGH_6, 4035),
    ],
)
def test_room_in_an_update(family, attributes, octets):
    assert room(family, attributes, four_octet_as=True) == octets


# UPDATE, received


ORIGIN, AS_PATH, NEXT_HOP = "40010100", "4002060201 0000fdf2", "400304 0a000005"
GOOD = ORIGIN + AS_PATH + NEXT_HOP
BAD_ORIGIN = "40010103" + AS_PATH + NEXT_HOP
BAD_COMMUNITY = "c00800"
UNREACH_6 = "800f14 0002 01 8020010db8000000000000000000000002"
REACH_4 = "800e0e 0001 01 04 0a000006 00 20c0000203"
REACH_EVPN = "800e07 0019 46 01 aa 00 ff"
UNREACH_EVPN = "800f04 0019 46 ff"
ONE, TWO = "20c0000201", "18c63364"


def reader(*, families=tuple(Family), ebgp=True, role=None, extended_next_hop=False):
    return UpdateReader(
        four_octet_as=True,
        ebgp=ebgp,
        families=families,
        extended_next_hop=extended_next_hop,
        role=role,
        peer_as=65001,
    )


def unplaced(heard):
    """Without where the attribute stands and its octets, which have a test of their own."""
    return replace(heard, text=heard.text.partition(", at octet ")[0])


def body(withdrawn="", attributes="", nlri=""):
    parts = [bytes.fromhex(part) for part in (withdrawn, attributes)]
    return b"".join(len(part).to_bytes(2) + part for part in parts) + bytes.fromhex(nlri)


@pytest.mark.parametrize(
    ("octets", "heard"),
    [
        (body(attributes=GOOD, nlri=ONE + TWO), Heard(outcome=ACCEPTED, announced=2)),
        (body(withdrawn=ONE + TWO), Heard(outcome=ACCEPTED, withdrawn=2)),
        (body(TWO, GOOD, ONE), Heard(outcome=ACCEPTED, announced=1, withdrawn=1)),
        (body(attributes=REACH_6 + ORIGIN + AS_PATH), Heard(outcome=ACCEPTED, announced=1)),
        (body(attributes=UNREACH_6), Heard(outcome=ACCEPTED, withdrawn=1)),
        # All four places at once: not ours to send, ours to read (RFC 7606 section 5.1).
        (body(TWO, REACH_6 + UNREACH_6 + GOOD, ONE), Heard(outcome=ACCEPTED, announced=2, withdrawn=2)),
        (body(attributes=REACH_4 + ORIGIN + AS_PATH), Heard(outcome=ACCEPTED, announced=1)),
        # Attributes with nothing that has them (section 5.2)
        (body(attributes=GOOD), Heard(outcome=ACCEPTED)),
        (body(withdrawn=ONE, attributes=ORIGIN), Heard(outcome=ACCEPTED, withdrawn=1)),
        (body(attributes=UNREACH_6 + ORIGIN), Heard(outcome=ACCEPTED, withdrawn=1)),
        (body(attributes="800f03 000201" + ORIGIN), Heard(outcome=ACCEPTED)),
        (body(withdrawn=ONE, attributes="800f03 000201"), Heard(outcome=ACCEPTED, withdrawn=1)),
        (body(), Heard(outcome=ACCEPTED, end_of_rib=IPV4)),
        (body(attributes="800f03 000201"), Heard(outcome=ACCEPTED, end_of_rib=IPV6)),
        (body(attributes="900f0003 000201"), Heard(outcome=ACCEPTED, end_of_rib=IPV6)),
        (body(attributes="800f03 000101"), Heard(outcome=ACCEPTED, end_of_rib=IPV4)),
        (body(attributes="800f03 001946"), Heard(outcome=ACCEPTED)),
    ],
)
def test_what_is_heard(octets, heard):
    assert reader().read(octets) == heard


NEXT_HOPS = {  # RFC 8950 section 3: octets of a next hop of IPv4, agreed on or not
    **{
        f"of-{octets}-agreed-on": (octets, True, octets in (4, 16, 32))
        for octets in (0, 3, 4, 5, 15, 16, 24, 32, 33)
    },
    **{f"of-{octets}": (octets, False, octets == 4) for octets in (0, 4, 16, 32)},
}


@pytest.mark.parametrize(("octets", "agreed", "fine"), NEXT_HOPS.values(), ids=NEXT_HOPS)
def test_rfc8950_3_next_hops_of_ipv4(octets, agreed, fine):
    value = "0001 01" + octets.to_bytes(1).hex() + "20" * octets + "00 20c0000203"
    reach = f"800e{len(bytes.fromhex(value)):02x}{value}"
    octets = body(attributes=reach + ORIGIN + AS_PATH)
    if fine:
        assert reader(extended_next_hop=agreed).read(octets) == Heard(outcome=ACCEPTED, announced=1)
        return
    with pytest.raises(NotificationError) as caught:
        reader(extended_next_hop=agreed).read(octets)
    assert (caught.value.code, caught.value.subcode, caught.value.data) == (3, 9, bytes.fromhex(reach))


OTC = "c02304 0000fdea"
LEAKED = "ONLY_TO_CUSTOMER 65002 says that a route was leaked to us as a provider"
LEAKS = {
    "nlri": (body(TWO, GOOD + OTC, ONE), Heard(outcome=INELIGIBLE, withdrawn=2, text=LEAKED)),
    "mp-reach": (
        body(attributes=REACH_6 + GOOD + OTC),
        Heard(outcome=INELIGIBLE, withdrawn=1, text=LEAKED),
    ),
    "nothing-announced": (body(withdrawn=ONE, attributes=GOOD + OTC), Heard(outcome=ACCEPTED, withdrawn=1)),
    "malformed": (
        body(attributes=GOOD + "c02303 00fdea", nlri=ONE),
        Heard(outcome=WITHDRAW, withdrawn=1, text="ONLY_TO_CUSTOMER has 3 octets"),
    ),
}


@pytest.mark.parametrize(("octets", "heard"), LEAKS.values(), ids=LEAKS)
def test_rfc9234_what_was_leaked_to_us(octets, heard):
    leaked = reader(role=Role.PROVIDER)
    assert unplaced(leaked.read(octets)) == heard
    told = leaked.updates(octets)
    assert sum(len(update.withdrawn) for update in told) == heard.withdrawn
    assert not any(update.announced for update in told)


@pytest.mark.parametrize(
    ("octets", "announced", "withdrawn", "text"),
    [
        (
            body(attributes=GOOD + "40050400000064", nlri=ONE),
            1,
            0,
            "LOCAL_PREF does not belong in this session",
        ),
        (body(attributes=GOOD + ORIGIN, nlri=ONE), 1, 0, "ORIGIN is there more than once"),
        (body(attributes=GOOD + "c0c800c0c800", nlri=ONE), 1, 0, "attribute 200 is there more than once"),
        (body(withdrawn=ONE, attributes="40060100"), 0, 1, "ATOMIC_AGGREGATE has 1 octets"),
        (body(attributes=REACH_6 + ORIGIN + AS_PATH + "c00700"), 1, 0, "AGGREGATOR has 0 octets"),
        (
            body(attributes=REACH_EVPN + GOOD, nlri=ONE),
            1,
            0,
            "prefixes of AFI 25 SAFI 70, a family that was not agreed on",
        ),
        (
            body(attributes=REACH_EVPN + UNREACH_EVPN),
            0,
            0,
            "prefixes of AFI 25 SAFI 70 and AFI 25 SAFI 70, a family that was not agreed on",
        ),
        (body(attributes=REACH_EVPN + "40060100"), 0, 0, "ATOMIC_AGGREGATE has 1 octets"),
    ],
)
def test_attributes_that_are_discarded(octets, announced, withdrawn, text):
    heard = Heard(outcome=DISCARD, announced=announced, withdrawn=withdrawn, text=text)
    assert unplaced(reader().read(octets)) == heard


@pytest.mark.parametrize(
    ("octets", "withdrawn", "text"),
    [
        (body(attributes=BAD_ORIGIN, nlri=ONE + TWO), 2, "ORIGIN is 3"),
        (body(TWO, BAD_ORIGIN, ONE), 2, "ORIGIN is 3"),
        (body(attributes=REACH_6 + ORIGIN + AS_PATH + BAD_COMMUNITY), 1, "COMMUNITIES has 0 octets"),
        (body(attributes=REACH_6 + UNREACH_6 + BAD_ORIGIN, nlri=ONE), 3, "ORIGIN is 3"),
        (
            body(attributes=ORIGIN + AS_PATH + "400309", nlri=ONE),
            1,
            "NEXT_HOP runs over the end of the attributes",
        ),
        # What is missing (section 3, d)
        (body(attributes=ORIGIN + AS_PATH, nlri=ONE), 1, "NEXT_HOP is missing"),
        (body(attributes=ORIGIN + NEXT_HOP, nlri=ONE), 1, "AS_PATH is missing"),
        (body(attributes=AS_PATH + NEXT_HOP, nlri=ONE), 1, "ORIGIN is missing"),
        (body(nlri=ONE + TWO), 2, "NEXT_HOP is missing"),
        (body(attributes=REACH_6 + ORIGIN), 1, "AS_PATH is missing"),
        (body(attributes=REACH_6 + ORIGIN + AS_PATH, nlri=ONE), 2, "NEXT_HOP is missing"),
        (body(attributes=AS_PATH + NEXT_HOP + "40060100", nlri=ONE), 1, "ORIGIN is missing"),
        # Reachable prefixes, though of a family that we do not speak
        (body(withdrawn=ONE, attributes=REACH_EVPN + BAD_ORIGIN), 1, "ORIGIN is 3"),
    ],
)
def test_an_update_that_is_treated_as_a_withdrawal(octets, withdrawn, text):
    heard = reader().read(octets)
    assert unplaced(heard) == Heard(outcome=WITHDRAW, withdrawn=withdrawn, text=text)
    told = reader().content(octets, heard)
    assert (told.announced, sum(count_prefixes(*field) for field in told.withdrawn)) == ((), withdrawn)
    gone = [update.withdrawn for update in reader().updates(octets)]
    assert sum(map(len, gone)) == withdrawn
    assert all(update.attributes is None for update in reader().updates(octets))


@pytest.mark.parametrize(
    ("octets", "subcode", "attribute", "text"),
    [
        ("", 1, "", "0 octets cannot hold"),
        ("00", 1, "", "cannot hold"),
        ("0000 00", 1, "", "cannot hold"),
        ("0003 0000", 1, "", "4 octets cannot hold withdrawn routes to 5"),
        ("0000 0001", 1, "", "4 octets cannot hold withdrawn routes to 2 and attributes to 5"),
        # Prefixes (section 5.3)
        (body(withdrawn="21c000020100").hex(), 10, "", "prefix 1 of 6 octets of ipv4 NLRI"),
        (body(withdrawn="20c00002").hex(), 10, "", "NLRI"),
        (body(attributes=GOOD, nlri="20c0000201 21c000020100").hex(), 10, "", "prefix 2 of 11 octets"),
        (body(attributes=GOOD, nlri="20c00002").hex(), 10, "", "NLRI"),
        # Nothing reachable, and attributes that cannot be relied upon to say so (section 5.2)
        (body(attributes=BAD_ORIGIN).hex(), 6, "40010103", "ORIGIN is 3"),
        (body(withdrawn=ONE, attributes=BAD_ORIGIN).hex(), 6, "40010103", "ORIGIN is 3"),
        (body(attributes=UNREACH_6 + BAD_COMMUNITY).hex(), 5, "c00800", "COMMUNITIES"),
        (body(attributes="40012000").hex(), 1, "", "ORIGIN runs over"),
        (body(attributes="800e09 000101 04 0a000006 00" + BAD_ORIGIN).hex(), 6, "40010103", "ORIGIN is 3"),
        (
            body(attributes="800f05 0002 01 8100").hex(),
            9,
            "800f05 0002 01 8100",
            "MP_UNREACH_NLRI is malformed",
        ),
        (
            body(attributes="40c800" + GOOD, nlri=ONE).hex(),
            2,
            "40c800",
            "attribute 200 is said to be well-known",
        ),
    ],
)
def test_an_update_that_resets_the_session(octets, subcode, attribute, text):
    for read in (reader().read, reader().updates):
        with pytest.raises(NotificationError, match=text) as caught:
            read(bytes.fromhex(octets))
        error = caught.value
        assert (error.code, error.subcode, error.data) == (3, subcode, bytes.fromhex(attribute))


@pytest.mark.parametrize(
    ("families", "octets", "heard"),
    [
        (
            (IPV6,),
            body(TWO, REACH_6 + GOOD, ONE),
            Heard(
                outcome=DISCARD,
                announced=1,
                text="prefixes of ipv4 and ipv4, a family that was not agreed on",
            ),
        ),
        ((IPV6,), body(), Heard(outcome=ACCEPTED)),
        ((IPV6,), body(attributes="800f03 000201"), Heard(outcome=ACCEPTED, end_of_rib=IPV6)),
        (
            (IPV4,),
            body(attributes=REACH_6 + GOOD, nlri=ONE),
            Heard(outcome=DISCARD, announced=1, text="prefixes of ipv6, a family that was not agreed on"),
        ),
        ((IPV4,), body(attributes="800f03 000201"), Heard(outcome=ACCEPTED)),
    ],
)
def test_families_that_were_not_agreed_on_are_left_out(families, octets, heard):
    assert reader(families=families).read(octets) == heard


def test_an_internal_peer_says_its_preference():
    octets = body(attributes=GOOD + "40050400000064", nlri=ONE)
    assert reader(ebgp=False).read(octets) == Heard(outcome=ACCEPTED, announced=1)
    (update,) = reader(ebgp=False).updates(octets)
    assert update.attributes.local_preference == 100
    (update,) = reader().updates(octets)
    assert update.attributes.local_preference is None


def test_an_update_as_values():
    octets = body(TWO, REACH_6 + UNREACH_6 + GOOD, ONE)
    assert reader().updates(octets) == (
        Update(family=IPV4, withdrawn=(Prefix.parse("198.51.100.0/24"),)),
        Update(family=IPV6, withdrawn=(Prefix.parse("2001:db8::2"),)),
        Update(family=IPV4, attributes=THROUGH_4, announced=(VIP4,)),
        Update(
            family=IPV6,
            attributes=PathAttributes(as_path=PATH, next_hop=IPv6Address("2001:db8::5")),
            announced=(VIP6,),
        ),
    )
    assert reader().updates(body(attributes=GOOD)) == ()


def test_ipv4_prefixes_may_come_in_mp_reach():
    (update,) = reader().updates(body(attributes=REACH_4 + ORIGIN + AS_PATH))
    assert update.attributes.next_hop == IPv4Address("10.0.0.6")
    assert update.announced == (Prefix.parse("192.0.2.3"),)


def test_many_different_attributes_are_all_judged():
    """More than are remembered at a time, and twice."""
    listener = reader()
    for number in [*range(600), *range(600)]:
        med = f"800404{number:08x}"
        assert listener.read(body(attributes=GOOD + med, nlri=ONE)) == Heard(outcome=ACCEPTED, announced=1)
        assert listener.read(body(attributes=BAD_ORIGIN + med, nlri=ONE)).outcome is WITHDRAW


PLACES = {
    "treat-as-withdraw": (
        body(attributes=ORIGIN + AS_PATH + NEXT_HOP + BAD_COMMUNITY, nlri=ONE),
        "COMMUNITIES has 0 octets, at octet 20 of the attributes: c00800",
    ),
    "discard": (
        body(attributes=GOOD + "40060100", nlri=ONE),
        "ATOMIC_AGGREGATE has 1 octets, at octet 20 of the attributes: 40060100",
    ),
    "overrun": (
        body(attributes=GOOD + "800409000000", nlri=ONE),
        "MULTI_EXIT_DISC runs over the end of the attributes, at octet 20 of the attributes: 800409000000",
    ),
    "header-cut": (
        body(attributes=GOOD + "80", nlri=ONE),
        "attribute 0 runs over the end of the attributes, at octet 20 of the attributes: 80",
    ),
    "long": (
        body(attributes=GOOD + "d0080065" + "00" * 101, nlri=ONE),
        "COMMUNITIES has 101 octets, at octet 20 of the attributes: d0080065" + "00" * 44 + "… (105 octets)",
    ),
}


@pytest.mark.parametrize(("octets", "text"), PLACES.values(), ids=PLACES)
def test_what_is_wrong_is_told_with_its_place_and_its_octets(octets, text):
    assert reader().read(octets).text == text


RESETS = {
    "unknown-well-known": (
        body(attributes=GOOD + "40c80155", nlri=ONE),
        "attribute 200 is said to be well-known, at octet 20 of the attributes: 40c80155",
    ),
    "mp-reach": (
        body(attributes=ORIGIN + "800e03000201"),
        (
            "MP_REACH_NLRI is malformed: 1 octets are wanted and 0 are left, "
            "at octet 4 of the attributes: 800e03000201"
        ),
    ),
    "nlri": (
        body(TWO, GOOD, "21c000020100"),
        (
            "prefix 1 of 6 octets of ipv4 NLRI has too many bits; "
            "withdrawn routes: 18c63364; NLRI: 21c000020100"
        ),
    ),
    "withdrawn": (
        body("21c000020100"),
        "prefix 1 of 6 octets of ipv4 NLRI has too many bits; withdrawn routes: 21c000020100; NLRI: none",
    ),
}


@pytest.mark.parametrize(("octets", "text"), RESETS.values(), ids=RESETS)
def test_so_is_what_ends_a_session(octets, text):
    with pytest.raises(NotificationError) as caught:
        reader().read(octets)
    assert caught.value.text == text
