"""Sessions: how they come up, whom they refuse, and how they end."""

import re
import signal
import sys

import pytest

from interop.bird import Bird
from interop.capture import REFRESH, UPDATE, Capture
from interop.frr import Frr
from interop.gobgp import GoBgp
from interop.netns import wait_for
from interop.openbgpd import OpenBgpd
from interop.pod import Pod
from interop.tor import Route
from interop.wiring import POD4, POD6, POD_AS, TOR4, TOR6, TOR_AS, neighbor, service

VIP = "192.0.2.1"
DIRECT = Route(next_hop=POD4, as_path=(POD_AS,), local_preference=100)
SPEAKER = {"local-as": POD_AS}
AGAIN = {"connect-retry": 1}


@pytest.mark.parametrize("passive", [False, True], ids=["active", "passive"])
@pytest.mark.parametrize(("ours", "theirs"), [(POD4, TOR4), (POD6, TOR6)], ids=["ipv4", "ipv6"])
def test_session_establishes(rack, ours, theirs, passive):
    tor = rack.tor(ours, passive=not passive)
    listen = [f"[{ours}]:179" if ":" in ours else f"{ours}:179"] if passive else []
    next_hop = {"ipv4": POD4, "ipv6": POD6}
    rack.pod.start(
        speaker={**SPEAKER, "listen": listen},
        neighbor=[neighbor(theirs, passive=passive, next_hop=next_hop)],
        service=[service(VIP, "2001:db8::1")],
    )
    tor.established(ours)
    assert tor.learns(f"{VIP}/32") == DIRECT
    assert tor.learns("2001:db8::1/128").next_hop == POD6
    wait_for(lambda: tor.end_of_ribs(ours) == 2, "an End-of-RIB for either family")


def test_both_sides_dial_and_one_connection_lives(rack):
    tor = rack.tor(passive=False)
    rack.pod.start(
        speaker={**SPEAKER, "listen": [f"{POD4}:179"]}, neighbor=[neighbor()], service=[service(VIP)]
    )
    tor.established(POD4)
    tor.learns(f"{VIP}/32")
    wait_for(
        lambda: len(rack.switch.run("ss", "-Htn", "state", "established", "dst", POD4).splitlines()) == 1,
        "one connection",
    )
    assert rack.pod.neighbor(TOR4)["dropped"] == 0


def test_ibgp_carries_local_preference_and_no_as_path(rack):
    tor = rack.tor(peer_as=TOR_AS)
    rack.pod.start(
        speaker={"local-as": TOR_AS},
        neighbor=[neighbor()],
        service=[service(VIP), service("192.0.2.2", name="preferred", local_preference=200)],
    )
    assert tor.learns(f"{VIP}/32") == Route(next_hop=POD4, as_path=(), local_preference=100)
    assert tor.learns("192.0.2.2/32").local_preference == 200


def test_four_octet_as_numbers_on_both_sides(rack):
    tor = rack.tor(asn=4_200_000_101, peer_as=4_200_000_010)
    rack.pod.start(
        speaker={"local-as": 4_200_000_010},
        neighbor=[neighbor(peer_as=4_200_000_101)],
        service=[service(VIP, prepend=1)],
    )
    assert tor.learns(f"{VIP}/32").as_path == (4_200_000_010, 4_200_000_010)


def test_a_speaker_of_two_octets_meets_as_trans(rack):
    tor = rack.tor(peer_as=4_200_000_010, old=True)  # either peeks into our capability
    wire = Capture(rack.switch, "pod")
    rack.pod.start(
        speaker={"local-as": 4_200_000_010}, neighbor=[neighbor()], service=[service(VIP, prepend=1)]
    )
    # BIRD restores the path from AS4_PATH; FRR ignores it from whoever offered four octets.
    assert tor.learns(f"{VIP}/32").as_path in {(23456, 23456), (4_200_000_010, 4_200_000_010)}
    update = wait_for(lambda: wire.updates(POD4), "an UPDATE")[0].body.hex()
    assert "0202" + f"{23456:04x}" * 2 in update  # AS_PATH
    assert "0202" + f"{4_200_000_010:08x}" * 2 in update  # AS4_PATH


