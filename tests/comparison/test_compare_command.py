"""`instar verify OLD NEW`: exit codes, what people read, JSON, and where no project is."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import said
from two_sides import COUNTS, FULL, IN_PLACE, KEYED, UNORDERED, How, changed, records, write

import instar
from instar.formats.errors import DatasetError, FileError, UsageError

BY_A: How = {"key": "a"}


@pytest.fixture
def sides(tmp_path: Path) -> tuple[str, str]:
    """Two plain directories that differ in one record of the second file."""
    rows = records(40)
    write(tmp_path / "old", {"a.parquet": rows[:20], "b.parquet": rows[20:]}, row_group=8)
    other = changed(rows, 33, lambda record: record.update(name="Zoë, changed", price=1.5))
    write(tmp_path / "new", {"a.parquet": other[:20], "b.parquet": other[20:]}, row_group=8)
    return str(tmp_path / "old"), str(tmp_path / "new")


def test_the_exit_code_says_whether_anything_differs(sides: tuple[str, str], tmp_path: Path) -> None:
    old, new = sides
    assert said("verify", old, old, at=tmp_path).code == 0
    assert said("verify", old, new, at=tmp_path).code == 1
    assert said("verify", old, str(tmp_path / "nothing"), at=tmp_path).code == 2
    assert said("verify", old, new, "--key", "nonsense", at=tmp_path).code == 2
    assert said("verify", old, new, "--key", "id", "--unordered", at=tmp_path).code == 2
    assert said("verify", old, new, "--from", "1", at=tmp_path).code == 2
    assert said("verify", old, new, "--subject", "sales", "--from", "1", at=tmp_path).code == 2  # there is no project here
    assert said("verify", "--level", "counts", at=tmp_path).code == 2
    assert said("verify", old, new, "--level", "counts", "--key", "id", at=tmp_path).code == 2


@pytest.mark.parametrize("how", [(), ("--unordered",), ("--key", "id"), ("--level", "full"), ("--level", "counts")])
def test_what_people_read_has_the_verdict_first_and_fits(how: tuple[str, ...], sides: tuple[str, str], tmp_path: Path) -> None:
    for pair, verdict in ((sides, "Different"), ((sides[0], sides[0]), "Counts agree" if "counts" in how else "Same")):
        answer = said("verify", *pair, *how, at=tmp_path)
        lines = answer.out.splitlines()
        assert lines[0].startswith(verdict), answer.out
        # paths are shown as they are: those of the tests are long
        assert not [line for line in lines if len(line) > 100 and str(tmp_path) not in line], answer.out
        if verdict == "Different" and "counts" not in how:
            assert "b.parquet, row group 1, record 13" in answer.out
            assert "Zoë 6 → Zoë, changed" in answer.out


def test_json_says_the_same(sides: tuple[str, str], tmp_path: Path) -> None:
    report = json.loads(said("verify", *sides, "--key", "id", "--level", "full", "--json", at=tmp_path).out)
    assert (report["verdict"], report["ok"], report["mode"], report["key"]) == ("different", False, "keyed", ["id"])
    assert report["counts"] == {"changed": 1, "missing": 0, "extra": 0, "duplicated": 0}
    (row,) = report["rows"]
    assert row["key"] == {"id": "33"}
    assert row["new"] == {"file": "b.parquet", "row": 13, "group": 1}
    assert {change["path"] for change in row["fields"]} == {"name", "price"}
    differing = {column["path"]: column["differs"] for column in report["columns"] if not column["same"]}
    assert differing == {"name": 1, "price": 1}
    (name,) = (column for column in report["columns"] if column["path"] == "name")
    assert name["old"]["checksum"] != name["new"]["checksum"]
    assert name["old"]["nulls"] == name["new"]["nulls"] == 0


def test_a_run_of_a_dataset_is_still_what_is_meant_where_no_such_paths_are(tmp_path: Path) -> None:
    answer = said("verify", "flights", at=tmp_path)
    assert answer.code == 2
    assert "instar.toml" in answer.err


def test_so_many_examples_are_shown(sides: tuple[str, str], tmp_path: Path) -> None:
    rows = records(40)
    other = [{**row, "small": -1} for row in rows]
    write(tmp_path / "new", {"a.parquet": other[:20], "b.parquet": other[20:]})
    for how in ((), ("--unordered",), ("--key", "id")):
        for count in (0, 3):
            answer = said("verify", sides[0], str(tmp_path / "new"), *how, "--examples", str(count), "--json", at=tmp_path)
            assert answer.code == 1
            assert len(json.loads(answer.out)["rows"]) == count, how


# ---- files spread otherwise, duplicates, empty ones
def test_rows_spread_over_other_files(tmp_path: Path) -> None:
    rows = records(50)
    old = write(tmp_path / "old", {"a.parquet": rows[:25], "b.parquet": rows[25:]})
    new = write(tmp_path / "new", {"x/1.parquet": rows[::-2], "x/2.parquet": rows[::2][:9], "3.parquet": rows[::2][9:]})
    in_place = instar.compare(old, new)
    assert not in_place.ok
    assert {problem.file for problem in in_place.problems} == {"a.parquet", "b.parquet", "x/1.parquet", "x/2.parquet", "3.parquet"}
    assert any("--unordered" in note for note in in_place.notes)
    assert instar.compare(old, new, unordered=True).ok
    assert instar.compare(old, new, key="id").ok


def test_how_often_a_record_is_there_counts(tmp_path: Path) -> None:
    rows = records(10)
    old = write(tmp_path / "old", {"a.parquet": [*rows, rows[3], rows[3]]})
    new = write(tmp_path / "new", {"a.parquet": [rows[3], *rows, rows[5]]})
    report = instar.compare(old, new, unordered=True)
    assert dict(report.counts) == {"missing": 1, "extra": 1}
    (missing, extra) = report.rows
    assert (missing.kind, missing.values["id"], missing.times) == ("missing", "3", 1)
    assert (extra.kind, extra.values["id"], extra.times) == ("extra", "5", 1)
    keyed = instar.compare(old, new, key="id")
    assert keyed.counts["duplicated"] == 2
    assert any("not unique" in note for note in keyed.notes)


def test_a_null_in_a_key_is_a_value_like_any_other(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string()), ("v", pa.int64())])
    rows: list[dict[str, Any]] = [{"a": 1, "b": None, "v": 1}, {"a": None, "b": None, "v": 2}, {"a": None, "b": "x", "v": 3}]
    old = write(tmp_path / "old", {"a.parquet": rows}, schema=schema)
    new = write(tmp_path / "new", {"a.parquet": [rows[2], {**rows[1], "v": 9}, rows[0]]}, schema=schema)
    report = instar.compare(old, new, key=["a", "b"])
    assert dict(report.counts) == {"changed": 1, "missing": 0, "extra": 0, "duplicated": 0}
    (row,) = report.rows
    assert (dict(row.key), [(f.path, f.old, f.new) for f in row.fields]) == ({"a": "null", "b": "null"}, [("v", "2", "9")])


@pytest.mark.parametrize("how", [UNORDERED, KEYED, {**COUNTS, **UNORDERED}])
def test_a_record_in_another_folder_is_another_one(tmp_path: Path, how: How) -> None:
    some, others = records(6)[:3], records(6)[3:]
    (old, new, flat) = (tmp_path / name for name in ("old", "new", "flat"))
    for side, first in ((old, some), (new, others)):
        second = others if first is some else some
        write(side / "region=no%2Frth", {"a.parquet": first[:2], "b.parquet": first[2:]})
        write(side / "region=__HIVE_DEFAULT_PARTITION__", {"c.parquet": second})
    write(flat, {"a.parquet": [*others, *some]})
    assert instar.compare(old, old, **how).ok
    report = instar.compare(old, new, **how)
    assert not report.ok
    assert "region" in [column.path for column in report.columns]
    if how == KEYED:
        assert report.counts["changed"] == 6
        assert [(f.path, f.old, f.new) for f in report.rows[0].fields] == [("region", "null", "no/rth")]
    loose = instar.compare(old, flat, **how)
    assert loose.ok
    assert "only one side has folders region=…; they are not compared" in loose.notes


def test_the_only_file_of_either_side_in_another_folder_is_another_one(tmp_path: Path) -> None:
    for side, folder in (("old", "year=2024"), ("new", "year=2025"), ("flat", ".")):
        write(tmp_path / side / folder, {"a.parquet": records(3)})
    report = instar.compare(tmp_path / "old", tmp_path / "new")
    assert [problem.file for problem in report.problems] == ["year=2024/a.parquet", "year=2025/a.parquet"]
    loose = instar.compare(tmp_path / "old", tmp_path / "flat")
    assert (loose.ok, loose.notes) == (True, ("only one side has folders year=…; they are not compared",))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not UTF-8")
@pytest.mark.parametrize("how", [IN_PLACE, FULL, UNORDERED])
def test_a_file_whose_name_is_not_utf_8_is_compared_all_the_same(tmp_path: Path, how: How) -> None:
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        (tmp_path / side / os.fsdecode(b"\xff.ndjson")).write_text('{"a": 1}\n')
        (tmp_path / side / "b.ndjson").write_text('{"a": 2}\n')
    assert instar.compare(tmp_path / "old", tmp_path / "new", **how).ok
    (tmp_path / "new" / os.fsdecode(b"\xff.ndjson")).write_text('{"a": 3}\n')
    assert not instar.compare(tmp_path / "old", tmp_path / "new", **how).ok


def test_files_without_records(tmp_path: Path) -> None:
    none = write(tmp_path / "old", {"a.parquet": []})
    also = write(tmp_path / "new", {"a.parquet": []})
    some = write(tmp_path / "some", {"a.parquet": records(3)})
    for how in (IN_PLACE, UNORDERED, KEYED, COUNTS, FULL):
        assert instar.compare(none, also, **how).ok
        assert not instar.compare(none, some, **how).ok
        assert not instar.compare(some, none, **how).ok
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "a.ndjson").write_text("")
    for how in (IN_PLACE, UNORDERED):
        assert instar.compare(tmp_path / "lines", tmp_path / "lines", **how).ok


# ---- schemas
def test_columns_that_only_one_side_has_and_other_types(tmp_path: Path) -> None:
    one = pa.schema([("id", pa.int32()), ("gone", pa.string()), ("x", pa.string()), ("y", pa.int64())])
    two = pa.schema([("id", pa.int64()), ("come", pa.string()), ("x", pa.bool_()), ("y", pa.int64())])
    old = write(tmp_path / "old", {"a.parquet": [{"id": 1, "gone": "a", "x": "t", "y": 5}]}, schema=one)
    new = write(tmp_path / "new", {"a.parquet": [{"id": 1, "come": "b", "x": True, "y": 6}]}, schema=two)
    report = instar.compare(old, new)
    told = {problem.path: problem.problem for problem in report.problems}
    assert told == {
        "id": "it is int32 on the old side and int64 on the new one",
        "gone": "only the old side has it (string)",
        "come": "only the new side has it (string)",
        "x": "it is string on the old side and bool on the new one, which cannot be compared",
    }
    (row,) = report.rows  # what both have is compared all the same
    assert [(f.path, f.old, f.new) for f in row.fields] == [("y", "5", "6")]


def test_null_ness_order_and_codec_are_no_difference(tmp_path: Path) -> None:
    rows = [{"a": i, "b": f"v{i}"} for i in range(50)]
    one = pa.schema([pa.field("a", pa.int64(), False), pa.field("b", pa.string())])
    two = pa.schema([pa.field("b", pa.string(), False), pa.field("a", pa.int64())])
    old = write(tmp_path / "old", {"p.parquet": rows}, schema=one)
    new = write(tmp_path / "new", {"p.parquet": rows}, schema=two, row_group=7)
    for how in (IN_PLACE, UNORDERED, BY_A, FULL):
        assert instar.compare(old, new, **how).ok


def test_files_that_other_tools_wrote_in_two_formats(tmp_path: Path) -> None:
    """fastavro's Avro, DuckDB's Parquet, Python's JSON: nothing of Instar's wrote any of them."""
    schema = {
        "type": "record", "name": "Sale",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "paid", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}]},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
            {"name": "tags", "type": {"type": "array", "items": "string"}},
        ],
    }  # fmt: skip
    duckdb.sql(
        "CREATE OR REPLACE TEMP TABLE sale AS SELECT i AS id, CASE WHEN i % 3 > 0 THEN (i / 4)::DECIMAL(9, 2) END AS paid, "
        "TIMESTAMPTZ '2020-01-01 00:00:00+00' + INTERVAL (i) MINUTE AS at, CASE WHEN i % 2 = 0 THEN 'A' ELSE 'B' END AS kind, "
        "[i::VARCHAR, 'ü'] AS tags FROM range(200) t(i)"
    )
    for folder in ("avro", "parquet", "json"):
        (tmp_path / folder).mkdir()
    duckdb.sql(f"COPY sale TO '{tmp_path}/parquet/part-0.parquet'")
    rows = pq.read_table(tmp_path / "parquet" / "part-0.parquet").to_pylist()
    with (tmp_path / "avro" / "part-0.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, codec="deflate")
    told = [{**row, "paid": row["paid"] and float(row["paid"]), "at": row["at"].isoformat()[:19] + "Z"} for row in rows]
    (tmp_path / "json" / "part-0.json").write_text(json.dumps(told))
    for old, new in (("avro", "parquet"), ("parquet", "avro"), ("avro", "json"), ("json", "parquet")):
        for how in (IN_PLACE, UNORDERED, KEYED):
            report = instar.compare(tmp_path / old, tmp_path / new, **how)
            assert report.ok, (old, new, how, report.problems, report.rows)
    told[123]["kind"], told[7]["unheard"] = "A", 1
    (tmp_path / "json" / "part-0.json").write_text(json.dumps(told))
    report = instar.compare(tmp_path / "avro", tmp_path / "json")
    assert [(problem.path, problem.file) for problem in report.problems] == [("unheard", "part-0.json")]
    assert [(row.new and row.new.row, row.fields[0].path) for row in report.rows] == [(123, "kind")]


def test_values_that_are_not_of_the_type_that_the_other_side_names(tmp_path: Path) -> None:
    old = write(tmp_path / "old", {"a.parquet": [{"n": i} for i in range(5)]}, schema=pa.schema([("n", pa.int32())]))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.ndjson").write_text('{"n":0}\n{"n":1}\n{"n":"two"}\n{"n":3}\n{"n":4}\n')
    for how in (IN_PLACE, UNORDERED, COUNTS):
        report = instar.compare(old, tmp_path / "new", **how)
        assert not report.ok
        assert any("record 2" in problem.problem and problem.path == "n" for problem in report.problems), (how, report.problems)


def test_what_is_refused(tmp_path: Path) -> None:
    old = write(tmp_path / "old", {"a.parquet": records(3)})
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="no Parquet, Avro or JSON files"):
        instar.compare(old, tmp_path / "none")
    with pytest.raises(UsageError, match="level"):
        instar.compare(old, old, level="most")  # type: ignore[arg-type]
    write(tmp_path / "mixed", {"a.parquet": records(3)})
    (tmp_path / "mixed" / "b.ndjson").write_text('{"a":1}\n')
    with pytest.raises(DatasetError, match="several formats"):
        instar.compare(old, tmp_path / "mixed")
    (tmp_path / "damaged").mkdir()
    whole = (tmp_path / "old" / "a.parquet").read_bytes()
    (tmp_path / "damaged" / "a.parquet").write_bytes(whole[:300] + bytes(300) + whole[600:])
    report = instar.compare(old, tmp_path / "damaged")
    assert not report.ok
    with pytest.raises(FileError, match=r"a\.parquet of .*damaged cannot be read: column ratio in row group 0 is damaged"):
        instar.compare(old, tmp_path / "damaged", unordered=True)


def test_nothing_is_written_and_nothing_left_behind(
    sides: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = sorted(path for path in tmp_path.rglob("*"))
    for how in (IN_PLACE, UNORDERED, KEYED, FULL):
        instar.compare(*sides, **how)
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("how", [("--key", "id"), ("--unordered",)])
def test_records_in_lists_and_maps_are_shown_with_the_names_of_their_fields(how: tuple[str, ...], tmp_path: Path) -> None:
    entry = pa.struct([("sku", pa.string()), ("odd name", pa.list_(pa.struct([("n", pa.int32())])))])
    twins = pa.struct([("a", pa.int32()), ("A", pa.int32())])  # which DuckDB has no names for
    types = [("id", pa.int64()), ("items", pa.list_(entry)), ("by", pa.map_(pa.string(), entry)), ("twins", pa.list_(twins))]
    schema = pa.schema([*types, *((name, pa.int32()) for name in ("one", "two", "three"))])
    item = {"sku": "s", "odd name": [{"n": 1}, None]}
    rows = [
        {"id": 0, "items": [item, None], "by": [("k", item)], "twins": [{"a": 1, "A": 2}]},
        {"id": 1, "items": None, "by": None},
    ]
    for name, sku in (("old", "s"), ("new", "t")):
        changed = [{**rows[0], "items": [{**item, "sku": sku}, None], "by": [("k", {**item, "sku": sku})]}, rows[1]]
        if name == "new":
            changed[0]["twins"] = [{"a": 1, "A": 3}]
            changed[1]["by"] = [("k", None)]
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(changed, schema=schema), tmp_path / name / "a.parquet")
    answer = said("verify", "old", "new", *how, "--json", at=tmp_path)
    fields = {(row["old"]["row"], change["path"]): (change["old"], change["new"]) for row in json.loads(answer.out)["rows"]
              for change in row["fields"]}  # fmt: skip
    before, after = (f"{{'sku': {sku}, 'odd name': [{{'n': 1}}, NULL]}}" for sku in "st")
    assert fields[0, "items"] == (f"[{before}, NULL]", f"[{after}, NULL]")
    assert fields[0, "by"] == (f"{{k={before}}}", f"{{k={after}}}")
    assert fields[1, "by"] == ("null", "{k=NULL}")
    assert (0, "twins") in fields


def test_counts_do_not_depend_on_the_order_of_zeros_and_of_numbers_that_no_double_tells_apart(tmp_path: Path) -> None:
    close = ["1e-5", "1.0000000000000000001e-5", "-0", "0", "0.0", "-0.0", "3", "123456789012345678901234567890.5"]
    for name, turn in (("old", 1), ("new", -1)):
        (tmp_path / name).mkdir()
        floats = pa.table(
            {"zero": pa.array([0.0, -0.0, float("nan"), None, 1.0][::turn]), "half": pa.array([-0.0, 0.0, -1, -1, -2][::turn])}
        )
        pq.write_table(floats, tmp_path / name / "a.parquet")
        (tmp_path / f"{name}.ndjson").write_text("".join(f'{{"n": {number}}}\n' for number in close[::turn]))
    for suffix in ("", ".ndjson"):
        answer = said("verify", f"old{suffix}", f"new{suffix}", "--level", "counts", at=tmp_path)
        assert (answer.code, answer.out.split("  ")[0]) == (0, "Counts agree"), answer.out


def test_the_empty_text_is_shown_where_nothing_is_hidden(tmp_path: Path) -> None:
    pq.write_table(pa.table({"s": ["", "b"]}), tmp_path / "a.parquet")
    (column,) = json.loads(said("verify", "a.parquet", "a.parquet", "--level", "counts", "--json", at=tmp_path).out)["columns"]
    assert (column["old"]["min"], column["old"]["max"]) == ("''", "b")
    assert "not shown" not in said("verify", "a.parquet", "a.parquet", "--level", "counts", at=tmp_path).out


def test_text_that_is_no_number_is_told_once(tmp_path: Path) -> None:
    pq.write_table(pa.table({"p": pa.array([1], pa.decimal128(10, 2))}), tmp_path / "a.parquet")
    (tmp_path / "b.ndjson").write_text('{"p": "1.00"}\n')
    report = json.loads(said("verify", "a.parquet", "b.ndjson", "--level", "full", "--json", at=tmp_path).out)
    assert [problem["problem"] for problem in report["problems"]] == ['on the new side record 0: "1.00" is no number']


def test_full_of_a_run_is_said_to_be_another_option(tmp_path: Path) -> None:
    answer = said("verify", "flights", "--level", "full", at=tmp_path)
    assert answer.code == 2
    assert "Name both: instar verify OLD NEW. A run is proved in full by --proof full." in answer.err


def test_keys_of_json_that_differ_are_said_to_be_keys(tmp_path: Path) -> None:
    (tmp_path / "old.ndjson").write_text('{"a": 1, "b": 2}\n')
    (tmp_path / "new.ndjson").write_text('{"b": 2, "a": 1}\n')
    answer = said("verify", "old.ndjson", "new.ndjson", at=tmp_path)
    assert answer.code == 1
    assert "         (keys): " in answer.out, answer.out


def test_text_that_is_no_json_is_named_with_its_whole_path(tmp_path: Path) -> None:
    for folder in ("old/x", "old/y", "new/x", "new/y"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.ndjson").write_text('{"a": 1}\n' + ("oops" if folder == "new/y" else ""))
    answer = said("verify", "old", "new", at=tmp_path)
    assert answer.code == 1
    assert "new/y/a.ndjson, record 1: " in answer.err
