"""A stream of octets into messages (RFC 4271 section 4.1). Knows a message's header, nothing of its body."""

from collections.abc import Iterator
from typing import Final

from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import ErrorCode, MessageHeaderError, MessageType
from vipd.bgp.messages import HEADER, LONGEST, LONGEST_EXTENDED, MARKER

# The least and the greatest length of each type, header included (RFC 4271 section 6.1). The length of a
# ROUTE-REFRESH is judged by who reads it: which error it is depends on what was agreed (RFC 7313 section 5).
_KINDS: Final[dict[int, tuple[MessageType | None, int, int]]] = {
    MessageType.OPEN: (MessageType.OPEN, 29, LONGEST),
    MessageType.UPDATE: (MessageType.UPDATE, 23, LONGEST),
    MessageType.NOTIFICATION: (MessageType.NOTIFICATION, 21, LONGEST),
    MessageType.KEEPALIVE: (MessageType.KEEPALIVE, HEADER, HEADER),
    MessageType.ROUTE_REFRESH: (MessageType.ROUTE_REFRESH, HEADER, LONGEST),
}
_NO_KIND: Final = (None, HEADER, LONGEST)
_FIXED: Final = (MessageType.OPEN, MessageType.KEEPALIVE)  # of all lengths, those that RFC 8654 leaves alone


class Framer:
    """Collects what the transport read, and gives each whole message once: its type and its body.

    Feed, then iterate until it ends; octets fed later continue where these stopped. Iterating raises
    NotificationError where no message can begin, and does so again each time after.
    """

    __slots__ = ("_octets", "extended")

    def __init__(self) -> None:
        self._octets = bytearray()
        self.extended = False  # whether both sides offered extended messages (RFC 8654)

    def feed(self, octets: bytes) -> None:
        self._octets += octets

    def __iter__(self) -> Iterator[tuple[MessageType, bytes]]:
        octets = self._octets
        start = 0
        try:
            while len(octets) - start >= HEADER:
                kind, length = _header(octets, start, extended=self.extended)
                if len(octets) - start < length:
                    break
                body = bytes(octets[start + HEADER : start + length])
                start += length
                yield kind, body
        finally:
            del octets[:start]


def _header(octets: bytearray, start: int, *, extended: bool) -> tuple[MessageType, int]:
    """Read type and length of the message that begins there, checked in the RFC's order."""
    if not octets.startswith(MARKER, start):
        raise NotificationError(
            ErrorCode.MESSAGE_HEADER,
            MessageHeaderError.CONNECTION_NOT_SYNCHRONIZED,
            text=f"a message begins with {octets[start : start + 16].hex()} and not with its marker",
        )
    length = octets[start + 16] << 8 | octets[start + 17]
    kind, least, greatest = _KINDS.get(octets[start + 18], _NO_KIND)
    if extended and kind not in _FIXED:
        greatest = LONGEST_EXTENDED
    if not least <= length <= greatest:
        raise NotificationError(
            ErrorCode.MESSAGE_HEADER,
            MessageHeaderError.BAD_MESSAGE_LENGTH,
            data=bytes(octets[start + 16 : start + 18]),
            text=f"a message of type {octets[start + 18]} has {length} octets, not {least} to {greatest}",
        )
    if kind is None:
        raise NotificationError(
            ErrorCode.MESSAGE_HEADER,
            MessageHeaderError.BAD_MESSAGE_TYPE,
            data=bytes(octets[start + 18 : start + 19]),
            text=f"there is no message type {octets[start + 18]}",
        )
    return kind, length
