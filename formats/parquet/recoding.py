"""Computed columns of which only the dictionaries are: what data pages refer to is converted once, and they are copied.

That is for columns that are made of one source column, value by value, and are null where that is, and nowhere else; its chunks are
nothing but a dictionary page and data pages that refer to it. Whatever is odd is computed in another way, which gives the exact
values and errors.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import FileIO

import pyarrow as pa

from instar.formats.bare import zeros
from instar.formats.compute import pc
from instar.formats.errors import DataError
from instar.formats.splice import Part

from . import thrift
from .arrays import barely_stored, fitted, with_entries
from .chunks import Unspliceable
from .copying import read_at, write_all
from .footer import BOOLEAN, CODECS, INT96, MAGIC, REPEATED, REQUIRED, Element, Footer, get
from .output import Output, planned
from .plain_pages import PlainPage, Written, read, write
from .recoded_bounds import Bounded, Ranked, bounded, bounds, column_index, first_rows, offset_index, statistics, whole
from .references import Otherwise, References, Referred, dictionary_header, references
from .settings import WRITABLE_CODECS, dotted, has_bloom_filter
from .source import Source
from .thrift import I32, I64, LIST, RAW, STRUCT, Struct

_CODEC, _STATISTICS, _SIZES = 4, 12, 16  # fields of ColumnMetaData
_KEPT = (2, _CODEC, 5, 13)  # of the old chunk: its encodings, codec, number of values, and how many pages are encoded how
_TEXT_BYTES = 1  # field of SizeStatistics
_OFFSET_INDEX, _COLUMN_INDEX = (4, 5), (6, 7)  # fields of ColumnChunk: where it is, and how long
_LARGEST = 8 << 20  # bytes of a new dictionary
_TOGETHER = 32 << 20  # bytes of columns that are held at once
_A_VALUE, _A_PAGE = 16, 512  # bytes beside a value's own, and of what is known of a page
_BY_TYPE: Struct = {1: (STRUCT, {})}  # ColumnOrder


@dataclass(frozen=True)
class _Column:
    """A source column: its chunks, and their distinct values one after the other."""

    leaf: Element
    structs: Sequence[Struct]
    chunks: Sequence[References]
    values: pa.Array

    @property
    def weight(self) -> int:
        """What it takes of memory, about, in bytes: its values are made as long as the longest column's."""
        pages = sum(len(chunk.pages) for chunk in self.chunks)
        return self.values.nbytes + len(self.values) * _A_VALUE + pages * _A_PAGE

    @property
    def metas(self) -> list[Struct]:
        return [get(struct, 3) for struct in self.structs]

    def of(self, group: int, values: pa.Array) -> pa.Array:
        """Those of `values`, which stand one for each of the column's, that are a row group's."""
        before = sum(chunk.dictionary.values for chunk in self.chunks[:group])
        return values.slice(before, self.chunks[group].dictionary.values)


@dataclass(frozen=True)
class _Chunk:
    """A new chunk: its dictionary page, what is said of it but for where it is, and its column index; `firsts` are the rows with
    which its pages begin, where there is an offset index."""

    page: PlainPage
    meta: Struct
    firsts: Sequence[int] | None
    column_index: bytes | None


@dataclass(frozen=True)
class Recoded:
    """All columns of `part`, each with its new chunks. `output` is what they will be."""

    part: Part
    output: Output
    columns: Sequence[tuple[_Column, Sequence[_Chunk]]]
    rows: Sequence[int]

    def write(self, source: FileIO, file: FileIO) -> Footer:
        """Writes the chunks, as a file without a footer; that one is given."""
        file.write(MAGIC)
        groups: list[Struct] = []
        for group, rows in enumerate(self.rows):
            chunks = [_written(source, file, column.chunks[group], new[group]) for column, new in self.columns]
            groups.append({1: (LIST, (STRUCT, chunks)), 3: (I64, rows)})
        orders: Struct = {7: (LIST, (STRUCT, [_BY_TYPE] * len(self.columns)))}
        struct: Struct = {1: (I32, 2), 4: (LIST, (STRUCT, groups)), **orders}
        return Footer(struct, self.output.root, file.tell(), file.tell(), b"")


def _written(source: FileIO, file: FileIO, old: References, new: _Chunk) -> Struct:
    """Writes a chunk, and after it its page index; what the footer says of it."""
    header, at = dictionary_header(new.page, old.encoding), file.tell()
    pages = at + len(header) + len(new.page.body)
    data = read_at(source, old.start, old.stop - old.start)
    write_all(file, b"".join(old.recoded(data, header + new.page.body)))
    sizes: Struct = {6: (I64, len(header) + new.page.size + old.size), 7: (I64, file.tell() - at)}
    struct: Struct = {2: (I64, 0), 3: (STRUCT, {**new.meta, **sizes, 9: (I64, pages), 11: (I64, at)})}
    offsets = None if new.firsts is None else offset_index(new.firsts, pages, [page.length for page in old.pages])
    for (where, length), index in ((_OFFSET_INDEX, offsets), (_COLUMN_INDEX, new.column_index)):
        if index:
            struct |= {where: (I64, file.tell()), length: (I32, len(index))}
            write_all(file, index)
    return struct


