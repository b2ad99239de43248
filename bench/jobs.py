"""The jobs. Each yields rows: (job, speaker, figure, unit); a figure is the median of its runs."""

import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.collector import AS, UPDATE, Collector, message
from bench.speakers import Bird, Exabgp, Gobgp, Speaker, Vipd

Row = tuple[str, str, float, str]

ALL = (Vipd, Exabgp, Bird, Gobgp)
# One answer decides.
AT_ONCE = "interval = 0.05\nfast-interval = 0.05\nrise = 1\nfall = 1"
WATCHED = 0.3  # seconds, three times: the pace of BFD
LOADED_FROM_FILE = (Vipd, Exabgp, Bird)  # GoBGP's client adds one route a process: no job of thousands


def vips(number: int, first: int = 0) -> list[str]:
    return [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(first, first + number)]


@contextmanager
def beside(
    kind: type[Speaker], addresses: list[str], names: list[str], **options: object
) -> Iterator[Speaker]:
    """Run a speaker with a collector on each address."""
    with tempfile.TemporaryDirectory() as folder:
        collectors = [Collector(address) for address in addresses]
        speaker = kind(Path(folder), collectors, names, **options)
        try:
            speaker.start()
            yield speaker
        finally:
            speaker.stop()
            for collector in collectors:
                collector.close()


def rest(seconds: float) -> None:
    """Let a speaker come to rest before it is measured, or measure one that rests.

    No speaker tells us when its start, or the work of the last change, is over.
    """
    time.sleep(seconds)


def median(run: Callable[[], float], runs: int) -> float:
    return statistics.median(run() for _ in range(runs))


def first_update(runs: int = 5) -> Iterator[Row]:
    for kind in ALL:

        def run(kind: type[Speaker] = kind) -> float:
            with beside(kind, ["127.0.0.2"], vips(1)) as speaker:
                seen = speaker.collectors[0].wait(lambda s: s.first is not None)
                return (seen.first - speaker.running.started) * 1000

        yield "exec -> first UPDATE, one VIP", kind.name, median(run, runs), "ms"


def first_set(number: int, runs: int) -> Iterator[Row]:
    job = f"Established -> last of {number:,} VIPs"
    for kind in LOADED_FROM_FILE:
        cpus = []

        def run(kind: type[Speaker] = kind, cpus: list[float] = cpus) -> float:
            with beside(kind, ["127.0.0.2"], vips(number)) as speaker:
                seen = speaker.collectors[0].wait(lambda s: s.announced >= number, 180)
                cpus.append(speaker.running.cpu())
                return (seen.last - seen.established) * 1000

        yield job, kind.name, median(run, runs), "ms"
        yield f"{job}: CPU since exec", kind.name, statistics.median(cpus), "s"


def one_change(times: int = 100) -> Iterator[Row]:
    """For vipd, the handed-over change is the answer of its check; for the others, a command."""
    job = "one change -> on the wire"
    for kind in LOADED_FROM_FILE:
        options = {"check": AT_ONCE} if kind is Vipd else {}
        with beside(kind, ["127.0.0.2"], vips(1), **options) as speaker:
            collector = speaker.collectors[0]
            collector.wait(lambda s: s.announced >= 1)
            rest(1)
            took = []
            for turn in range(2 * times):
                announce = bool(turn % 2)
                collector.forget()
                at = speaker.change(vips(1), announce=announce)
                seen = collector.wait(lambda s: s.last is not None)
                if kind is Vipd:  # from the deciding answer, not from the service's turning
                    at = max(a for a in speaker.service.answers if a < seen.last)
                took.append((seen.last - at) * 1000)
                rest(0.01)
        yield f"{job}, median", kind.name, statistics.median(took), "ms"
        yield f"{job}, p99", kind.name, statistics.quantiles(took, n=100)[98], "ms"


