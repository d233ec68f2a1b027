"""Column chunks that are nothing but a dictionary page and data pages that refer to it.

Source of the numbers: the Apache Parquet project's parquet.thrift (PageHeader and what it holds) and Encodings.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import thrift
from .chunks import extent
from .footer import ENCODINGS, get
from .page_form import PAGE_HEADER, STATISTICS, formed
from .plain_pages import PlainPage, uncompressed
from .thrift import STRUCT, Struct

_KIND, _SIZE, _STORED, _CRC, _V1, _DICTIONARY, _V2 = 1, 2, 3, 4, 5, 7, 8  # fields of PageHeader
_OPENED = {_V1: {}, _DICTIONARY: {}, _V2: {}}
_ENCODING = {_V1: 2, _DICTIONARY: 2, _V2: 4}  # its field of each kind's own header
_STATISTICS = {_V1: 5, _V2: 8}
_NULLS = 3  # field of Statistics
_KINDS = {0: _V1, 3: _V2}
_OTHERS = {_V1: {_DICTIONARY, _V2}, _V2: {_DICTIONARY, _V1}}
"""Headers of other kinds of pages, which do not belong into one's."""
_LEVELS_BY_RUNS = 3  # an encoding
_DICTIONARY_PAGE = 2
_PLAIN, _REFERENCES = (0, 2), (2, 8)
"""How a dictionary's values may be encoded (the second is an old name of the first), and references to them."""
_LARGEST_CHUNK, _LARGEST_DICTIONARY = 64 << 20, 8 << 20  # bytes that are held at once


class Otherwise(Exception):
    """What is odd: `names` are the columns that are to be computed in another way, none where that is all."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.names = names


@dataclass(frozen=True)
class Page:
    """A data page: its header without the bounds of its values, and where in the chunk its body is. It holds so many values, nulls
    among them, of which it is said how many they are (None: it is not); `size` is that of what may be compressed, and `levels` the
    bytes before it, None where levels are in it, too."""

    header: bytes
    begin: int
    end: int
    values: int
    nulls: int | None
    size: int
    compressed: bool
    levels: int | None

    @property
    def length(self) -> int:
        """Its bytes with the new header."""
        return len(self.header) + self.end - self.begin


@dataclass(frozen=True)
class Referred:
    """What the references of a page or chunk name: the number of nulls among them, and the least and the greatest of the ranks; -1
    where there are only nulls."""

    nulls: int
    low: int
    high: int

    @property
    def empty(self) -> bool:
        return self.low < 0


@dataclass(frozen=True)
class References:
    """A chunk that begins at `start` in its file; `encoding` is what its dictionary page says of itself, `size` the bytes of its
    data pages before they were compressed, with their new headers."""

    start: int
    stop: int
    dictionary: PlainPage
    encoding: int
    pages: tuple[Page, ...]
    size: int

    def recoded(self, data: bytes, dictionary: bytes) -> Iterator[bytes | memoryview]:
        """The chunk with another dictionary page; `data` is the chunk as it stands."""
        yield dictionary
        view = memoryview(data)
        for page in self.pages:
            yield page.header
            yield view[page.begin : page.end]

    def referred(self, data: bytes, codec: int, *, optional: bool, ranks: bytes) -> list[Referred]:
        """Of each page what it refers to; `data` is the chunk as it stands, `ranks` are those of the dictionary's values (numbers
        of four bytes), and `optional`: it may hold nulls.

        Raises:
            Otherwise: a page is damaged. pa.ArrowException, OSError: it is not compressed as it says.
        """
        assert thrift.compiled is not None
        found: list[Referred] = []
        for page in self.pages:
            levels, body = _body(page, data, codec, optional=optional)
            seen = thrift.compiled.referred(levels, body, page.values, ranks)
            if seen is None or page.nulls not in (None, seen[0]):
                raise Otherwise
            found.append(Referred(*seen))
        return found


def references(meta: Struct, read: Callable[[int, int], bytes]) -> References:
    """The chunk that its ColumnMetaData describe. `read`: (position, length) → the bytes there.

    Raises:
        Otherwise: it is not of that kind, or damaged.
    """
    start, stop = extent(meta)
    if not 0 < stop - start <= _LARGEST_CHUNK or get(meta, 11) != start or get(meta, 10, 0) > 0:
        raise Otherwise
    data = read(start, stop - start)
    dictionary, at = _header(data, 0)
    own = get(dictionary, _DICTIONARY)
    if get(dictionary, _KIND) != _DICTIONARY_PAGE or own is None or get(own, 2) not in _PLAIN or dictionary.keys() & {_V1, _V2}:
        raise Otherwise
    size, stored, count = (_number(struct, number) for struct, number in ((dictionary, _SIZE), (dictionary, _STORED), (own, 1)))
    if not count or size > _LARGEST_DICTIONARY or start + at + stored != get(meta, 9):
        raise Otherwise
    page = PlainPage(data[at : at + stored], count, size, _CRC in dictionary)
    _check(dictionary, page.body)
    pages, values, whole = _pages(data, at + stored)
    if values != get(meta, 5):
        raise Otherwise
    return References(start, stop, page, get(own, 2), pages, whole)


def _pages(data: bytes, at: int) -> tuple[tuple[Page, ...], int, int]:
    """The data pages from there on, the number of their values, and their bytes before they were compressed."""
    found: list[Page] = []
    values = whole = 0
    while at < len(data):
        header, begin = _header(data, at)
        kind = _KINDS.get(get(header, _KIND), -1)
        own = get(header, kind)
        if own is None or get(own, _ENCODING[kind]) not in _REFERENCES or header.keys() & _OTHERS[kind]:
            raise Otherwise
        at = begin + _number(header, _STORED)
        if at > len(data):
            raise Otherwise
        _check(header, memoryview(data)[begin:at])
        page = _page(header, kind, own, begin, at)
        values += page.values
        whole += len(page.header) + _number(header, _SIZE)
        found.append(page)
    if not found:
        raise Otherwise
    return tuple(found), values, whole


def _page(header: Struct, kind: int, own: Struct, begin: int, end: int) -> Page:
    kept, nulls = _without_bounds(own, _STATISTICS[kind])
    new = thrift.encode({**header, kind: (STRUCT, kept)})
    size, values = _number(header, _SIZE), _number(own, 1)
    if size > _LARGEST_CHUNK:
        raise Otherwise
    if kind == _V1:
        if get(own, 3) != _LEVELS_BY_RUNS or not 0 <= get(own, 4) < len(ENCODINGS):
            raise Otherwise
        return Page(new, begin, end, values, nulls, size, True, None)
    levels = _number(own, 5)
    if get(own, 6) or levels > min(size, end - begin) or get(own, 3) != values or nulls not in (None, get(own, 2)):  # in no list
        raise Otherwise
    return Page(new, begin, end, values, get(own, 2), size - levels, get(own, 7, True), levels)


def _body(page: Page, data: bytes, codec: int, *, optional: bool) -> tuple[bytes | memoryview | None, bytes | memoryview]:
    """A page's levels, None where it has none, and its references."""
    stored = memoryview(data)[page.begin + (page.levels or 0) : page.end]
    if page.levels is not None:
        body = uncompressed(stored, codec, page.size) if page.compressed and page.size else stored
        return (memoryview(data)[page.begin : page.begin + page.levels] if optional else None), body
    body = memoryview(uncompressed(stored, codec, page.size))
    if not optional:
        return None, body
    length = int.from_bytes(body[:4], "little")
    if 4 + length > len(body):
        raise Otherwise
    return body[4 : 4 + length], body[4 + length :]


