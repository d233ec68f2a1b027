"""split: one text field in several."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import KW_ONLY, dataclass

from instar.formats.errors import MigrationError
from instar.formats.path import Path, path_text
from instar.formats.schema import Field, String, Type, type_text
from instar.transforms import expression
from instar.transforms.casts import check
from instar.transforms.casts.rule import sql_text
from instar.transforms.casts.ways import Piece
from instar.transforms.expression import FAIL, Column, Expression, Sql, When
from instar.transforms.mapping import Mapping

from .on_error import OnError, failing, policy, refuse_on_error
from .place import field_name, index, split
from .types import field_of

STRING = String()


@dataclass(frozen=True)
class Split:
    """The text at `path` becomes the fields `into` (name: type, in order) of the same record, at its place.

    Either `by` is the separator: a text must have exactly as many pieces as there are fields. Or `pattern` is a regular expression
    (RE2, as DuckDB has it) that must match the whole text, with a group for each field; a group that takes no part gives "". Each
    piece is cast to its field's type by the cast table. A text that does not fit, or a piece that cannot be cast, fails the run, or
    as `otherwise` says: "null" makes nulls of what cannot be told, "quarantine" leaves the record out. Null gives nulls.
    `keep=True` keeps the old field before the new ones. The new fields have the tags of the old.

    The way back of `by` joins the pieces again, exactly; with `otherwise="null"`, or with one of the fields dropped, it is lossy.
    What `pattern` took apart is lost, unless `downgrade` says how to put it together.
    """

    path: str
    _: KW_ONLY
    into: Dict[str, str | Type]
    by: str | None = None
    pattern: str | None = None
    otherwise: OnError | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        split(self.path)
        if (self.by is None) == (self.pattern is None):
            raise MigrationError("split needs a separator or a pattern", hint='Say by="," or pattern="(…)-(…)", one of them.')
        if self.by == "":
            raise MigrationError("the separator is empty", hint="Give at least one character.")
        if not isinstance(self.into, Dict):
            hint = 'Give each field a type: into={"first": "string", "last": "string"}.'
            raise MigrationError(f"into is {self.into!r:.80}, not fields with their types", hint=hint)
        if len(self.into) < (2 if self.by else 1):
            raise MigrationError("there are too few fields to split into", hint='Write into={"first": "string", "last": "string"}.')
        refuse_on_error(self.otherwise, named="otherwise")
        for name, type in self.into.items():
            field_of(type, field_name(name), None)

    def edit(self, mapping: Mapping) -> Mapping:
        parent, name = split(self.path)

        def change(columns: tuple[Column, ...], _: tuple[str, ...]) -> list[Column]:
            i = index(columns, name, parent)
            old = columns[i]
            self._refuse_type(old.field, (*parent, name))
            pieces = [self._column(old, number, name, type) for number, (name, type) in enumerate(self.into.items())]
            return [*columns[:i], *([old] if self.keep else []), *pieces, *columns[i + 1 :]]

        return mapping.edit_columns(parent, change)

    def _column(self, old: Column, number: int, name: str, type: str | Type) -> Column:
        field = field_of(type, field_name(name), None)
        nullable = field.nullable or old.field.nullable or self.otherwise == "null"
        piece = self._piece(old, number)
        if field.type != STRING:
            check(STRING, field.type)
            piece = expression.Cast(piece, STRING, field.type, failing(self.otherwise), policy=policy(self.otherwise))
        return Column(field.with_(nullable=nullable, optional=old.field.optional, tags=old.field.tags), piece)

    def _piece(self, old: Column, number: int) -> Expression:
        if self.by is not None:
            way = Piece(self.by, number, len(self.into))
            return expression.Cast(old.expression, STRING, STRING, failing(self.otherwise), way, policy(self.otherwise))
        assert self.pattern is not None
        pattern = sql_text(self.pattern)
        pieces = ("CASE WHEN regexp_full_match(", f", {pattern}) THEN regexp_extract(", f", {pattern}, {number + 1}) END")
        found = Sql(pieces, ((old.expression, STRING), (old.expression, STRING)), STRING)
        if self.otherwise == "null":
            return When(old.expression, found)
        reason = f"the text does not match the pattern {self.pattern}"
        return When(old.expression, When(found, found, FAIL, policy(self.otherwise), reason))

    def _refuse_type(self, field: Field, path: Path) -> None:
        if field.type != STRING:
            raise MigrationError(
                f"{path_text(path)} is {type_text(field.type)}, and only a string can be split",
                hint=f'Say op.cast({path_text(path)!r}, "string") first.',
            )
