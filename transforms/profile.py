"""The distributions of what a run computed, beside those of what it was computed from: a sample of the old and the new files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from instar.formats.columnar import column_field
from instar.formats.errors import InstarError
from instar.formats.format import Format, format_named
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, Step, path_text
from instar.formats.schema import Field, List, Map, Other, Record, Reference, Schema, Union
from instar.transforms.difference import origins
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.mapping import Mapping as Fused
from instar.transforms.run.unit import Receipt, Unit
from instar.transforms.shared_types import field_at, places

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 50_000
"""Records that are looked at on each side, at most."""
READ = {"parquet": 1_000_000, "avro": 200_000, "json": 100_000}
"""Records that are read to find these, at most; of records formats each costs some microseconds."""
FILES = 8
"""So many files at least are looked at, of many that are too large to be read whole."""


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


def computed(mapping: Fused) -> tuple[Computed, ...]:
    """The leaves with values of which the mapping computes something, nulls that it fills included; no constants, and nothing in
    unions and types that are used again."""
    found = origins(mapping)
    carried = mapping.carried()
    made = []
    for path, field in places(mapping.target.root):
        sources = (found.one[path],) if path in found.one else found.several.get(path, ())
        known = [source for source in sources if _is_leaf(field_at(mapping.source, source))]
        if not path or not known or not _is_leaf(field):
            continue
        if path in carried and not _filled(field_at(mapping.source, carried[path]), field):
            continue
        if not any(isinstance(step, Step) and step not in (EACH_ITEM, EACH_VALUE) for place in (path, *known) for step in place):
            made.append(Computed(path, tuple(known)))
    return tuple(made)


def _is_leaf(field: Field | None) -> bool:
    return field is not None and not isinstance(field.type, Record | List | Map | Union | Reference | Other)


def _filled(old: Field | None, new: Field) -> bool:
    return old is not None and (old.nullable or old.optional) and not (new.nullable or new.optional)


def profile(units: Sequence[Unit], receipts: Mapping[str, Receipt]) -> dict[str, Any] | None:
    """What report.json has under `profile`; None where nothing was computed. Reads old and staged files."""
    wanted = {unit.chain: computed(unit.mapping) for unit in units}
    worked = sorted((unit for unit in units if wanted[unit.chain]), key=lambda unit: unit.path)
    if not worked:
        return None
    chosen = _chosen([(unit, receipts[unit.path]) for unit in worked], READ[worked[0].format])
    before: dict[tuple[Path, Path], list[pa.Array]] = {}
    after: dict[Path, list[pa.Array]] = {}
    unseen: dict[Path, str] = {}
    records = 0
    for sample in chosen:
        columns = [column for column in wanted[sample.unit.chain] if column.path not in unseen]
        records += _look(sample, columns, before, after, unseen)
    shown = {column.path: (column, unit) for unit in worked for column in wanted[unit.chain]}
    columns = list(_shown(shown, before, after, unseen))
    return {
        "records": records,
        "of": sum(receipts[unit.path].rows_in for unit in worked),
        "files": len(chosen),
        "columns": columns,
        "unseen": [{"path": path_text(path), "why": why} for path, why in unseen.items()],
    }


def _shown(
    columns: Mapping[Path, tuple[Computed, Unit]],
    before: Mapping[tuple[Path, Path], Sequence[pa.Array]],
    after: Mapping[Path, Sequence[pa.Array]],
    unseen: dict[Path, str],
) -> Iterator[dict[str, Any]]:
    """Each column's distributions; one that cannot be reckoned with is noted, too: nobody's run is to fail by its report."""
    import pyarrow as pa

    for path, (column, unit) in columns.items():
        if path in unseen:
            continue
        try:
            yield _told(column, unit, before, after)
        except (ArithmeticError, ValueError, pa.ArrowException) as error:
            unseen[path] = str(error).splitlines()[0]


def _chosen(units: Sequence[tuple[Unit, Receipt]], most: int) -> list[Sampled]:
    """Files spread evenly over their names, as many as may be read, some even where each is larger; of a large one some row groups,
    evenly, or of a format that has none its beginning."""
    rows = sum(receipt.rows_in for _, receipt in units)
    count = len(units) if rows <= most else max(FILES, len(units) * most // rows)
    taken = units[:: -(-len(units) // count)]
    share = max(1, most // len(taken)) if rows > most else rows
    read = sum(min(receipt.rows_in, share) for _, receipt in taken)
    stride = max(1, -(-read // SAMPLE))
    return [Sampled(unit, stride, share, max(1, -(-receipt.rows_in // max(share, 1)))) for unit, receipt in taken]


def _look(
    sample: Sampled,
    columns: Sequence[Computed],
    before: dict[tuple[Path, Path], list[pa.Array]],
    after: dict[Path, list[pa.Array]],
    unseen: dict[Path, str],
) -> int:
    """The sample's values, old and new, and of how many records they are; a column that cannot be shown is noted, and left out."""
    import pyarrow as pa

    unit, format = sample.unit, format_named(sample.unit.format)
    hidden = Hidden(unit.mapping)
    open_ones = [column for column in columns if not hidden.place(column.path)]
    old_schema = unit.schema or unit.mapping.source
    old, new = FilePath(unit.source), FilePath(unit.staged)
    new_schema = (format.inspect(new).schema if format.shape == "columns" else None) or unit.mapping.target
    records = 0
    for column in open_ones:
        try:
            for source in column.sources:
                found, records = _values(format, old, old_schema, source, sample)
                before.setdefault((column.path, source), []).extend(found)
            after.setdefault(column.path, []).extend(_values(format, new, new_schema, column.path, sample)[0])
        except InstarError as error:
            unseen[column.path] = hidden.error(error).message
        except pa.ArrowException as error:
            unseen[column.path] = str(error).splitlines()[0]
    return records


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


def _told(
    column: Computed, unit: Unit, before: Mapping[tuple[Path, Path], Sequence[pa.Array]], after: Mapping[Path, Sequence[pa.Array]]
) -> dict[str, Any]:
    from instar.transforms.distribution import distribution, hidden

    def side(schema: Schema, path: Path, parts: Sequence[pa.Array] | None) -> dict[str, Any]:
        field = field_at(schema, path)
        assert field is not None
        return hidden(path_text(path), field) if parts is None else distribution(path_text(path), field, parts)

    mapping = unit.mapping
    sources = [side(mapping.source, source, before.get((column.path, source))) for source in column.sources]
    return {"path": path_text(column.path), "sources": sources, "after": side(mapping.target, column.path, after.get(column.path))}
