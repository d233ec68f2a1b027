"""How the columns of a file are stored, followed when it is written again: what pyarrow's writer is told, leaf by leaf.

Of compression only the codec is in a file; level, page size and the reason for an encoding are not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from instar.formats.errors import UnreadableError, Where

from . import thrift
from .footer import BOOLEAN, CODECS, ENCODINGS, INT32, INT64, Element, Footer, codecs_used, get, items
from .footer_form import Form
from .page_form import BLOOM_FILTER, PAGE_HEADER, formed
from .source import Source
from .thrift import Struct

WRITABLE_CODECS = {"UNCOMPRESSED": "NONE", "SNAPPY": "SNAPPY", "GZIP": "GZIP", "BROTLI": "BROTLI", "ZSTD": "ZSTD", "LZ4_RAW": "LZ4"}
_NEAREST = WRITABLE_CODECS | {"LZ4": "LZ4"}  # what is taken where it is allowed: LZ4 without Hadoop's frames
_PLAIN_DICTIONARY, _RLE_DICTIONARY = 2, 8
_LEVEL_ENCODINGS = {0, 3, 4}  # PLAIN, and RLE and BIT_PACKED, which levels use
_OWN_HEADERS = {5: {}, 7: {}, 8: {}}  # fields of PageHeader: what it says of a page of each kind
_FALSE_POSITIVES = 0.01  # what writers aim at by default


def codecs(footer: Footer, leaf: int) -> set[str]:
    """The codecs of a leaf's chunks by name."""
    if footer.outlines is not None:
        return {_named(CODECS, group.codecs[leaf]) for group in footer.outlines}
    return {_named(CODECS, get(meta, 4, 0)) for meta in footer.metas(leaf)}


