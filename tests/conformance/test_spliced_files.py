"""Parquet and Avro files of other projects, spliced: each comes out with the values that it had for every reader that reads it, or
is rewritten in full, or refused, for a reason.

By default a few files of different writers; the slow test takes all. What complete runs make of them, `test_parquet_files.py` and
`test_avro_files.py` try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pyarrow as pa
import pytest

from tests.conformance.limits import Nursery
from tests.conformance.parquet_readers import READERS, same
from tests.conformance.test_avro_files import DAMAGED, NO_RECORDS, NOT_BY_FASTAVRO, RECORDS
from tests.conformance.test_parquet_files import BAD, DATA, MIGRATED, REFUSED

PARQUET = (*MIGRATED, *REFUSED)
AVRO = tuple(f"{name}.avro" for name in (*RECORDS, *NO_RECORDS, *DAMAGED))
FEW = (
    *(
        f"{DATA}{name}.parquet"
        for name in ("alltypes_plain", "nested_maps.snappy", "repeated_no_annotation", "hadoop_lz4_compressed")
    ),
    *(f"{DATA}{name}.parquet" for name in ("int96_from_spark", "data_index_bloom_encoding_with_length", "delta_binary_packed")),
    *(f"{DATA}{name}.parquet" for name in ("datapage_v2_empty_datapage.snappy", "nation.dict-malformed", "sort_columns")),
    f"{BAD}PARQUET-1481.parquet",
    f"{BAD}ARROW-RS-GH-6229-LEVELS.parquet",
    "avro-share/data/weather-snappy.avro",
    "avro-share/data/schemas/withUnion/data.avro",
    "avro-share/c-tests/avro-1237-good.avro",
    "arrow-testing/data/avro/nested_records.avro",
)
EVERY = ("nothing", "rename", "drop", "add")

REWRITTEN: dict[str, dict[str, str]] = {
    f"{DATA}column_chunk_key_value_metadata.parquet": dict.fromkeys(EVERY, "does not hold its own first page"),
    f"{DATA}nation.dict-malformed.parquet": dict.fromkeys(("drop", "add"), "do not end where its length says"),
    **{f"{name}.avro": {"nothing": ""} for name in NO_RECORDS},
}
"""By which changes a file is not spliced, and what is said why. Nothing is where the data are no records, so that no part of them
could be kept."""
STOPPED: dict[str, dict[str, str]] = {
    **{f"{BAD}{name}.parquet": {"every change": REFUSED[f"{BAD}{name}.parquet"]} for name in ("ARROW-GH-41317", "PARQUET-1481")},
    f"{DATA}incorrect_map_schema.parquet": {"every change": REFUSED[f"{DATA}incorrect_map_schema.parquet"]},
    f"{BAD}ARROW-GH-41321.parquet": dict.fromkeys(("drop", "add"), REFUSED[f"{BAD}ARROW-GH-41321.parquet"]),
    f"{BAD}ARROW-RS-GH-6229-DICTHEADER.parquet": dict.fromkeys(EVERY, REFUSED[f"{BAD}ARROW-RS-GH-6229-DICTHEADER.parquet"]),
    **{f"{name}.avro": {"every change": why} for name, why in DAMAGED.items()},
}
"""By which changes a file is refused. Other damage lies in pages, which are copied as they are."""
ONLY_COPIED = {
    f"{BAD}ARROW-GH-41321.parquet",
    f"{BAD}ARROW-GH-45185.parquet",
    f"{BAD}ARROW-GH-47662.parquet",
    f"{BAD}ARROW-RS-GH-6229-LEVELS.parquet",
    f"{DATA}datapage_v1-corrupt-checksum.parquet",
    f"{DATA}rle-dict-uncompressed-corrupt-checksum.parquet",
    f"{DATA}large_string_map.brotli.parquet",
}
"""Files that cannot be rewritten in full: there is damage in their pages, or no room for them."""
MENDED = {(f"{DATA}repeated_no_annotation.parquet", "polars")}
"""Files of which a rewrite counts the rows anew, which the footer does not, and a reader that believes the footer."""
TOO_LARGE = {f"{DATA}large_string_map.brotli.parquet"}
"""Its one value is of two gigabytes: nobody reads it here."""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery("spliced_file.py")
    yield nursery
    nursery.close()


Spliced = Callable[[str], dict[str, Any]]


@pytest.fixture
def spliced(nursery: Nursery, conformance: Path, tmp_path: Path) -> Spliced:
    """What `spliced_file.main` tells of a file; its process must end by itself, in time and within its memory."""

    def told(name: str) -> dict[str, Any]:
        ended = nursery.call(str(conformance / name), str(tmp_path))
        assert ended.code == 0, ended.err or f"ended with {ended.code} after {ended.seconds} s"
        return ended.answer

    return told


@pytest.mark.parametrize("name", [*FEW, *(pytest.param(n, marks=pytest.mark.slow) for n in (*PARQUET, *AVRO) if n not in FEW)])
def test_it_is_spliced_with_equal_values(name: str, spliced: Spliced, conformance: Path, tmp_path: Path) -> None:
    for change, told in spliced(name).items():
        if change in STOPPED.get(name, {}):
            assert STOPPED[name][change] in told["refused"]
            continue
        why = REWRITTEN.get(name, {}).get(change)
        assert (told.get("way"), why or "") == ("spliced" if why is None else "rewritten", why or ""), told
        assert (why or "") in told["why"]
        assert (told["lost"], told["unlike"]) == ([], [])
        assert bool(told["whole"]) == (name in ONLY_COPIED)
        files = conformance / name, tmp_path / f"{change}.spliced", None if told["whole"] else tmp_path / f"{change}.rewritten"
        if name not in TOO_LARGE:
            (avro if name.endswith(".avro") else parquet)(name, change, *files)


def test_the_exceptions_are_few() -> None:
    """The files that are not copied where nothing is changed, of all."""
    assert len(PARQUET) == 86
    assert len(AVRO) == 53
    nowhere = {
        name for table in (REWRITTEN, STOPPED) for name, changes in table.items() if {"nothing", "every change"} & set(changes)
    }
    assert len(nowhere) == 12


# ---- judging
def parquet(name: str, change: str, source: Path, new: Path, whole: Path | None) -> None:
    """Is the new file for every reader the old one with just that change? And what the full rewrite is, where there is one?"""
    for reader, read in READERS.items():
        old = found(read, source)
        if old is None:
            assert found(read, new) is None or name in REWRITTEN, f"{reader} reads the new file alone"
            continue
        now = found(read, new)
        assert now is not None, f"{reader} does not read the new file any more"
        count = old.shape[1] - (change == "drop")
        assert now.shape == (old.shape[0], count + (change == "add"))
        same(reader, numbered(old, old.shape[1] - count, old.shape[1]), numbered(now, 0, count))
        if whole is not None and (name, reader) not in MENDED:
            same(reader, read(whole), now)


def found(read: Callable[[Path], Any], path: Path) -> Any:
    """What a reader finds; None where it refuses the file."""
    try:
        return read(path)
    except (Exception, pl.exceptions.PanicException):  # whatever a reader says of a file that it does not know
        return None


def numbered(table: pa.Table | pl.DataFrame, start: int, stop: int) -> pa.Table | pl.DataFrame:
    """Some of the columns, called by their numbers."""
    names = [f"c{i}" for i in range(stop - start)]
    if isinstance(table, pl.DataFrame):
        return pl.DataFrame([series.alias(name) for name, series in zip(names, table.get_columns()[start:stop], strict=True)])
    return pa.Table.from_arrays(table.columns[start:stop], names=names)


def avro(name: str, change: str, source: Path, new: Path, whole: Path | None) -> None:
    if name.removesuffix(".avro") in NOT_BY_FASTAVRO:
        return
    assert whole is not None
    old, now, again = (records(path) for path in (source, new, whole))
    assert repr(now) == repr(again)
    if change == "drop":
        old = [record[1:] for record in old]
    elif change == "add":
        old = [[*record, "new"] for record in old]
    assert repr(now) == repr(old)


def records(path: Path) -> list[Any]:
    with path.open("rb") as stream:
        return [[*record.values()] if isinstance(record, dict) else record for record in fastavro.reader(stream)]
