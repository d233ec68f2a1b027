"""What the new file must hold, as DuckDB SQL over the old file's columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from instar.transforms.mapping import Mapping
from instar.transforms.expression import Cast, Each, Expression, Literal, Source, Sql, Struct, When

Change = Callable[[Source], Expression]


def resourced(expression: Expression, change: Change, done: dict[int, Expression] | None = None) -> Expression:
    """The expression with the sources of its own scope replaced; an element's own sources stay. What is shared stays shared."""
    done = {} if done is None else done
    if id(expression) not in done:
        done[id(expression)] = _resourced(expression, change, done)
    return done[id(expression)]


def _resourced(e: Expression, change: Change, done: dict[int, Expression]) -> Expression:
    def again(inner: Expression) -> Expression:
        return resourced(inner, change, done)

    match e:
        case Source():
            return change(e)
        case Literal():
            return e
        case Cast(of) | Each(of):
            return replace(e, of=again(of))
        case Sql(_, inputs):
            return replace(e, inputs=tuple((again(x), type) for x, type in inputs))
        case When(of, then):
            return replace(e, of=again(of), then=again(then))
        case Struct(columns, of):
            inner = tuple(replace(c, expression=again(c.expression)) for c in columns)
            return replace(e, columns=inner, of=None if of is None else again(of))
    raise TypeError(f"not an expression: {e!r}")


def rendered(mapping: Mapping, columns: dict[str, str]) -> list[str]:
    """SQL for each column of the mapping's target, in DuckDB's compared form; `columns`: SQL of each source column in that form."""
    from instar.transforms.evaluate.sql import expressions

    return expressions(mapping, columns)
