"""A JSON Schema document to the logical schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal as Exact
from typing import Any

from instar.formats.errors import DataError, SchemaError
from instar.formats.logical import TAGS, tags_of
from instar.formats.logical import TYPE as LOGICAL
from instar.formats.numbertext import DIGITS
from instar.formats.schema import (
    MISSING,
    Bool,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Null,
    Number,
    Record,
    Reference,
    Schema,
    String,
    Type,
    Union,
)  # fmt: skip

from .branches import Branches, branch_names
from .held import held_as, named_type
from .keywords import LONE_REFERENCES, Node, draft_of, everywhere, only_annotates, pointer_text
from .origin import CHILD, DEFINITION, INLINED, LIBRARY, ORIGIN, PINNED, WHOLE, Layer, Origin, kind_of
from .references import Definition, References, resolved
from .scalars import scalar_decoder
from .text import dumps, loads

SIZED: dict[tuple[str, str], Type] = {
    **{("integer", f"int{bits}"): Int(bits) for bits in (8, 16, 32, 64)},
    **{("integer", f"uint{bits}"): Int(bits, signed=False) for bits in (8, 16, 32, 64)},
    ("number", "float"): Float(32),
    ("number", "double"): Float(64),
}
"""What `format` says of a number's size: https://spec.openapis.org/registry/format/ (there "float" and "double" are IEEE 754)."""

_PLAIN: dict[str, Type] = {
    "string": String(),
    "boolean": Bool(),
    "integer": Integer(),
    "number": Number(),
    "null": Null(),
}


def parse(text: str, library: Mapping[str, str] | None = None) -> Schema:
    """A document of draft-04 to 2020-12 to the logical schema; `library` is other registered documents by name.

    Raises:
        SchemaError: not valid JSON, not a valid JSON Schema, or a `$ref` that leads nowhere; names the place.
    """
    try:
        return _parsed(loads(text), library or {})
    except RecursionError:
        raise SchemaError(
            "the JSON Schema is nested too deeply to be read", hint="Give the inner parts names, and $ref them."
        ) from None


def _parsed(document: Any, library: Mapping[str, str]) -> Schema:
    check(document)
    reader = _Reader(resolved(document, library), draft_of(document))
    root = reader.field("", document)
    extra = dict(root.extra)
    if pinned := reader.pinned():
        extra[PINNED] = pinned
    if reader.inlined_here:
        extra[INLINED] = tuple(reader.inlined_here)
    if reader.references.library:
        extra[LIBRARY] = dict(reader.references.library)
    root = root.with_(extra=extra)
    definitions = {**reader.definitions, WHOLE: root} if WHOLE in reader.definitions else dict(reader.definitions)
    return Schema(root, definitions, open=True)


def check(document: Any) -> None:
    """Raises:
    SchemaError: the document is not valid by its metaschema; names the place.
    """
    import jsonschema_rs

    if not isinstance(document, dict | bool):
        raise SchemaError("a JSON Schema is an object (or true or false)", hint='Begin with {"type": "object", "properties": …}.')
    draft = draft_of(document)
    plain = {**document, "$schema": draft} if isinstance(document, dict) else document
    if not jsonschema_rs.meta.is_valid(plain) and (problem := _problem(document, draft)):
        place, what = problem
        raise SchemaError(
            f"the JSON Schema is not valid at {place}: {what}", hint=f"It is checked against {draft}; correct it at that place."
        )
    _check_patterns(document)


def _problem(document: Any, draft: str) -> tuple[str, str] | None:
    """What is wrong by the metaschema: place and what; None where only a `format` is, such as a `$ref` with `<` in its text, which
    generators from TypeScript write and every reader takes."""
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for

    validator = validator_for({"$schema": draft})
    error = best_match(validator(validator.META_SCHEMA).iter_errors(document))
    return (pointer_text(tuple(map(str, error.absolute_path))), error.message) if error else None


