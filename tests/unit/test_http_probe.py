import asyncio
import errno
import socket
import ssl
import struct
import threading
from contextlib import asynccontextmanager, suppress

import pytest
import trustme

from vipd.health import HttpProbe
from vipd.http_probe import BODY, get
from vipd.names import Names

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n"


@pytest.fixture(autouse=True)
async def no_complaint_of_the_loop():
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    yield
    assert not complaints
    assert threading.active_count() == 1


@asynccontextmanager
async def serving(answer, *, tls=None, host="127.0.0.1"):
    """A server that reads one request and hands it to `answer(request, writer)`; yields its port."""
    gone = asyncio.Event()

    async def serve(reader, writer):
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):  # a probe may have heard enough
                await answer((await reader.readuntil(b"\r\n\r\n")).decode(), writer)
                await writer.drain()
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            gone.set()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        if not tls:
            await gone.wait()  # the connection is gone with the probe


def says(octets: bytes):
    async def answer(request, writer):
        writer.write(octets)

    return answer


async def ask(answer, path="/", **asked):
    async with serving(answer) as port:
        return await get(HttpProbe(url=f"http://127.0.0.1:{port}{path}", **asked), Names(), 5.0)


async def fails(answer, **asked) -> str:
    with pytest.raises(OSError) as failure:  # noqa: PT011 - its words are looked at by the caller
        await ask(answer, **asked)
    return str(failure.value)


def status(line: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("line", "accepted", "good", "message"),
    [
        ("200 OK", ((200, 299),), True, "200 OK"),
        ("204 No Content", ((200, 299),), True, "204 No Content"),
        ("299 Whatever\x1b[1m it says", ((200, 299),), True, "299"),
        ("503 Service Unavailable", ((200, 299),), False, "status 503, expected 200-299"),
        ("200 OK", ((204, 204), (301, 302)), False, "status 200, expected 204, 301-302"),
        ("404 Not Found", ((404, 404),), True, "404 Not Found"),
    ],
)
async def test_the_status_decides(line, accepted, good, message):
    result = await ask(says(status(line)), status=accepted)
    assert (result.good, result.message) == (good, message)


async def test_a_redirect_is_not_followed():
    asked = []

    async def redirect(request, writer):
        asked.append(request)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    assert (await ask(redirect)).message == "status 302, expected 200-299"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("pattern", "good"), [("^fine$", True), ("f.n", True), ("Fine", False), ("(?i)FINE", True)]
)
async def test_the_body_is_searched(pattern, good):
    result = await ask(says(OK), body=pattern)
    assert result.good is good
    assert result.message == ("200 OK" if good else f"body does not match {pattern!r}")


async def test_the_status_is_looked_at_before_the_body():
    assert "status 500" in (await ask(says(status("500 Oops", "fine")), body="fine")).message


async def test_a_body_that_is_no_text_is_searched_all_the_same():
    assert (await ask(says(b"HTTP/1.0 200 OK\r\n\r\n\xff\xfe fine \xff"), body="fine")).good


async def test_of_a_body_without_end_so_much_is_read_and_no_more():
    sent = 0

    async def flood(request, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"flood\n" * 1000)
            await writer.drain()
            sent += 6000

    assert (await ask(flood, body="flood")).good
    assert sent < 100 * BODY


async def test_what_stands_after_the_part_that_is_read_does_not_count():
    assert (await ask(says(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (BODY - 4) + b"fine"), body="fine")).good
    assert not (await ask(says(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (BODY - 3) + b"fine"), body="fine")).good


async def test_what_is_asked():
    asked = []

    async def answer(request, writer):
        asked.append(request)
        writer.write(OK)

    headers = (("X-Check", "vipd"), ("X-Check", "twice"))
    assert (
        await ask(answer, path="/health%2Fcheck?deep=1&x=%20", host="www.example.org", headers=headers)
    ).good
    first, *lines = asked[0].rstrip().split("\r\n")
    assert first == "GET /health%2Fcheck?deep=1&x=%20 HTTP/1.1"
    assert {"Host: www.example.org", "X-Check: vipd", "X-Check: twice", "Connection: close"} <= set(lines)
    assert not [line for line in lines if line.startswith(("Accept-Encoding", "Cookie"))]
    assert [line for line in lines if line.startswith("User-Agent: vipd/")]


async def test_without_a_host_of_its_own_it_is_the_url_s():
    asked = []

    async def answer(request, writer):
        asked.append(request)
        writer.write(OK)

    async with serving(answer) as port:
        assert (await get(HttpProbe(url=f"http://localhost:{port}/"), Names(), 5.0)).good
    assert f"Host: localhost:{port}\r\n" in asked[0]


async def test_over_ipv6():
    async with serving(says(OK), host="::1") as port:
        assert (await get(HttpProbe(url=f"http://[::1]:{port}/"), Names(), 5.0)).good


async def test_each_request_has_a_connection_of_its_own():
    ports = set()

    async def answer(request, writer):
        ports.add(writer.get_extra_info("peername")[1])
        writer.write(OK)

    for _ in range(3):
        await ask(answer)
    assert len(ports) == 3


# --- what goes wrong -----------------------------------------------------------------------------------


async def test_nobody_listens():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await get(HttpProbe(url=f"http://127.0.0.1:{port}/"), Names(), 5.0)


