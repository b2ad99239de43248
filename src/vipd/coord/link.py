"""How a pod stands with the directory: values alone, for whoever tells of it."""

from dataclasses import dataclass
from enum import StrEnum

Seconds = float


class LinkState(StrEnum):
    """How we stand with the directory."""

    NEVER = "NEVER"  # no server has taken us yet
    CONNECTED = "CONNECTED"
    SUSPENDED = "SUSPENDED"  # no connection; whether the session lives, only a server knows
    EXPIRED = "EXPIRED"  # a server has said that the session is no more, and our ephemeral nodes with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Our connection and our session.

    `generation` grows with every connection: what was read in an earlier one may have changed unseen.
    `lease_until` moves with every answer, but is told anew only when it has grown by a twelfth of `timeout`.
    """

    state: LinkState = LinkState.NEVER
    generation: int = 0
    session_id: int = 0
    new_session: bool = False  # this connection's session began with it
    timeout: Seconds  # T as negotiated; as asked for until it is
    lease_until: Seconds = 0.0  # until when our session has not expired, whatever happens: less a margin
    server: str = ""  # the newest that took us
    last_error: str = ""  # one clause; why the newest connection, or attempt at one, failed
    zxid: int = 0  # the newest that a server has shown us

    def alive(self, now: Seconds) -> bool:
        """Whether our session, and so what we hold, is beyond doubt."""
        return self.state is LinkState.CONNECTED and now < self.lease_until
