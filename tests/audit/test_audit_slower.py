"""Is a query called slower where it is, and not where it is not? Real times, on whatever machine this is: a lost sort order takes
many times as long, so that no busy machine hides it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from auditing import SECONDS, audited, with_flights, write_queries
from authoring import Author, said
from support import tree

NARROW = "SELECT count(*), sum(dep_delay) FROM flights WHERE id BETWEEN 60000 AND 60100"


@pytest.fixture
def author(tmp_path: Path) -> Author:
    """An empty project, and the commands with which it is filled."""
    folder = tmp_path / "team"
    folder.mkdir()
    return Author(folder, said)


def shuffled(path: Path, groups: int) -> None:
    """The same rows in another order; all else as it was."""
    before = pq.read_table(path)
    order = duckdb.connect().sql(f"SELECT i FROM range({before.num_rows}) t(i) ORDER BY hash(i)").to_arrow_table()["i"]
    pq.write_table(before.take(order).replace_schema_metadata(before.schema.metadata), path, row_group_size=groups)


def test_a_lost_sort_order_is_found_slower(author: Author) -> None:
    """The same rows shuffled: a filter for a narrow range reads every row group instead of one."""
    data = with_flights(author, 'op.rename("dep_delay", to="late")', rows=1_500_000, groups=30_000)
    queries = write_queries(author, narrow=NARROW)
    before = tree(author.folder)
    shuffled(data / "a.parquet", 30_000)
    report = audited(author, "--queries", queries, "--threads", "1", "--seconds", "2", code=1)
    (query,) = report["queries"]
    assert (report["verdict"], query["verdict"]) == ("failed", "slower")
    assert query["ratio"]["low"] > 1.2
    assert query["results"]["verdict"] == "same"
    assert (query["times"]["old"]["row_groups_read"], query["times"]["new"]["row_groups_read"]) == (1, 50)
    assert query["times"]["new"]["bytes_read"] > 10 * query["times"]["old"]["bytes_read"]
    assert (report["layout"]["old"]["row_groups_apart"]["id"], report["layout"]["new"]["row_groups_apart"]["id"]) == (1.0, 0.0)
    assert report["problems"][0].startswith("narrow: it takes ")
    answer = author.instar(
        "audit", "flights", "--seconds", SECONDS, "--queries", queries, "--max-slowdown", "1000", at=author.folder
    )  # fmt: skip
    assert (answer.code, answer.err) == (0, "")  # as much is allowed
    assert "id was sorted, and is no more: 100 % of the row groups overlapped with no other, and 0 % do now" in answer.out
    assert max(map(len, answer.out.splitlines()[:4])) <= 100
    after = tree(author.folder)
    assert {path for path in before | after if before.get(path) != after.get(path)} == {"data/flights/a.parquet"}


@pytest.mark.slow
def test_plain_queries_find_it_too(author: Author) -> None:
    data = with_flights(author, 'op.rename("dep_delay", to="late")', rows=1_500_000, groups=30_000)
    shuffled(data / "a.parquet", 30_000)
    report = audited(author, "--seconds", "2", "--threads", "1", code=1)
    found = {query["name"]: query for query in report["queries"]}
    assert set(found) == {"scan", "filter on id", "filter on departed", "group by carrier"}
    assert found["filter on id"]["verdict"] == found["filter on departed"]["verdict"] == "slower"
    assert all(query["results"]["verdict"] == "same" for query in found.values())
    assert found["scan"]["sql"] == {
        "old": "SELECT sum(dep_delay) FROM flights", "new": "SELECT sum(late) FROM flights",
    }  # fmt: skip


def renamed(author: Author, times: int, seconds: str, threads: str = "1") -> dict[str, int]:
    """Audits of a plain rename: how often each verdict comes."""
    with_flights(author, 'op.rename("dep_delay", to="late"), op.rename("carrier", to="airline")')
    queries = write_queries(
        author, narrow=NARROW, scan="SELECT sum(dep_delay) FROM flights",
        group="SELECT carrier, avg(dep_delay) FROM flights GROUP BY carrier ORDER BY carrier",
    )  # fmt: skip
    counts: dict[str, int] = {}
    for _ in range(times):
        limits = ("--seconds", seconds, "--max-slowdown", "10", "--threads", threads)
        report = author.run("audit", "flights", "--queries", queries, *limits).json
        assert report["verdict"] == "passed"
        for query in report["queries"]:
            assert query["results"]["verdict"] == "same"
            counts[query["verdict"]] = counts.get(query["verdict"], 0) + 1
    return counts


def test_a_plain_rename_is_not_called_slower(author: Author) -> None:
    counts = renamed(author, 1, seconds="0.5")
    assert "slower" not in counts
    assert sum(counts.values()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_plain_rename_is_never_called_slower_in_twenty_runs(threads: str, author: Author) -> None:
    counts = renamed(author, 20, seconds="2", threads=threads)
    print(f"{threads} threads: {counts}")
    assert "slower" not in counts
    assert sum(counts.values()) == 60
