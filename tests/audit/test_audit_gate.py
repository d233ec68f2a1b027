"""`upgrade --queries`: an audit between proof and publish; and audits of what is only staged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from authoring import Author, said
from gating import setting
from support import tree

from instar.transforms.audit import measuring

QUICK = ("--query-seconds", "1")


def write_orders(author: Author, rows: int) -> None:
    """Sorted by a number, in 50 row groups."""
    table = duckdb.connect().sql(f"SELECT i AS id, i * 7.5 AS price, i % 3 AS kind FROM range({rows}) t(i)").to_arrow_table()
    pq.write_table(table, author.data("orders") / "a.parquet", row_group_size=rows // 50)


@pytest.fixture
def author(tmp_path: Path) -> Author:
    """A dataset sorted by a number, at version 1 of two: the second has the number as text, which a filter reads whole."""
    author = Author(tmp_path / "team", said)
    author.folder.mkdir()
    write_orders(author, 20_000)
    author.adopt("orders")
    author.step("orders", 'op.cast("id", "string"), op.rename("price", to="amount")')
    (author.folder / "queries").mkdir()
    return author


def write(author: Author, **queries: str) -> tuple[str, ...]:
    for name, text in queries.items():
        (author.folder / "queries" / f"{name}.sql").write_text(text)
    return ("--queries", str(author.folder / "queries"), *QUICK)


NARROW = "SELECT count(*), sum(price) FROM orders WHERE id::BIGINT BETWEEN 60000 AND 60100"
KINDS = "SELECT kind, sum(price) FROM orders GROUP BY kind ORDER BY kind"


def reports(author: Author) -> list[dict[str, Any]]:
    """What runs left, oldest first."""
    return [json.loads(path.read_text()) for path in sorted(author.folder.rglob("report.json"))]


def test_a_slower_query_stops_the_upgrade_and_nothing_is_published(author: Author) -> None:
    write_orders(author, 800_000)
    before = tree(author.folder / "data" / "orders")
    error = author.refused("upgrade", "orders", *write(author, narrow=NARROW))
    assert error["message"].startswith("query narrow: it takes ")
    assert "--max-slowdown" in error["hint"]
    assert tree(author.folder / "data" / "orders") == before
    (report,) = reports(author)
    assert report["audit"]["verdict"] == "failed"
    assert report["gates"][0]["kind"] == "queries"
    assert report["audit"]["queries"][0]["verdict"] == "slower"
    assert report["audit"]["queries"][0]["results"]["verdict"] == "same"


def test_a_dataset_names_its_queries_once_and_people_are_told_in_a_line(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "LEAST", 0.001)
    write(author, kinds=KINDS)
    setting(author, 'queries = "queries"\nmax_slowdown = 1000')
    assert author.do("plan", "orders")["gates"]["queries"] == str(author.folder / "queries")
    answer = author.instar("upgrade", "orders", *QUICK, at=author.folder)
    assert (answer.code, answer.err) == (0, "")
    assert re.search(r"^queries  (passed|undecided): 1 \w+ \(", answer.out, re.MULTILINE)
    report = author.do("audit", "orders", "--seconds", "0.1")
    assert [query["name"] for query in report["queries"]] == ["kinds"]
    assert report["settings"]["max_slowdown"] == 1000
    other = author.refused("audit", "orders", "--queries", "none", "--max-slowdown", "0.5", code=2)  # the command line wins
    assert "0.5" in other["message"]


def test_queries_that_cannot_be_used_are_refused_before_anything_is_staged(author: Author) -> None:
    assert (
        "wrong.sql fits neither"
        in author.refused("upgrade", "orders", *write(author, wrong="SELECT x FROM orders"), code=2)["message"]
    )
    assert not list(author.folder.rglob("journal.jsonl"))
    author.refused("upgrade", "orders", "--max-slowdown", "2", code=2)
    author.refused("upgrade", "orders", *write(author, wrong=KINDS), "--max-slowdown", "0.5", code=2)
    assert not list(author.folder.rglob("journal.jsonl"))


def test_what_is_staged_can_be_audited_and_what_was_published_after_it(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "LEAST", 0.001)
    staged = author.do("upgrade", "orders", "--stage-only")
    arguments = ("audit", "orders", *write(author, kinds=KINDS)[:2], "--seconds", "0.1", "--max-slowdown", "1000")
    report = author.do(*arguments)
    assert (report["run"], report["from"], report["to"]) == (staged["run"], [1], 2)
    assert report["queries"][0]["results"]["verdict"] == "same"
    done = author.do("upgrade", "orders", *write(author), "--max-slowdown", "1000")
    assert next(gate["verdict"] for gate in done["gates"]) in ("passed", "undecided")
    assert done["audit"]["queries"][0]["sql"] == report["queries"][0]["sql"]
    assert author.do(*arguments)["queries"][0]["sql"] == report["queries"][0]["sql"]
