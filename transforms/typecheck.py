"""The type check of a mapping, before any data is touched: SQL gives the declared types, new fields can be written and proved."""

from __future__ import annotations

from collections.abc import Iterator

from instar.formats.errors import InstarError, MigrationError
from instar.formats.format import Format
from instar.formats.path import Path, path_text
from instar.formats.schema import Decimal, Field, List, Map, Record, type_text
from instar.transforms.evaluate.nodes import sql_nodes
from instar.transforms.expression import Branches, Column, Each, Source, Struct, When
from instar.transforms.mapping import Mapping
from instar.transforms.tree import scopes

DIGITS = 38
"""Of DuckDB's decimals: what has more can be carried, not computed, since nothing could recompute it."""


def type_check(mapping: Mapping, format: Format) -> None:
    """
    Raises:
        MigrationError: SQL of another type than declared, a function that is not allowed; a new field that the format's files
            cannot hold, or that DuckDB could not recompute. Names the field and says what to take instead.
    """
    sql_check(mapping)
    for path, field in computed(mapping.root, ()):
        try:
            format.check_new(field, path)
        except InstarError as error:
            raise MigrationError(error.message, hint=error.hint) from error
        if _too_long(field):
            raise MigrationError(
                f"{path_text(path)}: a value of {type_text(field.type)} cannot be computed, since it could not be proved",
                hint=f"Take at most {DIGITS} digits; columns that have more are carried as they are.",
            )


def sql_check(mapping: Mapping) -> None:
    """Is the SQL of a mapping allowed, and of the types that it is declared to be?

    Raises:
        MigrationError: it is not; names the field.
    """
    if sql_nodes([mapping.root.expression]):  # else nobody needs DuckDB, which takes long to import
        from instar.transforms.evaluate.sql import verify_types

        verify_types(mapping)


def computed(column: Column, path: Path) -> Iterator[tuple[Path, Field]]:
    """The places whose values are not those of the source, outermost first."""
    match column.expression:
        case Source():
            return
        case When(then=Source()):
            return
        case Struct(columns):
            for inner in columns:
                yield from computed(inner, (*path, inner.field.name))
        case Each() | Branches() as e:
            for _, step, body in scopes(e):
                yield from computed(body, (*path, step))
        case _:
            yield path, column.field


def _too_long(field: Field) -> bool:
    match field.type:
        case Decimal(precision):
            return precision > DIGITS
        case Record(fields):
            return any(map(_too_long, fields))
        case List(item):
            return _too_long(item)
        case Map(value):
            return _too_long(value)
        case _:
            return False