def _check_patterns(document: Node) -> None:
    import jsonschema_rs

    for place, node in everywhere(document):
        patterns = [node["pattern"]] if isinstance(node, dict) and "pattern" in node else []
        for pattern in [*patterns, *(node.get("patternProperties", ()) if isinstance(node, dict) else ())]:
            try:
                jsonschema_rs.validator_for({"pattern": pattern})
            except (jsonschema_rs.ValidationError, ValueError):
                raise SchemaError(
                    f"the JSON Schema is not valid at {pointer_text(place)}: {pattern!r} is not a regular expression of ECMA-262",
                    hint="Correct the pattern; it is what records are checked with.",
                ) from None


@dataclass(frozen=True)
class _Reader:
    """One document on its way to fields. `modelled` is the nodes whose `$ref` became a layer or a Reference."""

    references: References
    draft: str
    definitions: dict[str, Field] = field(default_factory=dict)
    modelled: set[int] = field(default_factory=set)
    inlined_here: list[Definition] = field(default_factory=list)

    def field(self, name: str, node: Node, *, optional: bool = False) -> Field:
        layers, inner = self.unwrapped(node)
        type, nullable, last = self.shape(inner)
        if isinstance(inner, dict) and LOGICAL in inner:
            names, _ = _types(inner)
            plain = names[0] if names is not None and len(names) == 1 and "enum" not in inner else None
            type = named_type(inner[LOGICAL], type, plain, name or "the schema")
        layers = (*layers, Layer(last))
        nullable = nullable or any(layer.wraps_null() for layer in layers[:-1])
        doc = _doc(layers)
        default = next(
            (layer.node["default"] for layer in layers if isinstance(layer.node, dict) and "default" in layer.node), MISSING
        )
        default = default if default is MISSING else value_of(default, type, nullable)
        tags = _tags(layers, name)
        origin = Origin(layers, kind_of(type), nullable, doc, default, tags)
        return Field(name, type, nullable, optional, default, doc, tags, extra={ORIGIN: origin})

    def unwrapped(self, node: Node) -> tuple[tuple[Layer, ...], Node]:
        """The layers around the node that has the type, and that node."""
        layers: list[Layer] = []
        while isinstance(node, dict):
            inlined = self.inlined(node)
            if inlined is not None:
                layers.append(Layer(node, inlined))
                self.inlined_here.append(inlined)
                self.modelled.add(id(node))
                node = self.references.target(node)
                continue
            wrapper = _nullable_wrapper(node) or _single_all_of(node)
            if wrapper is None or (wrapper[0] != "allOf" and any(layer.wraps_null() for layer in layers)):
                break
            keyword, at = wrapper
            below = node[keyword]
            layers.append(Layer({**node, keyword: [CHILD if i == at else other for i, other in enumerate(below)]}))
            node = below[at]
        return tuple(layers), node

    def inlined(self, node: dict[str, Any]) -> Definition | None:
        """The definition that the node's `$ref` means, where nothing else uses it and the node says nothing else of the value."""
        if "$ref" not in node or not self.alone(node):
            return None
        target = self.references.target(node)
        return self.references.definition(target) if self.references.used(target) == 1 else None

    def alone(self, node: dict[str, Any]) -> bool:
        """Does `$ref` alone decide?"""
        return self.draft in LONE_REFERENCES or only_annotates(node, but="$ref")

    def shape(self, node: Node) -> tuple[Type, bool, Node]:
        """The type, whether it takes null, and the node with its child schemas left out."""
        if not isinstance(node, dict):
            return Json(), node, node
        if "$ref" in node:
            return self.referring(node)
        if (union := self.union(node)) is not None:
            return union
        names, nullable = _types(node)
        if names is None and "properties" in node:
            names, nullable = ["object"], False
        match names:
            case ["object"]:
                return self.object(node, nullable)
            case ["array"] if isinstance(node.get("items"), dict | bool) and "prefixItems" not in node:
                return List(self.field("item", node["items"])), nullable, {**node, "items": CHILD}
            case ["array"] if "items" not in node and "prefixItems" not in node:
                return List(Field("item", Json(), nullable=True)), nullable, node
            case ["string"] | None if _symbols(node, nullable) is not None:
                takes_null = None in node["enum"] and (nullable or names is None)
                return Enum(_symbols(node, nullable) or ()), takes_null, node
            case [name] if (name, str(node.get("format"))) in SIZED:
                return SIZED[name, str(node["format"])], nullable, node
            case [name] if name in _PLAIN:
                return _PLAIN[name], nullable or name == "null", node
        return Json(), _takes_null(node, names, nullable), node

    def union(self, node: dict[str, Any]) -> tuple[Type, bool, Node] | None:
        """`anyOf` or `oneOf` whose branches a value tells apart; None for anything else, which stays of any shape."""
        keyword = next((k for k in ("anyOf", "oneOf") if isinstance(node.get(k), list)), "")
        nodes = [each for each in node.get(keyword, ()) if each != _NULL]
        if len(nodes) < 2 or not all(isinstance(each, dict) for each in nodes) or not only_annotates(node, but=keyword):
            return None
        # tried first: what is found on the way counts only if the branches can be told apart
        trial = replace(self, definitions=dict(self.definitions), modelled=set(self.modelled), inlined_here=list(self.inlined_here))
        fields = [trial.field("", each) for each in nodes]
        branches = tuple(f.with_(name=name) for f, name in zip(fields, branch_names(fields), strict=True))
        if Branches(branches, trial.definitions).alike():
            return None
        self.definitions.update(trial.definitions)
        self.modelled.update(trial.modelled)
        self.inlined_here[:] = trial.inlined_here
        nullable = len(nodes) < len(node[keyword])
        return Union(branches), nullable, {**node, keyword: [each if each == _NULL else CHILD for each in node[keyword]]}

    def referring(self, node: dict[str, Any]) -> tuple[Type, bool, Node]:
        """A `$ref` to what several places share, or what refers to itself; else a value of any shape."""
        if not self.alone(node):
            return Json(), True, node
        target = self.references.target(node)
        if target is self.references.document:
            self.definitions[WHOLE] = Field(WHOLE, Json())
            return Reference(WHOLE), False, node
        definition = self.references.definition(target)
        if definition is None:
            return Json(), True, node
        self.modelled.add(id(node))
        name = self.name_of(definition)
        if name not in self.definitions:
            # known from here on: the definition may refer to itself
            self.definitions[name] = Field(name, Json(), nullable=isinstance(target, dict) and _types(target)[1])
            found = self.field(name, target)
            self.definitions[name] = found.with_(extra={**found.extra, DEFINITION: definition})
        return Reference(name), self.definitions[name].nullable, node

    def name_of(self, definition: Definition) -> str:
        """The definition's name, with its container where another container has the same name."""
        container, name = definition
        same = [other for other in self.references.definitions.values() if other[1] == name]
        return name if len(same) == 1 else f"{container}/{name}"

    def object(self, node: dict[str, Any], nullable: bool) -> tuple[Type, bool, Node]:
        values = node.get("additionalProperties")
        if "properties" not in node and isinstance(values, dict) and "patternProperties" not in node:
            return Map(self.field("value", values)), nullable, {**node, "additionalProperties": CHILD}
        required = set(node.get("required", ()))
        properties: dict[str, Node] = node.get("properties", {})
        fields = tuple(self.field(name, sub, optional=name not in required) for name, sub in properties.items())
        last = {**node, "properties": list(properties)} if "properties" in node else node
        return Record(fields), nullable, last

    def pinned(self) -> dict[str, Any]:
        """What the references that only ride along point at, by URI: a change there would change their meaning unseen."""
        riding = [node for node in self.references.reached([self.references.document]) if id(node) not in self.modelled]
        reached = [*riding, *self.references.reached([self.references.target(node) for node in riding])]
        return {self.references.uris[id(node)]: self.references.target(node) for node in reached}


