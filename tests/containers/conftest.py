"""What every test of the images stands on. A missing image is an error here, never a skip."""

from pathlib import Path

import pytest

from containers import podman
from interop.conftest import lab, machine
from interop.netns import Lab

__all__ = ["lab", "machine"]  # fixtures


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("containers")


@pytest.fixture(scope="session")
def images(machine: None) -> None:
    missing = podman.missing()
    assert not missing, f"not built: {', '.join(missing)}; `make containers` builds them"
    podman.clear_leftovers()


@pytest.fixture
def housed(images: None, lab: Lab) -> Lab:
    """A lab for containers."""
    return lab
