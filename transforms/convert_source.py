"""What is to be converted: a dataset of a project at a version, or files that no project knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

import pyarrow as pa

from instar.formats.columnar import column_schema
from instar.formats.discover import list_dataset, resolve_dataset
from instar.formats.documents import document_text, format_of
from instar.formats.errors import Collected, DatasetError, InstarError, MalformedError, UsageError, Where
from instar.formats.fingerprint import misfits
from instar.formats.format import FORMATS, Format, Stamp, Through, format_named
from instar.formats.inventory import DataFile
from instar.formats.pii import any_tagged, without_values
from instar.formats.recognise import recognise
from instar.formats.schema import Schema
from instar.transforms.conversion import Restated
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.job import Job, at_version, inventory_of
from instar.transforms.mapping import Mapping, identity
from instar.transforms.planning import checked_chain
from instar.transforms.run.stage_file import at_file
from instar.transforms.scan import conversion, is_selection, shown

HEAD = 1 << 16


@dataclass(frozen=True)
class SourceFile:
    """A file, and the mapping from its own schema to that of all of them. `schema`: its own, where it carries one."""

    path: str
    size: int
    mapping: Mapping
    schema: Schema | None


@dataclass(frozen=True)
class Source:
    """`root` is the folder that paths are relative to, `single` whether one file was named; `schema` is what all files are brought
    to. `stamp`: subject and version, where they are known. `left` are files that are no data."""

    root: FilePath
    single: bool
    format: Format
    schema: Schema
    files: tuple[SourceFile, ...]
    stamp: Stamp | None
    left: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def batches(self, file: SourceFile, to: Mapping, memory: int) -> Iterator[pa.RecordBatch]:
        """A file's records through its own mapping and then `to`, as columns in their plain forms.

        Raises:
            FileError, DataError: names the file and the record.
        """
        mapping = file.mapping.then(to)
        mapping = mapping if file.schema is None else mapping.rebased(file.schema)
        arrow = column_schema(mapping.target)
        through = None if is_selection(mapping) else Through(conversion(self.format, mapping), mapping.target)
        try:
            for batch in self.format.read(
                self.root / file.path, schema=mapping.source, columns=mapping.reads(), memory=memory, through=through
            ):
                yield shown(batch, arrow)
        except InstarError as error:
            Hidden(mapping).raised(error, lambda told: at_file(told, file.path))


# ---- a dataset of a project
def of_dataset(job: Job, version: int | str | None) -> Source:
    """Every file's chain to the version; the newest by default.

    Raises:
        DatasetError: files at no known version, or other problems; all are named. UsageError: no such version.
        MigrationError: the way down to the version would lose what must have a value.
    """
    inventory = inventory_of(job)
    inventory.require_sound()
    target = job.version(version, at=at_version(inventory, up=not str(version).startswith("-")))
    versions = sorted({file.version for file in inventory.files if file.version is not None})
    chains = {v: checked_chain(job, inventory, v, target).mapping for v in versions}
    return Source(
        root=inventory.root,
        single=inventory.single,
        format=job.format,
        schema=job.schemas[target],
        files=tuple(_known_file(file, chains) for file in inventory.files),
        stamp=Stamp(job.subject, target),
        left=tuple(other.path for other in inventory.others if other.kind == "other"),
        notes=inventory.warnings,
    )


def _known_file(file: DataFile, chains: dict[int, Mapping]) -> SourceFile:
    assert file.version is not None
    facts = file.facts
    return SourceFile(file.path, file.size, chains[file.version], facts.schema if facts else None)


# ---- files that no project knows
def of_path(path: FilePath, document: FilePath | None) -> Source:
    """Files of one format, by their common schema or by that of a document.

    Raises:
        UsageError: there are no data files. DatasetError: files of several formats, or that do not fit the document; all are
        named. FileError: the files have no schema in common.
    """
    data = data_files(path)
    format, root = data.format, data.root
    facts = {name: format.inspect(root / name) for name in data.names}
    schema = format.infer([root / name for name in data.names]) if document is None else _documented(document, format.name)
    if document is not None:
        _refuse_misfits(root, data.names, {name: f.schema for name, f in facts.items()}, format, schema)
    mapping = identity(schema)
    files = tuple(SourceFile(name, data.sizes[name], mapping, facts[name].schema) for name in data.names)
    return Source(root, data.single, format, schema, files, None, data.left)


@dataclass(frozen=True)
class DataFiles:
    """The data files at a path, all of one format: their names relative to `root`, and the sizes of all that lies there. `left`:
    what is no data."""

    root: FilePath
    single: bool
    format: Format
    names: list[str]
    sizes: dict[str, int]
    left: tuple[str, ...]


def data_files(path: FilePath) -> DataFiles:
    """What lies at a path, told by its content.

    Raises:
        UsageError: there are no data files. DatasetError: files of several formats, or what is no plain directory of files; all are
        named.
    """
    location = resolve_dataset(path)
    listing = list_dataset(location)
    if listing.problems:
        _raise([DatasetError(p.message, hint=p.hint, where=Where(file=p.path)) for p in listing.problems], location)
    sizes = {found.path: found.size for found in listing.files}
    format, names, left = _sorted_out(listing.root, sizes, location)
    others = tuple(other.path for other in listing.others)
    return DataFiles(listing.root, not location.is_dir(), format, names, sizes, (*left, *others))


def _sorted_out(root: FilePath, sizes: dict[str, int], location: FilePath) -> tuple[Format, list[str], list[str]]:
    """The one format of the data files, their names, and the names of what is no data."""
    kinds: dict[str, str | None] = {}
    for name, size in sizes.items():
        found = (recognise(root / name, size, format_named(each)) for each in FORMATS)
        kinds[name] = next((kind for kind in found if kind is not None), None)
    named = sorted({kind for kind in kinds.values() if kind is not None})
    if not named:
        raise UsageError(
            f"there are no Parquet, Avro or JSON files in {location}", hint="Check the path; data files are told by their content."
        )
    if len(named) > 1:
        examples = ", ".join(f"{next(n for n, k in kinds.items() if k == kind)} ({kind})" for kind in named)
        raise DatasetError(f"{location} holds files of several formats: {examples}", hint="Convert them one folder at a time.")
    return format_named(named[0]), [n for n, k in kinds.items() if k], [n for n, k in kinds.items() if not k]


def _documented(document: FilePath, format: str) -> Schema:
    """The schema of a document of any format, for files of this one."""
    text = document_text(document)
    own = format_of(document.name, text)
    schema = format_named(own).parse(text)
    return schema if own == format else Restated(format, schema.definitions).schema(schema.root)


def _refuse_misfits(root: FilePath, names: list[str], own: dict[str, Schema | None], format: Format, schema: Schema) -> None:
    errors: list[InstarError] = []
    for name in names:
        carried = own[name]
        problem = "; ".join(map(str, misfits(carried, schema)[:3])) if carried is not None else _misfit(root / name, format, schema)
        if problem:
            hint = "Correct the document, or convert only the files that it describes."
            errors.append(DatasetError(f"it does not fit the document: {problem}", hint=hint, where=Where(file=name)))
    if errors:
        _raise(errors, root)


def _misfit(path: FilePath, format: Format, schema: Schema) -> str | None:
    try:
        return format.validate(path, schema)
    except MalformedError as error:
        return str(without_values(error) if any_tagged([schema]) else error)


def _raise(errors: list[InstarError], location: FilePath) -> None:
    if len(errors) == 1:
        raise errors[0]
    raise Collected(f"{len(errors)} problems in {location}; nothing was written", hint=errors[0].hint, errors=errors)
