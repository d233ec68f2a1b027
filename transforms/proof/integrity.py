"""The proof of one rewritten file: what the mapping makes of the old file, recomputed in DuckDB, against what the new file holds.

Neither side passes through the code that wrote the new file: Parquet is read by DuckDB, Avro by fastavro, JSON by Python's own
parser. Files keep their order of records, so the comparison is row by row, exact, and streams through both files once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Literal

from instar.formats.errors import UnreadableError
from instar.formats.format import Unlike, format_named
from instar.formats.path import path_text
from instar.formats.pii import NOT_SHOWN, PII
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.mapping import Mapping
from instar.transforms.run.quarantine import left_out
from instar.transforms.run.unit import ColumnProof, FileProof, Quarantined, Receipt, Unit

from .check import EXAMPLES
from .database import Database, Room

if TYPE_CHECKING:
    from .check import Check, Outcome
    from .proved import Proved

    _Found = tuple[Proved, Quarantined, tuple[Unlike, ...]]

UNLIKE = "it cannot be compared with its old form: "
"""What is said before the reason why a file, or its old form, cannot be read."""


def prove_file(
    unit: Unit,
    receipt: Receipt | None,
    *,
    level: Literal["auto", "full"] = "auto",
    examples: int = EXAMPLES,
    database: Database | None = None,
) -> FileProof:
    """The proof of `unit.staged` against `unit.source`; what does not hold is a problem in it, not an error.

    `level`: "auto" proves every place of the target once; "full" recomputes what was compared as bytes by SQL as well.
    `examples`: so many of the records that differ at a place are shown, each with both values. Without a receipt no run wrote the
    new file: then only records are compared, not how they are stored. `database`: where other files are proved, too.

    That one of the two files cannot be read is one, too (`FileProof.unread`), so that it hides no other file.
    """
    started = time.perf_counter()
    mapping = unit.mapping if unit.schema is None else unit.mapping.rebased(unit.schema)
    positions, forms = left_out(unit, receipt) if receipt else ((), ())
    stored, room = receipt is not None, _room(unit, database)
    found = _proved(unit, mapping, positions, forms, room=room, full=level == "full", examples=examples, stored=stored)
    if database is not None and (isinstance(found, str) or not plain(found[0])):
        database.close()
    if isinstance(found, str):
        seconds, apart = time.perf_counter() - started, Quarantined(receipt.quarantined if receipt else 0)
        rows = (receipt.rows_in, receipt.rows_out) if receipt else (0, 0)
        return FileProof(unit.path, *rows, (), (), seconds, unread=found, quarantined=apart)
    proved, again, fidelity = found
    columns = [ColumnProof(path_text(path), "sql", f"the schema in the new file differs: {what}") for path, what in proved.misfits]
    columns += [*told(proved.outcomes, Hidden(mapping).at), *(_counted(proved, receipt) if receipt else ())]
    return FileProof(
        path=unit.path,
        rows_old=proved.rows_old,
        rows_new=proved.rows_new,
        columns=tuple(columns),
        fidelity=tuple((unlike.code, unlike.message) for unlike in fidelity),
        seconds=time.perf_counter() - started,
        quarantined=again,
    )


def _room(unit: Unit, database: Database | None) -> Room:
    """Where DuckDB compares. Of Avro it reads no file itself."""
    if unit.format == "avro":
        return Room(unit.memory, database=database)
    return Room(unit.memory, (FilePath(unit.source), FilePath(unit.staged)), unit.folders, database)


def plain(proved: Proved) -> bool:
    """Is all as it must be, and no function of the user's had a part in it? Else the database is not to be used again: it may have
    failed, and functions stay in it."""
    return not proved.misfits and all(not outcome.problem and check.way != "repeated" for check, outcome in proved.outcomes)


def _proved(
    unit: Unit,
    mapping: Mapping,
    positions: Sequence[int],
    forms: Sequence[int],
    *,
    room: Room,
    full: bool,
    examples: int,
    stored: bool,
) -> _Found | str:
    """What was compared, judged again, and not kept; why it could not be, where one of the files cannot be read."""
    source, staged = FilePath(unit.source), FilePath(unit.staged)
    try:
        match unit.format:
            case "parquet":
                from .parquet import prove as prove_parquet

                prove = prove_parquet if stored else partial(prove_parquet, stored=False)
            case "avro":
                from .avro import prove
            case _:
                from .json import prove
        proved = prove(source, staged, mapping, room=room, full=full, left_out=positions, examples=examples)
        if any(outcome.row is not None for _, outcome in proved.outcomes):
            from .groups import located

            proved = located(proved, unit.format, staged, len(positions))
        if not stored:
            return proved, Quarantined(), ()
        fidelity = format_named(unit.format).fidelity(
            source, staged, target=mapping.target, carried=mapping.carried(), stamp=unit.stamp, left_out=positions
        )
        if not positions:
            return proved, Quarantined(), fidelity
        from .refused import refused_again

        return proved, refused_again(unit, mapping, positions, forms), fidelity
    except of_readers() as error:
        why = (str(error).strip() or repr(error)).splitlines()[0]
        told = f"{type(error).__name__} (its words are not shown: a field is tagged {PII})" if Hidden(mapping).any else why
        return f"{UNLIKE}{told}{_place(unit, why)}"


def _place(unit: Unit, why: str) -> str:
    """Where the damage is, where the reader's words do not say it."""
    if unit.format != "parquet" or "row group" in why:
        return ""
    from .damage import damaged_chunk

    found = damaged_chunk(FilePath(unit.source), FilePath(unit.staged), unit.memory)
    return f" ({found} cannot be read)" if found else ""


def of_readers() -> tuple[type[Exception], ...]:
    """What the readers of a proof raise; those that were not needed are not even loaded."""
    names = (("duckdb", "Error"), ("pyarrow", "ArrowException"), ("zlib", "error"), ("zstandard", "ZstdError"))
    loaded = [(sys.modules.get(name), error) for name, error in names]
    return (
        OSError,
        ValueError,
        EOFError,
        RecursionError,
        UnreadableError,
        *(getattr(module, error) for module, error in loaded if module),
    )


def told(outcomes: Sequence[tuple[Check, Outcome]], hidden: Callable[[str], bool]) -> Iterator[ColumnProof]:
    """One line for a place and a way: a record's place has several checks. Values that are not to be shown are not in it."""
    lines: dict[tuple[str, str], Outcome] = {}
    for check, outcome in outcomes:
        key = (check.path, check.way)
        if key not in lines or not lines[key].problem:
            lines[key] = outcome
    for (path, way), outcome in lines.items():
        problem, examples = outcome.problem, outcome.examples
        if (problem or examples) and hidden(path):
            place = "it" if outcome.row is None else f"record {outcome.row}"
            problem = problem and f"{place} does not hold what it must {NOT_SHOWN}"
            examples = tuple(replace(e, expected="", actual="", hidden=True) for e in examples)
        yield ColumnProof(path, way, problem, outcome.row, outcome.differing, examples)


def _counted(proved: Proved, receipt: Receipt) -> list[ColumnProof]:
    """What staging said it wrote, against what is there."""
    if (receipt.rows_in, receipt.rows_out) == (proved.rows_old, proved.rows_new):
        return []
    said = f"staging read {receipt.rows_in} records and wrote {receipt.rows_out}"
    return [ColumnProof("", "sql", f"{said}; the files hold {proved.rows_old} and {proved.rows_new}")]
