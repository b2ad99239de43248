import pytest

from vipd.health import Check, ExecProbe, FileProbe, HttpProbe, NerveProbe, TcpProbe

HEAD = """
[speaker]
local-as = 64147
[[neighbor]]
address = "10.0.0.1"
peer-as = 64001
[[service]]
name = "apex"
vips = ["192.0.2.1"]
"""


def checks(read, text):
    (service,) = read(HEAD + text).services
    return service.checks


def check(read, text):
    (found,) = checks(read, "[[service.check]]\n" + text).values()
    return found


def test_what_is_not_said_is_as_the_check_has_it(read):
    assert checks(read, '[[service.check]]\nhttp = "http://a/"') == {
        "apex/http": Check(name="http", service="apex", probe=HttpProbe(url="http://a/"))
    }


def test_everything_that_can_be_said(read, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.touch()
    found = check(
        read,
        f"""
        http = "https://127.0.0.1/x"
        name = "page"
        interval = 2
        fast-interval = 0.5
        timeout = 3.5
        rise = 1
        fall = 2
        status = [204, "300-399"]
        body = "^O.K"
        headers = {{Accept = "text/plain"}}
        host = "www.example.org:8443"
        tls-name = "www.example.org"
        tls-ca = "{ca}"
        tls-verify = false
        """,
    )
    assert found == Check(
        name="page",
        service="apex",
        probe=HttpProbe(
            url="https://127.0.0.1/x",
            status=((204, 204), (300, 399)),
            body="^O.K",
            headers=(("Accept", "text/plain"),),
            host="www.example.org:8443",
            tls_name="www.example.org",
            tls_ca=str(ca),
            tls_verify=False,
        ),
        interval=2.0,
        fast_interval=0.5,
        timeout=3.5,
        rise=1,
        fall=2,
    )


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ('tcp = "[::1]:443"', TcpProbe(host="::1", port=443)),
        ('exec = ["/bin/true"]', ExecProbe(command=("/bin/true",))),
        ('exec = "a $${B}"', ExecProbe(command=("/bin/sh", "-c", "a ${B}"))),
        ('file = "/run/off"', FileProbe(path="/run/off")),
    ],
)
def test_every_kind(read, text, probe):
    found = check(read, text)
    assert found.probe == probe
    assert found.name == text.split()[0]


def test_a_check_without_a_name_is_called_by_its_kind(read):
    found = checks(
        read,
        """
        [[service.check]]
        tcp = "a:1"
        [[service.check]]
        tcp = "a:2"
        [[service.check]]
        tcp = "a:3"
        [[service.check]]
        name = "tcp-2"
        file = "/x"
        """,
    )
    assert list(found) == ["apex/tcp", "apex/tcp-3", "apex/tcp-4", "apex/tcp-2"]


def test_a_vip_has_checks_of_its_own(read):
    found = checks(
        read,
        """
        [[service.check]]
        tcp = "a:1"
        [[service.vip]]
        address = "2001:DB8::1"
        [[service.vip.check]]
        tcp = "a:2"
        """,
    )
    assert [(key, each.vip, each.name) for key, each in found.items()] == [
        ("apex/tcp", None, "tcp"),
        ("apex/2001:db8::1/tcp", "2001:db8::1", "tcp"),
    ]


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("", "", "and has none of them"),
        ('tcp = "a:1"\nfile = "/x"', "", "and has tcp and file"),
        ('htpp = "http://a"', ".htpp", 'did you mean "http"?'),
        ('http = "a"', ".http", "must be a URL"),
        ('tcp = "a:1"\nbody = "x"', ".body", "is for http checks, and this one is tcp"),
        ('http = "http://a"\ntls-verify = true', ".tls-verify", "is for https"),
        ('tcp = "a:1"\nfast-interval = 2', ".fast-interval", "must not be more than interval"),
        ('tcp = "a:1"\ninterval = 0', ".interval", "0.01 to 86400"),
        ('tcp = "a:1"\ntimeout = inf', ".timeout", "0.01 to 3600"),
        ('tcp = "a:1"\nrise = 0', ".rise", "1 to 1000"),
        ('tcp = "a:1"\nfall = 1.5', ".fall", "1 to 1000"),
        ('tcp = "a:1"\nname = "a/b"', ".name", "letters, digits"),
        ('http = "https://a"\ntls-ca = "/none"', ".tls-ca", "No such file"),
    ],
)
def test_what_is_refused(wrong, text, key, reason):
    found = {
        at: told
        for at, (_, told) in wrong(HEAD + "[[service.check]]\n" + text).items()
        if "must have one of" not in told or not key
    }
    assert list(found) == [f"service[0].check[0]{key}"]
    assert reason in found[f"service[0].check[0]{key}"]


def test_a_url_that_is_wrong_is_told_once(wrong):
    text = '[[service.check]]\nhttp = "a"\ntls-verify = false'
    assert list(wrong(HEAD + text)) == ["service[0].check[0].http"]


def test_names_are_unique(wrong):
    text = '[[service.check]]\ntcp = "a:1"\nname = "x"\n'
    assert list(wrong(HEAD + text + text)) == ["service[0].check[1].name"]


def test_the_fast_interval_follows_a_short_one(read):
    assert check(read, 'tcp = "a:1"\ninterval = 0.06').fast_interval == 0.06


def test_checks_that_would_be_all_the_pod_does(read):
    config = read(HEAD + '[[service.check]]\ntcp = "a:1"\nfast-interval = 0.02')
    assert config.warnings == (
        "service[0].check[0].fast-interval: is 50 checks a second: they will be what the CPU does",
    )


NERVE = """
[coordination]
servers = ["zk1"]
[[service]]
name = "pages"
vips = ["192.0.2.9"]
[[service.check]]
nerve = "/services/apex"
"""


def test_nerve_is_asked_of_this_host_unless_another_name_is_said(read):
    (probe,) = (check.probe for check in read(HEAD + NERVE).services[1].checks.values())
    assert probe == NerveProbe(path="/services/apex", host="pod-1")
    (probe,) = (
        check.probe for check in read(HEAD + NERVE + 'nerve-host = "10.0.0.5"').services[1].checks.values()
    )
    assert probe == NerveProbe(path="/services/apex", host="10.0.0.5")


def test_nerve_needs_zookeeper_and_its_keys_need_nerve(wrong):
    head = HEAD + "[[service.check]]\n"
    assert wrong(head + 'nerve = "/services/apex"') == {
        "service[0].check[0].nerve": (
            None,
            "needs [coordination]: without it, each pod announces its VIPs by itself",
        )
    }
    assert wrong(head + 'tcp = "127.0.0.1:80"\nnerve-host = "x"') == {
        "service[0].check[0].nerve-host": (None, "is for nerve checks, and this one is tcp")
    }
    assert wrong(head + 'nerve = "services"').keys() == {"service[0].check[0].nerve"}
