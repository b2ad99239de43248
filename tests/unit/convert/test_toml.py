"""Tables to text."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.config.environment import substitute
from vipd.convert.toml import WIDTH, Reference, Table, render

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def written(**entries):
    return render([Table(header="[t]", entries={key.replace("_", "-"): e for key, e in entries.items()})])


def test_a_table_reads_as_a_person_would_have_written_it():
    table = Table(
        header="[[service]]",
        entries={"name": "apex", "med": 10, "interval": 0.5, "passive": True},
        remarks={"med": "the lower, the better"},
        notes=["a note", "a note", "another"],
        depth=1,
    )
    assert render([table]) == (
        "  [[service]]\n"
        "  # a note\n"
        "  # another\n"
        '  name = "apex"\n'
        "  med = 10  # the lower, the better\n"
        "  interval = 0.5\n"
        "  passive = true\n"
    )


def test_tables_are_apart():
    assert render([Table(header="[a]"), Table(notes=["b"])]) == "[a]\n\n# b\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('say "no"', """'say "no"'"""),
        ("it's", '"it\'s"'),
        ("""it's "no\"""", '"it\'s \\"no\\""'),
        ("one\ntwo\n", "'''\none\ntwo\n'''"),
        ("one\ntwo", '"one\\U0000000atwo"'),
        ("${HOME}", '"$${HOME}"'),
        (Reference("${HOME}"), '"${HOME}"'),
        (["a", "b"], '["a", "b"]'),
        ({"ipv4": "10.0.0.1"}, '{ ipv4 = "10.0.0.1" }'),
    ],
)
def test_values(value, text):
    assert written(k=value) == f"[t]\nk = {text}\n"


def test_a_long_list_is_filled_into_lines():
    vips = [f"192.0.2.{n}" for n in range(256)]
    text = written(vips=vips)
    assert tomllib.loads(text) == {"t": {"vips": vips}}
    assert 20 < text.count("\n") < 50
    assert max(map(len, text.splitlines())) <= WIDTH + 2


def test_a_script_is_not_indented_with_its_table():
    table = Table(header="[t]", entries={"run": "a\n  b\n"}, depth=2)
    assert tomllib.loads(render([table])) == {"t": {"run": "a\n  b\n"}}


def test_a_long_comment_is_broken_between_words():
    lines = render([Table(notes=["word " * 60])]).splitlines()
    assert all(line.startswith("# ") and len(line) <= WIDTH for line in lines)
    assert len(lines) > 2


@given(TEXT)
def test_any_string_comes_back(text):
    tables = tomllib.loads(render([Table(header="[t]", entries={"k": text, "l": [text]}, depth=1)]))
    assert substitute(tables, {}, "", None) == {"t": {"k": text, "l": [text]}}


@given(TEXT)
def test_any_comment_stays_one(text):
    table = Table(header="[t]", entries={"k": 1}, remarks={"k": text}, notes=[text])
    assert tomllib.loads(render([table])) == {"t": {"k": 1}}
