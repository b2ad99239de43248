"""Mutants follow the code that they change: `make sim-mutants` plays them, here each is only found in it."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from sim.mutants import MUTANTS
from sim.scenarios import SCENARIOS


@pytest.mark.parametrize("name", MUTANTS)
def test_what_a_mutant_changes_stands_there_once(name):
    mutant = MUTANTS[name]
    assert mutant.scenario in SCENARIOS
    for change in mutant.changes:
        spec = find_spec(change.module)
        assert spec is not None
        assert spec.origin is not None
        assert Path(spec.origin).read_text().count(change.old) == 1, change
        assert change.old != change.new
