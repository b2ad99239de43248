"""What is wrong with a configuration, in the words of the person who wrote it."""

from dataclasses import dataclass
from typing import Final

SHOWN: Final = 40  # problems that a person can read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake: where it is, what stands there, and what was allowed."""

    path: str  # of the file; "vipd.toml:12" where only the line is known
    key: str = ""  # "neighbor[1].hold-time", tables of an array counted from 0; "": the file itself
    value: str | None = None  # as the file spells it, shortened; None: absent, or not to be shown
    reason: str

    def __str__(self) -> str:
        key = f" {self.key}" if self.key else ""
        value = f" = {self.value}" if self.value is not None else ""
        return f"{self.path}:{key}{value}: {self.reason}"


class ConfigError(Exception):
    """A configuration that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        if (more := len(self.problems) - SHOWN) > 0:
            lines.append(f"... and {more:,} problems more")
        return "\n".join(lines)
