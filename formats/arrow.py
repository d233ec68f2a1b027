"""The logical schema as pyarrow's types, and back.

Both ways go through the JSON nodes of `arrow_nodes.py`, so that a type means one thing in a Parquet file, in a registered
schema document and in a batch. Storage (large, view, dictionary, fixed-size list, decimal width, names of items and entries,
field ids and other metadata) rides in `Field.extra` and comes out the same.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from .arrow_metadata import EXTENSION, EXTENSION_METADATA, metadata_of
from .arrow_nodes import read_node, write_node
from .arrow_types import Node
from .errors import SchemaError
from .schema import Field, Record, Schema, Type

_UNITS = {"SECOND": "s", "MILLISECOND": "ms", "MICROSECOND": "us", "NANOSECOND": "ns"}
_UNIT_NAMES = {short: long for long, short in _UNITS.items()}


def arrow_type(type: Type) -> pa.DataType:
    """The pyarrow type of a logical type in its usual storage; an enum is a string there, a uuid `pa.uuid()`.

    Raises:
        SchemaError: Arrow has no such type (`integer`, `number`, a reference).
    """
    return arrow_field(Field("", type)).type


def arrow_field(field: Field) -> pa.Field:
    """The pyarrow field, in the storage that `field.extra` remembers.

    Raises:
        SchemaError: as `arrow_type`.
    """
    made = _field(write_node(field))
    if EXTENSION.encode() in _all_metadata(made):  # pyarrow knows its extension types only by way of IPC
        return pa.ipc.read_schema(pa.schema([made]).serialize()).field(0)
    return made


def arrow_schema(schema: Schema) -> pa.Schema:
    """The pyarrow schema of a record schema.

    Raises:
        SchemaError: as `arrow_type`; also where the root is not a record.
    """
    metadata = {_bytes(key): _bytes(value) for key, value in metadata_of(schema.root)}
    return pa.schema([arrow_field(f) for f in schema.record.fields], metadata=metadata or None)


def logical_field(field: pa.Field) -> Field:
    """The logical field of a pyarrow field; types without a logical counterpart become `Other`.

    Raises:
        SchemaError: a record in it has two fields with one name.
    """
    return read_node(_node(field), "")


def logical_schema(schema: pa.Schema) -> Schema:
    """The logical schema; the schema's own metadata goes to the root's `extra`.

    Raises:
        SchemaError: two columns with one name.
    """
    fields = tuple(logical_field(f) for f in schema)
    pairs = [[_text(key), _text(value)] for key, value in (schema.metadata or {}).items()]
    return Schema(Field("", Record(fields), extra={"metadata": pairs} if pairs else {}))


def _all_metadata(field: pa.Field) -> set[bytes]:
    """The metadata keys of a field and of all below it."""
    keys = set(field.metadata or {})
    for i in range(field.type.num_fields):
        keys |= _all_metadata(field.type.field(i))
    return keys


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# ---- pyarrow → node
def _node(field: pa.Field) -> Node:
    type, metadata = field.type, dict(field.metadata or {})
    if isinstance(type, pa.BaseExtensionType):
        metadata[EXTENSION.encode()] = type.extension_name.encode()
        metadata[EXTENSION_METADATA.encode()] = _serialized(type)
        type = type.storage_type
    node: Node = {"name": field.name, "nullable": field.nullable}
    if pa.types.is_dictionary(type):
        node["dictionary"] = {"indexType": _type_node(type.index_type), "isOrdered": type.ordered}
        type = type.value_type
    node |= {"type": _type_node(type), "children": [_node(child) for child in _children(type)]}
    if metadata:
        node["metadata"] = [{"key": _text(key), "value": _text(value)} for key, value in metadata.items()]
    return node


def _serialized(type: pa.BaseExtensionType) -> bytes:
    """An extension's parameters as Arrow's list of canonical extensions has them; pyarrow shows its own types' only piecemeal."""
    match type:
        case pa.FixedShapeTensorType():
            given = {"shape": type.shape, "dim_names": type.dim_names, "permutation": type.permutation}
            return json.dumps({key: value for key, value in given.items() if value is not None}).encode()
        case pa.OpaqueType():
            return json.dumps({"type_name": type.type_name, "vendor_name": type.vendor_name}).encode()
        case pa.ExtensionType():
            return type.__arrow_ext_serialize__()
        case _:
            return b""


def _children(type: pa.DataType) -> list[pa.Field]:
    if pa.types.is_map(type):
        return [pa.field("entries", pa.struct([type.key_field, type.item_field]), nullable=False)]
    if pa.types.is_run_end_encoded(type):
        return [pa.field("run_ends", type.run_end_type, nullable=False), pa.field("values", type.value_type)]
    return [type.field(i) for i in range(type.num_fields)]


_NAMES = {
    "null": "null", "bool": "bool", "string": "utf8", "large_string": "largeutf8", "string_view": "utf8view",
    "binary": "binary", "large_binary": "largebinary", "binary_view": "binaryview",
}  # fmt: skip
_FLOATS = {"halffloat": "HALF", "float": "SINGLE", "double": "DOUBLE"}
_INTERVALS = {"month_interval": "YEAR_MONTH", "day_time_interval": "DAY_TIME", "month_day_nano_interval": "MONTH_DAY_NANO"}


