"""`key=value` folders as columns: typed as the configuration says, else text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from instar.formats.errors import ConfigurationError, DatasetError, Where
from instar.formats.format import Range
from instar.formats.inventory import Inventory
from instar.formats.partitions import NULL_FOLDER, Partitions
from instar.formats.plain import from_python
from instar.formats.schema import Bool, Date, Field, Int, Schema, String, Type, type_text
from instar.formats.typetext import parse_type
from instar.transforms import casts


@dataclass(frozen=True)
class PartitionColumns:
    """The columns that only the folders' names have, with each file's values for them."""

    fields: tuple[Field, ...]
    values: Mapping[str, tuple[Any, ...]]

    def arrays(self, path: str, rows: int) -> dict[str, pa.Array]:
        """A file's columns, of `rows` rows."""
        zeros = pa.Array.from_buffers(pa.int8(), rows, [None, pa.py_buffer(bytes(rows))])
        given = zip(self.fields, self.values[path], strict=True)
        return {f.name: from_python([value], f.type).take(zeros) for f, value in given}

    def ranges(self, path: str) -> dict[str, Range]:
        """What is known of a file's columns without opening it."""
        given = ((f.name, from_python([v], f.type)[0]) for f, v in zip(self.fields, self.values[path], strict=True))
        return {name: Range(v if v.is_valid else None, v if v.is_valid else None, nulls=not v.is_valid) for name, v in given}


def partition_columns(inventory: Inventory, schema: Schema, types: Mapping[str, str]) -> PartitionColumns:
    """The partition keys that are no columns of `schema`: where a file has the column, its value is data.

    Raises:
        ConfigurationError: a type that no folder's name can be. DatasetError: a folder's value that is not of its type.
    """
    return folder_columns({file.path: file.partitions for file in inventory.files}, inventory.partition_keys, schema, types)


def folder_columns(
    files: Mapping[str, Partitions], partition_keys: Sequence[str], schema: Schema, types: Mapping[str, str]
) -> PartitionColumns:
    """The same of files by path, each with the partitions in it."""
    keys = [key for key in partition_keys if key not in schema.record]
    fields = tuple(Field(key, _type(key, types.get(key)), nullable=True) for key in keys)
    read = [(f.name, _reader(f.type)) for f in fields]
    values = {path: tuple(_value(path, dict(found), key, parse) for key, parse in read) for path, found in files.items()}
    return PartitionColumns(fields, values)


def _type(key: str, text: str | None) -> Type:
    type = String() if text is None else parse_type(text)
    if type != String() and casts.rule_for(String(), type) is None:
        raise ConfigurationError(
            f"the partition {key} cannot be {type_text(type)}", hint="A folder's name is text, a number, a date or a timestamp."
        )
    return type


def _reader(type: Type) -> Callable[[str], Any]:
    """A folder's text as a value: zeros before an integer are how folders are made to sort."""
    match type:
        case String():
            return str
        case Int():
            return lambda text: _within(int(text), type)
        case Bool():
            return lambda text: {"true": True, "false": False}[text.lower()]
        case Date():
            return lambda text: (date.fromisoformat(text) - date(1970, 1, 1)).days
        case _:
            return casts.convert(String(), type)


def _within(value: int, type: Int) -> int:
    if not type.low <= value <= type.high:
        raise ValueError(value)
    return value


def _value(path: str, found: Mapping[str, str | None], key: str, parse: Callable[[str], Any]) -> Any:
    text = found.get(key)
    if text is None:
        return None
    try:
        return parse(text)
    except (ValueError, KeyError, OverflowError):
        raise DatasetError(
            f"the folder {key}={text} does not hold a value of the type that `partitions` says",
            hint=f"Correct [datasets.NAME.partitions] {key}, or rename the folder; no value is {NULL_FOLDER}.",
            where=Where(file=path, path=key),
        ) from None
