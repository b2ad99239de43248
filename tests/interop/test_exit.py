"""Leaving: withdrawn before the session goes, in words; and what a kill does."""

import signal

from interop.capture import NOTIFICATION, Capture
from interop.netns import wait_for
from interop.wiring import POD4, POD_AS, neighbor, service

VIP = "192.0.2.1"
SPEAKER = {"local-as": POD_AS}


def test_sigterm_withdraws_lingers_says_why_and_exits_0(rack):
    tor = rack.tor()
    wire = Capture(rack.switch, "pod")
    rack.pod.start(speaker=SPEAKER, drain={"linger": 1.0}, neighbor=[neighbor()], service=[service(VIP)])
    since = tor.established(POD4)
    tor.learns(f"{VIP}/32")
    rack.pod.process.signal(signal.SIGTERM)
    tor.forgets(f"{VIP}/32")
    assert (tor.state(POD4), tor.since(POD4)) == ("Established", since)  # `linger` is not over
    assert rack.pod.process.wait() == 0
    said = wait_for(
        lambda: [m for m in wire.messages(POD4) if m.withdraws or m.kind == NOTIFICATION][-2:],
        "the last words",
    )
    assert said[0].withdraws
    assert said[1].body[:2] == bytes((6, 2))  # Cease / Administrative Shutdown
    text = said[1].body[3 : 3 + said[1].body[2]].decode()  # RFC 9003
    assert text
    tor.logs(text)


def test_a_second_sigterm_cuts_the_linger_short(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, drain={"linger": 600.0}, neighbor=[neighbor()], service=[service(VIP)])
    tor.learns(f"{VIP}/32")
    rack.pod.process.signal(signal.SIGTERM)
    tor.forgets(f"{VIP}/32")
    assert rack.pod.stop() == 0


def test_kill_9_is_a_withdrawal(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor()], service=[service(VIP)])
    tor.learns(f"{VIP}/32")
    rack.pod.process.kill()
    tor.forgets(f"{VIP}/32", timeout=5)  # well before the hold time of 9 s


def test_a_killed_vipd_is_succeeded_by_another(rack):
    tor = rack.tor()
    sections = {"speaker": SPEAKER, "neighbor": [neighbor()], "service": [service(VIP)]}
    rack.pod.start(loopback={"manage": True}, **sections)
    tor.learns(f"{VIP}/32")
    rack.pod.process.kill()
    tor.forgets(f"{VIP}/32")
    rack.pod.start(loopback={"manage": True}, **sections)  # the address is adopted
    tor.learns(f"{VIP}/32")
    assert rack.pod.stop() == 0
    assert VIP not in rack.pod.node.ip("addr", "show", "dev", "lo")
