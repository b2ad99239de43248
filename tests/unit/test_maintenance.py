import pytest

from vipd.maintenance import wished

SERVICES = ("apex", "dns")


def test_one_service_or_all_on_and_off():
    one = wished({}, SERVICES, {"on": True, "service": "apex", "reason": "ada: disk"})
    assert one == {"apex": "ada: disk"}
    everything = wished(one, SERVICES, {"on": True, "reason": "rack"})
    assert everything == {"apex": "rack", "dns": "rack"}
    assert wished(everything, SERVICES, {"on": False, "service": "dns"}) == {"apex": "rack"}
    assert wished(everything, SERVICES, {"on": False}) == {}


def test_what_is_not_configured_any_more_is_forgotten():
    assert wished({"gone": "x"}, SERVICES, {"on": True, "service": "dns", "reason": "y"}) == {"dns": "y"}


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ([], "must be an object"),
        ({}, "on: must be true or false"),
        ({"on": "yes"}, "on: must be true or false"),
        ({"on": True, "service": "x", "reason": "y"}, "there is no service x; there are apex, dns"),
        ({"on": True, "service": []}, "there is no service"),
        ({"on": True}, "reason: must be a line"),
        ({"on": True, "reason": "a\nb"}, "reason: must be a line"),
        ({"on": True, "reason": 1}, "reason: must be a line"),
        ({"on": True, "reason": "a" * 1025}, "reason: must be a line"),
    ],
)
def test_what_is_refused(wish, reason):
    with pytest.raises(ValueError, match=reason):
        wished({}, SERVICES, wish)
