"""SQL in records: its inputs are decoded, and nothing else; DuckDB computes it over all records of a batch at once.

The tree is pruned to the columns that hold SQL, and evaluated as Arrow does; generated code then finds each node's values by the
number of the record, or of the element: `starts` says at which number each record's list begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from instar.formats.errors import DataError
from instar.formats.path import quoted_name
from instar.formats.schema import MISSING, Bool, Field, List, Map, Record, Schema, Type, Union
from instar.formats.values import Values
from instar.transforms.expression import (
    Branches,
    Call,
    Cast,
    Column,
    Each,
    Expression,
    Literal,
    Lookup,
    Part,
    Source,
    Sql,
    Struct,
    When,
)
from instar.transforms.shared_types import Expansion, resolved

from .nodes import bodies, everything, parts, sql_nodes, type_of
from .refusals import together


@dataclass
class Computed:
    """What one batch's SQL gave: Python values by node, and for each list of a node the number of its first element."""

    values: dict[int, list[Any]] = field(default_factory=dict)
    starts: dict[int, list[int]] = field(default_factory=dict)


def compile_sql(root: Struct, source: Schema, values: Values, *, every: bool) -> Callable[[list[Any]], Computed] | None:
    """The SQL of a mapping as a function of opened records; None where it has none.

    The function raises DataError, of the first record that it refuses; with `every`, Collected of many or all.
    """
    if not sql_nodes([root]):
        return None
    pruned = _Pruned()
    columns = pruned.columns(root.columns)
    want = Want(source.root, Expansion(source.definitions))
    for c in columns:
        want.take(c.expression)
    convert, type = want.convert(values), want.type()
    tables: dict[int, Any] = {}

    def compute(records: list[Any]) -> Computed:
        from .observe import observe

        return observe(columns, pruned.eaches, tables, _rows(records, convert, every), type, every=every)

    return compute


def _rows(records: list[Any], convert: Callable[[Any], Any], every: bool) -> list[Any]:
    out, refused = [], []
    for row, record in enumerate(records):
        try:
            out.append(convert(record))
        except DataError as error:
            if not every:
                raise error.at(row=row) from error.__cause__
            refused.append(error.at(row=row))
    if refused:
        raise together(refused)
    return out