ROLES = {
    "customer": ("provider", None),
    "provider": ("customer", POD_AS),
    "peer": ("peer", POD_AS),
    "rs": ("rs-client", POD_AS),
    "rs-client": ("rs", None),
}


@pytest.mark.parametrize("role", ROLES)
def test_roles_and_what_is_told_to_customers_only(rack, role):
    theirs, otc = ROLES[role]
    tor = rack.tor(role=theirs)
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(role=role, role_strict=True)], service=[service(VIP)])
    assert tor.learns(f"{VIP}/32").otc == otc


def test_roles_that_do_not_go_together(rack):
    rack.tor(role="customer")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(role="customer")], service=[service(VIP)])
    rack.pod.logs("Role Mismatch")


@pytest.mark.parametrize(
    "rack", [Bird, Frr, GoBgp, OpenBgpd], ids=["bird", "frr", "gobgp", "openbgpd"], indirect=True
)
@pytest.mark.parametrize(("ours", "theirs"), [(POD4, TOR4), (POD6, TOR6)], ids=["ipv4", "ipv6"])
def test_md5_with_the_right_key(rack, ours, theirs):
    key = rack.pod.node.directory / "key"
    key.write_text("s3cret\n")
    tor = rack.tor(ours, password="s3cret")
    rack.pod.start(
        speaker=SPEAKER,
        neighbor=[neighbor(theirs, md5_password_file=key, next_hop={"ipv4": POD4})],
        service=[service(VIP)],
    )
    tor.learns(f"{VIP}/32")


def test_md5_with_the_right_key_when_the_tor_dials(rack):
    key = rack.pod.node.directory / "key"
    key.write_text("s3cret\n")
    tor = rack.tor(password="s3cret", passive=False)
    rack.pod.start(
        speaker={**SPEAKER, "listen": [f"{POD4}:179"]},
        neighbor=[neighbor(passive=True, md5_password_file=key)],
        service=[service(VIP)],
    )
    tor.learns(f"{VIP}/32")


@pytest.mark.parametrize("ours", ["wr0ng", None], ids=["wrong", "missing"])
def test_md5_with_a_bad_key_never_connects(rack, ours):
    keys = {}
    if ours:
        keys["md5_password_file"] = rack.pod.node.directory / "key"
        keys["md5_password_file"].write_text(ours)
    tor = rack.tor(password="s3cret")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(**keys)], service=[service(VIP)])
    refused = "TCPMD5Failure" if ours else "TCPMD5NotFound"
    wait_for(lambda: tcp_counter(rack.switch, refused) >= 2, f"{refused} at the ToR")  # SYN, and again
    assert tor.state(POD4) != "Established"
    assert rack.pod.neighbor(TOR4)["state"] in {"Connect", "Active", "Idle"}


@pytest.mark.parametrize("first", ["pod", "tor"])
def test_md5_keys_are_rolled_over_from_either_end(rack, first):
    """Neither BIRD 2.0 nor FRR 8.4 keeps a session whose key they change; it returns."""
    key = rack.pod.node.directory / "key"
    key.write_text("s3cret\n")
    tor = rack.tor(password="s3cret")
    sections = {
        "speaker": SPEAKER,
        "neighbor": [neighbor(md5_password_file=key, **AGAIN)],
        "service": [service(VIP)],
    }
    rack.pod.start(**sections)
    since = tor.established(POD4)
    tor.learns(f"{VIP}/32")
    if first == "tor":
        tor.rekey(POD4, "n3w")
    key.write_text("n3w\n")
    rack.pod.reload(**sections)
    if first == "pod":
        rack.pod.logs("signing_key_changed")
        assert rack.pod.neighbor(TOR4)["state"] == "Established"
        tor.rekey(POD4, "n3w")
    wait_for(lambda: tor.since(POD4) != since and tor.state(POD4) == "Established", "with the new key", 40)
    assert tor.learns(f"{VIP}/32") == DIRECT


def tcp_counter(node, name: str) -> int:
    names, values = (
        line.split()
        for line in node.run("cat", "/proc/net/netstat").splitlines()
        if line.startswith("TcpExt")
    )
    return int(values[names.index(name)])


