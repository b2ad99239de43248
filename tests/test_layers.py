"""The architecture as a test: who may import whom, and what a pure file may touch."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "vipd"
MODULES = {
    ".".join(("vipd", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in SOURCE.rglob("*.py")
}

PURE = {
    "vipd.health",
    "vipd.maintenance",
    "vipd.sharing",
    "vipd.status",
    "vipd.steps",
    "vipd.text",
    "vipd.text.layout",
    "vipd.text.neighbors",
    "vipd.text.sharing",
    "vipd.text.vips",
    "vipd.config.sections",
    "vipd.demo.story",
    "vipd.demo.view",
    "vipd.bfd.packet",
    "vipd.bfd.peer",
    "vipd.bfd.demux",
    "vipd.bfd.fsm",
    "vipd.bgp.iana",
    "vipd.bgp.errors",
    "vipd.bgp.peer",
    "vipd.bgp.wire",
    "vipd.bgp.capabilities",
    "vipd.bgp.attributes",
    "vipd.bgp.messages",
    "vipd.bgp.framing",
    "vipd.bgp.collision",
    "vipd.bgp.negotiation",
    "vipd.bgp.fsm",
    "vipd.bgp.route",
    "vipd.bgp.adj_rib_out",
    "vipd.bgp.sightings",
    "vipd.bgp.exchange",
    "vipd.coord.member",
    "vipd.coord.account",
    "vipd.coord.case",
    "vipd.coord.damping",
    "vipd.coord.decision",
    "vipd.coord.ensemble",
    "vipd.coord.exazk",
    "vipd.coord.handover",
    "vipd.coord.layout",
    "vipd.coord.link",
    "vipd.coord.placement",
    "vipd.coord.trust",
    "vipd.coord.witness",
}
WORLD = {
    "asyncio", "socket", "time", "random", "os", "logging", "threading", "subprocess",
    "structlog", "prometheus_client", "aiohttp", "aiozk", "pyroute2",
}  # fmt: skip

# Inside bgp, strictly downwards: a module imports only from those before it.
BGP_LADDER = [
    "iana", "errors", "peer", "wire", "capabilities", "attributes", "messages", "framing",
    "route", "adj_rib_out", "sightings", "exchange", "collision", "negotiation", "fsm", "transport",
    "session", "speaker",
]  # fmt: skip
BFD_LADDER = ["packet", "peer", "demux", "fsm", "transport", "sessions"]
SHARED = {"vipd.latest", "vipd.children", "vipd.sockaddr"}  # what packages may use beside themselves


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name == "vipd" or name.startswith("vipd.")}


def test_every_pure_file_exists():
    assert set(MODULES) >= PURE


@pytest.mark.parametrize("module", sorted(PURE))
def test_a_pure_file_touches_nothing(module):
    assert not {name.split(".")[0] for name in imports(MODULES[module])} & WORLD
    assert ours(MODULES[module]) <= PURE, "a pure file builds on pure files alone"


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m.startswith("vipd.bgp.")))
def test_bgp_looks_strictly_down(module):
    below = BGP_LADDER[: BGP_LADDER.index(module.removeprefix("vipd.bgp."))]
    assert ours(MODULES[module]) <= {f"vipd.bgp.{name}" for name in below} | SHARED


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m.startswith("vipd.bfd.")))
def test_bfd_looks_strictly_down(module):
    below = BFD_LADDER[: BFD_LADDER.index(module.removeprefix("vipd.bfd."))]
    assert ours(MODULES[module]) <= {f"vipd.bfd.{name}" for name in below} | SHARED


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m.startswith("vipd.coord")))
def test_coord_knows_only_itself(module):
    assert all(name.startswith("vipd.coord") or name in SHARED for name in ours(MODULES[module]))


def test_aiozk_is_known_to_the_adapter_and_to_the_server_of_the_demo_alone():
    knowing = {module for module, path in MODULES.items() if any("aiozk" in name for name in imports(path))}
    adapter = {f"vipd.coord.{name}" for name in ("zk_wire", "zk_session", "zk_watched", "zookeeper")}
    assert knowing == {*adapter, "vipd.demo.zookeeper"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nobody_imports_the_top(module):
    if module not in {"vipd.app", "vipd.cli", "vipd.__main__", "vipd.demo"}:
        assert not ours(MODULES[module]) & {"vipd.app", "vipd.cli", "vipd.demo"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_tasks_start_in_task_groups_and_nothing_sleeps_or_threads(module):
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            assert (owner, node.func.attr) not in {("asyncio", "create_task"), ("time", "sleep")}
            assert node.func.attr not in {"run_in_executor", "to_thread", "ensure_future"}
