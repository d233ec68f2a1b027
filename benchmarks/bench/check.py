"""Is every output right? All tools' must hold the same values in the same order; Instar's JSON also the same text of numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from benchmarks.bench.cases import Case, Tool
from benchmarks.bench.data.store import Data
from benchmarks.bench.measure import Failed

BATCH = 100_000
TEXTS = 5_000


class Check:
    """The outputs of one case, beside the first that came; a tool that gives the same bytes again is believed.

    Avro is read by polars, and by fastavro the first records.
    """

    def __init__(self, case: Case, data: Data, keep: Path, files: int | None) -> None:
        self.case, self.keep = case, keep
        self.sources = list(data.files[:files])
        self.first: tuple[str, list[Path]] | None = None
        self.seen = set[tuple[str, str]]()
        self.count = 0

    def __call__(self, tool: Tool, outputs: Sequence[Path]) -> None:
        """Raises: Failed: the tool's output is another than the first one's; says where."""
        if len(outputs) != len(self.sources):
            raise Failed(f"{self.case.name}, {tool.name}: {len(outputs)} files for {len(self.sources)}")
        self.count += 1
        digest = content(outputs)
        if (tool.name, digest) in self.seen:
            return
        if self.case.format == "json" and tool.module == "instar":
            self.same_text(outputs)
        if self.first is None:
            self.first = tool.name, [self.kept(path) for path in outputs]
        else:
            for ours, theirs in zip(self.first[1], outputs, strict=True):
                if problem := different(self.case.format, ours, theirs):
                    raise Failed(f"{self.case.name}: {self.first[0]} and {tool.name} differ in {theirs.name}: {problem}")
        self.seen.add((tool.name, digest))

    def kept(self, path: Path) -> Path:
        target = self.keep / path.name
        target.hardlink_to(path)
        return target

    def same_text(self, outputs: Sequence[Path]) -> None:
        """The first records of each file: every number as it was written."""
        from benchmarks.bench.tools.by_hand import RECORDS

        change = RECORDS[self.case.change.name]
        for source, output in zip(self.sources, outputs, strict=True):
            with source.open() as old, output.open() as new:
                for number, (before, after) in enumerate(zip(old, new, strict=False)):
                    if number == TEXTS:
                        break
                    wanted = change(json.loads(before, parse_float=Number, parse_int=Number))
                    if wanted != json.loads(after, parse_float=Number, parse_int=Number):
                        raise Failed(f"{self.case.name}, Instar: line {number + 1} of {output.name} has other text")


@dataclass(frozen=True)
class Number:
    """A JSON number as its text; 1.10 is not 1.1."""

    text: str

    def __str__(self) -> str:
        return self.text


def content(paths: Sequence[Path]) -> str:
    digest = xxhash.xxh3_128()
    for path in paths:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 22):
                digest.update(piece)
    return digest.hexdigest()


def different(format: str, ours: Path, theirs: Path) -> str:
    """What differs between two files by value, or ""."""
    if format == "json":
        return different_lines(ours, theirs)
    if format == "avro":
        return different_batches(avro(ours), avro(theirs)) or different_records(ours, theirs)
    return different_batches(parquet(ours), parquet(theirs))


def parquet(path: Path) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path)
    return in_tables(file.schema_arrow, file.iter_batches(batch_size=BATCH))


def in_tables(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of exactly BATCH rows, but for the last."""
    waiting = schema.empty_table()
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        while len(waiting) >= BATCH:
            yield waiting.slice(0, BATCH)
            waiting = waiting.slice(BATCH)
    yield waiting


def avro(path: Path) -> Iterator[pa.Table]:
    import polars as pl

    with path.open("rb") as stream:
        table = pl.read_avro(without_defaults(stream))
    zoned = pl.Datetime("ms", "UTC")  # polars, as a tool, loses the zone
    yield table.with_columns(pl.col(zoned).dt.replace_time_zone(None)).to_arrow()


def without_defaults(stream: IO[bytes]) -> io.BytesIO:
    """The same blocks under a schema without defaults, of which polars knows only null."""
    import fastavro
    from fastavro.write import Writer

    blocks, copy = fastavro.block_reader(stream), io.BytesIO()
    schema: Any = blocks.writer_schema
    fields = [{key: value for key, value in field.items() if key != "default"} for field in schema["fields"]]
    writer = Writer(copy, {**schema, "fields": fields}, codec=blocks.codec)
    for block in blocks:
        writer.write_block(block)
    writer.flush()
    copy.seek(0)
    return copy


def different_batches(ours: Iterator[pa.Table], theirs: Iterator[pa.Table]) -> str:
    row = 0
    for one, other in zip_longest(ours, theirs):
        if one is None or other is None or len(one) != len(other):
            return f"one of them ends at row {row + min(len(one or ()), len(other or ()))}"
        if one.column_names != other.column_names:
            return f"columns {one.column_names} and {other.column_names}"
        for name in one.column_names:
            left, right = plain(one[name]), plain(other[name])
            if left.type != right.type:
                return f"{name} is {left.type} and {right.type}"
            if not left.equals(right):
                return f"{name}, in the rows from {row}"
        row += len(one)
    return ""


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values without the storage that a tool chose for them: large and view types, coarser units of time."""
    type = column.type
    if pa.types.is_dictionary(type):
        column, type = column.cast(type.value_type), type.value_type
    if pa.types.is_large_string(type) or pa.types.is_string_view(type):
        return column.cast(pa.string())
    if pa.types.is_large_binary(type) or pa.types.is_binary_view(type):
        return column.cast(pa.binary())
    if pa.types.is_timestamp(type):
        return column.cast(pa.timestamp("ns", type.tz and "UTC"))
    return column


def different_records(ours: Path, theirs: Path) -> str:
    """By fastavro, the first records."""
    import fastavro

    with ours.open("rb") as one, theirs.open("rb") as other:
        pairs = zip(fastavro.reader(one), fastavro.reader(other), strict=False)
        for number, (left, right) in enumerate(pairs):
            if number == TEXTS:
                break
            if naive(left) != naive(right):
                return f"record {number}"
    return ""


def naive(record: Any) -> dict[str, Any]:
    return {name: value.replace(tzinfo=None) if isinstance(value, datetime) else value for name, value in record.items()}


def different_lines(ours: Path, theirs: Path) -> str:
    import msgspec

    decode = msgspec.json.decode
    with ours.open("rb") as one, theirs.open("rb") as other:
        for number, (left, right) in enumerate(zip_longest(one, other)):
            if left is None or right is None:
                return f"one of them ends at line {number}"
            if left != right and decode(left) != decode(right):
                return f"line {number + 1}"
    return ""
