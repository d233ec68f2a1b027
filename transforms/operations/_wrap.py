"""wrap: a value as a list of it alone."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path, path_text
from instar.formats.schema import MISSING, Field, List, type_text
from instar.transforms.casts import is_scalar
from instar.transforms.casts.ways import Wrapped
from instar.transforms.expression import Cast, Column, Literal, When
from instar.transforms.mapping import Mapping


@dataclass(frozen=True)
class Wrap:
    """Every value at `path` becomes a list of it alone, whose elements are never null. `path` may also end in [] or {}.

    A null stays null, or with `null="empty"` it (and in JSON a missing key) becomes an empty list, which makes the field required.
    Records, lists, maps and what is only carried are not wrapped.

    The way back is op.head: lists of several elements, which came since, fail it. With `null="empty"` it is lossy only where the
    field might be both null and missing.
    """

    path: str
    _: KW_ONLY
    null: OneOf["null", "empty"] = "null"

    def __post_init__(self) -> None:
        parse_path(self.path)
        if self.null not in ("null", "empty"):
            raise MigrationError(f"null is {self.null!r}", hint='It is "null" or "empty".')

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.path)

        def change(column: Column) -> Column:
            field, e = column.field, column.expression
            if not is_scalar(field.type):
                raise MigrationError(
                    f"{path_text(path)} is {type_text(field.type)}, and only plain values can be made a list of one",
                    hint="Wrap a field inside it, or leave it as it is.",
                )
            to = List(Field("item", field.type))
            filled = self.null == "empty" and (field.nullable or field.optional)
            wrapped = Cast(e, field.type, to, way=Wrapped(filled))
            changed = field.with_(type=to, default=MISSING)
            if filled:
                return Column(changed.with_(nullable=False, optional=False), When(e, wrapped, Literal([], to)))
            return Column(changed, wrapped)

        return mapping.edit(path, change)
