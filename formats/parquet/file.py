"""The Parquet format: the `Format` contract, each part of it in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from instar.formats.errors import DataError, UsageError
from instar.formats.fingerprint import misfits
from instar.formats.format import FileFacts, Range, Rewrite, Rewritten, Stamp, Through, Unlike
from instar.formats.path import Path
from instar.formats.schema import Field, Schema
from instar.formats.splice import Splice

from . import document, fidelity
from .fields import check_new
from .footer import ENCRYPTED_MAGIC, MAGIC, read_footer
from .source import common_schema, facts, open_source
from .splice import obstacle, rewritten

if TYPE_CHECKING:
    import pyarrow as pa

    from instar.formats.values import Values

_SUFFIXES = (".parquet", ".parq", ".pq")


class Parquet:
    """Parquet files; a subject's versions are Arrow schemas as JSON."""

    name = "parquet"
    suffix = ".arrow.json"
    shape: Literal["columns", "records"] = "columns"
    codes: Mapping[str, str] = fidelity.CODES

    def parse(self, text: str, *, library: Mapping[str, str] | None = None) -> Schema:
        del library  # Arrow schemas refer to no other documents
        return document.parse(text)

    def render(self, schema: Schema) -> str:
        return document.render(schema)

    def check_new(self, field: Field, path: Path) -> None:
        check_new(field, path)

    def recognises(self, head: bytes, name: str) -> bool:
        """By its magic; a file that is only called so counts as well, so that a damaged one is an error and not "other"."""
        return head[:4] in (MAGIC, ENCRYPTED_MAGIC) or name.lower().endswith(_SUFFIXES)

    def inspect(self, path: FilePath) -> FileFacts:
        return facts(path)

    def count(self, path: FilePath) -> int:
        return sum(read_footer(path).rows)

    def infer(self, paths: Sequence[FilePath]) -> Schema:
        return common_schema(paths)

    def validate(
        self, path: FilePath, schema: Schema, *, values: bool = True, broken: Callable[[DataError], None] | None = None
    ) -> str | None:
        """A Parquet file carries its schema, so this is a comparison of schemas."""
        found = facts(path).schema
        misfit = misfits(found, schema) if found is not None else ()
        return str(misfit[0]) if misfit else None

    def unkeepable(
        self, path: FilePath, *, target: Schema, carried: Mapping[Path, Path], splice: Splice | None = None
    ) -> tuple[Unlike, ...]:
        return fidelity.unkeepable(path, target, carried, splice)

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
        """See `splice.obstacle`: it is each file's own."""
        return "" if path is None else obstacle(open_source(path), target, carried, splice)

    def foresee(self, path: FilePath, *, reads: Sequence[str], memory: int) -> tuple[str, ...]:
        from .rewrite import foreseen

        return foreseen(path, reads, memory)

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
        """See `Format.read`."""
        from .read import read

        return read(path, schema=schema, columns=columns, memory=memory, through=through, may_hold=may_hold, name=name)

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
        from .write import write

        return write(path, schema=schema, batches=batches, stamp=stamp, compression=compression)

    def rewrite(self, request: Rewrite) -> Rewritten:
        return rewritten(request)

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
        return fidelity.unlike(old, new, target=target, carried=carried, stamp=stamp, left_out=left_out)

    def properties(self, path: FilePath) -> Mapping[str, Any]:
        """See `properties.properties`."""
        from .properties import properties

        return properties(path)

    def values(self, source: Schema, target: Schema, *, strict: bool = False) -> Values:
        raise UsageError("Parquet's values come in columns, not one by one", hint="Use `rewrite`, whose conversion gets batches.")


FORMAT = Parquet()
