"""The logical schema to a JSON Schema document: what did not change is written as it was, the rest canonically."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from instar.formats.errors import SchemaError
from instar.formats.logical import TAGS
from instar.formats.logical import TYPE as LOGICAL
from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
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
    type_text,
)  # fmt: skip

from .branches import Branches
from .defaults import default_node
from .held import KEYWORDS, held_as
from .keywords import COMBINATORS, DRAFT_2020, FIXED_VALUES, REFERENCES, Node, applies, reference_to
from .origin import CHILD, DEFINITION, INLINED, NEW, WHOLE, Layer, Origin, documents, group_of, kind_of, origin_of, owned_by
from .references import Definition, resolved
from .stale import refuse_gone_names, refuse_moved_targets
from .text import dumps, equal, loads

_NULL = {"type": "null"}
_KEEP = object()
_SIZES = {Float(32): "float", Float(64): "double"}


def render(schema: Schema) -> str:
    """The document as text.

    Raises:
        SchemaError: a type that JSON does not have (names the place, and what JSON has instead), or a change that would alter
            the meaning of a keyword which Instar carries but does not edit.
    """
    try:
        return dumps(rendered(schema)) + "\n"
    except RecursionError:
        raise SchemaError("the schema is nested too deeply to be written", hint="Flatten the records.") from None


def rendered(schema: Schema) -> Node:
    """The document as JSON."""
    writer = _Writer(schema)
    document = writer.node(schema.root, ())
    for name, definition in schema.definitions.items():
        if name != WHOLE:
            writer.placed[_place(name, definition)] = writer.node(definition, ())
    if isinstance(document, dict):
        if origin_of(schema.root) is NEW:
            document = {"$schema": DRAFT_2020, **document}
        document = writer.with_definitions(document)
    document = loads(dumps(document))  # nothing in it is shared with the schema's own extra
    refuse_moved_targets(schema, resolved(document, documents(schema.root)))
    return document


def _place(name: str, definition: Field) -> Definition:
    return definition.extra.get(DEFINITION) or ("$defs", name)


@dataclass
class _Writer:
    """One document being written; `placed` collects the definitions that stand at its root."""

    schema: Schema
    placed: dict[Definition, Node] = field(default_factory=dict)

    def node(self, f: Field, path: Path) -> Node:
        """The node of a field; a definition that only it uses is put aside into `placed`."""
        origin = origin_of(f)
        node = self.last(f, origin, path)
        if origin.nullable and not f.nullable:
            node = _without_null(f, node, origin, path)
        for layer in reversed(origin.layers[:-1]):
            node = self.around(layer, node, f.nullable)
        if _null_by(f, origin) == "new wrapper":
            node = {"anyOf": [node, dict(_NULL)]}
        return _annotated(f, node, origin, self.schema)

    # ---- the node that has the type
    def last(self, f: Field, origin: Origin, path: Path) -> Node:
        same = kind_of(f.type) == origin.kind
        before = origin.last
        if not isinstance(before, dict):
            if same:
                return before
            before = {}
        said = self.said(f, origin, before, same, path)
        if same and LOGICAL in before:
            said[LOGICAL] = _KEEP
        stale = KEYWORDS - said.keys() if not same and held_as(f.type) is not None else frozenset()
        group = group_of(kind_of(f.type))
        foreign = not same and group != group_of(origin.kind)
        out: dict[str, Any] = {}
        for keyword, value in before.items():
            if keyword in said:
                out[keyword] = value if said[keyword] is _KEEP else said[keyword]
            elif keyword not in owned_by(origin.kind) | stale and not (foreign and _leaves(keyword, group)):
                out[keyword] = value
        out.update((keyword, value) for keyword, value in said.items() if keyword not in before and value is not _KEEP)
        if same and isinstance(f.type, Record):
            refuse_gone_names(before, f.type, path)
        return out

    def said(self, f: Field, origin: Origin, before: dict[str, Any], same: bool, path: Path) -> dict[str, Any]:
        """The keywords of the field's type, in the order a new node has them; _KEEP where the old text still says it."""
        had_null, has_null = _type_has_null(before), _null_by(f, origin) == "type"
        if same and origin.nullable and f.nullable:
            has_null = had_null

        def typed(name: str) -> dict[str, Any]:
            return {"type": _KEEP if same and had_null == has_null else [name, "null"] if has_null else name}

        match f.type:
            case String():
                return typed("string")
            case Bool():
                return typed("boolean")
            case Integer():
                return typed("integer")
            case Number():
                return typed("number")
            case Int(bits, signed):
                return {**typed("integer"), "format": _KEEP if same else f"{'' if signed else 'u'}int{bits}"}
            case Float() if f.type in _SIZES:
                return {**typed("number"), "format": _KEEP if same else _SIZES[f.type]}
            case Null():
                return {"type": _KEEP if same else "null"}
            case Enum(symbols):
                values = [*symbols, None] if has_null or (same and f.nullable and None in before["enum"]) else list(symbols)
                unchanged = same and sorted(values, key=str) == sorted(before["enum"], key=str)
                untyped = same and "type" not in before
                return {**({} if untyped else typed("string")), "enum": _KEEP if unchanged else values}
            case List(item):
                if same and "items" not in before and origin_of(item) is NEW and isinstance(item.type, Json):
                    return typed("array")
                return {**typed("array"), "items": self.node(item, (*path, EACH_ITEM))}
            case Map(value, String()):
                return {**typed("object"), "additionalProperties": self.node(value, (*path, EACH_VALUE))}
            case Record():
                return {**typed("object"), **self.members(f.type, before if same else {}, path)}
            case Json():
                return {}
            case Reference(name):
                return {"$ref": _KEEP if same else self.reference(name)}
            case Union() if same:
                return self.branches(f, f.type, before, path)
        if (held := held_as(f.type)) is not None:
            more = {**held.keywords, LOGICAL: type_text(f.type)}
            return {**typed(held.name), **(dict.fromkeys(more, _KEEP) if same else more)}
        raise _not_in_json(f.type, path)

    def branches(self, f: Field, union: Union, before: dict[str, Any], path: Path) -> dict[str, Any]:
        """`anyOf` or `oneOf`; where null stood among the branches it stays while the field may be null."""
        if alike := Branches(union.branches, self.schema.definitions).alike():
            raise SchemaError(
                f"whether a value of {path_text(path)} is of <{alike[0]}> or of <{alike[1]}> could no longer be told",
                hint="JSON does not say it: keep the JSON types, fixed texts or required keys in which they differ.",
            )
        keyword = "anyOf" if isinstance(before.get("anyOf"), list) else "oneOf"
        nodes = iter([self.node(b, (*path, Branch(b.name))) for b in union.branches])
        return {keyword: [next(nodes) if each is CHILD else each for each in before[keyword] if each is CHILD or f.nullable]}

    def members(self, record: Record, before: dict[str, Any], path: Path) -> dict[str, Any]:
        """`properties` and `required`; a name that is required without being a property stays so."""
        beyond = [name for name in before.get("required", ()) if name not in before.get("properties", ())]
        now = [f.name for f in record.fields if not f.optional]
        required = [*now, *(name for name in beyond if name not in now)]
        required = _in_place(before.get("required", ()), required)
        out: dict[str, Any] = {}
        if record.fields or "properties" in before or not before:
            out["properties"] = {f.name: self.node(f, (*path, f.name)) for f in record.fields}
        if required or "required" in before:
            out["required"] = required
        return out

    def reference(self, name: str) -> str:
        if name == WHOLE:
            return WHOLE
        if name not in self.schema.definitions:
            raise SchemaError(f"the type <{name}> is not defined in this schema")
        return reference_to(*_place(name, self.schema.definitions[name]))

    # ---- what stands around it
    def around(self, layer: Layer, below: Node, nullable: bool) -> Node:
        assert isinstance(layer.node, dict)
        if layer.definition is not None:
            if equal(self.placed.setdefault(layer.definition, below), below):
                return dict(layer.node)
            return _merged(layer.node, below, but="$ref")
        keyword = layer.wraps_null()
        if keyword and not nullable:
            return _merged(layer.node, below, but=keyword)
        keyword = keyword or "allOf"
        return {**layer.node, keyword: [below if part is CHILD else part for part in layer.node[keyword]]}

    def with_definitions(self, document: dict[str, Any]) -> dict[str, Any]:
        """The root with its definitions where they were; one that only a place which is gone used, goes too."""
        out = dict(document)
        for (container, name), node in self.placed.items():
            out[container] = {**out.get(container, {}), name: node}
        for container, name in self.schema.root.extra.get(INLINED, ()):
            if (container, name) not in self.placed and name in out.get(container, ()):
                out[container] = {k: v for k, v in out[container].items() if k != name}
                if not out[container]:
                    del out[container]
        return out


