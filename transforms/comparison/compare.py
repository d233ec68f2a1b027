"""`verify OLD NEW`: what lies on both sides → by which schema → their columns → statistics → their records → a report.

Reads only, but for a folder in the system's temporary directory that holds what memory does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from instar.formats.errors import FileError, InstarError, UsageError
from instar.formats.path import path_text
from instar.formats.pii import NOT_SHOWN
from instar.formats.schema import type_text
from instar.transforms.configuration import DEFAULT_MEMORY
from instar.transforms.events import FileProved
from instar.transforms.execution import Stopwatch, executor_for
from instar.transforms.job import INTERPRETER, Options
from instar.transforms.progress import Progress, Silent
from instar.transforms.proof.integrity import of_readers
from instar.transforms.run.executors import in_order
from instar.transforms.run.unit import FileProof

from .columns import Columns, Leaf, columns_of
from .connection import spilling
from .folders import folder_leaves, in_pairs
from .keyed import key_columns, keyed
from .located import Located
from .pairing import Pairing, paired
from .reading import Rows
from .report import ColumnReport, ComparisonReport, Level, Mode, Problem, RowDifference, SideReport
from .rows import Compared, Hidings, Pair, compared, ways_of
from .sides import Side, Versions, found, of_one_schema, of_versions
from .statistics import statistics
from .told import columns_told, rows_told
from .unknown import unknown_keys
from .unordered import unordered
from .unread import in_words, why_unread

_OF_MEMORY = 0.7
"""How much of the budget DuckDB gets for whole sides: it goes beyond what it is given by a part of it."""

HOW_MOVED = "records are compared where they stand; --unordered or --key ID finds them wherever they are"


@dataclass(frozen=True)
class Asked:
    """How to compare. `key`: columns that tell records apart, wherever they stand; `unordered`: records as multisets. With neither,
    file by file and record by record. `examples`: how many records that differ are shown; `memory` in bytes."""

    level: Level = "auto"
    key: tuple[str, ...] = ()
    unordered: bool = False
    examples: int = 5
    memory: int = DEFAULT_MEMORY
    workers: int = 1

    def __post_init__(self) -> None:
        if self.key and self.unordered:
            raise UsageError("a key and no order are two ways to compare", hint="Say --key or --unordered, not both.")
        if self.level == "counts" and self.key:
            raise UsageError("a key is for comparing records, which the level counts does not", hint="Leave one of them out.")

    @property
    def mode(self) -> Mode:
        return "keyed" if self.key else "unordered" if self.unordered else "rows"


@dataclass(frozen=True)
class Sides:
    """Both sides and their columns beside each other."""

    old: Side
    new: Side
    columns: Columns
    hidden: Hidings

    @property
    def as_given(self) -> bool:
        return self.old.format.name == self.new.format.name

    @property
    def files(self) -> list[FilePath]:
        return [side.path(file) for side in (self.old, self.new) for file in side.files]


@dataclass(frozen=True)
class Found:
    """What comparing came to, part by part. `records`: of both sides, None of one of which a file cannot be read."""

    problems: tuple[Problem, ...] = ()
    rows: tuple[RowDifference, ...] = ()
    columns: tuple[ColumnReport, ...] = ()
    records: tuple[int | None, int | None] | None = None
    checksums: tuple[str, str] | None = None
    counts: dict[str, int] | None = None
    notes: tuple[str, ...] = ()


def compare(
    old: FilePath, new: FilePath, asked: Asked, versions: Versions | None = None, progress: Progress | None = None
) -> ComparisonReport:
    """Compares what lies at two paths; what differs is in the report, not an error. With `versions` the old side goes through that
    chain of migrations first.

    Raises:
        UsageError: nothing lies there, or the key is none. DatasetError, FileError: a side cannot be compared as a whole: files of
            several formats, or with no schema in common. SchemaError: as the formats tell.
    """
    watch = Stopwatch(progress or Silent())
    sides = _sides(FilePath(old), FilePath(new), versions)
    pairing = paired([f.path for f in sides.old.files], [f.path for f in sides.new.files])
    parts = [Found(problems=(*_of_columns(sides), *_of_files(pairing, asked)), notes=_notes(sides, pairing, asked))]
    size = sides.old.size + sides.new.size
    if asked.mode != "rows" or asked.level in ("counts", "full"):
        with watch.step("count" if asked.level == "counts" else "compare", files=len(sides.files), size=size):
            parts.append(_as_wholes(sides, asked))
    if asked.mode == "rows" and asked.level != "counts":
        with watch.step("prove", files=len(pairing.pairs), size=sides.new.size):
            parts.append(_row_by_row(sides, pairing, asked, watch.progress))
    return _report(sides, pairing, asked, versions, parts, watch.seconds)


def _sides(old: FilePath, new: FilePath, versions: Versions | None) -> Sides:
    a, b = found(old), found(new)
    before, after = of_one_schema(a, b) if versions is None else of_versions(a, b, versions)
    formats = {before.format.name, after.format.name}
    targets = before.mapping.target, after.mapping.target
    columns = columns_of(*targets, same_format=len(formats) == 1, keys=formats == {"json"})
    return Sides(before, after, columns, Hidings(before.mapping, after.mapping))


# ---- what needs no record
def _of_columns(sides: Sides) -> Iterator[Problem]:
    """Columns that only one side has; within one format types that differ; JSON keys that the other side has no column for."""
    for place in sides.columns.unpaired:
        yield Problem(str(place), path=path_text(place.path))
    for leaf in sides.columns.retyped if sides.as_given else ():
        yield Problem(f"it is {type_text(leaf.old)} on the old side and {type_text(leaf.new)} on the new one", path=leaf.text)
    if not sides.as_given:
        for side in (sides.old, sides.new):
            yield from unknown_keys(side)


def _of_files(pairing: Pairing, asked: Asked) -> Iterator[Problem]:
    if asked.mode == "rows":
        yield from (Problem("the new side has no such file", path) for path in pairing.missing)
        yield from (Problem("the old side has no such file", path) for path in pairing.extra)


def _notes(sides: Sides, pairing: Pairing, asked: Asked) -> tuple[str, ...]:
    notes = []
    if asked.mode == "rows" and (pairing.missing or pairing.extra):
        notes.append("files are paired by their names; --unordered or --key ID compares both sides as wholes")
    for leaf in () if sides.as_given else sides.columns.retyped:
        notes.append(f"{leaf.text} is {type_text(leaf.old)} on the old side and {type_text(leaf.new)} on the new one")
    left = [side.left for side in (sides.old, sides.new)]
    both = left[0] == left[1]
    for name, paths in (("either", left[0]),) if both else (("the old", left[0]), ("the new", left[1])):
        if paths:
            notes.append(f"no data on {name} side: {', '.join(paths[:5])}{'…' if len(paths) > 5 else ''}")
    return tuple(notes)


# ---- both sides as wholes
def _as_wholes(sides: Sides, asked: Asked) -> Found:
    memory = int((asked.memory - INTERPRETER) * _OF_MEMORY)
    leaves, notes = _leaves(sides, asked)
    with _plainly(sides, memory) as opened, spilling(sides.files, memory=memory, threads=asked.workers) as connection:
        old, new = (
            Rows.of(connection, side, leaves, old=side is sides.old, as_given=sides.as_given) for side in (sides.old, sides.new)
        )
        opened += [old, new]
        key = key_columns(leaves, asked.key) if asked.key else ()
        if asked.level != "counts" and asked.mode != "rows":
            old.stage()
            new.stage()
        made = _counted_in(old, new) if asked.level == "auto" else _with_statistics(sides, old, new)
        if asked.level != "counts" and asked.mode == "unordered":
            counts, rows = unordered(old, new, sides.hidden, asked.examples)
            made = replace(made, counts=counts, rows=tuple(rows), columns=_by(made.columns, sides, leaves, None))
        elif asked.level != "counts" and asked.mode == "keyed":
            counts, rows, differs, of_key = keyed(old, new, key, sides.hidden, asked.examples)
            columns = _by(made.columns, sides, leaves, differs)
            made = replace(made, counts=counts, rows=tuple(rows), columns=columns, notes=tuple(of_key))
        unfit = (_unquoted(problem, sides.hidden) for problem in (*old.problems, *new.problems))
        return replace(made, problems=(*made.problems, *unfit), notes=(*made.notes, *notes))


def _unquoted(problem: Problem, hidden: Hidings) -> Problem:
    """A problem with a value, without it where it is not to be shown."""
    return replace(problem, problem=f"a value is not of its type {NOT_SHOWN}") if hidden(problem.path) else problem


def _leaves(sides: Sides, asked: Asked) -> tuple[tuple[Leaf, ...], tuple[str, ...]]:
    """The columns of whole records, those of folders among them but where files are compared in pairs; and what to note of them."""
    if asked.mode == "rows" and asked.level != "counts":
        return sides.columns.leaves, ()
    folders, alone = _folders(sides)
    return (*sides.columns.leaves, *folders), alone


def _folders(sides: Sides) -> tuple[tuple[Leaf, ...], tuple[str, ...]]:
    """The columns of folders, and what to note of those that only one side has."""
    old, new = ([file.path for file in side.files] for side in (sides.old, sides.new))
    folders, alone = folder_leaves(old, new, sides.columns)
    return folders, tuple(f"only one side has folders {key}=…; they are not compared" for key in alone)


@contextmanager
def _plainly(sides: Sides, memory: int) -> Iterator[list[Rows]]:
    """What readers raise as an error of ours; without its words, which may quote any value, where some are not to be shown."""
    opened: list[Rows] = []
    try:
        yield opened
    except of_readers() as error:
        rows = next((rows for rows in opened if rows.fault is not None), None)
        fault = error if rows is None or rows.fault is None else rows.fault
        if isinstance(fault, InstarError) or not isinstance(fault, Exception):
            raise fault from None
        quoting = not sides.hidden.any
        words = in_words(fault, quoting=quoting)
        found = (rows.side, rows.reading, words) if rows else _first_unread(sides, memory, quoting, words)
        side, file, why = found or (None, "", words)
        what = f"{sides.old.location} and {sides.new.location} cannot be compared"
        what = what if side is None else f"{_named(side, file)} cannot be read"
        raise FileError(
            f"{what}: {why}",
            hint="Without --unordered, --key and --level what the other files hold is compared all the same.",
        ) from (error if quoting else None)


def _named(side: Side, file: str) -> str:
    return side.location if side.single else f"{file} of {side.location}"


def _first_unread(sides: Sides, memory: int, quoting: bool, words: str) -> tuple[Side, str, str] | None:
    """The first file that cannot be read, which DuckDB does not always name."""
    for side in (sides.old, sides.new):
        for file in side.files:
            if why := why_unread(side.path(file), side.format.name, memory, quoting=quoting, words=words):
                return side, file.path, why
    return None


def _counted_in(old: Rows, new: Rows) -> Found:
    return Found(columns=_reported(old.leaves), records=(old.count(), new.count()))


def _with_statistics(sides: Sides, old: Rows, new: Rows) -> Found:
    before, after = (statistics(rows, sides.hidden) for rows in (old, new))
    pairs = zip(_reported(old.leaves), before[2], after[2], strict=True)
    told = tuple(replace(column, old=a, new=b) for column, a, b in pairs)
    return Found(columns=told, records=(before[0], after[0]), checksums=(before[1], after[1]))


def _reported(leaves: Sequence[Leaf]) -> tuple[ColumnReport, ...]:
    return tuple(ColumnReport(leaf.text, "record" if leaf.record else type_text(leaf.common)) for leaf in leaves)


def _by(
    columns: tuple[ColumnReport, ...], sides: Sides, leaves: Sequence[Leaf], differs: Sequence[int] | None
) -> tuple[ColumnReport, ...]:
    """How the columns of whole records were compared, and in how many records each differs, where that is known."""
    ways, counts = ways_of(sides.old.mapping, leaves), differs or [0] * len(columns)
    return tuple(replace(c, ways=(way,), differs=count) for c, way, count in zip(columns, ways, counts, strict=True))


# ---- file by file
def _row_by_row(sides: Sides, pairing: Pairing, asked: Asked, progress: Progress) -> Found:
    options = Options(workers=asked.workers, memory=asked.memory).for_files(len(pairing.pairs))
    old, new = ({file.path: file for file in side.files} for side in (sides.old, sides.new))
    pairs = (
        Pair(b, sides.old, sides.new, old[a], new[b], sides.columns, sides.hidden, asked.level, asked.examples, options.unit_memory)
        for a, b in pairing.pairs
    )
    found: list[Compared] = []
    with executor_for(options) as executor:
        for each in in_order(executor, compared, ((pair,) for pair in pairs), keeping=len(pairing.pairs) > 1):
            found.append(each)
            proof, size = each.proof, new[each.proof.path].size
            progress.event(FileProved(proof.path, proof.verdict, _ways(proof), proof.rows_new, size, proof.seconds))
            progress.advance(files=1, rows=proof.rows_new, size=size)
    names = {b: a for a, b in pairing.pairs}
    rows, problems = rows_told(found, names, Located(sides.old), Located(sides.new), asked.examples)
    folders, alone = _folders(sides)
    columns = columns_told(_reported(sides.columns.leaves), sides.columns.leaves, [each.proof for each in found])
    notes = ((HOW_MOVED,) if any(row.kind == "changed" for row in rows) else ()) + (alone if pairing.pairs else ())
    unread = tuple(_unread(found, names))
    records = None if pairing.missing or pairing.extra or unread else _summed(found)
    return Found((*unread, *problems), rows, (*columns, *in_pairs(folders)), records or _counted(sides, found), notes=notes)


def _unread(found: Sequence[Compared], names: Mapping[str, str]) -> Iterator[Problem]:
    """The files that cannot be read, of either side."""
    for each in found:
        for side, path, why in (("old", names[each.proof.path], each.old_unread), ("new", each.proof.path, each.new_unread)):
            if why:
                yield Problem(f"the {side} file cannot be read: {why}", path)
        if each.proof.unread and not (each.old_unread or each.new_unread):
            yield Problem(each.proof.unread, each.proof.path)


def _summed(found: Sequence[Compared]) -> tuple[int, int]:
    return sum(each.proof.rows_old for each in found), sum(each.proof.rows_new for each in found)


def _counted(sides: Sides, found: Sequence[Compared]) -> tuple[int | None, int | None]:
    """The records of both sides, counted by their files alone; None of one of which a file cannot be read."""
    old, new = any(each.old_unread for each in found), any(each.new_unread for each in found)
    return None if old else _records_of(sides.old), None if new else _records_of(sides.new)


def _records_of(side: Side) -> int | None:
    try:
        return sum(side.format.count(side.path(file)) for file in side.files)
    except (InstarError, *of_readers()):  # a file without a partner, which nobody has looked into
        return None


def _ways(proof: FileProof) -> dict[str, int]:
    ways: dict[str, int] = {}
    for column in proof.columns:
        ways[column.way] = ways.get(column.way, 0) + 1
    return ways


# ---- together
def _report(
    sides: Sides,
    pairing: Pairing,
    asked: Asked,
    versions: Versions | None,
    parts: Sequence[Found],
    seconds: dict[str, float],
) -> ComparisonReport:
    checksums = next((part.checksums for part in parts if part.checksums), (None, None))
    records = next(part.records for part in reversed(parts) if part.records)
    old, new = (
        SideReport(side.location, side.format.name, len(side.files), rows, side.size, version, checksum)
        for side, rows, version, checksum in zip(
            (sides.old, sides.new),
            records,
            (versions.origin, versions.target) if versions else (None, None),
            checksums,
            strict=True,
        )
    )
    return ComparisonReport(
        old=old,
        new=new,
        mode=asked.mode,
        level=asked.level,
        subject=versions.subject if versions else None,
        pairs=len(pairing.pairs) if asked.mode == "rows" else 0,
        columns=_merged([part.columns for part in parts]),
        problems=tuple(dict.fromkeys(problem for part in parts for problem in part.problems)),
        rows=tuple(row for part in parts for row in part.rows),
        counts=next((part.counts for part in parts if part.counts), {}),
        notes=tuple(note for part in parts for note in part.notes),
        key=asked.key,
        seconds=seconds,
    )


def _merged(parts: Sequence[tuple[ColumnReport, ...]]) -> tuple[ColumnReport, ...]:
    """Statistics and comparisons of one column together, in the order of the columns."""
    merged: dict[str, ColumnReport] = {}
    for column in (column for part in parts for column in part):
        known = merged.get(column.path)
        made = column if known is None else replace(known, ways=column.ways, differs=column.differs)
        merged[column.path] = made
    return tuple(merged.values())