_NULL = {"type": "null"}


def _doc(layers: tuple[Layer, ...]) -> str:
    """The outermost description, else the outermost title."""
    nodes = [layer.node for layer in layers if isinstance(layer.node, dict)]
    found = (node[keyword] for keyword in ("description", "title") for node in nodes if keyword in node)
    return next(found, "")


def _tags(layers: tuple[Layer, ...], name: str) -> tuple[str, ...]:
    """The outermost tags."""
    nodes = [layer.node for layer in layers if isinstance(layer.node, dict)]
    return next((tags_of(node[TAGS], name or "the schema") for node in nodes if TAGS in node), ())


def _nullable_wrapper(node: dict[str, Any]) -> tuple[str, int] | None:
    """`{"anyOf": [X, {"type": "null"}]}` in either order: the keyword and where X is."""
    for keyword in ("anyOf", "oneOf"):
        branches = node.get(keyword)
        if isinstance(branches, list) and len(branches) == 2 and only_annotates(node, but=keyword):
            nulls = [i for i, branch in enumerate(branches) if branch == {"type": "null"}]
            other = branches[1 - nulls[0]] if len(nulls) == 1 else True
            if isinstance(other, dict) and not (keyword == "oneOf" and _may_be_null(other)):
                return keyword, 1 - nulls[0]
    return None


