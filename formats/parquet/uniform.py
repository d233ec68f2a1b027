"""Column chunks of which every row is the same, made of what pyarrow writes for one row.

Their levels and their references to a dictionary of one value are runs (the Parquet project's Encodings.md, "Run Length Encoding"),
a few bytes a page, however many rows it has. The bytes are those that pyarrow's writer would make of all the rows. A sample with
more in it than is known here is not repeated: such columns are to be written row by row.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path as FilePath

import pyarrow as pa

from . import thrift
from .chunks import extent
from .footer import BOOLEAN, CODECS, REPEATED, Footer, get, items, parse_footer
from .thrift import BOOL, I32, I64, LIST, STRUCT, Struct

PAGE_ROWS = 20_000
"""Rows of a page, as pyarrow's writer parts them."""
_CODECS = {"SNAPPY": "snappy", "GZIP": "gzip", "BROTLI": "brotli", "ZSTD": "zstd", "LZ4_RAW": "lz4_raw"}
_PLAIN, _RLE, _RLE_DICTIONARY = 0, 3, 8
_CHUNK, _META = {2, 3, 4, 5, 6, 7}, {1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 16}  # the fields that are known here
_STATISTICS, _SIZES, _COLUMN_INDEX, _OFFSET_INDEX = {1, 2, 3, 5, 6, 7, 8}, {1, 2, 3}, {1, 2, 3, 4, 5, 6, 7}, {1, 2}


@dataclass(frozen=True)
class _Kind:
    """A kind of data page: in which field of a page's header it is described, and in which fields of that its encoding and its
    statistics stand, of those that are `known` here."""

    field: int
    encoding: int
    statistics: int
    known: frozenset[int]


_FIRST, _SECOND = _Kind(5, 2, 5, frozenset({1, 2, 3, 4, 5})), _Kind(8, 4, 8, frozenset({1, 2, 3, 4, 5, 6, 7, 8}))
_KINDS = {0: _FIRST, 3: _SECOND}  # by PageType: data pages of version 1 and 2


class NotUniform(Exception):
    """The sample has more than is known here."""


@dataclass(frozen=True)
class Uniform:
    """The bytes of a file, and its footer."""

    data: bytes
    footer: Footer


def uniform(sample: bytes, lengths: Sequence[int]) -> Uniform | None:
    """A file with a row group of each of the `lengths`, which are above 0: the one row of the file `sample` again and again. None
    where that is to be written row by row."""
    length = int.from_bytes(sample[-8:-4], "little")
    start = len(sample) - 8 - length
    footer = parse_footer(sample[start:-8], FilePath("the new columns"), start, len(sample))
    (group,) = footer.row_groups
    try:
        columns = [_column(sample, chunk, levels) for chunk, (_, levels) in zip(items(group, 1), footer.root.chains, strict=True)]
    except (NotUniform, thrift.ThriftError):
        return None
    parts, at, groups = [b"PAR1"], 4, list[Struct]()
    for rows in lengths:
        made = list[Struct]()
        for column in columns:
            data, chunk = column.chunk(rows, at)
            parts.append(data)
            at += len(data)
            made.append(chunk)
        groups.append({**group, 1: (LIST, (STRUCT, made)), 3: (I64, rows)})
    struct = {**footer.struct, 3: (I64, sum(lengths)), 4: (LIST, (STRUCT, groups))}
    return Uniform(b"".join(parts), Footer(struct, footer.root, at, at, footer.schema))