def _named(names: Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else f"codec {number}"


def uses_dictionary(footer: Footer, leaf: int) -> bool | None:
    """Has a chunk of the leaf a dictionary? None where no chunk says, and for booleans, which have none (old writers claim one)."""
    metas = footer.metas(leaf)
    if any(get(meta, 1) == BOOLEAN for meta in metas) or not any(get(meta, 5, 0) for meta in metas):
        return None
    return any({_PLAIN_DICTIONARY, _RLE_DICTIONARY} & set(items(meta, 2)) for meta in metas)


def has_statistics(footer: Footer, leaf: int) -> bool:
    return any(12 in meta for meta in footer.metas(leaf)) or not footer.rows


def has_page_index(footer: Footer) -> bool:
    if footer.outlines is not None:
        return any(any(group.offset_index_at) for group in footer.outlines)
    return any(4 in chunk for group in footer.row_groups for chunk in items(group, 1))


def has_bloom_filter(footer: Footer, leaf: int) -> bool:
    return any(14 in meta for meta in footer.metas(leaf))


def is_whole_decimal(footer: Footer, leaf: int) -> bool:
    """Is the leaf a decimal that is stored as an integer?"""
    struct = footer.leaves[leaf].struct
    return get(struct, 1) in (INT32, INT64) and (get(struct, 6) == 5 or 5 in get(struct, 10, {}))


def writer_options(source: Source, written: Footer, origins: Sequence[int | None]) -> dict[str, Any]:
    """The options for `pyarrow.parquet.ParquetWriter`. `written` is the layout pyarrow gives the new file, `origins` the source
    leaf that each of its leaves is carried or computed from, None for a new one.

    Raises:
        UnreadableError: a page header that must be looked at is damaged.
    """
    old = source.footer
    paths = [dotted(leaf) for leaf in written.leaves]
    pairs = list(zip(paths, origins, strict=True))
    usual = _usual_codec(old)
    page = first_page(source)
    dictionary = [path for path, leaf in pairs if leaf is None or uses_dictionary(old, leaf) is not False]
    options: dict[str, Any] = {
        "store_schema": False,
        "compression": {path: usual if leaf is None else _codec(old, leaf, usual) for path, leaf in pairs},
        "use_dictionary": dictionary,
        "write_statistics": [path for path, leaf in pairs if leaf is None or has_statistics(old, leaf)],
        "write_page_index": has_page_index(old),
        "data_page_version": "2.0" if page and get(page, 1) == 3 else "1.0",
        "write_page_checksum": page is not None and 4 in page,
    }
    alike = [leaf if leaf is not None and old.leaves[leaf].physical == new.physical else None
             for leaf, new in zip(origins, written.leaves, strict=True)]  # fmt: skip
    encoded = {path: name for path, leaf in zip(paths, alike, strict=True) if leaf is not None and (name := _encoding(old, leaf))}
    if encodings := {path: name for path, name in encoded.items() if path not in dictionary}:
        options["column_encoding"] = encodings
    if filters := _bloom_filters(
        source, [pair for pair, new in zip(pairs, written.leaves, strict=True) if new.physical != BOOLEAN]
    ):
        options["bloom_filter_options"] = filters
    return options


def dotted(leaf: Element) -> str:
    """A leaf as pyarrow's options name it."""
    return ".".join(part.decode() for part in leaf.path)


def _codec(old: Footer, leaf: int, usual: str) -> str:
    found = [_NEAREST.get(name) for name in sorted(codecs(old, leaf))]
    return next((name for name in found if name), usual)


def _usual_codec(old: Footer) -> str:
    count = Counter(_named(CODECS, codec) for _, codec in dict.fromkeys(codecs_used(old)))
    return next((WRITABLE_CODECS[name] for name, _ in count.most_common() if name in WRITABLE_CODECS), "SNAPPY")


def _encoding(old: Footer, leaf: int) -> str | None:
    """The one special encoding of a leaf that has no dictionary."""
    special = {number for meta in old.metas(leaf) for number in items(meta, 2)} - _LEVEL_ENCODINGS
    if len(special) != 1 or special & {_PLAIN_DICTIONARY, _RLE_DICTIONARY}:
        return None
    name = _named(ENCODINGS, special.pop())
    return name if name in ("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT") else None


def first_page(source: Source) -> Struct | None:
    """The header of the file's first data page: its version and whether pages have checksums are said nowhere else."""
    footer = source.footer
    for group in range(len(footer.groups)):
        for leaf in range(len(footer.leaves)):
            meta = get(footer.chunk(group, leaf), 3, {})
            if get(meta, 5, 0) and get(meta, 9, 0) > 0:
                return page_header(source, get(meta, 9))
    return None


def page_header(source: Source, offset: int) -> Struct:
    """
    Raises:
        UnreadableError: it is damaged.
    """
    return _header(source, offset, PAGE_HEADER, "page")


def _header(source: Source, offset: int, form: Form, what: str) -> Struct:
    """A page's header may hold long statistics, so it is read in growing pieces."""
    failure = "it lies before the file"
    for length in (1 << 12, 1 << 16, 1 << 24) if offset >= 0 else ():
        with open(source.path, "rb") as file:
            file.seek(offset)
            data = file.read(length)
        try:
            return formed(form, data, 0, _OWN_HEADERS)[0]
        except thrift.ThriftError as error:
            failure = str(error)
            if len(data) < length:
                break
    raise UnreadableError(
        f"the {what} at byte {offset} is damaged: {failure}", hint="Write the file again.", where=Where(file=str(source.path))
    )


def _bloom_filters(source: Source, pairs: list[tuple[str, int | None]]) -> dict[str, dict[str, float | int]]:
    """A filter of the same size for each carried leaf that has one."""
    made: dict[str, dict[str, float | int]] = {}
    for path, leaf in pairs:
        offsets = [] if leaf is None else [get(meta, 14) for meta in source.footer.metas(leaf) if 14 in meta]
        if offsets:
            size = get(_header(source, offsets[0], BLOOM_FILTER, "bloom filter"), 1)
            made[path] = {"ndv": _distinct(size), "fpp": _FALSE_POSITIVES}
    return made


def _distinct(size: int) -> int:
    """How many distinct values a split-block filter of `size` bytes is made for (parquet-format's BloomFilter.md); a little
    less, as writers round up to a power of two."""
    return max(1, int(-math.log(1 - _FALSE_POSITIVES ** (1 / 8)) * size * 0.9))
