"""Path attributes: as values with their wire form, and judged as RFC 7606 asks when a peer sends them.

Judging makes no values and keeps none: vipd counts what it hears. `PathAttributes.decode` is for those who
want to see it.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from operator import itemgetter
from typing import Final, NamedTuple, Self

from vipd.bgp.errors import NotificationError
from vipd.bgp.iana import AS_TRANS, AttributeCode, ErrorCode, Family, Origin, Role, SegmentType, UpdateError
from vipd.bgp.wire import Cursor, Overrun, count_prefixes, shown

# Attribute Flags (RFC 4271 section 4.3). Two of the bits say of which category an attribute is.
_EXTENDED_LENGTH: Final = 0x10
_CATEGORY: Final = 0xC0
_OPTIONAL: Final = 0x80
_WELL_KNOWN: Final = 0x40
_OPTIONAL_NON_TRANSITIVE: Final = 0x80
_OPTIONAL_TRANSITIVE: Final = 0xC0

_LONGEST_SEGMENT: Final = 255  # AS numbers
_CONFEDERATION: Final = (SegmentType.AS_CONFED_SEQUENCE, SegmentType.AS_CONFED_SET)


class Segment(NamedTuple):
    """A run of AS numbers in an AS_PATH."""

    type: SegmentType
    asns: tuple[int, ...]


class UnknownAttribute(NamedTuple):
    """An attribute that vipd has no word for; `flags` say its category and whether it is partial."""

    flags: int
    code: int
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAttributes:
    """What is said about every prefix of one UPDATE.

    An IPv4 next hop is told in NEXT_HOP, an IPv6 one in the MP_REACH_NLRI that carries the prefixes, of
    whatever family they are (RFC 8950); there
    `link_local` may stand beside it (RFC 2545 section 3).
    """

    origin: Origin = Origin.IGP
    as_path: tuple[Segment, ...] = ()
    next_hop: IPv4Address | IPv6Address | None = None
    link_local: IPv6Address | None = None
    med: int | None = None
    local_preference: int | None = None
    atomic_aggregate: bool = False
    aggregator: tuple[int, IPv4Address] | None = None
    communities: tuple[tuple[int, int], ...] = ()  # RFC 1997: AS, value
    large_communities: tuple[tuple[int, int, int], ...] = ()  # RFC 8092
    only_to_customer: int | None = None  # the AS that began to pass it down only (RFC 9234)
    unknown: tuple[UnknownAttribute, ...] = ()

    @property
    def next_hops(self) -> bytes:
        """The next hop, and the link-local one beside it, as MP_REACH_NLRI carries them."""
        return b"".join(address.packed for address in (self.next_hop, self.link_local) if address is not None)

    def through(self, next_hops: bytes) -> Self:
        """The same attributes with the next hop, as MP_REACH_NLRI carries it, of these prefixes."""
        if len(next_hops) == 4:
            return replace(self, next_hop=IPv4Address(next_hops))
        link_local = IPv6Address(next_hops[16:]) if next_hops[16:] else None
        return replace(self, next_hop=IPv6Address(next_hops[:16]), link_local=link_local)

    def encode(self, *, four_octet_as: bool) -> bytes:
        """Write the attributes in ascending order of type code, MP_REACH_NLRI not among them.

        Towards a speaker of two-octet AS numbers, what these cannot say travels in AS4_PATH and
        AS4_AGGREGATOR (RFC 6793 section 4.2.2).
        """
        said: list[tuple[int, int, bytes]] = [
            (_WELL_KNOWN, AttributeCode.ORIGIN, bytes((self.origin,))),
            (_WELL_KNOWN, AttributeCode.AS_PATH, _encode_path(self.as_path, four_octet_as=four_octet_as)),
            *self.unknown,
        ]
        if isinstance(self.next_hop, IPv4Address):
            said.append((_WELL_KNOWN, AttributeCode.NEXT_HOP, self.next_hop.packed))
        if self.med is not None:
            said.append(
                (_OPTIONAL_NON_TRANSITIVE, AttributeCode.MULTI_EXIT_DISC, struct.pack("!I", self.med))
            )
        if self.local_preference is not None:
            said.append((_WELL_KNOWN, AttributeCode.LOCAL_PREF, struct.pack("!I", self.local_preference)))
        if self.atomic_aggregate:
            said.append((_WELL_KNOWN, AttributeCode.ATOMIC_AGGREGATE, b""))
        if self.aggregator is not None:
            octets = _encode_aggregator(self.aggregator, four_octet_as=four_octet_as)
            said.append((_OPTIONAL_TRANSITIVE, AttributeCode.AGGREGATOR, octets))
        if self.communities:
            octets = b"".join(struct.pack("!HH", *community) for community in self.communities)
            said.append((_OPTIONAL_TRANSITIVE, AttributeCode.COMMUNITIES, octets))
        if self.large_communities:
            octets = b"".join(struct.pack("!III", *community) for community in self.large_communities)
            said.append((_OPTIONAL_TRANSITIVE, AttributeCode.LARGE_COMMUNITY, octets))
        if self.only_to_customer is not None:
            octets = struct.pack("!I", self.only_to_customer)
            said.append((_OPTIONAL_TRANSITIVE, AttributeCode.ONLY_TO_CUSTOMER, octets))
        if not four_octet_as:
            said += self._beyond_two_octets()
        said.sort(key=itemgetter(1))
        return b"".join(_attribute(*each) for each in said)

    def _beyond_two_octets(self) -> Iterator[tuple[int, int, bytes]]:
        # Segments of a confederation are its own affair and stay out.
        path = tuple(segment for segment in self.as_path if segment.type not in _CONFEDERATION)
        if any(asn > 0xFFFF for segment in path for asn in segment.asns):
            yield _OPTIONAL_TRANSITIVE, AttributeCode.AS4_PATH, _encode_path(path, four_octet_as=True)
        if self.aggregator is not None and self.aggregator[0] > 0xFFFF:
            octets = _encode_aggregator(self.aggregator, four_octet_as=True)
            yield _OPTIONAL_TRANSITIVE, AttributeCode.AS4_AGGREGATOR, octets

    @classmethod
    def decode(cls, attributes: Mapping[int, tuple[int, bytes]], *, four_octet_as: bool) -> Self:
        """Read well-formed attributes: flags and value by type code, as `Judge.well_formed` gives them.

        MP_REACH_NLRI and MP_UNREACH_NLRI are not looked at: they belong to the prefixes of one family.
        """
        values = {code: value for code, (_flags, value) in attributes.items()}

        def number(code: AttributeCode) -> int | None:
            return int.from_bytes(values[code]) if code in values else None

        next_hop = values.get(AttributeCode.NEXT_HOP)
        as_path = _decode_path(values.get(AttributeCode.AS_PATH, b""), 4 if four_octet_as else 2)
        aggregator = _decode_aggregator(values.get(AttributeCode.AGGREGATOR))
        aggregator4 = _decode_aggregator(values.get(AttributeCode.AS4_AGGREGATOR))
        # An old speaker that aggregated said so in AGGREGATOR alone, and what it passed on beside that is of
        # the path before (RFC 6793 section 4.2.3).
        if not (aggregator and aggregator4) or aggregator[0] == AS_TRANS:
            aggregator = aggregator and (aggregator4 or aggregator)
            as_path = _merge(as_path, _decode_path(values.get(AttributeCode.AS4_PATH, b""), 4))
        return cls(
            origin=Origin(number(AttributeCode.ORIGIN) or 0),
            as_path=as_path,
            next_hop=IPv4Address(next_hop) if next_hop else None,
            med=number(AttributeCode.MULTI_EXIT_DISC),
            local_preference=number(AttributeCode.LOCAL_PREF),
            atomic_aggregate=AttributeCode.ATOMIC_AGGREGATE in values,
            aggregator=aggregator,
            communities=tuple(struct.iter_unpack("!HH", values.get(AttributeCode.COMMUNITIES, b""))),
            large_communities=tuple(
                struct.iter_unpack("!III", values.get(AttributeCode.LARGE_COMMUNITY, b""))
            ),
            only_to_customer=number(AttributeCode.ONLY_TO_CUSTOMER),
            unknown=tuple(
                UnknownAttribute(flags & ~_EXTENDED_LENGTH, code, value)
                for code, (flags, value) in attributes.items()
                if code not in _SPOKEN
            ),
        )


# Attributes that PathAttributes has a field for, or that belong to the prefixes.
_SPOKEN: Final = frozenset(AttributeCode) - {
    AttributeCode.ORIGINATOR_ID,
    AttributeCode.CLUSTER_LIST,
    AttributeCode.EXTENDED_COMMUNITIES,
    AttributeCode.IPV6_EXTENDED_COMMUNITIES,
}


# Octets of next hops (RFC 2545 section 3), also where RFC 8950 was agreed on.
_NEXT_HOPS: Final[Mapping[Family, tuple[int, ...]]] = {Family.IPV4: (4,), Family.IPV6: (16, 32)}
_EXTENDED_NEXT_HOPS: Final = {**_NEXT_HOPS, Family.IPV4: (4, 16, 32)}


class MpReach(NamedTuple):
    """MP_REACH_NLRI: prefixes of any family, with their next hop (RFC 4760 section 3)."""

    afi: int
    safi: int
    next_hop: bytes
    nlri: bytes

    def encode(self) -> bytes:
        """Write the whole attribute."""
        head = struct.pack("!HBB", self.afi, self.safi, len(self.next_hop))
        return _attribute(
            _OPTIONAL_NON_TRANSITIVE, AttributeCode.MP_REACH_NLRI, head + self.next_hop + b"\0" + self.nlri
        )

    @classmethod
    def decode(
        cls,
        value: bytes,
        flags: int = _OPTIONAL_NON_TRANSITIVE,
        next_hops: Mapping[Family, tuple[int, ...]] = _NEXT_HOPS,
    ) -> Self:
        """Read the value of the attribute. Raises NotificationError 3/9 (RFC 7606 sections 5.3 and 7.11).

        Its data is the attribute as it came (RFC 4271 section 6.3), for which the flags are needed.
        """
        try:
            cursor = Cursor(value)
            afi, safi = cursor.number(2), cursor.number(1)
            next_hop = cursor.take(cursor.number(1))
            cursor.take(1)  # reserved
            nlri = cursor.rest()
            family = Family.of(afi, safi)
            if family is not None:
                if len(next_hop) not in next_hops[family]:
                    raise Overrun(f"a next hop of {family} has {len(next_hop)} octets")
                count_prefixes(family, nlri)
        except Overrun as error:
            raise _malformed(AttributeCode.MP_REACH_NLRI, flags, value, str(error)) from error
        return cls(afi, safi, next_hop, nlri)


class MpUnreach(NamedTuple):
    """MP_UNREACH_NLRI: prefixes of any family that are no longer to be used (RFC 4760 section 4)."""

    afi: int
    safi: int
    nlri: bytes

    def encode(self) -> bytes:
        """Write the whole attribute."""
        head = struct.pack("!HB", self.afi, self.safi)
        return _attribute(_OPTIONAL_NON_TRANSITIVE, AttributeCode.MP_UNREACH_NLRI, head + self.nlri)

    @classmethod
    def decode(cls, value: bytes, flags: int = _OPTIONAL_NON_TRANSITIVE) -> Self:
        """Read the value of the attribute. Raises NotificationError 3/9 (RFC 7606 sections 5.3 and 7.12)."""
        try:
            cursor = Cursor(value)
            afi, safi, nlri = cursor.number(2), cursor.number(1), cursor.rest()
            family = Family.of(afi, safi)
            if family is not None:
                count_prefixes(family, nlri)
        except Overrun as error:
            raise _malformed(AttributeCode.MP_UNREACH_NLRI, flags, value, str(error)) from error
        return cls(afi, safi, nlri)


def _malformed(code: AttributeCode, flags: int, value: bytes, wrong: str) -> NotificationError:
    attribute = _attribute(flags, code, value)
    return update_error(UpdateError.OPTIONAL_ATTRIBUTE, f"{code.name} is malformed: {wrong}", attribute)


def _attribute(flags: int, code: int, value: bytes) -> bytes:
    length = len(value)
    if length > 0xFF or flags & _EXTENDED_LENGTH:
        return struct.pack("!BBH", flags | _EXTENDED_LENGTH, code, length) + value
    return bytes((flags, code, length)) + value


def _in_two_octets(asn: int) -> int:
    return asn if asn <= 0xFFFF else AS_TRANS


def _encode_path(path: Iterable[Segment], *, four_octet_as: bool) -> bytes:
    octets = b""
    for kind, asns in path:
        numbers = asns if four_octet_as else tuple(map(_in_two_octets, asns))
        for start in range(0, len(numbers), _LONGEST_SEGMENT):
            part = numbers[start : start + _LONGEST_SEGMENT]
            octets += struct.pack(f"!BB{len(part)}{'I' if four_octet_as else 'H'}", kind, len(part), *part)
    return octets


def _decode_path(value: bytes, width: int) -> tuple[Segment, ...]:
    cursor = Cursor(value)
    path = []
    while cursor.left:
        kind, count = SegmentType(cursor.number(1)), cursor.number(1)
        path.append(Segment(kind, tuple(cursor.number(width) for _ in range(count))))
    return tuple(path)


def _encode_aggregator(aggregator: tuple[int, IPv4Address], *, four_octet_as: bool) -> bytes:
    asn, router = aggregator
    number = struct.pack("!I", asn) if four_octet_as else struct.pack("!H", _in_two_octets(asn))
    return number + router.packed


def _decode_aggregator(value: bytes | None) -> tuple[int, IPv4Address] | None:
    return (int.from_bytes(value[:-4]), IPv4Address(value[-4:])) if value else None


def _merge(as_path: tuple[Segment, ...], as4_path: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Put the true AS numbers of AS4_PATH under what two-octet speakers since prepended to AS_PATH.

    RFC 6793 section 4.2.3. A set counts as one AS, a confederation's segment as none and stays in front.
    """
    as4_path = tuple(segment for segment in as4_path if segment.type not in _CONFEDERATION)
    surplus = _hops(as_path) - _hops(as4_path)
    if not as4_path or surplus < 0:
        return as_path
    leading: list[Segment] = []
    for segment in as_path:
        if segment.type in _CONFEDERATION:
            leading.append(segment)
        elif not surplus:
            break
        elif segment.type is SegmentType.AS_SET:
            leading.append(segment)
            surplus -= 1
        else:
            leading.append(Segment(segment.type, segment.asns[:surplus]))
            surplus -= len(leading[-1].asns)
    return (*leading, *as4_path)