def burst(number: int = 10_000, runs: int = 3) -> Iterator[Row]:
    for kind in LOADED_FROM_FILE:
        options = {"check": AT_ONCE} if kind is Vipd else {}
        took: dict[bool, list[float]] = {True: [], False: []}
        with beside(kind, ["127.0.0.2"], vips(number), **options) as speaker:
            collector = speaker.collectors[0]
            collector.wait(lambda s: s.announced >= number, 120)
            for announce in (False, True) * runs:
                rest(1)
                collector.forget()
                at = speaker.change(vips(number), announce=announce)
                seen = collector.wait(lambda s: s.announced + s.withdrawn >= number, 120)
                if kind is Vipd:
                    at = speaker.service.answers[0]
                took[announce].append((seen.last - at) * 1000)
        for announce, figures in took.items():
            words = "announce" if announce else "withdraw"
            yield f"{number:,} changes at once, {words}", kind.name, statistics.median(figures), "ms"


def failing_check(runs: int = 10) -> Iterator[Row]:
    job = "a check fails -> withdrawn (interval 1, fast 0.1, fall 3)"
    kinds = (
        (Vipd, {"check": "interval = 1.0\nfast-interval = 0.1\nrise = 3\nfall = 3"}),
        (Exabgp, {"healthcheck": "--interval 1 --fast-interval 0.1 --rise 3 --fall 3 --withdraw-on-down"}),
    )
    for kind, options in kinds:
        took, after_answer = [], []
        with beside(kind, ["127.0.0.2"], vips(1), **options) as speaker:
            collector = speaker.collectors[0]
            collector.wait(lambda s: s.announced >= 1)
            for turn in range(runs):
                rest(2 + turn * 0.137 % 1)  # at any phase of the check's interval
                collector.forget()
                at = speaker.change(vips(1), announce=False)
                seen = collector.wait(lambda s: s.withdrawn >= 1)
                took.append((seen.last - at) * 1000)
                deciding = max(at for at in speaker.service.answers if at < seen.last)
                after_answer.append((seen.last - deciding) * 1000)
                collector.forget()
                speaker.change(vips(1), announce=True)
                collector.wait(lambda s: s.announced >= 1)
        yield f"{job}, median", kind.name, statistics.median(took), "ms"
        yield f"{job}, worst", kind.name, max(took), "ms"
        yield "the deciding answer -> withdrawn", kind.name, statistics.median(after_answer), "ms"


def memory() -> Iterator[Row]:
    for kind in ALL:
        with beside(kind, ["127.0.0.2", "127.0.0.3"], vips(1)) as speaker:
            _all_told(speaker, 1)
            rest(3)
            small = speaker.running.rss()
        yield "RSS, one VIP", kind.name, small, "MiB"
        if kind in LOADED_FROM_FILE:
            with beside(kind, ["127.0.0.2", "127.0.0.3"], vips(10_000)) as speaker:
                _all_told(speaker, 10_000)
                rest(3)
                yield "what 10,000 VIPs add", kind.name, speaker.running.rss() - small, "MiB"
    with beside(Vipd, ["127.0.0.2"], ["192.0.2.77"], loopback=True) as speaker:
        _all_told(speaker, 1)
        rest(3)
        yield "RSS, one VIP, loopback managed", Vipd.name, speaker.running.rss(), "MiB"


def idle_minute() -> Iterator[Row]:
    kinds: list[tuple[str, type[Speaker], dict[str, object]]] = [("no check", kind, {}) for kind in ALL]
    kinds.append(("a check a second", Vipd, {"check": "interval = 1.0"}))
    for words, kind, options in kinds:
        with beside(kind, ["127.0.0.2", "127.0.0.3"], vips(1), **options) as speaker:
            _all_told(speaker, 1)
            rest(5)
            before = speaker.running.cpu()
            rest(60)
            yield f"CPU of an idle minute, {words}", kind.name, speaker.running.cpu() - before, "s"


def full_table(number: int = 1_000_000) -> Iterator[Row]:
    feed = _table(number)
    for kind in (Vipd, Bird, Gobgp):
        with beside(kind, ["127.0.0.2"], vips(1)) as speaker:
            collector = speaker.collectors[0]
            _all_told(speaker, 1)
            rest(3)
            cpu, rss = speaker.running.cpu(), speaker.running.rss()
            began = time.monotonic()
            for start in range(0, len(feed), 200):
                collector.send(b"".join(feed[start : start + 200]))
            last, since = speaker.running.cpu(), time.monotonic()
            while time.monotonic() - since < 2:
                rest(0.2)
                now = speaker.running.cpu()
                if now - last > 0.02:
                    last, since = now, time.monotonic()
            job = f"{number:,} routes received"
            yield f"{job}: CPU", kind.name, speaker.running.cpu() - cpu, "s"
            yield f"{job}: RSS added", kind.name, speaker.running.rss() - rss, "MiB"
            yield f"{job}: until quiet", kind.name, since - began, "s"
            yield f"{job}: session still up", kind.name, float(collector.seen.closed is None), ""


