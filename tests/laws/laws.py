"""The laws, each as a function of a case that asserts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb
from hypothesis import reject

from instar.formats.errors import DataError, SchemaError
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import Field, List, Map, Record, type_text
from instar.transforms.expression import FAIL, Column, Each, Expression, Literal, Struct, When
from instar.transforms.mapping import Mapping, chain
from instar.transforms.recovered import NULLNESS, UNREGISTERED
from tests.reference import Refused, Unheld, evaluate, misfit

from .carried import as_sql
from .cases import Case
from .interpreters import REFUSAL, by_arrow, by_chunks, by_format, by_record, by_sql, exactly, nulled


def conforms(case: Case) -> None:
    """(1) What comes out is of the mapping's target."""
    mapping = chain(case.schema, case.operations)
    new = by_record(mapping, case.rows)
    if new != REFUSAL:
        assert [why for row in new if (why := misfit(row, mapping.target.root))] == []


def agree(case: Case) -> None:
    """(2) The interpreters give the same, refusals included."""
    mapping = chain(case.schema, case.operations)
    new = exactly(by_record(mapping, case.rows))
    assert exactly(by_arrow(mapping, case.rows)) == new, "Arrow differs from the records"
    if new != REFUSAL:
        new = exactly([as_sql(row, mapping.target.root) for row in by_record(mapping, case.rows)])
    assert exactly(by_sql(mapping, case.rows)) == new, "DuckDB differs from the records"


def agree_raw(case: Case, name: str) -> None:
    """(2) So does a format's raw path."""
    mapping = chain(case.schema, case.operations)
    try:
        raw = exactly(by_format(name)(mapping, case.rows))
    except SchemaError:
        reject()  # an operation brought a type that the format has not
    new = exactly(by_record(mapping, case.rows))
    assert raw == new, f"{name} differs from the records"


def agree_missing(case: Case) -> None:
    """(2) Where keys may be missing or unknown, the records say what the reference says."""
    mapping = chain(case.schema, case.operations)
    new = by_record(mapping, case.rows)
    try:
        expected: Any = [evaluate(mapping, row) for row in case.rows]
    except Refused:
        expected = REFUSAL
    except Unheld:
        reject()
    except (duckdb.TypeMismatchException, duckdb.ConversionException, duckdb.InvalidInputException):
        reject()  # the reference binds its SQL's inputs as parameters, and DuckDB takes no maps so
    assert exactly(new) == exactly(expected)


def restores(case: Case) -> None:
    """(3) The way back restores the input, save what it declared lost."""
    mapping = chain(case.schema, case.operations)
    back, losses = mapping.inverse()
    assert type_text(back.target.root.type) == type_text(case.schema.root.type)
    new = by_arrow(mapping, case.rows)
    if new == REFUSAL:
        return
    old = by_arrow(_relaxed(back), new)
    assert old != REFUSAL, "the way back refuses what the way there made"
    lost = {(loss.path, loss.reason) for loss in losses}
    for row, again in zip(case.rows, old, strict=True):
        assert _same(nulled(row, case.schema.root), again, case.schema.root, (), lost), (row, again, losses)


def fuses(case: Case) -> None:
    """(4) Where the steps succeed one by one, the fused chain gives the same."""
    current: Any = list(case.rows)
    source = case.schema
    for operation in case.operations:
        step = chain(source, [operation])
        current, source = by_arrow(step, current), step.target
        if current == REFUSAL:
            return
    fused = chain(case.schema, case.operations)
    assert exactly(by_arrow(fused, case.rows)) == exactly(current), "fused differs from one by one"


def stays_put(case: Case) -> None:
    """(5) A leaf that is called untouched has the very bytes in Parquet, before and after."""
    mapping = chain(case.schema, case.operations)
    try:
        before, after = by_chunks(mapping, case.rows)
    except DataError:
        return
    for target, source in mapping.untouched().items():
        assert after[target] == before[source], f"{path_text(target)} is called untouched, but its bytes differ"


def stays(case: Case) -> None:
    """(6) What is at its version is left alone: the identity gives the very containers back."""
    mapping = chain(case.schema, ())
    rows = [nulled(row, case.schema.root) for row in case.rows]
    new = by_record(mapping, rows)
    assert mapping.is_identity()
    assert all(a is b for a, b in zip(new, rows, strict=True))


def keeps(case: Case) -> None:
    """(7) Moves that were not told to lose anything lose nothing, keys that no schema names included."""
    mapping = chain(case.schema, case.operations)
    for row in case.rows:
        try:
            new = evaluate(mapping, row)
        except Refused:
            continue
        assert Counter(_scalars(new)) == Counter(_scalars(row)), (row, new)


def _scalars(value: Any) -> Iterator[str]:
    """What a record holds, wherever it stands; records are but places, and so are nulls."""
    match value:
        case None:
            return
        case dict():
            for inner in value.values():
                yield from _scalars(inner)
        case list():
            yield f"a list of {len(value)}"
            for inner in value:
                yield from _scalars(inner)
        case _:
            yield repr(value)


def _relaxed(mapping: Mapping) -> Mapping:
    """Lost required fields as nulls rather than errors, so that the rest can be compared."""

    def walk(e: Expression) -> Expression:
        match e:
            case When(_, Literal(None), otherwise) if otherwise == FAIL:
                return e.then
            case When(of, then, otherwise):
                kept = walk(then)
                return When(kept if of is then else walk(of), kept, "null" if otherwise == FAIL else otherwise)
            case Struct(columns, of, known):
                return Struct(tuple(Column(c.field, walk(c.expression)) for c in columns), of, known)
            case Each(of, body, kind):
                return Each(of, Column(body.field, walk(body.expression)), kind)
        return e

    return Mapping(mapping.source, Column(mapping.root.field, walk(mapping.root.expression)))


def _same(old: Any, new: Any, field: Field, path: Path, lost: set[tuple[Path, str]]) -> bool:
    """Is `new` what `old` was, but for what is lost? A record that lost its nullness may be anything where it was null."""
    reasons = {reason for at, reason in lost if at == path}
    if reasons - {NULLNESS, UNREGISTERED} or (old is None and reasons):
        return True
    if old is None or new is None:
        return old is new
    match field.type:
        case Record(fields):
            return all(_same(old[f.name], new[f.name], f, (*path, f.name), lost) for f in fields)
        case List(item):
            pairs = zip(old, new, strict=False)
            return len(old) == len(new) and all(_same(a, b, item, (*path, EACH_ITEM), lost) for a, b in pairs)
        case Map(inner):
            return [*old] == [*new] and all(_same(old[k], new[k], inner, (*path, EACH_VALUE), lost) for k in old)
    return exactly(old) == exactly(new)
