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


EXTENDED = [
    ("OPEN-4097", "1001 01", (1, 2, "1001")),  # section 4: not these two
    ("KEEPALIVE-4097", "1001 04", (1, 2, "1001")),
    ("KEEPALIVE-65535", "ffff 04", (1, 2, "ffff")),
    ("UPDATE-22", "0016 02", (1, 2, "0016")),  # the least lengths stay
    ("NOTIFICATION-20", "0014 03", (1, 2, "0014")),
    ("6-65535", "ffff 06", (1, 3, "06")),  # there is no such length to be wrong
]


@pytest.mark.parametrize(("octets", "error"), [row[1:] for row in EXTENDED], ids=[row[0] for row in EXTENDED])
def test_rfc8654_what_extended_messages_leave_as_it_was(octets, error):
    framer = Framer()
    framer.extended = True
    framer.feed(bytes.fromhex(MARKER + octets))
    with pytest.raises(NotificationError) as caught:
        list(framer)
    assert (caught.value.code, caught.value.subcode, caught.value.data.hex()) == error


@pytest.mark.parametrize("kind", [MessageType.UPDATE, MessageType.NOTIFICATION, MessageType.ROUTE_REFRESH])
@pytest.mark.parametrize("length", [4096, 4097, 65535])
def test_rfc8654_extended_messages(kind, length):
    framer = Framer()
    framer.extended = True
    body = bytes(range(256)) * 256
    framer.feed(bytes.fromhex(MARKER) + length.to_bytes(2) + bytes((kind,)) + body[: length - 20])
    assert list(framer) == []
    framer.feed(b"!")
    assert list(framer) == [(kind, body[: length - 20] + b"!")]


def test_rfc8654_the_limit_moves_between_two_messages():
    framer = Framer()
    framer.feed(bytes.fromhex(KEEPALIVE + MARKER + "1001 02") + bytes(4097 - 19))
    kinds = []
    for kind, _body in framer:
        kinds.append(kind)
        framer.extended = True  # as the OPEN says, in whose portion the UPDATE came
    assert kinds == [MessageType.KEEPALIVE, MessageType.UPDATE]


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
