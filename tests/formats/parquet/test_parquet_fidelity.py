"""Every kind of loss is found from the two footers alone; each test plants one in a good rewrite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.format import Stamp
from instar.formats.parquet import FORMAT
from instar.formats.parquet.fidelity import CODES
from instar.formats.parquet.footer import Footer, flat, get, items, read_footer, replace_footer, with_elements, with_key_values
from instar.formats.parquet.source import open_source
from instar.formats.parquet.thrift import BINARY, BOOL, I32, LIST, STRUCT, Struct

STAMP = Stamp("s", 1)


def table() -> pa.Table:
    fields = [
        pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "3"}), pa.field("t", pa.time64("us")),
        pa.field("l", pa.list_(pa.large_string())), pa.field("k", pa.dictionary(pa.int8(), pa.string())),
    ]  # fmt: skip
    columns = [list(range(8)), [1] * 8, [["a"]] * 8, ["x", "y"] * 4]
    made = [pa.array(values, field.type) for values, field in zip(columns, fields, strict=True)]
    return pa.Table.from_arrays(made, schema=pa.schema(fields, metadata={"owner": "ops"}))


def write(path: Path, data: pa.Table, **more: Any) -> Path:
    settings: dict[str, Any] = {"row_group_size": 4, "compression": "zstd", "sorting_columns": [pq.SortingColumn(0)]} | more
    pq.write_table(data, path, **settings)
    return path


def codes(old: Path, new: Path, stamp: Stamp | None = None) -> set[str]:
    source = open_source(old)
    found = FORMAT.fidelity(old, new, target=source.logical, carried={p: p for p in source.places}, stamp=stamp)
    assert {u.code for u in found} <= set(CODES)
    assert all(u.message for u in found)
    return {u.code for u in found}


REWRITTEN: dict[str, dict] = {
    "parquet.codec": {"compression": "snappy"},
    "parquet.row-groups": {"row_group_size": 5},
    "parquet.sorting-columns": {"sorting_columns": None},
    "parquet.dictionary": {"use_dictionary": False},
    "parquet.page-index": {"write_page_index": True},
    "parquet.bloom-filter": {"bloom_filter_options": {"id": True}},
    "parquet.arrow-schema": {"store_schema": False},
    "parquet.logical-type": {"write_time_adjusted_to_utc": True},
    "parquet.nested-names": {"use_compliant_nested_type": False},
}


@pytest.mark.parametrize("code", REWRITTEN)
def test_a_setting_that_changed_is_found(tmp_path, code) -> None:
    old = write(tmp_path / "old", table())
    assert codes(old, write(tmp_path / "same", table())) == set()
    assert code in codes(old, write(tmp_path / "new", table(), **REWRITTEN[code]))
    assert code in codes(write(tmp_path / "new", table(), **REWRITTEN[code]), old)


CHANGED: dict[str, Callable[[pa.Table], pa.Table]] = {
    "parquet.schema": lambda t: t.drop_columns(["t"]),
    "parquet.field-id": lambda t: t.set_column(0, pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "4"}), t.column(0)),
    "parquet.nullability": lambda t: t.set_column(0, t.schema.field(0).with_nullable(False), t.column(0)),
    "parquet.arrow-schema": lambda t: t.set_column(3, "k", t.column(3).cast(pa.string())),
    "parquet.key-values": lambda t: t.replace_schema_metadata({"owner": "other"}),
    "parquet.stamp": lambda t: t.replace_schema_metadata({"owner": "ops", "instar.subject": "s", "instar.version": "2"}),
}


@pytest.mark.parametrize("code", CHANGED)
def test_a_schema_that_changed_is_found(tmp_path, code) -> None:
    assert code in codes(write(tmp_path / "old", table()), write(tmp_path / "new", CHANGED[code](table())))


def test_order_units_and_missing_stamps_are_found(tmp_path) -> None:
    old = write(tmp_path / "old", table())
    assert codes(old, write(tmp_path / "a", table().select(["id", "l", "t", "k"]))) == {"parquet.schema"}
    assert "parquet.schema" in codes(
        old, write(tmp_path / "b", table().set_column(1, "t", table().column(1).cast(pa.time64("ns"))))
    )
    assert "parquet.key-values" in codes(old, write(tmp_path / "c", table().replace_schema_metadata(None)))
    assert codes(old, write(tmp_path / "d", table()), STAMP) == {"parquet.stamp"}


def patched(path: Path, change: Callable[[Footer], Struct]) -> Path:
    footer = read_footer(path)
    replace_footer(path, footer, change(footer))
    return path


def test_a_footer_whose_unit_is_wrong_is_found(tmp_path) -> None:
    """The bytes are right; what the footer says of them is not."""

    def as_nanoseconds(footer: Footer) -> Struct:
        unit = (STRUCT, {3: (STRUCT, {})})
        logical = (STRUCT, {7: (STRUCT, {1: (BOOL, False), 2: unit})})
        elements = [{**{n: v for n, v in s.items() if n != 6}, 10: logical} if get(s, 4) == b"t" else s for s in flat(footer.root)]
        return with_elements(footer.struct, elements)

    old, new = write(tmp_path / "old", table(), store_schema=False), write(tmp_path / "new", table(), store_schema=False)
    assert codes(old, patched(new, as_nanoseconds)) == {"parquet.schema", "parquet.logical-type"}


def test_a_field_that_nobody_knows_counts(tmp_path) -> None:
    old, new = write(tmp_path / "old", table()), write(tmp_path / "new", table())
    patched(old, lambda f: with_elements(f.struct, [{**s, 99: (I32, 7)} if get(s, 4) == b"t" else s for s in flat(f.root)]))
    assert codes(old, new) == {"parquet.logical-type"}


def test_a_rewrite_keeps_a_field_that_nobody_knows(tmp_path, rewrite) -> None:
    old = write(tmp_path / "old", table())
    patched(old, lambda f: with_elements(f.struct, [{**s, 99: (I32, 7)} if get(s, 4) == b"t" else s for s in flat(f.root)]))
    done = rewrite(old, rename={"t": "time"})
    assert done.unlike() == ()
    assert get(read_footer(done.target).leaves[1].struct, 99) == 7


def test_stale_hints_are_found(tmp_path) -> None:
    """ARROW:schema of other columns: what readers would believe."""
    old, new = write(tmp_path / "old", table()), write(tmp_path / "new", table())
    other = write(tmp_path / "other", table().replace_schema_metadata({"owner": "someone else"}))
    hints = read_footer(other).key_values[b"ARROW:schema"]
    patched(new, lambda f: with_key_values(f.struct, {**f.key_values, b"ARROW:schema": hints}))
    assert codes(old, new) == {"parquet.arrow-schema"}


@pytest.mark.parametrize(("values", "lost"), [((b"me", b"you"), {"parquet.key-values"}), ((b"me", b"me"), set())])
def test_a_key_that_is_there_twice_is_not_lost_silently(tmp_path, rewrite, values: tuple[bytes, bytes], lost: set[str]) -> None:
    """Readers take the last value, and a rewrite keeps that one."""
    pairs = [{1: (BINARY, b"reader"), 2: (BINARY, value)} for value in values]
    old = patched(write(tmp_path / "old", table()), lambda f: {**f.struct, 5: (LIST, (STRUCT, [*items(f.struct, 5), *pairs]))})
    done = rewrite(old, rename={"t": "time"})
    assert {each.code for each in done.unlike()} == lost
    source = open_source(old)
    known = FORMAT.unkeepable(old, target=source.logical, carried={place: place for place in source.places})
    assert {each.code for each in known} == lost
    assert read_footer(done.target).key_values[b"reader"] == values[1]


def test_a_columns_key_values_count(tmp_path) -> None:
    def owned(footer: Footer) -> Struct:
        pair = {1: (8, b"owner"), 2: (8, b"me")}
        groups = []
        for group in footer.row_groups:
            first, *rest = items(group, 1)
            meta = {**get(first, 3), 8: (LIST, (STRUCT, [pair]))}
            groups.append({**group, 1: (LIST, (STRUCT, [{**first, 3: (STRUCT, meta)}, *rest]))})
        return {**footer.struct, 4: (LIST, (STRUCT, groups))}

    old, new = write(tmp_path / "old", table()), patched(write(tmp_path / "new", table()), owned)
    assert codes(old, new) == {"parquet.column-key-values"}


def test_decimals_under_another_physical_type_are_found(tmp_path, unkeepable) -> None:
    data = pa.table({"d": pa.array([1, 2], pa.decimal128(5, 0))})
    old, new = write(tmp_path / "old", data), write(tmp_path / "new", data, store_decimal_as_integer=True)
    assert codes(old, new) == {"parquet.physical-type"}
    both = pa.table({"a": pa.array([1], pa.decimal128(5, 0)), "b": pa.array([1], pa.decimal128(30, 0))})
    assert unkeepable(write(tmp_path / "both", both, store_decimal_as_integer=True)) == set()
