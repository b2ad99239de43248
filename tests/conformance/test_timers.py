"""RFC 4271 sections 4.4, 6.5, 8.2.2 and 10: what only time brings to light.

All stories are told side by side, each to a neighbour of its own, for each takes seconds: and so each shows,
too, that none disturbs the others. A test waits for its story.
"""

import itertools
import select
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from conformance import octets as bgp
from conformance.octets import IPV4, KEEPALIVE
from conformance.pod import Pod
from conformance.tor import Conversation, Tor

LATE = 1.5  # seconds by which a busy machine may be late: with a hold time of 3 that is in time
STORIES: dict[str, Callable[["Stage"], None]] = {}


class Stage:
    """The vipd of all tests, and the means for one of one's own."""

    def __init__(self, pod: Pod, stack: ExitStack, directories: pytest.TempPathFactory) -> None:
        self.pod = pod
        self._stack = stack
        self._directories = directories

    def own_pod(self, **words: object) -> Pod:
        pod = Pod(self._directories.mktemp("pod"), **words)
        self._stack.callback(pod.close)
        return pod


def story(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
    STORIES[play.__name__] = play
    return play


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest, shared: Pod, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    wanted = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]
    with ExitStack() as stack:
        stage = Stage(shared, stack, tmp_path_factory)
        with ThreadPoolExecutor(len(wanted)) as threads:
            yield {name: threads.submit(STORIES[name], stage) for name in wanted}
        shared.rest()


def test_it(told, name):
    told[name].result()


def pytest_generate_tests(metafunc):
    metafunc.parametrize("name", STORIES)


# ---- the hold timer ----


def expires(peer: Conversation, began: float, after: float) -> None:
    assert peer.refused() == (4, 0, b"")
    assert after - 0.2 <= time.monotonic() - began <= after + LATE


@story
def rfc4271_6_5_hold_timer_expires_in_open_confirm(stage):
    peer = stage.pod.tor("brisk").meet()
    peer.confirm()
    expires(peer, time.monotonic(), 3)


@story
def rfc4271_6_5_hold_timer_expires_in_established(stage):
    peer = stage.pod.tor("brisk").meet()
    peer.establish()
    expires(peer, time.monotonic(), 3)


@story
def rfc4271_4_2_the_hold_time_of_the_peer_counts_where_it_is_lower(stage):
    peer = stage.pod.tor("ebgp").meet()
    peer.establish(hold_time=4)
    expires(peer, time.monotonic(), 4)


@story
def rfc4271_8_a_part_of_a_message_does_not_restart_the_hold_timer(stage):
    peer = stage.pod.tor("brisk").meet()
    peer.establish()
    began = time.monotonic()
    for octet in bgp.keepalive()[:10]:
        peer.say(bytes((octet,)))
        time.sleep(0.2)
    expires(peer, began, 3)


@story
def rfc4271_8_a_refresh_does_not_restart_the_hold_timer(stage):
    peer = stage.pod.tor("brisk").meet()
    peer.establish()
    began = time.monotonic()
    for _ in range(10):
        peer.say(bgp.refresh(IPV4))
        time.sleep(0.2)
    expires(peer, began, 3)


@story
def rfc4271_8_an_update_restarts_the_hold_timer(stage):
    peer = stage.pod.tor("brisk").meet()
    peer.establish()
    for _ in range(9):
        time.sleep(0.5)
        peer.say(bgp.update())
    peer.stands()


@story
def rfc4271_8_in_open_sent_the_hold_timer_is_a_large_one(stage):
    tor = stage.pod.tor("brisk")
    peer = tor.meet()
    time.sleep(4.5)
    assert stage.pod.status(tor)["state"] == "OpenSent"
    peer.confirm()


@story
def rfc4271_4_2_a_hold_time_of_zero_never_expires_and_sends_no_keepalive(stage):
    for tor, hold_time in ((stage.pod.tor("eternal"), 90), (stage.pod.tor("ebgp"), 0)):
        peer = tor.meet()
        peer.establish(hold_time=hold_time)
        assert list(peer.hear_all(2.5)) == []
        peer.stands()


@story
def rfc4271_4_2_a_hold_time_of_zero_holds_in_open_confirm(stage):
    peer = stage.pod.tor("ebgp").meet()
    peer.confirm(hold_time=0)
    assert list(peer.hear_all(4)) == []
    peer.say(bgp.keepalive())
    assert peer.said().announced


