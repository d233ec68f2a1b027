"""Parquet columns that DuckDB does not read, or not exactly, inside of what a migration computes."""

from __future__ import annotations

import decimal
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.transforms.proof.duck_elements import read_elements
from instar.transforms.proof.elements import Element, exact
from instar.transforms.proof.footer import footer_elements
from instar.transforms.proof.integrity import prove_file
from tests.transforms.proof.conftest import problems

WIDE = pa.decimal256(60, 3)
NUMBERS = [None if i % 5 == 0 else decimal.Decimal(10**50 + i) / 1000 for i in range(20)]


def wide() -> pa.Table:
    """Decimals of sixty digits wherever they can stand."""
    inner = pa.struct([("number", WIDE), ("n", pa.int32())])
    records = [{"number": x, "n": i} for i, x in enumerate(NUMBERS)]
    with decimal.localcontext(prec=80):
        return pa.table(
            {
                "record": pa.array([None, *records[1:]], inner),
                "items": pa.array([[], None, *([r, None] for r in records[2:])], pa.list_(inner)),
                "tags": pa.array([[("k", r)] for r in records], pa.map_(pa.string(), inner)),
                "keyed": pa.array([[(x, 1)] if x else None for x in NUMBERS], pa.map_(WIDE, pa.int32())),
            }
        )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wide.parquet"
    pq.write_table(wide(), path, row_group_size=7)
    return path


CHAINS: dict[str, list[Any]] = {
    "added beside": [op.add(f"{at}.new", "int32", default=1) for at in ("record", "items[]", "tags{}")],
    "cast beside": [op.cast(f"{at}.n", "string") for at in ("record", "items[]", "tags{}")],
    "cast in a map": [op.cast("keyed{}", "string")],
    "renamed": [op.rename("items[].number", to="x"), op.rename("tags{}.n", to="m")],
}


@pytest.mark.parametrize("operations", CHAINS.values(), ids=CHAINS.keys())
@pytest.mark.parametrize("level", ["auto", "full"])
def test_wide_decimals_in_what_is_computed_are_proved(
    staged: Callable[..., Any], file: Path, operations: list[Any], level: Any
) -> None:
    proof = prove_file(*staged(file, "parquet", operations), level=level)
    assert not problems(proof)
    assert proof.verdict == "proved"


@pytest.mark.parametrize("column", ["record", "items", "tags", "keyed"])
def test_damage_beside_a_wide_decimal_is_found(staged: Callable[..., Any], file: Path, column: str) -> None:
    unit, receipt = staged(file, "parquet", CHAINS["cast beside"] + CHAINS["cast in a map"])
    shift(Path(unit.staged), column)
    wrong = {re.split(r"\W", path)[0] for path in problems(prove_file(unit, receipt))}
    assert wrong == {column}


def shift(file: Path, column: str) -> None:
    """Moves a column's values up by one record, the first to the end."""
    table = pq.read_table(file)
    at, values = table.column_names.index(column), table.column(column)
    moved = pa.chunked_array([*values.slice(1).chunks, *values.slice(0, 1).chunks], values.type)
    pq.write_table(table.set_column(at, table.schema.field(at), moved), file)


FILES = [
    "arrow-testing/data/parquet/ARROW-17100.parquet",  # DuckDB takes compressed pages for values
    "parquet-testing/data/map_no_value.parquet",  # DuckDB refuses the schema
]


@pytest.mark.parametrize("name", FILES)
def test_what_duckdb_cannot_read_is_proved_by_way_of_pyarrow(
    staged: Callable[..., Any], tmp_path: Path, conformance: Path, name: str
) -> None:
    file = Path(shutil.copy(conformance / name, tmp_path))
    first = pq.read_schema(file).names[0]
    unit, receipt = staged(file, "parquet", [op.rename(first, to="renamed"), op.add("n", "int32", default=1)])
    proof = prove_file(unit, receipt)
    assert not problems(proof)
    assert proof.verdict == "proved"
    shift(Path(unit.staged), "renamed")
    assert prove_file(unit, receipt).verdict == "failed"


def test_the_footer_says_what_duckdb_says(conformance: Path) -> None:
    connection, compared = duckdb.connect(), 0
    for file in sorted(conformance.rglob("*.parquet")):
        try:
            theirs = read_elements(connection, file)
        except duckdb.Error:
            continue
        compared += 1
        assert _shown(footer_elements(file)) == _shown(theirs), file
    assert compared > 70


def _shown(root: Element) -> list[Any]:
    """What the proof looks at, without the root's name."""
    return [_shown_one(child) for child in root.children]


def _shown_one(e: Element) -> Any:
    logical = e.logical.partition("(")[0]
    own = (e.name, e.physical, e.length, e.repetition, e.converted, e.scale, e.precision, logical, exact(e))
    return (*own, [_shown_one(child) for child in e.children])
