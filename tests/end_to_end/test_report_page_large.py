"""The page of a run of very many files is as long as somebody may read."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

pytest.importorskip("jinja2", reason="pages are made with it")


def test_ten_thousand_files_of_which_all_fail(author: Author) -> None:
    from instar.cli.report_page.page import run_page

    data = author.data("sales")
    pq.write_table(pa.table({"n": [1, 2, 3], "text": ["a", "b", "c"]}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.cast("n", "string")')
    author.do("upgrade", "sales")
    told: dict[str, Any] = json.loads(author.run("report", "sales", "--json").out)
    small = len(run_page(told))
    examples = [{"row": row, "group": 0, "old": "a" * 40, "new": "b" * 40} for row in range(5)]
    (check,) = told["proof"]["checks"]
    columns = [{**column, "problem": "record 2 holds 9, not 3", "examples": examples} for column in check["columns"]]
    names = [f"part-{i:05}.parquet" for i in range(10_000)]
    told["proof"]["checks"] = [{**check, "file": name, "verdict": "failed", "columns": columns} for name in names]
    told["written"] = [{**told["written"][0], "path": name, "new_path": name} for name in names]
    told["skipped"] = [{"path": name, "problem": "it is truncated"} for name in names]
    told["late"] = [{"path": name, "what": "changed", "why": "somebody wrote to it"} for name in names]
    told["quarantine"] = {"written": [f"q/{name}" for name in names], "records": dict.fromkeys(names, 1)}
    page = run_page(told)
    assert len(page) < small + 1_000_000
    assert page.count("9,900 more files; report.json lists all") == 1  # of those that fail
    assert page.count("9,800 more files; report.json lists all") == 5
