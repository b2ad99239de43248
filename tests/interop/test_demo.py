"""`vipd demo`, as `make demo` runs it without a terminal."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

ROW = re.compile(
    r"  (?P<cause>\S.*?)  +(?P<vip>192\.0\.2\.\d) +(?P<pod>pod-\d) +(?P<took>[0-9.]+) ms"
    r"(?P<limit> of at most .*?)? +(?P<silent>[0-9.]+) ms"
)
HOME = {
    "the service of pod-2 recovered": ("192.0.2.2", "pod-2"),
    "pod-3 was started": ("192.0.2.3", "pod-3"),
    "vipd undrain pod-1": ("192.0.2.1", "pod-1"),
}
AWAY = {
    "the service of pod-2 failed": "192.0.2.2",
    "pod-3 was killed": "192.0.2.3",
    "vipd drain pod-1": "192.0.2.1",
}
SUDDEN = ("the service of pod-2 failed", "pod-3 was killed")


@pytest.fixture
def left(tmp_path, monkeypatch) -> Iterator[Path]:
    """Where the demo keeps its files; empty again when it is over, and none of its processes runs."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    running = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert running.stdout == ""


@pytest.mark.parametrize("options", [[], ["--zookeeper"]], ids=["memory", "real"])
def test_the_demo_tells_its_story_and_ends_by_itself(left, options):
    ran = subprocess.run(
        [sys.executable, "-m", "vipd", "demo", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    moves = {found["cause"]: found for line in lines if (found := ROW.fullmatch(line))}
    assert list(moves) == [cause for pair in zip(AWAY, HOME, strict=True) for cause in pair]
    for cause, home in HOME.items():
        assert (moves[cause]["vip"], moves[cause]["pod"]) == home
    for cause, vip in AWAY.items():
        assert moves[cause]["vip"] == vip
        assert (vip, moves[cause]["pod"]) not in HOME.values()
    assert {cause for cause, move in moves.items() if move["silent"] != "0"} == set(SUDDEN)
    assert moves["pod-3 was killed"]["limit"] == " of at most 3000 ms"
    assert float(moves["pod-3 was killed"]["took"]) <= 3000
    words = {match[1] for line in lines if (match := re.match(r" +[\d.]+ s    pod-\d  ([A-Z_]+) ", line))}
    assert {"ASSIGNED", "SUBSTITUTE", "NOT_ASSIGNED", "UNHEALTHY"} <= words
    farewells = [line for line in lines if "Administrative Shutdown" in line]
    assert len(farewells) == 3 * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(left, number):
    with subprocess.Popen([sys.executable, "-m", "vipd", "demo"], stdout=subprocess.PIPE, text=True) as demo:
        for line in demo.stdout:
            if "fails" in line:
                demo.send_signal(number)
        assert demo.wait(30) == 0
