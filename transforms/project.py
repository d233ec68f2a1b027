"""A project: `instar.toml` with its registry, migrations and datasets, and the verbs on them. What `instar.open` gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from instar.formats.documents import SUFFIXES, format_of
from instar.formats.errors import InstarError, MigrationError, UsageError, suggestion
from instar.formats.format import format_named
from instar.formats.inventory import Inventory
from instar.formats.path import path_text
from instar.formats.registry import Registry
from instar.formats.schema import Schema
from instar.transforms.configuration import Configuration, load
from instar.transforms.job import Job, Options, inventory_of, open_job
from instar.transforms.migration import Migration, check_step, draft, load_migrations
from instar.transforms.operations.text import operation_text
from instar.transforms.plan import Plan
from instar.transforms.progress import Progress
from instar.transforms.report import (
    Adopted,
    CheckReport,
    FileProblem,
    HistoryEntry,
    HistoryReport,
    RunEntry,
    RunReport,
    RunsReport,
    StampReport,
    StatusReport,
    StepCheck,
    VersionCount,
)  # fmt: skip


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
        known = sorted(self.configuration.datasets)
        if name not in known:
            raise UsageError(f"there is no dataset {name!r} in {self.folder / 'instar.toml'}", hint=suggestion(name, known))
        return Dataset(name, self)

    def datasets(self) -> tuple[Dataset, ...]:
        return tuple(Dataset(name, self) for name in sorted(self.configuration.datasets))

    def migrations(self, subject: str) -> tuple[Migration, ...]:
        """The scripts of a subject, in order.

        Raises:
            MigrationError: a script does not load; two are for one step; one is missing between others.
        """
        return load_migrations(self.configuration.migrations / subject)

    # ---- verbs on schemas
    def register(self, subject: str, document: Path | None = None, *, amend: bool = False) -> Adopted:
        """Freeze a subject's next version: from a schema document, a data file, or (None) from the newest version and the next script.

        Raises:
            RegistryError, SchemaError, MigrationError: see `Registry.register`; or there is no script to go by.
        """
        if document is not None:
            text, format = self._document(document)
            version = self.registry.register(subject, text, format, amend=amend, used=amend and self._used(subject))
        else:
            version = self._register_next(subject, amend)
        return Adopted(str(self.folder), subject, version, str(self.registry.path(subject, version)))

    def _document(self, path: Path) -> tuple[str | Schema, str]:
        if not path.is_file():
            raise UsageError(
                f"there is no file {path}", hint="Name a schema document (.avsc, .schema.json, .arrow.json) or a data file."
            )
        head = path.read_bytes()[: 1 << 16]
        for name in ("parquet", "avro"):
            if format_named(name).recognises(head, path.name):
                return format_named(name).infer([path]), name
        text = path.read_text(encoding="utf-8-sig")
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
        self._verify_types(mapping)
        format = registry.format(subject)
        return registry.register(subject, mapping.target, format, amend=amend, used=amend and self._used(subject))

    def _used(self, subject: str) -> bool:
        """Has a run of one of the project's datasets named the newest version?"""
        from instar.transforms.run.journal import Planned
        from instar.transforms.run.state import list_runs

        head = self.registry.head(subject)
        for dataset in self._of(subject):
            if not dataset.exists:
                continue
            for run in list_runs(dataset.job().state):
                planned = run.last(Planned)
                if planned and str(head) in {str(planned.facts.get("to")), *planned.facts.get("from", {})}:
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

    @staticmethod
    def _verify_types(mapping: object) -> None:
        from instar.transforms.evaluate.sql import verify_types

        verify_types(mapping)  # type: ignore[arg-type]

    def revision(self, subject: str, message: str) -> Path:
        """Write an empty, commented script for the step after the newest version; the path of it.

        Raises:
            MigrationError: a script for that step exists. RegistryError: an unknown subject.
        """
        import re

        head = self.registry.head(subject)
        existing = [m for m in self.migrations(subject) if m.version > head]
        if existing:
            raise MigrationError(
                f"{existing[0].path} is there already, for version {existing[0].version} which is not registered",
                hint=f"Edit that script, then: instar register {subject}",
            )
        words = re.sub(r"\W+", "_", message.strip().lower()).strip("_")[:60]
        if not words:
            raise UsageError("the message is empty", hint='Say what changes, such as -m "metric distance".')
        folder = self.configuration.migrations / subject
        path = folder / f"{head + 1:04d}_{words}.py"
        text = draft(subject, head + 1, message, self.registry.schema(subject, head))
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        return path

    def check(self, subject: str | None = None) -> CheckReport:
        """Prove every script statically; see what is wrong with the registry and the migrations. Raises only for an unknown subject."""
        registry = self.registry
        subjects = [subject] if subject else list(registry.subjects())
        if subject and subject not in registry.subjects():
            registry.versions(subject)  # raises, with a suggestion
        problems = [str(p) for p in registry.verify() if subject in (None, p.subject)]
        steps = {}
        for name in subjects:
            try:
                steps[name] = tuple(self._checked(name))
            except InstarError as error:
                problems.append(f"{name}: {error}" + (f" ({error.hint})" if error.hint else ""))
                steps[name] = ()
        return CheckReport(steps, tuple(problems))

    def _checked(self, subject: str) -> Iterable[StepCheck]:
        registry = self.registry
        migrations = {m.version: m for m in self.migrations(subject)}
        schemas = dict(registry.schemas(subject))
        self._refuse_partitions(subject, migrations.values(), schemas)
        for version in sorted(set(schemas) | set(migrations)):
            script = migrations.get(version)
            if script is None:
                if version > min(schemas):
                    raise MigrationError(
                        f"there is no script from version {version - 1} to {version}",
                        hint=f"Write it: instar revision drafts the step after the newest version; name this one {version:04d}_….py.",
                    )
                continue
            yield self._checked_step(subject, version, script, schemas)

    def _checked_step(self, subject: str, version: int, script: Migration, schemas: Mapping[int, Schema]) -> StepCheck:
        place = _relative(Path(script.path), self.folder)
        problems: list[str] = []
        losses: tuple[tuple[str, str], ...] = ()
        untouched = leaves = 0
        try:
            mapping = script.mapping(schemas[version - 1])
            self._verify_types(mapping)
            untouched, leaves = len(mapping.untouched()), mapping.leaf_count()
            if version in schemas:
                checked = check_step(schemas[version - 1], script, schemas[version], self.registry.format(subject))
                problems += checked.problems
                losses = tuple((path_text(loss.path), loss.reason) for loss in checked.losses)
            else:
                problems.append(f"version {version} is not registered yet: instar register {subject}")
        except KeyError:
            problems.append(f"it leads from version {version - 1}, which is not registered")
        except InstarError as error:
            problems.append(f"{error}" + (f" ({error.hint})" if error.hint else ""))
        return StepCheck(version, script.message, place, tuple(problems), losses, untouched, leaves)

    def history(self, subject: str) -> HistoryReport:
        """The versions of a subject, newest first."""
        versions = self.registry.versions(subject)
        scripts = {m.version: m for m in self.migrations(subject)}
        entries = []
        for version in sorted({*versions, *scripts}, reverse=True):
            script = scripts.get(version)
            entries.append(
                HistoryEntry(
                    version=version,
                    message=script.message if script else ("first version" if version == min(versions) else "no script"),
                    script=_relative(Path(script.path), self.folder) if script else None,
                    registered=version in versions,
                    operations=tuple(operation_text(o) for o in script.operations) if script else (),
                )
            )
        return HistoryReport(subject, tuple(entries))


