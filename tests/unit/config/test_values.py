import pytest

from vipd.bgp.iana import Family
from vipd.config import values
from vipd.config.environment import FromEnvironment
from vipd.config.problems import Refused

NUMBER = values.integer(3, 10, also=(0,), why="RFC 1")


def refused(read, value):
    with pytest.raises(Refused) as caught:
        read(value)
    return caught.value.reason or caught.value.within


def test_boolean():
    assert values.boolean(True) is True
    assert values.boolean(FromEnvironment("false")) is False
    for value in (1, "true", FromEnvironment("yes"), None):
        assert refused(values.boolean, value) == "must be true or false"


def test_integer():
    assert [NUMBER(each) for each in (0, 3, 10, FromEnvironment("7"))] == [0, 3, 10, 7]
    for value in (1, 11, -1, True, 5.0, "5", FromEnvironment("5.0"), FromEnvironment(""), 10**5000, None):
        assert refused(NUMBER, value) == "must be an integer: 0 or 3 to 10 (RFC 1)"


def test_seconds():
    read = values.seconds(0.1, 60)
    assert [read(each) for each in (0.1, 1, 60, FromEnvironment("2.5"))] == [0.1, 1.0, 60.0, 2.5]
    assert type(read(1)) is float
    for value in (0, 60.5, -1, True, float("nan"), float("inf"), "1", FromEnvironment("1e1"), 10**5000):
        assert refused(read, value) == "must be a number of seconds: 0.1 to 60"


def test_line():
    assert values.line("") == ""
    assert type(values.line(FromEnvironment("tor"))) is str
    assert refused(values.line, 5) == "must be text, in quotes"
    assert refused(values.line, "a\x1b[1m") == "must be one line of printable text"


def test_text():
    read = values.text("[a-z]+", "letters")
    assert read("abc") == "abc"
    for value in ("", "ab\n", "1", 5, None):
        assert refused(read, value) == "must be letters"


def test_choice():
    read = values.choice(("debug", "info"))
    assert read("info") == "info"
    assert refused(read, "infos") == 'must be one of debug, info; did you mean "info"?'
    assert refused(read, 5) == "must be one of debug, info"


def test_either():
    read = values.either("auto", None, NUMBER)
    assert read("auto") is None
    assert read(5) == 5
    assert refused(read, "atuo") == 'must be an integer: 0 or 3 to 10 (RFC 1), or "auto"'


def test_listing():
    read = values.listing(NUMBER, "numbers")
    assert read([]) == ()
    assert read([3, 4]) == (3, 4)
    assert refused(read, 3) == "must be a list of numbers, in brackets"
    assert [(where, value) for where, value, _ in refused(read, [3, 99, 4, "x"])] == [
        ("[1]", 99),
        ("[3]", "x"),
    ]


def test_tables():
    assert values.tables([{"a": 1}]) == [{"a": 1}]
    assert "double brackets" in refused(values.tables, {"a": 1})
    assert "double brackets" in refused(values.tables, [{"a": 1}, 5])
    assert "double brackets" in refused(values.tables, "a")


@pytest.mark.parametrize("number", [1, 64147, 65534, 65536, 4294967294, FromEnvironment("64147")])
def test_an_as_number(number):
    assert values.asn(number) == int(number)


@pytest.mark.parametrize(
    ("number", "rfc"), [(0, "RFC 7607"), (23456, "RFC 6793"), (65535, "RFC 7300"), (4294967295, "RFC 7300")]
)
def test_reserved_as_numbers(number, rfc):
    assert rfc in refused(values.asn, number)


@pytest.mark.parametrize("number", [-1, 4294967296, "64147", 1.5, True])
def test_what_is_no_as_number(number):
    assert refused(values.asn, number) == "must be an AS number, 1 to 4294967294"


def test_hops():
    assert [values.hops(each) for each in (True, False, 1, 254)] == [1, None, 1, 254]
    assert values.hops(FromEnvironment("true")) == 1
    for value in (0, 255, "true", None):
        refused(values.hops, value)


def test_families():
    assert values.families(["ipv6", "ipv4", "ipv6"]) == (Family.IPV4, Family.IPV6)
    assert values.families(["ipv6"]) == (Family.IPV6,)
    assert "at least one" in refused(values.families, [])
    refused(values.families, ["ipx"])
    refused(values.families, "ipv4")


def test_communities():
    assert values.communities(["64500:2", "no-export", "64500:1", "64500:2", "0:65535"]) == (
        (0, 65535),
        (64500, 1),
        (64500, 2),
        (65535, 65281),
    )


