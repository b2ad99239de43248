"""RFC 5880 section 6.8 and RFC 5881, from the outside: a peer made of a UDP socket and its own octets."""

import contextlib
import itertools
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from conformance.pod import Pod
from conformance.tor import PATIENCE, Conversation, Tor

ADMIN_DOWN, DOWN, INIT, UP = range(4)
POLL, FINAL, AUTHENTICATED, MULTIPOINT = 0x20, 0x10, 0x04, 0x01
SECOND = 1_000_000  # in microseconds
_DISCRIMINATORS = itertools.count(0x1000)


@dataclass(frozen=True)
class Heard:
    """One packet of vipd, as section 4.1 draws it."""

    octets: bytes
    source: tuple[str, int]
    ttl: int

    @property
    def state(self) -> int:
        return self.octets[1] >> 6

    @property
    def diagnostic(self) -> int:
        return self.octets[0] & 0x1F

    @property
    def flags(self) -> int:
        return self.octets[1] & 0x3F

    @property
    def discriminators(self) -> tuple[int, int]:
        return struct.unpack("!II", self.octets[4:12])

    @property
    def intervals(self) -> tuple[int, int, int]:
        return struct.unpack("!III", self.octets[12:24])


class Watcher:
    """The BFD of one neighbour. It asks for so much patience that it need not be quick."""

    def __init__(self, address: str, theirs: str) -> None:
        self.mine = next(_DISCRIMINATORS)
        self.yours = 0
        self._theirs = theirs
        self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        self._receiver.bind((address, 3784))
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender.bind((address, 0))

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()

    def packet(
        self, state: int, flags: int = 0, *, multiplier: int = 255, tx: int = SECOND, rx: int = 1
    ) -> bytearray:
        head = (0x20, state << 6 | flags, multiplier, 24)
        return bytearray(struct.pack("!BBBBIIIII", *head, self.mine, self.yours, tx, rx, 0))

    def send(self, octets: bytes, ttl: int = 255) -> None:
        self._sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        self._sender.sendto(octets, (self._theirs, 3784))

    def say(self, state: int, flags: int = 0, **words: int) -> None:
        self.send(self.packet(state, flags, **words))

    def hear(self, accept: Callable[[Heard], bool] = lambda _: True) -> Heard:
        """The next packet of vipd that will do."""
        until = time.monotonic() + PATIENCE
        while True:
            self._receiver.settimeout(max(0.001, until - time.monotonic()))
            octets, ancillary, _, source = self._receiver.recvmsg(512, 64)
            ttls = [
                int.from_bytes(content, "little") for _, kind, content in ancillary if kind == socket.IP_TTL
            ]
            heard = Heard(octets, source, *ttls)
            self.yours = heard.discriminators[0]
            if accept(heard):
                return heard

    def hear_state(self, state: int) -> Heard:
        return self.hear(lambda heard: heard.state == state)

    def come_up(self) -> None:
        """The three-way handshake (section 6.2), and vipd's change of pace agreed to."""
        self.hear()
        self.say(DOWN)
        self.hear_state(INIT)
        self.say(INIT)
        while self.hear_state(UP).flags & POLL:
            self.say(UP, FINAL)


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A vipd that watches its neighbours, by one address of its own."""
    pod = Pod(tmp_path_factory.mktemp("pod"))
    pod.neighbor("watched", count=24, bfd=True, hold_time=90)
    pod.start()
    yield pod
    pod.close()


@pytest.fixture
def tor(pod: Pod) -> Iterator[Tor]:
    """A neighbour that no other test has."""
    yield pod.tor("watched")
    pod.rest()


@pytest.fixture
def watcher(pod: Pod, tor: Tor) -> Iterator[Watcher]:
    watcher = Watcher(tor.address, pod.address)
    yield watcher
    watcher.close()


def established(tor: Tor) -> Conversation:
    conversation = tor.meet()
    conversation.establish()
    return conversation


def watched(pod: Pod, tor: Tor, look: Callable[[dict], bool]) -> dict:
    """What vipd tells of the BFD session, once that will do."""
    until = time.monotonic() + PATIENCE
    while not look(found := pod.status(tor)["bfd"]):
        assert time.monotonic() < until, found
        time.sleep(0.02)
    return found


def test_the_first_packets_are_slow_and_know_nobody(watcher: Watcher) -> None:
    heard = watcher.hear()
    assert heard.octets[:4] == bytes((0x20, DOWN << 6, 3, 24))
    assert heard.discriminators[0] != 0
    assert heard.discriminators[1] == 0
    assert heard.intervals == (SECOND, 300_000, 0)


def test_packets_come_as_rfc_5881_has_it(watcher: Watcher) -> None:
    first, second = watcher.hear(), watcher.hear()
    assert first.ttl == 255
    assert 49152 <= first.source[1] <= 65535
    assert first.source == second.source


def test_sessions_have_ports_and_discriminators_of_their_own(pod: Pod) -> None:
    heard = []
    for tor in (pod.tor("watched"), pod.tor("watched")):
        with contextlib.closing(Watcher(tor.address, pod.address)) as watcher:
            heard.append(watcher.hear())
    assert heard[0].source[1] != heard[1].source[1]
    assert heard[0].discriminators[0] != heard[1].discriminators[0]


def test_the_handshake_and_the_change_of_pace(pod: Pod, tor: Tor, watcher: Watcher) -> None:
    watcher.hear()
    watcher.say(DOWN)
    init = watcher.hear_state(INIT)
    assert init.discriminators[1] == watcher.mine
    assert init.intervals[0] == SECOND
    watcher.say(INIT)
    up = watcher.hear_state(UP)
    assert (up.flags, up.intervals) == (POLL, (300_000, 300_000, 0))
    watcher.say(UP, FINAL)
    watcher.hear(lambda heard: heard.flags == 0)
    assert watched(pod, tor, lambda found: found["state"] == "Up")["detection_time"] == 255.0


def test_a_poll_is_answered_at_once_with_final_alone(watcher: Watcher) -> None:
    watcher.come_up()
    watcher.say(UP, POLL, rx=0)  # no periodic packets, please
    heard = watcher.hear(lambda heard: bool(heard.flags & FINAL))
    assert heard.flags == FINAL


def test_who_wants_no_packets_gets_none(watcher: Watcher) -> None:
    watcher.come_up()
    watcher.say(UP, POLL, rx=0)
    watcher.hear(lambda heard: bool(heard.flags & FINAL))
    watcher._receiver.settimeout(1.0)  # thrice the interval
    with pytest.raises(TimeoutError):
        watcher._receiver.recv(512)


def test_down_ends_the_bgp_session_with_cease_bfd_down(tor: Tor, watcher: Watcher) -> None:
    conversation = established(tor)
    watcher.come_up()
    watcher.say(DOWN)
    assert watcher.hear_state(DOWN).diagnostic == 3  # Neighbor Signaled Session Down
    assert conversation.refused() == (6, 10, b"")  # RFC 9384


def test_silence_ends_it_too(tor: Tor, watcher: Watcher) -> None:
    conversation = established(tor)
    watcher.come_up()
    watcher.say(UP, multiplier=1, tx=1)  # for 300 ms
    down = watcher.hear_state(DOWN)
    assert (down.diagnostic, down.discriminators[1]) == (1, 0)  # Control Detection Time Expired
    assert conversation.refused() == (6, 10, b"")


def test_admin_down_ends_bfd_and_no_bgp_session(tor: Tor, watcher: Watcher) -> None:
    conversation = established(tor)
    watcher.come_up()
    watcher.say(ADMIN_DOWN)
    assert watcher.hear_state(DOWN).diagnostic == 3
    conversation.stands()


def test_bgp_waits_for_no_bfd(tor: Tor, watcher: Watcher) -> None:
    watcher.hear()
    established(tor).stands()


# Section 6.8.6 in its order, and section 5 of RFC 5881: octets to change in a packet that says Down, its TTL,
# and why vipd drops it.
DROPPED = {
    "ttl-254": ({}, 254, "ttl"),
    "version-0": ({0: 0x00}, 255, "version"),
    "version-2": ({0: 0x40}, 255, "version"),
    "length-23": ({3: 23}, 255, "length"),
    "longer-than-the-datagram": ({3: 25}, 255, "length"),
    "authenticated-without-room": ({1: DOWN << 6 | AUTHENTICATED}, 255, "length"),
    "multiplier-0": ({2: 0}, 255, "multiplier"),
    "multipoint": ({1: DOWN << 6 | MULTIPOINT}, 255, "multipoint"),
    "my-discriminator-0": (dict.fromkeys(range(4, 8), 0), 255, "my_discriminator"),
    "your-discriminator-of-nobody": (dict.fromkeys(range(8, 12), 0xAA), 255, "your_discriminator"),
    "your-discriminator-0-and-up": ({1: UP << 6, **dict.fromkeys(range(8, 12), 0)}, 255, "state"),
    "your-discriminator-0-and-init": ({1: INIT << 6, **dict.fromkeys(range(8, 12), 0)}, 255, "state"),
}


def test_what_is_dropped_changes_nothing(pod: Pod, tor: Tor, watcher: Watcher) -> None:
    """All rows over one session, which would be Down by any of them."""
    conversation = established(tor)
    watcher.come_up()
    told: dict[str, int] = {}
    for row, (changes, ttl, reason) in DROPPED.items():
        octets = watcher.packet(DOWN)
        for at, value in changes.items():
            octets[at] = value
        watcher.send(octets, ttl)
        told[reason] = told.get(reason, 0) + 1
        found = watched(pod, tor, lambda found: found["dropped"] == told)
        assert found["state"] == "Up", row
    octets = watcher.packet(DOWN, AUTHENTICATED) + bytes((1, 2))
    octets[3] = 26
    watcher.send(octets)
    assert watched(pod, tor, lambda found: "authentication" in found["dropped"])["state"] == "Up"
    conversation.stands()


def test_a_peer_that_begins_anew_is_met_anew(tor: Tor, watcher: Watcher) -> None:
    watcher.come_up()
    watcher.mine, watcher.yours = next(_DISCRIMINATORS), 0
    watcher.say(DOWN)
    assert watcher.hear_state(DOWN).discriminators[1] == watcher.mine
    watcher.come_up()


def test_a_reload_that_drops_bfd_says_so_and_leaves_bgp_alone(own_pod: Callable[..., Pod]) -> None:
    pod = own_pod()
    pod.neighbor("watched", bfd=True, hold_time=90)
    pod.start()
    tor = pod.tor("watched")
    with contextlib.closing(Watcher(tor.address, pod.address)) as watcher:
        conversation = established(tor)
        watcher.come_up()
        pod.change(tor.name, bfd_interval=0.2)
        pod.reload()
        polled = watcher.hear(lambda heard: bool(heard.flags & POLL))
        assert polled.intervals == (200_000, 200_000, 0)
        watcher.say(UP, FINAL)
        pod.change(tor.name, bfd=False)
        pod.reload()
        assert watcher.hear_state(ADMIN_DOWN).diagnostic == 7
        assert watcher.hear_state(ADMIN_DOWN).intervals[0] == SECOND  # and again, for the first may be lost
        conversation.stands()


def test_who_leaves_says_cease_and_then_admin_down(own_pod: Callable[..., Pod]) -> None:
    pod = own_pod()
    pod.neighbor("watched", bfd=True, hold_time=90)
    pod.start()
    tor = pod.tor("watched")
    with contextlib.closing(Watcher(tor.address, pod.address)) as watcher:
        conversation = established(tor)
        watcher.come_up()
        pod.signal(signal.SIGTERM)
        assert conversation.last_words()[-1].error[:2] == (6, 2)
        conversation.close()
        assert watcher.hear_state(ADMIN_DOWN).diagnostic == 7
        assert pod.process.wait(PATIENCE) == 0
