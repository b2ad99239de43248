"""BFD with the ToRs' own: up, at which pace, what it ends and what it leaves alone."""

import signal
import time

import pytest

from interop.bird import Bird
from interop.frr import Frr
from interop.netns import wait_for
from interop.wiring import POD4, POD6, POD_AS, TOR4, TOR6, neighbor, service

VIP = "192.0.2.1"
SPEAKER = {"local-as": POD_AS}
BOTH = pytest.mark.parametrize(("ours", "theirs"), [(POD4, TOR4), (POD6, TOR6)], ids=["ipv4", "ipv6"])
PATIENCE = 10  # packets that the ToR may miss: the machine may be busy with other tests
LONG = {"hold_time": 90}  # so that nothing but BFD can end a session here


def guarded(rack, ours=POD4, theirs=TOR4, pace=300):
    """A session that both ends watch, Established and Up."""
    tor = rack.tor(ours, bfd=pace, **LONG)
    sections = {
        "speaker": SPEAKER,
        "service": [service(VIP)],
        "neighbor": [
            neighbor(
                theirs,
                hold_time=90,
                bfd=True,
                bfd_interval=pace / 1000,
                bfd_multiplier=PATIENCE,
                next_hop={"ipv4": POD4},
            )
        ],
    }
    rack.pod.start(**sections)
    tor.learns(f"{VIP}/32")
    both_up(tor, rack.pod, ours, theirs)
    return tor, sections


def both_up(tor, pod, ours=POD4, theirs=TOR4):
    wait_for(lambda: (found := tor.watch(ours)) and found.state == "up", "Up, says the ToR")
    wait_for(lambda: pod.neighbor(theirs)["bfd"]["state"] == "Up", "Up, says vipd")


@BOTH
def test_both_ends_come_up_and_agree_on_a_pace(rack, ours, theirs):
    tor, _ = guarded(rack, ours, theirs)
    agreed = wait_for(lambda: (found := tor.watch(ours)).interval == 0.3 and found, "their pace")
    assert agreed.detection_time == pytest.approx(0.3 * PATIENCE)
    wait_for(lambda: rack.pod.neighbor(theirs)["bfd"]["detection_time"] == 0.9, "and ours")
    found = rack.pod.neighbor(theirs)["bfd"]
    assert (found["transmit_interval"], found["dropped"]) == (0.3, {})
    assert "BFD state = Up" in rack.pod.ask("neighbors", theirs)


def test_a_silent_path_ends_the_session_at_both_ends(rack):
    tor, _ = guarded(rack)
    rack.pod.node.cut()
    tor.forgets(f"{VIP}/32")  # long before the hold time of 90 s
    rack.pod.logs("bfd_session_down", "control detection time expired")
    assert rack.pod.logs("session_dropped", "BFD Down")
    rack.pod.node.mend()
    tor.learns(f"{VIP}/32", timeout=40)
    both_up(tor, rack.pod)


@pytest.mark.parametrize("rack", [Bird], indirect=True)
def test_bfd_alone_being_cut_ends_the_session_with_cease_bfd_down(rack):
    tor, _ = guarded(rack)
    since = tor.since(POD4)
    drop = "type filter hook input priority 0; udp dport 3784 drop;"
    rack.pod.node.run("nft", f"table inet deaf {{ chain i {{ {drop} }}; }}")
    rack.pod.logs("notification_sent", '"code": 6', '"subcode": 10')
    # BGP is held back by nothing: it comes up again, watched or not.
    wait_for(lambda: tor.since(POD4) != since and tor.state(POD4) == "Established", "and again", 40)
    rack.pod.node.run("nft", "delete table inet deaf")
    both_up(tor, rack.pod)


@pytest.mark.parametrize("rack", [Bird], indirect=True)
def test_bgp_is_not_held_back_by_a_tor_without_bfd(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(bfd=True)], service=[service(VIP)])
    tor.learns(f"{VIP}/32")
    assert rack.pod.neighbor(TOR4)["bfd"]["state"] == "Down"


@pytest.mark.parametrize("rack", [Frr], indirect=True)  # BIRD 2 just falls silent
def test_the_tors_operator_takes_bfd_down_and_bgp_stays(rack):
    tor, _ = guarded(rack)
    since = tor.since(POD4)
    tor.unwatch(POD4)
    rack.pod.logs("bfd_session_closed")
    wait_for(lambda: rack.pod.neighbor(TOR4)["bfd"]["remote_state"] == "AdminDown", "AdminDown")
    assert rack.pod.neighbor(TOR4)["state"] == "Established"
    assert tor.since(POD4) == since


def test_a_reload_changes_the_pace_and_then_takes_bfd_down_and_up_again(rack):
    """By our AdminDown, BIRD 2.0 and FRR 8.4 end their BGP session. We do not end ours, and it comes back."""
    tor, sections = guarded(rack)
    since, downs = tor.since(POD4), rack.pod.neighbor(TOR4)["bfd"]["downs"]
    ended = rack.pod.lines("notification_sent", '"subcode": 10')
    (told,) = sections["neighbor"]
    rack.pod.reload(**{**sections, "neighbor": [{**told, "bfd_interval": 0.4}]})
    wait_for(lambda: tor.watch(POD4).detection_time == pytest.approx(0.4 * PATIENCE), "the ToR knows of it")
    wait_for(lambda: rack.pod.neighbor(TOR4)["bfd"]["transmit_interval"] == 0.4, "and answered our Poll")
    assert rack.pod.neighbor(TOR4)["bfd"]["downs"] == downs
    assert tor.since(POD4) == since
    rack.pod.reload(**{**sections, "neighbor": [{**told, "bfd": False}]})
    wait_for(lambda: not (found := tor.watch(POD4)) or found.state != "up", "not Up any more")
    tor.established(POD4)
    assert rack.pod.neighbor(TOR4)["bfd"] is None
    assert rack.pod.lines("notification_sent", '"subcode": 10') == ended
    rack.pod.reload(**sections)
    both_up(tor, rack.pod)


def test_a_pod_that_leaves_says_cease_first(rack):
    tor, _ = guarded(rack)
    assert rack.pod.stop() == 0
    tor.forgets(f"{VIP}/32")
    assert rack.pod.lines("notification_sent", '"subcode": 2')


@pytest.mark.parametrize("rack", [Bird], indirect=True)
def test_a_pod_that_is_stopped_for_a_while_does_not_blame_the_tor(rack):
    """Stalled for less than the ToR waits: nobody is lost, though our own timer ran out meanwhile."""
    tor, _ = guarded(rack)  # ours is three times 300 ms
    since = tor.since(POD4)
    for _ in range(3):
        rack.pod.process.signal(signal.SIGSTOP)
        time.sleep(1.5)
        rack.pod.process.signal(signal.SIGCONT)
        time.sleep(0.5)
    assert rack.pod.neighbor(TOR4)["bfd"]["downs"] == 0
    assert tor.since(POD4) == since