def _header(data: bytes, at: int) -> tuple[Struct, int]:
    try:
        return formed(PAGE_HEADER, data, at, _OPENED)
    except thrift.ThriftError:
        raise Otherwise from None


def _number(struct: Struct, number: int) -> int:
    found = get(struct, number)
    if not isinstance(found, int) or found < 0:
        raise Otherwise
    return found


def _check(header: Struct, body: bytes | memoryview) -> None:
    """
    Raises:
        Otherwise: the page has a checksum, and it is of other bytes.
    """
    if _CRC in header and get(header, _CRC) & 0xFFFFFFFF != zlib.crc32(body):
        raise Otherwise


def _without_bounds(own: Struct, statistics: int) -> tuple[Struct, int | None]:
    """A data page's own header, with no more of its statistics than the number of its nulls; and that, if it is there."""
    if statistics not in own:
        return own, None
    rest = {number: held for number, held in own.items() if number != statistics}
    try:
        said, _ = formed(STATISTICS, own[statistics][1])
    except thrift.ThriftError:
        raise Otherwise from None
    nulls = get(said, _NULLS)
    return ({**rest, statistics: (STRUCT, {_NULLS: said[_NULLS]})} if _NULLS in said else rest), nulls


def dictionary_header(page: PlainPage, encoding: int) -> bytes:
    """The header of a dictionary page of these values."""
    own: Struct = {1: (thrift.I32, page.values), 2: (thrift.I32, encoding)}
    header: Struct = {_KIND: (thrift.I32, _DICTIONARY_PAGE), _SIZE: (thrift.I32, page.size), _STORED: (thrift.I32, len(page.body))}
    if page.checked:
        crc = zlib.crc32(page.body)
        header[_CRC] = thrift.I32, crc - (1 << 32) if crc >> 31 else crc
    return thrift.encode({**header, _DICTIONARY: (STRUCT, own)})
