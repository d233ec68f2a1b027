"""`report.json`: what a run leaves of itself, whether it published or failed. (That each fits its schema, the conftest holds.)"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

SCHEMA = Path(__file__).resolve().parents[2] / "transforms" / "report.schema.json"


def with_sales(author: Author, operation: str, texts: list[str]) -> Path:
    data = author.data("sales")
    pq.write_table(pa.table({"n": list(range(len(texts))), "text": texts}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", operation)
    return data.parent / ".instar" / "sales" / "runs"


def left_by(runs: Path) -> Any:
    """The report of the only run."""
    (path,) = runs.glob("*/report.json")
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_schema_is_a_valid_one_and_describes_what_is_answered(author: Author) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    runs = with_sales(author, 'op.rename("text", to="words")', ["a", "b"])
    answer = author.do("upgrade", "sales")
    jsonschema.validate(answer, schema)
    kept = left_by(runs)
    assert set(kept) == set(schema["required"]) == set(answer)
    assert {key for key in kept if kept[key] != answer[key]} == {"seconds", "timeline"}


def test_the_docs_name_every_key() -> None:
    page = (SCHEMA.parents[1] / "docs" / "report.md").read_text(encoding="utf-8")
    keys = set(json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"])
    assert not {key for key in keys if f"`{key}`" not in page}


def test_a_run_says_which_files_it_wrote_and_when(author: Author) -> None:
    runs = with_sales(author, 'op.rename("text", to="words")', ["a", "b"])
    answer = author.do("upgrade", "sales")
    (file,) = left_by(runs)["written"]
    assert (file["path"], file["new_path"], file["rows"], file["way"]) == ("a.parquet", "a.parquet", [2, 2], "spliced")
    assert file["bytes"] == [answer["bytes_in"], answer["bytes_out"]]
    moments = answer["timeline"]
    assert [moment["what"] for moment in moments] == ["planned", "staged", "proved", "publish begun", "published"]
    assert [moment["rows"] for moment in moments] == [0, 2, 0, 0, 0]
    assert [moment["at"] for moment in moments] == sorted(moment["at"] for moment in moments)


def test_a_run_that_failed_leaves_its_report_and_nothing_else(author: Author) -> None:
    runs = with_sales(author, 'op.cast("text", "int64")', ["1", "many"])
    error = author.refused("upgrade", "sales")
    report = left_by(runs)
    assert (report["status"], report["proof"], report["rows_in"], report["rows_out"]) == ("failed", None, 2, None)
    assert report["error"]["message"] == error["message"]
    assert "many" in report["error"]["message"]
    assert report["files"]["rewritten"] == 0
    assert report["snapshot"] is None
    assert [moment["what"] for moment in report["timeline"]] == ["planned", "failed", "stage discarded"]
    assert sorted(path.name for path in next(runs.iterdir()).iterdir()) == ["journal.jsonl", "plan.json", "report.json"]


def test_a_failed_proof_is_reported_with_what_was_found(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    from instar.transforms.proof import standing

    runs = with_sales(author, 'op.cast("n", "string")', ["a", "b"])
    true = standing.prove_file

    def prove_another(unit: Any, receipt: Any, **more: Any) -> Any:
        table = pq.read_table(unit.staged)
        pq.write_table(table.set_column(0, table.schema.field(0), pa.array(["0", "7"])), unit.staged)
        return true(unit, receipt, **more)

    monkeypatch.setattr(standing, "prove_file", prove_another)
    author.refused("upgrade", "sales")
    report = left_by(runs)
    assert (report["status"], report["proof"]["verdict"]) == ("failed", "failed")
    (column,) = [c for c in report["proof"]["checks"][0]["columns"] if c["path"] == "n"]
    assert column["row"] == 1
    assert "7" in column["problem"]
