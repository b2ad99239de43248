"""`python -m fuzz`: feed framing, decoders and the machine with anything, guided by coverage.

make fuzz                           a million inputs each
make fuzz RUNS=100000000 TARGET=decoding
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["vipd.bgp"]):  # what it is guided by is what it runs through
    from fuzz import targets


def fuzz(target: str, runs: int, corpus: Path) -> None:
    """Does not return: the process ends with status 0 when nothing was found."""
    for number, seed in enumerate(targets.seeds(target)):
        (corpus / f"seed{number}").write_bytes(seed)
    options = [f"-runs={runs}", "-max_len=1024", "-print_final_stats=1", f"-artifact_prefix={corpus.parent}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], targets.TARGETS[target])
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--target", choices=targets.TARGETS)
    parser.add_argument("--corpus", type=Path, help="where inputs are kept that lead to code not yet seen")
    arguments = parser.parse_args()
    if arguments.target and arguments.corpus:
        fuzz(arguments.target, arguments.runs, arguments.corpus)
    chosen = [arguments.target] if arguments.target else list(targets.TARGETS)
    failed = []
    for target in chosen:
        with tempfile.TemporaryDirectory() as directory:
            corpus = arguments.corpus or Path(directory) / target
            corpus.mkdir(parents=True, exist_ok=True)
            print(f"--- {target}", flush=True)
            one = [sys.executable, "-m", "fuzz", f"--runs={arguments.runs}"]
            done = subprocess.run([*one, f"--target={target}", f"--corpus={corpus}"], check=False)
            if done.returncode:
                failed.append(target)
                for crash in Path(corpus).parent.glob("crash-*"):
                    print(f"{target} fails on {crash.read_bytes().hex()}", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "nothing was found")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