def both_ways(number: int = 1_000_000, out: int = 10_000, times: int = 20) -> Iterator[Row]:
    """A full table comes in from one ToR while all VIPs come and go on both, and BFD watches."""
    feed, tors = _table(number), ["127.0.0.2", "127.0.0.3"]
    options = {"check": AT_ONCE, "late": True, "bfd": WATCHED}
    with watched_by(tors) as watcher, beside(Vipd, tors, vips(out), **options) as speaker:
        _all_told(speaker, out)
        rest(3)
        rss, before = speaker.running.rss(), len(speaker.late())
        feeder = threading.Thread(target=_feed, args=(speaker.collectors[0], feed, times), daemon=True)
        feeder.start()
        changes = 0
        while feeder.is_alive() or changes % 2:
            for collector in speaker.collectors:
                collector.forget()
            speaker.change(vips(out), announce=bool(changes % 2))
            for collector in speaker.collectors:
                collector.wait(lambda s: s.announced + s.withdrawn >= out, 120)
            changes += 1
        late = speaker.late()[before:]
        job = f"{times} x {number:,} routes in, {changes} x {out:,} VIPs out"
        yield (
            f"{job}: the loop late, p99.9",
            Vipd.name,
            statistics.quantiles(late, n=1000, method="inclusive")[998],
            "ms",
        )
        yield f"{job}: the loop late, worst", Vipd.name, max(late), "ms"
        yield f"{job}: RSS added", Vipd.name, speaker.running.rss() - rss, "MiB"
        silence = max(collector.seen.silence for collector in speaker.collectors)
        yield f"{job}: longest silence, of 9 that are allowed", Vipd.name, silence, "s"
        up = sum(collector.seen.closed is None for collector in speaker.collectors)
        yield f"{job}: sessions still up, of 2", Vipd.name, float(up), ""
        said = watcher.read_text()
        if said.count("came up") < len(tors):
            raise RuntimeError(f"BFD did not come up: {said}")
        given_up = said.count("gives it up") + said.count("is given up")
        yield f"{job}: BFD at 3 x {1000 * WATCHED:g} ms, given up", Vipd.name, float(given_up), "x"


@contextmanager
def watched_by(tors: list[str]) -> Iterator[Path]:
    """BFD from these addresses; what it has to tell."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "watcher")
        command = [sys.executable, "-m", "bench.watcher", "127.0.0.1", str(int(1000 * WATCHED)), *tors]
        with told.open("wb") as log:
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield told
            if started.poll() is not None:
                raise RuntimeError(told.read_text())
        finally:
            started.kill()
            started.wait()


def _feed(collector: Collector, feed: list[bytes], times: int) -> None:
    for _ in range(times):
        for start in range(0, len(feed), 200):
            collector.send(b"".join(feed[start : start + 200]))


def _all_told(speaker: Speaker, number: int) -> None:
    for collector in speaker.collectors:
        collector.wait(lambda s: s.announced >= number, 120)


def _table(number: int) -> list[bytes]:
    """UPDATEs of a full table: 50 prefixes of length 24 to each set of attributes, 20,000 sets."""
    updates = []
    for group in range(number // 50):
        path = struct.pack("!BBIIII", 2, 4, AS, 3356, 1299, 100_000 + group % 50_000)
        attributes = (
            bytes.fromhex("40010100 4002") + bytes((len(path),)) + path  # ORIGIN, AS_PATH
            + bytes.fromhex("400304") + socket.inet_aton("127.0.0.2")  # NEXT_HOP
        )  # fmt: skip
        nlri = b"".join(
            b"\x18" + struct.pack("!I", (16 << 24) + ((group * 50 + n) << 8))[:3] for n in range(50)
        )
        body = struct.pack("!HH", 0, len(attributes)) + attributes + nlri
        updates.append(message(UPDATE, body))
    return updates
