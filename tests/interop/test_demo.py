"""`vipd demo`, as `make demo` runs it without a terminal."""

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.interop


def test_the_demo_tells_its_story_and_ends_by_itself():
    ran = subprocess.run(
        [sys.executable, "-m", "vipd", "demo"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert sum("announced by" in line for line in lines) == 3 * 2 + 2  # at both ToRs, and once more
    assert sum("withdrawn by" in line for line in lines) == 2 + 3 * 2
    measured = [line for line in lines if re.match(r"  (withdrawal|return) at both ToRs \d+ ms", line)]
    assert len(measured) == 2
    assert any("Administrative Shutdown" in line for line in lines)
