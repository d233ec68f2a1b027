"""Each report as people read it: short, aligned, at most 100 columns where the data allow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from rich.console import Console
from rich.markup import escape

from instar.cli.examples import example_lines
from instar.cli.kept import print_kept
from instar.cli.layout import counted, duration, headed, row_count, size, steps_taken
from instar.cli.show_gates import print_gates
from instar.cli.trees import difference_tree, print_tree, schema_tree
from instar.formats.path import path_text
from instar.transforms.answers import Adopted, CheckReport, ConvertReport, HistoryReport, RunsReport, StampReport, StatusReport
from instar.transforms.gc import GcReport
from instar.transforms.migration import Chain
from instar.transforms.plan import Plan
from instar.transforms.report import Proof, RunReport, VerifyReport, loss_text
from instar.transforms.run.resume import Resumption
from instar.transforms.schemas import DiffReport, SchemaReport
from instar.transforms.spelling import operation_text

SHOWN = 20


def render(console: Console, report: Any, *, verbose: bool) -> None:
    """Print the report."""
    _render(report, console, verbose)


@singledispatch
def _render(report: Any, console: Console, verbose: bool) -> None:
    raise TypeError(f"no console form for {type(report).__name__}")


@_render.register
def _status(report: StatusReport, console: Console, verbose: bool) -> None:
    console.print(f"[bold]{escape(report.dataset)}[/]  {escape(report.root)}")
    console.print(f"subject {escape(report.subject)}, {report.format}, newest version {report.newest}")
    table = headed("version", ">files", ">rows", ">size", "told by")
    for v in report.versions:
        how = ", ".join(f"{name} {count}" for name, count in sorted(v.how.items()))
        variants = f", {counted(v.variants, 'variant')}" if v.variants else ""
        table.add_row(str(v.version), f"{v.files:,}", row_count(v.rows), size(v.bytes), how + variants)
    if report.versions:
        console.print(table)
    if report.others:
        console.print(f"{counted(report.others, 'other file or folder', 'other files and folders')}")
    _lines(console, "variant", list(map(str, report.variants)), verbose)
    _lines(
        console,
        "[red]problem[/]",
        [f"{p.path}: {p.problem}" + (f"\n    {p.hint}" if p.hint else "") for p in report.problems],
        verbose,
    )
    _lines(console, "[yellow]warning[/]", list(report.warnings), verbose)
    _lines(console, "[yellow]interrupted[/]", list(report.interrupted), verbose)
    _lines(console, "[yellow]staged[/]", list(report.staged), verbose)
    _lines(console, "[yellow]late[/]", [late.message for late in report.late], verbose)
    for version, message in report.pending:
        console.print(f"pending: {version}  {escape(message)}")
    if report.shadow:
        what = f"version {report.shadow.version}, made by run {report.shadow.run}" if report.shadow.run else "none yet"
        console.print(f"shadow   {escape(report.shadow.path)}: {what}")
    if report.problems:
        or_skip = "; --skip-unreadable leaves them as they are" if all(p.unreadable for p in report.problems) else ""
        console.print(f"Nothing can be migrated before these are settled{or_skip}.")
    elif report.pending or any(v.version != report.newest for v in report.versions):
        console.print(f"Next: instar plan {escape(report.dataset)}")


@_render.register
def _plan(plan: Plan, console: Console, verbose: bool) -> None:
    console.print(f"[bold]{escape(plan.dataset)}[/] to version {plan.target}  {escape(str(plan.root))}")
    if not plan.rewrites:
        others = "all other files" if plan.skipped else "all files"
        console.print(f"Nothing to do: {others} are at version {plan.target} ({counted(len(plan.kept), 'file')}).")
        _lines(console, "[yellow]skipped[/]", [_of(r.path, r.message) for r in plan.skipped], verbose)
        _lines(console, "[yellow]warning[/]", list(plan.warnings), verbose)
        return
    table = headed("from", ">files", ">rows", ">size", ">size after")
    for version in sorted(plan.chains):
        actions = [a for a in plan.rewrites if a.version == version]
        rows = None if any(a.rows is None for a in actions) else sum(a.rows or 0 for a in actions)
        table.add_row(
            str(version),
            f"{len(actions):,}",
            row_count(rows),
            size(sum(a.size for a in actions)),
            "~" + size(sum(a.bytes_out for a in actions)),
        )
    console.print(table)
    if plan.kept:
        console.print(f"{counted(len(plan.kept), 'file')} at version {plan.target} already, kept as they are")
    longest = plan.chains[min(plan.chains)] if plan.target >= max(plan.chains) else plan.chains[max(plan.chains)]
    for migration in longest.migrations:
        console.print(f"  {migration.version}  {escape(migration.message)}")
        if verbose:
            for operation in migration.operations:
                console.print(f"       {escape(operation_text(operation))}", style="dim")
    where = "for the shadow" if plan.shadow else "beside the data"
    stay = "of that files to copy as they are: " + size(plan.copied) if plan.shadow else "the old files stay as the snapshot"
    console.print(f"disk     {size(plan.disk_needed)} {where}, {size(plan.disk_free)} free; {stay}")
    console.print(f"time     about {duration(plan.seconds)}")
    if plan.checks:
        console.print(f"checks   {counted(len(plan.checks), 'check')} after the proof, before the publish")
    if plan.test:
        console.print(f"test     {escape(' '.join(plan.test))}")
    if plan.queries:
        console.print(f"queries  those in {escape(plan.queries)} are timed before the publish")
    batches = f", in {counted(plan.batches, 'batch', 'batches')}" if plan.batches > 1 else ""
    console.print(f"publish  {plan.method}: {escape(plan.method_reason)}{batches}")
    _names(console, plan.renamed, verbose)
    if plan.resumes:
        console.print(f"resumes  {_resumed(plan.resumes)}")
    back = "rollback takes the shadow away, or brings the one before back" if plan.shadow else ""
    console.print(f"way back {back or 'rollback restores every byte from the snapshot'}")
    for version, chain in sorted(plan.chains.items()):
        _way_down(console, chain, min(version, plan.target), max(version, plan.target))
    if left := plan.left_behind():
        console.print(f"left     {escape(', '.join(left))}: version {plan.target} has no place for it; the snapshot keeps it")
    _lines(console, "note", list(plan.notes), verbose)
    for path in plan.dropped[:SHOWN]:
        console.print(f"left out {escape(path)}: it describes bytes that change")
    _lines(console, "[yellow]skipped[/]", [_of(r.path, r.message) for r in plan.skipped], verbose)
    _lines(console, "[yellow]warning[/]", list(plan.warnings), verbose)
    if verbose:
        for a in plan.actions:
            console.print(f"  {a.kind:<8}{a.version} {size(a.size):>10} {escape(a.path)}", style="dim")


@_render.register
def _run(report: RunReport, console: Console, verbose: bool) -> None:
    if report.status == "discarded":
        console.print(f"{escape(report.dataset)}: run {report.run} was not published and had changed nothing; its stage is gone")
        _lines(console, "note", list(report.notes), verbose)
        return
    if report.run is None:
        console.print(
            f"{escape(report.dataset)}: nothing to do, {'all other files' if report.skipped else 'all files'} are at version "
            f"{report.target} ({counted(report.files.get('kept', 0), 'file')})."
        )
        _lines(console, "[yellow]skipped[/]", [_of(p.path, p.problem) for p in report.skipped], verbose)
        _late(report, console, verbose)
        _lines(console, "note", list(report.notes), verbose)
        _lines(console, "[yellow]warning[/]", list(report.warnings), verbose)
        return
    if report.proof is not None:
        good = report.proof.verdict == "proved"
        colour = "green" if good else "yellow"
        console.print(f"[bold {colour}]{report.proof.verdict.capitalize()}[/]   {_proved(report.proof)}")
    origin = ", ".join(f"{counted(count, 'file')} from {version}" for version, count in report.origin.items())
    done = {"upgrade": "upgraded", "downgrade": "downgraded", "rollback": "rolled back"}.get(report.verb, report.verb)
    done = "staged" if report.status == "staged" else done
    at = f" to version {report.target}" if report.target is not None else ""
    console.print(f"[bold]{escape(report.dataset)}[/] {done}{at}" + (f": {origin}" if origin else ""))
    if report.rows_in or report.bytes_in:
        console.print(f"rows     {row_count(report.rows_in)} → {row_count(report.rows_out)}")
        if report.quarantined:
            count = sum(report.quarantined.values())
            console.print(f"apart    {counted(count, 'record')} in quarantine, from {counted(len(report.quarantined), 'file')}")
            for path in report.quarantine:
                console.print(f"         {escape(path)}", soft_wrap=True)
        console.print(f"size     {size(report.bytes_in)} → {size(report.bytes_out)}")
    if report.seconds:
        console.print(steps_taken(report.seconds))
    if report.resumed:
        console.print(f"resumed  {_resumed(report.resumed)}")
    print_gates(console, report.gates)
    batches = f" (the last of {len(report.runs)} batches)" if report.runs else ""
    place = f" in {report.shadow}" if report.shadow else ""
    became = "not published" if report.status == "staged" else f"published by {report.method}{escape(place)}"
    console.print(f"run      {report.run}{batches}, {became}")
    _names(console, report.renamed, verbose)
    if report.undoes:
        console.print(f"undoes   {', '.join(report.undoes)}")
    for path, reason in report.losses:
        console.print(f"lost     {escape(path)}: {escape(reason)}")
    if report.left_behind:
        console.print(
            f"left     {escape(', '.join(report.left_behind))}: version {report.target} has no place for it; the snapshot keeps it"
        )
    for path in report.dropped[:SHOWN]:
        console.print(f"left out {escape(path)}: it described bytes that changed")
    _lines(console, "[yellow]skipped[/]", [_of(p.path, p.problem) for p in report.skipped], verbose)
    _late(report, console, verbose)
    _lines(console, "note", list(report.notes), verbose)
    _lines(console, "[yellow]warning[/]", list(report.warnings), verbose)
    shadow = f" --shadow {report.shadow}" if report.shadow else ""
    if report.status == "staged":
        console.print(f"staged   {escape(report.stage or '')}")
        look, publish = f"verify {report.dataset} {report.run}", f"{report.verb} {report.dataset} {report.target}"
        for what, command in (("look", look), ("publish", publish), ("discard", f"rollback {report.dataset}")):
            console.print(f"{what:<8} instar {escape(command + shadow)}")
    elif report.undoes:
        console.print(f"way back instar rollback {escape(report.dataset)} {report.run}{escape(shadow)}")
    elif report.snapshot:
        console.print(f"way back instar rollback {escape(report.dataset + shadow)}")


def _of(path: str, problem: str) -> str:
    """A file and what is wrong with it, which may name it already."""
    return problem if problem.startswith(path) else f"{path}: {problem}"


def _late(report: RunReport, console: Console, verbose: bool) -> None:
    """What writers did meanwhile, as far as it was too late for the run."""
    if report.rounds:
        console.print(f"late     files came or changed while the run worked: {counted(report.rounds, 'further round')} for them")
    became = "" if report.shadow else ", and was left as it is"
    lines = [f"{change} while the run worked{became}{f': {change.why}' if change.why else ''}" for change in report.late]
    _lines(console, "[yellow]late[/]", lines, verbose)


def _resumed(found: Resumption) -> str:
    """What is used of an interrupted run, and what not, and why."""
    parts = [f"{counted(len(found.receipts), 'file')} of run {found.run} had been staged already"]
    parts += [f"{counted(count, 'file')} again: {reason}" for reason, count in found.again.items()]
    return escape("; ".join(parts))


@_render.register
def _convert(report: ConvertReport, console: Console, verbose: bool) -> None:
    origin = f" (version {report.version} of {report.subject})" if report.subject else ""
    console.print(f"[bold green]Converted[/] {escape(report.source)}{escape(origin)} to {report.to}: {escape(report.target)}")
    console.print(
        f"{counted(len(report.files), 'file')}, {report.rows:,} rows, {size(report.bytes_in)} to {size(report.bytes_out)}"
    )
    console.print(f"proof    every value read back equal by {escape(report.read_back_by)}")
    console.print(f"schema   {escape(report.document)}")
    _lines(console, "cast", [f"{path}: {old} to {new}" for path, old, new in report.casts], verbose)
    _lines(console, "note", list(report.notes), verbose)
    console.print(f"time     {duration(report.seconds)}")


@_render.register
def _verify(report: VerifyReport, console: Console, verbose: bool) -> None:
    colour = {"proved": "green", "failed": "red"}.get(report.verdict, "yellow")
    console.print(f"[bold {colour}]{report.verdict.capitalize()}[/]   {_proved(report.proof)}")
    origin = ", ".join(f"{counted(count, 'file')} from {version}" for version, count in report.origin.items())
    console.print(f"[bold]{escape(report.dataset)}[/] {report.verb} to version {report.target}: {origin}")
    console.print(f"run      {report.run}, of {report.started[:19].replace('T', ' ')}")
    console.print(steps_taken(report.seconds))
    problems = ["\n".join([f"{p.path}: {p.problem}", *example_lines(p.examples)]) for p in report.problems]
    _lines(console, "[red]problem[/]", problems, verbose)
    print_gates(console, report.gates)
    _lines(console, "[yellow]unproved[/]", [f"{p.path}: {p.problem}" for p in report.unproved], verbose)
    _lines(console, "note", list(report.notes), verbose)


def _proved(proof: Proof) -> str:
    """How much was compared, and how."""
    ways = ", ".join(_way(way, count) for way, count in sorted(proof.ways.items()))
    rows = sum(file.rows_new for file in proof.files)
    return f"{rows:,} rows in {counted(len(proof.files), 'file')}, {counted(sum(proof.ways.values()), 'column check')}: {ways}"


def _way(way: str, count: int) -> str:
    """How many columns were proved how; what only a function of the user's gives is not proved by running it again."""
    return f"{count:,} repeated (not proved)" if way == "repeated" else f"{count:,} by {way}"


