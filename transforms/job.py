"""A job: one dataset with everything a verb must know of it before looking at its files."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from instar.formats.dataset import take_inventory
from instar.formats.discover import resolve_dataset, state_folder
from instar.formats.errors import ConfigurationError, UsageError
from instar.formats.format import Format, format_named
from instar.formats.inventory import Inventory
from instar.formats.manifest import Manifest
from instar.formats.registry import Registry
from instar.formats.schema import Schema
from instar.transforms.configuration import DEFAULT_MEMORY, DatasetSettings
from instar.transforms.migration import Chain, Migration, load_migrations, make_chain, unregistered
from instar.transforms.run.state import State
from instar.transforms.script import number_of

if TYPE_CHECKING:
    from instar.transforms.most_errors import MostErrors

INTERPRETER = 110_000_000
"""Bytes a process with pyarrow and DuckDB loaded has before it sees data (measured: 95 to 115 MB)."""
WORTH_A_WORKER = 0.6
"""Seconds of work that starting a process is worth: it takes 0.4 to 0.7."""
LEAST = 64_000_000
"""Bytes of data below which DuckDB and the readers cannot work."""


@dataclass(frozen=True)
class Options:
    """How to run. `memory` is one budget in bytes for all processes and DuckDB together; `method` None: the best that works.

    0 workers, 0 memory: what `instar.toml` says of the dataset, else one worker in this process, and 1 GB. `skip_unreadable`: files
    that cannot be read stay untouched in their places, named in plan and report; None: what `instar.toml` says. `batch_files` and
    `batch_bytes`: publish by replace, so many files and bytes at a time (at least one file).

    `on_error`: what becomes of records that cannot be migrated, where their operation does not say it: "fail" (the whole run), or
    "quarantine" (they are left out, and written to a file in the run's folder). `max_errors`: how many may be left out before the
    run fails all the same, such as 100 or "0.5%". None: what `instar.toml` says, else "fail", and any number.

    `stage_only`: the run ends before its publish; the next upgrade to the same version goes on with it.

    `queries`: the folder of queries that are run on the old and the staged files before the publish. It fails where their results
    differ, or one takes certainly more than `max_slowdown` times as long; each is measured for up to `query_seconds` (10). None:
    what `instar.toml` says, else no queries, and 1.2.

    `cores`: how many workers there may be, where there are fewer as the files are few (`for_files` sets it). `at_most`: nobody has
    asked for so many workers; there may be fewer where the work is not worth starting them. `threads`: how many files are worked on
    side by side in this process then (`for_work` sets it).

    `examples`: so many of the records that differ are shown by a proof for each place of each file, with both values.
    """

    workers: int = 0
    memory: int = 0
    proof: Literal["auto", "full"] = "auto"
    method: Literal["exchange", "replace", "shadow"] | None = None
    skip_unreadable: bool | None = None
    batch_files: int | None = None
    batch_bytes: int | None = None
    on_error: Literal["fail", "quarantine"] | None = None
    max_errors: int | str | None = None
    cores: int = 0
    at_most: bool = False
    threads: int = 1
    examples: int = 5
    stage_only: bool = False
    queries: Path | None = None
    max_slowdown: float | None = None
    query_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.on_error not in (None, "fail", "quarantine"):
            raise UsageError(f"on_error is {self.on_error!r}", hint='It is "fail" or "quarantine".')
        _ = self.most_errors
        if self.examples < 0:
            raise UsageError(f"examples is {self.examples}", hint="It is a number of records; 0 shows none.")

    @property
    def batched(self) -> bool:
        return bool(self.batch_files or self.batch_bytes)

    @property
    def quarantining(self) -> bool:
        """Are records left out, where their operation does not say otherwise?"""
        return self.on_error == "quarantine"

    @property
    def most_errors(self) -> MostErrors | None:
        """`max_errors`, understood; None: any number."""
        if self.max_errors is None:
            return None
        from instar.transforms.most_errors import MostErrors

        return MostErrors.parse(self.max_errors)

    def for_files(self, count: int) -> Options:
        """No more workers than there are files, or than the budget can hold at the least each needs."""
        affordable = ((self.memory or DEFAULT_MEMORY) - INTERPRETER) // (INTERPRETER + LEAST)
        return replace(self, workers=max(1, min(self.workers, count, affordable)), cores=self.workers)

    def for_work(self, count: int, seconds: float, *, copied: bool = False) -> Options:
        """The same, for so many files that would take one worker so long; `copied`: their values are not even decoded, so that
        threads can do for workers."""
        made = self.for_files(count)
        if not self.at_most:
            return made
        workers = max(1, min(made.workers, int(seconds / WORTH_A_WORKER)))
        return replace(made, workers=workers, threads=made.workers if copied and workers == 1 else 1)

    def threads_for(self, share: float) -> int:
        """How many threads may work on a file that has so much of all the bytes: the cores of the workers that had no file."""
        return max(1, round(share * self.cores))

    @property
    def unit_memory(self) -> int:
        """What one file's work may use for its data: a worker's share of the budget, less what any process has."""
        workers = self.workers or 1
        processes = workers + 1 if workers > 1 else 1
        return max(LEAST, ((self.memory or DEFAULT_MEMORY) - processes * INTERPRETER) // (workers * self.threads))


@dataclass(frozen=True)
class Job:
    """`location` is the dataset's resolved path, `settings` its table in instar.toml, `scripts` the folder of its migrations,
    `shadow` the (resolved) directory in which its runs build another tree, None where they change this one."""

    name: str
    project: Path
    location: Path
    settings: DatasetSettings
    registry: Registry
    scripts: Path
    shadow: Path | None = None

    @property
    def subject(self) -> str:
        return self.settings.subject

    @cached_property
    def format(self) -> Format:
        return format_named(self.settings.format)

    @cached_property
    def migrations(self) -> tuple[Migration, ...]:
        """Those between registered versions; a script that somebody is still writing stands in nobody's way."""
        return load_migrations(self.scripts, newest=self.newest)

    @property
    def unregistered(self) -> tuple[str, ...]:
        """What to say of scripts that lead to versions nobody has registered yet."""
        hint = f"is written but not registered: instar register {self.subject}"
        return tuple(f"{self.subject}/{name} {hint}" for name in unregistered(self.scripts, self.newest))

    @cached_property
    def schemas(self) -> dict[int, Schema]:
        return dict(self.registry.schemas(self.subject))

    @property
    def newest(self) -> int:
        return max(self.schemas)

    @property
    def checks(self) -> tuple[Path, ...]:
        """The files of the project's own checks of the dataset, by name."""
        return self.settings.check_files

    @property
    def gated(self) -> bool:
        """Is there anything to ask between a run's proof and its publish?"""
        return bool(self.settings.test or self.checks)

    @property
    def state(self) -> State:
        """Of the runs: that of the shadow, where there is one."""
        return self.own_state if self.shadow is None else State.beside(self.shadow)

    @property
    def own_state(self) -> State:
        """Of the dataset itself: what is known of its files."""
        return State(state_folder(self.location, self.settings.state))

    @property
    def place(self) -> Path:
        """Where runs publish."""
        return self.shadow or self.location

    def at_shadow(self) -> Job:
        """The shadow as a dataset of its own; the dataset itself where there is no shadow."""
        if self.shadow is None:
            return self
        return replace(self, location=self.shadow, shadow=None, settings=replace(self.settings, state=None, shadow=None))

    def version(self, asked: int | str | None, *, at: int | None) -> int:
        """`None` the newest, `3`, `"+1"` and `"-1"` from `at`.

        Raises:
            UsageError: not a version that is registered.
        """
        text = str(self.newest if asked is None else asked).strip()
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise UsageError(f"{text!r} is not a version", hint="Say a number, +N or -N.")
        if text[0] in "+-" and at is None:
            raise UsageError(f"{text} from where? The dataset has no files at a known version", hint="Say the version itself.")
        number = (at or 0) + int(text) if text[0] in "+-" else int(text)
        if number not in self.schemas:
            known = ", ".join(map(str, sorted(self.schemas)))
            written = [name for name in unregistered(self.scripts, self.newest) if number_of(name) == number]
            hint = f"Its script is there: register it with `instar register {self.subject}`." if written else f"There is {known}."
            raise UsageError(f"{self.subject} has no version {number}", hint=hint)
        return number

    def chain(self, from_: int, to: int) -> Chain:
        """The fused way from one version to another, type-checked with DuckDB.

        Raises:
            MigrationError: a script does not lead to the registered schema, or the way back would lose what it may not.
        """
        chain = make_chain(self.schemas, self.migrations, from_, to, self.settings.format)
        chain.refuse_fatal()
        return chain

    def same_values(self, old: int, new: int) -> bool:
        """Does the way from one version to a later one leave every value as it is, and where it is?

        Raises:
            MigrationError: a script does not lead to the registered schema.
        """
        if not {m.version for m in self.migrations}.issuperset(range(old + 1, new + 1)):
            return True  # there is no way, so that nothing happens to a file
        return make_chain(self.schemas, self.migrations, old, new, self.settings.format).mapping.keeps_values()


def open_job(name: str, project: Path, settings: DatasetSettings, registry: Registry, scripts: Path) -> Job:
    """Resolve the dataset's path, following a link to it once.

    Raises:
        UsageError: there is nothing at its path.
    """
    return Job(name, project, resolve_dataset(settings.path), settings, registry, scripts)


def inventory_of(
    job: Job, *, manifest: Manifest | None = None, passing_broken: bool = False, only: Collection[str] | None = None
) -> Inventory:
    """Which file is at which version; reads only. `passing_broken`, `only`: as for `take_inventory`.

    Raises:
        ConfigurationError: the subject's schemas are of another format. As `take_inventory`.
    """
    known = job.registry.format(job.subject)
    if known != job.settings.format:
        raise ConfigurationError(
            f"[datasets.{job.name}] has the format {job.settings.format}, but the schemas of {job.subject} are {known}",
            hint="Correct `format` in instar.toml, or name another subject: a migration does not change a dataset's format.",
        )
    return take_inventory(
        job.location,
        job.subject,
        job.registry,
        job.settings.format,
        include=job.settings.include,
        exclude=job.settings.exclude,
        manifest=Manifest.load(job.own_state.folder) if manifest is None else manifest,
        same_values=job.same_values,
        passing_broken=passing_broken,
        only=only,
    )


def at_version(inventory: Inventory, *, up: bool) -> int | None:
    """From where +N and -N count: the oldest version there is, for a step down the newest."""
    versions = [f.version for f in inventory.files if f.version is not None]
    return (min if up else max)(versions, default=None)


def with_options(options: Options, settings: DatasetSettings) -> Options:
    """What the caller said; the dataset's own settings where he said nothing.

    Raises:
        UsageError: batches, and a method that publishes everything in one step; batches that are to be staged only; how long
            queries may take, but no queries.
    """
    if options.batched and options.method not in (None, "replace"):
        raise UsageError(
            f"batches cannot be published by {options.method}, which is one step for all files",
            hint="Leave --method out, or say replace.",
        )
    if options.batched and options.stage_only:
        raise UsageError(
            "a roll-out in batches cannot be staged only: each batch is staged when the one before it is published",
            hint="Leave out the batches, or --stage-only.",
        )
    queries = options.queries or settings.queries
    if queries is None and (options.max_slowdown is not None or options.query_seconds is not None):
        raise UsageError("how long queries may take is said, but not which", hint="Name their folder: --queries DIR.")
    return replace(
        options,
        queries=queries,
        max_slowdown=settings.max_slowdown if options.max_slowdown is None else options.max_slowdown,
        memory=options.memory or settings.memory or DEFAULT_MEMORY,
        workers=options.workers or settings.workers or 1,
        skip_unreadable=settings.skip_unreadable if options.skip_unreadable is None else options.skip_unreadable,
        method="replace" if options.batched else options.method,
        on_error=options.on_error or settings.on_error,
        max_errors=settings.max_errors if options.max_errors is None else options.max_errors,
    )
