"""An upcaster: records of one version as another, one by one, for streams and ETL code. No file of data is read or written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from instar.formats.errors import DataError, InstarError, UsageError, Where
from instar.formats.format import format_named
from instar.formats.registry import Registry
from instar.transforms.migration import Chain, load_migrations, make_chain
from instar.transforms.typecheck import type_check

if TYPE_CHECKING:
    import pyarrow as pa

    from instar.transforms.recovered import Loss

    Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)

AT_ONCE = 1_000
"""Records that are converted together where that costs nobody a wait, or saves one a call of DuckDB each."""


@dataclass(frozen=True, repr=False)
class Upcaster:
    """Call it with a record; `records` and `batch` take many. It may be shared between threads, and pickled.

    Records are dicts of natural Python values (`transforms/natural.py`), as `json.loads`, fastavro and pyarrow's `to_pylist` give
    them. Only what the chain touches is looked at and checked; every other value is passed on as it is, the very object. Keys
    that no schema names stay, and one where a new field would stand is refused, as in JSON files.
    """

    chain: Chain
    _batches: dict[Any, Callable[[Any], Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def subject(self) -> str:
        return self.chain.subject

    @property
    def losses(self) -> tuple[Loss, ...]:
        """On a way down, what cannot be recovered, and is null, missing, or as the script's `downgrade` says; () on a way up."""
        return self.chain.losses if self.chain.to_version < self.chain.from_version else ()

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """One record; the one given is not changed.

        Raises:
            DataError: a cast, a function or SQL refuses a value, a required key or value is not there; names the path.
        """
        try:
            return self._converted([record])[0]
        except DataError as error:
            raise _without_row(error) from error.__cause__

    def records(self, records: Iterable[dict[str, Any]], *, together: int = 0) -> Iterator[dict[str, Any]]:
        """Each record in turn.

        `together`: so many are read ahead and converted at once. By default 1,000 of a list, and where the chain has SQL, which
        costs a call of DuckDB for every lot; else 1, so that no record of a stream waits for the next.

        Raises:
            DataError: as for one; `where.row` counts from 0. All records before it have been yielded.
        """
        given = iter(records)
        size = together or (AT_ONCE if self._has_sql or isinstance(records, Sequence) else 1)
        done = 0
        while some := list(islice(given, size)):
            yield from self._some(some, done)
            done += len(some)

    def _some(self, some: list[dict[str, Any]], done: int) -> Iterator[dict[str, Any]]:
        try:
            made = self._converted(some)
        except DataError as error:
            row = error.where.row if error.where else None
            if row:  # those before it are good
                yield from self._convert(some[:row])
            raise _at_row(error, done) from error.__cause__
        yield from made

    def _converted(self, some: list[Any]) -> list[dict[str, Any]]:
        try:
            return self._convert(some)
        except (AttributeError, TypeError, DataError) as error:
            known = error.where.row if isinstance(error, DataError) and error.where else None
            for row, record in enumerate(some):  # only now: a check beforehand would cost every record
                if not isinstance(record, Mapping) and known in (None, row):
                    where = Where(row=row)
                    raise DataError(f"{record!r:.80} is no dict", hint="A record is a dict of its fields.", where=where) from None
            raise

    def batch(self, batch: Batch) -> Batch:
        """A record batch or a table. Columns that are only carried are the very arrays.

        Raises:
            UsageError: its columns are not those of the version. DataError: as for one record.
        """
        import pyarrow as pa

        if isinstance(batch, pa.RecordBatch):
            return self._batch_conversion(batch.schema)(batch)
        convert = self._batch_conversion(batch.schema)
        made, rows = [], 0
        for each in batch.to_batches():
            try:
                made.append(convert(each))
            except DataError as error:
                raise _at_row(error, rows) from error.__cause__
            rows += each.num_rows
        return pa.Table.from_batches(made or [convert(_empty(batch.schema))])

    # ---- what it is made of
    @cached_property
    def _convert(self) -> Callable[[list[Any]], list[Any]]:
        from instar.transforms.evaluate.natural_values import NaturalValues
        from instar.transforms.evaluate.record import compile_records

        mapping = self.chain.mapping
        return compile_records(mapping, NaturalValues(mapping.source, mapping.target))

    @cached_property
    def _has_sql(self) -> bool:
        from instar.transforms.evaluate.nodes import sql_nodes

        return bool(sql_nodes([self.chain.mapping.root.expression]))

    def _batch_conversion(self, schema: pa.Schema) -> Callable[[Any], Any]:
        """For batches of this schema; made once."""
        if schema not in self._batches:
            self._batches[schema] = self._made_for(schema)
        return self._batches[schema]

    def _made_for(self, schema: pa.Schema) -> Callable[[Any], Any]:
        from instar.formats.arrow import logical_schema
        from instar.transforms.evaluate.arrow import compile_batches

        try:
            return compile_batches(self.chain.mapping.rebased(logical_schema(schema)))
        except InstarError as error:
            raise UsageError(
                f"the batch is not of version {self.chain.from_version} of {self.subject}: {error.message}",
                hint="Give all its columns in the version's types; what Arrow has no type for can be converted as records.",
            ) from error

    def __repr__(self) -> str:
        return f"Upcaster({self.subject!r}, {self.chain.from_version}, {self.chain.to_version})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Upcaster, (self.chain,)


def upcaster(registry: Registry, scripts: Path, subject: str, from_: int, to: int | None) -> Upcaster:
    """See `Project.upcaster`; `scripts` is the folder of the subject's migrations."""
    schemas = dict(registry.schemas(subject))
    migrations = load_migrations(scripts, newest=max(schemas))
    target = max(schemas) if to is None else to
    for version in (from_, target):
        if version not in schemas:
            raise UsageError(f"{subject} has no version {version}", hint=f"There is {', '.join(map(str, sorted(schemas)))}.")
    format = registry.format(subject)
    chain = make_chain(schemas, migrations, from_, target, format)
    chain.refuse_fatal()
    type_check(chain.mapping, format_named(format))
    return Upcaster(replace(chain, subject=subject))


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def _at_row(error: DataError, more: int) -> InstarError:
    where = error.where
    if where is None or where.row is None:
        return error
    return DataError(error.message, hint=error.hint, where=replace(where, row=where.row + more))


def _without_row(error: DataError) -> InstarError:
    return DataError(error.message, hint=error.hint, where=replace(error.where, row=None) if error.where else None)
