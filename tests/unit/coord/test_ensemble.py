import pytest

from vipd.coord.ensemble import Ensemble, Server, check_path, is_literal

A = Server(host="a")


@pytest.mark.parametrize(
    ("text", "host", "port", "spelt"),
    [
        ("zk1", "zk1", 2181, "zk1:2181"),
        ("zk1.example:2182", "zk1.example", 2182, "zk1.example:2182"),
        ("ZK_1.example.", "ZK_1.example.", 2181, "ZK_1.example.:2181"),
        ("192.0.2.1", "192.0.2.1", 2181, "192.0.2.1:2181"),
        ("192.0.2.1:65535", "192.0.2.1", 65535, "192.0.2.1:65535"),
        ("[2001:db8::1]", "2001:db8::1", 2181, "[2001:db8::1]:2181"),
        ("[2001:DB8:0::1]:1", "2001:db8::1", 1, "[2001:db8::1]:1"),
        ("[::1]:2181", "::1", 2181, "[::1]:2181"),
    ],
)
def test_servers_are_read_and_spelt(text, host, port, spelt):
    server = Server.parse(text)
    assert (server.host, server.port) == (host, port)
    assert str(server) == spelt
    assert Server.parse(spelt) == server


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a host name or an address"),
        (":2181", "not a host name or an address"),
        ("a b", "not a host name or an address"),
        ("-a", "not a host name or an address"),
        ("a-.b", "not a host name or an address"),
        ("a..b", "not a host name or an address"),
        ("ä", "not a host name or an address"),
        ("a" * 64, "not a host name or an address"),
        (".".join(["a" * 60] * 5), "not a host name or an address"),
        ("192.0.2", "not an IPv4 address"),
        ("192.0.2.256:2181", "not an IPv4 address"),
        ("zk1:", "the port must be between 1 and 65535"),
        ("zk1:0", "the port must be between 1 and 65535"),
        ("zk1:65536", "the port must be between 1 and 65535"),
        ("zk1:zookeeper", "the port must be between 1 and 65535"),
        ("zk1:-1", "the port must be between 1 and 65535"),
        ("zk1:٣", "the port must be between 1 and 65535"),
        ("2001:db8::1", "an IPv6 address stands in brackets"),
        ("2001:db8::1:2181", "an IPv6 address stands in brackets"),
        ("[2001:db8::1", 'must be "host:port"'),
        ("[2001:db8::1]2181", 'must be "host:port"'),
        ("[2001:db8::g]:2181", "what stands in brackets must be an IPv6 address"),
        ("[zk1]:2181", "what stands in brackets must be an IPv6 address"),
        ("[192.0.2.1]:2181", "only an IPv6 address without a scope"),
        ("[fe80::1%eth0]:2181", "only an IPv6 address without a scope"),
        ("zk1:2181,zk2:2181", "one server each"),
        ("zk1:2181/vipd", "the chroot is not part of a server"),
    ],
)
def test_what_is_no_server_is_said_so_with_the_reason(text, reason):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - its text is looked at next
        Server.parse(text)
    assert str(refused.value).startswith(f'"{text}": {reason}')


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"servers": ()}, "at least one server"),
        ({"servers": (A, A)}, "named twice"),
        ({"session_timeout": 0.9}, "between 1 and 60 s"),
        ({"session_timeout": 61.0}, "between 1 and 60 s"),
        ({"session_timeout": float("nan")}, "between 1 and 60 s"),
        ({"chroot": "/"}, 'begins with "/" and names something'),
        ({"chroot": "vipd"}, 'begins with "/" and names something'),
        ({"chroot": "/vipd/"}, '"" cannot be a part of a path'),
        ({"credentials": "vipd"}, "user:password"),
        ({"credentials": ":secret"}, "user:password"),
        ({"credentials": "vipd:"}, "user:password"),
    ],
)
def test_an_ensemble_that_cannot_work_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Ensemble(**({"servers": (A,)} | changes))


def test_an_ensemble_that_can_is_not():
    ensemble = Ensemble(
        servers=(A, Server(host="a", port=1)), chroot="/a/b", session_timeout=1.0, credentials="a:b:c"
    )
    assert "a:b:c" not in repr(ensemble)


@pytest.mark.parametrize("path", ["/a", "/vipd/services/web-1/members/a~0x1", "/ä/…", "/a.b/..c"])
def test_paths_that_zookeeper_takes(path):
    check_path(path)


@pytest.mark.parametrize(
    "path", ["", "/", "a", "//a", "/a//b", "/a/.", "/../a", "/a\0", "/a\x85", "/\U0001f600\ud83d"]
)
def test_paths_that_zookeeper_does_not_take(path):
    with pytest.raises(ValueError, match="path"):
        check_path(path)


@pytest.mark.parametrize(
    ("host", "literal"), [("192.0.2.1", True), ("::1", True), ("a", False), ("a1.2.example", False)]
)
def test_literals_need_no_looking_up(host, literal):
    assert is_literal(host) is literal
