from dataclasses import replace

from scene import CONFIG, NOW, PREFIXES, UP, V4, observed, snapshot
from vipd.status import Reading
from vipd.text import status

SCREEN = """\
vipd 0.1.0 on web-7: running, not ready, up 00:03:20
  - apex: 2001:db8::1 is not announced: check script: exit status 1
  - spare: 192.0.2.7 is announced, but not yet told

Configuration: /etc/vipd/vipd.toml, in force since 2026-11-21T07:56:40Z
  - warning: service[1]: has no check
Speaker: AS 64147, router ID 10.0.0.1, listening on [::1]:1790
Event loop: 0.1 ms late, 12 ms at worst

Neighbor        AS  MsgRcvd  MsgSent   Up/Down  State/PfxSnt  Description
10.0.0.2     64001       70       71  00:03:12             1  tor-a, left
10.0.0.3  external        0        0     never        Active

Service  Health  VIPs  Announced  Checks
apex     up         2          1  http up (200 OK), 0 of 1 checks of single VIPs pass
spare    up         1          1  none"""


def test_the_screen():
    assert status(snapshot(observed())) == SCREEN


def test_the_screen_keeps_to_80_columns_but_for_names():
    assert max(map(len, SCREEN.splitlines())) < 86


def test_ready():
    apex = replace(CONFIG.services[0], service=replace(CONFIG.services[0].service, vips=(V4,)))
    ready = observed(
        config=replace(CONFIG, services=(apex,)), peers={"tor-a": UP}, told={"tor-a": {PREFIXES[V4]}}
    )
    assert status(snapshot(ready)).splitlines()[:2] == [
        "vipd 0.1.0 on web-7: running, ready, up 00:03:20",
        "",
    ]


def test_a_reload_that_failed():
    reading = Reading(ok=False, at=observed().wall + NOW, error="vipd.toml: a = 1: no such key")
    text = status(snapshot(observed(reading=reading)))
    assert "  - not reloaded at 2026-11-21T08:16:40Z: vipd.toml: a = 1: no such key\n" in text


def test_a_speaker_that_only_dials():
    dials = replace(CONFIG, speaker=replace(CONFIG.speaker, listen=()))
    assert "router ID 10.0.0.1\nEvent loop" in status(snapshot(observed(config=dials)))