# ---- which columns
def recoded(source: Source, part: Part, file: FileIO) -> Iterator[Recoded]:
    """Those columns of the part that can be computed so, as many at once as fit into memory; `file` is the source, open."""
    if thrift.compiled is None or part.only is None or not source.footer.rows:
        return
    together: dict[str, _Column] = {}
    for name, origin in part.elementwise.items():
        column = _column(source, origin, file)
        if column is None or column.weight > _TOGETHER:
            continue
        longest = max(each.weight for each in (column, *together.values()))
        if together and longest * (len(together) + 1) > _TOGETHER:
            yield from _all_of(source, part, together, file)
            together = {}
        together[name] = column
    yield from _all_of(source, part, together, file)


def _all_of(source: Source, part: Part, columns: Mapping[str, _Column], file: FileIO) -> Iterator[Recoded]:
    """The columns, but for those that are to be computed in another way."""
    left = dict(columns)
    while left:
        assert part.only is not None
        some = part if len(left) == len(part.target_schema.record.fields) else part.only(list(left))
        try:
            made = _recoded(source, some, left, file)
        except Otherwise as odd:
            left = {name: column for name, column in left.items() if name not in odd.names} if odd.names else {}
        except (DataError, pa.ArrowException, OSError, MemoryError):
            return
        else:
            yield made
            return


def _column(source: Source, name: str, file: FileIO) -> _Column | None:
    """A column of the source, if all its chunks are of that kind."""
    element = dict(zip(source.logical.record.names, source.footer.columns, strict=True))[name]
    number = element.leaf
    if number is None or element.repetition == REPEATED or element.physical in (BOOLEAN, INT96):
        return None
    structs, metas = source.footer.chunks(number), source.footer.metas(number)
    codecs = {get(meta, _CODEC) for meta in metas}
    if len(codecs) != 1 or CODECS[min(codecs)] not in WRITABLE_CODECS or has_bloom_filter(source.footer, number):
        return None
    try:
        chunks = _chunks(metas, file)
        values = read(element, min(codecs), [chunk.dictionary for chunk in chunks])
    except (Otherwise, Unspliceable, pa.ArrowException, OSError, MemoryError):
        return None
    type = source.arrow.field(source.footer.columns.index(element)).type
    if type != values.type and not _of_another_zone(type, values.type):
        return None
    return _Column(element, structs, chunks, values.cast(type))


def _chunks(metas: Sequence[Struct], file: FileIO) -> list[References]:
    """
    Raises:
        Otherwise, Unspliceable: one is not of that kind, or they are more than is held at once: no more of them are read then.
    """
    found: list[References] = []
    weight = 0
    for meta in metas:
        chunk = references(meta, partial(read_at, file))
        weight += chunk.dictionary.size + chunk.dictionary.values * _A_VALUE + len(chunk.pages) * _A_PAGE
        if weight > _TOGETHER:
            raise Otherwise
        found.append(chunk)
    return found


def _of_another_zone(a: pa.DataType, b: pa.DataType) -> bool:
    """Are both moments, and differ in nothing but the zone that they are shown in?"""
    both = pa.types.is_timestamp(a) and pa.types.is_timestamp(b)
    return both and a.unit == b.unit and a.tz is not None and b.tz is not None


# ---- what becomes of them
def _recoded(source: Source, part: Part, given: Mapping[str, _Column], file: FileIO) -> Recoded:
    """All columns of the part; `given` has for each of them the one that it is made of.

    Raises:
        Otherwise: some columns, or all, cannot be computed so. DataError: a value is refused.
    """
    output = planned(source, part.target_schema, part.carried, None, part.follows)
    names = output.written.names
    columns = [given[name] for name in names]
    leaves = tuple(output.root.leaves())
    pairs = zip(names, columns, leaves, strict=True) if len(leaves) == len(names) and not output.int96 else ()
    unlike = [name for name, column, leaf in pairs if not _same_levels(column.leaf, leaf, output)]
    if unlike or len(leaves) != len(names) or output.int96:
        raise Otherwise(*unlike)
    read = {part.elementwise[name]: column for name, column in given.items()}
    made = _converted(part, output, {name: read[name] for name in part.reads})
    found: list[tuple[_Column, list[_Chunk]]] = []
    for i, (name, column, leaf) in enumerate(zip(names, columns, leaves, strict=True)):
        try:
            found.append((column, _new_chunks(column, leaf, output, made[i], output.written.field(i), file)))
        except (Otherwise, Unspliceable, pa.ArrowException, OSError):
            unlike.append(name)
    if unlike:
        raise Otherwise(*unlike)
    return Recoded(part, output, found, source.footer.rows)


