"""RFC 5880 section 6.8, read as a table; then what the table cannot show: octets, timers, negotiation."""

from dataclasses import replace

import pytest

from vipd.bfd.fsm import GRACE, LATE, Change, Down, Fsm, Over, Received, Stop, Tick, Transmit, Up
from vipd.bfd.packet import ControlPacket, Diagnostic, State
from vipd.bfd.peer import BfdPeer, Pace

PEER = BfdPeer(name="tor-a", address="10.0.0.1", pace=Pace(interval=0.3, multiplier=3))
OURS, THEIRS = 0x11, 0x22


def packet(state=State.UP, **fields):
    """What the peer says: at 100 ms, thrice."""
    usual = {"multiplier": 3, "desired_min_tx": 0.1, "required_min_rx": 0.1}
    return ControlPacket(
        **{"my_discriminator": THEIRS, "your_discriminator": OURS, **usual, **fields, "state": state}
    )


def heard(state=State.UP, at=0.0, **fields):
    return Received(packet=packet(state, **fields), at=at)


def machine(peer=PEER, jitter=1.0):
    fsm = Fsm(peer, OURS, lambda: jitter, 0.0)
    fsm.handle(Tick(), 0.0)
    return fsm


def at(state, peer=PEER, jitter=1.0, *, agreed=False, **fields):
    """A machine that was led to a state, all at one moment; `agreed`: and its Poll was answered."""
    fsm = machine(peer, jitter)
    way = {
        State.DOWN: (),
        State.INIT: (State.DOWN,),
        State.UP: (State.DOWN, State.INIT),
        State.ADMIN_DOWN: (),
    }
    for said in way[state]:
        fsm.handle(heard(said, **fields), 0.0)
    if state is State.ADMIN_DOWN:
        fsm.handle(Stop(), 0.0)
    if agreed:
        fsm.handle(heard(state, final=True, **fields), 0.0)
    assert fsm.state is state
    return fsm


def said(actions):
    return [ControlPacket.decode(action.octets) for action in actions if isinstance(action, Transmit)]


def word(action):
    """An action in the table's words: a packet by its state, and P or F."""
    match action:
        case Transmit(octets=octets):
            sent = ControlPacket.decode(octets)
            return f"{sent.state}{'+P' * sent.poll}{'+F' * sent.final}"
        case Down():
            return f"down:{int(action.diagnostic)}{':deliberate' * action.deliberate}"
        case _:
            return type(action).__name__.lower()


EVENTS = {
    "AdminDown": heard(State.ADMIN_DOWN),
    "Down": heard(State.DOWN),
    "Init": heard(State.INIT),
    "Up": heard(State.UP),
    "AdminDown+P": heard(State.ADMIN_DOWN, poll=True),
    "Down+P": heard(State.DOWN, poll=True),
    "Init+P": heard(State.INIT, poll=True),
    "Up+P": heard(State.UP, poll=True),
    "stop": Stop(),
    "faster": Change(pace=Pace(interval=0.1)),
    "early-tick": Tick(),
    "silence": Tick(),  # until the detection time is over
}

# The state, the event, the new state, the actions. `+P`: our change of pace on entering or leaving Up.
TABLE = """
AdminDown  AdminDown    AdminDown
AdminDown  Down         AdminDown
AdminDown  Init         AdminDown
AdminDown  Up           AdminDown
AdminDown  AdminDown+P  AdminDown
AdminDown  Down+P       AdminDown
AdminDown  Init+P       AdminDown
AdminDown  Up+P         AdminDown
AdminDown  stop         AdminDown
AdminDown  faster       AdminDown
AdminDown  early-tick   AdminDown
AdminDown  silence      AdminDown  over

Down       AdminDown    Down
Down       Down         Init       Init
Down       Init         Up         Up+P up
Down       Up           Down
Down       AdminDown+P  Down       Down+F
Down       Down+P       Init       Init+F
Down       Init+P       Up         Up+F up
Down       Up+P         Down       Down+F
Down       stop         AdminDown  AdminDown
Down       faster       Down
Down       early-tick   Down
Down       silence      Down       Down

Init       AdminDown    Down       Down
Init       Down         Init
Init       Init         Up         Up+P up
Init       Up           Up         Up+P up
Init       AdminDown+P  Down       Down+F
Init       Down+P       Init       Init+F
Init       Init+P       Up         Up+F up
Init       Up+P         Up         Up+F up
Init       stop         AdminDown  AdminDown
Init       faster       Init
Init       early-tick   Init
Init       silence      Down       Down

Up         AdminDown    Down       Down+P down:3:deliberate
Up         Down         Down       Down+P down:3
Up         Init         Up
Up         Up           Up
Up         AdminDown+P  Down       Down+F down:3:deliberate
Up         Down+P       Down       Down+F down:3
Up         Init+P       Up         Up+F
Up         Up+P         Up         Up+F
Up         stop         AdminDown  AdminDown down:7:deliberate
Up         faster       Up
Up         early-tick   Up
Up         silence      Down       Down down:1
"""
ROWS = [line.split(maxsplit=3) for line in TABLE.splitlines() if line]