@dataclass(frozen=True)
class _Column:
    """A chunk of one row, taken apart: `dictionary` is that page with its header, and its length uncompressed; `header` the data
    page's, which is of that `kind`; `repetition` and `definition` are its two levels, None where there is none; `value` is what
    stands for the value, of a null nothing that depends on the number of rows."""

    sample: Struct
    meta: Struct
    dictionary: tuple[bytes, int]
    header: Struct
    kind: _Kind
    repetition: bytes | None
    definition: bytes | None
    value: bytes
    null: bool
    codec: pa.Codec | None
    column_index: Struct | None
    offset_index: Struct | None

    @property
    def encoding(self) -> int:
        return get(get(self.header, self.kind.field), self.kind.encoding)

    def chunk(self, rows: int, at: int) -> tuple[bytes, Struct]:
        """The bytes of so many rows that stand at `at`, the indexes after the pages; the ColumnChunk."""
        whole, rest = divmod(rows, PAGE_ROWS)
        pages = [self.page(PAGE_ROWS)] * whole + ([self.page(rest)] if rest else [])
        counts = [PAGE_ROWS] * whole + ([rest] if rest else [])
        bare, size = self.dictionary
        data = bare + b"".join(page for page, _ in pages)
        meta = {
            **self.meta,
            5: (I64, rows),
            6: (I64, size + sum(size for _, size in pages)),
            7: (I64, len(data)),
            9: (I64, at + len(bare)),
            13: (LIST, (STRUCT, [self._counted(each, len(pages)) for each in items(self.meta, 13)])),
        }
        meta |= {11: (I64, at)} if 11 in meta else {}
        meta |= {12: (STRUCT, _statistics(get(meta, 12), rows))} if 12 in meta else {}
        meta |= {16: (STRUCT, _sizes(get(meta, 16), rows))} if 16 in meta else {}
        chunk = {**self.sample, 3: (STRUCT, meta)}
        if self.column_index is not None:
            index = _column_index(self.column_index, counts)
            chunk |= {6: (I64, at + len(data)), 7: (I32, len(index))}
            data += index
        if self.offset_index is not None:
            index = _offset_index(self.offset_index, at + len(bare), [len(page) for page, _ in pages], counts)
            chunk |= {4: (I64, at + len(data)), 5: (I32, len(index))}
            data += index
        return data, chunk

    def _counted(self, encoding: Struct, pages: int) -> Struct:
        """PageEncodingStats with the number of data pages."""
        return {**encoding, 3: (I32, pages)} if get(encoding, 1) in _KINDS else encoding

    def page(self, rows: int) -> tuple[bytes, int]:
        """The page with its header, and the bytes that it has uncompressed."""
        repetition, definition = _levels(rows, self.repetition), _levels(rows, self.definition)
        values = self._values(rows)
        own: Struct = {**get(self.header, self.kind.field), 1: (I32, rows)}
        if self.kind is _FIRST:
            raw = b"".join(len(levels).to_bytes(4, "little") + levels for levels in (repetition, definition) if levels) + values
            body = raw if self.codec is None else self.codec.compress(raw, asbytes=True)
        else:
            packed = values if self.codec is None else self.codec.compress(values, asbytes=True)
            smaller = len(packed) < len(values)
            raw, body = repetition + definition + values, repetition + definition + (packed if smaller else values)
            own |= {2: (I32, rows if self.null else 0), 3: (I32, rows)}
            own |= {5: (I32, len(definition)), 6: (I32, len(repetition)), 7: (BOOL, smaller)}
        if self.kind.statistics in own:
            own[self.kind.statistics] = (STRUCT, _statistics(get(own, self.kind.statistics), rows))
        header: Struct = {**self.header, 2: (I32, len(raw)), 3: (I32, len(body)), self.kind.field: (STRUCT, own)}
        if 4 in header:
            header[4] = (I32, int.from_bytes(zlib.crc32(body).to_bytes(4, "little"), "little", signed=True))
        head = thrift.encode(header)
        return head + body, len(head) + len(raw)

    def _values(self, rows: int) -> bytes:
        if self.null:
            return self.value
        if self.encoding == _RLE_DICTIONARY:
            return self.value[:1] + _run(rows, self.value[2:])
        if self.encoding == _RLE:
            run = _run(rows, self.value[5:])
            return len(run).to_bytes(4, "little") + run
        return ((1 << rows) - 1 if self.value[0] else 0).to_bytes((rows + 7) // 8, "little")


def _run(rows: int, value: bytes) -> bytes:
    return thrift.varint(rows << 1) + value


def _levels(rows: int, level: bytes | None) -> bytes:
    return b"" if level is None else _run(rows, level)


# ---- what counts rows
def _statistics(one: Struct, rows: int) -> Struct:
    return {**one, 3: (I64, get(one, 3) * rows)} if 3 in one else one


def _sizes(one: Struct, rows: int) -> Struct:
    """SizeStatistics: bytes, and how often each level occurs."""
    counts: Struct = {number: (LIST, (I64, [count * rows for count in items(one, number)])) for number in (2, 3) if number in one}
    return {**one, **counts, **({1: (I64, get(one, 1) * rows)} if 1 in one else {})}


def _column_index(one: Struct, counts: Sequence[int]) -> bytes:
    made = dict(one)
    for number in (1, 2, 3):
        kind, values = get(one, number)
        made[number] = (LIST, (kind, values * len(counts)))
    for number in (5, 6, 7):
        if number in one:
            made[number] = (LIST, (I64, [each * count for count in counts for each in items(one, number)]))
    return thrift.encode(made)


def _offset_index(one: Struct, at: int, sizes: Sequence[int], counts: Sequence[int]) -> bytes:
    places: list[Struct] = []
    first = 0
    for size, count in zip(sizes, counts, strict=True):
        places.append({1: (I64, at), 2: (I32, size), 3: (I64, first)})
        at, first = at + size, first + count
    made: Struct = {1: (LIST, (STRUCT, places))}
    if 2 in one:
        made[2] = (LIST, (I64, [each * count for count in counts for each in items(one, 2)]))
    return thrift.encode(made)


# ---- a sample, taken apart
def _column(sample: bytes, chunk: Struct, levels: Sequence[int]) -> _Column:
    """
    Raises:
        NotUniform: it has what is not known here.
    """
    meta = get(chunk, 3)
    _known(chunk, _CHUNK)
    _known(meta, _META)
    sizes = _opened(meta, 16)
    meta = {**meta, **({12: (STRUCT, _opened(meta, 12))} if 12 in meta else {}), **({16: (STRUCT, sizes)} if 16 in meta else {})}
    _known(get(meta, 12, {}), _STATISTICS)
    _known(sizes, _SIZES)
    start, stop = extent(meta)
    data = get(meta, 9)
    header, begin = thrift.decode(sample, data)
    kind = _KINDS.get(get(header, 1))
    if kind is None or begin + get(header, 3) != stop:
        raise NotUniform
    _known(get(header, kind.field), kind.known)
    _known(get(get(header, kind.field), kind.statistics, {}), _STATISTICS)
    codec = _codec(get(meta, 4))
    parts = _parts(header, kind, sample[begin:stop], codec, levels)
    most = bytes([len(levels)])
    if parts[0] not in (None, b"\0") or (parts[1] is not None and not (len(parts[1]) == 1 and parts[1] <= most)):
        raise NotUniform
    found = _Column(
        sample=chunk,
        meta=meta,
        dictionary=_dictionary(sample, start, data),
        header=header,
        kind=kind,
        repetition=parts[0],
        definition=parts[1],
        value=parts[2],
        null=parts[1] is not None and parts[1] != most,
        codec=codec,
        column_index=_index(sample, chunk, 6, _COLUMN_INDEX),
        offset_index=_index(sample, chunk, 4, _OFFSET_INDEX),
    )
    _check(found, sample, start, stop)
    return found


def _known(struct: Struct, numbers: Set[int]) -> None:
    if not struct.keys() <= numbers:
        raise NotUniform


def _opened(meta: Struct, number: int) -> Struct:
    """A field that a footer's reader left as it stood; empty where it is missing."""
    wire, held = meta.get(number, (STRUCT, {}))
    return thrift.decode(held)[0] if wire & thrift.RAW else held


def _codec(number: int) -> pa.Codec | None:
    name = CODECS[number]
    if name == "UNCOMPRESSED":
        return None
    if name not in _CODECS:
        raise NotUniform
    return pa.Codec(_CODECS[name])


def _dictionary(sample: bytes, start: int, data: int) -> tuple[bytes, int]:
    """The dictionary's page with its header, and what it has uncompressed."""
    if start == data:
        return b"", 0
    header, begin = thrift.decode(sample, start)
    if get(header, 1) != 2 or begin + get(header, 3) != data:
        raise NotUniform
    return sample[start:data], begin - start + get(header, 2)


def _index(sample: bytes, chunk: Struct, number: int, known: set[int]) -> Struct | None:
    if number not in chunk:
        return None
    found, _ = thrift.decode(sample, get(chunk, number))
    _known(found, known)
    return found


def _parts(
    header: Struct, kind: _Kind, body: bytes, codec: pa.Codec | None, levels: Sequence[int]
) -> tuple[bytes | None, bytes | None, bytes]:
    """The repetition and the definition level, and what stands for the value, in a page of one row."""
    own, size = get(header, kind.field), get(header, 2)
    lengths: list[int | None] = [None, None]
    if kind is _FIRST:
        body = body if codec is None else codec.decompress(body, size, asbytes=True)
    else:
        ahead = get(own, 5) + get(own, 6)
        if get(own, 7, True) and codec is not None:
            body = body[:ahead] + codec.decompress(body[ahead:], size - ahead, asbytes=True)
        lengths = [get(own, 6), get(own, 5)]
    found: list[bytes | None] = []
    for there, length in zip((REPEATED in levels, bool(levels)), lengths, strict=True):
        if not there:
            found.append(None)
            continue
        if length is None:
            length, body = int.from_bytes(body[:4], "little"), body[4:]
        found.append(body[1:length])
        body = body[length:]
    return found[0], found[1], body


def _check(column: _Column, sample: bytes, start: int, stop: int) -> None:
    """What is made for one row must be the sample: then all that is in it was understood."""
    if not _is_value(column):
        raise NotUniform
    data, chunk = column.chunk(1, start)
    ends = [stop - start, *(get(chunk, number) - start for number in (4, 6) if number in chunk)]
    if data[: stop - start] != sample[start:stop] or min(ends) != stop - start:
        raise NotUniform
    moved = {number: held for number, held in chunk.items() if number not in (3, 4, 6)}
    if moved != {number: held for number, held in column.sample.items() if number not in (3, 4, 6)} or get(chunk, 3) != column.meta:
        raise NotUniform
    for number, length in ((4, 5), (6, 7)):
        if number in chunk and _bytes(data, chunk, number, length, -start) != _bytes(sample, column.sample, number, length, 0):
            raise NotUniform


def _bytes(data: bytes, chunk: Struct, number: int, length: int, by: int) -> bytes:
    at = get(chunk, number) + by
    return data[at : at + get(chunk, length)]


def _is_value(column: _Column) -> bool:
    """Does the value stand as it does where there is one, or is there none?"""
    if column.null:
        return column.value in (b"", b"\0", b"\0" * 4)  # nothing, no width of references, no length of a run
    if column.encoding == _RLE_DICTIONARY:
        return column.value == b"\x01\x02\x00"
    if get(column.meta, 1) != BOOLEAN:
        return False
    if column.encoding == _RLE:
        return column.value[:5] == b"\x02\x00\x00\x00\x02" and column.value[5:] in (b"\x00", b"\x01")
    return column.encoding == _PLAIN and column.value in (b"\x00", b"\x01")