def _hops(path: Iterable[Segment]) -> int:
    """Length of a path as RFC 4271 section 9.1.2.2 and RFC 5065 section 5.3 count it."""
    return sum(
        len(segment.asns) if segment.type is SegmentType.AS_SEQUENCE else segment.type is SegmentType.AS_SET
        for segment in path
    )


class Outcome(IntEnum):
    """What became of an UPDATE (RFC 7606 section 2, RFC 9234 section 5), the strongest action last.

    The strongest of all, the reset of the session, is no outcome: it is a NotificationError.
    """

    ACCEPTED = 0
    ATTRIBUTE_DISCARD = 1
    INELIGIBLE = 2  # its routes may not be used
    TREAT_AS_WITHDRAW = 3


class Finding(NamedTuple):
    """What there is to say of one run of path attributes."""

    outcome: Outcome = Outcome.ACCEPTED
    error: NotificationError | None = None  # the first of the strongest faults, as a reset would tell it
    present: int = 0  # bit n: an attribute of type n is there
    reach: MpReach | None = None
    unreach: MpUnreach | None = None


_Fault = tuple[Outcome | None, UpdateError, str]  # no outcome: the session is reset
_MULTIPROTOCOL: Final = (AttributeCode.MP_REACH_NLRI, AttributeCode.MP_UNREACH_NLRI)


