"""All BFD sessions: machines, one socket each to send from, and the sockets that all of them hear by.

    bfd
    ├─ follow            the sessions as they are configured
    ├─ keep_time         one for all: whatever is due, by a timer of the loop
    └─ hear <address>    children: one per address listened on

No rule of BFD stands here. Before anything that is due is judged, everything that has arrived is read: else a
stall of this process would count as silence of its peers.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from math import inf
from typing import assert_never

import structlog

from vipd import children, sockaddr
from vipd.bfd.demux import Demultiplexer
from vipd.bfd.fsm import Change, Down, Event, Fsm, Over, Received, Stop, Tick, Transmit, Up
from vipd.bfd.packet import Discarded, Seconds, meaning
from vipd.bfd.peer import BfdPeer, BfdStatus
from vipd.bfd.transport import PORT, Datagram, Receiver, Sender
from vipd.latest import Latest

log = structlog.get_logger()

Peers = Mapping[str, BfdPeer]
Door = tuple[str, str | None]  # address, and interface; None: any
Lost = Callable[[str, str], None]  # told the name of a peer, and why its path is lost

AT_ONCE = 256  # packets read in one turn: more than wait in a socket of the usual size
RETRY: Seconds = 1.0  # to listen again after a failure; doubles up to:
RETRY_MAX: Seconds = 30.0
HAIR: Seconds = 1e-6  # by which a loop may wake before its time; an early Tick does nothing
EVERYWHERE = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - a ToR may send to any address of ours
DISCRIMINATORS = 0xFFFFFFFF  # of 32 bits, without zero


@dataclass(slots=True, eq=False)
class Session:
    """One machine, and what belongs to it alone."""

    fsm: Fsm
    sender: Sender
    address: str  # as the kernel writes it
    dropped: Counter[str] = field(default_factory=Counter)
    failed: str = ""  # what was last said of sending

    @property
    def name(self) -> str:
        return self.fsm.peer.name


class Sessions:
    """Everything between this host and the next hops that it watches. Made by `watch`."""

    def __init__(self, *, lost: Lost, chance: Callable[[], float], port: int) -> None:
        self.strangers: Counter[str] = Counter()  # packets of nobody we know, by why they were dropped
        self._lost = lost
        self._chance = chance
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[str, Session] = {}  # those that are wanted, by name
        self._leaving: list[Session] = []  # those that still say goodbye
        self._demultiplexer: Demultiplexer[Session] = Demultiplexer()
        self._receivers: list[Receiver] = []
        self._alarm: asyncio.TimerHandle | None = None  # at the first of all deadlines, or before
        self._broken: asyncio.Future[None] | None = None  # while time is kept

    def status(self) -> Mapping[str, BfdStatus]:
        """A fresh snapshot of every session, by name; cheap."""
        return {
            name: replace(session.fsm.status(), dropped=dict(session.dropped))
            for name, session in self._sessions.items()
        }

    # ---- tasks ----

    async def follow(self, peers: Latest[Peers], doors: Latest[Mapping[Door, None]]) -> None:
        """Begin, change and end sessions as the configuration does."""
        async for wanted in peers:
            doors.set(dict.fromkeys(where_to_listen(wanted)))
            self._take(wanted)

    async def keep_time(self) -> None:
        """Give every machine its Tick when it is due, for ever.

        By a timer of the loop's own: a task would be woken some turns after its time, and while a pod starts,
        each turn may be a long one. What goes wrong there comes out here.
        """
        self._broken = self._loop.create_future()
        self._set_alarm()
        try:
            await self._broken
        finally:
            self._cancel_alarm()

    async def hear(self, door: Door, _: None) -> None:
        """Take what comes to an address, for ever. Where that fails it is said once, and tried again."""
        host, interface = door
        receiver = await self._open(host, interface)
        self._receivers.append(receiver)
        log.info("bfd_listener_ready", host=host, port=self._port)
        try:
            while True:
                await receiver.readable()
                self._read(receiver)
        finally:
            self._receivers.remove(receiver)
            receiver.close()

    def leave(self) -> None:
        """Tell every peer that we go, so that none takes it for a failure."""
        for session in self._sessions.values():
            self._handle(session, Stop())
        for session in self._all():
            session.sender.close()

    # ---- sessions ----

    def _all(self) -> list[Session]:
        return [*self._sessions.values(), *self._leaving]

    def _take(self, wanted: Peers) -> None:
        for name, session in list(self._sessions.items()):
            peer = wanted.get(name)
            if peer is None or replace(session.fsm.peer, pace=peer.pace) != peer:
                self._leaving.append(self._sessions.pop(name))
                self._handle(session, Stop())
            elif peer != session.fsm.peer:
                self._handle(session, Change(pace=peer.pace))
        for name, peer in wanted.items():
            if name not in self._sessions:
                self._begin(peer)

    def _begin(self, peer: BfdPeer) -> None:
        address = written(peer.address)
        for former in [session for session in self._leaving if session.address == address]:
            self._end(former)  # it has said that it goes; the peer would take more of it for this one's
        discriminator = 0
        while not discriminator or discriminator in self._demultiplexer:
            discriminator = 1 + int(self._chance() * DISCRIMINATORS)
        session = Session(
            fsm=Fsm(peer, discriminator, self._chance, self._loop.time()),
            sender=Sender(peer, self._chance, self._port),
            address=address,
        )
        self._sessions[peer.name] = session
        self._demultiplexer.add(discriminator, address, session)
        self._handle(session, Tick())

    def _end(self, session: Session) -> None:
        self._leaving.remove(session)
        self._demultiplexer.remove(session.fsm.discriminator, session.address)
        session.sender.close()

    # ---- time ----

    def _set_alarm(self) -> None:
        self._cancel_alarm()
        due = min((session.fsm.deadline or inf for session in self._all()), default=inf)
        if self._broken is not None and due < inf:
            self._alarm = self._loop.call_at(due, self._ring)

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring(self) -> None:
        """Tell every machine the time, after whatever has arrived."""
        assert self._broken is not None, "the alarm is set where time is kept"  # noqa: S101 - for the reader
        try:
            for receiver in self._receivers:
                self._read(receiver)
            for session in self._all():
                self._handle(session, Tick())
            self._set_alarm()
        except Exception as error:  # noqa: BLE001 - a bug, which is to end the task and with it the process
            self._broken.set_exception(error)

    # ---- what a machine is told, and what it answers ----

    def _read(self, receiver: Receiver) -> None:
        for _ in range(AT_ONCE):
            datagram = receiver.read()
            if datagram is None:
                return
            self._receive(datagram)

    def _receive(self, datagram: Datagram) -> None:
        try:
            session, packet = self._demultiplexer.select(datagram.octets, datagram.address, datagram.ttl)
        except Discarded as discarded:
            known = self._demultiplexer.at(datagram.address)
            (self.strangers if known is None else known.dropped)[discarded.reason.value] += 1
        else:
            self._handle(session, Received(packet=packet, at=datagram.at))

    def _handle(self, session: Session, event: Event) -> None:
        for action in session.fsm.handle(event, self._loop.time() + HAIR):
            match action:
                case Transmit(octets=octets):
                    self._send(session, octets)
                case Up():
                    log.info("bfd_session_up", peer=session.name)
                case Down():
                    self._fell(session, action)
                case Over():
                    self._end(session)
                case _:
                    assert_never(action)
        if self._alarm is None or (session.fsm.deadline or inf) < self._alarm.when():
            self._set_alarm()

    def _send(self, session: Session, octets: bytes) -> None:
        try:
            session.sender.send(octets)
        except OSError as error:
            reason = sockaddr.words(error)
            if reason != session.failed:  # the same again, several times a second, is no news
                log.warning("bfd_send_failed", peer=session.name, reason=reason)
            session.failed = reason
        else:
            session.failed = ""

    def _fell(self, session: Session, down: Down) -> None:
        reason = meaning(down.diagnostic)
        if down.remote_diagnostic:
            reason += f" (it says: {meaning(down.remote_diagnostic)})"
        if down.deliberate:
            log.info("bfd_session_closed", peer=session.name, reason=reason)
        else:
            log.info(
                "bfd_session_down", peer=session.name, reason=reason
            )  # the BGP session's end is a warning
            self._lost(session.name, reason)

    async def _open(self, host: str, interface: str | None) -> Receiver:
        delay, told = RETRY, ""
        while True:
            try:
                return Receiver(host, interface, self._port)
            except OSError as error:
                reason = sockaddr.words(error)
                if reason != told:
                    log.warning(
                        "bfd_listen_failed", host=host, port=self._port, interface=interface, reason=reason
                    )
                    told = reason
            await asyncio.sleep(delay)
            delay = min(2 * delay, RETRY_MAX)


def where_to_listen(peers: Peers) -> list[Door]:
    """Return the fewest doors that let everybody in.

    Per family: at any interface where one peer may be at any, and at our own address where all peers of a
    door send to the same.
    """
    found: dict[tuple[int, str | None], set[str | None]] = {}
    for peer in peers.values():
        version = ip_address(peer.address).version
        anywhere = any(
            each.interface is None for each in peers.values() if ip_address(each.address).version == version
        )
        found.setdefault((version, None if anywhere else peer.interface), set()).add(peer.local_address)
    return [
        (
            local
            if len(locals_) == 1 and (local := next(iter(locals_))) is not None
            else EVERYWHERE[version],
            interface,
        )
        for (version, interface), locals_ in found.items()
    ]


def written(address: str) -> str:
    """Write a configured address as the kernel does, as far as its interface is there."""
    try:
        return sockaddr.normal(address)
    except OSError:
        return address


@asynccontextmanager
async def watch(
    peers: Latest[Peers], *, lost: Lost, chance: Callable[[], float], port: int = PORT
) -> AsyncIterator[Sessions]:
    """Watch the paths to all peers until the context is left, and then tell them that we go.

    Args:
        peers: by name; a changed pace is agreed with the peer, any other change is a new session.
        lost: told when a path that worked is lost, and not when an operator took the session down.
        chance: draws from [0, 1).
        port: where packets go to, and come to.
    """
    sessions = Sessions(lost=lost, chance=chance, port=port)
    doors: Latest[Mapping[Door, None]] = Latest({})
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(sessions.follow(peers, doors), name="follow"),
            group.create_task(sessions.keep_time(), name="keep_time"),
            group.create_task(children.follow(doors, sessions.hear), name="hear"),
        ]
        try:
            yield sessions
        finally:
            sessions.leave()
            for task in tasks:
                task.cancel()
