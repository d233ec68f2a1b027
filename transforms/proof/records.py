"""Proving a file of records (Avro, JSON): both sides read anew, flattened to what is asked for, and compared in DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import duckdb

from instar.formats.path import Path, path_text
from instar.formats.schema import Decimal, Field, List, Map, Record, Schema, Type
from instar.transforms.casts.rule import sql_scalar
from instar.transforms.mapping import Mapping

from .check import EXAMPLES, Check, Outcome
from .compare import compare
from .database import Room
from .expected import Expected, expected
from .places import Place, places
from .proved import Proved
from .relation import Relation, Stream
from .shred import Reader, Table
from .wants import Lowered, Wants, keys_of, lowered, record_type, wants_of

Fields = Callable[[FilePath, Sequence[str]], Iterator[dict[str, list[Any]]]]


@dataclass(frozen=True)
class Records:
    """How to prove a format of records. `open`: a file's records, decoded, but for those of the numbers given; `some`: with only
    those of their fields that are named, where that is cheaper; `fields`: the values of these, field by field."""

    reader: Reader
    open: Callable[[FilePath, frozenset[int]], Iterator[Any]]
    some: Callable[[FilePath, frozenset[str]], Iterator[Any]] | None = None
    fields: Fields | None = None


def prove_records(
    format: Records,
    source: FilePath,
    staged: FilePath,
    mapping: Mapping,
    *,
    room: Room,
    full: bool,
    left_out: Sequence[int],
    known: frozenset[Path] = frozenset(),
    examples: int = EXAMPLES,
) -> Proved:
    """Compares `staged` with what `mapping` makes of `source`, but for the records numbered in `left_out`.

    `known`: the places of the target that are proved already, be it a value, or a record with its keys. `examples`: of what differs
    at a place, so many.

    Raises:
        ValueError, OSError: a side cannot be read at all.
    """
    old, new = wants_of(mapping)
    asked = asked_of(mapping, old, new, format.reader, full, known)
    gone = frozenset(left_out)
    by_fields = None if format.fields is None or gone else format.fields
    before, after = (
        Table(wants.prefix, wants, format.reader, _opened(format, file, wants, out), by_fields and partial(by_fields, file))
        for wants, file, out in ((old, source, gone), (new, staged, frozenset()))
    )
    with room.connected() as connection:
        streams = [before.stream(), after.stream()]
        made = expected_of(connection, asked, before, streams[0])
        relation = Relation(connection, streams, made.stages)
        told = [None if one.meant is None else format.reader.dialect.told(one.meant) for one in asked]
        pairs = zip(asked, made.values, told, strict=True)
        checks = [Check(path_text(one.path), one.way, sql, one.actual, words) for one, sql, words in pairs]
        tallies = [f"count({before.row})", f"count({after.row})"]
        counted, outcomes = compare(relation, checks, tallies=tallies, examples=examples)
        if counted is None:
            counted, _ = compare(relation, [], tallies=tallies)
    assert counted is not None
    found = [_told(one, outcome, after) for one, outcome in zip(asked, outcomes, strict=True)]
    return Proved(counted[0] + len(gone), counted[1], tuple(zip(checks, found, strict=True)), ())


def _opened(format: Records, file: FilePath, wants: Wants, gone: frozenset[int]) -> Callable[[], Iterator[Any]]:
    """The file's records, or what is wanted of them."""
    some, paths = format.some, [want.path for want in wants.all.values()]
    if some is None or gone or not all(paths):
        return lambda: format.open(file, gone)
    return lambda: some(file, frozenset(path[0] for path in paths))


def asked_of(mapping: Mapping, old: Wants, new: Wants, reader: Reader, full: bool, known: frozenset[Path]) -> list[Lowered]:
    """Every place of the target, the keys of every record, and with `full` what was carried as its logical type, too."""
    root = Place((), mapping.root.field, mapping.root.expression, record=True)
    everything = [place for place in places(mapping.root) if place.path not in known]
    asked = [lowered(place, old, new, reader.dialect) for place in everything]
    if reader.dialect.keys:
        records = [place for place in (root, *everything) if place.record and place.path not in known]
        asked += [keys for place in records if (keys := keys_of(place, old, new))]
    if full:
        again = (p for p in everything if p.carried and _typed(new.names.type(p.field.type)))
        asked += [lowered(place, old, new, reader.dialect, typed=True) for place in again]
    return asked


def _typed(type: Type) -> bool:
    """Has every value of the type a form in DuckDB? (Bytes of Avro's decimals may say more digits than their precision.)"""
    match type:
        case Decimal():
            return False
        case Record(fields):
            return bool(fields) and all(_typed(f.type) for f in fields)
        case List(item):
            return _typed(item.type)
        case Map(value):
            return _typed(value.type)
        case _:
            return sql_scalar(type) is not None


def expected_of(connection: duckdb.DuckDBPyConnection, asked: Sequence[Lowered], before: Table, stream: Stream) -> Expected:
    """SQL for what each place must be, over the columns of the old side."""
    bound = connection.sql(f"SELECT * FROM {Relation(connection, [stream]).bound()}")
    columns = {name: (name, str(type)) for name, type in zip(bound.columns, bound.types, strict=True)}
    source = Schema(Field("", record_type(before.wants, before.reader.dialect)))
    return expected(connection, [(one.expression, one.type) for one in asked], source, columns)


def _told(asked: Lowered, outcome: Outcome, after: Table) -> Outcome:
    """The outcome, or what is wrong with the new side's values themselves, which came as nulls."""
    misfit = after.misfits.get(asked.actual)
    return outcome if misfit is None else Outcome(misfit.message, misfit.row)
