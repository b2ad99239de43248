"""A made-up instant in the life of a pod: two ToRs, one of them down, and two services."""

import json
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TypeVar

from vipd import status
from vipd.bfd.packet import Diagnostic
from vipd.bfd.packet import State as Bfd
from vipd.bfd.peer import BfdPeer, BfdStatus
from vipd.bgp.iana import Family
from vipd.bgp.peer import Cause, Down, Negotiated, PeerConfig, PeerStatus, State
from vipd.bgp.route import Policy, Route
from vipd.bgp.wire import Prefix
from vipd.config.sections import Config, ServiceConfig, SpeakerConfig
from vipd.coord.member import Announcements, Phase, Service, Verdict, Vip, Word
from vipd.health import Check, CheckStatus, ExecProbe, Health, HttpProbe, Result
from vipd.status import Observed, Reading
from vipd.steps import Steps

NOW = 1000.0  # loop seconds
WALL = 1_795_248_000.0  # 2026-11-21T08:00:00Z

V4, V6, SPARE = Vip("192.0.2.166"), Vip("2001:db8::1"), Vip("192.0.2.7")
PREFIXES = {vip: Prefix.parse(vip) for vip in (V4, V6, SPARE)}

TOR_A = PeerConfig(
    name="tor-a",
    address="10.0.0.2",
    local_as=64147,
    router_id=IPv4Address("10.0.0.1"),
    peer_as=64001,
    description="left",
)
TOR_B = PeerConfig(
    name="10.0.0.3",
    address="10.0.0.3",
    local_as=64147,
    router_id=IPv4Address("10.0.0.1"),
    port=1790,
)

UP = PeerStatus(
    config=TOR_A,
    state=State.ESTABLISHED,
    since=NOW - 192,
    established_at=NOW - 192,
    established=2,
    dropped=1,
    local_address="10.0.0.1",
    negotiated=Negotiated(
        peer_as=64001,
        peer_router_id=IPv4Address("10.255.0.2"),
        ebgp=True,
        hold_time=9,
        keepalive=3.0,
        families=(Family.IPV4,),
        four_octet_as=True,
        route_refresh=True,
    ),
    offered=("multiprotocol ipv4/unicast", "multiprotocol ipv6/unicast", "route-refresh", "4-octet-as 64147"),
    received=("multiprotocol ipv4/unicast", "4-octet-as 64001", "capability 71"),
    messages={
        ("sent", "open"): 2,
        ("sent", "update"): 5,
        ("sent", "keepalive"): 64,
        ("received", "open"): 2,
        ("received", "update"): 1,
        ("received", "notification"): 1,
        ("received", "keepalive"): 66,
    },
    notifications={("received", 6, 2): 1},
    prefixes_received=12,
    desired={Family.IPV4: 1},
    advertised={Family.IPV4: 1},
    untold={Family.IPV6: "it was not agreed on"},
    last_error=Down(
        cause=Cause.RECEIVED, code=6, subcode=2, text="Cease / Administrative Shutdown: firmware"
    ),
    last_error_at=NOW - 200,
)
DOWN = PeerStatus(
    config=TOR_B,
    state=State.ACTIVE,
    since=NOW - 30,
    last_error=Down(cause=Cause.CLOSED, text="10.0.0.3 port 1790: connection refused"),
    last_error_at=NOW - 1.5,
    retry_at=NOW + 3.5,
)

HTTP = Check(name="http", service="apex", probe=HttpProbe(url="http://127.0.0.1/healthcheck"))
SCRIPT = Check(
    name="script", service="apex", vip=V6, probe=ExecProbe(command=("/bin/sh", "-c", "probe --six"))
)
CHECKS = {
    "apex/http": CheckStatus(
        check=HTTP,
        health=Health.UP,
        streak=3,
        since=NOW - 190,
        last=Result(good=True, message="200 OK", duration=0.0021),
        last_at=NOW - 0.4,
        runs={"good": 190},
    ),
    f"apex/{V6}/script": CheckStatus(
        check=SCRIPT,
        health=Health.DOWN,
        streak=9,
        since=NOW - 60,
        last=Result(good=False, message="exit status 1", output="no route\nto host\n", duration=0.012),
        last_at=NOW - 0.7,
        runs={"good": 100, "bad": 59, "timeout": 1},
    ),
}

