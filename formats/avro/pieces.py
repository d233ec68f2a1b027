"""What each record of the new file is put together from: bytes of the old record, bytes that are always the same, computed ones.

A record is written as its fields one after another, without anything between them; so is a record that is a field, unless it is
nullable. The *slots* of a source are what comes out if such records are taken for their fields: the smallest ranges of bytes that
are known by name. Where a rename, a drop, an add or a move leaves values alone, it is a matter of which slots follow one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from instar.formats.avro.container import long_bytes
from instar.formats.avro.physical import Layout, layout
from instar.formats.avro.values import AvroValues
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, Step
from instar.formats.schema import Field, List, Map, Null, Record
from instar.formats.splice import Splice


@dataclass(frozen=True)
class Copied:
    """The bytes of the slots from `first` to before `stop`."""

    first: int
    stop: int


@dataclass(frozen=True)
class Turned:
    """The bytes of a nullable slot whose null stands in the other place of its union."""

    slot: int


@dataclass(frozen=True)
class Constant:
    """The same bytes in every record."""

    data: bytes


@dataclass(frozen=True)
class Made:
    """The bytes of a top-level column of the target that is computed, or stored in another way."""

    name: str


Piece = Copied | Turned | Constant | Made


@dataclass(frozen=True)
class Slot:
    path: Path
    layout: Layout


@dataclass(frozen=True)
class Pieces:
    """`slots` are the source's; `of` is what each target record is made of."""

    slots: tuple[Slot, ...]
    of: tuple[Piece, ...]

    @property
    def verbatim(self) -> bool:
        """Is every record's new form its old one?"""
        return self.of == ((Copied(0, len(self.slots)),) if self.slots else ())

    @property
    def made(self) -> tuple[str, ...]:
        return tuple(piece.name for piece in self.of if isinstance(piece, Made))

    def range_of(self, path: Path) -> Copied | None:
        """The slots that a place of the source consists of, none if it has no bytes; None for a place inside a slot."""
        if path in self._ranges:
            return Copied(*self._ranges[path])
        inside = any(path[:length] in self._whole for length in range(1, len(path)))
        return None if inside else Copied(0, 0)

    @cached_property
    def _ranges(self) -> dict[Path, tuple[int, int]]:
        """Each place with bytes → its first slot, and behind its last."""
        found: dict[Path, tuple[int, int]] = {}
        for i, slot in enumerate(self.slots):
            for length in range(len(slot.path) + 1):
                first, _ = found.get(slot.path[:length], (i, i))
                found[slot.path[:length]] = first, i + 1
        return found

    @cached_property
    def _whole(self) -> frozenset[Path]:
        return frozenset(slot.path for slot in self.slots)


def pieces_of(source: Field, target: Field, splice: Splice, values: AvroValues) -> Pieces | None:
    """None where the records of the `source` or the `target` are no records with fields."""
    if not (_plain_record(source) and _plain_record(target)):
        return None
    slots = Pieces(slots_of(source), ())
    planner = _Planner(slots, splice, values, source)
    assert isinstance(target.type, Record)
    return replace(slots, of=tuple(_joined(piece for field in target.type.fields for piece in planner.column(field))))


def _plain_record(field: Field) -> bool:
    return isinstance(field.type, Record) and not field.nullable


def slots_of(root: Field) -> tuple[Slot, ...]:
    """The slots of a schema's records."""
    return tuple(_slots(root, ()))


