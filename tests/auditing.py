"""What audits are tried on: sorted flights, upgraded by a step, and the user's queries over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from authoring import Author
from support import Answer

SECONDS = "0.1"
ROWS = 120_000


def flights(rows: int = ROWS) -> pa.Table:
    """Flights in the order of their departure, as they would come."""
    return (
        duckdb.connect()
        .sql(f"""
        SELECT i AS id, make_timestamp(1356998400000000 + i * 26000000) AS departed,
            ['AA', 'B6', 'DL', 'UA'][1 + (hash(i) % 4)::INTEGER] AS carrier, (hash(i) % 1000003)::BIGINT / 7 AS dep_delay,
            (i % 24)::INTEGER AS hour
        FROM range({rows}) t(i)
    """)
        .to_arrow_table()
    )


def with_flights(author: Author, upgrade: str, *, rows: int = ROWS, groups: int = 4_000) -> Path:
    """A dataset of one sorted file, upgraded by one step; the folder of its data."""
    data = author.data("flights")
    pq.write_table(flights(rows), data / "a.parquet", row_group_size=groups)
    author.adopt("flights")
    author.step("flights", upgrade, '{"hour": "0"}' if "drop" in upgrade else "{}")
    author.do("upgrade", "flights")
    return data


def write_queries(author: Author, **queries: str) -> str:
    folder = author.folder / "queries"
    folder.mkdir()
    for name, text in queries.items():
        (folder / f"{name}.sql").write_text(text)
    return str(folder)


def audited(author: Author, *arguments: str, code: int = 0) -> dict[str, Any]:
    answer: Answer = author.run("audit", "flights", "--seconds", SECONDS, *arguments)
    assert answer.code == code, answer.out + answer.err
    assert not answer.err
    return answer.json
