"""A Parquet file's footer: read, looked at, changed and written back with every field of it, known or not.

Source of all numbers: the Apache Parquet project's parquet.thrift.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path as FilePath
from typing import Any

from instar.formats.errors import UnreadableError, Where

from . import thrift
from .footer_form import ORDINARY_FILE, check_elements, check_footer
from .outlines import Form, Outlines, outlined
from .thrift import BINARY, I32, LIST, STRUCT, Struct

MAGIC, ENCRYPTED_MAGIC = b"PAR1", b"PARE"
BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED = range(8)
PHYSICAL = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
REQUIRED, OPTIONAL, REPEATED = range(3)
CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")
ENCODINGS = ("PLAIN", "GROUP_VAR_INT", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY",
             "DELTA_BYTE_ARRAY", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT")  # fmt: skip

_LIST_ALONE = bytes([1 << 4 | LIST])  # the head of a struct's first field
_CHUNK = {3: {2: True, 3: True, 8: True, 13: True}}
_OPENED = {4: {1: _CHUNK, 4: True}, 5: True}
_OUTLINED = {4: {4: True}, 5: True}
_DAMAGE = (thrift.ThriftError, IndexError, KeyError, TypeError, RecursionError)


def get(struct: Struct, number: int, default: Any = None) -> Any:
    """The value of a field, or `default`."""
    return struct[number][1] if number in struct else default


def items(struct: Struct, number: int) -> list[Any]:
    """The elements of a list field; none where it is absent."""
    return struct[number][1][1] if number in struct else []


@dataclass(frozen=True)
class Element:
    """A schema element with its place in the tree. `leaf` is its ordinal among the leaves, None for a group."""

    struct: Struct
    path: tuple[bytes, ...]
    children: tuple[Element, ...]
    leaf: int | None

    @property
    def name(self) -> str:
        return self.path[-1].decode("utf-8", "surrogateescape") if self.path else ""

    @property
    def repetition(self) -> int:
        return get(self.struct, 3, REQUIRED)

    @property
    def physical(self) -> int | None:
        return get(self.struct, 1)

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in file order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def leaves(self) -> Iterator[Element]:
        return (element for element in self.walk() if element.leaf is not None)

    @cached_property
    def all_leaves(self) -> tuple[Element, ...]:
        """The leaves of a root by their ordinals."""
        return tuple(self.leaves())

    @cached_property
    def chains(self) -> tuple[tuple[Element, tuple[int, ...]], ...]:
        """Each leaf of a root with the repetitions that make levels, from the root to itself."""
        found: list[tuple[Element, tuple[int, ...]]] = []

        def visit(element: Element, above: tuple[int, ...]) -> None:
            here = above if element.repetition == REQUIRED else (*above, element.repetition)
            if element.leaf is not None:
                found.append((element, here))
            for child in element.children:
                visit(child, here)

        for child in self.children:
            visit(child, ())
        return tuple(found)

    @cached_property
    def forms(self) -> list[Form]:
        """What the chunks of each leaf of a root are held to."""
        return [(_bytes_of(leaf.path), leaf.physical or 0, levels.count(REPEATED), len(levels)) for leaf, levels in self.chains]


def _bytes_of(path: tuple[bytes, ...]) -> bytes:
    return thrift.encode({1: (LIST, (BINARY, list(path)))})[len(_LIST_ALONE) : -1]


@dataclass(frozen=True)
class Footer:
    """A decoded footer. `start` is where it begins in a file of `size` bytes, `schema` the bytes of its schema elements.

    `bare` is FileMetaData. Where all column chunks are ordinary, `outlines` has them by row group and leaf, and in `bare` they are
    raw: a table of hundreds of columns has thousands, of which few are looked at. Footers of one schema share its elements, and
    nothing of a footer is ever changed in place.
    """

    bare: Struct
    root: Element
    start: int
    size: int
    schema: bytes
    outlines: tuple[Outlines, ...] | None = None

    @cached_property
    def struct(self) -> Struct:
        """FileMetaData, with its column chunks."""
        if self.outlines is None:
            return self.bare
        groups = [
            {**group, 1: (LIST, (STRUCT, [self.chunk(number, leaf) for leaf in range(len(self.leaves))]))}
            for number, group in enumerate(self.groups)
        ]
        return {**self.bare, 4: (LIST, (STRUCT, groups))}

    @cached_property
    def _opened(self) -> dict[tuple[int, int], Struct]:
        return {}

    def chunk(self, group: int, leaf: int) -> Struct:
        """The ColumnChunk struct of a leaf in a row group."""
        if self.outlines is None:
            return items(self.groups[group], 1)[leaf]
        if (group, leaf) not in self._opened:
            self._opened[group, leaf] = thrift.decode(self.outlines[group].structs[leaf], 0, _CHUNK)[0]
        return self._opened[group, leaf]

    @property
    def groups(self) -> list[Struct]:
        """The row groups, whose column chunks may be raw."""
        return items(self.bare, 4)

    @property
    def row_groups(self) -> list[Struct]:
        """The row groups with all their column chunks, which is dear where these are many."""
        return items(self.struct, 4)

    @property
    def rows(self) -> list[int]:
        """The number of rows of each row group."""
        return [get(group, 3, 0) for group in self.groups]

    @property
    def columns(self) -> tuple[Element, ...]:
        return self.root.children

    @property
    def key_values(self) -> dict[bytes, bytes | None]:
        """Of a key that is there more than once the last value, as readers take it."""
        return {get(pair, 1, b""): get(pair, 2) for pair in items(self.bare, 5)}

    @property
    def contradicted_keys(self) -> list[bytes]:
        """The keys that are there more than once, and not with one value."""
        said, last = {(get(pair, 1, b""), get(pair, 2)) for pair in items(self.bare, 5)}, self.key_values
        return sorted({key for key, value in said if value != last[key]})

    @property
    def leaves(self) -> tuple[Element, ...]:
        """The leaves by their ordinals."""
        return self.root.all_leaves

    def chunks(self, leaf: int) -> list[Struct]:
        """The ColumnChunk structs of a leaf, one a row group."""
        return [self.chunk(group, leaf) for group in range(len(self.groups))]

    def metas(self, leaf: int) -> list[Struct]:
        """The ColumnMetaData structs of a leaf, one a row group."""
        return [get(chunk, 3, {}) for chunk in self.chunks(leaf)]


def codecs_used(footer: Footer) -> Iterator[tuple[int, int]]:
    """Leaf and number of a codec, for each chunk."""
    if footer.outlines is not None:
        for group in footer.outlines:
            yield from enumerate(group.codecs)
        return
    for group in footer.row_groups:
        for leaf, chunk in enumerate(items(group, 1)):
            yield leaf, get(get(chunk, 3, {}), 4, 0)  # as pyarrow takes a codec that a damaged footer lacks


def read_footer(path: FilePath) -> Footer:
    """The footer of a Parquet file.

    Raises:
        UnreadableError: the file is empty, truncated, encrypted or no Parquet file; or its footer is damaged.
    """
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(4)
        file.seek(max(size - 8, 0))
        tail = file.read(8)
        length = checked_length(path, size, head, tail)
        file.seek(size - 8 - length)
        return parse_footer(file.read(length), path, size - 8 - length, size)


def checked_length(path: FilePath, size: int, head: bytes, tail: bytes) -> int:
    """The footer's length, from a file's first four and last eight bytes.

    Raises:
        UnreadableError: as `read_footer`.
    """
    where = Where(file=str(path))
    if size == 0:
        raise UnreadableError("the file is empty (0 bytes), which no Parquet file is", where=where,
                              hint="Delete it or write it again: a Parquet file without rows still has a footer.")  # fmt: skip
    if ENCRYPTED_MAGIC in (head, tail[4:]):
        raise encrypted(path)
    if head != MAGIC:
        raise UnreadableError("not a Parquet file: it does not begin with PAR1", where=where,
                              hint="Move it out of the dataset, or leave it out with `exclude`.")  # fmt: skip
    length = int.from_bytes(tail[:4], "little")
    if size < 12 or tail[4:] != MAGIC:
        raise UnreadableError("the file is truncated: it does not end with PAR1", where=where,
                              hint="Its writer did not finish, or a copy broke off; write or copy it again.")  # fmt: skip
    if not 0 < length <= size - 12:
        raise UnreadableError(f"the file is damaged: its footer would have {length} of {size} bytes", where=where,
                              hint="Write or copy it again.")  # fmt: skip
    return length


def encrypted(path: FilePath) -> UnreadableError:
    return UnreadableError("the file is encrypted", where=Where(file=str(path)),
                     hint="Instar has no keys: decrypt it first, or leave it out with `exclude`.")  # fmt: skip


def parse_footer(data: bytes, path: FilePath, start: int = 0, size: int = 0) -> Footer:
    """The footer from its bytes.

    Raises:
        UnreadableError: it is damaged or of an encrypted file.
    """
    if footer := _outlined(data, start, size):
        return footer
    try:
        footer = _opened(data, start, size)
    except _DAMAGE as error:
        raise UnreadableError(
            f"the footer is damaged: {error}", hint="Write or copy the file again.", where=Where(file=str(path))
        ) from None
    if 8 in footer.bare or any(8 in chunk for group in footer.row_groups for chunk in items(group, 1)):
        raise encrypted(path)
    if any(len(items(group, 1)) != len(footer.leaves) for group in footer.row_groups):
        raise UnreadableError("the footer is damaged: a row group does not have one chunk for each column",
                              where=Where(file=str(path)), hint="Write the file again.")  # fmt: skip
    return footer


def _opened(data: bytes, start: int, size: int) -> Footer:
    """
    Raises:
        ThriftError, and what else `parse_footer` takes for damage.
    """
    bare, _ = thrift.decode(data, 0, _OPENED)
    check_footer(bare)
    schema, struct, root = _with_elements_of(bare)
    return Footer(struct, root, start, size, schema)


def _outlined(data: bytes, start: int, size: int) -> Footer | None:
    """The same without opening a column chunk; None where one is not ordinary, or nothing compiled looks at them."""
    if not thrift.compiled:
        return None
    try:
        bare, _ = thrift.decode(data, 0, _OUTLINED)
        if not bare.keys() <= ORDINARY_FILE:
            return None
        check_footer(bare)
        schema, struct, root = _with_elements_of(bare)
    except _DAMAGE:  # said of it is what is found when all is opened
        return None
    found: list[Outlines] = []
    for group in items(bare, 4):
        wire, chunks = group[1]
        outlines = outlined(chunks, root.forms) if wire == LIST | thrift.RAW else None
        if outlines is None:
            return None
        found.append(outlines)
    return Footer(struct, root, start, size, schema, tuple(found))


def _with_elements_of(bare: Struct) -> tuple[bytes, Struct, Element]:
    """The bytes of the schema elements, FileMetaData with these opened, and their tree."""
    wire, schema = bare[2]
    elements, root = elements_of(schema)
    return schema, {**bare, 2: (wire & ~thrift.RAW, elements)}, root


@lru_cache(maxsize=64)
def elements_of(raw: bytes) -> tuple[tuple[int, list[Struct]], Element]:
    """The schema elements that stand in a list's bytes, and their tree: thousands of files of a dataset share them.

    Raises:
        ThriftError, and what else `parse_footer` takes for damage.
    """
    held: tuple[int, list[Struct]] = thrift.decode(_LIST_ALONE + raw + b"\0")[0][1][1]
    if held[1] and held[0] != STRUCT:
        raise thrift.ThriftError("field 2 of FileMetaData is of another type")
    check_elements(held[1])
    root, used, _ = _tree(held[1], 0, (), 0)
    if used != len(held[1]):
        raise thrift.ThriftError("the schema's elements do not form one tree")
    return held, root


def tree_of(elements: list[Struct]) -> Element:
    """The tree that schema elements form, which are known to form one; as a footer's reader finds it."""
    struct, _ = thrift.decode(thrift.encode({2: (LIST, (STRUCT, elements))}))
    return _tree(items(struct, 2), 0, (), 0)[0]


