"""Queries that may give other rows of the same data: they leave open which, or in what order they are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

_BY_ORDER = {
    "first", "last", "any_value", "arbitrary", "list", "array_agg", "string_agg", "group_concat", "listagg", "mode", "arg_min",
    "arg_max", "min_by", "max_by", "argmin", "argmax", "approx_quantile", "reservoir_quantile", "approx_top_k", "row_number", "lag",
    "lead", "first_value", "last_value", "nth_value", "ntile",
}  # fmt: skip
_BY_CHANCE = {
    "random", "rand", "uuid", "gen_random_uuid", "now", "current_timestamp", "current_date", "get_current_timestamp", "today",
}  # fmt: skip


def left_open(tree: exp.Query) -> str:
    """Why the query may give other rows of the same data, "" where nothing says that it may."""
    from sqlglot import exp

    for node in tree.walk():
        match node:
            case exp.Limit() | exp.Offset() | exp.Fetch() if node.parent is not None and node.parent.args.get("order") is None:
                return "its LIMIT leaves open which rows it gives"
            case exp.Limit() | exp.Offset() | exp.Fetch():
                return "rows that tie where its LIMIT cuts may be others"
            case exp.TableSample():
                return "it draws rows at random"
            case exp.Distinct() if node.args.get("on"):
                return "its DISTINCT ON depends on the order of rows"
            case exp.Func() if names := _names(node):
                if names & _BY_CHANCE:
                    return "it draws at random, or asks the clock"
                if names & _BY_ORDER:
                    return f"{min(names & _BY_ORDER)} may depend on the order of rows"
    return ""


def _names(node: exp.Func) -> set[str]:
    """What a function is called, by sqlglot and in the text."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        return {node.name.lower()}
    return {name.lower() for name in type(node).sql_names()}
