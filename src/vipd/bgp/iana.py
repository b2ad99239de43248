"""The numbers that IANA assigns to BGP-4, as enums. Nothing else lives here."""

from enum import IntEnum
from typing import Final, Self

AS_TRANS: Final = 23456  # stands for an AS number that two octets cannot hold (RFC 6793 section 9)


class MessageType(IntEnum):
    """RFC 4271 section 4.1, RFC 2918."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


class Family(IntEnum):
    """An address family and subsequent family (RFC 4760), as `afi << 8 | safi`.

    An int, so that it hashes at the speed of one: it is part of every key of every table.
    """

    IPV4 = 1 << 8 | 1
    IPV6 = 2 << 8 | 1

    @classmethod
    def of(cls, afi: int, safi: int) -> "Family | None":
        """The family of these numbers; None when vipd does not speak it."""
        return _FAMILIES.get(afi << 8 | safi)

    @property
    def afi(self) -> int:
        return self >> 8

    @property
    def safi(self) -> int:
        return self & 0xFF

    @property
    def octets(self) -> int:
        """Length of an address, in octets."""
        return 4 if self is Family.IPV4 else 16

    def __str__(self) -> str:
        return self.name.lower()


_FAMILIES: Final[dict[int, Family]] = {family: family for family in Family}


class CapabilityCode(IntEnum):
    """RFC 5492: the capabilities that vipd speaks."""

    MULTIPROTOCOL = 1
    ROUTE_REFRESH = 2
    EXTENDED_NEXT_HOP = 5
    EXTENDED_MESSAGE = 6
    ROLE = 9
    GRACEFUL_RESTART = 64
    FOUR_OCTET_AS = 65
    ENHANCED_ROUTE_REFRESH = 70


class RefreshSubtype(IntEnum):
    """What a ROUTE-REFRESH is (RFC 7313 section 3.2)."""

    REQUEST = 0
    BEGIN = 1
    END = 2


class Role(IntEnum):
    """What a speaker is to one in another AS (RFC 9234 section 3)."""

    PROVIDER = 0
    RS = 1  # a route server
    RS_CLIENT = 2
    CUSTOMER = 3
    PEER = 4

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


class AttributeCode(IntEnum):
    """Path attributes that vipd checks; the names are those of their RFCs."""

    ORIGIN = 1
    AS_PATH = 2
    NEXT_HOP = 3
    MULTI_EXIT_DISC = 4
    LOCAL_PREF = 5
    ATOMIC_AGGREGATE = 6
    AGGREGATOR = 7
    COMMUNITIES = 8
    ORIGINATOR_ID = 9
    CLUSTER_LIST = 10
    MP_REACH_NLRI = 14
    MP_UNREACH_NLRI = 15
    EXTENDED_COMMUNITIES = 16
    AS4_PATH = 17
    AS4_AGGREGATOR = 18
    IPV6_EXTENDED_COMMUNITIES = 25
    LARGE_COMMUNITY = 32
    ONLY_TO_CUSTOMER = 35


class Origin(IntEnum):
    """RFC 4271 section 5.1.1."""

    IGP = 0
    EGP = 1
    INCOMPLETE = 2


class SegmentType(IntEnum):
    """What a run of AS numbers in an AS_PATH is (RFC 4271 section 4.3, RFC 5065 section 3)."""

    AS_SET = 1
    AS_SEQUENCE = 2
    AS_CONFED_SEQUENCE = 3
    AS_CONFED_SET = 4


class _Worded(IntEnum):
    """A number and the words of its registry."""

    words: str

    def __new__(cls, number: int, words: str) -> Self:
        member = int.__new__(cls, number)
        member._value_ = number
        member.words = words
        return member


class ErrorCode(_Worded):
    """RFC 4271 section 4.5, RFC 7313."""

    MESSAGE_HEADER = 1, "Message Header Error"
    OPEN = 2, "OPEN Message Error"
    UPDATE = 3, "UPDATE Message Error"
    HOLD_TIMER_EXPIRED = 4, "Hold Timer Expired"
    FSM = 5, "Finite State Machine Error"
    CEASE = 6, "Cease"
    ROUTE_REFRESH = 7, "ROUTE-REFRESH Message Error"
    SEND_HOLD_TIMER_EXPIRED = 8, "Send Hold Timer Expired"  # RFC 9687


class MessageHeaderError(_Worded):
    """RFC 4271 section 6.1."""

    CONNECTION_NOT_SYNCHRONIZED = 1, "Connection Not Synchronized"
    BAD_MESSAGE_LENGTH = 2, "Bad Message Length"
    BAD_MESSAGE_TYPE = 3, "Bad Message Type"


class OpenError(_Worded):
    """RFC 4271 section 6.2, RFC 5492, RFC 9234."""

    UNSPECIFIC = 0, "Unspecific"
    UNSUPPORTED_VERSION_NUMBER = 1, "Unsupported Version Number"
    BAD_PEER_AS = 2, "Bad Peer AS"
    BAD_BGP_IDENTIFIER = 3, "Bad BGP Identifier"
    UNSUPPORTED_OPTIONAL_PARAMETER = 4, "Unsupported Optional Parameter"
    UNACCEPTABLE_HOLD_TIME = 6, "Unacceptable Hold Time"
    UNSUPPORTED_CAPABILITY = 7, "Unsupported Capability"
    ROLE_MISMATCH = 11, "Role Mismatch"


class UpdateError(_Worded):
    """RFC 4271 section 6.3."""

    MALFORMED_ATTRIBUTE_LIST = 1, "Malformed Attribute List"
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 2, "Unrecognized Well-known Attribute"
    MISSING_WELL_KNOWN_ATTRIBUTE = 3, "Missing Well-known Attribute"
    ATTRIBUTE_FLAGS = 4, "Attribute Flags Error"
    ATTRIBUTE_LENGTH = 5, "Attribute Length Error"
    INVALID_ORIGIN = 6, "Invalid ORIGIN Attribute"
    INVALID_NEXT_HOP = 8, "Invalid NEXT_HOP Attribute"
    OPTIONAL_ATTRIBUTE = 9, "Optional Attribute Error"
    INVALID_NETWORK_FIELD = 10, "Invalid Network Field"
    MALFORMED_AS_PATH = 11, "Malformed AS_PATH"


class FsmError(_Worded):
    """RFC 6608: a message arrived in a state that does not expect it."""

    UNSPECIFIED = 0, "Unspecified Error"
    UNEXPECTED_IN_OPEN_SENT = 1, "Receive Unexpected Message in OpenSent State"
    UNEXPECTED_IN_OPEN_CONFIRM = 2, "Receive Unexpected Message in OpenConfirm State"
    UNEXPECTED_IN_ESTABLISHED = 3, "Receive Unexpected Message in Established State"


class CeaseError(_Worded):
    """RFC 4486, RFC 8538, RFC 9384."""

    MAXIMUM_NUMBER_OF_PREFIXES_REACHED = 1, "Maximum Number of Prefixes Reached"
    ADMINISTRATIVE_SHUTDOWN = 2, "Administrative Shutdown"
    PEER_DE_CONFIGURED = 3, "Peer De-configured"
    ADMINISTRATIVE_RESET = 4, "Administrative Reset"
    CONNECTION_REJECTED = 5, "Connection Rejected"
    OTHER_CONFIGURATION_CHANGE = 6, "Other Configuration Change"
    CONNECTION_COLLISION_RESOLUTION = 7, "Connection Collision Resolution"
    OUT_OF_RESOURCES = 8, "Out of Resources"
    HARD_RESET = 9, "Hard Reset"
    BFD_DOWN = 10, "BFD Down"


class RouteRefreshError(_Worded):
    """RFC 7313 section 5."""

    INVALID_MESSAGE_LENGTH = 1, "Invalid Message Length"


_SUBCODES: Final[dict[int, type[_Worded]]] = {
    ErrorCode.MESSAGE_HEADER: MessageHeaderError,
    ErrorCode.OPEN: OpenError,
    ErrorCode.UPDATE: UpdateError,
    ErrorCode.FSM: FsmError,
    ErrorCode.CEASE: CeaseError,
    ErrorCode.ROUTE_REFRESH: RouteRefreshError,
}


def describe_error(code: int, subcode: int) -> str:
    """Put a NOTIFICATION's two numbers into the registry's words: "Cease / Administrative Shutdown"."""
    error = next((known.words for known in ErrorCode if known == code), f"Error {code}")
    detail = next((known.words for known in _SUBCODES.get(code, ()) if known == subcode), "")
    if not detail and subcode:
        detail = f"subcode {subcode}"
    return f"{error} / {detail}" if detail else error
