"""The logical schema to an Avro schema document: what was read comes back as it was, what an operation made is written plainly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from instar.formats.avro.defaults import Misfit, encoded
from instar.formats.avro.names import legal, legalised, named_attributes, namespace_of, reference, referred, unique
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
    default_kept,
    held_as,
    layout,
    layouts,
    logical_name,
    logical_type,
    named_type,
    null_at,
    same_bytes,
    storage,
    written_type,
)
from instar.formats.errors import SchemaError
from instar.formats.logical import TAGS
from instar.formats.logical import TYPE as LOGICAL
from instar.formats.schema import (
    MISSING,
    Enum,
    Field,
    Fixed,
    List,
    Map,
    Null,
    Record,
    Reference,
    Schema,
    Type,
    Union,
    Uuid,
    children,
    type_text,
)


def render(schema: Schema) -> str:
    """The document, pretty-printed, a final newline.

    Raises:
        SchemaError: Avro cannot hold a type, a name or a default; says which and what it can hold.
    """
    return _text(document(schema), indent=2) + "\n"


def header_text(schema: Schema) -> str:
    """The document as a file's header has it: on one line, with nothing left to other documents."""
    return _text(document(schema, alone=True))


def document(schema: Schema, *, alone: bool = False) -> Any:
    """The document as JSON values. `alone`: types that come from other documents are written out, too."""
    return _Renderer(schema, alone).root()


def _text(node: Any, **options: Any) -> str:
    text = json.dumps(node, ensure_ascii=False, **options)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate in a doc can only be escaped
        return json.dumps(node, **options)
    return text


