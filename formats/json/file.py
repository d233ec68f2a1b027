"""The JSON format: JSON Schema documents; files of lines, one array, or one document, plain, `.gz` and `.zst`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from instar.formats.errors import DataError
from instar.formats.format import FileFacts, Range, Rewrite, Rewritten, Stamp, Through, Unlike
from instar.formats.path import Path
from instar.formats.schema import Field, Schema
from instar.formats.splice import Splice
from instar.formats.values import Values

from .fidelity import CODES, form_of, unlike
from .infer import infer
from .layout import BOM, layout_of, looks_like_json
from .parse import parse
from .render import render
from .rewrite import records, rewrite, unspliced
from .streams import unpacked_head, unpacked_size
from .validate import validate
from .values import JsonValues

if TYPE_CHECKING:
    import pyarrow as pa


class JsonFormat:
    """The `Format` contract of `formats/format.py`."""

    name: str = "json"
    suffix: str = ".schema.json"
    shape: Literal["columns", "records"] = "records"
    codes: Mapping[str, str] = CODES

    def parse(self, text: str, *, library: Mapping[str, str] | None = None) -> Schema:
        """See `parse.parse`."""
        return parse(text, library)

    def render(self, schema: Schema) -> str:
        """See `render.render`."""
        return render(schema)

    def check_new(self, field: Field, path: Path) -> None:
        return  # `render` refuses what files cannot hold: both have the same types

    def recognises(self, head: bytes, name: str) -> bool:
        """Does the text, unpacked if need be, begin like a JSON object or array? A file without any text is told by its name."""
        text = unpacked_head(head)
        if text.removeprefix(BOM).strip():
            return looks_like_json(text)
        plain = name.lower().removesuffix(".gz").removesuffix(".zst")
        return plain.endswith((".json", ".jsonl", ".ndjson"))

    def inspect(self, path: FilePath) -> FileFacts:
        """Layout and size; reads the first line, and on to the next if there is one.

        Raises:
            UnreadableError: not JSON in UTF-8, or a compressed stream that is damaged.
        """
        layout = layout_of(path)
        size = path.stat().st_size
        physical = {"layout": layout.kind, "compression": layout.compression, "bom": layout.bom}
        return FileFacts(self.name, layout.name, size, None, None, None, unpacked_size(path, size), physical)

    def records(self, path: FilePath) -> Iterator[bytes]:
        """The text of each record in turn, unchecked; streams."""
        return records(path)

    def count(self, path: FilePath) -> int:
        """The number of records; reads the whole file."""
        return sum(1 for _ in records(path))

    def infer(self, paths: Sequence[FilePath]) -> Schema:
        """See `infer.infer`."""
        return infer(paths)

    def validate(
        self, path: FilePath, schema: Schema, *, values: bool = True, broken: Callable[[DataError], None] | None = None
    ) -> str | None:
        """See `validate.validate`."""
        return validate(path, schema, values=values, broken=broken)

    def unkeepable(
        self, path: FilePath, *, target: Schema, carried: Mapping[Path, Path], splice: Splice | None = None
    ) -> tuple[Unlike, ...]:
        """Nothing: whatever a JSON file holds outside the values that change is copied."""
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
        """See `rewrite.unspliced`: the same for every file."""
        return unspliced(splice, leaving_out=leaving_out)

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
        from .read import read

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
        """See `Format.write`; a JSON file has no place for a stamp."""
        from .write import write

        return write(path, schema=schema, batches=batches, layout=layout, compression=compression)

    def rewrite(self, request: Rewrite) -> Rewritten:
        """See `rewrite.rewrite`."""
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
        """Layout, compression, byte order mark, line ends. Key order and the text of untouched values are the proof's business."""
        return unlike(form_of(old, old.name), form_of(new, old.name), len(left_out))

    def properties(self, path: FilePath) -> Mapping[str, Any]:
        """See `properties.properties`."""
        from .properties import properties

        return properties(path)

    def values(self, source: Schema, target: Schema, *, strict: bool = False) -> Values:
        """See `values.JsonValues`."""
        return JsonValues(source, target, strict=strict)
