"""Characters to statements."""

import pytest

from vipd.convert.errors import ConvertError
from vipd.convert.exabgp_syntax import DEEPEST, Statement, parse


def shape(statements):
    """Words, and blocks as lists in brackets behind them."""
    return [
        (list(each.words) if each.block is None else [*each.words, shape(each.block)]) for each in statements
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n\t# nothing here\n", []),
        ("local-as 65001;", [["local-as", "65001"]]),
        ("a 1; b 2;", [["a", "1"], ["b", "2"]]),
        (";;", []),
        ("a 1; # and why", [["a", "1"]]),
        ("neighbor 10.0.0.1 { }", [["neighbor", "10.0.0.1", []]]),
        ("a {\n  b {\n c; } d;\n}\ne;", [["a", [["b", [["c"]]], ["d"]]], ["e"]]),
        ("community [174:666];", [["community", "[", "174:666", "]"]]),
        ("as-path [ 1,2 ];", [["as-path", "[", "1", ",", "2", "]"]]),
        ('description "a ; { # b";', [["description", "a ; { # b"]]),
        ("description 'two words';", [["description", "two words"]]),
        ('description "";', [["description", ""]]),
        ("""run x --cmd "sh -c 'a b'";""", [["run", "x", "--cmd", "sh -c 'a b'"]]),
        ('run x --cmd="a b";', [["run", "x", "--cmd=a b"]]),
        (r'run "a \"b\" c";', [["run", 'a "b" c']]),
        (r"run a\tb\u00e9 \x;", [["run", "a\tbé", "x"]]),
        ("run a \\\n  b;\nc;", [["run", "a", "b"], ["c"]]),
        ("run a;\\", [["run", "a"]]),
        ('a "x"y;', [["a", "x", "y"]]),
    ],
)
def test_statements(text, expected):
    assert shape(parse(text, "f")) == expected


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a\nb;", 1, "a: a statement ends in ; or { on its own line"),
        ("a;\nb { c }", 2, "c: a statement ends in ; before the block does"),
        ("a;\n}", 2, "}: no block is open here"),
        ("{ a; }", 1, "{: a block needs a name before it"),
        ("a;\n\nb {\nc;", 3, "b: its block is not closed by the end of the file"),
        ('a "b;', 1, 'a " is not closed on its own line'),
        ("a it's;", 1, "a ' is not closed on its own line"),
        (r"a \u12;", 1, r"\u is followed by the four hexadecimal digits of a character"),
        (r"a \ud800;", 1, r"\u is followed by the four hexadecimal digits of a character"),
        ("a {" * (DEEPEST + 1), 1, f"a: blocks in blocks, more than {DEEPEST} deep"),
        ("a \\\n b", 1, "a: a statement ends in ; or { on its own line"),
    ],
)
def test_what_is_no_statement_is_named_with_its_place(text, line, reason):
    with pytest.raises(ConvertError) as caught:
        parse(text, "exabgp.conf")
    assert (caught.value.file, caught.value.line, caught.value.reason) == ("exabgp.conf", line, reason)
    assert str(caught.value) == f"exabgp.conf:{line}: {reason}"


def test_a_statement_knows_its_place():
    (block,) = parse("\nneighbor 10.0.0.1 {\n  passive;\n}", "f")
    assert (block.line, block.block[0].line, block.file) == (2, 3, "f")


def test_the_error_of_a_whole_file_has_no_line():
    assert str(ConvertError("f", 0, "it is no UTF-8 text")) == "f: it is no UTF-8 text"


@pytest.mark.parametrize("keyword", ["md5-password", "md5", "MD5-pasword", "api-key", "secret"])
def test_no_secret_is_quoted(keyword):
    shown = str(Statement(words=(keyword, "hunter2"), file="f", line=1))
    assert "hunter2" not in shown
    assert keyword in shown


def test_a_block_is_quoted_without_its_content():
    assert str(parse("flow x { route a; }", "f")[0]) == "flow x { ... }"
