"""One ZooKeeper session, kept alive over one connection after another until it is left, or a server ends it.

aiozk's own session is not safe to decide by: it believes in sessions that are gone, its calls wait without
bound, it repeats requests behind their asker's back, and a server that closes during the handshake costs it
the session. What this one promises instead:

- A connection is dead when it ends, when a ping is unanswered for T/3, or any other request for T/2.
- Another server is tried at once, connection and handshake within `DIAL`; after a round of failures comes
  a pause. The session and the newest zxid go along, and are given up only when a server says that the
  session is no more, or when servers that do serve refuse our zxid for so long that data must be lost.
- Every connection is a generation. Nothing is sent twice, or in another generation than it was meant for.
- The lease says until when no server can have expired us, but where we talk to one that is cut off from the
  others and has not noticed yet. It rests on what was answered, by our own clock.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Never

import structlog
from aiozk import protocol

from vipd.coord.directory import DirectoryLost, Link, LinkState
from vipd.coord.ensemble import Ensemble, Server, is_literal, spell
from vipd.coord.zk_wire import Answer, Request, Response, Wire, words
from vipd.latest import Latest

log = structlog.get_logger()

Seconds = float

DIAL: Final[Seconds] = 0.5  # for connection, TLS, handshake and credentials together
PAUSE: Final[tuple[Seconds, Seconds]] = (0.05, 0.3)  # after a round of all servers; chance says which
LOOK_UP: Final[Seconds] = 15.0  # for the addresses of a name; no known server waits for it
LEAVING: Final[Seconds] = 1.0
REFUSED: Final[Seconds] = 10.0  # for which servers may refuse our zxid: one that lags so long is dropped

Resolve = Callable[[str], Awaitable[tuple[str, ...]]]  # the addresses of a name; raises OSError
Open = Callable[[Callable[[], asyncio.Protocol], str, Server], Awaitable[Any]]  # at an address of a server


@dataclass(frozen=True, slots=True)
class _Place:
    """A server at one of its addresses."""

    server: Server
    address: str

    def __str__(self) -> str:
        here = spell(self.address, self.server.port)
        return here if self.address == self.server.host else f"{self.server} ({here})"


class _NotTaken(Exception):  # noqa: N818 - it is what happened
    """A server has not taken us; `hung_up`: on our greeting, which is how it refuses a zxid."""

    def __init__(self, reason: str, *, hung_up: bool = False) -> None:
        super().__init__(reason)
        self.hung_up = hung_up


class Session:
    """What `run` keeps alive.

    Args:
        ensemble: the servers.
        open_wire: connects a protocol to a server; raises OSError.
        resolve: looks up the names of servers.
        jitter: draws from [0, 1).
        heard: is told a path whose watch has fired, or None: a connection has begun, and no watch stands.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        *,
        open_wire: Open,
        resolve: Resolve,
        jitter: Callable[[], float],
        heard: Callable[[str | None], None],
    ) -> None:
        self.link = Latest(Link(timeout=ensemble.session_timeout))
        self._loop = asyncio.get_running_loop()
        self._ensemble = ensemble
        self._open_wire = open_wire
        self._resolve = resolve
        self._jitter = jitter
        self._heard = heard
        self._wire: Wire | None = None
        self._password = bytes(16)
        self._zxid = 0
        self._lease: Seconds = 0.0
        self._addresses: dict[str, tuple[str, ...]] = {
            server.host: (server.host,) for server in ensemble.servers if is_literal(server.host)
        }
        self._failures: dict[str, str] = {}  # by server or name: why it does not have us
        self._told: set[tuple[str, str]] = set()  # of these, since the last connection
        self._rounds = Latest(0)  # in which no server had us
        self._last: _Place | None = None
        self._refused_since: Seconds | None = None  # from when on servers hang up, and none takes us
        self._lost_at: Seconds | None = None

    def require(self) -> Wire:
        """Return the connection; what is asked on it belongs to this generation. Raises DirectoryLost."""
        if self._wire is None:
            why = self.link.value.last_error or "no server has been reached yet"
            raise DirectoryLost(f"not connected to ZooKeeper: {why}", sent=False)
        return self._wire

    async def run(self) -> Never:
        """Keep the session alive until cancelled. The connection that there is then stands, for `leave`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_addresses(), name="addresses of servers")
            while True:
                wire = await self._connect()
                began = self._loop.time()
                await self._attend(wire)
                if self._loop.time() - began < DIAL:  # it takes us, and drops us: no cause for haste
                    await self._pause()
        raise AssertionError("nothing ends the group but an exception")

    async def leave(self) -> None:
        """End the session, and our ephemeral nodes with it; hang up. Nobody may be running it any more."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        try:
            await asyncio.wait((wire.ask(protocol.CloseRequest(), within=LEAVING),), timeout=LEAVING)
        finally:
            wire.abort("we have left")
            self._tell(state=LinkState.EXPIRED, lease_until=0.0, last_error="we have left")

    # What a wire tells.

    def heard(self, path: str) -> None:
        self._heard(path)

    def answered(self, sent: Seconds, zxid: int) -> None:
        self._zxid = max(self._zxid, zxid)
        if self._wire is None:  # the handshake's answers are counted at its end
            return
        link = self.link.value
        self._lease = max(self._lease, _lease(sent, link.timeout))
        if self._lease - link.lease_until >= link.timeout / 12:
            self._tell(lease_until=self._lease)

    def ended(self, wire: Wire, reason: str) -> None:
        if wire is not self._wire:
            return
        self._wire = None
        self._lost_at = self._loop.time()
        self._tell(state=LinkState.SUSPENDED, last_error=reason)
        log.warning("zookeeper_lost", server=self.link.value.server, reason=reason)

    # How a connection comes about.

    async def _connect(self) -> Wire:
        """Go round the servers until one has us."""
        while True:
            places = [
                _Place(server, address)
                for server in self._ensemble.servers
                for address in self._addresses.get(server.host, ())
            ]
            for place in sorted(places, key=lambda place: (place == self._last, self._jitter())):
                self._last = place
                try:
                    wire, taken, sent = await self._meet(place)
                except _NotTaken as failure:
                    self._failed(str(place), str(failure))
                else:
                    self._begin(wire, place, taken, sent)
                    return wire
            reasons = (f"{who}: {why}" for who, why in sorted(self._failures.items()))
            self._tell(last_error="; ".join(reasons))
            self._rounds.set(self._rounds.value + 1)
            await self._pause()

    async def _meet(self, place: _Place) -> tuple[Wire, Response, Seconds]:
        """Greet one server with our session and our zxid, and without them where it must be."""
        zxid = self._zxid
        try:
            wire, taken, sent = await self._greet(place, zxid)
        except _NotTaken as failure:
            if not failure.hung_up or not self._refused_too_long():
                raise
            # Either it serves nobody, or it has less than we have seen: then it takes us without our zxid.
            zxid = 0
            wire, taken, sent = await self._greet(place, zxid)
        if not taken.session_id:
            self._expire()
            wire, taken, sent = await self._greet(place, zxid)
        if not taken.session_id:
            raise _NotTaken("it gives out no session")
        return wire, taken, sent

    async def _greet(self, place: _Place, zxid: int) -> tuple[Wire, Response, Seconds]:
        """Connect and shake hands. A session id of 0: our session is no more. Raises _NotTaken."""
        wire = Wire(self)
        try:
            async with asyncio.timeout(DIAL):
                await self._open_wire(lambda: wire, place.address, place.server)
                sent = self._loop.time()
                try:
                    taken = await wire.greet(self._greeting(zxid))
                except DirectoryLost as lost:
                    raise _NotTaken(f"{lost.reason}, in the handshake", hung_up=True) from lost
                if taken.session_id:
                    await self._introduce(wire, forgotten=zxid < self._zxid)
                else:
                    wire.abort("the session is no more")
        except TimeoutError:
            wire.abort("too late")
            raise _NotTaken(f"no answer within {DIAL:g} s") from None
        except OSError as error:
            raise _NotTaken(words(error)) from error
        except DirectoryLost as lost:
            raise _NotTaken(lost.reason) from lost
        except BaseException:
            wire.abort("given up")
            raise
        return wire, taken, sent

    def _greeting(self, zxid: int) -> Request:
        return protocol.ConnectRequest(
            protocol_version=0,
            last_seen_zxid=zxid,
            timeout=round(self._ensemble.session_timeout * 1000),
            session_id=self.link.value.session_id,
            password=self._password,
            read_only=False,
        )

    async def _introduce(self, wire: Wire, *, forgotten: bool) -> None:
        """Say who we are; and of a server that was not told our zxid, ask its own. Raises DirectoryLost."""
        if self._ensemble.credentials:
            auth = self._ensemble.credentials.encode()
            await wire.ask(protocol.AuthRequest(type=0, scheme="digest", auth=auth), within=DIAL)
        if forgotten:
            newest = (await wire.ask(protocol.PingRequest(), within=DIAL)).zxid
            if newest < self._zxid:
                log.error("zookeeper_data_lost", seen=f"{self._zxid:#x}", now=f"{newest:#x}")
                self._zxid = newest

    def _begin(self, wire: Wire, place: _Place, taken: Response, sent: Seconds) -> None:
        before = self.link.value
        timeout = taken.timeout / 1000
        wire.patience = timeout / 2
        self._wire = wire
        self._password = taken.password
        self._lease = _lease(sent, timeout)
        self._tell(
            state=LinkState.CONNECTED,
            generation=before.generation + 1,
            session_id=taken.session_id,
            new_session=taken.session_id != before.session_id,
            timeout=timeout,
            lease_until=self._lease,
            server=str(place),
        )
        away = None if self._lost_at is None else round(self._loop.time() - self._lost_at, 3)
        self._failures.clear()
        self._told.clear()
        self._refused_since = self._lost_at = None
        log.info(
            "zookeeper_connected",
            server=str(place),
            session=f"{taken.session_id & 0xFFFFFFFFFFFFFFFF:#x}",
            new_session=self.link.value.new_session,
            timeout=timeout,
            away=away,
        )
        if timeout not in {before.timeout, self._ensemble.session_timeout}:
            log.warning("session_timeout_clipped", asked=self._ensemble.session_timeout, negotiated=timeout)
        self._heard(None)

    def _expire(self) -> None:
        gone = self.link.value.session_id
        self._password = bytes(16)
        self._tell(state=LinkState.EXPIRED, session_id=0, lease_until=0.0)
        log.warning("zookeeper_session_expired", session=f"{gone & 0xFFFFFFFFFFFFFFFF:#x}")

    def _refused_too_long(self) -> bool:
        now = self._loop.time()
        if self._refused_since is None:
            self._refused_since = now
        return now - self._refused_since >= REFUSED and self._zxid > 0

    # How it is kept.

    async def _attend(self, wire: Wire) -> None:
        """Ping until the connection is lost."""
        timeout = self.link.value.timeout
        ping: asyncio.Future[Answer] | None = None
        while not wire.lost.done():
            if ping is None or ping.done():
                ping = wire.ask(protocol.PingRequest(), within=timeout / 3)
            await asyncio.wait((wire.lost,), timeout=timeout / 6)

    async def _pause(self) -> None:
        shortest, longest = PAUSE
        await asyncio.sleep(shortest + (longest - shortest) * self._jitter())

    async def _keep_addresses(self) -> None:
        """Look all names up at the start, and after each round in which no server had us."""
        names = {server.host for server in self._ensemble.servers if not is_literal(server.host)}
        async for _ in self._rounds:
            async with asyncio.TaskGroup() as group:
                for name in sorted(names):
                    group.create_task(self._look_up(name), name=f"look up {name}")

    async def _look_up(self, name: str) -> None:
        try:
            async with asyncio.timeout(LOOK_UP):
                found = await self._resolve(name)
        except TimeoutError:
            self._failed(name, f"no address within {LOOK_UP:g} s")
        except OSError as error:
            self._failed(name, words(error).removeprefix(f"{name}: "))
        else:
            self._failures.pop(name, None)
            self._addresses[name] = tuple(address for address in found if "%" not in address)

    # What we tell.

    def _failed(self, who: str, why: str) -> None:
        self._failures[who] = why
        if (who, why) not in self._told and self._wire is None:
            self._told.add((who, why))
            log.warning("zookeeper_unreachable", server=who, reason=why)

    def _tell(self, **changes: Any) -> None:
        self.link.set(replace(self.link.value, zxid=self._zxid, **changes))


def _lease(sent: Seconds, timeout: Seconds) -> Seconds:
    """Servers count T from when they get a request; a quarter is left for what they may count differently."""
    return sent + timeout * 3 / 4
