"""A schema as a tree for people: a line a field, with lists, maps and unions on one line where nothing inside them has a name.

Named types that are used in several places, or in themselves, are shown once: where they are defined, or at the end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from instar.formats.path import Branch, Path, Step, path_text
from instar.formats.schema import (
    MISSING,
    Enum,
    Field,
    Fixed,
    List,
    Map,
    Record,
    Reference,
    Schema,
    String,
    Type,
    Union,
    field_text,
    type_text,
)

from .shared_types import places, steps, uses


@dataclass(frozen=True)
class Node:
    """One line: the field at `path`, and the lines below it. `name` is its last step, as a path spells it."""

    path: Path
    field: Field
    name: str
    type: str
    children: tuple[Node, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Everything of the field, its whole type among it; `fields` are those below it."""
        f = self.field
        out: dict[str, Any] = {
            "path": path_text(self.path),
            "type": type_text(f.type),
            "nullable": f.nullable,
            "optional": f.optional,
        }
        if f.default is not MISSING:
            out["default"] = f.default if _is_json(f.default) else default_text(f.default)
        out |= {"doc": f.doc, "tags": list(f.tags), "fields": [child.as_json() for child in self.children]}
        return out


def outline(schema: Schema) -> tuple[Node, ...]:
    """The lines of a schema's fields; of a schema whose data are not records the one line of its values."""
    shared = shared_names(schema)
    if isinstance(schema.root.type, Record):
        return tuple(_node(step, inner, (step,), shared) for step, inner in steps(schema.root))
    return (_node(None, schema.root, (), shared),)


def defined(schema: Schema) -> dict[str, Node]:
    """The types that are defined apart, by name."""
    shared = shared_names(schema)
    return {name: _node(Branch(name), field, (Branch(name),), shared) for name, field in apart(schema).items()}


def apart(schema: Schema) -> dict[str, Field]:
    """The definitions that no field spells out where it uses them (JSON Schema's `$defs`; Avro spells out the first use)."""
    spelled = {getattr(field.type, "name", "") for _, field in places(schema.root) if not isinstance(field.type, Reference)}
    return {name: field for name, field in schema.definitions.items() if name not in spelled}


def _node(step: str | Step | None, field: Field, path: Path, shared: frozenset[str]) -> Node:
    """`step`: the one that leads to the field, None for the values of a schema without fields."""
    children = tuple(_node(at[-1], inner, path + at, shared) for at, inner in below(field))
    return Node(path, field, "(value)" if step is None else path_text((step,)), label(field, shared), children)


# ---- what stands on a line of its own
def below(field: Field, other: Field | None = None) -> tuple[tuple[Path, Field], ...]:
    """The fields that have lines below this one's, with the steps to each: through lists and maps that have no line.

    `other`: the same place of another version; what has a line there has one here.
    """
    at: Path = ()
    inner = field
    while isinstance(inner.type, List | Map):
        ((step, item),) = steps(inner)
        other = next((f for s, f in steps(other) if s == step), None) if other else None
        at = (*at, step)
        if _says_more(item) or (other is not None and _says_more(other)):
            return ((at, item),)
        inner = item
    if isinstance(inner.type, Union):
        branches = [*inner.type.branches, *(other.type.branches if other and isinstance(other.type, Union) else ())]
        if not any(isinstance(branch.type, Record) or _says_more(branch) for branch in branches):
            return ()
    return tuple(((*at, step), child) for step, child in steps(inner))


def _says_more(item: Field) -> bool:
    """Has an element something to say that a type's text has no place for?"""
    return bool(item.doc or item.tags or item.default is not MISSING)


# ---- types
def label(field: Field, shared: frozenset[str] = frozenset()) -> str:
    """The field's type as its line has it, with `?` where it may be null; what has lines of its own is left out.

    `shared`: names of types that are used in several places; those that are defined here say their name.
    """
    return _label(field.type, shared, deep=bool(below(field))) + ("?" if field.nullable else "")


def _label(type: Type, shared: frozenset[str], *, deep: bool) -> str:
    match type:
        case Record(name=name):
            return f"record <{name}>" if name in shared else "record"
        case Enum(name=name) | Fixed(name=name) if name in shared:
            return f"{type_text(type)} <{name}>"
        case Union() if deep:
            return "union"
        case List(item):
            return f"list<{_element(item, shared, deep)}>"
        case Map(value, String()):
            return f"map<{_element(value, shared, deep)}>"
        case Map(value, key):
            return f"map<{type_text(key)}, {_element(value, shared, deep)}>"
        case _:
            return type_text(type)


def _element(item: Field, shared: frozenset[str], deep: bool) -> str:
    return _label(item.type, shared, deep=deep) + ("?" if item.nullable else "") if deep else field_text(item)


def shared_names(schema: Schema) -> frozenset[str]:
    """The named types that are used in more than one place, or in themselves."""
    found: set[str] = set()

    def visit(field: Field) -> None:
        name = getattr(field.type, "name", "")
        if name and name not in found and uses(schema, name):
            found.add(name)
        for _, inner in steps(field):
            visit(inner)

    for field in (schema.root, *schema.definitions.values()):
        visit(field)
    return frozenset(found)


def default_text(value: Any) -> str:
    """A default for people: as JSON where JSON has it."""
    return json.dumps(value, ensure_ascii=False) if _is_json(value) else repr(value) if isinstance(value, bytes) else str(value)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
