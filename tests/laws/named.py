"""The laws of unions and named types: what interpreters that know no plain Arrow form of them are held to."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from instar.formats.columnar import spelled_out
from instar.formats.errors import DataError
from instar.formats.schema import Field, List, Record, Schema, Union, type_text
from instar.transforms.evaluate.arrow import compile_batches
from instar.transforms.evaluate.plain import plain_type
from instar.transforms.evaluate.plain_values import PlainValues
from instar.transforms.evaluate.record import compile_records
from instar.transforms.mapping import Mapping, chain
from instar.transforms.shared_types import expanded
from tests.reference import Refused, evaluate, misfit

from .cases import Case
from .interpreters import REFUSAL, Rows


def conforms(case: Case) -> None:
    """(1) What comes out is of the target, its definitions included."""
    mapping = chain(case.schema, case.operations)
    new, root = by_record(mapping, case.rows), inline(mapping.target).root
    if new != REFUSAL:
        assert [why for row in new if (why := misfit(row, root) or _shape(row, root))] == []


def agree(case: Case) -> None:
    """(2) The records say what the reference says."""
    mapping = chain(case.schema, case.operations)
    try:
        expected: Any = [evaluate(mapping, row) for row in case.rows]
    except Refused:
        expected = REFUSAL
    assert by_record(mapping, case.rows) == expected


def agree_in_batches(case: Case) -> None:
    """(2) So does Arrow, where a union is a record of its branches and every name is what it means."""
    mapping = chain(inline(case.schema), case.operations)
    expected = by_record(mapping, case.rows)
    if expected != REFUSAL:
        expected = [shown(row, mapping.target.root) for row in expected]
    try:
        new: Any = compile_batches(mapping)(batch(case.rows, mapping.source)).to_pylist()
    except DataError:
        new = REFUSAL
    assert new == expected


def restores(case: Case) -> None:
    """(3) The way back restores the records where it declares no loss."""
    mapping = chain(case.schema, case.operations)
    back, losses = mapping.inverse()
    assert type_text(back.target.root.type) == type_text(case.schema.root.type)
    new = by_record(mapping, case.rows)
    if not losses and new != REFUSAL:
        assert by_record(back, new) == list(case.rows)


def fuses(case: Case) -> None:
    """(4) The fused chain gives what the steps give one by one."""
    current, source = list(case.rows), case.schema
    for operation in case.operations:
        step = chain(source, [operation])
        current, source = by_record(step, current), step.target
        if current == REFUSAL:
            return
    assert by_record(chain(case.schema, case.operations), case.rows) == current


def by_record(mapping: Mapping, rows: Rows) -> Any:
    try:
        return compile_records(mapping, plain_values(mapping))(list(rows))
    except DataError:
        return REFUSAL


def plain_values(mapping: Mapping) -> PlainValues:
    return PlainValues({**mapping.source.definitions, **mapping.target.definitions})


def inline(schema: Schema) -> Schema:
    """The schema with the meaning of every name in its place."""
    return Schema(schema.root.with_(type=expanded(schema.root.type, schema.definitions)))


def batch(rows: Rows, schema: Schema) -> pa.RecordBatch:
    """The records in Arrow, where a union is a record of its branches."""
    plain = [shown(row, schema.root) for row in rows]
    columns = [spelled_out(f, schema.definitions) for f in schema.record.fields]
    return pa.RecordBatch.from_pylist(plain, schema=pa.schema([(c.name, plain_type(c.type)) for c in columns]))


def shown(value: Any, field: Field) -> Any:
    """A value with a record of all branches in the place of (branch, value)."""
    match field.type:
        case Union(branches) if value is not None:
            return {b.name: shown(value[1], b) if b.name == value[0] else None for b in branches}
        case Record(fields) if value is not None:
            return {f.name: shown(value[f.name], f) for f in fields}
        case List(item) if value is not None:
            return [shown(x, item) for x in value]
    return value


def _shape(value: Any, field: Field) -> str:
    """Why a value of a union is of none of its branches, "" where all are of one."""
    match field.type:
        case Union(branches) if value is not None:
            found = next((b for b in branches if b.name == value[0]), None)
            return f"{value[0]} is no branch" if found is None else misfit(value[1], found) or _shape(value[1], found)
        case Record(fields) if value is not None:
            return next((why for f in fields if (why := _shape(value[f.name], f))), "")
        case List(item) if value is not None:
            return next((why for x in value if (why := _shape(x, item))), "")
    return ""
