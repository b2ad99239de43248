"""The command line, run as a command, against a real listener with a made-up pod behind it."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from scene import CONFIG, V4, observed, snapshot
from vipd import __version__, api
from vipd.cli import VERBS
from vipd.config import ApiConfig
from vipd.coord.member import Service, Vip
from vipd.grammar import parser
from vipd.latest import Latest
from vipd.listeners import listening
from vipd.text import explain, neighbor, neighbors, status, vips, why

ROOT = Path(__file__).parent.parent.parent
ENVIRON = {"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]}
SCENE = snapshot(observed())
ROWS = [{"service": service["name"], **vip} for service in SCENE["services"] for vip in service["vips"]]

MINIMAL = """\
[speaker]
local-as = 64147
router-id = "10.0.0.1"

[[neighbor]]
address = "10.20.151.129"
peer-as = 64001

[[service]]
name = "apex"
vips = ["192.0.2.166"]

  [[service.check]]
  http = "http://127.0.0.1/healthcheck"
"""


class Ran:
    def __init__(self, status: int, out: bytes, err: bytes) -> None:
        self.status, self.out, self.err = status, out.decode(), err.decode()


async def vipd(*arguments: str, **environ: str) -> Ran:
    return await command(sys.executable, "-m", "vipd", *arguments, **environ)


async def command(*argv: str, **environ: str) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**ENVIRON, **environ}
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out, err)


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "vipd.sock")


@pytest.fixture
async def daemon(path) -> AsyncIterator[str]:
    async with api.serve(Latest(ApiConfig(listen=None, socket=path)), observed):
        async with asyncio.timeout(20):
            while not there(path):  # noqa: ASYNC110 - it is another task's file
                await asyncio.sleep(0.001)
        yield path


def there(path: str) -> bool:
    return Path(path).exists()


# --- reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("status",), status(SCENE)),
        (("neighbors",), neighbors(SCENE)),
        (("neighbors", "tor-a"), neighbor(SCENE["neighbors"][0])),
        (("neighbors", "10.0.0.3"), neighbor(SCENE["neighbors"][1])),
        (("vips",), vips(ROWS)),
        (("why", V4), why(explain(SCENE, V4))),
        (("why", "2001:DB8:0::1/128"), why(explain(SCENE, "2001:db8::1"))),
    ],
)
async def test_reading_as_text(daemon, arguments, expected):
    ran = await vipd(*arguments, "--socket", daemon)
    assert (ran.status, ran.out, ran.err) == (0, expected + "\n", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("status",), SCENE),
        (("neighbors",), SCENE["neighbors"]),
        (("neighbors", "tor-a"), SCENE["neighbors"][0]),
        (("vips",), ROWS),
        (("why", V4), explain(SCENE, V4)),
    ],
)
async def test_reading_as_json(daemon, arguments, expected):
    ran = await vipd(*arguments, "-o", "json", VIPD_SOCKET=daemon)
    assert (ran.status, json.loads(ran.out), ran.err) == (0, expected, "")


async def test_an_unknown_neighbour(daemon):
    ran = await vipd("neighbors", "tor-z", "--socket", daemon)
    assert (ran.status, ran.out) == (65, "")
    assert ran.err == "vipd: no neighbour is called tor-z; there are tor-a, 10.0.0.3\n"


async def test_an_unknown_vip(daemon):
    ran = await vipd("why", "192.0.2.1", "--socket", daemon)
    assert (ran.status, ran.out) == (65, "")
    assert (
        ran.err == "vipd: no service has the VIP 192.0.2.1; there are 192.0.2.166, 2001:db8::1, 192.0.2.7\n"
    )


async def test_what_is_no_address(daemon):
    ran = await vipd("why", "apex", "--socket", daemon)
    assert (ran.status, ran.err) == (64, "vipd: apex is not an address\n")


async def test_a_healthy_daemon(daemon):
    ran = await vipd("healthcheck", "--socket", daemon)
    assert (ran.status, ran.out, ran.err) == (0, "", "")


async def test_without_a_daemon(path):
    advice = "is vipd running? Where its socket is elsewhere, say --socket PATH"
    sentence = f"vipd: there is no socket {path}; {advice}\n"
    ran = await vipd("status", "--socket", path)
    assert (ran.status, ran.out, ran.err) == (69, "", sentence)
    ran = await vipd("healthcheck", "--socket", path)
    assert (ran.status, ran.out, ran.err) == (1, "", sentence)


async def test_a_daemon_that_is_not_for_us():
    ran = await command(
        *python(
            """
