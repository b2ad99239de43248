import pytest

from vipd.bgp.iana import Family, describe_error


@pytest.mark.parametrize(
    ("code", "subcode", "words"),
    [
        (6, 2, "Cease / Administrative Shutdown"),
        (2, 2, "OPEN Message Error / Bad Peer AS"),
        (2, 0, "OPEN Message Error / Unspecific"),
        (3, 11, "UPDATE Message Error / Malformed AS_PATH"),
        (4, 0, "Hold Timer Expired"),
        (5, 1, "Finite State Machine Error / Receive Unexpected Message in OpenSent State"),
        (7, 1, "ROUTE-REFRESH Message Error / Invalid Message Length"),
        (6, 0, "Cease"),
        (6, 99, "Cease / subcode 99"),
        (4, 7, "Hold Timer Expired / subcode 7"),
        (0, 0, "Error 0"),
        (99, 1, "Error 99 / subcode 1"),
    ],
)
def test_an_error_in_the_words_of_its_registry(code, subcode, words):
    assert describe_error(code, subcode) == words


@pytest.mark.parametrize(
    ("family", "afi", "octets", "name"), [(Family.IPV4, 1, 4, "ipv4"), (Family.IPV6, 2, 16, "ipv6")]
)
def test_a_family_is_its_two_numbers(family, afi, octets, name):
    assert (family.afi, family.safi, family.octets, str(family)) == (afi, 1, octets, name)
    assert Family.of(afi, 1) is family
    assert Family.of(afi, 2) is None
