"""A user's DuckDB expression, cut at the fields it names.

sqlglot only *finds* the fields (each identifier has its character offsets); the text itself is never re-rendered, and its inputs
have no names that could go stale. What is refused here is refused by kind: whatever is not one scalar expression over one record.
Which functions are allowed, and the type of the result, is asked of DuckDB in `evaluate/sql.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instar.formats.errors import MigrationError, suggestion
from instar.formats.path import path_text
from instar.formats.schema import Field, Record, Type

from .expression import Source, Sql

if TYPE_CHECKING:
    from sqlglot import exp


def cut(text: str, record: Record, at: tuple[str, ...], type: Type) -> Sql:
    """The text as an expression of type `type` over the fields of `record`, which stands at `at` in its scope.

    Names are matched exactly, case included; odd names stand in double quotes; `a.b` is field b of the record a.

    Raises:
        MigrationError: not one scalar expression, or it names a field that is not there; names the part of the text.
    """
    from sqlglot import exp

    tree = _parsed(text)
    _refuse(tree, text)
    cuts = sorted((_resolved(column, record, text) for column in tree.find_all(exp.Column)), key=lambda c: c.start)
    edges = [0, *(c.end for c in cuts)], [*(c.start for c in cuts), len(text)]
    pieces = [text[start:end] for start, end in zip(*edges, strict=True)]
    if "--" in pieces[-1]:
        pieces[-1] += "\n"  # a comment at the end must not swallow what an interpreter writes after it
    return Sql(tuple(pieces), tuple((Source(at + c.path, c.field.type), c.field.type) for c in cuts), type)


@dataclass(frozen=True)
class _Cut:
    """The characters `start` to `end` of the text name this field."""

    start: int
    end: int
    path: tuple[str, ...]
    field: Field


_PREFIX = "SELECT "
_ONE = "Write one scalar DuckDB expression over the fields of the record, such as distance * 1.609344."


def _parsed(text: str) -> exp.Expr:
    """The one expression in the text; offsets in it count from the front of `_PREFIX`."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        trees = [tree for tree in sqlglot.parse(_PREFIX + text + "\n", dialect="duckdb") if tree is not None]
    except (SqlglotError, IndexError) as e:
        raise _unusable(text, _syntax(str(e))) from None
    select = trees[0] if trees else None
    if len(trees) != 1 or select is None or not isinstance(select, exp.Select) or len(select.expressions) != 1:
        raise _unusable(text, "it is not one expression")
    if others := [key for key, value in select.args.items() if value and key != "expressions"]:
        raise _unusable(text, f"it is a query ({others[0].strip('_')})")
    return select.expressions[0]


def _syntax(said: str) -> str:
    """The parser's complaint, without its own insides."""
    first = said.split(". ")[0]
    return "something is missing in it" if "<class" in first else first or "cannot be read"


def _unusable(text: str, why: str) -> MigrationError:
    return MigrationError(f"the SQL {text!r} cannot be used: {why}", hint=_ONE)


def _refuse(tree: exp.Expr, text: str) -> None:
    """Refuse by kind of node what is not a scalar expression over one record, or not the same at every run."""
    from sqlglot import exp

    kinds = {
        "a query": (exp.Query, exp.Exists, exp.From, exp.Where, exp.Table),
        "a star": (exp.Star, exp.Columns),
        "an aggregate": (exp.AggFunc, exp.WithinGroup, exp.Filter, exp.Grouping),
        "a window": (exp.Window,),
        "a parameter": (exp.Placeholder, exp.Parameter, exp.SessionParameter, exp.PositionalColumn),
        "a random value": (exp.Rand, exp.Uuid),
        "the clock or the session": (
            exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.Localtime, exp.Localtimestamp,
            exp.CurrentUser, exp.SessionUser,
        ),
        "a table function": (exp.UDTF, exp.Explode),
        "a list comprehension (write list_transform(xs, lambda x: …))": (exp.Comprehension,),
        "an alias": (exp.Alias, exp.Aliases),
    }  # fmt: skip
    for kind, types in kinds.items():
        if node := next(tree.find_all(*types), None):
            raise _unusable(text, f"it has {kind}: {node.sql('duckdb')}")
    if isinstance(tree, exp.Tuple):
        raise _unusable(text, "it is several expressions")
    for node in tree.find_all(exp.Identifier):
        if not _is_known(node):
            raise _unusable(text, f"what {node.sql('duckdb')} means in it is not clear: write f(x), not x.f()")


def _is_known(name: exp.Identifier) -> bool:
    """Is it part of a field's name, a name the text binds itself, or a label?"""
    from sqlglot import exp

    parent = name.parent
    if isinstance(parent, exp.Column | exp.Lambda | exp.ColumnDef) or (
        isinstance(parent, exp.PropertyEQ | exp.Dot) and (name.arg_key == "expression") == isinstance(parent, exp.Dot)
    ):
        return True
    above = name.find_ancestor(exp.Lambda)
    while above is not None:
        if name.name in [p.name for p in above.expressions]:
            return True
        above = above.find_ancestor(exp.Lambda)
    return False


def _resolved(column: exp.Column, record: Record, text: str) -> _Cut:
    """The field that `a.b.c` names, as deep as the records go; what follows is DuckDB's."""
    inside: Type = record
    start = end = -1
    path: tuple[str, ...] = ()
    field: Field | None = None
    for part in column.parts:
        if not isinstance(inside, Record):
            break
        if part.name not in inside:
            raise MigrationError(
                f"the SQL {text!r} names {path_text((*path, part.name))}, which is not a field of the record",
                hint=_missing(part.name, inside.names),
            )
        field = inside[part.name]
        start = part.meta["start"] if start < 0 else start
        inside, path, end = field.type, (*path, part.name), part.meta["end"] + 1
    assert field is not None
    return _Cut(start - len(_PREFIX), end - len(_PREFIX), path, field)


def _missing(name: str, names: tuple[str, ...]) -> str:
    folded = [n for n in names if n.lower() == name.lower()]
    if folded:
        return f"Did you mean {folded[0]!r}? Names are matched exactly, case included."
    return suggestion(name, names) + " Put text in single quotes, odd names in double quotes."
