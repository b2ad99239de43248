"""A machine of which everything is known, and short ways to read a configuration on it."""

from ipaddress import IPv4Address

import pytest

from vipd.config import ConfigError, Machine, load


def never() -> None:
    raise AssertionError("this configuration has no need to ask that")


KNOWN = Machine(
    gateways=never,
    source_address=lambda _: IPv4Address("10.0.0.5"),
    own_addresses=lambda: (IPv4Address("10.0.0.5"),),
    hostname=lambda: "pod-1",
)

HEAD = """
[speaker]
local-as = 64147
[[neighbor]]
address = "10.0.0.1"
peer-as = 64001
"""


@pytest.fixture
def read(tmp_path):
    """Read a text; the Config."""

    def read_text(text, environ=None, *, machine=KNOWN, **others):
        path = tmp_path / "vipd.toml"
        path.write_text(text)
        return load(str(path), environ or {}, machine=machine, **others)

    return read_text


@pytest.fixture
def wrong(read):
    """Read a text that is wrong; its problems as {key: (value, reason)}."""

    def problems(text, environ=None, **others):
        with pytest.raises(ConfigError) as caught:
            read(text, environ, **others)
        return {problem.key: (problem.value, problem.reason) for problem in caught.value.problems}

    return problems


@pytest.fixture
def head():
    return HEAD


@pytest.fixture
def known():
    return KNOWN