@pytest.mark.parametrize(
    ("name", "community"),
    [
        ("no-export", (0xFFFF, 0xFF01)),  # RFC 1997
        ("no-advertise", (0xFFFF, 0xFF02)),
        ("no-export-subconfed", (0xFFFF, 0xFF03)),
        ("no-peer", (0xFFFF, 0xFF04)),  # RFC 3765
        ("graceful-shutdown", (0xFFFF, 0x0000)),  # RFC 8326
        ("accept-own", (0xFFFF, 0x0001)),  # RFC 7611
        ("llgr-stale", (0xFFFF, 0x0006)),  # RFC 9494
        ("no-llgr", (0xFFFF, 0x0007)),
        ("blackhole", (0xFFFF, 0x029A)),  # RFC 7999
    ],
)
def test_well_known_communities(name, community):
    assert values.community(name) == community
    assert len(values.WELL_KNOWN) == 9


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (64500, "in quotes"),
        ("64500:1:2", 'large-communities = ["64500:1:2"]'),
        ("4200000000:1", "above 65535"),
        ("no-exprt", '"no-export"'),
        ("64500", "64500:1"),
        ("64500:", "64500:1"),
        ("64500:-1", "64500:1"),
        ("64500:99999999999", "64500:1"),
        ("٣:1", "64500:1"),  # a digit, but none of ours
    ],
)
def test_what_is_no_community(value, hint):
    assert hint in refused(values.community, value)


def test_large_communities():
    assert values.large_communities(["4294967295:0:1", "1:2:3", "1:2:3"]) == ((1, 2, 3), (4294967295, 0, 1))
    for value in ("1:2", "1:2:4294967296", 5, "a:b:c"):
        assert "three numbers" in refused(values.large_community, value)


def test_path():
    assert values.path("/run/x") == "/run/x"
    for value in ("x", "", "./x", "/x\0", 5):
        assert "absolute path" in refused(values.path, value)


def test_command():
    assert values.command(["/bin/check", ""]) == ("/bin/check", "")
    assert values.command("a | b") == ("/bin/sh", "-c", "a | b")
    for value in ("", " ", [], [""], ["a", 5], ["a\0"], "a\0", 5, {"a": 1}):
        assert "list of arguments" in refused(values.command, value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://www.example.org:8443/a?b=c",
        "http://[::1]:80/x",
        "http://a_b",
        "http://[fe80::1%25eth0]/",
    ],
)
def test_url(url):
    assert values.url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "127.0.0.1/",
        "http://",
        "http:///x",
        "http://a:0/",
        "http://a:99999/",
        "http://a:b/",
        "http://[::1/",
        "http://a b/",
        "http://a/\n",
        "http://é/",
        "http://a!b/",
        5,
    ],
)
def test_what_is_no_url(url):
    assert "must be a URL" in refused(values.url, url)


def test_a_url_holds_no_password():
    assert "Authorization" in refused(values.url, "http://me:secret@a/")


def test_target():
    assert values.target("127.0.0.1:80") == ("127.0.0.1", 80)
    assert values.target("db-1.example.org:5432") == ("db-1.example.org", 5432)
    assert values.target("[2001:db8::1]:80") == ("2001:db8::1", 80)
    assert values.target("[fe80::1%eth0]:80") == ("fe80::1%eth0", 80)
    for value in ("80", ":80", "a", "a:0", "a:65536", "2001:db8::1:80", "a:٨٠", 80):
        assert "host:port" in refused(values.target, value)


def test_statuses():
    assert values.statuses([204, "200-299", "301"]) == ((204, 204), (200, 299), (301, 301))
    assert values.statuses(200) == ((200, 200),)
    for value in (99, 600, True, "2xx", "299-200", "700", 200.0):
        assert refused(values.statuses, [value])[0][:2] == ("[0]", value)


def test_expression():
    assert values.expression("^OK") == "^OK"
    assert values.expression("[[a]") == "[[a]"  # of which Python warns, and which is no mistake
    for value in ("(", "a{99999999999999999999}", "*", r"\N{x}"):
        assert "regular expression: " in refused(values.expression, value)
    refused(values.expression, 5)


def test_headers():
    assert values.headers({"X-B": "1", "Accept": ""}) == (("X-B", "1"), ("Accept", ""))
    found = refused(values.headers, {"A": "1", "B C": "1", "D": "x\r\nE: y", "F": 5, "": ""})
    assert [where for where, _, _ in found] == [".B C", ".D", ".F", "."]
    assert "table" in refused(values.headers, ["A: b"])
