"""A case of a law: a schema, operations, records; and how Hypothesis draws one.

The generator aims: records are often null, fields are computed inside a record and then moved out of it, names differ only by
case or are keywords of DuckDB's. Random data alone misses what only such cases show.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal as Number
from functools import partial
from typing import Any, Literal

from hypothesis import assume, note
from hypothesis import strategies as st

from instar import op
from instar.formats.errors import InstarError
from instar.formats.isotext import bounds
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    List,
    Map,
    Record,
    Schema,
    String,
    Time,
    Timestamp,
    Type,
    Uuid,
    type_text,
)
from instar.formats.schema import Number as DecimalNumber
from instar.transforms import casts
from instar.transforms.casts import rounding
from instar.transforms.evaluate.sql import verify_types
from instar.transforms.mapping import Operation, chain

NAMES = [
    "a",
    "A",
    "b",
    "dep",
    "Dep",
    "select",
    'q"t',
    "it's",
    "x.y",
    "two words",
    "ünï",
    "[]",
    "from",
    "{}",
    "c0",
    "v0",
    "row",
    "key",
]
NAMES += ["?", "%s", "f0", "F0", "lambda", "n0", "x", "🙂", "", "$1", "--", "\n"]
SCALARS: tuple[Type, ...] = (
    Int(32), Int(64), Int(8, False), Float(64), Float(32), String(), Bool(), Decimal(9, 2), Date(), Timestamp("us", "UTC"),
    Timestamp("ms"), Bytes(), Enum(("x", "y")), Decimal(18, 4), Timestamp("ns"), Timestamp("s", "UTC"), Time("us"), Uuid(),
)  # fmt: skip
TEXTS = [
    "x",
    "y",
    "12",
    "-0",
    "007",
    "true",
    "",
    "z'",
    "9999999999",
    "1.5",
    "1.50",
    "1e+20",
    "1_0",
    " 1",
    "2020-02-29",
    "\0",
    "é🙂",
]


@dataclass(frozen=True)
class Case:
    schema: Schema
    operations: tuple[Operation, ...]
    rows: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        lines = [type_text(self.schema.root.type), *map(repr, self.operations), *map(repr, self.rows)]
        return "\n".join(lines)


# ---- schemas
names = st.sampled_from(NAMES)


def types(depth: int, scalars: tuple[Type, ...]) -> st.SearchStrategy[Type]:
    scalar = st.sampled_from(scalars)
    if depth == 0:
        return scalar
    items = st.builds(Field, st.just("item"), types(depth - 1, scalars), nullable=st.booleans())
    values = st.builds(Field, st.just("value"), types(depth - 1, scalars), nullable=st.booleans())
    return st.one_of(
        scalar, scalar, records(depth - 1, scalars), records(depth - 1, scalars), st.builds(List, items), st.builds(Map, values)
    )


def records(depth: int, scalars: tuple[Type, ...]) -> st.SearchStrategy[Record]:
    keys = st.builds(Field, names, types(depth, scalars), nullable=st.booleans())
    return st.lists(keys, min_size=1, max_size=4, unique_by=lambda f: f.name).map(lambda fields: Record(tuple(fields)))


def with_optional(type: Type, draw: st.DrawFn) -> Type:
    """The type with keys that may be missing, at any depth."""
    match type:
        case Record(fields):
            return Record(tuple(f.with_(type=with_optional(f.type, draw), optional=draw(st.booleans())) for f in fields))
        case List(item):
            return List(item.with_(type=with_optional(item.type, draw)))
        case Map(value):
            return Map(value.with_(type=with_optional(value.type, draw)))
        case _:
            return type


# ---- records
_DAY = 86_400_000_000
_INSTANTS = [0, -1, 1_577_836_800_123, 1_577_836_800, 1000, _DAY, -_DAY, 253402300799999]
_SCALAR_VALUES: dict[type, Any] = {
    Float: lambda t: st.sampled_from([0.0, 1.0, -1.5, 0.5, 1e10, -0.0, *([0.1, 2.0**53, 1e20, 1e-7] if t.bits == 64 else [])]),
    String: lambda _: st.sampled_from(TEXTS),
    Bool: lambda _: st.booleans(),
    Decimal: lambda t: st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: Number(n).scaleb(-t.scale)),
    Date: lambda _: st.integers(-719162, 2932896),
    Timestamp: lambda t: st.sampled_from([v for v in _INSTANTS if bounds(t.unit)[0] <= v <= bounds(t.unit)[1]]),
    Uuid: lambda _: st.sampled_from(["00000000-0000-0000-0000-00000000000a", "ffffffff-ffff-4fff-8fff-ffffffffffff"]),
    Time: lambda _: st.sampled_from([0, 1, 43_200_000_000, 86_399_999_999]),
    Bytes: lambda _: st.sampled_from([b"", b"ab", b"\xff", "é".encode()]),
    Enum: lambda t: st.sampled_from(t.symbols),
}  # fmt: skip


def values(field: Field) -> st.SearchStrategy[Any]:
    match field.type:
        case Record(fields):
            made = st.fixed_dictionaries(
                {f.name: values(f) for f in fields if not f.optional}, optional={f.name: values(f) for f in fields if f.optional}
            )
        case List(item):
            made = st.lists(values(item), max_size=3)
        case Map(value):
            made = st.dictionaries(st.sampled_from(["k", "a b", "'", ""]), values(value), max_size=2)
        case Int() as whole:
            made = st.one_of(st.integers(0, 5), st.integers(whole.low, whole.high))
        case Integer():
            made = st.one_of(st.integers(-5, 5), st.integers(-(10**25), 10**25))
        case DecimalNumber():
            made = st.sampled_from(
                [1, Number("1.10"), Number("0.1"), Number("1E+2"), 10**22, Number("123456789.123456789123456789")]
            )
        case scalar:
            made = _SCALAR_VALUES[scalar.__class__](scalar)
    return st.one_of(st.none(), made) if field.nullable else made


# ---- operations
def places(field: Field, at: Path = ()) -> list[tuple[Path, Field]]:
    """Every path with its field, the root first."""
    match field.type:
        case Record(fields):
            below = [pair for f in fields for pair in places(f, (*at, f.name))]
        case List(item):
            below = places(item, (*at, EACH_ITEM))
        case Map(value):
            below = places(value, (*at, EACH_VALUE))
        case _:
            below = []
    return [(at, field), *below]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_LITERALS: list[tuple[Type, Any]] = [
    (Int(64), 7), (String(), "it's\n\0"), (Decimal(9, 2), Number("1.50")), (Timestamp("us", "UTC"), 1),
    (Date(), dt.date(2020, 1, 1)), (Float(64), 0.1), (Bytes(), b"\xff"), (Bool(), True), (List(Field("item", Int(64))), [1, 2]),
]  # fmt: skip
_FILLS: dict[type, Any] = {Int: 3, String: "nil", Bool: False, Float: 0.5, List: [], Map: {}}


def operations(draw: st.DrawFn, source: Schema) -> Operation:
    """One operation that may fit the schema."""
    everywhere = places(source.root)[1:]
    path, field = draw(st.sampled_from(everywhere))
    text, named = path_text(path), isinstance(path[-1], str)
    parent = path[:-1]
    kinds = ["allow_null", "cast", "cast"] + ["require", "fill"] * (field.nullable or field.optional)
    if named:
        kinds += ["python", "python_back", "rename", "add", "drop", "derive", "derive", "derive_list", "replace"]
        kinds += ["move", "move", "move_out", "move_out", "merge", "reorder", *(["split"] * 2 * isinstance(field.type, String))]
    if isinstance(field.type, List):
        kinds += ["head", "head"]
    elif casts.is_scalar(field.type):
        kinds += ["map_values", "map_values", "wrap", *(["zone"] * isinstance(field.type, Timestamp)), "round"]
    beside = path_text((*parent, draw(names)))
    match draw(st.sampled_from(kinds)):
        case "rename":
            return op.rename(text, to=path_text((draw(names),)))
        case "add":
            type, value = draw(st.sampled_from(_LITERALS))
            return op.add(beside, type, default=value) if draw(st.booleans()) else op.add(beside, type, nullable=True)
        case "drop":
            return op.drop(text)
        case "cast":
            to = draw(st.sampled_from([t for t in SCALARS if casts.rule_for(field.type, t)] or [Int(64)]))
            return op.cast(text, to, on_error=draw(st.sampled_from(["fail", "fail", "null"])))
        case "require":
            return op.require(text)
        case "fill":
            return op.require(text, fill=_FILLS.get(field.type.__class__, 1))
        case "allow_null":
            return op.allow_null(text)
        case "map_values":
            return _looked_up(draw, text, field)
        case "wrap":
            return op.wrap(text, null=draw(st.sampled_from(["null", "empty"])))
        case "head":
            return op.head(text, otherwise=draw(st.sampled_from(["fail", "first", "last", "null"])))
        case "round":
            return op.cast(text, draw(st.sampled_from(_COARSER)), rounding=draw(st.sampled_from(rounding.MODES)))
        case "zone":
            zone = draw(st.sampled_from(["UTC", "Europe/Paris", "America/New_York"]))
            to = Timestamp(field.type.unit, None if field.type.zone else zone) if isinstance(field.type, Timestamp) else Int(64)
            return op.cast(text, to, zone=zone)
        case "split":
            into, by = {draw(names_of_fields): "string", "right": "string"}, draw(st.sampled_from(["1", ".", "e"]))
            return op.split(text, into=into, by=by, otherwise=draw(st.sampled_from(["fail", "null"])))
        case "merge":
            return op.merge([text, beside], to=draw(names_of_fields), by="-", nulls=draw(st.sampled_from(["skip", "null"])))
        case "reorder":
            return op.reorder([path_text((path[-1],))], at=path_text(parent))
        case "derive":
            return op.derive(beside, String(), sql=_expression(draw, path[-1], field))
        case "python":
            keys = (beside, path_text((*parent, draw(names))))
            return op.python(
                partial(described, keys), reads=_seen(draw, source, path), writes={keys[0]: "string", keys[1]: "int64?"}
            )
        case "python_back":
            return op.python(twice, reads=[text], writes={beside: List(field.with_(optional=False))}, inverse=first)
        case "replace":
            return op.derive(text, Bool(), sql=f"{_quoted(str(path[-1]))} IS NULL", replace=True)
        case "derive_list":
            return op.derive(
                beside, List(Field("item", Int(64), nullable=True)), sql="list_transform([1, NULL], lambda c0: c0 + 1::BIGINT)"
            )
        case "move_out":
            return _out(draw, source, path, draw(_CONSENT))
        case _:
            return _in(draw, source, path, draw(_CONSENT))


def _seen(draw: st.DrawFn, source: Schema, path: Path) -> list[str]:
    """One to three fields that a function may read which writes beside `path`."""
    scope = max((i + 1 for i, step in enumerate(path) if not isinstance(step, str)), default=0)
    inside = [p for p, _ in places(source.root) if len(p) > scope and p[:scope] == path[:scope]]
    near = [path_text(p) for p in inside if all(isinstance(step, str) for step in p[scope:])]
    return draw(st.lists(st.sampled_from(near), min_size=1, max_size=3, unique=True))


def described(keys: tuple[str, str], *values: Any) -> dict[str, Any]:
    """What it is given, as text, and something that may be null; it refuses some records."""
    text = repr(values)
    if len(text) % 13 == 0:
        raise ValueError("unlucky")
    return {keys[0]: text, keys[1]: len(text) if len(text) % 2 else None}


def twice(value: Any) -> list[Any]:
    return [value, value]


def first(values: list[Any]) -> Any:
    return values[0]


Consent = Literal["refuse", "drop"]
_CONSENT: st.SearchStrategy[Consent] = st.sampled_from(["drop", "drop", "drop", "refuse"])
"""Whether a move may lose what it must be allowed to lose: mostly, so that the laws see such moves."""


def _out(draw: st.DrawFn, source: Schema, path: Path, consent: Consent) -> Operation:
    """Some field out of the record around it, or that at `path` to another name."""
    inside = [p for p, _ in places(source.root) if len(p) > 1 and isinstance(p[-1], str) and isinstance(p[-2], str)]
    inner = draw(st.sampled_from(inside)) if inside else path
    return op.move(path_text(inner), to=path_text((*inner[:-2], draw(names))), emptied=consent, where_null=consent)


def _in(draw: st.DrawFn, source: Schema, path: Path, consent: Consent) -> Operation:
    """The field at `path` into some record, or into a new one."""
    records = [p for p, f in places(source.root) if isinstance(f.type, Record) and (not p or p[: len(path)] != path)]
    target = draw(st.sampled_from(records)) + ((draw(names),) if draw(st.booleans()) else ())
    return op.move(path_text(path), to=path_text((*target, draw(names))), emptied=consent, where_null=consent)


def careful_moves(draw: st.DrawFn, source: Schema) -> Operation:
    """A move that may lose nothing."""
    path = draw(st.sampled_from([p for p, _ in places(source.root) if p and isinstance(p[-1], str)]))
    return draw(st.sampled_from([_out, _in]))(draw, source, path, "refuse")


_COARSER: tuple[Type, ...] = (Int(64), Int(8, False), Decimal(9, 1), Timestamp("s"), Timestamp("ms", "UTC"), Date())
names_of_fields = names.map(lambda name: path_text((name,)))


def _looked_up(draw: st.DrawFn, text: str, field: Field) -> Operation:
    """Two values of the field, or of an enum all, to others: permuted, merged, or of another type."""
    some = field.with_(nullable=False)
    keys = list(field.type.symbols) if isinstance(field.type, Enum) else draw(st.lists(values(some), min_size=1, max_size=3))
    pairs = draw(st.lists(values(some), min_size=len(keys), max_size=len(keys)))
    otherwise: Any = draw(st.sampled_from(["fail", "null", "keep"]))
    if draw(st.booleans()):
        table = dict(zip(keys, draw(st.lists(st.integers(0, 3), min_size=len(keys), max_size=len(keys))), strict=True))
        return op.map_values(text, table, to="int64", default=draw(st.sampled_from([9, None])))
    return op.map_values(text, dict(zip(keys, pairs, strict=True)), otherwise=otherwise)


def _expression(draw: st.DrawFn, name: Any, field: Field) -> str:
    quoted = _quoted(name)
    if isinstance(field.type, Record | List | Map | Bytes):
        return f"CASE WHEN {quoted} IS NULL THEN 'none' ELSE 'some' END"
    ways = [
        f"coalesce({quoted}::VARCHAR, 'none') || 'é'",
        f"{quoted}::VARCHAR",
        f"CAST(CAST({quoted}::VARCHAR AS INTEGER) AS VARCHAR)",
    ]
    return draw(st.sampled_from(ways))


# ---- cases
Drawn = Callable[[st.DrawFn, Schema], Operation]
"""How an operation that may fit a schema is drawn."""


def extended(draw: st.DrawFn, source: Schema, count: int, drawn: Drawn = operations) -> tuple[Operation, ...]:
    """Up to `count` operations, each of which fits what those before it made."""
    out: list[Operation] = []
    for _ in range(count):
        try:
            operation = drawn(draw, source)
            step = chain(source, [operation])
            verify_types(step)
        except InstarError:
            continue
        source = step.target
        out.append(operation)
    return tuple(out)


@st.composite
def cases(
    draw: st.DrawFn, *, most: int = 5, optional: bool = False, scalars: tuple[Type, ...] = SCALARS, drawn: Drawn = operations
) -> Case:
    """A schema, up to `most` operations on it, and one to four records; `optional`: keys may be missing, or unknown.

    `scalars`: the leaves of the schema (an operation may still bring others).
    """
    record = draw(records(2, scalars))
    if optional:
        record = with_optional(record, draw)
    assert isinstance(record, Record)
    source = Schema(Field("", record), open=optional)
    chosen = extended(draw, source, draw(st.integers(1, most)), drawn)
    assume(chosen)
    rows = draw(st.lists(values(source.root), min_size=1, max_size=4))
    if optional:
        rows = [_with_unknown(draw, row, source.root) for row in rows]
    case = Case(source, chosen, tuple(rows))
    note(str(case))
    return case


def _with_unknown(draw: st.DrawFn, value: Any, field: Field) -> Any:
    """The record with a key that no schema names in some of its records."""
    match field.type:
        case Record(fields) if value is not None:
            out = {f.name: _with_unknown(draw, value[f.name], f) for f in fields if f.name in value}
            if draw(st.integers(0, 3)) == 0:
                key = draw(names)
                out.setdefault(key if key not in field.type else key + "?!", {"any": [1, "thing"]})
            return out
        case List(item) if value is not None:
            return [_with_unknown(draw, v, item) for v in value]
        case Map(inner) if value is not None:
            return {k: _with_unknown(draw, v, inner) for k, v in value.items()}
    return value


def one(source: Schema, chosen: list[Operation], *rows: dict[str, Any]) -> Case:
    """A case by hand."""
    return Case(source, tuple(chosen), rows)
