"""Whole configurations: what each option of ExaBGP comes to in vipd.toml, and what is said of the others."""

import tomllib
from pathlib import Path

import pytest

from vipd.config import Machine, load
from vipd.convert import ConvertError, convert

FIXTURES = Path(__file__).parents[2] / "fixtures" / "exabgp"
MACHINE = Machine(read_file=lambda path: (b"secret", False))  # the MD5 passwords are there, as they should be

TOR_A, TOR_B = "10.0.0.1", "10.0.0.2"
SESSION = "local-address 10.0.0.9; local-as 65001; peer-as 65000; hold-time 9; outgoing-ttl 1;"


def neighbor(*statements, address=TOR_A, session=SESSION):
    return f"neighbor {address} {{\n{session}\n{chr(10).join(statements)}\n}}\n"


def process(name, options):
    return f"process {name} {{\nrun exabgp healthcheck {options};\nencoder text;\n}}\n"


@pytest.fixture
def converted(tmp_path):
    """Converts a text; the result as text, and as the tables that vipd accepts."""

    def one(*texts, loads=True):
        paths = []
        for number, text in enumerate(texts):
            paths.append(tmp_path / f"exabgp{number}.conf")
            paths[-1].write_text(text)
        toml = convert([str(path) for path in paths])
        if loads:
            path = tmp_path / "vipd.toml"
            path.write_text(toml)
            load(str(path), {"VIPD_LOCAL_AS": "65001"}, machine=MACHINE)
        return toml, tomllib.loads(toml)

    return one


def unbroken(toml):
    """The text with every comment on one line."""
    return toml.replace("\n#   ", " ").replace("\n  #   ", " ")


def lost(toml):
    """What is said to be lost, without the reasons."""
    return [
        line.strip().removeprefix("# not carried over: ").partition(", because ")[0]
        for line in unbroken(toml).splitlines()
        if "# not carried over: " in line
    ]


# --- a neighbour ---


@pytest.mark.parametrize(
    ("statement", "keys"),
    [
        ("description tor-a;", {"description": "tor-a"}),
        ('description "the ToR \\"a\\"";', {"description": 'the ToR "a"'}),
        ("hold-time 30;", {"hold-time": 30}),
        ("hold-time 0;", {"hold-time": 0}),
        ("connect 1790;", {"port": 1790}),
        ("connect 179;", {}),
        ("outgoing-ttl 3;", {"ebgp-multihop": 3}),
        ("outgoing-ttl disable;", {"ebgp-multihop": 64}),
        ("outgoing-ttl 0;", {"ebgp-multihop": 64}),
        ("incoming-ttl 255; outgoing-ttl 255;", {"ttl-security": True}),
        ("incoming-ttl 254; outgoing-ttl disable;", {"ttl-security": 2}),
        ("ttl-security 255; outgoing-ttl disable;", {"ttl-security": True}),
        ("ttl-security; outgoing-ttl disable;", {"ttl-security": True}),
        ("incoming-ttl disable;", {}),
        ("incoming-ttl 0;", {}),
        ("family { ipv4 unicast; }", {"families": ["ipv4"]}),
        ("family { ipv6 unicast; }", {"families": ["ipv6"]}),
        ("family { ipv4 unicast; ipv6 unicast; }", {}),
        ("family { all; }", {}),
        ("group-updates false;", {}),
        ("auto-flush; adj-rib-in false; adj-rib-out true;", {}),
        ("capability { asn4 enable; route-refresh; extended-message disable; }", {}),
        ("capability { graceful-restart disable; add-path disable; multi-session false; }", {}),
    ],
)
def test_a_neighbour_keeps(converted, statement, keys):
    toml, tables = converted(neighbor(statement))
    (found,) = tables["neighbor"]
    base = {"address": TOR_A, "peer-as": 65000, "local-address": "10.0.0.9", "hold-time": 9}
    assert found == base | keys
    assert not lost(toml)


@pytest.mark.parametrize(
    "statement",
    [
        "host-name pod;",
        "domain-name example.net;",
        "source-interface eth0;",
        "rate-limit 10;",
        "manual-eor true;",
        "colour red;",
        "colour { red; }",
        "flow { route x { match { source 10.0.0.0/8; } then { discard; } } }",
        "l2vpn { vpls x { endpoint 3; } }",
        "operational { asm afi ipv4 safi unicast advisory x; }",
        "add-path { ipv4 unicast; }",
        "nexthop { ipv4 unicast ipv6; }",
        "md5-ip 10.0.0.9;",
        "graceful-restart 5;",
    ],
)
def test_what_a_neighbour_loses_is_said_there(converted, statement):
    toml, _ = converted(neighbor(statement))
    what = statement.partition(" {")[0].rstrip(";")
    secret = "md5" in what
    block = " { ... }" if "{" in statement else ""
    assert lost(toml) == ["md5-ip ..." if secret else what + block]
    assert toml.index("[[neighbor]]") < toml.index("# not carried over") < toml.index("address = ")


