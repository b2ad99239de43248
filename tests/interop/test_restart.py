"""RFC 4724: routes that outlive a restart of vipd, and connections that nobody is at the other end of."""

import signal

import pytest

from interop.bird import Bird
from interop.netns import wait_for
from interop.wiring import POD4, POD_AS, TOR4, neighbor, service

SPEAKER = {"local-as": POD_AS}
SLOW = {"tcp": "127.0.0.1:8080", "interval": 0.5, "fast-interval": 0.5}  # a second until it passes


def test_routes_survive_a_restart_and_what_is_stale_goes_at_its_end(rack):
    tor = rack.tor()
    rack.pod.serve()
    checked = {"check": [SLOW]}
    keeping = neighbor(graceful_restart=60)
    rack.pod.start(
        speaker=SPEAKER, neighbor=[keeping], service=[service("192.0.2.1", "192.0.2.2", **checked)]
    )
    tor.learns("192.0.2.1/32")
    tor.learns("192.0.2.2/32")
    since = tor.established(POD4)
    before = tor.end_of_ribs(POD4)
    rack.pod.process.signal(signal.SIGUSR1)
    assert rack.pod.process.wait() == 0
    wait_for(lambda: tor.state(POD4) != "Established", "the ToR notices")
    assert tor.prefixes() == {"192.0.2.1/32", "192.0.2.2/32"}
    rack.pod.start(speaker=SPEAKER, neighbor=[keeping], service=[service("192.0.2.1", **checked)])
    assert tor.established(POD4) != since
    # The check has not passed yet: nothing is announced, and nothing forgotten.
    wait_for(lambda: tor.end_of_ribs(POD4) > before or not kept(tor), "End-of-RIB, or a hole")
    tor.forgets("192.0.2.2/32")
    assert tor.prefixes() == {"192.0.2.1/32"}
    assert tor.end_of_ribs(POD4) > before


def kept(tor):
    return "192.0.2.1/32" in tor.prefixes()


def test_sigterm_is_final_though_the_tor_would_wait(rack):
    tor = rack.tor()
    rack.pod.start(speaker=SPEAKER, neighbor=[neighbor(graceful_restart=60)], service=[service("192.0.2.1")])
    tor.learns("192.0.2.1/32")
    assert rack.pod.stop() == 0
    assert tor.prefixes() == frozenset()


@pytest.mark.parametrize("rack", [Bird], indirect=True)
@pytest.mark.parametrize("restarts", [True, False], ids=["may restart", "may not"])
def test_a_tor_that_vanished_comes_back_before_it_is_missed(rack, restarts):
    """Nothing says that it has gone: no FIN and no reset arrives. Who said that it may restart is believed at
    once; another waits until the hold timer has found the old connection dead.
    """
    tor = rack.tor(passive=False, hold_time=3, restarts=restarts)
    rack.pod.start(
        speaker={**SPEAKER, "listen": [f"{POD4}:179"]},
        neighbor=[neighbor(passive=True, hold_time=3)],
        service=[service("192.0.2.1")],
    )
    tor.learns("192.0.2.1/32")
    drop = "tcp flags & (fin | rst) != 0 drop;"
    rack.switch.run("nft", f"table inet mute {{ chain o {{ type filter hook output priority 0; {drop} }}; }}")
    tor.kill()
    tor.start()
    tor.learns("192.0.2.1/32")
    assert rack.pod.neighbor(TOR4)["established"] == 2
    ended = "the peer has restarted" if restarts else "Hold Timer Expired"
    rack.pod.logs("session_dropped", ended)
