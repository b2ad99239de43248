from dataclasses import replace

from scene import CONFIG, DOWN, GUARDED, LOST, UP, WATCHED, observed, snapshot
from vipd.text import neighbor, neighbors

TABLE = """\
BGP router identifier 10.0.0.1, local AS number 64147

Neighbor        AS  MsgRcvd  MsgSent   Up/Down  State/PfxSnt  Description
10.0.0.2     64001       70       71  00:03:12             1  tor-a, left
10.0.0.3  external        0        0     never        Active

  - 10.0.0.3: 10.0.0.3 port 1790: connection refused (1.5 s ago)

Total number of neighbors 2"""

ESTABLISHED = """\
BGP neighbor is 10.0.0.2, remote AS 64001, local AS 64147, external link
  Description: tor-a, left
  BGP state = Established, up for 00:03:12
  Transport: we dial port 179, local address 10.0.0.1
  Connections established 2; dropped 1
  Remote router ID 10.255.0.2
  Hold time is 9 s, keepalive interval is 3 s
  Address families: ipv4

  Neighbor capabilities:
    multiprotocol ipv4/unicast: advertised and received
    multiprotocol ipv6/unicast: advertised
    route-refresh: advertised
    4-octet-as 64147: advertised
    4-octet-as 64001: received
    capability 71: received

  Messages       Sent  Rcvd
  open              2     2
  update            5     1
  notification      0     1
  keepalive        64    66
  route refresh     0     0
  total            71    70
  NOTIFICATION received: Cease / Administrative Shutdown (6/2), 1 x

  Prefixes  Desired  Advertised
  ipv4            1           1
  ipv6            0           0  it was not agreed on
  Received and dropped: 12 prefixes

  Last error: it sent a NOTIFICATION (6/2): Cease / Administrative Shutdown: firmware (00:03:20 ago)"""

ACTIVE = """\
BGP neighbor is 10.0.0.3, remote AS external, local AS 64147
  BGP state = Active, for 00:00:30, next attempt in 3.5 s
  Transport: we dial port 1790, local address not known yet
  Connections established 0; dropped 0

  Neighbor capabilities:
    none exchanged yet

  Messages       Sent  Rcvd
  open              0     0
  update            0     0
  notification      0     0
  keepalive         0     0
  route refresh     0     0
  total             0     0

  Prefixes  Desired  Advertised
  ipv4            0           0
  ipv6            0           0
  Received and dropped: 0 prefixes

  Last error: 10.0.0.3 port 1790: connection refused (1.5 s ago)"""


def tor_a(**changes):
    return snapshot(observed(peers={"tor-a": replace(UP, **changes)}))["neighbors"][0]


def test_the_table():
    assert neighbors(snapshot(observed())) == TABLE


def test_the_table_without_troubles():
    everything = snapshot(observed(peers={"tor-a": UP}))
    assert "\n  - " not in neighbors(everything)
    assert "Idle" in neighbors(everything)


def test_the_table_of_nobody():
    everything = snapshot(observed(config=replace(CONFIG, neighbors={})))
    assert "No neighbour is configured.\n\nTotal number of neighbors 0" in neighbors(everything)


def test_how_long_a_session_is_down_where_it_was_ever_up():
    everything = snapshot(observed(peers={"10.0.0.3": replace(DOWN, established=1, dropped=1)}))
    assert "00:00:30        Active" in neighbors(everything)


def test_a_session_that_is_up():
    assert neighbor(snapshot(observed())["neighbors"][0]) == ESTABLISHED


def test_a_session_that_is_down():
    assert neighbor(snapshot(observed())["neighbors"][1]) == ACTIVE


UNDER_WATCH = """
  BFD state = Up, for 00:03:10; its = Up
  BFD interval = 300 ms, detection time 900 ms
  BFD came up 2 x; went down 1 x
  BFD packets dropped: 2 your discriminator
"""
OUT_OF_SIGHT = """
  BFD state = Down, for 00:00:30, control detection time expired; its = Down
  BFD came up 1 x; went down 1 x
"""


def test_a_path_that_is_watched():
    watched = replace(WATCHED, dropped={})
    up, down = snapshot(observed(config=GUARDED, bfd={"tor-a": WATCHED, "10.0.0.3": LOST}))["neighbors"]
    assert UNDER_WATCH in neighbor(up)
    assert OUT_OF_SIGHT in neighbor(down)
    silent = replace(watched, transmit_interval=None)
    up, _ = snapshot(observed(config=GUARDED, bfd={"tor-a": silent}))["neighbors"]
    assert "\n  BFD interval = nothing is sent, detection time 900 ms\n" in neighbor(up)


def test_hold_time_zero_internal_link_no_family_and_no_error():
    agreed = replace(UP.negotiated, hold_time=0, ebgp=False, families=())
    text = neighbor(tor_a(negotiated=agreed, last_error=None, last_error_at=None))
    assert "local AS 64147, internal link\n" in text
    assert "  Hold time is 0: neither side sends keepalives\n" in text
    assert "  Address families: none in common\n" in text
    assert text.endswith("  Last error: none")


def test_malformed_updates_are_told_where_there_were_any():
    assert "  Leaked to us: 2 UPDATEs, by their OTC attribute" in neighbor(tor_a(ineligible=2))
    text = neighbor(tor_a(treat_as_withdraw=3, attribute_discard=1))
    assert "  Malformed UPDATEs: 3 taken as withdrawals, 1 with attributes discarded\n" in text


def test_leaked_updates_are_told_where_there_were_any():
    assert "  Leaked to us: 2 UPDATEs, by their OTC attribute\n" in neighbor(tor_a(ineligible=2))
    assert "Leaked" not in neighbor(tor_a())


def test_a_passive_neighbour():
    text = neighbor(tor_a(config=replace(UP.config, passive=True)))
    assert "  Transport: passive: it dials us, local address 10.0.0.1\n" in text


def test_what_is_down_by_intent_says_so():
    peer = {**snapshot(observed())["neighbors"][1], "admin_up": False}
    assert "  BGP state = Active (Admin), for" in neighbor(peer)


def test_nothing_a_neighbour_says_reaches_the_terminal_unprintable():
    peer = tor_a(
        received=("\x1b[31mcapability",),
        last_error=replace(UP.last_error, text="bye\x1b]0;owned\x07\nnow"),
    )
    assert "\x1b" not in neighbor(peer)
    assert "\x07" not in neighbor(peer)
