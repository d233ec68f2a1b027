"""Expressions as Python statements over raw values.

Each node becomes statements that end in one variable, which holds a raw value of the target (`raw`) or a Python value (`value`), or
None, or M where a key is missing. What a block has computed, the blocks inside it find again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch
from instar.formats.schema import MISSING, Field, List, Map, Record, Schema, Union
from instar.formats.values import Values
from instar.transforms import casts
from instar.transforms.expression import (
    FAIL,
    NULL,
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
from instar.transforms.shared_types import Named, resolved

from .lookup import record_table, text_of
from .nodes import element_type
from .plain_values import PlainValues
from .record_scope import Reading, Scope
from .refusals import calling
from .statements import collect, keep_unknown


class Code(Reading):
    """The statements of a mapping over the records of a source."""

    def __init__(self, values: Values, source: Schema, target: Named) -> None:
        super().__init__()
        self.values = values
        self.source = source
        self.target = target
        self.columns: dict[int, str] = {}
        self.starts: dict[int, str] = {}

    def root(self, column: Column) -> str:
        """The statements for a whole record."""
        scope = Scope("record", self.source.root, self.source.definitions, self.values, (), "i")
        return self.raw(column.expression, scope, column.field)

    def fields(self, column: Column) -> str:
        """The statements for the fields of a whole record; the tuple of their raw values."""
        scope = Scope("record", self.source.root, self.source.definitions, self.values, (), "i")
        scope.done["opened", ()] = scope.done["sure", ()] = "record"
        assert isinstance(column.expression, Struct)
        made = []
        for c in column.expression.columns:
            scope.path = (c.field.name,)
            self.place(scope.path)
            made.append(self.raw(c.expression, scope, c.field))
        return f"({', '.join(made)},)"

    def prologue(self) -> str:
        """Where the generated function finds what SQL computed."""
        values = "".join(f"    {name} = computed.values[{key}]\n" for key, name in self.columns.items())
        return values + "".join(f"    {name} = computed.starts[{key}]\n" for key, name in self.starts.items())

    # ---- whether something is there
    def present(self, e: Expression, scope: Scope) -> str:
        """A variable that is None or M where the value is null or missing."""
        match e:
            case Source(path):
                match scope.type(path):
                    case Record() | List() | Map():
                        return self.opened(path, scope)
                    case Union():
                        return self.branch(path, scope)
                return self.decoded(path, scope)
            case Struct(_, of):
                return "True" if of is None else self.present(of, scope)
            case Each(of) | Branches(of):
                return self.present(of, scope)
            case When(of, then, otherwise):
                first = self.present(of, scope)
                if then is of and otherwise == NULL:
                    return first
                out = self.fresh()
                with self.block(f"if {first} is None or {first} is M:"):
                    if isinstance(otherwise, Literal):
                        self.emit(f"{out} = {self.value(otherwise, scope)}")
                    else:
                        self.emit(f"{out} = {self._null_refused(e) if otherwise == FAIL else first}")
                with self.block("else:"):
                    self.emit(f"{out} = {first if then is of else self.present(then, scope.inner())}")
                return out
            case _:
                return self.value(e, scope)

    # ---- Python values
    def value(self, e: Expression, scope: Scope) -> str:
        """The variable with a node's Python value."""
        match e:
            case Source(path):
                return self.decoded(path, scope)
            case Literal(value):
                return "None" if value is None else "M" if value is MISSING else self.constant(value)
        if ("value", id(e)) not in scope.done:
            scope.done["value", id(e)] = self._value(e, scope)
        return scope.done["value", id(e)]

    def _value(self, e: Expression, scope: Scope) -> str:
        match e:
            case Cast():
                return self._cast(e, scope)
            case Lookup():
                return self._lookup(e, scope)
            case Sql():
                if id(e) not in self.columns:
                    self.columns[id(e)] = self.fresh("q")
                out = self.fresh()
                self.emit(f"{out} = {self.columns[id(e)]}[{scope.number}]")
                return out
            case Call(_, inputs):
                given, out = [self.value(x, scope) for x, _ in inputs], self.fresh()
                self.emit(f"{out} = {self.constant(calling(e))}({', '.join(given)})")
                return out
            case Part(of, name):
                record, out = self.value(of, scope), self.fresh()
                self.emit(f"{out} = {record} if {record} is None or {record} is M else {record}.get({name!r}, M)")
                return out
            case When():
                return self._when(e, scope, None)
            case Struct():
                return self._struct_value(e, scope)
            case Each():
                return self._each_value(e, scope)
        raise TypeError(f"not an expression: {e!r:.200}")

    def _struct_value(self, e: Struct, scope: Scope) -> str:
        """A record as a Python value: the keys that the schema names."""
        there, out = self.present(e.of, scope) if e.of is not None else "True", self.fresh()
        with self.block(f"if {there} is None or {there} is M:"):
            self.emit(f"{out} = {there}")
        with self.block("else:"):
            inner = scope.inner()
            parts = [(c.field.name, self.value(c.expression, inner)) for c in e.columns]
            self.emit(f"{out} = {{{', '.join(f'{name!r}: {value}' for name, value in parts)}}}")
            for name, value in parts:
                if value not in self.constants:
                    self.emit(f"if {value} is M: del {out}[{name!r}]")
        return out

    def _each_value(self, e: Each, scope: Scope) -> str:
        """A list or map as a Python value."""
        return self._over(e, scope, lambda inner: self.value(e.body.expression, inner), lambda lists, new: new)

    def _cast(self, e: Cast, scope: Scope) -> str:
        given, out = self.value(e.of, scope), self.fresh()
        convert = self.constant(casts.convert(e.source, e.to, e.way))
        with self.block("try:"):
            self.emit(f"{out} = {given} if {given} is None or {given} is M else {convert}({given})")
        with self.block("except (ValueError, OverflowError):"):
            self.emit(f"{out} = " + (f"refuse_cast({given}, {self.constant(e)})" if e.on_error == FAIL else "None"))
        return out

    def _lookup(self, e: Lookup, scope: Scope) -> str:
        given, out, table = self.value(e.of, scope), self.fresh(), self.constant(record_table(e))
        key, text = given, text_of(e)
        if text is not None:
            key = self.fresh()
            with self.block("try:"):
                self.emit(f"{key} = {given} if {given} is None or {given} is M else {self.constant(text)}({given})")
            with self.block("except ValueError:"):
                self.emit(f"refuse_lookup({given}, {self.constant(e)})")
        if e.otherwise == FAIL:
            with self.block("try:"):
                self.emit(f"{out} = {table}[{key}]")
            with self.block("except KeyError:"):
                self.emit(f"{out} = refuse_lookup({given}, {self.constant(e)})")
        else:
            last = given if e.otherwise == "keep" else "None"
            if isinstance(e.otherwise, Literal):
                last = self.value(e.otherwise, scope)
            self.emit(f"{out} = {table}.get({key}, {last})")
        return out

    def _when(self, e: When, scope: Scope, target: Field | None) -> str:
        """A guard, a requirement or a filling; as a raw value of `target`, or where that is None as a Python value."""
        first, out = self.present(e.of, scope), self.fresh()
        with self.block(f"if {first} is None or {first} is M:"):
            if isinstance(e.otherwise, Literal):
                last = self.value(e.otherwise, scope) if target is None else self.raw(e.otherwise, scope, target)
            else:
                last = self._null_refused(e) if e.otherwise == FAIL else first
            self.emit(f"{out} = {last}")
        with self.block("else:"):
            inner = scope.inner()
            self.emit(f"{out} = {self.value(e.then, inner) if target is None else self.raw(e.then, inner, target)}")
        return out

    def _null_refused(self, e: When) -> str:
        return f"refuse_null({e.policy!r}, {e.reason!r})"

    # ---- raw values
    def raw(self, e: Expression, scope: Scope, target: Field) -> str:
        """The variable with a node's value as a raw one of the target field."""
        match e:
            case Source(path):
                return self._carried(path, scope, target)
            case Literal(value):
                if value is None or value is MISSING:
                    return self.value(e, scope)
                encoded = self.values.encoder(target)(value)
                if not isinstance(encoded, list | dict):
                    return self.constant(encoded)
                out = self.fresh()  # each record has its own
                self.emit(f"{out} = {self.constant(copy.deepcopy)}({self.constant(encoded)})")
                return out
        key = ("raw", id(e), id(target))
        if key not in scope.done:
            scope.done[key] = self._raw(e, scope, target)
        return scope.done[key]

    def _raw(self, e: Expression, scope: Scope, target: Field) -> str:
        match e:
            case When():
                return self._when(e, scope, target)
            case Struct():
                return self._struct(e, scope, target)
            case Each():
                return self._each(e, scope, target)
            case Branches(Source(path)):
                return self._branches(e, path, scope, target)
        return self._encoded(self.value(e, scope), target)

    def _encoded(self, value: str, target: Field) -> str:
        encode = self.values.encoder(target)
        if encode is casts.same:
            return value
        out, encoder = self.fresh(), self.constant(encode)
        self.emit(f"{out} = {value} if {value} is None or {value} is M else {encoder}({value})")
        return out

    def _carried(self, path: tuple[str, ...], scope: Scope, target: Field) -> str:
        """The source's raw value, written anew only where the format says that it would not mean the same in the target."""
        if scope.values is not self.values:
            return self._encoded(self.decoded(path, scope), target)
        recode = self.values.recoder(scope.at(path), target)
        value = self.got(path, scope)
        if recode is None:
            return value
        out = self.fresh()
        self.emit(f"{out} = {value} if {value} is None or {value} is M else {self.constant(recode)}({value})")
        return out

    def _same(self, path: tuple[str, ...], scope: Scope, target: Field) -> bool:
        """Is the source's raw value one of the target's?"""
        return scope.values is self.values and self.values.recoder(scope.at(path), target) is None

    def _struct(self, e: Struct, scope: Scope, target: Field) -> str:
        out, sealer = self.fresh(), self.constant(self.values.sealer(target))
        if e.of is None:
            self.emit(f"{out} = {sealer}(None, {self._fields(e, scope, target)})")
            return out
        container = self.present(e.of, scope)
        if isinstance(e.of, Source) and ("sure", e.of.path) in scope.done:
            self.emit(f"{out} = {sealer}({container}, {self._fields(e, scope, target, container)})")
            return out
        with self.block(f"if {container} is None or {container} is M:"):
            self.emit(f"{out} = {container}")
        with self.block("else:"):
            inner, kept = scope.inner(), isinstance(e.of, Source)
            if isinstance(e.of, Source):
                inner.done["sure", e.of.path] = container
            new = self._fields(e, inner, target, container if kept else None)
            self.emit(f"{out} = {sealer}({container if kept else None}, {new})")
        return out

    def _fields(self, e: Struct, scope: Scope, target: Field, container: str | None = None) -> str:
        """The variable with the dict of the record's keys: the target's in its order, then those that no schema names."""
        record = resolved(target.type, self.target)
        assert isinstance(record, Record)
        out, path, entries = self.fresh("d"), scope.path, []
        for c, to in zip(e.columns, record.fields, strict=True):
            direct = None if container is None else self._direct(c.expression, e.of, scope, to)
            if direct is None:
                scope.path = (*path, to.name)
                self.place(scope.path)
            entries.append((to.name, direct, None if direct is not None else self.raw(c.expression, scope, to)))
        scope.path = path
        collect(self, out, container, entries)
        if container is not None:
            self.place(path)
            keep_unknown(
                self, out, container, frozenset(e.known), frozenset(record.names), [d for _, d, _ in entries if d is not None]
            )
        self.sealing(path)
        return out

    def _direct(self, e: Expression, of: Expression | None, scope: Scope, target: Field) -> str | None:
        """The key of the container whose raw value is passed on as it is; None where something is computed."""
        if (
            isinstance(e, Source)
            and isinstance(of, Source)
            and e.path[:-1] == of.path
            and e.path
            and self._same(e.path, scope, target)
        ):
            return e.path[-1]
        return None

    def _each(self, e: Each, scope: Scope, target: Field) -> str:
        kind = resolved(target.type, self.target)
        assert isinstance(kind, List | Map)
        item = kind.item if isinstance(kind, List) else kind.value
        sealer = self.constant(self.values.sealer(target))

        def sealed(lists: str, new: str) -> str:
            return f"{sealer}({lists if isinstance(e.of, Source) else None}, {new})"

        return self._over(e, scope, lambda inner: self.raw(e.body.expression, inner, item), sealed)

    def _over(self, e: Each, scope: Scope, body: Callable[[Scope], str], whole: Callable[[str, str], str]) -> str:
        """The variable with what `whole` makes of the list and of a new one with `body` of each element."""
        lists, out, new = self.present(e.of, scope), self.fresh(), self.fresh("d")
        with self.block(f"if {lists} is None or {lists} is M:"):
            self.emit(f"{out} = {lists}")
        with self.block("else:"):
            key, each, start, number = self.fresh("n"), self.fresh("e"), self.fresh("s"), self.fresh("i")
            self.emit(f"{new} = {'[]' if e.kind == 'list' else '{}'}")
            self.emit(f"{start} = {self._start(e)}[{scope.number}]" if self._has_sql(e) else f"{start} = 0")
            head = each if e.kind == "list" else f"({key}, {each})"
            over = lists if e.kind == "list" else f"{lists}.items()"
            with self.block(f"for {number}, {head} in enumerate({over}, {start}):"):
                inner = self._element(e, scope, each, number)
                self.path = "."
                self.place(inner.path)
                made = body(inner)
                self.emit(f"{new}.append({made})" if e.kind == "list" else f"{new}[{key}] = {made}")
            self.sealing(scope.path)
            self.emit(f"{out} = {whole(lists, new)}")
        return out

    def _branches(self, e: Branches, path: tuple[str, ...], scope: Scope, target: Field) -> str:
        """A union's value: each branch in a block and a scope of its own."""
        old, new = scope.type(path), resolved(target.type, self.target)
        assert isinstance(old, Union)
        assert isinstance(new, Union)
        pair, out, sealer = self.branch(path, scope), self.fresh(), self.constant(self.values.branch_sealer(target))
        with self.block(f"if {pair} is None or {pair} is M:"):
            self.emit(f"{out} = {pair}")
        with self.block("else:"):
            number, value, made = self.fresh("n"), self.fresh("e"), self.fresh()
            self.emit(f"{number}, {value} = {pair}")
            for i, (body, was, field) in enumerate(zip(e.bodies, old.branches, new.branches, strict=True)):
                at = (*scope.path, Branch(field.name))
                with self.block(f"{'elif' if i else 'if'} {number} == {i}:"):
                    self.path = "."
                    self.place(at)
                    inner = Scope(value, was, scope.named, scope.values, at, scope.number)
                    self.emit(f"{made} = {self.raw(body.expression, inner, field)}")
            self.sealing(scope.path)
            self.emit(f"{out} = {sealer}({self.got(path, scope)}, {number}, {made})")
        return out

    def _element(self, e: Each, scope: Scope, variable: str, number: str) -> Scope:
        """The scope of an element: a raw value of the source's item, or a Python value of a computed list."""
        step = EACH_ITEM if e.kind == "list" else EACH_VALUE
        if isinstance(e.of, Source):
            kind = scope.type(e.of.path)
            assert isinstance(kind, List | Map)
            field = kind.item if isinstance(kind, List) else kind.value
            return Scope(variable, field, scope.named, scope.values, (*scope.path, step), number)
        return Scope(variable, Field("", element_type(e), nullable=True), {}, PlainValues(), (*scope.path, step), number)

    def _has_sql(self, e: Each) -> bool:
        from .nodes import sql_nodes

        return bool(sql_nodes([e.body.expression]))

    def _start(self, e: Each) -> str:
        if id(e) not in self.starts:
            self.starts[id(e)] = self.fresh("b")
        return self.starts[id(e)]