@pytest.mark.parametrize(
    "setting",
    ["graceful-restart 120", "graceful-restart", "add-path send", "multi-session", "operational", "nexthop",
     "aigp enable", "software-version enable", "asn4 disable", "invention"],
)  # fmt: skip
def test_capabilities_that_vipd_has_not(converted, setting):
    toml, _ = converted(neighbor(f"capability {{ {setting}; }}"))
    assert lost(toml) == [setting]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("incoming-ttl 1;", "incoming-ttl 1"),
        ("incoming-ttl 255; outgoing-ttl 3;", "outgoing-ttl 3"),
        ("family { ipv4 unicast; ipv4 flow; }", "family ipv4 flow"),
    ],
)
def test_halves(converted, statement, what):
    toml, _ = converted(neighbor(statement))
    assert lost(toml) == [what]


def test_ttls_where_exabgp_sets_none(converted):
    toml, tables = converted(neighbor(session="local-as 65001; peer-as 65000;"))
    assert tables["neighbor"][0]["ebgp-multihop"] == 64
    assert "ebgp-multihop = 64  # as ExaBGP sends" in toml
    assert tables["neighbor"][0]["hold-time"] == 180
    assert "hold-time = 180  # ExaBGP's default" in toml
    _, tables = converted(neighbor(session="local-as 65001; peer-as 65001;"))
    assert "ebgp-multihop" not in tables["neighbor"][0]
    _, tables = converted(neighbor(session="local-as 65001; peer-as 65001; outgoing-ttl 5;"))
    assert tables["neighbor"][0]["ebgp-multihop"] == 5


def test_the_password_does_not_get_into_the_file(converted):
    for keyword in ("md5-password", "md5"):
        toml, tables = converted(neighbor(f'{keyword} "a very secret word";'))
        assert "secret word" not in toml
        assert tables["neighbor"][0]["md5-password-file"] == "/etc/vipd/md5-password"
        assert "# create /etc/vipd/md5-password with the password of line 3 of exabgp0.conf in it:" in toml


def test_a_password_in_base64_is_to_be_decoded(converted):
    toml, _ = converted(neighbor("md5-password c2VjcmV0; md5-base64 true;"))
    assert "line 3 of exabgp0.conf, decoded from base64, in it:" in unbroken(toml)


def test_neighbours_with_one_password_share_its_file(converted):
    same = neighbor("md5-password x;") + neighbor("md5-password x;", address=TOR_B)
    _, tables = converted(same)
    assert tables["neighbor-defaults"]["md5-password-file"] == "/etc/vipd/md5-password"
    _, tables = converted(neighbor("md5-password x;") + neighbor("md5-password y;", address=TOR_B))
    assert [each["md5-password-file"] for each in tables["neighbor"]] == [
        "/etc/vipd/md5-password-10.0.0.1",
        "/etc/vipd/md5-password-10.0.0.2",
    ]


def test_what_all_neighbours_agree_on_is_said_once(converted):
    toml, tables = converted(
        neighbor("capability { graceful-restart; }", "hold-time 30;", "rate-limit 5;")
        + neighbor("capability { graceful-restart; }", address=TOR_B)
    )
    assert tables["neighbor-defaults"] == {"peer-as": 65000, "local-address": "10.0.0.9"}
    assert tables["neighbor"] == [{"address": TOR_A, "hold-time": 30}, {"address": TOR_B, "hold-time": 9}]
    assert lost(toml) == ["graceful-restart", "rate-limit 5"]
    assert toml.index("graceful-restart") < toml.index("[[neighbor]]") < toml.index("rate-limit")


def test_as_numbers(converted):
    _, tables = converted(
        neighbor(session="local-as 65001; peer-as 65000;")
        + neighbor(session="local-as 1.1; peer-as 65001;", address=TOR_B)
        + neighbor(session="local-as 65001; peer-as 65001;", address="10.0.0.3")
    )
    assert tables["speaker"]["local-as"] == 65001
    assert [(each["peer-as"], each.get("local-as")) for each in tables["neighbor"]] == [
        (65000, None),
        (65001, 65537),
        (65001, None),
    ]


