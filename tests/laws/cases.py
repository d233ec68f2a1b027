"""A case of a law: a schema, operations, records; and how Hypothesis draws one.

The generator aims: records are often null, fields are computed inside a record and then moved out of it, names differ only by
case or are keywords of DuckDB's. Random data alone misses what only such cases show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import assume, note
from hypothesis import strategies as st

from instar.formats.errors import InstarError
from instar.formats.schema import Field, List, Map, Record, Schema, Type, type_text
from instar.transforms.evaluate.sql import verify_types
from instar.transforms.mapping import Operation, chain

from .drawn import Drawn, operations
from .schemas import CARRIED, SCALARS, named_schemas, names, records, values, with_optional


@dataclass(frozen=True)
class Case:
    schema: Schema
    operations: tuple[Operation, ...]
    rows: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        lines = [type_text(self.schema.root.type), *map(repr, self.operations), *map(repr, self.rows)]
        return "\n".join(lines)


def extended(draw: st.DrawFn, source: Schema, count: int, drawn: Drawn = operations) -> tuple[Operation, ...]:
    """Up to `count` operations, each of which fits what those before it made; as many again may not fit."""
    out: list[Operation] = []
    for _ in range(2 * count):
        if len(out) == count:
            break
        try:
            operation = drawn(draw, source)
            step = chain(source, [operation])
            verify_types(step)
        except InstarError:
            continue
        source = step.target
        out.append(operation)
    return tuple(out)


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    most: int = 5,
    optional: bool = False,
    scalars: tuple[Type, ...] = (*SCALARS, *CARRIED),
    drawn: Drawn = operations,
    named: bool = False,
    renamed: Callable[[Type], Type] = lambda type: type,
) -> Case:
    """A schema, up to `most` operations on it, and one to four records; `optional`: keys may be missing, or unknown; `named`: types
    are shared, and values are of unions.

    `scalars`: the leaves of the schema (an operation may still bring others). `renamed`: a record's type, with the names that a
    format has.
    """
    if named:
        return _case(draw, named_schemas(draw, scalars, renamed), most, drawn)
    record = draw(records(2, scalars))
    if optional:
        record = with_optional(record, draw)
    record = renamed(record)
    assert isinstance(record, Record)
    return _case(draw, Schema(Field("", record), open=optional), most, drawn)


def _case(draw: st.DrawFn, source: Schema, most: int, drawn: Drawn) -> Case:
    chosen = extended(draw, source, draw(st.integers(1, most)), drawn)
    assume(chosen)
    rows = draw(st.lists(values(source.root, source.definitions), min_size=1, max_size=4))
    if source.open:
        rows = [_with_unknown(draw, row, source.root) for row in rows]
    case = Case(source, chosen, tuple(rows))
    note(str(case))
    return case


def _with_unknown(draw: st.DrawFn, value: Any, field: Field) -> Any:
    """The record with a key that no schema names in some of its records."""
    match field.type:
        case Record(fields) if value is not None:
            out = {f.name: _with_unknown(draw, value[f.name], f) for f in fields if f.name in value}
            if draw(st.integers(0, 3)) == 0:
                key = draw(names)
                out.setdefault(key if key not in field.type else key + "?!", {"any": [1, "thing"]})
            return out
        case List(item) if value is not None:
            return [_with_unknown(draw, v, item) for v in value]
        case Map(inner) if value is not None:
            return {k: _with_unknown(draw, v, inner) for k, v in value.items()}
    return value


def one(source: Schema, chosen: list[Operation], *rows: dict[str, Any]) -> Case:
    """A case by hand."""
    return Case(source, tuple(chosen), rows)
