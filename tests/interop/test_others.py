"""GoBGP and OpenBGPD, a third and a fourth opinion: what they take of us, ask of us and tell us."""

import signal

import pytest

from interop.capture import REFRESH, Capture
from interop.gobgp import GoBgp
from interop.netns import wait_for
from interop.openbgpd import OpenBgpd
from interop.tor import Route
from interop.wiring import POD4, POD6, POD_AS, TOR4, TOR6, TOR_AS, neighbor, service

SPEAKER = {"local-as": POD_AS}
KEYS = {"med": 10, "prepend": 1, "communities": ["64500:1"], "large-communities": ["64500:1:2"]}
TOLD = Route(
    next_hop=POD4,
    as_path=(POD_AS, POD_AS),
    med=10,
    local_preference=100,
    communities=frozenset({"64500:1"}),
    large_communities=frozenset({"64500:1:2"}),
)

BOTH = pytest.mark.parametrize("rack", [GoBgp, OpenBgpd], ids=["gobgp", "openbgpd"], indirect=True)
ALONE = pytest.mark.parametrize("rack", [OpenBgpd], ids=["openbgpd"], indirect=True)  # GoBGP has it not


@BOTH
@pytest.mark.parametrize("passive", [False, True], ids=["active", "passive"])
@pytest.mark.parametrize(("ours", "theirs"), [(POD4, TOR4), (POD6, TOR6)], ids=["ipv4", "ipv6"])
def test_routes_of_both_families_come_whole(rack, ours, theirs, passive):
    """Where it is to dial, the pod is there before: it would try again only after two minutes."""
    listen = [f"[{ours}]:179" if ":" in ours else f"{ours}:179"] if passive else []
    rack.pod.start(
        speaker={**SPEAKER, "listen": listen},
        neighbor=[neighbor(theirs, passive=passive, next_hop={"ipv4": POD4, "ipv6": POD6})],
        service=[service("192.0.2.1", "2001:db8::1", **KEYS)],
    )
    if passive:
        rack.pod.logs("listener_ready")
    tor = rack.tor(ours, passive=not passive)
    tor.established(ours)
    assert tor.learns("192.0.2.1/32") == TOLD
    assert tor.learns("2001:db8::1/128").next_hop == POD6
    wait_for(lambda: tor.end_of_ribs(ours) == 2, "an End-of-RIB for either family")


@BOTH
def test_within_an_as_and_behind_ttl_security(rack):
    tor = rack.tor(peer_as=TOR_AS, ttl_security=True)
    rack.pod.start(
        speaker={"local-as": TOR_AS},
        neighbor=[neighbor(ttl_security=True)],
        service=[service("192.0.2.1", local_preference=200)],
    )
    assert tor.learns("192.0.2.1/32") == Route(next_hop=POD4, as_path=(), local_preference=200)


@BOTH
def test_changes_replace_what_was(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service("192.0.2.1", "192.0.2.2")])
    tor.learns("192.0.2.1/32")
    rack.pod.reload(speaker=SPEAKER, neighbor=[neighbor(prepend=2)], service=[service("192.0.2.1")])
    tor.forgets("192.0.2.2/32")
    wait_for(lambda: tor.learns("192.0.2.1/32").as_path == (POD_AS,) * 3, "the longer path")
    assert rack.pod.neighbor(TOR4)["dropped"] == 0


@pytest.mark.parametrize("rack", [GoBgp], ids=["gobgp"], indirect=True)
def test_routes_survive_a_restart(rack):
    """RFC 4724; OpenBGPD keeps nothing."""
    tor = rack.tor(restarts=True)
    told = {
        "speaker": SPEAKER,
        "neighbor": [neighbor(graceful_restart=60)],
        "service": [service("192.0.2.1")],
    }
    rack.pod.start(**told)
    tor.learns("192.0.2.1/32")
    rack.pod.process.signal(signal.SIGUSR1)
    assert rack.pod.process.wait() == 0
    wait_for(lambda: tor.state(POD4) != "Established", "the ToR notices")
    assert tor.prefixes() == {"192.0.2.1/32"}
    rack.pod.start(**told)
    tor.established(POD4)
    assert tor.prefixes() == {"192.0.2.1/32"}


@ALONE
def test_a_refresh_is_answered(rack):
    tor = rack.tor()
    wire = Capture(rack.switch, "pod")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service("192.0.2.1", "192.0.2.2")])
    since = tor.established(POD4)
    tor.learns("192.0.2.1/32")
    assert len(wire.updates(POD4)) == 1
    tor.refresh(POD4)
    wait_for(lambda: len(wire.updates(POD4)) == 2, "the UPDATE again")
    assert tor.since(POD4) == since


@ALONE
def test_a_refresh_stands_between_marks(rack):
    """RFC 7313."""
    tor = rack.tor()
    wire = Capture(rack.switch, "pod")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(families=["ipv4"])], service=[service("192.0.2.1")])
    tor.learns("192.0.2.1/32")
    tor.refresh(POD4)
    wait_for(lambda: len(marks(wire)) == 2, "the begin and the end")
    assert marks(wire) == [b"\0\1\1\1", b"\0\1\2\1"]
    assert tor.prefixes() == {"192.0.2.1/32"}


def marks(wire: Capture) -> list[bytes]:
    return [message.body for message in wire.messages(POD4) if message.kind == REFRESH]


@ALONE
@pytest.mark.parametrize(
    ("ours", "theirs"), [("customer", "provider"), ("provider", "customer"), ("peer", "peer")]
)
def test_roles_that_go_together(rack, ours, theirs):
    """RFC 9234."""
    tor = rack.tor(role=theirs)
    rack.pod.start(
        speaker=SPEAKER, neighbor=[neighbor(role=ours, role_strict=True)], service=[service("192.0.2.1")]
    )
    tor.learns("192.0.2.1/32")
    assert rack.pod.neighbor(TOR4)["last_error"] is None


@ALONE
def test_roles_that_do_not(rack):
    rack.tor(role="customer")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(role="customer")], service=[service("192.0.2.1")])
    rack.pod.logs("Role Mismatch")


@BOTH
def test_it_says_why_it_goes(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service("192.0.2.1")])
    tor.established(POD4)
    tor.shutdown(POD4, "moving rack")
    rack.pod.logs("Administrative Shutdown", "moving rack")