def test_as_numbers_left_to_the_peer(converted):
    toml, tables = converted(neighbor(session="local-as 65001; peer-as auto;"))
    assert tables["neighbor"][0]["peer-as"] == "external"
    assert lost(toml) == ["peer-as auto"]
    toml, tables = converted(neighbor(session="local-as auto; peer-as 65001;"))
    assert (tables["speaker"]["local-as"], tables["neighbor"][0]["peer-as"]) == (65001, 65001)
    assert lost(toml) == ["local-as auto"]
    toml, tables = converted(neighbor(session="local-as auto; peer-as auto;"))
    assert tables["speaker"]["local-as"] == "${VIPD_LOCAL_AS}"
    assert lost(toml) == ["local-as auto", "peer-as auto"]


def test_router_ids(converted):
    session = "local-as 65001; peer-as 65000;"
    _, tables = converted(neighbor(session=session))
    assert "router-id" not in tables["speaker"]
    _, tables = converted(neighbor(session=session + "local-address 10.0.0.9;"))
    assert tables["speaker"]["router-id"] == "10.0.0.9"
    toml, tables = converted(
        neighbor(session=session + "router-id 1.1.1.1;")
        + neighbor(session=session + "router-id 2.2.2.2;", address=TOR_B)
        + neighbor(session=session + "router-id 2.2.2.2;", address="10.0.0.3")
    )
    assert tables["speaker"]["router-id"] == "2.2.2.2"
    assert lost(toml) == ["router-id 1.1.1.1"]


@pytest.mark.parametrize(
    ("session", "listen"),
    [
        ("local-address 10.0.0.9; passive; listen 1790;", ["10.0.0.9:1790"]),
        ("local-address 10.0.0.9; listen 179;", ["10.0.0.9:179"]),
        ("local-address 10.0.0.9; passive;", ["10.0.0.9:179"]),
        ("local-address auto; passive;", ["0.0.0.0:179"]),
        ("passive false; listen 0;", None),
    ],
)
def test_listening(converted, session, listen):
    toml, tables = converted(neighbor(session=f"local-as 65001; peer-as 65000; {session}"))
    assert tables["speaker"].get("listen") == listen
    assert tables["neighbor"][0].get("passive") == ("passive;" in session or None)
    assert ("exabgp.env" in toml) == ("passive;" in session and "listen" not in session)


@pytest.mark.parametrize(
    ("local", "listen"), [("local-address 2001:db8::9;", "[2001:db8::9]:179"), ("", "[::]:179")]
)
def test_listening_for_ipv6(converted, local, listen):
    session = f"router-id 1.1.1.1; local-as 65001; peer-as 65000; passive; {local}"
    _, tables = converted(neighbor(session=session, address="2001:db8::1"))
    assert tables["speaker"]["listen"] == [listen]


def test_a_second_session_with_an_address_is_lost(converted):
    toml, tables = converted(neighbor() + neighbor())
    assert len(tables["neighbor"]) == 1
    assert lost(toml) == [f"neighbor {TOR_A} {{ ... }}"]


def test_neighbours_that_vipd_has_nothing_to_say_to(converted):
    toml, tables = converted(
        neighbor()
        + neighbor("family { ipv4 flow; }", address=TOR_B)
        + neighbor("passive;", address="10.0.1.0/24")
    )
    assert [each["address"] for each in tables["neighbor"]] == [TOR_A]
    assert lost(toml) == ["neighbor 10.0.1.0/24 { ... }", f"neighbor {TOR_B} {{ ... }}"]


# --- groups, templates, several files ---


def test_a_group_shares_and_a_neighbour_overrides(converted):
    _, tables = converted(
        "group tors {\n"
        f"{SESSION}\nstatic {{ route 192.0.2.1/32 next-hop self; }}\n"
        f"neighbor {TOR_A} {{ hold-time 30; static {{ route 192.0.2.2/32 next-hop self; }} }}\n"
        f"neighbor {TOR_B} {{ }}\n}}\n"
    )
    assert [each["hold-time"] for each in tables["neighbor"]] == [30, 9]
    assert tables["service"] == [
        {"name": "static", "vips": ["192.0.2.1"]},
        {"name": "static-2", "vips": ["192.0.2.2"], "neighbors": [TOR_A]},
    ]


def test_a_template_overrides_as_it_does_in_exabgp(converted):
    toml, tables = converted(
        "template { neighbor t { hold-time 180; static { route 192.0.2.1/32 next-hop self; } } }\n"
        + neighbor("inherit t;", "static { route 192.0.2.2/32 next-hop self; }")
    )
    assert tables["neighbor"][0]["hold-time"] == 180
    assert lost(toml) == ["hold-time 9"]
    assert tables["service"] == [{"name": "static", "vips": ["192.0.2.2", "192.0.2.1"]}]


