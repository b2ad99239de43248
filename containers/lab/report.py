"""What was measured, as a table and as a drawing."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from lab.measure import Run

Results = dict[str, dict[str, list[Run]]]  # by scenario and mode
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
HEAD = (
    "scenario",
    "mode",
    "longest gap, ms",
    "lost, all VIPs",
    "requests failed",
    "connections broken",
    "told to the edge",
    "prober late, ms",
    "load",
    "runs",
)
WIDTH, ROW, LEFT = 900, 34, 190
SECONDS = 6.0  # of the drawing


def line(run: Run) -> str:
    doubt = "" if run.valid else ", NOT VALID"
    return (
        f"{run.lost} of {run.sent} lost, longest gap {1000 * run.gap:.0f} ms; {run.failed} of {run.asked} "
        f"requests failed, {run.broken} connections broken; {len(run.told)} changes told to the edge "
        f"(prober late by {1000 * run.late:.0f} ms, load {run.load:.1f}{doubt})"
    )


def rows(found: Results) -> list[tuple[str, ...]]:
    """One a scenario and mode; median / worst over its valid runs."""
    return [row(name, mode, runs) for name, modes in found.items() for mode, runs in modes.items()]


def table(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, ("---",) * len(HEAD), *rows))


def row(name: str, mode: str, runs: list[Run]) -> tuple[str, ...]:
    valid = [run for run in runs if run.valid]
    if not valid:
        return (name, mode, *("",) * 7, f"0 of {len(runs)}")
    return (
        name,
        mode,
        both([1000 * run.gap for run in valid]),
        both([run.lost for run in valid]),
        both([run.failed for run in valid]),
        both([run.broken for run in valid]),
        both([len(run.told) for run in valid]),
        f"{1000 * max(run.late for run in valid):.0f}",
        f"{median(run.load for run in valid):.1f}",
        f"{len(valid)} of {len(runs)}",
    )


def both(figures: list[float]) -> str:
    return f"{median(figures):.0f} / {max(figures):.0f}"


def timeline(found: Results) -> str:
    """SVG: the middle run of each row: when the VIP that lost most was silent, and when the edge heard."""
    rows = [
        (f"{name}, {mode}", sorted(runs, key=lambda run: run.gap)[len(runs) // 2])
        for name, modes in found.items()
        for mode, runs in modes.items()
    ]
    height = ROW * (len(rows) + 2)
    marks = [
        f'<line x1="{x(second)}" y1="{ROW}" x2="{x(second)}" y2="{height - ROW}" class="grid"/>'
        f'<text x="{x(second)}" y="{ROW - 8}" text-anchor="middle">{second} s</text>'
        for second in range(int(SECONDS) + 1)
    ]
    for number, (label, run) in enumerate(rows, 1):
        marks += _row(ROW * number + ROW // 2, label, run)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
        'font-size="12">\n<style>.grid{stroke:#ddd}.up{stroke:#2a7}.down{stroke:#c33}.told{stroke:#36c}</style>\n'
        + "\n".join(marks)
        + "\n</svg>\n"
    )


def _row(y: int, label: str, run: Run) -> list[str]:
    bar = 'stroke-width="10"'
    drawn = [
        f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{label}</text>',
        f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - 10}" y2="{y}" class="up" {bar}/>',
    ]
    drawn += [
        f'<line x1="{x(begin)}" y1="{y}" x2="{max(x(end), x(begin) + 1)}" y2="{y}" class="down" {bar}/>'
        for begin, end in run.outages
        if end > 0 and begin < SECONDS
    ]
    drawn += [
        f'<line x1="{x(at)}" y1="{y + 7}" x2="{x(at)}" y2="{y + 13}" class="told"/>'
        for at in sorted({at for at, _ in run.told if 0 <= at <= SECONDS})
    ]
    return drawn


def x(second: float) -> int:
    return round(LEFT + min(max(second, 0), SECONDS) * (WIDTH - 10 - LEFT) / SECONDS)


def renew(page: Path, measured: Iterable[tuple[str, ...]], order: Sequence[str]) -> None:
    """Put rows into the page, between its two marks, in place of those of the same scenario and mode.

    Args:
        order: the names of all scenarios; a row of one that is not among them any more goes.
    """
    before, _, rest = page.read_text().partition(BEGIN)
    standing, _, after = rest.partition(END)
    old = [tuple(line.strip("| ").split(" | ")) for line in standing.strip().splitlines()[2:]]
    known = {cells[:2]: cells for cells in (*old, *measured) if cells[0] in order}
    merged = sorted(known.values(), key=lambda cells: (order.index(cells[0]), cells[1]))
    page.write_text(f"{before}{BEGIN}\n{table(merged)}\n{END}{after}")
