import asyncio
import socket
import struct
import threading
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from sim.loop import simulated
from vipd import http_probe, subprocesses
from vipd.health import Check, ExecProbe, FileProbe, Health, HttpProbe, NerveProbe, TcpProbe
from vipd.latest import Latest
from vipd.names import Names
from vipd.nerve import Reports
from vipd.probes import Means, attempt, watch

MEANS = Means(Names(), Reports())


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def unheard():
    """A port that nobody listens on, and that nobody else takes meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def check(probe, **pace) -> Check:
    return Check(name="check", service="apex", probe=probe, **pace)


def tcp(listening: socket.socket) -> TcpProbe:
    return TcpProbe(host="127.0.0.1", port=listening.getsockname()[1])


def command(line: str) -> ExecProbe:
    return ExecProbe(command=("/bin/sh", "-c", line))


async def result(probe, **pace):
    found = await attempt(check(probe, **pace), MEANS)
    return found.good, found.message


# --- one run -------------------------------------------------------------------------------------------


async def test_tcp(listener, unheard):
    assert await result(tcp(listener)) == (True, "connected")
    assert await result(TcpProbe(host="127.0.0.1", port=unheard)) == (False, "connection refused")


async def test_tcp_to_a_name_tries_each_of_its_addresses(unheard):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        assert await result(TcpProbe(host="localhost", port=port)) == (True, "connected")
        assert await result(TcpProbe(host="::1", port=port)) == (True, "connected")
    assert await result(TcpProbe(host="localhost", port=unheard)) == (False, "connection refused")
    assert threading.active_count() == 1


async def test_tcp_to_an_address_with_a_scope(listener):
    with socket.create_server(("::", 0), family=socket.AF_INET6) as listening:
        probe = TcpProbe(host="::1%lo", port=listening.getsockname()[1])
        assert await result(probe) == (True, "connected")
    good, message = await result(TcpProbe(host="fe80::1%nowhere", port=1))
    assert (good, message) == (False, "no interface with this name")
    assert threading.active_count() == 1


async def test_tcp_that_nobody_accepts_is_left_when_time_is_up():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        first.connect(full.getsockname())
        assert await result(tcp(full), timeout=0.25) == (False, "timed out after 0.25 s")


async def test_http(listener):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await result(HttpProbe(url=url), timeout=5.0) == (True, "200 OK")
    assert await result(HttpProbe(url=url), timeout=5.0) == (False, "connection refused")


async def test_http_that_resets_and_http_that_hangs(listener):
    async def reset(reader, writer):
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await result(HttpProbe(url=url), timeout=5.0) == (False, "connection reset by peer")

    hanging = HttpProbe(url=f"http://127.0.0.1:{listener.getsockname()[1]}/")
    found = await attempt(check(hanging, timeout=0.5), MEANS)
    assert (found.good, found.timed_out, found.message) == (False, True, "timed out after 0.5 s")


async def test_nerve_without_a_way_to_zookeeper():
    assert await result(NerveProbe(path="/services/apex", host="lb-1")) == (
        False,
        "ZooKeeper has not been reached yet",
    )


@pytest.mark.parametrize(
    ("line", "good", "message", "output"),
    [
        ("true", True, "exit status 0", ""),
        ("echo why not; exit 3", False, "exit status 3", "why not\n"),
        ("kill -KILL $$", False, "ended by SIGKILL", ""),
        ("kill -50 $$", False, "ended by signal 50", ""),
        ('echo "$VIPD_SERVICE ${VIPD_VIP-all}"', True, "exit status 0", "apex all\n"),
    ],
)
async def test_exec(line, good, message, output):
    found = await attempt(check(command(line), timeout=30.0), MEANS)
    assert (found.good, found.message, found.output) == (good, message, output)


async def test_exec_for_one_vip_is_told_which():
    one = replace(check(command("echo $VIPD_VIP"), timeout=30.0), vip="192.0.2.1")
    assert (await attempt(one, MEANS)).output == "192.0.2.1\n"


async def test_exec_that_hangs_is_killed_and_what_it_said_is_kept():
    found = await attempt(check(command("echo so far; sleep 1000"), timeout=1.0), MEANS)
    assert (found.good, found.timed_out) == (False, True)
    assert (found.message, found.output) == ("timed out after 1 s", "so far\n")


async def test_exec_that_vanished():
    gone = ExecProbe(command=("/nowhere/check", "--now"))
    assert await result(gone) == (False, "no such file or directory: /nowhere/check")


async def test_file(tmp_path):
    path = tmp_path / "disable"
    probe = FileProbe(path=str(path))
    assert await result(probe) == (True, f"{path} is not there")
    path.touch()
    found = await attempt(check(probe), MEANS)
    assert (found.good, found.disabled, found.message) == (False, True, f"disabled by {path}")
    assert (await result(FileProbe(path=f"{path}/below")))[0]


async def test_a_file_that_cannot_be_looked_for_is_bad_and_not_an_operators_word(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    found = await attempt(check(FileProbe(path=str(loop))), MEANS)
    assert (found.good, found.disabled) == (False, False)
    assert found.message == f"too many levels of symbolic links: {loop}"


async def test_a_check_that_crashes_counts_as_bad_and_is_logged(monkeypatch):
    async def crash(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(http_probe, "get", crash)
    with capture_logs() as logs:
        found = await attempt(check(HttpProbe(url="http://127.0.0.1/")), MEANS)
    assert (found.good, found.message) == (False, "the check itself crashed: ZeroDivisionError('a bug')")
    assert [(line["event"], line["service"], line["check"]) for line in logs] == [
        ("check_crashed", "apex", "check")
    ]


# --- again and again -----------------------------------------------------------------------------------


class Watched:
    """Checks under watch, with every status that was reported and when."""

    def __init__(self, *checks: Check, splay: float = 0.0) -> None:
        self.checks = Latest({one.name: one for one in checks})
        self.reports = []
        self.status = {}
        self.news = Latest(0)
        self._splay = splay

    def _report(self, key, status):
        self.reports.append((asyncio.get_running_loop().time(), key, status))
        self.status[key] = status
        self.news.set(len(self.reports))

    async def __aenter__(self):
        self._task = asyncio.ensure_future(watch(self.checks, self._report, lambda: self._splay))
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task

    async def until(self, health: str, key: str = "check"):
        await self.news.until(
            lambda _: (status := self.status.get(key)) is not None and status.health == health
        )
        return self.status[key]

    def times(self) -> list[float]:
        """When a run ended: the statuses before the first one are left out."""
        return [round(at, 3) for at, _, status in self.reports if status and status.runs]


@simulated
async def test_the_pace_is_fast_while_health_changes_and_slow_otherwise():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with Watched(check(tcp(listening)), splay=1.0) as watched:
            await asyncio.sleep(3.95)
            assert watched.times() == [0.1, 0.2, 0.3, 1.3, 2.3, 3.3]
            assert watched.status["check"].health is Health.UP

            listening.close()
            await asyncio.sleep(2.0)
            assert watched.times()[6:] == [4.3, 4.4, 4.5, 5.5]
            assert watched.status["check"].health is Health.DOWN


@simulated
async def test_the_first_slow_wait_is_a_random_part_of_it():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with Watched(check(tcp(listening), interval=10.0, rise=2), splay=0.25) as watched:
            await asyncio.sleep(25)
            assert watched.times() == [0.025, 0.125, 2.625, 12.625, 22.625]


@simulated
async def test_a_file_is_looked_for_at_the_fast_pace_and_counts_at_once(tmp_path_factory):
    path = tmp_path_factory.mktemp("switch") / "disable"
    async with Watched(check(FileProbe(path=str(path)))) as watched:
        await asyncio.sleep(0.01)
        assert watched.status["check"].health is Health.UP
        path.touch()
        await asyncio.sleep(0.1)
        assert watched.status["check"].health is Health.DISABLED
        path.unlink()
        await asyncio.sleep(0.1)
        assert watched.status["check"].health is Health.UP


async def test_a_run_that_takes_longer_than_the_interval_is_followed_by_one_and_not_by_a_pile(tmp_path):
    note = f"echo . >> {tmp_path}/runs"
    pace = {"interval": 0.02, "fast_interval": 0.02, "timeout": 30.0, "fall": 1}
    async with Watched(check(command(f"{note}; sleep 0.3; false"), **pace)) as watched:
        await watched.news.until(
            lambda _: bool(watched.status) and sum(watched.status["check"].runs.values()) >= 3
        )
        first, second, third = watched.times()[:3]
    assert second - first >= 0.3
    assert third - second >= 0.3
    assert len((tmp_path / "runs").read_text().split()) in (3, 4)


@simulated
async def test_first_it_is_rising_and_each_run_is_reported():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with Watched(check(tcp(listening), rise=2), splay=1.0) as watched:
            await asyncio.sleep(0.25)
    assert [
        (round(at, 3), status.health.value, status.streak, round(status.since, 3))
        for at, _, status in watched.reports
    ] == [(0.0, "rising", 0, 0.0), (0.1, "rising", 1, 0.0), (0.2, "up", 2, 0.2)]
    assert watched.reports[-1][2].last.duration == 0.0


@simulated
async def test_a_check_that_is_gone_is_reported_so_and_the_others_do_not_notice():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stays = check(tcp(listening))
        goes = replace(stays, name="goes")
        async with Watched(stays, goes) as watched:
            await asyncio.sleep(1)
            up_since = watched.status["check"].since
            watched.checks.set({"check": stays})
            await asyncio.sleep(1)
            assert watched.status["goes"] is None
            assert watched.status["check"].since == up_since
            told = [key for _, key, _ in watched.reports]
            watched.checks.set({"check": stays, "goes": goes})
            await asyncio.sleep(0.05)
            assert watched.status["goes"].health is Health.RISING
            assert told.count("goes") > 3
    assert watched.status["check"] is not None  # leaving is not news of the checks


@simulated
async def test_a_changed_probe_starts_anew_and_a_changed_pace_does_not():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        before = check(tcp(listening))
        async with Watched(before) as watched:
            await asyncio.sleep(1)
            runs = watched.status["check"].runs["good"]

            slower = replace(before, interval=2.0, fall=5)
            watched.checks.set({"check": slower})
            await asyncio.sleep(0.05)
            status = watched.status["check"]
            assert (status.check, status.health) == (slower, Health.UP)
            assert status.runs["good"] >= runs

            other = replace(before, probe=TcpProbe(host="localhost", port=before.probe.port))
            watched.checks.set({"check": other})
            await asyncio.sleep(0.05)
            status = watched.status["check"]
            assert (status.check, status.health) == (other, Health.RISING)
            assert status.runs == {"good": 1}
            assert None not in [status for _, _, status in watched.reports]


@simulated
async def test_what_is_logged(tmp_path_factory):
    path = tmp_path_factory.mktemp("switch") / "disable"
    one = replace(check(FileProbe(path=str(path))), vip="192.0.2.1")
    with capture_logs() as logs:
        async with Watched(one):
            await asyncio.sleep(0.25)
            path.touch()
            await asyncio.sleep(0.1)
    bound = {"service": "apex", "check": "check", "vip": "192.0.2.1"}
    absent, disabled = f"{path} is not there", f"disabled by {path}"
    up = {"event": "health_changed", "old": "rising", "new": "up", "reason": absent, "after": 0.0}
    down = {"event": "health_changed", "old": "up", "new": "disabled", "reason": disabled, "after": 0.3}
    assert logs == [
        {**bound, **up, "log_level": "info"},
        {**bound, "event": "check_failed", "reason": disabled, "output": "", "log_level": "debug"},
        {**bound, **down, "log_level": "info"},
    ]


async def test_leaving_kills_what_runs(tmp_path):
    async with Watched(check(command(f"echo $$ > {tmp_path}/pid; sleep 1000"), timeout=1000.0)):
        async with asyncio.timeout(10):
            while not (tmp_path / "pid").exists():  # noqa: ASYNC110 - nobody tells when a file is written
                await asyncio.sleep(0.01)
    assert not subprocesses._children
