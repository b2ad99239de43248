"""Scripts that let a shell complete what is typed after `vipd`, drawn from its own parser."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Final

BASH: Final = """\
# bash completion for vipd. To use it: source <(vipd completion bash)
_vipd() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=
    if (( COMP_CWORD == 1 )); then
        words="{verbs}"
    else
        case "${{COMP_WORDS[1]}} $before" in
{values}
            *) case "${{COMP_WORDS[1]}}" in
{words}
            esac ;;
        esac
    fi
    COMPREPLY=( $(compgen -W "$words" -- "$word") )
}}
complete -o default -F _vipd vipd
"""

ZSH: Final = """\
# zsh completion for vipd. To use it: source <(vipd completion zsh)
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
autoload -Uz bashcompinit && bashcompinit
"""

FISH: Final = "# fish completion for vipd. To use it: vipd completion fish | source\n"


def bash(parser: argparse.ArgumentParser) -> str:
    """Where nothing is proposed, bash proposes files: so do options with any value, and words."""
    values, words = [], []
    for verb, (_, options, positionals) in _verbs(parser).items():
        for option in options:
            if option.nargs != 0:
                cases = "|".join(f'"{verb} {name}"' for name in option.option_strings)
                values.append(f'            {cases}) words="{_choices(option)}" ;;')
        known = [name for option in options for name in option.option_strings]
        known.extend(_choices(positional) for positional in positionals)
        words.append(f'                {verb}) words="{" ".join(filter(None, known))}" ;;')
    verbs = " ".join(
        (*_verbs(parser), *(name for option in _options(parser) for name in option.option_strings))
    )
    return BASH.format(verbs=verbs, values="\n".join(values), words="\n".join(words))


def zsh(parser: argparse.ArgumentParser) -> str:
    """It understands what bash does."""
    return ZSH + bash(parser).partition("\n")[2]


def fish(parser: argparse.ArgumentParser) -> str:
    return FISH + "".join(f"complete -c vipd {line}\n" for line in _fish(parser))


SCRIPTS: Final = {"bash": bash, "zsh": zsh, "fish": fish}  # by the name of the shell


def _fish(parser: argparse.ArgumentParser) -> Iterator[str]:
    for option in _options(parser):
        yield f"-f -n __fish_use_subcommand {_fish_option(option)}"
    for verb, (summary, options, positionals) in _verbs(parser).items():
        yield f"-f -n __fish_use_subcommand -a {verb} -d {_quoted(summary)}"
        seen = f"-n '__fish_seen_subcommand_from {verb}'"
        if all(positional.choices for positional in positionals):
            yield f"{seen} -f"  # no files
        for option in options:
            yield f"{seen} {_fish_option(option)}"
        for positional in positionals:
            if positional.choices:
                yield f"{seen} -a '{_choices(positional)}'"


def _fish_option(option: argparse.Action) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name[:2] == "--" else f"-s {name[1:]}" for name in option.option_strings
    )
    value = "" if option.nargs == 0 else f" -x -a '{_choices(option)}'" if option.choices else " -r"
    return f"{names}{value} -d {_quoted(option.help or '')}"


def _verbs(
    parser: argparse.ArgumentParser,
) -> Mapping[str, tuple[str, list[argparse.Action], list[argparse.Action]]]:
    """Each verb with its summary, options and positional arguments."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way of being asked
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            return {
                verb: (summaries.get(verb, ""), _options(parser), _positionals(parser))
                for verb, parser in action.choices.items()
            }
    return {}


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings]  # noqa: SLF001


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not action.option_strings]  # noqa: SLF001


def _choices(action: argparse.Action) -> str:
    return " ".join(map(str, action.choices or ()))


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
