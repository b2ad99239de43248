"""One vipd for all tests that do not change or stop it, with the neighbours that they need."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conformance.pod import LOCAL_AS, Pod


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("conformance")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    pod = Pod(tmp_path_factory.mktemp("pod"))
    pod.neighbor("ebgp", count=24)
    pod.neighbor("ibgp", count=8, asn=LOCAL_AS)
    pod.neighbor("external", count=2, peer_as="external")
    pod.neighbor("own", count=2, asn=LOCAL_AS, peer_as="external")
    pod.neighbor("wide", count=3, asn=4200000001)
    pod.neighbor("brisk", count=8, hold_time=3)
    pod.neighbor("uneven", hold_time=4)
    pod.neighbor("eternal", hold_time=0)
    pod.neighbor("waiting", count=4, passive=True)
    for role in ("provider", "customer", "peer", "rs", "rs-client"):
        pod.neighbor(role, count=2, role=role)
    pod.neighbor("strict", count=2, role="customer", role_strict=True)
    pod.neighbor("near", count=2, passive=True, ttl_security=1)
    pod.neighbor("narrow", families=["ipv4"])
    pod.neighbor("known-wide", local_as=4200000009, prepend=2)
    pod.neighbor(
        "adorned",
        next_hop="10.9.8.7",
        families=["ipv4"],
        prepend=2,
        med=77,
        communities=["no-export", "64512:1"],
        large_communities=["64512:1:2"],
    )
    try:
        pod.start()
        yield pod
    finally:
        pod.close()


@pytest.fixture
def pod(shared: Pod) -> Iterator[Pod]:
    """The shared vipd; connections of a test end with it."""
    yield shared
    shared.rest()
    assert shared.process.poll() is None, shared.log()


@pytest.fixture
def own_pod(tmp_path: Path) -> Iterator[Callable[..., Pod]]:
    """Makes a vipd for one test alone."""
    with ExitStack() as stack:

        def make(**words: object) -> Pod:
            pod = Pod(tmp_path, **words)
            stack.callback(pod.close)
            return pod

        yield make
