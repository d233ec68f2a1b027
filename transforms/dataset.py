"""A dataset of a project, and the verbs on its data. What `project.dataset(name)` gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.formats.inventory import Inventory
from instar.formats.registry import Registry
from instar.transforms.configuration import Configuration, DatasetSettings
from instar.transforms.job import Job, Options, inventory_of, open_job, with_options
from instar.transforms.observed import observed
from instar.transforms.plan import Plan
from instar.transforms.progress import Progress
from instar.transforms.report import RunReport, VerifyReport

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    import pyarrow as pa

    from instar.transforms.account import Account
    from instar.transforms.answers import RunsReport, StampReport, StatusReport
    from instar.transforms.audit.report import AuditReport
    from instar.transforms.gc import GcReport
    from instar.transforms.scan import Scan


@dataclass(frozen=True)
class Dataset:
    """A dataset of a project. Every verb looks at the files anew; `upgrade`, `downgrade`, `rollback`, `stamp` and `gc` write."""

    name: str
    configuration: Configuration
    shadow: Path | None = None

    @property
    def settings(self) -> DatasetSettings:
        """Its table in `instar.toml`."""
        return self.configuration.dataset(self.name)

    def job(self) -> Job:
        """All that a verb must know of it: `transforms.job.Job`.

        Raises:
            UsageError: there is nothing at its path.
        """
        settings, project = self.settings, self.configuration
        return open_job(self.name, project.folder, settings, Registry(project.schemas), project.migrations / settings.subject)

    def run_job(self) -> Job:
        """The same, for verbs that run or tell of runs: these go to the shadow, where there is one.

        Raises:
            UsageError: as `job`; there is no folder in which the shadow could be.
        """
        from instar.transforms.run.shadow import shadow_folder

        job, shadow = self.job(), self.shadow or self.settings.shadow
        return replace(job, shadow=shadow_folder(shadow, job.location, job.own_state)) if shadow else job

    def shadowed(self, folder: Path | str) -> Dataset:
        """The same dataset, whose runs leave it as it is and build another tree in `folder`."""
        return replace(self, shadow=Path(folder))

    @property
    def exists(self) -> bool:
        return self.settings.path.exists()

    def inventory(self) -> Inventory:
        """Which file is at which version, and what is odd."""
        return inventory_of(self.job())

    def status(self) -> StatusReport:
        """The inventory, counted."""
        from instar.transforms.status import status_of

        return status_of(self.run_job())

    def plan(self, to: int | str | None = None, *, options: Options | None = None) -> Plan:
        """What bringing every file to a version would do; writes nothing. `to`: a version, "+1", "-1"; the newest by default.

        Raises:
            InstarError: as `planning.plan_of`.
        """
        from instar.transforms.pick_up import foretold
        from instar.transforms.planning import hindered, plan_of
        from instar.transforms.run.lock import at_work
        from instar.transforms.run.state import list_runs

        job = self.run_job()
        verb = "downgrade" if str(to).startswith("-") else "plan"
        options = with_options(options or Options(), job.settings)
        plan = plan_of(job, inventory_of(job, passing_broken=options.quarantining), to, options, verb=verb)
        busy = at_work(job.state.lock)  # what a run at work has staged so far is its own
        resumes = None if busy else plan.resumes
        cut_off = [] if busy else [
            f"run {each.id} was cut off while it published: a run brings that to its end first, which may change this plan"
            for each in list_runs(job.state)
            if each.status == "half-published"
        ]  # fmt: skip
        warnings = (*plan.warnings, *busy, *cut_off, *foretold(job), *hindered(job, plan, options))
        return replace(plan, resumes=resumes, warnings=warnings)

    def upgrade(
        self,
        to: int | str | None = None,
        *,
        plan: Path | str | None = None,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> RunReport:
        """Bring every file to a newer version: staged, proved, then published in one step.

        Raises:
            InstarError: as the steps of `migrate` tell; the dataset is unchanged then.
        """
        from instar.transforms.migrate import migrate
        from instar.transforms.plan import read_plan

        with observed(progress, "upgrade", self.name, self.settings.subject) as seen:
            saved = read_plan(Path(plan)) if plan else None
            target = saved["identity"]["target"] if saved and to is None else to
            return seen.ran(migrate(self.run_job(), target, options or Options(), verb="upgrade", saved=saved, progress=seen))

    def downgrade(self, to: int | str, *, options: Options | None = None, progress: Progress | None = None) -> RunReport:
        """Bring every file back to an older version through the migrations' ways back.

        Raises:
            MigrationError: something cannot be recovered and may not be null. InstarError: as `migrate` tells.
        """
        from instar.transforms.migrate import migrate

        with observed(progress, "downgrade", self.name, self.settings.subject) as seen:
            return seen.ran(migrate(self.run_job(), to, options or Options(), verb="downgrade", progress=seen))

    def rollback(
        self,
        run: str | None = None,
        *,
        to: str | None = None,
        backup: Path | str | None = None,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> RunReport:
        """Restore the files as they were before the last run (or `run`, or all that came after the run `to`), byte for byte.

        Files that arrived since are converted to the version before. It is a run of its own, which can be rolled back by its id.
        `backup`: the folder to which `gc` copied snapshots before it removed them; those that are needed are put back first.

        Raises:
            FileError: the snapshot is damaged. UsageError: there is no run to roll back. MigrationError: a file that arrived
            since cannot be converted. RunError: the disk says no.
        """
        from instar.transforms.restore import restore

        with observed(progress, "rollback", self.name, self.settings.subject) as seen:
            place = Path(backup) if backup is not None else None
            return seen.ran(restore(self.run_job(), run, to=to, backup=place, options=options, progress=seen))

    def verify(self, run: str | None = None, *, options: Options | None = None, progress: Progress | None = None) -> VerifyReport:
        """The proof of a finished run (the last one by default), again; writes nothing. What does not hold is in the report.

        Raises:
            UsageError: there is no such run. RunError: it did not finish, or was rolled back.
        """
        from instar.transforms.verify import verify

        with observed(progress, "verify", self.name, self.settings.subject) as seen:
            return seen.verified(verify(self.run_job(), run, options or Options(), seen))

    def audit(
        self,
        run: str | None = None,
        *,
        queries: Path | str | None = None,
        max_slowdown: float | None = None,
        seconds: float = 10.0,
        threads: int = 1,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> AuditReport:
        """Queries over the files as a run found them and as it left them (the last one by default): are the results the same, and
        is the new side slower? Writes nothing; what does not hold is in the report.

        `queries`: a folder of *.sql files, one SELECT over the dataset in each. `max_slowdown`: a ratio new/old. None: what
        `instar.toml` says, else plain queries, made from the schema, and 1.2. `seconds`: how long to measure each query; `threads`
        of DuckDB.

        Raises:
            UsageError: there is no such run; queries that cannot be used. RunError: the run did not finish, or was rolled back.
        """
        from instar.transforms.audit.audit import MOST_SLOWDOWN, Wanted
        from instar.transforms.audit_run import audit
        from instar.transforms.job import with_options

        with observed(progress, "audit", self.name, self.settings.subject) as seen:
            chosen = with_options(options or Options(), self.settings)
            folder = chosen.queries if queries is None else Path(queries)
            most = chosen.max_slowdown if max_slowdown is None else max_slowdown
            wanted = Wanted(folder, chosen.memory, threads, MOST_SLOWDOWN if most is None else most, seconds)
            report = audit(self.run_job(), run, wanted, chosen, seen)
            seen.audited(report.run, {side: layout.files for side, layout in report.layouts.items()}, report.problems)
            return report

    def scan(
        self,
        version: int | str | None = None,
        *,
        columns: Sequence[str] | None = None,
        filter: Any = None,
        memory: int = 0,
    ) -> pa.RecordBatchReader:
        """All records as they are at a version (the newest by default), whatever versions the files are at; writes nothing.

        The reader gives Arrow record batches, file by file in the order of their paths; polars, DuckDB and pandas take it as it
        is. `columns`: names of columns, of fields inside records (`a.b`) and of partition keys; only what they need is read.
        `filter`: a `pyarrow.compute` expression, or SQL text, over the columns of that version. `memory` in bytes; 0: what
        `instar.toml` says. What is published while it is read is not seen: the files are those of the moment of the call.

        Raises:
            DatasetError: files at no known version, or other problems; all are named. UsageError: no such version or column, or
                a filter that cannot be used. MigrationError: the way down would lose what must have a value.
        """
        from instar.transforms.scan import scan

        return scan(self.job(), version=version, columns=columns, filter=filter, memory=memory)

    def view(self, version: int | str | None = None, *, name: str = "") -> str:
        """The SQL of a DuckDB view, called `name` (the dataset's own by default), that reads the files of now as a version.

        Raises:
            UsageError: DuckDB cannot read the files or a column exactly. As `scan`.
        """
        from instar.transforms.view import view

        return view(self.job(), version=version, name=name)

    def open_scan(
        self,
        version: int | str | None = None,
        *,
        columns: Sequence[str] | None = None,
        filter: Any = None,
        memory: int = 0,
    ) -> Scan:
        """As `scan`, before it is a reader: with the number of the version, the logical schema, and `batches()`."""
        from instar.transforms.scan import open_scan

        return open_scan(self.job(), version=version, columns=columns, filter=filter, memory=memory)

    def stamp(self, version: int, files: Iterable[str] = ()) -> StampReport:
        """Record a person's answer: these files (all, where none is named) are at this version. No data file is written.

        Raises:
            DatasetError: a file does not fit the version.
        """
        from instar.transforms.stamp import stamp

        return stamp(self.job(), version, tuple(files))

    def run_ids(self) -> tuple[str, ...]:
        """The runs that there is a folder of, oldest first; no journal is read."""
        from instar.transforms.run.state import run_folders

        return tuple(run.id for run in run_folders(self.run_job().state)) if self.exists else ()

    def runs(self) -> RunsReport:
        """What was done to the dataset, oldest first."""
        from instar.transforms.status import runs_of

        return runs_of(self.run_job())

    def account(self, run: str | None = None) -> Account:
        """A run (the last one by default) as it is told afterwards: its `report.json`, what has become of it, and, while they are
        there, what its files are like; writes nothing.

        Raises:
            UsageError: there is no such run, or none. RunError: its journal or its report cannot be understood.
        """
        from instar.transforms.account import account

        return account(self.run_job(), run)

    def accounts(self) -> tuple[Account, ...]:
        """All runs, oldest first, as `account` tells them, but for what their files are like.

        Raises:
            RunError: a journal or a report cannot be understood.
        """
        from instar.transforms.account import accounts

        return accounts(self.run_job()) if self.exists else ()

    def gc(
        self,
        *,
        keep: int | None = None,
        older_than: str | timedelta | datetime | None = None,
        last: bool = False,
        quarantined: bool = False,
        interrupted: bool = False,
        backup: Path | str | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> GcReport:
        """What the runs keep on disk, what each costs, and what could not be undone without it; removes only when told.

        `keep`: the newest so many snapshots stay. `older_than`: those younger stay ("30d", "2026-01-01", a timedelta, or a datetime
        with its zone). A snapshot goes where neither keeps it; `last`, `quarantined`: even the last, even those that quarantined
        records came from. `interrupted`: what interrupted runs have staged goes, too. `backup`: a folder elsewhere to which the
        snapshots that go (all, where nothing is told to go) are copied first, and checked. `dry_run` only says what would go.

        Raises:
            UsageError: the options do not go together. LockedError: a run is at work. RunError: the disk says no.
        """
        from instar.transforms.gc import gc

        with observed(progress, "gc", self.name, self.settings.subject) as seen:
            report = gc(
                self.run_job(),
                keep=keep,
                older_than=older_than,
                last=last,
                quarantined=quarantined,
                interrupted=interrupted,
                backup=Path(backup) if backup is not None else None,
                dry_run=dry_run,
                progress=seen,
            )
            seen.done(files=report.files)
            return report
