"""Expressions over Arrow batches.

What a mapping only carries passes through in the file's own storage; what an expression looks at is first brought to its plain
form (`plain.py`). A null record stays null: whatever is computed below it is dropped, and errors there do not count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa

from instar.formats.arrow import arrow_field
from instar.formats.compute import pc
from instar.formats.errors import DataError, Refused, Where
from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
from instar.formats.schema import MISSING, Field, List, Map, Type
from instar.formats.storage import filler, items_of, relisted, stored, struct_of, taken
from instar.transforms.expression import (
    FAIL,
    Branches,
    Call,
    Cast,
    Column,
    Each,
    Expression,
    Literal,
    Lookup,
    Part,
    Policy,
    Source,
    Sql,
    Struct,
    When,
)
from instar.transforms.mapping import Mapping

from .hidden import Hidden
from .kernels import cast_array
from .leaving_out import leaving_out
from .lookup import Table
from .map_keys import key_twice_refused, keys_twice
from .plain import from_python, plain_type, to_python
from .refusals import LeaveOut, Refusal, cast_refused, lookup_refused, null_refused, together
from .run_call import run_call
from .run_sql import run_sql
from .scope import Live, Scope
from .sql import verify_types
from .ways import by_way, nulls_by

is_ = pa.types


def compile_batches(mapping: Mapping, refused: LeaveOut | None = None) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """The mapping as a function of record batches.

    A batch holds at least the columns `mapping.reads()` names, in whatever storage; the result has the target's columns, in the
    file's storage where they are carried, else in the storage the target's fields name. The result's types do not depend on
    the values: an empty batch has them, too.

    `refused` is told of each record that cannot be converted, with `where.row`, and raises where that ends the work; else the
    record is left out of the result.

    Raises:
        MigrationError: SQL whose type is not the declared one. The function raises DataError: a value that a cast refuses, a null
        where none may be, SQL that fails; `where.row` counts from 0 in the batch. Values of fields tagged `pii`
        are not in it.
    """
    verify_types(mapping)
    columns = mapping.root.expression.columns if isinstance(mapping.root.expression, Struct) else ()
    tables: dict[int, Table] = {}
    hidden = Hidden(mapping)

    def evaluated(batch: pa.RecordBatch, every: bool = False) -> pa.RecordBatch:
        evaluator, scope, live = Evaluator(every=every, tables=tables), Scope.of_batch(batch), Live()
        arrays = [evaluator.column(c, scope, live, (c.field.name,)) for c in columns]
        fields = [_declared(c.field).with_type(a.type) for c, a in zip(columns, arrays, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def whole(batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return evaluated(batch)
        except DataError as error:
            hidden.raised(error)

    if refused is None:
        return whole
    told = refused
    return lambda batch: leaving_out(lambda some: evaluated(some, every=True), batch, lambda error: told(hidden.error(error)))


@dataclass
class Evaluator:
    """The nodes' meanings. Without `storage` what comes out is of no particular storage: only its values matter.

    `tables` are those of lookups, by node, prepared once for a mapping. With `every`, a node that refuses values raises Collected
    with all the rows that it refuses; else what it says of the first.
    """

    storage: bool = True
    every: bool = False
    tables: dict[int, Table] = field(default_factory=dict)

    def column(self, column: Column, scope: Scope, live: Live, path: Path) -> pa.Array:
        """The array that a target column at `path` is, in its storage."""
        array = self.evaluate(column.expression, scope, live, path)
        if _keeps_storage(column.expression) or not self.storage:
            return array
        type = _declared(column.field).type
        try:
            return stored(array, type)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"a value does not fit the column's storage {type}: {error}",
                hint="Say another value, or derive a new field from it and drop this one.",
            ).at(path=path_text(path)) from error

    def evaluate(self, e: Expression, scope: Scope, live: Live, path: Path) -> pa.Array:
        """One node's values; computed once for each scope and set of live rows."""
        key = (id(e), id(live))
        if key not in scope.memo:
            scope.memo[key] = (e, live, self._evaluate(e, scope, live, path))
        return scope.memo[key][2]

    def _evaluate(self, e: Expression, scope: Scope, live: Live, path: Path) -> pa.Array:
        match e:
            case Source(at):
                return scope.source(at)
            case Literal(value, type):
                return _repeated(value, type, scope.length)
            case Cast():
                return self._cast(e, scope, live, path)
            case Lookup():
                return self._lookup(e, scope, live, path)
            case Sql():
                return self._sql(e, scope, live, path)
            case Call():
                given = [self._plain(x, t, scope, live, path) for x, t in e.inputs]
                return run_call(e, given, scope, live, path, every=self.every)
            case Part(of, name):
                record = self.evaluate(of, scope, live, path)
                return pc.struct_field(record, record.type.get_field_index(name))
            case When():
                return self._when(e, scope, live, path)
            case Struct():
                return self._struct(e, scope, live, path)
            case Each():
                return self._each(e, scope, live, path)
            case Branches():
                return self._branches(e, scope, live, path)
        raise TypeError(f"not an expression: {e!r}")

    def _plain(self, e: Expression, type: Type, scope: Scope, live: Live, path: Path) -> pa.Array:
        """A node's values in their plain form."""
        return stored(self.evaluate(e, scope, live, path), plain_type(type))

    def _cast(self, e: Cast, scope: Scope, live: Live, path: Path) -> pa.Array:
        given = self._plain(e.of, e.source, scope, live, path)
        made = cast_array(given, e.source, e.to) if e.way is None else by_way(given, e)
        if e.on_error == FAIL and made.null_count > given.null_count:
            bad = pc.and_(pc.is_null(made), pc.is_valid(given))
            if e.way is not None and (nulls := nulls_by(e.way, given)) is not None:
                bad = pc.and_not(bad, nulls)
            self._check(bad, scope, live, path, lambda i: cast_refused(to_python(given[i : i + 1], e.source)[0], e), e.policy)
        return made

    def _lookup(self, e: Lookup, scope: Scope, live: Live, path: Path) -> pa.Array:
        given = self._plain(e.of, e.source, scope, live, path)
        if id(e) not in self.tables:
            self.tables[id(e)] = Table.of(e)
        made, unknown = self.tables[id(e)].find(given, e)
        if e.otherwise == FAIL:
            self._check(unknown, scope, live, path, lambda i: lookup_refused(to_python(given[i : i + 1], e.source)[0], e), e.policy)
        return made

    def _sql(self, e: Sql, scope: Scope, live: Live, path: Path) -> pa.Array:
        inputs = [self._plain(x, type, scope, live, path) for x, type in e.inputs]
        alive = None if live.mask is None else pc.indices_nonzero(live.mask)
        return run_sql(e, inputs, scope, alive, path, every=self.every)

    def _when(self, e: When, scope: Scope, live: Live, path: Path) -> pa.Array:
        of = self.evaluate(e.of, scope, live, path)
        there = pc.is_valid(of) if not _whole(e.of, scope) else None
        if there is not None and e.otherwise == FAIL:
            self._check(pc.invert(there), scope, live, path, lambda i: null_refused(e.reason), e.policy)
        inner = live if there is None or e.then is e.of else live.under(e.of, there)
        then = self.evaluate(e.then, scope, inner, path)
        if isinstance(e.otherwise, Literal):
            return _filled(then, there, e.otherwise)
        return then if there is None or pc.all(there, min_count=0).as_py() else _masked(then, there)

    def _struct(self, e: Struct, scope: Scope, live: Live, path: Path) -> pa.Array:
        of = None
        if e.of is not None and not _whole(e.of, scope):
            of = self.evaluate(e.of, scope, live, path)
            live = live.under(e.of, pc.is_valid(of)) if of.null_count else live
        arrays = [self.column(c, scope, live, (*path, c.field.name)) for c in e.columns]
        fields = [self._field(c.field, a) for c, a in zip(e.columns, arrays, strict=True)]
        return struct_of(arrays, fields, of, scope.length)

    def _each(self, e: Each, scope: Scope, live: Live, path: Path) -> pa.Array:
        lists = self.evaluate(e.of, scope, live, path)
        if isinstance(lists, pa.ExtensionArray):  # a tensor is a list, too
            lists = lists.storage
        if is_.is_map(lists.type):
            self._check(keys_twice(lists), scope, live, path, lambda i: key_twice_refused(lists, i), FAIL)
        inner = scope.elements(lists)
        step = EACH_ITEM if e.kind == "list" else EACH_VALUE
        items = self.column(e.body, inner, inner.live(live), (*path, step))
        made, type = self._field(e.body.field, items), lists.type
        if is_.is_map(type):
            named = made.with_name(type.item_field.name)
            keys = items_of(lists).field(0)
            entries = struct_of([keys, items], [type.key_field, named], None, len(items))
            return relisted(lists, entries, pa.map_(type.key_field, named, keys_sorted=type.keys_sorted))
        return relisted(lists, items, _list_like(type, made.with_name(type.value_field.name)))

    def _branches(self, e: Branches, scope: Scope, live: Live, path: Path) -> pa.Array:
        """A union in Arrow is a struct of its branches, of which one is not null.

        A body is null wherever its branch is: operations refuse to fill, to compute or to restore a branch as a whole.
        """
        of = self.evaluate(e.of, scope, live, path)
        arrays: list[pa.Array] = []
        for i, body in enumerate(e.bodies):
            values = pc.struct_field(of, i)
            there = Live(live.both(pc.is_valid(values)))
            arrays.append(self.column(body, scope.branch(values), there, (*path, Branch(body.field.name))))
        fields = [pa.field(body.field.name, a.type) for body, a in zip(e.bodies, arrays, strict=True)]
        return struct_of(arrays, fields, of, scope.length)

    def _check(
        self, bad: pa.Array, scope: Scope, live: Live, path: Path, refusal: Callable[[int], Refusal], policy: Policy
    ) -> None:
        check(bad, scope, live, path, refusal, policy=policy, every=self.every)

    def _field(self, field: Field, array: pa.Array) -> pa.Field:
        if not self.storage:
            return pa.field(field.name, array.type)
        return _declared(field).with_type(array.type)


