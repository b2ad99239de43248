"""Addresses in and out, and errors in words."""

import errno
import socket

import pytest

from vipd import sockaddr

LO = socket.if_nametoindex("lo")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.1", (socket.AF_INET, ("10.0.0.1", 179))),
        ("2001:db8::1", (socket.AF_INET6, ("2001:db8::1", 179, 0, 0))),
        ("fe80::1%lo", (socket.AF_INET6, ("fe80::1", 179, 0, LO))),
        (f"fe80::1%{LO}", (socket.AF_INET6, ("fe80::1", 179, 0, LO))),
    ],
)
def test_a_literal_address_is_read(host, expected):
    assert sockaddr.parse(host, 179) == expected


def test_an_interface_that_is_not_there_is_named():
    with pytest.raises(ConnectionError, match="there is no interface nowhere for fe80::1%nowhere"):
        sockaddr.parse("fe80::1%nowhere", 179)


@pytest.mark.parametrize("host", ["10.0.0.1", "2001:db8::1", "fe80::1%lo"])
def test_what_was_read_is_written_as_it_was(host):
    assert sockaddr.text(sockaddr.parse(host, 179)[1]) == host


@pytest.mark.parametrize(
    ("host", "expected"),
    [("10.0.0.1", "10.0.0.1"), ("2001:DB8:0::1", "2001:db8::1"), (f"fe80::1%{LO}", "fe80::1%lo")],
)
def test_an_address_has_one_way_of_writing(host, expected):
    assert sockaddr.normal(host) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ECONNREFUSED, "?"), "connection refused"),
        (OSError(errno.EADDRINUSE, "?"), "address already in use"),
        (OSError("as it says"), "as it says"),
    ],
)
def test_an_error_is_told_in_words(error, expected):
    assert sockaddr.words(error) == expected
