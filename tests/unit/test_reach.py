"""TLS towards ZooKeeper, as the configuration asks for it."""

import asyncio
import ssl

import pytest
import trustme

from vipd.config import TlsConfig
from vipd.reach import context


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def files(authority, tmp_path):
    """A certificate of ours with its key, and the CA's, as files."""
    ours = authority.issue_cert("pod.example")
    ca, certificate, key = (tmp_path / name for name in ("ca.pem", "crt.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(ca))
    ours.cert_chain_pems[0].write_to_path(str(certificate))
    ours.private_key_pem.write_to_path(str(key))
    return TlsConfig(ca=str(ca), certificate=str(certificate), key=str(key))


@pytest.fixture
async def server(authority):
    """A server that wants to know who asks, and says so."""
    wants = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(wants)
    authority.configure_trust(wants)
    wants.verify_mode = ssl.CERT_REQUIRED

    async def answer(_, writer: asyncio.StreamWriter) -> None:
        writer.write(dict(writer.get_extra_info("peercert")["subjectAltName"])["DNS"].encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=wants) as listening:
        yield listening.sockets[0].getsockname()[1]


async def greeted(port: int, tls: ssl.SSLContext, name: str = "localhost") -> bytes:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
        octets = await reader.read()
        writer.close()
        return octets


async def test_both_sides_prove_who_they_are(server, files):
    assert await greeted(server, context(files)) == b"pod.example"


async def test_a_server_of_another_authority_or_name_is_refused(server, files):
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeted(server, context(TlsConfig(certificate=files.certificate, key=files.key)))
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeted(server, context(files), "other.example")


async def test_unless_nobody_is_to_look(server, files):
    blind = TlsConfig(certificate=files.certificate, key=files.key, verify=False)
    assert await greeted(server, context(blind), "other.example") == b"pod.example"


def test_files_that_cannot_be_used(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    for tls in (
        TlsConfig(ca=str(tmp_path / "absent")),
        TlsConfig(ca=str(empty)),
        TlsConfig(certificate=str(empty)),
    ):
        with pytest.raises(OSError):  # noqa: PT011 - of TLS or of the file: both are one to whoever asks
            context(tls)
