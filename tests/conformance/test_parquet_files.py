"""Parquet files of other projects: each is migrated with equal values, or refused with a reason that the documentation lists.

Written by pyarrow, judged by DuckDB, and by Apache DataFusion (Arrow in Rust) where DuckDB does not read the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionConfig, SessionContext

from tests.conformance.limits import Nursery
from tests.conformance.parquet_file import ADDED, RENAMED

BAD, DATA = "parquet-testing/bad_data/", "parquet-testing/data/"
PLAIN = """
    alltypes_dictionary alltypes_plain alltypes_plain.snappy alltypes_tiny_pages alltypes_tiny_pages_plain binary
    binary_truncated_min_max byte_array_decimal byte_stream_split.zstd byte_stream_split_extended.gzip
    column_chunk_key_value_metadata concatenated_gzip_members data_index_bloom_encoding_stats
    data_index_bloom_encoding_with_length datapage_v1-snappy-compressed-checksum datapage_v1-uncompressed-checksum
    datapage_v2.snappy datapage_v2_empty_datapage.snappy delta_binary_packed delta_byte_array delta_encoding_optional_column
    delta_encoding_required_column delta_length_byte_array dict-page-offset-zero fixed_length_byte_array fixed_length_decimal
    fixed_length_decimal_legacy float16_nonzeros_and_nans float16_zeros_and_nans floating_orders_nan_count int32_decimal
    int32_with_null_pages int64_decimal int96_from_spark list_columns lz4_raw_compressed lz4_raw_compressed_larger map_no_value
    nan_in_stats nation.dict-malformed nested_lists.snappy nested_maps.snappy nested_structs.rust nonnullable.impala null_list
    nullable.impala nulls.snappy old_list_structure overflow_i16_page_cnt page_v2_empty_compressed plain-dict-uncompressed-checksum
    repeated_no_annotation repeated_primitive_no_list rle-dict-snappy-checksum rle_boolean_encoding single_nan sort_columns
    unknown-logical-type geospatial/crs-arbitrary-value geospatial/crs-default geospatial/crs-geography geospatial/crs-projjson
    geospatial/crs-srid geospatial/geography-lines geospatial/geography-points geospatial/geography-polygons
    geospatial/geospatial-with-nan geospatial/geospatial
"""
MIGRATED = (
    "arrow-testing/data/parquet/ARROW-17100.parquet",
    "arrow-testing/data/parquet/alltypes-java.parquet",
    "arrow-testing/data/parquet/generated_simple_numerics/blogs.parquet",
    f"{BAD}ARROW-GH-43605.parquet",  # no longer damage: pages of an encoding that were misread once
    f"{BAD}ARROW-RS-GH-6229-LEVELS.parquet",  # too many levels in a page that is only copied
    *(f"{DATA}{name}.parquet" for name in PLAIN.split()),
    *(f"{DATA}{name}_compressed.parquet" for name in ("hadoop_lz4", "non_hadoop_lz4")),  # which nothing writes any more: copied
    f"{DATA}hadoop_lz4_compressed_larger.parquet",
)
ONLY_BY_ARROW = "arrow-testing/data/parquet/ARROW-17100.parquet"
"""Its pages are compressed though their headers say that they are not: every other reader fails on them, or gives wrong values."""

REFUSED = {
    f"{BAD}ARROW-GH-41317.parquet": "the footer is damaged: field 2 of ColumnMetaData is of another type",
    f"{BAD}ARROW-GH-41321.parquet": "cannot be read: Invalid or corrupted bit_width 254",
    f"{BAD}ARROW-GH-45185.parquet": "cannot be read: The repetition level at the start of a record must be 0",
    f"{BAD}ARROW-GH-47662.parquet": "it cannot be compared with its old form",
    f"{BAD}ARROW-RS-GH-6229-DICTHEADER.parquet": "the page at byte 4 is damaged",
    f"{BAD}PARQUET-1481.parquet": "the footer is damaged: there is no physical type -7",
    f"{DATA}datapage_v1-corrupt-checksum.parquet": "does not have the bytes that its CRC-32 was made of",
    f"{DATA}rle-dict-uncompressed-corrupt-checksum.parquet": "does not have the bytes that its CRC-32 was made of",
    f"{DATA}incorrect_map_schema.parquet": "cannot be read: Map keys must be annotated as required",
    f"{DATA}large_string_map.brotli.parquet": "row group 0 holds a value or a page that does not fit into memory",
}
"""What each refusal says. All but the last two are damaged, on purpose; docs/refusals.md tells of each."""

ALIKE = """
    alltypes_plain alltypes_plain.snappy alltypes_tiny_pages_plain data_index_bloom_encoding_with_length
    datapage_v1-uncompressed-checksum delta_binary_packed delta_encoding_optional_column delta_encoding_required_column
    delta_length_byte_array fixed_length_byte_array fixed_length_decimal float16_zeros_and_nans int32_decimal int64_decimal
    list_columns lz4_raw_compressed_larger nan_in_stats nested_structs.rust nullable.impala nulls.snappy
    page_v2_empty_compressed plain-dict-uncompressed-checksum repeated_no_annotation rle-dict-snappy-checksum single_nan
    sort_columns geospatial/crs-arbitrary-value geospatial/crs-default geospatial/crs-geography geospatial/crs-srid
    geospatial/geography-lines geospatial/geography-points geospatial/geography-polygons geospatial/geospatial-with-nan
    hadoop_lz4_compressed non_hadoop_lz4_compressed
