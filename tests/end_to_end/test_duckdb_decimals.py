"""Decimals of more than 18 digits in files that DuckDB wrote: carried as they are stored, computed with, cast; up and back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

DIGITS = (19, 25, 37, 38)
NAMES = [f"d{digits}" for digits in DIGITS]


def write(path: Path, rows: int) -> None:
    """A decimal of each size, the greatest and least among them, every fifth null; and nested ones, of one sum's type."""
    columns = []
    for digits in DIGITS:
        most = f"{10**digits - 1}::DECIMAL({digits}, 0)"
        number = f"CASE range WHEN 0 THEN {most} WHEN 1 THEN -{most} ELSE range - 500 END"
        scaled = f"(CASE WHEN range % 5 <> 4 THEN {number} END)::DECIMAL({digits}, 0)"
        columns.append(f"{scaled} AS d{digits}")
    nested = "{'paid': (range - 3)::DECIMAL(38, 2), 'n': range} AS total, [(range - 3)::DECIMAL(20, 1), NULL] AS parts"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT range AS n, {', '.join(columns)}, {nested} FROM range({rows})) TO '{path}'")


def physical(path: Path) -> dict[str, tuple[str, int, str]]:
    schema = pq.ParquetFile(path).schema
    leaves = [schema.column(i) for i in range(len(schema.names))]
    return {leaf.path: (leaf.physical_type, leaf.length, str(leaf.logical_type)) for leaf in leaves}


def values(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


@pytest.fixture
def paths(author: Author) -> list[Path]:
    """Two files, one of them without rows, adopted as `sums`."""
    data = author.data("sums")
    paths = [data / "a.parquet", data / "empty.parquet"]
    for path, rows in zip(paths, (1000, 0), strict=True):
        write(path, rows)
        assert physical(path)["d19"][:2] == ("FIXED_LEN_BYTE_ARRAY", 16)
    author.adopt("sums")
    return paths


@pytest.mark.parametrize("proof", ["auto", "full"])
def test_a_rename_of_another_column_keeps_them(author: Author, paths: list[Path], proof: str) -> None:
    before = [(physical(path), values(path)) for path in paths]
    data = tree(author.data("sums"))
    author.step("sums", 'op.rename("n", to="number"), op.rename("total.n", to="count")')
    assert author.do("upgrade", "sums", "--proof", proof)["proof"]["verdict"] == "proved"
    for path, (stored, rows) in zip(paths, before, strict=True):
        renamed = {"n": "number", "total.n": "total.count"}
        assert physical(path) == {renamed.get(name, name): kind for name, kind in stored.items()}
        assert [[row[name] for name in (*NAMES, "parts")] for row in values(path)] == [
            [row[name] for name in (*NAMES, "parts")] for row in rows
        ]
        assert [row["total"]["paid"] for row in values(path)] == [row["total"]["paid"] for row in rows]
    assert author.do("downgrade", "sums", "1", "--proof", proof)["losses"] == []
    assert [(physical(path), values(path)) for path in paths] == before
    author.do("rollback", "sums")
    author.do("rollback", "sums")
    assert tree(author.data("sums")) == data


@pytest.mark.parametrize("proof", ["auto", "full"])
def test_what_is_cast_away_is_not_in_the_way_and_what_is_read_is_a_decimal(author: Author, paths: list[Path], proof: str) -> None:
    before = values(paths[0])
    data = tree(author.data("sums"))
    author.step("sums", 'op.cast("d19", "string"), op.derive("twice", "decimal(35,0)", sql="d25 * 2"), op.drop("d37")')
    assert author.do("upgrade", "sums", "--proof", proof)["proof"]["verdict"] == "proved"
    after = values(paths[0])
    assert [row["d19"] and Decimal(row["d19"]) for row in after] == [row["d19"] for row in before]
    assert [row["twice"] for row in after] == [row["d25"] if row["d25"] is None else row["d25"] * 2 for row in before]
    assert physical(paths[0])["d25"][:2] == ("FIXED_LEN_BYTE_ARRAY", 16)
    author.do("rollback", "sums")
    assert tree(author.data("sums")) == data


def test_filled_ones_are_stored_like_the_others(author: Author, paths: list[Path]) -> None:
    before = values(paths[0])
    author.step("sums", 'op.require("d38", fill="0")')
    assert author.do("upgrade", "sums")["proof"]["verdict"] == "proved"
    assert [row["d38"] for row in values(paths[0])] == [row["d38"] or Decimal(0) for row in before]
    assert physical(paths[0])["d38"][:2] == ("FIXED_LEN_BYTE_ARRAY", 16)


def test_what_many_files_have_alike_is_said_once(author: Author, conformance: Path) -> None:
    old = (conformance / "parquet-testing" / "data" / "hadoop_lz4_compressed.parquet").read_bytes()
    for name in ("a", "b", "c"):
        (author.data("old") / f"{name}.parquet").write_bytes(old)
    author.adopt("old")
    author.step("old", 'op.allow_null("c0"),')  # written anew, and in this codec nobody can
    before = tree(author.data("old"))
    error = author.refused("plan", "old")
    told = error.get("errors", [error])
    assert {e["where"]["file"] for e in told} == {"a.parquet"}
    assert all("2 more files" in e["message"] for e in told)
    assert len({e["message"] for e in told}) == len(told)
    assert tree(author.data("old")) == before
