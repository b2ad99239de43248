"""What a session does with its connection. Its stories are in tests/sim."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from sim.loop import SimulatedLoop, simulated
from vipd.bgp.attributes import PathAttributes, Segment, SegmentType
from vipd.bgp.capabilities import FourOctetAs, GracefulRestart, Multiprotocol, Restartable, RouteRefresh
from vipd.bgp.fsm import Stop
from vipd.bgp.iana import CeaseError, ErrorCode, Family, MessageType
from vipd.bgp.messages import HEADER, LONGEST, Keepalive, Notification, Open, Update
from vipd.bgp.peer import PeerConfig, PeerStatus, State
from vipd.bgp.route import LocRib, Route
from vipd.bgp.session import AT_ONCE, SAID, Session
from vipd.bgp.sightings import Watch
from vipd.bgp.wire import Prefix
from vipd.latest import Latest

CONFIG = PeerConfig(
    name="tor-a", address="10.0.0.2", local_as=64512, peer_as=65001, router_id=IPv4Address("10.0.0.1")
)
OPEN = Open(
    asn=65001,
    hold_time=9,
    router_id=IPv4Address("10.0.0.2"),
    capabilities=(Multiprotocol.of(Family.IPV4), RouteRefresh(), FourOctetAs(asn=65001)),
).encode()
KEEPALIVE = Keepalive().encode()


class Scripted:
    """A connection whose peer says what the script says, then nothing, or what `more` gives."""

    local_address = "10.0.0.1"
    remote_address = "10.0.0.2"

    def __init__(self, *script: bytes, more: Callable[[], Awaitable[bytes]] | None = None) -> None:
        self.script = list(script)
        self.more = more
        self.written: list[tuple[float, bytes]] = []
        self.turns: list[int] = []  # of the loop, in which something was written
        self.ended = ""
        self.signed = b""
        self.stuck_since: float | None = None

    async def read(self) -> bytes:
        if self.script:
            return self.script.pop(0)
        if self.more is not None:
            return await self.more()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    def write(self, octets: bytes) -> None:
        assert not self.ended
        self.written.append((asyncio.get_running_loop().time(), octets))

    async def drained(self, below: int = 0) -> None:
        pass

    def unsent(self) -> int:
        return 0

    def sign(self, key: bytes) -> None:
        if key == b"refused":
            raise ConnectionError("no other key")
        self.signed = key

    async def close(self) -> None:
        assert not self.ended
        self.ended = "closing"
        await asyncio.sleep(0.5)
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def kinds(self) -> list[MessageType]:
        """Types of all messages written."""
        octets = b"".join(octets for _, octets in self.written)
        found = []
        while octets:
            found.append(MessageType(octets[HEADER - 1]))
            octets = octets[int.from_bytes(octets[16:18]) :]
        return found


class Stage:
    """One session and what it reported."""

    def __init__(
        self, *connections: Scripted, rib: LocRib | None = None, config: PeerConfig = CONFIG
    ) -> None:
        self.connections = list(connections)
        self.rib = Latest(rib or LocRib())
        self.reported: list[State] = []
        self.watch = Latest(Watch())
        self.session = Session(
            config,
            self.rib,
            dial=self.dial,
            jitter=lambda: 1.0,
            report=self.report,
            farewell=lambda: Stop(subcode=CeaseError.ADMINISTRATIVE_SHUTDOWN, text="bye"),
            watch=self.watch,
        )

    async def dial(self, config: PeerConfig) -> Scripted:
        if not self.connections:
            raise ConnectionError("nobody there")
        return self.connections.pop(0)

    def report(self, status: PeerStatus) -> None:
        self.reported.append(status.state)

    async def play(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.session.run())
            await asyncio.sleep(seconds)
            task.cancel()


@simulated
async def test_every_change_of_state_is_reported():
    stage = Stage(Scripted(OPEN, KEEPALIVE))
    await stage.play(1)
    assert stage.reported == [
        State.CONNECT,
        State.OPEN_SENT,
        State.OPEN_CONFIRM,
        State.ESTABLISHED,
        State.IDLE,
    ]


@simulated
async def test_what_is_said_in_one_breath_is_written_at_once():
    connection = Scripted(OPEN, KEEPALIVE)
    routes = {Prefix.parse(f"192.0.2.{n}"): Route(med=n) for n in range(100)}
    await Stage(connection, rib=LocRib(routes=routes)).play(1)
    assert connection.kinds().count(MessageType.UPDATE) == 101  # and the End-of-RIB
    assert len(connection.written) == 4  # OPEN, KEEPALIVE, UPDATEs, NOTIFICATION


@simulated
async def test_a_large_table_leaves_others_their_turns():
    connection = Scripted(OPEN, KEEPALIVE)
    portion = AT_ONCE // LONGEST
    count = 10 * portion
    routes = {Prefix.parse(str(IPv4Address("100.64.0.0") + n)): Route(med=n) for n in range(count)}
    stage = Stage(connection, rib=LocRib(routes=routes))
    seen = []

    async def look() -> None:
        while connection.kinds().count(MessageType.UPDATE) <= count:
            seen.append(connection.kinds().count(MessageType.UPDATE))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(stage.play(1))
        group.create_task(look())
    steps = sorted(set(seen))
    assert len(steps) == 11
    assert max(later - earlier for earlier, later in pairwise(steps)) <= portion


@simulated
async def test_what_was_wrong_with_updates_is_said_aloud_but_not_for_ever():
    def update(origin: int) -> bytes:
        run = b"\x40\1\1" + bytes((origin,)) + bytes.fromhex("4002060201 0000fde9 4003040a000002")
        body = b"\0\0" + len(run).to_bytes(2) + run + b"\x20\xc0\0\2\1"
        return b"\xff" * 16 + (19 + len(body)).to_bytes(2) + b"\2" + body

    faults = [update(3)] * 5 + [update(origin) for origin in range(9, 109)]
    stage = Stage(Scripted(OPEN, KEEPALIVE, *faults))
    with capture_logs() as log:
        await stage.play(1)
    refused = [each for each in log if each["event"] == "update_refused"]
    assert len(refused) == 105
    aloud = [each for each in refused if each["log_level"] == "warning"]
    assert len(aloud) == SAID
    assert aloud[0]["outcome"] == "treat_as_withdraw"
    assert aloud[0]["reason"] == "ORIGIN is 3, at octet 0 of the attributes: 40010103"
    assert stage.session.status().treat_as_withdraw == 105


@simulated
async def test_rfc9687_a_peer_that_speaks_and_takes_nothing_is_given_up():
    async def alive() -> bytes:
        await asyncio.sleep(2)
        return KEEPALIVE

    connection = Scripted(OPEN, KEEPALIVE, more=alive)
    stage = Stage(connection, config=replace(CONFIG, send_hold_time=30))
    connection.stuck_since = 5.0
    with capture_logs() as log:
        await stage.play(60)
    (dropped,) = [each for each in log if each["event"] == "session_dropped"]
    assert dropped["reason"].startswith("Send Hold Timer Expired")
    assert dropped["duration"] == 35
    assert MessageType.NOTIFICATION not in connection.kinds()


@simulated
async def test_nothing_is_read_before_the_last_was_taken():
    stage = Stage()
    read = 0

    async def more() -> bytes:
        nonlocal read
        read += 1
        taken = stage.session.status().messages.get(("received", "keepalive"), 0)
        assert read <= taken, "the KEEPALIVE of the script makes one more"
        if read == 1000:
            await asyncio.get_running_loop().create_future()
        return KEEPALIVE

    stage.connections.append(Scripted(OPEN, KEEPALIVE, more=more))
    await stage.play(1)
    assert read == 1000


@simulated
async def test_our_keepalives_are_on_time_though_the_peer_never_stops_talking():
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)

    async def more() -> bytes:
        await asyncio.sleep(0)
        loop.stall(0.01)  # so long we take for what it says
        return KEEPALIVE

    connection = Scripted(OPEN, KEEPALIVE, more=more)
    await Stage(connection).play(20)
    times = [when for when, octets in connection.written if octets == KEEPALIVE]
    assert len(times) >= 6
    assert max(later - earlier for earlier, later in pairwise(times)) < 3.1


@simulated
async def test_a_failed_dial_is_news_from_the_connection():
    stage = Stage()
    await stage.play(1)
    assert stage.session.status().last_error.text == "nobody there"
    assert stage.reported[:2] == [State.CONNECT, State.ACTIVE]


@simulated
async def test_the_end_of_the_stream_closes_our_side_too():
    connection = Scripted(OPEN, b"")
    stage = Stage(connection)
    await stage.play(0.1)
    assert connection.ended == "closed"
    assert stage.session.status().last_error.text == "the peer closed the connection"


@simulated
async def test_leaving_waits_for_the_connection_to_close():
    connection = Scripted(OPEN, KEEPALIVE)
    loop = asyncio.get_running_loop()
    await Stage(connection).play(1)
    assert connection.ended == "closed"
    assert loop.time() == pytest.approx(1.5)
    assert connection.kinds()[-1] is MessageType.NOTIFICATION


@simulated
async def test_leaving_while_dialling_leaves_nothing_behind():
    stage = Stage()
    given_up = []

    async def dial(config: PeerConfig) -> Scripted:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            given_up.append(config.name)
            raise
        raise AssertionError

    stage.session._dial = dial
    await stage.play(1)
    assert given_up == ["tor-a"]


@simulated
async def test_who_calls_a_session_that_is_gone_is_hung_up_on():
    stage = Stage()
    await stage.play(1)
    late = Scripted()
    stage.session.call(late)
    assert late.ended == "aborted"


@simulated
async def test_who_calls_while_a_session_leaves_is_hung_up_on():
    connection, late = Scripted(OPEN, KEEPALIVE), Scripted()
    stage = Stage(connection)
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.play(1))
        await asyncio.sleep(1.25)
        stage.session.call(late)
    assert connection.ended == "closed"
    assert late.ended == "aborted"


@simulated
async def test_a_call_without_an_open_gives_way_to_the_next():
    calls = [Scripted() for _ in range(5)]
    stage = Stage(Scripted())
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.play(1))
        for call in calls:
            await asyncio.sleep(0.1)
            stage.session.call(call)
        await asyncio.sleep(0.1)
        assert [call.ended != "" for call in calls] == [True, True, True, True, False]
        assert all(call.kinds() == [MessageType.OPEN, MessageType.NOTIFICATION] for call in calls[:-1])


@simulated
async def test_nor_does_a_call_that_is_no_session_yet_keep_the_next_out():
    third = Scripted()
    stage = Stage(Scripted())  # a peer that accepts and says nothing
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.play(1))
        await asyncio.sleep(0.1)
        second = Scripted(OPEN)
        stage.session.call(second)
        await asyncio.sleep(0.1)
        stage.session.call(third)
        await asyncio.sleep(0.1)
        assert second.kinds() == [MessageType.OPEN, MessageType.KEEPALIVE, MessageType.NOTIFICATION]
        assert third.kinds() == [MessageType.OPEN]


@simulated
async def test_a_call_that_is_a_session_and_over_in_one_breath_costs_itself_alone():
    stage = Stage(Scripted())  # a peer that accepts and says nothing
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.play(5))
        await asyncio.sleep(0.1)
        cease = Notification(code=ErrorCode.CEASE, subcode=CeaseError.OTHER_CONFIGURATION_CHANGE).encode()
        call = Scripted(OPEN, KEEPALIVE + cease)
        stage.session.call(call)
        await asyncio.sleep(1)
        assert call.ended
        assert stage.session.status().state is State.OPEN_SENT
        assert stage.session.status().dropped == 1
        assert not stage.session.told()
        await asyncio.wait_for(stage.session.flushed(), 1)


@simulated
async def test_idle_takes_no_calls():
    early = Scripted()
    stage = Stage(Scripted(bytes(19)))  # nonsense: the idle hold time begins
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.play(0.5))
        await asyncio.sleep(0.1)
        assert stage.session.status().state is State.IDLE
        stage.session.call(early)
        await asyncio.sleep(0.1)
    assert early.ended == "aborted"
    assert early.written == []


@simulated
async def test_a_bug_ends_the_session_and_leaves_no_connection_open():
    async def more() -> bytes:
        raise ZeroDivisionError

    connection = Scripted(OPEN, KEEPALIVE, more=more)
    stage = Stage(connection)
    with pytest.raises(ExceptionGroup) as caught:
        await stage.session.run()
    assert caught.group_contains(ZeroDivisionError)
    assert connection.ended == "closed", "even so the peer is told"
    assert connection.kinds()[-1] is MessageType.NOTIFICATION


SIGNED = replace(CONFIG, md5_key=b"first")


@pytest.mark.parametrize("key", [b"second", b"refused"])
@simulated
async def test_another_md5_key_needs_a_new_session_only_where_the_kernel_says_so(key):
    first, second = Scripted(OPEN, KEEPALIVE), Scripted(OPEN, KEEPALIVE)
    stage = Stage(first, second, config=SIGNED)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.session.run())
        await asyncio.sleep(1)
        changed = replace(SIGNED, md5_key=key, description="rack 7")
        stage.session.adopt(changed)
        await asyncio.sleep(1)
        status = stage.session.status()
        assert (status.state, status.config) == (State.ESTABLISHED, changed)
        if key == b"second":
            assert (first.ended, first.signed, status.dropped) == ("", b"second", 0)
        else:
            assert (first.ended, status.dropped) == ("closed", 1)
            assert first.kinds()[-1] is MessageType.NOTIFICATION
            assert "no other key" in status.last_error.text
        task.cancel()


@simulated
async def test_what_a_session_cannot_go_on_as_is_not_its_affair():
    connection = Scripted(OPEN, KEEPALIVE)
    stage = Stage(connection, config=SIGNED)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.session.run())
        await asyncio.sleep(1)
        stage.session.adopt(replace(SIGNED, md5_key=b"second", hold_time=90))
        stage.session.adopt(replace(SIGNED, md5_key=None))
        await asyncio.sleep(1)
        assert (stage.session.status().config, connection.signed) == (SIGNED, b"")
        task.cancel()


@pytest.mark.parametrize("restarts", [True, False])
@simulated
async def test_a_call_from_a_peer_that_may_restart_ends_the_session_that_stood(restarts):
    """RFC 4724 section 5, where RFC 4271 section 6.8 would have the new connection closed."""
    families = (Restartable(1, 1, forwarding=False),) if restarts else ()
    ours = Multiprotocol.of(Family.IPV4), FourOctetAs(asn=65001)
    opening = Open(
        asn=65001,
        hold_time=9,
        router_id=IPv4Address("10.0.0.2"),
        capabilities=(*ours, GracefulRestart(time=120, families=families)),
    ).encode()
    first, second = Scripted(opening, KEEPALIVE), Scripted(opening, KEEPALIVE)
    stage = Stage(first)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.session.run())
        await asyncio.sleep(1)
        stage.session.call(second)
        await asyncio.sleep(1)
        ended, stands = (first, second) if restarts else (second, first)
        assert (ended.ended, stands.ended) == ("closed", "")
        assert (MessageType.NOTIFICATION in ended.kinds()) is not restarts
        assert stage.session.status().state is State.ESTABLISHED
        assert stage.session.status().established == 1 + restarts
        task.cancel()


# ---- witnesses ----

VIP, DEFAULT = Prefix.parse("192.0.2.1"), Prefix.parse("0.0.0.0/0")
ATTRIBUTES = PathAttributes(
    as_path=(Segment(SegmentType.AS_SEQUENCE, (65001, 64512)),), next_hop=IPv4Address("10.0.0.2")
)


def said(*updates: Update) -> bytes:
    return b"".join(update.encode(four_octet_as=True) for update in updates)


async def shown(*, witness: bool) -> list[tuple[bool, bool]]:
    """Whether the VIP is seen, or gone, after a table, and after its withdrawal."""
    table = said(
        Update(family=Family.IPV4, attributes=ATTRIBUTES, announced=(VIP, DEFAULT)),
        Update(family=Family.IPV4),
    )
    found: list[tuple[bool, bool]] = []

    async def more() -> bytes:
        await asyncio.sleep(1)
        found.extend((VIP in sight.seen, VIP in sight.gone) for sight in stage.session.sights())
        return said(Update(family=Family.IPV4, withdrawn=(VIP,)))

    stage = Stage(Scripted(OPEN, KEEPALIVE, table, more=more), config=replace(CONFIG, witness=witness))
    stage.watch.set(Watch(prefixes=frozenset({VIP})))
    await stage.play(2.5)
    return found


@simulated
async def test_of_a_witness_what_is_watched_is_kept():
    assert await shown(witness=True) == [(True, False), (False, True)]
    assert await shown(witness=False) == []


@simulated
async def test_a_witness_is_asked_again_for_what_is_newly_watched():
    connection = Scripted(OPEN, KEEPALIVE)
    stage = Stage(connection, config=replace(CONFIG, witness=True))

    async def look_elsewhere() -> None:
        await asyncio.sleep(1)
        stage.watch.set(Watch(prefixes=frozenset({VIP})))

    async with asyncio.TaskGroup() as group:
        group.create_task(look_elsewhere())
        await stage.play(2)
    assert connection.kinds().count(MessageType.ROUTE_REFRESH) == 1
