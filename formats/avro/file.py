"""Avro data files as the format contract wants them: what a file is, how many records it has, what files have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from instar.formats.avro import document, render
from instar.formats.avro.container import CODEC, MAGIC, SCHEMA, opened
from instar.formats.avro.fidelity import CODES, unlike
from instar.formats.avro.fields import check_new
from instar.formats.avro.physical import NULL
from instar.formats.avro.rewrite import header_schema, rewrite, stamp_of
from instar.formats.avro.splice import unspliced
from instar.formats.avro.values import AvroValues
from instar.formats.errors import DataError, FileError, Where
from instar.formats.fingerprint import Difference, differences
from instar.formats.format import FileFacts, Range, Rewrite, Rewritten, Stamp, Through, Unlike
from instar.formats.path import Path
from instar.formats.schema import Field, List, Map, Record, Schema, Type, Union
from instar.formats.splice import Splice

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSED = 4
"""How much larger a compressed block is taken to be in memory; only an estimate for balancing work."""


class AvroFormat:
    """The Avro format: object container files, `.avsc` schema documents."""

    name = "avro"
    suffix = ".avsc"
    shape: Literal["columns", "records"] = "records"
    codes: Mapping[str, str] = CODES

    # ---- schema documents
    def parse(self, text: str, *, library: Mapping[str, str] | None = None) -> Schema:
        return document.parse(text, library=library)

    def render(self, schema: Schema) -> str:
        return render.render(schema)

    # ---- files
    def check_new(self, field: Field, path: Path) -> None:
        """See `fields.check_new`; beyond it `render` refuses what files cannot hold: both have the same types."""
        check_new(field, path)

    def recognises(self, head: bytes, name: str) -> bool:
        return head.startswith(MAGIC)

    def inspect(self, path: FilePath) -> FileFacts:
        with opened(path) as container:
            header = container.header
            blocks = [(block.rows, block.size) for block in container.blocks()]
            stored = sum(size for _, size in blocks)
            codec = header.codec.name
            own = {
                key: value.decode("utf-8", "backslashreplace")
                for key, value in header.metadata.items()
                if key not in (SCHEMA, CODEC)
            }
            return FileFacts(
                format=self.name,
                layout=codec,
                size=container.size,
                rows=sum(rows for rows, _ in blocks),
                schema=header_schema(container),
                stamp=stamp_of(header.metadata),
                bytes_uncompressed=stored if codec == "null" else stored * COMPRESSED,
                physical={
                    "codec": codec,
                    "sync": header.sync.hex(),
                    "metadata": own,
                    "blocks": len(blocks),
                    "largest_block": max((size for _, size in blocks), default=0),
                },
            )

    def count(self, path: FilePath) -> int:
        with opened(path) as container:
            return sum(block.rows for block in container.blocks())

    def infer(self, paths: Sequence[FilePath]) -> Schema:
        if not paths:
            raise FileError("there are no files to take a schema from", hint="Name at least one file.")
        first, *others = paths
        common = _schema(first)
        for path in others:
            own = _schema(path)
            found = differences(own, common)
            if found:
                raise _another_schema(path, first, found)
            common = _looser(common, own)
        return common

    def validate(
        self, path: FilePath, schema: Schema, *, values: bool = True, broken: Callable[[DataError], None] | None = None
    ) -> str | None:
        """None: an Avro file's own schema says what its records are."""
        return None

    def unkeepable(
        self, path: FilePath, *, target: Schema, carried: Mapping[Path, Path], splice: Splice | None = None
    ) -> tuple[Unlike, ...]:
        """Nothing: whatever an Avro file holds that can be read is kept."""
        return ()

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
        """See `splice.unspliced`; a file with a record that is left out is no plain case, but that is not known before."""
        return unspliced(source, target, splice)

    def foresee(self, path: FilePath, *, reads: Sequence[str], memory: int) -> tuple[str, ...]:
        return ()  # records are converted in batches that fit

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
        """See `read.read`; a file tells no ranges."""
        from instar.formats.avro.read import read

        return read(path, schema=schema, columns=columns, memory=memory, through=through, name=name)

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
        """See `Format.write`."""
        from instar.formats.avro.write import write

        return write(path, schema=schema, batches=batches, stamp=stamp, compression=compression)

    def rewrite(self, request: Rewrite) -> Rewritten:
        return rewrite(request)

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
        with opened(old) as before, opened(new) as after:
            return tuple(unlike(before, after, target=target, carried=carried, stamp=stamp, left_out=left_out))

    def properties(self, path: FilePath) -> Mapping[str, Any]:
        """See `properties.properties`."""
        from instar.formats.avro.properties import properties

        return properties(path)

    def values(self, source: Schema, target: Schema, *, strict: bool = False) -> AvroValues:
        return AvroValues(source, target)


def _schema(path: FilePath) -> Schema:
    with opened(path) as container:
        return header_schema(container)


def _another_schema(path: FilePath, first: FilePath, found: tuple[Difference, ...]) -> FileError:
    one = found[0]
    shown = "; ".join(map(str, found[:5])) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
    return FileError(
        f"{path} is not of the schema of {first}: {shown}",
        hint="Adopt the files of one schema, exclude the others, and migrate those to it.",
        where=Where(file=str(path), found=one.found, expected=one.expected),
    )


def _looser(common: Schema, own: Schema) -> Schema:
    """`common`, with null allowed wherever `own` allows it; their structures are known to be equal."""
    definitions = {
        name: _looser_field(field, own.definitions[name]) if name in own.definitions else field
        for name, field in common.definitions.items()
    }
    return Schema(_looser_field(common.root, own.root), definitions)


def _looser_field(common: Field, own: Field) -> Field:
    extra = common.extra
    if own.nullable and not common.nullable and NULL in own.extra:
        extra = {**extra, NULL: own.extra[NULL]}
    type = _looser_type(common.type, own.type)
    return common.with_(type=type, nullable=common.nullable or own.nullable, extra=extra)


def _looser_type(common: Type, own: Type) -> Type:
    match common, own:
        case Record(fields, name), Record() as other:
            return Record(tuple(_looser_field(f, other[f.name]) for f in fields), name)
        case List(a), List(b):
            return List(_looser_field(a, b))
        case Map(a), Map(b):
            return Map(_looser_field(a, b))
        case Union(a), Union(b):
            return Union(tuple(map(_looser_field, a, b)))
        case _:
            return common


FORMAT = AvroFormat()
