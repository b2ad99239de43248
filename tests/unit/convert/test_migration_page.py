"""docs/migration-exabgp.md tells the truth."""

import re
import subprocess
from pathlib import Path

import pytest

from vipd.config import Machine, load
from vipd.convert import convert
from vipd.convert.exabgp_healthcheck import OPTIONS
from vipd.convert.exabgp_neighbors import BLOCKS_LOST, SETTINGS, SETTINGS_ALIKE, SETTINGS_LOST
from vipd.convert.exabgp_routes import KEYWORDS

PAGE = (Path(__file__).parents[3] / "docs" / "migration-exabgp.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
MACHINE = Machine(read_file=lambda path: (b"hunter2", False))


def block(beginning):
    """The code block of the page that begins so."""
    (found,) = (text for _, text in BLOCKS if text.startswith(beginning))
    return found


@pytest.fixture
def before(tmp_path):
    (tmp_path / "apex.healthcheck").write_text(block("# /etc/exabgp/apex.healthcheck"))
    path = tmp_path / "exabgp.conf"
    path.write_text(block("# /etc/exabgp/exabgp.conf"))
    return path


def test_the_example_becomes_what_the_page_says(before):
    (after,) = (text for kind, text in BLOCKS if kind == "toml")
    assert convert([str(before)]) == after


def test_the_copy_that_runs_beside_exabgp_says_nothing_to_anybody(before, tmp_path):
    (tmp_path / "vipd.toml").write_text(convert([str(before)]))
    script = block("sed ").partition("vipd check")[0]
    subprocess.run(["/bin/sh", "-ec", script], cwd=tmp_path, check=True)
    config = load(str(tmp_path / "beside.toml"), {}, machine=MACHINE)
    assert config.services
    assert all(peer.passive for peer in config.neighbors.values())
    assert {port for _, port in config.speaker.listen} == {1790}
    assert not config.loopback.manage


@pytest.mark.parametrize(
    "option", sorted({*SETTINGS, *SETTINGS_LOST, *SETTINGS_ALIKE, *BLOCKS_LOST, *KEYWORDS, *OPTIONS})
)
def test_every_option_is_in_its_tables(option):
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert any(f"`{option}`" in row or f"`{option} " in row for row in rows)