def test_ttl_security_on_both_sides(rack):
    tor = rack.tor(ttl_security=True)
    wire = Capture(rack.switch, "pod")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(ttl_security=True)], service=[service(VIP)])
    tor.learns(f"{VIP}/32")
    assert wire.ttls(POD4) == {255}


@pytest.mark.parametrize("at_tor", [True, False], ids=["only the ToR", "only the pod"])
def test_ttl_security_on_one_side_keeps_the_session_down(rack, at_tor):
    tor = rack.tor(ttl_security=at_tor)
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(ttl_security=not at_tor)], service=[service(VIP)])
    careful = rack.switch if at_tor else rack.pod.node
    wait_for(lambda: tcp_counter(careful, "TCPMinTTLDrop") >= 3, "packets from too far away are dropped")
    assert tor.state(POD4) != "Established"
    assert tor.prefixes() == frozenset()


def test_a_session_keeps_to_its_interface_whatever_the_routes_say(rack):
    other = rack.lab.node("other")
    rack.lab.wire(rack.pod.node, "eth9", other, "eth0")
    rack.pod.node.ip("route", "add", f"{TOR4}/32", "dev", "eth9")
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(interface="eth0")], service=[service(VIP)])
    tor.learns(f"{VIP}/32")


@pytest.mark.parametrize("passive", [False, True], ids=["dialled", "accepted"])
def test_all_packets_are_marked_as_network_control(rack, passive):
    """CS6 from the first answer to a call on."""
    tor = rack.tor(passive=not passive)
    wire = Capture(rack.switch, "pod")
    rack.pod.start(
        speaker={**SPEAKER, "listen": [f"{POD4}:179"] if passive else []},
        neighbor=[neighbor(passive=passive, interface="eth0")],
        service=[service(VIP)],
    )
    tor.learns(f"{VIP}/32")
    assert wire.classes(POD4) == {0xC0}


def test_hold_timer_ends_a_session_over_a_dead_wire_and_it_returns(rack):
    tor = rack.tor(hold_time=3)
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(hold_time=3, **AGAIN)], service=[service(VIP)])
    tor.established(POD4)
    tor.learns(f"{VIP}/32")
    rack.pod.node.cut()
    tor.forgets(f"{VIP}/32")
    rack.pod.logs("Hold Timer Expired")
    rack.pod.node.mend()
    tor.learns(f"{VIP}/32")


@pytest.mark.parametrize("rack", [Bird], indirect=True)
def test_without_keepalives_tcp_finds_out_that_the_peer_has_gone(rack):
    """Half-open: the ToR forgot the connection without a word, and nobody has a hold timer."""
    tor = rack.tor(hold_time=0)
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(hold_time=0, **AGAIN)], service=[service(VIP)])
    tor.learns(f"{VIP}/32")
    assert rack.pod.neighbor(TOR4)["negotiated"]["hold_time"] == 0
    rack.pod.node.cut()
    tor.kill()
    rack.pod.logs("session_dropped", timeout=60)
    assert "Hold Timer" not in rack.pod.log()
    rack.pod.node.mend()
    tor.start()
    tor.learns(f"{VIP}/32")


def test_route_refresh_is_answered_with_everything(rack):
    tor = rack.tor()
    wire = Capture(rack.switch, "pod")
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(VIP)])
    since = tor.established(POD4)
    before = tor.learns(f"{VIP}/32")
    assert len(wire.updates(POD4)) == 1
    tor.refresh(POD4)
    wait_for(lambda: len(wire.updates(POD4)) == 2, "the UPDATE again")
    assert tor.learns(f"{VIP}/32") == before
    assert tor.since(POD4) == since


