"""The App Container Image: valid, with what actool does not look at, and it boots."""

import json
import sys
import tarfile
from pathlib import Path

import pytest

from containers.podman import NOTHING, ROOT, USER, VIPD, Container
from interop.netns import run, wait_for
from interop.pod import toml

NAME = "example.net/vipd"
MINIMAL = {
    "speaker": {"local-as": 65010, "router-id": "10.62.1.1"},
    "neighbor": [{"address": "10.62.1.0", "peer-as": 65101}],
    "service": [{"name": "apex", "vips": ["192.0.2.1"]}],
}


@pytest.fixture(scope="module")
def made(images, tmp_path_factory) -> Path:
    """Where both files are."""
    directory = tmp_path_factory.mktemp("aci")
    run(sys.executable, ROOT / "containers" / "aci" / "convert.py", VIPD, NAME, directory, timeout=90)
    return directory


def test_actool_finds_both_valid(made):
    run("actool", "validate", made / "vipd.aci", made / "pod.json", timeout=60)


def test_actool_would_find_a_fault(made, tmp_path):
    wrong = tmp_path / "pod.json"
    wrong.write_text((made / "pod.json").read_text().replace("sha512-", ""))
    with pytest.raises(AssertionError, match="invalid PodManifest"):
        run("actool", "validate", wrong)


def test_it_boots_by_its_own_manifest(housed, made, tmp_path):
    with tarfile.open(made / "vipd.aci") as archive:
        archive.extractall(tmp_path, filter="fully_trusted")
    app = json.loads((tmp_path / "manifest").read_text())["app"]
    assert app["exec"][0].startswith("/"), "for which actool does not ask"
    assert (app["user"], app["group"]) == (str(USER), str(USER))
    node = housed.node("pod")
    file = node.directory / "vipd.toml"
    file.write_text("".join(f"{name} = {toml(value)}\n" for name, value in MINIMAL.items()))
    variables = [f"--env={each['name']}={each['value']}" for each in app["environment"]]
    mount = ("--volume", f"{file}:/etc/vipd/vipd.toml:ro", "--user", f"{app['user']}:{app['group']}")
    container = Container(node, str(tmp_path / "rootfs"), *NOTHING, *variables, *mount, "--rootfs")
    process = container.start(*app["exec"])
    wait_for(lambda: "api_listening" in process.output(), "vipd runs")
    wait_for(lambda: "1" in container.run("vipd", "status", "-o", "json", check=False), "it answers")
