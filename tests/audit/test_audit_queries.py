"""Queries as files hold them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from instar.transforms.audit.queries import load_queries
from instar.transforms.audit.results import compared

SELECT = "SELECT count(*) AS n FROM data"


@pytest.mark.parametrize(
    "end", ["", ";", ";;\n", " -- all of them", "; -- all of them", ";\n/* all\nof them */\n;", "\n;\n-- 'all'\n"]
)
def test_a_query_ends_with_its_last_word(end: str, tmp_path: Path) -> None:
    (tmp_path / "late.sql").write_text(f"-- how many\n{SELECT}{end}", encoding="utf-8")
    (query,) = load_queries(tmp_path, ("data",))
    assert query.text.removeprefix("-- how many\n") == SELECT
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE data AS SELECT 1 AS a")
        side = connection, query.text
        assert compared(side, side, query.tree(), by_name=False, changed=False, hidden=False).verdict == "same"
