"""`python -m bench [JOB ...]`: run the jobs and print one table, with vipd's ratio to each peer.

`bfd` runs only when it is named, for twice BFD_SECONDS (600), as root.
Memory of the loopback's management needs root; so does BIRD's socket, on some machines.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from functools import partial

from bench import bfd, ensemble, jobs, scale
from bench.fleet import Teller

JOBS: dict[str, Callable[[], Iterable[jobs.Row]]] = {
    "first-update": jobs.first_update,
    "first-set-10k": partial(jobs.first_set, 10_000, 5),
    "first-set-100k": partial(jobs.first_set, 100_000, 2),
    "one-change": jobs.one_change,
    "burst": jobs.burst,
    "failing-check": jobs.failing_check,
    "memory": jobs.memory,
    "idle": jobs.idle_minute,
    "full-table": jobs.full_table,
    "both-ways": jobs.both_ways,
    "one-member-1k": partial(scale.one_member, 1_000, 1_000),
    "one-member-10k": partial(scale.one_member, 10_000, 100),
    "members-30": partial(ensemble.members, 30),
    "members-100": partial(ensemble.members, 100),
    "bfd": lambda: bfd.false_positives(float(os.environ.get("BFD_SECONDS", "600"))),
    "members-300": partial(ensemble.members, 300, Teller),  # else two cores are busy for an hour
}


def main(names: list[str]) -> int:
    unknown = set(names) - JOBS.keys()
    if unknown:
        print(f"no such job: {', '.join(sorted(unknown))}; there are {', '.join(JOBS)}", file=sys.stderr)
        return 64
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print(f"| {'job':<70} | {'speaker':<9} | {'figure':>12} | vipd / it |")
    print(f"|{'-' * 72}|{'-' * 11}|{'-' * 14}|{'-' * 11}|")
    for name in names or [job for job in JOBS if job != "bfd"]:
        ours: dict[str, float] = {}
        for job, speaker, figure, unit in JOBS[name]():
            if speaker == "vipd":
                ours[job] = figure
            ratio = f"{ours[job] / figure:9.2f}" if speaker != "vipd" and figure > 0 and job in ours else ""
            print(f"| {job:<70} | {speaker:<9} | {figure:>8.2f} {unit:<3} | {ratio:>9} |", flush=True)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else what was started would stay
    sys.exit(main(sys.argv[1:]))
