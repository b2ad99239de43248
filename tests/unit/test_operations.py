"""docs/operations.md against the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from vipd.cli import VERBS
from vipd.coord.member import Word

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")


def section(title: str) -> str:
    return DOCUMENT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def events() -> Iterator[tuple[str, str, str]]:
    """Every event that the source logs: its name, its level, and the file."""
    for path in (ROOT / "src" / "vipd").rglob("*.py"):
        if "demo" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            match node.func.attr, node.args:
                case (level, [ast.Constant(value=str(name)), *_]) if level in LEVELS:
                    yield name, "error" if level == "exception" else level, path.name
                case (level, [ast.IfExp(_, ast.Constant(one), ast.Constant(other)), *_]) if level in LEVELS:
                    yield from ((name, level, path.name) for name in (one, other))
                case ("log", [_, ast.Constant(value=str(name)), *_]):
                    yield name, "any", path.name


def test_every_event_is_told_with_a_level_that_it_has_and_no_other():
    told = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section("What it logs"), re.MULTILINE))
    levels: dict[str, set[str]] = {}
    for name, level, file in events():
        assert name in told, f"{file} logs {name}"
        levels.setdefault(name, set()).add(level)
    assert told.keys() == levels.keys()
    assert {name: level for name, level in told.items() if not levels[name] & {level, "any"}} == {}


def test_events_are_names():
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name, _, _ in events())


def test_every_verb_is_told_and_no_other():
    assert re.findall(r"^\| `vipd (\w+)", section("The verbs"), re.MULTILINE) == list(VERBS)


def test_every_verdict_is_told_and_no_other():
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", section("The verbs"), re.MULTILINE)) == set(Word)
