"""Audits of real runs, by the command: adapted queries, results that differ, every format, mixed versions, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from auditing import SECONDS, audited, flights, with_flights, write_queries
from authoring import Author, said

from instar.transforms.audit import measuring


@pytest.fixture
def author(tmp_path: Path) -> Author:
    """An empty project, and the commands with which it is filled."""
    folder = tmp_path / "team"
    folder.mkdir()
    return Author(folder, said)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are of everything but times: a measurement may be as short as it comes out."""
    monkeypatch.setattr(measuring, "LEAST", 0.001)


def test_queries_are_adapted_and_both_texts_reported(author: Author) -> None:
    with_flights(
        author, 'op.rename("dep_delay", to="late"), op.drop("hour"), op.add("source", "string", default="BTS")', rows=5_000
    )
    queries = write_queries(
        author, old="SELECT carrier, max(dep_delay) AS m FROM flights GROUP BY ALL ORDER BY m",
        new="SELECT max(late) FROM data", gone="SELECT max(hour) FROM flights", added="SELECT count(source) FROM flights",
        star="SELECT * FROM flights ORDER BY id",
    )  # fmt: skip
    report = audited(author, "--queries", queries, "--max-slowdown", "1000")
    found = {query["name"]: query for query in report["queries"]}
    assert found["old"]["names"] == "old"
    assert found["old"]["sql"]["new"] == "SELECT carrier, max(late) AS m FROM flights GROUP BY ALL ORDER BY m"
    assert found["old"]["adapted"]["renamed"] == {"dep_delay": "late"}
    assert (found["new"]["names"], found["new"]["sql"]["old"]) == ("new", "SELECT max(dep_delay) FROM data")
    assert {name: query["results"]["verdict"] for name, query in found.items() if query["results"]} == dict.fromkeys(
        ("old", "new", "star"), "same"
    )
    assert found["gone"]["one_side"] == "it reads hour, which was dropped"
    assert found["added"]["one_side"] == "it reads source, which was added"
    assert found["gone"]["verdict"] == found["added"]["verdict"] == "one side"
    assert found["gone"]["times"]["new"] is None
    assert found["star"]["adapted"]["without"] == ["hour"]
    assert found["star"]["results"]["rows"] == [5_000, 5_000]
    shown = author.instar("audit", "flights", "--queries", queries, "--seconds", SECONDS, "-v", at=author.folder)
    assert "adapted  old has the old names: dep_delay → late" in shown.out
    assert "one side gone: on the old files only; it reads hour, which was dropped" in shown.out
    assert "new: SELECT carrier, max(late) AS m FROM flights" in shown.out


def test_results_that_differ_fail_the_audit(author: Author) -> None:
    data = with_flights(author, 'op.rename("dep_delay", to="late")', rows=5_000)
    changed = pq.read_table(data / "a.parquet")
    carriers = changed["carrier"].to_pylist()
    carriers[17] = "ZZ"
    pq.write_table(changed.set_column(2, "carrier", pa.array(carriers)), data / "a.parquet")
    queries = write_queries(
        author, carriers="SELECT carrier, count(*) FROM flights GROUP BY carrier", ids="SELECT sum(id) FROM flights",
        some="SELECT carrier FROM flights WHERE id = 17 LIMIT 1",
    )  # fmt: skip
    report = audited(author, "--queries", queries, "--max-slowdown", "1000", code=1)
    verdicts = {query["name"]: query["results"]["verdict"] for query in report["queries"]}
    assert verdicts == {"carriers": "differ", "ids": "same", "some": "open"}
    assert report["problems"] == ["carriers: its results differ: 4 rows before, 5 after"]
    assert any("a.parquet: not as the run left it" in note for note in report["notes"])


def test_declared_changes_of_values_are_no_failure(author: Author) -> None:
    with_flights(author, 'op.cast("hour", "string")', rows=5_000)
    queries = write_queries(author, hours="SELECT hour, count(*) FROM flights GROUP BY hour", sums="SELECT sum(hour) FROM flights")
    report = audited(author, "--queries", queries, "--max-slowdown", "1000")
    found = {query["name"]: query for query in report["queries"]}
    assert found["hours"]["results"]["verdict"] == "changed"
    assert found["hours"]["adapted"]["changed"] == ["hour"]
    assert "sum(VARCHAR)" in found["sums"]["one_side"]  # DuckDB has no such sum


