"""The page about the configuration and the examples say what the code does."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from vipd.config import load, render, schema

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))

# The tables of the page, in its order. [neighbor-defaults] shares that of [[neighbor]].
TOLD = [
    schema.SPEAKER,
    schema.NEIGHBOR,
    schema.SERVICE,
    schema.VIP,
    schema.CHECK,
    schema.FABRIC,
    schema.COORDINATION,
    schema.DEFINITION,
    schema.LOOPBACK,
    schema.DRAIN,
    schema.API,
    schema.LOG,
]


def rows(text):
    """The tables of a Markdown text, each row as (key, type, default, meaning), without back-quotes."""
    for table in re.findall(r"^\|.*(?:\n\|.*)*", text, re.MULTILINE):
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        assert cells[0] == ["key", "type", "default", "meaning"]
        yield [tuple(cell.replace("`", "").replace("*", "") for cell in row) for row in cells[2:]]


def test_every_key_is_told_with_its_type_and_default():
    told = [[row[:3] for row in table] for table in rows(PAGE)]
    assert told == [
        [(key.name, key.kind.replace("`", ""), key.otherwise.replace("`", "")) for key in part.keys.values()]
        for part in TOLD
    ]
    assert all(len(row) == 4 and row[3] for table in rows(PAGE) for row in table)


def test_every_section_is_told():
    parts = {part.title for name, part in vars(schema).items() if isinstance(part, schema.Section)}
    elsewhere = (schema.FILE, schema.NEIGHBOR_DEFAULTS, schema.DEFINED_POLICY)
    assert parts == {part.title for part in (*TOLD, *elsewhere)}
    headings = re.findall(r"^## .*", PAGE, re.MULTILINE)
    assert [part.title for part in TOLD] == [
        part.title
        for part in TOLD
        for heading in headings
        if part.title in heading.replace("and ", "").split()
    ]


def test_the_defaults_of_neighbours_are_their_keys_but_three():
    own, shared = schema.NEIGHBOR.keys, schema.NEIGHBOR_DEFAULTS.keys
    assert [key for key in own if key not in shared] == ["address", "name", "description"]
    assert {key: own[key] for key in shared} == shared


def test_every_key_of_the_file_has_a_section():
    titles = {
        part.title.strip("[]") for part in (*TOLD, schema.NEIGHBOR_DEFAULTS) if part.title.startswith("[")
    }
    assert set(schema.FILE.keys) == {title for title in titles if "." not in title}


def test_there_are_examples():
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted_without_a_warning(path, known, read):
    machine = replace(known, gateways=lambda: ("10.20.151.129", "10.20.151.130"))
    config = load(str(path), {}, machine=machine)
    assert config.warnings == ()
    assert replace(read(render(config)), path=config.path) == config


def test_the_page_begins_with_the_smallest_file(read):
    smallest = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    config = read(smallest)
    assert config.warnings == ()
    assert config.services[0].service.vips == ("192.0.2.166",)


def test_two_load_balancers_order_their_vips_by_med(known):
    path = str(ROOT / "examples" / "two-load-balancers.toml")
    first = load(path, {"VIPD_MED_A": "100", "VIPD_MED_B": "200"}, machine=known).services[0]
    second = load(path, {"VIPD_MED_A": "200", "VIPD_MED_B": "100"}, machine=known).services[0]
    assert [route.med for route in first.routes.values()] == [100, 200]
    assert [route.med for route in second.routes.values()] == [200, 100]
