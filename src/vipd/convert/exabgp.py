"""From ExaBGP's configuration to a vipd.toml: read, gather what every neighbour is told, write tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vipd.convert import exabgp_healthcheck, exabgp_neighbors, exazk_options
from vipd.convert.errors import ConvertError
from vipd.convert.exabgp_healthcheck import Healthcheck, Line
from vipd.convert.exabgp_neighbors import Exabgp, Neighbor, Process
from vipd.convert.exabgp_routes import lost
from vipd.convert.exabgp_syntax import Statement, parse
from vipd.convert.serving import serving
from vipd.convert.sources import Source, checked, settle, static_routes
from vipd.convert.speaking import speaking
from vipd.convert.telling import tell
from vipd.convert.toml import Table, render


@dataclass(slots=True, kw_only=True)
class Files:
    """The files given: configurations, and health check options that a configuration may name."""

    configurations: dict[str, str] = field(default_factory=dict)  # path -> text
    options: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What some configurations come to, as far as vipd can speak it."""

    neighbors: list[Neighbor]
    processes: list[Process]
    notes: list[str]
    files: Files
    exazk: list[str] = field(default_factory=list)  # processes that run ExaZK

    def sources(self) -> list[Source]:
        """Whence VIPs come: health checks, and static routes."""
        return [*_healthchecks(self), static_routes(self.neighbors)]


def gather(paths: Sequence[str]) -> Gathered:
    """Read ExaBGP's files. Raises ConvertError."""
    files = Files()
    for path in paths:
        text = read(path)
        (files.options if exabgp_healthcheck.is_options(text) else files.configurations)[path] = text
    found = Exabgp()
    for path, text in files.configurations.items():
        one = exabgp_neighbors.read(parse(text, path))
        found.neighbors += one.neighbors
        found.processes += one.processes
        found.notes += one.notes
    neighbors = list(_neighbors(found))
    if not neighbors:
        reasons = "".join(f"; {note}" for note in found.notes[:3])
        raise ConvertError(", ".join(paths), 0, f"there is no neighbor to speak to in it{reasons}")
    return Gathered(neighbors=neighbors, processes=found.processes, notes=found.notes, files=files)


def convert(paths: Sequence[str]) -> str:
    """Return the text of one vipd.toml for some ExaBGP configurations. Raises ConvertError.

    A file of health check options is found where the configuration says, next to it, or among `paths`.
    """
    gathered = gather(paths)
    sources = settle(gathered.sources())
    telling = tell(gathered.neighbors, sources)
    tables = [*speaking(gathered.neighbors, telling.neighbors), *serving(sources, telling)]
    gathered.notes += [lost(what, "it is ExaZK: vipd convert exazk") for what in gathered.exazk]
    if gathered.notes:
        tables.append(Table(notes=gathered.notes))
    body = render(tables)
    names = ", ".join(Path(path).name for path in paths)
    head = Table(notes=[f"Converted by `vipd convert exabgp` from {names}."])
    if "not carried over" in body:
        head.notes.append("Why something is not carried over, and what to do: docs/migration-exabgp.md.")
    return f"{render([head])}\n{body}"


def _neighbors(found: Exabgp) -> Iterator[Neighbor]:
    """Those that vipd can speak to."""
    addresses = set()
    for neighbor in found.neighbors:
        if not neighbor.families:
            found.notes.append(lost(neighbor.statement, "it has no family that vipd announces"))
        elif neighbor.address in addresses:
            found.notes.append(lost(neighbor.statement, "vipd has one session with an address"))
        else:
            addresses.add(neighbor.address)
            yield neighbor


def _healthchecks(found: Gathered) -> Iterator[Source]:
    """Each process that is a health check, once, with the neighbours that listen to it."""
    listening: dict[Statement, list[Neighbor]] = {process.statement: [] for process in found.processes}
    processes: dict[Statement, Process] = {process.statement: process for process in found.processes}
    for neighbor in found.neighbors:
        for process in neighbor.processes:
            processes[process.statement] = process
            listening.setdefault(process.statement, []).append(neighbor)
    for statement, process in processes.items():
        what = f"process {process.name} running {' '.join(process.run)}"
        words = exabgp_healthcheck.arguments(process.run)
        if words is None and exazk_options.arguments(process.run) is not None:
            found.exazk.append(what)
        elif words is None:
            why = "vipd takes no routes from a program: what it announces is to be written as services"
            found.notes.append(lost(what, why))
        elif not listening[statement]:
            found.notes.append(lost(what, "no neighbour lists it in api { processes [ ... ]; }"))
        else:
            healthcheck = _healthcheck(statement, words, found.files)
            yield checked(healthcheck.name or process.name, healthcheck, listening[statement])


def _healthcheck(statement: Statement, words: Sequence[str], files: Files) -> Healthcheck:
    """Options of its file first: those of the command line win."""
    line = Line(words=tuple(words), file=statement.file, line=statement.line)
    named = exabgp_healthcheck.config_file(line)
    if named is None:
        return exabgp_healthcheck.read([line])
    path, text = _options(named, statement, files)
    return exabgp_healthcheck.read([*exabgp_healthcheck.option_lines(text, path), line])


def _options(named: str, statement: Statement, files: Files) -> tuple[str, str]:
    """The file that a health check names: path and text."""
    for path, text in files.options.items():
        if path == named or Path(path).name == Path(named).name:
            return path, text
    beside = Path(statement.file).parent
    for place in (Path(named), beside / named, beside / Path(named).name):
        if place.is_file():
            return str(place), read(str(place))
    raise statement.refuse(f"the health check's file {named} is not there: name it on the command line, too")


def read(path: str) -> str:
    """The text of a file. Raises ConvertError."""
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise ConvertError(path, 0, error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConvertError(path, line, "it is no UTF-8 text") from None
    except ValueError:
        raise ConvertError(path, 0, "no file has such a name") from None
