"""From an inventory to a plan: which version is meant, what refuses it, what it will cost. Reads only."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple, cast

from instar.formats.errors import UsageError
from instar.formats.inventory import DataFile, Inventory
from instar.formats.splice import Way
from instar.transforms.estimate import START, Estimates, only_copies, work_seconds
from instar.transforms.foretelling import Foretelling
from instar.transforms.job import Job, Options, at_version
from instar.transforms.migration import Chain
from instar.transforms.partitions import refuse_partitions
from instar.transforms.plan import Plan, make_plan
from instar.transforms.renaming import naming, refuse_method, refuse_names
from instar.transforms.run.foresight import Foresight, foreseen
from instar.transforms.run.journal import Method
from instar.transforms.run.listing import listing
from instar.transforms.run.preflight import in_the_way
from instar.transforms.run.resume import resumption
from instar.transforms.run.shadow import came_since, refuse_place
from instar.transforms.run.state import interrupted_run
from instar.transforms.tolerance import refuse_codes, refuse_unkeepable
from instar.transforms.typecheck import type_check


class Work(NamedTuple):
    """A file, the chain that it goes through, and in which way."""

    file: DataFile
    chain: Chain
    way: Way


def plan_of(
    job: Job,
    inventory: Inventory,
    to: int | str | None,
    options: Options,
    *,
    verb: str = "upgrade",
    judging: bool = True,
    expecting: Callable[[Options], None] = lambda options: None,
) -> Plan:
    """What a run would do; reads only. `judging`: data that cannot be converted refuse the plan where the sample meets them.
    `expecting` is told, as soon as that is known, with how many workers a run would work.

    Raises:
        DatasetError: the inventory has problems; all are named. UsageError: no such version, or it is in the other direction.
        MigrationError: a chain does not type-check. FileError: a file holds what a rewrite would lose, or cannot be read.
        DataError: a record of the sample cannot be converted.
    """
    refuse_codes(job)
    inventory = inventory.leaving_arriving()
    inventory = inventory.skipping_unreadable() if options.skip_unreadable else inventory
    inventory.require_sound()
    target = job.version(to, at=at_version(inventory, up=verb != "downgrade"))
    refuse_direction(inventory, target, verb)
    method = method_of(job, options)
    chain_to = cache(lambda version: checked_chain(job, inventory, version, target))
    foretelling = Foretelling(job, options)
    rewritten = [(file, chain_to(file.version)) for file in inventory.files if file.version not in (target, None)]
    work = [Work(file, chain, foretelling.alike(file, chain).way) for file, chain in rewritten]
    alone, suiting = seconds_alone(job, work, options), suited(job, work, options)
    expecting(suiting)
    memory = suiting.unit_memory
    later = bool(options.skip_unreadable) or not judging  # what cannot be read is told of, or refused, when it is staged
    plan = make_plan(
        inventory,
        dataset=job.name,
        target=target,
        chain=chain_to,
        estimate=Estimates(job.format, inventory, judging=judging, reading=not later, leaving_out=options.quarantining),
        method=(method.method, method.reason),
        disk_free=shutil.disk_usage(job.place.parent).free,
        shadow=job.shadow,
        seconds=START + alone / suiting.workers,
        warnings=(*job.unregistered, *(came_since(job.shadow, job.state) if job.shadow else ())),
        foretell=lambda file, chain: foretelling.of(inventory, file, chain, memory, reading=not later),
        named=naming(job.settings, target),
    )
    refuse_unkeepable(job, inventory, plan, reading=not later)
    taken = {each.path for each in (*inventory.files, *inventory.others, *inventory.skipped, *inventory.arriving)}
    refuse_names(plan.renamed, taken, job.settings)
    if verb != "rollback":
        refuse_method(plan.renamed, plan.method, plan.method_reason)
    last = interrupted_run(job.state)
    resumes = resumption(last, plan.wanted()) if last else None
    return replace(
        plan,
        resumes=resumes,
        batches=len(plan.parts(options.batch_files, options.batch_bytes)) if options.batched else 1,
        checks=tuple(map(str, job.checks)) if verb != "rollback" else (),
        test=job.settings.test if verb != "rollback" else (),
        queries=str(options.queries) if options.queries and verb != "rollback" else "",
    )


def suited(job: Job, files: Sequence[Work], options: Options) -> Options:
    """The options, with as many workers or threads as it is worth to migrate the files."""
    mappings = {chain.from_version: chain.mapping for _, chain, _ in files}.values()
    copied = all(way == "spliced" for _, _, way in files) and all(only_copies(job.settings.format, each) for each in mappings)
    return options.for_work(len(files), seconds_alone(job, files, options), copied=copied and options.proof == "auto")


def seconds_alone(job: Job, files: Iterable[Work], options: Options) -> float:
    """How long one worker would take to migrate the files."""
    same: dict[tuple[int, Way], tuple[Chain, list[DataFile]]] = {}
    for file, chain, way in files:
        same.setdefault((chain.from_version, way), (chain, []))[1].append(file)
    full = options.proof == "full"
    return sum(
        work_seconds(job.settings.format, chain.mapping, those, way=way, full=full) for (_, way), (chain, those) in same.items()
    )


def hindered(job: Job, plan: Plan, options: Options) -> tuple[str, ...]:
    """What would stop the run of a plan before its first byte, as far as looking tells; reads only."""
    if not plan.rewrites:
        return ()
    planned, changed = listing(job.location), tuple(action.path for action in plan.rewrites)
    method, workers = cast(Method, plan.method), options.for_files(len(changed)).workers
    found = in_the_way(job.location, job.state, planned, changed, method, plan.disk_needed, workers)
    return tuple(f"the run would be refused: {error}" for error in found)


def checked_chain(job: Job, inventory: Inventory, version: int, target: int) -> Chain:
    """The chain, type-checked by DuckDB; no operation of it may name a partition key."""
    low, high = sorted((version, target))
    refuse_partitions([m for m in job.migrations if low < m.version <= high], job.schemas, inventory.partition_keys)
    chain = job.chain(version, target)
    type_check(chain.mapping, job.format)
    return chain


def method_of(job: Job, options: Options) -> Foresight:
    """How a run would publish: into the shadow where there is one, else as asked, else by the best that can be told to work.

    Raises:
        UsageError: a shadow is asked for and not where, or something else than the shadow that there is; it may not stand there.
    """
    if job.shadow is not None:
        if options.method not in (None, "shadow"):
            raise UsageError(
                f"runs of {job.name} build the shadow {job.shadow}, and --method says {options.method}",
                hint="Leave --method out; or remove `shadow` from the dataset's table in instar.toml to change the dataset itself.",
            )
        refuse_place(job.shadow, job.state)
        return Foresight("shadow", f"a second tree in {job.shadow}; this one is only read")
    if options.method == "shadow":
        raise UsageError("a shadow where?", hint='Say --shadow DIR, or shadow = "DIR" in its table in instar.toml.')
    return Foresight(options.method, "as asked") if options.method else foreseen(job.location)


def refuse_direction(inventory: Inventory, target: int, verb: str) -> None:
    """`upgrade` never goes down and `downgrade` never up, for any file."""
    versions = {f.version for f in inventory.files if f.version is not None}
    wrong = [v for v in versions if (v > target if verb == "upgrade" else v < target)]
    if verb in ("upgrade", "downgrade") and wrong:
        other = "downgrade" if verb == "upgrade" else "upgrade"
        at = ", ".join(map(str, sorted(wrong)))
        raise UsageError(f"files are at version {at}: {verb} does not lead from there to {target}", hint=f"Use `instar {other}`.")
