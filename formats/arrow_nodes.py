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

import json
from collections.abc import Mapping
from typing import Any

from .errors import SchemaError, Where, suggestion
from .logical import TAGS, type_named
from .logical import TYPE as LOGICAL
from .schema import (
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
    Integer,
    Json,
    List,
    Map,
    Null,
    Number,
    Other,
    Record,
    Reference,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    Uuid,
    type_text,
)  # fmt: skip

Node = dict[str, Any]

DOC = "instar.doc"
EXTENSION = "ARROW:extension:name"
EXTENSION_METADATA = "ARROW:extension:metadata"

_UNITS = {"SECOND": "s", "MILLISECOND": "ms", "MICROSECOND": "us", "NANOSECOND": "ns"}
_UNIT_NAMES = {short: long for long, short in _UNITS.items()}
_FLOATS = {"HALF": 16, "SINGLE": 32, "DOUBLE": 64}
_LISTS = ("list", "largelist", "listview", "largelistview", "fixedsizelist")
_INTERVALS = ("YEAR_MONTH", "DAY_TIME", "MONTH_DAY_NANO")
_KEYS = ("name", "nullable", "type", "children", "dictionary", "metadata")
_DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}
_PLAIN: dict[str, Type] = {
    "null": Null(), "bool": Bool(), "utf8": String(), "largeutf8": String(), "utf8view": String(),
    "binary": Bytes(), "largebinary": Bytes(), "binaryview": Bytes(),
}  # fmt: skip
_EXTENDED: dict[tuple[str, Type], Type] = {("arrow.uuid", Fixed(16)): Uuid(), ("arrow.json", String()): Json()}
_NAMES = (*_PLAIN, *_LISTS, "int", "floatingpoint", "fixedsizebinary", "decimal", "date", "time", "timestamp", "duration",
          "interval", "struct", "map", "union", "runendencoded")  # fmt: skip


# ---- node → field
def read_node(node: Any, place: str) -> Field:
    """The logical field of a node; `place` is where it stands in the document.

    Raises:
        SchemaError: the node is malformed; names the place and what is wrong.
    """
    name = _get(node, "name", str, place)
    place = f"{place}.{name}" if place else name
    nullable = _get(node, "nullable", bool, place)
    kind = _get(node, "type", dict, place)
    children = _get(node, "children", list, place) if "children" in node else []
    type, extra = _read_type(kind, children, place)
    if "dictionary" in node:
        extra["arrow.dictionary"] = {"of": type_text(type), "spelled": _checked_dictionary(node["dictionary"], place)}
    extra |= _read_metadata(node.get("metadata"), place)
    rest = {
        key: value for key, value in node.items() if key not in ("name", "nullable", "type", "children", "dictionary", "metadata")
    }
    if "metadata" in node and not node["metadata"]:
        rest["metadata"] = node["metadata"]
    if "children" not in node:
        rest["children"] = None
    if rest:
        extra["arrow.rest"] = rest
    known = dict(extra.get("metadata", ()))
    if EXTENSION in known:
        extra["arrow.extended"] = type_text(type)
        type = _EXTENDED.get((known[EXTENSION], type), type)
    return Field(name, _meant(known, type), nullable, doc=known.get(DOC, ""), tags=_read_tags(known, place), extra=extra)


def _meant(metadata: Mapping[str, str], type: Type) -> Type:
    """The logical type that the metadata names, while it is held as `type`; pyarrow keeps metadata where it changes a type."""
    try:
        meant = type_named(metadata[LOGICAL], "") if LOGICAL in metadata else type
    except SchemaError:
        return type
    return meant if held_as(meant) == type else type


def _names(text: str | None, type: Type) -> bool:
    """Does an `instar.type` name this very type?"""
    try:
        return text is not None and type_named(text, "") == type
    except SchemaError:
        return False


def held_as(type: Type) -> Type | None:
    """The type that holds one which Arrow or Parquet lacks (Parquet has no seconds); None for the types that need none."""
    match type:
        case Enum() | Integer() | Number():
            return String()
        case Time("s"):
            return Time("ms")
        case Timestamp("s", zone):
            return Timestamp("ms", zone)
        case _:
            return None


