"""Expressions over records, one at a time: one generated Python function for each mapping.

Raw values are opened only on the way to something touched, decoded only where an expression reads them, and passed on as they are
otherwise (`Values` in `formats/format.py`). SQL is computed for a whole batch first (`record_sql.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from instar.formats.errors import Collected, DataError, Where
from instar.formats.path import path_text
from instar.formats.schema import MISSING
from instar.formats.values import Values
from instar.transforms.expression import Cast, Lookup, Policy, Source, Struct
from instar.transforms.mapping import Mapping

from .hidden import Hidden
from .plain_values import PlainValues
from .record_code import Code
from .record_sql import Computed, compile_sql
from .refusals import LeaveOut, by_row, cast_refused, lookup_refused, null_refused
from .sql import verify_types

__all__ = ["PlainValues", "compile_fields", "compile_records", "looped", "raising"]


def compile_records(mapping: Mapping, values: Values, refused: LeaveOut | None = None) -> Callable[[list[Any]], list[Any]]:
    """The mapping as a function of lists of raw records.

    `refused` is told of each record that cannot be converted, with `where.row`, and raises where that ends the work; else the
    record is left out of the result.

    Raises:
        MigrationError: SQL whose type is not the declared one. The function raises DataError: a value that is not of its type or
        that a cast refuses, a null where none may be, a key that no schema names where a new field would stand, SQL that
        fails; `where.row` is the record's number in the list. What it says of fields tagged `pii` has no values.
    """
    verify_types(mapping)
    root = mapping.root.expression
    if isinstance(root, Source):  # data that are not records have no fields that an operation could name: they are only carried
        return list
    assert isinstance(root, Struct)
    code = Code(values, mapping.source, mapping.target.definitions)
    out = code.root(mapping.root)
    convert = looped(code, out)
    opened, compute = _record_opener(mapping, values), compile_sql(root, mapping.source, values, every=refused is not None)
    hidden = Hidden(mapping)

    def converted(records: list[Any]) -> list[Any]:
        try:
            if compute is None:
                return convert(records, None, raising)
            containers = _opened(records, opened)
            return convert(containers, compute(containers), raising)
        except DataError as error:
            hidden.raised(error)

    def apart(records: list[Any]) -> list[Any]:
        found: dict[int, DataError] = {}
        made = _apart(records, convert, opened, compute, found)
        for row in sorted(found):
            assert refused is not None
            refused(hidden.error(found[row]))
        return made

    return converted if refused is None else apart


def compile_fields(mapping: Mapping, values: Values) -> Callable[[list[dict[str, Any]]], list[tuple[Any, ...]]]:
    """The mapping as a function of lists of opened records, which gives each one's fields as raw values, unsealed.

    The records need no more keys than the mapping reads. An absent key counts as missing.

    Raises:
        MigrationError, and from the function DataError: as `compile_records`, but for keys that no schema names.
    """
    verify_types(mapping)
    code = Code(values, mapping.source, mapping.target.definitions)
    out = code.fields(mapping.root)
    convert, hidden = looped(code, out), Hidden(mapping)
    assert isinstance(mapping.root.expression, Struct)
    compute = compile_sql(mapping.root.expression, mapping.source, values, every=False)

    def converted(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        try:
            return convert(records, None if compute is None else compute(records), raising)
        except DataError as error:
            hidden.raised(error)

    return converted


def raising(error: DataError) -> None:
    raise error from error.__cause__


def _record_opener(mapping: Mapping, values: Values) -> Callable[[Any], Any]:
    opener = values.opener(mapping.source.root)

    def opened(record: Any) -> Any:
        container = opener(record)
        return refuse_record() if container is None else container

    return opened


def _opened(records: list[Any], opened: Callable[[Any], Any]) -> list[Any]:
    out = []
    for row, record in enumerate(records):
        try:
            out.append(opened(record))
        except DataError as error:
            raise error.at(row=row) from error.__cause__
    return out


def _apart(
    records: list[Any],
    convert: Callable[[list[Any], Computed | None, LeaveOut], list[Any]],
    opened: Callable[[Any], Any],
    compute: Callable[[list[Any]], Computed] | None,
    found: dict[int, DataError],
) -> list[Any]:
    """The records that can be converted, converted; `found` gets why the others cannot, by number."""
    if compute is None:
        return convert(records, None, lambda error: _note(found, error, None))
    kept, containers = list[int](), list[Any]()
    for row, record in enumerate(records):
        try:
            containers.append(opened(record))
            kept.append(row)
        except DataError as error:
            found[row] = error.at(row=row)  # type: ignore[assignment]
    while True:
        try:
            computed = compute(containers)
            break
        except (DataError, Collected) as error:
            wrong = by_row(error)
        for each in wrong.values():
            _note(found, each, kept)
        containers = [record for i, record in enumerate(containers) if i not in wrong]
        kept = [row for i, row in enumerate(kept) if i not in wrong]
    return convert(containers, computed, lambda error: _note(found, error, kept))


def _note(found: dict[int, DataError], error: DataError, kept: list[int] | None) -> None:
    """`kept`: the numbers in the batch of the records that the error counts."""
    where = error.where or Where()
    assert where.row is not None
    row = where.row if kept is None else kept[where.row]
    found[row] = error.placed(replace(where, row=row))  # type: ignore[assignment]


def looped(code: Code, out: str) -> Callable[[list[Any], Computed | None, LeaveOut], list[Any]]:
    """The generated statements as the body of a loop over the records; a record with an error is left out, if that is agreed to."""
    body = "\n".join("            " + line for line in code.lines)
    text = (
        "def convert(records, computed, refused):\n"
        f"{code.prologue()}"
        "    out = []\n"
        "    i = -1\n"
        "    path = ''\n"
        "    for i, record in enumerate(records):\n"
        "        try:\n"
        f"{body}\n"
        f"            out.append({out})\n"
        "        except DataError as error:\n"
        "            refused(located(error, i, path))\n"
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
        "refuse_record": refuse_record,
    }
    exec(compile(text, "<mapping>", "exec"), scope)
    return scope["convert"]


# ---- refusals
def located(error: DataError, row: int, path: str) -> DataError:
    """The error at its record and the target path that was being computed; a path that ends in a dot is of a container."""
    known = error.where or Where()
    if path.endswith("."):
        inner = known.path or ""
        path = path.removesuffix(".") + ("." if inner and path != "." and inner[0] not in "[{" else "") + inner
    placed = error.placed(replace(known, row=row, path=path or known.path))
    placed.__cause__ = error.__cause__
    return placed  # type: ignore[return-value]


def refuse_cast(value: Any, e: Cast) -> Any:
    raise cast_refused(value, e).error(e.policy)


def refuse_lookup(value: Any, e: Lookup) -> Any:
    raise lookup_refused(value, e).error(e.policy)


def refuse_null(policy: Policy, reason: str) -> Any:
    raise null_refused(reason).error(policy)


def refuse_record() -> Any:
    raise DataError("null where a record is required", hint="Correct the file.", where=Where(found="null"))


def refuse_key(container: dict[str, Any], known: frozenset[str], new: frozenset[str]) -> Any:
    """A key that no schema names has the name of a field that the migration makes."""
    names = [key for key in container if key in new and key not in known]
    raise DataError(
        f"the record has the key {path_text((names[0],))}, which no schema names, where a new field of that name would stand",
        hint="Choose another name for the new field, or register the key in the schema first (and then move or drop it). "
        'op.add(…, existing="replace") lets its values go.',
    )