# ---- KEEPALIVEs ----


def pauses(peer: Conversation, seconds: float) -> list[float]:
    """From one KEEPALIVE to the next, while the peer sends its own."""
    came = []
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        peer.say(bgp.keepalive())
        came += [time.monotonic() for _, heard in peer.hear_all(min(0.5, left)) if heard.kind == KEEPALIVE]
    return [after - before for before, after in itertools.pairwise(came)]


@story
def rfc4271_4_4_keepalives_every_third_of_the_hold_time(stage):
    peer = stage.pod.tor("brisk").meet()
    peer.establish()
    found = pauses(peer, 5)
    assert len(found) >= 3
    assert max(found) <= 1 + LATE
    assert statistics.mean(found) >= 0.95  # no more than one a second


@story
def rfc4271_10_jitter_makes_them_earlier_never_later(stage):
    peer = stage.pod.tor("uneven").meet()
    peer.establish()
    found = pauses(peer, 8)
    assert max(found) <= 4 / 3 + LATE
    assert statistics.median(found) <= 4 / 3 + 0.05
    assert min(found) >= 0.9
    assert max(found) - min(found) > 0.005


@story
def rfc4271_4_4_a_flood_of_updates_does_not_delay_keepalives(stage):
    pod = stage.own_pod()
    pod.neighbor("flooding", hold_time=3)
    pod.neighbor("other", hold_time=3)
    pod.start()
    peer, other = pod.tor("flooding").meet(), pod.tor("other").meet()
    peer.establish()
    other.establish()
    run = bgp.attribute(0x40, bgp.ORIGIN, b"\0") + bgp.attribute(0x40, bgp.AS_PATH, bgp.segment(2, peer.asn))
    run += bgp.attribute(0x40, bgp.NEXT_HOP, bytes((10, 0, 0, 2)))
    flood = b"".join(
        bgp.update(run + bgp.attribute(0x80, bgp.MED, each.to_bytes(4)), bgp.prefix("198.51.100.7"))
        for each in range(2000)
    )
    came: dict[Conversation, list[float]] = {peer: [time.monotonic()], other: [time.monotonic()]}
    said = time.monotonic()
    peer.sock.setblocking(False)
    unsaid = b""
    sent = 0
    while time.monotonic() - came[peer][0] < 5:
        unsaid = unsaid or flood
        readable, writable, _ = select.select([peer.sock, other.sock], [peer.sock], [], 0.5)
        if writable:
            count = peer.sock.send(unsaid)
            unsaid, sent = unsaid[count:], sent + count
        for each in (peer, other):
            if each.sock in readable:
                assert each.hear().kind == KEEPALIVE
                came[each].append(time.monotonic())
        peer.sock.setblocking(False)
        if time.monotonic() - said > 0.5:
            other.say(bgp.keepalive())
            said = time.monotonic()
    assert sent > 20 * len(flood)
    for times in came.values():
        assert max(after - before for before, after in itertools.pairwise(times)) <= 1 + LATE


# ---- peers that are not there ----


@story
def rfc9687_a_peer_that_reads_nothing_disturbs_nobody_and_is_given_up(stage):
    pod = stage.own_pod(vips=[f"10.{each >> 16}.{each >> 8 & 255}.{each & 255}" for each in range(50_000)])
    pod.neighbor("deaf", hold_time=3)
    pod.neighbor("other", hold_time=3)
    deaf, other = pod.tor("deaf"), pod.tor("other")
    deaf.shrink()
    pod.start()
    stuck = deaf.meet()
    stuck.say(bgp.open_message(stuck.asn), bgp.keepalive())
    peer = other.meet()
    peer.establish()
    until = time.monotonic() + 2.5
    while time.monotonic() < until:  # it speaks all the time, so that its silence is not what ends it
        stuck.say(bgp.keepalive())
        peer.say(bgp.keepalive())
        for _ in peer.hear_all(0.25):
            pass
    peer.say(bgp.refresh(IPV4))
    assert len([prefix for said in peer.table_again(50_000) for prefix in said.announced]) == 50_000
    until = time.monotonic() + 12
    while "session_dropped" not in pod.log():
        assert time.monotonic() < until
        stuck.say(bgp.keepalive())
        peer.say(bgp.keepalive())
        for _ in peer.hear_all(0.25):
            pass
    assert deaf.name in pod.logged("session_dropped")
    peer.stands()