class _Rule(NamedTuple):
    """What is asked of one attribute, and what follows where that is not given."""

    category: int | None  # of its flags; None where they no longer matter
    lengths: range  # octets of its value
    check: Callable[[bytes], str] | None = None  # says what is wrong with a value of a right length
    subcode: UpdateError = UpdateError.OPTIONAL_ATTRIBUTE
    outcome: Outcome | None = Outcome.TREAT_AS_WITHDRAW
    verdict: Outcome | None = None  # on a wrong value of a right length, where that is another one

    def fault(self, flags: int, code: int, value: bytes) -> _Fault | None:
        if self.category is not None and flags & _CATEGORY != self.category:
            # One action for all, whatever a wrong value would mean (RFC 7606 section 3, c), but where there
            # are prefixes in it (section 5.3).
            outcome = None if self.outcome is None else Outcome.TREAT_AS_WITHDRAW
            return outcome, UpdateError.ATTRIBUTE_FLAGS, f"{_name(code)} has flags {flags:#04x}"
        if len(value) not in self.lengths:
            return self.outcome, UpdateError.ATTRIBUTE_LENGTH, f"{_name(code)} has {len(value)} octets"
        if self.check is not None and (wrong := self.check(value)):
            return self.verdict or self.outcome, self.subcode, f"{_name(code)} {wrong}"
        return None