def test_several_templates(converted):
    _, tables = converted(
        "template { neighbor a { description x; } neighbor b { local-as 65001; peer-as 65000; } }\n"
        f"neighbor {TOR_A} {{ inherit [ a b ]; }}"
    )
    assert tables["neighbor"][0]["description"] == "x"


def test_several_files_make_one(converted):
    _, tables = converted(neighbor(), neighbor(address=TOR_B))
    assert [each["address"] for each in tables["neighbor"]] == [TOR_A, TOR_B]


def test_sections_that_nobody_knows(converted):
    toml, _ = converted(neighbor() + "colour red;\npaint { wall; }\n")
    assert lost(toml) == ["colour red", "paint { ... }"]


# --- static routes ---


def test_routes_alike_are_a_list(converted):
    _, tables = converted(
        neighbor("static { route 192.0.2.1/32 next-hop self med 5; route 192.0.2.2/32 next-hop self med 5; }")
    )
    assert tables["service"] == [{"name": "static", "vips": ["192.0.2.1", "192.0.2.2"], "med": 5}]


def test_routes_unlike_have_tables(converted):
    _, tables = converted(
        neighbor(
            "static {",
            "route 192.0.2.1/32 next-hop self med 5 community [ no-export 64500:2 64500:10 ];",
            "route 192.0.2.2/32 next-hop self med 6 community [ no-export 64500:2 64500:10 ];",
            "}",
        )
    )
    assert tables["service"] == [
        {
            "name": "static",
            "communities": ["64500:2", "64500:10", "no-export"],
            "vip": [{"address": "192.0.2.1", "med": 5}, {"address": "192.0.2.2", "med": 6}],
        }
    ]


def test_lost_routes_are_said_where_the_service_is(converted):
    toml, _ = converted(
        neighbor("static { route 192.0.2.1/32 next-hop self; route 10.0.0.0/8 next-hop self; }")
    )
    assert lost(toml) == ["route 10.0.0.0/8 next-hop self"]
    assert toml.index("[[service]]") < toml.index("# not carried over")
    toml, tables = converted(neighbor("static { route 10.0.0.0/8 next-hop self; }"))
    assert lost(toml) == ["route 10.0.0.0/8 next-hop self"]
    assert "service" not in tables


def test_local_preference_is_for_ibgp(converted):
    route = "static { route 192.0.2.1/32 next-hop self local-preference 200; }"
    _, tables = converted(neighbor(route))
    assert tables["service"] == [{"name": "static", "vips": ["192.0.2.1"]}]
    _, tables = converted(neighbor(route, session="local-as 65001; peer-as 65001;"))
    assert tables["service"] == [{"name": "static", "vips": ["192.0.2.1"], "local-preference": 200}]


@pytest.mark.parametrize(
    ("session", "path", "prepend", "said"),
    [
        (SESSION, "65001", None, []),
        (SESSION, "65001 65001 65001", 2, []),
        (SESSION, "65001 64999", 1, ["as-path [ 65001 64999 ] to 10.0.0.1"]),
        (SESSION, "64999", None, ["as-path [ 64999 ] to 10.0.0.1"]),
        (SESSION, "", None, ["as-path [  ] to 10.0.0.1"]),
        ("local-as 65001; peer-as 65001;", "", None, []),
        ("local-as 65001; peer-as 65001;", "65001", None, ["as-path [ 65001 ] to 10.0.0.1"]),
        ("local-as 65001; peer-as 65001;", "64999 64998", None, ["as-path [ 64999 64998 ] to 10.0.0.1"]),
    ],
)
def test_as_paths(converted, session, path, prepend, said):
    toml, tables = converted(
        neighbor(f"static {{ route 192.0.2.1/32 next-hop self as-path [ {path} ]; }}", session=session)
    )
    assert tables["service"][0].get("prepend") == prepend
    assert lost(toml) == said


# --- next hops ---


@pytest.mark.parametrize(
    ("routes", "next_hop"),
    [
        ("route 192.0.2.1/32 next-hop self;", None),
        ("route 192.0.2.1/32 next-hop 10.0.0.9;", None),  # ourselves, by our address
        ("route 192.0.2.1/32 next-hop 10.9.9.9;", "10.9.9.9"),
        (
            "route 192.0.2.1/32 next-hop 10.9.9.9; route 2001:db8::1/128 next-hop 2001:db8::9;",
            {"ipv4": "10.9.9.9", "ipv6": "2001:db8::9"},
        ),
        ("route 192.0.2.1/32 next-hop self; route 2001:db8::1/128 next-hop 2001:db8::9;", "2001:db8::9"),
    ],
)
def test_next_hops_are_the_neighbours(converted, routes, next_hop):
    toml, tables = converted(neighbor(f"static {{ {routes} }}"))
    assert tables["neighbor"][0].get("next-hop") == next_hop
    assert not lost(toml)


