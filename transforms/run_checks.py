"""A project's checks, asked of the two sides of a run in a sealed DuckDB connection."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from instar.formats.errors import InstarError
from instar.formats.partitions import partition_keys, partitions_of
from instar.formats.schema import Schema
from instar.transforms.check_values import Reading, private_names, reading_of
from instar.transforms.checks import Check, Versions, misfit
from instar.transforms.configuration import DatasetSettings
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.gate_result import GateResult
from instar.transforms.job import Job
from instar.transforms.mapping import Mapping as Way
from instar.transforms.run.two_trees import TwoTrees
from instar.transforms.tree_views import Views, tree_views

HIDDEN = "(hidden)"
_LONGEST = 60
_WIDEST = 92


def versions_of(settings: DatasetSettings, schemas: Mapping[int, Schema], paths: Iterable[str]) -> Versions:
    """What a check of a dataset is held against without any data; `paths` are its files', for their folders' keys."""
    keys = dict.fromkeys(partition_keys(map(partitions_of, paths)), "string")
    return Versions(settings.format, schemas, {**keys, **settings.partitions})


def run_checks(
    job: Job,
    checks: Sequence[Check],
    trees: TwoTrees,
    mappings: Sequence[Way],
    *,
    memory: int,
    threads: int,
    examples: int,
) -> tuple[GateResult, ...]:
    """Ask each check. `mappings`: of the versions that files are at, to the target; what they tag as `pii` is not shown.

    Raises:
        InstarError: the views cannot be made.
    """
    if not checks:
        return ()
    readings = {check.name: reading_of(check.sql) for check in checks}
    private = private_names(mappings)
    wanted = _wanted(readings.values())
    made = []
    with tree_views(
        job.settings.format, job.schemas, {"old": trees.old, "new": trees.new}, target=trees.target,
        partitions=job.settings.partitions, memory=memory, threads=threads, wanted=wanted,
    ) as views:  # fmt: skip
        for check in checks:
            began = time.perf_counter()
            verdict, message, detail = _asked(check, views, readings[check.name], private, mappings, examples)
            facts = {"description": check.description, **detail}
            made.append(GateResult("check", check.name, verdict, time.perf_counter() - began, facts, message))
    return tuple(made)


def _wanted(readings: Iterable[Reading]) -> frozenset[str] | None:
    """The names of the columns that the checks may read; None: all."""
    names = [reading.names for reading in readings]
    return None if None in names else frozenset[str]().union(*(each for each in names if each is not None))


def _asked(
    check: Check, views: Views, reading: Reading, private: frozenset[str], mappings: Sequence[Way], examples: int
) -> tuple[Any, str, dict[str, Any]]:
    """Verdict, message and details of one check."""
    if why := misfit(check, views):
        return "undecided", f"{check.name} does not apply to these versions: {why}", {}
    views.fault = None
    try:
        found = views.connection.sql(check.sql)
        rows = found.limit(max(1, examples)).project("CAST(COLUMNS(*) AS VARCHAR)").fetchall()
        if not rows:
            return "passed", "", {}
        count = found.count("*").fetchall()[0][0]
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        views.raise_if_stopped()
        return "failed", f"{check.name} could not be run: {_told(error, views, private, mappings)}", {}
    shown = reading.shows(len(found.columns), private)
    table = [[_text(value, may) for value, may in zip(row, shown, strict=True)] for row in rows[:examples]]
    number = "1 row" if count == 1 else f"{count:,} rows"
    about = f": {check.description}" if check.description else ""
    lines = [f"{check.name} returned {number}, and must return none{about}", *_aligned(found.columns, table, count)]
    return "failed", "\n".join(lines), {"rows": count, "columns": list(found.columns), "examples": table}


def _told(error: duckdb.Error, views: Views, private: frozenset[str], mappings: Sequence[Way]) -> str:
    """What went wrong, without any value where some are not to be shown."""
    if isinstance(fault := views.fault, InstarError):
        for mapping in mappings:
            fault = Hidden(mapping).error(fault)
        return str(fault)
    if private:
        return f"{type(error).__name__} (what DuckDB says of it may quote values of fields that are tagged pii)"
    return " ".join(str(error).split("\n\n")[0].split())


def _text(value: str | None, may: bool) -> str | None:
    if not may:
        return HIDDEN
    return value if value is None else _short(value)


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str | None]], count: int) -> list[str]:
    """A small table; a null is NULL, and columns that would make it too wide are left out."""
    if not rows:
        return []
    cells = [[_short(" ".join(name.split())) for name in columns], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    fit = next((n for n in range(1, len(widths)) if sum(widths[: n + 1]) + 2 * (n + 1) > _WIDEST), len(widths))
    lines = []
    for row in cells:
        shown = [f"{cell:<{width}}" for cell, width in zip(row[:fit], widths, strict=False)]
        lines.append("    " + "  ".join([*shown, "…"] if fit < len(widths) else shown).rstrip())
    more = count - len(rows)
    return [*lines, f"    … and {more:,} more"] if more else lines


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _cell(value: str | None) -> str:
    return "NULL" if value is None else value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
