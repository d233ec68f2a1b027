"""Records that are Python values already: for the library, and for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instar.formats.errors import DataError
from instar.formats.schema import Field, List, Map, Record, type_text
from instar.transforms.casts import same


class PlainValues:
    """`Values` of a records format whose raw values are Python values as `formats/schema.py` has them: dicts, lists, scalars."""

    def opener(self, field: Field) -> Callable[[Any], Any]:
        kind = list if isinstance(field.type, List) else dict

        def opened(raw: Any) -> Any:
            if raw is None or isinstance(raw, kind):
                return raw
            raise DataError(f"{raw!r} is no {type_text(field.type)}", hint="Repair the value where it is written.")

        if not isinstance(field.type, Record | List | Map):
            raise TypeError(f"a value of type {type_text(field.type)} has nothing to open")
        return opened

    def decoder(self, field: Field) -> Callable[[Any], Any]:
        return same

    def encoder(self, field: Field) -> Callable[[Any], Any]:
        return same

    def recoder(self, source: Field, target: Field) -> Callable[[Any], Any] | None:
        return None

    def sealer(self, field: Field) -> Callable[[Any, Any], Any]:
        return _sealed


def _sealed(opened: Any, new: Any) -> Any:
    """The old container itself where nothing in it changed."""
    if opened is None or new is None or len(opened) != len(new):
        return new
    if isinstance(new, list):
        return opened if all(a is b for a, b in zip(opened, new, strict=True)) else new
    return opened if all(name in opened and opened[name] is value for name, value in new.items()) else new
