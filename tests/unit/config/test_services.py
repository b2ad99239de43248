from dataclasses import replace

import pytest

from vipd.bgp.route import Route
from vipd.health import Hook

HEAD = """
[speaker]
local-as = 64147
[neighbor-defaults]
peer-as = 64001
[[neighbor]]
name = "tor-a"
address = "10.0.0.1"
[[neighbor]]
name = "tor-b"
address = "10.0.0.2"
[[service]]
name = "apex"
"""
CHECK = '[[service.check]]\ntcp = "127.0.0.1:80"\n'


def service(read, text, head=HEAD, **others):
    (found,) = read(head + text, **others).services
    return found


def warnings(read, text, head=HEAD):
    return [warning for warning in read(head + text).warnings if "check" not in warning]


def test_vips_of_a_list_and_of_tables_come_in_this_order(read):
    found = service(
        read,
        """
        vips = ["192.0.2.9/32", "2001:DB8::1"]
        [[service.vip]]
        address = "192.0.2.1"
        """,
    )
    assert found.service.vips == ("192.0.2.9", "2001:db8::1", "192.0.2.1") == tuple(found.routes)
    assert found.service.name == "apex"
    assert set(found.routes.values()) == {Route()}
    assert (found.hook, found.checks, found.require_address) == (None, {}, False)


def test_a_vip_says_more_than_its_service(read):
    found = service(
        read,
        """
        vips = ["192.0.2.1"]
        med = 10
        prepend = 1
        communities = ["1:2", "1:1"]
        large-communities = ["1:1:1"]
        neighbors = ["tor-b"]
        [[service.vip]]
        address = "192.0.2.2"
        med = 20
        prepend = 0
        communities = ["1:1", "1:0"]
        [[service.vip]]
        address = "192.0.2.3"
        large-communities = ["2:2:2"]
        """,
    )
    common = Route(
        med=10,
        prepend=1,
        communities=((1, 1), (1, 2)),
        large_communities=((1, 1, 1),),
        neighbors=frozenset({"tor-b"}),
    )
    assert found.routes == {
        "192.0.2.1": common,
        "192.0.2.2": replace(common, med=20, prepend=0, communities=((1, 0), (1, 1), (1, 2))),
        "192.0.2.3": replace(common, large_communities=((1, 1, 1), (2, 2, 2))),
    }


def test_equal_routes_are_one(read):
    found = service(
        read,
        'vips = ["192.0.2.1", "192.0.2.2"]\nmed = 1\n'
        '[[service.vip]]\naddress = "192.0.2.3"\nmed = 1\n'
        '[[service.vip]]\naddress = "192.0.2.4"\n',
    )
    assert len({id(route) for route in found.routes.values()}) == 1


@pytest.mark.parametrize(
    ("text", "key", "value", "reason"),
    [
        ("", "vips", None, "at least one VIP"),
        ("vips = []", "vips", None, "at least one VIP"),
        ('vips = "192.0.2.1"', "vips", '"192.0.2.1"', "list of addresses"),
        ('vips = ["192.0.2.0/24"]', "vips[0]", '"192.0.2.0/24"', "no wider prefix"),
        ('vips = ["192.0.2.1", "192.0.2.1"]', "vips[1]", '"192.0.2.1"', "taken by service[0].vips[0]"),
        ('vips = ["10.0.0.2"]', "vips[0]", '"10.0.0.2"', "taken by neighbour tor-b"),
        ('vip = ["192.0.2.1"]', "vip", '["192.0.2.1"]', "[[…]]"),
        ("[service.vip]", "vip", "{ … }", "[[…]]"),
        ("[[service.vip]]", "vip[0].address", None, "is missing"),
        ('[[service.vip]]\naddress = "192.0.2.1"\npin = "pod-1"', "vip[0].pin", None, "[coordination]"),
        ('vips = ["192.0.2.1"]\npin = "pod-1"', "pin", None, "[coordination]"),
        ('vips = ["192.0.2.1"]\nneighbors = []', "neighbors", None, "must name a neighbour"),
        ('vips = ["192.0.2.1"]\nneighbors = ["tor"]', "neighbors[0]", '"tor"', 'did you mean "tor-'),
        ('vips = ["192.0.2.1"]\nlocal-preference = 5', "local-preference", "5", "only to iBGP peers"),
        (
            '[[service.vip]]\naddress = "192.0.2.1"\nlocal-preference = 5',
            "vip[0].local-preference",
            "5",
            "iBGP",
        ),
        ('vips = ["192.0.2.1"]\nmed = -1', "med", "-1", "0 to 4294967295"),
        ('vips = ["192.0.2.1"]\nprepend = 255', "prepend", "255", "0 to 254"),
        ('vips = ["192.0.2.1"]\non-change = []', "on-change", "[0 values]", "list of arguments"),
    ],
)
def test_what_is_refused(wrong, text, key, value, reason):
    found = wrong(HEAD + text)
    assert list(found) == [f"service[0].{key}"]
    assert found[f"service[0].{key}"][0] == value
    assert reason in found[f"service[0].{key}"][1]


def test_a_service_needs_a_name_of_its_own(wrong):
    found = wrong(
        HEAD
        + """
        vips = ["192.0.2.1"]
        [[service]]
        name = "apex"
        vips = ["192.0.2.1"]
        [[service]]
        vips = ["2001:db8::1"]
        """
    )
    assert set(found) == {"service[1].vips[0]", "service[1].name", "service[2].name"}
    assert "taken by service[0].vips[0]" in found["service[1].vips[0]"][1]


