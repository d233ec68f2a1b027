"""What a Parquet file says of the values of computed columns is held against them, and their levels against those beside them."""

from __future__ import annotations

import math
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.parquet import thrift
from instar.formats.parquet.footer import get, items, read_footer
from instar.formats.parquet.thrift import BOOL, I32, I64, Struct
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.unit import Receipt, Unit
from tests.transforms.proof.conftest import problems, staged_at
from tests.transforms.proof.footers import (
    BLOOM_FILTER,
    COLUMN_INDEX,
    META,
    OFFSET_INDEX,
    STATISTICS,
    appended,
    changed,
    chunk,
    number,
    reindexed,
    rewritten,
    transplanted,
)

ROWS = 3_000
RECORD = pa.struct([("x", pa.int32()), ("y", pa.int32())])

ITEM = pa.struct([("p", pa.int32()), ("q", pa.int32())])


def table() -> pa.Table:
    rows = range(ROWS)
    return pa.table(
        {
            "a": pa.array([i * 3 for i in rows], pa.int64()),
            "b": pa.array([i * 5 for i in rows], pa.int64()),
            "text": pa.array([None if i % 11 == 0 else f"t{i % 50}" for i in rows]),
            "record": pa.array([None if i % 4 == 0 else {"x": i, "y": i if i % 3 else None} for i in rows], RECORD),
            "items": pa.array([(None, [], [{"p": i, "q": i}], [{"p": None, "q": None}] * 3)[i % 4] for i in rows],
                              pa.list_(ITEM)),
        }
    )  # fmt: skip


OPTIONS: dict[str, Any] = {
    "row_group_size": 1_000, "compression": "zstd", "write_page_index": True, "data_page_size": 800, "write_batch_size": 100,
    "use_dictionary": ["text"], "bloom_filter_options": {"a": {"ndv": 1_000}, "b": {"ndv": 1_000}},
}  # fmt: skip

COMPUTED = [op.cast("a", "int32"), op.cast("text", "bytes"), op.cast("record.y", "int64"), op.cast("items[].q", "int64")]


