"""What answers when asked: GET /metrics /healthz /readyz /status, over TCP and over a unix socket.

Over TCP it only reads. What changes anything is a POST, and is heard on the unix socket alone. Nothing
is rendered unless asked for, and no client, slow or hostile, costs more than a few connections and a fifth of
the loop's time.
"""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Never

import structlog

from vipd.children import follow
from vipd.config import ApiConfig
from vipd.imports import staged
from vipd.latest import Latest
from vipd.listeners import Place, listening, spell
from vipd.status import Observed, snapshot, unready
from vipd.steps import Steps
from vipd.words import clause

if TYPE_CHECKING:
    from aiohttp import web

log = structlog.get_logger()

Seconds = float
Source = Callable[[], Observed]
Answer = tuple[int, str, bytes]  # HTTP status, content type, body
Page = Steps[Answer]
Answers = Mapping[str, Callable[[], Page]]  # by path; each call renders the page anew
Orders = Mapping[str, Callable[[Any], object]]  # by path: from JSON to JSON, or ValueError: why not

CONNECTIONS: Final = 16  # at a time, on each listener; more are closed at once
PATIENCE: Final[Seconds] = 10.0  # for a connection, from its first octet to the last of our answer
TURN: Final[Seconds] = 0.01  # for which a page is rendered before others have as long
REST: Final = 4  # when a page took t to render, none is for 4 t
GRACE: Final[Seconds] = 1.0  # for answers under way, when a listener goes
RETRY: Final[Seconds] = 1.0  # doubles up to:
RETRY_MAX: Final[Seconds] = 60.0

METHODS: Final = ("GET", "HEAD")
JSON: Final = "application/json"
NOBODY: Final[Orders] = {}  # may change anything
LONGEST: Final = 16384  # octets of an order


@asynccontextmanager
async def serve(
    config: Latest[ApiConfig],
    source: Source,
    *,
    orders: Orders = NOBODY,
    after: Callable[[], Awaitable[object]] | None = None,
) -> AsyncIterator[None]:
    """Answer while inside. The libraries are imported, and the listeners opened, once `after()` is done."""
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(_serve(config, source, orders, after), name="api")
        try:
            yield
        finally:
            serving.cancel()


async def _serve(
    config: Latest[ApiConfig],
    source: Source,
    orders: Orders,
    after: Callable[[], Awaitable[object]] | None,
) -> Never:
    if after is not None:
        await after()
    await staged("aiohttp.web", "prometheus_client", "vipd.metrics")
    answers = _answers(source)
    places: Latest[Mapping[str, Place]] = Latest({})

    async def listen(kind: str, place: Place) -> None:
        await _listen(kind, place, answers, orders if kind == "unix" else NOBODY)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow(places, listen), name="api listeners")
        async for section in config:
            wanted: dict[str, Place | None] = {"tcp": section.listen, "unix": section.socket}
            places.set({kind: place for kind, place in wanted.items() if place})
    raise AssertionError("a Latest never ends")  # the loop above leaves only by an exception


# --- what is answered ---------------------------------------------------------------------------------


def _answers(source: Source) -> Answers:
    from vipd import metrics  # noqa: PLC0415 - with what it imports it is too heavy for the start

    process = metrics.of_the_process()

    def healthz() -> Page:
        yield
        return 200, JSON, _json({"alive": True})  # the loop answers: that is all it says

    def readyz() -> Page:
        why = yield from unready(source())
        return 503 if why else 200, JSON, _json({"ready": not why, "unready": why})

    def status() -> Page:
        text = yield from snapshot(source())
        return 200, JSON, text + b"\n"

    def scrape() -> Page:
        text = yield from metrics.page(source(), process)
        return 200, metrics.CONTENT_TYPE, text

    def maintenance() -> Page:
        yield
        return 200, JSON, _json({"maintenance": dict(source().maintenance)})

    return {
        "/healthz": healthz,
        "/readyz": readyz,
        "/status": status,
        "/metrics": scrape,
        "/maintenance": maintenance,
    }


