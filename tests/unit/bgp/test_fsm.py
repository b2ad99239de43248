"""RFC 4271 section 8, read as a table; then what the table cannot show: octets, timers, memory."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from vipd.bgp.capabilities import (
    EnhancedRouteRefresh,
    ExtendedMessage,
    FourOctetAs,
    GracefulRestart,
    Multiprotocol,
    RouteRefresh,
)
from vipd.bgp.fsm import (
    Advertise,
    Ask,
    Closed,
    Dial,
    Fsm,
    HangUp,
    Heard,
    History,
    Opened,
    PathDown,
    Received,
    Refresh,
    Start,
    Stop,
    Tick,
    Transmit,
    Up,
)
from vipd.bgp.iana import CeaseError, Family, MessageType, Role
from vipd.bgp.messages import Keepalive, Notification, Open, Update
from vipd.bgp.messages import RouteRefresh as RouteRefreshMessage
from vipd.bgp.peer import Cause, Down, PeerConfig, State
from vipd.bgp.wire import Prefix

CONFIG = PeerConfig(
    name="tor-a",
    address="10.0.0.1",
    local_as=65010,
    router_id=IPv4Address("10.0.0.5"),
    peer_as=65001,
    connect_retry=5.0,
    idle_hold=1.0,
    idle_hold_max=60.0,
    hold_time=9,
)
PASSIVE = PeerConfig(
    name="tor-a",
    address="10.0.0.1",
    local_as=65010,
    router_id=IPv4Address("10.0.0.5"),
    peer_as=65001,
    passive=True,
)
BOTH = (Multiprotocol.of(Family.IPV4), Multiprotocol.of(Family.IPV6))
USUAL = (*BOTH, RouteRefresh())


def open_message(asn=65001, hold_time=90, router_id="10.0.0.1", capabilities=USUAL):
    return Open(
        asn=asn, hold_time=hold_time, router_id=IPv4Address(router_id), capabilities=tuple(capabilities)
    ).encode()


def whole(jitter):
    """An injected jitter that always draws the same."""
    return lambda: jitter


OPENED = Opened(local_address="10.0.0.5", remote_address="10.0.0.1")
STOP = Stop(subcode=CeaseError.ADMINISTRATIVE_SHUTDOWN, text="maintenance")
KEEPALIVE = Keepalive().encode()
UPDATE = Update(family=Family.IPV4).encode(four_octet_as=True)
BAD_UPDATE = b"\xff" * 16 + b"\x00\x17\x02" + b"\x00\x09\x00\x00"  # more withdrawn than there is
NOTIFICATION = Notification(code=6, subcode=4).encode()
REFRESH = RouteRefreshMessage(afi=1, safi=1).encode()
UNSYNCHRONIZED = b"\xfe" + KEEPALIVE[1:]

EVENTS = {
    "start": Start(),
    "start-passive": Start(passive=True),
    "start-later": Start(later=True),
    "stop": STOP,
    "opened": OPENED,
    "closed": Closed(reason="connection refused"),
    "OPEN": Received(octets=open_message()),
    "wrong-OPEN": Received(octets=open_message(asn=65099)),
    "bad-OPEN": Received(octets=open_message(hold_time=1)),
    "NOTIFICATION": Received(octets=NOTIFICATION),
    "KEEPALIVE": Received(octets=KEEPALIVE),
    "UPDATE": Received(octets=UPDATE),
    "bad-UPDATE": Received(octets=BAD_UPDATE),
    "REFRESH": Received(octets=REFRESH),
    "bad-header": Received(octets=UNSYNCHRONIZED),
    "advertise": Advertise(updates=[Update(family=Family.IPV4)]),
    "path-down": PathDown(text="control detection time expired"),
    "ask": Ask(families=[Family.IPV4]),
    "early-tick": Tick(),
}

# The state, the event, the new state, the actions. Timers have tests of their own.
TABLE = """
Idle         start          Connect      Dial
Idle         start-passive  Active
Idle         start-later    Active
Idle         stop           Idle
Idle         opened         Idle         HangUp
Idle         closed         Idle
Idle         OPEN           Idle
Idle         wrong-OPEN     Idle
Idle         bad-OPEN       Idle
Idle         NOTIFICATION   Idle
Idle         KEEPALIVE      Idle
Idle         UPDATE         Idle
Idle         bad-UPDATE     Idle
Idle         REFRESH        Idle
Idle         bad-header     Idle
Idle         advertise      Idle
Idle         path-down      Idle
Idle         ask            Idle
Idle         early-tick     Idle

Connect      start          Connect
Connect      start-passive  Connect
Connect      start-later    Connect
Connect      stop           Idle         HangUp
Connect      opened         OpenSent     OPEN
Connect      closed         Active       closed
Connect      OPEN           Connect
Connect      wrong-OPEN     Connect
Connect      bad-OPEN       Connect
Connect      NOTIFICATION   Connect
Connect      KEEPALIVE      Connect
Connect      UPDATE         Connect
Connect      bad-UPDATE     Connect
Connect      REFRESH        Connect
Connect      bad-header     Connect
Connect      advertise      Connect
Connect      path-down      Connect
Connect      ask            Connect
Connect      early-tick     Connect

Active       start          Active
Active       start-passive  Active
Active       start-later    Active
Active       stop           Idle
Active       opened         OpenSent     OPEN
Active       closed         Active
Active       OPEN           Active
Active       wrong-OPEN     Active
Active       bad-OPEN       Active
Active       NOTIFICATION   Active
Active       KEEPALIVE      Active
Active       UPDATE         Active
Active       bad-UPDATE     Active
Active       REFRESH        Active
Active       bad-header     Active
Active       advertise      Active
Active       path-down      Active
Active       ask            Active
Active       early-tick     Active

OpenSent     start          OpenSent
OpenSent     start-passive  OpenSent
OpenSent     start-later    OpenSent
OpenSent     stop           Idle         NOTIFICATION:6/2 HangUp sent:6/2
OpenSent     opened         OpenSent
OpenSent     closed         Active       HangUp closed
OpenSent     OPEN           OpenConfirm  KEEPALIVE
OpenSent     wrong-OPEN     Idle         NOTIFICATION:2/2 HangUp sent:2/2
OpenSent     bad-OPEN       Idle         NOTIFICATION:2/6 HangUp sent:2/6
OpenSent     NOTIFICATION   Idle         HangUp received:6/4
OpenSent     KEEPALIVE      Idle         NOTIFICATION:5/1:04 HangUp sent:5/1
OpenSent     UPDATE         Idle         NOTIFICATION:5/1:02 HangUp sent:5/1
OpenSent     bad-UPDATE     Idle         NOTIFICATION:5/1:02 HangUp sent:5/1
OpenSent     REFRESH        Idle         NOTIFICATION:5/1:05 HangUp sent:5/1
OpenSent     bad-header     Idle         NOTIFICATION:1/1 HangUp sent:1/1
OpenSent     advertise      OpenSent
OpenSent     path-down      Idle         NOTIFICATION:6/10 HangUp sent:6/10
OpenSent     ask            OpenSent
OpenSent     early-tick     OpenSent

