"""Arrow's many forms of one value: there and back, in slices, and taken apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.storage import filler, items_of, stored, struct_of, taken
from instar.formats.typetext import parse_type
from instar.transforms.evaluate.plain import from_python, plain_type, to_python

TEXTS = ["a", None, "b", "a"]
LISTS = [[1, 2], None, [3, None], []]
PAIRS = [[1, 2], None, [3, None], [5, 6]]
MAPS = [[("a", 1)], None, [("b", None), ("c", 2)], []]
RECORDS = [{"a": "x", "A": [1]}, None, {"a": None, "A": None}, {"a": "y", "A": []}]
INT = pa.int64()
FORMS: list[tuple[Any, pa.DataType, str]] = [
    *[(TEXTS, t, "string") for t in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()))],
    (TEXTS, pa.dictionary(pa.int32(), pa.large_string()), "string"),
    *[(LISTS, t, "list<int64?>") for t in (pa.list_(INT), pa.large_list(INT), pa.list_view(INT), pa.large_list_view(INT))],
    (LISTS, pa.list_(pa.field("element", INT, metadata={"k": "v"})), "list<int64?>"),
    (PAIRS, pa.list_(INT, 2), "list<int64?>"),
    *[(MAPS, t, "map<int64?>") for t in (pa.map_(pa.string(), INT), pa.map_(pa.large_string(), INT, keys_sorted=True))],
    (MAPS, pa.map_(pa.field("k", pa.string(), nullable=False), pa.field("v", INT)), "map<int64?>"),
    (RECORDS, pa.struct([("a", pa.string_view()), ("A", pa.large_list(INT))]), "record{a: string?, A: list<int64?>}"),
    ([b"ab", None, b"cd"], pa.binary(2), "fixed(2)"),
    ([b"a", None, b"c"], pa.binary_view(), "bytes"),
    ([1.5, None, -0.0], pa.float16(), "half"),
    *[([Decimal("1.50"), None], t, "decimal(5,2)") for t in (pa.decimal32(5, 2), pa.decimal64(5, 2), pa.decimal256(5, 2))],
    ([None, None], pa.null(), "null"),
    ([None, None], pa.map_(pa.string(), pa.null()), "map<null?>"),
    ([{"a": None}, None], pa.struct([("a", pa.null())]), "record{a: null?}"),
    ([UUID(int=5).bytes, None], pa.uuid(), "uuid"),
]


@pytest.mark.parametrize(("values", "type", "text"), FORMS, ids=lambda x: str(x) if isinstance(x, pa.DataType) else "")
def test_every_form_becomes_plain_and_back(values: Any, type: pa.DataType, text: str) -> None:
    whole, logical = _made(values, type), parse_type(text)
    for array in (whole, whole.slice(1), whole.slice(1, 1), whole.slice(0, 0)):
        plain = stored(array, plain_type(logical))
        plain.validate(full=True)
        assert from_python(to_python(plain, logical), logical).equals(plain)
        back = stored(plain, type)
        back.validate(full=True)
        assert back.type.equals(type, check_metadata=True)
        assert back.to_pylist() == array.to_pylist()


@pytest.mark.parametrize(("values", "type", "text"), FORMS, ids=lambda x: str(x) if isinstance(x, pa.DataType) else "")
def test_every_form_is_taken_and_filled(values: Any, type: pa.DataType, text: str) -> None:
    array = _made(values, type)
    again = taken(array, pa.array([1, 0, None]))
    again.validate(full=True)
    assert again.type == type
    assert again.to_pylist() == [*(array.to_pylist()[i] for i in (1, 0)), None]
    if type != pa.null():
        one = filler(type)
        one.validate(full=True)
        assert (len(one), one.null_count, one.type) == (1, 0, type)


def _made(values: Any, type: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(type):
        return pa.array(values, type.value_type).dictionary_encode().cast(type)
    return pa.array(values, type)


def test_a_required_field_below_a_null_record_holds_a_filler_but_a_seen_null_stays() -> None:
    like, child = pa.array([1, None]), pa.array(["x", None])
    made = struct_of([child], [pa.field("a", pa.string(), nullable=False)], like)
    assert made.field(0).null_count == 0
    assert made.to_pylist() == [{"a": "x"}, None]
    inner = pa.StructArray.from_arrays([child], fields=[pa.field("a", pa.string(), nullable=False)])
    nested = struct_of([inner], [pa.field("r", inner.type, nullable=False)], like)
    assert nested.field(0).field(0).null_count == 0
    assert nested.to_pylist() == [{"r": {"a": "x"}}, None]
    seen = struct_of([pa.array([None, None], pa.string())], [pa.field("a", pa.string(), nullable=False)], like)
    assert seen.field(0).null_count == 2


@pytest.mark.parametrize(
    "item", [pa.json_(), pa.uuid(), pa.opaque(pa.int32(), "t", "v"), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_lists_of_every_item_are_filled(item: pa.DataType) -> None:
    for type in (pa.list_(item), pa.large_list(item), pa.list_view(item), pa.map_(pa.string(), item), pa.list_(pa.list_(item))):
        one = filler(type)
        one.validate(full=True)
        assert (len(one), one.null_count, one.type) == (1, 0, type)


UUID_IN = [
    pa.list_(pa.uuid()), pa.list_(pa.list_(pa.uuid())), pa.map_(pa.string(), pa.uuid(), keys_sorted=True), pa.large_list(pa.uuid()),
    pa.list_(pa.struct([pa.field("a", pa.uuid(), metadata={"k": "v"})])), pa.list_(pa.map_(pa.string(), pa.list_(pa.uuid()))),
    pa.list_(pa.uuid(), 2), pa.struct([("a", pa.list_(pa.list_(pa.uuid())))]), pa.map_(pa.string(), pa.null()),
]  # fmt: skip


@pytest.mark.parametrize("type", UUID_IN, ids=str)
def test_extensions_below_nothing_but_nulls(type: pa.DataType) -> None:
    nulls = pa.nulls(3, type)
    for array in (nulls, nulls.slice(1), nulls.slice(0, 0)):
        again = taken(array, pa.array([None, *range(len(array))], pa.int64()))
        again.validate(full=True)
        assert again.type.equals(type, check_metadata=True)
        assert again.null_count == len(array) + 1
        if not pa.types.is_struct(type):
            items = items_of(array)
            assert len(items) == 0
            assert pa.types.is_map(type) or items.type.equals(type.value_type, check_metadata=True)


def test_extensions_are_taken_out_of_lists_and_records() -> None:
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes([n]) * 16 for n in range(3)], pa.binary(16)))
    records = pa.StructArray.from_arrays([ids], ["a"])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 1, 3], pa.int32()), records)
    assert items_of(lists.slice(1)).to_pylist() == records.slice(1).to_pylist()
    assert taken(lists, pa.array([2, None, 1])).to_pylist() == [lists[2].as_py(), None, []]


def test_records_of_nothing_but_nulls_can_be_written(tmp_path):
    inner = pa.struct([pa.field("q", pa.int64(), nullable=False), pa.field("l", pa.list_(pa.int8()), nullable=False)])
    type = pa.struct(
        [pa.field("d", pa.decimal128(38, 2), nullable=False), pa.field("r", inner, nullable=False), pa.field("n", inner)]
    )
    made = stored(pa.nulls(3), type)
    made.validate(full=True)
    assert (made.type, made.to_pylist()) == (type, [None] * 3)
    pq.write_table(pa.table({"a": made}), tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["a"].to_pylist() == [None] * 3


def test_maps_of_records_with_nothing_but_nulls_in_a_field_are_whole() -> None:
    type = parse_type("map<record{n: null?, s: string}>")
    values = [{"a": {"n": None, "s": "x"}, "b": {"n": None, "s": "y"}}, None, {"c": {"n": None, "s": "z"}}]
    made = from_python(values, type)
    made.validate(full=True)
    assert to_python(made, type) == values
