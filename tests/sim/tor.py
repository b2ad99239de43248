"""A simulated ToR: speaks BGP well enough to be told routes, and ill enough to be a trial.

It is built on our own codec and so can share its mistakes: golden vectors and interop are there for that.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from sim.link import End, Network
from vipd.bgp.attributes import PathAttributes
from vipd.bgp.capabilities import Capability, FourOctetAs, Multiprotocol, RouteRefresh
from vipd.bgp.framing import Framer
from vipd.bgp.iana import Family, MessageType
from vipd.bgp.messages import Keepalive, Notification, Open, UpdateReader
from vipd.bgp.messages import RouteRefresh as RefreshMessage
from vipd.bgp.wire import Prefix
from vipd.latest import Latest


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(eq=False)
class Talk:
    """One connection with the speaker, seen from the ToR."""

    end: End
    dialled: bool  # by us, the ToR
    reader: UpdateReader = field(
        default_factory=lambda: UpdateReader(four_octet_as=True, ebgp=True, families=tuple(Family))
    )
    hold_time: float | None = None  # agreed
    keeping: asyncio.Task[None] | None = None
    heard: list[tuple[float, MessageType]] = field(default_factory=list)
    notification: Notification | None = None  # that ended it, whoever sent it
    established: bool = False
    closed_at: float | None = None
    adj_rib_in: dict[Prefix, PathAttributes] = field(default_factory=dict)
    end_of_rib: set[Family] = field(default_factory=set)

    def times(self, kind: MessageType) -> list[float]:
        return [when for when, heard in self.heard if heard is kind]


class Tor:
    """One router; `talks` holds its connections, oldest first."""

    def __init__(
        self,
        network: Network,
        address: str = "10.0.0.2",
        *,
        asn: int = 65001,
        router_id: str = "10.0.0.2",
        hold_time: int = 9,
        families: Sequence[Family] = (Family.IPV4, Family.IPV6),
    ) -> None:
        self.network = network
        self.address = address
        self.talks: list[Talk] = []
        self.news = Latest(0)  # goes up with every message that is heard and every connection that ends
        self.open = Open(
            asn=asn,
            hold_time=hold_time,
            router_id=IPv4Address(router_id),
            capabilities=self._capabilities(asn, families),
        )
        self.answers = True  # an OPEN; or says nothing at all
        self.patient = False  # has no hold timer of its own
        self._group: asyncio.TaskGroup
        self._tasks: list[asyncio.Task[None]] = []

    @staticmethod
    def _capabilities(asn: int, families: Sequence[Family]) -> tuple[Capability, ...]:
        return (*map(Multiprotocol.of, families), RouteRefresh(), FourOctetAs(asn=asn))

    @property
    def talk(self) -> Talk:
        return self.talks[-1]

    @property
    def adj_rib_in(self) -> dict[str, PathAttributes]:
        """What it believes, over all connections that are up."""
        return {
            str(prefix): attributes
            for talk in self.talks
            if talk.established
            for prefix, attributes in talk.adj_rib_in.items()
        }

    @asynccontextmanager
    async def up(self, port: int = 179) -> AsyncIterator["Tor"]:
        """Listen, until the context is left; then close every connection without a word."""
        async with asyncio.TaskGroup() as self._group:
            self.network.listens(self.address, port, self._answer)
            try:
                yield self
            finally:
                self.network.listens_no_more(self.address, port)
                for task in self._tasks:
                    task.cancel()

    async def dial(self, address: str = "10.0.0.1", port: int = 179) -> Talk:
        """Call the speaker."""
        return self._talk(await self.network.connect(self.address, address, port), dialled=True)

    def refresh(self, family: Family) -> None:
        """Ask to be told everything again."""
        self.talk.end.write(RefreshMessage(afi=family.afi, safi=family.safi).encode())

    async def until_told(self, *prefixes: str) -> None:
        """Wait until it believes these prefixes and no others."""
        await self.news.until(lambda _: self.adj_rib_in.keys() == set(prefixes))

    async def until_established(self) -> Talk:
        await self.news.until(lambda _: any(talk.established for talk in self.talks))
        return next(talk for talk in self.talks if talk.established)

    def _answer(self, end: End) -> None:
        self._talk(end, dialled=False)

    def _talk(self, end: End, *, dialled: bool) -> Talk:
        talk = Talk(end, dialled)
        self.talks.append(talk)
        self._tasks.append(self._group.create_task(self._converse(talk)))
        return talk

    async def _converse(self, talk: Talk) -> None:
        if self.answers:
            talk.end.write(self.open.encode())
        try:
            await self._listen(talk)
        except TimeoutError:
            talk.notification = Notification(code=4, subcode=0)
            talk.end.write(talk.notification.encode())
        except ConnectionError:
            pass
        finally:
            talk.established = False
            talk.closed_at = _now()
            if talk.keeping is not None:
                talk.keeping.cancel()
            talk.end.abort()
            self._moved()

    async def _listen(self, talk: Talk) -> None:
        framer = Framer()
        while talk.notification is None:
            async with asyncio.timeout(None if self.patient else talk.hold_time):
                octets = await talk.end.read()
            if not octets:
                return
            framer.feed(octets)
            for kind, body in framer:
                talk.heard.append((_now(), kind))
                self._hear(talk, kind, body)
                self._moved()

    def _hear(self, talk: Talk, kind: MessageType, body: bytes) -> None:
        match kind:
            case MessageType.OPEN:
                if self.answers:
                    talk.end.write(Keepalive().encode())
                    talk.hold_time = min(self.open.hold_time, Open.decode(body).hold_time) or None
                    talk.keeping = self._group.create_task(self._keep(talk))
            case MessageType.KEEPALIVE:
                talk.established = True
            case MessageType.NOTIFICATION:
                talk.notification = Notification.decode(body)
            case MessageType.UPDATE:
                self._learn(talk, body)
            case MessageType.ROUTE_REFRESH:
                raise AssertionError("a speaker that stores nothing asked to be told again")

    async def _keep(self, talk: Talk) -> None:
        while talk.hold_time is not None:
            await asyncio.sleep(talk.hold_time / 3)
            talk.end.write(Keepalive().encode())

    def _moved(self) -> None:
        self.news.set(self.news.value + 1)

    def _learn(self, talk: Talk, body: bytes) -> None:
        for update in talk.reader.updates(body):
            for prefix in update.withdrawn:
                del talk.adj_rib_in[prefix]  # nobody withdraws what was never said
            for prefix in update.announced:
                assert update.attributes is not None
                talk.adj_rib_in[prefix] = update.attributes
            if not update.withdrawn and not update.announced:
                talk.end_of_rib.add(update.family)
