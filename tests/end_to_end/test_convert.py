"""`instar convert`: every format to every other, what cannot be held refused by name, and nothing left where anything fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Answer, tree

import instar as library
from instar.formats.errors import InstarError


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of the Parquet files below, as DuckDB reads them."""
    files = [str(p) for p in sorted(folder.rglob("*.parquet"))]
    relation = duckdb.sql(f"SELECT * FROM read_parquet({files}, hive_partitioning = false, filename = true) ORDER BY filename")
    assert relation is not None
    return relation.to_arrow_table().drop_columns(["filename"]).to_pylist()


def types(folder: Path) -> set[pa.Schema]:
    return {pq.read_schema(p).remove_metadata() for p in folder.rglob("*.parquet")}


def around(source: Path, at: Path) -> Path:
    """Parquet → Avro → NDJSON → Parquet."""
    library.convert(source, at / "a", "avro")
    library.convert(at / "a", at / "n", "ndjson")
    library.convert(at / "n", at / "p", "parquet", schema=at / "n.schema.json")
    return at / "p"


def test_flights_come_back_equal_by_way_of_avro_and_json(three_months: Path, tmp_path: Path) -> None:
    source = three_months / "data" / "flights"
    before = tree(source, times=True)
    back = around(source, tmp_path)
    assert rows(back) == rows(source)
    assert types(back) == types(source)
    assert sorted(p.relative_to(back) for p in back.rglob("*.parquet")) == sorted(
        p.relative_to(source) for p in source.rglob("*.parquet")
    )
    assert tree(source, times=True) == before


@pytest.mark.slow
def test_full_size_flights_come_back_equal(full_size: Path, tmp_path: Path) -> None:
    source = full_size / "flights"
    back = around(source, tmp_path)
    assert sum(pq.ParquetFile(p).metadata.num_rows for p in back.rglob("*.parquet")) == 336_776
    assert types(back) == types(source)
    for path in sorted(source.rglob("*.parquet")):
        assert (
            pq.ParquetFile(back / path.relative_to(source)).read().equals(pq.ParquetFile(path).read().replace_schema_metadata(None))
        )


def test_a_mixed_dataset_is_brought_to_the_version_asked_for(project: Path, instar: Callable[..., Answer], tmp_path: Path) -> None:
    for version in (1, 3):
        answer = instar(
            "convert", "weather", str(tmp_path / f"v{version}.d"), "--to", "ndjson", "--version", str(version), "--json", at=project
        )
        assert answer.code == 0, answer.out + answer.err
        assert (answer.json["version"], answer.json["rows"]) == (version, 6000)
        assert json.loads(Path(answer.json["document"]).read_text(encoding="utf-8"))["properties"]
    first = json.loads((tmp_path / "v1.d" / "EWR.ndjson").read_text(encoding="utf-8").partition("\n")[0])
    third = json.loads((tmp_path / "v3.d" / "EWR.ndjson").read_text(encoding="utf-8").partition("\n")[0])
    assert first.keys() != third.keys()
    with (project / "data" / "weather" / "EWR.avro").open("rb") as file:
        original: Any = next(iter(fastavro.reader(file)))
    assert first.keys() == original.keys()
    assert first["temp"] == original["temp"]


def plain(value: Any, shared: set[str], path: str = "") -> Any:
    """The record without the nulls at places that are missing in other records."""
    if isinstance(value, dict):
        return {k: plain(v, shared, f"{path}.{k}") for k, v in value.items() if v is not None or f"{path}.{k}" not in shared}
    return [plain(v, shared, f"{path}[]") for v in value] if isinstance(value, list) else value


def test_events_come_back_equal_or_what_parquet_cannot_hold_is_named(
    project: Path, instar: Callable[..., Answer], tmp_path: Path
) -> None:
    source = tmp_path / "events.ndjson"
    shutil.copy(project / "data" / "events" / "2024-05.ndjson", source)
    records = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    answer = instar("convert", str(source), str(tmp_path / "e.parquet"), "--to", "parquet", "--json", at=tmp_path)
    assert answer.code == 1
    errors = answer.json["error"].get("errors", [answer.json["error"]])
    named = {"." + e["where"]["path"] for e in errors}
    assert all("missing in some records and null in others" in e["message"] for e in errors)
    assert all(e["where"]["file"] == "events.ndjson" and e["hint"] for e in errors)
    assert {p.name for p in tmp_path.iterdir()} == {"project", source.name}

    held = [plain(record, named) for record in records]
    source.write_text("".join(json.dumps(record) + "\n" for record in held), encoding="utf-8")
    assert instar("convert", str(source), str(tmp_path / "e.parquet"), "--to", "parquet", at=tmp_path).code == 0
    assert instar("convert", str(tmp_path / "e.parquet"), str(tmp_path / "back.json"), "--to", "json", at=tmp_path).code == 0
    assert json.loads((tmp_path / "back.json").read_text(encoding="utf-8")) == held