def test_local_preference_needs_one_ibgp_neighbour_that_hears_it(read, wrong):
    text = 'vips = ["192.0.2.1"]\nlocal-preference = 5\n'
    inner = HEAD.replace('"10.0.0.2"', '"10.0.0.2"\npeer-as = 64147')
    assert service(read, text, inner).routes["192.0.2.1"].local_preference == 5
    assert service(read, text + 'neighbors = ["tor-b"]', inner).routes["192.0.2.1"].local_preference == 5
    assert set(wrong(inner + text + 'neighbors = ["tor-a"]')) == {"service[0].local-preference"}


def test_prepends_of_service_and_neighbour_fit_one_segment(read, wrong):
    head = HEAD.replace('"10.0.0.2"', '"10.0.0.2"\nprepend = 100')
    assert service(read, 'vips = ["192.0.2.1"]\nprepend = 154', head).routes["192.0.2.1"].prepend == 154
    found = wrong(head + 'vips = ["192.0.2.1"]\nprepend = 155')
    assert list(found) == ["service[0].prepend"]
    assert "tor-b must not exceed 254" in found["service[0].prepend"][1]


def test_attributes_fit_one_update(read, wrong):
    some = [f'"1:{n}"' for n in range(900)]
    more = [f'"1:1:{n}"' for n in range(30)]
    head = HEAD.replace('"10.0.0.2"', f'"10.0.0.2"\nlarge-communities = [{", ".join(more)}]')
    text = f'vips = ["192.0.2.1"]\ncommunities = [{", ".join(some)}]\n'
    assert len(service(read, text, head=HEAD).routes["192.0.2.1"].communities) == 900
    found = wrong(head + text)
    assert list(found) == ["service[0].communities"]
    assert "tor-b are too many for one UPDATE" in found["service[0].communities"][1]


def test_a_hook(read):
    vips = 'vips = ["192.0.2.1"]\n'
    assert service(read, vips + 'on-change = ["/bin/x"]').hook == Hook(service="apex", command=("/bin/x",))
    assert service(read, vips + 'on-change = "x"\non-change-timeout = 3').hook == Hook(
        service="apex", command=("/bin/sh", "-c", "x"), timeout=3.0
    )


@pytest.mark.parametrize(
    ("manage", "said", "wanted"),
    [("true", "", True), ("true", "false", False), ("false", "", False), ("false", "true", True)],
)
def test_whether_an_address_is_needed(read, manage, said, wanted):
    said = f"require-address = {said}\n" if said else ""
    text = f'vips = ["192.0.2.1"]\n{said}[loopback]\nmanage = {manage}'
    assert service(read, text).require_address is wanted


# --- warnings


def test_nothing_odd_is_no_warning(read):
    assert read(HEAD + 'vips = ["192.0.2.1"]\n' + CHECK).warnings == ()


def test_a_vip_without_a_check(read):
    text = (
        'vips = ["192.0.2.1"]\n[[service.vip]]\naddress = "192.0.2.2"\n[[service.vip.check]]\nfile = "/x"\n'
    )
    (warning,) = read(HEAD + text).warnings
    assert warning == "service[0]: apex: 192.0.2.1 is announced whatever happens, for want of a check"
    (warning,) = read(HEAD + 'vips = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]').warnings
    assert "192.0.2.1 and 2 more are announced whatever happens" in warning
    assert read(HEAD + text + CHECK).warnings == ()


def test_no_service_at_all(read, head):
    assert read(head).warnings == ("service: there is none, and so nothing will be announced",)


@pytest.mark.parametrize("vip", ["127.0.0.9", "169.254.0.1", "fe80::5", "::1"])
def test_a_vip_that_no_router_forwards(read, vip):
    head = HEAD.replace("10.0.0.", "2001:db8::") if ":" in vip else HEAD
    (warning,) = warnings(read, f'vips = ["{vip}"]', head)
    assert f"{vip} is not forwarded by any router" in warning


@pytest.mark.parametrize(
    ("vip", "address", "line", "told"),
    [
        ("192.0.2.1", "10.0.0.1", "", True),
        ("2001:db8::1", "2001:db8::9", "", True),
        ("2001:db8::1", "10.0.0.1", "", False),
        ("192.0.2.1", "2001:db8::9", "", True),  # if the neighbour agrees (RFC 8950)
        ("192.0.2.1", "2001:db8::9", 'families = ["ipv6"]', False),
        ("2001:db8::1", "10.0.0.1", 'next-hop = "2001:db8::5"', True),
        ("192.0.2.1", "2001:db8::9", 'next-hop = {ipv4 = "10.0.0.5"}', True),
        ("2001:db8::1", "10.0.0.1", 'families = ["ipv4"]', False),
        ("2001:db8::1", "2001:db8::9", 'families = ["ipv4"]', False),
    ],
)
def test_a_vip_that_nobody_can_be_told(read, vip, address, line, told):
    head = f"""
    [speaker]
    local-as = 64147
    [[neighbor]]
    address = "{address}"
    peer-as = 64001
    {line}
    [[service]]
    name = "apex"
    """
    found = warnings(read, f'vips = ["{vip}"]', head)
    assert bool(found) is not told
    assert all(f"{vip} is told to nobody" in warning for warning in found)


def test_only_the_neighbours_that_hear_of_it_count(read):
    head = HEAD.replace('"10.0.0.2"', '"10.0.0.2"\nnext-hop = "2001:db8::5"')
    assert not warnings(read, 'vips = ["2001:db8::1"]', head)
    (warning,) = warnings(read, 'vips = ["2001:db8::1"]\nneighbors = ["tor-a"]', head)
    assert "told to nobody" in warning
