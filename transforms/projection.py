"""Which columns of a version are wanted: as a mapping, so that a chain fused with it computes and reads nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from instar.formats.errors import UsageError, suggestion
from instar.formats.path import Path, parse_path, path_text
from instar.formats.schema import Field, Record, Schema
from instar.transforms.expression import Column, Source, Struct
from instar.transforms.mapping import Mapping


def projection(schema: Schema, paths: Sequence[Path]) -> Mapping:
    """The mapping from records of `schema` to records of just these fields, in this order, each called by its path.

    A field inside a record may be null where the record may.
    """
    source = schema.root.type
    assert isinstance(source, Record)
    columns = tuple(_column(source, path) for path in paths)
    root = schema.root.with_(type=Record(tuple(c.field for c in columns), source.name))
    return Mapping(schema, Column(root, Struct(columns, Source((), source), source.names)))


def _column(record: Record, path: Path) -> Column:
    names = tuple(str(step) for step in path)
    field, nullable, optional = record[names[0]], False, False
    for name in names[1:]:
        assert isinstance(field.type, Record)
        nullable, optional = nullable or field.nullable, optional or field.optional
        field = field.type[name]
    named = field.with_(name=path_text(path) if len(path) > 1 else names[0], nullable=field.nullable or nullable)
    return Column(named.with_(optional=field.optional or optional), Source(names, field.type))


def column_path(schema: Schema, name: str, also: Sequence[str] = ()) -> Path:
    """The path that a column's name means: a column of that very name, else a field of a record, `a.b`.

    `also`: other names to suggest.

    Raises:
        UsageError: there is no such column, or it is inside something that is no record. SchemaError: not a path.
    """
    record = schema.record
    if name in record:
        return (name,)
    path = parse_path(name)
    field = Field("", record)
    for i, step in enumerate(path):
        known = field.type.names if isinstance(field.type, Record) else ()
        if not isinstance(field.type, Record) or str(step) not in field.type or not isinstance(step, str):
            here = path_text(path[: i + 1])
            hint = suggestion(str(step), [*known, *(also if not i else ())]) or "Only fields of records can be columns: a.b"
            raise UsageError(f"there is no column {here}", hint=hint)
        field = field.type[step]
    return path
