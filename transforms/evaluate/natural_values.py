"""Records of natural Python values (`transforms/natural.py`), as fastavro, json and pyarrow give them: for streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instar.formats.errors import DataError
from instar.formats.path import quoted_name
from instar.formats.schema import Field, Int, Integer, List, Map, Record, Reference, Schema, Union, type_text
from instar.transforms.natural import checked, to_natural

from .natural_branches import branch_opener, branch_sealer


class NaturalValues:
    """`Values` of a records format whose raw values are natural Python values: dicts, lists, scalars, dates.

    What no expression reads is passed on as it is, unchecked. A record that is taken apart has every key that its schema
    requires; one that may be null may be missing, too, in formats whose records have no missing keys, and stays missing.
    """

    def __init__(self, source: Schema, target: Schema) -> None:
        self.source = source
        self.target = target

    def opener(self, field: Field) -> Callable[[Any], Any]:
        kind = list if isinstance(_meant(field, self.source).type, List) else dict

        def opened(raw: Any) -> Any:
            if raw is None or isinstance(raw, kind):
                return raw
            raise DataError(f"{raw!r:.100} is no {kind.__name__}", hint=f"A value of type {type_text(field.type):.100} is one.")

        return opened

    def decoder(self, field: Field) -> Callable[[Any], Any]:
        """Natural → Instar's own form. In JSON 1.0 is an integer, too."""
        field = _meant(field, self.source)
        check = checked(field, unknown=True)
        if isinstance(field.type, Record | List | Map):
            return _placed(check)
        if not self.source.open or not isinstance(field.type, Int | Integer):
            return check
        return lambda raw: check(int(raw) if raw.__class__ is float and raw.is_integer() else raw)

    def encoder(self, field: Field) -> Callable[[Any], Any]:
        return to_natural(_meant(field, self.target).type)

    def branch_opener(self, field: Field) -> Callable[[Any], Any]:
        type = _meant(field, self.source).type
        assert isinstance(type, Union)
        return branch_opener(type, self.source)

    def branch_sealer(self, field: Field) -> Callable[[Any, int, Any], Any]:
        type = _meant(field, self.target).type
        assert isinstance(type, Union)
        return branch_sealer(type)

    def recoder(self, source: Field, target: Field) -> Callable[[Any], Any] | None:
        return None

    def sealer(self, field: Field) -> Callable[[Any, Any], Any]:
        type = _meant(field, self.target).type
        if not isinstance(type, Record):
            return _new
        count, required = len(type.fields), [f.name for f in type.fields if not f.optional and (self.source.open or not f.nullable)]

        def sealed(_: Any, new: Any) -> Any:
            if new is not None and len(new) < count:
                _refuse_missing(new, required)
            return new

        return sealed


def _placed(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Errors say where inside the value they are: their path comes to be that of the field that is computed."""

    def decoded(raw: Any) -> Any:
        try:
            return check(raw)
        except DataError as error:
            inside = error.where.path if error.where else None
            raise DataError(f"at {inside}: {error.message}" if inside else error.message, hint=error.hint) from None

    return decoded


def _new(_: Any, new: Any) -> Any:
    return new


def _refuse_missing(record: dict[str, Any], required: list[str]) -> None:
    for name in required:
        if name not in record:
            raise DataError("the key is missing", hint="The schema requires it.").at(path=quoted_name(name))


def _meant(field: Field, schema: Schema) -> Field:
    """The field with the definition in the place of a reference."""
    if not isinstance(field.type, Reference) or field.type.name not in schema.definitions:
        return field
    return _meant(schema.definitions[field.type.name].with_(name=field.name, nullable=field.nullable), schema)
