"""What a JSON Schema node said beyond its logical type, kept on the field it became: `Field.extra["json"]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from instar.formats.logical import TYPE as LOGICAL
from instar.formats.schema import MISSING, Field, List, Map, Record, Type, Union, type_text

from .keywords import Node
from .references import Definition

ORIGIN = "json"
PINNED = "json.pinned"
LIBRARY = "json.library"
INLINED = "json.inlined"
DEFINITION = "json.definition"
"""Keys of `Field.extra`: a node's Origin; on the root the targets of references that cannot follow a change, the registered
documents referred to, and the definitions that were inlined; on a definition its place in the document."""

WHOLE = "#"
"""The name of the whole document as a type that refers to itself."""

CHILD = None
"""Stands in a layer where a schema was that became a field or the next layer; null is no schema, so it cannot be mistaken."""


@dataclass(frozen=True)
class Layer:
    """One node on the way to a field's type, its child schemas replaced by CHILD (`properties` by the list of names).

    The last layer has the type. Those before it wrap it: `{"anyOf": [CHILD, {"type": "null"}]}`, `{"allOf": [CHILD]}`, or a
    `$ref` to the `definition` where the next layer stands.
    """

    node: Node
    definition: Definition | None = None

    def wraps_null(self) -> str:
        """ "anyOf" or "oneOf" where the layer lets null through, else ""."""
        return next((k for k in ("anyOf", "oneOf") if isinstance(self.node, dict) and CHILD in (self.node.get(k) or ())), "")


@dataclass(frozen=True)
class Origin:
    """The layers of a field's node, outermost first, and what they were read as; what still reads so is rendered as it was."""

    layers: tuple[Layer, ...]
    kind: str
    nullable: bool = False
    doc: str = ""
    default: Any = field(default=MISSING, hash=False)
    tags: tuple[str, ...] = ()

    @property
    def last(self) -> Node:
        """The node that has the type."""
        return self.layers[-1].node

    @property
    def wraps_null(self) -> bool:
        """Does a layer around the type let null through?"""
        return any(layer.wraps_null() for layer in self.layers[:-1])


NEW = Origin((Layer({}),), "")
"""Of a field that no document spoke of."""


def origin_of(field: Field) -> Origin:
    """The field's origin; NEW where no JSON Schema said anything of it."""
    found = field.extra.get(ORIGIN)
    return found if isinstance(found, Origin) else NEW


def kind_of(type: Type) -> str:
    """The type without what is below it: "record", "list", "map", "json", else its text."""
    match type:
        case Record():
            return "record"
        case List():
            return "list"
        case Map():
            return "map"
        case Union():
            return "union"
        case _:
            return type_text(type)


def group_of(kind: str) -> str:
    """The JSON type whose keywords apply to a node of this kind; "" for any (json, references)."""
    known = {
        "record": "object",
        "map": "object",
        "list": "array",
        "bool": "boolean",
        "null": "null",
        "string": "string",
        "json": "",
        "union": "",
        "": "",
    }
    if kind.startswith(_TEXTS):
        return "string"
    return known.get(kind, "" if kind.startswith("<") else "number")


_TEXTS = ("enum(", "date", "time(", "timestamp(", "uuid", "bytes", "fixed(")
"""How the kinds begin that are strings in JSON."""


def owned_by(kind: str) -> frozenset[str]:
    """The keywords of a node that say its type; all others only ride along."""
    match kind:
        case "" | "json":
            return frozenset()
        case "union":
            return frozenset({"anyOf", "oneOf"})
        case "record":
            return frozenset({"type", "properties", "required"})
        case "map":
            return frozenset({"type", "additionalProperties"})
        case "list":
            return frozenset({"type", "items"})
        case "string" | "bool" | "null" | "integer" | "number":
            return frozenset({"type", LOGICAL})
        case _ if kind.startswith("<"):
            return frozenset({"$ref"})
        case _ if kind.startswith("enum("):
            return frozenset({"type", "enum", LOGICAL})
        case _:
            return frozenset({"type", "format", LOGICAL}) | ({"contentEncoding"} if kind.startswith(("bytes", "fixed(")) else set())


def documents(root: Field) -> Mapping[str, Any]:
    """The registered documents that the schema refers to, by URI and by name."""
    return root.extra.get(LIBRARY, {})