OpenConfirm  start          OpenConfirm
OpenConfirm  start-passive  OpenConfirm
OpenConfirm  start-later    OpenConfirm
OpenConfirm  stop           Idle         NOTIFICATION:6/2 HangUp sent:6/2
OpenConfirm  opened         OpenConfirm
OpenConfirm  closed         Idle         HangUp closed
OpenConfirm  OPEN           Idle         NOTIFICATION:5/2:01 HangUp sent:5/2
OpenConfirm  wrong-OPEN     Idle         NOTIFICATION:5/2:01 HangUp sent:5/2
OpenConfirm  bad-OPEN       Idle         NOTIFICATION:2/6 HangUp sent:2/6
OpenConfirm  NOTIFICATION   Idle         HangUp received:6/4
OpenConfirm  KEEPALIVE      Established  Up
OpenConfirm  UPDATE         Idle         NOTIFICATION:5/2:02 HangUp sent:5/2
OpenConfirm  bad-UPDATE     Idle         NOTIFICATION:5/2:02 HangUp sent:5/2
OpenConfirm  REFRESH        Idle         NOTIFICATION:5/2:05 HangUp sent:5/2
OpenConfirm  bad-header     Idle         NOTIFICATION:1/1 HangUp sent:1/1
OpenConfirm  advertise      OpenConfirm
OpenConfirm  path-down      Idle         NOTIFICATION:6/10 HangUp sent:6/10
OpenConfirm  ask            OpenConfirm
OpenConfirm  early-tick     OpenConfirm

Established  start          Established
Established  start-passive  Established
Established  start-later    Established
Established  stop           Idle         NOTIFICATION:6/2 HangUp sent:6/2
Established  opened         Established
Established  closed         Idle         HangUp closed
Established  OPEN           Idle         NOTIFICATION:5/3:01 HangUp sent:5/3
Established  wrong-OPEN     Idle         NOTIFICATION:5/3:01 HangUp sent:5/3
Established  bad-OPEN       Idle         NOTIFICATION:5/3:01 HangUp sent:5/3
Established  NOTIFICATION   Idle         HangUp received:6/4
Established  KEEPALIVE      Established
Established  UPDATE         Established  Heard
Established  bad-UPDATE     Idle         NOTIFICATION:3/1 HangUp sent:3/1
Established  REFRESH        Established  Refresh:ipv4
Established  bad-header     Idle         NOTIFICATION:1/1 HangUp sent:1/1
Established  advertise      Established  UPDATE
Established  path-down      Idle         NOTIFICATION:6/10 HangUp sent:6/10
Established  ask            Established      ROUTE_REFRESH
Established  early-tick     Established
"""
ROWS = [line.split(maxsplit=3) for line in TABLE.splitlines() if line]


def word(action):
    """An action in the table's words."""
    match action:
        case Transmit(octets=octets):
            said = MessageType(octets[18])
            if said is not MessageType.NOTIFICATION:
                return said.name
            shown = f"NOTIFICATION:{octets[19]}/{octets[20]}"
            return f"{shown}:{octets[21:].hex()}" if octets[19] == 5 else shown
        case Down(cause=Cause.CLOSED):
            return "closed"
        case Down():
            return f"{action.cause}:{action.code}/{action.subcode}"
        case Refresh():
            return f"Refresh:{action.family}"
        case _:
            return type(action).__name__


def words(actions):
    return [word(action) for action in actions]


def at(state, config=CONFIG, *, jitter=1.0, now=0.0, history=None, open_octets=None):
    """A machine that was led to a state, all at one moment."""
    fsm = Fsm(config, whole(jitter), history)
    way = [
        (State.CONNECT, Start()),
        (State.OPEN_SENT, OPENED),
        (State.OPEN_CONFIRM, Received(octets=open_octets or open_message())),
        (State.ESTABLISHED, Received(octets=KEEPALIVE)),
    ]
    if state is State.ACTIVE:
        fsm.handle(Start(), now)
        fsm.handle(Closed(reason="connection refused"), now)
    elif state is not State.IDLE:
        for reached, event in way:
            fsm.handle(event, now)
            if reached is state:
                break
    assert fsm.state is state
    return fsm


def test_the_table_is_whole():
    assert {(state, event) for state, event, *_ in ROWS} == {(str(s), e) for s in State for e in EVENTS}


@pytest.mark.parametrize(
    ("state", "event", "after", "actions"),
    [(state, event, after, " ".join(actions)) for state, event, after, *actions in ROWS],
    ids=[f"{state}-{event}" for state, event, *_ in ROWS],
)
def test_the_table(state, event, after, actions):
    fsm = at(State(state))
    said = fsm.handle(EVENTS[event], 0.5)
    assert (fsm.state, " ".join(words(said))) == (State(after), actions)


# ---- timers: section 8.1.3, section 10 ----


def test_a_dial_without_answer_is_given_up_and_made_again():
    fsm = at(State.CONNECT)
    assert fsm.deadline == 5.0
    said = fsm.handle(Tick(), 5.0)
    assert words(said) == ["HangUp", "closed", "Dial"]
    assert said[1].text == "no answer within 5 s"
    assert (fsm.state, fsm.deadline, fsm.since) == (State.CONNECT, 10.0, 0.0)


def test_a_refused_dial_is_made_again_after_connect_retry_however_often():
    fsm = at(State.CONNECT)
    now = 0.0
    for _ in range(100):
        assert words(fsm.handle(Closed(reason="connection refused"), now)) == ["closed"]
        assert (fsm.state, fsm.deadline) == (State.ACTIVE, now + 5.0)
        now = fsm.deadline
        assert words(fsm.handle(Tick(), now)) == ["Dial"]
        assert fsm.state is State.CONNECT
    assert fsm.history.idle_hold == 0.0


def test_a_passive_one_waits_for_ever():
    fsm = Fsm(PASSIVE, whole(1.0))
    assert fsm.handle(Start(), 0.0) == []
    assert (fsm.state, fsm.deadline) == (State.ACTIVE, None)
    assert words(fsm.handle(OPENED, 7.0)) == ["OPEN"]
    fsm.handle(Closed(reason="closed by peer"), 8.0)
    assert (fsm.state, fsm.deadline) == (State.ACTIVE, None)


def test_a_passive_one_waits_again_after_a_failure():
    fsm = at(State.IDLE, PASSIVE)
    fsm.handle(Start(), 0.0)
    fsm.handle(OPENED, 0.0)
    fsm.handle(Received(octets=UNSYNCHRONIZED), 0.0)
    assert fsm.handle(Tick(), fsm.deadline) == []
    assert fsm.state is State.ACTIVE