@story
def rfc9687_a_peer_that_takes_nothing_and_speaks_is_given_up_by_the_send_hold_timer(stage):
    """Well before its kernel is given up: hold time and TCP_USER_TIMEOUT are longer here."""
    pod = stage.own_pod(vips=[f"10.{each >> 16}.{each >> 8 & 255}.{each & 255}" for each in range(20_000)])
    pod.neighbor("deaf", hold_time=60, send_hold_time=3)
    deaf = pod.tor("deaf")
    deaf.shrink()
    pod.start()
    peer = deaf.meet()
    peer.say(bgp.open_message(peer.asn), bgp.keepalive())
    until = time.monotonic() + 30
    while "session_dropped" not in pod.log():
        assert time.monotonic() < until
        peer.say(bgp.keepalive(), bgp.refresh(IPV4))  # so that there is always more to say
        time.sleep(0.1)
    assert "Send Hold Timer Expired" in pod.logged("session_dropped")
    error = pod.status(deaf)["last_error"]
    assert (error["cause"], error["code"]) == ("closed", 8)


@story
def rfc4271_8_a_peer_that_accepts_and_says_nothing_disturbs_nobody(stage):
    pod = stage.own_pod()
    pod.neighbor("mute", hold_time=3)
    pod.neighbor("other", hold_time=3)
    pod.start()
    mute, other = pod.tor("mute"), pod.tor("other")
    mute.meet()
    peer = other.meet()
    peer.establish()
    assert max(pauses(peer, 4)) <= 1 + LATE
    assert pod.status(mute)["state"] == "OpenSent"
    assert pod.status(other)["dropped"] == 0


# ---- a process that did not run ----


def stalled(stage: Stage) -> tuple[Pod, Tor, Conversation]:
    pod = stage.own_pod()
    pod.neighbor("ebgp", hold_time=3)
    pod.start()
    tor = pod.tor("ebgp")
    peer = tor.meet()
    peer.establish()
    pod.status(tor)
    pod.signal(signal.SIGSTOP)
    return pod, tor, peer


@story
def rfc4271_8_what_came_during_a_stall_is_heard_before_the_hold_timer(stage):
    pod, tor, peer = stalled(stage)
    for _ in range(9):
        time.sleep(0.5)
        peer.say(bgp.keepalive())
    pod.signal(signal.SIGCONT)
    peer.stands()
    assert pod.status(tor)["dropped"] == 0


@story
def rfc4271_8_one_word_early_in_a_stall_is_enough(stage):
    pod, _tor, peer = stalled(stage)
    time.sleep(0.2)
    peer.say(bgp.keepalive())
    time.sleep(4.3)
    pod.signal(signal.SIGCONT)
    peer.stands()


@story
def rfc4271_8_silence_during_a_stall_is_silence(stage):
    pod, _tor, peer = stalled(stage)
    time.sleep(4.5)
    pod.signal(signal.SIGCONT)
    assert peer.refused() == (4, 0, b"")


# ---- back-off ----


@story
def rfc4271_8_1_1_a_peer_that_fails_is_called_ever_later(stage):
    pod = stage.own_pod()
    pod.neighbor("failing", idle_hold=0.2, idle_hold_max=1.6)
    pod.start()
    tor = pod.tor("failing")
    pod.status(tor)  # which the first time takes until vipd can be asked
    waits, backed_off = [], []
    for _ in range(6):
        peer = tor.meet()
        peer.say(bgp.open_message(65099))
        assert peer.refused()[:2] == (2, 2)
        began = time.monotonic()
        backed_off.append(pod.status(tor)["back_off"])
        assert tor.called_within(5)
        waits.append(time.monotonic() - began)
    assert backed_off == [0.2, 0.4, 0.8, 1.6, 1.6, 1.6]
    for wait, idle_hold in zip(waits, [0.2, 0.4, 0.8, 1.6, 1.6, 1.6], strict=True):  # less the jitter
        assert 0.75 * idle_hold - 0.05 <= wait <= idle_hold + LATE


@story
def rfc4271_8_1_1_a_refused_call_is_made_again_soon(stage):
    pod = stage.own_pod()
    pod.neighbor("rebooting", connect_retry=0.3, idle_hold=0.2, idle_hold_max=60.0)
    tor = pod.tor("rebooting")
    tor.shut()
    pod.start()
    time.sleep(4)
    tor.listen()
    assert tor.called_within(0.3 + LATE)
