"""What is fed with anything at all: framing, decoders, the machine. Each may raise NotificationError and
nothing else, the machine not even that; and each has laws of its own, that are asserted.
"""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from vipd.bgp.errors import NotificationError
from vipd.bgp.framing import Framer
from vipd.bgp.fsm import Advertise, Closed, Event, Fsm, HangUp, Opened, Received, Start, Stop, Tick, Transmit
from vipd.bgp.iana import CeaseError, Family, MessageType, Role
from vipd.bgp.messages import Keepalive, Notification, Open, RouteRefresh, Update, UpdateReader
from vipd.bgp.peer import PeerConfig, State

CAPTURES = Path(__file__).parents[1] / "unit" / "bgp" / "captures"
HEADER = 19


def framing(octets: bytes) -> None:
    """The first octet says in which portions the rest comes: the same is read, however they fall."""
    step = 1 + octets[0] if octets else 1
    assert _framed(octets[1:], step) == _framed(octets[1:], max(1, len(octets)))


def _framed(octets: bytes, step: int) -> tuple[list[tuple[MessageType, bytes]], tuple[int, int] | None]:
    framer = Framer()
    found: list[tuple[MessageType, bytes]] = []
    for at in range(0, len(octets), step):
        framer.feed(octets[at : at + step])
        try:
            found += framer
        except NotificationError as error:
            return found, (error.code, error.subcode)
    return found, None


def decoding(octets: bytes) -> None:
    """The first octet says what was agreed, the second which message it is, the rest is its body."""
    if len(octets) < 2:
        return
    agreed, kind, body = octets[0], octets[1] % 4, octets[2:]
    try:
        match kind:
            case 0:
                again(Open, body)
            case 1:
                again(Notification, body)
            case 2:
                again(RouteRefresh, body)
            case _:
                reader = UpdateReader(
                    four_octet_as=bool(agreed & 1),
                    ebgp=bool(agreed & 2),
                    families=Family if agreed & 4 else (Family.IPV4,),
                    role=list(Role)[agreed >> 4 & 3] if agreed & 8 else None,
                    peer_as=65001,
                )
                heard = reader.read(body)
                assert reader.read(body) == heard, "an UPDATE that is known says the same"
                assert heard.announced >= 0
                for update in reader.updates(body):
                    assert update.family in Family
    except NotificationError as error:
        str(error)


def again(kind: type[Open | Notification | RouteRefresh], body: bytes) -> None:
    """What was understood can be said and understood again."""
    message = kind.decode(body)
    str(message)
    assert kind.decode(message.encode()[HEADER:]) == message


CONFIGS = [
    PeerConfig(
        name="tor",
        address="10.0.0.1",
        local_as=65010,
        router_id=IPv4Address("10.0.0.5"),
        peer_as=peer_as,
        passive=passive,
        hold_time=hold_time,
        graceful_restart=restart,
    )
    for peer_as, passive, hold_time, restart in (
        (64998, False, 9, None),
        (None, True, 90, 120),
        (65010, False, 0, 0),
        (None, False, 3, 60),
    )
]


def machine(octets: bytes) -> None:
    """The first octet is the configuration; then events, an octet each; what is received has a length."""
    if not octets:
        return
    fsm = Fsm(CONFIGS[octets[0] % len(CONFIGS)], lambda: 0.5)
    now = 0.0
    connected = False
    for event in _events(octets[1:]):
        if isinstance(event, Tick):
            now = max(now, fsm.deadline or now)
        actions = fsm.handle(event, now)
        connected = isinstance(event, Opened) or connected
        for action in actions:
            assert connected or not isinstance(action, Transmit), "nothing is said where nobody hears"
            connected = connected and not isinstance(action, HangUp)
        assert fsm.deadline is None or fsm.deadline > now or isinstance(event, Tick) or not actions
        assert (fsm.negotiated is not None) == (fsm.state in (State.OPEN_CONFIRM, State.ESTABLISHED))
    fsm.status()


_OPENED = Opened(local_address="10.0.0.5", remote_address="10.0.0.1")
_EVENTS: list[tuple[Event, ...]] = [
    (Start(),),
    (Start(passive=True),),
    (Stop(subcode=CeaseError.ADMINISTRATIVE_SHUTDOWN, text="enough"),),
    (_OPENED,),
    (Closed(reason="gone"),),
    (Tick(),),
    (Advertise(updates=[Update(family=Family.IPV4)]),),
    (Received(octets=Keepalive().encode()),),
    (Start(), _OPENED),  # as a peer would, to get on
]


def _events(octets: bytes) -> Iterator[Event]:
    at = 0
    while at < len(octets):
        number = octets[at] % 16
        if number < len(_EVENTS):
            yield from _EVENTS[number]
            at += 1
        else:
            length = int.from_bytes(octets[at + 1 : at + 3])
            yield Received(octets=octets[at + 3 : at + 3 + length])
            at += 3 + length


TARGETS: dict[str, Callable[[bytes], None]] = {"framing": framing, "decoding": decoding, "machine": machine}
_KINDS = {
    MessageType.OPEN: 0,
    MessageType.NOTIFICATION: 1,
    MessageType.ROUTE_REFRESH: 2,
    MessageType.UPDATE: 3,
}


def seeds(target: str) -> Iterator[bytes]:
    """What real daemons have said, put as the target reads it."""
    for path in sorted(CAPTURES.glob("*.hex")):
        messages = [bytes.fromhex(line) for line in path.read_text().splitlines()[1:]]
        match target:
            case "framing":
                yield b"\x06" + b"".join(messages)
            case "machine":
                said = b"".join(b"\x0f" + len(each).to_bytes(2) + each for each in messages)
                yield from (bytes((n, 8)) + said for n in range(len(CONFIGS)))
            case _:
                for each in messages:
                    kind = _KINDS.get(MessageType(each[18]))
                    if kind is not None:
                        yield from (bytes((agreed, kind)) + each[HEADER:] for agreed in (0x07, 0x06, 0x2F))
