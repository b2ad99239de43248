"""Imports of what is heavy, in steps so small that the sessions keep their time meanwhile.

A module's import cannot be interrupted, but what it imports can come before it, a step at a time. The
lists below are the deep dependencies of our libraries, in the order that keeps every step short; a name
that a library no longer has, or no longer needs, costs nothing but a longer step.
"""

import asyncio
import importlib
import importlib.util
import sys
from contextlib import suppress
from typing import Final

from vipd.latest import Latest

FIRST: Final = {  # what a package imports, before it
    "aiohttp": (
        "importlib.metadata", "ssl", "json", "email.message", "email.parser", "http.cookies",
        "urllib.request", "idna", "attr", "multidict", "yarl", "frozenlist", "aiosignal", "aiohappyeyeballs",
    ),
    "prometheus_client": ("gzip", "http.server", "urllib.request", "wsgiref.simple_server"),
    "pyroute2": (
        "importlib.metadata", "json", "urllib.parse", "ctypes", "unittest", "unittest.mock",
        "multiprocessing", "sqlite3",
    ),
}  # fmt: skip
PARTS: Final = {  # the modules of a package that bring the rest of it along
    "aiohttp": (
        "aiohttp.helpers", "aiohttp.http", "aiohttp.client_reqrep", "aiohttp.client_proto",
        "aiohttp.resolver", "aiohttp.connector", "aiohttp.client",
    ),
    "pyroute2": (
        "pyroute2.netlink", "pyroute2.netlink.nlsocket", "pyroute2.iproute", "pyroute2.conntrack",
        "pyroute2.devlink", "pyroute2.ethtool.ethtool", "pyroute2.ipdb", "pyroute2.nslink.nspopen",
    ),
}  # fmt: skip

# Between two steps. What is due may need several turns of the loop, and BFD waits for nobody.
BREATH: Final = 0.002

_turn: Final[Latest[str | None]] = Latest(None)  # which module is being imported: one at a time


async def staged(*names: str) -> None:
    """Import modules, and leave the loop some turns between any two steps."""
    for name in names:
        await _turn.until(lambda module: module is None)
        if name in sys.modules:
            continue
        _turn.set(name)
        try:
            package = name.partition(".")[0]
            for first in FIRST.get(package, ()):
                with suppress(ImportError):
                    importlib.import_module(first)
                await asyncio.sleep(BREATH)
            if package in PARTS and package not in sys.modules:
                await _inside_out(package)
            importlib.import_module(name)
            await asyncio.sleep(BREATH)
        finally:
            _turn.set(None)


async def _inside_out(package: str) -> None:
    """Import the parts of a package before its body, which alone would bring them all in one long step."""
    from importlib.metadata import version  # noqa: PLC0415 - itself one of the steps

    spec = importlib.util.find_spec(package)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    module = importlib.util.module_from_spec(spec)
    sys.modules[package] = module
    try:
        with suppress(ImportError):
            vars(module)["__version__"] = version(package)  # some parts ask for it
        for part in PARTS[package]:
            with suppress(ImportError):
                importlib.import_module(part)
            await asyncio.sleep(BREATH)
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[package]  # nobody else may find it half done
        raise
