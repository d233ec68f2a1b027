"""A comparison of two sides as people read it: the verdict, the sides, a table of columns, then what differs; 100 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape

from instar.cli.layout import WIDTH, counted, headed, size, steps_taken
from instar.transforms.comparison.report import (
    ColumnReport,
    ComparisonReport,
    FieldChange,
    Place,
    RowDifference,
    SideReport,
    Statistics,
)
from instar.transforms.proof.groups import GROUPS

_SHOWN = 20  # lines of a kind, where -v does not ask for all
_NAME, _VALUE, _SUM = 20, 15, 8  # characters in a cell of the table
_COLOURS = {"same": "green", "counts agree": "green", "repeated": "yellow", "different": "red"}
_HOW = {"rows": "record by record", "unordered": "in any order", "keyed": "by key"}


def show_comparison(console: Console, report: ComparisonReport, *, verbose: bool) -> None:
    """Print the report."""
    console.print(f"[bold {_COLOURS[report.verdict]}]{report.verdict.capitalize()}[/]   {escape(_said(report))}")
    width = max(len(side.location) for side in (report.old, report.new))
    for name, side in (("old", report.old), ("new", report.new)):
        console.print(f"{name:<9}{escape(_side(side, min(width, 40)))}")
    if report.old.checksum or report.new.checksum:
        console.print(f"checksum {_checksums(report)} of whole records, in any order")
    _columns(console, report.columns, verbose)
    _lines(console, list(_problems(report)), verbose)
    for row in report.rows:
        _row(console, row, report)
    if report.rows and _shown(report) < _differing(report):
        console.print(f"… and more; --examples {max(20, 4 * len(report.rows))} shows more of them")
    _lines(console, [f"note: {note}" for note in report.notes], verbose)
    console.print(steps_taken(report.seconds))


def _said(report: ComparisonReport) -> str:
    """What was compared, or what differs."""
    rows = _rows(report.new)
    how = f"by key {', '.join(report.key)}" if report.key else _HOW[report.mode]
    if report.verdict == "counts agree":
        return f"{rows} on both sides; nulls, min, max and checksums of {counted(len(report.columns), 'column')} agree"
    if report.ok:
        ways: dict[str, int] = {}
        for column in report.columns:
            for way in column.ways:
                ways[way] = ways.get(way, 0) + 1
        told = ", ".join(
            f"{count} by {way}" if way != "repeated" else f"{count} repeated (not proved)" for way, count in ways.items()
        )
        return f"{rows} compared {how}, {counted(len(report.columns), 'column')}{f': {told}' if told else ''}"
    uneven = report.old.rows != report.new.rows and None not in (report.old.rows, report.new.rows)
    parts = [f"{_rows(report.old)} before, {report.new.rows:,} after"] if uneven else []
    parts += [f"{count:,} {kind}" for kind, count in report.counts.items() if count]
    differing = sum(not column.same for column in report.columns)
    differ = "differs" if differing == 1 else "differ"
    parts += [f"{differing} of {counted(len(report.columns), 'column')} {differ}"] if differing else []
    parts += [counted(len(report.problems), "problem")] if report.problems else []
    return f"compared {how if report.level != 'counts' else 'by counts'}: {', '.join(parts) or 'records differ'}"


def _side(side: SideReport, width: int) -> str:
    version = f", version {side.version}" if side.version is not None else ""
    place = side.location if len(side.location) <= width else "…" + side.location[1 - width :]
    return f"{place:<{width}}  {counted(side.files, f'{side.format} file')}, {_rows(side)}, {size(side.bytes)}{version}"


def _rows(side: SideReport) -> str:
    return "rows not counted" if side.rows is None else counted(side.rows, "row")


def _checksums(report: ComparisonReport) -> str:
    old, new = report.old.checksum, report.new.checksum
    return f"{old} on both sides" if old == new else f"{old} (old) and {new} (new)"


# ---- columns
def _columns(console: Console, columns: Sequence[ColumnReport], verbose: bool) -> None:
    """Those that differ, and the first of the others; with statistics a line a side where they are not the same."""
    told = any(column.old for column in columns)
    same = [column for column in columns if column.same]
    shown = {id(column) for column in (same if verbose else same[:_SHOWN] if told else [])}
    listed = [column for column in columns if id(column) in shown or not column.same]
    if not listed:
        return
    table = (
        headed("column", ">nulls", "min", "max", ">~distinct", "checksum", "by")
        if told
        else headed("column", "type", "by", ">differs")
    )
    for column in listed:
        rows = _with_statistics(column) if told else [_plain(column)]
        for cells in rows:
            table.add_row(*map(escape, cells), style="" if column.same else "red")
    console.print(table)
    if len(listed) < len(columns) and told:
        console.print(f"… and {len(columns) - len(listed)} more that agree; -v or --json lists all", style="dim")


def _plain(column: ColumnReport) -> tuple[str, ...]:
    return _cut(column.path, 40), _cut(column.type, 24), ", ".join(column.ways), f"{column.differs:,}" if column.differs else ""


def _with_statistics(column: ColumnReport) -> Iterator[tuple[str, ...]]:
    ways = ", ".join(column.ways) or "counts"
    if column.old is None or column.new is None:
        yield _cut(column.path, _NAME), "", "", "", "", "", ways
    elif column.old == column.new:
        yield _cut(column.path, _NAME), *_cells(column.old), ways
    else:
        yield _cut(column.path, _NAME), *_cells(column.old), "old"
        yield "", *_cells(column.new), "new"


def _cells(of: Statistics) -> tuple[str, ...]:
    low, high = (_cut("not shown" if text == "" else text or "", _VALUE) for text in (of.low, of.high))
    return f"{of.nulls:,}", low, high, f"{of.distinct:,}", of.checksum[:_SUM]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# ---- what differs
def _problems(report: ComparisonReport) -> Iterator[str]:
    for problem in report.problems:
        place = ", ".join(part for part in (problem.file, problem.path) if part)
        yield f"[red]differs[/]: {escape(f'{place}: ' if place else '')}{escape(problem.problem)}"


def _differing(report: ComparisonReport) -> int:
    return sum(report.counts.values()) if report.counts else max((c.differs for c in report.columns), default=0)


def _shown(report: ComparisonReport) -> int:
    """How many of these are told; in no order a record that changed is a missing and an extra one."""
    return sum(row.times * (2 if row.kind == "changed" and report.mode == "unordered" else 1) for row in report.rows)


def _row(console: Console, row: RowDifference, report: ComparisonReport) -> None:
    """Where the record is, then its fields, a line each."""
    times = f", {row.times:,} times" if row.times > 1 else ""
    key = ", ".join(f"{path}={value}" for path, value in row.key.items())
    console.print(f"[red]{row.kind:<7}[/]  {escape(f'{key}: ' if key else '')}{escape(_places(row, report))}{times}")
    for change in row.fields:
        for line in _change(change):
            console.print(escape(line))
    if row.values:
        for line in _wrapped([f"{path}={value}" for path, value in row.values.items()]):
            console.print(escape(line), style="dim")


def _places(row: RowDifference, report: ComparisonReport) -> str:
    """Where the record is; said once where its file, number and group are the same on both sides."""
    sides = ((row.old, report.old.format), (row.new, report.new.format))
    return " → ".join(dict.fromkeys(_place(place, GROUPS.get(format, "")) for place, format in sides if place))


def _place(place: Place, groups: str) -> str:
    group = "" if place.group is None else f", {groups} {place.group}"
    return f"{place.file}{group}" + ("" if place.row is None else f", record {place.row:,}")


def _change(change: FieldChange) -> Iterator[str]:
    path = change.path or "(keys)"  # of the record itself, in JSON: which there are, and in which order
    line = f"         {path}: {change.old} → {change.new}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"         {path}: {change.old}"
    yield f"         {' ' * len(path)}→ {change.new}"


def _wrapped(parts: Sequence[str]) -> Iterator[str]:
    """The parts with commas between, in a few lines."""
    line, lines = " " * 9, 0
    for part in parts:
        if len(line) + len(part) > WIDTH - 2 and line.strip():
            yield line.rstrip()
            line, lines = " " * 9, lines + 1
            if lines == 3:
                yield " " * 9 + "…"
                return
        line += part + ", "
    yield line.rstrip(", ")


def _lines(console: Console, lines: list[str], verbose: bool) -> None:
    shown = lines if verbose else lines[:_SHOWN]
    for line in shown:
        console.print(line)
    if len(lines) > len(shown):
        console.print(f"… and {len(lines) - len(shown)} more; -v or --json lists all")
