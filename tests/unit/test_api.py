import asyncio
import contextlib
import json
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from scene import observed
from vipd import api
from vipd.config import ApiConfig
from vipd.coord.member import Phase
from vipd.latest import Latest
from vipd.status import Observed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def config(tmp_path) -> ApiConfig:
    return ApiConfig(listen=("127.0.0.1", free_port()), socket=str(tmp_path / "vipd.sock"))


@pytest.fixture
def events():
    with structlog.testing.capture_logs() as captured:
        yield captured


def there(path: str) -> bool:
    return Path(path).exists()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is a line of the log, or a server's answer
            await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(
    config: Latest[ApiConfig], events: list, source: Callable[[], Observed] = observed, listeners: int = 2
) -> AsyncIterator[None]:
    def opened() -> int:
        return sum(event["event"] == "api_listening" for event in events)

    async with api.serve(config, source):
        await until(lambda: opened() >= listeners)
        yield


class Answer:
    def __init__(self, octets: bytes) -> None:
        head, _, self.body = octets.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def json(self):
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


async def ask(where: tuple[str, int] | str, path: str, method: str = "GET", body: str = "") -> Answer:
    connecting = (
        asyncio.open_unix_connection(where) if isinstance(where, str) else asyncio.open_connection(*where)
    )
    async with asyncio.timeout(20):
        reader, writer = await connecting
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n{body}".encode())
        octets = await reader.read()
        writer.close()
        await writer.wait_closed()
    return Answer(octets)


async def test_both_listeners_answer_all_pages(config, events):
    async with serving(Latest(config), events):
        for where in (config.listen, config.socket):
            alive = await ask(where, "/healthz")
            assert (alive.status, alive.json) == (200, {"alive": True})
            status = await ask(where, "/status")
            assert status.json["neighbors"][0]["name"] == "tor-a"
            metrics = await ask(where, "/metrics")
            assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert b'vipd_bgp_session_up{peer="10.0.0.2"} 1.0\n' in metrics.body
            ready = await ask(where, "/readyz")
            assert ready.status == 503
            assert ready.json["unready"][0].startswith("apex: 2001:db8::1 is not announced")


async def test_ready(config, events):
    def nothing_to_do() -> Observed:
        scene = observed()
        return replace(scene, config=replace(scene.config, services=()))

    async with serving(Latest(config), events, nothing_to_do):
        answer = await ask(config.listen, "/readyz")
        assert (answer.status, answer.json) == (200, {"ready": True, "unready": []})


async def test_facts_are_asked_for_at_every_request_and_not_before(config, events):
    asked = []

    def source() -> Observed:
        asked.append(None)
        return observed(phase=Phase.LEFT)

    async with serving(Latest(config), events, source):
        await ask(config.listen, "/healthz")
        assert asked == []
        assert (await ask(config.listen, "/status")).json["phase"] == "left"
        assert len(asked) == 1


