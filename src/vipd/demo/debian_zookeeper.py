"""A real ZooKeeper server for the demo, from Debian's packages."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vipd.demo.process import Process

Seconds = float

START: Seconds = 30.0  # at most, until it serves
ANSWER: Seconds = 1.0  # for its answer to that question
ASKING: Seconds = 0.1  # between two times that it is asked whether it does

PACKAGES = "default-jre-headless libslf4j-java libzookeeper-java"
JARS = [
    Path("/usr/share/java", f"{name}.jar")
    for name in (
        *("zookeeper", "slf4j-simple"),
        *("netty-codec", "netty-resolver", "netty-transport-native-unix-common"),
    )
]
JAVA = (
    *("java", "-Xms64m", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    *("-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
    *("-Dzookeeper.forceSync=no", "-Dzookeeper.jmx.log4j.disable=true"),  # a demo may lose its data
)
CONFIG = """\
tickTime=200
minSessionTimeout=1000
maxSessionTimeout=60000
dataDir={folder}/zookeeper
clientPort={port}
clientPortAddress={host}
admin.enableServer=false
4lw.commands.whitelist=srvr
maxClientCnxns=0
"""


@asynccontextmanager
async def serving(folder: Path, host: str, port: int) -> AsyncIterator[None]:
    """Run a server while inside; its log is zookeeper.log. Raises OSError with what is missing."""
    missing = [str(jar) for jar in JARS if not jar.exists()]
    if shutil.which("java") is None:
        missing.insert(0, "java")
    if missing:
        raise OSError(f"a real ZooKeeper needs {', '.join(missing)}: apt install {PACKAGES}")
    (folder / "zookeeper").mkdir()
    (folder / "zoo.cfg").write_text(CONFIG.format(folder=folder, host=host, port=port))
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    log = folder / "zookeeper.log"
    server = Process([*JAVA, "-cp", ":".join(map(str, JARS)), main, folder / "zoo.cfg"], log)
    try:
        try:
            async with asyncio.timeout(START):
                while not (await _serves(host, port) and server.runs):
                    if not server.runs:
                        raise OSError(f"ZooKeeper does not start: {_complaint(log)}")
                    await asyncio.sleep(ASKING)
        except TimeoutError:
            raise OSError(f"ZooKeeper does not serve after {START:g} s: {_complaint(log)}") from None
        yield
    finally:
        await server.end()


async def _serves(host: str, port: int) -> bool:
    """Whether a server there says that it serves."""
    try:
        async with asyncio.timeout(ANSWER):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"srvr")
                return b"Mode:" in await reader.read()
            finally:
                writer.close()
    except OSError:  # TimeoutError is one
        return False


def _complaint(log: Path) -> str:
    """Find what is worth repeating in a long log: its last exception, or else its last words."""
    lines = log.read_text().splitlines() or ["without a word"]
    return next((line for line in reversed(lines) if re.match(r"[\w.]+(Exception|Error): ", line)), lines[-1])
