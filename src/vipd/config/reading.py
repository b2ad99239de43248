"""One reading of one file: the tables in it become values, and everything wrong with it is gathered."""

from typing import Any

from vipd.config.machine import Machine
from vipd.config.problems import Problem, Refused, shown, suggestion
from vipd.config.schema import REQUIRED, Section


class Reading:
    """What was found wrong, and what was found odd, so far; and the machine that may be asked."""

    def __init__(self, path: str, machine: Machine) -> None:
        self.path = path
        self.machine = machine
        self.problems: dict[str, Problem] = {}  # by key path
        self.warnings: list[str] = []

    def refuse(self, key: str, reason: str, *value: object) -> None:
        """Note a mistake at a key path; `value` is what stands there, left out where nothing does.

        The first one at a path counts, for a second one is what follows from it.
        """
        text = shown(value[0]) if value else None
        self.problems.setdefault(key, Problem(path=self.path, key=key, value=text, reason=reason))

    def warn(self, key: str, text: str) -> None:
        self.warnings.append(f"{key}: {text}")

    def values(self, section: Section, table: object, at: str) -> dict[str, Any]:
        """Return what a table says, without defaults; `at` is its key path. What is wrong is left out."""
        if not isinstance(table, dict):
            self.refuse(at, f"must be a table, {section.title}", table)
            return {}
        found: dict[str, Any] = {}
        prefix = f"{at}." if at else ""
        for name, value in table.items():
            if (key := section.keys.get(name)) is None:
                strange = f"is not a key of {section.title}{suggestion(name, section.keys)}"
                shown_name = name if name.isprintable() else ascii(name)
                self.refuse(prefix + shown_name, section.strangers.get(name, strange))
                continue
            try:
                found[name] = key.read(value)
            except Refused as refused:
                for where, part, reason in refused.within or (("", value, refused.reason),):
                    self.refuse(f"{prefix}{name}{where}", reason, part)
        for name, key in section.keys.items():
            if key.absence is REQUIRED and name not in table:
                self.refuse(prefix + name, f"is missing: {key.kind}")
        return found
