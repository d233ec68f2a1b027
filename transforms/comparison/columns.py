"""The columns of two schemas beside each other: which belong together, and as what type both are compared.

Records are taken apart to their fields, so that each has its own numbers and is named where it differs; a list or a map is one
column. Types that differ are compared where one type holds the values of both exactly; nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from instar.formats.path import path_text
from instar.formats.schema import Bool, Decimal, Field, Json, List, Map, Record, Schema, Type, Union, type_text
from instar.formats.schema import Null as NullType
from instar.transforms.evaluate.sql_types import Fresh, adopted, bound, sql_type
from instar.transforms.shared_types import Expansion

from .common import as_common, common_scalar, opaque


@dataclass(frozen=True)
class Leaf:
    """One column: a field that is no record, or (`record`) only whether there is a record, or (`folder`) a key of files' folders.

    `old`, `new`: its types on the two sides, `common`: the one it is compared as.
    """

    path: tuple[str, ...]
    old: Type
    new: Type
    common: Type
    record: bool = False
    folder: bool = False

    @property
    def text(self) -> str:
        return path_text(self.path)

    def sql(self, value: str, *, old: bool) -> str:
        """SQL that brings one side's value (an atom, in the compared form of its type) to the common type."""
        return value if self.record else converted(value, self.old if old else self.new, self.common, Fresh())


@dataclass(frozen=True)
class Unpaired:
    """A place that only one side has (the type of the other is None), or whose two types hold nothing in common."""

    path: tuple[str, ...]
    old: Type | None
    new: Type | None

    def __str__(self) -> str:
        if self.new is None:
            return f"only the old side has it ({type_text(self.old)})" if self.old else ""
        if self.old is None:
            return f"only the new side has it ({type_text(self.new)})"
        return f"it is {type_text(self.old)} on the old side and {type_text(self.new)} on the new one, which cannot be compared"


@dataclass(frozen=True)
class Columns:
    """The columns in the old side's order, what stands alone, and those whose types differ though both can be compared."""

    leaves: tuple[Leaf, ...]
    unpaired: tuple[Unpaired, ...]
    retyped: tuple[Leaf, ...]


def columns_of(old: Schema, new: Schema, *, same_format: bool, keys: bool = False) -> Columns:
    """Pairs the columns of two schemas by their paths. Order and null-ness do not count.

    `same_format`: opaque values are compared by their bytes as stored, which say nothing in another format. `keys`: records have
    keys and an order of them, so that each is a column, also where it is never null.
    """
    records = [Expansion(side.definitions).field(side.root).with_(nullable=False) for side in (old, new)]
    before, after = (_inside(record.type) for record in records)
    found = list(_Pairing(same_format, keys).fields(before, after, ()))
    leaves = tuple(each for each in found if isinstance(each, Leaf))
    retyped = tuple(leaf for leaf in leaves if not leaf.record and _plain(leaf.old) != _plain(leaf.new))
    return Columns(leaves, tuple(each for each in found if isinstance(each, Unpaired)), retyped)


def _inside(type: Type) -> Record:
    assert isinstance(type, Record)
    return Record(tuple(f.with_(type=closed(f.type)) for f in type.fields))


def closed(type: Type) -> Type:
    """The type with JSON in the place of records that name no fields: values of those are compared as their text."""
    match type:
        case Record(()):
            return Json()
        case Record(fields):
            return replace(type, fields=tuple(f.with_(type=closed(f.type)) for f in fields))
        case List(item):
            return List(item.with_(type=closed(item.type)))
        case Map(value, key):
            return Map(value.with_(type=closed(value.type)), key)
        case _:
            return type


def _plain(type: Type) -> str:
    """The type's text without null-ness, which is no difference."""
    return type_text(_required(type))


def _required(type: Type) -> Type:
    match type:
        case Record(fields):
            return Record(tuple(sorted((_bare(f) for f in fields), key=lambda f: f.name)))
        case List(item):
            return List(_bare(item))
        case Map(value, key):
            return Map(_bare(value), key)
        case Union(branches):
            return Union(tuple(map(_bare, branches)))
        case _:
            return type


def _bare(field: Field) -> Field:
    return Field(field.name, _required(field.type))


