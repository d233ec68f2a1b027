"""A Parquet file as it stands: its footer, its Arrow and logical schema, its stamp; and the schema several files share."""

from __future__ import annotations

import io
import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path as FilePath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.arrow import logical_schema
from instar.formats.errors import FileError, SchemaError, UnreadableError, Where
from instar.formats.fingerprint import differences
from instar.formats.format import FileFacts, Stamp
from instar.formats.path import Path, path_text
from instar.formats.schema import Field, List, Map, Record, Schema, Type

from .footer import (
    MAGIC,
    Footer,
    checked_length,
    codecs_used,
    elements_of,
    framed,
    get,
    items,
    parse_footer,
    with_key_values,
)
from .footer_form import is_ordinary
from .int96 import as_fixed_bytes, int96_leaves, with_timestamps
from .places import Place, leaf_paths, places
from .thrift import I32, I64, LIST, RAW, STRUCT, Struct

SUBJECT, VERSION = b"instar.subject", b"instar.version"
ARROW_SCHEMA = b"ARROW:schema"
_TAIL = 1 << 16  # most footers end in it
_ORDINARY_LENGTH = 1 << 20  # pyarrow has limits of its own for long ones


class Meaning(NamedTuple):
    """What the schema elements of a footer mean. `arrow` is what pyarrow reads, INT96 (at the places `int96`) as twelve raw bytes;
    `logical` has timestamps there."""

    arrow: pa.Schema
    logical: Schema
    places: dict[Path, Place]
    int96: frozenset[Path]


