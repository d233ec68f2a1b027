"""Reading a dataset at one version, whatever versions its files are at: each file goes through its own chain as it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from instar.formats.columnar import column_schema, rows_only, showable_schema
from instar.formats.errors import DataError, InstarError, UsageError
from instar.formats.format import Format, Range, Through
from instar.formats.inventory import DataFile
from instar.formats.path import Path
from instar.formats.schema import Field, Record, Schema
from instar.formats.values import Values
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.expression import Source
from instar.transforms.filtering import Filter, filter_of
from instar.transforms.job import Job, Options, at_version, with_options
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.partition_columns import PartitionColumns, partition_columns
from instar.transforms.pinned import Found, Pinned, pinned
from instar.transforms.planning import checked_chain
from instar.transforms.projection import column_path, projection
from instar.transforms.run.stage_file import at_file


def scan(
    job: Job, *, version: int | str | None = None, columns: Sequence[str] | None = None, filter: Any = None, memory: int = 0
) -> pa.RecordBatchReader:
    """All records of the dataset as they are at a version, file by file in the order of their paths.

    `version`: as for a plan; the newest by default. `columns`: names of columns, of fields inside records (`a.b`) and of
    partition keys, in the order wanted; all by default. `filter`: a pyarrow.compute expression, or SQL text, over the columns of
    that version. The files are those of the moment of the call; each is read when its turn comes, batch by batch.

    Raises:
        DatasetError: files at no known version, or other problems; all are named. UsageError: no such version or column, or a
            filter that cannot be used. MigrationError: the way down to the version would lose what must have a value.
            While it is read: FileError, DataError.
    """
    made = open_scan(job, version=version, columns=columns, filter=filter, memory=memory)
    return pa.RecordBatchReader.from_batches(made.schema, made.batches())


def open_scan(
    job: Job, *, version: int | str | None = None, columns: Sequence[str] | None = None, filter: Any = None, memory: int = 0
) -> Scan:
    """As `scan`, with what is known of the records beside them."""
    tree = pinned(job)
    try:
        return _prepared(tree, version, columns, filter, memory)
    except BaseException:
        tree.close()
        raise


def _prepared(tree: Pinned, version: int | str | None, columns: Sequence[str] | None, filter: Any, memory: int) -> Scan:
    job, inventory = tree.job, tree.inventory
    target = job.version(version, at=at_version(inventory, up=not str(version).startswith("-")))
    schema = job.schemas[target]
    folders = partition_columns(inventory, schema, job.settings.partitions)
    whole = Schema(Field("", Record((*schema.record.fields, *folders.fields))), schema.definitions)
    paths = _paths(whole, columns)
    wanted = None if filter is None else filter_of(filter, whole, showable_schema(whole))
    plan = Wanted(whole, folders, paths, wanted)
    versions = {file.version for file in inventory.files if file.version is not None}
    ways = {v: checked_chain(job, inventory, v, target).mapping.then(projection(schema, plan.read)) for v in sorted(versions)}
    options = with_options(Options(memory=memory), job.settings)
    return Scan(tree, target, plan, ways, options.unit_memory)


def _paths(whole: Schema, columns: Sequence[str] | None) -> tuple[Path, ...]:
    if columns is None:
        return tuple((name,) for name in whole.record.names)
    if isinstance(columns, str):
        raise UsageError(f"columns is the text {columns!r}", hint=f"Give a list of names: columns=[{columns!r}].")
    paths = tuple(column_path(whole, name) for name in columns)
    if twice := sorted({name for name in columns if list(columns).count(name) > 1}):
        raise UsageError(f"the column {twice[0]} is asked for twice", hint="Name each column once.")
    return paths


@dataclass(frozen=True)
class Wanted:
    """What is to be shown, and what must be read for it. `whole`: the version's columns and those of the folders."""

    whole: Schema
    folders: PartitionColumns
    paths: tuple[Path, ...]
    filter: Filter | None

    @property
    def read(self) -> tuple[Path, ...]:
        """The paths that come out of files: shown, or needed by the filter only."""
        known = {f.name for f in self.folders.fields}
        needed = [(name,) for name in (self.filter.needs if self.filter else ()) if (name,) not in self.paths]
        return tuple(path for path in (*self.paths, *needed) if path[0] not in known)

    @property
    def target(self) -> Schema:
        """The logical schema of what is shown."""
        return projection(self.whole, self.paths).target


