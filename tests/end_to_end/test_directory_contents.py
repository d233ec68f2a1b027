"""What lies in a dataset's directory beside the data: kept, left out with a word, or refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree


def write_parquet(path: Path, **columns: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def two_folders(author: Author) -> Path:
    """A dataset with two partitions, at version 1 of two."""
    data = author.data("sales")
    write_parquet(data / "region=eu" / "a.parquet", n=[1, 2, 3], note=["x", None, "z"])
    write_parquet(data / "region=us" / "b.parquet", n=[4], note=["y"])
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    return data


def test_everything_that_is_not_data_survives_upgrade_and_rollback(author: Author) -> None:
    data = two_folders(author)
    (data / "_SUCCESS").write_bytes(b"")
    (data / "README.md").write_text("# Sales\n")
    (data / "region=eu" / ".hidden").write_bytes(b"\x00\x01")
    (data / "empty" / "inner").mkdir(parents=True)
    (data / "_temporary" / "0").mkdir(parents=True)
    (data / "_temporary" / "0" / "part-0.parquet").write_bytes(b"half a fi")
    (data / "run.sh").write_text("#!/bin/sh\n")
    (data / "run.sh").chmod(0o750)
    (data / "region=us").chmod(0o2775)
    (data / "region=us" / "b.parquet").chmod(0o640)
    before = tree(data)
    times = {path: (data / path).stat().st_mtime_ns for path in ("README.md", "run.sh")}

    plan = author.do("plan", "sales")
    assert plan["files"]["rewrite"] == 2
    assert plan["dropped"] == []
    assert author.do("upgrade", "sales")["dropped"] == []
    after = tree(data)
    assert after.keys() == before.keys()
    assert {path for path in before if after[path] != before[path]} == {"region=eu/a.parquet", "region=us/b.parquet"}
    assert {path: entry[0] for path, entry in after.items()} == {path: entry[0] for path, entry in before.items()}
    assert {path: (data / path).stat().st_mtime_ns for path in times} == times
    author.do("rollback", "sales")
    assert tree(data) == before


@pytest.mark.parametrize("method", ["exchange", "replace"])
def test_side_files_that_describe_rewritten_bytes_are_dropped_with_a_word(author: Author, method: str) -> None:
    data = two_folders(author)
    (data / "_metadata").write_bytes(b"PAR1")
    (data / "_common_metadata").write_bytes(b"PAR1")
    (data / "region=eu" / ".a.parquet.crc").write_bytes(b"crc\x00")
    (data / "region=eu" / ".gone.parquet.crc").write_bytes(b"crc\x00")
    before = tree(data)
    dropped = ["_common_metadata", "_metadata", "region=eu/.a.parquet.crc"]
    assert sorted(author.do("plan", "sales")["dropped"]) == dropped
    spoken = author.instar("plan", "sales", at=author.folder).out
    assert all(name in spoken for name in dropped)
    assert sorted(author.do("upgrade", "sales", "--method", method)["dropped"]) == dropped
    assert set(before) - set(tree(data)) == set(dropped)
    author.do("rollback", "sales")
    assert tree(data) == before
    spoken = author.instar("upgrade", "sales", at=author.folder).out
    assert all(name in spoken for name in dropped)


@pytest.mark.parametrize(
    ("place", "content", "owner"),
    [
        ("_delta_log/00000000000000000000.json", "{}", "Delta"),
        ("metadata/v1.metadata.json", "{}", "Iceberg"),
        (".hoodie/hoodie.properties", "", "Hudi"),
        ("region=eu/_delta_log/0.json", "{}", "Delta"),
    ],
)
def test_a_table_format_s_directory_is_refused_by_every_verb(author: Author, place: str, content: str, owner: str) -> None:
    data = two_folders(author)
    path = data / place
    path.parent.mkdir()
    path.write_text(content)
    before = tree(author.folder)
    for verb in (["plan", "sales"], ["upgrade", "sales"], ["downgrade", "sales", "1"], ["status", "sales"]):
        error = author.refused(*verb)
        assert owner in error["message"]
    assert tree(author.data("sales")) == {
        k.removeprefix("data/sales/"): v for k, v in before.items() if k.startswith("data/sales/")
    }
    author.refused("init", "--from", "data/sales", "--name", "again")


def test_key_value_folders_neither_enter_the_files_nor_override_a_column(author: Author) -> None:
    data = author.data("sales")
    write_parquet(data / "region=eu" / "day=2024-01-01" / "a.parquet", region=["eu", "eu"], n=[1, 2])
    write_parquet(data / "region=us" / "day=__HIVE_DEFAULT_PARTITION__" / "b.parquet", region=["us"], n=[3])
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="number"), op.derive("twice", "int64", sql="number * 2"), op.cast("number", "string")')
    author.do("upgrade", "sales", "--proof", "full")
    files = sorted(data.rglob("*.parquet"))
    assert [pq.ParquetFile(f).schema_arrow.names for f in files] == [["region", "number", "twice"]] * 2
    assert [pq.ParquetFile(f).read().column("region").to_pylist() for f in files] == [["eu", "eu"], ["us"]]
    assert [pq.ParquetFile(f).read().column("number").to_pylist() for f in files] == [["1", "2"], ["3"]]


def test_a_column_that_contradicts_its_folder_is_named(author: Author) -> None:
    data = author.data("sales")
    write_parquet(data / "region=eu" / "a.parquet", region=["eu"], n=[1])
    write_parquet(data / "region=us" / "b.parquet", region=["us"], n=[2])
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="number")')
    write_parquet(data / "region=us" / "b.parquet", region=["eu"], n=[2])
    before = tree(data)
    error = author.refused("upgrade", "sales")
    assert error["where"]["file"] == "region=us/b.parquet"
    assert "region" in error["message"]
    assert tree(data) == before


def test_an_operation_on_a_partition_key_is_refused_wherever_it_is_met(author: Author) -> None:
    data = two_folders(author)
    before = tree(data)
    script = author.folder / "migrations" / "sales" / "0003_region.py"
    for operation in ('rename("region", to="area")', 'add("region", "string", default="x")', 'move("n", to="region.n")'):
        script.write_text(f'"""Region."""\nfrom instar import op\nupgrade = [op.{operation}]\n')
        assert "partition" in author.refused("register", "sales", code=2)["message"]
    script.unlink()
    assert tree(data) == before


def test_symbolic_links(author: Author, tmp_path: Path) -> None:
    """A dataset may be reached by a link, which is followed and stays; inside it, links are refused by name."""
    lake = tmp_path / "lake" / "v7"
    write_parquet(lake / "a.parquet", n=[1], note=["x"])
    author.data("sales").rmdir()
    (author.folder / "data" / "sales").symlink_to(lake)
    author.do("init", "--from", "data/sales", "--name", "sales")
    assert author.do("status", "sales")["root"] == str(lake)
    author.step("sales", 'op.rename("note", to="remark")')
    author.do("upgrade", "sales")
    assert (author.folder / "data" / "sales").is_symlink()
    assert pq.read_schema(lake / "a.parquet").names == ["n", "remark"]
    assert (lake.parent / ".instar" / "v7").is_dir()
    author.do("rollback", "sales")

    for target in (lake / "a.parquet", tmp_path / "nowhere", tmp_path / "lake"):
        (lake / "link.parquet").symlink_to(target)
        error = author.refused("upgrade", "sales")
        assert error["where"]["file"] == "link.parquet"
        assert "symbolic link" in error["message"]
        (lake / "link.parquet").unlink()
    assert pq.read_schema(lake / "a.parquet").names == ["n", "note"]


def test_a_dataset_of_one_file(author: Author) -> None:
    path = author.folder / "orders.parquet"
    write_parquet(path, n=[1, 2], note=["x", "y"])
    other = author.folder / "other.parquet"
    write_parquet(other, n=["not ours"])
    before, neighbour = path.read_bytes(), other.read_bytes()
    author.do("init", "--from", "orders.parquet")
    author.step("orders", 'op.rename("note", to="remark"), op.cast("n", "string")')
    assert author.do("plan", "orders")["method"]["name"] == "replace"
    report = author.do("upgrade", "orders")
    assert report["method"] == "replace"
    assert pq.ParquetFile(path).read().to_pylist() == [{"n": "1", "remark": "x"}, {"n": "2", "remark": "y"}]
    author.do("downgrade", "orders", "1")
    assert pq.ParquetFile(path).read().to_pylist() == [{"n": 1, "note": "x"}, {"n": 2, "note": "y"}]
    author.do("rollback", "orders")
    author.do("rollback", "orders")
    assert path.read_bytes() == before
    assert other.read_bytes() == neighbour


@pytest.mark.parametrize("name", ["lines.ndjson", "array.json", "lines.ndjson.gz", "lines.jsonl.zst", "part-0.avro"])
def test_a_dataset_of_one_file_that_has_no_footer(author: Author, name: str) -> None:
    import gzip

    import zstandard

    path = author.folder / name
    records = [{"n": i, "note": f"é {i}"} for i in range(100)]
    if name.endswith(".avro"):
        schema = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}, {"name": "note", "type": "string"}]}
        with path.open("wb") as file:
            fastavro.writer(file, schema, records, codec="snappy")
    else:
        texts = [json.dumps(r, ensure_ascii=False) for r in records]
        data = ("[\n " + ",\n ".join(texts) + "\n]\n" if "array" in name else "\n".join(texts) + "\n").encode()
        path.write_bytes(
            gzip.compress(data) if name.endswith(".gz") else zstandard.compress(data) if name.endswith(".zst") else data
        )
    before = path.read_bytes()
    author.do("init", "--from", name, "--name", "one")
    author.step("one", 'op.rename("note", to="remark"), op.cast("n", "string")')
    author.do("upgrade", "one")
    upgraded = path.read_bytes()
    assert upgraded != before
    author.do("rollback", "one")
    assert path.read_bytes() == before
    author.do("upgrade", "one")
    assert path.read_bytes() == upgraded
    author.do("downgrade", "one", "1")
    assert author.do("current", "one")[0]["versions"] == {"1": 1}


def test_mixed_codecs_in_nested_folders_keep_each_its_own(author: Author) -> None:
    data = author.data("mixed")
    codecs = ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]
    for codec in codecs:
        path = data / "deep" / codec / "x" / "part.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table({"n": list(range(100)), "note": ["text"] * 100}), path, compression=codec)
    author.adopt("mixed")
    author.step("mixed", 'op.cast("n", "string")')
    assert author.do("upgrade", "mixed")["files"]["rewritten"] == len(codecs)
    for codec in codecs:
        group = pq.ParquetFile(data / "deep" / codec / "x" / "part.parquet").metadata.row_group(0)
        expected = "UNCOMPRESSED" if codec == "none" else codec.upper()
        assert {group.column(i).compression for i in range(2)} == {expected}


def test_mixed_avro_codecs_and_json_layouts_keep_each_their_own(author: Author) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}
    codecs = ["null", "deflate", "snappy", "bzip2", "xz"]
    for codec in codecs:
        with (author.data("avro") / f"{codec}.avro").open("wb") as file:
            fastavro.writer(file, schema, [{"n": i} for i in range(50)], codec=codec)
    author.adopt("avro")
    author.step("avro", 'op.rename("n", to="number"), op.cast("number", "string")')
    author.do("upgrade", "avro")
    for codec in codecs:
        with (author.data("avro") / f"{codec}.avro").open("rb") as file:
            reader = fastavro.reader(file)
            assert reader.codec == codec
            assert list(reader) == [{"number": str(i)} for i in range(50)]

    texts = {"a.json": '[{"n": 1}, {"n": 2}]', "b.json": '{\n  "n": 3\n}\n', "c.json": '{"n":4}\r\n{"n":5}', "d": '{"n": 6}\n'}
    for name, text in texts.items():
        (author.data("json") / name).write_text(text, newline="")
    author.adopt("json", "--format", "json")
    author.step("json", 'op.rename("n", to="number")')
    author.do("upgrade", "json")
    for name, text in texts.items():
        assert (author.data("json") / name).read_bytes() == text.replace('"n"', '"number"').encode()


def test_include_and_exclude_narrow_what_is_data(author: Author) -> None:
    data = author.data("sales")
    write_parquet(data / "a.parquet", n=[1])
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="number")')
    write_parquet(data / "archive" / "old.parquet", other=["x"])
    (data / "broken.parquet").write_bytes(b"PAR1 not at all")
    author.refused("upgrade", "sales")
    with (author.folder / "instar.toml").open("a") as file:
        file.write('exclude = ["archive/**", "broken*"]\n')
    kept = {path: (data / path).read_bytes() for path in ("archive/old.parquet", "broken.parquet")}
    assert author.do("upgrade", "sales")["files"]["rewritten"] == 1
    assert {path: (data / path).read_bytes() for path in kept} == kept


def test_a_file_of_another_format_and_a_named_pipe_are_named(author: Author) -> None:
    data = two_folders(author)
    (data / "stray.avro").write_bytes(b"Obj\x01 and more")
    assert "avro" in author.refused("upgrade", "sales")["message"]
    (data / "stray.avro").unlink()
    os.mkfifo(data / "pipe.parquet")
    assert author.refused("upgrade", "sales")["where"]["file"] == "pipe.parquet"
