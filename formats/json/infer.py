"""The schema that the records of some files have in common, from all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from instar.formats.errors import DataError, FileError, Where
from instar.formats.schema import Bool, Field, Integer, Json, List, Null, Number, Record, Schema, String, Type

from .check import record_reader
from .origin import ORIGIN, Layer, Origin
from .rewrite import records
from .scalars import kind_of_text, shown

_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
_ORDER = ("object", "array", "string", "integer", "number", "boolean", "null")
_FOLD = 4096  # different kinds of objects are counted before they are summed up
_DEEPEST = 64
"""Levels of objects and arrays that become records and lists: no schema that somebody wrote goes so deep, and whatever walks one
level by level would soon find no end to it."""


def infer(paths: Sequence[FilePath]) -> Schema:
    """A key is required where all objects at its place have it, nullable where one is null.

    Whole numbers are `integer`, with one fraction or exponent among them `number`; values of several kinds are `json`, with the
    kinds kept in the document; objects are records, never maps. What lies deeper than 64 levels is `json`, too.

    Raises:
        FileError: a file is not JSON, or a record is not an object; names the file and the record.
    """
    root = _Seen()
    for path in paths:
        _look_through(path, root)
    if not root.kinds:
        return Schema(Field("", Record(())), open=True)
    return Schema(root.field("").with_(nullable=False), open=True)


def _look_through(path: FilePath, root: _Seen) -> None:
    read = record_reader(lambda text: 0.5)
    row = 0
    try:
        for row, text in enumerate(records(path)):
            value = read(text)
            if value.__class__ is not dict:
                raise FileError(
                    f"{shown(text)} is {kind_of_text(text)}, not an object",
                    hint="Instar migrates records; write each value as an object with fields.",
                    where=Where(file=str(path), row=row),
                )
            root.object(value)
            root.count += 1
            root.kinds.add("object")
    except DataError as error:
        placed = error.at(file=str(path), row=row)
        raise FileError(placed.message, hint=placed.hint, where=placed.where) from None


@dataclass
class _Seen:
    """What was seen at one place of the records, `depth` levels down: `count` values and nulls, `objects` of them objects."""

    depth: int = 0
    count: int = 0
    nulls: int = 0
    objects: int = 0
    kinds: set[str] = field(default_factory=set)
    fields: dict[str, _Seen] = field(default_factory=dict)
    item: _Seen | None = None
    forms: Counter[tuple[tuple[str, ...], tuple[type, ...]]] = field(default_factory=Counter)

    def value(self, value: Any) -> None:
        self.count += 1
        self.below(value)
        if value is None:
            self.nulls += 1
        else:
            self.kinds.add(_NAMES[value.__class__])

    def below(self, value: Any) -> None:
        """What is inside an object or array."""
        if self.depth == _DEEPEST:
            return
        if value.__class__ is dict:
            self.object(value)
        elif value.__class__ is list:
            self.item = self.item or _Seen(self.depth + 1)
            for each in value:
                self.item.value(each)

    def object(self, value: dict[str, Any]) -> None:
        """One object: its form (keys and kinds) is counted, for most are alike; only what is inside its values is looked at."""
        form = tuple(value), tuple(map(type, value.values()))
        if form not in self.forms:
            for name in form[0]:
                self.fields.setdefault(name, _Seen(self.depth + 1))
            if len(self.forms) >= _FOLD:
                self.fold()
        self.forms[form] += 1
        if dict in form[1] or list in form[1]:
            for name, each in value.items():
                if each.__class__ is dict or each.__class__ is list:
                    self.fields[name].below(each)

    def fold(self) -> None:
        """Sum up the forms."""
        for (names, types), count in self.forms.items():
            self.objects += count
            for name, kind in zip(names, types, strict=True):
                child = self.fields[name]
                child.count += count
                if kind is type(None):
                    child.nulls += count
                else:
                    child.kinds.add(_NAMES[kind])
        self.forms.clear()

    def field(self, name: str) -> Field:
        self.fold()
        kinds = self.kinds - {"integer"} if "number" in self.kinds else self.kinds
        nullable = self.nulls > 0
        match sorted(kinds):
            case []:
                return Field(name, Null(), nullable=True) if self.count else Field(name, Json(), nullable=True)
            case [kind] if self.depth < _DEEPEST or kind not in ("object", "array"):
                return Field(name, self.type(kind), nullable)
        types = [kind for kind in _ORDER if kind in kinds or (kind == "null" and nullable)]
        return Field(name, Json(), nullable, extra={ORIGIN: Origin((Layer({"type": types}),), "json", nullable)})

    def type(self, kind: str) -> Type:
        match kind:
            case "object":
                return Record(tuple(f.field(name).with_(optional=f.count < self.objects) for name, f in self.fields.items()))
            case "array":
                return List((self.item or _Seen()).field("item"))
        return {"string": String(), "boolean": Bool(), "integer": Integer(), "number": Number()}[kind]
