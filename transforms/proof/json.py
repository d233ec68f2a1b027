"""Proving a JSON file: untouched values by their text, touched ones by SQL, each record's keys and their order."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Dict
from dataclasses import replace
from decimal import Decimal as Exact
from pathlib import Path as FilePath
from typing import Any

from msgspec import Raw

from instar.formats.json.check import record_reader
from instar.formats.json.validate import compiled
from instar.formats.numbertext import integer_text, number_text
from instar.formats.path import Path
from instar.formats.schema import (
    Bool,
    Bytes,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    Json,
    Map,
    Number,
    Schema,
    String,
    Type,
    Union,
    Uuid,
    type_text,
)
from instar.transforms.mapping import Mapping

from .check import EXAMPLES
from .database import Room
from .json_kept import judged_by, kept
from .json_lines import fields_of
from .json_named import named_reader
from .json_text import canonical, records, short
from .json_text import number_text as text_of
from .keys import Keys, asked_keys
from .places import Place, places
from .proved import Proved, by_bytes, in_order
from .wants import Dialect


def prove(
    source: FilePath,
    staged: FilePath,
    mapping: Mapping,
    *,
    room: Room,
    full: bool,
    left_out: Sequence[int] = (),
    examples: int = EXAMPLES,
) -> Proved:
    """Compares `staged` with what `mapping` makes of `source`, but for the records numbered in `left_out`; so many `examples`
    of what differs at a place.

    What only keeps its text is compared as text, and not read, unless everything is to be (`full`). What is not plainly right so is
    judged by Python's own parser, which reads every value and tells what is wrong.

    Raises:
        ValueError, OSError: a side cannot be read at all.
    """
    asked = tuple(places(mapping.root))
    if not left_out and (proved := _plainly(source, staged, mapping, asked, room=room, full=full)):
        return replace(proved, outcomes=in_order(asked, proved.outcomes))
    from .records import Records, prove_records

    found = None if full or left_out else kept(source, staged, mapping)
    known = frozenset[Path]() if found is None else found.places
    format = Records(JsonReader(), records, fields_of if known else None)
    read = prove_records(format, source, staged, mapping, room=room, full=full, left_out=left_out, examples=examples, known=known)
    return replace(read, outcomes=in_order(asked, [*by_bytes(known), *read.outcomes]))


def _plainly(
    source: FilePath, staged: FilePath, mapping: Mapping, asked: Sequence[Place], *, room: Room, full: bool
) -> Proved | None:
    """The proof of a file in which all is plainly right; None where that cannot be seen."""
    judged = judged_by(mapping)
    if judged is None:
        return None
    if all(place.path in judged.places for place in asked):
        found = kept(source, staged, mapping)
        proved = None if found is None else Proved(found.rows, found.rows, tuple(by_bytes(found.places)), ())
    else:
        from .json_computed import prove_computed

        proved = prove_computed(source, staged, mapping, judged, JsonReader(), room=room)
    if proved is None or not full:
        return proved
    from .json_again import read_again

    carried = [place for place in asked if place.path in judged.places and not place.record]
    again = read_again(source, staged, carried, room=room) if carried else (proved.rows_old, [])
    return replace(proved, outcomes=(*proved.outcomes, *again[1])) if again and again[0] == proved.rows_old else None


class JsonReader:
    """Values as `json_text` reads them."""

    dialect = Dialect(carried=lambda type: Bytes(), keys=True)

    def carried(self, type: Type) -> Callable[[Any], Any]:
        return canonical

    def typed(self, type: Type) -> Callable[[Any], Any]:
        match type:
            case Bool():
                return lambda value: value if isinstance(value, bool) else _refuse(value, type)
            case String() | Enum() | Uuid():
                return lambda value: value if isinstance(value, str) else _refuse(value, type)
            case Int():
                return lambda value: _integer(value, type)
            case Integer() | Number():
                return lambda value: _plain(value, type)
            case Float(bits):
                return lambda value: _float(value, bits, type)
            case _:
                return named_reader(type) or canonical

    def made(self, type: Type) -> Callable[[Any], Any]:
        typed = self.typed(type)
        return (lambda value: typed(_digits(value, type))) if isinstance(type, Int | Integer) else typed

    def branch(self, type: Union, named: Dict[str, Field]) -> Callable[[Any], tuple[int, Any]]:
        return _Branches(type, named).of

    def pairs(self, map: Any) -> Iterable[tuple[str, Any]]:
        return map.items() if isinstance(map, dict) else _refuse(map, Map(Field("", Json())))

    def keys(self, scope: Any, keys: Keys) -> bytes | None:
        found = asked_keys(scope, keys)
        return None if found is None else canonical(found)


_read = record_reader()


class _Branches:
    """The branches of a union, each as a JSON Schema validator judges it."""

    def __init__(self, type: Union, named: Dict[str, Field]) -> None:
        self.names = [branch.name for branch in type.branches]
        self.valid = [compiled(Schema(branch, named, open=True)).is_valid for branch in type.branches]

    def of(self, value: Any) -> tuple[int, Any]:
        plain = _read(canonical(value))
        found = [i for i, valid in enumerate(self.valid) if valid(plain)]
        if len(found) != 1:
            names = ", ".join(f"<{self.names[i]}>" for i in found) or "none"
            raise ValueError(f"{short(value)} should be of one branch of a union, but is of {names}")
        return found[0], value


_PLAIN = re.compile(rb"0|-?[1-9][0-9]{0,300}").fullmatch


_DIGITS = re.compile(rb"0|-?[1-9][0-9]*").fullmatch


def _digits(value: Any, type: Type) -> Any:
    """An integer that is written as one: many readers take 1.0 for none."""
    if isinstance(value, Raw) and not _DIGITS(value):
        raise ValueError(f"{short(value)} is not how {type_text(type)} is written")
    return value


def _plain(value: Any, type: Type) -> str:
    """A number's one text, as the cast table has it."""
    if isinstance(value, Raw) and (found := _PLAIN(value)):
        return found[0].decode()
    return integer_text(_integer(value, type)) if isinstance(type, Integer) else number_text(_number(value, type))


def _integer(value: Any, type: Type) -> int:
    if not isinstance(value, Raw):
        return _refuse(value, type)
    text = text_of(value)
    try:
        return int(text)
    except ValueError:  # 1.0 and 1e2 are integers, too (JSON Schema 2020-12 validation, 6.1.1)
        exact = Exact(text)
        if exact.adjusted() < 4300 and exact == exact.to_integral_value():
            return int(exact)
    return _refuse(value, type)


def _number(value: Any, type: Type) -> Exact:
    number = Exact(text_of(value)) if isinstance(value, Raw) else _refuse(value, type)
    return abs(number) if number.is_zero() else number


_FORMS = {16: struct.Struct("<e"), 32: struct.Struct("<f")}


def _float(value: Any, bits: int, type: Type) -> float:
    number = float(text_of(value)) if isinstance(value, Raw) else _refuse(value, type)
    if bits in _FORMS and math.isfinite(number):
        number = _FORMS[bits].unpack(_FORMS[bits].pack(number))[0]
    return number if math.isfinite(number) else _refuse(value, type)


def _refuse(value: Any, type: Type) -> Any:
    raise ValueError(f"{short(value)} is no {type_text(type)}")
