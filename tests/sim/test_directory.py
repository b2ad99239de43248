"""The simulated ZooKeeper keeps to what every Directory keeps to, and fails as ZooKeeper fails."""

from contextlib import asynccontextmanager
from random import Random

from directory_contract import DirectoryContract
from sim.directory import Ensemble, Network, join


class TestSimulatedZooKeeper(DirectoryContract):
    @asynccontextmanager
    async def join(self):
        random = Random(1)
        ensemble = Ensemble(Network(random), random)
        numbers = iter(range(100))

        @asynccontextmanager
        async def pod():
            async with join(ensemble, f"pod{next(numbers)}") as directory:
                await directory.link.until(lambda link: link.generation > 0)
                yield directory

        yield pod
