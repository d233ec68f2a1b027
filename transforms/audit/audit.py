"""The story of an audit: queries → made ready for both sides → compared and measured → report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from instar.formats.errors import UsageError
from instar.transforms.audit.counterparts import Names, Side, may_not_show
from instar.transforms.audit.layout import DataPlace, Layout, Range, layout_of
from instar.transforms.audit.measuring import Patience
from instar.transforms.audit.plain import Known, plain_queries
from instar.transforms.audit.preparing import prepared
from instar.transforms.audit.queries import Query, load_queries
from instar.transforms.audit.report import AuditReport, QueryReport
from instar.transforms.audit.results import TOLERANCE
from instar.transforms.audit.running import Settings, ran
from instar.transforms.audit.sides import SIDES, SideName, Sides
from instar.transforms.audit.verdict import ERROR, MARGIN, level_for
from instar.transforms.progress import Progress, Silent
from instar.transforms.tree_views import threads_within

_T = TypeVar("_T")

MOST_SLOWDOWN = 1.2
SECONDS = 10.0


@dataclass(frozen=True)
class Wanted:
    """What is asked for: the folder of the `queries` (None: plain ones, made from the schema), how much slower a query may be, how
    long each is measured, and with how much memory (bytes, for both sides together) and how many threads each."""

    queries: Path | None
    memory: int
    threads: int
    most_slowdown: float = MOST_SLOWDOWN
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        if not self.most_slowdown >= 1:
            raise UsageError(
                f"the greatest slowdown is {self.most_slowdown:g}", hint="It is a ratio new/old of at least 1, such as 1.2."
            )
        if not self.seconds > 0:
            raise UsageError(f"each query is to be measured for {self.seconds:g} seconds", hint="Give it some, such as 10.")


def audited(
    sides: Sides,
    wanted: Wanted,
    *,
    run: str | None = None,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> AuditReport:
    """Compare the results and the times of queries over both sides; the progress counts queries as files.

    Raises:
        UsageError: the queries cannot be used; all are named. InstarError: a file cannot be read.
    """
    begun = time.perf_counter()
    layouts: dict[SideName, Layout] = {side: layout_of(_places(sides, side), sides.format) for side in SIDES}
    queries = load_queries(wanted.queries, sides.tables) if wanted.queries is not None else _plain(sides, layouts, wanted)
    ready, threads = prepared(queries, sides), threads_within(sides.format, wanted.threads, wanted.memory // len(SIDES))
    intervals = sum(len(each.texts) == len(SIDES) for each in ready) * (2 if threads == 1 else 1)
    level = level_for(intervals)  # of wall and, perhaps, of processor time
    settings = Settings(wanted.memory, threads, Patience(wanted.seconds, level))
    reports, told = [], progress or Silent()
    told.step("audit", files=len(ready), size=0)
    for each in ready:
        reports.append(QueryReport(ran(each, sides, settings, told.advance), wanted.most_slowdown, MARGIN, threads))
        told.advance(files=1)
    return AuditReport(
        dataset=sides.name,
        run=run,
        versions=sides.versions,
        target=sides.trees.target,
        queries=tuple(reports),
        layouts=layouts,
        settings=_said(wanted, settings),
        notes=(*notes, *_notes(sides, reports)),
        seconds=time.perf_counter() - begun,
    )


def _said(wanted: Wanted, settings: Settings) -> Mapping[str, object]:
    import duckdb

    return {
        "duckdb": duckdb.__version__,
        "threads": settings.threads,
        "memory": settings.memory,
        "seconds_a_query": wanted.seconds,
        "max_slowdown": wanted.most_slowdown,
        "same_within": MARGIN,
        "error": ERROR,
        "level": round(settings.patience.level, 5),
        "float_tolerance": TOLERANCE,
    }


def _notes(sides: Sides, reports: Sequence[QueryReport]) -> Iterator[str]:
    if sides.mixed:
        versions, target = " and ".join(map(str, sides.versions)), sides.trees.target
        yield f"the old files are at versions {versions}: their columns are read by the names of version {target}"
    if sides.format == "avro":
        yield "DuckDB reads Avro as Arrow batches that Instar decodes: that takes most of the time, and it does not count bytes"
    for report in reports:
        results = report.measured.results
        if results is not None and results.verdict in _WHY:
            yield f"{report.name}: {results.detail}{_WHY[results.verdict]}"


_WHY = {
    "changed": ", as the migration changes what it reads",
    "open": "",
    "not compared": ": the results are not compared",
}


# ---- layouts and plain queries
def _places(sides: Sides, side: SideName) -> list[DataPlace]:
    """The files, whose columns go by the names of the new side."""
    files = sides.trees.old if side == "old" else sides.trees.new
    if side == "new":
        return [DataPlace(file.file, lambda path: path) for file in files]
    return [DataPlace(file.file, _renamer(sides.by_version[file.version][0])) for file in files]


def _renamer(old: Side) -> Callable[[Names], Names | None]:
    def called(path: Names) -> Names | None:
        other = old.other(path)
        return other.path if other else None

    return called


def _plain(sides: Sides, layouts: Mapping[SideName, Layout], wanted: Wanted) -> tuple[Query, ...]:
    """In the names of the old files, as queries that are there already would be."""
    side, back = sides.pair
    ranges: dict[Names, Range] = {}
    for layout in layouts.values():
        ranges = {**_in_names(back, {name: layout.ranges[name] for name in layout.sorted if name in layout.ranges}), **ranges}
    sizes = _in_names(back, layouts["old"].sizes)
    with sides.open("old", memory=wanted.memory, threads=wanted.threads, folders=False) as views:
        return plain_queries(Known(sides.name, side, ranges, sizes), views.connection)


def _in_names(back: Side, found: Mapping[Names, _T]) -> dict[Names, _T]:
    """By the names of the side that `back` leads to; without what may not be shown."""
    return {
        other.path: value
        for name, value in found.items()
        if (other := back.other(name)) is not None and not may_not_show(back.schema, name)
    }
