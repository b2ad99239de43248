"""What the image of vipd holds, and what it says of itself."""

import json
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from containers.podman import USER, VIPD
from interop.netns import run
from vipd import __version__

LARGEST = 70_000_000  # octets
SITE = "usr/local/lib/python3.11/dist-packages"


@pytest.fixture(scope="module")
def described(images) -> dict:
    return json.loads(run("podman", "image", "inspect", VIPD))[0]


@pytest.fixture(scope="module")
def members(images, tmp_path_factory) -> Iterator[dict[str, tarfile.TarInfo]]:
    """Every file of the image, by path."""
    with tarfile.open(_exported(tmp_path_factory.mktemp("image") / "rootfs.tar")) as archive:
        yield {member.name: member for member in archive}


@pytest.fixture(scope="module")
def bom(images, tmp_path_factory) -> dict:
    """What the image says it is made of."""
    with tarfile.open(_exported(tmp_path_factory.mktemp("bom") / "rootfs.tar")) as archive:
        return json.load(archive.extractfile("usr/share/doc/vipd/sbom.cdx.json"))


def _exported(path: Path) -> Path:
    container = run("podman", "--log-level", "fatal", "create", "--network", "none", VIPD).strip()
    try:
        run("podman", "export", "--output", path, container, timeout=60)
    finally:
        run("podman", "rm", container)
    return path


def test_it_is_small(described):
    print(f"{described['Size'] / 1e6:.1f} MB")
    assert described["Size"] <= LARGEST


def test_it_runs_vipd_as_nobody_in_particular_and_asks_it_how_it_is(described):
    config = described["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert (config["Entrypoint"], config["Cmd"]) == (["vipd"], ["run"])
    assert described["Healthcheck"]["Test"] == ["CMD", "vipd", "healthcheck"]


def test_its_labels_tell_what_it_is_and_of_which_commit(described):
    labels = {name.rpartition(".")[2]: text for name, text in described["Labels"].items()}
    assert labels["title"] == "vipd"
    assert labels["version"] == __version__
    assert labels["licenses"] == "Apache-2.0"
    assert len(labels["revision"]) == 40
    assert labels["description"]


def test_it_holds_nothing_to_run_but_python_and_vipd(members):
    runnable = {
        name
        for name, member in members.items()
        if member.isfile() and member.mode & 0o111 and name.split("/")[-2] in {"bin", "sbin", "libexec"}
    }
    assert runnable == {"usr/bin/python3.11", "usr/local/bin/vipd"}
    shells = {name for name in members if name.rpartition("/")[2] in {"sh", "bash", "dash", "busybox", "pip"}}
    assert not shells


def test_its_user_owns_and_may_write_nothing(members):
    for name, member in members.items():
        assert not member.mode & (stat.S_ISUID | stat.S_ISGID), name
        assert member.uid != USER, name
        assert member.issym() or member.isdev() or not member.mode & stat.S_IWOTH, name


def test_every_module_is_compiled_for_it_cannot_be_later(members):
    modules = [Path(name) for name in members if name.endswith(".py") and "/bin/" not in name]
    assert any(name.match("vipd/cli.py") for name in modules)
    for module in modules:
        assert str(module.parent / "__pycache__" / f"{module.stem}.cpython-311.pyc") in members


def test_its_bill_of_materials_names_whatever_is_in_it(bom, members):
    assert (bom["bomFormat"], bom["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    parts = {part["purl"].partition("@")[0]: part["version"] for part in bom["components"]}
    installed = {
        name.removeprefix(f"{SITE}/").removesuffix(".dist-info").rpartition("-")[::2]
        for name in members
        if name.endswith(".dist-info")
    }
    for name, version in installed:
        if name != "vipd":
            assert parts[f"pkg:pypi/{name.lower().replace('_', '-')}"] == version
    assert {"pkg:pypi/aiohttp", "pkg:deb/debian/libssl3", "pkg:deb/debian/python3.11-minimal"} <= parts.keys()


def test_a_library_that_is_not_there_would_be_missed(images):
    """Everything that vipd imports once it runs, and what Python loads for that."""
    run(
        *(
            "podman",
            "--log-level",
            "fatal",
            "run",
            "--rm",
            "--pull",
            "never",
            "--network",
            "none",
            "--read-only",
        ),
        *("--entrypoint", "python3", VIPD, "-c"),
        "import pkgutil, importlib, vipd\n"
        "for module in pkgutil.walk_packages(vipd.__path__, 'vipd.'):\n"
        "    if module.name != 'vipd.__main__': importlib.import_module(module.name)",
        timeout=60,
    )