def test_values_that_are_not_to_be_shown_are_not_shown(author: Author) -> None:
    data = author.data("flights")
    pq.write_table(pa.table({"id": [1, 2], "name": ["Ada", "Grace"]}), data / "a.parquet")
    author.adopt("flights")
    author.step("flights", 'op.set_tag("name", "pii"), op.rename("id", to="number")')
    author.do("upgrade", "flights")
    pq.write_table(pa.table({"number": [1, 2], "name": ["Ada", "Hedy"]}), data / "a.parquet")
    queries = write_queries(
        author, names="SELECT name FROM flights", casts="SELECT CAST(name AS INTEGER) FROM flights",
        rows="SELECT (SELECT max(main.data) FROM main.data) AS most, count(*) AS n FROM data",
        tables="SELECT max(t.name) AS most FROM query_table('data') AS t, data",
    )  # fmt: skip
    answer = author.run("audit", "flights", "--queries", queries, "--seconds", SECONDS)
    assert answer.code == 1
    assert "its results differ: a row differs in name" in answer.out
    assert not any(name in answer.out for name in ("Ada", "Grace", "Hedy"))


def test_columns_that_duckdb_cannot_show_stand_in_no_querys_way(author: Author) -> None:
    """Two names that differ in case only."""
    table = pa.table({"id": [1, 2], "name": ["a", "b"], "Size": [3, 4], "size": [5, 6]})
    pq.write_table(table, author.data("flights") / "a.parquet")
    author.adopt("flights")
    author.step("flights", 'op.rename("id", to="number")')
    author.do("upgrade", "flights")
    queries = write_queries(author, every="SELECT * FROM flights", one="SELECT max(id) FROM flights WHERE name > 'A'")
    report = audited(author, "--queries", queries, "--max-slowdown", "1000")
    assert [(query["name"], query["results"]["verdict"]) for query in report["queries"]] == [("every", "same"), ("one", "same")]
    assert report["queries"][0]["sql"]["new"] == 'SELECT * FROM (SELECT "number" AS id, name FROM flights) AS flights'


def test_a_downgrade_is_audited_by_its_way_back(author: Author) -> None:
    with_flights(author, 'op.rename("dep_delay", to="late"), op.drop("hour")', rows=500)
    author.do("downgrade", "flights", "1")
    queries = write_queries(author, late="SELECT sum(late) FROM flights", hours="SELECT sum(hour) FROM flights")
    report = audited(author, "--queries", queries, "--max-slowdown", "1000")
    found = {query["name"]: query for query in report["queries"]}
    assert (report["from"], report["to"]) == ([2], 1)
    assert found["late"]["sql"]["new"] == "SELECT sum(dep_delay) FROM flights"
    assert found["late"]["results"]["verdict"] == "same"
    assert found["hours"]["one_side"] == "it reads hour, which was added"


# ---- formats, partitions, versions
AVRO: dict[str, Any] = {
    "type": "record", "name": "Sale", "fields": [{"name": "n", "type": "long"}, {"name": "note", "type": ["null", "string"]}],
}  # fmt: skip


@pytest.mark.parametrize("format", ["avro", "json"])
def test_avro_and_json(format: str, author: Author) -> None:
    records = [{"n": i, "note": f"note {i % 3}"} for i in range(3_000)]
    data = author.data("flights")
    if format == "avro":
        with (data / "a.avro").open("wb") as file:
            fastavro.writer(file, AVRO, records, codec="deflate")
    else:
        (data / "a.ndjson").write_text("".join(json.dumps(record) + "\n" for record in records))
    author.adopt("flights")
    author.step("flights", 'op.rename("note", to="remark")')
    author.do("upgrade", "flights")
    report = audited(author, "--max-slowdown", "1000")
    found = {query["name"]: query for query in report["queries"]}
    assert set(found) == {"scan", "group by note"}
    assert all(query["results"]["verdict"] == "same" for query in found.values())
    assert found["group by note"]["sql"]["new"].startswith("SELECT remark AS note, ")
    assert (found["scan"]["times"]["old"]["bytes_read"] is None) == (format == "avro")
    assert report["layout"]["old"]["compression"] == {"deflate" if format == "avro" else "none": report["layout"]["old"]["bytes"]}