class Judge:
    """Judges the path attributes of one session, by how it writes AS numbers and whether it is external:
    then some attributes have no business in it (RFC 7606 section 7), and we may have a role in it (RFC 9234).
    """

    __slots__ = ("_next_hops", "_rules")

    def __init__(
        self,
        *,
        four_octet_as: bool,
        ebgp: bool,
        extended_next_hop: bool = False,
        role: Role | None = None,
        peer_as: int | None = None,
    ) -> None:
        self._next_hops = _EXTENDED_NEXT_HOPS if extended_next_hop else _NEXT_HOPS
        self._rules = _rules(four_octet_as=four_octet_as, ebgp=ebgp)
        if role is not None:
            self._rules[AttributeCode.ONLY_TO_CUSTOMER] = _Rule(
                _OPTIONAL_TRANSITIVE, _FOUR, _leak_check(role, peer_as), verdict=Outcome.INELIGIBLE
            )

    def judge(self, run: bytes) -> Finding:
        """Look at every attribute; the strongest action that one of them asks for is that of all.

        Raises NotificationError where that is to reset the session.
        """
        outcome = Outcome.ACCEPTED
        error = reach = unreach = None
        present = 0
        for place, flags, code, value, fault in self._each(run):
            present |= 1 << code
            if fault is None:
                try:
                    if code == AttributeCode.MP_REACH_NLRI:
                        reach = MpReach.decode(value, flags, self._next_hops)
                    elif code == AttributeCode.MP_UNREACH_NLRI:
                        unreach = MpUnreach.decode(value, flags)
                except NotificationError as malformed:
                    raise _located(malformed, run, place) from malformed
                continue
            wanted, subcode, text = fault
            if wanted is None or wanted > outcome:
                error = _located(update_error(subcode, text, _attribute(flags, code, value)), run, place)
                if wanted is None:
                    raise error
                outcome = wanted
        return Finding(outcome, error, present, reach, unreach)

    def well_formed(self, run: bytes) -> dict[int, tuple[int, bytes]]:
        """Flags and value of each attribute that nothing is wrong with, by type code."""
        return {code: (flags, value) for _, flags, code, value, fault in self._each(run) if fault is None}

    def _each(self, run: bytes) -> Iterator[tuple[slice, int, int, bytes, _Fault | None]]:
        """Walk the attributes: where, flags, type code, value, and what is wrong if anything is."""
        octets = run + b"\0\0\0"  # so that a header which is not all there can be looked at
        end = len(run)
        present = at = 0
        while at < end:
            begin, flags, code = at, octets[at], octets[at + 1]
            if flags & _EXTENDED_LENGTH:
                start = at + 4
                at = start + (octets[start - 2] << 8 | octets[start - 1])
            else:
                start = at + 3
                at = start + octets[start - 1]
            value = run[start:at]
            if at > end:
                fault: _Fault | None = _conflict(code)
            elif present >> code & 1:
                fault = _repetition(code)
            else:
                present |= 1 << code
                rule = self._rules.get(code)
                fault = rule.fault(flags, code, value) if rule else _stranger(flags, code)
            yield slice(begin, at), flags, code, value, fault


