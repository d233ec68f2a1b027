"""The logical schema: the one in-memory form which Parquet, Avro and JSON schemas parse to and render from.

Everything here is frozen and does no I/O. Types say what a value *means*; how a file stores it (a dictionary, a wrapper
name, INT96) and whatever a native document says beyond that rides along in `Field.extra`.

How each type's values look in Python, wherever Instar decodes one (literals, the record interpreter, proofs):

| type | Python value |
|---|---|
| bool, string, bytes, fixed | bool, str, bytes, bytes |
| int8 … uint64, integer | int |
| number | int or decimal.Decimal (exactly the number the text says) |
| half, float, double | float |
| decimal | decimal.Decimal with the type's scale |
| date | int: days since 1970-01-01 |
| time(u), duration(u) | int: units |
| timestamp(u, tz) | int: units since 1970-01-01T00:00 (UTC where there is a zone, wall time where not) |
| uuid, enum | str (uuid: 36 characters, as written) |
| record, map | dict (a missing key is absent, or MISSING) |
| list | list |
| null | None |
| union, json, reference | opaque: carried, never decoded by an expression |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .errors import SchemaError, suggestion

Unit = Literal["s", "ms", "us", "ns"]


class Missing:
    """A key that is not there, a default that was not given; not the same as null. Its one instance is MISSING."""

    _instance: Missing | None = None

    def __new__(cls) -> Missing:
        cls._instance = cls._instance or super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"


MISSING = Missing()


# ---- scalar types
@dataclass(frozen=True)
class Plain:
    """A type that its name says all of. Two are equal where they are of one class."""

    __slots__ = ()


class Null(Plain):
    """A column of nulls only (Arrow's null type, Avro's and JSON's "null")."""


class Bool(Plain):
    __slots__ = ()


@dataclass(frozen=True)
class Int:
    bits: int  # 8, 16, 32 or 64
    signed: bool = True

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - 1 if self.signed else self.bits)) - 1


class Integer(Plain):
    """JSON's unbounded integer."""

    __slots__ = ()


class Number(Plain):
    """JSON's unbounded decimal number."""

    __slots__ = ()


@dataclass(frozen=True)
class Float:
    bits: int  # 16 (half), 32 (float) or 64 (double)


@dataclass(frozen=True)
class Decimal:
    precision: int
    scale: int


class String(Plain):
    __slots__ = ()


class Bytes(Plain):
    __slots__ = ()


@dataclass(frozen=True)
class Fixed:
    size: int  # bytes
    name: str = field(default="", compare=False)  # Avro's full name


class Date(Plain):
    __slots__ = ()


@dataclass(frozen=True)
class Time:
    unit: Unit


@dataclass(frozen=True)
class Timestamp:
    """An instant where `zone` is given ("UTC", "Europe/Paris", "+02:00"), else a wall time."""

    unit: Unit
    zone: str | None = None


@dataclass(frozen=True)
class Duration:
    unit: Unit


class Uuid(Plain):
    __slots__ = ()


@dataclass(frozen=True)
class Enum:
    symbols: tuple[str, ...]
    name: str = field(default="", compare=False)  # Avro's full name


class Json(Plain):
    """A JSON value of any shape: a schema node whose keywords Instar carries but does not model."""

    __slots__ = ()


@dataclass(frozen=True)
class Reference:
    """A use of a type that is named elsewhere: Avro's second use of a name, a shared or recursive `$ref`."""

    name: str


@dataclass(frozen=True)
class Other:
    """A native type that has no logical counterpart (Arrow's interval, run-end encoded …): carried, never opened."""

    text: str


# ---- nested types
@dataclass(frozen=True)
class Field:
    """A named, typed place in a schema: a column, a record's field, a list's item, a map's value, a union's branch.

    `nullable`: may hold null. `optional`: the key may be missing altogether (JSON only). `default` is a Python value as the
    table above has it, MISSING where there is none. `extra` holds what the native document or the file's storage says
    beyond the logical schema, keyed as the format likes; it is never mutated.
    """

    name: str
    type: Type
    nullable: bool = False
    optional: bool = False
    default: Any = field(default=MISSING, hash=False)
    doc: str = ""
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def with_(self, **changes: Any) -> Field:
        return replace(self, **changes)