# ---- the tree without what holds no SQL
@dataclass
class _Pruned:
    """`eaches`: the node of the mapping for each pruned one, by its id."""

    done: dict[int, Expression] = field(default_factory=dict)
    eaches: dict[int, Each] = field(default_factory=dict)
    holding: dict[int, bool] = field(default_factory=dict)

    def holds(self, e: Expression) -> bool:
        """Is there SQL in it?"""
        if id(e) not in self.holding:
            inner = any(self.holds(body.expression) for body in bodies(e))
            self.holding[id(e)] = isinstance(e, Sql) or inner or any(self.holds(x) for x in parts(e))
        return self.holding[id(e)]

    def columns(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        return tuple(self.column(c) for c in columns if self.holds(c.expression))

    def column(self, c: Column) -> Column:
        """The column, of the type that is left of it."""
        inner = self.expression(c.expression)
        return Column(replace(c.field, type=type_of(inner)), inner)

    def expression(self, e: Expression) -> Expression:
        if id(e) not in self.done:
            self.done[id(e)] = self._expression(e)
        return self.done[id(e)]

    def _expression(self, e: Expression) -> Expression:
        match e:
            case Struct(columns, of):
                return replace(e, columns=self.columns(columns), of=of if of is None else self.expression(of))
            case Each(of, body):
                made = replace(e, of=self.expression(of), body=self.column(body))
                self.eaches[id(made)] = e
                return made
            case Branches(of):
                kept = tuple(self.column(b) if self.holds(b.expression) else _NOTHING for b in e.bodies)
                return replace(e, of=self.expression(of), bodies=kept)
            case When(of, then, otherwise):
                first = self.expression(of)
                second = first if then is of else self.expression(then)
                rest = replace(otherwise, type=type_of(second)) if isinstance(otherwise, Literal) else otherwise
                return When(first, second, rest, e.policy, e.reason)
            case Cast(of) | Lookup(of) | Part(of):
                return replace(e, of=self.expression(of))
            case Call():  # its result may be needed for other SQL, and all its inputs for that
                self.eaches |= {id(x): x for x in everything([e]) if isinstance(x, Each)}
                return e
            case _:
                return e  # SQL keeps its identity: its inputs are needed as they are


_NOTHING = Column(Field("", Bool(), nullable=True), Literal(None, Bool()))
"""Of a branch without SQL."""


# ---- what the SQL reads
@dataclass
class Want:
    """What is needed of a source field: all of it (`whole`), some fields of a record, something of each element or branch, or
    nothing but whether it is there. `names` tells what References mean."""

    source: Field
    names: Expansion
    whole: bool = False
    fields: dict[str, Want] = field(default_factory=dict)
    item: Want | None = None
    branches: dict[int, Want] = field(default_factory=dict)
    taken: set[tuple[int, bool]] = field(default_factory=set)

    def at(self, path: tuple[str, ...]) -> Want:
        want = self
        for name in path:
            record = want.kind
            assert isinstance(record, Record)
            want = want.fields.setdefault(name, Want(record[name], self.names))
        return want

    @property
    def kind(self) -> Type:
        return resolved(self.source.type, self.names.named)

    def take(self, e: Expression, *, present: bool = False) -> None:
        """Note what an expression of this scope reads; `present`: only whether it is null."""
        if (id(e), present) in self.taken:
            return
        self.taken.add((id(e), present))
        match e:
            case Source(path):
                want = self.at(path)
                want.whole = want.whole or not present
            case When(of, then, otherwise):
                self.take(of, present=then is not of or present)
                self.take(then, present=present)
                if isinstance(otherwise, Literal):
                    self.take(otherwise, present=present)
            case Struct(columns, of):
                if of is not None:
                    self.take(of, present=True)
                for c in columns:
                    self.take(c.expression)
            case Each(Source(path), body):
                want = self.at(path)
                kind = want.kind
                assert isinstance(kind, List | Map)
                want.item = want.item or Want(kind.item if isinstance(kind, List) else kind.value, self.names)
                want.item.take(body.expression)
            case Branches(Source(path)):
                want = self.at(path)
                kind = want.kind
                assert isinstance(kind, Union)
                for i, (branch, body) in enumerate(zip(kind.branches, e.bodies, strict=True)):
                    want.branches.setdefault(i, Want(branch, self.names)).take(body.expression)
            case Each(of):
                self.take(of)  # its elements are computed, or whole
            case _:
                for x in parts(e):
                    self.take(x)

    def type(self) -> Type:
        """The type of what `convert` makes."""
        if self.whole:
            return self.names.type(self.source.type)
        if self.item is not None:
            inner = Field("item", self.item.type(), nullable=True)
            return List(inner) if isinstance(self.kind, List) else Map(inner)
        if self.branches:
            return Record(tuple(Field(f"b{i}", want.type(), nullable=True) for i, want in self.branches.items()))
        if self.fields:
            return Record(tuple(Field(name, want.type(), nullable=True) for name, want in self.fields.items()))
        return Bool()

    def convert(self, values: Values) -> Callable[[Any], Any]:
        """raw → what is needed of it, as a Python value."""
        if self.branches and not self.whole:
            return self._branch(values)
        if self.whole or not (self.item or self.fields):
            decode = values.decoder(self.source) if self.whole else self._presence(values)
            return lambda raw: None if raw is None or raw is MISSING else decode(raw)
        opened = values.opener(self.source)
        if self.item is not None:
            return self._items(opened, self.item.convert(values))
        fields = [(name, want.convert(values)) for name, want in self.fields.items()]

        def record(raw: Any) -> Any:
            container = None if raw is None or raw is MISSING else opened(raw)
            if container is None:
                return None
            out = {}
            for name, of in fields:
                try:
                    out[name] = of(container.get(name, MISSING))
                except DataError as error:
                    raise error.at(path=quoted_name(name)) from error.__cause__
            return out

        return record

    def _branch(self, values: Values) -> Callable[[Any], Any]:
        opened = values.branch_opener(self.source)
        of = [self.branches[i].convert(values) for i in range(len(self.branches))]

        def branch(raw: Any) -> Any:
            pair = None if raw is None or raw is MISSING else opened(raw)
            return pair and {f"b{pair[0]}": of[pair[0]](pair[1])}

        return branch

    def _items(self, opened: Callable[[Any], Any], of: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def items(raw: Any) -> Any:
            container = None if raw is None or raw is MISSING else opened(raw)
            if container is None:
                return None
            return {k: of(v) for k, v in container.items()} if isinstance(container, dict) else [of(v) for v in container]

        return items

    def _presence(self, values: Values) -> Callable[[Any], Any]:
        match self.kind:
            case Record() | List() | Map():
                look = values.opener(self.source)
            case Union():
                look = values.branch_opener(self.source)
            case _:
                look = values.decoder(self.source)
        return lambda raw: None if look(raw) is None else True
