"""The laws, each as a function of a case that asserts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from typing import Any

import duckdb
from hypothesis import reject

from instar.formats.errors import DataError, SchemaError
from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
from instar.formats.schema import Field, List, Map, Record, Union, type_text
from instar.transforms.evaluate.nodes import parts
from instar.transforms.expression import FAIL, Branches, Cast, Column, Each, Expression, Literal, Source, Struct, When
from instar.transforms.mapping import Mapping, chain
from instar.transforms.recovered import NULLNESS, UNREGISTERED
from instar.transforms.shared_types import resolved
from tests.reference import Refused, Unheld, evaluate, misfit

from .carried import as_sql
from .cases import Case
from .interpreters import REFUSAL, Rows, by_arrow, by_chunks, by_format, by_record, by_sql, exactly, nulled

Interpreter = Callable[[Mapping, Rows], Any]


def conforms(case: Case) -> None:
    """(1) What comes out is of the mapping's target."""
    mapping = chain(case.schema, case.operations)
    new = by_record(mapping, case.rows)
    if new != REFUSAL:
        assert [why for row in new if (why := misfit(row, mapping.target.root, named=mapping.target.definitions))] == []


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


def agree_with_reference(case: Case) -> None:
    """(2) The records say what the reference says, also where keys may be missing or unknown and where types are named."""
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


def restores(case: Case, run: Interpreter = by_arrow) -> None:
    """(3) The way back restores the input, save what it declared lost."""
    mapping = chain(case.schema, case.operations)
    back, losses = mapping.inverse()
    assert type_text(back.target.root.type) == type_text(case.schema.root.type)
    new = run(mapping, case.rows)
    if new == REFUSAL:
        return
    old = run(_relaxed(back), new)
    assert old != REFUSAL, "the way back refuses what the way there made"
    same = _Same(case.schema.definitions, {(loss.path, loss.reason) for loss in losses})
    for row, again in zip(case.rows, old, strict=True):
        assert same.under(nulled(row, case.schema.root), again, case.schema.root), (row, again, losses)


def fuses(case: Case, run: Interpreter = by_arrow) -> None:
    """(4) Where the steps succeed one by one, the fused chain gives the same."""
    current: Any = list(case.rows)
    source = case.schema
    for operation in case.operations:
        step = chain(source, [operation])
        current, source = run(step, current), step.target
        if current == REFUSAL:
            return
    fused = chain(case.schema, case.operations)
    assert exactly(run(fused, case.rows)) == exactly(current), "fused differs from one by one"


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


def inherits(case: Case) -> None:
    """(8) What is computed from a field has its tags, and those of the records around it."""
    mapping = chain(case.schema, case.operations)
    _inherits(mapping.root, case.schema.root, frozenset())


def _inherits(column: Column, old: Field, around: frozenset[str]) -> None:
    tags, e = around | set(column.field.tags), column.expression
    if isinstance(e, Struct):
        for inner in e.columns:
            _inherits(inner, old, tags)
        return
    for source in _sources(e):
        field = old
        for name in source.path:
            assert isinstance(field.type, Record)
            field = field.type[name]
            assert tags.issuperset(field.tags), f"{column.field.name} has not the tags of {field.name}"
        if isinstance(e, Cast) and isinstance(field.type, List):
            assert tags.issuperset(field.type.item.tags), f"{column.field.name} has not the tags of an element of {field.name}"


def _sources(e: Expression) -> Iterator[Source]:
    if isinstance(e, Source):
        yield e
    for part in parts(e):
        yield from _sources(part)


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
            case Branches(of, bodies):
                return Branches(of, tuple(Column(body.field, walk(body.expression)) for body in bodies))
        return e

    return replace(mapping, root=Column(mapping.root.field, walk(mapping.root.expression)))


@dataclass(frozen=True)
class _Same:
    """Is a value what it was, but for what is lost? A record that lost its nullness may be anything where it was null."""

    named: Dict[str, Field]
    lost: set[tuple[Path, str]]

    def under(self, old: Any, new: Any, field: Field, path: Path = ()) -> bool:
        reasons = {reason for at, reason in self.lost if at == path}
        if reasons - {NULLNESS, UNREGISTERED} or (old is None and reasons):
            return True
        if old is None or new is None:
            return old is new
        match resolved(field.type, self.named):
            case Record(fields):
                return all(self.under(old[f.name], new[f.name], f, (*path, f.name)) for f in fields)
            case List(item):
                pairs = zip(old, new, strict=False)
                return len(old) == len(new) and all(self.under(a, b, item, (*path, EACH_ITEM)) for a, b in pairs)
            case Map(inner):
                return [*old] == [*new] and all(self.under(old[k], new[k], inner, (*path, EACH_VALUE)) for k in old)
            case Union(branches):
                branch = next(b for b in branches if b.name == old[0])
                return old[0] == new[0] and self.under(old[1], new[1], branch, (*path, Branch(branch.name)))
        return exactly(old) == exactly(new)
