"""An operation by every interpreter at once, and back again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instar.formats.schema import Field, Schema, field_text, schema
from instar.formats.typetext import parse_field_type
from instar.transforms.mapping import Operation, chain
from tests.laws.interpreters import by_arrow, by_record, by_sql, exactly

Row = dict[str, Any]


def of(**types: str) -> Schema:
    """A schema of these fields: `of(a="int64", b="string?")`."""
    return schema(*(parse_field_type(text).with_(name=name) for name, text in types.items()))


def agreed(source: Schema, operations: Sequence[Operation], *rows: Row) -> Any:
    """The new records, "refused" where one is; every interpreter must say the same."""
    mapping = chain(source, operations)
    new = by_record(mapping, rows)
    assert exactly(by_arrow(mapping, rows)) == exactly(new), "Arrow differs from the records"
    assert exactly(by_sql(mapping, rows)) == exactly(new), "DuckDB differs from the records"
    return new


def back(source: Schema, operations: Sequence[Operation], *rows: Row) -> tuple[Any, tuple[str, ...]]:
    """The records there and back again, and what the way back says it loses."""
    mapping = chain(source, operations)
    way_back, losses = mapping.inverse()
    new = by_record(mapping, rows)
    old = by_record(way_back, new)
    assert exactly(by_arrow(way_back, new)) == exactly(old), "Arrow differs from the records"
    assert exactly(by_sql(way_back, new)) == exactly(old), "DuckDB differs from the records"
    return old, tuple(map(str, losses))


def target(source: Schema, *operations: Operation) -> dict[str, str]:
    """The new fields' types."""
    return {f.name: field_text(f) for f in chain(source, operations).target.record.fields}


def field(source: Schema, name: str, *operations: Operation) -> Field:
    """One field of the new schema."""
    return chain(source, operations).target.record[name]