def _whole(e: Expression, scope: Scope) -> bool:
    """Is it the whole record, which is never null?"""
    return isinstance(e, Source) and not e.path and scope.parent is None and scope.around is None


def _keeps_storage(e: Expression) -> bool:
    """Is the array already as the target holds it: carried in the file's storage, or put together from such?"""
    while isinstance(e, When) and not isinstance(e.otherwise, Literal):
        e = e.then
    return isinstance(e, Source | Struct | Each | Branches)


@lru_cache(maxsize=4096)
def _declared(field: Field) -> pa.Field:
    """The pyarrow field that a target field names."""
    return arrow_field(field)


def _list_like(type: pa.DataType, item: pa.Field) -> pa.DataType:
    if is_.is_large_list(type):
        return pa.large_list(item)
    if is_.is_fixed_size_list(type):
        return pa.list_(item, type.list_size)
    if is_.is_list_view(type):
        return pa.list_view(item)
    return pa.large_list_view(item) if is_.is_large_list_view(type) else pa.list_(item)


# ---- arrays
def _repeated(value: Any, type: Type, length: int) -> pa.Array:
    if value is None or value is MISSING:
        return pa.nulls(length)
    zeros = pa.Array.from_buffers(pa.int8(), length, [None, pa.py_buffer(bytes(length))])
    return from_python([value], type).take(zeros)