@dataclass(frozen=True)
class Scan:
    """A dataset about to be read: `ways` has the mapping of each version that files are at."""

    tree: Pinned
    version: int
    wanted: Wanted
    ways: Mapping[int, SchemaMapping]
    memory: int

    @property
    def schema(self) -> pa.Schema:
        return column_schema(self.wanted.target)

    def close(self) -> None:
        """Let go of the files that were not read."""
        self.tree.close()

    def batches(self) -> Iterator[pa.RecordBatch]:
        schema, keep = self.schema, self.wanted.filter.keep if self.wanted.filter else None
        try:
            for file in self.tree.inventory.files:
                if self._may_hold(self.wanted.folders.ranges(file.path)):
                    for batch in self._file(file):
                        kept = batch if keep is None else keep(batch)
                        if kept.num_rows:
                            yield shown(kept, schema)
        finally:
            self.tree.close()

    def _may_hold(self, known: Mapping[str, Range]) -> bool:
        return self.wanted.filter is None or self.wanted.filter.may_hold(known)

    def _file(self, file: DataFile) -> Iterator[pa.RecordBatch]:
        """What is read of one file, partition columns included, each column in its final form."""
        try:
            with self.tree.opened(file) as found:
                for batch in self._converted(found):
                    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
                    columns |= self.wanted.folders.arrays(file.path, batch.num_rows)
                    yield pa.RecordBatch.from_pydict(columns) if columns else batch
        except InstarError as error:
            raise at_file(error, file.path) from error.__cause__

    def _converted(self, found: Found) -> Iterator[pa.RecordBatch]:
        format, facts = self.tree.job.format, found.file.facts
        mapping = self._way(found.file)
        if facts is not None and facts.schema is not None:
            mapping = mapping.rebased(facts.schema)
        arrow = column_schema(mapping.target)
        through = None if not arrow.names or is_selection(mapping) else Through(conversion(format, mapping), mapping.target)
        known = bare_columns(mapping) if self.wanted.filter else {}
        batches = format.read(
            found.path,
            schema=mapping.source,
            columns=mapping.reads(),
            memory=self.memory,
            through=through,
            may_hold=lambda ranges: self._may_hold({name: ranges[origin] for name, origin in known.items() if origin in ranges}),
            name=found.file.path.rpartition("/")[2],
        )
        try:
            for batch in batches:
                yield shown(batch, arrow)
        except InstarError as error:
            Hidden(mapping).raised(error)

    def _way(self, file: DataFile) -> SchemaMapping:
        """The mapping for a file's version; one that took another's place meanwhile may be at a version that none had."""
        assert file.version is not None
        if file.version in self.ways:
            return self.ways[file.version]
        job = self.tree.job
        chain = checked_chain(job, self.tree.inventory, file.version, self.version)
        return chain.mapping.then(projection(job.schemas[self.version], self.wanted.read))


# ---- one file's mapping
def is_selection(mapping: SchemaMapping) -> bool:
    """Is every column the source's own, under its own name? Then reading is all there is to do."""
    columns = getattr(mapping.root.expression, "columns", ())
    return all(isinstance(c.expression, Source) and c.expression.path == (c.field.name,) for c in columns)


def bare_columns(mapping: SchemaMapping) -> dict[str, str]:
    """Target column → source column, where the one is the other, of the same type."""
    columns = getattr(mapping.root.expression, "columns", ())
    return {
        c.field.name: c.expression.path[0]
        for c in columns
        if isinstance(c.expression, Source) and len(c.expression.path) == 1 and c.expression.type == c.field.type
    }


def conversion(format: Format, mapping: SchemaMapping) -> Callable[[Any], Any]:
    """The mapping as what the format's `read` passes its records through."""
    if format.shape == "columns":
        from instar.transforms.evaluate.arrow import compile_batches

        return compile_batches(mapping)
    from instar.transforms.evaluate.record import compile_records

    return compile_records(mapping, _Open(format.values(mapping.source, mapping.target), mapping.root.field))


class _Open:
    """A format's values, but that whole records are not sealed: they are shown at once."""

    def __init__(self, values: Values, root: Field) -> None:
        self.opener, self.decoder, self.encoder, self.recoder = values.opener, values.decoder, values.encoder, values.recoder
        self.branch_opener, self.branch_sealer = values.branch_opener, values.branch_sealer
        self._values, self._root = values, root

    def sealer(self, field: Field) -> Callable[[Any, Any], Any]:
        return (lambda opened, new: new) if field is self._root else self._values.sealer(field)


# ---- one batch
def shown(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch's columns that `schema` names, in its order and types, whatever form they are stored in.

    Raises:
        DataError: a value that the form does not hold.
    """
    from instar.formats.storage import stored

    if not schema.names:
        return rows_only(batch.num_rows)
    arrays = []
    for field in schema:
        array = batch.column(field.name)
        try:
            arrays.append(stored(array, field.type))
        except pa.ArrowInvalid as error:
            raise DataError(f"{field.name} cannot be shown as {field.type}: {error}", hint="Ask for other columns.") from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
