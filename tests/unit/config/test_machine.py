import os
from ipaddress import IPv4Address

import pytest

from vipd.config import machine
from vipd.gateways import default_gateways


def test_the_way_to_this_machine_begins_on_it():
    assert machine.source_address("127.0.0.1") == IPv4Address("127.0.0.1")


def test_no_way_is_no_address():
    assert machine.source_address("255.255.255.255") is None  # broadcast, which needs a permission


def test_gateways_are_those_of_the_routing_table():
    assert machine.gateways() == default_gateways()


def test_addresses_without_those_of_the_loopback_network():
    found = machine.own_addresses()
    assert list(found) == sorted(found, reverse=True)
    assert not any(address.is_loopback for address in found)


def test_a_file_is_read_and_looked_at(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"hush")
    path.chmod(0o640)
    assert machine.read_file(str(path)) == (b"hush", False)
    path.chmod(0o604)
    assert machine.read_file(str(path)) == (b"hush", True)


def test_a_fifo_does_not_hold_us_up(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert machine.read_file(str(tmp_path / "fifo")) == (b"", False)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        machine.read_file(str(tmp_path / "none"))
