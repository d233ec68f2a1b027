"""Expressions over records, one at a time: one generated Python function for each mapping.

Raw values are opened only on the way to something touched, decoded only where an expression reads them, and passed on as they are
otherwise (`Values` in `formats/format.py`). SQL is computed for a whole batch first (`record_sql.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instar.formats.errors import DataError, InstarError, Where
from instar.formats.format import Values
from instar.formats.path import path_text
from instar.formats.schema import MISSING
from instar.transforms.expression import Cast, Lookup, Source, Struct
from instar.transforms.mapping import Mapping

from .arrow import cast_refused, null_refused
from .lookup import lookup_refused
from .plain_values import PlainValues
from .record_code import Code
from .record_sql import Computed, compile_sql
from .sql import verify_types

__all__ = ["PlainValues", "compile_records"]


def compile_records(mapping: Mapping, values: Values) -> Callable[[list[Any]], list[Any]]:
    """The mapping as a function of lists of raw records.

    Raises:
        MigrationError: SQL whose type is not the declared one. The function raises DataError: a value that is not of its type or
        that a cast refuses, a null where none may be, a key that no schema names where a new field would stand, SQL that
        fails; `where.row` is the record's number in the list.
    """
    verify_types(mapping)
    root = mapping.root.expression
    if isinstance(root, Source):  # data that are not records have no fields that an operation could name: they are only carried
        return list
    assert isinstance(root, Struct)
    code = Code(values, mapping.source, mapping.target.definitions)
    out = code.root(mapping.root)
    convert = _function(code, out)
    opened, compute = values.opener(mapping.source.root), compile_sql(root, mapping.source, values)

    def converted(records: list[Any]) -> list[Any]:
        if compute is None:
            return convert(records, None)
        containers = _opened(records, opened)
        return convert(containers, compute(containers))

    return converted


def _opened(records: list[Any], opened: Callable[[Any], Any]) -> list[Any]:
    out = []
    for row, record in enumerate(records):
        try:
            out.append(opened(record))
        except DataError as error:
            raise error.at(row=row) from error.__cause__
    return out


def _function(code: Code, out: str) -> Callable[[list[Any], Computed | None], list[Any]]:
    """The generated statements as the body of a loop over the records."""
    body = "\n".join("            " + line for line in code.lines)
    text = (
        "def convert(records, computed):\n"
        f"{code.prologue()}"
        "    out = []\n"
        "    i = -1\n"
        "    path = ''\n"
        "    try:\n"
        "        for i, record in enumerate(records):\n"
        f"{body}\n"
        f"            out.append({out})\n"
        "    except DataError as error:\n"
        "        raise located(error, i, path) from error.__cause__\n"
        "    return out\n"
    )
    scope: dict[str, Any] = {
        **code.constants,
        "M": MISSING,
        "DataError": DataError,
        "located": located,
        "refuse_cast": refuse_cast,
        "refuse_lookup": refuse_lookup,
        "refuse_null": refuse_null,
        "refuse_key": refuse_key,
    }
    exec(compile(text, "<mapping>", "exec"), scope)
    return scope["convert"]


# ---- refusals
def located(error: InstarError, row: int, path: str) -> InstarError:
    """The error at its record and the target path that was being computed; a path that ends in a dot is of a container."""
    known = error.where or Where()
    if path.endswith("."):
        inner = known.path or ""
        path = path.removesuffix(".") + ("." if inner and path != "." and inner[0] not in "[{" else "") + inner
    return type(error)(error.message, hint=error.hint, where=replace(known, row=row, path=path or known.path))


def refuse_cast(value: Any, e: Cast) -> Any:
    message, hint = cast_refused(value, e)
    raise DataError(message, hint=hint)


def refuse_lookup(value: Any, e: Lookup) -> Any:
    message, hint = lookup_refused(value, e)
    raise DataError(message, hint=hint)


def refuse_null() -> Any:
    message, hint = null_refused(0)
    raise DataError(message, hint=hint)


def refuse_key(container: dict[str, Any], known: frozenset[str], new: frozenset[str]) -> Any:
    """A key that no schema names has the name of a field that the migration makes."""
    names = [key for key in container if key in new and key not in known]
    raise DataError(
        f"the record has the key {path_text((names[0],))}, which no schema names, where a new field of that name would stand",
        hint="Choose another name for the new field, or register the key in the schema first (and then move or drop it). "
        'op.add(…, existing="replace") lets its values go.',
    )
