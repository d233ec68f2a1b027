"""What runs keep on disk and what becomes of it, as people read it: the answer of `gc`."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from instar.cli.layout import counted, headed, size
from instar.transforms.gc import GcReport, Kept


def print_kept(console: Console, report: GcReport) -> None:
    """A line for all that a run keeps, then what its removal comes to."""
    if not report.kept:
        console.print(f"{escape(report.dataset)}: no run keeps anything")
    else:
        told = report.action != "list"
        table = headed("run", "what", "since", ">files", ">size", ">frees", "fate" if told else "without it, no")
        for kept in report.kept:
            what = kept.verb + (f" to {kept.target}" if kept.target is not None else "")
            what = what if kept.what == "snapshot" else f"{kept.what} of {what}"
            last = _fate(kept, report.action) if told else _without(kept)
            since = kept.since[:16].replace("T", " ")
            table.add_row(kept.run, what, since, f"{kept.files:,}", size(kept.bytes), size(kept.frees), escape(last))
        console.print(table)
        _gone(report, console)


def _fate(kept: Kept, action: str) -> str:
    if not kept.removed:
        return f"stays: {kept.why}" if kept.why else "stays"
    return ("removed" if action == "removed" else "would go") + (f": {kept.why}" if kept.why else "")


def _without(kept: Kept) -> str:
    """What could no longer be done; the run's own abilities first."""
    parts = [
        f"{verb} of " + ("it" if runs == (kept.run,) else f"it and {len(runs) - 1} before" if kept.run in runs else ", ".join(runs))
        for verb, runs in (("rollback", kept.loses_rollback), ("verify", kept.loses_verify))
        if runs
    ]
    return "; ".join(filter(None, [", ".join(parts), kept.why]))


def _gone(report: GcReport, console: Console) -> None:
    """What the removal came to, or would."""
    if report.action == "list":
        if report.free_if_all:
            console.print(f"Without all but the last, {size(report.free_if_all)} would be free: say which stay, such as --keep 1")
        return
    for copy in report.copied:
        console.print(f"copied   {escape(copy)}")
    number = sum(kept.removed for kept in report.kept)
    if not number:
        console.print("Nothing would go." if report.action == "dry run" else "Nothing was removed.")
        return
    done = "Removed" if report.action == "removed" else "Would remove"
    console.print(f"{done} {counted(number, 'folder')}: {size(report.freed)} free on disk")
    for verb, runs in (("rollback", report.loses_rollback), ("verify", report.loses_verify)):
        if runs:
            console.print(f"no more  {verb} of {', '.join(runs)}")
