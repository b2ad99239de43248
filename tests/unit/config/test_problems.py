import pytest

from vipd.config.problems import SHOWN, ConfigError, Problem, shown, suggestion


def test_a_problem_is_a_line_with_all_there_is_to_know():
    problem = Problem(path="vipd.toml", key="neighbor[1].hold-time", value="2", reason="must be 0 or 3")
    assert str(problem) == "vipd.toml: neighbor[1].hold-time = 2: must be 0 or 3"


def test_a_problem_of_the_file_itself_has_neither_key_nor_value():
    assert str(Problem(path="vipd.toml:3", reason="is not TOML")) == "vipd.toml:3: is not TOML"


def test_a_problem_is_one_line_whatever_its_key_is_called():
    problem = Problem(path="vipd.toml", key="check[0].headers.X\nY", reason="must be a header name")
    assert str(problem) == r"vipd.toml: check[0].headers.X\nY: must be a header name"


def test_more_problems_than_anybody_reads_are_counted():
    problem = Problem(path="vipd.toml", reason="is wrong")
    lines = str(ConfigError((problem,) * (SHOWN + 1000))).splitlines()
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "... and 1,000 problems more"
    assert str(ConfigError((problem, problem))).splitlines() == [str(problem)] * 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (2, "2"),
        (0.5, "0.5"),
        ("tor-a", '"tor-a"'),
        ("two\nlines", r"'two\nlines'"),
        ({"a": 1}, "{ … }"),
        ([1, 2], "[2 values]"),
        ([], "[0 values]"),
        ([["a"]], '[["a"]]'),
        (1 << 128, "a number of more than 128 bits"),
        (float("nan"), "nan"),
    ],
)
def test_a_value_is_shown_as_the_file_spells_it(value, text):
    assert shown(value) == text


def test_a_number_that_python_would_not_print_is_no_trouble():
    assert shown(-(10**5000)) == "a number of more than 128 bits"


def test_a_long_value_is_cut():
    assert len(shown("x" * 1000)) == 79


def test_suggestion():
    assert suggestion("local_as", ("local-as", "peer-as")) == '; did you mean "local-as"?'
    assert suggestion("Hold-Time", ("hold-time",)) == '; did you mean "hold-time"?'
    assert suggestion("zookeeper", ("hold-time",)) == ""