def _in_place(before: Sequence[str], now: list[str]) -> list[str]:
    """The names in the order they had; new ones where others went (most were renamed), the rest last."""
    new = iter([name for name in now if name not in before])
    kept = [name if name in now else next(new, None) for name in before]
    return [*(name for name in kept if name is not None), *new]


def _null_by(f: Field, origin: Origin) -> str:
    """What lets null into the field's node: "type" (and `enum`), "old" (as the document already had it), "new wrapper", or ""."""
    same = kind_of(f.type) == origin.kind
    if not f.nullable:
        return ""
    if origin.wraps_null or (same and origin.nullable and isinstance(f.type, Json | Reference | Union)):
        return "old"
    if isinstance(f.type, Json) and not same:
        return "old"  # an empty node takes anything
    if isinstance(f.type, Json | Reference | Union):
        return "new wrapper"
    if same and not origin.nullable and isinstance(origin.last, dict):
        strict = COMBINATORS | REFERENCES | (FIXED_VALUES - owned_by(origin.kind))
        return "new wrapper" if strict & origin.last.keys() else "type"
    return "type"


def _type_has_null(node: Node) -> bool:
    said = node.get("type") if isinstance(node, dict) else None
    return said == "null" or (isinstance(said, list) and "null" in said)


def _without_null(f: Field, node: Node, origin: Origin, path: Path) -> Node:
    """The node of a value that may no longer be null, where neither its type nor a wrapper that goes says so."""
    if kind_of(f.type) != origin.kind or origin.wraps_null or not isinstance(f.type, Json | Reference):
        return node
    if isinstance(f.type, Reference):
        raise SchemaError(
            f"{path_text(path) or 'the record'} takes null because the shared definition <{f.type.name}> does",
            hint="Require it at the definition, or give this place a definition of its own.",
        )
    known = node if isinstance(node, dict) else {}
    if isinstance(known.get("type"), list):
        return {**known, "type": [name for name in known["type"] if name != "null"]}
    return {**known, "not": dict(_NULL)} if "not" not in known else {"allOf": [known], "not": dict(_NULL)}


