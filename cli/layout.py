"""How amounts are said, and tables laid out, in what people read."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill

from rich.table import Table

WIDTH = 100
"""Columns that what people read fits into, where the data allow."""


def headed(*headers: str) -> Table:
    """A table of columns with these headers; ">" before one aligns its column to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for header in headers:
        table.add_column(header.removeprefix(">"), justify="right" if header.startswith(">") else "left", no_wrap=header == "run")
    return table


def row_count(rows: int | None) -> str:
    """ "12,345", "?" where it is not known."""
    return "?" if rows is None else f"{rows:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """ "1 file", "12 files"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Bytes as people say them, in powers of ten."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def steps_taken(seconds: Mapping[str, float]) -> str:
    """How long each step took, folded between two of them."""
    steps = (f"{step} {duration(took)}".replace(" ", "\N{NO-BREAK SPACE}") for step, took in seconds.items())
    lines = fill(", ".join(steps), WIDTH, initial_indent="time     ", subsequent_indent=" " * 9, break_long_words=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
