"""What a comparison tells: which file is damaged and where, the same columns at every level, groups by their names."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import said
from two_sides import write, written

import instar
from instar.formats.errors import FileError
from instar.formats.parquet.thrift import decode, encode

NESTED = pa.schema(
    [
        pa.field("id", pa.int64(), False),
        pa.field("r", pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string())]))])),
        pa.field("q", pa.struct([pa.field("x", pa.int64(), False)]), False),
        pa.field("items", pa.list_(pa.struct([("k", pa.int64())]))),
    ]
)


def nested(count: int = 20) -> list[dict[str, Any]]:
    return [
        {"id": i, "r": None if i % 3 == 0 else {"a": i, "b": {"c": f"c{i}"}}, "q": {"x": i}, "items": [{"k": i}]}
        for i in range(count)
    ]


# ---- damage
SALE = {"type": "record", "name": "Sale", "fields": [{"name": "id", "type": "long"}, {"name": "s", "type": "string"}]}


def sales(folder: Path, *, damaged: str = "") -> Path:
    """Three Avro files of 200 records; of one of them the bytes in the midst of a block are no longer what they were."""
    folder.mkdir()
    for name in ("a", "b", "c"):
        path = folder / f"{name}.avro"
        with path.open("wb") as file:
            rows = [{"id": i, "s": f"text {i}"} for i in range(200)]
            fastavro.writer(file, fastavro.parse_schema(SALE), rows, sync_interval=500, sync_marker=bytes(16))
        if name == damaged:
            whole = bytearray(path.read_bytes())
            at = whole.index(b"text 150") - 1  # how long the text is
            whole[at] = 0x0F  # -8
            path.write_bytes(whole)
    return folder


def test_a_damaged_block_is_named_with_its_file_and_its_side_is_not_counted(tmp_path: Path) -> None:
    whole, broken = sales(tmp_path / "whole"), sales(tmp_path / "broken", damaged="b")
    for old, new, side in ((whole, broken, "new"), (broken, whole, "old")):
        report = instar.compare(old, new)
        assert report.verdict == "different"
        ((file, problem),) = ((p.file, p.problem) for p in report.problems)
        assert file == "b.avro"
        assert problem.startswith(f"the {side} file cannot be read: block "), problem
        assert "is damaged in record 150: it has a value that would not end within the block" in problem
        assert {"old": report.old.rows, "new": report.new.rows} == {"old": 600, "new": 600} | {side: None}
        assert len(report.columns) == 2
    answer = said("verify", "whole", "broken", at=tmp_path)
    assert "3 avro files, 600 rows" in answer.out
    assert "3 avro files, rows not counted" in answer.out
    with pytest.raises(FileError, match=r"b\.avro of .*broken cannot be read: block \d is damaged in record 150: "):
        instar.compare(whole, broken, unordered=True)


def test_damage_is_told_of_the_old_side_of_another_format_too(tmp_path: Path) -> None:
    broken = sales(tmp_path / "broken", damaged="a")
    rows = [{"id": i, "s": f"text {i}"} for i in range(200)]
    schema = pa.schema([pa.field("id", pa.int64(), False), pa.field("s", pa.string(), False)])
    whole = write(tmp_path / "whole", {f"{name}.parquet": rows for name in "abc"}, schema=schema)
    report = instar.compare(broken, whole)
    assert [(p.file, p.problem[:31]) for p in report.problems] == [("a.avro", "the old file cannot be read: bl")]
    footer = pq.read_metadata(whole / "b.parquet").row_group(2).column(1)
    start = footer.dictionary_page_offset or footer.data_page_offset
    data = bytearray((whole / "b.parquet").read_bytes())
    data[start + 2 : start + 30] = b"\xff" * 28
    (whole / "b.parquet").write_bytes(data)
    again = write(tmp_path / "again", {f"{name}.parquet": rows for name in "abc"}, schema=schema)
    (damage, *others) = instar.compare(again, whole).problems
    assert not others
    assert damage.file == "b.parquet"
    assert damage.problem.startswith("the new file cannot be read: column s in row group 2 is damaged")


@pytest.mark.parametrize(("byte", "place"), [(b"\x06", " in record 1"), (b"\x01", "")], ids=["3", "-1"])
def test_an_index_that_means_nothing_is_told_in_words(tmp_path: Path, byte: bytes, place: str) -> None:
    """-1 is the last symbol for a reader that counts from the end, and so the same value."""
    symbols = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
    schema = {"type": "record", "name": "R", "fields": [{"name": "e", "type": symbols}]}
    for name, index in (("old", b"\x02"), ("new", byte)):
        with (tmp_path / f"{name}.avro").open("wb") as file:
            fastavro.writer(file, fastavro.parse_schema(schema), [{"e": "A"}] * 3, sync_marker=bytes(16))
        data = (tmp_path / f"{name}.avro").read_bytes()
        (tmp_path / f"{name}.avro").write_bytes(data.replace(b"\x06\x06\0\0\0", b"\x06\x06\0" + index + b"\0"))
    (problem,) = instar.compare(tmp_path / "old.avro", tmp_path / "new.avro").problems
    words = "it has a symbol of an enum, or a branch of a union, that there is not"
    assert problem.problem == f"the new file cannot be read: block 0 is damaged{place}: {words}"


def nothings(path: Path, said: int) -> Path:
    """A file of one block of no bytes, which is said to hold so many records of only null."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "null"}]}
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), [], sync_marker=bytes(16))
    block = io.BytesIO()
    fastavro.schemaless_writer(block, {"type": "long"}, said)
    path.write_bytes(path.read_bytes() + block.getvalue() + b"\0" + bytes(16))
    return path


