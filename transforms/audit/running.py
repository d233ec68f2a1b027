"""One query on both sides: its results compared, its times measured, and what it reads.

What is timed is the whole query, planning and reading included, in the form that DuckDB's EXPLAIN ANALYZE runs it: every row of the
result is computed and thrown away in the engine, so that no time goes into handing rows to Python.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import duckdb

from instar.formats.errors import InstarError
from instar.formats.pii import NOT_SHOWN
from instar.transforms.audit.measuring import Clock, Patience, Timing, measured
from instar.transforms.audit.preparing import Prepared, said
from instar.transforms.audit.results import Compared, compared
from instar.transforms.audit.sides import SIDES, SideName, Sides
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.tree_views import Views

_ALONE = 5  # executions of a query that only one side can answer


@dataclass(frozen=True)
class Cost:
    """What an execution reads: bytes of files, and row groups of so many that the tables have; None where DuckDB does not say (what
    comes as Arrow batches is read by Instar)."""

    bytes: int | None
    row_groups: int | None
    of_row_groups: int | None


@dataclass(frozen=True)
class Measured:
    """What became of a query. `failed`: on which side it fails, and why. `alone`: seconds on the only side that can answer it."""

    prepared: Prepared
    results: Compared | None = None
    timing: Timing | None = None
    costs: Mapping[SideName, Cost] | None = None
    alone: float | None = None
    failed: Mapping[SideName, str] | None = None


@dataclass(frozen=True)
class Settings:
    """`memory` bytes for both sides together, `threads` for each; `seed` of the order in which sides take turns."""

    memory: int
    threads: int
    patience: Patience
    seed: int = 0


def ran(prepared: Prepared, sides: Sides, settings: Settings, heed: Callable[[], object] = lambda: None) -> Measured:
    """Compare and measure one query, in connections of its own; `heed` is called now and then, and may raise.

    Raises:
        InstarError: a file cannot be read.
    """
    with ExitStack() as stack:
        views: dict[SideName, Views] = {
            side: stack.enter_context(_opened(prepared, sides, side, settings)) for side in prepared.texts
        }
        costs, failed = dict[SideName, Cost](), dict[SideName, str]()
        for side, view in views.items():
            try:
                costs[side] = _cost(view, prepared.texts[side])
            except duckdb.InterruptException:
                raise
            except duckdb.Error as error:
                _raise_fault(view, sides)
                failed[side] = f"{type(error).__name__} {NOT_SHOWN}" if prepared.hidden else said(error)
        if failed:
            return Measured(prepared, failed=failed)
        if len(views) < len(SIDES):
            (side,) = views
            return Measured(prepared, costs=costs, alone=_alone(views[side], prepared.texts[side]))
        heed()
        results = _compared(prepared, sides, views)
        runs = [_run(views[side].connection, prepared.texts[side]) for side in SIDES]
        draws = random.Random(f"{settings.seed} {prepared.query.name}")
        try:
            timing = measured(runs[0], runs[1], settings.patience, draws, heed=heed)
        except duckdb.Error:
            for view in views.values():
                _raise_fault(view, sides)
            raise
        return Measured(prepared, results, timing, costs)


@contextmanager
def _opened(prepared: Prepared, sides: Sides, side: SideName, settings: Settings) -> Iterator[Views]:
    with sides.open(
        side, memory=settings.memory // 2, threads=settings.threads, reads=prepared.reads, folders=prepared.folders
    ) as views:
        yield views


def _raise_fault(views: Views, sides: Sides) -> None:
    """
    Raises:
        InstarError: it was a reader of ours that failed. BaseException: a signal's handler raised it.
    """
    views.raise_if_stopped()
    if isinstance(fault := views.fault, InstarError):
        for mapping in sides.ways.values():
            fault = Hidden(mapping).error(fault)
        raise fault from None


def _run(connection: duckdb.DuckDBPyConnection, text: str) -> Any:
    statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {text}"
    return lambda: connection.execute(statement).fetchall()


def _cost(views: Views, text: str) -> Cost:
    """What the first execution reads. Raises duckdb.Error."""
    profile = json.loads(_run(views.connection, text)()[0][1])
    query, read = profile.get("query", {}), profile.get("io", {}).get("total_bytes_read")
    groups, of = query.get("total_row_groups_scanned"), query.get("total_row_groups_to_scan")
    return Cost(read or None, groups if of else None, of or None)


def _alone(views: Views, text: str) -> float:
    clock, run, times = Clock(), _run(views.connection, text), list[float]()
    for _ in range(_ALONE):
        begun = clock.wall()
        run()
        times.append(clock.wall() - begun)
    return median(times)


def _compared(prepared: Prepared, sides: Sides, views: Mapping[SideName, Views]) -> Compared:
    try:
        old, new = ((views[side].connection, prepared.texts[side]) for side in SIDES)
        return compared(old, new, prepared.tree, by_name=prepared.by_name, changed=prepared.changed, hidden=prepared.hidden)
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        for view in views.values():
            _raise_fault(view, sides)
        return Compared("not compared", detail="" if prepared.hidden else said(error))
