"""Arrow fields as plain JSON nodes, and what they mean.

A *node* is a field in the JSON form of Arrow's integration tests (docs/source/format/Integration.rst of the Arrow project):
`{"name", "type": {"name": …}, "nullable", "children", "dictionary"?, "metadata"?}`. `read_node` gives its logical `Field`,
`write_node` the node back. What a node says beyond the logical type rides in `Field.extra`:

| key | what |
|---|---|
| `arrow` | the node's type object, where it is not the usual one of the logical type (`{"name": "largeutf8"}`) |
| `arrow.children` | children of a type Instar does not open (`Other`) |
| `arrow.dictionary` | `{"of": value type, "spelled": the dictionary object}` |
| `arrow.name` | the name of a list's item (not `item`) or a map's value (not `value`) |
| `arrow.map` | a map's entries and key nodes, where they are not the usual ones |
| `arrow.extended` | the type below an extension type that is named in the metadata |
| `arrow.rest` | keys nobody defines, and spellings such as an empty `metadata` |
| `metadata` | the field's metadata as a list of [key, value] |

Types that Arrow lacks are named by `instar.type` in the metadata and held as others (`held_as`).

Every one of them is used only while it still fits the logical type, so a stale entry can never change what a field means.
"""

from __future__ import annotations

from typing import Any

from .arrow_metadata import DOC, EXTENDED, EXTENSION, meant, metadata_of, read_metadata, read_tags, storage_type
from .arrow_types import INTERVALS, LISTS, NAMES, Node, bad, counted, fits, get, one_of, read_scalar, usual_type
from .errors import SchemaError
from .schema import Field, List, Map, Other, Record, Type, Union, type_text

_KEYS = ("name", "type", "nullable", "children", "dictionary", "metadata")


# ---- node → field
def read_node(node: Any, place: str) -> Field:
    """The logical field of a node; `place` is where it stands in the document.

    Raises:
        SchemaError: the node is malformed; names the place and what is wrong.
    """
    name = get(node, "name", str, place)
    place = f"{place}.{name}" if place else name
    nullable = get(node, "nullable", bool, place)
    kind = get(node, "type", dict, place)
    children = get(node, "children", list, place) if "children" in node else []
    type, extra = _read_type(kind, children, place)
    if "dictionary" in node:
        extra["arrow.dictionary"] = {"of": type_text(type), "spelled": _checked_dictionary(node["dictionary"], place)}
    extra |= read_metadata(node.get("metadata"), place)
    rest = {key: value for key, value in node.items() if key not in _KEYS}
    if "metadata" in node and not node["metadata"]:
        rest["metadata"] = node["metadata"]
    if "children" not in node:
        rest["children"] = None
    if rest:
        extra["arrow.rest"] = rest
    known = dict(extra.get("metadata", ()))
    if EXTENSION in known:
        extra["arrow.extended"] = type_text(type)
        type = EXTENDED.get((known[EXTENSION], type), type)
    return Field(name, meant(known, type), nullable, doc=known.get(DOC, ""), tags=read_tags(known, place), extra=extra)


def _read_type(kind: Node, children: list[Any], place: str) -> tuple[Type, dict[str, Any]]:
    """The logical type and the storage to remember."""
    name = one_of(kind, "name", NAMES, place)
    extra: dict[str, Any] = {}
    if name in ("interval", "runendencoded"):
        if name == "interval":
            text = f"interval({one_of(kind, 'unit', INTERVALS, place).lower()})"
        else:
            ends, values = counted(children, 2, place)
            text = f"run_end_encoded<{type_text(read_node(ends, place).type)}, {type_text(read_node(values, place).type)}>"
        return Other(text), {"arrow": kind, "arrow.children": children}
    if name == "struct":
        type: Type = _record(children, place)
    elif name in LISTS:
        type = List(_called(read_node(counted(children, 1, place)[0], place), "item"))
    elif name == "map":
        type, extra = _read_map(children, place)
    elif name == "union":
        type = Union(tuple(read_node(child, place) for child in children))
    else:
        counted(children, 0, place)
        type = read_scalar(kind, place)
    _check_nested(kind, children, place)
    if kind != usual_type(type):
        extra["arrow"] = kind
    return type, extra


