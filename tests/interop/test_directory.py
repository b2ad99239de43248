"""The contract of every Directory, kept by ours on real servers, each test below a chroot of its own."""

import itertools
from contextlib import asynccontextmanager

import pytest

from directory_contract import DirectoryContract
from interop.zookeeper import joined

_numbers = itertools.count()


class TestContract(DirectoryContract):
    @pytest.fixture(autouse=True)
    def _servers(self, ensemble):
        self.ensemble = ensemble

    @asynccontextmanager
    async def join(self):
        places = self.ensemble.places()
        chroot = f"/contract{next(_numbers)}"
        async with joined(places) as directory:
            await directory.ensure(chroot)
        yield lambda: joined(places, chroot=chroot)