def test_the_table_is_whole():
    assert {(state, event) for state, event, *_ in ROWS} == {(str(s), e) for s in State for e in EVENTS}


@pytest.mark.parametrize(
    ("state", "event", "after", "actions"),
    [(state, event, after, " ".join(actions)) for state, event, after, *actions in ROWS],
    ids=[f"{state}-{event}" for state, event, *_ in ROWS],
)
def test_the_table(state, event, after, actions):
    fsm = at(next(each for each in State if str(each) == state), agreed=state == "Up")
    now = fsm.deadline - 0.01
    if event == "silence":
        # To the last timer; the session's own packets on the way there are not of interest.
        while fsm.deadline < (0.89 if fsm.detection_time else 3.0):
            fsm.handle(Tick(), fsm.deadline)
        now = fsm.deadline
    answer = fsm.handle(EVENTS[event], now)
    assert (str(fsm.state), " ".join(map(word, answer))) == (after, actions)


# ---- the way up ----


def test_the_first_packet_goes_at_once_and_knows_nobody():
    fsm = Fsm(PEER, OURS, lambda: 0.0, 5.0)
    assert fsm.deadline == 5.0
    assert said(fsm.handle(Tick(), 5.0)) == [
        ControlPacket(
            state=State.DOWN, my_discriminator=OURS, multiplier=3, desired_min_tx=1.0, required_min_rx=0.3
        )
    ]


def test_until_up_we_are_slow_and_then_ask_for_our_pace():
    fsm = machine()
    (init,) = said(fsm.handle(heard(State.DOWN), 0.0))
    assert (init.your_discriminator, init.desired_min_tx, init.poll) == (THEIRS, 1.0, False)
    assert fsm.transmit_interval == 1.0
    (up,) = said(fsm.handle(heard(State.INIT), 0.0))
    assert (up.desired_min_tx, up.required_min_rx, up.poll) == (0.3, 0.3, True)
    assert fsm.transmit_interval == 0.3


def test_a_pace_slower_than_slow_needs_no_poll():
    peer = replace(PEER, pace=Pace(interval=2.0))
    (up,) = said(at(State.INIT, peer).handle(heard(State.UP), 0.0))
    assert (up.desired_min_tx, up.poll) == (2.0, False)


# ---- Poll Sequences: sections 6.5 and 6.8.3 ----


def test_the_poll_is_repeated_with_the_periodic_packets_until_it_is_answered():
    fsm = at(State.UP)
    for _ in range(3):
        (periodic,) = said(fsm.handle(Tick(), fsm.deadline))
        assert periodic.poll
        fsm.handle(heard(at=fsm.deadline), fsm.deadline)
    assert fsm.handle(heard(final=True), fsm.deadline) == []
    (periodic,) = said(fsm.handle(Tick(), fsm.deadline))
    assert not periodic.poll


def test_an_answer_to_a_poll_is_no_poll_and_moves_no_timer():
    fsm = at(State.UP)  # with a Poll of its own under way
    due = fsm.deadline
    (answer,) = said(fsm.handle(heard(poll=True, at=0.1), 0.1))
    assert (answer.final, answer.poll) == (True, False)
    assert fsm.deadline == due


def test_an_answer_that_nobody_asked_for_is_nothing():
    fsm = at(State.UP, agreed=True)
    assert fsm.handle(heard(final=True), 0.1) == []


def test_slower_is_told_at_once_and_done_when_the_peer_knows():
    fsm = at(State.UP, agreed=True)
    fsm.handle(Change(pace=Pace(interval=0.5)), 0.0)
    assert (fsm.transmit_interval, fsm.detection_time) == (0.3, 1.5)
    (periodic,) = said(fsm.handle(Tick(), fsm.deadline))
    assert (periodic.desired_min_tx, periodic.required_min_rx, periodic.poll) == (0.5, 0.5, True)
    fsm.handle(heard(final=True), 0.3)
    assert (fsm.transmit_interval, fsm.detection_time) == (0.5, 1.5)


def test_faster_is_done_at_once_and_expected_when_the_peer_knows():
    fsm = at(State.UP, agreed=True)
    fsm.handle(Change(pace=Pace(interval=0.1)), 0.0)
    assert (fsm.transmit_interval, fsm.detection_time) == (0.1, pytest.approx(0.9))
    assert fsm.deadline == pytest.approx(0.1)
    fsm.handle(heard(final=True), 0.1)
    assert (fsm.transmit_interval, fsm.detection_time) == (0.1, pytest.approx(0.3))


