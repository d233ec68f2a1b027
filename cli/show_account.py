"""A run's account on the console: the page's sections, shorter, within 100 columns where the data allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from instar.cli.examples import told_lines
from instar.cli.layout import WIDTH, counted, duration, headed, row_count, size, steps_taken
from instar.cli.report_page import sections
from instar.cli.report_page.words import Tone, verdict
from instar.cli.trees import print_tree

_COLOURS: dict[Tone, str] = {"good": "green", "mixed": "yellow", "bad": "red", "calm": "blue"}
_MARKS = {"added": "+", "removed": "-", "renamed": "→", "moved": "→", "changed": "~"}
LONGEST = 30
"""Lines of a kind that are shown without -v."""


def show_account(console: Console, told: Mapping[str, Any], *, verbose: bool) -> None:
    """All of one run."""
    said = verdict(told)
    console.print(f"[bold {_COLOURS[said.tone]}]{said.symbol} {escape(said.headline)}[/]")
    console.print(escape(fill(said.told, WIDTH)))
    by = told["provenance"]
    at = f" to version {told['to']}" if told["to"] is not None else ""
    console.print(f"run      {told['run']}: {told['verb']} of {escape(told['dataset'])}{at}, {_who(by)}", soft_wrap=True)
    if told["rows_in"] is not None and told["rows_out"] is not None:
        console.print(f"rows     {row_count(told['rows_in'])} → {row_count(told['rows_out'])}")
    if told["status"] in ("done", "staged"):
        console.print(f"size     {size(told['bytes_in'])} → {size(told['bytes_out'])}")
    if told["seconds"]:
        console.print(steps_taken(told["seconds"]))
    if told["quarantine"]:
        console.print(f"apart    {counted(told['rows_quarantined'], 'record')} in quarantine:")
        for reason in sections.reasons(told)[:LONGEST]:
            console.print(f"         {reason['count']:,} × {escape(reason['path'] or 'the record')}: {escape(reason['why'])}")
    _show_left(console, told, verbose)
    if told["error"]:
        _show_error(console, told["error"], verbose)
    _show_schema(console, told, verbose)
    _show_proof(console, told, verbose)
    for gate in told["gates"]:
        colour = {"passed": "green", "failed": "red"}.get(gate["verdict"], "yellow")
        console.print(f"{gate['kind']:<8} [{colour}]{gate['verdict']}[/]  {escape(gate['name'])}, {duration(gate['seconds'])}")
    _show_queries(console, told)
    _show_profile(console, told)
    _show_properties(console, told, verbose)
    for label, lines in (("warning", told["warnings"]), ("note", told["notes"])):
        for line in lines if verbose else lines[:LONGEST]:
            console.print(f"{label}: {escape(line)}")
    label = "next" if told["now"]["status"] == "staged" else "way back"
    console.print(f"{label:<8} {escape(told['now']['way_back'])}")


def _who(by: Mapping[str, Any]) -> str:
    return f"{by['started'][:19].replace('T', ' ')}, {escape(by['user'])}@{escape(by['host'])}"


def _show_left(console: Console, told: Mapping[str, Any], verbose: bool) -> None:
    """What was not migrated, or is not in the new files."""
    lines = [f"skipped  {file['path']}: {file['problem']}" for file in told["skipped"]]
    lines += [f"late     {file['path']} was {file['what']}" + (f": {file['why']}" if file["why"] else "") for file in told["late"]]
    lines += [f"lost     {loss['path']}: {loss['reason']}" for loss in told["losses"]]
    if told["left_behind"]:
        lines.append(f"left     {', '.join(told['left_behind'])}: version {told['to']} has no place for it; the snapshot keeps it")
    for line in lines if verbose else lines[:LONGEST]:
        console.print(escape(line))
    if len(lines) > LONGEST and not verbose:
        console.print(f"… and {len(lines) - LONGEST} more; -v or --json lists all")


def _show_error(console: Console, error: Mapping[str, Any], verbose: bool) -> None:
    console.print(f"[red]error[/]    {escape(error['message'])}")
    for each in error["errors"] if verbose else error["errors"][:LONGEST]:
        console.print(f"         {escape(each['message'])}")
    if len(error["errors"]) > LONGEST and not verbose:
        console.print(f"         … and {len(error['errors']) - LONGEST} more; -v or --json lists all")


def _show_schema(console: Console, told: Mapping[str, Any], verbose: bool) -> None:
    """The fields that changed, old beside new."""
    for step in sections.schema_steps(told):
        console.print(f"\nfrom version {step['from']} to {step['to']}: {counted(step['same'], 'field')} unchanged", style="dim")
        table = headed("", "old", "type", "new", "type", "")
        changed = [row for row in step["rows"] if row["mark"] != "same"]
        for row in changed if verbose else changed[:LONGEST]:
            old, new = row["old"] or {"path": "", "type": ""}, row["new"] or {"path": "", "type": ""}
            cells = (_MARKS[row["mark"]], old["path"], old["type"], new["path"], new["type"], row["label"][2:], row["notes"])
            table.add_row(*map(Text, (*cells[:5], ", ".join(filter(None, cells[5:])))))
        print_tree(console, table)
        if len(changed) > LONGEST and not verbose:
            console.print(f"… and {len(changed) - LONGEST} more; -v or --json lists all")


def _show_proof(console: Console, told: Mapping[str, Any], verbose: bool) -> None:
    """Every file and column that does not hold; of the others verdict and counts are said already."""
    broken = sections.broken(told)
    for file in broken if verbose else broken[:LONGEST]:
        for column in file["columns"]:
            place = f"{file['file']}: {column['path']}" if column["path"] else file["file"]
            console.print(f"[red]✕[/] {escape(place)}: {escape(column['problem'])}")
            for line in told_lines(column.get("examples", ())):
                console.print(escape(line))
        for each in file["fidelity"]:
            console.print(f"[red]✕[/] {escape(file['file'])}: {escape(each['message'])} ({each['code']})")


def _show_queries(console: Console, told: Mapping[str, Any]) -> None:
    """How long queries took before and after, where that was asked for."""
    if not told["audit"]:
        return
    console.print(f"\nqueries before and after: {told['audit']['verdict']}", style="dim")
    table = headed("query", ">ms before", ">ms after", ">ratio", "verdict")
    for query in told["audit"]["queries"]:
        times = [query["times"][side] for side in ("old", "new")]
        medians = [f"{side['median_ms']:.3g}" if side else "" for side in times]
        ratio = f"{query['ratio']['middle']:.2f}" if query["ratio"] else ""
        table.add_row(*map(Text, (query["name"], *medians, ratio, query["verdict"])))
    print_tree(console, table)


def _show_profile(console: Console, told: Mapping[str, Any]) -> None:
    """The computed columns, what they were computed from above them."""
    profile = told["profile"]
    if not profile or not profile["columns"]:
        return
    of = "all" if profile["records"] == profile["of"] else f"{profile['records']:,} of"
    console.print(f"\ncomputed columns, in {of} {profile['of']:,} records", style="dim")
    table = headed("", "column", "type", ">nulls", ">distinct", "least", "greatest")
    for column in profile["columns"]:
        for side, when in (*((side, "before") for side in column["sources"]), (column["after"], "after")):
            table.add_row(*map(Text, (when, side["path"], side["type"], *_facts(side))))
    print_tree(console, table)


def _facts(side: Mapping[str, Any]) -> Iterator[str]:
    if side["hidden"]:
        yield from ("", "", "not shown", "tagged pii")
        return
    yield f"{side['nulls']:,}"
    yield row_count(side["distinct"])
    for end in ("min", "max"):
        text = side[end] or ""
        yield text if len(text) <= 20 else text[:19] + "…"


def _show_properties(console: Console, told: Mapping[str, Any], verbose: bool) -> None:
    found = sections.properties(told)
    if not found or not found["lines"]:
        return
    looked = len(found["files"])
    of = f"{looked:,} of {counted(found['of'], 'file')}" if looked < found["of"] else counted(looked, "file")
    console.print(f"\nwhat differs in the files besides their values, in {of}", style="dim")
    table = headed("property", "before", "after", "why")
    for line in found["lines"]:
        if line["differing"] or verbose:
            why = line["why"] if line["declared"] else "nobody declared it"
            table.add_row(*map(Text, (line["name"], line["before"], line["after"] if line["differing"] else "the same", why)))
    print_tree(console, table)


def show_all_accounts(console: Console, told: Sequence[Mapping[str, Any]]) -> None:
    """A line a run, the newest of each dataset last."""
    if not told:
        console.print("no runs yet")
        return
    table = headed("dataset", "run", "what", "verdict", ">rows", "now")
    for each in told:
        said = verdict(each)
        what = each["verb"] + (f" to {each['to']}" if each["to"] is not None else "")
        style = _COLOURS[said.tone]
        table.add_row(
            escape(each["dataset"]),
            each["run"],
            what,
            Text(f"{said.symbol} {said.headline}", style),
            row_count(each["rows_out"]),
            each["now"]["status"],
        )
    console.print(table)