def is_named(field: Field) -> bool:
    """Is the field's type to be named by `instar.type`? Seconds only where they are already: Arrow itself has them."""
    if isinstance(field.type, Enum | Integer | Number):
        return True
    return held_as(field.type) is not None and _names(dict(field.extra.get("metadata", ())).get(LOGICAL), field.type)


def _get(node: Any, key: str, kind: type, place: str) -> Any:
    if not isinstance(node, dict):
        raise _bad(place, f"expected an object, found {json.dumps(node)[:60]}")
    if key not in node:
        raise _bad(place, f"has no {key!r}")
    if not isinstance(node[key], kind) or (kind is int and isinstance(node[key], bool)):
        wanted = {str: "a string", bool: "true or false", dict: "an object", list: "an array", int: "an integer"}[kind]
        raise _bad(place, f"{key!r} must be {wanted}, not {json.dumps(node[key])[:60]}")
    return node[key]


def _bad(place: str, what: str, hint: str = "") -> SchemaError:
    return SchemaError(
        f"not a valid Arrow schema: {place or 'the schema'}: {what}",
        hint=hint or "The form is that of Arrow's integration tests: name, type, nullable, children.",
        where=Where(path=place or None),
    )


def _one_of(node: Node, key: str, known: Mapping[str, Any] | tuple[str, ...], place: str) -> str:
    word = _get(node, key, str, place)
    if word not in known:
        raise _bad(place, f"there is no {key} {word!r}", suggestion(word, list(known)))
    return word


def _read_type(kind: Node, children: list[Any], place: str) -> tuple[Type, dict[str, Any]]:
    """The logical type and the storage to remember."""
    name = _one_of(kind, "name", _NAMES, place)
    extra: dict[str, Any] = {}
    if name in ("interval", "runendencoded"):
        if name == "interval":
            text = f"interval({_one_of(kind, 'unit', _INTERVALS, place).lower()})"
        else:
            ends, values = _counted(children, 2, place)
            text = f"run_end_encoded<{type_text(read_node(ends, place).type)}, {type_text(read_node(values, place).type)}>"
        return Other(text), {"arrow": kind, "arrow.children": children}
    if name == "struct":
        type: Type = _record(children, place)
    elif name in _LISTS:
        type = List(_called(read_node(_counted(children, 1, place)[0], place), "item"))
    elif name == "map":
        type, extra = _read_map(children, place)
    elif name == "union":
        type = Union(tuple(read_node(child, place) for child in children))
    else:
        _counted(children, 0, place)
        type = _read_scalar(kind, place)
    _check_nested(kind, children, place)
    if kind != _usual_type(type):
        extra["arrow"] = kind
    return type, extra


def _record(children: list[Any], place: str) -> Record:
    fields = tuple(read_node(child, place) for child in children)
    try:
        return Record(fields)
    except SchemaError as error:
        raise error.at(path=place or None) from None


def _check_nested(kind: Node, children: list[Any], place: str) -> None:
    if kind["name"] == "fixedsizelist" and _get(kind, "listSize", int, place) < 0:
        raise _bad(place, f"listSize is {kind['listSize']}")
    if kind["name"] == "union":
        _one_of(kind, "mode", ("SPARSE", "DENSE"), place)
        if len(_get(kind, "typeIds", list, place)) != len(children):
            raise _bad(place, f"{len(children)} branches, but {len(kind['typeIds'])} typeIds")


def _counted(children: list[Any], count: int, place: str) -> list[Any]:
    if len(children) != count:
        raise _bad(place, f"has {len(children)} children where its type has {count}")
    return children


def _called(field: Field, usual: str) -> Field:
    """The field under its usual name, remembering the one it has."""
    return field if field.name == usual else field.with_(name=usual, extra={**field.extra, "arrow.name": field.name})


def _read_map(children: list[Any], place: str) -> tuple[Type, dict[str, Any]]:
    entries = _counted(children, 1, place)[0]
    read_node(entries, place)
    key, value = _counted(_get(entries, "children", list, place), 2, place)
    outer = {name: part for name, part in entries.items() if name != "children"}
    type = Map(_called(read_node(value, place), "value"), read_node(key, place).type)
    spelled = {"entries": outer, "key": key}
    return type, {} if spelled == _usual_map(type) else {"arrow.map": spelled}


def _usual_map(type: Map) -> Node:
    entries = {"name": "entries", "type": {"name": "struct"}, "nullable": False}
    return {"entries": entries, "key": write_node(Field("key", type.key))}