def test_texts_that_share_their_beginnings_prove(tmp_path: Path, staged: Callable[..., Any]) -> None:
    """Their writer counts other bytes in them than there are, where some are equal."""
    texts = pa.table({"text": ["one-two"] * 50 + ["one-three"] * 50})
    path = tmp_path / "data.parquet"
    pq.write_table(texts, path, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"})
    split = op.split("text", into={"one": "string", "two": "string"}, by="-")
    assert prove_file(*staged(path, "parquet", [split])).verdict == "proved"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.parquet"
    pq.write_table(table(), path, **OPTIONS)
    return path


def said(*path: str, **fields: Any) -> Callable[[Path], None]:
    """Other statistics of a chunk: its least and greatest value, its count of nulls …"""
    numbers = {"max": 1, "min": 2, "nulls": 3, "distinct": 4, "greatest": 5, "least": 6, "greatest_exact": 7, "least_exact": 8}
    struct = {numbers[key]: value for key, value in fields.items()}

    def change(_: Struct, chunks: list[Struct], file: Path) -> None:
        get(get(chunks[number(file, *path)], META), STATISTICS).update(struct)

    return lambda file: changed(file, lambda footer, chunks: change(footer, chunks, file))


def int32(value: int) -> tuple[int, bytes]:
    return thrift.BINARY, struct.pack("<i", value)


def page_of(name: str, field: int, page: int, value: Any) -> Callable[[Path], None]:
    """Another value in one of the column index's lists."""

    def change(index: Struct) -> None:
        items(index, field)[page] = value

    return lambda file: reindexed(file, name, COLUMN_INDEX, change)


def nulls_moved(index: Struct) -> None:
    counts = items(index, 5)
    counts[0], counts[1] = counts[0] + 1, counts[1] - 1


def row_moved(index: Struct) -> None:
    page = items(index, 1)[-1]
    page[3] = (I64, page[3][1] + 1)


def descending(index: Struct) -> None:
    index[4] = (I32, 2)


def histogram(index: Struct) -> None:
    items(index, 7)[1] += 1


def cut_off(file: Path) -> None:
    """An offset index that does not end."""
    _, theirs = chunk(file, "a")
    at, size = get(theirs, OFFSET_INDEX), get(theirs, OFFSET_INDEX + 1)
    appended(file, "a", OFFSET_INDEX, file.read_bytes()[at : at + size - 1] + b"\x11")


def emptied(file: Path) -> None:
    """A bloom filter that holds nothing."""
    meta = get(chunk(file, "a")[1], META)
    at = get(meta, BLOOM_FILTER)
    header, start = thrift.decode(file.read_bytes(), at)
    rewritten(file, start, get(header, 1), lambda data: bytes(len(data)))


def bloom_of_another(file: Path) -> None:
    def change(_: Struct, chunks: list[Struct]) -> None:
        one, other = (get(chunks[number(file, name)], META) for name in "ab")
        for field in (BLOOM_FILTER, BLOOM_FILTER + 1):
            one[field] = other[field]

    changed(file, change)


def fewer_bytes(file: Path) -> None:
    def change(_: Struct, chunks: list[Struct]) -> None:
        sizes = get(get(chunks[number(file, "text")], META), 16)
        sizes[1] = (I64, sizes[1][1] - 1)

    changed(file, change)


FAULTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "least": ("a", said("a", least=int32(4_000))),
    "greatest": ("a", said("a", greatest=int32(4_000))),
    "least, too low": ("a", said("a", least=int32(1))),
    "greatest, too high": ("a", said("a", greatest=int32(10_000))),
    "greatest, not exact": ("a", said("a", greatest=int32(4_000), greatest_exact=(BOOL, False))),
    "old least": ("a", said("a", min=int32(4_000))),
    "old greatest": ("a", said("a", max=int32(4_000))),
    "least text": ("text", said("text", least=(thrift.BINARY, b"t2"))),
    "greatest text": ("text", said("text", greatest=(thrift.BINARY, b"t4"))),
    "bound of another length": ("a", said("a", least=(thrift.BINARY, b"\0"))),
    "nulls": ("text", said("text", nulls=(I64, 0))),
    "distinct values": ("text", said("text", distinct=(I64, 1))),
    "nulls in a record": ("record.y", said("record", "y", nulls=(I64, 0))),
    "least of a page": ("a", page_of("a", 2, 3, struct.pack("<i", 5_900))),
    "greatest of a page": ("a", page_of("a", 3, 3, struct.pack("<i", 3_000))),
    "greatest text of a page": ("text", page_of("text", 3, 0, b"t")),
    "a page of nulls": ("a", page_of("a", 1, 3, True)),
    "nulls of pages": ("text", lambda file: reindexed(file, "text", COLUMN_INDEX, nulls_moved)),
    "order of pages": ("a", lambda file: reindexed(file, "a", COLUMN_INDEX, descending)),
    "rows of a list's pages": ("items", lambda file: reindexed(file, "items", OFFSET_INDEX, row_moved)),
    "levels of pages": ("text", lambda file: reindexed(file, "text", COLUMN_INDEX, histogram)),
    "offset index without end": ("a", cut_off),
    "empty bloom filter": ("a", emptied),
    "bloom filter of another": ("a", bloom_of_another),
    "size in bytes": ("text", fewer_bytes),
}


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Unit, Receipt]:
    """A rewritten file with many small pages; it and what the rewriting made of its own are proved."""
    folder = tmp_path_factory.mktemp("claims")
    path = folder / "data.parquet"
    pq.write_table(table(), path, **OPTIONS)
    unit, receipt = staged_at(folder / "staged.parquet", path, "parquet", COMPUTED)
    proof = prove_file(unit, receipt)
    assert (proof.verdict, proof.failures) == ("proved", ())
    pq.write_table(pq.read_table(unit.staged), unit.staged, **OPTIONS)
    assert problems(prove_file(unit, receipt)) == {}
    return unit, receipt


def forged(right: tuple[Unit, Receipt], folder: Path, forge: Callable[[Path], None]) -> tuple[Unit, Receipt]:
    """The same with another staged file."""
    unit, receipt = right
    file = folder / "forged.parquet"
    shutil.copy(unit.staged, file)
    forge(file)
    return replace(unit, staged=str(file)), receipt


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_claims_are_found(paged: tuple[Unit, Receipt], tmp_path: Path, fault: str) -> None:
    place, forge = FAULTS[fault]
    proof = prove_file(*forged(paged, tmp_path, forge))
    assert proof.unread or [path for path in problems(proof) if path.startswith(place)]


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize(
    ("field", "held"),
    [
        (1, (I32, 6)),
        (4, (I32, 99)),
        (2, (thrift.LIST, (I32, [0, 99]))),
        (16, (thrift.STRUCT, {1: (I64, 9)})),
        (16, (thrift.STRUCT, {3: (thrift.LIST, (I64, [1, 2, 3]))})),
    ],
    ids=["type", "codec", "encoding", "bytes", "levels"],
)
def test_a_chunk_that_pyarrow_would_not_bear_is_told(
    file: Path, staged: Callable[..., Any], name: str, field: int, held: tuple[int, Any]
) -> None:
    unit, receipt = staged(file, "parquet", COMPUTED)
    staged_file = Path(unit.staged)
    changed(staged_file, lambda _, chunks: get(chunks[number(staged_file, name)], META).update({field: held}))
    assert f"in row group 1 the chunk of {name}" in (prove_file(unit, receipt).unread or "")


