"""ZooKeeper servers, on loopback addresses or in namespaces, and gates of our own in front of them."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from interop.netns import wait_for
from vipd.coord.directory import Link
from vipd.coord.ensemble import Ensemble as Described
from vipd.coord.ensemble import Server as Address
from vipd.coord.zk_session import Resolve
from vipd.coord.zookeeper import ZooKeeper, connect

JARS = [
    Path("/usr/share/java", f"{name}.jar")
    for name in (
        *("zookeeper", "slf4j-simple"),
        *("netty-codec", "netty-resolver", "netty-transport-native-unix-common"),  # for TLS
    )
]
JAVA = (
    *("java", "-Xms64m", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    *("-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
    *("-Dzookeeper.forceSync=no", "-Dzookeeper.jmx.log4j.disable=true"),
)
NETTY = (
    "-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
    "-Dzookeeper.ssl.clientAuth=want",
)
CONFIG = """
tickTime=200
initLimit=25
syncLimit=25
minSessionTimeout=1000
maxSessionTimeout=10000
dataDir={data}
clientPort=2181
clientPortAddress={address}
admin.enableServer=false
4lw.commands.whitelist=srvr
standaloneEnabled=false
maxClientCnxns=0
"""
TLS_PORT = 2281
T = 2.0  # of most sessions, seconds


class Server:
    """One of the ensemble; its log is in its directory. `enter`: the command that leads to its namespace."""

    def __init__(self, directory: Path, number: int, address: str, *, enter: tuple[str, ...] = ()) -> None:
        self.address = address
        self.enter = enter
        self.directory = directory / f"zookeeper{number}"
        self.number = number
        self.popen: subprocess.Popen | None = None
        self._options: tuple[str, ...] = ()
        self.wipe()

    def configure(self, members: str) -> None:
        config = CONFIG.format(data=self.directory / "data", address=self.address) + members
        (self.directory / "zoo.cfg").write_text(config)

    def speak_tls(self, authority: trustme.CA) -> None:
        """Open a second port, with a certificate from an authority."""
        with (self.directory / "zoo.cfg").open("a") as config:
            config.write(f"secureClientPort={TLS_PORT}\nsecureClientPortAddress={self.address}\n")
        issued = authority.issue_cert(self.address)
        key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        stores = {
            "keyStore": key + b"".join(pem.bytes() for pem in issued.cert_chain_pems),
            "trustStore": authority.cert_pem.bytes(),
        }
        for store, octets in stores.items():
            path = self.directory / f"{store}.pem"
            path.write_bytes(octets)
            self._options += (f"-Dzookeeper.ssl.{store}.location={path}", f"-Dzookeeper.ssl.{store}.type=PEM")
        self._options += NETTY

    def start(self) -> None:
        jars = ":".join(map(str, JARS))
        # What ends us ends it, even SIGKILL.
        argv = [*self.enter, "setpriv", "--pdeathsig", "KILL", *JAVA, *self._options, "-cp", jars]
        with (self.directory / "zookeeper.log").open("ab") as log:
            self.popen = subprocess.Popen(
                [*argv, "org.apache.zookeeper.server.quorum.QuorumPeerMain", self.directory / "zoo.cfg"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self.popen is not None:
            self.popen.wait(10)

    def signal(self, number: signal.Signals) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)

    def wipe(self) -> None:
        """Lose all data, but not who it is."""
        shutil.rmtree(self.directory / "data", ignore_errors=True)
        (self.directory / "data").mkdir(parents=True)
        (self.directory / "data" / "myid").write_text(str(self.number))

    def mode(self) -> str:
        """ "leader", "follower", or "" while it serves nobody."""
        try:
            with socket.create_connection((self.address, 2181), timeout=1) as connection:
                connection.sendall(b"srvr")
                said = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
        except OSError:
            return ""
        return said.partition("Mode: ")[2].partition("\n")[0]


class Ensemble:
    """Servers that know of each other, wherever they run. They are started by `mend`."""

    def __init__(self, servers: Sequence[Server]) -> None:
        missing = [str(jar) for jar in JARS if not jar.exists()]
        assert not missing, f"not installed: {', '.join(missing)}; `make setup` installs them"
        self.servers = servers
        members = "".join(f"server.{server.number}={server.address}:2888:3888\n" for server in self.servers)
        for server in self.servers:
            server.configure(members)

    def places(self) -> list[tuple[str, int]]:
        return [(server.address, 2181) for server in self.servers]

    def at(self, address: str) -> Server:
        """The server at an address, or at an address with a port."""
        return next(server for server in self.servers if server.address == address.partition(":")[0])

    def leader(self) -> Server:
        return next(server for server in self.servers if server.mode() == "leader")

    def mend(self) -> None:
        """Every server runs, and serves."""
        for server in self.servers:
            server.signal(signal.SIGCONT)
            if server.popen is None or server.popen.poll() is not None:
                server.start()
        wait_for(
            lambda: {server.mode() for server in self.servers} == {"leader", "follower"}, "a quorum", 60.0
        )

    def close(self) -> None:
        for server in self.servers:
            server.kill()


class LoopbackEnsemble(Ensemble):
    """Three servers on loopback addresses of their own. The last speaks TLS, too."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"vipd{os.getpid()}-", dir="/tmp"))
        low = os.getpid() & 0xFFFF
        super().__init__(
            [Server(self.directory, number, f"127.{number}.{low >> 8}.{low & 0xFF}") for number in (1, 2, 3)]
        )
        self.authority = trustme.CA()
        self.servers[-1].speak_tls(self.authority)
        self.mend()

    def close(self) -> None:
        super().close()
        for log in sorted(self.directory.glob("*/zookeeper.log")):
            print(f"----- {log.parent.name}", *log.read_text(errors="replace").splitlines()[-30:], sep="\n")
        shutil.rmtree(self.directory, ignore_errors=True)


