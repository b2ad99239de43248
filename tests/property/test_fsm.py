"""No history of events breaks the machine, and whatever it was, some things always hold."""

from ipaddress import IPv4Address
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from vipd.bgp.capabilities import FourOctetAs, Multiprotocol, RouteRefresh
from vipd.bgp.fsm import (
    Advertise,
    Closed,
    Dial,
    Fsm,
    HangUp,
    Opened,
    PathDown,
    Received,
    Start,
    Stop,
    Tick,
    Transmit,
    Up,
)
from vipd.bgp.iana import Family
from vipd.bgp.messages import Keepalive, Notification, Open, Update
from vipd.bgp.messages import RouteRefresh as RouteRefreshMessage
from vipd.bgp.peer import Down, PeerConfig, State

CONNECTED = (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)

configs = st.builds(
    PeerConfig,
    name=st.just("tor-a"),
    address=st.just("10.0.0.1"),
    local_as=st.sampled_from([65010, 4200000001]),
    router_id=st.just(IPv4Address("10.0.0.5")),
    peer_as=st.sampled_from([None, 65001, 65010]),
    passive=st.booleans(),
    families=st.sampled_from([(Family.IPV4,), (Family.IPV6,), (Family.IPV4, Family.IPV6)]),
    hold_time=st.sampled_from([0, 3, 9, 240]),
)
capabilities = st.lists(
    st.sampled_from([*map(Multiprotocol.of, Family), RouteRefresh(), FourOctetAs(asn=65001)]), max_size=4
)
opens = st.builds(
    lambda **fields: Open(**fields).encode(),
    asn=st.sampled_from([65001, 65001, 65001, 65010, 23456]),
    hold_time=st.sampled_from([0, 1, 3, 90]),
    router_id=st.sampled_from([IPv4Address("10.0.0.1"), IPv4Address("10.0.0.5"), IPv4Address(0)]),
    capabilities=capabilities.map(tuple),
)
messages = st.one_of(
    opens,
    st.just(Keepalive().encode()),
    st.sampled_from([Update(family=family).encode(four_octet_as=True) for family in Family]),
    st.builds(
        lambda code, subcode, data: Notification(code=code, subcode=subcode, data=data).encode(),
        st.integers(0, 9),
        st.integers(0, 9),
        st.binary(max_size=9),
    ),
    st.builds(
        lambda afi, subtype: RouteRefreshMessage(afi=afi, safi=1, subtype=subtype).encode(),
        st.integers(0, 3),
        st.integers(0, 2),
    ),
    # A good header over any body.
    st.builds(
        lambda kind, body: b"\xff" * 16 + (19 + len(body)).to_bytes(2) + bytes((kind,)) + body,
        st.integers(0, 6),
        st.binary(max_size=40),
    ),
    st.binary(min_size=1, max_size=40),
)
GREETING = Open(asn=65001, hold_time=90, router_id=IPv4Address("10.0.0.1")).encode() + Keepalive().encode()
events = st.one_of(
    st.builds(Start, passive=st.booleans()),
    st.builds(Stop, subcode=st.integers(0, 10), text=st.text(max_size=300)),
    st.just(Opened(local_address="10.0.0.5", remote_address="10.0.0.1")),
    st.just(Closed(reason="closed by peer")),
    st.lists(messages, max_size=4).map(lambda said: Received(octets=b"".join(said))),
    st.just(Received(octets=GREETING)),
    st.just(Advertise(updates=[Update(family=Family.IPV4)])),
    st.just(PathDown(text="control detection time expired")),
    st.builds(Tick, stuck_since=st.none() | st.floats(0, 1000)),
)
# A pause before each event: none, some time, or until the deadline.
histories = st.lists(st.tuples(st.none() | st.floats(0, 500), events), max_size=40)


