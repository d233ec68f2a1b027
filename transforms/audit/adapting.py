"""A query that was written for one side, as it must be written for the other: names through the mapping, the rest as it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from instar.formats.schema import Record
from instar.transforms.audit.counterparts import Names, Side
from instar.transforms.audit.reading import Read, Reading
from instar.transforms.proof.connection import quoted

Way = Literal["as written", "names", "table"]


@dataclass(frozen=True)
class Adapted:
    """The text for the other side.

    `renamed` pairs what was read with what it is called there (None: it is put together); `changed` are the places read whose
    values a declared change made other ones; `without` are columns that a star reads on its own side only. `way`: "names" were
    exchanged where they stand; or the "table" was, for a subquery that gives the names the query has, because of `why`.
    """

    text: str
    way: Way
    renamed: Mapping[Names, Names | None]
    changed: tuple[Names, ...] = ()
    without: Names = ()
    why: str = ""


@dataclass(frozen=True)
class OneSided:
    """The query reads what the other side does not have."""

    missing: tuple[Names, ...]


def adapted(text: str, reading: Reading, side: Side, *, by_table: bool = False) -> Adapted | OneSided:
    """The query for the other side than the one it was written for. `by_table`: exchange the table even where names could be."""
    columns = {(name,) for name in side.columns} if reading.whole else set[Names]()
    there = {place: found for place in columns | {read.place for read in reading.reads} if (found := given(side, place))}
    missing = {read.place for read in reading.reads if read.place not in there}
    without = tuple(name for name in side.columns if (name,) in columns - there.keys())
    if reading.positions:
        missing |= {(name,) for name in without}
    if missing:
        return OneSided(tuple(sorted(missing)))
    renamed = {place: found.path for place, found in sorted(there.items()) if found.path != place}
    changed = tuple(place for place, found in sorted(there.items()) if found.changed)
    if not renamed and not without:
        return Adapted(text, "as written", {}, changed)
    anew = [path_sql(place) for place, found in there.items() if found.path is None]
    why = reading.by_form or (f"it reads {anew[0]} as a whole, whose fields are not as they were" if anew else "")
    if why or by_table:
        return Adapted(_with_table(text, reading, side), "table", renamed, changed, without, why)
    edits = (edit for read in reading.reads for edit in _edits(read, renamed))
    return Adapted(_edited(text, edits), "names", renamed, changed)


@dataclass(frozen=True)
class Given:
    """SQL of what a place of one side is on the other; `path` None where it is put together there."""

    sql: str
    path: Names | None
    changed: bool


def given(side: Side, place: Names) -> Given | None:
    """None: the other side does not have it."""
    other, type = side.other(place), side.type(place)
    if not isinstance(type, Record) or (other is not None and not other.changed):
        return None if other is None else Given(path_sql(other.path), other.path, other.changed)
    inner = {name: found for name in type.names if (found := given(side, (*place, name))) is not None}
    if len(inner) < len(type.names):
        return None if other is None else Given(path_sql(other.path), other.path, True)
    packed = f"struct_pack({', '.join(f'{spelled(name)} := {found.sql}' for name, found in inner.items())})"
    changed = any(found.changed for found in inner.values())
    if other is None:  # nothing tells any more where it was null
        return Given(packed, None, True)
    return Given(f"CASE WHEN {path_sql(other.path)} IS NOT NULL THEN {packed} END", None, changed)


# ---- names
def _edits(read: Read, renamed: Mapping[Names, Names | None]) -> Iterator[tuple[int, int, str]]:
    new = renamed.get(read.place)
    if new is None:
        return
    named_alike = len(new) == 1 and new[-1] == read.place[-1]  # a field of a record is no name that ORDER BY knows
    kept = f" AS {spelled(read.place[-1])}" if read.output and not named_alike else ""
    yield read.start, read.end, path_sql(new) + kept


def _edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def path_sql(path: Names) -> str:
    return ".".join(map(spelled, path))


def spelled(name: str) -> str:
    """The name as people write it: in quotes only where it needs them."""
    from sqlglot.dialects.duckdb import DuckDB

    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and not any(
        word == name or word.startswith(f"{name} ") for word in map(str.lower, DuckDB.Tokenizer.KEYWORDS)
    )
    return name if plain else quoted(name)


# ---- the table
def _with_table(text: str, reading: Reading, side: Side) -> str:
    """The query over a subquery in the table's place, which has the columns of the side it was written for."""
    columns = ", ".join(_named(name, found) for name in side.columns if (found := given(side, (name,))) is not None)
    made = ((use, f"(SELECT {columns} FROM {text[use.start : use.end]})") for use in reading.tables)
    return _edited(text, ((use.start, use.end, sub if use.aliased else f"{sub} AS {spelled(use.name)}") for use, sub in made))


def _named(name: str, found: Given) -> str:
    return found.sql if found.path and found.path[-1] == name else f"{found.sql} AS {spelled(name)}"