def test_folders_are_columns_and_files_of_several_versions_go_by_the_new_names(author: Author) -> None:
    data = author.data("flights")
    table = flights(4_000)
    for month in (1, 2):
        (data / f"month={month}").mkdir()
        pq.write_table(table, data / f"month={month}" / "a.parquet")
    author.adopt("flights")
    author.step("flights", 'op.rename("dep_delay", to="delay")')
    author.do("upgrade", "flights", "--batch-files", "1")
    author.step("flights", 'op.rename("delay", to="late"), op.drop("hour")', '{"hour": "0"}')
    (data / "month=3").mkdir()
    pq.write_table(table, data / "month=3" / "a.parquet")
    author.do("upgrade", "flights")
    queries = write_queries(
        author, first="SELECT month, sum(dep_delay) FROM flights GROUP BY month ORDER BY 1", second="SELECT sum(delay) FROM data",
        third="SELECT month, sum(late) AS s FROM data WHERE month = '3' GROUP BY month", gone="SELECT max(hour), max(id) FROM data",
    )  # fmt: skip
    report = author.run("audit", "flights", "--queries", queries, "--seconds", SECONDS)
    error = report.json["error"]
    assert (report.code, error["exit"]) == (2, 2)
    assert "gone.sql fits neither" in error["message"]
    (author.folder / "queries" / "gone.sql").unlink()
    found = audited(author, "--queries", queries, "--max-slowdown", "1000")
    assert found["from"] == [1, 2]
    assert any("versions 1 and 2" in note for note in found["notes"])
    assert {query["name"]: query["names"] for query in found["queries"]} == {
        "first": "version 1", "second": "version 2", "third": "new",
    }  # fmt: skip
    assert {query["results"]["verdict"] for query in found["queries"]} == {"same"}
    assert {query["name"]: query["results"]["rows"][0] for query in found["queries"]} == {"first": 3, "second": 1, "third": 1}


def test_a_run_that_later_runs_went_on_from_is_audited_by_their_snapshots(author: Author) -> None:
    data = with_flights(author, 'op.rename("dep_delay", to="delay")', rows=2_000)
    first = author.do("runs", "flights")["runs"][0]["run"]
    author.step("flights", 'op.rename("delay", to="late")')
    author.do("upgrade", "flights")
    queries = write_queries(author, total="SELECT sum(dep_delay), count(*) FROM flights")
    one = author.run("audit", "flights", first, "--queries", queries, "--seconds", SECONDS, "--max-slowdown", "1000").json
    assert (one["run"], one["from"], one["to"]) == (first, [1], 2)
    assert one["queries"][0]["sql"]["new"] == "SELECT sum(delay), count(*) FROM flights"
    assert one["queries"][0]["results"]["verdict"] == "same"
    author.do("rollback", "flights")
    author.do("rollback", "flights")
    error = author.refused("audit", "flights", first, "--seconds", SECONDS)
    assert "rolled back" in error["message"]
    assert data.is_dir()


def test_what_a_run_left_as_it_was_and_was_changed_since_is_noted(author: Author) -> None:
    data = author.data("flights")
    pq.write_table(pa.table({"id": [1, 2]}), data / "a.parquet")
    author.adopt("flights")
    author.step("flights", 'op.rename("id", to="number")')
    author.do("upgrade", "flights")
    pq.write_table(pa.table({"id": [3]}), data / "b.parquet")
    author.do("upgrade", "flights")
    queries = write_queries(author, rows="SELECT count(*) FROM flights")
    assert not any("left as it was" in note for note in audited(author, "--queries", queries)["notes"])
    pq.write_table(pa.table({"number": [1, 2, 4]}), data / "a.parquet")
    report = audited(author, "--queries", queries)
    assert report["notes"][0] == "a.parquet, which the run left as it was, changed since or went: on neither side"
    assert report["queries"][0]["results"]["verdict"] == "same"


# ---- what is refused
REFUSED = {
    "SELECT 1": "does not read the dataset",
    "DELETE FROM flights": "not a SELECT",
    "SELECT 1 FROM flights; SELECT 2 FROM flights": "2 statements",
    "SELECT id\nFROM flights WHERE (": "line",
    "-- nothing": "empty",
    "SELECT nonsense FROM flights": "fits neither",
    "SELECT 1 FROM flights, enums": "There is 'flights', 'data'.",
    "SELECT * FROM flights, read_csv('secret.csv')": "Permission Error",  # queries reach nothing but the dataset's files
}


def test_what_cannot_be_used_is_refused_by_name(author: Author) -> None:
    with_flights(author, 'op.rename("dep_delay", to="late")', rows=100)
    (author.folder / "secret.csv").write_text("a\n1\n")
    (author.folder / "none").mkdir()
    queries = write_queries(author)
    for text, says in REFUSED.items():
        (author.folder / "queries" / "wrong.sql").write_text(text)
        error = author.refused("audit", "flights", "--queries", queries, code=2)
        assert "wrong.sql" in error["message"], text
        assert says in error["message"], text
    (author.folder / "queries" / "other.sql").write_text("SELECT 1")
    both = author.refused("audit", "flights", "--queries", queries, code=2)
    assert "other.sql" in str(both)
    for arguments in (["--queries", "nowhere"], ["--queries", "none"], ["--max-slowdown", "0.9"], ["--seconds", "0"]):
        author.refused("audit", "flights", *arguments, code=2)
