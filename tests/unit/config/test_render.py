import tomllib
from dataclasses import replace

import pytest

from vipd.config import render

TEXT = r"""
[speaker]
local-as = 64147
router-id = "10.0.0.5"
listen = ["[::1]:1790"]
[[neighbor]]
address = "10.0.0.1"
peer-as = "external"
description = "a \"quoted\" $${TEXT} \\ é"
next-hop = {ipv6 = "2001:db8::5"}
ttl-security = 3
[[neighbor]]
address = "2001:db8::1"
name = "inner"
peer-as = 64147
local-preference = 5
ebgp-multihop = 1
bfd = true
bfd-interval = 0.05
communities = ["no-export", "1:2"]
[api]
listen = ""
"""

ALIKE = """
[[service]]
name = "alike"
vips = ["192.0.2.1", "192.0.2.2"]
med = 5
neighbors = ["inner"]
on-change = "date"
[[service.vip]]
address = "192.0.2.3"
[[service.vip.check]]
tcp = "[::1]:80"
[[service.check]]
exec = ["a", "b\\n\\u007f"]
[[service.check]]
file = "/x"
"""

APART = """
[[service]]
name = "apart"
vips = ["192.0.2.1", "192.0.2.2"]
med = 5
[[service.vip]]
address = "192.0.2.3"
med = 6
large-communities = ["1:2:3"]
[[service.check]]
http = "http://127.0.0.1/"
status = [204, "300-399"]
body = '^\\d"$'
headers = {"X-A" = "1"}
[[service.check]]
http = "https://127.0.0.1/"
tls-verify = false
"""

FABRIC = '[fabric]\ntiers = 2\npod-as = "own"\nalways-compare-med = true'
MANY = '[[service]]\nname = "many"\nvips = [' + ", ".join(f'"192.0.2.{n}"' for n in range(1, 20)) + "]"


def again(read, config):
    return replace(read(render(config)), warnings=config.warnings)


@pytest.mark.parametrize("service", [ALIKE, APART, MANY, FABRIC, ""])
def test_what_is_rendered_reads_as_the_same(read, service):
    config = read(TEXT + service)
    assert again(read, config) == config


def test_defaults_are_filled_in(read, head):
    tables = tomllib.loads(render(read(head)))
    assert tables["neighbor"][0]["hold-time"] == 9
    assert tables["neighbor"][0]["local-address"] == "auto"
    assert tables["speaker"]["router-id"] == "10.0.0.5"
    assert set(tables) == {"speaker", "neighbor", "loopback", "drain", "api", "log"}


def test_vips_that_are_alike_stay_a_list(read):
    (alike,) = tomllib.loads(render(read(TEXT + ALIKE)))["service"]
    assert (alike["vips"], alike["med"]) == (["192.0.2.1", "192.0.2.2"], 5)
    assert [vip["address"] for vip in alike["vip"]] == ["192.0.2.3"]
    assert "med" not in alike["vip"][0]
    (apart,) = tomllib.loads(render(read(TEXT + APART)))["service"]
    assert (apart["vips"], "med" in apart) == ([], False)
    assert [vip["med"] for vip in apart["vip"]] == [5, 5, 6]


def test_a_secret_is_told_by_its_file(read, head, tmp_path):
    secret = tmp_path / "md5"
    secret.write_text("hush")
    secret.chmod(0o600)
    config = read(head + f'md5-password-file = "{secret}"')
    assert "hush" not in render(config).replace(str(secret), "")
    assert "hush" not in repr(config).replace(str(secret), "")
    assert again(read, config) == config
