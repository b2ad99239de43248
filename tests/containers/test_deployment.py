"""The files that run vipd elsewhere: what their own tools say of them, and that a pod of them runs."""

import re
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from containers.podman import NOTHING, ROOT, Container
from interop.bird import Bird
from interop.netns import Lab, run, wait_for
from interop.tor import Neighbor
from interop.wiring import POD4, TOR4, TOR_AS, client_behind, fetch, link

KUBERNETES = ROOT / "containers" / "kubernetes"
VERSIONS = ("1.32.0", "1.37.0")
FLEET_AS = 64147
FOREIGN = {"Kustomization", "ServiceMonitor"}  # of which the schemas of Kubernetes know nothing
VIPS = [f"192.0.2.{number}" for number in (166, 167, 168)]


def documents() -> dict[str, dict]:
    """What the base holds, by kind."""
    return {
        document["kind"]: document
        for path in sorted(KUBERNETES.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    }


@pytest.fixture
def template() -> dict:
    """What every pod of the fleet is made of."""
    return documents()["StatefulSet"]["spec"]["template"]


@pytest.fixture
def checked(tmp_path) -> str:
    """What `vipd check` prints of the fleet's configuration."""
    file = tmp_path / "vipd.toml"
    file.write_text(documents()["ConfigMap"]["data"]["vipd.toml"])
    pod = ("env", "POD=load-balancer-0", "RACK=a")
    return run(*pod, sys.executable, "-m", "vipd", "check", file, timeout=30)


# --- Kubernetes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", sorted(documents().keys() - FOREIGN))
def test_kubernetes_knows_every_key(kind, version):
    kubernetes_validate.validate(documents()[kind], version, strict=True)


def test_a_key_that_kubernetes_does_not_know_would_be_found(template):
    wrong = documents()["StatefulSet"]
    wrong["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_the_base_names_every_file_beside_it():
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(documents()["Kustomization"]["resources"]) == files


def test_all_of_it_is_of_one_fleet(template):
    found = documents()
    labels = template["metadata"]["labels"]
    assert found["StatefulSet"]["spec"]["selector"]["matchLabels"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert (
        found["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == found["Service"]["metadata"]["labels"]
    )
    (scraped,) = found["ServiceMonitor"]["spec"]["endpoints"]
    assert scraped["port"] in {port["name"] for port in found["Service"]["spec"]["ports"]}


def test_the_grace_period_is_the_one_that_vipd_check_prints(template, checked):
    grace = re.search(r"terminationGracePeriodSeconds, TimeoutStopSec\) has to be longer: (\d+)\.", checked)[
        1
    ]
    assert template["spec"]["terminationGracePeriodSeconds"] == int(grace)
    unit = (ROOT / "containers" / "vipd.service").read_text()
    assert f"TimeoutStopSec={grace}\n" in unit
    compose = yaml.safe_load((ROOT / "containers" / "compose.yaml").read_text())
    assert compose["services"]["vipd"]["stop_grace_period"] == f"{grace}s"


def test_the_addresses_on_lo_are_those_that_are_announced(template, checked):
    (addresses,) = template["spec"]["initContainers"]
    assert addresses["command"][-len(VIPS) :] == VIPS
    assert all(f'"{vip}"' in checked for vip in VIPS)


@pytest.fixture
def playing(housed: Lab, template, tmp_path) -> tuple[Lab, Bird, str]:
    """One pod of the fleet, as podman plays its file on the network of a node; and its ToR."""
    switch, node = housed.node("tor"), housed.node("pod")
    link(housed, switch, node)
    node.ip("route", "add", "default", "via", TOR4)
    neighbors = [Neighbor(address=POD4, peer_as=FLEET_AS)]
    tor = Bird(switch, asn=TOR_AS, router_id=TOR4, neighbors=neighbors)
    tor.start()
    name = f"{node.namespace}-play"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **template["metadata"]}}
    configuration = documents()["ConfigMap"]
    # There is no ZooKeeper here: the pod starts alone, and soon.
    configuration["data"]["vipd.toml"] = (
        configuration["data"]["vipd.toml"]
        .replace("zk1.example.net,zk2.example.net,zk3.example.net", TOR4)
        .replace("[drain]", "grace = 0.5\n\n[drain]")
    )
    # podman loses its patience with init containers: they are run as they are described, before.
    for init in template["spec"].pop("initContainers"):
        context = init["securityContext"]
        user, added = str(context["runAsUser"]), ",".join(context["capabilities"]["add"])
        run_as = ("--user", user, "--cap-add", added, "--entrypoint", "")
        assert Container(node, init["image"], *NOTHING, *run_as).start(*init["command"]).wait(30) == 0
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump_all([configuration, pod | {"spec": template["spec"]}]))
    podman = ("nsenter", f"--net=/run/netns/{node.namespace}", "podman", "--log-level", "fatal")
    housed.closing.callback(run, "podman", "volume", "rm", "--force", "vipd", check=False)
    housed.closing.callback(run, "podman", "pod", "rm", "--force", "--time", "0", name, timeout=60)
    run(*podman, "kube", "play", file, timeout=90)
    return housed, tor, name


def test_podman_plays_a_pod_of_it(playing):
    lab, tor, name = playing
    for vip in VIPS:
        assert tor.learns(f"{vip}/32", timeout=40).next_hop == POD4
    client = client_behind(lab, tor.node)
    wait_for(lambda: fetch(client, VIPS[0]), "nginx answers at a VIP")
    said = run("podman", "exec", f"{name}-vipd", "vipd", "status", "-o", "json")
    assert f'"{name}"' in said, "it goes by the name of its pod"
    effective = "{{.EffectiveCaps}} {{.HostConfig.ReadonlyRootfs}} {{.Config.User}}"
    assert run("podman", "inspect", "--format", effective, f"{name}-vipd").strip() == "[] true 65532:65532"
    run("podman", "exec", f"{name}-vipd", "vipd", "healthcheck")


# --- compose ----------------------------------------------------------------------------------------------


def test_compose_reads_its_file():
    run("docker-compose", "--file", ROOT / "containers" / "compose.yaml", "config", "--quiet", timeout=60)


def test_a_key_that_compose_does_not_know_would_be_found(tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text((ROOT / "containers" / "compose.yaml").read_text().replace("read_only", "readonly"))
    with pytest.raises(AssertionError, match="Unsupported config option"):
        run("docker-compose", "--file", file, "config", "--quiet", timeout=60)


def test_every_container_of_compose_may_do_as_little():
    for container in yaml.safe_load((ROOT / "containers" / "compose.yaml").read_text())["services"].values():
        assert container["read_only"]
        assert container["cap_drop"] == ["ALL"]
        assert container["security_opt"] == ["no-new-privileges:true"]


# --- systemd ----------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path) -> Path:
    """The unit, for a vipd that is installed where we are."""
    file = tmp_path / "vipd.service"
    here = Path(sys.executable).with_name("vipd")
    file.write_text((ROOT / "containers" / "vipd.service").read_text().replace("/usr/bin/vipd", str(here)))
    return file


def test_systemd_finds_nothing_wrong(unit):
    run("systemd-analyze", "verify", unit, timeout=30)


def test_a_key_that_systemd_does_not_know_would_be_found(unit):
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchdogSeconds"))
    done = run("sh", "-c", f"systemd-analyze verify {unit} 2>&1", check=False, timeout=30)
    assert "WatchdogSeconds" in done


def test_systemd_rates_its_exposure_as_low(unit):
    said = run("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit, timeout=30)
    exposure = re.search(r"Overall exposure level for \S+: (\S+)", said)[1]
    assert exposure in (ROOT / "docs" / "containers.md").read_text(), "which is the figure in the docs"