WATCHED = BfdStatus(
    peer=BfdPeer(name="tor-a", address="10.0.0.2"),
    state=Bfd.UP,
    since=NOW - 190,
    remote_state=Bfd.UP,
    discriminator=17,
    remote_discriminator=34,
    transmit_interval=0.3,
    detection_time=0.9,
    ups=2,
    downs=1,
    sent=700,
    received=690,
    dropped={"your_discriminator": 2},
)
LOST = BfdStatus(
    peer=BfdPeer(name="10.0.0.3", address="10.0.0.3"),
    state=Bfd.DOWN,
    since=NOW - 30,
    diagnostic=Diagnostic.DETECTION_TIME_EXPIRED,
    discriminator=18,
    transmit_interval=1.0,
    ups=1,
    downs=1,
)

CONFIG = Config(
    path="/etc/vipd/vipd.toml",
    speaker=SpeakerConfig(local_as=64147, router_id=IPv4Address("10.0.0.1"), listen=(("::1", 1790),)),
    neighbors={"tor-a": TOR_A, "10.0.0.3": TOR_B},
    policies={"tor-a": Policy(), "10.0.0.3": Policy()},
    services=(
        ServiceConfig(
            service=Service(name="apex", vips=(V4, V6)),
            routes={V4: Route(), V6: Route()},
            checks={"apex/http": HTTP, f"apex/{V6}/script": SCRIPT},
        ),
        ServiceConfig(
            service=Service(name="spare", vips=(SPARE,)),
            routes={SPARE: Route(neighbors=frozenset({"10.0.0.3"}))},
        ),
    ),
    warnings=("service[1]: has no check",),
)


def verdict(word: Word, reason: str, ago: float) -> Verdict:
    return Verdict(word=word, reason=reason, rank=0 if word is Word.ASSIGNED else None, since=NOW - ago)


ALONE = "this pod announces its VIPs by itself: no coordination is configured"
ANNOUNCEMENTS = {
    "apex": Announcements(
        verdicts={
            V4: verdict(Word.ASSIGNED, ALONE, 190),
            V6: verdict(Word.UNHEALTHY, "check script: exit status 1", 60),
        }
    ),
    "spare": Announcements(verdicts={SPARE: verdict(Word.ASSIGNED, ALONE, 2.25 * 86400)}),
}


# The same pod, with BFD for both of its ToRs.
GUARDED = replace(CONFIG, bfd={each.peer.name: each.peer for each in (WATCHED, LOST)})


def observed(**changes: object) -> Observed:
    """The scene, with other values for some of its fields."""
    fields = {
        "version": "0.1.0",
        "pod": "web-7",
        "pid": 1,
        "config": CONFIG,
        "loaded": WALL - 200,
        "reading": Reading(ok=True, at=WALL - 200),
        "phase": Phase.RUNNING,
        "started": NOW - 200,
        "now": NOW,
        "wall": WALL,
        "peers": {"tor-a": UP, "10.0.0.3": DOWN},
        "announcements": ANNOUNCEMENTS,
        "checks": CHECKS,
        "held": frozenset({V4}),
        "told": {"tor-a": {PREFIXES[V4]: None}},
        "prefixes": PREFIXES,
        "lag": 0.0001,
        "lag_max": 0.012,
    }
    return Observed(**{**fields, **changes})


T = TypeVar("T")


def whole(steps: Steps[T]) -> T:
    """Take all steps at once."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def snapshot(observed: Observed):
    return json.loads(whole(status.snapshot(observed)))


def unready(observed: Observed) -> tuple[str, ...]:
    return whole(status.unready(observed))
