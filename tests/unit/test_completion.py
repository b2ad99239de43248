"""Completion, asked of the shells themselves."""

import shutil
import subprocess

import pytest

from vipd.cli import VERBS
from vipd.completion import SCRIPTS, bash, fish, zsh
from vipd.grammar import SHELLS, parser

ASK = """
COMP_WORDS=({words}) COMP_CWORD={last}
_vipd
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def proposed(*words: str) -> set[str]:
    """What bash proposes for the last of the words."""
    quoted = " ".join(f'"{word}"' for word in words)
    asked = bash(parser()) + ASK.format(words=quoted, last=len(words) - 1)
    ran = subprocess.run(["bash", "-u"], input=asked, capture_output=True, text=True, check=True, timeout=30)
    assert ran.stderr == ""
    return {line for line in ran.stdout.splitlines() if line}


def test_verbs():
    assert proposed("vipd", "") == {*VERBS, "-h", "--help", "--version"}


def test_a_verb_that_has_begun():
    assert proposed("vipd", "ne") == {"neighbors"}
    assert proposed("vipd", "h") == {"healthcheck"}


def test_options():
    assert proposed("vipd", "status", "--") == {"--help", "--output", "--socket"}
    assert proposed("vipd", "demo", "--f") == {"--forever"}


@pytest.mark.parametrize("option", ["-o", "--output"])
def test_values(option):
    assert proposed("vipd", "why", option, "") == {"text", "json"}
    assert proposed("vipd", "why", "192.0.2.1", option, "j") == {"json"}


def test_words():
    assert proposed("vipd", "completion", "") == {*SHELLS, "-h", "--help"}
    assert proposed("vipd", "convert", "e") == {"exabgp", "exazk"}


def test_files_are_left_to_bash():
    assert proposed("vipd", "run", "--config", "/etc") == set()
    assert proposed("vipd", "check", "/etc") == set()
    assert "complete -o default -F _vipd vipd\n" in bash(parser())


def test_a_verb_that_there_is_not():
    assert proposed("vipd", "frobnicate", "") == set()


def test_zsh_uses_what_bash_does():
    script = zsh(parser())
    assert "bashcompinit" in script.splitlines()[2]
    assert script.endswith(bash(parser()).partition("\n")[2])


def test_fish_is_told_every_verb_and_option():
    lines = fish(parser()).splitlines()
    verbs = {line.split(" -a ")[1].split()[0] for line in lines if "__fish_use_subcommand -a" in line}
    assert verbs == set(VERBS)
    seen = "-n '__fish_seen_subcommand_from status'"
    assert (
        f"complete -c vipd {seen} -s o -l output -x -a 'text json' -d 'what to print: text (default) or json'"
        in lines
    )
    assert any(line.startswith(f"complete -c vipd {seen} -l socket -r -d ") for line in lines)
    assert "complete -c vipd -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'" in lines
    assert any("-d 'make a vipd.toml of another program\\'s configuration'" in line for line in lines)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_read_it_where_they_are_installed(shell):
    where = shutil.which(shell)
    if where is not None:  # neither is needed to build vipd
        subprocess.run([where, "-n"], input=SCRIPTS[shell](parser()), text=True, check=True, timeout=30)


def test_every_shell_has_a_script():
    assert tuple(SCRIPTS) == SHELLS
