"""Places to be asked at: a TCP port, or a path in the file system. Opened here, and cleaned up after."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

Place = tuple[str, int] | str  # address literal and port, or the path of a unix socket

BACKLOG: Final = 16


@contextmanager
def listening(place: Place) -> Iterator[socket.socket]:
    """Yield a non-blocking listener. Raises OSError where the place is taken or forbidden."""
    with _unix(place) if isinstance(place, str) else _tcp(*place) as listener:
        listener.listen(BACKLOG)
        listener.settimeout(0)
        yield listener


def spell(place: Place) -> str:
    if isinstance(place, str):
        return place
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def _tcp(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        yield listener


@contextmanager
def _unix(path: str) -> Iterator[socket.socket]:
    """A socket for the owner and the group. One that nobody answers at is replaced."""
    if directory := os.path.dirname(path):  # noqa: PTH120 - Path would swallow the difference of "" and "."
        os.makedirs(directory, mode=0o755, exist_ok=True)  # noqa: PTH103
    _clear(path)
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.umask(0o117)  # rather than chmod: there is no instant at which others may connect
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        ours = os.stat(path)  # noqa: PTH116
        try:
            yield listener
        finally:
            with suppress(OSError):
                if os.path.samestat(os.lstat(path), ours):  # a successor's may be there by now
                    os.unlink(path)  # noqa: PTH108


def _clear(path: str) -> None:
    """Remove the socket that a dead vipd left. Raises OSError where something else is in the way."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "something that is not a socket is in the way")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return
        except BlockingIOError:
            pass  # somebody is there, and busy
    raise OSError(errno.EADDRINUSE, "another process answers there; does a second vipd run?")