class _Renderer:
    """Walks the schema in the document's order; the first use of a name defines it, later ones refer to it."""

    def __init__(self, schema: Schema, alone: bool) -> None:
        self.schema = schema
        self.alone = alone
        self.layouts = layouts(schema.definitions)
        self.referred = set(_references(schema))
        self.taken = set(_names(schema))
        self.written: dict[str, Field] = {}

    def root(self) -> Any:
        root = self.schema.root
        return self.type(root, "", root.doc, "Record")

    # ---- one field's type
    def type(self, field: Field, space: str, doc: str | None, wanted: str) -> Any:
        """`doc`: of a named type where a Field has it (the root's, a definition's). `wanted`: a name for a new type."""
        if field.optional:
            raise self.refused(field, "Avro has no optional fields", "Make it nullable: each record of Avro has all its fields.")
        if isinstance(field.type, Union):
            branches = [self.plain(b, space, None, f"{wanted}_{i}") for i, b in enumerate(field.type.branches)]
        elif isinstance(field.type, Null):
            return self.plain(field, space, None, wanted)
        elif not field.nullable:
            return self.plain(field, space, doc, wanted)
        else:
            branches = [self.plain(field, space, doc, wanted)]
        null = null_at(field)
        if null is not None:
            branches.insert(null, field.extra.get(NULL, {}).get("node", "null"))
        return branches

    def plain(self, field: Field, space: str, doc: str | None, wanted: str) -> Any:
        """The type without null."""
        try:
            kind, _ = storage(field)
        except SchemaError as e:
            raise self.refused(field, e.message, e.hint) from None
        if kind == "reference":
            return self.reference(field, space)
        if kind in ("record", "enum", "fixed"):
            return self.named(field, kind, space, doc, wanted)
        node = self.attributes(field, kind)
        match field.type:
            case List(item):
                node["items"] = self.type(item, space, None, f"{wanted}_item")
            case Map(value):
                node["values"] = self.type(value, space, None, f"{wanted}_value")
        short = list(node) == ["type"] and not _says(written_type(field), field, kind)
        return self.around(field, kind if short else node)

    def around(self, field: Field, node: Any) -> Any:
        for outer in reversed(field.extra.get(AROUND, ()) if TYPE in field.extra else ()):
            node = {**outer, "type": node}
        return node

    def attributes(self, field: Field, kind: str) -> dict[str, Any]:
        """The type's object without children: as it was written while it still says this type, else a plain one."""
        node = self.own_attributes(field, kind)
        if list(field.tags) != node.get(TAGS, []):
            node.pop(TAGS, None)
            node |= {TAGS: list(field.tags)} if field.tags else {}
        return node

    def own_attributes(self, field: Field, kind: str) -> dict[str, Any]:
        written = written_type(field)
        if _says(written, field, kind):
            return dict(written)
        node: dict[str, Any] = {"type": kind}
        if (held := held_as(field.type)) is not None:
            return {**node, **held.attributes, LOGICAL: type_text(field.type)}
        if logical := logical_name(field.type):
            node["logicalType"] = logical
            if logical == "decimal":
                node |= {"precision": field.type.precision, "scale": field.type.scale}  # type: ignore[union-attr]
        return node

    # ---- named types
    def reference(self, field: Field, space: str) -> Any:
        name = field.type.name  # type: ignore[union-attr]
        if name in self.written:
            return self.spelled(field, name, space)
        definition = self.schema.definitions.get(name)
        if definition is None:
            raise self.refused(field, f"the type {name!r} is not defined", "Drop the field, or keep the type it refers to.")
        if definition.extra.get(LIBRARY) and not self.alone:
            return self.spelled(field, name, space)
        return self.definition(definition, "record", name, space, definition.doc)

    def named(self, field: Field, kind: str, space: str, doc: str | None, wanted: str) -> Any:
        """A use of a named type: its definition, or a reference where an equal one has been written."""
        own = field.extra.get(NAME, "") if not isinstance(field.type, Record | Enum | Fixed) else field.type.name
        if own and field.extra.get(LIBRARY) and not self.alone:
            return self.spelled(field, own, space)
        if own in self.written and self.same(field, self.written[own]):
            return self.spelled(field, own, space)
        kept = own and own not in self.written and not self.shadows(own, field)
        full = own if kept else unique(f"{space}.{legalised(wanted)}" if space else legalised(wanted), self.taken)
        return self.around(field, self.definition(field, kind, full, space, doc))

    def shadows(self, name: str, field: Field) -> bool:
        """Would writing this type under its name change what references to that name mean?"""
        definition = self.schema.definitions.get(name)
        return name in self.referred and definition is not None and not self.same(field, definition)

    def same(self, a: Field, b: Field) -> bool:
        plain_a, plain_b = (layout(f.with_(nullable=False)) for f in (a, b))
        symbols = not isinstance(a.type, Enum) or a.type == b.type
        return symbols and same_bytes(plain_a, plain_b, self.layouts, self.layouts)

    def definition(self, field: Field, kind: str, full: str, space: str, doc: str | None) -> dict[str, Any]:
        self.written[full] = field
        self.taken.add(full)
        node = self.attributes(field, kind)
        names = named_attributes(full, space, node)
        out = {"type": node["type"], **names} if TYPE not in field.extra else {**node, **names}
        out |= {key: value for key, value in node.items() if key not in out}
        if doc is not None and doc != _doc(out):
            out["doc"] = doc
        match field.type:
            case Record(fields):
                inner = namespace_of(full)
                out["fields"] = [self.field(f, inner, full) for f in fields]
            case Enum(symbols):
                out["symbols"] = self.symbols(field, symbols)
                if out.get("default", MISSING) not in (MISSING, *symbols):
                    del out["default"]
            case _:
                out["size"] = storage(field)[1]
        return out

    def symbols(self, field: Field, symbols: tuple[str, ...]) -> list[str]:
        for symbol in symbols:
            if not legal(symbol):
                hint = f"Avro's symbols are letters, digits and _; use {legalised(symbol)!r}, or string as the type."
                raise self.refused(field, f"{symbol!r} is no legal symbol of an Avro enum", hint)
        return list(symbols)

    def spelled(self, field: Field, name: str, space: str) -> Any:
        """A reference, as it was spelled while that still means `name`."""
        if field.tags:
            raise self.refused(
                field, f"a use of the type {name!r} cannot have tags", "Tag the field that holds it, or the type itself."
            )
        spelling = field.extra.get(REFERENCE)
        same = spelling is not None and referred(spelling, space, (*self.written, name)) == name
        node = spelling if same else reference(name, space)
        return self.around(field, node)

    # ---- a record's field
    def field(self, field: Field, space: str, record: str) -> dict[str, Any]:
        if not legal(field.name):
            hint = f"Avro's names are letters, digits and _, not beginning with a digit; use {legalised(field.name)!r}."
            raise self.refused(field, f"{field.name!r} is not a legal field name in Avro", hint)
        out: dict[str, Any] = dict(field.extra.get(FIELD, {"name": None}))
        out["name"] = field.name
        in_type = TAGS in written_type(field) and TAGS not in out and written_type(field)[TAGS] == list(field.tags)
        inner = field if in_type else field.with_(tags=())
        out["type"] = self.type(inner, space, None, f"{record.rpartition('.')[2]}_{field.name}")
        if not in_type and out.get(TAGS, []) != list(field.tags):
            out.pop(TAGS, None)
            out |= {TAGS: list(field.tags)} if field.tags else {}
        if field.doc != _doc(out):
            out["doc"] = field.doc
        default = self.default(field)
        if default is MISSING:
            out.pop("default", None)
        else:
            out["default"] = default
        return out

    def default(self, field: Field) -> Any:
        """The default as JSON, MISSING for none. A nullable field that is new gets null, as a reader of older files needs."""
        if field.default is MISSING:
            return None if field.nullable and NULL not in field.extra and not isinstance(field.type, Null) else MISSING
        if field.default is None and not field.nullable:
            return MISSING
        try:
            if DEFAULT in field.extra and default_kept(field):
                written = field.extra[DEFAULT][0]
                if encoded(field.default, field, self.schema.definitions) is not MISSING:
                    return written
            return encoded(field.default, field, self.schema.definitions)
        except Misfit as e:
            raise self.refused(field, f"the default of {field.name!r} does not fit: {e}", "Give it another default.") from None

    def refused(self, field: Field, problem: str, hint: str) -> SchemaError:
        place = field.name or "the schema"
        return SchemaError(problem if repr(place) in problem else f"{place}: {problem}", hint=hint)