def _slots(field: Field, path: Path) -> Iterator[Slot]:
    if _plain_record(field):
        assert isinstance(field.type, Record)
        for inner in field.type.fields:
            yield from _slots(inner, (*path, inner.name))
    elif not isinstance(field.type, Null):  # a null has no bytes
        yield Slot(path, layout(field))


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Slots that follow one another in the source as well are copied together, and so are constants."""
    last: Piece | None = None
    for piece in pieces:
        match last, piece:
            case _, Copied(first, stop) if first == stop:
                continue
            case Copied(first, stop), Copied(start, end) if stop == start:
                last = Copied(first, end)
            case Constant(a), Constant(b):
                last = Constant(a + b)
            case _:
                if last is not None:
                    yield last
                last = piece
    if last is not None:
        yield last


class _Planner:
    def __init__(self, slots: Pieces, splice: Splice, values: AvroValues, source: Field) -> None:
        self.slots = slots
        self.splice = splice
        self.values = values
        self.source = source
        self.below = _first_leaves(splice.untouched)

    def column(self, field: Field) -> list[Piece]:
        """The pieces of a top-level column of the target."""
        if field.name in self.splice.constants:
            return self._constant(field)
        if (origin := self.splice.copied.get(field.name)) is not None and (pieces := self._carried(field, origin)) is not None:
            return pieces
        if (origin := self.splice.widened.get(field.name)) is not None and (pieces := self._widened(field, origin)) is not None:
            return pieces
        pieces = self._place(field, (field.name,))
        return [Made(field.name)] if pieces is None else pieces

    def _constant(self, field: Field) -> list[Piece]:
        raw = self.values.encoder(field)(self.splice.constants[field.name])
        data = self.values.placer(field)(raw)
        return [Constant(data)] if data else []

    def _carried(self, field: Field, origin: str) -> list[Piece] | None:
        assert isinstance(self.source.type, Record)
        old = self.source.type[origin]
        slots = self.slots.range_of((origin,))
        if slots is None or not self.values.same_storage(old, field):
            return None
        before, after = layout(old), layout(field)
        if before.null == after.null:
            return [slots]
        return [Turned(slots.first)] if None not in (before.null, after.null) and after.kind != "union" else None

    def _widened(self, field: Field, origin: str) -> list[Piece] | None:
        """As it is carried, behind the index that its union has now."""
        assert isinstance(self.source.type, Record)
        slots, after = self.slots.range_of((origin,)), layout(field)
        if slots is None or after.null is None or after.kind == "union":
            return None
        return [Constant(long_bytes(1 - after.null)), slots] if self.values.same_storage(self.source.type[origin], field) else None

    def _place(self, field: Field, path: Path) -> list[Piece] | None:
        """The pieces of a place that is carried in its parts, if it is."""
        origin = self._origin(path)
        if origin is not None and (old := _field_at(self.source, origin)) is not None and self._same(field, path, old, origin):
            slots = self.slots.range_of(origin)
            return None if slots is None else [slots]
        if not _plain_record(field):
            return None
        assert isinstance(field.type, Record)
        parts = [self._place(inner, (*path, inner.name)) for inner in field.type.fields]
        return None if None in parts else [piece for part in parts if part for piece in part]

    def _origin(self, path: Path) -> Path | None:
        """Where a target place comes from, if it is carried whole: as far above its first leaf's origin as it is above the leaf."""
        leaf = self.below.get(path)
        if leaf is None:
            return None
        origin = self.splice.untouched[leaf]
        height = len(leaf) - len(path)
        return origin[: len(origin) - height] if len(origin) > height else None

    def _same(self, new: Field, path: Path, old: Field, origin: Path) -> bool:
        """Are the bytes of the target's place those of the source's: the same structure over untouched leaves?"""
        if layout(new).null != layout(old).null or path not in self.below:
            return False
        pairs = _pairs(new, old)
        if pairs is None:
            return self.splice.untouched.get(path) == origin and self.values.same_storage(old, new)
        return all(self._same(a, (*path, one), b, (*origin, other)) for a, one, b, other in pairs)


def _pairs(new: Field, old: Field) -> list[tuple[Field, str | Step, Field, str | Step]] | None:
    """The fields inside both, by position; None where one has nothing inside, or their structures differ."""
    match new.type, old.type:
        case Record(a), Record(b) if len(a) == len(b):
            return [(x, x.name, y, y.name) for x, y in zip(a, b, strict=True)]
        case List(a), List(b):
            return [(a, EACH_ITEM, b, EACH_ITEM)]
        case Map(a), Map(b):
            return [(a, EACH_VALUE, b, EACH_VALUE)]
    return None


def _first_leaves(untouched: Mapping[Path, Path]) -> dict[Path, Path]:
    """Each place that has an untouched leaf → the first one."""
    found: dict[Path, Path] = {}
    for leaf in untouched:
        for length in range(1, len(leaf) + 1):
            found.setdefault(leaf[:length], leaf)
    return found


def _field_at(root: Field, path: Path) -> Field | None:
    field = root
    for step in path:
        match field.type:
            case Record() as record if isinstance(step, str) and step in record:
                field = record[step]
            case List(inner) if step == EACH_ITEM:
                field = inner
            case Map(inner) if step == EACH_VALUE:
                field = inner
            case _:
                return None
    return field
