"""Columns of every type that Parquet files hold in the hands of Arrow: four values each, one of them null where that can be."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa

X = pa.field("x", pa.int32())
LISTS = [[1, None], None, [], [2]]


def corners() -> dict[str, pa.Array]:
    """The columns by name."""
    return {**_scalars(), **_dictionaries(), **_nested(), **_maps(), **_extensions()}


def _scalars() -> dict[str, pa.Array]:
    made: dict[str, pa.Array] = {}
    for bits in (8, 16, 32, 64):
        made[f"int{bits}"] = pa.array([1, None, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1], f"int{bits}")
        made[f"uint{bits}"] = pa.array([1, None, 0, 2**bits - 1], f"uint{bits}")
    for type in (pa.float16(), pa.float32(), pa.float64()):
        made[str(type)] = pa.array([1.5, None, float("nan"), -0.0], type)
    for type in (pa.decimal32(7, 2), pa.decimal64(15, 3), pa.decimal128(38, 10), pa.decimal256(76, 10), pa.decimal128(5, 0)):
        made[f"decimal{type.bit_width}_{type.precision}"] = pa.array([Decimal(1), None, Decimal(-2), Decimal(300)], type)
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "Europe/Paris", "+02:00"):
            made[f"timestamp_{unit}_{zone}"] = pa.array([1, None, -5, 10**9], pa.timestamp(unit, zone))
        made[f"duration_{unit}"] = pa.array([1, None, -5, 10**9], pa.duration(unit))
        time = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
        made[f"time_{unit}"] = pa.array([1, None, 5, 80_000], time)
    made["date"] = pa.array([1, None, -700_000, 10**5], pa.date32())
    made["date64"] = pa.array([86_400_000, None, -86_400_000, 0], pa.date64())
    made["bool"], made["null"] = pa.array([True, None, False, True]), pa.nulls(4)
    for type in (pa.string(), pa.large_string(), pa.string_view()):
        made[str(type)] = pa.array(["a", None, "", "é" * 10], type)
    for type in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)):
        made[str(type)] = pa.array([b"ab", None, b"\xff\x00", b"cd"], type)
    return made


def _dictionaries() -> dict[str, pa.Array]:
    made = {
        f"dictionary_{name}": array.dictionary_encode()
        for name, array in _scalars().items()
        if not any(word in name for word in ("view", "null", "halffloat", "decimal32", "decimal64"))
    }
    made["ordered"] = pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0], pa.int8()), pa.array(["x", "y"]), ordered=True)
    made["unused"] = pa.DictionaryArray.from_arrays(pa.array([2, None, 2, 2], pa.int64()), pa.array(["x", "y", "z"]))
    return made


def _nested() -> dict[str, pa.Array]:
    types = (pa.list_(pa.int32()), pa.large_list(pa.int32()), pa.list_view(pa.int32()), pa.large_list_view(pa.int32()))
    made: dict[str, pa.Array] = {f"list_{i}": pa.array(LISTS, type) for i, type in enumerate(types)}
    made["pair"] = pa.array([[1, None], None, [3, 4], [5, 6]], pa.list_(pa.int32(), 2))
    made["pairs"] = pa.array([[[1, 2], None], None, [], [[2, 3]]], pa.list_(pa.list_(pa.int32(), 2)))
    made["required_items"] = pa.array([[1], None, [], [2]], pa.list_(pa.field("item", pa.int32(), nullable=False)))
    made["nulls"] = pa.array([[None], None, [], [None, None]], pa.list_(pa.null()))
    made["words"] = pa.array([["a"], None, [], ["b", None]], pa.list_(pa.dictionary(pa.int32(), pa.string())))
    made["record"] = pa.array([{"x": 1, "y": None}, None, {"x": None, "y": "b"}, {"x": 2}], pa.struct([X, ("y", pa.string_view())]))
    made["record_in_record"] = pa.array(
        [{"a": {"x": 1}}, None, {"a": None}, {"a": {"x": None}}], pa.struct([("a", pa.struct([X]))])
    )
    made["records"] = pa.array([[{"x": 1}, None], None, [], [{"x": None}]], pa.list_(pa.struct([X])))
    word = pa.field("x", pa.dictionary(pa.int32(), pa.string()), nullable=False)
    words = pa.array(["a", "b", "a", "b"]).dictionary_encode()
    for name, dead in (("some_dead", [False, True, False, False]), ("all_dead", [True] * 4)):
        made[name] = pa.StructArray.from_arrays([words], fields=[word], mask=pa.array(dead))
    return made


KEYS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "string": (pa.string(), ["a", "b"]),
    "large": (pa.large_string(), ["a", "b"]),
    "int": (pa.int32(), [1, 2]),
    "uint64": (pa.uint64(), [1, 2**64 - 1]),
    "double": (pa.float64(), [1.5, 0.0]),
    "date": (pa.date32(), [dt.date(2020, 1, 1), dt.date(2021, 1, 1)]),
    "bytes": (pa.binary(), [b"a", b""]),
    "fixed": (pa.binary(2), [b"ab", b"cd"]),
    "decimal": (pa.decimal128(10, 2), [Decimal(1), Decimal("2.5")]),
    "instant": (pa.timestamp("us", "UTC"), [1, 2]),
    "bool": (pa.bool_(), [True, False]),
    "record": (pa.struct([("k", pa.int32())]), [{"k": 1}, {"k": 2}]),
}


def _maps() -> dict[str, pa.Array]:
    made = {
        f"map_{name}": pa.array([[(a, 1), (b, None)], None, [], [(b, 3)]], pa.map_(type, pa.int32()))
        for name, (type, (a, b)) in KEYS.items()
    }
    made["sorted"] = pa.array([[("a", 1)], None, [], [("c", None)]], pa.map_(pa.string(), pa.int32(), keys_sorted=True))
    made["map_in_map"] = pa.array(
        [[("a", [("b", 1)])], None, [], [("c", None)]], pa.map_(pa.string(), pa.map_(pa.string(), pa.int32()))
    )
    made["map_of_records"] = pa.array([[("a", {"x": 1})], None, [], [("c", None)]], pa.map_(pa.string(), pa.struct([X])))
    return made


def _extensions() -> dict[str, pa.Array]:
    ids = [uuid.UUID(int=i).bytes for i in (1, 2, 2**128 - 1)]
    given: dict[str, tuple[pa.DataType, list[Any]]] = {
        "uuid": (pa.uuid(), [ids[0], None, *ids[1:]]),
        "json": (pa.json_(), ['{"a": 1}', None, "[]", "1.0"]),
        "bool8": (pa.bool8(), [1, None, 0, 2]),
        "opaque": (pa.opaque(pa.int32(), "t", "v"), [1, None, 0, 2]),
        "opaque_bytes": (pa.opaque(pa.binary(), "t", "v"), [b"1", None, b"", b"2"]),
        "tensor": (pa.fixed_shape_tensor(pa.int32(), [2, 2]), [[1, 2, 3, 4], None, [5, 6, 7, 8], [0, 0, 0, 0]]),
    }
    made: dict[str, pa.Array] = {}
    for name, (type, values) in given.items():
        made[name] = pa.ExtensionArray.from_storage(type, pa.array(values, type.storage_type))  # type: ignore[attr-defined]
        made[f"list_of_{name}"] = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3, 4], pa.int32()), made[name])
    return made
