"""`python -m lab up|down|failover|med`: the verbs behind `make lab`, `lab-down`, `failover`, `lab-med`."""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from containers import podman
from interop.conftest import unfit
from interop.netns import Lab, clear_leftovers, wait_for
from lab import med, report, scenarios
from lab.exabgp import Exabgp
from lab.fabric import MODES, Contained, Fabric, hints
from lab.measure import Run, run

EXABGP = "exabgp"  # the mode in which ExaBGP 5 stands by, for comparison
PID = Path("/run/vipd-lab.pid")


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="build it, and keep it until ^C or `down`")
    up.add_argument("--mode", choices=MODES, default="hot")
    verbs.add_parser("down", help="end one that runs, and remove what a killed one left")
    verbs.add_parser("med", help="tell what becomes of MED, and what does not")
    failover = verbs.add_parser("failover", help="measure what a client loses")
    failover.add_argument("--only", help="part of the names of scenarios", default="")
    failover.add_argument("--runs", type=int, default=5)
    failover.add_argument("--modes", default=",".join((*MODES, EXABGP)))
    failover.add_argument("--write", type=Path, help="directory for failover.md and failover.svg")
    arguments = parser.parse_args()
    reasons = unfit()
    if missing := [] if reasons else podman.missing((podman.VIPD,)):
        reasons = [f"not built: {', '.join(missing)}; `make image` builds it"]
    if reasons:
        print(*reasons, sep="\n", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        {"up": keep, "down": end, "failover": measure, "med": explain}[arguments.verb](arguments)
    return 0


@contextlib.contextmanager
def built(mode: str) -> Iterator[Fabric]:
    """A laboratory that may be started, and of which nothing is left afterwards."""
    podman.clear_leftovers()
    clear_leftovers()
    lab = Lab(quiet=True)
    try:
        fabric = Fabric(lab, mode, Exabgp if mode == EXABGP else Contained)
        try:
            yield fabric
        finally:
            fabric.close()
    finally:
        # A second ^C must not find it half removed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        lab.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def keep(arguments: argparse.Namespace) -> None:
    if PID.exists() and Path("/proc", PID.read_text()).exists():
        sys.exit("There is one already: `make lab-down` ends it")
    begun = time.monotonic()
    with built(arguments.mode) as fabric, fabric.prometheus():
        fabric.start()
        PID.write_text(str(os.getpid()))
        print(hints(fabric), f"(It took {time.monotonic() - begun:.0f} s.)", sep="\n\n", flush=True)
        try:
            signal.pause()
        finally:
            PID.unlink()


def end(arguments: argparse.Namespace) -> None:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        pid = int(PID.read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the laboratory that runs has ended", 60.0)
    PID.unlink(missing_ok=True)
    podman.clear_leftovers()
    clear_leftovers()


def explain(arguments: argparse.Namespace) -> None:
    with built("cold") as fabric:
        for paragraph in med.tell(fabric):
            print(paragraph, flush=True)


def measure(arguments: argparse.Namespace) -> None:
    found: report.Results = {}
    try:
        for mode in arguments.modes.split(","):
            for scenario, seen in befallen(mode, arguments):
                found.setdefault(scenario, {}).setdefault(mode, []).append(seen)
    finally:  # who has had enough sees what there is
        print(report.table(report.rows(found)))
        if arguments.write:
            names = [scenario.name for scenario in scenarios.ALL]
            report.renew(arguments.write / "failover.md", report.rows(found), names)
    if arguments.write and not arguments.only:
        (arguments.write / "failover.svg").write_text(report.timeline(found))


def befallen(mode: str, arguments: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    """Every run that came to its end, by the name of its scenario."""
    with built(mode) as fabric:
        fabric.start()
        for scenario in scenarios.ALL:
            if arguments.only not in scenario.name or (mode == EXABGP and not scenario.shared):
                continue
            for _ in range(arguments.runs):
                try:
                    seen = run(fabric, scenario)
                except AssertionError as error:
                    print(f"{mode}: {scenario}: not to its end: {error}", flush=True)
                else:
                    print(f"{mode}: {scenario}: {report.line(seen)}", flush=True)
                    yield scenario.name, seen
                scenarios.undo(fabric)


if __name__ == "__main__":
    sys.exit(main())
