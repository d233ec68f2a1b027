"""Avro schemas of every kind with values of them: logical types, named types used again, unions, recursion, defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]
Kind = tuple[Any, Values]
"""A type as a schema document has it, and its values as they are stored: ints and bytes also where a logical type gives meaning."""

_INT = st.integers(-(1 << 31), (1 << 31) - 1)
_LONG = st.integers(-(1 << 63), (1 << 63) - 1)
_FLOATS = st.floats(width=32) | st.sampled_from([0.0, -0.0, float("nan"), float("inf")])
_TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
_BYTES = st.binary(max_size=6)

PRIMITIVES: dict[str, Values] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": _INT,
    "long": _LONG,
    "float": _FLOATS,
    "double": st.floats(),
    "bytes": _BYTES,
    "string": _TEXT,
}
_INSTANTS = [f"{local}timestamp-{unit}" for local in ("", "local-") for unit in ("millis", "micros", "nanos")]
LOGICAL: tuple[Kind, ...] = (
    ({"type": "int", "logicalType": "date"}, _INT),
    ({"type": "int", "logicalType": "time-millis"}, _INT),
    ({"type": "long", "logicalType": "time-micros"}, _LONG),
    *(({"type": "long", "logicalType": name}, _LONG) for name in _INSTANTS),
    ({"type": "string", "logicalType": "uuid"}, st.uuids().map(str)),
    ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, st.binary(min_size=1, max_size=4)),
    ({"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 7}, st.binary(min_size=1, max_size=25)),
    ({"type": "long", "logicalType": "no-such-type", "owner": "me"}, _LONG),
    ({"type": "string", "avro.java.string": "String"}, _TEXT),
)  # fmt: skip
FIXED: tuple[tuple[dict[str, Any], int], ...] = (
    ({}, 3),
    ({}, 0),
    ({"logicalType": "duration"}, 12),
    ({"logicalType": "uuid"}, 16),
    ({"logicalType": "decimal", "precision": 18, "scale": 4}, 8),
)


@dataclass
class Naming:
    """What has been named so far: full name → its values."""

    known: dict[str, Values] = field(default_factory=dict)

    def usable(self, space: str, within: tuple[str, ...]) -> list[str]:
        """Names that can be referred to, and are complete. Within a namespace, a name without one means another."""
        return sorted(name for name in self.known if name not in within and ("." in name or not space))

    def new(self, space: str) -> tuple[str, str]:
        name = f"T{len(self.known)}"
        full = f"{space}.{name}" if space else name
        self.known[full] = st.none()
        return name, full


@st.composite
def kinds(draw: Callable[[Any], Any], naming: Naming, space: str, depth: int, within: tuple[str, ...] = ()) -> Kind:
    """A type and its values; `within` are the records around it, to which only a nullable place may refer."""
    ways = ["primitive", "primitive", "logical", "fixed", "enum", "nullable", "again"]
    ways += ["array", "map", "record", "union", "recursive"] if depth else []
    match draw(st.sampled_from(ways)):
        case "logical":
            return draw(st.sampled_from(LOGICAL))
        case "fixed":
            more, size = draw(st.sampled_from(FIXED))
            name, full = naming.new(space)
            naming.known[full] = st.binary(min_size=size, max_size=size)
            return {"type": "fixed", "name": name, "size": size, **more}, naming.known[full]
        case "enum":
            name, full = naming.new(space)
            symbols = draw(st.lists(st.sampled_from(["A", "b", "_c", "D4"]), min_size=1, unique=True))
            naming.known[full] = st.sampled_from(symbols)
            return {"type": "enum", "name": name, "symbols": symbols, "doc": "Some."}, naming.known[full]
        case "nullable":
            kind, values = draw(kinds(naming, space, max(depth - 1, 0), within))
            if kind == "null" or isinstance(kind, list):
                return kind, values
            return draw(st.permutations([kind, "null"])), st.none() | values
        case "again" if usable := naming.usable(space, within):
            full = draw(st.sampled_from(usable))
            return full, naming.known[full]
        case "recursive" if within:
            return ["null", within[-1]], st.none()
        case "array":
            kind, values = draw(kinds(naming, space, depth - 1, within))
            return {"type": "array", "items": kind}, st.lists(values, max_size=3)
        case "map":
            kind, values = draw(kinds(naming, space, depth - 1, within))
            return {"type": "map", "values": kind}, st.dictionaries(_TEXT, values, max_size=3)
        case "record":
            return draw(records(naming, space, depth - 1, within))
        case "union":
            chosen = draw(
                st.lists(st.sampled_from(["null", "boolean", "long", "double", "string", "bytes"]), min_size=2, unique=True)
            )
            record, values = draw(records(naming, space, depth - 1, within))
            return [*chosen, record], st.one_of(values, *(PRIMITIVES[name] for name in chosen))
    name = draw(st.sampled_from(sorted(PRIMITIVES)))
    return name, PRIMITIVES[name]


@st.composite
def records(draw: Callable[[Any], Any], naming: Naming, space: str, depth: int, within: tuple[str, ...] = ()) -> Kind:
    own = draw(st.sampled_from([None, None, "other.space", *([] if space else [""])]))
    name, full = naming.new(space if own is None else own)
    inner = full.rpartition(".")[0]
    fields, values = [], {}
    for i in range(draw(st.integers(0 if within else 1, 4))):
        kind, of = draw(kinds(naming, inner, depth, (*within, full)))
        fields.append({"name": f"f{i}", "type": kind, **draw(_attributes(kind))})
        values[f"f{i}"] = of
    naming.known[full] = st.fixed_dictionaries(values)
    document = {"type": "record", "name": name, "fields": fields, **({} if own is None else {"namespace": own})}
    return document, naming.known[full]


_DEFAULTS = {
    "null": [None],
    "boolean": [True],
    "int": [3],
    "long": [-4],
    "double": [1.5],
    "string": ["x\u00e9"],
    "bytes": ["\u00ff"],
}


@st.composite
def _attributes(draw: Callable[[Any], Any], kind: Any) -> dict[str, Any]:
    out = dict(draw(st.sampled_from([{}, {}, {"doc": "What."}, {"aliases": ["old"]}, {"order": "ignore"}, {"owner": ["me", 1]}])))
    first: Any = kind[0] if isinstance(kind, list) and kind else kind
    known: list[Any] = _DEFAULTS.get(first, []) if isinstance(first, str) else [[]] if first["type"] == "array" else []
    if known and draw(st.booleans()):
        out["default"] = known[0]
    return out


@st.composite
def files(draw: Callable[[Any], Any]) -> tuple[dict[str, Any], list[Any]]:
    """A record schema and some records of it."""
    schema, values = draw(records(Naming(), "", 3))
    return schema, draw(st.lists(values, max_size=5))
