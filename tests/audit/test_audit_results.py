"""Results of the same query on two sides: what is the same, what differs, and what a query leaves open."""

from __future__ import annotations

import math
from decimal import Decimal

import duckdb
import pytest

from instar.transforms.audit import results
from instar.transforms.audit.layout import share_apart
from instar.transforms.audit.queries import Query
from instar.transforms.audit.results import Compared, alike, compared


def compare(old: str, new: str, *, written: str = "SELECT a FROM t", **more: bool) -> Compared:
    """Two texts, each in a connection of its own; `written` is the query as it stands in its file."""
    connections = [duckdb.connect(), duckdb.connect()]
    given = {"by_name": False, "changed": False, "hidden": False, **more}
    return compared((connections[0], old), (connections[1], new), Query("q", written).tree(), **given)


ROWS = "SELECT * FROM (VALUES (1, 'x', 0.5::DOUBLE), (2, NULL, 1e20), (3, 'z', 'nan'::DOUBLE)) t(a, b, c)"


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (ROWS, f"{ROWS} ORDER BY a DESC", "same"),
        ("SELECT 0.1::DOUBLE + 0.2::DOUBLE AS s", "SELECT 0.3::DOUBLE AS s", "same"),
        ("SELECT 1e9::DOUBLE AS s", "SELECT 1e9::DOUBLE + 10 AS s", "differ"),
        ("SELECT 1 AS a", "SELECT 1.0::DECIMAL(9,2) AS a", "same"),
        ("SELECT 1 AS a", "SELECT '1' AS a", "differ"),
        ("SELECT 1 AS a UNION ALL SELECT 1", "SELECT 1 AS a", "differ"),
        ("SELECT [1, NULL] AS a, {'x': 1.5} AS b", "SELECT [1, NULL] AS a, {'y': 1.5} AS b", "same"),
        ("SELECT [1, 2] AS a", "SELECT [2, 1] AS a", "differ"),
        ("SELECT TIMESTAMPTZ '2026-01-01 00:00:00+00' AS a", "SELECT TIMESTAMPTZ '2026-01-01 00:00:00+00' AS a", "same"),
        ("SELECT DATE '2026-01-01' AS a", "SELECT DATE '2026-01-02' AS a", "differ"),
        ("SELECT 1 AS a WHERE false", "SELECT 1 AS a WHERE false", "same"),
        ("SELECT 1 AS a, 2 AS b", "SELECT 1 AS a", "not compared"),
    ],
)
def test_rows_are_compared_by_their_values(old: str, new: str, verdict: str) -> None:
    assert compare(old, new).verdict == verdict


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (
            "SELECT i AS a, i / 7 AS b FROM range(500) t(i)",
            "SELECT i AS a, i / 7 AS b FROM range(500) t(i) ORDER BY i DESC",
            "same",
        ),
        ("SELECT i AS a, i / 7 AS b FROM range(500) t(i)", "SELECT i AS a, i / 7 + 1e-15 AS b FROM range(500) t(i)", "same"),
        (
            "SELECT i AS a, i / 7 AS b FROM range(500) t(i)",
            "SELECT i AS a, i / 7 + (i = 3)::INT AS b FROM range(500) t(i)",
            "differ",
        ),
        ("SELECT i AS a FROM range(500) t(i)", "SELECT i + (i = 3)::INT AS a FROM range(500) t(i)", "differ"),
        (
            "SELECT i AS a, i / 7 AS b FROM range(500) t(i)",
            "SELECT i AS a, CASE WHEN i > 0 THEN i / 7 END AS b FROM range(500) t(i)",
            "differ",  # null for zero: the sums agree
        ),
        (
            "SELECT i AS a, CASE WHEN i = 9 THEN 'nan'::DOUBLE ELSE i / 7 END AS b FROM range(500) t(i)",
            "SELECT i AS a, CASE WHEN i = 9 THEN 'inf'::DOUBLE ELSE i / 7 END AS b FROM range(500) t(i)",
            "differ",
        ),
        ("SELECT i AS a, i / 7 AS b FROM range(500) t(i)", "SELECT i AS a, (499 - i) / 7 AS b FROM range(500) t(i)", "differ"),
        ("SELECT i AS a FROM range(500) t(i)", "SELECT i AS a FROM range(499) t(i)", "differ"),
        ("SELECT i AS a FROM range(500) t(i)", "SELECT i::VARCHAR AS a FROM range(500) t(i)", "not compared"),
    ],
)
def test_large_results_are_compared_by_checksums(old: str, new: str, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MOST_CELLS", 100)
    found = compare(old, new)
    assert found.verdict == verdict
    assert found.by_checksum == (verdict != "not compared")


def test_what_a_query_orders_by_must_be_in_that_order() -> None:
    one, other = "SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y'", "SELECT 2 AS a, 'y' AS b UNION ALL SELECT 1, 'x'"
    assert compare(one, other).verdict == "same"
    for key in ("a", "1", "B"):
        found = compare(one, other, written=f"SELECT a, b FROM t ORDER BY {key}")
        assert (found.verdict, found.detail) == ("differ", "the rows are the same, but from row 1 on in another order")
    assert compare(one, other, written="SELECT a, b FROM t ORDER BY a + 1").verdict == "same"  # nothing of the result tells


def test_rows_that_tie_may_come_in_any_order() -> None:
    one, other = "SELECT 1 AS a, 'x' AS b UNION ALL SELECT 1, 'y'", "SELECT 1 AS a, 'y' AS b UNION ALL SELECT 1, 'x'"
    assert compare(one, other, written="SELECT a, b FROM t ORDER BY a").verdict == "same"


def test_a_limit_leaves_ties_open_but_not_the_order() -> None:
    written = "SELECT a, b FROM t ORDER BY a LIMIT 1"
    assert compare("SELECT 1 AS a, 'x' AS b", "SELECT 1 AS a, 'y' AS b", written=written).verdict == "open"
    assert compare("SELECT 1 AS a, 'x' AS b", "SELECT 2 AS a, 'y' AS b", written=written).verdict == "differ"


def test_declared_changes_and_hidden_values() -> None:
    found = compare("SELECT 'Ada' AS a", "SELECT 'Grace' AS a", changed=True)
    assert (found.verdict, found.detail) == ("changed", "a row differs in a: 'Ada' before, 'Grace' after")
    assert compare("SELECT 'Ada' AS a", "SELECT 'Grace' AS a", hidden=True).detail == "a row differs in a"


def test_columns_of_one_side_only_are_left_out_by_name() -> None:
    assert compare("SELECT 1 AS a, 2 AS b", "SELECT 3 AS c, 2 AS B, 1 AS a", by_name=True).verdict == "same"
    assert compare("SELECT 1 AS a, 2 AS b", "SELECT 3 AS c, 5 AS B, 1 AS a", by_name=True).verdict == "differ"


def test_single_values() -> None:
    assert alike(math.nan, math.nan)
    assert alike(1, Decimal("1.0"))
    assert not alike(1, True)
    assert alike(1e-20, 0.0, scale=1.0)  # what is left of a sum of numbers about 1 that cancel
    assert not alike(1e-20, 0.0)
    assert not alike(None, 0)


@pytest.mark.parametrize(
    ("ranges", "share"),
    [
        ([(0, 9), (10, 19), (20, 29)], 1.0),
        ([(0, 10), (10, 20), (20, 30)], 1.0),
        ([(0, 29), (1, 28), (2, 27)], 0.0),
        ([(0, 9), (10, 25), (20, 29), (30, 39)], 0.5),
        ([(5, 5), (5, 5)], 0.0),
        ([(0, 100), (1, 2), (3, 4), (200, 300)], 0.25),
        ([("a", "b"), ("c", "d")], 1.0),
    ],
)
def test_the_share_of_row_groups_that_a_filter_can_skip(ranges: list[tuple[int, int]], share: float) -> None:
    assert share_apart(reversed(ranges)) == share