def test_a_change_during_a_poll_is_polled_for_on_its_own():
    fsm = at(State.UP, agreed=True)
    fsm.handle(Change(pace=Pace(interval=0.5)), 0.0)
    fsm.handle(Change(pace=Pace(interval=0.6)), 0.0)
    fsm.handle(heard(final=True), 0.0)  # may be of the first
    assert fsm.transmit_interval == 0.3
    (periodic,) = said(fsm.handle(Tick(), fsm.deadline))
    assert (periodic.desired_min_tx, periodic.poll) == (0.6, True)
    fsm.handle(heard(final=True), 0.3)
    assert fsm.transmit_interval == 0.6


def test_a_new_multiplier_needs_no_poll():
    fsm = at(State.UP, agreed=True)
    assert fsm.handle(Change(pace=Pace(interval=0.3, multiplier=5)), 0.0) == []
    (periodic,) = said(fsm.handle(Tick(), fsm.deadline))
    assert (periodic.multiplier, periodic.poll) == (5, False)


def test_a_change_while_down_holds_at_once():
    fsm = at(State.DOWN)
    fsm.handle(Change(pace=Pace(interval=2.0)), 0.0)
    assert fsm.transmit_interval == 2.0


# ---- transmission: section 6.8.7 ----


@pytest.mark.parametrize(
    ("multiplier", "jitter", "share"), [(3, 0.0, 0.75), (3, 1.0, 1.0), (1, 0.0, 0.75), (1, 1.0, 0.9)]
)
def test_intervals_are_shortened_by_chance(multiplier, jitter, share):
    fsm = at(State.UP, replace(PEER, pace=Pace(interval=0.3, multiplier=multiplier)), jitter, agreed=True)
    assert fsm.deadline == pytest.approx(0.3 * share)
    fsm.handle(Tick(), fsm.deadline)
    assert fsm.deadline == pytest.approx(2 * 0.3 * share)


def test_the_peer_may_want_fewer_packets_than_we_would_send():
    fsm = at(State.UP, required_min_rx=0.7)
    assert fsm.transmit_interval == 0.7


def test_a_shorter_interval_counts_from_the_last_packet():
    fsm = at(State.UP, agreed=True, required_min_rx=2.0)
    assert fsm.transmit_interval == 2.0
    fsm.handle(heard(required_min_rx=0.1, at=0.2), 0.2)
    assert fsm.deadline == pytest.approx(0.3)
    fsm.handle(heard(required_min_rx=2.0, at=0.2), 0.2)
    fsm.handle(heard(required_min_rx=0.1, at=0.9), 0.9)
    assert fsm.deadline == 0.9


def test_a_peer_that_wants_no_packets_gets_none_but_answers_and_changes():
    fsm = at(State.UP, agreed=True, required_min_rx=0.0)
    assert fsm.transmit_interval is None
    assert fsm.handle(Tick(), 0.8) == []
    assert said(fsm.handle(heard(required_min_rx=0.0, poll=True, at=0.8), 0.8))
    assert said(fsm.handle(heard(State.DOWN, required_min_rx=0.0, at=0.8), 0.8))
    fsm.handle(heard(State.DOWN, at=0.9), 0.9)
    assert fsm.transmit_interval == 1.0


def test_a_peer_in_demand_mode_gets_no_periodic_packets_once_both_are_up():
    fsm = at(State.INIT, demand=True)
    assert fsm.transmit_interval == 1.0
    fsm.handle(heard(State.INIT, demand=True), 0.0)
    fsm.handle(heard(State.INIT, demand=True, final=True), 0.0)
    assert fsm.transmit_interval == 0.3, "it is not Up yet"
    fsm.handle(heard(State.UP, demand=True), 0.0)
    assert fsm.transmit_interval is None
    fsm.handle(Change(pace=Pace(interval=0.2)), 0.0)
    assert fsm.transmit_interval == 0.2, "a Poll Sequence is periodic even so"
    fsm.handle(heard(State.UP, demand=True, final=True), 0.0)
    assert fsm.transmit_interval is None


# ---- detection: section 6.8.4 ----


@pytest.mark.parametrize(
    ("theirs", "multiplier", "expected"), [(0.1, 3, 0.9), (0.5, 3, 1.5), (0.1, 1, 0.3), (0.0, 2, 0.6)]
)
def test_the_detection_time_is_of_their_multiplier_and_the_slower_wish(theirs, multiplier, expected):
    fsm = at(State.UP, agreed=True, desired_min_tx=theirs, multiplier=multiplier)
    assert fsm.detection_time == pytest.approx(expected)


