"""Which session a packet is for (RFC 5880 section 6.8.6, RFC 5881 section 3)."""

from typing import Final, Generic, TypeVar

from vipd.bfd.packet import ControlPacket, Discarded, Reason, State

T = TypeVar("T")
NEAREST: Final = 255  # a TTL that only the next hop can make arrive (RFC 5881 section 5)


class Demultiplexer(Generic[T]):
    """Finds sessions by the discriminator that we gave them, and by the peer's address."""

    def __init__(self) -> None:
        self._by_discriminator: dict[int, T] = {}
        self._by_address: dict[str, T] = {}

    def __contains__(self, discriminator: int) -> bool:
        return discriminator in self._by_discriminator

    def add(self, discriminator: int, address: str, session: T) -> None:
        """Take a session in. At its address it follows any that is still on its way out."""
        self._by_discriminator[discriminator] = session
        self._by_address[address] = session

    def remove(self, discriminator: int, address: str) -> None:
        session = self._by_discriminator.pop(discriminator)
        if self._by_address.get(address) is session:
            del self._by_address[address]

    def at(self, address: str) -> T | None:
        """Return the session with an address, to which what it sends wrong is counted."""
        return self._by_address.get(address)

    def select(self, octets: bytes, address: str, ttl: int) -> tuple[T, ControlPacket]:
        """Return what a datagram says and to whom. Raises Discarded, by the RFC's rules in their order."""
        if ttl != NEAREST:
            raise Discarded(Reason.TTL)
        packet = ControlPacket.decode(octets)
        session = self._select(packet, address)
        if packet.authenticated:
            raise Discarded(Reason.AUTHENTICATION)
        return session, packet

    def _select(self, packet: ControlPacket, address: str) -> T:
        if packet.your_discriminator:
            session = self._by_discriminator.get(packet.your_discriminator)
            if session is None:
                raise Discarded(Reason.YOUR_DISCRIMINATOR)
            return session
        if packet.state not in (State.DOWN, State.ADMIN_DOWN):
            raise Discarded(Reason.STATE)
        session = self._by_address.get(address)
        if session is None:
            raise Discarded(Reason.STRANGER)
        return session