def _located(error: NotificationError, run: bytes, place: slice) -> NotificationError:
    """Say where in the path attributes it is, and in which octets: whoever reads that has no capture."""
    text = f"{error.text}, at octet {place.start} of the attributes: {shown(run[place])}"
    return NotificationError(error.code, error.subcode, data=error.data, text=text)


def _conflict(code: int) -> _Fault:
    """Lengths disagree. What remains is not looked at, and the end of the attributes is where it is said to
    be (RFC 7606 section 4), unless there were prefixes in what cannot be read (section 3, j).
    """
    outcome = None if code in _MULTIPROTOCOL else Outcome.TREAT_AS_WITHDRAW
    return outcome, UpdateError.MALFORMED_ATTRIBUTE_LIST, f"{_name(code)} runs over the end of the attributes"


def _repetition(code: int) -> _Fault:
    """The first one counts, where none of them holds prefixes (RFC 7606 section 3, g)."""
    outcome = None if code in _MULTIPROTOCOL else Outcome.ATTRIBUTE_DISCARD
    return outcome, UpdateError.MALFORMED_ATTRIBUTE_LIST, f"{_name(code)} is there more than once"


def _stranger(flags: int, code: int) -> _Fault | None:
    """An attribute that must be known and is not, is what it was before RFC 7606 (RFC 4271 section 6.3)."""
    if flags & _OPTIONAL:
        return None
    return None, UpdateError.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE, f"{_name(code)} is said to be well-known"


