"""Whole clusters out of a few seeds: every invariant, after every step. `make sim` plays hundreds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = 12
TESTS = Path(__file__).parent.parent


def play(*arguments: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "sim", *arguments)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, where sets of text have the same order every time."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=TESTS,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(900)  # a machine may be busy
def test_every_invariant_holds_in_every_story():
    played = play("--seeds", str(SEEDS), "--jobs", "2")
    assert played.returncode == 0, played.stdout + played.stderr
    assert f"{SEEDS} seeds from 1: 0 violations" in played.stdout


def test_a_seed_tells_the_same_story_again():
    first, second = (play("--seed", "7").stdout.splitlines()[:-1] for _ in range(2))
    assert len(first) > 10
    assert first == second


def test_nor_is_it_another_after_the_stories_of_other_seeds():
    others = "from sim.__main__ import live\nfor seed in range(241, 246): live(seed)\nlive(246, whole=True)"
    after, alone = python("-c", others), play("--seed", "246")
    assert after.returncode == 0, after.stderr
    assert after.stdout.splitlines() == alone.stdout.splitlines()[:-1]
