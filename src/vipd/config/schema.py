"""Every section and key of the file: its type in words, how it is read, and what its absence means.

What each key is for is told in `docs/configuration.md`, which is tested against these tables. What binds
several keys together is checked in `neighbors` and `services`.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from vipd.bgp.iana import Family
from vipd.bgp.sightings import DEFAULT_ROUTES
from vipd.config.addresses import (
    anchors,
    endpoint,
    interface,
    neighbor,
    network,
    next_hop,
    pins,
    router_id,
    servers,
    vip,
    znode,
)
from vipd.config.problems import shown
from vipd.config.sections import LogFormat, PodAs
from vipd.config.values import (
    Reader,
    asn,
    boolean,
    choice,
    command,
    communities,
    communities_when,
    either,
    expression,
    families,
    headers,
    hops,
    integer,
    large_communities,
    line,
    listing,
    path,
    rank_communities,
    role,
    seconds,
    statuses,
    tables,
    target,
    text,
    url,
)
from vipd.coord.ensemble import LONGEST, SHORTEST
from vipd.coord.layout import WEIGHT_MAX
from vipd.coord.member import ColdStart, CoordinationLoss, LastResort, Layout, Standby, Takeover


class Key(NamedTuple):
    """One key of a section."""

    name: str
    kind: str  # its type and unit, in words
    read: Reader[Any]
    default: Any = None  # what its absence means to the program
    absence: str = ""  # and to a person, where the default does not say it

    @property
    def otherwise(self) -> str:
        """What its absence means, in words."""
        return self.absence or shown(self.default)


REQUIRED: Final = "required"
PER_PEER: Final = "required, here or there"
NO_AS: Final = 0  # stands in for one that is missing or wrong, so that the rest can still be looked at


class Section(NamedTuple):
    """One kind of table in the file."""

    title: str  # as it stands there: "[speaker]", "[[neighbor]]"
    keys: Mapping[str, Key]
    strangers: Mapping[str, str]  # keys that are known, and refused with a reason

    @property
    def defaults(self) -> dict[str, Any]:
        return {key.name: key.default for key in self.keys.values()}


def section(title: str, *keys: Key, strangers: Mapping[str, str] | None = None) -> Section:
    return Section(title, {key.name: key for key in keys}, strangers or {})


def as_it_is(value: object) -> object:
    """A table that is read by a section of its own."""
    return value


_NAME: Final = text(r"[A-Za-z0-9._-]{1,64}", "1 to 64 letters, digits, dots, underscores or hyphens")
_PEER: Final = text(
    r"[A-Za-z0-9._:%-]{1,64}", "1 to 64 letters, digits, dots, colons, underscores or hyphens"
)
_POD: Final = text(
    r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}", "1 to 128 letters, digits, dots, underscores or hyphens"
)
_ZONE: Final = text(r"[A-Za-z0-9._:-]{0,64}", "up to 64 letters, digits, dots, colons or hyphens")
_LABEL: Final = text(r"[A-Za-z0-9._-]{1,12}", "1 to 12 letters, digits, dots, underscores or hyphens")
_SOCKET: Final = text(r"/[!-~]{1,106}", 'an absolute path of at most 107 octets, "/…"')
_HOST: Final = text(r"[!-.0-~]{1,260}", "a host name, with or without a port")
_TLS_NAME: Final = text(r"[0-9A-Za-z_.:-]{1,253}", "a host name")
_LEVELS: Final = ("debug", "info", "warning", "error")
_LISTEN: Final = either("", None, endpoint)
_HOLD: Final = integer(3, 65535, also=(0,), why="RFC 4271 section 4.2")
_SEND_HOLD: Final = integer(3, 65535, also=(0,), why="RFC 9687")

# What a route carries: said of a neighbour, of a service, or of one VIP.
_LEVERS: Final = (
    Key("med", "integer, 0 to 4294967295", integer(0, 0xFFFFFFFF), None, "not sent"),
    Key("local-preference", "integer, 0 to 4294967295", integer(0, 0xFFFFFFFF), None, "100"),
    Key("prepend", "integer, 0 to 254", integer(0, 254), 0),
    Key("communities", "list of communities", communities, (), "none"),
    Key("large-communities", "list of large communities", large_communities, (), "none"),
)
# How a neighbour is told that a route is that of the next in line: each times its rank.
STEPS: Final = (
    Key("prepend-step", "integer, 0 to 254", integer(0, 254), 3),
    Key("med-step", "integer, 0 to 4294967295", integer(0, 0xFFFFFFFF), 0),
    Key("local-preference-step", "integer, 0 to 4294967295", integer(0, 0xFFFFFFFF), 10),
    Key("rank-communities", "table of lists of communities", rank_communities, {}, "none"),
    Key("communities-when", "table of lists of communities", communities_when, {}, "none"),
)
# How pods share the VIPs of a service: coord.member.Service.
POLICY: Final = (
    Key("takeover", '`"one"` or `"all"`', choice(Takeover), "one"),
    Key("copies", "integer, 1 to 64", integer(1, 64), 1),
    Key("standby", '`"none"` or `"hot"`', choice(Standby), "none"),
    Key("standbys", "integer, 1 to 16", integer(1, 16), 1),
    Key("last-resort", '`"withdraw"` or `"keep"`', choice(LastResort), "withdraw"),
    Key("coordination-loss", '`"hold"`, `"own"` or `"withdraw"`', choice(CoordinationLoss), "hold"),
    Key("cold-start", '`"all"`, `"pinned"` or `"none"`', choice(ColdStart), "all"),
    Key("min-sessions", "integer, 1 to 255", integer(1, 255), 1),
    Key("settle", "number, seconds", seconds(0, 60), 1.0),
    Key("claim-timeout", "number, seconds", seconds(0.1, 3600), 2.0),
    Key("handback-delay", "number, seconds", seconds(0, 3600), 5.0),
    Key("handback-max", "number, seconds", seconds(0.1), 300.0),
)
WITNESS: Final = Key("witness", "boolean", boolean, default=False)
_PEER_KEYS: Final = (
    Key("peer-as", 'AS number or `"external"`', either("external", None, asn), NO_AS, PER_PEER),
    Key("local-as", "AS number", asn, None, "that of `[speaker]`"),
    Key("port", "TCP port", integer(1, 65535), 179),
    Key("local-address", 'IP address or `"auto"`', either("auto", None, neighbor), None, '"auto"'),
    Key("interface", "name of a network interface", interface, None, "whichever the route is over"),
    Key("passive", "boolean", boolean, default=False),
    Key("families", 'list of `"ipv4"`, `"ipv6"`', families, (Family.IPV4, Family.IPV6), '["ipv4", "ipv6"]'),
    Key("hold-time", "integer, seconds: 0, or 3 to 65535", _HOLD, 9),
    Key("send-hold-time", "integer, seconds: 0, or 3 to 65535", _SEND_HOLD, None, "480, or 2 x hold-time"),
    Key("role", '`"customer"`, `"provider"`, `"peer"`, `"rs"` or `"rs-client"`', role, None, "none"),
    Key("role-strict", "boolean", boolean, default=False),
    Key("graceful-restart", "integer, seconds, 0 to 4095", integer(0, 4095), 0),
    Key("connect-retry", "number, seconds", seconds(0.1, 3600), 5.0),
    Key("idle-hold", "number, seconds", seconds(0.1, 3600), 1.0),
    Key("idle-hold-max", "number, seconds", seconds(0.1, 3600), 60.0),
    Key("md5-password-file", "absolute path", path, None, "no MD5"),
    Key("ttl-security", "`true`, `false`, or hops, 1 to 254", hops, None, "false"),
    Key("ebgp-multihop", "TTL, 1 to 255", integer(1, 255), None, "1 on eBGP, 64 on iBGP"),
    Key("bfd", "boolean", boolean, default=False),
    Key("bfd-interval", "number, seconds", seconds(0.05, 60), 0.3),
    Key("bfd-multiplier", "integer, 1 to 255", integer(1, 255), 3),
    Key("next-hop", '`"self"`, IP address, or `{ipv4 = …, ipv6 = …}`', next_hop, {}, '"self"'),
    *_LEVERS,
    *STEPS,
)
_CHECKS: Final = Key("check", "tables `[[service.check]]`", tables, (), "none")
_MD5: Final = {"md5-password": "must not stand in this file: put it into one of its own, md5-password-file"}
_PIN: Final = {"pin": "is of one VIP, and so belongs into [[service.vip]]; it needs [coordination]"}

SPEAKER: Final = section(
    "[speaker]",
    Key("local-as", "AS number", asn, NO_AS, REQUIRED),
    Key("router-id", 'IPv4 address or `"auto"`', either("auto", None, router_id), None, '"auto"'),
    Key("listen", 'list of `"address:port"`', listing(endpoint, "addresses with ports"), (), "none"),
)
NEIGHBOR_DEFAULTS: Final = section("[neighbor-defaults]", *_PEER_KEYS, strangers=_MD5)
NEIGHBOR: Final = section(
    "[[neighbor]]",
    Key("address", 'IP address or `"gateway"`', either("gateway", None, neighbor), None, REQUIRED),
    Key("name", "text", _PEER, None, "the address"),
    Key("description", "text", line, "", "none"),
    *_PEER_KEYS,
    strangers=_MD5,
)
SERVICE: Final = section(
    "[[service]]",
    Key("name", "text", _NAME, None, REQUIRED),
    Key("vips", "list of IP addresses", listing(vip, "addresses"), (), "none"),
    Key("vip", "tables `[[service.vip]]`", tables, (), "none"),
    Key("vips-from", '`"file"` or `"zookeeper"`', choice(("file", "zookeeper")), "file"),
    Key("layout", '`"vipd"` or `"exazk"`', choice(Layout), "vipd"),
    Key("exazk-path", "path in ZooKeeper", znode, None, "none"),
    Key("exazk-maintenance", "path in ZooKeeper", znode, None, "none"),
    Key("allow", "list of prefixes", listing(network, "prefixes"), (), "none"),
    _CHECKS,
    *_LEVERS,
    Key("neighbors", "list of names", listing(line, "names of neighbours"), None, "all"),
    Key("on-change", "list of arguments, or a line for the shell", command, None, "none"),
    Key("on-change-timeout", "number, seconds", seconds(0.1, 3600), 10.0),
    Key("require-address", "boolean", boolean, None, "`manage` of `[loopback]`"),
    *POLICY,
    WITNESS,
    strangers=_PIN,
)
VIP: Final = section(
    "[[service.vip]]",
    Key("address", "IP address", vip, None, REQUIRED),
    Key("pin", "a pod-id", _POD, None, "none"),
    Key("check", "tables `[[service.vip.check]]`", tables, (), "none"),
    *_LEVERS,
)
CHECK: Final = section(
    "[[service.check]]",
    Key("http", "URL", url, None, "one of five"),
    Key("tcp", '`"host:port"`', target, None, "one of five"),
    Key("exec", "list of arguments, or a line for the shell", command, None, "one of five"),
    Key("file", "absolute path", path, None, "one of five"),
    Key("nerve", "path in ZooKeeper", znode, None, "one of five"),
    Key("name", "text", _NAME, None, "its kind, with a number where taken"),
    Key("interval", "number, seconds", seconds(0.01), 1.0),
    Key("fast-interval", "number, seconds", seconds(0.01), 0.1),
    Key("timeout", "number, seconds", seconds(0.01, 3600), 1.0),
    Key("rise", "integer, 1 to 1000", integer(1, 1000), 3),
    Key("fall", "integer, 1 to 1000", integer(1, 1000), 3),
    Key("status", "list of status codes and ranges", statuses, ((200, 299),), '["200-299"]'),
    Key("body", "regular expression", expression, None, "anything"),
    Key("headers", "table of text", headers, (), "none"),
    Key("host", "text", _HOST, None, "that of the URL"),
    Key("tls-name", "text", _TLS_NAME, None, "that of the URL"),
    Key("tls-ca", "absolute path", path, None, "the system's"),
    Key("tls-verify", "boolean", boolean, default=True),
    Key("nerve-host", "text", _HOST, None, "the host name"),
)
COORDINATION: Final = section(
    "[coordination]",
    Key("servers", 'list of `"host:port"`, or `"host:port,…/chroot"`', servers, None, REQUIRED),
    Key("root", "path in ZooKeeper", znode, "/vipd"),
    Key("pod-id", "text", _POD, None, "the host name"),
    Key("zone", "text", _ZONE, "", "none"),
    Key("weight", "integer, 1 to 1000000", integer(1, WEIGHT_MAX), 1),
    Key("session-timeout", "number, seconds", seconds(SHORTEST, LONGEST), 3.0),
    Key("grace", "number, seconds", seconds(0, 3600), 10.0),
    Key("witness-anchor", "list of prefixes", anchors, DEFAULT_ROUTES, '["0.0.0.0/0", "::/0"]'),
    Key("auth-file", "absolute path", path, None, "none"),
    Key("tls", "boolean", boolean, default=False),
    Key("tls-ca", "absolute path", path, None, "the system's"),
    Key("tls-certificate", "absolute path", path, None, "none"),
    Key("tls-key", "absolute path", path, None, "in `tls-certificate`"),
    Key("tls-verify", "boolean", boolean, default=True),
    strangers={
        "auth": "must not stand in this file: put it into one of its own, auth-file",
        "chroot": 'stands behind the servers: "host:port,host:port/chroot"',
        "layout": "is of one service, and so belongs into [[service]]",
    },
)
DEFINITION: Final = section(
    "definition",
    Key("schema", "1", integer(1, 1), None, REQUIRED),
    Key("vips", "list of IP addresses", listing(vip, "addresses"), (), REQUIRED),
    Key("pins", "object of pod-ids by VIP", pins(_POD), {}, "none"),
    Key("policy", "object, with keys of [[service]]", as_it_is, {}, "that of each pod's file"),
    Key("force", "boolean", boolean, default=False),
    Key("who", "text", line, "", "none"),
    Key("when", "text", line, "", "none"),
    Key("why", "text", line, "", "none"),
)
DEFINED_POLICY: Final = section(
    "policy of the definition",
    *POLICY,
    strangers={WITNESS.name: "stands in the file of each pod, whose sessions are to be ready for it"},
)
FABRIC: Final = section(
    "[fabric]",
    Key("tiers", "integer, 1 to 5", integer(1, 5), 1, REQUIRED),
    Key("pod-as", '`"shared"` or `"own"`', choice(PodAs), "shared"),
    Key("always-compare-med", "boolean", boolean, default=False),
)
LOOPBACK: Final = section(
    "[loopback]",
    Key("manage", "boolean", boolean, default=False),
    Key("label", "text, up to 12 characters", _LABEL, "vipd"),
)
DRAIN: Final = section(
    "[drain]",
    Key("graceful-shutdown", "number, seconds", seconds(0, 3600), 0.0),
    Key("linger", "number, seconds", seconds(0, 3600), 5.0),
    Key("timeout", "number, seconds", seconds(0, 3600), 30.0),
    Key("min", "number, seconds", seconds(0, 3600), 0.0),
    Key("done", "list of arguments, or a line for the shell", command, None, "none"),
)
API: Final = section(
    "[api]",
    Key("listen", '`"address:port"` or `""`', _LISTEN, ("127.0.0.1", 9179), '"127.0.0.1:9179"'),
    Key("socket", "absolute path", _SOCKET, "/run/vipd/vipd.sock", "`$VIPD_SOCKET`, or /run/vipd/vipd.sock"),
)
LOG: Final = section(
    "[log]",
    Key("format", '`"auto"`, `"json"` or `"human"`', choice(LogFormat), "auto"),
    Key("level", '`"debug"`, `"info"`, `"warning"` or `"error"`', choice(_LEVELS), "info"),
)


FILE: Final = section(
    "the file",
    Key("speaker", "table", as_it_is, {}),
    Key("neighbor-defaults", "table", as_it_is, {}),
    Key("neighbor", "tables", tables, ()),
    Key("service", "tables", tables, ()),
    Key("fabric", "table", as_it_is, None),
    Key("coordination", "table", as_it_is, None),
    Key("loopback", "table", as_it_is, {}),
    Key("drain", "table", as_it_is, {}),
    Key("api", "table", as_it_is, {}),
    Key("log", "table", as_it_is, {}),
)
