"""A rewrite by a plain Python conversion: renames, drops and casts of whole columns, and new constant columns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa
import pytest

from instar.formats.arrow import arrow_type
from instar.formats.format import Rewrite, Rewritten, Stamp, Unlike
from instar.formats.parquet import FORMAT
from instar.formats.parquet.source import open_source
from instar.formats.path import Path
from instar.formats.schema import Field, Record, Schema, Type
from instar.formats.typetext import parse_type

STAMP = Stamp("flights", 2)


@dataclass(frozen=True)
class Done:
    """A rewrite, and what is needed to judge it."""

    source: FilePath
    target: FilePath
    schema: Schema
    carried: Mapping[Path, Path]
    stamp: Stamp | None
    rewritten: Rewritten

    def unlike(self) -> tuple[Unlike, ...]:
        return FORMAT.fidelity(self.source, self.target, target=self.schema, carried=self.carried, stamp=self.stamp)


@pytest.fixture
def unkeepable() -> Callable[..., set[str]]:
    """The codes of what a rewrite that carries only the columns `names`, or all of them, could not keep."""

    def codes(path: FilePath, names: Sequence[str] | None = None) -> set[str]:
        file = open_source(path)
        kept = tuple(f for f in file.logical.record.fields if names is None or f.name in names)
        target = Schema(file.logical.root.with_(type=Record(kept)))
        carried = {place: place for place in file.places if place[0] in {f.name for f in kept}}
        return {found.code for found in FORMAT.unkeepable(path, target=target, carried=carried)}

    return codes


@pytest.fixture
def rewrite(tmp_path: FilePath) -> Callable[..., Done]:
    count = itertools.count()

    def run(
        source: FilePath,
        *,
        rename: Mapping[str, str] = {},
        drop: Sequence[str] = (),
        cast: Mapping[str, str] = {},
        add: Mapping[str, tuple[str, Any]] = {},
        nullable: bool | None = None,
        convert: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
        stamp: Stamp | None = STAMP,
        memory: int = 1 << 30,
        **more: Any,
    ) -> Done:
        file = open_source(source)
        old = [f for f in file.logical.record.fields if f.name not in drop]
        types: dict[str, Type] = {name: parse_type(text) for name, text in cast.items()}
        fields = [_field(f, rename, types, nullable) for f in old]
        fields += [Field(name, parse_type(text), nullable=value is None) for name, (text, value) in add.items()]
        schema = Schema(file.logical.root.with_(type=Record(tuple(fields))))
        carried = {(rename.get(str(path[0]), path[0]), *path[1:]): path for path in file.places if path[0] not in (*drop, *cast)}

        def converted(batch: pa.RecordBatch) -> pa.RecordBatch:
            columns = [
                batch.column(f.name).cast(arrow_type(types[f.name])) if f.name in types else batch.column(f.name) for f in old
            ]
            columns += [pa.array([value] * batch.num_rows, arrow_type(parse_type(text))) for text, value in add.values()]
            return pa.RecordBatch.from_arrays(columns, names=[f.name for f in fields])

        target = tmp_path / f"{next(count)}-{source.name}"
        reads = tuple(f.name for f in old)
        request = Rewrite(source, target, convert or converted, file.logical, schema, reads, carried, stamp, memory, **more)
        return Done(source, target, schema, carried, stamp, FORMAT.rewrite(request))

    return run


def _field(field: Field, rename: Mapping[str, str], types: Mapping[str, Type], nullable: bool | None) -> Field:
    if field.name in types:
        field = field.with_(type=types[field.name], extra={})
    return field.with_(name=rename.get(field.name, field.name), nullable=field.nullable if nullable is None else nullable)