def test_a_route_by_another_next_hop_is_left_out(converted):
    toml, tables = converted(
        neighbor(
            "static { route 192.0.2.1/32 next-hop 10.9.9.9; route 192.0.2.2/32 next-hop self;",
            "route 192.0.2.3/32 next-hop 10.9.9.9; }",
        )
        + neighbor("static { route 192.0.2.2/32 next-hop self; }", address=TOR_B)
    )
    assert lost(toml) == [f"192.0.2.2 to {TOR_A} with next-hop self"]
    assert tables["service"] == [
        {"name": "static", "vips": ["192.0.2.1", "192.0.2.3"], "neighbors": [TOR_A]},
        {"name": "static-2", "vips": ["192.0.2.2"], "neighbors": [TOR_B]},
    ]


def test_a_next_hop_of_the_other_family_is_left_out(converted):
    toml, tables = converted(neighbor("static { route 192.0.2.1/32 next-hop 2001:db8::9; }"))
    assert lost(toml) == [f"192.0.2.1 to {TOR_A} with next-hop 2001:db8::9"]
    assert "service" not in tables


def test_ipv4_over_ipv6_has_exabgps_next_hop(converted):
    session = "router-id 10.0.0.9; local-address 2001:db8::9; local-as 65001; peer-as 65000;"
    _, tables = converted(
        neighbor("static { route 192.0.2.1/32 next-hop self; }", session=session, address="2001:db8::1")
    )
    assert tables["neighbor"][0]["next-hop"] == "10.0.0.9"


def test_where_there_is_no_next_hop_the_service_is_there_all_the_same(converted):
    _, tables = converted(neighbor("static { route 2001:db8::1/128 next-hop self med 5; }"))
    assert tables["service"] == [{"name": "static", "vips": ["2001:db8::1"], "med": 5}]


# --- what differs between neighbours ---


def test_a_med_for_each_neighbour(converted):
    toml, tables = converted(
        neighbor("static { route 192.0.2.1/32 next-hop self med 10 as-path [ 65001 65001 ]; }")
        + neighbor("static { route 192.0.2.1/32 next-hop self med 20 community 64500:1; }", address=TOR_B)
    )
    assert tables["service"] == [{"name": "static", "vips": ["192.0.2.1"]}]
    levers = [
        {key: each.get(key) for key in ("med", "prepend", "communities")} for each in tables["neighbor"]
    ]
    assert levers == [
        {"med": 10, "prepend": 1, "communities": None},
        {"med": 20, "prepend": None, "communities": ["64500:1"]},
    ]
    assert not lost(toml)


def test_what_differs_in_more_ways_than_vipd_has(converted):
    toml, tables = converted(
        neighbor(
            "static { route 192.0.2.1/32 next-hop self med 10; route 192.0.2.2/32 next-hop self med 20; }"
        )
        + neighbor(
            "static { route 192.0.2.1/32 next-hop self med 20; route 192.0.2.2/32 next-hop self med 10; }",
            address=TOR_B,
        )
    )
    assert [vip["med"] for vip in tables["service"][0]["vip"]] == [10, 20]
    assert lost(toml) == [f"med of 192.0.2.1 as {TOR_B} hears it", f"med of 192.0.2.2 as {TOR_B} hears it"]


# --- health checks ---

API = "api { processes [ web ]; neighbor-changes; receive { parsed; } }"
IPS = "--ip 192.0.2.1/32 --ip 192.0.2.2/32 --withdraw-on-down --no-ip-setup"


def test_a_health_check_is_a_service(converted):
    toml, tables = converted(neighbor(API) + process("web", f'--cmd "check me" --rise 2 {IPS}'))
    assert tables["service"] == [
        {
            "name": "web",
            "vip": [{"address": "192.0.2.1", "med": 100}, {"address": "192.0.2.2", "med": 101}],
            "check": [
                {
                    "exec": "check me",
                    "interval": 5.0,
                    "fast-interval": 1.0,
                    "timeout": 5.0,
                    "rise": 2,
                    "fall": 3,
                }
            ],
        }
    ]
    assert "loopback" not in tables
    assert not lost(toml)


def test_its_name_is_the_services(converted):
    _, tables = converted(neighbor(API) + process("web", f'--name "web shop" {IPS}'))
    assert tables["service"][0]["name"] == "web-shop"


def test_without_a_command_there_is_no_check(converted):
    _, tables = converted(neighbor(API) + process("web", f"--increase 0 {IPS}"))
    assert tables["service"] == [{"name": "web", "vips": ["192.0.2.1", "192.0.2.2"], "med": 100}]


