"""The contract of a data format: its schema documents, its files, and how a file is rewritten.

There are three, `parquet`, `avro` and `json`, each a package beside this file with a `FORMAT` object. Two *shapes* exist: a
`columns` format hands `pyarrow.RecordBatch`es to a conversion; a `records` format hands lists of raw records, opened and decoded
only where the conversion touches them, by its `Values` (`values.py`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .errors import ConfigurationError, DataError, suggestion
from .path import Path
from .schema import Field, Schema
from .splice import Splice, Way

if TYPE_CHECKING:
    import pyarrow as pa

    from .values import Values

FORMATS = ("parquet", "avro", "json")


def format_named(name: str) -> Format:
    """The format object; its package is imported only now.

    Raises:
        ConfigurationError: no such format.
    """
    if name not in FORMATS:
        raise ConfigurationError(f"there is no format {name!r}", hint=suggestion(name, FORMATS))
    from importlib import import_module

    return import_module(f"instar.formats.{name}").FORMAT


@dataclass(frozen=True)
class Stamp:
    """What a file says of itself: `instar.subject` and `instar.version` among its key-values. Never more than a hint."""

    subject: str
    version: int

    @classmethod
    def read(cls, subject: bytes | None, version: bytes | None) -> Stamp | None:
        """The stamp that these two values say; None where one is missing, or says nothing that can be read."""
        if not subject or version is None or not _VERSION.fullmatch(version):
            return None
        return cls(subject.decode("utf-8", "replace"), int(version))


_VERSION = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True)
class FileFacts:
    """What a file's header or footer says, no data decoded.

    `layout` names the file's form (parquet: "parquet"; avro: its codec; json: "lines", "array", "document", each also
    "….gz", "….zst"). `rows` is None where only a scan can tell; `schema` is None where files carry none (JSON).
    `bytes_uncompressed` is an estimate for balancing memory. `physical` is JSON-able: what fidelity compares. Of files
    of one `form` a rewrite keeps everything, or of none (`Format.unkeepable`); None where only looking at each tells.
    """

    format: str
    layout: str
    size: int
    rows: int | None
    schema: Schema | None
    stamp: Stamp | None
    bytes_uncompressed: int
    physical: Mapping[str, Any] = field(default_factory=dict)
    form: Hashable = None


@dataclass(frozen=True)
class Rewrite:
    """One file to be rewritten.

    `convert`: columns format: RecordBatch (the columns of `reads`, in the file's own storage types, at least one column) →
    RecordBatch of the target's columns; records format: list of raw records → list of raw records. It is called with
    consecutive batches in file order, and never holds on to them. It may be called with an empty batch to learn its output types.
    `carried`: target place → source place, for every place (leaf or nested) whose value is only carried: it keeps its storage,
    field id and metadata there. `target` is a new file; making it durable is the caller's business. `progress` is told how many
    more rows and source bytes are done (not totals). `touched`: the source places whose values an expression computes with, rather
    than only carries them; None where that is not known (Parquet decodes an INT96 strictly only where it is touched).

    A conversion may leave records out: `left_out` tells, after each call, their numbers in the batch that it was given, ascending;
    the rest came back in order.

    `splice` is the same conversion taken apart; None where everything is to pass through `convert`. `starts_at` tells `convert`
    which record of the file (from 0) is the first of its next batch, where the records before were not all given to it. `threads`:
    how many may work on the file.
    """

    source: FilePath
    target: FilePath
    convert: Callable[[Any], Any]
    source_schema: Schema
    target_schema: Schema
    reads: tuple[str, ...]
    carried: Mapping[Path, Path]
    stamp: Stamp | None
    memory: int
    progress: Callable[[int, int], None] = lambda rows, source_bytes: None
    touched: frozenset[Path] | None = None
    left_out: Callable[[], Sequence[int]] = tuple
    splice: Splice | None = None
    starts_at: Callable[[int], None] = lambda record: None
    threads: int = 1


@dataclass(frozen=True)
class Rewritten:
    """What a rewrite did. `notes` are for people: a row group split, a side file left out; `why` says why a file that might have
    been spliced was not. The new file's first `alike` bytes are the source's first, copied."""

    rows_in: int
    rows_out: int
    notes: tuple[str, ...] = ()
    way: Way = "rewritten"
    why: str = ""
    alike: int = 0


@dataclass(frozen=True)
class Unlike:
    """A physical property that differs between a source and its rewrite (fidelity), or that a rewrite could not keep.

    `code` is the name by which `fidelity.allow` lets it pass and under which the docs list it, such as "parquet.bloom-filter".
    """

    code: str
    message: str


@dataclass(frozen=True)
class Through:
    """A conversion that records pass through while they are read: `convert` as in a Rewrite, `target` the schema it leads to."""

    convert: Callable[[Any], Any]
    target: Schema


@dataclass(frozen=True)
class Range:
    """What a file says of a column's values in one of its parts: none is below `low` or above `high`, `nulls` whether any is null.

    The bounds are Python values or Arrow scalars, None where there are no values but nulls.
    """

    low: Any
    high: Any
    nulls: bool


def kept_rows(parts: Sequence[int], left_out: Sequence[int]) -> tuple[int, ...]:
    """How many records of each part of a file stay: `parts` says how many each has, `left_out` (ascending) which do not stay."""
    kept, first = [], 0
    for rows in parts:
        kept.append(rows - (bisect_left(left_out, first + rows) - bisect_left(left_out, first)))
        first += rows
    return tuple(kept)


def span(counts: Sequence[int]) -> str:
    """How large the parts of a file are: "1,200", "1,000 to 1,200", "none"."""
    if not counts:
        return "none"
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


class Format(Protocol):
    """One data format. Every method is pure or reads only; `rewrite` writes one new file."""

    name: str
    suffix: str
    """Of a schema document: `v1` + suffix."""
    shape: Literal["columns", "records"]
    codes: Mapping[str, str]
    """Every code of an `Unlike` that `unkeepable` or `fidelity` may find, and what it says."""

    # ---- schema documents
    def parse(self, text: str, *, library: Mapping[str, str] | None = None) -> Schema:
        """A native schema document to the logical schema. `library`: other registered documents by name, for references.

        Raises:
            SchemaError: not a valid document; names the place.
        """
        ...

    def render(self, schema: Schema) -> str:
        """The logical schema as a native document, pretty-printed, a final newline. `render(parse(text))` equals `text` as JSON.

        Raises:
            SchemaError: the format cannot hold a type or a name; says which, and what it can hold.
        """
        ...

    def check_new(self, field: Field, path: Path) -> None:
        """Can this format's files hold a new field like this at `path`, nested ones included?

        Raises:
            SchemaError: not so; says what to take instead. (A document may hold more than files can: Arrow's seconds.)
        """
        ...

    # ---- files
    def recognises(self, head: bytes, name: str) -> bool:
        """Is a file that begins with `head` (up to 64 KiB) one of this format? The name is only a hint."""
        ...

    def inspect(self, path: FilePath) -> FileFacts:
        """Header or footer only.

        Raises:
            UnreadableError: truncated, garbage, empty where that is not allowed, encrypted.
        """
        ...

    def count(self, path: FilePath) -> int:
        """The number of records; reads as much of the file as it must."""
        ...

    def infer(self, paths: Sequence[FilePath]) -> Schema:
        """The schema that these files have in common, to adopt them as version 1: a field is nullable if any file says so.

        Raises:
            FileError: two files differ in structure; names both files, the field and both types.
        """
        ...

    def validate(
        self, path: FilePath, schema: Schema, *, values: bool = True, broken: Callable[[DataError], None] | None = None
    ) -> str | None:
        """For files that carry no schema: None where every record fits, else the first misfit (record, field, both types).

        `values`: may it quote what records hold? (Never of a schema with fields that are tagged `pii`.) `broken` is told of each
        record that is none (its text is no JSON, a key is twice in it, it is no object), and the file judged without it.

        Raises:
            UnreadableError, MalformedError: the file, or a record where there is no `broken`, cannot be read.
        """
        ...

    def unkeepable(
        self, path: FilePath, *, target: Schema, carried: Mapping[Path, Path], splice: Splice | None = None
    ) -> tuple[Unlike, ...]:
        """What this file holds at the `carried` places that a rewrite to `target` would lose; known before anything is written.

        What is only read, or dropped, does not count; nor what is copied, where the file will be spliced by `splice`.
        """
        ...

    def unspliced(
        self,
        source: Schema,
        target: Schema,
        splice: Splice,
        *,
        carried: Mapping[Path, Path] = MappingProxyType({}),
        leaving_out: bool = False,
        path: FilePath | None = None,
    ) -> str:
        """Why no file of `source` will be spliced to `target` here, or not the one at `path`, where that is given to be looked
        at; "" where it will be, as far as that is known before its values are read.

        `leaving_out`: records that cannot be migrated are to be left out. A rewrite says the same of `Rewritten.why`.
        """
        ...

    def foresee(self, path: FilePath, *, reads: Sequence[str], memory: int) -> tuple[str, ...]:
        """What a rewrite in full within `memory` bytes will have to do, for people: a row group that does not fit will be split."""
        ...

    def read(
        self,
        path: FilePath,
        *,
        schema: Schema,
        columns: Sequence[str],
        memory: int,
        through: Through | None = None,
        may_hold: Callable[[Mapping[str, Range]], bool] | None = None,
        name: str = "",
    ) -> Iterator[pa.RecordBatch]:
        """The file's records as batches of just these top-level columns, in file order; nothing else is decoded.

        `schema` is the file's own (JSON: the version's). A columns format keeps the file's storage; a records format gives the
        plain forms of `columnar.py`. `memory` bytes bound what is held at once.

        `through`: a conversion on the way; it is given the `columns`, and what it makes is shown: all columns of its target.
        `may_hold` is asked of each part of the file that tells the ranges of its columns (Parquet's row groups), by column: a
        part that holds no wanted record is left out. `name` is what the file is called, where `path` does not tell.

        Raises:
            UnreadableError: the file cannot be read. FileError: it is not of `schema`. DataError: a value that is not of its
            type, or from the conversion; `where.row` is the record in the file. SchemaError: no such column, or one that no
            column can show.
        """
        ...

    def write(
        self,
        path: FilePath,
        *,
        schema: Schema,
        batches: Iterator[pa.RecordBatch],
        stamp: Stamp | None,
        compression: str = "",
        layout: str = "",
    ) -> int:
        """A new file of those records; how many they were. The same records give the same bytes.

        The batches have all columns of `schema` in the plain forms of `columnar.py`. `compression`: a name, or "none"; what
        suits the format by default. `layout`: "lines" (the default) or "array", for JSON.

        Raises:
            SchemaError: the format cannot hold a type or a name. DataError: it cannot hold a value; `where.row` is the record.
            UsageError: there is no such compression.
        """
        ...

    def rewrite(self, request: Rewrite) -> Rewritten:
        """Stream `request.source` through `request.convert` into `request.target`. Output bytes are a function of the input's.

        Raises:
            UnreadableError: the source cannot be read. DataError: from `convert`, or a value the target cannot hold.
        """
        ...

    def fidelity(
        self,
        old: FilePath,
        new: FilePath,
        *,
        target: Schema,
        carried: Mapping[Path, Path],
        stamp: Stamp | None,
        left_out: Sequence[int] = (),
    ) -> tuple[Unlike, ...]:
        """Every physical difference that the mapping did not declare, found from both files' own headers or footers.

        `left_out`: the numbers of the old file's records that the new one was not to get, ascending.
        """
        ...

    def properties(self, path: FilePath) -> Mapping[str, Any]:
        """What the file is like besides its values, JSON-able, for people to compare: sizes, codec, blocks or row groups, order,
        keys of its own. A JSON file is read whole.

        Raises:
            UnreadableError: the file cannot be read.
        """
        ...

    def values(self, source: Schema, target: Schema, *, strict: bool = False) -> Values:
        """For a records format: access to raw values; fields of `source` are opened and decoded, of `target` sealed and encoded.

        `strict`: a key that is twice is met anywhere in a record when that is opened, also where nobody looks.
        """
        ...