def update_error(subcode: UpdateError, text: str, attribute: bytes = b"") -> NotificationError:
    """Make the NOTIFICATION of a fault; its data is the attribute, where RFC 4271 section 6.3 asks for it."""
    silent = subcode in (UpdateError.MALFORMED_ATTRIBUTE_LIST, UpdateError.MALFORMED_AS_PATH)
    return NotificationError(ErrorCode.UPDATE, subcode, data=b"" if silent else attribute, text=text)


def _name(code: int) -> str:
    return AttributeCode(code).name if code in _NAMED else f"attribute {code}"


_NAMED: Final = frozenset(AttributeCode)
_ANY: Final = range(1 << 16)
_FOUR: Final = range(4, 5)


def _lists(octets: int) -> range:
    """The lengths of a list, not an empty one, of items of so many octets."""
    return range(octets, 1 << 16, octets)


def _rules(*, four_octet_as: bool, ebgp: bool) -> dict[int, _Rule]:
    """What RFC 7606 section 7 and its successors ask of the attributes on such a session."""
    width = 4 if four_octet_as else 2
    discard = Outcome.ATTRIBUTE_DISCARD
    rules: dict[int, _Rule] = {
        AttributeCode.ORIGIN: _Rule(_WELL_KNOWN, range(1, 2), _check_origin, UpdateError.INVALID_ORIGIN),
        AttributeCode.AS_PATH: _Rule(
            _WELL_KNOWN, _ANY, _path_check(width, confederation=not ebgp), UpdateError.MALFORMED_AS_PATH
        ),
        AttributeCode.NEXT_HOP: _Rule(_WELL_KNOWN, _FOUR, _check_next_hop, UpdateError.INVALID_NEXT_HOP),
        AttributeCode.MULTI_EXIT_DISC: _Rule(_OPTIONAL_NON_TRANSITIVE, _FOUR),
        AttributeCode.LOCAL_PREF: _Rule(_WELL_KNOWN, _FOUR),
        AttributeCode.ATOMIC_AGGREGATE: _Rule(_WELL_KNOWN, range(1), outcome=discard),
        AttributeCode.AGGREGATOR: _Rule(
            _OPTIONAL_TRANSITIVE, range(width + 4, width + 5), _check_aggregator, outcome=discard
        ),
        AttributeCode.COMMUNITIES: _Rule(_OPTIONAL_TRANSITIVE, _lists(4)),
        AttributeCode.ORIGINATOR_ID: _Rule(_OPTIONAL_NON_TRANSITIVE, _FOUR),
        AttributeCode.CLUSTER_LIST: _Rule(_OPTIONAL_NON_TRANSITIVE, _lists(4)),
        AttributeCode.MP_REACH_NLRI: _Rule(_OPTIONAL_NON_TRANSITIVE, _ANY, outcome=None),
        AttributeCode.MP_UNREACH_NLRI: _Rule(_OPTIONAL_NON_TRANSITIVE, _ANY, outcome=None),
        AttributeCode.EXTENDED_COMMUNITIES: _Rule(_OPTIONAL_TRANSITIVE, _lists(8)),
        AttributeCode.AS4_PATH: _Rule(  # RFC 6793 section 6
            _OPTIONAL_TRANSITIVE,
            range(6, 1 << 16, 2),
            _path_check(4, confederation=True),
            outcome=discard,
        ),
        AttributeCode.AS4_AGGREGATOR: _Rule(
            _OPTIONAL_TRANSITIVE, range(8, 9), _check_aggregator, outcome=discard
        ),
        AttributeCode.IPV6_EXTENDED_COMMUNITIES: _Rule(_OPTIONAL_TRANSITIVE, _lists(20)),
        AttributeCode.LARGE_COMMUNITY: _Rule(_OPTIONAL_TRANSITIVE, _lists(12)),  # RFC 8092 section 6
        AttributeCode.ONLY_TO_CUSTOMER: _Rule(_OPTIONAL_TRANSITIVE, _FOUR),  # RFC 9234 section 5
    }
    strangers: list[AttributeCode] = []
    if ebgp:
        strangers += (AttributeCode.LOCAL_PREF, AttributeCode.ORIGINATOR_ID, AttributeCode.CLUSTER_LIST)
    if four_octet_as:  # RFC 6793 section 4.1
        strangers += (AttributeCode.AS4_PATH, AttributeCode.AS4_AGGREGATOR)
    unwanted = _Rule(None, _ANY, lambda _value: "does not belong in this session", outcome=discard)
    return rules | dict.fromkeys(strangers, unwanted)