@_render.register
def _check(report: CheckReport, console: Console, verbose: bool) -> None:
    for subject, steps in report.subjects.items():
        console.print(f"[bold]{escape(subject)}[/]" + ("" if steps or report.problems else ": no migrations yet"))
        for step in steps:
            mark = "[red]✗[/]" if step.problems else "[green]✓[/]"
            console.print(f"  {mark} {step.version - 1} → {step.version}  {escape(step.message)}")
            for problem in step.problems:
                console.print(f"      [red]{escape(problem)}[/]")
            for path, reason in step.losses:
                console.print(f"      way back, {escape(path)}: {escape(reason)}")
            if not step.problems:
                console.print(f"      {step.untouched} of {step.leaves} columns untouched", style="dim")
    if report.checks and not report.problems:
        console.print(f"{counted(len(report.checks), 'check')} of data fit the schemas")
    _lines(console, "[red]problem[/]", list(report.problems), True)


@_render.register
def _history(report: HistoryReport, console: Console, verbose: bool) -> None:
    for entry in report.entries:
        state = "" if entry.registered else "  [yellow](not registered)[/]"
        console.print(f"{entry.version:>4}  {escape(entry.message)}{state}")
        if entry.script and verbose:
            console.print(f"      {escape(entry.script)}", style="dim")
        for operation in entry.operations if verbose else ():
            console.print(f"        {escape(operation)}", style="dim")


