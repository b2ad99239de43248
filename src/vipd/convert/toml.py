"""TOML that a person would have written: tables with comments, and their text."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

WIDTH = 100  # columns of a comment or of a list before it is broken

Value = bool | int | float | str | Sequence[str] | Mapping[str, str]


class Reference(str):
    """A string that is itself a reference to the environment: ${NAME}."""

    __slots__ = ()


@dataclass(slots=True, kw_only=True)
class Table:
    """One table of the file. Entries are written in their order."""

    header: str = ""  # "[speaker]", "[[neighbor]]"; "": a comment that stands by itself
    entries: dict[str, Value] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)  # by key: a comment at its line's end
    notes: list[str] = field(default_factory=list)  # comments in front of the entries
    depth: int = 0  # how far it is indented


def render(tables: Sequence[Table]) -> str:
    return "\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    lines = [table.header] if table.header else []
    for note in dict.fromkeys(table.notes):
        lines += _comment(note, WIDTH - 2 * table.depth)
    for key, value in table.entries.items():
        entry = f"{key} = {_value(value)}"
        if key in table.remarks:
            entry += f"  # {_clean(table.remarks[key])}"
        # the lines of a list are ours to indent, those of a string are not
        lines += [entry] if isinstance(value, str) else entry.split("\n")
    return "".join(f"{'  ' * table.depth}{line}\n" for line in lines)


def _comment(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        _clean(text),
        width,
        initial_indent="# ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _clean(text: str) -> str:
    """One line that TOML lets stand in a comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _value(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case Reference():
            return f'"{value}"'
        case str() if value.endswith("\n") and "'''" not in value and value.replace("\n", "").isprintable():
            return f"'''\n{_meant(value)}'''"  # a script
        case str():
            return _string(value)
        case Mapping():
            return "{ " + ", ".join(f"{key} = {_string(item)}" for key, item in value.items()) + " }"
        case _:
            return _list([_string(item) for item in value])


def _list(items: Sequence[str]) -> str:
    one_line = f"[{', '.join(items)}]"
    if len(one_line) <= WIDTH:
        return one_line
    lines = [" "]
    for item in items:
        if len(lines[-1]) + len(item) > WIDTH and lines[-1].strip():
            lines.append(" ")
        lines[-1] += f" {item},"
    return "\n".join(["[", *lines, "]"])


def _meant(text: str) -> str:
    """Text that stands for itself: `${` begins a reference in vipd's files, `$${` does not."""
    return text.replace("${", "$${")


def _string(text: str) -> str:
    text = _meant(text)
    if ('"' in text or "\\" in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return '"' + "".join(_letter(letter) for letter in text) + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
