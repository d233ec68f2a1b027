"""require: a field may no longer be null, nor its key missing."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path, path_text
from instar.formats.schema import MISSING, Field, List, Map, Null, Record, type_text
from instar.transforms.expression import FAIL, Column, Literal, When
from instar.transforms.literal import literal
from instar.transforms.mapping import Mapping

from .on_error import refuse_on_error


@dataclass(frozen=True)
class Require:
    """The field at `path` holds a value in every record: a null or a missing key fails the run, or becomes `fill`, or with
    `on_error="quarantine"` its record is left out ("fail": the run fails whatever it says itself).

    Inside a record that is null nothing is required. `path` may also end in [] or {}. Filling is lossy: which were null is
    forgotten.
    """

    path: str
    _: KW_ONLY
    fill: Any = MISSING
    on_error: OneOf["fail", "quarantine"] | None = None

    def __post_init__(self) -> None:
        parse_path(self.path)
        refuse_on_error(self.on_error, null=False)
        if self.on_error and self.fill is not MISSING:
            raise MigrationError("fill leaves no error for on_error", hint="Give one of them.")
        if self.fill is None:
            raise MigrationError("a null cannot be filled with null", hint="Give a value, or leave fill out.")

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.path)

        def change(column: Column) -> Column:
            field = column.field
            if not field.nullable and not field.optional:
                raise MigrationError(f"{path_text(path)} is required already", hint="Leave this operation out.")
            if isinstance(field.type, Null):
                raise MigrationError(
                    f"{path_text(path)} is of type null: it can hold no value", hint="Cast it to the type of its values first."
                )
            required = field.with_(nullable=False, optional=False)
            value = MISSING if self.fill is MISSING else self._filling(required)
            default = value if value is not MISSING else MISSING if field.default is None else field.default
            otherwise = FAIL if value is MISSING else Literal(value, field.type)
            return Column(required.with_(default=default), When(column.expression, column.expression, otherwise, self.on_error))

        return mapping.edit(path, change)

    def _filling(self, field: Field) -> Any:
        value = literal(self.fill, field)
        if isinstance(field.type, Record) or (isinstance(field.type, List | Map) and value):
            raise MigrationError(
                f"a {type_text(field.type)} cannot be filled with {self.fill!r}",
                hint="A list can be filled with [], a map with {}; a record cannot be filled.",
            )
        return value
