"""The http and https checks: one GET on a connection of its own, and what its answer is worth.

aiohttp is imported at the first check, in small steps.
"""

import functools
import os
import re
import socket
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from vipd import __version__, words
from vipd.health import HttpProbe, Result
from vipd.imports import staged
from vipd.names import Names

if TYPE_CHECKING:
    import aiohttp

Seconds = float

BODY: Final = 65536  # octets of an answer that are read and matched


async def get(probe: HttpProbe, names: Names, within: Seconds) -> Result:
    """Ask once. Raises OSError where no answer came; that it comes in time is for the caller to see to."""
    await staged("aiohttp")
    import aiohttp  # noqa: PLC0415 - staged above: too heavy to stand at the top

    try:
        status, body = await _ask(probe, names, within)
    except aiohttp.ClientConnectorCertificateError as error:
        raise OSError(f"certificate not accepted: {_certificate(error.certificate_error)}") from error
    except aiohttp.ClientConnectorSSLError as error:
        raise OSError(f"TLS failed: {_tls_reason(error.os_error)}") from error
    except aiohttp.ClientConnectorError as error:
        raise error.os_error from error
    except aiohttp.ServerDisconnectedError as error:
        raise OSError("connection closed before an answer") from error
    except aiohttp.ClientPayloadError as error:
        raise OSError("connection closed before the end of the answer") from error
    except aiohttp.ClientResponseError as error:
        raise OSError("what answers does not speak HTTP") from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise OSError(f"{probe.url} is no URL to be asked for") from error
    return _judge(probe, status, body)


async def _ask(probe: HttpProbe, names: Names, within: Seconds) -> tuple[int, bytes]:
    import aiohttp  # noqa: PLC0415 - staged by `get`

    headers = [("User-Agent", f"vipd/{__version__}"), *probe.headers]
    if probe.host is not None:
        headers.append(("Host", probe.host))
    connector = aiohttp.TCPConnector(
        force_close=True, use_dns_cache=False, resolver=_resolver(names, within), ssl=_trust(probe)
    )
    async with (
        aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the caller's is the only one
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
        ) as session,
        session.get(
            probe.url, headers=headers, allow_redirects=False, server_hostname=probe.tls_name
        ) as response,
    ):
        body = b""
        while len(body) < BODY and (chunk := await response.content.read(BODY - len(body))):
            body += chunk
        response.close()  # whatever else it may have to say
        return response.status, body


def _judge(probe: HttpProbe, status: int, body: bytes) -> Result:
    if not any(low <= status <= high for low, high in probe.status):
        expected = ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in probe.status)
        return Result(good=False, message=f"status {status}, expected {expected}")
    if probe.body is not None and not re.search(probe.body, body.decode(errors="replace")):
        return Result(good=False, message=f"body does not match {probe.body!r}")
    phrase = next((known.phrase for known in HTTPStatus if known == status), "")
    return Result(good=True, message=f"{status} {phrase}".rstrip())


# --- TLS ----------------------------------------------------------------------------------------------


def _trust(probe: HttpProbe) -> ssl.SSLContext | bool:
    """What aiohttp takes for `ssl`: True stands for the system's CAs, False for anybody."""
    if not probe.tls_verify or probe.tls_ca is None:
        return probe.tls_verify
    found = os.stat(probe.tls_ca)  # noqa: PTH116 - one system call, as often as we ask
    return _context(probe.tls_ca, (found.st_ino, found.st_mtime_ns, found.st_size))


@functools.lru_cache(maxsize=64)
def _context(path: str, version: tuple[int, ...]) -> ssl.SSLContext:
    """Read the CA file, once for each of its versions."""
    del version
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise OSError(f"no CA certificate in {path}") from error


def _certificate(error: Exception) -> str:
    return words.clause(error.verify_message if isinstance(error, ssl.CertificateError) else str(error))


def _tls_reason(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    return (reason or str(error)).lower().replace("_", " ")


# --- names --------------------------------------------------------------------------------------------


def _resolver(names: Names, within: Seconds) -> "aiohttp.abc.AbstractResolver":
    """Our way to look up names, as aiohttp wants it: its own takes threads."""
    from aiohttp.abc import AbstractResolver, ResolveResult  # noqa: PLC0415 - staged by `get`

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            del family  # of whichever it is
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for address in await names.addresses(host, within=within)
            ]

        async def close(self) -> None: ...

    return Resolver()
