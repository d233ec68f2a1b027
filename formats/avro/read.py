"""Reading some fields of an Avro file as columns: the others are stepped over, not decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, NoReturn

import pyarrow as pa

from instar.formats.avro.container import Block, Container, opened
from instar.formats.avro.physical import layout
from instar.formats.avro.rewrite import BATCH_ROWS, BATCH_SHARE, header_schema
from instar.formats.avro.values import AvroValues
from instar.formats.avro.walk import MOST_EMPTY_ITEMS, Damaged, fields_walker, least_size, long_at
from instar.formats.columnar import ColumnBuilder, shifted, wanted_fields
from instar.formats.errors import DataError, FileError, UnreadableError, Where
from instar.formats.format import Through
from instar.formats.schema import Field, Integer, Number, Record, Schema, String, Union

Opened = list[dict[str, Any]]


def read(
    path: FilePath, *, schema: Schema, columns: Sequence[str], memory: int, through: Through | None = None, name: str = ""
) -> Iterator[pa.RecordBatch]:
    """See `Format.read`."""
    fields = wanted_fields(schema, columns)
    if through is None:
        builder = ColumnBuilder(schema, fields, ShownValues(schema, schema).decoder)
    else:
        builder = ColumnBuilder(through.target, through.target.record.fields, ShownValues(through.target, through.target).decoder)
    batch_bytes = max(1 << 16, memory // BATCH_SHARE)
    with opened(path) as source:
        _refuse_another(source, schema)
        row = 0
        for records in _records(source, schema, frozenset(f.name for f in fields), batch_bytes):
            try:
                made = records if through is None else _reopened(through.convert(records), through.target)
                yield builder.batch(made)
            except DataError as error:
                raise shifted(error, row) from error.__cause__
            row += len(records)


def _reopened(records: list[Any], target: Schema) -> Opened:
    """What a conversion made, opened: it may give a record sealed."""
    opener = AvroValues(target, target).opener(target.root)
    return [opener(record) for record in records]


def _refuse_another(source: Container, schema: Schema) -> None:
    own = header_schema(source)
    if not AvroValues(own, schema).same_storage(own.root, schema.root):
        raise FileError(
            "its schema is not the one that it was found with",
            hint="The file was changed meanwhile; look again.",
            where=Where(file=str(source.path)),
        )


# ---- records
def _records(source: Container, schema: Schema, names: frozenset[str], batch_bytes: int) -> Iterator[Opened]:
    """The wanted fields of all records, in lists of no more than `batch_bytes` of stored data."""
    assert isinstance(schema.root.type, Record)
    root, known = layout(schema.root), AvroValues(schema, schema).source_layouts
    walk, least = fields_walker(root, tuple(known.items()), names), least_size(root, known)
    row, batch, size = 0, Opened(), 0
    for block in source.blocks():
        data = source.data(block)
        n = len(data)
        if block.rows > (n // least if least else MOST_EMPTY_ITEMS):
            source.fail(f"block {block.number} says that it holds {block.rows} records in {n} bytes", block.offset)
        at_once = max(1, batch_bytes * block.rows // n) if n else BATCH_ROWS
        p, left = 0, block.rows
        while left:
            count = min(left, at_once, max(1, BATCH_ROWS - len(batch)))
            start = p
            p = _walked(walk, data, p, count, n, batch, source, block, row)
            left, size = left - count, size + p - start
            if len(batch) >= BATCH_ROWS or size >= batch_bytes:
                yield batch
                row, batch, size = row + len(batch), Opened(), 0
        if p != n:
            source.fail(f"block {block.number} has {n - p} bytes behind its last record", block.offset)
    if batch:
        yield batch


def _walked(
    walk: Callable[..., int], data: bytes, p: int, count: int, n: int, batch: Opened, source: Container, block: Block, row: int
) -> int:
    try:
        return walk(data, p, count, n, batch)
    except Damaged as error:
        _damaged(source, block, row + len(batch), error.problem, error.place, error.bare)
    except IndexError:
        _damaged(source, block, row + len(batch), "it ends beyond its block", "")
    except RecursionError:
        _damaged(source, block, row + len(batch), "it is nested too deeply", "")


def _damaged(source: Container, block: Block, row: int, problem: str, place: str, bare: str = "") -> NoReturn:
    raise UnreadableError(
        f"the record cannot be read: {problem} (block {block.number}, byte {block.offset})",
        hint="The file is damaged; write it again from its source, or exclude it.",
        where=Where(file=str(source.path), row=row, path=place or None),
        bare=bare and f"the record cannot be read: {bare} (block {block.number}, byte {block.offset})",
    )


class ShownValues(AvroValues):
    """Values as columns show them: a union's is a dict of its branch's name and value."""

    def decoder(self, field: Field) -> Callable[[Any], Any]:
        if field.type == Record(()):
            return lambda raw: None if raw is None else "{}"
        if isinstance(field.type, Integer | Number):
            text = super().decoder(field.with_(type=String()))
            checked = super().decoder(field)
            return lambda raw: None if checked(raw) is None else text(raw)
        if not isinstance(field.type, Union):
            return super().decoder(field)
        decoders = [(branch.name, self.decoder(branch.with_(nullable=False))) for branch in field.type.branches]

        def decoded(raw: Any) -> Any:
            if raw is None:
                return None
            index, start = long_at(raw, 0)
            name, decode = decoders[index]
            return {name: decode(raw[start:])}

        return decoded
