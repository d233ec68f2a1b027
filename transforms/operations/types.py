"""Types in operations: given as text or as a logical type."""

from __future__ import annotations

from instar.formats.errors import MigrationError
from instar.formats.schema import Field, Type
from instar.formats.typetext import parse_field_type


def field_of(type: str | Type, name: str, nullable: bool | None) -> Field:
    """A field of that type and name; a `?` after the type says nullable, as `nullable=True` does.

    Raises:
        SchemaError: not a type. MigrationError: `?` and nullable=False.
    """
    field = parse_field_type(type).with_(name=name) if isinstance(type, str) else Field(name, type)
    if field.nullable and nullable is False:
        raise MigrationError(f"the type {type!r} says '?' and nullable=False says the contrary", hint="Say it once.")
    return field.with_(nullable=field.nullable or bool(nullable))