@dataclass(frozen=True)
class Record:
    fields: tuple[Field, ...]
    name: str = field(default="", compare=False)  # Avro's full name

    def __post_init__(self) -> None:
        index = {f.name: f for f in self.fields}
        if len(index) < len(self.fields):
            names = [f.name for f in self.fields]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise SchemaError(
                f"two fields with one name: {', '.join(map(repr, twice))}",
                hint="Field names must differ within a record; rename or drop one of them at its source.",
            )
        object.__setattr__(self, "_index", index)

    def __getitem__(self, name: str) -> Field:
        try:
            return self._index[name]  # type: ignore[attr-defined]
        except KeyError:
            raise SchemaError(f"no field {name!r}", hint=suggestion(name, self.names)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._index  # type: ignore[attr-defined]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields)


@dataclass(frozen=True)
class List:
    item: Field


TEXT = String()


@dataclass(frozen=True)
class Map:
    value: Field
    key: Type = TEXT


@dataclass(frozen=True)
class Union:
    """More than one non-null branch, each a Field named as the format names it; null-ness is the holding field's."""

    branches: tuple[Field, ...]


Scalar = (
    Null
    | Bool
    | Int
    | Integer
    | Number
    | Float
    | Decimal
    | String
    | Bytes
    | Fixed
    | Date
    | Time
    | Timestamp
    | Duration
    | Uuid
    | Enum
)
Opaque = Json | Reference | Other | Union
Type = Scalar | Opaque | Record | List | Map


@dataclass(frozen=True)
class Schema:
    """A whole schema: the root field (named "", usually a record) and the named types that its References mean.

    `open`: the format lets records hold keys that no field names (JSON). It is said by whoever reads the schema, and carried by
    mappings.
    """

    root: Field
    definitions: Mapping[str, Field] = field(default_factory=dict, hash=False)
    open: bool = field(default=False, compare=False)

    @property
    def record(self) -> Record:
        """The root as a record.

        Raises:
            SchemaError: the data are not records (an Avro file of bare longs, a JSON Schema of strings).
        """
        if not isinstance(self.root.type, Record):
            raise SchemaError(
                f"the records of this schema are {type_text(self.root.type)}, not records with fields",
                hint="Operations need records; wrap the values in a record where they are written.",
            )
        return self.root.type


def schema(*fields: Field) -> Schema:
    """A schema of a record with these fields; for tests and library callers."""
    return Schema(Field("", Record(tuple(fields))))


def children(type: Type) -> Iterator[tuple[str, Field]]:
    """The fields one level down, each with its step as text: a name, "[]", "{}" or "<branch>"."""
    match type:
        case Record(fields):
            yield from ((f.name, f) for f in fields)
        case List(item):
            yield "[]", item
        case Map(value):
            yield "{}", value
        case Union(branches):
            yield from ((f"<{f.name}>", f) for f in branches)
        case _:
            return


_SCALARS: dict[type, str] = {
    Null: "null", Bool: "bool", Integer: "integer", Number: "number", String: "string", Bytes: "bytes", Date: "date",
    Uuid: "uuid", Json: "json",
}  # fmt: skip
_FLOATS = {16: "half", 32: "float", 64: "double"}


def type_text(type: Type) -> str:
    """The type in the vocabulary of scripts, help and messages; `parse_type` reads it back."""
    match type:
        case Int(bits, signed):
            return f"{'' if signed else 'u'}int{bits}"
        case Float(bits):
            return _FLOATS[bits]
        case Decimal(precision, scale):
            return f"decimal({precision},{scale})"
        case Fixed(size):
            return f"fixed({size})"
        case Time(unit):
            return f"time({unit})"
        case Timestamp(unit, zone):
            return f"timestamp({unit}, {zone})" if zone else f"timestamp({unit})"
        case Duration(unit):
            return f"duration({unit})"
        case Enum(symbols):
            return f"enum({', '.join(map(_symbol, symbols))})"
        case Record(fields):
            return "record{" + ", ".join(f"{_plain(f.name)}: {field_text(f)}" for f in fields) + "}"
        case List(item):
            return f"list<{field_text(item)}>"
        case Map(value, String()):
            return f"map<{field_text(value)}>"
        case Map(value, key):
            return f"map<{type_text(key)}, {field_text(value)}>"
        case Union(branches):
            return f"union<{', '.join(type_text(b.type) for b in branches)}>"
        case Reference(name):
            return f"<{name}>"
        case Other(text):
            return text
        case _:
            return _SCALARS[type.__class__]


def field_text(field: Field) -> str:
    """The field's type, with `?` where it may be null."""
    return type_text(field.type) + ("?" if field.nullable else "")


def _symbol(symbol: str) -> str:
    """An enum's symbol, quoted where it would not be read back as one word."""
    plain = symbol and not any(c.isspace() or c in '<>(){},:?"' for c in symbol)
    return symbol if plain else '"' + symbol.replace('"', '""') + '"'


def _plain(name: str) -> str:
    return name if name.isidentifier() else '"' + name.replace('"', '""') + '"'
