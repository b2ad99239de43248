"""RFC 5880 section 4.1, octet by octet; and what section 6.8.6 refuses for its octets alone."""

from dataclasses import replace

import pytest

from vipd.bfd.packet import ControlPacket, Diagnostic, Discarded, Reason, State, meaning

DOWN = ControlPacket(
    state=State.DOWN,
    my_discriminator=0x01020304,
    multiplier=3,
    desired_min_tx=1.0,
    required_min_rx=0.3,
)
UP = ControlPacket(
    state=State.UP,
    my_discriminator=1,
    your_discriminator=0xFFFFFFFF,
    diagnostic=Diagnostic.NEIGHBOR_SIGNALED_DOWN,
    poll=True,
    demand=True,
    multiplier=255,
    desired_min_tx=0.05,
    required_min_rx=4294.967295,
    required_min_echo_rx=1e-6,
)
# One vector, both ways. Most end alike: Your Discriminator, and the intervals of `DOWN`.
REST = "01020304 00000000 000f4240 000493e0 00000000"
VECTORS = [
    (DOWN, f"20 40 03 18 {REST}"),
    (UP, "23 e2 ff 18 00000001 ffffffff 0000c350 ffffffff 00000001"),
    (replace(DOWN, state=State.ADMIN_DOWN, diagnostic=7), f"27 00 03 18 {REST}"),
    (replace(DOWN, state=State.INIT, final=True, independent=True), f"20 98 03 18 {REST}"),
    (replace(DOWN, diagnostic=31), f"3f 40 03 18 {REST}"),
]
GOOD = DOWN.encode()


@pytest.mark.parametrize(("packet", "octets"), VECTORS)
def test_a_packet_is_its_octets(packet, octets):
    assert packet.encode() == bytes.fromhex(octets)
    assert ControlPacket.decode(bytes.fromhex(octets)) == packet


def test_what_follows_the_length_is_not_of_the_packet():
    assert ControlPacket.decode(GOOD + b"more") == DOWN


def test_an_authentication_section_is_noticed_and_not_read():
    octets = bytearray(GOOD + bytes(2))
    octets[1] |= 0x04
    octets[3] = 26
    assert ControlPacket.decode(bytes(octets)) == replace(DOWN, authenticated=True)


def patched(at, value, octets=GOOD):
    return octets[:at] + bytes((value,)) + octets[at + 1 :]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", Reason.VERSION),
        (patched(0, 0x00), Reason.VERSION),
        (patched(0, 0x40), Reason.VERSION),
        (GOOD[:1], Reason.LENGTH),
        (GOOD[:23], Reason.LENGTH),
        (patched(3, 23), Reason.LENGTH),
        (patched(3, 25), Reason.LENGTH),
        (patched(1, 0x44), Reason.LENGTH),  # says that it is authenticated, and has no room for that
        (patched(3, 25, patched(1, 0x44, GOOD + b"..")), Reason.LENGTH),
        (patched(2, 0), Reason.MULTIPLIER),
        (patched(1, 0x41), Reason.MULTIPOINT),
        (GOOD[:4] + bytes(4) + GOOD[8:], Reason.MY_DISCRIMINATOR),
        (patched(0, 0, patched(2, 0)), Reason.VERSION),  # the first of two reasons is told
    ],
)
def test_what_is_discarded_unread(octets, reason):
    with pytest.raises(Discarded) as caught:
        ControlPacket.decode(octets)
    assert caught.value.reason is reason


def test_states_and_diagnostics_are_called_as_in_the_rfc():
    assert [str(state) for state in State] == ["AdminDown", "Down", "Init", "Up"]
    assert meaning(Diagnostic.DETECTION_TIME_EXPIRED) == "control detection time expired"
    assert meaning(29) == "diagnostic 29"
    assert all(not meaning(each).startswith("diagnostic") for each in Diagnostic)
