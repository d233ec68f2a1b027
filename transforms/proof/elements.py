"""A Parquet file's own schema, element by element, as DuckDB's reader sees it; and whether it is the one that was to be written.

Source of the rules: parquet-format, LogicalTypes.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from instar.formats.path import EACH_ITEM, EACH_VALUE, Path
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
    Json,
    List,
    Map,
    Record,
    Schema,
    String,
    Time,
    Timestamp,
    Type,
    Uuid,
    field_text,
)  # fmt: skip


@dataclass(frozen=True)
class Element:
    """One element of the footer's schema tree: a group where `physical` is empty, else a leaf."""

    name: str
    physical: str
    length: int
    repetition: str
    converted: str
    logical: str
    scale: int
    precision: int
    children: tuple[Element, ...] = ()

    def __str__(self) -> str:
        what = self.logical or self.converted or (f"fixed of {self.length}" if self.length else self.physical) or "group"
        return f"{self.repetition.lower()} {self.physical or 'group'}" + (f" ({what})" if what != self.physical else "")

    def leaves(self) -> Iterator[Element]:
        """The leaves below, in file order; a leaf's only leaf is itself."""
        if self.physical:
            yield self
        for child in self.children:
            yield from child.leaves()

    def has_map_of_keys(self) -> bool:
        """Is there a map without values below?"""
        is_map = self.converted in ("MAP", "MAP_KEY_VALUE") or self.logical.startswith("Map")
        keys = is_map and len(self.children) == 1 and len(self.children[0].children) == 1
        return keys or any(child.has_map_of_keys() for child in self.children)

    def nameless(self) -> bool:
        """Is there a field without a name below?"""
        return any(not child.name or child.nameless() for child in self.children)


EMPTY = Element("schema", "", 0, "REQUIRED", "", "", 0, 0)
"""The root of a file without columns."""


# ---- is it the target?
@dataclass(frozen=True)
class Misfit:
    path: Path
    message: str


def misfits(root: Element, target: Schema) -> Iterator[Misfit]:
    """Where a file's elements are not those of a schema: names and order, nesting, nullability, types and units."""
    yield from _group(root, target.record, ())


def _group(group: Element, record: Record, path: Path) -> Iterator[Misfit]:
    names = tuple(child.name for child in group.children)
    if names != record.names:
        yield Misfit(path, f"its fields are {', '.join(names) or 'none'}, not {', '.join(record.names) or 'none'}")
        return
    for child, field in zip(group.children, record.fields, strict=True):
        yield from _field(child, field, (*path, field.name))


def _field(element: Element, field: Field, path: Path) -> Iterator[Misfit]:
    if element.repetition != "REPEATED" and (element.repetition == "OPTIONAL") != field.nullable:
        yield Misfit(path, f"it is {element.repetition.lower()} in the file, but {field_text(field)} in the schema")
    match field.type:
        case Record() as record if not element.physical:
            yield from _group(element, record, path)
        case List(item):
            inner = item_of(element)
            if inner is not None:
                yield from _field(inner, item, (*path, EACH_ITEM))
            elif element.repetition != "REPEATED":  # a repeated field is a list of itself, and names no item
                yield Misfit(path, f"it is {element}, not {field_text(field)}")
        case Map(value):
            pair = element.children[0].children if len(element.children) == 1 else ()
            if len(pair) == 2:
                yield from _field(pair[1], value, (*path, EACH_VALUE))
            elif len(pair) != 1:  # a map without values is a legal oddity
                yield Misfit(path, f"it is {element}, not {field_text(field)}")
        case type if not _holds(element, type):
            yield Misfit(path, f"it is {element}, not {field_text(field)}")


def item_of(group: Element) -> Element | None:
    """A list's item (LogicalTypes.md, backward compatibility rules); None where the repeated element has no name of its own."""
    if group.physical or len(group.children) != 1 or group.children[0].repetition != "REPEATED":
        return None
    repeated = group.children[0]
    wrapped = len(repeated.children) == 1 and repeated.name != "array" and repeated.name != f"{group.name}_tuple"
    return repeated.children[0] if wrapped else repeated


_TEXT = ("UTF8", "ENUM", "JSON")
_UNITS = {"MILLIS": "ms", "MICROS": "us", "NANOS": "ns"}


def _holds(element: Element, type: Type) -> bool:
    """Is a leaf one that values of that type are written as?"""
    physical, converted, logical = element.physical, element.converted, element.logical
    match type:
        case Bool():
            return physical == "BOOLEAN"
        case Int(bits, signed):
            if physical != ("INT64" if bits == 64 else "INT32") or logical.startswith(("Time", "Date", "Decimal")):
                return False
            return converted == f"{'' if signed else 'U'}INT_{bits}" or (not converted and signed and bits >= 32)
        case Float(16):
            return logical.startswith("Float16")
        case Float(bits):
            return physical == ("DOUBLE" if bits == 64 else "FLOAT")
        case Decimal(precision, scale):
            return (converted == "DECIMAL" or logical.startswith("Decimal")) and (element.precision, element.scale) == (
                precision,
                scale,
            )
        case String() | Enum():
            return physical == "BYTE_ARRAY" and (converted in _TEXT or logical.startswith(("String", "Enum", "Json")))
        case Json():
            return physical == "BYTE_ARRAY"
        case Bytes():
            return physical == "BYTE_ARRAY" and converted not in ("UTF8", "DECIMAL")
        case Fixed(size):
            return physical == "FIXED_LEN_BYTE_ARRAY" and element.length == size and converted != "DECIMAL"
        case Uuid():
            return physical == "FIXED_LEN_BYTE_ARRAY" and element.length == 16
        case Date():
            return physical == "INT32" and (converted == "DATE" or logical.startswith("Date"))
        case Time(unit):
            return _unit(element, "Time") == ("ms" if unit == "s" else unit)
        case Timestamp(unit, zone):
            if physical == "INT96":
                return True
            utc = re.search(r"isAdjustedToUTC=(\d)", logical)
            return _unit(element, "Timestamp") == ("ms" if unit == "s" else unit) and (utc is None or (utc[1] == "1") == bool(zone))
        case Duration():
            return physical == "INT64" and not converted and not logical
        case _:
            return True


def _unit(element: Element, kind: str) -> str | None:
    """The unit of a time or a timestamp leaf; None where it is something else."""
    if element.logical.startswith(f"{kind}Type"):
        found = re.search(r"(MILLIS|MICROS|NANOS)=(?!<null>)", element.logical)
        return _UNITS[found[1]] if found else None
    return {f"{kind.upper()}_MILLIS": "ms", f"{kind.upper()}_MICROS": "us"}.get(element.converted)


# ---- is it exact in DuckDB?
def exact(element: Element) -> bool:
    """Does DuckDB hold every value below this element exactly?"""
    return not element.nameless() and all(_exact_leaf(leaf) for leaf in element.leaves())


def _exact_leaf(leaf: Element) -> bool:
    if leaf.physical == "INT96" or leaf.converted in ("INTERVAL", "BSON"):
        return False
    if leaf.converted == "DECIMAL" or leaf.logical.startswith("Decimal"):
        return leaf.precision <= 38
    known = ("", "String", "Int", "Date", "Time", "UUID", "Null", "Enum", "Json", "List", "Map")
    return leaf.logical == "" or leaf.logical.startswith(known[1:])
