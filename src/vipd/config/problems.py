"""What is wrong with a configuration, in the words of the person who wrote it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

SHOWN: Final = 40  # problems that a person can read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake: where it is, what stands there, and what was allowed."""

    path: str  # of the file; "vipd.toml:12" where only the line is known
    key: str = ""  # "neighbor[1].hold-time", tables of an array counted from 0; "": the file itself
    value: str | None = None  # as the file spells it, shortened; None: absent, or not to be shown
    reason: str

    def __str__(self) -> str:
        key = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in self.key)
        key = f": {key}" if key else ""
        value = f" = {self.value}" if self.value is not None else ""
        return f"{self.path}{key}{value}: {self.reason}"


class ConfigError(Exception):
    """A configuration that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...], *, denied: bool = False) -> None:
        """`denied`: the file is not for us to read, whatever is in it."""
        super().__init__(problems)
        self.problems = problems
        self.denied = denied

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        if (more := len(self.problems) - SHOWN) > 0:
            lines.append(f"... and {more:,} problems more")
        return "\n".join(lines)


class Refused(Exception):  # noqa: N818 - a verdict on one value, which becomes a Problem
    """A value is not allowed. In a list or table it may be several values, each at its place in there."""

    def __init__(self, reason: str, *, within: tuple[tuple[str, object, str], ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.within = within  # (where in the value, "[3]" or ".ipv6", what stands there, why not)

    @classmethod
    def several(cls, within: Iterable[tuple[str, object, str]]) -> Self:
        return cls("", within=tuple(within))


def shown(value: object) -> str:
    """A value as the file would spell it, on one line, short enough to be read."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{ … }"
        case list():
            return f"[{len(value)} values]" if len(value) != 1 else f"[{shown(value[0])}]"
        case str():
            text = ascii(value) if not value.isprintable() else f'"{value}"'
        case int() if abs(value) >= 1 << 128:
            return "a number of more than 128 bits"
        case _:
            text = str(value)
    return text if len(text) <= 80 else f"{text[:78]}…"


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean "hold-time"?', or nothing where nothing is near."""
    import difflib  # noqa: PLC0415 - wanted only where something is wrong already

    near = difflib.get_close_matches(word.lower().replace("_", "-"), list(known), n=1, cutoff=0.7)
    return f'; did you mean "{near[0]}"?' if near else ""
