"""Each query, made ready for both sides: whose names it has, and what it is on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from instar.formats.errors import UsageError
from instar.formats.pii import any_tagged
from instar.transforms.audit.adapting import Adapted, OneSided, adapted, path_sql
from instar.transforms.audit.counterparts import Side, may_not_show
from instar.transforms.audit.queries import Query
from instar.transforms.audit.reading import Reading, read_of
from instar.transforms.audit.sides import SIDES, SideName, Sides
from instar.transforms.check_values import reading_of
from instar.transforms.unknown_tables import of_own_tables

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass(frozen=True)
class Prepared:
    """A query and its `texts` for the sides that can answer it. `names`: whose it was written with ("old", "new", or a version);
    `why_one`: why only one side can. `reads` are the only columns that it needs, in lower case and of any version (None: all),
    `folders` whether it reads a folder's key, `hidden` whether its values may not be shown, `by_name` whether the two results may
    have different columns."""

    query: Query
    tree: exp.Query
    names: str
    texts: Mapping[SideName, str]
    made: Adapted | None
    why_one: str = ""
    reads: frozenset[str] | None = None
    folders: bool = False
    hidden: bool = False
    by_name: bool = False

    @property
    def changed(self) -> bool:
        """Does it read what a declared change made other values?"""
        return bool(self.made and self.made.changed)


@dataclass(frozen=True)
class Binder:
    """Says what is wrong with a text on a side, "" where it fits: asked of DuckDB, over `tables` without rows."""

    connections: Mapping[SideName, duckdb.DuckDBPyConnection]
    tables: Sequence[str]

    def wrong(self, side: SideName, text: str) -> str:
        try:
            self.connections[side].execute(f"EXPLAIN {text}")
        except duckdb.Error as error:
            return of_own_tables(said(error), self.tables)
        return ""


def said(error: duckdb.Error) -> str:
    """What DuckDB says, in one line, without the text of the query."""
    first = str(error).partition("\n\nLINE")[0]
    return " ".join(first.split())


def prepared(queries: Sequence[Query], sides: Sides) -> tuple[Prepared, ...]:
    """All queries.

    Raises:
        UsageError: one fits neither side.
    """
    made, errors = list[Prepared](), list[UsageError]()
    with sides.empty("old") as old, sides.empty("new") as new:
        binder = Binder({"old": old.connection, "new": new.connection}, sides.tables)
        for query in queries:
            try:
                made.append(_prepared(query, sides, binder))
            except UsageError as error:
                errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UsageError("; ".join(error.message for error in errors), hint=errors[0].hint)
    return tuple(made)


def _prepared(query: Query, sides: Sides, binder: Binder) -> Prepared:
    tree = query.tree()
    wrong: dict[SideName, str] = {side: binder.wrong(side, query.text) for side in SIDES}
    if sides.mixed:
        return _of_mixed(query, tree, sides, binder, wrong)
    if wrong["old"] and wrong["new"]:
        raise _fits_nowhere(query, wrong)
    own, other = ("old", "new") if not wrong["old"] else ("new", "old")
    side = sides.pair[0 if own == "old" else 1]
    reading = read_of(tree, side, sides.tables)
    made, why = _fitting(query, reading, side, other, binder)
    texts: dict[SideName, str] = {own: query.text}
    if made is not None and not why:
        texts[other] = made.text
    return _described(query, tree, sides, side, reading, names=own, texts=texts, made=made, why=why)


def _fitting(query: Query, reading: Reading, side: Side, other: SideName, binder: Binder) -> tuple[Adapted | None, str]:
    """The query for the other side, and why it cannot answer it."""
    wrong = ""
    for by_table in (False, True):
        made = adapted(query.text, reading, side, by_table=by_table)
        if isinstance(made, OneSided):
            missing = ", ".join(map(path_sql, made.missing))
            gone = "was dropped" if other == "new" else "was added"
            return None, f"it reads {missing}, which {gone}"
        again = binder.wrong(other, made.text)
        if not again:
            return made, ""
        wrong = wrong or again
        if made.way != "names":
            break
    return made, wrong


def _of_mixed(query: Query, tree: exp.Query, sides: Sides, binder: Binder, wrong: Mapping[SideName, str]) -> Prepared:
    """Both sides have the names of the new one; a query with those of an older version is adapted to them first."""
    text, made, names = query.text, None, "new"
    if wrong["new"]:
        for version in reversed(sides.versions):
            side = sides.by_version[version][0]
            found, why = _fitting(query, read_of(tree, side, sides.tables), side, "new", binder)
            if found is not None and not why:
                text, made, names = found.text, found, f"version {version}"
                break
        else:
            raise _fits_nowhere(query, wrong)
    side = sides.pair[1]
    reading = read_of(Query(query.name, text).tree(), side, sides.tables)
    why = binder.wrong("old", text)
    texts: dict[SideName, str] = {"new": text} if why else {"old": text, "new": text}
    same = adapted(text, reading, side)
    if made is None and isinstance(same, Adapted):
        made = same
    elif made is not None and isinstance(same, Adapted):
        made = Adapted(made.text, made.way, made.renamed, (*made.changed, *same.changed), made.without, made.why)
    return _described(query, tree, sides, side, reading, names=names, texts=texts, made=made, why=why)


def _fits_nowhere(query: Query, wrong: Mapping[SideName, str]) -> UsageError:
    return UsageError(
        f"{query.source or query.name} fits neither the old files nor the new ones: {wrong['old']}",
        hint=f"On the new ones: {wrong['new']}" if wrong["new"] != wrong["old"] else "Write it with the names of one of the two.",
    )


def _described(
    query: Query,
    tree: exp.Query,
    sides: Sides,
    side: Side,
    reading: Reading,
    *,
    names: str,
    texts: Mapping[SideName, str],
    made: Adapted | None,
    why: str,
) -> Prepared:
    places = {read.place for read in reading.reads}
    pairs = [(place, found.path if (found := side.other(place)) else place) for place in places]
    all_columns = reading.whole or (made is not None and made.way == "table")
    reads = frozenset(path[0].casefold() for pair in pairs for path in pair) | _of_versions(sides, places)
    schemas = [sides.schemas[version] for version in {*sides.versions, sides.trees.target}]
    tagged = any_tagged(schemas)
    hidden = tagged and (
        reading.whole
        or bool(made and made.changed)
        or any(may_not_show(schema, path) for schema in schemas for pair in pairs for path in pair)
        or any(reading_of(text).touches(sides.private) for text in texts.values())  # by ways that name no column
    )
    folders = reading.whole or any(place[0] in sides.keys for place in places)
    return Prepared(query, tree, names, texts, made, why, None if all_columns else reads, folders, hidden, by_name=reading.whole)


def _of_versions(sides: Sides, places: set[tuple[str, ...]]) -> frozenset[str]:
    """What the places of the new side are called in each version of a mixed old side."""
    if not sides.mixed:
        return frozenset()
    found = [new.other(place) for _, new in sides.by_version.values() for place in places]
    return frozenset(other.path[0].casefold() for other in found if other is not None)