@pytest.mark.parametrize(
    ("subcode", "notification", "error"),
    [
        (CeaseError.ADMINISTRATIVE_SHUTDOWN, True, b"\6\x09\6\2\3bye"),
        (CeaseError.PEER_DE_CONFIGURED, True, b"\6\x09\6\3"),
        (CeaseError.OTHER_CONFIGURATION_CHANGE, True, b"\6\6"),
        (CeaseError.ADMINISTRATIVE_SHUTDOWN, False, b"\6\2\3bye"),
    ],
)
def test_who_would_wait_for_us_is_told_that_we_do_not_come_back(subcode, notification, error):
    """RFC 8538 section 3."""
    helper = GracefulRestart(time=120, notification=notification)
    fsm = at(
        State.ESTABLISHED,
        replace(CONFIG, graceful_restart=60),
        open_octets=open_message(capabilities=(*USUAL, helper)),
    )
    said = fsm.handle(Stop(subcode=subcode, text="bye"), 1.0)
    assert said[0].octets[19:] == error


def test_only_the_first_session_since_our_start_is_one_after_a_restart():
    config = replace(CONFIG, graceful_restart=120)
    history = History()
    flags = []
    for _ in range(2):
        fsm = at(State.CONNECT, config, history=history)
        (said,) = fsm.handle(OPENED, 0.0)
        capabilities = Open.decode(said.octets[19:]).capabilities
        flags += [c.restarted for c in capabilities if isinstance(c, GracefulRestart)]
        fsm.handle(Received(octets=open_message() + KEEPALIVE), 0.0)
    assert flags == [True, False]


def test_no_open_within_four_minutes_is_a_hold_timer_expired():
    fsm = at(State.OPEN_SENT)
    assert fsm.deadline == 240.0
    assert words(fsm.handle(Tick(), 240.0)) == ["NOTIFICATION:4/0", "HangUp", "sent:4/0"]


@pytest.mark.parametrize("state", [State.OPEN_CONFIRM, State.ESTABLISHED])
def test_keepalives_at_a_third_of_the_hold_time(state):
    fsm = at(state)
    assert fsm.deadline == 3.0
    assert words(fsm.handle(Tick(), 3.0)) == ["KEEPALIVE"]
    assert fsm.deadline == 6.0
    assert fsm.state is state


@pytest.mark.parametrize("state", [State.OPEN_CONFIRM, State.ESTABLISHED])
def test_silence_for_the_hold_time_ends_the_session(state):
    fsm = at(state)
    fsm.handle(Tick(), 3.0)
    fsm.handle(Tick(), 6.0)
    said = fsm.handle(Tick(), 9.0)  # both are due; the one that was due first comes first
    assert words(said) in (
        ["KEEPALIVE", "NOTIFICATION:4/0", "HangUp", "sent:4/0"],
        ["NOTIFICATION:4/0", "HangUp", "sent:4/0"],
    )
    assert said[-1].text == "Hold Timer Expired: nothing heard for 9 s"
    assert fsm.state is State.IDLE


def test_timers_that_are_due_together_come_earliest_first_and_not_after_the_end():
    fsm = at(State.ESTABLISHED)
    assert words(fsm.handle(Tick(), 100.0)) == ["KEEPALIVE", "NOTIFICATION:4/0", "HangUp", "sent:4/0"]
    fsm = at(State.ESTABLISHED)
    fsm.handle(Tick(), 8.0)  # the next KEEPALIVE is due at 11, the hold time ends at 9
    assert words(fsm.handle(Tick(), 11.0)) == ["NOTIFICATION:4/0", "HangUp", "sent:4/0"]
    assert fsm.deadline == 12.0


@pytest.mark.parametrize("octets", [KEEPALIVE, UPDATE], ids=["KEEPALIVE", "UPDATE"])
def test_what_is_heard_restarts_the_hold_timer(octets):
    fsm = at(State.ESTABLISHED)
    fsm.handle(Tick(), 3.0)
    fsm.handle(Received(octets=octets), 5.0)
    for now in (6.0, 9.0, 12.0):
        assert words(fsm.handle(Tick(), now)) == ["KEEPALIVE"]
    assert fsm.deadline == 14.0


def test_a_route_refresh_restarts_no_timer():
    fsm = at(State.ESTABLISHED)
    fsm.handle(Tick(), 8.0)
    fsm.handle(Received(octets=REFRESH), 8.5)
    assert fsm.deadline == 9.0


def test_an_update_sent_stands_for_a_keepalive():
    fsm = at(State.ESTABLISHED)
    fsm.handle(Advertise(updates=[Update(family=Family.IPV4)]), 2.0)
    assert fsm.deadline == 5.0


def test_nothing_to_advertise_moves_nothing():
    fsm = at(State.ESTABLISHED)
    assert fsm.handle(Advertise(updates=[]), 2.0) == []
    assert fsm.deadline == 3.0


@pytest.mark.parametrize(("ours", "theirs"), [(0, 90), (9, 0), (0, 0)])
def test_a_hold_time_of_zero_makes_no_timer(ours, theirs):
    config = PeerConfig(
        name="tor-a",
        address="10.0.0.1",
        local_as=65010,
        router_id=IPv4Address("10.0.0.5"),
        peer_as=65001,
        hold_time=ours,
    )
    fsm = at(State.OPEN_CONFIRM, config, open_octets=open_message(hold_time=theirs))
    assert fsm.deadline is None
    fsm.handle(Received(octets=KEEPALIVE + UPDATE), 1.0)
    fsm.handle(Advertise(updates=[Update(family=Family.IPV4)]), 2.0)
    assert (fsm.state, fsm.deadline) == (State.ESTABLISHED, None)


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.75), (0.5, 0.875), (1.0, 1.0)])
def test_jitter_takes_up_to_a_quarter(jitter, share):
    assert at(State.CONNECT, jitter=jitter).deadline == 5.0 * share
    assert at(State.ACTIVE, jitter=jitter).deadline == 5.0 * share
    assert at(State.ESTABLISHED, jitter=jitter).deadline == 3.0 * share
    failed = at(State.ESTABLISHED, jitter=jitter)
    failed.handle(Closed(reason="closed by peer"), 0.0)
    assert failed.deadline == 1.0 * share


def test_the_hold_timer_is_exact():
    fsm = at(State.ESTABLISHED, jitter=0.0)
    fsm.handle(Tick(), 8.0)
    assert fsm.deadline == 9.0


def test_keepalives_come_no_faster_than_one_a_second():
    fsm = at(State.ESTABLISHED, jitter=0.0, open_octets=open_message(hold_time=3))
    assert fsm.deadline == 1.0


def test_a_tick_before_its_time_does_nothing():
    fsm = at(State.ESTABLISHED)
    assert fsm.handle(Tick(), 2.999) == []
    assert fsm.deadline == 3.0


