"""From ExaZK, and the ExaBGP that runs it, to one vipd.toml in ExaZK's layout.

Changing its one line `layout` later moves the service to vipd's own: every VIP is pinned to the pod that is
authoritative for it, by names that each pod's conversion makes alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from vipd.convert import exabgp, exazk_options
from vipd.convert.errors import ConvertError
from vipd.convert.exabgp_neighbors import Neighbor, Process
from vipd.convert.exabgp_routes import Attributes, lost
from vipd.convert.exabgp_words import Address
from vipd.convert.exazk_options import Exazk
from vipd.convert.serving import name_of, serving
from vipd.convert.sources import Source, settle
from vipd.convert.speaking import speaking
from vipd.convert.telling import Said, tell
from vipd.convert.toml import Table, Value, render

OWN_MED, OTHERS_MED = 100, 200  # as ExaZK tells its own VIP, and those of others
SETTLE: Final = 3.0  # seconds in which an ExaZK that has written its node has announced, too


def convert(file: str | None, line: str | None, configurations: Sequence[str]) -> str:
    """Return the text of one vipd.toml. Raises ConvertError.

    Args:
        file: ExaZK's YAML file.
        line: or its command line; without both, that of the process in ExaBGP's configuration.
        configurations: ExaBGP's files.
    """
    gathered = exabgp.gather(configurations)
    processes = {
        each.statement: (each, words)
        for each in (*gathered.processes, *(one for peer in gathered.neighbors for one in peer.processes))
        if (words := exazk_options.arguments(each.run)) is not None
    }
    process, exazk = _chosen(list(processes.values()), file, line)
    hearing = [peer for peer in gathered.neighbors if process is not None and process in peer.processes]
    source = _source(exazk, hearing or gathered.neighbors)
    if not hearing:
        source.notes.append("No neighbor listens to a process that runs this ExaZK: here, all hear of it.")
    for other, _ in processes.values():
        if process is None or other.statement is not process.statement:
            what = f"process {other.name}"
            source.notes.append(lost(what, "another ExaZK: convert it, too, and put its service in here"))
    sources = settle([source, *gathered.sources()])
    for vip in (exazk.own, *exazk.others):
        if vip not in source.told:
            raise ConvertError(", ".join(configurations), 0, f"a health check announces {vip}, too: drop one")
    telling = tell(gathered.neighbors, sources)
    others = [each for each in sources if each is not source]
    names = list(telling.neighbors) if len(source.told[exazk.own]) < len(telling.neighbors) else []
    heard = [name for name in names if name in source.told[exazk.own]]
    tables = [
        *speaking(gathered.neighbors, telling.neighbors),
        *_service(exazk, source.notes, telling.vips, heard),
        *serving(others, telling),
        *_coordination(exazk),
    ]
    if gathered.notes:
        tables.append(Table(notes=gathered.notes))
    asked = ", ".join(Path(path).name for path in (*([file] if file else []), *configurations))
    head = Table(
        notes=[
            f"Converted by `vipd convert exazk` from {asked}.",
            "How a fleet moves with it, and back: docs/migration-exazk.md.",
        ]
    )
    return f"{render([head])}\n{render(tables)}"


def _chosen(
    processes: Sequence[tuple[Process, tuple[str, ...]]], file: str | None, line: str | None
) -> tuple[Process | None, Exazk]:
    """The process that runs this ExaZK, if any does, and its options."""
    if file is not None:
        named = [
            process
            for process, words in processes
            if Path(exazk_options.config_file(words) or "").name == Path(file).name
        ]
        return _only(named or [each for each, _ in processes]), exazk_options.of_file(exabgp.read(file), file)
    if line is not None:
        words = exazk_options.split(line)
        alike = [process for process, theirs in processes if list(theirs) == words]
        return _only(alike or [each for each, _ in processes]), _of_words(words, "--args")
    if len(processes) != 1:
        count = f"{len(processes)} processes run" if processes else "no process runs"
        reason = f"{count} exazk.py in it: say FILE, or --args as the process has them"
        raise ConvertError("the ExaBGP configuration", 0, reason)
    process, theirs = processes[0]
    return process, _of_words(theirs, f"process {process.name}")


def _of_words(words: Sequence[str], where: str) -> Exazk:
    named = exazk_options.config_file(words)
    if named is None:
        return exazk_options.of_line(words, where)
    return exazk_options.of_file(exabgp.read(named), named)  # ExaZK forgets all other options, too


def _only(processes: Sequence[Process]) -> Process | None:
    return processes[0] if len(processes) == 1 else None


def _source(exazk: Exazk, hearing: Sequence[Neighbor]) -> Source:
    source = Source(name=exazk.name, notes=list(exazk.notes))
    for vip in (exazk.own, *exazk.others):
        med = OWN_MED if vip == exazk.own else OTHERS_MED
        for peer in hearing:
            source.tell(vip, peer.name, Attributes(med=med))
    return source


def _service(
    exazk: Exazk, notes: list[str], said: Mapping[Address, Said], heard: Sequence[str]
) -> Iterator[Table]:
    service = name_of(exazk.name)
    entries: dict[str, Value] = {"name": service, "layout": "exazk", "exazk-path": exazk.path}
    if exazk.maintenance is not None:
        entries["exazk-maintenance"] = exazk.maintenance
    entries |= {"takeover": "all", "settle": SETTLE}
    if heard:
        entries["neighbors"] = list(heard)
    remarks = {
        "layout": 'in the whole fleet "vipd", once no ExaZK is left',
        "settle": "how long an ExaZK's node stands before its VIP is let go",
    }
    yield Table(header="[[service]]", entries=entries, remarks=remarks, notes=notes)
    for vip in (exazk.own, *exazk.others):
        own: dict[str, Value] = {"address": str(vip), "pin": _pod(exazk, vip), **said[vip].entries()}
        yield Table(header="[[service.vip]]", entries=own, depth=1)
    note = "ExaZK asked every 10 s, for 1 s at most, and the first failure counted."
    yield Table(header="[[service.check]]", entries={"exec": exazk.check}, notes=[note], depth=1)


def _coordination(exazk: Exazk) -> Iterator[Table]:
    servers: Value = exazk.hosts if "/" in exazk.hosts else exazk.hosts.split(",")
    entries: dict[str, Value] = {"servers": servers, "pod-id": _pod(exazk, exazk.own)}
    remarks = {"pod-id": "`pin` names the pods so, in the files of all"}
    yield Table(header="[coordination]", entries=entries, remarks=remarks)
    if exazk.debug:
        yield Table(header="[log]", entries={"level": "debug"})


def _pod(exazk: Exazk, vip: Address) -> str:
    return f"{name_of(exazk.name)}-{vip}"
