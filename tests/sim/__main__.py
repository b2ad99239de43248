"""`python -m sim`: live through the stories of many seeds, or replay one.

make sim SEEDS=10000 START=1        wide
make sim SEED=4711                  one, told in full
"""

import argparse
import asyncio
import os
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

import structlog

from sim.faults import Story
from sim.invariants import Violation
from sim.loop import Livelock
from sim.process import WorldLoop


def quietly() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def forget() -> None:
    """Empty every cache of the program.

    Of two equal sets the one that an earlier story left may have another order, and then a seed does not
    tell its story again.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] in ("vipd", "sim")]:
        for value in list(vars(sys.modules[name]).values()):
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def live(seed: int, kind: str = "", *, whole: bool = False) -> tuple[int, str, str, float]:
    """Return the seed, what went wrong or nothing, the kind of story, and how long it was."""
    quietly()
    forget()
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=WorldLoop) as runner:

        async def main() -> tuple[str, str]:
            story = Story(seed, kind=kind)
            try:
                await story.run()
            except Violation as violation:
                if whole:
                    print("\n".join(story.world.story))
                return str(violation), story.kind
            except BaseExceptionGroup as group:
                found, _ = group.split(Violation)
                if found is None:
                    return f"seed {seed}: the simulation broke: {traceback.format_exc()}", story.kind
                return str(found.exceptions[0]), story.kind
            except AssertionError:
                return f"seed {seed}: the simulation broke: {traceback.format_exc()}", story.kind
            if whole:
                print("\n".join(story.world.story))
            return "", story.kind

        try:
            wrong, told = runner.run(main())
        except Livelock as livelock:
            wrong, told = f"seed {seed}: {livelock}", kind
    return seed, wrong, told, time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one, and tell its whole story")
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--kind", default="", choices=("", "gentle", "calm", "storm"))
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    if asked.seed is not None:
        _, wrong, kind, took = live(asked.seed, asked.kind, whole=True)
        print(wrong or f"seed {asked.seed} ({kind}): every invariant held, {took:.2f} s")
        return 1 if wrong else 0
    failed, began = [], time.perf_counter()
    seeds = range(asked.start, asked.start + asked.seeds)
    with ProcessPoolExecutor(asked.jobs) as pool:
        for seed, wrong, kind, _ in pool.map(live, seeds, [asked.kind] * len(seeds), chunksize=8):
            if wrong:
                failed.append(seed)
                print(f"--- {kind}: {wrong.splitlines()[0]}", flush=True)
    took = time.perf_counter() - began
    print(f"{len(seeds)} seeds from {asked.start}: {len(failed)} violations, {took:.1f} s")
    for seed in failed:
        print(f"  make sim SEED={seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets of text have an order of their own in every process
        os.execve(
            sys.executable,
            [sys.executable, "-m", "sim", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
