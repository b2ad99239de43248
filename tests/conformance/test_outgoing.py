"""RFC 4271 sections 4.3 and 5, RFC 4760, 6793, 7606 section 5.1: what vipd announces, and in which octets."""

import ipaddress
import signal

import pytest

from conformance import octets as bgp
from conformance.octets import (
    AS4_PATH,
    AS_PATH,
    AS_TRANS,
    COMMUNITIES,
    EXTENDED,
    IPV4,
    IPV6,
    LARGE_COMMUNITY,
    LOCAL_PREF,
    MED,
    MP_REACH,
    MP_UNREACH,
    NEXT_HOP,
    NON_TRANSITIVE,
    ORIGIN,
    SEQUENCE,
    TRANSITIVE,
    WELL_KNOWN,
    segment,
)
from conformance.pod import LOCAL_AS, NEXT_HOP6, PEER_AS, VIPS

WIDE_LOCAL_AS = 4200000009
HOSTS4 = [f"{vip}/32" for vip in VIPS if "." in vip]
HOSTS6 = [f"{vip}/128" for vip in VIPS if ":" in vip]


def announced(said, family=IPV4):
    """The one UPDATE that announces something of that family."""
    (found,) = [each for each in said if each.announced and each.family == family]
    return found


def written(said):
    return [(code, flags, value) for code, (flags, value) in said.attributes.items()]


def test_4271_5_to_an_external_peer(pod):
    said = announced(pod.tor("ebgp").meet().establish())
    assert said.announced == HOSTS4
    assert written(said) == [
        (ORIGIN, WELL_KNOWN, b"\0"),
        (AS_PATH, WELL_KNOWN, segment(SEQUENCE, LOCAL_AS)),
        (NEXT_HOP, WELL_KNOWN, ipaddress.ip_address(pod.address).packed),
    ]


def test_4271_5_to_an_internal_peer(pod):
    said = announced(pod.tor("ibgp").meet().establish())
    assert written(said) == [
        (ORIGIN, WELL_KNOWN, b"\0"),
        (AS_PATH, WELL_KNOWN, b""),
        (NEXT_HOP, WELL_KNOWN, ipaddress.ip_address(pod.address).packed),
        (LOCAL_PREF, WELL_KNOWN, (100).to_bytes(4)),
    ]


@pytest.mark.parametrize("kind", ["ebgp", "ibgp"])
def test_4760_3_ipv6(pod, kind):
    said = announced(pod.tor(kind).meet().establish(), IPV6)
    assert said.announced == HOSTS6
    assert said.next_hop == ipaddress.ip_address(NEXT_HOP6).packed
    codes = [code for code, _, _ in written(said)]
    assert codes == [MP_REACH, ORIGIN, AS_PATH, *([LOCAL_PREF] if kind == "ibgp" else [])]  # 7606 5.1
    assert said.attributes[MP_REACH][0] & ~EXTENDED == NON_TRANSITIVE


def test_4724_2_end_of_rib_of_each_family_after_its_routes(pod):
    said = pod.tor("ebgp").meet().establish()
    last = {each.family: at for at, each in enumerate(said) if each.announced}
    ends = {each.end_of_rib: at for at, each in enumerate(said) if each.end_of_rib}
    assert ends.keys() == {IPV4, IPV6}
    assert all(ends[family] > last[family] for family in ends)
    assert len(said) == 4


@pytest.mark.parametrize(("family", "hosts"), [(IPV4, HOSTS4), (IPV6, HOSTS6)], ids=["ipv4", "ipv6"])
def test_4760_8_only_what_the_peer_offered(pod, family, hosts):
    peer = pod.tor("ebgp").meet()
    said = peer.establish(families=(family,), told=(family,))
    assert {each.family for each in said} == {family}
    assert announced(said, family).announced == hosts
    with pytest.raises(TimeoutError):
        peer.hear(0.2)


def test_4760_8_ipv4_alone_to_a_peer_without_capabilities(pod):
    peer = pod.tor("ebgp").meet()
    said = peer.establish(bgp.open_message(PEER_AS, parameters=b""), told=(IPV4,))
    assert {each.family for each in said} == {IPV4}
    assert announced(said).announced == HOSTS4
    with pytest.raises(TimeoutError):
        peer.hear(0.2)


# ---- RFC 6793: towards a peer of two-octet AS numbers ----


