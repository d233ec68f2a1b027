"""Which rows of a version are wanted: a pyarrow expression or SQL over its columns, judged on the records as they are at it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.errors import DataError, InstarError, UsageError
from instar.formats.format import Range
from instar.formats.schema import Bool, Field, Record, Schema
from instar.transforms.expression import Column, Struct
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.sqltext import cut

_MOST_CASES = 64
"""Of columns that may or may not be null in a part of a file: more than these are not told apart."""


@dataclass(frozen=True)
class Filter:
    """`needs`: the columns it looks at. `keep`: a batch that has at least those → its wanted rows. `may_hold` is given what is
    known of some columns, and says whether a row of that kind can be wanted; it is True wherever that is not known."""

    needs: tuple[str, ...]
    keep: Callable[[pa.RecordBatch], pa.RecordBatch]
    may_hold: Callable[[Mapping[str, Range]], bool]


def filter_of(given: Any, schema: Schema, arrow: pa.Schema) -> Filter:
    """The filter that a caller gave, over columns of `arrow`, which is how `schema` is shown.

    Raises:
        UsageError: it names a column that is not there, or does not give true or false. MigrationError: SQL that is not one scalar
            expression over the columns.
    """
    if isinstance(given, str):
        return _of_sql(given, schema)
    if isinstance(given, pc.Expression):
        return _of_expression(given, arrow)
    raise UsageError(
        f"a filter is a pyarrow.compute expression or SQL, not {given!r:.80}",
        hint='Write for example pyarrow.compute.field("distance") > 500, or "distance > 500".',
    )


# ---- pyarrow
def _of_expression(expression: Any, arrow: pa.Schema) -> Filter:
    _bound(expression, arrow)
    needs = tuple(f.name for i, f in enumerate(arrow) if not _binds(expression, arrow.remove(i)))

    def keep(batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return batch.filter(expression)
        except pa.ArrowInvalid as error:
            raise DataError(f"the filter cannot be computed: {error}", hint="Let it handle such values, or repair them.") from None

    return Filter(needs, keep, lambda ranges: _may_hold(expression, arrow, ranges))


def _bound(expression: Any, arrow: pa.Schema) -> None:
    try:
        _empty(arrow).filter(expression)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise UsageError(f"the filter {expression!s:.200} cannot be used: {error}", hint=f"There is {_names(arrow)}.") from None


def _binds(expression: Any, arrow: pa.Schema) -> bool:
    try:
        _empty(arrow).filter(expression)
    except pa.ArrowInvalid:
        return False
    return True


def _empty(arrow: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in arrow], schema=arrow)


def _names(arrow: pa.Schema) -> str:
    return ", ".join(arrow.names)


def _may_hold(expression: Any, arrow: pa.Schema, ranges: Mapping[str, Range]) -> bool:
    """pyarrow's own reasoning: does the expression become false where these are the columns' values? Each row's value of a column
    is either null or in the range, and each of these cases is judged apart."""
    cases = [list(_cases(name, found, arrow.field(name).type)) for name, found in ranges.items()]
    while cases and _count(cases) > _MOST_CASES:
        cases.pop()
    return any(_can_be_true(expression, arrow, case) for case in itertools.product(*cases))


def _cases(name: str, found: Range, type: pa.DataType) -> Iterable[Any]:
    column = pc.field(name)
    if found.low is not None:
        low, high = (v if isinstance(v, pa.Scalar) else pa.scalar(v, type) for v in (found.low, found.high))
        yield (column >= low) & (column <= high)
    if found.nulls:
        yield column.is_null()


def _count(cases: list[list[Any]]) -> int:
    count = 1
    for case in cases:
        count *= len(case)
    return count


def _can_be_true(expression: Any, arrow: pa.Schema, known: Iterable[Any]) -> bool:
    import pyarrow.dataset as ds
    from pyarrow import fs

    format, nowhere, fact = ds.ParquetFileFormat(), fs.LocalFileSystem(), pc.scalar(True)
    for each in known:
        fact = fact & each
    fragment = format.make_fragment("part", nowhere, partition_expression=fact)
    found = ds.FileSystemDataset([fragment], arrow, format, nowhere).get_fragments(filter=expression)
    return next(iter(found), None) is not None


# ---- SQL
_WANTED = "wanted"


def _of_sql(text: str, schema: Schema) -> Filter:
    from instar.transforms.evaluate.arrow import compile_batches

    record = schema.record
    wanted = Field(_WANTED, Bool(), nullable=True)
    mapping = SchemaMapping(schema, Column(Field("", Record((wanted,))), Struct((Column(wanted, cut(text, record, (), Bool())),))))
    try:
        convert = compile_batches(mapping)
    except InstarError as error:
        raise UsageError(error.message, hint="A filter is SQL over the columns that gives true or false.") from None

    def keep(batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return batch.filter(convert(batch).column(0))
        except DataError as error:
            raise DataError(f"the filter cannot be computed: {error.message}", hint=error.hint) from error.__cause__

    return Filter(mapping.reads(), keep, lambda ranges: True)
