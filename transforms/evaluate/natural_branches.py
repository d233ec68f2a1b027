"""Which branch of a union a natural Python value is of: as it says itself, in fastavro's two ways, else as it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from instar.formats.errors import DataError
from instar.formats.schema import Field, Schema, Union
from instar.transforms.natural import checked
from instar.transforms.shared_types import Expansion

TYPE = "-type"
"""The key by which a dict tells fastavro of which record it is."""


def branch_opener(union: Union, schema: Schema) -> Callable[[Any], Any]:
    """value → (number of the branch, value of that), or None.

    A value says it by `(name, value)` or by the key "-type". Else it is of the one branch that it fits.
    """
    names = {branch.name: i for i, branch in enumerate(union.branches)}
    expansion = Expansion(schema.definitions)
    fits = [_fits(branch.with_(type=expansion.type(branch.type)), schema.open) for branch in union.branches]
    judge = _by_text(union, schema.definitions) if schema.open else None

    def opened(value: Any) -> tuple[int, Any] | None:
        if value is None:
            return None
        if isinstance(value, tuple) and len(value) == 2 and value[0] in names:
            return names[value[0]], value[1]
        if isinstance(value, dict) and value.get(TYPE) in names:
            return names[value[TYPE]], value
        if judge is not None:
            return judge(value), value
        found = [i for i, fit in enumerate(fits) if fit(value)]
        if len(found) == 1:
            return found[0], value
        which = [f"<{union.branches[i].name}>" for i in (found or range(len(fits)))]
        raise DataError(
            f"{value!r:.100} {'may be any' if found else 'is none'} of {', '.join(which)}",
            hint=f"Say of which branch it is: ({union.branches[found[0] if found else 0].name!r}, value).",
        )

    return opened


def branch_sealer(union: Union) -> Callable[[Any, int, Any], Any]:
    """(the value that was opened, number of the branch, its new value) → new value; a pair stays one."""
    names = [branch.name for branch in union.branches]
    return lambda old, number, new: (names[number], new) if isinstance(old, tuple) else new


def _fits(branch: Field, open: bool) -> Callable[[Any], bool]:
    check = checked(branch, unknown=open)

    def fits(value: Any) -> bool:
        try:
            check(value)
        except DataError:
            return False
        return True

    return fits


def _by_text(union: Union, named: Mapping[str, Field]) -> Callable[[Any], int]:
    """As a JSON file's values are told apart."""
    import msgspec

    from instar.formats.json.branches import Branches

    branches, encode = Branches(union.branches, named), msgspec.json.Encoder().encode
    return lambda value: branches.of(encode(value))