@_render.register
def _runs(report: RunsReport, console: Console, verbose: bool) -> None:
    if not report.runs:
        console.print(f"{escape(report.dataset)}: no runs yet")
        return
    table = headed("run", "what", "status", "started", "by", "way back")
    for r in report.runs:
        what = r.verb + (f" to {r.target}" if r.target is not None else "")
        what += (f", batch {r.batch}" if r.batch else "") + (", shadow" if r.shadow else "")
        table.add_row(r.run, what, r.status, r.started[:19].replace("T", " "), escape(f"{r.user}@{r.host}"), escape(r.way_back))
    console.print(table)


@_render.register
def _gc(report: GcReport, console: Console, verbose: bool) -> None:
    print_kept(console, report)
    _lines(console, "[yellow]warning[/]", list(report.warnings), verbose)


@_render.register
def _stamp(report: StampReport, console: Console, verbose: bool) -> None:
    console.print(f"{escape(report.dataset)}: {counted(len(report.files), 'file')} recorded as version {report.version}")


@_render.register
def _adopted(report: Adopted, console: Console, verbose: bool) -> None:
    if report.dataset:
        console.print(
            f"Adopted [bold]{escape(report.dataset)}[/]: {counted(report.files, 'file')} as version {report.version} of "
            f"{escape(report.subject)}"
        )
    elif report.subject:
        console.print(f"Registered version {report.version} of [bold]{escape(report.subject)}[/]")
    else:
        console.print(f"Made {escape(report.project)}")
    if report.document:
        console.print(f"  {escape(report.document)}")
    _lines(console, "note", list(report.notes), verbose)
    _lines(console, "[red]does not fit[/]", [f"{p.path}: {p.problem}" for p in report.problems], verbose)