def _type_node(type: pa.DataType) -> Node:
    text, is_ = str(type), pa.types
    if text in _NAMES:
        return {"name": _NAMES[text]}
    if whole := re.fullmatch(r"(u?)int(\d+)", text):
        return {"name": "int", "isSigned": not whole[1], "bitWidth": int(whole[2])}
    if text in _FLOATS:
        return {"name": "floatingpoint", "precision": _FLOATS[text]}
    if text in _INTERVALS:
        return {"name": "interval", "unit": _INTERVALS[text]}
    if is_.is_decimal(type):
        return {"name": "decimal", "precision": type.precision, "scale": type.scale, "bitWidth": type.bit_width}
    if is_.is_fixed_size_binary(type):
        return {"name": "fixedsizebinary", "byteWidth": type.byte_width}
    if is_.is_date(type):
        return {"name": "date", "unit": "DAY" if type.bit_width == 32 else "MILLISECOND"}
    if is_.is_time(type):
        return {"name": "time", "unit": _UNIT_NAMES[type.unit], "bitWidth": type.bit_width}
    if is_.is_timestamp(type):
        return {"name": "timestamp", "unit": _UNIT_NAMES[type.unit]} | ({"timezone": type.tz} if type.tz else {})
    if is_.is_duration(type):
        return {"name": "duration", "unit": _UNIT_NAMES[type.unit]}
    return _nested_node(type)


def _nested_node(type: pa.DataType) -> Node:
    is_ = pa.types
    if is_.is_struct(type):
        return {"name": "struct"}
    if is_.is_map(type):
        return {"name": "map", "keysSorted": type.keys_sorted}
    if is_.is_fixed_size_list(type):
        return {"name": "fixedsizelist", "listSize": type.list_size}
    for name, test in (("list", is_.is_list), ("largelist", is_.is_large_list), ("listview", is_.is_list_view),
                       ("largelistview", is_.is_large_list_view)):  # fmt: skip
        if test(type):
            return {"name": name}
    if is_.is_union(type):
        return {"name": "union", "mode": type.mode.upper(), "typeIds": list(type.type_codes)}
    if is_.is_run_end_encoded(type):
        return {"name": "runendencoded"}
    raise SchemaError(f"the Arrow type {type} is not known to Instar", hint="Store the column in one of Arrow's documented types.")


# ---- node → pyarrow
def _field(node: Node) -> pa.Field:
    type = _type(node["type"], [_field(child) for child in node.get("children", ())])
    if "dictionary" in node:
        index = _type(node["dictionary"]["indexType"], [])
        type = pa.dictionary(index, type, ordered=node["dictionary"].get("isOrdered", False))
    metadata = {_bytes(pair["key"]): _bytes(pair["value"]) for pair in node.get("metadata") or ()}
    return pa.field(node["name"], type, node["nullable"] or pa.types.is_null(type), metadata or None)


def _type(kind: Node, children: list[pa.Field]) -> pa.DataType:
    name = kind["name"]
    unit = _UNITS.get(kind.get("unit", ""))
    plain = {"utf8": pa.string, "largeutf8": pa.large_string, "utf8view": pa.string_view, "null": pa.null, "bool": pa.bool_,
             "binary": pa.binary, "largebinary": pa.large_binary, "binaryview": pa.binary_view}  # fmt: skip
    lists = {"list": pa.list_, "largelist": pa.large_list, "listview": pa.list_view, "largelistview": pa.large_list_view}
    if name in plain:
        return plain[name]()
    if name in lists:
        return lists[name](children[0])
    match name:
        case "int":
            return pa.type_for_alias(f"{'' if kind['isSigned'] else 'u'}int{kind['bitWidth']}")
        case "floatingpoint":
            return {"HALF": pa.float16(), "SINGLE": pa.float32(), "DOUBLE": pa.float64()}[kind["precision"]]
        case "decimal":
            return getattr(pa, f"decimal{kind.get('bitWidth', 128)}")(kind["precision"], kind["scale"])
        case "fixedsizebinary":
            return pa.binary(kind["byteWidth"])
        case "date":
            return pa.date32() if kind["unit"] == "DAY" else pa.date64()
        case "time":
            return (pa.time32 if kind["bitWidth"] == 32 else pa.time64)(unit)
        case "timestamp":
            return pa.timestamp(unit, kind.get("timezone") or None)
        case "duration":
            return pa.duration(unit)
        case _:
            return _nested_type(kind, children)


def _nested_type(kind: Node, children: list[Any]) -> pa.DataType:
    match kind["name"]:
        case "struct":
            return pa.struct(children)
        case "fixedsizelist":
            return pa.list_(children[0], kind["listSize"])
        case "map":
            key, value = children[0].type
            return pa.map_(key, value, keys_sorted=kind.get("keysSorted", False))
        case "union":
            return pa.union(children, mode=kind["mode"].lower(), type_codes=kind["typeIds"])
        case "runendencoded":
            return pa.run_end_encoded(children[0].type, children[1].type)
        case "interval" if kind["unit"] == "MONTH_DAY_NANO":
            return pa.month_day_nano_interval()
        case _:
            raise SchemaError(
                f"pyarrow cannot make the Arrow type {kind['name']} {kind.get('unit', '')}".rstrip(),
                hint="Parquet cannot hold it either; drop the column or store it in another type.",
            )
