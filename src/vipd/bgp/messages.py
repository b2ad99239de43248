"""The five messages: as values with their wire form, and the reading of UPDATEs that a peer sends.

What an UPDATE says is checked and counted, not kept; `UpdateReader.updates` is for those who want to see it.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple, Self

from vipd.bgp.attributes import Finding, Judge, MpReach, MpUnreach, Outcome, PathAttributes, update_error
from vipd.bgp.capabilities import Capability, FourOctetAs, decode_capabilities
from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import (
    AS_TRANS,
    AttributeCode,
    CeaseError,
    ErrorCode,
    Family,
    MessageHeaderError,
    MessageType,
    OpenError,
    RefreshSubtype,
    Role,
    RouteRefreshError,
    UpdateError,
    describe_error,
)
from vipd.bgp.wire import Cursor, Overrun, Prefix, count_prefixes, shown, split_prefixes

MARKER: Final = b"\xff" * 16
HEADER: Final = 19  # octets: marker, length, type
LONGEST: Final = 4096  # octets of a message, header included
LONGEST_EXTENDED: Final = 65535  # where both offered that, of all but OPEN and KEEPALIVE (RFC 8654 section 4)

VERSION: Final = 4
_CAPABILITIES: Final = 2  # the optional parameter that holds capabilities (RFC 5492 section 4)
_EXTENDED: Final = 255  # in place of such a type: lengths of two octets follow (RFC 9072)
_SHUTDOWN_TEXT: Final = 255  # octets (RFC 9003)


def longest(*, extended: bool) -> int:
    """The most octets that a message may have, by whether extended ones were agreed on."""
    return LONGEST_EXTENDED if extended else LONGEST


def _message(kind: MessageType, body: bytes, *, extended: bool = False) -> bytes:
    length = HEADER + len(body)
    if length > longest(extended=extended):
        raise ValueError(f"a message of {length} octets: {longest(extended=extended)} is the most")
    return MARKER + struct.pack("!HB", length, kind) + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Who a speaker is and what it can do (RFC 4271 section 4.2).

    `asn` is the true AS number: one that two octets cannot hold stands in FourOctetAs.
    """

    asn: int
    hold_time: int  # seconds
    router_id: IPv4Address
    capabilities: tuple[Capability, ...] = ()
    version: int = VERSION

    def encode(self) -> bytes:
        """Write the message; raises ValueError where there is more in it than an OPEN holds."""
        octets = b"".join(capability.encode() for capability in self.capabilities)
        asn = self.asn if self.asn <= 0xFFFF else AS_TRANS
        head = struct.pack("!BHH", self.version, asn, self.hold_time)
        return _message(MessageType.OPEN, head + self.router_id.packed + _encode_parameters(octets))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read and check all that needs no configuration to be checked (RFC 4271 section 6.2).

        Raises NotificationError.
        """
        try:
            cursor = Cursor(body)
            version, asn, hold_time = cursor.number(1), cursor.number(2), cursor.number(2)
            router_id = IPv4Address(cursor.take(4))
            if version != VERSION:
                raise _open_error(
                    OpenError.UNSUPPORTED_VERSION_NUMBER,
                    f"the peer speaks version {version}, we speak {VERSION}",
                    struct.pack("!H", VERSION),
                )
            capabilities = _decode_parameters(cursor)
        except Overrun as error:
            raise _open_error(OpenError.UNSPECIFIC, f"the message is cut short: {error}") from error
        numbers = [asn, *(c.asn for c in capabilities if isinstance(c, FourOctetAs))]
        asn = numbers[-1]
        if 0 in numbers:  # RFC 7607: in the field, or in the capability that stands in for it
            raise _open_error(OpenError.BAD_PEER_AS, "the peer says that its AS is 0")
        if hold_time in (1, 2):
            raise _open_error(
                OpenError.UNACCEPTABLE_HOLD_TIME,
                f"the peer offers {hold_time} s; 0 or at least 3 s it must be",
            )
        if router_id.is_unspecified:
            raise _open_error(OpenError.BAD_BGP_IDENTIFIER, "the peer's router id is 0.0.0.0")
        return cls(
            asn=asn, hold_time=hold_time, router_id=router_id, capabilities=capabilities, version=version
        )


def _open_error(subcode: OpenError, text: str, octets: bytes = b"") -> NotificationError:
    return NotificationError(ErrorCode.OPEN, subcode, data=octets, text=text)


def _encode_parameters(capabilities: bytes) -> bytes:
    """Write the optional parameters with their length: in the form of RFC 9072 only where there is need."""
    length = len(capabilities)
    if not length:
        return b"\0"
    if length <= 0xFF - 2:
        return bytes((length + 2, _CAPABILITIES, length)) + capabilities
    return struct.pack("!BBHBH", 0xFF, _EXTENDED, length + 3, _CAPABILITIES, length) + capabilities


def _decode_parameters(cursor: Cursor) -> tuple[Capability, ...]:
    """Read the optional parameters, of which only capabilities are left in use, to the end of the OPEN."""
    length, width = cursor.number(1), 1
    octets = cursor.rest()
    if length and octets[:1] == bytes((_EXTENDED,)):
        cursor = Cursor(octets[1:])
        length, width, octets = cursor.number(2), 2, cursor.rest()
    if length != len(octets):
        raise _open_error(
            OpenError.UNSPECIFIC,
            f"{length} octets of optional parameters are said and {len(octets)} are there",
        )
    parameters = Cursor(octets)
    capabilities: list[Capability] = []
    while parameters.left:
        kind = parameters.number(1)
        value = parameters.take(parameters.number(width))
        if kind != _CAPABILITIES:
            raise _open_error(
                OpenError.UNSUPPORTED_OPTIONAL_PARAMETER, f"there is no optional parameter {kind}"
            )
        capabilities += decode_capabilities(value)
    return tuple(capabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """I am still here (RFC 4271 section 4.4)."""

    def encode(self) -> bytes:
        return _message(MessageType.KEEPALIVE, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The session is over, and why (RFC 4271 section 4.5). Its str() is the sentence for people."""

    code: int
    subcode: int
    data: bytes = b""

    def encode(self, *, extended: bool = False) -> bytes:
        """Write the message, with as much of its data as one holds."""
        room = longest(extended=extended) - HEADER - 2
        body = bytes((self.code, self.subcode)) + self.data[:room]
        return _message(MessageType.NOTIFICATION, body, extended=extended)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read whatever is there, zeros where nothing is: no error answers this message."""
        code, subcode = body[:2].ljust(2, b"\0")
        return cls(code=code, subcode=subcode, data=body[2:])

    def __str__(self) -> str:
        words = describe_error(self.code, self.subcode)
        if self.code == ErrorCode.CEASE and self.subcode in _EXPLAINED:
            text = shutdown_text(self.data)
            return f"{words}: {text}" if text else words
        return f"{words} (data {self.data.hex()})" if self.data else words


_EXPLAINED: Final = (CeaseError.ADMINISTRATIVE_SHUTDOWN, CeaseError.ADMINISTRATIVE_RESET)


def shutdown_data(text: str) -> bytes:
    """Put a reason into the data of a Cease (RFC 9003), cut to what fits, between two characters."""
    octets = text.encode(errors="replace")[:_SHUTDOWN_TEXT].decode(errors="ignore").encode()
    return bytes((len(octets),)) + octets


def shutdown_text(data: bytes) -> str:
    """Read the reason out of the data of a Cease (RFC 9003).

    It is the peer's and goes to logs and terminals: what is no printable UTF-8 is shown escaped.
    """
    text = data[1 : 1 + data[0]].decode(errors="backslashreplace") if data else ""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRefresh:
    """Tell me everything of this family again (RFC 2918).

    The subtype is RFC 7313's, for peers that both offer its capability; to others it is reserved.
    """

    afi: int
    safi: int
    subtype: int = RefreshSubtype.REQUEST

    @property
    def family(self) -> Family | None:
        """The family meant; None when vipd does not speak it."""
        return Family.of(self.afi, self.safi)

    def encode(self) -> bytes:
        return _message(MessageType.ROUTE_REFRESH, struct.pack("!HBB", self.afi, self.subtype, self.safi))

    @classmethod
    def decode(cls, body: bytes, *, enhanced: bool = False) -> Self:
        """Raises NotificationError: one of RFC 7313's where that was agreed on. What is of an unknown subtype
        will be ignored, and so its length does not matter (section 5).
        """
        subtype = body[2] if enhanced and len(body) > 2 else RefreshSubtype.REQUEST
        if len(body) != 4 and subtype <= RefreshSubtype.END:
            text = f"ROUTE-REFRESH has {len(body)} octets where it must have 4"
            if subtype == RefreshSubtype.REQUEST:
                raise NotificationError(
                    ErrorCode.MESSAGE_HEADER,
                    MessageHeaderError.BAD_MESSAGE_LENGTH,
                    data=struct.pack("!H", HEADER + len(body)),
                    text=text,
                )
            raise NotificationError(
                ErrorCode.ROUTE_REFRESH,
                RouteRefreshError.INVALID_MESSAGE_LENGTH,
                data=_message(MessageType.ROUTE_REFRESH, body, extended=True),
                text=text,
            )
        afi, subtype, safi = struct.unpack("!HBB", body[:4].ljust(4, b"\0"))
        return cls(afi=afi, safi=safi, subtype=subtype)


_WITHOUT_CONTENT: Final = bytes(4)  # nothing withdrawn, no attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What is told of one family: prefixes that are gone, or prefixes with their attributes; not both
    (RFC 7606 section 5.1). With no content it is the End-of-RIB of that family (RFC 4724 section 2).
    """

    family: Family
    withdrawn: tuple[Prefix, ...] = ()
    attributes: PathAttributes | None = None
    announced: tuple[Prefix, ...] = ()

    def __post_init__(self) -> None:
        if self.withdrawn and self.announced:
            raise ValueError("an UPDATE withdraws or announces, not both")
        if bool(self.announced) != (self.attributes is not None):
            raise ValueError("prefixes are announced with attributes, and attributes with prefixes")
        if self.attributes is not None and not isinstance(self.attributes.next_hop, _ADDRESS[self.family]):
            raise ValueError(f"the next hop of {self.family} prefixes is {self.attributes.next_hop}")

    def encode(self, *, four_octet_as: bool, extended: bool = False) -> bytes:
        """Write the message; raises ValueError where there is more in it than one message holds."""
        withdrawn = b"".join([nlri for _, nlri in self.withdrawn])
        announced = b"".join([nlri for _, nlri in self.announced])
        attributes = b"" if self.attributes is None else self.attributes.encode(four_octet_as=four_octet_as)
        if _is_multiprotocol(self.family, self.attributes):
            # One attribute holds the prefixes, and is the first of all (RFC 7606 section 5.1).
            afi, safi = self.family.afi, self.family.safi
            if self.attributes is None:
                attributes = MpUnreach(afi, safi, withdrawn).encode()
            else:
                attributes = MpReach(afi, safi, self.attributes.next_hops, announced).encode() + attributes
            withdrawn = announced = b""
        return _message(
            MessageType.UPDATE,
            struct.pack("!H", len(withdrawn))
            + withdrawn
            + struct.pack("!H", len(attributes))
            + attributes
            + announced,
            extended=extended,
        )