@dataclass(frozen=True)
class Source:
    """An opened file: its footer, and what that means, as in `Meaning`."""

    path: FilePath
    footer: Footer
    arrow: pa.Schema
    logical: Schema
    places: dict[Path, Place]
    int96: frozenset[Path]

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        """The footer as pyarrow understands it.

        Raises:
            UnreadableError: it does not.
        """
        return _understood(self.footer, self.path)[0]

    @contextmanager
    def reader(self, read_dictionary: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
        """A reader that buffers little, uses one thread and checks the pages' checksums; `read_dictionary` are text columns, by
        their names in the file, that come as dictionaries."""
        file = pq.ParquetFile(
            self.path,
            metadata=self.metadata,
            memory_map=False,
            read_dictionary=list(read_dictionary) or None,
            buffer_size=1 << 18,
            pre_buffer=False,
            page_checksum_verification=True,
        )
        with file:
            yield file


def open_source(path: FilePath) -> Source:
    """Reads and understands a file's footer.

    Raises:
        UnreadableError: empty, truncated, damaged, encrypted, two columns with one name, or nothing pyarrow can read.
    """
    footer = _footer(path)
    meant = _meaning(footer, path)
    return Source(path, footer, meant.arrow, meant.logical, meant.places, meant.int96)


def facts(path: FilePath) -> FileFacts:
    """What the footer says; see `Format.inspect`."""
    footer = _footer(path)
    return FileFacts(
        format="parquet",
        layout="parquet",
        size=footer.size,
        rows=sum(footer.rows),
        schema=_meaning(footer, path).logical,
        stamp=stamp_of(footer),
        bytes_uncompressed=sum(get(group, 2) for group in footer.groups),
        physical={
            "row_groups": footer.rows,
            "created_by": get(footer.bare, 6, b"").decode("utf-8", "replace"),
        },
        form=_one((footer.schema, _hints(footer), frozenset(codecs_used(footer)))),
    )


@lru_cache(maxsize=64)
def _one(form: Hashable) -> Hashable:
    """The first of equal forms: 10,000 files hold it once."""
    return form


def stamp_of(footer: Footer) -> Stamp | None:
    """The subject and version among the key-values; None where they are missing or no version."""
    return Stamp.read(footer.key_values.get(SUBJECT), footer.key_values.get(VERSION))


def _footer(path: FilePath) -> Footer:
    """A file's footer; pyarrow is only asked whether it can read one that has what others do not have."""
    data, start, size = _footer_bytes(path)
    footer = parse_footer(data, path, start, size)
    if len(data) > _ORDINARY_LENGTH or not (footer.outlines is not None or is_ordinary(footer.bare)):
        _understood(footer, path)
    return footer


def _footer_bytes(path: FilePath) -> tuple[bytes, int, int]:
    """The footer's bytes, where they start, and the file's size; one read for most files."""
    try:
        str(path).encode()
    except UnicodeEncodeError:  # Python keeps bytes that are no text as lone surrogates
        raise UnreadableError(
            "its name is not valid UTF-8, and no reader of Parquet can be told it",
            hint="Rename it, or leave it out with `exclude`.",
            where=Where(file=str(path)),
        ) from None
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            tail = _rest(file, max(size - _TAIL, 0), size)
            head = tail[:4] if size <= _TAIL else _rest(file, 0, 4)
            length = checked_length(path, size, head, tail[-8:])
            if length + 8 > len(tail):
                tail = _rest(file, size - 8 - length, size)
    except OSError as error:
        raise UnreadableError(
            f"cannot be read: {error.strerror}", hint="Check the file's permissions.", where=Where(file=str(path))
        ) from error
    return tail[-8 - length : -8], size - 8 - length, size


def _rest(file: io.FileIO, start: int, end: int) -> bytes:
    """What stands between two places; less where the file ends before."""
    file.seek(start)
    data = file.read(end - start) or b""
    while start + len(data) < end and (more := file.read(end - start - len(data))):  # one read gives 2 GB at most
        data += more
    return data


def _understood(footer: Footer, path: FilePath) -> tuple[pq.FileMetaData, pa.Schema]:
    """A footer as pyarrow understands it, INT96 as twelve raw bytes. It is known not to be encrypted: pyarrow aborts on some."""
    struct = as_fixed_bytes(footer) if int96_leaves(footer) else footer.bare
    try:
        file = pq.ParquetFile(pa.BufferReader(MAGIC + framed(struct)))
        return file.metadata, file.schema_arrow.remove_metadata()
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from None


def understood(footer: Footer, path: FilePath) -> Meaning:
    """What a footer means.

    Raises:
        FileError: as `open_source`.
    """
    _, arrow = _understood(footer, path)
    schema = _remembered(path, arrow)
    found = places(footer.root, schema.record)
    leaves = int96_leaves(footer)
    if not leaves:
        return Meaning(arrow, schema, found, frozenset())
    paths = leaf_paths(found)
    raw = frozenset(paths[leaf] for leaf in leaves if leaf in paths and found[paths[leaf]].element.leaf == leaf)
    return Meaning(arrow, Schema(with_timestamps(schema.root, (), raw)), found, raw)


def unreadable(path: FilePath, error: Exception, place: str = "") -> UnreadableError:
    """pyarrow's refusal to read a file, as one of ours; `place`: where in it, to be said behind."""
    return UnreadableError(
        f"cannot be read: {error}{place}",
        hint="Restore the file or write it again, or leave it out with `exclude`.",
        where=Where(file=str(path)),
    )


def too_large(path: FilePath, group: int, error: MemoryError) -> UnreadableError:
    """A part of a row group that cannot be read a piece at a time and does not fit into memory: a page, a dictionary, a value."""
    return UnreadableError(
        f"row group {group} holds a value or a page that does not fit into memory: {error}",
        hint="Run where there is more memory, write the file again in smaller pieces, or leave it out with `exclude`.",
        where=Where(file=str(path)),
    )


def _meaning(footer: Footer, path: FilePath) -> Meaning:
    """What a footer means to pyarrow; known already where there was one of the same schema.

    Raises:
        UnreadableError: as `open_source`.
    """
    hints = _hints(footer)
    if len(hints) < 2:
        with suppress(UnreadableError):
            return _meant(footer.schema, hints, get(footer.bare, 7))
    return understood(footer, path)  # which says what is wrong with this very file


def _hints(footer: Footer) -> tuple[bytes | None, ...]:
    """The Arrow schemas that it remembers: at most one, if all is well."""
    return tuple(get(pair, 2) for pair in items(footer.bare, 5) if get(pair, 1) == ARROW_SCHEMA)


@lru_cache(maxsize=64)
def _meant(schema: bytes, hints: tuple[bytes | None, ...], orders: bytes | None) -> Meaning:
    """What schema elements mean, with the Arrow schema that the file remembers and its column orders; nothing else of a footer
    plays a part in it."""
    held, root = elements_of(schema)
    bare: Struct = {1: (I32, 2), 2: (LIST, held), 3: (I64, 0), 4: (LIST, (STRUCT, []))}
    bare |= {7: (LIST | RAW, orders)} if orders is not None else {}
    struct = with_key_values(bare, {ARROW_SCHEMA: hints[0]}) if hints else bare
    return understood(Footer(struct, root, 0, 0, schema), FilePath())


def _remembered(path: FilePath, arrow: pa.Schema) -> Schema:
    try:
        return _logical_of(arrow.serialize().to_pybytes())
    except SchemaError as error:
        raise UnreadableError(
            f"its schema cannot be used: {error.message}",
            hint=error.hint,
            where=Where(file=str(path), path=error.where and error.where.path),
        ) from None


@lru_cache(maxsize=64)
def _logical_of(message: bytes) -> Schema:
    """The logical schema of an Arrow schema message: thousands of files of a dataset share one."""
    return logical_schema(pa.ipc.read_schema(pa.py_buffer(message)))


# ---- what several files have in common
def common_schema(paths: Sequence[FilePath]) -> Schema:
    """The schema of all files: the first's, nullable wherever any says so.

    Raises:
        FileError: two differ in structure; names both files, the field and both types.
    """
    if not paths:
        raise FileError("there are no files to infer a schema from", hint="Name at least one Parquet file.")
    first, *rest = paths
    schema = facts(first).schema
    assert schema is not None
    for path in rest:
        other = facts(path).schema
        assert other is not None
        if other is schema:
            continue
        if found := differences(other, schema):
            raise _differing(path, first, found[0].path, found[0].found, found[0].expected)
        schema = Schema(_looser(schema.root, other.root))
    return schema


def _differing(path: FilePath, first: FilePath, at: Path, found: str | None, expected: str | None) -> FileError:
    name = path_text(at) or "the record"
    here, there = found or "missing", expected or "missing"
    return FileError(
        f"{name} is {here} in {path}, and {there} in {first}",
        hint="Files of one version agree in names and types: adopt them apart, or bring them to one schema first.",
        where=Where(file=str(path), path=path_text(at), found=found, expected=expected),
    )


def _looser(a: Field, b: Field) -> Field:
    """`a`, nullable wherever `a` or `b` is; the structures are equal."""
    return a.with_(nullable=a.nullable or b.nullable, type=_looser_type(a.type, b.type))


def _looser_type(a: Type, b: Type) -> Type:
    match a, b:
        case Record(fields), Record():
            return Record(tuple(_looser(f, b[f.name]) for f in fields), a.name)
        case List(x), List(y):
            return List(_looser(x, y))
        case Map(x), Map(y):
            return Map(_looser(x, y), a.key)
        case _:
            return a
