"""Asks a running vipd over its unix socket. For the reading verbs, which must start fast: no library."""

import json
import socket
from typing import Any, Final

Seconds = float

PATIENCE: Final[Seconds] = 10.0


class Unreachable(Exception):  # noqa: N818 - that it cannot be reached is the whole message
    """There is no answer from a daemon. The text says why, and what may be done about it."""


class Forbidden(Unreachable):
    """The daemon may be there, and we may not ask it."""


def ask(path: str, page: str) -> Any:
    """Return the JSON of a page such as "/status". Raises Unreachable, and Forbidden of that kind."""
    return _exchange(path, f"GET {page} HTTP/1.0\r\nHost: vipd\r\n\r\n")


def tell(path: str, page: str, wish: Any) -> Any:
    """Have the daemon do something, and return the JSON of its answer. Raises Unreachable."""
    body = json.dumps(wish)
    head = f"POST {page} HTTP/1.0\r\nHost: vipd\r\nContent-Type: application/json\r\n"
    return _exchange(path, f"{head}Content-Length: {len(body)}\r\n\r\n{body}")


def _exchange(path: str, request: str) -> Any:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(path)
            connection.sendall(request.encode())
            with connection.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
        value = json.loads(body)
    except PermissionError as error:
        raise Forbidden(f"you may not use {path}: it is for its owner and its group") from error
    except OSError as error:
        raise Unreachable(_explain(path, error)) from error
    except ValueError as error:
        raise Unreachable(f"what answers at {path} is not vipd, or broke off") from error
    if head.split(b" ", 2)[1:2] not in ([b"200"], [b"503"]):
        raise Unreachable(f"vipd at {path} answered: {value.get('error', value)}")
    return value


def _explain(path: str, error: OSError) -> str:
    match error:
        case FileNotFoundError():
            cause = f"there is no socket {path}"
        case ConnectionRefusedError():
            cause = f"nobody answers at {path}"
        case TimeoutError():
            return f"no answer at {path} within {PATIENCE:g} s"
        case _:
            cause = f"{path}: {error.strerror or error}"
    return f"{cause}; is vipd running? Where its socket is elsewhere, say --socket PATH"