@dataclass(frozen=True)
class _Pairing:
    same_format: bool
    keys: bool

    def fields(self, old: Record, new: Record, path: tuple[str, ...]) -> Iterator[Leaf | Unpaired]:
        for field in old.fields:
            here = (*path, field.name)
            if field.name in new:
                yield from self.field(field, new[field.name], here)
            else:
                yield Unpaired(here, field.type, None)
        for field in new.fields:
            if field.name not in old:
                yield Unpaired((*path, field.name), None, field.type)

    def field(self, old: Field, new: Field, path: tuple[str, ...]) -> Iterator[Leaf | Unpaired]:
        match old.type, new.type:
            case Record(mine) as a, Record(others) as b if mine and others:
                if self.keys or any(f.nullable or f.optional for f in (old, new)):
                    yield Leaf(path, Bool(), Bool(), Bool(), record=True)
                yield from self.fields(a, b, path)
            case a, b:
                common = self.common(a, b)
                yield Unpaired(path, a, b) if common is None else Leaf(path, a, b, common)

    def common(self, old: Type, new: Type) -> Type | None:
        """The type that holds the values of both exactly."""
        if opaque(old) and opaque(new):
            return old if isinstance(old, Json) and isinstance(new, Json) else self.opaque(old, new)
        match old, new:
            case NullType(), other:
                return other
            case other, NullType():
                return other
            case List(a), List(b):
                item = self.common(a.type, b.type)
                return item and List(Field("item", item, nullable=True))
            case Map(a, key), Map(b, other_key):
                value, shared = self.common(a.type, b.type), common_scalar(key, other_key)
                return Map(Field("value", value, nullable=True), shared) if value and shared else None
            case Record(mine) as a, Record(others) as b:
                if {f.name for f in mine} != {f.name for f in others}:
                    return None
                inner = [self.common(f.type, b[f.name].type) for f in mine]
                if not all(inner):
                    return None
                return Record(tuple(Field(f.name, t, nullable=True) for f, t in zip(a.fields, inner, strict=True) if t))
            case _:
                return common_scalar(old, new)

    def opaque(self, old: Type, new: Type) -> Type | None:
        """Long decimals are read as their digits from every format; anything else is bytes that only its own format knows."""
        return old if _plain(old) == _plain(new) and (self.same_format or isinstance(old, Decimal)) else None


# ---- SQL
def converted(value: str, source: Type, to: Type, fresh: Fresh) -> str:
    """SQL of a value in the compared form of `source` in that of `to`, where `to` came from `columns_of`."""
    if _plain(source) == _plain(to) and not _in_order_of(source, to):
        return value if not _normalised(source) else _rebuilt(value, source, to, fresh)
    return _rebuilt(value, source, to, fresh)


def _in_order_of(source: Type, to: Type) -> bool:
    """Do records below have their fields in another order?"""
    match source, to:
        case Record(a), Record(b):
            return [f.name for f in a] != [f.name for f in b] or any(_in_order_of(f.type, to[f.name].type) for f in a)
        case (List(a), List(b)) | (Map(a), Map(b)):
            return _in_order_of(a.type, b.type)
        case _:
            return False


def _normalised(type: Type) -> bool:
    """Are there values below that are brought to one spelling even where the types are the same?"""
    match type:
        case Record(fields):
            return any(_normalised(f.type) for f in fields)
        case List(inner) | Map(inner):
            return _normalised(inner.type)
        case _:
            return as_common("v", type, type) != "v"


def _rebuilt(value: str, source: Type, to: Type, fresh: Fresh) -> str:
    match source, to:
        case Record(fields), Record(wanted):

            def struct(v: str) -> str:
                parts = []
                for i, f in enumerate(wanted):
                    at = [other.name for other in fields].index(f.name)
                    inner = converted(f"struct_extract_at({v}, {at + 1})", fields[at].type, f.type, fresh)
                    parts.append(f"f{i} := {inner}")
                return f"CASE WHEN {v} IS NOT NULL THEN struct_pack({', '.join(parts)}) END"

            return bound(value, struct, fresh)
        case List(item), List(wanted):
            v = fresh()
            return f"list_transform({value}, lambda {v}: {converted(v, item.type, wanted.type, fresh)})"
        case Map(item, key), Map(wanted, other):

            def mapped(m: str) -> str:
                k, v = fresh(), fresh()
                keys = f"list_transform(map_keys({m}), lambda {k}: {as_common(k, key, other)})"
                values = f"list_transform(map_values({m}), lambda {v}: {converted(v, item.type, wanted.type, fresh)})"
                return f"CASE WHEN {m} IS NOT NULL THEN map({keys}, {values}) END"

            return bound(value, mapped, fresh)
        case NullType(), _:
            return f"CAST(NULL AS {sql_type(to)})"
        case _:
            return as_common(value, source, to)


def sql_column(value: str, type: Type, found: str) -> str:
    """A top-level column as a reader gives it (`found`: its DuckDB type) in the compared form of its type; `value` is an atom."""
    if found == sql_type(type):
        return value
    if isinstance(type, Record | List | Map):
        return adopted(value, type)
    if opaque(type) and found in ("VARCHAR", "JSON"):
        return f"encode(CAST({value} AS VARCHAR))"
    return f"CAST({value} AS {sql_type(type)})"
