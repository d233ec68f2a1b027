"""Expressions with what named types mean in the place of their names, for readers of types that know no definitions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from instar.transforms.expression import Branches, Column, Each, Expression, Literal, Source, Struct, When
from instar.transforms.shared_types import Expansion

from .nodes import type_of


class SpelledOut:
    """Each shared node is spelled out once. `names` are the source's: an edited type is told by the expression that edits it."""

    def __init__(self, names: Expansion) -> None:
        self.names = names
        self._done: dict[int, Expression] = {}

    def column(self, column: Column) -> Column:
        return self.of_type(column, self.expression(column.expression))

    def of_type(self, column: Column, e: Expression) -> Column:
        """The column with that expression, and of its type where the column's own has names in it."""
        type = column.field.type
        named = self.names.type(type) is not type
        return Column(column.field.with_(type=type_of(e)) if named else column.field, e)

    def expression(self, e: Expression) -> Expression:
        if not self.names.named:
            return e
        if id(e) not in self._done:
            self._done[id(e)] = self._expression(e)
        return self._done[id(e)]

    def _expression(self, e: Expression) -> Expression:
        match e:
            case Source(_, type) | Literal(_, type):
                return replace(e, type=self.names.type(type))
            case Struct(columns, of):
                return replace(e, columns=tuple(map(self.column, columns)), of=None if of is None else self.expression(of))
            case Each(of, body):
                return replace(e, of=self.expression(of), body=self.column(body))
            case Branches(of, bodies):
                return replace(e, of=self.expression(of), bodies=tuple(map(self.column, bodies)))
            case When(of, then):
                first = self.expression(of)
                return replace(e, of=first, then=first if then is of else self.expression(then))
        changed: dict[str, Any] = {}
        if isinstance(of := getattr(e, "of", None), Expression):
            changed["of"] = self.expression(of)
        if isinstance(inputs := getattr(e, "inputs", None), tuple):
            changed["inputs"] = tuple((self.expression(x), type) for x, type in inputs)
        return replace(e, **changed) if changed else e  # type: ignore[type-var]
