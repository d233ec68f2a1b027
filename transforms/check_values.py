"""What a check's query reads, by its text: which columns it needs, and which of its results may be shown where fields are `pii`.

A query that is not understood is taken to read and to show everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlglot
from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.mapping import Mapping

_REFLECTING = {"columns", "query", "query_table"}
"""Functions that name columns by texts."""
_UNNAMED = (exp.PositionalColumn, exp.Columns, exp.Summarize, exp.Describe, exp.Pivot, exp.Command, exp.Parameter, exp.Placeholder)
"""What reads columns by other means than their names."""


def private_names(mappings: Iterable[Mapping]) -> frozenset[str]:
    """The columns, of either side, that hold a field tagged `pii` or are computed from one (casefolded)."""
    found = set[str]()
    for mapping in mappings:
        hidden = Hidden(mapping)
        if hidden.any:
            found |= {str(path[0]).casefold() for path in hidden.sources if path}
            found |= {f.name.casefold() for f in mapping.target.record.fields if hidden.place((f.name,))}
    return frozenset(found)


@dataclass(frozen=True)
class Reading:
    """What a query reads. `names`: every name that occurs in it, casefolded; None where it may read any column."""

    query: exp.Expr | None
    names: frozenset[str] | None

    def touches(self, private: Collection[str]) -> bool:
        """May it read one of these columns?"""
        return bool(private) and (self.names is None or not self.names.isdisjoint(private))

    def shows(self, columns: int, private: Collection[str]) -> tuple[bool, ...]:
        """Which of its `columns` results may be shown: of one plain SELECT those that have nothing to do with these columns."""
        if not self.touches(private):
            return (True,) * columns
        query = self.query
        if not isinstance(query, exp.Select) or len(query.expressions) != columns or len(list(query.find_all(exp.Query))) > 1:
            return (False,) * columns
        parts = [part for key, part in query.args.items() if key != "expressions"]
        every = [part for each in parts for part in (each if isinstance(each, list) else [each]) if isinstance(part, exp.Expr)]
        if any(_names(part, query) is None for part in every):
            return (False,) * columns
        hidden, known = set(private), set[int]()
        while True:  # a result may be computed from another one by its alias
            more = {at for at, e in enumerate(query.expressions) if Reading(None, _names(e, query)).touches(hidden)} - known
            if not more:
                return tuple(at not in known for at in range(columns))
            known |= more
            hidden |= {query.expressions[at].alias_or_name.casefold() for at in more}


def reading_of(sql: str) -> Reading:
    """What the text of one query says."""
    try:
        parsed = [query for query in sqlglot.parse(sql, read="duckdb") if query is not None]
    except SqlglotError:
        return Reading(None, None)
    if len(parsed) != 1:
        return Reading(None, None)
    return Reading(parsed[0], _names(parsed[0], parsed[0]))


def _names(of: exp.Expr, query: exp.Expr) -> frozenset[str] | None:
    """Every name in a part of a query; None where it reads columns that it does not name."""
    tables = {table.alias_or_name.casefold() for table in query.find_all(exp.Table)}
    for node in of.walk():
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            return None
        if isinstance(node, exp.Column) and node.name.casefold() in tables:
            return None  # a whole row, which the name of a schema may stand before
        if isinstance(node, exp.TableAlias) and node.columns:
            return None
        if isinstance(node, _UNNAMED) or (isinstance(node, exp.Join) and node.method == "NATURAL"):
            return None
        if isinstance(node, exp.Anonymous) and node.name.casefold() in _REFLECTING:
            return None
    return frozenset(node.name.casefold() for node in of.find_all(exp.Identifier))
