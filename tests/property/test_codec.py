"""Laws of the codec."""

from hypothesis import example, given
from hypothesis import strategies as st

from strategies import (
    any_message,
    families,
    notifications,
    opens,
    path_attributes,
    prefixes,
    route_refreshes,
    updates,
)
from vipd.bgp.attributes import Outcome
from vipd.bgp.errors import NotificationError
from vipd.bgp.framing import Framer
from vipd.bgp.iana import Family, MessageType
from vipd.bgp.messages import (
    HEADER,
    LONGEST,
    Notification,
    Open,
    RouteRefresh,
    Update,
    UpdateReader,
    room,
    shutdown_data,
    shutdown_text,
)
from vipd.bgp.wire import count_prefixes, split_prefixes


def encoded(message, *, four_octet_as=True):
    return message.encode(four_octet_as=four_octet_as) if isinstance(message, Update) else message.encode()


def heard(octets):
    """What a framer makes of octets that come all at once: its messages, and its error if it has one."""
    return heard_in_pieces([octets])


def heard_in_pieces(pieces):
    framer = Framer()
    messages = []
    for piece in pieces:
        framer.feed(piece)
        try:
            messages += framer
        except NotificationError as error:
            return messages, (error.code, error.subcode, error.data)
    return messages, None


def read(reader, kind, body):
    """Read a message of any kind, as a session does."""
    match kind:
        case MessageType.OPEN:
            return Open.decode(body)
        case MessageType.UPDATE:
            reader.updates(body)
            return reader.read(body)
        case MessageType.NOTIFICATION:
            return Notification.decode(body)
        case MessageType.ROUTE_REFRESH:
            return RouteRefresh.decode(body)
    return None


@given(opens())
def test_an_open_says_what_it_was_made_of(message):
    assert Open.decode(message.encode()[HEADER:]) == message


@given(notifications)
def test_a_notification_says_what_it_was_made_of(message):
    assert Notification.decode(message.encode()[HEADER:]) == message


@given(route_refreshes)
def test_a_route_refresh_says_what_it_was_made_of(message):
    assert RouteRefresh.decode(message.encode()[HEADER:]) == message


@given(updates(), st.booleans())
def test_an_update_says_what_it_was_made_of_whatever_the_width_of_as_numbers(message, four_octet_as):
    reader = UpdateReader(four_octet_as=four_octet_as, ebgp=False, families=Family, extended_next_hop=True)
    body = message.encode(four_octet_as=four_octet_as)[HEADER:]
    assert reader.updates(body) == (message,)
    seen = reader.read(body)
    assert seen.outcome is Outcome.ACCEPTED
    assert (seen.announced, seen.withdrawn) == (len(message.announced), len(message.withdrawn))
    nothing = not (message.announced or message.withdrawn)
    assert seen.end_of_rib is (message.family if nothing else None)


@given(st.lists(any_message, max_size=6), st.data())
def test_messages_are_the_same_however_the_stream_is_cut(said, data):
    stream = b"".join(encoded(message) for message in said)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    messages, error = heard_in_pieces(pieces)
    assert error is None
    assert len(messages) == len(said)
    assert (messages, error) == heard(stream)


@given(st.lists(any_message, max_size=3), st.binary(max_size=60), st.data())
def test_an_error_of_framing_is_the_same_however_the_stream_is_cut(said, garbage, data):
    stream = b"".join(encoded(message) for message in said) + garbage
    size = data.draw(st.integers(1, 40))
    assert heard_in_pieces([stream[at : at + size] for at in range(0, len(stream), size)]) == heard(stream)


hostile = st.one_of(
    st.binary(max_size=200),
    # An UPDATE whose lengths fit, so that the octets within come to be looked at.
    st.builds(
        lambda withdrawn, run, nlri: (
            len(withdrawn).to_bytes(2) + withdrawn + len(run).to_bytes(2) + run + nlri
        ),
        st.binary(max_size=8),
        st.lists(
            st.builds(
                lambda flags, code, value, wrong: bytes((flags, code, max(len(value) + wrong, 0))) + value,
                st.sampled_from([0x40, 0x80, 0xC0, 0x00, 0xE0]),
                st.integers(0, 36),
                st.binary(max_size=24),
                st.sampled_from([0, 0, 0, 0, 0, 1, -1]),
            ),
            max_size=6,
        ).map(b"".join),
        st.binary(max_size=8),
    ),
)