def lived(config, history, seed):
    """Live through a history; yield after each event what it was, and what came of it."""
    fsm = Fsm(config, Random(seed).random)
    now = 1000.0
    for pause, event in history:
        deadline = fsm.deadline
        now = now + pause if pause is not None else max(now, deadline or now)
        before = fsm.state
        actions = fsm.handle(event, now)
        yield fsm, event, now, before, actions


seeds = st.integers(0, 3)


@settings(deadline=None)
@given(configs, histories, seeds)
def test_nothing_raises_and_no_deadline_is_left_behind(config, history, seed):
    for fsm, event, now, _, _ in lived(config, history, seed):
        if isinstance(event, Tick):
            assert fsm.deadline is None or fsm.deadline > now


@settings(deadline=None)
@given(configs, histories, seeds)
def test_every_wait_ends(config, history, seed):
    """Somebody must always come back: a timer, or, in the passive state, the peer; unless we were stopped."""
    stopped = True
    for fsm, event, _, _, _ in lived(config, history, seed):
        stopped = fsm.state is State.IDLE and (stopped or isinstance(event, Stop))
        silent = fsm.negotiated is not None and fsm.negotiated.hold_time == 0
        waits = stopped or silent or fsm.state is State.ACTIVE
        assert waits or fsm.deadline is not None
        assert not stopped or fsm.deadline is None


@settings(deadline=None)
@given(configs, histories, seeds)
def test_a_hold_time_of_zero_sets_no_timer(config, history, seed):
    for fsm, *_ in lived(config, history, seed):
        if fsm.negotiated is not None and fsm.negotiated.hold_time == 0:
            assert fsm.deadline is None


@settings(deadline=None)
@given(configs, histories, seeds)
def test_established_begins_with_up_and_ends_with_down(config, history, seed):
    up = False
    for fsm, _, _, _, actions in lived(config, history, seed):
        for action in actions:
            if isinstance(action, Up):
                assert not up
                up = True
            elif isinstance(action, Down):
                up = False
                assert fsm.history.last_error is action
        assert up is (fsm.state is State.ESTABLISHED)
        assert fsm.history.established - fsm.history.dropped == up


@settings(deadline=None)
@given(configs, histories, seeds)
def test_transmits_on_open_connections_and_dials_only_without_one(config, history, seed):
    """The shell's view: what it is asked is always possible."""
    connected = dialling = False
    for fsm, event, _, before, actions in lived(config, history, seed):
        if isinstance(event, Opened) and before not in CONNECTED:
            connected, dialling = True, False
        if isinstance(event, Closed):
            connected = dialling = False
        for action in actions:
            if isinstance(action, HangUp):
                connected = dialling = False
            elif isinstance(action, Dial):
                assert not connected
                assert not dialling
                assert not config.passive
                dialling = True
            elif isinstance(action, Transmit):
                assert connected
                assert action.octets[:16] == b"\xff" * 16
        assert connected is (fsm.state in CONNECTED)
        assert dialling is (fsm.state is State.CONNECT)


@settings(deadline=None)
@given(configs, histories, seeds)
def test_since_is_when_the_state_was_entered(config, history, seed):
    before = State.IDLE
    for fsm, _, now, _, _ in lived(config, history, seed):
        assert fsm.since <= now
        if fsm.state is not before:
            assert fsm.since == now
        before = fsm.state


@settings(deadline=None)
@given(configs, st.lists(messages, max_size=8), st.data())
def test_how_the_octets_are_cut_makes_no_difference(config, said, data):
    octets = GREETING + b"".join(said)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=5)))
    outcomes = []
    for parts in ([octets], [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]):
        fsm = Fsm(config, lambda: 0.5)
        fsm.handle(Start(), 0.0)
        fsm.handle(Opened(local_address="10.0.0.5", remote_address="10.0.0.1"), 0.0)
        actions = [action for part in parts for action in fsm.handle(Received(octets=part), 0.0)]
        outcomes.append((actions, fsm.state, fsm.deadline, fsm.history))
    assert outcomes[0] == outcomes[1]
