"""What a footer tells: facts, recognition, errors, the schema of several files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import FileError, UsageError
from instar.formats.format import Stamp, format_named
from instar.formats.parquet import FORMAT
from instar.formats.parquet.footer import framed, parse_footer
from instar.formats.parquet.thrift import BINARY, BOOL, LIST, STRUCT
from instar.formats.schema import Bool, Field, Int, List, String, schema

CONFORMANCE = Path(os.environ.get("INSTAR_CONFORMANCE") or Path(__file__).parents[4] / "shared" / "conformance")
ENCRYPTED = sorted((CONFORMANCE / "parquet-testing" / "data").rglob("*.encrypted"))


def write(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_facts_come_from_the_footer(tmp_path) -> None:
    pq.write_table(
        pa.table({"a": [1, 2, 3]}).replace_schema_metadata({"instar.subject": "s", "instar.version": "4"}),
        tmp_path / "f",
        row_group_size=2,
    )
    facts = FORMAT.inspect(tmp_path / "f")
    assert (facts.format, facts.layout, facts.rows, facts.stamp) == ("parquet", "parquet", 3, Stamp("s", 4))
    assert facts.size == (tmp_path / "f").stat().st_size
    assert facts.schema == schema(Field("a", Int(64), nullable=True))
    assert facts.physical["row_groups"] == [2, 1]
    assert facts.bytes_uncompressed > 0
    assert FORMAT.count(tmp_path / "f") == 3
    assert format_named("parquet") is FORMAT


@pytest.mark.parametrize("version", ["x", "", "-1", None, "9" * 5000])
def test_a_stamp_without_a_version_is_none(tmp_path, version) -> None:
    keys = {"instar.subject": "s"} | ({"instar.version": version} if version is not None else {})
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(keys), tmp_path / "f")
    assert FORMAT.inspect(tmp_path / "f").stamp is None


def test_files_are_recognised_by_content_first(tmp_path) -> None:
    assert FORMAT.recognises(write(tmp_path / "000000_0", a=[1]).read_bytes()[:64], "000000_0")
    assert FORMAT.recognises(b"PARE....", "x")
    assert FORMAT.recognises(b"", "empty.parquet")
    assert not FORMAT.recognises(b"{}", "x.json")


def test_no_two_columns_of_one_name(tmp_path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "f")
    with pytest.raises(FileError, match="two fields with one name: 'a'") as caught:
        FORMAT.inspect(tmp_path / "f")
    assert caught.value.hint
    assert caught.value.where is not None
    assert caught.value.where.file == str(tmp_path / "f")


@pytest.mark.parametrize("name", ["missing", "folder"])
def test_what_is_no_file(tmp_path, name) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="cannot be read"):
        FORMAT.inspect(tmp_path / name)


@pytest.mark.skipif(not ENCRYPTED, reason=f"no conformance files in {CONFORMANCE}")
@pytest.mark.parametrize("path", ENCRYPTED, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_encrypted_files_are_refused(path) -> None:
    """In another process: with a plain footer, pyarrow would end the whole process on a look at the columns."""
    code = f"from pathlib import Path; from instar.formats.parquet import FORMAT; FORMAT.inspect(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the file is encrypted" in done.stderr


def test_the_schema_of_several_files_is_nullable_where_any_is(tmp_path) -> None:
    inner = [pa.struct([pa.field("x", pa.int8(), nullable=n)]) for n in (False, True)]
    paths = []
    for i, (nullable, kind) in enumerate(zip((False, True), inner, strict=True)):
        rows = pa.schema(
            [pa.field("a", pa.string(), nullable=nullable), pa.field("b", pa.list_(pa.field("item", kind, nullable=False)))]
        )
        pq.write_table(pa.table({"a": ["x"], "b": [[{"x": 1}]]}, schema=rows), tmp_path / str(i))
        paths.append(tmp_path / str(i))
    for order in (paths, paths[::-1], [*paths, paths[0]]):
        record = FORMAT.infer(order).record
        assert record["a"].nullable
        assert isinstance(record["b"].type, List)
        assert record["b"].type.item.type["x"].nullable  # type: ignore[union-attr]
        assert not record["b"].type.item.nullable
    assert not FORMAT.infer(paths[:1]).record["a"].nullable


def test_files_that_differ_are_both_named(tmp_path) -> None:
    one, two = write(tmp_path / "one", a=[1], b=["x"]), write(tmp_path / "two", a=[1.5], b=["x"])
    with pytest.raises(FileError) as caught:
        FORMAT.infer([one, two])
    assert all(part in caught.value.message for part in ("one", "two", "a is double", "int64"))
    with pytest.raises(FileError, match="b is missing"):
        FORMAT.infer([one, write(tmp_path / "three", a=[1])])
    with pytest.raises(FileError, match="no files"):
        FORMAT.infer([])


def test_validation_is_a_comparison_of_schemas(tmp_path) -> None:
    path = write(tmp_path / "a", a=[1], b=["x"])
    expected = schema(Field("a", Int(64), nullable=True), Field("b", String(), nullable=True))
    assert FORMAT.validate(path, expected) is None
    assert "b is string, not bool" in (FORMAT.validate(path, schema(expected.record["a"], Field("b", Bool()))) or "")


def test_values_come_in_columns() -> None:
    with pytest.raises(UsageError, match="columns"):
        FORMAT.values(schema(), schema())


def test_a_damaged_footer_is_refused_and_an_odd_writer_is_not(tmp_path) -> None:
    data = write(tmp_path / "f", a=[1]).read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    body, footer = data[:start], parse_footer(data[start:-8], tmp_path / "f")
    (tmp_path / "odd").write_bytes(body + framed({**footer.struct, 6: (BINARY, b"\x93 1.0")}))
    assert FORMAT.inspect(tmp_path / "odd").physical["created_by"] == "\ufffd 1.0"
    kind, groups = footer.struct[4][1]
    chunks = [{**groups[0][1][1][1][0], 3: (BOOL, True)}]
    groups = [{**groups[0], 1: (LIST, (STRUCT, chunks))}]
    (tmp_path / "bad").write_bytes(body + framed({**footer.struct, 4: (LIST, (kind, groups))}))
    with pytest.raises(FileError, match="field 3 of ColumnChunk"):
        FORMAT.inspect(tmp_path / "bad")