class _Pace:
    """Renders pages one after the other, with rests in between."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._rested_at: Seconds = 0.0

    async def render(self, page: Page) -> Answer:
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(self._rested_at - loop.time())
            worked, began = 0.0, loop.time()
            try:
                while True:
                    next(page)
                    if (turn := loop.time() - began) >= TURN:
                        worked += turn
                        await asyncio.sleep(turn)
                        began = loop.time()
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            finally:
                ended = loop.time()
                self._rested_at = ended + REST * (worked + ended - began)


async def _answer(request: "web.BaseRequest", answers: Answers, orders: Orders, pace: _Pace) -> Answer:
    order = orders.get(request.path) if request.method == "POST" else None
    page = answers.get(request.path)
    if page is None:
        return 404, JSON, _json({"error": f"there is no {request.path}", "pages": sorted(answers)})
    if order is None and request.method not in METHODS:
        return 405, JSON, _json({"error": f"{request.method} is not allowed", "allowed": METHODS})
    try:
        return await (pace.render(page()) if order is None else _obey(request, order))
    except Exception:  # whatever is wrong with a page, no announcement may go with it
        log.exception("request_failed", path=request.path)
        return 500, JSON, _json({"error": "this is a bug in vipd; its log has the traceback"})


async def _obey(request: "web.BaseRequest", order: Callable[[Any], object]) -> Answer:
    if (request.content_length or 0) > LONGEST:
        return 413, JSON, _json({"error": f"an order takes at most {LONGEST} octets"})
    try:
        return 200, JSON, _json(order(json.loads(await request.read())))
    except (ValueError, RecursionError) as error:
        return 400, JSON, _json({"error": str(error)})


def _json(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


# --- where it is answered -----------------------------------------------------------------------------


async def _listen(kind: str, place: Place, answers: Answers, orders: Orders) -> None:
    """Serve at one place for ever; where that is taken or forbidden, try again, ever more rarely."""
    from aiohttp import web  # noqa: PLC0415 - too heavy for the start

    pace = _Pace()

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        status, content_type, body = await _answer(request, answers, orders, pace)
        headers = {"Content-Type": content_type, "Server": "vipd"}
        response = web.Response(status=status, body=body, headers=headers)
        if status == 405:
            response.headers["Allow"] = ", ".join(METHODS)
        response.force_close()  # one connection, one request: nothing idle to keep count of
        return response

    logging.getLogger("aiohttp.server").addFilter(_worth_a_line)
    with ExitStack() as stack:
        listener = await _opened(kind, place, stack)
        server = web.Server(respond, access_log=None, lingering_time=0)
        try:
            await _accept(listener, server)
        finally:
            listener.close()
            await server.shutdown(GRACE)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Tell whether it is more than a client that does not speak HTTP: the answer, 400, is enough for that."""
    from aiohttp.http_exceptions import HttpProcessingError  # noqa: PLC0415 - as in `_listen`

    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


async def _opened(kind: str, place: Place, stack: ExitStack) -> socket.socket:
    pause = RETRY
    while True:
        try:
            listener = stack.enter_context(listening(place))
        except OSError as error:
            if pause == RETRY:  # said once, not at every attempt
                log.warning("api_listen_failed", listener=kind, address=spell(place), reason=_reason(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_MAX)
        else:
            log.info("api_listening", listener=kind, address=spell(place))
            return listener


async def _accept(listener: socket.socket, server: "web.Server") -> Never:
    loop = asyncio.get_running_loop()
    failing = False
    while True:
        try:
            connection, _ = await loop.sock_accept(listener)
            if len(server.connections) >= CONNECTIONS:
                connection.close()
                await asyncio.sleep(0)  # a flood of them is not a reason to do nothing else
                continue
            transport, _ = await loop.connect_accepted_socket(server, connection)
            loop.call_later(PATIENCE, transport.abort)
            failing = False
        except OSError as error:  # no file descriptor left, or the client is gone already
            if not failing:
                log.warning("api_accept_failed", reason=_reason(error))
            failing = True
            await asyncio.sleep(RETRY)


def _reason(error: OSError) -> str:
    return clause(error.strerror or str(error))
