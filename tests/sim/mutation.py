"""Production code with one change, in memory: what `make sim-mutants` shows the scenarios to catch."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType


@dataclass(frozen=True, kw_only=True)
class Change:
    """In a module, a text that stands there exactly once becomes another."""

    module: str
    old: str
    new: str


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, changes: Sequence[Change]) -> None:
        super().__init__(name, path)
        self._changes = changes

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        for change in self._changes:
            found = source.count(change.old)
            if found != 1:
                raise LookupError(f"{change.module} holds {change.old!r} {found} times, not once")
            source = source.replace(change.old, change.new)
        return compile(source, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, changes: Mapping[str, Sequence[Change]]) -> None:
        self._changes = changes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._changes:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._changes[fullname])
        return spec


def install(*changes: Change) -> None:
    """Have modules imported from now on with these changes. Raises LookupError when one of them is."""
    by_module: dict[str, list[Change]] = {}
    for change in changes:
        assert change.module not in sys.modules, f"{change.module} is imported already"
        by_module.setdefault(change.module, []).append(change)
    sys.meta_path.insert(0, _Finder(by_module))
