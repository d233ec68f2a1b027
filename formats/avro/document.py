"""An Avro schema document to the logical schema (the way back is render.py).

Checked against the Avro 1.12 specification, "Schema Declaration": a document it calls invalid is a SchemaError that names the
place. Whatever the logical schema does not model rides along in `Field.extra` (the keys are in physical.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from instar.formats.avro.defaults import Misfit, decoded
from instar.formats.avro.names import PRIMITIVES, full_name, legal, legal_full, namespace_of, referred
from instar.formats.avro.physical import (
    AROUND,
    DEFAULT,
    FIELD,
    LIBRARY,
    NAME,
    NULL,
    PRIMITIVE_TYPES,
    REFERENCE,
    TYPE,
    logical_type,
    named_type,
    storage,
)
from instar.formats.errors import SchemaError, suggestion
from instar.formats.logical import TAGS, tags_of
from instar.formats.schema import Enum, Field, Fixed, List, Map, Null, Record, Reference, Schema, Type, Union

_NAMED = ("record", "error", "enum", "fixed")
_CHILDREN = ("fields", "items", "values")


def parse(text: str, *, library: Mapping[str, str] | None = None) -> Schema:
    """An `.avsc` document to the logical schema. `library`: other documents, by the full names they define.

    A record is inline at its first use and a `Reference` afterwards; `definitions` holds those that a reference means. Enums and
    fixed have no inside to be edited, so each use has the type itself.

    Raises:
        SchemaError: not valid Avro; names the place.
    """
    parser = _Parser(library or {})
    try:
        root = parser.schema(load(text), "", "the schema")
        return Schema(parser.completed(root), parser.definitions())
    except RecursionError:
        raise SchemaError("the schema is nested too deeply", hint="Name the inner types and refer to them.") from None


def load(text: str) -> Any:
    """The document as JSON.

    Raises:
        SchemaError: not JSON, or with numbers that JSON does not have.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except ValueError as e:
        raise SchemaError(f"the schema is not JSON: {e}", hint="An Avro schema is a JSON string, object or array.") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text} is too large")
    return number


