"""head: the only element of a list in its place."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import EACH_ITEM, parse_path, path_text
from instar.formats.schema import MISSING, List, type_text
from instar.transforms.casts import is_scalar
from instar.transforms.casts.ways import Only, Several
from instar.transforms.expression import Cast, Column
from instar.transforms.mapping import Mapping

from .on_error import refuse_on_error
from .tags import united


@dataclass(frozen=True)
class Head:
    """Every list at `path` becomes its only element; an empty list becomes null, so the field may be null.

    A list of several elements fails the run, or becomes its "first" or "last" one, or "null", as `otherwise` says. With
    `empty="fail"` an empty list fails. A null list stays null; a list whose one element is null fails, unless the first or last is
    taken. Of what fails, `on_error` says whether the run does ("fail") or the record is left out ("quarantine"); by default as the
    run says. Elements that are records, lists, maps or only carried are not taken out. `path` may also end in [] or {}.

    The way back is op.wrap: null becomes an empty list. It is lossy where `otherwise` let elements go, and where the list itself
    might be null: whether it was empty is forgotten then.
    """

    path: str
    _: KW_ONLY
    otherwise: Several = "fail"
    empty: OneOf["null", "fail"] = "null"
    on_error: OneOf["fail", "quarantine"] | None = None

    def __post_init__(self) -> None:
        parse_path(self.path)
        if self.otherwise not in ("fail", "null", "first", "last"):
            raise MigrationError(f"otherwise is {self.otherwise!r}", hint='It is "fail", "null", "first" or "last".')
        if self.empty not in ("null", "fail"):
            raise MigrationError(f"empty is {self.empty!r}", hint='It is "null" or "fail".')
        refuse_on_error(self.on_error, null=False)

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.path)

        def change(column: Column) -> Column:
            field = column.field
            if not isinstance(field.type, List):
                hint = "It takes the only element out of a list; leave this operation out."
                raise MigrationError(f"{path_text(path)} is {type_text(field.type)}, not a list", hint=hint)
            item = field.type.item
            if not is_scalar(item.type):
                raise MigrationError(
                    f"the elements of {path_text(path)} are {type_text(item.type)}: only plain values can be taken out of a list",
                    hint=f"Operations work on {path_text((*path, EACH_ITEM))} as they are.",
                )
            taken = item.nullable and self.otherwise in ("first", "last")
            nullable = field.nullable or self.empty == "null" or self.otherwise == "null" or taken
            way = Only(self.otherwise, self.empty, field.nullable or field.optional)
            changed = field.with_(type=item.type, nullable=nullable, default=MISSING, tags=united([field, item]))
            return Column(changed, Cast(column.expression, field.type, item.type, way=way, policy=self.on_error))

        return mapping.edit(path, change)
