"""The columns of a splice that are computed: read out of the old records, converted, and written as they stand in new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from instar.formats.avro.physical import Layout, layout
from instar.formats.avro.pieces import Copied, Pieces
from instar.formats.avro.values import AvroValues
from instar.formats.format import Rewrite
from instar.formats.schema import Field, Record

Bytes = tuple[bytes, bytes]
"""The bytes of a column in all records, one after another, and where each ends, as uint32s."""
ROWS = 4096
"""Records that are Python objects at once."""


@dataclass(frozen=True)
class Read:
    """A top-level column of the source: its slots, and how its values stand there."""

    name: str
    slots: Copied
    layout: Layout


class Making:
    """What `made` gives by name. `reads` are the boundaries of the slots that it needs."""

    def __init__(self, request: Rewrite, values: AvroValues, pieces: Pieces, module: ModuleType) -> None:
        self.module: Any = module
        self.wanted = frozenset(pieces.made)
        splice = request.splice
        assert splice is not None
        source, target = _record(request.source_schema.root), _record(request.target_schema.root)
        part = (
            splice.part
            if splice.part is not None and self.wanted & {f.name for f in _fields(splice.part.target_schema.root)}
            else None
        )
        self.part = part
        computed = () if part is None else _fields(part.target_schema.root)
        self.placers = [(i, f.name, values.placer(f)) for i, f in enumerate(computed) if f.name in self.wanted]
        self.recoded = [
            (name, splice.copied[name], _recoder(values, source[splice.copied[name]], target[name]))
            for name in pieces.made
            if name in splice.copied
        ]
        names = dict.fromkeys((*(() if part is None else part.reads), *(origin for _, origin, _ in self.recoded)))
        self.columns = {name: _read(source[name], pieces) for name in names}

    @property
    def reads(self) -> list[tuple[int, int]]:
        return [(read.slots.first, read.slots.stop) for read in self.columns.values() if read.slots.first < read.slots.stop]

    def made(self, data: bytes, offsets: bytes, marks: Sequence[int], rows: int) -> dict[str, Bytes]:
        """The columns' bytes. `offsets` are those of the `marks` in `data`, for so many records."""
        if not self.wanted:
            return {}
        found: dict[str, list[bytes]] = {name: [] for name in self.wanted}
        for first in range(0, rows, ROWS):
            stop = min(first + ROWS, rows)
            raws = {name: self._raws(read, data, offsets, marks, first, stop) for name, read in self.columns.items()}
            for name, origin, placed in self.recoded:
                found[name] += map(placed, raws[origin])
            if self.part is not None:
                results = self.part.convert(_records({name: raws[name] for name in self.part.reads}, stop - first))
                for i, name, place in self.placers:
                    found[name] += [place(result[i]) for result in results]
        return {name: self.module.joined(values) for name, values in found.items()}

    def _raws(self, read: Read, data: bytes, offsets: bytes, marks: Sequence[int], first: int, stop: int) -> list[Any]:
        if read.slots.first == read.slots.stop:
            return [None if read.layout.kind == "null" else b""] * (stop - first)
        start, end = marks.index(read.slots.first), marks.index(read.slots.stop)
        form, null = _form(self.module, read.layout)
        return self.module.raws(data, offsets, len(marks), start, end, form, null, first, stop)


def _record(field: Field) -> Record:
    assert isinstance(field.type, Record)
    return field.type


def _fields(field: Field) -> tuple[Field, ...]:
    return _record(field).fields


def _read(field: Field, pieces: Pieces) -> Read:
    slots = pieces.range_of((field.name,))
    assert slots is not None
    return Read(field.name, slots, layout(field))


def _recoder(values: AvroValues, source: Field, target: Field) -> Callable[[Any], bytes]:
    recode, place = values.recoder(source, target), values.placer(target)
    return place if recode is None else lambda raw: place(None if raw is None else recode(raw))


def _records(columns: dict[str, list[Any]], count: int) -> list[dict[str, Any]]:
    if not columns:
        return [{} for _ in range(count)]
    names = tuple(columns)
    return [dict(zip(names, raws, strict=True)) for raws in zip(*columns.values(), strict=True)]


def _form(module: Any, layout: Layout) -> tuple[int, int]:
    """How the compiled part is to take a value's raw from its bytes, and where null stands in its union."""
    null = -1 if layout.null is None else layout.null
    if layout.kind == "union":
        return module.BRANCHED, null
    return (module.PLAIN if layout.null is None else module.NULLABLE), null
