"""Which types a new Avro field can have: documents also name types that are held as text, which nobody wants for new data."""

from __future__ import annotations

from instar.formats.errors import SchemaError
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import Field, Integer, Json, List, Map, Number, Record, type_text

_INSTEAD = {
    Integer: "Use int64, or decimal(p,0) for longer numbers.",
    Number: "Use double, or decimal(p,s).",
    Json: "Use string and keep the JSON text in it.",
}


def check_new(field: Field, path: Path) -> None:
    """
    Raises:
        SchemaError: Avro has no such type; names the place and what to take instead.
    """
    match field.type:
        case Integer() | Number() | Json():
            problem = f"{path_text(path)}: Avro has no type {type_text(field.type)}"
            raise SchemaError(problem, hint=_INSTEAD[field.type.__class__])
        case Record(fields):
            for inner in fields:
                check_new(inner, (*path, inner.name))
        case List(item):
            check_new(item, (*path, EACH_ITEM))
        case Map(value):
            check_new(value, (*path, EACH_VALUE))
        case _:
            return
