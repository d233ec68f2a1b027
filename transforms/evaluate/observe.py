"""The values of a tree's SQL nodes over Python rows, by way of Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instar.formats.compute import pc
from instar.formats.errors import DataError, MigrationError
from instar.formats.schema import MISSING, Record, Type
from instar.formats.storage import lengths_of
from instar.transforms.expression import Column, Each, Sql

from .arrow import Evaluator
from .lookup import Table
from .plain import from_python, to_python
from .record_sql import Computed
from .scope import Live, Scope


class _Observer(Evaluator):
    """An evaluator that notes what each SQL node gave and where the elements of each list begin; it stores nothing."""

    def __init__(self, eaches: dict[int, Each], tables: dict[int, Table], every: bool) -> None:
        super().__init__(storage=False, every=every, tables=tables)
        self.eaches = eaches
        self.computed = Computed()
        self.noting = True

    def _sql(self, e: Sql, scope: Scope, live: Live, path: Any) -> Any:
        made = super()._sql(e, scope, live, path)
        if not self.noting:
            return made
        new, old = to_python(made, e.type), self.computed.values.get(id(e))
        # under other guards other rows are null; where both are not, they are the same
        self.computed.values[id(e)] = new if old is None else [a if a is not None else b for a, b in zip(old, new, strict=True)]
        return made

    def _each(self, e: Each, scope: Scope, live: Live, path: Any) -> Any:
        if id(e) not in self.eaches:  # an input of SQL: nobody asks where its elements are, nor what SQL gave for each of them
            noting, self.noting = self.noting, False
            try:
                return super()._each(e, scope, live, path)
            finally:
                self.noting = noting
        lengths = pc.fill_null(lengths_of(self.evaluate(e.of, scope, live, path)), 0).to_pylist()
        starts, at = [], 0
        for length in lengths:
            starts.append(at)
            at += length
        key = id(self.eaches[id(e)])
        if self.computed.starts.setdefault(key, starts) != starts:
            raise MigrationError(
                "SQL over the elements of a list that SQL computes, under two different conditions, is not supported",
                hint="Split the migration in two steps, and upgrade one after the other.",
            )
        return super()._each(e, scope, live, path)


def observe(
    columns: Sequence[Column], eaches: dict[int, Each], tables: dict[int, Table], rows: list[Any], type: Type, *, every: bool
) -> Computed:
    """Evaluate `columns` over `rows`, which are of `type`; what the SQL in them gave. `tables`: of lookups, kept between calls.

    Raises:
        DataError: a row that is refused; with `every`, Collected of all that one node refuses.
    """
    observer = _Observer(eaches, tables, every)
    scope = _scope(rows, type)
    for c in columns:
        observer.evaluate(c.expression, scope, Live(), (c.field.name,))
    return observer.computed


def _scope(rows: list[Any], type: Type) -> Scope:
    fields = type.fields if isinstance(type, Record) else ()
    try:
        return Scope(len(rows), columns={f.name: from_python([r.get(f.name) for r in rows], f.type) for f in fields})
    except DataError as error:
        for row, r in enumerate(rows):
            for f in fields:
                try:
                    from_python([r.get(f.name, MISSING)], f.type)
                except DataError as found:
                    raise type_error(found, row, f.name) from error
        raise


def type_error(error: DataError, row: int, name: str) -> DataError:
    return DataError(error.message, hint=error.hint).at(row=row, path=name)  # type: ignore[return-value]
