"""The neighbours: tables of the file to session parameters and policies."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Final

from vipd.bfd.peer import BfdPeer, Pace
from vipd.bgp.iana import Family
from vipd.bgp.peer import PeerConfig
from vipd.bgp.route import Policy
from vipd.config.addresses import family_of
from vipd.config.coordination import ALONE
from vipd.config.reading import Reading
from vipd.config.schema import NEIGHBOR, NEIGHBOR_DEFAULTS, NO_AS, STEPS
from vipd.config.sections import Endpoint

NO_ROUTER_ID: Final = IPv4Address(0)  # until the neighbours and the VIPs are known
MD5_OCTETS: Final = 80  # TCP_MD5SIG_MAXKEYLEN of Linux
LOCAL_PREFERENCES: Final = ("local-preference", "local-preference-step")
NO_IBGP: Final = "goes only to iBGP peers, and nobody who hears this is one; med goes to eBGP peers as well"
ANYWHERE: Final = {Family.IPV4: "0.0.0.0", Family.IPV6: "::"}  # noqa: S104 - compared with, not bound to
EXAMPLE: Final = {Family.IPV4: "0.0.0.0:179", Family.IPV6: "[::]:179"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighborhood:
    """The neighbours, filled one after the other."""

    peers: dict[str, PeerConfig] = field(default_factory=dict)  # by name, as the next three
    policies: dict[str, Policy] = field(default_factory=dict)
    bfd: dict[str, BfdPeer] = field(default_factory=dict)  # of those that are watched
    secrets: dict[str, str] = field(default_factory=dict)  # file of the MD5 password
    called: dict[str, list[str]] = field(default_factory=dict)  # what a service may call one, or several

    def hearing(self, names: frozenset[str] | None) -> list[PeerConfig]:
        """Return the neighbours that hear of a route told to these; None is all."""
        return [peer for name, peer in self.peers.items() if names is None or name in names]

    def can_tell(self, peer: PeerConfig, family: Family) -> bool:
        """Whether there is a next hop for that family to tell this neighbour. One of IPv6 may do for IPv4:
        that depends on the neighbour (RFC 8950).
        """
        named = family in self.policies[peer.name].next_hop
        return family in peer.families and (named or family_of(peer.address) in (family, Family.IPV6))


def is_ebgp(peer: PeerConfig) -> bool:
    return NO_AS not in (peer.local_as, peer.peer_as) and peer.peer_as != peer.local_as


def read_neighbors(
    tables: Sequence[object],
    defaults: object,
    speaker: Mapping[str, Any],
    reading: Reading,
    *,
    coordinated: bool,
) -> Neighborhood:
    """Read every neighbour.

    Args:
        tables: one each.
        defaults: of all of them.
        speaker: the values of its section, local-as NO_AS where that is wrong.
        reading: where problems go.
        coordinated: whether pods share VIPs, so that there are ranks to be told.
    """
    shared = reading.values(NEIGHBOR_DEFAULTS, defaults, "neighbor-defaults")
    _read_secret(shared, "neighbor-defaults", reading)
    _check_steps(shared, "neighbor-defaults", reading, coordinated=coordinated)
    found = Neighborhood()
    addresses: set[str] = set()
    for index, table in enumerate(tables):
        at = f"neighbor[{index}]"
        own = reading.values(NEIGHBOR, table, at)
        _read_secret(own, at, reading)
        _check_steps(own, at, reading, coordinated=coordinated)
        if not any(isinstance(each, dict) and "peer-as" in each for each in (table, defaults)):
            reading.refuse(f"{at}.peer-as", 'is missing: an AS number, or "external"')
        values = _settle(own, shared, at, reading)
        for name, address in _who(own, found, at, reading):
            if name in found.peers:
                reading.refuse(f"{at}.name", "is the name of an earlier neighbour", name)
            if address in addresses:
                reading.refuse(f"{at}.address", "is the address of an earlier neighbour", address)
            addresses.add(address)
            _check_addresses(values, address, at, reading)
            _check_interface(values, address, at, reading)
            _check_passive(values, address, speaker["listen"], at, reading)
            peer = _peer(name, address, values, speaker["local-as"])
            _check_preferences(own, at, [peer], reading)
            _check_role(own, at, peer, reading)
            found.peers[name] = peer
            found.policies[name] = _policy(values, ebgp=is_ebgp(peer))
            if values["bfd"]:
                found.bfd[name] = _watched(peer, values)
            if values["md5-password-file"] is not None:
                found.secrets[name] = values["md5-password-file"]
    if not tables:
        reading.refuse("neighbor", "is missing: at least one table [[neighbor]]")
    _check_preferences(shared, "neighbor-defaults", found.peers.values(), reading)
    return found


def _who(own: Mapping[str, Any], found: Neighborhood, at: str, reading: Reading) -> Iterable[tuple[str, str]]:
    """Return name and address of each neighbour that one table stands for, and note what they are called."""
    if "address" not in own:  # a problem already
        found.called.setdefault(own.get("name", ""), [])
        return []
    if own["address"] is not None:
        name = own.get("name", own["address"])
        found.called.setdefault(name, []).append(name)
        return [(name, own["address"])]
    try:
        gateways = reading.machine.gateways()
        if not gateways:
            reading.refuse(f"{at}.address", "this machine has no default gateway", "gateway")
    except OSError as error:
        gateways = ()
        reading.refuse(f"{at}.address", f"the routing table could not be read: {error}", "gateway")
    for name in {"gateway", own.get("name", "gateway"), *gateways}:
        found.called.setdefault(name, []).extend(gateways if name not in gateways else [name])
    return [(gateway, gateway) for gateway in gateways]


def _settle(own: Mapping[str, Any], shared: Mapping[str, Any], at: str, reading: Reading) -> dict[str, Any]:
    """Return all values of one neighbour, its own over the shared ones, and check them together."""
    values = {**NEIGHBOR.defaults, "md5-key": None, **shared, **own}
    if values["ttl-security"] is not None and values["ebgp-multihop"] is not None:
        if ("ttl-security" in own) is ("ebgp-multihop" in own):
            reading.refuse(
                f"{at}.ttl-security",
                "cannot go with ebgp-multihop: hops of ttl-security say how far away the neighbour may be",
                values["ttl-security"],
            )
        else:  # its own wins over the shared
            values["ebgp-multihop" if "ttl-security" in own else "ttl-security"] = None
    _check_distance(values, at, reading)
    if values["idle-hold-max"] < values["idle-hold"]:
        reading.refuse(f"{at}.idle-hold-max", "must not be less than idle-hold", values["idle-hold-max"])
    for family in own.get("next-hop", {}):
        if family not in values["families"]:
            reading.refuse(f"{at}.next-hop", f"is for {family}, which families leaves out")
    return values


def _check_distance(values: Mapping[str, Any], at: str, reading: Reading) -> None:
    for key in ("ttl-security", "ebgp-multihop"):
        if values["bfd"] and (values[key] or 1) > 1:
            reason = f"watches a neighbour on the same link (RFC 5881), and by {key} this one may be farther"
            reading.refuse(f"{at}.bfd", reason, values["bfd"])


def _check_steps(table: Mapping[str, Any], at: str, reading: Reading, *, coordinated: bool) -> None:
    for key in STEPS:
        if key.name in table and not coordinated:
            reading.refuse(f"{at}.{key.name}", ALONE)


def _check_preferences(
    table: Mapping[str, Any], at: str, peers: Collection[PeerConfig], reading: Reading
) -> None:
    for key in LOCAL_PREFERENCES:
        if key in table and all(is_ebgp(peer) for peer in peers):
            reading.refuse(f"{at}.{key}", NO_IBGP, table[key])


def _check_role(own: Mapping[str, Any], at: str, peer: PeerConfig, reading: Reading) -> None:
    if own.get("role") is not None and peer.role is None:
        reading.refuse(f"{at}.role", "is for neighbours in another AS (RFC 9234)", str(own["role"]))
    elif own.get("role-strict") and peer.role is None:
        reading.refuse(f"{at}.role-strict", "needs role, which says what we are to the neighbour")


def _check_addresses(values: Mapping[str, Any], address: str, at: str, reading: Reading) -> None:
    if (local := values["local-address"]) is None:
        return
    if local == address:
        reading.refuse(f"{at}.local-address", "is the neighbour's own address", local)
    if family_of(local) is not family_of(address):
        reading.refuse(f"{at}.local-address", f"must be of the family of the neighbour, {address}", local)


def _check_interface(values: Mapping[str, Any], address: str, at: str, reading: Reading) -> None:
    _, _, scope = address.partition("%")
    if scope and values["interface"] not in (None, scope):
        reading.refuse(f"{at}.interface", f"must be that of the address, {scope}", values["interface"])


def _check_passive(
    values: Mapping[str, Any], address: str, listen: Sequence[Endpoint], at: str, reading: Reading
) -> None:
    """Check that a neighbour which is waited for has something to connect to."""
    if not values["passive"]:
        return
    local = values["local-address"]
    anywhere = ANYWHERE[family_of(address)]
    ours = {host for host, _ in listen if family_of(host) is family_of(address)}
    if not ours:
        reason = f'needs an address in listen of [speaker], such as "{EXAMPLE[family_of(address)]}"'
        reading.refuse(f"{at}.passive", reason)
    elif local is not None and local not in ours and anywhere not in ours:
        reading.refuse(f"{at}.passive", f"needs local-address, {local}, among those in listen of [speaker]")


def _read_secret(values: dict[str, Any], at: str, reading: Reading) -> None:
    """Add the MD5 key where the table names the file of one."""
    if (path := values.get("md5-password-file")) is None:
        return
    key = f"{at}.md5-password-file"
    try:
        octets, exposed = reading.machine.read_file(path)
    except OSError as error:
        reading.refuse(key, f"could not be read: {error.strerror}", path)
        return
    octets = octets.rstrip(b"\r\n")
    if not 1 <= len(octets) <= MD5_OCTETS:
        reading.refuse(key, f"must hold 1 to {MD5_OCTETS} octets (RFC 2385), and holds {len(octets)}", path)
    if exposed:
        reading.warn(key, f"{path} can be read by everybody on this machine: chmod o-r")
    values["md5-key"] = octets


def _peer(name: str, address: str, values: Mapping[str, Any], local_as: int) -> PeerConfig:
    local_as = values["local-as"] or local_as
    return PeerConfig(
        name=name,
        address=address,
        local_as=local_as,
        router_id=NO_ROUTER_ID,
        peer_as=values["peer-as"],
        port=values["port"],
        local_address=values["local-address"],
        interface=values["interface"],
        passive=values["passive"],
        description=values["description"],
        families=values["families"],
        hold_time=values["hold-time"],
        role=values["role"] if values["peer-as"] != local_as else None,  # within an AS there is none
        role_strict=values["role-strict"],
        send_hold_time=values["send-hold-time"],
        graceful_restart=values["graceful-restart"] or None,
        connect_retry=values["connect-retry"],
        idle_hold=values["idle-hold"],
        idle_hold_max=values["idle-hold-max"],
        md5_key=values["md5-key"],
        ttl_security=values["ttl-security"],
        multihop=values["ebgp-multihop"],
    )


def _watched(peer: PeerConfig, values: Mapping[str, Any]) -> BfdPeer:
    return BfdPeer(
        name=peer.name,
        address=peer.address,
        local_address=peer.local_address,
        interface=peer.interface,
        pace=Pace(interval=values["bfd-interval"], multiplier=values["bfd-multiplier"]),
    )


def _policy(values: Mapping[str, Any], *, ebgp: bool) -> Policy:
    if ebgp:  # what the defaults say of LOCAL_PREF is not for this one
        values = {**values, **{key: NEIGHBOR.defaults[key] for key in LOCAL_PREFERENCES}}
    return Policy(
        med=values["med"],
        local_preference=values["local-preference"],
        prepend=values["prepend"],
        communities=values["communities"],
        large_communities=values["large-communities"],
        next_hop=values["next-hop"],
        prepend_step=values["prepend-step"],
        med_step=values["med-step"],
        local_preference_step=values["local-preference-step"],
        rank_communities=values["rank-communities"],
        communities_when=values["communities-when"],
    )