@given(st.sampled_from(MessageType), hostile, st.booleans(), st.booleans())
@example(MessageType.UPDATE, b"", True, True)
@example(MessageType.OPEN, b"", True, True)
def test_any_octets_are_a_message_or_a_notification_error(kind, body, four_octet_as, ebgp):
    reader = UpdateReader(four_octet_as=four_octet_as, ebgp=ebgp, families=Family, extended_next_hop=ebgp)
    try:
        assert kind is MessageType.KEEPALIVE or read(reader, kind, body) is not None
    except NotificationError as error:
        assert kind is not MessageType.NOTIFICATION  # there is nothing to be said against its body
        # Whatever it was, it can be told.
        answer = Notification(code=error.code, subcode=error.subcode, data=error.data)
        assert Notification.decode(answer.encode()[HEADER:]) == answer


@given(any_message, st.data())
def test_a_broken_message_is_a_message_or_a_notification_error(message, data):
    octets = bytearray(encoded(message))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    reader = UpdateReader(four_octet_as=True, ebgp=True, families=Family, extended_next_hop=True)
    try:
        for kind, body in heard(bytes(octets))[0]:
            read(reader, kind, body)
    except NotificationError as error:
        Notification(code=error.code, subcode=error.subcode, data=error.data).encode()


@given(updates(), updates())
def test_a_reader_remembers_nothing_that_changes_what_it_says(first, second):
    reader = UpdateReader(four_octet_as=True, ebgp=True, families=Family, extended_next_hop=True)
    bodies = [message.encode(four_octet_as=True)[HEADER:] for message in (first, second, first)]
    fresh = [
        UpdateReader(four_octet_as=True, ebgp=True, families=Family, extended_next_hop=True).read(body)
        for body in bodies
    ]
    assert [reader.read(body) for body in bodies] == fresh


@given(families.flatmap(lambda family: st.tuples(st.just(family), path_attributes(family))), st.booleans())
def test_room_is_what_fits_and_not_an_octet_more(said, four_octet_as):
    family, attributes = said
    for told in (attributes, None):
        free = room(family, told, four_octet_as=four_octet_as)
        assert length_with(family, told, free, four_octet_as=four_octet_as) == LONGEST


def length_with(family, attributes, octets, *, four_octet_as):
    """Length of the UPDATE whose prefixes take so many octets: as many /8 as that makes, and one /0."""
    (eight,) = split_prefixes(family, b"\x08\x0a")
    (nought,) = split_prefixes(family, b"\x00")
    told = (eight,) * (octets // 2) + (nought,) * (octets % 2)
    if attributes is None:
        update = Update(family=family, withdrawn=told)
    else:
        update = Update(family=family, attributes=attributes, announced=told)
    return len(update.encode(four_octet_as=four_octet_as))


@given(families.flatmap(lambda family: st.lists(prefixes(family))))
def test_prefixes_are_counted_and_split_alike(told):
    family = told[0].family if told else Family.IPV4
    nlri = b"".join(prefix.nlri for prefix in told)
    assert split_prefixes(family, nlri) == tuple(told)
    assert count_prefixes(family, nlri) == len(told)


@given(st.text(max_size=300))
@example("\N{GREEK SMALL LETTER OMEGA}" * 128)
@example("x" + "\N{GREEK SMALL LETTER OMEGA}" * 128)
@example("\ud800")  # no UTF-8 says this
def test_a_reason_is_told_whole_or_cut_between_characters(text):
    length, *octets = shutdown_data(text)
    told = bytes(octets).decode()
    whole = text.encode(errors="replace").decode()
    assert length == len(octets)
    assert whole.startswith(told)
    assert told == whole or 252 <= length <= 255


@given(st.binary(max_size=300))
def test_a_reason_can_always_be_printed(octets):
    assert shutdown_text(octets).isprintable()


@given(any_message, st.data())
def test_a_message_that_has_not_all_come_is_waited_for(message, data):
    octets = encoded(message)
    assert heard(octets[: data.draw(st.integers(0, len(octets) - 1))]) == ([], None)
