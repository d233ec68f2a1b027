"""cast: a field's values in another type."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path, path_text
from instar.formats.schema import MISSING, Timestamp, Type, type_text
from instar.formats.typetext import parse_field_type
from instar.transforms import expression
from instar.transforms.casts import check, rounding
from instar.transforms.casts.ways import InZone
from instar.transforms.expression import Column, Expression
from instar.transforms.mapping import Mapping

from .on_error import OnError, failing, policy, refuse_on_error


@dataclass(frozen=True)
class Cast:
    """Every value at `path` as type `to`, by the cast table: a cast that succeeds can be undone.

    A value that cannot be cast fails the run, or as `on_error` says: with "null" it becomes null, which is lossy and makes the
    field nullable; with "quarantine" its record is left out; with "fail" the run fails whatever it says itself. Null stays null.
    `path` may also end in [] or {}.

    `zone` says of which time zone ("Europe/Paris") the wall times of a timestamp without a zone are, or are to be: only so does a
    timestamp gain or lose its zone. Wall times that the zone skips, or shows twice, are refused, both ways, so the way back is
    exact. From one zone to another no value changes.

    `rounding` asks for fewer places, which no cast takes away otherwise: "truncate" (towards zero; times towards the past),
    "half_even" or "half_up" (to the nearest; of two, the even one, or the one further from zero; of times the later). It is for
    decimals to fewer places or to integers, floats to integers, times to coarser units, wall times to dates. What was rounded
    away is lost, so the way back is lossy; a result that is out of range still fails.
    """

    path: str
    to: str | Type
    _: KW_ONLY
    on_error: OnError | None = None
    zone: str | None = None
    rounding: rounding.Mode | None = None

    def __post_init__(self) -> None:
        parse_path(self.path)
        self._type()
        refuse_on_error(self.on_error)
        if self.rounding not in (None, *rounding.MODES):
            raise MigrationError(f"rounding is {self.rounding!r}", hint=f"It is one of {', '.join(map(repr, rounding.MODES))}.")
        if self.zone is not None:
            InZone(self.zone)

    def _type(self) -> Type:
        if not isinstance(self.to, str):
            return self.to
        field = parse_field_type(self.to)
        if field.nullable:
            raise MigrationError(
                f"{self.to!r} ends in '?': a cast changes the type, not whether the field may be null",
                hint=f"Say {self.to.rstrip().removesuffix('?')!r}, and op.allow_null({self.path!r}) where nulls are to come.",
            )
        return field.type

    def edit(self, mapping: Mapping) -> Mapping:
        to = self._type()

        def change(column: Column) -> Column:
            field = column.field
            if field.type == to:
                raise MigrationError(f"{path_text(path)} is {type_text(to)} already", hint="Leave this operation out.")
            changed = field.with_(type=to, nullable=field.nullable or self.on_error == "null", default=MISSING)
            return Column(changed, self._cast(column.expression, field.type, to))

        path = parse_path(self.path)
        return mapping.edit(path, change)

    def _cast(self, e: Expression, source: Type, to: Type) -> Expression:
        """By the table, or in the ways that were said: a zone once the unit is the target's."""
        if self.zone is not None:
            e, source = self._in_zone(e, source, to)
            if source == to:
                return e
        if self.rounding is None:
            check(source, to)
            return expression.Cast(e, source, to, failing(self.on_error), policy=policy(self.on_error))
        if not rounding.possible(source, to):
            raise MigrationError(
                f"there is nothing to round from {type_text(source)} to {type_text(to)}",
                hint="Leave rounding out, or cast in two steps: rounding is for fewer places of the same kind, or a whole number.",
            )
        return expression.Cast(e, source, to, failing(self.on_error), rounding.Rounded(self.rounding), policy(self.on_error))

    def _in_zone(self, e: Expression, source: Type, to: Type) -> tuple[Expression, Type]:
        assert self.zone is not None
        if not isinstance(source, Timestamp) or not isinstance(to, Timestamp) or bool(source.zone) == bool(to.zone):
            raise MigrationError(
                f"zone says nothing about a cast from {type_text(source)} to {type_text(to)}",
                hint="It is for timestamps that gain or lose their zone; leave it out.",
            )
        moved = Timestamp(source.unit, to.zone)
        return expression.Cast(e, source, moved, failing(self.on_error), InZone(self.zone), policy(self.on_error)), moved
