"""What a query reads of the dataset, and at which characters of its text: found by sqlglot, as DuckDB binds names.

The text itself is never rendered anew, so that DuckDB's own syntax comes through as it was written. Where names cannot be exchanged
one by one (a star, USING, a method call), that is told, so that the whole table is adapted instead (`adapting`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instar.transforms.audit.counterparts import Names, Side

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope


@dataclass(frozen=True)
class Read:
    """The characters from `start` to `end` name a `place`, after the name of the table where there is one. `output`: it is a column
    of its SELECT, under its own name."""

    start: int
    end: int
    place: Names
    output: bool = False


@dataclass(frozen=True)
class TableUse:
    """The characters that name the dataset as a table, and whether another name for it follows."""

    start: int
    end: int
    name: str
    aliased: bool


@dataclass(frozen=True)
class Reading:
    """`by_form`: why names cannot be exchanged one by one, "" where they can. `whole`: every column is read; `positions`: by its
    number, so that none may be missing."""

    reads: tuple[Read, ...]
    tables: tuple[TableUse, ...]
    by_form: str = ""
    whole: bool = False
    positions: bool = False


def tables_read(tree: exp.Query, tables: Sequence[str]) -> tuple[TableUse, ...]:
    """Where the query names one of these tables, as far as no WITH of its own has that name."""
    from sqlglot import exp

    return tuple(
        TableUse(node.this.meta["start"], node.this.meta["end"] + 1, node.name, bool(node.alias))
        for node in tree.find_all(exp.Table)
        if _is_dataset(node, tables)
    )


def read_of(tree: exp.Query, side: Side, tables: Sequence[str]) -> Reading:
    """What the query reads, were it written for `side`."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import traverse_scope

    uses = tables_read(tree, tables)
    try:
        scopes = {id(scope.expression): scope for scope in traverse_scope(tree)}
    except SqlglotError:
        return Reading((), uses, "its parts are not clear", whole=True)
    found = _Columns(side, tables, scopes)
    reads = tuple(sorted(filter(None, map(found.read, tree.find_all(exp.Column))), key=lambda read: read.start))
    forms = [*_forms(tree, found), *((why, True, False) for why in found.unclear)]
    return Reading(
        reads, uses, forms[0][0] if forms else "", any(whole for _, whole, _ in forms), any(positions for *_, positions in forms)
    )


def _is_dataset(node: exp.Table, tables: Sequence[str]) -> bool:
    from sqlglot import exp

    if not isinstance(node.this, exp.Identifier) or node.args.get("db"):
        return False
    return node.name.casefold() in {table.casefold() for table in tables} and not _is_a_with(node)


def _is_a_with(node: exp.Table) -> bool:
    """Is it the name of a WITH around it? In its own definition the name still means what it meant outside, but if recursive."""
    above, way = node.parent, [id(node)]
    while above is not None:
        clause = above.args.get("with_")
        for each in clause.expressions if clause is not None else ():
            if each.alias.casefold() == node.name.casefold() and (each.parent.args.get("recursive") or id(each) not in way):
                return True
        way.append(id(above))
        above = above.parent
    return False