import sys
from vipd import cli, daemon
def forbidden(path, page):
    raise daemon.Forbidden("not for you")
daemon.ask = forbidden
sys.exit(cli.main(["status"]))
"""
        )
    )
    assert (ran.status, ran.out, ran.err) == (77, "", "vipd: not for you\n")


async def test_a_daemon_of_another_version(path):
    body = json.dumps({"schema": 2}).encode()
    async with answering(path, b"HTTP/1.0 200 OK\r\n\r\n" + body):
        ran = await vipd("status", "--socket", path)
    assert (ran.status, ran.out) == (69, "")
    assert ran.err == f"vipd: the vipd at {path} is of another version than this command\n"


class answering:  # noqa: N801 - reads as a verb
    """Something at a unix socket that says the same to everybody."""

    def __init__(self, path: str, octets: bytes) -> None:
        self._path, self._octets = path, octets

    async def __aenter__(self) -> None:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._octets)
            writer.close()

        self._server = await asyncio.start_unix_server(say, self._path)

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


async def test_a_reader_that_has_seen_enough_is_no_error(path):
    many = tuple(Vip(f"10.0.{n >> 8}.{n & 255}") for n in range(5_000))
    route = CONFIG.services[0].routes[V4]
    service = replace(
        CONFIG.services[0], service=Service(name="many", vips=many), routes=dict.fromkeys(many, route)
    )
    crowd = observed(config=replace(CONFIG, services=(service,)))
    async with api.serve(Latest(ApiConfig(listen=None, socket=path)), lambda: crowd):
        async with asyncio.timeout(20):
            while not there(path):  # noqa: ASYNC110 - it is another task's file
                await asyncio.sleep(0.001)
        pipeline = f"set -o pipefail; {sys.executable} -m vipd vips --socket {path} | head -1"
        ran = await command("bash", "-c", pipeline)
    assert ran.status == 0
    assert ran.out.startswith("VIP ")
    assert ran.err == ""


async def test_reading_is_quick_to_start(daemon):
    """By what it imports; a stop watch would measure the machine."""
    ran = await command(sys.executable, "-X", "importtime", "-m", "vipd", "status", "--socket", daemon)
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
    assert "vipd.text" in imported
    heavy = {
        "asyncio", "structlog", "aiohttp", "prometheus_client", "pyroute2", "http.client", "ssl", "logging",
        "dataclasses", "ipaddress", "vipd.config", "vipd.app",
    }  # fmt: skip
    assert not imported & heavy


# --- the other verbs ----------------------------------------------------------------------------------


async def test_check(tmp_path):
    file = tmp_path / "vipd.toml"
    file.write_text(MINIMAL)
    ran = await vipd("check", str(file))
    assert ran.status == 0
    assert "hold-time = 9" in ran.out, "the defaults are filled in"
    again = tmp_path / "again.toml"
    again.write_text(ran.out)
    second = await vipd("check", VIPD_CONFIG=str(again))
    assert (second.status, second.out) == (0, ran.out), "what it prints is a configuration, and the same one"


async def test_check_tells_all_problems(tmp_path):
    file = tmp_path / "vipd.toml"
    file.write_text(MINIMAL.replace("64001", "0").replace("192.0.2.166", "192.0.2.999"))
    ran = await vipd("check", "--config", str(file))
    assert (ran.status, ran.out) == (78, "")
    problems = ran.err.splitlines()
    assert len(problems) == 2
    assert all(line.startswith(f"{file}: ") for line in problems)


async def test_run_without_a_configuration(tmp_path):
    ran = await vipd("run", "--config", str(tmp_path / "none.toml"))
    assert (ran.status, ran.out) == (78, "")
    assert "none.toml" in ran.err
    assert "Traceback" not in ran.err


async def test_run_into_a_bug():
    ran = await command(
        *python(
            """
import sys
from vipd import app, cli
def broken(path):
    raise ExceptionGroup("tasks", [ExceptionGroup("more tasks", [ZeroDivisionError("the root")])])
