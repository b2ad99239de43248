import pytest

from vipd.text.layout import bullets, duration, indented, line, paragraph, short, table


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "never"),
        (-0.1, "00:00:00"),
        (0.0, "00:00:00"),
        (59.999, "00:00:59"),
        (192, "00:03:12"),
        (86399, "23:59:59"),
        (86400, "1d00h"),
        (2 * 86400 + 3 * 3600 + 59, "2d03h"),
        (400 * 86400, "400d00h"),
    ],
)
def test_duration(seconds, expected):
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "some time"),
        (0.0, "0 ms"),
        (0.0021, "2.1 ms"),
        (0.4, "400 ms"),
        (0.9996, "1 s"),
        (3.24, "3.24 s"),
        (59.96, "00:00:59"),
        (61, "00:01:01"),
        (90000, "1d01h"),
    ],
)
def test_short(seconds, expected):
    assert short(seconds) == expected


def test_a_line_holds_no_control_characters():
    assert line("evil\x1b[2J\r\nfirmware\x00") == "evil [2J  firmware"
    assert line(None) == ""


def test_paragraphs_keep_to_80_columns():
    pieces = paragraph("word " * 40, "  ")
    assert max(map(len, pieces)) <= 80
    assert pieces[0].startswith("  word")
    assert all(piece.startswith("    word") for piece in pieces[1:])


def test_bullets():
    assert bullets(["one", "two"]) == ["  - one", "  - two"]


def test_indented():
    assert list(indented("a\nb")) == ["  a", "  b"]


def test_a_table_is_as_wide_as_its_widest_cells_and_has_no_trailing_space():
    assert table(("Name", "N", "Last"), [("x", "10", ""), ("longer", "9", "y")], right=("N",)) == (
        "Name     N  Last\nx       10\nlonger   9  y"
    )
