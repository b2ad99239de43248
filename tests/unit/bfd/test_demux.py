"""To which session a packet goes, and what reaches none (RFC 5880 section 6.8.6, RFC 5881 section 5)."""

from dataclasses import replace

import pytest

from vipd.bfd.demux import Demultiplexer
from vipd.bfd.packet import ControlPacket, Discarded, Reason, State

PACKET = ControlPacket(
    state=State.DOWN, my_discriminator=9, multiplier=3, desired_min_tx=1.0, required_min_rx=0.3
)
AUTHENTICATED = bytes.fromhex("20 44 03 1a 00000009 00000000 000f4240 000493e0 00000000 0102")


@pytest.fixture
def sessions():
    found = Demultiplexer()
    found.add(1, "10.0.0.1", "a")
    found.add(2, "10.0.0.2", "b")
    return found


@pytest.mark.parametrize("state", [State.DOWN, State.ADMIN_DOWN])
def test_without_our_discriminator_the_address_decides(sessions, state):
    packet = replace(PACKET, state=state)
    assert sessions.select(packet.encode(), "10.0.0.2", 255) == ("b", packet)


@pytest.mark.parametrize("state", State)
def test_our_discriminator_decides_whatever_the_address_is(sessions, state):
    packet = replace(PACKET, state=state, your_discriminator=1)
    assert sessions.select(packet.encode(), "10.0.0.2", 255) == ("a", packet)


@pytest.mark.parametrize(
    ("octets", "address", "ttl", "reason"),
    [
        (PACKET.encode(), "10.0.0.1", 254, Reason.TTL),
        (b"", "10.0.0.1", 254, Reason.TTL),
        (b"", "10.0.0.1", 255, Reason.VERSION),
        (replace(PACKET, your_discriminator=3).encode(), "10.0.0.1", 255, Reason.YOUR_DISCRIMINATOR),
        (replace(PACKET, state=State.INIT).encode(), "10.0.0.1", 255, Reason.STATE),
        (replace(PACKET, state=State.UP).encode(), "10.0.0.1", 255, Reason.STATE),
        (replace(PACKET, state=State.UP).encode(), "10.0.0.9", 255, Reason.STATE),
        (PACKET.encode(), "10.0.0.9", 255, Reason.STRANGER),
        (AUTHENTICATED, "10.0.0.9", 255, Reason.STRANGER),
        (AUTHENTICATED, "10.0.0.1", 255, Reason.AUTHENTICATION),
    ],
)
def test_what_reaches_no_session(sessions, octets, address, ttl, reason):
    with pytest.raises(Discarded) as caught:
        sessions.select(octets, address, ttl)
    assert caught.value.reason is reason


def test_a_session_that_goes_leaves_its_address_to_the_one_that_followed(sessions):
    sessions.add(3, "10.0.0.1", "new")
    sessions.remove(1, "10.0.0.1")
    assert 1 not in sessions
    assert sessions.at("10.0.0.1") == "new"
    sessions.remove(3, "10.0.0.1")
    assert sessions.at("10.0.0.1") is None