def _annotated(f: Field, node: Node, origin: Origin, schema: Schema) -> Node:
    """`description`, `default` and tags as the field has them, where that is no longer what the document said."""
    new_doc = f.doc != origin.doc
    same_default = type(f.default) is type(origin.default) and f.default == origin.default
    new_default = not same_default or kind_of(f.type) != origin.kind
    if not isinstance(node, dict):
        if not new_doc and f.default is MISSING and f.tags == origin.tags:
            return node
        node = {} if node else {"not": {}}
    out = dict(node)
    if new_doc:
        out = {k: v for k, v in out.items() if k not in ("description", "title") or (f.doc and k == "title")}
        out |= {"description": f.doc} if f.doc else {}
    if new_default:
        out.pop("default", None)
        out |= {} if f.default is MISSING else {"default": default_node(f.default, f, schema)}
    if f.tags != origin.tags:
        out = {k: v for k, v in out.items() if k != TAGS} | ({TAGS: list(f.tags)} if f.tags or TAGS not in out else {})
    return out


def _leaves(keyword: str, group: str) -> bool:
    """Does a keyword that rode along leave with the type it spoke of?"""
    return keyword in COMBINATORS | FIXED_VALUES | REFERENCES | {"examples"} or not applies(keyword, group)


def _merged(outer: dict[str, Any], inner: Node, *, but: str) -> Node:
    """One node of two: what the outer one says of the value (its description, its default) wins."""
    words = {k: v for k, v in outer.items() if k != but}
    if not isinstance(inner, dict):
        return inner if not words else {**words, **({} if inner else {"not": {}})}
    return {**words, **{k: v for k, v in inner.items() if k not in words}}


def _not_in_json(type: Type, path: Path) -> SchemaError:
    hint = "Make it a record with a nullable field for each branch." if isinstance(type, Union) else ""
    if isinstance(type, Map):
        hint = "Keys are strings in JSON: take list<record{key: K, value: T}>."
    return SchemaError(f"JSON has no type {type_text(type)} (at {path_text(path) or 'the record'})", hint=hint or "Drop the field.")