def test_a_block_that_says_it_holds_endlessly_many_records_of_no_bytes_is_damaged(tmp_path: Path) -> None:
    few, endless = nothings(tmp_path / "few.avro", 1000), nothings(tmp_path / "endless.avro", 1 << 40)
    words = f"block 0 is damaged in record 0: it says that it holds {1 << 40} records in 0 bytes"
    for old, new, side in ((few, endless, "new"), (endless, few, "old")):
        (problem,) = instar.compare(old, new).problems
        assert (problem.file, problem.problem) == ("endless.avro", f"the {side} file cannot be read: {words}")
    with pytest.raises(FileError, match=rf"endless\.avro cannot be read: {words}"):
        instar.compare(few, endless, unordered=True)
    again = instar.compare(few, nothings(tmp_path / "again.avro", 1000))
    assert (again.ok, again.old.rows, again.new.rows) == (True, 1000, 1000)


def test_a_map_with_a_key_twice_is_no_map_of_another_format(tmp_path: Path) -> None:
    counts = {"name": "m", "type": {"type": "map", "values": "long"}}
    with (tmp_path / "old.avro").open("wb") as file:
        schema = fastavro.parse_schema({"type": "record", "name": "R", "fields": [counts]})
        fastavro.writer(file, schema, [{"m": {"a": 1, "b": 2}}], sync_marker=bytes(16))
    data = (tmp_path / "old.avro").read_bytes()
    assert b"\x02b\x04" in data
    (tmp_path / "old.avro").write_bytes(data.replace(b"\x02b\x04", b"\x02a\x04"))
    pq.write_table(pa.table({"m": pa.array([[("a", 2)]], pa.map_(pa.string(), pa.int64()))}), tmp_path / "new.parquet")
    (problem,) = instar.compare(tmp_path / "old.avro", tmp_path / "new.parquet").problems
    assert (problem.file, problem.problem) == ("old.avro", "on the old side record 0: a key of a map is there twice")
    assert instar.compare(tmp_path / "old.avro", tmp_path / "old.avro").ok  # the same bytes


