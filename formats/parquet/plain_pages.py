"""Pages of plain values, read and written by pyarrow: each as the one page of a required column, in a small file in memory.

A dictionary page's body is such a page's: what is in it is understood, and written, as whatever else is in such a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import thrift
from .chunks import extent
from .footer import BYTE_ARRAY, CODECS, MAGIC, REQUIRED, Element, framed, get, items, parse_footer
from .thrift import BINARY, I32, I64, LIST, STRUCT, Struct

_PLAIN, _RLE = 0, 3
_ONE_PAGE: dict[str, Any] = {"data_page_size": 1 << 30, "max_rows_per_page": 1 << 30, "write_batch_size": 1 << 30}


@dataclass(frozen=True)
class PlainPage:
    """A page's body as it is stored, the number of its values, and its bytes before it was compressed; `checked`: it is to have a
    checksum."""

    body: bytes
    values: int
    size: int
    checked: bool = False


@dataclass(frozen=True)
class Written:
    """A page that was written, of values of a physical type, and compressed by the codec of that number."""

    page: PlainPage
    physical: int
    codec: int

    @property
    def values(self) -> list[bytes]:
        """Each value's own bytes, as statistics have them.

        Raises:
            pa.ArrowException, OSError: it cannot be uncompressed.
        """
        body = bytes(uncompressed(self.page.body, self.codec, self.page.size))
        if self.physical != BYTE_ARRAY:
            width = len(body) // max(self.page.values, 1)
            return [body[at : at + width] for at in range(0, len(body), width or 1)]
        found, at = list[bytes](), 0
        while at < len(body):
            length = int.from_bytes(body[at : at + 4], "little")
            found.append(body[at + 4 : at + 4 + length])
            at += 4 + length
        return found


def uncompressed(data: bytes | memoryview, codec: int, size: int) -> bytes | memoryview:
    """What was compressed to `data` by one of the codecs that pyarrow writes; it is of that size.

    Raises:
        pa.ArrowException, OSError: it is not.
    """
    name = CODECS[codec]
    found = data if name == "UNCOMPRESSED" else pa.Codec(name.lower()).decompress(data, size, asbytes=True)
    if len(found) != size:
        raise pa.ArrowInvalid("a page is not of the size that it says")
    return found


def read(element: Element, codec: int, pages: Sequence[PlainPage]) -> pa.Array:
    """The values of all the pages, one after the other; they are of the type that `element` has.

    Raises:
        pa.ArrowException, OSError, MemoryError: they cannot be read.
    """
    parts, at, groups = [MAGIC], len(MAGIC), list[Struct]()
    name = element.path[-1]
    for page in pages:
        header = _header(page)
        stored, whole = len(header) + len(page.body), len(header) + page.size
        meta: Struct = {
            1: (I32, element.physical), 2: (LIST, (I32, [_PLAIN])), 3: (LIST, (BINARY, [name])), 4: (I32, codec),
            5: (I64, page.values), 6: (I64, whole), 7: (I64, stored), 9: (I64, at),
        }  # fmt: skip
        chunk: Struct = {2: (I64, 0), 3: (STRUCT, meta)}
        groups.append({1: (LIST, (STRUCT, [chunk])), 2: (I64, whole), 3: (I64, page.values)})
        parts += header, page.body
        at += stored
    root: Struct = {4: (BINARY, b"schema"), 5: (I32, 1)}
    rows = sum(page.values for page in pages)
    schema = [root, {**element.struct, 3: (I32, REQUIRED)}]
    footer: Struct = {1: (I32, 2), 2: (LIST, (STRUCT, schema)), 3: (I64, rows), 4: (LIST, (STRUCT, groups))}
    with pq.ParquetFile(pa.BufferReader(b"".join((*parts, framed(footer))))) as file:
        found = file.read(use_threads=False).column(0).combine_chunks()
    if len(found) != rows or found.null_count:
        raise pa.ArrowInvalid("not all values are there")
    return found


def _header(page: PlainPage) -> bytes:
    own: Struct = {1: (I32, page.values), 2: (I32, _PLAIN), 3: (I32, _RLE), 4: (I32, _RLE)}
    return thrift.encode({1: (I32, 0), 2: (I32, page.size), 3: (I32, len(page.body)), 5: (STRUCT, own)})


def write(field: pa.Field, arrays: Sequence[pa.Array], compression: str, *, whole_decimals: bool) -> list[Written] | None:
    """A page for each of the arrays, which hold no nulls; None where pyarrow makes more than one of it."""
    sink = pa.BufferOutputStream()
    schema = pa.schema([field.with_nullable(False)])
    with pq.ParquetWriter(
        sink, schema, compression=compression, use_dictionary=False, store_schema=False, store_decimal_as_integer=whole_decimals,
        **_ONE_PAGE,
    ) as writer:  # fmt: skip
        for array in arrays:
            writer.write_table(pa.Table.from_arrays([array], schema=schema), row_group_size=max(len(array), 1))
    data = sink.getvalue().to_pybytes()
    length = int.from_bytes(data[-8:-4], "little")
    footer = parse_footer(data[-8 - length : -8], FilePath("the new dictionaries"))
    found = [_written(data, items(group, 1)[0]) for group in footer.row_groups]
    return None if len(found) != len(arrays) else [each for each in found if each] if all(found) else None


def _written(data: bytes, chunk: Struct) -> Written | None:
    meta = get(chunk, 3)
    start, stop = extent(meta)
    header, begin = thrift.decode(data, start)
    own = get(header, 5)
    if own is None or get(own, 2) != _PLAIN or begin + get(header, 3) != stop or get(own, 1) != get(meta, 5):
        return None
    return Written(PlainPage(data[begin:stop], get(own, 1), get(header, 2)), get(meta, 1), get(meta, 4))
