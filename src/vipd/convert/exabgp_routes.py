"""The routes in ExaBGP's `static` and `announce` blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vipd.convert.exabgp_syntax import Statement
from vipd.convert.exabgp_words import (
    Address,
    Network,
    address,
    asn,
    bare,
    community,
    large_community,
    network,
    number,
)

MOST_HOSTS = 1 << 16  # addresses that one prefix may be taken apart into

LOST = {  # what a route may say that vipd has no word for
    "origin": "vipd's routes are of origin IGP",
    "extended-community": "vipd announces communities and large communities",
    "atomic-aggregate": "a VIP is no aggregate",
    "aggregator": "a VIP is no aggregate",
    "originator-id": "vipd is no route reflector",
    "cluster-list": "vipd is no route reflector",
    "aigp": "vipd does not speak AIGP",
    "attribute": "vipd announces no attribute that it does not know",
    "path-information": "vipd does not speak ADD-PATH",
    "bgp-prefix-sid": "vipd announces no segment routing",
    "bgp-prefix-sid-srv6": "vipd announces no segment routing",
    "watchdog": "vipd has no watchdogs: give the service a check",
}
LABELLED = ("rd", "route-distinguisher", "label")  # no unicast route any more
SILENT = ("name",)
CARRIED = ("next-hop", "med", "local-preference", "as-path", "community", "large-community")
KEYWORDS = {*LOST, *LABELLED, *SILENT, *CARRIED, "split", "withdraw"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is said of a prefix, as far as vipd can say it, too."""

    next_hop: Address | None = None  # None: self
    med: int | None = None
    local_preference: int | None = None
    as_path: tuple[int, ...] | None = None  # None: as BGP has it; a tuple replaces all of it
    communities: frozenset[str] = frozenset()
    large_communities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A VIP and what one neighbour is told of it."""

    vip: Address
    attributes: Attributes


def lost(what: object, why: str) -> str:
    """The comment that stands where something could not be carried over."""
    text = str(what)
    text = text if len(text) <= 120 else f"{text[:118]}..."
    return f"not carried over: {text}, because {why}"


def hosts(prefix: Network) -> Iterator[Address] | None:
    """The single addresses of a prefix in order; None where they are too many to be VIPs."""
    if prefix.num_addresses > MOST_HOSTS:
        return None
    return map(prefix.__getitem__, range(prefix.num_addresses))


def read_static(block: Statement) -> tuple[list[Offer], list[str]]:
    """`static { route ...; attributes ... nlri ...; }`: what is offered, and what is lost."""
    offers: list[Offer] = []
    notes: list[str] = []
    for statement in block.block or ():
        if statement.keyword == "route":
            _route(statement, statement.values, offers, notes)
        elif statement.keyword in ("attribute", "attributes") and "nlri" in statement.words:
            at = statement.words.index("nlri")
            for prefix in bare(statement.words[at + 1 :]):
                _route(statement, (prefix, *statement.words[1:at]), offers, notes)
        else:
            notes.append(lost(statement, "it is no route that vipd knows"))
    return offers, notes


def read_announce(block: Statement) -> tuple[list[Offer], list[str]]:
    """`announce { ipv4 { unicast ...; } }`: what is offered, and what is lost."""
    offers: list[Offer] = []
    notes: list[str] = []
    for family in block.block or ():
        for statement in family.block or ():
            if family.keyword in ("ipv4", "ipv6") and statement.keyword == "unicast":
                _route(statement, statement.values, offers, notes)
            else:
                what = f"announce {family.keyword} {statement}"
                notes.append(lost(what, "vipd announces unicast addresses only"))
        if family.block is None:
            notes.append(lost(family, "it is no route that vipd knows"))
    return offers, notes


def _route(statement: Statement, values: Sequence[str], offers: list[Offer], notes: list[str]) -> None:
    runs = [values[1:], *(line.words for line in statement.block or ())]
    shown = " ".join((statement.keyword, *values[:1], *(word for run in runs for word in run)))
    try:
        prefix = network(values[0] if values else "")
        said = _said(runs)
        attributes = read_attributes(said)
        if "split" in said:
            length = number(said["split"][0].removeprefix("/") if said["split"] else "", prefix.max_prefixlen)
        else:
            length = prefix.prefixlen
    except ValueError as error:
        raise statement.refuse(error) from None
    if labels := [word for word in LABELLED if word in said]:
        notes.append(lost(shown, f"a route with {labels[0]} is none of unicast addresses"))
        return
    if "withdraw" in said:
        notes.append(lost(shown, "it is held back (withdraw) until a program says otherwise"))
        return
    if max(length, prefix.prefixlen) != prefix.max_prefixlen:
        notes.append(lost(shown, "a VIP is a single address, /32 or /128"))
        return
    if (vips := hosts(prefix)) is None:
        notes.append(lost(shown, f"that is more than {MOST_HOSTS:,} VIPs"))
        return
    offers += [Offer(vip=vip, attributes=attributes) for vip in vips]
    for keyword, value in said.items():
        if keyword not in (*CARRIED, *SILENT, "split"):
            why = LOST.get(keyword, "it is not known")
            notes.append(lost(f"{' '.join((keyword, *value))} of {prefix}", why))


def _said(runs: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Each keyword with the words up to the next one. The first of a kind counts, as in ExaBGP."""
    said: dict[str, list[str]] = {}
    for run in runs:
        values: list[str] = []
        depth = 0
        for at, word in enumerate(run):
            if not at or (not depth and word in KEYWORDS):
                values = []
                said.setdefault(word, values)
            else:
                depth += (word == "[") - (word == "]")
                values.append(word)
    return said


def read_attributes(said: dict[str, list[str]]) -> Attributes:
    """Raises ValueError where a value is none."""
    attributes = Attributes(
        communities=frozenset(map(community, bare(said.get("community", ())))),
        large_communities=frozenset(map(large_community, bare(said.get("large-community", ())))),
    )
    if "next-hop" in said and (word := _one(said, "next-hop")).lower() != "self":
        attributes = replace(attributes, next_hop=address(word))
    if "med" in said:
        attributes = replace(attributes, med=number(_one(said, "med"), 0xFFFFFFFF))
    if "local-preference" in said:
        preference = number(_one(said, "local-preference"), 0xFFFFFFFF)
        attributes = replace(attributes, local_preference=preference)
    if "as-path" in said:
        attributes = replace(attributes, as_path=as_path(said["as-path"]))
    return attributes


def as_path(words: Sequence[str]) -> tuple[int, ...]:
    """`[ 65001 65001 ]`. Sets are flattened."""
    return tuple(asn(member) for word in bare(words) if (member := word.strip("(){}")))


def _one(said: dict[str, list[str]], keyword: str) -> str:
    if len(said[keyword]) != 1:
        raise ValueError(f"{keyword} takes one value, not {len(said[keyword])}")
    return said[keyword][0]
