import pytest

from vipd.config.environment import FromEnvironment, escape, substitute

ENVIRON = {"AS": "64147", "EMPTY": "", "BAD": "a\nb", "OCTETS": "a\udc80"}


def replaced(value):
    wrong = []
    result = substitute(value, ENVIRON, "key", lambda key, reason, found: wrong.append((key, reason, found)))
    return result, wrong


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${AS}", "64147"),
        ("AS${AS}:${AS}", "AS64147:64147"),
        ("${AS:-1}", "64147"),
        ("${NONE:-1}", "1"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b c}", "a:-b c"),
        ("${EMPTY}", ""),
        ("${EMPTY:-1}", "1"),
        ("$${AS}", "${AS}"),
        ("$$${AS}", "$${AS}"),
        ("$${ and ${AS}", "${ and 64147"),
        ("$AS $(AS) {AS}", "$AS $(AS) {AS}"),
    ],
)
def test_references(text, result):
    assert replaced(text) == (result, [])


@pytest.mark.parametrize("text", ["${}", "${1A}", "${AS", "${AS:1}", "${NONE:-${AS}}", "${ AS }", "${AS%4}"])
def test_what_looks_like_a_reference_and_is_none(text):
    (_, [(key, reason, found)]) = replaced(text)
    assert (key, found) == ("key", text)
    assert "$${" in reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${NONE}", "NONE is not in the environment; ${NONE:-…} gives a default"),
        ("${BAD}", "BAD in the environment must be one line of UTF-8"),
        ("${OCTETS}", "OCTETS in the environment must be one line of UTF-8"),
    ],
)
def test_what_the_environment_does_not_give(text, reason):
    assert replaced(text)[1] == [("key", reason, text)]


def test_every_string_is_looked_at_and_nothing_else():
    tables = {"a": ["${AS}", 1, "x", ["${AS}"]], "b": {"c": "${AS}", "${AS}": True}, "d": 0.5}
    assert replaced(tables) == (
        {"a": ["64147", 1, "x", ["64147"]], "b": {"c": "64147", "${AS}": True}, "d": 0.5},
        [],
    )


def test_a_problem_is_told_with_its_key_path():
    _, wrong = replaced({"a": [{"b": "${NONE}"}], "c": ["x", "${NONE}"]})
    assert [key for key, _, _ in wrong] == ["key.a[0].b", "key.c[1]"]


def test_only_what_was_replaced_is_marked():
    assert isinstance(replaced("${AS}")[0], FromEnvironment)
    assert not isinstance(replaced("$${AS}")[0], FromEnvironment)
    assert not isinstance(replaced("64147")[0], FromEnvironment)


@pytest.mark.parametrize("text", ["${AS}", "$${AS}", "$$${", "${", "$", "a"])
def test_what_is_escaped_comes_back(text):
    assert replaced(escape(text)) == (text, [])
