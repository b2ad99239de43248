import json
import subprocess
import sys
from ipaddress import ip_address
from struct import pack

import pytest

from vipd.gateways import gateways

# As a Linux kernel dumped them. The first: default via 192.0.2.1 and, by the same route, via 198.51.100.1.
MULTIPATH = bytes.fromhex(
    "480000001800020001000000cb24000002000000fe0300010000000008000f00fe000000"
    "24000900100000000300000008000500c0000201100000000200000008000500c6336401"
)
METRIC_50 = bytes.fromhex(
    "3c0000001800020001000000cb24000002000000fe0300010000000008000f00fe0000000800060032000000"
    "08000500c00002030800040003000000"
)
TABLE_100 = bytes.fromhex(
    "340000001800020001000000cb24000002000000640300010000000008000f006400000008000500c00002080800040003000000"
)
UNREACHABLE = bytes.fromhex(
    "2c0000001800020001000000cb24000002000000fe0300070000000008000f00fe0000000800060088130000"
)
NO_DEFAULT = bytes.fromhex(
    "3c0000001800020001000000cb24000002180000fe0300010000000008000f00fe00000008000100cb007100"
    "08000500c00002090800040003000000"
)
IPV6_MULTIPATH = bytes.fromhex(
    "940000001800020001000000cb2400000a000000fe0300010000000008000f00fe0000000800060000040000"
    "3c0009001c000000030000001400050020010db8000000000000000000000001"
    "1c000000020000001400050020010db8000100000000000000000001"
    "24000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000"
)


@pytest.mark.parametrize(
    ("dump", "found"),
    [
        (b"", []),
        (MULTIPATH, ["192.0.2.1", "198.51.100.1"]),
        (METRIC_50 + MULTIPATH, ["192.0.2.1", "198.51.100.1", "192.0.2.3"]),
        (TABLE_100 + UNREACHABLE + NO_DEFAULT, []),
        (IPV6_MULTIPATH, ["2001:db8::1", "2001:db8:1::1"]),
    ],
)
def test_a_dump_is_read(dump, found):
    assert gateways(dump) == [ip_address(text) for text in found]


def test_a_table_that_fits_its_octet_needs_no_attribute():
    route = pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + pack("=HH4s", 8, 5, bytes([192, 0, 2, 1]))
    assert gateways(pack("=IHHII", 16 + len(route), 24, 2, 1, 1) + route) == [ip_address("192.0.2.1")]


def asked_in_a_namespace(*commands: str) -> list[str]:
    """What a process finds that lives behind two wires, with these routes."""
    setting_up = [
        "set -e",
        "ip link set lo up",
        "ip link add eth0 type veth peer name eth1",
        "ip link set eth0 up",
        "ip link set eth1 up",
        "ip addr add 192.0.2.2/24 dev eth0",
        "ip addr add 198.51.100.2/24 dev eth1",
        "ip addr add 2001:db8:0::2/64 dev eth0 nodad",
        "ip addr add 2001:db8:1::2/64 dev eth1 nodad",
        *commands,
        'exec "$0" -c "import json; from vipd.gateways import *; print(json.dumps(default_gateways()))"',
    ]
    asked = subprocess.run(
        ["unshare", "--map-root-user", "--net", "/bin/sh", "-c", "\n".join(setting_up), sys.executable],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return json.loads(asked.stdout)


def test_no_default_route():
    assert asked_in_a_namespace("ip route add 203.0.113.0/24 via 192.0.2.9") == []


def test_the_gateways_of_every_default_route():
    assert asked_in_a_namespace(
        "ip route add default nexthop via 192.0.2.1 nexthop via 198.51.100.1",
        "ip route add default via 192.0.2.3 metric 50",
        "ip route add default via 192.0.2.1 metric 60",
        "ip route add default via 192.0.2.8 table 100",
        "ip route add unreachable default metric 5000",
        "ip route add 203.0.113.0/24 via 192.0.2.9",
        "ip -6 route add default nexthop via 2001:db8::1 dev eth0 nexthop via 2001:db8:1::1 dev eth1",
        "ip -6 route add default via fe80::1 dev eth0 metric 2000",
    ) == ["192.0.2.1", "198.51.100.1", "192.0.2.3", "2001:db8::1", "2001:db8:1::1"]


def test_more_routes_than_one_answer_holds():
    line = "route add 10.$((i/256)).$((i%256)).0/24 via 192.0.2.9"
    flood = f"i=0; while [ $i -lt 2000 ]; do echo {line}; i=$((i+1)); done"
    last = "ip route add default via 192.0.2.1 metric 9999"
    assert asked_in_a_namespace(f"({flood}) | ip -batch -", last) == ["192.0.2.1"]
