"""The columns of a splice that are computed: read out of the old records, converted, and written as they stand in new ones.

Plain values go as Arrow arrays, many records at once; what is nested, a union or of an odd type as raw values (`values.py`), one
by one. What is only stored in another way is recoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from instar.formats.avro.physical import Layout, layout
from instar.formats.avro.pieces import Copied, Pieces
from instar.formats.avro.values import AvroValues
from instar.formats.format import Rewrite
from instar.formats.schema import Field, Record
from instar.formats.splice import Part

Bytes = tuple[bytes, bytes]
"""The bytes of a column in all records, one after another, and where each ends, as uint32s."""
ROWS = 4096
"""Records that are Python objects at once."""


@dataclass(frozen=True)
class Located:
    """Records of which it is known where the boundaries `marks` between their slots are: `offsets` in `data`, uint32s."""

    data: bytes
    offsets: bytes
    marks: Sequence[int]
    rows: int

    def column(self, mark: int) -> int:
        return self.marks.index(mark)


class Maker(Protocol):
    """Makes some columns. `reads` are the slots that it needs to know the boundaries of."""

    reads: tuple[Copied, ...]

    def made(self, records: Located) -> dict[str, Bytes]: ...


def makers(request: Rewrite, values: AvroValues, pieces: Pieces, module: ModuleType) -> list[Maker]:
    """Who makes the columns that are made."""
    splice = request.splice
    assert splice is not None
    wanted = frozenset(pieces.made)
    found: list[Maker] = []
    again = {name: splice.copied[name] for name in pieces.made if name in splice.copied}
    if again:
        found.append(_Recoded(request, values, pieces, module, again))
    rest = splice.part if wanted - set(again) else None
    if rest is not None and splice.columnar is not None and _makes(splice.columnar, wanted):
        columnar = _Columnar.of(splice.columnar, pieces, module)
        if columnar is not None:
            found.append(columnar)
            rest = splice.rowwise
    if rest is not None and _makes(rest, wanted):
        found.append(_Rowwise(rest, values, pieces, module, wanted))
    return found


def _makes(part: Part, wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint(_record(part.target_schema.root).names)


class _Columnar:
    def __init__(self, part: Part, module: Any, read: dict[str, tuple[Any, Copied]], made: dict[str, Any]) -> None:
        self.part = part
        self.module = module
        self.read = read
        self.columns = made
        self.reads = tuple(slots for _, slots in read.values())

    @staticmethod
    def of(part: Part, pieces: Pieces, module: ModuleType) -> _Columnar | None:
        """None where a column's values are not simply Arrow's."""
        from instar.formats.avro.columns import Column

        source, target = _record(part.source_schema.root), _record(part.target_schema.root)
        read = {name: Column.of(source[name]) for name in part.reads}
        made = {field.name: Column.of(field) for field in target.fields}
        if None in read.values() or None in made.values():
            return None
        return _Columnar(part, module, {name: (column, _slots(name, pieces)) for name, column in read.items()}, made)

    def made(self, records: Located) -> dict[str, Bytes]:
        import pyarrow as pa

        from instar.formats.columnar import rows_only

        data, offsets, width = records.data, records.offsets, len(records.marks)
        try:
            arrays = [
                column.decoded(self.module, data, offsets, width, records.column(slots.first), records.column(slots.stop))
                for column, slots in self.read.values()
            ]
            batch = pa.RecordBatch.from_arrays(arrays, names=list(self.read)) if arrays else rows_only(records.rows)
            converted = self.part.convert(batch)
            return {name: column.encoded(self.module, converted.column(name)) for name, column in self.columns.items()}
        except pa.ArrowInvalid as error:
            raise self.module.Odd("a value is odd") from error


class _Raws:
    """The raw values of top-level columns of the source."""

    def __init__(self, names: Sequence[str], source: Record, pieces: Pieces, module: ModuleType) -> None:
        self.module: Any = module
        self.columns = {name: (_slots(name, pieces), layout(source[name])) for name in names}
        self.reads = tuple(slots for slots, _ in self.columns.values() if slots.first < slots.stop)

    def batches(self, records: Located) -> Iterator[tuple[int, dict[str, list[Any]]]]:
        """So many records, and their raws by column; then the next ones."""
        for first in range(0, records.rows, ROWS):
            stop = min(first + ROWS, records.rows)
            yield stop - first, {name: self._raws(*column, records, first, stop) for name, column in self.columns.items()}

    def _raws(self, slots: Copied, layout: Layout, records: Located, first: int, stop: int) -> list[Any]:
        if slots.first == slots.stop:
            return [None if layout.kind == "null" else b""] * (stop - first)
        null = -1 if layout.null is None else layout.null
        form = self.module.BRANCHED if layout.kind == "union" else self.module.PLAIN if null < 0 else self.module.NULLABLE
        place = records.column(slots.first), records.column(slots.stop)
        return self.module.raws(records.data, records.offsets, len(records.marks), *place, form, null, first, stop)


class _Rowwise:
    def __init__(self, part: Part, values: AvroValues, pieces: Pieces, module: ModuleType, wanted: frozenset[str]) -> None:
        self.part = part
        self.module: Any = module
        self.raws = _Raws(part.reads, _record(part.source_schema.root), pieces, module)
        self.reads = self.raws.reads
        fields = enumerate(_record(part.target_schema.root).fields)
        self.placers = [(i, field.name, values.placer(field)) for i, field in fields if field.name in wanted]

    def made(self, records: Located) -> dict[str, Bytes]:
        found: dict[str, list[bytes]] = {name: [] for _, name, _ in self.placers}
        for count, raws in self.raws.batches(records):
            results = self.part.convert(_opened(raws, count))
            for i, name, place in self.placers:
                found[name] += [place(result[i]) for result in results]
        return {name: self.module.joined(values) for name, values in found.items()}


class _Recoded:
    """Columns that are carried, but stored in another way inside: `again` has the source column of each."""

    def __init__(self, request: Rewrite, values: AvroValues, pieces: Pieces, module: ModuleType, again: dict[str, str]) -> None:
        source, target = _record(request.source_schema.root), _record(request.target_schema.root)
        self.module: Any = module
        self.raws = _Raws(tuple(dict.fromkeys(again.values())), source, pieces, module)
        self.reads = self.raws.reads
        self.placers = [(name, origin, _recoder(values, source[origin], target[name])) for name, origin in again.items()]

    def made(self, records: Located) -> dict[str, Bytes]:
        found: dict[str, list[bytes]] = {name: [] for name, _, _ in self.placers}
        for _, raws in self.raws.batches(records):
            for name, origin, placed in self.placers:
                found[name] += map(placed, raws[origin])
        return {name: self.module.joined(values) for name, values in found.items()}


def _record(field: Field) -> Record:
    assert isinstance(field.type, Record)
    return field.type


def _slots(name: str, pieces: Pieces) -> Copied:
    slots = pieces.range_of((name,))
    assert slots is not None
    return slots


def _recoder(values: AvroValues, source: Field, target: Field) -> Callable[[Any], bytes]:
    recode, place = values.recoder(source, target), values.placer(target)
    return place if recode is None else lambda raw: place(None if raw is None else recode(raw))


def _opened(columns: dict[str, list[Any]], count: int) -> list[dict[str, Any]]:
    """The records, of these columns."""
    if not columns:
        return [{} for _ in range(count)]
    names = tuple(columns)
    return [dict(zip(names, raws, strict=True)) for raws in zip(*columns.values(), strict=True)]