def test_the_operators_file(converted):
    _, tables = converted(neighbor(API) + process("web", f"--disable /etc/off --interval 2 {IPS}"))
    assert tables["service"][0]["check"] == [{"file": "/etc/off", "interval": 2.0}]
    toml, _ = converted(neighbor(API) + process("web", f"--disable off {IPS}"), loads=False)
    assert "# off begins where ExaBGP was started: vipd needs the whole path" in toml


def test_fast_is_not_slower_than_usual(converted):
    toml, tables = converted(neighbor(API) + process("web", f"--cmd x -i 1 -f 3 {IPS}"))
    assert tables["service"][0]["check"][0]["fast-interval"] == 1.0
    assert lost(toml) == ["fast-interval 3"]
    _, tables = converted(neighbor(API) + process("web", f"--cmd x -i 0.001 -f 0 {IPS}"))
    check = tables["service"][0]["check"][0]
    assert (check["interval"], check["fast-interval"]) == (0.01, 0.01)


@pytest.mark.parametrize(
    ("command", "url"),
    [
        ("curl -sf http://127.0.0.1/health", "http://127.0.0.1/health"),
        ("/usr/bin/curl --fail --silent 'http://127.0.0.1:8080/?a=b'", "http://127.0.0.1:8080/?a=b"),
        ("curl -s -f http://127.0.0.1/", "http://127.0.0.1/"),
        ("curl -s http://127.0.0.1/", None),  # succeeds whatever the server says
        ("curl -kf https://127.0.0.1/", None),
        ("curl -sf http://127.0.0.1/ | grep ok", None),
        ("curl --fail-early http://127.0.0.1/", None),
        ("true", None),
    ],
)
def test_a_plain_curl_could_be_an_http_check(converted, command, url):
    toml, tables = converted(neighbor(API) + process("web", f'--cmd "{command}" {IPS}'))
    assert tables["service"][0]["check"][0]["exec"] == command
    assert (f'instead of exec, and without a process each time: http = "{url}"' in toml) == (url is not None)


def test_commands_mean_what_they_meant(converted, tmp_path):
    converted(neighbor(API) + process("web", f'--cmd "test ${{A:-b}} = $B" {IPS}'))
    config = load(str(tmp_path / "vipd.toml"), {}, machine=MACHINE)
    (check,) = config.services[0].checks.values()
    assert check.probe.command == ("/bin/sh", "-c", "test ${A:-b} = $B")