def test_a_refresh_stands_between_marks(rack):
    """RFC 7313: both offer it."""
    tor = rack.tor()
    wire = Capture(rack.switch, "pod")
    rack.pod.start(
        speaker=SPEAKER, neighbor=[neighbor(families=["ipv4"])], service=[service(VIP, "192.0.2.2")]
    )
    before = tor.learns(f"{VIP}/32")
    wait_for(lambda: wire.end_of_ribs(POD4) == 1, "End-of-RIB")
    tor.refresh(POD4)

    def said():
        kinds = [message.kind for message in wire.messages(POD4) if message.kind in (UPDATE, REFRESH)]
        return kinds[2:]

    wait_for(lambda: len(said()) == 3, "a whole refresh")
    assert said() == [REFRESH, UPDATE, REFRESH]
    marks = [message.body for message in wire.messages(POD4) if message.kind == REFRESH]
    assert marks == [b"\0\1\1\1", b"\0\1\2\1"]
    assert tor.learns(f"{VIP}/32") == before
    assert tor.prefixes() == {f"{VIP}/32", "192.0.2.2/32"}


def test_wrong_peer_as_is_told_by_both_sides(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(peer_as=65999)], service=[service(VIP)])
    rack.pod.logs("65999", str(TOR_AS))
    wait_for(lambda: re.search(r"[Bb]ad [Pp]eer AS", tor.log()), "Bad Peer AS in the ToR's log")
    assert tor.state(POD4) != "Established"


def test_the_tor_expects_another_as(rack):
    tor = rack.tor(peer_as=65999)
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(VIP)])
    rack.pod.logs("Bad Peer AS")
    assert tor.state(POD4) != "Established"


def test_shutdown_of_the_tor_is_shown_with_its_words(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(VIP)])
    tor.established(POD4)
    tor.shutdown(POD4, "moving rack")
    rack.pod.logs("Administrative Shutdown", "moving rack")
    error = wait_for(lambda: rack.pod.neighbor(TOR4)["last_error"], "a last error")
    assert (error["cause"], error["code"], error["subcode"]) == ("received", 6, 2)
    assert "moving rack" in error["text"]


def test_a_tor_that_restarts_is_met_again(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(**AGAIN)], service=[service(VIP)])
    tor.learns(f"{VIP}/32")
    tor.stop()
    wait_for(lambda: rack.pod.neighbor(TOR4)["state"] != "Established", "vipd notices")
    tor.start()
    tor.learns(f"{VIP}/32")


def test_a_busy_port_is_said_once_and_taken_when_free(rack):
    squatter = rack.pod.node.spawn(
        sys.executable,
        *("-c", f"import socket, signal; s = socket.create_server(('{POD4}', 179)); signal.pause()"),
        log="squatter.log",
    )
    wait_for(lambda: rack.pod.node.run("ss", "-Hltn", "sport", "179"), "port 179 is taken")
    tor = rack.tor(passive=False)
    rack.pod.start(
        speaker={**SPEAKER, "listen": [f"{POD4}:179"]},
        neighbor=[neighbor(passive=True)],
        service=[service(VIP)],
    )
    rack.pod.logs("179", "in use")
    squatter.signal(signal.SIGKILL)
    squatter.wait()
    tor.learns(f"{VIP}/32")
    assert len(rack.pod.lines("179", "in use")) == 1


def test_an_unknown_address_is_refused(rack):
    tor = rack.tor(passive=False)
    rack.pod.start(
        speaker={**SPEAKER, "listen": [f"{POD4}:179"]},
        neighbor=[neighbor("10.62.1.9", passive=True)],
        service=[service(VIP)],
    )
    rack.pod.logs(TOR4)
    assert tor.state(POD4) != "Established"
    assert tor.prefixes() == frozenset()


def test_a_second_session_from_one_address_is_refused_and_the_first_stands(rack):
    """The node of a pod may already peer with the ToR from the address that the pod shares with it."""
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(VIP)])
    since = tor.established(POD4)
    other = Pod(rack.pod.node, "other")
    other.start(
        speaker={**SPEAKER, "router-id": "10.62.1.99"},
        api={"listen": "", "socket": str(other.socket)},
        neighbor=[neighbor(connect_retry=0.3, idle_hold=0.3, idle_hold_max=0.3)],
        service=[service("192.0.2.2")],
    )
    wait_for(lambda: other.neighbor(TOR4)["messages"]["sent"]["open"] >= 3, "it tries, and again")
    assert len(other.lines("warning", TOR4)) == 1  # said once
    assert (tor.state(POD4), tor.since(POD4)) == ("Established", since)
    assert tor.prefixes() == {f"{VIP}/32"}
