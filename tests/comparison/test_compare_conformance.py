"""Files that other projects wrote: the same records in Avro and Parquet, and awkward files held against themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_sides import COUNTS, FULL, IN_PLACE, UNORDERED

import instar
from instar.formats.errors import FileError

SHARED = (
    "binary", "datapage_v2.snappy", "fixed_length_decimal", "fixed_length_decimal_legacy", "int32_decimal", "int64_decimal",
    "list_columns", "nested_lists.snappy", "nonnullable.impala", "nulls.snappy", "repeated_no_annotation", "single_nan",
)  # fmt: skip
"""But for three of which the types, or the order of a map's entries, are not the same."""


@pytest.mark.parametrize("stem", SHARED)
def test_the_same_records_in_avro_and_parquet(stem: str, conformance: Path) -> None:
    avro = conformance / "arrow-testing" / "data" / "avro" / f"{stem}.avro"
    parquet = conformance / "parquet-testing" / "data" / f"{stem}.parquet"
    for old, new, how in ((avro, parquet, IN_PLACE), (parquet, avro, UNORDERED)):
        report = instar.compare(old, new, **how)
        assert report.ok, (how, report.problems, report.rows)


def test_what_is_not_the_same_is_named(conformance: Path) -> None:
    avro, parquet = conformance / "arrow-testing" / "data" / "avro", conformance / "parquet-testing" / "data"
    zones = instar.compare(avro / "alltypes_plain.avro", parquet / "alltypes_plain.parquet")
    assert [(p.path, "timestamp(us, UTC)" in p.problem) for p in zones.problems] == [("timestamp_col", True)]
    order = instar.compare(avro / "nullable.impala.avro", parquet / "nullable.impala.parquet")
    (row,) = order.rows
    assert [(f.path, f.old, f.new) for f in row.fields] == [("int_map", "{k3=NULL, k1=NULL}", "{k1=NULL, k3=NULL}")]


def test_damage_that_a_checksum_tells_of(conformance: Path) -> None:
    path = conformance / "parquet-testing" / "data" / "datapage_v1-corrupt-checksum.parquet"
    old, new = instar.compare(path, path).problems
    assert old.problem.startswith("the old file cannot be read: column a in row group 0 is damaged: ")
    assert "CRC-32" in new.problem


@pytest.mark.slow
def test_every_file_is_the_same_as_itself(conformance: Path) -> None:
    files = [*conformance.glob("parquet-testing/data/*.parquet"), *conformance.glob("arrow-testing/data/avro/*.avro")]
    compared = 0
    for path in sorted(files):
        for how in (IN_PLACE, FULL, COUNTS, UNORDERED):
            try:
                report = instar.compare(path, path, **how)
            except FileError:  # nothing here reads it, or a value of it fills more than the memory
                assert path.name in ("incorrect_map_schema.parquet", "large_string_map.brotli.parquet"), path.name
                continue
            assert report.ok or "corrupt-checksum" in path.name, (path.name, how, report.problems, report.rows)
            compared += 1
    assert compared > 300