@_render.register
def _schema(report: SchemaReport, console: Console, verbose: bool) -> None:
    newest = " (newest)" if report.version == report.newest else f", newest is {report.newest}"
    console.print(f"[bold]{escape(report.subject)}[/] version {report.version}{newest}, {report.format}")
    print_tree(console, schema_tree(report.fields, report.types.values()))


@_render.register
def _diff(report: DiffReport, console: Console, verbose: bool) -> None:
    console.print(f"[bold]{escape(report.subject)}[/] {report.old} → {report.new}")
    every = report.every
    if not any(d.differs for d in every):
        console.print("no field differs")
    else:
        print_tree(console, difference_tree((*report.fields, *report.types.values()), whole=verbose))
    same = sum(d.kind == "same" and not d.differs for d in every)
    if same and not verbose:
        console.print(f"{counted(same, 'field')} unchanged", style="dim")
    if report.by == "names":
        console.print(f"note: compared by names, as no scripts lead from {report.old} to {report.new}: {escape(report.reason)}")


def _lines(console: Console, label: str, lines: list[str], verbose: bool) -> None:
    shown = lines if verbose else lines[:SHOWN]
    for line in shown:
        console.print(f"{label}: {escape(line)}")
    if len(lines) > len(shown):
        console.print(f"… and {len(lines) - len(shown)} more; -v or --json lists all")


def _names(console: Console, renamed: Mapping[str, str], verbose: bool) -> None:
    """One file's old and new name, and how many others have new ones; all of them where more is to be said."""
    shown = sorted(renamed.items())[: None if verbose else 1]
    more = f" (and {len(renamed) - len(shown)} more)" if len(renamed) > len(shown) else ""
    for old, new in shown:
        console.print(f"name     {escape(old)} → {escape(new.rpartition('/')[2])}{more}")


def _way_down(console: Console, chain: Chain, low: int, high: int) -> None:
    """What a downgrade between two versions can derive, what the scripts fill in, and what is lost."""
    filled = ", ".join(path_text(loss.path) for loss in chain.losses if loss.restored)
    lost = ", ".join(": ".join(loss_text(loss)) for loss in chain.losses if not loss.restored)
    parts = [f"the scripts fill in {filled}"] if filled else []
    parts += [f"[yellow]lost[/]: {escape(lost)}"] if lost else []
    console.print(f"         downgrade from {high} to {low}: {'; '.join(parts) or 'every value is derived'}")
