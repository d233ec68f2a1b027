"""One side of a comparison: its data files, of one format, and the schema that their records are compared as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from instar.formats.errors import DatasetError, UsageError, Where
from instar.formats.fingerprint import differences
from instar.formats.format import Format
from instar.formats.schema import Schema, type_text
from instar.transforms.conversion import Restated
from instar.transforms.convert_source import data_files
from instar.transforms.mapping import Mapping, identity


@dataclass(frozen=True)
class SideFile:
    """`schema`: the file's own, where it carries one."""

    path: str
    size: int
    schema: Schema | None


@dataclass(frozen=True)
class Side:
    """`location` as given, `root` the folder that paths are relative to. `mapping`: from the schema of the files to the one their
    records are compared as; `version` is that of the latter, where a subject is known. `left`: files that are no data."""

    location: str
    root: FilePath
    single: bool
    format: Format
    files: tuple[SideFile, ...]
    mapping: Mapping
    version: int | None = None
    left: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def path(self, file: SideFile) -> FilePath:
        return self.root / file.path

    def mapping_of(self, file: SideFile) -> Mapping:
        """From what the file itself says it holds."""
        return self.mapping if file.schema is None else self.mapping.rebased(file.schema)


@dataclass(frozen=True)
class Found:
    """A side before it is known by which schema it is read."""

    location: str
    root: FilePath
    single: bool
    format: Format
    files: tuple[SideFile, ...]
    left: tuple[str, ...]

    @property
    def paths(self) -> list[FilePath]:
        return [self.root / file.path for file in self.files]

    def by(self, mapping: Mapping, version: int | None = None) -> Side:
        return Side(self.location, self.root, self.single, self.format, self.files, mapping, version, self.left)


def found(path: FilePath) -> Found:
    """What lies at a path.

    Raises:
        UsageError: nothing, or no data files. DatasetError: files of several formats, or a directory that a table format owns.
        FileError: a file cannot be read.
    """
    data = data_files(path)
    format = data.format
    files = tuple(SideFile(name, data.sizes[name], format.inspect(data.root / name).schema) for name in data.names)
    return Found(str(path), data.root, data.single, format, files, data.left)


# ---- by which schema
def of_one_schema(old: Found, new: Found) -> tuple[Side, Side]:
    """Both sides by their own schemas. JSON files have none: they are read by what the other side's say, or, where both are
    JSON, by what all of them have in common.

    Raises:
        FileError: the files of one side have no schema in common.
    """
    if old.format.name == new.format.name == "json":
        schema = old.format.infer([*old.paths, *new.paths])
        return old.by(identity(schema)), new.by(identity(schema))
    schemas = [None if side.format.name == "json" else side.format.infer(side.paths) for side in (old, new)]
    known = next(schema for schema in schemas if schema is not None)
    made = [_as_json(known) if schema is None else schema for schema in schemas]
    return old.by(identity(made[0])), new.by(identity(made[1]))


def _as_json(schema: Schema) -> Schema:
    return Restated("json", schema.definitions).schema(schema.root)


@dataclass(frozen=True)
class Versions:
    """A subject's chain from one version to another, and the format its schemas are of."""

    subject: str
    origin: int
    target: int
    mapping: Mapping
    format: str


def of_versions(old: Found, new: Found, versions: Versions) -> tuple[Side, Side]:
    """The old side at the version that the chain begins with, the new one as its own files say, of JSON at the one it ends with.

    Raises:
        UsageError: the old files are of another format than the subject. DatasetError: one is not of that version.
    """
    if old.format.name != versions.format:
        raise UsageError(
            f"the files of {old.location} are {old.format.name}, and the schemas of {versions.subject} are {versions.format}",
            hint="Migrations are read in the subject's own format: give the old files in it.",
        )
    source, target = versions.mapping.source, versions.mapping.target
    _refuse_misfits(old, source, f"version {versions.origin} of {versions.subject}")
    if new.format.name == "json":
        reached = target if versions.format == "json" else _as_json(target)
    else:
        reached = new.format.infer(new.paths)
    return old.by(versions.mapping, versions.target), new.by(identity(reached), versions.target)


def _refuse_misfits(side: Found, schema: Schema, what: str) -> None:
    for file in side.files:
        if file.schema is not None and (found := differences(file.schema, schema)):
            raise DatasetError(
                f"it is not of {what}: {'; '.join(map(str, found[:3]))}",
                hint="Say the version that the old files are at: --from N.",
                where=Where(file=file.path),
            )


# ---- files of one form
def alike(files: Sequence[SideFile]) -> list[list[SideFile]]:
    """The files in groups of the same own schema, order and null-ness included."""
    groups: dict[str, list[SideFile]] = {}
    for file in files:
        groups.setdefault("" if file.schema is None else _text(file.schema), []).append(file)
    return list(groups.values())


def _text(schema: Schema) -> str:
    named = (f"{name}={type_text(field.type)}" for name, field in sorted(schema.definitions.items()))
    return type_text(schema.root.type) + ";".join(named)
