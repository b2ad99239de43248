"""Laws of BFD: what is written is read; no history breaks the machine; two machines find each other."""

from collections import deque
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from vipd.bfd.demux import Demultiplexer
from vipd.bfd.fsm import Change, Down, Fsm, Received, Stop, Tick, Transmit
from vipd.bfd.packet import ControlPacket, Discarded, State
from vipd.bfd.peer import SLOW, BfdPeer, Pace

PEER = BfdPeer(name="tor-a", address="10.0.0.1")
OURS = 7

intervals = st.integers(0, 2**32 - 1).map(lambda microseconds: microseconds / 1_000_000)
discriminators = st.integers(1, 2**32 - 1)
packets = st.builds(
    ControlPacket,
    state=st.sampled_from(State),
    my_discriminator=discriminators,
    your_discriminator=st.just(0) | discriminators,
    diagnostic=st.integers(0, 31),
    poll=st.booleans(),
    final=st.booleans(),
    independent=st.booleans(),
    demand=st.booleans(),
    multiplier=st.integers(1, 255),
    desired_min_tx=intervals,
    required_min_rx=intervals,
    required_min_echo_rx=intervals,
)
paces = st.builds(
    Pace, interval=st.sampled_from([0.05, 0.3, 1.0, 2.0]), multiplier=st.sampled_from([1, 3, 255])
)
# A packet may have waited in the socket for some time.
events = st.one_of(
    st.tuples(st.floats(0, 3), packets),
    st.builds(Change, pace=paces),
    st.just(Stop()),
    st.just(Tick()),
    st.just(Tick()),
)
# A pause before each event: none, some time, or until the deadline.
histories = st.lists(st.tuples(st.none() | st.floats(0, 5), events), max_size=60)


@given(packets)
def test_what_is_written_is_read(packet):
    assert ControlPacket.decode(packet.encode()) == packet


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda rest: b"\x20\x40\x03\x18\0\0\0\1" + rest))
def test_any_octets_are_a_packet_or_discarded(octets):
    demultiplexer = Demultiplexer()
    demultiplexer.add(OURS, "10.0.0.1", "session")
    try:
        session, packet = demultiplexer.select(octets, "10.0.0.1", 255)
    except Discarded:
        return
    assert session == "session"
    assert packet.encode() == octets[:24]


def lived(pace, history, seed):
    """Live through a history; yield after each event what it was, and what came of it."""
    fsm = Fsm(BfdPeer(name="tor-a", address="10.0.0.1", pace=pace), OURS, Random(seed).random, 100.0)
    now = 100.0
    for pause, event in history:
        now = now + pause if pause is not None else max(now, fsm.deadline or now)
        told = event
        if isinstance(event, tuple):
            waited, packet = event
            told = Received(packet=packet, at=now - waited)
        before = fsm.state
        yield fsm, told, now, before, fsm.handle(told, now)


@settings(deadline=None)
@given(paces, histories, st.integers(0, 3))
def test_nothing_raises_and_no_deadline_is_left_behind(pace, history, seed):
    for fsm, event, now, _, actions in lived(pace, history, seed):
        if isinstance(event, Tick):
            assert fsm.deadline is None or fsm.deadline > now
        for action in actions:
            if isinstance(action, Transmit):
                sent = ControlPacket.decode(action.octets)
                assert sent.my_discriminator == OURS
                assert not (sent.poll and sent.final)
                assert sent.state is fsm.state
                assert sent.state is State.UP or sent.desired_min_tx >= SLOW


@settings(deadline=None)
@given(paces, histories, st.integers(0, 3))
def test_a_path_is_lost_only_by_leaving_up_without_an_operator(pace, history, seed):
    for fsm, event, _, before, actions in lived(pace, history, seed):
        downs = [action for action in actions if isinstance(action, Down)]
        assert len(downs) == (before is State.UP and fsm.state is not State.UP)
        for down in downs:
            theirs = isinstance(event, Received) and event.packet.state is State.ADMIN_DOWN
            assert down.deliberate is (isinstance(event, Stop) or theirs)


@settings(deadline=None)
@given(paces, histories, st.integers(0, 3))
def test_whoever_is_up_is_watched(pace, history, seed):
    for fsm, *_ in lived(pace, history, seed):
        if fsm.state in (State.INIT, State.UP):
            assert fsm.detection_time is not None
            assert fsm.deadline is not None


class Link:
    """Two machines, and packets between them that take their time in turn, and are lost while `cut`."""

    def __init__(self, a, b, seed, delay):
        self.random = Random(seed)
        self.ends = [
            Fsm(BfdPeer(name="b", address="b", pace=a), 1, self.random.random, 0.0),
            Fsm(BfdPeer(name="a", address="a", pace=b), 2, self.random.random, 0.0),
        ]
        self.delay = delay
        self.cut = False
        self.now = 0.0
        self.downs = []
        self.flying = deque()  # (when it arrives, to whom, octets)

    def run(self, seconds):
        until = self.now + seconds
        while True:
            due = [(end.deadline, index) for index, end in enumerate(self.ends) if end.deadline is not None]
            nearest, who = min(due)
            when, event = nearest, Tick()
            if self.flying and self.flying[0][0] <= nearest:
                when, who, octets = self.flying[0]
                event = Received(packet=ControlPacket.decode(octets), at=when)
            if when > until:
                self.now = until
                return
            if isinstance(event, Received):
                self.flying.popleft()
            self.now = when
            self.handle(who, event)

    def handle(self, who, event):
        for action in self.ends[who].handle(event, self.now):
            if isinstance(action, Transmit) and not self.cut:
                self.flying.append((self.now + self.delay, 1 - who, action.octets))
            elif isinstance(action, Down):
                self.downs.append((who, action))

    def states(self):
        return [end.state for end in self.ends]


usual = st.builds(Pace, interval=st.sampled_from([0.05, 0.3, 0.5]), multiplier=st.integers(2, 5))


@settings(deadline=None, max_examples=50)
@given(usual, usual, usual, st.integers(0, 1000), st.floats(0, 0.02))
def test_two_ends_meet_agree_stay_change_lose_and_find_each_other(a, b, c, seed, delay):
    link = Link(a, b, seed, delay)
    link.run(10)
    assert link.states() == [State.UP, State.UP]
    for ours, theirs, pace in zip(link.ends, reversed(link.ends), (b, a), strict=True):
        slower = max(a.interval, b.interval)
        assert ours.transmit_interval == slower
        assert abs(ours.detection_time - pace.multiplier * slower) < 1e-6
        assert ours.status().remote_discriminator == theirs.discriminator
    link.handle(0, Change(pace=c))
    link.run(10)
    assert link.downs == []
    assert link.ends[1].detection_time == c.multiplier * max(c.interval, b.interval)
    link.cut, began = True, link.now
    link.flying.clear()
    link.run(3 * max(c.interval, b.interval) * 5)
    assert link.states() == [State.DOWN, State.DOWN]
    assert all(not down.deliberate for _, down in link.downs)
    assert link.now > began
    link.cut = False
    link.run(10)
    assert link.states() == [State.UP, State.UP]
    link.downs.clear()
    link.handle(0, Stop())
    link.run(0.1)
    assert [down.deliberate for _, down in link.downs] == [True, True]
