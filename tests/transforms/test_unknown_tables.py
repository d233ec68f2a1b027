"""A query of a table that does not exist is told of the tables that it can read, never of DuckDB's own."""

from __future__ import annotations

import duckdb
import pytest

from instar.formats.schema import Field, Int, Record, Schema
from instar.transforms.checks import Check, misfit
from instar.transforms.tree_views import empty_views
from instar.transforms.unknown_tables import of_own_tables

SCHEMA = Schema(Field("", Record((Field("id", Int(64)),))))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("FROM enums", "Table with name enums does not exist! There is 'old', 'new'."),
        ("FROM pg_enumm", "Table with name pg_enumm does not exist! There is 'old', 'new'."),
        ("SELECT 1\nFROM olld", "Table with name olld does not exist! Did you mean 'old'?"),
    ],
)
def test_a_check_is_told_of_the_two_views(sql: str, said: str) -> None:
    with empty_views("parquet", {1: SCHEMA}, {"old": [1], "new": [1]}, {}) as views:
        assert misfit(Check("a", "", sql), views).endswith(said)


def test_what_else_duckdb_says_stays() -> None:
    for sql in ("SELECT lenght('a')", "SELECT nothing FROM (SELECT 1 AS b)", "FROM s.t"):
        with pytest.raises(duckdb.Error) as caught:
            duckdb.sql(sql)
        assert of_own_tables(str(caught.value), ["old"]) == str(caught.value)
