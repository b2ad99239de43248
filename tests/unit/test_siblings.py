import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace

import trustme
from structlog.testing import capture_logs

from vipd import reach, siblings
from vipd.config import CoordinationConfig
from vipd.config.sections import TlsConfig
from vipd.coord.directory import LinkState
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.membership import Wish
from vipd.latest import Latest
from vipd.siblings import Siblings
from zookeeper_server import Server as FakeServer
from zookeeper_server import serving


class Story:
    """A pod with a wish for one service, and whatever it has seen of it."""

    def __init__(self, port: int, **changes) -> None:
        ensemble = Ensemble(servers=(Server(host="127.0.0.1", port=port),))
        self.config = CoordinationConfig(**{"ensemble": ensemble, "pod_id": "pod-a"} | changes)
        self.views = Latest(None)
        self.started = asyncio.Event()
        self.where = Latest({"zookeeper": self.config})
        self.siblings = Siblings(
            self.where,
            Latest({"apex": Wish()}),
            lambda _, view: self.views.set(view),
            after=self._after,
            jitter=lambda: 0.5,
        )

    async def _after(self) -> None:
        await self.started.wait()


@asynccontextmanager
async def story(port: int, **changes):
    told = Story(port, **changes)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        meeting = group.create_task(told.siblings.meet())
        yield told
        meeting.cancel()


async def test_zookeeper_is_met_once_the_sessions_have_had_their_start():
    server = FakeServer()
    async with serving(server) as port, story(port) as told:
        for _ in range(10):
            await asyncio.sleep(0)
        assert not server.greetings
        assert told.siblings.link is None
        told.started.set()
        view = await told.views.until(lambda view: view is not None)
        assert view.own.startswith("pod-a~")
        assert told.siblings.link.value.state is LinkState.CONNECTED
    assert told.siblings.link is None
    assert server.count("Close") == 1


async def test_sessions_that_zookeeper_has_given_up_are_counted():
    server = FakeServer()
    async with serving(server) as port, story(port) as told:
        told.started.set()
        first = await told.views.until(lambda view: view is not None)
        server.reset_all()
        await told.siblings.link.until(lambda link: link.generation == 2)
        server.realm.expire(told.siblings.link.value.session_id)
        server.reset_all()
        await told.views.until(lambda view: view is not None and view.own != first.own)
        assert told.siblings.expirations == 1


async def test_another_configuration_is_another_session_and_none_is_none():
    server = FakeServer()
    async with serving(server) as port, story(port) as told:
        told.started.set()
        await told.views.until(lambda view: view is not None)
        told.where.set({"zookeeper": replace(told.config, pod_id="pod-z")})
        await told.views.until(lambda view: view is not None and view.own.startswith("pod-z~"))
        assert server.count("Close") == 1
        told.where.set({})
        await told.views.until(lambda view: view is None)


async def test_certificates_that_cannot_be_read_are_said_once_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(siblings, "AGAIN", 0.02)
    looks = Latest(0)
    look = reach.context

    def counted(tls):
        looks.set(looks.value + 1)
        return look(tls)

    monkeypatch.setattr(reach, "context", counted)
    ca = trustme.CA()
    ours = ca.issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.configure_cert(context)
    paths = {key: str(tmp_path / f"{key}.pem") for key in ("ca", "certificate", "key")}
    async with serving(FakeServer(), ssl=context) as port, story(port, tls=TlsConfig(**paths)) as told:
        told.started.set()
        with capture_logs() as logs:
            await looks.until(lambda count: count >= 3)
            ca.cert_pem.write_to_path(paths["ca"])
            ours.private_key_pem.write_to_path(paths["key"])
            ours.cert_chain_pems[0].write_to_path(paths["certificate"])
            await told.views.until(lambda view: view is not None)
        assert sum(e["event"] == "zookeeper_tls_refused" for e in logs) == 1


async def test_servers_need_not_prove_themselves_where_that_is_said(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("zookeeper.example").configure_cert(context)
    async with serving(FakeServer(), ssl=context) as port, story(port, tls=TlsConfig(verify=False)) as told:
        told.started.set()
        await told.views.until(lambda view: view is not None)