def _read_scalar(kind: Node, place: str) -> Type:
    name = kind["name"]
    match name:
        case "int":
            bits = _get(kind, "bitWidth", int, place)
            if bits not in (8, 16, 32, 64):
                raise _bad(place, f"there is no integer of {bits} bits")
            return Int(bits, _get(kind, "isSigned", bool, place))
        case "floatingpoint":
            return Float(_FLOATS[_one_of(kind, "precision", _FLOATS, place)])
        case "fixedsizebinary":
            if (width := _get(kind, "byteWidth", int, place)) < 0:
                raise _bad(place, f"byteWidth is {width}")
            return Fixed(width)
        case "decimal":
            return _read_decimal(kind, place)
        case "date":
            _one_of(kind, "unit", ("DAY", "MILLISECOND"), place)
            return Date()
        case "time":
            unit = _one_of(kind, "unit", _UNITS, place)
            if _get(kind, "bitWidth", int, place) != (32 if unit in ("SECOND", "MILLISECOND") else 64):
                raise _bad(place, f"time in {unit.lower()}s cannot have {kind['bitWidth']} bits")
            return Time(_UNITS[unit])  # type: ignore[arg-type]
        case "timestamp":
            zone = _get(kind, "timezone", str, place) if kind.get("timezone") is not None else None
            return Timestamp(_UNITS[_one_of(kind, "unit", _UNITS, place)], zone or None)  # type: ignore[arg-type]
        case "duration":
            return Duration(_UNITS[_one_of(kind, "unit", _UNITS, place)])  # type: ignore[arg-type]
        case _:
            return _PLAIN[name]


def _read_decimal(kind: Node, place: str) -> Decimal:
    precision, scale = _get(kind, "precision", int, place), _get(kind, "scale", int, place)
    bits = _get(kind, "bitWidth", int, place) if "bitWidth" in kind else 128
    if bits not in _DIGITS:
        raise _bad(place, f"there is no decimal of {bits} bits")
    if not 1 <= precision <= _DIGITS[bits]:
        raise _bad(place, f"a decimal of {bits} bits holds 1 to {_DIGITS[bits]} digits, not {precision}")
    return Decimal(precision, scale)


def _checked_dictionary(spelled: Any, place: str) -> Node:
    index = _get(spelled, "indexType", dict, place)
    if "id" in spelled:
        _get(spelled, "id", int, place)
    if "isOrdered" in spelled:
        _get(spelled, "isOrdered", bool, place)
    if _one_of(index, "name", _NAMES, place) != "int":
        raise _bad(place, f"a dictionary's index is an int, not {index['name']}")
    _read_scalar(index, place)
    return spelled


def _read_metadata(pairs: Any, place: str) -> dict[str, Any]:
    if not pairs:
        return {}
    if not isinstance(pairs, list):
        raise _bad(place, "'metadata' must be an array of objects with key and value")
    return {"metadata": [[_get(pair, "key", str, place), _get(pair, "value", str, place)] for pair in pairs]}


def _read_tags(metadata: Mapping[str, str], place: str) -> tuple[str, ...]:
    if TAGS not in metadata:
        return ()
    try:
        return tuple(str(tag) for tag in json.loads(metadata[TAGS]))
    except (ValueError, TypeError) as error:
        raise _bad(place, f"the metadata {TAGS!r} is not a JSON array: {error}") from None


# ---- field → node
def write_node(field: Field) -> Node:
    """The node of a logical field.

    Raises:
        SchemaError: Arrow has no such type; names the field and what to take instead.
    """
    extra = field.extra
    node: Node = {"name": field.name, "nullable": field.nullable, "type": _type_of(field), "children": _children_of(field)}
    dictionary = extra.get("arrow.dictionary")
    if dictionary and dictionary["of"] == type_text(_storage(field)):
        node["dictionary"] = dictionary["spelled"]
    if pairs := metadata_of(field):
        node["metadata"] = [{"key": key, "value": value} for key, value in pairs]
    rest = dict(extra.get("arrow.rest", {}))
    if "children" in rest and not rest.pop("children") and not node["children"]:
        del node["children"]
    return {**rest, **node}


