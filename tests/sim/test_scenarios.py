"""Named dangers, one scenario each; `make sim-mutants` shows what each of them would catch."""

import asyncio

import pytest

from sim.process import WorldLoop
from sim.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_invariant_is_broken(name):
    with asyncio.Runner(loop_factory=WorldLoop) as runner:
        runner.run(SCENARIOS[name]())
