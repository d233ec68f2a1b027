"""Lines of JSON of which the text is proved already, read once more by DuckDB's own reader: what is carried must be the same value.

DuckDB takes 1.5 for 2 where an integer is asked for, and "2", too, so that this alone would prove little. But it makes none of the
mistakes of whoever compared the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import duckdb

from instar.formats.path import path_text
from instar.formats.schema import Bool, Enum, Float, Int, Integer, String, Type
from instar.transforms.expression import Source

from .check import AGREED, Check, Outcome
from .connection import can_be_named, file_literal, text_literal
from .database import Room
from .exact import differ
from .places import Place

_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}
_SPELLED = re.compile(r'[^"*\\\x00-\x1f]+').fullmatch  # a name that a path of DuckDB's can quote

Again = tuple[int, list[tuple[Check, Outcome]]]
"""The number of records, and an outcome for each place."""


def read_again(source: FilePath, staged: FilePath, asked: Sequence[Place], *, room: Room) -> Again | None:
    """What is carried to each of these places is what DuckDB reads there; None where it cannot, or finds another value."""
    pairs = [_Pair.of(place) for place in asked]
    found = [pair for pair in pairs if pair is not None]
    if len(found) < len(pairs) or not found or not (can_be_named(source) and can_be_named(staged)):
        return None
    for typed in (True, False):
        try:
            with room.connected() as connection:
                rows, *wrong = connection.execute(_query(source, staged, found, typed=typed)).fetchall()[0]
        except duckdb.Error:  # a value that its type does not hold, or a line that is too long
            continue
        return None if any(wrong) else (rows, [(Check(path_text(place.path), "sql", "", ""), AGREED) for place in asked])
    return None


@dataclass(frozen=True)
class _Pair:
    """Where a value is in the old record and in the new one, and its type."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    type: Type

    @classmethod
    def of(cls, place: Place) -> _Pair | None:
        """None where DuckDB cannot be asked for it."""
        if not isinstance(place.expression, Source) or place.branch is not None:
            return None
        pair = cls(place.expression.path, place.names, place.field.type)
        return pair if all(_SPELLED(name) for name in (*pair.old, *pair.new)) else None


def _query(source: FilePath, staged: FilePath, pairs: Sequence[_Pair], *, typed: bool) -> str:
    """Counts the records, and for each pair of columns those in which something differs."""
    groups: dict[tuple[str, str], list[_Pair]] = {}
    for pair in pairs:
        groups.setdefault((pair.old[0], pair.new[0]), []).append(pair)
    uses = Counter(name for old, new in groups for name in (("old", old), ("new", new)))
    types = dict.fromkeys(groups, "JSON")
    for (old, new), (first, *others) in groups.items():
        alone = not others and uses["old", old] == uses["new", new] == 1
        if typed and alone and len(first.old) == len(first.new) == 1:
            types[old, new] = _type_of(first.type)
    columns = [{names[side]: type for names, type in types.items()} for side in (0, 1)]
    at = [{name: f"{prefix}{i}" for i, name in enumerate(some)} for prefix, some in zip(("old", "new"), columns, strict=True)]
    wrong = [_differs(at[0][old], at[1][new], some, types[old, new]) for (old, new), some in groups.items()]
    scans = [_scan(file, some, list(at[i].values())) for i, (file, some) in enumerate(zip((source, staged), columns, strict=True))]
    counts = ", ".join(f"count_if({each})" for each in wrong)
    return f"SELECT count(*), {counts} FROM {scans[0]} POSITIONAL JOIN {scans[1]}"


def _differs(old: str, new: str, pairs: Sequence[_Pair], type: str) -> str:
    if type != "JSON":
        of = duckdb.sqltype(type)
        return differ(old, new, of, of) or "true"
    whole = [f"{old} IS DISTINCT FROM {new}" for pair in pairs if len(pair.old) == len(pair.new) == 1]
    below = [pair for pair in pairs if len(pair.old) + len(pair.new) > 2]
    if below:
        sides = (_extracted(old, [pair.old[1:] for pair in below]), _extracted(new, [pair.new[1:] for pair in below]))
        whole.append(" IS DISTINCT FROM ".join(sides))
    return " OR ".join(whole)


def _extracted(column: str, paths: Sequence[tuple[str, ...]]) -> str:
    """All of them at once: DuckDB parses the value for each time that it is asked."""
    asked = ", ".join(text_literal("$" + "".join(f'."{name}"' for name in path)) for path in paths)
    return f"json_extract({column}, [{asked}])"


def _scan(file: FilePath, columns: dict[str, str], names: Sequence[str]) -> str:
    with file.open("rb") as opened:
        packed = _PACKED.get(opened.read(2), "uncompressed")
    told = ", ".join(f"{text_literal(name)}: '{type}'" for name, type in columns.items())
    return (
        f"read_json({file_literal(file)}, format = 'newline_delimited', columns = {{{told}}}, compression = '{packed}',"
        f" hive_partitioning = false) AS {names[0][:3]}({', '.join(names)})"
    )


def _type_of(type: Type) -> str:
    """In what DuckDB reads a value fastest that is of a type."""
    match type:
        case Bool():
            return "BOOLEAN"
        case Int(64, False):
            return "UBIGINT"
        case Int() | Integer():
            return "BIGINT"
        case Float():
            return "DOUBLE"
        case String() | Enum():
            return "VARCHAR"
        case _:
            return "JSON"