def _positions(length: int) -> pa.Array:
    return pa.arange(0, length)


def _masked(array: pa.Array, there: pa.Array) -> pa.Array:
    """Null where not `there`; any type, in its storage."""
    index = pc.if_else(there, _positions(len(array)), pa.scalar(None, pa.int64()))
    return taken(array, index)


def _filled(array: pa.Array, there: pa.Array | None, literal: Literal) -> pa.Array:
    """The literal where not `there`: of one type, whether there are such rows or not."""
    if isinstance(literal.type, List | Map) and not is_.is_null(array.type):  # an empty one; its elements may be only carried
        array = array.storage if isinstance(array, pa.ExtensionArray) else array
        array = stored(array, pa.list_(array.type.value_field)) if is_.is_fixed_size_list(array.type) else array
        one = filler(array.type)
    else:
        array = stored(array, plain_type(literal.type))
        one = stored(_repeated(literal.value, literal.type, 1), array.type)
    if there is None:
        return array
    return taken(pa.concat_arrays([array, one]), pc.if_else(there, _positions(len(array)), pa.scalar(len(array), pa.int64())))


# ---- refusals
def check(
    bad: pa.Array,
    scope: Scope,
    live: Live,
    path: Path,
    refusal: Callable[[int], Refusal],
    *,
    policy: Policy = None,
    every: bool = False,
) -> None:
    """Raise for the first live row where `bad` is true, and say how many more there are; or for `every` such row, all together."""
    bad = live.both(bad)
    count = pc.sum(bad).as_py() or 0
    if not count:
        return

    def error(index: int) -> Refused:
        return refusal(index).error(policy, Where(row=scope.row(index), path=path_text(path)))

    if every:
        raise together(error(index) for index in pc.indices_nonzero(bad).to_pylist())
    first = error(pc.index(bad, pa.scalar(True)).as_py())
    raise first.counted(count)
