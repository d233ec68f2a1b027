"""Taking the inventory of a dataset: list it, look into every file, say which version each is at. Reads only."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

from .arriving import is_arriving
from .detect import SameValues, Verdict, Versions, judge, judge_records
from .discover import Found, list_dataset, resolve_dataset
from .errors import Collected, DataError, DatasetError, InstarError, MalformedError, Where, is_unreadable
from .fingerprint import misfits
from .format import FileFacts, Format, Stamp, format_named
from .inventory import DataFile, Inventory, OtherFile, Remark
from .manifest import Entry, Manifest, entry
from .partitions import disagreement, partition_keys, partitions_of
from .pii import without_values
from .recognise import recognise
from .registry import Registry
from .schema import Schema

Progress = Callable[[int, int], None]
_PORTION_FILES, _PORTION_BYTES = 64, 1 << 20


def take_inventory(
    root: FilePath,
    subject: str,
    registry: Registry,
    format: str,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    manifest: Manifest | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    same_values: SameValues | None = None,
    passing_broken: bool = False,
    only: Collection[str] | None = None,
) -> Inventory:
    """Which files a dataset holds, at which version each is, and everything that is odd about it.

    What is wrong with a file is in the inventory, not raised: nothing hides another. `workers` threads read headers and footers;
    `progress` is told (files done, files in all). `same_values` tells whether it matters which of two versions of one structure a
    file is at; without it, it does not. `passing_broken`: records that are none do not hinder telling a file's version by the
    others; they are warned of. `only`: of the files that may be data no others are looked at, and none else is in it.

    Raises:
        UsageError: there is no dataset. RegistryError: no such subject. DatasetError: a table format owns the directory, or it
            cannot be listed.
    """
    listing = list_dataset(resolve_dataset(root), include=include, exclude=exclude)
    versions = Versions.of(registry, subject, same_values) if same_values else Versions.of(registry, subject)
    examiner = _Examiner(listing.root, versions, format_named(format), manifest or Manifest(), passing_broken)
    threads = workers or min(8, os.cpu_count() or 1)
    seen: list[_Seen] = []
    found = [file for file in listing.files if only is None or file.path in only]
    with ThreadPoolExecutor(threads) as pool:
        for results in pool.map(examiner.examine_all, _portions(found)):
            seen += results
            if progress:
                progress(len(seen), len(found))
    files = tuple(s.file for s in seen if s.file)
    others = sorted([*listing.others, *(s.other for s in seen if s.other)], key=lambda other: other.path)
    remarks = [*listing.problems, *(s.problem for s in seen if s.problem)]
    warnings = [s.warning for s in seen if s.warning]
    if not files and only is None:
        warnings.append(f"{listing.location} holds no {format} files")
    return Inventory(
        listing.location,
        listing.root,
        subject,
        format,
        files,
        tuple(others),
        tuple(sorted(remarks, key=lambda remark: remark.path)),
        tuple(warnings),
        partition_keys(file.partitions for file in files),
    )


def stamp_files(
    inventory: Inventory, registry: Registry, version: int, paths: Iterable[str] = (), *, manifest: Manifest
) -> Manifest:
    """A person's answer: these files (all of the dataset, where none is named) are at that version. Nothing is written.

    Raises:
        UsageError: a path that is no data file of the dataset. RegistryError: no such version.
        DatasetError: a file does not fit the version (Collected where several do not).
    """
    schema = registry.schema(inventory.subject, version)
    document = registry.fingerprint(inventory.subject, version)
    format = format_named(inventory.format)
    files = [inventory.file(FilePath(path).as_posix()) for path in paths] or list(inventory.files)
    quotable = Versions.of(registry, inventory.subject).quotable
    why = {file.path: _misfit(inventory.root / file.path, file, schema, format, quotable) for file in files}
    bad = [_does_not_fit(path, version, problem) for path, problem in why.items() if problem]
    if len(bad) == 1:
        raise bad[0]
    if bad:
        raise Collected(f"{len(bad)} files do not fit version {version}; nothing was recorded", hint=bad[0].hint, errors=bad)
    return manifest.with_entries(
        entry(inventory.root, file.path, version=version, how="stamped", document=document) for file in files
    )


def _misfit(path: FilePath, file: DataFile, schema: Schema, format: Format, quotable: bool) -> str | None:
    if file.facts is None:
        return file.problem or "it cannot be read"
    if file.facts.schema is None:
        try:
            return format.validate(path, schema, values=quotable)
        except MalformedError as error:
            return str(error if quotable else without_values(error))
    return "; ".join(map(str, misfits(file.facts.schema, schema)[:3])) or None


def _does_not_fit(path: str, version: int, problem: str) -> DatasetError:
    return DatasetError(
        f"{path} does not fit version {version}: {problem}",
        hint="Stamp it with the version it has; `instar status` shows what each file fits.",
        where=Where(file=path),
    )


def _portions(found: Sequence[Found]) -> Iterator[list[Found]]:
    """The files in portions of at most so many files and bytes: to hand over a small one costs as much as looking into it."""
    portion, size = list[Found](), 0
    for file in found:
        portion.append(file)
        size += file.size
        if len(portion) >= _PORTION_FILES or size >= _PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


@dataclass(frozen=True)
class _Seen:
    """What one file turned out to be: data, something else, or a problem of the dataset."""

    file: DataFile | None = None
    other: OtherFile | None = None
    problem: Remark | None = None
    warning: str = ""


@dataclass(frozen=True)
class _Examiner:
    """Looks into one file after the other, from several threads; equal schemas are kept, and judged, once."""

    root: FilePath
    versions: Versions
    format: Format
    manifest: Manifest
    passing_broken: bool = False
    schemas: dict[str, Schema] = field(default_factory=dict)
    keys: dict[int, tuple[Schema, str]] = field(default_factory=dict)
    verdicts: dict[tuple[str, Stamp | None, int | None], Verdict] = field(default_factory=dict)

    def examine_all(self, found: Sequence[Found]) -> list[_Seen]:
        return [self.examine(each) for each in found]

    def examine(self, found: Found) -> _Seen:
        """A file with a problem is looked at once more: it may have gone, or be the work of somebody who has not done with it."""
        seen = self.looked_at(found)
        if seen.problem is None:
            return seen
        path = self.root / found.path
        if not os.path.lexists(path):
            return _Seen()
        arriving = is_arriving(path, found.size, found.mtime_ns)
        return replace(seen, file=replace(seen.file, arriving=True)) if seen.file and arriving else seen

    def looked_at(self, found: Found) -> _Seen:
        try:
            kind = recognise(self.root / found.path, found.size, self.format)
            if kind is None:
                return _Seen(other=OtherFile(found.path, "other", found.size))
            if kind != self.format.name:
                return _Seen(problem=self.foreign(found.path, kind))
            return self.data(found)
        except InstarError as error:
            told = error if self.versions.quotable else without_values(error)
            return _with_problem(_unread(found, unreadable=is_unreadable(error)), told.in_file, told.hint)
        except UnicodeEncodeError:
            problem = f"its name is not valid UTF-8, and no reader of {self.format.name} files can be told it"
            return _with_problem(_unread(found, unreadable=True), problem, "Rename it, or leave it out with `exclude`.")
        except OSError as error:
            hint = "Check its permissions." if isinstance(error, PermissionError) else "Look at the file and try again."
            return _with_problem(_unread(found, unreadable=True), f"it cannot be read: {error.strerror or error}", hint)

    def foreign(self, path: str, kind: str) -> Remark:
        message = f"it is a file of {kind}, in a dataset of {self.format.name} files"
        return Remark(path, message, "Move it out, or leave it out with `exclude`; one dataset has one format.")

    def data(self, found: Found) -> _Seen:
        facts = self.format.inspect(self.root / found.path)
        said = self.manifest.entry_for(self.root, found.path, found.size, found.mtime_ns)
        said = said if said and self.versions.documents.get(said.version) == said.document else None
        if facts.schema is None:
            verdict = self.by_records(found, said)
        else:
            key, facts = self.shared(facts, facts.schema)
            verdict = self.by_schema(key, facts, said)
        file = replace(
            _unread(found), facts=facts, version=verdict.version, how=verdict.how, variant=verdict.variant,
            candidates=verdict.candidates,
        )  # fmt: skip
        if verdict.problem:
            return _with_problem(file, verdict.problem, verdict.hint)
        against = self.against_its_folders(file)
        if against:
            return _with_problem(file, against, "Move the file to the folder of its values, or mend the column.")
        return _Seen(file, warning=f"{found.path}: {verdict.warning}" if verdict.warning else "")

    def shared(self, facts: FileFacts, schema: Schema) -> tuple[str, FileFacts]:
        """The facts with the first schema object of its kind: 10,000 files of one schema hold it once."""
        if id(schema) not in self.keys:  # a format may give one object to many files; it is kept here, and so is its id
            self.keys[id(schema)] = schema, repr(schema)
        key = self.keys[id(schema)][1]
        shared = self.schemas.setdefault(key, schema)
        return key, facts if shared is schema else replace(facts, schema=shared)

    def by_schema(self, key: str, facts: FileFacts, said: Entry | None) -> Verdict:
        assert facts.schema is not None
        person = said.version if said and said.how == "stamped" else None
        question = (key, facts.stamp, person)
        if question not in self.verdicts:
            self.verdicts[question] = judge(self.versions, facts.schema, facts.stamp, person)
        return self.verdicts[question]

    def by_records(self, found: Found, said: Entry | None) -> Verdict:
        """A file that carries no schema: what is remembered of it, else what its records fit."""
        if said:
            return Verdict(said.version, "person" if said.how == "stamped" else "manifest")
        path = self.root / found.path
        broken: dict[int, DataError] = {}

        def note(error: DataError) -> None:
            broken[error.where.row if error.where and error.where.row is not None else 0] = error

        passed, quotable = note if self.passing_broken else None, self.versions.quotable
        verdict = judge_records(
            {
                version: self.format.validate(path, schema, values=quotable, broken=passed)
                for version, schema in self.versions.schemas.items()
            },
            self.versions,
        )
        if verdict.candidates and self.format.count(path) == 0:
            return Verdict(max(self.versions.schemas), "empty")
        return self.without_broken(found, verdict, broken) if broken else verdict

    def without_broken(self, found: Found, verdict: Verdict, broken: Mapping[int, DataError]) -> Verdict:
        """The verdict on a file of which some records are none: by the others, if there are any. Where the file is being written,
        such a record may be half of one, and there is none."""
        first, path = broken[min(broken)], self.root / found.path
        if len(broken) == self.format.count(path) or is_arriving(path, found.size, found.mtime_ns):
            raise first
        told = first if self.versions.quotable else without_values(first)
        count = "1 record cannot be read" if len(broken) == 1 else f"{len(broken):,} records cannot be read, the first"
        return replace(verdict, warning=f"{count}: {told}")

    def against_its_folders(self, file: DataFile) -> str | None:
        if not file.partitions or file.facts is None or file.facts.schema is None:
            return None
        return disagreement(self.root / file.path, self.format.name, file.facts.schema, file.partitions)


def _unread(found: Found, *, unreadable: bool = False) -> DataFile:
    partitions = partitions_of(found.path)
    return DataFile(found.path, found.size, found.mtime_ns, None, None, unreadable=unreadable, partitions=partitions)


def _with_problem(file: DataFile, problem: str, hint: str) -> _Seen:
    return _Seen(replace(file, problem=problem, hint=hint), problem=Remark(file.path, problem, hint))