_ADDRESS: Final = {Family.IPV4: (IPv4Address, IPv6Address), Family.IPV6: (IPv6Address,)}


def _is_multiprotocol(family: Family, attributes: PathAttributes | None) -> bool:
    """Whether the prefixes stand in MP_REACH_NLRI or MP_UNREACH_NLRI: IPv4 does where its next hop is none
    of NEXT_HOP (RFC 8950 section 3), but is withdrawn where it ever was.
    """
    return family is not Family.IPV4 or isinstance(attributes and attributes.next_hop, IPv6Address)


def room(
    family: Family, attributes: PathAttributes | None, *, four_octet_as: bool, extended: bool = False
) -> int:
    """How many octets of NLRI one UPDATE holds beside these attributes; None: of a withdrawal."""
    free = longest(extended=extended) - HEADER - len(_WITHOUT_CONTENT)
    if attributes is not None:
        free -= len(attributes.encode(four_octet_as=four_octet_as))
    if _is_multiprotocol(family, attributes):
        free -= 4 + 3  # the attribute's header, of an extended length; AFI and SAFI
        if attributes is not None:
            free -= 1 + len(attributes.next_hops) + 1  # next hops with their length, a reserved octet
    return free


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a received UPDATE. The counts are what counts after RFC 7606 had its say."""

    outcome: Outcome
    announced: int = 0  # prefixes
    withdrawn: int = 0  # prefixes
    end_of_rib: Family | None = None
    text: str = ""  # why, where the outcome is not ACCEPTED


@lru_cache(maxsize=1024)
def _accepted(announced: int, withdrawn: int) -> Heard:
    """Most UPDATEs of a table differ in nothing that is kept of them."""
    return Heard(outcome=Outcome.ACCEPTED, announced=announced, withdrawn=withdrawn)


_KEPT: Final = 256  # runs of attributes whose finding is remembered; a run is a few dozen octets
_KEPT_OCTETS: Final = 1024  # and none that is longer than this: a peer shall not fill our memory with them
_PATH: Final = 1 << AttributeCode.ORIGIN | 1 << AttributeCode.AS_PATH
_MANDATORY: Final = _PATH | 1 << AttributeCode.NEXT_HOP  # beside IPv4 prefixes in the NLRI field
_ONLY_UNREACH: Final = 1 << AttributeCode.MP_UNREACH_NLRI


class _Field(NamedTuple):
    """NLRI of one family, from wherever in the UPDATE it stood."""

    family: Family
    nlri: bytes
    next_hop: bytes = b""  # of MP_REACH_NLRI


class Content(NamedTuple):
    """What an UPDATE tells of the families that were negotiated, as it counts after RFC 7606."""

    withdrawn: tuple[tuple[Family, bytes], ...] = ()  # NLRI
    announced: tuple[tuple[Family, bytes], ...] = ()  # NLRI


class _Content(NamedTuple):
    """All NLRI of an UPDATE, of the families that were negotiated; `foreign` tells of the others."""

    withdrawn: list[_Field]
    announced: list[_Field]
    foreign: list[str]


class UpdateReader:
    """Checks and counts the UPDATEs of one session (RFC 4271 section 6.3, RFC 7606), and keeps nothing."""

    __slots__ = ("_families", "_findings", "_four_octet_as", "_ipv4", "_judge")

    def __init__(
        self,
        *,
        four_octet_as: bool,
        ebgp: bool,
        families: Iterable[Family],
        extended_next_hop: bool = False,
        role: Role | None = None,
        peer_as: int | None = None,
    ) -> None:
        """`role` is ours towards the peer, `peer_as` its AS (RFC 9234)."""
        self._four_octet_as = four_octet_as
        self._families = frozenset(families)
        self._ipv4 = Family.IPV4 in self._families
        self._judge = Judge(
            four_octet_as=four_octet_as,
            ebgp=ebgp,
            extended_next_hop=extended_next_hop,
            role=role,
            peer_as=peer_as,
        )
        self._findings: dict[bytes, Finding] = {}

    def read(self, body: bytes) -> Heard:
        """Say what came of an UPDATE. Raises NotificationError where the session must be reset."""
        withdrawn, run, nlri = _split(body)
        try:
            gone = count_prefixes(Family.IPV4, withdrawn)
            here = count_prefixes(Family.IPV4, nlri)
        except Overrun as error:
            text = f"{error}; withdrawn routes: {shown(withdrawn)}; NLRI: {shown(nlri)}"
            raise update_error(UpdateError.INVALID_NETWORK_FIELD, text) from error
        finding = self._findings.get(run) or self._find(run)
        plain = (
            self._ipv4
            and finding.outcome is Outcome.ACCEPTED
            and finding.reach is None
            and finding.unreach is None
            and (not here or finding.present & _MANDATORY == _MANDATORY)
        )
        if not plain:
            return self._weigh(finding, self._content(withdrawn, finding, nlri), nlri)
        if body == _WITHOUT_CONTENT:
            return Heard(outcome=Outcome.ACCEPTED, end_of_rib=Family.IPV4)
        return _accepted(here, gone)

    def content(self, body: bytes, heard: Heard) -> Content:
        """Give what such an UPDATE tells, after `read` has said what came of it."""
        withdrawn, run, nlri = _split(body)
        found = self._content(withdrawn, self._findings.get(run) or self._find(run), nlri)
        gone = tuple((field.family, field.nlri) for field in found.withdrawn)
        here = tuple((field.family, field.nlri) for field in found.announced)
        if heard.outcome in (Outcome.TREAT_AS_WITHDRAW, Outcome.INELIGIBLE):
            return Content(withdrawn=gone + here)
        return Content(withdrawn=gone, announced=here)

    def updates(self, body: bytes) -> tuple[Update, ...]:
        """Give the same UPDATE as values, after RFC 7606 had its say; at most one a family and direction.

        Raises NotificationError, as `read` does.
        """
        heard = self.read(body)
        if heard.end_of_rib is not None:
            return (Update(family=heard.end_of_rib),)
        withdrawn, run, nlri = _split(body)
        content = self._content(withdrawn, self._find(run), nlri)
        gone, here = content.withdrawn, content.announced
        if heard.outcome >= Outcome.INELIGIBLE:
            gone, here = gone + here, []
        attributes = PathAttributes.decode(self._judge.well_formed(run), four_octet_as=self._four_octet_as)
        return (
            *(
                Update(family=field.family, withdrawn=split_prefixes(field.family, field.nlri))
                for field in gone
                if field.nlri
            ),
            *(
                Update(
                    family=field.family,
                    attributes=attributes.through(field.next_hop) if field.next_hop else attributes,
                    announced=split_prefixes(field.family, field.nlri),
                )
                for field in here
                if field.nlri
            ),
        )

    def _find(self, run: bytes) -> Finding:
        """Judge attributes, and remember what was found: a table says the same of many prefixes."""
        finding = self._judge.judge(run)
        # A run with prefixes in it will not come again.
        if finding.reach is None and finding.unreach is None and len(run) <= _KEPT_OCTETS:
            if len(self._findings) >= _KEPT:
                self._findings.clear()
            self._findings[run] = finding
        return finding

    def _content(self, withdrawn: bytes, finding: Finding, nlri: bytes) -> _Content:
        """Gather the prefixes from the four places that they may be in."""
        content = _Content([], [], [])
        ipv4 = Family.IPV4.afi, Family.IPV4.safi
        places = [(content.withdrawn, *ipv4, b"", withdrawn), (content.announced, *ipv4, b"", nlri)]
        if finding.unreach is not None:
            afi, safi, octets = finding.unreach
            places.append((content.withdrawn, afi, safi, b"", octets))
        if finding.reach is not None:
            places.append((content.announced, *finding.reach))
        for side, afi, safi, next_hop, octets in places:
            family = Family.of(afi, safi)
            if family is not None and family in self._families:
                side.append(_Field(family, octets, next_hop))
            elif octets:
                content.foreign.append(str(family or f"AFI {afi} SAFI {safi}"))
        return content

    def _weigh(self, finding: Finding, content: _Content, nlri: bytes) -> Heard:
        """Give an UPDATE its due that has more to it than IPv4 prefixes with all that they need."""
        outcome, error = finding.outcome, finding.error
        gone, here = (
            sum(count_prefixes(field.family, field.nlri) for field in side)
            for side in (content.withdrawn, content.announced)
        )
        missing = (_MANDATORY if nlri else _PATH) & ~finding.present
        if here and missing and outcome < Outcome.TREAT_AS_WITHDRAW:  # RFC 7606 section 3, d
            code = AttributeCode(missing.bit_length() - 1)
            outcome = Outcome.TREAT_AS_WITHDRAW
            error = update_error(
                UpdateError.MISSING_WELL_KNOWN_ATTRIBUTE, f"{code.name} is missing", bytes((code,))
            )
        if outcome is Outcome.TREAT_AS_WITHDRAW and error is not None:
            if not nlri and not (finding.reach and finding.reach.nlri):
                # It may be the very attribute with the prefixes that is not to be made out (section 5.2).
                raise error
            return Heard(outcome=outcome, withdrawn=gone + here, text=error.text)
        if outcome is Outcome.INELIGIBLE:
            if here:
                return Heard(outcome=outcome, withdrawn=gone + here, text=error.text if error else "")
            outcome, error = Outcome.ACCEPTED, None  # there is nothing that could have been leaked
        text = error.text if error else ""
        if content.foreign:
            outcome = Outcome.ATTRIBUTE_DISCARD
            text = text or f"prefixes of {' and '.join(content.foreign)}, a family that was not agreed on"
        end_of_rib = None
        if finding.unreach is not None and finding.present == _ONLY_UNREACH and not (gone or here or text):
            family = Family.of(finding.unreach.afi, finding.unreach.safi)
            end_of_rib = family if family in self._families else None
        return Heard(outcome=outcome, announced=here, withdrawn=gone, end_of_rib=end_of_rib, text=text)


def _split(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Take an UPDATE apart: withdrawn routes, path attributes, NLRI (RFC 4271 section 4.3)."""
    withdrawn_end = 2 + int.from_bytes(body[:2])
    run_start = withdrawn_end + 2
    run_end = run_start + int.from_bytes(body[withdrawn_end:run_start])
    if run_end > len(body):
        raise update_error(
            UpdateError.MALFORMED_ATTRIBUTE_LIST,
            f"{len(body)} octets cannot hold withdrawn routes to {withdrawn_end} and attributes to {run_end}",
        )
    return body[2:withdrawn_end], body[run_start:run_end], body[run_end:]
