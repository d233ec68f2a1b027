"""A project: `instar.toml` with its registry, migrations and datasets, and the verbs on schemas. What `instar.open` gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from instar.formats.documents import SUFFIXES, document_text, format_of
from instar.formats.errors import InstarError, MigrationError, UsageError
from instar.formats.format import format_named
from instar.formats.registry import Registry
from instar.formats.schema import Schema
from instar.transforms.configuration import Configuration, DatasetSettings, load
from instar.transforms.dataset import Dataset
from instar.transforms.job import Job, open_job
from instar.transforms.migration import Migration, draft, load_migrations
from instar.transforms.observed import observed
from instar.transforms.progress import Progress
from instar.transforms.spelling import operation_text

if TYPE_CHECKING:
    from typing import Unpack

    from instar.transforms.answers import Adopted, CheckReport, ConvertReport, HistoryReport
    from instar.transforms.comparison.call import How
    from instar.transforms.comparison.report import ComparisonReport
    from instar.transforms.schemas import DiffReport, SchemaReport
    from instar.transforms.upcast import Upcaster


@dataclass(frozen=True)
class Project:
    """`folder` holds `instar.toml`. Every call reads what it needs anew."""

    folder: Path
    configuration: Configuration

    @property
    def registry(self) -> Registry:
        return Registry(self.configuration.schemas)

    def dataset(self, name: str) -> Dataset:
        """
        Raises:
            UsageError: instar.toml has no such dataset.
        """
        self.configuration.dataset(name)
        return Dataset(name, self.configuration)

    def datasets(self) -> tuple[Dataset, ...]:
        return tuple(Dataset(name, self.configuration) for name in sorted(self.configuration.datasets))

    def migrations(self, subject: str) -> tuple[Migration, ...]:
        """The scripts of a subject, in order.

        Raises:
            MigrationError: a script does not load; two are for one step; one is missing between others.
        """
        return load_migrations(self.configuration.migrations / subject)

    def convert(
        self,
        source: Path | str,
        target: Path | str,
        to: str,
        *,
        version: int | str | None = None,
        subject: str | None = None,
        schema: Path | str | None = None,
        compression: str = "",
        document: Path | str | None = None,
        memory: int = 0,
        progress: Progress | None = None,
    ) -> ConvertReport:
        """A dataset of the project (by its name), or any files, in another format: parquet, avro, ndjson or json.

        `version` is that of a dataset, or of a path with its `subject`: every file is brought to it, the newest by default. Other
        files go by their common schema, or by that of the document `schema`. The rest as for `instar.convert`; `memory` 0: what
        `instar.toml` says of the dataset.

        Raises:
            InstarError: as `convert.convert`; the target is not there then.
        """
        from instar.transforms.convert import Wish, convert
        from instar.transforms.convert_source import of_dataset

        job = self._job_of(source, subject, schema)
        if job is None:
            return convert_files(
                source, target, to, version=version, schema=schema, compression=compression, document=document, memory=memory,
                progress=progress,
            )  # fmt: skip
        with observed(progress, "convert", job.name, job.subject) as seen:
            wish = Wish.of(target, to, compression=compression, document=document, memory=memory or job.settings.memory)
            return seen.converted(convert(of_dataset(job, version), wish, seen))

    def compare(
        self, old: Path | str, new: Path | str, *, subject: str, from_: int, to: int | None = None, **how: Unpack[How]
    ) -> ComparisonReport:
        """Hold `new` against what the migrations of `subject` from version `from_` to version `to` (the newest by default) make of
        `old`: two directories, or two files. The rest as for `instar.compare`.

        Raises:
            RegistryError: an unknown subject. UsageError: no such version. InstarError: as `instar.compare`.
        """
        from instar.transforms.comparison.call import compared
        from instar.transforms.comparison.versions import versions_of

        return compared(old, new, versions_of(self.registry, self.configuration.migrations / subject, subject, from_, to), **how)

    def _job_of(self, source: Path | str, subject: str | None, schema: Path | str | None) -> Job | None:
        """The dataset that is meant, or files of a subject; None for files that the project does not know."""
        name = str(source)
        if name in self.configuration.datasets:
            for option, given in (("subject", subject), ("schema", schema)):
                if given is not None:
                    raise UsageError(f"{name} is a dataset of this project, whose {option} is known", hint=f"Leave --{option} out.")
            return self.dataset(name).job()
        if subject is None:
            return None
        if schema is not None:
            raise UsageError("the schema is said twice", hint="Say --subject or --schema, not both.")
        settings = DatasetSettings(Path(source), subject, self.registry.format(subject))
        return open_job(name, self.folder, settings, self.registry, self.configuration.migrations / subject)

    # ---- verbs on schemas
    def register(self, subject: str, document: Path | str | None = None, *, amend: bool = False) -> Adopted:
        """Freeze a subject's next version: from a schema document, a data file, or (None) the newest version and the next script.

        Raises:
            RegistryError, SchemaError, MigrationError: see `Registry.register`; or there is no script to go by.
        """
        from instar.transforms.answers import Adopted

        if document is not None:
            text, format = self._document(Path(document))
            version = self.registry.register(subject, text, format, amend=amend, used=amend and self._used(subject))
        else:
            version = self._register_next(subject, amend)
        return Adopted(str(self.folder), subject, version, str(self.registry.path(subject, version)))

    def _document(self, path: Path) -> tuple[str | Schema, str]:
        if not path.is_file():
            raise UsageError(
                f"there is no file {path}", hint="Name a schema document (.avsc, .schema.json, .arrow.json) or a data file."
            )
        with path.open("rb") as file:
            head = file.read(1 << 16)
        for name in ("parquet", "avro"):
            if format_named(name).recognises(head, path.name):
                return format_named(name).infer([path]), name
        text = document_text(path)
        if any(path.name.endswith(suffix) for suffix in SUFFIXES.values()):
            return text, format_of(path.name, text)
        try:
            return text, format_of(path.name, text)
        except InstarError:
            if not format_named("json").recognises(head, path.name):
                raise
            return format_named("json").infer([path]), "json"

    def _register_next(self, subject: str, amend: bool) -> int:
        registry, head = self.registry, self.registry.head(subject)
        base = head - 1 if amend else head
        script = next((m for m in self.migrations(subject) if m.version == base + 1), None)
        if script is None or base < 1:
            raise MigrationError(
                f"there is no migration script from version {base} of {subject}",
                hint=f'Draft one with: instar revision {subject} -m "what changes"; or name a schema document.',
            )
        schemas = {base: registry.schema(subject, base)}
        self._refuse_partitions(subject, [script], schemas)
        mapping = script.mapping(schemas[base])
        format = registry.format(subject)
        script.type_checked(mapping, format)
        version = registry.register(subject, mapping.target, format, amend=amend, used=amend and self._used(subject))
        if version == base:
            raise MigrationError(
                f"{script.name} changes nothing in the schema",
                hint="Write its operations. Where only values change, say it in the schema, too, so that files can be told apart: "
                "rename a field, or op.set_doc it.",
            )
        if version != script.version:
            raise MigrationError(
                f"{script.name} leads to version {version} of {subject} again",
                hint="Files could not be told apart: make it differ from every earlier version.",
            )
        return version

    def _used(self, subject: str) -> bool:
        """Is a dataset of the project at the newest version, or did a run that still stands lead to it or from it?"""
        from instar.transforms.run.journal import Planned
        from instar.transforms.run.state import list_runs

        head = self.registry.head(subject)
        for dataset in self._of(subject):
            if not dataset.exists:
                continue
            for run in list_runs(dataset.job().state):
                planned = run.last(Planned)
                named = {str(planned.facts.get("to")), *planned.facts.get("from", {})} if planned else set()
                if run.status == "finished" and str(head) in named:
                    return True
        return any(f.version == head for dataset in self._of(subject) if dataset.exists for f in dataset.inventory().files)

    def _of(self, subject: str) -> Iterable[Dataset]:
        return (dataset for dataset in self.datasets() if self.configuration.datasets[dataset.name].subject == subject)

    def _refuse_partitions(self, subject: str, migrations: Iterable[Migration], schemas: Mapping[int, Schema]) -> None:
        from instar.formats.discover import list_dataset
        from instar.formats.partitions import partition_keys, partitions_of
        from instar.transforms.partitions import refuse_partitions

        scripts = list(migrations)
        for dataset in self._of(subject):
            if dataset.exists and scripts:
                job = dataset.job()
                found = list_dataset(job.location, include=job.settings.include, exclude=job.settings.exclude)
                refuse_partitions(scripts, schemas, partition_keys([partitions_of(f.path) for f in found.files]))

    def revision(self, subject: str, message: str) -> Path:
        """Write an empty, commented script for the first step that has none, mostly the one after the newest version; its path.

        Raises:
            MigrationError: a script for a version that is not registered is there already. RegistryError: an unknown subject.
        """
        import re

        versions, scripts = self.registry.versions(subject), {m.version: m for m in self.migrations(subject)}
        version = next(v for v in range(versions[0] + 1, versions[-1] + len(scripts) + 2) if v not in scripts)
        if version - 1 not in versions:
            raise MigrationError(
                f"{scripts[version - 1].path} is there already, for version {version - 1} which is not registered",
                hint=f"Edit that script, then: instar register {subject}",
            )
        words = re.sub(r"\W+", "_", message.strip().lower()).strip("_")[:60]
        if not words:
            raise UsageError("the message is empty", hint='Say what changes, such as -m "metric distance".')
        folder = self.configuration.migrations / subject
        path = folder / f"{version:04d}_{words}.py"
        text = draft(subject, version, message, self.registry.schema(subject, version - 1))
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        return path

    def upcaster(self, subject: str, from_: int, to: int | None = None) -> Upcaster:
        """What converts records of version `from_` to version `to` (the newest by default), up or down: for streams and ETL code.

        Raises:
            RegistryError: an unknown subject. UsageError: no such version. MigrationError: a script does not lead to the registered
                schema, or a way down cannot recover what must have a value.
        """
        from instar.transforms.upcast import upcaster

        return upcaster(self.registry, self.configuration.migrations / subject, subject, from_, to)

    def check(self, subject: str | None = None) -> CheckReport:
        """Prove every script statically; see what is wrong with the registry and the migrations.

        Raises:
            RegistryError: an unknown subject; nothing else, however wrong things are.
        """
        from instar.transforms.check import Grounds, check

        report = check(Grounds(self.registry, self.migrations, self._refuse_partitions), subject)
        for dataset in self.datasets():
            if subject in (None, dataset.settings.subject) and dataset.settings.check_files:
                report = self._with_checks(report, dataset)
        return report

    def _with_checks(self, report: CheckReport, dataset: Dataset) -> CheckReport:
        """The report with what is wrong with the SQL checks of a dataset."""
        from instar.formats.discover import list_dataset
        from instar.transforms.checks import faults
        from instar.transforms.run_checks import versions_of

        settings = dataset.settings
        try:
            schemas = dict(self.registry.schemas(settings.subject))
            paths = [found.path for found in list_dataset(dataset.job().location).files] if dataset.exists else []
            names, problems = faults(settings.check_files, self.folder, versions_of(settings, schemas, paths))
        except InstarError as error:
            names, problems = (), (f"the checks of {dataset.name} cannot be looked at: {error}",)
        return replace(report, checks=(*report.checks, *names), problems=(*report.problems, *problems))

    def history(self, subject: str) -> HistoryReport:
        """The versions of a subject, newest first."""
        from instar.transforms.answers import HistoryEntry, HistoryReport

        versions = self.registry.versions(subject)
        scripts = {m.version: m for m in self.migrations(subject)}
        entries = []
        for version in sorted({*versions, *scripts}, reverse=True):
            script = scripts.get(version)
            entries.append(
                HistoryEntry(
                    version=version,
                    message=script.message if script else ("first version" if version == min(versions) else "no script"),
                    script=script.name if script else None,
                    registered=version in versions,
                    operations=tuple(operation_text(o) for o in script.operations) if script else (),
                )
            )
        return HistoryReport(subject, tuple(entries))

    def show(self, subject: str, version: int | None = None) -> SchemaReport:
        """One version of a subject as a tree; the newest by default.

        Raises:
            RegistryError: no such subject or version.
        """
        from instar.transforms.schemas import show

        return show(self.registry, subject, version)

    def diff(self, subject: str, old: int | None = None, new: int | None = None) -> DiffReport:
        """What differs between two versions of a subject: by default the newest and the one before it, or `old` and the newest.

        Raises:
            RegistryError: no such subject or version. UsageError: there is only one.
        """
        from instar.transforms.schemas import diff

        return diff(self.registry, self.configuration.migrations / subject, subject, old, new)


def convert_files(
    source: Path | str,
    target: Path | str,
    to: str,
    *,
    version: int | str | None = None,
    schema: Path | str | None = None,
    compression: str = "",
    document: Path | str | None = None,
    memory: int = 0,
    progress: Progress | None = None,
) -> ConvertReport:
    """A file or a directory of files in another format: parquet, avro, ndjson or json; no project is needed.

    `schema`: a schema document of any format that all files fit; by default what they have in common, as `init` takes it.
    `compression`: a name, or "none"; what suits the format by default. `document`: where the target's schema document goes, beside
    it by default. `memory` in bytes.

    Raises:
        InstarError: as `convert.convert`; the target is not there then.
    """
    from instar.transforms.convert import Wish, convert
    from instar.transforms.convert_source import of_path

    with observed(progress, "convert", str(source), "") as seen:
        if version is not None:
            raise UsageError("these files are of no version that is known", hint="Name a dataset of a project, or --subject.")
        wish = Wish.of(target, to, compression=compression, document=document, memory=memory)
        return seen.converted(convert(of_path(Path(source), Path(schema) if schema else None), wish, seen))


def compare_sides(old: Path | str, new: Path | str, **how: Unpack[How]) -> ComparisonReport:
    """Hold two directories, or two files, of one schema against each other, in any of the three formats; no project is needed.

    What is compared: `level` "auto" (records, what was copied by its bytes), "full" (every record by value, with statistics of
    each column) or "counts" (the statistics only). How records are paired: file by file, in their order; wherever they are by the
    columns of `key`; or, `unordered`, as multisets. `examples` of records that differ are shown. `memory` in bytes; `workers`
    processes for pairs of files, threads for whole sides. What differs is in the report, whose `ok` tells whether anything does.

    Raises:
        UsageError: nothing lies there, or the key is none. DatasetError, FileError: a side cannot be compared as a whole: files of
            several formats, or with no schema in common.
    """
    from instar.transforms.comparison.call import compared

    return compared(old, new, None, **how)


def open_project(folder: Path | str) -> Project:
    """The project in a folder.

    Raises:
        ConfigurationError: there is no `instar.toml`, or it is not valid.
    """
    path = Path(folder)
    return Project(path, load(path))
