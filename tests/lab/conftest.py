"""What every test of the laboratory stands on."""

from pathlib import Path

import pytest

from containers.conftest import images
from interop.conftest import machine

__all__ = ["images", "machine"]  # fixtures


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("containers")
