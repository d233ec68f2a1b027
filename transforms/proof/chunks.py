"""The column chunks of a Parquet file as a proof sees them: what pyarrow says of them, and their footer's own words.

Source of the numbers: the Apache Parquet project's parquet.thrift, ColumnChunk and ColumnMetaData.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path as FilePath
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from instar.formats.schema import Schema

from .compact import NotCompact, struct_at
from .footer import Footer, Struct, read_footer
from .leaves import leaves

META, OFFSET_INDEX, COLUMN_INDEX, BLOOM_FILTER = 3, (4, 5), (6, 7), (14, 15)
STATISTICS, SIZES = 12, 16
_FILE_PATH, _FILE_OFFSET, _ENCRYPTION = 1, 2, 8  # of ColumnChunk
_PLACED = frozenset((3, 9, 10, 11, 14, 15))  # the chunk's path, and where its pages and its bloom filter are
_PATH, _KEY_VALUES = 3, 8
_BLOOM_HEADER = 1 << 10  # bytes that a bloom filter's header has at most
_CODECS, _ENCODINGS = range(8), range(10)
_BYTE_ARRAY = 6


class Side:
    """One of the two files of a proof, open; `rows` are those of its row groups.

    Raises:
        pa.ArrowException, NotCompact, OSError: its footer cannot be read.
    """

    def __init__(self, path: FilePath, schema: Schema, closing: ExitStack) -> None:
        self.file: BinaryIO = closing.enter_context(path.open("rb", buffering=0))
        self.metadata = pq.read_metadata(path)
        self.footer: Footer = read_footer(self.file)
        self.leaves = leaves(self.footer.root, schema.record)
        self._chunks: dict[tuple[int, int], Chunk] = {}
        self._columns = [self.metadata.schema.column(i) for i in range(self.metadata.num_columns)]
        self._groups = [self.metadata.row_group(i) for i in range(self.metadata.num_row_groups)]
        self.rows = [group.num_rows for group in self._groups]
        self.records: int = sum(self.rows) or self.metadata.num_rows
        counts = {self.metadata.num_columns, len(self.footer.leaves), *(len(group.get(1, ())) for group in self.footer.groups)}
        if len(counts) != 1 or [group.get(3) for group in self.footer.groups] != self.rows:
            raise NotCompact("pyarrow reads the footer otherwise than it stands")

    def read(self, at: int, size: int) -> bytes:
        """A piece of the file; less where it ends before."""
        self.file.seek(at)
        return self.file.read(max(min(size, self.footer.start - at), 0))

    def chunk(self, group: int, leaf: int) -> Chunk:
        """
        Raises:
            NotCompact: it is described as none can be.
        """
        key = group, leaf
        if key not in self._chunks:
            struct = self.footer.groups[group][1][leaf]
            self._refuse_misdescribed(struct.get(META, {}), group, leaf)
            self._chunks[key] = Chunk(self, self._groups[group].column(leaf), struct)
        return self._chunks[key]

    def _refuse_misdescribed(self, meta: Struct, group: int, leaf: int) -> None:
        """What pyarrow does not bear to look at: it may end the process."""
        column, physical, sizes = self._columns[leaf], self.footer.leaves[leaf].get(1), meta.get(SIZES, {})
        levels = ((2, column.max_repetition_level), (3, column.max_definition_level))
        if (
            meta.get(1) != physical
            or meta.get(4) not in _CODECS
            or any(each not in _ENCODINGS for each in meta.get(2, ()))
            or (1 in sizes and physical != _BYTE_ARRAY)
            or any(len(sizes.get(number, ())) not in (0, most + 1) for number, most in levels)
        ):
            name = b".".join(self.footer.paths[leaf]).decode("utf-8", "replace")
            what = "of a type, compressed, encoded or measured as none can be"
            raise NotCompact(f"in row group {group} the chunk of {name} is said to be {what}")

    def type(self, leaf: int) -> tuple[Any, ...]:
        """How the leaf's values and levels are read: physical type, length, annotations, the greatest levels."""
        column, struct = self._columns[leaf], self.footer.leaves[leaf]
        levels = (column.max_definition_level, column.max_repetition_level)
        return (column.physical_type, column.length, *levels, *(struct.get(number) for number in (1, 2, 6, 7, 8, 10)))

    def physical(self, leaf: int) -> str:
        """The leaf's physical type."""
        return self._columns[leaf].physical_type

    def flat(self, leaf: int) -> bool:
        """Is the leaf in no list, so that it has one value for each record?"""
        return self._columns[leaf].max_repetition_level == 0

    def shared(self, leaf: int, other: int) -> int:
        """How many groups above both leaves their levels can tell of: those that may be null, or repeat, and all above them."""
        pairs = zip(self.footer.groups_above[leaf], self.footer.groups_above[other], strict=False)
        common = [one for one, two in takewhile(lambda pair: pair[0] is pair[1], pairs)]
        return max((depth for depth, group in enumerate(common, 1) if group.repetition != "REQUIRED"), default=0)

    def order(self, leaf: int) -> Struct | None:
        """How the leaf's bounds are ordered, where the file says it."""
        return self.footer.orders[leaf] if leaf < len(self.footer.orders) else None