def test_6793_4_2_2_a_small_as_needs_no_as4_path(pod):
    said = announced(pod.tor("ebgp").meet().establish(four_octets=False))
    assert said.value(AS_PATH) == segment(SEQUENCE, LOCAL_AS, width=2)
    assert AS4_PATH not in said.attributes


def test_6793_4_2_2_a_wide_as_becomes_as_trans_beside_as4_path(pod):
    tor = pod.tor("known-wide")
    peer, opening = tor.answer()
    assert opening.body[1:3] == AS_TRANS.to_bytes(2)
    assert bgp.four_octet_as(WIDE_LOCAL_AS) in opening.body
    said = announced(peer.establish(four_octets=False))
    assert said.attributes[AS_PATH] == (WELL_KNOWN, segment(SEQUENCE, *[AS_TRANS] * 3, width=2))
    assert said.attributes[AS4_PATH] == (TRANSITIVE, segment(SEQUENCE, *[WIDE_LOCAL_AS] * 3))


def test_6793_4_1_no_as4_path_to_a_peer_that_knows_them(pod):
    said = announced(pod.tor("known-wide").meet().establish())
    assert said.value(AS_PATH) == segment(SEQUENCE, *[WIDE_LOCAL_AS] * 3)
    assert AS4_PATH not in said.attributes


# ---- everything there is to say ----


def test_4271_5_in_ascending_order(pod):
    said = announced(pod.tor("adorned").meet().establish(told=(IPV4,)))
    assert written(said) == [
        (ORIGIN, WELL_KNOWN, b"\0"),
        (AS_PATH, WELL_KNOWN, segment(SEQUENCE, *[LOCAL_AS] * 3)),
        (NEXT_HOP, WELL_KNOWN, bytes((10, 9, 8, 7))),
        (MED, NON_TRANSITIVE, (77).to_bytes(4)),
        (COMMUNITIES, TRANSITIVE, bytes.fromhex("fc00 0001 ffff ff01")),
        (LARGE_COMMUNITY, TRANSITIVE, bytes.fromhex("0000fc00 00000001 00000002")),
    ]


# ---- changes ----


def test_4271_9_a_reload_says_the_difference_and_nothing_else(own_pod):
    pod = own_pod()
    pod.neighbor("ebgp")
    pod.start()
    peer = pod.tor("ebgp").meet()
    peer.establish()
    pod.serve("192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2")
    pod.reload()
    changes = [peer.said() for _ in range(3)]
    assert [(each.withdrawn, each.announced) for each in changes if each.withdrawn] == [
        (["192.0.2.1/32"], [])
    ]
    assert changes[0].withdrawn
    assert {(each.family, *each.announced) for each in changes if each.announced} == {
        (IPV4, "192.0.2.3/32"),
        (IPV6, "2001:db8::2/128"),
    }
    pod.serve("192.0.2.2")
    pod.reload()
    gone = [peer.said() for _ in range(2)]
    assert {(each.family, *each.withdrawn) for each in gone} == {
        (IPV4, "192.0.2.3/32"),
        (IPV6, "2001:db8::1/128", "2001:db8::2/128"),
    }
    (six,) = [each for each in gone if each.family == IPV6]
    assert six.attributes.keys() == {MP_UNREACH}
    pod.signal(signal.SIGTERM)


def test_4271_4_1_a_thousand_prefixes_take_two_updates(own_pod):
    pod = own_pod(vips=[f"10.1.{each >> 8}.{each & 255}" for each in range(1000)])
    pod.neighbor("ebgp")
    pod.start()
    said = pod.tor("ebgp").meet().establish()
    announcing = [each for each in said if each.announced]
    assert len(announcing) == 2
    assert len({prefix for each in announcing for prefix in each.announced}) == 1000


@pytest.mark.parametrize(("extended", "messages"), [(False, 25), (True, 2)], ids=["not-offered", "offered"])
def test_8654_4_as_long_as_was_agreed_on(own_pod, extended, messages):
    pod = own_pod(vips=[f"10.{each >> 16}.{each >> 8 & 255}.{each & 255}" for each in range(20_000)])
    pod.neighbor("ebgp")
    pod.start()
    peer = pod.tor("ebgp").meet()
    peer.longest = 65535 if extended else 4096
    said = peer.establish(more=(bgp.EXTENDED_MESSAGE,) if extended else ())
    announcing = [each for each in said if each.announced]
    assert len(announcing) == messages
    assert len({prefix for each in announcing for prefix in each.announced}) == 20_000