def _tree(elements: list[Struct], at: int, above: tuple[bytes, ...], leaf: int, depth: int = 0) -> tuple[Element, int, int]:
    """The element at `at` with all below it; the next position; the next leaf's ordinal."""
    struct = elements[at]
    path = (*above, get(struct, 4, b"")) if depth else ()
    count = get(struct, 5, 0)
    if depth and not count and 1 in struct:
        return Element(struct, path, (), leaf), at + 1, leaf + 1
    children: list[Element] = []
    at += 1
    for _ in range(count):
        child, at, leaf = _tree(elements, at, path, leaf, depth + 1)
        children.append(child)
    return Element(struct, path, tuple(children), None), at, leaf


def framed(struct: Struct) -> bytes:
    """A footer as it stands at a file's end: the struct, its length, the magic."""
    data = thrift.encode(struct)
    return data + len(data).to_bytes(4, "little") + MAGIC


def replace_footer(path: FilePath, footer: Footer, struct: Struct) -> None:
    """Writes another footer in place of a file's own. Only for a file that nobody reads yet."""
    with open(path, "r+b") as file:
        file.seek(footer.start)
        file.write(framed(struct))
        file.truncate()


def with_elements(struct: Struct, elements: list[Struct]) -> Struct:
    return {**struct, 2: (LIST, (STRUCT, elements))}


def with_key_values(struct: Struct, pairs: dict[bytes, bytes | None]) -> Struct:
    """The footer with these key-values, in their order; without the field where there are none."""
    given = [{1: (BINARY, key)} | ({2: (BINARY, value)} if value is not None else {}) for key, value in pairs.items()]
    rest = {number: held for number, held in struct.items() if number != 5}
    return rest | ({5: (LIST, (STRUCT, given))} if given else {})


def flat(root: Element) -> list[Struct]:
    """The tree as the footer's list of elements."""
    return [element.struct for element in root.walk()]


def as_fixed(struct: Struct) -> Struct:
    """An INT96 schema element as FIXED_LEN_BYTE_ARRAY(12): the same bytes in every encoding both have."""
    bare = {number: held for number, held in struct.items() if number not in (6, 10)}
    return {**bare, 1: (I32, FIXED), 2: (I32, 12)}