def _says(written: Mapping[str, Any], field: Field, kind: str) -> bool:
    """Does the object as it was written still say the field's type? (Children, names and sizes are written anew.)"""
    if not written:
        return False
    if written["type"] == "error" and kind == "record":
        return True
    if written["type"] != kind:
        return False
    if LOGICAL in written or held_as(field.type) is not None:
        found = logical_type(written, kind) or PRIMITIVE_TYPES.get(kind)
        return LOGICAL in written and named_type(written, found, field.name) == field.type
    meant = logical_type(written, kind)
    return meant is None if _needs_no_logical(field.type) else meant == field.type


def _needs_no_logical(type: Type) -> bool:
    return logical_name(type) is None and not isinstance(type, Uuid)


def _doc(written: Mapping[str, Any]) -> str:
    doc = written.get("doc")
    return doc if isinstance(doc, str) else ""


def _references(schema: Schema) -> Iterator[str]:
    """The names that references reachable from the root mean."""
    seen: set[str] = set()
    todo = [schema.root]
    while todo:
        field = todo.pop()
        if isinstance(field.type, Reference) and field.type.name not in seen:
            seen.add(field.type.name)
            yield field.type.name
            todo += [schema.definitions[field.type.name]] if field.type.name in schema.definitions else []
        todo += [child for _, child in children(field.type)]


def _names(schema: Schema) -> Iterator[str]:
    todo = [schema.root, *schema.definitions.values()]
    while todo:
        field = todo.pop()
        name = getattr(field.type, "name", "") or field.extra.get(NAME, "")
        if name:
            yield name
        todo += [child for _, child in children(field.type)]
