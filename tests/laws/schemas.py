"""Schemas and records, as Hypothesis draws them: every logical type, odd names, records that are often null."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal as Number
from typing import Any

from hypothesis import strategies as st

from instar.formats.isotext import PER_SECOND, bounds
from instar.formats.path import Branch, Path
from instar.formats.schema import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Enum,
    Field,
    Fixed,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Null,
    Other,
    Record,
    Reference,
    Schema,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    Unit,
    Uuid,
    type_text,
)
from instar.formats.schema import Number as DecimalNumber
from instar.transforms.shared_types import places

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
names = st.sampled_from(NAMES)

_UNITS: tuple[Unit, ...] = ("s", "ms", "us", "ns")
SCALARS: tuple[Type, ...] = (
    *[Int(bits, signed) for bits in (8, 16, 32, 64) for signed in (True, False)], Integer(),
    Float(16), Float(32), Float(64), DecimalNumber(), Decimal(9, 2), Decimal(18, 4), Decimal(38, 10),
    String(), Bytes(), Fixed(2), Uuid(), Enum(("x", "y")), Bool(), Null(), Date(),
    *[Time(unit) for unit in _UNITS], *[Duration(unit) for unit in _UNITS],
    *[Timestamp(unit, zone) for unit in _UNITS for zone in (None, "UTC", "Europe/Paris")],
)  # fmt: skip
CARRIED: tuple[Type, ...] = (Decimal(76, 5), Json(), Other("interval(month_day_nano)"))
"""What no operation looks into. Unions and References are drawn by `named_schemas`."""
INTERVAL = {"arrow": {"name": "interval", "unit": "MONTH_DAY_NANO"}, "arrow.children": []}
"""What a field of the type Other says of its storage."""


def sort_of(type: Type) -> str:
    """The sort of a type, in words: all that differ in what an interpreter may do with them."""
    match type:
        case Decimal(precision):
            return "decimal of up to 18 digits" if precision <= 18 else f"decimal of {precision} digits"
        case Timestamp(unit, zone):
            return f"timestamp({unit}, {'zone' if zone else 'none'})"
        case Fixed() | Enum() | List() | Map() | Record() | Union() | Reference() | Other():
            return type.__class__.__name__.lower()
        case _:
            return re.sub(r"\?", "", type_text(type))


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


# ---- schemas
def _leaves(scalars: tuple[Type, ...]) -> st.SearchStrategy[Type]:
    """One of the types; those of one class have the weight of one or two together."""
    classes: dict[type, list[Type]] = {}
    for type in scalars:
        classes.setdefault(type.__class__, []).append(type)
    usual = [kind for kind in classes if kind in (Int, String, Float, Timestamp)]
    return st.sampled_from([*classes, *usual]).flatmap(lambda kind: st.sampled_from(classes[kind]))


def types(depth: int, scalars: tuple[Type, ...]) -> st.SearchStrategy[Type]:
    scalar = _leaves(scalars)
    if depth == 0:
        return scalar
    inner = types(depth - 1, scalars)
    items = st.builds(_field, st.just("item"), inner, st.booleans())
    values = st.builds(_field, st.just("value"), inner, st.booleans())
    return st.one_of(
        scalar, scalar, records(depth - 1, scalars), records(depth - 1, scalars), st.builds(List, items), st.builds(Map, values)
    )


def _field(name: str, type: Type, nullable: bool, tags: tuple[str, ...] = ()) -> Field:
    extra = INTERVAL if isinstance(type, Other) else {}
    return Field(name, type, nullable or isinstance(type, Null), tags=tags, extra=extra)


def records(depth: int, scalars: tuple[Type, ...]) -> st.SearchStrategy[Record]:
    tags = st.sampled_from([(), (), (), ("pii",)])
    keys = st.builds(_field, names, types(depth, scalars), st.booleans(), tags)
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


def named_schemas(draw: st.DrawFn, scalars: tuple[Type, ...], renamed: Callable[[Type], Type] = lambda type: type) -> Schema:
    """A schema with a type that is used in several places, and with unions of which it may be a branch."""
    shared, own = (
        Field(use, renamed(Record(draw(records(depth, scalars)).fields, name=name)))
        for use, name, depth in (("", "p.T", 1), ("p.R", "p.R", 0))
    )
    use = Field("p.T", Reference("p.T"))
    simple = [Field(type_text(t), t) for t in (Int(64), String(), Float(64), Bool())]
    branches = draw(st.lists(st.sampled_from([own, use, *simple]), min_size=2, max_size=4, unique_by=lambda f: f.name))
    union: Type = Union(tuple(branches))
    held = draw(st.lists(st.sampled_from(["use", "uses", "of", "any", "anys"]), min_size=2, max_size=5, unique=True))
    made = {
        "use": use.type, "uses": List(Field("item", use.type, nullable=draw(st.booleans()))), "any": union,
        "of": Map(Field("value", use.type)), "anys": List(Field("item", union, nullable=draw(st.booleans()))),
    }  # fmt: skip
    if "any" in held and "anys" in held:
        made["anys"] = List(Field("item", Union((*(b for b in branches if b.name != "p.R"), Field("date", Date())))))
    fields = [Field(name, made[name], nullable=draw(st.booleans())) for name in held]
    return Schema(Field("", Record((*fields, Field("n", draw(_leaves(scalars)), nullable=True)))), {"p.T": shared})


def everywhere(schema: Schema) -> list[tuple[Path, Field]]:
    """Every place of a schema with its field: below the root, and below its named types."""
    found = [(path, field) for path, field in places(schema.root) if path]
    for name, field in schema.definitions.items():
        found += [((Branch(name), *path), inner) for path, inner in places(field) if path]
    return found


# ---- records
_DAY = 86_400
_SECONDS = [0, -1, 1, 43_200, _DAY, -_DAY, 1_577_836_800, 1_572_138_000, 1_585_445_400, 253_402_300_799, -62_135_596_800]
"""Times of interest: the ends of the calendar, an hour that Paris has twice, and one that it skips."""


def _instants(unit: Unit) -> list[int]:
    per, (low, high) = PER_SECOND[unit], bounds(unit)
    found = [*(s * per for s in _SECONDS), 1_577_836_800 * per + per // 8, -per // 2, 123, 253_402_300_799 * per + per - 1]
    return [v for v in found if low <= v <= high]


def _clocks(unit: Unit) -> list[int]:
    per = PER_SECOND[unit]
    return [0, 1, 43_200 * per, _DAY * per - 1, 61 * per + per // 2]


_FLOATS = {16: [1.5, 2.5, 65504.0], 32: [0.5, 16777216.0, 1e10], 64: [0.1, 2.5, 2.0**53, 1e20, 1e-7]}
_NUMBERS = [1, Number("1.10"), Number("0.1"), Number("1E+2"), 10**22, Number("123456789.123456789123456789")]
_SCALAR_VALUES: dict[type, Any] = {
    Null: lambda _: st.none(),
    Bool: lambda _: st.booleans(),
    Int: lambda t: st.one_of(st.integers(0, 5), st.integers(t.low, t.high)),
    Integer: lambda _: st.one_of(st.integers(-5, 5), st.integers(-(10**25), 10**25)),
    DecimalNumber: lambda _: st.sampled_from(_NUMBERS),
    Float: lambda t: st.sampled_from([0.0, 1.0, -1.5, -0.0, float("nan"), float("inf"), *_FLOATS[t.bits]]),
    Decimal: lambda t: st.one_of(st.integers(-500, 500), st.integers(-(10**t.precision) + 1, 10**t.precision - 1)).map(
        lambda n: _exactly(n, t.scale)
    ),
    String: lambda _: st.sampled_from(TEXTS),
    Bytes: lambda _: st.sampled_from([b"", b"ab", b"\xff", "é".encode()]),
    Fixed: lambda t: st.sampled_from([bytes(t.size), b"ab\xff"[-t.size :]]),
    Date: lambda _: st.one_of(st.sampled_from([0, -719162, 2932896]), st.integers(-719162, 2932896)),
    Time: lambda t: st.sampled_from(_clocks(t.unit)),
    Timestamp: lambda t: st.sampled_from(_instants(t.unit)),
    Duration: lambda t: st.sampled_from([0, 1, -1, 1500, -PER_SECOND[t.unit] * 90_000, 2**53]),
    Uuid: lambda _: st.sampled_from(["00000000-0000-0000-0000-00000000000a", "ffffffff-ffff-4fff-8fff-ffffffffffff"]),
    Enum: lambda t: st.sampled_from(t.symbols),
    Json: lambda _: st.sampled_from(["1.10", '{"a": [1, null]}', '""', "[]"]),
    Other: lambda _: st.sampled_from([(0, 1, 2), (-1, 0, 10**12)]),
}  # fmt: skip


def _exactly(count: int, scale: int) -> Number:
    sign, digits = ("-" if count < 0 else ""), str(abs(count)).rjust(scale + 1, "0")
    return Number(f"{sign}{digits[:-scale]}.{digits[-scale:]}")


def values(field: Field, named: Mapping[str, Field] | None = None) -> st.SearchStrategy[Any]:
    """Values of a field. A union's is (name of the branch, value); what is only carried is whatever it is."""
    named = named or {}
    match field.type:
        case Record(fields):
            made = st.fixed_dictionaries(
                {f.name: values(f, named) for f in fields if not f.optional},
                optional={f.name: values(f, named) for f in fields if f.optional},
            )
        case List(item):
            made = st.lists(values(item, named), max_size=3)
        case Map(value):
            made = st.dictionaries(st.sampled_from(["k", "a b", "'", ""]), values(value, named), max_size=2)
        case Union(branches):
            made = st.one_of([st.tuples(st.just(b.name), values(b, named)) for b in branches])
        case Reference(name):
            made = values(named[name].with_(nullable=False), named)
        case scalar:
            made = _SCALAR_VALUES[scalar.__class__](scalar)
    return st.one_of(st.none(), made) if field.nullable else made
