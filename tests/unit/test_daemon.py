import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vipd import daemon
from vipd.daemon import Forbidden, Unreachable, ask


@contextmanager
def answering(path: str, octets: bytes) -> Iterator[list[bytes]]:
    """Something that answers one request at a unix socket; yields what it was asked."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(octets)

        thread = threading.Thread(target=answer)
        thread.start()
        yield asked
        thread.join(10)


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "vipd.sock")


def test_an_answer(path):
    with answering(path, b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"a": 1}\n') as asked:
        assert ask(path, "/status") == {"a": 1}
    assert asked == [b"GET /status HTTP/1.0\r\nHost: vipd\r\n\r\n"]


def test_not_ready_is_an_answer(path):
    with answering(path, b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"ready": false}'):
        assert ask(path, "/readyz") == {"ready": False}


def test_an_error(path):
    with (
        answering(path, b'HTTP/1.1 500 Oh\r\n\r\n{"error": "this is a bug"}'),
        pytest.raises(Unreachable, match="answered: this is a bug"),
    ):
        ask(path, "/status")


@pytest.mark.parametrize("octets", [b"", b"220 mail.example.com ESMTP\r\n", b'HTTP/1.1 200 OK\r\n\r\n{"a": '])
def test_something_else(path, octets):
    with answering(path, octets), pytest.raises(Unreachable, match="is not vipd, or broke off"):
        ask(path, "/status")


def test_nobody(path):
    with pytest.raises(Unreachable, match=f"there is no socket {path}; is vipd running"):
        ask(path, "/status")


def test_the_dead(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with pytest.raises(Unreachable, match=f"nobody answers at {path}; is vipd running"):
        ask(path, "/status")


def test_what_cannot_be_a_path(tmp_path):
    with pytest.raises(Unreachable, match="too long"):
        ask(str(tmp_path / ("x" * 200)), "/status")


def test_somebody_who_never_answers(path, monkeypatch):
    monkeypatch.setattr(daemon, "PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(path)
        mute.listen()
        with pytest.raises(Unreachable, match=r"no answer at .* within 0\.05 s"):
            ask(path, "/status")


def test_what_is_forbidden(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        Path(path).chmod(0)
        if os.geteuid() == 0:  # whom nothing is forbidden: ask as nobody
            os.seteuid(65534)
        try:
            with pytest.raises(Forbidden, match=f"you may not use {path}"):
                ask(path, "/status")
        finally:
            os.seteuid(os.getuid())
