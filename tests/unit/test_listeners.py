import os
import socket
import stat

import pytest

from vipd.listeners import listening, spell


def test_tcp():
    with listening(("127.0.0.1", 0)) as listener:
        assert listener.gettimeout() == 0.0
        with socket.create_connection(listener.getsockname()):
            pass


def test_tcp_over_ipv6():
    with listening(("::1", 0)) as listener, socket.create_connection(listener.getsockname()[:2]):
        pass


def test_a_port_that_is_taken():
    with (
        listening(("127.0.0.1", 0)) as first,
        pytest.raises(OSError, match="in use"),
        listening(first.getsockname()),
    ):
        pass


def test_a_unix_socket_is_for_owner_and_group_and_goes_with_its_owner(tmp_path):
    path = tmp_path / "run" / "vipd" / "vipd.sock"
    before = os.umask(0)
    try:
        with listening(str(path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert os.umask(0) == 0, "the mask is put back"
    finally:
        os.umask(before)
    assert not path.exists()


def test_a_socket_without_a_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with listening("vipd.sock"):
        assert (tmp_path / "vipd.sock").is_socket()


def test_what_a_dead_vipd_left_is_replaced(tmp_path):
    path = str(tmp_path / "vipd.sock")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    with listening(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_what_a_living_one_uses_is_not(tmp_path):
    path = str(tmp_path / "vipd.sock")
    with listening(path):
        with pytest.raises(OSError, match="another process answers there"), listening(path):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


def test_a_living_one_that_is_too_busy_to_answer_lives(tmp_path):
    path = str(tmp_path / "vipd.sock")
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as client:
        busy.bind(path)
        busy.listen(0)
        client.connect(path)  # fills the backlog
        with pytest.raises(OSError, match="another process answers there"), listening(path):
            pass


def test_a_file_that_is_not_a_socket_stays(tmp_path):
    path = tmp_path / "vipd.sock"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="not a socket"), listening(str(path)):
        pass
    assert path.read_text() == "precious"


def test_a_successors_socket_stays(tmp_path):
    path = tmp_path / "vipd.sock"
    with listening(str(path)):
        path.unlink()
        successor = socket.socket(socket.AF_UNIX)
        successor.bind(str(path))
    assert path.exists()
    successor.close()


def test_a_path_that_is_too_long(tmp_path):
    with pytest.raises(OSError, match="too long"), listening(str(tmp_path / ("x" * 200))):
        pass


def test_spelling():
    assert spell(("::1", 80)) == "[::1]:80"
    assert spell(("127.0.0.1", 80)) == "127.0.0.1:80"
    assert spell("/run/vipd.sock") == "/run/vipd.sock"