class _Parser:
    """Recursive descent over the document; it remembers the names defined so far, as the specification's order asks."""

    def __init__(self, library: Mapping[str, str]) -> None:
        self.library = library
        self.named: dict[str, Field | None] = {}  # None while its own definition is being read
        self.borrowed: set[str] = set()
        self.uses: set[str] = set()

    # ---- after the walk
    def completed(self, field: Field, record: str = "") -> Field:
        """The tree with its defaults decoded, now that all named types are known. `record`: the one that the field is of."""
        field = field.with_(type=self.completed_type(field.type))
        if DEFAULT not in field.extra:
            return field
        written = field.extra[DEFAULT][0]
        try:
            value = decoded(written, field, {name: f for name, f in self.named.items() if f is not None})
        except Misfit as e:
            raise _invalid(
                f"the default does not fit: {e}",
                f"{record}.{field.name}",
                "Write bytes as a string of U+0000 to U+00FF and a union's default as a value of one of its branches.",
            ) from None
        return field.with_(default=value, extra={**field.extra, DEFAULT: (written, value)})

    def completed_type(self, type: Type) -> Type:
        match type:
            case Record(fields, name):
                return Record(tuple(self.completed(f, name) for f in fields), name)
            case List(item):
                return List(self.completed(item))
            case Map(value):
                return Map(self.completed(value))
            case Union(branches):
                return Union(tuple(map(self.completed, branches)))
            case _:
                return type

    def definitions(self) -> dict[str, Field]:
        out = {}
        for name, field in self.named.items():
            if name in self.uses and field is not None:
                extra = {**field.extra, LIBRARY: True} if name in self.borrowed else field.extra
                out[name] = self.completed(field).with_(extra=extra)
        return out

    # ---- any schema
    def schema(self, node: Any, space: str, place: str) -> Field:
        """The unnamed field of that type; `space` is the enclosing namespace."""
        if isinstance(node, str):
            return self.name(node, space, place)
        if isinstance(node, list):
            return self.union(node, space, place)
        if isinstance(node, dict):
            return self.object(node, space, place)
        raise _invalid(
            f"{_shown(node)} is not a schema", place, "A schema is a type's name, an object with a type, or a list (a union)."
        )

    def name(self, name: str, space: str, place: str) -> Field:
        if name in PRIMITIVE_TYPES:
            return Field("", PRIMITIVE_TYPES[name], nullable=name == "null")
        full = referred(name, space, self.named)
        if full not in self.named:
            self.borrow(full)
        if full not in self.named:
            known = [*PRIMITIVES, "array", "map", *_NAMED, *self.named]
            raise _invalid(f"the type {name!r} is not defined", place, suggestion(name, known))
        known = self.named[full]
        borrowed = {LIBRARY: True} if full in self.borrowed else {}
        if known is not None and not isinstance(known.type, Record):
            return known.with_(doc="", tags=(), extra={**known.extra, REFERENCE: name, **borrowed})
        self.uses.add(full)
        return Field("", Reference(full), extra={NAME: full, REFERENCE: name})

    def borrow(self, full: str) -> None:
        """Read the library's document that defines `full`, if there is one."""
        if full in self.library:
            known = set(self.named)
            self.schema(load(self.library[full]), "", f"the schema of {full}")
            self.borrowed |= self.named.keys() - known

    def union(self, node: list[Any], space: str, place: str) -> Field:
        branches, null, seen = [], None, set()
        for i, each in enumerate(node):
            if isinstance(each, list) or (isinstance(each, dict) and isinstance(each.get("type"), list)):
                raise _invalid(f"branch {i + 1} of the union is itself a union", place, "Write all branches in one list.")
            branch = self.schema(each, space, place)
            name = branch_name(branch)
            if name in seen:
                raise _invalid(
                    f"the union has two branches {name!r}", place, "Only records, enums and fixed may occur twice, under two names."
                )
            seen.add(name)
            if isinstance(branch.type, Null):
                null = {"at": i, "node": each}
            else:
                branches.append(branch.with_(name=name))
        nullable = null is not None
        extra = {NULL: null} if nullable else {}
        if nullable and len(branches) == 1:
            only = branches[0]
            return only.with_(name="", nullable=True, extra={**only.extra, **extra})
        return Field("", Union(tuple(branches)), nullable, extra=extra)

    # ---- objects
    def object(self, node: dict[str, Any], space: str, place: str) -> Field:
        kind = node.get("type")
        if isinstance(kind, dict):
            inner = self.object(kind, space, place)
            around = ({**node, "type": None}, *inner.extra.get(AROUND, ()))
            return inner.with_(extra={**inner.extra, AROUND: around})
        if not isinstance(kind, str):
            problem = f"has {_shown(kind)} as its type" if "type" in node else "has no type"
            raise _invalid(f"the schema {problem}", place, f"Give it one: {', '.join((*PRIMITIVES, 'array', 'map', *_NAMED))}.")
        kept = {key: None if key in _CHILDREN else value for key, value in node.items()}
        tags = tags_of(node[TAGS], place) if TAGS in node else ()
        if kind in (*_NAMED, "array", "map"):
            named_type(node, None, place)  # none of them holds another type
        if kind in _NAMED:
            return self.definition(kind, node, kept, space, place).with_(tags=tags)
        match kind:
            case "array":
                return Field("", List(self.child(node, "items", space, place).with_(name="item")), tags=tags, extra={TYPE: kept})
            case "map":
                return Field("", Map(self.child(node, "values", space, place).with_(name="value")), tags=tags, extra={TYPE: kept})
        field = self.name(kind, space, place)
        meant = named_type(node, logical_type(node, kind) or PRIMITIVE_TYPES.get(kind), place)
        return field.with_(type=meant or field.type, tags=tags, extra={TYPE: kept})

    def child(self, node: dict[str, Any], key: str, space: str, place: str) -> Field:
        if key not in node:
            raise _invalid(f"the {node['type']} has no {key!r}", place, f"Say in {key!r} what type its {key} have.")
        return self.schema(node[key], space, f"{place}, {key}")

    def definition(self, kind: str, node: dict[str, Any], kept: dict[str, Any], space: str, place: str) -> Field:
        full = self.defined_name(kind, node, space, place)
        _check_aliases(node, place)
        self.named[full] = None
        match kind:
            case "enum":
                type: Type = Enum(_symbols(node, full), full)
            case "fixed":
                size = _size(node, full)
                type = logical_type(node, kind) or Fixed(size, full)
            case _:
                type = Record(self.fields(node, namespace_of(full), full), full)
        doc = node.get("doc")
        field = Field("", type, doc=doc if isinstance(doc, str) else "", extra={TYPE: kept, NAME: full})
        self.named[full] = field
        return field

    def defined_name(self, kind: str, node: dict[str, Any], space: str, place: str) -> str:
        name, namespace = node.get("name"), node.get("namespace")
        if not isinstance(name, str):
            raise _invalid(
                f"the {kind} has {_shown(name) + ' as its' if 'name' in node else 'no'} name", place, "Name it with a string."
            )
        if not (namespace is None or isinstance(namespace, str)):
            raise _invalid(f"the {kind} {name!r} has {_shown(namespace)} as its namespace", place, "A namespace is a string.")
        full = full_name(name, (namespace or "") if "namespace" in node else None, space)
        if not legal_full(full):
            raise _invalid(
                f"{full!r} is not a legal name", place, "Names are letters, digits and _, and do not begin with a digit."
            )
        if full in PRIMITIVE_TYPES:
            raise _invalid(f"a type may not be called {full!r}", place, "Rename it or give it a namespace.")
        if full in self.named:
            raise _invalid(f"the type {full!r} is defined twice", place, "Write only its name where it is used again.")
        return full

    def fields(self, node: dict[str, Any], space: str, full: str) -> tuple[Field, ...]:
        given = node.get("fields")
        if not isinstance(given, list):
            raise _invalid(
                f"the record has {_shown(given) + ' as its' if 'fields' in node else 'no'} fields", full, "Give it a list."
            )
        out: dict[str, Field] = {}
        for i, each in enumerate(given):
            field = self.field(each, space, full, i)
            if field.name in out:
                raise _invalid(f"two fields with one name: {field.name!r}", full, "Rename or drop one of them.")
            out[field.name] = field
        return tuple(out.values())

    def field(self, node: Any, space: str, full: str, i: int) -> Field:
        name = node.get("name") if isinstance(node, dict) else None
        if not isinstance(name, str):
            raise _invalid(f"field {i + 1} is not an object with a name", full, "A field has at least a name and a type.")
        place = f"{full}.{name}"
        if not legal(name):
            raise _invalid(
                f"{name!r} is not a legal field name", place, "Names are letters, digits and _, and do not begin with a digit."
            )
        if "type" not in node:
            raise _invalid("the field has no type", place, "A field has at least a name and a type.")
        if node.get("order", "ascending") not in ("ascending", "descending", "ignore"):
            raise _invalid(f"its order is {_shown(node['order'])}", place, "An order is ascending, descending or ignore.")
        _check_aliases(node, place)
        field = self.schema(node["type"], space, place)
        written = {key: None if key in ("type", "default") else value for key, value in node.items()}
        extra = {**field.extra, FIELD: written}
        if "default" in node:
            extra[DEFAULT] = (node["default"], None)
        doc = node.get("doc")
        tags = tags_of(node[TAGS], place) if TAGS in node else field.tags
        return field.with_(name=name, doc=doc if isinstance(doc, str) else "", tags=tags, extra=extra)


