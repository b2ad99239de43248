import pytest

from vipd.bgp.iana import Family
from vipd.bgp.wire import SHOWN, Cursor, Overrun, Prefix, count_prefixes, pick_prefixes, shown, split_prefixes


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", "none"),
        (b"\x00\xff", "00ff"),
        (bytes(SHOWN), "00" * SHOWN),
        (bytes(SHOWN + 1), "00" * SHOWN + "… (49 octets)"),
    ],
    ids=["none", "few", "most", "more"],
)
def test_octets_for_people(octets, text):
    assert shown(octets) == text


def test_a_cursor_reads_from_front_to_back():
    cursor = Cursor(bytes.fromhex("01 0203 040506 0708"))
    assert cursor.number(1) == 1
    assert cursor.number(2) == 0x0203
    assert cursor.take(3) == b"\4\5\6"
    assert cursor.left == 2
    assert cursor.rest() == b"\7\x08"
    assert cursor.left == 0
    assert cursor.take(0) == b""


def test_a_cursor_never_reads_past_the_end_and_stays_where_it_was():
    cursor = Cursor(b"\1\2")
    with pytest.raises(Overrun, match="3 octets are wanted and 2 are left"):
        cursor.take(3)
    assert cursor.number(2) == 0x0102
    with pytest.raises(Overrun):
        cursor.number(1)


@pytest.mark.parametrize(
    ("text", "family", "nlri", "shown"),
    [
        ("192.0.2.1", Family.IPV4, "20c0000201", "192.0.2.1/32"),
        ("192.0.2.128/25", Family.IPV4, "19c0000280", "192.0.2.128/25"),
        ("10.0.0.0/8", Family.IPV4, "080a", "10.0.0.0/8"),
        ("0.0.0.0/0", Family.IPV4, "00", "0.0.0.0/0"),
        ("2001:db8::1", Family.IPV6, "8020010db8000000000000000000000001", "2001:db8::1/128"),
        ("2001:db8::/32", Family.IPV6, "2020010db8", "2001:db8::/32"),
        ("::/0", Family.IPV6, "00", "::/0"),
    ],
)
def test_a_prefix_is_its_nlri(text, family, nlri, shown):
    prefix = Prefix.parse(text)
    assert prefix == (family, bytes.fromhex(nlri))
    assert str(prefix) == shown


@pytest.mark.parametrize("address", ["192.0.2.1", "255.255.255.255", "0.0.0.0", "2001:db8::1", "::"])
def test_a_bare_address_is_a_host_prefix(address):
    assert Prefix.host(address) == Prefix.parse(address)


@pytest.mark.parametrize("text", ["192.0.2.1/24", "192.0.2.256", "2001:db8::1/64", "lo", ""])
def test_what_is_no_prefix_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        Prefix.parse(text)


def test_nlri_is_counted_and_split():
    nlri = bytes.fromhex("20c0000201 080a 00 19c0000280")
    assert count_prefixes(Family.IPV4, nlri) == 4
    assert [str(prefix) for prefix in split_prefixes(Family.IPV4, nlri)] == [
        "192.0.2.1/32",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "192.0.2.128/25",
    ]
    assert count_prefixes(Family.IPV6, b"") == 0


def test_bits_after_the_length_of_a_prefix_say_nothing():
    # RFC 4271 section 4.3: "the value of trailing bits is irrelevant".
    assert split_prefixes(Family.IPV4, bytes.fromhex("19c00002ff")) == (Prefix.parse("192.0.2.128/25"),)


@pytest.mark.parametrize(
    ("family", "nlri"),
    [
        (Family.IPV4, "21c000020100"),  # 33 bits
        (Family.IPV4, "ff"),
        (Family.IPV4, "20c00002"),  # cut short
        (Family.IPV4, "20c0000201 18"),
        (Family.IPV6, "81" + "00" * 17),
        (Family.IPV6, "4020010db8"),
    ],
)
def test_nlri_that_overruns_is_neither_counted_nor_split(family, nlri):
    for read in (count_prefixes, split_prefixes):
        with pytest.raises(Overrun):
            read(family, bytes.fromhex(nlri))


def test_what_is_wanted_is_picked_out_of_nlri():
    nlri = bytes.fromhex("080b 20c0000201 00 09 0aff 20c0000202")
    wanted = {Prefix.parse(text) for text in ("192.0.2.1", "0.0.0.0/0", "10.128.0.0/9", "192.0.2.9")}
    found = pick_prefixes(Family.IPV4, nlri, wanted, {32, 0, 9})
    assert list(map(str, found)) == ["192.0.2.1/32", "0.0.0.0/0", "10.128.0.0/9"]
    assert list(pick_prefixes(Family.IPV4, b"", wanted, {32})) == []
