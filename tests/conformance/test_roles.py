"""RFC 9234: who is what to whom, and what is told to customers only."""

import pytest

from conformance import octets as bgp
from conformance.octets import CUSTOMER, IPV6, OTC, PROVIDER, RS, RS_CLIENT, TRANSITIVE
from conformance.pod import LOCAL_AS, PEER_AS
from conformance.test_update import DISCARD, EBGP, GOOD, NLRI6, WITHDRAW, attribute, mp_unreach, told

NUMBERS = {"provider": PROVIDER, "rs": RS, "rs-client": RS_CLIENT, "customer": CUSTOMER, "peer": bgp.PEER}
COUNTERPARTS = {
    "provider": CUSTOMER,
    "customer": PROVIDER,
    "rs": RS_CLIENT,
    "rs-client": RS,
    "peer": bgp.PEER,
}
SAID = [*range(5), 5, 128, 255]


@pytest.mark.parametrize("role", NUMBERS)
def test_9234_4_1_our_role_is_in_the_open(pod, role):
    _, opening = pod.tor(role).answer()
    assert opening.body.count(bgp.role(NUMBERS[role])) == 1


def test_9234_4_1_none_where_none_is_configured(pod):
    _, opening = pod.tor("ebgp").answer()
    assert bytes((9, 1)) not in opening.body


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("role", NUMBERS)
def test_9234_4_2_pairs(pod, role, said):
    peer = pod.tor(role).meet()
    if said == COUNTERPARTS[role]:
        peer.establish(more=(bgp.role(said),))
    else:
        peer.open(more=(bgp.role(said),))
        assert peer.refused() == (2, 11, b"")


def test_9234_4_2_twice_the_same_is_once(pod):
    pod.tor("customer").meet().establish(more=(bgp.role(PROVIDER),) * 2)


def test_9234_4_2_several_are_refused(pod):
    peer = pod.tor("customer").meet()
    peer.open(more=(bgp.role(PROVIDER), bgp.role(bgp.PEER)))
    assert peer.refused() == (2, 11, b"")


def test_9234_4_2_none_is_taken(pod):
    pod.tor("customer").meet().establish()


def test_9234_4_2_none_is_refused_where_we_insist(pod):
    peer = pod.tor("strict").meet()
    peer.open()
    assert peer.refused() == (2, 11, b"")
    pod.tor("strict").meet().establish(more=(bgp.role(PROVIDER),))


@pytest.mark.parametrize("said", SAID)
def test_9234_4_2_who_has_no_role_does_not_mind(pod, said):
    pod.tor("ebgp").meet().establish(more=(bgp.role(said),))


@pytest.mark.parametrize("value", [b"", b"\3\3"], ids=["of-0", "of-2"])
def test_5492_4_a_role_of_a_wrong_length(pod, value):
    peer = pod.tor("ebgp").meet()
    peer.open(more=(bgp.capability(9, value),))
    assert peer.refused() == (2, 0, b"")


@pytest.mark.parametrize("role", NUMBERS)
@pytest.mark.parametrize("family", [bgp.IPV4, IPV6], ids=["ipv4", "ipv6"])
def test_9234_5_what_we_announce(pod, role, family):
    said = pod.tor(role).meet().establish(more=(bgp.role(COUNTERPARTS[role]),))
    (announced,) = [each for each in said if each.announced and each.family == family]
    if role in ("provider", "peer", "rs"):
        assert announced.attributes[OTC] == (TRANSITIVE, LOCAL_AS.to_bytes(4))
    else:
        assert OTC not in announced.attributes


LEAKED = "ineligible"
HEARD = [  # our role, what comes with an OTC of the peer's AS, and with another's
    ("provider", LEAKED, LEAKED),
    ("rs", LEAKED, LEAKED),
    ("peer", None, LEAKED),
    ("customer", None, None),
    ("rs-client", None, None),
    ("ebgp", None, None),
]


def play(pod, kind, octets, outcome):
    tor = pod.tor(kind)
    peer = tor.meet()
    peer.establish(more=(bgp.role(COUNTERPARTS[kind]),) if kind in COUNTERPARTS else ())
    before = pod.status(tor)["received_updates"]
    peer.say(octets)
    peer.stands()
    after = pod.status(tor)["received_updates"]
    changed = {key: after[key] - before[key] for key in after}
    counted = {} if outcome is None else {outcome.replace("-", "_"): 1}
    assert {key: count for key, count in changed.items() if count and key != "prefixes"} == counted
    assert changed["prefixes"] == (outcome in (None, DISCARD))


@pytest.mark.parametrize(("role", "own", "other"), HEARD, ids=[row[0] for row in HEARD])
@pytest.mark.parametrize("whose", ["own", "other"])
def test_9234_5_what_comes_with_otc(pod, role, own, other, whose):
    asn, outcome = (PEER_AS, own) if whose == "own" else (65099, other)
    play(pod, role, told(EBGP, {OTC: (TRANSITIVE, asn.to_bytes(4))}), outcome)


@pytest.mark.parametrize("role", ["provider", "ebgp"])
@pytest.mark.parametrize("value", [b"", bytes(3), bytes(5), bytes(8)], ids=["of-0", "of-3", "of-5", "of-8"])
def test_9234_5_a_malformed_one(pod, role, value):
    play(pod, role, told(EBGP, {OTC: (TRANSITIVE, value)}), WITHDRAW)


def test_7606_3_c_otc_with_flags_in_conflict(pod):
    play(pod, "ebgp", told(EBGP, {OTC: (bgp.NON_TRANSITIVE, bytes(4))}), WITHDRAW)


def test_9234_5_a_withdrawal_is_not_leaked(pod):
    tor = pod.tor("provider")
    peer = tor.meet()
    peer.establish(more=(bgp.role(CUSTOMER),))
    before = pod.status(tor)["received_updates"]
    gone = attribute(GOOD[bgp.MP_UNREACH][0], bgp.MP_UNREACH, mp_unreach(IPV6, NLRI6))
    peer.say(bgp.update(gone + attribute(TRANSITIVE, OTC, bytes(4))))
    peer.stands()
    assert pod.status(tor)["received_updates"] == before
