"""Durations, tables and lines: how anything is laid out in a terminal of 80 columns."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

Seconds = float

WIDTH = 80


def duration(seconds: Seconds | None) -> str:
    """Write 00:03:12 up to a day, 2d03h from there on, "never" for None: as vtysh does."""
    if seconds is None:
        return "never"
    minutes, last = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h" if days else f"{hours:02}:{minutes:02}:{last:02}"


def short(seconds: Seconds | None) -> str:
    """Write what is mostly less than a minute: 2.1 ms, 3.2 s; longer ones as `duration` does."""
    if seconds is None:
        return "some time"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 59.95 else duration(seconds)


def line(text: str | None) -> str:
    """Make one printable line of what a neighbour, a command or a server may have had a hand in."""
    return "".join(char if char.isprintable() else " " for char in text or "").strip()


def paragraph(text: str, indent: str = "") -> list[str]:
    """Wrap a sentence; its further lines stand two columns to the right."""
    return wrap(line(text), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def bullets(sentences: Iterable[str]) -> list[str]:
    return [piece for sentence in sentences for piece in paragraph(f"- {sentence}", "  ")]


def indented(block: str) -> Iterator[str]:
    return (f"  {piece}" for piece in block.splitlines())


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """Lay out columns as wide as their widest cell, two spaces apart; `right` names those of figures."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if head in right else cell.ljust(width)
            for head, cell, width in zip(heads, cells, widths, strict=True)
        ).rstrip()
        for cells in (heads, *rows)
    )