app.run = broken
sys.exit(cli.main(["run"]))
"""
        )
    )
    assert (ran.status, ran.out) == (70, "")
    (line,) = ran.err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"]) == ("crashed", "critical")
    assert event["reason"] == "this is a bug in vipd"
    assert "ZeroDivisionError: the root" in event["exception"]


async def test_run_without_permission():
    ran = await command(
        *python(
            """
import sys
from vipd import app, cli
def forbidden(path):
    raise ExceptionGroup("tasks", [PermissionError(1, "Operation not permitted")])
app.run = forbidden
sys.exit(cli.main(["run"]))
"""
        )
    )
    assert (ran.status, ran.out) == (77, "")
    assert ran.err == "vipd: [Errno 1] Operation not permitted\n"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("KeyboardInterrupt()", 130),
        ("OSError(5, 'Input/output error')", 74),
        ("PermissionError(13, 'Permission denied', 'x')", 77),
        ("ValueError('x')", 70),
    ],
)
async def test_how_any_verb_ends(error, expected):
    code = f"""
import sys
from vipd import cli
def broken(arguments):
    raise {error}
cli.VERBS["demo"] = broken
sys.exit(cli.main(["demo"]))
"""
    ran = await command(*python(code))
    assert ran.status == expected
    assert ("Traceback" in ran.err) is (expected == 70)
    assert ("this is a bug" in ran.err) is (expected == 70)


EXAZK = Path(__file__).parent.parent / "fixtures" / "exazk"


async def test_convert_exazk():
    conf, file = str(EXAZK / "exabgp.conf"), str(EXAZK / "apex.yml")
    ran = await vipd("convert", "exazk", file, "--exabgp", conf)
    assert ran.status == 0
    assert 'layout = "exazk"' in ran.out
    for arguments in (
        ("exazk", file),
        ("exazk", file, "--args", "-A 192.0.2.1", "--exabgp", conf),
        ("exazk", file, file, "--exabgp", conf),
        ("exabgp",),
        ("exabgp", conf, "--args", "x"),
        ("exabgp", conf, "--exabgp", conf),
    ):
        assert (await vipd("convert", *arguments)).status == 64
    ran = await vipd("convert", "exazk", "--args", "-A 192.0.2.1", "--exabgp", conf)
    assert (ran.status, "zk_hosts: is missing" in ran.err) == (65, True)


async def test_convert_says_where_it_fails(tmp_path):
    file = tmp_path / "exabgp.conf"
    file.write_text("neighbor 10.0.0.1 {\n")
    ran = await vipd("convert", "exabgp", str(file))
    assert (ran.status, ran.out) == (65, "")
    assert ran.err.startswith(f"vipd: {file}:")
    assert "Traceback" not in ran.err


# --- usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [(), ("frobnicate",), ("why",), ("status", "--frob"), ("status", "-o", "yaml")]
)
async def test_wrong_use_is_one_line(arguments):
    ran = await vipd(*arguments)
    assert (ran.status, ran.out) == (64, "")
    assert len(ran.err.splitlines()) == 1
    assert ran.err.rstrip().endswith("--help")


async def test_version():
    ran = await vipd("--version")
    assert (ran.status, ran.out) == (0, f"vipd {__version__}\n")


async def test_every_verb_is_told_and_done():
    (listed,) = (action for action in parser()._actions if action.dest == "verb")
    assert listed.choices.keys() == VERBS.keys()


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_has_long_help_with_examples(verb):
    ran = await vipd(verb, "--help")
    assert ran.status == 0
    assert "examples:\n  " in ran.out
    assert f"vipd {verb}" in ran.out or verb == "healthcheck"


async def test_examples_parse():
    """Each example of a help is something that can be said."""
    found = 0
    for name, verb in next(a for a in parser()._actions if a.dest == "verb").choices.items():
        for line in (verb.description or "").partition("examples:")[2].splitlines():
            words = shlex.split(line.replace("(", " ").replace(")", " ").replace("|", " | "), comments=True)
            if words[:2] == ["vipd", name]:
                ends = [words.index(end) for end in (">", "|", "&&") if end in words]
                parser().parse_args(words[1 : min(ends, default=None)])
                found += 1
    assert found >= 12


async def test_a_socket_that_belongs_to_nobody(path):
    with listening(path):
        pass
    ran = await vipd("vips", "--socket", path)
    assert ran.status == 69