def _record(children: list[Any], place: str) -> Record:
    fields = tuple(read_node(child, place) for child in children)
    try:
        return Record(fields)
    except SchemaError as error:
        raise error.at(path=place or None) from None


def _check_nested(kind: Node, children: list[Any], place: str) -> None:
    if kind["name"] == "fixedsizelist" and get(kind, "listSize", int, place) < 0:
        raise bad(place, f"listSize is {kind['listSize']}")
    if kind["name"] == "union":
        one_of(kind, "mode", ("SPARSE", "DENSE"), place)
        if len(get(kind, "typeIds", list, place)) != len(children):
            raise bad(place, f"{len(children)} branches, but {len(kind['typeIds'])} typeIds")


def _called(field: Field, usual: str) -> Field:
    """The field under its usual name, remembering the one it has."""
    return field if field.name == usual else field.with_(name=usual, extra={**field.extra, "arrow.name": field.name})


def _read_map(children: list[Any], place: str) -> tuple[Type, dict[str, Any]]:
    entries = counted(children, 1, place)[0]
    read_node(entries, place)
    key, value = counted(get(entries, "children", list, place), 2, place)
    outer = {name: part for name, part in entries.items() if name != "children"}
    type = Map(_called(read_node(value, place), "value"), read_node(key, place).type)
    spelled = {"entries": outer, "key": key}
    return type, {} if spelled == _usual_map(type) else {"arrow.map": spelled}


def _usual_map(type: Map) -> Node:
    entries = {"name": "entries", "type": {"name": "struct"}, "nullable": False}
    return {"entries": entries, "key": write_node(Field("key", type.key))}


def _checked_dictionary(spelled: Any, place: str) -> Node:
    index = get(spelled, "indexType", dict, place)
    if "id" in spelled:
        get(spelled, "id", int, place)
    if "isOrdered" in spelled:
        get(spelled, "isOrdered", bool, place)
    if one_of(index, "name", NAMES, place) != "int":
        raise bad(place, f"a dictionary's index is an int, not {index['name']}")
    read_scalar(index, place)
    return spelled


# ---- field → node
def write_node(field: Field) -> Node:
    """The node of a logical field.

    Raises:
        SchemaError: Arrow has no such type; names the field and what to take instead.
    """
    extra = field.extra
    node: Node = {"name": field.name, "nullable": field.nullable, "type": _type_of(field), "children": _children_of(field)}
    dictionary = extra.get("arrow.dictionary")
    if dictionary and dictionary["of"] == type_text(storage_type(field)):
        node["dictionary"] = dictionary["spelled"]
    if pairs := metadata_of(field):
        node["metadata"] = [{"key": key, "value": value} for key, value in pairs]
    rest = dict(extra.get("arrow.rest", {}))
    if "children" in rest and not rest.pop("children") and not node["children"]:
        del node["children"]
    return {**rest, **node}


def _type_of(field: Field) -> Node:
    """The remembered storage where it still fits, else the usual type."""
    remembered = field.extra.get("arrow")
    if remembered is not None and fits(remembered, storage_type(field)):
        return remembered
    try:
        return usual_type(storage_type(field))
    except SchemaError as error:
        raise error.at(path=field.name or None) from None


def _children_of(field: Field) -> list[Node]:
    match field.type:
        case Record(fields):
            return [write_node(f) for f in fields]
        case Union(branches):
            return [write_node(f) for f in branches]
        case List(item):
            return [write_node(item.with_(name=item.extra.get("arrow.name", "item")))]
        case Map(value):
            usual = _usual_map(field.type)
            spelled = field.extra.get("arrow.map", usual)
            if read_node(spelled["key"], "").type != field.type.key:
                spelled = usual
            named = value.with_(name=value.extra.get("arrow.name", "value"))
            return [{**spelled["entries"], "children": [spelled["key"], write_node(named)]}]
        case Other():
            return field.extra.get("arrow.children", [])
        case _:
            return []