# ---- the send hold timer: RFC 9687 ----


def until_send_hold(config, stuck_since, *, hold_time=90):
    """An Established session that hears and speaks, and when the peer took nothing any more; what ends it."""
    fsm = at(State.ESTABLISHED, config, open_octets=open_message(hold_time=hold_time))
    now = 0.0
    while fsm.state is State.ESTABLISHED and now < 10_000:
        now = fsm.deadline
        fsm.handle(Received(octets=KEEPALIVE), now)
        stuck = stuck_since if stuck_since is not None and stuck_since <= now else None
        said = fsm.handle(Tick(stuck_since=stuck), now)
    return now, said, fsm


@pytest.mark.parametrize(
    ("hold_time", "send_hold_time", "after"),
    [(9, None, 480), (240, None, 480), (241, None, 482), (9, 20, 20), (9, 9, 9)],
    ids=["the-default", "twice-as-long-is-no-more", "twice-the-hold-time", "as-configured", "hold-time"],
)
@pytest.mark.parametrize("stuck_since", [0.0, 7.0, 500.0], ids=["at-once", "soon", "later"])
def test_rfc9687_a_peer_that_takes_nothing_is_given_up(hold_time, send_hold_time, after, stuck_since):
    config = replace(CONFIG, hold_time=hold_time, send_hold_time=send_hold_time)
    now, said, fsm = until_send_hold(config, stuck_since, hold_time=hold_time)
    assert now == stuck_since + after
    assert words(said) == ["HangUp", "closed"]  # nothing more is said: it would not get there
    assert said[1].text == f"Send Hold Timer Expired: the peer took nothing of what we say for {after} s"
    assert (said[1].code, said[1].subcode) == (8, 0)
    assert fsm.state is State.IDLE
    assert fsm.deadline == now + 1.0  # the idle hold time
    assert fsm.history.notifications == {}


@pytest.mark.parametrize(
    ("config", "hold_time", "stuck_since"),
    [
        (CONFIG, 90, None),
        (replace(CONFIG, send_hold_time=0), 90, 0.0),
        (replace(CONFIG, send_hold_time=20), 90, None),
    ],
    ids=["nothing-waits", "none-wanted", "a-short-one-and-nothing-waits"],
)
def test_rfc9687_nobody_else_is(config, hold_time, stuck_since):
    assert until_send_hold(config, stuck_since, hold_time=hold_time)[2].state is State.ESTABLISHED


def test_rfc9687_what_was_taken_meanwhile_counts_from_then():
    config = replace(CONFIG, hold_time=3600, send_hold_time=20)
    fsm = at(State.ESTABLISHED, config, open_octets=open_message(hold_time=3600))
    for now, stuck_since, due in ((20.0, 3.0, 23.0), (23.0, 22.5, 42.5), (42.5, None, 62.5)):
        assert fsm.handle(Tick(stuck_since=stuck_since), now) == []
        assert fsm.deadline == due


# ---- the back-off ----


def fail_again_and_again(fsm, times, now=0.0):
    """Bring it to OpenSent and let the peer answer nonsense; the idle hold times that followed."""
    held = []
    for _ in range(times):
        fsm.handle(OPENED, now)
        fsm.handle(Received(octets=UNSYNCHRONIZED), now)
        held.append(fsm.deadline - now)
        now = fsm.deadline
        fsm.handle(Tick(), now)
    return held


def test_the_back_off_is_there_to_be_seen():
    fsm = at(State.CONNECT)
    for after in (1, 2, 4):
        assert fail_again_and_again(fsm, 1, fsm.since) == [after]
        assert fsm.status().back_off == after