@pytest.mark.parametrize(
    "fields",
    [
        {"least": int32(1), "least_exact": (BOOL, False)},
        {"greatest": int32(10_000), "greatest_exact": (BOOL, False)},
        {"least_exact": (BOOL, True), "greatest_exact": (BOOL, True)},
        {"nulls": (I64, 0)},
    ],
)
def test_bounds_that_say_they_are_no_more_may_be_wider(paged: tuple[Unit, Receipt], tmp_path: Path, fields: dict[str, Any]) -> None:
    unit, receipt = forged(paged, tmp_path, said("a", **fields))
    assert problems(prove_file(unit, receipt)) == {}


def test_a_row_that_a_wrong_bound_hides_is_what_it_is_about(paged: tuple[Unit, Receipt], tmp_path: Path) -> None:
    unit, receipt = forged(paged, tmp_path, said("a", least=int32(4_000)))
    assert pq.read_table(unit.staged, filters=[("a", "==", 3_300)]).num_rows == 0  # though it is there
    assert set(problems(prove_file(unit, receipt))) == {"a"}


# ---- of copied chunks
@pytest.mark.parametrize("what", ["column index", "bloom filter"])
def test_an_index_that_the_same_bytes_did_not_have_is_refused(tmp_path: Path, staged: Callable[..., Any], what: str) -> None:
    bare = tmp_path / "data.parquet"
    options = {key: value for key, value in OPTIONS.items() if key not in ("write_page_index", "bloom_filter_options")}
    pq.write_table(table(), bare, **options)
    full = tmp_path / "full.parquet"
    pq.write_table(table(), full, **OPTIONS)
    unit, receipt = staged(bare, "parquet", [op.rename("a", to="key")])
    assert prove_file(unit, receipt).verdict == "proved"
    _, theirs = chunk(full, "b")
    if what == "column index":
        at, size = get(theirs, COLUMN_INDEX), get(theirs, COLUMN_INDEX + 1)
        appended(Path(unit.staged), "b", COLUMN_INDEX, full.read_bytes()[at : at + size])
    else:
        meta = get(theirs, META)
        at, size = get(meta, BLOOM_FILTER), get(meta, BLOOM_FILTER + 1)
        data = full.read_bytes()[at : at + size]
        appended(Path(unit.staged), "b", COLUMN_INDEX, data)  # only to put it there

        def change(_: Struct, chunks: list[Struct]) -> None:
            ours = chunks[number(Path(unit.staged), "b")]
            offset, length = ours.pop(COLUMN_INDEX), ours.pop(COLUMN_INDEX + 1)
            get(ours, META).update({BLOOM_FILTER: offset, BLOOM_FILTER + 1: length})

        changed(Path(unit.staged), change)
    assert f"it has a {what}" in problems(prove_file(unit, receipt))["b"]


# ---- levels
@pytest.mark.parametrize(
    ("path", "operations"),
    [
        (("record", "y"), [op.cast("record.y", "int64")]),
        (("record", "y"), [op.cast("record.y", "int64"), op.cast("record.x", "int64")]),
        (("items", "list", "element", "q"), [op.cast("items[].q", "int64")]),
    ],
    ids=["beside a copied leaf", "beside a computed leaf", "in a list"],
)
def test_a_computed_leaf_that_hides_records_is_found(
    tmp_path: Path, file: Path, staged: Callable[..., Any], path: tuple[str, ...], operations: list[Any]
) -> None:
    unit, receipt = staged(file, "parquet", operations)
    assert prove_file(unit, receipt).verdict == "proved"
    forged = pq.read_table(unit.staged).to_pylist()
    for row in forged:
        if row["record"] and row["record"]["y"] is None:
            row["record"] = None  # so that a reader of record.y finds no record
        if row["items"] and row["items"][0] and row["items"][0]["q"] is None:
            row["items"] = [None] * len(row["items"])
    donor = tmp_path / "donor.parquet"
    pq.write_table(pa.Table.from_pylist(forged, pq.read_schema(unit.staged)), donor, row_group_size=1_000, compression="zstd")
    transplanted(Path(unit.staged), donor, *path)
    found = problems(prove_file(unit, receipt))
    assert any("beside it" in what for what in found.values()), found