def branch_name(branch: Field) -> str:
    """A union's branch by the name its data would say: the full name of a named type, else the Avro type below the logical one."""
    named = branch.extra.get(NAME) or getattr(branch.type, "name", "")
    return named or storage(branch)[0]


def _symbols(node: dict[str, Any], full: str) -> tuple[str, ...]:
    symbols = node.get("symbols")
    if not isinstance(symbols, list):
        raise _invalid("the enum has no list of symbols", full, 'Give it "symbols": ["A", "B"].')
    for symbol in symbols:
        if not isinstance(symbol, str) or not legal(symbol):
            raise _invalid(
                f"{_shown(symbol)} is not a legal symbol", full, "Symbols are made of letters, digits and _, as names are."
            )
    if len(set(symbols)) < len(symbols):
        raise _invalid("the enum has a symbol twice", full, "Each symbol may occur once.")
    if "default" in node and node["default"] not in symbols:
        raise _invalid(
            f"the default {_shown(node['default'])} is not a symbol of the enum", full, suggestion(str(node["default"]), symbols)
        )
    return tuple(symbols)


def _size(node: dict[str, Any], full: str) -> int:
    size = node.get("size")
    if type(size) is not int or size < 0:
        raise _invalid(
            f"the fixed has {_shown(size) + ' as its' if 'size' in node else 'no'} size", full, "Its size is a number of bytes."
        )
    return size


def _check_aliases(node: dict[str, Any], place: str) -> None:
    aliases = node.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) and legal_full(alias) for alias in aliases):
        raise _invalid(f"its aliases are {_shown(aliases)}", place, "Aliases are a list of legal names.")


def _shown(node: Any) -> str:
    text = json.dumps(node, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _invalid(problem: str, place: str, hint: str) -> SchemaError:
    return SchemaError(f"{place}: {problem}", hint=hint)
