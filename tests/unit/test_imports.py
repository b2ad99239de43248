import asyncio
import subprocess
import sys
from itertools import count

import pytest

from vipd import imports
from vipd.imports import staged

names = (f"heavy{number}" for number in count())


@pytest.fixture
def heavy(tmp_path, monkeypatch):
    """A package whose body imports both of its parts, and which notes what ran in which order."""
    name = next(names)
    package = tmp_path / name
    package.mkdir()
    (tmp_path / f"{name}_notes.py").write_text("order = []")
    note = f"from {name}_notes import order; order.append(__name__)\n"
    (package / "__init__.py").write_text(note + f"from {name} import first, second\nwhole = True")
    (package / "first.py").write_text(note)
    (package / "second.py").write_text(note)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(imports.PARTS, name, (f"{name}.first", f"{name}.gone", f"{name}.second"))
    monkeypatch.setitem(imports.FIRST, name, (f"{name}_notes", f"{name}_missing"))
    yield name
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


async def turns_during(work) -> int:
    """How many turns the loop has while `work` runs."""
    turns = 0
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    await task
    return turns


async def test_the_parts_come_before_the_body_with_a_turn_after_each(heavy):
    turns = await turns_during(staged(heavy))
    assert sys.modules[f"{heavy}_notes"].order == [f"{heavy}.first", f"{heavy}.second", heavy]
    assert sys.modules[heavy].whole
    assert turns >= 6  # two before it, three parts of which one is not there, itself


async def test_two_at_once_both_find_it_whole(heavy):
    async def one():
        await staged(heavy)
        assert sys.modules[heavy].whole

    await asyncio.gather(one(), one(), one())
    assert len(sys.modules[f"{heavy}_notes"].order) == 3


async def test_one_cancelled_half_way_leaves_nothing_half_done(heavy):
    task = asyncio.ensure_future(staged(heavy))
    while f"{heavy}.first" not in sys.modules:  # noqa: ASYNC110 - an import sets no event
        await asyncio.sleep(0)
    assert heavy in sys.modules
    waiting = asyncio.ensure_future(staged(heavy))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await waiting
    assert sys.modules[heavy].whole


async def test_what_is_there_already_takes_no_step():
    assert await turns_during(staged("asyncio", "json")) <= 2


@pytest.mark.parametrize("name", ["nowhere_to_be_found", "json.nowhere"])
async def test_what_is_not_installed_is_said_so(name):
    with pytest.raises(ModuleNotFoundError, match=name):
        await staged(name)
    await staged("json")  # and the next one is not kept waiting


async def test_a_package_with_parts_that_is_not_installed_is_said_so(monkeypatch):
    monkeypatch.setitem(imports.PARTS, "nowhere_to_be_found", ())
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        await staged("nowhere_to_be_found")


def test_our_libraries_come_whole_and_without_a_warning():
    program = """
import asyncio, sys
from vipd.imports import PARTS, staged
asyncio.run(staged("pyroute2", "aiohttp.web", "prometheus_client"))
import aiohttp, pyroute2, prometheus_client
assert aiohttp.__version__[0].isdigit() and aiohttp.ClientSession and aiohttp.web.Application
assert aiohttp.connector.TCPConnector is aiohttp.TCPConnector
assert pyroute2.AsyncIPRoute is pyroute2.iproute.AsyncIPRoute
assert prometheus_client.CollectorRegistry
missing = [part for parts in PARTS.values() for part in parts if part not in sys.modules]
assert not missing, missing
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