def _check_origin(value: bytes) -> str:
    return "" if value[0] <= Origin.INCOMPLETE else f"is {value[0]}"


def _check_next_hop(value: bytes) -> str:
    """Say where a next hop is no address that a host can have (RFC 4271 section 6.3)."""
    multicast = 224 <= value[0] < 240
    return f"is {IPv4Address(value)}" if multicast or value in _NO_HOST else ""


_NO_HOST: Final = (b"\0\0\0\0", b"\xff\xff\xff\xff")


def _leak_check(role: Role, peer_as: int | None) -> Callable[[bytes], str]:
    """Make the check of what should go down only and comes up, or sideways twice (RFC 9234 section 5)."""

    def check(value: bytes) -> str:
        asn = int.from_bytes(value)
        if role in (Role.PROVIDER, Role.RS) or (role is Role.PEER and asn != peer_as):
            return f"{asn} says that a route was leaked to us as a {role}"
        return ""

    return check


def _check_aggregator(value: bytes) -> str:
    return "" if any(value[:-4]) else "has AS 0"  # RFC 7607


def _path_check(width: int, *, confederation: bool) -> Callable[[bytes], str]:
    """Make the check of a path whose AS numbers take so many octets (RFC 7606 section 7.2)."""
    greatest = SegmentType.AS_CONFED_SET if confederation else SegmentType.AS_SEQUENCE
    zero = bytes(width)

    def check(value: bytes) -> str:
        at = 0
        end = len(value)
        while at < end:
            if at + 2 > end:
                return "has an octet too many"
            kind, count = value[at], value[at + 1]
            if not 1 <= kind <= greatest:
                return f"has a segment of type {kind}"
            if not count:
                return "has an empty segment"
            at += 2 + count * width
        if at > end:
            return "has a segment that runs over its end"
        # RFC 7607. Zeros are looked for at all only where there may be some.
        if zero in value and any(0 in segment.asns for segment in _decode_path(value, width)):
            return "has AS 0"
        return ""

    return check
