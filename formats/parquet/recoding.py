"""Computed columns of which only the dictionaries are: what data pages refer to is converted once, and they are copied.

That is for columns that are made of one source column, value by value, and are null where that is, and nowhere else; its chunks are
nothing but a dictionary page and data pages that refer to it. Whatever is odd is computed in another way, which gives the exact
values and errors.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import FileIO

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.errors import DataError
from instar.formats.splice import Part

from . import thrift
from .arrays import barely_stored, fitted, with_entries
from .chunks import Unspliceable
from .copying import read_at
from .footer import BOOLEAN, BYTE_ARRAY, CODECS, FIXED, INT96, REPEATED, Element, Footer, get
from .output import Output, planned
from .plain_pages import PlainPage, Written, read, write
from .references import Otherwise, References, dictionary_header, references
from .settings import WRITABLE_CODECS, dotted, has_bloom_filter
from .source import Source
from .thrift import BOOL, I32, I64, LIST, RAW, STRUCT, Struct

_CODEC, _STATISTICS, _SIZES = 4, 12, 16  # fields of ColumnMetaData
_KEPT = (2, _CODEC, 5, 13)  # of the old chunk: its encodings, codec, number of values, and how many pages are encoded how
_NULLS, _BOUNDS, _EXACT, _OLD_BOUNDS = 3, (6, 5), (8, 7), (2, 1)  # fields of Statistics: the least, the greatest
_UNCOMPRESSED = 0
_WIDTHS = {1: 4, 2: 8, 4: 4, 5: 8}  # bytes of the physical types of one width
_LARGEST = 8 << 20  # bytes of a new dictionary
_BY_TYPE: Struct = {1: (STRUCT, {})}  # ColumnOrder


@dataclass(frozen=True)
class _Column:
    """A source column: its chunks, their distinct values one after the other, and the bounds that their statistics give: for those
    that have both, the least and then the greatest."""

    leaf: Element
    metas: Sequence[Struct]
    chunks: Sequence[References]
    values: pa.Array
    bounds: Mapping[int, tuple[pa.Scalar, pa.Scalar]]

    def of(self, group: int, values: pa.Array) -> pa.Array:
        """Those of `values`, which stand one for each of the column's, that are a row group's."""
        before = sum(chunk.dictionary.values for chunk in self.chunks[:group])
        return values.slice(before, self.chunks[group].dictionary.values)


@dataclass(frozen=True)
class Recoded:
    """All columns of `part`, with their new dictionaries and what the footer will say of their chunks, a row group after the other.
    `output` is what they will be."""

    part: Part
    output: Output
    columns: Sequence[_Column]
    pages: Sequence[Sequence[PlainPage]]
    metas: Sequence[Sequence[Struct]]
    rows: Sequence[int]

    def write(self, source: FileIO, file: FileIO) -> Footer:
        """Writes the chunks, as a file without a footer; that one is given."""
        file.write(b"PAR1")
        groups: list[Struct] = []
        for group, rows in enumerate(self.rows):
            chunks: list[Struct] = []
            for column, pages, metas in zip(self.columns, self.pages, self.metas, strict=True):
                meta = _placed(source, file, column.chunks[group], pages[group], metas[group])
                chunks.append({2: (I64, 0), 3: (STRUCT, meta)})
            groups.append({1: (LIST, (STRUCT, chunks)), 3: (I64, rows)})
        orders: Struct = {7: (LIST, (STRUCT, [_BY_TYPE] * len(self.columns)))}
        struct: Struct = {1: (I32, 2), 4: (LIST, (STRUCT, groups)), **orders}
        return Footer(struct, self.output.root, file.tell(), file.tell(), b"")


def _placed(source: FileIO, file: FileIO, chunk: References, page: PlainPage, meta: Struct) -> Struct:
    """Writes a chunk; what the footer says of it."""
    header = dictionary_header(page, chunk.encoding)
    at, length = file.tell(), len(header) + len(page.body)
    data = read_at(source, chunk.start, chunk.stop - chunk.start)
    rest = memoryview(b"".join(chunk.recoded(data, header + page.body)))
    while rest:
        rest = rest[file.write(rest) or 0 :]
    sizes: Struct = {6: (I64, len(header) + page.size + chunk.size), 7: (I64, length + chunk.length)}
    return {**meta, **sizes, 9: (I64, at + length), 11: (I64, at)}


# ---- which columns
def recoded(source: Source, part: Part, file: FileIO) -> Recoded | None:
    """Those columns of the part that can be computed so; `file` is the source, open. None where there are none."""
    known: dict[str, _Column | None] = {}
    if part.only is None or not source.footer.rows:
        return None
    for origin in part.elementwise.values():
        if origin not in known:
            known[origin] = _column(source, origin, file)
    names = [name for name, origin in part.elementwise.items() if known[origin] is not None]
    while names:
        some = part if len(names) == len(part.target_schema.record.fields) else part.only(names)
        try:
            return _recoded(source, some, {name: column for name, column in known.items() if column is not None})
        except Otherwise as odd:
            names = [name for name in names if name not in odd.names] if odd.names else []
        except (DataError, pa.ArrowException, OSError, MemoryError):
            return None
    return None


def _column(source: Source, name: str, file: FileIO) -> _Column | None:
    """A column of the source, if all its chunks are of that kind."""
    element = dict(zip(source.logical.record.names, source.footer.columns, strict=True))[name]
    number = element.leaf
    if number is None or element.repetition == REPEATED or element.physical in (BOOLEAN, INT96):
        return None
    metas = source.footer.metas(number)
    if has_bloom_filter(source.footer, number) or any(4 in c or 6 in c for c in source.footer.chunks(number)):
        return None
    codecs = {get(meta, _CODEC) for meta in metas}
    if len(codecs) != 1 or CODECS[codecs.pop()] not in WRITABLE_CODECS:
        return None
    try:
        chunks = [references(meta, partial(read_at, file)) for meta in metas]
        values, bounds = _values(element, metas, chunks)
    except (Otherwise, Unspliceable, pa.ArrowException, OSError, MemoryError):
        return None
    type = source.arrow.field(source.footer.columns.index(element)).type
    if type != values.type and not _of_another_zone(type, values.type):
        return None
    return _Column(element, metas, chunks, values.cast(type), bounds)


def _of_another_zone(a: pa.DataType, b: pa.DataType) -> bool:
    """Are both moments, and differ in nothing but the zone that they are shown in?"""
    both = pa.types.is_timestamp(a) and pa.types.is_timestamp(b)
    return both and a.unit == b.unit and a.tz is not None and b.tz is not None


def _values(
    leaf: Element, metas: Sequence[Struct], chunks: Sequence[References]
) -> tuple[pa.Array, dict[int, tuple[pa.Scalar, pa.Scalar]]]:
    """The values of all dictionaries, and the bounds in the statistics, as these say them."""
    pages = [(get(meta, _CODEC), chunk.dictionary) for meta, chunk in zip(metas, chunks, strict=True)]
    said = [[get(_opened(meta, _STATISTICS), number) for number in _BOUNDS] for meta in metas]
    bounded = [group for group, pair in enumerate(said) if None not in pair]
    if bounded:
        body = b"".join(_plain(value, leaf) for group in bounded for value in said[group])
        pages.append((_UNCOMPRESSED, PlainPage(body, 2 * len(bounded), len(body))))
    found = read(leaf, pages)
    count = sum(chunk.dictionary.values for chunk in chunks)
    bounds = {group: (found[count + 2 * i], found[count + 2 * i + 1]) for i, group in enumerate(bounded)}
    return found.slice(0, count), bounds


def _plain(value: bytes, leaf: Element) -> bytes:
    """A bound as a plain page has it."""
    if leaf.physical == BYTE_ARRAY:
        return len(value).to_bytes(4, "little") + value
    if len(value) != (get(leaf.struct, 2) if leaf.physical == FIXED else _WIDTHS.get(leaf.physical or 0)):
        raise Otherwise
    return value


def _opened(struct: Struct, number: int) -> Struct:
    wire, held = struct.get(number, (STRUCT, {}))
    try:
        return thrift.decode(held)[0] if wire & RAW else held
    except thrift.ThriftError:
        raise Otherwise from None


# ---- what becomes of them
def _recoded(source: Source, part: Part, known: Mapping[str, _Column]) -> Recoded:
    """
    Raises:
        Otherwise: some columns, or all, cannot be computed so. DataError: a value is refused.
    """
    output = planned(source, part.target_schema, part.carried, None, part.follows)
    names = output.written.names
    columns = [known[part.elementwise[name]] for name in names]
    leaves = tuple(output.root.leaves())
    pairs = zip(names, columns, leaves, strict=True) if len(leaves) == len(names) and not output.int96 else ()
    unlike = [name for name, column, leaf in pairs if not _same_levels(column.leaf, leaf, output)]
    if unlike or len(leaves) != len(names) or output.int96:
        raise Otherwise(*unlike)
    made = _converted(part, output, {name: known[name] for name in part.reads})
    found: dict[str, tuple[list[PlainPage], list[Struct]]] = {}
    for i, (name, column, leaf) in enumerate(zip(names, columns, leaves, strict=True)):
        try:
            found[name] = _pages(column, leaf, output, made[i], output.written.field(i))
        except Otherwise:
            unlike.append(name)
    if unlike:
        raise Otherwise(*unlike)
    pages, metas = [found[name][0] for name in names], [found[name][1] for name in names]
    return Recoded(part, output, columns, pages, metas, source.footer.rows)


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
    return pa.concat_arrays([values, nulls, values.take(pa.array([0] * more, pa.int32()))])


def _pages(column: _Column, leaf: Element, output: Output, made: pa.Array, field: pa.Field) -> tuple[list[PlainPage], list[Struct]]:
    """A column's new dictionary pages, and what is to be said of its chunks but for where they are.

    Raises:
        Otherwise: it is to be computed in another way.
    """
    arrays = [column.of(group, made) for group in range(len(column.chunks))]
    if any(len(pc.unique(array)) != len(array) for array in arrays):
        raise Otherwise  # some readers take each entry of a dictionary for another value
    codec = WRITABLE_CODECS[CODECS[get(column.metas[0], _CODEC)]]
    written = write(field, arrays, codec, whole_decimals=output.options["store_decimal_as_integer"])
    if written is None:
        raise Otherwise
    wanted = dotted(leaf) in output.options["write_statistics"]
    pages: list[PlainPage] = []
    metas: list[Struct] = []
    for group, (array, each) in enumerate(zip(arrays, written, strict=True)):
        if each.physical != leaf.physical or each.page.size > _LARGEST:
            raise Otherwise
        page, old = each.page, column.metas[group]
        pages.append(PlainPage(page.body, page.values, page.size, column.chunks[group].dictionary.checked))
        meta = {1: (I32, leaf.physical), **{number: old[number] for number in _KEPT if number in old}}
        if wanted and (said := _statistics(column, group, array, each)):
            meta[_STATISTICS] = STRUCT, said
        sizes = {number: held for number, held in _opened(old, _SIZES).items() if number != 1}  # 1: bytes of text
        if sizes:
            meta[_SIZES] = STRUCT, sizes
        metas.append(meta)
    return pages, metas


# ---- statistics
def _statistics(column: _Column, group: int, made: pa.Array, written: Written) -> Struct:
    """What is true of the chunk's new values: of all in its dictionary, some of which may not occur.

    Where their order is that of the old ones, and these's bounds are among the values, the bounds are as exact as those were.

    Raises:
        Otherwise: the bounds cannot be told.
    """
    old = _opened(column.metas[group], _STATISTICS)
    if not old:
        return {}
    said: Struct = {_NULLS: old[_NULLS]} if _NULLS in old else {}
    new = {number: written.statistics[number] for number in _BOUNDS if number in written.statistics}
    if group in column.bounds and _in_order(column.of(group, column.values), made, column.bounds[group]):
        return said | new | {number: old[number] for number in _EXACT if number in old and len(new) == len(_BOUNDS)}
    if written.physical == BYTE_ARRAY:
        return said | new | (dict.fromkeys(_EXACT, (BOOL, False)) if new else {})
    if any(number in old for number in (*_BOUNDS, *_OLD_BOUNDS)):
        raise Otherwise  # readers take the bounds of numbers for values that occur
    return said


def _in_order(old: pa.Array, new: pa.Array, bounds: tuple[pa.Scalar, pa.Scalar]) -> bool:
    """Have the new values the order of the old ones, whose least and greatest are these?"""
    try:
        order = pc.sort_indices(old)
        first, last = (old[order[i].as_py()] for i in (0, -1))
        if not (first.equals(bounds[0]) and last.equals(bounds[1])):
            return False
        ordered = new.take(order)
        return pc.all(pc.less_equal(ordered.slice(0, len(ordered) - 1), ordered.slice(1))).as_py() is not False
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return False