def test_the_idle_hold_time_doubles_up_to_its_greatest():
    assert fail_again_and_again(at(State.CONNECT), 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_session_that_did_not_last_does_not_reset_the_back_off():
    history = History(idle_hold=16.0)
    fsm = at(State.ESTABLISHED, history=history)
    fsm.handle(Closed(reason="closed by peer"), 29.9)
    assert fsm.deadline == 29.9 + 32.0


def test_a_stable_session_resets_it():
    history = History(idle_hold=16.0)
    fsm = at(State.ESTABLISHED, history=history)
    fsm.handle(Closed(reason="closed by peer"), 30.0)
    assert fsm.deadline == 31.0


def test_stable_means_a_hold_time_at_least():
    config = PeerConfig(
        name="tor-a",
        address="10.0.0.1",
        local_as=65010,
        router_id=IPv4Address("10.0.0.5"),
        peer_as=65001,
        hold_time=90,
    )
    fsm = at(State.ESTABLISHED, config, history=History(idle_hold=16.0))
    fsm.handle(Closed(reason="closed by peer"), 89.0)
    assert fsm.deadline == 89.0 + 32.0


def test_a_peer_that_accepts_and_closes_is_dialled_less_and_less_often():
    fsm = at(State.CONNECT)
    waits, now = [], 0.0
    for _ in range(8):
        fsm.handle(OPENED, now)
        fsm.handle(Closed(reason="closed by peer"), now)
        assert fsm.state is State.ACTIVE
        waits.append(fsm.deadline - now)
        now = fsm.deadline
        assert words(fsm.handle(Tick(), now)) == ["Dial"]
    assert waits == [5, 5, 5, 8, 16, 32, 60, 60]


def test_who_calls_and_goes_without_a_word_delays_no_call_of_ours():
    fsm = at(State.ACTIVE)
    for _ in range(9):
        fsm.handle(replace(OPENED, accepted=True), 0.0)
        fsm.handle(Closed(reason="closed by peer"), 0.0)
        assert (fsm.state, fsm.deadline) == (State.ACTIVE, 5.0)
    assert fsm.history.idle_hold == 0.0


def test_a_later_start_is_a_dial_after_connect_retry():
    fsm = Fsm(CONFIG, whole(1.0))
    assert fsm.handle(Start(later=True), 2.0) == []
    assert (fsm.state, fsm.deadline) == (State.ACTIVE, 7.0)
    assert words(fsm.handle(Tick(), 7.0)) == ["Dial"]


def test_idle_after_a_failure_ends_by_itself_after_a_stop_it_does_not():
    fsm = at(State.ESTABLISHED)
    fsm.handle(Closed(reason="closed by peer"), 10.0)
    assert fsm.status().retry_at == 11.0
    assert words(fsm.handle(Tick(), 11.0)) == ["Dial"]
    fsm.handle(Closed(reason="connection refused"), 11.0)
    fsm.handle(STOP, 12.0)
    assert (fsm.state, fsm.deadline) == (State.IDLE, None)


def test_a_stop_ends_the_wait_in_idle_too():
    fsm = at(State.ESTABLISHED)
    fsm.handle(Closed(reason="closed by peer"), 10.0)
    fsm.handle(STOP, 10.5)
    assert fsm.deadline is None


def test_a_start_need_not_wait_for_the_idle_hold_time():
    fsm = at(State.ESTABLISHED)
    fsm.handle(Closed(reason="closed by peer"), 10.0)
    assert words(fsm.handle(Start(), 10.2)) == ["Dial"]
    assert fsm.deadline == 15.2


# ---- what is said, and what is remembered ----


def test_the_open_that_is_sent():
    (said,) = Fsm(CONFIG, whole(1.0)).handle(Start(), 0.0)
    assert said == Dial()
    (said,) = at(State.CONNECT).handle(OPENED, 0.0)
    assert said == Transmit(
        octets=Open(
            asn=65010,
            hold_time=9,
            router_id=IPv4Address("10.0.0.5"),
            capabilities=(
                *(*BOTH, RouteRefresh(), EnhancedRouteRefresh(), ExtendedMessage()),
                FourOctetAs(asn=65010),
            ),
        ).encode()
    )


def test_up_carries_what_was_agreed():
    fsm = at(State.OPEN_CONFIRM)
    (up,) = fsm.handle(Received(octets=KEEPALIVE), 1.0)
    assert up == Up(negotiated=fsm.negotiated)
    assert (up.negotiated.peer_as, up.negotiated.hold_time, up.negotiated.keepalive) == (65001, 9, 3.0)


def test_many_messages_in_one_portion_and_one_message_in_many():
    fsm = at(State.OPEN_SENT)
    assert words(fsm.handle(Received(octets=open_message() + KEEPALIVE + UPDATE * 3), 0.0)) == [
        "KEEPALIVE",
        "Up",
        "Heard",
        "Heard",
        "Heard",
    ]
    fsm = at(State.OPEN_SENT)
    said = [fsm.handle(Received(octets=bytes((octet,))), 0.0) for octet in open_message()]
    assert [words(each) for each in said if each] == [["KEEPALIVE"]]


def test_what_comes_before_an_error_counts_and_what_comes_after_it_does_not():
    fsm = at(State.OPEN_CONFIRM)
    said = fsm.handle(Received(octets=KEEPALIVE + UPDATE + UNSYNCHRONIZED + UPDATE), 0.0)
    assert words(said) == ["Up", "Heard", "NOTIFICATION:1/1", "HangUp", "sent:1/1"]


def test_nothing_after_a_notification_is_read():
    fsm = at(State.ESTABLISHED)
    said = fsm.handle(Received(octets=NOTIFICATION + UNSYNCHRONIZED), 0.0)
    assert words(said) == ["HangUp", "received:6/4"]


def test_the_updates_of_one_call_are_one_write():
    fsm = at(State.ESTABLISHED)
    updates = [Update(family=Family.IPV4), Update(family=Family.IPV6)]
    (said,) = fsm.handle(Advertise(updates=updates), 0.0)
    assert said == Transmit(octets=b"".join(update.encode(four_octet_as=False) for update in updates))


def test_a_stop_says_why():
    said = at(State.ESTABLISHED).handle(STOP, 0.0)
    assert said[0] == Transmit(octets=Notification(code=6, subcode=2, data=b"\x0bmaintenance").encode())
    assert said[2].text == "Cease / Administrative Shutdown: maintenance"


def test_only_shutdown_and_reset_carry_words_on_the_wire():
    stop = Stop(subcode=CeaseError.CONNECTION_COLLISION_RESOLUTION, text="the other connection stays")
    said = at(State.OPEN_CONFIRM).handle(stop, 0.0)
    assert said[0] == Transmit(octets=Notification(code=6, subcode=7).encode())
    assert said[2].text == "Cease / Connection Collision Resolution: the other connection stays"


def test_a_stop_without_a_reason():
    said = at(State.ESTABLISHED).handle(Stop(subcode=CeaseError.PEER_DE_CONFIGURED, text=""), 0.0)
    assert said[2].text == "Cease / Peer De-configured"


def test_the_words_of_a_received_shutdown():
    octets = Notification(code=6, subcode=2, data=b"\x07upgrade").encode()
    (_, down) = at(State.ESTABLISHED).handle(Received(octets=octets), 0.0)
    assert down == Down(
        cause=Cause.RECEIVED,
        text="Cease / Administrative Shutdown: upgrade",
        code=6,
        subcode=2,
        data=b"\x07upgrade",
    )


@pytest.mark.parametrize(
    ("code", "subcode", "text"),
    [
        (2, 2, f"OPEN Message Error / Bad Peer AS: it expects another AS of us than {CONFIG.local_as}"),
        (2, 3, f"OPEN Message Error / Bad BGP Identifier: it does not take our router ID {CONFIG.router_id}"),
        (2, 6, "OPEN Message Error / Unacceptable Hold Time"),
        (6, 7, "Cease / Connection Collision Resolution: it has another connection from our address"),
    ],
)
def test_a_received_notification_is_named_and_explained_where_its_name_leaves_that_to_be_guessed(
    code, subcode, text
):
    octets = Notification(code=code, subcode=subcode).encode()
    (_, down) = at(State.OPEN_SENT).handle(Received(octets=octets), 0.0)
    assert (down.cause, down.text) == (Cause.RECEIVED, text)


def test_a_silent_peer_may_have_another_key():
    fsm = Fsm(replace(CONFIG, md5_key=b"secret"), lambda: 1.0)
    fsm.handle(Start(), 0.0)
    down = next(action for action in fsm.handle(Tick(), 5.0) if isinstance(action, Down))
    assert down.text == "no answer within 5 s: it may be down, or have another MD5 key"


@pytest.mark.parametrize(
    ("octets", "code", "subcode", "data"),
    [
        (UNSYNCHRONIZED, 1, 1, b""),
        (KEEPALIVE[:17] + b"\x14" + KEEPALIVE[18:] + b"\0", 1, 2, b"\x00\x14"),
        (KEEPALIVE[:18] + b"\x09", 1, 3, b"\x09"),
        (open_message()[:19] + b"\x03" + open_message()[20:], 2, 1, b"\x00\x04"),
        (open_message(asn=65009), 2, 2, b""),
        (open_message(router_id="0.0.0.0"), 2, 3, b""),
        (open_message()[:28] + b"\x02\x09\x00", 2, 4, None),
        (open_message(hold_time=2), 2, 6, b""),
        (open_message(capabilities=(Multiprotocol(afi=25, safi=70),)), 2, 7, b"\1\4\0\1\0\1\1\4\0\2\0\1"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_errors_in_the_open_exchange(octets, code, subcode, data):
    if octets[18] == MessageType.OPEN:
        octets = octets[:16] + len(octets).to_bytes(2) + octets[18:]
        octets = octets[:28] + bytes((len(octets) - 29,)) + octets[29:]
    said = at(State.OPEN_SENT).handle(Received(octets=octets), 0.0)
    assert words(said)[1:] == ["HangUp", f"sent:{code}/{subcode}"]
    if data is not None:
        assert said[0].octets[21:] == data


def test_refresh_of_a_family_that_was_not_agreed_on_is_not_answered():
    fsm = at(State.ESTABLISHED, open_octets=open_message(capabilities=(BOTH[0], RouteRefresh())))
    assert fsm.handle(Received(octets=RouteRefreshMessage(afi=2, safi=1).encode()), 0.0) == []
    assert fsm.handle(Received(octets=RouteRefreshMessage(afi=1, safi=128).encode()), 0.0) == []
    assert fsm.handle(Received(octets=REFRESH), 0.0) == [Refresh(family=Family.IPV4)]


def test_refresh_may_be_asked_for_by_who_does_not_answer_it():
    """RFC 2918 section 4: our offer is what it takes."""
    fsm = at(State.ESTABLISHED, open_octets=open_message(capabilities=BOTH))
    assert fsm.handle(Received(octets=REFRESH), 0.0) == [Refresh(family=Family.IPV4)]


def test_the_reserved_octet_of_a_refresh_is_ignored():
    """RFC 2918 section 3; a subtype it is where RFC 7313 was agreed on."""
    octets = RouteRefreshMessage(afi=1, safi=1, subtype=1).encode()
    assert at(State.ESTABLISHED).handle(Received(octets=octets), 0.0) == [Refresh(family=Family.IPV4)]


ENHANCED = open_message(capabilities=(*USUAL, EnhancedRouteRefresh()))
SUBTYPES = {  # RFC 7313: what is done about each subtype where that was agreed on
    0: ["Refresh:ipv4"],
    1: [],
    2: [],
    3: [],
    255: [],
}


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_rfc7313_5_subtypes(subtype):
    octets = RouteRefreshMessage(afi=1, safi=1, subtype=subtype).encode()
    fsm = at(State.ESTABLISHED, open_octets=ENHANCED)
    assert words(fsm.handle(Received(octets=octets), 0.0)) == SUBTYPES[subtype]
    assert fsm.state is State.ESTABLISHED


def test_rfc7313_5_a_mark_of_a_wrong_length_ends_the_session():
    wrong = b"\xff" * 16 + b"\0\x18\5\0\1\1\1\0"
    said = at(State.ESTABLISHED, open_octets=ENHANCED).handle(Received(octets=wrong), 0.0)
    assert words(said) == ["NOTIFICATION:7/1", "HangUp", "sent:7/1"]
    assert said[0].octets[21:] == wrong
    for open_octets in (ENHANCED, open_message()):  # in OpenConfirm it is no message at all yet
        said = at(State.OPEN_CONFIRM, open_octets=open_octets).handle(Received(octets=wrong), 0.0)
        assert words(said)[0] == "NOTIFICATION:1/2"


def test_rfc7313_4_marks_are_no_keepalives():
    fsm = at(State.ESTABLISHED, open_octets=ENHANCED)
    mark = RouteRefreshMessage(afi=1, safi=1, subtype=1)
    fsm.handle(Advertise(updates=[mark]), 2.0)
    assert fsm.deadline == 3.0
    (said,) = fsm.handle(Advertise(updates=[mark, Update(family=Family.IPV4)]), 2.0)
    assert said.octets == mark.encode() + UPDATE
    assert fsm.deadline == 5.0
    assert fsm.status().messages["sent", "route_refresh"] == 2


def test_the_status_of_a_session():
    fsm = at(State.OPEN_CONFIRM, now=10.0)
    fsm.handle(Received(octets=KEEPALIVE + UPDATE), 12.0)
    fsm.handle(Advertise(updates=[Update(family=Family.IPV4)] * 2), 12.5)
    status = fsm.status()
    assert (status.state, status.since, status.established_at) == (State.ESTABLISHED, 12.0, 12.0)
    assert (status.established, status.dropped) == (1, 0)
    assert status.local_address == "10.0.0.5"
    assert status.negotiated is fsm.negotiated
    assert status.offered == (
        "multiprotocol ipv4/unicast",
        "multiprotocol ipv6/unicast",
        "route-refresh",
        "enhanced-route-refresh",
        "extended-message",
        "4-octet-as 65010",
    )
    assert status.received == ("multiprotocol ipv4/unicast", "multiprotocol ipv6/unicast", "route-refresh")
    assert status.messages == {
        ("sent", "open"): 1,
        ("received", "open"): 1,
        ("sent", "keepalive"): 1,
        ("received", "keepalive"): 1,
        ("received", "update"): 1,
        ("sent", "update"): 2,
    }
    assert (status.notifications, status.last_error, status.retry_at) == ({}, None, None)


def test_the_status_after_it():
    fsm = at(State.ESTABLISHED, now=10.0)
    fsm.handle(Received(octets=NOTIFICATION), 20.0)
    status = fsm.status()
    assert (status.state, status.since, status.established_at) == (State.IDLE, 20.0, None)
    assert (status.established, status.dropped) == (1, 1)
    assert (status.local_address, status.negotiated, status.received) == (None, None, ())
    assert status.notifications == {("received", 6, 4): 1}
    assert status.messages["received", "notification"] == 1
    assert (status.last_error.cause, status.last_error_at, status.retry_at) == (Cause.RECEIVED, 20.0, 21.0)


def test_what_is_sent_as_a_notification_is_counted():
    fsm = at(State.ESTABLISHED)
    fsm.handle(Received(octets=UNSYNCHRONIZED), 0.0)
    assert fsm.status().notifications == {("sent", 1, 1): 1}
    assert fsm.status().messages["sent", "notification"] == 1


def test_a_snapshot_does_not_change():
    fsm = at(State.ESTABLISHED)
    before = fsm.status()
    fsm.handle(Received(octets=UPDATE), 0.0)
    assert ("received", "update") not in before.messages


def test_two_machines_of_one_peer_share_its_history():
    history = History()
    at(State.ESTABLISHED, history=history)
    accepted = Fsm(CONFIG, whole(1.0), history)
    accepted.handle(Start(passive=True), 0.0)
    accepted.handle(OPENED, 0.0)
    assert accepted.status().messages["sent", "open"] == 2


LONG_UPDATE = b"\xff" * 16 + b"\x10\x05\x02\0\0\0\0" + bytes(4078)  # announces 0.0.0.0/0 only
OVERLONG = {  # RFC 8654 section 4: who offered, and what comes of an UPDATE of 4,101 octets
    "offered-by-both": ((*USUAL, ExtendedMessage()), ["Heard"]),
    "not-offered-by-the-peer": (USUAL, ["NOTIFICATION:1/2", "HangUp", "sent:1/2"]),
}


@pytest.mark.parametrize(("capabilities", "said"), OVERLONG.values(), ids=OVERLONG)
def test_rfc8654_the_larger_limit_is_of_who_both_offered(capabilities, said):
    fsm = at(State.ESTABLISHED, open_octets=open_message(capabilities=capabilities))
    assert len(LONG_UPDATE) == 4101
    assert words(fsm.handle(Received(octets=LONG_UPDATE), 0.0)) == said


def test_rfc8654_the_larger_limit_is_there_for_what_comes_with_the_open():
    fsm = at(State.OPEN_SENT)
    octets = open_message(capabilities=(*USUAL, ExtendedMessage())) + KEEPALIVE + LONG_UPDATE
    assert words(fsm.handle(Received(octets=octets), 0.0)) == ["KEEPALIVE", "Up", "Heard"]


def test_rfc8654_the_larger_limit_ends_with_its_session():
    fsm = at(State.ESTABLISHED, open_octets=open_message(capabilities=(*USUAL, ExtendedMessage())))
    fsm.handle(Closed(reason="closed by peer"), 0.0)
    fsm.handle(Tick(), 60.0)
    fsm.handle(OPENED, 60.0)
    fsm.handle(Received(octets=open_message() + KEEPALIVE), 60.0)
    assert words(fsm.handle(Received(octets=LONG_UPDATE), 60.0))[0] == "NOTIFICATION:1/2"


ATTRIBUTES = bytes.fromhex("40010100 400206 0201 0000fde9 400304 0a000001".replace(" ", ""))


def update(attributes, nlri=b"\x20\xc0\x00\x02\x01"):
    body = b"\0\0" + len(attributes).to_bytes(2) + attributes + nlri
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2) + b"\x02" + body


def test_what_the_peer_announces_is_counted():
    fsm = at(State.ESTABLISHED, open_octets=open_message(capabilities=(*BOTH, FourOctetAs(asn=65001))))
    (heard,) = fsm.handle(Received(octets=update(ATTRIBUTES)), 0.0)
    assert isinstance(heard, Heard)
    assert heard.heard.announced == 1
    fsm.handle(Received(octets=update(b"\x40\x01\x01\x09" + ATTRIBUTES[4:])), 0.0)  # ORIGIN 9
    fsm.handle(Received(octets=update(ATTRIBUTES + b"\xc0\x07\x01\x00")), 0.0)  # AGGREGATOR of one octet
    status = fsm.status()
    assert status.prefixes_received == 2  # a discarded attribute leaves the prefix, ORIGIN 9 does not
    assert (status.treat_as_withdraw, status.attribute_discard) == (1, 1)


def test_rfc9234_what_the_peer_leaks_is_counted_and_not_among_its_prefixes():
    fsm = at(
        State.ESTABLISHED,
        replace(CONFIG, role=Role.PROVIDER),
        open_octets=open_message(capabilities=(*BOTH, FourOctetAs(asn=65001))),
    )
    fsm.handle(Received(octets=update(ATTRIBUTES + bytes.fromhex("c023040000fde9"))), 0.0)
    status = fsm.status()
    assert (status.ineligible, status.prefixes_received, status.treat_as_withdraw) == (1, 0, 0)


def test_hang_up_comes_after_the_last_word():
    said = at(State.ESTABLISHED).handle(STOP, 0.0)
    assert isinstance(said[0], Transmit)
    assert said[1] == HangUp()
    assert isinstance(said[2], Down)


# ---- RFC 4271 section 8.1: every event in every state, by its number; RFC 9687's too ----

# A cell is the state that follows, with what is said: a NOTIFICATION as !code/subcode/data, any other message
# or a dial as +NAME. A dash is where an event cannot come: a timer runs only in some states. Optional events
# that are not here (12, 14, 15, 20: see the docstring of fsm.py) have no row.
BY_NUMBER = """
1  ManualStart              Connect+Dial   Connect       Active        OpenSent               OpenConfirm           Established
2  ManualStop               Idle           Idle          Idle          Idle!6/2               Idle!6/2              Idle!6/2
3  AutomaticStart           Connect+Dial   Connect       Active        OpenSent               OpenConfirm           Established
4  ManualStartPassive       Active         Connect       Active        OpenSent               OpenConfirm           Established
5  AutomaticStartPassive    Active         Connect       Active        OpenSent               OpenConfirm           Established
6  AutomaticStartDamped     Connect+Dial   -             -             -                      -                     -
7  AutoStartDampedPassive   Active         -             -             -                      -                     -
8  AutomaticStop            Idle           Idle          Idle          Idle!6/8               Idle!6/8              Idle!6/8
9  ConnectRetryTimer        -              Connect+Dial  Connect+Dial  -                      -                     -
10 HoldTimer                -              -             -             Idle!4/0               Idle!4/0              Idle!4/0
11 KeepaliveTimer           -              -             -             -                      OpenConfirm+KEEPALIVE Established+KEEPALIVE
13 IdleHoldTimer            Connect+Dial   -             -             -                      -                     -
16 TcpCrAcked               Idle           OpenSent+OPEN OpenSent+OPEN OpenSent               OpenConfirm           Established
17 TcpConnectionConfirmed   Idle           OpenSent+OPEN OpenSent+OPEN OpenSent               OpenConfirm           Established
18 TcpConnectionFails       Idle           Active        Active        Active                 Idle                  Idle
19 BGPOpen                  Idle           Connect       Active        OpenConfirm+KEEPALIVE  Idle!5/2/01           Idle!5/3/01
21 HeaderErr-marker         Idle           Connect       Active        Idle!1/1/              Idle!1/1/             Idle!1/1/
21 HeaderErr-length         Idle           Connect       Active        Idle!1/2/0014          Idle!1/2/0014         Idle!1/2/0014
21 HeaderErr-type           Idle           Connect       Active        Idle!1/3/09            Idle!1/3/09           Idle!1/3/09
22 OpenMsgErr-version       Idle           Connect       Active        Idle!2/1/0004          Idle!2/1/0004         Idle!5/3/01
22 OpenMsgErr-as            Idle           Connect       Active        Idle!2/2/              Idle!5/2/01           Idle!5/3/01
22 OpenMsgErr-as-0          Idle           Connect       Active        Idle!2/2/              Idle!2/2/             Idle!5/3/01
22 OpenMsgErr-identifier    Idle           Connect       Active        Idle!2/3/              Idle!2/3/             Idle!5/3/01
22 OpenMsgErr-parameter     Idle           Connect       Active        Idle!2/4/              Idle!2/4/             Idle!5/3/01
22 OpenMsgErr-hold-time     Idle           Connect       Active        Idle!2/6/              Idle!2/6/             Idle!5/3/01
22 OpenMsgErr-capability    Idle           Connect       Active        Idle!2/7               Idle!5/2/01           Idle!5/3/01
23 OpenCollisionDump        Idle           Idle          Idle          Idle!6/7/              Idle!6/7/             Idle!6/7/
24 NotifMsgVerErr           Idle           Connect       Active        Idle                   Idle                  Idle
25 NotifMsg                 Idle           Connect       Active        Idle                   Idle                  Idle
26 KeepAliveMsg             Idle           Connect       Active        Idle!5/1/04            Established           Established
27 UpdateMsg                Idle           Connect       Active        Idle!5/1/02            Idle!5/2/02           Established
28 UpdateMsgErr             Idle           Connect       Active        Idle!5/1/02            Idle!5/2/02           Idle!3/1/
29 SendHoldTimer            -              -             -             -                      -                     Idle
"""  # noqa: E501 - a table
NUMBERED = {
    (number, name, str(state)): cell
    for number, name, *cells in (line.split() for line in BY_NUMBER.splitlines() if line)
    for state, cell in zip(State, cells, strict=True)
}


def strange(message, *, at_octet, octet):
    return message[:at_octet] + bytes((octet,)) + message[at_octet + 1 :]


HAPPENINGS = {
    "ManualStart": Start(),
    "ManualStop": STOP,
    "AutomaticStart": Start(),
    "ManualStartPassive": Start(passive=True),
    "AutomaticStartPassive": Start(passive=True),
    "AutomaticStartDamped": Tick(),
    "AutoStartDampedPassive": Tick(),
    "AutomaticStop": Stop(subcode=CeaseError.OUT_OF_RESOURCES, text="no memory"),
    "ConnectRetryTimer": Tick(),
    "HoldTimer": Tick(),
    "KeepaliveTimer": Tick(),
    "IdleHoldTimer": Tick(),
    "SendHoldTimer": Tick(stuck_since=0.0),
    "TcpCrAcked": OPENED,
    "TcpConnectionConfirmed": replace(OPENED, accepted=True),
    "TcpConnectionFails": Closed(reason="connection refused"),
    "BGPOpen": Received(octets=open_message()),
    "HeaderErr-marker": Received(octets=UNSYNCHRONIZED),
    "HeaderErr-length": Received(octets=strange(KEEPALIVE, at_octet=17, octet=20)),
    "HeaderErr-type": Received(octets=strange(KEEPALIVE, at_octet=18, octet=9)),
    "OpenMsgErr-version": Received(octets=strange(open_message(), at_octet=19, octet=3)),
    "OpenMsgErr-as": Received(octets=open_message(asn=65099)),
    "OpenMsgErr-as-0": Received(octets=open_message(asn=0)),
    "OpenMsgErr-identifier": Received(octets=open_message(router_id="0.0.0.0")),
    "OpenMsgErr-parameter": Received(octets=strange(open_message(), at_octet=29, octet=1)),
    "OpenMsgErr-hold-time": Received(octets=open_message(hold_time=2)),
    "OpenMsgErr-capability": Received(octets=open_message(capabilities=(Multiprotocol(afi=25, safi=70),))),
    "OpenCollisionDump": Stop(subcode=CeaseError.CONNECTION_COLLISION_RESOLUTION, text="another stays"),
    "NotifMsgVerErr": Received(octets=Notification(code=2, subcode=1, data=b"\0\3").encode()),
    "NotifMsg": Received(octets=NOTIFICATION),
    "KeepAliveMsg": Received(octets=KEEPALIVE),
    "UpdateMsg": Received(octets=UPDATE),
    "UpdateMsgErr": Received(octets=BAD_UPDATE),
}


def told_of(name, state):
    """A machine in this state, to which only this event is left to happen; and when it does."""
    config = replace(CONFIG, send_hold_time=2) if name == "SendHoldTimer" else CONFIG
    if state is State.IDLE and name in ("AutomaticStartDamped", "AutoStartDampedPassive", "IdleHoldTimer"):
        fsm = at(State.ESTABLISHED, replace(CONFIG, passive=True) if "Passive" in name else CONFIG)
        fsm.handle(Closed(reason="closed by peer"), 0.0)
        return fsm, fsm.deadline
    fsm = at(state, config)
    if name == "HoldTimer" and state in (State.OPEN_CONFIRM, State.ESTABLISHED):
        for now in (3.0, 6.0, 8.9):
            fsm.handle(Tick(), now)
        return fsm, 9.0
    return fsm, fsm.deadline if isinstance(HAPPENINGS[name], Tick) else 0.5


@pytest.mark.parametrize(
    ("name", "state", "cell"),
    [(name, state, cell) for (_, name, state), cell in NUMBERED.items() if cell != "-"],
    ids=[f"{number}-{name}-{state}" for (number, name, state), cell in NUMBERED.items() if cell != "-"],
)
def test_rfc4271_8_2_2(name, state, cell):
    fsm, now = told_of(name, State(state))
    said = fsm.handle(HAPPENINGS[name], now)
    after, _, notification = cell.partition("!")
    after, _, message = after.partition("+")
    assert fsm.state is State(after)
    transmitted = [action.octets for action in said if isinstance(action, Transmit)]
    spoken = [MessageType(octets[18]).name for octets in transmitted]
    spoken += ["Dial"] * sum(isinstance(action, Dial) for action in said)
    if notification:
        code, subcode, *octets = notification.split("/")
        assert spoken == ["NOTIFICATION"]
        assert transmitted[0][19:21] == bytes((int(code), int(subcode)))
        assert not octets or transmitted[0][21:] == bytes.fromhex(octets[0])
        assert any(isinstance(action, HangUp) for action in said)
    else:
        assert spoken == ([message] if message else [])


@pytest.mark.parametrize("state", State, ids=str)
def test_rfc4271_8_1_3_which_timers_run(state):
    """Where the table has a dash, no such timer is left: the deadlines of a state are those of its own."""
    fsm = at(state)
    deadlines = {
        State.IDLE: None,
        State.CONNECT: 5.0,  # ConnectRetryTimer
        State.ACTIVE: 5.0,
        State.OPEN_SENT: 240.0,  # HoldTimer
        State.OPEN_CONFIRM: 3.0,  # KeepaliveTimer
        State.ESTABLISHED: 3.0,
    }
    assert fsm.deadline == deadlines[state]


def test_a_peer_that_does_not_refresh_is_not_asked():
    fsm = at(State.ESTABLISHED, open_octets=open_message(capabilities=BOTH))
    assert fsm.handle(Ask(families=[Family.IPV4]), 1.0) == []


def test_what_a_witness_tells_is_passed_on():
    octets = Update(family=Family.IPV4, withdrawn=(Prefix.parse("192.0.2.1"),)).encode(four_octet_as=True)
    for witness, withdrawn in ((True, ((Family.IPV4, Prefix.parse("192.0.2.1").nlri),)), (False, ())):
        fsm = at(State.ESTABLISHED, replace(CONFIG, witness=witness))
        (heard,) = fsm.handle(Received(octets=octets), 1.0)
        assert heard.content.withdrawn == withdrawn
