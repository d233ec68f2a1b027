"""`key=value` folders are no part of the schema: an operation that means one is refused, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path
from instar.formats.schema import Schema
from instar.transforms.migration import Migration
from instar.transforms.scripted import calls_functions
from instar.transforms.spelling import operation_text


def refuse_partitions(migrations: Iterable[Migration], schemas: Mapping[int, Schema], keys: Sequence[str]) -> None:
    """`keys` are the partition keys in a dataset's folder names; a column of that name inside the files may be changed.

    Raises:
        MigrationError: an operation names, or would bring in, a column that only the folders' names have.
    """
    for migration in migrations:
        before = schemas.get(migration.version - 1)
        columns = set(before.record.names) if before else set()
        for operation in migration.operations:
            for name in sorted(set(_named(operation)) & set(keys) - columns):
                raise MigrationError(
                    f"{migration.path}: {operation_text(operation)} names {name!r}, a partition key: "
                    f"it is in the folders' names ({name}=…), not in the files",
                    hint="A migration does not touch folders' names; give the column another name, or leave the operation out.",
                )


def _named(operation: object) -> Iterator[str]:
    """The top-level names that an operation speaks of or brings in."""
    if calls_functions(operation):
        yield from (str(parse_path(path)[0]) for path in (*operation.reads, *operation.writes))
        return
    path, to = getattr(operation, "path", None), getattr(operation, "to", None)
    if not isinstance(path, str):
        return
    steps = parse_path(path)
    yield str(steps[0])
    kind = type(operation).__name__
    if isinstance(to, str) and (kind == "Move" or (kind == "Rename" and len(steps) == 1)):
        yield str(parse_path(to)[0]) if kind == "Move" else to
