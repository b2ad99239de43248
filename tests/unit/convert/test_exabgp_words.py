"""Single values."""

import pytest

from vipd.convert.exabgp_words import (
    NAMES,
    WELL_KNOWN,
    address,
    asn,
    bare,
    boolean,
    community,
    large_community,
    network,
    number,
)


@pytest.mark.parametrize(
    ("read", "word", "value"),
    [
        (asn, "65001", 65001),
        (asn, "1.1", 65537),
        (asn, "4294967295", 4294967295),
        (community, "64500:1", "64500:1"),
        (community, "0:0", "0:0"),
        (community, "0xFFFFFF01", "65535:65281"),
        (community, "4294967041", "65535:65281"),
        (community, "No-Export", "65535:65281"),
        (community, "no_advertise", "65535:65282"),
        (community, "nopeer", "65535:65284"),
        (community, "blackhole", "65535:666"),
        (large_community, "64500:1:2", "64500:1:2"),
        (large_community, "4294967295:0:00", "4294967295:0:0"),
    ],
)
def test_values(read, word, value):
    assert read(word) == value


@pytest.mark.parametrize(
    ("read", "word"),
    [
        (asn, ""),
        (asn, "x"),
        (asn, "1.65536"),
        (asn, "4294967296"),
        (asn, "-1"),
        (community, "65536:1"),
        (community, "1:65536"),
        (community, "1:2:3"),
        (community, "0x1FFFFFFFF"),
        (community, "0x"),
        (community, "export"),
        (large_community, "1:2"),
        (large_community, "1:2:4294967296"),
        (address, "10.0.0.256"),
        (network, "10.0.0.1/24"),
    ],
)
def test_what_is_no_value_is_named(read, word):
    with pytest.raises(ValueError, match=f'"{word}"'):
        read(word)


@pytest.mark.parametrize("word", ["256", "1", "-1", "", "x", "\N{FULLWIDTH DIGIT ONE}", "1" * 5000])
def test_a_number_has_bounds(word):
    with pytest.raises(ValueError, match="is no number from 2 to 255"):
        number(word, 255, 2)


def test_booleans():
    assert [boolean(words) for words in ([], ["enable"], ["true"], ["Enabled"])] == [True] * 4
    assert [boolean(words) for words in (["disable"], ["false"], ["disabled"])] == [False] * 3
    with pytest.raises(ValueError, match="maybe"):
        boolean(["maybe"])


def test_a_list_is_its_members():
    assert bare(["[", "a", ",", "b", "]"]) == ["a", "b"]
    assert bare(["a"]) == ["a"]


def test_each_well_known_community_is_written_by_a_name_that_vipd_knows():
    from vipd.config.values import WELL_KNOWN as VIPD  # noqa: PLC0415

    assert set(NAMES) == set(WELL_KNOWN.values())
    for value, name in NAMES.items():
        assert ":".join(map(str, VIPD[name])) == value