class Chunk:
    """A column chunk: the bytes from `start` to `end`, of which the data pages begin at `pages`, and how they are read."""

    def __init__(self, side: Side, seen: Any, struct: Struct) -> None:
        self._side, self._struct = side, struct
        self._meta: Struct = struct.get(META, {})
        self.pages: int = seen.data_page_offset
        dictionary: int = (seen.dictionary_page_offset if seen.has_dictionary_page else None) or self.pages
        self.start = min((at for at in (dictionary, self.pages) if at > 0), default=0)  # as readers do; either may be said wrongly
        self.end: int = self.start + seen.total_compressed_size
        self.values: int = seen.num_values
        self.size: int = seen.total_uncompressed_size
        self.has_dictionary: bool = seen.has_dictionary_page
        self.form = (seen.physical_type, seen.compression, seen.encodings, self.values, self.has_dictionary,
                     self.end - self.start, self.pages - self.start, self.size)  # fmt: skip

    @property
    def inside(self) -> bool:
        """Is it where a chunk can be?"""
        elsewhere = _FILE_PATH in self._struct or _ENCRYPTION in self._struct
        return not elsewhere and 4 <= self.start < self.end <= self._side.footer.start

    @property
    def path(self) -> tuple[bytes, ...]:
        """The column that it says it is of: some readers find it by that, others by its position."""
        return tuple(self._meta.get(_PATH, ()))

    @property
    def offset(self) -> int:
        """Its `file_offset`: of its first page, of what follows it, or 0, as writers understood it."""
        return self._struct.get(_FILE_OFFSET, 0)

    @property
    def meta(self) -> Struct:
        """Its ColumnMetaData."""
        return self._meta

    @property
    def statistics(self) -> Struct:
        return self._meta.get(STATISTICS, {})

    @property
    def sizes(self) -> Struct:
        """Its SizeStatistics."""
        return self._meta.get(SIZES, {})

    @property
    def description(self) -> Struct:
        """All that its metadata say, but for where things are and the writer's own key-values."""
        return {number: value for number, value in self._meta.items() if number not in _PLACED and number != _KEY_VALUES}

    def index(self, at: tuple[int, int]) -> bytes | None:
        """The offset index or the column index; None where there is none."""
        offset, length = (self._struct.get(number) for number in at)
        return self._side.read(offset, length) if offset and length else None

    def bloom_filter(self) -> bytes | None:
        """The bloom filter with its header; None where there is none.

        Raises:
            NotCompact: there is none where it is said to be.
        """
        offset, length = (self._meta.get(number) for number in BLOOM_FILTER)
        if not offset:
            return None
        if length is None:
            header, size = struct_at(self._side.read(offset, _BLOOM_HEADER))
            length = size + header.get(1, 0)
        return self._side.read(offset, length)

    def read(self, at: int, size: int) -> bytes:
        """A piece of the file, whether inside the chunk or not."""
        return self._side.read(at, size)

    @property
    def file(self) -> BinaryIO:
        return self._side.file