@dataclass(frozen=True)
class Dataset:
    """A dataset of a project. Every verb looks at the files anew; only `upgrade`, `downgrade`, `rollback` and `stamp` write."""

    name: str
    project: Project

    def job(self) -> Job:
        settings = self.project.configuration.datasets[self.name]
        return open_job(
            self.name, self.project.folder, settings, self.project.registry, lambda: self.project.migrations(settings.subject)
        )

    @property
    def exists(self) -> bool:
        return self.project.configuration.datasets[self.name].path.exists()

    def inventory(self) -> Inventory:
        """Which file is at which version, and what is odd."""
        return inventory_of(self.job())

    def status(self) -> StatusReport:
        """The inventory, counted."""
        return status_of(self.job())

    def plan(self, to: int | str | None = None, *, options: Options | None = None) -> Plan:
        """What bringing every file to a version would do; writes nothing. `to`: a version, "+1", "-1"; the newest by default.

        Raises:
            InstarError: as `migrate.plan_of`.
        """
        from instar.transforms.job import with_options
        from instar.transforms.migrate import plan_of

        job = self.job()
        verb = "downgrade" if str(to).startswith("-") else "plan"
        return plan_of(job, inventory_of(job), to, with_options(options or Options(), job.settings), verb=verb)

    def upgrade(
        self,
        to: int | str | None = None,
        *,
        plan: Path | None = None,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> RunReport:
        """Bring every file to a newer version: staged, proved, then published in one step.

        Raises:
            InstarError: as the steps of `migrate` tell; the dataset is unchanged then.
        """
        from instar.transforms.migrate import migrate, read_plan

        saved = read_plan(plan) if plan else None
        target = saved["identity"]["target"] if saved and to is None else to
        return migrate(self.job(), target, options or Options(), verb="upgrade", saved=saved, progress=progress)

    def downgrade(self, to: int | str, *, options: Options | None = None, progress: Progress | None = None) -> RunReport:
        """Bring every file back to an older version through the migrations' ways back.

        Raises:
            MigrationError: something cannot be recovered and may not be null. InstarError: as `migrate` tells.
        """
        from instar.transforms.migrate import migrate

        return migrate(self.job(), to, options or Options(), verb="downgrade", progress=progress)

    def rollback(self) -> RunReport:
        """Restore the files as they were before the last run, byte for byte.

        Raises:
            RunError: files were added or changed since. UsageError: there is no run to roll back.
        """
        from instar.transforms.restore import restore

        return restore(self.job())

    def stamp(self, version: int, files: Iterable[str] = ()) -> StampReport:
        """Record a person's answer: these files (all, where none is named) are at this version. No data file is written.

        Raises:
            DatasetError: a file does not fit the version.
        """
        from instar.transforms.restore import stamp

        return stamp(self.job(), version, tuple(files))

    def runs(self) -> RunsReport:
        """What was done to the dataset, oldest first."""
        return runs_of(self.job())


def open_project(folder: Path | str) -> Project:
    """The project in a folder.

    Raises:
        ConfigurationError: there is no `instar.toml`, or it is not valid.
    """
    path = Path(folder)
    return Project(path, load(path))


def status_of(job: Job) -> StatusReport:
    """The inventory of a dataset, counted by version, with what is pending and what was interrupted."""
    from instar.transforms.run.lock import holder
    from instar.transforms.run.state import list_runs

    inventory = inventory_of(job)
    versions = []
    for version, files in inventory.by_version().items():
        if version is None:
            continue
        rows = [f.facts.rows if f.facts else None for f in files]
        how: dict[str, int] = {}
        for f in files:
            how[f.how] = how.get(f.how, 0) + 1
        total = None if any(r is None for r in rows) else sum(r for r in rows if r is not None)
        versions.append(VersionCount(version, len(files), total, sum(f.size for f in files), sum(f.variant for f in files), how))
    oldest = min((v.version for v in versions), default=job.newest)
    candidates = {f.path: f.candidates for f in inventory.files}
    busy = holder(job.state.lock) if job.state.lock.exists() else None
    unsettled = () if busy else tuple(f"{r.id} ({r.status})" for r in list_runs(job.state) if not r.settled)
    return StatusReport(
        dataset=job.name,
        root=str(job.location),
        subject=job.subject,
        format=job.settings.format,
        newest=job.newest,
        versions=tuple(versions),
        problems=tuple(FileProblem(p.path, p.message, p.hint, candidates.get(p.path, ())) for p in inventory.problems),
        warnings=(*map(str, inventory.warnings), *((f"a run is at work: {busy}",) if busy else ())),
        others=len(inventory.others),
        pending=tuple((m.version, m.message) for m in job.migrations if oldest < m.version <= job.newest),
        interrupted=unsettled,
    )


def runs_of(job: Job) -> RunsReport:
    """Every run of a dataset, as its journal tells it."""
    from instar.transforms.run.journal import Planned
    from instar.transforms.run.state import list_runs

    states = list_runs(job.state)
    last = next((r.id for r in reversed(states) if r.status == "finished"), None)
    entries = []
    for run in states:
        planned = run.last(Planned)
        facts = planned.facts if planned else {}
        if run.id == last:
            way_back = f"instar rollback {job.name}"
        elif run.status == "finished":
            way_back = "after the later runs are rolled back"
        else:
            way_back = "nothing to undo"
        to = facts.get("to")
        entries.append(
            RunEntry(run.id, str(facts.get("verb", "")), run.status, run.begun, str(facts.get("user", "")), str(facts.get("host", "")),
                     to if isinstance(to, int) else None, int(facts.get("files", 0)), way_back)
        )  # fmt: skip
    return RunsReport(job.name, tuple(entries))


def _relative(path: Path, folder: Path) -> str:
    try:
        return str(path.resolve().relative_to(folder.resolve()))
    except ValueError:
        return str(path)
