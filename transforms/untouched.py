"""What a mapping leaves alone, and what it needs: read off its tree."""

from __future__ import annotations

from collections.abc import Iterator

from instar.formats.path import EACH_ITEM, EACH_VALUE, Path
from instar.formats.schema import Field, List, Map, Record, Schema, Union

from .expression import Branches, Call, Cast, Column, Each, Expression, Literal, Lookup, Part, Source, Sql, Struct, When
from .shared_types import Named, field_at, places, resolved, steps
from .tree import carried_from, scopes

Level = tuple[str, Path]
"""("?", source place) for something that may be null or missing, ("*", source place) for a list or map."""


def untouched(source: Schema, root: Column) -> dict[Path, Path]:
    """Target leaf → source leaf with the same value under the same levels.

    Parquet stores the nullable records and lists above a leaf with it (definition and repetition levels), so a leaf that comes
    out of a nullable record, or whose own nullability changes, is not untouched although its values are.
    """
    before = {path: levels for path, _, levels in _source_leaves(source.root, (), ())}
    after = _target_leaves(root, (), (), ())
    return {target: origin for target, origin, levels in after if origin is not None and before.get(origin) == levels}


def leaves(root: Field) -> tuple[Path, ...]:
    """The places of all leaves, in order: what is neither record, list nor map."""
    return tuple(path for path, _, _ in _source_leaves(root, (), ()))


def _source_leaves(field: Field, at: Path, levels: tuple[Level, ...]) -> Iterator[tuple[Path, Path, tuple[Level, ...]]]:
    levels += _levels(field, at)
    if isinstance(field.type, Record | List | Map):
        for step, inner in steps(field):
            yield from _source_leaves(inner, (*at, step), levels)
    else:
        yield at, at, levels


def _target_leaves(
    column: Column, target: Path, scope: Path, levels: tuple[Level, ...]
) -> Iterator[tuple[Path, Path | None, tuple[Level, ...]]]:
    """Each target leaf, the source leaf it is the bare Source of, and the levels above, as source places.

    `scope` is the source place of the nearest Each's element.
    """
    field = column.field
    match column.expression:
        case Source(path):
            origin = scope + path
            for place, _, below in _source_leaves(field, (), ()):
                yield target + place, origin + place, levels + tuple((kind, origin + at) for kind, at in below)
        case Struct(columns, None):
            above = (*levels, ("?", ("",))) if field.nullable or field.optional else levels
            for c in columns:
                yield from _target_leaves(c, (*target, c.field.name), scope, above)
        case Struct(columns, Source(path)):
            for c in columns:
                yield from _target_leaves(c, (*target, c.field.name), scope, levels + _levels(field, scope + path))
        case Each(Source(path), body, kind):
            element = EACH_ITEM if kind == "list" else EACH_VALUE
            above = levels + _levels(field, scope + path)
            yield from _target_leaves(body, (*target, element), (*scope, *path, element), above)
        case _:
            yield target, None, levels


def _levels(field: Field, at: Path) -> tuple[Level, ...]:
    absent = (("?", at),) if field.nullable or field.optional else ()
    return (*absent, ("*", at)) if isinstance(field.type, List | Map) else absent


def carried(source: Schema, root: Column) -> dict[Path, Path]:
    """Target place → source place for every leaf or nested place (not the root) whose value is only carried.

    A value that was required, filled or guarded is carried, too: it is the same place, and keeps its storage and field id.
    """
    return {target: origin for target, origin in _carried(root, (), ()) if target and field_at(source, origin) is not None}


def _carried(column: Column, target: Path, scope: Path) -> Iterator[tuple[Path, Path]]:
    e = column.expression
    while isinstance(e, When):
        e = e.then
    match e:
        case Source(path):
            yield from ((target + place, scope + path + place) for place, _ in places(column.field))
        case Struct(columns, of):
            if isinstance(of, Source):
                yield target, scope + of.path
            for c in columns:
                yield from _carried(c, (*target, c.field.name), scope)
        case Each(of) | Branches(of):
            if source := carried_from(of):
                yield target, scope + source.path
                for old, new, body in scopes(e):
                    yield from _carried(body, (*target, new), (*scope, *source.path, old))
        case _:
            return


def keeps_values(column: Column, at: tuple[str, ...] = ()) -> bool:
    """Is every value the source's own, at the same place? Nulls may be required or filled, and fields stand in another order."""
    e = column.expression
    while isinstance(e, When):
        e = e.then
    match e:
        case Source(path):
            return path == at
        case Struct(columns, Source(path)):
            return path == at and all(keeps_values(c, (*at, c.field.name)) for c in columns)
        case Each(Source(path), body):
            return path == at and keeps_values(body)
        case Branches(Source(path), bodies):
            return path == at and all(map(keeps_values, bodies))
        case _:
            return False


def reads(source: Schema, root: Column) -> tuple[str, ...]:
    """The top-level names that some expression of the outermost scope needs, in the source's order."""
    names: set[str] = set()
    seen: set[int] = set()

    def visit(e: Expression) -> None:
        if id(e) in seen:
            return
        seen.add(id(e))
        match e:
            case Source(path):
                names.update(path[:1])
            case Cast(of) | Lookup(of) | Each(of) | Branches(of) | Part(of):
                visit(of)
            case Sql(_, inputs) | Call(_, inputs):
                for x, _ in inputs:
                    visit(x)
            case When(of, then, otherwise):
                visit(of)
                visit(then)
                if isinstance(otherwise, Literal):
                    visit(otherwise)
            case Struct(columns, of):
                if of is not None:
                    visit(of)
                for c in columns:
                    visit(c.expression)
            case _:
                return

    visit(root.expression)
    return tuple(f.name for f in source.root.type.fields if f.name in names) if isinstance(source.root.type, Record) else ()


def is_identity(source: Schema, root: Column) -> bool:
    """Is every place the source's own, in the same order, as nullable and as optional?"""
    return _same(root, source.root, (), source.definitions)


def _same(column: Column, old: Field, at: tuple[str, ...], named: Named) -> bool:
    new = column.field
    if (new.name, new.nullable, new.optional) != (old.name, old.nullable, old.optional):
        return False
    match column.expression, resolved(old.type, named):
        case Source(path), _:
            return path == at
        case Struct(columns, Source(path)), Record(fields):
            pairs = zip(columns, fields, strict=False)
            return path == at and len(columns) == len(fields) and all(_same(c, f, (*at, f.name), named) for c, f in pairs)
        case Each(Source(path), body), List(item) | Map(item):
            return path == at and _same(body, item, (), named)
        case Branches(Source(path), bodies), Union(branches):
            return path == at and all(_same(body, b, (), named) for body, b in zip(bodies, branches, strict=True))
        case _:
            return False
