"""What an audit found, as people read it: the verdict, a line a query, how the files lie."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from instar.cli.layout import counted, duration, headed, row_count, size
from instar.transforms.audit.adapting import Adapted, path_sql
from instar.transforms.audit.layout import Layout
from instar.transforms.audit.report import AuditReport, QueryReport
from instar.transforms.audit.sides import SIDES

_COLOURS = {"passed": "green", "undecided": "yellow", "failed": "red"}
_LABELS = {"slower": "red", "fails": "red", "faster": "green", "same": "green"}
_LONGEST_NAME = 20


def print_audit(console: Console, report: AuditReport, *, verbose: bool) -> None:
    """The report; `verbose`: with the texts of the queries."""
    said = ", ".join(f"{count} {label}" for label, count in sorted(report.counts.items()))
    colour = _COLOURS[report.verdict]
    console.print(f"[bold {colour}]{report.verdict.capitalize()}[/]   {counted(len(report.queries), 'query', 'queries')}: {said}")
    versions = " and ".join(map(str, report.versions))
    console.print(f"[bold]{escape(report.dataset)}[/] version {versions} (old) against {report.target} (new), run {report.run}")
    _table(console, report)
    for problem in report.problems:
        console.print(f"[red]problem[/]  {escape(problem)}")
    for doubt in report.doubts:
        console.print(f"[yellow]doubt[/]    {escape(doubt)}")
    for query in report.queries:
        for line in _adapted(query, verbose):
            console.print(line)
    for note in report.notes:
        console.print(f"note     {escape(note)}")
    _layouts(console, report)
    settings = report.settings
    level, threads = 100 * float(settings["level"]), counted(int(settings["threads"]), "thread")
    console.print(
        f"measured in {duration(report.seconds)} with DuckDB {settings['duckdb']}, {threads}; "
        f"intervals of {level:.3g} %, the same within {settings['same_within']}"
    )


def _table(console: Console, report: AuditReport) -> None:
    table = headed("query", ">old ms", ">new ms", ">new/old", ">read", ">row groups", "verdict")
    for query in report.queries:
        label = query.label
        colour, by = _LABELS.get(label, "yellow"), " cpu" if query.decided_by == "cpu" else ""
        table.add_row(escape(_short(query.name)), *_times(query), *_read(query), f"[{colour}]{label}[/]{by}")
    if report.queries:
        console.print(table)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _times(query: QueryReport) -> tuple[str, str, str]:
    measured, ratio = query.measured, query.ratio
    if measured.timing is None or ratio is None:
        alone = _ms(measured.alone) if measured.alone is not None else ""
        return (alone, "", "") if "old" in measured.prepared.texts else ("", alone, "")
    timing = measured.timing
    between = f" [{_number(ratio.low)}, {_number(ratio.high)}]" if ratio.low and not math.isinf(ratio.high) else ""
    return _ms(timing.old.quartiles()[2]), _ms(timing.new.quartiles()[2]), escape(_number(ratio.middle) + between)


def _read(query: QueryReport) -> tuple[str, str]:
    """Bytes and row groups, old and new; once where they are the same."""
    costs = query.measured.costs or {}
    made = [costs[side] for side in SIDES if side in costs]
    bytes_read = [size(cost.bytes) for cost in made if cost.bytes is not None]
    groups = [f"{cost.row_groups or 0}/{cost.of_row_groups}" for cost in made if cost.of_row_groups]
    return _both(bytes_read, " "), _both(groups, "/")


def _both(said: list[str], sep: str) -> str:
    """Two amounts, what they end with alike once: 1→100/100."""
    different = list(dict.fromkeys(said))
    ends = {each.partition(sep)[2] for each in different}
    if len(different) == 2 and len(ends) == 1:
        return f"{different[0].partition(sep)[0]}→{different[1]}"
    return "→".join(different)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.1f}" if seconds < 1 else f"{1000 * seconds:,.0f}"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


# ---- adaptation
def _adapted(query: QueryReport, verbose: bool) -> Iterator[str]:
    prepared = query.measured.prepared
    name, made = escape(query.name), prepared.made
    if prepared.why_one:
        side = next(iter(prepared.texts))
        yield f"one side {name}: on the {side} files only; {escape(prepared.why_one)}"
    elif made is not None and made.way != "as written":
        yield f"adapted  {name} has the {escape(_names(prepared.names))}: {escape(_changes(made))}"
    if verbose:
        for side, text in prepared.texts.items():
            yield f"         {side}: " + escape(" ".join(text.split()))


def _names(names: str) -> str:
    return f"names of {names}" if names.startswith("version") else f"{names} names"


def _changes(made: Adapted) -> str:
    """Whose names became what; where a whole table was adapted, why, and what is left out."""
    renamed = ", ".join(f"{path_sql(old)} → {path_sql(new)}" for old, new in made.renamed.items() if new)
    if made.way == "names":
        return renamed
    left = f", without {', '.join(made.without)}" if made.without else ""
    return f"its table is adapted, since {made.why or 'its names cannot be exchanged one by one'}{left}"


# ---- layout
def _layouts(console: Console, report: AuditReport) -> None:
    old, new = report.layouts["old"], report.layouts["new"]
    table = headed("files", ">old", ">new")
    table.add_row("number", f"{old.files:,}", f"{new.files:,}")
    table.add_row("size", size(old.bytes), size(new.bytes))
    table.add_row("rows", row_count(old.rows), row_count(new.rows))
    if old.row_groups is not None and new.row_groups is not None:
        table.add_row("row groups", f"{old.row_groups:,}", f"{new.row_groups:,}")
    table.add_row("compression", *(", ".join(sorted(layout.compression)) for layout in (old, new)))
    if sorted_by := [_sorted(layout) for layout in (old, new)] if old.row_groups is not None else []:
        table.add_row("sorted by", *map(escape, sorted_by))
    console.print(table)
    for name in old.sorted:
        if name in new.apart and name not in new.sorted:
            shares = f"{_share(old, name)} of the row groups overlapped with no other, and {_share(new, name)} do now"
            console.print(f"[yellow]sort[/]     {escape(path_sql(name))} was sorted, and is no more: {shares}")


def _sorted(layout: Layout) -> str:
    names = [path_sql(name) for name in layout.sorted]
    more = f" +{len(names) - 3}" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more or "-"


def _share(layout: Layout, name: tuple[str, ...]) -> str:
    return f"{100 * layout.apart[name]:.0f} %" if name in layout.apart else "?"
