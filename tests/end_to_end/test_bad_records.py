"""Records that cannot be migrated: who says what becomes of them, what is kept of them, and that no others go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import data_tree

SUFFIXES = ("parquet", "ndjson", "avro")
AVRO = {
    "type": "record",
    "name": "sale",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "amount", "type": "string"},
        {"name": "marks", "type": {"type": "array", "items": "string"}},
    ],
}
CAST = 'op.cast("amount", "int64"),'
BAD = (3, 13)
"""The records of each file whose amount is no number."""


def rows(first: int) -> list[dict[str, Any]]:
    return [
        {"id": first + i, "amount": f"secret{i}" if i in BAD else str(i), "marks": ["1", "x" if i == 7 else str(i)]}
        for i in range(20)
    ]


def sales(author: Author, suffix: str) -> Path:
    """Two files of twenty records, two bad ones in each; adopted."""
    folder = author.data("sales")
    for number in range(2):
        path, records = folder / f"{number}.{suffix}", rows(20 * number)
        if suffix == "parquet":
            pq.write_table(pa.Table.from_pylist(records), path, row_group_size=8)
        elif suffix == "ndjson":
            path.write_text("".join(json.dumps(r) + "\n" for r in records))
        else:
            with path.open("wb") as file:
                fastavro.writer(file, AVRO, records, sync_interval=200)
    author.adopt("sales")
    return folder


def kept(path: Path) -> list[int]:
    """The ids in a file."""
    if path.suffix == ".parquet":
        return pq.read_table(path)["id"].to_pylist()
    if path.suffix == ".ndjson":
        return [json.loads(line)["id"] for line in path.read_text().splitlines()]
    with path.open("rb") as file:
        records: Any = fastavro.reader(file)
        return [r["id"] for r in records]


def quarantined(report: dict[str, Any]) -> list[dict[str, Any]]:
    (file,) = report["quarantine"]["written"]
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_they_are_left_out_counted_kept_proved_and_brought_back(suffix: str, author: Author) -> None:
    folder = sales(author, suffix)
    before = data_tree(folder)
    author.step("sales", CAST)
    assert author.refused("upgrade", "sales")["where"]["row"] == BAD[0]
    assert data_tree(folder) == before
    for most in ("3", "9%"):
        told = author.refused("upgrade", "sales", "--on-error", "quarantine", "--max-errors", most)["message"]
        assert told.startswith(f"4 of 40 records cannot be migrated, in 2 files, and at most {most} may be left out")
    assert data_tree(folder) == before

    report = author.do("upgrade", "sales", "--on-error", "quarantine", "--max-errors", "10%")
    assert (report["rows_in"], report["rows_out"], report["rows_quarantined"]) == (40, 36, 4)
    assert report["quarantine"]["records"] == {f"0.{suffix}": 2, f"1.{suffix}": 2}
    entries = quarantined(report)
    assert [(e["file"], e["position"]) for e in entries] == [(f"{n}.{suffix}", row) for n in range(2) for row in BAD]
    assert entries[0]["path"] == "amount"
    assert entries[0]["value"] == "secret3"
    assert "cannot become int64" in entries[0]["reason"]
    assert [e["record"] for e in entries] == [rows(20 * n)[row] for n in range(2) for row in BAD]
    for number in range(2):
        assert kept(folder / f"{number}.{suffix}") == [r["id"] for i, r in enumerate(rows(20 * number)) if i not in BAD]
    assert author.run("verify", "sales").code == 0
    author.do("rollback", "sales")
    assert data_tree(folder) == before


@pytest.mark.parametrize(
    ("step", "bad"),
    [
        ('op.cast("amount", "int64", on_error="quarantine"),', 4),
        ('op.derive("n", "int64", sql="CAST(amount AS BIGINT)", on_error="quarantine"),', 4),
        ('op.derive("n", "int64", sql="nullif(id, 5)", nullable=False, on_error="quarantine"),', 1),
        ('op.cast("marks[]", "int64", on_error="quarantine"),', 2),
        ('op.head("marks", on_error="quarantine"),', 40),
        ('op.add("n", "int64", default_sql="CAST(amount AS BIGINT)", on_error="quarantine"),', 4),
        ('op.merge(["id", "amount"], to="n", type="int64", sql="id + CAST(amount AS BIGINT)", on_error="quarantine"),', 4),
    ],
)
def test_an_operation_says_it_where_the_run_says_fail(step: str, bad: int, author: Author) -> None:
    sales(author, "parquet")
    author.step("sales", step)
    assert author.do("upgrade", "sales")["rows_quarantined"] == bad


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        ('by="-"', "'secret3' has not 2 pieces between '-'"),
        ('pattern="([0-9])([0-9]*)"', "the text does not match the pattern ([0-9])([0-9]*)"),
    ],
)
def test_a_text_that_is_not_split_has_its_reason(by: str, reason: str, author: Author) -> None:
    sales(author, "ndjson")
    author.step("sales", f'op.split("amount", into={{"a": "string", "b": "string"}}, {by}, otherwise="quarantine"),')
    entries = quarantined(author.do("upgrade", "sales"))
    assert next(e["reason"] for e in entries if e["position"] == BAD[0]) == reason


def test_an_operation_says_quarantine_where_the_sample_meets_it(author: Author) -> None:
    sales(author, "ndjson")
    author.step("sales", 'op.cast("amount", "int64", on_error="quarantine"),')
    assert author.do("plan", "sales")["files"]["rewrite"] == 2


def test_an_operation_that_says_fail_wins_over_the_run(author: Author) -> None:
    sales(author, "ndjson")
    author.step("sales", 'op.cast("amount", "int64", on_error="fail"),')
    assert author.refused("upgrade", "sales", "--on-error", "quarantine")["where"]["path"] == "amount"


def test_fields_tagged_pii_are_shown_nowhere(author: Author) -> None:
    sales(author, "ndjson")
    author.step("sales", 'op.set_tag("amount", "pii"),\n' + CAST)
    assert "secret" not in json.dumps(author.refused("upgrade", "sales"))
    report = author.do("upgrade", "sales", "--on-error", "quarantine")
    assert "secret" not in json.dumps(report)
    assert {(e["value"], e["record"]["amount"]) for e in quarantined(report)} == {("***", "***")}
    run = Path(report["quarantine"]["written"][0]).parent
    texts = [p for p in run.rglob("*") if p.is_file() and "snapshot" not in p.relative_to(run).parts]
    assert texts
    assert not [p for p in texts if b"secret" in p.read_bytes()]


def test_gc_keeps_the_snapshot_that_they_came_from(author: Author) -> None:
    folder = sales(author, "parquet")
    author.step("sales", 'op.cast("amount", "int64", on_error="quarantine"),')
    run = author.do("upgrade", "sales")["run"]
    author.step("sales", 'op.rename("id", to="number"),')
    author.do("upgrade", "sales")
    (report,) = author.do("gc", "sales", "--keep", "1")["kept"][:1]
    assert "4 quarantined records" in report["why"]
    snapshot = folder.parent / ".instar" / "sales" / "runs" / run / "snapshot"
    assert snapshot.is_dir()
    author.do("gc", "sales", "--keep", "1", "--quarantined")
    assert not snapshot.exists()


def test_the_configuration_says_it_where_the_option_is_silent(author: Author) -> None:
    sales(author, "ndjson")
    author.step("sales", CAST)
    with (author.folder / "instar.toml").open("a") as file:
        file.write('on_error = "quarantine"\nmax_errors = "10%"\n')
    author.refused("upgrade", "sales", "--max-errors", "0")
    author.refused("upgrade", "sales", "--on-error", "fail")
    assert author.do("upgrade", "sales")["rows_quarantined"] == 4


@pytest.mark.parametrize("wrong", ["-1", "many", "101%", ""])
def test_a_limit_that_is_none_is_refused(wrong: str, author: Author) -> None:
    sales(author, "ndjson")
    assert author.refused("upgrade", "sales", "--max-errors", wrong, code=2)


def test_logs_and_metrics_count_them(author: Author) -> None:
    sales(author, "ndjson")
    author.step("sales", CAST)
    log, metrics = author.folder / "log", author.folder / "metrics"
    author.do("upgrade", "sales", "--on-error", "quarantine", "--log", "json", "--log-file", str(log), "--metrics", str(metrics))
    events = [json.loads(line) for line in log.read_text().splitlines()]
    told = [(e["level"], e["file"], e["records"]) for e in events if e["event"] == "quarantined"]
    assert told == [("warning", f"{n}.ndjson", 2) for n in range(2)]
    assert (events[-1]["event"], events[-1]["quarantined"]) == ("ended", 4)
    assert 'instar_run_quarantined_rows{dataset="sales",subject="sales",verb="upgrade"} 4\n' in metrics.read_text()


def test_a_rollback_that_converts_keeps_what_it_leaves_out(author: Author) -> None:
    """Of a file that came since, a line is no record."""
    folder = sales(author, "ndjson")
    author.step("sales", 'op.rename("amount", to="price"),')
    with (author.folder / "instar.toml").open("a") as file:
        file.write('on_error = "quarantine"\n')
    author.do("upgrade", "sales")
    (folder / "late.ndjson").write_text('{"id": 1, "price": "a", "marks": []}\n{"id": 2, "price": "b", "marks"\n')
    report = author.do("rollback", "sales")
    assert report["quarantine"]["records"] == {"late.ndjson": 1}
    assert [e["position"] for e in quarantined(report)] == [1]
    assert kept(folder / "late.ndjson") == [1]