def _may_be_null(node: dict[str, Any]) -> bool:
    """Under oneOf, a branch that takes null itself makes null match twice, hence not at all."""
    names, nullable = _types(node)
    return "$ref" not in node and (nullable or names is None or names == ["null"])


def _single_all_of(node: dict[str, Any]) -> tuple[str, int] | None:
    """`{"allOf": [{"$ref": …}], "description": …}`: how older generators put words beside a `$ref`."""
    parts = node.get("allOf")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict) and "$ref" in parts[0]:
        return ("allOf", 0) if only_annotates(node, but="allOf") else None
    return None


def _types(node: dict[str, Any]) -> tuple[list[str] | None, bool]:
    """`type` as the names other than "null" (None where there is no `type`), and whether "null" is among them."""
    said = node.get("type")
    if said is None:
        return None, False
    names = [said] if isinstance(said, str) else list(said)
    others = [name for name in names if name != "null"]
    return (others, len(others) < len(names)) if others else (["null"], True)


def _symbols(node: dict[str, Any], nullable: bool) -> tuple[str, ...] | None:
    """The symbols where `enum` is some different strings, and null at most where the type (if there is one) takes it."""
    values = node.get("enum")
    if not isinstance(values, list):
        return None
    symbols = [value for value in values if isinstance(value, str)]
    rest = [value for value in values if not isinstance(value, str)]
    if not symbols or len(set(symbols)) < len(symbols) or rest not in ([], [None]):
        return None
    if nullable or "type" not in node or not rest:
        return tuple(symbols)
    return None


def _takes_null(node: dict[str, Any], names: list[str] | None, nullable: bool) -> bool:
    """May a node of no modelled shape be null? Where only its combinators could tell: yes."""
    if names is not None and not nullable:
        return False
    if "enum" in node and None not in node["enum"]:
        return False
    return node.get("const") is None and node.get("not") != {"type": "null"}


def _is_whole(value: Any) -> bool:
    if isinstance(value, Exact):
        return value.adjusted() < DIGITS and value == value.to_integral_value()
    return isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)


def value_of(value: Any, type: Type, nullable: bool = False) -> Any:
    """A `default` as the logical type's Python value; MISSING where it is not one (JSON Schema does not check defaults)."""
    if value is not None and held_as(type) is not None:
        try:
            return scalar_decoder(Field("", type))(dumps(value).encode())
        except DataError:
            return MISSING
    whole = _is_whole(value)
    match type, value:
        case _, None:
            return None if nullable else MISSING
        case Json(), _:
            return value
        case Bool(), bool():
            return value
        case Number(), int() | float() | Exact() if not isinstance(value, bool):
            return Exact(repr(value)) if isinstance(value, float) else value
        case Float(), int() | float() if not isinstance(value, bool):
            return float(value)
        case Integer(), _ if whole:
            return int(value)
        case Int(), _ if whole and type.low <= value <= type.high:
            return int(value)
        case String(), str():
            return value
        case Enum(symbols), str() if value in symbols:
            return value
        case List(item), list():
            items = [value_of(v, item.type, item.nullable) for v in value]
            return MISSING if MISSING in items else items
        case Map(of), dict():
            values = {k: value_of(v, of.type, of.nullable) for k, v in value.items()}
            return MISSING if MISSING in values.values() else values
        case Record(), dict() if all(name in type for name in value):
            values = {k: value_of(v, type[k].type, type[k].nullable) for k, v in value.items()}
            return MISSING if MISSING in values.values() else values
    return MISSING
