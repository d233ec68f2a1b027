"""Fields whose values are not to be shown, in messages, reports and quarantine: those that are tagged `pii`.

A target field is one where it, a field around it or one inside it is tagged, in the old schema or in the new, or where a tagged
field is among what it is computed from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn, cast

from instar.formats.errors import DataError, InstarError, SchemaError, Where
from instar.formats.path import Path, parse_path
from instar.formats.pii import PII, Told, each_told, without_values
from instar.formats.schema import Field, Reference, Schema, Type
from instar.transforms.expression import Column, Struct, When
from instar.transforms.mapping import Mapping
from instar.transforms.shared_types import expanded, places, steps
from instar.transforms.touched import sources_of


@dataclass(frozen=True)
class Hidden:
    """What a mapping's schemas say is not to be shown."""

    mapping: Mapping

    @cached_property
    def any(self) -> bool:
        """Is any field tagged?"""
        return any(_tagged(root) for root in self._roots)

    @cached_property
    def _roots(self) -> tuple[Field, Field]:
        """The two schemas, source first, named types written out."""
        return _written_out(self.mapping.source), _written_out(self.mapping.target)

    @cached_property
    def sources(self) -> frozenset[Path]:
        """The source places whose values are not to be shown: tagged themselves, or what a tagged target field is computed from."""
        source, target = self._roots
        found = {place for place, field in places(source) if PII in field.tags}
        for place, field in places(target):
            if PII in field.tags:
                found |= sources_of(_column(self.mapping.root, place).expression)
        return frozenset(found)

    def at(self, path: str | None) -> bool:
        """Are the values at a target path (as messages have it) not to be shown? What is of no known place may be of any."""
        if not self.any:
            return False
        try:
            place = parse_path(path) if path else ()
        except SchemaError:
            return True
        return self.place(place)

    def place(self, place: Path) -> bool:
        """As `at`, of a parsed path."""
        source, target = self._roots
        reads = sources_of(_column(self.mapping.root, place).expression)
        return _on_the_way(target, place) or _on_the_way(source, place) or any(_on_the_way(source, path) for path in reads)

    def error(self, error: Told) -> Told:
        """The error, without any value where its field's are not to be shown. (That of a whole file may quote any field.)"""
        return cast(Told, each_told(error, self._told))

    def _told(self, error: InstarError) -> InstarError:
        where = error.where if error.where and isinstance(error, DataError) else Where()
        return without_values(error) if self.at(where.path) else error

    def raised(self, error: InstarError, placed: Callable[[InstarError], InstarError] = lambda error: error) -> NoReturn:
        """Raise the error as it may be told, `placed`. Where values are left out of it, what caused it is, too: it has them.

        Raises:
            InstarError: always.
        """
        told = self.error(error)
        raise placed(told) from (error.__cause__ if told is error else None)


def _written_out(schema: Schema) -> Field:
    """The root with the meaning of every named type in its place; a type that contains itself has the tags of all named types."""
    named = schema.definitions
    inside = tuple(tag for field in named.values() for _, f in places(field) for tag in f.tags)

    def tagged(field: Field) -> Field:
        return field.with_(tags=(*field.tags, *inside)) if _recursive(field.type) else field

    return tagged(schema.root.with_(type=expanded(schema.root.type, named)))


def _recursive(type: Type) -> bool:
    return any(isinstance(f.type, Reference) for _, f in places(Field("", type)))


def _tagged(field: Field) -> bool:
    """Is it tagged, or one inside it?"""
    return any(PII in f.tags for _, f in places(field))


def _on_the_way(root: Field, place: Path) -> bool:
    """Is the field at a place tagged, one around it or one inside it? No, where there is no such place."""
    field = root
    for step in place:
        if PII in field.tags:
            return True
        found = next((inner for name, inner in steps(field) if name == step), None)
        if found is None:
            return False
        field = found
    return _tagged(field)


def _column(root: Column, place: Path) -> Column:
    """The column at a target place, as far as records lead there."""
    column = root
    for step in place:
        e = column.expression
        while isinstance(e, When):
            e = e.then
        found = next((c for c in e.columns if c.field.name == step), None) if isinstance(e, Struct) else None
        if found is None:
            break
        column = found
    return column