@pytest.mark.parametrize(
    ("options", "up", "down"),
    [
        ('--execute "echo $STATE"', "UP\n", "DOWN\n"),
        ("--up-execute 'echo on'", "on\n", ""),
        ("--down-execute 'echo off'", "", "off\n"),
        ("--execute 'echo $STATE' --up-execute 'echo on; exit 1'", "on\nUP\n", "DOWN\n"),
    ],
)
def test_programs_run_on_a_change(converted, options, up, down):
    import subprocess  # noqa: PLC0415

    _, tables = converted(neighbor(API) + process("web", f"{options} {IPS}"))
    script = tables["service"][0]["on-change"].replace("$${", "${")
    for state, said in (("up", up), ("down", down)):
        done = subprocess.run(
            ["/bin/sh", "-c", script], env={"VIPD_STATE": state}, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == (said, "")


def test_addresses_on_lo(converted):
    ips = "--ip 192.0.2.1/32 --withdraw-on-down"
    toml, tables = converted(neighbor(API) + process("web", f"{ips} --label web"))
    assert tables["loopback"] == {"manage": True, "label": "web"}
    assert "require-address" not in tables["service"][0]
    assert not lost(toml)
    toml, tables = converted(
        neighbor("api { processes [ web shop cafe ]; }", "static { route 192.0.2.9/32 next-hop self; }")
        + process("web", f"{ips} --label web")
        + process("shop", "--ip 192.0.2.2/32 --no-ip-setup --label nobody-asks")
        + process("cafe", "--ip 192.0.2.3/32 --label cafe")
    )
    assert tables["loopback"] == {"manage": True, "label": "web"}
    assert lost(toml) == ["label cafe"]
    assert [service.get("require-address") for service in tables["service"]] == [None, False, None, False]
    _, tables = converted(neighbor(API) + process("web", f"{ips} --label longer-than-interfaces-have"))
    assert tables["loopback"] == {"manage": True}


def test_addresses_that_exabgp_looks_for_are_to_be_filled_in(converted):
    toml, tables = converted(neighbor(API) + process("web", "--cmd x --withdraw-on-down"), loads=False)
    assert tables["service"][0]["vips"] == []
    assert lost(toml) == ["the addresses on lo"]
    toml, _ = converted(neighbor(API) + process("web", "--label l --withdraw-on-down"), loads=False)
    assert lost(toml) == ["the addresses labelled lo:l..."]


def test_who_hears_of_it(converted):
    both = neighbor(API) + neighbor(API, address=TOR_B)
    _, tables = converted(both + process("web", IPS))
    assert "neighbors" not in tables["service"][0]
    _, tables = converted(both + process("web", f"--neighbor {TOR_B} {IPS}"))
    assert tables["service"][0]["neighbors"] == [TOR_B]
    _, tables = converted(neighbor(API) + neighbor(address=TOR_B) + process("web", IPS))
    assert tables["service"][0]["neighbors"] == [TOR_A]
    _, tables = converted(
        neighbor("api { processes-match [ w.b ]; }") + neighbor(address=TOR_B) + process("web", IPS)
    )
    assert tables["service"][0]["neighbors"] == [TOR_A]
    toml, tables = converted(both + process("web", f"--neighbor 10.0.0.7 {IPS}"))
    assert "service" not in tables or not tables["service"]
    assert lost(toml) == ["service web"]


def test_a_neighbour_that_cannot_hear_of_a_family_does_not_split_the_service(converted):
    _, tables = converted(
        neighbor(API, "family { ipv4 unicast; }")
        + neighbor(
            API,
            "family { ipv6 unicast; }",
            session="router-id 10.0.0.9; local-as 65001; peer-as 65000;",
            address="2001:db8:1::1",
        )
        + process("web", "--increase 0 --ip 192.0.2.1 --ip 2001:db8::1 --no-ip-setup")
    )
    assert tables["service"] == [{"name": "web", "vips": ["192.0.2.1", "2001:db8::1"], "med": 100}]


def test_a_process_of_a_group_is_one_service(converted):
    _, tables = converted(
        f"group g {{ {SESSION} process web {{ run exabgp healthcheck {IPS}; }} "
        f"neighbor {TOR_A} {{ }} neighbor {TOR_B} {{ }} }}"
    )
    assert [service["name"] for service in tables["service"]] == ["web"]
    assert "neighbors" not in tables["service"][0]


def test_one_check_with_a_med_for_each_neighbour_is_one_service(converted):
    api = "api { processes [ a b ]; }"
    toml, tables = converted(
        neighbor(api)
        + neighbor(api, address=TOR_B)
        + process("a", f"--cmd x --neighbor {TOR_A} --up-metric 10 {IPS}")
        + process("b", f"--cmd x --neighbor {TOR_B} --up-metric 20 --increase 1 {IPS}")
    )
    assert [service["name"] for service in tables["service"]] == ["a"]
    assert lost(toml) == [f"med of {vip} as {TOR_B} hears it" for vip in ("192.0.2.1", "192.0.2.2")]
    toml, tables = converted(
        neighbor(api)
        + neighbor(api, address=TOR_B)
        + process("a", f"--cmd x --neighbor {TOR_A} --up-metric 10 --increase 0 {IPS}")
        + process("b", f"--cmd x --neighbor {TOR_B} --up-metric 20 --increase 0 {IPS}")
    )
    assert [each["med"] for each in tables["neighbor"]] == [10, 20]
    assert not lost(toml)


def test_one_check_told_twice_is_one_service(converted):
    toml, tables = converted(
        neighbor("api { processes [ a b ]; }")
        + process("a", f"--cmd x {IPS}")
        + process("b", f"--cmd x {IPS} --ip 192.0.2.3 --increase 2")
    )
    assert [[vip["address"] for vip in service["vip"]] for service in tables["service"]] == [
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    ]
    assert lost(toml) == [f"192.0.2.2 of b to {TOR_A}"]


def test_a_vip_is_in_one_service(converted):
    toml, tables = converted(
        neighbor("api { processes [ a b ]; }", "static { route 192.0.2.1/32 next-hop self; }")
        + process("a", "--cmd x --ip 192.0.2.1 --no-ip-setup --withdraw-on-down")
        + process("b", "--cmd y --ip 192.0.2.1 --ip 192.0.2.2 --no-ip-setup --withdraw-on-down")
    )
    assert [(service["name"], service["vips"]) for service in tables["service"]] == [
        ("a", ["192.0.2.1"]),
        ("b", ["192.0.2.2"]),
    ]
    assert lost(toml) == [f"192.0.2.1 of b to {TOR_A}", f"192.0.2.1 of static to {TOR_A}"]


def test_services_have_names_of_their_own(converted):
    _, tables = converted(
        neighbor("api { processes [ a b ]; }")
        + process("a", "--name web --ip 192.0.2.1 --cmd x --withdraw-on-down")
        + process("b", "--name web --ip 192.0.2.2 --cmd y --withdraw-on-down")
    )
    assert [service["name"] for service in tables["service"]] == ["web", "web-2"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            neighbor(API) + "process web { run /etc/exabgp/announce.py x; }",
            "process web running /etc/exabgp/announce.py x",
        ),
        (neighbor() + process("web", "-s"), "process web running exabgp healthcheck -s"),
    ],
)
def test_processes_that_are_lost(converted, text, what):
    toml, tables = converted(text)
    assert lost(toml) == [what]
    assert "service" not in tables