async def test_head_has_no_body(config, events):
    async with serving(Latest(config), events):
        answer = await ask(config.listen, "/healthz", "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == "16"
        assert answer.headers["connection"] == "close"
        assert answer.headers["server"] == "vipd"


async def test_what_there_is_not(config, events):
    async with serving(Latest(config), events):
        answer = await ask(config.listen, "/statsu?x=1")
        assert answer.status == 404
        assert answer.json == {
            "error": "there is no /statsu",
            "pages": ["/healthz", "/maintenance", "/metrics", "/readyz", "/status"],
        }


async def test_what_may_not_be_done(config, events):
    async with serving(Latest(config), events):
        answer = await ask(config.listen, "/status", "DELETE")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert answer.json == {"error": "DELETE is not allowed", "allowed": ["GET", "HEAD"]}


async def post(where: tuple[str, int] | str, path: str, body: str) -> Answer:
    return await ask(where, path, "POST", body)


@asynccontextmanager
async def obeying(config: ApiConfig, events: list, order: Callable[[object], object]) -> AsyncIterator[None]:
    async with api.serve(Latest(config), observed, orders={"/maintenance": order}):
        await until(lambda: sum(event["event"] == "api_listening" for event in events) == 2)
        yield


async def test_an_order_is_taken_on_the_unix_socket_alone(config, events):
    taken = []

    def order(wish: object) -> object:
        taken.append(wish)
        return {"done": True}

    async with obeying(config, events, order):
        answer = await post(config.socket, "/maintenance", '{"on": true}')
        assert (answer.status, answer.json, taken) == (200, {"done": True}, [{"on": True}])
        over_tcp = await post(config.listen, "/maintenance", '{"on": true}')
        assert (over_tcp.status, over_tcp.headers["allow"]) == (405, "GET, HEAD")
        assert (await post(config.socket, "/status", "{}")).status == 405
        assert len(taken) == 1


async def test_an_order_that_is_refused_says_why(config, events):
    def order(wish: object) -> object:
        raise ValueError(f"not {wish}")

    async with obeying(config, events, order):
        refused = await post(config.socket, "/maintenance", "7")
        assert (refused.status, refused.json) == (400, {"error": "not 7"})
        assert (await post(config.socket, "/maintenance", "{")).status == 400
        assert (await post(config.socket, "/maintenance", "[" * 10_000)).status == 400
        assert (await post(config.socket, "/maintenance", " " * 20_000)).status == 413


async def test_a_bug_in_an_order_is_told_and_ends_nothing(config, events):
    def order(wish: object) -> object:
        raise RuntimeError("a bug")

    async with obeying(config, events, order):
        assert (await post(config.socket, "/maintenance", "1")).status == 500
        assert (await ask(config.socket, "/healthz")).status == 200
    assert any(event["event"] == "request_failed" for event in events)


async def test_what_is_off_the_air_here_can_be_read(config, events):
    async with serving(Latest(config), events, lambda: observed(maintenance={"apex": "disk"})):
        assert (await ask(config.listen, "/maintenance")).json == {"maintenance": {"apex": "disk"}}


async def test_a_bug_in_a_page_is_told_and_ends_nothing(config, events):
    def source() -> Observed:
        raise RuntimeError("a bug")

    async with serving(Latest(config), events, source):
        answer = await ask(config.listen, "/status")
        assert answer.status == 500
        assert "bug" in answer.json["error"]
        (event,) = [event for event in events if event["event"] == "request_failed"]
        assert event["path"] == "/status"
        assert (await ask(config.listen, "/healthz")).status == 200


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"x" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_nonsense_is_answered_and_the_connection_closed(config, events, octets, caplog):
    async with serving(Latest(config), events):
        reader, writer = await asyncio.open_connection(*config.listen)
        async with asyncio.timeout(20):
            writer.write(octets)
            with contextlib.suppress(ConnectionError):
                answer = await reader.read()
                assert b" 400 " in answer
        writer.close()
        assert (await ask(config.listen, "/healthz")).status == 200
        assert not [event for event in events if event["log_level"] == "error"]
    assert not [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")]


async def test_a_client_that_says_nothing_is_let_go(config, events, monkeypatch):
    monkeypatch.setattr(api, "PATIENCE", 0.05)
    async with serving(Latest(config), events):
        reader, writer = await asyncio.open_connection(*config.listen)
        writer.write(b"GET /status HT")
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


async def test_a_client_that_does_not_read_is_let_go(config, events, monkeypatch):
    monkeypatch.setattr(api, "PATIENCE", 0.2)
    large = observed(reading=replace(observed().reading, error="x" * 30_000_000))
    async with serving(Latest(config), events, lambda: large):
        client = socket.create_connection(config.listen)
        client.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        client.settimeout(0)
        loop = asyncio.get_running_loop()
        received = 0
        async with asyncio.timeout(20):
            await asyncio.sleep(0.5)  # longer than its patience
            with contextlib.suppress(ConnectionResetError):
                while octets := await loop.sock_recv(client, 1 << 20):
                    received += len(octets)
        assert received < 30_000_000
        client.close()


async def test_no_more_connections_than_a_few(config, events):
    async with serving(Latest(config), events):
        clients = [await asyncio.open_connection(*config.listen) for _ in range(api.CONNECTIONS)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection(*config.listen)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b"", "one too many is closed at once"
            writer.close()
            # The operator has a listener of his own.
            assert (await ask(config.socket, "/healthz")).status == 200
            for _, writer in clients:
                writer.close()
                await writer.wait_closed()
            while not await answered(config.listen):
                pass


async def answered(where: tuple[str, int]) -> bool:
    try:
        return (await ask(where, "/healthz")).status == 200
    except (ConnectionError, IndexError):  # refused, or closed without a word
        return False


async def test_pages_leave_the_loop_most_of_its_time():
    pace = api._Pace()
    loop = asyncio.get_running_loop()
    spent: list[float] = []

    def page() -> api.Page:
        for _ in range(2):
            began = loop.time()
            while loop.time() < began + api.TURN:
                pass
            spent.append(loop.time() - began)
            yield
        return 200, "", b""

    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(pace.render(page()))
    elapsed = loop.time() - began
    # After the last one nobody need rest; and on a busy machine a page takes longer than it meant to.
    assert elapsed >= sum(spent) + 0.95 * api.REST * sum(spent[:-2])


async def test_a_long_page_is_rendered_turn_by_turn():
    loop = asyncio.get_running_loop()
    others = 0  # turns that others had
    seen: list[int] = []

    def page() -> api.Page:
        for _ in range(5):
            began = loop.time()
            while loop.time() < began + api.TURN:
                pass
            seen.append(others)
            yield
        return 200, "", b"whole"

    rendering = asyncio.create_task(api._Pace().render(page()))
    while not rendering.done():
        others += 1
        await asyncio.sleep(0)
    assert await rendering == (200, "", b"whole")
    assert sorted(set(seen)) == seen


async def test_a_port_that_is_taken_is_said_once_and_taken_when_free(config, events, monkeypatch):
    monkeypatch.setattr(api, "RETRY", 0.001)
    monkeypatch.setattr(api, "RETRY_MAX", 0.004)
    blocker = socket.create_server(config.listen)
    async with serving(Latest(config), events, listeners=1):
        await asyncio.sleep(0.05)
        failures = [event for event in events if event["event"] == "api_listen_failed"]
        assert failures == [
            {
                "event": "api_listen_failed",
                "log_level": "warning",
                "listener": "tcp",
                "address": f"127.0.0.1:{config.listen[1]}",
                "reason": "address already in use",
            }
        ]
        assert (await ask(config.socket, "/healthz")).status == 200
        blocker.close()
        await until(lambda: sum(event["event"] == "api_listening" for event in events) == 2)
        assert (await ask(config.listen, "/healthz")).status == 200


async def test_a_socket_that_cannot_be_made_is_said_once_and_vipd_goes_on(config, events, tmp_path):
    (tmp_path / "file").write_text("")
    impossible = replace(config, socket=str(tmp_path / "file" / "vipd.sock"))
    async with serving(Latest(impossible), events, listeners=1):
        await until(lambda: any(event["event"] == "api_listen_failed" for event in events))
        assert (await ask(config.listen, "/healthz")).status == 200


async def test_the_socket_is_gone_afterwards(config, events):
    async with serving(Latest(config), events):
        assert there(config.socket)
    assert not there(config.socket)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*config.listen)


async def test_a_reload_moves_only_what_differs(config, events):
    current = Latest(config)
    async with serving(current, events):
        moved = replace(config, listen=("127.0.0.1", free_port()))
        current.set(moved)
        await until(lambda: sum(event["event"] == "api_listening" for event in events) == 3)
        assert (await ask(moved.listen, "/healthz")).status == 200
        assert (await ask(config.socket, "/healthz")).status == 200
        assert sum(event.get("listener") == "unix" for event in events) == 1
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*config.listen)


async def test_neither_listener_is_fine_too(events):
    async with api.serve(Latest(ApiConfig(listen=None, socket="")), observed):
        await asyncio.sleep(0.01)
    assert events == []


async def test_nothing_is_opened_before_its_time(config, events):
    started = asyncio.Event()
    async with api.serve(Latest(config), observed, after=started.wait):
        await asyncio.sleep(0.05)
        assert events == []
        started.set()
        await until(lambda: len(events) == 2)
        assert (await ask(config.listen, "/healthz")).status == 200


async def test_what_fails_inside_ends_it():
    with pytest.raises(ExceptionGroup) as caught:
        async with api.serve(Latest(ApiConfig(listen=None, socket="")), observed):
            raise ZeroDivisionError
    assert caught.group_contains(ZeroDivisionError)


async def test_without_file_descriptors_it_says_so_once_and_goes_on(config, events, monkeypatch):
    monkeypatch.setattr(api, "RETRY", 0.001)
    async with serving(Latest(config), events):
        client = socket.socket()
        client.settimeout(0)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            with contextlib.suppress(BlockingIOError):
                client.connect(config.listen)
            await until(lambda: any(event["event"] == "api_accept_failed" for event in events))
            await asyncio.sleep(0.02)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert sum(event["event"] == "api_accept_failed" for event in events) == 1
        assert (await ask(config.listen, "/healthz")).status == 200
        client.close()
