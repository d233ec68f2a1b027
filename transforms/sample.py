"""A look at some of the records of old and new files: how the values of each column are distributed that a run has computed.

One worker looks at a few columns in all the files; only what is told of them leaves it, never a value that is to be hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from instar.formats.columnar import column_field
from instar.formats.errors import InstarError
from instar.formats.format import Format, format_named
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import Schema
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.run.unit import Unit
from instar.transforms.shared_types import field_at

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Computed:
    """A target leaf whose values a run computed, and the source leaves that it is computed from."""

    path: Path
    sources: tuple[Path, ...]


@dataclass(frozen=True)
class Sampled:
    """Of a unit every `stride`-th record of the first `stop` that are read: of row groups every `skip`-th, from the first on."""

    unit: Unit
    stride: int
    stop: int
    skip: int


@dataclass(frozen=True)
class Leaf:
    """A target leaf that some chains of a run compute: how, by `Unit.chain`, and a unit whose schemas describe it."""

    path: Path
    ways: Mapping[str, Computed]
    unit: Unit


@dataclass(frozen=True)
class Seen:
    """What is told of a leaf, or why nothing is; of each sample the number of records that were looked at."""

    path: Path
    records: Sequence[int]
    told: Mapping[str, Any] | None = None
    why: str = ""


@dataclass(frozen=True)
class _Opened:
    """A sample, and what is known of its unit: the schemas of the two files, what of them is hidden."""

    sample: Sampled
    old: Schema
    new: Schema
    hidden: Hidden


def look(samples: Sequence[Sampled], leaves: Sequence[Leaf]) -> list[Seen]:
    """What is told of each leaf. One that cannot be shown is noted: nobody's run is to fail by its report.

    Raises:
        InstarError: a staged file cannot be read any more.
    """
    opened = [_opened(sample) for sample in samples]
    return [_seen(leaf, opened) for leaf in leaves]


def _opened(sample: Sampled) -> _Opened:
    unit, format = sample.unit, format_named(sample.unit.format)
    new = (format.inspect(FilePath(unit.staged)).schema if format.shape == "columns" else None) or unit.mapping.target
    return _Opened(sample, unit.schema or unit.mapping.source, new, Hidden(unit.mapping))


def _seen(leaf: Leaf, opened: Sequence[_Opened]) -> Seen:
    import pyarrow as pa

    before: dict[Path, list[pa.Array]] = {}
    after: list[pa.Array] | None = None
    records = [0] * len(opened)
    for number, one in enumerate(opened):
        unit, format = one.sample.unit, format_named(one.sample.unit.format)
        column = leaf.ways.get(unit.chain)
        if column is None or one.hidden.place(leaf.path):
            continue
        try:
            for source in column.sources:
                found, records[number] = _values(format, FilePath(unit.source), one.old, source, one.sample)
                before.setdefault(source, []).extend(found)
            after = (after or []) + _values(format, FilePath(unit.staged), one.new, leaf.path, one.sample)[0]
        except InstarError as error:
            return Seen(leaf.path, records, why=one.hidden.error(error).message)
        except pa.ArrowException as error:
            return Seen(leaf.path, records, why=str(error).splitlines()[0])
    try:
        return Seen(leaf.path, records, _told(leaf, before, after))
    except (ArithmeticError, ValueError, pa.ArrowException) as error:
        return Seen(leaf.path, records, why=str(error).splitlines()[0])


def _values(format: Format, file: FilePath, schema: Schema, path: Path, sample: Sampled) -> tuple[list[pa.Array], int]:
    """The values at a path in the sample's records, in the plain form; and how many records these are."""
    from instar.formats.storage import stored

    name, parts = str(path[0]), count()
    plain = column_field(schema.record[name], schema.definitions).type
    found: list[pa.Array] = []
    row = records = 0
    memory, wanted = sample.unit.memory, lambda ranges: next(parts) % sample.skip == 0
    for batch in format.read(file, schema=schema, columns=[name], memory=memory, may_hold=wanted, name=file.name):
        rows = range(-row % sample.stride, min(len(batch), sample.stop - row), sample.stride)
        if len(rows):
            taken = batch.column(0) if len(rows) == len(batch) else batch.column(0).take(_indices(rows))
            found.append(_inside(stored(taken, plain), path[1:]))
        row, records = row + len(batch), records + len(rows)
        if row >= sample.stop:
            break
    return found, records


def _indices(rows: range) -> pa.Array:
    import pyarrow as pa

    return pa.arange(rows.start, rows.stop, rows.step)  # `pa.array` of anything looks for pandas, and loads it


def _inside(values: pa.Array, path: Path) -> pa.Array:
    """The values below, null where what is around them is; those of all elements, one after the other."""
    from instar.formats.storage import items_of

    for step in path:
        if step == EACH_ITEM:
            values = items_of(values)
        elif step == EACH_VALUE:
            values = items_of(values).field(1)
        else:
            values = values.flatten()[values.type.get_field_index(str(step))]
    return values


def _told(leaf: Leaf, before: Mapping[Path, Sequence[pa.Array]], after: Sequence[pa.Array] | None) -> dict[str, Any]:
    from instar.transforms.distribution import distribution, hidden

    def side(schema: Schema, path: Path, parts: Sequence[pa.Array] | None) -> dict[str, Any]:
        field = field_at(schema, path)
        assert field is not None
        return hidden(path_text(path), field) if parts is None else distribution(path_text(path), field, parts)

    mapping, column = leaf.unit.mapping, leaf.ways[leaf.unit.chain]
    sources = [side(mapping.source, source, before.get(source)) for source in column.sources]
    return {"path": path_text(leaf.path), "sources": sources, "after": side(mapping.target, leaf.path, after)}
