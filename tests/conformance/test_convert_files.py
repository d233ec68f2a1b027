"""The files that Arrow's and Parquet's own test data share by name: each, converted, has the values of the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import instar as library

SHARED = (
    "alltypes_dictionary", "alltypes_plain", "binary", "datapage_v2.snappy", "dict-page-offset-zero", "fixed_length_decimal",
    "fixed_length_decimal_legacy", "int32_decimal", "int64_decimal", "list_columns", "nested_lists.snappy", "nonnullable.impala",
    "nullable.impala", "nulls.snappy", "repeated_no_annotation", "single_nan",
)  # fmt: skip
"""All but alltypes_plain.snappy, whose two files hold different records."""

WALL_TIMES = ("alltypes_dictionary", "alltypes_plain")
"""Their timestamps are INT96 in Parquet, which has no zone; whoever made the Avro files took them for UTC. The counts are equal."""


def values(path: Path, at: Path) -> list[Any]:
    """The records as JSON."""
    library.convert(path, at, "json")
    return json.loads(at.read_text(encoding="utf-8"))


def without_zone(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_zone(each) for name, each in value.items()}
    return value.removesuffix("Z") if isinstance(value, str) and value[4:5] == "-" else value


@pytest.mark.parametrize("to", ["parquet", "avro"])
@pytest.mark.parametrize("stem", SHARED)
def test_files_that_two_projects_share(stem: str, to: str, conformance: Path, tmp_path: Path) -> None:
    avro = conformance / "arrow-testing" / "data" / "avro" / f"{stem}.avro"
    parquet = conformance / "parquet-testing" / "data" / f"{stem}.parquet"
    source, other = (avro, parquet) if to == "parquet" else (parquet, avro)
    library.convert(source, tmp_path / f"x.{to}", to)
    found, expected = values(tmp_path / f"x.{to}", tmp_path / "found.json"), values(other, tmp_path / "expected.json")
    assert found
    if stem in WALL_TIMES:
        assert found != expected
        found, expected = (list(map(without_zone, side)) for side in (found, expected))
    assert found == expected
