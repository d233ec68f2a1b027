"""Proving lines of JSON of which a mapping computes some values: what is only edited by its text, in step, the others in DuckDB.

Whatever is not plainly right is left for other parts of the proof, which read every value with Python's parser: they tell what is
wrong with it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

import duckdb
import pyarrow as pa

from instar.formats.path import path_text
from instar.transforms.mapping import Mapping

from .check import AGREED, Check, Outcome
from .compare import compare
from .database import Room
from .json_edits import Taken, Texts, UnlikeError, compiled_part, taken
from .json_kept import Judged
from .json_levels import At, Edited, edited
from .json_lines import Objects
from .json_taken import Column, array_of
from .proved import Proved, by_bytes
from .records import asked_of, expected_of
from .relation import Relation, Stream
from .shred import Reader, Table, compared_type, getter
from .wants import Lowered, Want, want_type, wants_of

_READING = (ValueError, EOFError, OSError, RecursionError, zlib.error, pa.ArrowException, duckdb.Error)


def prove_computed(
    source: FilePath, staged: FilePath, mapping: Mapping, judged: Judged, reader: Reader, *, room: Room
) -> Proved | None:
    """The proof of a file in which all is plainly right; None where that cannot be seen. `judged`: what judges single lines."""
    part, first = compiled_part(), edited(mapping.root)
    if part is None or first is None or not first.places <= judged.places:
        return None
    old, new = wants_of(mapping)
    asked = asked_of(mapping, old, new, reader, False, first.places)
    if not asked or any(want.form == "keys" for want in (*old.all.values(), *new.all.values())):
        return None
    paths = [[want.path for want in wants.all.values()] for wants in (old, new)]
    told = edited(mapping.root, *paths)
    if told is None or told.places != first.places or not all(path in told.old for path in paths[0]):
        return None
    sides = _Side(Table("old", old, reader, _unread), told.old), _Side(Table("new", new, reader, _unread), told.new)
    columns = len(told.old) + len(told.new)
    batches = _Batches(sides, lambda: taken(source, staged, told.levels, columns, part, judged.judge, _texts(told)))
    try:
        found = _compared(batches, mapping, asked, room)
    except _READING:
        return None
    if found is None:
        return None
    rows, outcomes = found
    return Proved(rows, rows, (*by_bytes(first.places), *outcomes), ())


@dataclass(frozen=True)
class _Side:
    """What is asked of one of the two files, and the columns in which that comes, by their paths."""

    table: Table
    columns: dict[At, int]

    def place(self, want: Want) -> tuple[int, At]:
        """The column that has a wanted value, or what is around it, and the path in that."""
        size = max(size for size in range(1, len(want.path) + 1) if want.path[:size] in self.columns)
        return self.columns[want.path[:size]], want.path[size:]

    def arrays(self, taken: Sequence[Column], types: Sequence[pa.DataType]) -> Iterator[pa.Array]:
        """
        Raises:
            UnlikeError: a value is not of its type.
        """
        for want, type in zip(self.table.wants.all.values(), types, strict=True):
            number, below = self.place(want)
            array = None if below else array_of(taken[number], want, type)
            if array is None:
                inner = replace(want, path=below)
                array = self.table.column(inner, getter(inner, self.table.reader), taken[number].values(), type, 0)
            if self.table.misfits:
                raise UnlikeError("a value is not of its type")
            yield array


@dataclass(frozen=True)
class _Batches:
    """Both sides' values as one stream of batches: they are taken out in step."""

    sides: tuple[_Side, _Side]
    taken: Callable[[], Iterator[Taken]]

    def stream(self) -> Stream:
        asked = [list(side.table.wants.all.values()) for side in self.sides]
        types = [
            [compared_type(want_type(want, side.table.reader.dialect)) for want in wants]
            for side, wants in zip(self.sides, asked, strict=True)
        ]
        names = [want.name for wants in asked for want in wants]
        schema = pa.schema([pa.field(name, type) for name, type in zip(names, [*types[0], *types[1]], strict=True)])

        def batches() -> Iterator[pa.RecordBatch]:
            for some in self.taken():
                columns = [Column(*each) for each in some]
                arrays = [
                    array for side, each in zip(self.sides, types, strict=True) for array in side.arrays(columns, each)
                ]  # fmt: skip
                yield pa.record_batch(arrays, schema=schema)

        return Stream("taken", schema, batches)


def _compared(
    batches: _Batches, mapping: Mapping, asked: Sequence[Lowered], room: Room
) -> tuple[int, list[tuple[Check, Outcome]]] | None:
    before = batches.sides[0].table
    with room.connected() as connection:
        stream = batches.stream()
        made = expected_of(connection, asked, before, stream)
        relation = Relation(connection, [stream], made.stages)
        checks = [Check(path_text(one.path), one.way, sql, one.actual) for one, sql in zip(asked, made.values, strict=True)]
        counted, outcomes = compare(relation, checks, tallies=["count(*)"])
    if counted is None or any(outcome != AGREED for outcome in outcomes):
        return None
    return counted[0], list(zip(checks, outcomes, strict=True))


def _texts(told: Edited) -> Texts:
    """The values to be taken out of a line that Python judged."""
    objects = Objects()

    def texts(old: bytes, new: bytes) -> tuple[bytes | None, ...]:
        found: list[bytes | None] = [None] * (len(told.old) + len(told.new))
        for line, paths in ((old, told.old), (new, told.new)):
            for path, number in paths.items():
                found[number] = _text_at(line, path, objects)
        return tuple(found)

    return texts


def _text_at(line: bytes, path: At, objects: Objects) -> bytes | None:
    text: bytes | None = line
    for name in path:
        if text is None or text == b"null":
            return None
        found = objects.fields(text).get(name)
        text = None if found is None else bytes(found).strip()
    return text


def _unread() -> Iterator[object]:
    raise UnlikeError("the records are not read one by one")