class Gate:
    """A port in front of a server, that lets through what a test wants let through."""

    def __init__(self, address: str, port: int = 2181) -> None:
        self.behind = (address, port)
        self.port = 0
        self.silent = False  # accept, and let nothing through, on connections that are there, too
        self.hang_up = False  # at the first octets of a client
        self.eat_answer = False  # let a request through, and reset the connection when its answer comes
        self.accepted = 0
        self._open: set[asyncio.StreamWriter] = set()

    def reset(self) -> None:
        """Reset what is connected."""
        for writer in list(self._open):
            _reset(writer)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        beyond = None
        try:
            if self.hang_up:
                await reader.read(1)
                return
            there, beyond = await asyncio.open_connection(*self.behind)
            async with asyncio.TaskGroup() as group:
                ways = [
                    group.create_task(self._carry(reader, beyond, answers=False)),
                    group.create_task(self._carry(there, writer, answers=True)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            for end in (writer, beyond):
                if end is not None:
                    end.close()

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while octets := await source.read(65536):
                if self.silent:
                    continue
                if answers and self.eat_answer:
                    self.eat_answer = False
                    _reset(sink)
                    return
                sink.write(octets)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def gates(ensemble: Ensemble, host: str = "127.0.0.1") -> AsyncIterator[list[Gate]]:
    """A gate in front of every server."""
    found = []
    async with contextlib.AsyncExitStack() as stack:
        for server in ensemble.servers:
            gate = Gate(server.address)
            listener = await asyncio.start_server(gate.meet, host, 0)
            gate.port = listener.sockets[0].getsockname()[1]
            stack.callback(gate.reset)
            stack.callback(listener.close)
            found.append(gate)
        yield found


async def _no_names(name: str) -> tuple[str, ...]:
    raise OSError(f"{name} is no address")


@asynccontextmanager
async def joined(
    places: list[tuple[str, int]],
    *,
    wait: bool = True,
    session_timeout: float = T,
    resolve: Resolve = _no_names,
    tls: ssl.SSLContext | None = None,
    **changes: object,
) -> AsyncIterator[ZooKeeper]:
    """A session with the servers at some places; without chance, the first that answers."""
    described = Described(
        servers=tuple(Address(host=host, port=port) for host, port in places),
        session_timeout=session_timeout,
        **changes,
    )
    async with connect(described, resolve=resolve, jitter=lambda: 0.0, tls=tls) as directory:
        if wait:
            async with asyncio.timeout(30):
                await directory.link.until(lambda link: link.generation > 0)
        yield directory


async def next_generation(directory: ZooKeeper, before: Link) -> Link:
    return await directory.link.until(lambda link: link.generation > before.generation)