# ---- names
class _Columns:
    """Finds the dataset's columns among the names of one query. `unclear`: what it could not make out."""

    def __init__(self, side: Side, tables: Sequence[str], scopes: dict[int, Scope]) -> None:
        self._side, self._tables, self._scopes = side, tables, scopes
        self.unclear: list[str] = []

    def read(self, column: exp.Column) -> Read | None:
        """What a name means, if it is a column of the dataset."""
        from sqlglot import exp

        if isinstance(column.this, exp.Star) or self._is_output(column):
            return None
        parts = _chain(column)
        scope = self._scope(column)
        while scope is not None:
            skip = self._in(scope, [part.name for part in parts])
            if skip is not None:
                return self._read(column, parts[skip:]) if skip >= 0 else None
            scope = scope.parent if scope.is_subquery or scope.is_set_operation or scope.is_udtf else None
        return None

    def _read(self, column: exp.Column, parts: Sequence[exp.Expr]) -> Read:
        from sqlglot import exp

        place = self._side.place(tuple(part.name for part in parts))
        assert place is not None
        top = column
        while isinstance(top.parent, exp.Dot):
            top = top.parent
        output = top.arg_key == "expressions" and isinstance(top.parent, exp.Select) and len(place) == len(parts)
        return Read(parts[0].meta["start"], parts[len(place) - 1].meta["end"] + 1, place, output)

    def _scope(self, node: exp.Expr) -> Scope | None:
        from sqlglot import exp

        above = node.find_ancestor(exp.Select)
        return self._scopes.get(id(above))

    def _is_output(self, column: exp.Column) -> bool:
        """Does it name a column of the result, as ORDER BY does first of all, or a column that a star leaves out?"""
        from sqlglot import exp

        above = column.find_ancestor(exp.Order, exp.Window, exp.Select, exp.SetOperation, exp.Star)
        if isinstance(above, exp.SetOperation | exp.Star):
            return True
        if not isinstance(above, exp.Order) or column.parent is None or not isinstance(column.parent, exp.Ordered):
            return False
        if isinstance(above.parent, exp.SetOperation):
            return True
        names = above.parent.named_selects if isinstance(above.parent, exp.Select) else []
        return not column.table and column.name.casefold() in {name.casefold() for name in names}

    def _in(self, scope: Scope, names: Sequence[str]) -> int | None:
        """In this scope: how many names stand before the column's own, -1 where it is another table's, or None: it is not of it."""
        sources = {name.casefold(): source for name, (_, source) in scope.selected_sources.items()}
        first = names[0].casefold()
        if first in sources and len(names) > 1:
            if not self.is_dataset(sources[first]):
                return -1
            return 1 if self._side.place(tuple(names[1:])) else -1
        others = [source for source in sources.values() if not self.is_dataset(source)]
        ours = len(others) < len(sources) and self._side.place(tuple(names)) is not None
        theirs = any(first in self._outputs(source) for source in others)
        if ours and theirs:
            self.unclear.append(f"{names[0]} may be of more than one table")
            return -1
        if not ours and first in sources:
            self.unclear.append(f"{names[0]} is a whole row")
            return -1
        return 0 if ours else -1 if theirs else None

    def is_dataset(self, source: object) -> bool:
        from sqlglot import exp

        return isinstance(source, exp.Table) and _is_dataset(source, self._tables)

    def _outputs(self, source: object) -> set[str]:
        """The columns of a subquery, as far as they have names, in lower case."""
        from sqlglot import exp
        from sqlglot.optimizer.scope import Scope

        if not isinstance(source, Scope):
            return set()
        if source.outer_columns:
            return {name.casefold() for name in source.outer_columns}
        select = source.expression
        while isinstance(select, exp.SetOperation):
            select = select.left.unnest()
        source = self._scopes.get(id(select), source)
        found = {name.casefold() for name in getattr(select, "named_selects", ()) if name != "*"}
        if any(projection.is_star for projection in getattr(select, "selects", ())):
            for _, inner in source.selected_sources.values():
                own = {name.casefold() for name in self._side.columns} if self.is_dataset(inner) else self._outputs(inner)
                found |= own
        return found

    def reads_dataset(self, node: exp.Expr) -> bool:
        """Is the dataset among the tables of the SELECT that a node stands in?"""
        scope = self._scope(node)
        return scope is None or any(self.is_dataset(source) for _, source in scope.selected_sources.values())


def _chain(column: exp.Column) -> list[exp.Expr]:
    """All names of `a.b.c…`, of which sqlglot's column holds four."""
    from sqlglot import exp

    parts: list[exp.Expr] = list(column.parts)
    node: exp.Expr = column
    while isinstance(node.parent, exp.Dot) and node.arg_key == "this" and isinstance(node.parent.expression, exp.Identifier):
        node = node.parent
        parts.append(node.expression)
    return parts


# ---- forms
def _forms(tree: exp.Query, columns: _Columns) -> Iterator[tuple[str, bool, bool]]:
    """Ways to name columns that cannot be exchanged where they stand: how, whether all are meant, and whether by number."""
    from sqlglot import exp

    for node in tree.walk():
        match node:
            case exp.Star() if not isinstance(node.parent, exp.Count) and columns.reads_dataset(node):
                yield "it reads all columns (*)", True, False
            case exp.Columns():
                yield "it chooses columns by a pattern (COLUMNS)", True, False
            case exp.Pivot():
                yield "it has a PIVOT or UNPIVOT", True, False
            case exp.PositionalColumn():
                yield "it names columns by their number", True, True
            case exp.Join() if (node.args.get("using") or node.method == "NATURAL") and columns.reads_dataset(node):
                yield "its join names columns of both sides at once", node.method == "NATURAL", False
            case exp.Table() if node.args.get("alias") and node.args["alias"].columns:
                yield "it names the table's columns anew", True, True
            case exp.Comprehension():
                yield "it has a list comprehension", True, False
            case exp.Dot() if isinstance(node.this, exp.Identifier):
                yield "it calls a function by a dot", True, False
