"""`key=value` folders: what they say, and where they contradict the files below them. Never stored in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import unquote

from .schema import Bool, Date, Enum, Int, Schema, String, Type

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and everything after it writes for a null."""

Partitions = tuple[tuple[str, str | None], ...]


def is_partition(name: str) -> bool:
    """Is a folder of this name a partition, `key=value` with a key?"""
    return name.find("=") > 0


def partitions_of(path: str) -> Partitions:
    """The partitions in a file's relative path, outermost first, %-escapes undone as Hive writes them."""
    folders = (folder.partition("=") for folder in path.split("/")[:-1] if is_partition(folder))
    return tuple((unquote(key), None if value == NULL_FOLDER else unquote(value)) for key, _, value in folders)


def partition_keys(paths: Iterable[Partitions]) -> tuple[str, ...]:
    """All keys, in the order in which they are first met."""
    return tuple(dict.fromkeys(key for partitions in paths for key, _ in partitions))


def disagreement(file: FilePath, format: str, schema: Schema, partitions: Partitions) -> str | None:
    """Where a file has a column that its path names, too, and the two contradict each other: what, else None.

    Only Parquet's statistics tell this without reading the data; anything that they leave open is left open.
    """
    columns = {f.name: f.type for f in schema.record.fields} if format == "parquet" else {}
    for key, text in partitions:
        if key in columns and (found := _contradiction(_ranges(file, key), text, columns[key])) is not None:
            return f"the column {key} holds {found}, its folder says {key}={NULL_FOLDER if text is None else text}"
    return None


def _ranges(file: FilePath, column: str) -> list[Any]:
    """The statistics of a top-level column, one for each row group that has them."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file) as parquet:
        metadata = parquet.metadata
        names = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
        if column not in names:
            return []
        at = names.index(column)
        found = [metadata.row_group(i).column(at).statistics for i in range(metadata.num_row_groups)]
        return [statistics for statistics in found if statistics is not None]


def _contradiction(ranges: list[Any], text: str | None, type: Type) -> str | None:
    """What the statistics say that a column holds, where that cannot be the folder's value alone.

    Statistics of text may be shortened, so that text only contradicts where the folder's value is out of their range.
    """
    for statistics in (s for s in ranges if s.has_min_max):
        low, high = statistics.min, statistics.max
        wanted = None if text is None else _value(text, type)
        if isinstance(type, String | Enum) and wanted is not None:
            agrees = low <= wanted <= high
        elif isinstance(type, Int | Date | Bool) or text is None:
            agrees = low == wanted == high
        else:
            return None
        if not agrees:
            return f"{low}" if low == high else f"values from {low} to {high}"
    return None


def _value(text: str, type: Type) -> Any:
    """A folder's text as a value of the column's type; None where it is not one."""
    from datetime import date

    try:
        match type:
            case Bool():
                return {"true": True, "false": False}.get(text.lower())
            case Int():
                return int(text)
            case Date():
                return date.fromisoformat(text)
            case _:
                return text
    except ValueError:
        return None