def _same_levels(old: Element, new: Element, output: Output) -> bool:
    """May the new leaf have the old one's data pages, and pyarrow's word for what its values are?"""
    plain = len(new.path) == 1 and new.physical not in (BOOLEAN, INT96) and new.leaf not in output.counted
    return plain and old.repetition == new.repetition


def _converted(part: Part, output: Output, given: Mapping[str, _Column]) -> list[pa.Array]:
    """For each column what becomes of the values that it is made of.

    Raises:
        Otherwise: a null would become something else, or something else a null. DataError: a value is refused.
    """
    longest = max(len(column.values) for column in given.values()) + 1
    made = part.convert(pa.RecordBatch.from_arrays([_lengthened(c.values, c.leaf, longest) for c in given.values()], list(given)))
    found: list[pa.Array] = []
    unlike: list[str] = []
    for i, (converted, written) in enumerate(zip(output.converted, output.written, strict=True)):
        column, count = made.column(i), len(given[part.elementwise[written.name]].values)
        values = column.slice(0, count)
        if values.null_count or (written.nullable and column.slice(count, 1).null_count != 1):
            unlike.append(written.name)
        else:
            found.append(barely_stored(with_entries(fitted(values, converted)), written))
    if unlike:
        raise Otherwise(*unlike)
    return found


def _lengthened(values: pa.Array, leaf: Element, length: int) -> pa.Array:
    """The values, a null where there may be one, and the first of them as often as is needed for that length."""
    nulls = pa.nulls(1 if leaf.repetition else 0, values.type)
    more = length - len(values) - len(nulls)
    return pa.concat_arrays([values, nulls, values.take(zeros(more))])


def _new_chunks(column: _Column, leaf: Element, output: Output, made: pa.Array, field: pa.Field, file: FileIO) -> list[_Chunk]:
    """A column's new chunks.

    Raises:
        Otherwise, pa.ArrowException, OSError, Unspliceable: it is to be computed in another way.
    """
    arrays = [column.of(group, made) for group in range(len(column.chunks))]
    if any(len(pc.unique(array)) != len(array) for array in arrays):
        raise Otherwise  # some readers take each entry of a dictionary for another value
    ranked = [Ranked.of(array) for array in arrays]
    seen = [_referred(column, group, each, file) for group, each in enumerate(ranked)]
    codec = WRITABLE_CODECS[CODECS[get(column.metas[0], _CODEC)]]
    found = [bounds(list(zip(ranked, seen, strict=True)))]
    written = write(field, [*arrays, *found], codec, whole_decimals=output.options["store_decimal_as_integer"])
    if written is None or any(each.physical != leaf.physical or each.page.size > _LARGEST for each in written):
        raise Otherwise
    wanted = dotted(leaf) in output.options["write_statistics"]
    known = bounded(seen, written[-1].values) if wanted else [None] * len(arrays)
    return [_new_chunk(column, group, leaf, each, pages, file)
            for group, (each, pages) in enumerate(zip(written, known, strict=False))]  # fmt: skip


def _referred(column: _Column, group: int, ranked: Ranked, file: FileIO) -> list[Referred]:
    """What a chunk refers to, and what each of its pages does."""
    chunk = column.chunks[group]
    data = read_at(file, chunk.start, chunk.stop - chunk.start)
    optional = column.leaf.repetition != REQUIRED
    pages = chunk.referred(data, get(column.metas[group], _CODEC), optional=optional, ranks=ranked.ranks)
    return [whole(pages), *pages]


def _new_chunk(
    column: _Column, group: int, leaf: Element, written: Written, known: Sequence[Bounded] | None, file: FileIO
) -> _Chunk:
    """`known`: what the chunk refers to, and each of its pages; None where no bounds are wanted."""
    struct, old = column.structs[group], column.metas[group]
    page = replace(written.page, checked=column.chunks[group].dictionary.checked)
    meta = {1: (I32, leaf.physical), **{number: old[number] for number in _KEPT if number in old}}
    if known is not None:
        meta[_STATISTICS] = STRUCT, statistics(known[0])
    if sizes := {number: held for number, held in _opened(old, _SIZES).items() if number != _TEXT_BYTES}:
        meta[_SIZES] = STRUCT, sizes
    offsets, values = (_index(struct, where, file) for where in (_OFFSET_INDEX, _COLUMN_INDEX))
    if values and known is None:
        raise Otherwise
    firsts = None if offsets is None else first_rows(offsets, [page.values for page in column.chunks[group].pages])
    return _Chunk(page, meta, firsts, column_index(values, known[1:]) if values and known else None)


def _index(struct: Struct, where: tuple[int, int], file: FileIO) -> bytes | None:
    at, length = where
    return read_at(file, get(struct, at), get(struct, length)) if at in struct and length in struct else None


def _opened(struct: Struct, number: int) -> Struct:
    wire, held = struct.get(number, (STRUCT, {}))
    try:
        return thrift.decode(held)[0] if wire & RAW else held
    except thrift.ThriftError:
        raise Otherwise from None
