"""Were the records that a run left out rightly left out? Each is given to the interpreter that did not judge it before.

Columns were converted as Arrow batches, and are given to the interpreter of records; records of Avro and JSON are given to the one
of Arrow batches. They share the cast table, DuckDB for the user's SQL and the user's functions, and no other code. A JSON record
whose form was refused (no JSON, a key twice, a value not of its type) is judged once more by the first, alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa

from instar.formats.errors import DataError, InstarError
from instar.formats.format import format_named
from instar.formats.schema import Field, Json, List, Map, Other, Record, Reference, Type, Union
from instar.formats.storage import stored
from instar.transforms.evaluate.arrow import Evaluator
from instar.transforms.evaluate.leaving_out import leaving_out, rows_of
from instar.transforms.evaluate.plain import plain_type, to_python
from instar.transforms.evaluate.record import PlainValues, compile_records
from instar.transforms.evaluate.scope import Live, Scope
from instar.transforms.expression import Struct
from instar.transforms.mapping import Mapping
from instar.transforms.run.unit import Quarantined, Unit

_ROWS = 1024  # records judged together
_NAMED = 20

Judged = tuple[list[int], list[int]]
"""The numbers of the records that were refused again, and of those that were not."""


def refused_again(unit: Unit, mapping: Mapping, positions: Sequence[int], forms: Sequence[int]) -> Quarantined:
    """What becomes of the records at `positions` (ascending) when they are judged again; of `forms`, their form was refused.

    Raises:
        InstarError, OSError: the file cannot be read.
    """
    if not positions:
        return Quarantined()
    alone = set(forms)
    values = [row for row in positions if row not in alone]
    if unit.format == "json":
        refused, passed = _json(unit, mapping, values, list(forms))
    else:
        refused, passed = _read(unit, mapping, values)
    again = len(set(refused) - alone)
    missing = set(positions) - set(refused) - set(passed)  # a number that no record of the file has
    return Quarantined(len(positions), again, len(refused) - again, tuple(sorted({*passed, *missing})[:_NAMED]))


# ---- Parquet and Avro, whose values are of their types
def _read(unit: Unit, mapping: Mapping, positions: Sequence[int]) -> Judged:
    format = format_named(unit.format)
    batches = format.read(FilePath(unit.source), schema=mapping.source, columns=mapping.reads(), memory=unit.memory)
    judge = _by_records if unit.format == "parquet" else _by_columns
    refused, passed = list[int](), list[int]()
    for numbers, batch in _chosen(batches, positions):
        bad = judge(mapping, batch)
        refused += [number for row, number in enumerate(numbers) if row in bad]
        passed += [number for row, number in enumerate(numbers) if row not in bad]
    return refused, passed


def _chosen(batches: Iterator[pa.RecordBatch], positions: Sequence[int]) -> Iterator[tuple[list[int], pa.RecordBatch]]:
    """The records at those positions, some together, with their positions."""
    waiting, first = iter(positions), 0
    position = next(waiting, None)
    for batch in batches:
        numbers: list[int] = []
        while position is not None and position < first + batch.num_rows:
            numbers.append(position)
            position = next(waiting, None)
        for i in range(0, len(numbers), _ROWS):
            some = numbers[i : i + _ROWS]
            yield some, rows_of(batch, [number - first for number in some])
        first += batch.num_rows
        if position is None:
            return


def _by_records(mapping: Mapping, batch: pa.RecordBatch) -> set[int]:
    """The rows that the interpreter of records refuses."""
    record, bad = mapping.source.record, set[int]()
    columns = {name: _values(batch.column(name), record[name].type) for name in batch.schema.names if name in record}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    values = PlainValues({**mapping.source.definitions, **mapping.target.definitions})
    compile_records(mapping, values, lambda error: bad.add(_row(error)))(rows)
    return bad


def _values(array: pa.Array, type: Type) -> list[Any]:
    """Python values; of a type that no expression looks into only whether they are there."""
    if not _opaque(type):
        return to_python(stored(array, plain_type(type)), type)
    if isinstance(type, Record):
        inner = [(f.name, _values(child, f.type)) for f, child in zip(type.fields, _children(array, type), strict=True)]
        there = array.is_valid().to_pylist()
        return [{name: values[i] for name, values in inner} if own else None for i, own in enumerate(there)]
    return ["?" if there else None for there in array.is_valid().to_pylist()]


def _children(array: pa.Array, type: Record) -> list[pa.Array]:
    flat = array.flatten()
    return [flat[array.type.get_field_index(f.name)] for f in type.fields]


def _opaque(type: Type) -> bool:
    match type:
        case Json() | Reference() | Other() | Union():
            return True
        case Record(fields):
            return any(_opaque(f.type) for f in fields)
        case List(Field(type=inner)) | Map(Field(type=inner)):
            return _opaque(inner)
        case _:
            return False


def _by_columns(mapping: Mapping, batch: pa.RecordBatch) -> set[int]:
    """The rows that the interpreter of Arrow batches refuses."""
    root, bad = mapping.root.expression, set[int]()
    columns = root.columns if isinstance(root, Struct) else ()

    def evaluated(some: pa.RecordBatch) -> pa.RecordBatch:
        evaluator, scope, live = Evaluator(storage=False, every=True), Scope.of_batch(some), Live()
        for column in columns:
            evaluator.evaluate(column.expression, scope, live, (column.field.name,))
        return some

    leaving_out(evaluated, batch, lambda error: bad.add(_row(error)))
    return bad


def _row(error: DataError) -> int:
    assert error.where is not None
    assert error.where.row is not None
    return error.where.row


# ---- JSON, whose records may be anything
def _json(unit: Unit, mapping: Mapping, values: Sequence[int], forms: list[int]) -> Judged:
    from instar.formats.json.read import column_builder
    from instar.formats.json.rewrite import records

    build, wanted = column_builder(mapping.source, mapping.reads()), {*values, *forms}
    refused, passed, alone = list[int](), list[int](), list[tuple[int, bytes]]()
    of_form = set(forms)
    held: list[tuple[int, bytes]] = []

    def judge() -> None:
        try:
            bad = _by_columns(mapping, build([text for _, text in held]))
        except InstarError:  # one of them holds a value that is not of its type, where nothing looks
            bad = None
        for row, (number, text) in enumerate(held):
            if bad is None:
                alone.append((number, text))
            else:
                (refused if row in bad else passed).append(number)
        held.clear()

    for number, text in enumerate(islice(records(FilePath(unit.source)), max(wanted, default=-1) + 1)):
        if number in of_form:
            alone.append((number, text))
        elif number in wanted:
            held.append((number, text))
            if len(held) == _ROWS:
                judge()
    judge()
    again, not_again = _by_text(mapping, alone)
    return refused + again, passed + not_again


def _by_text(mapping: Mapping, texts: Sequence[tuple[int, bytes]]) -> Judged:
    """As the rewrite judged them, each alone."""
    bad: list[int] = []
    values = format_named("json").values(mapping.source, mapping.target, strict=True)
    convert = compile_records(mapping, values, lambda error: bad.append(0))
    refused, passed = list[int](), list[int]()
    for number, text in texts:
        bad.clear()
        convert([text])
        (refused if bad else passed).append(number)
    return refused, passed
