"""A DuckDB view that reads a dataset of files at several versions as one: each version's files through its chain, as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instar.formats.errors import MigrationError, UsageError
from instar.formats.inventory import DataFile, Inventory
from instar.formats.path import path_text
from instar.formats.schema import Field, List, Map, Record, Schema
from instar.transforms.casts import is_scalar
from instar.transforms.job import Job, at_version, inventory_of
from instar.transforms.mapping import Mapping
from instar.transforms.partition_columns import PartitionColumns, partition_columns
from instar.transforms.planning import checked_chain
from instar.transforms.shared_types import places

_INSTEAD = "Use dataset.scan (or `instar read`), which DuckDB reads as an Arrow stream."
_WHY_NOT = {
    "avro": "DuckDB reads Avro only by an extension that has to be installed",
    "json": "DuckDB's reader of JSON guesses types, and rounds or refuses numbers that the files hold",
}


def view(job: Job, *, version: int | str | None = None, name: str = "") -> str:
    """The statement CREATE OR REPLACE VIEW that reads the dataset's files, as they are now, as a version. Writes nothing.

    The files are named in it, each version's with the chain from it: after a run, or when files come or go, it must be made anew.

    Raises:
        UsageError: files that DuckDB cannot read exactly; a column that it has no type for, or that a Python function computes.
            As `scan`.
    """
    if job.settings.format in _WHY_NOT:
        raise UsageError(f"there is no view of {job.settings.format} files: {_WHY_NOT[job.settings.format]}", hint=_INSTEAD)
    inventory = inventory_of(job)
    inventory.require_sound()
    target = job.version(version, at=at_version(inventory, up=not str(version).startswith("-")))
    schema = job.schemas[target]
    folders = partition_columns(inventory, schema, job.settings.partitions)
    _refuse_unreadable(schema.root.with_(type=Record((*schema.record.fields, *folders.fields))))
    selects = [
        _select(_mapping(job, inventory, at, target), group, inventory, folders) for at, group in _groups(inventory, folders)
    ]
    if not selects:
        raise UsageError(f"{job.location} holds no files, of which a view would be", hint="Write some, or check `include`.")
    count = len(inventory.files)
    files = "1 file as it is now" if count == 1 else f"{count:,} files as they are now"
    return "\n".join((
        f"-- {_comment(job.name)} as version {target} of {_comment(job.subject)}: {files}.",
        "-- Make it anew after every run, and when files come or go: instar view.",
        f"CREATE OR REPLACE VIEW {quoted(name or job.name)} AS",
        "\nUNION ALL\n".join(selects) + ";",
        "",
    ))  # fmt: skip


def quoted(name: str) -> str:
    """A name as an identifier of DuckDB's."""
    return '"' + name.replace('"', '""') + '"'


def _comment(text: str) -> str:
    return " ".join(text.split())


def _groups(inventory: Inventory, folders: PartitionColumns) -> list[tuple[int, list[DataFile]]]:
    """Files that one SELECT reads: of one version, one form (a variant's columns may stand in another order), and one folder's
    values."""
    found: dict[Any, list[DataFile]] = {}
    for file in inventory.files:
        assert file.version is not None
        assert file.facts is not None
        key = (file.version, repr(file.facts.schema), folders.values[file.path])
        found.setdefault(key, []).append(file)
    return [(version, files) for (version, _, _), files in found.items()]


def _mapping(job: Job, inventory: Inventory, at: int, target: int) -> Mapping:
    from instar.transforms.evaluate.nodes import call_nodes

    mapping = checked_chain(job, inventory, at, target).mapping
    if call_nodes([mapping.root.expression]):
        raise UsageError(f"the way from version {at} to {target} calls a Python function, which DuckDB cannot", hint=_INSTEAD)
    return mapping


def _select(mapping: Mapping, files: Sequence[DataFile], inventory: Inventory, folders: PartitionColumns) -> str:
    """The SELECT of files of one form: source columns by generated names, the mapping's SQL, then the version's names."""
    from instar.transforms.evaluate.sql import adopted, render
    from instar.transforms.evaluate.sql_types import Fresh, literal, seen, seen_type, sql_type
    from instar.transforms.proof.connection import file_literal

    reads = mapping.reads()
    _refuse_unreadable_source(mapping, reads)
    paths = ", ".join(file_literal(inventory.root / file.path) for file in files)
    given = {name: f"s{i}" for i, name in enumerate(reads)}
    nested = {name for name in reads if isinstance(mapping.source.record[name].type, Record | List | Map)}
    columns = []
    for name, alias in given.items():
        type = mapping.source.record[name].type
        at = f"src.{quoted(name)}"
        columns.append(f"{adopted(at, type) if name in nested else f'CAST({at} AS {sql_type(type)})'} AS {alias}")
    relation = f"(SELECT {', '.join(columns) or '1 AS one'} FROM read_parquet([{paths}], hive_partitioning = false) AS src)"
    try:
        made = render(mapping, given)
    except MigrationError as error:
        raise UsageError(error.message, hint=_INSTEAD) from None
    targets = mapping.target.record.fields
    fresh = Fresh(made.columns)
    shown = [f"CAST({seen(f'c{i}', f.type, fresh)} AS {seen_type(f.type)}) AS {quoted(f.name)}" for i, f in enumerate(targets)]
    values = folders.values[files[0].path]
    shown += [
        f"CAST({literal(value, f.type)} AS {seen_type(f.type)}) AS {quoted(f.name)}"
        for f, value in zip(folders.fields, values, strict=True)
    ]
    return f"SELECT {', '.join(shown)}\nFROM ({made.select(relation)})"


def _refuse_unreadable(root: Field) -> None:
    """What DuckDB has no exact type for, or cannot name."""
    from instar.transforms.evaluate.sql_types import seen_type

    for path, field in places(root):
        if not isinstance(field.type, Record | List | Map) and not is_scalar(field.type):
            raise UsageError(f"{path_text(path)} is of a type that DuckDB does not hold exactly", hint=_INSTEAD)
    names = [f.name.casefold() for f in Schema(root).record.fields]
    if len(set(names)) < len(names):
        raise UsageError("two columns differ in case only, which DuckDB does not tell apart", hint=_INSTEAD)
    for field in Schema(root).record.fields:
        try:
            seen_type(field.type)
        except MigrationError as error:
            raise UsageError(f"{path_text((field.name,))}: {error.message}", hint=_INSTEAD) from None


def _refuse_unreadable_source(mapping: Mapping, reads: Sequence[str]) -> None:
    record = Record(tuple(mapping.source.record[name] for name in reads))
    if reads:
        _refuse_unreadable(mapping.source.root.with_(type=record))