# ---- values of every kind
NUMBERS = [5, 3, None, 9, 3, 0]
KINDS: dict[str, pa.Array] = {
    "int8": pa.array(NUMBERS, pa.int8()),
    "uint8": pa.array([200, None, 3, 255, 0, 4], pa.uint8()),
    "uint32": pa.array([2**32 - 1, None, 3, 2**31, 0, 4], pa.uint32()),
    "uint64": pa.array([2**64 - 1, None, 3, 2**63, 0, 4], pa.uint64()),
    "half": pa.array([1.5, None, math.nan, -3.0, 0.0, -0.0], pa.float32()).cast(pa.float16()),
    "float": pa.array([1.5, None, math.nan, -3.0, 0.0, -0.0], pa.float32()),
    "double": pa.array([math.inf, None, math.nan, -3.0, 0.0, -0.0]),
    "no number": pa.array([math.nan, None, math.nan, math.nan, math.nan, math.nan]),
    "zeros": pa.array([0.0, -0.0, None, 0.0, 0.0, 0.0]),
    "bool": pa.array([True, None, False, True, True, True]),
    "one bool": pa.array([True, None, True, True, True, True]),
    "date": pa.array(NUMBERS, pa.date32()),
    "time": pa.array(NUMBERS, pa.time32("ms")),
    "nanos": pa.array(NUMBERS, pa.time64("ns")),
    "seconds": pa.array(NUMBERS, pa.timestamp("s")),
    "zoned": pa.array([-5, 3, None, 9, 3, 0], pa.timestamp("us", "UTC")),
    "lasted": pa.array(NUMBERS, pa.duration("s")),
    "money": pa.array([None if n is None else Decimal(n - 5) / 100 for n in NUMBERS], pa.decimal128(9, 2)),
    "wide": pa.array([None if n is None else Decimal(n - 5) * 10**30 for n in NUMBERS], pa.decimal256(50, 0)),
    "text": pa.array(["ä", "z", None, "", "a", "zz"]),
    "long": pa.array(["ä" * 3_000, "z" * 9_000, None, "", "a", "zz"]),
    "large": pa.array(["ä", "z", None, "", "a", "zz"], pa.large_string()),
    "bytes": pa.array([b"\xff", b"\x7f", None, b"", b"a", b"\xff\xff"]),
    "fixed": pa.array([b"\xff\0", b"\x7f\0", None, b"\0\0", b"aa", b"\xff\xff"], pa.binary(2)),
    "uuid": pa.array([bytes([n] * 16) if n is not None else None for n in NUMBERS], pa.uuid()),
    "enum": pa.array(["b", "a", None, "b", "a", "c"]).dictionary_encode(),
    "none": pa.nulls(6),
    "empty": pa.array([None] * 6, pa.int32()),
    "map": pa.array([[("k", 1)], [], None, [("l", None)], [("m", 3), ("n", 4)], []], pa.map_(pa.string(), pa.int32())),
    "lists": pa.array([[[1, None], []], [], None, [None], [[3]], [[], []]], pa.list_(pa.list_(pa.int32()))),
    "deep": pa.array([{"r": {"l": [1, 2]}}, {"r": None}, None, {"r": {"l": None}}, {"r": {"l": []}}, {"r": {"l": [None]}}]),
}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False], ids=["dictionary", "plain"])
def test_right_claims_of_every_kind_of_value_hold(
    tmp_path: Path, staged: Callable[..., Any], version: Any, dictionary: bool
) -> None:
    path = tmp_path / "data.parquet"
    columns = {name: pa.chunked_array([array] * 20) for name, array in KINDS.items()}
    blooms = {name: {"ndv": 10} for name, array in KINDS.items()
              if not pa.types.is_nested(array.type) and array.type not in (pa.bool_(), pa.null())}  # fmt: skip
    pq.write_table(
        pa.table(columns), path, row_group_size=50, data_page_version=version, write_page_index=dictionary,
        use_dictionary=dictionary, data_page_size=40, write_batch_size=10, bloom_filter_options=blooms,
    )  # fmt: skip
    unit, receipt = staged(path, "parquet", [op.rename("int8", to="key")])
    pq.write_table(
        pq.read_table(unit.staged), unit.staged, row_group_size=30, data_page_version=version, write_page_index=dictionary,
        use_dictionary=dictionary, data_page_size=40, write_batch_size=10,
        bloom_filter_options={("key" if name == "int8" else name): given for name, given in blooms.items()},
    )  # fmt: skip
    assert len(read_footer(Path(unit.staged)).rows) == 4
    assert problems(prove_file(unit, receipt)) == {}