"""
"""Those of which another of the same kind is listed, that differs in values: they are for `make test-all`."""

NOT_BY_DUCKDB = {
    f"{BAD}ARROW-GH-43605.parquet",  # an encoding that it does not decode
    f"{DATA}byte_stream_split_extended.gzip.parquet",
    f"{DATA}int96_from_spark.parquet",  # years that its timestamps do not reach
    f"{DATA}map_no_value.parquet",  # a schema that it refuses
}


def each_kind_first() -> list[Any]:
    """All names; those which are alike to others are slow ones."""
    alike = {f"{DATA}{name}.parquet" for name in ALIKE.split()}
    return [pytest.param(name, marks=pytest.mark.slow if name in alike else ()) for name in MIGRATED]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery("parquet_file.py")
    yield nursery
    nursery.close()


Migrate = Callable[..., dict[str, Any]]


@pytest.fixture
def migrate(nursery: Nursery, conformance: Path, tmp_path: Path) -> Migrate:
    """What `parquet_file.main` tells of a file; its process must end by itself, in time and within its memory."""

    def told(name: str, *allow: str) -> dict[str, Any]:
        ended = nursery.call(str(conformance / name), str(tmp_path / "project"), *allow)
        assert ended.code == 0, ended.err or f"ended with {ended.code} after {ended.seconds} s"
        return ended.answer

    return told


def test_every_file_is_known(conformance: Path) -> None:
    known = {*MIGRATED, *REFUSED}
    assert known == {path.relative_to(conformance).as_posix() for path in conformance.rglob("*.parquet")}
    assert (len(MIGRATED), len(REFUSED)) == (76, 10)
    assert {f"{DATA}{name}.parquet" for name in ALIKE.split()} < set(MIGRATED)


@pytest.mark.parametrize("name", each_kind_first())
def test_it_is_migrated_with_equal_values(migrate: Migrate, conformance: Path, tmp_path: Path, name: str) -> None:
    told = migrate(name)
    steps = ["rename", "add", *(["cast"] if told["cast"] else []), "back"]
    assert told["refused"] == {}
    assert told["proved"] == steps
    read = by_arrow if name == ONLY_BY_ARROW else by_datafusion if name in NOT_BY_DUCKDB else by_duckdb
    source = read(conformance / name)
    for step in steps:
        judge(source, read, step, told["cast"], tmp_path / "project" / f"{step}.parquet")


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_its_reason(migrate: Migrate, tmp_path: Path, conformance: Path, name: str) -> None:
    told = migrate(name)
    [(step, (code, message, hint))] = told["refused"].items()
    assert step in ("adopt", "rename", *told["proved"], "cast", "add", "back")  # where nothing decodes a page its damage is carried
    assert code == 1
    assert REFUSED[name] in message
    assert hint
    [data] = (tmp_path / "project" / "data" / "set").iterdir()
    last = tmp_path / "project" / f"{told['proved'][-1]}.parquet" if told["proved"] else conformance / name
    assert data.read_bytes() == last.read_bytes()


@pytest.mark.parametrize("name", REFUSED)
def test_the_page_of_refusals_tells_of_it(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "refusals.md").read_text("utf-8")
    [line] = [line for line in page.splitlines() if line.startswith(f"| `{name.rpartition('/')[2]}` |")]
    assert REFUSED[name].partition(": ")[2] in line or REFUSED[name] in line


# ---- judging
@dataclass(frozen=True)
class Seen:
    """A file as a reader sees it; `cast` gives a column's values as another type of that reader's."""

    names: list[str]
    types: list[Any]
    column: Callable[[int, Any], list[Any]]


def judge(source: Seen, read: Callable[[Path], Seen], step: str, cast: list[str] | None, file: Path) -> None:
    """Is the file after a step the source with just what the steps up to it do?"""
    new, count = read(file), len(source.names)
    renamed, added = step != "back" and count > 0, step in ("add", "cast")
    names = [RENAMED, *source.names[1:]] if renamed else source.names
    assert new.names == names + [ADDED] * added
    if added:
        assert set(new.column(count, None)) <= {"new"}
    for i, (name, type) in enumerate(zip(source.names, source.types, strict=True)):
        touched = cast is not None and step == "cast" and name == cast[0]
        assert (new.types[i] == type) != touched
        assert repr(new.column(i, type if touched else None)) == repr(source.column(i, None)), name


def by_duckdb(file: Path) -> Seen:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_geoparquet_conversion = false")
    table = f"read_parquet('{file}', hive_partitioning = false)"
    found = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()
    aliases = ", ".join(f"c{i}" for i in range(len(found)))

    def column(number: int, type: Any) -> list[Any]:
        value = f"c{number}" if type is None else f"CAST(c{number} AS {type})"
        if any(
            word in (type or found[number][1]) for word in ("TIME ZONE", "TIMESTAMPTZ")
        ):  # as text: Python would need another package for it
            value = f"CAST({value} AS VARCHAR)"
        return [row[0] for row in connection.execute(f"SELECT {value} FROM {table} AS t({aliases})").fetchall()]

    return Seen([row[0] for row in found], [row[1] for row in found], column)


def by_datafusion(file: Path) -> Seen:
    """By Apache DataFusion, which reads with Arrow's implementation in Rust; pyarrow only holds what it read."""
    return in_arrow(SessionContext(config()).read_parquet(file).to_arrow_table())


def config() -> SessionConfig:
    """INT96 in the unit in which no year is out of range."""
    return SessionConfig().set("datafusion.execution.parquet.coerce_int96", "us").set("datafusion.execution.target_partitions", "1")


def by_arrow(file: Path) -> Seen:
    """Of a file that no one else reads; its types are named as DuckDB would."""
    seen = in_arrow(pq.read_table(file))
    theirs = {"TINYINT": "int8", "INTEGER": "int32", "BIGINT": "int64", "VARCHAR": "string", "DOUBLE": "double"}
    named = {arrow: name for name, arrow in theirs.items()} | {str(pa.dictionary(pa.int32(), pa.string())): "VARCHAR"}
    types = [named[str(type)] for type in seen.types]
    return Seen(seen.names, types, lambda number, type: seen.column(number, type and theirs[type]))


def in_arrow(table: pa.Table) -> Seen:
    def column(number: int, type: Any) -> list[Any]:
        values = table.column(number)
        values = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
        return (values if type is None else values.cast(type)).to_pylist()

    return Seen(table.column_names, table.schema.types, column)