# ---- columns
HOWS: tuple[dict[str, Any], ...] = ({}, {"level": "full"}, {"level": "counts"}, {"unordered": True}, {"key": "id"})


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("parquet", "parquet", "id r r.a r.b r.b.c q.x items day"),
        ("parquet", "avro", "id r r.a r.b r.b.c q.x items day"),
        ("ndjson", "ndjson", "id r r.a r.b r.b.c q q.x items day"),  # where records have keys, and an order of them
    ],
)
def test_every_way_to_compare_tells_of_the_same_columns(tmp_path: Path, old: str, new: str, names: str) -> None:
    rows = nested()
    other = [dict(row) for row in rows]
    other[4]["r"], other[5]["items"], other[6]["q"] = {"a": 4, "b": {"c": "other"}}, [{"k": 99}], {"x": -1}
    sides = [(rows, tmp_path / "old", old), (other, tmp_path / "new", new)]
    for records, folder, format in sides:
        written(folder, format, {"day=1/a": records[:10], "day=2/a": records[10:]}, schema=NESTED)
    for how in HOWS:
        report = instar.compare(tmp_path / "old", tmp_path / "new", **how)
        assert not report.ok
        assert [column.path for column in report.columns] == names.split(), how
        if "unordered" not in how:  # which counts records
            assert {column.path for column in report.columns if not column.same} == {"r.b.c", "q.x", "items"}, how
        assert all(column.ways for column in report.columns) == (how != {"level": "counts"})
    same = instar.compare(tmp_path / "old", tmp_path / "old")
    assert [column.path for column in same.columns] == names.split()
    assert all(column.ways for column in same.columns)


def test_records_have_no_smallest_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"a.parquet": nested()}, schema=NESTED)
    told = {c.path: c.old for c in instar.compare(path, path, level="counts").columns}
    assert (told["r"] and (told["r"].low, told["r"].high, told["r"].nulls)) == (None, None, 7)
    assert (told["r.a"] and (told["r.a"].low, told["r.a"].high)) == ("1", "19")


# ---- words
def test_groups_are_named_on_both_sides_as_their_formats_call_them(tmp_path: Path) -> None:
    rows = nested(3)
    write(tmp_path / "old", {"a.parquet": nested(3)}, schema=NESTED, row_group=2)
    written(tmp_path / "new", "avro", {"a": [*rows[:2], {**rows[2], "q": {"x": 7}}]}, schema=NESTED)
    answer = said("verify", "old", "new", at=tmp_path)
    assert "compared record by record: 1 of 7 columns differs" in answer.out
    assert "changed  a.parquet, row group 1, record 2 → a.avro, block 0, record 2" in answer.out, answer.out
    assert "1 parquet file, 3 rows" in answer.out


def without_columns(path: Path, rows: int) -> Path:
    """A Parquet file of so many records of nothing, as other writers make them."""
    pq.write_table(pa.Table.from_batches([pa.RecordBatch.from_struct_array(pa.array([{}], pa.struct([])))]), path)
    data = path.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    footer, _ = decode(data[-8 - size : -8])
    footer[3] = footer[4][1][1][0][3] = (6, rows)  # of the file, and of its row group
    told = encode(footer)
    path.write_bytes(data[: -8 - size] + told + len(told).to_bytes(4, "little") + b"PAR1")
    return path


@pytest.mark.parametrize("how", HOWS[:4], ids=str)
def test_records_without_columns_are_counted(tmp_path: Path, how: dict[str, Any]) -> None:
    five, seven = without_columns(tmp_path / "five.parquet", 5), without_columns(tmp_path / "seven.parquet", 7)
    assert instar.compare(five, five, **how).ok
    report = instar.compare(five, seven, **how)
    assert not report.ok
    assert (report.old.rows, report.new.rows) == (5, 7)
    if "unordered" in how:
        assert dict(report.counts) == {"missing": 0, "extra": 2}