def metadata_of(field: Field) -> list[list[str]]:
    """The field's metadata with doc, tags and extension name as the logical field has them now; order is kept."""
    pairs: dict[str, str] = dict(field.extra.get("metadata", ()))
    extension = {Uuid: "arrow.uuid", Json: "arrow.json"}.get(field.type.__class__, "")
    if extension and pairs.get(EXTENSION) != extension:
        pairs |= {EXTENSION: extension, EXTENSION_METADATA: ""}
    elif not extension and EXTENSION in pairs and not _still_extended(field):
        pairs = {key: value for key, value in pairs.items() if key not in (EXTENSION, EXTENSION_METADATA)}
    if not _names(pairs.get(LOGICAL), field.type):
        pairs.pop(LOGICAL, None)
        pairs |= {LOGICAL: type_text(field.type)} if is_named(field) else {}
    for key, value in ((DOC, field.doc), (TAGS, json.dumps(field.tags, ensure_ascii=False) if field.tags else "")):
        if not value:
            pairs.pop(key, None)
        elif key == DOC or _read_tags(pairs, field.name) != field.tags:
            pairs[key] = value
    return [[key, value] for key, value in pairs.items()]


def _still_extended(field: Field) -> bool:
    """Is the extension in the metadata one of the field's present type (and not what a cast left behind)?"""
    name = dict(field.extra["metadata"])[EXTENSION]
    return field.extra.get("arrow.extended") == type_text(field.type) and (name, field.type) not in _EXTENDED


def _storage(field: Field) -> Type:
    """The type below an extension, or that holds the one which `instar.type` names."""
    if is_named(field):
        return held_as(field.type) or field.type
    return {Uuid: Fixed(16), Json: String()}.get(field.type.__class__, field.type)


def _type_of(field: Field) -> Node:
    """The remembered storage where it still fits, else the usual type."""
    remembered = field.extra.get("arrow")
    if remembered is not None and _fits(remembered, _storage(field)):
        return remembered
    try:
        return _usual_type(_storage(field))
    except SchemaError as error:
        raise error.at(path=field.name or None) from None


def _fits(kind: Node, type: Type) -> bool:
    match type:
        case Other():
            return True
        case Record():
            return kind["name"] == "struct"
        case List():
            return kind["name"] in _LISTS
        case Map():
            return kind["name"] == "map"
        case Union(branches):
            return kind["name"] == "union" and len(kind["typeIds"]) == len(branches)
        case _:
            nested = (*_LISTS, "struct", "map", "union", "interval", "runendencoded")
            return kind["name"] not in nested and _read_scalar(kind, "") == type


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


def _usual_type(type: Type) -> Node:
    """The type object that Instar writes for a logical type when nothing else is known."""
    match type:
        case Int(bits, signed):
            return {"name": "int", "isSigned": signed, "bitWidth": bits}
        case Float(bits):
            return {"name": "floatingpoint", "precision": {16: "HALF", 32: "SINGLE", 64: "DOUBLE"}[bits]}
        case Decimal(precision, scale):
            return {"name": "decimal", "precision": precision, "scale": scale, "bitWidth": 128 if precision <= 38 else 256}
        case Fixed(size):
            return {"name": "fixedsizebinary", "byteWidth": size}
        case Time(unit):
            return {"name": "time", "unit": _UNIT_NAMES[unit], "bitWidth": 32 if unit in ("s", "ms") else 64}
        case Timestamp(unit, zone):
            return {"name": "timestamp", "unit": _UNIT_NAMES[unit]} | ({"timezone": zone} if zone else {})
        case Duration(unit):
            return {"name": "duration", "unit": _UNIT_NAMES[unit]}
        case Union(branches):
            return {"name": "union", "mode": "DENSE", "typeIds": list(range(len(branches)))}
        case Map():
            return {"name": "map", "keysSorted": False}
        case Reference() | Other():
            raise _impossible(type)
        case _:
            return {"name": _USUAL[type.__class__]} | ({"unit": "DAY"} if isinstance(type, Date) else {})


_USUAL: dict[type, str] = {
    Null: "null", Bool: "bool", String: "utf8", Bytes: "binary", Date: "date", Enum: "utf8", Record: "struct", List: "list",
}  # fmt: skip


def _impossible(type: Type) -> SchemaError:
    named = isinstance(type, Reference)
    hint = "Arrow has no named types: write the type out at each place." if named else "Use one of Arrow's own types."
    return SchemaError(f"Arrow has no type {type_text(type)}", hint=hint)
