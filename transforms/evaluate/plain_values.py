"""Records that are Python values already: for the library, and for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from instar.formats.errors import DataError
from instar.formats.schema import Field, List, Map, Record, Union, type_text
from instar.transforms.casts import same
from instar.transforms.shared_types import resolved


class PlainValues:
    """`Values` of a records format whose raw values are Python values as `formats/schema.py` has them: dicts, lists, scalars.

    `named` is what References mean, on both sides. A union's value is (name of its branch, value).
    """

    def __init__(self, named: Mapping[str, Field] | None = None) -> None:
        self.named = named or {}

    def opener(self, field: Field) -> Callable[[Any], Any]:
        type = resolved(field.type, self.named)
        kind = list if isinstance(type, List) else dict

        def opened(raw: Any) -> Any:
            if raw is None or isinstance(raw, kind):
                return raw
            raise DataError(f"{raw!r} is no {type_text(field.type)}", hint="Repair the value where it is written.")

        if not isinstance(type, Record | List | Map):
            raise TypeError(f"a value of type {type_text(field.type)} has nothing to open")
        return opened

    def decoder(self, field: Field) -> Callable[[Any], Any]:
        return same

    def encoder(self, field: Field) -> Callable[[Any], Any]:
        return same

    def branch_opener(self, field: Field) -> Callable[[Any], Any]:
        type = resolved(field.type, self.named)
        assert isinstance(type, Union)
        numbers = {branch.name: i for i, branch in enumerate(type.branches)}

        def opened(raw: Any) -> tuple[int, Any] | None:
            if raw is None:
                return None
            if isinstance(raw, tuple) and len(raw) == 2 and raw[0] in numbers:
                return numbers[raw[0]], raw[1]
            raise DataError(
                f"{raw!r:.100} does not say of which branch it is", hint=f"Give (branch, value); branches are {', '.join(numbers)}."
            )

        return opened

    def branch_sealer(self, field: Field) -> Callable[[Any, int, Any], Any]:
        type = resolved(field.type, self.named)
        assert isinstance(type, Union)
        names = [branch.name for branch in type.branches]

        def sealed(opened: Any, number: int, new: Any) -> Any:
            unchanged = opened is not None and opened[0] == names[number] and opened[1] is new
            return opened if unchanged else (names[number], new)

        return sealed

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
