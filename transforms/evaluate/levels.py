"""A mapping taken apart at every depth, for formats that find the members of a record in its bytes.

A record of the target that is made from one of the source alone is opened; so are lists and maps, element by element. What is not
so simple is computed by generated code, over the raw values that it reads and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from instar.formats.levels import Compute, Computed, Elements, Fixed, Kept, Level, Opened
from instar.formats.schema import MISSING, Field, List, Map, Record, Type
from instar.formats.values import Values
from instar.transforms.apart import only
from instar.transforms.expression import (
    NULL,
    Branches,
    Call,
    Cast,
    Column,
    Each,
    Expression,
    Literal,
    Lookup,
    Source,
    Sql,
    Struct,
    When,
)
from instar.transforms.mapping import Mapping
from instar.transforms.shared_types import resolved

from .nodes import everything, parts, sql_nodes
from .record import compile_fields, looped, raising
from .record_code import Code
from .record_scope import Scope

Names = tuple[str, ...]


def levels(mapping: Mapping, values: Values) -> Level | None:
    """The mapping's records, level by level; None where they are none with fields, or new ones.

    Raises:
        MigrationError: SQL whose type is not the declared one.
    """
    root = mapping.root.expression
    if not isinstance(root, Struct) or not isinstance(root.of, Source) or root.of.path or not _contained(root, ()):
        return None
    scope = Scope("record", mapping.source.root, mapping.source.definitions, values, (), "i")
    return _Levels(mapping, values).level(root, mapping.root.field, scope, ())


class _Levels:
    def __init__(self, mapping: Mapping, values: Values) -> None:
        self.mapping = mapping
        self.values = values

    def level(self, e: Struct, target: Field, scope: Scope, at: Names) -> Level:
        """The record at `at` in the scope, of which `e` makes one of the field `target`; all that `e` reads is inside it."""
        record = resolved(target.type, self.mapping.target.definitions)
        assert isinstance(record, Record)
        members: list[Kept | Fixed | Computed | Opened | Column] = []
        opened: set[str] = set()
        for c, to in zip(e.columns, record.fields, strict=True):
            member = self.member(c.expression, to, scope, at)
            if isinstance(member, Opened) and member.name in opened:
                member = None
            elif isinstance(member, Opened):
                opened.add(member.name)
            members.append(member or Column(to, c.expression))
        groups = _groups([m for m in members if isinstance(m, Column)])
        numbers = {id(column): number for number, column in enumerate(column for group in groups for column in group)}
        made = tuple(_computed(m, numbers[id(m)], at) if isinstance(m, Column) else m for m in members)
        computes = tuple(self.compute(group, scope, at) for group in groups)
        return Level(record.names, made, frozenset(e.known), computes)

    def member(self, e: Expression, target: Field, scope: Scope, at: Names) -> Kept | Fixed | Opened | None:
        """What need not be computed; else None."""
        match e:
            case Literal(value):
                return Fixed(value if value is None or value is MISSING else self.values.encoder(target)(value))
            case Source(path) if _is_inside(path, at, 1) and self._same(path, scope, target):
                return Kept(path[-1])
            case Struct(_, Source(path)) | Each(Source(path)) if _is_inside(path, at, 1):
                inside = self.inside(e, target, scope)
                return None if inside is None else Opened(path[-1], inside)
        return None

    def inside(self, e: Expression, target: Field, scope: Scope) -> Level | Elements | None:
        """What becomes of the record, list or map that `e` opens; None where it cannot be made from that alone, or needs SQL."""
        if sql_nodes([e]):
            return None
        match e:
            case Struct(_, Source(path)) if _contained(e, path):
                return self.level(e, target, scope, path)
            case Each(Source(path), body, kind):
                old, new = scope.type(path), resolved(target.type, self.mapping.target.definitions)
                assert isinstance(old, List | Map)
                assert isinstance(new, List | Map)
                element = Scope("record", _element(old), scope.named, self.values, (), "i")
                return Elements(kind, self.element(body.expression, _element(new), element))
        return None

    def element(self, e: Expression, target: Field, scope: Scope) -> Level | Elements | Compute | None:
        if isinstance(e, Source) and not e.path and self._same((), scope, target):
            return None
        if isinstance(e, Struct | Each) and isinstance(e.of, Source) and not e.of.path:
            inside = self.inside(e, target, scope)
            if inside is not None:
                return inside
        return self.compute([Column(target, e)], scope, None)

    def compute(self, columns: list[Column], scope: Scope, at: Names | None) -> Compute:
        """The function for these columns of the record at `at`, or, where that is None, for an element of a list or map."""
        expressions = [c.expression for c in columns]
        if sql_nodes(expressions):
            return self._with_sql(columns)
        sources = {path for e in expressions for path in _sources(e)}
        reads = () if at is None else tuple(sorted({path[len(at)] for path in sources})) or _any(scope.type(at))
        nodes = list(everything(expressions))
        plain = not any(isinstance(e, Struct | Each | Branches) for e in nodes)
        convert = self._generated(columns, scope, at or (), reads)
        return Compute(convert, reads, len(columns), plain, False, not any(isinstance(e, Call) for e in nodes))

    def _generated(self, columns: list[Column], scope: Scope, at: Names, reads: Names) -> Callable[[Any], Any]:
        code = Code(self.values, self.mapping.source, self.mapping.target.definitions)
        own = Scope("record", scope.root, self.mapping.source.definitions, self.values, (), "i")
        given = [code.fresh("r") for _ in reads]
        if given:
            code.emit(f"{', '.join(given)}{',' if len(given) > 1 else ''} = record")
        own.done.update({("got", (*at, name)): variable for name, variable in zip(reads, given, strict=True)})
        made = []
        for c in columns:
            own.path = (c.field.name,)
            made.append(code.raw(c.expression, own, c.field))
        out = made[0] if len(made) == 1 else f"({', '.join(made)})"
        convert = looped(code, out)

        def computed(given: list[list[Any]]) -> list[list[Any]]:
            rows = convert(given[0] if len(given) == 1 else list(zip(*given, strict=True)), None, raising)
            return [rows] if len(made) == 1 else [list(column) for column in zip(*rows, strict=True)] or [[] for _ in made]

        return computed

    def _with_sql(self, columns: list[Column]) -> Compute:
        """DuckDB computes over whole records, of the outermost level."""
        part = only(self.mapping, columns)
        assert part is not None
        convert, reads = compile_fields(part, self.values), part.reads() or _any(self.mapping.source.record)

        def computed(given: list[list[Any]]) -> list[list[Any]]:
            records = [
                {name: raw for name, raw in zip(reads, row, strict=True) if raw is not MISSING} for row in zip(*given, strict=True)
            ]
            return [list(column) for column in zip(*convert(records), strict=True)] or [[] for _ in columns]

        return Compute(computed, reads, len(columns), False, True, False)

    def _same(self, path: Names, scope: Scope, target: Field) -> bool:
        """Does the raw value mean the same in the target?"""
        own = Scope("", scope.root, self.mapping.source.definitions, self.values, (), "")
        return self.values.recoder(own.at(path), target) is None


def _groups(columns: list[Column]) -> list[list[Column]]:
    """Columns that are computed together: those that read the same, and all where SQL or a function may be shared."""
    if any(isinstance(e, Sql | Call) for e in everything([c.expression for c in columns])):
        return [columns]
    groups: dict[frozenset[Names], list[Column]] = {}
    for c in columns:
        groups.setdefault(frozenset(_sources(c.expression)), []).append(c)
    return list(groups.values())


def _computed(column: Column, number: int, at: Names) -> Computed:
    return Computed(number, _absent_with(column.expression, at), _passes(column.expression, at))


def _element(type: List | Map) -> Field:
    return type.item if isinstance(type, List) else type.value


def _is_inside(path: Names, at: Names, by: int = 0) -> bool:
    """Is it below `at` (by so many steps)?"""
    return path[: len(at)] == at and (len(path) == len(at) + by if by else len(path) > len(at))


def _contained(e: Struct, at: Names) -> bool:
    """Does the record read nothing but what is inside the old one at `at`?"""
    return all(_is_inside(path, at) for c in e.columns for path in _sources(c.expression))


def _sources(e: Expression) -> Iterator[Names]:
    """The paths that an expression reads in its own scope, each at least once."""
    seen: set[int] = set()
    waiting = [e]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Source):
            yield each.path
        waiting.extend(parts(each))


def _absent_with(e: Expression, at: Names) -> frozenset[str]:
    """The names whose absence makes the value absent, whatever else there is."""
    match e:
        case Source(path) if _is_inside(path, at):
            return frozenset({path[len(at)]})
        case Cast(of) | Lookup(of) | Each(of) | Branches(of) | Struct(_, Expression() as of):
            return _absent_with(of, at)
        case When(of, _, otherwise) if otherwise == NULL:
            return _absent_with(of, at)
    return frozenset()


def _passes(e: Expression, at: Names) -> frozenset[str]:
    """The names whose raw value may come out as it stands."""
    match e:
        case Source(path) if _is_inside(path, at, 1):
            return frozenset({path[-1]})
        case Branches(of) | When(_, of):
            return _passes(of, at)
    return frozenset()


def _any(record: Type) -> Names:
    """Something to read where nothing is: what is given says how many records there are."""
    assert isinstance(record, Record)
    return record.names[:1] or ("",)