async def test_nobody_listens_on_any_address_of_a_name():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await get(HttpProbe(url=f"http://localhost:{port}/"), Names(), 5.0)


async def test_a_name_without_address():
    with pytest.raises(OSError, match=r"^no-such-host\.invalid: "):
        await get(HttpProbe(url="http://no-such-host.invalid/"), Names(), 20.0)


async def test_an_answer_that_is_no_http():
    assert await fails(says(b"220 smtp.example.org ESMTP\r\n")) == "what answers does not speak HTTP"
    assert await fails(says(b"\x00\xff" * 100)) == "what answers does not speak HTTP"


async def test_headers_without_end():
    assert await fails(says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000)) == "what answers does not speak HTTP"


async def test_a_connection_that_is_closed_early():
    assert await fails(says(b"")) == "connection closed before an answer"
    assert await fails(says(b"HTTP/1.1 200 OK\r\nContent-Le")) == "connection closed before an answer"
    cut = says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfine")
    assert await fails(cut) == "connection closed before the end of the answer"


async def test_a_connection_that_is_reset():
    async def reset(request, writer):
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()

    with pytest.raises(OSError) as failure:  # noqa: PT011 - its number is looked at
        await ask(reset)
    assert failure.value.errno == errno.ECONNRESET


async def test_one_that_hangs_is_left_when_time_is_up():
    left = asyncio.Event()

    async def hang(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfine")
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await get(HttpProbe(url=f"http://127.0.0.1:{port}/"), Names(), 5.0)
        await left.wait()


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/", "gopher://127.0.0.1/"])
async def test_what_is_no_url(url):
    with pytest.raises(OSError, match="no URL"):
        await get(HttpProbe(url=url), Names(), 5.0)


# --- https ---------------------------------------------------------------------------------------------

CA = trustme.CA()


def server_tls(*names: str, **kind) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CA.issue_cert(*names, **kind).configure_cert(context)
    return context


@pytest.fixture
def ca(tmp_path) -> str:
    path = tmp_path / "ca.pem"
    CA.cert_pem.write_to_path(path)
    return str(path)


async def ask_tls(context, host="127.0.0.1", answer=says(OK), **asked):  # noqa: B008 - a constant
    async with serving(answer, tls=context) as port:
        return await get(HttpProbe(url=f"https://{host}:{port}/", **asked), Names(), 5.0)


async def test_a_certificate_of_the_ca_for_the_address(ca):
    assert (await ask_tls(server_tls("127.0.0.1"), tls_ca=ca)).good


async def test_a_certificate_of_the_ca_for_the_name_in_the_url(ca):
    assert (await ask_tls(server_tls("localhost"), host="localhost", tls_ca=ca)).good


async def test_the_name_that_is_sent_and_verified_may_be_another(ca):
    context = server_tls("www.example.org")
    sent = []
    context.sni_callback = lambda tls, name, of: sent.append(name)
    assert (await ask_tls(context, tls_ca=ca, tls_name="www.example.org")).good
    assert sent == ["www.example.org"]


async def test_a_certificate_for_another_name(ca):
    with pytest.raises(OSError, match=r"^certificate not accepted: IP address mismatch, .*'127\.0\.0\.1'$"):
        await ask_tls(server_tls("www.example.org"), tls_ca=ca)
    with pytest.raises(
        OSError, match=r"^certificate not accepted: hostname mismatch, .*'mail\.example\.org'$"
    ):
        await ask_tls(server_tls("www.example.org"), tls_ca=ca, tls_name="mail.example.org")


async def test_a_certificate_of_nobody_we_know():
    with pytest.raises(OSError, match=r"^certificate not accepted: .*certificate"):
        await ask_tls(server_tls("127.0.0.1"))


async def test_any_certificate_will_do_where_it_is_not_verified():
    assert (await ask_tls(server_tls("www.example.org"), tls_verify=False)).good


async def test_a_new_ca_file_is_read(tmp_path, ca):
    path = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(path)
    with pytest.raises(OSError, match="certificate not accepted"):
        await ask_tls(server_tls("127.0.0.1"), tls_ca=str(path))
    CA.cert_pem.write_to_path(path)
    assert (await ask_tls(server_tls("127.0.0.1"), tls_ca=str(path))).good


async def test_a_ca_file_that_is_none(tmp_path):
    nowhere = tmp_path / "nowhere.pem"
    with pytest.raises(FileNotFoundError):
        await ask_tls(server_tls("127.0.0.1"), tls_ca=str(nowhere))
    nowhere.write_text("no certificate")
    with pytest.raises(OSError, match=r"^no CA certificate in .*nowhere\.pem"):
        await ask_tls(server_tls("127.0.0.1"), tls_ca=str(nowhere))


async def test_https_where_http_is_spoken():
    async def complain(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(complain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OSError, match=r"^TLS failed: wrong version number$"):
            await get(HttpProbe(url=f"https://127.0.0.1:{port}/"), Names(), 5.0)


async def test_http_where_https_is_spoken():
    async with serving(says(OK), tls=server_tls("127.0.0.1")) as port:
        with pytest.raises(OSError, match=r"closed before|reset|not speak HTTP"):
            await get(HttpProbe(url=f"http://127.0.0.1:{port}/"), Names(), 5.0)
