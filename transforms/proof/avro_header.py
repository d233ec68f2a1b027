"""Is the schema in an Avro file's header the one that was to be written?

Read from the header's own JSON, by the rules of Avro 1.12 ("Schema Declaration", "Names", "Logical Types").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path
from instar.formats.schema import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Enum,
    Field,
    Fixed,
    Float,
    Int,
    List,
    Map,
    Null,
    Record,
    Reference,
    Schema,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    Uuid,
    field_text,
    type_text,
)  # fmt: skip

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_UNITS = {"ms": "millis", "us": "micros", "ns": "nanos"}


def misfits(document: Any, target: Schema) -> Iterator[tuple[Path, str]]:
    """Where the header's schema differs from the target: names and order, nesting, nullability, types and units."""
    yield from _Header(target.definitions).field(document, target.root, (), "")


class _Header:
    """One walk over the document; it remembers the named types it met, each with its namespace.

    `meant` is what the target's references mean: the document may define a type at its first use, wherever the target does.
    """

    def __init__(self, meant: Mapping[str, Field]) -> None:
        self.named: dict[str, tuple[Any, str]] = {}
        self.meant = meant

    def field(self, node: Any, field: Field, path: Path, space: str) -> Iterator[tuple[Path, str]]:
        node, space = self.resolved(node, space)
        branches = node if isinstance(node, list) else [node]
        real = [branch for branch in branches if _kind(branch) != "null"]
        if isinstance(field.type, Null):
            if real:
                yield path, f"it is {_text(node)}, not null"
            return
        if (len(real) < len(branches)) != field.nullable:
            yield path, f"it is {_text(node)}, not {field_text(field)}"
        elif isinstance(field.type, Union):
            if len(real) != len(field.type.branches):
                yield path, f"it is {_text(node)}, not {field_text(field)}"
                return
            for branch, inner in zip(real, field.type.branches, strict=True):
                yield from self.value(branch, inner.with_(nullable=False), (*path, Branch(inner.name)), space)
        elif len(real) != 1:
            yield path, f"it is {_text(node)}, not {field_text(field)}"
        else:
            yield from self.value(real[0], field, path, space)

    def value(self, node: Any, field: Field, path: Path, space: str) -> Iterator[tuple[Path, str]]:
        if isinstance(field.type, Reference):
            full = self.full(node, space)
            if full != field.type.name:
                yield path, f"it is {full}, not {field.type.name}"
            elif isinstance(node, dict) and full in self.meant and full not in self.named:
                yield from self.value(node, field.with_(type=self.meant[full].type), path, space)
            return
        node, space = self.resolved(node, space)
        match field.type, _kind(node):
            case Record(fields), "record" | "error":
                inside = self.define(node, space)
                names = tuple(f["name"] for f in node["fields"])
                if names != field.type.names:
                    yield path, f"its fields are {', '.join(names)}, not {', '.join(field.type.names)}"
                    return
                for child, inner in zip(node["fields"], fields, strict=True):
                    yield from self.field(child["type"], inner, (*path, inner.name), inside)
            case List(item), "array":
                yield from self.field(node["items"], item, (*path, EACH_ITEM), space)
            case Map(value), "map":
                yield from self.field(node["values"], value, (*path, EACH_VALUE), space)
            case type, kind:
                if kind in ("enum", "fixed"):
                    self.define(node, space)
                if not _holds(node, kind, type):
                    yield path, f"it is {_text(node)}, not {field_text(field)}"

    def resolved(self, node: Any, space: str) -> tuple[Any, str]:
        """The node without objects around it, a name replaced by what it names; and the namespace it stands in."""
        while isinstance(node, dict) and isinstance(node.get("type"), dict | list):
            node = node["type"]
        name = node if isinstance(node, str) else node.get("type") if isinstance(node, dict) else None
        if isinstance(name, str) and (full := self.known(name, space)):
            return self.named[full]
        return node, space

    def known(self, name: str, space: str) -> str | None:
        if name in PRIMITIVES:
            return None
        return next((full for full in (full_name(name, space), name) if full in self.named), None)

    def full(self, node: Any, space: str) -> str:
        """The full name of a named type, which is defined here or only named."""
        if isinstance(node, str):
            return self.known(node, space) or full_name(node, space)
        return full_name(node.get("name", ""), node.get("namespace", space) or "")

    def define(self, node: Any, space: str) -> str:
        """Remembers a named type; the namespace inside it."""
        full = self.full(node, space)
        self.named[full] = (node, full.rpartition(".")[0])
        return full.rpartition(".")[0]


def full_name(name: str, space: str) -> str:
    """A name as it is meant in a namespace."""
    return name if "." in name or not space else f"{space}.{name}"


def _kind(node: Any) -> str:
    return node if isinstance(node, str) else node.get("type", "") if isinstance(node, dict) else "union"


_NAMED = {
    "int8": "int", "int16": "int", "uint8": "int", "uint16": "int", "uint32": "long", "uint64": "bytes", "half": "float",
    "integer": "string", "number": "string", "json": "string", "timestamp": "long", "duration": "long",
}  # fmt: skip
"""What holds the types that `instar.type` names (times in seconds are ints, in nanoseconds longs)."""


def _holds(node: Any, kind: str, type: Type) -> bool:
    """Is a scalar one that values of that type are written as?"""
    given = node if isinstance(node, dict) else {}
    logical = given.get("logicalType")
    if (named := given.get("instar.type")) is not None:
        held = {"time(s)": "int", "time(ns)": "long"}.get(named) or _NAMED.get(named.partition("(")[0])
        return named == type_text(type) and held == kind
    match type:
        case Bool():
            return kind == "boolean"
        case Int(bits, True) if bits >= 32:
            return kind == ("long" if bits == 64 else "int") and not _known_logical(kind, logical)
        case Float(bits) if bits >= 32:
            return kind == ("double" if bits == 64 else "float")
        case String():
            return kind == "string" and logical != "uuid"
        case Bytes():
            return kind == "bytes" and (logical != "decimal" or not isinstance(given.get("precision"), int))
        case Fixed(size):
            return kind == "fixed" and given.get("size") == size
        case Uuid():
            return logical == "uuid" and (kind == "string" or (kind == "fixed" and given.get("size") == 16))
        case Enum(symbols):
            return kind == "enum" and tuple(given.get("symbols", ())) == symbols
        case Decimal(precision, scale):
            return logical == "decimal" and (given.get("precision"), given.get("scale", 0)) == (precision, scale)
        case Date():
            return (kind, logical) == ("int", "date")
        case Time(unit):
            return (kind, logical) == ("int" if unit == "ms" else "long", f"time-{_UNITS.get(unit)}")
        case Timestamp(unit, None | "UTC" as zone):
            return (kind, logical) == ("long", f"{'' if zone else 'local-'}timestamp-{_UNITS.get(unit)}")
        case _:
            return False


def _known_logical(kind: str, logical: Any) -> bool:
    """Does the attribute change what an int or a long means? (One that does not fit is ignored, says the specification.)"""
    if kind == "int":
        return logical in ("date", "time-millis")
    return logical == "time-micros" or str(logical).removeprefix("local-") in [f"timestamp-{u}" for u in _UNITS.values()]


def _text(node: Any) -> str:
    if isinstance(node, list):
        return "union of " + ", ".join(map(_text, node))
    if not isinstance(node, dict):
        return str(node)
    said = [str(node[key]) for key in ("name", "logicalType", "precision", "scale", "size") if key in node]
    return (
        _kind(node)
        if not isinstance(node.get("type"), dict | list)
        else _text(node["type"]) + (f" ({', '.join(said)})" if said else "")
    )
