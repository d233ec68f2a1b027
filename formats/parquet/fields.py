"""Which types a new Parquet column can have: Arrow, in which schemas are written down, has more."""

from __future__ import annotations

from instar.formats.errors import SchemaError
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import Field, Integer, Json, List, Map, Number, Record, Time, Timestamp, Union, type_text


def check_new(field: Field, path: Path) -> None:
    """
    Raises:
        SchemaError: Parquet files have no such type; names the place and what to take instead.
    """
    match field.type:
        case Time("s") | Timestamp("s"):
            instead = type_text(field.type).replace("(s", "(ms")
            raise _refused(field, path, f"Take {instead}; Parquet has no seconds.")
        case Union():
            raise _refused(field, path, "Take a record with a nullable field for each branch; Parquet has no unions.")
        case Json():
            raise _refused(field, path, "Take string and keep the JSON text in it.")
        case Integer():
            raise _refused(field, path, "Take int64, or decimal(38,0) for more than 18 digits.")
        case Number():
            raise _refused(field, path, "Take double, or decimal(p,s) where digits must be exact.")
        case Record(fields):
            for inner in fields:
                check_new(inner, (*path, inner.name))
        case List(item):
            check_new(item, (*path, EACH_ITEM))
        case Map(value):
            check_new(value, (*path, EACH_VALUE))
        case _:
            return


def _refused(field: Field, path: Path, hint: str) -> SchemaError:
    return SchemaError(f"{path_text(path)}: a Parquet column cannot be {type_text(field.type)}", hint=hint)
