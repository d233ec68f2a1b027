"""`key=value` folders are no part of the schema: an operation that means one is refused, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path
from instar.formats.schema import Schema
from instar.transforms.migration import Chain


def refuse_partitions(chain: Chain, keys: Sequence[str], schema: Schema) -> None:
    """
    Raises:
        MigrationError: an operation brings in, or speaks of, a name that the dataset's folders have as a partition key. A column
            of that name which stands in the files, too, may be spoken of.
    """
    columns = set(schema.record.names)
    for migration in chain.migrations:
        for operation in migration.operations:
            for name in _top_level_names(operation):
                if name in keys and name not in columns:
                    raise MigrationError(
                        f"{migration.path}: {operation} names the partition key {name!r}, which is in the folders' names ({name}=…), not in the files",
                        hint="Folders are not renamed or rewritten by a migration; give the column another name.",
                    )
            for name in _introduced(operation):
                if name in keys and name not in columns:
                    raise MigrationError(
                        f"{migration.path}: {operation} would make a column {name!r} beside the partition key of that name",
                        hint="Readers would see two values for one name; give the column another name.",
                    )


def _top_level_names(operation: object) -> list[str]:
    path = getattr(operation, "path", None)
    return [str(parse_path(path)[0])] if isinstance(path, str) and path else []


def _introduced(operation: object) -> list[str]:
    to = getattr(operation, "to", None)
    if not isinstance(to, str) or type(operation).__name__.lower() not in ("rename", "move"):
        return []
    inside = "." in getattr(operation, "path", "") and type(operation).__name__.lower() == "rename"
    return [] if inside else [str(parse_path(to)[0])]
