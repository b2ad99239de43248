import asyncio
import os
import socket
import time

import pytest

from vipd.notify import Notify


@pytest.fixture
def manager(tmp_path):
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def told(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


def test_the_life_of_a_service(manager):
    notify = Notify.of({"NOTIFY_SOCKET": manager.getsockname()})
    notify.ready("2 neighbours")
    assert told(manager) == ["READY=1", "STATUS=2 neighbours"]
    notify.status("1 of 2\nneighbours")
    assert told(manager) == ["STATUS=1 of 2 neighbours"]
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify.reloading()
    reloading, stamp = told(manager)
    assert reloading == "RELOADING=1"
    name, _, usec = stamp.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(usec) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify.stopping("withdrawing")
    assert told(manager) == ["STOPPING=1", "STATUS=withdrawing"]


def test_an_abstract_socket():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0vipd-test-{os.getpid()}")
        listener.settimeout(5)
        Notify.of({"NOTIFY_SOCKET": f"@vipd-test-{os.getpid()}"}).ready("up")
        assert told(listener) == ["READY=1", "STATUS=up"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
async def test_nothing_without_a_manager(environ):
    notify = Notify.of({**environ, "WATCHDOG_USEC": "1000"})
    notify.ready("up")
    await asyncio.wait_for(notify.watch(), 5)


def test_a_manager_that_is_gone_is_no_matter(tmp_path):
    Notify.of({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("up")


def test_a_manager_that_does_not_read_does_not_block(manager):
    notify = Notify.of({"NOTIFY_SOCKET": manager.getsockname()})
    for _ in range(10_000):
        notify.status("x" * 1000)
    assert told(manager) == [f"STATUS={'x' * 1000}"]


async def test_the_watchdog_is_fed_twice_in_its_period(manager):
    notify = Notify.of(
        {
            "NOTIFY_SOCKET": manager.getsockname(),
            "WATCHDOG_USEC": "20000",
            "WATCHDOG_PID": str(os.getpid()),
        }
    )
    manager.settimeout(0)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        watching = asyncio.ensure_future(notify.watch())
        began = loop.time()
        for _ in range(4):
            assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
        assert loop.time() - began >= 3 * 0.01
        watching.cancel()


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}],
)
async def test_no_watchdog_where_none_is_for_us(manager, environ):
    notify = Notify.of({"NOTIFY_SOCKET": manager.getsockname(), **environ})
    await asyncio.wait_for(notify.watch(), 5)
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