# --- files of options ---


def test_the_health_checks_file_is_found_beside_the_configuration(converted, tmp_path):
    (tmp_path / "web.hc").write_text("name = shop\nip = 192.0.2.1\ncommand = true\nwithdraw-on-down\n")
    for named in ("web.hc", "/etc/exabgp/web.hc", str(tmp_path / "web.hc")):
        _, tables = converted(neighbor(API) + process("web", f"--config {named}"))
        assert tables["service"][0]["name"] == "shop"


def test_or_among_those_given(tmp_path):
    configuration, options = tmp_path / "exabgp.conf", tmp_path / "elsewhere" / "web.hc"
    configuration.write_text(neighbor(API) + process("web", "--config /etc/exabgp/web.hc"))
    other = tmp_path / "other.hc"
    options.parent.mkdir()
    options.write_text("ip = 192.0.2.1\n")
    other.write_text("ip = 192.0.2.2\n")
    toml = convert([str(configuration), str(other), str(options)])
    assert "# Converted by `vipd convert exabgp` from exabgp.conf, other.hc, web.hc." in toml
    assert '"192.0.2.1"' in toml


def test_a_file_that_is_not_there_is_an_error(converted):
    with pytest.raises(
        ConvertError, match=r"exabgp0\.conf:6: run: the health check's file gone\.hc is not there"
    ):
        converted(neighbor(API) + "process web {\n  run exabgp healthcheck -F gone.hc;\n}\n")


# --- what cannot be converted ---


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "exabgp0.conf: there is no neighbor to speak to in it"),
        (neighbor("family { l2vpn vpls; }"), "it has no family that vipd announces"),
        ("neighbor { }", ":1: neighbor: one address stands before its block"),
        ("neighbor tor { local-as 1; peer-as 2; }", ':1: neighbor: "tor" is no IP address'),
        (f"neighbor {TOR_A} {{ local-as 1; }}", ":1: neighbor: peer-as is missing"),
        (neighbor("local-as x;"), ':3: local-as: "x" is no AS number'),
        (neighbor("hold-time 2;"), ":3: hold-time: it is 0, or at least 3 seconds"),
        (neighbor("router-id x;"), ':3: router-id: "x" does not look like an IPv4 address'),
        (neighbor("md5-password;"), ":3: md5-password: a password is missing"),
        (neighbor("passive maybe;"), ':3: passive: "maybe" is none of'),
        (neighbor("capability { asn4 maybe; }"), ':3: asn4: "maybe" is none of'),
        (neighbor("inherit nobody;"), ':3: inherit: there is no template "nobody"'),
        (neighbor(API), ':3: processes: there is no process "web"'),
        (neighbor("api { processes-match [ ( ]; }"), ":3: processes-match: no regular expression"),
        (neighbor() + "process web { }", "process: a process needs what to run"),
        (neighbor("local-address ::1;"), ":1: neighbor: local-address ::1 is of the other family"),
    ],
)
def test_errors_name_file_and_line(converted, text, reason):
    with pytest.raises(ConvertError) as caught:
        converted(text)
    assert reason in str(caught.value)


def test_a_file_that_cannot_be_read():
    with pytest.raises(ConvertError, match=r"/nowhere/exabgp\.conf: No such file or directory"):
        convert(["/nowhere/exabgp.conf"])


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "exabgp.conf"
    path.write_bytes(b"a;\nb \xff;\n")
    with pytest.raises(ConvertError, match=r"exabgp\.conf:2: it is no UTF-8 text"):
        convert([str(path)])
    with pytest.raises(ConvertError, match="no file has such a name"):
        convert(["exabgp\0conf"])


# --- the configurations that interop tests run ---


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.conf")), ids=lambda path: path.stem)
def test_every_example_is_a_configuration_that_vipd_takes(path, tmp_path):
    target = tmp_path / "vipd.toml"
    target.write_text(convert([str(path)]))
    assert load(str(target), {}, machine=MACHINE).services
    assert convert([str(path)]) == target.read_text()