def test_whoever_is_lost_is_forgotten():
    fsm = at(State.UP, required_min_rx=5.0)  # and our Poll is unanswered
    assert fsm.deadline == pytest.approx(0.9)
    down, lost = fsm.handle(Tick(), fsm.deadline)
    (sent,) = said([down])
    assert (sent.state, sent.diagnostic, sent.your_discriminator, sent.poll) == (State.DOWN, 1, 0, False)
    assert lost == Down(diagnostic=Diagnostic.DETECTION_TIME_EXPIRED, remote_diagnostic=0, deliberate=False)
    assert (fsm.transmit_interval, fsm.detection_time) == (1.0, None)
    (periodic,) = said(fsm.handle(Tick(), fsm.deadline))
    assert (periodic.desired_min_tx, periodic.poll) == (1.0, False)


def test_a_peer_that_fell_silent_while_down_is_forgotten_without_a_word():
    fsm = machine()
    fsm.handle(heard(State.ADMIN_DOWN, required_min_rx=0.0), 0.0)
    assert (fsm.transmit_interval, fsm.deadline) == (None, pytest.approx(0.9))
    assert fsm.handle(Tick(), fsm.deadline) == []
    assert fsm.transmit_interval == 1.0
    assert not said(fsm.handle(Tick(), fsm.deadline))[0].your_discriminator


def test_a_packet_counts_from_its_arrival():
    fsm = at(State.UP, agreed=True, required_min_rx=5.0)
    fsm.handle(heard(at=0.5, required_min_rx=5.0), 0.8)
    assert fsm.deadline == pytest.approx(1.4)


def test_a_tick_that_comes_late_gives_the_peer_a_last_chance():
    fsm = at(State.UP, agreed=True, required_min_rx=5.0)
    late = 0.9 + LATE
    assert fsm.handle(Tick(), late) == []
    assert fsm.deadline == pytest.approx(late + GRACE)
    fsm.handle(heard(at=late, required_min_rx=5.0), late)
    assert fsm.state is State.UP
    assert fsm.deadline == pytest.approx(late + 0.9)


@pytest.mark.parametrize("later", [0.0, 10.0])
def test_that_chance_is_given_once(later):
    fsm = at(State.UP, agreed=True, required_min_rx=5.0)
    fsm.handle(Tick(), 0.9 + LATE)
    fsm.handle(Tick(), fsm.deadline + later)
    assert fsm.state is State.DOWN


def test_and_again_to_a_peer_that_took_it():
    fsm = at(State.UP, agreed=True, required_min_rx=5.0)
    fsm.handle(Tick(), 1.0)
    fsm.handle(heard(at=1.0, required_min_rx=5.0), 1.0)
    fsm.handle(Tick(), 2.0)
    assert fsm.state is State.UP


def test_what_is_due_is_sent_however_late_it_is():
    fsm = at(State.UP, agreed=True)
    assert said(fsm.handle(Tick(), 5.0))
    assert fsm.state is State.UP


# ---- going: section 6.8.16 ----


def test_who_goes_says_so_for_a_while():
    fsm = at(State.UP, agreed=True)
    sent = said(fsm.handle(Stop(), 10.0))
    while True:
        actions = fsm.handle(Tick(), fsm.deadline)
        if actions == [Over()]:
            break
        sent += said(actions)
    assert len(sent) == 3
    assert {(each.state, each.diagnostic, each.your_discriminator) for each in sent} == {
        (State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN, THEIRS)
    }
    assert fsm.deadline is None


def test_who_goes_hears_to_whom_it_says_so():
    fsm = at(State.ADMIN_DOWN)
    fsm.handle(heard(State.DOWN, my_discriminator=0x33, final=True), 0.0)
    assert said(fsm.handle(Tick(), fsm.deadline))[0].your_discriminator == 0x33


# ---- what is seen ----


def test_the_status_tells_both_sides():
    fsm = at(State.UP, agreed=True)
    fsm.handle(heard(State.DOWN, diagnostic=Diagnostic.PATH_DOWN, at=2.0), 2.0)
    status = fsm.status()
    assert (status.state, status.since, status.diagnostic) == (
        State.DOWN,
        2.0,
        Diagnostic.NEIGHBOR_SIGNALED_DOWN,
    )
    assert (status.remote_state, status.remote_diagnostic) == (State.DOWN, Diagnostic.PATH_DOWN)
    assert (status.discriminator, status.remote_discriminator) == (OURS, THEIRS)
    assert (status.transmit_interval, status.detection_time) == (1.0, pytest.approx(0.9))
    assert (status.ups, status.downs, status.sent, status.received) == (1, 1, 4, 4)


def test_a_session_that_works_again_has_no_diagnostic():
    fsm = at(State.UP)
    fsm.handle(heard(State.DOWN), 1.0)
    fsm.handle(heard(State.DOWN), 1.1)
    actions = fsm.handle(heard(State.UP), 1.2)
    assert Up() in actions
    assert fsm.status().diagnostic is Diagnostic.NONE
