"""A Parquet file as it stands: its footer, its Arrow and logical schema, its stamp; and the schema several files share."""

from __future__ import annotations

import io
import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath

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
    Element,
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


@dataclass(frozen=True)
class Source:
    """An opened file. `arrow` is what pyarrow reads, INT96 as twelve raw bytes; `logical` has timestamps there."""

    path: FilePath
    footer: Footer
    metadata: pq.FileMetaData
    arrow: pa.Schema
    logical: Schema
    places: dict[Path, Place]
    int96: frozenset[Path]

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
    data, start, size = _footer_bytes(path)
    footer = parse_footer(data, path, start, size)
    leaves = int96_leaves(footer)
    whole = framed(as_fixed_bytes(footer)) if leaves else data + len(data).to_bytes(4, "little") + MAGIC
    metadata, arrow = _understood(whole, path)
    logical, found, raw = _logical(path, footer.root, arrow, leaves)
    return Source(path, footer, metadata, arrow, logical, found, raw)


def facts(path: FilePath) -> FileFacts:
    """What the footer says; see `Format.inspect`."""
    data, start, size = _footer_bytes(path)
    footer = parse_footer(data, path, start, size)
    if len(data) > _ORDINARY_LENGTH or not is_ordinary(footer.struct):
        _understood(framed(as_fixed_bytes(footer) if int96_leaves(footer) else footer.struct), path)
    return FileFacts(
        format="parquet",
        layout="parquet",
        size=size,
        rows=get(footer.struct, 3),
        schema=_shared_schema(footer, path),
        stamp=stamp_of(footer),
        bytes_uncompressed=sum(get(group, 2) for group in footer.row_groups),
        physical={
            "row_groups": footer.rows,
            "created_by": get(footer.struct, 6, b"").decode("utf-8", "replace"),
        },
        form=_one((footer.schema, _hints(footer), frozenset(codecs_used(footer)))),
    )


@lru_cache(maxsize=64)
def _one(form: Hashable) -> Hashable:
    """The first of equal forms: 10,000 files hold it once."""
    return form


def stamp_of(footer: Footer) -> Stamp | None:
    """The subject and version among the key-values; None where they are missing or no version."""
    subject, version = footer.key_values.get(SUBJECT), footer.key_values.get(VERSION)
    if not subject or not version or not version.isdigit():
        return None
    return Stamp(subject.decode("utf-8", "replace"), int(version))


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


def _understood(footer: bytes, path: FilePath) -> tuple[pq.FileMetaData, pa.Schema]:
    """A framed footer as pyarrow understands it. Only for footers that are known not to be encrypted: pyarrow aborts on some."""
    try:
        file = pq.ParquetFile(pa.BufferReader(MAGIC + footer))
        return file.metadata, file.schema_arrow.remove_metadata()
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from None


def understood(footer: Footer, path: FilePath) -> Schema:
    """The logical schema that a footer means.

    Raises:
        FileError: as `open_source`.
    """
    leaves = int96_leaves(footer)
    _, arrow = _understood(framed(as_fixed_bytes(footer) if leaves else footer.struct), path)
    return _logical(path, footer.root, arrow, leaves)[0]


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


def _logical(
    path: FilePath, root: Element, arrow: pa.Schema, leaves: tuple[int, ...]
) -> tuple[Schema, dict[Path, Place], frozenset[Path]]:
    schema = _remembered(path, arrow)
    found = places(root, schema.record)
    if not leaves:
        return schema, found, frozenset()
    paths = leaf_paths(found)
    raw = frozenset(paths[leaf] for leaf in leaves if leaf in paths and found[paths[leaf]].element.leaf == leaf)
    return Schema(with_timestamps(schema.root, (), raw)), found, raw


def _shared_schema(footer: Footer, path: FilePath) -> Schema:
    """The logical schema of a footer as pyarrow understands it; known already where there was one like it.

    Raises:
        UnreadableError: as `open_source`.
    """
    hints = _hints(footer)
    if len(hints) < 2:
        with suppress(UnreadableError):
            return _schema_meant(footer.schema, hints, get(footer.struct, 7))
    return understood(footer, path)  # which says what is wrong with this very file


def _hints(footer: Footer) -> tuple[bytes | None, ...]:
    """The Arrow schemas that it remembers: at most one, if all is well."""
    return tuple(get(pair, 2) for pair in items(footer.struct, 5) if get(pair, 1) == ARROW_SCHEMA)


@lru_cache(maxsize=64)
def _schema_meant(schema: bytes, hints: tuple[bytes | None, ...], orders: bytes | None) -> Schema:
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
