import subprocess
import threading

import pytest

from vipd import names
from vipd.names import Names


@pytest.mark.parametrize("literal", ["192.0.2.1", "2001:db8::1", "fe80::1%lo"])
async def test_a_literal_is_its_own_address(literal):
    assert await Names().addresses(literal, within=0.0) == (literal,)


@pytest.mark.parametrize("name", ["localhost", "LocalHost.", "apex.localhost"])
async def test_localhost_is_the_loopback_and_not_looked_up(name):
    assert await Names().addresses(name, within=0.0) == ("127.0.0.1", "::1")


async def test_what_does_not_exist_is_said_so():
    with pytest.raises(OSError, match=r"^no-such-host\.invalid: \w+"):
        await Names().addresses("no-such-host.invalid", within=20.0)


async def test_a_look_up_without_an_answer_is_cut_short():
    with pytest.raises(OSError, match=r"no answer about the name no-such-host\.invalid within 0\.001 s"):
        await Names().addresses("no-such-host.invalid", within=0.001)


async def test_an_answer_is_kept_and_outlives_its_time_while_there_is_no_newer(monkeypatch):
    host = "no-such-host.invalid"
    known = Names()
    monkeypatch.setattr(names, "_PROGRAM", "print('192.0.2.1'); print('2001:db8::1')")
    assert await known.addresses(host, within=20.0) == ("192.0.2.1", "2001:db8::1")

    monkeypatch.setattr(names, "_PROGRAM", "print('192.0.2.2')")
    assert await known.addresses(host, within=20.0) == ("192.0.2.1", "2001:db8::1")

    monkeypatch.setattr(names, "KEPT", 0.0)
    monkeypatch.setattr(names, "_PROGRAM", "import sys; sys.exit('Temporary failure in name resolution')")
    known = Names()
    with pytest.raises(OSError, match=f"{host}: temporary failure in name resolution"):
        await known.addresses(host, within=20.0)
    monkeypatch.setattr(names, "_PROGRAM", "print('192.0.2.3')")
    assert await known.addresses(host, within=20.0) == ("192.0.2.3",)
    monkeypatch.setattr(names, "_PROGRAM", "import sys; sys.exit('Temporary failure in name resolution')")
    assert await known.addresses(host, within=20.0) == ("192.0.2.3",)
    assert threading.active_count() == 1


def test_the_program_prints_what_the_system_knows_of_a_name(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.7 apex.test\n2001:db8::7 apex.test\n")
    elsewhere = ("unshare", "--map-root-user", "--mount", "/bin/sh", "-c")
    believing = ('mount --bind "$0" /etc/hosts && exec "$@"', str(hosts))
    found = subprocess.run(
        [*elsewhere, *believing, *names._LOOK_UP, names._PROGRAM, "apex.test"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert sorted(found.stdout.split()) == ["192.0.2.7", "2001:db8::7"]