def write(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")
    return path


def refused(tmp_path: Path, source: Path, to: str, **more: Any) -> InstarError:
    """What the conversion is refused with; nothing is left."""
    before = tree(tmp_path)
    with pytest.raises(InstarError) as caught:
        library.convert(source, tmp_path / "out", to, **more)
    assert tree(tmp_path) == before
    return caught.value


def places(error: InstarError) -> list[str | None]:
    return [e.where.path for e in getattr(error, "errors", ())]


def test_everything_that_the_schema_shows_is_refused_at_once(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ndjson", {"a b": 1, "ok": {"1st": "x"}, "é": 2})
    found = refused(tmp_path, source, "avro")
    assert places(found) == ['"a b"', "ok.1st", "é"]
    assert all("op.rename" in e.hint for e in found.errors)  # type: ignore[attr-defined]
    union = {"type": "record", "name": "R", "fields": [{"name": "u", "type": ["int", "string"]}]}
    with (tmp_path / "u.avro").open("wb") as file:
        fastavro.writer(file, union, [{"u": 1}, {"u": "x"}])
    for to in ("parquet", "ndjson"):
        found = refused(tmp_path, tmp_path / "u.avro", to)
        assert "no unions" in str(found)
        assert "op.drop('u')" in found.hint
    node = {"type": "record", "name": "N", "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "N"]}]}
    with (tmp_path / "n.avro").open("wb") as file:
        fastavro.writer(file, node, [{"v": 1, "next": {"v": 2, "next": None}}])
    assert "holds itself" in str(refused(tmp_path, tmp_path / "n.avro", "parquet"))


def test_values_are_refused_by_file_record_and_path(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.ndjson", {"x": 1}, {"x": 2**63})
    write(tmp_path / "in" / "b.ndjson", {"x": 1}, {"x": 10**25})
    found = refused(tmp_path, tmp_path / "in", "parquet")
    assert [(e.where.file, e.where.row, e.where.path) for e in found.errors] == [("a.ndjson", 1, "x"), ("b.ndjson", 1, "x")]  # type: ignore[attr-defined]
    pq.write_table(pa.table({"x": [1.0, float("nan")]}), tmp_path / "n.parquet")
    found = refused(tmp_path, tmp_path / "n.parquet", "ndjson")
    assert found.where is not None
    assert (found.where.file, found.where.row, found.where.path) == ("n.parquet", 1, "x")


def test_unknown_keys_are_refused_for_every_target(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ndjson", {"a": 1}, {"a": 1, "b": {"c": 2}})
    document = tmp_path / "d.schema.json"
    document.write_text(json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}}), encoding="utf-8")
    for to in ("parquet", "avro", "json"):
        found = refused(tmp_path, source, to, schema=document)
        assert found.where is not None
        assert (found.where.row, found.where.path) == (1, "b")


def test_missing_keys_come_back_missing_and_nulls_null(tmp_path: Path) -> None:
    given = [{"m": 1, "n": None, "deep": {"e": {}}}, {"n": 2, "deep": {"e": {}, "k": [{"x": 1}, {}]}}]
    write(tmp_path / "in.ndjson", *given)
    for to in ("parquet", "avro"):
        library.convert(tmp_path / "in.ndjson", tmp_path / f"x.{to}", to)
        library.convert(tmp_path / f"x.{to}", tmp_path / f"{to}.json", "json")
        assert json.loads((tmp_path / f"{to}.json").read_text(encoding="utf-8")) == given


def test_types_and_tags_survive_by_the_documents(tmp_path: Path) -> None:
    node = {"type": "string", "format": "date", "instar.type": "date", "instar.tags": ["pii"], "description": "a day"}
    state = {"type": "string", "enum": ["in progress", "done"]}
    document = {"type": "object", "properties": {"d": node, "s": state}, "required": ["d", "s"]}
    (tmp_path / "d.schema.json").write_text(json.dumps(document), encoding="utf-8")
    write(tmp_path / "in.ndjson", {"d": "2026-11-21", "s": "done"})
    library.convert(tmp_path / "in.ndjson", tmp_path / "p.parquet", "parquet", schema=tmp_path / "d.schema.json")
    assert pq.read_schema(tmp_path / "p.parquet").field("d").type == pa.date32()
    library.convert(tmp_path / "p.parquet", tmp_path / "b.ndjson", "ndjson")
    back = json.loads((tmp_path / "b.schema.json").read_text(encoding="utf-8"))
    assert back["properties"] == document["properties"]
    assert (tmp_path / "b.ndjson").read_text(encoding="utf-8") == '{"d":"2026-11-21","s":"done"}\n'


def test_a_document_that_the_files_do_not_fit_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ndjson", {"d": "2026-11-21"}, {"d": "tomorrow"})
    (tmp_path / "d.avsc").write_text(
        json.dumps({"type": "record", "name": "R", "fields": [{"name": "d", "type": {"type": "int", "logicalType": "date"}}]}),
        encoding="utf-8",
    )
    found = refused(tmp_path, source, "parquet", schema=tmp_path / "d.avsc")
    assert "record 1, field d" in str(found)


def test_wrong_uses_are_refused(tmp_path: Path, project: Path, instar: Callable[..., Answer]) -> None:
    source = write(tmp_path / "in" / "a.ndjson", {"x": 1}).parent
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "f").touch()
    for target, to, says in (
        ("full", "avro", "already"),
        ("no/where", "avro", "no folder"),
        ("in/below", "avro", "lies in the data"),
    ):
        with pytest.raises(InstarError, match=says):
            library.convert(source, tmp_path / target, to)
    with pytest.raises(InstarError, match="no format 'orc'"):
        library.convert(source, tmp_path / "out", "orc")
    with pytest.raises(InstarError, match="no compression"):
        library.convert(source, tmp_path / "out", "avro", compression="lzma")
    write(source / "a.json", {"x": 1})
    with pytest.raises(InstarError, match=r"would both become a\.avro"):
        library.convert(source, tmp_path / "out", "avro")
    assert not (tmp_path / "out").exists()
    assert instar("convert", "flights", str(tmp_path / "o"), "--to", "parquet", at=project).code == 2
    assert instar("convert", "flights", str(tmp_path / "o"), "--to", "avro", "--version", "9", at=project).code == 2


def test_the_same_conversion_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    source = project / "data" / "weather"
    for to in ("parquet", "ndjson"):
        trees = []
        for i in range(2):
            library.convert(source, tmp_path / f"{to}{i}", to, compression="gzip")
            trees.append(tree(tmp_path / f"{to}{i}"))
        assert trees[0] == trees[1]


def test_a_difference_found_by_the_other_reader_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from instar.formats.json import write as writing

    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": [1, 2, 3]}), source)
    honest = writing._scalars
    monkeypatch.setattr(
        writing, "_scalars", lambda array, field, finite: ["7" if t == "2" else t for t in honest(array, field, finite)]
    )
    found = refused(tmp_path, source, "ndjson")
    assert "record 1, field x: 7 where 2 was read" in str(found)


# ---- corners that random documents met
def test_records_without_fields_are_counted_and_converted(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[{},{},{}]")
    report = library.convert(tmp_path / "a.json", tmp_path / "b.ndjson", "ndjson")
    assert [file.rows for file in report.files] == [3]
    assert (tmp_path / "b.ndjson").read_text() == "{}\n{}\n{}\n"


@pytest.mark.parametrize("to", ["parquet", "avro"])
def test_numbers_that_no_double_holds_stay_in_values_of_any_shape(to: str, tmp_path: Path) -> None:
    text = '{"x":1e400}\n{"x":[1,"a"]}\n{"x":{"y":0.10000000000000000555}}\n'
    (tmp_path / "a.ndjson").write_text(text)
    library.convert(tmp_path / "a.ndjson", tmp_path / f"b.{to}", to)
    library.convert(tmp_path / f"b.{to}", tmp_path / "c.ndjson", "ndjson")
    assert (tmp_path / "c.ndjson").read_text() == text


def test_the_largest_float_comes_back_by_way_of_json(tmp_path: Path) -> None:
    table = pa.table({"x": pa.array([3.4028234663852886e38, -3.4028234663852886e38, 1e-45], pa.float32())})
    pq.write_table(table, tmp_path / "a.parquet")
    library.convert(tmp_path / "a.parquet", tmp_path / "b.ndjson", "ndjson")
    library.convert(tmp_path / "b.ndjson", tmp_path / "c.parquet", "parquet", schema=tmp_path / "b.schema.json")
    assert pq.read_table(tmp_path / "c.parquet").equals(table)


def test_a_number_keeps_the_sign_of_its_zero_from_json_to_json(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"x":-0.0}\n{"x":-0}\n{"x":0.0}\n{"x":1.5}\n')
    library.convert(tmp_path / "a.ndjson", tmp_path / "b.json", "json")
    library.convert(tmp_path / "b.json", tmp_path / "c.ndjson", "ndjson")
    assert (tmp_path / "c.ndjson").read_text() == '{"x":-0}\n{"x":-0}\n{"x":0}\n{"x":1.5}\n'
