"""What the demo says when there is no real ZooKeeper to start. tests/interop/test_demo.py starts one."""

import re

import pytest

from vipd.demo import debian_zookeeper
from vipd.demo.debian_zookeeper import serving

HOST, PORT = "127.0.0.1", 1  # nobody serves there


async def refusal(folder) -> str:
    with pytest.raises(OSError, match="ZooKeeper") as refused:
        async with serving(folder, HOST, PORT):
            pass
    return str(refused.value)


async def test_what_is_missing_is_named_with_the_packages_that_have_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian_zookeeper, "JARS", [tmp_path / "zookeeper.jar"])
    assert await refusal(tmp_path) == (
        f"a real ZooKeeper needs java, {tmp_path}/zookeeper.jar: "
        "apt install default-jre-headless libslf4j-java libzookeeper-java"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "starting\njava.net.BindException: Address already in use\n\tat Net.bind\nexiting",
            "java.net.BindE.*",
        ),
        ("starting\nexiting", "exiting"),
        ("", "without a word"),
    ],
)
async def test_a_server_that_ends_is_quoted(tmp_path, monkeypatch, said, told):
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\nprintf '%s' '{said}'\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian_zookeeper, "JARS", [])
    assert re.fullmatch(f"ZooKeeper does not start: {told}", await refusal(tmp_path))


async def test_a_server_that_never_serves_is_ended(tmp_path, monkeypatch):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho hanging\nexec /bin/sleep 600\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian_zookeeper, "JARS", [])
    monkeypatch.setattr(debian_zookeeper, "START", 0.3)
    assert await refusal(tmp_path) == "ZooKeeper does not serve after 0.3 s: hanging"
