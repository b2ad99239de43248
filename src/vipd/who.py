"""Who types a command, for those who will read it later."""

import getpass
import os
import socket


def who() -> str:
    """Return user@host; the one who said sudo, rather than root."""
    return f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # of a uid that no user has, as in containers
        return str(os.getuid())
