"""The one exception of the codec: an error that is a message."""

from vipd.bgp.iana import describe_error


class NotificationError(Exception):
    """What the peer sent ends the session, and this is the NOTIFICATION that says so (RFC 4271 section 6).

    `data` goes on the wire and is the RFC's; `text` is for people on our side, and names both sides'
    values where they disagree.
    """

    def __init__(self, code: int, subcode: int, *, data: bytes = b"", text: str = "") -> None:
        super().__init__(code, subcode, data, text)
        self.code = code
        self.subcode = subcode
        self.data = data
        self.text = text

    def __str__(self) -> str:
        words = describe_error(self.code, self.subcode)
        return f"{words}: {self.text}" if self.text else words
