"""The whole speaker: one session per configured peer, and the doors at which peers may call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from vipd import children
from vipd.bgp import transport
from vipd.bgp.fsm import History, Stop
from vipd.bgp.iana import CeaseError
from vipd.bgp.peer import PeerConfig, PeerStatus, Seconds, State
from vipd.bgp.route import LocRib, Route
from vipd.bgp.session import Connection, Dialer, Session
from vipd.bgp.sightings import Sight, Watch
from vipd.bgp.wire import Prefix
from vipd.latest import Latest

Peers = Mapping[str, PeerConfig]
Endpoint = tuple[str, int]  # address, port
Answer = Callable[[str, Connection], None]  # what becomes of a connection that the named peer opened
Listen = Callable[[str, int, Latest[Peers], Answer], Coroutine[Any, Any, None]]  # for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far what is to be said has come, and what is seen of what others say."""

    sessions_up: int  # Established
    sessions_configured: int
    acknowledged: Mapping[Prefix, Route]  # by every Established session that is told of it, octet for octet
    carried: Collection[Prefix]  # told over some Established session, whichever route
    sights: Mapping[str, tuple[Sight, ...]] = field(default_factory=dict)  # of those that are witnesses


class Speaker:
    """All sessions together. Made by `speak`."""

    def __init__(
        self,
        peers: Latest[Peers],
        rib: Latest[LocRib],
        *,
        goodbye: Callable[[], str],
        jitter: Callable[[], float],
        dial: Dialer,
        watch: Latest[Watch],
    ) -> None:
        self.changed: Latest[Mapping[str, State]] = Latest({})
        self.progress = Latest(0)  # grows whenever `standing` may differ
        self._peers = peers
        self._rib = rib
        self._goodbye = goodbye
        self._jitter = jitter
        self._dial = dial
        self._watch = watch
        self._began: Seconds = asyncio.get_running_loop().time()
        self._sessions: dict[str, Session] = {}
        self._histories: dict[str, History] = {}

    def status(self) -> Mapping[str, PeerStatus]:
        """A fresh snapshot of every configured peer; cheap."""
        return {
            name: (
                self._sessions[name].status()
                if name in self._sessions
                else PeerStatus(config=config, state=State.IDLE, since=self._began)
            )
            for name, config in self._peers.value.items()
        }

    def told(self) -> Mapping[str, Collection[Prefix]]:
        """What each Established peer has been told, by name."""
        return {name: session.told() for name, session in self._sessions.items()}

    def standing(self) -> Standing:
        """How far the newest LocRib has come."""
        up = [session for name, session in self._sessions.items() if self._is_up(name)]
        found = {}
        for prefix, route in self._rib.value.routes.items():
            have = [session.has(prefix, route) for session in up if session.to_hear(prefix, route)]
            if have and all(have):
                found[prefix] = route
        return Standing(
            sessions_up=len(up),
            sessions_configured=len(self._peers.value),
            acknowledged=found,
            carried=frozenset().union(*(session.told() for session in up)),
            sights={
                name: sights
                for name, session in self._sessions.items()
                if self._is_up(name) and (sights := session.sights())
            },
        )

    async def flushed(self) -> None:
        """Return when every peer with a session has acknowledged all that the newest LocRib says."""
        for session in list(self._sessions.values()):
            await session.flushed()

    def answer(self, name: str, connection: Connection) -> None:
        """Take a connection that a peer has opened."""
        if name in self._sessions:
            self._sessions[name].call(connection)
        else:
            connection.abort()

    def lose(self, name: str, reason: str) -> None:
        """End the session with a peer to which the path is lost, if there is one."""
        if name in self._sessions:
            self._sessions[name].lose(reason)

    async def converse(self, name: str, config: PeerConfig) -> None:
        """Keep up the session with one peer, until cancelled."""
        session = self._sessions[name] = Session(
            config,
            self._rib,
            dial=self._dial,
            jitter=self._jitter,
            report=lambda status: self.changed.set({**self.changed.value, name: status.state}),
            farewell=lambda: self._farewell(name, config),
            progressed=self._progressed,
            history=self._histories.setdefault(name, History()),
            watch=self._watch,
        )
        try:
            await session.run()
        finally:
            del self._sessions[name]
            if name not in self._peers.value:
                del self._histories[name]
            self.changed.set({other: state for other, state in self.changed.value.items() if other != name})

    async def adopt(self) -> None:
        """Tell sessions what has changed of their peers without an end to them, for ever."""
        async for peers in self._peers:
            for name, session in self._sessions.items():
                if name in peers:
                    session.adopt(peers[name])

    def _is_up(self, name: str) -> bool:
        return self.changed.value.get(name) is State.ESTABLISHED

    def _progressed(self) -> None:
        self.progress.set(self.progress.value + 1)

    def _farewell(self, name: str, config: PeerConfig) -> Stop:
        """What ends a session from our side, seen from what the configuration has become (RFC 4486)."""
        wanted = self._peers.value.get(name)
        if wanted is not None and config.goes_on_as(wanted):
            return Stop(subcode=CeaseError.ADMINISTRATIVE_SHUTDOWN, text=self._goodbye())
        if wanted is None:
            return Stop(subcode=CeaseError.PEER_DE_CONFIGURED, text="not in the configuration any more")
        return Stop(subcode=CeaseError.OTHER_CONFIGURATION_CHANGE, text="the peer's section changed")


@asynccontextmanager
async def speak(
    peers: Latest[Peers],
    rib: Latest[LocRib],
    *,
    listen: Latest[tuple[Endpoint, ...]],
    goodbye: Callable[[], str],
    jitter: Callable[[], float],
    dial: Dialer = transport.dial,
    listener: Listen = transport.listen,
    watch: Latest[Watch] | None = None,
) -> AsyncIterator[Speaker]:
    """Tell every peer what the rib holds, whatever becomes of either, until the context is left.

    Args:
        peers: by name; a change of one restarts its session and no other, unless it can go on.
        rib: what to say; a change of it touches no session.
        listen: where peers may call; empty: nowhere.
        goodbye: asked on leaving for the text of the Cease (RFC 9003).
        jitter: draws from [0, 1).
        dial: opens a connection.
        listener: listens for ever on one endpoint.
        watch: what to keep of what witnesses tell.
    """
    speaker = Speaker(
        peers,
        rib,
        goodbye=goodbye,
        jitter=jitter,
        dial=dial,
        watch=Latest(Watch()) if watch is None else watch,
    )
    doors: Latest[Mapping[Endpoint, None]] = Latest({})

    async def keep_door(endpoint: Endpoint, _: None) -> None:
        await listener(*endpoint, peers, speaker.answer)

    async def follow_doors() -> None:
        async for endpoints in listen:
            doors.set(dict.fromkeys(endpoints))

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                children.follow(peers, speaker.converse, goes_on=PeerConfig.goes_on_as), name="peers"
            ),
            group.create_task(speaker.adopt(), name="adopt"),
            group.create_task(follow_doors(), name="listen"),
            group.create_task(children.follow(doors, keep_door), name="doors"),
        ]
        try:
            yield speaker
        finally:
            for task in tasks:
                task.cancel()
