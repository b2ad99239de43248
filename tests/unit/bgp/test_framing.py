import pytest

from vipd.bgp.errors import NotificationError
from vipd.bgp.framing import Framer
from vipd.bgp.iana import MessageType

MARKER = "ff" * 16
KEEPALIVE = MARKER + "0013 04"


def hear(pieces):
    """Feed piece by piece: the messages, and what ended the stream if anything did."""
    framer = Framer()
    found = []
    for piece in pieces:
        framer.feed(piece)
        try:
            found += framer
        except NotificationError as error:
            return found, (error.code, error.subcode, error.data.hex())
    return found, None


def hear_every_way(octets):
    """All at once, one octet at a time, and with octets of a next message left over: always the same."""
    found = hear([octets])
    assert hear([octets[at : at + 1] for at in range(len(octets))]) == found
    leftover = bytes.fromhex(KEEPALIVE)[:-1]
    assert hear([octets + leftover]) == found
    return found


@pytest.mark.parametrize(
    ("octets", "messages"),
    [
        ("", []),
        (KEEPALIVE, [(MessageType.KEEPALIVE, "")]),
        (KEEPALIVE * 3, [(MessageType.KEEPALIVE, "")] * 3),
        (MARKER + "0017 02 00000000", [(MessageType.UPDATE, "00000000")]),
        (MARKER + "0015 03 0602", [(MessageType.NOTIFICATION, "0602")]),
        (MARKER + "0016 03 060205", [(MessageType.NOTIFICATION, "060205")]),
        (MARKER + "0017 05 00010001", [(MessageType.ROUTE_REFRESH, "00010001")]),
        # The length of a ROUTE-REFRESH is judged by who reads it.
        (MARKER + "0013 05" + KEEPALIVE, [(MessageType.ROUTE_REFRESH, ""), (MessageType.KEEPALIVE, "")]),
        (MARKER + "001d 01" + "04" * 10, [(MessageType.OPEN, "04" * 10)]),
        (MARKER + "1000 02" + "00" * 4077, [(MessageType.UPDATE, "00" * 4077)]),
    ],
)
def test_messages_of_a_stream(octets, messages):
    found, error = hear_every_way(bytes.fromhex(octets))
    assert [(kind, body.hex()) for kind, body in found] == messages
    assert error is None


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("00" * 19, (1, 1, "")),
        ("ff" * 15 + "fe" + "0013 04", (1, 1, "")),
        (MARKER + "0012 04", (1, 2, "0012")),
        (MARKER + "0000 02", (1, 2, "0000")),
        (MARKER + "1001 02", (1, 2, "1001")),
        (MARKER + "ffff 02", (1, 2, "ffff")),
        (MARKER + "001c 01", (1, 2, "001c")),  # each type has a least length ...
        (MARKER + "0016 02", (1, 2, "0016")),
        (MARKER + "0014 03", (1, 2, "0014")),
        (MARKER + "ffff 03", (1, 2, "ffff")),
        (MARKER + "0014 04", (1, 2, "0014")),  # ... and KEEPALIVE only one
        (MARKER + "1001 05", (1, 2, "1001")),
        (MARKER + "0012 09", (1, 2, "0012")),  # the length is looked at first
        (MARKER + "0013 00", (1, 3, "00")),
        (MARKER + "0013 06", (1, 3, "06")),
        (MARKER + "1000 ff", (1, 3, "ff")),
    ],
)
def test_where_no_message_can_begin(octets, error):
    assert hear_every_way(bytes.fromhex(octets)) == ([], error)
    after_a_message = hear_every_way(bytes.fromhex(KEEPALIVE + octets))
    assert after_a_message == ([(MessageType.KEEPALIVE, b"")], error)


def test_an_error_is_raised_each_time():
    framer = Framer()
    framer.feed(bytes(19))
    for _ in range(2):
        with pytest.raises(NotificationError, match="a message begins with 00000"):
            list(framer)


def test_a_message_is_given_once_even_if_the_reader_leaves_early():
    framer = Framer()
    framer.feed(bytes.fromhex(MARKER + "0015 03 0601" + MARKER + "0015 03 0602"))
    for _kind, body in framer:
        assert body == b"\6\1"
        break
    assert [body for _kind, body in framer] == [b"\6\2"]
    assert list(framer) == []
